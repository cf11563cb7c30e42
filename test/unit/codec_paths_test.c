/*
 * codec_paths_test.c
 *		Every build of the codec writes the same bytes and reads the same values.
 *
 *		codec_paths_test [FILE]
 *
 * Some thousand vectors of all types are encoded at both levels and decoded;
 * a digest of all bytes and all values is printed.  FILE keeps the digest of
 * the first build that is asked; others must come to the same.  scripts/unit
 * asks one build per instruction set.
 */
#include <stdio.h>

#include "../fuzz/vectors.h"

#define VECTORS		3000
#define INPUT_BYTES	600

static uint64_t digest = UINT64_C(14695981039346656037);

static void
digest_bytes(const void *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		digest = (digest ^ ((const uint8_t *) bytes)[i]) * UINT64_C(1099511628211);
}

/* Encode, decode, compare and digest the vector that the input describes. */
static void
digest_vector(const uint8_t *input, size_t size)
{
	size_t		data_bytes;
	TsdbVector	vector = make_vector(input, size, &data_bytes);
	size_t		scratch_bytes = tsdb_codec_scratch_bytes(vector.type, vector.width, data_bytes);
	size_t		bound = tsdb_codec_encode_bound(&vector, data_bytes);
	void	   *scratch = make_scratch(scratch_bytes);
	uint8_t    *encoded = malloc(bound);
	TsdbVector	out = make_out(vector.type, vector.width, data_bytes, vector.nrows);

	for (int level = TSDB_LEVEL_FAST; level <= TSDB_LEVEL_COLD; level++)
	{
		ptrdiff_t	bytes = tsdb_codec_encode(&vector, (TsdbCodecLevel) level, scratch,
											  scratch_bytes, encoded, bound);

		require(bytes > 0);
		digest_bytes(encoded, (size_t) bytes);
		require(tsdb_codec_decode(encoded, (size_t) bytes, scratch, scratch_bytes,
								  &out) == TSDB_CODEC_OK);
		require(out.nrows == vector.nrows);
		compare_rows(&vector, 0, &out);
		if (vector.type < TSDB_VECTOR_FIXED)
			digest_bytes(out.data, vector.nrows * value_bytes(vector.type, vector.width));
	}
	free_out(&out);
	free(encoded);
	free(scratch);
}

/* Whether this build comes to the digest of the first one. */
static bool
is_kept(const char *path)
{
	FILE	   *file = fopen(path, "r");
	unsigned long long kept = 0;

	if (file == NULL)
	{
		file = fopen(path, "w");
		if (file == NULL)
			return false;
		fprintf(file, "%llx\n", (unsigned long long) digest);
		return fclose(file) == 0;
	}
	if (fscanf(file, "%llx", &kept) != 1)
		kept = ~digest;
	fclose(file);
	return kept == digest;
}

int
main(int argc, char **argv)
{
	static uint8_t input[INPUT_BYTES];
	uint64_t	state = UINT64_C(88172645463325252);
	bool		good = true;

	for (int i = 0; i < VECTORS; i++)
	{
		for (int b = 0; b < INPUT_BYTES; b++)
		{
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			input[b] = (uint8_t) (state >> 32);
		}
		if (i % 3 == 0)			/* full vectors without nulls, as most are */
		{
			input[2] = 0;
			input[3] = 4;
			input[4] = 0;
		}
		digest_vector(input, i % 5 == 0 ? 40 : INPUT_BYTES);
	}
	if (argc > 1)
		good = is_kept(argv[1]);
	printf("%d passed, %d failed: %d vectors, digest %llx\n", good, !good, VECTORS,
		   (unsigned long long) digest);
	return good ? 0 : 1;
}
