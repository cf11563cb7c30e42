/*
 * shared_counters.h
 *		Arrays of counters in shared memory, which anybody reads and changes without a lock.
 *
 * For who wants to know that nothing has happened since he looked last.  Without preload there are none.
 */
#ifndef TSDB_STATS_SHARED_COUNTERS_H
#define TSDB_STATS_SHARED_COUNTERS_H

#include "lib/ilist.h"
#include "port/atomics.h"

typedef struct TsdbSharedCounters
{
	const char *name;			/* of the shared memory */
	int			count;
	uint64		first;			/* value that all begin with */
	pg_atomic_uint64 *counters; /* NULL: there are none */
	slist_node	next;
} TsdbSharedCounters;

/* When the library is loaded; the struct must stay. */
extern void tsdb_shared_counters_init(TsdbSharedCounters *array);

#endif							/* TSDB_STATS_SHARED_COUNTERS_H */
