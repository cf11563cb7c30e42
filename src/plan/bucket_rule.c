/*
 * bucket_rule.c
 *		Which expressions on a column never fall as the column rises.
 */
#include "postgres.h"

#include "plan/bucket_rule.h"

#include "catalog/dependency.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "common/int.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"

/* What the constants of a rising function have to be: factors only so small and large
 * that no value between two others overflows or underflows. */
#define FACTOR_MIN	1e-12
#define FACTOR_MAX	1e12

typedef enum Constants
{
	CONSTANTS_ANY,
	CONSTANTS_FACTOR,
	CONSTANTS_EPOCH				/* the field's name: epoch */
} Constants;

/* A function that rises with one of its arguments. */
typedef struct RisingFunction
{
	Oid			function;
	int			argument;
	TsdbBucketRule rule;
	Constants	constants;
} RisingFunction;

static const RisingFunction rising[] = {
	{F_DATE_TRUNC_TEXT_TIMESTAMP, 1, TSDB_BUCKET_RISING, CONSTANTS_ANY},
	{F_DATE_TRUNC_TEXT_TIMESTAMPTZ, 1, TSDB_BUCKET_RISING_IN_ZONE, CONSTANTS_ANY},
	{F_DATE_BIN_INTERVAL_TIMESTAMP_TIMESTAMP, 1, TSDB_BUCKET_RISING, CONSTANTS_ANY},
	{F_DATE_BIN_INTERVAL_TIMESTAMPTZ_TIMESTAMPTZ, 1, TSDB_BUCKET_RISING, CONSTANTS_ANY},
	{F_DATE_TIMESTAMP, 0, TSDB_BUCKET_RISING, CONSTANTS_ANY},
	{F_DATE_TIMESTAMPTZ, 0, TSDB_BUCKET_RISING_IN_ZONE, CONSTANTS_ANY},
	{F_TIMESTAMP_TIMESTAMPTZ, 0, TSDB_BUCKET_RISING_IN_ZONE, CONSTANTS_ANY},
	{F_TIMESTAMP_DATE, 0, TSDB_BUCKET_RISING, CONSTANTS_ANY},

	{F_EXTRACT_TEXT_TIMESTAMP, 1, TSDB_BUCKET_RISING, CONSTANTS_EPOCH},
	{F_EXTRACT_TEXT_TIMESTAMPTZ, 1, TSDB_BUCKET_RISING, CONSTANTS_EPOCH},
	{F_DATE_PART_TEXT_TIMESTAMP, 1, TSDB_BUCKET_RISING, CONSTANTS_EPOCH},
	{F_DATE_PART_TEXT_TIMESTAMPTZ, 1, TSDB_BUCKET_RISING, CONSTANTS_EPOCH},
	{F_TO_TIMESTAMP_FLOAT8, 0, TSDB_BUCKET_RISING, CONSTANTS_ANY},

	{F_FLOOR_NUMERIC, 0, TSDB_BUCKET_RISING, CONSTANTS_ANY},
	{F_FLOOR_FLOAT8, 0, TSDB_BUCKET_RISING, CONSTANTS_ANY},
	{F_CEIL_NUMERIC, 0, TSDB_BUCKET_RISING, CONSTANTS_ANY},
	{F_CEIL_FLOAT8, 0, TSDB_BUCKET_RISING, CONSTANTS_ANY},
	{F_INT4_NUMERIC, 0, TSDB_BUCKET_RISING, CONSTANTS_ANY},
	{F_INT8_NUMERIC, 0, TSDB_BUCKET_RISING, CONSTANTS_ANY},
	{F_INT4_FLOAT8, 0, TSDB_BUCKET_RISING, CONSTANTS_ANY},
	{F_INT8_FLOAT8, 0, TSDB_BUCKET_RISING, CONSTANTS_ANY},
	{F_INT8_INT4, 0, TSDB_BUCKET_RISING, CONSTANTS_ANY},
	{F_FLOAT8_NUMERIC, 0, TSDB_BUCKET_RISING, CONSTANTS_ANY},
	{F_FLOAT8_INT4, 0, TSDB_BUCKET_RISING, CONSTANTS_ANY},
	{F_FLOAT8_INT8, 0, TSDB_BUCKET_RISING, CONSTANTS_ANY},
	{F_NUMERIC_INT4, 0, TSDB_BUCKET_RISING, CONSTANTS_ANY},
	{F_NUMERIC_INT8, 0, TSDB_BUCKET_RISING, CONSTANTS_ANY},

	{F_NUMERIC_DIV, 0, TSDB_BUCKET_RISING, CONSTANTS_FACTOR},
	{F_FLOAT8DIV, 0, TSDB_BUCKET_RISING, CONSTANTS_FACTOR},
	{F_INT4DIV, 0, TSDB_BUCKET_RISING, CONSTANTS_FACTOR},
	{F_INT8DIV, 0, TSDB_BUCKET_RISING, CONSTANTS_FACTOR},
	{F_INT84DIV, 0, TSDB_BUCKET_RISING, CONSTANTS_FACTOR},
	{F_NUMERIC_MUL, 0, TSDB_BUCKET_RISING, CONSTANTS_FACTOR},
	{F_NUMERIC_MUL, 1, TSDB_BUCKET_RISING, CONSTANTS_FACTOR},
	{F_FLOAT8MUL, 0, TSDB_BUCKET_RISING, CONSTANTS_FACTOR},
	{F_FLOAT8MUL, 1, TSDB_BUCKET_RISING, CONSTANTS_FACTOR},
	{F_INT4MUL, 0, TSDB_BUCKET_RISING, CONSTANTS_FACTOR},
	{F_INT4MUL, 1, TSDB_BUCKET_RISING, CONSTANTS_FACTOR},
	{F_INT8MUL, 0, TSDB_BUCKET_RISING, CONSTANTS_FACTOR},
	{F_INT8MUL, 1, TSDB_BUCKET_RISING, CONSTANTS_FACTOR},
	{F_INT84MUL, 0, TSDB_BUCKET_RISING, CONSTANTS_FACTOR},
	{F_INT48MUL, 1, TSDB_BUCKET_RISING, CONSTANTS_FACTOR},
};

