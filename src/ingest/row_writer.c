/*
 * row_writer.c
 *		Rows of blocks into their table, as an INSERT would put them there.
 */
#include "postgres.h"

#include "ingest/row_writer.h"

#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"

/* Rows given to the table at a time. */
#define SLOTS		1000

/* Rows that are too few to be gathered, of all blocks. */
#define FEW_ROWS	64

/* Columns of a block, and where they go. */
typedef struct Mapping
{
	int			ncolumns;
	TsdbRowBlockColumn *columns;	/* that it was made for */
	int			natts;
	AttrNumber *attnos;			/* per column of the block; 0: nowhere */
	TsdbColumnCast *casts;
	bool	   *filled;			/* per column of the table */
	ExprState **defaults;		/* likewise, of columns that were added since; NULL: none */
} Mapping;

/* A block that was given to us. */
typedef struct PendingBlock
{
	const TsdbRowBlock *rows;
	bool		check;
} PendingBlock;

bool		(*tsdb_row_writer_gather) (Relation rel, const TsdbRowBlock *block, CommandId command,
									   bool stay) = NULL;

struct TsdbRowWriter
{
	MemoryContext memory;
	MemoryContext batch_memory; /* of values in slots */
	Relation	rel;
	EState	   *estate;
	ResultRelInfo *result;
	CommandId	command;
	bool		stay;			/* blocks, until the transaction ends */
	TupleDesc	slot_desc;		/* a copy, as references to the table's are noted one by one */
	TupleTableSlot **slots;
	int			nslots;			/* with a row */
	int			allocated;
	Mapping		mapping;
	Datum	   *values;			/* of a block's columns */
	bool	   *nulls;
	List	   *blocks;			/* to be written at the end: PendingBlock */
	uint32		pending_rows;	/* in them */
	bool		by_insert;		/* the server is to do it all */
	char	   *insert;			/* for the mapping */
};

bool
tsdb_column_cast_init(TsdbColumnCast *cast, Oid type, int32 typmod, Form_pg_attribute att,
					  ExprContext *context)
{
	CaseTestExpr *value = makeNode(CaseTestExpr);
	Node	   *expr;

	cast->state = NULL;
	cast->context = context;
	value->typeId = type;
	value->typeMod = typmod;
	value->collation = get_typcollation(type);
	expr = coerce_to_target_type(NULL, (Node *) value, type, att->atttypid, att->atttypmod,
								 COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
	if (expr == NULL)
		return false;
	if (strip_implicit_coercions(expr) == (Node *) value && !IsA(expr, CoerceToDomain) &&
		(expr == (Node *) value || IsA(expr, RelabelType)))
		return true;
	cast->state = ExecInitExpr(expression_planner((Expr *) expr), NULL);
	return true;
}

Datum
tsdb_column_cast(TsdbColumnCast *cast, Datum value, bool *isnull)
{
	if (cast->state == NULL)
		return value;
	cast->context->caseValue_datum = value;
	cast->context->caseValue_isNull = *isnull;
	return ExecEvalExprSwitchContext(cast->state, cast->context, isnull);
}

/* What is needed for expressions; most tables have none. */
static EState *
executor_state(TsdbRowWriter *writer)
{
	if (writer->estate == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(writer->memory);

		writer->estate = CreateExecutorState();
		writer->batch_memory = AllocSetContextCreate(writer->memory, "tsdb row writer values",
													 ALLOCSET_DEFAULT_SIZES);
		MemoryContextSwitchTo(old);
	}
	return writer->estate;
}

TsdbRowWriter *
tsdb_row_writer_begin(Relation rel, bool stay)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb row writer",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(memory);
	TsdbRowWriter *writer = palloc0(sizeof(TsdbRowWriter));

	writer->memory = memory;
	writer->rel = rel;
	writer->stay = stay;
	writer->by_insert = rel->trigdesc != NULL || rel->rd_rules != NULL ||
		rel->rd_rel->relispartition;
	writer->result = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->result, rel, 0, NULL, 0);
	ExecOpenIndices(writer->result, false);
	writer->command = GetCurrentCommandId(true);
	writer->slot_desc = CreateTupleDescCopy(RelationGetDescr(rel));
	MemoryContextSwitchTo(old);
	return writer;
}

