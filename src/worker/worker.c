/*
 * worker.c
 *		A background worker: compacts the due tables of one database.
 *
 * A worker claims a table that is due, compacts it in batches, each in a
 * transaction of its own, vacuums its row store, and claims the next.  A table
 * that takes longer than a time slice goes to the end of the queue.  With
 * nothing to do for tsdb.worker_idle_timeout the worker goes.
 *
 * Rate.  After each batch the worker sleeps in proportion to the time that the
 * batch took, so that it is busy for tsdb.compact_duty percent of the time at
 * most.  A share of time and not rows per second: a row costs anything between
 * a microsecond and a millisecond, and a slow disk makes a batch long and so the
 * pause long, which is what its other users want.  Not nice(2): a process that
 * the kernel deprives of the processor while it holds a buffer or the WAL
 * insertion lock stalls everybody.  It sleeps between transactions only, so
 * without locks and without a snapshot that would hold VACUUM back.
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
 * Errors.  Those of one table are reported, remembered for tsdb.stat_workers,
 * and put that table off for 10 seconds, doubling up to an hour; the next
 * table is served at once.
 *
 * VACUUM.  Each row that moves leaves a dead tuple and a dead index entry.
 * Waiting for autovacuum means to read a row store that is mostly dead, since
 * it counts a fifth of the whole table, chunks included.  But to clean the
 * indexes is to read them whole.  So: when tsdb.compact_rows were moved, VACUUM
 * without its index pass, which frees the tuples but for their line pointers,
 * of which a page has room for some generations; and when a tenth of the table
 * has moved, or when there is no index, an ordinary one.  Merges leave dead
 * chunks, so their rows count as moved ones do.
 */
#include "postgres.h"

#include <sys/resource.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_node.h"
#include "pgstat.h"
#include "portability/instr_time.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/sinval.h"
#include "storage/smgr.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "stats/progress.h"
#include "store/table_cold.h"
#include "worker/compact.h"
#include "worker/pool.h"
#include "worker/schedule.h"
#include "worker/worker.h"

#define EXTENSION_NAME "tsdb"
#define ACCESS_METHOD_NAME "tsdb"

/*
 * How long a worker may stay in a database while others wait for one, and how
 * long it works on a table while others are due; milliseconds.
 */
#define TIME_SLICE 10000

/* how often a waiting worker looks whether it has to leave, milliseconds */
#define LOOK_INTERVAL 500

/* the longest pause after one batch, milliseconds */
#define NAP_MAX 60000

/* what a page of a row store may hold, when only its size is known */
#define ROWS_PER_PAGE_GUESS 64

/* how often it looks at a table for chunks that have come of age, at most, milliseconds */
#define COLD_LOOK_MIN 1000

/* rows moved, as a fraction of the table, after which its indexes are cleaned */
#define INDEX_VACUUM_FRACTION 0.1

/* compactions of one table in a row, each followed by VACUUM */
#define ROUNDS_MAX 8

#define WORKER_NICE		10		/* priority value of a worker's process */

int			tsdb_compact_batch_rows = TSDB_COMPACT_BATCH_ROWS_DEFAULT;
int			tsdb_compact_duty = TSDB_COMPACT_DUTY_DEFAULT;
int			tsdb_worker_idle_timeout = TSDB_WORKER_IDLE_TIMEOUT_DEFAULT;

/* what is being done; static, as it must be known after an error */
static TsdbWorkTask task;
static int64 task_rows_moved;
static int64 task_rows_kept;
static char task_name[NAMEDATALEN * 2 + 1];

/* reset after each task */
static MemoryContext task_context;

/* when this worker came to its database, and when it turned to the task */
static TimestampTz worker_started_at;
static TimestampTz task_started_at;

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

/* Sleeps after work that took some time.  Returns false if it is to leave. */
static bool
nap_after(double work_ms)
{
	double		ms = work_ms * (100 - tsdb_compact_duty) / tsdb_compact_duty;
	TimestampTz until;
	bool		leave;

	if (ms > NAP_MAX)
		ms = NAP_MAX;
	until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), (int64) ms);

	tsdb_pool_set_state(TSDB_WORKER_SLEEPING, task.relid);
	tsdb_progress_phase(TSDB_PROGRESS_SLEEPING);
	while (!(leave = must_leave(false)))
	{
		long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);

		if (left <= 0)
			break;
		wait_for(left);
	}
	tsdb_pool_set_state(TSDB_WORKER_COMPACTING, task.relid);
	return !leave;
}

