/*
 * chunk_stats.c
 *		Statistics of a column: computed from its vector, read back as Datums.
 *
 * What is kept is what stays exact: the range in an order that no collation
 * or setting can change, ends of numbers, sums of integers and numerics in 128
 * bits; and sums of floats, which have many right values, one of them.  A
 * value that is reported always is one of the column, to the bit, so that it
 * can stand for a row in a result.
 *
 * This runs over every value that is ever compacted: the loops over numbers
 * have no calls and no branches but those for nulls, and columns without nulls
 * have loops of their own.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type_d.h"
#include "chunk/chunk_decimal.h"
#include "chunk/chunk_stats.h"
#include "codec/dispatch.h"

static inline bool
is_null(const TsdbVector *vector, uint32 row)
{
	return vector->nulls != NULL && (vector->nulls[row >> 3] & (1 << (row & 7))) != 0;
}

/* First and last rows that are not null; there is one. */
static void
find_ends(const TsdbVector *vector, uint32 *first, uint32 *last)
{
	*first = 0;
	*last = vector->nrows - 1;
	while (is_null(vector, *first))
		(*first)++;
	while (is_null(vector, *last))
		(*last)--;
}

/* ---- integers ---- */

/* The range of integers, none of them null, as flipped. */
static TSDB_CODEC_CLONES void
flipped_range(const int64 *ints, uint32 count, uint64 flip, int64 *low, int64 *high)
{
	int64		min = PG_INT64_MAX;
	int64		max = PG_INT64_MIN;

	for (uint32 i = 0; i < count; i++)
	{
		int64		value = (int64) ((uint64) ints[i] ^ flip);

		min = value < min ? value : min;
		max = value > max ? value : max;
	}
	*low = min;
	*high = max;
}

/*
 * Range of integers whose order becomes the signed one by flipping bits of
 * flip: 0 for signed integers, the sign bit of a carrier for unsigned ones
 * (sign-extended carriers of narrow unsigned values order alike).
 */
static void
int_range(const TsdbVector *vector, bool any_null, uint32 first, uint64 flip,
		  TsdbBodyColumn *column)
{
	const int64 *ints = vector->ints;
	int64		min = (int64) ((uint64) ints[first] ^ flip);
	int64		max = min;

	if (!any_null)
		flipped_range(ints, vector->nrows, flip, &min, &max);
	else
	{
		for (uint32 i = first; i < vector->nrows; i++)
		{
			int64		value = (int64) ((uint64) ints[i] ^ flip);

			if (is_null(vector, i))
				continue;
			min = value < min ? value : min;
			max = value > max ? value : max;
		}
	}
	column->min.number = (int64) ((uint64) min ^ flip);
	column->max.number = (int64) ((uint64) max ^ flip);
}

static void
int_sum(const TsdbVector *vector, bool any_null, TsdbBodyColumn *column)
{
	const int64 *ints = vector->ints;

	if (vector->width < 8)
	{
		/* 1024 values of 32 bits fit */
		int64		sum = 0;

		for (uint32 i = 0; i < vector->nrows; i++)
			sum += any_null && is_null(vector, i) ? 0 : ints[i];
		column->sum_low = (uint64) sum;
		column->sum_high = sum < 0 ? PG_UINT64_MAX : 0;
	}
	else
	{
		/* sums of the two halves fit, and can be vectorised */
		int64		high = 0;
		uint64		low = 0;
		__extension__ __int128 sum;

		for (uint32 i = 0; i < vector->nrows; i++)
		{
			int64		value = any_null && is_null(vector, i) ? 0 : ints[i];

			high += value >> 32;
			low += (uint32) value;
		}
		sum = high;
		sum = sum * INT64CONST(0x100000000) + low;
		column->sum_low = (uint64) sum;
		column->sum_high = (uint64) (sum >> 64);
	}
}

/* ---- floats ---- */

