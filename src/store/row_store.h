/*
 * row_store.h
 *		Taking rows out of the row store, for compaction.
 *
 * A row is taken by setting xmax on its tuple, with the ctid that heap uses for
 * "moved to another partition" (see moves.h).  Its inserter must have
 * committed, and nobody may hold a lock on it or be changing it.  Until the
 * taking transaction commits, who wants to change the row waits for it, as for
 * any deleter; everybody else goes on seeing the row.
 *
 * The change is logged through generic WAL, a record per page: logical
 * decoding, which would report a delete, does not see it.
 */
#ifndef TSDB_STORE_ROW_STORE_H
#define TSDB_STORE_ROW_STORE_H

#include "access/htup.h"
#include "storage/buf.h"
#include "store/row_arena.h"
#include "utils/rel.h"

/* Rows whose values take more bytes than this, uncompressed, are left. */
#define TSDB_ROW_BYTES_MAX	(1024 * 1024)

typedef struct TsdbRowStoreScan
{
	Relation	rel;
	BlockNumber nblocks;
	BlockNumber next;			/* block to be taken next */
	BufferAccessStrategy strategy;
	TransactionId xid;			/* of the taker */
	bool		visibility_cleared;
	int64		kept;			/* live rows seen and left */
} TsdbRowStoreScan;

extern void tsdb_row_store_begin(TsdbRowStoreScan *scan, Relation rel);

/*
 * Take the rows of the next block; returns how many, with copies as they were
 * before, made in the arena, in rows[], which has room for
 * MaxHeapTuplesPerPage.  -1 at the end.
 */
extern int	tsdb_row_store_take(TsdbRowStoreScan *scan, TsdbRowArena *arena,
								HeapTuple *rows);
extern void tsdb_row_store_end(TsdbRowStoreScan *scan);

#endif							/* TSDB_STORE_ROW_STORE_H */
