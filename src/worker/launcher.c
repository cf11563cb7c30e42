/*
 * launcher.c
 *		The background process that starts workers when there is work.
 *
 * There is one launcher per server.  It is connected to no database and sees
 * the shared catalogs only.  It sleeps on its latch until a task is due at once, a worker
 * ends, or the time at which the next task will be due; with none it
 * sleeps without a timeout, so an idle server pays nothing.
 *
 * Each time it wakes it surveys what is due and shares the free slots of the
 * pool out: one to each database in turn, those with the fewest workers first
 * and among them the one whose first task comes first in the order of all.  If a database gets none, the
 * others' workers are told to leave at the end of their time slice.
 *
 * A database that somebody wants for himself, or that does not allow
 * connections, is not entered.  That is checked here, as a worker that fails to
 * connect leaves a FATAL error in the server's log.  The check can be overtaken,
 * and then there is such an error and the database is put off for a while.
 *
 * The launcher never waits for a lock but on pg_database, and never for a
 * worker.  If it dies, the server starts it again after 10 seconds, and all
 * that it has to know is in shared memory.
 *
 * Workers come from max_worker_processes (8), from which parallel queries live too, and are started for as many
 * tasks only as are due.  A default of four, which together use no more than one processor
 * (tsdb.compact_duty) and serve four databases at a time, leaves two when all of them run, beside this process and
 * the server's for logical replication: one parallel query, or two databases' rings.  They are back a few
 * seconds later (tsdb.worker_idle_timeout).  Who finds none left goes on without: queries with fewer processes, tsdb.ingest() by
 * writing its rows at once, loads by making their relations themselves.
 */
#include "postgres.h"

#include <limits.h>

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/sinval.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/table_cold.h"
#include "worker/launcher.h"
#include "worker/pool.h"
#include "worker/schedule.h"
#include "worker/task_compact.h"
#include "worker/worker.h"

#define LIBRARY_NAME "tsdb"

/* seconds until the server starts a launcher again that died */
#define LAUNCHER_RESTART_TIME 10

/* waits before another try, milliseconds */
#define DATABASE_WANTED_WAIT 1000
#define NO_PROCESS_WAIT 10000

/* A database with due work, and what the pool does for it. */
typedef struct Candidate
{
	TsdbTaskDatabase db;
	int			workers;
	int			idle;			/* workers that may take a task now */
	int			wanted;			/* such workers */
} Candidate;

/* workers that this launcher has started and not seen end, by slot */
static struct
{
	BackgroundWorkerHandle *handle;
	uint32		generation;
}			started[TSDB_WORKERS_MAX];

/* what others have asked to be called in each round */
static TsdbLauncherRound rounds[TSDB_LAUNCHER_ROUNDS_MAX];
static int	round_count = 0;

/* the databases that can be entered, as of now */
typedef struct DatabaseInfo
{
	Oid			dboid;
	bool		is_template;
} DatabaseInfo;

void
tsdb_launcher_add_round(TsdbLauncherRound round)
{
	if (round_count == TSDB_LAUNCHER_ROUNDS_MAX)
		elog(ERROR, "too many rounds of the tsdb launcher");
	rounds[round_count++] = round;
}

/* Lists the databases that allow connections, in the current context. */
static List *
list_databases(void)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *databases = NIL;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());

	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext oldcontext;
		DatabaseInfo *info;

		if (!form->datallowconn || database_is_invalid_form(form))
			continue;
		oldcontext = MemoryContextSwitchTo(context);
		info = palloc(sizeof(DatabaseInfo));
		info->dboid = form->oid;
		info->is_template = form->datistemplate;
		databases = lappend(databases, info);
		MemoryContextSwitchTo(oldcontext);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);

	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	return databases;
}

static bool
database_listed(List *databases, Oid dboid)
{
	ListCell   *lc;

	foreach(lc, databases)
	{
		if (((DatabaseInfo *) lfirst(lc))->dboid == dboid)
			return true;
	}
	return false;
}

/*
 * Has each database looked at for work, but templates, which nobody fills.  If
 * there is no room for that, the launcher tries again when it wakes next.
 */
static void
scan_all_databases(void)
{
	List	   *databases = list_databases();
	ListCell   *lc;

	foreach(lc, databases)
	{
		DatabaseInfo *info = lfirst(lc);

		if (info->is_template)
			continue;
		if (!tsdb_schedule_scan_database(info->dboid))
		{
			tsdb_schedule_scan_everything();
			break;
		}
	}
}

/* Gives back the slots of workers that ended before they came to life. */
static void
reap_workers(void)
{
	for (int slot = 0; slot < TSDB_WORKERS_MAX; slot++)
	{
		pid_t		pid;

		if (started[slot].handle == NULL ||
			GetBackgroundWorkerPid(started[slot].handle, &pid) != BGWH_STOPPED)
			continue;
		tsdb_pool_cancel(slot, started[slot].generation);
		pfree(started[slot].handle);
		started[slot].handle = NULL;
	}
}

