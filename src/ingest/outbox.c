/*
 * outbox.c
 *		Rows that the running transaction is going to push into the ring.
 */
#include "postgres.h"

#include "ingest/outbox.h"

#include "access/table.h"
#include "access/xact.h"
#include "commands/async.h"
#include "ingest/ingest_shared.h"
#include "ingest/row_writer.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "port/pg_bitutils.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Milliseconds that a cancelled statement waits for rows that are being written. */
#define CANCEL_GRACE		1000

/* Memory for parcels: powers of two, kept for the next transaction up to a bound. */
#define POOL_SMALLEST		10
#define POOL_CLASSES		9
#define POOL_KEPT_BYTES		(4 * 1024 * 1024)

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
	Parcel	   *open[TSDB_INGEST_SHARDS];
} Addressee;

static PoolBlock *pool[POOL_CLASSES];
static Size pool_bytes = 0;

static Parcel *parcels = NULL;	/* newest first; in TopTransactionContext, but for rows */
static Addressee *addressees = NULL;
static Size gathered = 0;		/* bytes */
static bool oversized = false;	/* a row is larger than a block of the slab */
static int	nparcels = 0;
static bool written_here = false;	/* some rows of this transaction, as they were too many */
static TsdbIngestSet *set = NULL;	/* that was running when the first row came */

/* what has been pushed, until it is known what became of it */
static uint64 in_flight = 0;

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

