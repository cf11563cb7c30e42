/*
 * gapfill.c
 *		Executor node that adds the rows of empty buckets to grouped rows.
 */
#include "postgres.h"

#include "exec/gapfill.h"

#include "access/stratnum.h"
#include "commands/explain.h"
#include "exec/gap_fill.h"
#include "exec/gap_range.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/tlist.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/ruleutils.h"

/* How the plan node keeps what it knows: lists of its custom_exprs and custom_private. */
enum PlanExprs
{
	EXPR_WIDTH,
	EXPR_ZONE,					/* or NULL */
	EXPR_BOUNDS,
	EXPR_FILLS,					/* a list of the arguments of each */
	PLAN_EXPRS
};

enum PlanPrivate
{
	PRIVATE_BUCKET,				/* function, collation and type of the bucketing call */
	PRIVATE_COLUMNS,			/* the bucket's column, then columns that a gap has too */
	PRIVATE_STRATEGIES,			/* of each boundary */
	PRIVATE_KEYS,				/* columns of the other keys */
	PRIVATE_OPERATORS,			/* their equality */
	PRIVATE_COLLATIONS,
	PRIVATE_INTERPOLATES,		/* of each fill */
	PLAN_PRIVATES
};

typedef struct Bound
{
	int			strategy;
	Oid			type;
	ExprState  *expr;
} Bound;

typedef struct Gapfill
{
	CustomScanState css;		/* must be first */
	PlanState  *child;
	int			ncolumns;		/* of the child */
	int			bucket;			/* the bucket's column, from 0 */
	bool	   *in_gap;			/* does a gap have the group's value of this column? */
	ExprState  *width;
	ExprState  *zone;			/* or NULL */
	int			nbounds;
	Bound	   *bounds;
	ExprState  *same_group;		/* or NULL: without other keys */
	int			nfills;
	TsdbGapFill *fills;
	ExprState **null_is_missing;	/* of each fill, or NULL */

	/* computed before the first row */
	MemoryContext range_memory;
	bool		ready;
	TsdbGapRange range;
	int64		begin;

	/* the group */
	MemoryContext group_memory;
	TupleTableSlot *group;		/* its first row */
	bool		in_group;
	bool		has_gap;		/* next_gap is one, unless there is a row */
	int64		next_gap;

	/* the next row of the child */
	TupleTableSlot *row;		/* or NULL */
	TupleTableSlot *peeked;		/* the same as a scan row */
	bool		row_in_group;
	bool		row_has_time;	/* a bucket that is not null */
	bool		row_is_point;	/* and finite */
	int64		row_time;
	bool		ended;

	uint64		groups;
	uint64		gaps;
} Gapfill;

/* ---- the plan ---- */

/* Column of the child that has an expression, from 1. */
static int
column_of(Node *expr, List *tlist)
{
	TargetEntry *entry = tlist_member((Expr *) expr, tlist);

	if (entry == NULL)
		elog(ERROR, "group key not found in target list of plan below");
	return entry->resno;
}

static const CustomScanMethods scan_methods;

CustomScan *
tsdb_gapfill_make_plan(const TsdbGapfillSpec *spec, List *tlist, Plan *child)
{
	CustomScan *scan = makeNode(CustomScan);
	List	   *scan_tlist = copyObject(child->targetlist);
	List	   *bounds = NIL;
	List	   *fills = NIL;
	List	   *columns;
	List	   *strategies = NIL;
	List	   *keys = NIL;
	ListCell   *lc;

	columns = list_make1_int(column_of((Node *) spec->bucket, child->targetlist));
	foreach(lc, child->targetlist)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);

		if (!IsA(entry->expr, Aggref) && entry->resno != linitial_int(columns))
			columns = lappend_int(columns, entry->resno);
	}
	foreach(lc, spec->keys)
		keys = lappend_int(keys, column_of(lfirst(lc), child->targetlist));
	foreach(lc, spec->bounds)
	{
		TsdbGapBound *bound = lfirst(lc);

		bounds = lappend(bounds, copyObject(bound->expr));
		strategies = lappend_int(strategies, bound->strategy);
	}
	foreach(lc, spec->fills)
	{
		FuncExpr   *call = lfirst_node(FuncExpr, lc);

		fills = lappend(fills, copyObject(call->args));
		scan_tlist = lappend(scan_tlist, makeTargetEntry(copyObject((Expr *) call),
														 list_length(scan_tlist) + 1, NULL,
														 false));
	}

	scan->scan.plan.targetlist = tlist;
	scan->custom_plans = list_make1(child);
	scan->custom_scan_tlist = scan_tlist;
	scan->custom_exprs = list_make4(copyObject(spec->width), copyObject(spec->zone), bounds, fills);
	scan->custom_private = list_make5(list_make3_oid(spec->bucket->funcid,
													 spec->bucket->inputcollid,
													 spec->bucket->funcresulttype),
									  columns, strategies, keys, spec->key_operators);
	scan->custom_private = lappend(scan->custom_private, spec->key_collations);
	scan->custom_private = lappend(scan->custom_private, spec->fill_interpolates);
	Assert(list_length(scan->custom_exprs) == PLAN_EXPRS);
	Assert(list_length(scan->custom_private) == PLAN_PRIVATES);
	scan->methods = &scan_methods;
	return scan;
}

