/*
 * chunk_reader.c
 *		Reading the columns of a chunk.
 *
 * A reader keeps the parsed body and decodes a column when it is first asked
 * for: most queries touch few columns of a table.  Numbers are decoded right
 * into the array of Datums, since a Datum is the codec's 64-bit carrier;
 * by-reference values of a column take one allocation, in which they lie in
 * row order, aligned and complete.
 *
 * Everything is in the context that the reader is given, so that closing is one
 * deletion and its size can be told, or a scan uses the same memory for chunk after
 * chunk.  The row type is copied as far as needed: the reader outlives the
 * TupleDesc it was opened with, as a cached one must.
 *
 * A vector describes itself.  It is read by its own type tag, which is checked
 * against what the body says and against what the attribute is today; nothing
 * that is stored sizes an allocation unchecked.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "chunk/chunk.h"
#include "chunk/chunk_decimal.h"
#include "chunk/chunk_implied.h"
#include "chunk/chunk_load.h"
#include "chunk/chunk_type.h"
#include "utils/datum.h"
#include "utils/memutils.h"

/* No chunk that was written holds more in one column than this. */
#define READER_RAW_MAX		((Size) TSDB_CHUNK_RAW_MAX + MaxAllocSize)

/* An attribute of the present row type. */
typedef struct ReaderAttribute
{
	int16		length;
	bool		by_value;
	bool		dropped;
	char		align;
} ReaderAttribute;

typedef struct ReaderMissing
{
	Datum		value;
	bool		is_null;
} ReaderMissing;

struct TsdbChunkReader
{
	MemoryContext context;
	TsdbChunkSource source;
	uint32		nrows;
	const char *stored;			/* the body, to be parsed when first needed ... */
	uint32		stored_bytes;
	bool		parsed;			/* ... which it was: */
	TsdbChunkBody body;
	int			natts;			/* of the present row type */
	ReaderAttribute *attributes;
	ReaderMissing *missing;		/* natts entries, NULL: all null */
	TsdbColumn **columns;		/* natts entries, NULL until decoded */
	TsdbSegments *segments;		/* NULL until decoded */
	const TsdbColumnShelf *shelf;	/* or NULL */
	void	   *shelf_arg;
	bool	   *sought;			/* natts entries: the shelf was asked for it */
	const char *payload;		/* of the column decoded last, or NULL */
	Size		payload_bytes;
	char	   *scratch;		/* of the decoder */
	Size		scratch_bytes;
};

/* Values of columns that a chunk may not have, as it is older. */
static void
copy_missing(TsdbChunkReader *reader, TupleDesc tupdesc)
{
	reader->missing = palloc0(reader->natts * sizeof(ReaderMissing));
	for (int i = 0; i < reader->natts; i++)
	{
		ReaderMissing *missing = &reader->missing[i];

		missing->value = getmissingattr(tupdesc, i + 1, &missing->is_null);
		if (!missing->is_null)
			missing->value = datumCopy(missing->value, reader->attributes[i].by_value,
									   reader->attributes[i].length);
	}
}

TsdbChunkReader *
tsdb_chunk_reader_open(MemoryContext context, TupleDesc tupdesc, uint32 nrows,
					   const char *body, uint32 body_bytes, TsdbStreamFetch fetch,
					   TsdbStreamPeek peek, TsdbChunkDamage damage, void *arg)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	TsdbChunkReader *reader = palloc0(sizeof(TsdbChunkReader));
	char	   *copy = palloc(Max(body_bytes, 1));
	int			natts = tupdesc->natts;

	reader->context = context;
	reader->source = (TsdbChunkSource) {.fetch = fetch,.peek = peek,.damage = damage,.arg = arg};
	reader->nrows = nrows;
	memcpy(copy, body, body_bytes);
	reader->stored = copy;
	reader->stored_bytes = body_bytes;

	reader->natts = natts;
	reader->attributes = palloc(Max(natts, 1) * sizeof(ReaderAttribute));
	for (int i = 0; i < natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);

		reader->attributes[i].length = att->attlen;
		reader->attributes[i].by_value = att->attbyval;
		reader->attributes[i].dropped = att->attisdropped;
		reader->attributes[i].align = att->attalign;
	}
	reader->columns = palloc0(Max(natts, 1) * sizeof(TsdbColumn *));
	if (tupdesc->constr != NULL && tupdesc->constr->missing != NULL)
		copy_missing(reader, tupdesc);
	MemoryContextSwitchTo(caller);
	return reader;
}

