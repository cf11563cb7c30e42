/*
 * fetch.h
 *		Access to rows by TID: index scans, TID scans, row versions.
 */
#ifndef TSDB_AM_FETCH_H
#define TSDB_AM_FETCH_H

#include "access/heapam.h"
#include "access/tableam.h"
#include "am/row_slot.h"
#include "store/storage.h"

extern struct IndexFetchTableData *tsdb_index_fetch_begin(Relation rel);
extern void tsdb_index_fetch_reset(struct IndexFetchTableData *fetch);
extern void tsdb_index_fetch_end(struct IndexFetchTableData *fetch);
extern bool tsdb_index_fetch_tuple(struct IndexFetchTableData *fetch, ItemPointer tid,
								   Snapshot snapshot, TupleTableSlot *slot,
								   bool *call_again, bool *all_dead);

extern bool tsdb_tuple_fetch_row_version(Relation rel, ItemPointer tid,
										 Snapshot snapshot, TupleTableSlot *slot);
extern bool tsdb_tuple_tid_valid(TableScanDesc scan, ItemPointer tid);
extern void tsdb_tuple_get_latest_tid(TableScanDesc scan, ItemPointer tid);
extern bool tsdb_tuple_satisfies_snapshot(Relation rel, TupleTableSlot *slot,
										  Snapshot snapshot);
extern TransactionId tsdb_index_delete_tuples(Relation rel, TM_IndexDeleteOp *delstate);

/* Fetch a chunk row if the snapshot sees it.  slot may be NULL. */
extern bool tsdb_fetch_chunk_row(TsdbStorage *storage, ItemPointer tid,
								 Snapshot snapshot, TupleTableSlot *slot);

/* All rows of a chunk, whoever sees them; NULL if there is no such chunk.  Valid
 * until the next fetch. */
extern const TsdbRowSource *tsdb_fetch_rows(TsdbStorage *storage, uint32 chunk);

/*
 * Rows of a chunk that a scan must leave out, as tsdb_marks_hidden, and those
 * that our own transaction has changed in a chunk that replaced this one.
 */
extern uint8 *tsdb_fetch_hidden(TsdbStorage *storage, uint32 chunk, uint32 nrows,
								Snapshot snapshot);

/* Is there no row that tsdb_fetch_hidden would leave out, in any chunk?  What comes later, this MVCC
 * snapshot does not see. */
extern bool tsdb_fetch_hides_none(TsdbStorage *storage, Snapshot snapshot);

/*
 * Is this row, which is in a chunk now, visible to the snapshot, here or where
 * it came from?
 */
extern bool tsdb_fetch_is_visible(TsdbStorage *storage, ItemPointer tid, Snapshot snapshot);

/*
 * A snapshot older than a compaction sees the old copy of a moved row.  If our
 * own transaction has deleted or updated that row since, it did so through its
 * chunk, and the old copy does not show it: is the row in this slot such a one?
 */
extern bool tsdb_fetch_is_buried(TsdbStorage *storage, TupleTableSlot *slot,
								 Snapshot snapshot);

#endif							/* TSDB_AM_FETCH_H */
