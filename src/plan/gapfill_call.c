/*
 * gapfill_call.c
 *		Finds the calls of time_bucket_gapfill(), locf() and interpolate() in a query.
 */
#include "postgres.h"

#include "plan/gapfill_call.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

static const struct
{
	const char *prefix;			/* of the name in the library */
	TsdbGapfillCall call;
} functions[] =
{
	{"tsdb_gapfill_bucket_", TSDB_GAPFILL_BUCKET},
	{"tsdb_gapfill_locf", TSDB_GAPFILL_LOCF},
	{"tsdb_gapfill_interpolate", TSDB_GAPFILL_INTERPOLATE},
	{"tsdb_gapfill_column", TSDB_GAPFILL_COLUMN}
};

static TsdbGapfillCall
function_call(Oid function)
{
	TsdbGapfillCall result = TSDB_GAPFILL_NONE;
	HeapTuple	tuple;

	if (function < FirstNormalObjectId)
		return TSDB_GAPFILL_NONE;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		return TSDB_GAPFILL_NONE;
	if (((Form_pg_proc) GETSTRUCT(tuple))->prolang == ClanguageId)
	{
		bool		is_null;
		Datum		name = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &is_null);
		char	   *symbol = is_null ? NULL : TextDatumGetCString(name);

		for (int i = 0; symbol != NULL && i < lengthof(functions); i++)
		{
			if (strncmp(symbol, functions[i].prefix, strlen(functions[i].prefix)) == 0)
				result = functions[i].call;
		}
	}
	ReleaseSysCache(tuple);
	return result;
}

TsdbGapfillCall
tsdb_gapfill_call(const Node *expr)
{
	return expr != NULL && IsA(expr, FuncExpr) ? function_call(((const FuncExpr *) expr)->funcid) :
		TSDB_GAPFILL_NONE;
}

bool
tsdb_gapfill_groups(Query *query)
{
	ListCell   *lc;

	foreach(lc, query->groupClause)
	{
		SortGroupClause *clause = lfirst_node(SortGroupClause, lc);
		Node	   *expr = get_sortgroupclause_expr(clause, query->targetList);

		if (tsdb_gapfill_call(expr) == TSDB_GAPFILL_COLUMN)
			expr = linitial(((FuncExpr *) expr)->args);
		if (tsdb_gapfill_call(expr) == TSDB_GAPFILL_BUCKET)
			return true;
	}
	return false;
}

/* ---- finding ---- */

typedef struct FindContext
{
	TsdbGapfillCalls *calls;
	bool		in_aggregate;
	bool		in_fill;
	const char *clause;			/* where locf() and interpolate() may not be, or NULL */
} FindContext;

static void
refuse_second_bucket(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_GROUPING_ERROR),
			 errmsg("a query can call time_bucket_gapfill() only once"),
			 errhint("Group by the other buckets in a subquery.")));
}

static void
check_bucket(FindContext *context, FuncExpr *call)
{
	if (context->calls->bucket == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_GROUPING_ERROR),
				 errmsg("time_bucket_gapfill() must be an item of GROUP BY by itself"),
				 errhint("Compute with the bucket in a query around this one.")));
	if (!equal(call, context->calls->bucket))
		refuse_second_bucket();
}

static void
check_fill(FindContext *context, const char *name)
{
	const char *problem = NULL;

	if (context->calls->bucket == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_GROUPING_ERROR),
				 errmsg("%s() needs time_bucket_gapfill() in GROUP BY of the same query", name)));
	if (context->in_fill)
		problem = "another locf() or interpolate()";
	else if (context->in_aggregate)
		problem = "an aggregate function";
	else
		problem = context->clause;
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_GROUPING_ERROR),
				 errmsg("%s() cannot be inside of %s", name, problem),
				 errhint("Compute with filled values in a query around this one.")));
}

