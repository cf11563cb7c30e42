/*
 * codec_golden_test.c
 *		Vectors encoded long ago decode to what they always did.
 *
 *		codec_golden_test				decode all golden vectors
 *		codec_golden_test write NAME	encode one anew: only for a name that
 *										has no file yet
 *
 * Run from the root of the repository.  A golden vector is a file of
 * test/unit/golden; the rows that it holds are made here by the formula of its
 * name, in integer and single correctly rounded float arithmetic.  The codec
 * that it was written with is stated too, so that each has its examples
 * whatever the chooser prefers today.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"

#define DIRECTORY	"test/unit/golden"
#define DATA_MAX	(64 * 1024)

typedef struct Golden
{
	const char *name;
	TsdbVectorType type;
	uint32_t	width;
	uint32_t	nrows;
	int			formula;
	int			nulls;			/* 0 none, n: every n-th row, -1 all, -2 tail */
	TsdbCodecLevel level;
	const char *codec;
} Golden;

static const Golden goldens[] = {
	{"null", TSDB_VECTOR_INT, 8, 100, 0, -1, TSDB_LEVEL_FAST, "null"},
	{"empty", TSDB_VECTOR_FLOAT8, 8, 0, 0, 0, TSDB_LEVEL_FAST, "null"},
	{"constant-int", TSDB_VECTOR_INT, 4, 1024, 0, 0, TSDB_LEVEL_FAST, "constant"},
	{"constant-float", TSDB_VECTOR_FLOAT8, 8, 1000, 1, 3, TSDB_LEVEL_FAST, "constant"},
	{"constant-fixed", TSDB_VECTOR_FIXED, 16, 50, 0, 0, TSDB_LEVEL_FAST, "constant"},
	{"constant-bytes", TSDB_VECTOR_BYTES, 0, 50, 0, 7, TSDB_LEVEL_FAST, "constant"},
	{"step", TSDB_VECTOR_INT, 8, 1024, 2, 0, TSDB_LEVEL_FAST, "step"},
	{"frame", TSDB_VECTOR_INT, 2, 1024, 3, 0, TSDB_LEVEL_FAST, "frame"},
	{"frame-patched", TSDB_VECTOR_INT, 8, 900, 4, 5, TSDB_LEVEL_FAST, "frame"},
	{"delta", TSDB_VECTOR_INT, 8, 1024, 5, 0, TSDB_LEVEL_FAST, "delta"},
	{"delta-multiplied", TSDB_VECTOR_INT, 8, 700, 6, 0, TSDB_LEVEL_FAST, "delta"},
	{"delta2", TSDB_VECTOR_INT, 8, 1024, 7, 0, TSDB_LEVEL_FAST, "delta2"},
	{"runs", TSDB_VECTOR_FLOAT8, 8, 1024, 8, 0, TSDB_LEVEL_FAST, "runs"},
	{"dictionary-float", TSDB_VECTOR_FLOAT8, 8, 1024, 9, 0, TSDB_LEVEL_FAST, "dictionary"},
	{"decimal", TSDB_VECTOR_FLOAT8, 8, 1024, 10, 0, TSDB_LEVEL_FAST, "decimal"},
	{"decimal-exceptions", TSDB_VECTOR_FLOAT8, 8, 1000, 11, -2, TSDB_LEVEL_FAST, "decimal"},
	{"decimal-single", TSDB_VECTOR_FLOAT4, 4, 1024, 10, 0, TSDB_LEVEL_FAST, "decimal"},
	{"decimal-wide", TSDB_VECTOR_FLOAT8, 8, 300, 12, 0, TSDB_LEVEL_FAST, "decimal"},
	{"ulp", TSDB_VECTOR_FLOAT8, 8, 1024, 13, 0, TSDB_LEVEL_FAST, "decimal+ulp"},
	{"widened", TSDB_VECTOR_FLOAT8, 8, 1024, 14, 0, TSDB_LEVEL_FAST, "decimal"},
	{"gorilla", TSDB_VECTOR_FLOAT8, 8, 500, 15, 0, TSDB_LEVEL_FAST, "gorilla"},
	{"gorilla-single", TSDB_VECTOR_FLOAT4, 4, 500, 15, 0, TSDB_LEVEL_FAST, "gorilla"},
	{"raw", TSDB_VECTOR_FLOAT8, 8, 300, 16, 0, TSDB_LEVEL_FAST, "raw"},
	{"frame-float", TSDB_VECTOR_FLOAT8, 8, 300, 17, 0, TSDB_LEVEL_FAST, "frame"},
	{"dictionary-bytes", TSDB_VECTOR_BYTES, 0, 1024, 9, 4, TSDB_LEVEL_FAST, "dictionary"},
	{"dictionary-fixed", TSDB_VECTOR_FIXED, 16, 1024, 9, 0, TSDB_LEVEL_FAST, "dictionary"},
	{"raw-bytes", TSDB_VECTOR_BYTES, 0, 40, 16, 0, TSDB_LEVEL_FAST, "raw"},
	{"zstd-bytes", TSDB_VECTOR_BYTES, 0, 400, 2, 0, TSDB_LEVEL_FAST, "zstd"},
	{"front-bytes", TSDB_VECTOR_BYTES, 0, 1024, 20, 9, TSDB_LEVEL_FAST, "front"},
	{"front-fixed", TSDB_VECTOR_FIXED, 16, 700, 20, 0, TSDB_LEVEL_COLD, "front"},
	{"front-plain", TSDB_VECTOR_BYTES, 0, 12, 20, 0, TSDB_LEVEL_FAST, "front"},
	{"dictionary-front", TSDB_VECTOR_BYTES, 0, 1024, 21, 5, TSDB_LEVEL_FAST, "dictionary"},
	{"bins-frame", TSDB_VECTOR_INT, 8, 1024, 4, 9, TSDB_LEVEL_COLD, "frame"},
	{"bins-delta", TSDB_VECTOR_INT, 8, 1024, 6, 0, TSDB_LEVEL_COLD, "delta"},
	{"bins-delta2", TSDB_VECTOR_INT, 8, 1000, 19, 0, TSDB_LEVEL_COLD, "delta2"},
	{"bins-ulp", TSDB_VECTOR_FLOAT8, 8, 1024, 13, 0, TSDB_LEVEL_COLD, "decimal+ulp"},
	{"shape-frame", TSDB_VECTOR_INT, 8, 1000, 22, 11, TSDB_LEVEL_COLD, "frame"},
	{"shape-delta", TSDB_VECTOR_FLOAT8, 8, 1024, 23, 0, TSDB_LEVEL_COLD, "decimal"},
	{"shape-narrow", TSDB_VECTOR_INT, 4, 1024, 24, 0, TSDB_LEVEL_COLD, "delta"},
	{"cold", TSDB_VECTOR_FLOAT8, 8, 1024, 18, 0, TSDB_LEVEL_COLD, "decimal"},
};

