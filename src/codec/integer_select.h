/*
 * integer_select.h
 *		Compares the values of integer bodies without decoding every block.
 */
#ifndef TSDB_CODEC_INTEGER_SELECT_H
#define TSDB_CODEC_INTEGER_SELECT_H

#include "codec/keys.h"
#include "codec/wire.h"

/* Words of bits for a block. */
#define TSDB_BLOCK_WORDS	(TSDB_VECTOR_BLOCK_ROWS / 64)

/* Compare so many values of a kind, a block at most; bit i of bits is value i. */
extern void tsdb_compare_block(TsdbKind kind, const uint64_t *values, uint32_t count,
							   const TsdbKeys *keys, uint64_t *bits);

/*
 * Compare the values of blocks [first, last) of a payload of an integer codec
 * other than CONSTANT, whose values are of an integer kind.  bits has
 * TSDB_BLOCK_WORDS for each block; bits past the last value are unspecified.
 */
extern TsdbCodecStatus tsdb_integer_select(TsdbKind kind, TsdbCodecId codec,
										   TsdbReader in, uint32_t count,
										   uint32_t first, uint32_t last,
										   const TsdbKeys *keys, uint64_t *bits);

#endif							/* TSDB_CODEC_INTEGER_SELECT_H */
