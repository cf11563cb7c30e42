/*
 * modify.c
 *		UPDATE, DELETE and row locks over both stores.
 *
 * A TID leads to the row store or to a chunk.  The row store is heap's; a row
 * of a chunk goes through its mark (store/marks.h).  In between lies the case
 * that a statement holds the TID of a row-store tuple which a compaction has
 * moved since its snapshot was taken.  Such a tuple says "moved to another
 * partition" to heap's code, and the moves (store/moves.h) say where it is.
 * The row itself is unchanged, so the operation goes on there as if nothing
 * had happened; only a row that was really updated or deleted is reported.
 */
#include "postgres.h"

#include "am/modify.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "am/fetch.h"
#include "am/insert.h"
#include "am/logical_change.h"
#include "am/row_slot.h"
#include "catalog/catalog.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "storage/procarray.h"
#include "store/chunk_tid.h"
#include "store/marks.h"
#include "store/moves.h"
#include "store/row_lock.h"
#include "utils/datum.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Where did this transaction move the row?  False if it did not. */
static bool
find_move(Relation rel, TransactionId mover, ItemPointer origin, ItemPointer destination)
{
	TsdbStorage *storage;
	bool		found;

	if (!TransactionIdIsValid(mover))
		return false;
	storage = tsdb_storage_open(rel, RowExclusiveLock);
	if (storage == NULL)
		return false;
	found = tsdb_moves_find(storage, mover, origin, destination);
	tsdb_storage_close(storage);
	return found;
}

/* Who has marked this row-store tuple as moved; invalid if nobody has. */
static TransactionId
mover_of(Relation rel, ItemPointer tid)
{
	BlockNumber block = ItemPointerGetBlockNumber(tid);
	OffsetNumber offset = ItemPointerGetOffsetNumber(tid);
	TransactionId mover = InvalidTransactionId;
	Buffer		buffer;
	Page		page;

	if (block >= RelationGetNumberOfBlocks(rel))
		return mover;
	buffer = ReadBuffer(rel, block);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	if (offset <= PageGetMaxOffsetNumber(page))
	{
		ItemId		item = PageGetItemId(page, offset);

		if (ItemIdIsNormal(item))
		{
			HeapTupleHeader tuple = (HeapTupleHeader) PageGetItem(page, item);

			if (tsdb_moves_is_marked(tuple))
				mover = HeapTupleHeaderGetRawXmax(tuple);
		}
	}
	UnlockReleaseBuffer(buffer);
	return mover;
}

/*
 * If a row-store tuple was moved to a chunk by a transaction that has
 * committed, or by our own, set *tid to where it is now.  Who does not wait for
 * locks still waits for a compaction, which is nobody's lock.
 */
static void
resolve_moved(Relation rel, ItemPointer tid, LockWaitPolicy policy)
{
	TransactionId mover;
	ItemPointerData destination;

	for (;;)
	{
		mover = mover_of(rel, tid);
		if (!TransactionIdIsValid(mover))
			return;
		if (TransactionIdIsCurrentTransactionId(mover))
			break;
		if (!TransactionIdIsInProgress(mover))
		{
			if (!TransactionIdDidCommit(mover))
				return;
			break;
		}
		if (policy == LockWaitBlock || !tsdb_row_lock_is_compaction(rel, mover))
			return;
		XactLockTableWait(mover, rel, tid, XLTW_Lock);
	}
	if (find_move(rel, mover, tid, &destination))
		*tid = destination;
}

/* After heap said that the row is gone: was it only moved? */
static bool
was_moved(Relation rel, TM_Result result, const TM_FailureData *failure, ItemPointer tid)
{
	ItemPointerData destination;

	if (result != TM_Updated ||
		!ItemPointerIndicatesMovedPartitions(&failure->ctid) ||
		!find_move(rel, failure->xmax, tid, &destination))
		return false;
	*tid = destination;
	return true;
}

static TsdbStorage *
open_storage(Relation rel, ItemPointer tid)
{
	TsdbStorage *storage = tsdb_storage_open(rel, RowExclusiveLock);

	if (storage == NULL)
		elog(ERROR, "row (%u,%u) of table \"%s\" is in a chunk, but the table has none",
			 ItemPointerGetBlockNumberNoCheck(tid), ItemPointerGetOffsetNumberNoCheck(tid),
			 RelationGetRelationName(rel));
	return storage;
}

