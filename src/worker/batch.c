/*
 * batch.c
 *		Rows on their way into chunks: gather, sort, write.
 */
#include "postgres.h"

#include "worker/batch.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "stats/progress.h"
#include "stats/stop_point.h"
#include "store/chunk_tid.h"
#include "store/directory.h"
#include "store/key_note.h"
#include "store/moves.h"
#include "store/table_cold.h"
#include "store/table_key.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/sortsupport.h"
#include "utils/typcache.h"
#include "worker/batch_sort.h"
#include "worker/pace.h"

/* From this many rows on, a chunk ends where a series ends. */
#define CHUNK_ROWS_AT_BOUNDARY	(TSDB_CHUNK_ROWS * 3 / 4)

/*
 * A row's prefix holds its shard (16 bits) and, if that is a number, the first
 * series column (48 bits), so that most of sorting is of integers.
 */
#define PREFIX_KEY_BITS		48
#define PREFIX_KEY_MAX		((UINT64CONST(1) << PREFIX_KEY_BITS) - 1)

/* How far ahead rows are fetched into the cache, and how much of each. */
#define PREFETCH_ROWS		8
#define PREFETCH_LINES		4
#define CACHE_LINE			64

#if defined(__GNUC__)
#define prefetch_line(address)	__builtin_prefetch(address)
#else
#define prefetch_line(address)	((void) 0)
#endif

typedef struct BatchRow
{
	HeapTuple	tuple;
	Datum		key;			/* the first series column */
	bool		key_null;
} BatchRow;

/* What the prefix says about the first series column. */
typedef enum KeyPrefix
{
	KEY_PREFIX_NONE,			/* nothing */
	KEY_PREFIX_ORDER,			/* its order, but for equal prefixes */
	KEY_PREFIX_EXACT			/* all there is to know of the series key */
} KeyPrefix;

/* The open indexes of the table that have entries of chunk rows and what evaluating their columns needs. */
typedef struct BatchIndexes
{
	int			count;
	Relation   *relations;
	IndexInfo **infos;
	EState	   *estate;
	TupleTableSlot *slot;
} BatchIndexes;

struct TsdbBatch
{
	MemoryContext memory;		/* of the batch itself */
	MemoryContext chunk_memory;	/* of writing one chunk */
	MemoryContext index_memory;	/* of one row's index entries */
	Relation	rel;
	TsdbStorage **storage;
	TsdbSortKey key;
	int			nshards;
	TsdbColdRule cold;
	Oid			time_type;
	SortSupportData *sort;		/* per series column */
	KeyPrefix	key_prefix;
	Oid			key_type;		/* of the first series column */
	TsdbBatchItem *items;
	TsdbBatchItem *spare;
	BatchRow   *rows;
	uint32		count;
	uint32		allocated;
	Size		bytes;			/* of rows, about */
	TsdbChunkWriter *writer;
	BatchIndexes indexes;
	Datum	   *values;
	bool	   *nulls;
	bool		is_new;			/* not moved from elsewhere */
	bool		frozen;
	CommandId	command;		/* that inserts them; InvalidCommandId: the current one */
	ItemPointerData origins[TSDB_CHUNK_ROWS];
};

static void
open_indexes(TsdbBatch *batch)
{
	BatchIndexes *indexes = &batch->indexes;
	List	   *oids = RelationGetIndexList(batch->rel);
	ListCell   *lc;

	indexes->relations = palloc(Max(list_length(oids), 1) * sizeof(Relation));
	indexes->infos = palloc(Max(list_length(oids), 1) * sizeof(IndexInfo *));
	foreach(lc, oids)
	{
		Relation	index = index_open(lfirst_oid(lc), RowExclusiveLock);
		IndexInfo  *info;

		if (!index->rd_index->indisready)
		{
			index_close(index, RowExclusiveLock);
			continue;
		}
		if (tsdb_key_index_is(index))
		{
			/* It has no entries of chunk rows, but must hear of the change. */
			tsdb_key_note_write(index);
			index_close(index, RowExclusiveLock);
			continue;
		}
		info = BuildIndexInfo(index);
		indexes->relations[indexes->count] = index;
		indexes->infos[indexes->count++] = info;
	}
	list_free(oids);
	if (indexes->count > 0)
	{
		indexes->estate = CreateExecutorState();
		indexes->slot = MakeSingleTupleTableSlot(RelationGetDescr(batch->rel),
												 &TTSOpsVirtual);
		GetPerTupleExprContext(indexes->estate)->ecxt_scantuple = indexes->slot;
	}
}

