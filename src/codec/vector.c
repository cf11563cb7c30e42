/*
 * vector.c
 *		The entry points of the codec: header, nulls, and the way to a body.
 *
 * Null rows are taken out before anything else sees the values, so that every
 * codec works on a dense sequence and nulls cost only their own bytes; the
 * decoder spreads the values over the rows again.  The byte layout is in
 * codec_format.h.
 */
#include "codec/codec.h"

#include <zstd.h>

#include "codec/bytes.h"
#include "codec/codec_format.h"
#include "codec/nulls.h"
#include "codec/number.h"
#include "codec/vector.h"
#include "codec/wire.h"

#define BLOCK				TSDB_VECTOR_BLOCK_ROWS
#define HEADER_BYTES_MAX	(1 + 2 + 5 + 10 + 1 + 2 * TSDB_VECTOR_NULL_BYTES)
#define COLD_LEVEL			12	/* zstd's, over numeric bodies */

int
tsdb_vector_kind(const TsdbVector *vector)
{
	switch (vector->type)
	{
		case TSDB_VECTOR_INT:
			return vector->width == 1 ? TSDB_KIND_INT1 :
				vector->width == 2 ? TSDB_KIND_INT2 :
				vector->width == 4 ? TSDB_KIND_INT4 :
				vector->width == 8 ? TSDB_KIND_INT8 : -1;
		case TSDB_VECTOR_FLOAT4:
			return TSDB_KIND_FLOAT4;
		case TSDB_VECTOR_FLOAT8:
			return TSDB_KIND_FLOAT8;
		case TSDB_VECTOR_FIXED:
			return vector->width > 0 ? TSDB_KIND_FIXED : -1;
		case TSDB_VECTOR_BYTES:
			return TSDB_KIND_BYTES;
	}
	return -1;
}

TsdbVectorType
tsdb_vector_type(TsdbKind kind)
{
	return kind <= TSDB_KIND_INT8 ? TSDB_VECTOR_INT :
		kind == TSDB_KIND_FLOAT4 ? TSDB_VECTOR_FLOAT4 :
		kind == TSDB_KIND_FLOAT8 ? TSDB_VECTOR_FLOAT8 :
		kind == TSDB_KIND_FIXED ? TSDB_VECTOR_FIXED : TSDB_VECTOR_BYTES;
}

size_t
tsdb_codec_encode_bound(const TsdbVector *vector, size_t data_bytes)
{
	size_t		bound = HEADER_BYTES_MAX + TSDB_NUMBER_BYTES_MAX;

	if (vector->type == TSDB_VECTOR_FIXED || vector->type == TSDB_VECTOR_BYTES)
		bound += data_bytes + 2 * TSDB_NUMBER_BYTES_MAX;
	return bound;
}

size_t
tsdb_codec_scratch_bytes(TsdbVectorType type, uint32_t width, size_t data_bytes)
{
	size_t		bytes = TSDB_NUMBER_SCRATCH + 4 * TSDB_NUMBER_BYTES_MAX +
		TSDB_VECTOR_ROWS_MAX * sizeof(uint64_t);

	(void) width;
	if (type == TSDB_VECTOR_FIXED || type == TSDB_VECTOR_BYTES)
		bytes += tsdb_bytes_scratch(data_bytes) +
			2 * TSDB_VECTOR_ROWS_MAX * sizeof(uint32_t);
	return bytes;
}

uint32_t
tsdb_vector_gather(const TsdbVector *vector, TsdbKind kind, uint64_t *dense)
{
	unsigned	shift = kind < TSDB_KIND_INT8 ? 64 - 8 * tsdb_kind_width(kind) : 0;
	uint32_t	count = 0;

	for (uint32_t row = 0; row < vector->nrows; row++)
	{
		if (vector->nulls != NULL && tsdb_is_null(vector->nulls, row))
			continue;
		if (kind == TSDB_KIND_FLOAT4)
			dense[count++] = vector->float4s[row];
		else if (kind == TSDB_KIND_FLOAT8)
			dense[count++] = vector->float8s[row];
		else
			dense[count++] = (uint64_t) ((int64_t) (vector->float8s[row] << shift) >> shift);
	}
	return count;
}

void
tsdb_vector_spread(const uint64_t *dense, TsdbKind kind, TsdbVector *out)
{
	for (uint32_t row = 0; row < out->nrows; row++)
	{
		uint64_t	value = tsdb_is_null(out->nulls, row) ? 0 : *dense++;

		if (kind == TSDB_KIND_FLOAT4)
			out->float4s[row] = (uint32_t) value;
		else
			out->float8s[row] = value;
	}
}

