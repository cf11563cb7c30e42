/*
 * front.c
 *		Splits texts into shared prefixes and suffixes, and joins them.
 */
#include "codec/front.h"

#include <string.h>

#define BLOCK	TSDB_VECTOR_BLOCK_ROWS

/* Bytes that two texts begin with alike. */
static uint32_t
shared_prefix(const uint8_t *a, uint32_t a_bytes, const uint8_t *b, uint32_t b_bytes)
{
	uint32_t	most = a_bytes < b_bytes ? a_bytes : b_bytes;
	uint32_t	shared = 0;

	while (shared < most && a[shared] == b[shared])
		shared++;
	return shared;
}

size_t
tsdb_front_split(const TsdbByteValues *texts, int64_t *prefixes, int64_t *suffixes,
				 uint8_t *joined)
{
	size_t		at = 0;

	for (uint32_t i = 0; i < texts->count; i++)
	{
		const uint8_t *text = texts->data + texts->starts[i];
		uint32_t	prefix = 0;
		uint32_t	suffix;

		if (i % BLOCK != 0)
			prefix = shared_prefix(texts->data + texts->starts[i - 1], texts->lengths[i - 1],
								   text, texts->lengths[i]);
		suffix = texts->lengths[i] - prefix;
		if (suffix > 0)
			memcpy(joined + at, text + prefix, suffix);
		at += suffix;
		prefixes[i] = prefix;
		suffixes[i] = suffix;
	}
	return at;
}

TsdbCodecStatus
tsdb_front_join(const uint64_t *prefixes, const uint64_t *suffixes, const uint8_t *joined,
				uint32_t first, uint32_t count, uint8_t *carry, uint32_t *lengths,
				uint8_t *data)
{
	uint32_t	start = first / BLOCK * BLOCK;
	uint64_t	before = 0;
	size_t		at = 0;

	for (uint32_t i = 0; i < start; i++)
		joined += suffixes[i];
	for (uint32_t i = start; i < first + count; i++)
	{
		uint64_t	length = prefixes[i] + suffixes[i];

		if (prefixes[i] > (i % BLOCK == 0 ? 0 : before))
			return TSDB_CODEC_CORRUPT;
		if (suffixes[i] > 0)
			memcpy(carry + prefixes[i], joined, (size_t) suffixes[i]);
		joined += suffixes[i];
		before = length;
		if (i < first)
			continue;
		if (length > 0)
			memcpy(data + at, carry, (size_t) length);
		lengths[i - first] = (uint32_t) length;
		at += (size_t) length;
	}
	return TSDB_CODEC_OK;
}
