/*
 * codec_matrix_fuzz.c
 *		Any bytes as an encoded matrix: decoded or refused, within the buffers.
 *
 * A lane that decodes alone must decode to the same rows after all others.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/matrix.h"

#define LANES_TRIED	64

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static TsdbMatrix matrix;
	static uint64_t values[LANES_TRIED][TSDB_VECTOR_ROWS_MAX];
	static uint8_t nulls[LANES_TRIED][TSDB_VECTOR_NULL_BYTES];
	TsdbVector	before[LANES_TRIED];
	TsdbVector	alone = {0};
	size_t		scratch_bytes = tsdb_matrix_scratch_bytes(TSDB_MATRIX_LANES_MAX);
	void	   *scratch;
	bool		all = true;

	if (posix_memalign(&scratch, 16, scratch_bytes) != 0)
		return 0;
	alone.nulls = malloc(TSDB_VECTOR_NULL_BYTES);
	alone.data = malloc(TSDB_VECTOR_ROWS_MAX * 8);
	if (tsdb_matrix_open(data, size, scratch, scratch_bytes, &matrix) == TSDB_CODEC_OK)
		for (uint32_t lane = 0; lane < matrix.nlanes && lane < LANES_TRIED; lane++)
		{
			TsdbCodecStatus status = tsdb_matrix_decode(&matrix, lane, 0, matrix.nrows, NULL,
														scratch, scratch_bytes, &alone);
			size_t		width = matrix.type == TSDB_VECTOR_FLOAT4 ? 4 : 8;

			if (status != TSDB_CODEC_OK && status != TSDB_CODEC_CORRUPT)
				abort();
			all = all && status == TSDB_CODEC_OK;
			if (!all)
				continue;
			before[lane] = (TsdbVector) {.nulls = nulls[lane],.float8s = values[lane]};
			if (tsdb_matrix_decode(&matrix, lane, 0, matrix.nrows, before, scratch,
								   scratch_bytes, &before[lane]) != TSDB_CODEC_OK ||
				memcmp(before[lane].data, alone.data, matrix.nrows * width) != 0)
				abort();
		}
	free(alone.nulls);
	free(alone.data);
	free(scratch);
	return 0;
}
