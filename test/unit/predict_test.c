/*
 * predict_test.c
 *		The predictor: each pattern is found, noise is not, size adapts, what is useless is throttled.
 *
 * Times are microseconds, ranges are in the same unit.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/access_trace.h"
#include "cache/predict.h"
#include "harness.h"

#define SECOND	INT64_C(1000000)
#define HOUR	(3600 * SECOND)
#define START	(INT64_C(200000) * HOUR)

static TsdbPredictor *predictor;
static TsdbPrediction predictions[TSDB_PREDICTIONS_MAX];
static int	count;
static double threshold = TSDB_PREDICT_CONFIDENCE_DEFAULT;

static void
begin(void)
{
	free(predictor);
	predictor = tsdb_predict_init(allocate(tsdb_predict_bytes()));
	threshold = TSDB_PREDICT_CONFIDENCE_DEFAULT;
	count = 0;
}

static TsdbAccess
make(int64_t at, int shape, uint64_t series, int64_t from, int64_t width)
{
	TsdbAccess	access;

	memset(&access, 0, sizeof(access));
	access.at = at;
	access.database = 5;
	access.table = 6;
	access.shape = shape;
	access.time = 1;
	access.rank = 2;
	access.key = 2;
	access.from = from;
	access.to = width == 0 ? TSDB_ACCESS_LAST : from + width;
	access.nranks = access.nhashes = 1;
	access.paired = true;
	access.ranks[0] = series;
	access.hashes[0] = (uint32_t) (series * 7);
	access.ncolumns = 2;
	access.columns[0] = 1;
	access.columns[1] = 10 + shape;
	return access;
}

static void
see(TsdbAccess access)
{
	count = tsdb_predict_access(predictor, &access, threshold, predictions);
	if (count > TSDB_PREDICTIONS_MAX)
		fail("%d predictions", count);
	for (int i = 0; i < count; i++)
	{
		if (!(predictions[i].confidence >= threshold && predictions[i].confidence <= 1))
			fail("confidence %g", predictions[i].confidence);
	}
}

static void
ask(int64_t at, int shape, uint64_t series, int64_t from, int64_t width)
{
	see(make(at, shape, series, from, width));
}

/* The prediction of a pattern for that place; or NULL. */
static const TsdbPrediction *
find(TsdbPattern pattern, int column, uint64_t series, int64_t from)
{
	for (int i = 0; i < count; i++)
	{
		const TsdbAccess *access = &predictions[i].access;
		bool		reads = false;

		for (int j = 0; j < access->ncolumns; j++)
			reads = reads || access->columns[j] == column;
		if (predictions[i].pattern == pattern && reads && access->ranks[0] == series &&
			llabs(access->from - from) < SECOND)
			return &predictions[i];
	}
	return NULL;
}

static int
find_all(TsdbPattern pattern)
{
	int			found = 0;

	for (int i = 0; i < count; i++)
		found += predictions[i].pattern == pattern;
	return found;
}

static TsdbPatternCounts
counts_of(TsdbPattern pattern)
{
	TsdbPatternCounts counts;

	tsdb_predict_counts(predictor, pattern, &counts);
	return counts;
}

/* ---- patterns ---- */

static void
pages(int direction, TsdbPattern pattern, const char *name)
{
	int64_t		width = 2 * HOUR;
	const TsdbPrediction *found;

	begin();
	for (int page = 0; page < 3; page++)
	{
		ask(START + page * 5 * SECOND, 1, 77, START + direction * page * width, width);
		if (page < 2 && count > 0)
			fail("predicted after %d pages", page + 1);
	}
	found = find(pattern, 11, 77, START + direction * 3 * width);
	if (found == NULL)
		fail("the fourth page is not predicted");
	else if (found->access.to - found->access.from != width || found->access.hashes[0] != 77 * 7 ||
			 found->access.nranks != 1 || found->access.nhashes != 1 || !found->access.paired ||
			 found->access.database != 5 || found->access.table != 6 || found->access.key != 2 ||
			 found->access.time != 1 || found->access.rank != 2 || found->access.ncolumns != 2 ||
			 found->due > START + 10 * SECOND)
		fail("the fourth page is not that panel's");
	finish(name);
}

/* A step of half the width turns pages that overlap. */
static void
half_pages(void)
{
	begin();
	for (int page = 0; page < 3; page++)
		ask(START + page * 5 * SECOND, 1, 77, START - page * HOUR, 2 * HOUR);
	if (find(TSDB_PATTERN_BACK, 11, 77, START - 3 * HOUR) == NULL)
		fail("the fourth page is not predicted");
	finish("back by half a width");
}

