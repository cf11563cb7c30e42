/*
 * key_cache.c
 *		Decoded keys of chunks, with a hash table over the rows of each.
 */
#include "postgres.h"

#include "cache/key_cache.h"

#include "lib/ilist.h"
#include "port/pg_bitutils.h"
#include "store/damage.h"
#include "store/directory.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

typedef struct KeysId
{
	uint64		signature;
	uint64		generation;
	uint32		chunk;
	uint32		unused;			/* zero: the id is hashed as bytes */
} KeysId;

typedef struct CachedKeys
{
	KeysId		id;
	dlist_node	recency;
	MemoryContext memory;
	TsdbChunkKeys keys;
	Size		bytes;
} CachedKeys;

static HTAB *cache = NULL;
static dlist_head recency = DLIST_STATIC_INIT(recency); /* most recent first */
static Size cache_bytes = 0;

static void
create_cache(void)
{
	HASHCTL		control = {0};

	control.keysize = sizeof(KeysId);
	control.entrysize = sizeof(CachedKeys);
	cache = hash_create("tsdb cached keys", 256, &control, HASH_ELEM | HASH_BLOBS);
}

static void
forget(CachedKeys *cached)
{
	dlist_delete(&cached->recency);
	cache_bytes -= cached->bytes;
	MemoryContextDelete(cached->memory);
	hash_search(cache, &cached->id, HASH_REMOVE, NULL);
}

/* Enter all rows into the hash table, and tell the map of their series. */
static void
hash_rows(TsdbChunkMap *map, const TsdbChunkRef *ref, TsdbChunkKeys *keys)
{
	TsdbKeyColumns *key = tsdb_chunk_map_columns(map);
	uint32		buckets = pg_nextpower2_32(Max(keys->nrows, 16));
	uint32		series[TSDB_CHUNK_ROWS];

	keys->mask = buckets - 1;
	keys->rows = palloc(keys->nrows * sizeof(TsdbHashedRow));
	keys->heads = palloc0(buckets * sizeof(uint16));
	for (uint32 row = keys->nrows; row-- > 0;)
	{
		Datum		values[INDEX_MAX_KEYS];
		bool		nulls[INDEX_MAX_KEYS];
		uint32		hash;

		for (int i = 0; i < keys->nkeys; i++)
		{
			values[i] = keys->values[i][row];
			nulls[i] = keys->nulls[i][row];
		}
		series[row] = tsdb_key_series_hash(key, values, nulls);
		hash = tsdb_key_hash(key, values, nulls);
		keys->rows[row].hash = hash;
		keys->rows[row].next = keys->heads[hash & keys->mask];
		keys->heads[hash & keys->mask] = row + 1;
	}
	tsdb_chunk_map_learn(map, ref, series, keys->nrows);
}

/* Decode the key columns, in the current context; false if the chunk is gone. */
static bool
decode(const TsdbKeyColumns *key, Relation table, const TsdbChunkRef *ref, TsdbChunkKeys *keys)
{
	TsdbStorage *storage = tsdb_storage_open(table, AccessShareLock);
	TsdbChunkEntry entry;
	TsdbChunkHandle handle;
	TsdbChunkReader *reader;

	if (storage == NULL)
		return false;
	if (!tsdb_directory_fetch(storage, ref->chunk, SnapshotAny, &entry) ||
		entry.generation != ref->generation)
	{
		tsdb_storage_close(storage);
		return false;
	}
	handle.storage = storage;
	handle.entry = &entry;
	reader = tsdb_directory_open_chunk(&handle, RelationGetDescr(table));
	keys->nrows = entry.nrows;
	keys->nkeys = key->count;
	keys->values = palloc(key->count * sizeof(Datum *));
	keys->nulls = palloc(key->count * sizeof(bool *));
	keys->any_null = palloc(key->count * sizeof(bool));
	for (int i = 0; i < key->count; i++)
	{
		const TsdbColumn *column = tsdb_chunk_reader_column(reader, key->columns[i].attno);

		keys->values[i] = column->values;
		keys->nulls[i] = column->nulls;
		keys->any_null[i] = column->any_null;
	}
	tsdb_chunk_entry_free(&entry);
	tsdb_storage_close(storage);
	return true;
}

