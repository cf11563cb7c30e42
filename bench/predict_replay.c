/*
 * predict_replay.c
 *		Replays accesses through the predictor, and says what came of its predictions.
 *
 *	predict_replay [options] [FILE]		a trace as cache/access_trace.h has it; without FILE, one that is made up
 *		-s SEED			of the trace that is made up (1)
 *		-h HOURS		how long it is (24)
 *		-u USERS		(8)
 *		-w WALLS		(6)
 *		-n NOISE		queries a second without a pattern (0.05)
 *		-c CONFIDENCE	from which predictions are handed out (0.7)
 *		-d DELAY		milliseconds from a prediction until it is loaded (20)
 *		-q SECONDS		of data in a chunk (10000)
 *		-b TIME			when the data begin, in the trace's units
 *		-g				write the trace that is made up, and nothing else
 *
 * The working set is modelled as cells: a column of a series for one chunk's time, which is there once
 * it was read or loaded, and never goes.  A cell that nobody has read before is a first touch; it is found if a
 * prediction has loaded it.  Only what is over is there to be read: rows that still come are in the row store.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cache/access_trace.h"
#include "cache/predict.h"
#include "cache/predict_tables.h"
#include "predict_generate.h"

#define WAITING_MAX		65536
#define CELLS_A_RANGE	1000	/* of a column of a series; more is a scan */

typedef struct Cell
{
	uint64_t	name;			/* 0: free */
	uint8_t		pattern;		/* that loaded it; TSDB_PATTERNS: an access */
	bool		touched;
} Cell;

static TsdbPredictor *predictor;
static Cell *cells;
static size_t ncells = 1 << 20;
static size_t ncells_used;
static TsdbPrediction *waiting;
static int	nwaiting;

static double threshold = TSDB_PREDICT_CONFIDENCE_DEFAULT;
static int64_t delay = 20000;
static int64_t quantum = INT64_C(10000000000);

static int64_t begin = INT64_MIN;

static uint64_t accesses;
static uint64_t first_touches;
static uint64_t found;
static uint64_t loaded[TSDB_PATTERNS];
static uint64_t used[TSDB_PATTERNS];
static int64_t last_at;
static double spent;

static Cell *
find_cell(uint64_t name)
{
	size_t		at = name % ncells;

	while (cells[at].name != 0 && cells[at].name != name)
		at = (at + 1) % ncells;
	return &cells[at];
}

static void
grow(void)
{
	Cell	   *old = cells;
	size_t		count = ncells;

	ncells *= 2;
	cells = calloc(ncells, sizeof(Cell));
	for (size_t i = 0; i < count; i++)
	{
		if (old[i].name != 0)
			*find_cell(old[i].name) = old[i];
	}
	free(old);
}

static Cell *
use_cell(Cell *cell, uint64_t name, int pattern)
{
	if (++ncells_used > ncells / 2)
	{
		grow();
		cell = find_cell(name);
	}
	cell->name = name;
	cell->pattern = pattern;
	cell->touched = false;
	return cell;
}

/* Read the cells of an access, or load those of a prediction.  Returns how many were not there. */
static uint32_t
visit(TsdbAccess *access, int64_t now, int pattern)
{
	int64_t		from = access->from;
	int64_t		to = access->to;
	int			nseries = access->nranks > 0 ? access->nranks : 1;
	uint32_t	missing = 0;

	if (to > now)
		to = now;
	if (from != TSDB_ACCESS_FIRST && from < begin)
		from = begin;
	if (from == TSDB_ACCESS_FIRST || from > to)
		return 0;
	if ((to - from) / quantum > CELLS_A_RANGE)
		from = to - CELLS_A_RANGE * quantum;
	for (int i = 0; i < nseries; i++)
		for (int j = 0; j < access->ncolumns; j++)
			for (int64_t at = from / quantum; at <= to / quantum; at++)
			{
				uint64_t	name = tsdb_predict_mix(tsdb_predict_mix(access->table, access->columns[j]),
													tsdb_predict_mix(access->ranks[i], at));
				Cell	   *cell = find_cell(name);
				bool		is_new = cell->name == 0;

				if ((at + 1) * quantum > now)
					continue;
				if (is_new)
				{
					missing++;
					cell = use_cell(cell, name, pattern);
				}
				if (pattern != TSDB_PATTERNS || cell->touched)
					continue;
				cell->touched = true;
				first_touches++;
				if (!is_new)
				{
					found++;
					used[cell->pattern]++;
					access->prefetched++;
				}
			}
	return missing;
}

/* Load what is due. */
static void
load(int64_t now)
{
	int			kept = 0;

	for (int i = 0; i < nwaiting; i++)
	{
		TsdbPrediction *prediction = &waiting[i];

		if (prediction->due + delay > now)
		{
			waiting[kept++] = *prediction;
			continue;
		}
		{
			uint32_t	missing = visit(&prediction->access, prediction->due, prediction->pattern);

			loaded[prediction->pattern] += missing;
			tsdb_predict_loaded(predictor, prediction->promise, missing);
		}
	}
	nwaiting = kept;
}

