/*
 * key_index_scan.c
 *		Scans of a tsdb_key index: the btree first, then the chunks.
 *
 * All conditions are checked exactly, on the decoded key columns of each chunk
 * that can hold a match, so rows need no recheck; but a dirty snapshot may see the
 * number of a chunk used again, and asks for one.  (Not with conditions IS NULL:
 * the executor's recheck takes a null for a mismatch.)
 */
#include "postgres.h"

#include "am/key_index.h"

#include "access/nbtree.h"
#include "access/relscan.h"
#include "access/table.h"
#include "cache/key_lookup.h"
#include "miscadmin.h"
#include "store/chunk_map.h"
#include "store/chunk_tid.h"
#include "store/storage.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* The values that columns have to equal, as far as there are any. */
typedef struct KeyPoint
{
	bool		given[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];	/* has to be null */
	Datum		values[INDEX_MAX_KEYS];
	bool		whole;			/* given for every column, and there is no more to it */
	bool		series;			/* for every column that names the series */
	bool		any_null;		/* one has to be null */
} KeyPoint;

typedef struct KeyScan
{
	IndexScanDesc btree;
	bool		btree_done;
	bool		chunks_begun;
	bool		chunks_done;
	uint64		version;		/* of the map that refs came from */
	KeyPoint	point;
	bool		returned;		/* a row of these chunks */
	TsdbChunkRefs found;
	int			ref;			/* the next one */
	ItemPointerData *tids;		/* matches of the chunk at hand; of all, if the
								 * point is whole */
	int			tids_allocated;
	int			ntids;
	int			tid;			/* the next one */
	Relation	table;			/* opened by us, for a bitmap */
} KeyScan;

IndexScanDesc
tsdb_key_begin_scan(Relation index, int nkeys, int norderbys)
{
	IndexScanDesc scan = RelationGetIndexScan(index, nkeys, norderbys);
	KeyScan    *state = palloc0(sizeof(KeyScan));

	state->btree = btbeginscan(index, nkeys, norderbys);
	state->btree->parallel_scan = NULL;
	state->btree->xs_temp_snap = false;
	state->found.refs = state->found.few;
	scan->opaque = state;
	return scan;
}

static void
forget_found(KeyScan *state)
{
	if (state->found.refs != state->found.few)
		pfree(state->found.refs);
	state->found.refs = state->found.few;
	state->found.count = 0;
	state->ref = 0;
	state->ntids = state->tid = 0;
}

void
tsdb_key_rescan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys, int norderbys)
{
	KeyScan    *state = scan->opaque;

	/* Rows that we have in hand ourselves are written first, and may go to either place. */
	if (scan->heapRelation != NULL && tsdb_storage_before_open != NULL)
		tsdb_storage_before_open(scan->heapRelation);
	if (keys != NULL && scan->numberOfKeys > 0)
		memmove(scan->keyData, keys, scan->numberOfKeys * sizeof(ScanKeyData));
	state->btree->heapRelation = scan->heapRelation;
	state->btree->xs_snapshot = scan->xs_snapshot;
	btrescan(state->btree, keys, nkeys, orderbys, norderbys);
	state->btree_done = state->chunks_begun = state->chunks_done = false;
	forget_found(state);
}

void
tsdb_key_end_scan(IndexScanDesc scan)
{
	KeyScan    *state = scan->opaque;

	btendscan(state->btree);
	IndexScanEnd(state->btree);
	forget_found(state);
	if (state->tids != NULL)
		pfree(state->tids);
	pfree(state);
}

/* ---- conditions ---- */

/* Is the condition's argument of the type that the index column compares? */
static bool
same_type(const TsdbKeyColumn *column, ScanKey key)
{
	return !OidIsValid(key->sk_subtype) || key->sk_subtype == column->type;
}

/* An ordinary comparison with a value, which the column's own order understands. */
static bool
is_plain(const TsdbKeyColumn *column, ScanKey key)
{
	return (key->sk_flags & (SK_ISNULL | SK_SEARCHNULL | SK_SEARCHNOTNULL |
							 SK_SEARCHARRAY | SK_ROW_HEADER)) == 0 &&
		same_type(column, key);
}