TsdbBatch *
tsdb_batch_create(Relation rel, TsdbStorage **storage)
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
	batch->storage = storage;
	batch->command = InvalidCommandId;
	tsdb_table_key(rel, &batch->key);
	batch->nshards = batch->key.nseries == 0 ? 1 : tsdb_shards;
	tsdb_table_cold_rule(rel, &batch->key, &batch->cold);
	if (batch->key.time != 0)
		batch->time_type = getBaseType(TupleDescAttr(tupdesc, batch->key.time - 1)->atttypid);

	if (batch->key.nseries > 0)
	{
		batch->key_type = getBaseType(TupleDescAttr(tupdesc,
													batch->key.series[0] - 1)->atttypid);
		if (batch->key_type == INT2OID || batch->key_type == INT4OID)
			batch->key_prefix = batch->key.nseries == 1 ? KEY_PREFIX_EXACT : KEY_PREFIX_ORDER;
		else if (batch->key_type == INT8OID)
			batch->key_prefix = KEY_PREFIX_ORDER;
	}
	batch->sort = palloc0(Max(batch->key.nseries, 1) * sizeof(SortSupportData));
	for (int i = 0; i < batch->key.nseries; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, batch->key.series[i] - 1);
		TypeCacheEntry *type = lookup_type_cache(att->atttypid, TYPECACHE_LT_OPR);

		batch->sort[i].ssup_cxt = memory;
		batch->sort[i].ssup_collation = att->attcollation;
		batch->sort[i].ssup_attno = batch->key.series[i];
		PrepareSortSupportFromOrderingOp(type->lt_opr, &batch->sort[i]);
	}

	batch->allocated = 8192;
	batch->items = palloc(batch->allocated * sizeof(TsdbBatchItem));
	batch->spare = palloc(batch->allocated * sizeof(TsdbBatchItem));
	batch->rows = palloc(batch->allocated * sizeof(BatchRow));
	batch->writer = tsdb_chunk_writer_create(tupdesc, &batch->key);
	batch->values = palloc(Max(tupdesc->natts, 1) * sizeof(Datum));
	batch->nulls = palloc(Max(tupdesc->natts, 1) * sizeof(bool));
	open_indexes(batch);
	MemoryContextSwitchTo(old);
	return batch;
}

void
tsdb_batch_free(TsdbBatch *batch)
{
	tsdb_chunk_writer_free(batch->writer);
	if (batch->indexes.count > 0)
	{
		ExecDropSingleTupleTableSlot(batch->indexes.slot);
		FreeExecutorState(batch->indexes.estate);
	}
	for (int i = 0; i < batch->indexes.count; i++)
		index_close(batch->indexes.relations[i], NoLock);
	MemoryContextDelete(batch->memory);
}

static uint32
item_shard(const TsdbBatchItem *item)
{
	return item->prefix >> PREFIX_KEY_BITS;
}

void
tsdb_batch_begin_new(TsdbBatch *batch, Relation rel, TsdbStorage **storage,
					 CommandId command, bool frozen)
{
	Assert(batch->indexes.count == 0);
	batch->rel = rel;
	batch->storage = storage;
	batch->nshards = batch->key.nseries == 0 ? 1 : tsdb_shards;
	batch->count = 0;
	batch->bytes = 0;
	tsdb_chunk_writer_reset(batch->writer);
	MemoryContextReset(batch->chunk_memory);
	batch->is_new = true;
	batch->command = command;
	batch->frozen = frozen;
}

