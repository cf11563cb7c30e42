/*
 * scan_clauses.h
 *		What scans by columns need to know of a query's clauses.
 */
#ifndef TSDB_PLAN_SCAN_CLAUSES_H
#define TSDB_PLAN_SCAN_CLAUSES_H

#include "nodes/extensible.h"
#include "nodes/pathnodes.h"
#include "utils/rel.h"

/* May the clause be evaluated before others?  Not if it could show rows that a
 * security barrier hides. */
extern bool tsdb_clause_is_safe_early(const RelOptInfo *rel, const RestrictInfo *info);

/* Copies of the clauses (of a list of RestrictInfo) that may filter chunks. */
extern List *tsdb_clauses_for_filter(const RelOptInfo *rel, List *clauses);

/* Those of them that filter by one of the table's columns, as RestrictInfo. */
extern List *tsdb_clauses_on_columns(const RelOptInfo *rel, List *clauses, int count,
									 const AttrNumber *columns);

/* Attribute numbers of the columns that expressions refer to, none for system
 * columns; all for the whole row. */
extern List *tsdb_clauses_columns(List *exprs, Index relid, Relation table);

/*
 * The plan node of a path that scans by columns, with its conditions and the clauses among them that
 * may filter chunks.  Sets the columns that target and conditions refer to.
 */
extern CustomScan *tsdb_clauses_make_scan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path,
										  List *tlist, List *clauses,
										  const CustomScanMethods *methods, List **columns);

#endif							/* TSDB_PLAN_SCAN_CLAUSES_H */