uint32
tsdb_chunk_reader_rows(const TsdbChunkReader *reader)
{
	return reader->nrows;
}

MemoryContext
tsdb_chunk_reader_memory(const TsdbChunkReader *reader)
{
	return reader->context;
}

void
tsdb_chunk_reader_use_shelf(TsdbChunkReader *reader, const TsdbColumnShelf *shelf, void *arg)
{
	reader->shelf = shelf;
	reader->shelf_arg = arg;
	reader->sought = MemoryContextAllocZero(reader->context, Max(reader->natts, 1) * sizeof(bool));
}

bool
tsdb_chunk_reader_has_decoded(const TsdbChunkReader *reader)
{
	return reader->parsed;
}

void
tsdb_chunk_reader_close(TsdbChunkReader *reader)
{
	MemoryContextDelete(reader->context);
}

/* ---- decoding ---- */

static const TsdbChunkBody *
get_body(TsdbChunkReader *reader)
{
	MemoryContext caller;

	if (reader->parsed)
		return &reader->body;
	caller = MemoryContextSwitchTo(reader->context);
	tsdb_chunk_load(&reader->source, reader->stored, reader->stored_bytes, &reader->body);
	MemoryContextSwitchTo(caller);
	if (reader->body.head.nrows != reader->nrows)
		tsdb_chunk_damaged(&reader->source, "The body has another number of rows.");
	reader->parsed = true;
	return &reader->body;
}

/* Entries that a decoder may touch. */
static uint32
rounded_rows(uint32 nrows)
{
	return TYPEALIGN(TSDB_VECTOR_BLOCK_ROWS, nrows);
}

/* The encoded bytes of a vector; *fetched must be freed unless it is NULL. */
static const uint8 *
vector_bytes(TsdbChunkReader *reader, const TsdbBodyPlace *place, char **fetched)
{
	const TsdbChunkSource *source = &reader->source;

	*fetched = NULL;
	if (place->inlined != NULL)
		return place->inlined;
	if (source->peek != NULL)
	{
		const char *there = source->peek(source->arg, place->offset, place->bytes);

		if (there != NULL)
			return (const uint8 *) there;
	}
	*fetched = MemoryContextAllocHuge(reader->context, place->bytes);
	source->fetch(source->arg, place->offset, place->bytes, *fetched);
	return (const uint8 *) *fetched;
}

/* Inspect a vector and check that it has so many rows and nulls. */
static void
inspect(TsdbChunkReader *reader, const uint8 *src, uint32 bytes, uint32 nrows,
		uint32 nnulls, TsdbVectorInfo *info)
{
	if (tsdb_codec_inspect(src, bytes, info) != TSDB_CODEC_OK)
		tsdb_chunk_damaged(&reader->source, "A vector's header is damaged.");
	if (info->nrows != nrows || info->nnulls != nnulls)
		tsdb_chunk_damaged(&reader->source,
						   "A vector has other rows or nulls than its chunk states.");
	if (info->raw_bytes > READER_RAW_MAX)
		tsdb_chunk_damaged(&reader->source, "A vector states an impossible size.");
}

/* Scratch memory for decoding such a vector; bytes is set to its size. */
static void *
get_scratch(TsdbChunkReader *reader, const TsdbVectorInfo *info, Size *bytes)
{
	*bytes = tsdb_codec_scratch_bytes(info->type, info->width, info->raw_bytes);
	if (reader->scratch_bytes < *bytes + 16)
	{
		if (reader->scratch != NULL)
			pfree(reader->scratch);
		reader->scratch = NULL;
		reader->scratch_bytes = *bytes + 16;
		reader->scratch = MemoryContextAllocHuge(reader->context, reader->scratch_bytes);
	}
	return (void *) TYPEALIGN(16, reader->scratch);
}

static void
check_status(TsdbChunkReader *reader, TsdbCodecStatus status)
{
	if (status == TSDB_CODEC_FAILED)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("The compression library failed.")));
	if (status != TSDB_CODEC_OK)
		tsdb_chunk_damaged(&reader->source, "A vector cannot be decoded.");
}

