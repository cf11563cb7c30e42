/*
 * worker.h
 *		A background worker: does the tasks of one database.
 */
#ifndef TSDB_WORKER_WORKER_H
#define TSDB_WORKER_WORKER_H

/* percent */
#define TSDB_COMPACT_DUTY_DEFAULT 25
#define TSDB_COMPACT_DUTY_MIN 1
#define TSDB_COMPACT_DUTY_MAX 100

/* milliseconds */
#define TSDB_WORKER_IDLE_TIMEOUT_DEFAULT 5000
#define TSDB_WORKER_IDLE_TIMEOUT_MIN 0
#define TSDB_WORKER_IDLE_TIMEOUT_MAX INT_MAX

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

/* ---- for a task that runs, between its transactions ---- */

/* True if it should end now, and give the rest back. */
extern bool tsdb_worker_must_leave(void);

/* True if it has had the worker for a time slice, which others may want. */
extern bool tsdb_worker_turn_is_over(void);

/* Sleeps after work that took some time (tsdb.compact_duty).  Returns false if it should end now. */
extern bool tsdb_worker_nap_after(double work_ms);

/* Says in pg_stat_activity what is being done to the task's table. */
extern void tsdb_worker_report(const char *what);

/* Learns the table's name, for that and for errors.  In a transaction. */
extern void tsdb_worker_learn_name(void);

#endif							/* TSDB_WORKER_WORKER_H */
