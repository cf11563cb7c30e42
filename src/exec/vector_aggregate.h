/*
 * vector_aggregate.h
 *		Aggregate functions over columns: the states that PostgreSQL's own would have.
 *
 * Computes the partial state of an aggregate (what its transition function leaves
 * and its combine function takes) for runs of rows at once, or from a chunk's
 * statistics.  The server's own Finalize Aggregate does the rest, so that results,
 * types and errors are the server's.
 *
 *	count(*), count(x)							any type
 *	sum, avg									smallint, integer, bigint, real, double precision,
 *												numeric
 *	stddev, variance and their kin				real, double precision
 *	min, max									all types that the server has them for; by a
 *												call for each value, but for numbers, dates
 *												and timestamps
 *	bool_and, bool_or, every					boolean
 *	first(value, time), last(value, time)		any type
 *
 * Arguments and FILTER clauses are expressions on columns (exec/aggregate_input.h).
 * Sums of floats add in another order than one by one, as those of parallel queries
 * do.  Values so large that the order decides on an overflow are added one by one,
 * with the checks of the server's functions.
 */
#ifndef TSDB_EXEC_VECTOR_AGGREGATE_H
#define TSDB_EXEC_VECTOR_AGGREGATE_H

#include "cache/narrow.h"
#include "chunk/chunk.h"
#include "exec/best_row.h"
#include "exec/column_run.h"
#include "exec/numeric_sum.h"
#include "fmgr.h"
#include "nodes/pg_list.h"
#include "nodes/primnodes.h"

typedef struct TsdbAggregate
{
	int			function;		/* what to compute, see aggregate_function.h */
	Expr	   *argument;		/* NULL for count(*) */
	AttrNumber	attno;			/* of the column that it is, 0 for other expressions */
	Oid			type;			/* of the argument */
	int16		length;
	bool		by_value;
	Oid			collation;
	bool		maximum;		/* of an extreme by a support function */
	FmgrInfo	support;		/* that chooses of two values, or compares times */

	/* first(value, time), last(value, time) */
	Expr	   *time;
	AttrNumber	time_attno;
	Oid			time_type;
	bool		time_is_int64;
} TsdbAggregate;

/* Zeroes are the state of no rows. */
typedef struct TsdbAggregateState
{
	int64		count;			/* values that were not null */
	union
	{
		int64		integer;	/* sum or extreme */
		int128		wide;		/* sum */
		float4		real;		/* sum */
		double		extreme;
		Datum		value;		/* extreme by a support function */
		TsdbBestRow *best;
		TsdbNumericSum *numeric;
		struct
		{
			double		sum;
			double		squares;	/* of differences from the mean */
		}			moments;
	}			u;
} TsdbAggregateState;

/* Can the call be computed here, from columns of the relation? */
extern bool tsdb_aggregate_understands(const Aggref *call, Index relid);

/* For one that can; calls are all of the query, since some share a state. */
extern void tsdb_aggregate_init(TsdbAggregate *aggregate, const Aggref *call, List *calls);

/* Do statistics say that values are floats of which sums do not overflow, and no NaNs? */
extern bool tsdb_aggregate_is_small(const TsdbAggregate *aggregate,
									const TsdbChunkSummary *summary);

extern void tsdb_aggregate_add(const TsdbAggregate *aggregate, TsdbAggregateState *state,
							   const TsdbColumnRun *run);

/* The same of all of these rows of a packed column without nulls; false, and nothing done, if that does not do. */
extern bool tsdb_aggregate_add_packed(const TsdbAggregate *aggregate, TsdbAggregateState *state,
									  const TsdbNarrow *packed, uint32 from, uint32 to);

/* Can that do at all? */
extern bool tsdb_aggregate_takes_packed(const TsdbAggregate *aggregate);

/* Add all rows of a chunk, memory being that of the state; false, and nothing done, if statistics do not tell. */
extern bool tsdb_aggregate_add_chunk(const TsdbAggregate *aggregate,
									 TsdbAggregateState *state,
									 const TsdbChunkSummary *summary, MemoryContext memory);

/* The partial state as the server's aggregates exchange it, in the current context. */
extern Datum tsdb_aggregate_partial(const TsdbAggregate *aggregate,
									const TsdbAggregateState *state, bool *isnull);

#endif							/* TSDB_EXEC_VECTOR_AGGREGATE_H */
