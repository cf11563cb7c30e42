/*
 * pieces.h
 *		A chunk's byte stream in a shard relation.
 *
 * The stream is cut into pieces, each the payload of one heap tuple.  Pieces
 * are cut to the room that is left on the page at hand, so pages fill up; a
 * vector lies in one piece as a rule, in two at such a cut, in more when it
 * is longer than a page.  The payload of a tuple:
 *
 *	 0  generation uint64  of the chunk
 *	 8  number     uint32  of the piece within the chunk, from 0, times 256, plus
 *						   the version, 2
 *	12  checksum   uint32  CRC-32C of the storage identity (OID of the directory) and
 *						   the shard, both uint32, of bytes 0 to 11 and of the data
 *	16  data
 *
 * All integers are in the byte order of the machine, as all of PostgreSQL's
 * storage.  The reader verifies everything: a reference to a wrong place, a
 * lost write or a flipped bit is found, and names table, shard and chunk.
 */
#ifndef TSDB_STORE_PIECES_H
#define TSDB_STORE_PIECES_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "store/storage.h"
#include "utils/snapshot.h"

/* Where one piece lies; in the order of the stream. */
typedef struct TsdbPieceRef
{
	uint32		offset;			/* of its first byte in the stream */
	ItemPointerData tid;		/* in the shard's relation */
	uint16		unused;
} TsdbPieceRef;

typedef struct TsdbPieceList
{
	uint32		count;
	uint32		stream_bytes;
	TsdbPieceRef *refs;
} TsdbPieceList;

extern TupleDesc tsdb_pieces_tupdesc(void);

/* Write a stream to a shard; the list is palloc'd. */
extern void tsdb_pieces_write(TsdbStorage *storage, int shard, uint64 generation,
							  const char *stream, uint32 stream_bytes,
							  TsdbPieceList *list);

/* Copy bytes [offset, offset + length) of the stream to dst.  Raises
 * ERRCODE_DATA_CORRUPTED, naming chunk, if a piece is not what it should be. */
extern void tsdb_pieces_read(TsdbStorage *storage, int shard, uint64 generation,
							 uint32 chunk, const TsdbPieceList *list,
							 uint32 offset, uint32 length, char *dst);

/*
 * Verify the list's piece i, also that the snapshot sees its tuple.  Returns
 * NULL, or what is wrong with it, as a phrase.
 */
extern const char *tsdb_pieces_check(TsdbStorage *storage, int shard, uint64 generation,
									 const TsdbPieceList *list, uint32 i, Snapshot snapshot);

/* What chunk a tuple of a shard says it belongs to (generation 0: none); false if it
 * is no intact piece of this storage and shard. */
extern bool tsdb_pieces_identify(const TsdbStorage *storage, int shard, HeapTuple tuple,
								 uint64 *generation);

/*
 * Delete a chunk's pieces, in the transaction that deletes the chunk.  One that
 * is not there raises an error, or is passed over if damaged_too is set; returns
 * how many were.
 */
extern uint32 tsdb_pieces_delete(TsdbStorage *storage, int shard, uint64 generation,
								 uint32 chunk, const TsdbPieceList *list,
								 bool damaged_too);

/* Bytes that one piece takes on its page. */
extern Size tsdb_piece_footprint(const TsdbPieceList *list, uint32 number);

#define TSDB_OPEN_PAGES		16

/*
 * Pages of a shard to move pieces to: those from next to end come in turn, and
 * a few stay open, so that pieces go where the least room is left.
 */
typedef struct TsdbPieceRoom
{
	BlockNumber next;
	BlockNumber end;
	int			nopen;
	struct
	{
		BlockNumber block;
		Size		left;
	}			open[TSDB_OPEN_PAGES];
} TsdbPieceRoom;

/* A page with room for so many pieces that take so many bytes together, or
 * InvalidBlockNumber. */
extern BlockNumber tsdb_pieces_room_find(TsdbStorage *storage, int shard,
										 TsdbPieceRoom *room, Size bytes, int npieces);

/* Tell the free space map what is left of open pages. */
extern void tsdb_pieces_room_free(TsdbStorage *storage, int shard, TsdbPieceRoom *room);

/*
 * Copy one piece to a page with room, or anywhere if block is
 * InvalidBlockNumber; *tid is the copy's place.  The copy is inserted frozen: it
 * stays whatever becomes of this transaction.  content, if not NULL, is the whole
 * stream as it shall be from now on.  False if the piece is damaged.
 */
extern bool tsdb_piece_copy(TsdbStorage *storage, int shard, uint64 generation,
							const TsdbPieceList *list, uint32 number, const char *content,
							BlockNumber block, ItemPointer tid);

/* Delete one piece that no directory tuple refers to any more. */
extern void tsdb_piece_delete(TsdbStorage *storage, int shard, ItemPointer tid);

#endif							/* TSDB_STORE_PIECES_H */
