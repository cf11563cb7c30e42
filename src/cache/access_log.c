/*
 * access_log.c
 *		Accesses on their way from scans to who learns from them, in shared memory.
 */
#include "postgres.h"

#include "cache/access_log.h"

#include "access/xlog.h"
#include "cache/working_set.h"
#include "lockfree/ring.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "stats/shared_memory.h"
#include "storage/shmem.h"
#include "utils/guc.h"

bool		tsdb_enable_prefetch = true;
void		(*tsdb_access_log_wake) (void) = NULL;

/* Before the ring. */
typedef struct AccessLog
{
	pg_atomic_uint32 resting;	/* who reads; the first to write wakes him */
} AccessLog;

static AccessLog *the_log = NULL;
static TsdbRing *ring = NULL;

static Size
ring_bytes(void)
{
	return tsdb_ring_bytes(TSDB_ACCESS_LOG_CAPACITY, sizeof(TsdbAccess));
}

bool
tsdb_access_log_wants(Relation rel)
{
	return ring != NULL && tsdb_enable_prefetch && tsdb_enable_cache &&
		tsdb_working_set_cache() != NULL && MyBackendType == B_BACKEND &&
		!RelationUsesLocalBuffers(rel) && !RecoveryInProgress();
}

void
tsdb_access_log_add(const TsdbAccess *access)
{
	if (!tsdb_ring_push(ring, access, sizeof(TsdbAccess)))
		return;
	/* who rests looks once more after he has said so; both sides write first, then read */
	pg_memory_barrier();
	if (pg_atomic_read_u32(&the_log->resting) != 0 &&
		pg_atomic_exchange_u32(&the_log->resting, 0) != 0 && tsdb_access_log_wake != NULL)
		tsdb_access_log_wake();
}

uint32
tsdb_access_log_take(TsdbAccess *accesses, uint32 max)
{
	return ring == NULL ? 0 : tsdb_ring_pop_many(ring, accesses, max, sizeof(TsdbAccess));
}

bool
tsdb_access_log_rest(void)
{
	if (ring == NULL)
		return true;
	pg_atomic_write_u32(&the_log->resting, 1);
	pg_memory_barrier();
	if (tsdb_ring_length(ring) == 0)
		return true;
	pg_atomic_write_u32(&the_log->resting, 0);
	return false;
}

static void
request(void)
{
	RequestAddinShmemSpace(MAXALIGN(sizeof(AccessLog)));
	RequestAddinShmemSpace(add_size(ring_bytes(), TSDB_RING_ALIGN));
}

static void
startup(void)
{
	void	   *memory;
	bool		found;

	the_log = ShmemInitStruct("tsdb access log", sizeof(AccessLog), &found);
	if (!found)
		pg_atomic_init_u32(&the_log->resting, 1);
	memory = ShmemInitStruct("tsdb accesses", ring_bytes() + TSDB_RING_ALIGN, &found);
	memory = (void *) TYPEALIGN(TSDB_RING_ALIGN, memory);
	ring = found ? memory : tsdb_ring_init(memory, TSDB_ACCESS_LOG_CAPACITY, sizeof(TsdbAccess));
}

void
tsdb_access_log_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	DefineCustomBoolVariable("tsdb.enable_prefetch",
							 "Lets background workers load what the sequence of queries says comes next.",
							 "Columns of chunks are decoded into the cache (tsdb.cache_size).",
							 &tsdb_enable_prefetch, true,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	tsdb_shared_memory_add(request, startup);
}