static List *
plan_list(CustomScan *plan, enum PlanPrivate which)
{
	return (List *) list_nth(plan->custom_private, which);
}

/* ---- beginning ---- */

static ExprState *
init_expr(List *exprs, int n, Gapfill *state)
{
	Expr	   *expr = n < list_length(exprs) ? list_nth(exprs, n) : NULL;

	return expr != NULL ? ExecInitExpr(expr, &state->css.ss.ps) : NULL;
}

static void
init_fills(Gapfill *state, CustomScan *plan)
{
	List	   *fills = (List *) list_nth(plan->custom_exprs, EXPR_FILLS);
	ListCell   *lc;
	int			i = 0;

	state->nfills = list_length(fills);
	state->fills = palloc0_array(TsdbGapFill, state->nfills);
	state->null_is_missing = palloc0_array(ExprState *, state->nfills);
	foreach(lc, fills)
	{
		List	   *args = (List *) lfirst(lc);
		TsdbGapFill *fill = &state->fills[i];

		fill->interpolates = list_nth_int(plan_list(plan, PRIVATE_INTERPOLATES), i);
		fill->value = init_expr(args, 0, state);
		fill->prev = init_expr(args, 1, state);
		if (fill->interpolates)
			fill->next = init_expr(args, 2, state);
		else
			state->null_is_missing[i] = init_expr(args, 2, state);
		tsdb_gap_fill_init(fill, exprType(linitial(args)), state->range.type,
						   state->group_memory);
		i++;
	}
}

static void
begin_gapfill(CustomScanState *node, EState *estate, int eflags)
{
	Gapfill    *state = (Gapfill *) node;
	CustomScan *plan = castNode(CustomScan, node->ss.ps.plan);
	List	   *bounds = (List *) list_nth(plan->custom_exprs, EXPR_BOUNDS);
	List	   *columns = plan_list(plan, PRIVATE_COLUMNS);
	List	   *keys = plan_list(plan, PRIVATE_KEYS);
	int			nkeys = list_length(keys);
	TupleDesc	desc;
	ListCell   *lc;
	int			i = 0;

	eflags &= ~(EXEC_FLAG_BACKWARD | EXEC_FLAG_MARK);
	state->child = ExecInitNode(linitial(plan->custom_plans), estate, eflags);
	node->custom_ps = list_make1(state->child);
	desc = ExecGetResultType(state->child);
	state->ncolumns = desc->natts;

	state->bucket = linitial_int(columns) - 1;
	state->in_gap = palloc0_array(bool, state->ncolumns);
	for_each_from(lc, columns, 1)
		state->in_gap[lfirst_int(lc) - 1] = true;

	state->range.type = list_nth_oid(plan_list(plan, PRIVATE_BUCKET), 2);
	state->range.collation = list_nth_oid(plan_list(plan, PRIVATE_BUCKET), 1);
	fmgr_info(linitial_oid(plan_list(plan, PRIVATE_BUCKET)), &state->range.bucket);
	state->width = init_expr(plan->custom_exprs, EXPR_WIDTH, state);
	state->zone = init_expr(plan->custom_exprs, EXPR_ZONE, state);
	state->nbounds = list_length(bounds);
	state->bounds = palloc0_array(Bound, state->nbounds);
	foreach(lc, bounds)
	{
		state->bounds[i].strategy = list_nth_int(plan_list(plan, PRIVATE_STRATEGIES), i);
		state->bounds[i].type = exprType(lfirst(lc));
		state->bounds[i].expr = init_expr(bounds, i, state);
		i++;
	}

	state->range_memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb gapfill range",
												ALLOCSET_SMALL_SIZES);
	state->group_memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb gapfill group",
												ALLOCSET_SMALL_SIZES);
	init_fills(state, plan);

	state->group = ExecInitExtraTupleSlot(estate, desc, &TTSOpsMinimalTuple);
	state->peeked = ExecInitExtraTupleSlot(estate, node->ss.ss_ScanTupleSlot->tts_tupleDescriptor,
										   &TTSOpsVirtual);
	if (nkeys > 0)
	{
		AttrNumber *key_columns = palloc_array(AttrNumber, nkeys);
		Oid		   *operators = palloc_array(Oid, nkeys);
		Oid		   *collations = palloc_array(Oid, nkeys);

		for (i = 0; i < nkeys; i++)
		{
			key_columns[i] = (AttrNumber) list_nth_int(keys, i);
			operators[i] = list_nth_oid(plan_list(plan, PRIVATE_OPERATORS), i);
			collations[i] = list_nth_oid(plan_list(plan, PRIVATE_COLLATIONS), i);
		}
		state->same_group = execTuplesMatchPrepare(desc, nkeys, key_columns, operators,
												   collations, &node->ss.ps);
	}
}

