/*
 * scan_path.c
 *		Offers the planner scans that read the columns that are needed.
 */
#include "postgres.h"

#include "plan/scan_path.h"

#include <math.h>

#include "access/sysattr.h"
#include "access/table.h"
#include "am/handler.h"
#include "am/salvage.h"
#include "exec/chunk_filter.h"
#include "exec/seek_scan.h"
#include "exec/table_scan.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "parser/parsetree.h"
#include "plan/scan_clauses.h"
#include "plan/seek_path.h"
#include "store/storage.h"
#include "store/table_key.h"
#include "utils/rel.h"
#include "utils/spccache.h"

/* Showing a row of a chunk costs so much of what a row of heap does; having it in a
 * batch costs so much, and a condition on it so much of what it costs for a row. */
#define ROW_COST		0.5
#define BATCH_ROW_COST	0.02
#define BATCH_QUAL_COST	0.1

/* In units of a sequential page read: looking at a chunk's statistics, opening it, and
 * decoding a column of it. */
#define CHUNK_COST		0.03
#define OPEN_COST		1.0
#define COLUMN_COST		0.3

bool		tsdb_enable_scan = true;

static set_rel_pathlist_hook_type previous_hook = NULL;

/* Does the query ask for a system column that only a stored tuple has? */
static bool
needs_tuple(const RelOptInfo *rel)
{
	Bitmapset  *attributes = NULL;
	ListCell   *lc;

	pull_varattnos((Node *) rel->reltarget->exprs, rel->relid, &attributes);
	foreach(lc, rel->baserestrictinfo)
		pull_varattnos((Node *) lfirst_node(RestrictInfo, lc)->clause, rel->relid, &attributes);
	for (AttrNumber attno = FirstLowInvalidHeapAttributeNumber + 1; attno < 0; attno++)
	{
		if (attno != SelfItemPointerAttributeNumber && attno != TableOidAttributeNumber &&
			bms_is_member(attno - FirstLowInvalidHeapAttributeNumber, attributes))
			return true;
	}
	return false;
}

static Plan *
make_plan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses,
		  List *custom_plans)
{
	List	   *columns;
	CustomScan *scan = tsdb_clauses_make_scan(root, rel, path, tlist, clauses,
											  &tsdb_table_scan_methods, &columns);

	scan->custom_private = columns;
	return &scan->scan.plan;
}

static const CustomPathMethods path_methods = {
	.CustomName = "tsdb",
	.PlanCustomPath = make_plan
};

/* ---- costs ---- */

/* What is known of a table for the cost of scanning it. */
typedef struct ScanCost
{
	int			ncolumns;		/* columns that are read */
	double		columns;		/* their part of all */
	double		chunks;			/* part of the chunks that are */
	Cost		row;			/* per row that is read */
	Cost		result;			/* per row that is returned */
} ScanCost;

/* Chunks are sorted by series and time: conditions on these columns leave out
 * nearly as many chunks as rows. */
static double
chunks_read(PlannerInfo *root, RelOptInfo *rel, Relation table)
{
	AttrNumber	columns[INDEX_MAX_KEYS + 1];
	TsdbSortKey key;
	List	   *clauses;

	tsdb_table_key(table, &key);
	memcpy(columns, key.series, key.nseries * sizeof(AttrNumber));
	columns[key.nseries] = key.time;
	clauses = tsdb_clauses_on_columns(rel, rel->baserestrictinfo, key.nseries + 1, columns);
	return clauselist_selectivity(root, clauses, 0, JOIN_INNER, NULL);
}

static CustomPath *
make_path(PlannerInfo *root, RelOptInfo *rel, const ScanCost *scan, int workers)
{
	CustomPath *custom = makeNode(CustomPath);
	Path	   *path = &custom->path;
	double		share = 1;
	double		page_cost;
	double		chunks;
	Cost		cpu;

	path->pathtype = T_CustomScan;
	path->parent = rel;
	path->pathtarget = rel->reltarget;
	path->param_info = get_baserel_parampathinfo(root, rel, rel->lateral_relids);
	path->parallel_aware = workers > 0;
	path->parallel_safe = rel->consider_parallel;
	path->parallel_workers = workers;
	custom->flags = CUSTOMPATH_SUPPORT_PROJECTION | CUSTOMPATH_SUPPORT_BACKWARD_SCAN;
	custom->methods = &path_methods;

	/* as the server divides the work of a parallel scan */
	if (workers > 0)
	{
		share = workers;
		if (parallel_leader_participation)
			share += Max(1.0 - 0.3 * workers, 0);
	}
	get_tablespace_page_costs(rel->reltablespace, NULL, &page_cost);
	path->rows = clamp_row_est((path->param_info != NULL ? path->param_info->ppi_rows :
								rel->rows) / share);
	chunks = ceil(rel->tuples / TSDB_CHUNK_ROWS);
	cpu = scan->row * rel->tuples * scan->chunks + scan->result * path->rows * share +
		chunks * CHUNK_COST +
		ceil(chunks * scan->chunks) * (OPEN_COST + COLUMN_COST * scan->ncolumns);
	path->startup_cost = rel->baserestrictcost.startup + path->pathtarget->cost.startup +
		(enable_seqscan ? 0 : disable_cost);
	path->total_cost = path->startup_cost + cpu / share +
		page_cost * rel->pages * scan->columns * scan->chunks;
	return custom;
}

