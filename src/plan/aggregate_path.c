/*
 * aggregate_path.c
 *		Offers the planner aggregation by columns.
 */
#include "postgres.h"

#include "plan/aggregate_path.h"

#include "access/sysattr.h"
#include "exec/aggregate_scan.h"
#include "exec/vector_aggregate.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planner.h"
#include "optimizer/prep.h"
#include "optimizer/tlist.h"
#include "plan/bucket_rule.h"
#include "plan/scan_path.h"
#include "utils/selfuncs.h"

/* An aggregate of a row costs so much of what an operator does. */
#define AGGREGATE_COST		0.1

bool		tsdb_enable_aggregate = true;

static create_upper_paths_hook_type previous_hook = NULL;

/* What is to be aggregated. */
typedef struct Grouping
{
	RelOptInfo *input;
	RelOptInfo *output;
	Node	   *having;
	PathTarget *partial;		/* keys and partial aggregates */
	List	   *rules;			/* of the keys */
	int			naggregates;
	Cost		per_row;		/* of filters and arguments that are expressions */
	double		groups;
} Grouping;

/* ---- what the node returns ---- */

static bool
is_key(const Query *parse, PathTarget *target, int i)
{
	Index		ref = get_pathtarget_sortgroupref(target, i);

	return ref != 0 && parse->groupClause != NIL &&
		get_sortgroupref_clause_noerr(ref, parse->groupClause) != NULL;
}

/* What a row costs beyond adding it: its filter, and arguments that have to be computed. */
static Cost
cost_of_input(PlannerInfo *root, const Aggref *call)
{
	QualCost	cost;
	Cost		sum = 0;
	ListCell   *lc;

	cost_qual_eval_node(&cost, (Node *) call->aggfilter, root);
	sum += cost.per_tuple;
	foreach(lc, call->args)
	{
		Expr	   *expr = lfirst_node(TargetEntry, lc)->expr;

		if (IsA(expr, Var))
			continue;
		cost_qual_eval_node(&cost, (Node *) expr, root);
		sum += cost.per_tuple;
	}
	return sum;
}

/* Keys as they are, and all aggregates that the query and its HAVING ask for, in
 * their partial form; false if there is anything that is neither. */
static bool
make_partial_target(PlannerInfo *root, Grouping *grouping)
{
	PathTarget *target = grouping->output->reltarget;
	PathTarget *partial = create_empty_pathtarget();
	List	   *others = NIL;
	ListCell   *lc;
	int			i = 0;

	foreach(lc, target->exprs)
	{
		Node	   *expr = lfirst(lc);
		TsdbBucketRule rule;

		if (!is_key(root->parse, target, i))
			others = lappend(others, expr);
		else if (!tsdb_bucket_rule(expr, grouping->input->relid, &rule))
			return false;
		else
		{
			add_column_to_pathtarget(partial, (Expr *) expr,
									 get_pathtarget_sortgroupref(target, i));
			grouping->rules = lappend_int(grouping->rules, rule);
		}
		i++;
	}
	if (grouping->having != NULL)
		others = lappend(others, grouping->having);
	i = list_length(partial->exprs);
	add_new_columns_to_pathtarget(partial, pull_var_clause((Node *) others,
														   PVC_INCLUDE_AGGREGATES |
														   PVC_RECURSE_WINDOWFUNCS |
														   PVC_INCLUDE_PLACEHOLDERS));
	for_each_from(lc, partial->exprs, i)
	{
		Aggref	   *call = lfirst(lc);
		Aggref	   *copy;

		if (!IsA(call, Aggref) || !tsdb_aggregate_understands(call, grouping->input->relid))
			return false;
		copy = makeNode(Aggref);
		memcpy(copy, call, sizeof(Aggref));
		mark_partial_aggref(copy, AGGSPLIT_INITIAL_SERIAL);
		lfirst(lc) = copy;
		grouping->naggregates++;
		grouping->per_row += cost_of_input(root, call);
	}
	grouping->partial = set_pathtarget_cost_width(root, partial);
	return true;
}

static Plan *
make_plan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses,
		  List *custom_plans)
{
	CustomScan *scan = makeNode(CustomScan);

	scan->scan.plan.targetlist = tlist;
	scan->custom_scan_tlist = copyObject(tlist);
	scan->custom_plans = custom_plans;
	scan->custom_private = path->custom_private;
	scan->flags = path->flags;
	scan->methods = &tsdb_aggregate_scan_methods;
	return &scan->scan.plan;
}

static const CustomPathMethods path_methods = {
	.CustomName = "tsdb aggregate",
	.PlanCustomPath = make_plan
};

/* ---- paths ---- */

/* The part of a column's range that conditions on it leave. */
static double
part_of_range(PlannerInfo *root, RelOptInfo *rel, Node *expr)
{
	Var		   *var = linitial(pull_var_clause(expr, 0));
	List	   *clauses = NIL;
	ListCell   *lc;

	foreach(lc, rel->baserestrictinfo)
	{
		RestrictInfo *info = lfirst_node(RestrictInfo, lc);
		Bitmapset  *attributes = NULL;

		pull_varattnos((Node *) info->clause, rel->relid, &attributes);
		if (bms_membership(attributes) == BMS_SINGLETON &&
			bms_is_member(var->varattno - FirstLowInvalidHeapAttributeNumber, attributes))
			clauses = lappend(clauses, info);
	}
	return clauselist_selectivity(root, clauses, 0, JOIN_INNER, NULL);
}

