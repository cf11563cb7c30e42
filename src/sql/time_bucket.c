/*
 * time_bucket.c
 *		time_bucket: the begin of the bucket that a time or an integer lies in.
 *
 * Buckets of one width are counted from an origin, in both directions:
 *
 *	 ... | origin - width | origin | origin + width | ...
 *
 * and a bucket contains its begin and not its end.  Names, arguments and
 * results are those that TimescaleDB's users know:
 *
 *	 - days and time are counted from Monday 2000-01-03 unless an origin is
 *	   given, months from January 2000; of a month bucket's origin only year
 *	   and month count;
 *	 - a bucket with an offset is the bucket of (value - offset), plus offset;
 *	 - a timestamptz is bucketed in UTC unless a time zone is given, and so is
 *	   an offset added to it, so that no result depends on the session;
 *	 - infinite times are their own bucket.
 *
 * Where a clock is set back, an hour happens twice.  Buckets of a time zone
 * that are shorter than a day begin in the hour that their rows lie in, as
 * with date_trunc(); longer ones are not split.
 *
 * Errors: 22023 for a width that is not positive, 0A000 for one that mixes
 * months with days or time or divides a day for dates, 22008 and 22003 for a
 * bucket that begins outside the type's range.
 */
#include "postgres.h"

#include "sql/time_bucket.h"

#include "common/int.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsdb_time_bucket_int2);
PG_FUNCTION_INFO_V1(tsdb_time_bucket_int4);
PG_FUNCTION_INFO_V1(tsdb_time_bucket_int8);
PG_FUNCTION_INFO_V1(tsdb_time_bucket_timestamp);
PG_FUNCTION_INFO_V1(tsdb_time_bucket_timestamp_offset);
PG_FUNCTION_INFO_V1(tsdb_time_bucket_timestamp_zone);
PG_FUNCTION_INFO_V1(tsdb_time_bucket_date);
PG_FUNCTION_INFO_V1(tsdb_time_bucket_date_offset);

/* Monday 2000-01-03, in the units of timestamp. */
#define DEFAULT_ORIGIN	(INT64CONST(2) * USECS_PER_DAY)

static void
refuse_width(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("bucket width must be greater than zero")));
}

/* value modulo width, in [0, width). */
static inline int64
modulo(int64 value, int64 width)
{
	int64		rest = value % width;

	return rest < 0 ? rest + width : rest;
}

/* How far value lies behind the begin of its bucket: in [0, width). */
static inline int64
distance(int64 width, int64 value, int64 origin)
{
	int64		rest = modulo(value, width);
	int64		shift = modulo(origin, width);

	return rest >= shift ? rest - shift : rest + (width - shift);
}

/* ---- integers ---- */

static int64
bucket_integer(int64 width, int64 value, int64 origin, int64 min, const char *type)
{
	int64		begin;

	if (width <= 0)
		refuse_width();
	if (pg_sub_s64_overflow(value, distance(width, value, origin), &begin) || begin < min)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("%s out of range", type),
				 errdetail("The bucket of " INT64_FORMAT " with width " INT64_FORMAT " begins below the smallest value.",
						   value, width)));
	return begin;
}

Datum
tsdb_time_bucket_int2(PG_FUNCTION_ARGS)
{
	int16		offset = PG_NARGS() > 2 ? PG_GETARG_INT16(2) : 0;

	PG_RETURN_INT16(bucket_integer(PG_GETARG_INT16(0), PG_GETARG_INT16(1), offset,
								   PG_INT16_MIN, "smallint"));
}

Datum
tsdb_time_bucket_int4(PG_FUNCTION_ARGS)
{
	int32		offset = PG_NARGS() > 2 ? PG_GETARG_INT32(2) : 0;

	PG_RETURN_INT32(bucket_integer(PG_GETARG_INT32(0), PG_GETARG_INT32(1), offset,
								   PG_INT32_MIN, "integer"));
}

Datum
tsdb_time_bucket_int8(PG_FUNCTION_ARGS)
{
	int64		offset = PG_NARGS() > 2 ? PG_GETARG_INT64(2) : 0;

	PG_RETURN_INT64(bucket_integer(PG_GETARG_INT64(0), PG_GETARG_INT64(1), offset,
								   PG_INT64_MIN, "bigint"));
}

/* ---- times ---- */