/*
 * A float's bits as an integer that orders as the server orders floats: NaN
 * above infinity, all NaNs equal, and both zeros equal.
 */
static inline int64
float8_order(uint64 bits)
{
	int64		sign = (int64) bits >> 63;
	int64		magnitude = (int64) (bits & (uint64) PG_INT64_MAX);

	if (magnitude > INT64CONST(0x7FF0000000000000))
		return PG_INT64_MAX;
	return (magnitude ^ sign) - sign;
}

static inline int64
float4_order(uint32 bits)
{
	int64		magnitude = bits & 0x7FFFFFFF;

	if (magnitude > 0x7F800000)
		return PG_INT64_MAX;
	return bits >> 31 ? -magnitude : magnitude;
}

static inline int64
float_order(const TsdbVector *vector, uint32 row)
{
	return vector->type == TSDB_VECTOR_FLOAT8 ? float8_order(vector->float8s[row]) :
		float4_order(vector->float4s[row]);
}

/* The range of the orders of doubles, none of them null. */
static TSDB_CODEC_CLONES void
float8_order_range(const uint64 *bits, uint32 count, int64 *low, int64 *high)
{
	int64		min = PG_INT64_MAX;
	int64		max = PG_INT64_MIN;

	for (uint32 i = 0; i < count; i++)
	{
		int64		order = float8_order(bits[i]);

		min = order < min ? order : min;
		max = order > max ? order : max;
	}
	*low = min;
	*high = max;
}

/* The bits of the first double, none of them null, of an order that one has. */
static int64
float8_of_order(const uint64 *bits, int64 order)
{
	/* zeros and NaNs have several */
	if (order == 0 || order == PG_INT64_MAX)
	{
		while (float8_order(*bits) != order)
			bits++;
		return (int64) *bits;
	}
	return order > 0 ? order : -order | PG_INT64_MIN;
}

/* The bits of a value of that order: of the first one in row order, since
 * zeros and NaNs have several. */
static int64
float_of_order(const TsdbVector *vector, uint32 first, int64 order)
{
	uint32		row = first;

	while (float_order(vector, row) != order || is_null(vector, row))
		row++;
	return vector->type == TSDB_VECTOR_FLOAT8 ? (int64) vector->float8s[row] :
		(int64) vector->float4s[row];
}

static void
float_range(const TsdbVector *vector, bool any_null, uint32 first,
			TsdbBodyColumn *column)
{
	int64		min = float_order(vector, first);
	int64		max = min;

	if (!any_null && vector->type == TSDB_VECTOR_FLOAT8)
	{
		const uint64 *bits = vector->float8s;

		float8_order_range(bits, vector->nrows, &min, &max);
		column->min.number = float8_of_order(bits, min);
		column->max.number = float8_of_order(bits, max);
		return;
	}
	if (any_null)
	{
		for (uint32 i = first; i < vector->nrows; i++)
		{
			int64		order = float_order(vector, i);

			if (is_null(vector, i))
				continue;
			min = order < min ? order : min;
			max = order > max ? order : max;
		}
	}
	else
	{
		for (uint32 i = 0; i < vector->nrows; i++)
		{
			int64		order = float4_order(vector->float4s[i]);

			min = order < min ? order : min;
			max = order > max ? order : max;
		}
	}
	column->min.number = float_of_order(vector, first, min);
	column->max.number = float_of_order(vector, first, max);
}

static inline double
float_at(const TsdbVector *vector, uint32 row)
{
	double		value8;
	float		value4;

	if (vector->type == TSDB_VECTOR_FLOAT8)
	{
		memcpy(&value8, &vector->float8s[row], sizeof(value8));
		return value8;
	}
	memcpy(&value4, &vector->float4s[row], sizeof(value4));
	return value4;
}

/*
 * Add doubles, none of them null, to four parts in turns, a multiple of four of them;
 * returns whether all are small.
 */
