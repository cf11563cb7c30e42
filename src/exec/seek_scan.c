/*
 * seek_scan.c
 *		Custom scan that goes to the chunks it needs: by order, and by key again and again.
 *
 * What has rows to give is a run: an open chunk, or rows of the row store.  Runs are in a heap
 * by their next row; chunks that are not open yet are in order of the earliest row that
 * they can have.  A chunk is opened when that may come before the first row of the
 * heap.  Of a run the first row is looked for when it is opened, and the others are
 * sorted when a second one is wanted: for the newest row of a series nothing is sorted.
 *
 * Of a chunk of which it is known what rows a series has in it, and that the first of them in the order of the
 * result is the last by time (or the first), not even that is looked for: the list knows what it sorts by, and the
 * chunk is not read before that row is returned.
 *
 * Many chunks may begin with the same value, or give rows that the conditions then reject, so there is
 * no telling how many are open at once.  Beyond a budget, chunks that were not used for longest are put
 * aside: what they sort by is kept of their next row, and they are read again when that comes first.
 */
#include "postgres.h"

#include "exec/seek_scan.h"

#include "access/tableam.h"
#include "am/fetch.h"
#include "am/salvage.h"
#include "am/scan.h"
#include "exec/number.h"
#include "exec/scan_access.h"
#include "exec/seek_run.h"
#include "exec/seen_row.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* ---- the plan ---- */

List *
tsdb_seek_plan_make(const TsdbSeekPlan *plan)
{
	return list_make5(plan->columns,
					  list_make2_int(plan->seek, plan->constant),
					  plan->order,
					  list_make2(plan->operators, plan->collations),
					  plan->nulls_first);
}

static void
read_plan(List *private, TsdbSeekPlan *plan)
{
	List	   *numbers = lsecond(private);
	List	   *oids = lfourth(private);

	plan->columns = linitial(private);
	plan->seek = linitial_int(numbers);
	plan->constant = lsecond_int(numbers) != 0;
	plan->order = lthird(private);
	plan->operators = linitial(oids);
	plan->collations = lsecond(oids);
	plan->nulls_first = list_nth(private, 4);
}

/* ---- the row store ---- */

/*
 * Gather the rows of the row store; all rows of the table if chunks may be damaged, since that is
 * handled where a table is read by rows.  Conditions without parameters are checked here: most rows
 * need not be kept.
 */
