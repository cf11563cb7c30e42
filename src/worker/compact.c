/*
 * compact.c
 *		Compaction of one table: row store to chunks, chunks merged.
 *
 * First the lock, then the look: ShareUpdateExclusiveLock keeps away VACUUM,
 * other compactions and schema changes, and everything read afterwards is the
 * present state under buffer locks, not a snapshot's.  Rows are taken out of
 * the row store first, by setting xmax, and written to chunks afterwards; a
 * crash or error in between leaves an aborted xmax, which is nothing.
 */
#include "postgres.h"

#include "worker/compact.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/multixact.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "stats/progress.h"
#include "stats/stop_point.h"
#include "storage/lmgr.h"
#include "storage/bufmgr.h"
#include "store/directory.h"
#include "store/index_clean.h"
#include "store/moves.h"
#include "store/row_store.h"
#include "store/storage.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "worker/batch.h"
#include "worker/merge.h"
#include "worker/pace.h"

/* Write what was gathered, and start afresh. */
static void
write_batch(TsdbBatch *batch, TsdbCompactResult *result)
{
	result->rows_moved += tsdb_batch_rows(batch)->count;
	result->chunks_written += tsdb_batch_write(batch, 0, 0, &result->bytes_written);
}

/*
 * Tell the planner what is where now: a row store that was emptied looks full
 * until VACUUM comes.
 */
static void
update_statistics(Relation rel, TsdbStorage *storage, double rows_left)
{
	double		rows;
	double		chunks;
	BlockNumber pages;
	bool		frozen;
	bool		minmulti;

	CommandCounterIncrement();
	tsdb_directory_estimate(storage, &rows, &chunks, &pages);
	vac_update_relstats(rel, RelationGetNumberOfBlocks(rel) + tsdb_storage_shard_blocks(storage),
						rows + rows_left, 0, rel->rd_rel->relhasindex,
						InvalidTransactionId, InvalidMultiXactId, &frozen, &minmulti, false);
}

static void
compact_row_store(Relation rel, const TsdbCompactOptions *options,
				  TsdbCompactResult *result)
{
	TsdbStorage *storage = tsdb_storage_open(rel, ShareUpdateExclusiveLock);
	TsdbBatch  *batch = NULL;
	HeapTuple	rows[MaxHeapTuplesPerPage];
	TsdbRowStoreScan scan;
	TsdbRowArena arena;
	int64		taken = 0;

	/*
	 * While somebody else makes relations of this table, which we cannot see,
	 * rows could not go there.  Nobody shall wait for him by way of us.
	 */
	if (RelationGetNumberOfBlocks(rel) > 0 &&
		(storage == NULL || !tsdb_storage_is_complete(storage)))
	{
		if (!tsdb_storage_lock_growth(rel, false))
		{
			result->done = false;
			if (storage != NULL)
				tsdb_storage_close(storage);
			return;
		}
		if (storage == NULL)
			storage = tsdb_storage_open(rel, ShareUpdateExclusiveLock);
	}

	/*
	 * A compaction that would have created the storage, too, and then failed
	 * has left its index entries, and chunk numbers start again.  Cleaning
	 * waits for cursors that stand on a page of the index, as VACUUM does: so
	 * it is done while no row is marked that somebody else may wait for.
	 */
	if (storage != NULL)
		tsdb_moves_trim(storage);
	else if (RelationGetNumberOfBlocks(rel) > 0)
		tsdb_index_clean(rel, NULL, NULL);

	tsdb_progress_phase(TSDB_PROGRESS_SCANNING);
	tsdb_row_store_begin(&scan, rel);
	scan.next = options->first_block;
	tsdb_row_arena_init(&arena, CurrentMemoryContext);
	for (;;)
	{
		int			count = tsdb_row_store_take(&scan, &arena, rows);

		tsdb_pace();
		if (count < 0)
			break;
		if (count == 0)
			continue;

		if (batch == NULL)
			batch = tsdb_batch_create(rel, &storage);
		for (int i = 0; i < count; i++)
			tsdb_batch_add(batch, rows[i]);
		taken += count;
		if (taken == count)
			tsdb_stop_point("compact_after_mark");

		if (options->max_rows > 0 && taken >= options->max_rows)
		{
			result->done = scan.next >= scan.nblocks;
			break;
		}
		if (tsdb_batch_full(batch))
		{
			write_batch(batch, result);
			tsdb_row_arena_empty(&arena);
			tsdb_progress_phase(TSDB_PROGRESS_SCANNING);
		}
	}
	if (batch != NULL)
	{
		if (tsdb_batch_rows(batch)->count > 0)
			write_batch(batch, result);
		tsdb_batch_free(batch);
	}
	tsdb_stop_point("compact_after_index");
	tsdb_row_store_end(&scan);
	result->rows_kept = scan.kept;
	result->next_block = scan.next;
	if (taken > 0 && result->done && options->first_block == 0)
		update_statistics(rel, storage, scan.kept);
	if (storage != NULL)
		tsdb_storage_close(storage);

	if (taken > 0)
	{
		/* For autovacuum: so many tuples of the row store have died. */
		pgstat_update_heap_dead_tuples(rel, -(int) Min(taken, INT_MAX));
	}
}

/* Is it a table of access method tsdb?  The am layer is above this one. */
static bool
is_tsdb_table(Relation rel)
{
	return (rel->rd_rel->relkind == RELKIND_RELATION ||
			rel->rd_rel->relkind == RELKIND_MATVIEW) &&
		rel->rd_rel->relam == get_table_am_oid("tsdb", true);
}

void
tsdb_compact_relation(Oid relid, const TsdbCompactOptions *options,
					  TsdbCompactResult *result)
{
	Relation	rel;
	Oid			save_userid;
	int			save_sec_context;
	int			save_nestlevel;
	bool		pushed = false;

	memset(result, 0, sizeof(*result));
	result->done = true;
	result->cold_at = DT_NOEND;
	tsdb_pace_begin(options->background);
	if (options->nowait)
	{
		if (!ConditionalLockRelationOid(relid, ShareUpdateExclusiveLock))
		{
			result->done = false;
			return;
		}
	}
	else
		LockRelationOid(relid, ShareUpdateExclusiveLock);
	rel = try_relation_open(relid, NoLock);
	if (rel == NULL)
		return;
	/* Output plugins read user catalog tables as heap tuples of the past. */
	if (!is_tsdb_table(rel) || RELATION_IS_OTHER_TEMP(rel) ||
		RelationIsUsedAsCatalogTable(rel))
	{
		relation_close(rel, NoLock);
		return;
	}

	/* Index expressions run as the table's owner and can do no more. */
	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(rel->rd_rel->relowner,
						   save_sec_context | SECURITY_RESTRICTED_OPERATION);
	save_nestlevel = NewGUCNestLevel();
	if (!ActiveSnapshotSet())
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		pushed = true;
	}

	tsdb_progress_begin(relid);
	compact_row_store(rel, options, result);
	CommandCounterIncrement();
	if (options->merge && result->done)
		tsdb_merge_chunks(rel, options, result);
	tsdb_progress_phase(TSDB_PROGRESS_COMMITTING);
	tsdb_stop_point("compact_before_commit");
	tsdb_progress_end();

	if (pushed)
		PopActiveSnapshot();
	AtEOXact_GUC(false, save_nestlevel);
	SetUserIdAndSecContext(save_userid, save_sec_context);
	relation_close(rel, NoLock);
}
