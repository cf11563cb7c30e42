/*
 * drain.h
 *		The background worker that empties the rings of one database.
 *
 * The first client that ingests with durability async starts it (ingest/ingest_shared.h), and it goes when there was nothing to
 * do for tsdb.worker_idle_timeout.  It has a round (worker/drain_round.h) tsdb.ingest_flush_interval after rows came, and
 * before that when somebody wants a flush or room gets scarce.
 *
 * It leaves its database, with everything written, when somebody wants that for himself (DROP DATABASE, CREATE
 * DATABASE ... TEMPLATE), and when the server stops.  What cannot be written then is tried
 * again until tsdb.shutdown_timeout, counted in the log, and lost; or, if it is only the database that is wanted, left in
 * the rings for the worker that the server starts in a second's time.
 */
#ifndef TSDB_WORKER_DRAIN_H
#define TSDB_WORKER_DRAIN_H

/* The process's main function; the argument is the number of its set. */
extern PGDLLEXPORT void tsdb_drain_main(Datum set_number);

#endif							/* TSDB_WORKER_DRAIN_H */
