/*
 * task_look.c
 *		The background task that looks for tables of a database that have work.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/smgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "store/table_cold.h"
#include "worker/task_compact.h"
#include "worker/task_look.h"

#define ACCESS_METHOD_NAME "tsdb"

/* what a page of a row store may hold, when only its size is known */
#define ROWS_PER_PAGE_GUESS 64

/*
 * Notes every table of this database whose row store is not empty, or whose chunks
 * get to be cold.
 *
 * A row store of dead tuples only is noted too; the compaction that follows
 * finds nothing, and VACUUM truncates it some day.
 */
void
tsdb_task_look(TsdbTask *task)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			am;
	List	   *relids = NIL;
	ListCell   *lc;
	MemoryContext oldcontext;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	am = get_table_am_oid(ACCESS_METHOD_NAME, true);
	if (OidIsValid(am))
	{
		Relation	pg_class = table_open(RelationRelationId, AccessShareLock);
		SysScanDesc scan = systable_beginscan(pg_class, InvalidOid, false, NULL, 0, NULL);
		HeapTuple	tuple;

		while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		{
			Form_pg_class class = (Form_pg_class) GETSTRUCT(tuple);

			if (class->relam != am || class->relpersistence == RELPERSISTENCE_TEMP)
				continue;
			oldcontext = MemoryContextSwitchTo(context);
			relids = lappend_oid(relids, class->oid);
			MemoryContextSwitchTo(oldcontext);
		}
		systable_endscan(scan);
		table_close(pg_class, AccessShareLock);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();

	foreach(lc, relids)
	{
		Oid			relid = lfirst_oid(lc);
		int64		rows = 1;

		CHECK_FOR_INTERRUPTS();
		StartTransactionCommand();

		/* a table that somebody has locked is noted unseen */
		if (ConditionalLockRelationOid(relid, AccessShareLock))
		{
			Relation	rel = tsdb_task_compact_can(relid) ? try_relation_open(relid, NoLock) : NULL;

			rows = 0;
			if (rel != NULL)
			{
				/* not the table's size, which may count more than this fork */
				rows = (int64) smgrnblocks(RelationGetSmgr(rel), MAIN_FORKNUM) *
					ROWS_PER_PAGE_GUESS;
				if (rows == 0 && tsdb_table_cold_age(rel) != TSDB_COLD_AGE_NEVER)
					rows = 1;
				relation_close(rel, NoLock);
			}
			UnlockRelationOid(relid, AccessShareLock);
		}
		CommitTransactionCommand();

		tsdb_work_note(MyDatabaseId, relid, rows);
	}
}
