/*
 * gap_fill.c
 *		Values of locf() and interpolate() in gaps.
 */
#include "postgres.h"

#include "exec/gap_fill.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "exec/gap_range.h"
#include "executor/executor.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

void
tsdb_gap_fill_init(TsdbGapFill *fill, Oid type, Oid time_type, MemoryContext group)
{
	fill->type = type;
	fill->time_type = time_type;
	fill->group = group;
	get_typlenbyval(type, &fill->typlen, &fill->typbyval);
}

void
tsdb_gap_fill_begin_group(TsdbGapFill *fill)
{
	fill->before = (TsdbGapPoint) {0};
	fill->after = (TsdbGapPoint) {0};
}

/* ---- locf ---- */

/* Remember a value as the last one. */
static void
carry(TsdbGapFill *fill, Datum value, bool is_null)
{
	TsdbGapPoint *last = &fill->before;

	if (last->known && !last->is_null && !fill->typbyval)
		pfree(DatumGetPointer(last->value));
	last->known = true;
	last->is_null = is_null;
	if (!is_null)
	{
		MemoryContext old = MemoryContextSwitchTo(fill->group);

		last->value = datumCopy(value, fill->typbyval, fill->typlen);
		MemoryContextSwitchTo(old);
	}
}

static Datum
carried(TsdbGapFill *fill, ExprContext *context, bool *is_null)
{
	if (!fill->before.known)
	{
		Datum		value = (Datum) 0;

		*is_null = true;
		if (fill->prev != NULL)
			value = ExecEvalExprSwitchContext(fill->prev, context, is_null);
		carry(fill, value, *is_null);
	}
	*is_null = fill->before.is_null;
	return fill->before.value;
}

/* ---- interpolate ---- */

static void
check_point(TupleDesc desc, const TsdbGapFill *fill)
{
	static const char *const what[] = {"time", "value"};
	Oid			expected[] = {fill->time_type, fill->type};

	if (desc->natts != 2)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("records given to interpolate() must have 2 columns, not %d", desc->natts),
				 errhint("Give a time and a value.")));
	for (int i = 0; i < 2; i++)
	{
		Oid			type = TupleDescAttr(desc, i)->atttypid;

		if (type != expected[i])
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("%s in a record given to interpolate() has the wrong type", what[i]),
					 errdetail("It is of type %s, but must be of type %s.",
							   format_type_be(type), format_type_be(expected[i]))));
	}
}

/* The point that an expression gives. */
static void
look_up(TsdbGapFill *fill, ExprState *expr, ExprContext *context, TsdbGapPoint *point)
{
	HeapTupleHeader header;
	HeapTupleData tuple;
	TupleDesc	desc;
	Datum		record;
	Datum		values[2];
	bool		nulls[2];
	bool		is_null;

	point->known = true;
	point->is_null = true;
	if (expr == NULL)
		return;
	record = ExecEvalExprSwitchContext(expr, context, &is_null);
	if (is_null)
		return;
	header = DatumGetHeapTupleHeader(record);
	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header),
								  HeapTupleHeaderGetTypMod(header));
	check_point(desc, fill);
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	heap_deform_tuple(&tuple, desc, values, nulls);
	ReleaseTupleDesc(desc);
	if (nulls[0] || nulls[1])
		return;
	point->time = tsdb_gap_time(values[0], fill->time_type);
	if (!tsdb_gap_is_finite(point->time, fill->time_type))
		return;
	point->is_null = false;
	point->value = values[1];	/* numbers are passed by value */
}

/*
 * The value between two points: a is how far the time lies behind the first, b how far
 * the second lies behind the time; their sum is not 0.  Weights are made as small as
 * they can be, so that few of them round.
 */
static double
between_floats(double y0, double y1, int128 a, int128 b)
{
	int128		x = a < 0 ? -a : a;
	int128		y = b < 0 ? -b : b;
	double		sum;
	double		result;

	if (y0 == y1)
		return y0;
	while (y != 0)
	{
		int128		rest = x % y;

		x = y;
		y = rest;
	}
	a /= x;
	b /= x;
	sum = (double) (a + b);
	result = (y0 * (double) b + y1 * (double) a) / sum;
	if (!isfinite(result))		/* a sum too large, or a value that is infinite */
		result = y0 * ((double) b / sum) + y1 * ((double) a / sum);
	return result;
}

