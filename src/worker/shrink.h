/*
 * shrink.h
 *		Moving chunks from the end of a shard into free space before it.
 *
 * A rewritten chunk goes to the end of its shard, since the room of its former
 * self is not free yet.  When VACUUM has freed that, the shard has a hole at
 * its front, and only an empty end can be given back.  So compaction moves the
 * pieces of chunks at the end into the hole, and the next VACUUM cuts the end.
 *
 * Only pieces move: the chunk keeps its number, rows and index entries, nobody's
 * locks are in the way, and it costs the bytes that are moved, which are never
 * more than those that are given back.  For each chunk in turn
 *
 *	 1. its pieces are copied; copies are inserted frozen, so they are there
 *		whatever becomes of this transaction
 *	 2. the chunk's directory tuple is overwritten with the copies' places, which
 *		holds for every snapshot and is not undone either
 *	 3. the old pieces are deleted by this transaction
 *
 * Who has read the directory tuple before 2 has a snapshot that is older than
 * this transaction's end, so VACUUM keeps the old pieces for as long as he may
 * come for them.  If the transaction ends early, after 1 or 2, one of the copies
 * belongs to nobody: such pieces at the end of a shard are deleted when that end is
 * to be vacated again.  A chunk that this very transaction wrote is not moved.
 */
#ifndef TSDB_WORKER_SHRINK_H
#define TSDB_WORKER_SHRINK_H

#include "store/storage.h"
#include "worker/compact.h"

/* Bytes that one round in the background moves. */
#define TSDB_SHRINK_BYTES_MAX	(8 * 1024 * 1024)

/*
 * Move what pays: in shards of which more than a quarter is not needed by live
 * chunks, and whose end can be vacated.  live_bytes is by shard, less than 0 for
 * one to be left alone; adds to result->bytes_moved, and sets done to false if it
 * stopped at the bound.
 */
extern void tsdb_shrink_shards(Relation rel, const int64 *live_bytes,
							   const TsdbCompactOptions *options,
							   TsdbCompactResult *result);

#endif							/* TSDB_WORKER_SHRINK_H */
