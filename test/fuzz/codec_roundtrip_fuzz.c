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
	Encoded		encoded;
	size_t		data_bytes;

	if (size <= VECTOR_HEAD_BYTES)
		return 0;
	vector = make_vector(data, size, &data_bytes);
	encoded = encode_vector(&vector, data_bytes, level_of(data));

	out = make_out(vector.type, vector.width, data_bytes, vector.nrows);
	require(tsdb_codec_decode(encoded.at, encoded.bytes, encoded.scratch, encoded.scratch_bytes,
							  &out) == TSDB_CODEC_OK);
	require(out.nrows == vector.nrows);
	compare_rows(&vector, 0, &out);
	free_out(&out);
	free_encoded(&encoded);
	return 0;
}
