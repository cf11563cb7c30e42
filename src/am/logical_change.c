/*
 * logical_change.c
 *		What logical decoding reads of changes to chunk rows.
 */
#include "postgres.h"

#include "am/logical_change.h"

#include "access/detoast.h"
#include "access/heapam.h"
#include "access/heapam_xlog.h"
#include "access/heaptoast.h"
#include "access/hio.h"
#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/tableam.h"
#include "access/toast_helper.h"
#include "access/visibilitymap.h"
#include "access/xact.h"
#include "access/xloginsert.h"
#include "am/assigned_columns.h"
#include "am/fetch.h"
#include "catalog/catalog.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* ---- ghosts ---- */

#define GHOST_BYTES		MAXALIGN(SizeofHeapTupleHeader)
#define REMEMBERED_GHOSTS	16

/* Where this backend has put ghosts: hints, by relfilenode. */
static struct
{
	RelFileNode node;
	ItemPointerData tid;
}			remembered[REMEMBERED_GHOSTS];

/* Only an inserter that aborted leaves such a tuple, or we do: dead, in any
 * case, and used by nobody. */
static bool
is_ghost(Page page, OffsetNumber offset)
{
	HeapTupleHeader tuple;

	if (PageIsNew(page) || PageIsAllVisible(page) ||
		offset > PageGetMaxOffsetNumber(page) ||
		!ItemIdIsNormal(PageGetItemId(page, offset)))
		return false;
	tuple = (HeapTupleHeader) PageGetItem(page, PageGetItemId(page, offset));
	return ItemIdGetLength(PageGetItemId(page, offset)) == GHOST_BYTES &&
		HeapTupleHeaderGetNatts(tuple) == 0 && HeapTupleHeaderIsHeapOnly(tuple) &&
		HeapTupleHeaderXminInvalid(tuple);
}

/* Log that *ghost was put on its page.  Inside the critical section. */
static void
log_ghost(Relation rel, Buffer buffer, HeapTuple ghost, bool visibility_cleared)
{
	Page		page = BufferGetPage(buffer);
	OffsetNumber offset = ItemPointerGetOffsetNumber(&ghost->t_self);
	xl_heap_insert record = {.offnum = offset};
	xl_heap_header header;
	XLogRecPtr	lsn;
	bool		init = offset == FirstOffsetNumber && PageGetMaxOffsetNumber(page) == offset;

	if (visibility_cleared)
		record.flags |= XLH_INSERT_ALL_VISIBLE_CLEARED;
	header.t_infomask2 = ghost->t_data->t_infomask2;
	header.t_infomask = ghost->t_data->t_infomask;
	header.t_hoff = ghost->t_data->t_hoff;

	XLogBeginInsert();
	XLogRegisterData((char *) &record, SizeOfHeapInsert);
	XLogRegisterBuffer(0, buffer, REGBUF_STANDARD | (init ? REGBUF_WILL_INIT : 0));
	XLogRegisterBufData(0, (char *) &header, SizeOfHeapHeader);
	XLogRegisterBufData(0, (char *) ghost->t_data + SizeofHeapTupleHeader,
						ghost->t_len - SizeofHeapTupleHeader);
	XLogSetRecordFlags(XLOG_INCLUDE_ORIGIN);
	lsn = XLogInsert(RM_HEAP_ID, XLOG_HEAP_INSERT | (init ? XLOG_HEAP_INIT_PAGE : 0));
	PageSetLSN(page, lsn);
}

/* Make a ghost; its page is returned locked exclusively. */
static Buffer
make_ghost(Relation rel, ItemPointer tid)
{
	union
	{
		HeapTupleHeaderData header;
		char		bytes[GHOST_BYTES];
	}			data;
	HeapTupleData ghost = {.t_len = GHOST_BYTES, .t_data = &data.header};
	TransactionId xid = GetCurrentTransactionId();
	Buffer		vmbuffer = InvalidBuffer;
	bool		visibility_cleared = false;
	Buffer		buffer;

	memset(&data, 0, sizeof(data));
	data.header.t_hoff = GHOST_BYTES;
	data.header.t_infomask = HEAP_XMIN_INVALID | HEAP_XMAX_INVALID;
	data.header.t_infomask2 = HEAP_ONLY_TUPLE;
	HeapTupleHeaderSetXmin(&data.header, xid);
	ghost.t_tableOid = RelationGetRelid(rel);

	buffer = RelationGetBufferForTuple(rel, ghost.t_len, InvalidBuffer, 0, NULL,
									   &vmbuffer, NULL);
	START_CRIT_SECTION();
	RelationPutHeapTuple(rel, buffer, &ghost, false);
	if (PageIsAllVisible(BufferGetPage(buffer)))
	{
		visibility_cleared = true;
		PageClearAllVisible(BufferGetPage(buffer));
		visibilitymap_clear(rel, BufferGetBlockNumber(buffer), vmbuffer,
							VISIBILITYMAP_VALID_BITS);
	}
	MarkBufferDirty(buffer);
	log_ghost(rel, buffer, &ghost, visibility_cleared);
	END_CRIT_SECTION();

	if (BufferIsValid(vmbuffer))
		ReleaseBuffer(vmbuffer);
	*tid = ghost.t_self;
	return buffer;
}

