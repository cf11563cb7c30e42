/*
 * worker.h
 *		A background worker: compacts the due tables of one database.
 */
#ifndef TSDB_WORKER_WORKER_H
#define TSDB_WORKER_WORKER_H

#define TSDB_COMPACT_BATCH_ROWS_DEFAULT 32768
#define TSDB_COMPACT_BATCH_ROWS_MIN 1024
#define TSDB_COMPACT_BATCH_ROWS_MAX 16777216

/* percent */
#define TSDB_COMPACT_DUTY_DEFAULT 25
#define TSDB_COMPACT_DUTY_MIN 1
#define TSDB_COMPACT_DUTY_MAX 100

/* milliseconds */
#define TSDB_WORKER_IDLE_TIMEOUT_DEFAULT 5000
#define TSDB_WORKER_IDLE_TIMEOUT_MIN 0
#define TSDB_WORKER_IDLE_TIMEOUT_MAX INT_MAX

extern int	tsdb_compact_batch_rows;
extern int	tsdb_compact_duty;
extern int	tsdb_worker_idle_timeout;

/*
 * Entry point of the process.  The argument is the number of its slot in the
 * pool; bgw_extra holds the slot's generation.
 */
extern PGDLLEXPORT void tsdb_worker_main(Datum main_arg);

/*
 * False if somebody wants a database for himself (DROP, RENAME, as TEMPLATE)
 * and so no worker should enter or stay.  No transaction is needed.
 */
extern bool tsdb_worker_database_free(Oid dboid);

#endif							/* TSDB_WORKER_WORKER_H */
