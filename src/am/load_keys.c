/*
 * load_keys.c
 *		Loading rows into a table that has indexes, all of access method tsdb_key.
 */
#include "postgres.h"

#include "am/load_keys.h"

#include "access/genam.h"
#include "am/key_index.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "stats/stop_point.h"
#include "storage/lmgr.h"
#include "store/key_note.h"
#include "store/table_key.h"
#include "utils/relcache.h"
#include "worker/batch_keys.h"

/* An index that is being built, or is on its way out, is for the row store. */
static bool
index_suits(Relation rel, Relation index, const TsdbSortKey *key)
{
	Form_pg_index form = index->rd_index;

	return tsdb_key_index_is(index) && form->indisvalid && form->indisready &&
		form->indislive && !form->indisexclusion && form->indimmediate &&
		(!form->indisunique || tsdb_batch_keys_suit(rel, index, key));
}

bool
tsdb_load_keys_suit(Relation rel, bool *any)
{
	bool		suit = true;
	TsdbSortKey key;
	List	   *oids;
	ListCell   *lc;

	*any = false;
	if (!rel->rd_rel->relhasindex)
		return true;
	tsdb_table_key(rel, &key);
	oids = RelationGetIndexList(rel);
	foreach(lc, oids)
	{
		Relation	index = index_open(lfirst_oid(lc), RowExclusiveLock);

		suit = suit && index_suits(rel, index, &key);
		index_close(index, RowExclusiveLock);
		*any = true;
	}
	list_free(oids);
	return suit;
}

void
tsdb_load_keys_open(TsdbLoadKeys *keys, Relation rel)
{
	List	   *oids = rel->rd_rel->relhasindex ? RelationGetIndexList(rel) : NIL;
	ListCell   *lc;

	keys->count = 0;
	keys->any_unique = false;
	keys->indexes = palloc(Max(list_length(oids), 1) * sizeof(Relation));
	keys->infos = palloc(Max(list_length(oids), 1) * sizeof(IndexInfo *));
	foreach(lc, oids)
	{
		Relation	index = index_open(lfirst_oid(lc), RowExclusiveLock);

		if (!index->rd_index->indisready)
		{
			index_close(index, RowExclusiveLock);
			continue;
		}
		keys->any_unique |= index->rd_index->indisunique;
		keys->infos[keys->count] = BuildIndexInfo(index);
		keys->indexes[keys->count++] = index;
	}
	list_free(oids);
}

void
tsdb_load_keys_close(TsdbLoadKeys *keys)
{
	for (int i = 0; i < keys->count; i++)
		index_close(keys->indexes[i], RowExclusiveLock);
	keys->count = 0;
}

bool
tsdb_load_keys_fit(const TsdbLoadKeys *keys, Relation rel, const TsdbBatch *batch)
{
	for (int i = 0; i < keys->count; i++)
	{
		if (keys->indexes[i]->rd_index->indisunique &&
			!tsdb_batch_keys_fit(batch, rel, keys->indexes[i]))
			return false;
	}
	return true;
}

static void pg_attribute_noreturn()
report_conflict(const TsdbKeyConflict *conflict, Relation rel, TsdbBatch *batch,
				TsdbLoadLines *lines)
{
	int			natts = RelationGetDescr(rel)->natts;
	Datum	   *row = palloc(natts * sizeof(Datum));
	bool	   *row_nulls = palloc(natts * sizeof(bool));
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];

	tsdb_batch_rows_read(tsdb_batch_rows(batch), RelationGetDescr(rel), conflict->row, row,
						 row_nulls);
	for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(conflict->index); i++)
	{
		AttrNumber	attno = conflict->index->rd_index->indkey.values[i];

		values[i] = row[attno - 1];
		nulls[i] = row_nulls[attno - 1];
	}
	if (lines != NULL)
		tsdb_load_lines_name_row(lines, conflict->row);
	tsdb_key_report_duplicate(rel, conflict->index, values, nulls);
}

