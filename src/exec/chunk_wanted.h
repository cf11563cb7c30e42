/*
 * chunk_wanted.h
 *		What conditions say of times and series, for a search of the directory.
 *
 * Of conditions that a chunk filter has taken apart, those on the time column give a range, those
 * that say what columns of the series key are equal to give shards and a range of the first of
 * them.  By these, most chunks are ruled out before their statistics are looked at.
 */
#ifndef TSDB_EXEC_CHUNK_WANTED_H
#define TSDB_EXEC_CHUNK_WANTED_H

#include "exec/chunk_filter.h"
#include "store/directory_view.h"
#include "store/key_columns.h"
#include "utils/rel.h"

typedef struct TsdbScanWanted
{
	const TsdbChunkFilter *filter;
	uint64		version;		/* of the filter, when the rest was made */
	TsdbChunkWanted wanted;
	bool		any;			/* it says something */

	TupleDesc	tupdesc;
	AttrNumber	time;			/* column that has the times, or 0 */
	TsdbSortKey key;
	uint64		series;			/* the key as a number; 0: it is not hashed to a shard */
	TsdbKeyColumn column;		/* the first of the key, if there is one */
	Datum	   *values;			/* of a row, for hashing */
	bool	   *nulls;
	MemoryContext memory;		/* of ranks and hashes */
} TsdbScanWanted;

/* In the current context, which must be one that lives as long. */
extern void tsdb_scan_wanted_init(TsdbScanWanted *state, Relation rel,
								  const TsdbChunkFilter *filter);

/* What is wanted as of now; NULL: anything. */
extern TsdbChunkWanted *tsdb_scan_wanted_get(TsdbScanWanted *state);

#endif							/* TSDB_EXEC_CHUNK_WANTED_H */
