/*
 * integer_width.c
 *		Weighs widths of slots against patches.
 */
#include "codec/integer_width.h"

#include "codec/dispatch.h"
#include "codec/integer_format.h"
#include "codec/integer_residual.h"

#define BLOCK				TSDB_VECTOR_BLOCK_ROWS
#define NEGATIVE			65	/* in place of the length of a residual below the window */
#define TABLES				4
#define PATCHES_PER_BYTE	4	/* patches that must save more than a byte, for speed */

static TSDB_CODEC_CLONES void
count_lengths(const uint64_t *residuals, uint32_t slots, uint64_t reference,
			  bool is_signed, TsdbLengths *lengths)
{
	/* Lengths are mostly alike: several counters each keep increments apart. */
	uint16_t	counts[TABLES][NEGATIVE + 1] = {{0}};
	uint64_t	sign = is_signed ? ~(uint64_t) 0 : 0;
	uint64_t	marked[BLOCK];
	uint64_t	all = 0;

	for (uint32_t i = 0; i < slots; i++)
	{
		uint64_t	residual = residuals[i] - reference;
		uint64_t	below = (uint64_t) ((int64_t) residual >> 63) & sign;

		residual ^= below;
		all |= residual;
		marked[i] = below != 0 ? NEGATIVE : tsdb_bit_length(residual);
	}
	for (uint32_t i = 0; i < slots; i++)
		counts[i % TABLES][marked[i]]++;
	for (unsigned length = 0; length <= 64; length++)
		lengths->by_length[length] = (uint16_t) (counts[0][length] + counts[1][length] +
												   counts[2][length] + counts[3][length]);
	lengths->negative = (uint16_t) (counts[0][NEGATIVE] + counts[1][NEGATIVE] +
									counts[2][NEGATIVE] + counts[3][NEGATIVE]);
	lengths->longest = (uint8_t) tsdb_bit_length(all);
}

void
tsdb_integer_count_lengths(const uint64_t *residuals, uint32_t slots, uint64_t reference,
						   bool is_signed, TsdbLengths *lengths)
{
	count_lengths(residuals, slots, reference, is_signed, lengths);
}

/* Bits of a patch over slots of this width. */
static unsigned
patch_width_for(const TsdbLengths *lengths, unsigned width, bool is_signed)
{
	unsigned	beyond = lengths->longest > width ? lengths->longest - width : 0;

	beyond += is_signed;
	return beyond == 0 ? 1 : beyond > 64 ? 64 : beyond;
}

/* Residuals that slots of this width do not hold. */
static uint32_t
count_patches(const TsdbLengths *lengths, unsigned width)
{
	uint32_t	patches = lengths->negative;

	for (unsigned length = width + 1; length <= lengths->longest; length++)
		patches += lengths->by_length[length];
	return patches;
}

size_t
tsdb_integer_plan_each(const TsdbLengths *per_block, uint32_t count, unsigned order,
		  bool is_signed, TsdbPackedBlock *blocks)
{
	size_t		total = 0;

	for (uint32_t k = 0; k < tsdb_integer_blocks(count); k++)
	{
		const TsdbLengths *lengths = &per_block[k];
		uint32_t	slots = tsdb_integer_slots(count, k, order);
		uint32_t	patches = lengths->negative;
		size_t		best = 0;
		size_t		least = SIZE_MAX;

		for (int width = lengths->longest; width >= 0; width--)
		{
			unsigned	patch_width = patch_width_for(lengths, (unsigned) width,
													  is_signed);
			size_t		bytes = tsdb_integer_block_bytes(slots, (unsigned) width, patches,
														 patch_width) + 1;

			if (patches > 0)
				bytes += 2;
			if (bytes + patches / PATCHES_PER_BYTE < least)
			{
				best = bytes;
				least = bytes + patches / PATCHES_PER_BYTE;
				blocks[k].width = (uint8_t) width;
				blocks[k].patches = (uint8_t) patches;
				blocks[k].patch_width = patches > 0 ? (uint8_t) patch_width : 0;
			}
			patches += lengths->by_length[width];
		}
		total += best;
	}
	return total;
}

size_t
tsdb_integer_plan_shared(const TsdbLengths *per_block, uint32_t count, unsigned order,
			bool is_signed, TsdbPackedBlock *blocks, uint8_t *layout)
{
	uint32_t	nblocks = tsdb_integer_blocks(count);
	TsdbLengths all = {{0}, 0, 0};
	size_t		best = 0;
	size_t		least = SIZE_MAX;
	unsigned	worse = 0;

	for (uint32_t k = 0; k < nblocks; k++)
	{
		if (per_block[k].longest > all.longest)
			all.longest = per_block[k].longest;
		all.negative += per_block[k].negative;
	}
	for (int width = all.longest; width >= 0 && worse < 3; width--)
	{
		unsigned	patch_width = patch_width_for(&all, (unsigned) width, is_signed);
		uint32_t	patches[TSDB_INTEGER_BLOCKS_MAX];
		uint32_t	sum = 0;
		size_t		bytes = 1;

		for (uint32_t k = 0; k < nblocks; k++)
		{
			patches[k] = count_patches(&per_block[k], (unsigned) width);
			sum += patches[k];
			bytes += tsdb_integer_block_bytes(tsdb_integer_slots(count, k, order),
											  (unsigned) width, patches[k], patch_width);
		}
		if (sum > 0)
			bytes += 1 + nblocks;
		if (bytes + sum / PATCHES_PER_BYTE >= least)
		{
			worse++;
			continue;
		}
		worse = 0;
		best = bytes;
		least = bytes + sum / PATCHES_PER_BYTE;
		*layout = sum > 0 ? TSDB_INTEGER_LAYOUT_SHARED : TSDB_INTEGER_LAYOUT_PLAIN;
		for (uint32_t k = 0; k < nblocks; k++)
			blocks[k] = (TsdbPackedBlock) {(uint8_t) width, (uint8_t) patches[k],
			sum > 0 ? (uint8_t) patch_width : 0};
	}
	return best;
}
