/*
 * predict_steps.c
 *		Where a panel goes from its place in time: refreshed, forward or back.
 *
 * A step is the distance between two ranges of a cursor.  Small steps ahead, or those of as much as has passed,
 * are a refresh; of a quarter of the width or more, they turn a page.  After a step another like it is expected,
 * for a page within TSDB_SITTING, for a refresh after its period.
 */
#include "cache/predict_round.h"

#include <string.h>

/* nobody needs what is asked for more often */
#define PERIOD_MIN		TSDB_SECONDS

#define GAP_MAX			(365 * 86400 * TSDB_SECONDS)

/* A refresh is loaded for so long before it comes, a quarter of its period at most. */
#define LEAD_MAX		(2 * TSDB_SECONDS)

/* Looking for something to load costs: of shorter periods, it is done every fourth time after so many in vain. */
#define PERIOD_LONG		(10 * TSDB_SECONDS)
#define QUIET			16

/* What other cursors did weighs as much as so many trials of this one, once they are many. */
#define PRIOR_WEIGHT_MAX 24.0

/* and the same of those of all widths, against those of this one */
#define LIKE_WEIGHT		8.0

/* Going on by its width, for a panel that was just opened. */
#define FIRST_PRIOR		0.1
#define FIRST_WEIGHT	4.0

/* ---- what comes true ---- */

static int
width_class(const TsdbCursor *cursor)
{
	int64_t		width = tsdb_range_width(cursor->from, cursor->to);

	return width > 0 ? (63 - __builtin_clzll(width)) % TSDB_WIDTHS : 0;
}

/* What a cursor expected has not come, or something else has. */
static void
count_step(TsdbPredictor *predictor, TsdbCursor *cursor, bool came, int64_t now)
{
	TsdbShape  *shape = tsdb_shape_at(predictor, cursor->shape, cursor->shape_check);
	int64_t		width = tsdb_range_width(cursor->from, cursor->to);

	tsdb_tried_count(&cursor->next[cursor->pattern], came, TSDB_CURSOR_MEMORY);
	if (shape != NULL &&
		(tsdb_place_apart(shape->decided, cursor->expected) > width / 16 ||
		 tsdb_place_apart(shape->decided_at, now) > TSDB_SECONDS))
	{
		shape->decided = cursor->expected;
		shape->decided_at = now;
		tsdb_tried_count(&shape->next[cursor->pattern][cursor->run > 0], came, TSDB_SHAPE_MEMORY);
		tsdb_tried_count(&shape->wide[cursor->pattern][width_class(cursor)], came, TSDB_SHAPE_MEMORY);
	}
	cursor->expecting = false;
}

/* How has a cursor gone on that was just opened?  pattern -1: not at all. */
static void
count_first(TsdbPredictor *predictor, TsdbCursor *cursor, int pattern)
{
	TsdbShape  *shape = tsdb_shape_at(predictor, cursor->shape, cursor->shape_check);

	for (int i = TSDB_PATTERN_FORWARD; shape != NULL && i <= TSDB_PATTERN_BACK; i++)
		tsdb_tried_count(&shape->first[i], i == pattern, TSDB_SHAPE_MEMORY);
}

/* Nobody comes any more to this place. */
static void
end_sitting(TsdbPredictor *predictor, TsdbCursor *cursor, int64_t now)
{
	if (cursor->expecting)
		count_step(predictor, cursor, false, now);
	else if (cursor->steps == 0)
		count_first(predictor, cursor, -1);
	cursor->steps = 1;			/* decided */
	cursor->pattern = -1;
	cursor->run = 0;
	cursor->has_ahead = false;
}

static bool
is_over(const TsdbCursor *cursor, int64_t now)
{
	int64_t		patience = TSDB_SITTING;

	if (cursor->expecting && cursor->pattern == TSDB_PATTERN_REFRESH)
		patience = 2 * cursor->period + TSDB_TOGETHER;
	return cursor->last_at < now - patience;
}

void
tsdb_predict_sweep(TsdbPredictor *predictor, int count, int64_t now)
{
	while (count-- > 0)
	{
		TsdbCursor *cursor = &predictor->cursors[predictor->next_swept++ % TSDB_CURSORS];

		if (cursor->id != 0 && (cursor->expecting || cursor->steps == 0) && is_over(cursor, now))
			end_sitting(predictor, cursor, now);
	}
}

static int
classify(const TsdbAccess *access, int64_t step, int64_t gap)
{
	int64_t		width = tsdb_range_width(access->from, access->to);
	int64_t		page = step < 0 ? -step : step;

	if (width == 0)
		return step >= 0 ? TSDB_PATTERN_REFRESH : -1;
	if (step < 0)
		return page >= width / 4 ? TSDB_PATTERN_BACK : -1;
	if (page < width / 4 || tsdb_place_apart(step, gap) <= gap / 4)
		return TSDB_PATTERN_REFRESH;
	return TSDB_PATTERN_FORWARD;
}

