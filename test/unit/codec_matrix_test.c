/*
 * codec_matrix_test.c
 *		Every matrix comes back bit for bit, lane by lane and range by range.
 *
 * Matrices are made of lanes that follow from each other as histograms,
 * copies and totals do, of lanes that only nearly do, and of noise, constants
 * and nulls between them.  Buffers have exactly the sizes that matrix.h names.
 *
 *		codec_matrix_test			all tests
 *		codec_matrix_test write		encode golden matrices that have no file yet
 *
 * Golden matrices, files of test/unit/golden, were encoded once and must
 * always decode to what they did then.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/matrix.h"
#include "harness.h"

#define ROWS_MAX	TSDB_VECTOR_ROWS_MAX
#define BLOCK		TSDB_VECTOR_BLOCK_ROWS
#define LANES_MAX	40

static uint64_t values[LANES_MAX][ROWS_MAX];
static uint32_t halves[LANES_MAX][ROWS_MAX];
static uint8_t nulls[LANES_MAX][TSDB_VECTOR_NULL_BYTES];

static void
expect(bool condition, const char *what)
{
	if (!condition)
		fail("%s", what);
}

static uint64_t
bits_of(double value)
{
	uint64_t	bits;

	memcpy(&bits, &value, 8);
	return bits;
}

/* The integers in values as lanes of a type; floats are divided by a scale. */
static void
make_lanes(TsdbVectorType type, uint32_t width, uint32_t nlanes, uint32_t nrows,
		   double scale, TsdbVector *lanes)
{
	for (uint32_t lane = 0; lane < nlanes; lane++)
	{
		lanes[lane] = (TsdbVector) {.type = type,.width = width,.nrows = nrows,
		.nulls = nulls[lane],.float8s = values[lane]};
		for (uint32_t row = 0; row < nrows; row++)
		{
			int64_t		value = (int64_t) values[lane][row];
			float		single = (float) ((double) value / scale);

			if (type == TSDB_VECTOR_FLOAT8)
				values[lane][row] = bits_of((double) value / scale);
			else if (type == TSDB_VECTOR_INT)
				values[lane][row] = (uint64_t) ((int64_t) ((uint64_t) value << (64 - 8 * width)) >>
												(64 - 8 * width));
			else
				memcpy(&halves[lane][row], &single, 4);
		}
		if (type == TSDB_VECTOR_FLOAT4)
			lanes[lane].float4s = halves[lane];
	}
}

static bool
same(const TsdbVector *lane, uint32_t first, uint32_t count, const TsdbVector *out)
{
	size_t		width = lane->type == TSDB_VECTOR_FLOAT4 ? 4 : 8;

	if (out->nrows != count || out->type != lane->type || out->width != lane->width)
		return false;
	for (uint32_t i = 0; i < count; i++)
	{
		bool		null = lane->nulls[(first + i) / 8] >> (first + i) % 8 & 1;
		static const uint8_t zero[8];

		if ((out->nulls[i / 8] >> i % 8 & 1) != null ||
			memcmp(out->data + i * width, null ? zero : lane->data + (first + i) * width,
				   width) != 0)
			return false;
	}
	return true;
}

static TsdbVector
make_out(uint32_t rows)
{
	TsdbVector	out = {.nulls = malloc(TSDB_VECTOR_NULL_BYTES),
	.data = malloc((size_t) (rows + BLOCK - 1) / BLOCK * BLOCK * 8)};

	return out;
}

static void
free_out(TsdbVector *out)
{
	free(out->nulls);
	free(out->data);
}

