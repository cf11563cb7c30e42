/*
 * seek_path.c
 *		Offers the planner scans that go to the chunks they need.
 */
#include "postgres.h"

#include "plan/seek_path.h"

#include <math.h>

#include "access/nbtree.h"
#include "exec/chunk_filter.h"
#include "exec/seek_scan.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "plan/scan_clauses.h"
#include "store/key_columns.h"
#include "store/table_key.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/typcache.h"

/* Listing a chunk, or gathering a row of the row store, costs so much of an operator; it is
 * done once, so if the scan is to be repeated, so much less. */
#define LIST_COST		4.0
#define REPEATED_PART	0.05

/* In units of a sequential page read: opening a chunk, and decoding a column of it. */
#define OPEN_COST		1.0
#define COLUMN_COST		0.3

/* Rows of a page of the row store. */
#define PAGE_ROWS		60

bool		tsdb_enable_seek = true;

/* What all paths of a relation have in common. */
typedef struct Seek
{
	PlannerInfo *root;
	RelOptInfo *rel;
	Relation	table;
	TsdbSortKey key;
	int			ncolumns;		/* that are read */
	double		stored_rows;	/* of the row store, roughly */
} Seek;

/* ---- the plan ---- */

static bool
has_parameter(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXEC)
		return true;
	return expression_tree_walker(node, has_parameter, context);
}

static Plan *
make_plan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses,
		  List *custom_plans)
{
	TsdbSeekPlan *plan = linitial(path->custom_private);
	CustomScan *scan = tsdb_clauses_make_scan(root, rel, path, tlist, clauses,
											  &tsdb_seek_scan_methods, &plan->columns);
	ListCell   *lc;

	/* what it sorts by and seeks need not be in the result */
	foreach(lc, plan->order)
		plan->columns = list_append_unique_int(plan->columns, lfirst_int(lc));
	if (plan->seek != 0)
		plan->columns = list_append_unique_int(plan->columns, plan->seek);
	plan->constant = path->path.param_info == NULL &&
		!has_parameter((Node *) scan->scan.plan.qual, NULL);
	scan->custom_private = tsdb_seek_plan_make(plan);
	return &scan->scan.plan;
}

static const CustomPathMethods path_methods = {
	.CustomName = "tsdb seek",
	.PlanCustomPath = make_plan
};

/* ---- paths ---- */

/* The part of the chunks that conditions on series and time leave. */
static double
chunks_left(const Seek *seek, List *clauses)
{
	AttrNumber	columns[INDEX_MAX_KEYS + 1];

	memcpy(columns, seek->key.series, seek->key.nseries * sizeof(AttrNumber));
	columns[seek->key.nseries] = seek->key.time;
	clauses = tsdb_clauses_on_columns(seek->rel, clauses, seek->key.nseries + 1, columns);
	return clauselist_selectivity(seek->root, clauses, 0, JOIN_INNER, NULL);
}

/* Rows that the query wants, as far as it says so; or 0. */
static double
rows_wanted(const Seek *seek)
{
	const PlannerInfo *root = seek->root;

	if (root->limit_tuples > 0)
		return root->limit_tuples;
	return root->tuple_fraction >= 1 ? root->tuple_fraction :
		root->tuple_fraction * seek->rel->rows;
}

/* Series of the table. */
static double
count_series(const Seek *seek)
{
	TupleDesc	tupdesc = RelationGetDescr(seek->table);
	List	   *columns = NIL;

	for (int i = 0; i < seek->key.nseries; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, seek->key.series[i] - 1);

		columns = lappend(columns, makeVar(seek->rel->relid, att->attnum, att->atttypid,
										   att->atttypmod, att->attcollation, 0));
	}
	return columns == NIL ? 1 :
		estimate_num_groups(seek->root, columns, Max(seek->rel->tuples, 1), NULL, NULL);
}

static double
chunks_opened(const Seek *seek, List *clauses)
{
	double		chunks = Max(ceil(seek->rel->tuples / TSDB_CHUNK_ROWS), 1);

	return Min(ceil(chunks * chunks_left(seek, clauses)) + 1, chunks);
}

