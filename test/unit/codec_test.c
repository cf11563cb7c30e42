/*
 * codec_test.c
 *		Every vector comes back bit for bit, and no bytes break a decoder.
 *
 * Each test makes vectors of one pattern; each vector is encoded at both
 * levels, inspected, decoded whole and by ranges, and refused by a buffer that
 * is a byte too small.  All buffers are allocated at exactly the size that the
 * contract names, so that a sanitizer sees the first byte out of bounds.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "codec/codec_format.h"
#include "harness.h"

#define ROWS_MAX			TSDB_VECTOR_ROWS_MAX
#define BLOCK				TSDB_VECTOR_BLOCK_ROWS
#define DECODE_BYTES_MAX	((size_t) 1 << 24)	/* hostile headers may promise more */

static void
expect(bool condition, const char *what, const TsdbVector *vector)
{
	if (!condition)
		fail("%s: type %d, width %u, %u rows", what, (int) vector->type, vector->width,
			 vector->nrows);
}

/* Scratch of exactly this size, kept while the size stays the same. */
static void *
scratch_of(size_t bytes)
{
	static void *kept;
	static size_t kept_bytes;

	if (kept == NULL || kept_bytes != bytes)
	{
		free(kept);
		kept = bytes == 0 ? NULL : allocate(bytes);
		kept_bytes = bytes;
	}
	return kept;
}

static bool
is_null(const uint8_t *nulls, uint32_t row)
{
	return nulls != NULL && (nulls[row / 8] >> row % 8 & 1);
}

static size_t
entry_bytes(const TsdbVector *vector)
{
	return vector->type == TSDB_VECTOR_FIXED ? vector->width :
		vector->type == TSDB_VECTOR_FLOAT4 ? 4 : 8;
}

static size_t
data_bytes(const TsdbVector *vector)
{
	return vector->type == TSDB_VECTOR_BYTES ? vector->offsets[vector->nrows] :
		vector->type == TSDB_VECTOR_FIXED ? (size_t) vector->width * vector->nrows : 0;
}

/* Arrays of exactly the sizes that decode asks for. */
static TsdbVector
make_out(TsdbVectorType type, uint32_t width, uint32_t nrows, size_t raw_bytes)
{
	TsdbVector	out = {0};
	uint32_t	rounded = (nrows + BLOCK - 1) / BLOCK * BLOCK;

	out.nulls = malloc(TSDB_VECTOR_NULL_BYTES);
	if (type == TSDB_VECTOR_BYTES || type == TSDB_VECTOR_FIXED)
		out.data = malloc(raw_bytes);
	else
		out.data = malloc((size_t) rounded * (type == TSDB_VECTOR_FLOAT4 ? 4 : 8));
	out.offsets = type == TSDB_VECTOR_BYTES ? malloc((nrows + 1) * sizeof(uint32_t)) : NULL;
	(void) width;
	return out;
}

static void
free_out(TsdbVector *out)
{
	free(out->nulls);
	free(out->data);
	free(out->offsets);
}

/* Whether out holds rows [first, first + out->nrows) of the vector. */
static bool
same_rows(const TsdbVector *vector, uint32_t first, const TsdbVector *out)
{
	static const uint8_t zeros[4096];
	size_t		width = entry_bytes(vector);
	uint32_t	end = 0;

	for (uint32_t i = 0; i < out->nrows; i++)
	{
		uint32_t	row = first + i;
		bool		null = is_null(vector->nulls, row);

		if (is_null(out->nulls, i) != null)
			return false;
		if (vector->type == TSDB_VECTOR_BYTES)
		{
			uint32_t	length = null ? 0 : vector->offsets[row + 1] - vector->offsets[row];

			if (out->offsets[i] != end || out->offsets[i + 1] != end + length)
				return false;
			if (length > 0 && memcmp(out->data + end, vector->data + vector->offsets[row],
									 length) != 0)
				return false;
			end += length;
		}
		else if (memcmp(out->data + i * width,
						null ? zeros : vector->data + row * width, width) != 0)
			return false;
	}
	for (uint32_t row = out->nrows; row < ROWS_MAX; row++)
		if (is_null(out->nulls, row))
			return false;
	return true;
}

