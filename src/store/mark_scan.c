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
#include "access/visibilitymap.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "port/pg_crc32c.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "store/internal_tuple.h"
#include "store/touched.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

enum
{
	Anum_key = TSDB_MARKS_KEY,
	Anum_state,					/* TsdbMarkState and check bits, see mark_state() */
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

/*
 * A mark has no room to spare, so 13 bits of a CRC-32C lie in the state above the
 * three that tell it.  They find every change of one byte of a mark.
 */
#define STATE_BITS		3
#define STATE_MASK		((1 << STATE_BITS) - 1)

/* The columns of a mark that are never null, as they lie in the tuple. */
typedef struct MarkForm
{
	int64		key;
	int16		state;
	ItemPointerData successor;
} MarkForm;

static int16
mark_state(Oid identity, int64 key, TsdbMarkState state, const ItemPointerData *successor,
		   const uint8 *group)
{
	uint16		state_only = (uint16) state;
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, &key, sizeof(key));
	COMP_CRC32C(crc, &identity, sizeof(identity));
	COMP_CRC32C(crc, successor, sizeof(*successor));
	COMP_CRC32C(crc, &state_only, sizeof(state_only));
	if (group != NULL)
		COMP_CRC32C(crc, group, TSDB_MARK_GROUP_BYTES);
	FIN_CRC32C(crc);
	return (int16) ((uint16) (crc << STATE_BITS) | (uint16) state);
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
	scan->in_groups = tsdb_touched_no_groups(storage, scan->chunk);
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

const char *
tsdb_mark_parse(TsdbStorage *storage, HeapTuple tuple, TsdbMarkVersion *version)
{
	Relation	marks = tsdb_storage_marks(storage);
	Datum		values[Natts_marks];
	bool		nulls[Natts_marks];
	const char *fault = tsdb_internal_columns_fault(marks, tuple);
	uint32		place;
	int16		state;

	if (fault != NULL)
		return fault;
	heap_deform_tuple(tuple, RelationGetDescr(marks), values, nulls);
	if (nulls[Anum_key - 1] || nulls[Anum_state - 1] || nulls[Anum_successor - 1])
		return "A column is null.";
	version->group = NULL;
	if (!nulls[Anum_group - 1])
	{
		struct varlena *group = (struct varlena *) DatumGetPointer(values[Anum_group - 1]);

		if (VARSIZE_ANY_EXHDR(group) != TSDB_MARK_GROUP_BYTES)
			return "A column has an impossible length.";
		version->group = (const uint8 *) VARDATA_ANY(group);
	}
	state = DatumGetInt16(values[Anum_state - 1]);
	version->key = DatumGetInt64(values[Anum_key - 1]);
	version->state = (TsdbMarkState) (state & STATE_MASK);
	version->successor = *(ItemPointer) DatumGetPointer(values[Anum_successor - 1]);
	version->tid = tuple->t_self;
	version->xmin = HeapTupleHeaderGetXmin(tuple->t_data);
	version->cmin = TransactionIdIsCurrentTransactionId(version->xmin) ?
		HeapTupleHeaderGetCmin(tuple->t_data) : FirstCommandId;
	if (version->state > TSDB_MARK_MOVED ||
		state != mark_state(storage->identity, version->key, version->state,
							&version->successor, version->group))
		return "The checksum does not match.";

	place = version->key % TSDB_MARK_KEYS;
	if (version->key < 0 || (version->group == NULL) != (place < TSDB_CHUNK_ROWS) ||
		place >= TSDB_CHUNK_ROWS + TSDB_CHUNK_ROWS / TSDB_MARK_GROUP_ROWS)
		return "It belongs to no row.";
	version->row = version->group == NULL ? place :
		(place - TSDB_CHUNK_ROWS) * TSDB_MARK_GROUP_ROWS;
	return NULL;
}

/* The same under the page's lock: who adds rows to a group writes in place. */
static const char *
parse_again(TsdbMarkScan *scan, HeapTuple tuple, TsdbMarkVersion *version)
{
	Buffer		buffer = ((BufferHeapTupleTableSlot *) scan->slot)->buffer;
	HeapTuple	copy;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	copy = heap_copytuple(tuple);
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	return tsdb_mark_parse(scan->storage, copy, version);
}

static void
read_version(TsdbMarkScan *scan, TsdbMarkVersion *version)
{
	HeapTuple	tuple = ExecFetchSlotHeapTuple(scan->slot, false, NULL);
	Page		page = BufferGetPage(((BufferHeapTupleTableSlot *) scan->slot)->buffer);
	const char *fault;

	if ((char *) tuple->t_data + tuple->t_len > (char *) page + BLCKSZ)
		fault = "Its line pointer leaves the page.";
	else
	{
		fault = tsdb_mark_parse(scan->storage, tuple, version);
		if (fault != NULL)
			fault = parse_again(scan, tuple, version);
	}
	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("mark of a row of chunk %u of table \"%s\" is damaged",
						scan->chunk, RelationGetRelationName(scan->storage->table)),
				 errdetail("Tuple (%u,%u) of \"%s\": %s",
						   ItemPointerGetBlockNumberNoCheck(&tuple->t_self),
						   ItemPointerGetOffsetNumberNoCheck(&tuple->t_self),
						   RelationGetRelationName(scan->storage->marks), fault),
				 errhint("Other chunks stay readable. Run tsdb.verify() to see all that is damaged.")));
	if (version->key / TSDB_MARK_KEYS != scan->chunk ||
		(scan->row < TSDB_CHUNK_ROWS && version->group == NULL && version->row != scan->row))
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" of table \"%s\" has an entry for another row",
						RelationGetRelationName(scan->storage->marks_index),
						RelationGetRelationName(scan->storage->table)),
				 errhint("REINDEX \"%s\".",
						 RelationGetRelationName(scan->storage->marks))));
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

