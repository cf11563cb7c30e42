/*
 * verify_rows.c
 *		Looking for damage beside chunks: marks, moves, moved rows.
 */
#include "postgres.h"

#include "store/verify.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/transam.h"
#include "access/xact.h"
#include "chunk/chunk.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "store/chunk_tid.h"
#include "store/damage.h"
#include "store/directory.h"
#include "store/internal_tuple.h"
#include "store/mark_scan.h"
#include "store/marks.h"
#include "store/moves.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#define PART_MARKS		"marks"
#define PART_MOVES		"moves"
#define PART_ROW_STORE	"row store"

/* What verify_pages does with a tuple whose header is in order. */
typedef void (*TupleVisitor) (TsdbVerify *verify, Relation rel, TsdbVerifyTuple *tuple);

static void
verify_pages(TsdbVerify *verify, const char *part, Relation rel, bool never_updated,
			 TupleVisitor visit)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb verify page",
												 ALLOCSET_DEFAULT_SIZES);
	BlockNumber nblocks = RelationGetNumberOfBlocks(rel);

	for (BlockNumber block = 0; block < nblocks; block++)
	{
		MemoryContext old = MemoryContextSwitchTo(memory);
		TsdbVerifyTuple *tuples;
		int			count = tsdb_verify_page(verify, part, rel, block, never_updated, &tuples);

		for (int i = 0; i < count; i++)
		{
			ItemPointerData place;

			ItemPointerSet(&place, block, tuples[i].offset);
			if (tuples[i].fault != NULL)
				tsdb_verify_report(verify, part, rel, TSDB_NO_CHUNK, &place, tuples[i].fault);
			else
				visit(verify, rel, &tuples[i]);
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(memory);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextDelete(memory);
}

/* ---- marks ---- */

/* A row of a mark, and the marks of that row that the snapshot sees. */
typedef struct MarkWork
{
	TsdbVerify *verify;
	uint32		chunk;
	uint32		row;
	bool		chunk_visible;
	uint32		nrows;			/* of the chunk */
	ItemPointerData place;		/* of one of them */
	int			nplaces;
} MarkWork;

static TsdbFault
mark_fault(const MarkWork *work, ItemPointer place)
{
	return (TsdbFault) {
		.part = PART_MARKS,.relation = work->verify->storage->marks,.chunk = work->chunk,
		.row = (int) work->row,.place = *place
	};
}

static void
look_up_chunk_of_mark(void *arg)
{
	MarkWork   *work = arg;
	TransactionId replacer;

	work->chunk_visible = tsdb_directory_fetch(work->verify->storage, work->chunk,
											   work->verify->snapshot, NULL);
	if (work->chunk_visible)
		(void) tsdb_directory_state(work->verify->storage, work->chunk, &replacer,
									&work->nrows);
}

static void
look_up_marks(void *arg)
{
	MarkWork   *work = arg;
	TsdbMarkVersion version;
	TsdbMarkScan scan;
	ItemPointerData tid;

	work->nplaces = 0;
	tsdb_tid_set(&tid, work->chunk, work->row);
	tsdb_mark_scan_row(work->verify->storage, &tid, work->verify->snapshot, &scan);
	while (tsdb_mark_scan_next(&scan, &version))
	{
		work->place = version.tid;
		work->nplaces++;
	}
	tsdb_mark_scan_end(&scan);
}

/*
 * A stub is there for everybody a moment before its index entry is.  Who makes
 * one holds the chunk's tuple lock: wait for that, and look again.
 */
static bool
look_up_marks_again(MarkWork *work, const TsdbFault *fault)
{
	TsdbVerify *verify = work->verify;

	if (verify->locked)
	{
		ItemPointerData guard;

		tsdb_tid_set(&guard, work->chunk, 0);
		LockTuple(verify->table, &guard, ShareLock);
		UnlockTuple(verify->table, &guard, ShareLock);
	}
	else
		pg_usleep(10000L);
	return tsdb_verify_try(verify, fault, look_up_marks, work);
}

/* Can this TID be that of a row of the table? */
static bool
is_possible_row(TsdbVerify *verify, ItemPointer tid)
{
	if (tsdb_tid_is_chunk(tid))
		return tsdb_tid_row(tid) < TSDB_CHUNK_ROWS &&
			tsdb_chunk_block(tsdb_tid_chunk(tid)) < tsdb_directory_blocks(verify->storage);
	/* its page may have been cut off since, when compaction or a deleter had emptied it */
	return ItemPointerIsValid(tid) &&
		ItemPointerGetOffsetNumber(tid) <= MaxHeapTuplesPerPage;
}

/* Had its inserter committed when the snapshot was taken? */
static bool
is_inserted(HeapTupleHeader tuple, Snapshot snapshot)
{
	TransactionId xmin = HeapTupleHeaderGetRawXmin(tuple);

	return HeapTupleHeaderXminFrozen(tuple) ||
		(!HeapTupleHeaderXminInvalid(tuple) && !XidInMVCCSnapshot(xmin, snapshot) &&
		 (TransactionIdIsCurrentTransactionId(xmin) || TransactionIdDidCommit(xmin)));
}

/* One row of a mark, alone or of its group. */
static void
verify_marked_row(MarkWork *work, TsdbVerifyTuple *tuple, TsdbMarkState state)
{
	TsdbVerify *verify = work->verify;
	TsdbFault	fault = mark_fault(work, &tuple->tuple->t_self);

	if (!tsdb_verify_try(verify, &fault, look_up_marks, work) ||
		(work->nplaces == 0 && !look_up_marks_again(work, &fault)))
		return;

	/* a stub may be left from a chunk of that number whose compaction was rolled back */
	if (work->row >= work->nrows && state != TSDB_MARK_STUB)
		fault.fault = "the chunk has no such row";
	else if (tuple->visible && work->nplaces > 1)
		fault.fault = "the row has several marks";
	else if (tuple->visible && (work->nplaces == 0 ||
								!ItemPointerEquals(&work->place, &tuple->tuple->t_self)))
		fault.fault = "the marks' index has no entry for it";
	else if (work->nplaces == 0 && is_inserted(tuple->tuple->t_data, verify->snapshot))
		fault.fault = "the row was marked, and its mark is gone";
	if (fault.fault != NULL)
		verify->report(verify, &fault);
}

static void
verify_mark(TsdbVerify *verify, Relation rel, TsdbVerifyTuple *tuple)
{
	MarkWork	work = {.verify = verify};
	TsdbMarkVersion mark;
	TsdbFault	fault;
	const char *text = tsdb_mark_parse(verify->storage, tuple->tuple, &mark);

	if (text != NULL)
	{
		tsdb_verify_report(verify, PART_MARKS, rel, TSDB_NO_CHUNK, &tuple->tuple->t_self, text);
		return;
	}
	work.chunk = (uint32) (mark.key / TSDB_MARK_KEYS);
	work.row = mark.row;
	fault = mark_fault(&work, &tuple->tuple->t_self);
	if (!tsdb_verify_try(verify, &fault, look_up_chunk_of_mark, &work))
		return;
	if (!work.chunk_visible)
	{
		/*
		 * Marks go with their chunk, and those of a chunk that is to come
		 * cannot be.  Stubs, which are there for everybody, outlive a
		 * transaction that compacted, locked rows and was rolled back.
		 */
		if (tuple->visible && verify->locked && mark.state != TSDB_MARK_STUB)
		{
			fault.fault = "there is no such chunk";
			verify->report(verify, &fault);
		}
		return;
	}
	if (mark.group == NULL)
		verify_marked_row(&work, tuple, mark.state);
	for (uint32 i = 0; mark.group != NULL && i < TSDB_MARK_GROUP_ROWS; i++)
	{
		work.row = mark.row + i;
		if ((mark.group[i / 8] & (1 << (i % 8))) != 0)
			verify_marked_row(&work, tuple, mark.state);
		CHECK_FOR_INTERRUPTS();
	}
	if (mark.state == TSDB_MARK_UPDATED && !is_possible_row(verify, &mark.successor))
	{
		fault.fault = "there is no place for the new version that it names";
		verify->report(verify, &fault);
	}
}

typedef struct MarkIndexWork
{
	TsdbVerify *verify;
	Relation	marks;
	Relation	index;
} MarkIndexWork;

/* What is wrong with where an entry of the marks' index leads to, or NULL. */
static const char *
index_entry_fault(MarkIndexWork *work, BlockNumber nblocks, ItemPointer tid, int64 key)
{
	BlockNumber block = ItemPointerGetBlockNumber(tid);
	OffsetNumber offset = ItemPointerGetOffsetNumber(tid);
	const char *fault = NULL;
	HeapTuple	copy = NULL;
	HeapTupleData tuple;
	TsdbMarkVersion mark;
	Buffer		buffer;
	Page		page;
	OffsetNumber max;

	if (block >= nblocks)
		return "the index has an entry for a page that does not exist";
	buffer = ReadBuffer(work->marks, block);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	max = PageIsNew(page) ? 0 : PageGetMaxOffsetNumber(page);
	if (offset <= max && ItemIdIsRedirected(PageGetItemId(page, offset)))
		offset = ItemIdGetRedirect(PageGetItemId(page, offset));
	if (offset > max || !ItemIdIsUsed(PageGetItemId(page, offset)))
		fault = "the index has an entry for a mark that does not exist";
	else if (tsdb_internal_item(work->marks, page, block, offset, &tuple) == TSDB_ITEM_TUPLE)
		copy = heap_copytuple(&tuple);
	UnlockReleaseBuffer(buffer);

	/* damage of the tuple itself has been reported */
	if (copy != NULL && tsdb_mark_parse(work->verify->storage, copy, &mark) == NULL &&
		mark.key != key)
		fault = "the index has an entry that leads to the mark of another row";
	if (copy != NULL)
		heap_freetuple(copy);
	return fault;
}

static void
scan_marks_index(void *arg)
{
	MarkIndexWork *work = arg;
	BlockNumber nblocks;
	IndexScanDesc scan = index_beginscan(work->marks, work->index, SnapshotAny, 0, 0);
	ItemPointer tid;

	/* readers have marked dead what they took for removed */
	scan->ignore_killed_tuples = false;
	scan->xs_want_itup = true;
	index_rescan(scan, NULL, 0, NULL, 0);
	nblocks = RelationGetNumberOfBlocks(work->marks);
	while ((tid = index_getnext_tid(scan, ForwardScanDirection)) != NULL)
	{
		const char *fault;
		bool		isnull;
		int64		key = DatumGetInt64(index_getattr(scan->xs_itup, 1,
													  RelationGetDescr(work->index), &isnull));

		if (ItemPointerGetBlockNumber(tid) >= nblocks)
			nblocks = RelationGetNumberOfBlocks(work->marks);
		fault = index_entry_fault(work, nblocks, tid, key);
		if (fault != NULL)
			tsdb_verify_report(work->verify, PART_MARKS, work->index, TSDB_NO_CHUNK, tid, fault);
		CHECK_FOR_INTERRUPTS();
	}
	index_endscan(scan);
}

void
tsdb_verify_marks(TsdbVerify *verify)
{
	MarkIndexWork work = {.verify = verify};
	TsdbFault	fault = {.part = PART_MARKS,.chunk = TSDB_NO_CHUNK,.row = -1};

	work.marks = tsdb_storage_marks(verify->storage);
	work.index = tsdb_storage_marks_index(verify->storage);
	verify_pages(verify, PART_MARKS, work.marks, false, verify_mark);

	/* without the lock, VACUUM takes away entries and marks under our eyes */
	if (!verify->locked)
		return;
	fault.relation = work.index;
	ItemPointerSetInvalid(&fault.place);
	(void) tsdb_verify_try(verify, &fault, scan_marks_index, &work);
}

/* ---- moves ---- */

typedef struct MoveWork
{
	TsdbVerify *verify;
	uint32		chunk;
	bool		chunk_visible;
	TsdbChunkEntry entry;
} MoveWork;

static void
look_up_chunk(void *arg)
{
	MoveWork   *work = arg;

	work->chunk_visible = tsdb_directory_fetch(work->verify->storage, work->chunk,
											   work->verify->snapshot, &work->entry);
}

static void
verify_move(TsdbVerify *verify, Relation rel, TsdbVerifyTuple *tuple)
{
	MoveWork	work = {.verify = verify};
	TsdbFault	fault = {
		.part = PART_MOVES,.relation = rel,.chunk = TSDB_NO_CHUNK,.row = -1,
		.place = tuple->tuple->t_self
	};
	uint32		nrows;

	fault.fault = tsdb_moves_read(verify->storage, tuple->tuple, &work.chunk, &nrows);
	if (fault.fault != NULL)
	{
		verify->report(verify, &fault);
		return;
	}
	fault.chunk = work.chunk;
	if (tsdb_chunk_block(work.chunk) >= tsdb_directory_blocks(verify->storage))
	{
		fault.fault = "there is no such chunk";
		verify->report(verify, &fault);
		return;
	}

	/* a damaged directory tuple has been reported, and the number may be another
	 * chunk's by now: that of the same transaction is meant */
	if (tsdb_damage_catch(look_up_chunk, &work, true) == NULL && work.chunk_visible &&
		work.entry.xmin == HeapTupleHeaderGetRawXmin(tuple->tuple->t_data) &&
		work.entry.nrows != nrows)
	{
		fault.fault = "the chunk has another number of rows";
		verify->report(verify, &fault);
	}
}

void
tsdb_verify_moves(TsdbVerify *verify)
{
	verify_pages(verify, PART_MOVES, tsdb_storage_moves(verify->storage), true, verify_move);
}

/* ---- the row store ---- */

typedef struct MovedWork
{
	TsdbVerify *verify;
	TransactionId mover;
	ItemPointerData origin;
	bool		found;
} MovedWork;

static void
look_up_move(void *arg)
{
	MovedWork  *work = arg;
	ItemPointerData destination;

	work->found = tsdb_moves_find(work->verify->storage, work->mover, &work->origin,
								  &destination);
}

/*
 * Rows that compaction moved, for as long as some snapshot can need to know
 * where they went.  The same mark is left by an update that moves a row to
 * another partition, so only transactions that recorded moves count.
 */
static void
verify_row(TsdbVerify *verify, Relation rel, TsdbVerifyTuple *tuple)
{
	MovedWork	work = {.verify = verify};
	TsdbFault	fault = {
		.part = PART_ROW_STORE,.relation = rel,.chunk = TSDB_NO_CHUNK,.row = -1,
		.place = tuple->tuple->t_self
	};

	if (verify->storage == NULL || !verify->locked ||
		verify->table->rd_rel->relispartition ||
		!tsdb_moves_is_marked(tuple->tuple->t_data))
		return;
	work.mover = HeapTupleHeaderGetRawXmax(tuple->tuple->t_data);
	if (TransactionIdPrecedes(work.mover, GetOldestNonRemovableTransactionId(rel)) ||
		TransactionIdIsInProgress(work.mover) || !TransactionIdDidCommit(work.mover))
		return;
	work.origin = tuple->tuple->t_self;
	if (tsdb_verify_try(verify, &fault, look_up_move, &work) && !work.found)
	{
		fault.fault = "the row was moved to a chunk, and the record of where is gone";
		verify->report(verify, &fault);
	}
}

void
tsdb_verify_row_store(TsdbVerify *verify)
{
	verify_pages(verify, PART_ROW_STORE, verify->table, false, verify_row);
}
