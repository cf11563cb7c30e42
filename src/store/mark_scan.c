/*
 * mark_scan.c
 *		Reading and forming the tuples of the marks relation.
 */
#include "postgres.h"

#include "store/mark_scan.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

enum
{
	Anum_key = TSDB_MARKS_KEY,
	Anum_state,
	Anum_successor,
	Anum_group,					/* null for a mark of one row */
	Natts_marks = Anum_group
};

TupleDesc
tsdb_marks_tupdesc(void)
{
	TupleDesc	tupdesc = CreateTemplateTupleDesc(Natts_marks);

	TupleDescInitEntry(tupdesc, Anum_key, "key", INT8OID, -1, 0);
	TupleDescInitEntry(tupdesc, Anum_state, "state", INT2OID, -1, 0);
	TupleDescInitEntry(tupdesc, Anum_successor, "successor", TIDOID, -1, 0);
	TupleDescInitEntry(tupdesc, Anum_group, "rows", BYTEAOID, -1, 0);
	TupleDescAttr(tupdesc, Anum_group - 1)->attstorage = TYPSTORAGE_PLAIN;
	return tupdesc;
}

bool
tsdb_mark_scan_useful(TsdbStorage *storage)
{
	if (!storage->facts.has_marks &&
		RelationGetNumberOfBlocks(tsdb_storage_marks(storage)) > 0)
	{
		storage->facts.has_marks = true;
		tsdb_storage_remember(storage);
	}
	return storage->facts.has_marks;
}

static void
set_range(TsdbMarkScan *scan, int64 first, int64 last)
{
	ScanKeyInit(&scan->keys[0], 1, BTGreaterEqualStrategyNumber, F_INT8GE,
				Int64GetDatum(first));
	ScanKeyInit(&scan->keys[1], 1, BTLessEqualStrategyNumber, F_INT8LE,
				Int64GetDatum(last));
	index_rescan(scan->scan, scan->keys, 2, NULL, 0);
}

static void
begin(TsdbStorage *storage, Snapshot snapshot, TsdbMarkScan *scan)
{
	Relation	marks = tsdb_storage_marks(storage);

	scan->storage = storage;
	scan->judge = IsolationIsSerializable() && IsMVCCSnapshot(snapshot) ? snapshot : NULL;
	scan->slot = table_slot_create(marks, NULL);
	scan->scan = index_beginscan(marks, tsdb_storage_marks_index(storage),
								 scan->judge != NULL ? SnapshotAny : snapshot, 2, 0);
}

void
tsdb_mark_scan_chunk(TsdbStorage *storage, uint32 chunk, Snapshot snapshot,
					 TsdbMarkScan *scan)
{
	begin(storage, snapshot, scan);
	scan->chunk = chunk;
	scan->row = TSDB_CHUNK_ROWS;
	scan->in_groups = true;		/* they are a part of the range */
	set_range(scan, tsdb_mark_row_key(chunk, 0), tsdb_mark_row_key(chunk, TSDB_MARK_KEYS - 1));
}

void
tsdb_mark_scan_row(TsdbStorage *storage, ItemPointer tid, Snapshot snapshot,
				   TsdbMarkScan *scan)
{
	begin(storage, snapshot, scan);
	scan->chunk = tsdb_tid_chunk(tid);
	scan->row = tsdb_tid_row(tid);
	scan->in_groups = false;
	set_range(scan, tsdb_mark_row_key(scan->chunk, scan->row),
			  tsdb_mark_row_key(scan->chunk, scan->row));
}

/* Is the version in the scan's slot visible to the real snapshot? */
static bool
is_seen(TsdbMarkScan *scan)
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
is_in_group(const uint8 *group, uint32 row)
{
	return (group[row % TSDB_MARK_GROUP_ROWS / 8] & (1 << (row % 8))) != 0;
}

static void
read_version(TsdbMarkScan *scan, TsdbMarkVersion *version)
{
	bool		isnull;
	HeapTuple	tuple;
	Datum		group;
	int64		key = DatumGetInt64(slot_getattr(scan->slot, Anum_key, &isnull));
	uint32		place = key % TSDB_MARK_KEYS;

	version->state = (TsdbMarkState) DatumGetInt16(slot_getattr(scan->slot, Anum_state, &isnull));
	version->successor = *(ItemPointer) DatumGetPointer(slot_getattr(scan->slot, Anum_successor,
																	&isnull));
	group = slot_getattr(scan->slot, Anum_group, &isnull);
	version->group = isnull ? NULL : (const uint8 *) VARDATA_ANY(DatumGetPointer(group));
	version->row = isnull ? place : (place - TSDB_CHUNK_ROWS) * TSDB_MARK_GROUP_ROWS;
	version->tid = scan->slot->tts_tid;
	tuple = ExecFetchSlotHeapTuple(scan->slot, false, NULL);
	version->xmin = HeapTupleHeaderGetXmin(tuple->t_data);
	version->cmin = TransactionIdIsCurrentTransactionId(version->xmin) ?
		HeapTupleHeaderGetCmin(tuple->t_data) : FirstCommandId;
}

bool
tsdb_mark_scan_next(TsdbMarkScan *scan, TsdbMarkVersion *version)
{
	bool		one_row = scan->row < TSDB_CHUNK_ROWS;

	for (;;)
	{
		if (!index_getnext_slot(scan->scan, ForwardScanDirection, scan->slot))
		{
			if (scan->in_groups || !one_row)
				return false;
			scan->in_groups = true;
			set_range(scan, tsdb_mark_group_key(scan->chunk, scan->row),
					  tsdb_mark_group_key(scan->chunk, scan->row));
			continue;
		}
		if (scan->judge != NULL && !is_seen(scan))
			continue;
		read_version(scan, version);
		if (!one_row || version->group == NULL || is_in_group(version->group, scan->row))
			return true;
	}
}

void
tsdb_mark_scan_end(TsdbMarkScan *scan)
{
	index_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
}

HeapTuple
tsdb_mark_form(TsdbStorage *storage, int64 key, TsdbMarkState state, ItemPointer successor,
			   const uint8 *group)
{
	Datum		values[Natts_marks];
	bool		nulls[Natts_marks] = {0};
	ItemPointerData none;
	char		bytes[VARHDRSZ + TSDB_MARK_GROUP_BYTES];

	ItemPointerSetInvalid(&none);
	values[Anum_key - 1] = Int64GetDatum(key);
	values[Anum_state - 1] = Int16GetDatum((int16) state);
	values[Anum_successor - 1] = PointerGetDatum(successor != NULL ? successor : &none);
	nulls[Anum_group - 1] = group == NULL;
	if (group != NULL)
	{
		SET_VARSIZE(bytes, VARHDRSZ + TSDB_MARK_GROUP_BYTES);
		memcpy(bytes + VARHDRSZ, group, TSDB_MARK_GROUP_BYTES);
		values[Anum_group - 1] = PointerGetDatum(bytes);
	}
	return heap_form_tuple(RelationGetDescr(tsdb_storage_marks(storage)), values, nulls);
}

uint8 *
tsdb_mark_group_bits(TsdbStorage *storage, HeapTuple tuple)
{
	bool		isnull;
	Datum		group = heap_getattr(tuple, Anum_group,
									 RelationGetDescr(tsdb_storage_marks(storage)), &isnull);

	Assert(!isnull);
	return (uint8 *) VARDATA_ANY(DatumGetPointer(group));
}
