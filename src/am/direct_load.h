/*
 * direct_load.h
 *		Many new rows of one statement: to chunks, past the row store.
 *
 * COPY FROM, INSERT ... SELECT, INSERT of many rows and CREATE TABLE AS hand
 * their rows over one by one or a thousand at a time.  They are gathered in
 * memory, and written as a compaction would: sorted, cut into chunks, encoded
 * (worker/batch.h).  If there are fewer than tsdb.direct_load_rows when they have to
 * be written, they go to the row store, all at once: chunks of few rows help nobody.
 * (If it is memory that runs out, rows that fill a chunk will do.)
 *
 * A gathered row has no TID.  So a statement goes this way only if nobody asks for
 * one: no index but those without entries of chunk rows (am/load_keys.h), no AFTER ROW trigger (and hence no foreign key), no RETURNING, no
 * ON CONFLICT, no check option of a view, no row that an UPDATE or MERGE moves here.
 * All else goes to the row store, as do rows over a megabyte, tables that are
 * logged logically (chunks are not decoded), user catalog tables, rewrites, and
 * SERIALIZABLE transactions: whoever does not find our directory yet could not be
 * told that he reads before we write.
 *
 * When are gathered rows written?  To SQL a row is there once its command has
 * inserted it: for all that has a snapshot with a later command number.  They
 * are written
 *
 *	 when they take more than tsdb.direct_load_memory, all loads together
 *	 when the query has run, before AFTER triggers fire, and when COPY ends
 *	 before anything of this session reads the table whose snapshot could see
 *		them: a trigger, or a function in the statement.  All reading goes by
 *		tsdb_storage_open(), which asks here first
 *	 before a parallel query begins, for workers cannot ask, and before a
 *		(sub)transaction commits, should something still be there
 *
 * Directory tuples carry the command number of the statement that inserted the
 * rows, so that visibility to cursors and functions is that of heap tuples, and rollback
 * is heap's.  But if rows have to be written because of a reader in a
 * subtransaction that began after they were gathered (an exception block of a function,
 * say), they carry its transaction id, and would go with it.  So they are
 * kept in memory until it ends: if it is rolled back they are to be written again.
 *
 * Several loads of one table run at once, beside compaction, VACUUM and
 * verification, which their lock of the table does not keep away.  Why that is right:
 *
 *	 directory	heap's insertion.  Recycling sets line pointers free that were dead
 *				when it listed them; an insertion uses free ones only.
 *	 shards		VACUUM cuts their ends only if nobody holds the lock that who adds pieces
 *				takes (tsdb_storage_open_to_add).  Moving pieces to the front, and deleting ones that belong
 *				to nobody, leaves pieces of transactions alone that ran when the
 *				directory was read.  Verification compares what one snapshot sees.
 *	 making		the storage, or a shard, is for one transaction at a time, under a
 *				lock (tsdb_storage_lock_growth).  A worker makes what is missing, and
 *				commits it at once (worker/grow.h).  If it cannot, a load does so itself,
 *				or, if somebody else does or rows have unique keys, puts its rows into the row store.
 *	 key_note	counts loads, beside the one writer that moves chunks, and the map of
 *				chunks lists chunks of all who are at work.  Who builds an index waits for all who
 *				began before it was there, and loads wait until it is valid.
 *	 moves		of a chunk's rows are not recorded: they come from nowhere.
 */
#ifndef TSDB_AM_DIRECT_LOAD_H
#define TSDB_AM_DIRECT_LOAD_H

#include "access/tableam.h"
#include "access/xact.h"
#include "executor/execdesc.h"

#define TSDB_DIRECT_LOAD_ROWS_DEFAULT	10000
#define TSDB_DIRECT_LOAD_ROWS_MIN		0	/* never */
#define TSDB_DIRECT_LOAD_ROWS_MAX		INT_MAX

/* kilobytes */
#define TSDB_DIRECT_LOAD_MEMORY_DEFAULT	(64 * 1024)
#define TSDB_DIRECT_LOAD_MEMORY_MIN		1024
#define TSDB_DIRECT_LOAD_MEMORY_MAX		MAX_KILOBYTES

extern int	tsdb_direct_load_rows;	/* settings */
extern int	tsdb_direct_load_memory;

/* When the library is loaded. */
extern void tsdb_direct_load_init(void);

/* Whose rows a callback is given. */
typedef enum TsdbLoadSource
{
	TSDB_LOAD_ROWS,				/* single ones, of any statement */
	TSDB_LOAD_BULK,				/* of a bulk load, as the server says */
	TSDB_LOAD_RING				/* of many clients, by ingest/row_writer.h: who writes these must not wait for
								 * others without a limit, as who checks keys may have to */
} TsdbLoadSource;

/*
 * Gather the rows that a callback was given, with its arguments.  False if they are for the row
 * store.
 */
extern bool tsdb_direct_load_take(Relation rel, TupleTableSlot **slots, int nslots,
								  CommandId command, int options, TsdbLoadSource source);

/*
 * What slots for rows of a table are.  COPY asks for those of the rows that it reads,
 * and all that it wants of them is to stay until it has a thousand: nobody need form tuples of them if
 * they are going to be gathered.  As soon as COPY has run anything else, a trigger's query
 * say, slots are heap's, since they may be meant to be scanned into.
 */
extern const TupleTableSlotOps *tsdb_direct_load_slot_callbacks(Relation rel);

/* Have them be heap's until the next COPY, since an index is about to look at rows of the table. */
extern void tsdb_direct_load_want_tuples(void);

/* The executor has come to the indexes with a row that was gathered. */
extern void tsdb_direct_load_note_line(Relation rel, ItemPointer tid);

/* Loads that begin between these two calls end with the second. */
extern uint64 tsdb_direct_load_begin_statement(void);
extern void tsdb_direct_load_end_statement(uint64 mark);

/* A query is about to begin. */
extern void tsdb_direct_load_before_query(const QueryDesc *query);

/* Before a transaction commits or is prepared; when it has ended. */
extern void tsdb_direct_load_before_commit(void);
extern void tsdb_direct_load_at_xact_end(void);

#endif							/* TSDB_AM_DIRECT_LOAD_H */
