/*
 * salvage_plan.c
 *		No parallel plans while damaged chunks are passed over.
 */
#include "postgres.h"

#include "plan/salvage_plan.h"

#include "am/salvage.h"
#include "optimizer/plancat.h"

static get_relation_info_hook_type previous_hook = NULL;

/* Of any table: one that another is joined to in parallel is read in parallel too. */
static void
relation_info(PlannerInfo *root, Oid relid, bool inhparent, RelOptInfo *rel)
{
	if (previous_hook != NULL)
		previous_hook(root, relid, inhparent, rel);
	if (tsdb_damaged_chunks != TSDB_DAMAGED_ERROR)
		rel->rel_parallel_workers = 0;
}

void
tsdb_salvage_plan_init(void)
{
	previous_hook = get_relation_info_hook;
	get_relation_info_hook = relation_info;
}
