/*
 * time_text.h
 *		Instants and local times as text, for results.
 *
 * timestamp_out() and timestamptz_out() compute date, clock and offset anew for each value.  Values of a result mostly
 * come from one day after the other, so what they print is remembered: the date, and the offset for as long as the clocks
 * do not change.  Another value of that day is printed from its distance to midnight.
 */
#ifndef TSDB_EXEC_TIME_TEXT_H
#define TSDB_EXEC_TIME_TEXT_H

#include "pgtime.h"

/* No value has more characters. */
#define TSDB_TIME_TEXT_MAX		128

/* What is remembered; zero: nothing. */
typedef struct TsdbTimeText
{
	int64		from;			/* values from here on ... */
	int64		to;				/* ... and before this are of the day */
	int64		midnight;
	const pg_tz *zone;			/* whose day it is; NULL of local times */
	char		date[11];		/* with a blank */
	char		offset[16];
	int			offset_length;
} TsdbTimeText;

/*
 * Print a timestamptz, or, if it is not zoned, a timestamp, to where there is room for TSDB_TIME_TEXT_MAX
 * characters.  Returns their number; they are those of the type's output function.
 */
extern int	tsdb_time_text_print(TsdbTimeText *day, bool zoned, int64 value, char *at);

#endif							/* TSDB_EXEC_TIME_TEXT_H */