static TSDB_CODEC_CLONES bool
add_doubles(const uint64 *bits, uint32 count, double *parts)
{
	uint64		large = 0;

	for (uint32 row = 0; row < count; row += 4)
	{
		for (int i = 0; i < 4; i++)
		{
			double		value;

			memcpy(&value, &bits[row + i], sizeof(value));
			parts[i] += value;
			large |= !(fabs(value) < TSDB_BODY_SUMMABLE_MAX);
		}
	}
	return large == 0;
}

/*
 * Sum in the order that chunk_format.h states, unless a finite value is too large.
 * -0 is what adds nothing to any number.
 */
static void
float_sum(const TsdbVector *vector, bool any_null, TsdbBodyColumn *column)
{
	double		parts[4] = {-0.0, -0.0, -0.0, -0.0};
	double		sum;
	bool		small = true;
	uint32		row = 0;

	if (!any_null && vector->type == TSDB_VECTOR_FLOAT8)
	{
		row = vector->nrows / 4 * 4;
		small = add_doubles(vector->float8s, row, parts);
	}
	for (; row < vector->nrows; row++)
	{
		double		value = any_null && is_null(vector, row) ? -0.0 : float_at(vector, row);

		parts[row % 4] += value;
		small &= fabs(value) < TSDB_BODY_SUMMABLE_MAX;
	}
	for (row = 0; !small && row < vector->nrows; row++)
	{
		double		value = any_null && is_null(vector, row) ? -0.0 : float_at(vector, row);

		if (isfinite(value) && fabs(value) >= TSDB_BODY_SUMMABLE_MAX)
			return;
	}
	sum = ((parts[0] + parts[1]) + parts[2]) + parts[3];
	column->has_sum = true;
	if (isnan(sum))
		column->sum_low = UINT64CONST(0x7FF8000000000000);
	else
		memcpy(&column->sum_low, &sum, sizeof(sum));
}

/* ---- strings ---- */

typedef struct StringRef
{
	const uint8 *bytes;
	uint32		length;			/* what is compared */
	uint32		full_length;	/* what is kept: with trailing blanks */
} StringRef;

static StringRef
string_at(const TsdbVector *vector, uint32 row, uint8 order)
{
	StringRef	string;

	if (vector->type == TSDB_VECTOR_FIXED)
	{
		/* trailing zeros are put back by the reader and do not change the order */
		string.bytes = vector->data + (Size) row * vector->width;
		string.length = vector->width;
		while (string.length > 0 && string.bytes[string.length - 1] == 0)
			string.length--;
		string.full_length = string.length;
	}
	else
	{
		string.bytes = vector->data + vector->offsets[row];
		string.length = vector->offsets[row + 1] - vector->offsets[row];
		string.full_length = string.length;
		if (order == TSDB_ORDER_PADDED)
		{
			while (string.length > 0 && string.bytes[string.length - 1] == ' ')
				string.length--;
		}
	}
	return string;
}

static int
string_compare(const StringRef *a, const StringRef *b)
{
	int			result = memcmp(a->bytes, b->bytes, Min(a->length, b->length));

	if (result != 0)
		return result;
	return a->length < b->length ? -1 : a->length > b->length;
}

/* False if the range would take too many bytes. */
static bool
string_range(const TsdbVector *vector, uint32 first, uint8 order,
			 TsdbBodyColumn *column)
{
	StringRef	min = string_at(vector, first, order);
	StringRef	max = min;
	StringRef	previous = min;

	for (uint32 i = first + 1; i < vector->nrows; i++)
	{
		StringRef	string;

		if (is_null(vector, i))
			continue;
		string = string_at(vector, i, order);

		/* labels repeat */
		if (string.full_length == previous.full_length &&
			memcmp(string.bytes, previous.bytes, string.full_length) == 0)
			continue;
		previous = string;
		if (string_compare(&string, &min) < 0)
			min = string;
		else if (string_compare(&string, &max) > 0)
			max = string;
	}
	if (min.full_length > TSDB_BODY_STRING_MAX || max.full_length > TSDB_BODY_STRING_MAX)
		return false;
	column->min.bytes = min.bytes;
	column->min.length = min.full_length;
	column->max.bytes = max.bytes;
	column->max.length = max.full_length;
	return true;
}

