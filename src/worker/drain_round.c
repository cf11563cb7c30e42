/*
 * drain_round.c
 *		One round of a drain worker: what is in the rings, to the tables.
 */
#include "postgres.h"

#include "worker/drain_round.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "ingest/row_writer.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/lmgr.h"
#include "store/attempt.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "worker/dead_letter.h"

/* No more is popped in one round. */
#define ROUND_BYTES		(64 * 1024 * 1024)

/* Blocks popped at a time. */
#define POP_COUNT		64

/* Milliseconds after which a statement is tried again: whose table is locked, that failed. */
#define BUSY_WAIT		50
#define RETRY_WAIT		1000

/* The same for a round that could not take all, be it that somebody stands still in the middle of a push. */
#define AGAIN_WAIT		1

/* A statement that fails for long is reported so often. */
#define REPORT_INTERVAL 60000

/* One that all blocks have come of. */
typedef struct Statement
{
	uint64		first;			/* block */
	bool		busy;			/* somebody else has the lock on a table of it */
	TimestampTz not_before;		/* to be tried then; 0: at once */
	TimestampTz reported_at;	/* its failure, last time; 0: never */
} Statement;

/* A table of a transaction. */
typedef struct Target
{
	Oid			relid;
	bool		busy;
	Relation	rel;			/* NULL: busy, or gone */
	uint64		rows;
	uint64		discarded;
} Target;

typedef enum WriteResult
{
	WRITTEN,					/* but for those that are busy */
	ROW_FAILED,					/* for what is in a row: it will not get better */
	FAILED
} WriteResult;

static TsdbIngestSet *set;
static MemoryContext round_memory;

static Statement *ready;		/* in hand, oldest first */
static int	nready = 0;
static int	ready_allocated = 0;
static uint64 *partial;			/* blocks of statements that are not whole yet */
static int	npartial = 0;
static int	partial_allocated = 0;

static bool committed;			/* the last transaction */

static void
at_xact_event(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT)
		committed = true;
}

void
tsdb_drain_init(TsdbIngestSet *own_set)
{
	set = own_set;
	round_memory = AllocSetContextCreate(TopMemoryContext, "tsdb drain round",
										 ALLOCSET_DEFAULT_SIZES);
	ready_allocated = partial_allocated = 1024;
	ready = MemoryContextAlloc(TopMemoryContext, ready_allocated * sizeof(Statement));
	partial = MemoryContextAlloc(TopMemoryContext, partial_allocated * sizeof(uint64));
	RegisterXactCallback(at_xact_event, NULL);
}

/* ---- out of the rings ---- */

static void
add_ready(uint64 first)
{
	if (nready == ready_allocated)
	{
		ready_allocated *= 2;
		ready = repalloc_huge(ready, ready_allocated * sizeof(Statement));
	}
	ready[nready++] = (Statement) {.first = first};
}

/* One more block of a statement; the statement is ready when that was the last. */
static void
take_block(uint64 block)
{
	TsdbIngestBlock *memory = tsdb_ingest_block(block);
	TsdbIngestBlock *head = tsdb_ingest_block(memory->first);
	uint64		first = memory->first;
	int			kept = 0;

	pg_atomic_fetch_sub_u64(&set->bytes, tsdb_ring_slab_size(tsdb_ingest_slab(), block));
	if (++head->arrived < head->nblocks)
	{
		if (npartial == partial_allocated)
		{
			partial_allocated *= 2;
			partial = repalloc_huge(partial, partial_allocated * sizeof(uint64));
		}
		partial[npartial++] = block;
		return;
	}
	if (head->nblocks > 1)
	{
		for (int i = 0; i < npartial; i++)
		{
			if (tsdb_ingest_block(partial[i])->first != first)
				partial[kept++] = partial[i];
		}
		npartial = kept;
	}
	add_ready(first);
}

/* Pop what is there; true if that is all that was pushed when we came. */
static bool
take_blocks(void)
{
	uint64		pushed[TSDB_INGEST_SHARDS];
	Size		bytes = 0;
	bool		all = true;

	for (int i = 0; i < TSDB_INGEST_SHARDS; i++)
		pushed[i] = tsdb_ring_pushed(tsdb_ingest_ring(&set->shards[i]));
	for (int i = 0; i < TSDB_INGEST_SHARDS; i++)
	{
		TsdbRing   *ring = tsdb_ingest_ring(&set->shards[i]);
		uint64		blocks[POP_COUNT];
		uint32		n;

		while (bytes < ROUND_BYTES &&
			   (n = tsdb_ring_pop_many(ring, blocks, POP_COUNT, sizeof(uint64))) > 0)
		{
			for (uint32 b = 0; b < n; b++)
			{
				bytes += tsdb_ingest_rows(tsdb_ingest_block(blocks[b]))->used;
				take_block(blocks[b]);
			}
		}
		all = all && tsdb_ring_popped(ring) >= pushed[i];
	}
	return all && npartial == 0;
}

