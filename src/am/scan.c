/*
 * scan.c
 *		Sequential, parallel and bitmap scans.
 */
#include "postgres.h"

#include "am/scan.h"

#include "access/heapam.h"
#include "access/xact.h"
#include "am/fetch.h"
#include "am/salvage.h"
#include "am/sample.h"
#include "miscadmin.h"
#include "nodes/tidbitmap.h"
#include "pgstat.h"
#include "storage/predicate.h"
#include "store/chunk_tid.h"
#include "store/marks.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* In a parallel scan, workers take slices of this many directory slots. */
#define SLICE_SLOTS			8
#define SLICES_PER_BLOCK	(TSDB_DIRECTORY_SLOTS / SLICE_SLOTS)

/* ---- the chunk at hand ---- */

static void
open_cursor(TsdbChunkCursor *cursor, TsdbStorage *storage, TupleDesc tupdesc,
			TsdbChunkEntry *entry, Snapshot snapshot, bool salvage)
{
	MemoryContext old;
	TsdbChunkReader *reader;

	if (cursor->memory == NULL)
		cursor->memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb chunk",
											   ALLOCSET_DEFAULT_SIZES);
	else
		MemoryContextReset(cursor->memory);
	old = MemoryContextSwitchTo(cursor->memory);
	cursor->open = false;
	cursor->handle.storage = storage;
	cursor->handle.entry = entry;
	reader = tsdb_directory_open_chunk(&cursor->handle, tupdesc);
	tsdb_row_source_open(&cursor->rows, storage, tupdesc, entry, reader, salvage);
	cursor->hidden = tsdb_fetch_hidden(storage, entry->chunk, entry->nrows, snapshot);
	cursor->open = true;
	MemoryContextSwitchTo(old);
}

void
tsdb_cursor_open(TsdbChunkCursor *cursor, TsdbStorage *storage, TupleDesc tupdesc,
				 TsdbChunkEntry *entry, Snapshot snapshot)
{
	open_cursor(cursor, storage, tupdesc, entry, snapshot, false);
}

typedef struct OpenWork
{
	TsdbChunkCursor *cursor;
	TsdbStorage *storage;
	TupleDesc	tupdesc;
	TsdbChunkEntry *entry;
	Snapshot	snapshot;
} OpenWork;

static void
open_cursor_work(void *arg)
{
	OpenWork   *work = arg;

	open_cursor(work->cursor, work->storage, work->tupdesc, work->entry, work->snapshot, true);
}

bool
tsdb_cursor_try_open(TsdbChunkCursor *cursor, TsdbStorage *storage, TupleDesc tupdesc,
					 TsdbChunkEntry *entry, Snapshot snapshot, bool skip)
{
	OpenWork	work = {cursor, storage, tupdesc, entry, snapshot};

	return tsdb_salvage_chunk(storage, entry->chunk, entry->nrows, skip, open_cursor_work,
							  &work);
}

void
tsdb_cursor_close(TsdbChunkCursor *cursor)
{
	if (cursor->memory != NULL)
		MemoryContextReset(cursor->memory);
	cursor->open = false;
}

/* ---- SnapshotDirty ---- */

/*
 * Who searches a whole table with SnapshotDirty, as one who applies the changes
 * of a publisher does, must not miss a row that a merge moves meanwhile from
 * pages not yet read to pages already read.  So the directory is read with one
 * MVCC snapshot, taken after the row store was read, and only the marks are
 * judged by the state of the moment.  Who then locks a row that has been moved
 * since is led on to where it is.
 */
static void
forget_latest(TsdbScanDesc *scan)
{
	if (scan->latest != NULL)
		UnregisterSnapshot(scan->latest);
	scan->latest = NULL;
}