/*
 * Find serializable readers of a row that was changed: not before, since who
 * reads it meanwhile locks it first and looks for its mark then.  Who read it
 * with an older snapshot has locked the TID that it had then.
 */
static void
check_readers(TsdbStorage *storage, ItemPointer tid)
{
	ItemPointerData place = *tid;
	TransactionId mover = InvalidTransactionId;

	CheckForSerializableConflictIn(storage->table, &place, ItemPointerGetBlockNumber(&place));
	if (!IsolationIsSerializable())
		return;
	while (tsdb_tid_is_chunk(&place) && tsdb_moves_origin(storage, &place, &place, &mover))
		CheckForSerializableConflictIn(storage->table, &place,
									   ItemPointerGetBlockNumber(&place));
}

/*
 * Claim a chunk row for a change, with heap's check for the snapshot of a
 * referential action.
 */
static TM_Result
lock_for_change(TsdbStorage *storage, ItemPointer tid, CommandId cid,
				LockTupleMode mode, bool wait, Snapshot crosscheck,
				TM_FailureData *failure, TsdbMark *mark)
{
	TM_Result	result;

	if (IsInParallelMode())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("cannot change tuples during a parallel operation")));

	result = tsdb_marks_claim(storage, tid, cid, mode,
							  wait ? LockWaitBlock : LockWaitSkip, failure, mark);
	if (result == TM_WouldBlock)
		return TM_BeingModified;
	if (result == TM_Invisible)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("attempted to change invisible tuple")));
	if (result != TM_Ok)
		return result;
	if (crosscheck != InvalidSnapshot &&
		!tsdb_fetch_is_visible(storage, tid, crosscheck))
	{
		tsdb_marks_release(storage, mark);
		failure->ctid = *tid;
		failure->xmax = InvalidTransactionId;
		failure->cmax = InvalidCommandId;
		return TM_Updated;
	}
	return TM_Ok;
}

TM_Result
tsdb_tuple_delete(Relation rel, ItemPointer tid, CommandId cid, Snapshot snapshot,
				  Snapshot crosscheck, bool wait, TM_FailureData *failure,
				  bool changing_partition)
{
	ItemPointerData target = *tid;
	TsdbMark	mark;
	TsdbStorage *storage;
	TM_Result	result;

	if (!tsdb_tid_is_chunk(&target))
	{
		resolve_moved(rel, &target, LockWaitBlock);
		if (!tsdb_tid_is_chunk(&target))
		{
			result = heap_delete(rel, &target, cid, crosscheck, wait, failure,
								 changing_partition);
			if (!was_moved(rel, result, failure, &target))
				return result;
		}
	}

	storage = open_storage(rel, &target);
	result = lock_for_change(storage, &target, cid, LockTupleExclusive, wait,
							 crosscheck, failure, &mark);
	if (result == TM_Ok)
	{
		if (RelationIsLogicallyLogged(rel))
			tsdb_logical_change_delete(storage, &target);
		tsdb_marks_bury(storage, &target, &mark,
						changing_partition ? TSDB_MARK_MOVED : TSDB_MARK_DELETED,
						NULL, cid);
		check_readers(storage, &target);
		pgstat_count_heap_delete(rel);
		tsdb_insert_count(rel, 1);	/* work for compaction, too */
		*tid = target;
	}
	tsdb_storage_close(storage);
	return result;
}

/* Does the new row keep all columns that a foreign key could refer to? */
static bool
keeps_key(TsdbStorage *storage, ItemPointer tid, TupleTableSlot *new_row)
{
	Relation	rel = storage->table;
	Bitmapset  *key = RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_KEY);
	uint32		row = tsdb_tid_row(tid);
	const TsdbRowSource *rows = NULL;
	bool		keeps = true;
	int			member = -1;

	if (!bms_is_empty(key))
	{
		rows = tsdb_fetch_rows(storage, tsdb_tid_chunk(tid));
		keeps = rows != NULL && row < rows->nrows;
	}
	while (keeps && (member = bms_next_member(key, member)) >= 0)
	{
		AttrNumber	attno = member + FirstLowInvalidHeapAttributeNumber;
		Form_pg_attribute att;
		Datum		new_value;
		bool		new_null;

		if (attno <= 0)
		{
			keeps = false;
			break;
		}
		att = TupleDescAttr(RelationGetDescr(rel), attno - 1);
		new_value = slot_getattr(new_row, attno, &new_null);
		if (new_null || rows->nulls[attno - 1][row])
			keeps = new_null && rows->nulls[attno - 1][row];
		else
			keeps = datum_image_eq(rows->values[attno - 1][row], new_value, att->attbyval,
								   att->attlen);
	}
	bms_free(key);
	return keeps;
}

