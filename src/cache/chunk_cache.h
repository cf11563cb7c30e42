/*
 * chunk_cache.h
 *		Decoded chunks of this backend, for access by TID.
 *
 * An index scan comes back to the same chunk for row after row, a foreign-key
 * check opens and closes a scan for each of them.  So chunks that were read by
 * TID stay decoded until the end of the transaction, up to a budget, the least
 * recently used going first.  The key holds the chunk's generation, so an entry
 * can never stand for another chunk; visibility is the directory's business
 * and is not cached.
 */
#ifndef TSDB_CACHE_CHUNK_CACHE_H
#define TSDB_CACHE_CHUNK_CACHE_H

#include "store/directory.h"

#define TSDB_CHUNK_CACHE_BYTES	(32 * 1024 * 1024)

typedef struct TsdbCachedChunk
{
	TsdbChunkReader *reader;
	MemoryContext memory;		/* goes with the chunk */
	void	   *rows;			/* what a reader of rows keeps here, or NULL */
} TsdbCachedChunk;

/*
 * The chunk of this entry, whose content is copied if needed.  Valid until the
 * next call.
 */
extern TsdbCachedChunk *tsdb_chunk_cache_get(TsdbStorage *storage, TsdbChunkEntry *entry);

/*
 * The same if it is there, else NULL.  Its reader must not be asked for columns
 * that were not read before: where these lie, only a present entry knows.
 */
extern TsdbCachedChunk *tsdb_chunk_cache_find(TsdbStorage *storage, uint32 chunk,
											  uint64 generation);

/* Columns were read from this chunk: count their bytes, and let others go for them. */
extern void tsdb_chunk_cache_weigh(TsdbCachedChunk *chunk);

/* Drop everything, at the end of a transaction. */
extern void tsdb_chunk_cache_at_xact_end(void);

/* Register for invalidations; once per backend. */
extern void tsdb_chunk_cache_init(void);

#endif							/* TSDB_CACHE_CHUNK_CACHE_H */
