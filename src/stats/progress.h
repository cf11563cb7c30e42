/*
 * progress.h
 *		What each running compaction is doing, for tsdb.progress_compaction.
 *
 * The process that compacts writes, anybody reads.  Every call is cheap, never
 * fails, and does nothing when the library was not preloaded or when more than
 * TSDB_PROGRESS_SLOTS compactions run at once.
 */
#ifndef TSDB_STATS_PROGRESS_H
#define TSDB_STATS_PROGRESS_H

#define TSDB_PROGRESS_SLOTS 64

typedef enum TsdbProgressPhase
{
	TSDB_PROGRESS_SCANNING,		/* reading the row store or chunks to merge */
	TSDB_PROGRESS_SORTING,
	TSDB_PROGRESS_ENCODING,
	TSDB_PROGRESS_INDEXING,		/* index entries of the rows' new TIDs */
	TSDB_PROGRESS_COMMITTING,
	TSDB_PROGRESS_VACUUMING,
	TSDB_PROGRESS_SLEEPING,		/* the rate limit; no lock is held */
	TSDB_PROGRESS_VERIFYING		/* tsdb.verify() */
} TsdbProgressPhase;

/* Asks for shared memory; to be called by _PG_init. */
extern void tsdb_progress_init(void);

/*
 * Says that this process starts to compact a table of its database.  Calls
 * nest: a begin within a begin changes nothing until its end, so a worker
 * brackets all batches of a table, and each batch brackets itself.  An abort of
 * the (sub)transaction in which the outermost begin was called ends it;
 * outside of a transaction any abort does.
 */
extern void tsdb_progress_begin(Oid relid);
extern void tsdb_progress_end(void);

extern void tsdb_progress_phase(TsdbProgressPhase phase);

/* An estimate of the rows to be done from begin to end; 0 if unknown. */
extern void tsdb_progress_total(int64 rows);

/* Adds rows and chunks that are done since the last call. */
extern void tsdb_progress_add(int64 rows, int64 chunks);

#endif							/* TSDB_STATS_PROGRESS_H */
