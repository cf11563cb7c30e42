/*
 * number.c
 *		The chooser: picks the codec of a numeric vector.
 *
 * A pass over the values tells constants, runs and distinct values apart; the
 * few codecs that can then win are written to scratch one after the other and
 * the shortest is kept.  Integer bodies are planned, not written, to learn
 * their size.
 */
#include "codec/number.h"

#include "codec/decimal.h"
#include "codec/dispatch.h"
#include "codec/gorilla.h"
#include "codec/integer.h"
#include "codec/number_format.h"
#include "codec/repeats.h"

/* The shortest body so far, and a second buffer to try the next in. */
typedef struct Contest
{
	uint8_t    *best;
	size_t		best_bytes;		/* SIZE_MAX while there is none */
	uint8_t    *trial;
} Contest;

static TsdbWriter
trial_writer(const Contest *contest)
{
	return tsdb_writer(contest->trial, TSDB_NUMBER_BYTES_MAX);
}

/* Judge what has been written to the trial buffer. */
static void
judge(Contest *contest, const TsdbWriter *trial)
{
	size_t		bytes = (size_t) (trial->at - contest->trial);

	if (!trial->full && bytes < contest->best_bytes)
	{
		uint8_t    *loser = contest->best;

		contest->best = contest->trial;
		contest->best_bytes = bytes;
		contest->trial = loser;
	}
}

static TSDB_CODEC_CLONES uint32_t
count_runs(const uint64_t *values, uint32_t count)
{
	uint32_t	runs = 1;

	for (uint32_t i = 1; i < count; i++)
		runs += values[i] != values[i - 1];
	return runs;
}

static void
write_constant(TsdbKind kind, uint64_t value, TsdbWriter *out)
{
	uint8_t		bytes[8];
	unsigned	width = tsdb_kind_width(kind);
	unsigned	skipped = 0;

	tsdb_write_byte(out, TSDB_CODEC_CONSTANT);
	tsdb_store64(bytes, value);
	if (tsdb_kind_is_float(kind))
	{
		while (skipped < width && bytes[skipped] == 0)
			skipped++;
		tsdb_write_bytes(out, bytes + skipped, width - skipped);
	}
	else
		tsdb_write_bytes(out, bytes,
						 (tsdb_bit_length(tsdb_zigzag((int64_t) value)) + 7) / 8);
}

static void
write_raw(TsdbKind kind, const uint64_t *values, uint32_t count, TsdbWriter *out)
{
	unsigned	width = tsdb_kind_width(kind);

	tsdb_write_byte(out, TSDB_CODEC_RAW);
	for (uint32_t i = 0; i < count; i++)
	{
		uint8_t		bytes[8];

		tsdb_store64(bytes, values[i]);
		tsdb_write_bytes(out, bytes, width);
	}
}

/* Plan the integers and write them if that beats the best so far. */
static TsdbCodecStatus
try_integers(const int64_t *values, uint32_t count, TsdbCodecLevel level,
			 TsdbArena arena, Contest *contest)
{
	TsdbIntegerPlan plan;
	TsdbCodecStatus status = tsdb_integer_plan(values, count, level, arena, &plan);
	TsdbWriter	trial = trial_writer(contest);

	if (status != TSDB_CODEC_OK || plan.bytes >= contest->best_bytes)
		return status;
	status = tsdb_integer_write(values, &plan, arena, &trial);
	if (status == TSDB_CODEC_OK)
		judge(contest, &trial);
	return status;
}

static TsdbCodecStatus
try_floats(TsdbKind kind, const uint64_t *values, uint32_t count, TsdbCodecLevel level,
		   TsdbArena arena, Contest *contest)
{
	TsdbWriter	trial = trial_writer(contest);
	bool		written;
	TsdbCodecStatus status = tsdb_decimal_encode(kind, values, count, level, arena,
												 &trial, &written);

	if (status != TSDB_CODEC_OK)
		return status;
	if (written)
		judge(contest, &trial);
	for (int n = 0; level == TSDB_LEVEL_TRIED && n < TSDB_DECIMAL_SCALES; n++)
	{
		trial = trial_writer(contest);
		status = tsdb_decimal_encode_by(kind, values, count, n, level, arena, &trial);
		if (status != TSDB_CODEC_OK)
			return status;
		judge(contest, &trial);
	}

	/* Patterns as integers, and XOR, for what no decimal explains. */
	if (contest->best_bytes * 8 > (size_t) count * tsdb_kind_width(kind) * 3 ||
		level == TSDB_LEVEL_TRIED)
	{
		TsdbArena	rest = arena;
		int64_t    *patterns = tsdb_arena_rows(&rest, sizeof(int64_t));

		if (patterns == NULL)
			return TSDB_CODEC_INVALID;
		for (uint32_t i = 0; i < count; i++)
			patterns[i] = (int64_t) (kind == TSDB_KIND_FLOAT8 ?
									 tsdb_number_order8(values[i]) :
									 tsdb_number_order4(values[i]));
		status = try_integers(patterns, count, level, rest, contest);
		if (status != TSDB_CODEC_OK)
			return status;
		if (tsdb_gorilla_bytes(kind, values, count) < contest->best_bytes)
		{
			trial = trial_writer(contest);
			tsdb_gorilla_write(kind, values, count, &trial);
			judge(contest, &trial);
		}
	}
	return TSDB_CODEC_OK;
}

