/*
 * predict_together.c
 *		What belongs to one dashboard: queries that come together for the same range.
 *
 * An access is remembered for some seconds.  Whatever is asked for in the same range meanwhile has followed it: other columns of the
 * same series, which the shape is told, or the same of another series, which the cursor is told.  When the time is
 * over, each of those that the owner knows has come or has not.
 *
 * What follows is counted apart for three ways in which a panel comes to its range: people who open a
 * dashboard look at the newest data, people who turn its pages go on from where they were, and queries that
 * belong to no dashboard start anywhere.
 */
#include "cache/predict_round.h"

/* What is seen together but once may be a coincidence, and more so of series. */
#define FOLLOWER_PRIOR	0.3
#define FOLLOWER_WEIGHT	2.0
#define SIBLING_PRIOR	0.3
#define SIBLING_WEIGHT	3.0

/* Who comes late is charged with so many trials at most that he missed. */
#define MISSED_MAX		8

/* Who comes more rarely gives way to others. */
#define HARDLY_EVER		0.25

/* The time of a recent access is over: who followed it, and who did not? */
static void
close_recent(TsdbPredictor *predictor, TsdbRecent *recent)
{
	TsdbShape  *shape = tsdb_shape_at(predictor, recent->shape, recent->shape_check);
	TsdbCursor *cursor = tsdb_cursor_at(predictor, recent->cursor, recent->cursor_check);

	recent->open = false;
	for (int i = 0; shape != NULL && i < TSDB_FOLLOWERS; i++)
	{
		shape->followers[i].is_new = false;
		if (shape->followers[i].place != TSDB_NOWHERE)
			tsdb_tried_count(&shape->followers[i].tried[recent->stance],
							 (recent->followers & 1 << i) != 0, TSDB_SHAPE_MEMORY);
	}
	for (int i = 0; cursor != NULL && i < TSDB_SIBLINGS; i++)
	{
		cursor->siblings[i].is_new = false;
		if (cursor->siblings[i].place != TSDB_NOWHERE)
			tsdb_tried_count(&cursor->siblings[i].tried, (recent->siblings & 1 << i) != 0,
							 TSDB_CURSOR_MEMORY);
	}
	if (shape != NULL)
		shape->accesses[recent->stance]++;
}

void
tsdb_predict_close_recents(TsdbPredictor *predictor, int64_t now)
{
	for (int i = 0; i < TSDB_RECENTS; i++)
	{
		TsdbRecent *recent = &predictor->recents[i];

		if (recent->open && recent->at < now - TSDB_TOGETHER)
			close_recent(predictor, recent);
	}
}

static uint8_t
missed_trials(uint32_t accesses)
{
	return accesses < MISSED_MAX ? accesses : MISSED_MAX;
}

/* The place of a follower, which is let in if it is new and another hardly ever comes; -1: it is not. */
static int
follower_place(TsdbShape *shape, uint16_t place, uint32_t check)
{
	int			worst = -1;
	double		least = HARDLY_EVER;

	for (int i = 0; i < TSDB_FOLLOWERS; i++)
	{
		const TsdbFollower *follower = &shape->followers[i];
		double		most = follower->is_new ? 1 : 0;

		if (follower->place == place && follower->check == check)
			return i;
		for (int j = 0; follower->place != TSDB_NOWHERE && j < TSDB_STANCES; j++)
		{
			double		share = tsdb_tried_share(&follower->tried[j], 0.5, 1);

			most = share > most && follower->tried[j].tried > 0 ? share : most;
		}
		if (most < least)
		{
			worst = i;
			least = most;
		}
	}
	if (worst >= 0)
	{
		shape->followers[worst] = (TsdbFollower)
		{
			.place = place,.check = check,.is_new = true
		};
		for (int j = 0; j < TSDB_STANCES; j++)
			shape->followers[worst].tried[j].tried = missed_trials(shape->accesses[j]);
	}
	return worst;
}

/* The same of a cursor. */
static int
sibling_place(TsdbCursor *cursor, uint16_t place, uint32_t check)
{
	int			worst = -1;
	double		least = HARDLY_EVER;

	for (int i = 0; i < TSDB_SIBLINGS; i++)
	{
		const TsdbSibling *sibling = &cursor->siblings[i];
		double		share = sibling->place == TSDB_NOWHERE ? 0 :
		sibling->is_new ? 1 : tsdb_tried_share(&sibling->tried, 0.5, 1);

		if (sibling->place == place && sibling->check == check)
			return i;
		if (share < least)
		{
			worst = i;
			least = share;
		}
	}
	if (worst >= 0)
		cursor->siblings[worst] = (TsdbSibling)
	{
		.place = place,.check = check,.is_new = true,.tried.tried = missed_trials(cursor->steps)
	};
	return worst;
}