/* The same for the marks of one page. */
static Bitmapset *
without_page(TsdbStorage *storage, Page page, BlockNumber block, Bitmapset *chunks)
{
	OffsetNumber max = PageIsNew(page) ? 0 : PageGetMaxOffsetNumber(page);

	for (OffsetNumber offset = 1; offset <= max; offset++)
	{
		TsdbMarkVersion version;
		HeapTupleData tuple;

		/* nobody can take a damaged one for a mark */
		if (tsdb_internal_item(storage->marks, page, block, offset, &tuple) != TSDB_ITEM_TUPLE ||
			tsdb_mark_parse(storage, &tuple, &version) != NULL)
			continue;
		if (version.state != TSDB_MARK_STUB ||
			(tuple.t_data->t_infomask & HEAP_XMAX_INVALID) == 0)
			chunks = bms_del_member(chunks, version.key / TSDB_MARK_KEYS);
	}
	return chunks;
}

Bitmapset *
tsdb_mark_scan_without(TsdbStorage *storage, Bitmapset *chunks, BufferAccessStrategy strategy)
{
	Relation	marks = tsdb_storage_marks(storage);
	BlockNumber nblocks = RelationGetNumberOfBlocks(marks);
	Buffer		map = InvalidBuffer;

	for (BlockNumber block = 0; block < nblocks && !bms_is_empty(chunks); block++)
	{
		Buffer		buffer;

		CHECK_FOR_INTERRUPTS();
		if (VM_ALL_VISIBLE(marks, block, &map))
			continue;
		buffer = ReadBufferExtended(marks, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		chunks = without_page(storage, BufferGetPage(buffer), block, chunks);
		UnlockReleaseBuffer(buffer);
	}
	if (BufferIsValid(map))
		ReleaseBuffer(map);
	return chunks;
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
	if (successor == NULL)
		successor = &none;
	values[Anum_state - 1] = Int16GetDatum(mark_state(storage->identity, key, state, successor,
													  group));
	values[Anum_successor - 1] = PointerGetDatum(successor);
	nulls[Anum_group - 1] = group == NULL;
	if (group != NULL)
	{
		SET_VARSIZE(bytes, VARHDRSZ + TSDB_MARK_GROUP_BYTES);
		memcpy(bytes + VARHDRSZ, group, TSDB_MARK_GROUP_BYTES);
		values[Anum_group - 1] = PointerGetDatum(bytes);
	}
	return heap_form_tuple(RelationGetDescr(tsdb_storage_marks(storage)), values, nulls);
}

void
tsdb_mark_group_set(TsdbStorage *storage, HeapTuple tuple, uint32 row)
{
	MarkForm   *form = (MarkForm *) GETSTRUCT(tuple);
	bool		isnull;
	Datum		group = heap_getattr(tuple, Anum_group,
									 RelationGetDescr(tsdb_storage_marks(storage)), &isnull);
	uint8	   *bits = (uint8 *) VARDATA_ANY(DatumGetPointer(group));

	Assert(!isnull);
	bits[row % TSDB_MARK_GROUP_ROWS / 8] |= 1 << (row % 8);
	form->state = mark_state(storage->identity, form->key,
							 (TsdbMarkState) (form->state & STATE_MASK), &form->successor,
							 bits);
}