/* Decode into out, whose arrays the caller has allocated by info. */
static void
decode(TsdbChunkReader *reader, const uint8 *src, uint32 bytes,
	   const TsdbVectorInfo *info, TsdbVector *out)
{
	Size		scratch_bytes;
	void	   *scratch = get_scratch(reader, info, &scratch_bytes);

	check_status(reader, tsdb_codec_decode(src, bytes, scratch, scratch_bytes, out));
}

/* Turn a null bitmap into an array. */
static void
expand_nulls(const uint8 *bitmap, uint32 nnulls, uint32 nrows, bool *nulls)
{
	if (nnulls == 0)
	{
		memset(nulls, false, nrows * sizeof(bool));
		return;
	}
	for (uint32 i = 0; i < nrows; i++)
		nulls[i] = (bitmap[i >> 3] >> (i & 7)) & 1;
}

/* Values of fixed width, back to back, to aligned ones. */
static void
read_fixed(TsdbChunkReader *reader, const uint8 *src, uint32 bytes,
		   const TsdbVectorInfo *info, const ReaderAttribute *attribute,
		   TsdbVector *vector, TsdbColumn *column)
{
	Size		width = info->width;
	Size		stride = att_align_nominal(width, attribute->align);
	Size		used = width * info->nrows;

	if (info->raw_bytes != used)
		tsdb_chunk_damaged(&reader->source, "A vector states an impossible size.");
	vector->data = MemoryContextAllocHuge(reader->context, stride * info->nrows);
	reader->payload = (char *) vector->data;
	reader->payload_bytes = stride * info->nrows;
	decode(reader, src, bytes, info, vector);

	if (stride != width)
	{
		for (uint32 i = info->nrows; i-- > 1;)
			memmove(vector->data + i * stride, vector->data + i * width, width);
		for (uint32 i = 0; i < info->nrows; i++)
			memset(vector->data + i * stride + width, 0, stride - width);
	}
	for (uint32 i = 0; i < info->nrows; i++)
		column->values[i] = PointerGetDatum(vector->data + i * stride);
}

/* Payloads to complete varlenas, or to strings that end with a zero. */
static void
read_bytes(TsdbChunkReader *reader, const uint8 *src, uint32 bytes,
		   const TsdbVectorInfo *info, const ReaderAttribute *attribute,
		   TsdbVector *vector, TsdbColumn *column)
{
	uint32		nrows = info->nrows;
	bool		is_cstring = attribute->length == -2;
	Size		align = is_cstring ? 1 :
		attribute->align == TYPALIGN_DOUBLE ? ALIGNOF_DOUBLE : ALIGNOF_INT;
	Size		total = 0;
	uint8	   *data = MemoryContextAllocHuge(reader->context, info->raw_bytes + 1);
	uint32	   *offsets = MemoryContextAlloc(reader->context,
											 (rounded_rows(nrows) + 1) * sizeof(uint32));
	char	   *next;

	vector->data = data;
	vector->offsets = offsets;
	decode(reader, src, bytes, info, vector);

	if (offsets[0] != 0 || offsets[nrows] > info->raw_bytes)
		tsdb_chunk_damaged(&reader->source, "A vector's values overlap or leave it.");
	for (uint32 i = 0; i < nrows; i++)
	{
		if (offsets[i + 1] < offsets[i] ||
			offsets[i + 1] - offsets[i] > MaxAllocSize - VARHDRSZ)
			tsdb_chunk_damaged(&reader->source, "A vector's values overlap or leave it.");
		total += TYPEALIGN(align, (Size) (offsets[i + 1] - offsets[i]) + VARHDRSZ);
	}

	next = MemoryContextAllocHuge(reader->context, total);
	reader->payload = next;
	reader->payload_bytes = total;
	for (uint32 i = 0; i < nrows; i++)
	{
		uint32		length = offsets[i + 1] - offsets[i];

		column->values[i] = PointerGetDatum(next);
		if (is_cstring)
		{
			memcpy(next, data + offsets[i], length);
			next[length] = '\0';
			next += length + 1;
		}
		else
		{
			char	   *end = next + TYPEALIGN(align, (Size) length + VARHDRSZ);

			SET_VARSIZE(next, VARHDRSZ + length);
			memcpy(next + VARHDRSZ, data + offsets[i], length);
			next += VARHDRSZ + length;
			while (next < end)
				*next++ = 0;	/* others will see it */
		}
	}
	reader->payload_bytes = next - reader->payload;
	pfree(data);
	pfree(offsets);
}

