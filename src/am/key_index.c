/*
 * key_index.c
 *		Access method tsdb_key: the handler, inserting, costs.
 */
#include "postgres.h"

#include "am/key_index.h"

#include "access/nbtree.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "am/direct_load.h"
#include "cache/key_lookup.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "storage/lmgr.h"
#include "store/chunk_map.h"
#include "store/chunk_tid.h"
#include "utils/memutils.h"
#include "utils/selfuncs.h"
#include "utils/snapmgr.h"
#include "utils/spccache.h"

PG_FUNCTION_INFO_V1(tsdb_key_handler);

/* ---- unique keys ---- */

/* A key that is looked for in chunks. */
typedef struct KeyLook
{
	Relation	index;
	Relation	table;
	Datum	   *values;
	bool	   *nulls;
	uint64		version;		/* of the map that was looked at last */
} KeyLook;

/*
 * Is the key in a chunk?  TSDB_KEY_FREE is the answer for one state of the
 * directory, that of look->version.
 */
static TsdbKeyState
look_into_chunks(KeyLook *look, TransactionId *holder)
{
	TsdbKeyState state = TSDB_KEY_FREE;

	for (;;)
	{
		TsdbChunkMap *map = tsdb_chunk_map_get(look->index, look->table);
		TsdbKeyMatches matches;
		int			judged = 0;

		look->version = tsdb_chunk_map_version(map);
		tsdb_key_matches_init(&matches);
		tsdb_key_lookup(map, look->table, look->values, look->nulls, NULL, &matches);
		while (state == TSDB_KEY_FREE && judged < matches.count)
			state = tsdb_key_judge(look->table, &matches.rows[judged++], holder);
		tsdb_key_matches_free(&matches);

		/* If nothing was judged, what chunks hold is as of the map. */
		if (state != TSDB_KEY_FREE || judged == 0 ||
			look->version == tsdb_chunk_map_version(tsdb_chunk_map_get(look->index,
																	   look->table)))
			return state;
		CHECK_FOR_INTERRUPTS();
	}
}

void
tsdb_key_report_duplicate(Relation table, Relation index, Datum *values, bool *nulls)
{
	char	   *key = BuildIndexValueDescription(index, values, nulls);

	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("duplicate key value violates unique constraint \"%s\"",
					RelationGetRelationName(index)),
			 key != NULL ? errdetail("Key %s already exists.", key) : 0,
			 errtableconstraint(table, RelationGetRelationName(index))));
}

/* Look until nobody holds the key in a chunk; raises an error if it is there,
 * unless the row that is to be entered has gone itself. */
static void
ensure_free(KeyLook *look, ItemPointer tid)
{
	for (;;)
	{
		TransactionId holder = InvalidTransactionId;

		switch (look_into_chunks(look, &holder))
		{
			case TSDB_KEY_FREE:
				return;
			case TSDB_KEY_TAKEN:
				{
					/* As in btree: for CREATE INDEX CONCURRENTLY. */
					ItemPointerData self = *tid;

					if (!table_index_fetch_tuple_check(look->table, &self, SnapshotSelf, NULL))
						return;
					tsdb_key_report_duplicate(look->table, look->index, look->values,
											  look->nulls);
					break;
				}
			case TSDB_KEY_IN_DOUBT:
				XactLockTableWait(holder, look->index, tid, XLTW_InsertIndex);
				break;
		}
	}
}

/* Have the chunks changed since the last look? */
static bool
has_changed(const KeyLook *look)
{
	return look->version !=
		tsdb_chunk_map_version(tsdb_chunk_map_get(look->index, look->table));
}

static bool
has_null(Relation index, const bool *nulls)
{
	for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(index); i++)
	{
		if (nulls[i])
			return true;
	}
	return false;
}

/*
 * Let btree insert an entry.  Its code does so for any access method, but
 * assertions want to see btree's OID: where they are enabled, it gets a copy of
 * the relcache entry that has it.
 */
static bool
insert_entry(Relation index, Datum *values, bool *nulls, ItemPointer tid, Relation table,
			 IndexUniqueCheck check, bool unchanged, struct IndexInfo *info)
{
#ifdef USE_ASSERT_CHECKING
	Relation	shadow = tsdb_key_shadow_open(index);
	volatile bool unique = false;

	PG_TRY();
	{
		unique = btinsert(shadow, values, nulls, tid, table, check, unchanged, info);
	}
	PG_FINALLY();
	{
		tsdb_key_shadow_close(shadow);
	}
	PG_END_TRY();
	return unique;
#else
	return btinsert(index, values, nulls, tid, table, check, unchanged, info);
#endif
}

