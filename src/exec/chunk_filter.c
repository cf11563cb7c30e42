/*
 * chunk_filter.c
 *		Conditions that say of a whole chunk that no row of it can match.
 */
#include "postgres.h"

#include "exec/chunk_filter.h"

#include "access/nbtree.h"
#include "catalog/pg_type.h"
#include "exec/filter_clause.h"
#include "exec/number.h"
#include "exec/packed_filter.h"
#include "exec/segment_keys.h"
#include "executor/executor.h"
#include "utils/array.h"
#include "utils/date.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* Of a longer array only whether it is null counts. */
#define ELEMENTS_MAX	100000

typedef struct FilterClause
{
	TsdbClause	clause;
	FmgrInfo	compare;
	ExprState  *argument;
	bool		armed;			/* it is computed */
	bool		never;			/* it is null: no row can match */
	bool		always;			/* nothing is ruled out */
	int			count;
	Datum	   *values;			/* count of them; one of TSDB_CLAUSE_COMPARE */
	Datum		value;
	int64	   *integers;		/* the same of an array of integers, in order */
	TsdbChunkMatch match;		/* in the chunk at hand, by its statistics */
	bool		applied;		/* to its segments */
} FilterClause;

struct TsdbChunkFilter
{
	int			count;
	FilterClause *clauses;
	ExprContext *context;		/* of the arguments */
	const TsdbChunkSummary *summary;	/* of the chunk at hand */
	MemoryContext memory;		/* of the arguments, reset when a scan begins */
	uint64		version;		/* of what is armed */
};

bool
tsdb_chunk_filter_understands(Expr *expr, Index relid, AttrNumber *attno)
{
	TsdbClause	clause;

	if (!tsdb_clause_understand(expr, relid, &clause))
		return false;
	*attno = clause.attno;
	return true;
}

bool
tsdb_chunk_filter_is_equality(Expr *expr, Index relid, AttrNumber *attno)
{
	TsdbClause	clause;

	if (!tsdb_clause_understand(expr, relid, &clause) || clause.kind != TSDB_CLAUSE_COMPARE ||
		clause.strategy != BTEqualStrategyNumber)
		return false;
	*attno = clause.attno;
	return true;
}

/* ---- arguments ---- */

/* A constant or a parameter that has its value, not a subquery that is yet to be run. */
static bool
is_safe(Expr *expr, ExprContext *context)
{
	if (IsA(expr, RelabelType))
		expr = ((RelabelType *) expr)->arg;
	if (IsA(expr, Param))
	{
		Param	   *param = (Param *) expr;

		return param->paramkind == PARAM_EXTERN ||
			(param->paramkind == PARAM_EXEC &&
			 context->ecxt_param_exec_vals[param->paramid].execPlan == NULL);
	}
	return IsA(expr, Const);
}

TsdbChunkFilter *
tsdb_chunk_filter_create(List *clauses, Index relid, PlanState *parent)
{
	TsdbChunkFilter *filter = palloc0(sizeof(TsdbChunkFilter));
	ListCell   *lc;

	filter->memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb filter arguments",
										   ALLOCSET_SMALL_SIZES);
	filter->clauses = palloc0(Max(list_length(clauses), 1) * sizeof(FilterClause));
	foreach(lc, clauses)
	{
		FilterClause *clause = &filter->clauses[filter->count];

		if (!tsdb_clause_understand(lfirst(lc), relid, &clause->clause))
			elog(ERROR, "unexpected clause of a chunk filter");
		filter->count++;
		if (clause->clause.argument == NULL)
			continue;
		clause->argument = ExecInitExpr(clause->clause.argument, parent);
		fmgr_info(clause->clause.compare, &clause->compare);
	}
	return filter;
}

static int
compare_integers(const void *a, const void *b)
{
	int64		left = *(const int64 *) a;
	int64		right = *(const int64 *) b;

	return left < right ? -1 : left > right;
}