static TsdbStoredRows *
gather_stored(TsdbSeekScan *state)
{
	ScanState  *node = &state->css.ss;
	TupleTableSlot *slot = node->ss_ScanTupleSlot;
	ExprContext *context = node->ps.ps_ExprContext;
	TsdbStoredRows *stored = tsdb_stored_rows_create(&state->by_columns);

	context->ecxt_scantuple = slot;
	while (state->by_rows ? table_scan_getnextslot(state->scan, ForwardScanDirection, slot) :
		   tsdb_scan_next_row_store_row(state->scan, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (!state->by_rows)
			state->by_columns.counts[TSDB_COUNT_ROW_STORE]++;
		ResetExprContext(context);
		if (state->plan.constant && !ExecQual(node->ps.qual, context))
		{
			InstrCountFiltered1(node, 1);
			continue;
		}
		tsdb_stored_rows_add(stored, slot);
	}
	ResetExprContext(context);
	ExecClearTuple(slot);
	if (state->plan.seek != 0)
		tsdb_stored_rows_rank(stored, &state->seek,
							  tsdb_rows_scan_place(&state->by_columns, state->seek.attno));
	return stored;
}

/* Let rows of the row store take part: all, or those of a rank. */
static void
start_stored(TsdbSeekScan *state, const uint64 *rank)
{
	const TsdbStoredRows *stored = state->stored;
	TsdbSeekRun		   *run;
	uint32		first = 0;
	uint32		end = stored->count;

	if (rank != NULL)
		tsdb_stored_rows_find(stored, *rank, &first, &end);
	if (first == end)
		return;
	run = tsdb_seek_run_get(state);
	run->stored = true;
	tsdb_seek_run_reserve(state, run->opened, end - first);
	for (int i = 0; i < state->by_columns.ncolumns; i++)
		run->opened->rows.values[i] = &stored->columns[i];
	for (uint32 i = first; i < end; i++)
		run->opened->order[run->count++] = rank != NULL ? stored->by_rank[i] : i;
	tsdb_seek_run_start(state, run);
}

/* ---- chunks ---- */

/* What a chunk of several series that was read for its seek column has in it. */
static void
learn(TsdbSeekScan *state, TsdbSeekOpened *opened, const TsdbListedChunk *chunk)
{
	const TsdbChunkSummary *summary = tsdb_directory_view_summary(&opened->view, 0);
	const TsdbColumn *times = NULL;

	/* segments tell only if the column is one of the series key that the chunk was written with */
	if (opened->rows.reader == NULL || summary->nsegments == 1 ||
		summary->nsegments > TSDB_SEEK_VALUES_MAX)
		return;
	if (state->nkeys > 0 && summary->key.time == state->order.attno)
		times = tsdb_chunk_rows_column(&opened->rows, state->places[0]);
	for (int i = 0; i < summary->key.nseries; i++)
	{
		if (summary->key.series[i] == state->seek.attno)
			tsdb_chunk_list_learn(state->list, chunk, &opened->view,
								  tsdb_chunk_reader_segments(opened->rows.reader),
								  tsdb_chunk_reader_column(opened->rows.reader,
														   state->seek.attno),
								  times);
	}
}

/* See a chunk's entry; false if it is not there, which only who has not seen it before may find. */
static bool
view_chunk(TsdbSeekScan *state, TsdbSeekOpened *opened, uint32 chunk)
{
	uint32		slot = chunk % TSDB_DIRECTORY_SLOTS;

	tsdb_directory_view(&opened->view, state->by_columns.storage, chunk / TSDB_DIRECTORY_SLOTS,
						slot, slot + 1, NULL, state->scan->rs_snapshot);
	return opened->view.count > 0;
}

/* Open the chunk of a run that is a part of it. */
static void
open_part(TsdbSeekScan *state, TsdbSeekRun *run)
{
	TsdbSeekOpened	   *opened = run->opened;

	if (opened->rows.open)
		return;
	if (opened->view.count == 0 && !view_chunk(state, opened, run->chunk.chunk))
		elog(ERROR, "chunk %u is not where it was", run->chunk.chunk);
	tsdb_chunk_rows_open_known(&opened->rows, opened->view.entries[0],
							   tsdb_directory_view_summary(&opened->view, 0));
}

/* Read what its rows are sorted by, which are in order. */
static void
read_part(TsdbSeekScan *state, TsdbSeekRun *run)
{
	TsdbSeekOpened	   *opened = run->opened;
	bool		descending = state->keys[0].ssup_reverse;

	open_part(state, run);
	tsdb_chunk_rows_column(&opened->rows, state->places[0]);
	tsdb_seek_run_reserve(state, opened, TSDB_CHUNK_ROWS);
	for (uint32 i = 0; i < run->count; i++)
		opened->order[i] = descending ? run->chunk.end_row - 1 - i : run->chunk.first_row + i;
	run->sorted = true;
	run->unread = false;
}

/* Is all known of the chunk's rows for us, but the rows? */
static bool
is_known(TsdbSeekScan *state, const TsdbListedChunk *chunk)
{
	const TsdbRowsScan *scan = &state->by_columns;

	return chunk->end_row > 0 && state->seeks && state->exact && !state->by_rows &&
		tsdb_chunk_filter_asks_only(scan->filter, state->seek.attno) &&
		(scan->all_seen || tsdb_fetch_hidden(scan->storage, chunk->chunk, TSDB_CHUNK_ROWS,
											 scan->snapshot) == NULL);
}

/* Begin with the rows of such a chunk. */
static void
start_part(TsdbSeekScan *state, TsdbSeekRun *run)
{
	uint64		rank = tsdb_chunk_list_place(state->list, run->chunk.next);

	run->part = run->unread = true;
	run->count = run->chunk.end_row - run->chunk.first_row;
	run->first_key = (Datum) (rank ^ (UINT64CONST(1) << 63));	/* signed numbers of any width */
	run->sorted = run->count == 1;
}

/* Read the chunk of a run: the rows that it has for us, in the chunk's order. */
static void
read_chunk(TsdbSeekScan *state, TsdbSeekRun *run)
{
	TsdbSeekOpened	   *opened = run->opened;
	TsdbChunkRows *rows = &opened->rows;

	run->count = 0;
	if (!view_chunk(state, opened, run->chunk.chunk))
		return;
	if (tsdb_chunk_rows_open(rows, &opened->view, 0))
	{
		tsdb_seek_run_reserve(state, opened, TSDB_CHUNK_ROWS);
		for (uint32 row = 0; row < rows->nrows; row++)
		{
			if (rows->all_pass || rows->pass[row])
				opened->order[run->count++] = row;
		}
		for (int i = 0; i < state->nkeys; i++)
			tsdb_chunk_rows_column(rows, state->places[i]);
	}
	if (state->plan.seek != 0)
		learn(state, opened, &run->chunk);
}

/* Open a chunk of the list, if it has rows for us. */
static void
open_chunk(TsdbSeekScan *state, const TsdbListedChunk *chunk)
{
	TsdbSeekRun		   *run = tsdb_seek_run_get(state);

	run->chunk = *chunk;
	if (is_known(state, chunk))
		start_part(state, run);
	else
	{
		read_chunk(state, run);
		if (run->count > 0)
			tsdb_seek_run_use(state, run);
	}
	tsdb_seek_run_start(state, run);
	tsdb_seek_runs_keep_to_budget(state);
}

/*
 * Read a chunk again that was put aside, for its next row.  The snapshot sees the same rows of it, and they
 * come in the same order.
 */
static void
reopen_chunk(TsdbSeekScan *state, TsdbSeekRun *run)
{
	uint32		count = run->count;

	run->opened = tsdb_seek_run_open(state);
	tsdb_seek_run_forget_keys(state, run);
	if (run->part)
		read_part(state, run);
	else
	{
		read_chunk(state, run);
		if (run->count != count)
			elog(ERROR, "chunk %u has other rows than before", run->chunk.chunk);
		tsdb_seek_run_find_first(state, run);
		if (run->next > 0 && !run->sorted)
			tsdb_seek_run_sort(state, run);
	}
	tsdb_seek_run_use(state, run);
	tsdb_seek_runs_keep_to_budget(state);
}

/* Is the next chunk to be opened before a row is returned? */
static bool
is_due(TsdbSeekScan *state)
{
	Datum		value;
	bool		is_null;
	uint64		next;
	uint64		place;

	if (state->next_chunk == state->nchunks)
		return false;
	if (state->nkeys == 0)
		return state->run == NULL;
	if (binaryheap_empty(state->runs))
		return true;
	value = tsdb_seek_run_key(state, (TsdbSeekRun *) DatumGetPointer(binaryheap_first(state->runs)), 0, &is_null);
	next = state->chunks[state->next_chunk].next;
	if (is_null)
		return !state->list->nulls_first || (next == 0 && !state->exact);
	place = tsdb_chunk_list_place(state->list, tsdb_key_rank(&state->order, value));
	/* nulls first come before all that has a value, be its place the first one */
	return state->exact && next > 0 ? next < place : next <= place;
}

/* ---- beginning ---- */

static bool
is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

/* The rank of what the seek column must be equal to. */
static bool
get_rank(TsdbSeekScan *state, uint64 *rank)
{
	TsdbFilterValues values;
	Datum		value;
	Oid			type;

	if (state->plan.seek == 0 ||
		!tsdb_chunk_filter_values(state->by_columns.filter, state->seek.attno, &values) ||
		values.count != 1)
		return false;
	value = values.values[0];
	type = values.type;
	if (is_integer(type) && is_integer(state->seek.type))
	{
		/* perhaps of another width; what does not fit is for statistics to rule out */
		int64		number = tsdb_number_get_integer(type, value);

		value = Int64GetDatum(number);
		if (tsdb_key_integer(&state->seek, value) != number)
			return false;
	}
	else if (type != state->seek.type &&
			 !(type == TEXTOID && state->seek.type == VARCHAROID))
		return false;
	*rank = tsdb_key_rank(&state->seek, value);
	return true;
}

/*
 * List the chunks.  Only those of the times asked for at first; if a rescan asks for
 * others, all of them.  A table that is read by rows has none.
 */
static void
list_chunks(TsdbSeekScan *state)
{
	TsdbRowsScan *by_columns = &state->by_columns;
	TsdbChunkWanted *wanted = tsdb_scan_wanted_get(&state->wanted);
	TsdbChunkWanted times = {.times.attno = 0};
	uint64		passed = 0;

	if (wanted != NULL)
		times.times = wanted->times;
	/* the same in every scan: series, too */
	if (!state->plan.constant)
		wanted = times.times.attno != 0 ? &times : NULL;
	if (state->list != NULL)
	{
		if (state->by_rows || state->plan.constant ||
			tsdb_chunk_list_covers(state->list, times.times.attno != 0 ? &times.times : NULL))
			return;
		wanted = NULL;
		tsdb_chunk_list_free(state->list);
		table_rescan(state->scan, NULL);
		while (tsdb_scan_next_row_store_row(state->scan, state->css.ss.ss_ScanTupleSlot))
			CHECK_FOR_INTERRUPTS();
		by_columns->counts[TSDB_COUNT_CHUNKS] = 0;
	}
	state->list = tsdb_chunk_list_create(state->scan, state->plan.seek != 0 ? &state->seek : NULL,
										 state->nkeys > 0 ? &state->order : NULL,
										 state->nkeys > 0 && state->keys[0].ssup_reverse,
										 state->nkeys > 0 && state->keys[0].ssup_nulls_first,
										 wanted, &passed);
	by_columns->counts[TSDB_COUNT_CHUNKS] += state->list->count + passed;
	by_columns->counts[TSDB_COUNT_PRUNED] += passed;
	if (state->nkeys > 0)
	{
		/* all chunks and the row store */
		if (state->runs != NULL)
			binaryheap_free(state->runs);
		state->runs = binaryheap_allocate(state->list->count + 1, tsdb_seek_runs_compare, state);
	}
}

/* Start reading, at the first row or after a rescan. */
static void
get_ready(TsdbSeekScan *state)
{
	ScanState  *node = &state->css.ss;
	TsdbRowsScan *by_columns = &state->by_columns;
	uint64		rank;
	MemoryContext old = MemoryContextSwitchTo(state->memory);

	if (state->scan == NULL)
	{
		state->scan = table_beginscan(node->ss_currentRelation, node->ps.state->es_snapshot, 0,
									  NULL);
		state->by_rows = tsdb_damaged_chunks != TSDB_DAMAGED_ERROR;
	}
	tsdb_rows_scan_begin(by_columns, node, state->scan);
	tsdb_scan_access_begin(by_columns);
	if (state->stored == NULL)
		state->stored = gather_stored(state);
	list_chunks(state);

	MemoryContextReset(state->found_memory);
	state->next_chunk = state->nchunks = 0;
	state->ready = true;
	if (tsdb_chunk_filter_is_never(by_columns->filter))
	{
		MemoryContextSwitchTo(old);
		return;
	}
	MemoryContextSwitchTo(state->found_memory);
	state->seeks = get_rank(state, &rank);
	state->nchunks = state->list->count;
	state->chunks = state->seeks ?
		tsdb_chunk_list_seek(state->list, rank, tsdb_scan_wanted_get(&state->wanted), &state->nchunks) :
		tsdb_chunk_list_all(state->list);
	MemoryContextSwitchTo(state->memory);
	start_stored(state, state->seeks ? &rank : NULL);
	MemoryContextSwitchTo(old);
}

/* ---- rows ---- */

static TsdbSeekRun *
first_run(const TsdbSeekScan *state)
{
	if (state->nkeys == 0)
		return state->run;
	return binaryheap_empty(state->runs) ? NULL :
		(TsdbSeekRun *) DatumGetPointer(binaryheap_first(state->runs));
}

/* The run whose next row is the next of the scan; NULL at the end. */
static TsdbSeekRun *
find_run(TsdbSeekScan *state)
{
	MemoryContext old = MemoryContextSwitchTo(state->found_memory);
	TsdbSeekRun		   *run;

	while (is_due(state))
	{
		CHECK_FOR_INTERRUPTS();
		open_chunk(state, &state->chunks[state->next_chunk++]);
	}
	run = first_run(state);
	if (run != NULL && run->opened == NULL)
		reopen_chunk(state, run);
	MemoryContextSwitchTo(old);
	return run;
}

/* Go on to the run's next row. */
static void
advance(TsdbSeekScan *state, TsdbSeekRun *run)
{
	if (run->unread && run->count > 1)
		read_part(state, run);
	if (!run->sorted)
		tsdb_seek_run_sort(state, run);
	if (!run->stored && run->next <= TSDB_FEW_ROWS)
		tsdb_seek_run_use(state, run);	/* columns of it have been read since */
	run->next++;
	if (run->next < run->count)
	{
		if (state->nkeys > 0)
			binaryheap_replace_first(state->runs, PointerGetDatum(run));
		return;
	}
	if (state->nkeys > 0)
		binaryheap_remove_first(state->runs);
	else
		state->run = NULL;
	tsdb_seek_run_free(state, run);
}

/* The first row of a part, which a session remembers: dashboards ask for the newest rows again and again. */
static TupleTableSlot *
show_first(TsdbSeekScan *state, TsdbSeekRun *run, TupleTableSlot *slot)
{
	TsdbSeekOpened	   *opened = run->opened;
	const TsdbListedChunk *chunk = &run->chunk;
	uint32		row = state->keys[0].ssup_reverse ? chunk->end_row - 1 : chunk->first_row;

	pgstat_count_heap_getnext(state->css.ss.ss_currentRelation);
	if (state->remembers && view_chunk(state, opened, chunk->chunk))
	{
		ExecClearTuple(slot);
		if (tsdb_seen_row_recall(&opened->view, &state->by_columns, row, slot))
			return tsdb_chunk_rows_store(&opened->rows, slot, chunk->chunk, row);
	}
	open_part(state, run);
	tsdb_chunk_rows_show(&opened->rows, slot, row, true);
	if (state->remembers)
		tsdb_seen_row_remember(&opened->view, &state->by_columns, row, slot);
	return slot;
}

/*
 * The row that was returned last stays what it is until the next call, so its run is advanced
 * then.
 */
static TupleTableSlot *
next_in_order(TsdbSeekScan *state, TupleTableSlot *slot)
{
	TsdbSeekRun		   *run;
	uint32		row;

	if (!state->ready)
	{
		get_ready(state);
		tsdb_chunk_rows_clear_slot(&state->by_columns, slot);
	}
	else
	{
		run = first_run(state);
		if (run != NULL)
			advance(state, run);
	}
	run = find_run(state);
	if (run == NULL)
		return ExecClearTuple(slot);
	if (run->unread)
		return show_first(state, run, slot);
	row = run->opened->order[run->next];
	if (run->stored)
		return tsdb_stored_rows_show(state->stored, slot, row);
	pgstat_count_heap_getnext(state->css.ss.ss_currentRelation);
	return tsdb_chunk_rows_show(&run->opened->rows, slot, row, run->next < TSDB_FEW_ROWS);
}

/* A cursor that may go back keeps what it has returned. */
static TupleTableSlot *
next_row(ScanState *node)
{
	TsdbSeekScan   *state = (TsdbSeekScan *) node;
	TupleTableSlot *slot = node->ss_ScanTupleSlot;
	TsdbStoredRows *past = state->past;

	if (past == NULL)
		return next_in_order(state, slot);
	if (ScanDirectionIsBackward(node->ps.state->es_direction))
	{
		if (state->position > 0)
			state->position--;
		return state->position == 0 ? ExecClearTuple(slot) :
			tsdb_stored_rows_show(past, slot, state->position - 1);
	}
	if (state->position < past->count)
		return tsdb_stored_rows_show(past, slot, state->position++);
	if (state->position == past->count + 1)
		return ExecClearTuple(slot);
	state->position++;
	slot = next_in_order(state, slot);
	if (!TupIsNull(slot))
		tsdb_stored_rows_add(past, slot);
	return slot;
}

/* Whatever the scan leaves out, the node's conditions do, too. */
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

/* ---- the node ---- */

static void
begin_scan(CustomScanState *node, EState *estate, int eflags)
{
	TsdbSeekScan   *state = (TsdbSeekScan *) node;
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;
	Relation	rel = node->ss.ss_currentRelation;
	TupleDesc	tupdesc = RelationGetDescr(rel);

	/* as in a table scan */
	ExecInitScanTupleSlot(estate, &node->ss, tupdesc, table_slot_callbacks(rel));
	ExecAssignScanProjectionInfoWithVarno(&node->ss, plan->scan.scanrelid);
	node->ss.ps.qual = ExecInitQual(plan->scan.plan.qual, &node->ss.ps);

	state->memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb seek scan",
										  ALLOCSET_DEFAULT_SIZES);
	state->found_memory = AllocSetContextCreate(state->memory, "tsdb chunks found",
												ALLOCSET_DEFAULT_SIZES);
	read_plan(plan->custom_private, &state->plan);
	tsdb_rows_scan_init(&state->by_columns, &node->ss, state->plan.columns, plan->custom_exprs);
	tsdb_scan_wanted_init(&state->wanted, rel, state->by_columns.filter);
	if (state->plan.seek != 0)
		tsdb_key_column_describe(TupleDescAttr(tupdesc, state->plan.seek - 1), &state->seek);
	dlist_init(&state->open);
	state->remembers = tsdb_seen_row_fits(&state->by_columns);
	state->nkeys = list_length(state->plan.order);
	state->places = palloc(Max(state->nkeys, 1) * sizeof(int));
	state->keys = palloc0(Max(state->nkeys, 1) * sizeof(SortSupportData));
	for (int i = 0; i < state->nkeys; i++)
	{
		SortSupport key = &state->keys[i];
		AttrNumber	attno = (AttrNumber) list_nth_int(state->plan.order, i);

		state->places[i] = tsdb_rows_scan_place(&state->by_columns, attno);
		key->ssup_cxt = CurrentMemoryContext;
		key->ssup_collation = list_nth_oid(state->plan.collations, i);
		key->ssup_nulls_first = list_nth_int(state->plan.nulls_first, i) != 0;
		key->ssup_attno = attno;
		PrepareSortSupportFromOrderingOp(list_nth_oid(state->plan.operators, i), key);
	}
	if (eflags & EXEC_FLAG_BACKWARD)
		state->past = tsdb_stored_rows_create(&state->by_columns);
	if (state->nkeys > 0)
	{
		tsdb_key_column_describe(TupleDescAttr(tupdesc, linitial_int(state->plan.order) - 1),
								 &state->order);
		state->exact = state->nkeys == 1 && state->order.rank != TSDB_RANK_NUMERIC;
	}
}

