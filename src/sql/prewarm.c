/*
 * prewarm.c
 *		tsdb.prewarm(): columns of a table, decoded before somebody asks for them.
 *
 * For the minutes after a restart, and before a report.  What is decoded is let in as what
 * a query decodes: as long as there is room, and in place of what is asked for less
 * often.  So prewarming more than fits does no harm to what is hot.
 */
#include "postgres.h"

#include "access/relation.h"
#include "am/handler.h"
#include "cache/working_set.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "sql/time_range.h"
#include "store/table_key.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(tsdb_prewarm);

typedef struct Prewarm
{
	ArrayType  *names;			/* of columns; NULL: all */
	FunctionCallInfo fcinfo;	/* arguments 2 and 3 are boundaries */
	bool		has_range;
	int64		vectors;
} Prewarm;

/* Those of a table that are wanted and may be read; palloc'd. */
static AttrNumber *
find_columns(const Prewarm *prewarm, Relation rel, int *count)
{
	TupleDesc	tupdesc = RelationGetDescr(rel);
	AttrNumber *columns = palloc(Max(tupdesc->natts, 1) * sizeof(AttrNumber));
	Datum	   *names;
	bool	   *nulls;
	int			nnames;

	*count = 0;
	if (prewarm->names == NULL)
	{
		for (int i = 0; i < tupdesc->natts; i++)
		{
			if (!TupleDescAttr(tupdesc, i)->attisdropped)
				columns[(*count)++] = i + 1;
		}
		return columns;
	}
	deconstruct_array(prewarm->names, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR, &names, &nulls,
					  &nnames);
	for (int i = 0; i < nnames; i++)
	{
		AttrNumber	attno;

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("name of a column cannot be null")));
		attno = get_attnum(RelationGetRelid(rel), NameStr(*DatumGetName(names[i])));
		if (attno <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of relation \"%s\" does not exist",
							NameStr(*DatumGetName(names[i])), RelationGetRelationName(rel))));
		if (*count == tupdesc->natts)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_COLUMN),
					 errmsg("a column is named more than once")));
		columns[(*count)++] = attno;
	}
	return columns;
}

/* Like SELECT of these columns. */
static void
check_privileges(Relation rel, const AttrNumber *columns, int count)
{
	Oid			relid = RelationGetRelid(rel);

	if (pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK)
		return;
	for (int i = 0; i < count; i++)
	{
		if (pg_attribute_aclcheck(relid, columns[i], GetUserId(), ACL_SELECT) != ACLCHECK_OK)
			aclcheck_error(ACLCHECK_NO_PRIV, get_relkind_objtype(rel->rd_rel->relkind),
						   RelationGetRelationName(rel));
	}
}

/* Can a chunk have rows in the range?  By the statistics of the table's time column. */
static bool
overlaps(TsdbStorage *storage, TsdbChunkEntry *entry, AttrNumber time, const TsdbTimeRange *range)
{
	TsdbChunkSummary *summary = tsdb_directory_summary(storage, entry);
	TsdbColumnStats *stats;

	if (time > summary->natts)
		return true;
	stats = &summary->columns[time - 1];
	if (!stats->has_range)
		return stats->nnulls < summary->nrows;
	return !(range->has_from && tsdb_time_range_value(range, stats->max) < range->from) &&
		!(range->has_to && tsdb_time_range_value(range, stats->min) >= range->to);
}

static void
prewarm_chunk(Prewarm *prewarm, TsdbStorage *storage, TsdbChunkEntry *entry,
			  const AttrNumber *columns, int count)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb prewarm of a chunk",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(memory);
	TsdbChunkHandle handle = {.storage = storage,.entry = entry};
	TsdbChunkReader *reader = tsdb_working_set_open_chunk(&handle,
														  RelationGetDescr(storage->table), NULL);

	for (int i = 0; i < count; i++)
	{
		(void) tsdb_chunk_reader_column(reader, columns[i]);
		prewarm->vectors += tsdb_working_set_has(storage, entry->generation, columns[i]);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(memory);
}

static void
prewarm_table(Prewarm *prewarm, Relation rel)
{
	TsdbStorage *storage;
	TsdbSortKey key = {0};
	TsdbTimeRange range;
	int			count;
	AttrNumber *columns = find_columns(prewarm, rel, &count);
	MemoryContext memory;
	BlockNumber nblocks;

	if (prewarm->has_range)
	{
		Form_pg_attribute time;

		tsdb_table_key(rel, &key);
		if (key.time == 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("table \"%s\" has no time column", RelationGetRelationName(rel)),
					 errhint("State it with tsdb.set_key().")));
		time = TupleDescAttr(RelationGetDescr(rel), key.time - 1);
		tsdb_time_range_get(prewarm->fcinfo, 3, 2, NameStr(time->attname),
							getBaseType(time->atttypid), &range);
	}
	storage = tsdb_storage_open(rel, AccessShareLock);
	if (storage == NULL)
		return;
	nblocks = tsdb_directory_blocks(storage);
	memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb prewarm", ALLOCSET_DEFAULT_SIZES);
	for (BlockNumber block = 0; block < nblocks; block++)
	{
		MemoryContext caller = MemoryContextSwitchTo(memory);
		TsdbChunkEntry *entries;
		int			nentries = tsdb_directory_page(storage, block, GetActiveSnapshot(), &entries);

		for (int i = 0; i < nentries; i++)
		{
			CHECK_FOR_INTERRUPTS();
			if (!prewarm->has_range || overlaps(storage, &entries[i], key.time, &range))
				prewarm_chunk(prewarm, storage, &entries[i], columns, count);
		}
		MemoryContextSwitchTo(caller);
		MemoryContextReset(memory);
	}
	MemoryContextDelete(memory);
	tsdb_storage_close(storage);
}

/*
 * tsdb.prewarm("table" regclass, columns name[], older_than "any", newer_than "any"): how
 * many vectors of what was named are in the cache now.
 */
Datum
tsdb_prewarm(PG_FUNCTION_ARGS)
{
	Prewarm		prewarm = {
		.names = PG_ARGISNULL(1) ? NULL : PG_GETARG_ARRAYTYPE_P(1),
		.fcinfo = fcinfo,
		.has_range = !PG_ARGISNULL(2) || !PG_ARGISNULL(3)
	};
	Relation	root;
	ListCell   *lc;
	AttrNumber *columns;
	bool		any = false;
	int			count;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("table cannot be null")));
	if (tsdb_working_set_cache() == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no cache to prewarm"),
				 errhint("Add tsdb to shared_preload_libraries, set tsdb.cache_size, and restart the server.")));
	root = try_relation_open(PG_GETARG_OID(0), AccessShareLock);
	if (root == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", PG_GETARG_OID(0))));
	columns = find_columns(&prewarm, root, &count);
	check_privileges(root, columns, count);
	foreach(lc, find_all_inheritors(RelationGetRelid(root), AccessShareLock, NULL))
	{
		Relation	rel = relation_open(lfirst_oid(lc), NoLock);

		if (RELATION_IS_OTHER_TEMP(rel))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot access temporary tables of other sessions")));
		if (RELKIND_HAS_STORAGE(rel->rd_rel->relkind) && tsdb_is_table(rel))
		{
			prewarm_table(&prewarm, rel);
			any = true;
		}
		relation_close(rel, NoLock);
	}
	if (!any)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table of access method tsdb",
						RelationGetRelationName(root)),
				 errhint("For a heap table, use pg_prewarm().")));
	relation_close(root, AccessShareLock);
	PG_RETURN_INT64(prewarm.vectors);
}