/* The first of the integers that is not smaller. */
static int
first_not_below(const FilterClause *clause, int64 value)
{
	int			low = 0;
	int			high = clause->count;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (clause->integers[middle] < value)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
take_elements(FilterClause *clause, Datum argument)
{
	ArrayType  *array = DatumGetArrayTypeP(argument);
	Oid			type = ARR_ELEMTYPE(array);
	int16		length;
	bool		by_value;
	char		align;
	Datum	   *values;
	bool	   *nulls;
	int			count;

	if (ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) > ELEMENTS_MAX)
	{
		clause->always = true;
		return;
	}
	get_typlenbyvalalign(type, &length, &by_value, &align);
	deconstruct_array(array, type, length, by_value, align, &values, &nulls, &count);
	clause->values = values;
	clause->count = 0;
	for (int i = 0; i < count; i++)
	{
		if (!nulls[i])
			values[clause->count++] = values[i];
	}
	clause->never = clause->count == 0;
	if (clause->clause.lane == TSDB_LANE_INTEGER)
	{
		clause->integers = palloc(Max(clause->count, 1) * sizeof(int64));
		for (int i = 0; i < clause->count; i++)
			clause->integers[i] = tsdb_number_get_integer(clause->clause.argument_type, values[i]);
		qsort(clause->integers, clause->count, sizeof(int64), compare_integers);
	}
}

/* Compute what the column is compared with. */
static void
arm(TsdbChunkFilter *filter, FilterClause *clause)
{
	MemoryContext old = MemoryContextSwitchTo(filter->memory);
	bool		isnull;

	clause->always = false;
	clause->integers = NULL;
	clause->values = &clause->value;
	clause->count = 1;
	clause->value = ExecEvalExpr(clause->argument, filter->context, &isnull);
	clause->never = isnull;
	if (!isnull && clause->clause.kind == TSDB_CLAUSE_ANY)
		take_elements(clause, clause->value);
	else if (!isnull && clause->clause.bytes)
		clause->value = PointerGetDatum(PG_DETOAST_DATUM_PACKED(clause->value));
	clause->armed = true;
	filter->version++;
	MemoryContextSwitchTo(old);
}

void
tsdb_chunk_filter_begin(TsdbChunkFilter *filter, ExprContext *context)
{
	MemoryContextReset(filter->memory);
	filter->context = context;
	filter->version++;
	for (int i = 0; i < filter->count; i++)
	{
		FilterClause *clause = &filter->clauses[i];

		clause->armed = clause->argument == NULL;
		if (!clause->armed && is_safe(clause->clause.argument, context))
			arm(filter, clause);
	}
}

/* ---- statistics ---- */

static int
compare_bytes(Datum a, Datum b)
{
	struct varlena *left = (struct varlena *) DatumGetPointer(a);
	struct varlena *right = PG_DETOAST_DATUM_PACKED(b);
	Size		left_bytes = VARSIZE_ANY_EXHDR(left);
	Size		right_bytes = VARSIZE_ANY_EXHDR(right);
	int			order = memcmp(VARDATA_ANY(left), VARDATA_ANY(right),
							   Min(left_bytes, right_bytes));

	if (order != 0)
		return order;
	return left_bytes < right_bytes ? -1 : left_bytes > right_bytes;
}

static int
compare(FilterClause *clause, Datum stored, Datum value)
{
	if (clause->clause.lane == TSDB_LANE_INTEGER)
	{
		int64		left = tsdb_number_get_integer(clause->clause.type, stored);
		int64		right = tsdb_number_get_integer(clause->clause.argument_type, value);

		return left < right ? -1 : left > right;
	}
	if (clause->clause.bytes)
		return compare_bytes(stored, value);
	return DatumGetInt32(FunctionCall2Coll(&clause->compare, clause->clause.collation, stored,
										   value));
}