static bool
find_walker(Node *node, FindContext *context)
{
	TsdbGapfillCall call = tsdb_gapfill_call(node);
	bool	   *flag = NULL;
	bool		result;

	if (node == NULL)
		return false;
	if (call == TSDB_GAPFILL_BUCKET)
	{
		check_bucket(context, (FuncExpr *) node);
		return false;
	}
	if (call == TSDB_GAPFILL_LOCF || call == TSDB_GAPFILL_INTERPOLATE)
	{
		check_fill(context, call == TSDB_GAPFILL_LOCF ? "locf" : "interpolate");
		context->calls->fills = list_append_unique(context->calls->fills, node);
		flag = &context->in_fill;
	}
	else if (IsA(node, Aggref))
		flag = &context->in_aggregate;
	else if (IsA(node, WindowFunc) && context->in_fill)
		ereport(ERROR,
				(errcode(ERRCODE_GROUPING_ERROR),
				 errmsg("locf() and interpolate() cannot fill window functions"),
				 errhint("Apply the window function to the filled value.")));

	if (flag == NULL || *flag)
		return expression_tree_walker(node, find_walker, context);
	*flag = true;
	result = expression_tree_walker(node, find_walker, context);
	*flag = false;
	return result;
}

bool
tsdb_gapfill_find_calls(PlannerInfo *root, TsdbGapfillCalls *calls)
{
	Query	   *query = root->parse;
	FindContext context = {.calls = calls};
	ListCell   *lc;

	*calls = (TsdbGapfillCalls) {0};
	foreach(lc, query->groupClause)
	{
		SortGroupClause *clause = lfirst_node(SortGroupClause, lc);
		Node	   *expr = get_sortgroupclause_expr(clause, root->processed_tlist);

		if (tsdb_gapfill_call(expr) != TSDB_GAPFILL_BUCKET)
			continue;
		if (calls->bucket != NULL)
			refuse_second_bucket();
		calls->bucket = (FuncExpr *) expr;
		calls->bucket_clause = clause;
	}
	(void) find_walker((Node *) root->processed_tlist, &context);
	context.clause = "HAVING";
	(void) find_walker(query->havingQual, &context);
	if (calls->bucket == NULL)
		return false;

	context.clause = "GROUP BY";
	(void) find_walker((Node *) get_sortgrouplist_exprs(query->groupClause,
														root->processed_tlist), &context);
	/* in its own arguments there can be no call that is the same */
	(void) find_walker((Node *) calls->bucket->args, &context);

	/* what is above a set-returning function would compute them from their parts */
	if (query->hasTargetSRFs && calls->fills != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("locf() and interpolate() are not supported beside set-returning functions"),
				 errhint("Call set-returning functions in a query around this one.")));
	if (query->groupingSets != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("time_bucket_gapfill() is not supported with GROUPING SETS, ROLLUP and CUBE")));
	return true;
}

/* ---- arguments ---- */

bool
tsdb_gapfill_is_simple(Expr *expr)
{
	return !contain_var_clause((Node *) expr) && !contain_volatile_functions((Node *) expr) &&
		!contain_subplans((Node *) expr) && !contain_agg_clause((Node *) expr);
}

static bool
is_null_const(const Expr *expr)
{
	return IsA(expr, Const) && ((const Const *) expr)->constisnull;
}

static void
check_simple(Expr *expr, const char *name)
{
	if (expr != NULL && !tsdb_gapfill_is_simple(expr))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of time_bucket_gapfill() must be the same for all rows", name),
				 errdetail("It cannot contain columns of the query, correlated subqueries or volatile functions.")));
}

void
tsdb_gapfill_get_args(const FuncExpr *call, TsdbGapfillArgs *args)
{
	int			n = list_length(call->args);
	Expr	   *start = list_nth(call->args, n - 2);
	Expr	   *finish = list_nth(call->args, n - 1);

	Assert(n == 4 || n == 5);
	args->width = linitial(call->args);
	args->time = lsecond(call->args);
	args->zone = n == 5 ? lthird(call->args) : NULL;
	args->start = is_null_const(start) ? NULL : start;
	args->finish = is_null_const(finish) ? NULL : finish;
	check_simple(args->width, "bucket_width");
	check_simple(args->zone, "timezone");
	check_simple(args->start, "start");
	check_simple(args->finish, "finish");
	if (is_null_const(args->time))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("ts of time_bucket_gapfill() must not be null")));
}
