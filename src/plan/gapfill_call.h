/*
 * gapfill_call.h
 *		Finds the calls of time_bucket_gapfill(), locf() and interpolate() in a query.
 *
 * Functions are known by what implements them, so that others may have the same names.
 *
 * A query that groups or aggregates may call time_bucket_gapfill() as an item of GROUP BY
 * by itself, and repeat that very call elsewhere; locf() and interpolate() may be
 * called anywhere in its target list and ORDER BY but inside of aggregates and of each
 * other, and not together with set-returning functions.  All else is refused: 42803 or
 * 0A000.  In queries that do neither the functions are time_bucket() and their first
 * argument.
 */
#ifndef TSDB_PLAN_GAPFILL_CALL_H
#define TSDB_PLAN_GAPFILL_CALL_H

#include "nodes/pathnodes.h"

typedef enum TsdbGapfillCall
{
	TSDB_GAPFILL_NONE,
	TSDB_GAPFILL_BUCKET,
	TSDB_GAPFILL_LOCF,
	TSDB_GAPFILL_INTERPOLATE,
	TSDB_GAPFILL_COLUMN			/* the planner's own: see gapfill_guard.h */
} TsdbGapfillCall;

typedef struct TsdbGapfillCalls
{
	FuncExpr   *bucket;
	SortGroupClause *bucket_clause;
	List	   *fills;			/* calls of locf() and interpolate(), none twice */
} TsdbGapfillCalls;

/* Arguments of a call of time_bucket_gapfill(). */
typedef struct TsdbGapfillArgs
{
	Expr	   *width;
	Expr	   *time;
	Expr	   *zone;			/* or NULL */
	Expr	   *start;			/* or NULL: none, or the constant NULL */
	Expr	   *finish;			/* likewise */
} TsdbGapfillArgs;

/* What does an expression call? */
extern TsdbGapfillCall tsdb_gapfill_call(const Node *expr);

/* Does a query that has not been planned yet group by a call of time_bucket_gapfill()? */
extern bool tsdb_gapfill_groups(Query *query);

/* Find and check the calls of a query whose expressions have been preprocessed; false if it
 * does not group by time_bucket_gapfill(). */
extern bool tsdb_gapfill_find_calls(PlannerInfo *root, TsdbGapfillCalls *calls);

/* The arguments; raises an error unless all but the time are independent of rows. */
extern void tsdb_gapfill_get_args(const FuncExpr *call, TsdbGapfillArgs *args);

/* Can an expression be computed before the first row? */
extern bool tsdb_gapfill_is_simple(Expr *expr);

#endif							/* TSDB_PLAN_GAPFILL_CALL_H */