/* Whatever the bytes say, opening and decoding them stays in bounds. */
static void
be_hostile(const uint8_t *encoded, size_t bytes, void *scratch, size_t scratch_bytes)
{
	static TsdbMatrix matrix;
	TsdbVector	out = make_out(ROWS_MAX);

	for (int i = 0; i < 200; i++)
	{
		size_t		size = i % 4 == 0 ? draw() % bytes : bytes;
		uint8_t    *bad = malloc(size + 1);

		memcpy(bad, encoded, size);
		for (uint64_t flips = draw() % 4; flips > 0 && size > 0; flips--)
			bad[i % 2 == 0 && size > 80 ? size - 1 - draw() % 80 : draw() % size] ^=
				(uint8_t) (1 << draw() % 8);
		if (tsdb_matrix_open(bad, size, scratch, scratch_bytes, &matrix) == TSDB_CODEC_OK)
			for (uint32_t lane = 0; lane < matrix.nlanes; lane++)
			{
				TsdbCodecStatus status = tsdb_matrix_decode(&matrix, lane, 0, matrix.nrows, NULL,
															scratch, scratch_bytes, &out);

				expect(status == TSDB_CODEC_OK || status == TSDB_CODEC_CORRUPT, "status");
			}
		free(bad);
	}
	free_out(&out);
}

/* Everything that must hold for a matrix; returns its bytes at level fast. */
static size_t
check(const TsdbVector *lanes, uint32_t nlanes)
{
	static TsdbMatrix matrix;
	TsdbVector	before[LANES_MAX];
	size_t		scratch_bytes = tsdb_matrix_scratch_bytes(nlanes);
	void	   *scratch = allocate(scratch_bytes);
	uint32_t	nrows = lanes[0].nrows;
	size_t		fast = 0;

	for (int level = TSDB_LEVEL_COLD; level >= TSDB_LEVEL_FAST; level--)
	{
		uint8_t    *roomy = malloc(tsdb_matrix_bound(nlanes));
		ptrdiff_t	bytes = tsdb_matrix_encode(lanes, nlanes, (TsdbCodecLevel) level, scratch,
											   scratch_bytes, roomy, tsdb_matrix_bound(nlanes));
		uint8_t    *encoded = malloc(bytes > 0 ? (size_t) bytes : 1);

		expect(bytes > 0, "encode");
		if (bytes <= 0)
			return 0;
		fast = (size_t) bytes;
		expect(tsdb_matrix_encode(lanes, nlanes, (TsdbCodecLevel) level, scratch, scratch_bytes,
								  encoded, (size_t) bytes - 1) == TSDB_CODEC_NO_SPACE,
			   "a byte too few");
		expect(tsdb_matrix_encode(lanes, nlanes, (TsdbCodecLevel) level, scratch, scratch_bytes,
								  encoded, (size_t) bytes) == bytes &&
			   memcmp(encoded, roomy, (size_t) bytes) == 0, "twice alike");
		free(roomy);
		memset(scratch, 0x5a, scratch_bytes);
		expect(tsdb_matrix_open(encoded, (size_t) bytes, scratch, scratch_bytes, &matrix) ==
			   TSDB_CODEC_OK && matrix.nlanes == nlanes && matrix.nrows == nrows, "open");
		for (uint32_t lane = 0; lane < nlanes && good; lane++)
		{
			uint32_t	first = (uint32_t) (draw() % (nrows / BLOCK + 1)) * BLOCK;
			uint32_t	count = (uint32_t) (draw() % (nrows - first + 1));
			TsdbVector	out = make_out(count);

			before[lane] = make_out(nrows);
			expect(tsdb_matrix_decode(&matrix, lane, 0, nrows, before, scratch, scratch_bytes,
									  &before[lane]) == TSDB_CODEC_OK &&
				   same(&lanes[lane], 0, nrows, &before[lane]), "decode after the others");
			expect(tsdb_matrix_decode(&matrix, lane, first, count, NULL, scratch, scratch_bytes,
									  &out) == TSDB_CODEC_OK &&
				   same(&lanes[lane], first, count, &out), "decode a range alone");
			free_out(&out);
		}
		for (uint32_t lane = 0; lane < nlanes && good; lane++)
			free_out(&before[lane]);
		be_hostile(encoded, (size_t) bytes, scratch, scratch_bytes);
		free(encoded);
	}
	free(scratch);
	return fast;
}

