/*
 * schedule.c
 *		What background workers have to do: tasks in shared memory.
 *
 * Tasks and their order are in a queue (task_queue.h); what else is known of each is in an array
 * beside it (task_memory.h).  A task of kind compact counts the rows that were noted of its table and
 * not yet taken by a worker.  It is due when tsdb.compact_rows were noted, or, less urgently, when the first of fewer is
 * older than tsdb.compact_age; a back-off may put it off.  Why the two settings are what
 * they are: a compaction leaves, on average, half a chunk in every shard that
 * must be merged later, so with 16 shards 64 k rows cost about an eighth of
 * themselves again, while 64 k heap rows are still read in some ten
 * milliseconds; and after a minute of little traffic even those go.
 *
 *		resting ──note──► waiting ──rows or age──► ready ──claim──► running
 *		   ▲                 ▲                                         │
 *		   └── finish: all ──┴── finish: rows left, busy, failed ──────┘
 *
 * A table may be due without rows, too, at a time that its last task has set
 * (again_at): when chunks will have the age for level cold.
 *
 * A task of kind look stands for its database: look for tables that
 * have rows.  That is wanted after a start of the server, since notes do not
 * survive it; with the first note of a database, which may be a copy; and when
 * there was no room for a note.  It waits for tsdb.compact_age too:
 * should compaction ever take the server down, there is a minute after each
 * restart to set tsdb.workers to 0.
 *
 * Levels.  Prefetch is of use only if it is done soon, and short: high.  Tables that have filled up, and searches: normal.  Those that
 * are due by age: low.  Cold chunks: lowest.
 *
 * Locking: one LWLock, tsdb_tasks->lock, never held over anything that can wait or
 * raise an error.
 *		the queue					look: shared; change: exclusive
 *		info->rows					atomic: shared is enough to add a note; exclusive to take or give back
 *		all else in an info			read: shared; write: exclusive
 *		wake, full, settings		read: shared; write: exclusive
 *		launcher, scan_wanted		atomic, no lock
 *
 * So a note costs one shared acquisition and one atomic addition, but for the first one of a table and the one that
 * fills it up, which change when it is due.  Nothing is
 * missed: the launcher publishes until when it means to sleep (wake) under the
 * exclusive lock with which it surveyed the tasks, and whoever makes one due before that
 * sets its latch.  When rows are due depends on settings: those that the launcher has read last, so that all go by the same.
 *
 * A worker that exits for any reason gives back its claims in a shared memory
 * exit callback.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/proc.h"

#include "worker/pool.h"
#include "worker/schedule.h"
#include "worker/task_kinds.h"
#include "worker/task_memory.h"

/* a worker has a long task and, while it sleeps, a short one */
#define CLAIMS_MAX 2

/* in a worker: the slots of what it has claimed */
static int	my_claims[CLAIMS_MAX];
static int	my_claim_count = 0;
static bool exit_callback_registered = false;

/* ---- notes, and tasks that are added ---- */

/*
 * Adds rows to a task.  Returns true if that may have changed when it is due: note_changed() has to follow then, under
 * the exclusive lock.  Here it may be held in either mode.
 */
static bool
add_rows(int slot, int64 rows)
{
	int64		before = (int64) pg_atomic_fetch_add_u64(&tsdb_tasks->infos[slot].rows, rows);

	return before == 0 ||
		(before < tsdb_tasks->compact_rows && before + rows >= tsdb_tasks->compact_rows);
}

static void
note_changed(int slot)
{
	TsdbTaskInfo *info = &tsdb_tasks->infos[slot];

	/* a worker may have taken them in between */
	if (info->since == 0 && pg_atomic_read_u64(&info->rows) > 0)
		info->since = GetCurrentTimestamp();
	tsdb_task_reschedule(slot);
}

/*
 * Sees to it that all tables of a database are looked at, tsdb.compact_age from
 * now.  Returns false if there is no room to remember that.  The lock is held
 * exclusively.
 */
static bool
enter_database(Oid dboid)
{
	TsdbTaskKey key = {TSDB_TASK_LOOK, dboid, InvalidOid};
	int			slot = tsdb_task_find_or_make(&key);

	if (slot == TSDB_TASK_NONE)
		return false;
	if (pg_atomic_read_u64(&tsdb_tasks->infos[slot].rows) == 0)
	{
		(void) add_rows(slot, 1);
		note_changed(slot);
	}
	return true;
}

/*
 * Notes that rows came into a table's row store.
 *
 * The first note from a database also has it looked at: it may be the copy of
 * one that had rows waiting.
 *
 * If there is no room for one more table, its database is noted instead, and
 * if there is none even for that, all databases.
 */
