/*
 * distinct_path.c
 *		Offers the planner the first row of each series without reading the others.
 */
#include "postgres.h"

#include "plan/distinct_path.h"

#include <math.h>

#include "access/table.h"
#include "exec/distinct_scan.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planner.h"
#include "optimizer/restrictinfo.h"
#include "optimizer/tlist.h"
#include "plan/scan_clauses.h"
#include "plan/scan_path.h"
#include "plan/seek_path.h"
#include "store/key_columns.h"
#include "store/table_key.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/typcache.h"

/* Looking at a chunk that is beaten, and opening one, in units of a sequential page read. */
#define LOOK_COST		0.02
#define OPEN_COST		2.0

static create_upper_paths_hook_type previous_hook = NULL;

static Plan *
make_plan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses,
		  List *custom_plans)
{
	TsdbDistinctPlan *plan = linitial(path->custom_private);
	CustomScan *scan = tsdb_clauses_make_scan(root, rel, path, tlist, clauses,
											  &tsdb_distinct_scan_methods, &plan->columns);
	ListCell   *lc;

	foreach(lc, plan->keys)
		plan->columns = list_append_unique_int(plan->columns, lfirst_int(lc));
	plan->columns = list_append_unique_int(plan->columns, plan->order);
	scan->custom_private = tsdb_distinct_plan_make(plan);
	return &scan->scan.plan;
}

static const CustomPathMethods path_methods = {
	.CustomName = "tsdb distinct",
	.PlanCustomPath = make_plan
};

/* The column of the relation that a sort clause names, or NULL. */
static Var *
clause_column(const PlannerInfo *root, const RelOptInfo *rel, SortGroupClause *clause)
{
	Var		   *var = (Var *) get_sortgroupclause_expr(clause, root->processed_tlist);

	return IsA(var, Var) && var->varno == rel->relid && var->varattno > 0 &&
		var->varlevelsup == 0 ? var : NULL;
}

static bool
is_series_column(const TsdbSortKey *key, AttrNumber attno)
{
	for (int i = 0; i < key->nseries; i++)
	{
		if (key->series[i] == attno)
			return true;
	}
	return false;
}

/* Is the operator of the clause one of the type's default order, and is that the rough order of the
 * column, which is passed by value? */
static bool
can_decide(Relation table, const Var *var, Oid operator)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(table), var->varattno - 1);
	TypeCacheEntry *type = lookup_type_cache(getBaseType(att->atttypid),
											 TYPECACHE_LT_OPR | TYPECACHE_GT_OPR);
	TsdbKeyColumn column;

	tsdb_key_column_describe(att, &column);
	return att->attbyval && tsdb_key_rank_is_order(column.rank) &&
		(operator == type->lt_opr || operator == type->gt_opr);
}

/* Understand DISTINCT ON and ORDER BY of the query. */
static bool
understand(const PlannerInfo *root, const RelOptInfo *rel, Relation table,
		   TsdbDistinctPlan *plan, List **key_exprs)
{
	const Query *parse = root->parse;
	int			nkeys = list_length(parse->distinctClause);
	TsdbSortKey key;
	ListCell   *lc;
	SortGroupClause *clause;
	Var		   *var;

	/* as many path keys as clauses: none is known to be constant or twice there */
	if (list_length(parse->sortClause) <= nkeys || !grouping_is_hashable(parse->distinctClause) ||
		list_length(root->distinct_pathkeys) != nkeys ||
		list_length(root->sort_pathkeys) != list_length(parse->sortClause))
		return false;
	tsdb_table_key(table, &key);
	foreach(lc, parse->distinctClause)
	{
		clause = lfirst_node(SortGroupClause, lc);
		var = clause_column(root, rel, clause);
		if (var == NULL || !is_series_column(&key, var->varattno))
			return false;
		plan->keys = lappend_int(plan->keys, var->varattno);
		plan->equal = lappend_oid(plan->equal, clause->eqop);
		plan->collations = lappend_oid(plan->collations, var->varcollid);
		*key_exprs = lappend(*key_exprs, var);
	}
	/* ORDER BY begins with the same columns, in whatever order */
	clause = list_nth_node(SortGroupClause, parse->sortClause, nkeys);
	var = clause_column(root, rel, clause);
	if (var == NULL || !can_decide(table, var, clause->sortop))
		return false;
	plan->order = var->varattno;
	plan->operator = clause->sortop;
	plan->nulls_first = clause->nulls_first;
	plan->ties = list_length(parse->sortClause) > nkeys + 1;
	return true;
}

static void
add_distinct_path(PlannerInfo *root, RelOptInfo *rel, RelOptInfo *input, RelOptInfo *output,
				  TsdbDistinctPlan *plan, List *key_exprs)
{
	CustomPath *custom = makeNode(CustomPath);
	Path	   *path = &custom->path;
	double		series = estimate_num_groups(root, key_exprs, rel->rows, NULL, NULL);
	double		chunks = Max(ceil(rel->tuples / TSDB_CHUNK_ROWS), 1);

	path->pathtype = T_CustomScan;
	path->parent = rel;
	path->pathtarget = rel->reltarget;
	path->parallel_safe = false;
	custom->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	custom->methods = &path_methods;
	custom->custom_private = list_make1(plan);

	/* the last chunk of a series mostly begins another one */
	path->rows = Min(2 * series, rel->rows);
	path->startup_cost = rel->baserestrictcost.startup + path->pathtarget->cost.startup;
	path->total_cost = path->startup_cost + chunks * LOOK_COST +
		Min(2 * series, chunks) * OPEN_COST +
		path->rows * (cpu_tuple_cost + rel->baserestrictcost.per_tuple +
					  path->pathtarget->cost.per_tuple);

	path = (Path *) create_projection_path(root, input, path,
										   input->cheapest_total_path->pathtarget);
	path = (Path *) create_sort_path(root, output, path, root->sort_pathkeys, -1);
	add_path(output, (Path *)
			 create_upper_unique_path(root, output, path, list_length(root->distinct_pathkeys),
									  series));
}

static void
upper_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input, RelOptInfo *output,
			void *extra)
{
	const Query *parse = root->parse;
	TsdbDistinctPlan *plan;
	List	   *key_exprs = NIL;
	RelOptInfo *rel;
	List	   *quals;
	Relation	table;
	int			relid;

	if (previous_hook != NULL)
		previous_hook(root, stage, input, output, extra);
	if (stage != UPPERREL_DISTINCT || !tsdb_enable_seek || !parse->hasDistinctOn ||
		parse->hasAggs || parse->hasWindowFuncs || parse->hasTargetSRFs ||
		parse->groupClause != NIL || parse->groupingSets != NIL || parse->havingQual != NULL ||
		!bms_get_singleton_member(root->all_baserels, &relid))
		return;
	rel = root->simple_rel_array[relid];
	quals = extract_actual_clauses(rel->baserestrictinfo, false);
	if (rel->reloptkind != RELOPT_BASEREL || rel->lateral_relids != NULL ||
		contain_volatile_functions((Node *) quals) || contain_subplans((Node *) quals))
		return;
	table = tsdb_scan_path_open_table(root, rel);
	if (table == NULL)
		return;
	plan = palloc0(sizeof(TsdbDistinctPlan));
	if (understand(root, rel, table, plan, &key_exprs))
		add_distinct_path(root, rel, input, output, plan, key_exprs);
	table_close(table, NoLock);
}

void
tsdb_distinct_path_init(void)
{
	tsdb_distinct_scan_init();
	previous_hook = create_upper_paths_hook;
	create_upper_paths_hook = upper_paths;
}