/* Has the access come where, and when, the cursor expected it? */
static bool
is_expected(const TsdbCursor *cursor, int pattern, int64_t place, int64_t width, int64_t gap)
{
	if (pattern != cursor->pattern)
		return false;
	if (pattern == TSDB_PATTERN_REFRESH)
		return tsdb_place_apart(gap, cursor->period) <= cursor->period / 4 + TSDB_SECONDS / 2;
	return tsdb_place_apart(place, cursor->expected) <= width / 8;
}

static int64_t
gap_before(const TsdbCursor *cursor, int64_t now)
{
	int64_t		gap = tsdb_place_distance(now, cursor->last_at);

	return gap < 0 ? 0 : gap < GAP_MAX ? gap : GAP_MAX;
}

/* Does somebody turn pages there? */
static bool
turns_pages(const TsdbCursor *cursor)
{
	return cursor->pattern >= TSDB_PATTERN_FORWARD;
}

/* How has a cursor gone on that was just opened? */
static void
count_opened(TsdbRound *round, TsdbCursor *cursor, int pattern, int64_t step)
{
	int64_t		width = tsdb_range_width(cursor->from, cursor->to);
	bool		by_width = width > 0 && pattern >= TSDB_PATTERN_FORWARD &&
		tsdb_place_apart(step < 0 ? -step : step, width) <= width / 8;

	count_first(round->predictor, cursor, by_width ? pattern : -1);
}

/* Move a cursor by a step of a pattern to where the access is. */
static void
move_cursor(TsdbRound *round, TsdbCursor *cursor, int pattern, int64_t step, int64_t gap)
{
	const TsdbAccess *access = round->access;
	int64_t		place = tsdb_range_place(access->from, access->to);
	int64_t		width = tsdb_range_width(access->from, access->to);
	bool		came = false;

	if (cursor->expecting)
	{
		came = is_expected(cursor, pattern, place, width, gap);
		count_step(round->predictor, cursor, came, access->at);
	}
	else if (cursor->steps == 0)
		count_opened(round, cursor, pattern, step);
	cursor->steps++;
	cursor->run = came ? cursor->run + 1 : 0;
	if (pattern != cursor->pattern)
		cursor->has_ahead = false;
	if (pattern == TSDB_PATTERN_REFRESH)
		cursor->period = came ? (3 * cursor->period + gap) / 4 : gap;
	cursor->pattern = pattern;
	cursor->expecting = turns_pages(cursor) ||
		(pattern == TSDB_PATTERN_REFRESH && gap >= PERIOD_MIN);
	cursor->step = step;
	cursor->expected = tsdb_place_add(place, step);
}

/* The access is at the cursor's place from now on. */
static void
settle_cursor(const TsdbRound *round, TsdbCursor *cursor)
{
	const TsdbAccess *access = round->access;

	cursor->quiet = access->misses > 0 || access->prefetched > 0 ? 0 :
		cursor->quiet < UINT16_MAX ? cursor->quiet + 1 : cursor->quiet;
	cursor->last_at = access->at;
	cursor->from = access->from;
	cursor->to = access->to;
}

static TsdbCursor *
make_cursor(TsdbRound *round, uint64_t id)
{
	TsdbPredictor *predictor = round->predictor;
	const TsdbAccess *access = round->access;
	const TsdbCursor *other = tsdb_cursor_latest(predictor, id);
	TsdbCursor *cursor;
	TsdbSibling siblings[TSDB_SIBLINGS];

	for (int i = 0; i < TSDB_SIBLINGS; i++)
	{
		siblings[i].place = TSDB_NOWHERE;
		if (other != NULL)
			siblings[i] = other->siblings[i];
	}
	cursor = tsdb_cursor_room(predictor, id);
	if (cursor->id != 0 && (cursor->expecting || cursor->steps == 0))
		end_sitting(predictor, cursor, access->at);
	memset(cursor, 0, sizeof(*cursor));
	cursor->id = id;
	cursor->series = round->series;
	cursor->shape = tsdb_shape_place(predictor, round->shape);
	cursor->shape_check = (uint32_t) round->shape->id;
	cursor->pattern = -1;
	cursor->nranks = access->nranks;
	cursor->nhashes = access->nhashes;
	cursor->paired = access->paired;
	memcpy(cursor->ranks, access->ranks, sizeof(cursor->ranks));
	memcpy(cursor->hashes, access->hashes, sizeof(cursor->hashes));
	memcpy(cursor->siblings, siblings, sizeof(siblings));
	return cursor;
}

/*
 * Find the cursor that the access belongs to.  Where one stands that is refreshed, or was only opened, who turns a
 * page from there gets one of his own: others stay where they are.  Who turns pages is not disturbed by who
 * looks at the same one.
 */
