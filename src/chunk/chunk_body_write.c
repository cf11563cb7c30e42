/*
 * chunk_body_write.c
 *		Writing the body of a chunk.
 *
 * The mirror of chunk_body.c, put_ for get_.  What takes thought is the unit
 * of numbers: times in whole seconds and measurements with few decimals are
 * small integers once the unit is known, and four of them are what a column's
 * statistics consist of.
 */
#include <string.h>

#include "chunk/chunk_body.h"
#include "chunk/chunk_unit.h"

static uint8_t *
put_varint128(uint8_t *dst, TsdbUint128 value)
{
	while (value >= 0x80)
	{
		*dst++ = (uint8_t) value | 0x80;
		value >>= 7;
	}
	*dst++ = (uint8_t) value;
	return dst;
}

static uint8_t *
put_varint(uint8_t *dst, uint64_t value)
{
	while (value >= 0x80)
	{
		*dst++ = (uint8_t) value | 0x80;
		value >>= 7;
	}
	*dst++ = (uint8_t) value;
	return dst;
}

static uint8_t *
put_zigzag(uint8_t *dst, int64_t value)
{
	return put_varint(dst, ((uint64_t) value << 1) ^ (value < 0 ? UINT64_MAX : 0));
}

static uint8_t *
put_bytes(uint8_t *dst, const uint8_t *src, size_t bytes)
{
	if (bytes > 0)
		memcpy(dst, src, bytes);
	return dst + bytes;
}

static uint8_t *
put_place(uint8_t *dst, const TsdbBodyPlace *place)
{
	dst = put_varint(dst, (uint64_t) place->bytes << 1 | (place->inlined != NULL));
	if (place->inlined != NULL)
		dst = put_bytes(dst, place->inlined, place->bytes);
	return dst;
}

/* Lower *unit to the largest power of ten that divides value and *unit. */
static void
lower_unit(int64_t value, uint64_t *unit)
{
	while (*unit > 1 && value % (int64_t) *unit != 0)
		*unit /= 10;
}

/* The same for a difference modulo 2^64. */
static void
lower_unit_difference(int64_t a, int64_t b, uint64_t *unit)
{
	uint64_t	difference = (uint64_t) a - (uint64_t) b;

	while (*unit > 1 && difference % *unit != 0)
		*unit /= 10;
}

static uint8_t *
put_unit(uint8_t *dst, uint64_t unit)
{
	uint8_t		exponent = 0;

	while (tsdb_body_units[exponent] < unit)
		exponent++;
	*dst++ = exponent;
	return dst;
}

static uint64_t
difference_in_units(int64_t a, int64_t b, uint64_t unit)
{
	return ((uint64_t) a - (uint64_t) b) / unit;
}

/* Mirror of get_numbers(). */
static uint8_t *
put_numbers(uint8_t *dst, const TsdbBodyColumn *column, bool known_range,
			uint64_t unit)
{
	int64_t		min = column->min.number;
	int64_t		max = column->max.number;
	int64_t		first = column->first.number;
	int64_t		last = column->last.number;

	if (column->has_range && !known_range)
	{
		dst = put_zigzag(dst, min / (int64_t) unit);
		dst = put_varint(dst, difference_in_units(max, min, unit));
	}
	if (column->has_ends)
	{
		if (column->has_range)
		{
			dst = put_varint(dst, difference_in_units(first, min, unit));
			dst = put_varint(dst, difference_in_units(max, last, unit));
		}
		else
		{
			dst = put_zigzag(dst, first / (int64_t) unit);
			dst = put_zigzag(dst, (int64_t) difference_in_units(last, first, unit));
		}
	}
	return dst;
}

