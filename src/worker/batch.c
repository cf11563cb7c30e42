/*
 * batch.c
 *		Rows on their way into chunks: gather, sort, write.
 */
#include "postgres.h"

#include "worker/batch.h"

#include "common/pg_prng.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "stats/progress.h"
#include "stats/stop_point.h"
#include "store/chunk_tid.h"
#include "store/directory.h"
#include "store/moves.h"
#include "store/table_cold.h"
#include "utils/memutils.h"
#include "worker/batch_index.h"
#include "worker/batch_slice.h"
#include "worker/pace.h"

/* From this many rows on, a chunk ends where a series ends, unless it takes all that is left of few. */
#define CHUNK_ROWS_AT_BOUNDARY	(TSDB_CHUNK_ROWS * 3 / 4)

/* How far ahead rows are fetched into the cache, and how much of each. */
#define PREFETCH_ROWS		8
#define PREFETCH_LINES_MAX	4

/* Rows turned into columns at a time: they stay in the cache for all columns. */
#define PENDING_ROWS		32

struct TsdbBatch
{
	MemoryContext memory;		/* of the batch itself */
	MemoryContext chunk_memory;	/* of writing one chunk */
	MemoryContext index_memory;	/* of one row's index entries */
	MemoryContext held_memory;	/* of what is kept while it is held; NULL if it never was */
	Relation	rel;
	TsdbStorage **storage;
	TsdbColdRule cold;
	TsdbBatchRows rows;
	TsdbChunkWriter *writer;	/* NULL until there is a target */
	TsdbBatchIndexes indexes;
	bool		is_new;			/* not moved from elsewhere */
	bool		leaves_rest;	/* rows that do not fill a chunk of their series */
	bool		held;			/* directory tuples are kept back */
	HeapTuple  *tuples;			/* these */
	uint32	   *chunks;			/* numbers of those that were placed */
	uint32		ntuples;
	uint32		tuples_allocated;
	uint32		nchunks;
	bool		frozen;
	CommandId	command;		/* that inserts them; InvalidCommandId: the current one */
	ItemPointerData origins[TSDB_CHUNK_ROWS];
};

/* A batch in a memory context of its own, without what depends on the rows. */
static TsdbBatch *
create_batch(Relation rel, bool packed)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb batch",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(memory);
	TsdbBatch  *batch = palloc0(sizeof(TsdbBatch));

	batch->memory = memory;
	batch->chunk_memory = AllocSetContextCreate(memory, "tsdb batch chunk",
												ALLOCSET_DEFAULT_SIZES);
	batch->index_memory = AllocSetContextCreate(memory, "tsdb batch index entries",
												ALLOCSET_DEFAULT_SIZES);
	batch->rel = rel;
	batch->command = InvalidCommandId;
	tsdb_batch_rows_init(&batch->rows, rel, packed);
	tsdb_table_cold_rule(rel, &batch->rows.key, &batch->cold);
	MemoryContextSwitchTo(old);
	return batch;
}

TsdbBatch *
tsdb_batch_create(Relation rel, TsdbStorage **storage)
{
	TsdbBatch  *batch = create_batch(rel, false);
	MemoryContext old = MemoryContextSwitchTo(batch->memory);

	batch->storage = storage;
	batch->writer = tsdb_chunk_writer_create(RelationGetDescr(rel), &batch->rows.key);
	tsdb_batch_indexes_open(&batch->indexes, rel);
	MemoryContextSwitchTo(old);
	return batch;
}

TsdbBatch *
tsdb_batch_create_packed(Relation rel)
{
	return create_batch(rel, true);
}

TsdbBatchRows *
tsdb_batch_rows(TsdbBatch *batch)
{
	return &batch->rows;
}

void
tsdb_batch_free(TsdbBatch *batch)
{
	tsdb_chunk_writer_free(batch->writer);
	tsdb_batch_indexes_close(&batch->indexes);
	MemoryContextDelete(batch->memory);
}

/* The tuple is in memory that is kept until the batch is cleared. */
static void
hold_tuple(TsdbBatch *batch, HeapTuple tuple)
{
	MemoryContext old = MemoryContextSwitchTo(batch->held_memory);

	if (batch->ntuples == batch->tuples_allocated)
	{
		batch->tuples_allocated = Max(batch->tuples_allocated * 2, 64);
		batch->tuples = batch->tuples == NULL ?
			palloc(batch->tuples_allocated * sizeof(HeapTuple)) :
			repalloc_huge(batch->tuples, batch->tuples_allocated * sizeof(HeapTuple));
	}
	batch->tuples[batch->ntuples++] = heap_copytuple(tuple);
	MemoryContextSwitchTo(old);
}

