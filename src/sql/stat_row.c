/*
 * stat_row.c
 *		A row of what stands behind a view of statistics, filled from the left.
 */
#include "postgres.h"

#include "sql/stat_row.h"

#include "nodes/execnodes.h"
#include "utils/tuplestore.h"

void
tsdb_stat_row_put(TsdbStatRow *row, Datum value, bool isnull)
{
	Assert(row->count < TSDB_STAT_COLUMNS_MAX);
	row->values[row->count] = value;
	row->nulls[row->count++] = isnull;
}

void
tsdb_stat_row_put_count(TsdbStatRow *row, pg_atomic_uint64 *count)
{
	tsdb_stat_row_put(row, Int64GetDatum(pg_atomic_read_u64(count)), false);
}

void
tsdb_stat_row_put_quantiles(TsdbStatRow *row, const TsdbLatency *latency)
{
	static const double shares[] = {0.5, 0.95, 0.99};

	for (int i = 0; i < (int) lengthof(shares); i++)
	{
		double		value = tsdb_latency_quantile(latency, shares[i]);

		tsdb_stat_row_put(row, Int64GetDatum((int64) value), value < 0);
	}
}

void
tsdb_stat_row_add(FunctionCallInfo fcinfo, TsdbStatRow *row)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, row->values, row->nulls);
}