void
tsdb_work_note(Oid dboid, Oid relid, int64 rows)
{
	TsdbTaskKey key = {TSDB_TASK_COMPACT, dboid, relid};
	TsdbTaskKey database = {TSDB_TASK_LOOK, dboid, InvalidOid};
	int			slot;
	bool		changed;

	if (tsdb_tasks == NULL || rows <= 0)
		return;

	LWLockAcquire(tsdb_tasks->lock, LW_SHARED);
	slot = tsdb_task_queue_find(tsdb_task_order, &key);
	changed = slot != TSDB_TASK_NONE ? add_rows(slot, rows) : !tsdb_tasks->full;
	LWLockRelease(tsdb_tasks->lock);

	if (changed)
	{
		const bool	added = slot != TSDB_TASK_NONE;

		LWLockAcquire(tsdb_tasks->lock, LW_EXCLUSIVE);
		if (!added && tsdb_task_queue_find(tsdb_task_order, &database) == TSDB_TASK_NONE)
			(void) enter_database(dboid);

		/* it may have gone meanwhile, with its table */
		slot = added ? tsdb_task_queue_find(tsdb_task_order, &key) : tsdb_task_find_or_make(&key);
		if (slot != TSDB_TASK_NONE)
		{
			if (!added)
				(void) add_rows(slot, rows);
			note_changed(slot);
		}
		LWLockRelease(tsdb_tasks->lock);
		if (added)
			return;
	}

	if (slot == TSDB_TASK_NONE && !tsdb_schedule_scan_database(dboid))
		tsdb_schedule_scan_everything();
}

/*
 * Asks for a look at all tables of a database, no sooner than tsdb.compact_age
 * from now.  Returns false if there is no room to remember that.
 */
bool
tsdb_schedule_scan_database(Oid dboid)
{
	TsdbTaskKey key = {TSDB_TASK_LOOK, dboid, InvalidOid};
	int			slot;
	bool		known;
	bool		full;

	/* the usual case when there is no room: somebody has asked before */
	LWLockAcquire(tsdb_tasks->lock, LW_SHARED);
	slot = tsdb_task_queue_find(tsdb_task_order, &key);
	known = slot != TSDB_TASK_NONE && pg_atomic_read_u64(&tsdb_tasks->infos[slot].rows) > 0;
	full = slot == TSDB_TASK_NONE && tsdb_tasks->full;
	LWLockRelease(tsdb_tasks->lock);
	if (known || full)
		return known;

	LWLockAcquire(tsdb_tasks->lock, LW_EXCLUSIVE);
	known = enter_database(dboid);
	LWLockRelease(tsdb_tasks->lock);
	return known;
}

/*
 * The task among those of its key that is the same as one to be added; TSDB_TASK_NONE if there is none.  Counts them.  The
 * lock is held exclusively.
 */
static int
find_same(const TsdbTask *task, const TsdbTaskKey *key, int *count)
{
	int			slot = tsdb_task_queue_find(tsdb_task_order, key);
	int			same = TSDB_TASK_NONE;

	*count = 0;
	for (; slot != TSDB_TASK_NONE; slot = tsdb_task_queue_find_next(tsdb_task_order, slot))
	{
		TsdbTaskInfo *info = &tsdb_tasks->infos[slot];

		(*count)++;
		if (!tsdb_task_kinds[task->kind].many ||
			(!tsdb_task_is_running(slot) && info->payload_bytes == task->payload_bytes &&
			 memcmp(info->payload, task->payload.bytes, info->payload_bytes) == 0))
			same = slot;
	}
	return same;
}

bool
tsdb_task_add(const TsdbTask *task)
{
	const TsdbTaskKindInfo *kind = &tsdb_task_kinds[task->kind];
	TsdbTaskKey key = {task->kind, task->dboid, task->relid};
	TimestampTz now = GetCurrentTimestamp();
	int			slot;
	int			count;

	Assert(task->payload_bytes <= TSDB_TASK_PAYLOAD_MAX && task->level < TSDB_TASK_LEVELS);
	if (tsdb_tasks == NULL || kind->run == NULL || tsdb_workers == 0)
		return false;

	LWLockAcquire(tsdb_tasks->lock, LW_EXCLUSIVE);
	slot = find_same(task, &key, &count);
	if (slot == TSDB_TASK_NONE && count < TSDB_TASKS_OF_TABLE_MAX &&
		(!kind->many || tsdb_tasks->added < TSDB_TASKS_ADDED_MAX))
	{
		slot = tsdb_task_make(&key);
		if (slot != TSDB_TASK_NONE)
		{
			tsdb_tasks->infos[slot].payload_bytes = task->payload_bytes;
			memcpy(tsdb_tasks->infos[slot].payload, task->payload.bytes, task->payload_bytes);
		}
	}
	if (slot != TSDB_TASK_NONE)
	{
		TsdbTaskInfo *info = &tsdb_tasks->infos[slot];
		TimestampTz due = Max(task->due, now);

		if (due < info->again_at)
		{
			info->again_at = due;
			info->again_level = task->level;
		}
		if (info->since == 0)
			info->since = now;
		tsdb_task_reschedule(slot);
	}
	LWLockRelease(tsdb_tasks->lock);
	return slot != TSDB_TASK_NONE;
}

