/*
 * outbox.c
 *		Rows that the running transaction is going to push into the ring.
 */
#include "postgres.h"

#include "ingest/outbox.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "access/table.h"
#include "access/xact.h"
#include "commands/async.h"
#include "ingest/group_commit.h"
#include "ingest/ingest_shared.h"
#include "ingest/row_order.h"
#include "ingest/row_writer.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Memory for parcels: powers of two, kept for the next transaction up to a bound. */
#define POOL_SMALLEST		10
#define POOL_CLASSES		9
#define POOL_KEPT_BYTES		(4 * 1024 * 1024)

/* Bytes that are kept of what was freed, once statements have so many rows. */
#define MALLOC_KEPT_BYTES	(16 * 1024 * 1024)
#define MALLOC_KEPT_ROWS	256

/* Rows of one table and shard. */
typedef struct Parcel
{
	struct Parcel *next;
	uint32		shard;
	uint32		bytes;			/* of memory for the block */
	TsdbRowBlock *rows;
} Parcel;

typedef struct PoolBlock
{
	struct PoolBlock *next;
} PoolBlock;

/* Tables of this transaction: what is open to more rows. */
typedef struct Addressee
{
	struct Addressee *next;
	Oid			relid;
	bool		has_index;
	Parcel	   *open[TSDB_INGEST_SHARDS];
} Addressee;

static PoolBlock *pool[POOL_CLASSES];
static Size pool_bytes = 0;

static Parcel *parcels = NULL;	/* oldest first; in TopTransactionContext, but for rows */
static Addressee *addressees = NULL;
static Size gathered = 0;		/* bytes */
static bool oversized = false;	/* a row is larger than a block of the slab */
static Parcel **parcels_end = &parcels;
static int	nparcels = 0;
static bool written_here = false;	/* some rows of this transaction, as they were too many */
static TsdbIngestSet *set = NULL;	/* that was running when the first row came */


/* ---- memory ---- */

static int
pool_class(uint32 bytes)
{
	return bytes <= 1 << POOL_SMALLEST ? 0 : pg_ceil_log2_32(bytes) - POOL_SMALLEST;
}

static TsdbRowBlock *
pool_take(uint32 bytes, uint32 *size)
{
	int			class = pool_class(bytes);
	PoolBlock  *block;

	*size = UINT32_C(1) << (class + POOL_SMALLEST);
	if (class >= POOL_CLASSES || pool[class] == NULL)
	{
		pg_atomic_fetch_add_u64(&tsdb_ingest_gather_counts()->fresh, 1);
		return MemoryContextAlloc(TopMemoryContext, *size);
	}
	pg_atomic_fetch_add_u64(&tsdb_ingest_gather_counts()->reused, 1);
	block = pool[class];
	pool[class] = block->next;
	pool_bytes -= *size;
	return (TsdbRowBlock *) block;
}

static void
pool_give(TsdbRowBlock *rows, uint32 size)
{
	int			class = pool_class(size);
	PoolBlock  *block = (PoolBlock *) rows;

	if (class >= POOL_CLASSES || pool_bytes + size > POOL_KEPT_BYTES)
	{
		pfree(rows);
		return;
	}
	block->next = pool[class];
	pool[class] = block;
	pool_bytes += size;
}

/*
 * Have the C library keep what statements give back, up to a bound.  Rows that come in arrays take some hundred
 * kilobytes a statement, of the server's memory contexts too; a fifth of a processor's time went into getting the
 * same pages from the kernel, zeroed, again and again.
 */
static void
keep_memory(void)
{
#ifdef __GLIBC__
	static bool kept = false;

	if (!kept)
	{
		(void) mallopt(M_TRIM_THRESHOLD, MALLOC_KEPT_BYTES);
		(void) mallopt(M_MMAP_THRESHOLD, MALLOC_KEPT_BYTES / 4);
		kept = true;
	}
#endif
}

static void
empty_outbox(void)
{
	for (Parcel *parcel = parcels; parcel != NULL; parcel = parcel->next)
		pool_give(parcel->rows, parcel->bytes);
	parcels = NULL;
	parcels_end = &parcels;
	addressees = NULL;
	nparcels = 0;
	gathered = 0;
	oversized = false;
	set = NULL;
}

/* ---- writing here ---- */