/* Is this row of the open chunk there for SnapshotDirty? */
static bool
is_there(TsdbScanDesc *scan, uint32 row)
{
	Snapshot	snapshot = scan->rs_base.rs_snapshot;
	ItemPointerData tid;

	snapshot->xmin = snapshot->xmax = InvalidTransactionId;
	snapshot->speculativeToken = 0;
	tsdb_tid_set(&tid, scan->cursor.rows.chunk, row);
	return !scan->cursor.marked || tsdb_marks_row_visible(scan->storage, &tid, snapshot);
}

/* ---- beginning and ending ---- */

TableScanDesc
tsdb_scan_begin(Relation rel, Snapshot snapshot, int nkeys, struct ScanKeyData *keys,
				ParallelTableScanDesc parallel, uint32 flags)
{
	TsdbScanDesc *scan = palloc0(sizeof(TsdbScanDesc));
	uint32		heap_flags = flags & ~SO_TEMP_SNAPSHOT;

	RelationIncrementReferenceCount(rel);
	scan->rs_base.rs_rd = rel;
	scan->rs_base.rs_snapshot = snapshot;
	scan->rs_base.rs_nkeys = nkeys;
	scan->rs_base.rs_flags = flags;
	scan->rs_base.rs_parallel = parallel;
	if (tsdb_storage_before_open != NULL)
		tsdb_storage_before_open(rel);	/* for the row store, too */
	scan->heap = heap_beginscan(rel, snapshot, nkeys, keys, parallel, heap_flags);
	scan->storage = tsdb_storage_open(rel, AccessShareLock);
	scan->check_moved = scan->storage != NULL && tsdb_marks_check_moved();
	scan->part = TSDB_SCAN_ROW_STORE;
	scan->block = -1;
	if (flags & SO_TYPE_ANALYZE)
		tsdb_sample_begin_analyze(scan);
	return &scan->rs_base;
}

void
tsdb_scan_end(TableScanDesc base)
{
	TsdbScanDesc *scan = (TsdbScanDesc *) base;

	if (scan->heap != NULL)
		heap_endscan(scan->heap);
	tsdb_sample_end(scan);
	forget_latest(scan);
	tsdb_directory_view_release(&scan->view);
	if (scan->cursor.memory != NULL)
		MemoryContextDelete(scan->cursor.memory);
	if (scan->page_memory != NULL)
		MemoryContextDelete(scan->page_memory);
	if (scan->storage != NULL)
		tsdb_storage_close(scan->storage);
	if (base->rs_flags & SO_TEMP_SNAPSHOT)
		UnregisterSnapshot(base->rs_snapshot);
	RelationDecrementReferenceCount(base->rs_rd);
	pfree(scan);
}

void
tsdb_scan_rescan(TableScanDesc base, struct ScanKeyData *keys, bool set_params,
				 bool allow_strat, bool allow_sync, bool allow_pagemode)
{
	TsdbScanDesc *scan = (TsdbScanDesc *) base;

	heap_rescan(scan->heap, keys, set_params, allow_strat, allow_sync, allow_pagemode);
	tsdb_cursor_close(&scan->cursor);
	scan->part = TSDB_SCAN_ROW_STORE;
	scan->block = -1;
	tsdb_directory_view_release(&scan->view);
	scan->entry = 0;
	scan->check_moved = scan->storage != NULL && tsdb_marks_check_moved();
	if (base->rs_flags & SO_TYPE_SAMPLESCAN)
		tsdb_sample_rescan(scan);
}

/* ---- sequential ---- */