/* The server thinks that an expression on a column has as many values as the column;
 * of buckets that is far too many. */
static double
estimate_groups(PlannerInfo *root, const Grouping *grouping)
{
	double		rows = grouping->input->rows;
	double		buckets = 1;
	List	   *others = NIL;

	for (int i = 0; i < list_length(grouping->rules); i++)
	{
		Node	   *key = list_nth(grouping->partial->exprs, i);
		int			rule = list_nth_int(grouping->rules, i);
		double		count = 0;

		if (rule == TSDB_BUCKET_RISING || rule == TSDB_BUCKET_RISING_IN_ZONE)
			count = tsdb_bucket_count(root, key);
		if (count > 0)
			buckets *= Max(count * part_of_range(root, grouping->input, key), 1);
		else
			others = lappend(others, key);
	}
	if (others != NIL)
		buckets *= estimate_num_groups(root, others, rows, NULL, NULL);
	return clamp_row_est(Min(buckets, rows));
}

/* The node over a scan. */
static Path *
make_partial_path(PlannerInfo *root, Grouping *grouping, Path *scan, int workers)
{
	RelOptInfo *rel = fetch_upper_rel(root, UPPERREL_PARTIAL_GROUP_AGG,
									  grouping->output->relids);
	CustomPath *custom = makeNode(CustomPath);
	Path	   *path;
	double		rows = scan->rows;

	rel->reloptkind = grouping->output->reloptkind;
	custom->custom_paths = list_make1(scan);
	custom->custom_private = grouping->rules;
	custom->methods = &path_methods;
	path = &custom->path;
	path->pathtype = T_CustomScan;
	path->parent = rel;
	path->pathtarget = grouping->partial;
	path->parallel_safe = scan->parallel_safe;
	path->parallel_workers = workers;
	path->rows = clamp_row_est(Min(grouping->groups, rows));
	path->startup_cost = scan->total_cost +
		rows * (grouping->per_row +
				cpu_operator_cost * AGGREGATE_COST * (list_length(grouping->rules) +
													  grouping->naggregates));
	path->total_cost = path->startup_cost + path->rows * cpu_tuple_cost;
	return path;
}

/* Finalize what a path returns, hashed or sorted. */
static void
add_final_paths(PlannerInfo *root, Grouping *grouping, Path *path)
{
	Query	   *parse = root->parse;
	RelOptInfo *output = grouping->output;
	AggClauseCosts costs = {0};

	get_agg_clause_costs(root, AGGSPLIT_FINAL_DESERIAL, &costs);
	if (parse->groupClause == NIL)
	{
		add_path(output, (Path *)
				 create_agg_path(root, output, path, output->reltarget, AGG_PLAIN,
								 AGGSPLIT_FINAL_DESERIAL, NIL, (List *) grouping->having,
								 &costs, grouping->groups));
		return;
	}
	if (grouping_is_hashable(parse->groupClause))
		add_path(output, (Path *)
				 create_agg_path(root, output, path, output->reltarget, AGG_HASHED,
								 AGGSPLIT_FINAL_DESERIAL, parse->groupClause,
								 (List *) grouping->having, &costs, grouping->groups));
	if (grouping_is_sortable(parse->groupClause) && root->group_pathkeys != NIL)
	{
		path = (Path *) create_sort_path(root, path->parent, path, root->group_pathkeys, -1.0);
		add_path(output, (Path *)
				 create_agg_path(root, output, path, output->reltarget, AGG_SORTED,
								 AGGSPLIT_FINAL_DESERIAL, parse->groupClause,
								 (List *) grouping->having, &costs, grouping->groups));
	}
}

static void
add_paths(PlannerInfo *root, Grouping *grouping)
{
	int			workers = tsdb_scan_path_workers(grouping->input);
	Path	   *path = tsdb_scan_path_for_batches(root, grouping->input, 0);

	if (path == NULL)
		return;
	grouping->groups = estimate_groups(root, grouping);
	path = make_partial_path(root, grouping, path, 0);
	add_final_paths(root, grouping, path);

	if (workers == 0 || !grouping->output->consider_parallel)
		return;
	path = tsdb_scan_path_for_batches(root, grouping->input, workers);
	if (path != NULL)
	{
		double		rows;

		path = make_partial_path(root, grouping, path, workers);
		rows = path->rows * (workers + 1);
		path = (Path *) create_gather_path(root, path->parent, path, grouping->partial, NULL,
										   &rows);
		add_final_paths(root, grouping, path);
	}
}

static void
upper_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input, RelOptInfo *output,
			void *extra)
{
	Query	   *parse = root->parse;
	Grouping	grouping = {.input = input,.output = output};

	if (previous_hook != NULL)
		previous_hook(root, stage, input, output, extra);
	if (stage != UPPERREL_GROUP_AGG || !tsdb_enable_aggregate || parse->groupingSets != NIL ||
		parse->rowMarks != NIL || (!parse->hasAggs && parse->groupClause == NIL) ||
		input->relid == 0 || IS_DUMMY_REL(input) ||
		(input->reloptkind != RELOPT_BASEREL && input->reloptkind != RELOPT_OTHER_MEMBER_REL))
		return;
	grouping.having = ((GroupPathExtraData *) extra)->havingQual;
	if (make_partial_target(root, &grouping))
		add_paths(root, &grouping);
}

void
tsdb_aggregate_path_init(void)
{
	tsdb_aggregate_scan_init();
	previous_hook = create_upper_paths_hook;
	create_upper_paths_hook = upper_paths;
}
