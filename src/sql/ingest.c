/*
 * ingest.c
 *		tsdb.ingest() and tsdb.ingest_flush().
 *
 * Rows go by the ring if the transaction lets them (ingest/outbox.h) and the table does: what an INSERT would
 * do beside putting rows there must be done here and now.  So defaults and constraints are evaluated here; and
 * tables with triggers, foreign keys, rules, row security that holds for the user, identity or generated columns,
 * or a volatile default that is needed, and partitions, take an ordinary INSERT in the transaction, by SPI.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "am/handler.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "ingest/ingest_shared.h"
#include "ingest/outbox.h"
#include "ingest/row_writer.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "pgstat.h"
#include "rewrite/rewriteHandler.h"
#include "sql/ingest_rows.h"
#include "store/table_key.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(tsdb_ingest);
PG_FUNCTION_INFO_V1(tsdb_ingest_flush);

/* Tables that a session keeps what follows of. */
#define TABLES_KEPT		8

/* A column that can be left out. */
typedef struct ColumnDefault
{
	ExprState  *state;			/* NULL: null */
	bool		needs_insert;	/* volatile, or null of a domain */
} ColumnDefault;

/* What is known of a table, until it changes. */
typedef struct IngestTable
{
	Oid			relid;			/* invalid: nothing here */
	bool		stale;
	uint64		used;			/* the larger the later */
	MemoryContext memory;
	bool		by_ring;		/* as far as the table is concerned */
	bool		has_checks;
	TupleDesc	tupdesc;
	TsdbSortKey key;
	ExprContext *context;
	ColumnDefault *defaults;	/* per column of the table */
	struct
	{
		Oid			type;
		int32		typmod;
		TsdbColumnCast cast;
	}		   *casts;			/* per column, the last one */
} IngestTable;

static IngestTable tables[TABLES_KEPT];
static uint64 uses = 0;
static bool callbacks_registered = false;

/* ---- what is known of a table ---- */

static void
relation_changed(Datum arg, Oid relid)
{
	for (int i = 0; i < TABLES_KEPT; i++)
	{
		if (!OidIsValid(relid) || tables[i].relid == relid)
			tables[i].stale = true;
	}
}

/* A function or type that an expression may use. */
static void
catalog_changed(Datum arg, int cacheid, uint32 hash)
{
	relation_changed(arg, InvalidOid);
}

static bool
goes_by_ring(Relation rel)
{
	TupleDesc	tupdesc = RelationGetDescr(rel);

	if (rel->rd_rel->relkind != RELKIND_RELATION || rel->rd_rel->relispartition ||
		rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP || rel->rd_rules != NULL ||
		rel->trigdesc != NULL ||
		(tupdesc->constr != NULL && tupdesc->constr->has_generated_stored))
		return false;
	for (int i = 0; i < tupdesc->natts; i++)
	{
		if (TupleDescAttr(tupdesc, i)->attidentity != '\0')
			return false;
	}
	return true;
}

static void
learn_defaults(IngestTable *table, Relation rel)
{
	TupleDesc	tupdesc = RelationGetDescr(rel);

	table->defaults = palloc0(Max(tupdesc->natts, 1) * sizeof(ColumnDefault));
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);
		Node	   *expr = att->attisdropped ? NULL : build_column_default(rel, i + 1);

		if (expr == NULL)
		{
			table->defaults[i].needs_insert = !att->attisdropped &&
				get_typtype(att->atttypid) == TYPTYPE_DOMAIN;
			continue;
		}
		expr = (Node *) expression_planner((Expr *) expr);
		table->defaults[i].needs_insert = contain_volatile_functions(expr);
		if (!table->defaults[i].needs_insert)
			table->defaults[i].state = ExecInitExpr((Expr *) expr, NULL);
	}
}

