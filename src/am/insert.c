/*
 * insert.c
 *		Inserting rows: heap's business, counted for the workers, unless they are many.
 */
#include "postgres.h"

#include "am/insert.h"

#include "access/heapam.h"
#include "am/direct_load.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "worker/compact_always.h"
#include "worker/schedule.h"

/* Rows that this transaction put into one table. */
typedef struct InsertCount
{
	Oid			relid;
	int64		rows;
} InsertCount;

static InsertCount *counts = NULL;	/* in TopTransactionContext */
static int	ncounts = 0;
static int	allocated = 0;

void
tsdb_insert_count(Relation rel, int64 rows)
{
	Oid			relid = RelationGetRelid(rel);

	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		return;					/* workers cannot reach it */
	for (int i = ncounts - 1; i >= 0; i--)
	{
		if (counts[i].relid == relid)
		{
			counts[i].rows += rows;
			return;
		}
	}
	if (ncounts == allocated)
	{
		allocated = Max(allocated * 2, 8);
		counts = counts == NULL ?
			MemoryContextAlloc(TopTransactionContext, allocated * sizeof(InsertCount)) :
			repalloc(counts, allocated * sizeof(InsertCount));
	}
	counts[ncounts].relid = relid;
	counts[ncounts++].rows = rows;
}

void
tsdb_insert_at_xact_end(bool committed)
{
	if (committed)
	{
		for (int i = 0; i < ncounts; i++)
			tsdb_work_note(MyDatabaseId, counts[i].relid, counts[i].rows);
		if (ncounts > 0)
			tsdb_compact_always_note();
	}
	counts = NULL;
	ncounts = allocated = 0;
}

void
tsdb_tuple_insert(Relation rel, TupleTableSlot *slot, CommandId cid, int options,
				  struct BulkInsertStateData *bistate)
{
	if (tsdb_direct_load_take(rel, &slot, 1, cid, options,
							  bistate != NULL ? TSDB_LOAD_BULK : TSDB_LOAD_ROWS))
		return;
	GetHeapamTableAmRoutine()->tuple_insert(rel, slot, cid, options, bistate);
	tsdb_insert_count(rel, 1);
}

void
tsdb_tuple_insert_speculative(Relation rel, TupleTableSlot *slot, CommandId cid,
							  int options, struct BulkInsertStateData *bistate,
							  uint32 token)
{
	GetHeapamTableAmRoutine()->tuple_insert_speculative(rel, slot, cid, options, bistate,
														token);
	tsdb_insert_count(rel, 1);
}

void
tsdb_multi_insert(Relation rel, TupleTableSlot **slots, int nslots, CommandId cid,
				  int options, struct BulkInsertStateData *bistate)
{
	if (tsdb_direct_load_take(rel, slots, nslots, cid, options,
							  bistate != NULL ? TSDB_LOAD_BULK : TSDB_LOAD_RING))
		return;
	heap_multi_insert(rel, slots, nslots, cid, options, bistate);
	tsdb_insert_count(rel, nslots);
}
