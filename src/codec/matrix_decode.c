/*
 * matrix_decode.c
 *		Reads matrices: the directory once, then lane by lane.
 *
 * A lane follows from earlier ones only, so the way back to a lane that stands
 * alone is never longer than the number of lanes.
 */
#include "codec/matrix.h"

#include "codec/dispatch.h"
#include "codec/matrix_format.h"
#include "codec/nulls.h"
#include "codec/number.h"
#include "codec/vector.h"
#include "codec/wire.h"

#define BLOCK	TSDB_VECTOR_BLOCK_ROWS

static TsdbKind
kind_of(const TsdbMatrix *matrix)
{
	TsdbVector	like = {.type = matrix->type,.width = matrix->width};

	return (TsdbKind) tsdb_vector_kind(&like);
}

/* The lane that a relative one follows from. */
static uint32_t
leader_of(const TsdbMatrix *matrix, uint32_t lane)
{
	return lane - 1 - ((uint32_t) (matrix->forms[lane] - TSDB_LANE_RELATIVE) >>
					   TSDB_LANE_WAY_BITS);
}

/* The second lane of one that has any. */
static uint32_t
second_of(const TsdbMatrix *matrix, uint32_t lane)
{
	return lane - 1 - (matrix->seconds[lane] >> 1);
}

/* A section with a body of so many numbers. */
static TsdbCodecStatus
read_section(TsdbReader *in, TsdbKind kind, uint32_t count, TsdbArena arena, uint64_t *out)
{
	TsdbReader	section = tsdb_read_section(in);

	return in->broken ? TSDB_CODEC_CORRUPT :
		tsdb_number_decode(kind, section, count, 0, (count + BLOCK - 1) / BLOCK, 0, arena,
						   out);
}

/* Forms must lead back to earlier lanes that have no nulls. */
static bool
take_forms(const uint64_t *forms, TsdbKind kind, TsdbMatrix *matrix)
{
	for (uint32_t lane = 0; lane < matrix->nlanes; lane++)
	{
		if (forms[lane] >= TSDB_LANE_RELATIVE + ((uint64_t) lane << TSDB_LANE_WAY_BITS))
			return false;
		matrix->forms[lane] = (uint16_t) forms[lane];
		if (tsdb_lane_is_relative(forms[lane]) &&
			(matrix->forms[leader_of(matrix, lane)] == TSDB_LANE_NULLS ||
			 (tsdb_lane_by_value(forms[lane]) && kind != TSDB_KIND_FLOAT8)))
			return false;
	}
	return true;
}

/* Seconds must be earlier lanes that stand alone. */
static bool
take_seconds(const uint64_t *seconds, TsdbMatrix *matrix)
{
	for (uint32_t lane = 0; lane < matrix->nlanes; lane++)
		if (tsdb_lane_has_second(matrix->forms[lane]))
		{
			if (*seconds >> 1 >= lane)
				return false;
			matrix->seconds[lane] = (uint16_t) *seconds++;
			if (matrix->forms[second_of(matrix, lane)] != TSDB_LANE_ALONE)
				return false;
		}
	return true;
}

/* Lengths must sum to the bytes that there are. */
static bool
take_lengths(const uint64_t *lengths, size_t bytes, TsdbMatrix *matrix)
{
	uint32_t	end = 0;

	for (uint32_t lane = 0; lane < matrix->nlanes; lane++)
	{
		if (matrix->forms[lane] != TSDB_LANE_CONSTANT)
		{
			if (*lengths > bytes - end)
				return false;
			end += (uint32_t) *lengths++;
		}
		matrix->ends[lane] = end;
	}
	return end == bytes;
}

