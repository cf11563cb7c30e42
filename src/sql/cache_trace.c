/*
 * cache_trace.c
 *		tsdb.take_cache_trace(): which vectors this session has looked up.
 */
#include "postgres.h"

#include "cache/cache_trace.h"
#include "fmgr.h"
#include "funcapi.h"

PG_FUNCTION_INFO_V1(tsdb_take_cache_trace);

Datum
tsdb_take_cache_trace(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const TsdbCacheTouch *touches;
	int			count;

	InitMaterializedSRF(fcinfo, 0);
	touches = tsdb_cache_trace_get(&count);
	for (int i = 0; i < count; i++)
	{
		Datum		values[3] = {Int64GetDatum((int64) touches[i].generation), Int16GetDatum(touches[i].column),
		CharGetDatum(touches[i].outcome)};
		bool		nulls[3] = {false, false, false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	tsdb_cache_trace_clear();
	return (Datum) 0;
}
