/*
 * truncate.c
 *		Giving back the empty ends of internal relations.
 */
#include "postgres.h"

#include "am/truncate.h"

#include "am/btree_shrink.h"
#include "catalog/storage.h"
#include "miscadmin.h"
#include "stats/stop_point.h"
#include "storage/bufmgr.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "utils/rel.h"
#include "utils/wait_event.h"

/* As long, and as often, as heap's VACUUM tries to get the lock. */
#define LOCK_PATIENCE_MS	5000
#define LOCK_INTERVAL_MS	50

/* Marks are cut when there is none left and that gives so much back, in all or of
 * the shards' size, since a standby has to cancel who is reading marks. */
#define WORTH_BLOCKS		1000
#define WORTH_FRACTION		64

/* Blocks of a relation up to the last one that has a line pointer in use. */
static BlockNumber
blocks_in_use(Relation rel, BufferAccessStrategy strategy)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(rel);
	bool		empty = true;

	while (nblocks > 0 && empty)
	{
		Buffer		buffer = ReadBufferExtended(rel, MAIN_FORKNUM, nblocks - 1, RBM_NORMAL,
												strategy);
		Page		page;

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		page = BufferGetPage(buffer);
		if (!PageIsNew(page))
		{
			OffsetNumber max = PageGetMaxOffsetNumber(page);

			for (OffsetNumber offset = 1; offset <= max && empty; offset++)
				empty = !ItemIdIsUsed(PageGetItemId(page, offset));
		}
		UnlockReleaseBuffer(buffer);
		if (empty)
			nblocks--;
		CHECK_FOR_INTERRUPTS();
	}
	return nblocks;
}

static bool
has_empty_end(Relation rel, BufferAccessStrategy strategy)
{
	return blocks_in_use(rel, strategy) < RelationGetNumberOfBlocks(rel);
}

/* Take the lock when it is free, without ever waiting in its queue. */
static bool
lock_patiently(Relation rel)
{
	for (int waited = 0; waited <= LOCK_PATIENCE_MS; waited += LOCK_INTERVAL_MS)
	{
		if (ConditionalLockRelation(rel, AccessExclusiveLock))
			return true;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 LOCK_INTERVAL_MS, WAIT_EVENT_VACUUM_TRUNCATE);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	return false;
}

/* Cut the empty end of a locked relation. */
static void
truncate_end(Relation rel, BufferAccessStrategy strategy)
{
	BlockNumber nblocks = blocks_in_use(rel, strategy);

	if (nblocks < RelationGetNumberOfBlocks(rel))
		RelationTruncate(rel, nblocks);
}

static void
truncate_shards(TsdbStorage *storage, BufferAccessStrategy strategy)
{
	for (int shard = 0; shard < TSDB_SHARDS_MAX; shard++)
	{
		Relation	rel = tsdb_storage_shard(storage, shard, TSDB_SHARD_IF_KNOWN);

		if (rel != NULL && has_empty_end(rel, strategy) &&
			tsdb_storage_lock_additions(storage->table) &&
			ConditionalLockRelation(rel, AccessExclusiveLock))
			truncate_end(rel, strategy);
	}
}

/* Blocks of marks and index that could be given back, if there is no mark left. */
static BlockNumber
idle_blocks(Relation marks, Relation index, BufferAccessStrategy strategy)
{
	BlockNumber idle = RelationGetNumberOfBlocks(marks);

	if (blocks_in_use(marks, strategy) > 0)
		return 0;
	if (tsdb_btree_may_shrink(index))
		idle += RelationGetNumberOfBlocks(index);
	return idle;
}

static void
truncate_marks(TsdbStorage *storage, BufferAccessStrategy strategy)
{
	Relation	marks = tsdb_storage_marks(storage);
	Relation	index = tsdb_storage_marks_index(storage);
	BlockNumber idle = idle_blocks(marks, index, strategy);

	if (idle == 0 ||
		(idle < WORTH_BLOCKS && idle < tsdb_storage_shard_blocks(storage) / WORTH_FRACTION))
		return;
	if (!lock_patiently(marks))
		return;
	truncate_end(marks, strategy);
	tsdb_stop_point("truncate_after_marks");
	if (RelationGetNumberOfBlocks(marks) == 0)
		tsdb_btree_shrink(index);
}

void
tsdb_truncate_members(TsdbStorage *storage, BufferAccessStrategy strategy)
{
	truncate_shards(storage, strategy);
	truncate_marks(storage, strategy);
}
