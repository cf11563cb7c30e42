/*
 * directory_numbers.c
 *		Chunk numbers: how many are in use, and their recycling.
 */
#include "postgres.h"

#include "store/directory_numbers.h"

#include "access/generic_xlog.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/freespace.h"
#include "store/chunk_tid.h"
#include "store/directory.h"
#include "utils/rel.h"

uint32
tsdb_directory_used(TsdbStorage *storage)
{
	BlockNumber nblocks = tsdb_directory_blocks(storage);
	uint32		used = 0;

	for (BlockNumber block = 0; block < nblocks; block++)
	{
		Buffer		buffer = ReadBuffer(storage->directory, block);
		Page		page = BufferGetPage(buffer);

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		if (!PageIsNew(page))
		{
			OffsetNumber max = PageGetMaxOffsetNumber(page);

			for (OffsetNumber offset = 1; offset <= max; offset++)
				used += ItemIdIsUsed(PageGetItemId(page, offset));
		}
		UnlockReleaseBuffer(buffer);
		CHECK_FOR_INTERRUPTS();
	}
	return used;
}

Bitmapset *
tsdb_directory_dead(TsdbStorage *storage)
{
	BlockNumber nblocks = tsdb_directory_blocks(storage);
	Bitmapset  *dead = NULL;

	for (BlockNumber block = 0; block < nblocks; block++)
	{
		Buffer		buffer = ReadBuffer(storage->directory, block);
		Page		page;
		OffsetNumber max;

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		page = BufferGetPage(buffer);
		max = PageIsNew(page) ? 0 : PageGetMaxOffsetNumber(page);
		for (OffsetNumber offset = 1; offset <= Min(max, TSDB_DIRECTORY_SLOTS); offset++)
		{
			if (ItemIdIsDead(PageGetItemId(page, offset)))
				dead = bms_add_member(dead, tsdb_chunk_number(block, offset));
		}
		UnlockReleaseBuffer(buffer);
		CHECK_FOR_INTERRUPTS();
	}
	return dead;
}

void
tsdb_directory_recycle(TsdbStorage *storage, const Bitmapset *dead)
{
	int			chunk = bms_next_member(dead, -1);

	while (chunk >= 0)
	{
		BlockNumber block = tsdb_chunk_block(chunk);
		Buffer		buffer = ReadBuffer(storage->directory, block);
		GenericXLogState *state;
		Page		page;
		Size		room;

		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		state = GenericXLogStart(storage->directory);
		page = GenericXLogRegisterBuffer(state, buffer, 0);
		for (; chunk >= 0 && tsdb_chunk_block(chunk) == block;
			 chunk = bms_next_member(dead, chunk))
		{
			ItemId		item = PageGetItemId(page, tsdb_chunk_offset(chunk));

			if (ItemIdIsDead(item) && !ItemIdHasStorage(item))
				ItemIdSetUnused(item);
		}
		PageSetHasFreeLinePointers(page);
		GenericXLogFinish(state);
		room = PageGetHeapFreeSpace(BufferGetPage(buffer));
		UnlockReleaseBuffer(buffer);
		RecordPageWithFreeSpace(storage->directory, block, room);
		CHECK_FOR_INTERRUPTS();
	}
}