/* Decode a vector of integers into an array of its own. */
static int64 *
read_integers(TsdbChunkReader *reader, const TsdbBodyPlace *place, uint32 width,
			  uint32 nrows, uint8 *nulls)
{
	char	   *fetched;
	const uint8 *src = vector_bytes(reader, place, &fetched);
	TsdbVectorInfo info;
	TsdbVector	vector = {.nulls = nulls};

	if (tsdb_codec_inspect(src, place->bytes, &info) != TSDB_CODEC_OK ||
		info.type != TSDB_VECTOR_INT || info.width != width || info.nrows != nrows)
		tsdb_chunk_damaged(&reader->source,
						   "A vector of integers is not what its chunk states.");
	vector.ints = MemoryContextAlloc(reader->context,
									 rounded_rows(nrows) * sizeof(int64));
	decode(reader, src, place->bytes, &info, &vector);
	if (fetched != NULL)
		pfree(fetched);
	return vector.ints;
}

/* A numeric column that is stored as integers. */
static void
read_decimal(TsdbChunkReader *reader, const TsdbBodyColumn *stored,
			 const ReaderAttribute *attribute, TsdbColumn *column)
{
	Size		stride = INTALIGN(VARHDRSZ + TSDB_DECIMAL_PAYLOAD_MAX);
	uint32		nrows = reader->nrows;
	uint8		nulls[TSDB_VECTOR_NULL_BYTES];
	int64	   *unscaled;
	int64	   *scales = NULL;
	char	   *next;

	if (attribute->length != -1)
		tsdb_chunk_damaged(&reader->source,
						   "A vector is of another kind than its column.");
	if (stored->own_scales)
		scales = read_integers(reader, &stored->scales, 1, nrows, nulls);
	unscaled = read_integers(reader, &stored->vector, 8, nrows, nulls);
	expand_nulls(nulls, 1, nrows, column->nulls);

	next = MemoryContextAlloc(reader->context, stride * nrows);
	reader->payload = next;
	for (uint32 i = 0; i < nrows; i++)
	{
		uint32		scale = stored->scale;
		uint32		length;

		column->values[i] = PointerGetDatum(next);
		if (column->nulls[i])
		{
			column->values[i] = (Datum) 0;
			continue;
		}
		if (scales != NULL)
		{
			if (!tsdb_decimal_lower(&unscaled[i], stored->scale, scales[i]))
				tsdb_chunk_damaged(&reader->source,
								   "A numeric value has an impossible scale.");
			scale = (uint32) scales[i];
		}
		length = tsdb_decimal_format(unscaled[i], scale, (uint8 *) next + VARHDRSZ);
		if (length == 0)
			tsdb_chunk_damaged(&reader->source, "A numeric value has too many digits.");
		SET_VARSIZE(next, VARHDRSZ + length);
		memset(next + VARHDRSZ + length, 0, INTALIGN(length) - length);
		next += INTALIGN(VARHDRSZ + length);
	}
	reader->payload_bytes = next - reader->payload;
	pfree(unscaled);
	if (scales != NULL)
		pfree(scales);
}

/* Inspect the vector of a stored column that is no decimal. */
static void
inspect_column(TsdbChunkReader *reader, const TsdbBodyColumn *stored,
			   const ReaderAttribute *attribute, const uint8 *src, TsdbVectorInfo *info)
{
	TsdbVectorType type;
	uint32		width;

	inspect(reader, src, stored->vector.bytes, reader->nrows, stored->nnulls, info);
	tsdb_column_kind_vector(stored->kind, stored->width, &type, &width);
	if (info->type != type ||
		((type == TSDB_VECTOR_INT || type == TSDB_VECTOR_FIXED) && info->width != width))
		tsdb_chunk_damaged(&reader->source,
						   "A vector is of another kind than its chunk states.");
	if (!tsdb_column_reads(attribute->by_value, attribute->length, info->type, info->width))
		tsdb_chunk_damaged(&reader->source,
						   "A vector is of another kind than its column.");
}

