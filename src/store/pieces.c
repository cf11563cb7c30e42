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
#include "storage/freespace.h"
#include "store/internal_tuple.h"
#include "utils/rel.h"

#define PIECE_VERSION		2
#define PIECE_VERSION_BITS	8
#define PIECE_VERSION_MASK	((1 << PIECE_VERSION_BITS) - 1)
#define PIECE_MIN_DATA		128		/* a page with room for less is full */

typedef struct PieceHeader
{
	uint64		generation;
	uint32		number;			/* and the version */
	uint32		checksum;
} PieceHeader;

StaticAssertDecl(sizeof(PieceHeader) == 16, "layout of a piece's header");

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
piece_checksum(const TsdbStorage *storage, int shard, const PieceHeader *header,
			   const char *data, Size bytes)
{
	uint32		place[2] = {storage->identity, (uint32) shard};
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, place, sizeof(place));
	COMP_CRC32C(crc, header, offsetof(PieceHeader, checksum));
	COMP_CRC32C(crc, data, bytes);
	FIN_CRC32C(crc);
	return crc;
}

/* A piece's number and the version, in one. */
static inline uint32
piece_number(uint32 number)
{
	return number << PIECE_VERSION_BITS | PIECE_VERSION;
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

/*
 * The page to go on with, InvalidBlockNumber for a new one.  Pages are filled one
 * after the other.  Gaps that are left on them are not looked for: a small piece
 * in a gap would keep the page from being given back when its other chunks go.
 */
static BlockNumber
choose_page(Relation rel)
{
	const Size	wanted = BLCKSZ / 2;
	BlockNumber block = RelationGetTargetBlock(rel);
	BlockNumber nblocks;

	if (BlockNumberIsValid(block) && room_on(rel, block) >= PIECE_MIN_DATA)
		return block;
	block = GetPageWithFreeSpace(rel, wanted + PIECE_OVERHEAD);
	while (BlockNumberIsValid(block))
	{
		Size		room = room_on(rel, block);

		if (room >= wanted)
			return block;
		block = RecordAndGetPageWithFreeSpace(rel, block, room > 0 ? room + PIECE_OVERHEAD : 0,
											  wanted + PIECE_OVERHEAD);
	}
	nblocks = RelationGetNumberOfBlocks(rel);
	if (nblocks > 0 && room_on(rel, nblocks - 1) >= PIECE_MIN_DATA)
		return nblocks - 1;
	return InvalidBlockNumber;
}

/* Insert one piece; payload has room for it. */
static void
insert_piece(TsdbStorage *storage, Relation rel, int shard, uint64 generation, uint32 number,
			 const char *data, uint32 bytes, int options, char *payload, ItemPointer tid)
{
	PieceHeader header = {.generation = generation,.number = piece_number(number)};
	Datum		value = PointerGetDatum(payload);
	bool		isnull = false;
	HeapTuple	tuple;

	header.checksum = piece_checksum(storage, shard, &header, data, bytes);
	SET_VARSIZE(payload, VARHDRSZ + sizeof(PieceHeader) + bytes);
	memcpy(payload + VARHDRSZ, &header, sizeof(PieceHeader));
	memcpy(payload + VARHDRSZ + sizeof(PieceHeader), data, bytes);
	tuple = heap_form_tuple(RelationGetDescr(rel), &value, &isnull);
	heap_insert(rel, tuple, GetCurrentCommandId(true), options | HEAP_INSERT_NO_LOGICAL, NULL);
	*tid = tuple->t_self;
	heap_freetuple(tuple);
}

static char *
alloc_payload(void)
{
	return palloc(VARHDRSZ + sizeof(PieceHeader) + PIECE_MAX_DATA);
}

void
tsdb_pieces_write(TsdbStorage *storage, int shard, uint64 generation,
				  const char *stream, uint32 stream_bytes, TsdbPieceList *list)
{
	Relation	rel = tsdb_storage_shard(storage, shard, TSDB_SHARD_CREATE);
	char	   *payload = alloc_payload();
	uint32		allocated = stream_bytes / PIECE_MAX_DATA + 4;
	uint32		offset = 0;

	list->count = 0;
	list->stream_bytes = stream_bytes;
	list->refs = palloc(allocated * sizeof(TsdbPieceRef));

	while (offset < stream_bytes)
	{
		uint32		rest = stream_bytes - offset;
		uint32		bytes = Min(rest, PIECE_MAX_DATA);
		BlockNumber block = choose_page(rel);

		if (BlockNumberIsValid(block))
			bytes = Min(bytes, room_on(rel, block));
		RelationSetTargetBlock(rel, block);
		if (list->count == allocated)
		{
			allocated *= 2;
			list->refs = repalloc(list->refs, allocated * sizeof(TsdbPieceRef));
		}
		list->refs[list->count].offset = offset;
		list->refs[list->count].unused = 0;
		insert_piece(storage, rel, shard, generation, list->count, stream + offset, bytes,
					 HEAP_INSERT_SKIP_FSM, payload, &list->refs[list->count].tid);
		list->count++;
		offset += bytes;
		CHECK_FOR_INTERRUPTS();
	}
	pfree(payload);
}

static void pg_attribute_noreturn()
damaged(TsdbStorage *storage, int shard, uint32 chunk, const ItemPointerData *tid,
		const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("chunk %u of table \"%s\" is damaged",
					chunk, RelationGetRelationName(storage->table)),
			 errdetail("Shard %d, piece at (%u,%u): %s.", shard,
					   ItemPointerGetBlockNumberNoCheck(tid),
					   ItemPointerGetOffsetNumberNoCheck(tid), detail),
			 errhint("Other chunks stay readable. Run tsdb.verify() to see all that is damaged.")));
}

