/*
 * change_count.c
 *		How often directories were changed, by all sessions.
 */
#include "postgres.h"

#include "store/change_count.h"

#include "access/xlog.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "stats/shared_counters.h"

/* A count is never 0. */
static TsdbSharedCounters changes = {.name = "tsdb directory changes",.count = 4096,.first = 1};

static pg_atomic_uint64 *
counter_of(Oid directory)
{
	return &changes.counters[murmurhash32(directory ^ murmurhash32(MyDatabaseId)) % changes.count];
}

uint64
tsdb_change_count_get(Oid directory)
{
	if (changes.counters == NULL || RecoveryInProgress())
		return 0;
	pg_read_barrier();
	return pg_atomic_read_u64(counter_of(directory));
}

void
tsdb_change_count_add(Oid directory)
{
	if (changes.counters != NULL)
		pg_atomic_fetch_add_u64(counter_of(directory), 1);
}

void
tsdb_change_count_init(void)
{
	tsdb_shared_counters_init(&changes);
}
