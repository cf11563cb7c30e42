/*
 * build_concurrently.c
 *		What CREATE INDEX CONCURRENTLY and REINDEX CONCURRENTLY do otherwise.
 *
 * Their second scan of a table holds ShareUpdateExclusiveLock, as the first did,
 * which keeps compaction away: every chunk that could be found now was indexed
 * then, so what is missing can only be in the row store.  Heap's own code cannot
 * be lent a shadow there: an insertion into a unique index fetches the rows that
 * it finds under the same key, and those may be in chunks.
 *
 * An index of an internal relation cannot be built while somebody writes.  The
 * stubs of marks are frozen from the first: the second scan would see one that
 * came after the index's TIDs were listed, and enter it again.  So writers wait
 * during the first scan, which then finds everything.
 */
#include "postgres.h"

#include "am/build_concurrently.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/tableam.h"
#include "am/build.h"
#include "am/heap_shadow.h"
#include "catalog/index.h"
#include "commands/progress.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/rel.h"
#include "utils/tuplesort.h"

/* What the index has, in order of TIDs, and the entries of the page at hand. */
typedef struct IndexedTids
{
	Tuplesortstate *sort;
	bool		ended;
	ItemPointerData next;		/* invalid before the first */
	BlockNumber block;
	bool		indexed[MaxHeapTuplesPerPage + 1];	/* by offset */
	OffsetNumber roots[MaxHeapTuplesPerPage];	/* of HOT chains */
} IndexedTids;

static void
read_next(IndexedTids *tids)
{
	Datum		value;
	bool		isnull;

	if (tuplesort_getdatum(tids->sort, true, &value, &isnull, NULL))
		itemptr_decode(&tids->next, DatumGetInt64(value));
	else
		tids->ended = true;
}

/* Turn to a page of the row store, which is pinned by the scan. */
static void
turn_page(IndexedTids *tids, Buffer buffer)
{
	tids->block = BufferGetBlockNumber(buffer);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	heap_get_root_tuples(BufferGetPage(buffer), tids->roots);
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);

	memset(tids->indexed, 0, sizeof(tids->indexed));
	if (!ItemPointerIsValid(&tids->next))
		read_next(tids);
	while (!tids->ended && ItemPointerGetBlockNumber(&tids->next) <= tids->block)
	{
		OffsetNumber offset = ItemPointerGetOffsetNumber(&tids->next);

		if (ItemPointerGetBlockNumber(&tids->next) == tids->block &&
			offset <= MaxHeapTuplesPerPage)
			tids->indexed[offset] = true;
		read_next(tids);
	}
}

/* The TID under which a tuple is indexed. */
static void
root_of(IndexedTids *tids, HeapTuple tuple, Relation rel, ItemPointer root)
{
	OffsetNumber offset = ItemPointerGetOffsetNumber(&tuple->t_self);

	if (HeapTupleIsHeapOnly(tuple))
		offset = tids->roots[offset - 1];
	if (!OffsetNumberIsValid(offset))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg_internal("heap-only tuple (%u,%u) of table \"%s\" has no root",
								 ItemPointerGetBlockNumber(&tuple->t_self),
								 ItemPointerGetOffsetNumber(&tuple->t_self),
								 RelationGetRelationName(rel))));
	ItemPointerSet(root, tids->block, offset);
}

/* Insert the entries that tuples of the row store lack; scan is one by heap. */
static void
insert_missing(Relation rel, Relation index, IndexInfo *info, TableScanDesc scan,
			   ValidateIndexState *state)
{
	HeapScanDesc heap_scan = (HeapScanDesc) scan;
	IndexedTids tids = {.sort = state->tuplesort,.block = InvalidBlockNumber};
	EState	   *estate = CreateExecutorState();
	ExprContext *econtext = GetPerTupleExprContext(estate);
	ExprState  *predicate = ExecPrepareQual(info->ii_Predicate, estate);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);
	HeapTuple	tuple;
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];
	ItemPointerData root;

	econtext->ecxt_scantuple = slot;
	pgstat_progress_update_param(PROGRESS_SCAN_BLOCKS_TOTAL, heap_scan->rs_nblocks);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		state->htups += 1;
		if (heap_scan->rs_cblock != tids.block)
		{
			turn_page(&tids, heap_scan->rs_cbuf);
			pgstat_progress_update_param(PROGRESS_SCAN_BLOCKS_DONE, tids.block);
		}
		root_of(&tids, tuple, rel, &root);
		if (tids.indexed[ItemPointerGetOffsetNumber(&root)])
			continue;

		MemoryContextReset(econtext->ecxt_per_tuple_memory);
		ExecStoreHeapTuple(tuple, slot, false);
		if (predicate != NULL && !ExecQual(predicate, econtext))
			continue;
		FormIndexDatum(info, slot, estate, values, nulls);

		/* A dead tuple too: what follows it in its HOT chain may be alive. */
		index_insert(index, values, nulls, &root, rel,
					 info->ii_Unique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO, false, info);
		state->tups_inserted += 1;
	}
	ExecDropSingleTupleTableSlot(slot);
	FreeExecutorState(estate);
	info->ii_ExpressionsState = NIL;
	info->ii_PredicateState = NULL;
}

void
tsdb_index_validate_scan(Relation rel, Relation index, struct IndexInfo *info,
						 Snapshot snapshot, struct ValidateIndexState *state)
{
	Relation	shadow = tsdb_heap_shadow_open(rel);

	PG_TRY();
	{
		/* From block 0 on, as the index's TIDs are sorted. */
		TableScanDesc scan = table_beginscan_strat(shadow, snapshot, 0, NULL, true, false);

		insert_missing(rel, index, info, scan, state);
		table_endscan(scan);
	}
	PG_FINALLY();
	{
		tsdb_heap_shadow_close(shadow);
	}
	PG_END_TRY();
}

double
tsdb_internal_index_build(Relation rel, Relation index, struct IndexInfo *info,
						  bool allow_sync, bool anyvisible, bool progress,
						  BlockNumber start, BlockNumber nblocks,
						  IndexBuildCallback callback, void *state, TableScanDesc scan)
{
	bool		concurrent = info->ii_Concurrent;
	double		tuples;

	/*
	 * A scan that has begun is amcheck's.  It is not that of a parallel build:
	 * tsdb_internal_create allows none, as workers would not wait for us.
	 */
	if (concurrent && scan == NULL)
	{
		LockRelation(rel, ShareLock);
		info->ii_Concurrent = false;
	}
	tuples = tsdb_internal_build_range_scan(rel, index, info, allow_sync, anyvisible,
											progress, start, nblocks, callback, state, scan);
	info->ii_Concurrent = concurrent;
	return tuples;
}

void
tsdb_internal_validate_scan(Relation rel, Relation index, struct IndexInfo *info,
							Snapshot snapshot, struct ValidateIndexState *state)
{
}
