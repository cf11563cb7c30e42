/*
 * marks.c
 *		Deleting, updating and locking single rows of immutable chunks.
 */
#include "postgres.h"

#include "store/marks.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/multixact.h"
#include "access/parallel.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "chunk/chunk.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "stats/stop_point.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/predicate.h"
#include "storage/procarray.h"
#include "store/chunk_tid.h"
#include "store/directory.h"
#include "store/internal.h"
#include "store/moves.h"
#include "store/row_lock.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

enum
{
	Anum_row = TSDB_MARKS_ROW,	/* chunk number * TSDB_CHUNK_ROWS + row */
	Anum_state,
	Anum_successor,
	Natts_marks = Anum_successor
};

static bool written_here = false;

TupleDesc
tsdb_marks_tupdesc(void)
{
	TupleDesc	tupdesc = CreateTemplateTupleDesc(Natts_marks);

	TupleDescInitEntry(tupdesc, Anum_row, "chunk_row", INT8OID, -1, 0);
	TupleDescInitEntry(tupdesc, Anum_state, "state", INT2OID, -1, 0);
	TupleDescInitEntry(tupdesc, Anum_successor, "successor", TIDOID, -1, 0);
	return tupdesc;
}

bool
tsdb_marks_check_moved(void)
{
	/* What the leader of a parallel worker did is not known here. */
	return written_here || IsolationIsSerializable() || IsParallelWorker();
}

void
tsdb_marks_at_xact_end(void)
{
	written_here = false;
}

static int64
row_key(uint32 chunk, uint32 row)
{
	return (int64) chunk * TSDB_CHUNK_ROWS + row;
}

/*
 * A scan over marks with keys from first to last.
 *
 * In a serializable transaction the rows read are the table's, and marks are
 * only a part of them: predicate locks on marks, or on pages of their index,
 * would make conflicts of what has nothing to do with each other.  So marks
 * are then read by a snapshot that takes no such locks, each version is judged
 * by the real one, and a conflict with its writer is one on the table.
 */
typedef struct MarkScan
{
	TsdbStorage *storage;
	Snapshot	judge;			/* or NULL: what the scan returns is visible */
	IndexScanDesc scan;
	TupleTableSlot *slot;
	ScanKeyData keys[2];
} MarkScan;

/* A version of a mark as a scan returned it. */
typedef struct MarkVersion
{
	int64		key;
	TsdbMarkState state;
	ItemPointerData tid;		/* of the version, in the marks relation */
	ItemPointerData successor;
	TransactionId xmin;
	CommandId	cmin;
	bool		held;			/* set by find_mark: locked by us, or by several */
} MarkVersion;

static void
begin_marks(TsdbStorage *storage, int64 first, int64 last, Snapshot snapshot,
			MarkScan *scan)
{
	Relation	marks = tsdb_storage_marks(storage);

	ScanKeyInit(&scan->keys[0], 1, BTGreaterEqualStrategyNumber, F_INT8GE,
				Int64GetDatum(first));
	ScanKeyInit(&scan->keys[1], 1, BTLessEqualStrategyNumber, F_INT8LE,
				Int64GetDatum(last));
	scan->storage = storage;
	scan->judge = IsolationIsSerializable() && IsMVCCSnapshot(snapshot) ? snapshot : NULL;
	scan->slot = table_slot_create(marks, NULL);
	scan->scan = index_beginscan(marks, tsdb_storage_marks_index(storage),
								 scan->judge != NULL ? SnapshotAny : snapshot, 2, 0);
	index_rescan(scan->scan, scan->keys, 2, NULL, 0);
}

/* Is the version in the scan's slot visible to the real snapshot? */
static bool
is_seen(MarkScan *scan)
{
	BufferHeapTupleTableSlot *slot = (BufferHeapTupleTableSlot *) scan->slot;
	HeapTuple	tuple = slot->base.tuple;
	bool		visible;

	LockBuffer(slot->buffer, BUFFER_LOCK_SHARE);
	visible = HeapTupleSatisfiesVisibility(tuple, scan->judge, slot->buffer);
	HeapCheckForSerializableConflictOut(visible, scan->storage->table, tuple, slot->buffer,
										scan->judge);
	LockBuffer(slot->buffer, BUFFER_LOCK_UNLOCK);
	return visible;
}

