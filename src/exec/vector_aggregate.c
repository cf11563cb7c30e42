/*
 * vector_aggregate.c
 *		Aggregate functions over columns: the states that PostgreSQL's own would have.
 */
#include "postgres.h"

#include "exec/vector_aggregate.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "exec/aggregate_function.h"
#include "exec/aggregate_input.h"
#include "exec/number.h"
#include "exec/value_aggregate.h"
#include "libpq/pqformat.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

/*
 * Up to this, no order of additions of any number of rows that fits on a disk
 * overflows, nor does a square of a difference times the number of rows.
 */
#define MAGNITUDE_MAX	1e140

/* The call's argument at that place, or NULL. */
static Expr *
argument_of(const Aggref *call, int place)
{
	Expr	   *expr;

	if (list_length(call->args) <= place)
		return NULL;
	expr = list_nth_node(TargetEntry, call->args, place)->expr;

	/* a varchar is a text, and the collation is the call's */
	if (IsA(expr, RelabelType) && ((RelabelType *) expr)->resulttype == TEXTOID)
	{
		Expr	   *below = ((RelabelType *) expr)->arg;
		Oid			type = exprType((Node *) below);

		if (type == VARCHAROID || type == TEXTOID)
			return below;
	}
	return expr;
}

bool
tsdb_aggregate_understands(const Aggref *call, Index relid)
{
	ListCell   *lc;
	TsdbAggregateFunction function;

	if (call->aggorder != NIL || call->aggdistinct != NIL || call->aggdirectargs != NIL ||
		call->aggvariadic || call->agglevelsup > 0)
		return false;
	foreach(lc, call->args)
	{
		if (!tsdb_aggregate_input_understands((Node *) lfirst_node(TargetEntry, lc)->expr, relid))
			return false;
	}
	if (!tsdb_aggregate_input_understands((Node *) call->aggfilter, relid))
		return false;
	function = tsdb_aggregate_function(call);
	if (function == TSDB_FUNCTION_FIRST || function == TSDB_FUNCTION_LAST)
		return OidIsValid(lookup_type_cache(lsecond_oid(call->aggargtypes),
											TYPECACHE_CMP_PROC)->cmp_proc);
	return function != TSDB_FUNCTION_UNKNOWN &&
		list_length(call->args) == (call->aggfnoid == F_COUNT_ ? 0 : 1);
}

static AttrNumber
column_of(const Expr *expr)
{
	return expr != NULL && IsA(expr, Var) ? ((const Var *) expr)->varattno : 0;
}

void
tsdb_aggregate_init(TsdbAggregate *aggregate, const Aggref *call, List *calls)
{
	ListCell   *lc;
	Oid			support;

	aggregate->function = tsdb_aggregate_function(call);
	aggregate->argument = argument_of(call, 0);
	aggregate->attno = column_of(aggregate->argument);
	aggregate->collation = call->inputcollid;
	if (aggregate->argument != NULL)
	{
		aggregate->type = linitial_oid(call->aggargtypes);
		get_typlenbyval(aggregate->type, &aggregate->length, &aggregate->by_value);
	}
	if (aggregate->function == TSDB_FUNCTION_EXTREME &&
		tsdb_aggregate_is_extreme(call, &support, &aggregate->maximum))
		fmgr_info(support, &aggregate->support);
	if (aggregate->function == TSDB_FUNCTION_FIRST || aggregate->function == TSDB_FUNCTION_LAST)
	{
		aggregate->time = argument_of(call, 1);
		aggregate->time_attno = column_of(aggregate->time);
		aggregate->time_type = lsecond_oid(call->aggargtypes);
		tsdb_value_aggregate_init_time(aggregate);
	}

	/* a state that avg(x) and stddev(x) share is finalised for both */
	foreach(lc, calls)
	{
		const Aggref *other = lfirst(lc);

		if (aggregate->function == TSDB_FUNCTION_MEAN && other->aggtransno == call->aggtransno &&
			tsdb_aggregate_function_of_number(other->aggfnoid) == TSDB_FUNCTION_MOMENTS)
			aggregate->function = TSDB_FUNCTION_MOMENTS;
	}
}

/* ---- rows: functions that are inlined have a loop of their own for each type ---- */

