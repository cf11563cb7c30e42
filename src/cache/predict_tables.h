/*
 * predict_tables.h
 *		What the predictor (cache/predict.h) remembers, in tables of fixed size.
 *
 * Shapes and cursors are found by a hash that is their identity, in the few places of a set that it chooses;
 * when a set is full, what was used least recently goes.  Others refer to them by place and identity, so that a
 * reference to what has gone is found out.  Two things of equal 64 bits would be taken for one: what is
 * then predicted is useless, and nothing else is.
 *
 * Plain C11; no server headers.
 */
#ifndef TSDB_CACHE_PREDICT_TABLES_H
#define TSDB_CACHE_PREDICT_TABLES_H

#include <stddef.h>

#include "cache/access.h"
#include "cache/predict.h"

#define TSDB_SECONDS				INT64_C(1000000)

#define TSDB_SHAPES				512
#define TSDB_CURSORS				16384
#define TSDB_RECENTS				256
#define TSDB_PROMISES			512
/* ranges are told apart by the power of two below their width, modulo this */
#define TSDB_WIDTHS				8
/* so many pages ahead are predicted, at most */
#define TSDB_PAGES_MAX			4
#define TSDB_FOLLOWERS			8
#define TSDB_SIBLINGS			4

/* a place in a table that there is not */
#define TSDB_NOWHERE				UINT16_MAX

/* How often something was expected, and how often it came. */
typedef struct TsdbTried
{
	uint16_t	tried;
	uint16_t	came;
} TsdbTried;

/* How a panel came to its range: what follows it differs. */
typedef enum TsdbStance
{
	TSDB_STANCE_GOES_ON,		/* from another one */
	TSDB_STANCE_NEWEST,			/* opened, for a range that ends now */
	TSDB_STANCE_ELSEWHERE,		/* opened, for another one */
	TSDB_STANCES
} TsdbStance;

/* Another series that tends to be asked for together with the owner, a cursor. */
typedef struct TsdbSibling
{
	uint32_t	check;			/* low bits of its identity */
	uint16_t	place;			/* TSDB_NOWHERE: none */
	bool		is_new;			/* nothing was counted since it was let in */
	TsdbTried	tried;
} TsdbSibling;

/* Other columns that tend to be asked for together with the owner, a shape. */
typedef struct TsdbFollower
{
	uint32_t	check;
	uint16_t	place;
	bool		is_new;
	TsdbTried	tried[TSDB_STANCES];
} TsdbFollower;

/* Of what was predicted, what came true; of what was loaded for it, what was used. */
typedef struct TsdbWorth
{
	float		made;
	float		came;
	float		loaded;
	float		used;
} TsdbWorth;

typedef struct TsdbShape
{
	uint64_t	id;				/* 0: free */
	int64_t		last_at;
	uint64_t	key;
	uint32_t	database;
	uint32_t	table;
	uint32_t	accesses[TSDB_STANCES]; /* whose time to be followed is over */
	int16_t		time;
	int16_t		rank;
	float		decoded;		/* share of the chunks asked for, lately */
	uint8_t		ncolumns;
	uint8_t		seen[TSDB_ACCESS_COLUMNS_MAX];	/* how often, lately */
	int16_t		columns[TSDB_ACCESS_COLUMNS_MAX];
	TsdbTried	first[TSDB_PATTERN_BACK + 1];	/* a new cursor goes on by its width */
	TsdbTried	next[TSDB_PATTERN_BACK + 1][2]; /* one goes on as it did: after its first such step, later */
	TsdbTried	wide[TSDB_PATTERN_BACK + 1][TSDB_WIDTHS];	/* the same by the width of its range */
	int64_t		decided;		/* the page that was counted last, ... */
	int64_t		decided_at;		/* and when: all panels of a dashboard turn it together */
	TsdbFollower followers[TSDB_FOLLOWERS];	/* of the same series and range */
	TsdbWorth	worth[TSDB_PATTERNS][TSDB_PAGES_MAX];	/* of pages, by how far ahead they were; of columns, by stance */
} TsdbShape;