static bool
compare_integers(int64 value, int strategy, int64 argument)
{
	switch (strategy)
	{
		case BTLessStrategyNumber:
			return value < argument;
		case BTLessEqualStrategyNumber:
			return value <= argument;
		case BTEqualStrategyNumber:
			return value == argument;
		case BTGreaterEqualStrategyNumber:
			return value >= argument;
		default:
			return value > argument;
	}
}

static bool
satisfies(TsdbKeyColumn *column, ScanKey key, Datum value, bool isnull)
{
	if (key->sk_flags & SK_SEARCHNULL)
		return isnull;
	if (key->sk_flags & SK_SEARCHNOTNULL)
		return !isnull;
	if (isnull || (key->sk_flags & SK_ISNULL))
		return false;
	if (column->kind == TSDB_KEY_INTEGER && same_type(column, key) &&
		(column->rank == TSDB_RANK_SIGNED || key->sk_strategy == BTEqualStrategyNumber))
		return compare_integers(tsdb_key_integer(column, value), key->sk_strategy,
								tsdb_key_integer(column, key->sk_argument));
	return DatumGetBool(FunctionCall2Coll(&key->sk_func, key->sk_collation, value,
										  key->sk_argument));
}

static bool
row_matches(IndexScanDesc scan, TsdbKeyColumns *key, const TsdbChunkKeys *keys, uint32 row)
{
	for (int i = 0; i < scan->numberOfKeys; i++)
	{
		ScanKey		condition = &scan->keyData[i];
		int			column = condition->sk_attno - 1;

		if (!satisfies(&key->columns[column], condition, keys->values[column][row],
					   tsdb_chunk_keys_is_null(keys, column, row)))
			return false;
	}
	return true;
}

static void
find_point(IndexScanDesc scan, TsdbKeyColumns *key, KeyPoint *point)
{
	for (int i = 0; i < key->count; i++)
		point->given[i] = false;
	for (int i = 0; i < scan->numberOfKeys; i++)
	{
		ScanKey		condition = &scan->keyData[i];
		int			column = condition->sk_attno - 1;

		point->nulls[column] = (condition->sk_flags & SK_SEARCHNULL) != 0;
		if (!point->nulls[column] &&
			(condition->sk_strategy != BTEqualStrategyNumber ||
			 !is_plain(&key->columns[column], condition)))
			continue;
		point->given[column] = true;
		point->values[column] = condition->sk_argument;
	}
	point->whole = scan->numberOfKeys == key->count;
	point->series = true;
	point->any_null = false;
	for (int i = 0; i < key->count; i++)
	{
		point->whole = point->whole && point->given[i];
		point->any_null = point->any_null || (point->given[i] && point->nulls[i]);
	}
	for (int i = 0; i < key->nseries; i++)
		point->series = point->series && point->given[key->series[i]];
}

/* ---- chunks ---- */

static Relation
table_of(IndexScanDesc scan, KeyScan *state)
{
	return scan->heapRelation != NULL ? scan->heapRelation : state->table;
}

static void
make_room(KeyScan *state, int tids)
{
	if (tids <= state->tids_allocated)
		return;
	if (state->tids != NULL)
		pfree(state->tids);
	state->tids = MemoryContextAlloc(GetMemoryChunkContext(state),
									 tids * sizeof(ItemPointerData));
	state->tids_allocated = tids;
}

static void
add_tid(KeyScan *state, uint32 chunk, uint32 row)
{
	tsdb_tid_set(&state->tids[state->ntids++], chunk, row);
}

/* List all matches, of a whole point.  Other conditions do not matter: there is
 * one for each column. */
static void
look_up(IndexScanDesc scan, KeyScan *state, TsdbChunkMap *map)
{
	TsdbKeyMatches matches;

	tsdb_key_matches_init(&matches);
	tsdb_key_lookup(map, table_of(scan, state), state->point.values, state->point.nulls,
					scan->xs_snapshot, &matches);
	make_room(state, matches.count);
	for (int i = 0; i < matches.count; i++)
		add_tid(state, matches.rows[i].chunk, matches.rows[i].row);
	tsdb_key_matches_free(&matches);
}

