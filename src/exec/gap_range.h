/*
 * gap_range.h
 *		The buckets that a query with time_bucket_gapfill() must show.
 *
 * Times are int64 here: microseconds of timestamp and timestamptz, days of date,
 * or the integer itself.  A range is begin <= time < end.  Its buckets are those that the
 * bucketing function gives for some time in it, in ascending order:
 *
 *	 begin            end
 *	   |               |
 *	+-----+-----+-----+-----+
 *	first  next  next
 *
 * The first bucket begins at or before the range's begin, the last before its end.
 *
 * Where a time zone sets its clock back, buckets are not equally far apart.  Then
 * the next bucket is looked for from two sides, a width later as time goes by and a
 * width later by the clock, and the nearer one is taken.
 */
#ifndef TSDB_EXEC_GAP_RANGE_H
#define TSDB_EXEC_GAP_RANGE_H

#include "fmgr.h"

typedef struct TsdbGapRange
{
	Oid			type;			/* of times */
	FmgrInfo	bucket;			/* (width, time [, zone], null, null) */
	Oid			collation;
	Datum		width;
	Datum		zone;			/* of timestamptz, if has_zone */
	bool		has_zone;
	int32		months;			/* the width, if it has months */
	int64		step;			/* the width otherwise, as times are */
	int64		first;			/* first bucket */
	int64		end;			/* no bucket begins here or later */
} TsdbGapRange;

/* A time as int64, and back. */
extern int64 tsdb_gap_time(Datum value, Oid type);
extern Datum tsdb_gap_datum(int64 time, Oid type);

/* Are times of this type finite? */
extern bool tsdb_gap_is_finite(int64 time, Oid type);

/*
 * A finite boundary of one type as a time of another, which a comparison of the two
 * types would find equal, or the next smaller one if there is none; *rounded says so.
 */
extern int64 tsdb_gap_convert(Datum value, Oid from, Oid to, bool *rounded);

/* Find the first bucket.  All but months, step and first must be set; begin is where
 * the range begins.  Raises an error if the width is not positive. */
extern void tsdb_gap_range_begin(TsdbGapRange *range, int64 begin);

/* The bucket that follows one of the range; false if that was the last. */
extern bool tsdb_gap_range_next(TsdbGapRange *range, int64 *time);

#endif							/* TSDB_EXEC_GAP_RANGE_H */
