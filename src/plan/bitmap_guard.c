/*
 * bitmap_guard.c
 *		Keep the executor from prefetching blocks that are no blocks.
 */
#include "postgres.h"

#include "plan/bitmap_guard.h"

#include "am/handler.h"
#include "nodes/execnodes.h"
#include "nodes/nodeFuncs.h"
#include "utils/guc.h"

static bool
guard_walker(PlanState *state, void *context)
{
	if (state == NULL)
		return false;
	if (IsA(state, BitmapHeapScanState))
	{
		BitmapHeapScanState *scan = (BitmapHeapScanState *) state;

		if (scan->ss.ss_currentRelation != NULL &&
			tsdb_is_table(scan->ss.ss_currentRelation))
		{
			scan->prefetch_maximum = 0;
			*(bool *) context = true;
		}
	}
	return planstate_tree_walker(state, guard_walker, context);
}

bool
tsdb_bitmap_guard_start(QueryDesc *query)
{
	bool		found = false;

	guard_walker(query->planstate, &found);
	return found && (query->operation != CMD_SELECT ||
					 query->plannedstmt->rowMarks != NIL ||
					 query->plannedstmt->hasModifyingCTE);
}

int
tsdb_bitmap_guard_enter(void)
{
	int			nestlevel = NewGUCNestLevel();

	(void) set_config_option("effective_io_concurrency", "0", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return nestlevel;
}

void
tsdb_bitmap_guard_leave(int nestlevel)
{
	AtEOXact_GUC(true, nestlevel);
}
