/*
 * integer_write.c
 *		Writes integer bodies as planned.
 */
#include "codec/integer.h"

#include "codec/bitpack.h"
#include "codec/entropy.h"
#include "codec/integer_format.h"
#include "codec/integer_residual.h"

#define BLOCK	TSDB_VECTOR_BLOCK_ROWS

static void
write_list(const uint64_t *entries, uint32_t count, TsdbWriter *out)
{
	uint64_t	base;
	unsigned	width;
	uint8_t    *room;

	(void) tsdb_integer_plan_list(entries, count, &base, &width);
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
	for (uint32_t k = 0; k < tsdb_integer_blocks(plan->count); k++)
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

	(void) tsdb_integer_all_residuals(x, count, order, residuals);
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
	uint32_t	nblocks = tsdb_integer_blocks(count);
	unsigned	order;
	uint64_t   *x;
	uint64_t   *residuals;

	tsdb_write_byte(out, (uint8_t) plan->codec);
	if (plan->codec == TSDB_CODEC_CONSTANT || plan->codec == TSDB_CODEC_STEP)
	{
		write_trivial(plan, out);
		return TSDB_CODEC_OK;
	}

	x = tsdb_arena_rows(&arena, sizeof(uint64_t));
	residuals = tsdb_arena_rows(&arena, sizeof(uint64_t));
	if (x == NULL || residuals == NULL)
		return TSDB_CODEC_INVALID;
	order = tsdb_integer_order(plan->codec);
	tsdb_write_byte(out, plan->flags);
	tsdb_write_signed(out, (int64_t) plan->offset);
	if (plan->multiplier != 1)
		tsdb_write_varint(out, plan->multiplier);
	if (order == 2)
		tsdb_write_signed(out, (int64_t) plan->slope);
	if (order > 0)
		tsdb_write_signed(out, (int64_t) plan->reference);

	/* As planned: relative to the first value, where the division is exact. */
	tsdb_integer_relative(values, count, plan->multiplier, x);
	if ((plan->flags & TSDB_INTEGER_LAYOUT_MASK) == TSDB_INTEGER_LAYOUT_BINS)
		return write_bins(x, count, order, residuals, arena, out);

	if (order > 0 && nblocks > 1)
		write_list(plan->heads + 1, nblocks - 1, out);
	if (order == 2 && nblocks > 1)
		write_list(plan->slopes + 1, nblocks - 1, out);
	if (plan->flags & TSDB_INTEGER_REFERENCES)
		write_list(plan->block_references, nblocks, out);
	write_block_headers(plan, out);
	tsdb_integer_residuals(x, count, order, residuals);
	for (uint32_t k = 0; k < nblocks; k++)
	{
		uint32_t	slots = tsdb_integer_slots(count, k, order);
		uint64_t	reference = plan->reference + plan->block_references[k];
		uint64_t   *block = residuals + k * BLOCK;

		tsdb_integer_subtract(block, slots, reference);
		write_block(&plan->blocks[k], block, slots,
					(plan->flags & TSDB_INTEGER_SIGNED) != 0, out);
	}
	return TSDB_CODEC_OK;
}
