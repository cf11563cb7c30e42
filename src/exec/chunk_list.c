/*
 * chunk_list.c
 *		The chunks that a snapshot sees, by the values of two columns.
 */
#include "postgres.h"

#include "exec/chunk_list.h"

#include "am/scan.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

/* The range of a column in a chunk; everything if that is not known. */
static void
rank_range(const TsdbKeyColumn *column, const TsdbChunkSummary *summary, uint64 *low,
		   uint64 *high)
{
	const TsdbColumnStats *stats = column->attno <= summary->natts ?
		&summary->columns[column->attno - 1] : NULL;

	*low = 0;
	*high = PG_UINT64_MAX;
	if (stats != NULL && stats->has_range && column->rank != TSDB_RANK_NONE)
	{
		*low = tsdb_key_rank(column, stats->min);
		*high = tsdb_key_rank(column, stats->max);
	}
}

/* Where the first row of a chunk may come. */
static uint64
first_place(const TsdbChunkList *list, const TsdbChunkSummary *summary)
{
	const TsdbColumnStats *stats;
	uint64		low;
	uint64		high;

	if (list->order == NULL || list->order->attno > summary->natts)
		return 0;
	stats = &summary->columns[list->order->attno - 1];
	if (stats->nnulls > 0 && list->nulls_first)
		return 0;
	if (stats->nnulls == summary->nrows)
		return PG_UINT64_MAX;
	rank_range(list->order, summary, &low, &high);
	if (!stats->has_range)
		return 0;
	return tsdb_chunk_list_place(list, list->descending ? high : low);
}

/* In the order of the result. */
static int
compare_chunks(const TsdbListedChunk *left, const TsdbListedChunk *right)
{
	if (left->next != right->next)
		return left->next < right->next ? -1 : 1;
	return left->chunk < right->chunk ? -1 : left->chunk > right->chunk;
}

#define ST_SORT sort_chunks
#define ST_ELEMENT_TYPE TsdbListedChunk
#define ST_COMPARE(a, b) compare_chunks(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* What a session has learnt of the seek column, if it was that, in the current context. */
static TsdbSeekValues *
copy_values(const TsdbChunkList *list, const TsdbSeekValues *values)
{
	Size		bytes;
	TsdbSeekValues *copy;

	if (values == NULL || values->attno != list->seek->attno)
		return NULL;
	bytes = offsetof(TsdbSeekValues, values) + values->count * sizeof(TsdbSeekValue);
	copy = palloc(bytes);
	memcpy(copy, values, bytes);
	return copy;
}

/* Is what has the rank of a value that value, and a time's rank the time? */
static bool
ranks_are_values(const TsdbChunkList *list)
{
	return list->order != NULL && list->order->rank == TSDB_RANK_SIGNED &&
		(list->seek->rank == TSDB_RANK_SIGNED || list->seek->rank == TSDB_RANK_UNSIGNED);
}

/* All rows of a chunk of one series have the value sought, if it has that series. */
static void
note_rows(const TsdbChunkList *list, const TsdbChunkSummary *summary, TsdbListedChunk *chunk)
{
	const TsdbColumnStats *times;
	const TsdbColumnStats *values;

	chunk->first_row = chunk->end_row = 0;
	if (summary->nsegments != 1 || !ranks_are_values(list) ||
		summary->key.time != list->order->attno ||
		list->seek->attno > summary->natts)
		return;
	times = &summary->columns[summary->key.time - 1];
	values = &summary->columns[list->seek->attno - 1];
	if (times->nnulls > 0 || !times->has_range || values->nnulls > 0 || !values->has_range)
		return;
	for (int i = 0; i < summary->key.nseries; i++)
	{
		if (summary->key.series[i] == list->seek->attno)
			chunk->end_row = summary->nrows;
	}
}

