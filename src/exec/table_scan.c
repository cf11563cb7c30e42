/*
 * table_scan.c
 *		Custom scan of a tsdb table that reads the columns that are needed.
 */
#include "postgres.h"

#include "exec/table_scan.h"

#include "access/sysattr.h"
#include "access/tableam.h"
#include "am/fetch.h"
#include "am/salvage.h"
#include "am/scan.h"
#include "commands/explain.h"
#include "compat/compat.h"
#include "exec/chunk_filter.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "port/atomics.h"
#include "store/chunk_tid.h"
#include "store/marks.h"
#include "store/table_key.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

/* What EXPLAIN ANALYZE shows. */
typedef enum Counter
{
	COUNT_CHUNKS,				/* that the snapshot sees */
	COUNT_PRUNED,				/* ruled out by their statistics */
	COUNT_DECODED,				/* of which a column was read */
	COUNT_FILTERED,				/* of which no row was left after the conditions */
	COUNT_ROWS_FILTERED,		/* ruled out in the other chunks */
	COUNT_ROW_STORE,			/* rows of the row store */
	COUNTERS
} Counter;

/* In a parallel scan, behind the table's own part of shared memory. */
typedef struct SharedCounters
{
	pg_atomic_uint64 counts[COUNTERS];
} SharedCounters;

/* A condition of the node, for rows of chunks. */
typedef struct ScanQual
{
	ExprState  *state;
	int			clause;			/* of the filter, or -1 */
	int			ncolumns;
	int		   *columns;		/* it reads: places in columns[] of the scan */
} ScanQual;

typedef struct TableScan
{
	CustomScanState css;		/* must be first */
	TableScanDesc scan;			/* NULL before the first row */
	bool		by_rows;		/* read as a sequential scan does, in both directions */
	bool		backward;		/* a cursor may go back */
	int			ncolumns;
	AttrNumber *columns;		/* to be read, in order */
	TsdbChunkFilter *filter;
	AttrNumber	time_column;	/* or 0 */
	TsdbTimeRange times;		/* that rows can have, as far as the filter knows */
	bool		ready;			/* by_rows is decided, there is a scan */
	int			nquals;
	ScanQual   *quals;			/* made for the first batch */

	/* the chunk at hand */
	MemoryContext memory;
	bool		open;
	TsdbChunkHandle handle;
	const TsdbChunkSummary *summary;
	TsdbChunkReader *reader;	/* NULL until a column is needed */
	const TsdbColumn **values;	/* of columns[]; NULL until it is needed */
	uint32		row;			/* the next one */
	uint32		nrows;
	uint32		npass;
	bool		all_pass;		/* and pass is not set */
	uint8		pass[TSDB_CHUNK_ROWS];

	uint64		counts[COUNTERS];
	SharedCounters *shared;		/* or NULL */
} TableScan;

/* ---- beginning and ending ---- */

static void
begin_scan(CustomScanState *node, EState *estate, int eflags)
{
	TableScan  *state = (TableScan *) node;
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;
	Relation	rel = node->ss.ss_currentRelation;
	TsdbSortKey key;
	ListCell   *lc;

	/*
	 * EvalPlanQual fetches rows into the scan's slot, and hands in others, so that
	 * has to be of the table's kind; the server has made a virtual one.
	 */
	ExecInitScanTupleSlot(estate, &node->ss, RelationGetDescr(rel), table_slot_callbacks(rel));
	ExecAssignScanProjectionInfoWithVarno(&node->ss, plan->scan.scanrelid);
	node->ss.ps.qual = ExecInitQual(plan->scan.plan.qual, &node->ss.ps);

	state->backward = (eflags & EXEC_FLAG_BACKWARD) != 0;
	state->columns = palloc(Max(list_length(plan->custom_private), 1) * sizeof(AttrNumber));
	state->values = palloc0(Max(list_length(plan->custom_private), 1) * sizeof(TsdbColumn *));
	foreach(lc, plan->custom_private)
		state->columns[state->ncolumns++] = (AttrNumber) lfirst_int(lc);
	state->filter = tsdb_chunk_filter_create(plan->custom_exprs, plan->scan.scanrelid,
											 &node->ss.ps);
	tsdb_table_key(rel, &key);
	state->time_column = key.time;
	state->memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb chunk",
										  ALLOCSET_DEFAULT_SIZES);
}

