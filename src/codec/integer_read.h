/*
 * integer_read.h
 *		The header of an integer body, for those who read some of its blocks.
 */
#ifndef TSDB_CODEC_INTEGER_READ_H
#define TSDB_CODEC_INTEGER_READ_H

#include "codec/integer.h"

/* The header of a FRAME, DELTA or DELTA2 payload, read and checked. */
typedef struct TsdbIntegerHeader
{
	unsigned	order;			/* 0, 1 or 2: residuals missing per block */
	bool		signed_patches;
	bool		has_bins;
	uint64_t	offset;
	uint64_t	multiplier;
	uint64_t	reference;
	uint64_t	heads[TSDB_INTEGER_BLOCKS_MAX];
	uint64_t	slopes[TSDB_INTEGER_BLOCKS_MAX];
	uint64_t	block_references[TSDB_INTEGER_BLOCKS_MAX];
	TsdbPackedBlock blocks[TSDB_INTEGER_BLOCKS_MAX];
	const uint8_t *start[TSDB_INTEGER_BLOCKS_MAX];
} TsdbIntegerHeader;

/* Values in block k of a sequence of count. */
static inline uint32_t
tsdb_integer_block_rows(uint32_t count, uint32_t k)
{
	uint32_t	left = count - k * TSDB_VECTOR_BLOCK_ROWS;

	return left < TSDB_VECTOR_BLOCK_ROWS ? left : TSDB_VECTOR_BLOCK_ROWS;
}

/* Residuals in a block: its rows less those that the head and slope give. */
static inline uint32_t
tsdb_integer_block_slots(uint32_t rows, unsigned order)
{
	return rows > order ? rows - order : 0;
}

/* Read the header of a FRAME, DELTA or DELTA2 payload; in is left at its bins. */
extern TsdbCodecStatus tsdb_integer_read_header(TsdbCodecId codec, TsdbReader *in,
												uint32_t count, TsdbIntegerHeader *header);

/*
 * Decode block k, of so many rows, of a payload without bins that ends at end;
 * out receives TSDB_VECTOR_BLOCK_ROWS entries.
 */
extern TsdbCodecStatus tsdb_integer_decode_block(const TsdbIntegerHeader *header,
												 uint32_t k, uint32_t rows,
												 const uint8_t *end,
												 uint64_t *restrict out);

#endif							/* TSDB_CODEC_INTEGER_READ_H */