#define GOLDENS ((int) (sizeof(goldens) / sizeof(goldens[0])))

static uint64_t numbers[TSDB_VECTOR_ROWS_MAX];
static uint8_t data[DATA_MAX];
static uint32_t offsets[TSDB_VECTOR_ROWS_MAX + 1];
static uint8_t nulls[TSDB_VECTOR_NULL_BYTES];
static uint64_t noise;

/* The next pseudo-random number of a vector. */
static uint64_t
draw(void)
{
	noise = noise * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return noise >> 33;
}

/* A number around six times width, seldom far from it. */
static uint64_t
bell(uint64_t width)
{
	uint64_t	sum = 0;

	for (int i = 0; i < 12; i++)
		sum += draw() % (width + 1);
	return sum;
}

static uint64_t
float_pattern(double value, bool single)
{
	float		narrow = (float) value;
	uint64_t	bits = 0;

	if (single)
		memcpy(&bits, &narrow, 4);
	else
		memcpy(&bits, &value, 8);
	return bits;
}

/* Row i of a formula, as an integer or as a float's pattern. */
static uint64_t
number_of(int formula, uint32_t i, TsdbVectorType type)
{
	static uint64_t walk;
	static uint64_t slope;
	bool		single = type == TSDB_VECTOR_FLOAT4;

	if (i == 0)
		walk = slope = 0;
	switch (formula)
	{
		case 0:
			return 77;
		case 1:
			return float_pattern(-12.5, single);
		case 2:
			return UINT64_C(1700000000000000) + i * UINT64_C(10000000);
		case 3:
			return draw() % 500 + 1000;
		case 4:
			return draw() % 37 == 0 ? draw() * 5000 : 0 - draw() % 100;
		case 5:
			return walk += draw() % 300;
		case 6:
			return (walk += draw() % 9 + (draw() % 90 == 0 ? 4000 : 0)) * 250000;
		case 7:
			return walk += slope += draw() % 8;
		case 8:
			if (draw() % 40 == 0)
				walk += draw() % 100;
			return float_pattern((double) walk / 10, single);
		case 9:
			walk = draw() % 13;
			return float_pattern((double) (walk * walk * walk * 7919) / 7, single);
		case 10:
			walk += draw() % 21;
			return float_pattern(((double) walk - 5000) / 100, single);
		case 11:
			if (draw() % 60 == 0)
				return draw() % 2 == 0 ? UINT64_C(0x7ff8000000000123) :
					UINT64_C(0x8000000000000000);
			return float_pattern((double) (draw() % 4000) / 1000, single);
		case 12:
			if (i == 0)
				walk = (UINT64_C(1) << 52) - 70000;
			return float_pattern((double) (walk += draw() % 1000), single);
		case 13:
			return float_pattern((double) (draw() % 2000) / 60 * 1.1, single);
		case 14:
			return float_pattern((double) (float) ((double) (draw() % 20000) / 1000), single);
		case 15:
			if (i == 0)
				walk = float_pattern(1.5, single);
			return walk ^= UINT64_C(1) << draw() % (single ? 20 : 44);
		case 16:
			return draw() << 33 ^ draw() << 10 ^ draw();
		case 17:
			return UINT64_C(0x4000000000000000) | draw() << 20 | (draw() & 0xfffff);
		case 20:
			return i / 6 * (i / 6 + 7919);
		case 21:
			walk += draw() % 4 == 0;
			return UINT64_C(0x37e119b97f) | (walk * walk * 977 & 0xffffff) << 40;
		case 22:
			return draw() % 500 == 0 ? draw() % 60000 : bell(400) - 2000;
		case 23:
			walk += bell(60);
			return float_pattern(((double) walk - 360 * (double) i) / 100, single);
		case 24:
			return walk += bell(1) - 6;
		case 19:
			return walk += slope += draw() % 64 * (draw() % 64) * (draw() % 64);
		default:
			return float_pattern((double) (i % 50 * (i % 50) % 37) / 4, single);
	}
}

