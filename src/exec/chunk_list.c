/*
 * chunk_list.c
 *		The chunks that a snapshot sees, by the values of two columns.
 */
#include "postgres.h"

#include "exec/chunk_list.h"

#include "am/scan.h"
#include "miscadmin.h"
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

static int
compare_chunks(const void *a, const void *b)
{
	const TsdbListedChunk *left = a;
	const TsdbListedChunk *right = b;

	if (left->next != right->next)
		return left->next < right->next ? -1 : 1;
	return left->chunk < right->chunk ? -1 : left->chunk > right->chunk;
}

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

/* What a gist, if there is one, says of shards: times and ranks are known better here. */
static void
copy_shard(const TsdbChunkGist *gist, TsdbChunkGist *copy)
{
	memset(copy, 0, sizeof(*copy));
	if (gist == NULL)
		return;
	copy->series = gist->series;
	copy->shard = gist->shard;
	copy->other_shards = gist->other_shards;
}

static void
add_shard(const TsdbChunkList *list, const TsdbChunkGist *gist, TsdbKeyBox *box)
{
	bool		known = gist->series == list->series && gist->other_shards == list->other_shards;

	box->low[1] = known ? gist->shard : 0;
	box->high[1] = known ? gist->shard : PG_UINT64_MAX;
}

/* What is found of a chunk. */
typedef struct Listed
{
	TsdbListedChunk chunk;		/* must be first */
	uint64		low;
	uint64		high;
	TsdbSeekValues *values;
	TsdbChunkGist gist;
} Listed;

/*
 * List a chunk by its gist alone: of thousands, that is in memory next to each other.  False if it does
 * not tell.
 */
static bool
list_by_gist(const TsdbChunkList *list, const TsdbChunkGist *gist, uint32 chunk, Listed *item)
{
	if (gist == NULL || list->seek == NULL || list->order == NULL ||
		gist->column != list->seek->attno || gist->time != list->order->attno || !gist->timed)
		return false;
	item->chunk.chunk = chunk;
	item->chunk.next = tsdb_chunk_list_place(list,
											 tsdb_key_rank(list->order,
														   Int64GetDatum(list->descending ?
																		 gist->max_time : gist->min_time)));
	item->chunk.first_row = 0;
	item->chunk.end_row = ranks_are_values(list) ? gist->rows_of_one : 0;
	item->low = gist->min_rank;
	item->high = gist->max_rank;
	return true;
}

/* The same by its statistics. */
static void
list_by_summary(const TsdbChunkList *list, const TsdbChunkSummary *summary, uint32 chunk,
				Listed *item)
{
	item->chunk.chunk = chunk;
	item->chunk.next = first_place(list, summary);
	item->chunk.first_row = item->chunk.end_row = 0;
	if (list->seek != NULL)
	{
		note_rows(list, summary, &item->chunk);
		rank_range(list->seek, summary, &item->low, &item->high);
	}
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
	int			allocated = 256;
	Listed	   *listed = palloc(allocated * sizeof(Listed));
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
	while ((entry = tsdb_scan_next_chunk(scan, wanted, passed)) != NULL)
	{
		const TsdbChunkGist *gist = tsdb_scan_gist(scan);
		Listed	   *item;

		CHECK_FOR_INTERRUPTS();
		if (list->count == allocated)
		{
			allocated *= 2;
			listed = repalloc_huge(listed, allocated * sizeof(Listed));
		}
		item = &listed[list->count++];
		if (!list_by_gist(list, gist, entry->chunk, item))
			list_by_summary(list, tsdb_scan_summary(scan), entry->chunk, item);
		if (seek != NULL)
		{
			item->values = copy_values(list, tsdb_scan_memory(scan, TSDB_MEMORY_SERIES));
			copy_shard(gist, &item->gist);
			if (list->other_shards == 0 && item->gist.series != 0)
			{
				list->series = item->gist.series;
				list->other_shards = item->gist.other_shards;
			}
		}
	}

	list->chunks = MemoryContextAllocHuge(memory, Max(list->count, 1) * sizeof(TsdbListedChunk));
	for (int i = 0; i < list->count; i++)
	{
		list->chunks[i] = listed[i].chunk;
		list->chunks[i].item = i;
	}
	if (seek != NULL)
	{
		list->values = MemoryContextAllocHuge(memory,
											  Max(list->count, 1) * sizeof(TsdbSeekValues *));
		list->gists = MemoryContextAllocHuge(memory,
											 Max(list->count, 1) * sizeof(TsdbChunkGist));
		list->boxes = MemoryContextAllocHuge(memory, Max(list->count, 1) * sizeof(TsdbKeyBox));
		for (int i = 0; i < list->count; i++)
		{
			list->boxes[i].low[0] = listed[i].low;
			list->boxes[i].high[0] = listed[i].high;
			add_shard(list, &listed[i].gist, &list->boxes[i]);
			list->values[i] = listed[i].values;
			list->gists[i] = listed[i].gist;
		}
		list->tree = tsdb_box_tree_build(list->boxes, list->count, list->other_shards > 0 ? 2 : 1);
	}
	pfree(listed);
	MemoryContextSwitchTo(old);
	return list;
}

