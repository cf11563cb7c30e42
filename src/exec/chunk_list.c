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

/* Has the chunk rows of that rank?  Where the first of them comes may be known better then. */
static bool
has_value(const TsdbChunkList *list, const TsdbSeekValues *values, uint64 rank,
		  TsdbListedChunk *chunk)
{
	uint64		next = PG_UINT64_MAX;
	bool		found = false;

	for (int i = 0; i < values->count; i++)
	{
		const TsdbSeekValue *value = &values->values[i];
		int64		time = list->descending ? value->max_time : value->min_time;

		if (value->rank != rank)
			continue;
		found = true;
		if (list->order != NULL && values->time == list->order->attno)
			next = Min(next, tsdb_chunk_list_place(list, tsdb_key_rank(list->order,
																	   Int64GetDatum(time))));
	}
	if (found && next != PG_UINT64_MAX)
		chunk->next = Max(chunk->next, next);
	return found;
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

/* What is found of a chunk. */
typedef struct Listed
{
	TsdbListedChunk chunk;		/* must be first */
	uint64		low;
	uint64		high;
	TsdbSeekValues *values;
	TsdbChunkGist gist;
} Listed;

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
		const TsdbChunkSummary *summary = tsdb_scan_summary(scan);
		Listed	   *item;

		CHECK_FOR_INTERRUPTS();
		if (list->count == allocated)
		{
			allocated *= 2;
			listed = repalloc_huge(listed, allocated * sizeof(Listed));
		}
		item = &listed[list->count++];
		item->chunk.chunk = entry->chunk;
		item->chunk.next = first_place(list, summary);
		if (seek != NULL)
		{
			rank_range(seek, summary, &item->low, &item->high);
			item->values = copy_values(list, tsdb_scan_memory(scan));
			copy_shard(tsdb_scan_gist(scan), &item->gist);
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
			list->values[i] = listed[i].values;
			list->gists[i] = listed[i].gist;
		}
		list->tree = tsdb_box_tree_build(list->boxes, list->count, 1);
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
					  const TsdbColumn *column)
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
	if (segments->min_time != NULL && summary->columns[summary->key.time - 1].nnulls == 0)
		values->time = summary->key.time;
	for (uint32 i = 0; i < segments->count; i++)
	{
		uint32		row = segments->rows[i];
		TsdbSeekValue *value = &values->values[values->count];

		if (column->nulls[row])
			continue;
		value->rank = tsdb_key_rank(list->seek, column->values[row]);
		if (values->time != 0)
		{
			value->min_time = segments->min_time[i];
			value->max_time = segments->max_time[i];
		}
		values->count++;
	}
	list->values[chunk->item] = values;
	if (tsdb_directory_view_memory(view, 0) == NULL &&
		tsdb_directory_view_remember(view, 0, bytes) != NULL)
		memcpy(tsdb_directory_view_memory(view, 0), values, bytes);
}
