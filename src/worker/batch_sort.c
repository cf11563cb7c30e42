/*
 * batch_sort.c
 *		Ordering the rows of a batch.
 */
#include "postgres.h"

#include "worker/batch_sort.h"

#include "miscadmin.h"

/* Order of two rows of one rank: by time, nulls last, and arrival. */
static inline int
compare_rows(const TsdbBatchItem *items, uint32 a, uint32 b)
{
	if (items[a].time != items[b].time)
		return items[a].time < items[b].time ? -1 : 1;
	if (items[a].time_null != items[b].time_null)	/* a null comes after infinity */
		return items[a].time_null ? 1 : -1;
	return a < b ? -1 : a > b;
}

static int
compare_places(const void *left, const void *right, void *items)
{
	return compare_rows(items, *(const uint32 *) left, *(const uint32 *) right);
}

/* Sort the rows of one rank, unless they are in order. */
static void
sort_rank(const TsdbBatchItem *items, uint32 *order, uint32 count)
{
	for (uint32 i = 1; i < count; i++)
	{
		if (compare_rows(items, order[i - 1], order[i]) > 0)
		{
			qsort_arg(order, count, sizeof(uint32), compare_places,
					  unconstify(TsdbBatchItem *, items));
			return;
		}
	}
}

TsdbBatchRank *
tsdb_batch_sort(const TsdbBatchItem *items, uint32 count, TsdbBatchSeries *series,
				bool in_time, uint32 *order, uint32 *nranks_out)
{
	uint32		nranks = tsdb_batch_series_rank(series);
	TsdbBatchRank *ranks = palloc0((nranks + 1) * sizeof(TsdbBatchRank));
	uint32		nentries;
	const TsdbBatchSeriesEntry *entries = tsdb_batch_series_entries(series, &nentries);
	uint32		next = 0;

	/* Until rows are dealt out, end is where the next row of a rank goes. */
	for (uint32 i = 0; i < nentries; i++)
	{
		ranks[entries[i].rank].end += entries[i].rows;
		ranks[entries[i].rank].shard = entries[i].shard;
	}
	for (uint32 rank = 0; rank < nranks; rank++)
	{
		uint32		rows = ranks[rank].end;

		ranks[rank].end = next;
		next += rows;
	}
	for (uint32 i = 0; i < count; i++)
		order[ranks[entries[items[i].series].rank].end++] = i;

	in_time = in_time && nranks == nentries;
	for (uint32 rank = 0, first = 0; rank < nranks && !in_time; rank++)
	{
		sort_rank(items, order + first, ranks[rank].end - first);
		first = ranks[rank].end;
		if (rank % 64 == 0)
			CHECK_FOR_INTERRUPTS();
	}
	*nranks_out = nranks;
	return ranks;
}
