/*
 * vector_aggregate.c
 *		Aggregate functions over columns: the states that PostgreSQL's own would have.
 */
#include "postgres.h"

#include "exec/vector_aggregate.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "exec/number.h"
#include "libpq/pqformat.h"
#include "utils/array.h"
#include "utils/date.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

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
	FUNCTION_UNKNOWN
} Function;

static Function
function_of(Oid aggregate)
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
		default:
			return FUNCTION_UNKNOWN;
	}
}

static const Var *
argument_of(const Aggref *call)
{
	return call->args == NIL ? NULL : (Var *) linitial_node(TargetEntry, call->args)->expr;
}

bool
tsdb_aggregate_understands(const Aggref *call, Index relid)
{
	const Var  *var = argument_of(call);

	if (call->aggorder != NIL || call->aggdistinct != NIL || call->aggfilter != NULL ||
		call->aggdirectargs != NIL || call->aggvariadic || call->agglevelsup > 0 ||
		list_length(call->args) > 1)
		return false;
	if (var != NULL && (!IsA(var, Var) || var->varno != relid || var->varattno <= 0))
		return false;
	return function_of(call->aggfnoid) != FUNCTION_UNKNOWN &&
		(var != NULL || call->aggfnoid == F_COUNT_);
}

void
tsdb_aggregate_init(TsdbAggregate *aggregate, const Aggref *call, List *calls)
{
	const Var  *var = argument_of(call);
	ListCell   *lc;

	aggregate->function = function_of(call->aggfnoid);
	aggregate->attno = var == NULL ? 0 : var->varattno;
	aggregate->type = var == NULL ? InvalidOid : var->vartype;

	/* a state that avg(x) and stddev(x) share is finalised for both */
	foreach(lc, calls)
	{
		const Aggref *other = lfirst(lc);

		if (aggregate->function == FUNCTION_MEAN && other->aggtransno == call->aggtransno &&
			function_of(other->aggfnoid) == FUNCTION_MOMENTS)
			aggregate->function = FUNCTION_MOMENTS;
	}
}

/* ---- rows: functions that are inlined have a loop of their own for each type ---- */

/*
 * Run the statement for each row that counts.  The row of a column without nulls,
 * none of whose rows are left out, costs nothing but the statement.
 */
#define FOR_ROWS(run, statement) \
	do \
	{ \
		const uint8 *pass = (run)->pass; \
		const bool *nulls = (run)->column->any_null ? (run)->column->nulls : NULL; \
		if (pass == NULL && nulls == NULL) \
		{ \
			for (uint32 row = (run)->from; row < (run)->to; row++) \
			{ \
				statement; \
			} \
		} \
		else \
		{ \
			for (uint32 row = (run)->from; row < (run)->to; row++) \
			{ \
				if ((pass == NULL || pass[row]) && (nulls == NULL || !nulls[row])) \
				{ \
					statement; \
				} \
			} \
		} \
	} while (0)

static void
count_rows(TsdbAggregateState *state, const TsdbColumnRun *run)
{
	const uint8 *pass = run->pass;

	if (run->column != NULL && run->column->any_null)
		FOR_ROWS(run, state->count++);
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
	FOR_ROWS(run, (sum += (uint64) tsdb_number_get_integer(type, values[row]), count++));
	state->u.integer = (int64) sum;
	state->count += count;
}

static void
add_wide(TsdbAggregateState *state, const TsdbColumnRun *run)
{
	const Datum *values = run->column->values;
	int128		sum = state->u.wide;
	int64		count = 0;

	FOR_ROWS(run, (sum += DatumGetInt64(values[row]), count++));
	state->u.wide = sum;
	state->count += count;
}

static void
add_reals(TsdbAggregateState *state, const TsdbColumnRun *run)
{
	const Datum *values = run->column->values;
	bool		any = state->count > 0;
	float4		sum = state->u.real;

	FOR_ROWS(run,
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

	FOR_ROWS(run,
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
	FOR_ROWS(run,
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

	FOR_ROWS(run,
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

	FOR_ROWS(run,
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

	FOR_ROWS(run,
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

static pg_attribute_always_inline void
find_float(Function function, Oid type, TsdbAggregateState *state, const TsdbColumnRun *run)
{
	const Datum *values = run->column->values;
	double		min = get_float8_infinity();
	double		max = -get_float8_infinity();
	int64		count = 0;
	int64		nans = 0;

	FOR_ROWS(run,
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
						 const TsdbChunkSummary *summary)
{
	const TsdbColumnStats *stats = NULL;
	Function	function = aggregate->function;
	int64		count = summary->nrows;
	double		extreme;
	int64		x;

	if (aggregate->attno > 0)
	{
		if (aggregate->attno > summary->natts)
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

static Datum
make_array(Oid type, Datum a, Datum b, Datum c, int count)
{
	Datum		values[3] = {a, b, c};

	return PointerGetDatum(construct_array(values, count, type, 8, FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
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
		default:
			return aggregate->type == FLOAT4OID ? Float4GetDatum((float4) state->u.extreme) :
				Float8GetDatum(state->u.extreme);
	}
}
