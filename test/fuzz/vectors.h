/*
 * vectors.h
 *		Makes a vector of any type from a fuzzer's bytes.
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
#ifndef TSDB_FUZZ_VECTORS_H
#define TSDB_FUZZ_VECTORS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"

#define VECTOR_HEAD_BYTES	5

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *source;
static size_t source_bytes;
static size_t source_at;

static inline uint64_t
take(unsigned bytes)
{
	uint64_t	value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | source[source_at++ % source_bytes];
	return value;
}

static inline uint64_t
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

static inline void
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

static inline void
make_nulls(TsdbVector *vector, unsigned pattern)
{
	memset(vector->nulls, 0, TSDB_VECTOR_NULL_BYTES);
	for (uint32_t i = 0; i < vector->nrows; i++)
		if (pattern % 4 == 1 ? take(1) % (pattern / 4 + 1) == 0 :
			pattern % 4 == 2 ? i % 2 == 0 : pattern % 4 == 3 && i >= pattern * 4)
			vector->nulls[i / 8] |= (uint8_t) (1 << i % 8);
}

static inline void
require(bool condition)
{
	if (!condition)
		abort();
}

static inline TsdbCodecLevel
level_of(const uint8_t *data)
{
	return data[0] >> 6 & 1 ? TSDB_LEVEL_COLD : TSDB_LEVEL_FAST;
}

/*
 * The vector that these bytes, more than VECTOR_HEAD_BYTES of them, describe;
 * its arrays live until the next one is made.  *data_bytes is the size of its
 * data if it has any.
 */
static inline TsdbVector
make_vector(const uint8_t *data, size_t size, size_t *data_bytes)
{
	static uint64_t values[TSDB_VECTOR_ROWS_MAX];
	static uint8_t bytes[TSDB_VECTOR_ROWS_MAX * 32];
	static uint8_t nulls[TSDB_VECTOR_NULL_BYTES];
	static uint32_t offsets[TSDB_VECTOR_ROWS_MAX + 1];
	TsdbVector	vector = {0};

	*data_bytes = 0;
	source = data + VECTOR_HEAD_BYTES;
	source_bytes = size - VECTOR_HEAD_BYTES;
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
				bytes[(*data_bytes)++] = (uint8_t) take(1);
			offsets[i + 1] = (uint32_t) *data_bytes;
		}
	}
	else
	{
		vector.float8s = values;
		make_numbers(&vector, data[0] >> 4 & 3);
	}
	make_nulls(&vector, data[4]);
	return vector;
}

/* Bytes of one value in the arrays of a vector that is not of BYTES. */
static inline size_t
value_bytes(TsdbVectorType type, uint32_t width)
{
	return type == TSDB_VECTOR_FIXED ? width : type == TSDB_VECTOR_FLOAT4 ? 4 : 8;
}

/* Arrays of exactly the sizes that decoding so many rows may fill. */
static inline TsdbVector
make_out(TsdbVectorType type, uint32_t width, size_t raw_bytes, uint32_t rows)
{
	TsdbVector	out = {0};
	uint32_t	rounded = (rows + TSDB_VECTOR_BLOCK_ROWS - 1) / TSDB_VECTOR_BLOCK_ROWS *
		TSDB_VECTOR_BLOCK_ROWS;

	out.nulls = malloc(TSDB_VECTOR_NULL_BYTES);
	out.data = malloc(type >= TSDB_VECTOR_FIXED ? raw_bytes :
					  rounded * value_bytes(type, width));
	out.offsets = malloc((rows + 1) * sizeof(uint32_t));
	return out;
}

static inline void
free_out(TsdbVector *out)
{
	free(out->nulls);
	free(out->data);
	free(out->offsets);
}

/* Memory of exactly this size, aligned for scratch. */
static inline void *
make_scratch(size_t bytes)
{
	void	   *memory;

	return posix_memalign(&memory, 16, bytes) == 0 ? memory : NULL;
}

/* A vector's encoding, and the scratch memory that it was made with. */
typedef struct Encoded
{
	void	   *scratch;
	size_t		scratch_bytes;
	uint8_t    *at;
	size_t		bytes;
	size_t		bound;			/* that at has room for */
} Encoded;

/* Encode a vector, which must succeed; data_bytes as make_vector() says. */
static inline Encoded
encode_vector(const TsdbVector *vector, size_t data_bytes, TsdbCodecLevel level)
{
	Encoded		encoded = {0};
	ptrdiff_t	bytes;

	encoded.scratch_bytes = tsdb_codec_scratch_bytes(vector->type, vector->width, data_bytes);
	encoded.bound = tsdb_codec_encode_bound(vector, data_bytes);
	encoded.scratch = make_scratch(encoded.scratch_bytes);
	encoded.at = malloc(encoded.bound);
	bytes = tsdb_codec_encode(vector, level, encoded.scratch, encoded.scratch_bytes, encoded.at,
							  encoded.bound);
	require(bytes > 0 && (size_t) bytes <= encoded.bound);
	encoded.bytes = (size_t) bytes;
	return encoded;
}

static inline void
free_encoded(Encoded *encoded)
{
	free(encoded->at);
	free(encoded->scratch);
}

/* Abort unless out holds rows [first, first + out->nrows) of the vector. */
static inline void
compare_rows(const TsdbVector *vector, uint32_t first, const TsdbVector *out)
{
	static const uint8_t zeros[256];
	size_t		width = value_bytes(vector->type, vector->width);

	require(out->type == vector->type);
	for (uint32_t i = 0; i < TSDB_VECTOR_ROWS_MAX; i++)
	{
		uint32_t	row = first + i;
		bool		null = i < out->nrows && (vector->nulls[row / 8] >> row % 8 & 1);

		require((out->nulls[i / 8] >> i % 8 & 1) == null);
	}
	for (uint32_t i = 0; i < out->nrows; i++)
	{
		uint32_t	row = first + i;
		bool		null = vector->nulls[row / 8] >> row % 8 & 1;

		if (vector->type != TSDB_VECTOR_BYTES)
			require(memcmp(out->data + i * width, null ? zeros : vector->data + row * width,
						   width) == 0);
		else
		{
			uint32_t	length = null ? 0 : vector->offsets[row + 1] - vector->offsets[row];

			require(out->offsets[i + 1] - out->offsets[i] == length);
			require(length == 0 || memcmp(out->data + out->offsets[i],
										  vector->data + vector->offsets[row], length) == 0);
		}
	}
}

#endif							/* TSDB_FUZZ_VECTORS_H */
