/*
 * decimal_format.h
 *		What the writer and reader of decimal bodies share.
 *
 *		flags			byte
 *		divisor			byte: 0 to 22 a power of ten, 64 + k a power of two,
 *						128 an integer that follows as a varint
 *		exceptions		if flagged: varint count, a varint gap each, the
 *						patterns of 4 or 8 bytes each
 *		corrections		DECIMAL_ULP: varint length, an integer body
 *		integers		an integer body
 *
 * A value is (double) d / divisor, rounded to float32 if the vector is
 * single, plus its correction in units of its bit pattern, widened again if
 * the kind is FLOAT8.
 */
#ifndef TSDB_CODEC_DECIMAL_FORMAT_H
#define TSDB_CODEC_DECIMAL_FORMAT_H

#include <stdint.h>
#include <string.h>

#define TSDB_DECIMAL_SINGLE			0x01	/* patterns are float32 */
#define TSDB_DECIMAL_WIDE			0x02	/* integers of 2^51 and above */
#define TSDB_DECIMAL_EXCEPTIONS		0x04
#define TSDB_DECIMAL_FLAGS_MASK		0x07

#define TSDB_DECIMAL_TEN_MAX		22
#define TSDB_DECIMAL_TWO			64
#define TSDB_DECIMAL_TWO_MAX		62
#define TSDB_DECIMAL_INTEGER		128
#define TSDB_DECIMAL_DIVISOR_MAX	((uint64_t) 1 << 53)

/* Adding this to a double below 2^51 leaves the nearest integer in the low bits. */
#define TSDB_DECIMAL_MAGIC			0x1.8p52
#define TSDB_DECIMAL_MAGIC_BITS		UINT64_C(0x4338000000000000)
#define TSDB_DECIMAL_NARROW			0x1p51

static inline double
tsdb_double_of(uint64_t bits)
{
	double		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static inline uint64_t
tsdb_bits_of(double value)
{
	uint64_t	bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static inline float
tsdb_float_of(uint32_t bits)
{
	float		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static inline uint32_t
tsdb_float_bits_of(float value)
{
	uint32_t	bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

/* The divisor that a divisor byte below TSDB_DECIMAL_INTEGER names, or 0. */
static inline double
tsdb_decimal_divisor(uint8_t code)
{
	static const double tens[TSDB_DECIMAL_TEN_MAX + 1] = {
		1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
		1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22
	};

	if (code <= TSDB_DECIMAL_TEN_MAX)
		return tens[code];
	if (code >= TSDB_DECIMAL_TWO && code <= TSDB_DECIMAL_TWO + TSDB_DECIMAL_TWO_MAX)
		return (double) ((uint64_t) 1 << (code - TSDB_DECIMAL_TWO));
	return 0;
}

#endif							/* TSDB_CODEC_DECIMAL_FORMAT_H */
