/*
 * compact_always.c
 *		The testing mode that compacts at every opportunity.
 */
#include "postgres.h"

#include "worker/compact_always.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "postmaster/bgworker.h"
#include "stats/shared_memory.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "worker/compact.h"

bool		tsdb_compact_always = false;

/* In shared memory, without a lock: a worker more or less does no harm. */
typedef struct CompactAlwaysShared
{
	pg_atomic_uint64 writes;	/* transactions that wrote, in any database */
	pg_atomic_uint64 compacted; /* writes when a worker began that left nothing */
} CompactAlwaysShared;

static CompactAlwaysShared *shared = NULL;

static void
request_shmem(void)
{
	RequestAddinShmemSpace(MAXALIGN(sizeof(CompactAlwaysShared)));
}

static void
startup_shmem(void)
{
	bool		found;

	shared = ShmemInitStruct("tsdb compact always", sizeof(CompactAlwaysShared), &found);
	if (!found)
	{
		pg_atomic_init_u64(&shared->writes, 1);
		pg_atomic_init_u64(&shared->compacted, 0);
	}
}

void
tsdb_compact_always_init(void)
{
	tsdb_shared_memory_add(request_shmem, startup_shmem);
}

void
tsdb_compact_always_note(void)
{
	if (shared != NULL)
		pg_atomic_fetch_add_u64(&shared->writes, 1);
}

void
tsdb_compact_always_run(void)
{
	static bool running = false;
	BackgroundWorker worker = {0};
	BackgroundWorkerHandle *handle;

	if (running || MyBackendType != B_BACKEND || RecoveryInProgress() ||
		!IsUnderPostmaster || CritSectionCount > 0)
		return;
	if (shared != NULL &&
		pg_atomic_read_u64(&shared->writes) == pg_atomic_read_u64(&shared->compacted))
		return;
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(MyDatabaseId);
	worker.bgw_notify_pid = MyProcPid;
	strlcpy(worker.bgw_library_name, "tsdb", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "tsdb_compact_always_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "tsdb compact always", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "tsdb compact always", BGW_MAXLEN);

	running = true;
	PG_TRY();
	{
		if (RegisterDynamicBackgroundWorker(&worker, &handle))
			WaitForBackgroundWorkerShutdown(handle);
	}
	PG_FINALLY();
	{
		running = false;
	}
	PG_END_TRY();
}

/* OIDs of all tables that may have something to compact. */
static List *
list_tables(void)
{
	MemoryContext old;
	Relation	pg_class = table_open(RelationRelationId, AccessShareLock);
	TableScanDesc scan = table_beginscan_catalog(pg_class, 0, NULL);
	Oid			am = get_table_am_oid("tsdb", true);
	List	   *tables = NIL;
	HeapTuple	tuple;

	while (OidIsValid(am) &&
		   HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		if (form->relam != am || form->relpersistence == RELPERSISTENCE_TEMP ||
			(form->relkind != RELKIND_RELATION && form->relkind != RELKIND_MATVIEW))
			continue;
		old = MemoryContextSwitchTo(TopMemoryContext);
		tables = lappend_oid(tables, form->oid);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(pg_class, AccessShareLock);
	return tables;
}

/* Compact one table in a transaction; an error goes to the log only.  False if
 * something was left for later. */
static bool
compact_table(Oid relid)
{
	MemoryContext old = CurrentMemoryContext;
	TsdbCompactOptions options = {.merge = true,.nowait = true};
	TsdbCompactResult result = {0};

	StartTransactionCommand();
	PG_TRY();
	{
		tsdb_compact_relation(relid, &options, &result);
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		EmitErrorReport();
		AbortCurrentTransaction();
		FlushErrorState();
		result.done = false;
	}
	PG_END_TRY();
	return result.done && result.rows_kept == 0;
}

void
tsdb_compact_always_main(Datum database)
{
	uint64		writes = shared != NULL ? pg_atomic_read_u64(&shared->writes) : 0;
	bool		complete = true;
	List	   *tables;
	ListCell   *lc;

	BackgroundWorkerUnblockSignals();

	/* Who waits for us may hold what we wait for, and no detector would know. */
	SetConfigOption("lock_timeout", "1s", PGC_USERSET, PGC_S_OVERRIDE);
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(database), InvalidOid, 0);

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	tables = list_tables();
	PopActiveSnapshot();
	CommitTransactionCommand();

	foreach(lc, tables)
	{
		if (!compact_table(lfirst_oid(lc)))
			complete = false;
	}
	if (shared != NULL && complete)
		pg_atomic_write_u64(&shared->compacted, writes);
	proc_exit(0);
}
