/*
 * distinct_scan.c
 *		Custom scan for the first row of each series.
 */
#include "postgres.h"

#include "exec/distinct_scan.h"

#include "access/tableam.h"
#include "am/salvage.h"
#include "am/scan.h"
#include "exec/chunk_list.h"
#include "exec/chunk_rows.h"
#include "exec/chunk_wanted.h"
#include "exec/scan_access.h"
#include "executor/executor.h"
#include "executor/nodeHash.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "store/table_key.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/sortsupport.h"

/* What the hash table keeps of a series. */
typedef struct Best
{
	Datum		value;			/* of the order column, which is passed by value */
	bool		is_null;
} Best;

typedef struct DistinctScan
{
	CustomScanState css;		/* must be first */
	TsdbDistinctPlan plan;
	TsdbRowsScan by_columns;
	TableScanDesc scan;			/* NULL before the first row */
	bool		by_rows;
	bool		ready;
	bool		in_chunks;		/* the row store has been read */
	ExprState  *qual;
	MemoryContext memory;		/* of one scan, reset by rescans */
	SortSupportData order;
	TsdbKeyColumn order_column;
	TsdbScanWanted wanted;
	int			nkeys;
	int		   *key_places;		/* in by_columns.columns */
	int			order_place;
	TupleTableSlot *key_slot;
	Oid		   *equal_functions;
	FmgrInfo   *hash_functions;
	Oid		   *collations;
	AttrNumber *key_numbers;	/* of key_slot: 1, 2 … */
	TupleHashTable series;
	bool		full;			/* it takes no more */

	TsdbChunkList *list;
	TsdbListedChunk *chunks;
	int			next_chunk;
	TsdbDirectoryView view;
	TsdbChunkRows rows;			/* the chunk at hand */
	uint32		nfound;			/* rows of it to be returned */
	uint32		next_found;
	uint32		found[TSDB_CHUNK_ROWS];
} DistinctScan;

/* ---- the plan ---- */

List *
tsdb_distinct_plan_make(const TsdbDistinctPlan *plan)
{
	return list_make4(plan->columns, plan->keys,
					  list_make3(plan->equal, plan->collations, list_make1_oid(plan->operator)),
					  list_make3_int(plan->order, plan->nulls_first, plan->ties));
}

static void
read_plan(List *private, TsdbDistinctPlan *plan)
{
	List	   *oids = lthird(private);
	List	   *numbers = lfourth(private);

	plan->columns = linitial(private);
	plan->keys = lsecond(private);
	plan->equal = linitial(oids);
	plan->collations = lsecond(oids);
	plan->operator = linitial_oid((List *) lthird(oids));
	plan->order = linitial_int(numbers);
	plan->nulls_first = lsecond_int(numbers) != 0;
	plan->ties = lthird_int(numbers) != 0;
}

/* ---- the best of a series ---- */

/* Look up the series in key_slot; NULL if it is not there. */
static Best *
find_series(DistinctScan *state)
{
	TupleHashEntry entry = LookupTupleHashEntry(state->series, state->key_slot, NULL, NULL);

	return entry == NULL ? NULL : entry->additional;
}

/* Does a value come no later than the best so far, or strictly earlier if ties do not matter? */
static bool
is_candidate(DistinctScan *state, const Best *best, Datum value, bool is_null)
{
	int			order;

	if (best == NULL)
		return true;
	order = ApplySortComparator(value, is_null, best->value, best->is_null, &state->order);
	return state->plan.ties ? order <= 0 : order < 0;
}

/*
 * The series in key_slot has a row of that value, which is a candidate.  When memory is full, further series
 * are not noted: all their rows stay candidates.
 */
static void
note_best(DistinctScan *state, Datum value, bool is_null)
{
	TupleHashEntry entry = LookupTupleHashEntry(state->series, state->key_slot, NULL, NULL);
	bool		is_new;

	if (entry == NULL)
	{
		if (state->full || MemoryContextMemAllocated(state->memory, true) > get_hash_memory_limit())
		{
			state->full = true;
			return;
		}
		entry = LookupTupleHashEntry(state->series, state->key_slot, &is_new, NULL);
		entry->additional = MemoryContextAlloc(state->series->tablecxt, sizeof(Best));
	}
	*(Best *) entry->additional = (Best)
	{
		.value = value,.is_null = is_null
	};
}

