/*
 * value_aggregate.h
 *		Aggregates that keep one of the values: extremes by a support function, first, last.
 */
#ifndef TSDB_EXEC_VALUE_AGGREGATE_H
#define TSDB_EXEC_VALUE_AGGREGATE_H

#include "exec/vector_aggregate.h"

/* Set what first() and last() need to know of the type of times. */
extern void tsdb_value_aggregate_init_time(TsdbAggregate *aggregate);

/* min() or max() of any type: the transition function of the server's, value by value. */
extern void tsdb_value_aggregate_extreme(const TsdbAggregate *aggregate,
										 TsdbAggregateState *state,
										 const TsdbColumnRun *run);

/* The value of the row with the smallest or, for last, the largest time. */
extern void tsdb_value_aggregate_best(const TsdbAggregate *aggregate, bool last,
									  TsdbAggregateState *state, const TsdbColumnRun *run);

/* The same two of all rows of a chunk; false, and nothing done, if statistics do not tell. */
extern bool tsdb_value_aggregate_extreme_of_chunk(const TsdbAggregate *aggregate,
												  TsdbAggregateState *state,
												  const TsdbChunkSummary *summary,
												  MemoryContext memory);
extern bool tsdb_value_aggregate_best_of_chunk(const TsdbAggregate *aggregate, bool last,
											   TsdbAggregateState *state,
											   const TsdbChunkSummary *summary,
											   MemoryContext memory);

#endif							/* TSDB_EXEC_VALUE_AGGREGATE_H */
