/*
 * aggregate_scan.c
 *		Custom node that aggregates the rows of a tsdb scan below it by columns.
 */
#include "postgres.h"

#include "exec/aggregate_scan.h"

#include "commands/explain.h"
#include "common/hashfn.h"
#include "exec/aggregate_input.h"
#include "exec/group_runs.h"
#include "exec/table_scan.h"
#include "exec/vector_aggregate.h"
#include "executor/executor.h"
#include "executor/nodeHash.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

/* ---- groups ---- */

typedef struct KeyValues
{
	Datum	   *values;			/* nkeys of each */
	bool	   *nulls;
} KeyValues;

typedef struct KeyGroup
{
	KeyValues	keys;
	TsdbAggregateState *states; /* naggregates */
} KeyGroup;

/* An element of the hash table, which moves when others are added. */
typedef struct GroupSlot
{
	KeyValues	keys;
	KeyGroup   *group;
	uint32		hash;			/* for simplehash.h, as status */
	char		status;
} GroupSlot;

/* An aggregate, and what it takes: places in the input. */
typedef struct ScanAggregate
{
	TsdbAggregate aggregate;
	int			place;			/* in the row that is returned */
	int			filter;
	int			argument;
	int			time;
	bool		takes_packed;
} ScanAggregate;

typedef struct AggregateScan
{
	CustomScanState css;		/* must be first */
	CustomScanState *scan;		/* the child */

	/* what is returned, by place in the row */
	int			nkeys;
	TsdbGroupKey *keys;
	int		   *key_places;
	int			naggregates;
	ScanAggregate *aggregates;
	TsdbAggregateInput *input;	/* of the aggregates */

	TsdbGroupRuns *runs;
	ExprContext *context;		/* of keys' expressions */
	KeyValues	found;			/* keys of the run at hand */

	/* groups so far, or being returned */
	MemoryContext memory;
	struct groups_hash *groups; /* NULL before the first */
	KeyGroup   *last;			/* of the run before */
	bool		returning;
	bool		begun;
	bool		at_end;			/* of the child */
	uint32		next;			/* slot of the hash table to return */
	MemoryContext row_memory;	/* of the row that is returned */
} AggregateScan;

static inline uint32
hash_keys(const AggregateScan *state, KeyValues keys)
{
	uint32		hash = 0;

	for (int i = 0; i < state->nkeys; i++)
	{
		uint32		one = keys.nulls[i] ? 0 :
			datum_image_hash(keys.values[i], state->keys[i].by_value, state->keys[i].length);

		hash = hash_combine(hash, one);
	}
	return murmurhash32(hash);
}

static inline bool
equal_keys(const AggregateScan *state, KeyValues a, KeyValues b)
{
	for (int i = 0; i < state->nkeys; i++)
	{
		const TsdbGroupKey *key = &state->keys[i];

		if (a.nulls[i] != b.nulls[i])
			return false;
		if (!a.nulls[i] && !(key->by_value ? a.values[i] == b.values[i] :
							 datum_image_eq(a.values[i], b.values[i], false, key->length)))
			return false;
	}
	return true;
}

#define SH_PREFIX groups
#define SH_ELEMENT_TYPE GroupSlot
#define SH_KEY_TYPE KeyValues
#define SH_KEY keys
#define SH_HASH_KEY(table, key) hash_keys((table)->private_data, key)
#define SH_EQUAL(table, a, b) equal_keys((table)->private_data, a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(table, slot) (slot)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* The group of state->found, a new one if there is none. */
static KeyGroup *
find_group(AggregateScan *state)
{
	GroupSlot  *slot;
	KeyGroup   *group;
	bool		exists;
	MemoryContext old;

	if (state->last != NULL && equal_keys(state, state->found, state->last->keys))
		return state->last;
	if (state->groups == NULL)
		state->groups = groups_create(state->memory, 256, state);
	slot = groups_insert(state->groups, state->found, &exists);
	if (!exists)
	{
		old = MemoryContextSwitchTo(state->memory);
		group = palloc(sizeof(KeyGroup));
		group->keys.values = palloc(Max(state->nkeys, 1) * sizeof(Datum));
		group->keys.nulls = palloc(Max(state->nkeys, 1) * sizeof(bool));
		for (int i = 0; i < state->nkeys; i++)
		{
			group->keys.nulls[i] = state->found.nulls[i];
			group->keys.values[i] = state->found.nulls[i] ? (Datum) 0 :
				datumCopy(state->found.values[i], state->keys[i].by_value,
						  state->keys[i].length);
		}
		group->states = palloc0(Max(state->naggregates, 1) * sizeof(TsdbAggregateState));
		slot->keys = group->keys;
		slot->group = group;
		MemoryContextSwitchTo(old);
	}
	state->last = slot->group;
	return slot->group;
}

static void
forget_groups(AggregateScan *state)
{
	MemoryContextReset(state->memory);
	state->groups = NULL;
	state->last = NULL;
	state->returning = false;
}

/* ---- beginning and ending ---- */