void
tsdb_predict_find_cursor(TsdbRound *round)
{
	TsdbPredictor *predictor = round->predictor;
	const TsdbAccess *access = round->access;
	uint64_t	id = tsdb_cursor_id(round->shape->id, round->series, access->from, access->to,
									access->at);
	TsdbCursor *cursor = tsdb_cursor_find(predictor, id, access->from, access->to);

	if (cursor == NULL)
		cursor = make_cursor(round, id);
	else if (is_over(cursor, access->at))
	{
		end_sitting(predictor, cursor, access->at);
		cursor->steps = 0;
	}
	else
	{
		int64_t		gap = gap_before(cursor, access->at);
		int64_t		step = tsdb_place_distance(tsdb_range_place(access->from, access->to),
											   tsdb_range_place(cursor->from, cursor->to));
		int64_t		width = tsdb_range_width(access->from, access->to);
		int			pattern = classify(access, step, gap);

		if (pattern >= TSDB_PATTERN_FORWARD && !turns_pages(cursor))
		{
			if (cursor->steps == 0)
			{
				count_opened(round, cursor, pattern, step);
				cursor->steps = 1;
			}
			cursor = make_cursor(round, id);
			cursor->steps = 1;
			move_cursor(round, cursor, pattern, step, gap);
		}
		else if (!turns_pages(cursor) || (step < 0 ? -step : step) > width / 16)
			move_cursor(round, cursor, pattern, step, gap);
	}
	settle_cursor(round, cursor);
	round->cursor = cursor;
}

/* ---- where a cursor goes ---- */

/* The pages that follow: as many as stay likely enough, each one as much less as is usual. */
static void
predict_pages(TsdbRound *round, double confidence, double usual)
{
	TsdbCursor *cursor = round->cursor;
	int64_t		now = round->access->at;
	double		likely = confidence;
	int64_t		from = cursor->from;
	int64_t		to = cursor->to;

	for (int page = 0; page < TSDB_PAGES_MAX && page <= cursor->run + 1;
		 page++, likely *= usual)
	{
		int64_t		place;

		tsdb_range_shift(&from, &to, cursor->step);
		place = tsdb_range_place(from, to);
		if (cursor->has_ahead && (cursor->step < 0 ? place >= cursor->ahead : place <= cursor->ahead))
			continue;
		if (!tsdb_predict_offer(round, cursor->pattern, page, likely, round->shape, cursor, from,
								to, now, now + TSDB_SITTING))
			break;
		cursor->ahead = place;
		cursor->has_ahead = true;
	}
}

/* The next refresh, for which there should be something to load now and then. */
static void
predict_refresh(TsdbRound *round, double confidence)
{
	TsdbCursor *cursor = round->cursor;
	int64_t		lead = cursor->period / 4;
	int64_t		next = cursor->last_at + cursor->period;
	int64_t		from = cursor->from;
	int64_t		to = cursor->to;

	if (cursor->period < PERIOD_LONG && cursor->quiet >= QUIET && cursor->quiet % 4 != 0)
		return;
	if (lead > LEAD_MAX)
		lead = LEAD_MAX;
	tsdb_range_shift(&from, &to, cursor->step);
	tsdb_predict_offer(round, TSDB_PATTERN_REFRESH, 0, confidence, round->shape, cursor, from, to,
					   next - lead, next + cursor->period);
}

void
tsdb_predict_steps(TsdbRound *round)
{
	TsdbCursor *cursor = round->cursor;
	TsdbShape  *shape = round->shape;
	int64_t		now = round->access->at;

	if (cursor->expecting)
	{
		const TsdbTried *others = &shape->next[cursor->pattern][cursor->run > 0];
		const TsdbTried *like = &shape->wide[cursor->pattern][width_class(cursor)];
		double		usual = tsdb_tried_share(like, tsdb_tried_share(others, 0.5, 2), LIKE_WEIGHT);
		double		weight = 1 + others->tried / 2.0;
		double		confidence;

		confidence = tsdb_tried_share(&cursor->next[cursor->pattern], usual,
									  weight < PRIOR_WEIGHT_MAX ? weight : PRIOR_WEIGHT_MAX);
		if (cursor->pattern == TSDB_PATTERN_REFRESH)
			predict_refresh(round, confidence);
		else
			predict_pages(round, confidence, usual < confidence ? usual : confidence);
	}
	else if (cursor->steps == 0)
	{
		int64_t		width = tsdb_range_width(cursor->from, cursor->to);

		for (int i = TSDB_PATTERN_FORWARD; width > 0 && i <= TSDB_PATTERN_BACK; i++)
		{
			int64_t		from = cursor->from;
			int64_t		to = cursor->to;

			tsdb_range_shift(&from, &to, i == TSDB_PATTERN_BACK ? -width : width);
			tsdb_predict_offer(round, i, 0,
							   tsdb_tried_share(&shape->first[i], FIRST_PRIOR, FIRST_WEIGHT),
							   shape, cursor, from, to, now, now + TSDB_SITTING);
		}
	}
}
