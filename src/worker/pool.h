/*
 * pool.h
 *		The pool of background workers: a slot for each in shared memory.
 *
 * The launcher reserves a slot before it starts a worker, the worker attaches
 * to it and tells there what it does.  Nothing here may be called without
 * preload.
 */
#ifndef TSDB_WORKER_POOL_H
#define TSDB_WORKER_POOL_H

#define TSDB_WORKERS_DEFAULT 4
#define TSDB_WORKERS_MIN 0
#define TSDB_WORKERS_MAX 32

/* setting, the same in all processes (SIGHUP) */
extern int	tsdb_workers;

typedef enum TsdbWorkerState
{
	TSDB_WORKER_STOPPED,
	TSDB_WORKER_STARTING,
	TSDB_WORKER_IDLE,
	TSDB_WORKER_LOOKING,		/* for tables with rows */
	TSDB_WORKER_COMPACTING,
	TSDB_WORKER_VACUUMING,
	TSDB_WORKER_PREFETCHING,
	TSDB_WORKER_SLEEPING		/* the rate limit, in the middle of a table */
} TsdbWorkerState;

/* Asks for shared memory; to be called while libraries are preloaded. */
extern void tsdb_pool_init(void);

/* For the launcher. */
extern void tsdb_pool_reset_starting(void);
extern int	tsdb_pool_reserve(Oid dboid, uint32 *generation);
extern void tsdb_pool_cancel(int slot, uint32 generation);
extern void tsdb_pool_count(Oid dboid, int *workers, int *idle, int *sleeping);
extern void tsdb_pool_wake(Oid dboid, bool sleeping);
extern void tsdb_pool_set_starving(bool starving);

/* For a worker. */
extern bool tsdb_pool_attach(int slot, uint32 generation, Oid *dboid);
extern void tsdb_pool_connected(void);
extern bool tsdb_pool_must_leave(bool slice_used);
extern void tsdb_pool_set_state(TsdbWorkerState state, Oid relid);
extern void tsdb_pool_count_batch(int64 rows_moved);
extern void tsdb_pool_count_table(void);
extern void tsdb_pool_count_vacuum(void);
extern void tsdb_pool_record_error(Oid relid, const char *message);

#endif							/* TSDB_WORKER_POOL_H */
