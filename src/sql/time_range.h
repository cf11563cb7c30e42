/*
 * time_range.h
 *		The range of time that a user states by boundaries of various types.
 *
 * Boundaries are arguments of pseudo-type "any": a time, converted to the type of
 * the time column as an assignment would; an interval, which is counted back
 * from now(); an integer for an integer column; or a literal of the column's type.
 * A date stands for its whole day, so a time of day moves the boundary of a range of
 * dates inwards.
 */
#ifndef TSDB_SQL_TIME_RANGE_H
#define TSDB_SQL_TIME_RANGE_H

#include "fmgr.h"
#include "utils/rel.h"

/* from <= time < to, each as it is stored: microseconds, days, or the integer. */
typedef struct TsdbTimeRange
{
	Oid			type;			/* of the column: timestamptz, timestamp, date, bigint */
	bool		has_from;
	bool		has_to;
	int64		from;
	int64		to;
} TsdbTimeRange;

/* Read boundaries from two arguments; raises an error if both are null, or if nothing
 * can lie between them. */
extern void tsdb_time_range_get(FunctionCallInfo fcinfo, int from_arg, int to_arg,
								const char *column, Oid column_type, TsdbTimeRange *range);

/* A value of the column as the range has it, and back. */
extern int64 tsdb_time_range_value(const TsdbTimeRange *range, Datum value);
extern Datum tsdb_time_range_datum(const TsdbTimeRange *range, int64 value);

static inline bool
tsdb_time_range_contains(const TsdbTimeRange *range, int64 time)
{
	return (!range->has_from || time >= range->from) && (!range->has_to || time < range->to);
}

#endif							/* TSDB_SQL_TIME_RANGE_H */
