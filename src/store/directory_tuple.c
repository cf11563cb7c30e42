/*
 * directory_tuple.c
 *		The tuple of a directory: its columns, its checksum, reading it.
 */
#include "postgres.h"

#include "store/directory_tuple.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "chunk/chunk_body.h"
#include "chunk/series_hash.h"
#include "codec/wire.h"
#include "port/pg_crc32c.h"
#include "store/internal_tuple.h"
#include "utils/rel.h"

/* Bytes of the column rest before its references, and of each of these, at most. */
#define FIELDS_BYTES_MAX	(2 + 3 * 5)
#define REFERENCE_BYTES_MAX	(5 + sizeof(ItemPointerData))

StaticAssertDecl(TSDB_SHARDS_MAX == 1 << TSDB_DIRECTORY_NSHARDS_SHIFT, "shards fit their bits");

TupleDesc
tsdb_directory_tupdesc(void)
{
	TupleDesc	tupdesc = CreateTemplateTupleDesc(Natts_directory);

	TupleDescInitEntry(tupdesc, Anum_generation, "generation", INT8OID, -1, 0);
	TupleDescInitEntry(tupdesc, Anum_run, "run", INT4OID, -1, 0);
	TupleDescInitEntry(tupdesc, Anum_checksum, "checksum", INT4OID, -1, 0);
	TupleDescInitEntry(tupdesc, Anum_nrows, "nrows", INT2OID, -1, 0);
	TupleDescInitEntry(tupdesc, Anum_shard, "shard", INT2OID, -1, 0);
	TupleDescInitEntry(tupdesc, Anum_rest, "rest", BYTEAOID, -1, 0);

	/* never compressed, nor ever in a TOAST relation */
	TupleDescAttr(tupdesc, Anum_rest - 1)->attstorage = TYPSTORAGE_PLAIN;
	return tupdesc;
}

/* Of all other columns. */
static uint32
tuple_checksum(const Datum *values)
{
	const varattrib_4b *rest = (const varattrib_4b *) DatumGetPointer(values[Anum_rest - 1]);
	int64		words[] = {
		DatumGetInt64(values[Anum_generation - 1]),
		DatumGetInt32(values[Anum_run - 1]),
		DatumGetInt16(values[Anum_nrows - 1]),
		DatumGetInt16(values[Anum_shard - 1])
	};
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, words, sizeof(words));
	COMP_CRC32C(crc, VARDATA_ANY(rest), VARSIZE_ANY_EXHDR(rest));
	FIN_CRC32C(crc);
	return crc;
}

/* ---- writing ---- */

/* References, as the tuple has them. */
static void
write_references(TsdbWriter *out, const TsdbPieceList *refs, bool indirect)
{
	tsdb_write_varint(out, (uint64) refs->count * 2 + indirect);
	if (indirect)
		tsdb_write_varint(out, refs->stream_bytes);
	for (uint32 i = 0; i + 1 < refs->count; i++)
		tsdb_write_varint(out, refs->refs[i + 1].offset - refs->refs[i].offset);
	for (uint32 i = 0; i < refs->count; i++)
		tsdb_write_bytes(out, &refs->refs[i].tid, sizeof(ItemPointerData));
}

/* Give a value a short header if that is enough: heap_form_tuple() does not by itself where storage is plain. */
static void
shorten(bytea *value)
{
	if (VARATT_CAN_MAKE_SHORT(value))
	{
		Size		bytes = VARSIZE(value) - VARHDRSZ;

		memmove((char *) value + VARHDRSZ_SHORT, VARDATA(value), bytes);
		SET_VARSIZE_SHORT(value, VARHDRSZ_SHORT + bytes);
	}
}