/* ---- rows of the row store ---- */

static bool
passes(DistinctScan *state, TupleTableSlot *slot)
{
	ExprContext *context = state->css.ss.ps.ps_ExprContext;

	/* looking up a series leaves something there, too */
	ResetExprContext(context);
	if (state->qual == NULL)
		return true;
	context->ecxt_scantuple = slot;
	if (ExecQual(state->qual, context))
		return true;
	InstrCountFiltered1(&state->css.ss, 1);
	return false;
}

/* The next row of the row store that is the best of its series so far. */
static bool
next_stored(DistinctScan *state, TupleTableSlot *slot)
{
	while (state->by_rows ? table_scan_getnextslot(state->scan, ForwardScanDirection, slot) :
		   tsdb_scan_next_row_store_row(state->scan, slot))
	{
		Datum		value;
		bool		is_null;

		CHECK_FOR_INTERRUPTS();
		if (!state->by_rows)
			state->by_columns.counts[TSDB_COUNT_ROW_STORE]++;
		if (!passes(state, slot))
			continue;
		ExecClearTuple(state->key_slot);
		for (int i = 0; i < state->nkeys; i++)
			state->key_slot->tts_values[i] =
				slot_getattr(slot, (AttrNumber) list_nth_int(state->plan.keys, i),
							 &state->key_slot->tts_isnull[i]);
		ExecStoreVirtualTuple(state->key_slot);
		value = slot_getattr(slot, state->plan.order, &is_null);
		if (!is_candidate(state, find_series(state), value, is_null))
			continue;
		note_best(state, value, is_null);
		return true;
	}
	return false;
}

/* ---- chunks ---- */

/*
 * Is nothing of the chunk at hand a candidate, as far as statistics tell?  They do if it is of
 * one series.
 */
static bool
is_beaten(DistinctScan *state, const TsdbChunkSummary *summary)
{
	const TsdbColumnStats *order;
	const Best *best;
	TupleDesc	tupdesc = RelationGetDescr(state->css.ss.ss_currentRelation);

	if (state->plan.order > summary->natts)
		return false;
	order = &summary->columns[state->plan.order - 1];
	if (!order->has_range || (order->nnulls > 0 && state->plan.nulls_first))
		return false;
	ExecClearTuple(state->key_slot);
	for (int i = 0; i < state->nkeys; i++)
	{
		AttrNumber	attno = (AttrNumber) list_nth_int(state->plan.keys, i);
		Form_pg_attribute att = TupleDescAttr(tupdesc, attno - 1);
		const TsdbColumnStats *key;

		if (attno > summary->natts)
			return false;
		key = &summary->columns[attno - 1];
		if (!key->has_range || key->nnulls > 0 ||
			!datumIsEqual(key->min, key->max, att->attbyval, att->attlen))
			return false;
		state->key_slot->tts_values[i] = key->min;
		state->key_slot->tts_isnull[i] = false;
	}
	ExecStoreVirtualTuple(state->key_slot);
	best = find_series(state);
	return best != NULL &&
		!is_candidate(state, best, state->order.ssup_reverse ? order->max : order->min, false);
}

/* Do the conditions hold for a row of the chunk at hand? */
static bool
row_passes(DistinctScan *state, uint32 row)
{
	TsdbChunkRows *rows = &state->rows;

	if (!rows->all_pass && !rows->pass[row])
		return false;
	return state->qual == NULL ||
		passes(state, tsdb_chunk_rows_show(rows, state->css.ss.ss_ScanTupleSlot, row, false));
}

