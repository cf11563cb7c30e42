/*
 * schedule.c
 *		What background workers have to do, in shared memory.
 *
 * A hash table holds an entry per table that has work, with the count of rows
 * that were noted and not yet taken by a worker.  A table is due when
 * tsdb.compact_rows were noted, or when the first of fewer is older than
 * tsdb.compact_age; a back-off may put it off.  Why the two settings are what
 * they are: a compaction leaves, on average, half a chunk in every shard that
 * must be merged later, so with 16 shards 64 k rows cost about an eighth of
 * themselves again, while 64 k heap rows are still read in some ten
 * milliseconds; and after a minute of little traffic even those go.
 *
 *		rows noted 0 ──note──► pending ──rows or age──► due ──claim──► claimed
 *		     ▲                   ▲                                       │
 *		     └──── finish: all ──┴── finish: rows left, busy, failed ────┘
 *
 * A table may be due without rows, too, at a time that its last task has set
 * (look_at): when chunks will have the age for level cold.
 *
 * An entry with an invalid relid stands for its database: look for tables that
 * have rows.  That is wanted after a start of the server, since notes do not
 * survive it; with the first note of a database, which may be a copy; and when
 * the hash table had no room for a note.  It waits for tsdb.compact_age too:
 * should compaction ever take the server down, there is a minute after each
 * restart to set tsdb.workers to 0.
 *
 * Locking: one LWLock, shared->lock, never held over anything that can wait or
 * raise an error.
 *		hash table itself			look up: shared; enter, remove: exclusive
 *		entry->rows, ->noted_at		atomics: shared is enough to add a note;
 *									exclusive to take or give back
 *		all else in an entry		read: shared; write: exclusive
 *		shared->launcher, ->wake,	read: shared; write: exclusive
 *			->full
 *		shared->scan_wanted			atomic flag, no lock
 *
 * So a note costs one shared acquisition and one atomic addition.  Nothing is
 * missed: the launcher publishes until when it means to sleep (wake) under the
 * exclusive lock with which it surveyed the entries, and whoever adds rows that
 * are due before that sets its latch.
 *
 * A worker that exits for any reason gives back its claim in a shared memory
 * exit callback; one that is killed makes the server reset all shared memory.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "worker/schedule.h"

/* back-off in milliseconds, doubled with every failure in a row */
#define BUSY_BACKOFF_MIN 1000
#define BUSY_BACKOFF_MAX 60000
#define FAILED_BACKOFF_MIN 10000
#define FAILED_BACKOFF_MAX 3600000

typedef struct TsdbWorkKey
{
	Oid			dboid;
	Oid			relid;
} TsdbWorkKey;

typedef struct TsdbWorkEntry
{
	TsdbWorkKey key;
	pg_atomic_uint64 rows;		/* noted and not taken */
	pg_atomic_uint64 noted_at;	/* TimestampTz of the oldest of these */
	TimestampTz taken_at;		/* noted_at of what the claim took */
	TimestampTz not_before;
	TimestampTz look_at;		/* due then without rows; DT_NOEND: never */
	int			failures;		/* in a row, of any kind */
	bool		claimed;
	int64		unvacuumed;
	int64		unindexed;
} TsdbWorkEntry;

typedef struct TsdbSchedule
{
	LWLock	   *lock;
	pg_atomic_flag scan_wanted; /* clear: every database is to be looked at */
	Latch	   *launcher;		/* or NULL */
	TimestampTz wake;			/* the launcher wakes then without being told */
	bool		full;			/* no entry can be made until a task ends */
} TsdbSchedule;

int			tsdb_compact_rows = TSDB_COMPACT_ROWS_DEFAULT;
int			tsdb_compact_age = TSDB_COMPACT_AGE_DEFAULT;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

/* both NULL without preload */
static TsdbSchedule *shared = NULL;
static HTAB *entries = NULL;

