/*
 * chunk_decimal_test.c
 *		numeric payloads become integers and come back to the bit, or are refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chunk/chunk_decimal.h"

static int	passed;
static int	failed;
static uint64_t seed = 88172645463325252;

static void
check(bool good, const char *what)
{
	if (good)
		passed++;
	else
	{
		failed++;
		printf("FAILED: %s\n", what);
	}
}

static uint64_t
draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * UINT64_C(0x2545F4914F6CDD1D);
}

/* Payloads of a vector, in a buffer of exactly their size. */
static bool
convert(const uint8_t *data, const uint32_t *offsets, uint32_t nrows,
		int64_t *unscaled, int64_t *scales, uint8_t *scale, bool *vary)
{
	uint8_t    *exact = malloc(offsets[nrows] + 1);
	TsdbVector	vector = {.type = TSDB_VECTOR_BYTES,.nrows = nrows,
		.data = exact + 1,.offsets = (uint32_t *) offsets};
	bool		converted;

	memcpy(exact + 1, data, offsets[nrows]);
	converted = tsdb_decimal_convert(&vector, unscaled, scales, scale, vary);
	free(exact);
	return converted;
}

/* Payloads as the server writes them: known bytes of known values. */
static void
known(const uint16_t *words, uint32_t nwords, bool good, int64_t value, int scale,
	  const char *what)
{
	uint32_t	offsets[2] = {0, nwords * 2};
	uint8_t		again[TSDB_DECIMAL_PAYLOAD_MAX];
	int64_t		unscaled = 0;
	int64_t		own;
	uint8_t		max = 0;
	bool		vary;
	bool		converted = convert((const uint8_t *) words, offsets, 1, &unscaled, &own,
									&max, &vary);

	check(converted == good, what);
	if (!good || !converted)
		return;
	check(unscaled == value && max == scale && !vary, what);
	check(tsdb_decimal_format(unscaled, max, again) == nwords * 2 &&
		  memcmp(again, words, nwords * 2) == 0, what);
}

static void
known_values(void)
{
#define KNOWN(good, value, scale, ...) \
	known((const uint16_t[]) {__VA_ARGS__}, \
		  sizeof((const uint16_t[]) {__VA_ARGS__}) / 2, good, value, scale, #__VA_ARGS__)
	KNOWN(true, 0, 0, 0x8000);
	KNOWN(true, 0, 2, 0x8100);
	KNOWN(true, 1, 0, 0x8000, 1);
	KNOWN(true, -1, 0, 0xA000, 1);
	KNOWN(true, 1250, 2, 0x8100, 12, 5000);
	KNOWN(true, -1, 2, 0xA17F, 100);
	KNOWN(true, 100000000, 0, 0x8002, 1);
	KNOWN(true, INT64_C(999999999999999999), 0, 0x8004, 99, 9999, 9999, 9999, 9999);
	KNOWN(false, 0, 0, 0x8004, 9999, 9999, 9999, 9999, 9999);
	KNOWN(false, 0, 0, 0xC000); /* NaN */
	KNOWN(false, 0, 0, 0xD000); /* infinity */
	KNOWN(false, 0, 0, 0x0000, 0x0000, 1);	/* the long form */
	KNOWN(false, 0, 0, 0xA000); /* minus zero */
	KNOWN(false, 0, 0, 0x8001, 0, 1);	/* a leading zero */
	KNOWN(false, 0, 0, 0x8000, 1, 0);	/* a trailing zero */
	KNOWN(false, 0, 0, 0x8000, 1, 5000);	/* more digits than its scale */
	KNOWN(false, 0, 0, 0x8000, 10000);	/* no digit */
	KNOWN(false, 0, 0, 0x8000, 1, 1, 1, 1, 1, 1);	/* too many */
	KNOWN(false, 0, 0, 0x803F, 1);	/* a huge weight */
	KNOWN(false, 0, 0, 0x8040, 1);	/* a tiny one */
#undef KNOWN
}

static void
random_columns(void)
{
	static uint8_t data[TSDB_VECTOR_ROWS_MAX * TSDB_DECIMAL_PAYLOAD_MAX];
	static uint32_t offsets[TSDB_VECTOR_ROWS_MAX + 1];
	static int64_t unscaled[TSDB_VECTOR_ROWS_MAX];
	static int64_t scales[TSDB_VECTOR_ROWS_MAX];
	uint32_t	nrows = 1 + (uint32_t) (draw() % TSDB_VECTOR_ROWS_MAX);
	uint32_t	max_scale = (uint32_t) (draw() % 8);
	int64_t		range = INT64_C(1) << (draw() % 36);
	uint8_t		scale;
	bool		vary;
	bool		same = true;

	for (uint32_t i = 0; i < nrows; i++)
	{
		uint32_t	own = draw() % 2 ? max_scale : (uint32_t) (draw() % (max_scale + 1));

		offsets[i + 1] = offsets[i] +
			tsdb_decimal_format((int64_t) (draw() % (uint64_t) range) - range / 2, own,
								data + offsets[i]);
	}
	if (!convert(data, offsets, nrows, unscaled, scales, &scale, &vary))
	{
		check(false, "a column of small decimals is converted");
		return;
	}
	for (uint32_t i = 0; i < nrows; i++)
	{
		uint8_t		again[TSDB_DECIMAL_PAYLOAD_MAX];
		uint32_t	length;

		if (vary)
			same &= tsdb_decimal_lower(&unscaled[i], scale, scales[i]);
		length = tsdb_decimal_format(unscaled[i], vary ? (uint32_t) scales[i] : scale,
									 again);
		same &= length == offsets[i + 1] - offsets[i] &&
			memcmp(again, data + offsets[i], length) == 0;
	}
	check(same, "a column comes back");

	/* any bytes: nothing but silence of sanitizers, and what is converted comes back */
	for (int i = 0; i < 20; i++)
	{
		data[draw() % offsets[nrows]] ^= (uint8_t) (1 << draw() % 8);
		(void) convert(data, offsets, nrows, unscaled, scales, &scale, &vary);
	}
}

int
main(void)
{
	int64_t		value = 12;
	uint8_t		payload[TSDB_DECIMAL_PAYLOAD_MAX];

	known_values();
	for (int i = 0; i < 500; i++)
		random_columns();
	check(!tsdb_decimal_lower(&value, 2, 3) && !tsdb_decimal_lower(&value, 2, -1) &&
		  !tsdb_decimal_lower(&value, 2, 1) && value == 12,
		  "impossible scales are refused");
	check(tsdb_decimal_format(INT64_MIN, 0, payload) == 0 &&
		  tsdb_decimal_format(INT64_MAX, 3, payload) == 0,
		  "too many digits are refused");
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0;
}
