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
 * Many chunks may begin with the same value, or give rows that the conditions then reject, so there is
 * no telling how many are open at once.  Beyond a budget, chunks that were not used for longest are put
 * aside: what they sort by is kept of their next row, and they are read again when that comes first.
 */
#include "postgres.h"

#include "exec/seek_scan.h"

#include "access/relscan.h"
#include "access/tableam.h"
#include "am/salvage.h"
#include "am/scan.h"
#include "exec/chunk_list.h"
#include "exec/chunk_rows.h"
#include "exec/chunk_wanted.h"
#include "exec/number.h"
#include "exec/stored_rows.h"
#include "executor/executor.h"
#include "lib/binaryheap.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/sortsupport.h"

/* What is read of a run. */
typedef struct Opened
{
	TsdbChunkRows rows;			/* of the row store: values[] only */
	TsdbDirectoryView view;
	uint32		allocated;
	uint32	   *order;			/* row numbers */
	struct Opened *free;		/* the next one that is not in use */
} Opened;

typedef struct Run
{
	Opened	   *opened;			/* NULL: put aside */
	Datum	   *keys;			/* then, what its next row is sorted by */
	bool	   *nulls;
	TsdbListedChunk chunk;
	bool		stored;			/* rows of the row store */
	uint32		count;
	uint32		next;
	bool		sorted;			/* and not only that the first is the first */
	Size		bytes;			/* that it takes */
	dlist_node	recency;		/* in open, if it is an opened chunk */
	struct Run *free;			/* the next one that is not in use */
} Run;

typedef struct SeekScan
{
	CustomScanState css;		/* must be first */
	TsdbSeekPlan plan;
	TsdbRowsScan by_columns;
	TableScanDesc scan;			/* NULL before the first row */
	bool		by_rows;		/* all rows of the table are in stored */
	bool		ready;			/* began, or began again */
	TsdbScanWanted wanted;
	MemoryContext memory;		/* of what lives as long as the node */
	TsdbKeyColumn seek;			/* as plan.seek says */
	TsdbKeyColumn order;		/* the first of plan.order */
	int			nkeys;
	int		   *places;			/* of the columns to sort by, in by_columns.columns */
	SortSupport keys;
	bool		exact;			/* rows of equal rank are equal in order */

	TsdbStoredRows *stored;		/* of the row store, or all if by_rows; gathered once */
	TsdbChunkList *list;		/* made once, as a rule */
	TsdbListedChunk *chunks;	/* to be opened, in order */
	int			nchunks;
	int			next_chunk;
	MemoryContext found_memory; /* of chunks[] that were sought */
	binaryheap *runs;			/* if there is an order */
	Run		   *run;			/* else the only one, or NULL */
	Run		   *free;
	Opened	   *free_opened;
	dlist_head	open;			/* runs that are opened chunks, last used first */
	Size		bytes;			/* that these take */

	TsdbStoredRows *past;		/* what was returned, if the scan may go back; or NULL */
	uint32		position;		/* 0: before the first row, 1: on it … */
} SeekScan;

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

/* ---- order ---- */

static inline int
compare_rows(SeekScan *state, const TsdbChunkRows *rows, uint32 row_a, uint32 row_b)
{
	for (int i = 0; i < state->nkeys; i++)
	{
		const TsdbColumn *column = rows->values[state->places[i]];
		int			order = ApplySortComparator(column->values[row_a], column->nulls[row_a],
												column->values[row_b], column->nulls[row_b],
												&state->keys[i]);

		if (order != 0)
			return order;
	}
	return 0;
}

/* What the next row of a run is sorted by. */
static inline Datum
next_key(const SeekScan *state, const Run *run, int i, bool *is_null)
{
	const TsdbColumn *column;
	uint32		row;

	if (run->opened == NULL)
	{
		*is_null = run->nulls[i];
		return run->keys[i];
	}
	column = run->opened->rows.values[state->places[i]];
	row = run->opened->order[run->next];
	*is_null = column->nulls[row];
	return column->values[row];
}

typedef struct SortContext
{
	SeekScan   *state;
	const TsdbChunkRows *rows;
} SortContext;

static int
compare_in_run(const void *a, const void *b, void *arg)
{
	SortContext *context = arg;

	return compare_rows(context->state, context->rows, *(const uint32 *) a, *(const uint32 *) b);
}

/* As a binary heap wants it: the run that comes first is the greatest. */
static int
compare_runs(Datum a, Datum b, void *arg)
{
	SeekScan   *state = arg;

	for (int i = 0; i < state->nkeys; i++)
	{
		bool		left_null;
		bool		right_null;
		Datum		left = next_key(state, (Run *) DatumGetPointer(a), i, &left_null);
		Datum		right = next_key(state, (Run *) DatumGetPointer(b), i, &right_null);
		int			order = ApplySortComparator(left, left_null, right, right_null,
												&state->keys[i]);

		if (order != 0)
			return -order;
	}
	return 0;
}