/* Decode a stored column. */
static void
read_column(TsdbChunkReader *reader, const TsdbBodyColumn *stored,
			const ReaderAttribute *attribute, TsdbColumn *column)
{
	uint32		nrows = reader->nrows;
	uint32		bytes = stored->vector.bytes;
	char	   *fetched;
	const uint8 *src = vector_bytes(reader, &stored->vector, &fetched);
	TsdbVectorInfo info;
	uint8		nulls[TSDB_VECTOR_NULL_BYTES];
	TsdbVector	vector = {.nulls = nulls};

	inspect_column(reader, stored, attribute, src, &info);
	switch (info.type)
	{
		case TSDB_VECTOR_INT:
			StaticAssertStmt(sizeof(Datum) == sizeof(int64), "a Datum is a carrier");
			vector.ints = (int64 *) column->values;
			decode(reader, src, bytes, &info, &vector);
			break;
		case TSDB_VECTOR_FLOAT8:
			vector.float8s = (uint64 *) column->values;
			decode(reader, src, bytes, &info, &vector);
			break;
		case TSDB_VECTOR_FLOAT4:
			{
				uint32		bits[TSDB_VECTOR_ROWS_MAX];

				vector.float4s = bits;
				decode(reader, src, bytes, &info, &vector);
				for (uint32 i = 0; i < nrows; i++)
					column->values[i] = Int32GetDatum((int32) bits[i]);
				break;
			}
		case TSDB_VECTOR_FIXED:
			read_fixed(reader, src, bytes, &info, attribute, &vector, column);
			break;
		case TSDB_VECTOR_BYTES:
			read_bytes(reader, src, bytes, &info, attribute, &vector, column);
			break;
	}
	expand_nulls(nulls, info.nnulls, nrows, column->nulls);
	if (fetched != NULL)
		pfree(fetched);
}

/* The same value for all rows. */
static void
fill_column(TsdbColumn *column, uint32 nrows, Datum value, bool is_null)
{
	for (uint32 i = 0; i < nrows; i++)
		column->values[i] = value;
	memset(column->nulls, is_null, nrows * sizeof(bool));
}

/* A column without vector: constant, or times of which segments tell. */
static void
imply_column(TsdbChunkReader *reader, const TsdbBodyColumn *stored, bool is_time,
			 const ReaderAttribute *attribute, TsdbColumn *column)
{
	const TsdbBodyHead *head = &reader->body.head;
	TsdbVectorType type;
	uint32		width;

	tsdb_column_kind_vector(stored->kind, stored->width, &type, &width);
	if (!tsdb_column_reads(attribute->by_value, attribute->length, type, width))
		tsdb_chunk_damaged(&reader->source,
						   "A vector is of another kind than its column.");
	fill_column(column, reader->nrows, Int64GetDatum(stored->min.number), false);
	if (is_time)
	{
		const TsdbSegments *segments = tsdb_chunk_reader_segments(reader);

		for (uint32 i = 0; i < segments->count; i++)
		{
			uint32		first = segments->rows[i];

			if (!tsdb_times_fill(segments->count == 1 ? head->min_time : segments->min_time[i],
								 segments->count == 1 ? head->max_time : segments->max_time[i],
								 segments->rows[i + 1] - first,
								 (int64 *) column->values + first))
				tsdb_chunk_damaged(&reader->source, "The times of a segment are no steps.");
		}
	}
}

static TsdbColumn *
new_column(TsdbChunkReader *reader)
{
	uint32		nrows = reader->nrows;
	TsdbColumn *column = MemoryContextAlloc(reader->context, sizeof(TsdbColumn));

	column->values = MemoryContextAlloc(reader->context,
										rounded_rows(nrows) * sizeof(Datum));
	column->packed = NULL;
	column->nulls = MemoryContextAlloc(reader->context, nrows * sizeof(bool));
	return column;
}

/* Take a column from the shelf, if it is there; asked once for each. */
static TsdbColumn *
find_on_shelf(TsdbChunkReader *reader, int index)
{
	TsdbColumn	found;
	TsdbColumn *column;

	if (reader->shelf == NULL || reader->sought[index] || reader->attributes[index].dropped)
		return NULL;
	reader->sought[index] = true;
	if (!reader->shelf->find(reader->shelf_arg, index + 1, reader->nrows, &found))
		return NULL;
	column = MemoryContextAlloc(reader->context, sizeof(TsdbColumn));
	*column = found;
	reader->columns[index] = column;
	return column;
}