static IngestTable *
learn_table(Relation rel)
{
	IngestTable *table = &tables[0];
	MemoryContext old;

	if (!callbacks_registered)
	{
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(PROCOID, catalog_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(TYPEOID, catalog_changed, (Datum) 0);
		callbacks_registered = true;
	}
	for (int i = 0; i < TABLES_KEPT; i++)
	{
		if (tables[i].relid == RelationGetRelid(rel))
		{
			table = &tables[i];
			break;
		}
		if (tables[i].used < table->used)
			table = &tables[i];
	}
	table->used = ++uses;
	if (table->relid == RelationGetRelid(rel) && !table->stale)
		return table;

	table->relid = InvalidOid;
	if (table->memory == NULL)
		table->memory = AllocSetContextCreate(TopMemoryContext, "tsdb ingest table",
											  ALLOCSET_SMALL_SIZES);
	if (table->context != NULL)
		FreeExprContext(table->context, false);
	table->context = NULL;
	MemoryContextReset(table->memory);
	old = MemoryContextSwitchTo(table->memory);
	table->stale = false;
	table->by_ring = goes_by_ring(rel);
	table->has_checks = RelationGetDescr(rel)->constr != NULL &&
		RelationGetDescr(rel)->constr->num_check > 0;
	if (table->by_ring)
	{
		table->tupdesc = CreateTupleDescCopyConstr(RelationGetDescr(rel));
		tsdb_table_key(rel, &table->key);
		table->context = CreateStandaloneExprContext();
		table->casts = palloc0(Max(table->tupdesc->natts, 1) * sizeof(table->casts[0]));
		learn_defaults(table, rel);
	}
	MemoryContextSwitchTo(old);
	table->relid = RelationGetRelid(rel);
	return table;
}

/* ---- by the ring ---- */

/* May these rows, of the columns given, go by the ring? */
static bool
rows_go_by_ring(IngestTable *table, const TsdbIngestRows *rows)
{
	TupleDesc	tupdesc = table->tupdesc;

	for (int i = 0; i < tupdesc->natts; i++)
	{
		bool		given = TupleDescAttr(tupdesc, i)->attisdropped;

		for (int c = 0; c < rows->ncolumns && !given; c++)
			given = rows->columns[c].attno == i + 1;
		if (!given && table->defaults[i].needs_insert)
			return false;
	}
	return true;
}

/* A column's values, as of the column's own type. */
static TsdbRowColumn
cast_column(IngestTable *table, Relation rel, const TsdbIngestColumn *column, uint32 nrows)
{
	Form_pg_attribute att = TupleDescAttr(table->tupdesc, column->attno - 1);
	TsdbIngestColumn result = {.attno = column->attno,.type = att->atttypid,
		.typmod = att->atttypmod,.length = att->attlen,.byval = att->attbyval
	};
	TsdbColumnCast *cast = &table->casts[column->attno - 1].cast;
	Datum	   *values;
	bool	   *nulls;

	if (column->type == att->atttypid &&
		(att->atttypmod < 0 || column->typmod == att->atttypmod))
		return column->data;
	if (table->casts[column->attno - 1].type != column->type ||
		table->casts[column->attno - 1].typmod != column->typmod)
	{
		MemoryContext old = MemoryContextSwitchTo(table->memory);
		bool		found;

		table->casts[column->attno - 1].type = InvalidOid;
		found = tsdb_column_cast_init(cast, column->type, column->typmod, att, table->context);
		MemoryContextSwitchTo(old);
		if (!found)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of relation \"%s\" is of type %s but values are of type %s",
							NameStr(att->attname), RelationGetRelationName(rel),
							format_type_be(att->atttypid), format_type_be(column->type)),
					 errhint("Cast them.")));
		table->casts[column->attno - 1].type = column->type;
		table->casts[column->attno - 1].typmod = column->typmod;
	}
	if (cast->state == NULL)
		return column->data;

	values = palloc(Max(nrows, 1) * sizeof(Datum));
	nulls = palloc(Max(nrows, 1) * sizeof(bool));
	for (uint32 i = 0; i < nrows; i++)
	{
		values[i] = tsdb_ingest_value(column, i, &nulls[i]);
		ResetExprContext(table->context);
		values[i] = tsdb_column_cast(cast, values[i], &nulls[i]);
		if (!nulls[i] && !att->attbyval)
			values[i] = datumCopy(values[i], false, att->attlen);
	}
	tsdb_ingest_set_values(&result, values, nulls, nrows);
	return result.data;
}

/* A column that was not given. */
static TsdbRowColumn
default_column(IngestTable *table, AttrNumber attno)
{
	Form_pg_attribute att = TupleDescAttr(table->tupdesc, attno - 1);
	ExprState  *state = table->defaults[attno - 1].state;
	TsdbIngestColumn result = {.length = att->attlen,.byval = att->attbyval};
	Datum	   *value = palloc0(sizeof(Datum));
	bool	   *isnull = palloc(sizeof(bool));

	*isnull = true;
	if (state != NULL)
	{
		ResetExprContext(table->context);
		*value = ExecEvalExprSwitchContext(state, table->context, isnull);
		if (!*isnull && !att->attbyval)
			*value = datumCopy(*value, false, att->attlen);
	}
	tsdb_ingest_set_values(&result, value, isnull, 1);
	result.data.same = true;
	return result.data;
}

