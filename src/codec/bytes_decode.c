/*
 * bytes_decode.c
 *		Reads bodies of byte values.
 *
 * Lengths are read and summed before any value is, and compared with the size
 * that the header promised, so that no copy can leave the caller's buffer.
 */
#include "codec/bytes.h"

#include <zstd.h>

#include "codec/front.h"
#include "codec/number.h"

#define BLOCK	TSDB_VECTOR_BLOCK_ROWS

/* Values or entries as they are stored, with their lengths read. */
typedef struct Texts
{
	uint64_t   *lengths;		/* of suffixes, if there are prefixes */
	uint64_t   *prefixes;		/* NULL unless front coded */
	const uint8_t *bytes;
	size_t		stored;			/* sum of lengths: how many bytes there are */
	size_t		sum;			/* of all texts themselves */
} Texts;

/* Inflate a frame that must hold exactly so many bytes. */
static TsdbCodecStatus
inflate_frame(TsdbReader in, uint8_t *dst, size_t bytes)
{
	size_t		size = ZSTD_decompress(dst, bytes, in.at, tsdb_reader_left(&in));

	return ZSTD_isError(size) || size != bytes ? TSDB_CODEC_CORRUPT : TSDB_CODEC_OK;
}

/* A section of count numbers. */
static TsdbCodecStatus
read_numbers(TsdbReader *in, uint32_t count, TsdbArena arena, uint64_t *out)
{
	TsdbReader	section = tsdb_read_section(in);

	return in->broken ? TSDB_CODEC_CORRUPT :
		tsdb_number_decode(TSDB_KIND_INT8, section, count, 0, (count + BLOCK - 1) / BLOCK,
						   0, arena, out);
}

/*
 * Read prefixes and lengths of count texts of a form; together they must not
 * be longer than limit.  width is the length of each text, or 0.
 */
static TsdbCodecStatus
read_lengths(TsdbReader *in, uint8_t form, uint32_t width, uint32_t count, size_t limit,
			 TsdbArena *arena, Texts *texts)
{
	TsdbCodecStatus status = TSDB_CODEC_OK;

	*texts = (Texts) {tsdb_arena_rows(arena, sizeof(uint64_t)), NULL, NULL, 0, 0};
	if (form & TSDB_BYTES_FRONT)
	{
		texts->prefixes = tsdb_arena_rows(arena, sizeof(uint64_t));
		if (texts->prefixes == NULL)
			return TSDB_CODEC_INVALID;
		status = read_numbers(in, count, *arena, texts->prefixes);
	}
	else if (texts->lengths == NULL)
		return TSDB_CODEC_INVALID;
	if (status == TSDB_CODEC_OK && width == 0)
		status = read_numbers(in, count, *arena, texts->lengths);
	if (status != TSDB_CODEC_OK)
		return status;
	for (uint32_t i = 0; i < count; i++)
	{
		uint64_t	prefix = texts->prefixes == NULL ? 0 : texts->prefixes[i];

		if (width > 0)
		{
			if (prefix > width)
				return TSDB_CODEC_CORRUPT;
			texts->lengths[i] = width - prefix;
		}
		if (prefix > limit - texts->sum || texts->lengths[i] > limit - texts->sum - prefix)
			return TSDB_CODEC_CORRUPT;
		texts->stored += (size_t) texts->lengths[i];
		texts->sum += (size_t) (texts->lengths[i] + prefix);
	}
	return TSDB_CODEC_OK;
}

/*
 * The bytes of texts whose lengths have been read: all that is left.  A frame
 * is inflated to room, or to the arena if that is NULL.
 */