/* Take the candidates of a segment, which is of one series. */
static void
search_segment(DistinctScan *state, uint32 first, uint32 end, bool sorted)
{
	const TsdbColumn *order = state->rows.values[state->order_place];
	bool		backward = sorted && state->order.ssup_reverse;
	Best		best;
	const Best *before;
	uint32		kept = state->nfound;

	ExecClearTuple(state->key_slot);
	for (int i = 0; i < state->nkeys; i++)
	{
		const TsdbColumn *key = state->rows.values[state->key_places[i]];

		state->key_slot->tts_values[i] = key->values[first];
		state->key_slot->tts_isnull[i] = key->nulls[first];
	}
	ExecStoreVirtualTuple(state->key_slot);
	before = find_series(state);
	if (before != NULL)
		best = *before;
	for (uint32 i = 0; i < end - first; i++)
	{
		uint32		row = backward ? end - 1 - i : first + i;
		Datum		value = order->values[row];
		bool		is_null = order->nulls[row];

		if (!is_candidate(state, before, value, is_null))
		{
			if (sorted)
				break;
			continue;
		}
		if (!row_passes(state, row))
			continue;
		/* what was found of this segment before is no candidate if this one is better */
		if (state->nfound > kept &&
			ApplySortComparator(value, is_null, best.value, best.is_null, &state->order) < 0)
			state->nfound = kept;
		state->found[state->nfound++] = row;
		best.value = value;
		best.is_null = is_null;
		before = &best;
		if (sorted && !state->plan.ties)
			break;
	}
	if (state->nfound > kept)
		note_best(state, best.value, best.is_null);
}

/* Find the candidates of the chunk that was opened. */
static void
search_chunk(DistinctScan *state)
{
	TsdbChunkRows *rows = &state->rows;
	const TsdbChunkSummary *summary = rows->summary;
	const TsdbSegments *segments;
	bool		by_segments = true;
	bool		sorted;

	for (int i = 0; i < state->nkeys; i++)
	{
		AttrNumber	attno = (AttrNumber) list_nth_int(state->plan.keys, i);
		bool		is_key = false;

		tsdb_chunk_rows_column(rows, state->key_places[i]);
		for (int j = 0; j < summary->key.nseries; j++)
			is_key = is_key || summary->key.series[j] == attno;
		by_segments = by_segments && is_key;
	}
	tsdb_chunk_rows_column(rows, state->order_place);
	if (!by_segments)
	{
		/* the chunk was written under another key: row by row */
		for (uint32 row = 0; row < rows->nrows; row++)
			search_segment(state, row, row + 1, false);
		return;
	}
	sorted = summary->key.time == state->plan.order &&
		!rows->values[state->order_place]->any_null;
	segments = tsdb_chunk_reader_segments(rows->reader);
	for (uint32 i = 0; i < segments->count; i++)
		search_segment(state, segments->rows[i], segments->rows[i + 1], sorted);
}

/* Go to the next chunk with candidates; false at the end. */
static bool
next_chunk(DistinctScan *state)
{
	while (state->next_chunk < state->list->count)
	{
		uint32		chunk = state->chunks[state->next_chunk++].chunk;
		uint32		slot = chunk % TSDB_DIRECTORY_SLOTS;
		const TsdbChunkSummary *summary;

		CHECK_FOR_INTERRUPTS();
		tsdb_chunk_rows_close(&state->rows);
		ResetExprContext(state->css.ss.ps.ps_ExprContext);
		state->nfound = state->next_found = 0;
		tsdb_directory_view(&state->view, state->by_columns.storage, chunk / TSDB_DIRECTORY_SLOTS,
							slot, slot + 1, NULL, state->scan->rs_snapshot);
		if (state->view.count == 0)
			continue;
		summary = tsdb_directory_view_summary(&state->view, 0);
		if (is_beaten(state, summary))
		{
			state->by_columns.counts[TSDB_COUNT_PRUNED]++;
			continue;
		}
		if (!tsdb_chunk_rows_open(&state->rows, &state->view, 0))
			continue;
		tsdb_chunk_rows_clear_slot(&state->by_columns, state->css.ss.ss_ScanTupleSlot);
		search_chunk(state);
		if (state->nfound > 0)
			return true;
	}
	return false;
}

/* ---- rows ---- */