/* Has the chunk rows of that rank?  Where the first of them comes may be known better then. */
static bool
has_value(const TsdbChunkList *list, const TsdbSeekValues *values, uint64 rank,
		  TsdbListedChunk *chunk)
{
	uint64		next = PG_UINT64_MAX;
	int			found = 0;

	for (int i = 0; i < values->count; i++)
	{
		const TsdbSeekValue *value = &values->values[i];
		int64		time = list->descending ? value->max_time : value->min_time;

		if (value->rank != rank)
			continue;
		found++;
		chunk->first_row = value->first_row;
		chunk->end_row = value->end_row;
		if (list->order != NULL && values->time == list->order->attno)
			next = Min(next, tsdb_chunk_list_place(list, tsdb_key_rank(list->order,
																	   Int64GetDatum(time))));
	}
	if (found > 0 && next != PG_UINT64_MAX)
		chunk->next = Max(chunk->next, next);
	if (found != 1 || chunk->next != next || !ranks_are_values(list))
		chunk->end_row = 0;
	return found > 0;
}

/*
 * List a chunk by its gist alone: of thousands, that is in memory next to each other.  False if it does
 * not tell.
 */
static bool
list_by_gist(const TsdbChunkList *list, const TsdbChunkGist *gist, TsdbListItem *item)
{
	int64		time;

	if (gist == NULL || list->seek == NULL || list->order == NULL ||
		gist->column != list->seek->attno || gist->time != list->order->attno || !gist->timed)
		return false;
	time = list->descending ? gist->max_time : gist->min_time;
	item->chunk.next = tsdb_chunk_list_place(list, tsdb_key_rank(list->order,
																 Int64GetDatum(time)));
	item->chunk.first_row = 0;
	item->chunk.end_row = ranks_are_values(list) ? gist->rows_of_one : 0;
	item->low = gist->min_rank;
	item->high = gist->max_rank;
	return true;
}

/* The same by its statistics. */
static void
list_by_summary(const TsdbChunkList *list, const TsdbChunkSummary *summary, TsdbListItem *item)
{
	item->chunk.next = first_place(list, summary);
	item->chunk.first_row = item->chunk.end_row = 0;
	if (list->seek != NULL)
	{
		note_rows(list, summary, &item->chunk);
		rank_range(list->seek, summary, &item->low, &item->high);
	}
}

/* Note the shard of a chunk.  The first that states one says of what key and how many the list's shards are. */
static void
note_shard(TsdbChunkList *list, const TsdbChunkGist *gist, TsdbListedChunk *chunk)
{
	chunk->sharded = false;
	if (gist == NULL || gist->other_shards == 0)
		return;
	if (list->other_shards == 0)
	{
		list->series = gist->series;
		list->other_shards = gist->other_shards;
	}
	chunk->sharded = gist->series == list->series && gist->other_shards == list->other_shards;
	chunk->shard = gist->shard;
}

/* Is a chunk of another shard than the series that are wanted? */
static bool
is_elsewhere(const TsdbChunkList *list, const TsdbListedChunk *chunk, TsdbChunkWanted *wanted)
{
	TsdbChunkGist gist;

	if (wanted == NULL || wanted->nhashes == 0 || !chunk->sharded)
		return false;
	gist = (TsdbChunkGist) {
		.series = list->series,
		.shard = chunk->shard,
		.other_shards = list->other_shards
	};
	return tsdb_chunk_gist_rules_out(&gist, wanted);
}

static TsdbListItem *
add_item(TsdbChunkList *list)
{
	TsdbListItem *item;

	if (list->count == list->allocated)
	{
		list->allocated *= 2;
		list->items = repalloc_huge(list->items, list->allocated * sizeof(TsdbListItem));
	}
	item = &list->items[list->count];
	item->chunk.item = list->count++;
	item->values = NULL;
	return item;
}

/* ---- by the seek column ---- */

static inline uint32 *
bucket_of(const TsdbChunkList *list, uint64 rank)
{
	return &list->buckets[rank * UINT64CONST(0x9E3779B97F4A7C15) >> (64 - list->bucket_bits)];
}