/* ---- for the launcher ---- */

/* Goes by the settings of this process from now on: the launcher's. */
void
tsdb_schedule_read_settings(void)
{
	LWLockAcquire(tsdb_tasks->lock, LW_EXCLUSIVE);
	tsdb_tasks->compact_rows = tsdb_compact_rows;
	tsdb_tasks->compact_age = tsdb_compact_age;
	for (int slot = 0; slot < TSDB_TASKS_MAX; slot++)
	{
		if (tsdb_task_queue_slot(tsdb_task_order, slot)->state == TSDB_TASK_FREE)
			continue;
		if (pg_atomic_read_u64(&tsdb_tasks->infos[slot].rows) < tsdb_tasks->compact_rows)
			tsdb_tasks->infos[slot].full_at = 0;
		tsdb_task_reschedule(slot);
	}
	LWLockRelease(tsdb_tasks->lock);
}

/* Asks for a look at all databases. */
void
tsdb_schedule_scan_everything(void)
{
	pg_atomic_clear_flag(&tsdb_tasks->scan_wanted);
}

/* True, once, if all databases are to be looked at: after a start, or if notes were lost. */
bool
tsdb_schedule_scan_wanted(void)
{
	return pg_atomic_test_set_flag(&tsdb_tasks->scan_wanted);
}

/*
 * Fills dbs (room for TSDB_TASKS_MAX) with the databases that have due
 * tasks and returns their number.  Sets *wake to the time of the next task that
 * is not due yet, DT_NOEND if there is none, and promises to set the
 * launcher's latch if any comes to be due before that.
 */
int
tsdb_schedule_survey(TsdbTaskDatabase *dbs, TimestampTz now, TimestampTz *wake)
{
	int			n = 0;

	LWLockAcquire(tsdb_tasks->lock, LW_EXCLUSIVE);
	*wake = tsdb_tasks->wake = tsdb_task_queue_ripen(tsdb_task_order, now);
	for (int r = 0; r < tsdb_task_queue_ready(tsdb_task_order); r++)
	{
		int			slot = tsdb_task_queue_ready_slot(tsdb_task_order, r);
		const TsdbTaskSlot *task = tsdb_task_queue_slot(tsdb_task_order, slot);
		int			i;

		for (i = 0; i < n; i++)
		{
			if (dbs[i].dboid == task->key.database)
				break;
		}
		if (i == n)
		{
			memset(&dbs[n++], 0, sizeof(TsdbTaskDatabase));
			dbs[i].dboid = task->key.database;
			dbs[i].order = task->order;
		}
		if (tsdb_task_kind_of(slot)->is_long)
			dbs[i].tasks++;
		else
			dbs[i].short_tasks = true;
		dbs[i].order = Min(dbs[i].order, task->order);
	}
	LWLockRelease(tsdb_tasks->lock);
	return n;
}

/* The launcher does not want to be told of notes until it surveys again. */
void
tsdb_schedule_rest(void)
{
	LWLockAcquire(tsdb_tasks->lock, LW_EXCLUSIVE);
	tsdb_tasks->wake = DT_NOBEGIN;
	LWLockRelease(tsdb_tasks->lock);
}

/* Lets nothing of a database be due for some milliseconds. */
void
tsdb_schedule_postpone_database(Oid dboid, int ms)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);

	LWLockAcquire(tsdb_tasks->lock, LW_EXCLUSIVE);
	for (int slot = 0; slot < TSDB_TASKS_MAX; slot++)
	{
		const TsdbTaskSlot *task = tsdb_task_queue_slot(tsdb_task_order, slot);

		if (task->state == TSDB_TASK_FREE || task->key.database != dboid)
			continue;
		tsdb_tasks->infos[slot].not_before = Max(tsdb_tasks->infos[slot].not_before, until);
		tsdb_task_reschedule(slot);
	}
	LWLockRelease(tsdb_tasks->lock);
}