/* Are all arguments but that one constants, and such ones? */
static bool
constants_are(List *args, int argument, Constants wanted)
{
	ListCell   *lc;

	foreach(lc, args)
	{
		Const	   *constant = lfirst(lc);
		Oid			output;
		bool		is_varlena;
		char	   *text;
		double		factor;

		if (foreach_current_index(lc) == argument)
			continue;
		if (wanted == CONSTANTS_ANY)
			continue;
		if (!IsA(constant, Const) || constant->constisnull)
			return false;
		getTypeOutputInfo(constant->consttype, &output, &is_varlena);
		text = OidOutputFunctionCall(output, constant->constvalue);
		factor = strtod(text, NULL);
		if (wanted == CONSTANTS_EPOCH ? pg_strcasecmp(text, "epoch") != 0 :
			!(factor >= FACTOR_MIN && factor <= FACTOR_MAX))
			return false;
	}
	return true;
}

/* A time_bucket() of this extension: rises with its second argument, but for those
 * of a time zone, which have five arguments. */
static bool
is_rising_bucket(Oid function, List *args)
{
	char	   *name = get_func_name(function);
	Oid			extension = get_extension_oid("tsdb", true);

	return name != NULL && strncmp(name, "time_bucket", strlen("time_bucket")) == 0 &&
		OidIsValid(extension) &&
		getExtensionOfObject(ProcedureRelationId, function) == extension &&
		list_length(args) <= 4;
}

/* A call of a function, whose one argument that is not a constant is a rising
 * expression: what does it make of that? */
static TsdbBucketRule
rule_of_call(Oid function, List *args, int argument)
{
	for (int i = 0; i < lengthof(rising); i++)
	{
		if (rising[i].function == function && rising[i].argument == argument &&
			constants_are(args, argument, rising[i].constants))
			return rising[i].rule;
	}
	return argument == 1 && is_rising_bucket(function, args) ? TSDB_BUCKET_RISING :
		TSDB_BUCKET_ANY;
}

static TsdbBucketRule
rule_of(Node *node)
{
	TsdbBucketRule inner;
	TsdbBucketRule outer;
	List	   *args;
	ListCell   *lc;
	Oid			function;
	int			argument = -1;

	if (IsA(node, Var))
		return TSDB_BUCKET_COLUMN;
	if (IsA(node, FuncExpr))
	{
		function = ((FuncExpr *) node)->funcid;
		args = ((FuncExpr *) node)->args;
	}
	else if (IsA(node, OpExpr))
	{
		set_opfuncid((OpExpr *) node);
		function = ((OpExpr *) node)->opfuncid;
		args = ((OpExpr *) node)->args;
	}
	else
		return TSDB_BUCKET_ANY;

	foreach(lc, args)
	{
		if (!contain_var_clause(lfirst(lc)))
			continue;
		if (argument >= 0)
			return TSDB_BUCKET_ANY;
		argument = foreach_current_index(lc);
	}
	if (argument < 0)
		return TSDB_BUCKET_ANY;
	inner = rule_of(list_nth(args, argument));
	outer = rule_of_call(function, args, argument);

	/* in the session's zone is the instant that the column says, not one computed */
	if (outer == TSDB_BUCKET_RISING_IN_ZONE && inner != TSDB_BUCKET_COLUMN)
		return TSDB_BUCKET_ANY;
	return Max(inner, outer);
}

