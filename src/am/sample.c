/*
 * sample.c
 *		TABLESAMPLE and ANALYZE over both stores.
 */
#include "postgres.h"

#include "am/sample.h"

#include "access/heapam.h"
#include "access/tsmapi.h"
#include "am/fetch.h"
#include "am/salvage.h"
#include "commands/progress.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/smgr.h"
#include "store/chunk_tid.h"
#include "store/marks.h"
#include "utils/backend_status.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* ANALYZE forms at most about this many rows of a table. */
#define ANALYZE_ROWS_MAX	3000000.0

struct TsdbSample
{
	Snapshot	snapshot;
	bool		registered;		/* and is ours to unregister */
	BlockNumber heap_blocks;
	BlockNumber chunk_blocks;	/* that stand for the chunks */
	uint32	   *chunks;			/* numbers of the visible chunks, ascending */
	uint32		nchunks;
	uint32		stride;			/* every stride-th row is formed */

	bool		in_chunks;		/* the block at hand */
	uint32		next_chunk;		/* ordinals: of the block at hand */
	uint32		end_chunk;
	BlockNumber next_block;		/* methods that visit all blocks */
	BlockNumber block;			/* TABLESAMPLE: as the method numbers it */
	TsdbChunkEntry entry;
	bool		have_entry;
};

bool
tsdb_sample_in_analyze(void)
{
	return MyBEEntry != NULL &&
		MyBEEntry->st_progress_command == PROGRESS_COMMAND_ANALYZE;
}

/* List the visible chunks. */
static struct TsdbSample *
create_sample(TsdbScanDesc *scan, Snapshot snapshot)
{
	MemoryContext memory = GetMemoryChunkContext(scan);
	MemoryContext pages = AllocSetContextCreate(memory, "tsdb sample",
												ALLOCSET_DEFAULT_SIZES);
	struct TsdbSample *sample = MemoryContextAllocZero(memory, sizeof(struct TsdbSample));
	BlockNumber nblocks = tsdb_directory_blocks(scan->storage);
	uint32		allocated = 1024;
	double		rows = 0;

	sample->snapshot = snapshot;
	sample->heap_blocks = smgrnblocks(RelationGetSmgr(scan->rs_base.rs_rd), MAIN_FORKNUM);
	sample->chunks = MemoryContextAlloc(memory, allocated * sizeof(uint32));
	for (BlockNumber block = 0; block < nblocks; block++)
	{
		MemoryContext old = MemoryContextSwitchTo(pages);
		TsdbChunkEntry *entries;
		int			count = tsdb_salvage_page(scan->storage, block, snapshot,
											  tsdb_sample_in_analyze(), &entries);

		MemoryContextSwitchTo(old);
		if (sample->nchunks + count > allocated)
		{
			allocated = Max(allocated * 2, sample->nchunks + count);
			sample->chunks = repalloc_huge(sample->chunks, allocated * sizeof(uint32));
		}
		for (int i = 0; i < count; i++)
		{
			sample->chunks[sample->nchunks++] = entries[i].chunk;
			rows += entries[i].nrows;
		}
		MemoryContextReset(pages);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextDelete(pages);
	sample->stride = (uint32) (rows / ANALYZE_ROWS_MAX) + 1;
	return sample;
}

/* Open a chunk by its ordinal in the sample; false if it is gone, or damaged and
 * to be passed over: statistics of the rest are better than none. */
static bool
open_chunk(TsdbScanDesc *scan, uint32 ordinal)
{
	struct TsdbSample *sample = scan->sample;
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(scan));
	bool		opened = false;

	tsdb_cursor_close(&scan->cursor);
	if (sample->have_entry)
		tsdb_chunk_entry_free(&sample->entry);
	sample->have_entry = tsdb_directory_fetch(scan->storage, sample->chunks[ordinal],
											  sample->snapshot, &sample->entry);
	if (sample->have_entry)
		opened = tsdb_cursor_try_open(&scan->cursor, scan->storage,
									  RelationGetDescr(scan->rs_base.rs_rd), &sample->entry,
									  sample->snapshot, tsdb_sample_in_analyze());
	MemoryContextSwitchTo(old);
	return opened;
}

/* ---- ANALYZE ---- */

void
tsdb_sample_begin_analyze(TsdbScanDesc *scan)
{
	HeapScanDesc heap = (HeapScanDesc) scan->heap;

	/* Heap's scan was begun with a size that counts chunks. */
	heap->rs_nblocks = smgrnblocks(RelationGetSmgr(scan->rs_base.rs_rd), MAIN_FORKNUM);
	if (scan->storage == NULL)
		return;

	/* ANALYZE's own snapshot may be older than a compaction that it waited for. */
	scan->sample = create_sample(scan, RegisterSnapshot(GetLatestSnapshot()));
	scan->sample->registered = true;
	scan->sample->chunk_blocks = tsdb_storage_shard_blocks(scan->storage);
}

void
tsdb_sample_end(TsdbScanDesc *scan)
{
	if (scan->sample != NULL && scan->sample->registered)
		UnregisterSnapshot(scan->sample->snapshot);
}

