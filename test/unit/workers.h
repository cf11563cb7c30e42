/*
 * workers.h
 *		Runs a function in several threads, or in several processes that share memory.
 */
#ifndef TSDB_UNIT_WORKERS_H
#define TSDB_UNIT_WORKERS_H

#include <stdbool.h>
#include <stddef.h>

#define WORKERS_MAX		64

/* number: 0 to n - 1.  What a worker finds out it leaves in shared memory. */
typedef void (*WorkerFunction) (int number, void *shared);

/* Run n workers, and return when all have ended.  False if one ended otherwise than by returning. */
extern bool run_workers(int n, bool processes, WorkerFunction function, void *shared);

/* Zeroed memory that forked processes share; never given back. */
extern void *shared_memory(size_t bytes);

/* Wait a moment for others: *turns counts how often in a row. */
extern void let_others(int *turns);

extern double seconds_now(void);

#endif							/* TSDB_UNIT_WORKERS_H */
