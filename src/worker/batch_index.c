/*
 * batch_index.c
 *		The indexes of a table that have entries of chunk rows, open to get those of new ones.
 */
#include "postgres.h"

#include "worker/batch_index.h"

#include "access/genam.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "store/key_note.h"
#include "store/table_key.h"
#include "utils/relcache.h"

void
tsdb_batch_indexes_open(TsdbBatchIndexes *indexes, Relation table)
{
	List	   *oids = RelationGetIndexList(table);
	ListCell   *lc;

	indexes->relations = palloc(Max(list_length(oids), 1) * sizeof(Relation));
	indexes->infos = palloc(Max(list_length(oids), 1) * sizeof(IndexInfo *));
	foreach(lc, oids)
	{
		Relation	index = index_open(lfirst_oid(lc), RowExclusiveLock);
		IndexInfo  *info;

		if (!index->rd_index->indisready)
		{
			index_close(index, RowExclusiveLock);
			continue;
		}
		if (tsdb_key_index_is(index))
		{
			/* It has no entries of chunk rows, but must hear of the change. */
			tsdb_key_note_write(index);
			index_close(index, RowExclusiveLock);
			continue;
		}
		info = BuildIndexInfo(index);
		indexes->relations[indexes->count] = index;
		indexes->infos[indexes->count++] = info;
	}
	list_free(oids);
	if (indexes->count > 0)
	{
		indexes->estate = CreateExecutorState();
		indexes->slot = MakeSingleTupleTableSlot(RelationGetDescr(table), &TTSOpsVirtual);
		GetPerTupleExprContext(indexes->estate)->ecxt_scantuple = indexes->slot;
	}
}

void
tsdb_batch_indexes_close(TsdbBatchIndexes *indexes)
{
	if (indexes->count > 0)
	{
		ExecDropSingleTupleTableSlot(indexes->slot);
		FreeExecutorState(indexes->estate);
	}
	for (int i = 0; i < indexes->count; i++)
		index_close(indexes->relations[i], NoLock);
}

void
tsdb_batch_indexes_insert(TsdbBatchIndexes *indexes, Relation table)
{
	TupleTableSlot *slot = indexes->slot;

	for (int i = 0; i < indexes->count; i++)
	{
		IndexInfo  *info = indexes->infos[i];
		Datum		values[INDEX_MAX_KEYS];
		bool		nulls[INDEX_MAX_KEYS];

		if (info->ii_Predicate != NIL)
		{
			if (info->ii_PredicateState == NULL)
				info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate,
														  indexes->estate);
			if (!ExecQual(info->ii_PredicateState, GetPerTupleExprContext(indexes->estate)))
				continue;
		}
		FormIndexDatum(info, slot, indexes->estate, values, nulls);

		/* The row is the same one: there is no conflict to look for. */
		index_insert(indexes->relations[i], values, nulls, &slot->tts_tid, table,
					 UNIQUE_CHECK_NO, false, info);
	}
}
