/*
 * integer_decode.c
 *		Reads integer bodies, block by block.
 *
 * The header names every block's size, so a block in the middle is found by
 * adding up and decoded alone: a head (and slope) per block restarts the
 * differences.  All arithmetic is modulo 2^64, which is what makes any 64-bit
 * sequence, wrapping differences included, come back exactly.
 */
#include "codec/integer.h"

#include "codec/bitpack.h"
#include "codec/dispatch.h"
#include "codec/entropy.h"
#include "codec/integer_format.h"
#include "codec/integer_read.h"

#define BLOCK	TSDB_VECTOR_BLOCK_ROWS

static void
read_list(TsdbReader *in, uint32_t entries, uint64_t *out)
{
	uint64_t	base = (uint64_t) tsdb_read_signed(in);
	unsigned	width = tsdb_read_byte(in);
	const uint8_t *packed;

	if (width > 64)
	{
		in->broken = true;
		return;
	}
	packed = tsdb_read_bytes(in, tsdb_bitpack_bytes(entries, width));
	if (packed == NULL)
		return;
	for (uint32_t i = 0; i < entries; i++)
		out[i] = base + tsdb_bitpack_get(packed, in->end, (size_t) i * width, width);
}

static void
read_block_headers(TsdbReader *in, unsigned layout, uint32_t blocks,
				   TsdbPackedBlock *out)
{
	TsdbPackedBlock shared = {0, 0, 0};

	if (layout != TSDB_INTEGER_LAYOUT_EACH)
		shared.width = tsdb_read_byte(in);
	if (layout == TSDB_INTEGER_LAYOUT_SHARED)
		shared.patch_width = tsdb_read_byte(in);
	for (uint32_t k = 0; k < blocks; k++)
	{
		out[k] = shared;
		if (layout == TSDB_INTEGER_LAYOUT_SHARED)
			out[k].patches = tsdb_read_byte(in);
		else if (layout == TSDB_INTEGER_LAYOUT_EACH)
		{
			uint8_t		width = tsdb_read_byte(in);

			out[k].width = width & ~TSDB_INTEGER_PATCHED;
			if (width & TSDB_INTEGER_PATCHED)
			{
				out[k].patches = tsdb_read_byte(in);
				out[k].patch_width = tsdb_read_byte(in);
			}
		}
	}
}

TsdbCodecStatus
tsdb_integer_read_header(TsdbCodecId codec, TsdbReader *in, uint32_t count,
						 TsdbIntegerHeader *header)
{
	uint32_t	blocks = (count + BLOCK - 1) / BLOCK;
	uint8_t		flags = tsdb_read_byte(in);
	unsigned	layout = flags & TSDB_INTEGER_LAYOUT_MASK;

	header->order = codec == TSDB_CODEC_FRAME ? 0 : codec == TSDB_CODEC_DELTA ? 1 : 2;
	header->signed_patches = (flags & TSDB_INTEGER_SIGNED) != 0;
	if ((flags & ~TSDB_INTEGER_FLAGS_MASK) != 0)
		return TSDB_CODEC_CORRUPT;
	header->has_bins = layout == TSDB_INTEGER_LAYOUT_BINS;

	header->offset = (uint64_t) tsdb_read_signed(in);
	header->multiplier = flags & TSDB_INTEGER_MULTIPLIED ? tsdb_read_varint(in) : 1;
	header->slopes[0] = header->order == 2 ? (uint64_t) tsdb_read_signed(in) : 0;
	header->reference = header->order > 0 ? (uint64_t) tsdb_read_signed(in) : 0;
	header->heads[0] = 0;
	if (header->has_bins)
		return in->broken ? TSDB_CODEC_CORRUPT : TSDB_CODEC_OK;
	memset(header->block_references, 0, sizeof(header->block_references));

	if (header->order > 0 && blocks > 1)
	{
		read_list(in, blocks - 1, header->heads + 1);
		if (header->order == 2)
			read_list(in, blocks - 1, header->slopes + 1);
		if (in->broken)
			return TSDB_CODEC_CORRUPT;

		/* Stored is by how much each head misses the one before, led on. */
		for (uint32_t k = 1; k < blocks; k++)
		{
			uint64_t	step = header->reference;

			if (header->order == 2)
			{
				header->slopes[k] += header->slopes[k - 1];
				step = header->slopes[k - 1];
			}
			header->heads[k] += header->heads[k - 1] + step * BLOCK;
		}
	}
	if (flags & TSDB_INTEGER_REFERENCES)
		read_list(in, blocks, header->block_references);
	read_block_headers(in, layout, blocks, header->blocks);
	if (in->broken)
		return TSDB_CODEC_CORRUPT;

	for (uint32_t k = 0; k < blocks; k++)
	{
		const TsdbPackedBlock *block = &header->blocks[k];
		uint32_t	slots = tsdb_integer_block_slots(tsdb_integer_block_rows(count, k), header->order);
		size_t		bytes;

		if (block->width > 64 || block->patch_width > 64 || block->patches > slots)
			return TSDB_CODEC_CORRUPT;
		bytes = tsdb_integer_block_bytes(slots, block->width, block->patches,
										 block->patch_width);
		header->start[k] = tsdb_read_bytes(in, bytes);
	}
	return in->broken || in->at != in->end ? TSDB_CODEC_CORRUPT : TSDB_CODEC_OK;
}

