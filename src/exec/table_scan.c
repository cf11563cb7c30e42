/*
 * table_scan.c
 *		Custom scan of a tsdb table that reads the columns that are needed.
 */
#include "postgres.h"

#include "exec/table_scan.h"

#include "access/sysattr.h"
#include "access/tableam.h"
#include "am/salvage.h"
#include "am/scan.h"
#include "commands/explain.h"
#include "compat/compat.h"
#include "exec/chunk_rows.h"
#include "exec/chunk_wanted.h"
#include "exec/scan_access.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "optimizer/optimizer.h"
#include "port/atomics.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* In a parallel scan, behind the table's own part of shared memory. */
typedef struct SharedCounters
{
	pg_atomic_uint64 counts[TSDB_SCAN_COUNTERS];
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
	TsdbRowsScan by_columns;
	TsdbScanWanted wanted;
	bool		ready;			/* by_rows is decided, there is a scan */
	int			nconditions;
	int		   *conditions;		/* of the node, as clauses of the filter, or -1 */
	bool		settled;		/* all of them, for the chunk at hand */
	int			nquals;
	ScanQual   *quals;			/* made for the first batch */

	TsdbChunkRows rows;			/* of the chunk, or the batch, at hand */
	uint32		row;			/* the next one */
	uint32		from;			/* of a batch: where rows that pass begin */
	uint32		to;				/* and end, unless all do */

	SharedCounters *shared;		/* or NULL */
} TableScan;

/* ---- beginning and ending ---- */

static void
map_conditions(TableScan *state, List *quals, List *clauses)
{
	ListCell   *lc;
	ListCell   *lc2;

	state->conditions = palloc(Max(list_length(quals), 1) * sizeof(int));
	foreach(lc, quals)
	{
		int		   *condition = &state->conditions[state->nconditions++];

		*condition = -1;
		foreach(lc2, clauses)
		{
			if (equal(lfirst(lc), lfirst(lc2)))
				*condition = foreach_current_index(lc2);
		}
	}
}

static void
begin_scan(CustomScanState *node, EState *estate, int eflags)
{
	TableScan  *state = (TableScan *) node;
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;
	Relation	rel = node->ss.ss_currentRelation;

	/*
	 * EvalPlanQual fetches rows into the scan's slot, and hands in others, so that
	 * has to be of the table's kind; the server has made a virtual one.
	 */
	ExecInitScanTupleSlot(estate, &node->ss, RelationGetDescr(rel), table_slot_callbacks(rel));
	ExecAssignScanProjectionInfoWithVarno(&node->ss, plan->scan.scanrelid);
	node->ss.ps.qual = ExecInitQual(plan->scan.plan.qual, &node->ss.ps);

	state->backward = (eflags & EXEC_FLAG_BACKWARD) != 0;
	tsdb_rows_scan_init(&state->by_columns, &node->ss, plan->custom_private, plan->custom_exprs);
	tsdb_chunk_rows_init(&state->rows, &state->by_columns, true);
	map_conditions(state, plan->scan.plan.qual, plan->custom_exprs);
	tsdb_scan_wanted_init(&state->wanted, rel, state->by_columns.filter);
}

static void
end_scan(CustomScanState *node)
{
	TableScan  *state = (TableScan *) node;

	tsdb_scan_access_end(&state->by_columns, &state->wanted);
	if (state->scan != NULL)
		table_endscan(state->scan);
	MemoryContextDelete(state->rows.memory);
}

static void
rescan(CustomScanState *node)
{
	TableScan  *state = (TableScan *) node;

	tsdb_scan_access_end(&state->by_columns, &state->wanted);
	if (state->scan != NULL)
		table_rescan(state->scan, NULL);
	tsdb_chunk_rows_close(&state->rows);
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
	tsdb_rows_scan_begin(&state->by_columns, node, state->scan);
	tsdb_scan_access_begin(&state->by_columns);
	state->ready = true;
}

/* ---- chunks ---- */

/* The next chunk that has a row for us; false at the end. */
static bool
next_chunk(TableScan *state)
{
	TsdbChunkEntry *entry;

	for (;;)
	{
		uint64		passed = 0;
		TsdbDirectoryView *view;
		int			place;

		entry = tsdb_scan_next_chunk(state->scan, tsdb_scan_wanted_get(&state->wanted), &passed);
		state->by_columns.counts[TSDB_COUNT_CHUNKS] += passed;
		state->by_columns.counts[TSDB_COUNT_PRUNED] += passed;
		if (entry == NULL)
			break;
		CHECK_FOR_INTERRUPTS();
		state->by_columns.counts[TSDB_COUNT_CHUNKS]++;
		state->row = 0;
		tsdb_chunk_rows_expect(&state->rows, entry, tsdb_scan_coming_chunk(state->scan));
		view = tsdb_scan_view(state->scan, &place);
		if (tsdb_chunk_rows_open(&state->rows, view, place))
			return true;
	}
	tsdb_chunk_rows_close(&state->rows);
	return false;
}

/* ---- rows ---- */

