/*
 * drop_chunk.c
 *		Deleting all rows of a chunk at once.
 */
#include "postgres.h"

#include "store/drop_chunk.h"

#include "access/genam.h"
#include "port/pg_bitutils.h"
#include "storage/lmgr.h"
#include "store/chunk_tid.h"
#include "store/key_note.h"
#include "store/marks.h"
#include "utils/rel.h"
#include "utils/relcache.h"

void
tsdb_drop_chunk_begin(Relation table)
{
	List	   *indexes = RelationGetIndexList(table);
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), RowExclusiveLock);

		if (tsdb_key_index_is(index) && index->rd_index->indisready)
			tsdb_key_note_write(index);
		index_close(index, RowExclusiveLock);
	}
	list_free(indexes);
}

bool
tsdb_drop_chunk_whole(TsdbStorage *storage, const TsdbChunkEntry *entry, uint32 *rows)
{
	uint8		hidden[TSDB_CHUNK_ROWS / 8];
	ItemPointerData guard;
	bool		taken;

	tsdb_tid_set(&guard, entry->chunk, 0);
	LockTuple(storage->table, &guard, ExclusiveLock);
	taken = tsdb_marks_try_take(storage, entry->chunk, hidden);
	if (taken && !tsdb_directory_delete(storage, entry->chunk))
		elog(ERROR, "chunk %u of table \"%s\" changed while the table was locked",
			 entry->chunk, RelationGetRelationName(storage->table));
	UnlockTuple(storage->table, &guard, ExclusiveLock);
	if (!taken)
		return false;

	/* What is damaged goes, too, as far as it is to be found. */
	(void) tsdb_directory_delete_pieces(storage, entry, true);
	*rows = entry->nrows - (uint32) pg_popcount((char *) hidden, sizeof(hidden));
	return true;
}
