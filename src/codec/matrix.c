/*
 * matrix.c
 *		Finds out which lanes follow from others, and writes a matrix.
 *
 * A note of each lane keeps its changes at a few rows.  The earlier lane from
 * whose changes those of a lane differ least is tried, and so is the one just
 * before it; what is written is the shortest of both and the lane alone.  So
 * buckets follow from their neighbours, and copies from what they copy, without
 * anybody saying which lanes belong together.
 */
#include "codec/matrix.h"

#include "codec/matrix_format.h"
#include "codec/nulls.h"
#include "codec/number.h"
#include "codec/vector.h"
#include "codec/wire.h"

#define CHANGES		32			/* noted of each lane */

/* What is known of a lane without looking at all its values again. */
typedef struct LaneNote
{
	bool		can_lead;		/* lanes may follow: no nulls, not constant */
	bool		is_alone;
	bool		is_whole;		/* float8, all of them integers */
	int64_t		changes[CHANGES];
} LaneNote;

/* Buffers for the lane at hand. */
typedef struct LaneWork
{
	uint64_t   *values;
	uint64_t   *others;			/* of a lane that it may follow */
	uint64_t   *residuals;
	uint8_t    *best;
	size_t		best_bytes;
	uint8_t    *trial;
} LaneWork;

size_t
tsdb_matrix_bound(uint32_t nlanes)
{
	return 16 + 2 * TSDB_NUMBER_BYTES_MAX + (size_t) nlanes *
		(TSDB_NUMBER_BYTES_MAX + TSDB_VECTOR_NULL_BYTES + 32);
}

size_t
tsdb_matrix_scratch_bytes(uint32_t nlanes)
{
	return TSDB_NUMBER_SCRATCH + 4 * TSDB_NUMBER_BYTES_MAX +
		7 * TSDB_MATRIX_LANES_MAX * sizeof(uint64_t) + nlanes * sizeof(LaneNote) + 256;
}

/* The integer that a carrier stands for in a lane's differences. */
static uint64_t
integer_of(TsdbKind kind, bool by_value, uint64_t value)
{
	return by_value ? (uint64_t) (int64_t) tsdb_double_of(value) :
		tsdb_lane_order(kind, value);
}

static void
take_note(TsdbKind kind, const uint64_t *values, uint32_t count, LaneNote *note)
{
	uint64_t	different = 0;

	note->is_whole = kind == TSDB_KIND_FLOAT8;
	for (uint32_t i = 0; i < count; i++)
	{
		different |= values[i] ^ values[0];
		note->is_whole = note->is_whole && tsdb_lane_is_whole(values[i]);
	}
	note->can_lead = different != 0;
	for (uint32_t c = 0; c < CHANGES; c++)
	{
		uint32_t	row = (uint32_t) ((uint64_t) (c + 1) * (count - 1) / CHANGES);

		note->changes[c] = row == 0 ? 0 :
			(int64_t) (integer_of(kind, note->is_whole, values[row]) -
					   integer_of(kind, note->is_whole, values[row - 1]));
	}
}

/* Bits that are left of changes if sign times those of another lane are taken off. */
static unsigned
bits_left(const int64_t *changes, const int64_t *others, int64_t sign)
{
	unsigned	bits = 0;

	for (int c = 0; c < CHANGES; c++)
		bits += tsdb_bit_length(tsdb_zigzag((int64_t) ((uint64_t) changes[c] -
													   (uint64_t) others[c] * (uint64_t) sign)));
	return bits;
}

/* The earlier lane that leaves least, or the lane itself. */
static uint32_t
find_leader(const LaneNote *notes, uint32_t lane)
{
	unsigned	least = bits_left(notes[lane].changes, notes[lane].changes, 0);
	uint32_t	leader = lane;

	for (uint32_t other = lane; other-- > 0 && least > 0;)
		if (notes[other].can_lead && notes[other].is_whole == notes[lane].is_whole)
		{
			unsigned	bits = bits_left(notes[lane].changes, notes[other].changes, 1);

			if (bits < least)
			{
				least = bits;
				leader = other;
			}
		}
	return leader;
}

