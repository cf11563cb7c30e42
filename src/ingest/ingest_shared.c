/*
 * ingest_shared.c
 *		The rings of each database, what lies in them, and who drains them.
 */
#include "postgres.h"

#include "ingest/ingest_shared.h"

#include "ingest/park.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "stats/shared_memory.h"
#include "storage/proc.h"
#include "storage/proclist.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Milliseconds that a worker has to come to life. */
#define START_TIMEOUT		10000

#define TABLE_PROBES		16

typedef struct Shared
{
	LWLock	   *lock;			/* over who has which set, and its worker's coming and going */
	ConditionVariable room;
	TsdbGatherCounts gathers;
	TsdbIngestTable tables[TSDB_INGEST_TABLES];
	uint64		slab;			/* offsets from here */
	TsdbIngestSet sets[FLEXIBLE_ARRAY_MEMBER];
} Shared;

int			tsdb_ingest_durability = TSDB_INGEST_COMMIT;
int			tsdb_ingest_full = TSDB_INGEST_FULL_WAIT;
int			tsdb_ingest_wait_timeout = TSDB_INGEST_WAIT_DEFAULT;
int			tsdb_ingest_batch = TSDB_INGEST_BATCH_DEFAULT;
int			tsdb_ingest_flush_interval = TSDB_INGEST_INTERVAL_DEFAULT;
int			tsdb_shutdown_timeout = TSDB_SHUTDOWN_TIMEOUT_DEFAULT;

static int	ingest_memory = TSDB_INGEST_MEMORY_DEFAULT;
static int	ingest_capacity = TSDB_INGEST_CAPACITY_DEFAULT;
static int	ingest_databases = TSDB_INGEST_DATABASES_DEFAULT;

static const struct config_enum_entry durabilities[] = {
	{"commit", TSDB_INGEST_COMMIT, false},
	{"async", TSDB_INGEST_ASYNC, false},
	{NULL, 0, false}
};

static const struct config_enum_entry full_choices[] = {
	{"wait", TSDB_INGEST_FULL_WAIT, false},
	{"error", TSDB_INGEST_FULL_ERROR, false},
	{"direct", TSDB_INGEST_FULL_DIRECT, false},
	{NULL, 0, false}
};

static Shared *shared = NULL;	/* NULL without preload, or with tsdb.ingest_memory = 0 */
static TsdbIngestSet *my_set = NULL;	/* that was this database's, last time */

/* ---- layout ---- */

/*
 * The slab's classes: an eighth of the memory each for the two smallest, a
 * quarter for the others.
 */
#define SLAB_CLASSES	5

static void
slab_classes(TsdbRingSlabClass *classes)
{
	static const struct
	{
		uint32		bytes;
		int			share;
	}			plan[SLAB_CLASSES] = {{512, 8}, {2048, 8}, {8192, 4}, {32768, 4}, {131072, 4}};
	Size		memory = (Size) ingest_memory * 1024;

	for (int i = 0; i < SLAB_CLASSES; i++)
	{
		classes[i].bytes = plan[i].bytes;
		classes[i].blocks = Max(memory / plan[i].share / plan[i].bytes, 1);
	}
}

static uint32
ring_capacity(void)
{
	uint32		capacity = TSDB_RING_CAPACITY_MIN;

	while (capacity < (uint32) ingest_capacity)
		capacity *= 2;
	return capacity;
}

static Size
aligned(Size bytes)
{
	return TYPEALIGN(TSDB_RING_ALIGN, bytes);
}

static Size
header_bytes(void)
{
	return aligned(add_size(offsetof(Shared, sets),
							mul_size(ingest_databases, sizeof(TsdbIngestSet))));
}

static Size
rings_bytes(void)
{
	return mul_size(ingest_databases * (TSDB_INGEST_SHARDS + 1),
					aligned(tsdb_ring_bytes(ring_capacity(), sizeof(uint64))));
}

static Size
shared_bytes(void)
{
	TsdbRingSlabClass classes[SLAB_CLASSES];

	slab_classes(classes);
	return add_size(add_size(header_bytes(), rings_bytes()),
					add_size(tsdb_ring_slab_bytes(classes, SLAB_CLASSES), TSDB_RING_ALIGN));
}

static void
shmem_request(void)
{
	RequestAddinShmemSpace(shared_bytes());
	RequestNamedLWLockTranche("tsdb_ingest", 1);
}

