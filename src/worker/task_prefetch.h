/*
 * task_prefetch.h
 *		The background task that loads columns of chunks into the cache before they are asked for.
 *
 * It finds the chunks of the series and times that it is told by the directory, as a scan would, and decodes
 * the columns that are not in the cache yet.  It gives way to everybody: it does not wait for a lock of
 * the table, ends as soon as somebody waits for its own, and lets nothing go from the cache that is hotter.
 *
 * It reads as a worker does, whoever's query made the prediction, and shows nothing to anybody: what it leaves are
 * decoded columns, which only who sees the chunk's directory tuple can ask for.
 */
#ifndef TSDB_WORKER_TASK_PREFETCH_H
#define TSDB_WORKER_TASK_PREFETCH_H

#include "worker/schedule.h"

extern void tsdb_task_prefetch(TsdbTask *task);

#endif							/* TSDB_WORKER_TASK_PREFETCH_H */
