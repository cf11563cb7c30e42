/*
 * pool.c
 *		The pool of background workers: a slot for each in shared memory.
 *
 *		stopped ──reserve──► starting ──attach──► idle ◄──► looking, compacting,
 *		   ▲                    │                  │         prefetching, vacuuming, sleeping
 *		   └──────cancel────────┘                  │                │
 *		   └──────────────────── exit ─────────────┴────────────────┘
 *
 * A reservation has a generation, which the worker must name: a worker that
 * comes to life after the launcher has given up on it finds that the slot is
 * not its own and leaves.  What a slot counted stays when its worker goes, for
 * tsdb.stat_workers.
 *
 * Locking: one LWLock, shared->lock, never held over anything that can wait or
 * raise an error; no other lock is taken under it.  All shared fields are
 * read under it in either mode and written under it exclusively: by the
 * launcher while a slot is stopped or starting, else by the slot's worker.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "stats/shared_memory.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "worker/pool.h"
#include "worker/schedule.h"
#include "worker/task_stat.h"

/* how long a database is left alone that could not be entered, milliseconds */
#define UNREACHABLE_BACKOFF 10000

#define LAST_ERROR_LEN 256

typedef struct TsdbWorkerSlot
{
	/* the process */
	TsdbWorkerState state;
	uint32		generation;		/* counts the workers that had this slot */
	Oid			dboid;
	Oid			relid;
	int			pid;
	Latch	   *latch;
	bool		connected;
	TimestampTz started_at;

	/* since the start of the server */
	int64		tables;
	int64		batches;
	int64		rows_moved;
	int64		vacuums;
	int64		errors;

	/* the last error */
	TimestampTz last_error_at;	/* 0: none */
	Oid			last_error_dboid;
	Oid			last_error_relid;
	int			last_error_encoding;
	char		last_error[LAST_ERROR_LEN];
} TsdbWorkerSlot;

typedef struct TsdbPool
{
	LWLock	   *lock;
	bool		starving;		/* a database waits for a worker to leave another */
	TsdbWorkerSlot slots[TSDB_WORKERS_MAX];
} TsdbPool;

int			tsdb_workers = TSDB_WORKERS_DEFAULT;


/* NULL without preload */
static TsdbPool *shared = NULL;

/* in a worker */
static TsdbWorkerSlot *my_slot = NULL;

static const char *const state_names[] = {
	[TSDB_WORKER_STOPPED] = "stopped",
	[TSDB_WORKER_STARTING] = "starting",
	[TSDB_WORKER_IDLE] = "idle",
	[TSDB_WORKER_LOOKING] = "looking for work",
	[TSDB_WORKER_COMPACTING] = "compacting",
	[TSDB_WORKER_VACUUMING] = "vacuuming",
	[TSDB_WORKER_PREFETCHING] = "prefetching",
	[TSDB_WORKER_SLEEPING] = "sleeping",
};

PG_FUNCTION_INFO_V1(tsdb_stat_workers);

static void
pool_shmem_request(void)
{
	RequestAddinShmemSpace(MAXALIGN(sizeof(TsdbPool)));
	RequestNamedLWLockTranche("tsdb_pool", 1);
}

static void
pool_shmem_startup(void)
{
	bool		found;

	shared = ShmemInitStruct("tsdb pool", sizeof(TsdbPool), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(TsdbPool));
		shared->lock = &GetNamedLWLockTranche("tsdb_pool")->lock;
	}
}

void
tsdb_pool_init(void)
{
	tsdb_shared_memory_add(pool_shmem_request, pool_shmem_startup);
}

/*
 * Reserves a slot for a worker that is going to be started in a database.
 * Returns its number, and the generation that the worker has to name; -1 if
 * all are taken.
 */
int
tsdb_pool_reserve(Oid dboid, uint32 *generation)
{
	TimestampTz now = GetCurrentTimestamp();
	int			found = -1;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < tsdb_workers && found < 0; i++)
	{
		TsdbWorkerSlot *slot = &shared->slots[i];

		if (slot->state != TSDB_WORKER_STOPPED)
			continue;
		slot->state = TSDB_WORKER_STARTING;
		slot->dboid = dboid;
		slot->connected = false;
		slot->started_at = now;
		*generation = ++slot->generation;
		found = i;
	}
	LWLockRelease(shared->lock);
	return found;
}

