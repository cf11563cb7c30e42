/*
 * scan.h
 *		Scans of a tsdb table: sequential, parallel, sample, bitmap, ANALYZE.
 *
 * A scan is heap's own scan of the row store, followed by the chunks that the
 * same snapshot sees.  Since a compaction deletes the old copies and inserts
 * the directory tuple in one transaction, each snapshot sees every row in
 * exactly one of the stores, in whatever order it looks.
 */
#ifndef TSDB_AM_SCAN_H
#define TSDB_AM_SCAN_H

#include "access/relscan.h"
#include "access/tableam.h"
#include "am/row_slot.h"
#include "store/directory_view.h"

/* The chunk that a scan stands on. */
typedef struct TsdbChunkCursor
{
	MemoryContext memory;		/* reset for every chunk */
	TsdbChunkHandle handle;
	TsdbRowSource rows;
	uint8	   *hidden;			/* rows that the snapshot does not see, or NULL */
	bool		marked;			/* for SnapshotDirty: has the chunk any mark? */
	bool		open;
	int64		row;			/* where the scan stands */
} TsdbChunkCursor;

/* Which part of the table a sequential scan stands in. */
typedef enum TsdbScanPart
{
	TSDB_SCAN_ROW_STORE,
	TSDB_SCAN_CHUNKS
} TsdbScanPart;

typedef struct TsdbScanDesc
{
	TableScanDescData rs_base;
	TableScanDesc heap;			/* heap's scan of the row store */
	TsdbStorage *storage;		/* NULL: no chunks */
	TsdbScanPart part;
	Snapshot	latest;			/* for SnapshotDirty: what the directory is read with */
	bool		check_moved;	/* this transaction buried rows, see fetch.h */

	/* the page of the directory at hand */
	MemoryContext page_memory;
	BlockNumber directory_blocks;
	int64		block;			/* -1 before the first */
	TsdbChunkWanted *wanted;	/* chunks that cannot have it are passed over; or NULL */
	TsdbDirectoryView view;		/* of that page */
	int			entry;			/* of the view */
	TsdbChunkEntry *fetched;	/* bitmap scans: of the chunk at hand */
	TsdbChunkCursor cursor;

	/* bitmap scans: offsets of the block at hand */
	bool		bitmap_in_chunk;
	int			bitmap_count;
	int			bitmap_next;
	uint32		bitmap_rows[256];

	/* ANALYZE and TABLESAMPLE: chunks by ordinal, see sample.c */
	struct TsdbSample *sample;
} TsdbScanDesc;

/* Shared state of a parallel sequential scan. */
typedef struct TsdbParallelScan
{
	ParallelBlockTableScanDescData heap;	/* must be first */
	pg_atomic_uint64 next_slice;	/* of the directory, see scan.c */
} TsdbParallelScan;

extern TableScanDesc tsdb_scan_begin(Relation rel, Snapshot snapshot, int nkeys,
									 struct ScanKeyData *keys,
									 ParallelTableScanDesc parallel, uint32 flags);
extern void tsdb_scan_end(TableScanDesc scan);
extern void tsdb_scan_rescan(TableScanDesc scan, struct ScanKeyData *keys,
							 bool set_params, bool allow_strat, bool allow_sync,
							 bool allow_pagemode);
extern bool tsdb_scan_getnextslot(TableScanDesc scan, ScanDirection direction,
								  TupleTableSlot *slot);

/* The chunk that will come after the one returned last, if that is known: for who can prepare. */
extern const TsdbChunkEntry *tsdb_scan_coming_chunk(TableScanDesc base);

/*
 * For who reads columns himself: first the rows of the row store, to their end,
 * then one chunk after the other, but for some that cannot have what is wanted (which may
 * be NULL), whose number is added to *passed.  The entry is valid until the next call, as is its summary.
 */
extern bool tsdb_scan_next_row_store_row(TableScanDesc scan, TupleTableSlot *slot);
extern TsdbChunkEntry *tsdb_scan_next_chunk(TableScanDesc scan, TsdbChunkWanted *wanted,
											uint64 *passed);
extern const TsdbChunkSummary *tsdb_scan_summary(TableScanDesc scan);
extern void *tsdb_scan_memory(TableScanDesc scan, TsdbMemoryKind kind); /* as tsdb_directory_view_memory */
extern const TsdbChunkGist *tsdb_scan_gist(TableScanDesc scan);	/* as tsdb_directory_view_gist */
extern TsdbDirectoryView *tsdb_scan_view(TableScanDesc scan, int *place);	/* that has the entry there */
extern TsdbStorage *tsdb_scan_storage(TableScanDesc scan);

extern Size tsdb_parallelscan_estimate(Relation rel);
extern Size tsdb_parallelscan_initialize(Relation rel, ParallelTableScanDesc pscan);
extern void tsdb_parallelscan_reinitialize(Relation rel, ParallelTableScanDesc pscan);

extern bool tsdb_scan_bitmap_next_block(TableScanDesc scan,
										struct TBMIterateResult *result);
extern bool tsdb_scan_bitmap_next_tuple(TableScanDesc scan,
										struct TBMIterateResult *result,
										TupleTableSlot *slot);

/* Open the chunk of an entry (closing the one before). */
extern void tsdb_cursor_open(TsdbChunkCursor *cursor, TsdbStorage *storage,
							 TupleDesc tupdesc, TsdbChunkEntry *entry, Snapshot snapshot);

/* The same for a statement that reads; false if the chunk is damaged and to be
 * passed over, see salvage.h. */
extern bool tsdb_cursor_try_open(TsdbChunkCursor *cursor, TsdbStorage *storage,
								 TupleDesc tupdesc, TsdbChunkEntry *entry,
								 Snapshot snapshot, bool skip);
extern void tsdb_cursor_close(TsdbChunkCursor *cursor);

#endif							/* TSDB_AM_SCAN_H */