typedef struct DecodeWork
{
	const TsdbKeyColumns *key;
	Relation	table;
	const TsdbChunkRef *ref;
	TsdbChunkKeys *keys;
	MemoryContext memory;
	bool		found;
} DecodeWork;

static void
decode_work(void *arg)
{
	DecodeWork *work = arg;
	MemoryContext caller = MemoryContextSwitchTo(work->memory);

	work->found = decode(work->key, work->table, work->ref, work->keys);
	MemoryContextSwitchTo(caller);
}

/*
 * Is the chunk that was written by a transaction still to be reckoned with?  Not while it is in a shard that only that
 * transaction sees: it moves rows (worker/grow.h), and their keys are in doubt where they come from.
 */
static bool
is_there(Relation table, const TsdbChunkRef *ref)
{
	TsdbStorage *storage = tsdb_storage_open(table, AccessShareLock);
	SnapshotData dirty;
	TsdbChunkEntry entry;
	bool		there;

	if (storage == NULL)
		return false;
	InitDirtySnapshot(dirty);
	there = tsdb_directory_fetch(storage, ref->chunk, &dirty, &entry);
	if (there)
	{
		there = entry.generation == ref->generation &&
			(!TransactionIdIsValid(dirty.xmin) ||
			 tsdb_storage_shard(storage, entry.shard, TSDB_SHARD_IF_EXISTS) != NULL);
		tsdb_chunk_entry_free(&entry);
	}
	tsdb_storage_close(storage);
	return there;
}

bool
tsdb_key_cache_read(TsdbChunkMap *map, Relation table, const TsdbChunkRef *ref,
					TsdbChunkKeys *keys)
{
	DecodeWork	work = {tsdb_chunk_map_columns(map), table, ref, keys, CurrentMemoryContext, false};
	ErrorData  *error;

	if (!ref->uncommitted)
		return decode(work.key, table, ref, keys);

	/* If who writes it rolls back, VACUUM may take it away under our eyes. */
	if (!is_there(table, ref))
		return false;
	error = tsdb_damage_catch(decode_work, &work, false);
	if (error != NULL && is_there(table, ref))
		ReThrowError(error);
	return error == NULL && work.found;
}

const TsdbChunkKeys *
tsdb_key_cache_get(TsdbChunkMap *map, Relation table, const TsdbChunkRef *ref)
{
	KeysId		id = {tsdb_chunk_map_signature(map), ref->generation, ref->chunk, 0};
	MemoryContext memory;
	MemoryContext caller;
	TsdbChunkKeys keys = {0};
	CachedKeys *cached;
	bool		found;

	if (cache == NULL)
		create_cache();
	cached = hash_search(cache, &id, HASH_FIND, NULL);
	if (cached != NULL)
	{
		dlist_move_head(&recency, &cached->recency);
		return &cached->keys;
	}

	/* What fails half-way goes with the caller's context. */
	memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb cached keys",
								   ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(memory);
	found = tsdb_key_cache_read(map, table, ref, &keys);
	if (found)
		hash_rows(map, ref, &keys);
	MemoryContextSwitchTo(caller);
	if (!found)
	{
		MemoryContextDelete(memory);
		return NULL;
	}
	cached = hash_search(cache, &id, HASH_ENTER, &found);
	cached->memory = memory;
	MemoryContextSetParent(memory, TopMemoryContext);
	cached->keys = keys;
	cached->bytes = MemoryContextMemAllocated(memory, true);
	cache_bytes += cached->bytes;
	dlist_push_head(&recency, &cached->recency);
	while (cache_bytes > TSDB_KEY_CACHE_BYTES &&
		   dlist_tail_node(&recency) != &cached->recency)
		forget(dlist_tail_element(CachedKeys, recency, &recency));
	return &cached->keys;
}