static void
close_chunk(TableScan *state)
{
	MemoryContextReset(state->memory);
	memset(state->values, 0, state->ncolumns * sizeof(TsdbColumn *));
	state->reader = NULL;
	state->summary = NULL;
	state->open = false;
}

static void
end_scan(CustomScanState *node)
{
	TableScan  *state = (TableScan *) node;

	if (state->scan != NULL)
		table_endscan(state->scan);
	MemoryContextDelete(state->memory);
}

static void
rescan(CustomScanState *node)
{
	TableScan  *state = (TableScan *) node;

	if (state->scan != NULL)
		table_rescan(state->scan, NULL);
	close_chunk(state);
	state->ready = false;
	ExecScanReScan(&node->ss);
}

/* Start reading, at the first row or after a rescan. */
static void
get_ready(TableScan *state)
{
	ScanState  *node = &state->css.ss;

	if (state->scan == NULL)
		state->scan = table_beginscan(node->ss_currentRelation,
									  node->ps.state->es_snapshot, 0, NULL);
	state->by_rows = state->backward || tsdb_damaged_chunks != TSDB_DAMAGED_ERROR;
	tsdb_chunk_filter_begin(state->filter, node->ps.ps_ExprContext);
	state->ready = true;
}

/* ---- chunks ---- */

static TsdbChunkReader *
get_reader(TableScan *state)
{
	MemoryContext old;

	if (state->reader == NULL)
	{
		old = MemoryContextSwitchTo(state->memory);
		state->reader = tsdb_directory_open_chunk(&state->handle,
												  RelationGetDescr(state->css.ss.ss_currentRelation));
		MemoryContextSwitchTo(old);
		state->counts[COUNT_DECODED]++;
	}
	return state->reader;
}

/* Column columns[i] of the batch or chunk at hand. */
static const TsdbColumn *
get_column(TableScan *state, int i)
{
	if (state->values[i] == NULL)
		state->values[i] = tsdb_chunk_reader_column(get_reader(state), state->columns[i]);
	return state->values[i];
}

/* Rows of the chunk that the snapshot sees and no condition rules out; false if
 * there are none. */
static bool
select_rows(TableScan *state, TsdbChunkMatch match)
{
	uint8	   *hidden = tsdb_fetch_hidden(state->handle.storage, state->handle.entry->chunk,
										   state->nrows, state->scan->rs_snapshot);
	uint32		seen = state->nrows;

	state->npass = state->nrows;
	state->all_pass = match == TSDB_EVERY_ROW && hidden == NULL;
	if (state->all_pass)
		return true;

	memset(state->pass, true, state->nrows);
	if (hidden != NULL)
	{
		seen = 0;
		for (uint32 row = 0; row < state->nrows; row++)
		{
			state->pass[row] = !tsdb_marks_is_hidden(hidden, row);
			seen += state->pass[row];
		}
		if (seen == 0)
			return false;
	}
	if (match != TSDB_EVERY_ROW &&
		!tsdb_chunk_filter_rows(state->filter, get_reader(state), state->nrows, state->pass))
	{
		state->counts[COUNT_FILTERED]++;
		return false;
	}
	state->npass = 0;
	for (uint32 row = 0; row < state->nrows; row++)
		state->npass += state->pass[row];
	state->counts[COUNT_ROWS_FILTERED] += seen - state->npass;
	return true;
}

