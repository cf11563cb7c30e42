/*
 * publication_guard.c
 *		Keep internal relations out of lists of published tables.
 */
#include "postgres.h"

#include "plan/publication_guard.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "store/internal.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(tsdb_is_internal);

static planner_hook_type previous_planner = NULL;

Datum
tsdb_is_internal(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!PG_ARGISNULL(0) && tsdb_internal_is_oid(PG_GETARG_OID(0)));
}

/* OID of _tsdb.is_internal(oid); invalid if the extension is not there. */
static Oid
is_internal_oid(void)
{
	Oid			argument = OIDOID;
	Oid			namespace_oid = get_namespace_oid(TSDB_INTERNAL_SCHEMA, true);

	if (!OidIsValid(namespace_oid))
		return InvalidOid;
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum("is_internal"),
						   PointerGetDatum(buildoidvector(&argument, 1)),
						   ObjectIdGetDatum(namespace_oid));
}

/* Of the rows of this range table entry, drop those for internal relations. */
static void
guard_function(Query *query, Index index, RangeTblEntry *rte)
{
	AttrNumber	attno = 1;		/* "relid" is the function's first column */
	ListCell   *lc;

	foreach(lc, rte->functions)
	{
		RangeTblFunction *function = lfirst(lc);
		FuncExpr   *call = (FuncExpr *) function->funcexpr;

		if (IsA(call, FuncExpr) && call->funcid == F_PG_GET_PUBLICATION_TABLES)
		{
			Oid			is_internal = is_internal_oid();
			Var		   *relid = makeVar(index, attno, OIDOID, -1, InvalidOid, 0);
			FuncExpr   *test;

			if (!OidIsValid(is_internal))
				return;
			test = makeFuncExpr(is_internal, BOOLOID, list_make1(relid), InvalidOid,
								InvalidOid, COERCE_EXPLICIT_CALL);
			query->jointree->quals =
				make_and_qual(query->jointree->quals,
							  (Node *) make_notclause((Expr *) test));
		}
		attno += function->funccolcount;
	}
}

static bool
guard_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;
		Index		index = 1;
		ListCell   *lc;

		foreach(lc, query->rtable)
		{
			RangeTblEntry *rte = lfirst(lc);

			if (rte->rtekind == RTE_FUNCTION)
				guard_function(query, index, rte);
			else if (rte->rtekind == RTE_SUBQUERY)
				(void) guard_walker((Node *) rte->subquery, context);
			index++;
		}
		foreach(lc, query->cteList)
			(void) guard_walker(((CommonTableExpr *) lfirst(lc))->ctequery, context);

		/* Expressions matter only if they have queries in them. */
		return query->hasSubLinks &&
			query_tree_walker(query, guard_walker, context,
							  QTW_IGNORE_RT_SUBQUERIES | QTW_IGNORE_CTE_SUBQUERIES);
	}
	return expression_tree_walker(node, guard_walker, context);
}

static PlannedStmt *
plan(Query *query, const char *query_string, int cursor_options, ParamListInfo params)
{
	(void) guard_walker((Node *) query, NULL);
	return (previous_planner != NULL ? previous_planner : standard_planner)
		(query, query_string, cursor_options, params);
}

void
tsdb_publication_guard_init(void)
{
	previous_planner = planner_hook;
	planner_hook = plan;
}