/* Which values from min to max compare so with the value? */
static TsdbChunkMatch
match_range(FilterClause *clause, const TsdbColumnStats *stats, Datum value)
{
	int			min = compare(clause, stats->min, value);
	int			max = compare(clause, stats->max, value);
	bool		any;
	bool		all;

	switch (clause->clause.strategy)
	{
		case BTLessStrategyNumber:
			any = min < 0;
			all = max < 0;
			break;
		case BTLessEqualStrategyNumber:
			any = min <= 0;
			all = max <= 0;
			break;
		case BTGreaterEqualStrategyNumber:
			any = max >= 0;
			all = min >= 0;
			break;
		case BTGreaterStrategyNumber:
			any = max > 0;
			all = min > 0;
			break;
		default:
			any = min <= 0 && max >= 0;
			all = min == 0 && max == 0;
			break;
	}
	return all ? TSDB_EVERY_ROW : any ? TSDB_SOME_ROWS : TSDB_NO_ROW;
}

/* The same of an array of integers. */
static TsdbChunkMatch
match_integers(FilterClause *clause, const TsdbColumnStats *stats)
{
	int64		min = tsdb_number_get_integer(clause->clause.type, stats->min);
	int64		max = tsdb_number_get_integer(clause->clause.type, stats->max);
	int			first = first_not_below(clause, min);

	if (first == clause->count || clause->integers[first] > max)
		return TSDB_NO_ROW;
	return min == max ? TSDB_EVERY_ROW : TSDB_SOME_ROWS;
}

static TsdbChunkMatch
match(FilterClause *clause, const TsdbChunkSummary *summary)
{
	const TsdbColumnStats *stats;
	TsdbChunkMatch found = TSDB_NO_ROW;
	bool		wants_null = clause->clause.kind == TSDB_CLAUSE_IS_NULL;

	if (clause->never)
		return TSDB_NO_ROW;
	/* a column that was added later reads as its missing value */
	if (clause->clause.attno > summary->natts)
		return TSDB_SOME_ROWS;
	stats = &summary->columns[clause->clause.attno - 1];
	if (wants_null || clause->clause.kind == TSDB_CLAUSE_IS_NOT_NULL)
	{
		if (stats->nnulls == 0)
			return wants_null ? TSDB_NO_ROW : TSDB_EVERY_ROW;
		if (stats->nnulls == summary->nrows)
			return wants_null ? TSDB_EVERY_ROW : TSDB_NO_ROW;
		return TSDB_SOME_ROWS;
	}
	if (stats->nnulls == summary->nrows)
		return TSDB_NO_ROW;
	if (clause->always || !stats->has_range)
		return TSDB_SOME_ROWS;
	if (clause->integers != NULL)
		found = match_integers(clause, stats);
	for (int i = 0; clause->integers == NULL && i < clause->count; i++)
		found = Max(found, match_range(clause, stats, clause->values[i]));
	return found == TSDB_EVERY_ROW && stats->nnulls > 0 ? TSDB_SOME_ROWS : found;
}

TsdbChunkMatch
tsdb_chunk_filter_judge(TsdbChunkFilter *filter, const TsdbChunkSummary *summary)
{
	TsdbChunkMatch found = TSDB_EVERY_ROW;

	filter->summary = summary;
	for (int i = 0; i < filter->count; i++)
	{
		FilterClause *clause = &filter->clauses[i];

		clause->applied = false;
		clause->match = clause->armed ? match(clause, summary) : TSDB_SOME_ROWS;
		found = Min(found, clause->match);
		if (found == TSDB_NO_ROW)
			break;
	}
	return found;
}

bool
tsdb_chunk_filter_times(const TsdbChunkFilter *filter, AttrNumber attno, TsdbTimeRange *times)
{
	bool		known = false;

	*times = (TsdbTimeRange)
	{
		.attno = attno,.min = PG_INT64_MIN,.max = PG_INT64_MAX
	};
	for (int i = 0; i < filter->count; i++)
	{
		const FilterClause *clause = &filter->clauses[i];
		int64		value;

		if (clause->clause.attno != attno || clause->clause.kind != TSDB_CLAUSE_COMPARE ||
			clause->clause.lane != TSDB_LANE_INTEGER || !clause->armed || clause->never)
			continue;
		value = tsdb_number_get_integer(clause->clause.argument_type, clause->value);
		known = true;
		if (clause->clause.strategy >= BTEqualStrategyNumber)
			times->min = Max(times->min, value);
		if (clause->clause.strategy <= BTEqualStrategyNumber)
			times->max = Min(times->max, value);
	}
	return known;
}

