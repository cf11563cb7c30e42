/*
 * narrow_test.c
 *		Narrow columns: whatever a rule is found for comes back to the bit, in no more bytes than
 *		it needs; what cannot come back is refused.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cache/narrow.h"
#include "harness.h"

#define ROWS	1024

static uint64_t values[ROWS];

static uint64_t
bits(double value)
{
	uint64_t	result;

	memcpy(&result, &value, sizeof(result));
	return result;
}

static double
number(uint64_t value)
{
	double		result;

	memcpy(&result, &value, sizeof(result));
	return result;
}

static bool
has_value(uint64_t value, uint32_t from, uint32_t to)
{
	while (from < to && values[from] != value)
		from++;
	return from < to;
}

/* What is said of many u at once, of any part of them, is so of their values. */
static void
check_folds(const TsdbNarrow *narrow, const uint32_t *u, const void *narrowed, uint32_t count)
{
	for (int i = 0; i < 8; i++)
	{
		uint32_t	from = draw() % count;
		uint32_t	to = i == 0 ? count : from + 1 + draw() % (count - from);
		uint64_t	min;
		uint64_t	max;
		uint64_t	sum = 0;

		from = i == 0 ? 0 : from;
		min = tsdb_narrow_value(narrow, tsdb_narrow_min(narrow, narrowed, from, to));
		max = tsdb_narrow_value(narrow, tsdb_narrow_max(narrow, narrowed, from, to));
		for (uint32_t row = from; row < to; row++)
		{
			bool		inside = narrow->kind == TSDB_NARROW_INTEGERS ?
				(int64_t) min <= (int64_t) values[row] && (int64_t) values[row] <= (int64_t) max :
				number(min) <= number(values[row]) && number(values[row]) <= number(max);

			if (!inside)
				fail("row %u of %u to %u is outside of its extremes", row, from, to);
			sum += u[row];
		}
		if (!has_value(min, from, to) || !has_value(max, from, to))
			fail("an extreme of %u to %u is none of the values", from, to);
		if (tsdb_narrow_sum(narrow, narrowed, from, to) != sum)
			fail("the sum of %u to %u is another one (width %d)", from, to, narrow->width);
	}
}

/* The width in which the values come back; 0: no rule was found. */
static int
round_trip(uint32_t count)
{
	uint32_t	u[ROWS];
	uint64_t	again[ROWS];
	uint32_t	narrowed[ROWS];
	TsdbNarrow	narrow;

	memset(narrowed, 0xAA, sizeof(narrowed));
	if (!tsdb_narrow_find(values, count, &narrow, u))
		return 0;
	tsdb_narrow_write(&narrow, u, count, narrowed);
	if (tsdb_narrow_bytes(&narrow, count) < sizeof(narrowed) &&
		((unsigned char *) narrowed)[tsdb_narrow_bytes(&narrow, count)] != 0xAA)
		fail("more was written than told");
	tsdb_narrow_read(&narrow, narrowed, count, again);
	for (uint32_t i = 0; i < count; i++)
	{
		if (again[i] != values[i])
			fail("value %u of %u: %llx came back as %llx (width %d, scale %d, step %llu)", i, count,
				 (unsigned long long) values[i], (unsigned long long) again[i], narrow.width,
				 narrow.scale, (unsigned long long) narrow.step);
	}
	check_folds(&narrow, u, narrowed, count);
	return narrow.width;
}

static void
expect(const char *what, uint32_t count, int width)
{
	int			found = round_trip(count);

	if (found != width)
		fail("%s, %u rows: width %d, not %d", what, count, found, width);
}

/* lowest + step * (0 to most). */
static void
fill_integers(int64_t lowest, uint64_t step, uint64_t most)
{
	for (int i = 0; i < ROWS; i++)
		values[i] = (uint64_t) lowest + step * (most == UINT64_MAX ? draw() : draw() % (most + 1));
	values[1 + draw() % (ROWS - 2)] = (uint64_t) lowest;
	values[0] = (uint64_t) lowest + step * most;
	values[ROWS - 1] = (uint64_t) lowest + step;
}