static const TsdbColumn *
decode_column(TsdbChunkReader *reader, int index)
{
	const TsdbChunkBody *body = get_body(reader);
	const ReaderAttribute *attribute = &reader->attributes[index];
	TsdbColumn *column = new_column(reader);
	bool		decoded = false;

	reader->payload = NULL;
	reader->payload_bytes = 0;
	if (index >= (int) body->head.natts)
	{
		if (reader->missing != NULL)
			fill_column(column, reader->nrows, reader->missing[index].value,
						reader->missing[index].is_null);
		else
			fill_column(column, reader->nrows, (Datum) 0, true);
	}
	else if (attribute->dropped || body->columns[index].kind == TSDB_BODY_NULL)
		fill_column(column, reader->nrows, (Datum) 0, true);
	else
	{
		if (body->columns[index].kind == TSDB_BODY_DECIMAL)
			read_decimal(reader, &body->columns[index], attribute, column);
		else if (body->columns[index].vector.bytes == 0)
			imply_column(reader, &body->columns[index], (uint32) index + 1 == body->head.time,
						 attribute, column);
		else
			read_column(reader, &body->columns[index], attribute, column);
		decoded = true;
	}
	column->any_null = memchr(column->nulls, true, reader->nrows) != NULL;
	if (decoded && reader->shelf != NULL)
		reader->shelf->keep(reader->shelf_arg, index + 1, reader->nrows, column,
							reader->payload, reader->payload_bytes);

	/* only now: an error must not leave half a column */
	reader->columns[index] = column;
	return column;
}

/* The column, if it need not be decoded; it may be packed. */
static TsdbColumn *
find_column(TsdbChunkReader *reader, AttrNumber attno)
{
	int			index = attno - 1;

	if (index < 0 || index >= reader->natts)
		elog(ERROR, "invalid attribute number %d", attno);
	return reader->columns[index] != NULL ? reader->columns[index] : find_on_shelf(reader, index);
}

/* The same with values. */
static const TsdbColumn *
known_column(TsdbChunkReader *reader, AttrNumber attno)
{
	TsdbColumn *column = find_column(reader, attno);

	if (column != NULL && column->values == NULL)
		reader->shelf->unpack(reader->shelf_arg, reader->nrows, column);
	return column;
}

const TsdbColumn *
tsdb_chunk_reader_packed(TsdbChunkReader *reader, AttrNumber attno)
{
	const TsdbColumn *column = find_column(reader, attno);

	return column != NULL && column->values == NULL ? column : NULL;
}

const TsdbColumn *
tsdb_chunk_reader_column(TsdbChunkReader *reader, AttrNumber attno)
{
	const TsdbColumn *known = known_column(reader, attno);

	return known != NULL ? known : decode_column(reader, attno - 1);
}

/* Is a column of numbers that are passed by value, one vector of them? */
static bool
is_plain_number(const TsdbBodyColumn *stored)
{
	switch (stored->kind)
	{
		case TSDB_BODY_INT1:
		case TSDB_BODY_INT2:
		case TSDB_BODY_INT4:
		case TSDB_BODY_INT8:
		case TSDB_BODY_FLOAT4:
		case TSDB_BODY_FLOAT8:
			return true;
		default:
			return false;
	}
}

/*
 * Is a column, which is not known, to be decoded in parts, not as a whole?  Only numbers can
 * be, and others may want the whole.
 */
static bool
decodes_in_parts(TsdbChunkReader *reader, int index)
{
	const TsdbChunkBody *body = get_body(reader);

	return index < (int) body->head.natts && !reader->attributes[index].dropped &&
		is_plain_number(&body->columns[index]) && body->columns[index].vector.bytes > 0 &&
		(reader->shelf == NULL || !reader->shelf->wants(reader->shelf_arg, index + 1, reader->nrows));
}

Datum
tsdb_chunk_reader_value(TsdbChunkReader *reader, AttrNumber attno, uint32 row, bool *is_null)
{
	int			index = attno - 1;
	uint32		first = row - row % TSDB_VECTOR_BLOCK_ROWS;
	uint64		values[TSDB_VECTOR_BLOCK_ROWS];
	uint8		nulls[TSDB_VECTOR_NULL_BYTES];
	TsdbVector	vector = {.nulls = nulls,.float8s = values};
	const TsdbBodyColumn *stored;
	const TsdbColumn *column = known_column(reader, attno);
	const uint8 *src;
	char	   *fetched;
	TsdbVectorInfo info;
	Size		scratch_bytes;
	void	   *scratch;

	if (column == NULL && !decodes_in_parts(reader, index))
		column = decode_column(reader, index);
	if (column != NULL)
	{
		*is_null = column->nulls[row];
		return column->values[row];
	}
	stored = &reader->body.columns[index];
	src = vector_bytes(reader, &stored->vector, &fetched);
	inspect_column(reader, stored, &reader->attributes[index], src, &info);
	scratch = get_scratch(reader, &info, &scratch_bytes);
	check_status(reader, tsdb_codec_decode_range(src, stored->vector.bytes, first,
												 Min(TSDB_VECTOR_BLOCK_ROWS, reader->nrows - first),
												 scratch, scratch_bytes, &vector));
	if (fetched != NULL)
		pfree(fetched);
	row -= first;
	*is_null = stored->nnulls > 0 && ((nulls[row >> 3] >> (row & 7)) & 1) != 0;
	if (*is_null)
		return (Datum) 0;
	return info.type == TSDB_VECTOR_FLOAT4 ? Int32GetDatum((int32) vector.float4s[row]) :
		(Datum) values[row];
}