/*
 * On heap a row that was locked before it was updated shows the locker in its new
 * version's xmax, by which clients tell what ON CONFLICT DO UPDATE has updated from
 * what it has inserted.  RETURNING and triggers see it here too; it is not stored.
 */
static void
set_locked(HeapTuple tuple)
{
	HeapTupleHeaderSetXmax(tuple->t_data, GetCurrentTransactionId());
	tuple->t_data->t_infomask &= ~HEAP_XMAX_BITS;
	tuple->t_data->t_infomask |= HEAP_XMAX_KEYSHR_LOCK | HEAP_XMAX_LOCK_ONLY;
}

TM_Result
tsdb_tuple_update(Relation rel, ItemPointer otid, TupleTableSlot *slot, CommandId cid,
				  Snapshot snapshot, Snapshot crosscheck, bool wait,
				  TM_FailureData *failure, LockTupleMode *lockmode,
				  bool *update_indexes)
{
	ItemPointerData target = *otid;
	TsdbMark	mark;
	TsdbStorage *storage;
	TM_Result	result;

	if (!tsdb_tid_is_chunk(&target))
	{
		resolve_moved(rel, &target, LockWaitBlock);
		if (!tsdb_tid_is_chunk(&target))
		{
			result = GetHeapamTableAmRoutine()->tuple_update(rel, &target, slot, cid,
															 snapshot, crosscheck, wait,
															 failure, lockmode,
															 update_indexes);
			if (!was_moved(rel, result, failure, &target))
				return result;
		}
	}

	storage = open_storage(rel, &target);
	*lockmode = keeps_key(storage, &target, slot) ?
		LockTupleNoKeyExclusive : LockTupleExclusive;
	*update_indexes = false;
	result = lock_for_change(storage, &target, cid, *lockmode, wait, crosscheck,
							 failure, &mark);
	if (result == TM_Ok)
	{
		bool		should_free;
		HeapTuple	tuple = ExecFetchSlotHeapTuple(slot, true, &should_free);

		slot->tts_tableOid = RelationGetRelid(rel);
		tuple->t_tableOid = slot->tts_tableOid;
		if (RelationIsLogicallyLogged(rel))
			tsdb_logical_change_update(storage, &target, tuple, cid);
		else
			heap_insert(rel, tuple, cid, 0, NULL);
		if (mark.held)
			set_locked(tuple);
		slot->tts_tid = tuple->t_self;
		if (*lockmode == LockTupleNoKeyExclusive)
			tsdb_row_lock_inherit(storage, &mark.stub, &tuple->t_self);
		tsdb_marks_bury(storage, &target, &mark, TSDB_MARK_UPDATED, &tuple->t_self, cid);
		check_readers(storage, &target);
		if (should_free)
			heap_freetuple(tuple);
		*update_indexes = true;
		tsdb_insert_count(rel, 1);
		*otid = target;

		/* It was counted as an insert; it is an update. */
		if (rel->pgstat_info != NULL && rel->pgstat_info->trans != NULL)
		{
			rel->pgstat_info->trans->tuples_inserted--;
			pgstat_count_heap_update(rel, false);
		}
	}
	tsdb_storage_close(storage);
	return result;
}

/* ---- locks ---- */

typedef enum ChainStep
{
	CHAIN_LOCK,					/* *tid is the version to lock */
	CHAIN_END,					/* the row is gone: *result says how */
} ChainStep;

/*
 * Follow the versions of an updated row from *tid, which prior_xmax wrote, to
 * one that may be locked.  A version that was moved leads on into its chunk.
 */