/* ---- all together ---- */

void
tsdb_chunk_stats_compute(const TsdbColumnType *type, const TsdbVector *vector,
						 uint32 nnulls, TsdbBodyColumn *column)
{
	bool		any_null = nnulls > 0;
	uint32		first;
	uint32		last;

	Assert(nnulls < vector->nrows);
	find_ends(vector, &first, &last);
	column->alternate = tsdb_column_order_is_alternate(type->order);

	switch (vector->type)
	{
		case TSDB_VECTOR_INT:
			column->has_ends = true;
			column->first.number = vector->ints[first];
			column->last.number = vector->ints[last];
			if (type->order != TSDB_ORDER_NONE)
			{
				column->has_range = true;
				int_range(vector, any_null, first,
						  type->order == TSDB_ORDER_UNSIGNED ? UINT64CONST(1) << 63 : 0,
						  column);
			}
			if (type->summable)
			{
				column->has_sum = true;
				int_sum(vector, any_null, column);
			}
			break;
		case TSDB_VECTOR_FLOAT4:
		case TSDB_VECTOR_FLOAT8:
			column->has_ends = true;
			column->has_range = true;
			if (vector->type == TSDB_VECTOR_FLOAT8)
			{
				column->first.number = (int64) vector->float8s[first];
				column->last.number = (int64) vector->float8s[last];
			}
			else
			{
				column->first.number = (int64) vector->float4s[first];
				column->last.number = (int64) vector->float4s[last];
			}
			float_range(vector, any_null, first, column);
			float_sum(vector, any_null, column);
			break;
		case TSDB_VECTOR_FIXED:
		case TSDB_VECTOR_BYTES:
			if (type->order != TSDB_ORDER_NONE)
				column->has_range = string_range(vector, first, type->order, column);
			break;
	}
}

/* The scale of a row that has that value. */
static uint32
scale_of(const TsdbVector *vector, const int64 *scales, int64 value)
{
	uint32		row = 0;

	while (vector->ints[row] != value || is_null(vector, row))
		row++;
	return (uint32) scales[row];
}

void
tsdb_chunk_stats_decimal(const TsdbVector *vector, const int64 *scales,
						 uint32 nnulls, TsdbBodyColumn *column)
{
	static const TsdbColumnType integer = {
		.kind = TSDB_BODY_INT8,.order = TSDB_ORDER_SIGNED,.summable = true
	};
	uint32		first;
	uint32		last;

	tsdb_chunk_stats_compute(&integer, vector, nnulls, column);
	if (scales == NULL)
		return;
	find_ends(vector, &first, &last);
	column->min.scale = scale_of(vector, scales, column->min.number);
	column->max.scale = scale_of(vector, scales, column->max.number);
	column->first.scale = (uint32) scales[first];
	column->last.scale = (uint32) scales[last];
}

static Datum
number_datum(const TsdbBodyValue *value, uint8 kind)
{
	/* a float4's Datum is its bit pattern, sign-extended as an int4's is */
	return kind == TSDB_BODY_FLOAT4 ? Int32GetDatum((int32) value->number) :
		Int64GetDatum(value->number);
}

/* A numeric; the null Datum if its parts contradict each other. */
static Datum
decimal_datum(const TsdbBodyValue *value, uint32 scale)
{
	int64		unscaled = value->number;
	uint8		payload[TSDB_DECIMAL_PAYLOAD_MAX];
	uint32		length;
	struct varlena *numeric;

	if (!tsdb_decimal_lower(&unscaled, scale, value->scale) ||
		(length = tsdb_decimal_format(unscaled, value->scale, payload)) == 0)
		return (Datum) 0;
	numeric = palloc(VARHDRSZ + length);
	SET_VARSIZE(numeric, VARHDRSZ + length);
	memcpy(VARDATA(numeric), payload, length);
	return PointerGetDatum(numeric);
}

