/*
 * vector_aggregate.c
 *		Aggregate functions over columns: the states that PostgreSQL's own would have.
 */
#include "postgres.h"

#include "exec/vector_aggregate.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/dependency.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
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
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

/*
 * Up to this, no order of additions of any number of rows that fits on a disk
 * overflows, nor does a square of a difference times the number of rows.
 */
#define MAGNITUDE_MAX	1e140

typedef enum Function
{
	FUNCTION_COUNT,
	FUNCTION_SUM,				/* of narrow integers: bigint */
	FUNCTION_SUM_WIDE,			/* sum or average of bigints: count and numeric */
	FUNCTION_AVERAGE,			/* of narrow integers: count and bigint */
	FUNCTION_SUM_FLOAT8,
	FUNCTION_SUM_FLOAT4,
	FUNCTION_MEAN,				/* of floats: moments, of which squares do not count */
	FUNCTION_MOMENTS,
	FUNCTION_MIN,
	FUNCTION_MAX,
	FUNCTION_MIN_FLOAT,
	FUNCTION_MAX_FLOAT,
	FUNCTION_SUM_NUMERIC,		/* or average: a sum of its own kind */
	FUNCTION_EXTREME,			/* by the server's transition function */
	FUNCTION_FIRST,
	FUNCTION_LAST,
	FUNCTION_UNKNOWN
} Function;

/*
 * Is it a minimum or maximum of the server's whose transition function takes two values
 * and returns one of them?  Sets that function.
 */
static bool
is_extreme(const Aggref *call, Oid *support, bool *maximum)
{
	HeapTuple	tuple;
	Form_pg_aggregate form;
	bool		found;
	bool		initial_null;

	if (call->aggfnoid >= FirstGenbkiObjectId || list_length(call->args) != 1)
		return false;
	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(call->aggfnoid));
	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_aggregate) GETSTRUCT(tuple);
	(void) SysCacheGetAttr(AGGFNOID, tuple, Anum_pg_aggregate_agginitval, &initial_null);
	found = form->aggkind == AGGKIND_NORMAL && OidIsValid(form->aggsortop) &&
		form->aggcombinefn == form->aggtransfn && !OidIsValid(form->aggfinalfn) &&
		initial_null && call->aggtranstype == linitial_oid(call->aggargtypes) &&
		func_strict(form->aggtransfn);
	*support = form->aggtransfn;
	if (found)
	{
		char	   *name = get_func_name(call->aggfnoid);

		*maximum = strcmp(name, "max") == 0;
		found = *maximum || strcmp(name, "min") == 0;
	}
	ReleaseSysCache(tuple);
	return found;
}

/* Our own first() and last() are known by the C function that takes their steps. */
static Function
first_or_last(const Aggref *call)
{
	Function	found = FUNCTION_UNKNOWN;
	HeapTuple	aggregate;
	HeapTuple	step;
	Datum		source;
	bool		isnull;

	if (call->aggfnoid < FirstNormalObjectId || list_length(call->args) != 2 ||
		getExtensionOfObject(ProcedureRelationId, call->aggfnoid) !=
		get_extension_oid("tsdb", true))
		return FUNCTION_UNKNOWN;
	aggregate = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(call->aggfnoid));
	if (!HeapTupleIsValid(aggregate))
		return FUNCTION_UNKNOWN;
	step = SearchSysCache1(PROCOID, ObjectIdGetDatum(((Form_pg_aggregate) GETSTRUCT(aggregate))->aggtransfn));
	if (HeapTupleIsValid(step))
	{
		source = SysCacheGetAttr(PROCOID, step, Anum_pg_proc_prosrc, &isnull);
		if (!isnull && strcmp(TextDatumGetCString(source), "tsdb_first_step") == 0)
			found = FUNCTION_FIRST;
		else if (!isnull && strcmp(TextDatumGetCString(source), "tsdb_last_step") == 0)
			found = FUNCTION_LAST;
		ReleaseSysCache(step);
	}
	ReleaseSysCache(aggregate);
	return found;
}