/*
 * A ghost of this table, its page locked exclusively.  While the page is
 * pinned, nobody prunes it.
 */
static Buffer
lock_ghost(Relation rel, ItemPointer tid)
{
	int			slot = rel->rd_node.relNode % REMEMBERED_GHOSTS;
	Buffer		buffer;

	if (RelFileNodeEquals(remembered[slot].node, rel->rd_node) &&
		ItemPointerGetBlockNumber(&remembered[slot].tid) < RelationGetNumberOfBlocks(rel))
	{
		*tid = remembered[slot].tid;
		buffer = ReadBuffer(rel, ItemPointerGetBlockNumber(tid));
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		if (is_ghost(BufferGetPage(buffer), ItemPointerGetOffsetNumber(tid)))
			return buffer;
		UnlockReleaseBuffer(buffer);
	}

	buffer = make_ghost(rel, tid);
	remembered[slot].node = rel->rd_node;
	remembered[slot].tid = *tid;
	return buffer;
}

/* What replaying a delete or update does to the old version's tuple. */
static void
bury_ghost(Page page, OffsetNumber offset, TransactionId xid, ItemPointer next)
{
	HeapTupleHeader tuple = (HeapTupleHeader) PageGetItem(page, PageGetItemId(page, offset));

	tuple->t_infomask &= ~(HEAP_XMAX_BITS | HEAP_MOVED);
	tuple->t_infomask2 &= ~HEAP_KEYS_UPDATED;
	HeapTupleHeaderSetXmax(tuple, xid);
	HeapTupleHeaderSetCmax(tuple, FirstCommandId, false);
	tuple->t_ctid = *next;
	PageSetPrunable(page, xid);
}

/* ---- replica identity ---- */

/* The columns that identify a row to subscribers; NULL if there are none. */
static Bitmapset *
identity_columns(Relation rel)
{
	if (rel->rd_rel->relreplident == REPLICA_IDENTITY_NOTHING ||
		rel->rd_rel->relreplident == REPLICA_IDENTITY_FULL)
		return NULL;
	return RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_IDENTITY_KEY);
}

/* The old row with the identifying columns only. */
static HeapTuple
form_key(Relation rel, HeapTuple row, const Bitmapset *columns)
{
	TupleDesc	tupdesc = RelationGetDescr(rel);
	Datum	   *values = palloc(tupdesc->natts * sizeof(Datum));
	bool	   *nulls = palloc(tupdesc->natts * sizeof(bool));

	heap_deform_tuple(row, tupdesc, values, nulls);
	for (int i = 0; i < tupdesc->natts; i++)
	{
		if (!bms_is_member(i + 1 - FirstLowInvalidHeapAttributeNumber, columns))
			nulls[i] = true;
	}
	return heap_form_tuple(tupdesc, values, nulls);
}

/*
 * The row at tid, with all values inline.  Lives in the current context.
 */
static HeapTuple
fetch_row(TsdbStorage *storage, ItemPointer tid)
{
	TupleTableSlot *slot = table_slot_create(storage->table, NULL);
	HeapTuple	row;

	if (!tsdb_fetch_chunk_row(storage, tid, SnapshotAny, slot))
		elog(ERROR, "chunk row (%u,%u) of table \"%s\" vanished while it was locked",
			 ItemPointerGetBlockNumber(tid), ItemPointerGetOffsetNumber(tid),
			 RelationGetRelationName(storage->table));
	row = ExecCopySlotHeapTuple(slot);
	ExecDropSingleTupleTableSlot(slot);
	return row;
}

