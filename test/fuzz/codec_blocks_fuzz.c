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
	size_t		data_bytes;
	size_t		scratch_bytes;
	size_t		bound;
	void	   *scratch;
	uint8_t    *encoded;
	ptrdiff_t	bytes;

	if (size <= VECTOR_HEAD_BYTES + RANGE_BYTES)
		return 0;
	vector = make_vector(data, size - RANGE_BYTES, &data_bytes);
	scratch_bytes = tsdb_codec_scratch_bytes(vector.type, vector.width, data_bytes);
	bound = tsdb_codec_encode_bound(&vector, data_bytes);
	scratch = make_scratch(scratch_bytes);
	encoded = malloc(bound);
	bytes = tsdb_codec_encode(&vector, level_of(data), scratch, scratch_bytes, encoded, bound);
	require(bytes > 0 && tsdb_codec_inspect(encoded, (size_t) bytes, &info) == TSDB_CODEC_OK);

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
		require(tsdb_codec_decode_range(encoded, (size_t) bytes, first, count, scratch,
										scratch_bytes, &out) == TSDB_CODEC_OK);
		require(out.nrows == count);
		compare_rows(&vector, first, &out);
		free_out(&out);
	}
	free(encoded);
	free(scratch);
	return 0;
}