/* The largest unit that put_numbers() can use. */
static uint64_t
common_unit(const TsdbBodyColumn *column, bool known_range)
{
	uint64_t	unit = tsdb_body_units[TSDB_BODY_UNIT_MAX];

	if (column->has_range && !known_range)
	{
		lower_unit(column->min.number, &unit);
		lower_unit_difference(column->max.number, column->min.number, &unit);
	}
	if (column->has_ends)
	{
		if (column->has_range)
		{
			lower_unit_difference(column->first.number, column->min.number, &unit);
			lower_unit_difference(column->max.number, column->last.number, &unit);
		}
		else
		{
			/* the zigzag of the difference is signed: leave it alone */
			unit = 1;
		}
	}
	return unit;
}

/*
 * Find n with n / 10^u equal to the float, bit for bit, for the smallest u
 * from *exponent on; which only grows.  A decimal that fits at some u fits at
 * every larger one too as long as n stays exact.
 */
static bool
bits_to_decimal(uint8_t kind, int64_t bits, int *exponent, int64_t *n)
{
	double		value;

	if (kind == TSDB_BODY_FLOAT4)
	{
		uint32_t	bits4 = (uint32_t) bits;
		float		value4;

		memcpy(&value4, &bits4, sizeof(value4));
		value = (double) value4;
	}
	else
		memcpy(&value, &bits, sizeof(value));

	for (; *exponent <= TSDB_BODY_UNIT_MAX; (*exponent)++)
	{
		double		scaled = value * (double) tsdb_body_units[*exponent];

		/* also false for a NaN */
		if (!(scaled > -9007199254740992.0 && scaled < 9007199254740992.0))
			return false;
		*n = (int64_t) (scaled < 0 ? scaled - 0.5 : scaled + 0.5);
		if (tsdb_body_decimal_bits(kind, *n, tsdb_body_units[*exponent]) == bits)
			return true;
	}
	return false;
}

static uint8_t *
put_raw_bits(uint8_t *dst, uint64_t bits, size_t bytes)
{
	for (size_t byte = 0; byte < bytes; byte++)
		*dst++ = (uint8_t) (bits >> (8 * byte));
	return dst;
}

/*
 * The sum of so many floats as a difference in units of 10^-exponent, min being that
 * of the column, and what it is off by in the last place, if that is shorter
 * than its bits.  Adds to *unit how it is written.
 */
static uint8_t *
put_float_sum(uint8_t *dst, uint8_t *unit, uint64_t bits, int exponent, int64_t min,
			  uint32_t nvalues)
{
	double		sum;
	double		scaled;

	memcpy(&sum, &bits, sizeof(sum));
	scaled = sum * (double) tsdb_body_units[exponent];
	if (scaled > -9007199254740992.0 && scaled < 9007199254740992.0)
	{
		int64_t		n = (int64_t) (scaled < 0 ? scaled - 0.5 : scaled + 0.5);
		int64_t		pattern = tsdb_body_decimal_bits(TSDB_BODY_FLOAT8, n,
													 tsdb_body_units[exponent]);
		int64_t		off = (int64_t) (bits - (uint64_t) pattern);
		uint8_t		bytes[2 * 10];
		uint8_t    *end = put_varint(bytes, (uint64_t) n - (uint64_t) min * nvalues);

		if (off != 0)
			end = put_zigzag(end, off);
		if (end - bytes < 8)
		{
			*unit |= (uint8_t) (TSDB_BODY_UNIT_SUM | (off != 0 ? TSDB_BODY_UNIT_NEAR : 0));
			return put_bytes(dst, bytes, (size_t) (end - bytes));
		}
	}
	return put_raw_bits(dst, bits, 8);
}

