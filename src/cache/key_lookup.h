/*
 * key_lookup.h
 *		Rows of chunks that have a whole key.
 *
 * ON CONFLICT asks for each of its rows twice: does the key exist, and, when a
 * row is inserted or the new version of one, is it free.  The second question
 * is answered from what is remembered of the first, as long as no chunk came or
 * went: version tells that (chunk_map.h).  Whether a row is visible is not
 * asked here.
 */
#ifndef TSDB_CACHE_KEY_LOOKUP_H
#define TSDB_CACHE_KEY_LOOKUP_H

#include "cache/key_cache.h"

typedef struct TsdbKeyMatch
{
	uint32		chunk;
	uint32		row;
	uint64		generation;		/* of the chunk */
} TsdbKeyMatch;

/* Matches; rows points to few, or is palloc'd. */
typedef struct TsdbKeyMatches
{
	int			count;
	int			allocated;
	TsdbKeyMatch *rows;
	TsdbKeyMatch few[4];
} TsdbKeyMatches;

extern void tsdb_key_matches_init(TsdbKeyMatches *matches);
extern void tsdb_key_matches_free(TsdbKeyMatches *matches);

/*
 * Find the rows whose key columns have these values, where null equals null.
 * With an MVCC snapshot also in chunks that it sees and that are live no more.
 */
extern void tsdb_key_lookup(TsdbChunkMap *map, Relation table, const Datum *values,
							const bool *nulls, Snapshot snapshot,
							TsdbKeyMatches *matches);

typedef enum TsdbKeyState
{
	TSDB_KEY_FREE,
	TSDB_KEY_TAKEN,
	TSDB_KEY_IN_DOUBT			/* until a transaction ends */
} TsdbKeyState;

/* Is a row that has the key there, by a dirty look?  holder is set if that is in doubt. */
extern TsdbKeyState tsdb_key_judge(Relation table, const TsdbKeyMatch *match,
								   TransactionId *holder);

#endif							/* TSDB_CACHE_KEY_LOOKUP_H */