/* Open a chunk, unless no row of it can match. */
static bool
open_chunk(TableScan *state, TsdbChunkEntry *entry)
{
	TsdbStorage *storage = tsdb_scan_storage(state->scan);
	TsdbChunkMatch match;
	MemoryContext old;

	close_chunk(state);
	state->counts[COUNT_CHUNKS]++;

	old = MemoryContextSwitchTo(state->memory);
	state->summary = tsdb_scan_summary(state->scan);
	match = tsdb_chunk_filter_judge(state->filter, state->summary);
	if (match == TSDB_NO_ROW)
		state->counts[COUNT_PRUNED]++;
	else
	{
		state->handle.storage = storage;
		state->handle.entry = entry;
		state->nrows = entry->nrows;
		state->row = 0;
		state->open = select_rows(state, match);
	}
	MemoryContextSwitchTo(old);
	return state->open;
}

/* The next chunk that has a row for us; false at the end. */
static bool
next_chunk(TableScan *state)
{
	TsdbChunkEntry *entry;

	for (;;)
	{
		bool		known = state->time_column != 0 &&
			tsdb_chunk_filter_times(state->filter, state->time_column, &state->times);
		uint64		passed = 0;

		entry = tsdb_scan_next_chunk(state->scan, known ? &state->times : NULL, &passed);
		state->counts[COUNT_CHUNKS] += passed;
		state->counts[COUNT_PRUNED] += passed;
		if (entry == NULL)
			break;
		CHECK_FOR_INTERRUPTS();
		if (open_chunk(state, entry))
			return true;
	}
	close_chunk(state);
	return false;
}

/* ---- rows ---- */

/* Every column of the scan's slot is null until it is shown. */
static void
clear_slot(TableScan *state)
{
	TupleTableSlot *slot = state->css.ss.ss_ScanTupleSlot;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true,
		   RelationGetDescr(state->css.ss.ss_currentRelation)->natts * sizeof(bool));
}

/* Put column columns[i] of a row into the slot, which then has to be stored. */
static inline void
show_column(TableScan *state, TupleTableSlot *slot, int i, uint32 row)
{
	const TsdbColumn *column = state->values[i];
	AttrNumber	attno = state->columns[i];

	slot->tts_values[attno - 1] = column->values[row];
	slot->tts_isnull[attno - 1] = column->nulls[row];
}

static TupleTableSlot *
store_row(TableScan *state, TupleTableSlot *slot, uint32 row)
{
	ExecStoreVirtualTuple(slot);
	tsdb_tid_set(&slot->tts_tid, state->handle.entry->chunk, row);
	slot->tts_tableOid = RelationGetRelid(state->css.ss.ss_currentRelation);
	return slot;
}

/* Show the columns that are read; the others are null since the chunk was opened. */
static TupleTableSlot *
show_chunk_row(TableScan *state, uint32 row)
{
	TupleTableSlot *slot = state->css.ss.ss_ScanTupleSlot;

	ExecClearTuple(slot);
	for (int i = 0; i < state->ncolumns; i++)
		show_column(state, slot, i, row);
	return store_row(state, slot, row);
}

/* The next row as the table gives it: of the row store, or any if by_rows. */
static bool
next_stored_row(TableScan *state, ScanDirection direction)
{
	TupleTableSlot *slot = state->css.ss.ss_ScanTupleSlot;

	if (state->by_rows)
		return table_scan_getnextslot(state->scan, direction, slot);
	if (!tsdb_scan_next_row_store_row(state->scan, slot))
		return false;
	state->counts[COUNT_ROW_STORE]++;
	return true;
}