static ChainStep
follow_chain(Relation rel, ItemPointer tid, TransactionId prior_xmax, CommandId cid,
			 LockWaitPolicy policy, TM_FailureData *failure, TM_Result *result)
{
	SnapshotData dirty;

	InitDirtySnapshot(dirty);
	for (;;)
	{
		HeapTupleData tuple;
		Buffer		buffer;
		TransactionId xmin;

		CHECK_FOR_INTERRUPTS();
		if (ItemPointerIndicatesMovedPartitions(tid))
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("tuple to be locked was already moved to another partition due to concurrent update")));
		if (tsdb_tid_is_chunk(tid))
			return CHAIN_LOCK;

		tuple.t_self = *tid;
		if (heap_fetch(rel, &dirty, &tuple, &buffer, true))
		{
			CommandId	cmin;

			xmin = HeapTupleHeaderGetXmin(tuple.t_data);
			if (!TransactionIdEquals(xmin, prior_xmax))
			{
				/* The place was used again: the row is gone. */
				ReleaseBuffer(buffer);
				*result = TM_Deleted;
				return CHAIN_END;
			}
			if (TransactionIdIsValid(dirty.xmin))
				ereport(ERROR,
						(errcode(ERRCODE_DATA_CORRUPTED),
						 errmsg_internal("t_xmin %u is uncommitted in tuple (%u,%u) to be updated in table \"%s\"",
										 dirty.xmin,
										 ItemPointerGetBlockNumber(tid),
										 ItemPointerGetOffsetNumber(tid),
										 RelationGetRelationName(rel))));
			if (TransactionIdIsValid(dirty.xmax))
			{
				ReleaseBuffer(buffer);
				if (!tsdb_row_lock_wait(rel, tid, dirty.xmax, policy, XLTW_FetchUpdated))
				{
					*result = TM_WouldBlock;
					return CHAIN_END;
				}
				continue;
			}
			cmin = TransactionIdIsCurrentTransactionId(prior_xmax) ?
				HeapTupleHeaderGetCmin(tuple.t_data) : FirstCommandId;
			ReleaseBuffer(buffer);
			if (TransactionIdIsCurrentTransactionId(prior_xmax) && cmin >= cid)
			{
				failure->xmax = prior_xmax;
				failure->cmax = cmin;
				*result = TM_SelfModified;
				return CHAIN_END;
			}
			return CHAIN_LOCK;
		}

		if (tuple.t_data == NULL)
		{
			*result = TM_Deleted;
			return CHAIN_END;
		}
		xmin = HeapTupleHeaderGetXmin(tuple.t_data);
		if (!TransactionIdEquals(xmin, prior_xmax) ||
			ItemPointerEquals(&tuple.t_self, &tuple.t_data->t_ctid))
		{
			ReleaseBuffer(buffer);
			*result = TM_Deleted;
			return CHAIN_END;
		}

		/* Updated or moved by a committed transaction or by ours. */
		if (tsdb_moves_is_marked(tuple.t_data))
		{
			TransactionId mover = HeapTupleHeaderGetRawXmax(tuple.t_data);
			ItemPointerData destination;

			ReleaseBuffer(buffer);
			if (find_move(rel, mover, tid, &destination))
				*tid = destination;
			else
				ItemPointerSetMovedPartitions(tid);
			continue;
		}
		*tid = tuple.t_data->t_ctid;
		prior_xmax = HeapTupleHeaderGetUpdateXid(tuple.t_data);
		ReleaseBuffer(buffer);
	}
}

/*
 * FOR KEY SHARE on a row-store version, after heap's code has refused it.  That
 * may be since a later version of the row has gone to a chunk, where heap's code
 * cannot follow to lock it, too.
 */
static TM_Result
lock_key_share(Relation rel, HeapTuple tuple, CommandId cid, LockWaitPolicy policy,
			   Buffer *buffer, TM_FailureData *failure)
{
	TsdbStorage *storage = tsdb_storage_open(rel, RowExclusiveLock);
	TransactionId updater = InvalidTransactionId;
	ItemPointerData next;
	TM_Result	result;

	if (storage == NULL)
		return TM_Updated;
	ReleaseBuffer(*buffer);
	result = heap_lock_tuple(rel, tuple, cid, LockTupleKeyShare, policy, false, buffer, failure);
	if (result == TM_Ok)
	{
		LockBuffer(*buffer, BUFFER_LOCK_SHARE);
		if ((tuple->t_data->t_infomask & HEAP_XMAX_INVALID) == 0 &&
			!HEAP_XMAX_IS_LOCKED_ONLY(tuple->t_data->t_infomask))
			updater = HeapTupleHeaderGetUpdateXid(tuple->t_data);
		next = tuple->t_data->t_ctid;
		LockBuffer(*buffer, BUFFER_LOCK_UNLOCK);
		if (TransactionIdIsValid(updater))
			result = tsdb_marks_lock_later(storage, &next, updater, cid, policy, failure);
	}
	tsdb_storage_close(storage);
	return result;
}

