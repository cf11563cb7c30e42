/*
 * directory_tuple.h
 *		The tuple of a directory: its columns, its checksum, reading it.
 *
 * The tuple has fixed columns for what is looked at without opening the
 * chunk, and one for the list of pieces and the chunk's body.  A checksum
 * covers all of it.  A table has a tuple for each thousand rows or less, so
 * bytes count: nothing is said twice (times, segments are in the body), and
 * what is mostly small is a varint (as in chunk_format.h).  The column rest:
 *
 *		version		u8		TSDB_DIRECTORY_VERSION
 *		level		u8		bit 7: encoded at level cold
 *		stream		varint	bytes of the chunk's stream
 *		references	varint	their number * 2, + 1 if they are indirect
 *		[list]		varint	if they are: bytes of the stored list
 *		lengths		varint	for each piece but the last: its bytes of data
 *		places		6 bytes	for each piece: block, two uint16, high first, and
 *							line pointer, uint16, in the machine's byte order
 *		body				up to the end
 *
 * Places have a fixed width, so that a moved piece can be told in place.
 * A list of more than TSDB_DIRECT_PIECES references is itself written to
 * the shard as a stream of TsdbPieceRefs (a chunk of long values can have a
 * thousand pieces), and the tuple refers to that.
 *
 * For the modules of the directory only.
 */
#ifndef TSDB_STORE_DIRECTORY_TUPLE_H
#define TSDB_STORE_DIRECTORY_TUPLE_H

#include "access/htup_details.h"
#include "storage/bufpage.h"
#include "store/directory_view.h"

#define TSDB_DIRECTORY_VERSION		2
#define TSDB_DIRECTORY_LEVEL_COLD	0x80	/* in the level */
#define TSDB_DIRECTORY_LEVEL_MAX	0x7f
#define TSDB_DIRECTORY_NSHARDS_SHIFT	8	/* in column shard: number of shards - 1 */
#define TSDB_DIRECT_PIECES			64

enum
{
	Anum_generation = 1,
	Anum_run,
	Anum_checksum,
	Anum_nrows,
	Anum_shard,
	Anum_rest,
	Natts_directory = Anum_rest
};

/*
 * Form the tuple of a chunk whose pieces have been written.  list is the list
 * of meta's stream, unless that is NULL.
 */
extern HeapTuple tsdb_directory_form_tuple(TsdbStorage *storage, const TsdbChunkImage *image,
										   const TsdbNewChunk *new_chunk, uint64 generation,
										   const TsdbPieceList *list, const TsdbPieceList *meta);

/*
 * The same tuple with other places of the pieces that it refers to itself, of the
 * same length; NULL if it is not the tuple of that chunk.
 */
extern HeapTuple tsdb_directory_move_tuple(TsdbStorage *storage, HeapTuple tuple,
										   uint64 generation, const TsdbPieceList *list);

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