/* A width of months and nothing else? */
static bool
is_months(const Interval *width)
{
	if (width->month == 0)
		return false;
	if (width->day != 0 || width->time != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("bucket width cannot mix months with days or time"),
				 errhint("Use a width of months and years, or one of days and time.")));
	return true;
}

/* Microseconds of a width without months. */
static int64
width_microseconds(const Interval *width)
{
	int64		result;

	if (pg_mul_s64_overflow(width->day, USECS_PER_DAY, &result) ||
		pg_add_s64_overflow(result, width->time, &result))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("bucket width out of range")));
	if (result <= 0)
		refuse_width();
	return result;
}

static void
refuse_timestamp(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
			 errmsg("timestamp out of range"),
			 errdetail("The bucket begins before the earliest timestamp.")));
}

/* Months from 1 BC to the month of a date. */
static int64
months_of_date(DateADT date)
{
	int			year;
	int			month;
	int			day;

	j2date(date + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	return (int64) year * MONTHS_PER_YEAR + month - 1;
}

/* First day of the bucket of "months" months that contains a date. */
static DateADT
bucket_months(int32 months, DateADT date, DateADT origin)
{
	int64		value = months_of_date(date);
	int64		begin;
	int64		month;
	int64		year;

	if (months <= 0)
		refuse_width();
	begin = value - distance(months, value, months_of_date(origin));
	month = modulo(begin, MONTHS_PER_YEAR);
	year = (begin - month) / MONTHS_PER_YEAR;
	if (year < PG_INT32_MIN || !IS_VALID_JULIAN((int) year, (int) month + 1, 1))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("date out of range"),
				 errdetail("The bucket begins before the earliest date.")));
	return date2j((int) year, (int) month + 1, 1) - POSTGRES_EPOCH_JDATE;
}

static DateADT
date_of_timestamp(Timestamp timestamp)
{
	return DatumGetDateADT(DirectFunctionCall1(timestamp_date, TimestampGetDatum(timestamp)));
}

static Timestamp
timestamp_of_date(DateADT date)
{
	return DatumGetTimestamp(DirectFunctionCall1(date_timestamp, DateADTGetDatum(date)));
}

/* Begin of the bucket of a timestamp, or of a timestamptz in UTC. */
static Timestamp
bucket_timestamp(const Interval *width, Timestamp timestamp, Timestamp origin)
{
	int64		period;

	if (TIMESTAMP_NOT_FINITE(timestamp))
		return timestamp;
	if (TIMESTAMP_NOT_FINITE(origin))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("origin of buckets must be finite")));
	if (is_months(width))
	{
		Timestamp	begin = timestamp_of_date(bucket_months(width->month,
															date_of_timestamp(timestamp),
															date_of_timestamp(origin)));

		if (!IS_VALID_TIMESTAMP(begin))
			refuse_timestamp();
		return begin;
	}

	/* A valid timestamp lies 2 * 10^17 or more above the smallest int64, a
	 * distance may be larger. */
	period = width_microseconds(width);
	if (pg_sub_s64_overflow(timestamp, distance(period, timestamp, origin), &timestamp) ||
		!IS_VALID_TIMESTAMP(timestamp))
		refuse_timestamp();
	return timestamp;
}

static Timestamp
minus_interval(Timestamp timestamp, Interval *interval)
{
	return DatumGetTimestamp(DirectFunctionCall2(timestamp_mi_interval,
												 TimestampGetDatum(timestamp),
												 IntervalPGetDatum(interval)));
}

static Timestamp
plus_interval(Timestamp timestamp, Interval *interval)
{
	return DatumGetTimestamp(DirectFunctionCall2(timestamp_pl_interval,
												 TimestampGetDatum(timestamp),
												 IntervalPGetDatum(interval)));
}

/* time_bucket(interval, timestamp [, origin]), and the same for timestamptz */
Datum
tsdb_time_bucket_timestamp(PG_FUNCTION_ARGS)
{
	Timestamp	origin = PG_NARGS() > 2 ? PG_GETARG_TIMESTAMP(2) : DEFAULT_ORIGIN;

	PG_RETURN_TIMESTAMP(bucket_timestamp(PG_GETARG_INTERVAL_P(0), PG_GETARG_TIMESTAMP(1),
										 origin));
}