static void
empty_outbox(void)
{
	for (Parcel *parcel = parcels; parcel != NULL; parcel = parcel->next)
		pool_give(parcel->rows, parcel->bytes);
	parcels = NULL;
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

/* Put all rows into their tables, as part of this transaction. */
static void
write_here(void)
{
	const bool	pushed = !ActiveSnapshotSet();
	Parcel	   *in_order = NULL;

	if (pushed)
		PushActiveSnapshot(GetTransactionSnapshot());
	for (Parcel *parcel = parcels; parcel != NULL;)
	{
		Parcel	   *next = parcel->next;

		parcel->next = in_order;
		in_order = parcel;
		parcel = next;
	}
	parcels = in_order;
	for (Addressee *addressee = addressees; addressee != NULL; addressee = addressee->next)
	{
		Relation	rel = try_table_open(addressee->relid, NoLock);
		TsdbIngestTable *table = tsdb_ingest_table(addressee->relid);
		TsdbRowWriter *writer;

		if (rel == NULL)
			continue;			/* dropped by this very statement */
		writer = tsdb_row_writer_begin(rel);
		for (Parcel *parcel = parcels; parcel != NULL; parcel = parcel->next)
		{
			if (parcel->rows->relid != addressee->relid)
				continue;
			tsdb_row_writer_add(writer, parcel->rows, false);
			if (table != NULL)
				pg_atomic_fetch_add_u64(&table->rows_direct, parcel->rows->rows);
		}
		tsdb_row_writer_end(writer);
		table_close(rel, NoLock);
	}
	if (pushed)
		PopActiveSnapshot();
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
		set = tsdb_ingest_set_with_worker();
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
	parcel->next = parcels;
	nparcels++;
	return parcels = parcel;
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

static Datum
column_value(const TsdbRowColumn *column, Form_pg_attribute att, uint32 row)
{
	if (column->same)
		row = 0;
	return att->attbyval ? fetch_att(column->fixed + (Size) row * att->attlen, true, att->attlen) :
		column->values[row];
}

static bool
column_null(const TsdbRowColumn *column, uint32 row)
{
	return column->nulls != NULL && column->nulls[column->same ? 0 : row];
}

/* The shard of each row. */
static void
find_shards(TupleDesc tupdesc, const TsdbSortKey *key, const TsdbRowColumn *columns,
			uint32 nrows, uint8 *shards)
{
	Datum	   *values = palloc0(tupdesc->natts * sizeof(Datum));
	bool	   *nulls = palloc0(tupdesc->natts * sizeof(bool));
	const TsdbRowColumn **series = palloc(Max(key->nseries, 1) * sizeof(TsdbRowColumn *));
	bool		constant = true;

	for (int i = 0; i < key->nseries; i++)
	{
		int			c = 0;

		for (int a = 0; a < key->series[i] - 1; a++)
			c += !TupleDescAttr(tupdesc, a)->attisdropped;
		series[i] = &columns[c];
		constant = constant && columns[c].same;
	}
	for (uint32 row = 0; row < nrows; row++)
	{
		bool		changed = row == 0;

		if (row > 0 && constant)
		{
			shards[row] = shards[0];
			continue;
		}
		for (int i = 0; i < key->nseries; i++)
		{
			int			a = key->series[i] - 1;
			Form_pg_attribute att = TupleDescAttr(tupdesc, a);
			bool		isnull = column_null(series[i], row);
			Datum		value = isnull ? (Datum) 0 : column_value(series[i], att, row);

			changed = changed || !att->attbyval || isnull != nulls[a] || value != values[a];
			nulls[a] = isnull;
			values[a] = value;
		}
		shards[row] = changed ?
			tsdb_series_hash(tupdesc, key, values, nulls) % TSDB_INGEST_SHARDS : shards[row - 1];
	}
	pfree(series);
	pfree(nulls);
	pfree(values);
}

void
tsdb_outbox_add(Oid relid, TupleDesc tupdesc, const TsdbSortKey *key,
				const TsdbRowColumn *columns, uint32 nrows)
{
	Addressee  *addressee = find_addressee(relid);
	uint8	   *shards = palloc(nrows);
	uint32	   *rows = palloc(nrows * sizeof(uint32));
	uint32		starts[TSDB_INGEST_SHARDS + 1] = {0};
	uint32		place[TSDB_INGEST_SHARDS];

	find_shards(tupdesc, key, columns, nrows, shards);
	for (uint32 row = 0; row < nrows; row++)
		starts[shards[row] + 1]++;
	for (int shard = 0; shard < TSDB_INGEST_SHARDS; shard++)
	{
		place[shard] = starts[shard];
		starts[shard + 1] += starts[shard];
	}
	for (uint32 row = 0; row < nrows; row++)
		rows[place[shards[row]]++] = row;
	for (int shard = 0; shard < TSDB_INGEST_SHARDS; shard++)
	{
		if (starts[shard + 1] > starts[shard])
			add_to_shard(addressee, tupdesc, shard, columns, rows + starts[shard],
						 starts[shard + 1] - starts[shard]);
	}
	pfree(rows);
	pfree(shards);
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

/* Take a place and a block for each parcel; all or none. */
static uint64
take_blocks(void)
{
	TsdbRingSlab *slab = tsdb_ingest_slab();
	uint64		first = 0;

	for (Parcel *parcel = parcels; parcel != NULL; parcel = parcel->next)
	{
		TsdbIngestShard *shard = &set->shards[parcel->shard];
		uint32		capacity = tsdb_ingest_ring(shard)->mask + 1;
		uint32		reserved = pg_atomic_fetch_add_u32(&shard->reserved, 1);
		uint64		block = 0;
		TsdbIngestBlock *memory;

		if (reserved == capacity / 2)
			pg_atomic_write_u32(&set->crowded, 1);
		if (reserved < capacity)
			block = tsdb_ring_slab_take(slab, TSDB_INGEST_BLOCK_HEADER + parcel->rows->used);
		if (block == 0)
		{
			pg_atomic_fetch_sub_u32(&shard->reserved, 1);
			pg_atomic_fetch_add_u64(&shard->full_waits, 1);
			pg_atomic_write_u32(&set->crowded, 1);
			while (first != 0)
			{
				block = first;
				memory = tsdb_ingest_block(block);
				first = memory->next;
				pg_atomic_fetch_sub_u32(&set->shards[memory->shard].reserved, 1);
				tsdb_ring_slab_give(slab, block);
			}
			return 0;
		}
		memory = tsdb_ingest_block(block);
		memory->next = first;
		memory->shard = parcel->shard;
		memcpy(tsdb_ingest_rows(memory), parcel->rows, parcel->rows->used);
		first = block;
	}
	return first;
}

/* Put what was taken into the rings. */
static void
push_blocks(uint64 first, bool waiting, TimestampTz begin)
{
	TsdbIngestBlock *head = tsdb_ingest_block(first);
	uint64		bytes = 0;
	uint64		before;

	pg_atomic_init_u32(&head->state, TSDB_STATEMENT_PUSHED);
	head->waiter = waiting ? MyProc->pgprocno : -1;
	head->arrived = 0;
	head->sent_by = GetUserId();
	head->pushed_at = begin;
	head->nblocks = 0;
	for (uint64 block = first; block != 0; block = tsdb_ingest_block(block)->next)
	{
		tsdb_ingest_block(block)->first = first;
		bytes += tsdb_ring_slab_size(tsdb_ingest_slab(), block);
		head->nblocks++;
	}
	before = pg_atomic_fetch_add_u64(&set->bytes, bytes);
	if (waiting)
	{
		in_flight = first;
		pg_atomic_fetch_add_u32(&set->urgent, 1);
	}
	for (uint64 block = first; block != 0;)
	{
		TsdbIngestBlock *memory = tsdb_ingest_block(block);
		TsdbIngestShard *shard = &set->shards[memory->shard];
		TsdbRowBlock *rows = tsdb_ingest_rows(memory);
		TsdbIngestTable *table = tsdb_ingest_table(rows->relid);
		uint64		next = memory->next;

		pg_atomic_fetch_add_u64(&shard->batches_pushed, 1);
		pg_atomic_fetch_add_u64(&shard->rows_pushed, rows->rows);
		tsdb_latency_add(&shard->batch_rows, rows->rows);
		if (table != NULL)
			pg_atomic_fetch_add_u64(&table->rows_pushed, rows->rows);
		if (next == 0)
			tsdb_latency_add(&shard->push_us, GetCurrentTimestamp() - begin);

		/* with the last of them the statement is the worker's */
		if (!tsdb_ring_push(tsdb_ingest_ring(shard), &block, sizeof(block)))
			elog(PANIC, "tsdb ring is full that a place was reserved in");
		block = next;
	}
	if (before < tsdb_ingest_drain_bytes() && before + bytes >= tsdb_ingest_drain_bytes())
		pg_atomic_write_u32(&set->crowded, 1);
	if (waiting || before == 0 || pg_atomic_read_u32(&set->crowded) != 0)
		tsdb_ingest_wake(set);
}

/* Push all, or nothing.  No interrupts in here, nothing that waits or fails. */
static PushResult
push_all(bool waiting, TimestampTz begin)
{
	uint64		first;

	if (!tsdb_ingest_enter(set))
		return NO_WORKER;
	first = take_blocks();
	if (first != 0)
		push_blocks(first, waiting, begin);
	tsdb_ingest_leave(set);
	return first != 0 ? PUSHED : NO_ROOM;
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
					   "The background worker that empties the ring lags behind." :
					   "The background worker that empties the ring did not come to it within tsdb.ingest_wait_timeout."),
			 errhint("Try again, set tsdb.ingest_full to \"direct\", or increase tsdb.ingest_memory or tsdb.ingest_capacity.")));
}

