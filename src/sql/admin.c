/*
 * admin.c
 *		SQL functions of schema tsdb: compact, sizes, what is in the chunks.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "am/handler.h"
#include "am/maintain.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "codec/codec.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/smgr.h"
#include "store/directory.h"
#include "store/table_cold.h"
#include "store/table_key.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "worker/compact.h"

PG_FUNCTION_INFO_V1(tsdb_compact);
PG_FUNCTION_INFO_V1(tsdb_table_size);
PG_FUNCTION_INFO_V1(tsdb_table_info);
PG_FUNCTION_INFO_V1(tsdb_column_info);
PG_FUNCTION_INFO_V1(tsdb_chunk_info);

static void pg_attribute_noreturn()
no_such_relation(Oid relid)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_TABLE),
			 errmsg("relation with OID %u does not exist", relid)));
}

static void pg_attribute_noreturn()
not_a_tsdb_table(Oid relid)
{
	char		relkind = get_rel_relkind(relid);

	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("\"%s\" is not a table of access method tsdb", get_rel_name(relid)),
			 relkind == RELKIND_RELATION || relkind == RELKIND_MATVIEW ?
			 errhint("Use ALTER TABLE ... SET ACCESS METHOD tsdb to make it one.") :
			 errdetail_relkind_not_supported(relkind)));
}

/* Open a table of ours that the user may read. */
static Relation
open_readable(Oid relid)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);
	AclResult	acl;

	if (rel == NULL)
		no_such_relation(relid);
	if (!tsdb_is_table(rel))
		not_a_tsdb_table(relid);
	acl = pg_class_aclcheck(relid, GetUserId(), ACL_SELECT);
	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, get_relkind_objtype(rel->rd_rel->relkind),
					   RelationGetRelationName(rel));
	return rel;
}

/* Open one whose statistics the user may read: those of rows that policies hide
 * from him are hidden, too, as in pg_stats. */
static Relation
open_described(Oid relid)
{
	Relation	rel = open_readable(relid);

	if (check_enable_rls(relid, InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for statistics of table \"%s\"",
						RelationGetRelationName(rel)),
				 errdetail("Row-level security hides rows of the table, and with them what is known of their values."),
				 errhint("Ask as the table's owner or as a role with BYPASSRLS.")));
	return rel;
}

/*
 * tsdb.compact(table regclass) returns bigint: rows moved to chunks.  A
 * partitioned table stands for its partitions.
 */
Datum
tsdb_compact(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	TsdbCompactOptions options = {.merge = true};
	char		relkind = get_rel_relkind(relid);
	List	   *relids;
	ListCell   *lc;
	int64		moved = 0;

	if (relkind == '\0')
		no_such_relation(relid);
	if (!pg_class_ownercheck(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(relkind),
					   get_rel_name(relid));
	PreventCommandDuringRecovery("tsdb.compact()");
	PreventCommandIfParallelMode("tsdb.compact()");
	if (IsolationUsesXactSnapshot() && IsInTransactionBlock(true))
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("tsdb.compact() cannot run inside a transaction block at isolation level %s",
						IsolationIsSerializable() ? "SERIALIZABLE" : "REPEATABLE READ"),
				 errdetail("The transaction would see rows that were committed after its snapshot was taken."),
				 errhint("Call it outside of a transaction block, or at READ COMMITTED.")));

	relids = relkind == RELKIND_PARTITIONED_TABLE ?
		find_all_inheritors(relid, AccessShareLock, NULL) : list_make1_oid(relid);
	foreach(lc, relids)
	{
		TsdbCompactResult result;
		Relation	rel = try_relation_open(lfirst_oid(lc), AccessShareLock);
		bool		is_table;

		if (rel == NULL)
			continue;			/* dropped meanwhile */
		is_table = RELKIND_HAS_STORAGE(rel->rd_rel->relkind) && tsdb_is_table(rel);
		relation_close(rel, NoLock);
		if (!is_table)
		{
			if (lfirst_oid(lc) == relid && relkind != RELKIND_PARTITIONED_TABLE)
				not_a_tsdb_table(relid);
			continue;
		}
		tsdb_compact_relation(lfirst_oid(lc), &options, &result);
		moved += result.rows_moved;
	}
	PG_RETURN_INT64(moved);
}

