/*
 * aggregate_scan.h
 *		Custom node that aggregates the rows of a tsdb scan below it by columns.
 *
 * Its child is a scan of table_scan.h, which it reads in batches.  What it returns
 * are partial states, for a Finalize Aggregate above: a row has the group keys and,
 * for each aggregate, what its combine function takes.  A group may come more than once,
 * since workers do not know of each other, and groups that exceed the memory of a
 * hash table are returned before more rows are read.
 *
 * Chunks all of whose rows belong to one group are answered from their statistics
 * as far as these tell; of others, the columns of keys and arguments are decoded.
 *
 * The plan node's custom_scan_tlist says what is returned: group keys, expressions on
 * one column, and partial Aggrefs that vector_aggregate.h understands.
 * custom_private has a TsdbBucketRule for each key.
 */
#ifndef TSDB_EXEC_AGGREGATE_SCAN_H
#define TSDB_EXEC_AGGREGATE_SCAN_H

#include "nodes/extensible.h"

extern const CustomScanMethods tsdb_aggregate_scan_methods;

/* When the library is loaded. */
extern void tsdb_aggregate_scan_init(void);

#endif							/* TSDB_EXEC_AGGREGATE_SCAN_H */