static void
refresh(int64_t width, const char *name)
{
	int64_t		period = 30 * SECOND;
	const TsdbPrediction *found;

	begin();
	for (int i = 0; i < 3; i++)
	{
		ask(START + i * period, 1, 3, START + i * period - 6 * HOUR, width);
		if (i < 2 && count > 0)
			fail("predicted after %d", i + 1);
	}
	found = find(TSDB_PATTERN_REFRESH, 11, 3, START + 3 * period - 6 * HOUR);
	if (found == NULL)
		fail("the next refresh is not predicted");
	else if (found->due <= START + 2 * period || found->due >= START + 3 * period)
		fail("due %lld us after the last one", (long long) (found->due - START - 2 * period));
	else if (width != 0 ? found->access.to != found->access.from + width :
			 found->access.to != TSDB_ACCESS_LAST)
		fail("of another width");
	finish(name);
}

/* A panel of a fixed range that is refreshed, too; and one that stops is no longer waited for. */
static void
refresh_stops(void)
{
	int64_t		now = START;

	begin();
	for (int i = 0; i < 5; i++, now += 10 * SECOND)
		ask(now, 1, 3, START - 6 * HOUR, HOUR);
	if (find(TSDB_PATTERN_REFRESH, 11, 3, START - 6 * HOUR) == NULL)
		fail("a fixed range is not predicted");
	for (int i = 0; i < 100; i++)
		tsdb_predict_pass(predictor, now + HOUR);
	if (counts_of(TSDB_PATTERN_REFRESH).failed != 1)
		fail("%llu failed", (unsigned long long) counts_of(TSDB_PATTERN_REFRESH).failed);
	ask(now + 2 * HOUR, 1, 3, START - 6 * HOUR, HOUR);
	if (count > 0)
		fail("predicted after a pause");
	finish("a refresh that stops");
}

/* Four panels of a series, a tenth of a second apart. */
static void
open_dashboard(int64_t at, uint64_t series, int64_t from)
{
	for (int panel = 1; panel <= 4; panel++)
		ask(at + panel * SECOND / 10, panel, series, from, 6 * HOUR);
}

static void
columns(void)
{
	begin();
	/* some at once: what they have in common is not known yet when the next one comes */
	for (int i = 0; i < 8; i++)
		open_dashboard(START + i * SECOND / 2, 100 + i, START - 6 * HOUR);
	tsdb_predict_pass(predictor, START + HOUR / 2);
	/* a series that nobody has ever asked for */
	ask(START + HOUR, 1, 999, START - 5 * HOUR, 6 * HOUR);
	for (int panel = 2; panel <= 4; panel++)
	{
		if (find(TSDB_PATTERN_COLUMNS, 10 + panel, 999, START - 5 * HOUR) == NULL)
			fail("panel %d is not predicted", panel);
	}
	ask(START + HOUR + SECOND / 10, 2, 999, START - 5 * HOUR, 6 * HOUR);
	if (count > 0)
		fail("predicted again, or what was read already");
	ask(START + HOUR + 2 * SECOND / 10, 3, 999, START - 5 * HOUR, 6 * HOUR);
	ask(START + HOUR + 3 * SECOND / 10, 4, 999, START - 5 * HOUR, 6 * HOUR);
	if (counts_of(TSDB_PATTERN_COLUMNS).came < 3)
		fail("came true %llu times", (unsigned long long) counts_of(TSDB_PATTERN_COLUMNS).came);
	finish("columns of a dashboard");
}

static void
series(void)
{
	begin();
	for (int i = 0; i < 8; i++)
	{
		for (int j = 0; j < 4; j++)
			ask(START + i * HOUR + j * SECOND / 10, 1, 40 + j, START + i * HOUR - 6 * HOUR,
				6 * HOUR);
	}
	ask(START + 9 * HOUR, 1, 40, START - 500 * HOUR, 6 * HOUR);
	for (int j = 1; j < 4; j++)
	{
		const TsdbPrediction *found = find(TSDB_PATTERN_SERIES, 11, 40 + j, START - 500 * HOUR);

		if (found == NULL)
			fail("series %d is not predicted", j);
		else if (found->access.hashes[0] != (uint32_t) (40 + j) * 7)
			fail("series %d has another's hash", j);
	}
	finish("series of a dashboard");
}