/* Are the rows too many for the ring, as a statement, or as what can be in there at all? */
static bool
too_much(void)
{
	return oversized || gathered > (Size) tsdb_ingest_batch * 1024 ||
		gathered > tsdb_ingest_statement_bytes() ||
		nparcels > tsdb_ingest_ring(&tsdb_ingest_set(0)->shards[0])->mask + 1;
}

/* Put all rows into their tables, as part of this transaction; do parcels stay until it ends? */
static void
write_parcels(bool stay)
{
	const bool	pushed = !ActiveSnapshotSet();

	if (pushed)
		PushActiveSnapshot(GetTransactionSnapshot());
	for (Addressee *addressee = addressees; addressee != NULL; addressee = addressee->next)
	{
		Relation	rel = try_table_open(addressee->relid, NoLock);
		TsdbRowWriter *writer;

		if (rel == NULL)
			continue;			/* dropped by this very statement */
		writer = tsdb_row_writer_begin(rel, stay);
		for (Parcel *parcel = parcels; parcel != NULL; parcel = parcel->next)
		{
			if (parcel->rows->relid == addressee->relid)
				tsdb_row_writer_add(writer, parcel->rows, false);
		}
		tsdb_row_writer_end(writer);
		table_close(rel, NoLock);
	}
	if (pushed)
		PopActiveSnapshot();
}

static void
write_rows(void)
{
	write_parcels(true);
}

/* The same, past the ring. */
static void
write_here(void)
{
	write_parcels(false);
	for (Parcel *parcel = parcels; parcel != NULL; parcel = parcel->next)
	{
		TsdbIngestTable *table = tsdb_ingest_table(parcel->rows->relid);

		if (table != NULL)
			pg_atomic_fetch_add_u64(&table->rows_direct, parcel->rows->rows);
	}
	empty_outbox();
}

/* ---- gathering ---- */

static bool
has_notifications(void)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool has = false;

	/* It does nothing but to look for some, and is the only one who tells. */
	PG_TRY();
	{
		AtPrepare_Notify();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		FlushErrorState();
		has = true;
	}
	PG_END_TRY();
	return has;
}

bool
tsdb_outbox_open(void)
{
	if (!tsdb_ingest_enabled() || IsTransactionBlock() || IsSubTransaction() ||
		IsolationIsSerializable() ||
		(TransactionIdIsValid(GetTopTransactionIdIfAny()) && !written_here) ||
		InSecurityRestrictedOperation() || IsInParallelMode() || RecoveryInProgress() ||
		tsdb_ingest_batch == 0)
		return false;
	if (set == NULL && !written_here)
		set = tsdb_ingest_durability == TSDB_INGEST_COMMIT ? tsdb_ingest_claim_set() :
			tsdb_ingest_set_with_worker();
	return set != NULL || written_here;
}

static Addressee *
find_addressee(Oid relid)
{
	Addressee  *addressee;

	for (addressee = addressees; addressee != NULL; addressee = addressee->next)
	{
		if (addressee->relid == relid)
			return addressee;
	}
	addressee = MemoryContextAllocZero(TopTransactionContext, sizeof(Addressee));
	addressee->relid = relid;
	addressee->next = addressees;
	return addressees = addressee;
}

static Parcel *
new_parcel(Oid relid, TupleDesc tupdesc, uint32 shard, Size bytes)
{
	Parcel	   *parcel = MemoryContextAlloc(TopTransactionContext, sizeof(Parcel));

	parcel->shard = shard;
	parcel->rows = pool_take(bytes, &parcel->bytes);
	tsdb_row_block_init(parcel->rows, relid, tupdesc);
	parcel->next = NULL;
	*parcels_end = parcel;
	parcels_end = &parcel->next;
	nparcels++;
	return parcel;
}

