/*
 * logical_change.h
 *		What logical decoding reads of changes to chunk rows.
 *
 * Logical decoding reads heap's WAL records.  A chunk row has no heap tuple
 * whose deletion or update would write one: its tombstone is a tuple of an
 * internal relation, which decoding passes over.  So, where a table is logged
 * logically, the record that heap would have written for the same row is
 * written here, with the same replica identity and the same out-of-line
 * values.
 *
 * Such a record must name a tuple of the table's main fork as the old version,
 * and replaying it changes that tuple.  A ghost stands in for it: a tuple
 * without columns that looks like the remains of an aborted HOT update, so it
 * is dead from the beginning, for every snapshot of every server.  Nothing
 * points to it, pruning and VACUUM take it away as they find it, and the next
 * change makes another.  A backend uses the same ghost again while it is there.
 */
#ifndef TSDB_AM_LOGICAL_CHANGE_H
#define TSDB_AM_LOGICAL_CHANGE_H

#include "access/htup.h"
#include "store/storage.h"

/* Only for tables that are logged logically (RelationIsLogicallyLogged). */

/* Log that the chunk row at tid, which the caller has locked, is deleted. */
extern void tsdb_logical_change_delete(TsdbStorage *storage, ItemPointer tid);

/*
 * Insert the new version of the chunk row at tid, which the caller has locked,
 * into the row store, as heap_insert does, but logged as an update.
 */
extern void tsdb_logical_change_update(TsdbStorage *storage, ItemPointer tid,
									   HeapTuple new_row, CommandId cid);

#endif							/* TSDB_AM_LOGICAL_CHANGE_H */
