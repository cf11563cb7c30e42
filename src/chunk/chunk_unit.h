/*
 * chunk_unit.h
 *		Units of numbers in a body: what its parser and its writer share.
 *
 * Integers are counted in a power of ten, floats are an integer over one.
 * Parser and writer must compute a float by the same division, so that the
 * writer knows which bits will come back.
 */
#ifndef TSDB_CHUNK_CHUNK_UNIT_H
#define TSDB_CHUNK_CHUNK_UNIT_H

#include <stdint.h>
#include <string.h>

#include "chunk/chunk_body.h"
#include "chunk/chunk_format.h"

__extension__ typedef unsigned __int128 TsdbUint128;
__extension__ typedef __int128 TsdbInt128;

static const uint64_t tsdb_body_units[TSDB_BODY_UNIT_MAX + 1] = {
	UINT64_C(1), UINT64_C(10), UINT64_C(100), UINT64_C(1000),
	UINT64_C(10000), UINT64_C(100000), UINT64_C(1000000),
	UINT64_C(10000000), UINT64_C(100000000), UINT64_C(1000000000),
	UINT64_C(10000000000), UINT64_C(100000000000),
	UINT64_C(1000000000000), UINT64_C(10000000000000),
	UINT64_C(100000000000000), UINT64_C(1000000000000000),
	UINT64_C(10000000000000000), UINT64_C(100000000000000000),
	UINT64_C(1000000000000000000)
};

/* The bit pattern of n / 10^u in a float of that kind (FLOAT4: the low half). */
static inline int64_t
tsdb_body_decimal_bits(uint8_t kind, int64_t n, uint64_t unit)
{
	double		value = (double) n / (double) unit;

	if (kind == TSDB_BODY_FLOAT4)
	{
		float		value4 = (float) value;
		uint32_t	bits4;

		memcpy(&bits4, &value4, sizeof(bits4));
		return (int64_t) bits4;
	}
	else
	{
		int64_t		bits;

		memcpy(&bits, &value, sizeof(bits));
		return bits;
	}
}

#endif							/* TSDB_CHUNK_CHUNK_UNIT_H */
