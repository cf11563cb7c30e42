/*
 * pieces.c
 *		A chunk's byte stream in a shard relation.
 */
#include "postgres.h"

#include "store/pieces.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "port/pg_crc32c.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#define PIECE_VERSION		1
#define PIECE_MIN_DATA		512		/* a cut never leaves less than this */

typedef struct PieceHeader
{
	uint8		version;
	uint8		flags;
	uint16		shard;
	uint32		storage;
	uint64		generation;
	uint32		number;
	uint32		checksum;
} PieceHeader;

StaticAssertDecl(sizeof(PieceHeader) == 24, "layout of a piece's header");

#define TUPLE_HEADER	MAXALIGN(SizeofHeapTupleHeader)
#define PIECE_OVERHEAD	(TUPLE_HEADER + VARHDRSZ + sizeof(PieceHeader))
#define PIECE_MAX_DATA	(MaxHeapTupleSize - PIECE_OVERHEAD)

TupleDesc
tsdb_pieces_tupdesc(void)
{
	TupleDesc	tupdesc = CreateTemplateTupleDesc(1);

	TupleDescInitEntry(tupdesc, 1, "piece", BYTEAOID, -1, 0);
	TupleDescAttr(tupdesc, 0)->attstorage = TYPSTORAGE_PLAIN;
	return tupdesc;
}

static uint32
piece_checksum(const PieceHeader *header, const char *data, Size bytes)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, header, offsetof(PieceHeader, checksum));
	COMP_CRC32C(crc, data, bytes);
	FIN_CRC32C(crc);
	return crc;
}

/* Bytes of data that still fit on the page that was written last. */
static Size
room_on(Relation rel, BlockNumber block)
{
	Buffer		buffer = ReadBuffer(rel, block);
	Size		room;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	room = PageGetHeapFreeSpace(BufferGetPage(buffer));
	UnlockReleaseBuffer(buffer);
	room = MAXALIGN_DOWN(room);
	return room > PIECE_OVERHEAD ? room - PIECE_OVERHEAD : 0;
}

/* The block that heap_insert will try first, if it can be known. */
static BlockNumber
target_block(Relation rel)
{
	return RelationGetTargetBlock(rel);
}

void
tsdb_pieces_write(TsdbStorage *storage, int shard, uint64 generation,
				  const char *stream, uint32 stream_bytes, TsdbPieceList *list)
{
	Relation	rel = tsdb_storage_shard(storage, shard, TSDB_SHARD_CREATE);
	TupleDesc	tupdesc = RelationGetDescr(rel);
	CommandId	cid = GetCurrentCommandId(true);
	char	   *payload = palloc(VARHDRSZ + sizeof(PieceHeader) + PIECE_MAX_DATA);
	uint32		allocated = stream_bytes / PIECE_MAX_DATA + 4;
	uint32		offset = 0;

	list->count = 0;
	list->stream_bytes = stream_bytes;
	list->refs = palloc(allocated * sizeof(TsdbPieceRef));

	while (offset < stream_bytes)
	{
		uint32		rest = stream_bytes - offset;
		uint32		bytes = Min(rest, PIECE_MAX_DATA);
		BlockNumber block = target_block(rel);
		PieceHeader header = {0};
		HeapTuple	tuple;
		Datum		value;
		bool		isnull = false;

		if (block != InvalidBlockNumber)
		{
			Size		room = room_on(rel, block);

			if (room < bytes && room >= PIECE_MIN_DATA)
				bytes = room;
		}

		header.version = PIECE_VERSION;
		header.shard = shard;
		header.storage = storage->identity;
		header.generation = generation;
		header.number = list->count;
		header.checksum = piece_checksum(&header, stream + offset, bytes);
		SET_VARSIZE(payload, VARHDRSZ + sizeof(PieceHeader) + bytes);
		memcpy(payload + VARHDRSZ, &header, sizeof(PieceHeader));
		memcpy(payload + VARHDRSZ + sizeof(PieceHeader), stream + offset, bytes);

		value = PointerGetDatum(payload);
		tuple = heap_form_tuple(tupdesc, &value, &isnull);
		heap_insert(rel, tuple, cid, HEAP_INSERT_NO_LOGICAL, NULL);

		if (list->count == allocated)
		{
			allocated *= 2;
			list->refs = repalloc(list->refs, allocated * sizeof(TsdbPieceRef));
		}
		list->refs[list->count].offset = offset;
		list->refs[list->count].tid = tuple->t_self;
		list->refs[list->count].unused = 0;
		list->count++;
		heap_freetuple(tuple);
		offset += bytes;
		CHECK_FOR_INTERRUPTS();
	}
	pfree(payload);
}

