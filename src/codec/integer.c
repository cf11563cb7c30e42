/*
 * integer.c
 *		Plans and writes integer bodies.
 *
 * Three predictions are weighed: every value alone (FRAME), its difference
 * from the one before (DELTA), and the difference of differences (DELTA2).
 * What a prediction misses by, the residual, is stored less a reference in a
 * fixed number of bits per block; the few residuals outside of that window
 * are patched with the bits that are missing.
 *
 * Planning is by arithmetic only.  A sorted sample of at most 128 residuals
 * tells for every width where its best window lies and so roughly what each
 * prediction costs; for those that can win, a histogram of bit lengths per
 * block gives the exact size of every choice.  Nothing is written to find out
 * how long it would be.
 */
#include "codec/integer.h"

#include <math.h>

#include "codec/bitpack.h"
#include "codec/dispatch.h"
#include "codec/entropy.h"
#include "codec/integer_format.h"

#define BLOCK		TSDB_VECTOR_BLOCK_ROWS
#define SAMPLE_MAX	64
#define SAMPLE_ERROR_BITS	0.75
#define NEGATIVE	128			/* marks the length of a residual below the window */
#define PATCHES_PER_BYTE	4	/* patches that must save more than a byte, for speed */

/* How many residuals of a block have which bit length. */
typedef struct LengthHistogram
{
	uint16_t	by_length[65];
	uint16_t	negative;		/* signed windows: those below the reference */
	uint8_t		longest;
} LengthHistogram;

static uint32_t
min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t
block_count(uint32_t count)
{
	return (count + BLOCK - 1) / BLOCK;
}

static uint32_t
block_slots(uint32_t count, uint32_t k, unsigned order)
{
	uint32_t	rows = min_u32(count - k * BLOCK, BLOCK);

	return rows > order ? rows - order : 0;
}

static unsigned
order_of(TsdbCodecId codec)
{
	return codec == TSDB_CODEC_FRAME ? 0 : codec == TSDB_CODEC_DELTA ? 1 : 2;
}

/*
 * Residuals of a prediction over x, block k's at out + k * BLOCK and without
 * the rows that its head and slope give.
 */
static void
make_residuals(const uint64_t *x, uint32_t count, unsigned order, uint64_t *out)
{
	for (uint32_t k = 0; k < block_count(count); k++)
	{
		uint32_t	slots = block_slots(count, k, order);
		const uint64_t *from = x + k * BLOCK + order;
		uint64_t   *to = out + k * BLOCK;

		if (order == 0)
			memcpy(to, from, slots * sizeof(uint64_t));
		else if (order == 1)
			for (uint32_t i = 0; i < slots; i++)
				to[i] = from[i] - from[(int) i - 1];
		else
			for (uint32_t i = 0; i < slots; i++)
				to[i] = from[i] - 2 * from[(int) i - 1] + from[(int) i - 2];
	}
}

