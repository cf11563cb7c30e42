/*
 * chunk_writer.c
 *		Gathering the rows of a chunk, and serialising them.
 *
 * Rows are turned into columns as they come: each value goes straight into
 * the array that the codec will read, so that nothing is copied twice and a
 * row that was added needs nothing of the caller's any more.  What depends on
 * a whole column (statistics, segments, the choice of a codec) is done when
 * the chunk is finished, in loops over one array.
 *
 * Memory is the writer's context: arrays grow to the size of a full chunk and
 * are used again for the next one; what a chunk of large values needed beyond
 * that is given back by reset.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "chunk/chunk.h"
#include "chunk/chunk_body.h"
#include "chunk/chunk_decimal.h"
#include "chunk/chunk_implied.h"
#include "chunk/chunk_stats.h"
#include "chunk/chunk_type.h"
#include "codec/codec_format.h"
#include "chunk/series_hash.h"
#include "fmgr.h"
#include "utils/memutils.h"

#define WRITER_FIRST_ROWS	128		/* capacity to begin with */
#define WRITER_KEEP_BYTES	(1024 * 1024)	/* buffers up to this size are kept */

/* A buffer that grows and that may pass a gigabyte. */
typedef struct WriterBuffer
{
	uint8	   *bytes;
	Size		capacity;
} WriterBuffer;

typedef struct WriterColumn
{
	TsdbColumnType type;
	TsdbVector	vector;			/* arrays of writer->capacity entries; nulls
								 * always set; nrows set when finished */
	WriterBuffer data;			/* FIXED, BYTES: behind vector.data */
	uint32		data_bytes;		/* used of it */
	int64	   *unscaled;		/* numeric: TSDB_CHUNK_ROWS integers, scales */
	int64	   *scales;
	uint32		nnulls;
	uint8		nulls[TSDB_VECTOR_NULL_BYTES];
} WriterColumn;

struct TsdbChunkWriter
{
	MemoryContext context;
	TsdbSortKey key;
	bool		time_known;		/* the time column's values are integers */
	int			natts;
	uint32		nrows;
	uint32		capacity;		/* rows that the arrays have room for */
	Size		raw_bytes;		/* of what was added */
	WriterColumn *columns;

	/* serialising */
	TsdbBodyHead head;
	TsdbBodyColumn *body_columns;	/* natts entries */
	uint8	   *inlined;		/* TSDB_BODY_INLINE_MAX for each vector:
								 * three of segments, two of a column */
	uint8	   *next_inlined;
	WriterBuffer body;
	WriterBuffer stream;
	Size		stream_bytes;
	WriterBuffer scratch;
	bool	   *starts;			/* rows that begin a segment */
	int64	   *segments;		/* three arrays of a value per segment */
	TsdbChunkImage image;
};

/* Make room for that many bytes; contents stay, memory is 16-byte aligned at
 * least when it is large. */
static void
reserve(TsdbChunkWriter *writer, WriterBuffer *buffer, Size bytes)
{
	Size		capacity;

	if (bytes <= buffer->capacity)
		return;
	capacity = Max(bytes, Min(buffer->capacity * 2, bytes + TSDB_CHUNK_RAW_MAX));
	capacity = Max(capacity, 1024);
	if (buffer->bytes == NULL)
		buffer->bytes = MemoryContextAllocHuge(writer->context, capacity);
	else
		buffer->bytes = repalloc_huge(buffer->bytes, capacity);
	buffer->capacity = capacity;
}

/* Give back what only an unusually large chunk needs. */
static void
release_if_large(WriterBuffer *buffer)
{
	if (buffer->capacity > WRITER_KEEP_BYTES)
	{
		pfree(buffer->bytes);
		buffer->bytes = NULL;
		buffer->capacity = 0;
	}
}

static void *
array_resize(TsdbChunkWriter *writer, void *array, Size bytes)
{
	return array == NULL ? MemoryContextAlloc(writer->context, bytes) :
		repalloc(array, bytes);
}

