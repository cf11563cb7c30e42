/*
 * build.c
 *		Building indexes over both stores.
 *
 * The row store is left to heap's own code through a shadow.  Chunk rows are
 * then given to the index one by one, with their TIDs.
 */
#include "postgres.h"

#include "am/build.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "am/heap_shadow.h"
#include "am/key_index.h"
#include "am/scan.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "storage/procarray.h"
#include "store/chunk_tid.h"
#include "store/marks.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

double
tsdb_internal_build_range_scan(Relation rel, Relation index, struct IndexInfo *info,
							   bool allow_sync, bool anyvisible, bool progress,
							   BlockNumber start, BlockNumber nblocks,
							   IndexBuildCallback callback, void *state,
							   TableScanDesc scan)
{
	Relation	shadow = tsdb_heap_shadow_open(rel);
	double		tuples = 0;

	PG_TRY();
	{
		if (scan != NULL)
			tsdb_heap_shadow_adopt_scan(shadow, scan);
		tuples = GetHeapamTableAmRoutine()->index_build_range_scan(shadow, index, info,
																   allow_sync, anyvisible,
																   progress, start, nblocks,
																   callback, state, scan);
	}
	PG_FINALLY();
	{
		tsdb_heap_shadow_close(shadow);
	}
	PG_END_TRY();
	return tuples;
}

/* What building over the chunks needs. */
typedef struct ChunkBuild
{
	TsdbStorage *storage;
	Relation	index;
	IndexInfo  *info;
	Snapshot	snapshot;		/* MVCC, or NULL: all that somebody may see */
	TransactionId oldest_xmin;	/* then: who committed before it deleted rows for everybody */
	IndexBuildCallback callback;
	void	   *callback_state;
	EState	   *estate;
	ExprContext *econtext;
	ExprState  *predicate;
	TupleTableSlot *slot;
	double		tuples;
} ChunkBuild;

/* Give the rows of one chunk to the index. */
static void
build_chunk(ChunkBuild *build, TsdbChunkCursor *cursor, TsdbChunkEntry *entry, bool alive)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];
	uint8	   *gone = NULL;

	tsdb_cursor_open(cursor, build->storage, RelationGetDescr(build->storage->table), entry,
					 build->snapshot != NULL ? build->snapshot : SnapshotSelf);
	if (build->snapshot == NULL && cursor->hidden != NULL)
		gone = tsdb_marks_gone(build->storage, entry->chunk, build->oldest_xmin);
	for (uint32 row = 0; row < cursor->rows.nrows; row++)
	{
		bool		row_alive = alive && !tsdb_marks_is_hidden(cursor->hidden, row);

		if ((build->snapshot != NULL && !row_alive) || tsdb_marks_is_hidden(gone, row))
			continue;

		MemoryContextReset(build->econtext->ecxt_per_tuple_memory);
		tsdb_row_slot_store(build->slot, &cursor->rows, row);
		if (build->predicate != NULL && !ExecQual(build->predicate, build->econtext))
			continue;
		FormIndexDatum(build->info, build->slot, build->estate, values, nulls);
		build->callback(build->index, &build->slot->tts_tid, values, nulls, row_alive,
						build->callback_state);
		if (row_alive)
			build->tuples++;
	}
	if (gone != NULL)
		pfree(gone);
	CHECK_FOR_INTERRUPTS();
}

/* Directory slices of a parallel build are shared as those of a scan. */
static bool
next_block(TsdbParallelScan *shared, BlockNumber nblocks, BlockNumber *block)
{
	if (shared != NULL)
		*block = pg_atomic_fetch_add_u64(&shared->next_slice, 1);
	return *block < nblocks;
}