bool
tsdb_chunk_filter_is_never(const TsdbChunkFilter *filter)
{
	for (int i = 0; i < filter->count; i++)
	{
		if (filter->clauses[i].armed && filter->clauses[i].never)
			return true;
	}
	return false;
}

bool
tsdb_chunk_filter_values(const TsdbChunkFilter *filter, AttrNumber attno,
						 TsdbFilterValues *values)
{
	bool		found = false;

	for (int i = 0; i < filter->count; i++)
	{
		const FilterClause *clause = &filter->clauses[i];

		if (clause->clause.attno != attno || !clause->armed || clause->never || clause->always ||
			(clause->clause.kind != TSDB_CLAUSE_COMPARE && clause->clause.kind != TSDB_CLAUSE_ANY) ||
			clause->clause.strategy != BTEqualStrategyNumber ||
			(found && clause->count >= values->count))
			continue;
		values->type = clause->clause.argument_type;
		values->count = clause->count;
		values->values = clause->values;
		found = true;
	}
	return found;
}

uint64
tsdb_chunk_filter_version(const TsdbChunkFilter *filter)
{
	return filter->version;
}

/* ---- rows ---- */

/* Clear the rows for which "condition", on x, does not hold. */
#define FILTER_ROWS(get, condition) \
	do \
	{ \
		for (uint32 row = 0; row < nrows; row++) \
		{ \
			x = get(type, column->values[row]); \
			pass[row] &= (condition) & !column->nulls[row]; \
		} \
	} while (0)

static void
filter_integers(FilterClause *clause, const TsdbColumn *column, uint32 nrows, uint8 *pass)
{
	Oid			type = clause->clause.type;
	int64		bound = tsdb_number_get_integer(clause->clause.argument_type, clause->value);
	int64		x;

	switch (clause->clause.strategy)
	{
		case BTLessStrategyNumber:
			FILTER_ROWS(tsdb_number_get_integer, x < bound);
			break;
		case BTLessEqualStrategyNumber:
			FILTER_ROWS(tsdb_number_get_integer, x <= bound);
			break;
		case BTEqualStrategyNumber:
			FILTER_ROWS(tsdb_number_get_integer, x == bound);
			break;
		case BTGreaterEqualStrategyNumber:
			FILTER_ROWS(tsdb_number_get_integer, x >= bound);
			break;
		case BTGreaterStrategyNumber:
			FILTER_ROWS(tsdb_number_get_integer, x > bound);
			break;
	}
}

static void
filter_floats(FilterClause *clause, const TsdbColumn *column, uint32 nrows, uint8 *pass)
{
	Oid			type = clause->clause.type;
	double		bound = tsdb_number_get_float(clause->clause.argument_type, clause->value);
	double		x;

	switch (clause->clause.strategy)
	{
		case BTLessStrategyNumber:
			FILTER_ROWS(tsdb_number_get_float, float8_lt(x, bound));
			break;
		case BTLessEqualStrategyNumber:
			FILTER_ROWS(tsdb_number_get_float, float8_le(x, bound));
			break;
		case BTEqualStrategyNumber:
			FILTER_ROWS(tsdb_number_get_float, float8_eq(x, bound));
			break;
		case BTGreaterEqualStrategyNumber:
			FILTER_ROWS(tsdb_number_get_float, float8_ge(x, bound));
			break;
		case BTGreaterStrategyNumber:
			FILTER_ROWS(tsdb_number_get_float, float8_gt(x, bound));
			break;
	}
}

static void
filter_integer_arrays(FilterClause *clause, const TsdbColumn *column, uint32 nrows, uint8 *pass)
{
	Oid			type = clause->clause.type;
	int64		last = 0;
	bool		found = false;
	bool		known = false;

	/* values come in runs, as rows are sorted */
	for (uint32 row = 0; row < nrows; row++)
	{
		int64		x = tsdb_number_get_integer(type, column->values[row]);

		if (!pass[row] || column->nulls[row])
		{
			pass[row] = false;
			continue;
		}
		if (!known || x != last)
		{
			int			first = first_not_below(clause, x);

			found = first < clause->count && clause->integers[first] == x;
			last = x;
			known = true;
		}
		pass[row] = found;
	}
}