TsdbCodecStatus
tsdb_matrix_open(const uint8_t *src, size_t src_bytes, void *scratch,
				 size_t scratch_bytes, TsdbMatrix *matrix)
{
	TsdbArena	arena = {scratch, (uint8_t *) scratch + scratch_bytes};
	TsdbReader	in = tsdb_reader(src, src_bytes);
	TsdbReader	directory;
	uint64_t   *numbers = tsdb_arena_take(&arena, TSDB_MATRIX_LANES_MAX * sizeof(uint64_t));
	uint8_t		first = tsdb_read_byte(&in);
	TsdbKind	kind = (TsdbKind) (first & TSDB_FORMAT_KIND_MASK);
	uint64_t	nrows;
	uint64_t	nlanes;
	uint64_t	directory_bytes;
	uint32_t	nseconds = 0;
	uint32_t	nconstants = 0;
	TsdbCodecStatus status;

	if (numbers == NULL || ((uintptr_t) scratch & 15) != 0)
		return TSDB_CODEC_INVALID;
	nrows = first & TSDB_FORMAT_FULL ? TSDB_VECTOR_ROWS_MAX : tsdb_read_varint(&in);
	nlanes = tsdb_read_varint(&in);
	if (in.broken || first >> TSDB_FORMAT_VERSION_SHIFT != TSDB_FORMAT_VERSION ||
		(first & TSDB_FORMAT_NULLS) != 0 || kind > TSDB_KIND_FLOAT8 ||
		nrows == 0 || nrows > TSDB_VECTOR_ROWS_MAX ||
		nlanes == 0 || nlanes > TSDB_MATRIX_LANES_MAX ||
		src_bytes > UINT32_MAX || tsdb_reader_left(&in) < TSDB_MATRIX_TRAILER)
		return TSDB_CODEC_CORRUPT;
	in.end -= TSDB_MATRIX_TRAILER;
	directory_bytes = tsdb_load_bytes(in.end, TSDB_MATRIX_TRAILER);
	if (directory_bytes > tsdb_reader_left(&in))
		return TSDB_CODEC_CORRUPT;
	directory = tsdb_reader(in.end - directory_bytes, (size_t) directory_bytes);

	matrix->type = tsdb_vector_type(kind);
	matrix->width = tsdb_kind_width(kind);
	matrix->nrows = (uint32_t) nrows;
	matrix->nlanes = (uint32_t) nlanes;
	matrix->bodies = in.at;
	status = read_section(&directory, TSDB_KIND_INT8, matrix->nlanes, arena, numbers);
	if (status == TSDB_CODEC_OK && !take_forms(numbers, kind, matrix))
		status = TSDB_CODEC_CORRUPT;
	if (status != TSDB_CODEC_OK)
		return status;
	for (uint32_t lane = 0; lane < matrix->nlanes; lane++)
	{
		nseconds += tsdb_lane_has_second(matrix->forms[lane]);
		nconstants += matrix->forms[lane] == TSDB_LANE_CONSTANT;
	}
	if (nseconds > 0)
	{
		status = read_section(&directory, TSDB_KIND_INT8, nseconds, arena, numbers);
		if (status == TSDB_CODEC_OK && !take_seconds(numbers, matrix))
			status = TSDB_CODEC_CORRUPT;
	}
	if (status == TSDB_CODEC_OK && nconstants > 0)
	{
		status = read_section(&directory, kind, nconstants, arena, numbers);
		for (uint32_t lane = 0, next = 0; next < nconstants; lane++)
			if (matrix->forms[lane] == TSDB_LANE_CONSTANT)
				matrix->constants[lane] = numbers[next++];
	}
	if (status == TSDB_CODEC_OK && nconstants < matrix->nlanes)
		status = read_section(&directory, TSDB_KIND_INT8, matrix->nlanes - nconstants,
							  arena, numbers);
	if (status != TSDB_CODEC_OK)
		return status;
	if (directory.at != directory.end ||
		!take_lengths(numbers, (size_t) (directory.end - directory_bytes - in.at), matrix))
		return TSDB_CODEC_CORRUPT;
	return TSDB_CODEC_OK;
}