/* Put the rows of all slots into the table and its indexes. */
static void
flush(TsdbRowWriter *writer)
{
	ResultRelInfo *result = writer->result;

	if (writer->nslots == 0)
		return;
	if (writer->nslots == 1)
		table_tuple_insert(writer->rel, writer->slots[0], writer->command, 0, NULL);
	else
		table_multi_insert(writer->rel, writer->slots, writer->nslots, writer->command, 0, NULL);
	for (int i = 0; i < writer->nslots && result->ri_NumIndices > 0; i++)
	{
		ResetPerTupleExprContext(executor_state(writer));
		list_free(ExecInsertIndexTuples(result, writer->slots[i], executor_state(writer), false, false,
										NULL, NIL));
	}
	for (int i = 0; i < writer->nslots; i++)
		ExecClearTuple(writer->slots[i]);
	writer->nslots = 0;
	if (writer->batch_memory != NULL)
		MemoryContextReset(writer->batch_memory);
	CHECK_FOR_INTERRUPTS();
}

/*
 * What fills columns that were added after the rows came: the value that rows had that were there then, or,
 * where the table has been rewritten since, the default.
 */
static void
map_added_columns(TsdbRowWriter *writer, const TsdbRowBlock *block)
{
	TupleDesc	tupdesc = RelationGetDescr(writer->rel);

	writer->mapping.defaults = palloc0(Max(tupdesc->natts, 1) * sizeof(ExprState *));
	for (int i = block->natts; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);
		Node	   *expr;

		if (att->attisdropped || att->atthasmissing || att->attgenerated != '\0')
			continue;
		expr = build_column_default(writer->rel, i + 1);
		if (expr != NULL)
			writer->mapping.defaults[i] = ExecInitExpr(expression_planner((Expr *) expr), NULL);
	}
}

/* INSERT of a row of the block. */
static char *
insert_statement(Relation rel, const TsdbRowBlock *block)
{
	TupleDesc	tupdesc = RelationGetDescr(rel);
	StringInfoData columns;
	StringInfoData values;

	initStringInfo(&columns);
	initStringInfo(&values);
	for (int c = 0; c < block->ncolumns; c++)
	{
		AttrNumber	attno = block->columns[c].attno;
		Form_pg_attribute att = attno <= tupdesc->natts ? TupleDescAttr(tupdesc, attno - 1) : NULL;

		if (att == NULL || att->attisdropped || att->attgenerated != '\0')
			continue;
		appendStringInfo(&columns, "%s%s", columns.len > 0 ? ", " : " (",
						 quote_identifier(NameStr(att->attname)));
		appendStringInfo(&values, "%s$%d", values.len > 0 ? ", " : "", c + 1);
	}
	return psprintf("INSERT INTO %s%s",
					quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
											   RelationGetRelationName(rel)),
					values.len == 0 ? " DEFAULT VALUES" :
					psprintf("%s) OVERRIDING SYSTEM VALUE VALUES (%s)", columns.data, values.data));
}

/* Find where a block's columns go, unless they are those of the block before. */
static void
map_columns(TsdbRowWriter *writer, const TsdbRowBlock *block)
{
	Mapping    *mapping = &writer->mapping;
	TupleDesc	tupdesc = RelationGetDescr(writer->rel);
	Size		bytes = block->ncolumns * sizeof(TsdbRowBlockColumn);
	MemoryContext old;

	if (mapping->columns != NULL && mapping->ncolumns == block->ncolumns &&
		mapping->natts == block->natts && memcmp(mapping->columns, block->columns, bytes) == 0)
		return;

	old = MemoryContextSwitchTo(writer->memory);
	mapping->ncolumns = block->ncolumns;
	mapping->natts = block->natts;
	mapping->columns = palloc(Max(bytes, 1));
	memcpy(mapping->columns, block->columns, bytes);
	if (writer->by_insert)
		writer->insert = insert_statement(writer->rel, block);
	mapping->attnos = palloc0(Max(block->ncolumns, 1) * sizeof(AttrNumber));
	mapping->casts = palloc0(Max(block->ncolumns, 1) * sizeof(TsdbColumnCast));
	mapping->filled = palloc0(Max(tupdesc->natts, 1) * sizeof(bool));
	for (int c = 0; c < block->ncolumns; c++)
	{
		const TsdbRowBlockColumn *column = &block->columns[c];
		Form_pg_attribute att;

		if (column->attno > tupdesc->natts)
			continue;
		att = TupleDescAttr(tupdesc, column->attno - 1);
		if (att->attisdropped || writer->by_insert)
			continue;
		if (!(att->atttypid == column->type && att->atttypmod == column->typmod) &&
			!tsdb_column_cast_init(&mapping->casts[c], column->type, column->typmod, att,
								   GetPerTupleExprContext(executor_state(writer))))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of relation \"%s\" is of type %s but the row's value is of type %s",
							NameStr(att->attname), RelationGetRelationName(writer->rel),
							format_type_be(att->atttypid), format_type_be(column->type))));
		mapping->attnos[c] = column->attno;
		mapping->filled[column->attno - 1] = true;
	}
	map_added_columns(writer, block);
	writer->values = palloc(Max(block->ncolumns, 1) * sizeof(Datum));
	writer->nulls = palloc(Max(block->ncolumns, 1) * sizeof(bool));
	MemoryContextSwitchTo(old);
}

