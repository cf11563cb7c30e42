/*
 * drain.c
 *		The background worker that empties the rings of one database.
 */
#include "postgres.h"

#include "worker/drain.h"

#include "access/xact.h"
#include "ingest/ingest_shared.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/pidfile.h"
#include "utils/timestamp.h"
#include "worker/drain_round.h"
#include "worker/worker.h"

/* How often it looks whether somebody wants its database, milliseconds. */
#define LOOK_INTERVAL		500

/* How long it tries to write what is left for somebody who wants the database, milliseconds. */
#define LEAVE_TIMEOUT		2000

/* It gives up on a database that cannot be entered after so many tries, a second apart. */
#define ATTEMPTS_MAX		5

#define DIRECTORY_LOCK_FILE "postmaster.pid"

/* Locks are waited for where the server can see who waits: not here. */
#define LOCK_TIMEOUT_MS		"100"

static TsdbIngestSet *set;
static bool finished = false;	/* nothing is left in the rings */

/* ---- coming ---- */

static void
set_state(TsdbDrainState state)
{
	LWLockAcquire(tsdb_ingest_lock(), LW_EXCLUSIVE);
	pg_atomic_write_u32(&set->drain, state);
	if (state == TSDB_DRAIN_RUNNING)
	{
		set->pid = MyProcPid;
		set->procno = MyProc->pgprocno;
		set->attempts = 0;
	}
	if (state == TSDB_DRAIN_STOPPED)
	{
		set->pid = 0;
		set->procno = -1;
	}
	LWLockRelease(tsdb_ingest_lock());
	ConditionVariableBroadcast(&set->changed);
	ConditionVariableBroadcast(&set->flushed);
}

/* No producer is in there any more, and none comes. */
static void
close_rings(void)
{
	set_state(TSDB_DRAIN_CLOSING);
	pg_memory_barrier();
	while (pg_atomic_read_u32(&set->producers) > 0)
		pg_usleep(50);
}

static void
on_exit_callback(int code, Datum arg)
{
	if (!finished)
	{
		close_rings();
		tsdb_drain_put_back();
	}
	set_state(TSDB_DRAIN_STOPPED);
}

/* Take the place that somebody made for us; false if he has given us up. */
static bool
attach(int number, int generation)
{
	bool		ours;

	set = tsdb_ingest_set(number);
	LWLockAcquire(tsdb_ingest_lock(), LW_EXCLUSIVE);
	ours = set->generation == generation &&
		pg_atomic_read_u32(&set->drain) <= TSDB_DRAIN_STARTING;
	if (ours)
	{
		pg_atomic_write_u32(&set->drain, TSDB_DRAIN_STARTING);
		set->starting_since = GetCurrentTimestamp();
		set->attempts++;
	}
	LWLockRelease(tsdb_ingest_lock());
	return ours;
}

/* Settings of users and databases that would disturb. */
static void
force_settings(void)
{
	static const char *const settings[][2] = {
		{"search_path", ""},
		{"statement_timeout", "0"},
		{"lock_timeout", LOCK_TIMEOUT_MS},
		{"idle_in_transaction_session_timeout", "0"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "false"},
		{"default_transaction_deferrable", "false"},
		{"row_security", "off"},
	};

	for (int i = 0; i < (int) lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}

/* ---- staying ---- */

static void
serve_signals(void)
{
	ResetLatch(MyLatch);
	QueryCancelPending = false; /* one that came too late */
	CHECK_FOR_INTERRUPTS();
	ProcessCatchupInterrupt();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

static void
wait_until(TimestampTz until)
{
	long		ms = until == DT_NOEND ? LOOK_INTERVAL :
		TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);

	pgstat_report_activity(STATE_IDLE, NULL);
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 Min(ms, LOOK_INTERVAL), PG_WAIT_EXTENSION);
	serve_signals();
}

/* Does somebody want the database?  Looked at now and then. */
static bool
is_wanted(void)
{
	static TimestampTz looked_at = 0;
	TimestampTz now = GetCurrentTimestamp();

	if (!TimestampDifferenceExceeds(looked_at, now, LOOK_INTERVAL))
		return false;
	looked_at = now;
	return !tsdb_worker_database_free(MyDatabaseId);
}

/* Is there something that does not wait for its time? */
static bool
is_urgent(void)
{
	return pg_atomic_read_u32(&set->crowded) != 0 ||
		pg_atomic_read_u64(&set->flush_wanted) > pg_atomic_read_u64(&set->flush_seen);
}