static void
set_capacity(TsdbChunkWriter *writer, uint32 rows)
{
	for (int i = 0; i < writer->natts; i++)
	{
		TsdbVector *vector = &writer->columns[i].vector;

		if (writer->columns[i].type.kind == TSDB_BODY_NULL)
			continue;
		switch (vector->type)
		{
			case TSDB_VECTOR_INT:
				vector->ints = array_resize(writer, vector->ints, rows * sizeof(int64));
				break;
			case TSDB_VECTOR_FLOAT4:
				vector->float4s = array_resize(writer, vector->float4s,
											   rows * sizeof(uint32));
				break;
			case TSDB_VECTOR_FLOAT8:
				vector->float8s = array_resize(writer, vector->float8s,
											   rows * sizeof(uint64));
				break;
			case TSDB_VECTOR_FIXED:
				break;
			case TSDB_VECTOR_BYTES:
				vector->offsets = array_resize(writer, vector->offsets,
											   (rows + 1) * sizeof(uint32));
				break;
		}
	}
	writer->capacity = rows;
}

TsdbChunkWriter *
tsdb_chunk_writer_create(TupleDesc tupdesc, const TsdbSortKey *key)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "tsdb chunk writer",
												  ALLOCSET_DEFAULT_SIZES);
	TsdbChunkWriter *writer = MemoryContextAllocZero(context, sizeof(TsdbChunkWriter));

	writer->context = context;
	writer->key = *key;
	writer->natts = tupdesc->natts;
	writer->columns = MemoryContextAllocZero(context, Max(writer->natts, 1) *
											 sizeof(WriterColumn));
	for (int i = 0; i < writer->natts; i++)
	{
		WriterColumn *column = &writer->columns[i];

		tsdb_column_type_init(TupleDescAttr(tupdesc, i), &column->type);
		tsdb_column_kind_vector(column->type.kind, (uint32) column->type.length,
								&column->vector.type, &column->vector.width);
		column->vector.nulls = column->nulls;
	}
	if (key->time > 0)
		writer->time_known =
			tsdb_column_type_is_time(&writer->columns[key->time - 1].type);
	writer->body_columns = MemoryContextAlloc(context, Max(writer->natts, 1) *
											  sizeof(TsdbBodyColumn));
	writer->inlined = MemoryContextAlloc(context,
										 (2 * writer->natts + 3) * TSDB_BODY_INLINE_MAX);
	if (key->nseries > 0)
	{
		writer->starts = MemoryContextAlloc(context, TSDB_CHUNK_ROWS * sizeof(bool));
		writer->segments = MemoryContextAlloc(context,
											  3 * TSDB_CHUNK_ROWS * sizeof(int64));
	}
	set_capacity(writer, WRITER_FIRST_ROWS);
	tsdb_chunk_writer_reset(writer);
	return writer;
}

void
tsdb_chunk_writer_reserve(TsdbChunkWriter *writer, uint32 rows)
{
	if (rows > writer->capacity)
		set_capacity(writer, rows);
}

void
tsdb_chunk_writer_reset(TsdbChunkWriter *writer)
{
	for (int i = 0; i < writer->natts; i++)
	{
		WriterColumn *column = &writer->columns[i];

		if (column->nnulls > 0)
			memset(column->nulls, 0, sizeof(column->nulls));
		column->nnulls = 0;
		column->data_bytes = 0;
		release_if_large(&column->data);
		if (column->vector.offsets != NULL)
			column->vector.offsets[0] = 0;
	}
	release_if_large(&writer->stream);
	release_if_large(&writer->scratch);
	writer->nrows = 0;
	writer->raw_bytes = 0;
	writer->stream_bytes = 0;
}

void
tsdb_chunk_writer_free(TsdbChunkWriter *writer)
{
	MemoryContextDelete(writer->context);
}

