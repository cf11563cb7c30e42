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
#define HEAD_BYTES_MAX	(2 * TSDB_NUMBER_BYTES_MAX + 32)

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
		3 * data_bytes + 2 * HEAD_BYTES_MAX + TSDB_NUMBER_SCRATCH + 256;
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
write_section(const int64_t *numbers, uint32_t count, TsdbCodecLevel level,
			  TsdbArena arena, TsdbWriter *out)
{
	uint8_t    *body = tsdb_arena_take(&arena, TSDB_NUMBER_BYTES_MAX);
	TsdbWriter	inner;
	TsdbCodecStatus status;

	if (body == NULL)
		return TSDB_CODEC_INVALID;
	inner = tsdb_writer(body, TSDB_NUMBER_BYTES_MAX);
	status = tsdb_number_encode(TSDB_KIND_INT8, (const uint64_t *) numbers, count,
								level, 0, arena, &inner);
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

/*
 * A body in two parts: a head in a scratch buffer of its own, and the bytes of
 * values or entries, as they are or as a frame.
 */
typedef struct Body
{
	uint8_t    *head;
	size_t		head_bytes;
	const uint8_t *tail;
	size_t		tail_bytes;
} Body;

static size_t
body_bytes(const Body *body)
{
	return body->head_bytes + body->tail_bytes;
}

/* Join the pieces in order; returns their total size. */
static size_t
join(const TsdbByteValues *values, const uint32_t *starts, const int64_t *lengths,
	 uint32_t count, uint8_t *joined)
{
	size_t		at = 0;

	for (uint32_t i = 0; i < count; i++)
	{
		if (lengths[i] > 0)
			memcpy(joined + at, values->data + starts[i], (size_t) lengths[i]);
		at += (size_t) lengths[i];
	}
	return at;
}

static void
set_tail(Body *body, const uint8_t *joined, size_t bytes, const uint8_t *frame,
		 size_t frame_bytes)
{
	body->tail = frame_bytes > 0 ? frame : joined;
	body->tail_bytes = frame_bytes > 0 ? frame_bytes : bytes;
}

static TsdbCodecStatus
make_dictionary(const TsdbByteValues *values, const Entries *entries, bool fixed,
				TsdbCodecLevel level, uint8_t *joined, uint8_t *frame, TsdbArena arena,
				Body *body)
{
	TsdbWriter	head = tsdb_writer(body->head, HEAD_BYTES_MAX);
	size_t		bytes = join(values, entries->starts, entries->lengths, entries->count,
							 joined);
	size_t		frame_bytes = squeeze(joined, bytes, level, frame);
	TsdbCodecStatus status;

	set_tail(body, joined, bytes, frame, frame_bytes);
	tsdb_write_byte(&head, TSDB_CODEC_DICTIONARY);
	tsdb_write_varint(&head, entries->count);
	status = write_section(entries->codes, values->count, level, arena, &head);
	tsdb_write_byte(&head, frame_bytes > 0);
	if (status == TSDB_CODEC_OK && !fixed)
		status = write_section(entries->lengths, entries->count, level, arena, &head);
	body->head_bytes = (size_t) (head.at - body->head);
	return status;
}

static TsdbCodecStatus
make_whole(const TsdbByteValues *values, bool fixed, TsdbCodecLevel level,
		   uint8_t *joined, uint8_t *frame, TsdbArena arena, Body *body)
{
	TsdbWriter	head = tsdb_writer(body->head, HEAD_BYTES_MAX);
	int64_t    *lengths = tsdb_arena_rows(&arena, sizeof(int64_t));
	size_t		frame_bytes;
	TsdbCodecStatus status = TSDB_CODEC_OK;

	if (lengths == NULL)
		return TSDB_CODEC_INVALID;
	for (uint32_t i = 0; i < values->count; i++)
		lengths[i] = values->lengths[i];
	(void) join(values, values->starts, lengths, values->count, joined);
	frame_bytes = squeeze(joined, values->bytes, level, frame);
	set_tail(body, joined, values->bytes, frame, frame_bytes);
	tsdb_write_byte(&head, frame_bytes > 0 ? TSDB_CODEC_ZSTD : TSDB_CODEC_RAW);
	if (!fixed)
		status = write_section(lengths, values->count, level, arena, &head);
	body->head_bytes = (size_t) (head.at - body->head);
	return status;
}

static void
write_body(const Body *body, TsdbWriter *out)
{
	tsdb_write_bytes(out, body->head, body->head_bytes);
	tsdb_write_bytes(out, body->tail, body->tail_bytes);
}

TsdbCodecStatus
tsdb_bytes_encode(const TsdbByteValues *values, bool fixed, TsdbCodecLevel level,
				  TsdbArena arena, TsdbWriter *out)
{
	Entries    *entries = tsdb_arena_take(&arena, sizeof(Entries));
	uint8_t    *joined = tsdb_arena_take(&arena, values->bytes);
	uint8_t    *frame = tsdb_arena_take(&arena, values->bytes);
	uint8_t    *entry_frame = tsdb_arena_take(&arena, values->bytes);
	Body		dictionary = {0};
	Body		whole = {0};
	bool		repeats;
	TsdbCodecStatus status;

	dictionary.head = tsdb_arena_take(&arena, HEAD_BYTES_MAX);
	whole.head = tsdb_arena_take(&arena, HEAD_BYTES_MAX);
	if (entries == NULL || joined == NULL || frame == NULL || entry_frame == NULL ||
		dictionary.head == NULL || whole.head == NULL)
		return TSDB_CODEC_INVALID;
	find_entries(values, entries);
	if (entries->count == 1)
	{
		tsdb_write_byte(out, TSDB_CODEC_CONSTANT);
		tsdb_write_bytes(out, values->data + values->starts[0], values->lengths[0]);
		return TSDB_CODEC_OK;
	}

	repeats = entries->count <= values->count - values->count / 4;
	if (repeats)
	{
		status = make_dictionary(values, entries, fixed, level, joined, entry_frame,
								 arena, &dictionary);
		if (status != TSDB_CODEC_OK)
			return status;

		/* Few entries: zstd over the whole would find no more. */
		if (entries->count <= values->count / 16)
		{
			write_body(&dictionary, out);
			return TSDB_CODEC_OK;
		}
	}
	status = make_whole(values, fixed, level, joined, frame, arena, &whole);
	if (status != TSDB_CODEC_OK)
		return status;
	if (!repeats || body_bytes(&whole) < body_bytes(&dictionary))
		write_body(&whole, out);
	else
	{
		/* joined now holds all values; entries are joined once more. */
		(void) join(values, entries->starts, entries->lengths, entries->count, joined);
		write_body(&dictionary, out);
	}
	return TSDB_CODEC_OK;
}