/* ---- the end of a statement ---- */

/* Nothing is left to be done for it. */
static void
settle(Statement *statement)
{
	for (uint64 block = statement->first; block != 0; block = tsdb_ingest_block(block)->next)
	{
		TsdbIngestBlock *memory = tsdb_ingest_block(block);

		pg_atomic_fetch_add_u64(&set->shards[memory->shard].rows_drained,
								tsdb_ingest_rows(memory)->rows);
	}
	tsdb_ingest_free(set, statement->first);
	statement->first = 0;
}

static void
remember_error(const ErrorData *error)
{
	LWLockAcquire(tsdb_ingest_lock(), LW_EXCLUSIVE);
	set->last_error_at = GetCurrentTimestamp();
	strlcpy(set->last_error, error->message, sizeof(set->last_error));
	set->last_error[pg_mbcliplen(error->message, strlen(error->message),
								 sizeof(set->last_error) - 1)] = '\0';
	LWLockRelease(tsdb_ingest_lock());
	pg_atomic_fetch_add_u64(&set->retries, 1);
}

/* ---- a transaction ---- */

/* The table that a block's rows are for, locked if that is possible at once. */
static Target *
find_target(List **targets, Oid relid)
{
	Target	   *target;
	ListCell   *lc;

	foreach(lc, *targets)
	{
		target = lfirst(lc);
		if (target->relid == relid)
			return target;
	}
	target = palloc0(sizeof(Target));
	target->relid = relid;
	if (!ConditionalLockRelationOid(relid, RowExclusiveLock))
		target->busy = true;
	else
	{
		target->rel = try_relation_open(relid, NoLock);
		if (target->rel != NULL && target->rel->rd_rel->relkind != RELKIND_RELATION)
		{
			relation_close(target->rel, NoLock);
			target->rel = NULL;
		}
	}
	*targets = lappend(*targets, target);
	return target;
}

/* Lock the tables of a statement. */
static void
find_targets(List **targets, Statement *statement)
{
	statement->busy = false;
	for (uint64 block = statement->first; block != 0; block = tsdb_ingest_block(block)->next)
	{
		if (find_target(targets, tsdb_ingest_rows(tsdb_ingest_block(block))->relid)->busy)
			statement->busy = true;
	}
}

/* A row to be written by itself. */
typedef struct SingleRow
{
	Relation	rel;
	const TsdbRowBlock *rows;
	uint32		number;
} SingleRow;

static void
write_single_row(void *arg)
{
	const SingleRow *row = arg;
	TsdbRowWriter *writer = tsdb_row_writer_begin(row->rel, true);

	tsdb_row_writer_add_one(writer, row->rows, row->number, true);
	tsdb_row_writer_end(writer);
}

/* Each row by itself; one that fails becomes a dead letter. */
static void
write_row_by_row(Target *target, TsdbIngestBlock *head, const TsdbRowBlock *rows)
{
	for (uint32 i = 0; i < rows->rows; i++)
	{
		SingleRow	row = {target->rel, rows, i};
		ErrorData  *error;

		CHECK_FOR_INTERRUPTS();
		error = tsdb_attempt(write_single_row, &row);
		if (error == NULL)
			target->rows++;
		else if (!tsdb_dead_letter_is_for(error->sqlerrcode))
			ReThrowError(error);
		else
		{
			tsdb_dead_letter_add(target->rel, rows, i, head->sent_by, error);
			target->discarded++;
		}
	}
}

/*
 * All rows for one table.  What the table's owner has put into indexes, constraints
 * and casts runs as he, and can do no more than he may.
 */
static void
write_to_target(Target *target, Statement *statements, int count, bool row_by_row)
{
	TsdbRowWriter *writer = NULL;
	Oid			save_userid;
	int			save_sec_context;

	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	if (target->rel != NULL)
		SetUserIdAndSecContext(target->rel->rd_rel->relowner,
							   save_sec_context | SECURITY_RESTRICTED_OPERATION);
	if (target->rel != NULL && !row_by_row)
		writer = tsdb_row_writer_begin(target->rel, true);
	for (int i = 0; i < count; i++)
	{
		TsdbIngestBlock *head = tsdb_ingest_block(statements[i].first);

		if (statements[i].busy)
			continue;
		for (uint64 block = statements[i].first; block != 0;
			 block = tsdb_ingest_block(block)->next)
		{
			const TsdbRowBlock *rows = tsdb_ingest_rows(tsdb_ingest_block(block));

			if (rows->relid != target->relid)
				continue;
			if (target->rel == NULL)
				target->discarded += rows->rows;
			else if (row_by_row)
				write_row_by_row(target, head, rows);
			else
			{
				tsdb_row_writer_add(writer, rows, true);
				target->rows += rows->rows;
			}
		}
	}
	if (writer != NULL)
		tsdb_row_writer_end(writer);
	SetUserIdAndSecContext(save_userid, save_sec_context);
}

