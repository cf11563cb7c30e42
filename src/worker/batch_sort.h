/*
 * batch_sort.h
 *		Ordering the rows of a batch.
 *
 * Rows of a series mostly arrive in order of time, all series mixed.  So they are dealt out
 * by series, in order of arrival, and where not all did arrive in order of time, each series is
 * sorted on its own unless it turns out to be in order.
 */
#ifndef TSDB_WORKER_BATCH_SORT_H
#define TSDB_WORKER_BATCH_SORT_H

#include "worker/batch_series.h"

/* One row, as the sort sees it. */
typedef struct TsdbBatchItem
{
	int64		time;
	uint32		series;			/* number of its entry */
	bool		time_null;
} TsdbBatchItem;

/* The rows of one rank, in order. */
typedef struct TsdbBatchRank
{
	uint32		end;			/* place behind its last row, which the next rank begins at */
	uint32		shard;
} TsdbBatchRank;

/*
 * Set order to the places in items of count rows by (rank of series, time, nulls last, place),
 * given the series that they belong to.  in_time says that times of each ascend.  Returns the
 * ranks, palloc'd, one and more.
 */
extern TsdbBatchRank *tsdb_batch_sort(const TsdbBatchItem *items, uint32 count,
									  TsdbBatchSeries *series, bool in_time, uint32 *order,
									  uint32 *nranks);

#endif							/* TSDB_WORKER_BATCH_SORT_H */