uint32
tsdb_chunk_writer_rows(const TsdbChunkWriter *writer)
{
	return writer->nrows;
}

bool
tsdb_chunk_writer_full(const TsdbChunkWriter *writer)
{
	return writer->nrows >= TSDB_CHUNK_ROWS || writer->raw_bytes >= TSDB_CHUNK_RAW_MAX;
}

/* ---- adding rows ---- */

/*
 * The bytes of a BYTES value.  *copy is what must be freed when they were
 * used, or NULL.
 */
static const char *
payload(const TsdbColumnType *type, Datum value, uint32 *length, void **copy)
{
	struct varlena *varlena;

	*copy = NULL;
	if (type->length == -2)
	{
		*length = (uint32) strlen(DatumGetCString(value));
		return DatumGetCString(value);
	}

	/* also flattens expanded objects */
	varlena = PG_DETOAST_DATUM_PACKED(value);
	if ((Pointer) varlena != DatumGetPointer(value))
		*copy = varlena;
	*length = VARSIZE_ANY_EXHDR(varlena);
	return VARDATA_ANY(varlena);
}

/* Append length bytes as the value of the next row. */
static void
append_data(TsdbChunkWriter *writer, WriterColumn *column, const char *bytes,
			uint32 length)
{
	Size		used = (Size) column->data_bytes + length;

	if (used >= column->data.capacity)
		reserve(writer, &column->data, used + 1);	/* also for an empty value */
	memcpy(column->data.bytes + column->data_bytes, bytes, length);
	column->data_bytes = (uint32) used;
	writer->raw_bytes += length;
}

/* The next row's value of a BYTES column. */
static void
append_payload(TsdbChunkWriter *writer, WriterColumn *column, Datum value)
{
	Pointer		pointer = DatumGetPointer(value);

	/* a toast pointer has a short header, too */
	if (column->type.length == -1 && VARATT_IS_SHORT(pointer) &&
		!VARATT_IS_EXTERNAL(pointer))
		append_data(writer, column, VARDATA_SHORT(pointer),
					VARSIZE_SHORT(pointer) - VARHDRSZ_SHORT);
	else
	{
		uint32		length;
		void	   *copy;
		const char *bytes;
		MemoryContext caller = MemoryContextSwitchTo(writer->context);

		bytes = payload(&column->type, value, &length, &copy);
		append_data(writer, column, bytes, length);
		if (copy != NULL)
			pfree(copy);
		MemoryContextSwitchTo(caller);
	}
}

void
tsdb_chunk_writer_add(TsdbChunkWriter *writer, const Datum *values, const bool *nulls)
{
	uint32		row = writer->nrows;

	if (tsdb_chunk_writer_full(writer))
		elog(ERROR, "row added to a full chunk");
	if (row == writer->capacity)
		set_capacity(writer, Min(writer->capacity * 2, TSDB_CHUNK_ROWS));

	for (int i = 0; i < writer->natts; i++)
	{
		WriterColumn *column = &writer->columns[i];
		bool		is_null = nulls[i];
		Datum		value = is_null ? (Datum) 0 : values[i];

		if (is_null)
		{
			column->nulls[row >> 3] |= 1 << (row & 7);
			column->nnulls++;
		}
		switch ((TsdbBodyKind) column->type.kind)
		{
			case TSDB_BODY_INT1:
				column->vector.ints[row] = (int8) DatumGetChar(value);
				break;
			case TSDB_BODY_INT2:
				column->vector.ints[row] = DatumGetInt16(value);
				break;
			case TSDB_BODY_INT4:
				column->vector.ints[row] = DatumGetInt32(value);
				break;
			case TSDB_BODY_INT8:
				column->vector.ints[row] = DatumGetInt64(value);
				break;
			case TSDB_BODY_FLOAT4:
				column->vector.float4s[row] = DatumGetUInt32(value);
				break;
			case TSDB_BODY_FLOAT8:
				column->vector.float8s[row] = DatumGetUInt64(value);
				break;
			case TSDB_BODY_FIXED:
				if (is_null)
				{
					reserve(writer, &column->data,
							(Size) column->data_bytes + column->vector.width);
					memset(column->data.bytes + column->data_bytes, 0,
						   column->vector.width);
					column->data_bytes += column->vector.width;
				}
				else
					append_data(writer, column, DatumGetPointer(value),
								column->vector.width);
				break;
			case TSDB_BODY_BYTES:
				if (!is_null)
					append_payload(writer, column, value);
				column->vector.offsets[row + 1] = column->data_bytes;
				break;
			case TSDB_BODY_NULL:
				/* dropped */
				if (!is_null)
				{
					column->nulls[row >> 3] |= 1 << (row & 7);
					column->nnulls++;
				}
				break;
			case TSDB_BODY_DECIMAL:
			case TSDB_BODY_KINDS:
				pg_unreachable();
		}
	}
	writer->nrows++;
}

