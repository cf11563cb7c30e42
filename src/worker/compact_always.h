/*
 * compact_always.h
 *		The testing mode that compacts at every opportunity.
 *
 * With tsdb.compact_always on, each statement first has a short-lived worker
 * compact every table of the database whose lock is free, before its snapshot
 * is taken and again after it was.  The worker is a process of its own, so what
 * it does commits at once and other sessions wait for nobody's transaction.
 */
#ifndef TSDB_WORKER_COMPACT_ALWAYS_H
#define TSDB_WORKER_COMPACT_ALWAYS_H

#include "postgres_ext.h"

extern bool tsdb_compact_always;	/* setting */

/* Have all tables compacted, and wait for it. */
extern void tsdb_compact_always_run(void);

/* The worker. */
extern PGDLLEXPORT void tsdb_compact_always_main(Datum database);

#endif							/* TSDB_WORKER_COMPACT_ALWAYS_H */
