/*
 * assigned_columns.c
 *		Which columns the running UPDATE assigns to.
 */
#include "postgres.h"

#include "am/assigned_columns.h"

#include "executor/executor.h"
#include "nodes/execnodes.h"

static TsdbRunningQuery *innermost = NULL;

void
tsdb_assigned_columns_enter(TsdbRunningQuery *running, QueryDesc *query)
{
	running->query = query;
	running->inserted = 0;
	running->outer = innermost;
	innermost = running;
}

void
tsdb_assigned_columns_leave(TsdbRunningQuery *running)
{
	innermost = running->outer;
}

/* The target of this relation in a list of them, or NULL. */
static ResultRelInfo *
find_target(List *targets, Relation rel)
{
	ListCell   *lc;

	foreach(lc, targets)
	{
		ResultRelInfo *target = lfirst(lc);

		if (target->ri_RelationDesc == rel)
			return target;
	}
	return NULL;
}

static ResultRelInfo *
target_of(EState *estate, Relation rel)
{
	ResultRelInfo *target = find_target(estate->es_opened_result_relations, rel);

	if (target == NULL)
		target = find_target(estate->es_tuple_routing_result_relations, rel);
	return target;
}

TsdbRunningQuery *
tsdb_running_query(void)
{
	return innermost;
}

ResultRelInfo *
tsdb_running_query_target(const TsdbRunningQuery *running, Relation rel)
{
	return running->query->estate != NULL ? target_of(running->query->estate, rel) : NULL;
}

Bitmapset *
tsdb_assigned_columns(Relation rel)
{
	EState	   *estate = innermost != NULL ? innermost->query->estate : NULL;
	ResultRelInfo *target;

	if (estate == NULL)
		return NULL;
	target = target_of(estate, rel);
	return target != NULL ? ExecGetUpdatedCols(target, estate) : NULL;
}