static TupleTableSlot *
next_slot(TsdbRowWriter *writer)
{
	if (writer->nslots == writer->allocated)
	{
		MemoryContext old = MemoryContextSwitchTo(writer->memory);

		if (writer->slots == NULL)
			writer->slots = palloc(sizeof(TupleTableSlot *));
		else if (writer->allocated == 1)
			writer->slots = repalloc(writer->slots, SLOTS * sizeof(TupleTableSlot *));
		writer->slots[writer->allocated++] =
			MakeSingleTupleTableSlot(writer->slot_desc, table_slot_callbacks(writer->rel));
		MemoryContextSwitchTo(old);
	}
	return writer->slots[writer->nslots++];
}

/* A value of a column to a slot, out of memory that does not last. */
static void
store_value(TsdbRowWriter *writer, TupleTableSlot *slot, Form_pg_attribute att, Datum value,
			bool isnull)
{
	if (!isnull && !att->attbyval)
	{
		MemoryContext old = MemoryContextSwitchTo(writer->batch_memory);

		value = datumCopy(value, false, att->attlen);
		MemoryContextSwitchTo(old);
	}
	slot->tts_values[att->attnum - 1] = value;
	slot->tts_isnull[att->attnum - 1] = isnull;
}

/* A row from the values of a block's columns to the table, by INSERT. */
static void
insert_row(TsdbRowWriter *writer, const TsdbRowBlock *block)
{
	Oid		   *types = palloc(Max(block->ncolumns, 1) * sizeof(Oid));
	char	   *nulls = palloc(Max(block->ncolumns, 1));
	int			result;

	for (int c = 0; c < block->ncolumns; c++)
	{
		types[c] = block->columns[c].type;
		nulls[c] = writer->nulls[c] ? 'n' : ' ';
	}
	SPI_connect();
	result = SPI_execute_with_args(writer->insert, block->ncolumns, types, writer->values, nulls,
								   false, 0);
	if (result < 0)
		elog(ERROR, "could not insert a row of tsdb.ingest(): %s", SPI_result_code_string(result));
	SPI_finish();
	pfree(nulls);
	pfree(types);
}

