/*
 * key_lookup.c
 *		Rows of chunks that have a whole key.
 */
#include "postgres.h"

#include "cache/key_lookup.h"

#include "miscadmin.h"
#include "store/chunk_tid.h"
#include "store/directory.h"
#include "store/marks.h"
#include "utils/snapmgr.h"

/* The last key of by-value columns that was looked for with no snapshot, if it
 * had few matches. */
static struct
{
	uint64		version;		/* of the map; 0: nothing is remembered */
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];
	int			count;
	TsdbKeyMatch rows[lengthof(((TsdbKeyMatches *) 0)->few)];
}			last;

void
tsdb_key_matches_init(TsdbKeyMatches *matches)
{
	matches->count = 0;
	matches->allocated = lengthof(matches->few);
	matches->rows = matches->few;
}

void
tsdb_key_matches_free(TsdbKeyMatches *matches)
{
	if (matches->rows != matches->few)
		pfree(matches->rows);
	tsdb_key_matches_init(matches);
}

static void
add(TsdbKeyMatches *matches, const TsdbChunkRef *ref, uint32 row)
{
	if (matches->count == matches->allocated)
	{
		TsdbKeyMatch *more = palloc(2 * matches->allocated * sizeof(TsdbKeyMatch));

		memcpy(more, matches->rows, matches->count * sizeof(TsdbKeyMatch));
		if (matches->rows != matches->few)
			pfree(matches->rows);
		matches->rows = more;
		matches->allocated *= 2;
	}
	matches->rows[matches->count++] = (TsdbKeyMatch)
	{
		ref->chunk, row, ref->generation
	};
}

static bool
remembers(uint64 version, const TsdbKeyColumns *key, const Datum *values, const bool *nulls)
{
	if (last.version != version)
		return false;
	for (int i = 0; i < key->count; i++)
	{
		if (last.nulls[i] != nulls[i] || (!nulls[i] && last.values[i] != values[i]))
			return false;
	}
	return true;
}

static void
remember(uint64 version, const TsdbKeyColumns *key, const Datum *values, const bool *nulls,
		 const TsdbKeyMatches *matches)
{
	last.version = 0;
	if (matches->count > lengthof(last.rows))
		return;
	for (int i = 0; i < key->count; i++)
	{
		if (!key->columns[i].by_value)
			return;
		last.values[i] = values[i];
		last.nulls[i] = nulls[i];
	}
	last.count = matches->count;
	memcpy(last.rows, matches->rows, matches->count * sizeof(TsdbKeyMatch));
	last.version = version;
}

static bool
row_has_key(TsdbKeyColumns *key, const TsdbChunkKeys *keys, uint32 row, const Datum *values,
			const bool *nulls)
{
	for (int i = 0; i < key->count; i++)
	{
		bool		isnull = tsdb_chunk_keys_is_null(keys, i, row);

		if (isnull != nulls[i])
			return false;
		if (!isnull && !tsdb_key_equal(&key->columns[i], keys->values[i][row], values[i]))
			return false;
	}
	return true;
}

static void
search(TsdbChunkMap *map, Relation table, const Datum *values, const bool *nulls,
	   Snapshot snapshot, TsdbKeyMatches *matches)
{
	TsdbKeyColumns *key = tsdb_chunk_map_columns(map);
	uint32		series = tsdb_key_series_hash(key, values, nulls);
	TsdbChunkRefs found;
	TsdbKeyBox	box;
	uint32		hash;

	tsdb_key_box_init(&box);
	for (int i = 0; i < key->count; i++)
	{
		if (!nulls[i])
			tsdb_key_box_equal(map, &box, i, values[i]);
	}
	tsdb_chunk_map_find(map, &box, &series, snapshot, &found);
	if (found.count == 0)
		return;
	hash = tsdb_key_hash(key, values, nulls);
	for (int i = 0; i < found.count; i++)
	{
		const TsdbChunkKeys *keys = tsdb_key_cache_get(map, table, &found.refs[i]);

		if (keys == NULL)
			continue;
		for (uint32 row = tsdb_chunk_keys_first(keys, hash); row != PG_UINT32_MAX;
			 row = tsdb_chunk_keys_next(keys, row))
		{
			if (keys->rows[row].hash == hash && row_has_key(key, keys, row, values, nulls))
				add(matches, &found.refs[i], row);
		}
		CHECK_FOR_INTERRUPTS();
	}
	if (found.refs != found.few)
		pfree(found.refs);
}

void
tsdb_key_lookup(TsdbChunkMap *map, Relation table, const Datum *values, const bool *nulls,
				Snapshot snapshot, TsdbKeyMatches *matches)
{
	const TsdbKeyColumns *key = tsdb_chunk_map_columns(map);
	uint64		version = tsdb_chunk_map_version(map);
	bool		present = snapshot == NULL || !IsMVCCSnapshot(snapshot);

	if (tsdb_chunk_map_is_empty(map))
		return;
	if (present && remembers(version, key, values, nulls))
	{
		memcpy(matches->rows, last.rows, last.count * sizeof(TsdbKeyMatch));
		matches->count = last.count;
		return;
	}
	search(map, table, values, nulls, snapshot, matches);
	if (present)
		remember(version, key, values, nulls, matches);
}

TsdbKeyState
tsdb_key_judge(Relation table, const TsdbKeyMatch *match, TransactionId *holder)
{
	TsdbStorage *storage = tsdb_storage_open(table, AccessShareLock);
	TsdbKeyState state = TSDB_KEY_FREE;
	SnapshotData dirty;
	ItemPointerData tid;
	TsdbChunkHead head;

	if (storage == NULL)
		return TSDB_KEY_FREE;
	InitDirtySnapshot(dirty);
	tsdb_tid_set(&tid, match->chunk, match->row);
	if (tsdb_directory_peek(storage, match->chunk, &dirty, &head) &&
		head.generation == match->generation && tsdb_marks_row_visible(storage, &tid, &dirty))
	{
		*holder = TransactionIdIsValid(dirty.xmin) ? dirty.xmin : dirty.xmax;
		state = TransactionIdIsValid(*holder) ? TSDB_KEY_IN_DOUBT : TSDB_KEY_TAKEN;
	}
	tsdb_storage_close(storage);
	return state;
}