/* Add rows of one shard. */
static void
add_to_shard(Addressee *addressee, TupleDesc tupdesc, uint32 shard,
			 const TsdbRowColumn *columns, const uint32 *rows, uint32 nrows)
{
	const uint32 header = tsdb_row_block_header_bytes(tupdesc);
	const Size	most = tsdb_ingest_block_bytes_max() - TSDB_INGEST_BLOCK_HEADER;
	Parcel	   *parcel = addressee->open[shard];
	Size		bytes;

	if (parcel == NULL)
		parcel = addressee->open[shard] = new_parcel(addressee->relid, tupdesc, shard, header);
	bytes = tsdb_row_block_measure(parcel->rows, columns, rows, nrows);
	if (header + bytes > most && nrows > 1)
	{
		add_to_shard(addressee, tupdesc, shard, columns, rows, nrows / 2);
		add_to_shard(addressee, tupdesc, shard, columns, rows + nrows / 2, nrows - nrows / 2);
		return;
	}
	if (header + bytes > MaxAllocSize / 2)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("row is too long for tsdb.ingest()"),
				 errhint("Use INSERT.")));
	oversized |= header + bytes > most;
	if (parcel->rows->used + bytes > most && parcel->rows->rows > 0)
		parcel = addressee->open[shard] = new_parcel(addressee->relid, tupdesc, shard,
													 header + bytes);
	if (parcel->rows->used + bytes > parcel->bytes)
	{
		uint32		size;
		TsdbRowBlock *larger = pool_take(Max(parcel->rows->used + bytes,
											 Min(2 * parcel->bytes, most)), &size);

		memcpy(larger, parcel->rows, parcel->rows->used);
		pool_give(parcel->rows, parcel->bytes);
		parcel->rows = larger;
		parcel->bytes = size;
	}
	tsdb_row_block_append(parcel->rows, columns, rows, nrows, bytes);
	gathered += bytes;
}

void
tsdb_outbox_add(Relation rel, const TsdbSortKey *key, const TsdbRowColumn *columns, uint32 nrows)
{
	TupleDesc	tupdesc = RelationGetDescr(rel);
	Addressee  *addressee = find_addressee(RelationGetRelid(rel));
	TsdbRowOrder order;

	if (nrows >= MALLOC_KEPT_ROWS)
		keep_memory();
	addressee->has_index = rel->rd_rel->relhasindex;
	tsdb_row_order(tupdesc, key, columns, nrows, &order);
	for (int shard = 0; shard < TSDB_INGEST_SHARDS; shard++)
	{
		uint32		first = order.starts[shard];

		if (order.starts[shard + 1] > first)
			add_to_shard(addressee, tupdesc, shard, columns, order.rows + first,
						 order.starts[shard + 1] - first);
	}
	pfree(order.rows);
	if (too_much())
	{
		write_here();
		written_here = true;
	}
}

/* ---- the ring ---- */

typedef enum PushResult
{
	PUSHED,
	NO_ROOM,
	NO_WORKER
} PushResult;

/* Reserve a place in a ring. */
static bool
reserve(pg_atomic_uint32 *reserved, const TsdbRing *ring)
{
	uint32		capacity = ring->mask + 1;
	uint32		before = pg_atomic_fetch_add_u32(reserved, 1);

	if (before == capacity / 2)
		pg_atomic_write_u32(&set->crowded, 1);
	if (before < capacity)
		return true;
	pg_atomic_fetch_sub_u32(reserved, 1);
	return false;
}

/* Give back what was taken in vain. */
static void
give_back(uint64 first, bool in_shards)
{
	while (first != 0)
	{
		TsdbIngestBlock *memory = tsdb_ingest_block(first);
		uint64		block = first;

		if (in_shards)
			pg_atomic_fetch_sub_u32(&set->shards[memory->shard].reserved, 1);
		first = memory->next;
		tsdb_ring_slab_give(tsdb_ingest_slab(), block);
	}
}

/*
 * Take a block for each parcel, and for each a place in the ring of its shard if it goes there;
 * all or none.  Returns the first block, or 0.
 */
static uint64
take_blocks(bool in_shards)
{
	TsdbRingSlab *slab = tsdb_ingest_slab();
	uint64		first = 0;
	TsdbIngestBlock *last = NULL;
	int			count = 0;

	for (Parcel *parcel = parcels; parcel != NULL; parcel = parcel->next)
	{
		TsdbIngestShard *shard = &set->shards[parcel->shard];
		uint64		block = 0;
		TsdbIngestBlock *memory;

		if (!in_shards || reserve(&shard->reserved, tsdb_ingest_ring(shard)))
		{
			block = tsdb_ring_slab_take(slab, TSDB_INGEST_BLOCK_HEADER + parcel->rows->used);
			if (block == 0 && in_shards)
				pg_atomic_fetch_sub_u32(&shard->reserved, 1);
		}
		if (block == 0)
		{
			pg_atomic_fetch_add_u64(&shard->full_waits, 1);
			pg_atomic_write_u32(&set->crowded, 1);
			give_back(first, in_shards);
			return 0;
		}
		memory = tsdb_ingest_block(block);
		memory->next = 0;
		memory->shard = parcel->shard;
		memcpy(tsdb_ingest_rows(memory), parcel->rows, parcel->rows->used);
		if (last != NULL)
			last->next = block;
		else
			first = block;
		memory->first = first;
		last = memory;
		count++;
	}
	tsdb_ingest_block(first)->nblocks = count;
	tsdb_ingest_block(first)->arrived = 0;
	tsdb_ingest_block(first)->sent_by = GetUserId();
	return first;
}

