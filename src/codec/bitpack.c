/*
 * bitpack.c
 *		Packing and unpacking of fixed-width unsigned integers.
 *
 * Unpacking is the hottest loop of the library.  It is written once, as an
 * inlined function of the width, and instantiated by a switch for every width
 * so that all shifts, masks and byte offsets are constants.  Eight values
 * start on a byte boundary again, so the loop body is the same for each group.
 * Loads are of eight bytes and may reach past the last packed byte: the last
 * bytes of a buffer are therefore unpacked from a padded copy.
 */
#include "codec/bitpack.h"

#include <string.h>

#include "codec/codec.h"
#include "codec/dispatch.h"
#include "codec/wire.h"

#define GROUP	8				/* values that take a whole number of bytes */
#define SLACK	8				/* bytes that a load may reach past the group */

void
tsdb_bitpack_append(TsdbBitWriter *out, const uint64_t *values, size_t count,
					unsigned width)
{
	uint64_t	mask = width == 64 ? ~(uint64_t) 0 : ((uint64_t) 1 << width) - 1;
	uint64_t	pending = out->pending;
	unsigned	fill = out->fill;
	uint8_t    *at = out->at;

	if (width == 0)
		return;
	if (width <= 8 && fill == 0)
	{
		/* A group is a word; what it has too many is overwritten by the next one. */
		for (; count >= 2 * GROUP && (count / GROUP - 1) * width >= 8;
			 count -= GROUP, values += GROUP, at += width)
		{
			uint64_t	low = (values[0] & mask) | (values[1] & mask) << width |
				(values[2] & mask) << 2 * width | (values[3] & mask) << 3 * width;
			uint64_t	high = (values[4] & mask) | (values[5] & mask) << width |
				(values[6] & mask) << 2 * width | (values[7] & mask) << 3 * width;

			tsdb_store64(at, low | high << 4 * width);
		}
	}
	for (size_t i = 0; i < count; i++)
	{
		uint64_t	value = values[i] & mask;

		pending |= value << fill;
		fill += width;
		if (fill >= 64)
		{
			tsdb_store64(at, pending);
			at += 8;
			fill -= 64;
			pending = fill == 0 ? 0 : value >> (width - fill);
		}
	}
	while (fill >= 8)
	{
		*at++ = (uint8_t) pending;
		pending >>= 8;
		fill -= 8;
	}
	out->pending = pending;
	out->fill = fill;
	out->at = at;
}

uint8_t *
tsdb_bitpack_finish(TsdbBitWriter *out)
{
	if (out->fill > 0)
		*out->at++ = (uint8_t) out->pending;
	out->pending = 0;
	out->fill = 0;
	return out->at;
}

uint64_t
tsdb_bitpack_get(const uint8_t *src, const uint8_t *end, size_t bit, unsigned width)
{
	const uint8_t *at = src + bit / 8;
	unsigned	shift = bit % 8;
	size_t		left = (size_t) (end - at);
	uint64_t	value;

	if (width == 0)
		return 0;
	value = (left >= 8 ? tsdb_load64(at) : tsdb_load_bytes(at, (unsigned) left)) >> shift;
	if (shift + width > 64)
		value |= (uint64_t) at[8] << (64 - shift);
	return width == 64 ? value : value & (((uint64_t) 1 << width) - 1);
}

/* One value of a group; j and width are constants where this is inlined. */
static inline __attribute__((always_inline)) uint64_t
group_value(const uint8_t *src, unsigned j, unsigned width, uint64_t mask)
{
	unsigned	bit = j * width;
	unsigned	shift = bit % 8;
	uint64_t	value = tsdb_load64(src + bit / 8) >> shift;

	if (shift + width > 64)
		value |= (uint64_t) src[bit / 8 + 8] << (64 - shift);
	return value & mask;
}

static inline __attribute__((always_inline)) void
unpack_groups(const uint8_t *restrict src, size_t groups, unsigned width,
			  uint64_t *restrict out)
{
	const uint64_t mask = width == 64 ? ~(uint64_t) 0 : ((uint64_t) 1 << width) - 1;

	for (size_t g = 0; g < groups; g++, src += width, out += GROUP)
	{
		if (width <= 8)
		{
			uint64_t	word = tsdb_load64(src);

			for (unsigned j = 0; j < GROUP; j++)
				out[j] = (word >> (j * width)) & mask;
		}
		else if (width <= 15)
		{
			uint64_t	low = tsdb_load64(src);
			uint64_t	high = tsdb_load64(src + width / 2) >> (width % 2 * 4);

			for (unsigned j = 0; j < GROUP / 2; j++)
			{
				out[j] = (low >> (j * width)) & mask;
				out[j + GROUP / 2] = (high >> (j * width)) & mask;
			}
		}
		else
		{
			out[0] = group_value(src, 0, width, mask);
			out[1] = group_value(src, 1, width, mask);
			out[2] = group_value(src, 2, width, mask);
			out[3] = group_value(src, 3, width, mask);
			out[4] = group_value(src, 4, width, mask);
			out[5] = group_value(src, 5, width, mask);
			out[6] = group_value(src, 6, width, mask);
			out[7] = group_value(src, 7, width, mask);
		}
	}
}

#define CASE(w) case w: unpack_groups(src, groups, w, out); break;
#define CASES(w) CASE(w) CASE(w + 1) CASE(w + 2) CASE(w + 3) \
	CASE(w + 4) CASE(w + 5) CASE(w + 6) CASE(w + 7)

static TSDB_CODEC_HOT void
unpack_switch(const uint8_t *restrict src, size_t groups, unsigned width,
			  uint64_t *restrict out)
{
	switch (width)
	{
		CASES(1) CASES(9) CASES(17) CASES(25) CASES(33) CASES(41) CASES(49) CASES(57)
		default:
			memset(out, 0, groups * GROUP * sizeof(uint64_t));
			break;
	}
}

void
tsdb_bitpack_unpack(const uint8_t *src, const uint8_t *end, size_t count,
					unsigned width, uint64_t *out)
{
	size_t		groups = (count + GROUP - 1) / GROUP;
	size_t		bytes = tsdb_bitpack_bytes(count, width);

	if ((size_t) (end - src) >= groups * width + SLACK)
		unpack_switch(src, groups, width, out);
	else
	{
		uint8_t		copy[TSDB_VECTOR_BLOCK_ROWS * 8 + SLACK];

		memcpy(copy, src, bytes);
		memset(copy + bytes, 0, groups * width + SLACK - bytes);
		unpack_switch(copy, groups, width, out);
	}
}
