/*
 * gapfill_path.c
 *		Plans queries that group by time_bucket_gapfill().
 */
#include "postgres.h"

#include "plan/gapfill_path.h"

#include <float.h>
#include <math.h>

#include "catalog/pg_type.h"
#include "exec/gap_range.h"
#include "exec/gapfill.h"
#include "nodes/extensible.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planner.h"
#include "optimizer/prep.h"
#include "optimizer/tlist.h"
#include "parser/parse_oper.h"
#include "plan/gapfill_bounds.h"
#include "plan/gapfill_call.h"
#include "plan/gapfill_guard.h"
#include "utils/selfuncs.h"
#include "utils/timestamp.h"

static create_upper_paths_hook_type previous_hook = NULL;

typedef struct GapfillPath
{
	CustomPath	custom;			/* must be first */
	TsdbGapfillSpec *spec;
} GapfillPath;

/* A query that fills gaps, while its paths of grouping are made. */
typedef struct Grouping
{
	TsdbGapfillCalls calls;
	TsdbGapfillSpec *spec;
	PathTarget *target;			/* what the query wants of grouping */
	PathTarget *parts;			/* group keys, what depends on them, aggregates */
	List	   *pathkeys;		/* other keys, then the bucket */
	double		buckets;		/* estimated number in a group */
} Grouping;

/* ---- the plan ---- */

static Plan *
make_plan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses,
		  List *plans)
{
	CustomScan *scan = tsdb_gapfill_make_plan(((GapfillPath *) path)->spec, tlist,
											  linitial(plans));

	scan->flags = path->flags;
	return &scan->scan.plan;
}

static const CustomPathMethods path_methods = {
	.CustomName = "tsdb gapfill",
	.PlanCustomPath = make_plan
};

/* ---- targets ---- */

typedef struct PartsContext
{
	PathTarget *parts;
	List	   *keys;			/* expressions of all group keys */
} PartsContext;

/* Collect what an expression is computed from. */
static bool
parts_walker(Node *node, PartsContext *context)
{
	if (node == NULL || list_member(context->keys, node))
		return false;
	if (IsA(node, Aggref) || IsA(node, GroupingFunc) || IsA(node, Var) ||
		IsA(node, PlaceHolderVar))
	{
		add_new_column_to_pathtarget(context->parts, (Expr *) node);
		return false;
	}
	return expression_tree_walker(node, parts_walker, context);
}

/*
 * Let the target of grouping, and the one above it, have all calls of locf() and
 * interpolate() as columns.  The planner puts off what it takes for arguments of window
 * functions, or for expensive or volatile, and keeps only the parts; computed from
 * these above us, a call would fill nothing.
 */
static void
add_fills(PlannerInfo *root, Grouping *grouping)
{
	PathTarget *above = root->upper_targets[UPPERREL_WINDOW];
	PathTarget *final = root->upper_targets[UPPERREL_FINAL];
	ListCell   *lc;

	foreach(lc, grouping->calls.fills)
	{
		Expr	   *fill = lfirst(lc);

		if (grouping->target != final)
			add_new_column_to_pathtarget(grouping->target, fill);
		if (above != final && above != grouping->target)
			add_new_column_to_pathtarget(above, fill);
	}
}

static void
set_parts(PlannerInfo *root, Grouping *grouping)
{
	PartsContext context = {.parts = create_empty_pathtarget()};
	ListCell   *lc;

	foreach(lc, root->parse->groupClause)
	{
		SortGroupClause *clause = lfirst_node(SortGroupClause, lc);
		Node	   *expr = get_sortgroupclause_expr(clause, root->processed_tlist);

		add_column_to_pathtarget(context.parts, (Expr *) expr, clause->tleSortGroupRef);
		context.keys = lappend(context.keys, expr);
	}
	(void) parts_walker((Node *) grouping->target->exprs, &context);
	grouping->parts = set_pathtarget_cost_width(root, context.parts);
}

/* ---- what is to be done ---- */