static void
get_ready(DistinctScan *state)
{
	ScanState  *node = &state->css.ss;
	MemoryContext old = MemoryContextSwitchTo(state->memory);

	if (state->scan == NULL)
	{
		MemoryContextSwitchTo(node->ps.state->es_query_cxt);
		state->scan = table_beginscan(node->ss_currentRelation, node->ps.state->es_snapshot, 0,
									  NULL);
		MemoryContextSwitchTo(state->memory);
	}
	state->by_rows = tsdb_damaged_chunks != TSDB_DAMAGED_ERROR;
	tsdb_rows_scan_begin(&state->by_columns, node, state->scan);
	tsdb_scan_access_begin(&state->by_columns);
	state->series = BuildTupleHashTableExt(&node->ps, state->key_slot->tts_tupleDescriptor,
										   state->nkeys, state->key_numbers,
										   state->equal_functions, state->hash_functions,
										   state->collations, 256, 0, state->memory,
										   state->memory,
										   node->ps.ps_ExprContext->ecxt_per_tuple_memory, false);
	state->full = false;
	state->list = NULL;
	state->in_chunks = false;
	state->next_chunk = 0;
	state->nfound = state->next_found = 0;
	state->ready = true;
	MemoryContextSwitchTo(old);
}

/* The row store has been read: list the chunks.  A table that is read by rows has none left. */
static void
enter_chunks(DistinctScan *state)
{
	MemoryContext old = MemoryContextSwitchTo(state->memory);
	uint64		passed = 0;

	state->list = tsdb_chunk_list_create(state->scan, NULL, &state->order_column,
										 state->order.ssup_reverse, state->plan.nulls_first,
										 tsdb_scan_wanted_get(&state->wanted), &passed);
	state->chunks = tsdb_chunk_list_all(state->list);
	state->by_columns.counts[TSDB_COUNT_CHUNKS] += state->list->count + passed;
	state->by_columns.counts[TSDB_COUNT_PRUNED] += passed;
	state->in_chunks = true;
	MemoryContextSwitchTo(old);
}

static TupleTableSlot *
next_row(ScanState *node)
{
	DistinctScan *state = (DistinctScan *) node;
	TupleTableSlot *slot = node->ss_ScanTupleSlot;

	if (!state->ready)
		get_ready(state);
	if (!state->in_chunks)
	{
		if (next_stored(state, slot))
			return slot;
		enter_chunks(state);
	}
	if (state->next_found == state->nfound && !next_chunk(state))
		return ExecClearTuple(slot);
	pgstat_count_heap_getnext(node->ss_currentRelation);
	return tsdb_chunk_rows_show(&state->rows, slot, state->found[state->next_found++],
								state->nfound <= TSDB_FEW_ROWS);
}

static bool
recheck_row(ScanState *node, TupleTableSlot *slot)
{
	return passes((DistinctScan *) node, slot);
}

static TupleTableSlot *
exec_scan(CustomScanState *node)
{
	return ExecScan(&node->ss, next_row, recheck_row);
}

/* ---- the node ---- */