static bool
next_mark(MarkScan *scan, MarkVersion *version)
{
	bool		isnull;
	HeapTuple	tuple;

	do
	{
		if (!index_getnext_slot(scan->scan, ForwardScanDirection, scan->slot))
			return false;
	} while (scan->judge != NULL && !is_seen(scan));
	version->key = DatumGetInt64(slot_getattr(scan->slot, Anum_row, &isnull));
	version->state = (TsdbMarkState) DatumGetInt16(slot_getattr(scan->slot, Anum_state, &isnull));
	version->successor = *(ItemPointer) DatumGetPointer(slot_getattr(scan->slot, Anum_successor,
																	&isnull));
	version->tid = scan->slot->tts_tid;
	tuple = ExecFetchSlotHeapTuple(scan->slot, false, NULL);
	version->xmin = HeapTupleHeaderGetXmin(tuple->t_data);
	version->cmin = TransactionIdIsCurrentTransactionId(version->xmin) ?
		HeapTupleHeaderGetCmin(tuple->t_data) : FirstCommandId;
	return true;
}

static void
end_marks(MarkScan *scan)
{
	index_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
}

/* Most tables have no marks at all, and then nothing needs to be searched. */
static bool
has_marks(TsdbStorage *storage)
{
	if (!storage->facts.has_marks &&
		RelationGetNumberOfBlocks(tsdb_storage_marks(storage)) > 0)
	{
		storage->facts.has_marks = true;
		tsdb_storage_remember(storage);
	}
	return storage->facts.has_marks;
}

uint8 *
tsdb_marks_hidden(TsdbStorage *storage, uint32 chunk, Snapshot snapshot)
{
	uint8	   *hidden = NULL;
	uint8	   *living = NULL;
	MarkVersion version;
	MarkScan	scan;

	if (snapshot->snapshot_type == SNAPSHOT_ANY || !has_marks(storage))
		return NULL;

	begin_marks(storage, row_key(chunk, 0), row_key(chunk, TSDB_CHUNK_ROWS - 1),
				snapshot, &scan);
	while (next_mark(&scan, &version))
	{
		uint32		row = version.key % TSDB_CHUNK_ROWS;

		if (hidden == NULL)
		{
			hidden = palloc0(TSDB_CHUNK_ROWS / 8 * 2);
			living = hidden + TSDB_CHUNK_ROWS / 8;
		}
		if (version.state == TSDB_MARK_STUB)
			living[row / 8] |= 1 << (row % 8);
		else
			hidden[row / 8] |= 1 << (row % 8);
	}
	end_marks(&scan);

	/* Only a snapshot that is not MVCC sees two versions; the stub wins. */
	if (hidden != NULL)
	{
		for (int i = 0; i < TSDB_CHUNK_ROWS / 8; i++)
			hidden[i] &= ~living[i];
	}
	return hidden;
}

bool
tsdb_marks_any(TsdbStorage *storage, uint32 chunk)
{
	MarkVersion version;
	MarkScan	scan;
	bool		found;

	if (!has_marks(storage))
		return false;
	begin_marks(storage, row_key(chunk, 0), row_key(chunk, TSDB_CHUNK_ROWS - 1),
				SnapshotAny, &scan);
	found = next_mark(&scan, &version);
	end_marks(&scan);
	return found;
}

bool
tsdb_marks_row_visible(TsdbStorage *storage, ItemPointer tid, Snapshot snapshot)
{
	bool		dirty = snapshot->snapshot_type == SNAPSHOT_DIRTY;
	TransactionId xmin = dirty ? snapshot->xmin : InvalidTransactionId;
	TransactionId xmax = dirty ? snapshot->xmax : InvalidTransactionId;
	int64		key = row_key(tsdb_tid_chunk(tid), tsdb_tid_row(tid));
	bool		visible = true;
	TransactionId deleter = InvalidTransactionId;
	MarkVersion version;
	MarkScan	scan;

	if (snapshot->snapshot_type == SNAPSHOT_ANY || !has_marks(storage))
		return true;

	begin_marks(storage, key, key, snapshot, &scan);
	while (next_mark(&scan, &version))
	{
		visible = version.state == TSDB_MARK_STUB;
		if (dirty && visible)
			deleter = snapshot->xmax;
		else if (dirty && TransactionIdIsValid(snapshot->xmin))
		{
			/* A tombstone without a stub, and not yet committed. */
			visible = true;
			deleter = snapshot->xmin;
		}
		if (visible)
			break;
	}
	end_marks(&scan);

	if (dirty)
	{
		/* What the directory tuple said stands, unless the mark says more. */
		snapshot->xmin = xmin;
		snapshot->xmax = visible && TransactionIdIsValid(deleter) ? deleter : xmax;
		snapshot->speculativeToken = 0;
	}
	return visible;
}