/* One value at a bit position; eight bytes from there are readable, and the
 * width is at most 57. */
static inline uint64_t
peek(const uint8_t *src, size_t bit, uint64_t mask)
{
	return tsdb_load64(src + bit / 8) >> (bit % 8) & mask;
}

/*
 * Unpack patch positions into slots; false if one is not below slots.  A
 * bitmap must have exactly as many bits set as there are patches.
 */
static bool
read_positions(const uint8_t *start, size_t bit, uint32_t slots, uint32_t patches,
			   uint8_t *positions)
{
	uint32_t	found = 0;
	uint8_t		greatest = 0;

	if (patches * TSDB_INTEGER_POSITION_BITS <= slots)
	{
		for (uint32_t i = 0; i < patches; i++, bit += TSDB_INTEGER_POSITION_BITS)
		{
			positions[i] = (uint8_t) peek(start, bit,
										  (1 << TSDB_INTEGER_POSITION_BITS) - 1);
			greatest = positions[i] > greatest ? positions[i] : greatest;
		}
		return greatest < slots;
	}
	for (uint32_t from = 0; from < slots; from += 56, bit += 56)
	{
		uint32_t	some = slots - from < 56 ? slots - from : 56;
		uint64_t	marks = peek(start, bit, ((uint64_t) 1 << some) - 1);

		for (; marks != 0; marks &= marks - 1)
		{
			if (found == patches)
				return false;
			positions[found++] = (uint8_t) (from + (unsigned) __builtin_ctzll(marks));
		}
	}
	return found == patches;
}

/* Add the patches' high parts to the unpacked slots. */
static TSDB_CODEC_CLONES TsdbCodecStatus
apply_patches(const TsdbPackedBlock *block, const uint8_t *start, const uint8_t *end,
			  uint32_t slots, bool signed_patches, uint64_t *residuals)
{
	uint8_t		copy[2 * BLOCK * 8 + BLOCK / 8 + 8];
	uint8_t		positions[BLOCK];
	uint32_t	patches = block->patches;
	unsigned	width = block->patch_width;
	unsigned	shift = block->width;
	size_t		bit = (size_t) slots * block->width;
	size_t		value_bit = bit + tsdb_integer_position_bits(patches, slots);
	size_t		bytes = tsdb_integer_block_bytes(slots, block->width, patches, width);

	/* Loads reach eight bytes on: at the end of the buffer, read from a copy. */
	if ((size_t) (end - start) < bytes + 8)
	{
		memcpy(copy, start, bytes);
		memset(copy + bytes, 0, 8);
		start = copy;
	}
	if (!read_positions(start, bit, slots, patches, positions))
		return TSDB_CODEC_CORRUPT;
	if (shift == 64)
		return TSDB_CODEC_OK;	/* nothing is above the slots */
	if (width > 57)
	{
		for (uint32_t i = 0; i < patches; i++, value_bit += width)
		{
			uint64_t	high = tsdb_bitpack_get(start, start + bytes, value_bit, width);

			if (signed_patches)
				high = (uint64_t) tsdb_unzigzag(high);
			residuals[positions[i]] += high << shift;
		}
	}
	else
	{
		uint64_t	mask = ((uint64_t) 1 << width) - 1;

		if (signed_patches)
			for (uint32_t i = 0; i < patches; i++, value_bit += width)
				residuals[positions[i]] += (uint64_t) tsdb_unzigzag(peek(start, value_bit,
																		 mask)) << shift;
		else
			for (uint32_t i = 0; i < patches; i++, value_bit += width)
				residuals[positions[i]] += peek(start, value_bit, mask) << shift;
	}
	return TSDB_CODEC_OK;
}

/* Four values that are added as one. */
typedef uint64_t Quad __attribute__((vector_size(32)));