/* The rows that a golden vector stands for. */
static TsdbVector
make_vector(const Golden *golden)
{
	TsdbVector	vector = {0};
	uint32_t	at = 0;

	noise = 42;
	memset(nulls, 0, sizeof(nulls));
	offsets[0] = 0;
	vector.type = golden->type;
	vector.width = golden->width;
	vector.nrows = golden->nrows;
	vector.nulls = nulls;
	vector.offsets = offsets;
	for (uint32_t i = 0; i < golden->nrows; i++)
	{
		uint64_t	number = number_of(golden->formula, i, golden->type);
		bool		null = golden->nulls > 0 ? i % (uint32_t) golden->nulls == 0 :
			golden->nulls == -1 || (golden->nulls == -2 && i > golden->nrows / 2);
		uint32_t	length = golden->type == TSDB_VECTOR_FIXED ? golden->width :
			golden->formula == 0 ? 12 : golden->formula == 20 ? 16 : golden->formula == 21 ? 8 : (uint32_t) (number % (golden->formula == 16 ? 8 : 23));

		if (null)
			nulls[i / 8] |= (uint8_t) (1 << i % 8);
		if (golden->type < TSDB_VECTOR_FIXED)
		{
			if (golden->type == TSDB_VECTOR_FLOAT4)
				((uint32_t *) numbers)[i] = null ? 0 : (uint32_t) number;
			else
				numbers[i] = null ? 0 : number;
			continue;
		}
		if (golden->type == TSDB_VECTOR_BYTES && null)
			length = 0;
		for (uint32_t b = 0; b < length; b++)
			data[at++] = golden->formula != 20 ? (uint8_t) (number >> b % 8 * 8) :
				b < 14 ? (uint8_t) (number * (b * 2 + 1)) : (uint8_t) draw();
		offsets[i + 1] = at;
	}
	if (golden->type >= TSDB_VECTOR_FIXED)
		vector.data = data;
	else
		vector.float8s = numbers;
	return vector;
}

static size_t
row_bytes(const Golden *golden)
{
	return golden->type == TSDB_VECTOR_FIXED ? golden->width :
		golden->type == TSDB_VECTOR_FLOAT4 ? 4 : 8;
}