/* Salvage lists entries that it can read, and no image is kept of these. */
static void
salvage_page(TsdbScanDesc *scan, BlockNumber block, uint32 first, uint32 end, Snapshot snapshot)
{
	MemoryContext old;
	TsdbChunkEntry *entries;
	int			count;

	if (scan->page_memory == NULL)
		scan->page_memory = AllocSetContextCreate(GetMemoryChunkContext(scan),
												  "tsdb directory page",
												  ALLOCSET_DEFAULT_SIZES);
	tsdb_directory_view_release(&scan->view);
	MemoryContextReset(scan->page_memory);
	old = MemoryContextSwitchTo(scan->page_memory);
	count = tsdb_salvage_page(scan->storage, block, snapshot, false, &entries);
	MemoryContextSwitchTo(old);
	scan->view.storage = scan->storage;
	for (int i = 0; i < count; i++)
	{
		uint32		slot = entries[i].chunk % TSDB_DIRECTORY_SLOTS;

		if (slot >= first && slot < end)
			scan->view.entries[scan->view.count++] = &entries[i];
	}
}

/* List the entries of some numbers of a directory page. */
static void
load_page(TsdbScanDesc *scan, BlockNumber block, uint32 first, uint32 end)
{
	Snapshot	snapshot = scan->latest != NULL ? scan->latest : scan->rs_base.rs_snapshot;

	tsdb_cursor_close(&scan->cursor);
	if (tsdb_damaged_chunks == TSDB_DAMAGED_ERROR)
		tsdb_directory_view(&scan->view, scan->storage, block, first, end, scan->wanted, snapshot);
	else
		salvage_page(scan, block, first, end, snapshot);
}

/* Go to the next slice of a parallel scan; false at the end. */
static bool
next_slice(TsdbScanDesc *scan)
{
	TsdbParallelScan *shared = (TsdbParallelScan *) scan->rs_base.rs_parallel;
	uint64		slice = pg_atomic_fetch_add_u64(&shared->next_slice, 1);
	BlockNumber block = slice / SLICES_PER_BLOCK;
	uint32		first = slice % SLICES_PER_BLOCK * SLICE_SLOTS;

	if (block >= tsdb_directory_blocks(scan->storage))
		return false;
	load_page(scan, block, first, first + SLICE_SLOTS);
	scan->entry = -1;
	return true;
}

/* Go to the next or previous page of the directory; false at the end. */
static bool
next_page(TsdbScanDesc *scan, bool forward)
{
	if (scan->rs_base.rs_parallel != NULL)
		return next_slice(scan);

	scan->block += forward ? 1 : -1;
	if (scan->block < 0 || scan->block >= scan->directory_blocks)
		return false;
	load_page(scan, scan->block, 0, TSDB_DIRECTORY_SLOTS);
	scan->entry = forward ? -1 : scan->view.count;
	return true;
}

/* The next visible row of the chunks, in either direction. */
static bool
next_chunk_row(TsdbScanDesc *scan, bool forward, TupleTableSlot *slot)
{
	TsdbChunkCursor *cursor = &scan->cursor;

	for (;;)
	{
		if (cursor->open)
		{
			cursor->row += forward ? 1 : -1;
			while (cursor->row >= 0 && cursor->row < cursor->rows.nrows &&
				   tsdb_marks_is_hidden(cursor->hidden, cursor->row))
				cursor->row += forward ? 1 : -1;
			if (cursor->row >= 0 && cursor->row < cursor->rows.nrows)
			{
				if (scan->latest != NULL && !is_there(scan, cursor->row))
					continue;
				tsdb_row_slot_store(slot, &cursor->rows, cursor->row);
				return true;
			}
			tsdb_cursor_close(cursor);
		}

		CHECK_FOR_INTERRUPTS();
		scan->entry += forward ? 1 : -1;
		if (scan->entry < 0 || scan->entry >= scan->view.count)
		{
			if (!next_page(scan, forward))
				return false;
			continue;
		}
		{
			MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(scan));

			if (tsdb_cursor_try_open(cursor, scan->storage, slot->tts_tupleDescriptor,
									 scan->view.entries[scan->entry],
									 scan->latest != NULL ? scan->latest :
									 scan->rs_base.rs_snapshot, false))
			{
				if (scan->latest != NULL)
					cursor->marked = tsdb_marks_any(scan->storage, cursor->rows.chunk);
				cursor->row = forward ? -1 : (int64) cursor->rows.nrows;
			}
			MemoryContextSwitchTo(old);
		}
	}
}

