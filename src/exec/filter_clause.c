/*
 * filter_clause.c
 *		A clause of a chunk filter, taken apart.
 */
#include "postgres.h"

#include "exec/filter_clause.h"

#include "access/nbtree.h"
#include "catalog/pg_type.h"
#include "exec/number.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/pg_locale.h"
#include "utils/typcache.h"

static TsdbLane
lane_of(Oid type)
{
	if (tsdb_number_is_integer(type))
		return TSDB_LANE_INTEGER;
	return type == FLOAT4OID || type == FLOAT8OID ? TSDB_LANE_FLOAT : TSDB_LANE_NONE;
}

static bool
is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

/* Do both sides count the same thing, so that their numbers can be compared? */
static TsdbLane
common_lane(Oid type, Oid argument_type)
{
	TsdbLane	lane = lane_of(type);

	if (lane == TSDB_LANE_FLOAT)
		return lane_of(argument_type) == TSDB_LANE_FLOAT ? TSDB_LANE_FLOAT : TSDB_LANE_NONE;
	return type == argument_type || (is_integer(type) && is_integer(argument_type)) ?
		lane : TSDB_LANE_NONE;
}

/* A column of the relation, perhaps seen as a type of the same representation. */
static Var *
column_of(Node *node, Index relid)
{
	Var		   *var;

	if (IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	var = (Var *) node;
	return IsA(node, Var) && var->varno == relid && var->varattno > 0 &&
		var->varlevelsup == 0 ? var : NULL;
}

/* Is it the same throughout the scan?  Columns of other relations will be parameters. */
static bool
is_known(Node *node, Index relid)
{
	return !bms_is_member(relid, pull_varnos(NULL, node)) &&
		!contain_volatile_functions(node) && !contain_subplans(node);
}

/* Statistics of strings are in order of bytes: what compares so? */
static bool
takes_bytes(TsdbClause *clause)
{
	switch (clause->type)
	{
		case BYTEAOID:
			return clause->argument_type == BYTEAOID;
		case TEXTOID:
		case VARCHAROID:
			return clause->strategy == BTEqualStrategyNumber &&
				clause->argument_type == TEXTOID && OidIsValid(clause->collation) &&
				get_collation_isdeterministic(clause->collation);
		default:
			return false;
	}
}

static bool
is_string(Oid type)
{
	return type == TEXTOID || type == VARCHAROID || type == BPCHAROID || type == NAMEOID;
}

/* Look up the operator, whose left side is the column. */
static bool
understand_operator(TsdbClause *clause, Oid operator)
{
	TypeCacheEntry *cache = lookup_type_cache(clause->type, TYPECACHE_BTREE_OPFAMILY);
	Oid			left;
	Oid			right;

	if (!OidIsValid(operator) || !OidIsValid(cache->btree_opf) ||
		!op_in_opfamily(operator, cache->btree_opf))
		return false;
	get_op_opfamily_properties(operator, cache->btree_opf, false, &clause->strategy, &left,
							   &right);
	clause->argument_type = right;

	/* where clocks are put forward, later local times may be earlier instants */
	if (right == TIMESTAMPTZOID && clause->type != TIMESTAMPTZOID)
		return false;
	clause->compare = get_opfamily_proc(cache->btree_opf, left, right, BTORDER_PROC);
	clause->lane = common_lane(clause->type, right);
	clause->bytes = takes_bytes(clause);
	if (clause->bytes && clause->strategy == BTEqualStrategyNumber)
		clause->lane = TSDB_LANE_BYTES;
	return OidIsValid(clause->compare) && (clause->bytes || !is_string(clause->type));
}

bool
tsdb_clause_understand(Expr *expr, Index relid, TsdbClause *clause)
{
	Var		   *var;

	memset(clause, 0, sizeof(*clause));
	if (IsA(expr, NullTest))
	{
		NullTest   *test = (NullTest *) expr;

		var = test->argisrow ? NULL : column_of((Node *) test->arg, relid);
		if (var == NULL)
			return false;
		clause->kind = test->nulltesttype == IS_NULL ? TSDB_CLAUSE_IS_NULL : TSDB_CLAUSE_IS_NOT_NULL;
		clause->attno = var->varattno;
		return true;
	}
	if (IsA(expr, OpExpr) && list_length(((OpExpr *) expr)->args) == 2)
	{
		OpExpr	   *op = (OpExpr *) expr;
		Node	   *left = linitial(op->args);
		Node	   *right = lsecond(op->args);
		Oid			operator = op->opno;

		var = column_of(left, relid);
		if (var == NULL)
		{
			var = column_of(right, relid);
			right = left;
			operator = get_commutator(operator);
		}
		if (var == NULL || !is_known(right, relid))
			return false;
		clause->kind = TSDB_CLAUSE_COMPARE;
		clause->attno = var->varattno;
		clause->type = getBaseType(var->vartype);
		clause->collation = op->inputcollid;
		clause->argument = (Expr *) right;
		return understand_operator(clause, operator);
	}
	if (IsA(expr, ScalarArrayOpExpr))
	{
		ScalarArrayOpExpr *op = (ScalarArrayOpExpr *) expr;

		var = column_of(linitial(op->args), relid);
		if (var == NULL || !op->useOr || !is_known(lsecond(op->args), relid))
			return false;
		clause->kind = TSDB_CLAUSE_ANY;
		clause->attno = var->varattno;
		clause->type = getBaseType(var->vartype);
		clause->collation = op->inputcollid;
		clause->argument = lsecond(op->args);
		return understand_operator(clause, op->opno) &&
			clause->strategy == BTEqualStrategyNumber;
	}
	return false;
}