static const char *
path_of(const Golden *golden)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s.vector", DIRECTORY, golden->name);
	return path;
}

static int
write_golden(const Golden *golden)
{
	static uint8_t encoded[2 * DATA_MAX];
	TsdbVector	vector = make_vector(golden);
	size_t		scratch_bytes = tsdb_codec_scratch_bytes(golden->type, golden->width, DATA_MAX);
	void	   *scratch = aligned_alloc(16, (scratch_bytes + 15) / 16 * 16);
	ptrdiff_t	bytes = tsdb_codec_encode(&vector, golden->level, scratch, scratch_bytes,
										  encoded, sizeof(encoded));
	FILE	   *file = fopen(path_of(golden), "wbx");
	bool		good = bytes > 0 && file != NULL;

	if (good)
		good = fwrite(encoded, 1, (size_t) bytes, file) == (size_t) bytes;
	if (file != NULL)
		good = fclose(file) == 0 && good;
	free(scratch);
	if (!good)
		printf("cannot write %s\n", path_of(golden));
	return good ? 0 : 1;
}

/* NULL if the golden vector decodes as it must, else what is wrong. */
static const char *
check_golden(const Golden *golden)
{
	static uint8_t encoded[2 * DATA_MAX];
	static uint64_t numbers_back[TSDB_VECTOR_ROWS_MAX];
	static uint8_t data_back[DATA_MAX];
	static uint32_t offsets_back[TSDB_VECTOR_ROWS_MAX + 1];
	static uint8_t nulls_back[TSDB_VECTOR_NULL_BYTES];
	TsdbVector	vector = make_vector(golden);
	TsdbVector	out = {0};
	TsdbVectorInfo info;
	FILE	   *file = fopen(path_of(golden), "rb");
	size_t		bytes;
	size_t		scratch_bytes;
	void	   *scratch;
	TsdbCodecStatus status;

	if (file == NULL)
		return "no file";
	bytes = fread(encoded, 1, sizeof(encoded), file);
	fclose(file);
	if (tsdb_codec_inspect(encoded, bytes, &info) != TSDB_CODEC_OK || info.raw_bytes > DATA_MAX)
		return "not to be inspected";
	if (info.type != golden->type || info.nrows != golden->nrows)
		return "another type or number of rows";
	if (strcmp(tsdb_codec_name(info.codec), golden->codec) != 0)
		return "another codec";

	scratch_bytes = tsdb_codec_scratch_bytes(info.type, info.width, info.raw_bytes);
	scratch = aligned_alloc(16, (scratch_bytes + 15) / 16 * 16);
	out.nulls = nulls_back;
	out.offsets = offsets_back;
	if (golden->type >= TSDB_VECTOR_FIXED)
		out.data = data_back;
	else
		out.float8s = numbers_back;
	status = tsdb_codec_decode(encoded, bytes, scratch, scratch_bytes, &out);
	free(scratch);
	if (status != TSDB_CODEC_OK)
		return "not to be decoded";
	if (memcmp(nulls, nulls_back, sizeof(nulls)) != 0)
		return "other nulls";
	if (golden->type == TSDB_VECTOR_BYTES)
	{
		if (memcmp(offsets, offsets_back, (golden->nrows + 1) * sizeof(uint32_t)) != 0 ||
			memcmp(data, data_back, offsets[golden->nrows]) != 0)
			return "other bytes";
	}
	else if (memcmp(vector.data, out.data, golden->nrows * row_bytes(golden)) != 0)
		return "other values";
	return NULL;
}

int
main(int argc, char **argv)
{
	int			passed = 0;
	int			failed = 0;

	if (argc == 3 && strcmp(argv[1], "write") == 0)
	{
		for (int i = 0; i < GOLDENS; i++)
			if (strcmp(goldens[i].name, argv[2]) == 0)
				return write_golden(&goldens[i]);
		return 1;
	}
	for (int i = 0; i < GOLDENS; i++)
	{
		const char *wrong = check_golden(&goldens[i]);

		printf("%s %d - %s%s%s\n", wrong == NULL ? "ok" : "not ok", i + 1, goldens[i].name,
			   wrong == NULL ? "" : ": ", wrong == NULL ? "" : wrong);
		if (wrong == NULL)
			passed++;
		else
			failed++;
	}
	printf("%d passed, %d failed\n", passed, failed);
	return failed == 0 ? 0 : 1;
}