static TupleTableSlot *
next_row(ScanState *node)
{
	TableScan  *state = (TableScan *) node;

	if (!state->ready)
		get_ready(state);
	if (!state->open && next_stored_row(state, node->ps.state->es_direction))
		return node->ss_ScanTupleSlot;
	if (state->by_rows)
		return NULL;
	for (;;)
	{
		while (state->open && state->row < state->nrows)
		{
			uint32		row = state->row++;

			if (state->all_pass || state->pass[row])
			{
				pgstat_count_heap_getnext(node->ss_currentRelation);
				return show_chunk_row(state, row);
			}
		}
		if (!next_chunk(state))
			return ExecClearTuple(node->ss_ScanTupleSlot);
		clear_slot(state);
		for (int i = 0; i < state->ncolumns; i++)
			get_column(state, i);
	}
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

/* ---- batches ---- */

static int
place_of_column(const TableScan *state, AttrNumber attno)
{
	for (int i = 0; i < state->ncolumns; i++)
	{
		if (state->columns[i] == attno)
			return i;
	}
	return -1;
}

/* Conditions one by one: most are settled by the filter and need no evaluation. */
static void
prepare_quals(TableScan *state)
{
	CustomScan *plan = (CustomScan *) state->css.ss.ps.plan;
	MemoryContext old = MemoryContextSwitchTo(state->css.ss.ps.state->es_query_cxt);
	ListCell   *lc;
	ListCell   *lc2;

	state->quals = palloc0(Max(list_length(plan->scan.plan.qual), 1) * sizeof(ScanQual));
	foreach(lc, plan->scan.plan.qual)
	{
		ScanQual   *qual = &state->quals[state->nquals++];
		Bitmapset  *attributes = NULL;
		bool		whole;

		qual->state = ExecInitQual(list_make1(lfirst(lc)), &state->css.ss.ps);
		qual->clause = -1;
		foreach(lc2, plan->custom_exprs)
		{
			if (equal(lfirst(lc), lfirst(lc2)))
				qual->clause = foreach_current_index(lc2);
		}
		pull_varattnos(lfirst(lc), plan->scan.scanrelid, &attributes);
		whole = bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, attributes);
		qual->columns = palloc(Max(state->ncolumns, 1) * sizeof(int));
		for (int i = 0; i < state->ncolumns; i++)
		{
			if (whole || bms_is_member(state->columns[i] - FirstLowInvalidHeapAttributeNumber,
									   attributes))
				qual->columns[qual->ncolumns++] = i;
		}
	}
	MemoryContextSwitchTo(old);
}

/* Clear pass of the rows for which a condition does not hold that the filter has
 * left open; false if none is left. */
static bool
check_quals(TableScan *state)
{
	ExprContext *context = state->css.ss.ps.ps_ExprContext;
	TupleTableSlot *slot = state->css.ss.ss_ScanTupleSlot;

	for (int i = 0; i < state->nquals; i++)
	{
		const ScanQual *qual = &state->quals[i];

		if (qual->clause >= 0 && tsdb_chunk_filter_settles(state->filter, qual->clause))
			continue;
		if (state->all_pass)
			memset(state->pass, true, state->nrows);
		state->all_pass = false;
		clear_slot(state);
		for (int j = 0; j < qual->ncolumns; j++)
			get_column(state, qual->columns[j]);
		context->ecxt_scantuple = slot;
		for (uint32 row = 0; row < state->nrows; row++)
		{
			if (!state->pass[row])
				continue;
			ExecClearTuple(slot);
			for (int j = 0; j < qual->ncolumns; j++)
				show_column(state, slot, qual->columns[j], row);
			store_row(state, slot, row);
			ResetExprContext(context);
			state->pass[row] = ExecQual(qual->state, context);
			if (!state->pass[row])
			{
				state->npass--;
				InstrCountFiltered1(&state->css.ss, 1);
			}
		}
		if (state->npass == 0)
			return false;
	}
	return true;
}

/* Do all conditions hold for the row of the context? */
static bool
matches(const TableScan *state, ExprContext *context)
{
	for (int i = 0; i < state->nquals; i++)
	{
		if (!ExecQual(state->quals[i].state, context))
			return false;
	}
	return true;
}

