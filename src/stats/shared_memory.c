/*
 * shared_memory.c
 *		The modules' shares of the server's shared memory.
 */
#include "postgres.h"

#include "stats/shared_memory.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#define SHARES_MAX	16

typedef struct Share
{
	void		(*request) (void);
	void		(*startup) (void);
} Share;

static Share shares[SHARES_MAX];
static int	nshares = 0;
static shmem_request_hook_type previous_request = NULL;
static shmem_startup_hook_type previous_startup = NULL;

static void
request_all(void)
{
	if (previous_request)
		previous_request();
	for (int i = 0; i < nshares; i++)
		shares[i].request();
}

static void
start_all(void)
{
	if (previous_startup)
		previous_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (int i = 0; i < nshares; i++)
		shares[i].startup();
	LWLockRelease(AddinShmemInitLock);
}

void
tsdb_shared_memory_add(void (*request) (void), void (*startup) (void))
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	if (nshares == 0)
	{
		previous_request = shmem_request_hook;
		shmem_request_hook = request_all;
		previous_startup = shmem_startup_hook;
		shmem_startup_hook = start_all;
	}
	if (nshares == SHARES_MAX)
		elog(ERROR, "too many shares of shared memory");
	shares[nshares++] = (Share) {request, startup};
}
