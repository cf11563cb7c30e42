/*
 * predict.c
 *		What will be read next, from what has been read.
 *
 * Whatever an access tells is learnt first (whose expectation it was, what it followed), then what is expected
 * now is written down, and what of that is likely enough is handed out.
 */
#include "cache/predict.h"

#include <string.h>

#include "cache/predict_round.h"

/*
 * What is believed before there is experience weighs as much as so many predictions and vectors; after so many,
 * they are halved.
 */
#define MADE_TRUST		16.0
#define MADE_MEMORY		512
#define LOADED_TRUST	64.0
#define LOADED_MEMORY	2048

/* Use may be likelier than what was predicted: a chunk has more than one page. */
#define FACTOR_MAX		2.0

/* with every prediction that is held back for that */
#define FORGIVING		0.995f

/* Of the chunks in a range, so many are decoded: then statistics answer hardly any. */
#define NEARLY_ALL		0.95f

#define SWEPT_AT_ACCESS	4
#define SWEPT_AT_PASS	1024

const char *const tsdb_pattern_names[TSDB_PATTERNS] = {
	[TSDB_PATTERN_REFRESH] = "refresh",
	[TSDB_PATTERN_FORWARD] = "forward",
	[TSDB_PATTERN_BACK] = "back",
	[TSDB_PATTERN_COLUMNS] = "columns",
	[TSDB_PATTERN_SERIES] = "series"
};

size_t
tsdb_predict_bytes(void)
{
	return sizeof(TsdbPredictor);
}

TsdbPredictor *
tsdb_predict_init(void *memory)
{
	memset(memory, 0, sizeof(TsdbPredictor));
	return memory;
}

/* ---- promises ---- */

/* A promise is decided: what of it was used says what the pattern is worth in that shape. */
static void
close_promise(TsdbPredictor *predictor, TsdbPromise *promise)
{
	TsdbPatternCounts *counts = &predictor->counts[promise->pattern];
	TsdbShape  *shape = tsdb_shape_at(predictor, promise->shape, promise->shape_check);

	promise->open = false;
	counts->failed += !promise->came;
	counts->used += promise->used;
	if (shape != NULL)
	{
		TsdbWorth  *worth = &shape->worth[promise->pattern][promise->ahead];

		if (worth->loaded > LOADED_MEMORY)
		{
			worth->loaded /= 2;
			worth->used /= 2;
		}
		if (worth->made > MADE_MEMORY)
		{
			worth->made /= 2;
			worth->came /= 2;
		}
		worth->made++;
		worth->came += promise->came;
		worth->loaded += promise->loaded;
		worth->used += promise->used;
	}
}

static bool
overlap(const TsdbPromise *promise, const TsdbAccess *access)
{
	int64_t		from = promise->from > access->from ? promise->from : access->from;
	int64_t		to = promise->to < access->to ? promise->to : access->to;

	if (from > to)
		return false;
	return tsdb_place_distance(to, from) >=
		tsdb_range_width(promise->from, promise->to) / 2;
}

/* Which promises has an access made true? */
static void
keep_promises(TsdbRound *round)
{
	const TsdbAccess *access = round->access;
	uint64_t	what = tsdb_predict_mix(round->shape->id, round->series);
	uint32_t	used = access->prefetched;
	TsdbPromise *last = NULL;

	for (int i = 0; i < TSDB_PROMISES; i++)
	{
		TsdbPromise *promise = &round->predictor->promises[i];

		if (!promise->open || promise->what != what || !overlap(promise, access))
			continue;
		if (!promise->came)
		{
			promise->came = true;
			round->predictor->counts[promise->pattern].came++;
			/* a report of what was loaded may be on its way */
			if (promise->until > access->at + TSDB_TOGETHER)
				promise->until = access->at + TSDB_TOGETHER;
		}
		if (used > 0 && promise->loaded > promise->used)
		{
			uint32_t	part = promise->loaded - promise->used;

			part = part < used ? part : used;
			promise->used += part;
			used -= part;
		}
		last = promise;
	}
	if (last != NULL)
		last->used += used;
}

static bool
is_promised(const TsdbRound *round, uint64_t what, int64_t from, int64_t to)
{
	for (int i = 0; i < TSDB_PROMISES; i++)
	{
		const TsdbPromise *promise = &round->predictor->promises[i];

		if (promise->open && !promise->came && promise->what == what &&
			tsdb_range_is_near(from, to, promise->from, promise->to, round->access->at))
			return true;
	}
	return false;
}

void
tsdb_predict_loaded(TsdbPredictor *predictor, uint32_t number, uint32_t vectors)
{
	TsdbPromise *promise = &predictor->promises[number % TSDB_PROMISES];

	if (promise->number != number || !promise->open)
		return;
	promise->loaded += vectors;
	predictor->counts[promise->pattern].loaded += vectors;
}

/* ---- handing out ---- */

/* Columns that were read half as often as the one that was read most. */
static void
list_columns(const TsdbShape *shape, TsdbAccess *access)
{
	int			most = 0;

	access->ncolumns = 0;
	for (int i = 0; i < shape->ncolumns; i++)
		most = shape->seen[i] > most ? shape->seen[i] : most;
	for (int i = 0; i < shape->ncolumns; i++)
	{
		if (shape->seen[i] * 2 >= most)
			access->columns[access->ncolumns++] = shape->columns[i];
	}
}

/*
 * How much likelier, or less likely, is it that what is loaded will be used than that the prediction comes true, of which that
 * is the confidence?  Without experience, as before.
 */