/*
 * How many of the chunks are opened before the first rows are returned?  All that overlap in the
 * order column: of the time, that is one of each series; of another column, it may be all.
 * If there is nothing else to sort by, and no condition that rejects rows one by one, a chunk gives a
 * row.
 */
static double
chunks_first(const Seek *seek, const TsdbSeekPlan *plan, List *clauses, double opened)
{
	double		overlap = opened;

	if (linitial_int(plan->order) == seek->key.time)
		overlap = Min(opened, plan->seek != 0 && seek->key.nseries == 1 ? 2 : count_series(seek));
	if (list_length(plan->order) == 1 &&
		list_length(tsdb_clauses_for_filter(seek->rel, clauses)) == list_length(clauses))
		overlap = Min(overlap, rows_wanted(seek));
	return Max(overlap, 1);
}

/*
 * A path that seeks a column (0: none), has these pathkeys (NIL: none), and gets what relations
 * outside give it.  repeated: it will likely be scanned again and again.
 */
static CustomPath *
make_path(const Seek *seek, const TsdbSeekPlan *plan, List *pathkeys, Relids outer, bool repeated)
{
	RelOptInfo *rel = seek->rel;
	CustomPath *custom = makeNode(CustomPath);
	Path	   *path = &custom->path;
	List	   *clauses = rel->baserestrictinfo;
	double		chunks = Max(ceil(rel->tuples / TSDB_CHUNK_ROWS), 1);
	double		opened;
	QualCost	quals;
	Cost		listing;
	Cost		opening;
	TsdbSeekPlan *copy = palloc(sizeof(TsdbSeekPlan));

	*copy = *plan;
	path->pathtype = T_CustomScan;
	path->parent = rel;
	path->pathtarget = rel->reltarget;
	path->param_info = get_baserel_parampathinfo(seek->root, rel, outer);
	path->parallel_safe = rel->consider_parallel;
	path->pathkeys = pathkeys;
	custom->flags = CUSTOMPATH_SUPPORT_PROJECTION | CUSTOMPATH_SUPPORT_BACKWARD_SCAN;
	custom->methods = &path_methods;
	custom->custom_private = list_make1(copy);

	path->rows = rel->rows;
	if (path->param_info != NULL)
	{
		path->rows = path->param_info->ppi_rows;
		clauses = list_concat_copy(clauses, path->param_info->ppi_clauses);
	}
	opened = chunks_opened(seek, clauses);
	cost_qual_eval(&quals, clauses, seek->root);
	listing = (chunks + seek->stored_rows) * LIST_COST * cpu_operator_cost *
		(repeated ? REPEATED_PART : 1);
	opening = OPEN_COST + COLUMN_COST * seek->ncolumns + TSDB_CHUNK_ROWS * cpu_operator_cost / 4;
	path->startup_cost = quals.startup + path->pathtarget->cost.startup + listing;
	path->total_cost = path->startup_cost + opened * opening +
		path->rows * (cpu_tuple_cost + quals.per_tuple + path->pathtarget->cost.per_tuple);
	if (pathkeys != NIL)
	{
		/* and their rows are sorted */
		path->startup_cost += chunks_first(seek, plan, clauses, opened) *
			(opening + TSDB_CHUNK_ROWS * 2 * cpu_operator_cost);
		path->total_cost = Max(path->total_cost, path->startup_cost) + path->rows * cpu_operator_cost * (1 + log2(opened));
	}
	return custom;
}

/* ---- by key ---- */

/* The first column of the series key that a condition says the value of; or 0. */
static int
seek_column(const Seek *seek, List *clauses, bool *repeated)
{
	for (int i = 0; i < seek->key.nseries; i++)
	{
		ListCell   *lc;

		foreach(lc, clauses)
		{
			RestrictInfo *info = lfirst_node(RestrictInfo, lc);
			AttrNumber	attno;

			if (!tsdb_clause_is_safe_early(seek->rel, info) ||
				!tsdb_chunk_filter_is_equality(info->clause, seek->rel->relid, &attno) ||
				attno != seek->key.series[i])
				continue;
			*repeated = has_parameter((Node *) info->clause, NULL);
			return attno;
		}
	}
	return 0;
}

