/*
 * batch.c
 *		Rows on their way into chunks: gather, sort, write.
 */
#include "postgres.h"

#include "worker/batch.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "chunk/packed_row.h"
#include "common/pg_prng.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "stats/progress.h"
#include "stats/stop_point.h"
#include "store/chunk_tid.h"
#include "store/directory.h"
#include "store/moves.h"
#include "store/row_arena.h"
#include "store/table_cold.h"
#include "store/table_key.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "worker/batch_index.h"
#include "worker/batch_series.h"
#include "worker/batch_slice.h"
#include "worker/batch_sort.h"
#include "worker/pace.h"

/* From this many rows on, a chunk ends where a series ends, unless it takes all that is left of few. */
#define CHUNK_ROWS_AT_BOUNDARY	(TSDB_CHUNK_ROWS * 3 / 4)

/* Memory that a row takes beside what it consists of. */
#define ROW_OVERHEAD			(sizeof(TsdbBatchItem) + sizeof(uintptr_t) + sizeof(uint32))

/* Rows that a new batch has room for. */
#define FIRST_ROWS			1024

/* How far ahead rows are fetched into the cache, and how much of each. */
#define PREFETCH_ROWS		8
#define PREFETCH_LINES_MAX	4

/* Rows turned into columns at a time: they stay in the cache for all columns. */
#define PENDING_ROWS		32

/* Rows that come as columns stay so if a run of one series has so many of them, on average. */
#define RUN_ROWS			4

struct TsdbBatch
{
	MemoryContext memory;		/* of the batch itself */
	MemoryContext chunk_memory;	/* of writing one chunk */
	MemoryContext index_memory;	/* of one row's index entries */
	MemoryContext held_memory;	/* of what is kept while it is held; NULL if it never was */
	Relation	rel;
	TsdbStorage **storage;
	TsdbSortKey key;
	int			nshards;		/* that its rows are spread over */
	bool		mixed;			/* all to one shard, as they are few */
	TsdbColdRule cold;
	Oid			time_type;
	TsdbBatchSeries *series;
	TsdbPackedLayout *layout;	/* of packed rows; NULL if rows are heap tuples */
	TsdbRowArena arena;			/* of packed rows */
	TsdbBatchItem *items;		/* in order of arrival */
	uintptr_t  *rows;			/* the same: HeapTuple, TsdbPackedRow or the slice it is in */
	uint32	   *order;			/* once they are sorted */
	TsdbBatchRank *ranks;		/* likewise */
	uint32		count;
	uint32		allocated;
	bool		in_time;		/* rows of each series came in order of time */
	Size		bytes;			/* of rows, about */
	TsdbChunkWriter *writer;	/* NULL until there is a target */
	TsdbBatchIndexes indexes;
	Datum	   *values;
	bool	   *nulls;
	bool		is_new;			/* not moved from elsewhere */
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

static void
allocate_rows(TsdbBatch *batch, uint32 rows)
{
	if (batch->items == NULL)
	{
		batch->items = palloc(rows * sizeof(TsdbBatchItem));
		batch->rows = palloc(rows * sizeof(uintptr_t));
		batch->order = palloc(rows * sizeof(uint32));
	}
	else
	{
		batch->items = repalloc_huge(batch->items, rows * sizeof(TsdbBatchItem));
		batch->rows = repalloc_huge(batch->rows, rows * sizeof(uintptr_t));
		batch->order = repalloc_huge(batch->order, rows * sizeof(uint32));
	}
	tsdb_row_arena_advise(batch->items, rows * sizeof(TsdbBatchItem));
	tsdb_row_arena_advise(batch->rows, rows * sizeof(uintptr_t));
	tsdb_row_arena_advise(batch->order, rows * sizeof(uint32));
	batch->allocated = rows;
}

/* The setting counts for all rows that a batch has at a time. */
static void
set_shards(TsdbBatch *batch)
{
	batch->nshards = batch->key.nseries == 0 ? 1 : tsdb_shards;
	batch->mixed = false;
}

/* A batch in a memory context of its own, without what depends on the rows. */
static TsdbBatch *
create_batch(Relation rel)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb batch",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(memory);
	TsdbBatch  *batch = palloc0(sizeof(TsdbBatch));
	TupleDesc	tupdesc = RelationGetDescr(rel);

