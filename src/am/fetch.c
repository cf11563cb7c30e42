/*
 * fetch.c
 *		Access to rows by TID: index scans, TID scans, row versions.
 */
#include "postgres.h"

#include "am/fetch.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "am/row_slot.h"
#include "am/salvage.h"
#include "am/scan.h"
#include "cache/chunk_cache.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "storage/procarray.h"
#include "store/chunk_tid.h"
#include "store/directory.h"
#include "store/marks.h"
#include "store/moves.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* If a merge has moved this chunk row, set *tid to where it is. */
static bool
find_merged(TsdbStorage *storage, ItemPointer tid)
{
	TransactionId replacer;
	uint32		nrows;

	return tsdb_directory_state(storage, tsdb_tid_chunk(tid), &replacer, &nrows) ==
		TSDB_CHUNK_REPLACED && tsdb_moves_find(storage, replacer, tid, tid);
}

/* Has our own transaction buried this chunk row where merges took it since? */
static bool
is_buried_later(TsdbStorage *storage, ItemPointer tid, Snapshot snapshot)
{
	ItemPointerData place = *tid;

	while (find_merged(storage, &place))
	{
		if (!tsdb_marks_row_visible(storage, &place, snapshot))
			return true;
		CHECK_FOR_INTERRUPTS();
	}
	return false;
}

/* Does the snapshot see the row, besides its chunk? */
static bool
is_seen(TsdbStorage *storage, ItemPointer tid, Snapshot snapshot, TransactionId xmin)
{
	/* Lock, then look: who buries the row later looks for the lock then. */
	if (IsMVCCSnapshot(snapshot))
		PredicateLockTID(storage->table, tid, snapshot, xmin);
	return tsdb_marks_row_visible(storage, tid, snapshot) &&
		!(tsdb_marks_check_moved() && IsMVCCSnapshot(snapshot) &&
		  is_buried_later(storage, tid, snapshot));
}

/* The rows of a chunk of this generation, if they were read before. */
static TsdbRowSource *
known_rows(TsdbStorage *storage, uint32 chunk, uint64 generation)
{
	TsdbCachedChunk *cached = tsdb_chunk_cache_find(storage, chunk, generation);

	return cached == NULL ? NULL : cached->rows;
}

/* Decode the rows of a chunk, to stay known; in the current context and for this
 * time only if damaged columns may be read as null. */
static TsdbRowSource *
read_rows(TsdbStorage *storage, TsdbChunkEntry *entry, bool salvage)
{
	TsdbCachedChunk *cached = tsdb_chunk_cache_get(storage, entry);
	MemoryContext old = MemoryContextSwitchTo(salvage ? CurrentMemoryContext : cached->memory);
	TsdbRowSource *rows = palloc(sizeof(TsdbRowSource));

	tsdb_row_source_open(rows, storage, RelationGetDescr(storage->table), entry,
						 cached->reader, salvage);
	MemoryContextSwitchTo(old);
	if (!salvage)
		cached->rows = rows;
	tsdb_chunk_cache_weigh(cached);
	return rows;
}

/* The same as fetch_chunk_row, by the whole directory tuple. */
static bool
fetch_by_entry(TsdbStorage *storage, ItemPointer tid, Snapshot snapshot,
			   TupleTableSlot *slot, bool salvage)
{
	uint32		row = tsdb_tid_row(tid);
	TsdbChunkEntry entry;

	if (!tsdb_directory_fetch(storage, tsdb_tid_chunk(tid), snapshot, &entry) ||
		row >= entry.nrows || !is_seen(storage, tid, snapshot, entry.xmin))
		return false;
	if (slot != NULL)
		tsdb_row_slot_store(slot, read_rows(storage, &entry, salvage), row);
	return true;
}

static bool
fetch_chunk_row(TsdbStorage *storage, ItemPointer tid, Snapshot snapshot,
				TupleTableSlot *slot, bool salvage)
{
	uint32		row = tsdb_tid_row(tid);
	TsdbRowSource *rows;
	TsdbChunkHead head;
	MemoryContext memory;
	MemoryContext old;
	bool		found;

	if (!tsdb_directory_peek(storage, tsdb_tid_chunk(tid), snapshot, &head))
		return false;
	rows = known_rows(storage, tsdb_tid_chunk(tid), head.generation);
	if (rows != NULL && !salvage)
	{
		if (row >= rows->nrows || !is_seen(storage, tid, snapshot, head.xmin))
			return false;
		if (slot != NULL)
			tsdb_row_slot_store(slot, rows, row);
		return true;
	}

	/* The entry, and what is read of a damaged chunk, is needed for this row only. */
	memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb row fetch",
								   ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(memory);
	found = fetch_by_entry(storage, tid, snapshot, slot, salvage);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(memory);
	return found;
}