static void
filter_bytes(FilterClause *clause, const TsdbColumn *column, uint32 nrows, uint8 *pass)
{
	for (uint32 row = 0; row < nrows; row++)
	{
		bool		found = false;

		if (!pass[row])
			continue;
		for (int i = 0; !column->nulls[row] && !found && i < clause->count; i++)
			found = compare_bytes(column->values[row], clause->values[i]) == 0;
		pass[row] = found;
	}
}

static void
filter_nulls(FilterClause *clause, const TsdbColumn *column, uint32 nrows, uint8 *pass)
{
	bool		wanted = clause->clause.kind == TSDB_CLAUSE_IS_NULL;

	for (uint32 row = 0; row < nrows; row++)
		pass[row] &= column->nulls[row] == wanted;
}

/* Is the clause exactly what the loops over rows compute? */
static bool
decides_rows(const FilterClause *clause)
{
	switch (clause->clause.kind)
	{
		case TSDB_CLAUSE_IS_NULL:
		case TSDB_CLAUSE_IS_NOT_NULL:
			return true;
		case TSDB_CLAUSE_COMPARE:
			return clause->clause.lane != TSDB_LANE_NONE;
		default:
			return !clause->always &&
				(clause->clause.lane == TSDB_LANE_INTEGER || clause->clause.lane == TSDB_LANE_BYTES);
	}
}

static void
filter_rows(FilterClause *clause, const TsdbColumn *column, uint32 nrows, uint8 *pass)
{
	if (clause->argument == NULL)
		filter_nulls(clause, column, nrows, pass);
	else if (clause->clause.lane == TSDB_LANE_BYTES)
		filter_bytes(clause, column, nrows, pass);
	else if (clause->clause.lane == TSDB_LANE_FLOAT)
		filter_floats(clause, column, nrows, pass);
	else if (clause->clause.kind == TSDB_CLAUSE_ANY)
		filter_integer_arrays(clause, column, nrows, pass);
	else
		filter_integers(clause, column, nrows, pass);
}

/* As the column is kept, if it is kept so that it can be compared; else by its values. */
static void
filter_column(FilterClause *clause, TsdbChunkReader *reader, uint32 nrows, uint8 *pass)
{
	AttrNumber	attno = clause->clause.attno;
	const TsdbColumn *packed = clause->clause.kind == TSDB_CLAUSE_COMPARE ?
		tsdb_chunk_reader_packed(reader, attno) : NULL;

	if (packed == NULL || !tsdb_packed_filter(&clause->clause, clause->value, packed, nrows, pass))
		filter_rows(clause, tsdb_chunk_reader_column(reader, attno), nrows, pass);
}

/* Is the column one of the series key, and are segments much fewer than rows? */
static bool
has_segments_of(const TsdbChunkSummary *summary, AttrNumber attno)
{
	if (summary->nsegments * 8 > summary->nrows)
		return false;
	for (int i = 0; i < summary->key.nseries; i++)
	{
		if (summary->key.series[i] == attno)
			return true;
	}
	return false;
}

/* The same for a column that has one value in each segment; rows are their first ones, and the end. */
static void
apply_to_segments(FilterClause *clause, const TsdbColumn *firsts, uint32 count,
				  const uint32 *rows, uint8 *pass)
{
	uint8		passes[TSDB_CHUNK_ROWS / 8];

	memset(passes, true, count);
	filter_rows(clause, firsts, count, passes);
	for (uint32 i = 0; i < count; i++)
	{
		if (!passes[i])
			memset(&pass[rows[i]], false, rows[i + 1] - rows[i]);
	}
	clause->applied = true;
}