/*
 * The lane that, added to a leader or subtracted from it, leaves least; the
 * lane itself if none leaves clearly less than the leader does.
 */
static uint32_t
find_second(const LaneNote *notes, uint32_t lane, uint32_t leader, int64_t *sign)
{
	int64_t		changes[CHANGES];
	unsigned	least;
	uint32_t	second = lane;

	for (int c = 0; c < CHANGES; c++)
		changes[c] = (int64_t) ((uint64_t) notes[lane].changes[c] -
								(uint64_t) notes[leader].changes[c]);
	least = bits_left(changes, changes, 0) * 3 / 4;
	for (uint32_t other = 0; other < lane; other++)
		if (notes[other].is_alone && notes[other].is_whole == notes[lane].is_whole)
			for (int64_t way = -1; way <= 1; way += 2)
			{
				unsigned	bits = bits_left(changes, notes[other].changes, way);

				if (bits < least)
				{
					least = bits;
					second = other;
					*sign = way;
				}
			}
	return second;
}

/* Keep what has been written to the trial buffer if it is the shortest. */
static bool
judge(LaneWork *work, const TsdbWriter *trial)
{
	size_t		bytes = (size_t) (trial->at - work->trial);
	uint8_t    *loser = work->best;

	if (trial->full || bytes >= work->best_bytes)
		return false;
	work->best = work->trial;
	work->best_bytes = bytes;
	work->trial = loser;
	return true;
}

/* How a lane is stored: its form, and the second where the form asks for one. */
typedef struct LaneCode
{
	uint64_t	form;
	uint64_t	second;
} LaneCode;

/*
 * Write the lane as what it differs by from a leader, and from a second one if
 * that is not the lane itself; *code says so if that is shorter.
 */
static TsdbCodecStatus
try_relative(const TsdbVector *lanes, uint32_t lane, uint32_t leader, uint32_t second,
			 int64_t sign, TsdbKind kind, bool by_value, TsdbCodecLevel level,
			 TsdbArena arena, LaneWork *work, LaneCode *code)
{
	TsdbWriter	trial = tsdb_writer(work->trial, TSDB_NUMBER_BYTES_MAX);
	uint32_t	count = tsdb_vector_gather(&lanes[leader], kind, work->others);
	LaneCode	mine = {by_value ? TSDB_LANE_BY_VALUE : 0, 0};
	TsdbCodecStatus status;

	for (uint32_t i = 0; i < count; i++)
		work->residuals[i] = integer_of(kind, by_value, work->values[i]) -
			integer_of(kind, by_value, work->others[i]);
	if (second != lane)
	{
		(void) tsdb_vector_gather(&lanes[second], kind, work->others);
		for (uint32_t i = 0; i < count; i++)
			work->residuals[i] -= (uint64_t) sign *
				integer_of(kind, by_value, work->others[i]);
		mine.form |= TSDB_LANE_BY_TWO;
		mine.second = (uint64_t) (lane - second - 1) << 1 |
			(sign < 0 ? TSDB_SECOND_SUBTRACTED : 0);
	}
	mine.form += TSDB_LANE_RELATIVE + ((uint64_t) (lane - leader - 1) << TSDB_LANE_WAY_BITS);
	status = tsdb_number_encode(TSDB_KIND_INT8, work->residuals, count, level, 0, arena,
								&trial);
	if (status == TSDB_CODEC_OK && judge(work, &trial))
		*code = mine;
	return status;
}

