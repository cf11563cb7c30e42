/*
 * seek_run.h
 *		Where a seek scan has rows from, and which of them comes next.
 *
 * What has rows to give is a run: an open chunk, or rows of the row store.  A run's first row is looked
 * for when it starts, the others are sorted when a second one is wanted.  Open chunks take memory up to a budget:
 * beyond that, those that were not used for longest are put aside with what their next row is sorted by.
 *
 * For seek_scan.c only.
 */
#ifndef TSDB_EXEC_SEEK_RUN_H
#define TSDB_EXEC_SEEK_RUN_H

#include "access/relscan.h"
#include "exec/chunk_list.h"
#include "exec/chunk_rows.h"
#include "exec/chunk_wanted.h"
#include "exec/seek_scan.h"
#include "exec/stored_rows.h"
#include "lib/binaryheap.h"
#include "lib/ilist.h"
#include "utils/sortsupport.h"

/* What is read of a run. */
typedef struct TsdbSeekOpened
{
	TsdbChunkRows rows;			/* of the row store: values[] only */
	TsdbDirectoryView view;
	uint32		allocated;
	uint32	   *order;			/* row numbers */
	struct TsdbSeekOpened *free;		/* the next one that is not in use */
} TsdbSeekOpened;

typedef struct TsdbSeekRun
{
	TsdbSeekOpened	   *opened;			/* NULL: put aside */
	Datum	   *keys;			/* then, what its next row is sorted by */
	bool	   *nulls;
	TsdbListedChunk chunk;
	bool		stored;			/* rows of the row store */
	bool		part;			/* rows first_row to end_row of the chunk, in order of time */
	bool		unread;			/* of these, nothing but the first one was read; it has this key: */
	Datum		first_key;
	uint32		count;
	uint32		next;
	bool		sorted;			/* and not only that the first is the first */
	Size		bytes;			/* that it takes */
	dlist_node	recency;		/* in open, if it is an opened chunk */
	struct TsdbSeekRun *free;			/* the next one that is not in use */
} TsdbSeekRun;

typedef struct TsdbSeekScan
{
	CustomScanState css;		/* must be first */
	TsdbSeekPlan plan;
	TsdbRowsScan by_columns;
	TableScanDesc scan;			/* NULL before the first row */
	bool		by_rows;		/* all rows of the table are in stored */
	bool		ready;			/* began, or began again */
	bool		seeks;			/* one value of the seek column */
	bool		remembers;		/* rows */
	TsdbScanWanted wanted;
	MemoryContext memory;		/* of what lives as long as the node */
	TsdbKeyColumn seek;			/* as plan.seek says */
	TsdbKeyColumn order;		/* the first of plan.order */
	int			nkeys;
	int		   *places;			/* of the columns to sort by, in by_columns.columns */
	SortSupport keys;
	bool		exact;			/* rows of equal rank are equal in order */

	TsdbStoredRows *stored;		/* of the row store, or all if by_rows; gathered once */
	TsdbChunkList *list;		/* made once, as a rule */
	TsdbListedChunk *chunks;	/* to be opened, in order */
	int			nchunks;
	int			next_chunk;
	MemoryContext found_memory; /* of chunks[] that were sought */
	binaryheap *runs;			/* if there is an order */
	TsdbSeekRun		   *run;			/* else the only one, or NULL */
	TsdbSeekRun		   *free;
	TsdbSeekOpened	   *free_opened;
	dlist_head	open;			/* runs that are opened chunks, last used first */
	Size		bytes;			/* that these take */

	TsdbStoredRows *past;		/* what was returned, if the scan may go back; or NULL */
	uint32		position;		/* 0: before the first row, 1: on it … */
} TsdbSeekScan;

/* What the next row of a run is sorted by. */
extern Datum tsdb_seek_run_key(const TsdbSeekScan *state, const TsdbSeekRun *run, int i,
							   bool *is_null);

/* Of two runs, as a binary heap wants it: the one that comes first is the greatest; arg is the scan. */
extern int	tsdb_seek_runs_compare(Datum a, Datum b, void *arg);

/* Bring a run's first row to the front; sort the rows after it. */
extern void tsdb_seek_run_find_first(TsdbSeekScan *state, TsdbSeekRun *run);
extern void tsdb_seek_run_sort(TsdbSeekScan *state, TsdbSeekRun *run);

/* A new run, which is open; what one that was put aside needs to be so again. */
extern TsdbSeekRun *tsdb_seek_run_get(TsdbSeekScan *state);
extern TsdbSeekOpened *tsdb_seek_run_open(TsdbSeekScan *state);
extern void tsdb_seek_run_forget_keys(TsdbSeekScan *state, TsdbSeekRun *run);
extern void tsdb_seek_run_free(TsdbSeekScan *state, TsdbSeekRun *run);

/* Let a run take part, if it has rows. */
extern void tsdb_seek_run_start(TsdbSeekScan *state, TsdbSeekRun *run);

/* Have room for so many row numbers. */
extern void tsdb_seek_run_reserve(TsdbSeekScan *state, TsdbSeekOpened *opened, uint32 count);

/* The chunk of a run was used; put aside what has not been used for longest, but for what was used last. */
extern void tsdb_seek_run_use(TsdbSeekScan *state, TsdbSeekRun *run);
extern void tsdb_seek_runs_keep_to_budget(TsdbSeekScan *state);

#endif							/* TSDB_EXEC_SEEK_RUN_H */
