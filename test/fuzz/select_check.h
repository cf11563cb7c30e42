/*
 * select_check.h
 *		Selection and sums of an encoded vector against those of its rows.
 */
#ifndef TSDB_FUZZ_SELECT_CHECK_H
#define TSDB_FUZZ_SELECT_CHECK_H

#include <math.h>

#include "vectors.h"

/* The row's value as a float, and its comparison: NaN above all, -0 equal to 0. */
static inline double
real_of(const TsdbVector *vector, uint32_t row)
{
	double		value;
	float		narrow;

	if (vector->type == TSDB_VECTOR_FLOAT8)
		memcpy(&value, &vector->float8s[row], 8);
	else
	{
		memcpy(&narrow, &vector->float4s[row], 4);
		value = narrow;
	}
	return value;
}

static inline int
compare_reals(double a, double b)
{
	if (isnan(a) || isnan(b))
		return isnan(a) - isnan(b);
	return (a > b) - (a < b);
}

static inline bool
is_inside(const TsdbVector *vector, uint32_t row, const TsdbCodecBound *bound, int side)
{
	int			order;

	if (!bound->exists)
		return true;
	if (vector->type == TSDB_VECTOR_INT)
		order = (vector->ints[row] > bound->integer) - (vector->ints[row] < bound->integer);
	else
		order = compare_reals(real_of(vector, row), bound->real);
	return bound->open ? order == side : order == side || order == 0;
}

static inline bool
is_set(const uint8_t *bitmap, uint32_t row)
{
	return (bitmap[row / 8] >> row % 8 & 1) != 0;
}

/* A bound at, or next to, the value of some row. */
static inline TsdbCodecBound
make_bound(const TsdbVector *vector, uint32_t draw)
{
	TsdbCodecBound bound = {draw % 8 != 0, draw / 8 % 2 == 0, 0, 0};
	uint32_t	row = draw / 64 % (vector->nrows + (vector->nrows == 0));
	int			shift = (int) (draw / 16 % 4) - 1;

	if (vector->nrows == 0)
		return bound;
	if (vector->type == TSDB_VECTOR_INT)
		bound.integer = (int64_t) ((uint64_t) vector->ints[row] + (uint64_t) (int64_t) shift);
	else
	{
		bound.real = real_of(vector, row);
		if (shift > 0)
			bound.real = nextafter(bound.real, shift > 1 ? INFINITY : -INFINITY);
	}
	return bound;
}

/*
 * Encode the vector, and compare selection over rows from a block on, and sums
 * over all, none and the selected of them, with what its rows say.
 */
static inline void
check_select(const TsdbVector *vector, TsdbCodecLevel level, uint32_t low, uint32_t high,
			 uint32_t pick)
{
	Encoded		encoded = encode_vector(vector, 0, level);
	TsdbCodecRange range = {make_bound(vector, low), make_bound(vector, high)};
	uint8_t    *matches = malloc(TSDB_VECTOR_NULL_BYTES);
	uint32_t	first = pick % 8 * TSDB_VECTOR_BLOCK_ROWS;
	uint32_t	count;

	first = first > vector->nrows ? 0 : first;
	count = (vector->nrows - first) * (pick / 8 % 4 + 1) / 4;
	require(tsdb_codec_select(encoded.at, encoded.bytes, &range, first, count, encoded.scratch,
							  encoded.scratch_bytes, matches) == TSDB_CODEC_OK);
	for (uint32_t i = 0; i < TSDB_VECTOR_ROWS_MAX; i++)
		require(is_set(matches, i) ==
				(i < count && !is_set(vector->nulls, first + i) &&
				 is_inside(vector, first + i, &range.low, 1) &&
				 is_inside(vector, first + i, &range.high, -1)));

	for (int chosen = 0; chosen < 2; chosen++)
	{
		TsdbCodecSum sum;
		__int128	expected = 0;
		double		real = 0;
		uint32_t	rows = 0;

		for (uint32_t i = 0; i < count; i++)
			if (chosen ? is_set(matches, i) : !is_set(vector->nulls, first + i))
			{
				rows++;
				if (vector->type == TSDB_VECTOR_INT)
					expected += vector->ints[first + i];
				else
					real += real_of(vector, first + i);
			}
		require(tsdb_codec_sum(encoded.at, encoded.bytes, first, count, chosen ? matches : NULL,
							   encoded.scratch, encoded.scratch_bytes, &sum) == TSDB_CODEC_OK);
		require(sum.count == rows && sum.low == (uint64_t) expected &&
				sum.high == (int64_t) (expected >> 64));
		require(compare_reals(sum.real, real) == 0);
	}
	free(matches);
	free_encoded(&encoded);
}

#endif							/* TSDB_FUZZ_SELECT_CHECK_H */