/* Push, as soon as there is room; false if the rows are to be written here. */
static bool
push_when_room(bool waiting, TimestampTz begin)
{
	for (;;)
	{
		PushResult	result = push_all(waiting, begin);
		bool		more;

		if (result != NO_ROOM)
			return result == PUSHED;
		tsdb_ingest_wake(set);
		if (tsdb_ingest_full == TSDB_INGEST_FULL_DIRECT)
			return false;
		if (tsdb_ingest_full == TSDB_INGEST_FULL_ERROR)
			no_room();

		/* Look once more after it is sure that we will be told. */
		tsdb_ingest_prepare_wait_for_room();
		result = push_all(waiting, begin);
		if (result != NO_ROOM)
		{
			ConditionVariableCancelSleep();
			return result == PUSHED;
		}
		more = time_left(begin) > 0 && tsdb_ingest_wait_for_room(time_left(begin));
		ConditionVariableCancelSleep();
		if (!more && time_left(begin) <= 0)
			no_room();
		CHECK_FOR_INTERRUPTS();
	}
}

static bool
move_state(TsdbIngestBlock *head, uint32 from, uint32 to)
{
	return pg_atomic_compare_exchange_u32(&head->state, &from, to);
}

/* Has the worker come to the end with it? */
static bool
is_settled(uint32 state)
{
	return state == TSDB_STATEMENT_DONE || state == TSDB_STATEMENT_HANDED_BACK;
}

