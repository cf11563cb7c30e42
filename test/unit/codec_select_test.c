/*
 * codec_select_test.c
 *		Ranges and sums on encoded vectors say what the rows themselves say.
 *
 * Random vectors of all numeric types, and vectors in which each codec and
 * each shortcut is at work: blocks that lie inside or outside of a range,
 * runs, dictionaries, decimals with exceptions, NaN and -0.
 */
#include <stdio.h>

#include "../fuzz/select_check.h"

#define RANDOM_VECTORS	4000
#define INPUT_BYTES		300

static uint64_t state = UINT64_C(88172645463325252);
static uint64_t values[TSDB_VECTOR_ROWS_MAX];
static uint8_t nulls[TSDB_VECTOR_NULL_BYTES];

static uint64_t
draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state >> 11;
}

static void
test_random(void)
{
	static uint8_t input[INPUT_BYTES];

	for (int i = 0; i < RANDOM_VECTORS; i++)
	{
		size_t		data_bytes;
		TsdbVector	vector;

		for (int b = 0; b < INPUT_BYTES; b++)
			input[b] = (uint8_t) draw();
		input[0] = (uint8_t) (draw() % 3 + (draw() & 0xf0) % 0x80);
		vector = make_vector(input, INPUT_BYTES, &data_bytes);
		check_select(&vector, level_of(input), (uint32_t) draw(), (uint32_t) draw(),
					 (uint32_t) draw());
	}
	printf("ok 1 - random vectors\n");
}

static uint64_t
bits_of(double value)
{
	uint64_t	bits;

	memcpy(&bits, &value, 8);
	return bits;
}

/* Row i of a pattern: what a codec, or a way to skip a block, is for. */
static uint64_t
value_of(int pattern, uint32_t i)
{
	static uint64_t walk;

	if (i == 0)
		walk = draw() % 100000;
	switch (pattern)
	{
		case 0:					/* constant */
			return 42;
		case 1:					/* step */
			return 1700000000000000 + i * UINT64_C(1000000);
		case 2:					/* a frame with blocks far apart */
			return i / 128 * 100000 + draw() % 1000;
		case 3:					/* rising, with some falls */
			return walk += draw() % 100 - (draw() % 300 == 0 ? 2000 : 0);
		case 4:					/* the greatest and least numbers */
			return UINT64_C(0x7fffffffffffffff) + draw() % 3;
		case 5:					/* runs */
			return walk += draw() % 50 == 0 ? draw() % 9 : 0;
		case 6:					/* few distinct */
			return draw() % 11 * 7919;
		case 7:					/* accelerating */
			return walk += i * 3 + draw() % 4;
		default:				/* negative and positive */
			return draw() % 2001 - 1000;
	}
}

static void
test_patterns(void)
{
	for (int round = 0; round < 1200; round++)
	{
		int			pattern = round % 9;
		bool		is_float = round / 9 % 2 == 1;
		double		scale = round / 18 % 3 == 0 ? 1 : round / 18 % 3 == 1 ? 100 : 60;
		TsdbVector	vector = {.type = is_float ? TSDB_VECTOR_FLOAT8 : TSDB_VECTOR_INT,
		.width = 8,.nrows = round % 5 == 0 ? 1000 : 1024,.nulls = nulls,.float8s = values};

		memset(nulls, 0, sizeof(nulls));
		for (uint32_t i = 0; i < vector.nrows; i++)
		{
			values[i] = value_of(pattern, i);
			if (is_float)
				values[i] = bits_of((double) (int64_t) values[i] / scale);
			if (is_float && round % 7 == 3 && draw() % 90 == 0)
				values[i] = draw() % 3 == 0 ? bits_of(-0.0) :
					draw() % 2 == 0 ? UINT64_C(0xfff8000000000001) : bits_of(INFINITY);
			if (round % 4 == 3 && draw() % 20 == 0)
				nulls[i / 8] |= (uint8_t) (1 << i % 8);
		}
		check_select(&vector, round % 3 == 0 ? TSDB_LEVEL_COLD : TSDB_LEVEL_FAST,
					 (uint32_t) draw(), (uint32_t) draw(), (uint32_t) draw());
	}
	printf("ok 2 - each codec and shortcut\n");
}

int
main(void)
{
	test_random();
	test_patterns();
	printf("2 passed, 0 failed\n");
	return 0;
}