static void
count_target(Target *target)
{
	TsdbIngestTable *table = tsdb_ingest_table(target->relid);

	if (table == NULL)
		return;
	pg_atomic_fetch_add_u64(&table->rows_drained, target->rows);
	pg_atomic_fetch_add_u64(target->rel == NULL ? &table->rows_discarded : &table->rows_dead,
							target->discarded);
}

/* The transaction, but for its beginning and end. */
static List *
write_in_transaction(Statement *statements, int count, bool row_by_row)
{
	List	   *targets = NIL;
	ListCell   *lc;

	for (int i = 0; i < count; i++)
		find_targets(&targets, &statements[i]);
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach(lc, targets)
		write_to_target(lfirst(lc), statements, count, row_by_row);
	PopActiveSnapshot();
	foreach(lc, targets)
	{
		Target	   *target = lfirst(lc);

		if (target->rel != NULL)
			relation_close(target->rel, NoLock);
	}
	return targets;
}

/* Write statements in one transaction; *error is set if that failed. */
static WriteResult
write_statements(Statement *statements, int count, bool row_by_row, ErrorData **error)
{
	List	   *volatile targets = NIL;
	ListCell   *lc;

	*error = NULL;
	committed = false;
	SetCurrentStatementStartTimestamp();
	pgstat_report_activity(STATE_RUNNING, "tsdb: write rows of the ring");
	StartTransactionCommand();
	PG_TRY();
	{
		MemoryContextSwitchTo(round_memory);
		targets = write_in_transaction(statements, count, row_by_row);
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(round_memory);
		*error = CopyErrorData();
		AbortOutOfAnyTransaction();
		FlushErrorState();
		QueryCancelPending = false;
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(round_memory);
	if (*error != NULL && !committed)
		return tsdb_dead_letter_is_for((*error)->sqlerrcode) ? ROW_FAILED : FAILED;
	pg_atomic_fetch_add_u64(&set->transactions, 1);
	foreach(lc, targets)
		count_target(lfirst(lc));
	return WRITTEN;
}

/* ---- a round ---- */

static void
postpone(Statement *statement, int ms)
{
	statement->not_before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);
}

/* A statement that cannot be written with others, nor alone. */
static void
settle_failed(Statement *statement, WriteResult result, ErrorData *error)
{
	TimestampTz now = GetCurrentTimestamp();

	if (result == ROW_FAILED)
	{
		result = write_statements(statement, 1, true, &error);
		if (result == WRITTEN && !statement->busy)
		{
			settle(statement);
			return;
		}
	}
	if (error != NULL)
	{
		remember_error(error);
		if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE &&
			(statement->reported_at == 0 ||
			 TimestampDifferenceExceeds(statement->reported_at, now, REPORT_INTERVAL)))
		{
			statement->reported_at = now;
			ereport(LOG,
					(errcode(error->sqlerrcode),
					 errmsg("could not write rows of tsdb.ingest(): %s", error->message),
					 error->detail ? errdetail_internal("%s", error->detail) : 0,
					 errhint("They are kept in the ring, and tried again.")));
		}
	}
	postpone(statement, RETRY_WAIT);
}

/* Write and settle statements that are due. */
static void
settle_all(Statement *statements, int count)
{
	ErrorData  *error;
	WriteResult result;

	if (count == 0)
		return;
	result = write_statements(statements, count, false, &error);
	if (result == WRITTEN)
	{
		for (int i = 0; i < count; i++)
		{
			if (statements[i].busy)
				postpone(&statements[i], BUSY_WAIT);
			else
				settle(&statements[i]);
		}
	}
	else if (count > 1)
	{
		settle_all(statements, count / 2);
		settle_all(statements + count / 2, count - count / 2);
	}
	else
		settle_failed(statements, result, error);
}

/* Move what is due now to the front, oldest first; returns how many. */
static int
sort_out_due(void)
{
	TimestampTz now = GetCurrentTimestamp();
	Statement  *later = palloc(Max(nready, 1) * sizeof(Statement));
	int			due = 0;
	int			nlater = 0;

	for (int i = 0; i < nready; i++)
	{
		if (ready[i].not_before <= now)
			ready[due++] = ready[i];
		else
			later[nlater++] = ready[i];
	}
	memcpy(ready + due, later, nlater * sizeof(Statement));
	return due;
}

