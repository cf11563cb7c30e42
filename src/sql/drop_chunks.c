/*
 * drop_chunks.c
 *		drop_chunks: delete the rows before or after a point in time.
 *
 * It deletes what DELETE FROM table WHERE time < older_than AND time >= newer_than
 * would, so the answer does not depend on how far compaction has come.  The
 * difference is the cost.  Of each chunk that is seen by a snapshot taken under the
 * table's lock, the range of its times in the directory tells what to do:
 *
 *	 none is in the range			nothing
 *	 all are, and none is null		the chunk goes as a whole (store/drop_chunk.h)
 *	 otherwise						its time column is decoded, and rows are deleted one by one
 *
 * Rows of the row store are deleted one by one, as are those of partitions of
 * other access methods, and those of a chunk of which somebody has locked a row:
 * that waits, and follows the row's updates, as DELETE does at READ COMMITTED.
 *
 * Where a deleted row does more than to be gone, an ordinary DELETE is executed:
 * if there is a DELETE trigger (foreign keys that refer to the table are such), a rule, or
 * row-level security for the user, if a partition is a foreign table, and at REPEATABLE
 * READ and SERIALIZABLE, where an older snapshot counts.  If a replication slot
 * may decode the deletions, each row is deleted by itself.
 *
 * ShareUpdateExclusiveLock keeps compaction, merges and VACUUM away until the
 * transaction ends; nobody else waits but for the rows that go.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "am/handler.h"
#include "am/insert.h"
#include "catalog/catalog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "replication/slot.h"
#include "sql/time_range.h"
#include "storage/lmgr.h"
#include "store/chunk_tid.h"
#include "store/directory.h"
#include "store/drop_chunk.h"
#include "store/marks.h"
#include "store/table_key.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(tsdb_drop_chunks);

/* What is to be deleted, and what was. */
typedef struct Drop
{
	const char *column;			/* the time column */
	TsdbTimeRange range;
	bool		by_row;			/* somebody may want to hear of each row */
	int64		chunks;			/* dropped as a whole */
	int64		rows;			/* with theirs */
} Drop;

/* One table of it. */
typedef struct DropTable
{
	Drop	   *drop;
	Relation	rel;
	AttrNumber	attno;			/* of the time column */
	Snapshot	snapshot;
	TupleTableSlot *slot;		/* for row versions that are found late */
} DropTable;

/* ---- row by row ---- */

static bool
slot_in_range(DropTable *table, TupleTableSlot *slot)
{
	const TsdbTimeRange *range = &table->drop->range;
	bool		isnull;
	Datum		time = slot_getattr(slot, table->attno, &isnull);

	return !isnull && tsdb_time_range_contains(range, tsdb_time_range_value(range, time));
}

/* Delete a row that was in the range, if its newest version is. */
static void
delete_row(DropTable *table, ItemPointer tid)
{
	CommandId	cid = GetCurrentCommandId(true);

	for (;;)
	{
		TM_FailureData failure;
		TM_Result	result = table_tuple_delete(table->rel, tid, cid, table->snapshot,
												InvalidSnapshot, true, &failure, false);

		switch (result)
		{
			case TM_Ok:
				table->drop->rows++;
				return;
			case TM_SelfModified:
			case TM_Deleted:
				return;
			case TM_Updated:
				break;
			default:
				elog(ERROR, "unexpected result %d deleting a row", result);
		}

		result = table_tuple_lock(table->rel, tid, table->snapshot, table->slot, cid,
								  LockTupleExclusive, LockWaitBlock,
								  TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);
		if (result == TM_SelfModified || result == TM_Deleted)
			return;
		if (result != TM_Ok)
			elog(ERROR, "unexpected result %d locking a row", result);
		if (!slot_in_range(table, table->slot))
			return;
	}
}

/* All rows that a scan of heap's gives: the row store, or another table. */
static void
drop_scanned(DropTable *table)
{
	bool		ours = tsdb_is_table(table->rel);
	TupleTableSlot *slot = table_slot_create(table->rel, NULL);
	TableScanDesc scan;

	if (ours)
		scan = heap_beginscan(table->rel, table->snapshot, 0, NULL, NULL,
							  SO_TYPE_SEQSCAN | SO_ALLOW_STRAT | SO_ALLOW_PAGEMODE);
	else
		scan = table_beginscan(table->rel, table->snapshot, 0, NULL);
	while (ours ? heap_getnextslot(scan, ForwardScanDirection, slot) :
		   table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		ItemPointerData tid = slot->tts_tid;

		CHECK_FOR_INTERRUPTS();
		if (slot_in_range(table, slot))
			delete_row(table, &tid);
	}
	if (ours)
		heap_endscan(scan);
	else
		table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
}