static void pg_attribute_noreturn()
damaged(TsdbStorage *storage, int shard, uint32 chunk, ItemPointer tid, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("chunk %u of table \"%s\" is damaged",
					chunk, RelationGetRelationName(storage->table)),
			 errdetail("Shard %d, piece at (%u,%u): %s.", shard,
					   ItemPointerGetBlockNumberNoCheck(tid),
					   ItemPointerGetOffsetNumberNoCheck(tid), detail),
			 errhint("Other chunks stay readable. Restore the table from a backup.")));
}

/* Copy one piece's data range, verifying the whole piece. */
static void
read_piece(TsdbStorage *storage, Relation rel, int shard, uint64 generation,
		   uint32 chunk, const TsdbPieceRef *ref, uint32 number, uint32 piece_bytes,
		   uint32 from, uint32 length, char *dst)
{
	ItemPointerData place = ref->tid;
	ItemPointer tid = &place;
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(tid);
	OffsetNumber offset = ItemPointerGetOffsetNumberNoCheck(tid);
	const char *fault = NULL;
	Buffer		buffer;
	Page		page;
	ItemId		item;

	if (block >= RelationGetNumberOfBlocks(rel))
		damaged(storage, shard, chunk, tid, "the page does not exist");
	buffer = ReadBuffer(rel, block);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);

	if (PageIsNew(page) || offset < 1 || offset > PageGetMaxOffsetNumber(page) ||
		!ItemIdIsNormal(item = PageGetItemId(page, offset)))
		fault = "there is no tuple";
	else
	{
		HeapTupleHeader tuple = (HeapTupleHeader) PageGetItem(page, item);
		Size		expected = PIECE_OVERHEAD + piece_bytes;

		if (ItemIdGetLength(item) != expected || tuple->t_hoff != TUPLE_HEADER)
			fault = "the tuple has another length";
		else
		{
			char	   *payload = (char *) tuple + tuple->t_hoff;
			char	   *data = payload + VARHDRSZ + sizeof(PieceHeader);
			PieceHeader header;

			memcpy(&header, payload + VARHDRSZ, sizeof(PieceHeader));
			if (header.version != PIECE_VERSION || header.flags != 0)
				fault = "unknown version";
			else if (header.storage != storage->identity || header.shard != shard ||
					 header.generation != generation || header.number != number)
				fault = "it belongs to another chunk";
			else if (header.checksum != piece_checksum(&header, data, piece_bytes))
				fault = "the checksum does not match";
			else
				memcpy(dst, data + from, length);
		}
	}
	UnlockReleaseBuffer(buffer);
	if (fault != NULL)
		damaged(storage, shard, chunk, tid, fault);
}

void
tsdb_pieces_read(TsdbStorage *storage, int shard, uint64 generation, uint32 chunk,
				 const TsdbPieceList *list, uint32 offset, uint32 length, char *dst)
{
	Relation	rel = tsdb_storage_shard(storage, shard, TSDB_SHARD_IF_EXISTS);
	uint32		low = 0;
	uint32		high = list->count;

	if (rel == NULL)
	{
		ItemPointerData none;

		ItemPointerSetInvalid(&none);
		damaged(storage, shard, chunk, &none, "the shard's relation is missing");
	}
	if (offset > list->stream_bytes || length > list->stream_bytes - offset)
	{
		ItemPointerData none;

		ItemPointerSetInvalid(&none);
		damaged(storage, shard, chunk, &none, "a vector lies beyond the end of the stream");
	}

	/* The last piece that starts at or before offset. */
	while (high - low > 1)
	{
		uint32		middle = low + (high - low) / 2;

		if (list->refs[middle].offset <= offset)
			low = middle;
		else
			high = middle;
	}

	for (uint32 i = low; length > 0; i++)
	{
		uint32		start = list->refs[i].offset;
		uint32		end = i + 1 < list->count ? list->refs[i + 1].offset : list->stream_bytes;
		uint32		bytes = Min(length, end - offset);

		read_piece(storage, rel, shard, generation, chunk, &list->refs[i], i,
				   end - start, offset - start, bytes, dst);
		offset += bytes;
		dst += bytes;
		length -= bytes;
	}
}

void
tsdb_pieces_delete(TsdbStorage *storage, int shard, const TsdbPieceList *list)
{
	Relation	rel = tsdb_storage_shard(storage, shard, TSDB_SHARD_IF_EXISTS);

	if (rel == NULL)
		return;
	for (uint32 i = 0; i < list->count; i++)
		simple_heap_delete(rel, &list->refs[i].tid);
}
