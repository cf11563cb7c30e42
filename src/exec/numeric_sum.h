/*
 * numeric_sum.h
 *		Sums of numeric values: what sum(numeric) and avg(numeric) keep.
 *
 * Values of up to 18 digits are integers over a power of ten and are added as such, in
 * 128 bits at the largest scale so far; others, and what would overflow, by the server's
 * numeric_add().  The sum is exact and shows as many digits as the server's: those of
 * the value that has most.
 */
#ifndef TSDB_EXEC_NUMERIC_SUM_H
#define TSDB_EXEC_NUMERIC_SUM_H

#include "exec/column_run.h"

typedef struct TsdbNumericSum TsdbNumericSum;

/* A sum of nothing, in memory of the context. */
extern TsdbNumericSum *tsdb_numeric_sum_create(MemoryContext context);

/* Add the values of a run; returns their number. */
extern int64 tsdb_numeric_sum_add(TsdbNumericSum *sum, const TsdbColumnRun *run);

/* Add so many values, of which the sum is known as an integer over 10^scale. */
extern void tsdb_numeric_sum_add_scaled(TsdbNumericSum *sum, int128 scaled, int scale,
										int64 count, MemoryContext memory);

/* As numeric_avg_serialize() writes it. */
extern bytea *tsdb_numeric_sum_serialize(const TsdbNumericSum *sum);

#endif							/* TSDB_EXEC_NUMERIC_SUM_H */