/* Note with recent accesses that this one has followed them. */
static void
learn_followers(TsdbRound *round)
{
	TsdbPredictor *predictor = round->predictor;
	const TsdbAccess *access = round->access;
	uint16_t	shape_at = tsdb_shape_place(predictor, round->shape);

	for (int i = 0; i < TSDB_RECENTS; i++)
	{
		TsdbRecent *recent = &predictor->recents[i];
		TsdbShape  *shape;
		TsdbCursor *cursor;
		bool		same_shape;
		int			place;

		if (!recent->open || recent->database != access->database ||
			!tsdb_range_is_near(access->from, access->to, recent->from, recent->to, access->at))
			continue;
		same_shape = recent->shape == shape_at &&
			recent->shape_check == (uint32_t) round->shape->id;
		if (same_shape == (recent->series == round->series))
			continue;
		shape = tsdb_shape_at(predictor, recent->shape, recent->shape_check);
		cursor = tsdb_cursor_at(predictor, recent->cursor, recent->cursor_check);
		if (!same_shape && shape != NULL)
		{
			place = follower_place(shape, shape_at, (uint32_t) round->shape->id);
			recent->followers |= place >= 0 ? 1 << place : 0;
		}
		if (same_shape && cursor != NULL)
		{
			place = sibling_place(cursor, tsdb_cursor_place(predictor, round->cursor),
								  (uint32_t) round->cursor->id);
			recent->siblings |= place >= 0 ? 1 << place : 0;
		}
	}
}

static TsdbStance
stance_of(const TsdbRound *round)
{
	const TsdbAccess *access = round->access;
	int64_t		width = tsdb_range_width(access->from, access->to);

	if (round->cursor->steps > 0)
		return TSDB_STANCE_GOES_ON;
	if (access->to == TSDB_ACCESS_LAST || tsdb_place_apart(access->to, access->at) <= width / 8)
		return TSDB_STANCE_NEWEST;
	return TSDB_STANCE_ELSEWHERE;
}

static void
add_recent(TsdbRound *round)
{
	TsdbPredictor *predictor = round->predictor;
	TsdbRecent *recent = &predictor->recents[predictor->next_recent++ % TSDB_RECENTS];

	if (recent->open)
		close_recent(predictor, recent);
	*recent = (TsdbRecent)
	{
		.at = round->access->at,
		.from = round->access->from,
		.to = round->access->to,
		.series = round->series,
		.database = round->access->database,
		.shape = tsdb_shape_place(predictor, round->shape),
		.shape_check = (uint32_t) round->shape->id,
		.cursor = tsdb_cursor_place(predictor, round->cursor),
		.cursor_check = (uint32_t) round->cursor->id,
		.stance = round->stance,
		.open = true
	};
}

void
tsdb_predict_learn_together(TsdbRound *round)
{
	round->stance = stance_of(round);
	learn_followers(round);
	add_recent(round);
}

/* The rest of the dashboard: what has not been asked for in this range lately. */
void
tsdb_predict_together(TsdbRound *round)
{
	TsdbPredictor *predictor = round->predictor;
	const TsdbAccess *access = round->access;
	int64_t		now = access->at;

	for (int i = 0; i < TSDB_FOLLOWERS; i++)
	{
		const TsdbFollower *follower = &round->shape->followers[i];
		TsdbShape  *shape = tsdb_shape_at(predictor, follower->place, follower->check);
		uint64_t	id;

		if (shape == NULL)
			continue;
		id = tsdb_cursor_id(shape->id, round->series, access->from, access->to, now);
		if (tsdb_cursor_near(predictor, id, access->from, access->to, now - TSDB_SITTING, now) == NULL)
			tsdb_predict_offer(round, TSDB_PATTERN_COLUMNS, round->stance,
							   tsdb_tried_share(&follower->tried[round->stance],
												FOLLOWER_PRIOR, FOLLOWER_WEIGHT),
							   shape, round->cursor, access->from, access->to, now,
							   now + 4 * TSDB_TOGETHER);
	}
	for (int i = 0; i < TSDB_SIBLINGS; i++)
	{
		const TsdbSibling *sibling = &round->cursor->siblings[i];
		TsdbCursor *cursor = tsdb_cursor_at(predictor, sibling->place, sibling->check);

		if (cursor != NULL &&
			tsdb_cursor_near(predictor, cursor->id, access->from, access->to, now - TSDB_SITTING,
							 now) == NULL)
			tsdb_predict_offer(round, TSDB_PATTERN_SERIES, 0,
							   tsdb_tried_share(&sibling->tried, SIBLING_PRIOR, SIBLING_WEIGHT),
							   round->shape, cursor, access->from, access->to, now,
							   now + 4 * TSDB_TOGETHER);
	}
}