/* Stand before the first chunk, or after the last. */
static void
enter_chunks(TsdbScanDesc *scan, bool at_start)
{
	scan->part = TSDB_SCAN_CHUNKS;
	forget_latest(scan);
	if (scan->rs_base.rs_snapshot->snapshot_type == SNAPSHOT_DIRTY)
		scan->latest = RegisterSnapshot(GetLatestSnapshot());
	scan->directory_blocks = tsdb_directory_blocks(scan->storage);
	scan->block = at_start ? -1 : (int64) scan->directory_blocks;
	tsdb_directory_view_release(&scan->view);
	scan->entry = at_start ? -1 : 0;
	tsdb_cursor_close(&scan->cursor);
}

static bool
next_row_store_row(TsdbScanDesc *scan, ScanDirection direction, TupleTableSlot *slot)
{
	while (heap_getnextslot(scan->heap, direction, slot))
	{
		if (!scan->check_moved ||
			!tsdb_fetch_is_buried(scan->storage, slot, scan->rs_base.rs_snapshot))
			return true;
		CHECK_FOR_INTERRUPTS();
	}
	return false;
}

bool
tsdb_scan_getnextslot(TableScanDesc base, ScanDirection direction, TupleTableSlot *slot)
{
	TsdbScanDesc *scan = (TsdbScanDesc *) base;
	bool		forward = !ScanDirectionIsBackward(direction);

	if (scan->storage == NULL)
		return heap_getnextslot(scan->heap, direction, slot);

	if (forward)
	{
		if (scan->part == TSDB_SCAN_ROW_STORE)
		{
			if (next_row_store_row(scan, direction, slot))
				return true;
			enter_chunks(scan, true);
		}
		if (next_chunk_row(scan, true, slot))
		{
			pgstat_count_heap_getnext(base->rs_rd);
			return true;
		}
		/* The end; a step back starts from the last row. */
		enter_chunks(scan, false);
	}
	else
	{
		/* A scan that starts backward starts from the last row, too. */
		if (scan->part == TSDB_SCAN_ROW_STORE && scan->block == -1 &&
			!((HeapScanDesc) scan->heap)->rs_inited)
			enter_chunks(scan, false);
		if (scan->part == TSDB_SCAN_CHUNKS)
		{
			if (next_chunk_row(scan, false, slot))
			{
				pgstat_count_heap_getnext(base->rs_rd);
				return true;
			}
			scan->part = TSDB_SCAN_ROW_STORE;
			scan->block = -2;	/* the row store is entered from its end */
		}
		if (next_row_store_row(scan, direction, slot))
			return true;
		scan->block = -1;
	}
	ExecClearTuple(slot);
	return false;
}

/* ---- by columns ---- */

bool
tsdb_scan_next_row_store_row(TableScanDesc base, TupleTableSlot *slot)
{
	TsdbScanDesc *scan = (TsdbScanDesc *) base;

	if (scan->part != TSDB_SCAN_ROW_STORE)
		return false;
	if (next_row_store_row(scan, ForwardScanDirection, slot))
		return true;
	scan->part = TSDB_SCAN_CHUNKS;
	if (scan->storage != NULL)
		enter_chunks(scan, true);
	return false;
}

TsdbChunkEntry *
tsdb_scan_next_chunk(TableScanDesc base, TsdbChunkWanted *wanted, uint64 *passed)
{
	TsdbScanDesc *scan = (TsdbScanDesc *) base;

	if (scan->storage == NULL)
		return NULL;
	scan->wanted = wanted;
	while (++scan->entry >= scan->view.count)
	{
		CHECK_FOR_INTERRUPTS();
		if (!next_page(scan, true))
		{
			scan->wanted = NULL;
			return NULL;
		}
		*passed += scan->view.passed;
	}
	scan->wanted = NULL;
	return scan->view.entries[scan->entry];
}

