/*
 * load_keys.h
 *		Loading rows into a table that has indexes, all of access method tsdb_key.
 *
 * Such an index has no entries of rows in chunks.  So what a load (am/direct_load.h) has to do
 * is to tell sessions that there are new chunks (store/key_note.h), and to see that keys which must be
 * unique are.  It does that when it writes:
 *
 *	 1. chunks are written, but for the directory tuples, by which others know of them
 *	 2. under a lock that other loads of this table want, too: are our keys free (worker/batch_keys.h)?
 *		If they are, directory tuples are inserted, and the note is written.  If one is in
 *		doubt, we give the lock back and wait for the transaction, having inserted nothing
 *		that it could wait for, and ask again
 *	 3. who inserts single rows does not know the lock.  So we look again whether somebody has come with a
 *		key of ours between 2's look and its insertion; and wait for him if he is not sure
 *
 * Why no duplicate slips through.  Of two loads, the one that is second to get the lock finds the
 * other's chunks.  Of a load and a row, either the row's entry was there before 3 looked at it, or
 * our chunks and the note were there before its inserter, having made the entry, looked into the
 * chunks (am/key_index.h).  If the row is in a chunk by the time we look, compaction has
 * moved it and said so in the note.
 *
 * Two that wait for each other, one in 3 and the other as a row's inserter, are a deadlock that the
 * server finds, as are those that heap would have.
 *
 * Of rows of which heap would refuse the first one we refuse the same one, although we learn of it
 * later: only when all that were gathered are written.
 */
#ifndef TSDB_AM_LOAD_KEYS_H
#define TSDB_AM_LOAD_KEYS_H

#include "am/load_lines.h"
#include "executor/tuptable.h"
#include "utils/rel.h"
#include "worker/batch.h"

/* Can rows be loaded into a table with these indexes?  Sets *any if there are any. */
extern bool tsdb_load_keys_suit(Relation rel, bool *any);

/* The indexes of a table that rows are about to be written to. */
typedef struct TsdbLoadKeys
{
	int			count;
	Relation   *indexes;
	struct IndexInfo **infos;
	bool		any_unique;
} TsdbLoadKeys;

extern void tsdb_load_keys_open(TsdbLoadKeys *keys, Relation rel);
extern void tsdb_load_keys_close(TsdbLoadKeys *keys);

/* Can the keys of these rows be checked?  Else they are for the row store. */
extern bool tsdb_load_keys_fit(const TsdbLoadKeys *keys, Relation rel, const TsdbBatch *batch);

/*
 * Make the chunks of a batch be there, which was written while it was held if any index is unique.
 * Raises an error if a key is not free.
 */
extern void tsdb_load_keys_place(TsdbLoadKeys *keys, Relation rel, TsdbBatch *batch,
								 TsdbLoadLines *lines);

/* Enter a row that was inserted into the row store. */
extern void tsdb_load_keys_enter(TsdbLoadKeys *keys, Relation rel, TupleTableSlot *slot);

#endif							/* TSDB_AM_LOAD_KEYS_H */
