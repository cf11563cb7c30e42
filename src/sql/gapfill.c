/*
 * gapfill.c
 *		time_bucket_gapfill(), locf(), interpolate(): what they are where no gaps are filled.
 *
 * In a query that groups by time_bucket_gapfill() the planner takes care of these
 * calls (plan/gapfill_path.h): rows are grouped by what the function returns, and
 * locf() and interpolate() are not called at all.  Elsewhere they are time_bucket() and
 * their first argument, as TimescaleDB's users know them.
 *
 * All have a support function, if only so that planning such a query loads this
 * library, with its hooks.
 */
#include "postgres.h"

#include "fmgr.h"
#include "nodes/supportnodes.h"
#include "sql/time_bucket.h"

PG_FUNCTION_INFO_V1(tsdb_gapfill_bucket_int2);
PG_FUNCTION_INFO_V1(tsdb_gapfill_bucket_int4);
PG_FUNCTION_INFO_V1(tsdb_gapfill_bucket_int8);
PG_FUNCTION_INFO_V1(tsdb_gapfill_bucket_date);
PG_FUNCTION_INFO_V1(tsdb_gapfill_bucket_timestamp);
PG_FUNCTION_INFO_V1(tsdb_gapfill_bucket_zone);
PG_FUNCTION_INFO_V1(tsdb_gapfill_locf);
PG_FUNCTION_INFO_V1(tsdb_gapfill_interpolate);
PG_FUNCTION_INFO_V1(tsdb_gapfill_column);
PG_FUNCTION_INFO_V1(tsdb_gapfill_support);
PG_FUNCTION_INFO_V1(tsdb_gapfill_column_support);

/* time_bucket_gapfill(bucket_width, ts, ...) by time_bucket(bucket_width, ts) */
static Datum
bucket(FunctionCallInfo fcinfo, PGFunction time_bucket)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	return DirectFunctionCall2(time_bucket, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1));
}

Datum
tsdb_gapfill_bucket_int2(PG_FUNCTION_ARGS)
{
	return bucket(fcinfo, tsdb_time_bucket_int2);
}

Datum
tsdb_gapfill_bucket_int4(PG_FUNCTION_ARGS)
{
	return bucket(fcinfo, tsdb_time_bucket_int4);
}

Datum
tsdb_gapfill_bucket_int8(PG_FUNCTION_ARGS)
{
	return bucket(fcinfo, tsdb_time_bucket_int8);
}

Datum
tsdb_gapfill_bucket_date(PG_FUNCTION_ARGS)
{
	return bucket(fcinfo, tsdb_time_bucket_date);
}

/* for timestamp and timestamptz */
Datum
tsdb_gapfill_bucket_timestamp(PG_FUNCTION_ARGS)
{
	return bucket(fcinfo, tsdb_time_bucket_timestamp);
}

/* with a time zone */
Datum
tsdb_gapfill_bucket_zone(PG_FUNCTION_ARGS)
{
	LOCAL_FCINFO(call, 5);
	Datum		result;

	InitFunctionCallInfoData(*call, NULL, 5, PG_GET_COLLATION(), NULL, NULL);
	for (int i = 0; i < 5; i++)
	{
		call->args[i].isnull = i < 3 ? PG_ARGISNULL(i) : true;
		call->args[i].value = i < 3 ? PG_GETARG_DATUM(i) : (Datum) 0;
	}
	result = tsdb_time_bucket_timestamp_zone(call);
	if (call->isnull)
		PG_RETURN_NULL();
	return result;
}

static Datum
first_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

Datum
tsdb_gapfill_locf(PG_FUNCTION_ARGS)
{
	return first_argument(fcinfo);
}

Datum
tsdb_gapfill_interpolate(PG_FUNCTION_ARGS)
{
	return first_argument(fcinfo);
}

/* What plan/gapfill_guard.h wraps columns in: planned as its argument. */
Datum
tsdb_gapfill_column(PG_FUNCTION_ARGS)
{
	return first_argument(fcinfo);
}

Datum
tsdb_gapfill_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(NULL);
}

Datum
tsdb_gapfill_column_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	if (!IsA(request, SupportRequestSimplify))
		PG_RETURN_POINTER(NULL);
	PG_RETURN_POINTER(linitial(((SupportRequestSimplify *) request)->fcall->args));
}