/* The bytes of a lane that has some. */
static TsdbReader
body_of(const TsdbMatrix *matrix, uint32_t lane)
{
	uint32_t	start = lane == 0 ? 0 : matrix->ends[lane - 1];

	return tsdb_reader(matrix->bodies + start, matrix->ends[lane] - start);
}

/* The integers that carriers stand for in differences; false if some cannot. */
static bool
to_integers(TsdbKind kind, bool by_value, uint64_t *values, uint32_t count)
{
	if (!by_value)
	{
		for (uint32_t i = 0; i < count; i++)
			values[i] = tsdb_lane_order(kind, values[i]);
		return true;
	}
	for (uint32_t i = 0; i < count; i++)
	{
		double		value = tsdb_double_of(values[i]);

		if (!(fabs(value) < 0x1p53))
			return false;
		values[i] = (uint64_t) (int64_t) value;
	}
	return true;
}

static void
from_integers(TsdbKind kind, bool by_value, uint64_t *values, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		values[i] = by_value ? tsdb_bits_of((double) (int64_t) values[i]) :
			tsdb_lane_unorder(kind, values[i]);
}

/*
 * Where a relative lane's leaders come from: rows decoded before, or the
 * matrix itself.
 */
typedef struct Range
{
	uint32_t	first;			/* blocks [first, last) */
	uint32_t	last;
	uint32_t	rows;			/* in them that exist */
	const TsdbVector *before;
} Range;

/* The values of a lane that stands alone or never changes. */
static TsdbCodecStatus
decode_alone(const TsdbMatrix *matrix, uint32_t lane, const Range *range, TsdbArena arena,
			 uint64_t *values)
{
	if (matrix->forms[lane] == TSDB_LANE_ALONE)
		return tsdb_number_decode(kind_of(matrix), body_of(matrix, lane), matrix->nrows,
								  range->first, range->last, 0, arena, values);
	for (uint32_t i = 0; i < range->rows; i++)
		values[i] = matrix->constants[lane];
	return TSDB_CODEC_OK;
}

/* values holds those of the leader, and then those of the lane. */
static TsdbCodecStatus
decode_relative(const TsdbMatrix *matrix, uint32_t lane, const Range *range,
				TsdbArena arena, uint64_t *values)
{
	TsdbKind	kind = kind_of(matrix);
	bool		by_value = tsdb_lane_by_value(matrix->forms[lane]);
	uint64_t   *others = tsdb_arena_rows(&arena, sizeof(uint64_t));
	TsdbCodecStatus status;

	if (others == NULL)
		return TSDB_CODEC_INVALID;
	if (!to_integers(kind, by_value, values, range->rows))
		return TSDB_CODEC_CORRUPT;
	if (tsdb_lane_has_second(matrix->forms[lane]))
	{
		uint32_t	second = second_of(matrix, lane);
		uint64_t	sign = matrix->seconds[lane] & TSDB_SECOND_SUBTRACTED ?
			~(uint64_t) 0 : 1;

		status = TSDB_CODEC_OK;
		if (range->before != NULL)
			(void) tsdb_vector_gather(&range->before[second], kind, others);
		else
			status = decode_alone(matrix, second, range, arena, others);
		if (status != TSDB_CODEC_OK)
			return status;
		if (!to_integers(kind, by_value, others, range->rows))
			return TSDB_CODEC_CORRUPT;
		for (uint32_t i = 0; i < range->rows; i++)
			values[i] += sign * others[i];
	}
	status = tsdb_number_decode(TSDB_KIND_INT8, body_of(matrix, lane), matrix->nrows,
								range->first, range->last, 0, arena, others);
	if (status != TSDB_CODEC_OK)
		return status;
	for (uint32_t i = 0; i < range->rows; i++)
		values[i] += others[i];
	from_integers(kind, by_value, values, range->rows);
	return TSDB_CODEC_OK;
}

