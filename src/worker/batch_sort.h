/*
 * batch_sort.h
 *		Ordering the rows of a batch.
 *
 * Rows mostly arrive in order of time, all series mixed.  So they are first
 * dealt out by a radix sort on the prefix, which is stable and touches only
 * bytes that differ, and then each run of equal prefixes is left alone if it
 * turns out to be in order.
 */
#ifndef TSDB_WORKER_BATCH_SORT_H
#define TSDB_WORKER_BATCH_SORT_H

/* One row, as the sort sees it. */
typedef struct TsdbBatchItem
{
	uint64		prefix;			/* what comes first in the order, as a number */
	int64		time;
	uint32		index;			/* order of arrival */
	bool		time_null;
} TsdbBatchItem;

/*
 * Sort items by prefix, then by compare, which is called for items of equal
 * prefix only and must order all of them.  spare has room for as many items.
 */
extern void tsdb_batch_sort(TsdbBatchItem *items, TsdbBatchItem *spare, uint32 count,
							int (*compare) (const void *, const void *, void *),
							void *arg);

#endif							/* TSDB_WORKER_BATCH_SORT_H */
