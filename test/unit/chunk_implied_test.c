/*
 * chunk_implied_test.c
 *		Times that are not stored: what is called regular comes back from its ends, and
 *		ranges of segments come back from units.
 */
#include "chunk/chunk_implied.h"
#include "harness.h"

#define ROWS	1024

static int64_t times[ROWS];
static int64_t back[ROWS];

static int64_t
draw_time(void)
{
	return draw() % 4 == 0 ? (int64_t) draw() : (int64_t) (draw() % 2000000000) * 1000000;
}

/* Steps of any size, also over all that 64 bits hold. */
static void
regular_times(void)
{
	for (int round = 0; round < 20000; round++)
	{
		uint32_t	rows = 1 + (uint32_t) (draw() % ROWS);
		uint64_t	step = draw() >> draw() % 64;
		int64_t		first = draw_time();
		bool		rises = true;

		for (uint32_t i = 0; i < rows; i++)
		{
			times[i] = (int64_t) ((uint64_t) first + i * step);
			rises = rises && (i == 0 || times[i] >= times[i - 1]);
		}
		if (tsdb_times_are_regular(times, rows) != rises)
			fail("steps of %lld are called irregular", (long long) step);
		if (rises && !tsdb_times_fill(first, times[rows - 1], rows, back))
			fail("steps of %lld are refused", (long long) step);
		for (uint32_t i = 0; rises && i < rows; i++)
			if (back[i] != times[i])
				fail("row %u of %u comes back as another time", i, rows);
		if (rows > 2 && rises)
		{
			times[draw() % rows] ^= 1;
			if (tsdb_times_are_regular(times, rows))
				fail("a row that is off is not seen");
		}
	}
	finish("regular times");
}

static void
hostile_ranges(void)
{
	if (tsdb_times_fill(5, 4, 2, back) || tsdb_times_fill(0, 1, 1, back) ||
		tsdb_times_fill(0, 10, 4, back) || tsdb_times_fill(0, 0, 0, back))
		fail("a range that has no such rows is accepted");
	if (!tsdb_times_fill(INT64_MIN, INT64_MAX, 2, back) || back[0] != INT64_MIN ||
		back[1] != INT64_MAX)
		fail("the widest range is refused");
	for (int round = 0; round < 20000; round++)
		(void) tsdb_times_fill((int64_t) draw(), (int64_t) draw(), (uint32_t) (draw() % ROWS), back);
	finish("hostile ranges");
}

static void
segments(void)
{
	for (int round = 0; round < 20000; round++)
	{
		int64_t		min[8];
		int64_t		max[8];
		int64_t		min_back[8];
		int64_t		max_back[8];
		int64_t		base = draw_time();
		uint32_t	count = 1 + (uint32_t) (draw() % 8);
		uint64_t	unit;

		for (uint32_t i = 0; i < count; i++)
		{
			min_back[i] = min[i] = draw_time();
			max_back[i] = max[i] = draw_time();
		}
		unit = tsdb_segment_times_unit(base, count, min, max);
		tsdb_segment_times_reduce(base, unit, count, min_back, max_back);
		tsdb_segment_times_restore(base, unit, count, min_back, max_back);
		for (uint32_t i = 0; i < count; i++)
			if (min_back[i] != min[i] || max_back[i] != max[i])
				fail("a segment has another range, unit %llu", (unsigned long long) unit);
	}
	finish("ranges of segments");
}

int
main(void)
{
	regular_times();
	hostile_ranges();
	segments();
	return summary();
}
