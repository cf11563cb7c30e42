/*
 * row_lock.c
 *		Key-share locks on the later versions of an updated row.
 */
#include "postgres.h"

#include "store/row_lock.h"

#include "access/generic_xlog.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/multixact.h"
#include "access/subtrans.h"
#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/sinvaladt.h"
#include "store/moves.h"
#include "utils/rel.h"

/* Infomask bits of a multixact as heap sets them, from its members. */
static void
multi_bits(MultiXactId multi, uint16 *infomask, uint16 *infomask2)
{
	MultiXactMember *members;
	int			count = GetMultiXactIdMembers(multi, &members, false, false);
	bool		update = false;
	bool		exclusive = false;
	bool		share = false;
	bool		keys = false;

	for (int i = 0; i < count; i++)
	{
		switch (members[i].status)
		{
			case MultiXactStatusForKeyShare:
				break;
			case MultiXactStatusForShare:
				share = true;
				break;
			case MultiXactStatusForNoKeyUpdate:
				exclusive = true;
				break;
			case MultiXactStatusForUpdate:
				exclusive = keys = true;
				break;
			case MultiXactStatusNoKeyUpdate:
				exclusive = update = true;
				break;
			case MultiXactStatusUpdate:
				exclusive = update = keys = true;
				break;
		}
	}
	if (count > 0)
		pfree(members);
	*infomask = HEAP_XMAX_IS_MULTI |
		(exclusive ? HEAP_XMAX_EXCL_LOCK : share ? HEAP_XMAX_SHR_LOCK : HEAP_XMAX_KEYSHR_LOCK) |
		(update ? 0 : HEAP_XMAX_LOCK_ONLY);
	*infomask2 = keys ? HEAP_KEYS_UPDATED : 0;
}

/* What one transaction's xmax means as a member of a multixact. */
static MultiXactStatus
status_of(HeapTupleHeader tuple)
{
	if (!HEAP_XMAX_IS_LOCKED_ONLY(tuple->t_infomask))
		return (tuple->t_infomask2 & HEAP_KEYS_UPDATED) ?
			MultiXactStatusUpdate : MultiXactStatusNoKeyUpdate;
	if (HEAP_XMAX_IS_KEYSHR_LOCKED(tuple->t_infomask))
		return MultiXactStatusForKeyShare;
	if (HEAP_XMAX_IS_SHR_LOCKED(tuple->t_infomask))
		return MultiXactStatusForShare;
	return (tuple->t_infomask2 & HEAP_KEYS_UPDATED) ?
		MultiXactStatusForUpdate : MultiXactStatusForNoKeyUpdate;
}

/* An xmax with its infomask bits. */
typedef struct NewXmax
{
	TransactionId xmax;
	uint16		infomask;
	uint16		infomask2;
} NewXmax;

/* The tuple's xmax with a key-share lock of "locker" added. */
static NewXmax
with_key_share(HeapTupleHeader tuple, TransactionId locker)
{
	TransactionId old = HeapTupleHeaderGetRawXmax(tuple);
	bool		nobody = (tuple->t_infomask & HEAP_XMAX_INVALID) != 0;
	NewXmax		result = {locker, HEAP_XMAX_KEYSHR_LOCK | HEAP_XMAX_LOCK_ONLY, 0};

	if (!nobody && (tuple->t_infomask & HEAP_XMAX_IS_MULTI))
	{
		result.xmax = MultiXactIdExpand(old, locker, MultiXactStatusForKeyShare);
		multi_bits(result.xmax, &result.infomask, &result.infomask2);
		return result;
	}
	if (!nobody && TransactionIdIsCurrentTransactionId(old))
	{
		/* whatever we hold already is at least as strong */
		result.xmax = old;
		result.infomask = tuple->t_infomask & HEAP_XMAX_BITS;
		result.infomask2 = tuple->t_infomask2 & HEAP_KEYS_UPDATED;
		return result;
	}
	if (!nobody && (TransactionIdIsInProgress(old) ||
					(!HEAP_XMAX_IS_LOCKED_ONLY(tuple->t_infomask) &&
					 TransactionIdDidCommit(old))))
	{
		result.xmax = MultiXactIdCreate(old, status_of(tuple), locker,
										MultiXactStatusForKeyShare);
		multi_bits(result.xmax, &result.infomask, &result.infomask2);
	}
	else
		tuple->t_infomask |= HEAP_XMAX_INVALID; /* so that its change is logged, see row_store.c */
	return result;
}

/* Set a tuple's xmax in its locked buffer, logged. */
static void
set_xmax(Relation rel, Buffer buffer, OffsetNumber offset, const NewXmax *new)
{
	GenericXLogState *state = GenericXLogStart(rel);
	Page		page = GenericXLogRegisterBuffer(state, buffer, 0);
	HeapTupleHeader tuple = (HeapTupleHeader) PageGetItem(page, PageGetItemId(page, offset));

	tuple->t_infomask &= ~HEAP_XMAX_BITS;
	tuple->t_infomask2 &= ~HEAP_KEYS_UPDATED;
	tuple->t_infomask |= new->infomask;
	tuple->t_infomask2 |= new->infomask2;
	HeapTupleHeaderSetXmax(tuple, new->xmax);
	GenericXLogFinish(state);
}