/* Says in pg_stat_activity what is being done to the task's table. */
static void
report_activity(const char *what)
{
	char		activity[sizeof(task_name) + 32];

	snprintf(activity, sizeof(activity), "tsdb: %s %s", what, task_name);
	pgstat_report_activity(STATE_RUNNING, activity);
}

static void
error_context_callback(void *arg)
{
	if (OidIsValid(task.relid))
		errcontext("background compaction of table %s", task_name);
	else
		errcontext("background search for tables to compact");
}

/* Learns the table's name, for messages.  In a transaction. */
static void
learn_name(void)
{
	char	   *name = get_rel_name(task.relid);
	char	   *nspname = get_namespace_name(get_rel_namespace(task.relid));

	snprintf(task_name, sizeof(task_name), "%s.%s",
			 nspname ? nspname : "?", name ? name : "?");
}

/*
 * True if the table is one that a worker can compact.  Needs a transaction, and
 * no lock, so the answer may be old when it is used.
 */
static bool
is_our_table(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	bool		ours = false;

	if (HeapTupleIsValid(tuple))
	{
		Form_pg_class class = (Form_pg_class) GETSTRUCT(tuple);

		ours = (class->relkind == RELKIND_RELATION ||
				class->relkind == RELKIND_MATVIEW) &&
			class->relpersistence != RELPERSISTENCE_TEMP &&
			class->relam == get_table_am_oid(ACCESS_METHOD_NAME, true);
		ReleaseSysCache(tuple);
	}
	return ours;
}

/*
 * Notes every table of this database whose row store is not empty, or whose chunks
 * get to be cold.
 *
 * A row store of dead tuples only is noted too; the compaction that follows
 * finds nothing, and VACUUM truncates it some day.
 */
static void
look_for_work(void)
{
	Oid			am;
	List	   *relids = NIL;
	ListCell   *lc;
	MemoryContext oldcontext;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	am = get_table_am_oid(ACCESS_METHOD_NAME, true);
	if (OidIsValid(am))
	{
		Relation	pg_class = table_open(RelationRelationId, AccessShareLock);
		SysScanDesc scan = systable_beginscan(pg_class, InvalidOid, false, NULL, 0, NULL);
		HeapTuple	tuple;

		while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		{
			Form_pg_class class = (Form_pg_class) GETSTRUCT(tuple);

			if (class->relam != am || class->relpersistence == RELPERSISTENCE_TEMP)
				continue;
			oldcontext = MemoryContextSwitchTo(task_context);
			relids = lappend_oid(relids, class->oid);
			MemoryContextSwitchTo(oldcontext);
		}
		systable_endscan(scan);
		table_close(pg_class, AccessShareLock);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();

	foreach(lc, relids)
	{
		Oid			relid = lfirst_oid(lc);
		int64		rows = 1;

		CHECK_FOR_INTERRUPTS();
		StartTransactionCommand();

		/* a table that somebody has locked is noted unseen */
		if (ConditionalLockRelationOid(relid, AccessShareLock))
		{
			Relation	rel = is_our_table(relid) ? try_relation_open(relid, NoLock) : NULL;

			rows = 0;
			if (rel != NULL)
			{
				/* not the table's size, which may count more than this fork */
				rows = (int64) smgrnblocks(RelationGetSmgr(rel), MAIN_FORKNUM) *
					ROWS_PER_PAGE_GUESS;
				if (rows == 0 && tsdb_table_cold_age(rel) != TSDB_COLD_AGE_NEVER)
					rows = 1;
				relation_close(rel, NoLock);
			}
			UnlockRelationOid(relid, AccessShareLock);
		}
		CommitTransactionCommand();

		tsdb_work_note(MyDatabaseId, relid, rows);
	}
}

/*
 * VACUUMs the table if enough rows have left their place, or if it must.  Returns
 * true if it did.
 *
 * Through ExecVacuum, whose parameters are the same in all versions.
 */
static bool
vacuum_if_needed(bool must)
{
	VacuumStmt *stmt;
	MemoryContext oldcontext;
	HeapTuple	tuple;
	bool		skip_indexes = false;
	double		reltuples = 0;

	if (task.unvacuumed < tsdb_compact_rows && !must)
		return false;

	StartTransactionCommand();
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(task.relid));
	if (!HeapTupleIsValid(tuple))
	{
		CommitTransactionCommand();
		return false;
	}
	if (((Form_pg_class) GETSTRUCT(tuple))->relhasindex)
	{
		skip_indexes = true;
		reltuples = ((Form_pg_class) GETSTRUCT(tuple))->reltuples;
	}
	ReleaseSysCache(tuple);
	if (task.unindexed >= reltuples * INDEX_VACUUM_FRACTION)
		skip_indexes = false;

	report_activity("vacuum");
	tsdb_pool_set_state(TSDB_WORKER_VACUUMING, task.relid);
	tsdb_progress_phase(TSDB_PROGRESS_VACUUMING);

	/* must outlive the transactions that VACUUM ends */
	oldcontext = MemoryContextSwitchTo(task_context);
	stmt = makeNode(VacuumStmt);
	stmt->is_vacuumcmd = true;
	stmt->rels = list_make1(makeVacuumRelation(NULL, task.relid, NIL));
	stmt->options = list_make2(makeDefElem("skip_locked", NULL, -1),
							   makeDefElem("parallel", (Node *) makeInteger(0), -1));
	if (skip_indexes)
		stmt->options = lappend(stmt->options,
								makeDefElem("index_cleanup", (Node *) makeString("off"), -1));
	ExecVacuum(make_parsestate(NULL), stmt, true);
	MemoryContextSwitchTo(oldcontext);

	CommitTransactionCommand();
	pgstat_report_stat(false);

	task.unvacuumed = 0;
	if (!skip_indexes)
		task.unindexed = 0;
	tsdb_pool_count_vacuum();
	tsdb_pool_set_state(TSDB_WORKER_COMPACTING, task.relid);
	return true;
}

