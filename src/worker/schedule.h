/*
 * schedule.h
 *		What background workers have to do, in shared memory.
 *
 * Backends note rows that came into a table's row store.  The launcher surveys
 * the notes and starts workers; a worker claims a table, compacts it, and says
 * how that ended.  Without preload a note does nothing and nothing else may be
 * called.
 */
#ifndef TSDB_WORKER_SCHEDULE_H
#define TSDB_WORKER_SCHEDULE_H

#include "datatype/timestamp.h"

/* tables with unfinished work that are known by name; see overflow in schedule.c */
#define TSDB_WORK_ENTRIES_MAX 4096

#define TSDB_COMPACT_ROWS_DEFAULT 65536
#define TSDB_COMPACT_ROWS_MIN 1
#define TSDB_COMPACT_ROWS_MAX 1000000000

/* milliseconds */
#define TSDB_COMPACT_AGE_DEFAULT 60000
#define TSDB_COMPACT_AGE_MIN 0
#define TSDB_COMPACT_AGE_MAX INT_MAX

/* settings, the same in all processes (SIGHUP) */
extern int	tsdb_compact_rows;
extern int	tsdb_compact_age;

/* How a worker's work on a task ended. */
typedef enum TsdbWorkOutcome
{
	TSDB_WORK_DONE,				/* all was seen; what was kept is told */
	TSDB_WORK_YIELDED,			/* more is to do, and may be done at once */
	TSDB_WORK_BUSY,				/* somebody else wanted or held the lock */
	TSDB_WORK_FAILED,			/* an error, which has been reported */
	TSDB_WORK_GONE				/* the table is no more, or no table of ours */
} TsdbWorkOutcome;

/* A claimed piece of work: a private copy, given back by finish. */
typedef struct TsdbWorkTask
{
	Oid			dboid;
	Oid			relid;			/* invalid: look for work in the database */
	int64		rows;			/* noted when it was claimed */
	int64		unvacuumed;		/* rows moved since the row store's VACUUM */
	int64		unindexed;		/* ... since one that also cleaned indexes */
	TimestampTz look_at;		/* when to come back without a note; DT_NOEND: never */
} TsdbWorkTask;

/* One database with work that is due, as the launcher sees it. */
typedef struct TsdbWorkDatabase
{
	Oid			dboid;
	int			due;			/* tasks that nobody has claimed */
	TimestampTz since;			/* for how long the oldest of them is due */
} TsdbWorkDatabase;

/* Asks for shared memory; to be called while libraries are preloaded. */
extern void tsdb_schedule_init(void);

/*
 * Notes that rows came into a table's row store.  To be called when they are
 * committed, at most once per table and transaction.  Cheap, and never fails.
 */
extern void tsdb_work_note(Oid dboid, Oid relid, int64 rows);

/* For the launcher. */
extern void tsdb_schedule_attach_launcher(void);
extern bool tsdb_schedule_scan_wanted(void);
extern void tsdb_schedule_scan_everything(void);
extern bool tsdb_schedule_scan_database(Oid dboid);
extern int	tsdb_schedule_survey(TsdbWorkDatabase *dbs, TimestampTz now,
								 TimestampTz *wake);
extern void tsdb_schedule_rest(void);

/* For a worker. */
extern bool tsdb_schedule_claim(Oid dboid, TsdbWorkTask *task, TimestampTz *next_due);
extern void tsdb_schedule_finish(const TsdbWorkTask *task, TsdbWorkOutcome outcome,
								 int64 rows_moved, int64 rows_left);

/* For both. */
extern void tsdb_schedule_wake_launcher(void);
extern void tsdb_schedule_postpone_database(Oid dboid, int ms);
extern void tsdb_schedule_forget_database(Oid dboid);

#endif							/* TSDB_WORKER_SCHEDULE_H */