/* in a worker: what it has claimed, and how many rows were noted of it */
static bool my_claim_valid = false;
static TsdbWorkKey my_claim;
static int64 my_claim_rows = 0;
static bool exit_callback_registered = false;

static void
schedule_shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();

	RequestAddinShmemSpace(MAXALIGN(sizeof(TsdbSchedule)));
	RequestAddinShmemSpace(hash_estimate_size(TSDB_WORK_ENTRIES_MAX,
											  sizeof(TsdbWorkEntry)));
	RequestNamedLWLockTranche("tsdb_schedule", 1);
}

static void
schedule_shmem_startup(void)
{
	HASHCTL		ctl = {0};
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("tsdb schedule", sizeof(TsdbSchedule), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(TsdbSchedule));
		shared->lock = &GetNamedLWLockTranche("tsdb_schedule")->lock;
		pg_atomic_init_flag(&shared->scan_wanted);
		shared->wake = DT_NOBEGIN;
	}

	ctl.keysize = sizeof(TsdbWorkKey);
	ctl.entrysize = sizeof(TsdbWorkEntry);
	entries = ShmemInitHash("tsdb schedule entries",
							TSDB_WORK_ENTRIES_MAX, TSDB_WORK_ENTRIES_MAX,
							&ctl, HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
	LWLockRelease(AddinShmemInitLock);
}

void
tsdb_schedule_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = schedule_shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = schedule_shmem_startup;
}

/*
 * When an entry may be claimed; DT_NOEND if nothing is known to come, or it is claimed.
 * The lock is held in either mode.
 */
static TimestampTz
entry_due_at(TsdbWorkEntry *entry)
{
	uint64		rows = pg_atomic_read_u64(&entry->rows);
	TimestampTz due = DT_NOEND;

	if (entry->claimed)
		return DT_NOEND;
	if (rows > 0)
		due = (TimestampTz) pg_atomic_read_u64(&entry->noted_at);
	if (rows > 0 && rows < (uint64) tsdb_compact_rows && OidIsValid(entry->key.relid))
		due = TimestampTzPlusMilliseconds(due, tsdb_compact_age);
	return Max(Min(due, entry->look_at), entry->not_before);
}

/* The lock is held in either mode. */
static void
wake_launcher_before(TimestampTz due)
{
	if (due <= shared->wake && shared->launcher != NULL)
		SetLatch(shared->launcher);
}

/*
 * Frees the room of an entry that holds nothing but a history, and perhaps when to look
 * at its table again, which the next note from it or a start of the server brings back.
 * Returns false if all have rows.  The lock is held exclusively.
 */
static bool
evict_entry(void)
{
	HASH_SEQ_STATUS scan;
	TsdbWorkEntry *entry;

	if (shared->full)
		return false;

	hash_seq_init(&scan, entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (!entry->claimed && pg_atomic_read_u64(&entry->rows) == 0)
		{
			hash_seq_term(&scan);
			hash_search(entries, &entry->key, HASH_REMOVE, NULL);
			return true;
		}
	}
	shared->full = true;
	return false;
}

/*
 * The entry of a key, made if there is none; NULL if there is no room.  The
 * lock is held exclusively.
 */
static TsdbWorkEntry *
enter_entry(Oid dboid, Oid relid)
{
	TsdbWorkKey key = {dboid, relid};
	TsdbWorkEntry *entry;
	bool		found;

	entry = hash_search(entries, &key, HASH_FIND, NULL);
	if (entry != NULL)
		return entry;

	if (hash_get_num_entries(entries) >= TSDB_WORK_ENTRIES_MAX && !evict_entry())
		return NULL;
	entry = hash_search(entries, &key, HASH_ENTER_NULL, &found);
	if (entry == NULL)
		return NULL;

	pg_atomic_init_u64(&entry->rows, 0);
	pg_atomic_init_u64(&entry->noted_at, 0);
	entry->taken_at = 0;
	entry->not_before = DT_NOBEGIN;
	entry->look_at = DT_NOEND;
	entry->failures = 0;
	entry->claimed = false;
	entry->unvacuumed = 0;
	entry->unindexed = 0;
	return entry;
}

