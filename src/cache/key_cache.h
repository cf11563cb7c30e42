/*
 * key_cache.h
 *		Decoded keys of chunks, with a hash table over the rows of each.
 *
 * A session that looks for keys in chunks comes back to the same chunks: rows
 * come sorted, or a batch covers one window of time of every series.  So the key
 * columns of chunks stay decoded, across transactions, up to a budget, the
 * least recently used going first.  An entry stands for a chunk of one
 * generation under the columns of one index (tsdb_chunk_map_signature), whose
 * rows never change; whether they are visible is not cached.
 */
#ifndef TSDB_CACHE_KEY_CACHE_H
#define TSDB_CACHE_KEY_CACHE_H

#include "chunk/chunk.h"
#include "store/chunk_map.h"

#define TSDB_KEY_CACHE_BYTES	(64 * 1024 * 1024)

typedef struct TsdbChunkKeys
{
	uint32		nrows;
	int			nkeys;
	Datum	  **values;			/* per key column, per row */
	bool	  **nulls;
	bool	   *any_null;		/* per key column */
	uint16	   *heads;			/* per bucket: first row + 1, or 0 */
	struct TsdbHashedRow *rows;
	uint32		mask;			/* of buckets */
} TsdbChunkKeys;

typedef struct TsdbHashedRow
{
	uint32		hash;
	uint16		next;			/* row of its bucket + 1, or 0 */
} TsdbHashedRow;

/*
 * The keys of a chunk that the map has found; NULL if the chunk is no more.
 * Valid until the next call.
 */
extern const TsdbChunkKeys *tsdb_key_cache_get(TsdbChunkMap *map, Relation table,
											   const TsdbChunkRef *ref);

/*
 * Decode the keys of a chunk that the map has found, in the current context: not to stay, and without the
 * hash table.  False if the chunk is no more.
 */
extern bool tsdb_key_cache_read(TsdbChunkMap *map, Relation table, const TsdbChunkRef *ref,
								TsdbChunkKeys *keys);

/* The first row of a bucket, or PG_UINT32_MAX. */
static inline uint32
tsdb_chunk_keys_first(const TsdbChunkKeys *keys, uint32 hash)
{
	return (uint32) keys->heads[hash & keys->mask] - 1;
}

static inline bool
tsdb_chunk_keys_is_null(const TsdbChunkKeys *keys, int column, uint32 row)
{
	return keys->any_null[column] && keys->nulls[column][row];
}

static inline uint32
tsdb_chunk_keys_next(const TsdbChunkKeys *keys, uint32 row)
{
	return (uint32) keys->rows[row].next - 1;
}

#endif							/* TSDB_CACHE_KEY_CACHE_H */
