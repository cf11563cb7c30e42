/*
 * chunk_body.c
 *		Parsing the body of a chunk.
 *
 * The parser keeps one cursor that cannot pass its end: reading past it yields
 * zeros and sets a flag that is looked at once per column, which keeps checks
 * out of the way without trusting a single byte.  chunk_body_write.c takes the
 * same steps in the same order, put_ for get_.
 *
 * The planner parses bodies of every chunk that it considers, so a column
 * costs tens of nanoseconds: nothing is copied, strings and inlined vectors
 * are pointers into the body.
 */
#include <string.h>

#include "chunk/chunk_body.h"
#include "chunk/chunk_unit.h"
#include "codec/codec.h"
#include "codec/codec_format.h"

_Static_assert(TSDB_BODY_ROWS_MAX == TSDB_VECTOR_ROWS_MAX,
			   "a chunk's column is one vector");
_Static_assert(TSDB_BODY_KINDS - 1 <= TSDB_BODY_KIND_MASK,
			   "kinds fit their bits");

typedef struct BodyCursor
{
	const uint8_t *next;
	const uint8_t *end;
	bool		overrun;		/* something was read past end */
} BodyCursor;

static uint8_t
get_byte(BodyCursor *cursor)
{
	if (cursor->next == cursor->end)
	{
		cursor->overrun = true;
		return 0;
	}
	return *cursor->next++;
}

static const uint8_t *
get_bytes(BodyCursor *cursor, size_t bytes)
{
	const uint8_t *start = cursor->next;

	if ((size_t) (cursor->end - cursor->next) < bytes)
	{
		cursor->overrun = true;
		return NULL;
	}
	cursor->next += bytes;
	return start;
}

static uint64_t
get_long_varint(BodyCursor *cursor)
{
	uint64_t	value = 0;

	for (int shift = 0; shift < 64; shift += 7)
	{
		uint8_t		byte = get_byte(cursor);

		if (shift == 63 && byte > 1)
			break;
		value |= (uint64_t) (byte & 0x7F) << shift;
		if (!(byte & 0x80))
			return value;
	}
	cursor->overrun = true;
	return 0;
}

/* A varint of up to 64 bits; a longer one counts as an overrun. */
static inline uint64_t
get_varint(BodyCursor *cursor)
{
	/* most are a single byte */
	if (cursor->next < cursor->end && *cursor->next < 0x80)
		return *cursor->next++;
	return get_long_varint(cursor);
}

static TsdbUint128
get_varint128(BodyCursor *cursor)
{
	TsdbUint128 value = 0;

	for (int shift = 0; shift < 128; shift += 7)
	{
		uint8_t		byte = get_byte(cursor);

		if (shift == 126 && byte > 3)
			break;
		value |= (TsdbUint128) (byte & 0x7F) << shift;
		if (!(byte & 0x80))
			return value;
	}
	cursor->overrun = true;
	return 0;
}

static int64_t
get_zigzag(BodyCursor *cursor)
{
	uint64_t	value = get_varint(cursor);

	return (int64_t) ((value >> 1) ^ (0 - (value & 1)));
}

/* A count that must lie in [min, max]; anything else counts as an overrun. */
static uint32_t
get_count(BodyCursor *cursor, uint32_t min, uint32_t max)
{
	uint64_t	value = get_varint(cursor);

	if (value < min || value > max)
	{
		cursor->overrun = true;
		return min;
	}
	return (uint32_t) value;
}

/* A unit that is a power of ten, as its factor. */
static uint64_t
get_unit(BodyCursor *cursor)
{
	uint8_t		unit = get_byte(cursor);

	if (unit > TSDB_BODY_UNIT_MAX)
	{
		cursor->overrun = true;
		return 1;
	}
	return tsdb_body_units[unit];
}