/* Room for rows of a table all of whose columns are passed by value; returns where the first of them goes. */
static uint32
add_plain_rows(TsdbChunkWriter *writer, uint32 count)
{
	uint32		first = writer->nrows;

	if (first + count > TSDB_CHUNK_ROWS)
		elog(ERROR, "rows added to a full chunk");
	while (first + count > writer->capacity)
		set_capacity(writer, Min(writer->capacity * 2, TSDB_CHUNK_ROWS));
	writer->nrows += count;
	return first;
}

static void pg_attribute_noreturn()
not_by_value(int column)
{
	elog(ERROR, "column %d is not passed by value", column + 1);
}

/* Each row's value of a column to where the codec reads it. */
#define FILL(member, value) \
	for (uint32 row = 0; row < count; row++) \
		vector->member[first + row] = (value)

void
tsdb_chunk_writer_add_datums(TsdbChunkWriter *writer, const Datum *const *rows, uint32 count)
{
	uint32		first = add_plain_rows(writer, count);

	for (int i = 0; i < writer->natts; i++)
	{
		TsdbVector *vector = &writer->columns[i].vector;

		switch ((TsdbBodyKind) writer->columns[i].type.kind)
		{
			case TSDB_BODY_INT1:
				FILL(ints, (int8) DatumGetChar(rows[row][i]));
				break;
			case TSDB_BODY_INT2:
				FILL(ints, DatumGetInt16(rows[row][i]));
				break;
			case TSDB_BODY_INT4:
				FILL(ints, DatumGetInt32(rows[row][i]));
				break;
			case TSDB_BODY_INT8:
				FILL(ints, DatumGetInt64(rows[row][i]));
				break;
			case TSDB_BODY_FLOAT4:
				FILL(float4s, DatumGetUInt32(rows[row][i]));
				break;
			case TSDB_BODY_FLOAT8:
				FILL(float8s, DatumGetUInt64(rows[row][i]));
				break;
			default:
				not_by_value(i);
		}
	}
}

void
tsdb_chunk_writer_add_arrays(TsdbChunkWriter *writer, const TsdbRowArray *arrays, uint32 from,
							 uint32 count)
{
	uint32		first = add_plain_rows(writer, count);

	for (int i = 0; i < writer->natts; i++)
	{
		TsdbVector *vector = &writer->columns[i].vector;
		Size		step = arrays[i].same ? 0 : 1;
		const char *values = arrays[i].values + from * step * arrays[i].length;

		switch ((TsdbBodyKind) writer->columns[i].type.kind)
		{
			case TSDB_BODY_INT1:
				FILL(ints, ((const int8 *) values)[row * step]);
				break;
			case TSDB_BODY_INT2:
				FILL(ints, ((const int16 *) values)[row * step]);
				break;
			case TSDB_BODY_INT4:
				FILL(ints, ((const int32 *) values)[row * step]);
				break;
			case TSDB_BODY_FLOAT4:
				FILL(float4s, ((const uint32 *) values)[row * step]);
				break;
			case TSDB_BODY_INT8:
			case TSDB_BODY_FLOAT8:
				FILL(float8s, ((const uint64 *) values)[row * step]);
				break;
			default:
				not_by_value(i);
		}
	}
}
#undef FILL

