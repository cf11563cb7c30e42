/*
 * mark_group.c
 *		Tombstones of many rows that one command deletes from a chunk.
 */
#include "postgres.h"

#include "store/mark_group.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "store/internal.h"
#include "store/mark_scan.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#define COUNTERS	4096

static pg_atomic_uint64 *counters = NULL;
static shmem_request_hook_type previous_request = NULL;
static shmem_startup_hook_type previous_startup = NULL;

/* What is known of the chunk whose rows were deleted last. */
static struct
{
	Oid			identity;
	uint32		chunk;
	uint32		claims;			/* how often it was asked for in a row */
	bool		known;			/* touched and count are set */
	uint64		count;			/* of its counter, when touched was right */
	uint8		touched[TSDB_CHUNK_ROWS / 8];	/* rows with a mark */
}			last;

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

static void
request_counters(void)
{
	if (previous_request)
		previous_request();
	RequestAddinShmemSpace(COUNTERS * sizeof(pg_atomic_uint64));
}

static void
start_counters(void)
{
	bool		found;

	if (previous_startup)
		previous_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	counters = ShmemInitStruct("tsdb mark counters", COUNTERS * sizeof(pg_atomic_uint64),
							   &found);
	for (int i = 0; i < COUNTERS && !found; i++)
		pg_atomic_init_u64(&counters[i], 0);
	LWLockRelease(AddinShmemInitLock);
}

void
tsdb_mark_group_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_request = shmem_request_hook;
	shmem_request_hook = request_counters;
	previous_startup = shmem_startup_hook;
	shmem_startup_hook = start_counters;
}

void
tsdb_mark_group_at_xact_end(void)
{
	last.identity = InvalidOid;
	group.identity = InvalidOid;
	group.tuple = NULL;
}

static pg_atomic_uint64 *
counter(Oid identity, uint32 chunk)
{
	return &counters[murmurhash32(identity ^ murmurhash32(chunk)) % COUNTERS];
}

/* Read which rows of the chunk have a mark, of whatever state. */
static void
read_touched(TsdbStorage *storage, uint32 chunk)
{
	TsdbMarkVersion version;
	TsdbMarkScan scan;

	last.known = false;
	last.count = pg_atomic_read_u64(counter(storage->identity, chunk));
	memset(last.touched, 0, sizeof(last.touched));
	if (tsdb_mark_scan_useful(storage))
	{
		tsdb_mark_scan_chunk(storage, chunk, SnapshotAny, &scan);
		while (tsdb_mark_scan_next(&scan, &version))
		{
			if (version.group == NULL)
				last.touched[version.row / 8] |= 1 << (version.row % 8);
			for (int i = 0; version.group != NULL && i < TSDB_MARK_GROUP_BYTES; i++)
				last.touched[version.row / 8 + i] |= version.group[i];
		}
		tsdb_mark_scan_end(&scan);
	}
	last.known = true;
}

bool
tsdb_mark_group_untouched(TsdbStorage *storage, ItemPointer tid)
{
	uint32		chunk = tsdb_tid_chunk(tid);
	uint32		row = tsdb_tid_row(tid);

	if (counters == NULL)
		return false;
	if (last.identity != storage->identity || last.chunk != chunk)
	{
		last.identity = storage->identity;
		last.chunk = chunk;
		last.claims = 0;
		last.known = false;
	}
	if (++last.claims < 2)
		return false;
	if (!last.known || last.count != pg_atomic_read_u64(counter(last.identity, chunk)))
		read_touched(storage, chunk);
	return (last.touched[row / 8] & (1 << (row % 8))) == 0;
}

void
tsdb_mark_group_note(TsdbStorage *storage, ItemPointer tid)
{
	uint32		chunk = tsdb_tid_chunk(tid);
	uint32		row = tsdb_tid_row(tid);
	uint64		before;

	if (counters == NULL)
		return;
	before = pg_atomic_fetch_add_u64(counter(storage->identity, chunk), 1);
	if (last.identity == storage->identity && last.chunk == chunk && last.known &&
		last.count == before)
	{
		last.count = before + 1;
		last.touched[row / 8] |= 1 << (row % 8);
	}
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
	tsdb_mark_group_note(storage, tid);
	return true;
}
