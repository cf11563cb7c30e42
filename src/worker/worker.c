/*
 * worker.c
 *		A background worker: does the tasks of one database.
 *
 * A worker claims the first task that is due, does it, and claims the next.  A compaction
 * that takes longer than a time slice goes to the end of its level.  With
 * nothing to do for tsdb.worker_idle_timeout the worker goes.
 *
 * Rate.  After each batch of a long task the worker sleeps in proportion to the time that the
 * batch took, so that it is busy for tsdb.compact_duty percent of the time at
 * most.  A share of time and not rows per second: a row costs anything between
 * a microsecond and a millisecond, and a slow disk makes a batch long and so the
 * pause long, which is what its other users want.  Not nice(2): a process that
 * the kernel deprives of the processor while it holds a buffer or the WAL
 * insertion lock stalls everybody.  It sleeps between transactions only, so
 * without locks and without a snapshot that would hold VACUUM back.  Meanwhile it does short tasks, which
 * thus wait for one batch at most, also when all workers have tables to compact.
 *
 * Giving way.  Compaction holds ShareUpdateExclusiveLock on its table, which
 * INSERT, SELECT, UPDATE and DELETE do not notice.  Whoever does conflict is
 * served as autovacuum serves him, by the same flag in our PGPROC: a session
 * that has waited for deadlock_timeout cancels us (SIGINT), and DROP DATABASE or
 * CREATE DATABASE ... TEMPLATE terminates us (SIGTERM).  Both come to
 * CHECK_FOR_INTERRUPTS, the transaction aborts, and the table is tried again
 * later.  Between transactions we also look whether somebody waits for the
 * database, and leave on our own.  (Like autovacuum's, our snapshots are not
 * waited for by CREATE INDEX CONCURRENTLY on other tables; we never read those.
 * On our own table the lock keeps the two apart.)
 *
 * Errors.  Those of one task are reported, remembered for tsdb.stat_workers and tsdb.stat_tasks,
 * and put that task off for 10 seconds, doubling up to an hour; the next
 * one is served at once.
 *
 * Shutdown.  SIGTERM ends the transaction at the next check for interrupts; naps and waits end at once. What the task has committed
 * stays, what it has not was never there, and the task itself need not be kept: after a start, each database is
 * looked at for work.
 */
#include "postgres.h"

#include <sys/resource.h>

#include "access/xact.h"
#include "catalog/pg_database.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/timestamp.h"

#include "stats/progress.h"
#include "worker/pool.h"
#include "worker/schedule.h"
#include "worker/task_kinds.h"
#include "worker/worker.h"

#define EXTENSION_NAME "tsdb"

/*
 * How long a worker may stay in a database while others wait for one, and how
 * long it works on a table while others are due; milliseconds.
 */
#define TIME_SLICE 10000

/* how often a waiting worker looks whether it has to leave, milliseconds */
#define LOOK_INTERVAL 500

/* the longest pause after one batch, milliseconds */
#define NAP_MAX 60000

#define WORKER_NICE		10		/* priority value of a worker's process */

int			tsdb_compact_duty = TSDB_COMPACT_DUTY_DEFAULT;
int			tsdb_worker_idle_timeout = TSDB_WORKER_IDLE_TIMEOUT_DEFAULT;

/* A task that is being done.  Static, as it must be known after an error. */
typedef struct TaskRun
{
	TsdbTask	task;
	char		name[NAMEDATALEN * 2 + 1];	/* of its table */
	char		activity[NAMEDATALEN * 2 + 32];
	TimestampTz started_at;
	MemoryContext context;		/* reset after each task */
} TaskRun;

/* a long one, and a short one while that sleeps */
static TaskRun runs[2];
static TaskRun *run = NULL;		/* the innermost, or NULL */

/* when this worker came to its database */
static TimestampTz worker_started_at;

static bool run_next_task(bool only_short);

static bool
slice_used(TimestampTz since)
{
	return TimestampDifferenceExceeds(since, GetCurrentTimestamp(), TIME_SLICE);
}

