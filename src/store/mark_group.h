/*
 * mark_group.h
 *		Tombstones of many rows that one command deletes from a chunk.
 *
 * A DELETE that meets a chunk once will likely meet it again.  From the second
 * row on, its tombstones are one tuple with a bitmap (mark_scan.h), and each
 * further row is a bit that is set in place: no tuple, no index entry.
 *
 * It must also be sure that a row has no mark yet, under the chunk's tuple
 * lock but without searching for each row: the chunk's marks are read once,
 * and a counter in shared memory says whether there may be new ones since.
 * Chunks share counters by hash; each new mark counts, also one that is rolled
 * back.  Without shared memory (the library was not preloaded) rows are
 * searched for.
 *
 * All functions need the chunk's tuple lock (marks.h).
 */
#ifndef TSDB_STORE_MARK_GROUP_H
#define TSDB_STORE_MARK_GROUP_H

#include "storage/itemptr.h"
#include "store/storage.h"

extern void tsdb_mark_group_init(void);

/* Is it known that this row has no mark? */
extern bool tsdb_mark_group_untouched(TsdbStorage *storage, ItemPointer tid);

/* Add the row, which has no mark, to the tombstone that this command has for
 * its group.  False if there is none: the caller writes one for the row alone. */
extern bool tsdb_mark_group_add(TsdbStorage *storage, ItemPointer tid, CommandId cid);

/* This row got a mark of its own. */
extern void tsdb_mark_group_note(TsdbStorage *storage, ItemPointer tid);

extern void tsdb_mark_group_at_xact_end(void);

#endif							/* TSDB_STORE_MARK_GROUP_H */
