/*
 * schedule.h
 *		What background workers have to do: tasks in shared memory.
 *
 * Backends note rows that came into a table's row store, and anybody may add tasks.  The launcher surveys
 * what is due and starts workers; a worker claims a task of its database, does it, and says how that ended.
 * Without preload a note does nothing, nothing can be added, and nothing else may be called.
 */
#ifndef TSDB_WORKER_SCHEDULE_H
#define TSDB_WORKER_SCHEDULE_H

#include "datatype/timestamp.h"
#include "worker/task_queue.h"

/* tasks that are known by name; see overflow in schedule.c */
#define TSDB_TASKS_MAX 4096

/* of these, tasks of kinds that a table may have several of; and how many of them one table may have */
#define TSDB_TASKS_ADDED_MAX 1024
#define TSDB_TASKS_OF_TABLE_MAX 64

#define TSDB_TASK_PAYLOAD_MAX 128
#define TSDB_TASK_ERROR_LEN 128

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

/* What each of them is, and does, is said in task_kinds.c. */
typedef enum TsdbTaskKind
{
	TSDB_TASK_LOOK,				/* for tables of a database that have work */
	TSDB_TASK_COMPACT,			/* a table: with merges, level cold, VACUUM */
	TSDB_TASK_PREFETCH,			/* what the next query will read */
	TSDB_TASK_KINDS
} TsdbTaskKind;

/* How a task ended. */
typedef enum TsdbTaskOutcome
{
	TSDB_TASK_DONE,
	TSDB_TASK_YIELDED,			/* more is to do, and may be done at once */
	TSDB_TASK_BUSY,				/* somebody else wanted or held the lock */
	TSDB_TASK_FAILED,			/* an error, which has been reported */
	TSDB_TASK_GONE				/* the table is no more, or no table of ours */
} TsdbTaskOutcome;

/*
 * A task: as somebody adds it, and as a worker has it while it runs, a private copy.
 */
typedef struct TsdbTask
{
	TsdbTaskKind kind;
	TsdbTaskLevel level;
	Oid			dboid;
	Oid			relid;			/* invalid: the database */
	TimestampTz due;			/* when it may be done; 0: at once */
	uint32		payload_bytes;	/* up to TSDB_TASK_PAYLOAD_MAX */
	union
	{
		char		bytes[TSDB_TASK_PAYLOAD_MAX];
		int64		align;
	}			payload;		/* the kind's own; kept from run to run, with what a run has changed */

	/* of a task that runs */
	int			slot;
	int			tries;			/* runs since one was done, with this one */
	int64		rows;			/* that were noted of the table */

	/* how it ended; the run function may change what is here when it begins: done, nothing left, never again */
	TsdbTaskOutcome outcome;
	int64		rows_moved;		/* of the row store */
	int64		rows_left;
	TimestampTz again_at;		/* when to do it again without a note; DT_NOEND: never */
	TsdbTaskLevel again_level;
} TsdbTask;

/* One database with work that is due, as the launcher sees it. */
typedef struct TsdbTaskDatabase
{
	Oid			dboid;
	int			tasks;			/* due, that want a worker each */
	bool		short_tasks;	/* due, too: one worker does them all, also one that sleeps */
	int64		order;			/* of the first of them: the smaller, the sooner */
} TsdbTaskDatabase;

/* A task as the view tsdb.stat_tasks shows it. */
typedef struct TsdbTaskView
{
	TsdbTaskSlot slot;
	TimestampTz since;
	int64		rows;
	int			tries;
	int			pid;
	TimestampTz last_error_at;	/* 0: none */
	int			last_error_encoding;
	char		last_error[TSDB_TASK_ERROR_LEN];
} TsdbTaskView;

/* Asks for shared memory; to be called while libraries are preloaded. */
extern void tsdb_schedule_init(void);

/*
 * Notes that rows came into a table's row store.  To be called when they are
 * committed, at most once per table and transaction.  Cheap, and never fails.
 */
extern void tsdb_work_note(Oid dboid, Oid relid, int64 rows);

/*
 * Adds a task: its first six fields, from kind to payload, are read.  It runs in a worker, connected to its database.
 *
 * Of most kinds a table has one task at most: adding it again makes it due sooner, or run once more.  Of others, a task with
 * the same payload is not added twice.  False if that cannot be: there is no room, the table has too many, or there
 * is no background work.  No error, and no wait but for a lock that is held for a moment.
 */
extern bool tsdb_task_add(const TsdbTask *task);

/* Has the launcher begin a round now (see launcher.h).  A look and, if it sleeps, a signal; takes no lock. */
extern void tsdb_schedule_wake_launcher(void);

/* For the launcher. */
extern void tsdb_schedule_attach_launcher(void);
extern void tsdb_schedule_read_settings(void);
extern bool tsdb_schedule_scan_wanted(void);
extern void tsdb_schedule_scan_everything(void);
extern bool tsdb_schedule_scan_database(Oid dboid);
extern int	tsdb_schedule_survey(TsdbTaskDatabase *dbs, TimestampTz now,
								 TimestampTz *wake);
extern void tsdb_schedule_rest(void);

/* For a worker. */
extern bool tsdb_schedule_claim(Oid dboid, bool only_short, TsdbTask *task);
extern void tsdb_schedule_finish(const TsdbTask *task, const char *error);

/* For both. */
extern void tsdb_schedule_postpone_database(Oid dboid, int ms);
extern void tsdb_schedule_forget_database(Oid dboid);

/* For the view: the task in one of TSDB_TASKS_MAX slots.  False if there is none, or nothing of interest. */
extern bool tsdb_schedule_view(int slot, TsdbTaskView *view);

#endif							/* TSDB_WORKER_SCHEDULE_H */
