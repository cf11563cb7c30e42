/*
 * decimal_decode.c
 *		Reads decimal bodies.
 *
 * One correctly rounded division per value gives back the float that the
 * encoder checked; a multiplication by the inverse would not.
 */
#include "codec/decimal.h"

#include "codec/decimal_format.h"
#include "codec/dispatch.h"
#include "codec/integer.h"

#define BLOCK	TSDB_VECTOR_BLOCK_ROWS

/* The integers of a decimal body as doubles; exact below 2^51. */
static inline double
double_of_narrow(uint64_t integer)
{
	return tsdb_double_of(integer + TSDB_DECIMAL_MAGIC_BITS) - TSDB_DECIMAL_MAGIC;
}

/* 64-bit patterns of d / divisor. */
static TSDB_CODEC_HOT void
divide_double(uint64_t *values, uint32_t count, double divisor)
{
	for (uint32_t i = 0; i < count; i++)
		values[i] = tsdb_bits_of(double_of_narrow(values[i]) / divisor);
}

/*
 * The same by multiplication, in less than half the time.  The first fused
 * step brings the quotient to within one unit in the last place; from there
 * the second rounds as the division does (Markstein, 1990, theorem for a
 * correctly rounded reciprocal).  Nothing here comes near under- or overflow.
 */
static TSDB_CODEC_CLONES void
divide_double_fused(uint64_t *values, uint32_t count, double divisor)
{
	double		inverse = 1 / divisor;

	for (uint32_t i = 0; i < count; i++)
	{
		double		whole = double_of_narrow(values[i]);
		double		quotient = whole * inverse;

		quotient = __builtin_fma(__builtin_fma(-quotient, divisor, whole), inverse,
								 quotient);
		quotient = __builtin_fma(__builtin_fma(-quotient, divisor, whole), inverse,
								 quotient);
		values[i] = tsdb_bits_of(quotient);
	}
}

/* The same without division for integers. */
static TSDB_CODEC_CLONES void
convert_double(uint64_t *values, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		values[i] = tsdb_bits_of(double_of_narrow(values[i]));
}

static TSDB_CODEC_CLONES void
divide_wide(uint64_t *values, uint32_t count, double divisor)
{
	for (uint32_t i = 0; i < count; i++)
		values[i] = tsdb_bits_of((double) (int64_t) values[i] / divisor);
}

/* 32-bit patterns of d / divisor rounded to float32. */
static TSDB_CODEC_CLONES void
divide_single(uint64_t *values, uint32_t count, double divisor)
{
	for (uint32_t i = 0; i < count; i++)
		values[i] = tsdb_float_bits_of((float) (double_of_narrow(values[i]) / divisor));
}

static TSDB_CODEC_CLONES void
add_corrections(uint64_t *values, const int64_t *corrections, uint32_t count, bool single)
{
	if (single)
		for (uint32_t i = 0; i < count; i++)
			values[i] = (uint32_t) (values[i] + (uint64_t) corrections[i]);
	else
		for (uint32_t i = 0; i < count; i++)
			values[i] += (uint64_t) corrections[i];
}

static TSDB_CODEC_CLONES void
widen(uint64_t *values, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		values[i] = tsdb_bits_of((double) tsdb_float_of((uint32_t) values[i]));
}

/* An integer body: codec id, then payload. */
static TsdbCodecStatus
decode_integers(TsdbReader in, uint32_t count, uint32_t first, uint32_t last,
				int64_t *out)
{
	TsdbCodecId codec = (TsdbCodecId) tsdb_read_byte(&in);

	return in.broken ? TSDB_CODEC_CORRUPT :
		tsdb_integer_decode(codec, in, count, first, last, out);
}

