/*
 * mark_group.c
 *		Tombstones of many rows that one command deletes from a chunk.
 */
#include "postgres.h"

#include "store/mark_group.h"

#include "access/heapam.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "store/internal.h"
#include "store/mark_scan.h"
#include "store/touched.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* The group that our command is adding to. */
static struct
{
	Oid			identity;
	int64		key;
	TransactionId xid;
	CommandId	cid;
	uint32		rows;			/* deleted so far; a tuple from the second on */
	HeapTuple	tuple;			/* our copy, in TopTransactionContext */
}			group;

void
tsdb_mark_group_at_xact_end(void)
{
	group.identity = InvalidOid;
	group.tuple = NULL;
}

/* Insert a tombstone for the group, with one row in it. */
static void
begin_group(TsdbStorage *storage, uint32 row, CommandId cid)
{
	Relation	marks = tsdb_storage_marks(storage);
	uint8		bits[TSDB_MARK_GROUP_BYTES] = {0};
	MemoryContext old;

	bits[row % TSDB_MARK_GROUP_ROWS / 8] |= 1 << (row % 8);
	old = MemoryContextSwitchTo(TopTransactionContext);
	if (group.tuple != NULL)
		heap_freetuple(group.tuple);
	group.tuple = tsdb_mark_form(storage, group.key, TSDB_MARK_DELETED, NULL, bits);
	MemoryContextSwitchTo(old);
	heap_insert(marks, group.tuple, cid, HEAP_INSERT_NO_LOGICAL, NULL);
	tsdb_internal_index_insert(marks, tsdb_storage_marks_index(storage), group.tuple);
}

bool
tsdb_mark_group_add(TsdbStorage *storage, ItemPointer tid, CommandId cid)
{
	uint32		row = tsdb_tid_row(tid);
	int64		key = tsdb_mark_group_key(tsdb_tid_chunk(tid), row);
	TransactionId xid = GetCurrentTransactionId();

	/* Decoding takes a change in place for one of the catalog. */
	if (RelationIsLogicallyLogged(storage->table))
		return false;
	if (group.identity != storage->identity || group.key != key || group.xid != xid ||
		group.cid != cid)
	{
		group.identity = storage->identity;
		group.key = key;
		group.xid = xid;
		group.cid = cid;
		group.rows = 1;
		return false;
	}
	if (group.rows++ == 1)
		begin_group(storage, row, cid);
	else
	{
		tsdb_mark_group_set(storage, group.tuple, row);
		heap_inplace_update(tsdb_storage_marks(storage), group.tuple);
	}
	tsdb_touched_note(storage, tid, true);
	return true;
}
