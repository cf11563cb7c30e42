/*
 * scan_path.h
 *		Offers the planner scans that read the columns that are needed.
 */
#ifndef TSDB_PLAN_SCAN_PATH_H
#define TSDB_PLAN_SCAN_PATH_H

extern bool tsdb_enable_scan;	/* setting */

/* When the library is loaded. */
extern void tsdb_scan_path_init(void);

#endif							/* TSDB_PLAN_SCAN_PATH_H */