/* The header of an old row or key in the record; its data follow. */
static void
register_old_row(HeapTuple old_row, xl_heap_header *header)
{
	header->t_infomask2 = old_row->t_data->t_infomask2;
	header->t_infomask = old_row->t_data->t_infomask;
	header->t_hoff = old_row->t_data->t_hoff;
	XLogRegisterData((char *) header, SizeOfHeapHeader);
	XLogRegisterData((char *) old_row->t_data + SizeofHeapTupleHeader,
					 old_row->t_len - SizeofHeapTupleHeader);
}

/* ---- delete ---- */

static void
log_delete(Relation rel, HeapTuple old_row)
{
	TransactionId xid = GetCurrentTransactionId();
	ItemPointerData tid;
	Buffer		buffer = lock_ghost(rel, &tid);
	Page		page = BufferGetPage(buffer);
	xl_heap_delete record = {.xmax = xid, .offnum = ItemPointerGetOffsetNumber(&tid)};
	xl_heap_header header;
	XLogRecPtr	lsn;

	if (old_row != NULL)
		record.flags = rel->rd_rel->relreplident == REPLICA_IDENTITY_FULL ?
			XLH_DELETE_CONTAINS_OLD_TUPLE : XLH_DELETE_CONTAINS_OLD_KEY;

	START_CRIT_SECTION();
	bury_ghost(page, record.offnum, xid, &tid);
	MarkBufferDirty(buffer);

	XLogBeginInsert();
	XLogRegisterData((char *) &record, SizeOfHeapDelete);
	XLogRegisterBuffer(0, buffer, REGBUF_STANDARD);
	if (old_row != NULL)
		register_old_row(old_row, &header);
	XLogSetRecordFlags(XLOG_INCLUDE_ORIGIN);
	lsn = XLogInsert(RM_HEAP_ID, XLOG_HEAP_DELETE);
	PageSetLSN(page, lsn);
	END_CRIT_SECTION();

	UnlockReleaseBuffer(buffer);
}

void
tsdb_logical_change_delete(TsdbStorage *storage, ItemPointer tid)
{
	Relation	rel = storage->table;
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb logical delete",
												 ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(memory);
	Bitmapset  *columns = identity_columns(rel);
	HeapTuple	old_row = NULL;

	Assert(RelationIsLogicallyLogged(rel));
	if (rel->rd_rel->relreplident == REPLICA_IDENTITY_FULL)
		old_row = fetch_row(storage, tid);
	else if (!bms_is_empty(columns))
		old_row = form_key(rel, fetch_row(storage, tid), columns);
	log_delete(rel, old_row);

	MemoryContextSwitchTo(old);
	MemoryContextDelete(memory);
}

/* ---- update ---- */

/* A row that is being updated, column by column. */
typedef struct UpdatedRow
{
	HeapTuple	old_row;
	Datum	   *old_values;
	bool	   *old_nulls;
	Datum	   *new_values;
	bool	   *new_nulls;
} UpdatedRow;

static void
deform_row(TupleDesc tupdesc, HeapTuple row, Datum **values, bool **nulls)
{
	*values = palloc(tupdesc->natts * sizeof(Datum));
	*nulls = palloc(tupdesc->natts * sizeof(bool));
	heap_deform_tuple(row, tupdesc, *values, *nulls);
}

static bool
keeps_column(TupleDesc tupdesc, const UpdatedRow *update, int i)
{
	Form_pg_attribute att = TupleDescAttr(tupdesc, i);

	if (update->old_nulls[i] || update->new_nulls[i])
		return update->old_nulls[i] == update->new_nulls[i];
	return datum_image_eq(update->old_values[i], update->new_values[i], att->attbyval,
						  att->attlen);
}

/*
 * Out-of-line values.
 *
 * Heap keeps an out-of-line value that an update does not touch, and decoding
 * then says that it is unchanged.  A chunk has all values inline.  So put the
 * old row's large values out of line, as they would be on heap, without logging
 * them for decoding, and let the new row refer to those that it keeps.
 *
 * Returns the new row as it is to be stored; *kept_key says whether it refers to
 * a value of an identifying column.
 */