/* Who changes the key of this tuple, or has locked it for that, and is still
 * running?  Invalid if nobody but us. */
static TransactionId
key_changer(HeapTupleHeader tuple)
{
	TransactionId xmax = HeapTupleHeaderGetRawXmax(tuple);
	TransactionId found = InvalidTransactionId;
	MultiXactMember *members;
	int			count;

	if ((tuple->t_infomask & HEAP_XMAX_INVALID) ||
		(tuple->t_infomask2 & HEAP_KEYS_UPDATED) == 0)
		return InvalidTransactionId;
	if ((tuple->t_infomask & HEAP_XMAX_IS_MULTI) == 0)
		return !TransactionIdIsCurrentTransactionId(xmax) && TransactionIdIsInProgress(xmax) ?
			xmax : InvalidTransactionId;

	count = GetMultiXactIdMembers(xmax, &members, false,
								  HEAP_XMAX_IS_LOCKED_ONLY(tuple->t_infomask));
	for (int i = 0; i < count; i++)
	{
		if ((members[i].status == MultiXactStatusForUpdate ||
			 members[i].status == MultiXactStatusUpdate) &&
			!TransactionIdIsCurrentTransactionId(members[i].xid) &&
			TransactionIdIsInProgress(members[i].xid))
			found = members[i].xid;
	}
	if (count > 0)
		pfree(members);
	return found;
}

void
tsdb_row_lock_refuse(Relation table)
{
	ereport(ERROR,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 errmsg("could not obtain lock on row in relation \"%s\"",
					RelationGetRelationName(table))));
}

bool
tsdb_row_lock_is_compaction(Relation table, TransactionId xid)
{
	TransactionId top = SubTransGetTopmostTransaction(xid);
	VirtualTransactionId *holders;
	LOCKTAG		tag;
	bool		found = false;

	SET_LOCKTAG_RELATION(tag, table->rd_lockInfo.lockRelId.dbId,
						 table->rd_lockInfo.lockRelId.relId);
	holders = GetLockConflicts(&tag, ShareUpdateExclusiveLock, NULL);
	for (int i = 0; !found && VirtualTransactionIdIsValid(holders[i]); i++)
	{
		PGPROC	   *proc = BackendIdGetProc(holders[i].backendId);

		found = proc != NULL && TransactionIdEquals(proc->xid, top);
	}
	pfree(holders);
	return found;
}

bool
tsdb_row_lock_wait(Relation table, ItemPointer tid, TransactionId xid,
				   LockWaitPolicy policy, XLTW_Oper oper)
{
	if (policy == LockWaitBlock || tsdb_row_lock_is_compaction(table, xid))
		XactLockTableWait(xid, table, tid, oper);
	else if (!ConditionalXactLockTableWait(xid))
	{
		if (policy == LockWaitError)
			tsdb_row_lock_refuse(table);
		return false;
	}
	return true;
}

/* What locking one version came to. */
typedef enum VersionStep
{
	VERSION_LOCKED,				/* and *next is the version after it, or invalid */
	VERSION_NONE,				/* there is no such version (any more) */
	VERSION_GONE,				/* deleted or its key changed: *result */
	VERSION_MOVED,				/* by *changer, to a chunk */
	VERSION_WAIT				/* for *changer */
} VersionStep;

