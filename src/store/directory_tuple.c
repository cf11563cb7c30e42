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
#include "port/pg_crc32c.h"
#include "store/internal_tuple.h"
#include "utils/rel.h"

StaticAssertDecl(TSDB_SHARDS_MAX == 1 << TSDB_DIRECTORY_NSHARDS_SHIFT, "shards fit their bits");
StaticAssertDecl(Anum_max_time == TSDB_DIRECTORY_MAX_TIME, "the time index's column");

TupleDesc
tsdb_directory_tupdesc(void)
{
	TupleDesc	tupdesc = CreateTemplateTupleDesc(Natts_directory);

	TupleDescInitEntry(tupdesc, Anum_version, "version", INT2OID, -1, 0);
	TupleDescInitEntry(tupdesc, Anum_shard, "shard", INT2OID, -1, 0);
	TupleDescInitEntry(tupdesc, Anum_level, "level", INT2OID, -1, 0);
	TupleDescInitEntry(tupdesc, Anum_nrows, "nrows", INT4OID, -1, 0);
	TupleDescInitEntry(tupdesc, Anum_min_time, "min_time", INT8OID, -1, 0);
	TupleDescInitEntry(tupdesc, Anum_max_time, "max_time", INT8OID, -1, 0);
	TupleDescInitEntry(tupdesc, Anum_generation, "generation", INT8OID, -1, 0);
	TupleDescInitEntry(tupdesc, Anum_run, "run", INT8OID, -1, 0);
	TupleDescInitEntry(tupdesc, Anum_nsegments, "nsegments", INT4OID, -1, 0);
	TupleDescInitEntry(tupdesc, Anum_stream_bytes, "stream_bytes", INT4OID, -1, 0);
	TupleDescInitEntry(tupdesc, Anum_checksum, "checksum", INT4OID, -1, 0);
	TupleDescInitEntry(tupdesc, Anum_pieces, "pieces", BYTEAOID, -1, 0);
	TupleDescInitEntry(tupdesc, Anum_body, "body", BYTEAOID, -1, 0);
	TupleDescAttr(tupdesc, Anum_pieces - 1)->attstorage = TYPSTORAGE_PLAIN;
	TupleDescAttr(tupdesc, Anum_body - 1)->attstorage = TYPSTORAGE_PLAIN;
	return tupdesc;
}