/* Two who look at one panel do not disturb each other. */
static void
two_readers(void)
{
	int			found = 0;

	begin();
	for (int i = 0; i < 10; i++)
	{
		int64_t		now = START + i * 10 * SECOND;

		ask(now, 1, 5, now - 6 * HOUR, 6 * HOUR);
		if (i > 3)
			found += find(TSDB_PATTERN_REFRESH, 11, 5, now + 10 * SECOND - 6 * HOUR) != NULL;
		ask(now + SECOND, 1, 5, START - 1000 * HOUR - i * 6 * HOUR, 6 * HOUR);
		if (i > 3)
			found += find_all(TSDB_PATTERN_BACK) > 0 || i % 2 != 0;
	}
	if (found < 11)
		fail("%d of 12", found);
	finish("two readers of a panel");
}

/* ---- adapting ---- */

/* Who goes on for long is given more pages at once. */
static void
more_pages(void)
{
	int			most = 0;
	int64_t		ahead = 0;

	begin();
	for (int page = 0; page < 60; page++)
	{
		ask(START + page * SECOND, 1, 8, START - page * HOUR, HOUR);
		if (page == 2 && count != 1)
			fail("%d pages after the third", count);
		for (int i = 0; i < count; i++)
		{
			int64_t		pages_ahead = (START - page * HOUR - predictions[i].access.from) / HOUR;

			ahead = pages_ahead > ahead ? pages_ahead : ahead;
			if (page > 40)
				most = count > most ? count : most;
		}
	}
	if (ahead < 4)
		fail("at most %lld pages ahead", (long long) ahead);
	if (most > 1)
		fail("%d at once, though they were predicted before", most);
	if (counts_of(TSDB_PATTERN_BACK).failed > 0)
		fail("%llu failed", (unsigned long long) counts_of(TSDB_PATTERN_BACK).failed);
	finish("pages ahead grow");
}

/* Where people turn two pages and then leave, the third is soon not predicted any more. */
static void
fewer_pages(void)
{
	int			late = 0;

	begin();
	for (int user = 0; user < 200; user++)
	{
		int64_t		now = START + user * HOUR;

		for (int page = 0; page < 3; page++)
		{
			ask(now + page * SECOND, 1, 1000 + user, now - page * HOUR, HOUR);
			late += user >= 100 ? find_all(TSDB_PATTERN_BACK) * (page == 2) : 0;
		}
		for (int i = 0; i < 20; i++)
			tsdb_predict_pass(predictor, now + HOUR - SECOND);
	}
	if (late > 10)
		fail("%d of 100 were given a page that nobody turns to", late);
	finish("pages that nobody turns to");
}

/* A page that is always turned to is predicted for a panel that was only just opened. */
static void
first_page(void)
{
	int			found = 0;

	begin();
	for (int user = 0; user < 60; user++)
	{
		int64_t		now = START + user * HOUR;

		ask(now, 1, 1000 + user, now - 2 * HOUR, 2 * HOUR);
		found += find(TSDB_PATTERN_BACK, 11, 1000 + user, now - 4 * HOUR) != NULL;
		ask(now + SECOND, 1, 1000 + user, now - 4 * HOUR, 2 * HOUR);
		for (int i = 0; i < 20; i++)
			tsdb_predict_pass(predictor, now + HOUR - SECOND);
	}
	if (found < 40)
		fail("%d of 60", found);
	finish("the first page");
}

/* What comes true but is of no use, since nobody reads what was loaded, is held back. */
static void
useless(void)
{
	uint64_t	early = 0;
	uint64_t	late = 0;

	begin();
	for (int page = 0; page < 2000; page++)
	{
		ask(START + page * SECOND, 1, 8, START - page * HOUR, HOUR);
		for (int i = 0; i < count; i++)
			tsdb_predict_loaded(predictor, predictions[i].promise, 10);
		if (page < 100)
			early += count;
		if (page >= 1000)
			late += count;
		tsdb_predict_pass(predictor, START + page * SECOND);
	}
	if (early == 0 || late > 100)
		fail("%llu predictions among the first 100 pages, %llu among the last 1000",
			 (unsigned long long) early, (unsigned long long) late);
	if (late == 0)
		fail("it is never tried again");
	if (counts_of(TSDB_PATTERN_BACK).throttled == 0)
		fail("nothing was throttled");
	finish("useless predictions are throttled");
}