/* What is looked for: a piece of a chunk. */
typedef struct PieceSearch
{
	int			shard;
	uint64		generation;
	const TsdbPieceRef *ref;
	uint32		number;
	uint32		bytes;			/* of its data */
	Snapshot	snapshot;		/* that must see its tuple; NULL: none need */
	bool		to_delete;		/* its data may be damaged, its header not */
} PieceSearch;

/* Compare a tuple with what should be there; *data is set if all is well. */
static const char *
check_piece(TsdbStorage *storage, Relation rel, const PieceSearch *search,
			HeapTuple found, Buffer buffer, char **data)
{
	HeapTupleHeader tuple = found->t_data;
	PieceHeader header;
	const char *fault;

	if (found->t_len != PIECE_OVERHEAD + search->bytes || tuple->t_hoff != TUPLE_HEADER)
		return "the tuple has another length";
	*data = (char *) tuple + PIECE_OVERHEAD;
	memcpy(&header, *data - sizeof(PieceHeader), sizeof(PieceHeader));
	if ((header.number & PIECE_VERSION_MASK) != PIECE_VERSION)
		return "unknown version";
	if (header.generation != search->generation ||
		header.number != piece_number(search->number))
		return "it belongs to another chunk";
	if (search->to_delete)
		return tsdb_internal_header_fault(rel, found) == NULL ? NULL :
			"its tuple header is damaged";
	if (header.checksum != piece_checksum(storage, search->shard, &header, *data,
										  search->bytes))
		return "the checksum does not match";

	if (search->snapshot == NULL)
		return NULL;
	fault = tsdb_internal_header_fault(rel, found);
	if (fault == NULL && VARSIZE_ANY(*data - sizeof(PieceHeader) - VARHDRSZ) !=
		VARHDRSZ + sizeof(PieceHeader) + search->bytes)
		fault = "its length word does not match";
	if (fault == NULL && !HeapTupleSatisfiesVisibility(found, search->snapshot, buffer))
		fault = "VACUUM may remove it, though its chunk lives";
	return fault;
}

/*
 * Is there such a page?  Asking for a file's length each time costs more than reading the page from
 * shared buffers, so lengths are remembered: shards that are cut keep the pages that have pieces.
 */
static bool
page_exists(Relation rel, BlockNumber block)
{
	static struct
	{
		RelFileNode node;
		BlockNumber nblocks;	/* at least */
	}			known[64];
	int			place = rel->rd_node.relNode % lengthof(known);

	if (!RelFileNodeEquals(known[place].node, rel->rd_node) || block >= known[place].nblocks)
	{
		known[place].node = rel->rd_node;
		known[place].nblocks = RelationGetNumberOfBlocks(rel);
	}
	return block < known[place].nblocks;
}

/* Verify a whole piece and copy length bytes of its data, from "from" on, to
 * dst.  Returns NULL, or what is wrong with it. */