static void
count_pushed(uint32 shard_number, const TsdbRowBlock *rows)
{
	TsdbIngestShard *shard = &set->shards[shard_number];
	TsdbIngestTable *table = tsdb_ingest_table(rows->relid);

	pg_atomic_fetch_add_u64(&shard->batches_pushed, 1);
	pg_atomic_fetch_add_u64(&shard->rows_pushed, rows->rows);
	tsdb_latency_add(&shard->batch_rows, rows->rows);
	if (table != NULL)
		pg_atomic_fetch_add_u64(&table->rows_pushed, rows->rows);
}

/* Put what was taken into the rings of its shards. */
static void
push_blocks(uint64 first, TimestampTz begin)
{
	uint64		bytes = 0;
	uint64		before;

	for (uint64 block = first; block != 0; block = tsdb_ingest_block(block)->next)
		bytes += tsdb_ring_slab_size(tsdb_ingest_slab(), block);
	before = pg_atomic_fetch_add_u64(&set->bytes, bytes);
	for (uint64 block = first; block != 0;)
	{
		TsdbIngestBlock *memory = tsdb_ingest_block(block);
		TsdbIngestShard *shard = &set->shards[memory->shard];
		uint64		next = memory->next;

		count_pushed(memory->shard, tsdb_ingest_rows(memory));
		if (next == 0)
			tsdb_latency_add(&shard->push_us, GetCurrentTimestamp() - begin);

		/* with the last of them the statement is the worker's */
		if (!tsdb_ring_push(tsdb_ingest_ring(shard), &block, sizeof(block)))
			elog(PANIC, "tsdb ring is full that a place was reserved in");
		block = next;
	}
	if (before < tsdb_ingest_drain_bytes() && before + bytes >= tsdb_ingest_drain_bytes())
		pg_atomic_write_u32(&set->crowded, 1);
	if (before == 0 || pg_atomic_read_u32(&set->crowded) != 0)
		tsdb_ingest_wake(set);
}

/* Push all, or nothing.  No interrupts in here, nothing that waits or fails. */
static PushResult
push_all(TimestampTz begin)
{
	uint64		first;

	if (!tsdb_ingest_enter(set, true))
		return NO_WORKER;
	first = take_blocks(true);
	if (first != 0)
		push_blocks(first, begin);
	tsdb_ingest_leave(set);
	return first != 0 ? PUSHED : NO_ROOM;
}

/* Take blocks, and a place in the ring of statements that somebody waits for: *statement. */
static PushResult
take_statement(uint64 *statement)
{
	if (!tsdb_ingest_enter(set, false))
		return NO_WORKER;
	*statement = 0;
	if (reserve(&set->commit_reserved, tsdb_ingest_commit_ring(set)))
	{
		*statement = take_blocks(false);
		if (*statement == 0)
			pg_atomic_fetch_sub_u32(&set->commit_reserved, 1);
	}
	tsdb_ingest_leave(set);
	return *statement != 0 ? PUSHED : NO_ROOM;
}

static long
time_left(TimestampTz begin)
{
	if (tsdb_ingest_wait_timeout < 0)
		return INT_MAX;
	return TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
										   TimestampTzPlusMilliseconds(begin,
																	   tsdb_ingest_wait_timeout));
}

static void pg_attribute_noreturn()
no_room(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg("there is no room in the ring for rows of tsdb.ingest()"),
			 errdetail(tsdb_ingest_full == TSDB_INGEST_FULL_ERROR ?
					   "Rows come faster than they are written." :
					   "Nobody came to write them within tsdb.ingest_wait_timeout."),
			 errhint("Try again, set tsdb.ingest_full to \"direct\", or increase tsdb.ingest_memory or tsdb.ingest_capacity.")));
}