/* Undo differences: out[i + 1] = out[i] + residuals[i] + reference. */
static TSDB_CODEC_HOT void
add_up(uint64_t *restrict out, const uint64_t *restrict residuals, uint32_t slots,
	   uint64_t value, uint64_t reference)
{
	*out++ = value;
	for (uint32_t i = 0; i < slots; i++)
		out[i] = value += residuals[i] + reference;
}

/*
 * The same four at a time.  Only the sum of each four is carried on, so that
 * the chain of additions is a quarter as long.
 */
static TSDB_CODEC_CLONES void
add_up_wide(uint64_t *restrict out, const uint64_t *restrict residuals, uint32_t slots,
			uint64_t value, uint64_t reference)
{
	const Quad	zero = {0, 0, 0, 0};
	Quad		values = zero + value;
	uint32_t	i = 0;

	*out++ = value;
	for (; i + 4 <= slots; i += 4)
	{
		Quad		quad;
		Quad		sum;

		memcpy(&quad, residuals + i, sizeof(quad));
		quad += reference;
		quad += __builtin_shufflevector(quad, zero, 4, 0, 1, 2);
		quad += __builtin_shufflevector(quad, zero, 4, 5, 0, 1);
		sum = __builtin_shufflevector(quad, zero, 3, 3, 3, 3);
		quad += values;
		memcpy(out + i, &quad, sizeof(quad));
		values += sum;
	}
	for (value = values[0]; i < slots; i++)
		out[i] = value += residuals[i] + reference;
}

/* Undo differences of differences; the slope leads from the first value on. */
static TSDB_CODEC_HOT void
add_up_twice(uint64_t *restrict out, const uint64_t *restrict residuals, uint32_t slots,
			 uint64_t value, uint64_t slope, uint64_t reference)
{
	*out++ = value;
	*out++ = value += slope;
	for (uint32_t i = 0; i < slots; i++)
	{
		slope += residuals[i] + reference;
		out[i] = value += slope;
	}
}

/* values[i] * multiplier + base, in place, of a whole block. */
static TSDB_CODEC_CLONES void
scale_block(uint64_t *values, uint64_t multiplier, uint64_t base)
{
	if (multiplier == 1)
	{
		if (base != 0)
			for (int i = 0; i < BLOCK; i++)
				values[i] += base;
	}
	else
	{
		for (int i = 0; i < BLOCK; i++)
			values[i] = values[i] * multiplier + base;
	}
}

TsdbCodecStatus
tsdb_integer_decode_block(const TsdbIntegerHeader *header, uint32_t k, uint32_t rows,
						  const uint8_t *end, uint64_t *restrict out)
{
	const TsdbPackedBlock *block = &header->blocks[k];
	uint32_t	slots = tsdb_integer_block_slots(rows, header->order);
	uint64_t	residuals[BLOCK];
	uint64_t   *target = header->order == 0 ? out : residuals;
	uint64_t	reference = header->reference + header->block_references[k];
	uint64_t	base = header->offset;

	tsdb_bitpack_unpack(header->start[k], end, slots, block->width, target);
	if (block->patches > 0)
	{
		TsdbCodecStatus status = apply_patches(block, header->start[k], end, slots,
											   header->signed_patches, target);

		if (status != TSDB_CODEC_OK)
			return status;
	}
	if (header->order == 0)
		base += header->multiplier * header->block_references[k];
	else
	{
		uint64_t	value = header->heads[k];
		uint64_t	slope = header->slopes[k];

		/*
		 * With a multiplier of 1 the offset rides on the head and the scaling
		 * pass disappears.
		 */
		if (header->multiplier == 1)
		{
			value += base;
			base = 0;
		}
		if (header->order == 1 && tsdb_codec_is_wide())
			add_up_wide(out, residuals, slots, value, reference);
		else if (header->order == 1)
			add_up(out, residuals, slots, value, reference);
		else if (rows > 1)
			add_up_twice(out, residuals, slots, value, slope, reference);
		else
			out[0] = value;
		if (header->multiplier != 1)
			for (uint32_t i = rows; i < BLOCK; i++)
				out[i] = 0;
	}
	if (header->order == 0)
		for (uint32_t i = (slots + 7) / 8 * 8; i < BLOCK; i++)
			out[i] = 0;
	scale_block(out, header->multiplier, base);
	return TSDB_CODEC_OK;
}

/*
 * Residuals by bins: all of them up to the wanted rows are read, since bits
 * cannot be entered in the middle.
 */