const TsdbColumn *
tsdb_chunk_reader_column_part(TsdbChunkReader *reader, AttrNumber attno, uint32 from, uint32 to)
{
	int			index = attno - 1;
	uint32		first = from - from % TSDB_VECTOR_BLOCK_ROWS;
	uint8		nulls[TSDB_VECTOR_NULL_BYTES];
	TsdbVector	vector = {.nulls = nulls};
	const TsdbBodyColumn *stored;
	const TsdbColumn *known = known_column(reader, attno);
	TsdbColumn *column;
	const uint8 *src;
	char	   *fetched;
	TsdbVectorInfo info;
	Size		scratch_bytes;
	void	   *scratch;

	if (known != NULL)
		return known;
	if (rounded_rows(to) - first >= rounded_rows(reader->nrows) ||
		!decodes_in_parts(reader, index) ||
		reader->body.columns[index].kind == TSDB_BODY_FLOAT4)
		return decode_column(reader, index);

	stored = &reader->body.columns[index];
	column = new_column(reader);
	src = vector_bytes(reader, &stored->vector, &fetched);
	inspect_column(reader, stored, &reader->attributes[index], src, &info);
	vector.float8s = (uint64 *) column->values + first;
	scratch = get_scratch(reader, &info, &scratch_bytes);
	check_status(reader, tsdb_codec_decode_range(src, stored->vector.bytes, first, to - first,
												 scratch, scratch_bytes, &vector));
	expand_nulls(nulls, stored->nnulls, to - first, column->nulls + first);
	if (fetched != NULL)
		pfree(fetched);
	column->any_null = memchr(column->nulls + first, true, to - first) != NULL;
	return column;
}

/* ---- segments ---- */

const TsdbSegments *
tsdb_chunk_reader_segments(TsdbChunkReader *reader)
{
	const TsdbBodyHead *head;
	TsdbSegments *segments = reader->segments;
	uint8		nulls[TSDB_VECTOR_NULL_BYTES];

	if (segments != NULL)
		return segments;
	head = &get_body(reader)->head;

	segments = MemoryContextAllocZero(reader->context, sizeof(TsdbSegments));
	segments->count = head->nsegments;
	segments->rows = MemoryContextAllocZero(reader->context,
											(head->nsegments + 1) * sizeof(uint32));
	segments->rows[head->nsegments] = head->nrows;
	if (head->nsegments > 1)
	{
		int64	   *rows = read_integers(reader, &head->segment_rows, 2,
										 head->nsegments, nulls);

		for (uint32 i = 0; i < head->nsegments; i++)
		{
			if (i == 0 ? rows[i] != 0 : rows[i] <= rows[i - 1] || rows[i] >= head->nrows)
				tsdb_chunk_damaged(&reader->source, "The chunk's segments overlap.");
			segments->rows[i] = (uint32) rows[i];
		}
		pfree(rows);
	}
	if (head->has_segment_times)
	{
		segments->min_time = read_integers(reader, &head->segment_min, 8,
										   head->nsegments, nulls);
		segments->max_time = read_integers(reader, &head->segment_max, 8,
										   head->nsegments, nulls);
		tsdb_segment_times_restore(head->min_time, head->time_unit, head->nsegments,
								   segments->min_time, segments->max_time);
		segments->no_time = MemoryContextAlloc(reader->context,
											   head->nsegments * sizeof(bool));
		expand_nulls(nulls, 1, head->nsegments, segments->no_time);
	}
	reader->segments = segments;
	return segments;
}