/* Those rows of a chunk that are in the range. */
static void
drop_rows_of_chunk(DropTable *table, TsdbStorage *storage, TsdbChunkEntry *entry)
{
	const TsdbTimeRange *range = &table->drop->range;
	TsdbChunkHandle handle = {.storage = storage,.entry = entry};
	TsdbChunkReader *reader = tsdb_directory_open_chunk(&handle, RelationGetDescr(table->rel));
	const TsdbColumn *times = tsdb_chunk_reader_column(reader, table->attno);
	uint8	   *hidden = tsdb_marks_hidden(storage, entry->chunk, table->snapshot);

	for (uint32 row = 0; row < entry->nrows; row++)
	{
		ItemPointerData tid;

		if (times->nulls[row] || tsdb_marks_is_hidden(hidden, row) ||
			!tsdb_time_range_contains(range, tsdb_time_range_value(range, times->values[row])))
			continue;
		CHECK_FOR_INTERRUPTS();
		tsdb_tid_set(&tid, entry->chunk, row);
		delete_row(table, &tid);
	}
	tsdb_chunk_reader_close(reader);
}

/* ---- chunk by chunk ---- */

typedef enum ChunkShare
{
	CHUNK_NONE,
	CHUNK_SOME,
	CHUNK_ALL
} ChunkShare;

/* How much of a chunk is in the range, as far as its statistics tell? */
static ChunkShare
share_of_chunk(DropTable *table, TsdbStorage *storage, TsdbChunkEntry *entry)
{
	const TsdbTimeRange *range = &table->drop->range;
	TsdbChunkSummary *summary = tsdb_directory_summary(storage, entry);
	TsdbColumnStats *column;
	int64		min;
	int64		max;

	if (table->attno > summary->natts)
		return CHUNK_SOME;		/* the column was added later */
	column = &summary->columns[table->attno - 1];
	if (column->nnulls == summary->nrows)
		return CHUNK_NONE;
	if (!column->has_range)
		return CHUNK_SOME;
	min = tsdb_time_range_value(range, column->min);
	max = tsdb_time_range_value(range, column->max);
	if ((range->has_from && max < range->from) || (range->has_to && min >= range->to))
		return CHUNK_NONE;
	if (column->nnulls == 0 && tsdb_time_range_contains(range, min) &&
		tsdb_time_range_contains(range, max))
		return CHUNK_ALL;
	return CHUNK_SOME;
}

static void
drop_chunk(DropTable *table, TsdbStorage *storage, TsdbChunkEntry *entry)
{
	ChunkShare	share = share_of_chunk(table, storage, entry);
	uint32		rows;

	if (share == CHUNK_NONE)
		return;
	if (share == CHUNK_SOME || table->drop->by_row ||
		!tsdb_drop_chunk_whole(storage, entry, &rows))
	{
		drop_rows_of_chunk(table, storage, entry);
		return;
	}
	table->drop->chunks++;
	table->drop->rows += rows;
	for (uint32 i = 0; i < rows; i++)
		pgstat_count_heap_delete(table->rel);
	tsdb_insert_count(table->rel, rows);	/* work for compaction, too */
}

static void
drop_from_chunks(DropTable *table, TsdbStorage *storage)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb drop chunks",
												 ALLOCSET_DEFAULT_SIZES);
	BlockNumber nblocks = tsdb_directory_blocks(storage);

	tsdb_drop_chunk_begin(table->rel);
	for (BlockNumber block = 0; block < nblocks; block++)
	{
		MemoryContext old = MemoryContextSwitchTo(memory);
		TsdbChunkEntry *entries;
		int			count = tsdb_directory_page(storage, block, table->snapshot, &entries);

		for (int i = 0; i < count; i++)
		{
			CHECK_FOR_INTERRUPTS();
			drop_chunk(table, storage, &entries[i]);
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(memory);
	}
	MemoryContextDelete(memory);
}