/* Statistics of a numeric column; what cannot be a numeric is left out. */
static void
read_decimal(const TsdbBodyColumn *column, TsdbColumnStats *stats)
{
	if (column->has_range)
	{
		stats->min = decimal_datum(&column->min, column->scale);
		stats->max = decimal_datum(&column->max, column->scale);
		stats->has_range = stats->min != (Datum) 0 && stats->max != (Datum) 0;
	}
	if (column->has_ends)
	{
		stats->first = decimal_datum(&column->first, column->scale);
		stats->last = decimal_datum(&column->last, column->scale);
		stats->has_ends = stats->first != (Datum) 0 && stats->last != (Datum) 0;
	}
	if (column->has_sum)
	{
		stats->has_scaled_sum = true;
		stats->sum_scale = column->scale;
		stats->sum_high = (int64) column->sum_high;
		stats->sum_low = column->sum_low;
	}
}

static Datum
string_datum(const TsdbBodyValue *value, const TsdbColumnType *type)
{
	if (type->length > 0)
	{
		char	   *fixed = palloc0(type->length);

		memcpy(fixed, value->bytes, value->length);
		return PointerGetDatum(fixed);
	}
	else
	{
		struct varlena *varlena = palloc(VARHDRSZ + value->length);

		SET_VARSIZE(varlena, VARHDRSZ + value->length);
		memcpy(VARDATA(varlena), value->bytes, value->length);
		return PointerGetDatum(varlena);
	}
}

void
tsdb_chunk_stats_read(const TsdbColumnType *type, const TsdbBodyColumn *column,
					  TsdbColumnStats *stats)
{
	TsdbVectorType vector_type;
	uint32		width;
	bool		same_order;

	memset(stats, 0, sizeof(*stats));
	stats->codec = column->codec;
	stats->nnulls = column->nnulls;
	if (column->kind == TSDB_BODY_NULL)
		return;

	if (column->vector.inlined != NULL)
		stats->inline_bytes = column->vector.bytes;
	else
	{
		stats->vector_offset = column->vector.offset;
		stats->vector_bytes = column->vector.bytes;
	}

	if (column->kind == TSDB_BODY_DECIMAL)
	{
		if (type->base == NUMERICOID)
			read_decimal(column, stats);
		return;
	}

	/* statistics of another kind than the type has now mean nothing */
	tsdb_column_kind_vector(column->kind, column->width, &vector_type, &width);
	if (type->kind != column->kind ||
		!tsdb_column_reads(type->by_value, type->length, vector_type, width))
		return;
	same_order = type->order != TSDB_ORDER_NONE &&
		tsdb_column_order_is_alternate(type->order) == column->alternate;

	if (column->kind == TSDB_BODY_FIXED || column->kind == TSDB_BODY_BYTES)
	{
		if (column->has_range && same_order && type->length != -2)
		{
			stats->has_range = true;
			stats->min = string_datum(&column->min, type);
			stats->max = string_datum(&column->max, type);
		}
		return;
	}
	if (column->has_range && same_order)
	{
		stats->has_range = true;
		stats->min = number_datum(&column->min, column->kind);
		stats->max = number_datum(&column->max, column->kind);
	}
	if (column->has_ends)
	{
		stats->has_ends = true;
		stats->first = number_datum(&column->first, column->kind);
		stats->last = number_datum(&column->last, column->kind);
	}
	if (column->has_sum && type->order == TSDB_ORDER_FLOAT)
	{
		stats->has_float_sum = true;
		memcpy(&stats->float_sum, &column->sum_low, sizeof(double));
	}
	else if (column->has_sum && type->summable)
	{
		stats->has_sum = true;
		stats->sum_high = (int64) column->sum_high;
		stats->sum_low = column->sum_low;
	}
}