/* Cumulative bucket counts of rare events, as a scrape sees them. */
static void
fill_histogram(uint32_t nlanes, uint32_t nrows)
{
	uint64_t	counts[LANES_MAX] = {0};

	memset(nulls, 0, sizeof(nulls));
	for (uint32_t row = 0; row < nrows; row++)
	{
		for (uint64_t events = draw() % 3; events > 0; events--)
			counts[draw() % nlanes * (draw() % 4 == 0)]++;
		for (uint32_t lane = 0; lane < nlanes; lane++)
			values[lane][row] = counts[lane] + (lane > 0 ? values[lane - 1][row] : 1000);
	}
}

static void
test_histograms(void)
{
	static const uint32_t heights[] = {1024, 1000, 129, 128, 5, 1};
	TsdbVector	lanes[LANES_MAX];

	for (size_t i = 0; i < sizeof(heights) / sizeof(heights[0]); i++)
	{
		size_t		bytes;

		fill_histogram(20, heights[i]);
		make_lanes(TSDB_VECTOR_INT, 8, 20, heights[i], 1, lanes);
		bytes = check(lanes, 20);
		expect(heights[i] < 1000 || bytes * 8 < heights[i] * 20, "less than a bit a count");
		fill_histogram(20, heights[i]);
		make_lanes(TSDB_VECTOR_FLOAT8, 8, 20, heights[i], 1, lanes);
		bytes = check(lanes, 20);
		expect(heights[i] < 1000 || bytes * 8 < heights[i] * 20, "less than a bit a count");
	}
	finish("cumulative histograms of integers and floats");
}

static void
test_relations(void)
{
	TsdbVector	lanes[LANES_MAX];
	static const uint32_t widths[] = {8, 4, 2, 1};

	for (int round = 0; round < 24; round++)
	{
		uint32_t	nrows = round % 3 == 0 ? ROWS_MAX : (uint32_t) (draw() % ROWS_MAX + 1);
		uint32_t	nlanes = (uint32_t) (draw() % (LANES_MAX - 1)) + 2;

		memset(nulls, 0, sizeof(nulls));
		for (uint32_t lane = 0; lane < nlanes; lane++)
		{
			uint32_t	a = lane == 0 ? 0 : (uint32_t) (draw() % lane);
			uint32_t	b = lane == 0 ? 0 : (uint32_t) (draw() % lane);
			int			how = lane == 0 ? 0 : (int) (draw() % 7);
			uint64_t	walk = draw() % 1000000;

			for (uint32_t row = 0; row < nrows; row++)
			{
				walk += draw() % 2000 - 900;
				values[lane][row] = how == 1 ? values[a][row] + 77 :
					how == 2 ? values[a][row] + values[b][row] :
					how == 3 ? values[a][row] - values[b][row] :
					how == 4 ? 5 : how == 5 ? values[a][row] + draw() % 3 : walk;
				if (how == 6 && draw() % 9 == 0)
				{
					nulls[lane][row / 8] |= (uint8_t) (1 << row % 8);
				}
			}
		}
		if (round % 4 == 0)
			make_lanes(TSDB_VECTOR_FLOAT8, 8, nlanes, nrows, 1, lanes);
		else if (round % 4 == 1)
			make_lanes(TSDB_VECTOR_FLOAT8, 8, nlanes, nrows, round % 8 == 1 ? 100 : 7, lanes);
		else if (round % 4 == 2)
			make_lanes(TSDB_VECTOR_FLOAT4, 4, nlanes, nrows, 4, lanes);
		else
			make_lanes(TSDB_VECTOR_INT, widths[round / 4 % 4], nlanes, nrows, 1, lanes);
		(void) check(lanes, nlanes);
	}
	finish("copies, sums, differences, near copies, constants and nulls between them");
}