/* Rounds, until it is time to go. */
static void
drain(void)
{
	TimestampTz due = DT_NOEND; /* of rows that nobody waits for */
	TimestampTz retry = DT_NOEND;
	TimestampTz busy_at = GetCurrentTimestamp();

	while (!ShutdownRequestPending && !is_wanted())
	{
		TimestampTz now = GetCurrentTimestamp();

		if (pg_atomic_read_u64(&set->bytes) == 0)
			due = DT_NOEND;
		else if (due == DT_NOEND)
			due = TimestampTzPlusMilliseconds(now, tsdb_ingest_flush_interval);
		if (is_urgent() || due <= now || retry <= now)
		{
			retry = tsdb_drain_round();
			due = DT_NOEND;
			busy_at = GetCurrentTimestamp();
			pgstat_report_stat(false);
			serve_signals();
			continue;
		}
		if (due == DT_NOEND && retry == DT_NOEND)
		{
			TimestampTz until = TimestampTzPlusMilliseconds(busy_at, tsdb_worker_idle_timeout);

			if (until <= now)
				return;
			pgstat_report_stat(true);
			wait_until(until);
		}
		else
			wait_until(Min(due, retry));
	}
}

/* ---- going ---- */

/* Is the server being shut down?  The postmaster tells only pg_ctl, by a file. */
static bool
is_server_stopping(void)
{
	FILE	   *file = AllocateFile(DIRECTORY_LOCK_FILE, "r");
	char		line[MAXPGPATH];
	bool		stopping = false;

	for (int i = 1; file != NULL && fgets(line, sizeof(line), file) != NULL; i++)
	{
		if (i == LOCK_FILE_LINE_PM_STATUS)
			stopping = strncmp(line, PM_STATUS_STOPPING, strlen(PM_STATUS_STOPPING)) == 0;
	}
	if (file != NULL)
		FreeFile(file);
	return stopping;
}

/* Write what is left.  Returns the exit code: 1 if the server is to start a worker again. */
static int
drain_rest(void)
{
	const bool	stopping = is_server_stopping();
	TimestampTz until;
	uint64		lost;

	close_rings();
	until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
										stopping ? tsdb_shutdown_timeout * 1000L : LEAVE_TIMEOUT);
	for (;;)
	{
		TimestampTz retry = tsdb_drain_round();

		if (tsdb_drain_is_empty())
			break;
		if (GetCurrentTimestamp() >= until)
		{
			if (!stopping)
				return 1;
			lost = tsdb_drain_discard();
			ereport(LOG,
					(errmsg("lost %llu rows of tsdb.ingest() that could not be written before the shutdown",
							(unsigned long long) lost),
					 set->last_error[0] != '\0' ?
					 errdetail("The last error was: %s", set->last_error) : 0,
					 errhint("tsdb.shutdown_timeout says for how long it is tried.")));
			break;
		}
		if (retry > GetCurrentTimestamp())
			(void) WaitLatch(MyLatch, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 Min(TimestampDifferenceMilliseconds(GetCurrentTimestamp(), retry), 20),
							 PG_WAIT_EXTENSION);
		serve_signals();
	}
	finished = true;
	return 0;
}

void
tsdb_drain_main(Datum set_number)
{
	int			generation;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();

	memcpy(&generation, MyBgworkerEntry->bgw_extra, sizeof(generation));
	if (!attach(DatumGetInt32(set_number), generation))
		proc_exit(0);
	before_shmem_exit(on_exit_callback, (Datum) 0);
	tsdb_drain_init(set);
	if (set->attempts > ATTEMPTS_MAX)
	{
		uint64		lost = tsdb_drain_discard();

		ereport(LOG,
				(errmsg("discarded %llu rows of tsdb.ingest() of a database that cannot be entered",
						(unsigned long long) lost)));
		finished = true;
		proc_exit(0);
	}

	/* Who wants the database ends us as he ends autovacuum, by SIGTERM; no lock is needed yet. */
	MyProc->statusFlags |= PROC_IS_AUTOVACUUM;
	BackgroundWorkerInitializeConnectionByOid(pg_atomic_read_u32(&set->dboid), InvalidOid,
											  BGWORKER_BYPASS_ALLOWCONN);
	force_settings();
	set_state(TSDB_DRAIN_RUNNING);

	drain();
	proc_exit(drain_rest());
}
