/*
 * integer.c
 *		Plans integer bodies.
 *
 * Three predictions are weighed: every value alone (FRAME), its difference
 * from the one before (DELTA), and the difference of differences (DELTA2), which is left out
 * where a look at the values says that it is mostly the larger one.
 * What a prediction misses by, the residual, is stored less a reference in a
 * fixed number of bits per block; the few residuals outside of that window
 * are patched with the bits that are missing.
 *
 * Planning is by arithmetic only.  A sorted sample of at most 64 residuals
 * tells where most of them lie and so roughly what each prediction costs; for
 * those that can win, a histogram of bit lengths per block gives the exact
 * size of every choice.  Only bins, at level cold, are written to find out
 * how long they are.
 */
#include "codec/integer.h"

#include <math.h>

#include "codec/bitpack.h"
#include "codec/divisor.h"
#include "codec/entropy.h"
#include "codec/integer_format.h"
#include "codec/integer_residual.h"
#include "codec/integer_width.h"

#define BLOCK				TSDB_VECTOR_BLOCK_ROWS
#define SAMPLE_ERROR_BITS	0.75

/* The greatest number that divides every difference from the first value. */
static uint64_t
common_multiplier(const int64_t *values, uint32_t count)
{
	uint64_t	divisor = 0;

	for (uint32_t i = 1; i < count && divisor != 1; i++)
	{
		int64_t		difference = (int64_t) ((uint64_t) values[i] - (uint64_t) values[0]);
		uint64_t	size = (uint64_t) difference;

		if (difference < 0)
			size = 0 - size;

		if (divisor == 0 || size % divisor != 0)
			divisor = tsdb_greatest_divisor(size, divisor);
	}
	return divisor == 0 ? 1 : divisor;
}

size_t
tsdb_integer_plan_list(const uint64_t *entries, uint32_t count, uint64_t *base,
					   unsigned *width)
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
	uint32_t	nblocks = tsdb_integer_blocks(count);
	unsigned	order = tsdb_integer_order(plan->codec);
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
	bytes = tsdb_integer_plan_list(plan->heads + 1, nblocks - 1, &base, &width);
	if (order == 2)
		bytes += tsdb_integer_plan_list(plan->slopes + 1, nblocks - 1, &base, &width);
	return bytes;
}

/* Bytes of the fields before block headers, codec id included. */
static size_t
field_bytes(const TsdbIntegerPlan *plan)
{
	unsigned	order = tsdb_integer_order(plan->codec);
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
	TsdbLengths lengths[TSDB_INTEGER_BLOCKS_MAX];
	TsdbPackedBlock own[TSDB_INTEGER_BLOCKS_MAX];
	TsdbIntegerPlan plan = *common;
	unsigned	order = tsdb_integer_order(codec);
	uint32_t	nblocks = tsdb_integer_blocks(count);
	uint8_t		layout = TSDB_INTEGER_LAYOUT_PLAIN;
	size_t		shared;
	size_t		each;

	for (uint32_t k = 0; k < nblocks; k++)
		tsdb_integer_count_lengths(residuals + k * BLOCK,
								   tsdb_integer_slots(count, k, order), reference,
								   is_signed, &lengths[k]);
	plan.codec = codec;
	plan.reference = reference;
	shared = tsdb_integer_plan_shared(lengths, count, order, is_signed, plan.blocks,
									  &layout);
	each = tsdb_integer_plan_each(lengths, count, order, is_signed, own);
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
	TsdbLengths lengths[TSDB_INTEGER_BLOCKS_MAX];
	TsdbIntegerPlan plan = *common;
	uint32_t	nblocks = tsdb_integer_blocks(count);
	uint64_t	base;
	unsigned	width;

	for (uint32_t k = 0; k < nblocks; k++)
	{
		uint32_t	slots = tsdb_integer_slots(count, k, 0);
		int64_t		low = INT64_MAX;

		for (uint32_t i = 0; i < slots; i++)
		{
			int64_t		value = (int64_t) residuals[k * BLOCK + i];

			low = value < low ? value : low;
		}
		plan.block_references[k] = (uint64_t) low;
		tsdb_integer_count_lengths(residuals + k * BLOCK, slots, (uint64_t) low, false,
								   &lengths[k]);
	}
	plan.codec = TSDB_CODEC_FRAME;
	plan.flags |= TSDB_INTEGER_REFERENCES | TSDB_INTEGER_LAYOUT_EACH;
	plan.bytes = field_bytes(&plan) +
		tsdb_integer_plan_list(plan.block_references, nblocks, &base, &width) +
		tsdb_integer_plan_each(lengths, count, 0, false, plan.blocks);
	if (plan.bytes < best->bytes)
		*best = plan;
}

