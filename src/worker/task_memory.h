/*
 * task_memory.h
 *		What is known of background tasks, in shared memory.
 *
 * The inside of schedule.h, which says what it means and who holds which lock.  All functions here need
 * tsdb_tasks->lock, exclusively where no other mode is named.
 */
#ifndef TSDB_WORKER_TASK_MEMORY_H
#define TSDB_WORKER_TASK_MEMORY_H

#include "port/atomics.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"
#include "worker/schedule.h"
#include "worker/task_kinds.h"

/* back-off in milliseconds, doubled with every failure in a row */
#define TSDB_BUSY_BACKOFF_MIN 1000
#define TSDB_BUSY_BACKOFF_MAX 60000
#define TSDB_FAILED_BACKOFF_MIN 10000
#define TSDB_FAILED_BACKOFF_MAX 3600000

typedef struct TsdbTaskInfo
{
	pg_atomic_uint64 rows;		/* noted and not taken */
	TimestampTz since;			/* when the oldest of these was noted, or the task was added; 0: neither */
	TimestampTz taken_since;	/* that of what the claim took */
	TimestampTz full_at;		/* when there were tsdb.compact_rows of them; 0: there are not */
	TimestampTz not_before;
	TimestampTz again_at;		/* due then without rows; DT_NOEND: never */
	TsdbTaskLevel again_level;
	int			failures;		/* in a row, of any kind */
	int			tries;			/* runs since one was done */
	int			crashes;		/* of the server while it ran, since it was done */
	int			pid;			/* of the worker that runs it, or 0 */
	int64		rows_taken;		/* by the claim */

	TimestampTz last_error_at;	/* 0: none since it was done */
	int			last_error_encoding;
	char		last_error[TSDB_TASK_ERROR_LEN];

	uint32		payload_bytes;
	char		payload[TSDB_TASK_PAYLOAD_MAX];
} TsdbTaskInfo;

typedef struct TsdbTaskMemory
{
	LWLock	   *lock;
	pg_atomic_flag scan_wanted; /* clear: every database is to be looked at */
	pg_atomic_uint32 launcher;	/* its pgprocno + 1; 0: there is none */
	TimestampTz wake;			/* the launcher wakes then without being told */
	bool		full;			/* no task can be made until one ends */
	int			added;			/* tasks of kinds of which there may be many */

	/* the launcher's settings */
	int64		compact_rows;
	int			compact_age;

	TsdbTaskInfo infos[TSDB_TASKS_MAX];	/* of the slots of the queue */
} TsdbTaskMemory;

/* both NULL without preload */
extern TsdbTaskMemory *tsdb_tasks;
extern TsdbTaskQueue *tsdb_task_order;

extern const TsdbTaskKindInfo *tsdb_task_kind_of(int slot);
extern bool tsdb_task_is_running(int slot);

/* The task of a key, made if there is none; TSDB_TASK_NONE if there is no room.  Or another one of that key. */
extern int	tsdb_task_find_or_make(const TsdbTaskKey *key);
extern int	tsdb_task_make(const TsdbTaskKey *key);
extern void tsdb_task_remove(int slot);

/* When a task is due, by what is known of it now; not if it runs. */
extern TimestampTz tsdb_task_due_at(int slot, TsdbTaskLevel *level);

/*
 * Something has changed that says when a task is due.  One that is ready and will not get to its turn sooner
 * by that keeps its place.
 */
extern void tsdb_task_reschedule(int slot);

/* The launcher is to know of something before it wakes by itself.  The lock is held in either mode. */
extern void tsdb_task_wake_launcher_before(TimestampTz due);

/* from, doubled n times, but no more than limit. */
extern int	tsdb_task_backoff(int from, int n, int limit);

#endif							/* TSDB_WORKER_TASK_MEMORY_H */