/*
 * Takes a slot back from a worker that did not come to life.  Does nothing if
 * it did, or if the slot has been given to another since.
 */
void
tsdb_pool_cancel(int slot_number, uint32 generation)
{
	TsdbWorkerSlot *slot = &shared->slots[slot_number];

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	if (slot->state == TSDB_WORKER_STARTING && slot->generation == generation)
	{
		slot->state = TSDB_WORKER_STOPPED;
		slot->dboid = InvalidOid;
	}
	LWLockRelease(shared->lock);
}

/*
 * Takes all slots back whose workers have not come to life; those that do
 * later leave.  For a launcher that follows another and has no handle on them.
 */
void
tsdb_pool_reset_starting(void)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < TSDB_WORKERS_MAX; i++)
	{
		TsdbWorkerSlot *slot = &shared->slots[i];

		if (slot->state == TSDB_WORKER_STARTING)
		{
			slot->state = TSDB_WORKER_STOPPED;
			slot->dboid = InvalidOid;
		}
	}
	LWLockRelease(shared->lock);
}

/* Counts the workers of a database, those that may take a task now, and those that may take a short one. */
void
tsdb_pool_count(Oid dboid, int *workers, int *idle, int *sleeping)
{
	*workers = 0;
	*idle = 0;
	*sleeping = 0;
	LWLockAcquire(shared->lock, LW_SHARED);
	for (int i = 0; i < TSDB_WORKERS_MAX; i++)
	{
		TsdbWorkerSlot *slot = &shared->slots[i];

		if (slot->state == TSDB_WORKER_STOPPED || slot->dboid != dboid)
			continue;
		(*workers)++;
		if (slot->state == TSDB_WORKER_STARTING || slot->state == TSDB_WORKER_IDLE)
			(*idle)++;
		if (slot->state == TSDB_WORKER_SLEEPING)
			(*sleeping)++;
	}
	LWLockRelease(shared->lock);
}

/* Lets the idle workers of a database, and perhaps those that sleep, look for a task. */
void
tsdb_pool_wake(Oid dboid, bool sleeping)
{
	LWLockAcquire(shared->lock, LW_SHARED);
	for (int i = 0; i < TSDB_WORKERS_MAX; i++)
	{
		TsdbWorkerSlot *slot = &shared->slots[i];

		if (slot->dboid == dboid &&
			(slot->state == TSDB_WORKER_IDLE || (sleeping && slot->state == TSDB_WORKER_SLEEPING)))
			SetLatch(slot->latch);
	}
	LWLockRelease(shared->lock);
}

/* Says whether a database waits for a slot that others' workers have. */
void
tsdb_pool_set_starving(bool starving)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->starving = starving;
	LWLockRelease(shared->lock);
}

/*
 * Frees the slot.  The launcher is told, as nobody else may look after the
 * database now, or another database waits for the slot.
 */
static void
worker_exit_callback(int code, Datum arg)
{
	Oid			dboid = my_slot->dboid;
	bool		connected = my_slot->connected;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	my_slot->state = TSDB_WORKER_STOPPED;
	my_slot->dboid = InvalidOid;
	my_slot->relid = InvalidOid;
	my_slot->pid = 0;
	my_slot->latch = NULL;
	LWLockRelease(shared->lock);

	if (!connected)
		tsdb_schedule_postpone_database(dboid, UNREACHABLE_BACKOFF);
	tsdb_schedule_wake_launcher();
}

/*
 * Makes this process the worker of a slot that was reserved for it, and tells
 * for which database.  Returns false if the launcher has given up on it.
 */
bool
tsdb_pool_attach(int slot_number, uint32 generation, Oid *dboid)
{
	TsdbWorkerSlot *slot = &shared->slots[slot_number];
	bool		mine;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	mine = slot->state == TSDB_WORKER_STARTING && slot->generation == generation;
	if (mine)
	{
		slot->state = TSDB_WORKER_IDLE;
		slot->pid = MyProcPid;
		slot->latch = &MyProc->procLatch;
		*dboid = slot->dboid;
		my_slot = slot;
	}
	LWLockRelease(shared->lock);

	if (mine)
		before_shmem_exit(worker_exit_callback, (Datum) 0);
	return mine;
}

/*
 * Says that the database could be entered.  A worker that exits without having
 * said so puts all work in the database off.
 */