/* The next row as the table gives it: of the row store, or any if by_rows. */
static bool
next_stored_row(TableScan *state, ScanDirection direction)
{
	TupleTableSlot *slot = state->css.ss.ss_ScanTupleSlot;

	if (state->by_rows)
		return table_scan_getnextslot(state->scan, direction, slot);
	if (!tsdb_scan_next_row_store_row(state->scan, slot))
		return false;
	state->by_columns.counts[TSDB_COUNT_ROW_STORE]++;
	return true;
}

/* Has the filter settled all conditions for the rows of the chunk at hand? */
static bool
are_settled(const TableScan *state)
{
	for (int i = 0; i < state->nconditions; i++)
	{
		if (state->conditions[i] < 0 ||
			!tsdb_chunk_filter_settles(state->by_columns.filter, state->conditions[i]))
			return false;
	}
	return true;
}

static TupleTableSlot *
next_row(ScanState *node)
{
	TableScan  *state = (TableScan *) node;

	if (!state->ready)
		get_ready(state);
	if (!state->rows.open && next_stored_row(state, node->ps.state->es_direction))
		return node->ss_ScanTupleSlot;
	if (state->by_rows)
		return NULL;
	for (;;)
	{
		TsdbChunkRows *rows = &state->rows;

		while (rows->open && state->row < rows->nrows)
		{
			uint32		row = state->row++;

			if (rows->all_pass || rows->pass[row])
			{
				pgstat_count_heap_getnext(node->ss_currentRelation);
				return tsdb_chunk_rows_show(rows, node->ss_ScanTupleSlot, row,
											rows->npass <= TSDB_FEW_ROWS);
			}
		}
		if (!next_chunk(state))
			return ExecClearTuple(node->ss_ScanTupleSlot);
		state->settled = are_settled(state);
		tsdb_chunk_rows_clear_slot(&state->by_columns, node->ss_ScanTupleSlot);
	}
}

/* Whatever the scan leaves out, the node's conditions do, too. */
static bool
recheck_row(ScanState *node, TupleTableSlot *slot)
{
	return true;
}

/* As ExecScan() does, but that conditions which the filter has settled are not evaluated again. */
static TupleTableSlot *
exec_scan(CustomScanState *node)
{
	TableScan  *state = (TableScan *) node;
	ExprContext *context = node->ss.ps.ps_ExprContext;
	ProjectionInfo *projection = node->ss.ps.ps_ProjInfo;

	if (node->ss.ps.state->es_epq_active != NULL)
		return ExecScan(&node->ss, next_row, recheck_row);
	for (;;)
	{
		TupleTableSlot *slot;

		ResetExprContext(context);
		slot = next_row(&node->ss);
		if (TupIsNull(slot))
			return projection != NULL ? ExecClearTuple(projection->pi_state.resultslot) : slot;
		context->ecxt_scantuple = slot;
		if ((state->rows.open && state->settled) || ExecQual(node->ss.ps.qual, context))
			return projection != NULL ? ExecProject(projection) : slot;
		InstrCountFiltered1(&node->ss, 1);
		CHECK_FOR_INTERRUPTS();
	}
}

/* ---- batches ---- */