const TsdbRowSource *
tsdb_fetch_rows(TsdbStorage *storage, uint32 chunk)
{
	TsdbRowSource *rows = NULL;
	TsdbChunkHead head;
	TsdbChunkEntry entry;

	if (!tsdb_directory_peek(storage, chunk, SnapshotAny, &head))
		return NULL;
	rows = known_rows(storage, chunk, head.generation);
	if (rows == NULL && tsdb_directory_fetch(storage, chunk, SnapshotAny, &entry))
	{
		rows = read_rows(storage, &entry, false);
		tsdb_chunk_entry_free(&entry);
	}
	return rows;
}

typedef struct FetchWork
{
	TsdbStorage *storage;
	ItemPointer tid;
	Snapshot	snapshot;
	TupleTableSlot *slot;
	bool		found;
} FetchWork;

static void
fetch_work(void *arg)
{
	FetchWork  *work = arg;

	work->found = fetch_chunk_row(work->storage, work->tid, work->snapshot, work->slot, true);
}

bool
tsdb_fetch_chunk_row(TsdbStorage *storage, ItemPointer tid, Snapshot snapshot,
					 TupleTableSlot *slot)
{
	FetchWork	work = {storage, tid, snapshot, slot, false};

	/* what looks for conflicts may not pass over anything */
	if (tsdb_damaged_chunks == TSDB_DAMAGED_ERROR || !IsMVCCSnapshot(snapshot))
		return fetch_chunk_row(storage, tid, snapshot, slot, false);
	return tsdb_salvage_chunk(storage, tsdb_tid_chunk(tid), 0, false, fetch_work, &work) &&
		work.found;
}

bool
tsdb_fetch_is_visible(TsdbStorage *storage, ItemPointer tid, Snapshot snapshot)
{
	ItemPointerData place = *tid;
	TransactionId mover = InvalidTransactionId;
	HeapTupleData tuple;
	Buffer		buffer;

	while (tsdb_tid_is_chunk(&place))
	{
		if (!tsdb_marks_row_visible(storage, &place, snapshot))
			return false;
		if (tsdb_directory_fetch(storage, tsdb_tid_chunk(&place), snapshot, NULL))
			return true;
		if (!tsdb_moves_origin(storage, &place, &place, &mover))
			return false;
	}
	tuple.t_self = place;
	if (!heap_fetch(storage->table, snapshot, &tuple, &buffer, false))
		return false;
	ReleaseBuffer(buffer);
	return true;
}

uint8 *
tsdb_fetch_hidden(TsdbStorage *storage, uint32 chunk, uint32 nrows, Snapshot snapshot)
{
	uint8	   *hidden = tsdb_marks_hidden(storage, chunk, snapshot);
	TransactionId replacer;
	uint32		stored_rows;

	if (!tsdb_marks_check_moved() || !IsMVCCSnapshot(snapshot) ||
		tsdb_directory_state(storage, chunk, &replacer, &stored_rows) != TSDB_CHUNK_REPLACED)
		return hidden;

	/* An old snapshot sees the chunk, but our own changes went to its successors. */
	for (uint32 row = 0; row < nrows; row++)
	{
		ItemPointerData tid;

		tsdb_tid_set(&tid, chunk, row);
		if (is_buried_later(storage, &tid, snapshot))
		{
			if (hidden == NULL)
				hidden = palloc0(TSDB_CHUNK_ROWS / 8);
			hidden[row / 8] |= 1 << (row % 8);
		}
	}
	return hidden;
}

bool
tsdb_fetch_hides_none(TsdbStorage *storage, Snapshot snapshot)
{
	return IsMVCCSnapshot(snapshot) && !tsdb_marks_check_moved() && tsdb_marks_none(storage);
}

