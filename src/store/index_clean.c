/*
 * index_clean.c
 *		Removing the index entries of chunks that are no more.
 */
#include "postgres.h"

#include "store/index_clean.h"

#include "access/genam.h"
#include "store/chunk_tid.h"
#include "store/key_note.h"
#include "utils/rel.h"

/* Index bulk deletion asks about every entry; arg is the set of chunks. */
static bool
is_row_of_chunks(ItemPointer tid, void *arg)
{
	return tsdb_tid_is_chunk(tid) &&
		(arg == NULL || bms_is_member(tsdb_tid_chunk(tid), arg));
}

static bool
is_directory_tuple(ItemPointer tid, void *arg)
{
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(tid);
	OffsetNumber offset = ItemPointerGetOffsetNumberNoCheck(tid);

	return offset <= TSDB_DIRECTORY_SLOTS &&
		bms_is_member(tsdb_chunk_number(block, offset), arg);
}

static void
clean(Relation index, double rows, BufferAccessStrategy strategy,
	  IndexBulkDeleteCallback callback, const Bitmapset *chunks)
{
	IndexVacuumInfo info = {0};
	IndexBulkDeleteResult *stats;

	info.index = index;
	info.message_level = DEBUG2;
	info.estimated_count = true;
	info.num_heap_tuples = rows;
	info.strategy = strategy;
	stats = index_bulk_delete(&info, NULL, callback, unconstify(Bitmapset *, chunks));
	stats = index_vacuum_cleanup(&info, stats);
	if (stats != NULL)
		pfree(stats);
}

static void
clean_all(Relation rel, double rows, BufferAccessStrategy strategy,
		  IndexBulkDeleteCallback callback, const Bitmapset *chunks)
{
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), RowExclusiveLock);

		if (index->rd_index->indisready && !tsdb_key_index_is(index))
			clean(index, rows, strategy, callback, chunks);
		index_close(index, RowExclusiveLock);
	}
	list_free(indexes);
}

void
tsdb_index_clean(Relation table, const Bitmapset *chunks, BufferAccessStrategy strategy)
{
	clean_all(table, table->rd_rel->reltuples, strategy, is_row_of_chunks, chunks);
}

void
tsdb_index_clean_directory(TsdbStorage *storage, const Bitmapset *chunks,
						   BufferAccessStrategy strategy)
{
	clean_all(storage->directory, bms_num_members(chunks), strategy, is_directory_tuple,
			  chunks);
}