/* Decode whatever these bytes say; returns the status of the whole decode. */
static TsdbCodecStatus
decode_any(const uint8_t *src, size_t bytes, const TsdbVector *vector)
{
	uint8_t    *copy = malloc(bytes);
	TsdbVectorInfo info;
	TsdbCodecStatus status;

	memcpy(copy, src, bytes);
	status = tsdb_codec_inspect(copy, bytes, &info);
	if (status == TSDB_CODEC_OK && info.raw_bytes <= DECODE_BYTES_MAX)
	{
		size_t		scratch_bytes = tsdb_codec_scratch_bytes(info.type, info.width,
															 info.raw_bytes);
		void	   *scratch = scratch_of(scratch_bytes);
		TsdbVector	out = make_out(info.type, info.width, info.nrows, info.raw_bytes);

		expect(info.nrows <= ROWS_MAX && info.nnulls <= info.nrows, "inspect", vector);
		status = tsdb_codec_decode(copy, bytes, scratch, scratch_bytes, &out);
		expect(status == TSDB_CODEC_OK || status == TSDB_CODEC_CORRUPT, "status", vector);
		for (uint32_t first = 0; first < info.nrows; first += 3 * BLOCK)
		{
			uint32_t	count = info.nrows - first < BLOCK + 9 ? info.nrows - first : BLOCK + 9;
			TsdbVector	part = make_out(info.type, info.width, count, info.raw_bytes);

			(void) tsdb_codec_decode_range(copy, bytes, first, count, scratch,
										   scratch_bytes, &part);
			free_out(&part);
		}
		free_out(&out);
	}
	free(copy);
	return status;
}

/* Cut, flip and overwrite the bytes of an encoded vector. */
static void
be_hostile(const uint8_t *src, size_t bytes, const TsdbVector *vector)
{
	uint8_t    *bad = malloc(bytes);

	for (size_t cut = 0; cut < bytes; cut += 1 + (bytes > 200 ? draw() % (bytes / 50) : 0))
		(void) decode_any(src, cut, vector);
	for (int i = 0; i < 60; i++)
	{
		size_t		reach = i % 2 == 0 && bytes > 40 ? 40 : bytes;

		memcpy(bad, src, bytes);
		for (uint64_t flips = draw() % 3 + 1; flips > 0; flips--)
			bad[draw() % reach] ^= (uint8_t) (1 << draw() % 8);
		if (i % 5 == 0)
			bad[draw() % reach] = (uint8_t) draw();
		(void) decode_any(bad, bytes, vector);
	}
	free(bad);
}

typedef enum Depth
{
	ROUND_TRIP,
	AND_HOSTILE
} Depth;

/* Everything that must hold for one vector at one level; returns its bytes. */
static size_t
check_level(const TsdbVector *vector, TsdbCodecLevel level, Depth depth)
{
	size_t		scratch_bytes = tsdb_codec_scratch_bytes(vector->type, vector->width,
														 data_bytes(vector));
	size_t		bound = tsdb_codec_encode_bound(vector, data_bytes(vector));
	void	   *scratch = allocate(scratch_bytes);
	uint8_t    *roomy = malloc(bound);
	ptrdiff_t	bytes;
	uint8_t    *encoded;
	TsdbVectorInfo info;
	TsdbVector	out;
	uint32_t	nnulls = 0;

	memset(scratch, 0xa5, scratch_bytes);
	bytes = tsdb_codec_encode(vector, level, scratch, scratch_bytes, roomy, bound);
	expect(bytes > 0, "encode", vector);
	if (bytes <= 0)
	{
		free(scratch);
		free(roomy);
		return 0;
	}
	encoded = malloc((size_t) bytes);
	memset(scratch, 0x5a, scratch_bytes);
	expect(tsdb_codec_encode(vector, level, scratch, scratch_bytes, encoded,
							 (size_t) bytes) == bytes, "encode into just enough", vector);
	expect(memcmp(encoded, roomy, (size_t) bytes) == 0, "encode twice alike", vector);
	free(roomy);

	roomy = malloc((size_t) bytes - 1);
	expect(tsdb_codec_encode(vector, level, scratch, scratch_bytes, roomy,
							 (size_t) bytes - 1) == TSDB_CODEC_NO_SPACE, "a byte too few", vector);
	free(roomy);
	roomy = malloc((size_t) bytes / 2);
	expect(tsdb_codec_encode(vector, level, scratch, scratch_bytes, roomy,
							 (size_t) bytes / 2) == TSDB_CODEC_NO_SPACE, "half the bytes", vector);
	free(roomy);

	for (uint32_t row = 0; row < vector->nrows; row++)
		nnulls += is_null(vector->nulls, row);
	expect(tsdb_codec_inspect(encoded, (size_t) bytes, &info) == TSDB_CODEC_OK, "inspect", vector);
	expect(info.type == vector->type && info.nrows == vector->nrows && info.nnulls == nnulls &&
		   (vector->type == TSDB_VECTOR_BYTES || info.width == vector->width) &&
		   tsdb_codec_name(info.codec) != NULL, "inspect right", vector);
	expect(vector->type < TSDB_VECTOR_FIXED || info.raw_bytes <= data_bytes(vector),
		   "raw bytes", vector);
	free(scratch);

	scratch_bytes = tsdb_codec_scratch_bytes(info.type, info.width, info.raw_bytes);
	scratch = allocate(scratch_bytes);
	memset(scratch, 0xa5, scratch_bytes);
	out = make_out(info.type, info.width, info.nrows, info.raw_bytes);
	expect(tsdb_codec_decode(encoded, (size_t) bytes, scratch, scratch_bytes, &out) ==
		   TSDB_CODEC_OK, "decode", vector);
	expect(out.nrows == vector->nrows && out.type == vector->type && out.width == info.width &&
		   same_rows(vector, 0, &out), "decode right", vector);
	free_out(&out);

	for (uint32_t first = 0; first <= vector->nrows; first += BLOCK)
	{
		uint32_t	left = vector->nrows - first;
		uint32_t	count = draw() % 2 == 0 ? (left < BLOCK ? left : BLOCK) :
			(uint32_t) (draw() % (left + 1));

		out = make_out(info.type, info.width, count, info.raw_bytes);
		expect(tsdb_codec_decode_range(encoded, (size_t) bytes, first, count, scratch,
									   scratch_bytes, &out) == TSDB_CODEC_OK, "range", vector);
		expect(out.nrows == count && same_rows(vector, first, &out), "range right", vector);
		free_out(&out);
	}
	free(scratch);

	if (depth == AND_HOSTILE)
		be_hostile(encoded, (size_t) bytes, vector);
	free(encoded);
	return (size_t) bytes;
}

