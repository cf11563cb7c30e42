/*
 * bitmap_guard.h
 *		Keep the executor from prefetching blocks that are no blocks.
 *
 * On PostgreSQL 15 to 17 a bitmap heap scan prefetches main-fork blocks by
 * number from the executor itself, and the block of a chunk row's TID is far
 * beyond the end of the file.  So prefetching is turned off for bitmap scans of
 * tsdb tables when a plan starts, and while a plan runs that may start such
 * scans again to recheck a row (EvalPlanQual), by setting
 * effective_io_concurrency to 0 for it.
 */
#ifndef TSDB_PLAN_BITMAP_GUARD_H
#define TSDB_PLAN_BITMAP_GUARD_H

#include "executor/execdesc.h"

/* After ExecutorStart: returns true if the plan has a bitmap scan of ours and
 * may recheck rows. */
extern bool tsdb_bitmap_guard_start(QueryDesc *query);

/* Around ExecutorRun, when that returned true. */
extern int	tsdb_bitmap_guard_enter(void);
extern void tsdb_bitmap_guard_leave(int nestlevel);

#endif							/* TSDB_PLAN_BITMAP_GUARD_H */
