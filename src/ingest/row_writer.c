/*
 * row_writer.c
 *		Rows of blocks into their table, as an INSERT would put them there.
 */
#include "postgres.h"

#include "ingest/row_writer.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"

/* Rows given to the table at a time. */
#define SLOTS		1000

/* Columns of a block, and where they go. */
typedef struct Mapping
{
	int			ncolumns;
	TsdbRowBlockColumn *columns;	/* that it was made for */
	int			natts;
	AttrNumber *attnos;			/* per column of the block; 0: nowhere */
	TsdbColumnCast *casts;
	bool	   *filled;			/* per column of the table */
} Mapping;

struct TsdbRowWriter
{
	MemoryContext memory;
	MemoryContext batch_memory; /* of values in slots */
	Relation	rel;
	EState	   *estate;
	ResultRelInfo *result;
	CommandId	command;
	TupleTableSlot **slots;
	int			nslots;			/* with a row */
	int			allocated;
	Mapping		mapping;
	Datum	   *values;			/* of a block's columns */
	bool	   *nulls;
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

TsdbRowWriter *
tsdb_row_writer_begin(Relation rel)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb row writer",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(memory);
	TsdbRowWriter *writer = palloc0(sizeof(TsdbRowWriter));

	writer->memory = memory;
	writer->batch_memory = AllocSetContextCreate(memory, "tsdb row writer values",
												 ALLOCSET_DEFAULT_SIZES);
	writer->rel = rel;
	writer->estate = CreateExecutorState();
	writer->result = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->result, rel, 0, NULL, 0);
	ExecOpenIndices(writer->result, false);
	writer->command = GetCurrentCommandId(true);
	writer->slots = palloc(SLOTS * sizeof(TupleTableSlot *));
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
	table_multi_insert(writer->rel, writer->slots, writer->nslots, writer->command, 0, NULL);
	for (int i = 0; i < writer->nslots && result->ri_NumIndices > 0; i++)
	{
		ResetPerTupleExprContext(writer->estate);
		list_free(ExecInsertIndexTuples(result, writer->slots[i], writer->estate, false, false,
										NULL, NIL));
	}
	for (int i = 0; i < writer->nslots; i++)
		ExecClearTuple(writer->slots[i]);
	writer->nslots = 0;
	MemoryContextReset(writer->batch_memory);
	CHECK_FOR_INTERRUPTS();
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
		if (att->attisdropped)
			continue;
		if (!(att->atttypid == column->type && att->atttypmod == column->typmod) &&
			!tsdb_column_cast_init(&mapping->casts[c], column->type, column->typmod, att,
								   GetPerTupleExprContext(writer->estate)))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of relation \"%s\" is of type %s but the row's value is of type %s",
							NameStr(att->attname), RelationGetRelationName(writer->rel),
							format_type_be(att->atttypid), format_type_be(column->type))));
		mapping->attnos[c] = column->attno;
		mapping->filled[column->attno - 1] = true;
	}
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

		writer->slots[writer->allocated++] = table_slot_create(writer->rel, NULL);
		MemoryContextSwitchTo(old);
	}
	return writer->slots[writer->nslots++];
}

/* A row from the values of a block's columns to a slot. */
static void
put_row(TsdbRowWriter *writer, const TsdbRowBlock *block, bool check)
{
	TupleDesc	tupdesc = RelationGetDescr(writer->rel);
	Mapping    *mapping = &writer->mapping;
	TupleTableSlot *slot = next_slot(writer);

	for (int i = 0; i < tupdesc->natts; i++)
	{
		if (mapping->filled[i])
			continue;
		slot->tts_values[i] = (Datum) 0;
		slot->tts_isnull[i] = true;
		if (i >= block->natts)
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
			Form_pg_attribute att = TupleDescAttr(tupdesc, attno - 1);

			ResetPerTupleExprContext(writer->estate);
			value = tsdb_column_cast(&mapping->casts[c], value, &isnull);
			if (!isnull && !att->attbyval)
			{
				MemoryContext old = MemoryContextSwitchTo(writer->batch_memory);

				value = datumCopy(value, false, att->attlen);
				MemoryContextSwitchTo(old);
			}
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
			ResetPerTupleExprContext(writer->estate);
			ExecComputeStoredGenerated(writer->result, writer->estate, slot, CMD_INSERT);
		}
		if (check)
		{
			ResetPerTupleExprContext(writer->estate);
			ExecConstraints(writer->result, slot, writer->estate);
		}
	}
	if (writer->nslots == SLOTS)
		flush(writer);
}

void
tsdb_row_writer_add(TsdbRowWriter *writer, const TsdbRowBlock *block, bool check)
{
	TsdbRowReader reader;

	map_columns(writer, block);
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
	flush(writer);
	for (int i = 0; i < writer->allocated; i++)
		ExecDropSingleTupleTableSlot(writer->slots[i]);
	ExecCloseIndices(writer->result);
	FreeExecutorState(writer->estate);
	MemoryContextDelete(writer->memory);
}
