/*
 * aggregate_input.c
 *		What aggregates take of a batch: columns, and the rows that their filters leave.
 */
#include "postgres.h"

#include "exec/aggregate_input.h"

#include "access/sysattr.h"
#include "exec/chunk_filter.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* An expression and the columns that it reads. */
typedef struct Evaluated
{
	ExprState  *state;
	int			ncolumns;
	AttrNumber *columns;
} Evaluated;

/* An argument. */
typedef struct InputColumn
{
	Expr	   *expr;
	AttrNumber	attno;			/* it is that column; 0 for other expressions */
	int			filter;
	Evaluated	what;
	int16		length;
	bool		by_value;
	bool		known;			/* in the batch at hand */
	TsdbColumn	column;
} InputColumn;

/* One of the conditions that a filter consists of. */
typedef struct FilterQual
{
	Evaluated	what;
	int			clause;			/* of the chunk filter, or -1 */
} FilterQual;

typedef struct InputFilter
{
	Expr	   *expr;
	TsdbChunkFilter *chunk_filter;	/* of the conditions that it understands */
	int			nclauses;
	int			nquals;
	FilterQual *quals;

	/* in the batch at hand */
	bool		known;
	bool		any;
	bool		all;			/* of the rows that the scan's conditions leave */
	uint8		pass[TSDB_CHUNK_ROWS];
} InputFilter;

struct TsdbAggregateInput
{
	CustomScanState *scan;
	Index		relid;
	ExprContext *context;
	TupleTableSlot *slot;
	MemoryContext memory;		/* reset for each batch */
	int			ncolumns;
	InputColumn **columns;
	int			nfilters;
	InputFilter **filters;
	const TsdbBatch *batch;
};

static bool
contains_others(Node *node, void *relid)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		return var->varno != *(Index *) relid || var->varattno <= 0 || var->varlevelsup > 0;
	}
	if (IsA(node, Aggref) || IsA(node, GroupingFunc) || IsA(node, WindowFunc) ||
		IsA(node, SubLink) || IsA(node, SubPlan) || IsA(node, AlternativeSubPlan) ||
		IsA(node, PlaceHolderVar) || IsA(node, CurrentOfExpr))
		return true;
	return expression_tree_walker(node, contains_others, relid);
}

bool
tsdb_aggregate_input_understands(Node *expr, Index relid)
{
	return !contains_others(expr, &relid) && !contain_volatile_functions(expr);
}

TsdbAggregateInput *
tsdb_aggregate_input_create(CustomScanState *scan, EState *estate)
{
	TsdbAggregateInput *input = palloc0(sizeof(TsdbAggregateInput));

	input->scan = scan;
	input->relid = ((CustomScan *) scan->ss.ps.plan)->scan.scanrelid;
	input->context = CreateExprContext(estate);
	input->slot = ExecInitExtraTupleSlot(estate, RelationGetDescr(scan->ss.ss_currentRelation),
										 &TTSOpsVirtual);
	memset(input->slot->tts_isnull, true,
		   input->slot->tts_tupleDescriptor->natts * sizeof(bool));
	ExecStoreVirtualTuple(input->slot);
	input->context->ecxt_scantuple = input->slot;
	input->memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb aggregate input",
										  ALLOCSET_DEFAULT_SIZES);
	return input;
}

static void
find_columns(TsdbAggregateInput *input, Expr *expr, Evaluated *what)
{
	Bitmapset  *attributes = NULL;
	int			i = -1;

	pull_varattnos((Node *) expr, input->relid, &attributes);
	what->columns = palloc(Max(bms_num_members(attributes), 1) * sizeof(AttrNumber));
	while ((i = bms_next_member(attributes, i)) >= 0)
		what->columns[what->ncolumns++] = (AttrNumber) (i + FirstLowInvalidHeapAttributeNumber);
}

