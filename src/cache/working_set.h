/*
 * working_set.h
 *		Decoded columns of chunks, shared by all sessions.
 *
 * A reader opened here takes a column from shared memory where somebody has decoded it
 * before, and leaves there what it decodes, as far as that is worth the room
 * (cache/vector_cache.h).  What is found is used where it lies: no byte is copied, and the
 * chunk's body is not even parsed if all columns are found.
 *
 * Nothing here is ever invalidated.  An entry stands for a column of one generation of a
 * chunk, 64 random bits that no other chunk has: a chunk's content never changes,
 * and who asks has seen the chunk's directory tuple by his own snapshot.  So the cache
 * knows nothing of visibility, of transactions that roll back, of DROP or TRUNCATE; what
 * nobody can ask for any more is evicted some day.  The same holds on a standby, where
 * generations come with the WAL.  A change of a column's type that keeps the stored values
 * also keeps their decoded form (chunk/chunk_type.h); any other rewrites the table.  Values of
 * columns that a chunk does not have, since they were added later, are not cached.
 *
 * What a reader has found stays pinned until the reader's memory context goes, by
 * whatever way: end of the scan, error, end of the process.
 *
 * Without preload, with tsdb.cache_size = 0, with tsdb.enable_cache off and for temporary
 * tables, columns are simply decoded.
 */
#ifndef TSDB_CACHE_WORKING_SET_H
#define TSDB_CACHE_WORKING_SET_H

#include "cache/column_counts.h"
#include "cache/vector_cache.h"
#include "stats/latency.h"
#include "store/directory.h"

/* kB */
#define TSDB_CACHE_SIZE_DEFAULT	(128 * 1024)
#define TSDB_CACHE_SIZE_MIN		0
#define TSDB_CACHE_SIZE_MAX		(TSDB_VECTOR_CACHE_MAX / 1024)

extern int	tsdb_cache_size;	/* setting */
extern bool tsdb_enable_cache;	/* setting */

/* What becomes of columns that this process decodes; it says for whom. */
extern TsdbVectorOrigin tsdb_working_set_origin;

/* Where a reader's columns came from; added to what the pointers point to. */
typedef struct TsdbWorkingSetUse
{
	uint64	   *hit;			/* in shared memory */
	uint64	   *spilled;		/* in the spill cache */
	uint64	   *read;			/* nowhere: they were decoded */
	uint64	   *came_true;		/* of those hit, prefetched and not used by anybody before; or NULL */
	bool	   *asked;			/* set for each column that was asked for, from the first on; or NULL */
} TsdbWorkingSetUse;

/*
 * Open a reader in the current context, as tsdb_directory_open_chunk_here does.  use must outlive
 * it, and may be NULL.
 */
extern TsdbChunkReader *tsdb_working_set_open_chunk(TsdbChunkHandle *source, TupleDesc tupdesc,
													const TsdbWorkingSetUse *use);

/*
 * A column of a chunk will be looked for soon: have the processor fetch where it is noted.  And, some time after
 * that, what it begins with.
 */
extern void tsdb_working_set_expect(const TsdbStorage *storage, uint64 generation, AttrNumber attno);
extern void tsdb_working_set_fetch(const TsdbStorage *storage, uint64 generation, AttrNumber attno);

/* Is a column of a chunk in shared memory? */
extern bool tsdb_working_set_has(const TsdbStorage *storage, uint64 generation, AttrNumber attno);

/* The cache, for views; NULL if there is none. */
extern TsdbVectorCache *tsdb_working_set_cache(void);

/* Counters since the server started, or since they were reset. */
typedef struct TsdbWorkingSetStats
{
	pg_atomic_uint64 hits;
	pg_atomic_uint64 spill_hits;
	pg_atomic_uint64 misses;
	TsdbLatency hit_ns;			/* of some of them */
	TsdbLatency spill_hit_ns;
	TsdbLatency miss_ns;		/* with decoding */
} TsdbWorkingSetStats;

extern TsdbWorkingSetStats *tsdb_working_set_stats(void);

/* What this session asked for so far. */
extern const TsdbColumnCounts *tsdb_working_set_session(void);

/* Forget counters, and what is not in use just now. */
extern void tsdb_working_set_reset(void);

/* Make what this session has counted known to all. */
extern void tsdb_working_set_at_xact_end(void);

/* When the library is loaded. */
extern void tsdb_working_set_init(void);

#endif							/* TSDB_CACHE_WORKING_SET_H */