/* ---- the range ---- */

/* An argument that does not depend on rows, in memory that lasts as long as the range. */
static Datum
evaluate(Gapfill *state, ExprState *expr, const char *name)
{
	MemoryContext old = MemoryContextSwitchTo(state->range_memory);
	bool		is_null;
	Datum		value = ExecEvalExpr(expr, state->css.ss.ps.ps_ExprContext, &is_null);

	MemoryContextSwitchTo(old);
	if (is_null)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s of time_bucket_gapfill() must not be null", name),
				 strcmp(name, "start") == 0 || strcmp(name, "finish") == 0 ?
				 errhint("Specify start and finish as arguments or in the WHERE clause.") : 0));
	return value;
}

/* The range as far as one boundary tells. */
static void
apply_bound(Gapfill *state, const Bound *bound)
{
	bool		is_start = bound->strategy >= BTGreaterEqualStrategyNumber;
	const char *name = is_start ? "start" : "finish";
	Datum		value = evaluate(state, bound->expr, name);
	bool		rounded;
	int64		time = tsdb_gap_time(value, bound->type);

	if (tsdb_gap_is_finite(time, bound->type))
		time = tsdb_gap_convert(value, bound->type, state->range.type, &rounded);
	if (!tsdb_gap_is_finite(time, bound->type) || !tsdb_gap_is_finite(time, state->range.type))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of time_bucket_gapfill() must be finite", name),
				 errhint("Specify start and finish as arguments or in the WHERE clause.")));

	/* > and <= leave out, or take in, the boundary itself; a boundary between two times has
	 * been rounded down */
	if ((bound->strategy == BTGreaterStrategyNumber ||
		 bound->strategy == BTLessEqualStrategyNumber || rounded) && time < PG_INT64_MAX)
		time++;
	if (is_start)
		state->begin = Max(state->begin, time);
	else
		state->range.end = Min(state->range.end, time);
}

static void
compute_range(Gapfill *state)
{
	MemoryContextReset(state->range_memory);
	state->range.width = evaluate(state, state->width, "bucket_width");
	state->range.has_zone = state->zone != NULL;
	if (state->range.has_zone)
		state->range.zone = evaluate(state, state->zone, "timezone");
	state->begin = PG_INT64_MIN;
	state->range.end = PG_INT64_MAX;
	for (int i = 0; i < state->nbounds; i++)
		apply_bound(state, &state->bounds[i]);
	tsdb_gap_range_begin(&state->range, state->begin);

	for (int i = 0; i < state->nfills; i++)
	{
		bool		is_null = true;
		Datum		missing = (Datum) 0;

		if (state->null_is_missing[i] != NULL)
			missing = ExecEvalExprSwitchContext(state->null_is_missing[i],
												state->css.ss.ps.ps_ExprContext, &is_null);
		state->fills[i].null_is_missing = !is_null && DatumGetBool(missing);
	}
	state->ready = true;
}

/* ---- rows ---- */

/* Fetch the child's next row, if it is not at hand. */
static void
fetch_row(Gapfill *state)
{
	ExprContext *context = state->css.ss.ps.ps_ExprContext;
	TupleTableSlot *slot;

	if (state->row != NULL || state->ended)
		return;
	slot = ExecProcNode(state->child);
	if (TupIsNull(slot))
	{
		state->ended = true;
		state->row_in_group = false;
		return;
	}
	slot_getallattrs(slot);
	state->row = slot;
	state->row_has_time = !slot->tts_isnull[state->bucket];
	if (state->row_has_time)
		state->row_time = tsdb_gap_time(slot->tts_values[state->bucket], state->range.type);
	state->row_is_point = state->row_has_time &&
		tsdb_gap_is_finite(state->row_time, state->range.type);
	state->row_in_group = state->in_group;
	if (state->in_group && state->same_group != NULL)
	{
		context->ecxt_innertuple = slot;
		context->ecxt_outertuple = state->group;
		state->row_in_group = ExecQual(state->same_group, context);
	}
}

