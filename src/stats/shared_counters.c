/*
 * shared_counters.c
 *		Arrays of counters in shared memory.
 */
#include "postgres.h"

#include "stats/shared_counters.h"

#include "miscadmin.h"
#include "stats/shared_memory.h"
#include "storage/shmem.h"

static slist_head arrays = SLIST_STATIC_INIT(arrays);

static Size
bytes_of(const TsdbSharedCounters *array)
{
	return array->count * sizeof(pg_atomic_uint64);
}

static void
request_counters(void)
{
	slist_iter	iter;

	slist_foreach(iter, &arrays)
		RequestAddinShmemSpace(bytes_of(slist_container(TsdbSharedCounters, next, iter.cur)));
}

static void
start_counters(void)
{
	slist_iter	iter;

	slist_foreach(iter, &arrays)
	{
		TsdbSharedCounters *array = slist_container(TsdbSharedCounters, next, iter.cur);
		bool		found;

		array->counters = ShmemInitStruct(array->name, bytes_of(array), &found);
		for (int i = 0; i < array->count && !found; i++)
			pg_atomic_init_u64(&array->counters[i], array->first);
	}
}

void
tsdb_shared_counters_init(TsdbSharedCounters *array)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	if (slist_is_empty(&arrays))
		tsdb_shared_memory_add(request_counters, start_counters);
	slist_push_head(&arrays, &array->next);
}
