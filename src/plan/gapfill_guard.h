/*
 * gapfill_guard.h
 *		Keep conditions on filled rows where they are.
 *
 * The planner moves a condition on a column of a subquery into that subquery: onto group
 * keys, or into HAVING.  Both come before gaps are filled, so a condition that should
 * leave out filled rows would bring forth more of them.  Only conditions on group
 * keys may move, other than the bucket and what has to do with its time, since that would
 * change the range.
 *
 *	 WITH filled AS (SELECT time_bucket_gapfill(...) b, device, avg(v) a ... GROUP BY b, device)
 *	 SELECT * FROM filled WHERE device = 7 AND a IS NULL
 *
 * So before planning, all other columns of such subqueries are wrapped in a function
 * that counts as volatile, which keeps conditions out; the function's support function
 * takes it away again when the subquery itself is planned.  EXISTS gets HAVING true, without
 * which the planner would drop its GROUP BY.
 *
 * That misses subqueries which the planner itself puts in place of a function with an
 * SQL body, and the statement that makes the server load this library, if nobody loaded it
 * before.  There a query that could be concerned is refused: 55000.
 */
#ifndef TSDB_PLAN_GAPFILL_GUARD_H
#define TSDB_PLAN_GAPFILL_GUARD_H

#include "nodes/pathnodes.h"

/* May conditions from around this query be among its own?  Raises an error then. */
extern void tsdb_gapfill_guard_check(PlannerInfo *root);

/* When the library is loaded. */
extern void tsdb_gapfill_guard_init(void);

#endif							/* TSDB_PLAN_GAPFILL_GUARD_H */
