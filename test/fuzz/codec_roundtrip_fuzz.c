/*
 * codec_roundtrip_fuzz.c
 *		Any vector comes back bit for bit, at both levels.
 */
#include "vectors.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TsdbVector	vector;
	TsdbVector	out;
	size_t		data_bytes;
	size_t		scratch_bytes;
	size_t		bound;
	void	   *scratch;
	uint8_t    *encoded;
	ptrdiff_t	bytes;

	if (size <= VECTOR_HEAD_BYTES)
		return 0;
	vector = make_vector(data, size, &data_bytes);
	scratch_bytes = tsdb_codec_scratch_bytes(vector.type, vector.width, data_bytes);
	bound = tsdb_codec_encode_bound(&vector, data_bytes);
	scratch = make_scratch(scratch_bytes);
	encoded = malloc(bound);
	bytes = tsdb_codec_encode(&vector, level_of(data), scratch, scratch_bytes, encoded, bound);
	require(bytes > 0 && (size_t) bytes <= bound);

	out = make_out(vector.type, vector.width, data_bytes, vector.nrows);
	require(tsdb_codec_decode(encoded, (size_t) bytes, scratch, scratch_bytes, &out) ==
			TSDB_CODEC_OK);
	require(out.nrows == vector.nrows);
	compare_rows(&vector, 0, &out);
	free_out(&out);
	free(encoded);
	free(scratch);
	return 0;
}