static void
count_rows(TsdbAggregateState *state, const TsdbColumnRun *run)
{
	const uint8 *pass = run->pass;

	if (run->column != NULL && run->column->any_null)
		TSDB_FOR_ROWS(run, state->count++);
	else if (pass == NULL)
		state->count += run->to - run->from;
	else
		for (uint32 row = run->from; row < run->to; row++)
			state->count += pass[row];
}

static pg_attribute_always_inline void
add_integers(Oid type, TsdbAggregateState *state, const TsdbColumnRun *run)
{
	const Datum *values = run->column->values;
	uint64		sum = (uint64) state->u.integer;
	int64		count = 0;

	/* as the server's: modulo 2^64 */
	TSDB_FOR_ROWS(run, (sum += (uint64) tsdb_number_get_integer(type, values[row]), count++));
	state->u.integer = (int64) sum;
	state->count += count;
}

static void
add_wide(TsdbAggregateState *state, const TsdbColumnRun *run)
{
	const Datum *values = run->column->values;
	int128		sum = state->u.wide;
	int64		count = 0;

	TSDB_FOR_ROWS(run, (sum += DatumGetInt64(values[row]), count++));
	state->u.wide = sum;
	state->count += count;
}

static void
add_reals(TsdbAggregateState *state, const TsdbColumnRun *run)
{
	const Datum *values = run->column->values;
	bool		any = state->count > 0;
	float4		sum = state->u.real;

	TSDB_FOR_ROWS(run,
				  {
				 float4		x = DatumGetFloat4(values[row]);

				 sum = any ? float4_pl(sum, x) : x;
				 any = true;
				 state->count++;
			 });
	state->u.real = sum;
}

/* Add values one by one, with the server's checks. */
static void
add_doubles_slowly(TsdbAggregateState *state, const TsdbColumnRun *run)
{
	const Datum *values = run->column->values;

	TSDB_FOR_ROWS(run,
				  {
				 double		x = DatumGetFloat8(values[row]);

				 state->u.moments.sum = state->count > 0 ? float8_pl(state->u.moments.sum, x) : x;
				 state->count++;
			 });
}

static void
add_moments_slowly(Oid type, TsdbAggregateState *state, const TsdbColumnRun *run)
{
	const Datum *values = run->column->values;

	/* Youngs and Cramer, with the overflow rules of float8_accum() */
	TSDB_FOR_ROWS(run,
				  {
				 double		x = tsdb_number_get_float(type, values[row]);
				 double		before = state->u.moments.sum;
				 double		count = state->count + 1;

				 state->u.moments.sum += x;
				 if (state->count == 0)
				 {
					 if (isnan(x) || isinf(x))
						 state->u.moments.squares = get_float8_nan();
				 }
				 else
				 {
					 double		difference = x * count - state->u.moments.sum;

					 state->u.moments.squares += difference * difference / (count * (count - 1));
					 if (isinf(state->u.moments.sum) || isinf(state->u.moments.squares))
					 {
						 if (!isinf(before) && !isinf(x))
							 float_overflow_error();
						 state->u.moments.squares = get_float8_nan();
					 }
				 }
				 state->count = (int64) count;
			 });
}

bool
tsdb_aggregate_is_small(const TsdbAggregate *aggregate, const TsdbChunkSummary *summary)
{
	const TsdbColumnStats *stats;

	if ((aggregate->type != FLOAT8OID && aggregate->type != FLOAT4OID) ||
		aggregate->attno <= 0 || aggregate->attno > summary->natts)
		return false;
	stats = &summary->columns[aggregate->attno - 1];
	return stats->has_range &&
		fabs(tsdb_number_get_float(aggregate->type, stats->min)) < MAGNITUDE_MAX &&
		fabs(tsdb_number_get_float(aggregate->type, stats->max)) < MAGNITUDE_MAX;
}

/* Do all rows count? */
static inline bool
is_dense(const TsdbColumnRun *run)
{
	return run->pass == NULL && !run->column->any_null;
}

/*
 * Sum of the rows in four interleaved parts, which a processor adds at a time, and
 * their number; false if the order counts.  -0 is what adds nothing to any number.
 */