int
tsdb_batch_compare_chunks(const void *left, const void *right)
{
	uint32		a = *(const uint32 *) left;
	uint32		b = *(const uint32 *) right;

	return a < b ? -1 : a > b;
}

static void
forget_held(TsdbBatch *batch)
{
	batch->held = false;
	batch->ntuples = batch->tuples_allocated = batch->nchunks = 0;
	batch->tuples = NULL;
	batch->chunks = NULL;
	if (batch->held_memory != NULL)
		MemoryContextReset(batch->held_memory);
}

void
tsdb_batch_hold(TsdbBatch *batch)
{
	Assert(batch->rows.layout != NULL);
	forget_held(batch);
	if (batch->held_memory == NULL)
		batch->held_memory = AllocSetContextCreate(batch->memory, "tsdb batch held",
												   ALLOCSET_DEFAULT_SIZES);
	batch->held = true;
}

void
tsdb_batch_place(TsdbBatch *batch)
{
	const TsdbNewChunk new_chunk = {.command = batch->command,.frozen = batch->frozen};

	batch->chunks = MemoryContextAlloc(batch->held_memory,
									   Max(batch->ntuples, 1) * sizeof(uint32));
	for (uint32 i = 0; i < batch->ntuples; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(batch->chunk_memory);

		batch->chunks[batch->nchunks++] = tsdb_directory_place(*batch->storage,
															   batch->tuples[i], &new_chunk);
		MemoryContextSwitchTo(old);
		MemoryContextReset(batch->chunk_memory);
	}
	qsort(batch->chunks, batch->nchunks, sizeof(uint32), tsdb_batch_compare_chunks);
}

void
tsdb_batch_order(const TsdbBatch *batch, TsdbBatchOrder *order)
{
	const TsdbBatchRows *rows = &batch->rows;

	*order = (TsdbBatchOrder)
	{
		.key = &rows->key,.series = rows->series,.items = rows->items,
		.order = rows->order,.ranks = rows->ranks,.nranks = rows->nranks,.count = rows->nordered,
		.chunks = batch->chunks,.nchunks = batch->nchunks
	};
}

void
tsdb_batch_clear(TsdbBatch *batch)
{
	forget_held(batch);
	tsdb_batch_rows_clear(&batch->rows);
}

Size
tsdb_batch_clear_written(TsdbBatch *batch, Relation rel)
{
	forget_held(batch);
	return tsdb_batch_rows_clear_ordered(&batch->rows, RelationGetDescr(rel));
}

void
tsdb_batch_leave_rest(TsdbBatch *batch)
{
	Assert(batch->rows.layout != NULL);
	batch->leaves_rest = true;
}

void
tsdb_batch_set_target(TsdbBatch *batch, Relation rel, TsdbStorage **storage,
					  CommandId command, bool frozen)
{
	Assert(batch->indexes.count == 0);
	batch->rel = rel;
	batch->storage = storage;
	if (batch->writer == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(batch->memory);

		batch->writer = tsdb_chunk_writer_create(RelationGetDescr(rel), &batch->rows.key);
		MemoryContextSwitchTo(old);
	}
	tsdb_chunk_writer_reset(batch->writer);
	MemoryContextReset(batch->chunk_memory);
	batch->is_new = true;
	batch->leaves_rest = false;
	batch->command = command;
	batch->frozen = frozen;
}

void
tsdb_batch_begin_new(TsdbBatch *batch, Relation rel, TsdbStorage **storage,
					 CommandId command, bool frozen)
{
	tsdb_batch_clear(batch);
	tsdb_batch_set_target(batch, rel, storage, command, frozen);
}

void
tsdb_batch_shards(TsdbBatch *batch, bool *shards)
{
	uint32		count;
	const TsdbBatchSeriesEntry *entries = tsdb_batch_series_entries(batch->rows.series, &count);

	memset(shards, 0, TSDB_SHARDS_MAX * sizeof(bool));
	for (uint32 i = 0; i < count; i++)
		shards[entries[i].shard] = true;
}

bool
tsdb_batch_full(TsdbBatch *batch)
{
	return batch->rows.count >= TSDB_BATCH_ROWS ||
		batch->rows.bytes >= (Size) maintenance_work_mem * 1024;
}

void
tsdb_batch_add(TsdbBatch *batch, HeapTuple tuple)
{
	tsdb_batch_rows_add(&batch->rows, RelationGetDescr(batch->rel), tuple);
}

/* ---- writing ---- */