static size_t
check(const TsdbVector *vector, Depth depth)
{
	(void) check_level(vector, TSDB_LEVEL_COLD, depth);
	return check_level(vector, TSDB_LEVEL_FAST, depth);
}

/* Null patterns by number; NULL for pattern 0. */
#define NULL_PATTERNS	7

static uint8_t *
make_nulls(int pattern, uint32_t nrows)
{
	static uint8_t nulls[TSDB_VECTOR_NULL_BYTES];

	memset(nulls, 0, sizeof(nulls));
	for (uint32_t row = 0; row < nrows; row++)
	{
		bool		null = pattern == 1 ? row % 2 == 1 : pattern == 2 ? true :
			pattern == 3 ? draw() % 50 == 0 : pattern == 4 ? row >= nrows / 3 :
			pattern == 5 ? row < nrows / 2 : pattern == 6 ? draw() % 2 == 0 : false;

		if (null)
			nulls[row / 8] |= (uint8_t) (1 << row % 8);
	}
	return pattern == 0 ? NULL : nulls;
}

/* ---- numbers: each pattern fills 64-bit words, later cast to the type ---- */

static uint64_t words[ROWS_MAX];
static uint32_t halves[ROWS_MAX];

static uint64_t
bits_of(double value)
{
	uint64_t	bits;

	memcpy(&bits, &value, 8);
	return bits;
}

static uint32_t
float_bits_of(float value)
{
	uint32_t	bits;

	memcpy(&bits, &value, 4);
	return bits;
}

/* The words as a vector of a type; integers are sign-extended from their width. */
static TsdbVector
as_vector(TsdbVectorType type, uint32_t width, uint32_t nrows, uint8_t *nulls)
{
	TsdbVector	vector = {0};

	vector.type = type;
	vector.width = width;
	vector.nrows = nrows;
	vector.nulls = nulls;
	vector.float8s = words;
	if (type == TSDB_VECTOR_FLOAT4)
	{
		for (uint32_t i = 0; i < nrows; i++)
			halves[i] = (uint32_t) words[i];
		vector.float4s = halves;
	}
	else if (type == TSDB_VECTOR_INT && width < 8)
		for (uint32_t i = 0; i < nrows; i++)
			words[i] = (uint64_t) ((int64_t) (words[i] << (64 - 8 * width)) >> (64 - 8 * width));
	return vector;
}

static void
check_words_as_all(uint32_t nrows, int null_pattern, Depth depth)
{
	static const uint32_t widths[] = {8, 4, 2, 1};
	TsdbVector	vector;

	vector = as_vector(TSDB_VECTOR_FLOAT8, 8, nrows, make_nulls(null_pattern, nrows));
	(void) check(&vector, depth);
	vector = as_vector(TSDB_VECTOR_FLOAT4, 4, nrows, make_nulls(null_pattern, nrows));
	(void) check(&vector, depth);
	for (int i = 0; i < 4; i++)
	{
		vector = as_vector(TSDB_VECTOR_INT, widths[i], nrows, make_nulls(null_pattern, nrows));
		(void) check(&vector, depth);
	}
}

