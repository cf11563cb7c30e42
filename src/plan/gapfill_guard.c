/*
 * gapfill_guard.c
 *		Keep conditions on filled rows where they are.
 */
#include "postgres.h"

#include "plan/gapfill_guard.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "optimizer/tlist.h"
#include "parser/analyze.h"
#include "parser/parse_func.h"
#include "plan/gapfill_call.h"

static planner_hook_type previous_planner = NULL;
static post_parse_analyze_hook_type previous_post_parse_analyze = NULL;

static int	planner_depth = 0;

/* ---- wrapping ---- */

/* May a condition on this column, if it moves into the query, change its result? */
static bool
is_open(const Query *query, const TargetEntry *entry, List *times)
{
	ListCell   *lc;

	if (tsdb_gapfill_call((Node *) entry->expr) == TSDB_GAPFILL_COLUMN ||
		entry->resjunk || expression_returns_set((Node *) entry->expr))
		return false;
	foreach(lc, query->groupClause)
	{
		if (lfirst_node(SortGroupClause, lc)->tleSortGroupRef == entry->ressortgroupref)
			return list_intersection(pull_vars_of_level((Node *) entry->expr, 0), times) != NIL ||
				tsdb_gapfill_call((Node *) entry->expr) == TSDB_GAPFILL_BUCKET;
	}
	return true;
}

/* Columns that the bucket is computed from: conditions on them tell the range. */
static List *
time_columns(Query *query)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, query->groupClause)
	{
		Node	   *expr = get_sortgroupclause_expr(lfirst_node(SortGroupClause, lc),
													query->targetList);

		if (tsdb_gapfill_call(expr) == TSDB_GAPFILL_COLUMN)
			expr = linitial(((FuncExpr *) expr)->args);
		if (tsdb_gapfill_call(expr) == TSDB_GAPFILL_BUCKET)
			result = list_concat(result, pull_vars_of_level(expr, 0));
	}
	return result;
}

static void
wrap_columns(Query *query)
{
	Oid			argtypes[] = {ANYELEMENTOID};
	Oid			function = LookupFuncName(list_make2(makeString("_tsdb"),
													 makeString("gapfill_column")),
										  1, argtypes, false);
	List	   *times = time_columns(query);
	ListCell   *lc;

	foreach(lc, query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);
		Node	   *expr = (Node *) entry->expr;

		if (is_open(query, entry, times))
			entry->expr = (Expr *) makeFuncExpr(function, exprType(expr), list_make1(expr),
												exprCollation(expr), exprCollation(expr),
												COERCE_EXPLICIT_CALL);
	}
}

static bool
wrap_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		if (tsdb_gapfill_groups((Query *) node))
			wrap_columns((Query *) node);
		return query_tree_walker((Query *) node, wrap_walker, NULL, 0);
	}
	if (IsA(node, SubLink) && ((SubLink *) node)->subLinkType == EXISTS_SUBLINK)
	{
		Query	   *query = castNode(Query, ((SubLink *) node)->subselect);

		if (tsdb_gapfill_groups(query) && query->havingQual == NULL)
			query->havingQual = makeBoolConst(true, false);
	}
	return expression_tree_walker(node, wrap_walker, NULL);
}

static bool
has_subqueries(const Query *query)
{
	ListCell   *lc;

	if (query->hasSubLinks || query->cteList != NIL)
		return true;
	foreach(lc, query->rtable)
	{
		if (lfirst_node(RangeTblEntry, lc)->rtekind == RTE_SUBQUERY)
			return true;
	}
	return false;
}

static PlannedStmt *
plan(Query *query, const char *text, int options, ParamListInfo params)
{
	PlannedStmt *result;

	/* conditions can move into subqueries only, not into the query itself */
	if (has_subqueries(query))
		(void) query_tree_walker(query, wrap_walker, NULL, 0);

	planner_depth++;
	PG_TRY();
	{
		if (previous_planner != NULL)
			result = previous_planner(query, text, options, params);
		else
			result = standard_planner(query, text, options, params);
	}
	PG_FINALLY();
	{
		planner_depth--;
	}
	PG_END_TRY();
	return result;
}

/* The planner parses the body of an SQL function that it puts in place of a call. */
static void
post_parse_analyze(ParseState *pstate, Query *query, JumbleState *jumble)
{
	if (previous_post_parse_analyze != NULL)
		previous_post_parse_analyze(pstate, query, jumble);
	if (planner_depth > 0 && query->commandType == CMD_SELECT)
		(void) wrap_walker((Node *) query, NULL);
}

/* ---- checking ---- */

/* Is there a subquery into which any condition could have moved? */
static bool
has_open_gapfill(Query *query)
{
	ListCell   *lc;

	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);
		List	   *times;
		ListCell   *column;

		if (rte->rtekind != RTE_SUBQUERY || rte->subquery == NULL)
			continue;
		if (rte->subquery->setOperations != NULL && has_open_gapfill(rte->subquery))
			return true;
		if (!tsdb_gapfill_groups(rte->subquery))
			continue;
		times = time_columns(rte->subquery);
		foreach(column, rte->subquery->targetList)
		{
			if (is_open(rte->subquery, lfirst_node(TargetEntry, column), times))
				return true;
		}
	}
	return false;
}

static bool
has_quals_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if ((IsA(node, FromExpr) && ((FromExpr *) node)->quals != NULL) ||
		(IsA(node, JoinExpr) && ((JoinExpr *) node)->quals != NULL))
		return true;
	return expression_tree_walker(node, has_quals_walker, NULL);
}

void
tsdb_gapfill_guard_check(PlannerInfo *root)
{
	PlannerInfo *parent = root->parent_root;
	bool		has_quals = false;

	/* the branches of UNION and the like are planned in place: only the query around has
	 * them as they were */
	while (parent != NULL && parent->parse->setOperations != NULL)
		parent = parent->parent_root;
	if (parent == NULL || root->parse->limitCount != NULL || root->parse->limitOffset != NULL ||
		!has_open_gapfill(parent->parse))
		return;
	for (PlannerInfo *around = parent; around != NULL; around = around->parent_root)
		has_quals |= has_quals_walker((Node *) around->parse->jointree, NULL) ||
			around->parse->havingQual != NULL;
	if (has_quals)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot tell conditions on the result of time_bucket_gapfill() from those of its query"),
				 errdetail("The query is in a function that is inlined, or is the session's first use of tsdb."),
				 errhint("Add LIMIT ALL to the query with time_bucket_gapfill(), or load tsdb with shared_preload_libraries or session_preload_libraries.")));
}

void
tsdb_gapfill_guard_init(void)
{
	previous_planner = planner_hook;
	planner_hook = plan;
	previous_post_parse_analyze = post_parse_analyze_hook;
	post_parse_analyze_hook = post_parse_analyze;
}