TsdbListedChunk *
tsdb_chunk_list_all(TsdbChunkList *list)
{
	Size		bytes = Max(list->count, 1) * sizeof(TsdbListedChunk);

	if (list->ordered == NULL)
	{
		list->ordered = MemoryContextAllocHuge(list->memory, bytes);
		memcpy(list->ordered, list->chunks, list->count * sizeof(TsdbListedChunk));
		if (list->order != NULL)
			qsort(list->ordered, list->count, sizeof(TsdbListedChunk), compare_chunks);
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

TsdbListedChunk *
tsdb_chunk_list_seek(TsdbChunkList *list, uint64 rank, TsdbChunkWanted *wanted, int *count)
{
	TsdbKeyBox	box;
	TsdbBoxSearch search;
	TsdbListedChunk *found;
	int			allocated = 16;
	uint32		item;

	box.low[0] = box.high[0] = rank;
	box.low[1] = 0;
	box.high[1] = PG_UINT64_MAX;
	if (wanted != NULL && wanted->nhashes == 1 && wanted->series == list->series)
		box.low[1] = box.high[1] = wanted->hashes[0] % (list->other_shards + 1);
	*count = 0;
	found = palloc(allocated * sizeof(TsdbListedChunk));
	tsdb_box_search_begin(list->tree, &box, &search);
	while (tsdb_box_search_next(&search, &item))
	{
		TsdbListedChunk chunk = list->chunks[item];

		if (wanted != NULL && tsdb_chunk_gist_rules_out(&list->gists[item], wanted))
			continue;
		if (list->values[item] != NULL && !has_value(list, list->values[item], rank, &chunk))
			continue;
		if (*count == allocated)
		{
			allocated *= 2;
			found = repalloc_huge(found, allocated * sizeof(TsdbListedChunk));
		}
		found[(*count)++] = chunk;
	}
	qsort(found, *count, sizeof(TsdbListedChunk), compare_chunks);
	return found;
}

void
tsdb_chunk_list_learn(TsdbChunkList *list, const TsdbListedChunk *chunk,
					  TsdbDirectoryView *view, const TsdbSegments *segments,
					  const TsdbColumn *column, const TsdbColumn *times)
{
	Size		bytes = offsetof(TsdbSeekValues, values) + segments->count * sizeof(TsdbSeekValue);
	const TsdbChunkSummary *summary = tsdb_directory_view_summary(view, 0);
	TsdbSeekValues *values;

	if (list->values[chunk->item] != NULL || segments->count > TSDB_SEEK_VALUES_MAX)
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
	list->values[chunk->item] = values;
	if (tsdb_directory_view_memory(view, 0, TSDB_MEMORY_SERIES) == NULL)
	{
		void	   *copy = tsdb_directory_view_alloc(view, bytes);

		if (copy != NULL)
			tsdb_directory_view_remember(view, 0, TSDB_MEMORY_SERIES, memcpy(copy, values, bytes));
	}
}
