/*
 * publication_guard.h
 *		Keep internal relations out of lists of published tables.
 *
 * A publication FOR ALL TABLES takes in every permanent table that is not a
 * system catalog, so pg_get_publication_tables(), and with it the view
 * pg_publication_tables, from which subscribers learn what to subscribe to,
 * lists internal relations too, though their changes are never sent.  The
 * planner leaves them out of what that function returns.
 */
#ifndef TSDB_PLAN_PUBLICATION_GUARD_H
#define TSDB_PLAN_PUBLICATION_GUARD_H

extern void tsdb_publication_guard_init(void);

#endif							/* TSDB_PLAN_PUBLICATION_GUARD_H */