/* Order of the other keys, then of the bucket from the first to the last. */
static void
set_order(PlannerInfo *root, Grouping *grouping)
{
	SortGroupClause *bucket = copyObject(grouping->calls.bucket_clause);
	List	   *clauses = NIL;
	ListCell   *lc;

	foreach(lc, root->parse->groupClause)
	{
		SortGroupClause *clause = lfirst_node(SortGroupClause, lc);
		Node	   *expr;

		if (clause == grouping->calls.bucket_clause)
			continue;
		if (!OidIsValid(clause->sortop))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("time_bucket_gapfill() needs group keys that can be sorted")));
		expr = get_sortgroupclause_expr(clause, root->processed_tlist);
		clauses = lappend(clauses, clause);
		grouping->spec->keys = lappend(grouping->spec->keys, expr);
		grouping->spec->key_operators = lappend_oid(grouping->spec->key_operators,
													clause->eqop);
		grouping->spec->key_collations = lappend_oid(grouping->spec->key_collations,
													 exprCollation(expr));
	}
	get_sort_group_operators(exprType((Node *) grouping->calls.bucket), true, true, false,
							 &bucket->sortop, &bucket->eqop, NULL, &bucket->hashable);
	bucket->nulls_first = false;
	grouping->pathkeys = make_pathkeys_for_sortclauses(root, lappend(clauses, bucket),
													   root->processed_tlist);
}

/* A value that the planner can guess, as a time; false if it cannot. */
static bool
guess(PlannerInfo *root, Expr *expr, Oid type, int64 *time)
{
	Node	   *value = estimate_expression_value(root, (Node *) expr);
	bool		rounded;

	if (!IsA(value, Const) || ((Const *) value)->constisnull)
		return false;
	*time = tsdb_gap_time(((Const *) value)->constvalue, exprType(value));
	if (!tsdb_gap_is_finite(*time, exprType(value)))
		return false;
	*time = tsdb_gap_convert(((Const *) value)->constvalue, exprType(value), type, &rounded);
	return true;
}

/* How many buckets has a group? 0: no idea. */
static double
estimate_buckets(PlannerInfo *root, const TsdbGapfillSpec *spec)
{
	Oid			type = spec->bucket->funcresulttype;
	Node	   *width = estimate_expression_value(root, (Node *) spec->width);
	double		begin = -DBL_MAX;
	double		end = DBL_MAX;
	double		step;
	ListCell   *lc;

	if (!IsA(width, Const) || ((Const *) width)->constisnull)
		return 0;
	if (exprType(width) == INTERVALOID)
	{
		Interval   *interval = DatumGetIntervalP(((Const *) width)->constvalue);

		step = (double) interval->time +
			(interval->day + interval->month * (double) DAYS_PER_MONTH) * USECS_PER_DAY;
		if (type == DATEOID)
			step /= USECS_PER_DAY;
	}
	else
		step = (double) tsdb_gap_time(((Const *) width)->constvalue, type);

	foreach(lc, spec->bounds)
	{
		TsdbGapBound *bound = lfirst(lc);
		int64		time;

		if (!guess(root, bound->expr, type, &time))
			continue;
		if (bound->strategy >= BTGreaterEqualStrategyNumber)
			begin = Max(begin, (double) time);
		else
			end = Min(end, (double) time);
	}
	return step > 0 && begin > -DBL_MAX && end < DBL_MAX && end > begin ?
		ceil((end - begin) / step) : 0;
}

static bool
prepare(PlannerInfo *root, RelOptInfo *output, Grouping *grouping)
{
	TsdbGapfillArgs args;
	TsdbGapfillSpec *spec;
	ListCell   *lc;

	if (!tsdb_gapfill_find_calls(root, &grouping->calls))
		return false;
	tsdb_gapfill_guard_check(root);

	spec = grouping->spec = palloc0(sizeof(TsdbGapfillSpec));
	spec->bucket = grouping->calls.bucket;
	tsdb_gapfill_get_args(spec->bucket, &args);
	spec->width = args.width;
	spec->zone = args.zone;
	spec->bounds = tsdb_gapfill_bounds(root, &args, spec->bucket->funcresulttype);
	spec->fills = grouping->calls.fills;
	foreach(lc, spec->fills)
	{
		FuncExpr   *fill = lfirst_node(FuncExpr, lc);
		bool		interpolates = tsdb_gapfill_call((Node *) fill) == TSDB_GAPFILL_INTERPOLATE;

		spec->fill_interpolates = lappend_int(spec->fill_interpolates, interpolates);
		if (!interpolates && !tsdb_gapfill_is_simple(lthird(fill->args)))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("treat_null_as_missing of locf() must be the same for all rows")));
	}
	set_order(root, grouping);
	grouping->buckets = estimate_buckets(root, spec);
	grouping->target = output->reltarget;
	add_fills(root, grouping);
	set_parts(root, grouping);
	return true;
}