static void
begin_scan(CustomScanState *node, EState *estate, int eflags)
{
	DistinctScan *state = (DistinctScan *) node;
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;
	Relation	rel = node->ss.ss_currentRelation;
	TupleDesc	tupdesc = RelationGetDescr(rel);
	TupleDesc	key_tupdesc;
	Oid		   *operators;

	/* as in a table scan, but that rows are checked before they are compared */
	ExecInitScanTupleSlot(estate, &node->ss, tupdesc, table_slot_callbacks(rel));
	ExecAssignScanProjectionInfoWithVarno(&node->ss, plan->scan.scanrelid);
	state->qual = ExecInitQual(plan->scan.plan.qual, &node->ss.ps);
	node->ss.ps.qual = NULL;

	read_plan(plan->custom_private, &state->plan);
	tsdb_rows_scan_init(&state->by_columns, &node->ss, state->plan.columns, plan->custom_exprs);
	tsdb_chunk_rows_init(&state->rows, &state->by_columns, true);
	state->memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb distinct scan",
										  ALLOCSET_DEFAULT_SIZES);
	tsdb_scan_wanted_init(&state->wanted, rel, state->by_columns.filter);
	state->order_place = tsdb_rows_scan_place(&state->by_columns, state->plan.order);
	tsdb_key_column_describe(TupleDescAttr(tupdesc, state->plan.order - 1), &state->order_column);
	state->order.ssup_cxt = CurrentMemoryContext;
	state->order.ssup_nulls_first = state->plan.nulls_first;
	state->order.ssup_attno = state->plan.order;
	PrepareSortSupportFromOrderingOp(state->plan.operator, &state->order);

	state->nkeys = list_length(state->plan.keys);
	state->key_places = palloc(state->nkeys * sizeof(int));
	state->key_numbers = palloc(state->nkeys * sizeof(AttrNumber));
	state->collations = palloc(state->nkeys * sizeof(Oid));
	operators = palloc(state->nkeys * sizeof(Oid));
	key_tupdesc = CreateTemplateTupleDesc(state->nkeys);
	for (int i = 0; i < state->nkeys; i++)
	{
		AttrNumber	attno = (AttrNumber) list_nth_int(state->plan.keys, i);

		TupleDescCopyEntry(key_tupdesc, i + 1, tupdesc, attno);
		state->key_places[i] = tsdb_rows_scan_place(&state->by_columns, attno);
		state->key_numbers[i] = i + 1;
		state->collations[i] = list_nth_oid(state->plan.collations, i);
		operators[i] = list_nth_oid(state->plan.equal, i);
	}
	execTuplesHashPrepare(state->nkeys, operators, &state->equal_functions,
						  &state->hash_functions);
	state->key_slot = ExecInitExtraTupleSlot(estate, key_tupdesc, &TTSOpsVirtual);
}

static void
end_scan(CustomScanState *node)
{
	DistinctScan *state = (DistinctScan *) node;

	tsdb_scan_access_end(&state->by_columns, &state->wanted);
	tsdb_directory_view_release(&state->view);
	if (state->scan != NULL)
		table_endscan(state->scan);
	MemoryContextDelete(state->rows.memory);
	MemoryContextDelete(state->memory);
}

static void
rescan(CustomScanState *node)
{
	DistinctScan *state = (DistinctScan *) node;

	tsdb_scan_access_end(&state->by_columns, &state->wanted);
	if (state->scan != NULL)
		table_rescan(state->scan, NULL);
	tsdb_chunk_rows_close(&state->rows);
	tsdb_directory_view_release(&state->view);
	ExecClearTuple(state->key_slot);
	MemoryContextReset(state->memory);
	state->ready = false;
	ExecScanReScan(&node->ss);
}

static void
explain_scan(CustomScanState *node, List *ancestors, ExplainState *es)
{
	DistinctScan *state = (DistinctScan *) node;
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;
	List	   *keys = NIL;
	ListCell   *lc;

	foreach(lc, state->plan.keys)
		keys = lappend(keys, tsdb_rows_scan_column_text(&state->by_columns, lfirst_int(lc)));
	ExplainPropertyList("First Row Of Each", keys, es);
	ExplainPropertyText("Order",
						tsdb_rows_scan_order_text(&state->by_columns, state->plan.order,
												  state->order.ssup_reverse,
												  state->plan.nulls_first), es);
	tsdb_rows_scan_explain(&state->by_columns, &node->ss, plan->custom_exprs, ancestors, es);
}

static const CustomExecMethods exec_methods = {
	.CustomName = "tsdb distinct",
	.BeginCustomScan = begin_scan,
	.ExecCustomScan = exec_scan,
	.EndCustomScan = end_scan,
	.ReScanCustomScan = rescan,
	.ExplainCustomScan = explain_scan
};

static Node *
create_state(CustomScan *plan)
{
	DistinctScan *state = palloc0(sizeof(DistinctScan));

	NodeSetTag(state, T_CustomScanState);
	state->css.methods = &exec_methods;
	return (Node *) state;
}

const CustomScanMethods tsdb_distinct_scan_methods = {
	.CustomName = "tsdb distinct",
	.CreateCustomScanState = create_state
};

void
tsdb_distinct_scan_init(void)
{
	RegisterCustomScanMethods(&tsdb_distinct_scan_methods);
}