static uint64_t
greatest_divisor(uint64_t a, uint64_t b)
{
	while (b != 0)
	{
		uint64_t	rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* The greatest number that divides every difference from the first value. */
static uint64_t
common_multiplier(const int64_t *values, uint32_t count)
{
	uint64_t	divisor = 0;

	for (uint32_t i = 1; i < count && divisor != 1; i++)
	{
		int64_t		difference = (int64_t) ((uint64_t) values[i] - (uint64_t) values[0]);
		uint64_t	size = difference < 0 ? 0 - (uint64_t) difference : (uint64_t) difference;

		if (divisor == 0 || size % divisor != 0)
			divisor = greatest_divisor(size, divisor);
	}
	return divisor == 0 ? 1 : divisor;
}

/* Ascending order of signed values; Shell's method, enough for a sample. */
static void
sort_sample(int64_t *sample, uint32_t count)
{
	static const uint32_t gaps[] = {57, 23, 10, 4, 1};

	for (int g = 0; g < 5; g++)
	{
		uint32_t	gap = gaps[g];

		for (uint32_t i = gap; i < count; i++)
		{
			int64_t		value = sample[i];
			uint32_t	j = i;

			for (; j >= gap && sample[j - gap] > value; j -= gap)
				sample[j] = sample[j - gap];
			sample[j] = value;
		}
	}
}

/* A window of values that slots alone can hold, and the cost it promises. */
typedef struct Window
{
	int64_t		low;
	int64_t		high;
	double		bits;			/* per value, patches included */
} Window;

/*
 * The best window over a sorted sample: for each of a few shares of it, the
 * narrowest window that holds so much; the rest is patched.
 */
static Window
best_window(const int64_t *sample, uint32_t count)
{
	static const uint8_t outside_of_64[] = {1, 2, 3, 4, 6, 8, 11, 15, 20, 27};
	Window		best = {0, 0, 0};
	unsigned	full;

	if (count == 0)
		return best;
	full = tsdb_bit_length((uint64_t) sample[count - 1] - (uint64_t) sample[0]);
	best.low = sample[0];
	best.high = sample[count - 1];
	best.bits = full;
	for (size_t s = 0; s < sizeof(outside_of_64); s++)
	{
		uint32_t	outside = (outside_of_64[s] * count + 63) / 64;
		uint32_t	held = count > outside ? count - outside : 1;
		uint64_t	least = UINT64_MAX;
		uint32_t	at = 0;
		unsigned	width;
		double		share;
		double		bits;

		for (uint32_t i = 0; i + held <= count; i++)
		{
			uint64_t	spread = (uint64_t) sample[i + held - 1] - (uint64_t) sample[i];

			if (spread < least)
			{
				least = spread;
				at = i;
			}
		}
		width = tsdb_bit_length(least);
		share = (double) (count - held) / count;
		bits = width + share * (full - width + 1) + (share * 7 < 1 ? share * 7 : 1);
		if (bits < best.bits)
		{
			uint64_t	reach = width < 64 ? (uint64_t) 1 << width : 0;

			/* Centre the window over what it holds of the sample. */
			best.bits = bits;
			best.low = (int64_t) ((uint64_t) sample[at] - (reach - 1 - least) / 2);
			best.high = (int64_t) ((uint64_t) best.low + (reach - 1));
		}
	}
	return best;
}

/* Take an even sample of the residuals and find its best window. */
static Window
sample_window(const uint64_t *residuals, uint32_t count, unsigned order)
{
	int64_t		sample[SAMPLE_MAX];
	uint32_t	taken = 0;
	uint32_t	step = count <= SAMPLE_MAX ? 1 : count / SAMPLE_MAX;

	for (uint32_t i = 0; i < count && taken < SAMPLE_MAX; i += step)
		if (i % BLOCK < block_slots(count, i / BLOCK, order))
			sample[taken++] = (int64_t) residuals[i];
	sort_sample(sample, taken);
	return best_window(sample, taken);
}

/* Count the bit lengths of one block's residuals less a reference. */
static TSDB_CODEC_CLONES void
count_lengths(const uint64_t *residuals, uint32_t slots, uint64_t reference,
			  bool is_signed, LengthHistogram *histogram)
{
	/* Lengths are mostly alike: four counters each keep increments apart. */
	uint16_t	counts[4][65] = {{0}};
	uint64_t	sign = is_signed ? ~(uint64_t) 0 : 0;
	uint64_t	lengths[BLOCK];
	uint64_t	all = 0;
	uint64_t	negative = 0;

	for (uint32_t i = 0; i < slots; i++)
	{
		uint64_t	residual = residuals[i] - reference;
		uint64_t	below = (uint64_t) ((int64_t) residual >> 63) & sign;

		residual ^= below;
		all |= residual;
		negative += below & 1;
		lengths[i] = tsdb_bit_length(residual) | (below & NEGATIVE);
	}
	for (uint32_t i = 0; i < slots; i++)
		counts[i % 4][lengths[i] & (NEGATIVE - 1)] += lengths[i] < NEGATIVE;
	for (unsigned length = 0; length <= 64; length++)
		histogram->by_length[length] = (uint16_t) (counts[0][length] + counts[1][length] +
												   counts[2][length] + counts[3][length]);
	histogram->negative = (uint16_t) negative;
	histogram->longest = (uint8_t) tsdb_bit_length(all);
}

/* Bits of a patch over slots of this width. */
static unsigned
patch_width_for(const LengthHistogram *histogram, unsigned width, bool is_signed)
{
	unsigned	beyond = histogram->longest > width ? histogram->longest - width : 0;

	beyond += is_signed;
	return beyond == 0 ? 1 : beyond > 64 ? 64 : beyond;
}

/* Residuals that slots of this width do not hold. */
static uint32_t
count_patches(const LengthHistogram *histogram, unsigned width)
{
	uint32_t	patches = histogram->negative;

	for (unsigned length = width + 1; length <= histogram->longest; length++)
		patches += histogram->by_length[length];
	return patches;
}

/* Each block's own best width; returns bytes of headers and blocks. */
static size_t
plan_each(const LengthHistogram *histograms, uint32_t count, unsigned order,
		  bool is_signed, TsdbPackedBlock *blocks)
{
	size_t		total = 0;

	for (uint32_t k = 0; k < block_count(count); k++)
	{
		const LengthHistogram *histogram = &histograms[k];
		uint32_t	slots = block_slots(count, k, order);
		uint32_t	patches = histogram->negative;
		size_t		best = 0;
		size_t		least = SIZE_MAX;

		for (int width = histogram->longest; width >= 0; width--)
		{
			unsigned	patch_width = patch_width_for(histogram, (unsigned) width, is_signed);
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
			patches += histogram->by_length[width];
		}
		total += best;
	}
	return total;
}

/* One width for all blocks, with or without patches. */
static size_t
plan_shared(const LengthHistogram *histograms, uint32_t count, unsigned order,
			bool is_signed, TsdbPackedBlock *blocks, uint8_t *layout)
{
	uint32_t	nblocks = block_count(count);
	LengthHistogram all = {{0}, 0, 0};
	size_t		best = 0;
	size_t		least = SIZE_MAX;
	unsigned	worse = 0;

	for (uint32_t k = 0; k < nblocks; k++)
	{
		if (histograms[k].longest > all.longest)
			all.longest = histograms[k].longest;
		all.negative += histograms[k].negative;
	}
	for (int width = all.longest; width >= 0 && worse < 3; width--)
	{
		unsigned	patch_width = patch_width_for(&all, (unsigned) width, is_signed);
		uint32_t	patches[TSDB_INTEGER_BLOCKS_MAX];
		uint32_t	sum = 0;
		size_t		bytes = 1;

		for (uint32_t k = 0; k < nblocks; k++)
		{
			patches[k] = count_patches(&histograms[k], (unsigned) width);
			sum += patches[k];
			bytes += tsdb_integer_block_bytes(block_slots(count, k, order),
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

/* Bytes of a list, and its base and width. */
static size_t
plan_list(const uint64_t *entries, uint32_t count, uint64_t *base, unsigned *width)
{
	int64_t		low = INT64_MAX;
	int64_t		high = INT64_MIN;

	for (uint32_t i = 0; i < count; i++)
	{
		int64_t		entry = (int64_t) entries[i];

		low = entry < low ? entry : low;
		high = entry > high ? entry : high;
	}
	*base = (uint64_t) low;
	*width = tsdb_bit_length((uint64_t) high - (uint64_t) low);
	return tsdb_varint_bytes(tsdb_zigzag(low)) + 1 + tsdb_bitpack_bytes(count, *width);
}

/*
 * By how much the head (and slope) of each block misses what the block before
 * leads to; entry 0 is unused.  Returns the bytes of the lists.
 */
static size_t
plan_heads(const uint64_t *x, uint32_t count, TsdbIntegerPlan *plan)
{
	uint32_t	nblocks = block_count(count);
	unsigned	order = order_of(plan->codec);
	uint64_t	base;
	unsigned	width;
	size_t		bytes;

	if (order == 0 || nblocks < 2)
		return 0;
	for (uint32_t k = 1; k < nblocks; k++)
	{
		uint32_t	row = k * BLOCK;
		uint64_t	step = plan->reference;

		if (order == 2)
		{
			uint64_t	before = x[row - BLOCK + 1] - x[row - BLOCK];
			uint64_t	here = row + 1 < count ? x[row + 1] - x[row] : before;

			plan->slopes[k] = here - before;
			step = before;
		}
		plan->heads[k] = x[row] - x[row - BLOCK] - step * BLOCK;
	}
	bytes = plan_list(plan->heads + 1, nblocks - 1, &base, &width);
	if (order == 2)
		bytes += plan_list(plan->slopes + 1, nblocks - 1, &base, &width);
	return bytes;
}

/* Bytes of the fields before block headers, codec id included. */
static size_t
field_bytes(const TsdbIntegerPlan *plan)
{
	unsigned	order = order_of(plan->codec);
	size_t		bytes = 2 + tsdb_varint_bytes(tsdb_zigzag((int64_t) plan->offset));

	if (plan->multiplier != 1)
		bytes += tsdb_varint_bytes(plan->multiplier);
	if (order == 2)
		bytes += tsdb_varint_bytes(tsdb_zigzag((int64_t) plan->slope));
	if (order > 0)
		bytes += tsdb_varint_bytes(tsdb_zigzag((int64_t) plan->reference));
	return bytes;
}

/* Weigh one reference for all blocks; keeps it in *best if it is smaller. */
static void
try_reference(const uint64_t *x, const uint64_t *residuals, uint32_t count,
			  TsdbCodecId codec, uint64_t reference, bool is_signed,
			  const TsdbIntegerPlan *common, TsdbIntegerPlan *best)
{
	LengthHistogram histograms[TSDB_INTEGER_BLOCKS_MAX];
	TsdbPackedBlock own[TSDB_INTEGER_BLOCKS_MAX];
	TsdbIntegerPlan plan = *common;
	unsigned	order = order_of(codec);
	uint32_t	nblocks = block_count(count);
	uint8_t		layout = TSDB_INTEGER_LAYOUT_PLAIN;
	size_t		shared;
	size_t		each;

	for (uint32_t k = 0; k < nblocks; k++)
		count_lengths(residuals + k * BLOCK, block_slots(count, k, order),
					  reference, is_signed, &histograms[k]);
	plan.codec = codec;
	plan.reference = reference;
	shared = plan_shared(histograms, count, order, is_signed, plan.blocks, &layout);
	each = plan_each(histograms, count, order, is_signed, own);
	if (each < shared)
	{
		layout = TSDB_INTEGER_LAYOUT_EACH;
		memcpy(plan.blocks, own, sizeof(own));
		shared = each;
	}
	plan.flags |= layout;
	if (is_signed && layout != TSDB_INTEGER_LAYOUT_PLAIN)
		plan.flags |= TSDB_INTEGER_SIGNED;

	if (order == 0)
		plan.offset += plan.multiplier * reference;
	plan.bytes = field_bytes(&plan) + shared;
	plan.bytes += plan_heads(x, count, &plan);
	if (plan.bytes < best->bytes)
		*best = plan;
}

/* Weigh a reference per block, the block's least value. */
static void
try_block_references(const uint64_t *residuals, uint32_t count,
					 const TsdbIntegerPlan *common, TsdbIntegerPlan *best)
{
	LengthHistogram histograms[TSDB_INTEGER_BLOCKS_MAX];
	TsdbIntegerPlan plan = *common;
	uint32_t	nblocks = block_count(count);
	uint64_t	base;
	unsigned	width;

	for (uint32_t k = 0; k < nblocks; k++)
	{
		uint32_t	slots = block_slots(count, k, 0);
		int64_t		low = INT64_MAX;

		for (uint32_t i = 0; i < slots; i++)
		{
			int64_t		value = (int64_t) residuals[k * BLOCK + i];

			low = value < low ? value : low;
		}
		plan.block_references[k] = (uint64_t) low;
		count_lengths(residuals + k * BLOCK, slots, (uint64_t) low, false, &histograms[k]);
	}
	plan.codec = TSDB_CODEC_FRAME;
	plan.flags |= TSDB_INTEGER_REFERENCES | TSDB_INTEGER_LAYOUT_EACH;
	plan.bytes = field_bytes(&plan) +
		plan_list(plan.block_references, nblocks, &base, &width) +
		plan_each(histograms, count, 0, false, plan.blocks);
	if (plan.bytes < best->bytes)
		*best = plan;
}

/* The least residual of all; 0 if there is none. */
static int64_t
least_residual(const uint64_t *residuals, uint32_t count, unsigned order)
{
	int64_t		low = INT64_MAX;

	for (uint32_t k = 0; k < block_count(count); k++)
		for (uint32_t i = 0; i < block_slots(count, k, order); i++)
		{
			int64_t		value = (int64_t) residuals[k * BLOCK + i];

			low = value < low ? value : low;
		}
	return low == INT64_MAX ? 0 : low;
}

static const TsdbCodecId predictions[3] = {
	TSDB_CODEC_FRAME, TSDB_CODEC_DELTA, TSDB_CODEC_DELTA2
};

/* Residuals of the whole sequence for bins, less the least; returns that. */
static uint64_t
make_bin_residuals(const uint64_t *x, uint32_t count, unsigned order, uint64_t *out)
{
	int64_t		low = INT64_MAX;

	for (uint32_t i = order; i < count; i++)
	{
		uint64_t	residual = order == 0 ? x[i] : order == 1 ? x[i] - x[i - 1] :
			x[i] - 2 * x[i - 1] + x[i - 2];

		out[i - order] = residual;
		low = (int64_t) residual < low ? (int64_t) residual : low;
	}
	for (uint32_t i = 0; i < count - order; i++)
		out[i] -= (uint64_t) low;
	return (uint64_t) low;
}

/*
 * Weigh bins under each prediction whose window is not far worse than the best;
 * what wins is written to know its size.
 */
static TsdbCodecStatus
try_bins(const uint64_t *x, uint32_t count, const Window *windows,
		 const TsdbIntegerPlan *common, TsdbArena arena, TsdbIntegerPlan *best)
{
	uint64_t   *residuals = tsdb_arena_take(&arena, TSDB_VECTOR_ROWS_MAX * sizeof(uint64_t));
	TsdbEntropyPlan bins;
	TsdbEntropyPlan chosen;
	TsdbIntegerPlan plan = *common;
	uint8_t    *trial;
	TsdbWriter	out;
	double		least = INFINITY;
	TsdbCodecStatus status;

	if (residuals == NULL)
		return TSDB_CODEC_INVALID;
	for (unsigned order = 0; order < 3; order++)
	{
		uint64_t	low;

		if (windows[order].bits > fmin(fmin(windows[0].bits, windows[1].bits),
									   windows[2].bits) + 2 * SAMPLE_ERROR_BITS)
			continue;
		low = make_bin_residuals(x, count, order, residuals);

		status = tsdb_entropy_plan(residuals, count - order, arena, &bins);
		if (status != TSDB_CODEC_OK)
			return status;
		if (bins.bits < least)
		{
			least = bins.bits;
			chosen = bins;
			plan.codec = predictions[order];
			plan.reference = low;
		}
	}
	if (least > (double) best->bytes * 8)
		return TSDB_CODEC_OK;

	plan.flags |= TSDB_INTEGER_LAYOUT_BINS;
	plan.slope = x[1] - x[0];
	if (plan.codec == TSDB_CODEC_FRAME)
		plan.offset += plan.multiplier * plan.reference;
	(void) make_bin_residuals(x, count, order_of(plan.codec), residuals);
	trial = tsdb_arena_take(&arena, TSDB_INTEGER_BYTES_MAX);
	if (trial == NULL)
		return TSDB_CODEC_INVALID;
	out = tsdb_writer(trial, TSDB_INTEGER_BYTES_MAX);
	status = tsdb_entropy_write(residuals, &chosen, arena, &out);
	plan.bytes = field_bytes(&plan) + (size_t) (out.at - trial);
	if (status == TSDB_CODEC_OK && !out.full && plan.bytes < best->bytes)
		*best = plan;
	return status;
}

/* CONSTANT and STEP cost a few bytes and end the search. */
static bool
plan_trivial(const int64_t *values, uint32_t count, TsdbIntegerPlan *plan)
{
	uint64_t	step = count > 1 ? (uint64_t) values[1] - (uint64_t) values[0] : 0;

	for (uint32_t i = 2; i < count; i++)
		if ((uint64_t) values[i] - (uint64_t) values[i - 1] != step)
			return false;
	plan->offset = (uint64_t) values[0];
	plan->slope = step;
	plan->codec = step == 0 ? TSDB_CODEC_CONSTANT : TSDB_CODEC_STEP;
	if (step == 0)
	{
		uint64_t	code = tsdb_zigzag(values[0]);

		plan->bytes = 1 + (tsdb_bit_length(code) + 7) / 8;
	}
	else
		plan->bytes = 1 + tsdb_varint_bytes(tsdb_zigzag(values[0])) +
			tsdb_varint_bytes(tsdb_zigzag((int64_t) step));
	return true;
}

TsdbCodecStatus
tsdb_integer_plan(const int64_t *values, uint32_t count, TsdbCodecLevel level,
				  TsdbArena arena, TsdbIntegerPlan *plan)
{
	uint64_t   *x = tsdb_arena_take(&arena, TSDB_VECTOR_ROWS_MAX * sizeof(uint64_t));
	uint64_t   *residuals[3];
	TsdbIntegerPlan common;
	Window		windows[3];
	double		least = 1e9;

	for (int p = 0; p < 3; p++)
		residuals[p] = tsdb_arena_take(&arena, TSDB_VECTOR_ROWS_MAX * sizeof(uint64_t));
	if (residuals[2] == NULL)
		return TSDB_CODEC_INVALID;
	memset(plan, 0, sizeof(*plan));
	plan->count = count;
	plan->multiplier = 1;
	if (plan_trivial(values, count, plan))
		return TSDB_CODEC_OK;

	common = *plan;
	common.multiplier = common_multiplier(values, count);
	common.flags = common.multiplier != 1 ? TSDB_INTEGER_MULTIPLIED : 0;
	common.offset = (uint64_t) values[0];
	for (uint32_t i = 0; i < count; i++)
	{
		x[i] = (uint64_t) values[i] - (uint64_t) values[0];
		if (common.multiplier != 1)
			x[i] = (uint64_t) ((int64_t) x[i] / (int64_t) common.multiplier);
	}

	for (int p = 0; p < 3; p++)
	{
		make_residuals(x, count, (unsigned) p, residuals[p]);
		windows[p] = sample_window(residuals[p], count, (unsigned) p);
		if (windows[p].bits < least)
			least = windows[p].bits;
	}

	plan->bytes = SIZE_MAX;
	for (int p = 0; p < 3; p++)
	{
		int64_t		low;
		TsdbIntegerPlan mine = common;

		/* A sample errs by less than this. */
		if (windows[p].bits > least + SAMPLE_ERROR_BITS)
			continue;
		mine.slope = p == 2 ? x[1] - x[0] : 0;
		low = least_residual(residuals[p], count, (unsigned) p);
		if (windows[p].low <= low || windows[p].bits + 2 * SAMPLE_ERROR_BITS >
			tsdb_bit_length((uint64_t) windows[p].high - (uint64_t) low))
			try_reference(x, residuals[p], count, predictions[p], (uint64_t) low, false,
						  &mine, plan);
		if (windows[p].low > low)
			try_reference(x, residuals[p], count, predictions[p],
						  (uint64_t) windows[p].low, true, &mine, plan);
		if (p == 0 && count > BLOCK)
			try_block_references(residuals[p], count, &mine, plan);
	}
	return level == TSDB_LEVEL_COLD ? try_bins(x, count, windows, &common, arena,
												plan) : TSDB_CODEC_OK;
}

static void
write_list(const uint64_t *entries, uint32_t count, TsdbWriter *out)
{
	uint64_t	base;
	unsigned	width;
	uint8_t    *room;

	(void) plan_list(entries, count, &base, &width);
	tsdb_write_signed(out, (int64_t) base);
	tsdb_write_byte(out, (uint8_t) width);
	room = tsdb_write_room(out, tsdb_bitpack_bytes(count, width));
	if (room != NULL)
	{
		uint64_t	shifted[TSDB_INTEGER_BLOCKS_MAX];
		TsdbBitWriter bits = {room, 0, 0};

		for (uint32_t i = 0; i < count; i++)
			shifted[i] = entries[i] - base;
		tsdb_bitpack_append(&bits, shifted, count, width);
		(void) tsdb_bitpack_finish(&bits);
	}
}

static void
write_block_headers(const TsdbIntegerPlan *plan, TsdbWriter *out)
{
	unsigned	layout = plan->flags & TSDB_INTEGER_LAYOUT_MASK;

	if (layout != TSDB_INTEGER_LAYOUT_EACH)
		tsdb_write_byte(out, plan->blocks[0].width);
	if (layout == TSDB_INTEGER_LAYOUT_SHARED)
		tsdb_write_byte(out, plan->blocks[0].patch_width);
	for (uint32_t k = 0; k < block_count(plan->count); k++)
	{
		const TsdbPackedBlock *block = &plan->blocks[k];

		if (layout == TSDB_INTEGER_LAYOUT_SHARED)
			tsdb_write_byte(out, block->patches);
		else if (layout == TSDB_INTEGER_LAYOUT_EACH && block->patches == 0)
			tsdb_write_byte(out, block->width);
		else if (layout == TSDB_INTEGER_LAYOUT_EACH)
		{
			tsdb_write_byte(out, block->width | TSDB_INTEGER_PATCHED);
			tsdb_write_byte(out, block->patches);
			tsdb_write_byte(out, block->patch_width);
		}
	}
}

/* residuals: slots entries, already less the reference. */
static void
write_block(const TsdbPackedBlock *block, const uint64_t *residuals, uint32_t slots,
			bool is_signed, TsdbWriter *out)
{
	uint8_t    *room = tsdb_write_room(out,
									   tsdb_integer_block_bytes(slots, block->width,
																block->patches,
																block->patch_width));
	TsdbBitWriter bits = {room, 0, 0};

	if (room == NULL)
		return;
	tsdb_bitpack_append(&bits, residuals, slots, block->width);
	if (block->patches > 0)
	{
		uint64_t	positions[BLOCK];
		uint64_t	highs[BLOCK];
		uint64_t	marks[BLOCK];
		uint32_t	found = 0;

		for (uint32_t i = 0; i < slots; i++)
		{
			uint64_t	high = 0;

			if (is_signed)
				high = tsdb_zigzag((int64_t) residuals[i] >>
								   (block->width < 64 ? block->width : 63));
			else if (block->width < 64)
				high = residuals[i] >> block->width;
			marks[i] = high != 0;
			positions[found] = i;
			highs[found] = high;
			found += high != 0;
		}
		if (block->patches * TSDB_INTEGER_POSITION_BITS <= slots)
			tsdb_bitpack_append(&bits, positions, found, TSDB_INTEGER_POSITION_BITS);
		else
			tsdb_bitpack_append(&bits, marks, slots, 1);
		tsdb_bitpack_append(&bits, highs, found, block->patch_width);
	}
	(void) tsdb_bitpack_finish(&bits);
}

static void
write_trivial(const TsdbIntegerPlan *plan, TsdbWriter *out)
{
	if (plan->codec == TSDB_CODEC_STEP)
	{
		tsdb_write_signed(out, (int64_t) plan->offset);
		tsdb_write_signed(out, (int64_t) plan->slope);
	}
	else
	{
		uint8_t		bytes[8];

		tsdb_store64(bytes, plan->offset);
		tsdb_write_bytes(out, bytes, plan->bytes - 1);
	}
}

/* Choose the bins again, as planned, and write all residuals by them. */
static TsdbCodecStatus
write_bins(const uint64_t *x, uint32_t count, unsigned order, uint64_t *residuals,
		   TsdbArena arena, TsdbWriter *out)
{
	TsdbEntropyPlan bins;
	TsdbCodecStatus status;

	(void) make_bin_residuals(x, count, order, residuals);
	status = tsdb_entropy_plan(residuals, count - order, arena, &bins);
	if (status != TSDB_CODEC_OK)
		return status;
	return tsdb_entropy_write(residuals, &bins, arena, out);
}

TsdbCodecStatus
tsdb_integer_write(const int64_t *values, const TsdbIntegerPlan *plan,
				   TsdbArena arena, TsdbWriter *out)
{
	uint32_t	count = plan->count;
	uint32_t	nblocks = block_count(count);
	unsigned	order;
	uint64_t   *x;
	uint64_t   *residuals;

	tsdb_write_byte(out, (uint8_t) plan->codec);
	if (plan->codec == TSDB_CODEC_CONSTANT || plan->codec == TSDB_CODEC_STEP)
	{
		write_trivial(plan, out);
		return TSDB_CODEC_OK;
	}

	x = tsdb_arena_take(&arena, TSDB_VECTOR_ROWS_MAX * sizeof(uint64_t));
	residuals = tsdb_arena_take(&arena, TSDB_VECTOR_ROWS_MAX * sizeof(uint64_t));
	if (x == NULL || residuals == NULL)
		return TSDB_CODEC_INVALID;
	order = order_of(plan->codec);
	tsdb_write_byte(out, plan->flags);
	tsdb_write_signed(out, (int64_t) plan->offset);
	if (plan->multiplier != 1)
		tsdb_write_varint(out, plan->multiplier);
	if (order == 2)
		tsdb_write_signed(out, (int64_t) plan->slope);
	if (order > 0)
		tsdb_write_signed(out, (int64_t) plan->reference);

	/* As planned: relative to the first value, where the division is exact. */
	for (uint32_t i = 0; i < count; i++)
	{
		x[i] = (uint64_t) values[i] - (uint64_t) values[0];
		if (plan->multiplier != 1)
			x[i] = (uint64_t) ((int64_t) x[i] / (int64_t) plan->multiplier);
	}
	if ((plan->flags & TSDB_INTEGER_LAYOUT_MASK) == TSDB_INTEGER_LAYOUT_BINS)
		return write_bins(x, count, order, residuals, arena, out);

	if (order > 0 && nblocks > 1)
		write_list(plan->heads + 1, nblocks - 1, out);
	if (order == 2 && nblocks > 1)
		write_list(plan->slopes + 1, nblocks - 1, out);
	if (plan->flags & TSDB_INTEGER_REFERENCES)
		write_list(plan->block_references, nblocks, out);
	write_block_headers(plan, out);
	make_residuals(x, count, order, residuals);
	for (uint32_t k = 0; k < nblocks; k++)
	{
		uint32_t	slots = block_slots(count, k, order);
		uint64_t	reference = plan->reference + plan->block_references[k];
		uint64_t   *block = residuals + k * BLOCK;

		for (uint32_t i = 0; i < slots; i++)
			block[i] -= reference;
		write_block(&plan->blocks[k], block, slots,
					(plan->flags & TSDB_INTEGER_SIGNED) != 0, out);
	}
	return TSDB_CODEC_OK;
}