/* Are all keys free?  Returns what is to be waited for; raises an error if one is taken. */
static bool
find_conflict(TsdbLoadKeys *keys, Relation rel, TsdbBatch *batch, bool placed,
			  TsdbKeyMoment *moments, TsdbKeyConflict *conflict)
{
	conflict->index = NULL;
	for (int i = 0; i < keys->count; i++)
	{
		if (keys->indexes[i]->rd_index->indisunique)
			tsdb_batch_keys_check(batch, rel, keys->indexes[i], placed, &moments[i],
								  conflict);
	}
	return conflict->index != NULL;
}

/* Wait until a key is not in doubt any more. */
static void
wait_for_holder(const TsdbKeyConflict *conflict)
{
	if (conflict->token != 0)
		SpeculativeInsertionWait(conflict->holder, conflict->token);
	else
		XactLockTableWait(conflict->holder, NULL, NULL, XLTW_None);
}

/*
 * Fail, since there is a conflict of a key that is taken: at the first row that has one, be it among those that were
 * to be written later.
 */
static void pg_attribute_noreturn()
fail_at_first(TsdbLoadKeys *keys, Relation rel, TsdbBatch *batch, TsdbLoadLines *lines,
			  TsdbKeyMoment *moments, TsdbKeyConflict *conflict)
{
	TsdbKeyConflict first;

	if (tsdb_batch_rows(batch)->left != NULL)
	{
		tsdb_batch_rows_sort(tsdb_batch_rows(batch));
		while (find_conflict(keys, rel, batch, false, moments, &first))
		{
			if (first.state == TSDB_KEY_TAKEN)
				report_conflict(&first, rel, batch, lines);
			wait_for_holder(&first);
		}
	}
	report_conflict(conflict, rel, batch, lines);
}

static void
settle_conflict(TsdbLoadKeys *keys, Relation rel, TsdbBatch *batch, TsdbLoadLines *lines,
				TsdbKeyMoment *moments, TsdbKeyConflict *conflict)
{
	if (conflict->state == TSDB_KEY_TAKEN)
		fail_at_first(keys, rel, batch, lines, moments, conflict);
	wait_for_holder(conflict);
}

static void
note_loads(TsdbLoadKeys *keys)
{
	for (int i = 0; i < keys->count; i++)
		tsdb_key_note_load(keys->indexes[i]);
}

void
tsdb_load_keys_place(TsdbLoadKeys *keys, Relation rel, TsdbBatch *batch, TsdbLoadLines *lines)
{
	TsdbKeyMoment *moments;
	TsdbKeyConflict conflict;

	if (!keys->any_unique)
	{
		note_loads(keys);
		return;
	}
	moments = palloc(keys->count * sizeof(TsdbKeyMoment));
	for (;;)
	{
		tsdb_storage_lock_keys(rel);
		if (!find_conflict(keys, rel, batch, false, moments, &conflict))
			break;
		tsdb_storage_unlock_keys(rel);
		settle_conflict(keys, rel, batch, lines, moments, &conflict);
	}
	tsdb_stop_point("load_before_place");
	tsdb_batch_place(batch);
	note_loads(keys);
	tsdb_storage_unlock_keys(rel);
	tsdb_stop_point("load_after_place");
	while (find_conflict(keys, rel, batch, true, moments, &conflict))
		settle_conflict(keys, rel, batch, lines, moments, &conflict);
	pfree(moments);
}

void
tsdb_load_keys_enter(TsdbLoadKeys *keys, Relation rel, TupleTableSlot *slot)
{
	for (int i = 0; i < keys->count; i++)
	{
		Relation	index = keys->indexes[i];
		Datum		values[INDEX_MAX_KEYS];
		bool		nulls[INDEX_MAX_KEYS];

		FormIndexDatum(keys->infos[i], slot, NULL, values, nulls);
		(void) index_insert(index, values, nulls, &slot->tts_tid, rel,
							index->rd_index->indisunique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO,
							false, keys->infos[i]);
	}
}