/* Enter the rows of a new chunk into all indexes, under their new TIDs. */
static void
insert_index_entries(TsdbBatch *batch, uint32 chunk, const uint32 *first, uint32 nrows)
{
	TsdbBatchIndexes *indexes = &batch->indexes;
	TupleTableSlot *slot = indexes->slot;
	MemoryContext old;

	if (indexes->count == 0)
		return;
	tsdb_progress_phase(TSDB_PROGRESS_INDEXING);
	old = MemoryContextSwitchTo(batch->index_memory);
	for (uint32 row = 0; row < nrows; row++)
	{
		ResetPerTupleExprContext(indexes->estate);
		MemoryContextReset(batch->index_memory);
		ExecClearTuple(slot);
		tsdb_batch_rows_read(&batch->rows, RelationGetDescr(batch->rel), first[row],
							 slot->tts_values, slot->tts_isnull);
		ExecStoreVirtualTuple(slot);
		tsdb_tid_set(&slot->tts_tid, chunk, row);
		slot->tts_tableOid = RelationGetRelid(batch->rel);

		tsdb_batch_indexes_insert(indexes, batch->rel);
		if (row % 64 == 0)
			CHECK_FOR_INTERRUPTS();
	}
	ExecClearTuple(slot);
	MemoryContextSwitchTo(old);
}

