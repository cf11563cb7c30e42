/*
 * table_scan.h
 *		Custom scan of a tsdb table that reads the columns that are needed.
 *
 * A sequential scan forms whole rows.  This one decodes, of each chunk that
 * statistics do not rule out, the columns of its conditions first, and the others
 * that the query uses only if some row may match.  Rows of the row store come
 * first, as heap gives them.  It reads in parallel as a sequential scan does,
 * and stands for one in every other respect: snapshot, predicate locks, WHERE
 * CURRENT OF, row locks above it.
 *
 * The plan node's custom_exprs are the clauses for the chunk filter (which are
 * among its quals too), custom_private is the list of attribute numbers to read.
 */
#ifndef TSDB_EXEC_TABLE_SCAN_H
#define TSDB_EXEC_TABLE_SCAN_H

#include "nodes/extensible.h"

extern const CustomScanMethods tsdb_table_scan_methods;

/* When the library is loaded. */
extern void tsdb_table_scan_init(void);

#endif							/* TSDB_EXEC_TABLE_SCAN_H */