/* True if two rows have the same bits in a key column. */
static bool
same_value(const WriterColumn *column, uint32 a, uint32 b)
{
	const TsdbVector *vector = &column->vector;
	bool		a_null = (column->nulls[a >> 3] & (1 << (a & 7))) != 0;
	bool		b_null = (column->nulls[b >> 3] & (1 << (b & 7))) != 0;

	if (a_null || b_null)
		return a_null && b_null;
	switch (vector->type)
	{
		case TSDB_VECTOR_INT:
			return vector->ints[a] == vector->ints[b];
		case TSDB_VECTOR_FLOAT4:
			return vector->float4s[a] == vector->float4s[b];
		case TSDB_VECTOR_FLOAT8:
			return vector->float8s[a] == vector->float8s[b];
		case TSDB_VECTOR_FIXED:
			return memcmp(column->data.bytes + (Size) a * vector->width,
						  column->data.bytes + (Size) b * vector->width,
						  vector->width) == 0;
		case TSDB_VECTOR_BYTES:
			{
				uint32		length = vector->offsets[a + 1] - vector->offsets[a];

				return length == vector->offsets[b + 1] - vector->offsets[b] &&
					memcmp(column->data.bytes + vector->offsets[a],
						   column->data.bytes + vector->offsets[b], length) == 0;
			}
	}
	pg_unreachable();
}

/* ---- serialising ---- */

/*
 * Encode a vector to the end of the stream, or inline if it is small.
 * data_bytes is the size of data of FIXED and BYTES.
 */
static void
encode(TsdbChunkWriter *writer, const TsdbVector *vector, Size data_bytes,
	   TsdbCodecLevel level, TsdbBodyPlace *place, uint8 *codec)
{
	Size		bound = tsdb_codec_encode_bound(vector, data_bytes);
	Size		scratch_bytes = tsdb_codec_scratch_bytes(vector->type, vector->width,
														 data_bytes);
	uint8	   *dst;
	ptrdiff_t	bytes;
	TsdbVectorInfo info;

	reserve(writer, &writer->scratch, scratch_bytes + 15);
	reserve(writer, &writer->stream, writer->stream_bytes + bound);
	dst = writer->stream.bytes + writer->stream_bytes;
	bytes = tsdb_codec_encode(vector, level,
							  (void *) TYPEALIGN(16, writer->scratch.bytes),
							  scratch_bytes, dst, bound);
	if (bytes <= 0 || tsdb_codec_inspect(dst, bytes, &info) != TSDB_CODEC_OK)
	{
		if (bytes == TSDB_CODEC_FAILED)
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("out of memory"),
					 errdetail("The compression library failed.")));
		elog(ERROR, "could not encode a vector of type %d, width %u, %u rows: %d",
			 (int) vector->type, vector->width, vector->nrows,
			 bytes < 0 ? (int) bytes : 0);
	}

	memset(place, 0, sizeof(*place));
	place->bytes = (uint32) bytes;
	*codec = info.codec & TSDB_BODY_CODEC_MASK;
	if (bytes <= TSDB_BODY_INLINE_MAX)
	{
		memcpy(writer->next_inlined, dst, bytes);
		place->inlined = writer->next_inlined;
		writer->next_inlined += bytes;
		return;
	}
	if (writer->stream_bytes + bytes > PG_UINT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a row is too large for a chunk"),
				 errdetail("Its values take more than 4 GB after compression.")));
	place->offset = (uint32) writer->stream_bytes;
	writer->stream_bytes += bytes;
}

