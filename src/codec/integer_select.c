/*
 * integer_select.c
 *		Compares the values of integer bodies, by the block where that is enough.
 *
 * A block without patches says between which numbers its residuals lie: all
 * that fits its width.  From these follow bounds of its values, unless some
 * step of the way overflows.  A block whose bounds lie inside of the wanted
 * range, or outside, is not decoded.  In DELTA bodies the bounds widen with
 * each row, but counters and timestamps still tell most blocks apart.
 */
#include "codec/integer_select.h"

#include "codec/dispatch.h"
#include "codec/integer_read.h"

#define BLOCK	TSDB_VECTOR_BLOCK_ROWS

/* Numbers from low to high. */
typedef struct Bounds
{
	int64_t		low;
	int64_t		high;
} Bounds;

static TSDB_CODEC_CLONES void
compare_integers(const uint64_t *values, uint32_t count, int64_t low, int64_t high,
				 uint8_t *marks)
{
	for (uint32_t i = 0; i < count; i++)
		marks[i] = ((int64_t) values[i] >= low) & ((int64_t) values[i] <= high);
}

void
tsdb_compare_block(TsdbKind kind, const uint64_t *values, uint32_t count,
				   const TsdbKeys *keys, uint64_t *bits)
{
	uint8_t		marks[BLOCK] = {0};

	if (tsdb_kind_is_float(kind))
		for (uint32_t i = 0; i < count; i++)
			marks[i] = tsdb_keys_hold(keys, tsdb_key_of(kind, values[i]));
	else
		compare_integers(values, count, keys->low, keys->high, marks);

	/* Eight marks of a byte each become the highest byte of a product. */
	for (uint32_t word = 0; word < TSDB_BLOCK_WORDS; word++)
	{
		bits[word] = 0;
		for (uint32_t byte = 0; byte < 8; byte++)
			bits[word] |= (tsdb_load64(marks + word * 64 + byte * 8) *
						   UINT64_C(0x0102040810204080) >> 56) << (8 * byte);
	}
}

/* bounds + [low, high], false on overflow; the same times a number of at least 0. */
static bool
add_bounds(Bounds *bounds, int64_t low, int64_t high)
{
	return !__builtin_add_overflow(bounds->low, low, &bounds->low) &&
		!__builtin_add_overflow(bounds->high, high, &bounds->high);
}

static bool
multiply_bounds(Bounds *bounds, uint64_t factor)
{
	return factor <= INT64_MAX &&
		!__builtin_mul_overflow(bounds->low, (int64_t) factor, &bounds->low) &&
		!__builtin_mul_overflow(bounds->high, (int64_t) factor, &bounds->high);
}

/* Between which numbers the values of a block lie; false if that is not known. */
static bool
block_bounds(const TsdbIntegerHeader *header, uint32_t k, uint32_t rows, TsdbKind kind,
			 Bounds *bounds)
{
	unsigned	width = header->blocks[k].width;
	unsigned	kind_bits = 8 * tsdb_kind_width(kind);
	int64_t		most = (int64_t) (UINT64_MAX >> (65 - kind_bits));

	if (header->blocks[k].patches > 0 || width > 62 || header->order > 1)
		return false;
	*bounds = (Bounds) {0, (int64_t) (((uint64_t) 1 << width) - 1)};
	if (!add_bounds(bounds, (int64_t) header->block_references[k],
					(int64_t) header->block_references[k]))
		return false;
	if (header->order == 1)
	{
		if (!add_bounds(bounds, (int64_t) header->reference, (int64_t) header->reference))
			return false;

		/* From one to rows - 1 steps, or none. */
		bounds->low = bounds->low < 0 ? bounds->low : 0;
		bounds->high = bounds->high > 0 ? bounds->high : 0;
		if (!multiply_bounds(bounds, rows - 1) ||
			!add_bounds(bounds, (int64_t) header->heads[k], (int64_t) header->heads[k]))
			return false;
	}
	return multiply_bounds(bounds, header->multiplier) &&
		add_bounds(bounds, (int64_t) header->offset, (int64_t) header->offset) &&
		bounds->low >= -most - 1 && bounds->high <= most;
}

static void
set_block(uint64_t *bits, uint64_t word)
{
	for (uint32_t i = 0; i < TSDB_BLOCK_WORDS; i++)
		bits[i] = word;
}

/* What is left of a value in its kind. */
static uint64_t
narrow(TsdbKind kind, uint64_t value)
{
	unsigned	shift = 64 - 8 * tsdb_kind_width(kind);

	return (uint64_t) ((int64_t) (value << shift) >> shift);
}

TsdbCodecStatus
tsdb_integer_select(TsdbKind kind, TsdbCodecId codec, TsdbReader in, uint32_t count,
					uint32_t first, uint32_t last, const TsdbKeys *keys, uint64_t *bits)
{
	bool		has_blocks = codec == TSDB_CODEC_FRAME || codec == TSDB_CODEC_DELTA ||
		codec == TSDB_CODEC_DELTA2;
	TsdbIntegerHeader header;
	TsdbReader	rest = in;

	if (has_blocks)
	{
		TsdbCodecStatus status = tsdb_integer_read_header(codec, &rest, count, &header);

		if (status != TSDB_CODEC_OK)
			return status;
		has_blocks = !header.has_bins;
	}
	for (uint32_t k = first; k < last; k++, bits += TSDB_BLOCK_WORDS)
	{
		uint64_t	values[BLOCK];
		uint32_t	rows = tsdb_integer_block_rows(count, k);
		TsdbCodecStatus status;
		Bounds		bounds;

		if (has_blocks && block_bounds(&header, k, rows, kind, &bounds))
		{
			if (bounds.low > keys->high || bounds.high < keys->low)
			{
				set_block(bits, 0);
				continue;
			}
			if (bounds.low >= keys->low && bounds.high <= keys->high)
			{
				set_block(bits, ~(uint64_t) 0);
				continue;
			}
		}
		status = has_blocks ? tsdb_integer_decode_block(&header, k, rows, rest.end, values) :
			tsdb_integer_decode(codec, in, count, k, k + 1, (int64_t *) values);
		if (status != TSDB_CODEC_OK)
			return status;
		for (uint32_t i = 0; i < rows && kind != TSDB_KIND_INT8; i++)
			values[i] = narrow(kind, values[i]);
		tsdb_compare_block(kind, values, rows, keys, bits);
	}
	return TSDB_CODEC_OK;
}