/* Adds rows to an entry.  The lock is held in either mode. */
static void
add_rows(TsdbWorkEntry *entry, int64 rows)
{
	uint64		before = pg_atomic_fetch_add_u64(&entry->rows, rows);

	if (before == 0)
		pg_atomic_write_u64(&entry->noted_at, (uint64) GetCurrentTimestamp());
	if (before == 0 ||
		(before < (uint64) tsdb_compact_rows &&
		 before + rows >= (uint64) tsdb_compact_rows))
		wake_launcher_before(entry_due_at(entry));
}

/*
 * Sees to it that all tables of a database are looked at, tsdb.compact_age from
 * now.  Returns false if there is no room to remember that.  The lock is held
 * exclusively.
 */
static bool
enter_database(Oid dboid)
{
	TsdbWorkEntry *entry = enter_entry(dboid, InvalidOid);

	if (entry == NULL)
		return false;
	if (pg_atomic_read_u64(&entry->rows) == 0)
	{
		entry->not_before =
			TimestampTzPlusMilliseconds(GetCurrentTimestamp(), tsdb_compact_age);
		add_rows(entry, 1);
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
	TsdbWorkKey key = {dboid, relid};
	TsdbWorkKey database = {dboid, InvalidOid};
	TsdbWorkEntry *entry;

	if (shared == NULL || rows <= 0)
		return;

	LWLockAcquire(shared->lock, LW_SHARED);
	entry = hash_search(entries, &key, HASH_FIND, NULL);
	if (entry == NULL && !shared->full)
	{
		LWLockRelease(shared->lock);
		LWLockAcquire(shared->lock, LW_EXCLUSIVE);
		if (hash_search(entries, &database, HASH_FIND, NULL) == NULL)
			(void) enter_database(dboid);
		entry = enter_entry(dboid, relid);
	}
	if (entry != NULL)
		add_rows(entry, rows);
	LWLockRelease(shared->lock);

	if (entry == NULL && !tsdb_schedule_scan_database(dboid))
		tsdb_schedule_scan_everything();
}

/*
 * Asks for a look at all tables of a database, no sooner than tsdb.compact_age
 * from now.  Returns false if there is no room to remember that.
 */
bool
tsdb_schedule_scan_database(Oid dboid)
{
	TsdbWorkKey key = {dboid, InvalidOid};
	TsdbWorkEntry *entry;
	bool		known;
	bool		full;

	/* the usual case when there is no room: somebody has asked before */
	LWLockAcquire(shared->lock, LW_SHARED);
	entry = hash_search(entries, &key, HASH_FIND, NULL);
	known = entry != NULL && pg_atomic_read_u64(&entry->rows) > 0;
	full = entry == NULL && shared->full;
	LWLockRelease(shared->lock);
	if (known || full)
		return known;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	known = enter_database(dboid);
	LWLockRelease(shared->lock);
	return known;
}

static void
launcher_exit_callback(int code, Datum arg)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->launcher = NULL;
	LWLockRelease(shared->lock);
}

/* Makes this process the one that notes wake. */
void
tsdb_schedule_attach_launcher(void)
{
	before_shmem_exit(launcher_exit_callback, (Datum) 0);
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->launcher = &MyProc->procLatch;
	LWLockRelease(shared->lock);
}

/* Lets the launcher survey again. */
void
tsdb_schedule_wake_launcher(void)
{
	LWLockAcquire(shared->lock, LW_SHARED);
	wake_launcher_before(DT_NOBEGIN);
	LWLockRelease(shared->lock);
}

/* Asks for a look at all databases. */
void
tsdb_schedule_scan_everything(void)
{
	pg_atomic_clear_flag(&shared->scan_wanted);
}

