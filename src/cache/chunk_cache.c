/*
 * chunk_cache.c
 *		Decoded chunks of this backend, for access by TID.
 */
#include "postgres.h"

#include "cache/chunk_cache.h"

#include "common/hashfn.h"
#include "lib/ilist.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"

typedef struct CacheKey
{
	Oid			identity;
	uint32		chunk;
	uint64		generation;
} CacheKey;

typedef struct CachedChunk
{
	CacheKey	key;
	dlist_node	recency;
	TsdbChunkEntry entry;
	TsdbChunkHandle source;
	TsdbCachedChunk content;
	Size		bytes;			/* as counted in cache_bytes */
} CachedChunk;

/* The row type that the readers of one table were opened with. */
typedef struct CachedTable
{
	Oid			relid;
	TupleDesc	tupdesc;
} CachedTable;

static MemoryContext cache_memory = NULL;
static HTAB *chunks = NULL;
static HTAB *tables = NULL;
static dlist_head recency;		/* most recent first */
static Size cache_bytes = 0;
static bool stale = false;

static void
relcache_changed(Datum arg, Oid relid)
{
	stale = true;
}

void
tsdb_chunk_cache_init(void)
{
	CacheRegisterRelcacheCallback(relcache_changed, (Datum) 0);
}

void
tsdb_chunk_cache_at_xact_end(void)
{
	if (cache_memory != NULL)
		MemoryContextDelete(cache_memory);
	cache_memory = NULL;
	chunks = tables = NULL;
	cache_bytes = 0;
	stale = false;
}

static void
create_cache(void)
{
	HASHCTL		control = {0};

	cache_memory = AllocSetContextCreate(TopMemoryContext, "tsdb chunk cache",
										 ALLOCSET_DEFAULT_SIZES);
	control.hcxt = cache_memory;
	control.keysize = sizeof(CacheKey);
	control.entrysize = sizeof(CachedChunk);
	chunks = hash_create("tsdb cached chunks", 64, &control,
						 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(CachedTable);
	tables = hash_create("tsdb cached tables", 8, &control,
						 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	dlist_init(&recency);
}

static TupleDesc
row_type(Relation table)
{
	Oid			relid = RelationGetRelid(table);
	bool		found;
	CachedTable *cached = hash_search(tables, &relid, HASH_ENTER, &found);

	if (!found)
	{
		MemoryContext old = MemoryContextSwitchTo(cache_memory);

		cached->tupdesc = CreateTupleDescCopyConstr(RelationGetDescr(table));
		MemoryContextSwitchTo(old);
	}
	return cached->tupdesc;
}

static void
forget(CachedChunk *chunk)
{
	dlist_delete(&chunk->recency);
	cache_bytes -= chunk->bytes;
	MemoryContextDelete(chunk->content.memory);
	hash_search(chunks, &chunk->key, HASH_REMOVE, NULL);
}

/* Copy an entry into the cached chunk's own memory. */
static void
copy_entry(TsdbChunkEntry *to, const TsdbChunkEntry *from)
{
	Size		refs_bytes = Max(from->pieces.count, 1) * sizeof(TsdbPieceRef);
	char	   *body = palloc(from->body_bytes);

	*to = *from;
	memcpy(body, from->body, from->body_bytes);
	to->body = body;
	to->pieces.refs = palloc(refs_bytes);
	memcpy(to->pieces.refs, from->pieces.refs, from->pieces.count * sizeof(TsdbPieceRef));
	memset(&to->list_pieces, 0, sizeof(to->list_pieces));
	to->memory = NULL;
}

static CachedChunk *
find(TsdbStorage *storage, uint32 number, uint64 generation)
{
	CacheKey	key = {storage->identity, number, generation};
	CachedChunk *chunk;

	if (stale)
		tsdb_chunk_cache_at_xact_end();
	if (cache_memory == NULL)
		return NULL;
	chunk = hash_search(chunks, &key, HASH_FIND, NULL);
	if (chunk != NULL)
		dlist_move_head(&recency, &chunk->recency);
	return chunk;
}

TsdbCachedChunk *
tsdb_chunk_cache_find(TsdbStorage *storage, uint32 chunk, uint64 generation)
{
	CachedChunk *found = find(storage, chunk, generation);

	return found == NULL ? NULL : &found->content;
}

TsdbCachedChunk *
tsdb_chunk_cache_get(TsdbStorage *storage, TsdbChunkEntry *entry)
{
	CacheKey	key = {storage->identity, entry->chunk, entry->generation};
	CachedChunk *chunk = find(storage, entry->chunk, entry->generation);
	MemoryContext memory;
	MemoryContext old;
	bool		found;

	if (chunk != NULL)
	{
		chunk->source.storage = storage;
		/* its pieces may have been moved since an earlier statement */
		memcpy(chunk->entry.pieces.refs, entry->pieces.refs,
			   chunk->entry.pieces.count * sizeof(TsdbPieceRef));
		return &chunk->content;
	}

	if (cache_memory == NULL)
		create_cache();

	/* Open the reader first: an error must not leave half an entry. */
	memory = AllocSetContextCreate(cache_memory, "tsdb cached chunk",
								   ALLOCSET_SMALL_SIZES);
	chunk = hash_search(chunks, &key, HASH_ENTER, &found);
	chunk->content.memory = memory;
	chunk->content.rows = NULL;
	chunk->bytes = 0;
	dlist_push_head(&recency, &chunk->recency);
	old = MemoryContextSwitchTo(memory);
	PG_TRY();
	{
		copy_entry(&chunk->entry, entry);
		chunk->source.storage = storage;
		chunk->source.entry = &chunk->entry;
		chunk->content.reader = tsdb_directory_open_chunk(&chunk->source,
														  row_type(storage->table));
	}
	PG_CATCH();
	{
		forget(chunk);
		PG_RE_THROW();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	return &chunk->content;
}

void
tsdb_chunk_cache_weigh(TsdbCachedChunk *content)
{
	CachedChunk *chunk = (CachedChunk *) ((char *) content - offsetof(CachedChunk, content));
	Size		bytes = MemoryContextMemAllocated(content->memory, true);

	cache_bytes += bytes - chunk->bytes;
	chunk->bytes = bytes;
	while (cache_bytes > TSDB_CHUNK_CACHE_BYTES &&
		   dlist_tail_node(&recency) != &chunk->recency)
		forget(dlist_tail_element(CachedChunk, recency, &recency));
}