static void
drop_from_table(Drop *drop, Oid relid, Snapshot snapshot)
{
	Relation	rel = relation_open(relid, NoLock);
	DropTable	table = {.drop = drop,.rel = rel,.snapshot = snapshot};

	if (RELKIND_HAS_STORAGE(rel->rd_rel->relkind))
	{
		TsdbStorage *storage = NULL;

		CheckCmdReplicaIdentity(rel, CMD_DELETE);
		table.attno = get_attnum(relid, drop->column);
		table.slot = table_slot_create(rel, NULL);
		if (tsdb_is_table(rel))
			storage = tsdb_storage_open(rel, ShareUpdateExclusiveLock);
		if (storage != NULL)
		{
			drop_from_chunks(&table, storage);
			tsdb_storage_close(storage);
		}
		drop_scanned(&table);
		ExecDropSingleTupleTableSlot(table.slot);
	}
	relation_close(rel, NoLock);
}

/* ---- what to do ---- */

/* Could anybody decode what this transaction, which has an ID, deletes?  A slot
 * that is made later waits for this transaction first. */
static bool
may_be_decoded(Relation rel)
{
	int			slots;
	int			active;

	return RelationIsLogicallyLogged(rel) &&
		ReplicationSlotsCountDBSlots(MyDatabaseId, &slots, &active);
}

/* Does deleting a row of this table do more than to delete it? */
static bool
needs_statement(Relation rel)
{
	TriggerDesc *triggers = rel->trigdesc;

	if (triggers != NULL &&
		(triggers->trig_delete_before_row || triggers->trig_delete_after_row ||
		 triggers->trig_delete_instead_row || triggers->trig_delete_before_statement ||
		 triggers->trig_delete_after_statement || triggers->trig_delete_old_table))
		return true;
	return rel->rd_rules != NULL || rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE;
}

/* Execute DELETE. */
static void
drop_by_statement(Drop *drop, Relation root)
{
	const TsdbTimeRange *range = &drop->range;
	StringInfoData command;
	Oid			types[2] = {range->type, range->type};
	Datum		values[2];
	int			count = 0;

	initStringInfo(&command);
	appendStringInfo(&command, "DELETE FROM %s WHERE",
					 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(root)),
												RelationGetRelationName(root)));
	if (range->has_from)
	{
		values[count++] = tsdb_time_range_datum(range, range->from);
		appendStringInfo(&command, " %s OPERATOR(pg_catalog.>=) $%d",
						 quote_identifier(drop->column), count);
	}
	if (range->has_to)
	{
		values[count++] = tsdb_time_range_datum(range, range->to);
		appendStringInfo(&command, "%s %s OPERATOR(pg_catalog.<) $%d", count > 1 ? " AND" : "",
						 quote_identifier(drop->column), count);
	}
	SPI_connect();
	if (SPI_execute_with_args(command.data, count, types, values, NULL, false, 0) < 0)
		elog(ERROR, "could not execute \"%s\"", command.data);
	drop->rows = SPI_processed;
	SPI_finish();
}

static void pg_attribute_noreturn()
refuse_relation(Relation rel)
{
	const char *name = RelationGetRelationName(rel);

	switch (rel->rd_rel->relkind)
	{
		case RELKIND_RELATION:
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("\"%s\" is not a table of access method tsdb", name),
					 errhint("Use DELETE, or ALTER TABLE ... SET ACCESS METHOD tsdb to make it one.")));
		case RELKIND_PARTITIONED_TABLE:
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("no partition of \"%s\" is of access method tsdb", name),
					 errhint("Use DELETE.")));
		default:
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("\"%s\" is not a table", name),
					 errdetail_relkind_not_supported(rel->rd_rel->relkind)));
	}
}

/* Like DELETE with a condition on the time column. */
static void
check_privileges(Relation root, const char *column)
{
	Oid			relid = RelationGetRelid(root);

	if (pg_class_aclcheck(relid, GetUserId(), ACL_DELETE) != ACLCHECK_OK ||
		(pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK &&
		 pg_attribute_aclcheck(relid, get_attnum(relid, column), GetUserId(),
							   ACL_SELECT) != ACLCHECK_OK))
		aclcheck_error(ACLCHECK_NO_PRIV, get_relkind_objtype(root->rd_rel->relkind),
					   RelationGetRelationName(root));
}

/* The name of the time column, which all tables of ours must agree about; NULL if
 * there is no such table. */