/* tsdb.table_size(table regclass) returns bigint: bytes without indexes. */
Datum
tsdb_table_size(PG_FUNCTION_ARGS)
{
	Relation	rel = open_readable(PG_GETARG_OID(0));
	int64		bytes = tsdb_table_bytes(rel);

	relation_close(rel, AccessShareLock);
	PG_RETURN_INT64(bytes);
}

/* Visit every chunk that the transaction's snapshot sees. */
typedef void (*ChunkVisitor) (TsdbStorage *storage, TsdbChunkEntry *entry, void *arg);

static void
visit_chunks(Relation rel, ChunkVisitor visit, void *arg)
{
	TsdbStorage *storage = tsdb_storage_open(rel, AccessShareLock);
	MemoryContext memory;
	BlockNumber nblocks;

	if (storage == NULL)
		return;
	memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb chunk visit",
								   ALLOCSET_DEFAULT_SIZES);
	nblocks = tsdb_directory_blocks(storage);
	for (BlockNumber block = 0; block < nblocks; block++)
	{
		MemoryContext old = MemoryContextSwitchTo(memory);
		TsdbChunkEntry *entries;
		int			count = tsdb_directory_page(storage, block, GetActiveSnapshot(),
												&entries);

		for (int i = 0; i < count; i++)
			visit(storage, &entries[i], arg);
		MemoryContextSwitchTo(old);
		MemoryContextReset(memory);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextDelete(memory);
	tsdb_storage_close(storage);
}

/* ---- tsdb.tables ---- */

typedef struct TableTotals
{
	int64		chunks;
	int64		rows;
} TableTotals;

static void
add_to_totals(TsdbStorage *storage, TsdbChunkEntry *entry, void *arg)
{
	TableTotals *totals = arg;

	totals->chunks++;
	totals->rows += entry->nrows;
}

static ArrayType *
series_names(Relation rel, const TsdbSortKey *key)
{
	Datum		names[INDEX_MAX_KEYS];

	for (int i = 0; i < key->nseries; i++)
		names[i] = NameGetDatum(&TupleDescAttr(RelationGetDescr(rel),
											   key->series[i] - 1)->attname);
	return construct_array(names, key->nseries, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR);
}

/* time column, series columns, chunks, their rows, bytes of the row store and
 * of all, age at which chunks are cold. */
Datum
tsdb_table_info(PG_FUNCTION_ARGS)
{
	Relation	rel = open_readable(PG_GETARG_OID(0));
	TableTotals totals = {0};
	TsdbSortKey key;
	TupleDesc	tupdesc;
	Datum		values[7];
	bool		nulls[7] = {0};
	int			cold_age = tsdb_table_cold_age(rel);
	Interval	age = {.time = cold_age * USECS_PER_SEC};
	HeapTuple	tuple;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	tsdb_table_key(rel, &key);
	visit_chunks(rel, add_to_totals, &totals);

	nulls[0] = key.time == 0;
	if (key.time != 0)
		values[0] = NameGetDatum(&TupleDescAttr(RelationGetDescr(rel), key.time - 1)->attname);
	values[1] = PointerGetDatum(series_names(rel, &key));
	values[2] = Int64GetDatum(totals.chunks);
	values[3] = Int64GetDatum(totals.rows);
	values[4] = Int64GetDatum((int64) smgrnblocks(RelationGetSmgr(rel), MAIN_FORKNUM) * BLCKSZ);
	values[5] = Int64GetDatum(tsdb_table_bytes(rel));
	values[6] = DirectFunctionCall1(interval_justify_hours, IntervalPGetDatum(&age));
	nulls[6] = cold_age == TSDB_COLD_AGE_NEVER;
	tuple = heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls);
	relation_close(rel, AccessShareLock);
	PG_RETURN_DATUM(HeapTupleGetDatum(tuple));
}

