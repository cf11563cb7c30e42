/*
 * time_range.c
 *		The range of time that a user states by boundaries of various types.
 */
#include "postgres.h"

#include "sql/time_range.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* Which end of the range a boundary is. */
typedef enum RangeEnd
{
	RANGE_FROM,
	RANGE_TO
} RangeEnd;

int64
tsdb_time_range_value(const TsdbTimeRange *range, Datum value)
{
	return range->type == DATEOID ? DatumGetDateADT(value) : DatumGetInt64(value);
}

Datum
tsdb_time_range_datum(const TsdbTimeRange *range, int64 value)
{
	return range->type == DATEOID ? DateADTGetDatum((DateADT) value) : Int64GetDatum(value);
}

static void pg_attribute_noreturn()
refuse_type(Oid type, const char *column, Oid column_type)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("boundary of type %s does not fit time column \"%s\" of type %s",
					format_type_be(type), column, format_type_be(column_type)),
			 column_type == INT8OID ?
			 errhint("Use an integer.") :
			 errhint("Use a timestamp, a date, or an interval that is counted back from now().")));
}

/* The date of a boundary within a day: only days that lie whole in the range count. */
static DateADT
date_boundary(Timestamp timestamp, RangeEnd end)
{
	DateADT		date = DatumGetDateADT(DirectFunctionCall1(timestamp_date,
														   TimestampGetDatum(timestamp)));

	if (end == RANGE_FROM && !DATE_NOT_FINITE(date) &&
		DatumGetTimestamp(DirectFunctionCall1(date_timestamp, DateADTGetDatum(date))) < timestamp)
		date++;
	return date;
}

static int64
integer_boundary(Datum value, Oid type, const char *column)
{
	switch (type)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		case INT8OID:
			return DatumGetInt64(value);
		default:
			refuse_type(type, column, INT8OID);
	}
}

/* The same instant as a timestamptz or as a local timestamp. */
static int64
time_boundary(Datum value, Oid type, const char *column, Oid column_type, RangeEnd end)
{
	bool		zoned = column_type == TIMESTAMPTZOID;
	Datum		now = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());

	switch (type)
	{
		case INTERVALOID:
			if (zoned)
				value = DirectFunctionCall2(timestamptz_mi_interval, now, value);
			else
				value = DirectFunctionCall2(timestamp_mi_interval,
											DirectFunctionCall1(timestamptz_timestamp, now),
											value);
			break;
		case TIMESTAMPTZOID:
			if (!zoned)
				value = DirectFunctionCall1(timestamptz_timestamp, value);
			break;
		case TIMESTAMPOID:
			if (zoned)
				value = DirectFunctionCall1(timestamp_timestamptz, value);
			break;
		case DATEOID:
			if (column_type == DATEOID)
				return DatumGetDateADT(value);
			value = DirectFunctionCall1(zoned ? date_timestamptz : date_timestamp, value);
			break;
		default:
			refuse_type(type, column, column_type);
	}
	if (column_type == DATEOID)
		return date_boundary(DatumGetTimestamp(value), end);
	return DatumGetTimestamp(value);
}

static int64
get_boundary(FunctionCallInfo fcinfo, int arg, const char *column, Oid column_type, RangeEnd end)
{
	Oid			type = getBaseType(get_fn_expr_argtype(fcinfo->flinfo, arg));
	Datum		value = PG_GETARG_DATUM(arg);

	if (type == UNKNOWNOID)
	{
		Oid			input;
		Oid			param;

		getTypeInputInfo(column_type, &input, &param);
		value = OidInputFunctionCall(input, DatumGetCString(value), param, -1);
		type = column_type;
	}
	return column_type == INT8OID ? integer_boundary(value, type, column) :
		time_boundary(value, type, column, column_type, end);
}

void
tsdb_time_range_get(FunctionCallInfo fcinfo, int from_arg, int to_arg, const char *column,
					Oid column_type, TsdbTimeRange *range)
{
	range->type = column_type;
	range->has_from = !PG_ARGISNULL(from_arg);
	range->has_to = !PG_ARGISNULL(to_arg);
	range->from = range->to = 0;
	if (!range->has_from && !range->has_to)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no boundary of time is given"),
				 errhint("State older_than, newer_than, or both.")));
	if (range->has_from)
		range->from = get_boundary(fcinfo, from_arg, column, column_type, RANGE_FROM);
	if (range->has_to)
		range->to = get_boundary(fcinfo, to_arg, column, column_type, RANGE_TO);
	if (range->has_from && range->has_to && range->from >= range->to)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid range of time"),
				 errhint("older_than must be later than newer_than.")));
}
