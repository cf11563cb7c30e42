/*
 * verify.c
 *		tsdb.verify(): every fault of a table, one row each; and what removes them.
 *
 * The lock is that of VACUUM and compaction, which are what could change the
 * directory, shards, moves and index entries of chunk rows: SELECT, INSERT,
 * UPDATE and DELETE go on.  On a standby nothing but AccessShareLock is to be
 * had; there, what needs VACUUM kept away is left out.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/xlog.h"
#include "am/handler.h"
#include "am/verify_index.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "stats/progress.h"
#include "storage/lmgr.h"
#include "store/chunk_tid.h"
#include "store/drop_damaged.h"
#include "store/storage.h"
#include "store/verify.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(tsdb_verify);
PG_FUNCTION_INFO_V1(tsdb_drop_chunk);
PG_FUNCTION_INFO_V1(tsdb_drop_orphans);

static void
check_owner(Oid relid)
{
	char		relkind = get_rel_relkind(relid);

	if (relkind == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	if (!pg_class_ownercheck(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(relkind),
					   get_rel_name(relid));
}

static void
check_table(Relation rel)
{
	if (!RELKIND_HAS_STORAGE(rel->rd_rel->relkind) || !tsdb_is_table(rel))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table of access method tsdb",
						RelationGetRelationName(rel)),
				 errhint("Tables of access method heap are verified by pg_amcheck.")));
	if (RELATION_IS_OTHER_TEMP(rel))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot access temporary tables of other sessions")));
}

static void
put_fault(TsdbVerify *verify, const TsdbFault *fault)
{
	ReturnSetInfo *rsinfo = verify->arg;
	TupleDesc	tupdesc = RelationGetDescr(verify->table);
	Datum		values[8];
	bool		nulls[8] = {0};
	ItemPointerData place = fault->place;
	bool		has_place = BlockNumberIsValid(ItemPointerGetBlockNumberNoCheck(&place));

	values[0] = ObjectIdGetDatum(RelationGetRelid(verify->table));
	values[1] = CStringGetTextDatum(fault->part);
	nulls[2] = fault->relation == NULL;
	if (!nulls[2])
		values[2] = ObjectIdGetDatum(RelationGetRelid(fault->relation));
	nulls[3] = fault->chunk == TSDB_NO_CHUNK;
	values[3] = Int64GetDatum(fault->chunk);
	nulls[4] = fault->attno <= 0 || fault->attno > tupdesc->natts;
	if (!nulls[4])
		values[4] = NameGetDatum(&TupleDescAttr(tupdesc, fault->attno - 1)->attname);
	nulls[5] = fault->row < 0;
	values[5] = Int32GetDatum(fault->row);
	nulls[6] = !has_place;
	values[6] = PointerGetDatum(&place);
	values[7] = CStringGetTextDatum(fault->fault);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static void
verify_table(Relation rel, bool locked, bool check_indexes, ReturnSetInfo *rsinfo)
{
	TsdbVerify	verify = {.table = rel,.locked = locked,.report = put_fault,.arg = rsinfo};
	Oid			save_userid;
	int			save_sec_context;
	int			save_nestlevel;

	/* Index expressions run as the table's owner and can do no more. */
	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(rel->rd_rel->relowner,
						   save_sec_context | SECURITY_RESTRICTED_OPERATION);
	save_nestlevel = NewGUCNestLevel();

	/* one taken under the lock: it sees every compaction that is done */
	verify.snapshot = RegisterSnapshot(GetLatestSnapshot());
	PushActiveSnapshot(verify.snapshot);
	tsdb_progress_begin(RelationGetRelid(rel));
	tsdb_progress_phase(TSDB_PROGRESS_VERIFYING);

	verify.storage = tsdb_storage_open(rel, AccessShareLock);
	if (verify.storage != NULL)
	{
		tsdb_storage_open_members(verify.storage);
		tsdb_verify_chunks(&verify);
		if (locked)
			tsdb_verify_pieces(&verify);
		tsdb_verify_marks(&verify);
		tsdb_verify_moves(&verify);
	}
	tsdb_verify_row_store(&verify);
	if (check_indexes)
	{
		tsdb_progress_phase(TSDB_PROGRESS_INDEXING);
		tsdb_verify_indexes(&verify);
	}
	if (verify.storage != NULL)
		tsdb_storage_close(verify.storage);

	tsdb_progress_end();
	PopActiveSnapshot();
	UnregisterSnapshot(verify.snapshot);
	AtEOXact_GUC(false, save_nestlevel);
	SetUserIdAndSecContext(save_userid, save_sec_context);
}

