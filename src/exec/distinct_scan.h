/*
 * distinct_scan.h
 *		Custom scan for the first row of each series: DISTINCT ON (series) … ORDER BY series, time.
 *
 * It returns, of all rows that the conditions hold for, those that can be the first of their series
 * in the order of another column, mostly the time: a superset, small, from which the server's
 * Sort and Unique above it choose.  Chunks are taken in the order of the rows that they can have, and
 * the best value so far is kept for each series; so of a series with a thousand chunks one is
 * read, and the others are ruled out by what their statistics say of series and time.  Within a
 * chunk the rows of a series are a segment, sorted by time, of which the first row that passes is
 * looked for from the right end.  Where there are more series than memory for them (as of a hash table),
 * rows of the others are all returned.
 *
 * The plan node's custom_exprs are clauses for the chunk filter; custom_private is what
 * tsdb_distinct_plan_make() makes of a TsdbDistinctPlan.  The node checks its conditions itself.
 */
#ifndef TSDB_EXEC_DISTINCT_SCAN_H
#define TSDB_EXEC_DISTINCT_SCAN_H

#include "nodes/extensible.h"
#include "nodes/pg_list.h"

extern const CustomScanMethods tsdb_distinct_scan_methods;

typedef struct TsdbDistinctPlan
{
	List	   *columns;		/* attribute numbers to be read */
	List	   *keys;			/* attribute numbers that are distinct together */
	List	   *equal;			/* of each, the operator */
	List	   *collations;
	int			order;			/* attribute number of the column that decides */
	Oid			operator;		/* that sorts it */
	bool		nulls_first;
	bool		ties;			/* the order goes on: equal ones must all be returned */
} TsdbDistinctPlan;

extern List *tsdb_distinct_plan_make(const TsdbDistinctPlan *plan);

/* When the library is loaded. */
extern void tsdb_distinct_scan_init(void);

#endif							/* TSDB_EXEC_DISTINCT_SCAN_H */