void
tsdb_batch_shards(TsdbBatch *batch, bool *shards)
{
	memset(shards, 0, TSDB_SHARDS_MAX * sizeof(bool));
	for (uint32 i = 0; i < batch->count; i++)
		shards[item_shard(&batch->items[i])] = true;
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

/* The time column as an integer that sorts; null and absent times last. */
static int64
row_time(TsdbBatch *batch, HeapTuple row, bool *isnull)
{
	Datum		value;

	*isnull = false;
	if (batch->key.time == 0)
		return 0;
	value = heap_getattr(row, batch->key.time, RelationGetDescr(batch->rel), isnull);
	if (*isnull)
		return PG_INT64_MAX;
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

/* The first series column in the prefix; nulls last. */
static uint64
abbreviated_key(TsdbBatch *batch, const BatchRow *row)
{
	if (batch->key_prefix == KEY_PREFIX_NONE)
		return 0;
	if (row->key_null)
		return PREFIX_KEY_MAX;
	switch (batch->key_type)
	{
		case INT2OID:
			return (uint64) ((int64) DatumGetInt16(row->key) - PG_INT16_MIN);
		case INT4OID:
			return (uint64) ((int64) DatumGetInt32(row->key) - PG_INT32_MIN);
		default:
			return ((uint64) DatumGetInt64(row->key) ^ (UINT64CONST(1) << 63)) >>
				(64 - PREFIX_KEY_BITS);
	}
}

static uint32
row_shard(TsdbBatch *batch, HeapTuple tuple)
{
	TupleDesc	tupdesc = RelationGetDescr(batch->rel);

	if (batch->nshards == 1)
		return 0;
	for (int i = 0; i < batch->key.nseries; i++)
	{
		AttrNumber	attno = batch->key.series[i];

		batch->values[attno - 1] = heap_getattr(tuple, attno, tupdesc,
												&batch->nulls[attno - 1]);
	}
	return tsdb_series_hash(tupdesc, &batch->key, batch->values, batch->nulls) % batch->nshards;
}

void
tsdb_batch_add(TsdbBatch *batch, HeapTuple tuple)
{
	TsdbBatchItem  *item;
	BatchRow   *row;

	if (batch->count == batch->allocated)
	{
		batch->allocated *= 2;
		batch->items = repalloc_huge(batch->items, batch->allocated * sizeof(TsdbBatchItem));
		batch->spare = repalloc_huge(batch->spare, batch->allocated * sizeof(TsdbBatchItem));
		batch->rows = repalloc_huge(batch->rows, batch->allocated * sizeof(BatchRow));
	}
	item = &batch->items[batch->count];
	row = &batch->rows[batch->count];
	row->tuple = tuple;
	row->key = (Datum) 0;
	row->key_null = true;
	if (batch->key.nseries > 0)
		row->key = heap_getattr(tuple, batch->key.series[0], RelationGetDescr(batch->rel),
								&row->key_null);
	item->index = batch->count++;
	item->time = row_time(batch, tuple, &item->time_null);
	item->prefix = (uint64) row_shard(batch, tuple) << PREFIX_KEY_BITS |
		abbreviated_key(batch, row);
	batch->bytes += tuple->t_len + HEAPTUPLESIZE + 2 * sizeof(TsdbBatchItem) + sizeof(BatchRow);
}

/* Order of two rows by shard and series key. */
static int
compare_keys(const TsdbBatchItem *a, const TsdbBatchItem *b, TsdbBatch *batch)
{
	TupleDesc	tupdesc = RelationGetDescr(batch->rel);
	const BatchRow *a_row;
	const BatchRow *b_row;
	int			order;

	if (a->prefix != b->prefix)
		return a->prefix < b->prefix ? -1 : 1;
	if (batch->key_prefix == KEY_PREFIX_EXACT || batch->key.nseries == 0)
		return 0;

	a_row = &batch->rows[a->index];
	b_row = &batch->rows[b->index];
	order = ApplySortComparator(a_row->key, a_row->key_null, b_row->key, b_row->key_null,
								&batch->sort[0]);
	for (int i = 1; order == 0 && i < batch->key.nseries; i++)
	{
		bool		a_null;
		bool		b_null;
		Datum		a_value = heap_getattr(a_row->tuple, batch->key.series[i], tupdesc, &a_null);
		Datum		b_value = heap_getattr(b_row->tuple, batch->key.series[i], tupdesc, &b_null);

		order = ApplySortComparator(a_value, a_null, b_value, b_null, &batch->sort[i]);
	}
	return order;
}

static int
compare_items(const void *left, const void *right, void *arg)
{
	const TsdbBatchItem *a = left;
	const TsdbBatchItem *b = right;
	int			order = compare_keys(a, b, arg);

	if (order != 0)
		return order;
	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	if (a->time_null != b->time_null)	/* a null comes after infinity */
		return a->time_null ? 1 : -1;
	return a->index < b->index ? -1 : 1;
}

/* Enter the rows of a new chunk into all indexes, under their new TIDs. */
static void
insert_index_entries(TsdbBatch *batch, uint32 chunk, const TsdbBatchItem *first, uint32 nrows)
{
	BatchIndexes *indexes = &batch->indexes;
	TupleTableSlot *slot = indexes->slot;
	MemoryContext old;

	if (indexes->count == 0)
		return;
	tsdb_progress_phase(TSDB_PROGRESS_INDEXING);
	old = MemoryContextSwitchTo(batch->index_memory);
	for (uint32 row = 0; row < nrows; row++)
	{
		ItemPointerData tid;

		ResetPerTupleExprContext(indexes->estate);
		MemoryContextReset(batch->index_memory);
		ExecClearTuple(slot);
		heap_deform_tuple(batch->rows[first[row].index].tuple, RelationGetDescr(batch->rel),
						  slot->tts_values, slot->tts_isnull);
		ExecStoreVirtualTuple(slot);
		tsdb_tid_set(&tid, chunk, row);
		slot->tts_tid = tid;
		slot->tts_tableOid = RelationGetRelid(batch->rel);

		for (int i = 0; i < indexes->count; i++)
		{
			IndexInfo  *info = indexes->infos[i];
			Datum		values[INDEX_MAX_KEYS];
			bool		nulls[INDEX_MAX_KEYS];

			if (info->ii_Predicate != NIL)
			{
				if (info->ii_PredicateState == NULL)
					info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate,
															  indexes->estate);
				if (!ExecQual(info->ii_PredicateState,
							  GetPerTupleExprContext(indexes->estate)))
					continue;
			}
			FormIndexDatum(info, slot, indexes->estate, values, nulls);

			/* The row is the same one: there is no conflict to look for. */
			index_insert(indexes->relations[i], values, nulls, &tid, batch->rel,
						 UNIQUE_CHECK_NO, false, info);
		}
		if (row % 64 == 0)
			CHECK_FOR_INTERRUPTS();
	}
	ExecClearTuple(slot);
	MemoryContextSwitchTo(old);
}

/* Write what the writer holds as one chunk: items first .. first + nrows. */
static void
write_chunk(TsdbBatch *batch, const TsdbBatchItem *first, uint32 nsegments, int level,
			uint64 run, int64 *bytes)
{
	uint32		nrows = tsdb_chunk_writer_rows(batch->writer);
	const TsdbChunkImage *image = tsdb_chunk_writer_finish(batch->writer, batch->cold.before);
	TsdbNewChunk new_chunk = {
		.shard = item_shard(first),
		.nshards = tsdb_series_hash_is_exact(RelationGetDescr(batch->rel), &batch->key) ?
			batch->nshards : 1,
		.level = level,.run = run,.nsegments = nsegments,
		.command = batch->command,.frozen = batch->frozen
	};
	MemoryContext old;
	uint32		chunk;

	if (*batch->storage == NULL)
		*batch->storage = tsdb_storage_open_or_create(batch->rel, ShareUpdateExclusiveLock);
	old = MemoryContextSwitchTo(batch->chunk_memory);
	chunk = tsdb_directory_insert(*batch->storage, image, &new_chunk);
	*bytes += image->stream_bytes + image->body_bytes;

	if (batch->is_new)
		tsdb_stop_point("load_after_chunk");
	else
	{
		for (uint32 row = 0; row < nrows; row++)
			batch->origins[row] = batch->rows[first[row].index].tuple->t_self;
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
prefetch_rows(const TsdbBatch *batch, uint32 i)
{
	if (i + 2 * PREFETCH_ROWS < batch->count)
		prefetch_line(&batch->rows[batch->items[i + 2 * PREFETCH_ROWS].index]);
	if (i + PREFETCH_ROWS < batch->count)
	{
		const char *tuple = (const char *)
			batch->rows[batch->items[i + PREFETCH_ROWS].index].tuple;

		for (int line = 0; line < PREFETCH_LINES; line++)
			prefetch_line(tuple + line * CACHE_LINE);
	}
}

int64
tsdb_batch_write(TsdbBatch *batch, int level, uint64 run, int64 *bytes)
{
	TsdbChunkWriter *writer = batch->writer;
	uint32		first = 0;
	uint32		nsegments = 0;
	int64		chunks = 0;

	if (run == 0)
		run = pg_prng_uint64(&pg_global_prng_state);
	tsdb_progress_phase(TSDB_PROGRESS_SORTING);
	if (batch->key.time != 0 || batch->key.nseries > 0)
		tsdb_batch_sort(batch->items, batch->spare, batch->count, compare_items, batch);

	tsdb_progress_phase(TSDB_PROGRESS_ENCODING);
	for (uint32 i = 0; i < batch->count; i++)
	{
		TsdbBatchItem  *item = &batch->items[i];
		bool		new_shard = i > first &&
		item_shard(item) != item_shard(&batch->items[first]);
		bool		new_series = i > first &&
		compare_keys(&batch->items[i - 1], item, batch) != 0;

		if (i > first &&
			(new_shard || tsdb_chunk_writer_full(writer) ||
			 (new_series && i - first >= CHUNK_ROWS_AT_BOUNDARY)))
		{
			write_chunk(batch, &batch->items[first], nsegments, level, run, bytes);
			tsdb_progress_phase(TSDB_PROGRESS_ENCODING);
			chunks++;
			first = i;
		}
		if (i == first)
			nsegments = 1;
		else if (new_series)
			nsegments++;

		prefetch_rows(batch, i);
		heap_deform_tuple(batch->rows[item->index].tuple, RelationGetDescr(batch->rel),
						  batch->values, batch->nulls);
		tsdb_chunk_writer_add(writer, batch->values, batch->nulls);
		if (i % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
	}
	if (batch->count > first)
	{
		write_chunk(batch, &batch->items[first], nsegments, level, run, bytes);
		chunks++;
	}

	batch->count = 0;
	batch->bytes = 0;
	return chunks;
}