const TsdbChunkEntry *
tsdb_scan_coming_chunk(TableScanDesc base)
{
	TsdbScanDesc *scan = (TsdbScanDesc *) base;

	return scan->entry + 1 < scan->view.count ? scan->view.entries[scan->entry + 1] : NULL;
}

const TsdbChunkSummary *
tsdb_scan_summary(TableScanDesc base)
{
	TsdbScanDesc *scan = (TsdbScanDesc *) base;

	return tsdb_directory_view_summary(&scan->view, scan->entry);
}

void *
tsdb_scan_memory(TableScanDesc base, TsdbMemoryKind kind)
{
	TsdbScanDesc *scan = (TsdbScanDesc *) base;

	return tsdb_directory_view_memory(&scan->view, scan->entry, kind);
}

const TsdbChunkGist *
tsdb_scan_gist(TableScanDesc base)
{
	TsdbScanDesc *scan = (TsdbScanDesc *) base;

	return tsdb_directory_view_gist(&scan->view, scan->entry);
}

TsdbDirectoryView *
tsdb_scan_view(TableScanDesc base, int *place)
{
	TsdbScanDesc *scan = (TsdbScanDesc *) base;

	*place = scan->entry;
	return &scan->view;
}

TsdbStorage *
tsdb_scan_storage(TableScanDesc base)
{
	return ((TsdbScanDesc *) base)->storage;
}

/* ---- parallel ---- */

Size
tsdb_parallelscan_estimate(Relation rel)
{
	return sizeof(TsdbParallelScan);
}

Size
tsdb_parallelscan_initialize(Relation rel, ParallelTableScanDesc pscan)
{
	TsdbParallelScan *shared = (TsdbParallelScan *) pscan;

	table_block_parallelscan_initialize(rel, pscan);
	pg_atomic_init_u64(&shared->next_slice, 0);
	return sizeof(TsdbParallelScan);
}

void
tsdb_parallelscan_reinitialize(Relation rel, ParallelTableScanDesc pscan)
{
	TsdbParallelScan *shared = (TsdbParallelScan *) pscan;

	table_block_parallelscan_reinitialize(rel, pscan);
	pg_atomic_write_u64(&shared->next_slice, 0);
}

/* ---- bitmap ---- */

typedef struct FetchWork
{
	TsdbScanDesc *scan;
	uint32		chunk;
	TsdbChunkEntry *entry;
	bool		visible;
} FetchWork;

static void
fetch_entry_work(void *arg)
{
	FetchWork  *work = arg;

	work->visible = tsdb_directory_fetch(work->scan->storage, work->chunk,
										 work->scan->rs_base.rs_snapshot, work->entry);
}

/* The directory's entry of a chunk, if it is visible. */
static bool
fetch_entry(TsdbScanDesc *scan, uint32 chunk, TsdbChunkEntry *entry)
{
	FetchWork	work = {scan, chunk, entry, false};

	return tsdb_salvage_chunk(scan->storage, chunk, 0, false, fetch_entry_work, &work) &&
		work.visible;
}

/*
 * A serializable reader locks the rows that it will return, and looks for their
 * marks after that: who buries one later looks for the lock then.
 */
static void
lock_bitmap_rows(TsdbScanDesc *scan, Snapshot snapshot)
{
	TsdbChunkCursor *cursor = &scan->cursor;
	MemoryContext old;

	if (!IsolationIsSerializable())
		return;
	for (int i = 0; i < scan->bitmap_count; i++)
	{
		uint32		row = scan->bitmap_rows[i];
		ItemPointerData tid;

		if (row >= cursor->rows.nrows || tsdb_marks_is_hidden(cursor->hidden, row))
			continue;
		tsdb_tid_set(&tid, cursor->rows.chunk, row);
		PredicateLockTID(scan->storage->table, &tid, snapshot, cursor->rows.xmin);
	}
	old = MemoryContextSwitchTo(cursor->memory);
	cursor->hidden = tsdb_fetch_hidden(scan->storage, cursor->rows.chunk,
									   cursor->rows.nrows, snapshot);
	MemoryContextSwitchTo(old);
}