static void
reverse(uint32 *order, uint32 count)
{
	for (uint32 i = 0; i < count / 2; i++)
	{
		uint32		swap = order[i];

		order[i] = order[count - 1 - i];
		order[count - 1 - i] = swap;
	}
}

/* Are a chunk's rows sorted by the only key, being one segment's? */
static bool
rises_by_time(const SeekScan *state, const Run *run)
{
	const Opened *opened = run->opened;
	const TsdbChunkSummary *summary = opened->rows.summary;
	const TsdbSegments *segments;
	uint32		i = 0;

	if (run->stored || state->nkeys != 1 || summary->key.time != state->order.attno ||
		summary->columns[summary->key.time - 1].nnulls > 0)
		return false;
	if (summary->nsegments == 1)
		return true;
	if (opened->rows.reader == NULL)
		return false;
	segments = tsdb_chunk_reader_segments(opened->rows.reader);
	while (segments->rows[i + 1] <= opened->order[0])
		i++;
	return opened->order[run->count - 1] < segments->rows[i + 1];
}

/* Bring the first row to the front. */
static void
find_first(SeekScan *state, Run *run)
{
	const TsdbChunkRows *rows = &run->opened->rows;
	uint32	   *order = run->opened->order;
	uint32		first = 0;
	uint32		row;

	run->sorted = run->count == 1 || state->nkeys == 0;
	if (run->sorted)
		return;
	if (rises_by_time(state, run))
	{
		if (state->keys[0].ssup_reverse)
			reverse(order, run->count);
		run->sorted = true;
		return;
	}
	for (uint32 i = 1; i < run->count; i++)
	{
		if (compare_rows(state, rows, order[i], order[first]) < 0)
			first = i;
	}
	row = order[first];
	memmove(&order[1], &order[0], first * sizeof(uint32));
	order[0] = row;
}

/* Sort the rows after the first; most often they are, or the other way round. */
static void
sort_rest(SeekScan *state, Run *run)
{
	const TsdbChunkRows *rows = &run->opened->rows;
	SortContext context = {state, rows};
	uint32	   *order = &run->opened->order[1];
	uint32		count = run->count - 1;
	bool		rises = true;
	bool		falls = true;

	run->sorted = true;
	for (uint32 i = 1; i < count && (rises || falls); i++)
	{
		int			compared = compare_rows(state, rows, order[i - 1], order[i]);

		rises = rises && compared <= 0;
		falls = falls && compared >= 0;
	}
	if (rises)
		return;
	if (!falls)
	{
		qsort_arg(order, count, sizeof(uint32), compare_in_run, &context);
		return;
	}
	reverse(order, count);
}

/* ---- runs ---- */

static Opened *
get_opened(SeekScan *state)
{
	Opened	   *opened = state->free_opened;

	if (opened != NULL)
		state->free_opened = opened->free;
	else
	{
		MemoryContext old = MemoryContextSwitchTo(state->memory);

		opened = palloc0(sizeof(Opened));
		tsdb_chunk_rows_init(&opened->rows, &state->by_columns);
		MemoryContextSwitchTo(old);
	}
	return opened;
}

/* A new run, which is open. */
static Run *
get_run(SeekScan *state)
{
	Run		   *run = state->free;

	if (run != NULL)
		state->free = run->free;
	else
		run = MemoryContextAllocZero(state->memory, sizeof(Run));
	run->opened = get_opened(state);
	run->count = run->next = 0;
	run->stored = false;
	run->bytes = 0;
	return run;
}

/* Let go of what is read of a run. */
static void
close_run(SeekScan *state, Run *run)
{
	Opened	   *opened = run->opened;

	tsdb_chunk_rows_close(&opened->rows);
	tsdb_directory_view_release(&opened->view);
	opened->free = state->free_opened;
	state->free_opened = opened;
	run->opened = NULL;
	if (run->bytes > 0)
		dlist_delete(&run->recency);
	state->bytes -= run->bytes;
	run->bytes = 0;
}

static void
forget_keys(SeekScan *state, Run *run)
{
	for (int i = 0; i < state->nkeys; i++)
	{
		AttrNumber	attno = (AttrNumber) list_nth_int(state->plan.order, i);
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(state->by_columns.rel), attno - 1);

		if (!run->nulls[i] && !att->attbyval)
			pfree(DatumGetPointer(run->keys[i]));
	}
	pfree(run->keys);
	pfree(run->nulls);
}