static void
add_key(AggregateScan *state, CustomScan *plan, Expr *expr, int place)
{
	TsdbGroupKey *key = &state->keys[state->nkeys];
	Var		   *var = linitial(pull_var_clause((Node *) expr, 0));

	key->rule = (TsdbBucketRule) list_nth_int(plan->custom_private, state->nkeys);
	key->attno = var->varattno;
	key->column_type = var->vartype;
	if (key->rule != TSDB_BUCKET_COLUMN)
		key->state = ExecInitExpr(expr, NULL);
	get_typlenbyval(exprType((Node *) expr), &key->length, &key->by_value);
	state->key_places[state->nkeys++] = place;
}

static void
add_aggregate(AggregateScan *state, const Aggref *call, List *calls, int place)
{
	ScanAggregate *what = &state->aggregates[state->naggregates++];

	tsdb_aggregate_init(&what->aggregate, call, calls);
	what->place = place;
	what->takes_packed = tsdb_aggregate_takes_packed(&what->aggregate);
	what->filter = tsdb_aggregate_input_add_filter(state->input, call->aggfilter);
	what->argument = tsdb_aggregate_input_add_column(state->input, what->aggregate.argument,
													 what->filter);
	what->time = tsdb_aggregate_input_add_column(state->input, what->aggregate.time,
												 what->filter);
}

static void
begin_scan(CustomScanState *node, EState *estate, int eflags)
{
	AggregateScan *state = (AggregateScan *) node;
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;
	int			width = list_length(plan->custom_scan_tlist);
	List	   *calls = NIL;
	ListCell   *lc;

	state->scan = castNode(CustomScanState,
						   ExecInitNode(linitial(plan->custom_plans), estate, eflags));
	node->custom_ps = list_make1(state->scan);

	state->keys = palloc0(Max(width, 1) * sizeof(TsdbGroupKey));
	state->key_places = palloc(Max(width, 1) * sizeof(int));
	state->aggregates = palloc0(Max(width, 1) * sizeof(ScanAggregate));
	state->input = tsdb_aggregate_input_create(state->scan, estate);
	state->found.values = palloc(Max(width, 1) * sizeof(Datum));
	state->found.nulls = palloc(Max(width, 1) * sizeof(bool));
	foreach(lc, plan->custom_scan_tlist)
	{
		Expr	   *expr = lfirst_node(TargetEntry, lc)->expr;

		if (IsA(expr, Aggref))
			calls = lappend(calls, expr);
	}
	foreach(lc, plan->custom_scan_tlist)
	{
		Expr	   *expr = lfirst_node(TargetEntry, lc)->expr;
		int			place = foreach_current_index(lc);

		if (IsA(expr, Aggref))
			add_aggregate(state, (Aggref *) expr, calls, place);
		else
			add_key(state, plan, expr, place);
	}

	/* expressions of keys see one column in a row of the table */
	state->context = CreateExprContext(estate);
	state->runs = tsdb_group_runs_create(state->nkeys, state->keys, state->context,
										 ExecInitExtraTupleSlot(estate,
																RelationGetDescr(state->scan->ss.ss_currentRelation),
																&TTSOpsVirtual));
	state->memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb groups",
										  ALLOCSET_DEFAULT_SIZES);
	state->row_memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb group row",
											  ALLOCSET_SMALL_SIZES);
}

static void
end_scan(CustomScanState *node)
{
	AggregateScan *state = (AggregateScan *) node;

	ExecEndNode(&state->scan->ss.ps);
	MemoryContextDelete(state->memory);
	MemoryContextDelete(state->row_memory);
}

static void
rescan(CustomScanState *node)
{
	AggregateScan *state = (AggregateScan *) node;

	forget_groups(state);
	state->at_end = false;
	if (node->ss.ps.chgParam != NULL)
		UpdateChangedParamSet(&state->scan->ss.ps, node->ss.ps.chgParam);
	ExecReScan(&state->scan->ss.ps);
	ExecScanReScan(&node->ss);
	state->begun = false;
}

/* ---- aggregating ---- */

static void
add_run(AggregateScan *state, const TsdbBatch *batch, uint32 from, uint32 to)
{
	bool		whole = batch->summary != NULL && from == 0 && to == batch->nrows;
	bool		dense = batch->pass == NULL ||
		memchr(batch->pass + from, false, to - from) == NULL;
	KeyGroup   *group = find_group(state);

	for (int i = 0; i < state->naggregates; i++)
	{
		const ScanAggregate *what = &state->aggregates[i];
		TsdbColumnRun run = {.from = from,.to = to,.memory = state->memory,
		.scratch = tsdb_aggregate_input_memory(state->input)};

		if (!tsdb_aggregate_input_rows(state->input, what->filter, &run.pass))
			continue;
		if (dense && run.pass == batch->pass)
			run.pass = NULL;
		if (whole && run.pass == NULL &&
			tsdb_aggregate_add_chunk(&what->aggregate, &group->states[i], batch->summary,
									 state->memory))
			continue;
		if (what->takes_packed && run.pass == NULL)
		{
			const TsdbColumn *column = tsdb_aggregate_input_packed(state->input, what->argument);

			if (column != NULL &&
				tsdb_aggregate_add_packed(&what->aggregate, &group->states[i], column->packed, from,
										  to))
				continue;
		}
		run.column = tsdb_aggregate_input_column(state->input, what->argument);
		run.time = tsdb_aggregate_input_column(state->input, what->time);
		run.small = batch->summary != NULL &&
			tsdb_aggregate_is_small(&what->aggregate, batch->summary);
		tsdb_aggregate_add(&what->aggregate, &group->states[i], &run);
	}
}

