/*
 * shrink.c
 *		Moving chunks from the end of a shard into free space before it.
 */
#include "postgres.h"

#include "worker/shrink.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "stats/stop_point.h"
#include "storage/bufmgr.h"
#include "storage/freespace.h"
#include "storage/procarray.h"
#include "store/damage.h"
#include "store/directory.h"
#include "store/internal_tuple.h"
#include "store/pieces.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "worker/pace.h"

/* A page with less room than this is not one to move pieces to. */
#define ROOM_MIN			(BLCKSZ / 4)

/* A live chunk's piece in the shard. */
typedef struct Spot
{
	ItemPointerData tid;
	uint32		chunk;
	uint32		number;			/* in the chunk's list of pieces */
	uint16		bytes;			/* on its page */
	bool		movable;
	bool		alone;			/* can be moved without the chunk's others */
} Spot;

typedef struct SpotList
{
	Spot	   *items;
	int			count;
	int			allocated;
} SpotList;

static void
add_spots(SpotList *spots, const TsdbChunkEntry *entry, const TsdbPieceList *list)
{
	if (spots->count + (int) list->count > spots->allocated)
	{
		spots->allocated = Max(spots->allocated * 2, spots->count + (int) list->count);
		spots->items = repalloc_huge(spots->items, spots->allocated * sizeof(Spot));
	}
	for (uint32 i = 0; i < list->count; i++)
	{
		Spot	   *spot = &spots->items[spots->count++];

		spot->tid = list->refs[i].tid;
		spot->chunk = entry->chunk;
		spot->number = i;
		spot->alone = entry->list_pieces.count == 0;
		spot->bytes = tsdb_piece_footprint(list, i);
		spot->movable = !TransactionIdIsCurrentTransactionId(entry->xmin);
	}
}

static int
compare_spots(const void *left, const void *right)
{
	return ItemPointerCompare(&((Spot *) unconstify(void *, left))->tid,
							  &((Spot *) unconstify(void *, right))->tid);
}

/* All pieces of the shard's live chunks, by place.  False if some directory tuple
 * is damaged, whose pieces are not known. */