int
tsdb_aggregate_input_add_filter(TsdbAggregateInput *input, Expr *expr)
{
	InputFilter *filter;
	List	   *quals;
	List	   *understood = NIL;
	ListCell   *lc;

	if (expr == NULL)
		return -1;
	for (int i = 0; i < input->nfilters; i++)
	{
		if (equal(input->filters[i]->expr, expr))
			return i;
	}
	filter = palloc0(sizeof(InputFilter));
	filter->expr = expr;
	quals = make_ands_implicit(expr);
	filter->quals = palloc0(list_length(quals) * sizeof(FilterQual));
	foreach(lc, quals)
	{
		FilterQual *qual = &filter->quals[filter->nquals++];
		AttrNumber	attno;

		qual->what.state = ExecInitQual(list_make1(lfirst(lc)), NULL);
		find_columns(input, lfirst(lc), &qual->what);
		qual->clause = -1;
		if (tsdb_chunk_filter_understands(lfirst(lc), input->relid, &attno))
		{
			qual->clause = filter->nclauses++;
			understood = lappend(understood, lfirst(lc));
		}
	}
	filter->chunk_filter = tsdb_chunk_filter_create(understood, input->relid, NULL);
	input->filters = input->filters == NULL ? palloc(sizeof(InputFilter *)) :
		repalloc(input->filters, (input->nfilters + 1) * sizeof(InputFilter *));
	input->filters[input->nfilters] = filter;
	return input->nfilters++;
}

int
tsdb_aggregate_input_add_column(TsdbAggregateInput *input, Expr *expr, int filter)
{
	InputColumn *column;

	if (expr == NULL)
		return -1;
	for (int i = 0; i < input->ncolumns; i++)
	{
		if (input->columns[i]->filter == filter && equal(input->columns[i]->expr, expr))
			return i;
	}
	column = palloc0(sizeof(InputColumn));
	column->expr = expr;
	column->filter = filter;
	if (IsA(expr, Var))
		column->attno = ((Var *) expr)->varattno;
	else
	{
		column->what.state = ExecInitExpr(expr, NULL);
		find_columns(input, expr, &column->what);
		get_typlenbyval(exprType((Node *) expr), &column->length, &column->by_value);
		column->column.values = palloc(TSDB_CHUNK_ROWS * sizeof(Datum));
		column->column.nulls = palloc(TSDB_CHUNK_ROWS * sizeof(bool));
	}
	input->columns = input->columns == NULL ? palloc(sizeof(InputColumn *)) :
		repalloc(input->columns, (input->ncolumns + 1) * sizeof(InputColumn *));
	input->columns[input->ncolumns] = column;
	return input->ncolumns++;
}

void
tsdb_aggregate_input_begin_scan(TsdbAggregateInput *input)
{
	for (int i = 0; i < input->nfilters; i++)
		tsdb_chunk_filter_begin(input->filters[i]->chunk_filter, input->context);
}

void
tsdb_aggregate_input_begin(TsdbAggregateInput *input, const TsdbBatch *batch)
{
	MemoryContextReset(input->memory);
	input->batch = batch;
	for (int i = 0; i < input->nfilters; i++)
		input->filters[i]->known = false;
	for (int i = 0; i < input->ncolumns; i++)
		input->columns[i]->known = false;
}

MemoryContext
tsdb_aggregate_input_memory(TsdbAggregateInput *input)
{
	return input->memory;
}

/* ---- evaluating row by row ---- */

/* The columns that an expression reads, one pointer each. */
static const TsdbColumn **
get_columns(TsdbAggregateInput *input, const Evaluated *what)
{
	const TsdbColumn **columns = MemoryContextAlloc(input->memory, Max(what->ncolumns, 1) *
													sizeof(TsdbColumn *));

	for (int i = 0; i < what->ncolumns; i++)
		columns[i] = tsdb_table_scan_column(input->scan, what->columns[i]);
	return columns;
}

/* Show a row to the expression. */
static inline void
show_row(TsdbAggregateInput *input, const Evaluated *what, const TsdbColumn **columns,
		 uint32 row)
{
	TupleTableSlot *slot = input->slot;

	for (int i = 0; i < what->ncolumns; i++)
	{
		slot->tts_values[what->columns[i] - 1] = columns[i]->values[row];
		slot->tts_isnull[what->columns[i] - 1] = columns[i]->nulls[row];
	}
	ResetExprContext(input->context);
}

