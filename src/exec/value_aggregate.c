/*
 * value_aggregate.c
 *		Aggregates that keep one of the values: extremes by a support function, first, last.
 */
#include "postgres.h"

#include "exec/value_aggregate.h"

#include "catalog/pg_type.h"
#include "exec/number.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/pg_locale.h"
#include "utils/typcache.h"

/* ---- extremes ---- */

/* Keep what the support function chose, unless that is what was kept before. */
static void
keep(const TsdbAggregate *aggregate, TsdbAggregateState *state, Datum value, int64 count,
	 MemoryContext memory)
{
	bool		first = state->count == 0;

	state->count += count;
	if (aggregate->by_value)
		state->u.value = value;
	else if (first || value != state->u.value)
	{
		MemoryContext old = MemoryContextSwitchTo(memory);
		Datum		copy = datumCopy(value, false, aggregate->length);

		MemoryContextSwitchTo(old);
		if (!first)
			pfree(DatumGetPointer(state->u.value));
		state->u.value = copy;
	}
}

static inline Datum
choose(const TsdbAggregate *aggregate, Datum a, Datum b)
{
	return FunctionCall2Coll((FmgrInfo *) &aggregate->support, aggregate->collation, a, b);
}

void
tsdb_value_aggregate_extreme(const TsdbAggregate *aggregate, TsdbAggregateState *state,
							 const TsdbColumnRun *run)
{
	const Datum *values = run->column->values;
	MemoryContext old = MemoryContextSwitchTo(run->scratch);
	Datum		best = state->u.value;
	bool		any = state->count > 0;
	int64		count = 0;

	TSDB_FOR_ROWS(run,
				  {
					  best = any ? choose(aggregate, best, values[row]) : values[row];
					  any = true;
					  count++;
				  });
	MemoryContextSwitchTo(old);
	if (count > 0)
		keep(aggregate, state, best, count, run->memory);
}

/* Are statistics in the order that the aggregate has? */
static bool
has_order(const TsdbAggregate *aggregate)
{
	switch (aggregate->type)
	{
		case NUMERICOID:
		case TIMEOID:
		case CASHOID:
		case OIDOID:
			return true;
		case TEXTOID:
			return OidIsValid(aggregate->collation) && lc_collate_is_c(aggregate->collation);
		default:
			return false;
	}
}

bool
tsdb_value_aggregate_extreme_of_chunk(const TsdbAggregate *aggregate, TsdbAggregateState *state,
									  const TsdbChunkSummary *summary, MemoryContext memory)
{
	const TsdbColumnStats *stats = &summary->columns[aggregate->attno - 1];
	Datum		value = aggregate->maximum ? stats->max : stats->min;

	if (!stats->has_range || !has_order(aggregate))
		return false;
	if (state->count > 0)
		value = choose(aggregate, state->u.value, value);
	keep(aggregate, state, value, summary->nrows - stats->nnulls, memory);
	return true;
}

/* ---- first and last ---- */

void
tsdb_value_aggregate_init_time(TsdbAggregate *aggregate)
{
	TypeCacheEntry *entry = lookup_type_cache(aggregate->time_type, TYPECACHE_CMP_PROC);

	aggregate->time_is_int64 = FLOAT8PASSBYVAL &&
		(entry->cmp_proc == F_TIMESTAMP_CMP || entry->cmp_proc == F_TIMESTAMPTZ_CMP ||
		 entry->cmp_proc == F_BTINT8CMP);
	fmgr_info(entry->cmp_proc, &aggregate->support);
}

/* Does a row at this time take the place of one at that? */
static inline bool
is_better(const TsdbAggregate *aggregate, bool last, Datum time, Datum best)
{
	int32		order;

	if (aggregate->time_is_int64)
		return last ? DatumGetInt64(time) > DatumGetInt64(best) :
			DatumGetInt64(time) < DatumGetInt64(best);
	order = DatumGetInt32(FunctionCall2Coll((FmgrInfo *) &aggregate->support,
											aggregate->collation, time, best));
	return last ? order > 0 : order < 0;
}

static void
set_best(const TsdbAggregate *aggregate, TsdbAggregateState *state, Datum value, bool isnull,
		 Datum time, MemoryContext memory)
{
	if (state->count == 0)
		state->u.best = tsdb_best_row_create(memory, aggregate->type, aggregate->time_type);
	state->count = 1;
	tsdb_best_row_set(state->u.best, value, isnull, time, memory);
}

void
tsdb_value_aggregate_best(const TsdbAggregate *aggregate, bool last, TsdbAggregateState *state,
						  const TsdbColumnRun *run)
{
	const TsdbColumnRun times = {.column = run->time,.pass = run->pass,
	.from = run->from,.to = run->to};
	const Datum *values = run->time->values;
	MemoryContext old = MemoryContextSwitchTo(run->scratch);
	uint32		best = run->to;

	TSDB_FOR_ROWS(&times,
				  if (best == run->to || is_better(aggregate, last, values[row], values[best]))
					  best = row);
	if (best < run->to &&
		(state->count == 0 ||
		 is_better(aggregate, last, values[best], state->u.best->time.value)))
		set_best(aggregate, state, run->column->values[best], run->column->nulls[best],
				 values[best], run->memory);
	MemoryContextSwitchTo(old);
}

bool
tsdb_value_aggregate_best_of_chunk(const TsdbAggregate *aggregate, bool last,
								   TsdbAggregateState *state, const TsdbChunkSummary *summary,
								   MemoryContext memory)
{
	const TsdbColumnStats *time;
	const TsdbColumnStats *value;
	Datum		best;

	if (aggregate->time_attno <= 0 || aggregate->time_attno > summary->natts)
		return false;
	time = &summary->columns[aggregate->time_attno - 1];
	if (time->nnulls == summary->nrows)
		return true;
	if (!time->has_range || !tsdb_number_is_integer(aggregate->time_type))
		return false;
	best = last ? time->max : time->min;
	if (state->count > 0 && !is_better(aggregate, last, best, state->u.best->time.value))
		return true;

	/* one series in order of time: its ends are at the ends */
	if (summary->nsegments > 1 || summary->key.time != aggregate->time_attno ||
		time->nnulls > 0 || aggregate->attno <= 0 || aggregate->attno > summary->natts)
		return false;
	value = &summary->columns[aggregate->attno - 1];
	if (value->nnulls == summary->nrows)
		set_best(aggregate, state, (Datum) 0, true, best, memory);
	else if (value->has_ends && value->nnulls == 0)
		set_best(aggregate, state, last ? value->last : value->first, false, best, memory);
	else
		return false;
	return true;
}
