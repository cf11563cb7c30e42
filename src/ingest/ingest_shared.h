/*
 * ingest_shared.h
 *		The rings of each database, what lies in them, and who drains them.
 *
 * A database that ingests has a set.  Rows that nobody waits for (durability async) go to a ring for each of
 * 16 shards, which one worker drains (worker/drain.h).  A ring's item is a block of the slab, which all databases
 * share; a block holds rows of one table and one shard (ingest/row_block.h).  A statement is all blocks
 * that one transaction pushes; they are linked, and know the first of them.
 *
 * Statements whose client waits go, as one item, to a ring of their own, from which another client
 * takes them (ingest/group_commit.h).
 *
 * Room.  Before anything is pushed, a place in each ring is reserved and each block is
 * taken: all, or none are kept.  A place is free again when the statement is settled, so a push
 * never finds its ring full, and a worker that dies can put back what it has popped.
 *
 * Coming and going.  A producer counts itself in set->producers, then looks whether the
 * worker is running, and leaves if it is not.  A worker that goes says so first, then waits for the
 * producers in there (which wait for nothing), then drains what is left.  So nothing is pushed that
 * nobody drains: also at the shutdown of the server, when no worker can be started.
 *
 * Everything here but tsdb_ingest_init() is for preloaded libraries: see tsdb_ingest_enabled().
 */
#ifndef TSDB_INGEST_INGEST_SHARED_H
#define TSDB_INGEST_INGEST_SHARED_H

#include "datatype/timestamp.h"
#include "ingest/row_block.h"
#include "lockfree/ring.h"
#include "lockfree/ring_slab.h"
#include "port/atomics.h"
#include "stats/latency.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/lwlock.h"

#define TSDB_INGEST_SHARDS		16
#define TSDB_INGEST_TABLES		512		/* that are counted one by one */
#define TSDB_INGEST_HELD		32		/* tables named that rows are kept back of */
#define TSDB_INGEST_ERROR_BYTES 256

/* settings */
#define TSDB_INGEST_MEMORY_DEFAULT		(16 * 1024)		/* kilobytes */
#define TSDB_INGEST_MEMORY_MIN			1024
#define TSDB_INGEST_CAPACITY_DEFAULT	1024			/* blocks in a ring */
#define TSDB_INGEST_DATABASES_DEFAULT	4
#define TSDB_INGEST_BATCH_DEFAULT		1024			/* kilobytes */
#define TSDB_INGEST_INTERVAL_DEFAULT	1000			/* milliseconds */
#define TSDB_INGEST_WAIT_DEFAULT		10000			/* milliseconds */
#define TSDB_SHUTDOWN_TIMEOUT_DEFAULT	60				/* seconds */

typedef enum TsdbIngestDurability
{
	TSDB_INGEST_COMMIT,
	TSDB_INGEST_ASYNC
} TsdbIngestDurability;

typedef enum TsdbIngestFull
{
	TSDB_INGEST_FULL_WAIT,
	TSDB_INGEST_FULL_ERROR,
	TSDB_INGEST_FULL_DIRECT
} TsdbIngestFull;

extern int	tsdb_ingest_durability;
extern int	tsdb_ingest_full;
extern int	tsdb_ingest_wait_timeout;
extern int	tsdb_ingest_batch;
extern int	tsdb_ingest_flush_interval;
extern int	tsdb_shutdown_timeout;

typedef enum TsdbStatementState
{
	TSDB_STATEMENT_PUSHED,
	TSDB_STATEMENT_TAKEN,
	TSDB_STATEMENT_DONE,
	TSDB_STATEMENT_HANDED_BACK,
	TSDB_STATEMENT_ABANDONED,
	TSDB_STATEMENT_WITHDRAWN
} TsdbStatementState;

/* A block of the slab. */
typedef struct TsdbIngestBlock
{
	uint64		first;			/* block of the statement; offsets in the slab */
	uint64		next;			/* of the statement; 0: none */
	uint32		shard;

	/* in the first block only */
	Oid			sent_by;		/* role */
	uint32		nblocks;
	uint32		arrived;		/* the worker's: blocks that it has popped */
	pg_atomic_uint32 state;		/* for group_commit.h, as what follows */
	int			waiter;			/* pgprocno */
	int			synchronous_commit;
} TsdbIngestBlock;

#define TSDB_INGEST_BLOCK_HEADER	MAXALIGN(sizeof(TsdbIngestBlock))

static inline TsdbRowBlock *
tsdb_ingest_rows(TsdbIngestBlock *block)
{
	return (TsdbRowBlock *) ((char *) block + TSDB_INGEST_BLOCK_HEADER);
}

/* A client is taking others' rows to write them (ingest/group_commit.h). */
#define TSDB_GROUP_LEADING		0x10000

typedef enum TsdbDrainState
{
	TSDB_DRAIN_STOPPED,
	TSDB_DRAIN_STARTING,
	TSDB_DRAIN_RUNNING,
	TSDB_DRAIN_CLOSING
} TsdbDrainState;

typedef struct TsdbIngestShard
{
	pg_atomic_uint32 reserved;	/* places in the ring */
	uint64		ring;			/* offset in shared memory */
	pg_atomic_uint64 batches_pushed;
	pg_atomic_uint64 rows_pushed;
	pg_atomic_uint64 rows_drained;
	pg_atomic_uint64 rows_settled;	/* drained, handed back, withdrawn, dead or discarded */
	pg_atomic_uint64 full_waits;
	pg_atomic_uint64 handed_back;	/* rows */
	TsdbLatency batch_rows;
	TsdbLatency push_us;
	TsdbLatency ack_us;
} TsdbIngestShard;