static void
test_integers(void)
{
	static const int64_t lowest[] = {0, 1, -1, -200, 757382400000000, INT64_MIN, INT64_MAX / 2};
	static const uint64_t steps[] = {1, 2, 3, 10, 4096, 10000000, 60000000, 1234567891};

	for (size_t l = 0; l < sizeof(lowest) / sizeof(lowest[0]); l++)
	{
		for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++)
		{
			fill_integers(lowest[l], steps[s], 255);
			expect("a byte", ROWS, 1);
			fill_integers(lowest[l], steps[s], 256);
			expect("more than a byte", ROWS, 2);
			fill_integers(lowest[l], steps[s], 65535);
			expect("two bytes", ROWS, 2);
			fill_integers(lowest[l], steps[s], 65536);
			expect("more than two bytes", ROWS, 4);
			if (lowest[l] <= 0 || steps[s] <= 4096)
			{
				fill_integers(lowest[l], steps[s], UINT32_MAX);
				expect("four bytes", ROWS, 4);
			}
			if (steps[s] > 1)
			{
				/* one that is no multiple, anywhere */
				values[draw() % ROWS] += 1 + draw() % (steps[s] - 1);
				(void) round_trip(ROWS);
			}
		}
		fill_integers(lowest[l], 1, (uint64_t) UINT32_MAX + 1);
		expect("more than four bytes", ROWS, 0);
	}
	for (int i = 0; i < ROWS; i++)
		values[i] = 42;
	expect("one value", ROWS, 1);
	expect("one row", 1, 1);
	expect("no row", 0, 0);
	values[0] = (uint64_t) INT64_MIN;
	values[1] = INT64_MAX;
	expect("the widest range, which is odd", 2, 1);
	finish("integers");
}

static void
test_doubles(void)
{
	static const double powers[] = {1, 10, 100, 1000, 10000, 100000};

	for (int scale = 0; scale <= 5; scale++)
	{
		for (int most = 1; most <= 100000000; most *= 10)
		{
			for (int i = 0; i < ROWS; i++)
				values[i] = bits((double) ((int64_t) (draw() % (2 * most + 1)) - most) / powers[scale]);
			values[0] = bits(1 / powers[scale]);
			for (int i = 0; i < ROWS; i++)
			{
				if (values[i] == bits(-0.0))
					values[i] = bits(0.0);
			}
			if (scale <= TSDB_NARROW_SCALE_MAX)
				expect("decimals", ROWS, 2 * most <= 255 ? 1 : 2 * most <= 65535 ? 2 : 4);
			else
				(void) round_trip(ROWS);
		}
	}
	/* whole numbers without a gap, at some of which a division could round otherwise */
	for (int scale = 1; scale <= TSDB_NARROW_SCALE_MAX; scale++)
	{
		for (int first = -100000; first < 100000; first += ROWS)
		{
			for (int i = 0; i < ROWS; i++)
				values[i] = bits((first + i) / powers[scale]);
			if (first <= 0 && first + ROWS > 0)
				values[-first] = bits(0.0);
			(void) round_trip(ROWS);
		}
	}
	finish("doubles");
}

/* Among decimals, one value that is none: as integers, some of them have a rule. */
static void
test_strange(void)
{
	static const double strange[] = {M_PI, 0.1 + 0.2, DBL_TRUE_MIN, DBL_MAX, -DBL_MAX,
		NAN, -NAN, INFINITY, -INFINITY, -0.0, DBL_MIN, 1e9 + 1, 1e300};
	const size_t without_rule = 5;

	for (size_t s = 0; s < sizeof(strange) / sizeof(strange[0]); s++)
	{
		for (int place = 0; place < ROWS; place += 93)
		{
			for (int i = 0; i < ROWS; i++)
				values[i] = bits(i / 4.0);
			values[place] = bits(strange[s]);
			if (s < without_rule)
				expect("strange values", ROWS, 0);
			else
				(void) round_trip(ROWS);
		}
	}
	/* alone they may be steps of integers, to the bit */
	for (size_t s = 0; s < sizeof(strange) / sizeof(strange[0]); s++)
	{
		values[0] = bits(strange[s]);
		values[1] = bits(0.5);
		(void) round_trip(2);
		(void) round_trip(1);
	}
	finish("strange values");
}

/* Differences of all sizes, with and without common divisors. */
static void
test_random(void)
{
	for (int round = 0; round < 20000; round++)
	{
		uint32_t	count = 1 + draw() % 40;
		uint64_t	step = (draw() | 1) >> draw() % 64 << draw() % 20;
		uint64_t	base = draw();
		int			shift = (int) (draw() % 64);

		for (uint32_t i = 0; i < count; i++)
			values[i] = base + step * (draw() >> shift) + (draw() % 50 == 0 ? draw() >> shift : 0);
		(void) round_trip(count);
	}
	finish("random values");
}

/* ---- comparing ---- */