/* A vector's place; *stream_offset is where the next one in the stream lies. */
static void
get_place(BodyCursor *cursor, uint32_t *stream_offset, TsdbBodyPlace *place)
{
	uint64_t	value = get_varint(cursor);
	uint64_t	bytes = value >> 1;

	memset(place, 0, sizeof(*place));
	if (bytes == 0 || bytes > UINT32_MAX)
		cursor->overrun = true;
	else if (value & 1)
	{
		if (bytes > TSDB_BODY_INLINE_MAX)
		{
			cursor->overrun = true;
			return;
		}
		place->inlined = get_bytes(cursor, bytes);
		place->bytes = (uint32_t) bytes;
	}
	else if (bytes > UINT32_MAX - *stream_offset)
		cursor->overrun = true;
	else
	{
		place->offset = *stream_offset;
		place->bytes = (uint32_t) bytes;
		*stream_offset += (uint32_t) bytes;
	}
}

/* Undo a difference: base and delta count units, modulo 2^64. */
static int64_t
add_units(int64_t base, uint64_t delta, uint64_t unit)
{
	return (int64_t) ((uint64_t) base + delta * unit);
}

static int64_t
subtract_units(int64_t base, uint64_t delta, uint64_t unit)
{
	return (int64_t) ((uint64_t) base - delta * unit);
}

/*
 * min, max, first, last as far as present, in units; known_range: min and max
 * are there already (the time column's, from the head).
 */
static void
get_numbers(BodyCursor *cursor, TsdbBodyColumn *column, bool known_range,
			uint64_t unit)
{
	if (column->has_range && !known_range)
	{
		column->min.number = add_units(0, (uint64_t) get_zigzag(cursor), unit);
		column->max.number = add_units(column->min.number, get_varint(cursor), unit);
	}
	if (column->has_ends)
	{
		if (column->has_range)
		{
			column->first.number = add_units(column->min.number,
											 get_varint(cursor), unit);
			column->last.number = subtract_units(column->max.number,
												 get_varint(cursor), unit);
		}
		else
		{
			column->first.number = add_units(0, (uint64_t) get_zigzag(cursor), unit);
			column->last.number = add_units(column->first.number,
											(uint64_t) get_zigzag(cursor), unit);
		}
	}
}

/* True if value is a carrier of that many bytes. */
static bool
fits_width(int64_t value, uint32_t width)
{
	switch (width)
	{
		case 1:
			return value == (int8_t) value;
		case 2:
			return value == (int16_t) value;
		case 4:
			return value == (int32_t) value;
		default:
			return true;
	}
}

static uint32_t
int_width(uint8_t kind)
{
	return kind == TSDB_BODY_DECIMAL ? 8 : UINT32_C(1) << (kind - TSDB_BODY_INT1);
}

static int64_t
get_raw_bits(BodyCursor *cursor, uint8_t kind)
{
	uint32_t	width = kind == TSDB_BODY_FLOAT4 ? 4 : 8;
	const uint8_t *src = get_bytes(cursor, width);
	uint64_t	bits = 0;

	if (src == NULL)
		return 0;
	for (uint32_t i = 0; i < width; i++)
		bits |= (uint64_t) src[i] << (8 * i);
	return (int64_t) bits;
}