/* Lock one version, wherever it is; fill the slot if that succeeds. */
static TM_Result
lock_version(Relation rel, ItemPointer tid, TupleTableSlot *slot, CommandId cid,
			 LockTupleMode mode, LockWaitPolicy policy, bool follow_updates,
			 TM_FailureData *failure)
{
	BufferHeapTupleTableSlot *buffer_slot = (BufferHeapTupleTableSlot *) slot;
	TM_Result	result;

	if (tsdb_tid_is_chunk(tid))
	{
		TsdbStorage *storage = open_storage(rel, tid);
		TsdbMark	mark;

		result = tsdb_marks_lock(storage, tid, cid, mode, policy, failure, &mark);
		if ((result == TM_Ok || result == TM_Invisible) &&
			!tsdb_fetch_chunk_row(storage, tid, SnapshotAny, slot))
			elog(ERROR, "chunk row (%u,%u) of table \"%s\" vanished while it was locked",
				 ItemPointerGetBlockNumber(tid), ItemPointerGetOffsetNumber(tid),
				 RelationGetRelationName(rel));
		tsdb_storage_close(storage);
		return result;
	}

	{
		HeapTuple	tuple = &buffer_slot->base.tupdata;
		Buffer		buffer;

		tuple->t_self = *tid;	/* which may be the slot's own */
		ExecClearTuple(slot);
		*tid = tuple->t_self;
		result = heap_lock_tuple(rel, tuple, cid, mode,
								 policy == LockWaitError ? LockWaitSkip : policy,
								 follow_updates, &buffer, failure);
		if (result == TM_Updated && mode == LockTupleKeyShare && follow_updates)
			result = lock_key_share(rel, tuple, cid,
									policy == LockWaitError ? LockWaitSkip : policy,
									&buffer, failure);
		if (result == TM_Updated || result == TM_Deleted)
		{
			ReleaseBuffer(buffer);
			return result;
		}
		slot->tts_tableOid = RelationGetRelid(rel);
		tuple->t_tableOid = slot->tts_tableOid;
		ExecStorePinnedBufferHeapTuple(tuple, slot, buffer);
		return result;
	}
}

TM_Result
tsdb_tuple_lock(Relation rel, ItemPointer tid, Snapshot snapshot, TupleTableSlot *slot,
				CommandId cid, LockTupleMode mode, LockWaitPolicy wait_policy,
				uint8 flags, TM_FailureData *failure)
{
	bool		follow_updates = (flags & TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS) != 0;
	bool		find_last = (flags & TUPLE_LOCK_FLAG_FIND_LAST_VERSION) != 0;
	bool		traversed = false;
	ItemPointerData asked;

	/*
	 * Subscribers lock the row in a copy of a scan's slot, by the slot's own
	 * TID.  A copy of a chunk row has its TID in the tuple only.
	 */
	if (tid == &slot->tts_tid && !ItemPointerIsValid(tid) && !TTS_EMPTY(slot))
		*tid = ((BufferHeapTupleTableSlot *) slot)->base.tuple->t_self;
	asked = *tid;

	for (;;)
	{
		TM_Result	result;

		CHECK_FOR_INTERRUPTS();
		if (!tsdb_tid_is_chunk(tid))
			resolve_moved(rel, tid, wait_policy);
		result = lock_version(rel, tid, slot, cid, mode, wait_policy, follow_updates,
							  failure);
		failure->traversed = traversed;
		if (result == TM_WouldBlock && !tsdb_tid_is_chunk(tid))
		{
			TransactionId mover = mover_of(rel, tid);

			if (TransactionIdIsValid(mover) &&
				(!TransactionIdIsInProgress(mover) || tsdb_row_lock_is_compaction(rel, mover)))
				continue;		/* the compaction began just now */
			if (wait_policy == LockWaitError)
				tsdb_row_lock_refuse(rel);
		}
		if (result != TM_Updated)
		{
			/* The caller's snapshot may know a moved row by its old place only. */
			if (!traversed)
				*tid = asked;
			return result;
		}
		if (was_moved(rel, result, failure, tid))
			continue;			/* the same version, elsewhere */
		if (!find_last)
			return result;
		if (ItemPointerEquals(&failure->ctid, tid))
			return TM_Deleted;

		*tid = failure->ctid;
		traversed = failure->traversed = true;
		if (follow_chain(rel, tid, failure->xmax, cid, wait_policy, failure,
						 &result) == CHAIN_END)
			return result;
	}
}