void
tsdb_pool_connected(void)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	my_slot->connected = true;
	LWLockRelease(shared->lock);
}

/*
 * True if this worker is to go at the next opportunity: the pool has shrunk,
 * or it has used its time slice and another database waits.
 */
bool
tsdb_pool_must_leave(bool slice_used)
{
	bool		starving;

	if (my_slot - shared->slots >= tsdb_workers)
		return true;

	LWLockAcquire(shared->lock, LW_SHARED);
	starving = shared->starving;
	LWLockRelease(shared->lock);
	return slice_used && starving;
}

void
tsdb_pool_set_state(TsdbWorkerState state, Oid relid)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	my_slot->state = state;
	my_slot->relid = relid;
	LWLockRelease(shared->lock);
}

void
tsdb_pool_count_batch(int64 rows_moved)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	my_slot->batches++;
	my_slot->rows_moved += rows_moved;
	LWLockRelease(shared->lock);
}

void
tsdb_pool_count_table(void)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	my_slot->tables++;
	LWLockRelease(shared->lock);
}

void
tsdb_pool_count_vacuum(void)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	my_slot->vacuums++;
	LWLockRelease(shared->lock);
}

/* Keeps an error's message, cut to fit, for tsdb.stat_workers. */
void
tsdb_pool_record_error(Oid relid, const char *message)
{
	int			len = pg_mbcliplen(message, strlen(message), LAST_ERROR_LEN - 1);
	TimestampTz now = GetCurrentTimestamp();

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	my_slot->errors++;
	my_slot->last_error_at = now;
	my_slot->last_error_dboid = my_slot->dboid;
	my_slot->last_error_relid = relid;
	my_slot->last_error_encoding = GetDatabaseEncoding();
	memcpy(my_slot->last_error, message, len);
	my_slot->last_error[len] = '\0';
	LWLockRelease(shared->lock);
}

/*
 * tsdb_stat_workers() returns setof (worker int, pid int, datid oid, relid oid,
 * state text, started_at timestamptz, tables bigint, batches bigint,
 * rows_moved bigint, vacuums bigint, errors bigint, last_error text,
 * last_error_at timestamptz, last_error_datid oid, last_error_relid oid)
 *
 * A row per slot that was ever used.  An error's message may quote data, so
 * it is shown to those only who may read all statistics.
 */
Datum
tsdb_stat_workers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		read_all = has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);

	InitMaterializedSRF(fcinfo, 0);

	for (int i = 0; shared != NULL && i < TSDB_WORKERS_MAX; i++)
	{
		TsdbWorkerSlot slot;
		Datum		values[15] = {0};
		bool		nulls[15] = {false};

		LWLockAcquire(shared->lock, LW_SHARED);
		slot = shared->slots[i];
		LWLockRelease(shared->lock);

		if (slot.generation == 0)
			continue;

		values[0] = Int32GetDatum(i + 1);
		values[1] = Int32GetDatum(slot.pid);
		nulls[1] = slot.pid == 0;
		values[2] = ObjectIdGetDatum(slot.dboid);
		nulls[2] = !OidIsValid(slot.dboid);
		values[3] = ObjectIdGetDatum(slot.relid);
		nulls[3] = !OidIsValid(slot.relid);
		values[4] = CStringGetTextDatum(state_names[slot.state]);
		values[5] = TimestampTzGetDatum(slot.started_at);
		nulls[5] = slot.state == TSDB_WORKER_STOPPED;
		values[6] = Int64GetDatum(slot.tables);
		values[7] = Int64GetDatum(slot.batches);
		values[8] = Int64GetDatum(slot.rows_moved);
		values[9] = Int64GetDatum(slot.vacuums);
		values[10] = Int64GetDatum(slot.errors);

		nulls[11] = slot.last_error_at == 0 || !read_all;
		if (!nulls[11])
			values[11] = tsdb_task_stat_message(slot.last_error, slot.last_error_encoding);
		values[12] = TimestampTzGetDatum(slot.last_error_at);
		values[13] = ObjectIdGetDatum(slot.last_error_dboid);
		values[14] = ObjectIdGetDatum(slot.last_error_relid);
		nulls[12] = nulls[13] = nulls[14] = slot.last_error_at == 0;

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}

	return (Datum) 0;
}
