/*
 * in_list.h
 *		Turns IN (SELECT …) on a column of a tsdb table into a list of values.
 *
 * Series are mostly chosen by what a small table says of them:
 *
 *		WHERE tags_id IN (SELECT id FROM tags WHERE hostname = 'a') AND time > …
 *
 * As a join, that reads all series and throws most of them away.  As
 * tags_id = ANY (ARRAY(SELECT …)) it is a condition whose values are known when the scan
 * begins: chunks of other series are ruled out by their statistics, and what is above
 * the scan sees one table.  Done where the subquery stands alone, reads one small table,
 * and the column is an integer, a date or a time; both forms mean the same in WHERE.
 */
#ifndef TSDB_PLAN_IN_LIST_H
#define TSDB_PLAN_IN_LIST_H

extern bool tsdb_enable_in_list;	/* setting */

/* When the library is loaded. */
extern void tsdb_in_list_init(void);

#endif							/* TSDB_PLAN_IN_LIST_H */