/* Does the equivalence class have the column?  For who asks which other expressions it equals. */
static bool
is_member(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *ec, EquivalenceMember *em,
		  void *arg)
{
	const Var  *var = (Var *) em->em_expr;

	return IsA(var, Var) && var->varno == rel->relid && var->varattno == *(AttrNumber *) arg;
}

/* Join clauses that say what a column of the series key is equal to. */
static List *
find_join_clauses(const Seek *seek, AttrNumber attno)
{
	RelOptInfo *rel = seek->rel;
	List	   *clauses = NIL;
	ListCell   *lc;

	foreach(lc, rel->joininfo)
	{
		RestrictInfo *info = lfirst_node(RestrictInfo, lc);

		if (join_clause_is_movable_to(info, rel))
			clauses = lappend(clauses, info);
	}
	if (rel->has_eclass_joins)
		clauses = list_concat(clauses,
							  generate_implied_equalities_for_column(seek->root, rel, is_member,
																	 &attno,
																	 rel->lateral_referencers));
	foreach(lc, clauses)
	{
		RestrictInfo *info = lfirst_node(RestrictInfo, lc);
		AttrNumber	found;

		if (!join_clause_is_movable_to(info, rel) || !tsdb_clause_is_safe_early(rel, info) ||
			!tsdb_chunk_filter_is_equality(info->clause, rel->relid, &found) || found != attno)
			clauses = foreach_delete_current(clauses, lc);
	}
	return clauses;
}

static bool
has_relids(List *list, Relids relids)
{
	ListCell   *lc;

	foreach(lc, list)
	{
		if (bms_equal(lfirst(lc), relids))
			return true;
	}
	return false;
}

/* Paths for the inner side of a nested loop. */
static void
add_inner_paths(const Seek *seek)
{
	RelOptInfo *rel = seek->rel;
	List	   *done = NIL;

	for (int i = 0; i < seek->key.nseries; i++)
	{
		TsdbSeekPlan plan = {.seek = seek->key.series[i]};
		ListCell   *lc;

		foreach(lc, find_join_clauses(seek, seek->key.series[i]))
		{
			RestrictInfo *info = lfirst_node(RestrictInfo, lc);
			Relids		outer = bms_union(info->clause_relids, rel->lateral_relids);

			outer = bms_del_member(outer, rel->relid);
			if (bms_is_empty(outer) || has_relids(done, outer))
				continue;
			done = lappend(done, outer);
			add_path(rel, &make_path(seek, &plan, NIL, outer, true)->path);
		}
	}
}

/* ---- by order ---- */

/* The column of the relation that a pathkey sorts by, as its type sorts by default; or 0. */
static AttrNumber
pathkey_column(const Seek *seek, const PathKey *pathkey, Oid *operator, Oid *collation)
{
	ListCell   *lc;

	if (pathkey->pk_eclass->ec_has_volatile)
		return 0;
	foreach(lc, pathkey->pk_eclass->ec_members)
	{
		EquivalenceMember *member = lfirst(lc);
		Var		   *var = (Var *) member->em_expr;

		/* of a partition, the member that stands for it */
		if ((member->em_is_child && !bms_equal(member->em_relids, seek->rel->relids)) ||
			!IsA(var, Var) || var->varno != seek->rel->relid ||
			var->varattno <= 0 || var->varlevelsup != 0)
			continue;
		*operator = get_opfamily_member(pathkey->pk_opfamily, member->em_datatype,
										member->em_datatype, pathkey->pk_strategy);
		*collation = pathkey->pk_eclass->ec_collation;
		return OidIsValid(*operator) ? var->varattno : 0;
	}
	return 0;
}

