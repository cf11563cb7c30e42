/*
 * batch_series.h
 *		The series that the rows of a batch belong to.
 *
 * Rows come with all series mixed, each of them again and again.  So each row is
 * looked up in a hash table of the series that came before it, by the bytes of its key, and
 * from then on its series is a small number: only the few different keys are hashed to shards and
 * compared by their types' operators, whose order becomes ranks, and rows are
 * dealt out by rank.
 *
 * Keys that their types call equal though their bytes differ (-0 and 0, two spellings
 * of a citext) are two series with one rank.
 */
#ifndef TSDB_WORKER_BATCH_SERIES_H
#define TSDB_WORKER_BATCH_SERIES_H

#include "chunk/chunk.h"

#define TSDB_BATCH_SERIES_NEW	PG_UINT32_MAX

/* One series. */
typedef struct TsdbBatchSeriesEntry
{
	uint32		hash;
	uint32		shard;
	uint32		rows;			/* that belong to it */
	uint32		rank;			/* set by tsdb_batch_series_rank() */
	int64		last_time;		/* of the row that came last */
} TsdbBatchSeriesEntry;

typedef struct TsdbBatchSeries TsdbBatchSeries;

/* In the current memory context, which it needs for as long as it lives. */
extern TsdbBatchSeries *tsdb_batch_series_create(TupleDesc tupdesc, const TsdbSortKey *key);
extern void tsdb_batch_series_clear(TsdbBatchSeries *series);

/* The series of a row, given all its columns, or TSDB_BATCH_SERIES_NEW; and the hash of its key. */
extern uint32 tsdb_batch_series_find(const TsdbBatchSeries *series, const Datum *values,
									 const bool *nulls, uint32 *hash);

/*
 * Add a series with that hash, of a key that find does not know: values and nulls of the
 * columns of the key only.  What they point to must stay until clear.
 */
extern uint32 tsdb_batch_series_add(TsdbBatchSeries *series, uint32 hash, uint32 shard,
									const Datum *values, const bool *nulls);

extern TsdbBatchSeriesEntry *tsdb_batch_series_entries(const TsdbBatchSeries *series,
													   uint32 *count);

/* The key of an entry: values and nulls of the columns of the key only. */
extern const Datum *tsdb_batch_series_key(const TsdbBatchSeries *series, uint32 entry,
										  const bool **nulls);

/* Set all ranks, from 0 on, by (shard, key); returns how many there are. */
extern uint32 tsdb_batch_series_rank(TsdbBatchSeries *series);

#endif							/* TSDB_WORKER_BATCH_SERIES_H */
