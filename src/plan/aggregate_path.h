/*
 * aggregate_path.h
 *		Offers the planner aggregation by columns.
 *
 * Where a query groups the rows of one tsdb table by columns and buckets, and all its
 * aggregates are known to exec/vector_aggregate.h, a path is added with a node of
 * exec/aggregate_scan.h over the table's scan, below a Finalize Aggregate, and below a
 * Gather if workers are worth it.
 */
#ifndef TSDB_PLAN_AGGREGATE_PATH_H
#define TSDB_PLAN_AGGREGATE_PATH_H

extern bool tsdb_enable_aggregate;	/* setting */

/* When the library is loaded. */
extern void tsdb_aggregate_path_init(void);

#endif							/* TSDB_PLAN_AGGREGATE_PATH_H */
