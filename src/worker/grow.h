/*
 * grow.h
 *		Making the relations that a load needs.
 *
 * What a loading transaction makes itself nobody else sees until it commits, and it
 * holds a lock on each relation until then.  So other loads of the table would
 * have to wait, or to do without, and a load of many partitions would hold
 * thousands of locks.  Hence a worker makes them, in a transaction of its own, while
 * the load waits.  That takes some milliseconds, once for a table.
 *
 * The worker waits for no lock, since whoever waits for the worker may hold it, and no
 * deadlock detector would know.  What it cannot do, or if no worker can be
 * started, the load does itself.  So does one of a table that nobody else sees yet.
 *
 * But rows with unique keys go to no relation that others do not see, unless the table is one to which nobody else
 * can write: who inserts the same key has to find it before we commit.  So only who moves
 * rows writes chunks that others cannot read yet, and keys of rows that are being moved are in doubt where they were.
 */
#ifndef TSDB_WORKER_GROW_H
#define TSDB_WORKER_GROW_H

#include "store/storage.h"

/*
 * Open a table's storage for adding chunks of these shards, with what is missing
 * made (tsdb_storage_open_to_add); unique: of rows that have unique keys.  NULL if that cannot be now.
 */
extern TsdbStorage *tsdb_grow_open(Relation table, const bool *shards, bool unique);

extern void tsdb_grow_at_xact_end(void);

/* The worker's main function. */
extern PGDLLEXPORT void tsdb_grow_main(Datum database);

#endif							/* TSDB_WORKER_GROW_H */
