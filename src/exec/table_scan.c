/*
 * table_scan.c
 *		Custom scan of a tsdb table that reads the columns that are needed.
 */
#include "postgres.h"

#include "exec/table_scan.h"

#include "access/tableam.h"
#include "am/fetch.h"
#include "am/salvage.h"
#include "am/scan.h"
#include "commands/explain.h"
#include "exec/chunk_filter.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "nodes/makefuncs.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "store/chunk_tid.h"
#include "store/marks.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

/* What EXPLAIN ANALYZE shows. */
typedef enum Counter
{
	COUNT_CHUNKS,				/* that the snapshot sees */
	COUNT_PRUNED,				/* ruled out by their statistics */
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

typedef struct TableScan
{
	CustomScanState css;		/* must be first */
	TableScanDesc scan;			/* NULL before the first row */
	bool		by_rows;		/* read as a sequential scan does, in both directions */
	bool		backward;		/* a cursor may go back */
	int			ncolumns;
	AttrNumber *columns;		/* to be read, in order */
	TsdbChunkFilter *filter;
	bool		ready;			/* by_rows is decided, there is a scan */
	bool		armed;			/* the filter's arguments are computed */

	/* the chunk at hand */
	MemoryContext memory;
	bool		open;
	TsdbChunkHandle handle;
	const TsdbColumn **values;	/* of columns[] */
	uint32		chunk;
	uint32		row;			/* the next one */
	uint32		nrows;
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
	state->values = palloc(Max(list_length(plan->custom_private), 1) * sizeof(TsdbColumn *));
	foreach(lc, plan->custom_private)
		state->columns[state->ncolumns++] = (AttrNumber) lfirst_int(lc);
	state->filter = tsdb_chunk_filter_create(plan->custom_exprs, plan->scan.scanrelid,
											 &node->ss.ps);
	state->memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb chunk",
										  ALLOCSET_DEFAULT_SIZES);
}

static void
close_chunk(TableScan *state)
{
	MemoryContextReset(state->memory);
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
	state->armed = false;
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
	state->ready = true;
}

/* ---- rows ---- */

/* Show the columns that are read; the others are null since the chunk was opened. */
static TupleTableSlot *
show_chunk_row(TableScan *state, uint32 row)
{
	TupleTableSlot *slot = state->css.ss.ss_ScanTupleSlot;

	ExecClearTuple(slot);
	for (int i = 0; i < state->ncolumns; i++)
	{
		int			column = state->columns[i] - 1;

		slot->tts_values[column] = state->values[i]->values[row];
		slot->tts_isnull[column] = state->values[i]->nulls[row];
	}
	ExecStoreVirtualTuple(slot);
	tsdb_tid_set(&slot->tts_tid, state->chunk, row);
	slot->tts_tableOid = RelationGetRelid(state->css.ss.ss_currentRelation);
	return slot;
}

/* Rows of the chunk that the snapshot sees and no condition rules out; false if
 * there are none. */
static bool
select_rows(TableScan *state, TsdbChunkReader *reader)
{
	TsdbStorage *storage = tsdb_scan_storage(state->scan);
	uint8	   *hidden = tsdb_fetch_hidden(storage, state->chunk, state->nrows,
										   state->scan->rs_snapshot);
	uint32		seen = 0;
	uint32		left = 0;

	memset(state->pass, true, state->nrows);
	for (uint32 row = 0; hidden != NULL && row < state->nrows; row++)
		state->pass[row] = !tsdb_marks_is_hidden(hidden, row);
	for (uint32 row = 0; row < state->nrows; row++)
		seen += state->pass[row];
	if (seen == 0)
		return false;
	if (!tsdb_chunk_filter_rows(state->filter, reader, state->nrows, state->pass))
	{
		state->counts[COUNT_FILTERED]++;
		return false;
	}
	for (uint32 row = 0; row < state->nrows; row++)
		left += state->pass[row];
	state->counts[COUNT_ROWS_FILTERED] += seen - left;
	return true;
}

/* Open a chunk, unless no row of it can match. */
static bool
open_chunk(TableScan *state, TsdbChunkEntry *entry)
{
	TsdbStorage *storage = tsdb_scan_storage(state->scan);
	Relation	rel = state->css.ss.ss_currentRelation;
	MemoryContext old;
	TsdbChunkReader *reader;

	close_chunk(state);
	state->counts[COUNT_CHUNKS]++;

	/* not before there is a row: an empty table raises no error of an argument */
	if (!state->armed)
		tsdb_chunk_filter_begin(state->filter, state->css.ss.ps.ps_ExprContext);
	state->armed = true;
	old = MemoryContextSwitchTo(state->memory);
	if (!tsdb_chunk_filter_may_match(state->filter, tsdb_directory_summary(storage, entry)))
		state->counts[COUNT_PRUNED]++;
	else
	{
		state->handle.storage = storage;
		state->handle.entry = entry;
		reader = tsdb_directory_open_chunk(&state->handle, RelationGetDescr(rel));
		state->chunk = entry->chunk;
		state->nrows = entry->nrows;
		state->row = 0;
		state->open = select_rows(state, reader);
		ExecClearTuple(state->css.ss.ss_ScanTupleSlot);
		memset(state->css.ss.ss_ScanTupleSlot->tts_isnull, true,
			   RelationGetDescr(rel)->natts * sizeof(bool));
		for (int i = 0; state->open && i < state->ncolumns; i++)
			state->values[i] = tsdb_chunk_reader_column(reader, state->columns[i]);
	}
	MemoryContextSwitchTo(old);
	return state->open;
}

static TupleTableSlot *
next_row(ScanState *node)
{
	TableScan  *state = (TableScan *) node;
	TupleTableSlot *slot = node->ss_ScanTupleSlot;
	TsdbChunkEntry *entry;

	if (!state->ready)
		get_ready(state);
	if (state->by_rows)
		return table_scan_getnextslot(state->scan, node->ps.state->es_direction, slot) ?
			slot : NULL;

	if (tsdb_scan_next_row_store_row(state->scan, slot))
	{
		state->counts[COUNT_ROW_STORE]++;
		return slot;
	}
	for (;;)
	{
		while (state->open && state->row < state->nrows)
		{
			uint32		row = state->row++;

			if (state->pass[row])
			{
				pgstat_count_heap_getnext(node->ss_currentRelation);
				return show_chunk_row(state, row);
			}
		}
		entry = tsdb_scan_next_chunk(state->scan);
		if (entry == NULL)
		{
			close_chunk(state);
			return ExecClearTuple(slot);
		}
		open_chunk(state, entry);
		CHECK_FOR_INTERRUPTS();
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
