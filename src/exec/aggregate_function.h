/*
 * aggregate_function.h
 *		Which aggregate functions are known, and what each computes.
 */
#ifndef TSDB_EXEC_AGGREGATE_FUNCTION_H
#define TSDB_EXEC_AGGREGATE_FUNCTION_H

#include "nodes/primnodes.h"

typedef enum TsdbAggregateFunction
{
	TSDB_FUNCTION_COUNT,
	TSDB_FUNCTION_SUM,				/* of narrow integers: bigint */
	TSDB_FUNCTION_SUM_WIDE,			/* sum or average of bigints: count and numeric */
	TSDB_FUNCTION_AVERAGE,			/* of narrow integers: count and bigint */
	TSDB_FUNCTION_SUM_FLOAT8,
	TSDB_FUNCTION_SUM_FLOAT4,
	TSDB_FUNCTION_MEAN,				/* of floats: moments, of which squares do not count */
	TSDB_FUNCTION_MOMENTS,
	TSDB_FUNCTION_MIN,
	TSDB_FUNCTION_MAX,
	TSDB_FUNCTION_MIN_FLOAT,
	TSDB_FUNCTION_MAX_FLOAT,
	TSDB_FUNCTION_SUM_NUMERIC,		/* or average: a sum of its own kind */
	TSDB_FUNCTION_EXTREME,			/* by the server's transition function */
	TSDB_FUNCTION_FIRST,
	TSDB_FUNCTION_LAST,
	TSDB_FUNCTION_UNKNOWN
} TsdbAggregateFunction;

/* What the call computes. */
extern TsdbAggregateFunction tsdb_aggregate_function(const Aggref *call);

/* The same of one of the server's whose states are known here; unknown for others. */
extern TsdbAggregateFunction tsdb_aggregate_function_of_number(Oid aggregate);

/*
 * Is it a minimum or maximum of the server's whose transition function takes two values
 * and returns one of them?  Sets that function.
 */
extern bool tsdb_aggregate_is_extreme(const Aggref *call, Oid *support, bool *maximum);

#endif							/* TSDB_EXEC_AGGREGATE_FUNCTION_H */
