/*
 * launcher.h
 *		The background process that starts workers when there is work.
 */
#ifndef TSDB_WORKER_LAUNCHER_H
#define TSDB_WORKER_LAUNCHER_H

/*
 * Defines the settings of background work; when libraries are being preloaded
 * also asks for its shared memory and registers the launcher.  To be called
 * by _PG_init.
 */
extern void tsdb_worker_init(void);

/* Entry point of the process. */
extern PGDLLEXPORT void tsdb_launcher_main(Datum main_arg);

#endif							/* TSDB_WORKER_LAUNCHER_H */
