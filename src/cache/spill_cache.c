/*
 * spill_cache.c
 *		The spill cache: what leaves the working set goes to a file.
 */
#include "postgres.h"

#include "cache/spill_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xlog.h"
#include "cache/vector_pages.h"
#include "cache/working_set.h"
#include "catalog/pg_control.h"
#include "common/controldata_utils.h"
#include "common/file_perm.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "stats/shared_memory.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/memdebug.h"
#include "utils/memutils.h"

int			tsdb_spill_cache_size = TSDB_SPILL_SIZE_DEFAULT;
char	   *tsdb_spill_cache_path = NULL;

static uint32 contents_version;
static void (*leave_at_shutdown) (void);

static TsdbSpillStore the_store;
static TsdbSpillStore *store = NULL;	/* the_store, if there is one */
static int	file = -1;			/* opened by the postmaster, inherited by its children */
static char file_name[MAXPGPATH];
static int	file_errno;			/* of the call that has failed */

static uint64
file_bytes(void)
{
	return Max((uint64) tsdb_spill_cache_size * 1024, TSDB_SPILL_BYTES_MIN);
}

static bool
is_wanted(void)
{
	return tsdb_spill_cache_size > 0 && tsdb_cache_size > 0;
}

/* ---- the file ---- */

/* Read from the file, or write to it; a disk that takes nothing more is full. */
static bool
transfer(bool writes, char *at, size_t bytes, uint64_t offset)
{
	pgstat_report_wait_start(PG_WAIT_EXTENSION);
	while (bytes > 0)
	{
		ssize_t		n = writes ? pwrite(file, at, bytes, (off_t) offset) :
			pread(file, at, bytes, (off_t) offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
		{
			file_errno = n < 0 ? errno : writes ? ENOSPC : EIO;
			break;
		}
		at += n;
		bytes -= (size_t) n;
		offset += (uint64) n;
	}
	pgstat_report_wait_end();
	return bytes == 0;
}

static bool
read_file(void *arg, void *buffer, size_t bytes, uint64_t offset)
{
	return transfer(false, buffer, bytes, offset);
}

static bool
write_file(void *arg, const void *buffer, size_t bytes, uint64_t offset)
{
	return transfer(true, unconstify(void *, buffer), bytes, offset);
}

static bool
sync_file(void *arg)
{
	if (!enableFsync || fsync(file) == 0)
		return true;
	file_errno = errno;
	return false;
}

/* The store has gone off; others have the space. */
static void
give_up(void *arg)
{
	bool		cut = ftruncate(file, 0) == 0;

	errno = file_errno;
	ereport(LOG,
			(errcode_for_file_access(),
			 errmsg("spill cache is turned off: could not use file \"%s\": %m", file_name),
			 cut ? errdetail("The file was emptied.") : 0));
}

/* Open and lock the file. */
static bool
open_file(void)
{
	const char *directory = tsdb_spill_cache_path != NULL && tsdb_spill_cache_path[0] != '\0' ?
	tsdb_spill_cache_path : DataDir;

	/* a restart after a crash of a process */
	if (file >= 0)
		return true;
	snprintf(file_name, sizeof(file_name), "%s/" PG_TEMP_FILE_PREFIX "_tsdb_" UINT64_FORMAT ".spill",
			 directory, GetSystemIdentifier());
	file = open(file_name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | PG_BINARY, pg_file_create_mode);
	if (file < 0)
	{
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("spill cache is turned off: could not open file \"%s\": %m", file_name)));
		return false;
	}
	if (flock(file, LOCK_EX | LOCK_NB) == 0)
		return true;
	ereport(LOG,
			(errcode_for_file_access(),
			 errmsg("spill cache is turned off: could not lock file \"%s\": %m", file_name),
			 errhint("Perhaps a standby on the same machine uses it: give each server a tsdb.spill_cache_path of its own.")));
	close(file);
	file = -1;
	return false;
}

/* ---- start and end ---- */

/* What the control file says of the cluster, and whether that was shut down cleanly. */
static bool
find_identity(TsdbSpillIdentity *identity, bool *clean)
{
	bool		sound;
	ControlFileData *control = get_controlfile(DataDir, &sound);

	*clean = control->state == DB_SHUTDOWNED || control->state == DB_SHUTDOWNED_IN_RECOVERY;
	identity->system = control->system_identifier;
	identity->timeline = control->checkPointCopy.ThisTimeLineID;
	identity->contents = contents_version;
	pfree(control);
	return sound;
}

/*
 * The server is shut down, all other processes have gone.  The exit code says nothing of an immediate shutdown.
 */
static void
at_exit(int code, Datum arg)
{
	TsdbSpillIdentity identity;
	bool		clean;

	if (code != 0 || store == NULL || !tsdb_spill_store_is_on(store) ||
		!find_identity(&identity, &clean) || !clean)
		return;
	leave_at_shutdown();
	if (!tsdb_spill_store_close(store, &identity))
		ereport(LOG,
				(errmsg("could not save the index of the spill cache"),
				 errdetail("The server will start with an empty one.")));
}

