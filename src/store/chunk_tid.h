/*
 * chunk_tid.h
 *		TIDs of chunk rows.
 *
 * A TID has 32 bits of block and 16 of offset, and bitmap scans refuse
 * offsets over MaxHeapTuplesPerPage (291), so a chunk row is
 *
 *	 block  = 0x80000000 | (chunk number * 4 + row / 256)
 *	 offset = row % 256 + 1
 *
 * which leaves the row store 2^31 blocks (16 TB).  A chunk number is the place
 * of the chunk's directory tuple, so that it is found without an index:
 *
 *	 chunk number = directory block * 128 + directory offset - 1
 *
 * Numbers run to 2^29 - 2 (the last would reach InvalidBlockNumber), a
 * directory to 4,194,303 pages.
 *
 * TIDs of the first block number of that last chunk stand for rows that are gathered for a
 * load, which have no place yet: the offset tells the last ones apart, by their order.
 */
#ifndef TSDB_STORE_CHUNK_TID_H
#define TSDB_STORE_CHUNK_TID_H

#include "storage/block.h"
#include "storage/itemptr.h"

#define TSDB_TID_CHUNK_BIT		((BlockNumber) 0x80000000)
#define TSDB_TID_ROWS			256		/* rows of a chunk under one block number */
#define TSDB_TID_BLOCKS			4		/* block numbers of a chunk */
#define TSDB_DIRECTORY_SLOTS	128		/* chunk numbers of a directory page */
#define TSDB_DIRECTORY_BLOCKS_MAX	((BlockNumber) 4194303)

static inline bool
tsdb_tid_is_chunk(ItemPointer tid)
{
	return (ItemPointerGetBlockNumberNoCheck(tid) & TSDB_TID_CHUNK_BIT) != 0;
}

static inline uint32
tsdb_tid_chunk(ItemPointer tid)
{
	return (ItemPointerGetBlockNumberNoCheck(tid) & ~TSDB_TID_CHUNK_BIT) / TSDB_TID_BLOCKS;
}

/* PG_UINT32_MAX, which is no row, for an offset that no chunk row has. */
static inline uint32
tsdb_tid_row(ItemPointer tid)
{
	OffsetNumber offset = ItemPointerGetOffsetNumberNoCheck(tid);

	if (offset < 1 || offset > TSDB_TID_ROWS)
		return PG_UINT32_MAX;
	return ItemPointerGetBlockNumberNoCheck(tid) % TSDB_TID_BLOCKS * TSDB_TID_ROWS +
		offset - 1;
}

static inline void
tsdb_tid_set(ItemPointer tid, uint32 chunk, uint32 row)
{
	ItemPointerSet(tid,
				   TSDB_TID_CHUNK_BIT | (chunk * TSDB_TID_BLOCKS + row / TSDB_TID_ROWS),
				   row % TSDB_TID_ROWS + 1);
}

#define TSDB_TID_GATHERED		((BlockNumber) 0xFFFFFFFC)
#define TSDB_TID_GATHERED_ROWS	32768

static inline bool
tsdb_tid_is_gathered(ItemPointer tid)
{
	return ItemPointerGetBlockNumberNoCheck(tid) == TSDB_TID_GATHERED;
}

static inline void
tsdb_tid_set_gathered(ItemPointer tid, uint32 number)
{
	ItemPointerSet(tid, TSDB_TID_GATHERED, number % TSDB_TID_GATHERED_ROWS + 1);
}

static inline uint32
tsdb_chunk_number(BlockNumber block, OffsetNumber offset)
{
	return block * TSDB_DIRECTORY_SLOTS + offset - 1;
}

static inline BlockNumber
tsdb_chunk_block(uint32 chunk)
{
	return chunk / TSDB_DIRECTORY_SLOTS;
}

static inline OffsetNumber
tsdb_chunk_offset(uint32 chunk)
{
	return chunk % TSDB_DIRECTORY_SLOTS + 1;
}

/* Place of a chunk's directory tuple. */
static inline void
tsdb_chunk_place(ItemPointer tid, uint32 chunk)
{
	ItemPointerSet(tid, tsdb_chunk_block(chunk), tsdb_chunk_offset(chunk));
}

#endif							/* TSDB_STORE_CHUNK_TID_H */