bool
tsdb_fetch_is_buried(TsdbStorage *storage, TupleTableSlot *slot, Snapshot snapshot)
{
	BufferHeapTupleTableSlot *buffer_slot = (BufferHeapTupleTableSlot *) slot;
	HeapTuple	tuple = buffer_slot->base.tuple;
	ItemPointerData destination;
	TransactionId mover;

	if (storage == NULL || tuple == NULL || snapshot->snapshot_type == SNAPSHOT_ANY ||
		!tsdb_moves_is_marked(tuple->t_data))
		return false;
	mover = HeapTupleHeaderGetRawXmax(tuple->t_data);
	if (!TransactionIdIsCurrentTransactionId(mover) &&
		(TransactionIdIsInProgress(mover) || !TransactionIdDidCommit(mover)))
		return false;
	if (!tsdb_moves_find(storage, mover, &tuple->t_self, &destination))
		return false;
	return !tsdb_marks_row_visible(storage, &destination, snapshot) ||
		is_buried_later(storage, &destination, snapshot);
}

/* ---- index scans ---- */

typedef struct TsdbIndexFetch
{
	IndexFetchHeapData heap;	/* must be first: heap's code uses it */
	TsdbStorage *storage;		/* opened at need */

	/* A search by SnapshotDirty: chunk rows returned so far, and whether one of
	 * them was reached by the entry of a former place. */
	ItemPointerData *returned;
	int			nreturned;
	int			allocated;
	bool		followed;
} TsdbIndexFetch;

struct IndexFetchTableData *
tsdb_index_fetch_begin(Relation rel)
{
	TsdbIndexFetch *fetch = palloc0(sizeof(TsdbIndexFetch));

	fetch->heap.xs_base.rel = rel;
	fetch->heap.xs_cbuf = InvalidBuffer;
	return &fetch->heap.xs_base;
}

void
tsdb_index_fetch_reset(struct IndexFetchTableData *base)
{
	TsdbIndexFetch *fetch = (TsdbIndexFetch *) base;

	fetch->nreturned = 0;
	fetch->followed = false;
	GetHeapamTableAmRoutine()->index_fetch_reset(base);
}

void
tsdb_index_fetch_end(struct IndexFetchTableData *base)
{
	TsdbIndexFetch *fetch = (TsdbIndexFetch *) base;

	tsdb_index_fetch_reset(base);
	if (fetch->storage != NULL)
		tsdb_storage_close(fetch->storage);
	if (fetch->returned != NULL)
		pfree(fetch->returned);
	pfree(fetch);
}

static TsdbStorage *
fetch_storage(TsdbIndexFetch *fetch)
{
	if (fetch->storage == NULL)
		fetch->storage = tsdb_storage_open(fetch->heap.xs_base.rel, AccessShareLock);
	return fetch->storage;
}

/*
 * A search by SnapshotDirty that read the index before a move, and comes to the
 * row after it, finds nothing at the old place and has not seen the entry of the
 * new one.  Only a transaction that our snapshot takes for running can have done
 * that; where did it put the row?
 */
static bool
is_recent(TransactionId mover)
{
	return TransactionIdIsNormal(mover) && !TransactionIdIsCurrentTransactionId(mover) &&
		(!ActiveSnapshotSet() || XidInMVCCSnapshot(mover, GetActiveSnapshot())) &&
		!TransactionIdIsInProgress(mover) && TransactionIdDidCommit(mover);
}

static bool
find_moved_lately(TsdbIndexFetch *fetch, ItemPointer tid, TupleTableSlot *slot,
				  ItemPointer destination)
{
	BufferHeapTupleTableSlot *buffer_slot = (BufferHeapTupleTableSlot *) slot;
	ItemPointerData place = *tid;
	bool		found = false;
	bool		again = false;

	/* any version that the entry leads to */
	while (!found &&
		   GetHeapamTableAmRoutine()->index_fetch_tuple(&fetch->heap.xs_base, &place,
														SnapshotAny, slot, &again, NULL))
	{
		HeapTupleHeader tuple = buffer_slot->base.tuple->t_data;

		found = tsdb_moves_is_marked(tuple) && is_recent(HeapTupleHeaderGetRawXmax(tuple)) &&
			fetch_storage(fetch) != NULL &&
			tsdb_moves_find(fetch->storage, HeapTupleHeaderGetRawXmax(tuple), &slot->tts_tid,
							destination);
		if (!again)
			break;
	}
	ExecClearTuple(slot);
	return found;
}

static bool
find_merged_lately(TsdbIndexFetch *fetch, ItemPointer tid)
{
	TransactionId replacer;
	uint32		nrows;

	return tsdb_directory_state(fetch->storage, tsdb_tid_chunk(tid), &replacer, &nrows) ==
		TSDB_CHUNK_REPLACED && is_recent(replacer) &&
		tsdb_moves_find(fetch->storage, replacer, tid, tid);
}

