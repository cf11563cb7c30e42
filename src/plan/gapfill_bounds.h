/*
 * gapfill_bounds.h
 *		Where the range of time_bucket_gapfill() begins and ends.
 *
 * At its arguments start and finish; in place of one that is not given, at all conditions
 * of the query that compare the time with something that is the same for all rows:
 * those joined by AND in WHERE, and in ON of inner joins.
 */
#ifndef TSDB_PLAN_GAPFILL_BOUNDS_H
#define TSDB_PLAN_GAPFILL_BOUNDS_H

#include "nodes/pathnodes.h"
#include "plan/gapfill_call.h"

/*
 * The boundaries, a list of TsdbGapBound.  Raises an error if one is missing; where
 * the planner knows that no row matches, and so has dropped the conditions, the
 * range has no bucket.
 */
extern List *tsdb_gapfill_bounds(PlannerInfo *root, const TsdbGapfillArgs *args, Oid type);

#endif							/* TSDB_PLAN_GAPFILL_BOUNDS_H */
