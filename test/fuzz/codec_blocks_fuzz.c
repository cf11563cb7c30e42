/*
 * codec_blocks_fuzz.c
 *		Every range of a vector decodes alone, to the rows that were encoded.
 *
 * The vector is made of the input but for its last three bytes, which pick the
 * ranges.
 */
#include "vectors.h"

#define RANGE_BYTES	3

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TsdbVector	vector;
	TsdbVectorInfo info;
	Encoded		encoded;
	size_t		data_bytes;

	if (size <= VECTOR_HEAD_BYTES + RANGE_BYTES)
		return 0;
	vector = make_vector(data, size - RANGE_BYTES, &data_bytes);
	encoded = encode_vector(&vector, data_bytes, level_of(data));
	require(tsdb_codec_inspect(encoded.at, encoded.bytes, &info) == TSDB_CODEC_OK);

	for (int i = 0; i < RANGE_BYTES; i++)
	{
		uint8_t		pick = data[size - RANGE_BYTES + i];
		uint32_t	first = pick % 8 * TSDB_VECTOR_BLOCK_ROWS;
		uint32_t	count;
		TsdbVector	out;

		if (first > vector.nrows)
			continue;
		count = i == 0 ? TSDB_VECTOR_BLOCK_ROWS : (vector.nrows - first) * (pick / 8 + 1u) / 32;
		if (count > vector.nrows - first)
			count = vector.nrows - first;
		out = make_out(vector.type, vector.width, info.raw_bytes, count);
		require(tsdb_codec_decode_range(encoded.at, encoded.bytes, first, count, encoded.scratch,
										encoded.scratch_bytes, &out) == TSDB_CODEC_OK);
		require(out.nrows == count);
		compare_rows(&vector, first, &out);
		free_out(&out);
	}
	free_encoded(&encoded);
	return 0;
}
