/*
 * integer_width.c
 *		Weighs widths of slots against patches.
 */
#include "codec/integer_width.h"

#include "codec/decimal_format.h"
#include "codec/dispatch.h"
#include "codec/integer_format.h"
#include "codec/integer_residual.h"

#define BLOCK				TSDB_VECTOR_BLOCK_ROWS
#define NEGATIVE			65	/* in place of the length of a residual below the window */
#define LANES				(BLOCK / 2)	/* bytes compared at a time */
#define PATCHES_PER_BYTE	4	/* patches that must save more than a byte, for speed */

/*
 * Bit lengths of numbers below 2^52, without a branch: the exponents that they have as
 * doubles.
 */
static inline void
lengths_of_short(const uint64_t *values, uint8_t *marks)
{
	for (uint32_t i = 0; i < BLOCK; i++)
	{
		double		value = tsdb_double_of(values[i] | UINT64_C(0x4330000000000000)) - 0x1p52;
		uint64_t	exponent = tsdb_bits_of(value) >> 52;

		marks[i] = (uint8_t) (exponent != 0 ? exponent - 1022 : 0);
	}
}

/* How many marks are this one. */
static inline uint16_t
count_marks(const uint8_t *marks, uint8_t mark)
{
	uint8_t		counts[LANES];
	uint64_t	sum = 0;

	for (uint32_t i = 0; i < LANES; i++)
		counts[i] = (uint8_t) ((marks[i] == mark) + (marks[i + LANES] == mark));

	/* Sums of bytes, up to BLOCK all together, end up in the highest one. */
	for (uint32_t i = 0; i < LANES; i += 8)
		sum += tsdb_load64(counts + i);
	return (uint16_t) (sum * UINT64_C(0x0101010101010101) >> 56);
}

static TSDB_CODEC_CLONES void
count_lengths(const uint64_t *residuals, uint32_t slots, uint64_t reference,
			  bool is_signed, TsdbLengths *lengths)
{
	uint64_t	sign = is_signed ? ~(uint64_t) 0 : 0;
	uint64_t	values[BLOCK];
	uint64_t	below[BLOCK];
	uint8_t		marks[BLOCK];
	uint64_t	all = 0;

	for (uint32_t i = 0; i < slots; i++)
	{
		uint64_t	residual = residuals[i] - reference;

		below[i] = (uint64_t) ((int64_t) residual >> 63) & sign;
		values[i] = residual ^ below[i];
		all |= values[i];
	}
	for (uint32_t i = slots; i < BLOCK; i++)
		values[i] = below[i] = 0;

	if (all < UINT64_C(1) << 52)
		lengths_of_short(values, marks);
	else
		for (uint32_t i = 0; i < BLOCK; i++)
			marks[i] = (uint8_t) tsdb_bit_length(values[i]);
	for (uint32_t i = 0; i < BLOCK; i++)
		marks[i] = below[i] != 0 ? NEGATIVE : marks[i];

	memset(lengths, 0, sizeof(*lengths));
	lengths->longest = (uint8_t) tsdb_bit_length(all);
	for (unsigned length = 0; length <= lengths->longest; length++)
		lengths->by_length[length] = count_marks(marks, (uint8_t) length);
	lengths->by_length[0] = (uint16_t) (lengths->by_length[0] - (BLOCK - slots));
	if (is_signed)
		lengths->negative = count_marks(marks, NEGATIVE);
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
	uint32_t	patches[TSDB_INTEGER_BLOCKS_MAX];	/* that slots of the width do not hold */
	size_t		best = 0;
	size_t		least = SIZE_MAX;
	unsigned	worse = 0;

	for (uint32_t k = 0; k < nblocks; k++)
	{
		patches[k] = per_block[k].negative;
		if (per_block[k].longest > all.longest)
			all.longest = per_block[k].longest;
		all.negative += per_block[k].negative;
	}
	for (int width = all.longest; width >= 0 && worse < 3; width--)
	{
		unsigned	patch_width = patch_width_for(&all, (unsigned) width, is_signed);
		uint32_t	sum = 0;
		size_t		bytes = 1;

		for (uint32_t k = 0; k < nblocks; k++)
		{
			if (width < all.longest)
				patches[k] += per_block[k].by_length[width + 1];
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
