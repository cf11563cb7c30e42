/*
 * bytes_decode.c
 *		Reads bodies of byte values.
 *
 * Lengths are read and summed before any value is, and compared with the size
 * that the header promised, so that no copy can leave the caller's buffer.
 */
#include "codec/bytes.h"

#include <zstd.h>

#include "codec/number.h"

#define BLOCK	TSDB_VECTOR_BLOCK_ROWS

/* Read a section of lengths; false if it is corrupt or does not sum to at
 * most limit.  *sum is the sum. */
static TsdbCodecStatus
read_lengths(TsdbReader *in, uint32_t width, uint32_t count, size_t limit,
			 TsdbArena arena, uint64_t *lengths, size_t *sum)
{
	TsdbCodecStatus status = TSDB_CODEC_OK;

	if (width > 0)
	{
		for (uint32_t i = 0; i < count; i++)
			lengths[i] = width;
	}
	else
	{
		TsdbReader	section = tsdb_read_section(in);

		if (in->broken)
			return TSDB_CODEC_CORRUPT;
		status = tsdb_number_decode(TSDB_KIND_INT8, section, count, 0,
									(count + BLOCK - 1) / BLOCK, 0, arena, lengths);
		if (status != TSDB_CODEC_OK)
			return status;
	}
	*sum = 0;
	for (uint32_t i = 0; i < count; i++)
	{
		if (lengths[i] > limit - *sum)
			return TSDB_CODEC_CORRUPT;
		*sum += (size_t) lengths[i];
	}
	return TSDB_CODEC_OK;
}

/* Inflate a frame that must hold exactly so many bytes. */
static TsdbCodecStatus
inflate_frame(TsdbReader in, uint8_t *dst, size_t bytes)
{
	size_t		size = ZSTD_decompress(dst, bytes, in.at, tsdb_reader_left(&in));

	return ZSTD_isError(size) || size != bytes ? TSDB_CODEC_CORRUPT : TSDB_CODEC_OK;
}

static TsdbCodecStatus
decode_constant(TsdbReader in, uint32_t width, uint32_t total, size_t raw_bytes,
				uint32_t count, uint32_t *lengths, uint8_t *data)
{
	size_t		length = tsdb_reader_left(&in);

	if (length > UINT32_MAX || raw_bytes / total != length || raw_bytes % total != 0 ||
		(width > 0 && width != length))
		return TSDB_CODEC_CORRUPT;
	for (uint32_t i = 0; i < count; i++)
	{
		lengths[i] = (uint32_t) length;
		if (length > 0)
			memcpy(data + i * length, in.at, length);
	}
	return TSDB_CODEC_OK;
}

static TsdbCodecStatus
decode_whole(TsdbReader in, bool squeezed, uint32_t width, uint32_t total,
			 size_t raw_bytes, uint32_t first, uint32_t count, TsdbArena arena,
			 uint32_t *lengths, uint8_t *data)
{
	uint64_t   *all = tsdb_arena_rows(&arena, sizeof(uint64_t));
	size_t		sum;
	size_t		skipped = 0;
	size_t		wanted = 0;
	TsdbCodecStatus status;

	if (all == NULL)
		return TSDB_CODEC_INVALID;
	status = read_lengths(&in, width, total, raw_bytes, arena, all, &sum);
	if (status != TSDB_CODEC_OK)
		return status;
	if (sum != raw_bytes || (!squeezed && tsdb_reader_left(&in) != sum))
		return TSDB_CODEC_CORRUPT;

	for (uint32_t i = 0; i < first; i++)
		skipped += (size_t) all[i];
	for (uint32_t i = 0; i < count; i++)
	{
		lengths[i] = (uint32_t) all[first + i];
		wanted += (size_t) all[first + i];
	}
	if (squeezed && wanted == sum)
		return inflate_frame(in, data, sum);
	if (squeezed)
	{
		uint8_t    *inflated = tsdb_arena_take(&arena, sum);

		if (inflated == NULL)
			return TSDB_CODEC_INVALID;
		status = inflate_frame(in, inflated, sum);
		if (status != TSDB_CODEC_OK)
			return status;
		in = tsdb_reader(inflated, sum);
	}
	if (wanted > 0)
		memcpy(data, in.at + skipped, wanted);
	return TSDB_CODEC_OK;
}

