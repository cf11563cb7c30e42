/*
 * btree_shrink.c
 *		Giving back the pages of a btree that has become empty.
 */
#include "postgres.h"

#include "am/btree_shrink.h"

#include "access/nbtree.h"
#include "access/transam.h"
#include "access/xloginsert.h"
#include "catalog/pg_control.h"
#include "catalog/storage.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/indexfsm.h"
#include "utils/inval.h"
#include "utils/rel.h"

#define ROOT_PAGE		1
#define PAGES_MIN		32		/* shorter ones are left alone */
#define KEPT_MAX		16		/* pages that a WAL record takes: well below its 32 */

/* Pages that are neither new nor deleted, the root-to-be apart. */
typedef struct LivePages
{
	int			count;
	BlockNumber blocks[KEPT_MAX];
} LivePages;

/* Has the index no entry and few pages in use?  Lists those. */
static bool
is_empty(Relation index, LivePages *live)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(index);
	bool		empty = true;

	live->count = 0;
	for (BlockNumber block = BTREE_METAPAGE + 1; empty && block < nblocks; block++)
	{
		Buffer		buffer = ReadBuffer(index, block);
		Page		page;

		CHECK_FOR_INTERRUPTS();
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		page = BufferGetPage(buffer);
		if (!PageIsNew(page) && !P_ISDELETED(BTPageGetOpaque(page)))
		{
			BTPageOpaque opaque = BTPageGetOpaque(page);

			if (P_ISHALFDEAD(opaque) ||
				(P_ISLEAF(opaque) &&
				 PageGetMaxOffsetNumber(page) >= P_FIRSTDATAKEY(opaque)))
				empty = false;
			else if (block != ROOT_PAGE && live->count == KEPT_MAX)
				empty = false;
			else if (block != ROOT_PAGE)
				live->blocks[live->count++] = block;
		}
		UnlockReleaseBuffer(buffer);
	}
	return empty;
}

/* Make page 1 the root, an empty leaf, and delete the other pages in use. */
static void
make_fresh(Relation index, const LivePages *live)
{
	FullTransactionId safe_xid = ReadNextFullTransactionId();
	Buffer		buffers[KEPT_MAX + 2];
	int			count = live->count + 2;
	BTMetaPageData *meta;
	Page		page;

	buffers[0] = ReadBuffer(index, BTREE_METAPAGE);
	buffers[1] = ReadBuffer(index, ROOT_PAGE);
	for (int i = 0; i < live->count; i++)
		buffers[i + 2] = ReadBuffer(index, live->blocks[i]);
	for (int i = 0; i < count; i++)
		LockBuffer(buffers[i], BUFFER_LOCK_EXCLUSIVE);
	if (RelationNeedsWAL(index))
		XLogEnsureRecordSpace(count - 1, 0);

	START_CRIT_SECTION();
	meta = BTPageGetMeta(BufferGetPage(buffers[0]));
	meta->btm_root = meta->btm_fastroot = ROOT_PAGE;
	meta->btm_level = meta->btm_fastlevel = 0;

	page = BufferGetPage(buffers[1]);
	_bt_pageinit(page, BufferGetPageSize(buffers[1]));
	BTPageGetOpaque(page)->btpo_prev = P_NONE;
	BTPageGetOpaque(page)->btpo_next = P_NONE;
	BTPageGetOpaque(page)->btpo_level = 0;
	BTPageGetOpaque(page)->btpo_flags = BTP_LEAF | BTP_ROOT;
	BTPageGetOpaque(page)->btpo_cycleid = 0;

	for (int i = 2; i < count; i++)
		BTPageSetDeleted(BufferGetPage(buffers[i]), safe_xid);
	for (int i = 0; i < count; i++)
		MarkBufferDirty(buffers[i]);
	if (RelationNeedsWAL(index))
	{
		XLogRecPtr	end;

		XLogBeginInsert();
		for (int i = 0; i < count; i++)
			XLogRegisterBuffer(i, buffers[i], REGBUF_FORCE_IMAGE | REGBUF_STANDARD);
		end = XLogInsert(RM_XLOG_ID, XLOG_FPI);
		for (int i = 0; i < count; i++)
			PageSetLSN(BufferGetPage(buffers[i]), end);
	}
	END_CRIT_SECTION();
	for (int i = 0; i < count; i++)
		UnlockReleaseBuffer(buffers[i]);
}

bool
tsdb_btree_may_shrink(Relation index)
{
	LivePages	live;

	return RelationGetNumberOfBlocks(index) >= PAGES_MIN && is_empty(index, &live);
}

void
tsdb_btree_shrink(Relation index)
{
	LivePages	live;

	if (RelationGetNumberOfBlocks(index) < PAGES_MIN || !is_empty(index, &live))
		return;
	make_fresh(index, &live);
	RelationTruncate(index, ROOT_PAGE + 1);
	IndexFreeSpaceMapVacuum(index);
	if (index->rd_amcache != NULL)
	{
		pfree(index->rd_amcache);
		index->rd_amcache = NULL;
	}
	CacheInvalidateRelcache(index);
}
