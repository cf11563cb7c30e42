/*
 * gap_range.c
 *		The buckets that a query with time_bucket_gapfill() must show.
 */
#include "postgres.h"

#include "exec/gap_range.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "datatype/timestamp.h"
#include "exec/number.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

/* No zone has sat out this many widths in a row. */
#define MAX_CLOCK_STEPS 100

/* ---- times ---- */

int64
tsdb_gap_time(Datum value, Oid type)
{
	Assert(tsdb_number_is_integer(type));
	return tsdb_number_get_integer(type, value);
}

Datum
tsdb_gap_datum(int64 time, Oid type)
{
	switch (type)
	{
		case INT2OID:
			return Int16GetDatum((int16) time);
		case INT4OID:
			return Int32GetDatum((int32) time);
		case INT8OID:
			return Int64GetDatum(time);
		case DATEOID:
			return DateADTGetDatum((DateADT) time);
		default:
			return TimestampGetDatum(time);
	}
}

bool
tsdb_gap_is_finite(int64 time, Oid type)
{
	switch (type)
	{
		case DATEOID:
			return !DATE_NOT_FINITE(time);
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return !TIMESTAMP_NOT_FINITE(time);
		default:
			return true;
	}
}

/* Smallest and largest value of a type. */
static void
type_limits(Oid type, int64 *min, int64 *max)
{
	switch (type)
	{
		case INT2OID:
			*min = PG_INT16_MIN;
			*max = PG_INT16_MAX;
			break;
		case INT4OID:
			*min = PG_INT32_MIN;
			*max = PG_INT32_MAX;
			break;
		case INT8OID:
			*min = PG_INT64_MIN;
			*max = PG_INT64_MAX;
			break;
		case DATEOID:
			*min = DATETIME_MIN_JULIAN - POSTGRES_EPOCH_JDATE;
			*max = DATE_END_JULIAN - POSTGRES_EPOCH_JDATE - 1;
			break;
		default:
			*min = MIN_TIMESTAMP;
			*max = END_TIMESTAMP - 1;
			break;
	}
}

int64
tsdb_gap_convert(Datum value, Oid from, Oid to, bool *rounded)
{
	int64		time = tsdb_gap_time(value, from);
	int64		min;
	int64		max;

	*rounded = false;
	if (from == to)
		return time;
	if (to == DATEOID)
	{
		int64		day;

		if (from == TIMESTAMPTZOID)
			time = DatumGetTimestamp(DirectFunctionCall1(timestamptz_timestamp, value));
		day = time / USECS_PER_DAY;
		if (day * USECS_PER_DAY > time)
			day--;
		*rounded = day * USECS_PER_DAY != time;
		return day;
	}
	if (to == TIMESTAMPOID)
		return DatumGetTimestamp(from == DATEOID ? DirectFunctionCall1(date_timestamp, value) :
								 DirectFunctionCall1(timestamptz_timestamp, value));
	if (to == TIMESTAMPTZOID)
		return DatumGetTimestampTz(from == DATEOID ? DirectFunctionCall1(date_timestamptz, value) :
								   DirectFunctionCall1(timestamp_timestamptz, value));

	/* an integer beyond the type's range lies beyond all times */
	if (to == INT8OID)
		return time;
	type_limits(to, &min, &max);
	*rounded = time < min || time > max;
	return Max(Min(time, max), min - 1);
}

/* ---- buckets ---- */

static int64
bucket_of(TsdbGapRange *range, int64 time)
{
	LOCAL_FCINFO(call, 5);
	int			narg = 0;
	Datum		result;

	InitFunctionCallInfoData(*call, &range->bucket, range->bucket.fn_nargs, range->collation,
							 NULL, NULL);
	call->args[narg].isnull = false;
	call->args[narg++].value = range->width;
	call->args[narg].isnull = false;
	call->args[narg++].value = tsdb_gap_datum(time, range->type);
	if (range->has_zone)
	{
		call->args[narg].isnull = false;
		call->args[narg++].value = range->zone;
	}
	while (narg < range->bucket.fn_nargs)
	{
		call->args[narg].isnull = true;
		call->args[narg++].value = (Datum) 0;
	}
	result = FunctionCallInvoke(call);
	if (call->isnull)
		elog(ERROR, "function %u returned NULL", range->bucket.fn_oid);
	return tsdb_gap_time(result, range->type);
}

/* The function has checked the width. */
static void
set_step(TsdbGapRange *range)
{
	Interval   *width;

	range->months = 0;
	switch (range->type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			range->step = tsdb_gap_time(range->width, range->type);
			return;
		default:
			break;
	}
	width = DatumGetIntervalP(range->width);
	range->months = width->month;
	range->step = width->day * USECS_PER_DAY + width->time;
	if (range->type == DATEOID)
		range->step /= USECS_PER_DAY;
}

void
tsdb_gap_range_begin(TsdbGapRange *range, int64 begin)
{
	int64		min;
	int64		max;

	type_limits(range->type, &min, &max);
	range->first = bucket_of(range, Max(Min(begin, max), min));
	set_step(range);
	if (range->end > max)
		range->end = max == PG_INT64_MAX ? max : max + 1;
}

/* A local time plus a number of widths. */
static Timestamp
add_widths(const TsdbGapRange *range, Timestamp time, int n)
{
	Interval	months = {0};

	if (range->months == 0)
		return time + n * range->step;
	months.month = n * range->months;
	return DatumGetTimestamp(DirectFunctionCall2(timestamp_pl_interval, TimestampGetDatum(time),
												 IntervalPGetDatum(&months)));
}

static bool
next_in_zone(TsdbGapRange *range, int64 *time)
{
	Timestamp	local;
	int64		next = PG_INT64_MAX;

	if (range->months == 0)
	{
		if (*time >= END_TIMESTAMP - range->step)
			return false;
		next = bucket_of(range, *time + range->step);
		if (next <= *time)
			next = PG_INT64_MAX;
	}

	local = DatumGetTimestamp(DirectFunctionCall2(timestamptz_zone, range->zone,
												  TimestampTzGetDatum(*time)));
	for (int n = 1; n <= MAX_CLOCK_STEPS; n++)
	{
		Timestamp	later = add_widths(range, local, n);
		int64		by_clock;

		if (!IS_VALID_TIMESTAMP(later))
			break;
		by_clock = bucket_of(range,
							 DatumGetTimestampTz(DirectFunctionCall2(timestamp_zone, range->zone,
																	 TimestampGetDatum(later))));
		if (by_clock > *time)
		{
			next = Min(next, by_clock);
			break;
		}
	}
	*time = next;
	return next < range->end;
}

bool
tsdb_gap_range_next(TsdbGapRange *range, int64 *time)
{
	if (range->has_zone)
		return next_in_zone(range, time);
	if (range->months == 0)
	{
		if (pg_add_s64_overflow(*time, range->step, time))
			return false;
	}
	else if (range->type == DATEOID)
	{
		Datum		begin = DirectFunctionCall1(date_timestamp, DateADTGetDatum((DateADT) *time));
		Timestamp	next = add_widths(range, DatumGetTimestamp(begin), 1);

		*time = DatumGetDateADT(DirectFunctionCall1(timestamp_date, TimestampGetDatum(next)));
	}
	else
		*time = add_widths(range, *time, 1);
	return *time < range->end;
}
