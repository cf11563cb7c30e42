/*
 * number_format.h
 *		Float patterns as integers that sort as the floats do.
 *
 * A pattern with its sign set has its other bits inverted, so that the
 * patterns, read as signed integers, ascend from -NaN over -inf, -0, 0 and
 * inf to NaN: neighbours in value are neighbours as integers.
 */
#ifndef TSDB_CODEC_NUMBER_FORMAT_H
#define TSDB_CODEC_NUMBER_FORMAT_H

#include <stdint.h>

static inline uint64_t
tsdb_number_order8(uint64_t bits)
{
	return bits ^ ((uint64_t) ((int64_t) bits >> 63) >> 1);
}

static inline uint64_t
tsdb_number_unorder8(uint64_t ordered)
{
	return ordered ^ ((uint64_t) ((int64_t) ordered >> 63) >> 1);
}

/* 32-bit patterns; the ordered form is sign-extended. */
static inline uint64_t
tsdb_number_order4(uint64_t bits)
{
	int32_t		low = (int32_t) (uint32_t) bits;

	return (uint64_t) (int64_t) (low ^ (int32_t) ((uint32_t) (low >> 31) >> 1));
}

static inline uint64_t
tsdb_number_unorder4(uint64_t ordered)
{
	int32_t		low = (int32_t) (uint32_t) ordered;

	return (uint32_t) (low ^ (int32_t) ((uint32_t) (low >> 31) >> 1));
}

#endif							/* TSDB_CODEC_NUMBER_FORMAT_H */
