/*
 * gap_fill.h
 *		Values of locf() and interpolate() in gaps.
 *
 * A fill goes through a group of rows in order of time, and is told of each row and
 * each gap.  What it remembers of the group:
 *
 *	 locf			the last row's value; or, if there was no row yet, what argument
 *					prev gives, asked for once and only when needed
 *	 interpolate	the last row's time and value, and the next one's; in their place
 *					the points that prev and next give, asked for likewise
 *
 * A row whose value is null is a row: what follows it up to the next one is null
 * too, but for locf() with treat_null_as_missing, which fills it as if it were a gap.
 */
#ifndef TSDB_EXEC_GAP_FILL_H
#define TSDB_EXEC_GAP_FILL_H

#include "nodes/execnodes.h"

typedef struct TsdbGapPoint
{
	bool		known;			/* looked for, or a row */
	bool		is_null;		/* there is none, or its value is null */
	int64		time;
	Datum		value;
} TsdbGapPoint;

typedef struct TsdbGapFill
{
	/* the call; expressions are about a row, or the keys of a group */
	bool		interpolates;	/* or carries the last value forward */
	Oid			time_type;
	Oid			type;			/* of the value */
	int16		typlen;
	bool		typbyval;
	ExprState  *value;
	ExprState  *prev;			/* or NULL */
	ExprState  *next;			/* or NULL */
	bool		null_is_missing;

	/* the group */
	MemoryContext group;
	TsdbGapPoint before;
	TsdbGapPoint after;
} TsdbGapFill;

/* Set what depends on the value's type. */
extern void tsdb_gap_fill_init(TsdbGapFill *fill, Oid type, Oid time_type, MemoryContext group);

/* A group begins; the group's memory has been reset. */
extern void tsdb_gap_fill_begin_group(TsdbGapFill *fill);

/* The next row of the group is known; context has it as its scan tuple.  A row whose
 * time is null or infinite is no point to draw a line to. */
extern void tsdb_gap_fill_expect(TsdbGapFill *fill, ExprContext *context, bool is_point,
								 int64 time);

/* The value in a row, which context has as its scan tuple.  Only rows in the range
 * are filled. */
extern Datum tsdb_gap_fill_row(TsdbGapFill *fill, ExprContext *context, bool in_range,
							   bool is_point, int64 time, bool *is_null);

/* The value in a gap, whose row context has as its scan tuple. */
extern Datum tsdb_gap_fill_gap(TsdbGapFill *fill, ExprContext *context, int64 time,
							   bool *is_null);

#endif							/* TSDB_EXEC_GAP_FILL_H */