/*
 * Wait until the rows are committed.  False if they are to be written here: the worker has
 * handed them back, or has not come to them in time and tsdb.ingest_full says so.
 */
static bool
wait_for_drain(TimestampTz begin)
{
	TsdbIngestBlock *head = tsdb_ingest_block(in_flight);
	TsdbIngestShard *shard = &set->shards[head->shard];
	TimestampTz cancelled_at = 0;
	uint32		state;
	uint64		first = in_flight;

	while (!is_settled(state = pg_atomic_read_u32(&head->state)))
	{
		long		left = state == TSDB_STATEMENT_PUSHED ? time_left(begin) : CANCEL_GRACE;

		if (left <= 0)
		{
			if (!move_state(head, TSDB_STATEMENT_PUSHED, TSDB_STATEMENT_WITHDRAWN))
				continue;
			in_flight = 0;
			if (tsdb_ingest_full == TSDB_INGEST_FULL_DIRECT)
				return false;
			no_room();
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 Min(left, CANCEL_GRACE), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);

		if (!QueryCancelPending && !ProcDiePending)
			CHECK_FOR_INTERRUPTS();
		else if (move_state(head, TSDB_STATEMENT_PUSHED, TSDB_STATEMENT_WITHDRAWN))
		{
			in_flight = 0;
			CHECK_FOR_INTERRUPTS();
			return false;		/* the cancel was not meant for us */
		}
		else if (ProcDiePending)
			CHECK_FOR_INTERRUPTS();
		else if (cancelled_at == 0)
			cancelled_at = GetCurrentTimestamp();
		else if (TimestampDifferenceExceeds(cancelled_at, GetCurrentTimestamp(), CANCEL_GRACE) &&
				 move_state(head, TSDB_STATEMENT_TAKEN, TSDB_STATEMENT_ABANDONED))
		{
			in_flight = 0;
			QueryCancelPending = false;
			ereport(ERROR,
					(errcode(ERRCODE_QUERY_CANCELED),
					 errmsg("canceling statement due to user request"),
					 errdetail("A background worker is writing the rows, and may still commit them.")));
		}
	}
	tsdb_latency_add(&shard->ack_us, GetCurrentTimestamp() - begin);
	in_flight = 0;
	tsdb_ingest_free(set, first);
	return state == TSDB_STATEMENT_DONE;
}

void
tsdb_outbox_before_commit(void)
{
	const bool	waiting = tsdb_ingest_durability == TSDB_INGEST_COMMIT;
	TimestampTz begin;

	if (parcels == NULL)
		return;
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()) ||
		(MyXactFlags & XACT_FLAGS_ACCESSEDTEMPNAMESPACE) != 0 || has_notifications())
	{
		write_here();
		return;
	}
	begin = GetCurrentTimestamp();
	if (!push_when_room(waiting, begin) || (waiting && !wait_for_drain(begin)))
		write_here();
	else
		empty_outbox();
}

void
tsdb_outbox_at_xact_end(void)
{
	if (in_flight != 0)
	{
		/* An error while we waited: it is the worker's, unless the worker is done with it. */
		TsdbIngestBlock *head = tsdb_ingest_block(in_flight);

		if (!move_state(head, TSDB_STATEMENT_PUSHED, TSDB_STATEMENT_WITHDRAWN) &&
			!move_state(head, TSDB_STATEMENT_TAKEN, TSDB_STATEMENT_ABANDONED))
			tsdb_ingest_free(set, in_flight);
		in_flight = 0;
	}
	if (parcels != NULL)
		empty_outbox();
	set = NULL;
	written_here = false;
}
