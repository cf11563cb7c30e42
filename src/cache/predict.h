/*
 * predict.h
 *		What will be read next, from what has been read.
 *
 * The predictor is fed with accesses (cache/access.h) in the order of time, and answers each with what it
 * expects to follow.  Five patterns:
 *
 *		refresh		a panel is asked for again after its period, its range moved on with the time
 *		forward		its range moves on by a step of about its own width, or
 *		back		back by it, again and again: somebody turns pages
 *		columns		after one query, another one reads other columns (perhaps of another table) of the same
 *					series and the same range: panels of one dashboard
 *		series		after one query, the same one asks for another series and the same range
 *
 * What it knows lies in tables of fixed size, of which what was used least recently goes.
 *
 *		shape		the columns that a query names, of a table: all panels that differ by series and
 *					range only.  Which columns are read in fact, which shapes follow, and how often its pages are turned,
 *					is known for all series at once: so something is expected of a series that nobody has read yet.
 *		cursor		a panel at a place in time: shape, series, width of the range, and where the range is.
 *					A panel that two people look at has a cursor for each, and an access belongs to the one
 *					that expected it, or that is nearest.
 *		recent		an access of the last seconds, for finding what is always asked together
 *		promise		a prediction that was handed out, until it has come true or its time is over
 *
 * Confidence.  Whatever is expected is noted whether or not it was handed out, and counted as tried when the
 * next access, or the lack of one, decides; its confidence is the share that came true, starting from a prior: of cursors,
 * what the shape's other cursors did (of that width, after that many steps), of the shape, one half; of sharing a
 * dashboard, less, since there are so many who could.  All panels of a dashboard turn a page together: for the
 * shape that counts once.  Counts are halved now and then, so that old habits are forgotten.  A prediction is handed out from a
 * threshold on.
 *
 * Size.  A page that is c likely to be followed by another is followed by k more with c^k: as many pages
 * ahead are predicted as stay above the threshold, never more than two more than have been turned so already.
 *
 * Use.  Who loads what was predicted tells how much there was to load, and accesses tell how much of that they used.
 * What counts is that what is loaded is used: that may be likelier than that a prediction comes true to the letter, since
 * the next page but one is often in the same chunk, or less likely, where statistics answer what was
 * expected to be read.  So a confidence is multiplied by the ratio of the two, as far as it is known of that pattern and
 * shape; of pages, for each number of pages ahead, so that their number follows what is used of them.  A pattern of which little is used is soon not handed out any more; a little is forgiven each
 * time that this happens, so that it is tried again.  A refresh that finds everything in place is predicted more rarely.
 *
 * Memory: tsdb_predict_bytes(), whatever happens; TSDB_PREDICT_CURSOR_BYTES for each panel of a series that is
 * looked at, so below 1 kB for a series on a dashboard of four panels.
 *
 * An access costs a few microseconds.  Plain C11; no server headers, no allocation, no locks: one process has it.
 */
#ifndef TSDB_CACHE_PREDICT_H
#define TSDB_CACHE_PREDICT_H

#include <stddef.h>

#include "cache/access.h"

#define TSDB_PREDICT_CONFIDENCE_DEFAULT 0.7
#define TSDB_PREDICT_CONFIDENCE_MIN		0.05
#define TSDB_PREDICT_CONFIDENCE_MAX		1.0

/* at most so many predictions follow from an access */
#define TSDB_PREDICTIONS_MAX	16

/* a cursor takes no more than this */
#define TSDB_PREDICT_CURSOR_BYTES 256

typedef enum TsdbPattern
{
	TSDB_PATTERN_REFRESH,
	TSDB_PATTERN_FORWARD,
	TSDB_PATTERN_BACK,
	TSDB_PATTERN_SERIES,
	TSDB_PATTERN_COLUMNS,
	TSDB_PATTERNS
} TsdbPattern;

extern const char *const tsdb_pattern_names[TSDB_PATTERNS];

typedef struct TsdbPrediction
{
	TsdbAccess	access;			/* that is expected; what it takes: the columns only */
	TsdbPattern pattern;
	double		confidence;		/* that it will be of use, 0 to 1 */
	int64_t		due;			/* when to load it: now, or shortly before it is expected */
	uint32_t	promise;		/* its number, for tsdb_predict_loaded() */
} TsdbPrediction;

typedef struct TsdbPatternCounts
{
	uint64_t	predicted;		/* handed out */
	uint64_t	came;			/* of these, those that an access has followed that they said */
	uint64_t	failed;			/* and those that none has; of the others it is not known yet */
	uint64_t	throttled;		/* held back since too little of it is used */
	uint64_t	loaded;			/* vectors, as far as was reported */
	uint64_t	used;			/* of those that came or failed */
} TsdbPatternCounts;

typedef struct TsdbPredictor TsdbPredictor;

extern size_t tsdb_predict_bytes(void);

/* Make one in memory of tsdb_predict_bytes(), aligned to 8 bytes. */
extern TsdbPredictor *tsdb_predict_init(void *memory);

/*
 * There was an access.  What is now predicted with a confidence of at least threshold is put into predictions,
 * which has room for TSDB_PREDICTIONS_MAX: the likelier of a pattern first.  Returns how many.
 */
extern int	tsdb_predict_access(TsdbPredictor *predictor, const TsdbAccess *access, double threshold,
								TsdbPrediction *predictions);

/* For a promise, so many vectors were loaded that had not been there. */
extern void tsdb_predict_loaded(TsdbPredictor *predictor, uint32_t promise, uint32_t vectors);

/* Time goes on without accesses; to be called now and then. */
extern void tsdb_predict_pass(TsdbPredictor *predictor, int64_t now);

extern void tsdb_predict_counts(const TsdbPredictor *predictor, TsdbPattern pattern,
								TsdbPatternCounts *counts);

#endif							/* TSDB_CACHE_PREDICT_H */