/* The same if all of it is used. */
static void
useful(void)
{
	uint64_t	late = 0;

	begin();
	for (int page = 0; page < 2000; page++)
	{
		TsdbAccess	access = make(START + page * SECOND, 1, 8, START - page * HOUR, HOUR);

		access.prefetched = page > 3 ? 10 : 0;
		see(access);
		for (int i = 0; i < count; i++)
			tsdb_predict_loaded(predictor, predictions[i].promise, 10);
		if (page >= 1000)
			late += count;
		tsdb_predict_pass(predictor, START + page * SECOND);
	}
	if (late < 990)
		fail("%llu predictions for the last 1000 pages", (unsigned long long) late);
	finish("useful predictions are not");
}

/* Where statistics answer what lies whole in the range, only its edges are to be loaded. */
static void
edges(void)
{
	for (int decoded = 2; decoded <= 10; decoded += 8)
	{
		begin();
		for (int page = 0; page < 4; page++)
		{
			TsdbAccess	access = make(START + page * SECOND, 1, 8, START - page * HOUR, HOUR);

			access.chunks = 10;
			access.decoded = decoded;
			see(access);
		}
		if (count == 0 || predictions[0].access.edges != (decoded < 10))
			fail("%d of 10 chunks are decoded: %d predictions", decoded, count);
	}
	finish("edges of a range");
}

/* ---- noise ---- */

static void
noise(void)
{
	uint64_t	predicted = 0;

	begin();
	for (int i = 0; i < 100000; i++)
	{
		int64_t		width = HOUR + draw() % (12 * HOUR);

		ask(START + i * (SECOND / 5), 1 + draw() % 4, draw() % 10000,
			START - draw() % (1000 * HOUR), width);
		predicted += count;
	}
	if (predicted > 100)
		fail("%llu predictions for 100,000 random accesses", (unsigned long long) predicted);
	finish("noise");
}

/* The same few series and widths again and again, at random. */
static void
dense_noise(void)
{
	uint64_t	predicted = 0;

	begin();
	for (int i = 0; i < 100000; i++)
	{
		ask(START + i * (SECOND / 5), 1 + draw() % 4, draw() % 20,
			START - HOUR * (int64_t) (draw() % 1000), 6 * HOUR);
		predicted += count;
	}
	if (predicted > 2000)
		fail("%llu predictions for 100,000 random accesses", (unsigned long long) predicted);
	finish("dense noise");
}

/* Patterns are found among noise that fills the tables over and over. */
static void
pattern_in_noise(void)
{
	int			found = 0;

	begin();
	for (int i = 0; i < 100000; i++)
	{
		int64_t		now = START + i * (SECOND / 50);

		ask(now, 1 + draw() % 4, 1000000 + draw() % 1000000, START - draw() % (1000 * HOUR),
			HOUR + draw() % HOUR);
		if (i % 500 == 0)
		{
			ask(now, 1, 7, now - 6 * HOUR, 6 * HOUR);
			found += find(TSDB_PATTERN_REFRESH, 11, 7, now + 10 * SECOND - 6 * HOUR) != NULL;
		}
	}
	if (found < 190)
		fail("%d of 200 refreshes", found);
	finish("a pattern among noise");
}

/* Whatever comes, nothing is read or written outside: run under the sanitizers. */
static void
garbage(void)
{
	begin();
	threshold = TSDB_PREDICT_CONFIDENCE_MIN;
	for (int i = 0; i < 200000; i++)
	{
		TsdbAccess	access;

		memset(&access, 0, sizeof(access));
		access.at = (int64_t) (draw() >> (draw() % 64)) * (draw() % 2 ? 1 : -1) / 4;
		access.database = draw() % 3;
		access.table = draw() % 5;
		access.shape = draw() % 100;
		access.from = draw() % 4 == 0 ? TSDB_ACCESS_FIRST : (int64_t) (draw() << (draw() % 64));
		access.to = draw() % 4 == 0 ? TSDB_ACCESS_LAST : (int64_t) (draw() << (draw() % 64));
		access.nranks = draw() % (TSDB_ACCESS_SERIES_MAX + 1);
		access.nhashes = draw() % (TSDB_ACCESS_SERIES_MAX + 1);
		access.ncolumns = draw() % (TSDB_ACCESS_COLUMNS_MAX + 1);
		for (int j = 0; j < access.nranks; j++)
			access.ranks[j] = draw() % 3;
		for (int j = 0; j < access.ncolumns; j++)
			access.columns[j] = (int16_t) (draw() % 1600);
		access.prefetched = draw() % 10 == 0 ? draw() : 0;
		access.misses = draw() % 2 ? draw() : 0;
		see(access);
		for (int j = 0; j < count; j++)
			tsdb_predict_loaded(predictor, predictions[j].promise, draw() % 1000);
		tsdb_predict_loaded(predictor, (uint32_t) draw(), draw() % 1000);
		if (draw() % 10 == 0)
			tsdb_predict_pass(predictor, access.at);
	}
	finish("garbage");
}

