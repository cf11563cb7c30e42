/*
 * damage.h
 *		Going on after damaged data was found.
 *
 * A reader that meets damage raises ERRCODE_DATA_CORRUPTED, and a statement
 * ends.  Who must go on with the rest (verification, merging, salvage) runs
 * the reading in a subtransaction: whatever it held, also a buffer that the
 * server refused to read, is released by rolling that back.
 */
#ifndef TSDB_STORE_DAMAGE_H
#define TSDB_STORE_DAMAGE_H

#include "utils/elog.h"

/* Is this the SQLSTATE of an error that damaged or unreadable data raises? */
extern bool tsdb_damage_is(int sqlerrcode);

/*
 * Run work(arg) in a subtransaction.  NULL if it returned; if it met damage, the
 * error, allocated in the current context.  Every other error goes on to the
 * caller.  any_internal: internal errors (XX000) count as damage too.  The
 * work must neither open nor close relations that the caller goes on to use.
 * In parallel mode, where subtransactions are not to be had, damage goes on to
 * the caller too.
 */
extern ErrorData *tsdb_damage_catch(void (*work) (void *arg), void *arg, bool any_internal);

/* Remember that a thing (a chunk, by its generation) of a storage is damaged, for
 * as long as this process lives; true if that is news. */
extern bool tsdb_damage_remember(Oid storage, uint64 thing);
extern bool tsdb_damage_is_known(Oid storage, uint64 thing);

#endif							/* TSDB_STORE_DAMAGE_H */