/* Write what the writer holds as one chunk: the rows whose places are from first on. */
static void
write_chunk(TsdbBatch *batch, const uint32 *first, uint32 shard, uint32 nsegments, int level,
			uint32 run, int64 *bytes)
{
	uint32		nrows = tsdb_chunk_writer_rows(batch->writer);
	const TsdbChunkImage *image = tsdb_chunk_writer_finish(batch->writer, batch->cold.before);
	TsdbNewChunk new_chunk = {
		.shard = shard,
		.nshards = tsdb_series_hash_is_exact(RelationGetDescr(batch->rel), &batch->rows.key) ?
			batch->rows.nshards : 1,
		.level = level,.run = run,.nsegments = nsegments,
		.command = batch->command,.frozen = batch->frozen
	};
	MemoryContext old;
	uint32		chunk = 0;

	if (*batch->storage == NULL)
		*batch->storage = tsdb_storage_open_or_create(batch->rel, ShareUpdateExclusiveLock);
	old = MemoryContextSwitchTo(batch->chunk_memory);
	if (batch->held)
		hold_tuple(batch, tsdb_directory_prepare(*batch->storage, image, &new_chunk));
	else
		chunk = tsdb_directory_insert(*batch->storage, image, &new_chunk);
	*bytes += image->stream_bytes + image->body_bytes;

	if (batch->is_new)
		tsdb_stop_point("load_after_chunk");
	else
	{
		for (uint32 row = 0; row < nrows; row++)
			batch->origins[row] = ((HeapTuple) batch->rows.references[first[row]])->t_self;
		tsdb_moves_record(*batch->storage, chunk, batch->origins, nrows);
		tsdb_stop_point("compact_after_write");
		insert_index_entries(batch, chunk, first, nrows);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(batch->chunk_memory);
	tsdb_progress_add(nrows, 1);
	tsdb_pace();
	tsdb_chunk_writer_reset(batch->writer);
}

/*
 * Rows were gathered in another order than they are read in now: ask for the memory of
 * those that come soon, else each is waited for.  (A compiler that sees a call of a
 * function that only does this may leave it out.)
 */
static pg_attribute_always_inline void
prefetch_rows(const TsdbBatchRows *rows, uint32 i, int lines)
{
	if (i + 2 * PREFETCH_ROWS < rows->nordered)
			tsdb_prefetch_line(&rows->references[rows->order[i + 2 * PREFETCH_ROWS]]);
	if (i + PREFETCH_ROWS < rows->nordered)
	{
		const char *row = (const char *) rows->references[rows->order[i + PREFETCH_ROWS]];

		for (int line = 0; line < lines; line++)
			tsdb_prefetch_line(row + line * TSDB_CACHE_LINE);
	}
}

/* Rows that the writer gets next, by column. */
typedef struct Pending
{
	const Datum *rows[PENDING_ROWS];
	uint32		count;
} Pending;

static void
flush_pending(TsdbBatch *batch, Pending *pending)
{
	if (pending->count > 0)
		tsdb_chunk_writer_add_datums(batch->writer, pending->rows, pending->count);
	pending->count = 0;
}

/* Give a row to the writer, now or with the next ones. */
static void
write_row(TsdbBatch *batch, uint32 number, Pending *pending)
{
	TsdbBatchRows *rows = &batch->rows;
	uintptr_t	row = rows->references[number];
	const Datum *datums = rows->layout != NULL && rows->layout->by_value ?
		tsdb_packed_row_datums(row) : NULL;

	if (datums != NULL)
		pending->rows[pending->count++] = datums;
	if (datums == NULL || pending->count == PENDING_ROWS)
		flush_pending(batch, pending);
	if (datums == NULL)
	{
		tsdb_batch_rows_read(rows, RelationGetDescr(batch->rel), number, rows->values,
							 rows->nulls);
		tsdb_chunk_writer_add(batch->writer, rows->values, rows->nulls);
	}
}

/* The same for what begins at a place, if that are columns. */
static void
prefetch_run(const TsdbBatchRows *rows, uint32 place)
{
	const TsdbBatchSlice *slice = place < rows->nordered ?
		tsdb_batch_slice_of(rows->references[rows->order[place]]) : NULL;

	if (slice != NULL)
		tsdb_batch_slice_prefetch(slice, rows->layout->natts,
								  rows->order[place] - slice->first);
}

/* Give rows to the writer from a place on: one, or those before end that lie behind each other.  Returns how many. */
static uint32
write_rows(TsdbBatch *batch, uint32 place, uint32 end, Pending *pending)
{
	const uint32 *order = batch->rows.order + place;
	uintptr_t	row = batch->rows.references[order[0]];
	const TsdbBatchSlice *slice = tsdb_batch_slice_of(row);
	uint32		count = 1;

	if (slice == NULL)
	{
		write_row(batch, order[0], pending);
		return 1;
	}
	while (count < end - place && order[count] == order[0] + count &&
		   batch->rows.references[order[count]] == row)
		count++;
	prefetch_run(&batch->rows, place + 2 * count);
	flush_pending(batch, pending);
	tsdb_chunk_writer_add_arrays(batch->writer, slice->columns, order[0] - slice->first, count);
	return count;
}

int64
tsdb_batch_write(TsdbBatch *batch, int level, uint32 run, int64 *bytes)
{
	TsdbChunkWriter *writer = batch->writer;
	TsdbBatchRows *rows = &batch->rows;
	Pending		pending = {.count = 0};
	int			lines = PREFETCH_LINES_MAX;
	uint32		first = 0;
	uint32		nsegments = 0;
	int64		chunks = 0;
	const TsdbBatchRank *rank;
	MemoryContext old = CurrentMemoryContext;

	if (run == 0)
		run = pg_prng_uint32(&pg_global_prng_state);
	tsdb_progress_phase(TSDB_PROGRESS_SORTING);
	if (batch->held)
		MemoryContextSwitchTo(batch->held_memory);
	tsdb_batch_rows_sort(rows);
	MemoryContextSwitchTo(old);
	if (batch->leaves_rest)
		tsdb_batch_rows_leave_rest(rows, RelationGetDescr(batch->rel));
	rank = rows->ranks;
	if (rows->layout != NULL && rows->layout->by_value)
		lines = Min(lines, 1 + rows->layout->natts * sizeof(Datum) / TSDB_CACHE_LINE);

	tsdb_progress_phase(TSDB_PROGRESS_ENCODING);
	tsdb_chunk_writer_reserve(writer, Min(rows->nordered, TSDB_CHUNK_ROWS));
	for (uint32 i = 0; i < rows->nordered;)
	{
		const TsdbBatchRank *next = rank;
		bool		new_series;
		bool		new_shard;

		while (i == next->end)
			next++;
		new_series = next != rank;
		new_shard = next->shard != rank->shard;
		if (i > first &&
			(new_shard || i - first >= TSDB_CHUNK_ROWS || tsdb_chunk_writer_full(writer) ||
			 (new_series && i - first >= CHUNK_ROWS_AT_BOUNDARY &&
			  !(rows->mixed && rows->nordered - first <= TSDB_CHUNK_ROWS))))
		{
			flush_pending(batch, &pending);
			write_chunk(batch, &rows->order[first], rank->shard, nsegments, level, run,
						bytes);
			tsdb_progress_phase(TSDB_PROGRESS_ENCODING);
			chunks++;
			first = i;
			CHECK_FOR_INTERRUPTS();
		}
		if (i == first)
			nsegments = 1;
		else if (new_series)
			nsegments++;
		rank = next;

		prefetch_rows(rows, i, lines);
		i += write_rows(batch, i, Min(rank->end, first + TSDB_CHUNK_ROWS), &pending);
	}
	if (rows->nordered > first)
	{
		flush_pending(batch, &pending);
		write_chunk(batch, &rows->order[first], rank->shard, nsegments, level, run, bytes);
		chunks++;
	}
	if (!batch->held)
	{
		pfree(rows->ranks);
		rows->ranks = NULL;
	}
	if (rows->layout == NULL)
		tsdb_batch_clear(batch);
	return chunks;
}
