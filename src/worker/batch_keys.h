/*
 * batch_keys.h
 *		Are the keys of a batch of new rows free?
 *
 * Rows that go to chunks at once (am/direct_load.h) are not entered one by one into a unique
 * index of access method tsdb_key.  All of a batch are checked at a time, once they are
 * sorted by series and time, against
 *
 *	 each other	rows of one series and one time are neighbours
 *	 btree		entries of the row store in the batch's range of times: by series if there are
 *				few of these for the size of the btree, else in one scan.  What is found is
 *				looked up in the batch
 *	 chunks		those whose range of keys overlaps that of some rows next to each other: each is
 *				decoded once, and its keys are looked up in the batch
 *
 * So what rows cost that come later than all others is a search in a tree for every thousand of
 * them, and a look into the btree.
 *
 * This serves indexes whose columns are the series key and the time column of the batch, of
 * types whose equality is that of bytes, by which the batch knows its series.
 *
 * The order in which a load does things (first its chunks are there, then it
 * looks; btree first, then chunks) is argued in am/key_index.h.
 */
#ifndef TSDB_WORKER_BATCH_KEYS_H
#define TSDB_WORKER_BATCH_KEYS_H

#include "cache/key_lookup.h"
#include "store/key_note.h"
#include "worker/batch.h"

/* Can batches of this sort key be checked against this unique index? */
extern bool tsdb_batch_keys_suit(Relation table, Relation index, const TsdbSortKey *sort_key);

/* And this batch, as it is? */
extern bool tsdb_batch_keys_fit(const TsdbBatch *batch, Relation table, Relation index);

/* A row whose key somebody else has. */
typedef struct TsdbKeyConflict
{
	Relation	index;			/* NULL: there is none */
	uint32		row;			/* in order of arrival; none before it has a conflict */
	TsdbKeyState state;			/* taken or in doubt */
	TransactionId holder;		/* if it is in doubt: who holds the key, or wants to let go of it */
	uint32		token;			/* of a speculative insertion by the holder, or 0 */
} TsdbKeyConflict;

/* What was known of the chunks when they were looked into. */
typedef struct TsdbKeyMoment
{
	TsdbKeyNote note;
	bool		at_work;		/* its writer was running */
} TsdbKeyMoment;

/*
 * Check a batch that was written while it was held.  conflict has what was found in other
 * indexes before, or nothing; it is replaced by a conflict of an earlier row.  moment is set
 * before chunks are looked into; with placed, which says that the batch's own chunks are there since it was
 * set, they are only looked into if others have changed.
 */
extern void tsdb_batch_keys_check(TsdbBatch *batch, Relation table, Relation index,
								  bool placed, TsdbKeyMoment *moment,
								  TsdbKeyConflict *conflict);

#endif							/* TSDB_WORKER_BATCH_KEYS_H */
