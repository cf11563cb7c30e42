/*
 * codec_roundtrip_fuzz.c
 *		Any vector comes back bit for bit, at both levels.
 *
 *		byte 0		type (low three bits), level, how the values are made
 *		byte 1		width
 *		byte 2, 3	rows
 *		byte 4		null pattern
 *		the rest	values, used again from the start when they run out
 *
 * Raw bytes as values would be random to the codec, so they are also taken as
 * small differences, as integers over a power of ten, and as indexes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *source;
static size_t source_bytes;
static size_t source_at;

static uint64_t
take(unsigned bytes)
{
	uint64_t	value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | source[source_at++ % source_bytes];
	return value;
}

static uint64_t
pattern_of(double value, TsdbVectorType type)
{
	float		narrow = (float) value;
	uint64_t	bits = 0;

	if (type == TSDB_VECTOR_FLOAT4)
		memcpy(&bits, &narrow, 4);
	else
		memcpy(&bits, &value, 8);
	return bits;
}

static void
make_numbers(TsdbVector *vector, unsigned way)
{
	static const double scales[] = {1, 10, 100, 1e4, 1e7, 60, 3, 1024};
	double		scale = scales[take(1) % 8];
	bool		is_int = vector->type == TSDB_VECTOR_INT;
	uint64_t	sum = take(4);
	uint64_t	slope = 0;

	for (uint32_t i = 0; i < vector->nrows; i++)
	{
		uint64_t	bits;

		switch (way)
		{
			case 0:
				bits = take(8);
				break;
			case 1:
				sum += (uint64_t) (int64_t) (int8_t) take(1);
				bits = is_int ? sum : pattern_of((double) (int64_t) sum / scale, vector->type);
				break;
			case 2:
				sum += slope += (uint64_t) (int64_t) (int8_t) take(1) % 4;
				bits = is_int ? sum * 1000 : pattern_of((double) (int64_t) sum, vector->type);
				break;
			default:
				bits = is_int ? take(2) : pattern_of((double) take(3) / scale, vector->type);
				break;
		}
		if (vector->type == TSDB_VECTOR_FLOAT4)
			vector->float4s[i] = (uint32_t) bits;
		else if (is_int)
			vector->ints[i] = (int64_t) (bits << (64 - 8 * vector->width)) >>
				(64 - 8 * vector->width);
		else
			vector->float8s[i] = bits;
	}
}

static void
make_nulls(TsdbVector *vector, unsigned pattern)
{
	memset(vector->nulls, 0, TSDB_VECTOR_NULL_BYTES);
	for (uint32_t i = 0; i < vector->nrows; i++)
		if (pattern % 4 == 1 ? take(1) % (pattern / 4 + 1) == 0 :
			pattern % 4 == 2 ? i % 2 == 0 : pattern % 4 == 3 && i >= pattern * 4)
			vector->nulls[i / 8] |= (uint8_t) (1 << i % 8);
}

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
compare(const TsdbVector *vector, const TsdbVector *out)
{
	static const uint8_t zeros[256];
	size_t		width = vector->type == TSDB_VECTOR_FIXED ? vector->width :
		vector->type == TSDB_VECTOR_FLOAT4 ? 4 : 8;

	require(out->nrows == vector->nrows && out->type == vector->type);
	require(memcmp(out->nulls, vector->nulls, TSDB_VECTOR_NULL_BYTES) == 0);
	for (uint32_t i = 0; i < out->nrows; i++)
	{
		bool		null = vector->nulls[i / 8] >> i % 8 & 1;

		if (vector->type != TSDB_VECTOR_BYTES)
			require(memcmp(out->data + i * width, null ? zeros : vector->data + i * width,
						   width) == 0);
		else
		{
			uint32_t	length = vector->offsets[i + 1] - vector->offsets[i];

			require(out->offsets[i + 1] - out->offsets[i] == (null ? 0 : length));
			require(null || memcmp(out->data + out->offsets[i],
								   vector->data + vector->offsets[i], length) == 0);
		}
	}
}

static void
round_trip(const TsdbVector *vector, TsdbCodecLevel level, size_t data_bytes)
{
	size_t		scratch_bytes = tsdb_codec_scratch_bytes(vector->type, vector->width, data_bytes);
	size_t		bound = tsdb_codec_encode_bound(vector, data_bytes);
	void	   *scratch = aligned_alloc(16, (scratch_bytes + 15) / 16 * 16);
	uint8_t    *encoded = malloc(bound);
	ptrdiff_t	bytes = tsdb_codec_encode(vector, level, scratch, scratch_bytes, encoded, bound);
	TsdbVector	out = {0};

	require(bytes > 0 && (size_t) bytes <= bound);
	out.nulls = malloc(TSDB_VECTOR_NULL_BYTES);
	out.data = malloc(data_bytes > 0 || vector->type >= TSDB_VECTOR_FIXED ? data_bytes :
					  TSDB_VECTOR_ROWS_MAX * 8);
	out.offsets = malloc((TSDB_VECTOR_ROWS_MAX + 1) * sizeof(uint32_t));
	require(tsdb_codec_decode(encoded, (size_t) bytes, scratch, scratch_bytes, &out) ==
			TSDB_CODEC_OK);
	compare(vector, &out);
	free(out.nulls);
	free(out.data);
	free(out.offsets);
	free(encoded);
	free(scratch);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint64_t values[TSDB_VECTOR_ROWS_MAX];
	static uint8_t bytes[TSDB_VECTOR_ROWS_MAX * 32];
	static uint8_t nulls[TSDB_VECTOR_NULL_BYTES];
	static uint32_t offsets[TSDB_VECTOR_ROWS_MAX + 1];
	TsdbVector	vector = {0};
	size_t		data_bytes = 0;

	if (size < 6)
		return 0;
	source = data + 5;
	source_bytes = size - 5;
	source_at = 0;
	vector.type = (TsdbVectorType) (data[0] % 8 % 5 + 1);
	vector.nrows = (data[2] | (uint32_t) data[3] << 8) % (TSDB_VECTOR_ROWS_MAX + 1);
	vector.nulls = nulls;
	if (vector.type == TSDB_VECTOR_FIXED)
		vector.width = data[1] % 32 + 1;
	else if (vector.type == TSDB_VECTOR_INT)
		vector.width = 1u << data[1] % 4;
	if (vector.type >= TSDB_VECTOR_FIXED)
	{
		vector.data = bytes;
		vector.offsets = offsets;
		offsets[0] = 0;
		for (uint32_t i = 0; i < vector.nrows; i++)
		{
			uint32_t	length = vector.type == TSDB_VECTOR_FIXED ? vector.width :
				(uint32_t) take(1) % (data[1] % 32 + 1u);

			for (uint32_t b = 0; b < length; b++)
				bytes[data_bytes++] = (uint8_t) take(1);
			offsets[i + 1] = (uint32_t) data_bytes;
		}
	}
	else
	{
		vector.float8s = values;
		make_numbers(&vector, data[0] >> 4 & 3);
	}
	make_nulls(&vector, data[4]);
	round_trip(&vector, data[0] >> 6 & 1 ? TSDB_LEVEL_COLD : TSDB_LEVEL_FAST, data_bytes);
	return 0;
}