/* Rows of the row store that the conditions hold for. */
static bool
gather_rows(TableScan *state)
{
	ScanState  *node = &state->css.ss;
	TupleTableSlot *slot = node->ss_ScanTupleSlot;
	TupleDesc	tupdesc = RelationGetDescr(node->ss_currentRelation);
	ExprContext *context = node->ps.ps_ExprContext;
	MemoryContext old;
	TsdbColumn *columns;

	close_chunk(state);
	state->nrows = 0;
	state->all_pass = true;
	old = MemoryContextSwitchTo(state->memory);
	columns = palloc0(Max(state->ncolumns, 1) * sizeof(TsdbColumn));
	MemoryContextSwitchTo(old);
	context->ecxt_scantuple = slot;
	while (state->nrows < TSDB_CHUNK_ROWS && next_stored_row(state, ForwardScanDirection))
	{
		ResetExprContext(context);
		if (!matches(state, context))
		{
			InstrCountFiltered1(node, 1);
			continue;
		}
		old = MemoryContextSwitchTo(state->memory);
		for (int i = 0; i < state->ncolumns; i++)
		{
			TsdbColumn *column = &columns[i];
			Form_pg_attribute att = TupleDescAttr(tupdesc, state->columns[i] - 1);
			bool	   *isnull;

			if (state->nrows == 0)
			{
				column->values = palloc(TSDB_CHUNK_ROWS * sizeof(Datum));
				column->nulls = palloc(TSDB_CHUNK_ROWS * sizeof(bool));
				state->values[i] = column;
			}
			isnull = &column->nulls[state->nrows];
			column->values[state->nrows] = slot_getattr(slot, state->columns[i], isnull);
			if (*isnull)
				column->any_null = true;
			else
				column->values[state->nrows] = datumCopy(column->values[state->nrows],
														 att->attbyval, att->attlen);
		}
		MemoryContextSwitchTo(old);
		state->nrows++;
	}
	state->npass = state->nrows;
	return state->nrows > 0;
}

bool
tsdb_table_scan_next_batch(CustomScanState *node, TsdbBatch *batch)
{
	TableScan  *state = (TableScan *) node;
	Instrumentation *instrument = node->ss.ps.instrument;
	bool		found;

	if (instrument != NULL)
		InstrStartNode(instrument);
	if (!state->ready)
		get_ready(state);
	if (state->quals == NULL)
		prepare_quals(state);
	found = gather_rows(state);
	while (!found && !state->by_rows && next_chunk(state))
	{
		found = check_quals(state);
		tsdb_count_rows_read(node->ss.ss_currentRelation, state->npass);
	}
	if (found)
		*batch = (TsdbBatch)
	{
		.nrows = state->nrows,
		.pass = state->all_pass ? NULL : state->pass,
		.summary = state->summary
	};
	if (instrument != NULL)
		InstrStopNode(instrument, found ? state->npass : 0);
	return found;
}

const TsdbColumn *
tsdb_table_scan_column(CustomScanState *node, AttrNumber attno)
{
	TableScan  *state = (TableScan *) node;
	int			place = place_of_column(state, attno);

	if (place < 0)
		elog(ERROR, "column %d is not read by the scan", attno);
	return get_column(state, place);
}

/* ---- parallel ---- */

static Size
table_bytes(CustomScanState *node)
{
	return MAXALIGN(table_parallelscan_estimate(node->ss.ss_currentRelation,
												node->ss.ps.state->es_snapshot));
}

static Size
estimate_dsm(CustomScanState *node, ParallelContext *context)
{
	return table_bytes(node) + sizeof(SharedCounters);
}

static void
share_counters(CustomScanState *node, void *coordinate)
{
	TableScan  *state = (TableScan *) node;

	state->shared = (SharedCounters *) ((char *) coordinate + table_bytes(node));
	for (int i = 0; i < COUNTERS; i++)
		pg_atomic_init_u64(&state->shared->counts[i], 0);
}