/* Starts a worker in a slot.  Returns false if the server has no process left. */
static bool
start_worker(int slot, uint32 generation, Oid dboid)
{
	BackgroundWorker worker = {0};
	BackgroundWorkerHandle *handle;
	MemoryContext oldcontext;
	bool		registered;

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	snprintf(worker.bgw_name, BGW_MAXLEN, "tsdb worker for database %u", dboid);
	strlcpy(worker.bgw_type, "tsdb worker", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, LIBRARY_NAME, BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "tsdb_worker_main", BGW_MAXLEN);
	worker.bgw_main_arg = Int32GetDatum(slot);
	memcpy(worker.bgw_extra, &generation, sizeof(generation));
	worker.bgw_notify_pid = MyProcPid;

	/* the slot was free, so the worker that had it before is on its way out */
	if (started[slot].handle != NULL)
		pfree(started[slot].handle);

	oldcontext = MemoryContextSwitchTo(TopMemoryContext);
	registered = RegisterDynamicBackgroundWorker(&worker, &handle);
	MemoryContextSwitchTo(oldcontext);

	started[slot].handle = registered ? handle : NULL;
	started[slot].generation = generation;
	return registered;
}

static int
compare_candidates(const void *a, const void *b)
{
	const Candidate *x = a;
	const Candidate *y = b;

	if (x->workers != y->workers)
		return x->workers < y->workers ? -1 : 1;
	if (x->db.order != y->db.order)
		return x->db.order < y->db.order ? -1 : 1;
	return 0;
}

/*
 * Sees to it that all due work has a worker, as far as the pool goes.  Returns
 * when to look again if nothing happens before; DT_NOEND for never.
 */
static TimestampTz
share_out_workers(void)
{
	static bool starving = false;
	static bool complained = false;
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz wake;
	TsdbTaskDatabase *due;
	Candidate  *candidates;
	List	   *databases = NIL;
	int			n_due;
	int			n = 0;
	bool		want_slot = false;
	bool		again = false;

	due = palloc(sizeof(TsdbTaskDatabase) * TSDB_TASKS_MAX);
	n_due = tsdb_schedule_survey(due, now, &wake);
	candidates = palloc(sizeof(Candidate) * Max(n_due, 1));

	for (int i = 0; i < n_due; i++)
	{
		Candidate  *candidate = &candidates[n];
		int			sleeping;

		candidate->db = due[i];
		tsdb_pool_count(due[i].dboid, &candidate->workers, &candidate->idle, &sleeping);
		candidate->wanted = due[i].tasks + (due[i].short_tasks && sleeping == 0 ? 1 : 0);
		if (candidate->idle > 0 || (due[i].short_tasks && sleeping > 0))
			tsdb_pool_wake(due[i].dboid, due[i].short_tasks);
		if (candidate->idle >= candidate->wanted)
			continue;

		if (databases == NIL)
			databases = list_databases();
		if (!database_listed(databases, due[i].dboid))
			tsdb_schedule_forget_database(due[i].dboid);
		else if (!tsdb_worker_database_free(due[i].dboid))
		{
			tsdb_schedule_postpone_database(due[i].dboid, DATABASE_WANTED_WAIT);
			again = true;
		}
		else
			n++;
	}

	while (n > 0)
	{
		Candidate  *candidate = &candidates[0];
		uint32		generation;
		int			slot;

		qsort(candidates, n, sizeof(Candidate), compare_candidates);
		slot = tsdb_pool_reserve(candidate->db.dboid, &generation);
		if (slot < 0)
		{
			want_slot = candidate->workers == 0;
			break;
		}
		if (!start_worker(slot, generation, candidate->db.dboid))
		{
			tsdb_pool_cancel(slot, generation);
			if (!complained)
				ereport(LOG,
						(errmsg("could not start a background worker"),
						 errhint("You might need to increase max_worker_processes.")));
			complained = true;
			wake = Min(wake, TimestampTzPlusMilliseconds(now, NO_PROCESS_WAIT));
			break;
		}
		complained = false;
		candidate->workers++;
		if (++candidate->idle >= candidate->wanted)
			candidates[0] = candidates[--n];
	}

	if (want_slot != starving)
		tsdb_pool_set_starving(want_slot);
	starving = want_slot;

	if (again)
		wake = Min(wake, TimestampTzPlusMilliseconds(now, DATABASE_WANTED_WAIT));
	return wake;
}

