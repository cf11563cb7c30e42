/*
 * codec_space_fuzz.c
 *		Buffers that are too small are refused, and nothing is written past them.
 *
 * The vector is made of the input but for its last two bytes, which say what
 * share of the needed room and scratch memory there is.
 */
#include "vectors.h"

#define SHARE_BYTES	2

/* A part of the bytes: none, nearly all, or the share of 256 that pick says. */
static size_t
part_of(size_t bytes, uint8_t pick)
{
	return pick == 255 && bytes > 0 ? bytes - 1 : bytes * pick / 256;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TsdbVector	vector;
	TsdbVector	out;
	Encoded		encoded;
	size_t		data_bytes;
	size_t		small_bytes;
	void	   *small;
	uint8_t    *room;
	ptrdiff_t	result;

	if (size <= VECTOR_HEAD_BYTES + SHARE_BYTES)
		return 0;
	vector = make_vector(data, size - SHARE_BYTES, &data_bytes);
	encoded = encode_vector(&vector, data_bytes, level_of(data));

	small_bytes = part_of(encoded.bytes, data[size - 2]);
	room = malloc(small_bytes);
	require(tsdb_codec_encode(&vector, level_of(data), encoded.scratch, encoded.scratch_bytes,
							  room, small_bytes) == TSDB_CODEC_NO_SPACE);
	free(room);

	small_bytes = part_of(encoded.scratch_bytes, data[size - 1]);
	small = make_scratch(small_bytes);
	room = malloc(encoded.bound);
	result = tsdb_codec_encode(&vector, level_of(data), small, small_bytes, room, encoded.bound);
	require(result == TSDB_CODEC_INVALID ||
			(result == (ptrdiff_t) encoded.bytes && memcmp(room, encoded.at, encoded.bytes) == 0));
	free(room);

	out = make_out(vector.type, vector.width, data_bytes, vector.nrows);
	result = tsdb_codec_decode(encoded.at, encoded.bytes, small, small_bytes, &out);
	require(result == TSDB_CODEC_INVALID || result == TSDB_CODEC_OK);
	if (result == TSDB_CODEC_OK)
		compare_rows(&vector, 0, &out);
	free_out(&out);
	free(small);
	free_encoded(&encoded);
	return 0;
}