static HeapTuple
toast_new_row(Relation rel, UpdatedRow *update, HeapTuple new_row, const Bitmapset *columns,
			  bool *kept_key)
{
	TupleDesc	tupdesc = RelationGetDescr(rel);
	HeapTuple	reference = NULL;
	HeapTuple	toasted = NULL;
	Bitmapset  *assigned;
	Datum	   *values;
	bool	   *nulls;
	bool	   *unkept;

	*kept_key = false;
	if (update->old_row != NULL && update->old_row->t_len > TOAST_TUPLE_THRESHOLD)
		toasted = heap_toast_insert_or_update(rel, update->old_row, NULL,
											  HEAP_INSERT_NO_LOGICAL);
	if (toasted != NULL && HeapTupleHasExternal(toasted))
	{
		bool		any = false;

		assigned = tsdb_assigned_columns(rel);
		deform_row(tupdesc, toasted, &values, &nulls);
		unkept = palloc(tupdesc->natts * sizeof(bool));
		for (int i = 0; i < tupdesc->natts; i++)
		{
			int			member = i + 1 - FirstLowInvalidHeapAttributeNumber;
			bool		external = TupleDescAttr(tupdesc, i)->attlen == -1 && !nulls[i] &&
			VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(values[i]));

			unkept[i] = nulls[i];
			if (external && !bms_is_member(member, assigned) &&
				keeps_column(tupdesc, update, i))
			{
				update->new_values[i] = values[i];
				unkept[i] = true;	/* not to be removed */
				any = true;
				if (bms_is_member(member, columns))
					*kept_key = true;
			}
			else
				nulls[i] = true;
		}
		/* what this command inserted can only be taken back */
		toast_delete_external(rel, values, unkept, true);
		reference = heap_form_tuple(tupdesc, values, nulls);
		if (any)
			new_row = heap_form_tuple(tupdesc, update->new_values, update->new_nulls);
	}

	if (reference != NULL || HeapTupleHasExternal(new_row) ||
		new_row->t_len > TOAST_TUPLE_THRESHOLD)
		new_row = heap_toast_insert_or_update(rel, new_row, reference, 0);
	return new_row;
}

/* Put the new row into the row store and log that it follows on the old one. */
static void
log_update(Relation rel, HeapTuple old_row, HeapTuple new_row)
{
	TransactionId xid = GetCurrentTransactionId();
	Buffer		vmbuffer = InvalidBuffer;
	Buffer		ghost_vmbuffer = InvalidBuffer;
	xl_heap_update record = {.old_xmax = xid, .new_xmax = InvalidTransactionId};
	xl_heap_header old_header;
	xl_heap_header new_header;
	ItemPointerData ghost;
	Buffer		ghost_buffer;
	Buffer		buffer;
	Page		page;
	XLogRecPtr	lsn;
	bool		init;

	ghost_buffer = lock_ghost(rel, &ghost);
	LockBuffer(ghost_buffer, BUFFER_LOCK_UNLOCK);
	buffer = RelationGetBufferForTuple(rel, new_row->t_len, ghost_buffer, 0, NULL,
									   &vmbuffer, &ghost_vmbuffer);
	CheckForSerializableConflictIn(rel, NULL, InvalidBlockNumber);
	page = BufferGetPage(buffer);
	record.flags = XLH_UPDATE_CONTAINS_NEW_TUPLE;
	if (old_row != NULL)
		record.flags |= rel->rd_rel->relreplident == REPLICA_IDENTITY_FULL ?
			XLH_UPDATE_CONTAINS_OLD_TUPLE : XLH_UPDATE_CONTAINS_OLD_KEY;
	record.old_offnum = ItemPointerGetOffsetNumber(&ghost);

	START_CRIT_SECTION();
	/* A page with a ghost is not all-visible, so only another can be. */
	Assert(!PageIsAllVisible(BufferGetPage(ghost_buffer)));
	RelationPutHeapTuple(rel, buffer, new_row, false);
	record.new_offnum = ItemPointerGetOffsetNumber(&new_row->t_self);
	if (PageIsAllVisible(page))
	{
		record.flags |= XLH_UPDATE_NEW_ALL_VISIBLE_CLEARED;
		PageClearAllVisible(page);
		visibilitymap_clear(rel, BufferGetBlockNumber(buffer), vmbuffer,
							VISIBILITYMAP_VALID_BITS);
	}
	bury_ghost(BufferGetPage(ghost_buffer), record.old_offnum, xid, &new_row->t_self);
	MarkBufferDirty(buffer);
	if (ghost_buffer != buffer)
		MarkBufferDirty(ghost_buffer);

	init = record.new_offnum == FirstOffsetNumber &&
		PageGetMaxOffsetNumber(page) == FirstOffsetNumber;
	new_header.t_infomask2 = new_row->t_data->t_infomask2;
	new_header.t_infomask = new_row->t_data->t_infomask;
	new_header.t_hoff = new_row->t_data->t_hoff;

	XLogBeginInsert();
	XLogRegisterBuffer(0, buffer, REGBUF_STANDARD | REGBUF_KEEP_DATA |
					   (init ? REGBUF_WILL_INIT : 0));
	if (ghost_buffer != buffer)
		XLogRegisterBuffer(1, ghost_buffer, REGBUF_STANDARD);
	XLogRegisterData((char *) &record, SizeOfHeapUpdate);
	XLogRegisterBufData(0, (char *) &new_header, SizeOfHeapHeader);
	XLogRegisterBufData(0, (char *) new_row->t_data + SizeofHeapTupleHeader,
						new_row->t_len - SizeofHeapTupleHeader);
	if (old_row != NULL)
		register_old_row(old_row, &old_header);
	XLogSetRecordFlags(XLOG_INCLUDE_ORIGIN);
	lsn = XLogInsert(RM_HEAP_ID, XLOG_HEAP_UPDATE | (init ? XLOG_HEAP_INIT_PAGE : 0));
	PageSetLSN(page, lsn);
	PageSetLSN(BufferGetPage(ghost_buffer), lsn);
	END_CRIT_SECTION();

	if (ghost_buffer != buffer) /* else it is pinned once */
		UnlockReleaseBuffer(ghost_buffer);
	UnlockReleaseBuffer(buffer);
	if (BufferIsValid(vmbuffer))
		ReleaseBuffer(vmbuffer);
	if (BufferIsValid(ghost_vmbuffer))
		ReleaseBuffer(ghost_vmbuffer);
}