/*
 * Whether codes and entries can be shorter than so many bits.  Sorting entries
 * saves at most log2 of their number over what a value takes without them.
 */
static bool
dictionary_may_win(uint32_t count, uint32_t distinct, size_t best_bits)
{
	size_t		code_bits = tsdb_bit_length(distinct - 1);
	size_t		value_bits = best_bits / count;
	size_t		entry_bits = value_bits > code_bits ? value_bits - code_bits : 1;

	return count * (code_bits - 1) + distinct * entry_bits < best_bits;
}

/* From more distinct values on, codes alone are longer than so many bits. */
static uint32_t
most_entries(uint32_t count, size_t best_bits)
{
	uint32_t	most = count - count / 8;
	unsigned	code_bits = 0;

	while (code_bits < 16 && count * (size_t) code_bits < best_bits)
		code_bits++;
	return (uint32_t) 1 << code_bits < most ? (uint32_t) 1 << code_bits : most;
}

/* Runs and dictionaries, where values repeat enough to pay for them. */
static TsdbCodecStatus
try_repeats(TsdbKind kind, const uint64_t *values, uint32_t count, uint32_t runs,
			TsdbCodecLevel level, unsigned depth, TsdbArena arena, Contest *contest)
{
	TsdbCodecStatus status = TSDB_CODEC_OK;

	if (depth >= TSDB_NUMBER_DEPTH_MAX || count < 8)
		return TSDB_CODEC_OK;
	if (runs <= count / 2 || level == TSDB_LEVEL_TRIED)
	{
		TsdbWriter	trial = trial_writer(contest);

		status = tsdb_runs_encode(kind, values, count, level, depth, arena, &trial);
		if (status != TSDB_CODEC_OK)
			return status;
		judge(contest, &trial);
	}
	if (contest->best_bytes * 8 > (size_t) count * 2 || level == TSDB_LEVEL_TRIED)
	{
		uint32_t	limit = level == TSDB_LEVEL_TRIED ? count :
			most_entries(count, contest->best_bytes * 8);
		uint32_t	distinct = tsdb_dictionary_count(values, count, limit, arena);

		if (distinct <= limit &&
			(level == TSDB_LEVEL_TRIED ||
			 dictionary_may_win(count, distinct, contest->best_bytes * 8)))
		{
			TsdbWriter	trial = trial_writer(contest);

			status = tsdb_dictionary_encode(kind, values, count, level, depth, arena,
											&trial);
			if (status != TSDB_CODEC_OK)
				return status;
			judge(contest, &trial);
		}
	}
	return status;
}

TsdbCodecStatus
tsdb_number_encode(TsdbKind kind, const uint64_t *values, uint32_t count,
				   TsdbCodecLevel level, unsigned depth, TsdbArena arena, TsdbWriter *out)
{
	uint32_t	runs = count_runs(values, count);
	Contest		contest = {NULL, SIZE_MAX, NULL};
	TsdbCodecStatus status;

	if (runs == 1)
	{
		write_constant(kind, values[0], out);
		return TSDB_CODEC_OK;
	}
	contest.best = tsdb_arena_take(&arena, TSDB_NUMBER_BYTES_MAX);
	contest.trial = tsdb_arena_take(&arena, TSDB_NUMBER_BYTES_MAX);
	if (contest.best == NULL || contest.trial == NULL)
		return TSDB_CODEC_INVALID;

	if (tsdb_kind_is_float(kind))
		status = try_floats(kind, values, count, level, arena, &contest);
	else
		status = try_integers((const int64_t *) values, count, level, arena, &contest);
	if (status == TSDB_CODEC_OK)
		status = try_repeats(kind, values, count, runs, level, depth, arena, &contest);
	if (status != TSDB_CODEC_OK)
		return status;

	if ((size_t) count * tsdb_kind_width(kind) + 1 <= contest.best_bytes)
		write_raw(kind, values, count, out);
	else
		tsdb_write_bytes(out, contest.best, contest.best_bytes);
	return TSDB_CODEC_OK;
}

TsdbCodecStatus
tsdb_number_encode_section(TsdbKind kind, const uint64_t *values, uint32_t count,
						   TsdbCodecLevel level, TsdbArena arena, TsdbWriter *out)
{
	uint8_t    *body = tsdb_arena_take(&arena, TSDB_NUMBER_BYTES_MAX);
	TsdbWriter	inner;
	TsdbCodecStatus status;

	if (body == NULL)
		return TSDB_CODEC_INVALID;
	inner = tsdb_writer(body, TSDB_NUMBER_BYTES_MAX);
	status = tsdb_number_encode(kind, values, count, level, 0, arena, &inner);
	if (status != TSDB_CODEC_OK)
		return status;
	if (inner.full)
		return TSDB_CODEC_INVALID;
	tsdb_write_varint(out, (uint64_t) (inner.at - body));
	tsdb_write_bytes(out, body, (size_t) (inner.at - body));
	return TSDB_CODEC_OK;
}