bool
tsdb_scan_bitmap_next_block(TableScanDesc base, struct TBMIterateResult *result)
{
	TsdbScanDesc *scan = (TsdbScanDesc *) base;
	uint32		chunk;
	uint32		first;
	TsdbChunkEntry entry;
	MemoryContext old;

	scan->bitmap_in_chunk = (result->blockno & TSDB_TID_CHUNK_BIT) != 0;
	if (!scan->bitmap_in_chunk)
		return GetHeapamTableAmRoutine()->scan_bitmap_next_block(scan->heap, result);
	if (scan->storage == NULL)
		return false;

	chunk = (result->blockno & ~TSDB_TID_CHUNK_BIT) / TSDB_TID_BLOCKS;
	first = result->blockno % TSDB_TID_BLOCKS * TSDB_TID_ROWS;
	scan->bitmap_count = scan->bitmap_next = 0;

	/* The blocks of a chunk come one after the other: keep it open. */
	if (!scan->cursor.open || scan->cursor.rows.chunk != chunk)
	{
		if (scan->page_memory == NULL)
			scan->page_memory = AllocSetContextCreate(GetMemoryChunkContext(scan),
													  "tsdb directory page",
													  ALLOCSET_DEFAULT_SIZES);
		tsdb_cursor_close(&scan->cursor);
		MemoryContextReset(scan->page_memory);
		old = MemoryContextSwitchTo(scan->page_memory);
		if (!fetch_entry(scan, chunk, &entry))
		{
			MemoryContextSwitchTo(old);
			return false;
		}
		scan->fetched = palloc(sizeof(TsdbChunkEntry));
		*scan->fetched = entry;
		MemoryContextSwitchTo(GetMemoryChunkContext(scan));
		if (!tsdb_cursor_try_open(&scan->cursor, scan->storage, RelationGetDescr(base->rs_rd),
								  scan->fetched, base->rs_snapshot, false))
		{
			MemoryContextSwitchTo(old);
			return false;
		}
		MemoryContextSwitchTo(old);
	}

	if (result->ntuples >= 0)
	{
		for (int i = 0; i < result->ntuples; i++)
			scan->bitmap_rows[scan->bitmap_count++] = first + result->offsets[i] - 1;
	}
	else
	{
		for (uint32 row = first; row < first + TSDB_TID_ROWS; row++)
			scan->bitmap_rows[scan->bitmap_count++] = row;
	}
	lock_bitmap_rows(scan, base->rs_snapshot);
	return true;
}

bool
tsdb_scan_bitmap_next_tuple(TableScanDesc base, struct TBMIterateResult *result,
							TupleTableSlot *slot)
{
	TsdbScanDesc *scan = (TsdbScanDesc *) base;

	if (!scan->bitmap_in_chunk)
	{
		while (GetHeapamTableAmRoutine()->scan_bitmap_next_tuple(scan->heap, result, slot))
		{
			if (!scan->check_moved ||
				!tsdb_fetch_is_buried(scan->storage, slot, base->rs_snapshot))
				return true;
		}
		return false;
	}
	while (scan->bitmap_next < scan->bitmap_count)
	{
		uint32		row = scan->bitmap_rows[scan->bitmap_next++];

		if (row < scan->cursor.rows.nrows &&
			!tsdb_marks_is_hidden(scan->cursor.hidden, row))
		{
			tsdb_row_slot_store(slot, &scan->cursor.rows, row);
			pgstat_count_heap_fetch(base->rs_rd);
			return true;
		}
	}
	return false;
}