/* The range, the ends and the sum of so many floats. */
static void
get_floats(BodyCursor *cursor, TsdbBodyColumn *column, uint32_t nvalues)
{
	uint8_t		unit;
	bool		decimal_sum = false;
	bool		near = false;

	if (!column->has_range && !column->has_ends)
		return;

	unit = get_byte(cursor);
	if (column->has_sum && unit != TSDB_BODY_UNIT_RAW && (unit & TSDB_BODY_UNIT_SUM) != 0)
	{
		decimal_sum = true;
		near = (unit & TSDB_BODY_UNIT_NEAR) != 0;
		unit &= (uint8_t) ~(TSDB_BODY_UNIT_SUM | TSDB_BODY_UNIT_NEAR);
	}
	if (unit == TSDB_BODY_UNIT_RAW)
	{
		if (column->has_range)
		{
			column->min.number = get_raw_bits(cursor, column->kind);
			column->max.number = get_raw_bits(cursor, column->kind);
		}
		if (column->has_ends)
		{
			column->first.number = get_raw_bits(cursor, column->kind);
			column->last.number = get_raw_bits(cursor, column->kind);
		}
	}
	else if (unit <= TSDB_BODY_UNIT_MAX)
	{
		uint64_t	power = tsdb_body_units[unit];

		get_numbers(cursor, column, false, 1);
		if (decimal_sum)
		{
			uint64_t	sum = get_varint(cursor) + (uint64_t) column->min.number * nvalues;

			column->sum_low = (uint64_t) tsdb_body_decimal_bits(TSDB_BODY_FLOAT8,
																(int64_t) sum, power);
			if (near)
				column->sum_low += (uint64_t) get_zigzag(cursor);
		}
		column->min.number = tsdb_body_decimal_bits(column->kind,
													 column->min.number, power);
		column->max.number = tsdb_body_decimal_bits(column->kind,
													 column->max.number, power);
		column->first.number = tsdb_body_decimal_bits(column->kind,
													 column->first.number, power);
		column->last.number = tsdb_body_decimal_bits(column->kind,
													 column->last.number, power);
	}
	else
		cursor->overrun = true;
	if (column->has_sum && !decimal_sum)
		column->sum_low = (uint64_t) get_raw_bits(cursor, TSDB_BODY_FLOAT8);
}

static void
get_strings(BodyCursor *cursor, TsdbBodyColumn *column)
{
	uint32_t	limit = TSDB_BODY_STRING_MAX;

	if (column->has_ends)
		cursor->overrun = true;
	if (!column->has_range)
		return;
	if (column->kind == TSDB_BODY_FIXED && column->width < limit)
		limit = column->width;

	column->min.length = get_count(cursor, 0, limit);
	column->min.bytes = get_bytes(cursor, column->min.length);
	if (cursor->next < cursor->end && *cursor->next == TSDB_BODY_STRING_SAME)
	{
		cursor->next++;
		column->max = column->min;
	}
	else
	{
		column->max.length = get_count(cursor, 0, limit);
		column->max.bytes = get_bytes(cursor, column->max.length);
	}
}

/* The scales of the statistics of a decimal column. */
static void
get_scales(BodyCursor *cursor, TsdbBodyColumn *column)
{
	column->min.scale = column->max.scale = column->scale;
	column->first.scale = column->last.scale = column->scale;
	if (!column->own_scales)
		return;
	if (column->has_range)
	{
		column->min.scale = get_count(cursor, 0, column->scale);
		column->max.scale = get_count(cursor, 0, column->scale);
	}
	if (column->has_ends)
	{
		column->first.scale = get_count(cursor, 0, column->scale);
		column->last.scale = get_count(cursor, 0, column->scale);
	}
}

/* sum of (value - min), to the sum of values */
static void
get_sum(BodyCursor *cursor, TsdbBodyColumn *column, uint32_t nvalues)
{
	TsdbUint128 sum = get_varint128(cursor);

	sum += (TsdbUint128) (TsdbInt128) column->min.number * nvalues;
	column->sum_low = (uint64_t) sum;
	column->sum_high = (uint64_t) (sum >> 64);
}

