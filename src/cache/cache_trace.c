/*
 * cache_trace.c
 *		What this session has looked up in the working set, one by one.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "cache/cache_trace.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#define TOUCHES_FIRST	1024

bool		tsdb_trace_cache = false;

static TsdbCacheTouch *touches = NULL;
static int	ntouches = 0;
static int	max_touches = 0;

void
tsdb_cache_trace_write(uint64 generation, int16 column, TsdbCacheOutcome outcome)
{
	if (IsParallelWorker())
		return;
	if (ntouches == max_touches)
	{
		int			wanted = Max(TOUCHES_FIRST, max_touches * 2);
		TsdbCacheTouch *larger;

		if (wanted > TSDB_CACHE_TRACE_MAX)
			return;
		larger = MemoryContextAllocExtended(TopMemoryContext, wanted * sizeof(TsdbCacheTouch),
											MCXT_ALLOC_NO_OOM);
		if (larger == NULL)
			return;
		if (touches != NULL)
		{
			memcpy(larger, touches, ntouches * sizeof(TsdbCacheTouch));
			pfree(touches);
		}
		touches = larger;
		max_touches = wanted;
	}
	touches[ntouches++] = (TsdbCacheTouch) {generation, column, (char) outcome};
}

const TsdbCacheTouch *
tsdb_cache_trace_get(int *count)
{
	*count = ntouches;
	return touches;
}

void
tsdb_cache_trace_clear(void)
{
	if (touches != NULL)
		pfree(touches);
	touches = NULL;
	ntouches = max_touches = 0;
}

void
tsdb_cache_trace_init(void)
{
	DefineCustomBoolVariable("tsdb.trace_cache",
							 "Writes down which vectors this session looks up in the working set.",
							 "For benchmarks, which take the records by tsdb.take_cache_trace().",
							 &tsdb_trace_cache, false,
							 PGC_SUSET, GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);
}