bool
tsdb_worker_database_free(Oid dboid)
{
	LOCKTAG		tag;

	/* the mode that every backend takes when it enters a database */
	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, dboid, 0);
	if (LockAcquire(&tag, RowExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	LockRelease(&tag, RowExclusiveLock, true);
	return true;
}

/* True if this worker should go now.  To be called between transactions. */
static bool
must_leave(bool idle)
{
	return tsdb_pool_must_leave(idle || slice_used(worker_started_at)) ||
		!tsdb_worker_database_free(MyDatabaseId);
}

/* Waits for the latch, outside of a transaction, and serves what came in. */
static void
wait_for(long ms)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 Min(ms, LOOK_INTERVAL), PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);

	/* a cancel that came too late; and no FATAL for what can go in peace */
	QueryCancelPending = false;
	if (ProcDiePending)
		proc_exit(0);
	CHECK_FOR_INTERRUPTS();
	ProcessCatchupInterrupt();

	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

bool
tsdb_worker_must_leave(void)
{
	return must_leave(false);
}

bool
tsdb_worker_turn_is_over(void)
{
	return slice_used(run->started_at);
}

bool
tsdb_worker_nap_after(double work_ms)
{
	double		ms = work_ms * (100 - tsdb_compact_duty) / tsdb_compact_duty;
	TimestampTz until;
	bool		leave;

	if (ms > NAP_MAX)
		ms = NAP_MAX;
	until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), (int64) ms);

	tsdb_progress_phase(TSDB_PROGRESS_SLEEPING);
	for (;;)
	{
		long		left;

		tsdb_pool_set_state(TSDB_WORKER_SLEEPING, run->task.relid);
		leave = must_leave(false);
		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);
		if (leave || left <= 0)
			break;
		if (!run_next_task(true))
			wait_for(left);
	}
	tsdb_pool_set_state(tsdb_task_kinds[run->task.kind].state, run->task.relid);
	pgstat_report_activity(STATE_RUNNING, run->activity);
	return !leave;
}

void
tsdb_worker_report(const char *what)
{
	snprintf(run->activity, sizeof(run->activity), "tsdb: %s %s", what, run->name);
	pgstat_report_activity(STATE_RUNNING, run->activity);
}

void
tsdb_worker_learn_name(void)
{
	char	   *name = get_rel_name(run->task.relid);
	char	   *nspname = get_namespace_name(get_rel_namespace(run->task.relid));

	snprintf(run->name, sizeof(run->name), "%s.%s",
			 nspname ? nspname : "?", name ? name : "?");
}

static void
error_context_callback(void *arg)
{
	const TaskRun *failed = arg;

	errcontext(tsdb_task_kinds[failed->task.kind].context, failed->name);
}

/* Does the task; what can go wrong goes out as an error. */
static void
do_task(TsdbTask *task)
{
	bool		exists;

	StartTransactionCommand();
	exists = OidIsValid(get_extension_oid(EXTENSION_NAME, true));
	CommitTransactionCommand();
	MemoryContextSwitchTo(run->context);
	if (exists)
		tsdb_task_kinds[task->kind].run(task);
	else
	{
		tsdb_schedule_forget_database(MyDatabaseId);
		task->outcome = TSDB_TASK_GONE;
	}
}

/* Cleans up after an error in a task, and says how it ended.  Returns the message, or NULL if it only gave way. */
static const char *
recover_from_error(void)
{
	ErrorData  *edata;
	bool		gave_way;

	HOLD_INTERRUPTS();

	MemoryContextSwitchTo(run->context);
	edata = CopyErrorData();
	gave_way = edata->sqlerrcode == ERRCODE_QUERY_CANCELED ||
		edata->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		edata->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED;
	if (!gave_way)
		EmitErrorReport();
	AbortOutOfAnyTransaction();
	FlushErrorState();

	if (gave_way)
		elog(DEBUG1, "tsdb worker gives way: %s", edata->message);
	else
		tsdb_pool_record_error(run->task.relid, edata->message);
	QueryCancelPending = false;
	run->task.outcome = gave_way ? TSDB_TASK_BUSY : TSDB_TASK_FAILED;

	RESUME_INTERRUPTS();
	MemoryContextSwitchTo(run->context);
	return gave_way ? NULL : edata->message;
}

/*
 * Claims a task, does it, and ends the claim, whatever happens but FATAL.  Returns false if there is none.  May be
 * called while a long task sleeps, to do a short one.
 */