/* Copy the child's row into a scan row, whose fills are still to be computed. */
static void
set_scan_row(const Gapfill *state, TupleTableSlot *scan, const TupleTableSlot *row)
{
	ExecClearTuple(scan);
	memcpy(scan->tts_values, row->tts_values, state->ncolumns * sizeof(Datum));
	memcpy(scan->tts_isnull, row->tts_isnull, state->ncolumns * sizeof(bool));
	for (int i = 0; i < state->nfills; i++)
	{
		scan->tts_values[state->ncolumns + i] = (Datum) 0;
		scan->tts_isnull[state->ncolumns + i] = true;
	}
	ExecStoreVirtualTuple(scan);
}

/* Tell fills what the next row of the group is. */
static void
expect_row(Gapfill *state)
{
	ExprContext *context = state->css.ss.ps.ps_ExprContext;

	if (state->nfills == 0)
		return;
	set_scan_row(state, state->peeked, state->row);
	context->ecxt_scantuple = state->peeked;
	for (int i = 0; i < state->nfills; i++)
		tsdb_gap_fill_expect(&state->fills[i], context, state->row_is_point, state->row_time);
}

/* Begin a group with the row at hand, or the one group that has none. */
static void
begin_group(Gapfill *state)
{
	MemoryContextReset(state->group_memory);
	for (int i = 0; i < state->nfills; i++)
		tsdb_gap_fill_begin_group(&state->fills[i]);
	if (state->row != NULL)
	{
		ExecCopySlot(state->group, state->row);
		slot_getallattrs(state->group);
		state->row_in_group = true;
		expect_row(state);
	}
	else
		ExecStoreAllNullTuple(state->group);
	state->in_group = true;
	state->next_gap = state->range.first;
	state->has_gap = state->begin < state->range.end;
	state->groups++;
}

static void
emit_row(Gapfill *state, TupleTableSlot *scan)
{
	ExprContext *context = state->css.ss.ps.ps_ExprContext;
	bool		in_range = state->row_has_time && state->row_time >= state->range.first &&
		state->row_time < state->range.end;

	set_scan_row(state, scan, state->row);
	context->ecxt_scantuple = scan;
	for (int i = 0; i < state->nfills; i++)
		scan->tts_values[state->ncolumns + i] =
			tsdb_gap_fill_row(&state->fills[i], context, in_range, state->row_is_point,
							  state->row_time, &scan->tts_isnull[state->ncolumns + i]);
	while (state->has_gap && state->row_has_time && state->next_gap <= state->row_time)
		state->has_gap = tsdb_gap_range_next(&state->range, &state->next_gap);
	state->row = NULL;
}

static void
emit_gap(Gapfill *state, TupleTableSlot *scan)
{
	ExprContext *context = state->css.ss.ps.ps_ExprContext;

	set_scan_row(state, scan, state->group);
	for (int i = 0; i < state->ncolumns; i++)
	{
		if (!state->in_gap[i])
			scan->tts_isnull[i] = true;
	}
	scan->tts_values[state->bucket] = tsdb_gap_datum(state->next_gap, state->range.type);
	scan->tts_isnull[state->bucket] = false;
	context->ecxt_scantuple = scan;
	for (int i = 0; i < state->nfills; i++)
		scan->tts_values[state->ncolumns + i] =
			tsdb_gap_fill_gap(&state->fills[i], context, state->next_gap,
							  &scan->tts_isnull[state->ncolumns + i]);
	state->has_gap = tsdb_gap_range_next(&state->range, &state->next_gap);
	state->gaps++;
}