/* Decode a lane without nulls and, unless it is known, what it follows from. */
static TsdbCodecStatus
decode_dense(const TsdbMatrix *matrix, uint32_t lane, const Range *range, TsdbArena arena,
			 uint64_t *values)
{
	uint16_t	way[TSDB_MATRIX_LANES_MAX];
	uint32_t	steps = 0;
	TsdbCodecStatus status = TSDB_CODEC_OK;

	while (tsdb_lane_is_relative(matrix->forms[lane]) &&
		   (steps == 0 || range->before == NULL))
	{
		way[steps++] = (uint16_t) lane;
		lane = leader_of(matrix, lane);
	}
	if (steps > 0 && range->before != NULL)
		(void) tsdb_vector_gather(&range->before[lane], kind_of(matrix), values);
	else
		status = decode_alone(matrix, lane, range, arena, values);
	while (steps > 0 && status == TSDB_CODEC_OK)
		status = decode_relative(matrix, way[--steps], range, arena, values);
	return status;
}

static TsdbCodecStatus
decode_with_nulls(const TsdbMatrix *matrix, uint32_t lane, uint32_t first, TsdbArena arena,
				  uint64_t *values, TsdbVector *out)
{
	TsdbReader	in = body_of(matrix, lane);
	uint8_t		nulls[TSDB_VECTOR_NULL_BYTES] = {0};
	uint32_t	count;
	uint32_t	from;
	uint32_t	to;

	tsdb_nulls_read(&in, matrix->nrows, nulls);
	if (in.broken)
		return TSDB_CODEC_CORRUPT;
	count = matrix->nrows - tsdb_nulls_count(nulls, matrix->nrows);
	from = first - tsdb_nulls_count(nulls, first);
	to = first + out->nrows - tsdb_nulls_count(nulls, first + out->nrows);
	for (uint32_t row = 0; row < out->nrows; row++)
		if (tsdb_is_null(nulls, first + row))
			out->nulls[row / 8] |= (uint8_t) (1 << row % 8);
	if (to > from)
	{
		TsdbCodecStatus status = tsdb_number_decode(kind_of(matrix), in, count,
													from / BLOCK,
													(to + BLOCK - 1) / BLOCK, 0, arena,
													values);

		if (status != TSDB_CODEC_OK)
			return status;
	}
	tsdb_vector_spread(values + from % BLOCK, kind_of(matrix), out);
	return TSDB_CODEC_OK;
}

TsdbCodecStatus
tsdb_matrix_decode(const TsdbMatrix *matrix, uint32_t lane, uint32_t first,
				   uint32_t count, const TsdbVector *before, void *scratch,
				   size_t scratch_bytes, TsdbVector *out)
{
	TsdbArena	arena = {scratch, (uint8_t *) scratch + scratch_bytes};
	uint64_t   *values = tsdb_arena_rows(&arena, sizeof(uint64_t));
	Range		range = {first / BLOCK, (first + count + BLOCK - 1) / BLOCK, count, before};
	TsdbCodecStatus status;

	if (values == NULL || ((uintptr_t) scratch & 15) != 0 || lane >= matrix->nlanes ||
		first % BLOCK != 0 || first > matrix->nrows || count > matrix->nrows - first)
		return TSDB_CODEC_INVALID;
	out->type = matrix->type;
	out->width = matrix->width;
	out->nrows = count;
	memset(out->nulls, 0, TSDB_VECTOR_NULL_BYTES);
	if (count == 0)
		return TSDB_CODEC_OK;
	if (matrix->forms[lane] == TSDB_LANE_NULLS)
		return decode_with_nulls(matrix, lane, first, arena, values, out);

	status = decode_dense(matrix, lane, &range, arena, values);
	if (status == TSDB_CODEC_OK)
		tsdb_vector_spread(values, kind_of(matrix), out);
	return status;
}