	batch->memory = memory;
	batch->chunk_memory = AllocSetContextCreate(memory, "tsdb batch chunk",
												ALLOCSET_DEFAULT_SIZES);
	batch->index_memory = AllocSetContextCreate(memory, "tsdb batch index entries",
												ALLOCSET_DEFAULT_SIZES);
	batch->rel = rel;
	batch->in_time = true;
	batch->command = InvalidCommandId;
	tsdb_table_key(rel, &batch->key);
	set_shards(batch);
	tsdb_table_cold_rule(rel, &batch->key, &batch->cold);
	if (batch->key.time != 0)
		batch->time_type = getBaseType(TupleDescAttr(tupdesc, batch->key.time - 1)->atttypid);

	batch->series = tsdb_batch_series_create(tupdesc, &batch->key);
	allocate_rows(batch, FIRST_ROWS);
	batch->values = palloc(Max(tupdesc->natts, 1) * sizeof(Datum));
	batch->nulls = palloc(Max(tupdesc->natts, 1) * sizeof(bool));
	MemoryContextSwitchTo(old);
	return batch;
}

TsdbBatch *
tsdb_batch_create(Relation rel, TsdbStorage **storage)
{
	TsdbBatch  *batch = create_batch(rel);
	MemoryContext old = MemoryContextSwitchTo(batch->memory);

	batch->storage = storage;
	batch->writer = tsdb_chunk_writer_create(RelationGetDescr(rel), &batch->key);
	tsdb_batch_indexes_open(&batch->indexes, rel);
	MemoryContextSwitchTo(old);
	return batch;
}

TsdbBatch *
tsdb_batch_create_packed(Relation rel)
{
	TsdbBatch  *batch = create_batch(rel);
	MemoryContext old = MemoryContextSwitchTo(batch->memory);

	batch->layout = tsdb_packed_layout(RelationGetDescr(rel));
	tsdb_row_arena_init(&batch->arena, batch->memory);
	MemoryContextSwitchTo(old);
	return batch;
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
	batch->ranks = NULL;
	if (batch->held_memory != NULL)
		MemoryContextReset(batch->held_memory);
}

void
tsdb_batch_hold(TsdbBatch *batch)
{
	Assert(batch->layout != NULL);
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
	*order = (TsdbBatchOrder)
	{
		.key = &batch->key,.series = batch->series,.items = batch->items,
		.order = batch->order,.ranks = batch->ranks,.count = batch->count,
		.chunks = batch->chunks,.nchunks = batch->nchunks
	};
}

void
tsdb_batch_clear(TsdbBatch *batch)
{
	batch->count = 0;
	batch->in_time = true;
	batch->bytes = 0;
	forget_held(batch);
	set_shards(batch);
	tsdb_batch_series_clear(batch->series);
	if (batch->layout != NULL)
		tsdb_row_arena_empty(&batch->arena);
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

		batch->writer = tsdb_chunk_writer_create(RelationGetDescr(rel), &batch->key);
		MemoryContextSwitchTo(old);
	}
	tsdb_chunk_writer_reset(batch->writer);
	MemoryContextReset(batch->chunk_memory);
	batch->is_new = true;
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
tsdb_batch_use_one_shard(TsdbBatch *batch)
{
	uint32		count;
	TsdbBatchSeriesEntry *entries = tsdb_batch_series_entries(batch->series, &count);

	for (uint32 i = 0; i < count; i++)
		entries[i].shard = 0;
	batch->nshards = 1;
	batch->mixed = true;
}

void
tsdb_batch_shards(TsdbBatch *batch, bool *shards)
{
	uint32		count;
	const TsdbBatchSeriesEntry *entries = tsdb_batch_series_entries(batch->series, &count);

	memset(shards, 0, TSDB_SHARDS_MAX * sizeof(bool));
	for (uint32 i = 0; i < count; i++)
		shards[entries[i].shard] = true;
}

bool
tsdb_batch_full(TsdbBatch *batch)
{
	return batch->count >= TSDB_BATCH_ROWS ||
		batch->bytes >= (Size) maintenance_work_mem * 1024;
}

uint32
tsdb_batch_rows(TsdbBatch *batch)
{
	return batch->count;
}

/* ---- adding ---- */

/* A column of a row, which has this number in the batch. */
static Datum
row_value(const TsdbBatch *batch, uintptr_t row, uint32 number, AttrNumber attno, bool *isnull)
{
	const TsdbBatchSlice *slice = tsdb_batch_slice_of(row);

	if (slice != NULL)
	{
		*isnull = false;
		return tsdb_row_array_value(&slice->columns[attno - 1], number - slice->first);
	}
	if (batch->layout != NULL)
		return tsdb_packed_row_value(row, batch->layout->natts, attno - 1, isnull);
	return heap_getattr((HeapTuple) row, attno, RelationGetDescr(batch->rel), isnull);
}