static void
test_extremes(void)
{
	static const uint64_t edges[] = {
		UINT64_C(0x8000000000000000), UINT64_C(0x7fffffffffffffff), 0, 1, ~UINT64_C(0),
		UINT64_C(0x7ff0000000000000), UINT64_C(0x7ff8000000000001), UINT64_C(0x433fffffffffffff),
		UINT64_C(0x4340000000000000), UINT64_C(0x4330000000000001)
	};
	TsdbVector	lanes[LANES_MAX];

	for (int round = 0; round < 20; round++)
	{
		uint32_t	nrows = (uint32_t) (draw() % 300 + 1);

		memset(nulls, round % 5 == 4 ? 0xff : 0, sizeof(nulls));
		for (uint32_t lane = 0; lane < 6; lane++)
			for (uint32_t row = 0; row < nrows; row++)
				values[lane][row] = edges[draw() % 10];
		for (uint32_t lane = 0; lane < 6; lane++)
		{
			if (nrows % 8 != 0)
				nulls[lane][nrows / 8] &= (uint8_t) ((1 << nrows % 8) - 1);
			memset(nulls[lane] + (nrows + 7) / 8, 0, TSDB_VECTOR_NULL_BYTES - (nrows + 7) / 8);
			lanes[lane] = (TsdbVector) {.type = round % 2 == 0 ? TSDB_VECTOR_INT :
			TSDB_VECTOR_FLOAT8,.width = 8,.nrows = nrows,.nulls = nulls[lane],
			.float8s = values[lane]};
		}
		(void) check(lanes, 6);
	}
	finish("extremes of integers and floats, all null");
}

static void
test_refusals(void)
{
	TsdbVector	lanes[LANES_MAX];
	size_t		scratch_bytes = tsdb_matrix_scratch_bytes(2);
	uint8_t    *scratch = allocate(scratch_bytes);
	static uint8_t dst[20000];
	static TsdbMatrix matrix;
	ptrdiff_t	bytes;
	TsdbVector	out = make_out(ROWS_MAX);

	fill_histogram(2, 300);
	make_lanes(TSDB_VECTOR_INT, 8, 2, 300, 1, lanes);
	expect(tsdb_matrix_encode(lanes, 0, TSDB_LEVEL_FAST, scratch, scratch_bytes, dst,
							  sizeof(dst)) == TSDB_CODEC_INVALID, "no lanes");
	expect(tsdb_matrix_encode(lanes, 2, TSDB_LEVEL_FAST, scratch + 1, scratch_bytes - 16, dst,
							  sizeof(dst)) == TSDB_CODEC_INVALID, "crooked scratch");
	expect(tsdb_matrix_encode(lanes, 2, TSDB_LEVEL_FAST, scratch, 1000, dst,
							  sizeof(dst)) == TSDB_CODEC_INVALID, "little scratch");
	bytes = tsdb_matrix_encode(lanes, 2, TSDB_LEVEL_FAST, scratch, scratch_bytes, dst, sizeof(dst));
	expect(bytes > 0 && tsdb_matrix_open(dst, (size_t) bytes, scratch, scratch_bytes, &matrix) ==
		   TSDB_CODEC_OK, "open");
	expect(tsdb_matrix_decode(&matrix, 2, 0, 10, NULL, scratch, scratch_bytes, &out) ==
		   TSDB_CODEC_INVALID, "no such lane");
	expect(tsdb_matrix_decode(&matrix, 0, 5, 10, NULL, scratch, scratch_bytes, &out) ==
		   TSDB_CODEC_INVALID, "not a block");
	expect(tsdb_matrix_decode(&matrix, 0, 128, 173, NULL, scratch, scratch_bytes, &out) ==
		   TSDB_CODEC_INVALID, "past the end");
	lanes[1].nrows = 299;
	expect(tsdb_matrix_encode(lanes, 2, TSDB_LEVEL_FAST, scratch, scratch_bytes, dst,
							  sizeof(dst)) == TSDB_CODEC_INVALID, "other height");
	lanes[1].nrows = 300;
	lanes[1].type = TSDB_VECTOR_FLOAT8;
	expect(tsdb_matrix_encode(lanes, 2, TSDB_LEVEL_FAST, scratch, scratch_bytes, dst,
							  sizeof(dst)) == TSDB_CODEC_INVALID, "other type");
	free_out(&out);
	free(scratch);
	finish("what makes no sense is refused");
}

