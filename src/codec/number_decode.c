/*
 * number_decode.c
 *		Reads numeric bodies: hands each codec its payload, and holds the
 *		small codecs that fit no other file.
 */
#include "codec/number.h"

#include "codec/decimal.h"
#include "codec/dispatch.h"
#include "codec/gorilla.h"
#include "codec/integer.h"
#include "codec/number_format.h"
#include "codec/repeats.h"

#define BLOCK	TSDB_VECTOR_BLOCK_ROWS

static TSDB_CODEC_CLONES void
fill(uint64_t *out, uint32_t count, uint64_t value)
{
	for (uint32_t i = 0; i < count; i++)
		out[i] = value;
}

/* A float constant stores the high bytes of its pattern, to the last not zero. */
static TsdbCodecStatus
decode_float_constant(TsdbKind kind, TsdbReader in, uint32_t rows, uint64_t *out)
{
	unsigned	width = tsdb_kind_width(kind);
	size_t		bytes = tsdb_reader_left(&in);
	uint64_t	value;

	if (bytes > width)
		return TSDB_CODEC_CORRUPT;
	value = bytes == 0 ? 0 :
		tsdb_load_bytes(in.at, (unsigned) bytes) << (8 * (width - bytes));
	fill(out, rows, value);
	return TSDB_CODEC_OK;
}

static TsdbCodecStatus
decode_raw(TsdbKind kind, TsdbReader in, uint32_t count, uint32_t first,
		   uint32_t last, uint64_t *out)
{
	unsigned	width = tsdb_kind_width(kind);
	uint32_t	end = last * BLOCK < count ? last * BLOCK : count;
	const uint8_t *start = in.at + (size_t) first * BLOCK * width;

	if (tsdb_reader_left(&in) != (size_t) count * width)
		return TSDB_CODEC_CORRUPT;
	for (uint32_t i = first * BLOCK; i < end; i++, start += width)
		*out++ = width == 8 ? tsdb_load64(start) : tsdb_load_bytes(start, width);
	return TSDB_CODEC_OK;
}

/* Integers of a narrow kind come back sign-extended whatever the bytes say. */
static TSDB_CODEC_CLONES void
narrow(TsdbKind kind, uint64_t *values, uint32_t count)
{
	unsigned	shift = 64 - 8 * tsdb_kind_width(kind);

	if (kind == TSDB_KIND_FLOAT4)
		for (uint32_t i = 0; i < count; i++)
			values[i] = (uint32_t) values[i];
	else
		for (uint32_t i = 0; i < count; i++)
			values[i] = (uint64_t) ((int64_t) (values[i] << shift) >> shift);
}

static TSDB_CODEC_CLONES void
unorder(TsdbKind kind, uint64_t *values, uint32_t count)
{
	if (kind == TSDB_KIND_FLOAT8)
		for (uint32_t i = 0; i < count; i++)
			values[i] = tsdb_number_unorder8(values[i]);
	else
		for (uint32_t i = 0; i < count; i++)
			values[i] = tsdb_number_unorder4(values[i]);
}

TsdbCodecStatus
tsdb_number_decode(TsdbKind kind, TsdbReader in, uint32_t count, uint32_t first,
				   uint32_t last, unsigned depth, TsdbArena arena, uint64_t *out)
{
	TsdbCodecId codec = (TsdbCodecId) tsdb_read_byte(&in);
	uint32_t	rows = (last - first) * BLOCK;
	bool		is_float = tsdb_kind_is_float(kind);
	TsdbCodecStatus status = TSDB_CODEC_CORRUPT;

	if (in.broken || count == 0 || kind > TSDB_KIND_FLOAT8)
		return TSDB_CODEC_CORRUPT;
	switch (codec)
	{
		case TSDB_CODEC_CONSTANT:
			if (is_float)
				return decode_float_constant(kind, in, rows, out);
			/* FALLTHROUGH */
		case TSDB_CODEC_STEP:
		case TSDB_CODEC_FRAME:
		case TSDB_CODEC_DELTA:
		case TSDB_CODEC_DELTA2:
			status = tsdb_integer_decode(codec, in, count, first, last, (int64_t *) out);
			if (status == TSDB_CODEC_OK && is_float)
				unorder(kind, out, rows);
			break;
		case TSDB_CODEC_DECIMAL:
		case TSDB_CODEC_DECIMAL_ULP:
			if (is_float)
				status = tsdb_decimal_decode(kind, codec, in, count, first, last,
											 arena, out);
			break;
		case TSDB_CODEC_GORILLA:
			if (is_float)
				status = tsdb_gorilla_decode(kind, in, count, first, last, out);
			break;
		case TSDB_CODEC_RAW:
			status = decode_raw(kind, in, count, first, last, out);
			break;
		case TSDB_CODEC_RUNS:
			if (depth < TSDB_NUMBER_DEPTH_MAX)
				status = tsdb_runs_decode(kind, in, count, first, last, depth, arena,
										  out);
			break;
		case TSDB_CODEC_DICTIONARY:
			if (depth < TSDB_NUMBER_DEPTH_MAX)
				status = tsdb_dictionary_decode(kind, in, count, first, last, depth,
												arena, out);
			break;
		default:
			break;
	}
	if (status == TSDB_CODEC_OK && kind < TSDB_KIND_INT8)
		narrow(kind, out, rows);
	return status;
}