static void
init_shard(TsdbIngestShard *shard)
{
	pg_atomic_init_u64(&shard->batches_pushed, 0);
	pg_atomic_init_u64(&shard->rows_pushed, 0);
	pg_atomic_init_u64(&shard->rows_drained, 0);
	pg_atomic_init_u64(&shard->rows_settled, 0);
	pg_atomic_init_u64(&shard->full_waits, 0);
	pg_atomic_init_u64(&shard->handed_back, 0);
	tsdb_latency_init(&shard->batch_rows);
	tsdb_latency_init(&shard->push_us);
	tsdb_latency_init(&shard->ack_us);
}

/* The counters of a set, also of one that goes on to another database; nothing is in it. */
static void
init_set(TsdbIngestSet *set)
{
	set->pid = 0;
	set->procno = -1;
	set->attempts = 0;
	pg_atomic_init_u64(&set->bytes, 0);
	pg_atomic_init_u32(&set->crowded, 0);
	pg_atomic_init_u64(&set->flush_wanted, 0);
	pg_atomic_init_u64(&set->flush_seen, 0);
	pg_atomic_init_u64(&set->flush_done, 0);
	set->nheld = 0;
	set->held_others = false;
	pg_atomic_init_u64(&set->transactions, 0);
	pg_atomic_init_u64(&set->retries, 0);
	set->last_error_at = 0;
	set->last_error[0] = '\0';
	for (int i = 0; i < TSDB_INGEST_SHARDS; i++)
		init_shard(&set->shards[i]);
}

/* Make a ring; returns where it is, and moves on. */
static uint64
init_ring(Shared *area, char **at)
{
	uint64		offset = *at - (char *) area;

	if (tsdb_ring_init(*at, ring_capacity(), sizeof(uint64)) == NULL)
		elog(ERROR, "could not lay out the rings of tsdb");
	*at += aligned(tsdb_ring_bytes(ring_capacity(), sizeof(uint64)));
	return offset;
}

static void
init_shared(Shared *area)
{
	TsdbRingSlabClass classes[SLAB_CLASSES];
	char	   *at = (char *) area + header_bytes();

	area->lock = &GetNamedLWLockTranche("tsdb_ingest")->lock;
	ConditionVariableInit(&area->room);
	pg_atomic_init_u64(&area->gathers.fresh, 0);
	pg_atomic_init_u64(&area->gathers.reused, 0);
	for (int i = 0; i < TSDB_INGEST_TABLES; i++)
	{
		pg_atomic_init_u64(&area->tables[i].key, 0);
		pg_atomic_init_u64(&area->tables[i].rows_pushed, 0);
		pg_atomic_init_u64(&area->tables[i].rows_drained, 0);
		pg_atomic_init_u64(&area->tables[i].rows_direct, 0);
		pg_atomic_init_u64(&area->tables[i].rows_dead, 0);
		pg_atomic_init_u64(&area->tables[i].rows_discarded, 0);
	}
	for (int i = 0; i < ingest_databases; i++)
	{
		TsdbIngestSet *set = &area->sets[i];

		pg_atomic_init_u32(&set->dboid, InvalidOid);
		pg_atomic_init_u32(&set->drain, TSDB_DRAIN_STOPPED);
		pg_atomic_init_u32(&set->producers, 0);
		set->generation = 0;
		ConditionVariableInit(&set->changed);
		ConditionVariableInit(&set->flushed);
		init_set(set);
		pg_atomic_init_u32(&set->busy, 0);
		pg_atomic_init_u32(&set->commit_reserved, 0);
		set->commit_ring = init_ring(area, &at);
		for (int shard = 0; shard < TSDB_INGEST_SHARDS; shard++)
		{
			pg_atomic_init_u32(&set->shards[shard].reserved, 0);
			set->shards[shard].ring = init_ring(area, &at);
		}
	}
	slab_classes(classes);
	if (tsdb_ring_slab_init(at, classes, SLAB_CLASSES) == NULL)
		elog(ERROR, "could not lay out the slab of tsdb");
	area->slab = at - (char *) area;
}

static void
shmem_startup(void)
{
	bool		found;
	char	   *memory;

	memory = ShmemInitStruct("tsdb ingest", shared_bytes(), &found);
	shared = (Shared *) TYPEALIGN(TSDB_RING_ALIGN, memory);
	if (!found)
		init_shared(shared);
}

