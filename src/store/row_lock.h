/*
 * row_lock.h
 *		Key-share locks on the later versions of an updated row.
 *
 * FOR KEY SHARE is compatible with an update that keeps the key: it is granted
 * on the old version while such an update runs, or after it has committed.  But
 * then the later versions must be locked as well, or one of them could be
 * deleted while the lock is held; and an update must hand the locks that others
 * hold on to its new version.  Heap does both along ctid links.  A chunk row's
 * new version is in the row store and no ctid leads there, so it is done here,
 * by heap's rules, for that one link; each change of a tuple is a generic WAL
 * record.
 */
#ifndef TSDB_STORE_ROW_LOCK_H
#define TSDB_STORE_ROW_LOCK_H

#include "access/tableam.h"
#include "storage/lmgr.h"
#include "store/storage.h"

/*
 * Lock, for key share, the row-store version at *tid, which the transaction
 * "inserter" wrote, and the versions after it; waits for who changes the key.
 * Returns TM_Ok; TM_Updated or TM_Deleted if a later version is gone for good;
 * TM_WouldBlock.  If the chain leads into a chunk, returns TM_Ok with *tid set
 * to the chunk row that the caller has to lock next; otherwise *tid is invalid.
 */
extern TM_Result tsdb_row_lock_later(TsdbStorage *storage, ItemPointer tid,
									 TransactionId inserter, LockWaitPolicy policy);

/*
 * Hand the key-share locks that others hold on a mark over to the new version
 * of its row, which this transaction has just inserted.
 */
extern void tsdb_row_lock_inherit(TsdbStorage *storage, ItemPointer stub,
								  ItemPointer new_version);

/*
 * Does this transaction, which runs, compact the table?  It then holds the
 * compaction's lock of the table.  Compaction is no lock of a row that somebody
 * may see: SKIP LOCKED and NOWAIT wait for it.
 */
extern bool tsdb_row_lock_is_compaction(Relation table, TransactionId xid);

/*
 * Wait for a transaction that holds a row, as the policy says: false if it must
 * not be waited for (LockWaitSkip); an error naming the table for LockWaitError.
 */
extern bool tsdb_row_lock_wait(Relation table, ItemPointer tid, TransactionId xid,
							   LockWaitPolicy policy, XLTW_Oper oper);

/* The error for a row that must not be waited for. */
extern void tsdb_row_lock_refuse(Relation table) pg_attribute_noreturn();

#endif							/* TSDB_STORE_ROW_LOCK_H */
