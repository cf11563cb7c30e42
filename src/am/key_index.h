/*
 * key_index.h
 *		Access method tsdb_key: indexes without entries of chunk rows.
 *
 * Such an index is a btree of the rows of the row store.  Rows in chunks have no
 * entries; they are found through the directory and the chunks' own key
 * columns (store/chunk_map.h, cache/key_cache.h).  Compaction thus takes rows
 * out of the index, and it stays as small as the row store is.
 *
 * Inserting a key into a unique index must see every row that is there, in
 * either place and on its way between.  The order is
 *
 *	 1. look into the chunks; wait for whoever is changing a row with that key
 *	 2. btree's own insertion with its check, which waits likewise
 *	 3. look into the chunks again, if they have changed since 1
 *
 * Of two insertions of one key, one does step 2 later.  Call its transaction B,
 * the other's A.  A's row has its entry before B's check.  If the row is still in
 * the row store then, the check finds it: live, or being changed or moved by
 * a transaction, for which it waits and checks again.  If it is not, it has
 * been deleted, which is no conflict, or a compaction has moved it and has
 * committed; that was before the end of step 2, so the chunk is seen by the
 * look that follows, or by that of step 1 if it was committed even before
 * that, as step 3 is left out only if nothing was committed in between
 * (chunk_map.h).  From then on the row may be moved from chunk to chunk: each
 * look goes on until it has looked at one state of the directory.
 *
 * Step 1 could be left out, but then we would wait in step 3 for others while
 * they wait for our entry.  What remains of that is a row that is inserted,
 * committed, compacted and being deleted again between our steps 1 and 3, by a
 * transaction that then inserts its key: one of the two gets a deadlock error.
 *
 * Loads add rows to chunks without an entry.  They look for others' entries when their chunks
 * are there (am/load_keys.h), and the map lists chunks of transactions that are running.  So of a load and
 * an insertion, either the load's look finds our entry, or its chunks were there when we came
 * to step 3, and the map tells that they have come since step 1.
 *
 * A scan with an MVCC snapshot needs no such care: the entries of rows that
 * were moved after the snapshot stay until no snapshot sees them, and the map is
 * read after the snapshot was taken.  A scan with a dirty snapshot, which
 * ON CONFLICT uses, reads the btree first and then the chunks, as in 2 and 3.
 *
 * Predicate locks are btree's: a new row with a key has to enter the btree at the
 * page where a reader has looked for it, and rows of chunks are locked when they
 * are fetched.
 */
#ifndef TSDB_AM_KEY_INDEX_H
#define TSDB_AM_KEY_INDEX_H

#include "access/amapi.h"
#include "access/genam.h"
#include "nodes/tidbitmap.h"
#include "utils/rel.h"

/* key_index_scan.c */
extern IndexScanDesc tsdb_key_begin_scan(Relation index, int nkeys, int norderbys);
extern void tsdb_key_rescan(IndexScanDesc scan, ScanKey keys, int nkeys,
							ScanKey orderbys, int norderbys);
extern bool tsdb_key_get_tuple(IndexScanDesc scan, ScanDirection direction);
extern int64 tsdb_key_get_bitmap(IndexScanDesc scan, TIDBitmap *bitmap);
extern void tsdb_key_end_scan(IndexScanDesc scan);

/* Raise the error that a row with this key is there. */
extern void tsdb_key_report_duplicate(Relation table, Relation index, Datum *values,
									  bool *nulls) pg_attribute_noreturn();

/* key_index_build.c */
extern struct IndexBuildResult *tsdb_key_build(Relation table, Relation index,
											   struct IndexInfo *info);

/* Cut off the pages of the table's indexes of this kind that are empty.  VACUUM
 * calls it last: a lock on the index is kept until the end of the transaction. */
extern void tsdb_key_index_shrink(Relation table);

/* A copy of the index's relcache entry that server code takes for a btree's,
 * with a cache of its own. */
extern Relation tsdb_key_shadow_open(Relation index);
extern void tsdb_key_shadow_close(Relation shadow);

#endif							/* TSDB_AM_KEY_INDEX_H */
