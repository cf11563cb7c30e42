/*
 * bytes.c
 *		Writes bodies of byte values: dictionary, zstd, or as is.
 *
 * A dictionary is taken where values repeat; its entries go through zstd when
 * they are many.  zstd's one-shot functions are used; what they allocate is
 * freed before they return.
 */
#include "codec/bytes.h"

#include <zstd.h>

#include "codec/integer.h"
#include "codec/number.h"

#define HASH_SLOTS		2048	/* at least twice the values, a power of two */
#define ZSTD_FAST_LEVEL	3
#define ZSTD_COLD_LEVEL	12
#define ZSTD_BYTES_MIN	64		/* shorter data is not worth a frame */

/* The distinct values of a vector. */
typedef struct Entries
{
	int64_t		codes[TSDB_VECTOR_ROWS_MAX];	/* entry of each value */
	int64_t		lengths[TSDB_VECTOR_ROWS_MAX];	/* of each entry */
	uint32_t	starts[TSDB_VECTOR_ROWS_MAX];
	uint64_t	hashes[TSDB_VECTOR_ROWS_MAX];
	uint16_t	slots[HASH_SLOTS];	/* entry plus one, 0 if free */
	uint32_t	count;
	size_t		bytes;
} Entries;

size_t
tsdb_bytes_scratch(size_t data_bytes)
{
	return sizeof(Entries) + 4 * TSDB_VECTOR_ROWS_MAX * sizeof(uint64_t) +
		2 * data_bytes + TSDB_NUMBER_SCRATCH + 256;
}

static uint64_t
hash_bytes(const uint8_t *data, uint32_t length)
{
	uint64_t	hash = length * UINT64_C(0x9e3779b97f4a7c15);

	for (; length >= 8; data += 8, length -= 8)
	{
		hash = (hash ^ tsdb_load64(data)) * UINT64_C(0xd6e8feb86659fd93);
		hash ^= hash >> 32;
	}
	hash = (hash ^ tsdb_load_bytes(data, length)) * UINT64_C(0xd6e8feb86659fd93);
	return hash ^ hash >> 32;
}

static void
find_entries(const TsdbByteValues *values, Entries *entries)
{
	memset(entries->slots, 0, sizeof(entries->slots));
	entries->count = 0;
	entries->bytes = 0;
	for (uint32_t i = 0; i < values->count; i++)
	{
		const uint8_t *value = values->data + values->starts[i];
		uint32_t	length = values->lengths[i];
		uint64_t	hash = hash_bytes(value, length);
		uint32_t	slot = (uint32_t) hash & (HASH_SLOTS - 1);
		uint32_t	entry;

		for (;; slot = (slot + 1) & (HASH_SLOTS - 1))
		{
			if (entries->slots[slot] == 0)
			{
				entry = entries->count++;
				entries->slots[slot] = (uint16_t) entries->count;
				entries->hashes[entry] = hash;
				entries->starts[entry] = values->starts[i];
				entries->lengths[entry] = length;
				entries->bytes += length;
				break;
			}
			entry = entries->slots[slot] - 1u;
			if (entries->hashes[entry] == hash && entries->lengths[entry] == length &&
				(length == 0 ||
				 memcmp(values->data + entries->starts[entry], value, length) == 0))
				break;
		}
		entries->codes[i] = entry;
	}
}

/* An integer body as a section. */
static TsdbCodecStatus
write_section(const int64_t *numbers, uint32_t count, TsdbArena arena, TsdbWriter *out)
{
	uint8_t    *body = tsdb_arena_take(&arena, TSDB_NUMBER_BYTES_MAX);
	TsdbWriter	inner;
	TsdbCodecStatus status;

	if (body == NULL)
		return TSDB_CODEC_INVALID;
	inner = tsdb_writer(body, TSDB_NUMBER_BYTES_MAX);
	status = tsdb_number_encode(TSDB_KIND_INT8, (const uint64_t *) numbers, count, 0,
								arena, &inner);
	if (status != TSDB_CODEC_OK || inner.full)
		return status != TSDB_CODEC_OK ? status : TSDB_CODEC_INVALID;
	tsdb_write_varint(out, (uint64_t) (inner.at - body));
	tsdb_write_bytes(out, body, (size_t) (inner.at - body));
	return TSDB_CODEC_OK;
}

/*
 * Compress into scratch.  Returns the frame's size, or 0 if it would not be
 * smaller than the data itself.
 */
static size_t
squeeze(const uint8_t *data, size_t bytes, TsdbCodecLevel level, uint8_t *frame)
{
	size_t		size;

	if (bytes < ZSTD_BYTES_MIN)
		return 0;
	size = ZSTD_compress(frame, bytes - 1, data, bytes,
						 level == TSDB_LEVEL_COLD ? ZSTD_COLD_LEVEL : ZSTD_FAST_LEVEL);
	return ZSTD_isError(size) ? 0 : size;
}