static void
free_run(SeekScan *state, Run *run)
{
	if (run->opened != NULL)
		close_run(state, run);
	else
		forget_keys(state, run);
	run->free = state->free;
	state->free = run;
}

/* The chunk of a run was used. */
static void
use_run(SeekScan *state, Run *run)
{
	if (run->bytes > 0)
		dlist_delete(&run->recency);
	dlist_push_head(&state->open, &run->recency);
	state->bytes -= run->bytes;
	run->bytes = sizeof(Opened) + run->opened->allocated * sizeof(uint32) +
		MemoryContextMemAllocated(run->opened->rows.memory, true);
	state->bytes += run->bytes;
}

static void
put_aside(SeekScan *state, Run *run)
{
	MemoryContext old = MemoryContextSwitchTo(state->memory);

	run->keys = palloc(state->nkeys * sizeof(Datum));
	run->nulls = palloc(state->nkeys * sizeof(bool));
	for (int i = 0; i < state->nkeys; i++)
	{
		AttrNumber	attno = (AttrNumber) list_nth_int(state->plan.order, i);
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(state->by_columns.rel), attno - 1);

		run->keys[i] = next_key(state, run, i, &run->nulls[i]);
		if (!run->nulls[i])
			run->keys[i] = datumCopy(run->keys[i], att->attbyval, att->attlen);
	}
	close_run(state, run);
	MemoryContextSwitchTo(old);
}

/* Put aside what has not been used for longest; what was used last stays. */
static void
keep_to_budget(SeekScan *state)
{
	while (state->bytes > (Size) TSDB_SEEK_MEMORY_PART * 1024 * work_mem &&
		   dlist_has_next(&state->open, dlist_head_node(&state->open)))
		put_aside(state, dlist_tail_element(Run, recency, &state->open));
}

static void
reserve(SeekScan *state, Opened *opened, uint32 count)
{
	if (opened->allocated >= count)
		return;
	if (opened->order != NULL)
		pfree(opened->order);
	opened->order = MemoryContextAllocHuge(state->memory, count * sizeof(uint32));
	opened->allocated = count;
}

/* Let a run with rows take part. */
static void
start_run(SeekScan *state, Run *run)
{
	if (run->count == 0)
	{
		free_run(state, run);
		return;
	}
	find_first(state, run);
	if (state->nkeys == 0)
		state->run = run;
	else
		binaryheap_add(state->runs, PointerGetDatum(run));
}

/* ---- the row store ---- */

/*
 * Gather the rows of the row store; all rows of the table if chunks may be damaged, since that is
 * handled where a table is read by rows.  Conditions without parameters are checked here: most rows
 * need not be kept.
 */
static TsdbStoredRows *
gather_stored(SeekScan *state)
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
start_stored(SeekScan *state, const uint64 *rank)
{
	const TsdbStoredRows *stored = state->stored;
	Run		   *run;
	uint32		first = 0;
	uint32		end = stored->count;

	if (rank != NULL)
		tsdb_stored_rows_find(stored, *rank, &first, &end);
	if (first == end)
		return;
	run = get_run(state);
	run->stored = true;
	reserve(state, run->opened, end - first);
	for (int i = 0; i < state->by_columns.ncolumns; i++)
		run->opened->rows.values[i] = &stored->columns[i];
	for (uint32 i = first; i < end; i++)
		run->opened->order[run->count++] = rank != NULL ? stored->by_rank[i] : i;
	start_run(state, run);
}

/* ---- chunks ---- */

/* What a chunk of several series that was read for its seek column has in it. */
static void
learn(SeekScan *state, Opened *opened, const TsdbListedChunk *chunk)
{
	const TsdbChunkSummary *summary = tsdb_directory_view_summary(&opened->view, 0);

	/* segments tell only if the column is one of the series key that the chunk was written with */
	if (opened->rows.reader == NULL || summary->nsegments == 1 ||
		summary->nsegments > TSDB_SEEK_VALUES_MAX)
		return;
	for (int i = 0; i < summary->key.nseries; i++)
	{
		if (summary->key.series[i] == state->seek.attno)
			tsdb_chunk_list_learn(state->list, chunk, &opened->view,
								  tsdb_chunk_reader_segments(opened->rows.reader),
								  tsdb_chunk_reader_column(opened->rows.reader,
														   state->seek.attno));
	}
}

