/*
 * gapfill_bounds.c
 *		Where the range of time_bucket_gapfill() begins and ends.
 */
#include "postgres.h"

#include "plan/gapfill_bounds.h"

#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "exec/gap_range.h"
#include "exec/gapfill.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

typedef struct SearchContext
{
	Expr	   *time;
	Oid			opfamily;		/* of its comparisons */
	bool		want_start;
	bool		want_finish;
	bool		has_start;
	bool		has_finish;
	bool		never;			/* conditions are known to be false */
	List	   *bounds;
} SearchContext;

static void
add_bound(SearchContext *context, int strategy, Expr *expr)
{
	TsdbGapBound *bound = palloc(sizeof(TsdbGapBound));

	bound->strategy = strategy;
	bound->expr = expr;
	context->bounds = lappend(context->bounds, bound);
	if (strategy >= BTGreaterEqualStrategyNumber)
		context->has_start = true;
	else
		context->has_finish = true;
}

static bool
is_time_type(Oid type)
{
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return true;
		default:
			return false;
	}
}

static void
search_condition(SearchContext *context, Node *node)
{
	OpExpr	   *op;
	Oid			operator;
	Expr	   *other;
	int			strategy;

	if (node != NULL && IsA(node, Const))
	{
		Const	   *value = (Const *) node;

		if (value->constisnull || !DatumGetBool(value->constvalue))
			context->never = true;
		return;
	}
	if (node == NULL || !IsA(node, OpExpr) || list_length(((OpExpr *) node)->args) != 2)
		return;

	op = (OpExpr *) node;
	operator = op->opno;
	if (equal(linitial(op->args), context->time))
		other = lsecond(op->args);
	else if (equal(lsecond(op->args), context->time))
	{
		other = linitial(op->args);
		operator = get_commutator(operator);
	}
	else
		return;
	strategy = OidIsValid(operator) ? get_op_opfamily_strategy(operator, context->opfamily) : 0;
	if (strategy == 0 || strategy == BTEqualStrategyNumber ||
		!is_time_type(exprType((Node *) other)) || !tsdb_gapfill_is_simple(other))
		return;
	if (strategy >= BTGreaterEqualStrategyNumber ? context->want_start : context->want_finish)
		add_bound(context, strategy, other);
}

static void
search_conditions(SearchContext *context, Node *quals)
{
	ListCell   *lc;

	foreach(lc, castNode(List, quals))
		search_condition(context, lfirst(lc));
}

/* Search what all rows of the result must fulfil. */
static void
search_join(SearchContext *context, Node *node)
{
	if (IsA(node, FromExpr))
	{
		FromExpr   *from = (FromExpr *) node;
		ListCell   *lc;

		search_conditions(context, from->quals);
		foreach(lc, from->fromlist)
			search_join(context, lfirst(lc));
	}
	else if (IsA(node, JoinExpr))
	{
		JoinExpr   *join = (JoinExpr *) node;

		if (join->jointype == JOIN_INNER || join->jointype == JOIN_SEMI)
		{
			search_conditions(context, join->quals);
			search_join(context, join->rarg);
		}
		if (join->jointype == JOIN_INNER || join->jointype == JOIN_SEMI ||
			join->jointype == JOIN_LEFT || join->jointype == JOIN_ANTI)
			search_join(context, join->larg);
		if (join->jointype == JOIN_RIGHT)
			search_join(context, join->rarg);
	}
}

static void
refuse_missing(const char *which)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("missing %s of time_bucket_gapfill()", which),
			 errdetail("It is not given, and no condition of the query compares the time with a value that is the same for all rows."),
			 errhint("Specify start and finish as arguments or in the WHERE clause.")));
}

List *
tsdb_gapfill_bounds(PlannerInfo *root, const TsdbGapfillArgs *args, Oid type)
{
	SearchContext context = {.time = args->time};

	context.opfamily = lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY)->btree_opf;
	context.want_start = args->start == NULL;
	context.want_finish = args->finish == NULL;
	if (args->start != NULL)
		add_bound(&context, BTGreaterEqualStrategyNumber, args->start);
	if (args->finish != NULL)
		add_bound(&context, BTLessStrategyNumber, args->finish);
	search_join(&context, (Node *) root->parse->jointree);

	if (context.never && (!context.has_start || !context.has_finish))
	{
		/* an empty range, at a time that all types have a bucket of */
		Expr	   *zero = (Expr *) makeConst(type, -1, InvalidOid, get_typlen(type),
											  tsdb_gap_datum(0, type), false,
											  get_typbyval(type));

		context.bounds = NIL;
		add_bound(&context, BTGreaterEqualStrategyNumber, zero);
		add_bound(&context, BTLessStrategyNumber, zero);
	}
	if (!context.has_start)
		refuse_missing("start");
	if (!context.has_finish)
		refuse_missing("finish");
	return context.bounds;
}