/* NOT NULL and CHECK, of all rows. */
static void
check_constraints(IngestTable *table, Relation rel, const TsdbRowColumn *columns, uint32 nrows)
{
	TupleDesc	tupdesc = RelationGetDescr(rel);
	bool		suspicious = table->has_checks;
	EState	   *estate;
	ResultRelInfo *result;
	TupleTableSlot *slot;
	int			c = 0;

	for (int i = 0; i < tupdesc->natts && !suspicious; i++)
	{
		if (TupleDescAttr(tupdesc, i)->attisdropped)
			continue;
		suspicious = columns[c].nulls != NULL && TupleDescAttr(tupdesc, i)->attnotnull;
		c++;
	}
	if (!suspicious)
		return;

	estate = CreateExecutorState();
	result = makeNode(ResultRelInfo);
	InitResultRelInfo(result, rel, 0, NULL, 0);
	slot = MakeSingleTupleTableSlot(tupdesc, &TTSOpsVirtual);
	for (uint32 row = 0; row < nrows; row++)
	{
		ExecClearTuple(slot);
		c = 0;
		for (int i = 0; i < tupdesc->natts; i++)
		{
			Form_pg_attribute att = TupleDescAttr(tupdesc, i);
			TsdbIngestColumn column = {.length = att->attlen,.byval = att->attbyval};

			slot->tts_values[i] = (Datum) 0;
			slot->tts_isnull[i] = true;
			if (att->attisdropped)
				continue;
			column.data = columns[c++];
			slot->tts_values[i] = tsdb_ingest_value(&column, row, &slot->tts_isnull[i]);
		}
		ExecStoreVirtualTuple(slot);
		ResetPerTupleExprContext(estate);
		ExecConstraints(result, slot, estate);
	}
	ExecDropSingleTupleTableSlot(slot);
	FreeExecutorState(estate);
}

static void
add_to_outbox(IngestTable *table, Relation rel, const TsdbIngestRows *rows)
{
	TupleDesc	tupdesc = table->tupdesc;
	TsdbRowColumn *columns = palloc(Max(tupdesc->natts, 1) * sizeof(TsdbRowColumn));
	int			n = 0;

	if (rows->nrows == 0)
		return;
	for (int i = 0; i < tupdesc->natts; i++)
	{
		const TsdbIngestColumn *given = NULL;

		if (TupleDescAttr(tupdesc, i)->attisdropped)
			continue;
		for (int c = 0; c < rows->ncolumns && given == NULL; c++)
		{
			if (rows->columns[c].attno == i + 1)
				given = &rows->columns[c];
		}
		columns[n++] = given != NULL ? cast_column(table, rel, given, rows->nrows) :
			default_column(table, i + 1);
	}
	check_constraints(table, rel, columns, rows->nrows);
	tsdb_outbox_add(rel, &table->key, columns, rows->nrows);
}

/* ---- by INSERT ---- */

/* INSERT INTO table (columns given) SELECT * FROM the rows. */
static void
insert_rows(Relation rel, const TsdbIngestRows *rows)
{
	TupleDesc	tupdesc = CreateTemplateTupleDesc(rows->ncolumns);
	Tuplestorestate *store = tuplestore_begin_heap(false, false, work_mem);
	EphemeralNamedRelation ephemeral = palloc0(sizeof(EphemeralNamedRelationData));
	Datum	   *values = palloc(Max(rows->ncolumns, 1) * sizeof(Datum));
	bool	   *nulls = palloc(Max(rows->ncolumns, 1) * sizeof(bool));
	StringInfoData sql;
	int			result;

	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO %s",
					 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
												RelationGetRelationName(rel)));
	for (int c = 0; c < rows->ncolumns; c++)
	{
		const TsdbIngestColumn *column = &rows->columns[c];
		char		name[NAMEDATALEN];

		snprintf(name, sizeof(name), "c%d", c + 1);
		TupleDescInitEntry(tupdesc, c + 1, name, column->type, column->typmod, 0);
		appendStringInfo(&sql, "%s%s", c == 0 ? " (" : ", ",
						 quote_identifier(NameStr(TupleDescAttr(RelationGetDescr(rel),
																column->attno - 1)->attname)));
	}
	if (rows->ncolumns > 0)
		appendStringInfoString(&sql, ") SELECT * FROM tsdb_ingested_rows");
	else
		appendStringInfoString(&sql, " DEFAULT VALUES");

	for (uint32 row = 0; row < rows->nrows; row++)
	{
		for (int c = 0; c < rows->ncolumns; c++)
			values[c] = tsdb_ingest_value(&rows->columns[c], row, &nulls[c]);
		tuplestore_putvalues(store, tupdesc, values, nulls);
	}

	SPI_connect();
	ephemeral->md.name = "tsdb_ingested_rows";
	ephemeral->md.reliddesc = InvalidOid;
	ephemeral->md.tupdesc = tupdesc;
	ephemeral->md.enrtype = ENR_NAMED_TUPLESTORE;
	ephemeral->md.enrtuples = rows->nrows;
	ephemeral->reldata = store;
	result = SPI_register_relation(ephemeral);
	if (result == SPI_OK_REL_REGISTER)
		result = SPI_execute(sql.data, false, 0);
	if (result != SPI_OK_INSERT && result != SPI_OK_INSERT_RETURNING &&
		result != SPI_OK_REWRITTEN)
		elog(ERROR, "could not insert rows of tsdb.ingest(): %s",
			 SPI_result_code_string(result));
	SPI_finish();
	tuplestore_end(store);
}