/* Find the chunks to look into. */
static void
find_chunks(IndexScanDesc scan, KeyScan *state, TsdbChunkMap *map)
{
	TsdbKeyColumns *key = tsdb_chunk_map_columns(map);
	KeyPoint   *point = &state->point;
	TsdbKeyBox	box;
	uint32		series = 0;

	forget_found(state);
	state->version = tsdb_chunk_map_version(map);
	state->returned = false;
	find_point(scan, key, point);
	if (point->whole)
	{
		look_up(scan, state, map);
		return;
	}
	tsdb_key_box_init(&box);
	for (int i = 0; i < scan->numberOfKeys; i++)
	{
		ScanKey		condition = &scan->keyData[i];
		int			column = condition->sk_attno - 1;

		if (is_plain(&key->columns[column], condition))
			tsdb_key_box_narrow(map, &box, column, condition->sk_strategy,
								condition->sk_argument);
	}
	if (point->series)
		series = tsdb_key_series_hash(key, point->values, point->nulls);
	tsdb_chunk_map_find(map, &box, point->series ? &series : NULL, scan->xs_snapshot,
						&state->found);
}

/* List the matches of one chunk. */
static void
match_rows(IndexScanDesc scan, KeyScan *state, TsdbChunkMap *map, const TsdbChunkRef *ref)
{
	TsdbKeyColumns *key = tsdb_chunk_map_columns(map);
	const TsdbChunkKeys *keys = tsdb_key_cache_get(map, table_of(scan, state), ref);

	state->ntids = state->tid = 0;
	if (keys == NULL)
		return;
	make_room(state, TSDB_CHUNK_ROWS);
	for (uint32 row = 0; row < keys->nrows; row++)
	{
		if (row_matches(scan, key, keys, row))
			add_tid(state, ref->chunk, row);
	}
}

/* Go to the next chunk that has matches; false at the end. */
static bool
next_chunk(IndexScanDesc scan, KeyScan *state)
{
	TsdbChunkMap *map;

	if (state->chunks_done)
		return false;
	map = tsdb_chunk_map_get(scan->indexRelation, table_of(scan, state));
	if (!state->chunks_begun)
	{
		find_chunks(scan, state, map);
		state->chunks_begun = true;
	}
	for (;;)
	{
		/* a whole point has its matches already */
		while (state->ntids == state->tid && state->ref < state->found.count)
		{
			match_rows(scan, state, map, &state->found.refs[state->ref++]);
			CHECK_FOR_INTERRUPTS();
		}
		if (state->tid < state->ntids)
		{
			state->returned = true;
			return true;
		}

		/*
		 * Has a row that we returned been on its way, and was not seen?  If
		 * there was none, what chunks hold is as of the map.
		 */
		if (!state->returned || IsMVCCSnapshot(scan->xs_snapshot) ||
			state->version == tsdb_chunk_map_version(map))
			break;
		find_chunks(scan, state, map);
	}
	state->chunks_done = true;
	return false;
}

bool
tsdb_key_get_tuple(IndexScanDesc scan, ScanDirection direction)
{
	KeyScan    *state = scan->opaque;

	if (!state->btree_done)
	{
		state->btree->xs_snapshot = scan->xs_snapshot;
		state->btree->kill_prior_tuple = scan->kill_prior_tuple;
		if (btgettuple(state->btree, direction))
		{
			scan->xs_heaptid = state->btree->xs_heaptid;
			scan->xs_recheck = state->btree->xs_recheck;
			return true;
		}
		state->btree_done = true;
	}
	while (state->tid == state->ntids)
	{
		if (!next_chunk(scan, state))
			return false;
	}
	scan->xs_heaptid = state->tids[state->tid++];
	scan->xs_recheck = !IsMVCCSnapshot(scan->xs_snapshot) && !state->point.any_null;
	return true;
}

int64
tsdb_key_get_bitmap(IndexScanDesc scan, TIDBitmap *bitmap)
{
	KeyScan    *state = scan->opaque;
	int64		count;

	/* A bitmap scan does not say which table it is on. */
	state->table = table_open(scan->indexRelation->rd_index->indrelid, NoLock);
	if (tsdb_storage_before_open != NULL)
		tsdb_storage_before_open(state->table);
	state->btree->xs_snapshot = scan->xs_snapshot;
	count = btgetbitmap(state->btree, bitmap);
	while (next_chunk(scan, state))
	{
		tbm_add_tuples(bitmap, state->tids, state->ntids, false);
		count += state->ntids;
		state->tid = state->ntids;
	}
	table_close(state->table, NoLock);
	state->table = NULL;
	return count;
}