/* Comes back to the task's table at a time, DT_NOEND for none, but not too soon. */
static void
look_again_at(TimestampTz at)
{
	task.look_at = Max(at, TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													   Max(tsdb_compact_age, COLD_LOOK_MIN)));
}

/*
 * Compacts the task's table until nothing is left, or somebody else's turn is.
 * Sets *rows_merged and *bytes_moved.
 */
static TsdbWorkOutcome
compact_until_done(int64 *rows_merged, int64 *bytes_moved)
{
	TsdbCompactOptions options = {
		.max_rows = tsdb_compact_batch_rows,
		.merge = true,
		.nowait = true,
		.background = true,
	};

	for (;;)
	{
		TsdbCompactResult result = {0};
		instr_time	start,
					duration;
		bool		stay;

		INSTR_TIME_SET_CURRENT(start);
		SetCurrentStatementStartTimestamp();	/* from it comes the age of chunks */
		StartTransactionCommand();
		if (!is_our_table(task.relid))
		{
			CommitTransactionCommand();
			return TSDB_WORK_GONE;
		}
		learn_name();
		report_activity("compact");
		tsdb_compact_relation(task.relid, &options, &result);
		CommitTransactionCommand();
		options.first_block = result.next_block;
		pgstat_report_stat(false);

		task_rows_moved += result.rows_moved;
		task_rows_kept = result.rows_kept;
		task.unvacuumed += result.rows_moved + result.rows_merged;
		task.unindexed += result.rows_moved + result.rows_merged;
		*rows_merged += result.rows_merged;
		*bytes_moved += result.bytes_moved;
		tsdb_pool_count_batch(result.rows_moved);

		INSTR_TIME_SET_CURRENT(duration);
		INSTR_TIME_SUBTRACT(duration, start);

		if (!result.done && result.rows_moved == 0 && result.chunks_written == 0 &&
			result.chunks_merged == 0 && result.bytes_moved == 0)
			return TSDB_WORK_BUSY;

		stay = nap_after(INSTR_TIME_GET_MILLISEC(duration));
		if (result.done)
		{
			look_again_at(result.cold_at);
			return TSDB_WORK_DONE;
		}
		if (!stay || slice_used(task_started_at))
			return TSDB_WORK_YIELDED;
	}
}