static bool
key_insert(Relation index, Datum *values, bool *nulls, ItemPointer tid, Relation table,
		   IndexUniqueCheck check, bool unchanged, struct IndexInfo *info)
{
	KeyLook		look = {index, table, values, nulls, 0};
	TransactionId holder;

	if (tsdb_tid_is_gathered(tid))
	{
		tsdb_direct_load_note_line(table, tid);
		return true;			/* it is checked with all others */
	}
	tsdb_direct_load_want_tuples();
	if (check == UNIQUE_CHECK_NO ||
		(!index->rd_index->indnullsnotdistinct && has_null(index, nulls)))
		return insert_entry(index, values, nulls, tid, table, check, unchanged, info);

	switch (check)
	{
		case UNIQUE_CHECK_PARTIAL:
			/* No waiting: what is in doubt is checked again later. */
			return insert_entry(index, values, nulls, tid, table, check, unchanged, info) &&
				look_into_chunks(&look, &holder) == TSDB_KEY_FREE;
		case UNIQUE_CHECK_EXISTING:
			(void) insert_entry(index, values, nulls, tid, table, check, unchanged, info);
			ensure_free(&look, tid);
			return true;
		default:
			ensure_free(&look, tid);
			(void) insert_entry(index, values, nulls, tid, table, check, unchanged, info);
			if (has_changed(&look))
				ensure_free(&look, tid);
			return true;
	}
}

/* ---- costs ---- */

/*
 * What the btree costs is little: few rows are in it.  On top comes the
 * decoding of the chunks that the rows are in, one at least.
 */
static void
key_cost_estimate(PlannerInfo *root, IndexPath *path, double loop_count,
				  Cost *startup_cost, Cost *total_cost, Selectivity *selectivity,
				  double *correlation, double *pages)
{
	const double rows_of_chunk = TSDB_CHUNK_ROWS;
	IndexOptInfo *index = path->indexinfo;
	GenericCosts costs = {0};
	double		chunks = index->rel->tuples / rows_of_chunk;
	double		touched;
	double		random_page_cost;

	genericcostestimate(root, path, loop_count, &costs);
	get_tablespace_page_costs(index->reltablespace, &random_page_cost, NULL);
	touched = Min(chunks, 1 + chunks * costs.indexSelectivity);

	*startup_cost = costs.indexStartupCost;
	*total_cost = costs.indexTotalCost +
		touched * (index->nkeycolumns * random_page_cost / Max(loop_count, 1) +
				   rows_of_chunk * 0.1 * cpu_operator_cost * index->nkeycolumns);
	*selectivity = costs.indexSelectivity;
	*correlation = costs.indexCorrelation;
	*pages = costs.numIndexPages;
}

/* ---- the handler ---- */

Datum
tsdb_key_handler(PG_FUNCTION_ARGS)
{
	IndexAmRoutine *am = makeNode(IndexAmRoutine);

	am->amstrategies = BTMaxStrategyNumber;
	am->amsupport = BTNProcs;
	am->amoptsprocnum = BTOPTIONS_PROC;
	am->amcanunique = true;
	am->amcanmulticol = true;
	am->amsearchnulls = true;
	am->ampredlocks = true;
	am->amparallelvacuumoptions =
		VACUUM_OPTION_PARALLEL_BULKDEL | VACUUM_OPTION_PARALLEL_COND_CLEANUP;
	am->amkeytype = InvalidOid;

	am->ambuild = tsdb_key_build;
	am->ambuildempty = btbuildempty;
	am->aminsert = key_insert;
	am->ambulkdelete = btbulkdelete;
	am->amvacuumcleanup = btvacuumcleanup;
	am->amcostestimate = key_cost_estimate;
	am->amoptions = btoptions;
	am->ambuildphasename = btbuildphasename;
	am->amvalidate = btvalidate;
	am->ambeginscan = tsdb_key_begin_scan;
	am->amrescan = tsdb_key_rescan;
	am->amgettuple = tsdb_key_get_tuple;
	am->amgetbitmap = tsdb_key_get_bitmap;
	am->amendscan = tsdb_key_end_scan;
	PG_RETURN_POINTER(am);
}