uint32
tsdb_directory_checksum(const Datum *values, const bool *nulls,
						const char *pieces, Size pieces_bytes,
						const char *body, Size body_bytes)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	for (int i = 0; i < Anum_checksum - 1; i++)
	{
		int64		value = 0;

		if (!nulls[i])
		{
			if (i == Anum_min_time - 1 || i == Anum_max_time - 1 ||
				i == Anum_generation - 1 || i == Anum_run - 1)
				value = DatumGetInt64(values[i]);
			else if (i < Anum_nrows - 1)
				value = DatumGetInt16(values[i]);
			else
				value = DatumGetInt32(values[i]);
		}
		COMP_CRC32C(crc, &value, sizeof(value));
	}
	COMP_CRC32C(crc, pieces, pieces_bytes);
	COMP_CRC32C(crc, body, body_bytes);
	FIN_CRC32C(crc);
	return crc;
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
deform(TsdbStorage *storage, HeapTuple tuple, Datum *values, bool *nulls)
{
	const char *fault = tsdb_internal_columns_fault(storage->directory, tuple);
	bytea	   *pieces;
	bytea	   *body;

	if (fault != NULL)
		return fault;
	heap_deform_tuple(tuple, RelationGetDescr(storage->directory), values, nulls);
	for (int i = 0; i < Natts_directory; i++)
	{
		if (nulls[i] && i != Anum_min_time - 1 && i != Anum_max_time - 1)
			return "A column is null.";
	}
	if (DatumGetInt16(values[Anum_version - 1]) != TSDB_DIRECTORY_VERSION)
		return "Unknown version.";

	pieces = (bytea *) DatumGetPointer(values[Anum_pieces - 1]);
	body = (bytea *) DatumGetPointer(values[Anum_body - 1]);
	if (VARSIZE(pieces) - VARHDRSZ < offsetof(TsdbPieceColumn, refs))
		return "A column has an impossible length.";
	if (tsdb_directory_checksum(values, nulls, VARDATA(pieces), VARSIZE(pieces) - VARHDRSZ,
								VARDATA(body), VARSIZE(body) - VARHDRSZ) !=
		(uint32) DatumGetInt32(values[Anum_checksum - 1]))
		return "The checksum does not match.";
	return NULL;
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
	bytea	   *body;
	int			shard;
	int			nshards;

	memset(gist, 0, sizeof(*gist));
	if (deform(storage, tuple, values, nulls) != NULL)
		return;
	body = (bytea *) DatumGetPointer(values[Anum_body - 1]);
	if (tsdb_body_parse_head((const uint8 *) VARDATA(body), VARSIZE(body) - VARHDRSZ, &head) != NULL)
		return;
	if (!nulls[Anum_min_time - 1])
	{
		gist->time = (AttrNumber) head.time;
		gist->min_time = DatumGetInt64(values[Anum_min_time - 1]);
		gist->max_time = DatumGetInt64(values[Anum_max_time - 1]);
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
	bytea	   *pieces;
	bytea	   *body;
	TsdbPieceColumn column;
	Size		pieces_bytes;
	uint32		nrefs;
	TsdbPieceRef *refs;
	const char *fault;

	fault = deform(storage, tuple, values, nulls);
	if (fault != NULL)
		return fault;
	pieces = (bytea *) DatumGetPointer(values[Anum_pieces - 1]);
	body = (bytea *) DatumGetPointer(values[Anum_body - 1]);
	pieces_bytes = VARSIZE(pieces) - VARHDRSZ;

	memcpy(&column, VARDATA(pieces), offsetof(TsdbPieceColumn, refs));
	nrefs = column.indirect > 0 ? column.indirect : column.count;
	if (pieces_bytes != offsetof(TsdbPieceColumn, refs) + (Size) nrefs * sizeof(TsdbPieceRef))
		return "The list of pieces has another length.";

	entry->chunk = chunk;
	entry->xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
	entry->cmin = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)) ?
		HeapTupleHeaderGetCmin(tuple->t_data) : FirstCommandId;
	read_shard(values[Anum_shard - 1], &entry->shard, &entry->nshards);
	entry->level = DatumGetInt16(values[Anum_level - 1]) & ~TSDB_DIRECTORY_LEVEL_COLD;
	entry->cold = (DatumGetInt16(values[Anum_level - 1]) & TSDB_DIRECTORY_LEVEL_COLD) != 0;
	entry->nrows = DatumGetInt32(values[Anum_nrows - 1]);
	entry->nsegments = DatumGetInt32(values[Anum_nsegments - 1]);
	entry->has_time = !nulls[Anum_min_time - 1];
	entry->min_time = entry->has_time ? DatumGetInt64(values[Anum_min_time - 1]) : 0;
	entry->max_time = entry->has_time ? DatumGetInt64(values[Anum_max_time - 1]) : 0;
	entry->generation = (uint64) DatumGetInt64(values[Anum_generation - 1]);
	entry->run = (uint64) DatumGetInt64(values[Anum_run - 1]);
	entry->body = VARDATA(body);
	entry->body_bytes = VARSIZE(body) - VARHDRSZ;
	entry->memory = tuple;

	memset(&entry->list_pieces, 0, sizeof(entry->list_pieces));
	refs = palloc(Max(nrefs, 1) * sizeof(TsdbPieceRef));
	memcpy(refs, VARDATA(pieces) + offsetof(TsdbPieceColumn, refs), nrefs * sizeof(TsdbPieceRef));
	if (column.indirect > 0)
	{
		TsdbPieceList meta = {nrefs, column.list_bytes, refs};
		TsdbPieceRef *stored;

		if (column.list_bytes != (Size) column.count * sizeof(TsdbPieceRef) ||
			!pieces_cover(refs, nrefs, column.list_bytes))
			return "The list of pieces has another length.";
		stored = palloc(column.list_bytes);
		tsdb_pieces_read(storage, entry->shard, ~entry->generation, chunk, &meta, 0,
						 column.list_bytes, (char *) stored);
		entry->list_pieces = meta;
		refs = stored;
	}
	entry->pieces.count = column.count;
	entry->pieces.stream_bytes = DatumGetInt32(values[Anum_stream_bytes - 1]);
	entry->pieces.refs = refs;
	if (entry->nshards > 1 && entry->shard >= entry->nshards)
		return "There is no such shard.";
	if (!pieces_cover(refs, entry->pieces.count, entry->pieces.stream_bytes))
		return "The pieces do not make up the stream.";
	return NULL;
}