static bool
run_next_task(bool only_short)
{
	TaskRun    *const outer = run;
	TaskRun    *const mine = outer == NULL ? &runs[0] : &runs[1];
	const char *volatile error = NULL;
	ErrorContextCallback callback;

	if (!tsdb_schedule_claim(MyDatabaseId, only_short, &mine->task))
		return false;

	run = mine;
	mine->started_at = GetCurrentTimestamp();
	strlcpy(mine->name, "?", sizeof(mine->name));
	mine->activity[0] = '\0';
	MemoryContextSwitchTo(mine->context);
	PortalContext = mine->context;	/* VACUUM makes its own context below this one */
	tsdb_pool_set_state(tsdb_task_kinds[mine->task.kind].state, mine->task.relid);

	callback.callback = error_context_callback;
	callback.arg = mine;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	PG_TRY();
	{
		do_task(&mine->task);
	}
	PG_CATCH();
	{
		error = recover_from_error();
	}
	PG_END_TRY();
	error_context_stack = callback.previous;

	if (mine->task.outcome != TSDB_TASK_DONE && mine->task.rows > 0)
		mine->task.rows_left = Max(mine->task.rows - mine->task.rows_moved, 1);
	tsdb_schedule_finish(&mine->task, error);

	run = outer;
	PortalContext = outer == NULL ? runs[0].context : outer->context;
	tsdb_pool_set_state(TSDB_WORKER_IDLE, InvalidOid);
	pgstat_report_stat(outer == NULL);
	pgstat_report_activity(STATE_IDLE, NULL);
	MemoryContextSwitchTo(outer == NULL ? TopMemoryContext : outer->context);
	MemoryContextReset(mine->context);
	return true;
}

/*
 * Settings that a user may have changed for sessions, and that would disturb
 * maintenance; the same as autovacuum has, and for the same reasons.
 */
static void
force_settings(void)
{
	const char *delay = GetConfigOption("autovacuum_vacuum_cost_delay", true, false);

	SetConfigOption("search_path", "", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("zero_damaged_pages", "false", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("statement_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("lock_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("idle_in_transaction_session_timeout", "0",
					PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_isolation", "read committed",
					PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_read_only", "false",
					PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_deferrable", "false",
					PGC_SUSET, PGC_S_OVERRIDE);
	if (synchronous_commit > SYNCHRONOUS_COMMIT_LOCAL_FLUSH)
		SetConfigOption("synchronous_commit", "local", PGC_SUSET, PGC_S_OVERRIDE);

	/* VACUUM at autovacuum's pace; -1 there means the setting for sessions */
	if (delay != NULL && delay[0] != '-')
		SetConfigOption("vacuum_cost_delay", delay, PGC_SUSET, PGC_S_OVERRIDE);
}

void
tsdb_worker_main(Datum main_arg)
{
	uint32		generation;
	Oid			dboid;
	TimestampTz idle_since = 0;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	/* Clients come first; on an idle core we lose nothing by that. */
	(void) setpriority(PRIO_PROCESS, 0, WORKER_NICE);

	BackgroundWorkerUnblockSignals();

	memcpy(&generation, MyBgworkerEntry->bgw_extra, sizeof(generation));
	if (!tsdb_pool_attach(DatumGetInt32(main_arg), generation, &dboid))
		proc_exit(0);

	/* before this process is in the ProcArray, so no lock is needed */
	MyProc->statusFlags |= PROC_IS_AUTOVACUUM;
	BackgroundWorkerInitializeConnectionByOid(dboid, InvalidOid, 0);
	tsdb_pool_connected();

	worker_started_at = GetCurrentTimestamp();
	force_settings();
	for (int i = 0; i < (int) lengthof(runs); i++)
		runs[i].context = AllocSetContextCreate(TopMemoryContext, "tsdb worker task",
												ALLOCSET_DEFAULT_SIZES);
	pgstat_report_activity(STATE_IDLE, NULL);

	while (!must_leave(idle_since != 0))
	{
		TimestampTz now;
		TimestampTz until;

		if (run_next_task(false))
		{
			idle_since = 0;
			wait_for(0);
			continue;
		}

		now = GetCurrentTimestamp();
		if (idle_since == 0)
			idle_since = now;
		until = TimestampTzPlusMilliseconds(idle_since, tsdb_worker_idle_timeout);
		if (now >= until)
			break;
		wait_for(TimestampDifferenceMilliseconds(now, until));
	}

	proc_exit(0);
}