static pg_attribute_always_inline bool
sum_doubles(Oid type, const TsdbColumnRun *run, double *sum, int64 *count)
{
	const Datum *values = run->column->values;
	double		parts[4] = {-0.0, -0.0, -0.0, -0.0};
	int64		n = 0;
	bool		small = true;

	if (run->small && is_dense(run))
	{
		uint32		row = run->from;

		for (; row + 4 <= run->to; row += 4)
		{
			parts[0] += tsdb_number_get_float(type, values[row]);
			parts[1] += tsdb_number_get_float(type, values[row + 1]);
			parts[2] += tsdb_number_get_float(type, values[row + 2]);
			parts[3] += tsdb_number_get_float(type, values[row + 3]);
		}
		for (; row < run->to; row++)
			parts[row % 4] += tsdb_number_get_float(type, values[row]);
		*sum = (parts[0] + parts[1]) + (parts[2] + parts[3]);
		*count = run->to - run->from;
		return true;
	}
	TSDB_FOR_ROWS(run,
				  {
				 double		x = tsdb_number_get_float(type, values[row]);

				 parts[row % 4] += x;
				 small &= fabs(x) < MAGNITUDE_MAX;
				 n++;
			 });
	*sum = (parts[0] + parts[1]) + (parts[2] + parts[3]);
	*count = n;
	return small;
}

static bool
is_small(const TsdbAggregateState *state)
{
	return fabs(state->u.moments.sum) < MAGNITUDE_MAX * MAGNITUDE_MAX;
}

static void
add_doubles(TsdbAggregateState *state, const TsdbColumnRun *run)
{
	double		sum;
	int64		count;

	if (!sum_doubles(FLOAT8OID, run, &sum, &count) || !is_small(state))
	{
		add_doubles_slowly(state, run);
		return;
	}
	if (count == 0)
		return;
	state->u.moments.sum = state->count == 0 ? sum : state->u.moments.sum + sum;
	state->count += count;
}

/* The squares of the rows' differences from their own mean, then from that of all. */
static pg_attribute_always_inline void
add_squares(Oid type, TsdbAggregateState *state, const TsdbColumnRun *run, double sum,
			int64 count)
{
	const Datum *values = run->column->values;
	double		mean = sum / count;
	double		squares = 0;
	double		difference;

	TSDB_FOR_ROWS(run,
				  {
				 double		x = tsdb_number_get_float(type, values[row]) - mean;

				 squares += x * x;
			 });
	if (state->count > 0)
	{
		difference = state->u.moments.sum / state->count - mean;
		squares += (double) state->count * count * difference * difference /
			(state->count + count);
	}
	state->u.moments.squares += squares;
}

static pg_attribute_always_inline void
add_moments(TsdbAggregateFunction function, Oid type, TsdbAggregateState *state, const TsdbColumnRun *run)
{
	double		sum;
	int64		count;

	if (!sum_doubles(type, run, &sum, &count) || !is_small(state))
	{
		add_moments_slowly(type, state, run);
		return;
	}
	if (count == 0)
		return;
	if (function == TSDB_FUNCTION_MOMENTS)
		add_squares(type, state, run, sum, count);
	state->u.moments.sum += sum;
	state->count += count;
}

static pg_attribute_always_inline void
find_integer(TsdbAggregateFunction function, Oid type, TsdbAggregateState *state, const TsdbColumnRun *run)
{
	const Datum *values = run->column->values;
	int64		min = state->count > 0 ? state->u.integer : PG_INT64_MAX;
	int64		max = state->count > 0 ? state->u.integer : PG_INT64_MIN;
	int64		count = 0;

	TSDB_FOR_ROWS(run,
				  {
				 int64		x = tsdb_number_get_integer(type, values[row]);

				 min = x < min ? x : min;
				 max = x > max ? x : max;
				 count++;
			 });
	state->count += count;
	state->u.integer = function == TSDB_FUNCTION_MIN ? min : max;
}

static void
find_integers(TsdbAggregateFunction function, Oid type, TsdbAggregateState *state, const TsdbColumnRun *run)
{
	switch (type)
	{
		case BOOLOID:
			find_integer(function, BOOLOID, state, run);
			break;
		case INT2OID:
			find_integer(function, INT2OID, state, run);
			break;
		case INT4OID:
		case DATEOID:
			find_integer(function, INT4OID, state, run);
			break;
		default:
			find_integer(function, INT8OID, state, run);
			break;
	}
}

/* NaN is larger than all other numbers; of equal ones (0 and -0) the later counts. */
static void
take_extreme(TsdbAggregateFunction function, TsdbAggregateState *state, double x, int64 count)
{
	if (state->count == 0 ||
		(function == TSDB_FUNCTION_MIN_FLOAT ? float8_le(x, state->u.extreme) :
		 float8_ge(x, state->u.extreme)))
		state->u.extreme = x;
	state->count += count;
}

