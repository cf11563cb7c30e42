/*
 * key_note.h
 *		What tells a session that the chunks of a table have changed.
 *
 * An index of access method tsdb_key has no entries of chunk rows: they are
 * found through the directory, of which every session keeps a map.  Whoever is
 * about to change the directory writes a note on the meta page of each such
 * index first: a counter goes up by one, and beside it stands the transaction.
 * There is one such writer at a time, since it holds ShareUpdateExclusiveLock on
 * the table.  So a map that was read when the counter was c, and no writer at
 * work, holds good
 *
 *	 while the counter is c, or
 *	 while the counter is c + 1 and the transaction beside it is running,
 *
 * and whoever finds the latter, and then again the latter, knows that nothing
 * was committed in between.  Reading the note costs a pin and a share lock of
 * one page.
 *
 * Loads (am/direct_load.h) add chunks of new rows beside that writer, and beside each other.  They
 * count in another counter, after they have added chunks and before they ask whether
 * somebody else has their keys: who reads the directory, having read the note, sees these chunks
 * or finds the counter changed.
 *
 * The note lies behind btree's own data of that page.  btree's redo writes the page
 * anew without the note, so a note means nothing on a standby, and its loss
 * in crash recovery only meets sessions that have no map yet; the map takes
 * care of a prepared transaction that was at work then.
 */
#ifndef TSDB_STORE_KEY_NOTE_H
#define TSDB_STORE_KEY_NOTE_H

#include "utils/rel.h"

#define TSDB_KEY_AM		"tsdb_key"

typedef struct TsdbKeyNote
{
	uint64		changes;		/* starts at random when the index is built */
	TransactionId writer;		/* the last one's top transaction, or invalid */
	uint64		loads;			/* how often one has added chunks */
} TsdbKeyNote;

/* Is this an index without entries of chunk rows? */
extern bool tsdb_key_index_is(Relation index);

/* Start a note, on an index that was just built. */
extern void tsdb_key_note_init(Relation index);

/* Note that this transaction is about to change the directory. */
extern void tsdb_key_note_write(Relation index);

/* Note that a load has added chunks. */
extern void tsdb_key_note_load(Relation index);

extern void tsdb_key_note_read(Relation index, TsdbKeyNote *note);

/* Has a transaction ended that is not our own? */
extern bool tsdb_key_writer_ended(TransactionId xid);

/*
 * Has nothing been committed that moves or takes away rows of chunks, between a note and a later one?
 * at_work says whether the first one's writer was running then.
 */
extern bool tsdb_key_note_is_quiet(const TsdbKeyNote *first, bool at_work,
								   const TsdbKeyNote *later);

#endif							/* TSDB_STORE_KEY_NOTE_H */