Relation
tsdb_scan_path_open_table(PlannerInfo *root, RelOptInfo *rel)
{
	RangeTblEntry *rte = planner_rt_fetch(rel->relid, root);
	Relation	table;
	TsdbStorage *storage = NULL;

	if (!tsdb_enable_scan || tsdb_damaged_chunks != TSDB_DAMAGED_ERROR ||
		rte->rtekind != RTE_RELATION || rte->inh || rte->tablesample != NULL ||
		(rte->relkind != RELKIND_RELATION && rte->relkind != RELKIND_MATVIEW) ||
		IS_DUMMY_REL(rel) || needs_tuple(rel))
		return NULL;

	table = table_open(rte->relid, NoLock);
	if (tsdb_is_table(table))
		storage = tsdb_storage_open(table, AccessShareLock);
	if (storage != NULL)
	{
		tsdb_storage_close(storage);
		return table;
	}
	table_close(table, NoLock);
	return NULL;
}

static void
estimate(PlannerInfo *root, RelOptInfo *rel, Relation table, ScanCost *scan)
{
	List	   *clauses = extract_actual_clauses(rel->baserestrictinfo, false);

	scan->ncolumns = list_length(tsdb_clauses_columns(list_concat_copy(rel->reltarget->exprs, clauses),
											  rel->relid, table));
	scan->columns = (scan->ncolumns + 1.0) / (RelationGetNumberOfAttributes(table) + 1.0);
	scan->chunks = chunks_read(root, rel, table);
	scan->row = cpu_tuple_cost * ROW_COST + rel->baserestrictcost.per_tuple;
	scan->result = rel->reltarget->cost.per_tuple;
}

/* As many as the server has found right for a sequential scan. */
int
tsdb_scan_path_workers(const RelOptInfo *rel)
{
	ListCell   *lc;
	int			workers = 0;

	if (!rel->consider_parallel || rel->lateral_relids != NULL)
		return 0;
	foreach(lc, rel->partial_pathlist)
	{
		Path	   *path = lfirst(lc);

		if (IsA(path, ProjectionPath))
			path = ((ProjectionPath *) path)->subpath;
		if (path->pathtype == T_SeqScan || path->pathtype == T_CustomScan)
			workers = Max(workers, path->parallel_workers);
	}
	return workers;
}

Path *
tsdb_scan_path_for_batches(PlannerInfo *root, RelOptInfo *rel, int workers)
{
	Relation	table = tsdb_scan_path_open_table(root, rel);
	ScanCost	scan;
	ListCell   *lc;
	Path	   *path;

	if (table == NULL)
		return NULL;
	estimate(root, rel, table, &scan);
	scan.row = cpu_tuple_cost * BATCH_ROW_COST;
	scan.result = 0;
	foreach(lc, rel->baserestrictinfo)
	{
		RestrictInfo *info = lfirst_node(RestrictInfo, lc);
		QualCost	cost;
		AttrNumber	attno;

		/* A node that evaluates it will stand above the scan, which then gives rows.  And a
		 * subquery must be evaluated by one node only, which knows when it has changed. */
		if (info->pseudoconstant || contain_subplans((Node *) info->clause))
		{
			table_close(table, NoLock);
			return NULL;
		}
		cost_qual_eval_node(&cost, (Node *) info, root);
		scan.row += cost.per_tuple *
			(tsdb_clause_is_safe_early(rel, info) &&
			 tsdb_chunk_filter_understands(info->clause, rel->relid, &attno) ? BATCH_QUAL_COST : 1);
	}
	path = &make_path(root, rel, &scan, workers)->path;
	table_close(table, NoLock);
	return path;
}

/* Sequential scans out of a list of paths: ours does the same for less, and its costs
 * know of chunks. */
static List *
without_sequential(List *paths)
{
	ListCell   *lc;

	foreach(lc, paths)
	{
		if (((Path *) lfirst(lc))->pathtype == T_SeqScan)
			paths = foreach_delete_current(paths, lc);
	}
	return paths;
}

static void
rel_pathlist(PlannerInfo *root, RelOptInfo *rel, Index relid, RangeTblEntry *rte)
{
	Relation	table;
	ScanCost	scan;
	int			workers;

	if (previous_hook != NULL)
		previous_hook(root, rel, relid, rte);
	table = tsdb_scan_path_open_table(root, rel);
	if (table == NULL)
		return;
	estimate(root, rel, table, &scan);
	workers = tsdb_scan_path_workers(rel);
	rel->pathlist = without_sequential(rel->pathlist);
	rel->partial_pathlist = without_sequential(rel->partial_pathlist);
	add_path(rel, &make_path(root, rel, &scan, 0)->path);
	if (workers > 0)
		add_partial_path(rel, &make_path(root, rel, &scan, workers)->path);
	tsdb_seek_path_add(root, rel, table);
	table_close(table, NoLock);
}

void
tsdb_scan_path_init(void)
{
	tsdb_table_scan_init();
	tsdb_seek_scan_init();
	previous_hook = set_rel_pathlist_hook;
	set_rel_pathlist_hook = rel_pathlist;
}
