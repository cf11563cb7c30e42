/*
 * distinct_path.h
 *		Offers the planner the first row of each series without reading the others.
 *
 * For DISTINCT ON (columns of the series key) … ORDER BY these, and then a column that decides,
 * over one table: Unique over Sort over exec/distinct_scan.h.
 */
#ifndef TSDB_PLAN_DISTINCT_PATH_H
#define TSDB_PLAN_DISTINCT_PATH_H

/* When the library is loaded. */
extern void tsdb_distinct_path_init(void);

#endif							/* TSDB_PLAN_DISTINCT_PATH_H */
