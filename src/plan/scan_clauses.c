/*
 * scan_clauses.c
 *		What scans by columns need to know of a query's clauses.
 */
#include "postgres.h"

#include "plan/scan_clauses.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "exec/chunk_filter.h"
#include "optimizer/optimizer.h"
#include "optimizer/restrictinfo.h"
#include "parser/parsetree.h"

bool
tsdb_clause_is_safe_early(const RelOptInfo *rel, const RestrictInfo *info)
{
	return !info->pseudoconstant &&
		(info->leakproof || info->security_level <= rel->baserestrict_min_security);
}

/* The column by which a clause filters chunks, or 0. */
static AttrNumber
filter_column(const RelOptInfo *rel, const RestrictInfo *info)
{
	AttrNumber	attno;

	return tsdb_clause_is_safe_early(rel, info) &&
		tsdb_chunk_filter_understands(info->clause, rel->relid, &attno) ? attno : 0;
}

List *
tsdb_clauses_for_filter(const RelOptInfo *rel, List *clauses)
{
	List	   *found = NIL;
	ListCell   *lc;

	foreach(lc, clauses)
	{
		RestrictInfo *info = lfirst_node(RestrictInfo, lc);

		if (filter_column(rel, info) != 0)
			found = lappend(found, copyObject(info->clause));
	}
	return found;
}

List *
tsdb_clauses_on_columns(const RelOptInfo *rel, List *clauses, int count,
						const AttrNumber *columns)
{
	List	   *found = NIL;
	ListCell   *lc;

	foreach(lc, clauses)
	{
		AttrNumber	attno = filter_column(rel, lfirst_node(RestrictInfo, lc));

		for (int i = 0; attno != 0 && i < count; i++)
		{
			if (columns[i] == attno)
			{
				found = lappend(found, lfirst(lc));
				break;
			}
		}
	}
	return found;
}

List *
tsdb_clauses_columns(List *exprs, Index relid, Relation table)
{
	Bitmapset  *attributes = NULL;
	List	   *columns = NIL;
	bool		whole;

	pull_varattnos((Node *) exprs, relid, &attributes);
	whole = bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, attributes);
	for (AttrNumber attno = 1; attno <= RelationGetNumberOfAttributes(table); attno++)
	{
		if (!TupleDescAttr(RelationGetDescr(table), attno - 1)->attisdropped &&
			(whole || bms_is_member(attno - FirstLowInvalidHeapAttributeNumber, attributes)))
			columns = lappend_int(columns, attno);
	}
	bms_free(attributes);
	return columns;
}

CustomScan *
tsdb_clauses_make_scan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist,
					   List *clauses, const CustomScanMethods *methods, List **columns)
{
	CustomScan *scan = makeNode(CustomScan);
	Relation	table = table_open(planner_rt_fetch(rel->relid, root)->relid, NoLock);
	List	   *quals = extract_actual_clauses(clauses, false);

	scan->custom_exprs = tsdb_clauses_for_filter(rel, clauses);
	scan->scan.plan.targetlist = tlist;
	scan->scan.plan.qual = quals;
	scan->scan.scanrelid = rel->relid;
	scan->flags = path->flags;
	scan->methods = methods;
	/* tlist may be put off until after us: what the path promises is what counts */
	*columns = tsdb_clauses_columns(list_concat_copy(path->path.pathtarget->exprs, quals),
									rel->relid, table);
	table_close(table, NoLock);
	return scan;
}
