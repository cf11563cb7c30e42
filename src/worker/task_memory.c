/*
 * task_memory.c
 *		What is known of background tasks, in shared memory.
 *
 * The postmaster remembers over a crash what was running.  A worker that is killed makes the server reset all shared memory; the
 * postmaster looks at it before, when nobody else is left.  One of the tasks may have done it, and would again,
 * before those behind it had their turns.  So in the new memory these tasks have a back-off, doubled with each crash.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "stats/shared_memory.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"

#include "worker/task_kinds.h"
#include "worker/task_memory.h"

/* tasks that are remembered over a crash */
#define SUSPECTS_MAX 64
#define CRASHES_MAX 20

int			tsdb_compact_rows = TSDB_COMPACT_ROWS_DEFAULT;
int			tsdb_compact_age = TSDB_COMPACT_AGE_DEFAULT;


TsdbTaskMemory *tsdb_tasks = NULL;
TsdbTaskQueue *tsdb_task_order = NULL;

/* A task that ran when the server crashed. */
typedef struct Suspect
{
	TsdbTaskKey key;
	int			crashes;
} Suspect;

/* in the postmaster */
static Suspect suspects[SUSPECTS_MAX];
static int	suspect_count = 0;

StaticAssertDecl(TSDB_TASK_NEVER == DT_NOEND, "a task that is never due");

/* ---- waking the launcher ---- */

/* A number that is old is another process's by now, which looks about itself and sleeps on. */
void
tsdb_schedule_wake_launcher(void)
{
	uint32		launcher;

	if (tsdb_tasks == NULL)
		return;
	launcher = pg_atomic_read_u32(&tsdb_tasks->launcher);
	if (launcher != 0)
		SetLatch(&ProcGlobal->allProcs[launcher - 1].procLatch);
}

/* The lock is held in either mode. */
void
tsdb_task_wake_launcher_before(TimestampTz due)
{
	if (due <= tsdb_tasks->wake)
		tsdb_schedule_wake_launcher();
}

static void
launcher_exit_callback(int code, Datum arg)
{
	pg_atomic_write_u32(&tsdb_tasks->launcher, 0);
}

/* Makes this process the one that notes wake. */
void
tsdb_schedule_attach_launcher(void)
{
	before_shmem_exit(launcher_exit_callback, (Datum) 0);
	pg_atomic_write_u32(&tsdb_tasks->launcher, (uint32) MyProc->pgprocno + 1);
}

/* ---- when a task is due ---- */

const TsdbTaskKindInfo *
tsdb_task_kind_of(int slot)
{
	return &tsdb_task_kinds[tsdb_task_queue_slot(tsdb_task_order, slot)->key.kind];
}

bool
tsdb_task_is_running(int slot)
{
	return tsdb_task_queue_slot(tsdb_task_order, slot)->state == TSDB_TASK_RUNNING;
}

/* When a task is due, by what is known of it now. */
TimestampTz
tsdb_task_due_at(int slot, TsdbTaskLevel *level)
{
	TsdbTaskInfo *info = &tsdb_tasks->infos[slot];
	int64		rows = (int64) pg_atomic_read_u64(&info->rows);
	TimestampTz due = DT_NOEND;

	*level = TSDB_LEVEL_NORMAL;
	if (rows > 0 && tsdb_task_queue_slot(tsdb_task_order, slot)->key.kind == TSDB_TASK_LOOK)
		due = TimestampTzPlusMilliseconds(info->since, tsdb_tasks->compact_age);
	else if (rows > 0 && rows >= tsdb_tasks->compact_rows)
	{
		if (info->full_at == 0)
			info->full_at = GetCurrentTimestamp();
		due = info->full_at;
	}
	else if (rows > 0)
	{
		due = TimestampTzPlusMilliseconds(info->since, tsdb_tasks->compact_age);
		*level = TSDB_LEVEL_LOW;
	}
	if (info->again_at < due)
	{
		due = info->again_at;
		*level = info->again_level;
	}
	return due == DT_NOEND ? due : Max(due, info->not_before);
}

/*
 * Something has changed that says when a task is due.  One that is ready and will not get to its turn sooner
 * by that keeps its place.  The lock is held exclusively.
 */
void
tsdb_task_reschedule(int slot)
{
	const TsdbTaskSlot *task = tsdb_task_queue_slot(tsdb_task_order, slot);
	TsdbTaskLevel level;
	TimestampTz due;

	if (task->state == TSDB_TASK_RUNNING)
		return;
	due = tsdb_task_due_at(slot, &level);
	if (task->state == TSDB_TASK_READY && due <= GetCurrentTimestamp() &&
		task->order <= due + level * TSDB_TASK_AGE_STEP)
		return;
	tsdb_task_queue_schedule(tsdb_task_order, slot, level, due);
	tsdb_task_wake_launcher_before(due);
}

/* ---- tasks come and go ---- */

/* The lock is held exclusively. */
void
tsdb_task_remove(int slot)
{
	if (tsdb_task_kind_of(slot)->many)
		tsdb_tasks->added--;
	tsdb_tasks->full = false;
	tsdb_task_queue_remove(tsdb_task_order, slot);
}

/*
 * Frees the slot of a task that holds nothing but a history, and perhaps when to look
 * at its table again, which the next note from it or a start of the server brings back.
 * Returns false if all have rows.  The lock is held exclusively.
 */