HeapTuple
tsdb_directory_form_tuple(TsdbStorage *storage, const TsdbChunkImage *image,
						  const TsdbNewChunk *new_chunk, uint64 generation,
						  const TsdbPieceList *list, const TsdbPieceList *meta)
{
	const TsdbPieceList *refs = meta != NULL ? meta : list;
	Size		bytes = VARHDRSZ + FIELDS_BYTES_MAX + refs->count * REFERENCE_BYTES_MAX +
		image->body_bytes;
	bytea	   *rest = palloc(bytes);
	TsdbWriter	out = tsdb_writer((uint8 *) VARDATA(rest), bytes - VARHDRSZ);
	Datum		values[Natts_directory];
	bool		nulls[Natts_directory] = {0};
	HeapTuple	tuple;

	Assert(new_chunk->level >= 0 && new_chunk->level <= TSDB_DIRECTORY_LEVEL_MAX);
	tsdb_write_byte(&out, TSDB_DIRECTORY_VERSION);
	tsdb_write_byte(&out, (uint8) (new_chunk->level |
								   (image->cold ? TSDB_DIRECTORY_LEVEL_COLD : 0)));
	tsdb_write_varint(&out, image->stream_bytes);
	write_references(&out, refs, meta != NULL);
	tsdb_write_bytes(&out, image->body, image->body_bytes);
	Assert(!out.full);
	SET_VARSIZE(rest, (char *) out.at - (char *) rest);
	shorten(rest);

	values[Anum_generation - 1] = Int64GetDatum((int64) generation);
	values[Anum_run - 1] = Int32GetDatum((int32) new_chunk->run);
	values[Anum_nrows - 1] = Int16GetDatum((int16) image->nrows);
	values[Anum_shard - 1] = Int16GetDatum((int16)
										   (new_chunk->shard | (new_chunk->nshards - 1) << TSDB_DIRECTORY_NSHARDS_SHIFT));
	values[Anum_rest - 1] = PointerGetDatum(rest);
	values[Anum_checksum - 1] = Int32GetDatum((int32) tuple_checksum(values));
	tuple = heap_form_tuple(RelationGetDescr(storage->directory), values, nulls);
	pfree(rest);
	return tuple;
}

/* ---- reading ---- */

/* What the column rest says; pointers go into the tuple. */
typedef struct Rest
{
	int			level;
	bool		cold;
	bool		indirect;
	uint32		stream_bytes;
	uint32		list_bytes;		/* indirect: of the stored list */
	uint32		nrefs;
	TsdbReader	lengths;
	const uint8 *places;
	const uint8 *body;
	Size		body_bytes;
} Rest;