/* Try the lanes that one without nulls, not constant, may follow from. */
static TsdbCodecStatus
try_leaders(const TsdbVector *lanes, uint32_t lane, TsdbKind kind, const LaneNote *notes,
			TsdbCodecLevel level, TsdbArena arena, LaneWork *work, LaneCode *code)
{
	const LaneNote *note = &notes[lane];
	uint32_t	leader = find_leader(notes, lane);
	TsdbCodecStatus status = TSDB_CODEC_OK;

	if (leader < lane)
	{
		int64_t		sign = 1;
		uint32_t	second = kind <= TSDB_KIND_INT8 || note->is_whole ?
			find_second(notes, lane, leader, &sign) : lane;

		status = try_relative(lanes, lane, leader, lane, 1, kind, note->is_whole, level,
							  arena, work, code);
		if (status == TSDB_CODEC_OK && second < lane)
			status = try_relative(lanes, lane, leader, second, sign, kind, note->is_whole,
								  level, arena, work, code);
	}
	if (status == TSDB_CODEC_OK && lane > 0 && leader != lane - 1 &&
		notes[lane - 1].can_lead && notes[lane - 1].is_whole == note->is_whole)
		status = try_relative(lanes, lane, lane - 1, lane, 1, kind, note->is_whole, level,
							  arena, work, code);
	return status;
}

/*
 * The shortest body of a lane, in work.  A constant lane has its value in
 * work->values.
 */
static TsdbCodecStatus
code_lane(const TsdbVector *lanes, uint32_t lane, TsdbKind kind, LaneNote *notes,
		  TsdbCodecLevel level, TsdbArena arena, LaneWork *work, LaneCode *code)
{
	uint32_t	count = tsdb_vector_gather(&lanes[lane], kind, work->values);
	TsdbWriter	trial = tsdb_writer(work->trial, TSDB_NUMBER_BYTES_MAX);
	TsdbCodecStatus status = TSDB_CODEC_OK;

	memset(&notes[lane], 0, sizeof(LaneNote));
	work->best_bytes = SIZE_MAX;
	*code = (LaneCode) {TSDB_LANE_NULLS, 0};
	if (count < lanes[lane].nrows)
	{
		tsdb_nulls_write(lanes[lane].nulls, lanes[lane].nrows, &trial);
		if (count > 0)
			status = tsdb_number_encode(kind, work->values, count, level, 0, arena, &trial);
		(void) judge(work, &trial);
		return status;
	}
	take_note(kind, work->values, count, &notes[lane]);
	if (!notes[lane].can_lead)
	{
		code->form = TSDB_LANE_CONSTANT;
		return TSDB_CODEC_OK;
	}

	code->form = TSDB_LANE_ALONE;
	status = tsdb_number_encode(kind, work->values, count, level, 0, arena, &trial);
	if (status != TSDB_CODEC_OK)
		return status;
	(void) judge(work, &trial);
	status = try_leaders(lanes, lane, kind, notes, level, arena, work, code);
	notes[lane].is_alone = code->form == TSDB_LANE_ALONE;
	return status;
}

/* The kind that all lanes have, or -1. */
static int
common_kind(const TsdbVector *lanes, uint32_t nlanes)
{
	int			kind = nlanes == 0 || nlanes > TSDB_MATRIX_LANES_MAX ? -1 :
		tsdb_vector_kind(&lanes[0]);

	if (kind < 0 || kind > TSDB_KIND_FLOAT8 || lanes[0].nrows == 0 ||
		lanes[0].nrows > TSDB_VECTOR_ROWS_MAX)
		return -1;
	for (uint32_t lane = 1; lane < nlanes; lane++)
		if (tsdb_vector_kind(&lanes[lane]) != kind || lanes[lane].nrows != lanes[0].nrows)
			return -1;
	return kind;
}