/* True, once, if all databases are to be looked at: after a start, or if notes were lost. */
bool
tsdb_schedule_scan_wanted(void)
{
	return pg_atomic_test_set_flag(&shared->scan_wanted);
}

/*
 * Fills dbs (room for TSDB_WORK_ENTRIES_MAX) with the databases that have due
 * work and returns their number.  Sets *wake to the time of the next work that
 * is not due yet, DT_NOEND if there is none, and promises to set the
 * launcher's latch if any comes to be due before that.
 */
int
tsdb_schedule_survey(TsdbWorkDatabase *dbs, TimestampTz now, TimestampTz *wake)
{
	HASH_SEQ_STATUS scan;
	TsdbWorkEntry *entry;
	int			n = 0;

	*wake = DT_NOEND;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);

	hash_seq_init(&scan, entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		TimestampTz due = entry_due_at(entry);
		int			i;

		if (due > now)
		{
			*wake = Min(*wake, due);
			continue;
		}
		for (i = 0; i < n; i++)
		{
			if (dbs[i].dboid == entry->key.dboid)
				break;
		}
		if (i == n)
		{
			memset(&dbs[n++], 0, sizeof(TsdbWorkDatabase));
			dbs[i].dboid = entry->key.dboid;
			dbs[i].since = due;
		}
		dbs[i].due++;
		dbs[i].since = Min(dbs[i].since, due);
	}

	shared->wake = *wake;
	LWLockRelease(shared->lock);
	return n;
}

/* The launcher does not want to be told of notes until it surveys again. */
void
tsdb_schedule_rest(void)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->wake = DT_NOBEGIN;
	LWLockRelease(shared->lock);
}

/* Lets nothing of a database be due for some milliseconds. */
void
tsdb_schedule_postpone_database(Oid dboid, int ms)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);
	HASH_SEQ_STATUS scan;
	TsdbWorkEntry *entry;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	hash_seq_init(&scan, entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (entry->key.dboid == dboid)
			entry->not_before = Max(entry->not_before, until);
	}
	LWLockRelease(shared->lock);
}

/* Forgets all work of a database but what is claimed. */
void
tsdb_schedule_forget_database(Oid dboid)
{
	HASH_SEQ_STATUS scan;
	TsdbWorkEntry *entry;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	hash_seq_init(&scan, entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (entry->key.dboid != dboid || entry->claimed)
			continue;
		shared->full = false;
		(void) hash_search(entries, &entry->key, HASH_REMOVE, NULL);
	}
	LWLockRelease(shared->lock);
}

/* from, doubled n times, but no more than limit */
static int
backoff(int from, int n, int limit)
{
	int64		ms = (int64) from << Min(n, 20);

	return (int) Min(ms, limit);
}

/*
 * Ends this worker's claim.  rows_left are rows that are known to be in the
 * row store still.  The lock is held exclusively.
 */