static HeapTuple
form_mark(TsdbStorage *storage, int64 key, TsdbMarkState state, ItemPointer successor)
{
	Datum		values[Natts_marks];
	bool		nulls[Natts_marks] = {0};

	values[Anum_row - 1] = Int64GetDatum(key);
	values[Anum_state - 1] = Int16GetDatum((int16) state);
	values[Anum_successor - 1] = PointerGetDatum(successor);
	return heap_form_tuple(RelationGetDescr(tsdb_storage_marks(storage)), values, nulls);
}

static void
insert_stub(TsdbStorage *storage, int64 key, ItemPointer stub)
{
	Relation	marks = tsdb_storage_marks(storage);
	ItemPointerData none;
	HeapTuple	tuple;

	ItemPointerSetInvalid(&none);
	tuple = form_mark(storage, key, TSDB_MARK_STUB, &none);
	heap_insert(marks, tuple, GetCurrentCommandId(true),
				HEAP_INSERT_FROZEN | HEAP_INSERT_NO_LOGICAL, NULL);
	tsdb_internal_index_insert(marks, tsdb_storage_marks_index(storage), tuple);
	*stub = tuple->t_self;
	heap_freetuple(tuple);
}

/* Failure data for a row that a tombstone says is gone. */
static TM_Result
report_tombstone(const MarkVersion *version, ItemPointer tid, CommandId cid,
				 TM_FailureData *failure)
{
	failure->xmax = version->xmin;
	failure->cmax = InvalidCommandId;
	if (version->state == TSDB_MARK_MOVED)
		ItemPointerSetMovedPartitions(&failure->ctid);
	else if (version->state == TSDB_MARK_UPDATED)
		failure->ctid = version->successor;
	else
		failure->ctid = *tid;

	if (TransactionIdIsCurrentTransactionId(version->xmin))
	{
		failure->cmax = version->cmin;
		return version->cmin >= cid ? TM_SelfModified : TM_Invisible;
	}
	return version->state == TSDB_MARK_DELETED ? TM_Deleted : TM_Updated;
}

/*
 * Look for a tombstone of this row by any committed transaction or our own,
 * also one that a merge has deleted since.
 */
static bool
find_tombstone(TsdbStorage *storage, int64 key, MarkVersion *found)
{
	MarkVersion version;
	MarkScan	scan;
	bool		result = false;

	if (!has_marks(storage))
		return false;
	begin_marks(storage, key, key, SnapshotAny, &scan);
	while (!result && next_mark(&scan, &version))
	{
		if (version.state != TSDB_MARK_STUB &&
			(TransactionIdIsCurrentTransactionId(version.xmin) ||
			 (!TransactionIdIsInProgress(version.xmin) &&
			  TransactionIdDidCommit(version.xmin))))
		{
			*found = version;
			result = true;
		}
	}
	end_marks(&scan);
	return result;
}

/* Does a lock on this stub outlive an update of its row by us? */
static bool
is_held(HeapTupleHeader stub)
{
	TransactionId xmax = HeapTupleHeaderGetRawXmax(stub);

	if (stub->t_infomask & HEAP_XMAX_INVALID)
		return false;
	if (stub->t_infomask & HEAP_XMAX_IS_MULTI)
		return MultiXactIdIsRunning(xmax, HEAP_XMAX_IS_LOCKED_ONLY(stub->t_infomask));
	return TransactionIdIsCurrentTransactionId(xmax);
}

/* Find the row's present mark by a dirty look; *deleter is who runs and has put
 * a tombstone there without a stub. */