/* The same of rows that all count and are no NaNs, four at a time. */
static pg_attribute_always_inline double
find_dense_float(TsdbAggregateFunction function, Oid type, const TsdbColumnRun *run)
{
	const Datum *values = run->column->values;
	double		first = tsdb_number_get_float(type, values[run->from]);
	double		parts[4] = {first, first, first, first};
	uint32		row = run->from;

	for (; row + 4 <= run->to; row += 4)
	{
		for (int i = 0; i < 4; i++)
		{
			double		x = tsdb_number_get_float(type, values[row + i]);

			if (function == TSDB_FUNCTION_MIN_FLOAT)
				parts[i] = x < parts[i] ? x : parts[i];
			else
				parts[i] = x > parts[i] ? x : parts[i];
		}
	}
	for (; row < run->to; row++)
	{
		double		x = tsdb_number_get_float(type, values[row]);

		if (function == TSDB_FUNCTION_MIN_FLOAT ? x < parts[0] : x > parts[0])
			parts[0] = x;
	}
	for (int i = 1; i < 4; i++)
	{
		if (function == TSDB_FUNCTION_MIN_FLOAT ? parts[i] < parts[0] : parts[i] > parts[0])
			parts[0] = parts[i];
	}
	return parts[0];
}

static pg_attribute_always_inline void
find_float(TsdbAggregateFunction function, Oid type, TsdbAggregateState *state, const TsdbColumnRun *run)
{
	const Datum *values = run->column->values;
	double		min = get_float8_infinity();
	double		max = -get_float8_infinity();
	int64		count = 0;
	int64		nans = 0;

	if (run->small && is_dense(run))
	{
		double		x = function == TSDB_FUNCTION_MIN_FLOAT ?
			find_dense_float(TSDB_FUNCTION_MIN_FLOAT, type, run) :
			find_dense_float(TSDB_FUNCTION_MAX_FLOAT, type, run);

		/* of zeros the later counts */
		if (x != 0)
		{
			take_extreme(function, state, x, run->to - run->from);
			return;
		}
	}
	TSDB_FOR_ROWS(run,
				  {
				 double		x = tsdb_number_get_float(type, values[row]);

				 min = x <= min ? x : min;
				 max = x >= max ? x : max;
				 nans += x != x;
				 count++;
			 });
	if (count == 0)
		return;
	if (function == TSDB_FUNCTION_MAX_FLOAT ? nans > 0 : nans == count)
		take_extreme(function, state, get_float8_nan(), count);
	else
		take_extreme(function, state, function == TSDB_FUNCTION_MIN_FLOAT ? min : max, count);
}

void
tsdb_aggregate_add(const TsdbAggregate *aggregate, TsdbAggregateState *state,
				   const TsdbColumnRun *run)
{
	Oid			type = aggregate->type;

	switch ((TsdbAggregateFunction) aggregate->function)
	{
		case TSDB_FUNCTION_COUNT:
			count_rows(state, run);
			break;
		case TSDB_FUNCTION_SUM:
		case TSDB_FUNCTION_AVERAGE:
			if (type == INT4OID)
				add_integers(INT4OID, state, run);
			else
				add_integers(INT2OID, state, run);
			break;
		case TSDB_FUNCTION_SUM_WIDE:
			add_wide(state, run);
			break;
		case TSDB_FUNCTION_SUM_FLOAT8:
			add_doubles(state, run);
			break;
		case TSDB_FUNCTION_SUM_FLOAT4:
			add_reals(state, run);
			break;
		case TSDB_FUNCTION_MEAN:
		case TSDB_FUNCTION_MOMENTS:
			if (type == FLOAT8OID)
				add_moments(aggregate->function, FLOAT8OID, state, run);
			else
				add_moments(aggregate->function, FLOAT4OID, state, run);
			break;
		case TSDB_FUNCTION_MIN:
		case TSDB_FUNCTION_MAX:
			find_integers(aggregate->function, type, state, run);
			break;
		case TSDB_FUNCTION_MIN_FLOAT:
		case TSDB_FUNCTION_MAX_FLOAT:
			if (type == FLOAT8OID)
				find_float(aggregate->function, FLOAT8OID, state, run);
			else
				find_float(aggregate->function, FLOAT4OID, state, run);
			break;
		case TSDB_FUNCTION_SUM_NUMERIC:
			if (state->u.numeric == NULL)
				state->u.numeric = tsdb_numeric_sum_create(run->memory);
			state->count += tsdb_numeric_sum_add(state->u.numeric, run);
			break;
		case TSDB_FUNCTION_EXTREME:
			tsdb_value_aggregate_extreme(aggregate, state, run);
			break;
		case TSDB_FUNCTION_FIRST:
			tsdb_value_aggregate_best(aggregate, false, state, run);
			break;
		case TSDB_FUNCTION_LAST:
			tsdb_value_aggregate_best(aggregate, true, state, run);
			break;
		case TSDB_FUNCTION_UNKNOWN:
			break;
	}
}

