/*
 * row_store.c
 *		Taking rows out of the row store, for compaction.
 */
#include "postgres.h"

#include "store/row_store.h"

#include "access/generic_xlog.h"
#include "access/heapam.h"
#include "access/heaptoast.h"
#include "access/htup_details.h"
#include "access/multixact.h"
#include "access/detoast.h"
#include "access/transam.h"
#include "access/visibilitymap.h"
#include "access/xact.h"
#include "access/xloginsert.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "storage/smgr.h"
#include "utils/rel.h"

/* Bits of the visibility map on one of its pages; see visibilitymap.c. */
#define VM_PAGE_BYTES			(BLCKSZ - MAXALIGN(SizeOfPageHeaderData))
#define VM_HEAP_BLOCKS_PER_BYTE	(BITS_PER_BYTE / BITS_PER_HEAPBLOCK)
#define VM_HEAP_BLOCKS_PER_PAGE	(VM_PAGE_BYTES * VM_HEAP_BLOCKS_PER_BYTE)

void
tsdb_row_store_begin(TsdbRowStoreScan *scan, Relation rel)
{
	memset(scan, 0, sizeof(*scan));
	scan->rel = rel;
	scan->nblocks = smgrnblocks(RelationGetSmgr(rel), MAIN_FORKNUM);
	scan->strategy = GetAccessStrategy(BAS_BULKREAD);
}

void
tsdb_row_store_end(TsdbRowStoreScan *scan)
{
	FreeAccessStrategy(scan->strategy);
}

/*
 * Clear the visibility map from the byte of this block on, whole pages of it
 * with one WAL record each: the pages after it are about to be taken as well.
 * A clear bit is always allowed.
 */
static void
clear_visibility(TsdbRowStoreScan *scan, BlockNumber heap_block)
{
	Relation	rel = scan->rel;
	BlockNumber nblocks;
	BlockNumber block = heap_block / VM_HEAP_BLOCKS_PER_PAGE;
	Size		first = heap_block % VM_HEAP_BLOCKS_PER_PAGE / VM_HEAP_BLOCKS_PER_BYTE;

	scan->visibility_cleared = true;
	if (!smgrexists(RelationGetSmgr(rel), VISIBILITYMAP_FORKNUM))
		return;
	nblocks = smgrnblocks(RelationGetSmgr(rel), VISIBILITYMAP_FORKNUM);
	for (; block < nblocks; block++, first = 0)
	{
		Buffer		buffer = ReadBufferExtended(rel, VISIBILITYMAP_FORKNUM, block,
												RBM_ZERO_ON_ERROR, NULL);
		Page		page;
		char	   *map;
		bool		any = false;

		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		page = BufferGetPage(buffer);
		if (!PageIsNew(page))
		{
			map = PageGetContents(page);
			for (Size i = first; i < VM_PAGE_BYTES && !any; i++)
				any = map[i] != 0;
			if (any)
			{
				START_CRIT_SECTION();
				memset(map + first, 0, VM_PAGE_BYTES - first);
				MarkBufferDirty(buffer);
				if (RelationNeedsWAL(rel))
					log_newpage_buffer(buffer, false);
				END_CRIT_SECTION();
			}
		}
		UnlockReleaseBuffer(buffer);
	}
}

static bool
inserter_committed(HeapTupleHeader tuple)
{
	TransactionId xmin = HeapTupleHeaderGetRawXmin(tuple);

	if (tuple->t_infomask & HEAP_MOVED)
		return false;
	if (HeapTupleHeaderXminFrozen(tuple) || HeapTupleHeaderXminCommitted(tuple))
		return true;
	if (HeapTupleHeaderXminInvalid(tuple) || TransactionIdIsCurrentTransactionId(xmin) ||
		TransactionIdIsInProgress(xmin))
		return false;
	return TransactionIdDidCommit(xmin);
}

/* Nobody has deleted, updated or locked it, or all who did have ended. */
static bool
nobody_holds(HeapTupleHeader tuple)
{
	TransactionId xmax = HeapTupleHeaderGetRawXmax(tuple);

	if (tuple->t_infomask & HEAP_XMAX_INVALID)
		return true;
	if (tuple->t_infomask & HEAP_XMAX_IS_MULTI)
		return HEAP_XMAX_IS_LOCKED_ONLY(tuple->t_infomask) &&
			!MultiXactIdIsRunning(xmax, true);
	if (TransactionIdIsCurrentTransactionId(xmax) || TransactionIdIsInProgress(xmax))
		return false;
	return HEAP_XMAX_IS_LOCKED_ONLY(tuple->t_infomask) || !TransactionIdDidCommit(xmax);
}

