/*
 * progress.c
 *		What each running compaction is doing, for tsdb.progress_compaction.
 *
 * PostgreSQL's own progress slots are bound to its own commands, and VACUUM,
 * which a compaction worker calls, would overwrite them; so there is an array
 * of our own, with one slot per compaction rather than per backend, as few
 * backends ever compact.
 *
 * Locking
 *		slot->pid		the owner.  A process takes a free slot by
 *						compare-and-swap from 0 to its pid, and gives it back
 *						by storing 0; no lock.
 *		slot->state		under slot->mutex, written by the owner only.  A reader
 *						takes the mutex too, copies the state, and believes the
 *						copy if relid is valid (it is not while the slot is
 *						free or just taken) and pid is the same before and after.
 *
 * A spinlock and not a change counter: a slot is written a few times a chunk,
 * that is every few milliseconds, so there is nothing to gain.  No lock is
 * held over more than a few stores.
 *
 * A process that dies by an error or FATAL gives its slot back on exit; one
 * that is killed makes the server reset all shared memory.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "stats/shared_memory.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "stats/progress.h"

typedef struct TsdbProgressState
{
	Oid			userid;
	Oid			dboid;
	Oid			relid;
	TsdbProgressPhase phase;
	int64		rows_done;
	int64		rows_total;
	int64		chunks_written;
	TimestampTz started_at;
} TsdbProgressState;

typedef struct TsdbProgressSlot
{
	pg_atomic_uint32 pid;
	slock_t		mutex;
	TsdbProgressState state;
} TsdbProgressSlot;


/* TSDB_PROGRESS_SLOTS of them, or NULL without preload */
static TsdbProgressSlot *slots = NULL;

/* this process: its slot or NULL, depth of begins, transaction nest level */
static TsdbProgressSlot *my_slot = NULL;
static int	my_depth = 0;
static int	my_nest_level = 0;
static bool callbacks_registered = false;

static const char *const phase_names[] = {
	[TSDB_PROGRESS_SCANNING] = "scanning",
	[TSDB_PROGRESS_SORTING] = "sorting",
	[TSDB_PROGRESS_ENCODING] = "encoding",
	[TSDB_PROGRESS_INDEXING] = "indexing",
	[TSDB_PROGRESS_COMMITTING] = "committing",
	[TSDB_PROGRESS_VACUUMING] = "vacuuming",
	[TSDB_PROGRESS_SLEEPING] = "sleeping",
	[TSDB_PROGRESS_VERIFYING] = "verifying",
};

PG_FUNCTION_INFO_V1(tsdb_progress_compaction);

static Size
progress_shmem_size(void)
{
	return mul_size(TSDB_PROGRESS_SLOTS, sizeof(TsdbProgressSlot));
}

static void
progress_shmem_request(void)
{
	RequestAddinShmemSpace(progress_shmem_size());
}

static void
progress_shmem_startup(void)
{
	bool		found;

	slots = ShmemInitStruct("tsdb progress", progress_shmem_size(), &found);
	if (!found)
	{
		memset(slots, 0, progress_shmem_size());
		for (int i = 0; i < TSDB_PROGRESS_SLOTS; i++)
		{
			pg_atomic_init_u32(&slots[i].pid, 0);
			SpinLockInit(&slots[i].mutex);
		}
	}
}

void
tsdb_progress_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;

	tsdb_shared_memory_add(progress_shmem_request, progress_shmem_startup);
}

static void
progress_release(void)
{
	if (my_slot != NULL)
	{
		SpinLockAcquire(&my_slot->mutex);
		my_slot->state.relid = InvalidOid;
		SpinLockRelease(&my_slot->mutex);
		pg_write_barrier();
		pg_atomic_write_u32(&my_slot->pid, 0);
	}
	my_slot = NULL;
	my_depth = 0;
}

static void
progress_exit_callback(int code, Datum arg)
{
	progress_release();
}

/*
 * A compaction that was begun outside of a transaction spans many and is ended
 * by any abort; one begun within a transaction cannot outlive it.
 */
static void
progress_xact_callback(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT ||
		(event == XACT_EVENT_COMMIT && my_nest_level > 0))
		progress_release();
}