/* Forgets all tasks of a database but those that run. */
void
tsdb_schedule_forget_database(Oid dboid)
{
	LWLockAcquire(tsdb_tasks->lock, LW_EXCLUSIVE);
	for (int slot = 0; slot < TSDB_TASKS_MAX; slot++)
	{
		const TsdbTaskSlot *task = tsdb_task_queue_slot(tsdb_task_order, slot);

		if (task->state != TSDB_TASK_FREE && task->state != TSDB_TASK_RUNNING &&
			task->key.database == dboid)
			tsdb_task_remove(slot);
	}
	LWLockRelease(tsdb_tasks->lock);
}

/* ---- for a worker ---- */

static void
keep_error(TsdbTaskInfo *info, TimestampTz now, const char *error)
{
	int			len = pg_mbcliplen(error, strlen(error), TSDB_TASK_ERROR_LEN - 1);

	info->last_error_at = now;
	info->last_error_encoding = GetDatabaseEncoding();
	memcpy(info->last_error, error, len);
	info->last_error[len] = '\0';
}

/* Ends the claim on a task, which says how it went.  The lock is held exclusively. */
static void
release_claim(const TsdbTask *task, const char *error)
{
	TimestampTz now = GetCurrentTimestamp();
	TsdbTaskInfo *info = &tsdb_tasks->infos[task->slot];
	const TsdbTaskKindInfo *kind = tsdb_task_kind_of(task->slot);
	int64		rows_left = task->rows_left;
	int			wait = 0;
	TsdbTaskLevel level;
	TimestampTz due;

	info->pid = 0;
	tsdb_tasks->full = false;
	if (error != NULL)
		keep_error(info, now, error);
	if (task->outcome == TSDB_TASK_GONE ||
		(task->outcome == TSDB_TASK_DONE && kind->many && task->again_at == DT_NOEND) ||
		(task->outcome != TSDB_TASK_DONE && kind->tries_max > 0 && info->tries >= kind->tries_max))
	{
		tsdb_task_remove(task->slot);
		return;
	}
	info->payload_bytes = task->payload_bytes;
	memcpy(info->payload, task->payload.bytes, task->payload_bytes);

	switch (task->outcome)
	{
		case TSDB_TASK_DONE:
		case TSDB_TASK_GONE:

			/*
			 * Rows that were seen and kept (locked, too young, too large) are
			 * worth another look, less and less often if nothing comes of it.
			 */
			if (rows_left > 0 && task->rows_moved == 0)
				wait = tsdb_task_backoff(Max(tsdb_tasks->compact_age, TSDB_BUSY_BACKOFF_MIN),
							   info->failures++, TSDB_FAILED_BACKOFF_MAX);
			else
				info->failures = 0;
			rows_left = Min(rows_left, tsdb_tasks->compact_rows - 1);
			info->taken_since = now;
			info->tries = 0;
			info->crashes = 0;
			info->last_error_at = 0;
			if (task->again_at < info->again_at)
			{
				info->again_at = task->again_at;
				info->again_level = task->again_level;
			}
			break;
		case TSDB_TASK_YIELDED:
			/* due at once, but behind all others of its level that are */
			info->taken_since = now;
			info->failures = 0;
			break;
		case TSDB_TASK_BUSY:
			wait = tsdb_task_backoff(TSDB_BUSY_BACKOFF_MIN, info->failures++, TSDB_BUSY_BACKOFF_MAX);
			break;
		case TSDB_TASK_FAILED:
			wait = tsdb_task_backoff(TSDB_FAILED_BACKOFF_MIN, info->failures++, TSDB_FAILED_BACKOFF_MAX);
			break;
	}
	if (task->outcome != TSDB_TASK_DONE)
	{
		info->again_at = now;
		info->again_level = task->level;
	}

	info->not_before = wait > 0 ? TimestampTzPlusMilliseconds(now, wait) : DT_NOBEGIN;
	if (rows_left > 0 || task->outcome != TSDB_TASK_DONE)
	{
		(void) pg_atomic_fetch_add_u64(&info->rows, rows_left);
		info->since = info->taken_since;
	}
	due = tsdb_task_due_at(task->slot, &level);
	tsdb_task_queue_schedule(tsdb_task_order, task->slot, level, due);
	tsdb_task_wake_launcher_before(due);
}