static void
initialize_dsm(CustomScanState *node, ParallelContext *context, void *coordinate)
{
	TableScan  *state = (TableScan *) node;

	table_parallelscan_initialize(node->ss.ss_currentRelation, coordinate,
								  node->ss.ps.state->es_snapshot);
	share_counters(node, coordinate);
	state->scan = table_beginscan_parallel(node->ss.ss_currentRelation, coordinate);
}

static void
reinitialize_dsm(CustomScanState *node, ParallelContext *context, void *coordinate)
{
	table_parallelscan_reinitialize(node->ss.ss_currentRelation, coordinate);
	share_counters(node, coordinate);
}

static void
initialize_worker(CustomScanState *node, shm_toc *toc, void *coordinate)
{
	TableScan  *state = (TableScan *) node;

	state->shared = (SharedCounters *) ((char *) coordinate + table_bytes(node));
	state->scan = table_beginscan_parallel(node->ss.ss_currentRelation, coordinate);
}

/* Workers add what they counted; the leader comes here after them and takes the
 * sum, before shared memory goes. */
static void
shutdown_scan(CustomScanState *node)
{
	TableScan  *state = (TableScan *) node;

	if (state->shared == NULL)
		return;
	for (int i = 0; i < COUNTERS; i++)
	{
		uint64		before = pg_atomic_fetch_add_u64(&state->shared->counts[i],
													 state->counts[i]);

		state->counts[i] = IsParallelWorker() ? 0 : before + state->counts[i];
	}
	state->shared = NULL;
}

/* ---- EXPLAIN ---- */

static void
explain_scan(CustomScanState *node, List *ancestors, ExplainState *es)
{
	TableScan  *state = (TableScan *) node;
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;

	if (plan->custom_exprs != NIL)
	{
		List	   *context = set_deparse_context_plan(es->deparse_cxt, node->ss.ps.plan,
													   ancestors);
		Node	   *all = (Node *) make_ands_explicit(plan->custom_exprs);

		ExplainPropertyText("Chunk Filter",
							deparse_expression(all, context, es->verbose, false), es);
	}
	if (!es->analyze)
		return;
	ExplainPropertyUInteger("Chunks", NULL, state->counts[COUNT_CHUNKS], es);
	ExplainPropertyUInteger("Chunks Pruned", NULL, state->counts[COUNT_PRUNED], es);
	ExplainPropertyUInteger("Chunks Decoded", NULL, state->counts[COUNT_DECODED], es);
	ExplainPropertyUInteger("Chunks Filtered", NULL, state->counts[COUNT_FILTERED], es);
	ExplainPropertyUInteger("Rows Removed in Chunks", NULL, state->counts[COUNT_ROWS_FILTERED],
							es);
	ExplainPropertyUInteger("Row Store Rows", NULL, state->counts[COUNT_ROW_STORE], es);
}

static const CustomExecMethods exec_methods = {
	.CustomName = "tsdb",
	.BeginCustomScan = begin_scan,
	.ExecCustomScan = exec_scan,
	.EndCustomScan = end_scan,
	.ReScanCustomScan = rescan,
	.EstimateDSMCustomScan = estimate_dsm,
	.InitializeDSMCustomScan = initialize_dsm,
	.ReInitializeDSMCustomScan = reinitialize_dsm,
	.InitializeWorkerCustomScan = initialize_worker,
	.ShutdownCustomScan = shutdown_scan,
	.ExplainCustomScan = explain_scan
};

static Node *
create_state(CustomScan *plan)
{
	TableScan  *state = palloc0(sizeof(TableScan));

	NodeSetTag(state, T_CustomScanState);
	state->css.methods = &exec_methods;
	return (Node *) state;
}

const CustomScanMethods tsdb_table_scan_methods = {
	.CustomName = "tsdb",
	.CreateCustomScanState = create_state
};

void
tsdb_table_scan_init(void)
{
	RegisterCustomScanMethods(&tsdb_table_scan_methods);
}