/* Say which tables have rows that are kept. */
static TimestampTz
publish_kept(void)
{
	TimestampTz next = DT_NOEND;
	int			kept = 0;

	for (int i = 0; i < nready; i++)
	{
		if (ready[i].first != 0)
			ready[kept++] = ready[i];
	}
	nready = kept;
	if (nready == 0 && set->nheld == 0)
		return next;

	LWLockAcquire(tsdb_ingest_lock(), LW_EXCLUSIVE);
	set->nheld = 0;
	set->held_others = false;
	for (int i = 0; i < nready; i++)
	{
		next = Min(next, ready[i].not_before);
		for (uint64 block = ready[i].first; block != 0; block = tsdb_ingest_block(block)->next)
		{
			Oid			relid = tsdb_ingest_rows(tsdb_ingest_block(block))->relid;
			int			h = 0;

			while (h < set->nheld && set->held[h] != relid)
				h++;
			if (h < set->nheld)
				continue;
			if (h < TSDB_INGEST_HELD)
				set->held[set->nheld++] = relid;
			else
				set->held_others = true;
		}
	}
	LWLockRelease(tsdb_ingest_lock());
	return next;
}

TimestampTz
tsdb_drain_round(void)
{
	uint64		wanted = pg_atomic_read_u64(&set->flush_wanted);
	TimestampTz next;
	bool		all;

	pg_atomic_write_u32(&set->crowded, 0);
	pg_memory_barrier();		/* what was pushed before is there, who asked for a flush */
	MemoryContextSwitchTo(round_memory);
	all = take_blocks();
	settle_all(ready, sort_out_due());
	next = publish_kept();
	if (all && wanted > pg_atomic_read_u64(&set->flush_seen))
	{
		if (nready == 0)
			pg_atomic_write_u64(&set->flush_done, wanted);
		pg_write_barrier();
		pg_atomic_write_u64(&set->flush_seen, wanted);
		ConditionVariableBroadcast(&set->flushed);
	}
	else if (nready == 0 && pg_atomic_read_u64(&set->flush_done) <
			 pg_atomic_read_u64(&set->flush_seen))
	{
		pg_atomic_write_u64(&set->flush_done, pg_atomic_read_u64(&set->flush_seen));
		ConditionVariableBroadcast(&set->flushed);
	}
	MemoryContextSwitchTo(TopMemoryContext);
	MemoryContextReset(round_memory);
	return all ? next : TimestampTzPlusMilliseconds(GetCurrentTimestamp(), AGAIN_WAIT);
}

/* ---- the end ---- */

bool
tsdb_drain_is_empty(void)
{
	for (int i = 0; i < TSDB_INGEST_SHARDS; i++)
	{
		if (tsdb_ring_length(tsdb_ingest_ring(&set->shards[i])) > 0)
			return false;
	}
	return nready == 0 && npartial == 0;
}

static void
push_back(uint64 block)
{
	TsdbIngestBlock *memory = tsdb_ingest_block(block);

	pg_atomic_fetch_add_u64(&set->bytes, tsdb_ring_slab_size(tsdb_ingest_slab(), block));
	if (!tsdb_ring_push(tsdb_ingest_ring(&set->shards[memory->shard]), &block, sizeof(block)))
		elog(PANIC, "tsdb ring is full that a place was reserved in");
}

void
tsdb_drain_put_back(void)
{
	for (int i = 0; i < npartial; i++)
	{
		tsdb_ingest_block(tsdb_ingest_block(partial[i])->first)->arrived = 0;
		push_back(partial[i]);
	}
	npartial = 0;
	for (int i = 0; i < nready; i++)
	{
		TsdbIngestBlock *head;

		if (ready[i].first == 0)
			continue;
		head = tsdb_ingest_block(ready[i].first);
		head->arrived = 0;
		for (uint64 block = ready[i].first, next; block != 0; block = next)
		{
			next = tsdb_ingest_block(block)->next;
			push_back(block);
		}
	}
	nready = 0;
}

uint64
tsdb_drain_discard(void)
{
	uint64		rows = 0;

	(void) take_blocks();
	for (int i = 0; i < nready; i++)
	{
		if (ready[i].first == 0)
			continue;
		for (uint64 block = ready[i].first; block != 0; block = tsdb_ingest_block(block)->next)
			rows += tsdb_ingest_rows(tsdb_ingest_block(block))->rows;
		tsdb_ingest_free(set, ready[i].first);
	}
	nready = 0;
	return rows;
}