static const char *
find_piece(TsdbStorage *storage, Relation rel, const PieceSearch *search,
		   uint32 from, uint32 length, char *dst)
{
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(&search->ref->tid);
	OffsetNumber offset = ItemPointerGetOffsetNumberNoCheck(&search->ref->tid);
	HeapTupleData found;
	const char *fault;
	char	   *data;
	Buffer		buffer;
	Page		page;

	if (!page_exists(rel, block))
		return "the page does not exist";
	buffer = ReadBuffer(rel, block);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	if (PageIsNew(page) || offset < 1 || offset > PageGetMaxOffsetNumber(page) ||
		tsdb_internal_item(rel, page, block, offset, &found) != TSDB_ITEM_TUPLE)
		fault = "there is no tuple";
	else
		fault = check_piece(storage, rel, search, &found, buffer, &data);
	if (fault == NULL && dst != NULL)
		memcpy(dst, data + from, length);
	UnlockReleaseBuffer(buffer);
	return fault;
}

static uint32
piece_bytes(const TsdbPieceList *list, uint32 i)
{
	return (i + 1 < list->count ? list->refs[i + 1].offset : list->stream_bytes) -
		list->refs[i].offset;
}

const char *
tsdb_pieces_check(TsdbStorage *storage, int shard, uint64 generation,
				  const TsdbPieceList *list, uint32 i, Snapshot snapshot)
{
	Relation	rel = tsdb_storage_shard(storage, shard, TSDB_SHARD_IF_EXISTS);
	PieceSearch search = {
		.shard = shard,.generation = generation,.ref = &list->refs[i],.number = i,
		.bytes = piece_bytes(list, i),.snapshot = snapshot
	};

	if (rel == NULL)
		return "the shard's relation is missing";
	return find_piece(storage, rel, &search, 0, 0, NULL);
}

bool
tsdb_pieces_identify(const TsdbStorage *storage, int shard, HeapTuple tuple, uint64 *generation)
{
	PieceHeader header;

	*generation = 0;
	if (tuple->t_len < PIECE_OVERHEAD || tuple->t_data->t_hoff != TUPLE_HEADER)
		return false;
	memcpy(&header, (char *) tuple->t_data + TUPLE_HEADER + VARHDRSZ, sizeof(PieceHeader));
	*generation = header.generation;
	return (header.number & PIECE_VERSION_MASK) == PIECE_VERSION &&
		header.checksum == piece_checksum(storage, shard, &header,
										  (char *) tuple->t_data + PIECE_OVERHEAD,
										  tuple->t_len - PIECE_OVERHEAD);
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
		PieceSearch search = {
			.shard = shard,.generation = generation,.ref = &list->refs[i],.number = i,
			.bytes = piece_bytes(list, i)
		};
		uint32		from = offset - list->refs[i].offset;
		uint32		bytes = Min(length, search.bytes - from);
		const char *fault = find_piece(storage, rel, &search, from, bytes, dst);

		if (fault != NULL)
			damaged(storage, shard, chunk, &list->refs[i].tid, fault);
		offset += bytes;
		dst += bytes;
		length -= bytes;
	}
}

uint32
tsdb_pieces_delete(TsdbStorage *storage, int shard, uint64 generation, uint32 chunk,
				   const TsdbPieceList *list, bool damaged_too)
{
	Relation	rel = tsdb_storage_shard(storage, shard, TSDB_SHARD_IF_EXISTS);
	CommandId	cid = GetCurrentCommandId(true);
	uint32		left = 0;

	if (rel == NULL)
		return 0;
	for (uint32 i = 0; i < list->count; i++)
	{
		PieceSearch search = {
			.shard = shard,.generation = generation,.ref = &list->refs[i],.number = i,
			.bytes = piece_bytes(list, i),.to_delete = true
		};
		ItemPointerData tid = list->refs[i].tid;
		const char *fault = find_piece(storage, rel, &search, 0, 0, NULL);
		TM_FailureData failure;

		if (fault == NULL &&
			heap_delete(rel, &tid, cid, InvalidSnapshot, false, &failure, false) != TM_Ok)
			fault = "its tuple is deleted already";
		if (fault != NULL && !damaged_too)
			damaged(storage, shard, chunk, &list->refs[i].tid, fault);
		left += fault != NULL;
		CHECK_FOR_INTERRUPTS();
	}
	return left;
}

/* ---- moving pieces ---- */

Size
tsdb_piece_footprint(const TsdbPieceList *list, uint32 number)
{
	return MAXALIGN(PIECE_OVERHEAD + piece_bytes(list, number)) + sizeof(ItemIdData);
}

