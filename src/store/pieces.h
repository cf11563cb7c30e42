/*
 * pieces.h
 *		A chunk's byte stream in a shard relation.
 *
 * The stream is cut into pieces, each the payload of one heap tuple.  Pieces
 * are cut to the room that is left on the page at hand, so pages fill up; a
 * vector lies in one piece as a rule, in two at such a cut, in more when it
 * is longer than a page.  The payload of a tuple:
 *
 *	 0  version    uint8   1
 *	 1  flags      uint8   0
 *	 2  shard      uint16
 *	 4  storage    uint32  OID of the directory: the storage identity
 *	 8  generation uint64  of the chunk
 *	16  number     uint32  of the piece within the chunk, from 0
 *	20  checksum   uint32  CRC-32C of bytes 0 to 19 and of the data
 *	24  data
 *
 * All integers are in the byte order of the machine, as all of PostgreSQL's
 * storage.  The reader verifies every field: a reference to a wrong place, a
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

/* What a tuple of a shard says it belongs to (generation 0: nothing); false if it
 * is no intact piece. */
extern bool tsdb_pieces_identify(HeapTuple tuple, Oid *storage, int *shard,
								 uint64 *generation);

/*
 * Delete a chunk's pieces, in the transaction that deletes the chunk.  One that
 * is not there raises an error, or is passed over if damaged_too is set; returns
 * how many were.
 */
extern uint32 tsdb_pieces_delete(TsdbStorage *storage, int shard, uint64 generation,
								 uint32 chunk, const TsdbPieceList *list,
								 bool damaged_too);

#endif							/* TSDB_STORE_PIECES_H */