static void
build_tree(TsdbChunkList *list)
{
	Size		n = 0;

	list->wide = MemoryContextAllocHuge(list->memory, list->nwide * sizeof(uint32));
	list->boxes = MemoryContextAllocHuge(list->memory, list->nwide * sizeof(TsdbKeyBox));
	for (int i = 0; i < list->count; i++)
	{
		const TsdbListItem *item = &list->items[i];
		TsdbKeyBox *box = &list->boxes[n];

		if (item->low == item->high)
			continue;
		list->wide[n++] = i;
		box->low[0] = item->low;
		box->high[0] = item->high;
		box->low[1] = item->chunk.sharded ? item->chunk.shard : 0;
		box->high[1] = item->chunk.sharded ? item->chunk.shard : PG_UINT64_MAX;
	}
	list->tree = tsdb_box_tree_build(list->boxes, list->nwide, list->other_shards > 0 ? 2 : 1);
}

/*
 * Chunks of one value are put in front of their chain, so that in tables that were written in order of time, chains
 * are in the order of the result.
 */
static void
build_index(TsdbChunkList *list)
{
	Size		bytes;

	list->bucket_bits = pg_ceil_log2_32(Max(list->count, 2));
	bytes = (UINT64CONST(1) << list->bucket_bits) * sizeof(uint32);
	list->buckets = MemoryContextAllocHuge(list->memory, bytes);
	memset(list->buckets, 0xFF, bytes);
	for (int n = 0; n < list->count; n++)
	{
		uint32		i = list->descending ? n : list->count - 1 - n;
		TsdbListItem *item = &list->items[i];
		uint32	   *bucket = bucket_of(list, item->low);

		if (item->low != item->high)
		{
			list->nwide++;
			continue;
		}
		item->chained = *bucket;
		*bucket = i;
	}
	if (list->nwide > 0)
		build_tree(list);
}

TsdbChunkList *
tsdb_chunk_list_create(TableScanDesc scan, const TsdbKeyColumn *seek,
					   const TsdbKeyColumn *order, bool descending, bool nulls_first,
					   TsdbChunkWanted *wanted, uint64 *passed)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb chunk list",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(memory);
	TsdbChunkList *list = palloc0(sizeof(TsdbChunkList));
	TsdbChunkEntry *entry;

	list->memory = memory;
	list->seek = seek;
	list->order = order;
	list->descending = descending;
	list->nulls_first = nulls_first;
	list->all_times = wanted == NULL || wanted->times.attno == 0;
	if (!list->all_times)
		list->times = wanted->times;
	list->all_series = wanted == NULL || (wanted->nranks == 0 && wanted->nhashes == 0);
	list->allocated = 128;
	list->items = palloc(list->allocated * sizeof(TsdbListItem));
	while ((entry = tsdb_scan_next_chunk(scan, wanted, passed)) != NULL)
	{
		const TsdbChunkGist *gist = tsdb_scan_gist(scan);
		TsdbListItem *item = add_item(list);

		CHECK_FOR_INTERRUPTS();
		item->chunk.chunk = entry->chunk;
		if (!list_by_gist(list, gist, item))
			list_by_summary(list, tsdb_scan_summary(scan), item);
		if (seek != NULL)
		{
			item->values = copy_values(list, tsdb_scan_memory(scan, TSDB_MEMORY_SERIES));
			note_shard(list, gist, &item->chunk);
		}
	}
	if (seek != NULL)
		build_index(list);
	MemoryContextSwitchTo(old);
	return list;
}

TsdbListedChunk *
tsdb_chunk_list_all(TsdbChunkList *list)
{
	if (list->ordered == NULL)
	{
		list->ordered = MemoryContextAllocHuge(list->memory,
											   Max(list->count, 1) * sizeof(TsdbListedChunk));
		for (int i = 0; i < list->count; i++)
			list->ordered[i] = list->items[i].chunk;
		if (list->order != NULL)
			sort_chunks(list->ordered, list->count);
	}
	return list->ordered;
}

void
tsdb_chunk_list_free(TsdbChunkList *list)
{
	MemoryContextDelete(list->memory);
}

bool
tsdb_chunk_list_covers(const TsdbChunkList *list, const TsdbTimeRange *times)
{
	if (!list->all_series)
		return false;
	if (list->all_times)
		return true;
	return times != NULL && times->attno == list->times.attno &&
		times->min >= list->times.min && times->max <= list->times.max;
}

/* Chunks that were found for a value. */
typedef struct Found
{
	uint64		rank;
	TsdbChunkWanted *wanted;
	int			count;
	int			allocated;
	TsdbListedChunk *chunks;
} Found;

