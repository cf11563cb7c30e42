/*
 * group_runs.h
 *		Divides the rows of a batch into runs that belong to one group each.
 *
 * Rows of a chunk are sorted by series, then time, so that groups by series, by
 * buckets of time and by both lie in it one after the other.  A key that is a column
 * is compared from row to row, unless statistics say that the chunk has one value.
 * A key that is an expression on a column is evaluated for every row in general;
 * where it never falls as the column rises (time_bucket(), date_trunc(), floor(x / 300),
 * see plan/bucket_rule.h), the values of a few rows of a sorted part tell those of all
 * between: about two evaluations for each bucket instead of one for each row.  Buckets
 * recur from series to series, so the last few are remembered.
 *
 * Values are compared to the bit: what the server finds equal may be two runs, which
 * the Finalize Aggregate above brings together.
 */
#ifndef TSDB_EXEC_GROUP_RUNS_H
#define TSDB_EXEC_GROUP_RUNS_H

#include "exec/table_scan.h"

/* How a group key follows from its column. */
typedef enum TsdbBucketRule
{
	TSDB_BUCKET_COLUMN,			/* is the column */
	TSDB_BUCKET_RISING,			/* never falls as the column rises */
	TSDB_BUCKET_RISING_IN_ZONE, /* the same between two changes of the session's clock */
	TSDB_BUCKET_ANY				/* no rule is known */
} TsdbBucketRule;

typedef struct TsdbGroupKey
{
	TsdbBucketRule rule;
	AttrNumber	attno;			/* of the column */
	Oid			column_type;
	ExprState  *state;			/* of the expression, NULL for a column */
	int16		length;			/* of the key's type */
	bool		by_value;
} TsdbGroupKey;

typedef struct TsdbGroupRuns TsdbGroupRuns;

/* slot: of the table's row type; expressions are evaluated with their column in it. */
extern TsdbGroupRuns *tsdb_group_runs_create(int nkeys, const TsdbGroupKey *keys,
											 ExprContext *context, TupleTableSlot *slot);

/* Divide the rows of a batch that pass.  Results are valid until the next batch. */
extern void tsdb_group_runs_divide(TsdbGroupRuns *runs, CustomScanState *scan,
								   const TsdbBatch *batch);

/* The next run: rows from *from to before *to, of which some may not pass, and the
 * keys' values, nkeys of each; false if there is none. */
extern bool tsdb_group_runs_next(TsdbGroupRuns *runs, uint32 *from, uint32 *to,
								 Datum *values, bool *nulls);

#endif							/* TSDB_EXEC_GROUP_RUNS_H */
