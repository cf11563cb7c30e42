/*
 * chunk_decimal.c
 *		numeric values as integers over a power of ten.
 *
 * A numeric is stored with a header of two bytes, the short form, whenever
 * weight and scale allow (PostgreSQL 9.1 and later):
 *
 *		15 14		1 0
 *		13			negative
 *		12 .. 7		scale: digits shown after the point
 *		6 .. 0		weight, two's complement: the first digit counts
 *					10000^weight
 *
 * Digits of two bytes follow, without leading and trailing zero ones; zero has
 * none.  So a value and its scale determine the bytes.  This is not taken on
 * trust: each value is formatted again and compared, and a column in which one
 * differs is left as bytes.
 */
#include <string.h>

#include "chunk/chunk_decimal.h"
#include "chunk/chunk_unit.h"

#define HEADER_BYTES		2
#define DIGIT_BYTES			2
#define DIGIT_BASE			10000
#define DIGIT_DECIMALS		4

#define FORM_MASK			0xC000
#define FORM_SHORT			0x8000
#define NEGATIVE			0x2000
#define SCALE_SHIFT			7
#define SCALE_MASK			0x3F
#define WEIGHT_SIGN			0x40
#define WEIGHT_MASK			0x7F

#define UNSCALED_MAX		INT64_C(999999999999999999)	/* 18 digits */

uint32_t
tsdb_decimal_format(int64_t unscaled, uint32_t scale,
					uint8_t payload[TSDB_DECIMAL_PAYLOAD_MAX])
{
	uint64_t	rest = unscaled < 0 ? 0 - (uint64_t) unscaled : (uint64_t) unscaled;
	uint64_t	pad = tsdb_body_units[(DIGIT_DECIMALS - scale % DIGIT_DECIMALS) %
									  DIGIT_DECIMALS];
	int			weight = -(int) ((scale + DIGIT_DECIMALS - 1) / DIGIT_DECIMALS);
	uint16_t	digits[5];
	int			ndigits = 0;
	uint16_t	header = (uint16_t) (FORM_SHORT | scale << SCALE_SHIFT);
	uint8_t    *dst = payload;

	if (scale > TSDB_DECIMAL_SCALE_MAX || rest > (uint64_t) INT64_MAX / pad)
		return 0;

	/* the last digit counts 10000^weight, until trailing zeros are left out */
	rest *= pad;
	while (rest != 0 && rest % DIGIT_BASE == 0)
	{
		rest /= DIGIT_BASE;
		weight++;
	}
	while (rest != 0)
	{
		digits[ndigits++] = (uint16_t) (rest % DIGIT_BASE);
		rest /= DIGIT_BASE;
		weight++;
	}

	if (ndigits > 0)
	{
		header |= (uint16_t) ((weight - 1) & WEIGHT_MASK);
		if (unscaled < 0)
			header |= NEGATIVE;
	}
	memcpy(dst, &header, HEADER_BYTES);
	dst += HEADER_BYTES;
	while (ndigits > 0)
	{
		memcpy(dst, &digits[--ndigits], DIGIT_BYTES);
		dst += DIGIT_BYTES;
	}
	return (uint32_t) (dst - payload);
}

bool
tsdb_decimal_parse(const uint8_t *payload, uint32_t length, int64_t *unscaled,
				   uint32_t *scale)
{
	uint16_t	header;
	int			weight;
	int			exponent;		/* of ten, what the last digit counts, scaled */
	uint64_t	value = 0;
	uint32_t	ndigits = (length - HEADER_BYTES) / DIGIT_BYTES;

	if (length < HEADER_BYTES || length > TSDB_DECIMAL_PAYLOAD_MAX || length % 2 != 0)
		return false;
	memcpy(&header, payload, HEADER_BYTES);
	*scale = header >> SCALE_SHIFT & SCALE_MASK;
	if ((header & FORM_MASK) != FORM_SHORT || *scale > TSDB_DECIMAL_SCALE_MAX)
		return false;

	for (uint32_t i = 0; i < ndigits; i++)
	{
		uint16_t	digit;

		memcpy(&digit, payload + HEADER_BYTES + i * DIGIT_BYTES, DIGIT_BYTES);
		if (digit >= DIGIT_BASE || value > (uint64_t) INT64_MAX / DIGIT_BASE - 1)
			return false;
		value = value * DIGIT_BASE + digit;
	}
	weight = (int) (header & WEIGHT_MASK) - (header & WEIGHT_SIGN ? WEIGHT_MASK + 1 : 0);
	exponent = (weight + 1 - (int) ndigits) * DIGIT_DECIMALS + (int) *scale;
	if (value == 0)
		exponent = 0;
	if (exponent > 0)
	{
		if (exponent > TSDB_DECIMAL_SCALE_MAX ||
			value > (uint64_t) UNSCALED_MAX / tsdb_body_units[exponent])
			return false;
		value *= tsdb_body_units[exponent];
	}
	else if (exponent < 0)
	{
		if (exponent <= -DIGIT_DECIMALS || value % tsdb_body_units[-exponent] != 0)
			return false;
		value /= tsdb_body_units[-exponent];
	}
	if (value > (uint64_t) UNSCALED_MAX)
		return false;
	*unscaled = header & NEGATIVE ? -(int64_t) value : (int64_t) value;
	return true;
}

bool
tsdb_decimal_lower(int64_t *unscaled, uint32_t from, int64_t to)
{
	int64_t		factor;

	if (to < 0 || from > TSDB_DECIMAL_SCALE_MAX || to > (int64_t) from)
		return false;
	factor = (int64_t) tsdb_body_units[from - (uint32_t) to];
	if (*unscaled % factor != 0)
		return false;
	*unscaled /= factor;
	return true;
}

bool
tsdb_decimal_convert(const TsdbVector *vector, int64_t *unscaled,
					 int64_t *scales, uint8_t *scale, bool *vary)
{
	uint32_t	min = TSDB_DECIMAL_SCALE_MAX;
	uint32_t	max = 0;

	for (uint32_t i = 0; i < vector->nrows; i++)
	{
		const uint8_t *payload = vector->data + vector->offsets[i];
		uint32_t	length = vector->offsets[i + 1] - vector->offsets[i];
		uint8_t		again[TSDB_DECIMAL_PAYLOAD_MAX];
		uint32_t	own;

		unscaled[i] = 0;
		scales[i] = -1;
		if (vector->nulls != NULL && (vector->nulls[i >> 3] & (1 << (i & 7))) != 0)
			continue;
		if (!tsdb_decimal_parse(payload, length, &unscaled[i], &own) ||
			tsdb_decimal_format(unscaled[i], own, again) != length ||
			memcmp(payload, again, length) != 0)
			return false;
		scales[i] = own;
		min = own < min ? own : min;
		max = own > max ? own : max;
	}

	for (uint32_t i = 0; min < max && i < vector->nrows; i++)
	{
		int64_t		factor;

		if (scales[i] < 0)
			scales[i] = max;
		factor = (int64_t) tsdb_body_units[max - (uint32_t) scales[i]];
		if (unscaled[i] > UNSCALED_MAX / factor || unscaled[i] < -UNSCALED_MAX / factor)
			return false;
		unscaled[i] *= factor;
	}
	*scale = (uint8_t) max;
	*vary = min < max;
	return true;
}
