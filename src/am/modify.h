/*
 * modify.h
 *		UPDATE, DELETE and row locks over both stores.
 */
#ifndef TSDB_AM_MODIFY_H
#define TSDB_AM_MODIFY_H

#include "access/tableam.h"

/*
 * Delete or update a row, which may have moved since *tid was read.  On success
 * *tid is where the old row is: triggers that are deferred look for it there
 * later, when VACUUM may have cleaned up its former place.
 */
extern TM_Result tsdb_tuple_delete(Relation rel, ItemPointer tid, CommandId cid,
								   Snapshot snapshot, Snapshot crosscheck, bool wait,
								   TM_FailureData *failure, bool changing_partition);
extern TM_Result tsdb_tuple_update(Relation rel, ItemPointer otid, TupleTableSlot *slot,
								   CommandId cid, Snapshot snapshot, Snapshot crosscheck,
								   bool wait, TM_FailureData *failure,
								   LockTupleMode *lockmode, bool *update_indexes);
extern TM_Result tsdb_tuple_lock(Relation rel, ItemPointer tid, Snapshot snapshot,
								 TupleTableSlot *slot, CommandId cid, LockTupleMode mode,
								 LockWaitPolicy wait_policy, uint8 flags,
								 TM_FailureData *failure);

#endif							/* TSDB_AM_MODIFY_H */