/* Is a live tuple's content too large for a chunk? */
static bool
is_too_large(Relation rel, HeapTuple tuple)
{
	TupleDesc	tupdesc = RelationGetDescr(rel);
	Size		bytes = 0;

	if (!HeapTupleHasExternal(tuple) &&
		(tuple->t_data->t_infomask & HEAP_HASVARWIDTH) == 0)
		return false;
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);
		Datum		value;
		bool		isnull;

		if (att->attlen != -1 || att->attisdropped)
			continue;
		value = heap_getattr(tuple, i + 1, tupdesc, &isnull);
		if (!isnull)
			bytes += toast_raw_datum_size(value);
	}
	return bytes > TSDB_ROW_BYTES_MAX;
}

/* Set xmax as a delete by a move would. */
static void
mark_moved(HeapTupleHeader tuple, TransactionId xid, CommandId cid)
{
	tuple->t_infomask &= ~(HEAP_XMAX_BITS | HEAP_MOVED);
	tuple->t_infomask2 |= HEAP_KEYS_UPDATED;
	HeapTupleHeaderClearHotUpdated(tuple);
	HeapTupleHeaderSetXmax(tuple, xid);
	HeapTupleHeaderSetCmax(tuple, cid, false);
	HeapTupleHeaderSetMovedPartitions(tuple);
}

int
tsdb_row_store_take(TsdbRowStoreScan *scan, TsdbRowArena *arena, HeapTuple *rows)
{
	Relation	rel = scan->rel;
	BlockNumber block = scan->next;
	CommandId	cid = GetCurrentCommandId(true);
	OffsetNumber offsets[MaxHeapTuplesPerPage];
	int			count = 0;
	Buffer		buffer;
	Page		page;
	bool		all_visible;
	bool		any = false;

	if (block >= scan->nblocks)
		return -1;
	scan->next++;
	CHECK_FOR_INTERRUPTS();

	buffer = ReadBufferExtended(rel, MAIN_FORKNUM, block, RBM_NORMAL, scan->strategy);
	heap_page_prune_opt(rel, buffer);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	all_visible = !PageIsNew(page) && PageIsAllVisible(page);
	if (!PageIsNew(page))
	{
		OffsetNumber max = PageGetMaxOffsetNumber(page);

		for (OffsetNumber offset = 1; offset <= max && !any; offset++)
			any = ItemIdIsNormal(PageGetItemId(page, offset));
	}
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	if (!any)
	{
		ReleaseBuffer(buffer);
		return 0;
	}
	if (all_visible && !scan->visibility_cleared)
		clear_visibility(scan, block);
	if (!TransactionIdIsValid(scan->xid))
		scan->xid = GetCurrentTransactionId();

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page = BufferGetPage(buffer);
	for (OffsetNumber offset = 1; offset <= PageGetMaxOffsetNumber(page); offset++)
	{
		ItemId		item = PageGetItemId(page, offset);
		HeapTupleData tuple;

		if (!ItemIdIsNormal(item))
			continue;
		tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
		tuple.t_len = ItemIdGetLength(item);
		tuple.t_tableOid = RelationGetRelid(rel);
		ItemPointerSet(&tuple.t_self, block, offset);
		if (HeapTupleHeaderIsSpeculative(tuple.t_data) ||
			!inserter_committed(tuple.t_data))
			continue;
		if (!nobody_holds(tuple.t_data))
		{
			scan->kept += HEAP_XMAX_IS_LOCKED_ONLY(tuple.t_data->t_infomask) ? 1 : 0;
			continue;
		}
		if (is_too_large(rel, &tuple))
		{
			scan->kept++;
			continue;
		}
		/*
		 * Say that the old xmax counts for nothing, as any reader might.  A standby's reader may have said it there
		 * already, and what is logged of a page is the bytes that change: this way the one that says it does, so
		 * that it cannot go on to be said of the new xmax.
		 */
		tuple.t_data->t_infomask |= HEAP_XMAX_INVALID;
		offsets[count] = offset;
		rows[count++] = tsdb_row_arena_copy(arena, &tuple);
	}

	if (count > 0)
	{
		GenericXLogState *state = GenericXLogStart(rel);
		Page		copy = GenericXLogRegisterBuffer(state, buffer, 0);

		for (int i = 0; i < count; i++)
			mark_moved((HeapTupleHeader) PageGetItem(copy, PageGetItemId(copy, offsets[i])),
					   scan->xid, cid);
		PageClearAllVisible(copy);
		PageSetPrunable(copy, scan->xid);
		GenericXLogFinish(state);
	}
	UnlockReleaseBuffer(buffer);

	/* Out-of-line values are the chunk's business from now on. */
	for (int i = 0; i < count; i++)
	{
		if (HeapTupleHasExternal(rows[i]))
			heap_toast_delete(rel, rows[i], false);
	}
	return count;
}