/* Where the values that are not null lie; false if offsets do not ascend. */
static bool
gather_bytes(const TsdbVector *vector, TsdbKind kind, uint32_t *starts,
			 uint32_t *lengths, TsdbByteValues *values)
{
	*values = (TsdbByteValues) {vector->data, starts, lengths, 0, 0};
	for (uint32_t row = 0; row < vector->nrows; row++)
	{
		uint32_t	start = kind == TSDB_KIND_FIXED ? row * vector->width :
			vector->offsets[row];
		uint32_t	length = kind == TSDB_KIND_FIXED ? vector->width :
			vector->offsets[row + 1] - start;

		if (kind == TSDB_KIND_BYTES && vector->offsets[row + 1] < start)
			return false;
		if (vector->nulls != NULL && tsdb_is_null(vector->nulls, row))
			continue;
		starts[values->count] = start;
		lengths[values->count++] = length;
		values->bytes += length;
	}
	return true;
}

/* A numeric body, behind zstd if that is smaller and the level allows it. */
static TsdbCodecStatus
encode_numbers(TsdbKind kind, const uint64_t *dense, uint32_t count,
			   TsdbCodecLevel level, TsdbArena arena, TsdbWriter *out)
{
	uint8_t    *body;
	uint8_t    *frame;
	TsdbWriter	inner;
	size_t		bytes;
	size_t		squeezed;
	TsdbCodecStatus status;

	if (level != TSDB_LEVEL_COLD)
		return tsdb_number_encode(kind, dense, count, level, 0, arena, out);

	body = tsdb_arena_take(&arena, TSDB_NUMBER_BYTES_MAX);
	frame = tsdb_arena_take(&arena, TSDB_NUMBER_BYTES_MAX);
	if (body == NULL || frame == NULL)
		return TSDB_CODEC_INVALID;
	inner = tsdb_writer(body, TSDB_NUMBER_BYTES_MAX);
	status = tsdb_number_encode(kind, dense, count, level, 0, arena, &inner);
	if (status != TSDB_CODEC_OK)
		return status;
	bytes = (size_t) (inner.at - body);
	squeezed = ZSTD_compress(frame, TSDB_NUMBER_BYTES_MAX, body + 1, bytes - 1,
							 COLD_LEVEL);
	if (!ZSTD_isError(squeezed) && squeezed < bytes - 1)
	{
		tsdb_write_byte(out, body[0] | TSDB_FORMAT_SQUEEZED);
		tsdb_write_bytes(out, frame, squeezed);
	}
	else
		tsdb_write_bytes(out, body, bytes);
	return TSDB_CODEC_OK;
}

ptrdiff_t
tsdb_codec_encode(const TsdbVector *vector, TsdbCodecLevel level, void *scratch,
				  size_t scratch_bytes, uint8_t *dst, size_t dst_bytes)
{
	int			kind = tsdb_vector_kind(vector);
	TsdbWriter	out = tsdb_writer(dst, dst_bytes);
	TsdbArena	arena = {scratch, (uint8_t *) scratch + scratch_bytes};
	uint32_t	nnulls;
	uint8_t		first;
	TsdbByteValues values;
	const uint64_t *dense = NULL;
	uint32_t	count;
	TsdbCodecStatus status = TSDB_CODEC_OK;

	if (kind < 0 || vector->nrows > TSDB_VECTOR_ROWS_MAX ||
		((uintptr_t) scratch & 15) != 0 ||
		(kind == TSDB_KIND_FIXED &&
		 (uint64_t) vector->width * vector->nrows > UINT32_MAX))
		return TSDB_CODEC_INVALID;

	if (kind >= TSDB_KIND_FIXED)
	{
		uint32_t   *starts = tsdb_arena_rows(&arena, sizeof(uint32_t));
		uint32_t   *lengths = tsdb_arena_rows(&arena, sizeof(uint32_t));

		if (lengths == NULL ||
			!gather_bytes(vector, (TsdbKind) kind, starts, lengths, &values))
			return TSDB_CODEC_INVALID;
		count = values.count;
	}
	else if (vector->nulls == NULL && (kind == TSDB_KIND_INT8 || kind == TSDB_KIND_FLOAT8))
	{
		dense = vector->float8s;
		count = vector->nrows;
	}
	else
	{
		uint64_t   *gathered = tsdb_arena_rows(&arena, sizeof(uint64_t));

		if (gathered == NULL)
			return TSDB_CODEC_INVALID;
		count = tsdb_vector_gather(vector, (TsdbKind) kind, gathered);
		dense = gathered;
	}
	nnulls = vector->nrows - count;

	first = TSDB_FORMAT_VERSION << TSDB_FORMAT_VERSION_SHIFT | (uint8_t) kind;
	if (vector->nrows == TSDB_VECTOR_ROWS_MAX)
		first |= TSDB_FORMAT_FULL;
	if (nnulls > 0)
		first |= TSDB_FORMAT_NULLS;
	tsdb_write_byte(&out, first);
	if (vector->nrows != TSDB_VECTOR_ROWS_MAX)
		tsdb_write_varint(&out, vector->nrows);
	if (kind == TSDB_KIND_FIXED)
		tsdb_write_varint(&out, vector->width);
	if (kind == TSDB_KIND_BYTES)
		tsdb_write_varint(&out, values.bytes);
	if (nnulls > 0)
		tsdb_nulls_write(vector->nulls, vector->nrows, &out);

	if (count > 0 && kind >= TSDB_KIND_FIXED)
		status = tsdb_bytes_encode(&values, kind == TSDB_KIND_FIXED, level, arena, &out);
	else if (count > 0)
		status = encode_numbers((TsdbKind) kind, dense, count, level, arena, &out);
	if (status != TSDB_CODEC_OK)
		return status;
	return out.full ? TSDB_CODEC_NO_SPACE : out.at - dst;
}