/* All columns of the row with this number. */
static void
row_values(const TsdbBatch *batch, uint32 number, Datum *values, bool *nulls)
{
	uintptr_t	row = batch->rows[number];
	const TsdbBatchSlice *slice = tsdb_batch_slice_of(row);

	for (int i = 0; slice != NULL && i < batch->layout->natts; i++)
		values[i] = row_value(batch, row, number, i + 1, &nulls[i]);
	if (slice != NULL)
		return;
	if (batch->layout != NULL)
		tsdb_packed_row_read(row, batch->layout->natts, values, nulls);
	else
		heap_deform_tuple((HeapTuple) row, RelationGetDescr(batch->rel), values, nulls);
}

/* The time column as an integer that sorts; null and absent times last. */
static inline int64
row_time(const TsdbBatch *batch, const Datum *values, const bool *nulls, bool *isnull)
{
	Datum		value;

	*isnull = false;
	if (batch->key.time == 0)
		return 0;
	*isnull = nulls[batch->key.time - 1];
	if (*isnull)
		return PG_INT64_MAX;
	value = values[batch->key.time - 1];
	switch (batch->time_type)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
		case DATEOID:
			return DatumGetInt32(value);
		default:
			return DatumGetInt64(value);
	}
}

/* What adding needs to know of a row before it is changed in any way. */
typedef struct Arrival
{
	TsdbBatchItem item;			/* series: TSDB_BATCH_SERIES_NEW, or one that is known */
	uint32		hash;
	uint32		shard;			/* of a new one */
} Arrival;

/* Find out about a row, given its key and time.  A type's hash function may do anything. */
static inline void
receive_row(const TsdbBatch *batch, const Datum *values, const bool *nulls, Arrival *arrival)
{
	arrival->item.series = tsdb_batch_series_find(batch->series, values, nulls,
												  &arrival->hash);
	arrival->item.time = row_time(batch, values, nulls, &arrival->item.time_null);
	arrival->shard = 0;
	if (arrival->item.series == TSDB_BATCH_SERIES_NEW && batch->nshards > 1)
	{
		uint32		hash = tsdb_series_hash(RelationGetDescr(batch->rel), &batch->key, values,
											nulls);

		/* which may have written and emptied the batch, or filled it */
		arrival->shard = hash % batch->nshards;
		arrival->item.series = tsdb_batch_series_find(batch->series, values, nulls,
													  &arrival->hash);
	}
}

static void
add_series(TsdbBatch *batch, uintptr_t row, Arrival *arrival)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];

	for (int i = 0; i < batch->key.nseries; i++)
		values[i] = row_value(batch, row, batch->count, batch->key.series[i], &nulls[i]);
	arrival->item.series = tsdb_batch_series_add(batch->series, arrival->hash, arrival->shard,
												 values, nulls);
}

/* Add a row that has been copied to where it stays. */
static inline void
add_row(TsdbBatch *batch, uintptr_t row, Arrival *arrival)
{
	TsdbBatchItem *item = &arrival->item;
	TsdbBatchSeriesEntry *entry;
	uint32		nseries;

	if (item->series == TSDB_BATCH_SERIES_NEW)
		add_series(batch, row, arrival);
	entry = &tsdb_batch_series_entries(batch->series, &nseries)[item->series];
	if (item->time_null || (entry->rows > 0 && item->time < entry->last_time))
		batch->in_time = false;
	entry->last_time = item->time;
	entry->rows++;

	if (batch->count == batch->allocated)
		allocate_rows(batch, batch->allocated * 2);
	batch->items[batch->count] = *item;
	batch->rows[batch->count++] = row;
}

void
tsdb_batch_add(TsdbBatch *batch, HeapTuple tuple)
{
	TupleDesc	tupdesc = RelationGetDescr(batch->rel);
	Arrival		arrival;

	for (int i = 0; i < batch->key.nseries + (batch->key.time > 0); i++)
	{
		AttrNumber	attno = i < batch->key.nseries ? batch->key.series[i] : batch->key.time;

		batch->values[attno - 1] = heap_getattr(tuple, attno, tupdesc,
												&batch->nulls[attno - 1]);
	}
	receive_row(batch, batch->values, batch->nulls, &arrival);
	add_row(batch, (uintptr_t) tuple, &arrival);
	batch->bytes += tuple->t_len + HEAPTUPLESIZE + ROW_OVERHEAD;
}

