/*
 * key_index_shrink.c
 *		Giving back the pages of tsdb_key indexes that have become empty.
 *
 * When all rows are in chunks and VACUUM has removed their entries, such an
 * index has none.
 */
#include "postgres.h"

#include "am/key_index.h"

#include "am/btree_shrink.h"
#include "storage/lmgr.h"
#include "store/key_note.h"

void
tsdb_key_index_shrink(Relation table)
{
	List	   *oids = RelationGetIndexList(table);
	ListCell   *lc;

	foreach(lc, oids)
	{
		Relation	index = index_open(lfirst_oid(lc), RowExclusiveLock);

		if (tsdb_key_index_is(index) && index->rd_index->indisready &&
			tsdb_btree_may_shrink(index) &&
			ConditionalLockRelation(index, AccessExclusiveLock))
			tsdb_btree_shrink(index);
		index_close(index, NoLock);
	}
	list_free(oids);
}