static const TsdbCodecId predictions[3] = {
	TSDB_CODEC_FRAME, TSDB_CODEC_DELTA, TSDB_CODEC_DELTA2
};

/*
 * Weigh bins under each prediction whose window is not far worse than the best;
 * what wins is written to know its size.
 */
static TsdbCodecStatus
try_bins(const uint64_t *x, uint32_t count, const TsdbWindow *windows,
		 const TsdbIntegerPlan *common, TsdbArena arena, TsdbIntegerPlan *best)
{
	uint64_t   *residuals = tsdb_arena_rows(&arena, sizeof(uint64_t));
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
		low = tsdb_integer_all_residuals(x, count, order, residuals);

		status = tsdb_entropy_plan(residuals, count - order, arena, &bins);
		if (status != TSDB_CODEC_OK)
			return status;
		if (bins.bits < least)
		{
			least = bins.bits;
			chosen = bins;
			plan.codec = predictions[order];
			plan.reference = low + bins.base;
		}
	}
	if (least > (double) best->bytes * 8)
		return TSDB_CODEC_OK;

	plan.flags |= TSDB_INTEGER_LAYOUT_BINS;
	plan.slope = x[1] - x[0];
	if (plan.codec == TSDB_CODEC_FRAME)
		plan.offset += plan.multiplier * plan.reference;
	(void) tsdb_integer_all_residuals(x, count, tsdb_integer_order(plan.codec),
									  residuals);
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
	uint64_t   *x = tsdb_arena_rows(&arena, sizeof(uint64_t));
	uint64_t   *residuals = tsdb_arena_rows(&arena, sizeof(uint64_t));
	TsdbIntegerPlan common;
	TsdbWindow		windows[3];
	double		least = 1e9;
	int			predictions_weighed = 3;

	if (residuals == NULL)
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
	tsdb_integer_relative(values, count, common.multiplier, x);

	if (level == TSDB_LEVEL_FAST && tsdb_integer_is_rough(x, count))
		predictions_weighed = 2;
	for (int p = 0; p < predictions_weighed; p++)
	{
		windows[p] = tsdb_integer_window(x, count, (unsigned) p);
		if (windows[p].bits < least)
			least = windows[p].bits;
	}

	plan->bytes = SIZE_MAX;
	for (int p = 0; p < predictions_weighed; p++)
	{
		int64_t		low;
		TsdbIntegerPlan mine = common;

		/* A sample errs by less than this. */
		if (windows[p].bits > least + SAMPLE_ERROR_BITS && level != TSDB_LEVEL_TRIED)
			continue;
		mine.slope = p == 2 ? x[1] - x[0] : 0;
		tsdb_integer_residuals(x, count, (unsigned) p, residuals);
		low = tsdb_integer_least(residuals, count, (unsigned) p);
		if (windows[p].low <= low || level == TSDB_LEVEL_TRIED ||
			windows[p].bits + 2 * SAMPLE_ERROR_BITS >
			tsdb_bit_length((uint64_t) windows[p].high - (uint64_t) low))
			try_reference(x, residuals, count, predictions[p], (uint64_t) low, false,
						  &mine, plan);
		if (windows[p].low > low)
			try_reference(x, residuals, count, predictions[p],
						  (uint64_t) windows[p].low, true, &mine, plan);
		if (p == 0 && count > BLOCK)
			try_block_references(residuals, count, &mine, plan);
	}
	return level == TSDB_LEVEL_COLD ? try_bins(x, count, windows, &common, arena,
												plan) : TSDB_CODEC_OK;
}