TsdbCodecStatus
tsdb_vector_read_header(const uint8_t *src, size_t src_bytes, TsdbVectorHeader *header)
{
	TsdbReader	in = tsdb_reader(src, src_bytes);
	uint8_t		first = tsdb_read_byte(&in);
	uint64_t	nrows = TSDB_VECTOR_ROWS_MAX;
	uint64_t	width = 0;
	uint64_t	raw_bytes = 0;

	if (in.broken || first >> TSDB_FORMAT_VERSION_SHIFT != TSDB_FORMAT_VERSION)
		return TSDB_CODEC_CORRUPT;
	header->kind = (TsdbKind) (first & TSDB_FORMAT_KIND_MASK);
	if ((first & TSDB_FORMAT_FULL) == 0)
		nrows = tsdb_read_varint(&in);
	if (nrows > TSDB_VECTOR_ROWS_MAX)
		return TSDB_CODEC_CORRUPT;
	if (header->kind == TSDB_KIND_FIXED)
	{
		width = tsdb_read_varint(&in);
		if (width == 0 || width > UINT32_MAX || width * nrows > UINT32_MAX)
			return TSDB_CODEC_CORRUPT;
		raw_bytes = width * nrows;
	}
	else if (header->kind == TSDB_KIND_BYTES)
	{
		raw_bytes = tsdb_read_varint(&in);
		if (raw_bytes > UINT32_MAX)
			return TSDB_CODEC_CORRUPT;
	}
	header->nrows = (uint32_t) nrows;
	header->width = (uint32_t) width;
	header->raw_bytes = (size_t) raw_bytes;
	header->nnulls = 0;
	if (first & TSDB_FORMAT_NULLS)
	{
		memset(header->nulls, 0, sizeof(header->nulls));
		tsdb_nulls_read(&in, header->nrows, header->nulls);
		header->nnulls = tsdb_nulls_count(header->nulls, header->nrows);
	}
	header->body = in;

	/* There is a body exactly if there is a value. */
	if (in.broken || (tsdb_reader_left(&in) == 0) != (header->nnulls == header->nrows))
		return TSDB_CODEC_CORRUPT;
	if (header->nnulls == header->nrows && header->kind == TSDB_KIND_BYTES &&
		header->raw_bytes != 0)
		return TSDB_CODEC_CORRUPT;
	return TSDB_CODEC_OK;
}

TsdbCodecStatus
tsdb_codec_inspect(const uint8_t *src, size_t src_bytes, TsdbVectorInfo *info)
{
	TsdbVectorHeader header;
	TsdbCodecStatus status = tsdb_vector_read_header(src, src_bytes, &header);

	if (status != TSDB_CODEC_OK)
		return status;
	info->type = tsdb_vector_type(header.kind);
	info->width = header.kind == TSDB_KIND_FIXED ? header.width :
		header.kind == TSDB_KIND_BYTES ? 0 : tsdb_kind_width(header.kind);
	info->nrows = header.nrows;
	info->nnulls = header.nnulls;
	info->codec = TSDB_CODEC_NULL;
	if (tsdb_reader_left(&header.body) > 0)
		info->codec = header.body.at[0] & (uint8_t) ~TSDB_FORMAT_SQUEEZED;
	info->raw_bytes = header.raw_bytes;
	return TSDB_CODEC_OK;
}

