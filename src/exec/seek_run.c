/*
 * seek_run.c
 *		Where a seek scan has rows from, and which of them comes next.
 */
#include "postgres.h"

#include "exec/seek_run.h"

#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* ---- order ---- */

static inline int
compare_rows(TsdbSeekScan *state, const TsdbChunkRows *rows, uint32 row_a, uint32 row_b)
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
Datum
tsdb_seek_run_key(const TsdbSeekScan *state, const TsdbSeekRun *run, int i, bool *is_null)
{
	const TsdbColumn *column;
	uint32		row;

	if (run->unread)
	{
		*is_null = false;
		return run->first_key;
	}
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
	TsdbSeekScan   *state;
	const TsdbChunkRows *rows;
} SortContext;

static int
compare_in_run(const void *a, const void *b, void *arg)
{
	SortContext *context = arg;

	return compare_rows(context->state, context->rows, *(const uint32 *) a, *(const uint32 *) b);
}

/* As a binary heap wants it: the run that comes first is the greatest. */
int
tsdb_seek_runs_compare(Datum a, Datum b, void *arg)
{
	TsdbSeekScan   *state = arg;

	for (int i = 0; i < state->nkeys; i++)
	{
		bool		left_null;
		bool		right_null;
		Datum		left = tsdb_seek_run_key(state, (TsdbSeekRun *) DatumGetPointer(a), i, &left_null);
		Datum		right = tsdb_seek_run_key(state, (TsdbSeekRun *) DatumGetPointer(b), i, &right_null);
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
rises_by_time(const TsdbSeekScan *state, const TsdbSeekRun *run)
{
	const TsdbSeekOpened *opened = run->opened;
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
void
tsdb_seek_run_find_first(TsdbSeekScan *state, TsdbSeekRun *run)
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
void
tsdb_seek_run_sort(TsdbSeekScan *state, TsdbSeekRun *run)
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

TsdbSeekOpened *
tsdb_seek_run_open(TsdbSeekScan *state)
{
	TsdbSeekOpened	   *opened = state->free_opened;

	if (opened != NULL)
		state->free_opened = opened->free;
	else
	{
		MemoryContext old = MemoryContextSwitchTo(state->memory);

		opened = palloc0(sizeof(TsdbSeekOpened));
		tsdb_chunk_rows_init(&opened->rows, &state->by_columns, false);
		MemoryContextSwitchTo(old);
	}
	return opened;
}

/* A new run, which is open. */
TsdbSeekRun *
tsdb_seek_run_get(TsdbSeekScan *state)
{
	TsdbSeekRun		   *run = state->free;

	if (run != NULL)
		state->free = run->free;
	else
		run = MemoryContextAllocZero(state->memory, sizeof(TsdbSeekRun));
	run->opened = tsdb_seek_run_open(state);
	run->count = run->next = 0;
	run->stored = run->part = run->unread = false;
	run->bytes = 0;
	return run;
}

/* Let go of what is read of a run. */
static void
close_run(TsdbSeekScan *state, TsdbSeekRun *run)
{
	TsdbSeekOpened	   *opened = run->opened;

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

void
tsdb_seek_run_forget_keys(TsdbSeekScan *state, TsdbSeekRun *run)
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

void
tsdb_seek_run_free(TsdbSeekScan *state, TsdbSeekRun *run)
{
	if (run->opened != NULL)
		close_run(state, run);
	else
		tsdb_seek_run_forget_keys(state, run);
	run->free = state->free;
	state->free = run;
}

/* The chunk of a run was used. */
void
tsdb_seek_run_use(TsdbSeekScan *state, TsdbSeekRun *run)
{
	if (run->bytes > 0)
		dlist_delete(&run->recency);
	dlist_push_head(&state->open, &run->recency);
	state->bytes -= run->bytes;
	run->bytes = sizeof(TsdbSeekOpened) + run->opened->allocated * sizeof(uint32) +
		MemoryContextMemAllocated(run->opened->rows.memory, true);
	state->bytes += run->bytes;
}

static void
put_aside(TsdbSeekScan *state, TsdbSeekRun *run)
{
	MemoryContext old = MemoryContextSwitchTo(state->memory);

	run->keys = palloc(state->nkeys * sizeof(Datum));
	run->nulls = palloc(state->nkeys * sizeof(bool));
	for (int i = 0; i < state->nkeys; i++)
	{
		AttrNumber	attno = (AttrNumber) list_nth_int(state->plan.order, i);
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(state->by_columns.rel), attno - 1);

		run->keys[i] = tsdb_seek_run_key(state, run, i, &run->nulls[i]);
		if (!run->nulls[i])
			run->keys[i] = datumCopy(run->keys[i], att->attbyval, att->attlen);
	}
	close_run(state, run);
	MemoryContextSwitchTo(old);
}

/* Put aside what has not been used for longest; what was used last stays. */
void
tsdb_seek_runs_keep_to_budget(TsdbSeekScan *state)
{
	while (state->bytes > (Size) TSDB_SEEK_MEMORY_PART * 1024 * work_mem &&
		   dlist_has_next(&state->open, dlist_head_node(&state->open)))
		put_aside(state, dlist_tail_element(TsdbSeekRun, recency, &state->open));
}

void
tsdb_seek_run_reserve(TsdbSeekScan *state, TsdbSeekOpened *opened, uint32 count)
{
	if (opened->allocated >= count)
		return;
	if (opened->order != NULL)
		pfree(opened->order);
	opened->order = MemoryContextAllocHuge(state->memory, count * sizeof(uint32));
	opened->allocated = count;
}

/* Let a run with rows take part. */
void
tsdb_seek_run_start(TsdbSeekScan *state, TsdbSeekRun *run)
{
	if (run->count == 0)
	{
		tsdb_seek_run_free(state, run);
		return;
	}
	if (!run->unread)
		tsdb_seek_run_find_first(state, run);
	if (state->nkeys == 0)
		state->run = run;
	else
		binaryheap_add(state->runs, PointerGetDatum(run));
}
