/*
 * moves.h
 *		Where the rows went that a compaction moved.
 *
 * A compaction leaves its source tuples with xmax set and heap's "moved to
 * another partition" ctid.  A statement that reached such a tuple with an
 * older snapshot, and wants to change or lock the row, looks up (transaction
 * that moved it, TID that it had) here and goes on with the chunk row.  The
 * same for rows of a chunk that a merge replaced.
 *
 * One tuple per chunk written, with the origin TID of every row.  A tuple is
 * of use while some snapshot is older than its transaction, or a serializable
 * reader of such a snapshot may still be part of a conflict: a writer looks
 * for its locks on the row's former TIDs, too.  When no tuple is of use, the
 * whole relation is truncated.  Readers hold AccessShareLock on it
 * while they read, since that truncation takes AccessExclusiveLock.
 */
#ifndef TSDB_STORE_MOVES_H
#define TSDB_STORE_MOVES_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "store/storage.h"

extern TupleDesc tsdb_moves_tupdesc(void);

/* Record that the rows of this new chunk came from origins[0 .. nrows). */
extern void tsdb_moves_record(TsdbStorage *storage, uint32 chunk,
							  const ItemPointerData *origins, uint32 nrows);

/* Where did the transaction "mover" put the row that was at "origin"?  False
 * if it moved no such row. */
extern bool tsdb_moves_find(TsdbStorage *storage, TransactionId mover,
							ItemPointer origin, ItemPointer destination);

/*
 * Where was this chunk row before it came to its chunk?  False if that is
 * forgotten, as then every snapshot sees it where it is.  *mover is who moved
 * it away from tid, invalid if it is still there; set to who moved it there, so
 * that the row can be followed further back.
 */
extern bool tsdb_moves_origin(TsdbStorage *storage, ItemPointer tid, ItemPointer origin,
							  TransactionId *mover);

/* Is this heap tuple marked as moved by compaction (or to another partition)? */
extern bool tsdb_moves_is_marked(HeapTupleHeader tuple);

/* Read a tuple of the moves relation, whatever its visibility: the chunk that it
 * is about, and how many rows it has.  Returns NULL, or what is wrong with it, as
 * a sentence. */
extern const char *tsdb_moves_read(TsdbStorage *storage, HeapTuple tuple,
								   uint32 *chunk, uint32 *nrows);

/* Forget all moves if no snapshot can need one.  The caller holds
 * ShareUpdateExclusiveLock on the table. */
extern void tsdb_moves_trim(TsdbStorage *storage);

/* Forget the backend's remembered look-ups. */
extern void tsdb_moves_at_xact_end(void);

#endif							/* TSDB_STORE_MOVES_H */
