/*
 * mark_group.h
 *		Tombstones of many rows that one command deletes from a chunk.
 *
 * A DELETE that meets a chunk once will likely meet it again.  From the second
 * row on, its tombstones are one tuple with a bitmap (mark_scan.h), and each
 * further row is a bit that is set in place: no tuple, no index entry.
 *
 * Adding a row needs the chunk's tuple lock (marks.h).
 */
#ifndef TSDB_STORE_MARK_GROUP_H
#define TSDB_STORE_MARK_GROUP_H

#include "storage/itemptr.h"
#include "store/storage.h"

/* Add the row, which has no mark, to the tombstone that this command has for
 * its group.  False if there is none: the caller writes one for the row alone. */
extern bool tsdb_mark_group_add(TsdbStorage *storage, ItemPointer tid, CommandId cid);

extern void tsdb_mark_group_at_xact_end(void);

#endif							/* TSDB_STORE_MARK_GROUP_H */