static TsdbCodecStatus
decode_bins(const TsdbIntegerHeader *header, TsdbReader in, uint32_t count, uint32_t first,
			uint32_t last, uint64_t *out)
{
	TsdbEntropyReader reader;
	uint64_t	residuals[BLOCK];
	uint64_t	rows[BLOCK + 2];
	uint32_t	from = first * BLOCK;
	uint32_t	to = last * BLOCK < count ? last * BLOCK : count;
	uint32_t	row = 0;
	uint64_t	value = 0;
	uint64_t	slope = header->slopes[0];
	TsdbCodecStatus status = TSDB_CODEC_OK;

	if (count > header->order)
		status = tsdb_entropy_open(in, &reader);
	if (status != TSDB_CODEC_OK)
		return status;

	/* rows holds those that the residuals of a round give, old ones first. */
	while (row < to)
	{
		uint32_t	lead = row == 0 ? header->order : 0;
		uint32_t	some = count - row - lead < BLOCK ? count - row - lead : BLOCK;
		uint32_t	start;

		if (count - row < lead)
			return TSDB_CODEC_CORRUPT;
		if (some > 0)
			status = tsdb_entropy_read(&reader, some, residuals);
		if (status != TSDB_CODEC_OK)
			return status;
		if (lead > 0)
			rows[0] = value;
		if (lead > 1)
			rows[1] = value += slope;
		if (header->order == 0)
			memcpy(rows, residuals, some * sizeof(uint64_t));
		else if (header->order == 1)
			for (uint32_t i = 0; i < some; i++)
				rows[lead + i] = value += residuals[i] + header->reference;
		else
			for (uint32_t i = 0; i < some; i++)
			{
				slope += residuals[i] + header->reference;
				rows[lead + i] = value += slope;
			}
		some += lead;
		start = row < from ? from - row : 0;
		if (start < some && row + start < to)
			memcpy(out + (row + start - from), rows + start,
				   ((row + some < to ? some : to - row) - start) * sizeof(uint64_t));
		row += some;
	}
	for (uint32_t i = to; i < last * BLOCK; i++)
		out[i - from] = 0;
	for (uint32_t k = first; k < last; k++)
		scale_block(out + (k - first) * BLOCK, header->multiplier, header->offset);
	return TSDB_CODEC_OK;
}

/* value, value + step, ... */
static TSDB_CODEC_CLONES void
fill_steps(uint64_t *out, uint32_t count, uint64_t value, uint64_t step)
{
	for (uint32_t i = 0; i < count; i++)
		out[i] = value + step * i;
}

static TsdbCodecStatus
decode_step(TsdbReader in, uint32_t first, uint32_t last, int64_t *out)
{
	uint64_t	offset = (uint64_t) tsdb_read_signed(&in);
	uint64_t	step = (uint64_t) tsdb_read_signed(&in);

	if (in.broken || in.at != in.end)
		return TSDB_CODEC_CORRUPT;
	fill_steps((uint64_t *) out, (last - first) * BLOCK, offset + step * first * BLOCK,
			   step);
	return TSDB_CODEC_OK;
}

static TsdbCodecStatus
decode_constant(TsdbReader in, uint32_t first, uint32_t last, int64_t *out)
{
	size_t		bytes = tsdb_reader_left(&in);
	uint64_t	value;

	if (bytes > 8)
		return TSDB_CODEC_CORRUPT;
	value = tsdb_load_bytes(in.at, (unsigned) bytes);
	if (bytes > 0 && bytes < 8 && in.at[bytes - 1] >= 0x80)
		value |= ~(uint64_t) 0 << (8 * bytes);
	fill_steps((uint64_t *) out, (last - first) * BLOCK, value, 0);
	return TSDB_CODEC_OK;
}

TsdbCodecStatus
tsdb_integer_decode(TsdbCodecId codec, TsdbReader in, uint32_t count,
					uint32_t first, uint32_t last, int64_t *out)
{
	TsdbIntegerHeader header;
	TsdbCodecStatus status;

	switch (codec)
	{
		case TSDB_CODEC_CONSTANT:
			return decode_constant(in, first, last, out);
		case TSDB_CODEC_STEP:
			return decode_step(in, first, last, out);
		case TSDB_CODEC_FRAME:
		case TSDB_CODEC_DELTA:
		case TSDB_CODEC_DELTA2:
			break;
		default:
			return TSDB_CODEC_CORRUPT;
	}
	status = tsdb_integer_read_header(codec, &in, count, &header);
	if (status == TSDB_CODEC_OK && header.has_bins)
		return decode_bins(&header, in, count, first, last, (uint64_t *) out);
	for (uint32_t k = first; k < last && status == TSDB_CODEC_OK; k++)
		status = tsdb_integer_decode_block(&header, k, tsdb_integer_block_rows(count, k),
										   in.end,
										   (uint64_t *) out + (size_t) (k - first) * BLOCK);
	return status;
}