/*
 * tsdb.verify(table regclass, check_indexes boolean): a row for each fault.  A
 * partitioned table stands for its partitions.
 */
Datum
tsdb_verify(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	bool		check_indexes = PG_GETARG_BOOL(1);
	bool		locked = !RecoveryInProgress();
	LOCKMODE	lockmode = locked ? ShareUpdateExclusiveLock : AccessShareLock;
	char		relkind = get_rel_relkind(relid);
	List	   *relids;
	ListCell   *lc;

	check_owner(relid);
	PreventCommandIfParallelMode("tsdb.verify()");
	InitMaterializedSRF(fcinfo, 0);

	relids = relkind == RELKIND_PARTITIONED_TABLE ?
		find_all_inheritors(relid, AccessShareLock, NULL) : list_make1_oid(relid);
	foreach(lc, relids)
	{
		Relation	rel = try_relation_open(lfirst_oid(lc), lockmode);

		if (rel == NULL)
			continue;			/* dropped meanwhile */
		if (relkind != RELKIND_PARTITIONED_TABLE)
			check_table(rel);
		if (RELKIND_HAS_STORAGE(rel->rd_rel->relkind) && tsdb_is_table(rel))
			verify_table(rel, locked, check_indexes, (ReturnSetInfo *) fcinfo->resultinfo);
		relation_close(rel, NoLock);
	}
	return (Datum) 0;
}

/* Open a table whose damage is to be removed. */
static Relation
open_damaged(Oid relid, const char *function)
{
	Relation	rel;

	check_owner(relid);
	PreventCommandDuringRecovery(function);
	PreventCommandIfParallelMode(function);
	rel = relation_open(relid, ShareUpdateExclusiveLock);
	check_table(rel);
	return rel;
}

/* tsdb.drop_damaged_chunk(table regclass, chunk bigint): rows that it had. */
Datum
tsdb_drop_chunk(PG_FUNCTION_ARGS)
{
	Relation	rel = open_damaged(PG_GETARG_OID(0), "tsdb.drop_damaged_chunk()");
	int64		chunk = PG_GETARG_INT64(1);
	TsdbStorage *storage = tsdb_storage_open(rel, ShareUpdateExclusiveLock);
	int64		rows;

	if (storage == NULL || chunk < 0 ||
		chunk / TSDB_DIRECTORY_SLOTS >= TSDB_DIRECTORY_BLOCKS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("table \"%s\" has no chunk %lld", RelationGetRelationName(rel),
						(long long) chunk)));
	rows = tsdb_drop_damaged_chunk(storage, (uint32) chunk);
	tsdb_storage_close(storage);
	relation_close(rel, NoLock);
	if (rows < 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(rows);
}

/* tsdb.drop_orphaned_pieces(table regclass): how many. */
Datum
tsdb_drop_orphans(PG_FUNCTION_ARGS)
{
	Relation	rel = open_damaged(PG_GETARG_OID(0), "tsdb.drop_orphaned_pieces()");
	TsdbStorage *storage = tsdb_storage_open(rel, ShareUpdateExclusiveLock);
	int64		removed = 0;

	if (storage != NULL)
	{
		removed = tsdb_drop_orphaned_pieces(storage);
		tsdb_storage_close(storage);
	}
	relation_close(rel, NoLock);
	PG_RETURN_INT64(removed);
}