static void
replay(const TsdbAccess *traced, void *arg)
{
	TsdbAccess	access = *traced;
	struct timespec before;
	struct timespec after;

	load(access.at);
	access.prefetched = 0;
	access.misses = access.nranks > 0 ? visit(&access, access.at, TSDB_PATTERNS) : 0;
	clock_gettime(CLOCK_MONOTONIC, &before);
	if (access.at - last_at > 1000000)
		tsdb_predict_pass(predictor, access.at);
	nwaiting += tsdb_predict_access(predictor, &access, threshold, waiting + nwaiting);
	clock_gettime(CLOCK_MONOTONIC, &after);
	spent += (after.tv_sec - before.tv_sec) + (after.tv_nsec - before.tv_nsec) * 1e-9;
	if (nwaiting > WAITING_MAX - TSDB_PREDICTIONS_MAX)
		load(INT64_MAX / 2);
	last_at = access.at;
	accesses++;
}

static void
print(const TsdbAccess *access, void *arg)
{
	char		line[TSDB_ACCESS_LINE_MAX];

	tsdb_access_trace_write(access, line);
	fputs(line, stdout);
}

static void
replay_file(const char *name)
{
	char		line[TSDB_ACCESS_LINE_MAX + 2];
	FILE	   *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");
	uint64_t	number = 0;

	if (file == NULL)
	{
		perror(name);
		exit(1);
	}
	while (fgets(line, sizeof(line), file) != NULL)
	{
		TsdbAccess	access;

		number++;
		if (line[0] == '#' || line[0] == '\n')
			continue;
		if (!tsdb_access_trace_read(line, &access))
		{
			fprintf(stderr, "%s:%llu: not an access\n", name, (unsigned long long) number);
			exit(1);
		}
		replay(&access, NULL);
	}
	fclose(file);
}

static double
percent(uint64_t part, uint64_t whole)
{
	return whole == 0 ? 0 : 100.0 * part / whole;
}

static void
report(void)
{
	uint64_t	all_loaded = 0;
	uint64_t	all_used = 0;

	tsdb_predict_pass(predictor, INT64_MAX / 2);
	printf("%-10s %10s %10s %10s %10s %12s %12s %8s %8s\n", "pattern", "predicted", "came true",
		   "precision", "throttled", "vectors", "used", "used", "recall");
	for (int i = 0; i < TSDB_PATTERNS; i++)
	{
		TsdbPatternCounts counts;

		tsdb_predict_counts(predictor, i, &counts);
		printf("%-10s %10llu %10llu %9.1f%% %10llu %12llu %12llu %7.1f%% %7.1f%%\n",
			   tsdb_pattern_names[i], (unsigned long long) counts.predicted,
			   (unsigned long long) counts.came, percent(counts.came, counts.came + counts.failed),
			   (unsigned long long) counts.throttled, (unsigned long long) loaded[i],
			   (unsigned long long) used[i], percent(used[i], loaded[i]),
			   percent(used[i], first_touches));
		all_loaded += loaded[i];
		all_used += used[i];
	}
	printf("%llu accesses, %llu first touches of vectors, %.1f%% of them found; %.1f%% of %llu loaded were used; "
		   "%.2f us an access, %zu bytes\n",
		   (unsigned long long) accesses, (unsigned long long) first_touches,
		   percent(found, first_touches), percent(all_used, all_loaded),
		   (unsigned long long) all_loaded, accesses > 0 ? spent * 1e6 / accesses : 0,
		   tsdb_predict_bytes());
}

int
main(int argc, char **argv)
{
	TsdbMadeDay day = {.seed = 1,.hours = 24,.users = 8,.walls = 6,.noise = 0.05};
	bool		generate = false;
	int			option;

	while ((option = getopt(argc, argv, "s:h:u:w:n:c:d:q:b:g")) != -1)
	{
		switch (option)
		{
			case 's':
				day.seed = strtoull(optarg, NULL, 10);
				break;
			case 'h':
				day.hours = atof(optarg);
				break;
			case 'u':
				day.users = atoi(optarg);
				break;
			case 'w':
				day.walls = atoi(optarg);
				break;
			case 'n':
				day.noise = atof(optarg);
				break;
			case 'c':
				threshold = atof(optarg);
				break;
			case 'd':
				delay = (int64_t) (atof(optarg) * 1000);
				break;
			case 'q':
				quantum = (int64_t) (atof(optarg) * 1000000);
				break;
			case 'b':
				begin = strtoll(optarg, NULL, 10);
				break;
			case 'g':
				generate = true;
				break;
			default:
				fprintf(stderr, "see the head of bench/predict_replay.c\n");
				return 2;
		}
	}
	if (generate)
	{
		tsdb_predict_generate(&day, print, NULL);
		return 0;
	}
	if (quantum <= 0)
	{
		fprintf(stderr, "a chunk has more than no time\n");
		return 2;
	}
	predictor = tsdb_predict_init(malloc(tsdb_predict_bytes()));
	cells = calloc(ncells, sizeof(Cell));
	waiting = malloc(WAITING_MAX * sizeof(TsdbPrediction));
	if (optind < argc)
		replay_file(argv[optind]);
	else
		tsdb_predict_generate(&day, replay, NULL);
	report();
	return 0;
}