/* ---- the rest ---- */

static void
same_again(void)
{
	uint64_t	hashes[2] = {0, 0};

	for (int run = 0; run < 2; run++)
	{
		begin();
		for (int i = 0; i < 2000; i++)
		{
			ask(START + i * SECOND, 1 + i % 3, i / 7 % 5, START - i % 40 * HOUR, HOUR);
			for (int j = 0; j < count; j++)
				hashes[run] = hashes[run] * 31 + predictions[j].access.from +
					predictions[j].pattern + predictions[j].access.ranks[0];
		}
	}
	if (hashes[0] != hashes[1])
		fail("the same accesses gave other predictions");
	finish("a replay gives the same");
}

static void
trace(void)
{
	TsdbAccess	access = make(START, 0xabc, 9, START - HOUR, HOUR);
	TsdbAccess	again;
	TsdbAccess	other;
	char		line[TSDB_ACCESS_LINE_MAX];
	char		second[TSDB_ACCESS_LINE_MAX];

	access.chunks = 7;
	access.decoded = 6;
	access.misses = 5;
	access.prefetched = 4;
	if (tsdb_access_trace_write(&access, line) != strlen(line) || line[strlen(line) - 1] != '\n')
		fail("no line");
	if (!tsdb_access_trace_read(line, &again) || again.at != access.at || again.from != access.from ||
		again.to != access.to || again.shape != access.shape || again.database != access.database ||
		again.table != access.table || again.nranks != 1 || again.ncolumns != 2 ||
		again.columns[1] != access.columns[1] || again.chunks != 7 || again.decoded != 6 ||
		again.misses != 5 || again.prefetched != 4)
		fail("not what was written: %s", line);
	if (again.ranks[0] == access.ranks[0])
		fail("the trace has a rank");
	other = make(START, 0xabc, 10, START - HOUR, HOUR);
	tsdb_access_trace_write(&other, second);
	if (strcmp(line, second) == 0)
		fail("two series look the same");

	memset(&access, 0, sizeof(access));
	access.from = TSDB_ACCESS_FIRST;
	access.to = TSDB_ACCESS_LAST;
	tsdb_access_trace_write(&access, line);
	if (!tsdb_access_trace_read(line, &again) || again.from != TSDB_ACCESS_FIRST ||
		again.to != TSDB_ACCESS_LAST || again.nranks != 0 || again.ncolumns != 0)
		fail("unbounded: %s", line);

	access.nranks = access.nhashes = TSDB_ACCESS_SERIES_MAX;
	access.paired = true;
	access.ncolumns = TSDB_ACCESS_COLUMNS_MAX;
	access.at = access.from = access.to = INT64_MIN + 1;
	access.database = access.table = access.shape = UINT32_MAX;
	access.chunks = access.decoded = access.misses = access.prefetched = UINT16_MAX;
	for (int i = 0; i < TSDB_ACCESS_COLUMNS_MAX; i++)
		access.columns[i] = 1600;
	if (tsdb_access_trace_write(&access, line) >= TSDB_ACCESS_LINE_MAX - 1 ||
		!tsdb_access_trace_read(line, &again) || again.nranks != TSDB_ACCESS_SERIES_MAX)
		fail("the longest line does not fit");

	if (tsdb_access_trace_read("", &again) || tsdb_access_trace_read("1 2 3", &again) ||
		tsdb_access_trace_read("1 1 1 1 1 2 1,2,3,4,5,6,7,8,9 1 0 0 0 0\n", &again) ||
		tsdb_access_trace_read("1 1 1 1 1 2 1 1 0 0 0 0 x\n", &again) ||
		tsdb_access_trace_read("1 99999999999 1 1 1 2 1 1 0 0 0 0\n", &again))
		fail("read what is no line");
	finish("a line of a trace");
}

int
main(void)
{
	pages(-1, TSDB_PATTERN_BACK, "back");
	pages(1, TSDB_PATTERN_FORWARD, "forward");
	half_pages();
	refresh(6 * HOUR, "refresh");
	refresh(0, "refresh without end");
	refresh_stops();
	columns();
	series();
	two_readers();
	more_pages();
	fewer_pages();
	first_page();
	useless();
	useful();
	edges();
	noise();
	dense_noise();
	pattern_in_noise();
	garbage();
	same_again();
	trace();
	return summary();
}