/* Mark in writer->starts the rows that begin a segment; returns how many. */
static uint32
find_segments(TsdbChunkWriter *writer)
{
	uint32		nsegments = 1;

	memset(writer->starts, false, writer->nrows * sizeof(bool));
	for (int i = 0; i < writer->key.nseries; i++)
	{
		const WriterColumn *column = &writer->columns[writer->key.series[i] - 1];

		if (column->type.kind == TSDB_BODY_NULL)
			continue;
		for (uint32 row = 1; row < writer->nrows; row++)
			writer->starts[row] |= !same_value(column, row - 1, row);
	}
	for (uint32 row = 1; row < writer->nrows; row++)
		nsegments += writer->starts[row];
	return nsegments;
}

/*
 * Write the first rows of segments, and their time ranges where segments are
 * long enough to be worth it.  Sets head's part on segments.
 */
static void
encode_segments(TsdbChunkWriter *writer, uint32 nsegments, TsdbCodecLevel level)
{
	TsdbBodyHead *head = &writer->head;
	int64	   *rows = writer->segments;
	int64	   *min = rows + TSDB_CHUNK_ROWS;
	int64	   *max = min + TSDB_CHUNK_ROWS;
	uint8		nulls[TSDB_VECTOR_NULL_BYTES] = {0};
	TsdbVector	vector = {.type = TSDB_VECTOR_INT,.width = 2,.nrows = nsegments};
	const WriterColumn *time;
	uint32		n = 0;
	uint8		codec;

	rows[n++] = 0;
	for (uint32 row = 1; row < writer->nrows; row++)
	{
		if (writer->starts[row])
			rows[n++] = row;
	}
	Assert(n == nsegments);
	vector.ints = rows;
	encode(writer, &vector, 0, level, &head->segment_rows, &codec);

	head->has_segment_times = head->has_time &&
		writer->nrows / nsegments >= TSDB_BODY_SEGMENT_TIMES_ROWS;
	if (!head->has_segment_times)
		return;

	time = &writer->columns[writer->key.time - 1];
	for (uint32 segment = 0; segment < nsegments; segment++)
	{
		uint32		row = (uint32) rows[segment];
		uint32		end = segment + 1 < nsegments ? (uint32) rows[segment + 1] :
			writer->nrows;
		bool		any = false;

		min[segment] = max[segment] = 0;
		for (; row < end; row++)
		{
			int64		value = time->vector.ints[row];

			if (time->nulls[row >> 3] & (1 << (row & 7)))
				continue;
			if (!any || value < min[segment])
				min[segment] = value;
			if (!any || value > max[segment])
				max[segment] = value;
			any = true;
		}
		if (!any)
			nulls[segment >> 3] |= 1 << (segment & 7);
	}
	/* a segment without times is at the chunk's smallest, and null */
	for (uint32 segment = 0; segment < nsegments; segment++)
	{
		if (nulls[segment >> 3] & (1 << (segment & 7)))
			min[segment] = max[segment] = head->min_time;
	}
	head->time_unit = tsdb_segment_times_unit(head->min_time, nsegments, min, max);
	tsdb_segment_times_reduce(head->min_time, head->time_unit, nsegments, min, max);
	vector.width = 8;
	vector.nulls = nulls;
	vector.ints = min;
	encode(writer, &vector, 0, level, &head->segment_min, &codec);
	vector.ints = max;
	encode(writer, &vector, 0, level, &head->segment_max, &codec);
}

/* Complete a column's vector: rows, and buffers that may have moved. */
static void
complete_vector(TsdbChunkWriter *writer, WriterColumn *column)
{
	column->vector.nrows = writer->nrows;
	if (column->vector.type == TSDB_VECTOR_FIXED ||
		column->vector.type == TSDB_VECTOR_BYTES)
	{
		reserve(writer, &column->data, 1);
		column->vector.data = column->data.bytes;
	}
	column->vector.nulls = column->nnulls > 0 ? column->nulls : NULL;
}

