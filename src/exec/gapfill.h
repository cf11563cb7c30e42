/*
 * gapfill.h
 *		Executor node that adds the rows of empty buckets to grouped rows.
 *
 * Its input is what GROUP BY gives, sorted by the other group keys and then by the
 * bucket.  Each group of equal other keys is shown with all buckets of the range: a
 * bucket without row gets one, in which group keys, and what depends on them, are the
 * group's, the bucket is the missing one, and aggregates are null.
 * Expressions of the query's target list are computed from that row.  Rows outside of the
 * range are passed on.  Without other keys there is one group even if there are no
 * rows.
 *
 *	 child:		keys, bucket, aggregates
 *	 scan row:	the same, then a column for each locf() and interpolate()
 *	 output:	the query's expressions, in which these calls are columns of the scan row
 *
 * The boundaries of the range are computed before the first row and at each rescan.
 * The node cannot go backward, nor run inside of a parallel worker.
 */
#ifndef TSDB_EXEC_GAPFILL_H
#define TSDB_EXEC_GAPFILL_H

#include "nodes/plannodes.h"
#include "nodes/primnodes.h"

/* The range begins or ends where a time compares so with an expression. */
typedef struct TsdbGapBound
{
	int			strategy;		/* of btree: less, less or equal, greater or equal, greater */
	Expr	   *expr;
} TsdbGapBound;

typedef struct TsdbGapfillSpec
{
	/* the call of time_bucket_gapfill() */
	FuncExpr   *bucket;
	Expr	   *width;
	Expr	   *zone;			/* or NULL */
	List	   *bounds;			/* of TsdbGapBound */

	/* what the input has, besides aggregates */
	List	   *keys;			/* expressions of the other group keys */
	List	   *key_operators;	/* their equality */
	List	   *key_collations;

	List	   *fills;			/* calls of locf and interpolate: FuncExpr */
	List	   *fill_interpolates;	/* integers: which of them is it? */
} TsdbGapfillSpec;

/* Make a plan node over one that has the keys, the bucket and aggregates in its target
 * list. */
extern CustomScan *tsdb_gapfill_make_plan(const TsdbGapfillSpec *spec, List *tlist, Plan *child);

/* When the library is loaded. */
extern void tsdb_gapfill_init(void);

#endif							/* TSDB_EXEC_GAPFILL_H */