/* ---- tsdb.columns ---- */

#define CODECS_MAX	256

typedef struct ColumnTotals
{
	int			natts;
	int64	   *chunks;			/* natts * CODECS_MAX */
	int64	   *values;
	int64	   *bytes;
} ColumnTotals;

static void
add_columns(TsdbStorage *storage, TsdbChunkEntry *entry, void *arg)
{
	ColumnTotals *totals = arg;
	TsdbChunkSummary *summary = tsdb_directory_summary(storage, entry);

	for (int i = 0; i < Min(summary->natts, totals->natts); i++)
	{
		TsdbColumnStats *column = &summary->columns[i];
		int			slot = i * CODECS_MAX + column->codec;

		totals->chunks[slot]++;
		totals->values[slot] += summary->nrows;
		totals->bytes[slot] += column->vector_bytes + column->inline_bytes;
	}
}

/* column, codec, chunks, values, bytes */
Datum
tsdb_column_info(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation	rel = open_described(PG_GETARG_OID(0));
	TupleDesc	tupdesc = RelationGetDescr(rel);
	ColumnTotals totals = {.natts = tupdesc->natts};
	Size		slots = (Size) Max(tupdesc->natts, 1) * CODECS_MAX;

	InitMaterializedSRF(fcinfo, 0);
	totals.chunks = palloc0(slots * sizeof(int64));
	totals.values = palloc0(slots * sizeof(int64));
	totals.bytes = palloc0(slots * sizeof(int64));
	visit_chunks(rel, add_columns, &totals);

	for (Size slot = 0; slot < (Size) tupdesc->natts * CODECS_MAX; slot++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, slot / CODECS_MAX);
		const char *name = tsdb_codec_name(slot % CODECS_MAX);
		Datum		values[5];
		bool		nulls[5] = {0};

		if (totals.chunks[slot] == 0 || att->attisdropped)
			continue;
		values[0] = NameGetDatum(&att->attname);
		if (slot % CODECS_MAX == 0)
			name = "null";		/* no value, no vector */
		values[1] = CStringGetTextDatum(name != NULL ? name : "unknown");
		values[2] = Int64GetDatum(totals.chunks[slot]);
		values[3] = Int64GetDatum(totals.values[slot]);
		values[4] = Int64GetDatum(totals.bytes[slot]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	relation_close(rel, AccessShareLock);
	return (Datum) 0;
}

/* ---- tsdb.chunks ---- */

static void
put_chunk(TsdbStorage *storage, TsdbChunkEntry *entry, void *arg)
{
	ReturnSetInfo *rsinfo = arg;
	Datum		values[10];
	bool		nulls[10] = {0};

	values[0] = Int64GetDatum((int64) entry->chunk);
	values[1] = Int32GetDatum(entry->shard);
	values[2] = Int32GetDatum(entry->level);
	values[3] = Int32GetDatum((int32) entry->nrows);
	values[4] = Int32GetDatum((int32) entry->nsegments);
	values[5] = Int64GetDatum(entry->min_time);
	values[6] = Int64GetDatum(entry->max_time);
	nulls[5] = nulls[6] = !entry->has_time;
	values[7] = Int32GetDatum((int32) entry->pieces.stream_bytes);
	values[8] = Int32GetDatum((int32) entry->body_bytes);
	values[9] = BoolGetDatum(entry->cold);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

Datum
tsdb_chunk_info(PG_FUNCTION_ARGS)
{
	Relation	rel = open_described(PG_GETARG_OID(0));

	InitMaterializedSRF(fcinfo, 0);
	visit_chunks(rel, put_chunk, fcinfo->resultinfo);
	relation_close(rel, AccessShareLock);
	return (Datum) 0;
}
