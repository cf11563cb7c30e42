/*
 * batch.h
 *		Rows on their way into chunks: gather, sort, write.
 *
 * Rows are gathered in memory up to a bound, sorted by (shard, series key,
 * time, order of arrival), cut into chunks and written, with the moves and the
 * index entries that their new TIDs need; or as rows that are new, of which
 * nobody knows a TID yet, without either.
 */
#ifndef TSDB_WORKER_BATCH_H
#define TSDB_WORKER_BATCH_H

#include "store/storage.h"
#include "worker/batch_rows.h"

/* A batch ends at this many rows, or at maintenance_work_mem. */
#define TSDB_BATCH_ROWS		524288

typedef struct TsdbBatch TsdbBatch;

/* The storage is created at the first write if *storage is NULL. */
extern TsdbBatch *tsdb_batch_create(Relation rel, TsdbStorage **storage);

/* Add a row, which must stay where it is until the batch is written; its
 * t_self is where it came from. */
extern void tsdb_batch_add(TsdbBatch *batch, HeapTuple tuple);

/*
 * Use the batch for rows that are new, of a table without indexes: inserted by this
 * command, visible to all if frozen.  It keeps its memory: it may
 * outlive both relation and storage, and go on with others of the same table.  begin_new
 * empties it, too.
 */
extern void tsdb_batch_set_target(TsdbBatch *batch, Relation rel, TsdbStorage **storage,
								  CommandId command, bool frozen);
extern void tsdb_batch_begin_new(TsdbBatch *batch, Relation rel, TsdbStorage **storage,
								 CommandId command, bool frozen);

/*
 * A batch for new rows that are packed: it stays full when it is written, until tsdb_batch_clear(), so that it
 * can be written again to another target, or its rows can be had back.
 */
extern TsdbBatch *tsdb_batch_create_packed(Relation rel);

extern TsdbBatchRows *tsdb_batch_rows(TsdbBatch *batch);
extern void tsdb_batch_clear(TsdbBatch *batch);

/*
 * Have the next tsdb_batch_write() leave out rows that do not fill a chunk of their series, unless that is most of
 * them (worker/batch_rows.h); and clear the others.  Returns the memory that those left take.
 */
extern void tsdb_batch_leave_rest(TsdbBatch *batch);
extern Size tsdb_batch_clear_written(TsdbBatch *batch, Relation rel);

/* Set shards[n] (of TSDB_SHARDS_MAX) for each shard that rows belong to. */
extern void tsdb_batch_shards(TsdbBatch *batch, bool *shards);

extern bool tsdb_batch_full(TsdbBatch *batch);

/* Sort and write; level and run are those of the new chunks, which form a run of
 * their own with run 0.  Returns chunks written. */
extern int64 tsdb_batch_write(TsdbBatch *batch, int level, uint32 run, int64 *bytes);
extern void tsdb_batch_free(TsdbBatch *batch);

/*
 * Writing a packed batch in two steps: hold, which has tsdb_batch_write() keep directory tuples back, by
 * which the chunks are there for others; and place, which inserts them, until when storage has to stay open.
 */
extern void tsdb_batch_hold(TsdbBatch *batch);
extern void tsdb_batch_place(TsdbBatch *batch);

/* The rows of a batch that was written while it was held, in order; until it is cleared. */
typedef struct TsdbBatchOrder
{
	const TsdbSortKey *key;
	const TsdbBatchSeries *series;
	const TsdbBatchItem *items; /* in order of arrival */
	const uint32 *order;		/* numbers of items */
	const TsdbBatchRank *ranks;
	uint32		nranks;
	uint32		count;
	const uint32 *chunks;		/* that they were placed in, ascending */
	uint32		nchunks;
} TsdbBatchOrder;

/* For bsearch() in chunks. */
extern int	tsdb_batch_compare_chunks(const void *left, const void *right);

extern void tsdb_batch_order(const TsdbBatch *batch, TsdbBatchOrder *order);

#endif							/* TSDB_WORKER_BATCH_H */