/* ---- rows of a packed column ---- */

bool
tsdb_aggregate_takes_packed(const TsdbAggregate *aggregate)
{
	switch ((TsdbAggregateFunction) aggregate->function)
	{
		case TSDB_FUNCTION_COUNT:
			return aggregate->argument != NULL;
		case TSDB_FUNCTION_SUM:
		case TSDB_FUNCTION_AVERAGE:
		case TSDB_FUNCTION_SUM_WIDE:
		case TSDB_FUNCTION_MIN:
		case TSDB_FUNCTION_MAX:
			return true;
		case TSDB_FUNCTION_SUM_FLOAT8:
		case TSDB_FUNCTION_MEAN:
		case TSDB_FUNCTION_MIN_FLOAT:
		case TSDB_FUNCTION_MAX_FLOAT:
			return aggregate->type == FLOAT8OID;
		default:
			return false;
	}
}

/* The extreme as a Datum: the rule is applied to one u. */
static Datum
packed_extreme(const TsdbNarrow *packed, bool maximum, uint32 from, uint32 to)
{
	uint32		u = maximum ? tsdb_narrow_max(packed, tsdb_narrow_kept(packed), from, to) :
		tsdb_narrow_min(packed, tsdb_narrow_kept(packed), from, to);

	return (Datum) tsdb_narrow_value(packed, u);
}

/* The sum of the rows' whole numbers. */
static int128
packed_sum(const TsdbNarrow *packed, uint32 from, uint32 to)
{
	return (int128) packed->base * (to - from) +
		(int128) packed->step * tsdb_narrow_sum(packed, tsdb_narrow_kept(packed), from, to);
}

/*
 * Sums of floats are exact where all values are whole: they have at most 30 bits.  The order of decimals would count.
 */
static bool
add_packed_floats(TsdbAggregateState *state, const TsdbNarrow *packed, uint32 from,
				  uint32 to)
{
	double		sum;

	if (packed->scale != 0 || !is_small(state))
		return false;
	sum = (double) (int64) packed_sum(packed, from, to);
	state->u.moments.sum = state->count == 0 ? sum : state->u.moments.sum + sum;
	state->count += to - from;
	return true;
}

bool
tsdb_aggregate_add_packed(const TsdbAggregate *aggregate, TsdbAggregateState *state,
						  const TsdbNarrow *packed, uint32 from, uint32 to)
{
	TsdbAggregateFunction function = aggregate->function;
	bool		is_float = aggregate->type == FLOAT8OID;
	Datum		value;
	int64		x;

	/* by which rule a column is narrow its bits decide, not its type */
	if (function != TSDB_FUNCTION_COUNT &&
		packed->kind != (is_float ? TSDB_NARROW_DOUBLES : TSDB_NARROW_INTEGERS))
		return false;
	switch (function)
	{
		case TSDB_FUNCTION_COUNT:
			break;
		case TSDB_FUNCTION_SUM:
		case TSDB_FUNCTION_AVERAGE:
			state->u.integer = (int64) ((uint64) state->u.integer +
										(uint64) packed_sum(packed, from, to));
			break;
		case TSDB_FUNCTION_SUM_WIDE:
			state->u.wide += packed_sum(packed, from, to);
			break;
		case TSDB_FUNCTION_MIN:
		case TSDB_FUNCTION_MAX:
			value = packed_extreme(packed, function == TSDB_FUNCTION_MAX, from, to);
			x = tsdb_number_get_integer(aggregate->type, value);
			if (state->count == 0 ||
				(function == TSDB_FUNCTION_MIN ? x < state->u.integer : x > state->u.integer))
				state->u.integer = x;
			break;
		case TSDB_FUNCTION_SUM_FLOAT8:
		case TSDB_FUNCTION_MEAN:
			return add_packed_floats(state, packed, from, to);
		case TSDB_FUNCTION_MIN_FLOAT:
		case TSDB_FUNCTION_MAX_FLOAT:
			value = packed_extreme(packed, function == TSDB_FUNCTION_MAX_FLOAT, from, to);
			take_extreme(function, state, DatumGetFloat8(value), to - from);
			return true;
		default:
			return false;
	}
	state->count += to - from;
	return true;
}