const char *
tsdb_body_parse_head(const uint8_t *body, size_t bytes, TsdbBodyHead *head)
{
	BodyCursor	cursor = {.next = body,.end = body + bytes};
	uint8_t		flags;

	memset(head, 0, sizeof(*head));
	if (get_byte(&cursor) != TSDB_BODY_VERSION || cursor.overrun)
		return "The chunk's format version is not known.";
	flags = get_byte(&cursor);
	if (flags & ~TSDB_BODY_FLAGS)
		return "The chunk's head has unknown flags.";

	head->nrows = get_count(&cursor, 1, TSDB_BODY_ROWS_MAX);
	head->natts = get_count(&cursor, 0, TSDB_BODY_ATTS_MAX);
	head->time = get_count(&cursor, 0, head->natts);
	head->nseries = get_count(&cursor, 0, TSDB_BODY_KEYS_MAX);
	for (uint32_t i = 0; i < head->nseries; i++)
		head->series[i] = get_count(&cursor, 1, head->natts);
	if (head->nseries > 0)
		head->hash_version = get_byte(&cursor);

	if (flags & TSDB_BODY_HAS_TIME)
	{
		uint64_t	unit = get_unit(&cursor);

		head->has_time = true;
		head->time_unit = unit;
		head->min_time = add_units(0, (uint64_t) get_zigzag(&cursor), unit);
		head->max_time = add_units(head->min_time, get_varint(&cursor), unit);
		if (head->time == 0 || head->min_time > head->max_time)
			return "The chunk's time range makes no sense.";
	}

	head->nsegments = 1;
	if (flags & TSDB_BODY_HAS_SEGMENTS)
	{
		if (head->nrows < 2 || head->nseries == 0)
			return "The chunk has segments that it cannot have.";
		head->nsegments = get_count(&cursor, 2, head->nrows);
		get_place(&cursor, &head->stream_offset, &head->segment_rows);
	}
	if (flags & TSDB_BODY_HAS_SEGMENT_TIMES)
	{
		if (!(flags & TSDB_BODY_HAS_SEGMENTS) || !head->has_time)
			return "The chunk has segments that it cannot have.";
		head->has_segment_times = true;
		get_place(&cursor, &head->stream_offset, &head->segment_min);
		get_place(&cursor, &head->stream_offset, &head->segment_max);
	}
	if (flags & TSDB_BODY_HAS_TAIL)
	{
		head->has_tail = true;
		head->tail_offset = get_count(&cursor, 0, UINT32_MAX);
		head->tail_bytes = get_count(&cursor, 1,
									 TSDB_BODY_ATTS_MAX * TSDB_BODY_COLUMN_BYTES_MAX);
		if (head->tail_offset > UINT32_MAX - head->tail_bytes)
			cursor.overrun = true;
		if (cursor.next != cursor.end)
			return "The chunk's head is too long.";
	}
	if (cursor.overrun)
		return "The chunk's head ends early or states an impossible number.";

	head->head_bytes = (uint32_t) (cursor.next - body);
	return NULL;
}

/* What an implied column states; its range follows, unless it is that of the time column. */
static const char *
get_implied(BodyCursor *cursor, const TsdbBodyHead *head, bool is_time, TsdbBodyColumn *column)
{
	if (column->kind < TSDB_BODY_INT1 || column->kind > TSDB_BODY_INT8 ||
		column->nnulls > 0 || !column->has_range)
		return "A column is implied that cannot be.";
	if (is_time)
	{
		if (head->nsegments > 1 && !head->has_segment_times)
			return "The times of segments are implied by nothing.";
		column->codec = TSDB_CODEC_STEP;
		return NULL;
	}
	column->codec = TSDB_CODEC_CONSTANT;
	column->min.number = add_units(0, (uint64_t) get_zigzag(cursor), 1);
	column->max = column->first = column->last = column->min;
	if (column->has_sum)
	{
		TsdbUint128 sum = (TsdbUint128) (TsdbInt128) column->min.number * head->nrows;

		column->sum_low = (uint64_t) sum;
		column->sum_high = (uint64_t) (sum >> 64);
	}
	return fits_width(column->min.number, int_width(column->kind)) ? NULL :
		"A column's statistics do not fit its width.";
}