/* Mirror of get_floats(). */
static uint8_t *
put_floats(uint8_t *dst, const TsdbBodyColumn *column, uint32_t nvalues_summed)
{
	const TsdbBodyValue *values[4];
	int64_t		n[4];
	int			nvalues = 0;
	int			exponent = 0;
	bool		decimal = true;
	size_t		raw_bytes = column->kind == TSDB_BODY_FLOAT4 ? 4 : 8;

	if (column->has_range)
	{
		values[nvalues++] = &column->min;
		values[nvalues++] = &column->max;
	}
	if (column->has_ends)
	{
		values[nvalues++] = &column->first;
		values[nvalues++] = &column->last;
	}
	if (nvalues == 0)
		return dst;

	/* the first pass finds the unit, the second one the integers */
	for (int pass = 0; pass < 2; pass++)
	{
		int			unit = exponent;

		for (int i = 0; i < nvalues && decimal; i++)
			decimal = bits_to_decimal(column->kind, values[i]->number,
									  &exponent, &n[i]);
		if (pass == 1 && exponent != unit)
			decimal = false;
	}

	if (decimal)
	{
		TsdbBodyColumn scaled = *column;
		uint8_t		bytes[1 + 4 * 10];
		uint8_t    *end = bytes;
		int			i = 0;

		if (column->has_range)
		{
			scaled.min.number = n[i++];
			scaled.max.number = n[i++];
		}
		if (column->has_ends)
		{
			scaled.first.number = n[i++];
			scaled.last.number = n[i++];
		}
		*end++ = (uint8_t) exponent;
		end = put_numbers(end, &scaled, false, 1);
		if ((size_t) (end - bytes) <= 1 + nvalues * raw_bytes)
		{
			uint8_t    *unit = dst;

			dst = put_bytes(dst, bytes, (size_t) (end - bytes));
			return column->has_sum ?
				put_float_sum(dst, unit, column->sum_low, exponent, scaled.min.number,
							  nvalues_summed) : dst;
		}
	}

	*dst++ = TSDB_BODY_UNIT_RAW;
	for (int i = 0; i < nvalues; i++)
		dst = put_raw_bits(dst, (uint64_t) values[i]->number, raw_bytes);
	if (column->has_sum)
		dst = put_raw_bits(dst, column->sum_low, 8);
	return dst;
}

static uint8_t *
put_strings(uint8_t *dst, const TsdbBodyColumn *column)
{
	if (!column->has_range)
		return dst;
	dst = put_varint(dst, column->min.length);
	dst = put_bytes(dst, column->min.bytes, column->min.length);
	if (column->max.length == column->min.length &&
		(column->max.length == 0 ||
		 memcmp(column->max.bytes, column->min.bytes, column->max.length) == 0))
		*dst++ = TSDB_BODY_STRING_SAME;
	else
	{
		dst = put_varint(dst, column->max.length);
		dst = put_bytes(dst, column->max.bytes, column->max.length);
	}
	return dst;
}

static uint8_t *
put_scales(uint8_t *dst, const TsdbBodyColumn *column)
{
	if (column->has_range)
	{
		*dst++ = (uint8_t) column->min.scale;
		*dst++ = (uint8_t) column->max.scale;
	}
	if (column->has_ends)
	{
		*dst++ = (uint8_t) column->first.scale;
		*dst++ = (uint8_t) column->last.scale;
	}
	return dst;
}

size_t
tsdb_body_write_head(const TsdbBodyHead *head, uint8_t *dst)
{
	uint8_t    *start = dst;

	*dst++ = TSDB_BODY_VERSION;
	*dst++ = (uint8_t) ((head->has_time ? TSDB_BODY_HAS_TIME : 0) |
						(head->nsegments > 1 ? TSDB_BODY_HAS_SEGMENTS : 0) |
						(head->has_segment_times ? TSDB_BODY_HAS_SEGMENT_TIMES : 0) |
						(head->has_tail ? TSDB_BODY_HAS_TAIL : 0));
	dst = put_varint(dst, head->nrows);
	dst = put_varint(dst, head->natts);
	dst = put_varint(dst, head->time);
	dst = put_varint(dst, head->nseries);
	for (uint32_t i = 0; i < head->nseries; i++)
		dst = put_varint(dst, head->series[i]);
	if (head->nseries > 0)
		*dst++ = head->hash_version;
	if (head->has_time)
	{
		uint64_t	unit = head->has_segment_times ? head->time_unit :
			tsdb_body_units[TSDB_BODY_UNIT_MAX];

		lower_unit(head->min_time, &unit);
		lower_unit_difference(head->max_time, head->min_time, &unit);
		dst = put_unit(dst, unit);
		dst = put_zigzag(dst, head->min_time / (int64_t) unit);
		dst = put_varint(dst, difference_in_units(head->max_time, head->min_time, unit));
	}
	if (head->nsegments > 1)
	{
		dst = put_varint(dst, head->nsegments);
		dst = put_place(dst, &head->segment_rows);
	}
	if (head->has_segment_times)
	{
		dst = put_place(dst, &head->segment_min);
		dst = put_place(dst, &head->segment_max);
	}
	if (head->has_tail)
	{
		dst = put_varint(dst, head->tail_offset);
		dst = put_varint(dst, head->tail_bytes);
	}
	return (size_t) (dst - start);
}