/* ---- statistics ---- */

static int128
stored_sum(const TsdbColumnStats *stats)
{
	return ((int128) stats->sum_high << 64) | stats->sum_low;
}

/* Can the sum of a chunk be added, so that no order of additions overflows? */
static bool
takes_sum(const TsdbAggregateState *state)
{
	return is_small(state) || !isfinite(state->u.moments.sum);
}

bool
tsdb_aggregate_add_chunk(const TsdbAggregate *aggregate, TsdbAggregateState *state,
						 const TsdbChunkSummary *summary, MemoryContext memory)
{
	const TsdbColumnStats *stats = NULL;
	TsdbAggregateFunction function = aggregate->function;
	int64		count = summary->nrows;
	double		extreme;
	int64		x;

	if (function == TSDB_FUNCTION_FIRST || function == TSDB_FUNCTION_LAST)
		return tsdb_value_aggregate_best_of_chunk(aggregate, function == TSDB_FUNCTION_LAST, state,
												  summary, memory);
	if (aggregate->argument != NULL)
	{
		if (aggregate->attno <= 0 || aggregate->attno > summary->natts)
			return false;
		stats = &summary->columns[aggregate->attno - 1];
		count -= stats->nnulls;
	}
	if (function == TSDB_FUNCTION_COUNT || count == 0)
	{
		state->count += count;
		return true;
	}
	switch (function)
	{
		case TSDB_FUNCTION_SUM:
		case TSDB_FUNCTION_AVERAGE:
			if (!stats->has_sum)
				return false;
			state->u.integer = (int64) ((uint64) state->u.integer + (uint64) stored_sum(stats));
			break;
		case TSDB_FUNCTION_SUM_WIDE:
			if (!stats->has_sum)
				return false;
			state->u.wide += stored_sum(stats);
			break;
		case TSDB_FUNCTION_SUM_FLOAT8:
			if (!stats->has_float_sum || !takes_sum(state))
				return false;
			state->u.moments.sum = state->count == 0 ? stats->float_sum :
				state->u.moments.sum + stats->float_sum;
			break;
		case TSDB_FUNCTION_MEAN:
			if (!stats->has_float_sum || !takes_sum(state))
				return false;
			state->u.moments.sum += stats->float_sum;
			/* as float8_accum() does, so that combining sees that there is no overflow */
			if (!isfinite(state->u.moments.sum))
				state->u.moments.squares = get_float8_nan();
			break;
		case TSDB_FUNCTION_MIN:
		case TSDB_FUNCTION_MAX:
			if (!stats->has_range)
				return false;
			x = tsdb_number_get_integer(aggregate->type, function == TSDB_FUNCTION_MIN ? stats->min : stats->max);
			if (state->count == 0 ||
				(function == TSDB_FUNCTION_MIN ? x < state->u.integer : x > state->u.integer))
				state->u.integer = x;
			break;
		case TSDB_FUNCTION_MIN_FLOAT:
		case TSDB_FUNCTION_MAX_FLOAT:
			if (!stats->has_range)
				return false;
			extreme = tsdb_number_get_float(aggregate->type,
								function == TSDB_FUNCTION_MIN_FLOAT ? stats->min : stats->max);
			if (extreme == 0)
				return false;
			take_extreme(function, state, extreme, count);
			return true;
		case TSDB_FUNCTION_SUM_NUMERIC:
			if (!stats->has_scaled_sum)
				return false;
			if (state->u.numeric == NULL)
				state->u.numeric = tsdb_numeric_sum_create(memory);
			tsdb_numeric_sum_add_scaled(state->u.numeric, stored_sum(stats), stats->sum_scale,
										count, memory);
			break;
		case TSDB_FUNCTION_EXTREME:
			return tsdb_value_aggregate_extreme_of_chunk(aggregate, state, summary, memory);
		default:
			return false;
	}
	state->count += count;
	return true;
}

/* ---- partial states ---- */