/* Parse one column; attno is its attribute number. */
static const char *
parse_column(BodyCursor *cursor, const TsdbBodyHead *head, uint32_t attno,
			 uint32_t *stream_offset, TsdbBodyColumn *column)
{
	uint8_t		flags = get_byte(cursor);
	bool		is_time = head->has_time && attno == head->time;
	bool		implied;
	uint8_t		codec;

	memset(column, 0, sizeof(*column));
	column->kind = flags & TSDB_BODY_KIND_MASK;
	if (column->kind == TSDB_BODY_NULL)
	{
		column->nnulls = head->nrows;
		return flags == 0 ? NULL : "An all-null column has statistics.";
	}
	if (column->kind >= TSDB_BODY_KINDS)
		return "A column is of an unknown kind.";

	codec = get_byte(cursor);
	column->codec = codec & TSDB_BODY_CODEC_MASK;
	implied = column->codec == TSDB_BODY_CODEC_IMPLIED;
	column->alternate = (codec & TSDB_BODY_ORDER_ALTERNATE) != 0;
	column->has_range = (flags & TSDB_BODY_HAS_RANGE) != 0;
	column->has_ends = (flags & TSDB_BODY_HAS_ENDS) != 0;
	column->has_sum = (flags & TSDB_BODY_HAS_SUM) != 0;
	if (column->kind == TSDB_BODY_FIXED)
		column->width = (uint16_t) get_count(cursor, 1, TSDB_BODY_WIDTH_MAX);
	else if (column->kind == TSDB_BODY_DECIMAL)
	{
		uint32_t	scale = get_count(cursor, 0, TSDB_BODY_SCALE_MAX * 2 + 1);

		column->scale = (uint8_t) (scale >> 1);
		column->own_scales = scale & 1;
	}
	if (flags & TSDB_BODY_HAS_NULLS)
	{
		if (head->nrows < 2)
			return "A column has nulls that it cannot have.";
		column->nnulls = get_count(cursor, 1, head->nrows - 1);
	}
	if (implied)
	{
		const char *problem = get_implied(cursor, head, is_time, column);

		if (problem != NULL)
			return problem;
		if (!is_time)
			return cursor->overrun ? "A column's description ends early." : NULL;
	}
	else
		get_place(cursor, stream_offset, &column->vector);
	if (column->own_scales)
		get_place(cursor, stream_offset, &column->scales);

	switch (column->kind)
	{
		case TSDB_BODY_INT1:
		case TSDB_BODY_INT2:
		case TSDB_BODY_INT4:
		case TSDB_BODY_INT8:
		case TSDB_BODY_DECIMAL:
			{
				bool		known_range = column->has_range && is_time;
				bool		known_ends = implied && head->nsegments == 1;
				bool		stored_ends = column->has_ends && !known_ends;
				uint32_t	width = int_width(column->kind);
				uint64_t	unit = 1;

				if (known_range)
				{
					column->min.number = head->min_time;
					column->max.number = head->max_time;
				}
				if (width == 8 &&
					(stored_ends || (column->has_range && !known_range)))
					unit = get_unit(cursor);
				if (known_ends)
				{
					column->first = column->min;
					column->last = column->max;
				}
				else
					get_numbers(cursor, column, known_range, unit);
				if (column->has_sum)
				{
					if (!column->has_range)
						return "A column has a sum but no range.";
					get_sum(cursor, column, head->nrows - column->nnulls);
				}
				if (column->kind == TSDB_BODY_DECIMAL)
					get_scales(cursor, column);
				if (!fits_width(column->min.number, width) ||
					!fits_width(column->max.number, width) ||
					!fits_width(column->first.number, width) ||
					!fits_width(column->last.number, width))
					return "A column's statistics do not fit its width.";
				break;
			}
		case TSDB_BODY_FLOAT4:
		case TSDB_BODY_FLOAT8:
			if (column->has_sum && !column->has_range)
				return "A column has a sum but no range.";
			get_floats(cursor, column, head->nrows - column->nnulls);
			break;
		default:
			if (column->has_sum)
				return "A column of bytes has a sum.";
			get_strings(cursor, column);
			break;
	}
	return cursor->overrun ?
		"A column's description ends early or states an impossible number." : NULL;
}

const char *
tsdb_body_parse_columns(const TsdbBodyHead *head, const uint8_t *src, size_t bytes,
						TsdbBodyColumn *columns)
{
	BodyCursor	cursor = {.next = src,.end = src + bytes};
	uint32_t	stream_offset = head->stream_offset;

	for (uint32_t i = 0; i < head->natts; i++)
	{
		const char *problem = parse_column(&cursor, head, i + 1, &stream_offset,
										   &columns[i]);

		if (problem != NULL)
			return problem;
	}
	if (cursor.overrun || cursor.next != cursor.end)
		return "The chunk's columns do not fill its body.";
	if (head->has_tail && head->tail_offset < stream_offset)
		return "The chunk's tail overlaps its vectors.";
	return NULL;
}
