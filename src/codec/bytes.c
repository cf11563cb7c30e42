/*
 * bytes.c
 *		Writes bodies of byte values: dictionary, front coded, zstd, or as is.
 *
 * A dictionary is taken where values repeat.  Its entries, or the values
 * themselves, are front coded where neighbours begin alike, and go through zstd
 * when they are many; what is shortest is kept.  zstd's one-shot functions are
 * used; what they allocate is freed before they return.
 */
#include "codec/bytes.h"

#include <zstd.h>

#include "codec/front.h"
#include "codec/integer.h"
#include "codec/number.h"

#define HASH_SLOTS		2048	/* at least twice the values, a power of two */
#define ZSTD_FAST_LEVEL	3
#define ZSTD_COLD_LEVEL	12
#define ZSTD_BYTES_MIN	64		/* shorter data is not worth a frame */
#define CONSTANT_BYTES	256		/* a longer one is worth a frame, as an only entry */
#define FRONT_SHARE		4		/* a prefix's part of the bytes that is worth trying */
#define HEAD_BYTES_MAX	(2 * TSDB_NUMBER_BYTES_MAX + 32)

/* The distinct values of a vector. */
typedef struct Entries
{
	int64_t		codes[TSDB_VECTOR_ROWS_MAX];	/* entry of each value */
	uint32_t	lengths[TSDB_VECTOR_ROWS_MAX];	/* of each entry */
	uint32_t	starts[TSDB_VECTOR_ROWS_MAX];
	uint64_t	hashes[TSDB_VECTOR_ROWS_MAX];
	uint16_t	slots[HASH_SLOTS];	/* entry plus one, 0 if free */
	uint32_t	count;
	size_t		bytes;
} Entries;