static bool
find_mark(TsdbStorage *storage, int64 key, MarkVersion *found, TransactionId *deleter)
{
	SnapshotData dirty;
	MarkVersion version;
	MarkScan	scan;
	bool		result = false;

	*deleter = InvalidTransactionId;
	if (!has_marks(storage))
		return false;
	InitDirtySnapshot(dirty);
	begin_marks(storage, key, key, &dirty, &scan);
	while (next_mark(&scan, &version))
	{
		*found = version;
		*deleter = dirty.xmin;
		result = true;
		found->held = false;
		if (version.state == TSDB_MARK_STUB)
		{
			found->held = is_held(ExecFetchSlotHeapTuple(scan.slot, false, NULL)->t_data);
			*deleter = InvalidTransactionId;
			break;
		}
	}
	end_marks(&scan);
	return result;
}

/*
 * A row that another transaction has updated without changing its key may still
 * be locked for key share, as it was before: find the stub that the update has
 * left behind.
 */
static bool
may_share_key(TsdbStorage *storage, int64 key, const MarkVersion *tombstone,
			  ItemPointer stub)
{
	MarkVersion version;
	MarkScan	scan;
	bool		found = false;

	if (tombstone->state != TSDB_MARK_UPDATED ||
		TransactionIdIsCurrentTransactionId(tombstone->xmin))
		return false;
	begin_marks(storage, key, key, SnapshotAny, &scan);
	while (!found && next_mark(&scan, &version))
	{
		HeapTuple	tuple = ExecFetchSlotHeapTuple(scan.slot, false, NULL);

		found = version.state == TSDB_MARK_STUB &&
			(tuple->t_data->t_infomask & HEAP_XMAX_INVALID) == 0 &&
			(tuple->t_data->t_infomask2 & HEAP_KEYS_UPDATED) == 0;
		if (found)
			*stub = version.tid;
	}
	end_marks(&scan);
	return found;
}

typedef enum StubSearch
{
	STUB_FOUND,
	STUB_NONE,					/* the row was never touched */
	STUB_GONE,					/* result and failure are set */
	STUB_MOVED,					/* *tid was changed: search again */
	STUB_WAIT					/* for *changer */
} StubSearch;

/* Find the stub of a row, under the chunk's tuple lock. */
static StubSearch
find_stub(TsdbStorage *storage, ItemPointer tid, CommandId cid,
		  LockTupleMode mode, TransactionId *changer, TsdbMark *mark,
		  TM_Result *result, TM_FailureData *failure)
{
	uint32		chunk = tsdb_tid_chunk(tid);
	int64		key = row_key(chunk, tsdb_tid_row(tid));
	ItemPointerData destination;
	MarkVersion version;
	uint32		nrows = 0;

	switch (tsdb_directory_state(storage, chunk, changer, &nrows))
	{
		case TSDB_CHUNK_REPLACING:
			return STUB_WAIT;
		case TSDB_CHUNK_ABSENT:
			*result = TM_Deleted;
			failure->ctid = *tid;
			failure->xmax = InvalidTransactionId;
			failure->cmax = InvalidCommandId;
			return STUB_GONE;
		case TSDB_CHUNK_REPLACED:
			if (find_tombstone(storage, key, &version))
			{
				if (mode == LockTupleKeyShare && may_share_key(storage, key, &version, &mark->stub))
					return STUB_FOUND;
				*result = report_tombstone(&version, tid, cid, failure);
				return STUB_GONE;
			}
			if (tsdb_moves_find(storage, *changer, tid, &destination))
			{
				*tid = destination;
				return STUB_MOVED;
			}
			*result = TM_Deleted;
			failure->ctid = *tid;
			failure->xmax = *changer;
			failure->cmax = InvalidCommandId;
			return STUB_GONE;
		case TSDB_CHUNK_LIVE:
			break;
	}
	if (tsdb_tid_row(tid) >= nrows)
	{
		*result = TM_Deleted;
		failure->ctid = *tid;
		failure->xmax = InvalidTransactionId;
		failure->cmax = InvalidCommandId;
		return STUB_GONE;
	}

	if (!find_mark(storage, key, &version, changer))
		return STUB_NONE;
	if (TransactionIdIsValid(*changer))
		return STUB_WAIT;
	if (mode == LockTupleKeyShare && may_share_key(storage, key, &version, &mark->stub))
		return STUB_FOUND;
	if (version.state != TSDB_MARK_STUB)
	{
		*result = report_tombstone(&version, tid, cid, failure);
		return STUB_GONE;
	}
	mark->stub = version.tid;
	mark->held = version.held;
	return STUB_FOUND;
}

