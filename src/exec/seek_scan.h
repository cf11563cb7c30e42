/*
 * seek_scan.h
 *		Custom scan that goes to the chunks it needs: by order, and by key again and again.
 *
 * A table scan walks the directory.  This one lists, once for all rescans of a query,
 * the chunks that the query's snapshot sees: of each, where the values of two columns
 * lie.  By the seek column, if a condition says what it is equal to, it finds the few
 * chunks that can have that value, however many there are: the inner side of a nested
 * loop, a subquery run for each row.  By the order column it goes from chunk to chunk in
 * the order of the result, and opens one when rows of it can be next: so LIMIT stops it
 * after a few chunks, and the newest row of a series takes the newest chunk.
 *
 * Rows within a chunk are sorted as needed, and merged with those of other chunks that
 * overlap.  Rows of the row store are gathered before the first result; if conditions have
 * parameters, all of them are, and kept for the next rescan by their seek column.  That
 * takes memory: the planner offers the scan only where it is little.  So do open chunks, up to
 * TSDB_SEEK_MEMORY_PART times work_mem.
 *
 * The plan node's custom_exprs are clauses for the chunk filter, custom_private is what
 * tsdb_seek_plan_make() makes of a TsdbSeekPlan.
 */
#ifndef TSDB_EXEC_SEEK_SCAN_H
#define TSDB_EXEC_SEEK_SCAN_H

#include "nodes/extensible.h"
#include "nodes/pg_list.h"

/* Memory that a scan may take, in units of work_mem. */
#define TSDB_SEEK_MEMORY_PART	4

extern const CustomScanMethods tsdb_seek_scan_methods;

typedef struct TsdbSeekPlan
{
	List	   *columns;		/* attribute numbers to be read */
	int			seek;			/* attribute number of the seek column, or 0 */
	bool		constant;		/* conditions have no parameters of the executor */
	List	   *order;			/* attribute numbers, the first is the order column; or NIL */
	List	   *operators;		/* of each, that sorts */
	List	   *collations;
	List	   *nulls_first;	/* 0 or 1 */
} TsdbSeekPlan;

extern List *tsdb_seek_plan_make(const TsdbSeekPlan *plan);

/* When the library is loaded. */
extern void tsdb_seek_scan_init(void);

#endif							/* TSDB_EXEC_SEEK_SCAN_H */