/* Let go of all runs. */
static void
free_runs(TsdbSeekScan *state)
{
	if (state->run != NULL)
		tsdb_seek_run_free(state, state->run);
	state->run = NULL;
	while (state->runs != NULL && !binaryheap_empty(state->runs))
		tsdb_seek_run_free(state, (TsdbSeekRun *) DatumGetPointer(binaryheap_remove_first(state->runs)));
}

static void
end_scan(CustomScanState *node)
{
	TsdbSeekScan   *state = (TsdbSeekScan *) node;

	tsdb_scan_access_end(&state->by_columns, &state->wanted);
	free_runs(state);
	if (state->scan != NULL)
		table_endscan(state->scan);
	MemoryContextDelete(state->memory);
}

static void
rescan(CustomScanState *node)
{
	TsdbSeekScan   *state = (TsdbSeekScan *) node;

	tsdb_scan_access_end(&state->by_columns, &state->wanted);
	free_runs(state);
	state->ready = false;
	if (state->past != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(state->memory);

		MemoryContextDelete(state->past->memory);
		state->past = tsdb_stored_rows_create(&state->by_columns);
		state->position = 0;
		MemoryContextSwitchTo(old);
	}
	ExecScanReScan(&node->ss);
}

static void
explain_scan(CustomScanState *node, List *ancestors, ExplainState *es)
{
	TsdbSeekScan   *state = (TsdbSeekScan *) node;
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;
	List	   *keys = NIL;

	for (int i = 0; i < state->nkeys; i++)
		keys = lappend(keys,
					   tsdb_rows_scan_order_text(&state->by_columns,
												 (AttrNumber) list_nth_int(state->plan.order, i),
												 state->keys[i].ssup_reverse,
												 state->keys[i].ssup_nulls_first));
	if (keys != NIL)
		ExplainPropertyList("Order", keys, es);
	if (state->plan.seek != 0)
		ExplainPropertyText("Seek Column",
							tsdb_rows_scan_column_text(&state->by_columns, state->plan.seek), es);
	tsdb_rows_scan_explain(&state->by_columns, &node->ss, plan->custom_exprs, ancestors, es);
}

static const CustomExecMethods exec_methods = {
	.CustomName = "tsdb seek",
	.BeginCustomScan = begin_scan,
	.ExecCustomScan = exec_scan,
	.EndCustomScan = end_scan,
	.ReScanCustomScan = rescan,
	.ExplainCustomScan = explain_scan
};

static Node *
create_state(CustomScan *plan)
{
	TsdbSeekScan   *state = palloc0(sizeof(TsdbSeekScan));

	NodeSetTag(state, T_CustomScanState);
	state->css.methods = &exec_methods;
	return (Node *) state;
}

const CustomScanMethods tsdb_seek_scan_methods = {
	.CustomName = "tsdb seek",
	.CreateCustomScanState = create_state
};

void
tsdb_seek_scan_init(void)
{
	RegisterCustomScanMethods(&tsdb_seek_scan_methods);
}