static void
test_constants(void)
{
	static const uint64_t values[] = {
		0, 1, ~UINT64_C(0), 127, 128, 255, 256, UINT64_C(0x8000000000000000),
		UINT64_C(0x7fffffffffffffff), UINT64_C(0x7ff8000000000001), UINT64_C(0x3ff0000000000000)
	};

	for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++)
		for (uint32_t nrows = 1; nrows <= ROWS_MAX; nrows += 341)
			for (int nulls = 0; nulls < 2; nulls++)
			{
				TsdbVector	vector;

				for (uint32_t i = 0; i < nrows; i++)
					words[i] = values[v];
				vector = as_vector(TSDB_VECTOR_FLOAT8, 8, nrows, make_nulls(nulls, nrows));
				expect(check(&vector, AND_HOSTILE) <= 12 || nulls != 0, "at most 12 bytes", &vector);
				vector = as_vector(TSDB_VECTOR_INT, 8, nrows, make_nulls(nulls, nrows));
				expect(check(&vector, AND_HOSTILE) <= 12 || nulls != 0, "at most 12 bytes", &vector);
				check_words_as_all(nrows, nulls, ROUND_TRIP);
			}
	finish("constants");
}

static void
test_steps(void)
{
	for (int shift = 0; shift < 64; shift++)
	{
		uint64_t	step = draw() >> shift;
		uint64_t	start = draw();
		uint32_t	nrows = shift % 2 == 0 ? ROWS_MAX : (uint32_t) (draw() % ROWS_MAX + 3);
		TsdbVector	vector;

		for (uint32_t i = 0; i < nrows; i++)
			words[i] = start + step * i;
		vector = as_vector(TSDB_VECTOR_INT, 8, nrows, NULL);
		expect(check(&vector, ROUND_TRIP) <= 24, "a few bytes", &vector);
		words[nrows - 1]++;
		check_words_as_all(nrows, 0, ROUND_TRIP);
	}
	finish("constant steps, and all but the last");
}

static void
test_bit_widths(void)
{
	for (int width = 0; width <= 64; width++)
		for (int pattern = 0; pattern < 4; pattern++)
		{
			uint64_t	mask = width == 64 ? ~UINT64_C(0) : (UINT64_C(1) << width) - 1;
			uint64_t	sum = draw();
			uint64_t	slope = 0;

			for (uint32_t i = 0; i < ROWS_MAX; i++)
			{
				uint64_t	bits = draw() & mask;

				slope += bits;
				sum += pattern == 2 ? slope : bits;
				words[i] = pattern == 0 ? bits : pattern == 3 ? bits - mask / 2 : sum;
			}
			check_words_as_all(ROWS_MAX - (uint32_t) (draw() % 2 * 77),
							   (int) (draw() % NULL_PATTERNS),
							   width % 8 == pattern ? AND_HOSTILE : ROUND_TRIP);
		}
	finish("every bit width of values, differences and second differences");
}

static void
test_outliers(void)
{
	for (int round = 0; round < 60; round++)
	{
		uint64_t	often = draw() % 40 + 1;
		int			width = (int) (draw() % 20);
		int			beyond = (int) (draw() % 64);
		uint64_t	multiplier = round % 3 == 0 ? draw() % 100000 + 1 : 1;
		uint64_t	sum = 0;

		for (uint32_t i = 0; i < ROWS_MAX; i++)
		{
			uint64_t	bits = draw() & ((UINT64_C(1) << width) - 1);

			if (draw() % often == 0)
				bits = draw() >> beyond;
			if (draw() % often == 0)
				bits = 0 - bits;
			sum += bits;
			words[i] = (round % 2 == 0 ? bits : sum) * multiplier;
		}
		check_words_as_all(ROWS_MAX - (uint32_t) (draw() % 3 * 100), 0,
						   round % 4 == 0 ? AND_HOSTILE : ROUND_TRIP);
	}
	finish("outliers on both sides, common multipliers");
}

static void
test_extremes(void)
{
	static const uint64_t edges[] = {
		UINT64_C(0x8000000000000000), UINT64_C(0x7fffffffffffffff), 0, 1, ~UINT64_C(0)
	};

	for (int round = 0; round < 40; round++)
	{
		uint32_t	nrows = round < 10 ? (uint32_t) round : (uint32_t) (draw() % ROWS_MAX + 1);

		for (uint32_t i = 0; i < nrows; i++)
			words[i] = edges[draw() % (round % 4 + 2)] + (round % 3 == 0 ? draw() % 3 : 0);
		check_words_as_all(nrows, round % NULL_PATTERNS, ROUND_TRIP);
	}
	finish("least and greatest values side by side");
}

