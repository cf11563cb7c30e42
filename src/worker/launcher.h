/*
 * launcher.h
 *		The background process that starts workers when there is work.
 */
#ifndef TSDB_WORKER_LAUNCHER_H
#define TSDB_WORKER_LAUNCHER_H

#include "datatype/timestamp.h"

/*
 * Defines the settings of background work; when libraries are being preloaded
 * also asks for its shared memory and registers the launcher.  To be called
 * by _PG_init.
 */
extern void tsdb_worker_init(void);

#define TSDB_LAUNCHER_ROUNDS_MAX 4

/*
 * Something that the launcher does each time it wakes: when it is told to (tsdb_schedule_wake_launcher), or when it
 * has to by itself.  Workers are shared out afterwards, so tasks that it adds are served at once.  May set
 * *wake to an earlier time, at which it wants to be called again.  Runs outside of a transaction, in
 * a context that is reset afterwards, connected to no database; should be short, and not raise errors: after one the server starts the
 * launcher anew, 10 seconds later.
 */
typedef void (*TsdbLauncherRound) (TimestampTz now, TimestampTz *wake);

/* To be called while libraries are preloaded. */
extern void tsdb_launcher_add_round(TsdbLauncherRound round);

/* Entry point of the process. */
extern PGDLLEXPORT void tsdb_launcher_main(Datum main_arg);

#endif							/* TSDB_WORKER_LAUNCHER_H */
