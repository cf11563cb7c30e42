/*
 * codec_decode_fuzz.c
 *		Any bytes as an encoded vector: decoded or refused, within the buffers.
 *
 * The first byte picks a range for tsdb_codec_decode_range, the rest is the
 * vector.  What decodes whole must decode by ranges too, and to the same rows.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"

#define RAW_BYTES_MAX	((size_t) 1 << 20)

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
value_bytes(const TsdbVectorInfo *info)
{
	return info->type == TSDB_VECTOR_FIXED ? info->width :
		info->type == TSDB_VECTOR_FLOAT4 ? 4 : 8;
}

static TsdbVector
make_out(const TsdbVectorInfo *info, uint32_t rows)
{
	TsdbVector	out = {0};
	uint32_t	rounded = (rows + TSDB_VECTOR_BLOCK_ROWS - 1) / TSDB_VECTOR_BLOCK_ROWS *
		TSDB_VECTOR_BLOCK_ROWS;

	out.nulls = malloc(TSDB_VECTOR_NULL_BYTES);
	out.data = malloc(info->type >= TSDB_VECTOR_FIXED ? info->raw_bytes :
					  rounded * value_bytes(info));
	out.offsets = malloc((rows + 1) * sizeof(uint32_t));
	return out;
}

static void
free_out(TsdbVector *out)
{
	free(out->nulls);
	free(out->data);
	free(out->offsets);
}

static void
compare(const TsdbVectorInfo *info, const TsdbVector *whole, uint32_t first,
		const TsdbVector *part)
{
	size_t		width = value_bytes(info);

	if (info->type != TSDB_VECTOR_BYTES)
	{
		if (memcmp(whole->data + first * width, part->data, part->nrows * width) != 0)
			abort();
	}
	else if (memcmp(whole->data + whole->offsets[first], part->data,
					part->offsets[part->nrows]) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TsdbVectorInfo info;
	TsdbVector	whole;
	TsdbVector	part;
	size_t		scratch_bytes;
	void	   *scratch;
	uint32_t	first;
	uint32_t	count;
	TsdbCodecStatus status;

	if (size < 1 || tsdb_codec_inspect(data + 1, size - 1, &info) != TSDB_CODEC_OK ||
		info.raw_bytes > RAW_BYTES_MAX)
		return 0;
	scratch_bytes = tsdb_codec_scratch_bytes(info.type, info.width, info.raw_bytes);
	scratch = aligned_alloc(16, (scratch_bytes + 15) / 16 * 16);
	whole = make_out(&info, info.nrows);
	status = tsdb_codec_decode(data + 1, size - 1, scratch, scratch_bytes, &whole);
	if (status != TSDB_CODEC_OK && status != TSDB_CODEC_CORRUPT)
		abort();

	first = data[0] % 8 * TSDB_VECTOR_BLOCK_ROWS;
	first = first > info.nrows ? 0 : first;
	count = (info.nrows - first) * (data[0] / 8 + 1u) / 32;
	part = make_out(&info, count);
	if (tsdb_codec_decode_range(data + 1, size - 1, first, count, scratch, scratch_bytes,
								&part) == TSDB_CODEC_OK)
	{
		if (status == TSDB_CODEC_OK)
			compare(&info, &whole, first, &part);
	}
	else if (status == TSDB_CODEC_OK)
		abort();
	free_out(&part);
	free_out(&whole);
	free(scratch);
	return 0;
}