void
tsdb_launcher_main(Datum main_arg)
{
	MemoryContext loop_context;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();

	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	tsdb_pool_reset_starting();
	tsdb_pool_set_starving(false);
	tsdb_schedule_attach_launcher();
	tsdb_schedule_read_settings();

	loop_context = AllocSetContextCreate(TopMemoryContext, "tsdb launcher loop",
										 ALLOCSET_DEFAULT_SIZES);

	/* any status but 0 lets the server start it again, unless it is stopping */
	while (!ShutdownRequestPending)
	{
		TimestampTz wake = DT_NOEND;
		TimestampTz round_wake = DT_NOEND;
		long		timeout = -1;

		MemoryContextReset(loop_context);
		MemoryContextSwitchTo(loop_context);

		reap_workers();
		for (int i = 0; i < round_count; i++)
			rounds[i] (GetCurrentTimestamp(), &round_wake);
		if (tsdb_workers == 0)
			tsdb_schedule_rest();
		else
		{
			if (tsdb_schedule_scan_wanted())
				scan_all_databases();
			wake = share_out_workers();
		}
		wake = Min(wake, round_wake);

		if (wake != DT_NOEND)
			timeout = Min(TimestampDifferenceMilliseconds(GetCurrentTimestamp(), wake),
						  INT_MAX);
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH |
						 (timeout >= 0 ? WL_TIMEOUT : 0),
						 timeout, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);

		QueryCancelPending = false;
		CHECK_FOR_INTERRUPTS();
		ProcessCatchupInterrupt();
		if (ConfigReloadPending)
		{
			int			cold_age = tsdb_cold_age;

			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			tsdb_schedule_read_settings();
			if (tsdb_cold_age != cold_age)
				tsdb_schedule_scan_everything();
		}
	}
	proc_exit(1);
}

static void
define_settings(void)
{
	DefineCustomIntVariable("tsdb.workers",
							"Sets the maximum number of background workers, for compaction and prefetch.",
							"They are started when there is work, in any database, and taken from max_worker_processes. Zero disables background work.",
							&tsdb_workers,
							TSDB_WORKERS_DEFAULT, TSDB_WORKERS_MIN, TSDB_WORKERS_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("tsdb.compact_rows",
							"Sets the number of rows in a table's row store that makes it due for compaction.",
							NULL,
							&tsdb_compact_rows,
							TSDB_COMPACT_ROWS_DEFAULT, TSDB_COMPACT_ROWS_MIN, TSDB_COMPACT_ROWS_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("tsdb.compact_age",
							"Sets the time after which fewer rows than tsdb.compact_rows are compacted too.",
							"A restarted server looks for rows to compact after the same time.",
							&tsdb_compact_age,
							TSDB_COMPACT_AGE_DEFAULT, TSDB_COMPACT_AGE_MIN, TSDB_COMPACT_AGE_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("tsdb.compact_batch_rows",
							"Sets the number of rows that a background worker compacts in one transaction.",
							"More rows give longer runs of each series and so smaller chunks; fewer rows give shorter locks and less memory.",
							&tsdb_compact_batch_rows,
							TSDB_COMPACT_BATCH_ROWS_DEFAULT, TSDB_COMPACT_BATCH_ROWS_MIN,
							TSDB_COMPACT_BATCH_ROWS_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("tsdb.compact_duty",
							"Sets the percentage of time for which a background worker works; it sleeps for the rest.",
							NULL,
							&tsdb_compact_duty,
							TSDB_COMPACT_DUTY_DEFAULT, TSDB_COMPACT_DUTY_MIN, TSDB_COMPACT_DUTY_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("tsdb.cold_age",
							"Sets the age of a chunk's newest row at which compaction packs it tighter, at level cold.",
							"Such chunks take longer to decode. -1 leaves all chunks as they are, 0 packs all. WITH (tsdb.cold_age = ...) states it for one table.",
							&tsdb_cold_age,
							TSDB_COLD_AGE_DEFAULT, TSDB_COLD_AGE_MIN, TSDB_COLD_AGE_MAX,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("tsdb.worker_idle_timeout",
							"Sets the time after which a background worker with nothing to do exits.",
							NULL,
							&tsdb_worker_idle_timeout,
							TSDB_WORKER_IDLE_TIMEOUT_DEFAULT, TSDB_WORKER_IDLE_TIMEOUT_MIN,
							TSDB_WORKER_IDLE_TIMEOUT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
}

void
tsdb_worker_init(void)
{
	BackgroundWorker launcher = {0};

	define_settings();
	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;

	tsdb_schedule_init();
	tsdb_pool_init();

	launcher.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	launcher.bgw_start_time = BgWorkerStart_RecoveryFinished;
	launcher.bgw_restart_time = LAUNCHER_RESTART_TIME;
	strlcpy(launcher.bgw_name, "tsdb launcher", BGW_MAXLEN);
	strlcpy(launcher.bgw_type, "tsdb launcher", BGW_MAXLEN);
	strlcpy(launcher.bgw_library_name, LIBRARY_NAME, BGW_MAXLEN);
	strlcpy(launcher.bgw_function_name, "tsdb_launcher_main", BGW_MAXLEN);
	RegisterBackgroundWorker(&launcher);
}