static void
define_settings(void)
{
	DefineCustomEnumVariable("tsdb.ingest_durability",
							 "Sets when tsdb.ingest() returns: after its rows are committed, or at once.",
							 "With async, a crash may lose what came in the last tsdb.ingest_flush_interval.",
							 &tsdb_ingest_durability, TSDB_INGEST_COMMIT, durabilities,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("tsdb.ingest_full",
							 "Sets what tsdb.ingest() does when there is no room in the ring.",
							 "Wait for tsdb.ingest_wait_timeout, raise an error, or write the rows directly.",
							 &tsdb_ingest_full, TSDB_INGEST_FULL_WAIT, full_choices,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("tsdb.ingest_wait_timeout",
							"Sets how long tsdb.ingest() waits for room in the ring, and then for its rows to be taken out.",
							"-1 waits without end.",
							&tsdb_ingest_wait_timeout, TSDB_INGEST_WAIT_DEFAULT, -1, INT_MAX,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("tsdb.ingest_batch",
							"Sets the size of a statement's rows above which they are written directly, not by the ring.",
							NULL,
							&tsdb_ingest_batch, TSDB_INGEST_BATCH_DEFAULT, 0, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("tsdb.ingest_flush_interval",
							"Sets the longest time for which rows stay in the ring that nobody waits for.",
							NULL,
							&tsdb_ingest_flush_interval, TSDB_INGEST_INTERVAL_DEFAULT, 1, 3600 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("tsdb.shutdown_timeout",
							"Sets how long a server that is shut down tries to write rows that are still in the ring.",
							"What is left then is lost, and counted in the server's log.",
							&tsdb_shutdown_timeout, TSDB_SHUTDOWN_TIMEOUT_DEFAULT, 0, 3600,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	if (!process_shared_preload_libraries_in_progress)
		return;
	DefineCustomIntVariable("tsdb.ingest_memory",
							"Sets the shared memory for rows on their way through the ring.",
							"0 makes tsdb.ingest() write rows directly.",
							&ingest_memory, TSDB_INGEST_MEMORY_DEFAULT, 0, MAX_KILOBYTES / 2,
							PGC_POSTMASTER, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("tsdb.ingest_capacity",
							"Sets the number of batches that a ring holds, rounded up to a power of two.",
							"There are 16 rings per database.",
							&ingest_capacity, TSDB_INGEST_CAPACITY_DEFAULT,
							TSDB_RING_CAPACITY_MIN, TSDB_RING_CAPACITY_MAX,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("tsdb.ingest_databases",
							"Sets the number of databases that can ingest by the ring at the same time.",
							"In others, tsdb.ingest() writes rows directly.",
							&ingest_databases, TSDB_INGEST_DATABASES_DEFAULT, 1, 1024,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
}

void
tsdb_ingest_init(void)
{
	define_settings();
	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade || ingest_memory == 0)
		return;
	ingest_memory = Max(ingest_memory, TSDB_INGEST_MEMORY_MIN);
	tsdb_shared_memory_add(shmem_request, shmem_startup);
	tsdb_park_init();
}

bool
tsdb_ingest_enabled(void)
{
	return shared != NULL;
}

/* ---- memory ---- */

TsdbRingSlab *
tsdb_ingest_slab(void)
{
	return (TsdbRingSlab *) ((char *) shared + shared->slab);
}

int
tsdb_ingest_slab_classes(void)
{
	return SLAB_CLASSES;
}

uint64
tsdb_ingest_drain_bytes(void)
{
	return (uint64) ingest_memory * 1024 / 4;
}

uint64
tsdb_ingest_statement_bytes(void)
{
	/* a class has an eighth of the memory, and a block may be a quarter full */
	return (uint64) ingest_memory * 1024 / 16;
}

uint32
tsdb_ingest_block_bytes_max(void)
{
	TsdbRingSlabClass classes[SLAB_CLASSES];

	slab_classes(classes);
	return classes[SLAB_CLASSES - 1].bytes;
}

TsdbIngestBlock *
tsdb_ingest_block(uint64 block)
{
	return tsdb_ring_slab_memory(tsdb_ingest_slab(), block);
}

TsdbRing *
tsdb_ingest_ring(const TsdbIngestShard *shard)
{
	return (TsdbRing *) ((char *) shared + shard->ring);
}

TsdbRing *
tsdb_ingest_commit_ring(const TsdbIngestSet *set)
{
	return (TsdbRing *) ((char *) shared + set->commit_ring);
}

void
tsdb_ingest_count_settled(TsdbIngestSet *set, uint64 first, bool drained)
{
	for (uint64 block = first; block != 0; block = tsdb_ingest_block(block)->next)
	{
		TsdbIngestBlock *memory = tsdb_ingest_block(block);
		TsdbIngestShard *shard = &set->shards[memory->shard];
		TsdbRowBlock *rows = tsdb_ingest_rows(memory);
		TsdbIngestTable *table = tsdb_ingest_table(rows->relid);

		pg_atomic_fetch_add_u64(drained ? &shard->rows_drained : &shard->handed_back, rows->rows);
		if (drained && table != NULL)
			pg_atomic_fetch_add_u64(&table->rows_drained, rows->rows);
	}
}

/* Give back the blocks of a statement. */
static void
free_blocks(TsdbIngestSet *set, uint64 first, bool in_shards)
{
	for (uint64 block = first; block != 0;)
	{
		TsdbIngestBlock *memory = tsdb_ingest_block(block);
		uint64		next = memory->next;
		TsdbIngestShard *shard = &set->shards[memory->shard];

		pg_atomic_fetch_add_u64(&shard->rows_settled, tsdb_ingest_rows(memory)->rows);
		if (in_shards)
			pg_atomic_fetch_sub_u32(&shard->reserved, 1);
		tsdb_ring_slab_give(tsdb_ingest_slab(), block);
		block = next;
	}
}

/* Tell who waits for room that there is more; most often nobody does, which is seen without the variable's lock. */
static void
tell_of_room(void)
{
	pg_memory_barrier();
	if (!proclist_is_empty(&shared->room.wakeup))
		ConditionVariableBroadcast(&shared->room);
}

void
tsdb_ingest_free(TsdbIngestSet *set, uint64 first)
{
	free_blocks(set, first, true);
	tell_of_room();
}

void
tsdb_ingest_free_statement(TsdbIngestSet *set, uint64 first)
{
	free_blocks(set, first, false);
	pg_atomic_fetch_sub_u32(&set->commit_reserved, 1);
	tell_of_room();
}

void
tsdb_ingest_prepare_wait_for_room(void)
{
	ConditionVariablePrepareToSleep(&shared->room);
}

bool
tsdb_ingest_wait_for_room(long ms)
{
	return !ConditionVariableTimedSleep(&shared->room, ms, PG_WAIT_EXTENSION);
}

/* ---- sets ---- */

int
tsdb_ingest_sets(void)
{
	return shared != NULL ? ingest_databases : 0;
}

TsdbIngestSet *
tsdb_ingest_set(int number)
{
	return &shared->sets[number];
}

LWLock *
tsdb_ingest_lock(void)
{
	return shared->lock;
}

TsdbIngestSet *
tsdb_ingest_set_of_database(void)
{
	if (shared == NULL)
		return NULL;
	if (my_set != NULL && pg_atomic_read_u32(&my_set->dboid) == MyDatabaseId)
		return my_set;
	for (int i = 0; i < ingest_databases; i++)
	{
		if (pg_atomic_read_u32(&shared->sets[i].dboid) == MyDatabaseId)
			return my_set = &shared->sets[i];
	}
	return NULL;
}

/* Has a set nothing in it, and nobody at work? */
static bool
is_idle(TsdbIngestSet *set)
{
	if (pg_atomic_read_u32(&set->drain) != TSDB_DRAIN_STOPPED ||
		pg_atomic_read_u32(&set->producers) != 0 ||
		pg_atomic_read_u32(&set->commit_reserved) != 0 ||
		pg_atomic_read_u32(&set->busy) != 0)
		return false;
	for (int i = 0; i < TSDB_INGEST_SHARDS; i++)
	{
		if (pg_atomic_read_u32(&set->shards[i].reserved) != 0)
			return false;
	}
	return true;
}

/*
 * Make a set ours that was another database's.  A client of that one may be coming to it just now: it says so
 * in what is_idle() looks at, then looks whose the set is.  So we say first, then look.
 */
static bool
take_set(TsdbIngestSet *set, Oid owner)
{
	(void) pg_atomic_exchange_u32(&set->dboid, MyDatabaseId);
	if (!is_idle(set))
	{
		pg_atomic_write_u32(&set->dboid, owner);
		return false;
	}
	init_set(set);
	return true;
}

/* The set of this database, made of one that nobody has or needs.  Under the lock. */
static TsdbIngestSet *
claim_set(void)
{
	TsdbIngestSet *set = tsdb_ingest_set_of_database();

	for (int want_free = 1; set == NULL && want_free >= 0; want_free--)
	{
		for (int i = 0; i < ingest_databases && set == NULL; i++)
		{
			TsdbIngestSet *other = &shared->sets[i];
			uint32		owner = pg_atomic_read_u32(&other->dboid);

			if (want_free ? owner == InvalidOid : is_idle(other))
				set = take_set(other, owner) ? other : NULL;
		}
	}
	return my_set = set;
}

/* Registers a worker for the set.  Under the lock. */
static bool
start_worker(TsdbIngestSet *set)
{
	BackgroundWorker worker = {0};
	BackgroundWorkerHandle *handle;

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 1;	/* should it fail with rows in hand */
	worker.bgw_main_arg = Int32GetDatum(set - shared->sets);
	set->generation++;
	memcpy(worker.bgw_extra, &set->generation, sizeof(set->generation));
	strlcpy(worker.bgw_library_name, "tsdb", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "tsdb_drain_main", BGW_MAXLEN);
	snprintf(worker.bgw_name, BGW_MAXLEN, "tsdb ingest for database %u", MyDatabaseId);
	strlcpy(worker.bgw_type, "tsdb ingest", BGW_MAXLEN);
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		return false;
	pfree(handle);
	set->attempts = 0;
	set->starting_since = GetCurrentTimestamp();
	pg_atomic_write_u32(&set->drain, TSDB_DRAIN_STARTING);
	return true;
}

TsdbIngestSet *
tsdb_ingest_claim_set(void)
{
	TsdbIngestSet *set = tsdb_ingest_set_of_database();

	if (set == NULL && shared != NULL)
	{
		LWLockAcquire(shared->lock, LW_EXCLUSIVE);
		set = claim_set();
		LWLockRelease(shared->lock);
	}
	return set;
}

TsdbIngestSet *
tsdb_ingest_set_with_worker(void)
{
	TsdbIngestSet *set = tsdb_ingest_set_of_database();
	TimestampTz begin;

	if (shared == NULL)
		return NULL;
	if (set != NULL && pg_atomic_read_u32(&set->drain) == TSDB_DRAIN_RUNNING)
		return set;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	set = claim_set();
	if (set != NULL)
	{
		uint32		drain = pg_atomic_read_u32(&set->drain);

		if (drain == TSDB_DRAIN_STARTING &&
			TimestampDifferenceExceeds(set->starting_since, GetCurrentTimestamp(), START_TIMEOUT))
			drain = TSDB_DRAIN_STOPPED; /* it never came, and is turned away if it does now */
		if (drain == TSDB_DRAIN_STOPPED && !start_worker(set))
			set = NULL;
	}
	LWLockRelease(shared->lock);
	if (set == NULL)
		return NULL;

	begin = GetCurrentTimestamp();
	ConditionVariablePrepareToSleep(&set->changed);
	for (;;)
	{
		uint32		drain = pg_atomic_read_u32(&set->drain);

		if (drain == TSDB_DRAIN_RUNNING || drain == TSDB_DRAIN_STOPPED ||
			drain == TSDB_DRAIN_CLOSING ||
			TimestampDifferenceExceeds(begin, GetCurrentTimestamp(), START_TIMEOUT))
			break;
		(void) ConditionVariableTimedSleep(&set->changed, 100, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
	return pg_atomic_read_u32(&set->dboid) == MyDatabaseId &&
		pg_atomic_read_u32(&set->drain) == TSDB_DRAIN_RUNNING ? set : NULL;
}

bool
tsdb_ingest_enter(TsdbIngestSet *set, bool needs_worker)
{
	/* a full barrier, as the worker has one between what it says and what it reads */
	pg_atomic_fetch_add_u32(&set->producers, 1);
	if ((!needs_worker || pg_atomic_read_u32(&set->drain) == TSDB_DRAIN_RUNNING) &&
		pg_atomic_read_u32(&set->dboid) == MyDatabaseId)
		return true;
	pg_atomic_fetch_sub_u32(&set->producers, 1);
	return false;
}

void
tsdb_ingest_leave(TsdbIngestSet *set)
{
	pg_atomic_fetch_sub_u32(&set->producers, 1);
}

void
tsdb_ingest_wake(TsdbIngestSet *set)
{
	int			procno = set->procno;

	if (procno >= 0)
		SetLatch(&ProcGlobal->allProcs[procno].procLatch);
}

/* ---- counters ---- */

TsdbGatherCounts *
tsdb_ingest_gather_counts(void)
{
	return &shared->gathers;
}

TsdbIngestTable *
tsdb_ingest_table(Oid relid)
{
	uint64		key = (uint64) MyDatabaseId << 32 | relid;
	uint32		at = (uint32) (key * UINT64CONST(0x9E3779B97F4A7C15) >> 32);

	if (shared == NULL)
		return NULL;
	for (int i = 0; i < TABLE_PROBES; i++)
	{
		TsdbIngestTable *table = &shared->tables[(at + i) % TSDB_INGEST_TABLES];
		uint64		found = pg_atomic_read_u64(&table->key);

		if (found == 0 && pg_atomic_compare_exchange_u64(&table->key, &found, key))
			return table;
		if (found == key)
			return table;
	}
	return NULL;
}

TsdbIngestTable *
tsdb_ingest_table_number(int number)
{
	return &shared->tables[number];
}