/*
 * An index that was built since may have entries of a row's former place and of
 * the present one.  The row must be returned once: false if it was already.
 */
static bool
is_first_return(TsdbIndexFetch *fetch, ItemPointer place, bool followed)
{
	fetch->followed = fetch->followed || followed;
	for (int i = 0; fetch->followed && i < fetch->nreturned; i++)
	{
		if (ItemPointerEquals(&fetch->returned[i], place))
			return false;
	}
	if (fetch->nreturned == fetch->allocated)
	{
		fetch->allocated = Max(8, fetch->allocated * 2);
		fetch->returned = fetch->returned == NULL ?
			MemoryContextAlloc(GetMemoryChunkContext(fetch),
							   fetch->allocated * sizeof(ItemPointerData)) :
			repalloc(fetch->returned, fetch->allocated * sizeof(ItemPointerData));
	}
	fetch->returned[fetch->nreturned++] = *place;
	return true;
}

/* A chunk row; where it is now, if a merge has moved it meanwhile. */
static bool
fetch_dirty_chunk_row(TsdbIndexFetch *fetch, ItemPointer tid, Snapshot snapshot,
					  TupleTableSlot *slot, bool followed)
{
	ItemPointerData place = *tid;

	do
	{
		CHECK_FOR_INTERRUPTS();
		snapshot->xmin = snapshot->xmax = InvalidTransactionId;
		snapshot->speculativeToken = 0;
		if (tsdb_fetch_chunk_row(fetch->storage, &place, snapshot, slot))
			return is_first_return(fetch, &place,
								   followed || !ItemPointerEquals(&place, tid));
	} while (find_merged_lately(fetch, &place));
	return false;
}

bool
tsdb_index_fetch_tuple(struct IndexFetchTableData *base, ItemPointer tid,
					   Snapshot snapshot, TupleTableSlot *slot,
					   bool *call_again, bool *all_dead)
{
	TsdbIndexFetch *fetch = (TsdbIndexFetch *) base;
	ItemPointerData place;
	bool		found;

	if (!tsdb_tid_is_chunk(tid))
	{
		do
		{
			found = GetHeapamTableAmRoutine()->index_fetch_tuple(base, tid, snapshot, slot,
																 call_again, all_dead);
		} while (found && tsdb_marks_check_moved() &&
				 tsdb_fetch_is_buried(fetch_storage(fetch), slot, snapshot) &&
				 (found = false, *call_again));
		if (found || *call_again || snapshot->snapshot_type != SNAPSHOT_DIRTY ||
			!find_moved_lately(fetch, tid, slot, &place))
			return found;
		if (all_dead != NULL)
			*all_dead = false;
		return fetch_dirty_chunk_row(fetch, &place, snapshot, slot, true);
	}

	/* Index entries of chunk rows are removed by VACUUM only. */
	*call_again = false;
	if (all_dead != NULL)
		*all_dead = false;
	if (fetch_storage(fetch) == NULL)
		return false;
	if (snapshot->snapshot_type == SNAPSHOT_DIRTY)
		return fetch_dirty_chunk_row(fetch, tid, snapshot, slot, false);
	return tsdb_fetch_chunk_row(fetch->storage, tid, snapshot, slot);
}

/*
 * Which entries may an index drop?  Heap's code answers for the row store; of
 * chunk rows it is told nothing, so their entries stay until VACUUM.
 */
TransactionId
tsdb_index_delete_tuples(Relation rel, TM_IndexDeleteOp *delstate)
{
	int			kept = 0;

	for (int i = 0; i < delstate->ndeltids; i++)
	{
		if (!tsdb_tid_is_chunk(&delstate->deltids[i].tid))
			delstate->deltids[kept++] = delstate->deltids[i];
		else
			delstate->status[delstate->deltids[i].id].knowndeletable = false;
	}
	delstate->ndeltids = kept;
	if (kept == 0)
		return InvalidTransactionId;
	return GetHeapamTableAmRoutine()->index_delete_tuples(rel, delstate);
}

/* ---- by TID ---- */

bool
tsdb_tuple_fetch_row_version(Relation rel, ItemPointer tid, Snapshot snapshot,
							 TupleTableSlot *slot)
{
	TsdbStorage *storage;
	bool		found;

	if (!tsdb_tid_is_chunk(tid))
	{
		found = GetHeapamTableAmRoutine()->tuple_fetch_row_version(rel, tid, snapshot, slot);
		if (!found || !tsdb_marks_check_moved())
			return found;
		storage = tsdb_storage_open(rel, AccessShareLock);
		if (storage != NULL)
		{
			found = !tsdb_fetch_is_buried(storage, slot, snapshot);
			tsdb_storage_close(storage);
		}
		return found;
	}

	storage = tsdb_storage_open(rel, AccessShareLock);
	if (storage == NULL)
		return false;
	found = tsdb_fetch_chunk_row(storage, tid, snapshot, slot);
	tsdb_storage_close(storage);
	return found;
}