size_t
tsdb_bytes_scratch(size_t data_bytes)
{
	return sizeof(Entries) + 6 * TSDB_VECTOR_ROWS_MAX * sizeof(uint64_t) +
		4 * data_bytes + 4 * HEAD_BYTES_MAX + TSDB_NUMBER_SCRATCH + 256;
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
write_integers(const int64_t *numbers, uint32_t count, TsdbCodecLevel level,
			   TsdbArena arena, TsdbWriter *out)
{
	return tsdb_number_encode_section(TSDB_KIND_INT8, (const uint64_t *) numbers, count, level,
									  arena, out);
}

/*
 * Compress into frame.  Returns the frame's size, or 0 if it would not be
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

/* Buffers that texts are tried in; each has room for all values. */
typedef struct Workshop
{
	uint8_t    *joined;
	uint8_t    *frame;
	int64_t    *prefixes;
	int64_t    *lengths;
	uint8_t    *head;
} Workshop;

/*
 * Texts as they are going to be stored: their lengths, as sections in a head,
 * and their bytes, both in buffers of their own.
 */
typedef struct Coded
{
	uint8_t		form;
	uint8_t    *head;
	size_t		head_bytes;
	uint8_t    *tail;
	size_t		tail_bytes;
} Coded;

static bool
take_coded(TsdbArena *arena, size_t bytes, Coded *coded)
{
	coded->head = tsdb_arena_take(arena, HEAD_BYTES_MAX);
	coded->tail = tsdb_arena_take(arena, bytes);
	coded->head_bytes = 0;
	coded->tail_bytes = SIZE_MAX / 2;
	return coded->tail != NULL;
}

static size_t
coded_bytes(const Coded *coded)
{
	return coded->head_bytes + coded->tail_bytes;
}

/* Squeeze what has been joined, write its lengths, keep both if that is shorter. */
static TsdbCodecStatus
judge(const TsdbByteValues *texts, uint8_t form, size_t joined_bytes, bool fixed,
	  TsdbCodecLevel level, const Workshop *work, TsdbArena arena, Coded *best)
{
	TsdbWriter	head = tsdb_writer(work->head, HEAD_BYTES_MAX);
	size_t		tail_bytes = squeeze(work->joined, joined_bytes, level, work->frame);
	const uint8_t *tail = tail_bytes > 0 ? work->frame : work->joined;
	size_t		head_bytes;
	TsdbCodecStatus status = TSDB_CODEC_OK;

	if (tail_bytes > 0)
		form |= TSDB_BYTES_SQUEEZED;
	else
		tail_bytes = joined_bytes;
	if (form & TSDB_BYTES_FRONT)
		status = write_integers(work->prefixes, texts->count, level, arena, &head);
	if (status == TSDB_CODEC_OK && !fixed)
		status = write_integers(work->lengths, texts->count, level, arena, &head);
	if (status != TSDB_CODEC_OK)
		return status;
	head_bytes = (size_t) (head.at - work->head);
	if (head_bytes + tail_bytes >= coded_bytes(best))
		return TSDB_CODEC_OK;
	best->form = form;
	best->head_bytes = head_bytes;
	best->tail_bytes = tail_bytes;
	memcpy(best->head, work->head, head_bytes);
	if (tail_bytes > 0)
		memcpy(best->tail, tail, tail_bytes);
	return TSDB_CODEC_OK;
}

/* The shortest form of texts: as they are or front coded, squeezed or not. */
static TsdbCodecStatus
code_texts(const TsdbByteValues *texts, bool fixed, TsdbCodecLevel level,
		   const Workshop *work, TsdbArena arena, Coded *best)
{
	size_t		suffix_bytes;
	size_t		at = 0;
	TsdbCodecStatus status;

	for (uint32_t i = 0; i < texts->count; i++)
	{
		uint32_t	length = texts->lengths[i];

		if (length > 0)
			memcpy(work->joined + at, texts->data + texts->starts[i], length);
		work->lengths[i] = length;
		at += length;
	}
	status = judge(texts, 0, at, fixed, level, work, arena, best);
	if (status != TSDB_CODEC_OK)
		return status;
	suffix_bytes = tsdb_front_split(texts, work->prefixes, work->lengths, work->joined);
	if (suffix_bytes > texts->bytes - texts->bytes / FRONT_SHARE)
		return TSDB_CODEC_OK;
	return judge(texts, TSDB_BYTES_FRONT, suffix_bytes, fixed, level, work, arena, best);
}

static void
write_coded(const Coded *coded, TsdbWriter *out)
{
	tsdb_write_bytes(out, coded->head, coded->head_bytes);
	tsdb_write_bytes(out, coded->tail, coded->tail_bytes);
}

TsdbCodecStatus
tsdb_bytes_encode(const TsdbByteValues *values, bool fixed, TsdbCodecLevel level,
				  TsdbArena arena, TsdbWriter *out)
{
	Entries    *entries = tsdb_arena_take(&arena, sizeof(Entries));
	uint8_t    *codes = tsdb_arena_take(&arena, HEAD_BYTES_MAX);
	TsdbWriter	codes_out;
	Workshop	work;
	Coded		dictionary;
	Coded		whole;
	bool		repeats;
	TsdbCodecStatus status;

	work.prefixes = tsdb_arena_rows(&arena, sizeof(int64_t));
	work.lengths = tsdb_arena_rows(&arena, sizeof(int64_t));
	work.head = tsdb_arena_take(&arena, HEAD_BYTES_MAX);
	work.joined = tsdb_arena_take(&arena, values->bytes);
	work.frame = tsdb_arena_take(&arena, values->bytes);
	if (!take_coded(&arena, values->bytes, &dictionary) ||
		!take_coded(&arena, values->bytes, &whole))
		return TSDB_CODEC_INVALID;
	find_entries(values, entries);
	if (entries->count == 1 && entries->bytes < CONSTANT_BYTES)
	{
		tsdb_write_byte(out, TSDB_CODEC_CONSTANT);
		tsdb_write_bytes(out, values->data + values->starts[0], values->lengths[0]);
		return TSDB_CODEC_OK;
	}

	codes_out = tsdb_writer(codes, HEAD_BYTES_MAX);
	repeats = entries->count <= values->count - values->count / 4 || entries->count == 1;
	if (repeats)
	{
		TsdbByteValues texts = {values->data, entries->starts, entries->lengths,
		entries->count, entries->bytes};

		tsdb_write_byte(&codes_out, TSDB_CODEC_DICTIONARY);
		tsdb_write_varint(&codes_out, entries->count);
		status = write_integers(entries->codes, values->count, level, arena, &codes_out);
		if (status == TSDB_CODEC_OK)
			status = code_texts(&texts, fixed, level, &work, arena, &dictionary);
		if (status != TSDB_CODEC_OK)
			return status;
		tsdb_write_byte(&codes_out, dictionary.form);
	}

	/* Few entries: zstd over the whole would find no more. */
	if (!repeats || entries->count > values->count / 16)
	{
		status = code_texts(values, fixed, level, &work, arena, &whole);
		if (status != TSDB_CODEC_OK)
			return status;
	}
	if (repeats && (size_t) (codes_out.at - codes) + coded_bytes(&dictionary) <=
		coded_bytes(&whole) + 2)
	{
		tsdb_write_bytes(out, codes, (size_t) (codes_out.at - codes));
		write_coded(&dictionary, out);
		return TSDB_CODEC_OK;
	}
	if (whole.form & TSDB_BYTES_FRONT)
	{
		tsdb_write_byte(out, TSDB_CODEC_FRONT);
		tsdb_write_byte(out, whole.form);
	}
	else
		tsdb_write_byte(out, whole.form & TSDB_BYTES_SQUEEZED ? TSDB_CODEC_ZSTD :
						TSDB_CODEC_RAW);
	write_coded(&whole, out);
	return TSDB_CODEC_OK;
}
