/*
 * integer.h
 *		Sequences of 64-bit integers, predicted and bit-packed in blocks.
 *
 * The one coder of integers: timestamps, counters, decimals scaled to
 * integers, run lengths and dictionary codes all end here.
 */
#ifndef TSDB_CODEC_INTEGER_H
#define TSDB_CODEC_INTEGER_H

#include "codec/codec.h"
#include "codec/codec_format.h"
#include "codec/wire.h"

/* No payload is longer than this. */
#define TSDB_INTEGER_BYTES_MAX	(TSDB_VECTOR_ROWS_MAX * 8 + 512)

#define TSDB_INTEGER_BLOCKS_MAX	(TSDB_VECTOR_ROWS_MAX / TSDB_VECTOR_BLOCK_ROWS)

/* A packed block: count slots of width bits, then patches. */
typedef struct TsdbPackedBlock
{
	uint8_t		width;
	uint8_t		patches;		/* values that do not fit the width */
	uint8_t		patch_width;	/* bits of what they exceed it by */
} TsdbPackedBlock;

/* How a sequence is going to be stored, and what that costs. */
typedef struct TsdbIntegerPlan
{
	TsdbCodecId codec;			/* CONSTANT, STEP, FRAME, DELTA or DELTA2 */
	uint8_t		flags;
	uint32_t	count;
	uint64_t	offset;			/* stored: value of x = 0, or of the reference */
	uint64_t	multiplier;		/* value = first value + multiplier * x */
	uint64_t	slope;			/* DELTA2, STEP: first difference of x */
	uint64_t	reference;		/* least or windowed residual, in units of x */
	uint64_t	heads[TSDB_INTEGER_BLOCKS_MAX];
	uint64_t	slopes[TSDB_INTEGER_BLOCKS_MAX];
	uint64_t	block_references[TSDB_INTEGER_BLOCKS_MAX];
	TsdbPackedBlock blocks[TSDB_INTEGER_BLOCKS_MAX];
	size_t		bytes;			/* of the whole body, codec id included */
} TsdbIntegerPlan;

/*
 * Plan the smallest body for count (1 to TSDB_VECTOR_ROWS_MAX) values; level
 * cold may use an entropy coder.
 * Fails only for want of scratch.
 */
extern TsdbCodecStatus tsdb_integer_plan(const int64_t *values, uint32_t count,
										 TsdbCodecLevel level, TsdbArena arena,
										 TsdbIntegerPlan *plan);

/* Bytes of a list of integers (see integer_format.h), its base and width. */
extern size_t tsdb_integer_plan_list(const uint64_t *entries, uint32_t count,
									 uint64_t *base, unsigned *width);

/* Write the body that the plan of the same values describes. */
extern TsdbCodecStatus tsdb_integer_write(const int64_t *values,
										  const TsdbIntegerPlan *plan,
										  TsdbArena arena, TsdbWriter *out);

/*
 * Decode blocks [first, last) of a payload of the given codec with count
 * values in all; out receives whole blocks of TSDB_VECTOR_BLOCK_ROWS entries,
 * of which those past count are unspecified.
 */
extern TsdbCodecStatus tsdb_integer_decode(TsdbCodecId codec, TsdbReader in,
										   uint32_t count, uint32_t first,
										   uint32_t last, int64_t *out);

#endif							/* TSDB_CODEC_INTEGER_H */
