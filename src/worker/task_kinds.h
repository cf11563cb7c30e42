/*
 * task_kinds.h
 *		The kinds of background tasks: what each is called, how urgent it is, what does it.
 */
#ifndef TSDB_WORKER_TASK_KINDS_H
#define TSDB_WORKER_TASK_KINDS_H

#include "worker/pool.h"
#include "worker/schedule.h"

typedef struct TsdbTaskKindInfo
{
	const char *name;
	const char *context;		/* of its errors; %s is the table's name */
	TsdbWorkerState state;		/* what its worker is said to do */

	/*
	 * Does it, outside of a transaction and with none left behind, in CurrentMemoryContext, which is reset afterwards.  An error fails the
	 * task: it is reported, kept for the views, and the task is tried again, later and later.  NULL: no such tasks are taken.
	 */
	void		(*run) (TsdbTask *task);

	/*
	 * A long task is done by a worker that sleeps in between (tsdb.compact_duty), and given up after a time slice when others wait.
	 * Others take milliseconds, and workers that sleep do them meanwhile.
	 */
	bool		is_long;
	bool		many;			/* a table may have several, told apart by their payloads */
	int			tries_max;		/* after so many it is dropped; 0: never */
} TsdbTaskKindInfo;

extern const TsdbTaskKindInfo tsdb_task_kinds[TSDB_TASK_KINDS];

#endif							/* TSDB_WORKER_TASK_KINDS_H */