static const char *
find_time_column(Relation root, List *relids)
{
	const char *column = NULL;
	ListCell   *lc;

	foreach(lc, relids)
	{
		Relation	rel = relation_open(lfirst_oid(lc), NoLock);
		TsdbSortKey key = {0};

		if (RELATION_IS_OTHER_TEMP(rel))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot access temporary tables of other sessions")));
		if (RELKIND_HAS_STORAGE(rel->rd_rel->relkind) && tsdb_is_table(rel))
		{
			const char *name;

			tsdb_table_key(rel, &key);
			if (key.time == 0)
				ereport(ERROR,
						(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						 errmsg("table \"%s\" has no time column", RelationGetRelationName(rel)),
						 errhint("State it with tsdb.set_key().")));
			name = NameStr(TupleDescAttr(RelationGetDescr(rel), key.time - 1)->attname);
			if (column != NULL && strcmp(column, name) != 0)
				ereport(ERROR,
						(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						 errmsg("partitions of table \"%s\" have different time columns",
								RelationGetRelationName(root)),
						 errdetail("Their names are \"%s\" and \"%s\".", column, name),
						 errhint("State one with tsdb.set_key().")));
			column = pstrdup(name);
		}
		relation_close(rel, NoLock);
	}
	if (column != NULL && get_attnum(RelationGetRelid(root), column) == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("table \"%s\" lacks the time column \"%s\" of its children",
						RelationGetRelationName(root), column)));
	return column;
}

/* Lock the tables for deleting by chunks; false if that cannot be. */
static bool
lock_tables(Drop *drop, Relation root, List *relids)
{
	ListCell   *lc;

	if (IsolationUsesXactSnapshot() ||
		check_enable_rls(RelationGetRelid(root), InvalidOid, true) == RLS_ENABLED)
		return false;
	foreach(lc, relids)
	{
		Relation	rel = relation_open(lfirst_oid(lc), NoLock);
		bool		statement = needs_statement(rel);

		relation_close(rel, NoLock);
		if (statement)
			return false;
	}

	(void) GetTopTransactionId();
	foreach(lc, relids)
	{
		Relation	rel = relation_open(lfirst_oid(lc), NoLock);

		if (RELKIND_HAS_STORAGE(rel->rd_rel->relkind) && tsdb_is_table(rel))
			LockRelationOid(RelationGetRelid(rel), ShareUpdateExclusiveLock);
		drop->by_row = drop->by_row || may_be_decoded(rel);
		relation_close(rel, NoLock);
	}
	return true;
}

/*
 * drop_chunks(relation regclass, older_than "any", newer_than "any"): chunks
 * dropped as a whole, and rows deleted, theirs included.
 */
Datum
tsdb_drop_chunks(PG_FUNCTION_ARGS)
{
	Drop		drop = {0};
	Datum		values[2];
	bool		nulls[2] = {0};
	TupleDesc	tupdesc;
	Relation	root;
	List	   *relids;
	ListCell   *lc;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("relation cannot be null")));
	PreventCommandIfReadOnly("drop_chunks()");
	PreventCommandDuringRecovery("drop_chunks()");
	PreventCommandIfParallelMode("drop_chunks()");

	root = try_relation_open(PG_GETARG_OID(0), RowExclusiveLock);
	if (root == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", PG_GETARG_OID(0))));
	if (root->rd_rel->relkind != RELKIND_RELATION &&
		root->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		refuse_relation(root);
	relids = find_all_inheritors(RelationGetRelid(root), RowExclusiveLock, NULL);
	drop.column = find_time_column(root, relids);
	if (drop.column == NULL)
		refuse_relation(root);
	check_privileges(root, drop.column);
	tsdb_time_range_get(fcinfo, 2, 1, drop.column,
						getBaseType(get_atttype(RelationGetRelid(root),
												get_attnum(RelationGetRelid(root), drop.column))),
						&drop.range);

	/* what the transaction has done so far is there to be deleted */
	CommandCounterIncrement();
	if (!lock_tables(&drop, root, relids))
		drop_by_statement(&drop, root);
	else
	{
		PushActiveSnapshot(GetLatestSnapshot());
		foreach(lc, relids)
			drop_from_table(&drop, lfirst_oid(lc), GetActiveSnapshot());
		PopActiveSnapshot();
		CommandCounterIncrement();
	}
	relation_close(root, NoLock);

	values[0] = Int64GetDatum(drop.chunks);
	values[1] = Int64GetDatum(drop.rows);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls)));
}
