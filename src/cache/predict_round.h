/*
 * predict_round.h
 *		An access on its way through the predictor: what its parts share.
 *
 * predict.c takes it in, keeps promises and hands out predictions; predict_steps.c knows where a panel
 * goes from its place in time; predict_together.c knows what belongs to one dashboard.
 *
 * Plain C11; no server headers.
 */
#ifndef TSDB_CACHE_PREDICT_ROUND_H
#define TSDB_CACHE_PREDICT_ROUND_H

#include "cache/predict.h"
#include "cache/predict_tables.h"

/* what belongs to one dashboard comes within this time */
#define TSDB_TOGETHER		(5 * TSDB_SECONDS)

/* A page is turned, or not, within this time; and what was read has not been forgotten. */
#define TSDB_SITTING		(600 * TSDB_SECONDS)

/* trials after which counts are halved */
#define TSDB_CURSOR_MEMORY	16
#define TSDB_SHAPE_MEMORY	256

typedef struct TsdbRound
{
	TsdbPredictor *predictor;
	const TsdbAccess *access;
	double		threshold;
	TsdbPrediction *predictions;
	int			count;

	TsdbShape  *shape;
	TsdbCursor *cursor;
	uint64_t	series;
	TsdbStance	stance;
} TsdbRound;

/*
 * Hand out a prediction if it is likely enough: that a shape is read for the series that a cursor is of.  It
 * may come true until a time.  ahead: of pages, how many lie between; else 0.  False: it is not.
 */
extern bool tsdb_predict_offer(TsdbRound *round, TsdbPattern pattern, int ahead,
							   double confidence, TsdbShape *shape, const TsdbCursor *of, int64_t from, int64_t to,
							   int64_t due, int64_t until);

/* ---- predict_steps.c ---- */

/* Find the cursor that the access belongs to, or make it, and count what it expected. */
extern void tsdb_predict_find_cursor(TsdbRound *round);
extern void tsdb_predict_steps(TsdbRound *round);

/* So many cursors are looked at whether what they expect can still come. */
extern void tsdb_predict_sweep(TsdbPredictor *predictor, int count, int64_t now);

/* ---- predict_together.c ---- */

/* Note with other accesses of the last seconds that this one has followed, and note it for others. */
extern void tsdb_predict_learn_together(TsdbRound *round);
extern void tsdb_predict_together(TsdbRound *round);

/* The time of some of them is over. */
extern void tsdb_predict_close_recents(TsdbPredictor *predictor, int64_t now);

#endif							/* TSDB_CACHE_PREDICT_ROUND_H */