static TsdbCodecStatus
write_dictionary(const Entries *entries, uint32_t count, bool fixed, const uint8_t *joined,
				 const uint8_t *frame, size_t frame_bytes, TsdbArena arena,
				 TsdbWriter *out)
{
	TsdbCodecStatus status;

	tsdb_write_byte(out, TSDB_CODEC_DICTIONARY);
	tsdb_write_varint(out, entries->count);
	status = write_section(entries->codes, count, arena, out);
	tsdb_write_byte(out, frame_bytes > 0);
	if (status == TSDB_CODEC_OK && !fixed)
		status = write_section(entries->lengths, entries->count, arena, out);
	if (frame_bytes > 0)
		tsdb_write_bytes(out, frame, frame_bytes);
	else
		tsdb_write_bytes(out, joined, entries->bytes);
	return status;
}

static TsdbCodecStatus
write_whole(const TsdbByteValues *values, bool fixed, const uint8_t *joined,
			const uint8_t *frame, size_t frame_bytes, TsdbArena arena, TsdbWriter *out)
{
	TsdbCodecStatus status = TSDB_CODEC_OK;

	tsdb_write_byte(out, frame_bytes > 0 ? TSDB_CODEC_ZSTD : TSDB_CODEC_RAW);
	if (!fixed)
	{
		int64_t    *lengths = tsdb_arena_take(&arena, TSDB_VECTOR_ROWS_MAX * sizeof(int64_t));

		if (lengths == NULL)
			return TSDB_CODEC_INVALID;
		for (uint32_t i = 0; i < values->count; i++)
			lengths[i] = values->lengths[i];
		status = write_section(lengths, values->count, arena, out);
	}
	if (frame_bytes > 0)
		tsdb_write_bytes(out, frame, frame_bytes);
	else
		tsdb_write_bytes(out, joined, values->bytes);
	return status;
}

TsdbCodecStatus
tsdb_bytes_encode(const TsdbByteValues *values, bool fixed, TsdbCodecLevel level,
				  TsdbArena arena, TsdbWriter *out)
{
	Entries    *entries = tsdb_arena_take(&arena, sizeof(Entries));
	uint8_t    *joined = tsdb_arena_take(&arena, values->bytes);
	uint8_t    *frame = tsdb_arena_take(&arena, values->bytes);
	TsdbWriter	start = *out;
	TsdbWriter	dictionary;
	TsdbCodecStatus status;
	size_t		frame_bytes;
	size_t		at = 0;

	if (entries == NULL || joined == NULL || frame == NULL)
		return TSDB_CODEC_INVALID;
	find_entries(values, entries);
	if (entries->count == 1)
	{
		tsdb_write_byte(out, TSDB_CODEC_CONSTANT);
		tsdb_write_bytes(out, values->data + values->starts[0], values->lengths[0]);
		return TSDB_CODEC_OK;
	}

	dictionary = start;
	dictionary.full = true;
	if (entries->count <= values->count - values->count / 4)
	{
		for (uint32_t i = 0; i < entries->count; i++)
		{
			if (entries->lengths[i] > 0)
				memcpy(joined + at, values->data + entries->starts[i],
					   (size_t) entries->lengths[i]);
			at += (size_t) entries->lengths[i];
		}
		frame_bytes = squeeze(joined, at, level, frame);
		dictionary = start;
		status = write_dictionary(entries, values->count, fixed, joined, frame,
								  frame_bytes, arena, &dictionary);
		if (status != TSDB_CODEC_OK)
			return status;

		/* Few entries: zstd over the whole would find no more. */
		if (!dictionary.full && entries->count <= values->count / 16)
		{
			*out = dictionary;
			return TSDB_CODEC_OK;
		}
	}

	at = 0;
	for (uint32_t i = 0; i < values->count; i++)
	{
		if (values->lengths[i] > 0)
			memcpy(joined + at, values->data + values->starts[i], values->lengths[i]);
		at += values->lengths[i];
	}
	frame_bytes = squeeze(joined, at, level, frame);
	if (!dictionary.full)
	{
		size_t		whole = frame_bytes > 0 ? frame_bytes : values->bytes;

		/* The lengths cost something too: an estimate settles what is close. */
		if ((size_t) (dictionary.at - start.at) <= whole + (fixed ? 0 : values->count / 4))
		{
			*out = dictionary;
			return TSDB_CODEC_OK;
		}
	}
	return write_whole(values, fixed, joined, frame, frame_bytes, arena, out);
}
