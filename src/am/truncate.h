/*
 * truncate.h
 *		Giving back the empty ends of internal relations.
 *
 * It cuts what has no line pointer in use, dead ones included: no snapshot can
 * need a tuple there, and no index entry points there.
 *
 * Nobody comes to such a page of a shard: pieces are read by the references in
 * directory tuples, and VACUUM would have kept a piece that somebody may still have
 * a reference to.  Only who scans the shard as a whole must be kept out, and he
 * locks it, and loads that add to it (am/direct_load.h), who have a lock for that on the
 * table: both are taken, if they are free, and queries are not in their way, nor they
 * in theirs, on a standby as well.
 *
 * Marks are found by an index, and a scan that has read an entry comes to the tuple
 * a moment later.  Who reads or writes marks locks them until his transaction
 * ends, and VACUUM takes AccessExclusiveLock as heap's does on a table: when it is
 * free, with some patience, never waiting in the queue.
 *
 * Their index cannot be cut in parts: when all marks are gone, it is made anew
 * (btree_shrink.h).
 */
#ifndef TSDB_AM_TRUNCATE_H
#define TSDB_AM_TRUNCATE_H

#include "store/storage.h"

struct BufferAccessStrategyData;

/* In a VACUUM of the table, after that of its members.  The locks are kept to
 * the end of the transaction, when others hear that the index is new. */
extern void tsdb_truncate_members(TsdbStorage *storage,
								  struct BufferAccessStrategyData *strategy);

#endif							/* TSDB_AM_TRUNCATE_H */