static const char *
read_rest(Datum column, Rest *rest)
{
	const varattrib_4b *bytes = (const varattrib_4b *) DatumGetPointer(column);
	TsdbReader	in = tsdb_reader((const uint8 *) VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	uint64		stream_bytes;
	uint64		list_bytes = 0;
	uint64		nrefs;
	uint8		level;

	if (tsdb_read_byte(&in) != TSDB_DIRECTORY_VERSION)
		return "Unknown version.";
	level = tsdb_read_byte(&in);
	rest->level = level & TSDB_DIRECTORY_LEVEL_MAX;
	rest->cold = (level & TSDB_DIRECTORY_LEVEL_COLD) != 0;
	stream_bytes = tsdb_read_varint(&in);
	nrefs = tsdb_read_varint(&in);
	rest->indirect = (nrefs & 1) != 0;
	nrefs >>= 1;
	if (rest->indirect)
		list_bytes = tsdb_read_varint(&in);
	if (in.broken || stream_bytes > PG_UINT32_MAX || list_bytes > PG_UINT32_MAX ||
		nrefs > tsdb_reader_left(&in) / sizeof(ItemPointerData))
		return "The list of pieces has another length.";
	rest->stream_bytes = (uint32) stream_bytes;
	rest->list_bytes = (uint32) list_bytes;
	rest->nrefs = (uint32) nrefs;
	rest->lengths = in;
	for (uint32 i = 0; i + 1 < rest->nrefs; i++)
		(void) tsdb_read_varint(&in);
	rest->places = tsdb_read_bytes(&in, nrefs * sizeof(ItemPointerData));
	if (in.broken)
		return "The list of pieces has another length.";
	rest->body = in.at;
	rest->body_bytes = tsdb_reader_left(&in);
	return NULL;
}

/* The references of a tuple, to the pieces of so many bytes. */
static TsdbPieceRef *
read_references(const Rest *rest)
{
	TsdbPieceRef *refs = palloc0(Max(rest->nrefs, 1) * sizeof(TsdbPieceRef));
	TsdbReader	lengths = rest->lengths;

	for (uint32 i = 0; i < rest->nrefs; i++)
	{
		/* what overflows does not cover the stream */
		if (i > 0)
			refs[i].offset = refs[i - 1].offset + (uint32) tsdb_read_varint(&lengths);
		memcpy(&refs[i].tid, rest->places + i * sizeof(ItemPointerData), sizeof(ItemPointerData));
	}
	return refs;
}

HeapTuple
tsdb_directory_move_tuple(TsdbStorage *storage, HeapTuple tuple, uint64 generation,
						  const TsdbPieceList *list)
{
	TupleDesc	tupdesc = RelationGetDescr(storage->directory);
	HeapTuple	copy = heap_copytuple(tuple);
	HeapTuple	changed = NULL;
	Datum		values[Natts_directory];
	bool		nulls[Natts_directory];
	Rest		rest;

	heap_deform_tuple(copy, tupdesc, values, nulls);
	if ((uint64) DatumGetInt64(values[Anum_generation - 1]) == generation &&
		read_rest(values[Anum_rest - 1], &rest) == NULL && rest.nrefs == list->count)
	{
		/* in the copy, which is ours */
		for (uint32 i = 0; i < list->count; i++)
			memcpy(unconstify(uint8 *, rest.places) + i * sizeof(ItemPointerData),
				   &list->refs[i].tid, sizeof(ItemPointerData));
		values[Anum_checksum - 1] = Int32GetDatum((int32) tuple_checksum(values));
		changed = heap_form_tuple(tupdesc, values, nulls);
		if (changed->t_len != tuple->t_len || changed->t_data->t_hoff != tuple->t_data->t_hoff)
		{
			heap_freetuple(changed);
			changed = NULL;
		}
	}
	heap_freetuple(copy);
	return changed;
}

/* Does a list of pieces cover its stream, in order and without overlaps? */
static bool
pieces_cover(const TsdbPieceRef *refs, uint32 count, uint32 stream_bytes)
{
	if (count == 0)
		return stream_bytes == 0;
	if (refs[0].offset != 0)
		return false;
	for (uint32 i = 0; i < count; i++)
	{
		uint32		end = i + 1 < count ? refs[i + 1].offset : stream_bytes;

		if (end <= refs[i].offset)
			return false;
	}
	return true;
}

const char *
tsdb_directory_find_tuple(TsdbStorage *storage, Page page, BlockNumber block,
						  OffsetNumber offset, HeapTuple tuple)
{
	tuple->t_data = NULL;
	switch (tsdb_internal_item(storage->directory, page, block, offset, tuple))
	{
		case TSDB_ITEM_NONE:
			return NULL;
		case TSDB_ITEM_TUPLE:
			return tsdb_internal_header_fault(storage->directory, tuple);
		case TSDB_ITEM_DAMAGED:
			break;
	}
	return "Its line pointer leaves the page.";
}

/* Take a tuple apart and compare its checksum. */
static const char *
deform(TsdbStorage *storage, HeapTuple tuple, Datum *values, bool *nulls, Rest *rest)
{
	const char *fault = tsdb_internal_columns_fault(storage->directory, tuple);

	if (fault != NULL)
		return fault;
	heap_deform_tuple(tuple, RelationGetDescr(storage->directory), values, nulls);
	for (int i = 0; i < Natts_directory; i++)
	{
		if (nulls[i])
			return "A column is null.";
	}
	fault = read_rest(values[Anum_rest - 1], rest);
	if (fault == NULL && tuple_checksum(values) !=
		(uint32) DatumGetInt32(values[Anum_checksum - 1]))
		fault = "The checksum does not match.";
	return fault;
}

static void
read_shard(Datum value, int *shard, int *nshards)
{
	uint16		column = (uint16) DatumGetInt16(value);

	*shard = column & ((1 << TSDB_DIRECTORY_NSHARDS_SHIFT) - 1);
	*nshards = (column >> TSDB_DIRECTORY_NSHARDS_SHIFT) + 1;
}

void
tsdb_directory_tuple_gist(TsdbStorage *storage, HeapTuple tuple, TsdbChunkGist *gist)
{
	Datum		values[Natts_directory];
	bool		nulls[Natts_directory];
	TsdbBodyHead head;
	Rest		rest;
	int			shard;
	int			nshards;

	memset(gist, 0, sizeof(*gist));
	if (deform(storage, tuple, values, nulls, &rest) != NULL ||
		tsdb_body_parse_head(rest.body, rest.body_bytes, &head) != NULL)
		return;
	if (head.has_time)
	{
		gist->time = (AttrNumber) head.time;
		gist->min_time = head.min_time;
		gist->max_time = head.max_time;
	}
	read_shard(values[Anum_shard - 1], &shard, &nshards);
	gist->shard = (uint8) shard;
	gist->other_shards = (uint8) (nshards - 1);
	if (head.hash_version == TSDB_SERIES_HASH_VERSION && head.nseries <= TSDB_SERIES_NAME_MAX)
	{
		for (uint32 i = 0; i < head.nseries; i++)
			gist->series = tsdb_series_name_add(gist->series, (AttrNumber) head.series[i]);
	}
}

const char *
tsdb_directory_parse_tuple(TsdbStorage *storage, uint32 chunk, HeapTuple tuple,
						   TsdbChunkEntry *entry)
{
	Datum		values[Natts_directory];
	bool		nulls[Natts_directory];
	TsdbBodyHead head;
	TsdbPieceRef *refs;
	Rest		rest;
	const char *fault;

	fault = deform(storage, tuple, values, nulls, &rest);
	if (fault == NULL)
		fault = tsdb_body_parse_head(rest.body, rest.body_bytes, &head);
	if (fault != NULL)
		return fault;
	if (head.nrows != (uint32) DatumGetInt16(values[Anum_nrows - 1]))
		return "The body is that of another chunk.";

	entry->chunk = chunk;
	entry->xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
	entry->cmin = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)) ?
		HeapTupleHeaderGetCmin(tuple->t_data) : FirstCommandId;
	read_shard(values[Anum_shard - 1], &entry->shard, &entry->nshards);
	entry->level = rest.level;
	entry->cold = rest.cold;
	entry->nrows = head.nrows;
	entry->nsegments = head.nsegments;
	entry->has_time = head.has_time;
	entry->min_time = head.has_time ? head.min_time : 0;
	entry->max_time = head.has_time ? head.max_time : 0;
	entry->generation = (uint64) DatumGetInt64(values[Anum_generation - 1]);
	entry->run = (uint32) DatumGetInt32(values[Anum_run - 1]);
	entry->body = (const char *) rest.body;
	entry->body_bytes = rest.body_bytes;
	entry->memory = tuple;

	memset(&entry->list_pieces, 0, sizeof(entry->list_pieces));
	entry->pieces.count = rest.nrefs;
	refs = read_references(&rest);
	if (rest.indirect)
	{
		TsdbPieceList meta = {rest.nrefs, rest.list_bytes, refs};
		TsdbPieceRef *stored;

		if (rest.list_bytes % sizeof(TsdbPieceRef) != 0 ||
			!pieces_cover(refs, rest.nrefs, rest.list_bytes))
			return "The list of pieces has another length.";
		stored = palloc(rest.list_bytes);
		tsdb_pieces_read(storage, entry->shard, ~entry->generation, chunk, &meta, 0,
						 rest.list_bytes, (char *) stored);
		entry->list_pieces = meta;
		entry->pieces.count = rest.list_bytes / sizeof(TsdbPieceRef);
		refs = stored;
	}
	entry->pieces.stream_bytes = rest.stream_bytes;
	entry->pieces.refs = refs;
	if (entry->nshards > 1 && entry->shard >= entry->nshards)
		return "There is no such shard.";
	if (!pieces_cover(refs, entry->pieces.count, entry->pieces.stream_bytes))
		return "The pieces do not make up the stream.";
	return NULL;
}