Size
tsdb_batch_pack(TsdbBatch *batch, Relation rel, const Datum *values, const bool *nulls)
{
	Size		bytes;
	Arrival		arrival;
	TsdbPackedRow row;

	batch->rel = rel;
	receive_row(batch, values, nulls, &arrival);

	if (tsdb_packed_row_is_plain(batch->layout, nulls))
	{
		Datum	   *datums;

		bytes = batch->layout->natts * sizeof(Datum);
		datums = (Datum *) tsdb_row_arena_allocate(&batch->arena, bytes);
		for (int i = 0; i < batch->layout->natts; i++)
			datums[i] = values[i];
		row = (TsdbPackedRow) datums;
	}
	else
	{
		bytes = tsdb_packed_row_bytes(batch->layout, values, nulls);
		row = tsdb_packed_row_write(batch->layout, values, nulls,
									tsdb_row_arena_allocate(&batch->arena, bytes));
	}
	add_row(batch, row, &arrival);
	bytes += ROW_OVERHEAD;
	batch->bytes += bytes;
	return bytes;
}

bool
tsdb_batch_takes_columns(const TsdbBatch *batch, Relation rel)
{
	return batch->layout->by_value &&
		tsdb_series_hash_is_exact(RelationGetDescr(rel), &batch->key);
}

/* Add rows that came as columns, run by run. */
static Size
add_slice(TsdbBatch *batch, const TsdbRowArray *columns, uint32 nrows, const bool *starts, bool stay)
{
	const int	natts = batch->layout->natts;
	const TsdbSortKey *key = &batch->key;
	TsdbBatchSlice *slice = tsdb_batch_slice_create(&batch->arena, columns, natts, nrows,
													batch->count, stay);
	Size		bytes = ROW_OVERHEAD;

	for (uint32 row = 0; row < nrows;)
	{
		Arrival		arrival;

		for (int i = 0; i < key->nseries; i++)
			batch->values[key->series[i] - 1] =
				tsdb_row_array_value(&slice->columns[key->series[i] - 1], row);
		if (key->time > 0)
			batch->values[key->time - 1] =
				tsdb_row_array_value(&slice->columns[key->time - 1], row);
		receive_row(batch, batch->values, batch->nulls, &arrival);
		for (;;)
		{
			add_row(batch, tsdb_batch_slice_reference(slice), &arrival);
			if (++row == nrows || starts[row])
				break;
			if (key->time > 0)
				batch->values[key->time - 1] =
					tsdb_row_array_value(&slice->columns[key->time - 1], row);
			arrival.item.time = row_time(batch, batch->values, batch->nulls,
										 &arrival.item.time_null);
		}
	}
	for (int c = 0; c < natts; c++)
		bytes += columns[c].length;
	return nrows * bytes;
}

/* The same row by row. */
static Size
add_spread(TsdbBatch *batch, const TsdbRowArray *columns, uint32 nrows)
{
	const int	natts = batch->layout->natts;

	for (uint32 first = 0, n; first < nrows; first += n)
	{
		Datum	   *rows;

		n = Min(nrows - first, PENDING_ROWS);
		rows = (Datum *) tsdb_row_arena_allocate(&batch->arena, n * natts * sizeof(Datum));
		for (int c = 0; c < natts; c++)
			tsdb_batch_slice_spread(&columns[c], first, n, rows + c, natts);
		for (uint32 row = 0; row < n; row++, rows += natts)
		{
			Arrival		arrival;

			receive_row(batch, rows, batch->nulls, &arrival);
			add_row(batch, (uintptr_t) rows, &arrival);
		}
	}
	return nrows * (natts * sizeof(Datum) + ROW_OVERHEAD);
}

Size
tsdb_batch_pack_columns(TsdbBatch *batch, Relation rel, const TsdbRowArray *columns, uint32 nrows,
						bool stay)
{
	bool	   *starts = palloc(nrows * sizeof(bool));
	uint32		runs = tsdb_batch_slice_runs(columns, &batch->key, nrows, starts);
	Size		bytes;

	batch->rel = rel;
	memset(batch->nulls, false, batch->layout->natts * sizeof(bool));
	bytes = nrows >= RUN_ROWS * runs ? add_slice(batch, columns, nrows, starts, stay) :
		add_spread(batch, columns, nrows);
	batch->bytes += bytes;
	pfree(starts);
	return bytes;
}

