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
#include "port/pg_bitutils.h"
#include "stats/stop_point.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/predicate.h"
#include "storage/procarray.h"
#include "store/chunk_tid.h"
#include "store/directory.h"
#include "store/internal.h"
#include "store/mark_group.h"
#include "store/mark_scan.h"
#include "store/moves.h"
#include "store/row_lock.h"
#include "store/touched.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

static bool written_here = false;

/* A row of this session's: whose, and under which subtransaction. */
typedef struct OwnRow
{
	Oid			identity;		/* invalid if there is none */
	ItemPointerData tid;
	TransactionId xid;
} OwnRow;

/* The row that was locked last, whose mark is still a stub: who changes it
 * next need not look for that again. */
static struct
{
	OwnRow		row;
	LockTupleMode mode;
	ItemPointerData stub;
}			last_locked;

/* The row that was buried last: gone for whom a snapshot of the present counts. */
static OwnRow last_buried;

static void
own_row_set(OwnRow *row, const TsdbStorage *storage, ItemPointer tid)
{
	row->identity = storage->identity;
	row->tid = *tid;
	row->xid = GetCurrentTransactionId();
}

static bool
own_row_is(OwnRow *row, const TsdbStorage *storage, ItemPointer tid)
{
	return row->identity == storage->identity && ItemPointerEquals(&row->tid, tid) &&
		TransactionIdEquals(row->xid, GetCurrentTransactionIdIfAny());
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
	last_locked.row.identity = InvalidOid;
	last_buried.identity = InvalidOid;
	tsdb_mark_group_at_xact_end();
}

/* Set the bits of the rows that a tombstone buries. */
static void
hide_rows(uint8 *hidden, const TsdbMarkVersion *tombstone)
{
	if (tombstone->group == NULL)
		hidden[tombstone->row / 8] |= 1 << (tombstone->row % 8);
	for (int i = 0; tombstone->group != NULL && i < TSDB_MARK_GROUP_BYTES; i++)
		hidden[tombstone->row / 8 + i] |= tombstone->group[i];
}

uint8 *
tsdb_marks_hidden(TsdbStorage *storage, uint32 chunk, Snapshot snapshot)
{
	uint8	   *hidden = NULL;
	uint8	   *living = NULL;
	TsdbMarkVersion version;
	TsdbMarkScan scan;

	if (snapshot->snapshot_type == SNAPSHOT_ANY || !tsdb_mark_scan_useful(storage))
		return NULL;

	tsdb_mark_scan_chunk(storage, chunk, snapshot, &scan);
	while (tsdb_mark_scan_next(&scan, &version))
	{
		if (hidden == NULL)
		{
			hidden = palloc0(TSDB_CHUNK_ROWS / 8 * 2);
			living = hidden + TSDB_CHUNK_ROWS / 8;
		}
		if (version.state == TSDB_MARK_STUB)
			living[version.row / 8] |= 1 << (version.row % 8);
		else
			hide_rows(hidden, &version);
	}
	tsdb_mark_scan_end(&scan);

	/* Only a snapshot that is not MVCC sees two versions; the stub wins. */
	if (hidden != NULL)
	{
		for (int i = 0; i < TSDB_CHUNK_ROWS / 8; i++)
			hidden[i] &= ~living[i];
	}
	return hidden;
}

bool
tsdb_marks_none(TsdbStorage *storage)
{
	return !tsdb_mark_scan_useful(storage);
}

uint8 *
tsdb_marks_gone(TsdbStorage *storage, uint32 chunk, TransactionId oldest_xmin)
{
	uint8	   *gone = NULL;
	TsdbMarkVersion version;
	TsdbMarkScan scan;

	if (!tsdb_mark_scan_useful(storage))
		return NULL;
	tsdb_mark_scan_chunk(storage, chunk, SnapshotSelf, &scan);
	while (tsdb_mark_scan_next(&scan, &version))
	{
		if (version.state == TSDB_MARK_STUB ||
			!TransactionIdPrecedes(version.xmin, oldest_xmin))
			continue;
		if (gone == NULL)
			gone = palloc0(TSDB_CHUNK_ROWS / 8);
		hide_rows(gone, &version);
	}
	tsdb_mark_scan_end(&scan);
	return gone;
}