/* Outer values, and results of subqueries, are not told to a node when they change
 * unless they are in its conditions. */
static bool
has_unknown(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param) && ((Param *) node)->paramkind != PARAM_EXTERN)
		return true;
	if (IsA(node, SubPlan) || IsA(node, AlternativeSubPlan) || IsA(node, PlaceHolderVar) ||
		IsA(node, Aggref) || IsA(node, GroupingFunc) || IsA(node, WindowFunc))
		return true;
	return expression_tree_walker(node, has_unknown, context);
}

bool
tsdb_bucket_rule(Node *expr, Index relid, TsdbBucketRule *rule)
{
	AttrNumber	attno = 0;
	List	   *vars;
	ListCell   *lc;

	if (has_unknown(expr, NULL) || contain_volatile_functions(expr) ||
		expression_returns_set(expr))
		return false;
	vars = pull_var_clause(expr, 0);
	foreach(lc, vars)
	{
		Var		   *var = lfirst(lc);

		if (var->varno != relid || var->varattno <= 0 || var->varlevelsup > 0 ||
			(attno != 0 && attno != var->varattno))
			return false;
		attno = var->varattno;
	}
	*rule = rule_of(expr);
	return attno != 0;
}

/* ---- number of buckets ---- */

/* An expression of one column, asked for its value at places of the column. */
typedef struct Probe
{
	PlannerInfo *root;
	Node	   *expr;
	Var		   *var;
	int64		place;
} Probe;

static Node *
put_place(Node *node, void *context)
{
	Probe	   *probe = context;

	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
	{
		int16		length;
		bool		by_value;

		/* integers, dates and times of all widths are Datums of themselves */
		get_typlenbyval(probe->var->vartype, &length, &by_value);
		return (Node *) makeConst(probe->var->vartype, probe->var->vartypmod,
								  probe->var->varcollid, length,
								  (Datum) probe->place, false, by_value);
	}
	return expression_tree_mutator(node, put_place, context);
}

static Node *
value_at(Probe *probe, int64 place)
{
	probe->place = place;
	return estimate_expression_value(probe->root, put_place(probe->expr, probe));
}

/* About the first place behind one where the value is another; end if there is none. */
static int64
find_change(Probe *probe, int64 from, int64 end, int64 step)
{
	Node	   *value = value_at(probe, from);
	int64		low = from;
	int64		high;

	while (end - low > step && equal(value, value_at(probe, low + step)))
	{
		low += step;
		step = Min(step * 3, end - low);
	}
	if (end - low <= step && equal(value, value_at(probe, end)))
		return end;
	high = Min(low + step, end);
	for (int i = 0; i < 5 && high - low > 1; i++)
	{
		int64		middle = low + (high - low) / 2;

		if (equal(value, value_at(probe, middle)))
			low = middle;
		else
			high = middle;
	}
	return high;
}

double
tsdb_bucket_count(PlannerInfo *root, Node *expr)
{
	Var		   *var = linitial(pull_var_clause(expr, 0));
	Probe		probe = {.root = root,.expr = expr,.var = var};
	VariableStatData data;
	AttStatsSlot slot;
	double		count = 0;

	if (!tsdb_group_runs_orders(var->vartype))
		return 0;
	examine_variable(root, (Node *) var, 0, &data);
	if (HeapTupleIsValid(data.statsTuple) &&
		get_attstatsslot(&slot, data.statsTuple, STATISTIC_KIND_HISTOGRAM, InvalidOid,
						 ATTSTATSSLOT_VALUES))
	{
		int64		low = tsdb_group_runs_order(var->vartype, slot.values[0]);
		int64		high = tsdb_group_runs_order(var->vartype, slot.values[slot.nvalues - 1]);
		int64		range;

		if (!pg_sub_s64_overflow(high, low, &range) && range > 0 &&
			IsA(value_at(&probe, low), Const))
		{
			int64		step = Max(range >> 20, 1);
			int64		begin = find_change(&probe, low, high, step);
			int64		end = find_change(&probe, begin, high, step);

			count = begin == high ? 2 : end == high ? 3 : (double) range / (end - begin) + 1;
		}
		free_attstatsslot(&slot);
	}
	ReleaseVariableStats(data);
	return count;
}