static void
add_batch(AggregateScan *state, const TsdbBatch *batch)
{
	uint32		from;
	uint32		to;

	tsdb_aggregate_input_begin(state->input, batch);
	tsdb_group_runs_divide(state->runs, state->scan, batch);
	while (tsdb_group_runs_next(state->runs, &from, &to, state->found.values,
								state->found.nulls))
	{
		if (batch->pass == NULL || memchr(batch->pass + from, true, to - from) != NULL)
			add_run(state, batch, from, to);
	}
}

/* Read to the end, or until there are more groups than should be in memory. */
static void
aggregate(AggregateScan *state)
{
	TsdbBatch	batch;

	/* not before: subqueries of the node are known only now */
	if (!state->begun)
		tsdb_aggregate_input_begin_scan(state->input);
	state->begun = true;
	while (!state->at_end && MemoryContextMemAllocated(state->memory, true) < get_hash_memory_limit())
	{
		if (tsdb_table_scan_next_batch(state->scan, &batch))
			add_batch(state, &batch);
		else
			state->at_end = true;
	}
	state->returning = true;
	state->next = 0;
}

/* ---- returning ---- */

static void
show_group(AggregateScan *state, const KeyGroup *group, TupleTableSlot *slot)
{
	MemoryContext old;

	ExecClearTuple(slot);
	MemoryContextReset(state->row_memory);
	old = MemoryContextSwitchTo(state->row_memory);
	for (int i = 0; i < state->nkeys; i++)
	{
		slot->tts_values[state->key_places[i]] = group->keys.values[i];
		slot->tts_isnull[state->key_places[i]] = group->keys.nulls[i];
	}
	for (int i = 0; i < state->naggregates; i++)
	{
		const ScanAggregate *what = &state->aggregates[i];

		slot->tts_values[what->place] = tsdb_aggregate_partial(&what->aggregate,
															   &group->states[i],
															   &slot->tts_isnull[what->place]);
	}
	MemoryContextSwitchTo(old);
	ExecStoreVirtualTuple(slot);
}

static TupleTableSlot *
next_row(ScanState *node)
{
	AggregateScan *state = (AggregateScan *) node;

	for (;;)
	{
		if (!state->returning)
			aggregate(state);
		while (state->groups != NULL && state->next < state->groups->size)
		{
			const GroupSlot *slot = &state->groups->data[state->next++];

			if (slot->status == groups_SH_IN_USE)
			{
				show_group(state, slot->group, node->ss_ScanTupleSlot);
				return node->ss_ScanTupleSlot;
			}
		}
		if (state->at_end)
			return ExecClearTuple(node->ss_ScanTupleSlot);
		forget_groups(state);
	}
}

static bool
recheck_row(ScanState *node, TupleTableSlot *slot)
{
	return true;
}

static TupleTableSlot *
exec_scan(CustomScanState *node)
{
	return ExecScan(&node->ss, next_row, recheck_row);
}

/* ---- EXPLAIN ---- */

static void
explain_scan(CustomScanState *node, List *ancestors, ExplainState *es)
{
	AggregateScan *state = (AggregateScan *) node;
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;
	List	   *context = set_deparse_context_plan(es->deparse_cxt, node->ss.ps.plan, ancestors);
	List	   *keys = NIL;

	for (int i = 0; i < state->nkeys; i++)
	{
		TargetEntry *entry = list_nth(plan->custom_scan_tlist, state->key_places[i]);

		keys = lappend(keys, deparse_expression((Node *) entry->expr, context, es->verbose,
												true));
	}
	if (keys != NIL)
		ExplainPropertyList("Group Key", keys, es);
}

static const CustomExecMethods exec_methods = {
	.CustomName = "tsdb aggregate",
	.BeginCustomScan = begin_scan,
	.ExecCustomScan = exec_scan,
	.EndCustomScan = end_scan,
	.ReScanCustomScan = rescan,
	.ExplainCustomScan = explain_scan
};

static Node *
create_state(CustomScan *plan)
{
	AggregateScan *state = palloc0(sizeof(AggregateScan));

	NodeSetTag(state, T_CustomScanState);
	state->css.methods = &exec_methods;
	return (Node *) state;
}

const CustomScanMethods tsdb_aggregate_scan_methods = {
	.CustomName = "tsdb aggregate",
	.CreateCustomScanState = create_state
};

void
tsdb_aggregate_scan_init(void)
{
	RegisterCustomScanMethods(&tsdb_aggregate_scan_methods);
}