static void
test_timestamps(void)
{
	for (int round = 0; round < 24; round++)
	{
		int64_t		time = INT64_C(1700000000000000);
		uint32_t	nrows = ROWS_MAX - (uint32_t) (round % 3 * 511);
		TsdbVector	vector;

		for (uint32_t i = 0; i < nrows; i++)
		{
			words[i] = (uint64_t) (round % 2 == 0 ? time / 1000 * 1000 : time);
			time += 1000000 + (int64_t) (draw() % 8000) - 4000;
			if (round % 5 == 0 && draw() % 100 == 0)
				time += 3600 * INT64_C(1000000);
		}
		vector = as_vector(TSDB_VECTOR_INT, 8, nrows, make_nulls(round % 4, nrows));
		(void) check(&vector, AND_HOSTILE);
	}
	finish("timestamps with jitter and gaps");
}

static void
test_counters(void)
{
	for (int round = 0; round < 24; round++)
	{
		uint64_t	count = draw() % 1000;

		for (uint32_t i = 0; i < ROWS_MAX; i++)
		{
			words[i] = round % 2 == 0 ? count : bits_of((double) count);
			if (draw() % (uint64_t) (round + 1) == 0)
				count += draw() % 100;
			if (draw() % 400 == 0)
				count = 0;
		}
		check_words_as_all(ROWS_MAX, 0, AND_HOSTILE);
	}
	finish("counters with resets");
}

/* Fill words with float8 (or float4) patterns of value(i). */
static void
put(uint32_t row, double value, bool single)
{
	words[row] = single ? float_bits_of((float) value) : bits_of(value);
}

static void
check_floats(uint32_t nrows, int null_pattern, bool single, Depth depth)
{
	TsdbVector	vector = as_vector(single ? TSDB_VECTOR_FLOAT4 : TSDB_VECTOR_FLOAT8,
								   single ? 4 : 8, nrows, make_nulls(null_pattern, nrows));

	(void) check(&vector, depth);
}

static void
test_decimals(void)
{
	for (int digits = 0; digits <= 18; digits++)
		for (int round = 0; round < 8; round++)
		{
			bool		single = round % 2 == 1;
			double		walk = (double) (draw() % 100000);
			int			width = (int) (draw() % 30 + 1);

			for (uint32_t i = 0; i < ROWS_MAX; i++)
			{
				walk += (double) (int64_t) (draw() % 201) - 100;
				put(i, (round < 4 ? walk : (double) (int64_t) (draw() >> (64 - width))) /
					pow(10, digits), single);
				if (round == 7 && draw() % 30 == 0)
					put(i, (double) draw() / 7e18, single);
			}
			check_floats(ROWS_MAX, round % NULL_PATTERNS, single,
						 round == digits % 8 ? AND_HOSTILE : ROUND_TRIP);
		}
	finish("decimals of 0 to 18 digits");
}

static void
test_quotients(void)
{
	static const double divisors[] = {3, 7, 12, 24, 60, 300, 3600, 1024, 1048576, 86400, 37, 1e3};

	for (size_t d = 0; d < sizeof(divisors) / sizeof(divisors[0]); d++)
		for (int round = 0; round < 4; round++)
		{
			for (uint32_t i = 0; i < ROWS_MAX; i++)
			{
				double		value = (double) (draw() % 10000) / divisors[d];

				put(i, round >= 2 ? value * 1.1 : value, round % 2 == 1);
			}
			check_floats(ROWS_MAX, 0, round % 2 == 1, ROUND_TRIP);
		}
	finish("quotients of integers");
}

static void
test_widened(void)
{
	for (int round = 0; round < 16; round++)
	{
		for (uint32_t i = 0; i < ROWS_MAX; i++)
		{
			float		value = (float) ((double) (draw() % 100000) / pow(10, round % 6));

			put(i, (double) (round % 3 == 2 ? value * 1.7f : value), false);
			if (round > 8 && draw() % 64 == 0)
				put(i, round % 2 == 0 ? 0.1 : NAN, false);
		}
		check_floats(ROWS_MAX - (uint32_t) round, round % NULL_PATTERNS, false, AND_HOSTILE);
	}
	finish("float4 values widened to float8");
}

static void
test_exponents(void)
{
	TsdbVector	vector;

	for (uint64_t from = 0; from < 4096; from += 512)
	{
		for (uint32_t i = 0; i < ROWS_MAX; i++)
			words[i] = (from + i / 2) << 52 | (i % 2 == 0 ? 0 : draw() >> 12);
		vector = as_vector(TSDB_VECTOR_FLOAT8, 8, ROWS_MAX, NULL);
		(void) check(&vector, ROUND_TRIP);
	}
	for (uint32_t i = 0; i < ROWS_MAX; i++)
		words[i] = (uint64_t) (i / 2) << 23 | (i % 2 == 0 ? 0 : draw() >> 41);
	vector = as_vector(TSDB_VECTOR_FLOAT4, 4, ROWS_MAX, NULL);
	(void) check(&vector, ROUND_TRIP);
	finish("every exponent of both signs");
}

