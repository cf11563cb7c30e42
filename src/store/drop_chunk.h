/*
 * drop_chunk.h
 *		Deleting all rows of a chunk at once.
 *
 * A DELETE marks rows.  Where all rows of a chunk go, the chunk's directory
 * tuple is deleted instead, as a merge does that finds no row alive: two heap tuples or
 * three, and nothing is decoded.  Snapshots taken before see the chunk, rolling back
 * brings it back, who waits for one of its rows waits for this transaction and
 * finds it deleted then, and VACUUM removes its index entries.
 *
 * What a row's deletion does besides cannot be had this way: triggers, conflicts
 * of serializable transactions, logical decoding.
 */
#ifndef TSDB_STORE_DROP_CHUNK_H
#define TSDB_STORE_DROP_CHUNK_H

#include "store/directory.h"
#include "store/storage.h"

/* The caller holds ShareUpdateExclusiveLock on the table and is about to drop
 * chunks: tell the indexes that have no entries of their rows. */
extern void tsdb_drop_chunk_begin(Relation table);

/*
 * Drop a chunk that a snapshot sees which was taken under that lock; *rows is
 * how many of its rows were there.  False, and nothing was done, if somebody else has
 * locked a row of it or is changing one.
 */
extern bool tsdb_drop_chunk_whole(TsdbStorage *storage, const TsdbChunkEntry *entry,
								  uint32 *rows);

#endif							/* TSDB_STORE_DROP_CHUNK_H */