static void
progress_subxact_callback(SubXactEvent event, SubTransactionId mySubid,
						  SubTransactionId parentSubid, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB &&
		my_nest_level >= GetCurrentTransactionNestLevel())
		progress_release();
	else if (event == SUBXACT_EVENT_COMMIT_SUB &&
			 my_nest_level >= GetCurrentTransactionNestLevel())
		my_nest_level = GetCurrentTransactionNestLevel() - 1;
}

void
tsdb_progress_begin(Oid relid)
{
	TsdbProgressState state = {0};

	if (slots == NULL)
		return;
	if (my_depth++ > 0)
		return;

	state.userid = GetSessionUserId();
	state.dboid = MyDatabaseId;
	state.relid = relid;
	state.phase = TSDB_PROGRESS_SCANNING;
	state.started_at = GetCurrentTimestamp();

	if (!callbacks_registered)
	{
		RegisterXactCallback(progress_xact_callback, NULL);
		RegisterSubXactCallback(progress_subxact_callback, NULL);
		before_shmem_exit(progress_exit_callback, (Datum) 0);
		callbacks_registered = true;
	}

	for (int i = 0; i < TSDB_PROGRESS_SLOTS; i++)
	{
		TsdbProgressSlot *slot = &slots[(MyProcPid + i) % TSDB_PROGRESS_SLOTS];
		uint32		expected = 0;

		if (!pg_atomic_compare_exchange_u32(&slot->pid, &expected,
											(uint32) MyProcPid))
			continue;

		my_slot = slot;
		SpinLockAcquire(&slot->mutex);
		slot->state = state;
		SpinLockRelease(&slot->mutex);
		break;
	}
	my_nest_level = GetCurrentTransactionNestLevel();
}

void
tsdb_progress_end(void)
{
	if (my_depth > 0 && --my_depth == 0)
		progress_release();
}

void
tsdb_progress_phase(TsdbProgressPhase phase)
{
	if (my_slot == NULL)
		return;
	SpinLockAcquire(&my_slot->mutex);
	my_slot->state.phase = phase;
	SpinLockRelease(&my_slot->mutex);
}

void
tsdb_progress_total(int64 rows)
{
	if (my_slot == NULL)
		return;
	SpinLockAcquire(&my_slot->mutex);
	my_slot->state.rows_total = rows;
	SpinLockRelease(&my_slot->mutex);
}

void
tsdb_progress_add(int64 rows, int64 chunks)
{
	if (my_slot == NULL)
		return;
	SpinLockAcquire(&my_slot->mutex);
	my_slot->state.rows_done += rows;
	my_slot->state.chunks_written += chunks;
	SpinLockRelease(&my_slot->mutex);
}

/*
 * tsdb_progress_compaction() returns setof (pid int, datid oid, relid oid,
 * phase text, rows_done bigint, rows_total bigint, chunks_written bigint,
 * started_at timestamptz)
 *
 * As in pg_stat_progress_*, what is done for another role is NULL but for pid
 * and datid, unless the caller may read all statistics.
 */
Datum
tsdb_progress_compaction(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		read_all = has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);

	InitMaterializedSRF(fcinfo, 0);

	for (int i = 0; slots != NULL && i < TSDB_PROGRESS_SLOTS; i++)
	{
		TsdbProgressSlot *slot = &slots[i];
		TsdbProgressState state;
		uint32		pid = pg_atomic_read_u32(&slot->pid);
		Datum		values[8] = {0};
		bool		nulls[8] = {false};

		if (pid == 0)
			continue;
		SpinLockAcquire(&slot->mutex);
		state = slot->state;
		SpinLockRelease(&slot->mutex);
		if (pg_atomic_read_u32(&slot->pid) != pid || !OidIsValid(state.relid))
			continue;

		values[0] = Int32GetDatum((int32) pid);
		values[1] = ObjectIdGetDatum(state.dboid);
		if (read_all || has_privs_of_role(GetUserId(), state.userid))
		{
			values[2] = ObjectIdGetDatum(state.relid);
			values[3] = CStringGetTextDatum(phase_names[state.phase]);
			values[4] = Int64GetDatum(state.rows_done);
			values[5] = Int64GetDatum(state.rows_total);
			nulls[5] = state.rows_total == 0;
			values[6] = Int64GetDatum(state.chunks_written);
			values[7] = TimestampTzGetDatum(state.started_at);
		}
		else
			memset(nulls + 2, true, 6 * sizeof(bool));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}

	return (Datum) 0;
}
