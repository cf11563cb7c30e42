/*
 * gapfill_path.h
 *		Plans queries that group by time_bucket_gapfill().
 *
 * Grouping is the server's, or whoever offers paths for it; each of its paths gets the
 * node on top that adds the missing rows (exec/gapfill.h).  For that it must give the group
 * keys and the aggregates one by one, since expressions of them are computed
 * for added rows too.  So while others offer their paths, the target of grouping
 * is changed to these parts.  Our hook must therefore be called before those
 * that look at this target: whoever sets create_upper_paths_hook earlier.
 *
 * Conditions of HAVING choose rows of GROUP BY, before gaps are looked for.
 */
#ifndef TSDB_PLAN_GAPFILL_PATH_H
#define TSDB_PLAN_GAPFILL_PATH_H

/* When the library is loaded, after hooks that add paths of grouping are set. */
extern void tsdb_gapfill_path_init(void);

#endif							/* TSDB_PLAN_GAPFILL_PATH_H */