/* One of the server's whose states are known here. */
static Function
numeric_function(Oid aggregate)
{
	switch (aggregate)
	{
		case F_COUNT_:
		case F_COUNT_ANY:
			return FUNCTION_COUNT;
		case F_SUM_INT2:
		case F_SUM_INT4:
			return FUNCTION_SUM;
		case F_SUM_INT8:
		case F_AVG_INT8:
			return FUNCTION_SUM_WIDE;
		case F_AVG_INT2:
		case F_AVG_INT4:
			return FUNCTION_AVERAGE;
		case F_SUM_FLOAT8:
			return FUNCTION_SUM_FLOAT8;
		case F_SUM_FLOAT4:
			return FUNCTION_SUM_FLOAT4;
		case F_AVG_FLOAT4:
		case F_AVG_FLOAT8:
			return FUNCTION_MEAN;
		case F_STDDEV_FLOAT4:
		case F_STDDEV_FLOAT8:
		case F_STDDEV_POP_FLOAT4:
		case F_STDDEV_POP_FLOAT8:
		case F_STDDEV_SAMP_FLOAT4:
		case F_STDDEV_SAMP_FLOAT8:
		case F_VARIANCE_FLOAT4:
		case F_VARIANCE_FLOAT8:
		case F_VAR_POP_FLOAT4:
		case F_VAR_POP_FLOAT8:
		case F_VAR_SAMP_FLOAT4:
		case F_VAR_SAMP_FLOAT8:
			return FUNCTION_MOMENTS;
		case F_MIN_INT2:
		case F_MIN_INT4:
		case F_MIN_INT8:
		case F_MIN_DATE:
		case F_MIN_TIMESTAMP:
		case F_MIN_TIMESTAMPTZ:
		case F_BOOL_AND:
		case F_EVERY:
			return FUNCTION_MIN;
		case F_MAX_INT2:
		case F_MAX_INT4:
		case F_MAX_INT8:
		case F_MAX_DATE:
		case F_MAX_TIMESTAMP:
		case F_MAX_TIMESTAMPTZ:
		case F_BOOL_OR:
			return FUNCTION_MAX;
		case F_MIN_FLOAT4:
		case F_MIN_FLOAT8:
			return FUNCTION_MIN_FLOAT;
		case F_MAX_FLOAT4:
		case F_MAX_FLOAT8:
			return FUNCTION_MAX_FLOAT;
		case F_SUM_NUMERIC:
		case F_AVG_NUMERIC:
			return FUNCTION_SUM_NUMERIC;
		default:
			return FUNCTION_UNKNOWN;
	}
}

static Function
function_of(const Aggref *call)
{
	Function	function = numeric_function(call->aggfnoid);
	Oid			support;
	bool		maximum;

	if (function != FUNCTION_UNKNOWN)
		return function;
	if (is_extreme(call, &support, &maximum))
		return FUNCTION_EXTREME;
	return first_or_last(call);
}

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
	Function	function;

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
	function = function_of(call);
	if (function == FUNCTION_FIRST || function == FUNCTION_LAST)
		return OidIsValid(lookup_type_cache(lsecond_oid(call->aggargtypes),
											TYPECACHE_CMP_PROC)->cmp_proc);
	return function != FUNCTION_UNKNOWN &&
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

	aggregate->function = function_of(call);
	aggregate->argument = argument_of(call, 0);
	aggregate->attno = column_of(aggregate->argument);
	aggregate->collation = call->inputcollid;
	if (aggregate->argument != NULL)
	{
		aggregate->type = linitial_oid(call->aggargtypes);
		get_typlenbyval(aggregate->type, &aggregate->length, &aggregate->by_value);
	}
	if (aggregate->function == FUNCTION_EXTREME &&
		is_extreme(call, &support, &aggregate->maximum))
		fmgr_info(support, &aggregate->support);
	if (aggregate->function == FUNCTION_FIRST || aggregate->function == FUNCTION_LAST)
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

		if (aggregate->function == FUNCTION_MEAN && other->aggtransno == call->aggtransno &&
			numeric_function(other->aggfnoid) == FUNCTION_MOMENTS)
			aggregate->function = FUNCTION_MOMENTS;
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
add_moments(Function function, Oid type, TsdbAggregateState *state, const TsdbColumnRun *run)
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
	if (function == FUNCTION_MOMENTS)
		add_squares(type, state, run, sum, count);
	state->u.moments.sum += sum;
	state->count += count;
}

static pg_attribute_always_inline void
find_integer(Function function, Oid type, TsdbAggregateState *state, const TsdbColumnRun *run)
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
	state->u.integer = function == FUNCTION_MIN ? min : max;
}

