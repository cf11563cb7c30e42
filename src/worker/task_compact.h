/*
 * task_compact.h
 *		The background task that compacts one table.
 */
#ifndef TSDB_WORKER_TASK_COMPACT_H
#define TSDB_WORKER_TASK_COMPACT_H

#include "worker/schedule.h"

#define TSDB_COMPACT_BATCH_ROWS_DEFAULT 32768
#define TSDB_COMPACT_BATCH_ROWS_MIN 1024
#define TSDB_COMPACT_BATCH_ROWS_MAX 16777216

extern int	tsdb_compact_batch_rows;

extern void tsdb_task_compact(TsdbTask *task);

/*
 * True if the table is one that a worker can compact.  Needs a transaction, and
 * no lock, so the answer may be old when it is used.
 */
extern bool tsdb_task_compact_can(Oid relid);

#endif							/* TSDB_WORKER_TASK_COMPACT_H */
