/*
 * matrix_format.h
 *		Forms of lanes, and how a lane follows from another.
 */
#ifndef TSDB_CODEC_MATRIX_FORMAT_H
#define TSDB_CODEC_MATRIX_FORMAT_H

#include <math.h>
#include <stdbool.h>

#include "codec/codec_format.h"
#include "codec/decimal_format.h"
#include "codec/number_format.h"

/*
 * What forms from TSDB_LANE_RELATIVE on exceed it by says, in the two lowest
 * bits, how the lane follows, and in the others the distance to the lane that
 * it follows from, less one.
 */
#define TSDB_LANE_CONSTANT		0
#define TSDB_LANE_NULLS			1	/* nulls, then the body of the other rows */
#define TSDB_LANE_ALONE			2
#define TSDB_LANE_RELATIVE		3

#define TSDB_LANE_BY_VALUE		0x01	/* of float8 that are integers; else of integers
									 * or of ordered patterns */
#define TSDB_LANE_BY_TWO		0x02	/* with a second lane, one that is alone */
#define TSDB_LANE_WAY_BITS		2

/* Seconds: the lowest bit of them, and above it their distance less one. */
#define TSDB_SECOND_SUBTRACTED	0x01

#define TSDB_MATRIX_TRAILER		4

static inline bool
tsdb_lane_is_relative(uint64_t form)
{
	return form >= TSDB_LANE_RELATIVE;
}

static inline bool
tsdb_lane_has_second(uint64_t form)
{
	return tsdb_lane_is_relative(form) &&
		((form - TSDB_LANE_RELATIVE) & TSDB_LANE_BY_TWO) != 0;
}

static inline bool
tsdb_lane_by_value(uint64_t form)
{
	return ((form - TSDB_LANE_RELATIVE) & TSDB_LANE_BY_VALUE) != 0;
}

/* A carrier as the integer whose differences are taken by order, and back. */
static inline uint64_t
tsdb_lane_order(TsdbKind kind, uint64_t value)
{
	return kind == TSDB_KIND_FLOAT8 ? tsdb_number_order8(value) :
		kind == TSDB_KIND_FLOAT4 ? tsdb_number_order4(value) : value;
}

static inline uint64_t
tsdb_lane_unorder(TsdbKind kind, uint64_t value)
{
	unsigned	shift;

	if (kind == TSDB_KIND_FLOAT8)
		return tsdb_number_unorder8(value);
	if (kind == TSDB_KIND_FLOAT4)
		return tsdb_number_unorder4(value);
	shift = 64 - 8 * tsdb_kind_width(kind);
	return (uint64_t) ((int64_t) (value << shift) >> shift);
}

/* Whether a float8 pattern is an integer below 2^53 in size, and not -0. */
static inline bool
tsdb_lane_is_whole(uint64_t bits)
{
	double		value = tsdb_double_of(bits);

	return fabs(value) < 0x1p53 && tsdb_bits_of((double) (int64_t) value) == bits;
}

#endif							/* TSDB_CODEC_MATRIX_FORMAT_H */