static TsdbCodecStatus
read_bytes(const TsdbReader *in, uint8_t form, uint8_t *room, TsdbArena *arena, Texts *texts)
{
	texts->bytes = in->at;
	if ((form & TSDB_BYTES_SQUEEZED) == 0)
		return tsdb_reader_left(in) == texts->stored ? TSDB_CODEC_OK : TSDB_CODEC_CORRUPT;
	if (room == NULL)
		room = tsdb_arena_take(arena, texts->stored);
	if (room == NULL)
		return TSDB_CODEC_INVALID;
	texts->bytes = room;
	return inflate_frame(*in, room, texts->stored);
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
decode_whole(TsdbReader in, uint8_t form, uint32_t width, uint32_t total,
			 size_t raw_bytes, uint32_t first, uint32_t count, TsdbArena arena,
			 uint32_t *lengths, uint8_t *data)
{
	Texts		texts;
	bool		direct = count == total && (form & TSDB_BYTES_FRONT) == 0;
	size_t		skipped = 0;
	size_t		wanted = 0;
	TsdbCodecStatus status = read_lengths(&in, form, width, total, raw_bytes, &arena, &texts);

	if (status == TSDB_CODEC_OK && texts.sum != raw_bytes)
		status = TSDB_CODEC_CORRUPT;
	if (status == TSDB_CODEC_OK)
		status = read_bytes(&in, form, direct ? data : NULL, &arena, &texts);
	if (status != TSDB_CODEC_OK)
		return status;
	if (form & TSDB_BYTES_FRONT)
	{
		uint8_t    *carry = tsdb_arena_take(&arena, raw_bytes);

		return carry == NULL ? TSDB_CODEC_INVALID :
			tsdb_front_join(texts.prefixes, texts.lengths, texts.bytes, first, count, carry,
							lengths, data);
	}

	for (uint32_t i = 0; i < first; i++)
		skipped += (size_t) texts.lengths[i];
	for (uint32_t i = 0; i < count; i++)
	{
		lengths[i] = (uint32_t) texts.lengths[first + i];
		wanted += (size_t) texts.lengths[first + i];
	}
	if (wanted > 0 && texts.bytes != data)
		memcpy(data, texts.bytes + skipped, wanted);
	return TSDB_CODEC_OK;
}

/* Where the entries of a dictionary lie. */
typedef struct Entries
{
	const uint8_t *bytes;
	size_t		starts[TSDB_VECTOR_ROWS_MAX];
	uint32_t	lengths[TSDB_VECTOR_ROWS_MAX];
} Entries;

static TsdbCodecStatus
read_entries(TsdbReader in, uint8_t form, uint32_t width, uint32_t count, size_t raw_bytes,
			 TsdbArena *arena, Entries *entries)
{
	Texts		texts;
	size_t		at = 0;
	TsdbCodecStatus status = read_lengths(&in, form, width, count, raw_bytes, arena, &texts);

	if (status == TSDB_CODEC_OK)
		status = read_bytes(&in, form, NULL, arena, &texts);
	if (status != TSDB_CODEC_OK)
		return status;
	entries->bytes = texts.bytes;
	for (uint32_t e = 0; e < count; e++)
		entries->lengths[e] = (uint32_t) texts.lengths[e];
	if (form & TSDB_BYTES_FRONT)
	{
		uint8_t    *carry = tsdb_arena_take(arena, texts.sum);
		uint8_t    *joined = tsdb_arena_take(arena, texts.sum);

		if (joined == NULL)
			return TSDB_CODEC_INVALID;
		status = tsdb_front_join(texts.prefixes, texts.lengths, texts.bytes, 0, count, carry,
								 entries->lengths, joined);
		entries->bytes = joined;
	}
	for (uint32_t e = 0; e < count; e++)
	{
		entries->starts[e] = at;
		at += entries->lengths[e];
	}
	return status;
}

static TsdbCodecStatus
decode_dictionary(TsdbReader in, uint32_t width, uint32_t total, size_t raw_bytes,
				  uint32_t first, uint32_t count, TsdbArena arena,
				  uint32_t *lengths, uint8_t *data)
{
	Entries    *entries = tsdb_arena_take(&arena, sizeof(Entries));
	uint64_t   *codes = tsdb_arena_rows(&arena, sizeof(uint64_t));
	uint64_t	nentries = tsdb_read_varint(&in);
	TsdbReader	section = tsdb_read_section(&in);
	uint8_t		form = tsdb_read_byte(&in);
	uint32_t	first_block = first / BLOCK;
	uint32_t	last_block = (first + count + BLOCK - 1) / BLOCK;
	size_t		at = 0;
	TsdbCodecStatus status;

	if (codes == NULL)
		return TSDB_CODEC_INVALID;
	if (in.broken || nentries == 0 || nentries > total ||
		form > (TSDB_BYTES_SQUEEZED | TSDB_BYTES_FRONT))
		return TSDB_CODEC_CORRUPT;
	status = tsdb_number_decode(TSDB_KIND_INT8, section, total, first_block, last_block,
								0, arena, codes);
	if (status == TSDB_CODEC_OK)
		status = read_entries(in, form, width, (uint32_t) nentries, raw_bytes, &arena, entries);
	if (status != TSDB_CODEC_OK)
		return status;

	for (uint32_t i = 0; i < count; i++)
	{
		uint64_t	code = codes[first - first_block * BLOCK + i];
		size_t		length;

		if (code >= nentries)
			return TSDB_CODEC_CORRUPT;
		length = entries->lengths[code];
		if (length > raw_bytes - at)
			return TSDB_CODEC_CORRUPT;
		if (length > 0)
			memcpy(data + at, entries->bytes + entries->starts[code], length);
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
	uint8_t		form;

	if (in.broken || total == 0)
		return TSDB_CODEC_CORRUPT;
	switch (codec)
	{
		case TSDB_CODEC_CONSTANT:
			return decode_constant(in, width, total, raw_bytes, count, lengths, data);
		case TSDB_CODEC_RAW:
		case TSDB_CODEC_ZSTD:
			form = codec == TSDB_CODEC_ZSTD ? TSDB_BYTES_SQUEEZED : 0;
			return decode_whole(in, form, width, total, raw_bytes, first, count, arena,
								lengths, data);
		case TSDB_CODEC_FRONT:
			form = tsdb_read_byte(&in);
			if (in.broken || (form & ~TSDB_BYTES_SQUEEZED) != TSDB_BYTES_FRONT)
				return TSDB_CODEC_CORRUPT;
			return decode_whole(in, form, width, total, raw_bytes, first, count, arena,
								lengths, data);
		case TSDB_CODEC_DICTIONARY:
			return decode_dictionary(in, width, total, raw_bytes, first, count, arena,
									 lengths, data);
		default:
			return TSDB_CODEC_CORRUPT;
	}
}
