/*
 * park.c
 *		Sleep for a moment, until another process says so.
 */
#include "postgres.h"

#include "ingest/park.h"

#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#endif

#include "miscadmin.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "stats/shared_memory.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "storage/proc.h"
#include "storage/shmem.h"

#ifdef __linux__

enum
{
	EMPTY,
	PARKED,
	UNPARKED
};

/* Of a process, on a cache line of its own. */
typedef union ParkingSlot
{
	pg_atomic_uint32 word;
	char		line[PG_CACHE_LINE_SIZE];
} ParkingSlot;

static ParkingSlot *parking_slots = NULL;		/* by pgprocno */

static Size
shared_bytes(void)
{
	return add_size(mul_size(MaxBackends, sizeof(ParkingSlot)), PG_CACHE_LINE_SIZE);
}

static void
shmem_request(void)
{
	RequestAddinShmemSpace(shared_bytes());
}

static void
shmem_startup(void)
{
	bool		found;
	char	   *memory = ShmemInitStruct("tsdb parking slots", shared_bytes(), &found);

	parking_slots = (ParkingSlot *) TYPEALIGN(PG_CACHE_LINE_SIZE, memory);
	for (int i = 0; i < MaxBackends && !found; i++)
		pg_atomic_init_u32(&parking_slots[i].word, EMPTY);
}

void
tsdb_park_init(void)
{
	tsdb_shared_memory_add(shmem_request, shmem_startup);
}

bool
tsdb_park(long ms)
{
	pg_atomic_uint32 *word = &parking_slots[MyProc->pgprocno].word;

	if (pg_atomic_exchange_u32(word, PARKED) != UNPARKED)
	{
		struct timespec timeout = {.tv_nsec = Min(ms, TSDB_PARK_MAX) * 1000000L};

		/* It does not sleep if the word has changed; errors are those of who was not unparked. */
		pgstat_report_wait_start(PG_WAIT_EXTENSION);
		(void) syscall(SYS_futex, word, FUTEX_WAIT, PARKED, &timeout, NULL, 0);
		pgstat_report_wait_end();
		if (!PostmasterIsAlive())
			proc_exit(1);
	}

	/* A full barrier: what the caller looks at next is as new as the call. */
	return pg_atomic_exchange_u32(word, EMPTY) == UNPARKED;
}

void
tsdb_unpark(int procno)
{
	pg_atomic_uint32 *word = &parking_slots[procno].word;

	if (pg_atomic_exchange_u32(word, UNPARKED) == PARKED)
		(void) syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

#else

void
tsdb_park_init(void)
{
}

bool
tsdb_park(long ms)
{
	int			events = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
								   Min(ms, TSDB_PARK_MAX), PG_WAIT_EXTENSION);

	ResetLatch(MyLatch);
	return (events & WL_LATCH_SET) != 0;
}

void
tsdb_unpark(int procno)
{
	SetLatch(&ProcGlobal->allProcs[procno].procLatch);
}

#endif