static VersionStep
lock_version(Relation rel, ItemPointer tid, TransactionId inserter,
			 TransactionId *changer, ItemPointer next, TM_Result *result)
{
	BlockNumber block = ItemPointerGetBlockNumber(tid);
	OffsetNumber offset = ItemPointerGetOffsetNumber(tid);
	TransactionId locker = GetCurrentTransactionId();
	VersionStep step = VERSION_LOCKED;
	HeapTupleHeader tuple = NULL;
	Buffer		buffer;
	Page		page;

	ItemPointerSetInvalid(next);
	if (block >= RelationGetNumberOfBlocks(rel))
		return VERSION_NONE;
	buffer = ReadBuffer(rel, block);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page = BufferGetPage(buffer);
	if (offset <= PageGetMaxOffsetNumber(page) &&
		ItemIdIsNormal(PageGetItemId(page, offset)))
		tuple = (HeapTupleHeader) PageGetItem(page, PageGetItemId(page, offset));
	if (tuple == NULL || !TransactionIdEquals(HeapTupleHeaderGetXmin(tuple), inserter) ||
		(!TransactionIdIsCurrentTransactionId(inserter) &&
		 !TransactionIdIsInProgress(inserter) && !TransactionIdDidCommit(inserter)))
	{
		UnlockReleaseBuffer(buffer);
		return VERSION_NONE;
	}

	*changer = key_changer(tuple);
	if (TransactionIdIsValid(*changer))
		step = VERSION_WAIT;
	else if ((tuple->t_infomask & HEAP_XMAX_INVALID) == 0 &&
			 !HEAP_XMAX_IS_LOCKED_ONLY(tuple->t_infomask))
	{
		TransactionId updater = HeapTupleHeaderGetUpdateXid(tuple);
		bool		happened = TransactionIdIsCurrentTransactionId(updater) ||
		TransactionIdIsInProgress(updater) || TransactionIdDidCommit(updater);

		if (happened && tsdb_moves_is_marked(tuple))
		{
			*changer = updater;
			step = VERSION_MOVED;
		}
		else if (happened && (tuple->t_infomask2 & HEAP_KEYS_UPDATED))
		{
			*result = ItemPointerEquals(&tuple->t_ctid, tid) ? TM_Deleted : TM_Updated;
			step = VERSION_GONE;
		}
		else if (happened)
		{
			*next = tuple->t_ctid;
			*changer = updater;
		}
	}
	if (step == VERSION_LOCKED)
	{
		NewXmax		new = with_key_share(tuple, locker);

		set_xmax(rel, buffer, offset, &new);
	}
	UnlockReleaseBuffer(buffer);
	return step;
}

TM_Result
tsdb_row_lock_later(TsdbStorage *storage, ItemPointer tid, TransactionId inserter,
					LockWaitPolicy policy)
{
	Relation	rel = storage->table;

	MultiXactIdSetOldestMember();
	for (;;)
	{
		TransactionId changer = InvalidTransactionId;
		TM_Result	result = TM_Ok;
		ItemPointerData next;

		CHECK_FOR_INTERRUPTS();
		switch (lock_version(rel, tid, inserter, &changer, &next, &result))
		{
			case VERSION_NONE:
				ItemPointerSetInvalid(tid);
				return TM_Ok;
			case VERSION_GONE:
				return result;
			case VERSION_WAIT:
				if (!tsdb_row_lock_wait(rel, tid, changer, policy, XLTW_LockUpdated))
					return TM_WouldBlock;
				break;
			case VERSION_MOVED:
				if (!tsdb_moves_find(storage, changer, tid, tid))
					return TM_Updated;	/* to another partition */
				return TM_Ok;
			case VERSION_LOCKED:
				if (!ItemPointerIsValid(&next) || ItemPointerEquals(&next, tid))
				{
					ItemPointerSetInvalid(tid);
					return TM_Ok;
				}
				*tid = next;
				inserter = changer;
				break;
		}
	}
}

void
tsdb_row_lock_inherit(TsdbStorage *storage, ItemPointer stub, ItemPointer new_version)
{
	Relation	marks = tsdb_storage_marks(storage);
	Buffer		buffer = ReadBuffer(marks, ItemPointerGetBlockNumber(stub));
	MultiXactMember *members = NULL;
	TransactionId xmax;
	uint16		infomask;
	NewXmax		new = {InvalidTransactionId, HEAP_XMAX_KEYSHR_LOCK | HEAP_XMAX_LOCK_ONLY, 0};
	Page		page;
	HeapTupleHeader tuple;
	int			count = 0;
	int			kept = 0;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	tuple = (HeapTupleHeader) PageGetItem(page, PageGetItemId(page,
															  ItemPointerGetOffsetNumber(stub)));
	xmax = HeapTupleHeaderGetRawXmax(tuple);
	infomask = tuple->t_infomask;
	UnlockReleaseBuffer(buffer);

	/* We hold a lock ourselves, so others' locks make it a multixact. */
	if ((infomask & HEAP_XMAX_INVALID) || (infomask & HEAP_XMAX_IS_MULTI) == 0)
		return;
	count = GetMultiXactIdMembers(xmax, &members, false, HEAP_XMAX_IS_LOCKED_ONLY(infomask));
	for (int i = 0; i < count; i++)
	{
		if (!TransactionIdIsCurrentTransactionId(members[i].xid) &&
			TransactionIdIsInProgress(members[i].xid))
			members[kept++] = members[i];
	}
	if (kept == 0)
	{
		if (count > 0)
			pfree(members);
		return;
	}

	MultiXactIdSetOldestMember();
	if (kept == 1 && members[0].status == MultiXactStatusForKeyShare)
		new.xmax = members[0].xid;
	else
	{
		new.xmax = MultiXactIdCreateFromMembers(kept, members);
		multi_bits(new.xmax, &new.infomask, &new.infomask2);
	}
	pfree(members);

	buffer = ReadBuffer(storage->table, ItemPointerGetBlockNumber(new_version));
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	set_xmax(storage->table, buffer, ItemPointerGetOffsetNumber(new_version), &new);
	UnlockReleaseBuffer(buffer);
}