typedef struct TsdbCursor
{
	uint64_t	id;				/* of shape, series and width; 0: free */
	uint64_t	series;			/* hash of those that it is of */
	int64_t		last_at;
	int64_t		from;			/* where it is */
	int64_t		to;
	int64_t		step;			/* by which it came here */
	int64_t		expected;		/* place, if it goes on like that */
	int64_t		ahead;			/* pages up to that place are promised */
	int64_t		period;
	uint32_t	steps;			/* since it began */
	uint16_t	shape;			/* of that identity, in whose first bits it is sought */
	uint32_t	shape_check;
	uint16_t	run;			/* steps that came as expected, without a break */
	uint16_t	quiet;			/* refreshes for which there was nothing to load */
	int8_t		pattern;		/* of the last step; -1: none */
	bool		expecting;
	bool		has_ahead;
	TsdbTried	next[TSDB_PATTERN_BACK + 1];
	uint8_t		nranks;
	uint8_t		nhashes;
	bool		paired;
	uint32_t	hashes[TSDB_ACCESS_SERIES_MAX];
	uint64_t	ranks[TSDB_ACCESS_SERIES_MAX];
	TsdbSibling siblings[TSDB_SIBLINGS];	/* of the same shape and range */
} TsdbCursor;

_Static_assert(sizeof(TsdbCursor) <= TSDB_PREDICT_CURSOR_BYTES, "as promised");

typedef struct TsdbRecent
{
	int64_t		at;
	int64_t		from;
	int64_t		to;
	uint64_t	series;
	uint32_t	database;
	uint32_t	shape_check;
	uint32_t	cursor_check;
	uint16_t	shape;
	uint16_t	cursor;
	uint8_t		stance;
	uint8_t		followers;		/* that have come: a bit for each of the shape's */
	uint8_t		siblings;		/* and of the cursor's */
	bool		open;			/* its time is not over */
} TsdbRecent;

typedef struct TsdbPromise
{
	uint32_t	number;
	bool		open;
	bool		came;
	uint8_t		pattern;
	uint8_t		ahead;			/* which worth of the pattern it counts for */
	uint16_t	shape;
	uint32_t	shape_check;
	uint64_t	what;			/* shape and series */
	int64_t		from;
	int64_t		to;
	int64_t		until;			/* it may come true */
	uint32_t	loaded;
	uint32_t	used;
} TsdbPromise;

struct TsdbPredictor
{
	TsdbShape	shapes[TSDB_SHAPES];
	TsdbCursor	cursors[TSDB_CURSORS];
	TsdbRecent	recents[TSDB_RECENTS];
	TsdbPromise promises[TSDB_PROMISES];
	uint32_t	next_recent;
	uint32_t	next_promise;
	uint32_t	next_swept;		/* cursor */
	TsdbPatternCounts counts[TSDB_PATTERNS];
};

/* ---- ranges ---- */

/* a + b, as far as there are such numbers */
static inline int64_t
tsdb_place_add(int64_t a, int64_t b)
{
	int64_t		sum;

	if (__builtin_add_overflow(a, b, &sum))
		return b < 0 ? INT64_MIN : INT64_MAX;
	return sum;
}

static inline int64_t
tsdb_place_distance(int64_t a, int64_t b)
{
	int64_t		distance;

	if (__builtin_sub_overflow(a, b, &distance))
		return a < b ? -INT64_MAX : INT64_MAX;
	return distance < -INT64_MAX ? -INT64_MAX : distance;
}

static inline int64_t
tsdb_place_apart(int64_t a, int64_t b)
{
	int64_t		distance = tsdb_place_distance(a, b);

	return distance < 0 ? -distance : distance;
}