static bool
evict_task(void)
{
	if (tsdb_tasks->full)
		return false;

	for (int slot = 0; slot < TSDB_TASKS_MAX; slot++)
	{
		if (!tsdb_task_is_running(slot) && !tsdb_task_kind_of(slot)->many &&
			pg_atomic_read_u64(&tsdb_tasks->infos[slot].rows) == 0)
		{
			tsdb_task_remove(slot);
			return true;
		}
	}
	tsdb_tasks->full = true;
	return false;
}

/* A new task, resting; TSDB_TASK_NONE if there is no room.  The lock is held exclusively. */
int
tsdb_task_make(const TsdbTaskKey *key)
{
	int			slot;
	TsdbTaskInfo *info;

	if (tsdb_task_queue_used(tsdb_task_order) == TSDB_TASKS_MAX && !evict_task())
		return TSDB_TASK_NONE;
	slot = tsdb_task_queue_add(tsdb_task_order, key);
	if (slot == TSDB_TASK_NONE)
		return TSDB_TASK_NONE;

	info = &tsdb_tasks->infos[slot];
	memset(info, 0, sizeof(TsdbTaskInfo));
	pg_atomic_init_u64(&info->rows, 0);
	info->not_before = DT_NOBEGIN;
	info->again_at = DT_NOEND;
	if (tsdb_task_kind_of(slot)->many)
		tsdb_tasks->added++;
	return slot;
}

/* The task of a key, made if there is none; TSDB_TASK_NONE if there is no room.  The lock is held exclusively. */
int
tsdb_task_find_or_make(const TsdbTaskKey *key)
{
	int			slot = tsdb_task_queue_find(tsdb_task_order, key);

	return slot != TSDB_TASK_NONE ? slot : tsdb_task_make(key);
}

/* ---- shared memory ---- */

/* from, doubled n times, but no more than limit */
int
tsdb_task_backoff(int from, int n, int limit)
{
	int64		ms = (int64) from << Min(n, 20);

	return (int) Min(ms, limit);
}

/* In new shared memory: a task that ran when the server crashed is put off. */
static void
accuse(const Suspect *suspect)
{
	TimestampTz now = GetCurrentTimestamp();
	int			slot = tsdb_task_make(&suspect->key);
	TsdbTaskInfo *info = &tsdb_tasks->infos[slot];

	info->crashes = suspect->crashes;
	info->not_before = TimestampTzPlusMilliseconds(now, tsdb_task_backoff(TSDB_FAILED_BACKOFF_MIN, suspect->crashes - 1,
																TSDB_FAILED_BACKOFF_MAX));
	info->since = now;
	info->again_at = info->not_before;
	info->again_level = TSDB_LEVEL_LOW;
	info->last_error_at = now;
	strlcpy(info->last_error, "the server crashed while this task was running", TSDB_TASK_ERROR_LEN);
	tsdb_task_reschedule(slot);
}

static void
schedule_shmem_request(void)
{
	RequestAddinShmemSpace(MAXALIGN(sizeof(TsdbTaskMemory)));
	RequestAddinShmemSpace(MAXALIGN(tsdb_task_queue_bytes(TSDB_TASKS_MAX)));
	RequestNamedLWLockTranche("tsdb_schedule", 1);
}

/*
 * In the postmaster, all other processes being gone, before it gives shared memory back: what was running, and what was when it
 * crashed before.  The memory may hold anything, so nothing in it is followed, and no lock is taken.
 */
static void
remember_suspects(int code, Datum arg)
{
	suspect_count = 0;
	for (int slot = 0; slot < TSDB_TASKS_MAX && suspect_count < SUSPECTS_MAX; slot++)
	{
		const TsdbTaskSlot *task = tsdb_task_queue_slot(tsdb_task_order, slot);
		const int	crashes = Min(tsdb_tasks->infos[slot].crashes, CRASHES_MAX);
		const bool	running = task->state == TSDB_TASK_RUNNING;

		if (task->state == TSDB_TASK_FREE || task->key.kind >= TSDB_TASK_KINDS ||
			tsdb_task_kinds[task->key.kind].many || crashes < 0 || !(running || crashes > 0))
			continue;
		suspects[suspect_count].key = task->key;
		suspects[suspect_count++].crashes = crashes + (running ? 1 : 0);
	}
}

static void
schedule_shmem_startup(void)
{
	bool		found;

	tsdb_tasks = ShmemInitStruct("tsdb schedule", sizeof(TsdbTaskMemory), &found);
	if (!found)
	{
		memset(tsdb_tasks, 0, sizeof(TsdbTaskMemory));
		tsdb_tasks->lock = &GetNamedLWLockTranche("tsdb_schedule")->lock;
		pg_atomic_init_flag(&tsdb_tasks->scan_wanted);
		pg_atomic_init_u32(&tsdb_tasks->launcher, 0);
		tsdb_tasks->wake = DT_NOBEGIN;
		tsdb_tasks->compact_rows = tsdb_compact_rows;
		tsdb_tasks->compact_age = tsdb_compact_age;
		for (int i = 0; i < TSDB_TASKS_MAX; i++)
			pg_atomic_init_u64(&tsdb_tasks->infos[i].rows, 0);
	}

	tsdb_task_order = ShmemInitStruct("tsdb task queue", tsdb_task_queue_bytes(TSDB_TASKS_MAX), &found);
	if (!found)
	{
		(void) tsdb_task_queue_init(tsdb_task_order, TSDB_TASKS_MAX);
		for (int i = 0; i < suspect_count; i++)
			accuse(&suspects[i]);
	}

	if (!IsUnderPostmaster)
		on_shmem_exit(remember_suspects, (Datum) 0);
}

void
tsdb_schedule_init(void)
{
	tsdb_shared_memory_add(schedule_shmem_request, schedule_shmem_startup);
}