/* The tombstone of an update, by a transaction that has not aborted. */
static bool
find_update(TsdbStorage *storage, int64 key, MarkVersion *found)
{
	SnapshotData dirty;
	MarkVersion version;
	MarkScan	scan;
	bool		result = false;

	InitDirtySnapshot(dirty);
	begin_marks(storage, key, key, &dirty, &scan);
	while (!result && next_mark(&scan, &version))
	{
		result = version.state == TSDB_MARK_UPDATED;
		if (result)
			*found = version;
	}
	end_marks(&scan);
	return result;
}

/*
 * FOR KEY SHARE was granted on a version that is being updated, or was: the
 * later versions must be locked, too.  If that fails, the failure is that of
 * the update, so that the caller may follow it to the row's end.
 */
static TM_Result
lock_later_versions(TsdbStorage *storage, ItemPointer tid, CommandId cid,
					LockWaitPolicy policy, TM_FailureData *failure)
{
	int64		key = row_key(tsdb_tid_chunk(tid), tsdb_tid_row(tid));
	MarkVersion update;
	ItemPointerData place;
	TM_FailureData ignored;
	TsdbMark	mark;
	TM_Result	result;

	if (!find_update(storage, key, &update) &&
		(!find_tombstone(storage, key, &update) || update.state != TSDB_MARK_UPDATED))
		return TM_Ok;
	if (TransactionIdIsCurrentTransactionId(update.xmin))
		return TM_Ok;
	place = update.successor;
	result = tsdb_row_lock_later(storage, &place, update.xmin, policy);
	if (result == TM_Ok && ItemPointerIsValid(&place))
		result = tsdb_marks_lock(storage, &place, cid, LockTupleKeyShare, policy, &ignored,
								 &mark);
	failure->ctid = update.successor;
	failure->xmax = update.xmin;
	failure->cmax = InvalidCommandId;
	return result;
}

static TM_Result
lock_row(TsdbStorage *storage, ItemPointer tid, CommandId cid, LockTupleMode mode,
		 LockWaitPolicy wait_policy, bool claim, TM_FailureData *failure, TsdbMark *mark)
{
	Relation	marks = tsdb_storage_marks(storage);

	failure->traversed = false;
	for (;;)
	{
		TransactionId changer = InvalidTransactionId;
		TM_Result	result = TM_Ok;
		StubSearch	search;
		HeapTupleData tuple;
		Buffer		buffer;

		CHECK_FOR_INTERRUPTS();
		ItemPointerSetInvalid(&mark->stub);
		mark->held = false;
		tsdb_tid_set(&mark->guard, tsdb_tid_chunk(tid), 0);
		LockTuple(storage->table, &mark->guard, ExclusiveLock);
		search = find_stub(storage, tid, cid, mode, &changer, mark, &result, failure);
		if (search == STUB_NONE && claim && mode == LockTupleExclusive)
			return TM_Ok;
		if (search == STUB_NONE)
		{
			insert_stub(storage, row_key(tsdb_tid_chunk(tid), tsdb_tid_row(tid)), &mark->stub);
			tsdb_stop_point("mark_after_stub");
		}
		UnlockTuple(storage->table, &mark->guard, ExclusiveLock);

		if (search == STUB_GONE)
			return result;
		if (search == STUB_MOVED)
			continue;
		if (search == STUB_WAIT)
		{
			if (!tsdb_row_lock_wait(storage->table, tid, changer, wait_policy, XLTW_Lock))
				return TM_WouldBlock;
			continue;
		}

		tuple.t_self = mark->stub;
		result = heap_lock_tuple(marks, &tuple, cid, mode,
								 wait_policy == LockWaitError ? LockWaitSkip : wait_policy,
								 false, &buffer, failure);
		ReleaseBuffer(buffer);
		if (result == TM_WouldBlock && wait_policy == LockWaitError)
			tsdb_row_lock_refuse(storage->table);

		switch (result)
		{
			case TM_Ok:
				if (mode == LockTupleKeyShare)
					result = lock_later_versions(storage, tid, cid, wait_policy, failure);
				return result;
			case TM_WouldBlock:
				return result;
			case TM_Updated:
			case TM_Deleted:
			case TM_SelfModified:
			case TM_Invisible:
				/* Buried meanwhile, or its chunk replaced: look again. */
				continue;
			default:
				elog(ERROR, "unexpected result %d locking a mark", result);
		}
	}
}