/* Try until there is room, as long as tsdb.ingest_full and its timeout say. */
static PushResult
when_room(bool waiting, uint64 *statement, TimestampTz begin)
{
	for (;;)
	{
		PushResult	result = waiting ? take_statement(statement) : push_all(begin);
		bool		more;

		if (result != NO_ROOM)
			return result;
		tsdb_ingest_wake(set);
		if (tsdb_ingest_full == TSDB_INGEST_FULL_DIRECT)
			return NO_ROOM;
		if (tsdb_ingest_full == TSDB_INGEST_FULL_ERROR)
			no_room();

		/* Look once more after it is sure that we will be told. */
		tsdb_ingest_prepare_wait_for_room();
		result = waiting ? take_statement(statement) : push_all(begin);
		if (result != NO_ROOM)
		{
			ConditionVariableCancelSleep();
			return result;
		}
		more = time_left(begin) > 0 && tsdb_ingest_wait_for_room(time_left(begin));
		ConditionVariableCancelSleep();
		if (!more && time_left(begin) <= 0)
			no_room();
		CHECK_FOR_INTERRUPTS();
	}
}

/* Might a row have to wait for another's transaction, for its key? */
static bool
has_index(void)
{
	for (Addressee *addressee = addressees; addressee != NULL; addressee = addressee->next)
	{
		if (addressee->has_index)
			return true;
	}
	return false;
}

/*
 * Our rows and others', in this transaction; counted: ours have been pushed before.  Chunks may be made of the parcels only
 * when it commits, so they are given back after that.
 */
static void
lead(bool counted)
{
	tsdb_group_write(write_rows, has_index());
	for (Parcel *parcel = parcels; parcel != NULL; parcel = parcel->next)
	{
		TsdbIngestTable *table = tsdb_ingest_table(parcel->rows->relid);
		TsdbIngestShard *shard = &set->shards[parcel->shard];

		if (!counted)
		{
			count_pushed(parcel->shard, parcel->rows);
			pg_atomic_fetch_add_u64(&shard->rows_settled, parcel->rows->rows);
		}
		pg_atomic_fetch_add_u64(&shard->rows_drained, parcel->rows->rows);
		if (table != NULL)
			pg_atomic_fetch_add_u64(&table->rows_drained, parcel->rows->rows);
	}
}

/* Commit together with other clients: in this transaction, or in another's. */
static void
commit_with_others(TimestampTz begin)
{
	TsdbIngestShard *shard = &set->shards[parcels->shard];
	uint64		statement;

	if (tsdb_group_try_lead(set, has_index()))
	{
		lead(false);
		return;
	}
	if (when_room(true, &statement, begin) != PUSHED)
	{
		write_here();
		return;
	}
	for (Parcel *parcel = parcels; parcel != NULL; parcel = parcel->next)
		count_pushed(parcel->shard, parcel->rows);
	tsdb_latency_add(&shard->push_us, GetCurrentTimestamp() - begin);
	switch (tsdb_group_join(set, statement, begin, tsdb_ingest_wait_timeout))
	{
		case TSDB_GROUP_COMMITTED:
			tsdb_latency_add(&shard->ack_us, GetCurrentTimestamp() - begin);
			empty_outbox();
			break;
		case TSDB_GROUP_LEADS:
			lead(true);
			break;
		case TSDB_GROUP_TIMEOUT:
			if (tsdb_ingest_full != TSDB_INGEST_FULL_DIRECT)
				no_room();
			/* FALLTHROUGH */
		case TSDB_GROUP_ALONE:
			write_here();
			break;
	}
}

void
tsdb_outbox_before_commit(void)
{
	TimestampTz begin;
	uint64		statement;

	if (parcels == NULL)
		return;
	if (set == NULL || TransactionIdIsValid(GetTopTransactionIdIfAny()) ||
		(MyXactFlags & XACT_FLAGS_ACCESSEDTEMPNAMESPACE) != 0 || has_notifications())
	{
		write_here();
		return;
	}
	begin = GetCurrentTimestamp();
	if (tsdb_ingest_durability == TSDB_INGEST_COMMIT)
		commit_with_others(begin);
	else if (when_room(false, &statement, begin) == PUSHED)
		empty_outbox();
	else
		write_here();
}

void
tsdb_outbox_at_xact_end(bool committed)
{
	tsdb_group_at_xact_end(committed);
	if (parcels != NULL)
		empty_outbox();
	set = NULL;
	written_here = false;
}