/*
 * Bytes that this many pieces may take on a page.  Heap's code wants room for a
 * line pointer with each, also if it can use an old one, of which an emptied page
 * keeps one at least: so the last piece can go as far as the others' reuse.
 */
static Size
room_for(Relation rel, BlockNumber block, int npieces)
{
	Buffer		buffer = ReadBuffer(rel, block);
	Page		page = BufferGetPage(buffer);
	int			reused = 0;
	Size		room = 0;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (!PageIsNew(page))
	{
		OffsetNumber max = PageGetMaxOffsetNumber(page);

		for (OffsetNumber offset = 1; offset <= max && reused < npieces - 1; offset++)
			reused += !ItemIdIsUsed(PageGetItemId(page, offset));
		room = PageGetExactFreeSpace(page) + reused * sizeof(ItemIdData);
	}
	UnlockReleaseBuffer(buffer);
	return room;
}

/* Open a page, in the place of that with the least room if there are too many. */
static int
open_page(Relation rel, TsdbPieceRoom *room, BlockNumber block, Size left)
{
	int			place = room->nopen;

	if (room->nopen < TSDB_OPEN_PAGES)
		room->nopen++;
	else
	{
		place = 0;
		for (int i = 1; i < room->nopen; i++)
		{
			if (room->open[i].left < room->open[place].left)
				place = i;
		}
		RecordPageWithFreeSpace(rel, room->open[place].block, room->open[place].left);
	}
	room->open[place].block = block;
	room->open[place].left = left;
	return place;
}

BlockNumber
tsdb_pieces_room_find(TsdbStorage *storage, int shard, TsdbPieceRoom *room, Size bytes,
					  int npieces)
{
	Relation	rel = tsdb_storage_shard(storage, shard, TSDB_SHARD_IF_EXISTS);
	int			best = -1;

	for (int i = 0; i < room->nopen; i++)
	{
		room->open[i].left = room_for(rel, room->open[i].block, npieces);
		if (room->open[i].left >= bytes &&
			(best < 0 || room->open[i].left < room->open[best].left))
			best = i;
	}
	while (best < 0 && room->next < room->end)
	{
		BlockNumber block = room->next++;
		Size		left;
		int			opened;

		CHECK_FOR_INTERRUPTS();
		if (GetRecordedFreeSpace(rel, block) < PIECE_OVERHEAD + PIECE_MIN_DATA)
			continue;
		left = room_for(rel, block, npieces);
		opened = open_page(rel, room, block, left);
		if (left >= bytes)
			best = opened;
	}
	return best < 0 ? InvalidBlockNumber : room->open[best].block;
}

void
tsdb_pieces_room_free(TsdbStorage *storage, int shard, TsdbPieceRoom *room)
{
	Relation	rel = tsdb_storage_shard(storage, shard, TSDB_SHARD_IF_EXISTS);

	for (int i = 0; i < room->nopen; i++)
		RecordPageWithFreeSpace(rel, room->open[i].block,
								room_for(rel, room->open[i].block, 1));
	room->nopen = 0;
}

bool
tsdb_piece_copy(TsdbStorage *storage, int shard, uint64 generation,
				const TsdbPieceList *list, uint32 number, const char *content,
				BlockNumber block, ItemPointer tid)
{
	Relation	rel = tsdb_storage_shard(storage, shard, TSDB_SHARD_IF_EXISTS);
	uint32		bytes = piece_bytes(list, number);
	PieceSearch search = {
		.shard = shard,.generation = generation,.ref = &list->refs[number],.number = number,
		.bytes = bytes,.snapshot = SnapshotSelf
	};
	char	   *data;
	char	   *payload;

	if (rel == NULL || bytes > PIECE_MAX_DATA)
		return false;
	data = palloc(PIECE_MAX_DATA);
	if (find_piece(storage, rel, &search, 0, bytes, data) != NULL)
	{
		pfree(data);
		return false;
	}
	if (content != NULL)
		memcpy(data, content + list->refs[number].offset, bytes);
	payload = alloc_payload();
	RelationSetTargetBlock(rel, block);
	insert_piece(storage, rel, shard, generation, number, data, bytes,
				 HEAP_INSERT_FROZEN | HEAP_INSERT_SKIP_FSM, payload, tid);
	pfree(payload);
	pfree(data);
	return true;
}

void
tsdb_piece_delete(TsdbStorage *storage, int shard, ItemPointer tid)
{
	simple_heap_delete(tsdb_storage_shard(storage, shard, TSDB_SHARD_IF_EXISTS), tid);
}
