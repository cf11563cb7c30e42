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

#include "chunk/chunk.h"
#include "nodes/execnodes.h"
#include "nodes/extensible.h"

extern const CustomScanMethods tsdb_table_scan_methods;

/*
 * Instead of rows, their columns: for who reads the scan node below himself.  Rows
 * of a chunk, or up to as many of the row store, of which the node's conditions
 * hold for at least one.
 */
typedef struct TsdbBatch
{
	uint32		nrows;
	const uint8 *pass;			/* true for rows for which they hold; NULL: all */
	const TsdbChunkSummary *summary;	/* of the chunk; NULL for the row store */
} TsdbBatch;

/* The next batch, valid until the next call; false at the end. */
extern bool tsdb_table_scan_next_batch(CustomScanState *node, TsdbBatch *batch);

/* A column of the batch at hand, one of those that the node reads.  Before the first row
 * that passes and after the last one its entries may mean nothing. */
extern const TsdbColumn *tsdb_table_scan_column(CustomScanState *node, AttrNumber attno);

/* The same as the working set keeps it, packed, of a chunk; NULL if it does not, or the column has its values already. */
extern const TsdbColumn *tsdb_table_scan_packed(CustomScanState *node, AttrNumber attno);

/* The reader of the chunk at hand. */
extern TsdbChunkReader *tsdb_table_scan_reader(CustomScanState *node);

/* When the library is loaded. */
extern void tsdb_table_scan_init(void);

#endif							/* TSDB_EXEC_TABLE_SCAN_H */