static void
release_claim(TsdbWorkOutcome outcome, int64 rows_moved, int64 rows_left,
			  const TsdbWorkTask *task)
{
	TimestampTz now = GetCurrentTimestamp();
	TsdbWorkEntry *entry;
	int			wait = 0;

	if (!my_claim_valid)
		return;
	my_claim_valid = false;

	entry = hash_search(entries, &my_claim, HASH_FIND, NULL);
	if (entry == NULL)
		return;
	entry->claimed = false;
	shared->full = false;

	if (outcome == TSDB_WORK_GONE)
	{
		hash_search(entries, &my_claim, HASH_REMOVE, NULL);
		return;
	}
	if (task != NULL)
	{
		entry->unvacuumed = task->unvacuumed;
		entry->unindexed = task->unindexed;
	}

	switch (outcome)
	{
		case TSDB_WORK_DONE:
		case TSDB_WORK_GONE:

			/*
			 * Rows that were seen and kept (locked, too young, too large) are
			 * worth another look, less and less often if nothing comes of it.
			 */
			if (rows_left > 0 && rows_moved == 0)
				wait = backoff(Max(tsdb_compact_age, BUSY_BACKOFF_MIN),
							   entry->failures++, FAILED_BACKOFF_MAX);
			else
				entry->failures = 0;
			rows_left = Min(rows_left, tsdb_compact_rows - 1);
			entry->taken_at = now;
			if (task != NULL)
				entry->look_at = task->look_at;
			break;
		case TSDB_WORK_YIELDED:
			/* due at once, but behind all others that are */
			entry->failures = 0;
			entry->taken_at = now;
			rows_left = Max(rows_left, tsdb_compact_rows);
			break;
		case TSDB_WORK_BUSY:
			wait = backoff(BUSY_BACKOFF_MIN, entry->failures++, BUSY_BACKOFF_MAX);
			rows_left = Max(rows_left, 1);
			break;
		case TSDB_WORK_FAILED:
			wait = backoff(FAILED_BACKOFF_MIN, entry->failures++, FAILED_BACKOFF_MAX);
			rows_left = Max(rows_left, 1);
			break;
	}

	entry->not_before = wait > 0 ? TimestampTzPlusMilliseconds(now, wait) : DT_NOBEGIN;
	if (rows_left > 0)
	{
		pg_atomic_fetch_add_u64(&entry->rows, rows_left);
		pg_atomic_write_u64(&entry->noted_at, (uint64) entry->taken_at);
	}
	wake_launcher_before(entry_due_at(entry));
}

/* An ordinary exit has finished its task before; this is a FATAL one. */
static void
claim_exit_callback(int code, Datum arg)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	release_claim(TSDB_WORK_BUSY, 0, my_claim_rows, NULL);
	LWLockRelease(shared->lock);
}

/*
 * Claims what has been due for longest in a database.  Returns false if
 * nothing is due; *next_due is then when something will be, as far as is known.
 *
 * A process has one claim at most, and gives it back when it exits.
 */
bool
tsdb_schedule_claim(Oid dboid, TsdbWorkTask *task, TimestampTz *next_due)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz best_due = DT_NOEND;
	HASH_SEQ_STATUS scan;
	TsdbWorkEntry *entry;
	TsdbWorkEntry *best = NULL;
	bool		claimed = false;

	if (!exit_callback_registered)
	{
		before_shmem_exit(claim_exit_callback, (Datum) 0);
		exit_callback_registered = true;
	}

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	hash_seq_init(&scan, entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		TimestampTz due;

		if (entry->key.dboid != dboid)
			continue;
		due = entry_due_at(entry);
		if (due < best_due)
		{
			best = entry;
			best_due = due;
		}
	}

	if (best != NULL && best_due <= now)
	{
		claimed = true;
		best->claimed = true;
		best->taken_at = (TimestampTz) pg_atomic_read_u64(&best->noted_at);
		my_claim = best->key;
		my_claim_valid = true;

		task->dboid = best->key.dboid;
		task->relid = best->key.relid;
		task->rows = (int64) pg_atomic_exchange_u64(&best->rows, 0);
		task->unvacuumed = best->unvacuumed;
		task->unindexed = best->unindexed;
		task->look_at = DT_NOEND;
		my_claim_rows = task->rows;
	}
	LWLockRelease(shared->lock);

	*next_due = best_due;
	return claimed;
}

/*
 * Ends the work on a claimed task.  rows_left counts rows that stay in the row
 * store as far as is known; the task's vacuum counters are remembered.
 */
void
tsdb_schedule_finish(const TsdbWorkTask *task, TsdbWorkOutcome outcome,
					 int64 rows_moved, int64 rows_left)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	release_claim(outcome, rows_moved, rows_left, task);
	LWLockRelease(shared->lock);
}
