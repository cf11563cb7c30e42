/*
 * stat_row.h
 *		A row of what stands behind a view of statistics, filled from the left.
 */
#ifndef TSDB_SQL_STAT_ROW_H
#define TSDB_SQL_STAT_ROW_H

#include "fmgr.h"
#include "stats/latency.h"

#define TSDB_STAT_COLUMNS_MAX	24

typedef struct TsdbStatRow
{
	int			count;
	Datum		values[TSDB_STAT_COLUMNS_MAX];
	bool		nulls[TSDB_STAT_COLUMNS_MAX];
} TsdbStatRow;

extern void tsdb_stat_row_put(TsdbStatRow *row, Datum value, bool isnull);
extern void tsdb_stat_row_put_count(TsdbStatRow *row, pg_atomic_uint64 *count);

/* The shares 0.5, 0.95 and 0.99; null if nothing was measured. */
extern void tsdb_stat_row_put_quantiles(TsdbStatRow *row, const TsdbLatency *latency);

/* Add it to the result of a function that has called InitMaterializedSRF(). */
extern void tsdb_stat_row_add(FunctionCallInfo fcinfo, TsdbStatRow *row);

#endif							/* TSDB_SQL_STAT_ROW_H */
