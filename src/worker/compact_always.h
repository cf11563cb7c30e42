/*
 * compact_always.h
 *		The testing mode that compacts at every opportunity.
 *
 * With tsdb.compact_always on, each statement first has a short-lived worker
 * compact every table of the database whose lock is free, before its snapshot
 * is taken and again after it was.  The worker is a process of its own, so what
 * it does commits at once and other sessions wait for nobody's transaction.
 *
 * With the library preloaded, a counter of transactions that wrote to tables
 * of ours spares the worker when there is nothing new since the last one that
 * left nothing behind.
 */
#ifndef TSDB_WORKER_COMPACT_ALWAYS_H
#define TSDB_WORKER_COMPACT_ALWAYS_H

#include "postgres_ext.h"

extern bool tsdb_compact_always;	/* setting */

/* Asks for shared memory; to be called by _PG_init. */
extern void tsdb_compact_always_init(void);

/* A transaction that wrote to one of our tables has ended. */
extern void tsdb_compact_always_note(void);

/* Have all tables compacted, and wait for it. */
extern void tsdb_compact_always_run(void);

/* The worker. */
extern PGDLLEXPORT void tsdb_compact_always_main(Datum database);

#endif							/* TSDB_WORKER_COMPACT_ALWAYS_H */