static TsdbCodecStatus
decode_dictionary(TsdbReader in, uint32_t width, uint32_t total, size_t raw_bytes,
				  uint32_t first, uint32_t count, TsdbArena arena,
				  uint32_t *lengths, uint8_t *data)
{
	uint64_t   *entry_lengths = tsdb_arena_rows(&arena, sizeof(uint64_t));
	uint64_t   *starts = tsdb_arena_rows(&arena, sizeof(uint64_t));
	uint64_t   *codes = tsdb_arena_rows(&arena, sizeof(uint64_t));
	uint64_t	entries = tsdb_read_varint(&in);
	TsdbReader	section = tsdb_read_section(&in);
	uint8_t		squeezed = tsdb_read_byte(&in);
	uint32_t	first_block = first / BLOCK;
	uint32_t	last_block = (first + count + BLOCK - 1) / BLOCK;
	size_t		sum;
	size_t		at = 0;
	TsdbCodecStatus status;

	if (codes == NULL)
		return TSDB_CODEC_INVALID;
	if (in.broken || entries == 0 || entries > total || squeezed > 1)
		return TSDB_CODEC_CORRUPT;
	status = tsdb_number_decode(TSDB_KIND_INT8, section, total, first_block, last_block,
								0, arena, codes);
	if (status == TSDB_CODEC_OK)
		status = read_lengths(&in, width, (uint32_t) entries, raw_bytes, arena,
							  entry_lengths, &sum);
	if (status != TSDB_CODEC_OK)
		return status;
	if (squeezed)
	{
		uint8_t    *inflated = tsdb_arena_take(&arena, sum);

		if (inflated == NULL)
			return TSDB_CODEC_INVALID;
		status = inflate_frame(in, inflated, sum);
		if (status != TSDB_CODEC_OK)
			return status;
		in = tsdb_reader(inflated, sum);
	}
	else if (tsdb_reader_left(&in) != sum)
		return TSDB_CODEC_CORRUPT;

	for (uint64_t e = 0; e < entries; e++)
	{
		starts[e] = at;
		at += (size_t) entry_lengths[e];
	}
	at = 0;
	for (uint32_t i = 0; i < count; i++)
	{
		uint64_t	code = codes[first - first_block * BLOCK + i];
		size_t		length;

		if (code >= entries)
			return TSDB_CODEC_CORRUPT;
		length = (size_t) entry_lengths[code];
		if (length > raw_bytes - at)
			return TSDB_CODEC_CORRUPT;
		if (length > 0)
			memcpy(data + at, in.at + starts[code], length);
		lengths[i] = (uint32_t) length;
		at += length;
	}
	return count == total && at != raw_bytes ? TSDB_CODEC_CORRUPT : TSDB_CODEC_OK;
}

TsdbCodecStatus
tsdb_bytes_decode(TsdbReader in, uint32_t width, uint32_t total, size_t raw_bytes,
				  uint32_t first, uint32_t count, TsdbArena arena,
				  uint32_t *lengths, uint8_t *data)
{
	uint8_t		codec = tsdb_read_byte(&in);

	if (in.broken || total == 0)
		return TSDB_CODEC_CORRUPT;
	switch (codec)
	{
		case TSDB_CODEC_CONSTANT:
			return decode_constant(in, width, total, raw_bytes, count, lengths, data);
		case TSDB_CODEC_RAW:
		case TSDB_CODEC_ZSTD:
			return decode_whole(in, codec == TSDB_CODEC_ZSTD, width, total, raw_bytes,
								first, count, arena, lengths, data);
		case TSDB_CODEC_DICTIONARY:
			return decode_dictionary(in, width, total, raw_bytes, first, count, arena,
									 lengths, data);
		default:
			return TSDB_CODEC_CORRUPT;
	}
}
