/*
 * change_count.c
 *		How often directories were changed, by all sessions.
 */
#include "postgres.h"

#include "store/change_count.h"

#include "access/xlog.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#define COUNTERS		4096

static pg_atomic_uint64 *counters = NULL;
static shmem_request_hook_type previous_request = NULL;
static shmem_startup_hook_type previous_startup = NULL;

static pg_atomic_uint64 *
counter_of(Oid directory)
{
	return &counters[murmurhash32(directory ^ murmurhash32(MyDatabaseId)) % COUNTERS];
}

uint64
tsdb_change_count_get(Oid directory)
{
	if (counters == NULL || RecoveryInProgress())
		return 0;
	pg_read_barrier();
	return pg_atomic_read_u64(counter_of(directory));
}

void
tsdb_change_count_add(Oid directory)
{
	if (counters != NULL)
		pg_atomic_fetch_add_u64(counter_of(directory), 1);
}

static void
request_counters(void)
{
	if (previous_request)
		previous_request();
	RequestAddinShmemSpace(COUNTERS * sizeof(pg_atomic_uint64));
}

static void
start_counters(void)
{
	bool		found;

	if (previous_startup)
		previous_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	counters = ShmemInitStruct("tsdb directory changes", COUNTERS * sizeof(pg_atomic_uint64),
							   &found);
	for (int i = 0; i < COUNTERS && !found; i++)
		pg_atomic_init_u64(&counters[i], 1);
	LWLockRelease(AddinShmemInitLock);
}

void
tsdb_change_count_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_request = shmem_request_hook;
	shmem_request_hook = request_counters;
	previous_startup = shmem_startup_hook;
	shmem_startup_hook = start_counters;
}