static void
test_specials(void)
{
	static const uint64_t specials[] = {
		0, UINT64_C(0x8000000000000000), UINT64_C(0x7ff0000000000000),
		UINT64_C(0xfff0000000000000), UINT64_C(0x7ff8000000000000),
		UINT64_C(0xfff8000000000000), UINT64_C(0x7ff0000000000001),
		UINT64_C(0x7ff4dead00beef00), UINT64_C(0xffffffffffffffff), 1,
		UINT64_C(0x000fffffffffffff), UINT64_C(0x8000000000000001),
		UINT64_C(0x7fefffffffffffff), UINT64_C(0x0010000000000000)
	};
	static const uint32_t specials4[] = {
		0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001,
		0x7fa5beef, 0xffffffff, 1, 0x007fffff, 0x80000001, 0x7f7fffff, 0x00800000
	};

	for (int round = 0; round < 32; round++)
	{
		uint64_t	often = (uint64_t) 1 << round % 8;
		bool		single = round / 8 % 2 == 1;

		for (uint32_t i = 0; i < ROWS_MAX; i++)
		{
			put(i, (double) (draw() % 1000) / 10, single);
			if (draw() % often == 0)
				words[i] = single ? specials4[draw() % 14] : specials[draw() % 14];
		}
		check_floats((uint32_t) (draw() % (ROWS_MAX + 1)), round % NULL_PATTERNS, single,
					 AND_HOSTILE);
	}
	finish("NaN payloads, infinities, -0, denormals among decimals");
}

static void
test_random_floats(void)
{
	for (int round = 0; round < 12; round++)
	{
		double		walk = 1;

		for (uint32_t i = 0; i < ROWS_MAX; i++)
		{
			walk *= 1 + ((double) (draw() % 2001) - 1000) * 1e-6;
			put(i, round < 4 ? walk : round < 8 ? (double) (draw() >> 11) / 0x1p53 :
				sin(i * 0.01) * 1e3, round % 2 == 1);
		}
		check_floats(ROWS_MAX, round % NULL_PATTERNS, round % 2 == 1, AND_HOSTILE);
	}
	finish("floats of full precision");
}

static void
test_repeats(void)
{
	for (int round = 0; round < 40; round++)
	{
		uint64_t	distinct[64];
		uint64_t	few = draw() % 63 + 2;
		uint64_t	change = (uint64_t) 1 << round % 7;
		uint64_t	now = 0;

		for (int i = 0; i < 64; i++)
			distinct[i] = round % 2 == 0 ? draw() : bits_of((double) (draw() % 100000) / 100);
		for (uint32_t i = 0; i < ROWS_MAX; i++)
		{
			if (draw() % change == 0)
				now = distinct[draw() % few];
			words[i] = now;
		}
		check_words_as_all(ROWS_MAX - (uint32_t) (draw() % 2 * 300), round % NULL_PATTERNS,
						   round % 4 == 0 ? AND_HOSTILE : ROUND_TRIP);
	}
	finish("runs and few distinct values");
}

/* ---- bytes ---- */

static uint8_t *text;
static uint32_t offsets[ROWS_MAX + 1];

/* Fill text with values by pattern. */
static void
make_text(int pattern, uint32_t nrows)
{
	size_t		at = 0;

	offsets[0] = 0;
	for (uint32_t i = 0; i < nrows; i++)
	{
		size_t		length = pattern == 0 ? 0 : pattern == 1 ? 7 : pattern == 2 ? draw() % 300 :
			pattern == 3 ? draw() % 20 : pattern == 4 ? 12 : pattern == 5 ? 40 : draw() % 5;
		uint64_t	word = draw() % 9;

		for (size_t b = 0; b < length; b++)
			text[at + b] = (uint8_t) (pattern == 1 ? (uint64_t) 'c' : pattern == 2 ? draw() :
									  pattern == 4 ? (uint8_t) "host-a-00"[b % 9] + (b == 8 ? word : 0) :
									  pattern == 5 ? 'a' + (i + b) % 26 : 'a' + draw() % 4);
		at += length;
		offsets[i + 1] = (uint32_t) at;
	}
}

#define TEXT_PATTERNS	7

static void
check_text(uint32_t nrows, int null_pattern, Depth depth)
{
	TsdbVector	vector = {0};
	uint8_t    *data = malloc(offsets[nrows]);

	memcpy(data, text, offsets[nrows]);
	vector.type = TSDB_VECTOR_BYTES;
	vector.nrows = nrows;
	vector.nulls = make_nulls(null_pattern, nrows);
	vector.data = data;
	vector.offsets = offsets;
	(void) check(&vector, depth);
	free(data);
}

