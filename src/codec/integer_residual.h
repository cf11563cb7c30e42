/*
 * integer_residual.h
 *		What predictions of integers leave to be stored.
 *
 * A sequence x is cut into blocks.  A prediction of order 0, 1 or 2 takes a
 * value alone, its difference from the one before, or the difference of
 * differences; the first values of a block, as many as the order, are given by
 * its head and slope and leave no residual.
 */
#ifndef TSDB_CODEC_INTEGER_RESIDUAL_H
#define TSDB_CODEC_INTEGER_RESIDUAL_H

#include <stdint.h>

#include "codec/codec.h"
#include "codec/codec_format.h"

/* A window of residuals that slots alone can hold, and the cost it promises. */
typedef struct TsdbWindow
{
	int64_t		low;
	int64_t		high;
	double		bits;			/* per value, patches included */
} TsdbWindow;

static inline uint32_t
tsdb_integer_blocks(uint32_t count)
{
	return (count + TSDB_VECTOR_BLOCK_ROWS - 1) / TSDB_VECTOR_BLOCK_ROWS;
}

/* Residuals of block k. */
static inline uint32_t
tsdb_integer_slots(uint32_t count, uint32_t k, unsigned order)
{
	uint32_t	rows = count - k * TSDB_VECTOR_BLOCK_ROWS;

	if (rows > TSDB_VECTOR_BLOCK_ROWS)
		rows = TSDB_VECTOR_BLOCK_ROWS;
	return rows > order ? rows - order : 0;
}

/* The order of FRAME, DELTA or DELTA2. */
static inline unsigned
tsdb_integer_order(TsdbCodecId codec)
{
	return codec == TSDB_CODEC_FRAME ? 0 : codec == TSDB_CODEC_DELTA ? 1 : 2;
}

/* Values less the first one, in multiples of a number that divides all of these. */
extern void tsdb_integer_relative(const int64_t *values, uint32_t count,
								  uint64_t multiplier, uint64_t *x);

/* Numbers less a reference, in place. */
extern void tsdb_integer_subtract(uint64_t *numbers, uint32_t count, uint64_t reference);

/* Residuals by block, block k's at out + k * TSDB_VECTOR_BLOCK_ROWS. */
extern void tsdb_integer_residuals(const uint64_t *x, uint32_t count, unsigned order,
								   uint64_t *out);

/*
 * Residuals of the whole sequence as if it were one block, count - order of
 * them, less the least; returns the least.
 */
extern uint64_t tsdb_integer_all_residuals(const uint64_t *x, uint32_t count,
										   unsigned order, uint64_t *out);

/* The least of the residuals by block, as signed numbers; 0 if there is none. */
extern int64_t tsdb_integer_least(const uint64_t *residuals, uint32_t count,
								  unsigned order);

/*
 * Whether second differences, less their mean, are clearly more often larger than first ones than smaller, so that there is no
 * use in weighing them: of a random walk they are in 65 of 100 places, and take half a bit more.
 */
extern bool tsdb_integer_is_rough(const uint64_t *x, uint32_t count);

/* The best window for the residuals by block, by an even sample of them. */
extern TsdbWindow tsdb_integer_window(const uint64_t *x, uint32_t count, unsigned order);

#endif							/* TSDB_CODEC_INTEGER_RESIDUAL_H */
