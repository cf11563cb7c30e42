/*
 * sum.c
 *		Adds up the values of a vector.
 *
 * Sums of integers need more than 64 bits: the low and high halves of the
 * values, at most 1024 of them, are added up apart, and put together at the
 * end.  Runs and constants are multiplied out.  Floats are decoded and added
 * in the order of rows, since any other order would round otherwise.
 */
#include "codec/codec.h"

#include "codec/decimal_format.h"
#include "codec/dispatch.h"
#include "codec/nulls.h"
#include "codec/number.h"
#include "codec/repeats.h"
#include "codec/vector.h"

#define BLOCK	TSDB_VECTOR_BLOCK_ROWS

/* Sums of the halves of integers: value = high * 2^32 + low. */
typedef struct Halves
{
	int64_t		high;
	uint64_t	low;
} Halves;

static TSDB_CODEC_CLONES void
add_values(const uint64_t *values, uint32_t count, Halves *halves)
{
	int64_t		high = 0;
	uint64_t	low = 0;

	for (uint32_t i = 0; i < count; i++)
	{
		high += (int64_t) values[i] >> 32;
		low += values[i] & UINT32_MAX;
	}
	halves->high += high;
	halves->low += low;
}

static void
add_times(uint64_t value, uint64_t times, Halves *halves)
{
	halves->high += ((int64_t) value >> 32) * (int64_t) times;
	halves->low += (value & UINT32_MAX) * times;
}

static void
join_halves(const Halves *halves, TsdbCodecSum *sum)
{
	uint64_t	shifted = (uint64_t) halves->high << 32;

	sum->low = shifted + halves->low;
	sum->high = (halves->high >> 32) + (sum->low < shifted);
}

/* Runs over values [from, to) of the body, each added as often as it lasts. */
static TsdbCodecStatus
add_runs(const TsdbVectorHeader *header, TsdbReader in, uint32_t count, uint64_t from,
		 uint64_t to, TsdbArena arena, Halves *halves)
{
	uint64_t   *values = tsdb_arena_rows(&arena, sizeof(uint64_t));
	uint64_t   *lengths = tsdb_arena_rows(&arena, sizeof(uint64_t));
	uint64_t	row = 0;
	uint32_t	blocks;
	TsdbRuns	runs;
	TsdbCodecStatus status = tsdb_runs_open(in, count, &runs);

	if (status == TSDB_CODEC_OK && lengths == NULL)
		status = TSDB_CODEC_INVALID;
	if (status != TSDB_CODEC_OK)
		return status;
	blocks = (runs.runs + BLOCK - 1) / BLOCK;
	status = tsdb_number_decode(TSDB_KIND_INT8, runs.lengths, runs.runs, 0, blocks, 1, arena,
								lengths);
	if (status == TSDB_CODEC_OK)
		status = tsdb_number_decode(header->kind, runs.values, runs.runs, 0, blocks, 1, arena,
									values);
	if (status != TSDB_CODEC_OK)
		return status;
	for (uint32_t r = 0; r < runs.runs && row < to; r++)
	{
		uint64_t	start = row > from ? row : from;

		if (lengths[r] >= count - row)
			return TSDB_CODEC_CORRUPT;
		row += lengths[r] + 1;
		if (row > start)
			add_times(values[r], (row < to ? row : to) - start, halves);
	}
	return row < to ? TSDB_CODEC_CORRUPT : TSDB_CODEC_OK;
}

/* Add up the values of chosen rows; dense ones begin with that of row first. */
static void
add_chosen(const TsdbVectorHeader *header, uint32_t first, uint32_t count,
		   const uint8_t *rows, const uint64_t *dense, Halves *halves, TsdbCodecSum *sum)
{
	for (uint32_t row = 0; row < count; row++)
	{
		uint64_t	value;

		if (header->nnulls > 0 && tsdb_is_null(header->nulls, first + row))
			continue;
		value = *dense++;
		if (rows != NULL && !tsdb_is_null(rows, row))
			continue;
		sum->count++;
		if (header->kind == TSDB_KIND_FLOAT8)
			sum->real += tsdb_double_of(value);
		else if (header->kind == TSDB_KIND_FLOAT4)
			sum->real += tsdb_float_of((uint32_t) value);
		else
			add_times(value, 1, halves);
	}
}

TsdbCodecStatus
tsdb_codec_sum(const uint8_t *src, size_t src_bytes, uint32_t first, uint32_t count,
			   const uint8_t *rows, void *scratch, size_t scratch_bytes, TsdbCodecSum *sum)
{
	TsdbArena	arena = {scratch, (uint8_t *) scratch + scratch_bytes};
	TsdbVectorHeader header;
	Halves		halves = {0, 0};
	uint32_t	from;
	uint32_t	to;
	uint32_t	total;
	uint64_t   *values;
	uint8_t		codec;
	bool		all;
	TsdbCodecStatus status = tsdb_vector_open(src, src_bytes, first, count, &arena, &header,
											  &from, &to);

	if (status != TSDB_CODEC_OK)
		return status;
	memset(sum, 0, sizeof(*sum));
	total = header.nrows - header.nnulls;
	if (from == to)
		return TSDB_CODEC_OK;

	all = rows == NULL && !tsdb_kind_is_float(header.kind);
	codec = *header.body.at;
	values = tsdb_arena_rows(&arena, sizeof(uint64_t));
	if (values == NULL)
		return TSDB_CODEC_INVALID;
	sum->count = all ? to - from : 0;
	if (all && codec == TSDB_CODEC_RUNS)
	{
		TsdbReader	payload = header.body;

		(void) tsdb_read_byte(&payload);
		status = add_runs(&header, payload, total, from, to, arena, &halves);
	}
	else
	{
		bool		constant = all && codec == TSDB_CODEC_CONSTANT;

		status = tsdb_number_decode(header.kind, header.body, total, from / BLOCK,
									constant ? from / BLOCK + 1 : (to + BLOCK - 1) / BLOCK, 0,
									arena, values);
		if (status != TSDB_CODEC_OK)
			return status;
		if (constant)
			add_times(values[0], to - from, &halves);
		else if (all)
			add_values(values + from % BLOCK, to - from, &halves);
		else
			add_chosen(&header, first, count, rows, values + from % BLOCK, &halves, sum);
	}
	if (status == TSDB_CODEC_OK)
		join_halves(&halves, sum);
	return status;
}