/* Conditions one by one: most are settled by the filter and need no evaluation. */
static void
prepare_quals(TableScan *state)
{
	CustomScan *plan = (CustomScan *) state->css.ss.ps.plan;
	MemoryContext old = MemoryContextSwitchTo(state->css.ss.ps.state->es_query_cxt);
	ListCell   *lc;

	state->quals = palloc0(Max(list_length(plan->scan.plan.qual), 1) * sizeof(ScanQual));
	foreach(lc, plan->scan.plan.qual)
	{
		ScanQual   *qual = &state->quals[state->nquals++];
		Bitmapset  *attributes = NULL;
		bool		whole;

		qual->state = ExecInitQual(list_make1(lfirst(lc)), &state->css.ss.ps);
		qual->clause = state->conditions[foreach_current_index(lc)];
		pull_varattnos(lfirst(lc), plan->scan.scanrelid, &attributes);
		whole = bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, attributes);
		qual->columns = palloc(Max(state->by_columns.ncolumns, 1) * sizeof(int));
		for (int i = 0; i < state->by_columns.ncolumns; i++)
		{
			if (whole || bms_is_member(state->by_columns.columns[i] - FirstLowInvalidHeapAttributeNumber,
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
	TsdbChunkRows *rows = &state->rows;

	for (int i = 0; i < state->nquals; i++)
	{
		const ScanQual *qual = &state->quals[i];

		if (qual->clause >= 0 &&
			tsdb_chunk_filter_settles(state->by_columns.filter, qual->clause))
			continue;
		if (rows->all_pass)
			memset(rows->pass, true, rows->nrows);
		rows->all_pass = false;
		tsdb_chunk_rows_clear_slot(&state->by_columns, slot);
		for (int j = 0; j < qual->ncolumns; j++)
			tsdb_chunk_rows_column(rows, qual->columns[j]);
		context->ecxt_scantuple = slot;
		for (uint32 row = 0; row < rows->nrows; row++)
		{
			if (!rows->pass[row])
				continue;
			ExecClearTuple(slot);
			for (int j = 0; j < qual->ncolumns; j++)
				tsdb_chunk_rows_show_column(rows, slot, qual->columns[j], row);
			tsdb_chunk_rows_store(rows, slot, rows->handle.entry->chunk, row);
			ResetExprContext(context);
			rows->pass[row] = ExecQual(qual->state, context);
			if (!rows->pass[row])
			{
				rows->npass--;
				InstrCountFiltered1(&state->css.ss, 1);
			}
		}
		if (rows->npass == 0)
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
	const TsdbRowsScan *scan = &state->by_columns;
	TsdbChunkRows *rows = &state->rows;
	TupleTableSlot *slot = node->ss_ScanTupleSlot;
	TupleDesc	tupdesc = RelationGetDescr(node->ss_currentRelation);
	ExprContext *context = node->ps.ps_ExprContext;
	MemoryContext old;
	TsdbColumn *columns;

	tsdb_chunk_rows_close(&state->rows);
	rows->nrows = 0;
	rows->all_pass = true;
	old = MemoryContextSwitchTo(rows->memory);
	columns = palloc0(Max(scan->ncolumns, 1) * sizeof(TsdbColumn));
	MemoryContextSwitchTo(old);
	context->ecxt_scantuple = slot;
	while (rows->nrows < TSDB_CHUNK_ROWS && next_stored_row(state, ForwardScanDirection))
	{
		ResetExprContext(context);
		if (!matches(state, context))
		{
			InstrCountFiltered1(node, 1);
			continue;
		}
		old = MemoryContextSwitchTo(rows->memory);
		for (int i = 0; i < scan->ncolumns; i++)
		{
			TsdbColumn *column = &columns[i];
			Form_pg_attribute att = TupleDescAttr(tupdesc, scan->columns[i] - 1);
			bool	   *isnull;

			if (rows->nrows == 0)
			{
				column->values = palloc(TSDB_CHUNK_ROWS * sizeof(Datum));
				column->nulls = palloc(TSDB_CHUNK_ROWS * sizeof(bool));
				rows->values[i] = column;
			}
			isnull = &column->nulls[rows->nrows];
			column->values[rows->nrows] = slot_getattr(slot, scan->columns[i], isnull);
			if (*isnull)
				column->any_null = true;
			else
				column->values[rows->nrows] = datumCopy(column->values[rows->nrows],
														 att->attbyval, att->attlen);
		}
		MemoryContextSwitchTo(old);
		rows->nrows++;
	}
	rows->npass = rows->nrows;
	return rows->nrows > 0;
}

/* Where the rows that pass begin and end; there is one. */
static void
find_passing(TableScan *state)
{
	const uint8 *pass = state->rows.pass;

	state->from = (const uint8 *) memchr(pass, true, state->rows.nrows) - pass;
	state->to = state->rows.nrows;
	while (!pass[state->to - 1])
		state->to--;
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
		tsdb_count_rows_read(node->ss.ss_currentRelation, state->rows.npass);
	}
	if (found && !state->rows.all_pass)
		find_passing(state);
	if (found)
		*batch = (TsdbBatch)
	{
		.nrows = state->rows.nrows,
		.pass = state->rows.all_pass ? NULL : state->rows.pass,
		.summary = state->rows.summary
	};
	if (instrument != NULL)
		InstrStopNode(instrument, found ? state->rows.npass : 0);
	return found;
}

const TsdbColumn *
tsdb_table_scan_column(CustomScanState *node, AttrNumber attno)
{
	TableScan  *state = (TableScan *) node;
	int			place = tsdb_rows_scan_place(&state->by_columns, attno);

	if (!state->rows.all_pass)
		return tsdb_chunk_rows_column_part(&state->rows, place, state->from, state->to);
	return tsdb_chunk_rows_column(&state->rows, place);
}

const TsdbColumn *
tsdb_table_scan_packed(CustomScanState *node, AttrNumber attno)
{
	TableScan  *state = (TableScan *) node;

	return tsdb_chunk_rows_packed(&state->rows, tsdb_rows_scan_place(&state->by_columns, attno));
}

TsdbChunkReader *
tsdb_table_scan_reader(CustomScanState *node)
{
	return tsdb_chunk_rows_reader(&((TableScan *) node)->rows);
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
	for (int i = 0; i < TSDB_SCAN_COUNTERS; i++)
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
	for (int i = 0; i < TSDB_SCAN_COUNTERS; i++)
	{
		uint64		before = pg_atomic_fetch_add_u64(&state->shared->counts[i],
													 state->by_columns.counts[i]);

		state->by_columns.counts[i] = IsParallelWorker() ? 0 : before + state->by_columns.counts[i];
	}
	state->shared = NULL;
}

/* ---- EXPLAIN ---- */

static void
explain_scan(CustomScanState *node, List *ancestors, ExplainState *es)
{
	TableScan  *state = (TableScan *) node;
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;

	tsdb_rows_scan_explain(&state->by_columns, &node->ss, plan->custom_exprs, ancestors, es);
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