size_t
tsdb_body_write_columns(const TsdbBodyHead *head, const TsdbBodyColumn *columns,
						uint8_t *dst)
{
	uint8_t    *start = dst;

	for (uint32_t i = 0; i < head->natts; i++)
	{
		const TsdbBodyColumn *column = &columns[i];
		bool		is_time = head->has_time && i + 1 == head->time;
		bool		implied;

		if (column->kind == TSDB_BODY_NULL)
		{
			*dst++ = TSDB_BODY_NULL;
			continue;
		}
		*dst++ = (uint8_t) (column->kind |
							(column->nnulls > 0 ? TSDB_BODY_HAS_NULLS : 0) |
							(column->has_range ? TSDB_BODY_HAS_RANGE : 0) |
							(column->has_ends ? TSDB_BODY_HAS_ENDS : 0) |
							(column->has_sum ? TSDB_BODY_HAS_SUM : 0));
		implied = column->vector.bytes == 0;
		*dst++ = (uint8_t) ((implied ? TSDB_BODY_CODEC_IMPLIED : column->codec) |
							(column->alternate ? TSDB_BODY_ORDER_ALTERNATE : 0));
		if (column->kind == TSDB_BODY_FIXED)
			dst = put_varint(dst, column->width);
		else if (column->kind == TSDB_BODY_DECIMAL)
			dst = put_varint(dst, (uint32_t) column->scale << 1 | column->own_scales);
		if (column->nnulls > 0)
			dst = put_varint(dst, column->nnulls);
		if (implied && !is_time)
		{
			dst = put_zigzag(dst, column->min.number);
			continue;
		}
		if (!implied)
			dst = put_place(dst, &column->vector);
		if (column->own_scales)
			dst = put_place(dst, &column->scales);

		switch (column->kind)
		{
			case TSDB_BODY_INT1:
			case TSDB_BODY_INT2:
			case TSDB_BODY_INT4:
			case TSDB_BODY_INT8:
			case TSDB_BODY_DECIMAL:
				{
					bool		known_range = column->has_range && is_time;
					bool		known_ends = implied && head->nsegments == 1;
					bool		stored_ends = column->has_ends && !known_ends;
					uint64_t	unit = 1;

					if (column->kind >= TSDB_BODY_INT8 &&
						(stored_ends || (column->has_range && !known_range)))
					{
						unit = common_unit(column, known_range);
						dst = put_unit(dst, unit);
					}
					if (!known_ends)
						dst = put_numbers(dst, column, known_range, unit);
					if (column->has_sum)
					{
						TsdbUint128 sum = (TsdbUint128) column->sum_high << 64 |
							column->sum_low;

						sum -= (TsdbUint128) (TsdbInt128) column->min.number *
							(head->nrows - column->nnulls);
						dst = put_varint128(dst, sum);
					}
					if (column->own_scales)
						dst = put_scales(dst, column);
					break;
				}
			case TSDB_BODY_FLOAT4:
			case TSDB_BODY_FLOAT8:
				dst = put_floats(dst, column, head->nrows - column->nnulls);
				break;
			default:
				dst = put_strings(dst, column);
				break;
		}
	}
	return (size_t) (dst - start);
}