static bool
list_spots(TsdbStorage *storage, int shard, Snapshot snapshot, SpotList *spots)
{
	MemoryContext pages = AllocSetContextCreate(CurrentMemoryContext, "tsdb shrink",
												ALLOCSET_DEFAULT_SIZES);
	BlockNumber nblocks = tsdb_directory_blocks(storage);
	bool		complete = true;

	spots->count = 0;
	spots->allocated = 1024;
	spots->items = palloc(spots->allocated * sizeof(Spot));
	for (BlockNumber block = 0; block < nblocks && complete; block++)
	{
		MemoryContext old = MemoryContextSwitchTo(pages);
		List	   *faults = NIL;
		TsdbChunkEntry *entries;
		int			count = tsdb_directory_page_with_faults(storage, block, snapshot, &entries,
															&faults);

		complete = faults == NIL;
		for (int i = 0; i < count; i++)
		{
			if (entries[i].shard != shard)
				continue;
			add_spots(spots, &entries[i], &entries[i].pieces);
			add_spots(spots, &entries[i], &entries[i].list_pieces);
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(pages);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextDelete(pages);
	qsort(spots->items, spots->count, sizeof(Spot), compare_spots);
	return complete;
}

/*
 * The first block of the end that can be vacated, about: what lives from there on
 * fits into the pages before it.
 */
static BlockNumber
find_cut(Relation shard, BlockNumber nblocks, const SpotList *spots)
{
	uint16	   *room = palloc_extended(nblocks * sizeof(uint16), MCXT_ALLOC_HUGE);
	double		before = 0;
	double		behind = 0;
	int			spot = spots->count - 1;
	BlockNumber cut = nblocks;

	for (BlockNumber block = 0; block < nblocks; block++)
	{
		Size		recorded = GetRecordedFreeSpace(shard, block);

		room[block] = recorded >= ROOM_MIN ? recorded : 0;
		before += room[block];
		if (block % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
	}
	while (cut > 0)
	{
		BlockNumber block = cut - 1;
		bool		movable = true;

		before -= room[block];
		for (; spot >= 0 && ItemPointerGetBlockNumber(&spots->items[spot].tid) == block; spot--)
		{
			behind += spots->items[spot].bytes;
			movable = movable && spots->items[spot].movable;
		}
		if (!movable || behind > before)
			break;
		cut = block;
	}
	pfree(room);
	return cut;
}

/* Is this tuple of a shard a piece that lives and belongs to no chunk?  Who wrote
 * it must have ended when the directory was read, with that xmin. */
static bool
is_lost(TsdbStorage *storage, int shard, HeapTuple tuple, Buffer buffer,
		const SpotList *spots, TransactionId oldest, TransactionId listed_xmin)
{
	Spot		key = {.tid = tuple->t_self};
	uint64		generation;

	return tsdb_pieces_identify(storage, shard, tuple, &generation) &&
		HeapTupleSatisfiesVacuum(tuple, oldest, buffer) == HEAPTUPLE_LIVE &&
		(HeapTupleHeaderXminFrozen(tuple->t_data) ||
		 TransactionIdPrecedes(HeapTupleHeaderGetRawXmin(tuple->t_data), listed_xmin)) &&
		bsearch(&key, spots->items, spots->count, sizeof(Spot), compare_spots) == NULL;
}

/* Delete the pieces from this block on that belong to no chunk. */
static void
delete_lost_pieces(TsdbStorage *storage, int shard, BlockNumber cut, const SpotList *spots,
				   TransactionId listed_xmin)
{
	Relation	rel = tsdb_storage_shard(storage, shard, TSDB_SHARD_IF_EXISTS);
	TransactionId oldest = GetOldestNonRemovableTransactionId(rel);
	BlockNumber nblocks = RelationGetNumberOfBlocks(rel);

	for (BlockNumber block = cut; block < nblocks; block++)
	{
		ItemPointerData lost[MaxHeapTuplesPerPage];
		int			nlost = 0;
		Buffer		buffer = ReadBuffer(rel, block);
		Page		page;
		OffsetNumber max;

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		page = BufferGetPage(buffer);
		max = PageIsNew(page) ? 0 : Min(PageGetMaxOffsetNumber(page), MaxHeapTuplesPerPage);
		for (OffsetNumber offset = 1; offset <= max; offset++)
		{
			HeapTupleData tuple;

			if (tsdb_internal_item(rel, page, block, offset, &tuple) == TSDB_ITEM_TUPLE &&
				tsdb_internal_header_fault(rel, &tuple) == NULL &&
				is_lost(storage, shard, &tuple, buffer, spots, oldest, listed_xmin))
				lost[nlost++] = tuple.t_self;
		}
		UnlockReleaseBuffer(buffer);
		for (int i = 0; i < nlost; i++)
			tsdb_piece_delete(storage, shard, &lost[i]);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Pieces of one chunk that were copied, and where they were before. */
typedef struct Copies
{
	TsdbStorage *storage;
	TsdbChunkEntry entry;
	ItemPointerData *left;
	int			count;
} Copies;

static bool
begin_copies(Copies *copies, TsdbStorage *storage, uint32 chunk)
{
	copies->storage = storage;
	copies->count = 0;
	if (!tsdb_directory_fetch(storage, chunk, SnapshotSelf, &copies->entry))
		return false;
	copies->left = palloc((copies->entry.pieces.count + copies->entry.list_pieces.count) *
						  sizeof(ItemPointerData));
	return true;
}

static bool
copy_piece(Copies *copies, uint64 generation, TsdbPieceList *list, uint32 number,
		   const char *content, BlockNumber block)
{
	ItemPointerData place;

	if (!tsdb_piece_copy(copies->storage, copies->entry.shard, generation, list, number,
						 content, block, &place))
		return false;
	copies->left[copies->count++] = list->refs[number].tid;
	list->refs[number].tid = place;
	return true;
}

/* Let the directory refer to the copies, and delete what was copied. */
static void
end_copies(Copies *copies)
{
	if (copies->count > 0)
	{
		tsdb_stop_point("shrink_after_copy");
		if (!tsdb_directory_move_pieces(copies->storage, &copies->entry))
			elog(ERROR, "directory tuple of chunk %u changed under lock", copies->entry.chunk);
		tsdb_stop_point("shrink_after_directory");
		for (int i = 0; i < copies->count; i++)
			tsdb_piece_delete(copies->storage, copies->entry.shard, &copies->left[i]);
	}
	pfree(copies->left);
	tsdb_chunk_entry_free(&copies->entry);
}

/* Move one piece to this page. */
static void
move_piece(TsdbStorage *storage, const Spot *spot, BlockNumber block)
{
	Copies		copies;

	if (!begin_copies(&copies, storage, spot->chunk))
		return;
	copy_piece(&copies, copies.entry.generation, &copies.entry.pieces, spot->number, NULL,
			   block);
	end_copies(&copies);
}

/*
 * Move what a chunk has from block cut on, and whose list of pieces is stored
 * itself: that changes as a whole.
 */
static void
move_long_chunk(TsdbStorage *storage, uint32 chunk, BlockNumber cut, TsdbPieceRoom *room)
{
	Copies		copies;
	TsdbPieceList *pieces = &copies.entry.pieces;
	TsdbPieceList *list = &copies.entry.list_pieces;
	bool		changed = false;

	if (!begin_copies(&copies, storage, chunk))
		return;
	for (uint32 i = 0; i < pieces->count; i++)
	{
		BlockNumber block;

		if (ItemPointerGetBlockNumber(&pieces->refs[i].tid) < cut)
			continue;
		block = tsdb_pieces_room_find(storage, copies.entry.shard, room,
									  tsdb_piece_footprint(pieces, i), 1);
		if (BlockNumberIsValid(block) &&
			copy_piece(&copies, copies.entry.generation, pieces, i, NULL, block))
			changed = true;
	}
	for (uint32 i = 0; i < list->count; i++)
		changed = changed || ItemPointerGetBlockNumber(&list->refs[i].tid) >= cut;
	for (uint32 i = 0; i < list->count && changed; i++)
	{
		BlockNumber block = tsdb_pieces_room_find(storage, copies.entry.shard, room,
												  tsdb_piece_footprint(list, i), 1);

		if (!copy_piece(&copies, ~copies.entry.generation, list, i, (char *) pieces->refs,
						block))
			elog(ERROR, "could not write the list of the pieces of chunk %u", chunk);
	}
	end_copies(&copies);
}

/* Vacate one page, of which spots[0 .. count) live.  False if there is no room. */
static bool
vacate_page(TsdbStorage *storage, int shard, const Spot *spots, int count,
			TsdbPieceRoom *room)
{
	BlockNumber block;
	Size		bytes = 0;
	int			alone = 0;

	/* What fills a page together fits best together. */
	for (int i = 0; i < count; i++)
	{
		if (spots[i].alone)
		{
			bytes += spots[i].bytes;
			alone++;
		}
	}
	block = alone == 0 ? InvalidBlockNumber :
		tsdb_pieces_room_find(storage, shard, room, bytes, alone);

	for (int i = 0; i < count; i++)
	{
		BlockNumber target = block;

		if (!spots[i].alone)
		{
			move_long_chunk(storage, spots[i].chunk, room->end, room);
			continue;
		}
		if (!BlockNumberIsValid(target))
			target = tsdb_pieces_room_find(storage, shard, room, spots[i].bytes, 1);
		if (!BlockNumberIsValid(target))
			return false;
		move_piece(storage, &spots[i], target);
	}
	return true;
}

typedef struct ShrinkWork
{
	Relation	table;
	int			shard;
	const TsdbCompactOptions *options;
	TsdbCompactResult *result;
} ShrinkWork;

/* Move chunks to the front of one shard. */
static void
shrink_shard(void *arg)
{
	ShrinkWork *work = arg;
	TsdbStorage *storage = tsdb_storage_open(work->table, ShareUpdateExclusiveLock);
	Relation	rel = tsdb_storage_shard(storage, work->shard, TSDB_SHARD_IF_EXISTS);
	BlockNumber nblocks = RelationGetNumberOfBlocks(rel);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TsdbPieceRoom room = {0};
	SpotList	spots;
	BlockNumber cut = nblocks;
	int			end;

	if (list_spots(storage, work->shard, snapshot, &spots))
		cut = find_cut(rel, nblocks, &spots);
	if (cut < nblocks)
		delete_lost_pieces(storage, work->shard, cut, &spots, snapshot->xmin);
	for (end = spots.count; end > 0;)
	{
		BlockNumber block = ItemPointerGetBlockNumber(&spots.items[end - 1].tid);
		int			first = end - 1;

		while (first > 0 && ItemPointerGetBlockNumber(&spots.items[first - 1].tid) == block)
			first--;
		if (block < cut)
			break;
		room.end = block;
		if (work->options->max_rows > 0 && work->result->bytes_moved >= TSDB_SHRINK_BYTES_MAX)
		{
			work->result->done = false;
			break;
		}
		if (!vacate_page(storage, work->shard, &spots.items[first], end - first, &room))
			break;
		for (int i = first; i < end; i++)
			work->result->bytes_moved += spots.items[i].bytes;
		end = first;
		tsdb_pace();
		CHECK_FOR_INTERRUPTS();
	}
	tsdb_pieces_room_free(storage, work->shard, &room);
	pfree(spots.items);
	UnregisterSnapshot(snapshot);
	tsdb_storage_close(storage);
}

void
tsdb_shrink_shards(Relation rel, const int64 *live_bytes, const TsdbCompactOptions *options,
				   TsdbCompactResult *result)
{
	ShrinkWork	work = {.table = rel,.options = options,.result = result};
	TsdbStorage *storage = tsdb_storage_open(rel, ShareUpdateExclusiveLock);
	bool		worth[TSDB_SHARDS_MAX] = {false};

	if (storage == NULL)
		return;
	for (int shard = 0; shard < TSDB_SHARDS_MAX; shard++)
	{
		Relation	relation = tsdb_storage_shard(storage, shard, TSDB_SHARD_IF_KNOWN);
		double		bytes;

		if (relation == NULL || live_bytes[shard] < 0)
			continue;
		bytes = (double) RelationGetNumberOfBlocks(relation) * BLCKSZ;
		worth[shard] = bytes - live_bytes[shard] > bytes / 4;
	}
	tsdb_storage_close(storage);

	for (work.shard = 0; work.shard < TSDB_SHARDS_MAX && result->done; work.shard++)
	{
		ErrorData  *error = worth[work.shard] ?
			tsdb_damage_catch(shrink_shard, &work, false) : NULL;

		/* Who merges or reads these chunks will say more. */
		if (error != NULL)
			elog(DEBUG1, "shard %d is damaged, and not made smaller: %s", work.shard,
				 error->message);
	}
	CommandCounterIncrement();
}