static void
test_bytes(void)
{
	for (int pattern = 0; pattern < TEXT_PATTERNS; pattern++)
		for (int nulls = 0; nulls < NULL_PATTERNS; nulls++)
		{
			make_text(pattern, ROWS_MAX);
			check_text(ROWS_MAX, nulls, AND_HOSTILE);
			make_text(pattern, 300);
			check_text(300, nulls, AND_HOSTILE);
		}
	finish("bytes: empty, constant, random, short, labels, patterns");
}

static void
test_big_bytes(void)
{
	TsdbVector	vector = {0};
	size_t		bytes = (size_t) 3 << 20;
	uint8_t    *data = malloc(bytes);

	for (size_t i = 0; i < bytes; i++)
		data[i] = (uint8_t) (i < bytes / 2 ? draw() : i >> 10);
	for (uint32_t i = 0; i <= 48; i++)
		offsets[i] = (uint32_t) (bytes / 48 * i);
	vector.type = TSDB_VECTOR_BYTES;
	vector.nrows = 48;
	vector.data = data;
	vector.offsets = offsets;
	(void) check_level(&vector, TSDB_LEVEL_FAST, ROUND_TRIP);
	vector.nrows = 1;
	offsets[1] = (uint32_t) bytes;
	expect(check_level(&vector, TSDB_LEVEL_FAST, ROUND_TRIP) < bytes * 6 / 10,
		   "a single value is compressed", &vector);
	free(data);
	finish("bytes: megabytes in a vector and in a value");
}

static void
test_fixed(void)
{
	static const uint32_t widths[] = {1, 2, 3, 6, 8, 12, 16, 24, 64, 255, 1000};

	for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]); w++)
		for (int pattern = 0; pattern < 4; pattern++)
			for (int nulls = 0; nulls < NULL_PATTERNS; nulls += 1 + (pattern > 1))
			{
				uint32_t	nrows = widths[w] > 100 ? 100 : ROWS_MAX - (uint32_t) nulls * 100;
				TsdbVector	vector = {0};
				uint8_t    *data = malloc((size_t) widths[w] * nrows);

				for (size_t i = 0; i < (size_t) widths[w] * nrows; i++)
					data[i] = (uint8_t) (pattern == 0 ? 0 : pattern == 1 ? draw() :
										 pattern == 2 ? i / widths[w] % 5 : i % widths[w]);
				vector.type = TSDB_VECTOR_FIXED;
				vector.width = widths[w];
				vector.nrows = nrows;
				vector.nulls = make_nulls(nulls, nrows);
				vector.data = data;
				(void) check(&vector, w % 3 == 0 && nulls < 2 ? AND_HOSTILE : ROUND_TRIP);
				free(data);
			}
	finish("fixed: widths 1 to 1000");
}

/* ---- across types ---- */

static void
test_lengths(void)
{
	for (uint32_t nrows = 0; nrows <= ROWS_MAX; nrows++)
	{
		int			nulls = nrows % 3 == 0 ? (int) (nrows / 3 % NULL_PATTERNS) : 0;
		uint64_t	sum = 0;
		TsdbVector	vector;

		for (uint32_t i = 0; i < nrows; i++)
			words[i] = sum += draw() % 1000;
		vector = as_vector(TSDB_VECTOR_INT, 8, nrows, make_nulls(nulls, nrows));
		(void) check_level(&vector, TSDB_LEVEL_FAST, ROUND_TRIP);
		for (uint32_t i = 0; i < nrows; i++)
			put(i, (double) (draw() % 1000) / 8 * (nrows % 2 == 0 ? 1 : 0.8), false);
		check_floats(nrows, nulls, false, ROUND_TRIP);
		for (uint32_t i = 0; i < nrows; i++)
			put(i, (double) (draw() % 1000) / 100, true);
		vector = as_vector(TSDB_VECTOR_FLOAT4, 4, nrows, make_nulls(nulls, nrows));
		(void) check_level(&vector, TSDB_LEVEL_FAST, ROUND_TRIP);
		make_text((int) (nrows % TEXT_PATTERNS), nrows);
		check_text(nrows, nulls, ROUND_TRIP);
	}
	finish("every length from 0 to 1024");
}

static void
test_null_patterns(void)
{
	for (int nulls = 0; nulls < NULL_PATTERNS; nulls++)
		for (uint32_t nrows = 1; nrows <= ROWS_MAX; nrows = nrows * 3 / 2 + 1)
		{
			for (uint32_t i = 0; i < nrows; i++)
				words[i] = draw();
			check_words_as_all(nrows, nulls, AND_HOSTILE);
			for (uint32_t i = 0; i < nrows; i++)
				words[i] = i * 60 + draw() % 2;
			check_words_as_all(nrows, nulls, AND_HOSTILE);
		}
	finish("null patterns: none, alternating, all, few, tail, head, random");
}