/* What one table of a database took in. */
typedef struct TsdbIngestTable
{
	pg_atomic_uint64 key;		/* database << 32 | table; 0: free */
	pg_atomic_uint64 rows_pushed;
	pg_atomic_uint64 rows_drained;
	pg_atomic_uint64 rows_direct;
	pg_atomic_uint64 rows_dead;
	pg_atomic_uint64 rows_discarded;
} TsdbIngestTable;

typedef struct TsdbIngestSet
{
	pg_atomic_uint32 dboid;
	pg_atomic_uint32 drain;		/* TsdbDrainState */
	pg_atomic_uint32 producers; /* that are pushing just now */
	int			generation;		/* of the worker; all of these under the lock */
	int			attempts;		/* to start it that came to nothing */
	TimestampTz starting_since;
	int			pid;
	int			procno;
	ConditionVariable changed;	/* the worker has come or gone */

	pg_atomic_uint32 busy;		/* groups that commit, plus TSDB_GROUP_LEADING if one is being written */
	pg_atomic_uint32 commit_reserved;	/* places in the ring of statements */
	uint64		commit_ring;	/* offset in shared memory */

	pg_atomic_uint64 bytes;		/* of slab in the rings */
	pg_atomic_uint32 crowded;	/* room is getting scarce */

	pg_atomic_uint64 flush_wanted;	/* number of the last call for a flush */
	pg_atomic_uint64 flush_seen;	/* all pushed before it was drained or kept back */
	pg_atomic_uint64 flush_done;	/* all pushed before it was settled */
	ConditionVariable flushed;
	int			nheld;			/* tables with rows that are kept back; under the lock */
	bool		held_others;	/* more than these */
	Oid			held[TSDB_INGEST_HELD];

	pg_atomic_uint64 transactions;
	pg_atomic_uint64 retries;
	TimestampTz last_error_at;	/* under the lock */
	char		last_error[TSDB_INGEST_ERROR_BYTES];

	TsdbIngestShard shards[TSDB_INGEST_SHARDS];
} TsdbIngestSet;

/* When the library is loaded. */
extern void tsdb_ingest_init(void);

extern bool tsdb_ingest_enabled(void);

/* ---- memory ---- */

extern TsdbRingSlab *tsdb_ingest_slab(void);
extern int	tsdb_ingest_slab_classes(void);
extern uint32 tsdb_ingest_block_bytes_max(void);

/* Bytes in the rings of a database from which on they are drained before their time. */
extern uint64 tsdb_ingest_drain_bytes(void);

/* A statement of more bytes may find no room even when nothing is in the ring. */
extern uint64 tsdb_ingest_statement_bytes(void);
extern TsdbIngestBlock *tsdb_ingest_block(uint64 block);
extern TsdbRing *tsdb_ingest_ring(const TsdbIngestShard *shard);
extern TsdbRing *tsdb_ingest_commit_ring(const TsdbIngestSet *set);

/* Give back all blocks of a statement, and their places in the rings; or its place in the other ring. */
extern void tsdb_ingest_free(TsdbIngestSet *set, uint64 first);
extern void tsdb_ingest_free_statement(TsdbIngestSet *set, uint64 first);

/* Count its rows as drained, or as handed back. */
extern void tsdb_ingest_count_settled(TsdbIngestSet *set, uint64 first, bool drained);

/* Sleep until there may be more room; false if it timed out. */
extern void tsdb_ingest_prepare_wait_for_room(void);
extern bool tsdb_ingest_wait_for_room(long ms);

/* ---- sets ---- */

extern int	tsdb_ingest_sets(void);
extern TsdbIngestSet *tsdb_ingest_set(int number);

/*
 * The set of this database, with a worker that runs; starts one if need be, and waits
 * until it has come.  NULL if that cannot be now.
 */
extern TsdbIngestSet *tsdb_ingest_set_with_worker(void);

/* The same without a worker. */
extern TsdbIngestSet *tsdb_ingest_claim_set(void);

/* The set of this database, if it has one. */
extern TsdbIngestSet *tsdb_ingest_set_of_database(void);

extern LWLock *tsdb_ingest_lock(void);

/* Between these a producer pushes.  False: there is no worker, if it needs one. */
extern bool tsdb_ingest_enter(TsdbIngestSet *set, bool needs_worker);
extern void tsdb_ingest_leave(TsdbIngestSet *set);

extern void tsdb_ingest_wake(TsdbIngestSet *set);

/* ---- counters ---- */

/* Blocks of memory that backends gather rows in: made, and used again. */
typedef struct TsdbGatherCounts
{
	pg_atomic_uint64 fresh;
	pg_atomic_uint64 reused;
} TsdbGatherCounts;

extern TsdbGatherCounts *tsdb_ingest_gather_counts(void);

/* The counters of a table of this database, or NULL if there are too many tables. */
extern TsdbIngestTable *tsdb_ingest_table(Oid relid);
extern TsdbIngestTable *tsdb_ingest_table_number(int number);

#endif							/* TSDB_INGEST_INGEST_SHARED_H */