static void
filter_segments(FilterClause *clause, TsdbChunkReader *reader, TsdbDirectoryView *view,
				int entry, uint8 *pass)
{
	const TsdbColumn *column = tsdb_chunk_reader_column(reader, clause->clause.attno);
	const TsdbSegments *segments = tsdb_chunk_reader_segments(reader);
	Datum		values[TSDB_CHUNK_ROWS / 8];
	bool		nulls[TSDB_CHUNK_ROWS / 8];
	TsdbColumn	firsts = {values, nulls, column->any_null};

	for (uint32 i = 0; i < segments->count; i++)
	{
		values[i] = column->values[segments->rows[i]];
		nulls[i] = column->nulls[segments->rows[i]];
	}
	if (view != NULL && view->image != NULL)
		tsdb_segment_keys_remember(view, entry, clause->clause.attno, segments, &firsts);
	apply_to_segments(clause, &firsts, segments->count, segments->rows, pass);
}

/* Does the clause rule out segments of the chunk at hand, without a look at other columns? */
static bool
decides_segments(const TsdbChunkFilter *filter, const FilterClause *clause)
{
	return clause->armed && clause->match == TSDB_SOME_ROWS && decides_rows(clause) &&
		has_segments_of(filter->summary, clause->clause.attno);
}

bool
tsdb_chunk_filter_recalled(TsdbChunkFilter *filter, const TsdbDirectoryView *view, int entry,
						   uint32 nrows, uint8 *pass)
{
	for (int i = 0; i < filter->count; i++)
	{
		FilterClause *clause = &filter->clauses[i];
		const TsdbSegmentKeys *keys;

		if (!decides_segments(filter, clause))
			continue;
		keys = tsdb_segment_keys_recall(view, entry, clause->clause.attno);
		if (keys == NULL)
			continue;
		apply_to_segments(clause, &keys->column, keys->count, keys->rows, pass);
		if (memchr(pass, true, nrows) == NULL)
			return false;
	}
	return true;
}

bool
tsdb_chunk_filter_wants_columns(const TsdbChunkFilter *filter)
{
	for (int i = 0; i < filter->count; i++)
	{
		const FilterClause *clause = &filter->clauses[i];

		if (!clause->armed ||
			(!clause->applied && clause->match != TSDB_EVERY_ROW && decides_rows(clause)))
			return true;
	}
	return false;
}

bool
tsdb_chunk_filter_rows(TsdbChunkFilter *filter, TsdbChunkReader *reader,
					   TsdbDirectoryView *view, int entry, uint32 nrows, uint8 *pass)
{
	/* what is of another series needs no further columns */
	for (int i = 0; i < filter->count; i++)
	{
		FilterClause *clause = &filter->clauses[i];

		if (clause->applied || !decides_segments(filter, clause))
			continue;
		filter_segments(clause, reader, view, entry, pass);
		if (memchr(pass, true, nrows) == NULL)
			return false;
	}
	for (int i = 0; i < filter->count; i++)
	{
		FilterClause *clause = &filter->clauses[i];

		if (!clause->armed)
		{
			arm(filter, clause);
			clause->match = match(clause, filter->summary);
			if (clause->match == TSDB_NO_ROW)
				return false;
		}
		if (clause->applied || clause->match == TSDB_EVERY_ROW || !decides_rows(clause))
			continue;
		filter_column(clause, reader, nrows, pass);
		if (memchr(pass, true, nrows) == NULL)
			return false;
	}
	return true;
}

bool
tsdb_chunk_filter_asks_only(const TsdbChunkFilter *filter, AttrNumber attno)
{
	for (int i = 0; i < filter->count; i++)
	{
		const FilterClause *clause = &filter->clauses[i];

		if (clause->clause.attno != attno || clause->clause.kind != TSDB_CLAUSE_COMPARE ||
			clause->clause.strategy != BTEqualStrategyNumber)
			return false;
	}
	return true;
}

bool
tsdb_chunk_filter_settles(const TsdbChunkFilter *filter, int clause)
{
	const FilterClause *asked = &filter->clauses[clause];

	return asked->match == TSDB_EVERY_ROW || decides_rows(asked);
}
