/*
 * chunk_list.h
 *		The chunks that a snapshot sees, by the values of two columns.
 *
 * Values are taken in their rough order of 64 bits (store/key_columns.h), so a chunk takes
 * some hundred bytes here, whatever it holds.  A range may be wider than the values are, never
 * narrower.
 */
#ifndef TSDB_EXEC_CHUNK_LIST_H
#define TSDB_EXEC_CHUNK_LIST_H

#include "access/relscan.h"
#include "store/box_tree.h"
#include "store/directory_view.h"
#include "store/key_columns.h"

/*
 * A chunk of several series has a wide range.  Who has read its seek column leaves the values here, and
 * in the session's image of the directory, so that it need not be looked into again for others.
 */
typedef struct TsdbSeekValue
{
	uint64		rank;
	int64		min_time;		/* of its rows, if times are known */
	int64		max_time;
	uint16		first_row;		/* of its rows */
	uint16		end_row;
} TsdbSeekValue;

typedef struct TsdbSeekValues
{
	AttrNumber	attno;			/* of the seek column */
	AttrNumber	time;			/* of the column of the times, or 0 */
	uint16		count;
	TsdbSeekValue values[FLEXIBLE_ARRAY_MEMBER];
} TsdbSeekValues;

#define TSDB_SEEK_VALUES_MAX	32

typedef struct TsdbListedChunk
{
	uint32		chunk;
	uint32		item;			/* its place in items[] of the list */
	uint64		next;			/* no row comes earlier in the order of the result */
	uint16		first_row;		/* rows that have the value sought, which are in order of time, ... */
	uint16		end_row;		/* if the first of the result is at next; 0: they are not known */
	uint8		shard;			/* hash of its series % number of shards, ... */
	bool		sharded;		/* if the list knows that of most chunks, and of this one */
} TsdbListedChunk;

typedef struct TsdbListItem
{
	TsdbListedChunk chunk;
	uint32		chained;		/* next of a bucket, or PG_UINT32_MAX */
	uint64		low;			/* of the seek column */
	uint64		high;
	TsdbSeekValues *values;		/* of the seek column, if they are known; or NULL */
} TsdbListItem;

typedef struct TsdbChunkList
{
	MemoryContext memory;
	const TsdbKeyColumn *seek;	/* or NULL */
	const TsdbKeyColumn *order; /* or NULL: the order of chunks' numbers */
	bool		descending;
	bool		nulls_first;
	int			count;
	int			allocated;
	TsdbListItem *items;
	TsdbListedChunk *ordered;	/* all in order, once somebody wanted that */
	uint64		series;			/* most chunks' series key, as their gist states it */
	uint8		other_shards;	/* and other shards; 0: none */

	/* by the seek column: chunks of one value in chains from buckets, a tree of the others */
	int			bucket_bits;
	uint32	   *buckets;
	uint32		nwide;
	uint32	   *wide;			/* items of these */
	TsdbKeyBox *boxes;			/* of the seek column and of shards */
	TsdbBoxTree *tree;			/* NULL if there are none */

	bool		all_times;		/* or else only chunks with times in this range are listed ... */
	bool		all_series;		/* and perhaps not those without the series that were wanted */
	TsdbTimeRange times;
} TsdbChunkList;

/* Where a value comes in the result. */
static inline uint64
tsdb_chunk_list_place(const TsdbChunkList *list, uint64 rank)
{
	return list->descending ? ~rank : rank;
}

/*
 * List what a scan finds in the directory, in the current context.  wanted may be NULL; chunks that
 * were passed over by it are added to *passed.
 */
extern TsdbChunkList *tsdb_chunk_list_create(TableScanDesc scan, const TsdbKeyColumn *seek,
											 const TsdbKeyColumn *order, bool descending,
											 bool nulls_first, TsdbChunkWanted *wanted,
											 uint64 *passed);
extern void tsdb_chunk_list_free(TsdbChunkList *list);

/* All of them, count of the list, in order. */
extern TsdbListedChunk *tsdb_chunk_list_all(TsdbChunkList *list);

/* Does it list all chunks that have times in that range (NULL: any)? */
extern bool tsdb_chunk_list_covers(const TsdbChunkList *list, const TsdbTimeRange *times);

/*
 * Chunks that may have a value of that rank in the seek column, and what is wanted (which may be NULL) of
 * series, in order; palloc'd, count of them in *count.
 */
extern TsdbListedChunk *tsdb_chunk_list_seek(TsdbChunkList *list, uint64 rank,
											 TsdbChunkWanted *wanted, int *count);

/*
 * The chunk, of which the view shows the entry, has been read: remember its values in the seek column, which
 * is one of its series key, if there are few.  times is the chunk's time column, or NULL.
 */
extern void tsdb_chunk_list_learn(TsdbChunkList *list, const TsdbListedChunk *chunk,
								  TsdbDirectoryView *view, const TsdbSegments *segments,
								  const TsdbColumn *column, const TsdbColumn *times);

#endif							/* TSDB_EXEC_CHUNK_LIST_H */