/* Where a range is: one of its bounds. */
static inline int64_t
tsdb_range_place(int64_t from, int64_t to)
{
	return from != TSDB_ACCESS_FIRST ? from : to != TSDB_ACCESS_LAST ? to : 0;
}

/* 0: without bound, or a point */
static inline int64_t
tsdb_range_width(int64_t from, int64_t to)
{
	return from == TSDB_ACCESS_FIRST || to == TSDB_ACCESS_LAST ? 0 : tsdb_place_distance(to, from);
}

/* The range by so much later; where there is no bound, there is none then. */
static inline void
tsdb_range_shift(int64_t *from, int64_t *to, int64_t step)
{
	if (*from != TSDB_ACCESS_FIRST)
		*from = tsdb_place_add(*from, step);
	if (*to != TSDB_ACCESS_LAST)
		*to = tsdb_place_add(*to, step);
}

/* Are two ranges the same, but for what passes between the queries of one dashboard? */
extern bool tsdb_range_is_near(int64_t from, int64_t to, int64_t other_from, int64_t other_to,
							   int64_t now);

/* ---- identities ---- */

extern uint64_t tsdb_predict_mix(uint64_t a, uint64_t b);
extern uint64_t tsdb_access_series(const TsdbAccess *access);
extern uint64_t tsdb_cursor_id(uint64_t shape, uint64_t series, int64_t from, int64_t to, int64_t now);

/* ---- finding ---- */

extern TsdbShape *tsdb_shape_find(TsdbPredictor *predictor, const TsdbAccess *access);

/* The shape at a place, if it is still that one; else NULL. */
static inline TsdbShape *
tsdb_shape_at(TsdbPredictor *predictor, uint16_t place, uint32_t check)
{
	TsdbShape  *shape = place < TSDB_SHAPES ? &predictor->shapes[place] : NULL;

	return shape != NULL && shape->id != 0 && (uint32_t) shape->id == check ? shape : NULL;
}

static inline TsdbCursor *
tsdb_cursor_at(TsdbPredictor *predictor, uint16_t place, uint32_t check)
{
	TsdbCursor *cursor = place < TSDB_CURSORS ? &predictor->cursors[place] : NULL;

	return cursor != NULL && cursor->id != 0 && (uint32_t) cursor->id == check ? cursor : NULL;
}

static inline uint16_t
tsdb_shape_place(const TsdbPredictor *predictor, const TsdbShape *shape)
{
	return (uint16_t) (shape - predictor->shapes);
}

static inline uint16_t
tsdb_cursor_place(const TsdbPredictor *predictor, const TsdbCursor *cursor)
{
	return (uint16_t) (cursor - predictor->cursors);
}

/* The cursor that an access of that identity belongs to: one that expected it, or is nearest; or NULL. */
extern TsdbCursor *tsdb_cursor_find(TsdbPredictor *predictor, uint64_t id, int64_t from, int64_t to);

/* A cursor of that identity near that range, that was there since that time; or NULL. */
extern TsdbCursor *tsdb_cursor_near(TsdbPredictor *predictor, uint64_t id, int64_t from, int64_t to,
									int64_t since, int64_t now);

/* The one of that identity that was used last, which knows most of its siblings; or NULL. */
extern const TsdbCursor *tsdb_cursor_latest(TsdbPredictor *predictor, uint64_t id);

/* The place for a new one.  What is there has to be given up by the caller. */
extern TsdbCursor *tsdb_cursor_room(TsdbPredictor *predictor, uint64_t id);

/* ---- counting ---- */

extern void tsdb_tried_count(TsdbTried *tried, bool came, int most);

/* The share that came; without experience, the prior, which weighs as much as so many trials. */
static inline double
tsdb_tried_share(const TsdbTried *tried, double prior, double weight)
{
	return (tried->came + prior * weight) / (tried->tried + weight);
}

#endif							/* TSDB_CACHE_PREDICT_TABLES_H */