TsdbCodecStatus
tsdb_decimal_open(TsdbKind kind, TsdbReader *in, uint32_t count, TsdbDecimalHeader *header)
{
	unsigned	width = tsdb_kind_width(kind);
	uint8_t		flags = tsdb_read_byte(in);
	uint8_t		code = tsdb_read_byte(in);
	uint64_t	exceptions;

	header->single = (flags & TSDB_DECIMAL_SINGLE) != 0;
	header->wide = (flags & TSDB_DECIMAL_WIDE) != 0;
	header->divisor = tsdb_decimal_divisor(code);
	header->exceptions = 0;
	if ((flags & ~TSDB_DECIMAL_FLAGS_MASK) != 0 ||
		(kind == TSDB_KIND_FLOAT4 && !header->single))
		return TSDB_CODEC_CORRUPT;
	if (code == TSDB_DECIMAL_INTEGER)
	{
		uint64_t	stored = tsdb_read_varint(in);

		if (stored > TSDB_DECIMAL_DIVISOR_MAX)
			return TSDB_CODEC_CORRUPT;
		header->divisor = (double) stored;
	}
	if (in->broken || header->divisor < 1)
		return TSDB_CODEC_CORRUPT;
	if ((flags & TSDB_DECIMAL_EXCEPTIONS) == 0)
		return TSDB_CODEC_OK;

	exceptions = tsdb_read_varint(in);
	if (exceptions > count)
		return TSDB_CODEC_CORRUPT;
	header->exceptions = (uint32_t) exceptions;
	header->gaps = *in;
	for (uint64_t i = 0; i < exceptions; i++)
		(void) tsdb_read_varint(in);
	header->patterns = *in;
	return tsdb_read_bytes(in, (size_t) exceptions * width) == NULL ? TSDB_CODEC_CORRUPT :
		TSDB_CODEC_OK;
}

TsdbCodecStatus
tsdb_decimal_next_exception(TsdbDecimalHeader *header, unsigned width, uint32_t count,
							uint32_t *next, uint64_t *pattern)
{
	uint64_t	gap = tsdb_read_varint(&header->gaps);
	const uint8_t *stored = tsdb_read_bytes(&header->patterns, width);

	if (gap >= count || *next + gap >= count)
		return TSDB_CODEC_CORRUPT;
	*next += (uint32_t) gap + 1;
	*pattern = tsdb_load_bytes(stored, width);
	return TSDB_CODEC_OK;
}

/* Put the exceptions of the wanted rows in their places. */
static TsdbCodecStatus
place_exceptions(TsdbDecimalHeader *header, unsigned width, uint32_t count, uint32_t first,
				 uint32_t last, uint64_t *out)
{
	uint32_t	next = 0;

	for (uint32_t i = 0; i < header->exceptions; i++)
	{
		uint64_t	pattern;
		TsdbCodecStatus status = tsdb_decimal_next_exception(header, width, count, &next,
															 &pattern);

		if (status != TSDB_CODEC_OK)
			return status;
		if (next > first * BLOCK && next <= last * BLOCK)
			out[next - 1 - first * BLOCK] = pattern;
	}
	return TSDB_CODEC_OK;
}

TsdbCodecStatus
tsdb_decimal_decode(TsdbKind kind, TsdbCodecId codec, TsdbReader in,
					uint32_t count, uint32_t first, uint32_t last,
					TsdbArena arena, uint64_t *out)
{
	TsdbDecimalHeader header;
	uint32_t	rows = (last - first) * BLOCK;
	TsdbCodecStatus status = tsdb_decimal_open(kind, &in, count, &header);

	if (status != TSDB_CODEC_OK)
		return status;
	if (codec == TSDB_CODEC_DECIMAL_ULP)
	{
		TsdbReader	section = tsdb_read_section(&in);
		int64_t    *corrections = tsdb_arena_take(&arena, rows * sizeof(int64_t));

		if (in.broken)
			return TSDB_CODEC_CORRUPT;
		if (corrections == NULL)
			return TSDB_CODEC_INVALID;
		status = decode_integers(section, count, first, last, corrections);
		if (status == TSDB_CODEC_OK)
			status = decode_integers(in, count, first, last, (int64_t *) out);
		if (status != TSDB_CODEC_OK)
			return status;

		/* Rows past the end were not decoded. */
		for (uint32_t i = count - first * BLOCK; i < rows; i++)
			corrections[i] = 0;
		if (header.single)
			divide_single(out, rows, header.divisor);
		else if (tsdb_codec_is_wide())
			divide_double_fused(out, rows, header.divisor);
		else
			divide_double(out, rows, header.divisor);
		add_corrections(out, corrections, rows, header.single);
	}
	else
	{
		status = decode_integers(in, count, first, last, (int64_t *) out);
		if (status != TSDB_CODEC_OK)
			return status;
		if (header.single)
			divide_single(out, rows, header.divisor);
		else if (header.wide)
			divide_wide(out, rows, header.divisor);
		else if (header.divisor == 1)
			convert_double(out, rows);
		else if (tsdb_codec_is_wide())
			divide_double_fused(out, rows, header.divisor);
		else
			divide_double(out, rows, header.divisor);
	}
	if (header.single && kind == TSDB_KIND_FLOAT8)
		widen(out, rows);
	return place_exceptions(&header, tsdb_kind_width(kind), count, first, last, out);
}
