/*
 * integer_width.h
 *		How many bits the slots of each block get.
 *
 * From a histogram of bit lengths per block the exact size of every width is
 * known: narrow slots and many patches, or wide slots and few.
 */
#ifndef TSDB_CODEC_INTEGER_WIDTH_H
#define TSDB_CODEC_INTEGER_WIDTH_H

#include "codec/integer.h"

/* How many residuals of a block have which bit length. */
typedef struct TsdbLengths
{
	uint16_t	by_length[65];
	uint16_t	negative;		/* signed windows: those below the reference */
	uint8_t		longest;
} TsdbLengths;

/* Count the bit lengths of one block's residuals less a reference. */
extern void tsdb_integer_count_lengths(const uint64_t *residuals, uint32_t slots,
									   uint64_t reference, bool is_signed,
									   TsdbLengths *lengths);

/* Each block its own best width; returns bytes of headers and blocks. */
extern size_t tsdb_integer_plan_each(const TsdbLengths *per_block, uint32_t count,
									 unsigned order, bool is_signed,
									 TsdbPackedBlock *blocks);

/* One width for all blocks; *layout says whether with patches or without. */
extern size_t tsdb_integer_plan_shared(const TsdbLengths *per_block, uint32_t count,
									   unsigned order, bool is_signed,
									   TsdbPackedBlock *blocks, uint8_t *layout);

#endif							/* TSDB_CODEC_INTEGER_WIDTH_H */