static void
find_integers(Function function, Oid type, TsdbAggregateState *state, const TsdbColumnRun *run)
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
take_extreme(Function function, TsdbAggregateState *state, double x, int64 count)
{
	if (state->count == 0 ||
		(function == FUNCTION_MIN_FLOAT ? float8_le(x, state->u.extreme) :
		 float8_ge(x, state->u.extreme)))
		state->u.extreme = x;
	state->count += count;
}

/* The same of rows that all count and are no NaNs, four at a time. */
static pg_attribute_always_inline double
find_dense_float(Function function, Oid type, const TsdbColumnRun *run)
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

			if (function == FUNCTION_MIN_FLOAT)
				parts[i] = x < parts[i] ? x : parts[i];
			else
				parts[i] = x > parts[i] ? x : parts[i];
		}
	}
	for (; row < run->to; row++)
	{
		double		x = tsdb_number_get_float(type, values[row]);

		if (function == FUNCTION_MIN_FLOAT ? x < parts[0] : x > parts[0])
			parts[0] = x;
	}
	for (int i = 1; i < 4; i++)
	{
		if (function == FUNCTION_MIN_FLOAT ? parts[i] < parts[0] : parts[i] > parts[0])
			parts[0] = parts[i];
	}
	return parts[0];
}

static pg_attribute_always_inline void
find_float(Function function, Oid type, TsdbAggregateState *state, const TsdbColumnRun *run)
{
	const Datum *values = run->column->values;
	double		min = get_float8_infinity();
	double		max = -get_float8_infinity();
	int64		count = 0;
	int64		nans = 0;

	if (run->small && is_dense(run))
	{
		double		x = function == FUNCTION_MIN_FLOAT ?
			find_dense_float(FUNCTION_MIN_FLOAT, type, run) :
			find_dense_float(FUNCTION_MAX_FLOAT, type, run);

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
	if (function == FUNCTION_MAX_FLOAT ? nans > 0 : nans == count)
		take_extreme(function, state, get_float8_nan(), count);
	else
		take_extreme(function, state, function == FUNCTION_MIN_FLOAT ? min : max, count);
}

void
tsdb_aggregate_add(const TsdbAggregate *aggregate, TsdbAggregateState *state,
				   const TsdbColumnRun *run)
{
	Oid			type = aggregate->type;

	switch ((Function) aggregate->function)
	{
		case FUNCTION_COUNT:
			count_rows(state, run);
			break;
		case FUNCTION_SUM:
		case FUNCTION_AVERAGE:
			if (type == INT4OID)
				add_integers(INT4OID, state, run);
			else
				add_integers(INT2OID, state, run);
			break;
		case FUNCTION_SUM_WIDE:
			add_wide(state, run);
			break;
		case FUNCTION_SUM_FLOAT8:
			add_doubles(state, run);
			break;
		case FUNCTION_SUM_FLOAT4:
			add_reals(state, run);
			break;
		case FUNCTION_MEAN:
		case FUNCTION_MOMENTS:
			if (type == FLOAT8OID)
				add_moments(aggregate->function, FLOAT8OID, state, run);
			else
				add_moments(aggregate->function, FLOAT4OID, state, run);
			break;
		case FUNCTION_MIN:
		case FUNCTION_MAX:
			find_integers(aggregate->function, type, state, run);
			break;
		case FUNCTION_MIN_FLOAT:
		case FUNCTION_MAX_FLOAT:
			if (type == FLOAT8OID)
				find_float(aggregate->function, FLOAT8OID, state, run);
			else
				find_float(aggregate->function, FLOAT4OID, state, run);
			break;
		case FUNCTION_SUM_NUMERIC:
			if (state->u.numeric == NULL)
				state->u.numeric = tsdb_numeric_sum_create(run->memory);
			state->count += tsdb_numeric_sum_add(state->u.numeric, run);
			break;
		case FUNCTION_EXTREME:
			tsdb_value_aggregate_extreme(aggregate, state, run);
			break;
		case FUNCTION_FIRST:
			tsdb_value_aggregate_best(aggregate, false, state, run);
			break;
		case FUNCTION_LAST:
			tsdb_value_aggregate_best(aggregate, true, state, run);
			break;
		case FUNCTION_UNKNOWN:
			break;
	}
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
	Function	function = aggregate->function;
	int64		count = summary->nrows;
	double		extreme;
	int64		x;

	if (function == FUNCTION_FIRST || function == FUNCTION_LAST)
		return tsdb_value_aggregate_best_of_chunk(aggregate, function == FUNCTION_LAST, state,
												  summary, memory);
	if (aggregate->argument != NULL)
	{
		if (aggregate->attno <= 0 || aggregate->attno > summary->natts)
			return false;
		stats = &summary->columns[aggregate->attno - 1];
		count -= stats->nnulls;
	}
	if (function == FUNCTION_COUNT || count == 0)
	{
		state->count += count;
		return true;
	}
	switch (function)
	{
		case FUNCTION_SUM:
		case FUNCTION_AVERAGE:
			if (!stats->has_sum)
				return false;
			state->u.integer = (int64) ((uint64) state->u.integer + (uint64) stored_sum(stats));
			break;
		case FUNCTION_SUM_WIDE:
			if (!stats->has_sum)
				return false;
			state->u.wide += stored_sum(stats);
			break;
		case FUNCTION_SUM_FLOAT8:
			if (!stats->has_float_sum || !takes_sum(state))
				return false;
			state->u.moments.sum = state->count == 0 ? stats->float_sum :
				state->u.moments.sum + stats->float_sum;
			break;
		case FUNCTION_MEAN:
			if (!stats->has_float_sum || !takes_sum(state))
				return false;
			state->u.moments.sum += stats->float_sum;
			/* as float8_accum() does, so that combining sees that there is no overflow */
			if (!isfinite(state->u.moments.sum))
				state->u.moments.squares = get_float8_nan();
			break;
		case FUNCTION_MIN:
		case FUNCTION_MAX:
			if (!stats->has_range)
				return false;
			x = tsdb_number_get_integer(aggregate->type, function == FUNCTION_MIN ? stats->min : stats->max);
			if (state->count == 0 ||
				(function == FUNCTION_MIN ? x < state->u.integer : x > state->u.integer))
				state->u.integer = x;
			break;
		case FUNCTION_MIN_FLOAT:
		case FUNCTION_MAX_FLOAT:
			if (!stats->has_range)
				return false;
			extreme = tsdb_number_get_float(aggregate->type,
								function == FUNCTION_MIN_FLOAT ? stats->min : stats->max);
			if (extreme == 0)
				return false;
			take_extreme(function, state, extreme, count);
			return true;
		case FUNCTION_SUM_NUMERIC:
			if (!stats->has_scaled_sum)
				return false;
			if (state->u.numeric == NULL)
				state->u.numeric = tsdb_numeric_sum_create(memory);
			tsdb_numeric_sum_add_scaled(state->u.numeric, stored_sum(stats), stats->sum_scale,
										count, memory);
			break;
		case FUNCTION_EXTREME:
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
	Function	function = aggregate->function;

	/* these have a state without a row, too */
	*isnull = false;
	switch (function)
	{
		case FUNCTION_COUNT:
			return Int64GetDatum(state->count);
		case FUNCTION_AVERAGE:
			return make_array(INT8OID, Int64GetDatum(state->count),
							  Int64GetDatum(state->u.integer), (Datum) 0, 2);
		case FUNCTION_SUM_WIDE:
			return serialize_wide(state);
		case FUNCTION_MEAN:
		case FUNCTION_MOMENTS:
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
		case FUNCTION_SUM:
			return Int64GetDatum(state->u.integer);
		case FUNCTION_SUM_FLOAT8:
			return Float8GetDatum(state->u.moments.sum);
		case FUNCTION_SUM_FLOAT4:
			return Float4GetDatum(state->u.real);
		case FUNCTION_MIN:
		case FUNCTION_MAX:
			return put_integer(aggregate->type, state->u.integer);
		case FUNCTION_SUM_NUMERIC:
			return PointerGetDatum(tsdb_numeric_sum_serialize(state->u.numeric));
		case FUNCTION_EXTREME:
			return state->u.value;
		case FUNCTION_FIRST:
		case FUNCTION_LAST:
			return PointerGetDatum(tsdb_best_row_serialize(state->u.best));
		default:
			return aggregate->type == FLOAT4OID ? Float4GetDatum((float4) state->u.extreme) :
				Float8GetDatum(state->u.extreme);
	}
}