static void
add_found(const TsdbChunkList *list, const TsdbListItem *item, Found *found)
{
	TsdbListedChunk chunk = item->chunk;

	if (is_elsewhere(list, &chunk, found->wanted) ||
		(item->values != NULL && !has_value(list, item->values, found->rank, &chunk)))
		return;
	if (found->count == found->allocated)
	{
		found->allocated *= 2;
		found->chunks = repalloc_huge(found->chunks, found->allocated * sizeof(TsdbListedChunk));
	}
	found->chunks[found->count++] = chunk;
}

static void
seek_in_tree(const TsdbChunkList *list, Found *found)
{
	const TsdbChunkWanted *wanted = found->wanted;
	TsdbKeyBox	box;
	TsdbBoxSearch search;
	uint32		i;

	box.low[0] = box.high[0] = found->rank;
	box.low[1] = 0;
	box.high[1] = PG_UINT64_MAX;
	if (wanted != NULL && wanted->nhashes == 1 && wanted->series == list->series)
		box.low[1] = box.high[1] = wanted->hashes[0] % (list->other_shards + 1);
	tsdb_box_search_begin(list->tree, &box, &search);
	while (tsdb_box_search_next(&search, &i))
		add_found(list, &list->items[list->wide[i]], found);
}

TsdbListedChunk *
tsdb_chunk_list_seek(TsdbChunkList *list, uint64 rank, TsdbChunkWanted *wanted, int *count)
{
	Found		found = {.rank = rank, .wanted = wanted, .allocated = 32};

	found.chunks = palloc(found.allocated * sizeof(TsdbListedChunk));
	for (uint32 i = *bucket_of(list, rank); i != PG_UINT32_MAX; i = list->items[i].chained)
	{
		if (list->items[i].low == rank)
			add_found(list, &list->items[i], &found);
	}
	if (list->tree != NULL)
		seek_in_tree(list, &found);
	sort_chunks(found.chunks, found.count);
	*count = found.count;
	return found.chunks;
}

void
tsdb_chunk_list_learn(TsdbChunkList *list, const TsdbListedChunk *chunk,
					  TsdbDirectoryView *view, const TsdbSegments *segments,
					  const TsdbColumn *column, const TsdbColumn *times)
{
	Size		bytes = offsetof(TsdbSeekValues, values) + segments->count * sizeof(TsdbSeekValue);
	const TsdbChunkSummary *summary = tsdb_directory_view_summary(view, 0);
	TsdbSeekValues *values;

	if (list->items[chunk->item].values != NULL || segments->count > TSDB_SEEK_VALUES_MAX)
		return;
	values = MemoryContextAlloc(list->memory, bytes);
	values->attno = list->seek->attno;
	values->time = 0;
	values->count = 0;
	if ((segments->min_time != NULL || times != NULL) &&
		summary->columns[summary->key.time - 1].nnulls == 0)
		values->time = summary->key.time;
	for (uint32 i = 0; i < segments->count; i++)
	{
		uint32		row = segments->rows[i];
		TsdbSeekValue *value = &values->values[values->count];

		if (column->nulls[row])
			continue;
		value->rank = tsdb_key_rank(list->seek, column->values[row]);
		/* a segment's rows are in order of time */
		if (values->time != 0 && segments->min_time == NULL)
		{
			value->min_time = (int64) times->values[row];
			value->max_time = (int64) times->values[segments->rows[i + 1] - 1];
		}
		else if (values->time != 0)
		{
			value->min_time = segments->min_time[i];
			value->max_time = segments->max_time[i];
		}
		value->first_row = segments->rows[i];
		value->end_row = segments->rows[i + 1];
		values->count++;
	}
	list->items[chunk->item].values = values;
	if (tsdb_directory_view_memory(view, 0, TSDB_MEMORY_SERIES) == NULL)
	{
		void	   *copy = tsdb_directory_view_alloc(view, bytes);

		if (copy != NULL)
			tsdb_directory_view_remember(view, 0, TSDB_MEMORY_SERIES, memcpy(copy, values, bytes));
	}
}