/* A column's vector as integers, once describe_decimal() has found them. */
static TsdbVector
decimal_vector(const WriterColumn *column, int64 *ints, uint32 width)
{
	return (TsdbVector) {
		.type = TSDB_VECTOR_INT,.width = width,.nrows = column->vector.nrows,
		.nulls = column->vector.nulls,.ints = ints
	};
}

/* Describe a numeric column as integers; false if it has to be bytes. */
static bool
describe_decimal(TsdbChunkWriter *writer, WriterColumn *column, TsdbBodyColumn *body)
{
	TsdbVector	vector;

	if (column->unscaled == NULL)
	{
		Size		bytes = TSDB_CHUNK_ROWS * sizeof(int64);

		column->unscaled = MemoryContextAlloc(writer->context, bytes);
		column->scales = MemoryContextAlloc(writer->context, bytes);
	}
	if (!tsdb_decimal_convert(&column->vector, column->unscaled, column->scales,
							  &body->scale, &body->own_scales))
		return false;
	body->kind = TSDB_BODY_DECIMAL;
	vector = decimal_vector(column, column->unscaled, 8);
	tsdb_chunk_stats_decimal(&vector, body->own_scales ? column->scales : NULL,
							 column->nnulls, body);
	return true;
}

/* Everything about a column but its vector's place. */
static void
describe_column(TsdbChunkWriter *writer, WriterColumn *column, TsdbBodyColumn *body)
{
	memset(body, 0, sizeof(*body));
	body->nnulls = column->nnulls;
	if (column->nnulls == writer->nrows)
	{
		body->kind = TSDB_BODY_NULL;
		return;
	}
	body->kind = column->type.kind;
	if (body->kind == TSDB_BODY_FIXED)
		body->width = (uint16) column->vector.width;
	complete_vector(writer, column);
	if (column->type.base == NUMERICOID && describe_decimal(writer, column, body))
		return;
	tsdb_chunk_stats_compute(&column->type, &column->vector, column->nnulls, body);
}

/* Are the times of all rows implied by those of their segments? */
static bool
times_are_implied(const TsdbChunkWriter *writer, const WriterColumn *column)
{
	const TsdbBodyHead *head = &writer->head;
	uint32		first = 0;

	if (!head->has_time || (head->nsegments > 1 && !head->has_segment_times))
		return false;
	for (uint32 row = 1; row <= writer->nrows; row++)
	{
		if (row < writer->nrows && (head->nsegments == 1 || !writer->starts[row]))
			continue;
		if (!tsdb_times_are_regular(column->vector.ints + first, row - first))
			return false;
		first = row;
	}
	return true;
}

/* Does a column need no vector?  Then say what would be its codec. */
static bool
is_implied(const TsdbChunkWriter *writer, const WriterColumn *column, TsdbBodyColumn *body)
{
	bool		is_time = writer->head.has_time &&
		body == &writer->body_columns[writer->head.time - 1];

	if (body->kind < TSDB_BODY_INT1 || body->kind > TSDB_BODY_INT8 ||
		body->nnulls > 0 || !body->has_range)
		return false;
	body->codec = is_time ? TSDB_CODEC_STEP : TSDB_CODEC_CONSTANT;
	return is_time ? times_are_implied(writer, column) : body->min.number == body->max.number;
}

static void
encode_column(TsdbChunkWriter *writer, const WriterColumn *column,
			  TsdbCodecLevel level, TsdbBodyColumn *body)
{
	if (body->kind == TSDB_BODY_DECIMAL)
	{
		TsdbVector	vector = decimal_vector(column, column->unscaled, 8);
		uint8		codec;

		encode(writer, &vector, 0, level, &body->vector, &body->codec);
		if (body->own_scales)
		{
			vector = decimal_vector(column, column->scales, 1);
			encode(writer, &vector, 0, level, &body->scales, &codec);
		}
	}
	else if (body->kind != TSDB_BODY_NULL && !is_implied(writer, column, body))
		encode(writer, &column->vector, column->data_bytes, level, &body->vector,
			   &body->codec);
}

