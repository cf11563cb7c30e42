/*
 * prefetch_stat.c
 *		tsdb.stat_prefetch: what became of predictions.  Totals only: nothing of who reads what.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "worker/prefetch.h"

PG_FUNCTION_INFO_V1(tsdb_stat_prefetch);

#define COLUMNS 7

/* One row per pattern; none without preload. */
Datum
tsdb_stat_prefetch(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < TSDB_PATTERNS; i++)
	{
		TsdbPatternCounts counts;
		Datum		values[COLUMNS];
		bool		nulls[COLUMNS] = {false};

		if (!tsdb_prefetch_counts(i, &counts))
			break;
		values[0] = CStringGetTextDatum(tsdb_pattern_names[i]);
		values[1] = Int64GetDatum((int64) counts.predicted);
		values[2] = Int64GetDatum((int64) counts.came);
		values[3] = Int64GetDatum((int64) counts.failed);
		values[4] = Int64GetDatum((int64) counts.throttled);
		values[5] = Int64GetDatum((int64) counts.loaded);
		values[6] = Int64GetDatum((int64) counts.used);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