/* Lanes of a golden matrix, in integer and single float operations. */
static uint32_t
make_golden(bool is_float, TsdbVector *lanes)
{
	uint32_t	nlanes = 12;
	uint32_t	nrows = is_float ? ROWS_MAX : 300;
	uint64_t	noise = 42;

	memset(nulls, 0, sizeof(nulls));
	for (uint32_t row = 0; row < nrows; row++)
		for (uint32_t lane = 0; lane < nlanes; lane++)
		{
			uint64_t	before = row > 0 ? values[lane][row - 1] : lane * 1000;

			noise = noise * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
			values[lane][row] = lane < 5 ?	/* a histogram */
				before + (noise >> 61 <= lane) + (lane > 0 && row > 0 ?
												  values[lane - 1][row] - values[lane - 1][row - 1] : 0) :
				lane == 5 ? 7 :
				lane < 8 ? before + (noise >> 55) - 200 :
				lane == 8 ? values[6][row] + values[7][row] :
				lane == 9 ? values[6][row] - values[7][row] + 3 :
				lane == 10 ? values[7][row] : noise >> 50;
			if (lane == 11 && row % 17 == 3)
				nulls[lane][row / 8] |= (uint8_t) (1 << row % 8);
		}
	make_lanes(is_float ? TSDB_VECTOR_FLOAT8 : TSDB_VECTOR_INT, 8, nlanes, nrows, 1, lanes);
	return nlanes;
}

static const char *
golden_path(bool is_float)
{
	return is_float ? "test/unit/golden/float8.matrix" : "test/unit/golden/int8.matrix";
}

static int
write_goldens(void)
{
	TsdbVector	lanes[LANES_MAX];
	size_t		scratch_bytes = tsdb_matrix_scratch_bytes(LANES_MAX);
	void	   *scratch = allocate(scratch_bytes);
	static uint8_t encoded[100000];

	for (int is_float = 0; is_float < 2; is_float++)
	{
		uint32_t	nlanes = make_golden(is_float, lanes);
		ptrdiff_t	bytes = tsdb_matrix_encode(lanes, nlanes, TSDB_LEVEL_FAST, scratch,
											   scratch_bytes, encoded, sizeof(encoded));
		FILE	   *file = fopen(golden_path(is_float), "wbx");

		if (bytes <= 0 || file == NULL ||
			fwrite(encoded, 1, (size_t) bytes, file) != (size_t) bytes || fclose(file) != 0)
			return 1;
	}
	free(scratch);
	return 0;
}

static void
test_goldens(void)
{
	static TsdbMatrix matrix;
	static uint8_t encoded[100000];
	TsdbVector	lanes[LANES_MAX];
	size_t		scratch_bytes = tsdb_matrix_scratch_bytes(LANES_MAX);
	void	   *scratch = allocate(scratch_bytes);
	TsdbVector	out = make_out(ROWS_MAX);

	for (int is_float = 0; is_float < 2; is_float++)
	{
		uint32_t	nlanes = make_golden(is_float, lanes);
		FILE	   *file = fopen(golden_path(is_float), "rb");
		size_t		bytes = file == NULL ? 0 : fread(encoded, 1, sizeof(encoded), file);

		if (file != NULL)
			fclose(file);
		expect(tsdb_matrix_open(encoded, bytes, scratch, scratch_bytes, &matrix) ==
			   TSDB_CODEC_OK && matrix.nlanes == nlanes, "open a golden matrix");
		for (uint32_t lane = 0; lane < nlanes && good; lane++)
			expect(tsdb_matrix_decode(&matrix, lane, 0, matrix.nrows, NULL, scratch,
									  scratch_bytes, &out) == TSDB_CODEC_OK &&
				   same(&lanes[lane], 0, lanes[lane].nrows, &out), "decode a golden lane");
	}
	free_out(&out);
	free(scratch);
	finish("matrices encoded long ago");
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "write") == 0)
		return write_goldens();
	test_goldens();
	test_histograms();
	test_relations();
	test_extremes();
	test_refusals();
	return summary();
}