TM_Result
tsdb_marks_lock(TsdbStorage *storage, ItemPointer tid, CommandId cid,
				LockTupleMode mode, LockWaitPolicy wait_policy,
				TM_FailureData *failure, TsdbMark *mark)
{
	return lock_row(storage, tid, cid, mode, wait_policy, false, failure, mark);
}

TM_Result
tsdb_marks_claim(TsdbStorage *storage, ItemPointer tid, CommandId cid,
				 LockTupleMode mode, LockWaitPolicy wait_policy,
				 TM_FailureData *failure, TsdbMark *mark)
{
	return lock_row(storage, tid, cid, mode, wait_policy, true, failure, mark);
}

void
tsdb_marks_release(TsdbStorage *storage, TsdbMark *mark)
{
	if (!ItemPointerIsValid(&mark->stub))
		UnlockTuple(storage->table, &mark->guard, ExclusiveLock);
}

bool
tsdb_marks_successor(TsdbStorage *storage, ItemPointer tid, ItemPointer successor)
{
	MarkVersion version;

	if (!find_tombstone(storage, row_key(tsdb_tid_chunk(tid), tsdb_tid_row(tid)), &version) ||
		version.state != TSDB_MARK_UPDATED)
		return false;
	*successor = version.successor;
	return true;
}

void
tsdb_marks_bury(TsdbStorage *storage, ItemPointer tid, TsdbMark *mark,
				TsdbMarkState state, ItemPointer successor, CommandId cid)
{
	Relation	marks = tsdb_storage_marks(storage);
	bool		alone = !ItemPointerIsValid(&mark->stub);
	ItemPointerData none;
	HeapTuple	tuple;

	ItemPointerSetInvalid(&none);
	tuple = form_mark(storage, row_key(tsdb_tid_chunk(tid), tsdb_tid_row(tid)),
					  state, successor != NULL ? successor : &none);
	if (alone)
		heap_insert(marks, tuple, cid, HEAP_INSERT_NO_LOGICAL, NULL);
	else
	{
		TM_FailureData failure;
		LockTupleMode mode;
		TM_Result	result = heap_update(marks, &mark->stub, tuple, cid, InvalidSnapshot,
										 true, &failure, &mode);

		if (result != TM_Ok)
			elog(ERROR, "could not mark a locked chunk row as deleted: result %d", result);
	}
	if (!HeapTupleIsHeapOnly(tuple))
		tsdb_internal_index_insert(marks, tsdb_storage_marks_index(storage), tuple);
	if (alone)
		tsdb_stop_point("mark_after_tombstone");
	tsdb_marks_release(storage, mark);
	heap_freetuple(tuple);
	written_here = true;
}

bool
tsdb_marks_take(TsdbStorage *storage, uint32 chunk, uint8 *hidden)
{
	Relation	marks = tsdb_storage_marks(storage);
	CommandId	cid = GetCurrentCommandId(true);
	SnapshotData dirty;
	MarkVersion version;
	MarkScan	scan;
	bool		free = true;

	memset(hidden, 0, TSDB_CHUNK_ROWS / 8);
	if (!has_marks(storage))
		return true;

	InitDirtySnapshot(dirty);
	begin_marks(storage, row_key(chunk, 0), row_key(chunk, TSDB_CHUNK_ROWS - 1),
				&dirty, &scan);
	while (free && next_mark(&scan, &version))
	{
		uint32		row = version.key % TSDB_CHUNK_ROWS;
		TM_FailureData failure;

		if (TransactionIdIsValid(dirty.xmin) || TransactionIdIsValid(dirty.xmax))
			free = false;
		else
			free = heap_delete(marks, &version.tid, cid, InvalidSnapshot, false,
							   &failure, false) == TM_Ok;
		if (version.state != TSDB_MARK_STUB)
			hidden[row / 8] |= 1 << (row % 8);
	}
	end_marks(&scan);
	return free;
}