TsdbCodecStatus
tsdb_vector_unsqueeze(TsdbReader *body, TsdbArena *arena)
{
	uint8_t    *plain;
	size_t		bytes;

	if (tsdb_reader_left(body) == 0 || (body->at[0] & TSDB_FORMAT_SQUEEZED) == 0)
		return TSDB_CODEC_OK;
	plain = tsdb_arena_take(arena, TSDB_NUMBER_BYTES_MAX);
	if (plain == NULL)
		return TSDB_CODEC_INVALID;
	plain[0] = body->at[0] & (uint8_t) ~TSDB_FORMAT_SQUEEZED;
	bytes = ZSTD_decompress(plain + 1, TSDB_NUMBER_BYTES_MAX - 1, body->at + 1,
							tsdb_reader_left(body) - 1);
	if (ZSTD_isError(bytes))
		return TSDB_CODEC_CORRUPT;
	*body = tsdb_reader(plain, bytes + 1);
	return TSDB_CODEC_OK;
}

TsdbCodecStatus
tsdb_vector_open(const uint8_t *src, size_t src_bytes, uint32_t first, uint32_t count,
				 TsdbArena *arena, TsdbVectorHeader *header, uint32_t *from, uint32_t *to)
{
	TsdbCodecStatus status = tsdb_vector_read_header(src, src_bytes, header);

	if (status != TSDB_CODEC_OK)
		return status;
	if (header->kind > TSDB_KIND_FLOAT8 || ((uintptr_t) arena->at & 15) != 0 ||
		first % BLOCK != 0 || first > header->nrows || count > header->nrows - first)
		return TSDB_CODEC_INVALID;
	*from = first;
	*to = first + count;
	if (header->nnulls > 0)
	{
		*from -= tsdb_nulls_count(header->nulls, first);
		*to -= tsdb_nulls_count(header->nulls, first + count);
	}
	return *from == *to ? TSDB_CODEC_OK : tsdb_vector_unsqueeze(&header->body, arena);
}

/* Values [from, to) of the body go to the rows of out that are not null. */
static TsdbCodecStatus
decode_numbers(const TsdbVectorHeader *header, uint32_t from, uint32_t to, TsdbArena arena,
			   TsdbVector *out)
{
	TsdbReader	body = header->body;
	uint32_t	count = header->nrows - header->nnulls;
	uint32_t	first = from / BLOCK;
	uint32_t	last = (to + BLOCK - 1) / BLOCK;
	uint64_t   *target;
	TsdbCodecStatus status = tsdb_vector_unsqueeze(&body, &arena);

	if (status != TSDB_CODEC_OK)
		return status;
	if (header->nnulls == 0 && header->kind != TSDB_KIND_FLOAT4)
		return tsdb_number_decode(header->kind, body, count, first, last, 0, arena,
								  out->float8s);

	target = tsdb_arena_rows(&arena, sizeof(uint64_t));
	if (target == NULL)
		return TSDB_CODEC_INVALID;
	if (to > from)
	{
		status = tsdb_number_decode(header->kind, body, count, first, last, 0, arena,
									target);
		if (status != TSDB_CODEC_OK)
			return status;
	}
	tsdb_vector_spread(target + (from - first * BLOCK), header->kind, out);
	return TSDB_CODEC_OK;
}

static TsdbCodecStatus
decode_bytes(const TsdbVectorHeader *header, uint32_t from, uint32_t to, TsdbArena arena,
			 TsdbVector *out)
{
	uint32_t   *lengths = tsdb_arena_rows(&arena, sizeof(uint32_t));
	uint32_t	count = header->nrows - header->nnulls;
	size_t		raw_bytes = header->kind == TSDB_KIND_FIXED ?
		(size_t) header->width * count : header->raw_bytes;
	TsdbCodecStatus status = TSDB_CODEC_OK;

	if (lengths == NULL)
		return TSDB_CODEC_INVALID;
	if (to > from)
		status = tsdb_bytes_decode(header->body, header->width, count, raw_bytes, from,
								   to - from, arena, lengths, out->data);
	if (status != TSDB_CODEC_OK)
		return status;

	if (header->kind == TSDB_KIND_BYTES)
	{
		uint32_t	next = 0;
		uint32_t	end = 0;

		for (uint32_t row = 0; row < out->nrows; row++)
		{
			out->offsets[row] = end;
			if (!tsdb_is_null(out->nulls, row))
				end += lengths[next++];
		}
		out->offsets[out->nrows] = end;
	}
	else if (header->nnulls > 0)
	{
		uint32_t	dense = to - from;

		/* From the last row on, so that nothing is overwritten before it moves. */
		for (uint32_t row = out->nrows; row-- > 0;)
		{
			uint8_t    *place = out->data + (size_t) row * header->width;

			if (tsdb_is_null(out->nulls, row))
				memset(place, 0, header->width);
			else
				memmove(place, out->data + (size_t) --dense * header->width,
						header->width);
		}
	}
	return TSDB_CODEC_OK;
}