/* Form the next scan row; false if there is none. */
static bool
next_scan_row(Gapfill *state, TupleTableSlot *scan)
{
	MemoryContext tuple_memory = state->css.ss.ps.ps_ExprContext->ecxt_per_tuple_memory;

	for (;;)
	{
		bool		had_row = state->row != NULL;
		bool		has_row;
		bool		is_gap;
		MemoryContext old;

		CHECK_FOR_INTERRUPTS();
		fetch_row(state);
		if (!state->in_group)
		{
			if (state->row == NULL && (state->same_group != NULL || state->groups > 0))
				return false;
			begin_group(state);
		}
		else if (!had_row && state->row != NULL && state->row_in_group)
			expect_row(state);

		has_row = state->row != NULL && state->row_in_group;
		is_gap = state->has_gap &&
			(!has_row || !state->row_has_time || state->next_gap < state->row_time);
		if (is_gap || has_row)
		{
			old = MemoryContextSwitchTo(tuple_memory);
			if (is_gap)
				emit_gap(state, scan);
			else
				emit_row(state, scan);
			MemoryContextSwitchTo(old);
			return true;
		}
		state->in_group = false;
	}
}

static TupleTableSlot *
exec_gapfill(CustomScanState *node)
{
	Gapfill    *state = (Gapfill *) node;
	ExprContext *context = node->ss.ps.ps_ExprContext;
	TupleTableSlot *scan = node->ss.ss_ScanTupleSlot;

	ResetExprContext(context);
	if (!state->ready)
		compute_range(state);
	if (!next_scan_row(state, scan))
		return NULL;
	if (node->ss.ps.ps_ProjInfo == NULL)
		return scan;
	context->ecxt_scantuple = scan;
	return ExecProject(node->ss.ps.ps_ProjInfo);
}

/* ---- ending ---- */

/* Forget all rows; groups count those of the present scan only. */
static void
clear(Gapfill *state)
{
	ExecClearTuple(state->css.ss.ss_ScanTupleSlot);
	ExecClearTuple(state->peeked);
	ExecClearTuple(state->group);
	MemoryContextReset(state->group_memory);
	state->ready = false;
	state->in_group = false;
	state->row = NULL;
	state->ended = false;
}

static void
end_gapfill(CustomScanState *node)
{
	Gapfill    *state = (Gapfill *) node;

	clear(state);
	ExecEndNode(state->child);
}

static void
rescan_gapfill(CustomScanState *node)
{
	Gapfill    *state = (Gapfill *) node;

	clear(state);
	state->groups = 0;
	if (node->ss.ps.chgParam != NULL)
		UpdateChangedParamSet(state->child, node->ss.ps.chgParam);
	if (state->child->chgParam == NULL)
		ExecReScan(state->child);
}

/* ---- EXPLAIN ---- */

static void
explain_gapfill(CustomScanState *node, List *ancestors, ExplainState *es)
{
	static const char *const operators[] = {NULL, "<", "<=", NULL, ">=", ">"};
	Gapfill    *state = (Gapfill *) node;
	CustomScan *plan = castNode(CustomScan, node->ss.ps.plan);
	List	   *context = set_deparse_context_plan(es->deparse_cxt, node->ss.ps.plan, ancestors);
	List	   *strategies = plan_list(plan, PRIVATE_STRATEGIES);
	List	   *bounds = (List *) list_nth(plan->custom_exprs, EXPR_BOUNDS);
	StringInfoData text;
	ListCell   *lc;

	ExplainPropertyText("Bucket Width",
						deparse_expression(list_nth(plan->custom_exprs, EXPR_WIDTH), context,
										   es->verbose, false), es);
	initStringInfo(&text);
	foreach(lc, bounds)
		appendStringInfo(&text, "%stime %s %s", text.len > 0 ? " AND " : "",
						 operators[list_nth_int(strategies, foreach_current_index(lc))],
						 deparse_expression(lfirst(lc), context, es->verbose, false));
	ExplainPropertyText("Range", text.data, es);
	if (es->analyze)
		ExplainPropertyUInteger("Rows Added", NULL, state->gaps, es);
}

/* ---- methods ---- */

static const CustomExecMethods exec_methods = {
	.CustomName = "tsdb gapfill",
	.BeginCustomScan = begin_gapfill,
	.ExecCustomScan = exec_gapfill,
	.EndCustomScan = end_gapfill,
	.ReScanCustomScan = rescan_gapfill,
	.ExplainCustomScan = explain_gapfill
};

static Node *
create_state(CustomScan *plan)
{
	Gapfill    *state = palloc0(sizeof(Gapfill));

	NodeSetTag(state, T_CustomScanState);
	state->css.methods = &exec_methods;
	return (Node *) state;
}

static const CustomScanMethods scan_methods = {
	.CustomName = "tsdb gapfill",
	.CreateCustomScanState = create_state
};

void
tsdb_gapfill_init(void)
{
	RegisterCustomScanMethods(&scan_methods);
}