void
tsdb_batch_unpack(const TsdbBatch *batch, uint32 row, Datum *values, bool *nulls)
{
	row_values(batch, row, values, nulls);
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
		row_values(batch, first[row], slot->tts_values, slot->tts_isnull);
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
		.nshards = tsdb_series_hash_is_exact(RelationGetDescr(batch->rel), &batch->key) ?
			batch->nshards : 1,
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
			batch->origins[row] = ((HeapTuple) batch->rows[first[row]])->t_self;
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
prefetch_rows(const TsdbBatch *batch, uint32 i, int lines)
{
	if (i + 2 * PREFETCH_ROWS < batch->count)
			tsdb_prefetch_line(&batch->rows[batch->order[i + 2 * PREFETCH_ROWS]]);
	if (i + PREFETCH_ROWS < batch->count)
	{
		const char *row = (const char *) batch->rows[batch->order[i + PREFETCH_ROWS]];

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
	uintptr_t	row = batch->rows[number];
	const Datum *datums = batch->layout != NULL && batch->layout->by_value ?
		tsdb_packed_row_datums(row) : NULL;

	if (datums != NULL)
		pending->rows[pending->count++] = datums;
	if (datums == NULL || pending->count == PENDING_ROWS)
		flush_pending(batch, pending);
	if (datums == NULL)
	{
		row_values(batch, number, batch->values, batch->nulls);
		tsdb_chunk_writer_add(batch->writer, batch->values, batch->nulls);
	}
}

/* The same for what begins at a place, if that are columns. */
static void
prefetch_run(const TsdbBatch *batch, uint32 place)
{
	const TsdbBatchSlice *slice = place < batch->count ?
		tsdb_batch_slice_of(batch->rows[batch->order[place]]) : NULL;

	if (slice != NULL)
		tsdb_batch_slice_prefetch(slice, batch->layout->natts,
								  batch->order[place] - slice->first);
}

/* Give rows to the writer from a place on: one, or those before end that lie behind each other.  Returns how many. */
static uint32
write_rows(TsdbBatch *batch, uint32 place, uint32 end, Pending *pending)
{
	const uint32 *order = batch->order + place;
	uintptr_t	row = batch->rows[order[0]];
	const TsdbBatchSlice *slice = tsdb_batch_slice_of(row);
	uint32		count = 1;

	if (slice == NULL)
	{
		write_row(batch, order[0], pending);
		return 1;
	}
	while (count < end - place && order[count] == order[0] + count &&
		   batch->rows[order[count]] == row)
		count++;
	prefetch_run(batch, place + 2 * count);
	flush_pending(batch, pending);
	tsdb_chunk_writer_add_arrays(batch->writer, slice->columns, order[0] - slice->first, count);
	return count;
}

int64
tsdb_batch_write(TsdbBatch *batch, int level, uint32 run, int64 *bytes)
{
	TsdbChunkWriter *writer = batch->writer;
	Pending		pending = {.count = 0};
	int			lines = PREFETCH_LINES_MAX;
	uint32		first = 0;
	uint32		nsegments = 0;
	int64		chunks = 0;
	TsdbBatchRank *ranks;
	const TsdbBatchRank *rank;
	MemoryContext old = CurrentMemoryContext;

	if (run == 0)
		run = pg_prng_uint32(&pg_global_prng_state);
	tsdb_progress_phase(TSDB_PROGRESS_SORTING);
	if (batch->held)
		MemoryContextSwitchTo(batch->held_memory);
	rank = ranks = tsdb_batch_sort(batch->items, batch->count, batch->series, batch->in_time,
								   batch->order);
	MemoryContextSwitchTo(old);
	if (batch->layout != NULL && batch->layout->by_value)
		lines = Min(lines, 1 + batch->layout->natts * sizeof(Datum) / TSDB_CACHE_LINE);

	tsdb_progress_phase(TSDB_PROGRESS_ENCODING);
	tsdb_chunk_writer_reserve(writer, Min(batch->count, TSDB_CHUNK_ROWS));
	for (uint32 i = 0; i < batch->count;)
	{
		bool		new_series = i == rank->end;
		bool		new_shard = new_series && rank[1].shard != rank->shard;

		if (i > first &&
			(new_shard || i - first >= TSDB_CHUNK_ROWS || tsdb_chunk_writer_full(writer) ||
			 (new_series && i - first >= CHUNK_ROWS_AT_BOUNDARY &&
			  !(batch->mixed && batch->count - first <= TSDB_CHUNK_ROWS))))
		{
			flush_pending(batch, &pending);
			write_chunk(batch, &batch->order[first], rank->shard, nsegments, level, run,
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
		rank += new_series;

		prefetch_rows(batch, i, lines);
		i += write_rows(batch, i, Min(rank->end, first + TSDB_CHUNK_ROWS), &pending);
	}
	if (batch->count > first)
	{
		flush_pending(batch, &pending);
		write_chunk(batch, &batch->order[first], rank->shard, nsegments, level, run, bytes);
		chunks++;
	}
	if (batch->held)
		batch->ranks = ranks;
	else
		pfree(ranks);

	if (batch->layout == NULL)
		tsdb_batch_clear(batch);
	return chunks;
}
