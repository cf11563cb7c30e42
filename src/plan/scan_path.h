/*
 * scan_path.h
 *		Offers the planner scans that read the columns that are needed.
 */
#ifndef TSDB_PLAN_SCAN_PATH_H
#define TSDB_PLAN_SCAN_PATH_H

#include "nodes/pathnodes.h"
#include "utils/rel.h"

extern bool tsdb_enable_scan;	/* setting */

/*
 * The scan that add_path() was given for the relation (its partial one with workers),
 * for who reads it in batches and puts a node of his own above: a row costs little then.
 * NULL if there is none.
 */
extern Path *tsdb_scan_path_for_batches(PlannerInfo *root, RelOptInfo *rel, int workers);

/* The table of a relation that can be scanned by columns, opened; or NULL. */
extern Relation tsdb_scan_path_open_table(PlannerInfo *root, RelOptInfo *rel);

/* Workers that the server found right for scanning the relation, 0 for none. */
extern int	tsdb_scan_path_workers(const RelOptInfo *rel);

/* When the library is loaded. */
extern void tsdb_scan_path_init(void);

#endif							/* TSDB_PLAN_SCAN_PATH_H */
