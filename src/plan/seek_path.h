/*
 * seek_path.h
 *		Offers the planner scans that go to the chunks they need.
 *
 * Three kinds of queries have use for them: those that want the first rows in some order
 * (ORDER BY … LIMIT, min and max by an ordered subquery), those that look up a series for each row
 * of another relation (a nested loop), and subqueries that are run again for each row and have a
 * condition on the series.
 */
#ifndef TSDB_PLAN_SEEK_PATH_H
#define TSDB_PLAN_SEEK_PATH_H

#include "nodes/pathnodes.h"
#include "utils/rel.h"

extern bool tsdb_enable_seek;	/* setting */

/* Add paths for the table of a relation that can be scanned by columns. */
extern void tsdb_seek_path_add(PlannerInfo *root, RelOptInfo *rel, Relation table);

#endif							/* TSDB_PLAN_SEEK_PATH_H */
