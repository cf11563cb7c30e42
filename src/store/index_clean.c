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

void
tsdb_index_clean(Relation table, const Bitmapset *chunks, BufferAccessStrategy strategy)
{
	List	   *indexes = RelationGetIndexList(table);
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), RowExclusiveLock);

		if (index->rd_index->indisready && !tsdb_key_index_is(index))
			clean(index, table->rd_rel->reltuples, strategy, is_row_of_chunks, chunks);
		index_close(index, RowExclusiveLock);
	}
	list_free(indexes);
}
