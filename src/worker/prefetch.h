/*
 * prefetch.h
 *		Loading what is expected to be read: from the log of accesses to tasks for workers.
 *
 * In its rounds the launcher takes what scans have written (cache/access_log.h), feeds the predictor
 * (cache/predict.h), and adds a task (worker/task_prefetch.h) for each prediction when it is due.  While there is
 * something to take it comes back every few milliseconds by itself; otherwise the first scan that ends wakes it.
 *
 * The predictor's memory is the launcher's own.  If the launcher dies, what was learnt is forgotten; shared
 * memory has counters only, and the ring by which workers say how much they have loaded.
 *
 * No more than PREFETCH_RATE tasks a second are added, and what the queue has no room for is dropped: a
 * prediction is of use for seconds.
 *
 * For a replay without a server, accesses can be written to a file (tsdb.access_trace).  That is a setting, not a function,
 * since the launcher is the one who takes accesses out of the log, and has them in order.
 */
#ifndef TSDB_WORKER_PREFETCH_H
#define TSDB_WORKER_PREFETCH_H

#include "cache/predict.h"

/* megabytes; a trace that is as long gets no longer */
#define TSDB_ACCESS_TRACE_MAX	1024

/* What of a table is to be loaded: the payload of a task.  Behind it lie ranks, hashes and columns. */
typedef struct TsdbPrefetchOrder
{
	int64		from;			/* times, both included */
	int64		to;
	uint64		key;			/* as TsdbChunkWanted.series */
	uint32		promise;
	int16		time;			/* columns */
	int16		rank;
	uint8		nranks;
	uint8		nhashes;
	uint8		ncolumns;
	bool		paired;
	bool		edges;
} TsdbPrefetchOrder;

/* Unpack it; what it takes is zero. */
extern void tsdb_prefetch_order_read(const TsdbPrefetchOrder *order, TsdbAccess *access);

/* A worker has loaded so many vectors for it. */
extern void tsdb_prefetch_loaded(uint32 promise, uint32 vectors);

/* What became of predictions of a pattern since the server started; false without preload. */
extern bool tsdb_prefetch_counts(TsdbPattern pattern, TsdbPatternCounts *counts);

/* When the library is loaded. */
extern void tsdb_prefetch_init(void);

#endif							/* TSDB_WORKER_PREFETCH_H */