/* Rows [first, first + count) of a vector whose header has been read. */
static TsdbCodecStatus
decode_rows(const TsdbVectorHeader *header, uint32_t first, uint32_t count, void *scratch,
			size_t scratch_bytes, TsdbVector *out)
{
	TsdbArena	arena = {scratch, (uint8_t *) scratch + scratch_bytes};
	uint32_t	from = first;
	uint32_t	to = first + count;

	if (((uintptr_t) scratch & 15) != 0)
		return TSDB_CODEC_INVALID;
	if (header->nnulls > 0)
	{
		from -= tsdb_nulls_count(header->nulls, first);
		to -= tsdb_nulls_count(header->nulls, first + count);
	}
	out->type = tsdb_vector_type(header->kind);
	out->width = header->kind == TSDB_KIND_FIXED ? header->width :
		header->kind == TSDB_KIND_BYTES ? 0 : tsdb_kind_width(header->kind);
	out->nrows = count;

	/* first is a multiple of 8, so the bitmap shifts by whole bytes. */
	memset(out->nulls, 0, TSDB_VECTOR_NULL_BYTES);
	if (header->nnulls > 0)
	{
		memcpy(out->nulls, header->nulls + first / 8, (count + 7) / 8);
		if (count % 8 != 0)
			out->nulls[count / 8] &= (uint8_t) ((1 << count % 8) - 1);
	}
	if (count == 0)
	{
		if (header->kind == TSDB_KIND_BYTES)
			out->offsets[0] = 0;
		return TSDB_CODEC_OK;
	}
	if (header->kind >= TSDB_KIND_FIXED)
		return decode_bytes(header, from, to, arena, out);
	if (from == to)
	{
		size_t		width = header->kind == TSDB_KIND_FLOAT4 ? 4 : 8;

		memset(out->data, 0, count * width);
		return TSDB_CODEC_OK;
	}
	return decode_numbers(header, from, to, arena, out);
}

TsdbCodecStatus
tsdb_codec_decode(const uint8_t *src, size_t src_bytes, void *scratch,
				  size_t scratch_bytes, TsdbVector *out)
{
	TsdbVectorHeader header;
	TsdbCodecStatus status = tsdb_vector_read_header(src, src_bytes, &header);

	if (status != TSDB_CODEC_OK)
		return status;
	return decode_rows(&header, 0, header.nrows, scratch, scratch_bytes, out);
}

TsdbCodecStatus
tsdb_codec_decode_range(const uint8_t *src, size_t src_bytes, uint32_t first,
						uint32_t count, void *scratch, size_t scratch_bytes,
						TsdbVector *out)
{
	TsdbVectorHeader header;
	TsdbCodecStatus status = tsdb_vector_read_header(src, src_bytes, &header);

	if (status != TSDB_CODEC_OK)
		return status;
	if (first % BLOCK != 0 || first > header.nrows || count > header.nrows - first)
		return TSDB_CODEC_INVALID;
	return decode_rows(&header, first, count, scratch, scratch_bytes, out);
}

const char *
tsdb_codec_name(uint8_t codec)
{
	static const char *const names[] = {
		[TSDB_CODEC_NULL] = "null",
		[TSDB_CODEC_CONSTANT] = "constant",
		[TSDB_CODEC_STEP] = "step",
		[TSDB_CODEC_FRAME] = "frame",
		[TSDB_CODEC_DELTA] = "delta",
		[TSDB_CODEC_DELTA2] = "delta2",
		[TSDB_CODEC_RUNS] = "runs",
		[TSDB_CODEC_DICTIONARY] = "dictionary",
		[TSDB_CODEC_DECIMAL] = "decimal",
		[TSDB_CODEC_DECIMAL_ULP] = "decimal+ulp",
		[TSDB_CODEC_GORILLA] = "gorilla",
		[TSDB_CODEC_RAW] = "raw",
		[TSDB_CODEC_ZSTD] = "zstd",
		[TSDB_CODEC_FRONT] = "front"
	};

	return codec < sizeof(names) / sizeof(names[0]) ? names[codec] : NULL;
}