/* Put head and columns together; columns that make a body too large go to the
 * end of the stream. */
static void
assemble_body(TsdbChunkWriter *writer)
{
	TsdbBodyHead *head = &writer->head;
	Size		head_bytes;
	Size		column_bytes;
	uint8	   *columns;

	reserve(writer, &writer->body, TSDB_BODY_HEAD_BYTES_MAX +
			(Size) writer->natts * TSDB_BODY_COLUMN_BYTES_MAX);
	head->has_tail = false;
	head_bytes = tsdb_body_write_head(head, writer->body.bytes);
	columns = writer->body.bytes + head_bytes;
	column_bytes = tsdb_body_write_columns(head, writer->body_columns, columns);

	if (head_bytes + column_bytes > TSDB_CHUNK_INLINE_BODY)
	{
		reserve(writer, &writer->stream, writer->stream_bytes + column_bytes);
		memcpy(writer->stream.bytes + writer->stream_bytes, columns, column_bytes);
		if (writer->stream_bytes + column_bytes > PG_UINT32_MAX)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("a row is too large for a chunk"),
					 errdetail("Its values take more than 4 GB after compression.")));
		head->has_tail = true;
		head->tail_offset = (uint32) writer->stream_bytes;
		head->tail_bytes = (uint32) column_bytes;
		writer->stream_bytes += column_bytes;
		head_bytes = tsdb_body_write_head(head, writer->body.bytes);
		column_bytes = 0;
	}

	writer->image.body = (const char *) writer->body.bytes;
	writer->image.body_bytes = (uint32) (head_bytes + column_bytes);
}

const TsdbChunkImage *
tsdb_chunk_writer_finish(TsdbChunkWriter *writer, int64 cold_before)
{
	TsdbBodyHead *head = &writer->head;
	TsdbChunkImage *image = &writer->image;
	TsdbCodecLevel level;

	if (writer->nrows == 0)
		elog(ERROR, "chunk without rows");

	memset(head, 0, sizeof(*head));
	head->nrows = writer->nrows;
	head->natts = (uint32) writer->natts;
	head->time = (uint32) writer->key.time;
	head->nseries = (uint32) writer->key.nseries;
	for (int i = 0; i < writer->key.nseries; i++)
		head->series[i] = (uint32) writer->key.series[i];
	head->hash_version = writer->key.nseries > 0 ? TSDB_SERIES_HASH_VERSION : 0;
	head->nsegments = 1;

	for (int i = 0; i < writer->natts; i++)
		describe_column(writer, &writer->columns[i], &writer->body_columns[i]);
	if (writer->time_known)
	{
		const TsdbBodyColumn *time = &writer->body_columns[writer->key.time - 1];

		head->has_time = time->has_range;
		head->min_time = time->min.number;
		head->max_time = time->max.number;
	}
	image->cold = tsdb_chunk_is_due(head->has_time, head->max_time, cold_before);
	level = image->cold ? TSDB_LEVEL_COLD : TSDB_LEVEL_FAST;

	/* the order in which places are mentioned is the order of the stream */
	writer->stream_bytes = 0;
	writer->next_inlined = writer->inlined;
	if (writer->key.nseries > 0)
	{
		head->nsegments = find_segments(writer);
		if (head->nsegments > 1)
			encode_segments(writer, head->nsegments, level);
	}
	for (int i = 0; i < writer->natts; i++)
		encode_column(writer, &writer->columns[i], level, &writer->body_columns[i]);
	assemble_body(writer);

	image->nrows = writer->nrows;
	image->has_time = head->has_time;
	image->min_time = head->min_time;
	image->max_time = head->max_time;
	image->stream = (const char *) writer->stream.bytes;
	image->stream_bytes = (uint32) writer->stream_bytes;
	return image;
}