/* What heap_insert writes into a new tuple's header. */
static void
set_header(Relation rel, HeapTuple row, CommandId cid)
{
	row->t_data->t_infomask &= ~HEAP_XACT_MASK;
	row->t_data->t_infomask2 &= ~HEAP2_XACT_MASK;
	row->t_data->t_infomask |= HEAP_XMAX_INVALID;
	HeapTupleHeaderSetXmin(row->t_data, GetCurrentTransactionId());
	HeapTupleHeaderSetCmin(row->t_data, cid);
	HeapTupleHeaderSetXmax(row->t_data, InvalidTransactionId);
	row->t_tableOid = RelationGetRelid(rel);
}

void
tsdb_logical_change_update(TsdbStorage *storage, ItemPointer tid, HeapTuple new_row,
						   CommandId cid)
{
	Relation	rel = storage->table;
	TupleDesc	tupdesc = RelationGetDescr(rel);
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb logical update",
												 ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(memory);
	Bitmapset  *columns = identity_columns(rel);
	bool		full = rel->rd_rel->relreplident == REPLICA_IDENTITY_FULL;
	UpdatedRow	update = {0};
	bool		send_key = false;
	HeapTuple	stored;

	Assert(RelationIsLogicallyLogged(rel));
	if (full || !bms_is_empty(columns) || OidIsValid(rel->rd_rel->reltoastrelid))
	{
		update.old_row = fetch_row(storage, tid);
		deform_row(tupdesc, update.old_row, &update.old_values, &update.old_nulls);
		deform_row(tupdesc, new_row, &update.new_values, &update.new_nulls);
		for (int i = 0; i < tupdesc->natts && !send_key; i++)
			send_key = bms_is_member(i + 1 - FirstLowInvalidHeapAttributeNumber, columns) &&
				!keeps_column(tupdesc, &update, i);
	}
	set_header(rel, new_row, cid);
	if (OidIsValid(rel->rd_rel->reltoastrelid))
	{
		bool		kept_key;

		stored = toast_new_row(rel, &update, new_row, columns, &kept_key);
		send_key = send_key || kept_key;
	}
	else if (HeapTupleHasExternal(new_row) || new_row->t_len > TOAST_TUPLE_THRESHOLD)
		stored = heap_toast_insert_or_update(rel, new_row, NULL, 0);
	else
		stored = new_row;
	set_header(rel, stored, cid);

	log_update(rel, full ? update.old_row :
			   send_key ? form_key(rel, update.old_row, columns) : NULL, stored);
	new_row->t_self = stored->t_self;
	pgstat_count_heap_insert(rel, 1);

	MemoryContextSwitchTo(old);
	MemoryContextDelete(memory);
}
