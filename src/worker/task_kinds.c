/*
 * task_kinds.c
 *		The kinds of background tasks: what each is called, how urgent it is, what does it.
 *
 * Draining the rings of tsdb.ingest() is no kind.  Rows lie there that somebody was told are safe but for a crash, so
 * who drains must be there as long as they are, whatever tsdb.workers says and however busy the pool is: it has a process of
 * its own (drain.h).  Neither is making relations for a load (grow.h): the load waits for that.
 */
#include "postgres.h"

#include "worker/task_kinds.h"

#include "worker/task_compact.h"
#include "worker/task_look.h"
#include "worker/task_prefetch.h"

const TsdbTaskKindInfo tsdb_task_kinds[TSDB_TASK_KINDS] = {
	[TSDB_TASK_LOOK] = {
		.name = "look",
		.context = "background search for tables to compact",
		.state = TSDB_WORKER_LOOKING,
		.run = tsdb_task_look,
		.is_long = true,
	},
	[TSDB_TASK_COMPACT] = {
		.name = "compact",
		.context = "background compaction of table %s",
		.state = TSDB_WORKER_COMPACTING,
		.run = tsdb_task_compact,
		.is_long = true,
	},
	[TSDB_TASK_PREFETCH] = {
		.name = "prefetch",
		.context = "prefetch for table %s",
		.state = TSDB_WORKER_PREFETCHING,
		.run = tsdb_task_prefetch,
		.many = true,
		.tries_max = 1,			/* by then the query has read it */
	},
};
