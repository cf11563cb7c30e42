/*
 * predict_tables.c
 *		What the predictor remembers, in tables of fixed size.
 */
#include "cache/predict_tables.h"

#include <string.h>

#define SHAPE_WAYS			8
#define CURSOR_WAYS			8

/* of a shape and series, so many people may look at different times */
#define CURSORS_OF_ONE		4

/* ---- identities ---- */

/* Two numbers to one that looks random (the finalizer of splitmix64, Steele et al. 2014). */
uint64_t
tsdb_predict_mix(uint64_t a, uint64_t b)
{
	uint64_t	z = a * UINT64_C(0x9E3779B97F4A7C15) + b + UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	z ^= z >> 31;
	return z != 0 ? z : 1;
}

/* The same in whatever order the series were named. */
uint64_t
tsdb_access_series(const TsdbAccess *access)
{
	uint64_t	sum = 0;

	for (int i = 0; i < access->nranks; i++)
		sum += tsdb_predict_mix(1, access->ranks[i]);
	for (int i = 0; i < access->nhashes; i++)
		sum += tsdb_predict_mix(2, access->hashes[i]);
	return tsdb_predict_mix(sum, access->nranks * 256 + access->nhashes);
}

/* To within an eighth or so: a panel's width is always the same, but who computes both bounds may take his time. */
static uint64_t
rough_size(int64_t size)
{
	uint64_t	number = size > 0 ? size : 0;
	int			bits = 0;

	if (number < 16)
		return number;
	bits = 63 - __builtin_clzll(number);
	return bits * 16 + ((number >> (bits - 3)) & 7);
}

/* A range without end is told from others by its age. */
uint64_t
tsdb_cursor_id(uint64_t shape, uint64_t series, int64_t from, int64_t to, int64_t now)
{
	uint64_t	size;

	if (from == TSDB_ACCESS_FIRST)
		size = to == TSDB_ACCESS_LAST ? 1 << 20 : 1 << 21;
	else if (to == TSDB_ACCESS_LAST)
		size = (1 << 22) + rough_size(tsdb_place_apart(now, from));
	else
		size = rough_size(tsdb_range_width(from, to));
	return tsdb_predict_mix(tsdb_predict_mix(shape, series), size);
}

/* ---- ranges ---- */

/* A sixteenth of the width; where there is no bound, of the age. */
bool
tsdb_range_is_near(int64_t from, int64_t to, int64_t other_from, int64_t other_to, int64_t now)
{
	int64_t		width = tsdb_range_width(from, to);

	if ((from == TSDB_ACCESS_FIRST) != (other_from == TSDB_ACCESS_FIRST) ||
		(to == TSDB_ACCESS_LAST) != (other_to == TSDB_ACCESS_LAST))
		return false;
	if (width == 0 && from != to)
		width = tsdb_place_apart(now, tsdb_range_place(from, to));
	return (from == TSDB_ACCESS_FIRST || tsdb_place_apart(from, other_from) <= width / 16) &&
		(to == TSDB_ACCESS_LAST || tsdb_place_apart(to, other_to) <= width / 16);
}

/* ---- shapes ---- */

TsdbShape *
tsdb_shape_find(TsdbPredictor *predictor, const TsdbAccess *access)
{
	uint64_t	id = tsdb_predict_mix(tsdb_predict_mix(access->database, access->table),
									  access->shape);
	TsdbShape  *set = &predictor->shapes[id % (TSDB_SHAPES / SHAPE_WAYS) * SHAPE_WAYS];
	TsdbShape  *oldest = set;

	for (int i = 0; i < SHAPE_WAYS; i++)
	{
		if (set[i].id == id)
			return &set[i];
		if (set[i].id == 0 ? oldest->id != 0 : oldest->id != 0 && set[i].last_at < oldest->last_at)
			oldest = &set[i];
	}
	memset(oldest, 0, sizeof(*oldest));
	oldest->id = id;
	oldest->database = access->database;
	oldest->table = access->table;
	oldest->decoded = 1;
	for (int i = 0; i < TSDB_FOLLOWERS; i++)
		oldest->followers[i].place = TSDB_NOWHERE;
	return oldest;
}

/* ---- cursors ---- */

static TsdbCursor *
cursor_set(TsdbPredictor *predictor, uint64_t id)
{
	return &predictor->cursors[id % (TSDB_CURSORS / CURSOR_WAYS) * CURSOR_WAYS];
}

TsdbCursor *
tsdb_cursor_find(TsdbPredictor *predictor, uint64_t id, int64_t from, int64_t to)
{
	TsdbCursor *set = cursor_set(predictor, id);
	TsdbCursor *nearest = NULL;
	int64_t		place = tsdb_range_place(from, to);
	int64_t		width = tsdb_range_width(from, to);
	int64_t		least = INT64_MAX;

	for (int i = 0; i < CURSOR_WAYS; i++)
	{
		int64_t		apart;

		if (set[i].id != id)
			continue;
		if (width > 0 && set[i].expecting &&
			tsdb_place_apart(set[i].expected, place) <= width / 8)
			return &set[i];
		apart = tsdb_place_apart(place, tsdb_range_place(set[i].from, set[i].to));
		if ((width == 0 || apart / 2 <= width) && (nearest == NULL || apart < least))
		{
			nearest = &set[i];
			least = apart;
		}
	}
	return nearest;
}

TsdbCursor *
tsdb_cursor_near(TsdbPredictor *predictor, uint64_t id, int64_t from, int64_t to, int64_t since,
				 int64_t now)
{
	TsdbCursor *set = cursor_set(predictor, id);

	for (int i = 0; i < CURSOR_WAYS; i++)
	{
		if (set[i].id == id && set[i].last_at >= since &&
			tsdb_range_is_near(from, to, set[i].from, set[i].to, now))
			return &set[i];
	}
	return NULL;
}

const TsdbCursor *
tsdb_cursor_latest(TsdbPredictor *predictor, uint64_t id)
{
	const TsdbCursor *set = cursor_set(predictor, id);
	const TsdbCursor *latest = NULL;

	for (int i = 0; i < CURSOR_WAYS; i++)
	{
		if (set[i].id == id && (latest == NULL || set[i].last_at > latest->last_at))
			latest = &set[i];
	}
	return latest;
}

TsdbCursor *
tsdb_cursor_room(TsdbPredictor *predictor, uint64_t id)
{
	TsdbCursor *set = cursor_set(predictor, id);
	TsdbCursor *oldest = &set[0];
	TsdbCursor *oldest_of_one = NULL;
	int			same = 0;

	for (int i = 0; i < CURSOR_WAYS; i++)
	{
		if (set[i].id == id)
		{
			same++;
			if (oldest_of_one == NULL || set[i].last_at < oldest_of_one->last_at)
				oldest_of_one = &set[i];
		}
		if (set[i].id == 0 ? oldest->id != 0 : oldest->id != 0 && set[i].last_at < oldest->last_at)
			oldest = &set[i];
	}
	return same >= CURSORS_OF_ONE ? oldest_of_one : oldest;
}

/* ---- counting ---- */

void
tsdb_tried_count(TsdbTried *tried, bool came, int most)
{
	if (tried->tried >= most)
	{
		tried->tried /= 2;
		tried->came /= 2;
	}
	tried->tried++;
	tried->came += came;
}