/* Is the rough order of a column's values the one that the pathkey sorts by? */
static bool
orders_chunks(const Seek *seek, AttrNumber attno, const PathKey *pathkey)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(seek->table), attno - 1);
	TypeCacheEntry *type = lookup_type_cache(getBaseType(att->atttypid), TYPECACHE_BTREE_OPFAMILY);
	TsdbKeyColumn column;

	tsdb_key_column_describe(att, &column);
	return tsdb_key_rank_is_order(column.rank) && type->btree_opf == pathkey->pk_opfamily;
}

/* The pathkeys that the query wants first, as far as we can sort by them. */
static List *
usable_pathkeys(const Seek *seek, TsdbSeekPlan *plan)
{
	List	   *pathkeys = NIL;
	ListCell   *lc;

	foreach(lc, seek->root->query_pathkeys)
	{
		PathKey    *pathkey = lfirst_node(PathKey, lc);
		Oid			operator;
		Oid			collation;
		AttrNumber	attno = pathkey_column(seek, pathkey, &operator, &collation);

		if (attno == 0 || (pathkeys == NIL && !orders_chunks(seek, attno, pathkey)))
			break;
		pathkeys = lappend(pathkeys, pathkey);
		plan->order = lappend_int(plan->order, attno);
		plan->operators = lappend_oid(plan->operators, operator);
		plan->collations = lappend_oid(plan->collations, collation);
		plan->nulls_first = lappend_int(plan->nulls_first, pathkey->pk_nulls_first);
	}
	return pathkeys;
}

static void
add_ordered_path(const Seek *seek, int column, bool repeated)
{
	TsdbSeekPlan plan = {.seek = column};
	List	   *clauses = seek->rel->baserestrictinfo;
	List	   *pathkeys;
	double		first;

	if (rows_wanted(seek) <= 0)
		return;
	pathkeys = usable_pathkeys(seek, &plan);
	if (pathkeys == NIL)
		return;
	/* these stay open */
	first = chunks_first(seek, &plan, clauses, chunks_opened(seek, clauses));
	if (first * seek->ncolumns * TSDB_CHUNK_ROWS * (sizeof(Datum) + sizeof(bool)) >
		TSDB_SEEK_MEMORY_PART * 1024.0 * work_mem)
		return;
	add_path(seek->rel, &make_path(seek, &plan, pathkeys, seek->rel->lateral_relids,
								   repeated)->path);
}

/* The table's key, without columns of the series key of which chunks say nothing. */
static void
find_key(Seek *seek)
{
	int			kept = 0;

	tsdb_table_key(seek->table, &seek->key);
	for (int i = 0; i < seek->key.nseries; i++)
	{
		AttrNumber	attno = seek->key.series[i];
		TsdbKeyColumn column;

		tsdb_key_column_describe(TupleDescAttr(RelationGetDescr(seek->table), attno - 1), &column);
		if (column.rank != TSDB_RANK_NONE)
			seek->key.series[kept++] = attno;
	}
	seek->key.nseries = kept;
}

void
tsdb_seek_path_add(PlannerInfo *root, RelOptInfo *rel, Relation table)
{
	BlockNumber row_store = RelationGetNumberOfBlocks(table);
	List	   *quals = extract_actual_clauses(rel->baserestrictinfo, false);
	bool		repeated = false;
	Seek		seek = {.root = root,.rel = rel,.table = table};
	int			column;

	/* conditions are evaluated for more rows than are returned, some of them twice */
	if (!tsdb_enable_seek || (double) row_store * BLCKSZ > TSDB_SEEK_MEMORY_PART * 1024.0 * work_mem ||
		contain_volatile_functions((Node *) quals) || contain_subplans((Node *) quals))
		return;
	find_key(&seek);
	seek.ncolumns = list_length(tsdb_clauses_columns(list_concat_copy(rel->reltarget->exprs, quals),
													 rel->relid, table));
	seek.stored_rows = (double) row_store * PAGE_ROWS;
	column = seek_column(&seek, rel->baserestrictinfo, &repeated);
	if (column != 0 && repeated)
	{
		TsdbSeekPlan plan = {.seek = column};

		add_path(rel, &make_path(&seek, &plan, NIL, rel->lateral_relids, true)->path);
	}
	add_ordered_path(&seek, column, repeated);
	add_inner_paths(&seek);
}