Size
tsdb_marks_weigh(TsdbStorage *storage, uint32 chunk, Snapshot snapshot, uint32 *dead,
				 uint32 *touched)
{
	const Size	index_bytes = MAXALIGN(sizeof(IndexTupleData)) + sizeof(int64) + sizeof(ItemIdData);
	uint32		stubs = 0;
	Size		bytes = 0;
	uint8		hidden[TSDB_CHUNK_ROWS / 8] = {0};
	TsdbMarkVersion version;
	TsdbMarkScan scan;

	*dead = *touched = 0;
	if (!tsdb_mark_scan_useful(storage))
		return 0;
	tsdb_mark_scan_chunk(storage, chunk, snapshot, &scan);
	while (tsdb_mark_scan_next(&scan, &version))
	{
		HeapTuple	tuple = ExecFetchSlotHeapTuple(scan.slot, false, NULL);

		bytes += MAXALIGN(tuple->t_len) + sizeof(ItemIdData) + index_bytes;
		if (version.state == TSDB_MARK_STUB)
			stubs++;
		else
			hide_rows(hidden, &version);
	}
	tsdb_mark_scan_end(&scan);
	*dead = pg_popcount((char *) hidden, sizeof(hidden));
	*touched = *dead + stubs;
	return bytes;
}

bool
tsdb_marks_any(TsdbStorage *storage, uint32 chunk)
{
	TsdbMarkVersion version;
	TsdbMarkScan scan;
	bool		found;

	if (!tsdb_mark_scan_useful(storage))
		return false;
	tsdb_mark_scan_chunk(storage, chunk, SnapshotAny, &scan);
	found = tsdb_mark_scan_next(&scan, &version);
	tsdb_mark_scan_end(&scan);
	return found;
}

bool
tsdb_marks_row_visible(TsdbStorage *storage, ItemPointer tid, Snapshot snapshot)
{
	bool		dirty = snapshot->snapshot_type == SNAPSHOT_DIRTY;
	TransactionId xmin = dirty ? snapshot->xmin : InvalidTransactionId;
	TransactionId xmax = dirty ? snapshot->xmax : InvalidTransactionId;
	bool		visible = true;
	TransactionId deleter = InvalidTransactionId;
	TsdbMarkVersion version;
	TsdbMarkScan scan;

	if (snapshot->snapshot_type == SNAPSHOT_ANY || !tsdb_mark_scan_useful(storage))
		return true;
	if (dirty && own_row_is(&last_buried, storage, tid))
		return false;
	if (tsdb_touched_never(storage, tid))
		return true;

	tsdb_mark_scan_row(storage, tid, snapshot, &scan);
	while (tsdb_mark_scan_next(&scan, &version))
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
	tsdb_mark_scan_end(&scan);

	if (dirty)
	{
		/* What the directory tuple said stands, unless the mark says more. */
		snapshot->xmin = xmin;
		snapshot->xmax = visible && TransactionIdIsValid(deleter) ? deleter : xmax;
		snapshot->speculativeToken = 0;
	}
	return visible;
}

static int64
row_key(ItemPointer tid)
{
	return tsdb_mark_row_key(tsdb_tid_chunk(tid), tsdb_tid_row(tid));
}