bool
tsdb_sample_analyze_next_block(TableScanDesc base, BlockNumber block,
							   BufferAccessStrategy strategy)
{
	TsdbScanDesc *scan = (TsdbScanDesc *) base;
	struct TsdbSample *sample = scan->sample;
	uint64		share;

	if (sample == NULL || block < sample->heap_blocks)
	{
		if (sample != NULL)
			sample->in_chunks = false;
		return GetHeapamTableAmRoutine()->scan_analyze_next_block(scan->heap, block, strategy);
	}
	sample->in_chunks = true;
	share = Min(block - sample->heap_blocks, sample->chunk_blocks - 1);
	sample->next_chunk = share * sample->nchunks / sample->chunk_blocks;
	sample->end_chunk = (share + 1) * sample->nchunks / sample->chunk_blocks;
	tsdb_cursor_close(&scan->cursor);
	return true;
}

bool
tsdb_sample_analyze_next_tuple(TableScanDesc base, TransactionId oldest_xmin,
							   double *liverows, double *deadrows, TupleTableSlot *slot)
{
	TsdbScanDesc *scan = (TsdbScanDesc *) base;
	struct TsdbSample *sample = scan->sample;
	TsdbChunkCursor *cursor = &scan->cursor;

	if (sample == NULL || !sample->in_chunks)
	{
		/* Thin out as chunk rows are, so that all rows weigh the same. */
		while (GetHeapamTableAmRoutine()->scan_analyze_next_tuple(scan->heap, oldest_xmin,
																  liverows, deadrows, slot))
		{
			if (sample == NULL || sample->stride == 1 ||
				pg_prng_uint64_range(&pg_global_prng_state, 1, sample->stride) == 1)
				return true;
		}
		return false;
	}

	for (;;)
	{
		if (cursor->open)
		{
			while (cursor->row < cursor->rows.nrows)
			{
				uint32		row = cursor->row++;

				if (tsdb_marks_is_hidden(cursor->hidden, row))
				{
					*deadrows += 1;
					continue;
				}
				*liverows += 1;
				if (row % sample->stride == 0)
				{
					tsdb_row_slot_store(slot, &cursor->rows, row);
					return true;
				}
			}
			tsdb_cursor_close(cursor);
		}
		CHECK_FOR_INTERRUPTS();
		if (sample->next_chunk >= sample->end_chunk)
			return false;
		if (open_chunk(scan, sample->next_chunk++))
			cursor->row = 0;
	}
}

/* ---- TABLESAMPLE ---- */

void
tsdb_sample_rescan(TsdbScanDesc *scan)
{
	if (scan->sample != NULL)
	{
		scan->sample->next_block = 0;
		scan->sample->in_chunks = false;
	}
}

bool
tsdb_sample_next_block(TableScanDesc base, struct SampleScanState *state)
{
	TsdbScanDesc *scan = (TsdbScanDesc *) base;
	TsmRoutine *method = state->tsmroutine;
	struct TsdbSample *sample;
	BlockNumber nblocks;

	if (scan->storage == NULL)
		return GetHeapamTableAmRoutine()->scan_sample_next_block(scan->heap, state);

	if (scan->sample == NULL)
		scan->sample = create_sample(scan, base->rs_snapshot);
	sample = scan->sample;
	nblocks = sample->heap_blocks + sample->nchunks;

	for (;;)
	{
		BlockNumber block;

		if (nblocks == 0)
			return false;
		if (method->NextSampleBlock != NULL)
			block = method->NextSampleBlock(state, nblocks);
		else
			block = sample->next_block < nblocks ? sample->next_block++ : InvalidBlockNumber;
		if (!BlockNumberIsValid(block))
			return false;

		sample->block = block;
		sample->in_chunks = block >= sample->heap_blocks;
		if (!sample->in_chunks)
		{
			heapgetpage(scan->heap, block);
			((HeapScanDesc) scan->heap)->rs_inited = true;
			return true;
		}
		if (open_chunk(scan, block - sample->heap_blocks))
			return true;
		CHECK_FOR_INTERRUPTS();
	}
}

bool
tsdb_sample_next_tuple(TableScanDesc base, struct SampleScanState *state,
					   TupleTableSlot *slot)
{
	TsdbScanDesc *scan = (TsdbScanDesc *) base;
	TsmRoutine *method = state->tsmroutine;
	TsdbChunkCursor *cursor = &scan->cursor;

	if (scan->sample == NULL || !scan->sample->in_chunks)
	{
		while (GetHeapamTableAmRoutine()->scan_sample_next_tuple(scan->heap, state, slot))
		{
			if (!scan->check_moved ||
				!tsdb_fetch_is_buried(scan->storage, slot, base->rs_snapshot))
				return true;
		}
		return false;
	}

	for (;;)
	{
		OffsetNumber offset = method->NextSampleTuple(state, scan->sample->block,
													  cursor->rows.nrows);

		CHECK_FOR_INTERRUPTS();
		if (!OffsetNumberIsValid(offset))
		{
			ExecClearTuple(slot);
			return false;
		}
		if (offset <= cursor->rows.nrows &&
			!tsdb_marks_is_hidden(cursor->hidden, offset - 1))
		{
			tsdb_row_slot_store(slot, &cursor->rows, offset - 1);
			pgstat_count_heap_getnext(base->rs_rd);
			return true;
		}
	}
}