/* As int8_avg_serialize() writes it: count, and the sum as digits of base 10000. */
static Datum
serialize_wide(const TsdbAggregateState *state)
{
	StringInfoData buf;
	unsigned __int128 rest = state->u.wide < 0 ? -(unsigned __int128) state->u.wide :
		(unsigned __int128) state->u.wide;
	int16		digits[10];
	int			ndigits = 0;
	int			trailing = 0;

	for (; rest > 0; rest /= 10000)
		digits[ndigits++] = (int16) (rest % 10000);
	while (trailing < ndigits && digits[trailing] == 0)
		trailing++;

	pq_begintypsend(&buf);
	pq_sendint64(&buf, state->count);
	pq_sendint32(&buf, ndigits - trailing);
	pq_sendint32(&buf, ndigits > 0 ? ndigits - 1 : 0);	/* weight of the first digit */
	pq_sendint32(&buf, state->u.wide < 0 ? 0x4000 : 0x0000);	/* sign */
	pq_sendint32(&buf, 0);		/* digits behind the point */
	for (int i = ndigits; i-- > trailing;)
		pq_sendint16(&buf, digits[i]);
	return PointerGetDatum(pq_endtypsend(&buf));
}

/* An array of numbers of eight bytes. */
static Datum
make_array(Oid type, Datum a, Datum b, Datum c, int count)
{
	Size		bytes = ARR_OVERHEAD_NONULLS(1) + count * sizeof(Datum);
	ArrayType  *array = palloc0(bytes);
	Datum		values[3] = {a, b, c};

	StaticAssertStmt(FLOAT8PASSBYVAL, "eight bytes are passed by value");
	SET_VARSIZE(array, bytes);
	array->ndim = 1;
	array->elemtype = type;
	ARR_DIMS(array)[0] = count;
	ARR_LBOUND(array)[0] = 1;
	memcpy(ARR_DATA_PTR(array), values, count * sizeof(Datum));
	return PointerGetDatum(array);
}

static Datum
put_integer(Oid type, int64 value)
{
	switch (type)
	{
		case BOOLOID:
			return BoolGetDatum(value != 0);
		case INT2OID:
			return Int16GetDatum((int16) value);
		case INT4OID:
			return Int32GetDatum((int32) value);
		case DATEOID:
			return DateADTGetDatum((DateADT) value);
		default:
			return Int64GetDatum(value);
	}
}

Datum
tsdb_aggregate_partial(const TsdbAggregate *aggregate, const TsdbAggregateState *state,
					   bool *isnull)
{
	TsdbAggregateFunction function = aggregate->function;

	/* these have a state without a row, too */
	*isnull = false;
	switch (function)
	{
		case TSDB_FUNCTION_COUNT:
			return Int64GetDatum(state->count);
		case TSDB_FUNCTION_AVERAGE:
			return make_array(INT8OID, Int64GetDatum(state->count),
							  Int64GetDatum(state->u.integer), (Datum) 0, 2);
		case TSDB_FUNCTION_SUM_WIDE:
			return serialize_wide(state);
		case TSDB_FUNCTION_MEAN:
		case TSDB_FUNCTION_MOMENTS:
			return make_array(FLOAT8OID, Float8GetDatum((double) state->count),
							  Float8GetDatum(state->u.moments.sum),
							  Float8GetDatum(state->u.moments.squares), 3);
		default:
			break;
	}

	*isnull = state->count == 0;
	if (*isnull)
		return (Datum) 0;
	switch (function)
	{
		case TSDB_FUNCTION_SUM:
			return Int64GetDatum(state->u.integer);
		case TSDB_FUNCTION_SUM_FLOAT8:
			return Float8GetDatum(state->u.moments.sum);
		case TSDB_FUNCTION_SUM_FLOAT4:
			return Float4GetDatum(state->u.real);
		case TSDB_FUNCTION_MIN:
		case TSDB_FUNCTION_MAX:
			return put_integer(aggregate->type, state->u.integer);
		case TSDB_FUNCTION_SUM_NUMERIC:
			return PointerGetDatum(tsdb_numeric_sum_serialize(state->u.numeric));
		case TSDB_FUNCTION_EXTREME:
			return state->u.value;
		case TSDB_FUNCTION_FIRST:
		case TSDB_FUNCTION_LAST:
			return PointerGetDatum(tsdb_best_row_serialize(state->u.best));
		default:
			return aggregate->type == FLOAT4OID ? Float4GetDatum((float4) state->u.extreme) :
				Float8GetDatum(state->u.extreme);
	}
}
