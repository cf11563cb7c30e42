/*
 * drop_damaged.h
 *		Removing what cannot be read any more.
 *
 * The caller holds ShareUpdateExclusiveLock on the table and has opened the
 * storage with it.
 */
#ifndef TSDB_STORE_DROP_DAMAGED_H
#define TSDB_STORE_DROP_DAMAGED_H

#include "store/storage.h"

/*
 * Remove a chunk that is damaged, with its marks and those of its pieces that
 * are still to be found; raises an error if it can be read, or is not there.
 * Returns the number of its rows, deleted ones included, or -1 if that is not
 * known.
 */
extern int64 tsdb_drop_damaged_chunk(TsdbStorage *storage, uint32 chunk);

/* Remove the pieces that belong to no chunk; returns how many.  Raises an error
 * while a directory tuple is damaged, since they might be that chunk's. */
extern int64 tsdb_drop_orphaned_pieces(TsdbStorage *storage);

#endif							/* TSDB_STORE_DROP_DAMAGED_H */