/* An ordinary exit has finished its tasks before; this is a FATAL one. */
static void
claim_exit_callback(int code, Datum arg)
{
	while (my_claim_count > 0)
	{
		int			slot = my_claims[--my_claim_count];
		const TsdbTaskSlot *claimed = tsdb_task_queue_slot(tsdb_task_order, slot);
		TsdbTask	task = {0};

		LWLockAcquire(tsdb_tasks->lock, LW_EXCLUSIVE);
		task.slot = slot;
		task.level = claimed->level;
		task.payload_bytes = tsdb_tasks->infos[slot].payload_bytes;
		memcpy(task.payload.bytes, tsdb_tasks->infos[slot].payload, task.payload_bytes);
		task.outcome = TSDB_TASK_BUSY;
		task.rows_left = tsdb_tasks->infos[slot].rows_taken;
		task.again_at = DT_NOEND;
		release_claim(&task, NULL);
		LWLockRelease(tsdb_tasks->lock);
	}
}

/*
 * Claims the first of the due tasks of a database, or of its short ones.  Returns false if there is none.
 *
 * A claim is ended by tsdb_schedule_finish(), and by the exit of the process.
 */
bool
tsdb_schedule_claim(Oid dboid, bool only_short, TsdbTask *task)
{
	uint32		kinds = 0;
	int			slot;

	if (!exit_callback_registered)
	{
		before_shmem_exit(claim_exit_callback, (Datum) 0);
		exit_callback_registered = true;
	}
	for (int i = 0; i < TSDB_TASK_KINDS; i++)
	{
		if (!only_short || !tsdb_task_kinds[i].is_long)
			kinds |= (uint32) 1 << i;
	}

	Assert(my_claim_count < CLAIMS_MAX);
	LWLockAcquire(tsdb_tasks->lock, LW_EXCLUSIVE);
	(void) tsdb_task_queue_ripen(tsdb_task_order, GetCurrentTimestamp());
	slot = tsdb_task_queue_take(tsdb_task_order, dboid, kinds);
	if (slot != TSDB_TASK_NONE)
	{
		const TsdbTaskSlot *claimed = tsdb_task_queue_slot(tsdb_task_order, slot);
		TsdbTaskInfo *info = &tsdb_tasks->infos[slot];

		my_claims[my_claim_count++] = slot;
		info->pid = MyProcPid;
		info->tries++;
		info->again_at = DT_NOEND;
		info->full_at = 0;
		info->taken_since = info->since;
		info->since = 0;
		info->rows_taken = (int64) pg_atomic_exchange_u64(&info->rows, 0);

		memset(task, 0, sizeof(TsdbTask));
		task->kind = claimed->key.kind;
		task->level = claimed->level;
		task->dboid = claimed->key.database;
		task->relid = claimed->key.table;
		task->due = claimed->due;
		task->payload_bytes = info->payload_bytes;
		memcpy(task->payload.bytes, info->payload, info->payload_bytes);
		task->slot = slot;
		task->tries = info->tries;
		task->rows = info->rows_taken;
		task->outcome = TSDB_TASK_DONE;
		task->again_at = DT_NOEND;
		task->again_level = task->level;
	}
	LWLockRelease(tsdb_tasks->lock);
	return slot != TSDB_TASK_NONE;
}

/* Ends the work on the task that was claimed last.  error is the message of what went wrong, or NULL. */
void
tsdb_schedule_finish(const TsdbTask *task, const char *error)
{
	Assert(my_claim_count > 0 && my_claims[my_claim_count - 1] == task->slot);
	LWLockAcquire(tsdb_tasks->lock, LW_EXCLUSIVE);
	my_claim_count--;
	release_claim(task, error);
	LWLockRelease(tsdb_tasks->lock);
}

/* ---- for the view ---- */

bool
tsdb_schedule_view(int slot, TsdbTaskView *view)
{
	bool		interesting;

	if (tsdb_tasks == NULL)
		return false;
	LWLockAcquire(tsdb_tasks->lock, LW_SHARED);
	view->slot = *tsdb_task_queue_slot(tsdb_task_order, slot);
	interesting = view->slot.state > TSDB_TASK_RESTING ||
		(view->slot.state == TSDB_TASK_RESTING && tsdb_tasks->infos[slot].last_error_at != 0);
	if (interesting)
	{
		TsdbTaskInfo *info = &tsdb_tasks->infos[slot];

		view->since = tsdb_task_is_running(slot) ? info->taken_since : info->since;
		view->rows = (int64) pg_atomic_read_u64(&info->rows);
		view->tries = info->tries + info->crashes;
		view->pid = info->pid;
		view->last_error_at = info->last_error_at;
		view->last_error_encoding = info->last_error_encoding;
		strlcpy(view->last_error, info->last_error, TSDB_TASK_ERROR_LEN);
	}
	LWLockRelease(tsdb_tasks->lock);
	return interesting;
}