/* Values against a bound: each must be selected by ranges of u as comparing it says. */
static void
compare_with(const TsdbNarrow *narrow, const void *in, uint32_t count, uint64_t bound)
{
	bool		of_doubles = narrow->kind == TSDB_NARROW_DOUBLES;
	uint64_t	ends[2];
	uint8_t		pass[3][ROWS];

	for (int up_to = 0; up_to <= 1; up_to++)
		ends[up_to] = of_doubles ? tsdb_narrow_count_doubles(narrow, number(bound), up_to) :
			tsdb_narrow_count_integers(narrow, (int64_t) bound, up_to);
	memset(pass, 1, sizeof(pass));
	pass[0][0] = pass[1][0] = pass[2][0] = 0;	/* what was ruled out before stays so */
	tsdb_narrow_select(narrow, in, count, 0, ends[0], pass[0]);
	tsdb_narrow_select(narrow, in, count, ends[0], ends[1], pass[1]);
	tsdb_narrow_select(narrow, in, count, ends[1], UINT64_MAX, pass[2]);
	for (uint32_t i = 1; i < count; i++)
	{
		bool		less = of_doubles ? number(values[i]) < number(bound) :
			(int64_t) values[i] < (int64_t) bound;
		bool		equal = of_doubles ? number(values[i]) == number(bound) :
			values[i] == bound;

		if (pass[0][i] != less || pass[1][i] != equal || pass[2][i] != (!less && !equal))
			fail("value %u of %u, %llx, against %llx: less %d, equal %d, greater %d", i, count,
				 (unsigned long long) values[i], (unsigned long long) bound, pass[0][i], pass[1][i],
				 pass[2][i]);
	}
	if (pass[0][0] + pass[1][0] + pass[2][0] != 0)
		fail("a row came back");
}

static void
compare(uint32_t count)
{
	static const double strange[] = {INFINITY, -INFINITY, DBL_MAX, -DBL_MAX, DBL_TRUE_MIN, -DBL_TRUE_MIN,
		0.0, -0.0, 1e9, -1e9, 0.005, 4294967296.0, 1e19};
	static const int64_t ends[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
	uint32_t	u[ROWS];
	uint32_t	narrowed[ROWS];
	TsdbNarrow	narrow;

	if (!tsdb_narrow_find(values, count, &narrow, u))
		return;
	tsdb_narrow_write(&narrow, u, count, narrowed);
	for (uint32_t i = 0; i < count; i += 1 + count / 16)
	{
		/* the value, its neighbours, and what lies between it and the next one */
		compare_with(&narrow, narrowed, count, values[i]);
		compare_with(&narrow, narrowed, count, values[i] + 1);
		compare_with(&narrow, narrowed, count, values[i] - 1);
		if (narrow.kind == TSDB_NARROW_DOUBLES)
			compare_with(&narrow, narrowed, count, bits(number(values[i]) + 0.00003));
		else
			compare_with(&narrow, narrowed, count, values[i] + narrow.step / 2);
	}
	for (size_t i = 0; narrow.kind == TSDB_NARROW_DOUBLES && i < sizeof(strange) / sizeof(strange[0]); i++)
		compare_with(&narrow, narrowed, count, bits(strange[i]));
	for (size_t i = 0; narrow.kind == TSDB_NARROW_INTEGERS && i < sizeof(ends) / sizeof(ends[0]); i++)
		compare_with(&narrow, narrowed, count, (uint64_t) ends[i]);
}

static void
test_comparing(void)
{
	static const double powers[] = {1, 10, 100, 1000, 10000};

	for (int round = 0; round < 3000; round++)
	{
		uint32_t	count = round % 3 == 0 ? ROWS : 1 + (uint32_t) (draw() % ROWS);
		uint64_t	most = UINT64_C(1) << draw() % 32;
		uint64_t	step = 1 + (draw() >> (33 + draw() % 31));
		int64_t		base = round % 5 == 0 ? INT64_MIN : (int64_t) draw() >> (2 + draw() % 60);

		if (round % 2 == 0)
			fill_integers(base, step, most);
		else
		{
			double		lowest = (double) (draw() % 1000000) - 500000;
			double		power = powers[draw() % 5];

			for (int i = 0; i < ROWS; i++)
				values[i] = bits((lowest + (double) (draw() % (most % 500000000 + 1))) / power + 0.0);
		}
		compare(count);
	}
	finish("comparing");
}

int
main(void)
{
	test_integers();
	test_doubles();
	test_strange();
	test_random();
	test_comparing();
	return summary();
}