static void
insert_stub(TsdbStorage *storage, ItemPointer tid, ItemPointer stub)
{
	Relation	marks = tsdb_storage_marks(storage);
	HeapTuple	tuple = tsdb_mark_form(storage, row_key(tid), TSDB_MARK_STUB, NULL, NULL);

	tsdb_touched_begin(storage, tid);
	heap_insert(marks, tuple, GetCurrentCommandId(true),
				HEAP_INSERT_FROZEN | HEAP_INSERT_NO_LOGICAL, NULL);
	tsdb_internal_index_insert(marks, tsdb_storage_marks_index(storage), tuple);
	tsdb_touched_note(storage, tid, false);
	*stub = tuple->t_self;
	heap_freetuple(tuple);
}

/* Failure data for a row that a tombstone says is gone. */
static TM_Result
report_tombstone(const TsdbMarkVersion *version, ItemPointer tid, CommandId cid,
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
find_tombstone(TsdbStorage *storage, ItemPointer tid, TsdbMarkVersion *found)
{
	TsdbMarkVersion version;
	TsdbMarkScan scan;
	bool		result = false;

	if (!tsdb_mark_scan_useful(storage))
		return false;
	tsdb_mark_scan_row(storage, tid, SnapshotAny, &scan);
	while (!result && tsdb_mark_scan_next(&scan, &version))
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
	tsdb_mark_scan_end(&scan);
	return result;
}

/* Is this version of a mark locked, by several who run or by one who is what "is_he" asks? */
static bool
is_locked(HeapTupleHeader mark, bool (*is_he) (TransactionId xid))
{
	TransactionId xmax = HeapTupleHeaderGetRawXmax(mark);

	if (mark->t_infomask & HEAP_XMAX_INVALID)
		return false;
	if (mark->t_infomask & HEAP_XMAX_IS_MULTI)
		return MultiXactIdIsRunning(xmax, HEAP_XMAX_IS_LOCKED_ONLY(mark->t_infomask));
	return is_he(xmax);
}

/* Find the row's present mark by a dirty look; *deleter is who runs and has put
 * a tombstone there without a stub. */
static bool
find_mark(TsdbStorage *storage, ItemPointer tid, TsdbMarkVersion *found, TransactionId *deleter)
{
	SnapshotData dirty;
	TsdbMarkVersion version;
	TsdbMarkScan scan;
	bool		result = false;

	*deleter = InvalidTransactionId;
	if (!tsdb_mark_scan_useful(storage) || tsdb_touched_never(storage, tid))
		return false;
	InitDirtySnapshot(dirty);
	tsdb_mark_scan_row(storage, tid, &dirty, &scan);
	while (tsdb_mark_scan_next(&scan, &version))
	{
		*found = version;
		*deleter = dirty.xmin;
		result = true;
		found->held = false;
		if (version.state == TSDB_MARK_STUB)
		{
			/* such a lock outlives an update of the row by us */
			found->held = is_locked(ExecFetchSlotHeapTuple(scan.slot, false, NULL)->t_data,
									TransactionIdIsCurrentTransactionId);
			*deleter = InvalidTransactionId;
			break;
		}
	}
	tsdb_mark_scan_end(&scan);
	return result;
}

/*
 * A row that another transaction has updated without changing its key may still
 * be locked for key share, as it was before: find the stub that the update has
 * left behind.
 */
static bool
may_share_key(TsdbStorage *storage, ItemPointer tid, const TsdbMarkVersion *tombstone,
			  ItemPointer stub)
{
	TsdbMarkVersion version;
	TsdbMarkScan scan;
	bool		found = false;

	if (tombstone->state != TSDB_MARK_UPDATED ||
		TransactionIdIsCurrentTransactionId(tombstone->xmin))
		return false;
	tsdb_mark_scan_row(storage, tid, SnapshotAny, &scan);
	while (!found && tsdb_mark_scan_next(&scan, &version))
	{
		HeapTuple	tuple = ExecFetchSlotHeapTuple(scan.slot, false, NULL);

		found = version.state == TSDB_MARK_STUB &&
			(tuple->t_data->t_infomask & HEAP_XMAX_INVALID) == 0 &&
			(tuple->t_data->t_infomask2 & HEAP_KEYS_UPDATED) == 0;
		if (found)
			*stub = version.tid;
	}
	tsdb_mark_scan_end(&scan);
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
	ItemPointerData destination;
	TsdbMarkVersion version;
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
			if (find_tombstone(storage, tid, &version))
			{
				if (mode == LockTupleKeyShare && may_share_key(storage, tid, &version, &mark->stub))
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

	if (!find_mark(storage, tid, &version, changer))
		return STUB_NONE;
	if (TransactionIdIsValid(*changer))
		return STUB_WAIT;
	if (mode == LockTupleKeyShare && may_share_key(storage, tid, &version, &mark->stub))
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
find_update(TsdbStorage *storage, ItemPointer tid, TsdbMarkVersion *found)
{
	SnapshotData dirty;
	TsdbMarkVersion version;
	TsdbMarkScan scan;
	bool		result = false;

	InitDirtySnapshot(dirty);
	tsdb_mark_scan_row(storage, tid, &dirty, &scan);
	while (!result && tsdb_mark_scan_next(&scan, &version))
	{
		result = version.state == TSDB_MARK_UPDATED;
		if (result)
			*found = version;
	}
	tsdb_mark_scan_end(&scan);
	return result;
}

TM_Result
tsdb_marks_lock_later(TsdbStorage *storage, ItemPointer next, TransactionId updater,
					  CommandId cid, LockWaitPolicy policy, TM_FailureData *failure)
{
	ItemPointerData place = *next;
	TM_FailureData ignored;
	TsdbMark	mark;
	TM_Result	result;

	if (TransactionIdIsCurrentTransactionId(updater))
		return TM_Ok;
	result = tsdb_row_lock_later(storage, &place, updater, policy);
	if (result == TM_Ok && ItemPointerIsValid(&place))
		result = tsdb_marks_lock(storage, &place, cid, LockTupleKeyShare, policy, &ignored,
								 &mark);
	failure->ctid = *next;
	failure->xmax = updater;
	failure->cmax = InvalidCommandId;
	return result;
}

/* The same for a chunk row, if it is being updated, or was. */
static TM_Result
lock_later_versions(TsdbStorage *storage, ItemPointer tid, CommandId cid,
					LockWaitPolicy policy, TM_FailureData *failure)
{
	TsdbMarkVersion update;

	if (!find_update(storage, tid, &update) &&
		(!find_tombstone(storage, tid, &update) || update.state != TSDB_MARK_UPDATED))
		return TM_Ok;
	return tsdb_marks_lock_later(storage, &update.successor, update.xmin, cid, policy, failure);
}

static TM_Result
lock_row(TsdbStorage *storage, ItemPointer tid, CommandId cid, LockTupleMode mode,
		 LockWaitPolicy wait_policy, bool claim, TM_FailureData *failure, TsdbMark *mark)
{
	Relation	marks = tsdb_storage_marks(storage);

	failure->traversed = false;
	if (claim && own_row_is(&last_locked.row, storage, tid) && last_locked.mode >= mode)
	{
		mark->stub = last_locked.stub;
		mark->held = true;
		return TM_Ok;
	}
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
			insert_stub(storage, tid, &mark->stub);
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
				own_row_set(&last_locked.row, storage, tid);
				last_locked.mode = mode;
				last_locked.stub = mark->stub;
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
	TsdbMarkVersion version;

	if (!find_tombstone(storage, tid, &version) ||
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
	HeapTuple	tuple;

	written_here = true;
	last_locked.row.identity = InvalidOid;
	own_row_set(&last_buried, storage, tid);
	if (alone && state == TSDB_MARK_DELETED && tsdb_mark_group_add(storage, tid, cid))
	{
		tsdb_marks_release(storage, mark);
		return;
	}

	tuple = tsdb_mark_form(storage, row_key(tid), state, successor, NULL);
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
	{
		tsdb_touched_note(storage, tid, false);
		tsdb_stop_point("mark_after_tombstone");
	}
	tsdb_marks_release(storage, mark);
	heap_freetuple(tuple);
}

bool
tsdb_marks_take(TsdbStorage *storage, uint32 chunk, uint8 *hidden)
{
	Relation	marks = tsdb_storage_marks(storage);
	CommandId	cid = GetCurrentCommandId(true);
	SnapshotData dirty;
	TsdbMarkVersion version;
	TsdbMarkScan scan;
	bool		free = true;

	memset(hidden, 0, TSDB_CHUNK_ROWS / 8);
	if (!tsdb_mark_scan_useful(storage))
		return true;

	InitDirtySnapshot(dirty);
	tsdb_mark_scan_chunk(storage, chunk, &dirty, &scan);
	while (free && tsdb_mark_scan_next(&scan, &version))
	{
		TM_FailureData failure;

		if (version.state != TSDB_MARK_STUB)
			hide_rows(hidden, &version);
		if (TransactionIdIsValid(dirty.xmin) || TransactionIdIsValid(dirty.xmax))
			free = false;
		else
			free = heap_delete(marks, &version.tid, cid, InvalidSnapshot, false,
							   &failure, false) == TM_Ok;
	}
	tsdb_mark_scan_end(&scan);
	return free;
}

/*
 * First the stubs, whose loss changes nothing: whoever has found one, but not
 * yet locked it, waits for us and looks again.  When they are gone, and under the
 * tuple lock no new mark can come, only tombstones of the past are left.  One of
 * these may be locked: a lock for key share outlives an update of the row.
 */
bool
tsdb_marks_try_take(TsdbStorage *storage, uint32 chunk, uint8 *hidden)
{
	CommandId	cid = GetCurrentCommandId(true);
	SnapshotData dirty;
	TsdbMarkVersion version;
	TsdbMarkScan scan;
	bool		free = true;

	last_locked.row.identity = InvalidOid;
	memset(hidden, 0, TSDB_CHUNK_ROWS / 8);
	if (!tsdb_mark_scan_useful(storage))
		return true;

	InitDirtySnapshot(dirty);
	tsdb_mark_scan_chunk(storage, chunk, &dirty, &scan);
	while (free && tsdb_mark_scan_next(&scan, &version))
	{
		TM_FailureData failure;

		if (TransactionIdIsValid(dirty.xmin) || TransactionIdIsValid(dirty.xmax) ||
			is_locked(ExecFetchSlotHeapTuple(scan.slot, false, NULL)->t_data,
					  TransactionIdIsInProgress))
			free = false;
		else if (version.state == TSDB_MARK_STUB)
			free = heap_delete(tsdb_storage_marks(storage), &version.tid, cid,
							   InvalidSnapshot, false, &failure, false) == TM_Ok;
	}
	tsdb_mark_scan_end(&scan);
	if (!free)
		return false;
	if (!tsdb_marks_take(storage, chunk, hidden))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not drop chunk %u of table \"%s\" due to concurrent update", chunk,
						RelationGetRelationName(storage->table)),
				 errhint("Try again.")));
	return true;
}

bool
tsdb_marks_drop(TsdbStorage *storage, uint32 chunk)
{
	SnapshotData dirty;
	TsdbMarkScan scan;
	bool		free = true;

	InitDirtySnapshot(dirty);
	tsdb_mark_scan_chunk(storage, chunk, &dirty, &scan);
	while (free && index_getnext_slot(scan.scan, ForwardScanDirection, scan.slot))
	{
		TM_FailureData failure;

		free = !TransactionIdIsValid(dirty.xmin) && !TransactionIdIsValid(dirty.xmax) &&
			heap_delete(tsdb_storage_marks(storage), &scan.slot->tts_tid,
						GetCurrentCommandId(true), InvalidSnapshot, false, &failure,
						false) == TM_Ok;
	}
	tsdb_mark_scan_end(&scan);
	return free;
}