static double
build_chunks(Relation rel, Relation index, IndexInfo *info, Snapshot snapshot,
			 TsdbParallelScan *shared, IndexBuildCallback callback, void *state)
{
	ChunkBuild	build = {.index = index,.info = info,.snapshot = snapshot,
	.callback = callback,.callback_state = state};
	TsdbChunkCursor cursor = {0};
	MemoryContext page_memory;
	BlockNumber nblocks;
	BlockNumber block = 0;

	build.storage = tsdb_storage_open(rel, AccessShareLock);
	if (build.storage == NULL)
		return 0;
	if (snapshot == NULL)
		build.oldest_xmin = GetOldestNonRemovableTransactionId(rel);

	build.estate = CreateExecutorState();
	build.econtext = GetPerTupleExprContext(build.estate);
	build.slot = table_slot_create(rel, NULL);
	build.econtext->ecxt_scantuple = build.slot;
	build.predicate = ExecPrepareQual(info->ii_Predicate, build.estate);
	page_memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb index build",
										ALLOCSET_DEFAULT_SIZES);
	nblocks = tsdb_directory_blocks(build.storage);

	for (; next_block(shared, nblocks, &block); block++)
	{
		MemoryContext old = MemoryContextSwitchTo(page_memory);
		TsdbChunkEntry *entries;
		bool	   *alive = NULL;
		int			count;

		if (snapshot != NULL)
			count = tsdb_directory_page(build.storage, block, snapshot, &entries);
		else
			count = tsdb_directory_page_for_build(build.storage, block, build.oldest_xmin,
												  &entries, &alive);
		MemoryContextSwitchTo(old);
		for (int i = 0; i < count; i++)
			build_chunk(&build, &cursor, &entries[i], alive == NULL || alive[i]);
		tsdb_cursor_close(&cursor);
		MemoryContextReset(page_memory);
	}

	if (cursor.memory != NULL)
		MemoryContextDelete(cursor.memory);
	MemoryContextDelete(page_memory);
	ExecDropSingleTupleTableSlot(build.slot);
	FreeExecutorState(build.estate);
	info->ii_ExpressionsState = NIL;
	info->ii_PredicateState = NULL;
	tsdb_storage_close(build.storage);
	return build.tuples;
}

/* Entries of chunk rows too, or of the row store's rows only? */
typedef enum BuildRange
{
	BUILD_ROW_STORE,
	BUILD_ALL
} BuildRange;

static double
build_range(Relation rel, Relation index, struct IndexInfo *info,
			bool allow_sync, bool anyvisible, bool progress,
			BlockNumber start, BlockNumber nblocks,
			IndexBuildCallback callback, void *state, TableScanDesc scan,
			BuildRange range)
{
	TsdbScanDesc *mine = (TsdbScanDesc *) scan;
	TsdbParallelScan *shared = NULL;
	Snapshot	snapshot = NULL;
	TableScanDesc heap_scan = NULL;
	bool		own_snapshot = false;
	double		tuples;

	if (mine != NULL)
	{
		/* A parallel build: the scan is ours, with heap's scan inside. */
		shared = (TsdbParallelScan *) scan->rs_parallel;
		if (IsMVCCSnapshot(scan->rs_snapshot))
			snapshot = scan->rs_snapshot;
		heap_scan = mine->heap;
	}
	else if (IsBootstrapProcessingMode() || info->ii_Concurrent)
	{
		/* One for both stores: an update may go from one to the other. */
		snapshot = RegisterSnapshot(GetTransactionSnapshot());
		own_snapshot = true;
		heap_scan = heap_beginscan(rel, snapshot, 0, NULL, NULL,
								   SO_TYPE_SEQSCAN | SO_ALLOW_STRAT | SO_ALLOW_SYNC |
								   SO_ALLOW_PAGEMODE);
		allow_sync = true;		/* it is a scan that may start anywhere */
	}

	tuples = tsdb_internal_build_range_scan(rel, index, info, allow_sync, anyvisible,
											progress, start, nblocks, callback, state,
											heap_scan);
	if (range == BUILD_ALL)
		tuples += build_chunks(rel, index, info, snapshot, shared, callback, state);

	if (mine != NULL)
	{
		/* heap's code has ended the inner scan; the rest is ours. */
		mine->heap = NULL;
		tsdb_scan_end(scan);
	}
	if (own_snapshot)
		UnregisterSnapshot(snapshot);
	return tuples;
}

double
tsdb_index_build_scan_all(Relation rel, Relation index, struct IndexInfo *info,
						  IndexBuildCallback callback, void *state)
{
	return build_range(rel, index, info, false, false, false, 0, InvalidBlockNumber,
					   callback, state, NULL, BUILD_ALL);
}

double
tsdb_index_build_range_scan(Relation rel, Relation index, struct IndexInfo *info,
							bool allow_sync, bool anyvisible, bool progress,
							BlockNumber start, BlockNumber nblocks,
							IndexBuildCallback callback, void *state, TableScanDesc scan)
{
	if (index->rd_rel->relam == BRIN_AM_OID)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("BRIN indexes are not supported on tsdb tables"),
				 errdetail("The rows of table \"%s\" that are in chunks have no place in the block ranges of a BRIN index.",
						   RelationGetRelationName(rel)),
				 errhint("Every chunk already keeps the minimum and maximum of its columns; for look-ups of single rows use a btree index.")));

	/* The build of a key index scans by itself what its btree does not hold. */
	return build_range(rel, index, info, allow_sync, anyvisible, progress, start, nblocks,
					   callback, state, scan,
					   index->rd_indam->ambuild == tsdb_key_build ? BUILD_ROW_STORE :
					   BUILD_ALL);
}
