/*
 * integer_format.h
 *		What the planner, writer and reader of integer bodies share.
 *
 *		flags			byte
 *		offset			signed varint
 *		multiplier		varint, if flagged
 *		slope			signed varint, DELTA2
 *		reference		signed varint, DELTA and DELTA2
 *		heads			list of blocks - 1 entries, DELTA and DELTA2
 *		slopes			list of blocks - 1 entries, DELTA2
 *		references		list of blocks entries, if flagged
 *		block headers	by layout
 *		blocks
 *
 *		In the layout of bins there are neither heads, slopes nor references:
 *		all residuals follow as entropy.h has them.
 *
 *		list:  base signed varint, width byte, entries packed
 *		block: count slots of width bits, patch positions (7 bits each, or a
 *			   bitmap of count bits where that is shorter), patch values of
 *			   patch width bits; padded to a byte
 */
#ifndef TSDB_CODEC_INTEGER_FORMAT_H
#define TSDB_CODEC_INTEGER_FORMAT_H

#include <stddef.h>
#include <stdint.h>

/* Layouts of block headers: the low two bits of flags. */
#define TSDB_INTEGER_LAYOUT_MASK	0x03
#define TSDB_INTEGER_LAYOUT_PLAIN	0	/* one width, no patches */
#define TSDB_INTEGER_LAYOUT_SHARED	1	/* one width and patch width, counts */
#define TSDB_INTEGER_LAYOUT_EACH	2	/* each block its own */
#define TSDB_INTEGER_LAYOUT_BINS	3	/* no blocks: bins and an entropy coder */
#define TSDB_INTEGER_SIGNED			0x04	/* patch values are zigzag */
#define TSDB_INTEGER_MULTIPLIED		0x08
#define TSDB_INTEGER_REFERENCES		0x10
#define TSDB_INTEGER_FLAGS_MASK		0x1f

/* In a block header of its own: the block has patches. */
#define TSDB_INTEGER_PATCHED		0x80

#define TSDB_INTEGER_POSITION_BITS	7

/* Bits that say which of count slots are patched. */
static inline size_t
tsdb_integer_position_bits(size_t patches, size_t count)
{
	size_t		listed = patches * TSDB_INTEGER_POSITION_BITS;

	return listed <= count ? listed : count;
}

/* Bytes of a block. */
static inline size_t
tsdb_integer_block_bytes(size_t count, unsigned width, size_t patches,
						 unsigned patch_width)
{
	size_t		bits = count * width;

	if (patches > 0)
		bits += tsdb_integer_position_bits(patches, count) + patches * patch_width;
	return (bits + 7) / 8;
}

#endif							/* TSDB_CODEC_INTEGER_FORMAT_H */