/* time_bucket(interval, timestamp, "offset"), and the same for timestamptz */
Datum
tsdb_time_bucket_timestamp_offset(PG_FUNCTION_ARGS)
{
	Interval   *offset = PG_GETARG_INTERVAL_P(2);
	Timestamp	timestamp = minus_interval(PG_GETARG_TIMESTAMP(1), offset);

	timestamp = bucket_timestamp(PG_GETARG_INTERVAL_P(0), timestamp, DEFAULT_ORIGIN);
	PG_RETURN_TIMESTAMP(plus_interval(timestamp, offset));
}

/* The local time of an instant in a zone, and the instant of a local time. */
static Timestamp
to_local(Datum zone, TimestampTz instant)
{
	return DatumGetTimestamp(DirectFunctionCall2(timestamptz_zone, zone,
												 TimestampTzGetDatum(instant)));
}

static TimestampTz
from_local(Datum zone, Timestamp local)
{
	return DatumGetTimestampTz(DirectFunctionCall2(timestamp_zone, zone,
												   TimestampGetDatum(local)));
}

/*
 * time_bucket(interval, timestamptz, timezone [, origin, "offset"])
 *
 * Not strict: a null origin or offset is one that was not given.
 */
Datum
tsdb_time_bucket_timestamp_zone(PG_FUNCTION_ARGS)
{
	Interval   *width;
	TimestampTz instant;
	TimestampTz result;
	Datum		zone;
	Timestamp	local;
	Timestamp	begin;
	Timestamp	origin = DEFAULT_ORIGIN;
	Interval   *offset = NULL;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	width = PG_GETARG_INTERVAL_P(0);
	instant = PG_GETARG_TIMESTAMPTZ(1);
	zone = PG_GETARG_DATUM(2);
	if (!PG_ARGISNULL(3))
		origin = to_local(zone, PG_GETARG_TIMESTAMPTZ(3));
	if (!PG_ARGISNULL(4))
		offset = PG_GETARG_INTERVAL_P(4);

	local = to_local(zone, instant);
	begin = offset != NULL ? minus_interval(local, offset) : local;
	begin = bucket_timestamp(width, begin, origin);
	if (offset != NULL)
		begin = plus_interval(begin, offset);
	result = from_local(zone, begin);

	/* A local time that happens twice is taken for the second one. */
	if (result > instant && begin <= local && width->month == 0 &&
		width_microseconds(width) < USECS_PER_DAY)
		result = instant - (local - begin);
	PG_RETURN_TIMESTAMPTZ(result);
}

/* ---- dates ---- */

static void
check_whole_days(const Interval *width)
{
	if (width->month == 0 && width_microseconds(width) % USECS_PER_DAY != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("bucket width for dates must be a multiple of a day"),
				 errhint("Cast the date to timestamp for shorter buckets.")));
}

/* time_bucket(interval, date [, origin]) */
Datum
tsdb_time_bucket_date(PG_FUNCTION_ARGS)
{
	Interval   *width = PG_GETARG_INTERVAL_P(0);
	DateADT		date = PG_GETARG_DATEADT(1);
	DateADT		origin = PG_NARGS() > 2 ? PG_GETARG_DATEADT(2) : DEFAULT_ORIGIN / USECS_PER_DAY;
	int64		begin;

	if (DATE_NOT_FINITE(date))
		PG_RETURN_DATEADT(date);
	if (DATE_NOT_FINITE(origin))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("origin of buckets must be finite")));
	if (is_months(width))
		begin = bucket_months(width->month, date, origin);
	else
	{
		check_whole_days(width);
		begin = date - distance(width_microseconds(width) / USECS_PER_DAY, date, origin);
	}
	if (!IS_VALID_DATE(begin))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("date out of range"),
				 errdetail("The bucket begins before the earliest date.")));
	PG_RETURN_DATEADT((DateADT) begin);
}

/* time_bucket(interval, date, "offset") */
Datum
tsdb_time_bucket_date_offset(PG_FUNCTION_ARGS)
{
	Interval   *width = PG_GETARG_INTERVAL_P(0);
	DateADT		date = PG_GETARG_DATEADT(1);
	Interval   *offset = PG_GETARG_INTERVAL_P(2);
	Timestamp	begin;

	if (DATE_NOT_FINITE(date))
		PG_RETURN_DATEADT(date);
	check_whole_days(width);
	begin = bucket_timestamp(width, minus_interval(timestamp_of_date(date), offset),
							 DEFAULT_ORIGIN);
	PG_RETURN_DATEADT(date_of_timestamp(plus_interval(begin, offset)));
}
