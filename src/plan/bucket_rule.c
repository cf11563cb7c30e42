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
#include "exec/number.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/timestamp.h"

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
 * of a time zone, which have five arguments, and those with an offset of months, which
 * makes the last days of a month one. */
static bool
is_rising_bucket(Oid function, List *args)
{
	char	   *name = get_func_name(function);
	Oid			extension = get_extension_oid("tsdb", true);
	Const	   *offset = list_length(args) == 3 ? lthird(args) : NULL;

	if (offset != NULL && exprType((Node *) offset) == INTERVALOID &&
		(!IsA(offset, Const) || offset->constisnull ||
		 DatumGetIntervalP(offset->constvalue)->month != 0))
		return false;
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

/* What an expression makes of its column, in units of the column. */
typedef struct Steps
{
	double		unit;			/* by which the column grows when the value grows by one */
	double		width;			/* of what has the same value, about */
} Steps;

static double
interval_width(const Interval *interval)
{
	return interval->time + (double) USECS_PER_DAY *
		(interval->day + (double) DAYS_PER_MONTH * interval->month);
}

/* Of date_trunc()'s first argument, in microseconds; 0 if it is not known. */
static double
field_width(const char *field)
{
	static const struct
	{
		const char *name;
		double		width;
	}			fields[] = {
		{"second", USECS_PER_SEC},
		{"minute", USECS_PER_MINUTE},
		{"hour", USECS_PER_HOUR},
		{"day", USECS_PER_DAY},
		{"week", 7.0 * USECS_PER_DAY},
		{"month", 30.0 * USECS_PER_DAY},
		{"quarter", 91.0 * USECS_PER_DAY},
		{"year", 365.0 * USECS_PER_DAY},
	};

	for (int i = 0; i < lengthof(fields); i++)
	{
		if (pg_strcasecmp(field, fields[i].name) == 0)
			return fields[i].width;
	}
	return 0;
}

/* The number that a constant stands for: of a text the width of that field of a time. */
static double
value_of(Const *constant)
{
	Oid			output;
	bool		is_varlena;

	if (!IsA(constant, Const) || constant->constisnull)
		return 0;
	if (constant->consttype == INTERVALOID)
		return interval_width(DatumGetIntervalP(constant->constvalue));
	if (constant->consttype == TEXTOID)
		return field_width(TextDatumGetCString(constant->constvalue));
	getTypeOutputInfo(constant->consttype, &output, &is_varlena);
	return strtod(OidOutputFunctionCall(output, constant->constvalue), NULL);
}

static void
follow(Node *node, Steps *steps)
{
	List	   *args;
	ListCell   *lc;
	Oid			function;
	double		constant = 0;
	bool		to_column;

	if (!IsA(node, FuncExpr) && !IsA(node, OpExpr))
		return;
	function = IsA(node, FuncExpr) ? ((FuncExpr *) node)->funcid : ((OpExpr *) node)->opfuncid;
	args = IsA(node, FuncExpr) ? ((FuncExpr *) node)->args : ((OpExpr *) node)->args;
	foreach(lc, args)
	{
		if (contain_var_clause(lfirst(lc)))
			follow(lfirst(lc), steps);
		else if (constant == 0)
			constant = value_of(lfirst(lc));
	}
	switch (function)
	{
		case F_EXTRACT_TEXT_TIMESTAMP:
		case F_EXTRACT_TEXT_TIMESTAMPTZ:
		case F_DATE_PART_TEXT_TIMESTAMP:
		case F_DATE_PART_TEXT_TIMESTAMPTZ:
			steps->unit *= USECS_PER_SEC;
			return;
		case F_NUMERIC_DIV:
		case F_FLOAT8DIV:
			steps->unit *= constant > 0 ? constant : 1;
			return;
		case F_INT4DIV:
		case F_INT8DIV:
		case F_INT84DIV:
			steps->unit *= constant > 0 ? constant : 1;
			steps->width = Max(steps->width, steps->unit);
			return;
		case F_NUMERIC_MUL:
		case F_FLOAT8MUL:
		case F_INT4MUL:
		case F_INT8MUL:
		case F_INT84MUL:
		case F_INT48MUL:
			steps->unit /= constant > 0 ? constant : 1;
			return;
		case F_FLOOR_NUMERIC:
		case F_FLOOR_FLOAT8:
		case F_CEIL_NUMERIC:
		case F_CEIL_FLOAT8:
		case F_INT4_NUMERIC:
		case F_INT8_NUMERIC:
		case F_INT4_FLOAT8:
		case F_INT8_FLOAT8:
			steps->width = Max(steps->width, steps->unit);
			return;
		case F_DATE_TIMESTAMP:
		case F_DATE_TIMESTAMPTZ:
			steps->width = Max(steps->width, (double) USECS_PER_DAY);
			return;
		default:
			/* a bucket's width comes first, in units of the time that it is of */
			to_column = list_length(args) > 1 && exprType(lsecond(args)) == DATEOID &&
				exprType(linitial(args)) == INTERVALOID;
			steps->width = Max(steps->width,
							   constant / (to_column ? (double) USECS_PER_DAY : 1));
	}
}

/* The column's range as ANALYZE knows it, without infinite times. */
static double
range_of(PlannerInfo *root, Var *var)
{
	VariableStatData data;
	AttStatsSlot slot;
	double		range = 0;

	examine_variable(root, (Node *) var, 0, &data);
	if (HeapTupleIsValid(data.statsTuple) &&
		get_attstatsslot(&slot, data.statsTuple, STATISTIC_KIND_HISTOGRAM, InvalidOid,
						 ATTSTATSSLOT_VALUES))
	{
		int			first = slot.nvalues > 2 ? 1 : 0;
		int			last = slot.nvalues - 1 - first;

		range = (double) tsdb_number_get_integer(var->vartype, slot.values[last]) -
			(double) tsdb_number_get_integer(var->vartype, slot.values[first]);
		range *= (slot.nvalues - 1.0) / Max(last - first, 1);
		free_attstatsslot(&slot);
	}
	ReleaseVariableStats(data);
	return range;
}

double
tsdb_bucket_count(PlannerInfo *root, Node *expr)
{
	Var		   *var = linitial(pull_var_clause(expr, 0));
	Steps		steps = {.unit = 1,.width = 0};
	double		range;

	if (!tsdb_number_is_integer(var->vartype))
		return 0;
	follow(expr, &steps);
	range = range_of(root, var);
	return steps.width > 0 && range > 0 ? range / steps.width + 1 : 0;
}