/*
 * Compacts and vacuums the task's table.  When VACUUM has freed what merges left,
 * there is room for more of them, and for chunks from the ends of shards, which
 * the next VACUUM can give back then.  If rounds do not come to an end, somebody's
 * snapshot keeps VACUUM from freeing anything: the next rows bring us back.
 */
static TsdbWorkOutcome
compact_table(void)
{
	for (int round = 1;; round++)
	{
		int64		rows_merged = 0;
		int64		bytes_moved = 0;
		TsdbWorkOutcome outcome = compact_until_done(&rows_merged, &bytes_moved);

		if (outcome != TSDB_WORK_DONE || must_leave(false) ||
			!vacuum_if_needed(bytes_moved > 0) || rows_merged == 0 || round == ROUNDS_MAX)
			return outcome;
	}
}

/* Does the task; what can go wrong goes out as an error. */
static TsdbWorkOutcome
do_task(void)
{
	TsdbWorkOutcome outcome;
	bool		exists;

	StartTransactionCommand();
	exists = OidIsValid(get_extension_oid(EXTENSION_NAME, true));
	CommitTransactionCommand();
	if (!exists)
	{
		tsdb_schedule_forget_database(MyDatabaseId);
		return TSDB_WORK_GONE;
	}

	if (!OidIsValid(task.relid))
	{
		look_for_work();
		return TSDB_WORK_DONE;
	}

	tsdb_progress_begin(task.relid);
	tsdb_progress_total(task.rows);
	outcome = compact_table();
	tsdb_progress_end();
	return outcome;
}

/* Cleans up after an error in a task, and says how it ended. */
static TsdbWorkOutcome
recover_from_error(void)
{
	ErrorData  *edata;
	bool		gave_way;

	HOLD_INTERRUPTS();

	MemoryContextSwitchTo(task_context);
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
		tsdb_pool_record_error(task.relid, edata->message);
	QueryCancelPending = false;

	RESUME_INTERRUPTS();
	return gave_way ? TSDB_WORK_BUSY : TSDB_WORK_FAILED;
}

/* Does the claimed task and ends the claim, whatever happens but FATAL. */
static void
run_task(void)
{
	volatile TsdbWorkOutcome outcome;
	ErrorContextCallback callback;
	int64		rows_left;

	task_started_at = GetCurrentTimestamp();
	task_rows_moved = 0;
	task_rows_kept = 0;
	strlcpy(task_name, "?", sizeof(task_name));
	MemoryContextSwitchTo(task_context);
	tsdb_pool_set_state(OidIsValid(task.relid) ? TSDB_WORKER_COMPACTING : TSDB_WORKER_LOOKING,
						task.relid);

	callback.callback = error_context_callback;
	callback.arg = NULL;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	PG_TRY();
	{
		outcome = do_task();
	}
	PG_CATCH();
	{
		outcome = recover_from_error();
	}
	PG_END_TRY();
	error_context_stack = callback.previous;

	if (outcome == TSDB_WORK_DONE)
		rows_left = task_rows_kept;
	else
		rows_left = Max(task.rows - task_rows_moved, 1);
	tsdb_schedule_finish(&task, outcome, task_rows_moved, rows_left);

	if (outcome == TSDB_WORK_DONE && OidIsValid(task.relid))
		tsdb_pool_count_table();
	tsdb_pool_set_state(TSDB_WORKER_IDLE, InvalidOid);
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	MemoryContextSwitchTo(TopMemoryContext);
	MemoryContextReset(task_context);
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
	task_context = AllocSetContextCreate(TopMemoryContext, "tsdb worker task",
										 ALLOCSET_DEFAULT_SIZES);

	/* VACUUM makes its own context below this one */
	PortalContext = task_context;
	pgstat_report_activity(STATE_IDLE, NULL);

	while (!must_leave(idle_since != 0))
	{
		TimestampTz next_due;
		TimestampTz now;
		TimestampTz until;

		if (tsdb_schedule_claim(MyDatabaseId, &task, &next_due))
		{
			idle_since = 0;
			run_task();
			wait_for(0);
			continue;
		}

		now = GetCurrentTimestamp();
		if (idle_since == 0)
			idle_since = now;
		until = TimestampTzPlusMilliseconds(idle_since, tsdb_worker_idle_timeout);
		if (now >= until)
			break;
		wait_for(TimestampDifferenceMilliseconds(now, Min(until, next_due)));
	}

	proc_exit(0);
}