/* ---- functions ---- */

/* Open the table to write to it, and hold the lock. */
static Relation
open_table(Oid relid)
{
	Relation	rel = try_relation_open(relid, RowExclusiveLock);

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	if (!tsdb_is_table(rel) || rel->rd_rel->relkind != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table of access method tsdb",
						RelationGetRelationName(rel)),
				 rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE ?
				 errhint("Name one of its partitions, or use INSERT.") :
				 errhint("Use INSERT.")));
	return rel;
}

/*
 * tsdb.ingest(table regclass, VARIADIC "any") returns bigint: the number of rows.
 */
Datum
tsdb_ingest(PG_FUNCTION_ARGS)
{
	Relation	rel;
	IngestTable *table;
	List	   *list;
	ListCell   *lc;
	int64		count = 0;
	bool		by_ring;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("table of tsdb.ingest() must not be null")));
	PreventCommandIfReadOnly("tsdb.ingest()");
	PreventCommandIfParallelMode("tsdb.ingest()");

	rel = open_table(PG_GETARG_OID(0));
	list = tsdb_ingest_rows_of_call(fcinfo, rel);
	table = learn_table(rel);
	by_ring = table->by_ring &&
		pg_class_aclcheck(RelationGetRelid(rel), GetUserId(), ACL_INSERT) == ACLCHECK_OK &&
		check_enable_rls(RelationGetRelid(rel), InvalidOid, true) != RLS_ENABLED &&
		tsdb_outbox_open();
	foreach(lc, list)
	{
		const TsdbIngestRows *rows = lfirst(lc);

		if (by_ring && tsdb_outbox_open() && rows_go_by_ring(table, rows))
			add_to_outbox(table, rel, rows);
		else
		{
			TsdbIngestTable *counters = tsdb_ingest_table(RelationGetRelid(rel));

			insert_rows(rel, rows);
			if (counters != NULL)
				pg_atomic_fetch_add_u64(&counters->rows_direct, rows->nrows);
		}
		count += rows->nrows;
	}
	relation_close(rel, NoLock);
	PG_RETURN_INT64(count);
}

/* Are rows of a table kept in the rings, for a lock or an error? */
static bool
is_held(TsdbIngestSet *set, Oid relid)
{
	bool		held;

	LWLockAcquire(tsdb_ingest_lock(), LW_SHARED);
	held = set->held_others;
	for (int i = 0; i < set->nheld; i++)
		held = held || !OidIsValid(relid) || set->held[i] == relid;
	LWLockRelease(tsdb_ingest_lock());
	return held;
}

/*
 * tsdb.ingest_flush(table regclass DEFAULT NULL) returns void: when all that was accepted
 * before has been committed, or has become a dead letter.
 */
Datum
tsdb_ingest_flush(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
	TsdbIngestSet *set = tsdb_ingest_set_of_database();
	uint64		number;

	if (IsTransactionBlock())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("tsdb.ingest_flush() cannot run inside a transaction block"),
				 errdetail("Locks of the transaction could keep rows from being written.")));
	if (OidIsValid(relid) && get_rel_name(relid) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	if (set == NULL)
		PG_RETURN_VOID();

	number = pg_atomic_add_fetch_u64(&set->flush_wanted, 1);
	tsdb_ingest_wake(set);
	ConditionVariablePrepareToSleep(&set->flushed);
	for (;;)
	{
		bool		waiting = false;

		if (pg_atomic_read_u32(&set->dboid) != MyDatabaseId ||
			pg_atomic_read_u64(&set->flush_done) >= number ||
			(pg_atomic_read_u64(&set->flush_seen) >= number && !is_held(set, relid)))
			break;
		for (int i = 0; i < TSDB_INGEST_SHARDS; i++)
			waiting = waiting || pg_atomic_read_u32(&set->shards[i].reserved) > 0;
		if (!waiting)
			break;

		/* Should the worker have gone with rows left, there has to be one. */
		if (pg_atomic_read_u32(&set->drain) == TSDB_DRAIN_STOPPED)
		{
			ConditionVariableCancelSleep();
			(void) tsdb_ingest_set_with_worker();
			ConditionVariablePrepareToSleep(&set->flushed);
			tsdb_ingest_wake(set);
		}
		(void) ConditionVariableTimedSleep(&set->flushed, 100, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
	PG_RETURN_VOID();
}