bool
tsdb_tuple_tid_valid(TableScanDesc base, ItemPointer tid)
{
	TsdbScanDesc *scan = (TsdbScanDesc *) base;

	if (tsdb_tid_is_chunk(tid))
		return ItemPointerIsValid(tid) && scan->storage != NULL &&
			tsdb_chunk_block(tsdb_tid_chunk(tid)) < tsdb_directory_blocks(scan->storage);
	return GetHeapamTableAmRoutine()->tuple_tid_valid(scan->heap, tid);
}

static bool
is_row_visible(Relation rel, ItemPointer tid, Snapshot snapshot)
{
	HeapTupleData tuple = {.t_self = *tid};
	Buffer		buffer;

	if (!heap_fetch(rel, snapshot, &tuple, &buffer, false))
		return false;
	ReleaseBuffer(buffer);
	return true;
}

/*
 * Set *tid to where a row-store tuple has moved, or else to its next version;
 * writer is who wrote the tuple, if that is known, and then who wrote the next.
 */
static bool
find_later_version(TsdbStorage *storage, ItemPointer tid, TransactionId *writer)
{
	HeapTupleData tuple = {.t_self = *tid};
	TransactionId changer = InvalidTransactionId;
	ItemPointerData next;
	Buffer		buffer;
	bool		moved;

	if (!heap_fetch(storage->table, SnapshotAny, &tuple, &buffer, false))
		return false;
	moved = tsdb_moves_is_marked(tuple.t_data);
	if ((tuple.t_data->t_infomask & HEAP_XMAX_INVALID) == 0 &&
		!HEAP_XMAX_IS_LOCKED_ONLY(tuple.t_data->t_infomask) &&
		(!TransactionIdIsValid(*writer) ||
		 TransactionIdEquals(*writer, HeapTupleHeaderGetXmin(tuple.t_data))))
		changer = HeapTupleHeaderGetUpdateXid(tuple.t_data);
	next = tuple.t_data->t_ctid;
	ReleaseBuffer(buffer);

	if (!TransactionIdIsValid(changer))
		return false;
	*writer = changer;
	if (moved)
		return tsdb_moves_find(storage, changer, tid, tid);
	if (ItemPointerEquals(&next, tid) || ItemPointerIndicatesMovedPartitions(&next))
		return false;
	*tid = next;
	return true;
}

/* Of the versions of a row, the last that the scan's snapshot sees; else *tid stays. */
void
tsdb_tuple_get_latest_tid(TableScanDesc base, ItemPointer tid)
{
	TsdbScanDesc *scan = (TsdbScanDesc *) base;
	ItemPointerData place = *tid;
	TransactionId writer = InvalidTransactionId;

	if (scan->storage == NULL)
	{
		if (!tsdb_tid_is_chunk(tid))
			heap_get_latest_tid(scan->heap, tid);
		return;
	}
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (!tsdb_tid_is_chunk(&place))
		{
			if (!find_later_version(scan->storage, &place, &writer))
				return;
		}
		else
		{
			if (!tsdb_marks_successor(scan->storage, &place, &place) &&
				!find_merged(scan->storage, &place))
				return;
			writer = InvalidTransactionId;
		}
		if (tsdb_tid_is_chunk(&place) ?
			tsdb_fetch_chunk_row(scan->storage, &place, base->rs_snapshot, NULL) :
			is_row_visible(base->rs_rd, &place, base->rs_snapshot))
			*tid = place;
	}
}

bool
tsdb_tuple_satisfies_snapshot(Relation rel, TupleTableSlot *slot, Snapshot snapshot)
{
	TsdbStorage *storage;
	bool		result;

	if (!tsdb_tid_is_chunk(&slot->tts_tid))
		return GetHeapamTableAmRoutine()->tuple_satisfies_snapshot(rel, slot, snapshot);
	storage = tsdb_storage_open(rel, AccessShareLock);
	if (storage == NULL)
		return false;
	result = tsdb_fetch_is_visible(storage, &slot->tts_tid, snapshot);
	tsdb_storage_close(storage);
	return result;
}