/* Read the chunk of a run: the rows that it has for us, in the chunk's order. */
static void
read_chunk(SeekScan *state, Run *run)
{
	Opened	   *opened = run->opened;
	TsdbChunkRows *rows = &opened->rows;
	uint32		chunk = run->chunk.chunk;
	uint32		slot = chunk % TSDB_DIRECTORY_SLOTS;

	run->count = 0;
	tsdb_directory_view(&opened->view, state->by_columns.storage, chunk / TSDB_DIRECTORY_SLOTS,
						slot, slot + 1, NULL, state->scan->rs_snapshot);
	if (opened->view.count == 0)
		return;
	if (tsdb_chunk_rows_open(rows, opened->view.entries[0],
							 tsdb_directory_view_summary(&opened->view, 0)))
	{
		reserve(state, opened, TSDB_CHUNK_ROWS);
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
open_chunk(SeekScan *state, const TsdbListedChunk *chunk)
{
	Run		   *run = get_run(state);

	run->chunk = *chunk;
	read_chunk(state, run);
	if (run->count > 0)
		use_run(state, run);
	start_run(state, run);
	keep_to_budget(state);
}

/*
 * Read a chunk again that was put aside, for its next row.  The snapshot sees the same rows of it, and they
 * come in the same order.
 */
static void
reopen_chunk(SeekScan *state, Run *run)
{
	uint32		count = run->count;

	run->opened = get_opened(state);
	forget_keys(state, run);
	read_chunk(state, run);
	if (run->count != count)
		elog(ERROR, "chunk %u has other rows than before", run->chunk.chunk);
	find_first(state, run);
	if (run->next > 0 && !run->sorted)
		sort_rest(state, run);
	use_run(state, run);
	keep_to_budget(state);
}

/* Is the next chunk to be opened before a row is returned? */
static bool
is_due(SeekScan *state)
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
	value = next_key(state, (Run *) DatumGetPointer(binaryheap_first(state->runs)), 0, &is_null);
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
get_rank(SeekScan *state, uint64 *rank)
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
list_chunks(SeekScan *state)
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
		state->runs = binaryheap_allocate(state->list->count + 1, compare_runs, state);
	}
}

/* Start reading, at the first row or after a rescan. */
static void
get_ready(SeekScan *state)
{
	ScanState  *node = &state->css.ss;
	TsdbRowsScan *by_columns = &state->by_columns;
	uint64		rank;
	bool		seeks;
	MemoryContext old = MemoryContextSwitchTo(state->memory);

	if (state->scan == NULL)
	{
		state->scan = table_beginscan(node->ss_currentRelation, node->ps.state->es_snapshot, 0,
									  NULL);
		state->by_rows = tsdb_damaged_chunks != TSDB_DAMAGED_ERROR;
	}
	tsdb_rows_scan_begin(by_columns, node, state->scan);
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
	seeks = get_rank(state, &rank);
	state->nchunks = state->list->count;
	state->chunks = seeks ?
		tsdb_chunk_list_seek(state->list, rank, tsdb_scan_wanted_get(&state->wanted), &state->nchunks) :
		tsdb_chunk_list_all(state->list);
	MemoryContextSwitchTo(state->memory);
	start_stored(state, seeks ? &rank : NULL);
	MemoryContextSwitchTo(old);
}

/* ---- rows ---- */

static Run *
first_run(const SeekScan *state)
{
	if (state->nkeys == 0)
		return state->run;
	return binaryheap_empty(state->runs) ? NULL :
		(Run *) DatumGetPointer(binaryheap_first(state->runs));
}

/* The run whose next row is the next of the scan; NULL at the end. */
static Run *
find_run(SeekScan *state)
{
	MemoryContext old = MemoryContextSwitchTo(state->found_memory);
	Run		   *run;

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
advance(SeekScan *state, Run *run)
{
	if (!run->sorted)
		sort_rest(state, run);
	if (!run->stored && run->next <= TSDB_FEW_ROWS)
		use_run(state, run);	/* columns of it have been read since */
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
	free_run(state, run);
}

/*
 * The row that was returned last stays what it is until the next call, so its run is advanced
 * then.
 */
static TupleTableSlot *
next_in_order(SeekScan *state, TupleTableSlot *slot)
{
	Run		   *run;
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
	SeekScan   *state = (SeekScan *) node;
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
	SeekScan   *state = (SeekScan *) node;
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
free_runs(SeekScan *state)
{
	if (state->run != NULL)
		free_run(state, state->run);
	state->run = NULL;
	while (state->runs != NULL && !binaryheap_empty(state->runs))
		free_run(state, (Run *) DatumGetPointer(binaryheap_remove_first(state->runs)));
}

static void
end_scan(CustomScanState *node)
{
	SeekScan   *state = (SeekScan *) node;

	free_runs(state);
	if (state->scan != NULL)
		table_endscan(state->scan);
	MemoryContextDelete(state->memory);
}

static void
rescan(CustomScanState *node)
{
	SeekScan   *state = (SeekScan *) node;

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
	SeekScan   *state = (SeekScan *) node;
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
	SeekScan   *state = palloc0(sizeof(SeekScan));

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