ptrdiff_t
tsdb_matrix_encode(const TsdbVector *lanes, uint32_t nlanes, TsdbCodecLevel level,
				   void *scratch, size_t scratch_bytes, uint8_t *dst, size_t dst_bytes)
{
	int			kind = common_kind(lanes, nlanes);
	TsdbArena	arena = {scratch, (uint8_t *) scratch + scratch_bytes};
	TsdbWriter	out = tsdb_writer(dst, dst_bytes);
	LaneWork	work;
	LaneNote   *notes;
	uint64_t   *forms;
	uint64_t   *seconds;
	uint64_t   *constants;
	uint64_t   *lengths;
	uint32_t	nseconds = 0;
	uint32_t	nconstants = 0;
	uint32_t	nbodies = 0;
	const uint8_t *directory;
	uint8_t		trailer[8];
	TsdbCodecStatus status = TSDB_CODEC_OK;

	if (kind < 0 || ((uintptr_t) scratch & 15) != 0)
		return TSDB_CODEC_INVALID;
	work.values = tsdb_arena_rows(&arena, sizeof(uint64_t));
	work.others = tsdb_arena_rows(&arena, sizeof(uint64_t));
	work.residuals = tsdb_arena_rows(&arena, sizeof(uint64_t));
	work.best = tsdb_arena_take(&arena, TSDB_NUMBER_BYTES_MAX);
	work.trial = tsdb_arena_take(&arena, TSDB_NUMBER_BYTES_MAX);
	forms = tsdb_arena_take(&arena, TSDB_MATRIX_LANES_MAX * sizeof(uint64_t));
	seconds = tsdb_arena_take(&arena, TSDB_MATRIX_LANES_MAX * sizeof(uint64_t));
	constants = tsdb_arena_take(&arena, TSDB_MATRIX_LANES_MAX * sizeof(uint64_t));
	lengths = tsdb_arena_take(&arena, TSDB_MATRIX_LANES_MAX * sizeof(uint64_t));
	notes = tsdb_arena_take(&arena, nlanes * sizeof(LaneNote));
	if (notes == NULL)
		return TSDB_CODEC_INVALID;

	tsdb_write_byte(&out, (uint8_t) (TSDB_FORMAT_VERSION << TSDB_FORMAT_VERSION_SHIFT |
									 (lanes[0].nrows == TSDB_VECTOR_ROWS_MAX ?
									  TSDB_FORMAT_FULL : 0) | kind));
	if (lanes[0].nrows != TSDB_VECTOR_ROWS_MAX)
		tsdb_write_varint(&out, lanes[0].nrows);
	tsdb_write_varint(&out, nlanes);
	for (uint32_t lane = 0; lane < nlanes; lane++)
	{
		LaneCode	code;

		status = code_lane(lanes, lane, (TsdbKind) kind, notes, level, arena, &work, &code);
		if (status != TSDB_CODEC_OK)
			return status;
		forms[lane] = code.form;
		if (tsdb_lane_has_second(code.form))
			seconds[nseconds++] = code.second;
		if (forms[lane] == TSDB_LANE_CONSTANT)
			constants[nconstants++] = work.values[0];
		else
		{
			lengths[nbodies++] = work.best_bytes;
			tsdb_write_bytes(&out, work.best, work.best_bytes);
		}
	}

	directory = out.at;
	status = tsdb_number_encode_section(TSDB_KIND_INT8, forms, nlanes, level, arena, &out);
	if (status == TSDB_CODEC_OK && nseconds > 0)
		status = tsdb_number_encode_section(TSDB_KIND_INT8, seconds, nseconds, level, arena, &out);
	if (status == TSDB_CODEC_OK && nconstants > 0)
		status = tsdb_number_encode_section((TsdbKind) kind, constants, nconstants, level, arena,
											&out);
	if (status == TSDB_CODEC_OK && nbodies > 0)
		status = tsdb_number_encode_section(TSDB_KIND_INT8, lengths, nbodies, level, arena, &out);
	if (status != TSDB_CODEC_OK)
		return status;
	tsdb_store64(trailer, (uint64_t) (out.at - directory));
	tsdb_write_bytes(&out, trailer, TSDB_MATRIX_TRAILER);
	return out.full ? TSDB_CODEC_NO_SPACE : out.at - dst;
}
