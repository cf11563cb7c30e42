/*
 * chunk_rows.h
 *		The rows of one chunk that a scan is to return.
 *
 * What nodes that read columns share: a chunk is opened, its statistics are
 * asked, then the columns of conditions are read, and what is left are the rows
 * that pass.  Other columns are read when somebody wants them.
 */
#ifndef TSDB_EXEC_CHUNK_ROWS_H
#define TSDB_EXEC_CHUNK_ROWS_H

#include "access/relscan.h"
#include "cache/working_set.h"
#include "commands/explain.h"
#include "exec/chunk_filter.h"
#include "nodes/execnodes.h"
#include "store/directory.h"

/* What EXPLAIN ANALYZE shows. */
typedef enum TsdbScanCounter
{
	TSDB_COUNT_CHUNKS,			/* that the snapshot sees */
	TSDB_COUNT_PRUNED,			/* ruled out by their statistics */
	TSDB_COUNT_DECODED,			/* of which a column was read */
	TSDB_COUNT_FILTERED,		/* of which no row was left after the conditions */
	TSDB_COUNT_ROWS_FILTERED,	/* ruled out in the other chunks */
	TSDB_COUNT_ROW_STORE,		/* rows of the row store */
	TSDB_COUNT_HIT,				/* columns of chunks, found in shared memory */
	TSDB_COUNT_SPILLED,			/* found in the spill cache */
	TSDB_COUNT_READ,			/* not found */
	TSDB_SCAN_COUNTERS_SHOWN,
	TSDB_COUNT_CAME_TRUE = TSDB_SCAN_COUNTERS_SHOWN,	/* found since they were prefetched */
	TSDB_SCAN_COUNTERS
} TsdbScanCounter;

/* So many rows of a chunk are read faster one by one than by whole columns. */
#define TSDB_FEW_ROWS	2

/* What is the same for all chunks of a scan. */
typedef struct TsdbRowsScan
{
	Relation	rel;
	Snapshot	snapshot;
	TsdbStorage *storage;		/* NULL: no chunks */
	bool		all_seen;		/* the snapshot sees all rows of the chunks it sees */
	int			ncolumns;
	AttrNumber *columns;		/* that may be read, in order */
	TsdbChunkFilter *filter;
	uint64		counts[TSDB_SCAN_COUNTERS];
	TsdbWorkingSetUse use;		/* points to some of them */

	/* for the log of accesses (exec/scan_access.h) */
	bool		recorded;		/* what the scan asks for will be written */
	int			records;		/* that were, of scans before a rescan */
	bool	   *asked;			/* columns of the table that were read */
	uint64		before[TSDB_SCAN_COUNTERS]; /* counts when it began */
} TsdbRowsScan;

/* A chunk at hand. */
typedef struct TsdbChunkRows
{
	TsdbRowsScan *scan;
	MemoryContext memory;		/* of what is read */
	bool		open;
	TsdbChunkHandle handle;
	const TsdbChunkSummary *summary;
	TsdbChunkReader *reader;	/* NULL until a column is needed */
	const TsdbColumn **values;	/* of scan->columns[]; NULL until it is needed */
	bool	   *packed;			/* which of them were asked for packed */
	bool		all_read;		/* none of them is NULL */
	bool	   *expected;		/* which of them will be read, it seems */
	uint32		nrows;
	uint32		npass;
	bool		all_pass;		/* and pass is not set */
	uint8		pass[TSDB_CHUNK_ROWS];
} TsdbChunkRows;

/* Take the columns that a plan lists, and its clauses for the filter. */
extern void tsdb_rows_scan_init(TsdbRowsScan *scan, ScanState *node, List *columns, List *clauses);

/* Begin, or begin again. */
extern void tsdb_rows_scan_begin(TsdbRowsScan *scan, ScanState *node, TableScanDesc table);

/* Where a column is in scan->columns. */
extern int	tsdb_rows_scan_place(const TsdbRowsScan *scan, AttrNumber attno);

/* In the current context.  With reused, for chunk after chunk, and it may keep some memory. */
extern void tsdb_chunk_rows_init(TsdbChunkRows *rows, TsdbRowsScan *scan, bool reused);

/* Open the chunk of view->entries[i], unless no row of it can match.  The view stays the caller's. */
extern bool tsdb_chunk_rows_open(TsdbChunkRows *rows, TsdbDirectoryView *view, int i);

/*
 * This chunk will be opened next, and then that one (or NULL): have the processor fetch what columns as
 * those that were read of the chunk at hand are found by.
 */
extern void tsdb_chunk_rows_expect(TsdbChunkRows *rows, const TsdbChunkEntry *next,
								   const TsdbChunkEntry *then);

/* Open a chunk for who knows which of its rows to read. */
extern void tsdb_chunk_rows_open_known(TsdbChunkRows *rows, TsdbChunkEntry *entry,
									   const TsdbChunkSummary *summary);

/* Column scan->columns[i]. */
extern const TsdbColumn *tsdb_chunk_rows_column(TsdbChunkRows *rows, int i);

/* The same for who asks of this column, from now on, for rows [from, to) only. */
extern const TsdbColumn *tsdb_chunk_rows_column_part(TsdbChunkRows *rows, int i, uint32 from,
													 uint32 to);

/* The same as the working set keeps it, packed, for who can do with that; NULL if it does not. */
extern const TsdbColumn *tsdb_chunk_rows_packed(TsdbChunkRows *rows, int i);

/* The reader of the chunk. */
extern TsdbChunkReader *tsdb_chunk_rows_reader(TsdbChunkRows *rows);

extern void tsdb_chunk_rows_close(TsdbChunkRows *rows);

/* Every column of the scan's slot is null until it is shown. */
extern void tsdb_chunk_rows_clear_slot(const TsdbRowsScan *scan, TupleTableSlot *slot);

/* Put column scan->columns[i] of a row, which has been read, into the slot, which then has to
 * be stored. */
static inline void
tsdb_chunk_rows_show_column(const TsdbChunkRows *rows, TupleTableSlot *slot, int i, uint32 row)
{
	const TsdbColumn *column = rows->values[i];
	AttrNumber	attno = rows->scan->columns[i];

	slot->tts_values[attno - 1] = column->values[row];
	slot->tts_isnull[attno - 1] = column->nulls[row];
}

/* Store what was put into the slot as that row of a chunk, by its number. */
extern TupleTableSlot *tsdb_chunk_rows_store(const TsdbChunkRows *rows, TupleTableSlot *slot,
											 uint32 chunk, uint32 row);

/* Show all columns that are read; the others are null since the slot was cleared.  With few, not
 * more is decoded than what a row or two need. */
extern TupleTableSlot *tsdb_chunk_rows_show(TsdbChunkRows *rows, TupleTableSlot *slot,
											uint32 row, bool few);

/* For EXPLAIN: a column as SQL names it, and as ORDER BY does; palloc'd. */
extern char *tsdb_rows_scan_column_text(const TsdbRowsScan *scan, AttrNumber attno);
extern char *tsdb_rows_scan_order_text(const TsdbRowsScan *scan, AttrNumber attno,
									   bool descending, bool nulls_first);

/* EXPLAIN: the filter, and what was counted. */
extern void tsdb_rows_scan_explain(const TsdbRowsScan *scan, ScanState *node, List *clauses,
								   List *ancestors, ExplainState *es);

#endif							/* TSDB_EXEC_CHUNK_ROWS_H */