static double
use_factor(const TsdbWorth *worth, double confidence, double before)
{
	double		came = (worth->came + MADE_TRUST * confidence) / (worth->made + MADE_TRUST);
	double		used = (worth->used + LOADED_TRUST * came * before) / (worth->loaded + LOADED_TRUST);
	double		factor = came > 0 ? used / came : 1;

	return factor < FACTOR_MAX ? factor : FACTOR_MAX;
}

/* How likely is it to be of use?  Of a page of which little is known, what is known of nearer ones says something. */
static double
use_of(const TsdbShape *shape, TsdbPattern pattern, int ahead, double confidence)
{
	double		factor = 1;
	double		use;

	for (int i = pattern == TSDB_PATTERN_COLUMNS ? ahead : 0; i <= ahead; i++)
		factor = use_factor(&shape->worth[pattern][i], confidence, factor);
	use = confidence * factor;
	return use < 1 ? use : 1;
}

bool
tsdb_predict_offer(TsdbRound *round, TsdbPattern pattern, int ahead, double confidence,
				   TsdbShape *shape, const TsdbCursor *of, int64_t from, int64_t to, int64_t due,
				   int64_t until)
{
	TsdbPredictor *predictor = round->predictor;
	uint64_t	what = tsdb_predict_mix(shape->id, of->series);
	TsdbWorth  *worth = &shape->worth[pattern][ahead];
	double		use = use_of(shape, pattern, ahead, confidence);
	TsdbPromise *promise;
	TsdbPrediction *prediction;
	TsdbAccess *access;

	if (use < round->threshold)
	{
		if (confidence < round->threshold)
			return false;
		worth->made *= FORGIVING;
		worth->came *= FORGIVING;
		worth->loaded *= FORGIVING;
		worth->used *= FORGIVING;
		predictor->counts[pattern].throttled++;
		return false;
	}
	if (round->count == TSDB_PREDICTIONS_MAX || shape->ncolumns == 0 ||
		is_promised(round, what, from, to))
		return true;

	promise = &predictor->promises[predictor->next_promise % TSDB_PROMISES];
	if (promise->open)
		close_promise(predictor, promise);
	*promise = (TsdbPromise)
	{
		.number = predictor->next_promise++,
		.open = true,
		.pattern = pattern,
		.ahead = ahead,
		.shape = tsdb_shape_place(predictor, shape),
		.shape_check = (uint32_t) shape->id,
		.what = what,
		.from = from,
		.to = to,
		.until = until
	};
	predictor->counts[pattern].predicted++;

	prediction = &round->predictions[round->count++];
	memset(prediction, 0, sizeof(*prediction));
	prediction->pattern = pattern;
	prediction->confidence = use;
	prediction->due = due;
	prediction->promise = promise->number;
	access = &prediction->access;
	access->at = due;
	access->database = shape->database;
	access->table = shape->table;
	access->time = shape->time;
	access->rank = shape->rank;
	access->key = shape->key;
	access->edges = shape->decoded < NEARLY_ALL;
	access->from = from;
	access->to = to;
	access->nranks = of->nranks;
	access->nhashes = of->nhashes;
	access->paired = of->paired;
	memcpy(access->ranks, of->ranks, sizeof(access->ranks));
	memcpy(access->hashes, of->hashes, sizeof(access->hashes));
	list_columns(shape, access);
	return true;
}

/* ---- the way of an access ---- */

/* Which columns its queries read in fact. */
static void
learn_columns(TsdbShape *shape, const TsdbAccess *access)
{
	shape->last_at = access->at;
	shape->time = access->time;
	shape->rank = access->rank;
	shape->key = access->key;
	if (access->chunks > 0)
		shape->decoded += ((float) access->decoded / access->chunks - shape->decoded) / 4;
	for (int i = 0; i < access->ncolumns; i++)
	{
		int			place = 0;

		while (place < shape->ncolumns && shape->columns[place] != access->columns[i])
			place++;
		if (place == TSDB_ACCESS_COLUMNS_MAX)
			continue;
		if (place == shape->ncolumns)
		{
			shape->columns[shape->ncolumns++] = access->columns[i];
			shape->seen[place] = 0;
		}
		if (++shape->seen[place] == UINT8_MAX)
		{
			for (int j = 0; j < shape->ncolumns; j++)
				shape->seen[j] /= 2;
		}
	}
}

int
tsdb_predict_access(TsdbPredictor *predictor, const TsdbAccess *access, double threshold,
					TsdbPrediction *predictions)
{
	TsdbRound		round = {.predictor = predictor,.access = access,.threshold = threshold,
	.predictions = predictions};

	tsdb_predict_close_recents(predictor, access->at);
	tsdb_predict_sweep(predictor, SWEPT_AT_ACCESS, access->at);
	round.shape = tsdb_shape_find(predictor, access);
	round.series = tsdb_access_series(access);
	learn_columns(round.shape, access);
	keep_promises(&round);
	tsdb_predict_find_cursor(&round);
	tsdb_predict_learn_together(&round);
	tsdb_predict_together(&round);
	tsdb_predict_steps(&round);
	return round.count;
}

void
tsdb_predict_pass(TsdbPredictor *predictor, int64_t now)
{
	tsdb_predict_close_recents(predictor, now);
	tsdb_predict_sweep(predictor, SWEPT_AT_PASS, now);
	for (int i = 0; i < TSDB_PROMISES; i++)
	{
		TsdbPromise *promise = &predictor->promises[i];

		if (promise->open && promise->until < now)
			close_promise(predictor, promise);
	}
}

void
tsdb_predict_counts(const TsdbPredictor *predictor, TsdbPattern pattern, TsdbPatternCounts *counts)
{
	*counts = predictor->counts[pattern];
}