/* ---- paths ---- */

static void
add_gapfill_path(PlannerInfo *root, RelOptInfo *output, const Grouping *grouping, Path *child)
{
	GapfillPath *gapfill = palloc0(sizeof(GapfillPath));
	Path	   *path = &gapfill->custom.path;
	double		groups = 1;

	if (!pathkeys_contained_in(grouping->pathkeys, child->pathkeys))
		child = (Path *) create_sort_path(root, output, child, grouping->pathkeys, -1.0);

	NodeSetTag(gapfill, T_CustomPath);
	path->pathtype = T_CustomScan;
	path->parent = output;
	path->pathtarget = grouping->target;
	path->pathkeys = grouping->pathkeys;
	if (grouping->spec->keys != NIL)
		groups = estimate_num_groups(root, grouping->spec->keys, child->rows, NULL, NULL);
	path->rows = clamp_row_est(Max(child->rows, groups * grouping->buckets));
	path->startup_cost = child->startup_cost + path->pathtarget->cost.startup;
	path->total_cost = child->total_cost + path->pathtarget->cost.startup +
		path->rows * (0.5 * cpu_tuple_cost + path->pathtarget->cost.per_tuple);
	gapfill->custom.flags = CUSTOMPATH_SUPPORT_PROJECTION;
	gapfill->custom.custom_paths = list_make1(child);
	gapfill->custom.methods = &path_methods;
	gapfill->spec = grouping->spec;
	add_path(output, path);
}

/* Let a path give the parts; false if it cannot. */
static bool
retarget(Path *path, const Grouping *grouping)
{
	ListCell   *lc;

	if (IsA(path, AggPath) || IsA(path, GroupPath))
	{
		path->pathtarget = grouping->parts;
		return true;
	}
	if (!IsA(path, CustomPath))
		return false;
	foreach(lc, grouping->parts->exprs)
	{
		if (!list_member(path->pathtarget->exprs, lfirst(lc)))
			return false;
	}
	return true;
}

/* Group rows that are sorted as we want them. */
static Path *
group_sorted(PlannerInfo *root, RelOptInfo *input, RelOptInfo *output,
			 const GroupPathExtraData *extra, const Grouping *grouping)
{
	Query	   *query = root->parse;
	Path	   *path = input->cheapest_total_path;
	List	   *having = (List *) extra->havingQual;
	double		groups;
	AggClauseCosts costs = {0};

	groups = estimate_num_groups(root,
								 get_sortgrouplist_exprs(query->groupClause,
														 root->processed_tlist),
								 path->rows, NULL, NULL);
	if (!pathkeys_contained_in(grouping->pathkeys, path->pathkeys))
		path = (Path *) create_sort_path(root, output, path, grouping->pathkeys, -1.0);
	if (!query->hasAggs)
		return (Path *) create_group_path(root, output, path, query->groupClause, having, groups);
	get_agg_clause_costs(root, AGGSPLIT_SIMPLE, &costs);
	return (Path *) create_agg_path(root, output, path, grouping->parts, AGG_SORTED,
									AGGSPLIT_SIMPLE, query->groupClause, having, &costs, groups);
}

static void
upper_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input, RelOptInfo *output,
			void *extra)
{
	Grouping	grouping = {0};
	List	   *paths;
	ListCell   *lc;

	if (stage != UPPERREL_GROUP_AGG || output->reloptkind != RELOPT_UPPER_REL ||
		!prepare(root, output, &grouping))
	{
		if (previous_hook != NULL)
			previous_hook(root, stage, input, output, extra);
		return;
	}

	output->reltarget = grouping.parts;
	if (previous_hook != NULL)
		previous_hook(root, stage, input, output, extra);
	paths = lappend(output->pathlist, group_sorted(root, input, output, extra, &grouping));
	output->reltarget = grouping.target;
	output->pathlist = NIL;
	output->partial_pathlist = NIL;
	output->consider_parallel = false;
	foreach(lc, paths)
	{
		Path	   *path = lfirst(lc);

		if (retarget(path, &grouping))
			add_gapfill_path(root, output, &grouping, path);
	}
}

void
tsdb_gapfill_path_init(void)
{
	tsdb_gapfill_init();
	tsdb_gapfill_guard_init();
	previous_hook = create_upper_paths_hook;
	create_upper_paths_hook = upper_paths;
}
