/*
 * keys.h
 *		Numbers as 64-bit integers that compare as the numbers do.
 *
 * An integer is its own key.  A float's is its ordered pattern as binary64,
 * -0 being taken for 0, and the greatest key for every NaN, so that keys
 * compare as PostgreSQL compares floats, and conditions are closed ranges of
 * keys whatever the type is.
 */
#ifndef TSDB_CODEC_KEYS_H
#define TSDB_CODEC_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/codec_format.h"
#include "codec/decimal_format.h"
#include "codec/number_format.h"

/* Keys from low to high; none if low is above high. */
typedef struct TsdbKeys
{
	int64_t		low;
	int64_t		high;
} TsdbKeys;

static inline int64_t
tsdb_key_of_real(double value)
{
	/* Adding 0 makes 0 of -0. */
	return value != value ? INT64_MAX :
		(int64_t) tsdb_number_order8(tsdb_bits_of(value + 0.0));
}

/* The key of a carrier (see number.h). */
static inline int64_t
tsdb_key_of(TsdbKind kind, uint64_t value)
{
	return kind == TSDB_KIND_FLOAT8 ? tsdb_key_of_real(tsdb_double_of(value)) :
		kind == TSDB_KIND_FLOAT4 ? tsdb_key_of_real(tsdb_float_of((uint32_t) value)) :
		(int64_t) value;
}

static inline bool
tsdb_keys_hold(const TsdbKeys *keys, int64_t key)
{
	return key >= keys->low && key <= keys->high;
}

#endif							/* TSDB_CODEC_KEYS_H */
