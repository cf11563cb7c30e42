/*
 * compact_always.c
 *		The testing mode that compacts at every opportunity.
 */
#include "postgres.h"

#include "worker/compact_always.h"

#include "access/htup_details.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "worker/compact.h"

bool		tsdb_compact_always = false;

void
tsdb_compact_always_run(void)
{
	static bool running = false;
	BackgroundWorker worker = {0};
	BackgroundWorkerHandle *handle;

	if (running || MyBackendType != B_BACKEND || RecoveryInProgress() ||
		!IsUnderPostmaster || CritSectionCount > 0)
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

/* Compact one table in a transaction; an error goes to the log only. */
static void
compact_table(Oid relid)
{
	MemoryContext old = CurrentMemoryContext;
	TsdbCompactOptions options = {.merge = true,.nowait = true};
	TsdbCompactResult result;

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
	}
	PG_END_TRY();
}

void
tsdb_compact_always_main(Datum database)
{
	List	   *tables;
	ListCell   *lc;

	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(database), InvalidOid, 0);

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	tables = list_tables();
	PopActiveSnapshot();
	CommitTransactionCommand();

	foreach(lc, tables)
		compact_table(lfirst_oid(lc));
	proc_exit(0);
}
