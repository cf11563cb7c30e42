/*
 * directory_tuple.h
 *		The tuple of a directory: its columns, its checksum, reading it.
 *
 * The tuple has fixed columns for what is looked at without opening the
 * chunk, the list of pieces, and the chunk's body.  A checksum covers all of
 * it.  A list of more than TSDB_DIRECT_PIECES references is itself written to
 * the shard as a stream (a chunk of long values can have a thousand pieces),
 * and the tuple then refers to that.
 *
 * For the modules of the directory only.
 */
#ifndef TSDB_STORE_DIRECTORY_TUPLE_H
#define TSDB_STORE_DIRECTORY_TUPLE_H

#include "access/htup_details.h"
#include "storage/bufpage.h"
#include "store/directory_view.h"

#define TSDB_DIRECTORY_VERSION		1
#define TSDB_DIRECTORY_LEVEL_COLD	0x100	/* in column level: encoded at level cold */
#define TSDB_DIRECTORY_NSHARDS_SHIFT	8	/* in column shard: number of shards - 1 */
#define TSDB_DIRECT_PIECES			64

enum
{
	Anum_version = 1,
	Anum_shard,
	Anum_level,
	Anum_nrows,
	Anum_min_time,
	Anum_max_time,
	Anum_generation,
	Anum_run,
	Anum_nsegments,
	Anum_stream_bytes,
	Anum_checksum,
	Anum_pieces,
	Anum_body,
	Natts_directory = Anum_body
};

/* The pieces column: flag, then references, direct or to the list's stream. */
typedef struct TsdbPieceColumn
{
	uint32		indirect;		/* 0 or 1 */
	uint32		count;			/* pieces of the chunk's stream */
	uint32		list_bytes;		/* indirect: bytes of the stored list */
	TsdbPieceRef refs[FLEXIBLE_ARRAY_MEMBER];
} TsdbPieceColumn;

/* Of all other columns. */
extern uint32 tsdb_directory_checksum(const Datum *values, const bool *nulls,
									  const char *pieces, Size pieces_bytes,
									  const char *body, Size body_bytes);

/*
 * The tuple at a line pointer of a page that is locked: NULL and tuple->t_data set,
 * or not if there is none; or what is wrong with it, as a sentence.
 */
extern const char *tsdb_directory_find_tuple(TsdbStorage *storage, Page page,
											 BlockNumber block, OffsetNumber offset,
											 HeapTuple tuple);

/* What is looked at of a chunk before all else, without columns; nothing is known of a damaged tuple. */
extern void tsdb_directory_tuple_gist(TsdbStorage *storage, HeapTuple tuple,
									  TsdbChunkGist *gist);

/*
 * Parse a copy of a tuple, which the entry keeps.  Returns NULL, or what is wrong
 * with it; damage of an indirect list of pieces is raised.
 */
extern const char *tsdb_directory_parse_tuple(TsdbStorage *storage, uint32 chunk,
											  HeapTuple tuple, TsdbChunkEntry *entry);

#endif							/* TSDB_STORE_DIRECTORY_TUPLE_H */
