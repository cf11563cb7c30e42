/*
 * marks.h
 *		Deleting, updating and locking single rows of immutable chunks.
 *
 * A chunk row that nobody ever touched has no mark.  The first who deletes,
 * updates or locks it inserts a stub: a heap tuple in the marks relation that
 * stands for the row's tuple header.  The stub is inserted frozen, so it is
 * there for everybody at once, whatever becomes of its inserter; and from
 * then on heap's own code does to the stub what it would do to a row:
 *
 *	 lock      heap_lock_tuple on the stub
 *	 delete    heap_update of the stub to a tombstone
 *	 update    the new version goes to the row store; heap_update of the stub
 *			   to a tombstone that names the new version's TID
 *
 * so that waiting, lock strengths, multixacts, deadlock detection, subtransactions
 * and commit ids are heap's.  A row is visible to a snapshot if it has no mark,
 * or if the version of its mark that the snapshot sees is a stub.
 *
 * Who deletes a row that has no stub, or updates its key, needs none: no lock
 * is compatible with that.  The tombstone is inserted alone, one for several
 * rows if a command deletes them (mark_group.h), and who wants the row meanwhile
 * waits for the transaction that inserted it.
 *
 * The first mark of a row is made under the heavyweight tuple lock on the
 * chunk's first TID, held for that moment only: two backends cannot make two,
 * and a merge, which deletes the directory tuple under the same lock, cannot
 * overlook one.
 */
#ifndef TSDB_STORE_MARKS_H
#define TSDB_STORE_MARKS_H

#include "access/tableam.h"
#include "access/tupdesc.h"
#include "store/storage.h"

#define TSDB_MARKS_KEY	1		/* attribute of the index */

typedef enum TsdbMarkState
{
	TSDB_MARK_STUB = 0,			/* the row lives; somebody may hold a lock */
	TSDB_MARK_DELETED = 1,
	TSDB_MARK_UPDATED = 2,		/* successor is the new version's TID */
	TSDB_MARK_MOVED = 3			/* to another partition */
} TsdbMarkState;

extern TupleDesc tsdb_marks_tupdesc(void);

/* Has nobody ever marked a row of this storage, or are all marks gone? */
extern bool tsdb_marks_none(TsdbStorage *storage);

/* Rows of a chunk that the snapshot does not see: a bitmap of
 * TSDB_CHUNK_ROWS bits, or NULL if there are none. */
extern uint8 *tsdb_marks_hidden(TsdbStorage *storage, uint32 chunk, Snapshot snapshot);

/* The same for rows that nobody sees any more: the deleter had committed before oldest_xmin. */
extern uint8 *tsdb_marks_gone(TsdbStorage *storage, uint32 chunk, TransactionId oldest_xmin);

static inline bool
tsdb_marks_is_hidden(const uint8 *hidden, uint32 row)
{
	return hidden != NULL && (hidden[row / 8] & (1 << (row % 8))) != 0;
}

/* Bytes that the chunk's marks take, with their index entries; how many of its
 * rows they hide, and how many have a mark of whatever state. */
extern Size tsdb_marks_weigh(TsdbStorage *storage, uint32 chunk, Snapshot snapshot,
							 uint32 *dead, uint32 *touched);

/* Has any row of the chunk a mark, of whatever state? */
extern bool tsdb_marks_any(TsdbStorage *storage, uint32 chunk);

/* Is this row of a visible chunk visible?  SnapshotDirty is answered as heap
 * answers, with snapshot->xmax set to a running deleter. */
extern bool tsdb_marks_row_visible(TsdbStorage *storage, ItemPointer tid, Snapshot snapshot);

/* A row that was locked, or claimed. */
typedef struct TsdbMark
{
	ItemPointerData stub;		/* invalid if the row is claimed without one */
	ItemPointerData guard;		/* in that case, the tuple lock that is held */
	bool		held;			/* we, or several, had locked the row before */
} TsdbMark;

/*
 * Lock a chunk row.  If the row has been moved to another chunk, *tid is set
 * to where it is now.  On TM_Ok the row is locked and mark->stub is its mark.
 * Otherwise the result and failure data are what heap_lock_tuple would give
 * for a row in that state; TM_Updated's ctid is the successor.
 */
extern TM_Result tsdb_marks_lock(TsdbStorage *storage, ItemPointer tid, CommandId cid,
								 LockTupleMode mode, LockWaitPolicy wait_policy,
								 TM_FailureData *failure, TsdbMark *mark);

/*
 * FOR KEY SHARE was granted on a version that "updater" replaces, or has
 * replaced, by the one at next: lock that and the later ones, too.  If it fails,
 * the failure is that of the update, so that the caller may follow it to the
 * row's end.
 */
extern TM_Result tsdb_marks_lock_later(TsdbStorage *storage, ItemPointer next,
									   TransactionId updater, CommandId cid,
									   LockWaitPolicy policy, TM_FailureData *failure);

/* Like tsdb_marks_lock, for a row that will be buried at once.  After TM_Ok the caller must
 * not wait for anybody before it calls tsdb_marks_bury or tsdb_marks_release. */
extern TM_Result tsdb_marks_claim(TsdbStorage *storage, ItemPointer tid, CommandId cid,
								  LockTupleMode mode, LockWaitPolicy wait_policy,
								  TM_FailureData *failure, TsdbMark *mark);

/* Write the tombstone of a claimed row. */
extern void tsdb_marks_bury(TsdbStorage *storage, ItemPointer tid, TsdbMark *mark,
							TsdbMarkState state, ItemPointer successor, CommandId cid);

/* Leave a claimed row as it is. */
extern void tsdb_marks_release(TsdbStorage *storage, TsdbMark *mark);

/* The new version of a row that a committed transaction or ours has updated. */
extern bool tsdb_marks_successor(TsdbStorage *storage, ItemPointer tid,
								 ItemPointer successor);

/* For a merge: delete all marks of a chunk that is being replaced, without
 * waiting.  hidden gets the bits of rows deleted for good.  False if somebody
 * has locked or is deleting a row: then the merge must give up and abort. */
extern bool tsdb_marks_take(TsdbStorage *storage, uint32 chunk, uint8 *hidden);

/*
 * The same for who goes on with the transaction if somebody is in the way: then
 * every row is what it was.  Needs the chunk's tuple lock.
 */
extern bool tsdb_marks_try_take(TsdbStorage *storage, uint32 chunk, uint8 *hidden);

/* Delete the marks of a chunk that is damaged, without reading them.  False if
 * somebody has locked or is deleting a row. */
extern bool tsdb_marks_drop(TsdbStorage *storage, uint32 chunk);

/* Must old copies of moved rows, which an old snapshot still sees, be looked up
 * where they are now?  If this transaction has buried a row, which may be such
 * a one; or if it is serializable, to find who else did. */
extern bool tsdb_marks_check_moved(void);
extern void tsdb_marks_at_xact_end(void);

#endif							/* TSDB_STORE_MARKS_H */
