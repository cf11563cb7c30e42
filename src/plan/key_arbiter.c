/*
 * key_arbiter.c
 *		Let a tsdb_key index decide ON CONFLICT.
 */
#include "postgres.h"

#include "plan/key_arbiter.h"

#include "access/genam.h"
#include "access/nbtree.h"
#include "access/stratnum.h"
#include "am/handler.h"
#include "catalog/index.h"
#include "catalog/pg_am_d.h"
#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "store/key_note.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* What the executor wants to know of a unique index that is an arbiter. */
static void
describe_equality(Relation index, IndexInfo *info)
{
	int			nkeys = IndexRelationGetNumberOfKeyAttributes(index);

	info->ii_UniqueOps = palloc(nkeys * sizeof(Oid));
	info->ii_UniqueProcs = palloc(nkeys * sizeof(Oid));
	info->ii_UniqueStrats = palloc(nkeys * sizeof(uint16));
	for (int i = 0; i < nkeys; i++)
	{
		Oid			type = index->rd_opcintype[i];
		Oid			equality = get_opfamily_member(index->rd_opfamily[i], type, type,
												   BTEqualStrategyNumber);

		if (!OidIsValid(equality))
			elog(ERROR, "operator family %u has no equality for type %u",
				 index->rd_opfamily[i], type);
		info->ii_UniqueOps[i] = equality;
		info->ii_UniqueProcs[i] = get_opcode(equality);
		info->ii_UniqueStrats[i] = BTEqualStrategyNumber;
	}
}

static bool
has_key_index(Relation rel)
{
	List	   *oids = RelationGetIndexList(rel);
	bool		found = false;
	ListCell   *lc;

	foreach(lc, oids)
	{
		Relation	index = index_open(lfirst_oid(lc), RowExclusiveLock);

		found = found || tsdb_key_index_is(index);
		index_close(index, NoLock);
	}
	list_free(oids);
	return found;
}

/* Open all indexes of a target, which the executor closes at its end. */
static void
open_indexes(ResultRelInfo *target)
{
	List	   *oids = RelationGetIndexList(target->ri_RelationDesc);
	int			count = 0;
	ListCell   *lc;

	target->ri_IndexRelationDescs = palloc(list_length(oids) * sizeof(Relation));
	target->ri_IndexRelationInfo = palloc(list_length(oids) * sizeof(IndexInfo *));
	foreach(lc, oids)
	{
		Relation	index = index_open(lfirst_oid(lc), RowExclusiveLock);
		IndexInfo  *info = BuildIndexInfo(index);

		if (info->ii_Unique && index->rd_rel->relam == BTREE_AM_OID)
			BuildSpeculativeIndexInfo(index, info);
		else if (info->ii_Unique)
			describe_equality(index, info);
		target->ri_IndexRelationDescs[count] = index;
		target->ri_IndexRelationInfo[count++] = info;
	}
	target->ri_NumIndices = count;
	list_free(oids);
}

static void
prepare(PlanState *planstate)
{
	ModifyTableState *state = castNode(ModifyTableState, planstate);
	MemoryContext old;

	if (((ModifyTable *) state->ps.plan)->onConflictAction == ONCONFLICT_NONE)
		return;
	old = MemoryContextSwitchTo(state->ps.state->es_query_cxt);
	for (int i = 0; i < state->mt_nrels; i++)
	{
		ResultRelInfo *target = &state->resultRelInfo[i];
		Relation	rel = target->ri_RelationDesc;

		if (target->ri_IndexRelationDescs == NULL && tsdb_is_table(rel) &&
			rel->rd_rel->relhasindex && has_key_index(rel))
			open_indexes(target);
	}
	MemoryContextSwitchTo(old);
}

void
tsdb_key_arbiter_start(QueryDesc *query)
{
	ListCell   *lc;

	if (query->planstate != NULL && IsA(query->planstate, ModifyTableState))
		prepare(query->planstate);
	foreach(lc, query->estate->es_auxmodifytables)
		prepare(lfirst(lc));
}

void
tsdb_key_arbiter_explain_error(void)
{
	MemoryContext old;
	ErrorData  *error;

	if (geterrcode() != ERRCODE_INTERNAL_ERROR)
		return;
	old = MemoryContextSwitchTo(TopTransactionContext);
	error = CopyErrorData();
	MemoryContextSwitchTo(old);
	if (strcmp(error->message, "only b-tree indexes are supported for foreign keys") == 0)
	{
		FlushErrorState();
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("foreign keys cannot refer to columns of a unique index of access method \"%s\"",
						TSDB_KEY_AM),
				 errhint("Give the columns a PRIMARY KEY or UNIQUE constraint instead, or a PRIMARY KEY besides and name no columns in REFERENCES.")));
	}
	if (strcmp(error->message, "unexpected non-btree speculative unique index") != 0)
		return;
	FlushErrorState();
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("ON CONFLICT is not supported on a partitioned table that has partitions with unique indexes of access method \"%s\"",
					TSDB_KEY_AM),
			 errhint("Insert into the partition itself, use MERGE, or give partitions btree indexes.")));
}