/* Clear pass of the rows for which the condition does not hold. */
static void
check_rows(TsdbAggregateInput *input, const Evaluated *what, uint8 *pass)
{
	const TsdbColumn **columns = get_columns(input, what);

	for (uint32 row = 0; row < input->batch->nrows; row++)
	{
		if (!pass[row])
			continue;
		show_row(input, what, columns, row);
		pass[row] = ExecQual(what->state, input->context);
	}
}

/* ---- filters ---- */

static void
apply(TsdbAggregateInput *input, InputFilter *filter)
{
	const TsdbBatch *batch = input->batch;
	TsdbChunkMatch match = TSDB_SOME_ROWS;

	if (batch->summary != NULL && filter->nclauses > 0)
		match = tsdb_chunk_filter_judge(filter->chunk_filter, batch->summary);
	filter->any = match != TSDB_NO_ROW;
	filter->all = match == TSDB_EVERY_ROW && filter->nclauses == filter->nquals;
	if (!filter->any || filter->all)
		return;

	if (batch->pass == NULL)
		memset(filter->pass, true, batch->nrows);
	else
		memcpy(filter->pass, batch->pass, batch->nrows);
	if (batch->summary != NULL && filter->nclauses > 0 &&
		!tsdb_chunk_filter_rows(filter->chunk_filter, tsdb_table_scan_reader(input->scan),
								NULL, 0, batch->nrows, filter->pass))
	{
		filter->any = false;
		return;
	}
	for (int i = 0; i < filter->nquals; i++)
	{
		const FilterQual *qual = &filter->quals[i];

		if (batch->summary == NULL || qual->clause < 0 ||
			!tsdb_chunk_filter_settles(filter->chunk_filter, qual->clause))
			check_rows(input, &qual->what, filter->pass);
	}
	filter->any = memchr(filter->pass, true, batch->nrows) != NULL;
}

bool
tsdb_aggregate_input_rows(TsdbAggregateInput *input, int place, const uint8 **pass)
{
	InputFilter *filter;

	*pass = input->batch->pass;
	if (place < 0)
		return true;
	filter = input->filters[place];
	if (!filter->known)
		apply(input, filter);
	filter->known = true;
	if (!filter->all)
		*pass = filter->pass;
	return filter->any;
}

/* ---- columns ---- */

/* Evaluate an expression for the rows that count. */
static void
compute(TsdbAggregateInput *input, InputColumn *column)
{
	const TsdbColumn **columns = get_columns(input, &column->what);
	MemoryContext old;
	const uint8 *pass;

	column->column.any_null = false;
	if (!tsdb_aggregate_input_rows(input, column->filter, &pass))
		return;
	for (uint32 row = 0; row < input->batch->nrows; row++)
	{
		Datum		value;
		bool		isnull;

		if (pass != NULL && !pass[row])
			continue;
		show_row(input, &column->what, columns, row);
		value = ExecEvalExprSwitchContext(column->what.state, input->context, &isnull);
		if (isnull)
			column->column.any_null = true;
		else if (!column->by_value)
		{
			old = MemoryContextSwitchTo(input->memory);
			value = datumCopy(value, false, column->length);
			MemoryContextSwitchTo(old);
		}
		column->column.values[row] = value;
		column->column.nulls[row] = isnull;
	}
}

const TsdbColumn *
tsdb_aggregate_input_column(TsdbAggregateInput *input, int place)
{
	InputColumn *column;

	if (place < 0)
		return NULL;
	column = input->columns[place];
	if (column->attno > 0)
		return tsdb_table_scan_column(input->scan, column->attno);
	if (!column->known)
		compute(input, column);
	column->known = true;
	return &column->column;
}

const TsdbColumn *
tsdb_aggregate_input_packed(TsdbAggregateInput *input, int place)
{
	const TsdbColumn *column;

	if (place < 0 || input->batch->summary == NULL || input->columns[place]->attno <= 0)
		return NULL;
	column = tsdb_table_scan_packed(input->scan, input->columns[place]->attno);
	return column == NULL || column->any_null ? NULL : column;
}