/* A row from the values of a block's columns to a slot. */
static void
put_row(TsdbRowWriter *writer, const TsdbRowBlock *block, bool check)
{
	TupleDesc	tupdesc = RelationGetDescr(writer->rel);
	Mapping    *mapping = &writer->mapping;
	TupleTableSlot *slot;

	if (writer->by_insert)
	{
		insert_row(writer, block);
		return;
	}
	slot = next_slot(writer);
	for (int i = 0; i < tupdesc->natts; i++)
	{
		if (mapping->filled[i])
			continue;
		slot->tts_values[i] = (Datum) 0;
		slot->tts_isnull[i] = true;
		if (mapping->defaults[i] != NULL)
		{
			bool		isnull;
			Datum		value;

			ResetPerTupleExprContext(executor_state(writer));
			value = ExecEvalExprSwitchContext(mapping->defaults[i],
											  GetPerTupleExprContext(executor_state(writer)), &isnull);
			store_value(writer, slot, TupleDescAttr(tupdesc, i), value, isnull);
		}
		else if (i >= block->natts)
			slot->tts_values[i] = getmissingattr(tupdesc, i + 1, &slot->tts_isnull[i]);
	}
	for (int c = 0; c < block->ncolumns; c++)
	{
		AttrNumber	attno = mapping->attnos[c];
		Datum		value = writer->values[c];
		bool		isnull = writer->nulls[c];

		if (attno == 0)
			continue;
		if (mapping->casts[c].state != NULL)
		{
			ResetPerTupleExprContext(executor_state(writer));
			value = tsdb_column_cast(&mapping->casts[c], value, &isnull);
			store_value(writer, slot, TupleDescAttr(tupdesc, attno - 1), value, isnull);
			continue;
		}
		slot->tts_values[attno - 1] = value;
		slot->tts_isnull[attno - 1] = isnull;
	}
	ExecStoreVirtualTuple(slot);
	slot->tts_tableOid = RelationGetRelid(writer->rel);
	if (tupdesc->constr != NULL)
	{
		if (tupdesc->constr->has_generated_stored)
		{
			ResetPerTupleExprContext(executor_state(writer));
			ExecComputeStoredGenerated(writer->result, executor_state(writer), slot, CMD_INSERT);
		}
		if (check)
		{
			ResetPerTupleExprContext(executor_state(writer));
			ExecConstraints(writer->result, slot, executor_state(writer));
		}
	}
	if (writer->nslots == SLOTS)
		flush(writer);
}

void
tsdb_row_writer_add(TsdbRowWriter *writer, const TsdbRowBlock *block, bool check)
{
	MemoryContext old = MemoryContextSwitchTo(writer->memory);
	PendingBlock *pending = palloc(sizeof(PendingBlock));

	pending->rows = block;
	pending->check = check;
	writer->blocks = lappend(writer->blocks, pending);
	writer->pending_rows += block->rows;
	MemoryContextSwitchTo(old);
}

/* Are a block's columns those that the table has now, and its rows right without being looked at one by one? */
static bool
is_whole(TsdbRowWriter *writer, const TsdbRowBlock *block, bool check)
{
	TupleDesc	tupdesc = RelationGetDescr(writer->rel);
	TupleConstr *constr = tupdesc->constr;

	if (writer->by_insert || block->natts != tupdesc->natts || block->ncolumns != tupdesc->natts)
		return false;
	if (constr != NULL && (constr->has_generated_stored || (check && constr->num_check > 0)))
		return false;
	if (check)
		tsdb_row_block_find_nulls(block, writer->nulls);
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);
		const TsdbRowBlockColumn *column = &block->columns[i];

		if (column->attno != i + 1 || att->attisdropped || column->type != att->atttypid ||
			column->typmod != att->atttypmod || (check && writer->nulls[i] && att->attnotnull))
			return false;
	}
	return true;
}

static void
write_block(TsdbRowWriter *writer, const TsdbRowBlock *block, bool check)
{
	TsdbRowReader reader;

	map_columns(writer, block);
	if (writer->pending_rows > FEW_ROWS && tsdb_row_writer_gather != NULL &&
		is_whole(writer, block, check) &&
		tsdb_row_writer_gather(writer->rel, block, writer->command, writer->stay))
		return;
	tsdb_row_reader_init(&reader, block);
	while (tsdb_row_reader_next(&reader, writer->values, writer->nulls))
		put_row(writer, block, check);
}

void
tsdb_row_writer_add_one(TsdbRowWriter *writer, const TsdbRowBlock *block, uint32 number,
						bool check)
{
	TsdbRowReader reader;

	map_columns(writer, block);
	tsdb_row_reader_init(&reader, block);
	for (uint32 i = 0; tsdb_row_reader_next(&reader, writer->values, writer->nulls); i++)
	{
		if (i == number)
		{
			put_row(writer, block, check);
			break;
		}
	}
}

void
tsdb_row_writer_end(TsdbRowWriter *writer)
{
	ListCell   *lc;

	foreach(lc, writer->blocks)
	{
		const PendingBlock *pending = lfirst(lc);

		write_block(writer, pending->rows, pending->check);
		CHECK_FOR_INTERRUPTS();
	}
	flush(writer);
	for (int i = 0; i < writer->allocated; i++)
		ExecDropSingleTupleTableSlot(writer->slots[i]);
	ExecCloseIndices(writer->result);
	if (writer->estate != NULL)
		FreeExecutorState(writer->estate);
	MemoryContextDelete(writer->memory);
}