/*
 * The same of integers: exact between two points, with half rounded away from zero.
 * Beyond them, as look-ups may have it, what does not fit 128 bits is computed as float.
 */
static int64
between_integers(int64 y0, int64 y1, int128 a, int128 b)
{
	int128		sum = a + b;
	int128		first;
	int128		second;
	int128		result;
	int128		rest;

	if (sum < 0)
	{
		a = -a;
		b = -b;
		sum = -sum;
	}
	if (__builtin_mul_overflow((int128) y0, b, &first) ||
		__builtin_mul_overflow((int128) y1, a, &second) ||
		__builtin_add_overflow(first, second, &first))
	{
		double		value = rint(between_floats((double) y0, (double) y1, a, b));

		return FLOAT8_FITS_IN_INT64(value) ? (int64) value : value < 0 ? PG_INT64_MIN : PG_INT64_MAX;
	}
	result = first / sum;
	rest = first % sum;
	if (rest > 0 && rest >= sum - rest)
		result++;
	else if (rest < 0 && -rest >= sum + rest)
		result--;
	return (int64) Max(Min(result, (int128) PG_INT64_MAX), (int128) PG_INT64_MIN);
}

static Datum
interpolated(TsdbGapFill *fill, ExprContext *context, int64 time, bool *is_null)
{
	const TsdbGapPoint *p0 = &fill->before;
	const TsdbGapPoint *p1 = &fill->after;
	int128		a;
	int128		b;
	int64		result;

	if (!p0->known)
		look_up(fill, fill->prev, context, &fill->before);
	if (!p1->known && !p0->is_null)
		look_up(fill, fill->next, context, &fill->after);
	*is_null = p0->is_null || p1->is_null;
	if (*is_null)
		return (Datum) 0;

	a = (int128) time - p0->time;
	b = (int128) p1->time - time;
	if (a + b == 0)				/* both look-ups gave the same time */
		return p0->value;
	switch (fill->type)
	{
		case FLOAT4OID:
			return Float4GetDatum((float4) between_floats(DatumGetFloat4(p0->value),
														  DatumGetFloat4(p1->value), a, b));
		case FLOAT8OID:
			return Float8GetDatum(between_floats(DatumGetFloat8(p0->value),
												 DatumGetFloat8(p1->value), a, b));
		case INT2OID:
			result = between_integers(DatumGetInt16(p0->value), DatumGetInt16(p1->value), a, b);
			return Int16GetDatum((int16) Max(Min(result, PG_INT16_MAX), PG_INT16_MIN));
		case INT4OID:
			result = between_integers(DatumGetInt32(p0->value), DatumGetInt32(p1->value), a, b);
			return Int32GetDatum((int32) Max(Min(result, PG_INT32_MAX), PG_INT32_MIN));
		default:
			Assert(fill->type == INT8OID);
			return Int64GetDatum(between_integers(DatumGetInt64(p0->value),
												  DatumGetInt64(p1->value), a, b));
	}
}

/* ---- rows and gaps ---- */

void
tsdb_gap_fill_expect(TsdbGapFill *fill, ExprContext *context, bool is_point, int64 time)
{
	if (!fill->interpolates || !is_point)
		return;
	fill->after.known = true;
	fill->after.time = time;
	fill->after.value = ExecEvalExprSwitchContext(fill->value, context, &fill->after.is_null);
}

Datum
tsdb_gap_fill_row(TsdbGapFill *fill, ExprContext *context, bool in_range, bool is_point,
				  int64 time, bool *is_null)
{
	Datum		value = ExecEvalExprSwitchContext(fill->value, context, is_null);

	if (fill->interpolates)
	{
		if (is_point)
		{
			fill->before.known = true;
			fill->before.is_null = *is_null;
			fill->before.time = time;
			fill->before.value = value;
			fill->after.known = false;
		}
		return value;
	}
	if (*is_null && fill->null_is_missing)
		return in_range ? carried(fill, context, is_null) : (Datum) 0;
	carry(fill, value, *is_null);
	return value;
}

Datum
tsdb_gap_fill_gap(TsdbGapFill *fill, ExprContext *context, int64 time, bool *is_null)
{
	if (fill->interpolates)
		return interpolated(fill, context, time, is_null);
	return carried(fill, context, is_null);
}
