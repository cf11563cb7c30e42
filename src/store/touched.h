/*
 * touched.h
 *		What this session knows of the rows of chunks that were never touched.
 *
 * Most chunk rows have no mark (marks.h), and who deletes, updates, locks or
 * fetches many rows of a chunk would search the marks in vain for each.  So the
 * rows of a chunk that have one, of whatever state, are read once, as a bitmap;
 * a counter in shared memory says whether there may be new ones since.
 *
 * Chunks share counters by hash.  Whoever inserts a mark counts it once the
 * mark can be found, before its transaction ends, and it stays counted if that
 * is rolled back; a stub, which stays itself, is counted even if an error comes
 * in between.  Hence a row that is not in the bitmap, whose counter stands
 * where it stood before the bitmap was read, has no mark that a snapshot taken
 * earlier could see; and nobody is deleting it who held the chunk's tuple lock
 * before the question was asked.
 *
 * Without shared memory (the library was not preloaded) and on a standby, where
 * nobody counts, nothing is known.
 */
#ifndef TSDB_STORE_TOUCHED_H
#define TSDB_STORE_TOUCHED_H

#include "storage/itemptr.h"
#include "store/storage.h"

/* When the library is loaded. */
extern void tsdb_touched_init(void);

/* Is it known that this row has no mark? */
extern bool tsdb_touched_never(TsdbStorage *storage, ItemPointer tid);

/* Is it known that no row of the chunk has a mark that it shares with others? */
extern bool tsdb_touched_no_groups(TsdbStorage *storage, uint32 chunk);

/* This row is about to get a stub: if the transaction, or subtransaction, fails before
 * that is noted, the stub may be there, and is counted. */
extern void tsdb_touched_begin(TsdbStorage *storage, ItemPointer tid);

/* This row got a mark: one of its own, or it was added to a group's. */
extern void tsdb_touched_note(TsdbStorage *storage, ItemPointer tid, bool in_group);

#endif							/* TSDB_STORE_TOUCHED_H */
