/*
 * key_index_build.c
 *		Building a tsdb_key index.
 *
 * The index gets entries of the row store's rows by btree's own build.  Whether
 * the rows of both stores together are unique is found by sorting all their
 * keys, after that: CREATE INDEX CONCURRENTLY takes a snapshot for each, and a row
 * that came in between must be seen by the check if it has an entry, since its
 * last phase checks only rows that have none yet.
 *
 * Sorting code of the server wants to see the btree access method: it gets a
 * copy of the index's relcache entry that says so.
 */
#include "postgres.h"

#include "am/key_index.h"

#include "access/nbtree.h"
#include "access/relation.h"
#include "am/build.h"
#include "am/handler.h"
#include "am/heap_shadow.h"
#include "catalog/index.h"
#include "catalog/pg_am_d.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "store/key_note.h"
#include "store/storage.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplesort.h"

static void
refuse_unfit(Relation table, Relation index, IndexInfo *info)
{
	if (!tsdb_is_table(table))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("index \"%s\" of access method \"%s\" cannot be on table \"%s\"",
						RelationGetRelationName(index), TSDB_KEY_AM,
						RelationGetRelationName(table)),
				 errdetail("It finds rows through the chunks of a tsdb table, and this table has none."),
				 errhint("Use a btree index. To change the table's access method, drop the index first.")));
	if (info->ii_Expressions != NIL || info->ii_Predicate != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("access method \"%s\" does not support %s indexes", TSDB_KEY_AM,
						info->ii_Predicate != NIL ? "partial" : "expression"),
				 errdetail("Chunks are searched by their columns."),
				 errhint("Use a btree index.")));
}

Relation
tsdb_key_shadow_open(Relation index)
{
	Relation	shadow = tsdb_heap_shadow_open(index);
	Form_pg_class form = MemoryContextAlloc(TopTransactionContext, CLASS_TUPLE_SIZE);

	memcpy(form, index->rd_rel, CLASS_TUPLE_SIZE);
	form->relam = BTREE_AM_OID;
	shadow->rd_rel = form;
	shadow->rd_tableam = NULL;
	return shadow;
}

void
tsdb_key_shadow_close(Relation shadow)
{
	tsdb_heap_shadow_close(shadow);
	if (shadow->rd_amcache != NULL)
		pfree(shadow->rd_amcache);
	pfree(shadow->rd_rel);
	pfree(shadow);
}

typedef struct KeyCheck
{
	Tuplesortstate *sort;
	Relation	index;
	double		rows;
} KeyCheck;

static void
check_row(Relation index, ItemPointer tid, Datum *values, bool *nulls, bool alive, void *arg)
{
	KeyCheck   *check = arg;

	if (!alive)
		return;
	if (check->sort != NULL)
		tuplesort_putindextuplevalues(check->sort, check->index, tid, values, nulls);
	check->rows++;
}

/* Sort the keys of all rows; a duplicate is an error then.  Returns rows. */
static double
check_all_rows(Relation table, Relation shadow, IndexInfo *info)
{
	KeyCheck	check = {.index = shadow};

	if (info->ii_Unique)
		check.sort = tuplesort_begin_index_btree(table, shadow, true,
												 info->ii_NullsNotDistinct,
												 maintenance_work_mem, NULL, TUPLESORT_NONE);
	tsdb_index_build_scan_all(table, shadow, info, check_row, &check);
	if (check.sort != NULL)
	{
		tuplesort_performsort(check.sort);
		tuplesort_end(check.sort);
	}
	return check.rows;
}

IndexBuildResult *
tsdb_key_build(Relation table, Relation index, IndexInfo *info)
{
	IndexBuildResult *volatile result = NULL;
	TsdbStorage *storage;
	Relation	shadow;

	refuse_unfit(table, index, info);
	shadow = tsdb_key_shadow_open(index);
	PG_TRY();
	{
		result = btbuild(table, shadow, info);
		storage = tsdb_storage_open(table, AccessShareLock);
		if (storage != NULL)
		{
			tsdb_storage_close(storage);
			result->heap_tuples = check_all_rows(table, shadow, info);
		}
	}
	PG_FINALLY();
	{
		tsdb_key_shadow_close(shadow);
	}
	PG_END_TRY();
	tsdb_key_note_init(index);
	return result;
}