static void
start_store(void *memory)
{
	static const char *const why[] = {
		[TSDB_SPILL_NEW] = NULL,
		[TSDB_SPILL_FOREIGN] = "It is another cluster's, or another timeline's.",
		[TSDB_SPILL_OPEN] = "The server was not shut down cleanly.",
		[TSDB_SPILL_DAMAGED] = "It is damaged.",
	};
	static const TsdbSpillFile calls = {
		.read = read_file,.write = write_file,.sync = sync_file,.failed = give_up
	};
	static void *scratch = NULL;
	TsdbSpillIdentity identity;
	TsdbSpillLoad found;
	bool		clean;

	if (!find_identity(&identity, &clean) || !open_file())
		return;
	if (scratch == NULL)
		scratch = MemoryContextAllocHuge(TopMemoryContext,
										 tsdb_spill_store_scratch_bytes(TSDB_VECTOR_PAGE_MAX));
	else
		tsdb_spill_store_detach(&the_store);
	if (!tsdb_spill_store_attach(&the_store, memory, scratch, TSDB_VECTOR_PAGE_MAX, &identity, &calls))
		return;
	found = tsdb_spill_store_open(&the_store, &identity);
	if (found == TSDB_SPILL_FAILED)
	{
		give_up(NULL);
		return;
	}
	if (found != TSDB_SPILL_LOADED)
	{
		/* nothing of it is used; the space is free until it is needed */
		if (ftruncate(file, TSDB_SPILL_HEADER) != 0)
			ereport(LOG,
					(errcode_for_file_access(),
					 errmsg("could not truncate file \"%s\": %m", file_name)));
		if (why[found] != NULL)
			ereport(LOG,
					(errmsg("spill cache begins empty"),
					 errdetail_internal("%s", why[found])));
	}
	store = &the_store;
	on_shmem_exit(at_exit, (Datum) 0);
}

static void
request(void)
{
	if (is_wanted())
		RequestAddinShmemSpace(add_size(tsdb_spill_store_bytes(file_bytes()),
										TSDB_VECTOR_CACHE_ALIGN));
}

static void
startup(void)
{
	void	   *memory;
	bool		found;

	if (!is_wanted())
		return;
	memory = ShmemInitStruct("tsdb spill cache",
							 tsdb_spill_store_bytes(file_bytes()) + TSDB_VECTOR_CACHE_ALIGN, &found);
	memory = (void *) TYPEALIGN(TSDB_VECTOR_CACHE_ALIGN, memory);
	if (!found)
	{
		store = NULL;
		if (tsdb_spill_store_init(memory, file_bytes()))
			start_store(memory);
	}
}

void
tsdb_spill_cache_init(uint32 contents, void (*at_shutdown) (void))
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	contents_version = contents;
	leave_at_shutdown = at_shutdown;
	DefineCustomIntVariable("tsdb.spill_cache_size",
							"Sets the size of a file for what the shared memory of tsdb.cache_size has no room for.",
							"It is used after a restart, too. Zero disables it.",
							&tsdb_spill_cache_size, TSDB_SPILL_SIZE_DEFAULT, 0, TSDB_SPILL_SIZE_MAX,
							PGC_POSTMASTER, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomStringVariable("tsdb.spill_cache_path",
							   "Sets the directory of that file, preferably on a local disk.",
							   "If empty, it is the data directory.",
							   &tsdb_spill_cache_path, "",
							   PGC_POSTMASTER, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	tsdb_shared_memory_add(request, startup);
}

/* ---- use ---- */

bool
tsdb_spill_cache_find(const TsdbVectorKey *key, TsdbSpilled *found)
{
	return store != NULL && tsdb_spill_store_find(store, key, found);
}

bool
tsdb_spill_cache_copy(void *data)
{
	return tsdb_spill_store_copy(store, data);
}

void
tsdb_spill_cache_put(void *arg, const TsdbVectorKey *key, uint32 tag, const void *data,
					 uint32 bytes, bool used)
{
	/* memcheck does not know what other processes have written there; and gaps between values nobody writes */
	VALGRIND_MAKE_MEM_DEFINED(data, bytes);
	if (store != NULL)
		tsdb_spill_store_put(store, key, tag, data, bytes, used);
}

bool
tsdb_spill_cache_counts(TsdbSpillCounts *counts)
{
	if (store == NULL)
		return false;
	tsdb_spill_store_counts(store, counts);
	return true;
}

uint64
tsdb_spill_cache_entries(void)
{
	return store == NULL ? 0 : tsdb_spill_store_entries(store);
}

void
tsdb_spill_cache_reset(void)
{
	if (store != NULL)
		tsdb_spill_store_clear(store);
}