static void
test_random_bytes(void)
{
	TsdbVector	none = {0};
	uint8_t		bytes[96];

	for (int round = 0; round < 60000; round++)
	{
		size_t		count = draw() % sizeof(bytes);

		for (size_t i = 0; i < count; i++)
			bytes[i] = (uint8_t) (draw() % 4 == 0 ? draw() % 4 : draw());
		if (count > 2)
		{
			bytes[0] = (uint8_t) (TSDB_FORMAT_VERSION << TSDB_FORMAT_VERSION_SHIFT |
								  (draw() & 0x17));
			bytes[bytes[0] & TSDB_FORMAT_FULL ? 1 : 2] = (uint8_t) (draw() % 13);
		}
		(void) decode_any(bytes, count, &none);
	}
	finish("random bytes");
}

static void
test_refusals(void)
{
	TsdbVector	vector = {0};
	size_t		scratch_bytes = tsdb_codec_scratch_bytes(TSDB_VECTOR_INT, 8, 0);
	uint8_t    *scratch = allocate(scratch_bytes + 16);
	uint8_t		dst[64];
	uint8_t		nulls[TSDB_VECTOR_NULL_BYTES];
	uint32_t	descending[3] = {0, 5, 3};
	ptrdiff_t	bytes;
	TsdbVector	out = {0};

	vector.type = TSDB_VECTOR_INT;
	vector.width = 3;
	vector.nrows = 2;
	vector.float8s = words;
	expect(tsdb_codec_encode(&vector, TSDB_LEVEL_FAST, scratch, scratch_bytes, dst,
							 sizeof(dst)) == TSDB_CODEC_INVALID, "width", &vector);
	vector.width = 8;
	vector.nrows = ROWS_MAX + 1;
	expect(tsdb_codec_encode(&vector, TSDB_LEVEL_FAST, scratch, scratch_bytes, dst,
							 sizeof(dst)) == TSDB_CODEC_INVALID, "rows", &vector);
	vector.nrows = 2;
	words[0] = 1;
	words[1] = 5;
	expect(tsdb_codec_encode(&vector, TSDB_LEVEL_FAST, scratch + 1, scratch_bytes, dst,
							 sizeof(dst)) == TSDB_CODEC_INVALID, "alignment", &vector);
	expect(tsdb_codec_encode(&vector, TSDB_LEVEL_FAST, scratch, 100, dst,
							 sizeof(dst)) == TSDB_CODEC_INVALID, "scratch", &vector);
	bytes = tsdb_codec_encode(&vector, TSDB_LEVEL_FAST, scratch, scratch_bytes, dst, sizeof(dst));
	out.nulls = nulls;
	out.float8s = words + 8;
	expect(bytes > 0 && tsdb_codec_decode_range(dst, (size_t) bytes, 1, 1, scratch, scratch_bytes,
												&out) == TSDB_CODEC_INVALID, "first", &vector);
	expect(tsdb_codec_decode_range(dst, (size_t) bytes, 0, 3, scratch, scratch_bytes,
								   &out) == TSDB_CODEC_INVALID, "count", &vector);
	dst[0] ^= 0xe0;
	expect(tsdb_codec_decode(dst, (size_t) bytes, scratch, scratch_bytes, &out) ==
		   TSDB_CODEC_CORRUPT, "version", &vector);
	vector.type = TSDB_VECTOR_BYTES;
	vector.data = text;
	vector.offsets = descending;
	free(scratch);
	scratch_bytes = tsdb_codec_scratch_bytes(TSDB_VECTOR_BYTES, 0, 5);
	scratch = allocate(scratch_bytes);
	expect(tsdb_codec_encode(&vector, TSDB_LEVEL_FAST, scratch, scratch_bytes, dst,
							 sizeof(dst)) == TSDB_CODEC_INVALID, "offsets", &vector);
	expect(tsdb_codec_name(200) == NULL, "name", &vector);
	free(scratch);
	finish("arguments that make no sense");
}

int
main(void)
{
	text = malloc((size_t) ROWS_MAX * 300);
	test_constants();
	test_steps();
	test_bit_widths();
	test_outliers();
	test_extremes();
	test_timestamps();
	test_counters();
	test_decimals();
	test_quotients();
	test_widened();
	test_exponents();
	test_specials();
	test_random_floats();
	test_repeats();
	test_bytes();
	test_big_bytes();
	test_fixed();
	test_lengths();
	test_null_patterns();
	test_random_bytes();
	test_refusals();
	free(text);
	(void) scratch_of(0);
	return summary();
}
