/*
 * entropy_shape.h
 *		Bins that follow from a curve with five parameters.
 *
 * Steps of a measured value are mostly spread around a centre like a bell, with
 * thin tails or thick ones.  Then a table of bins costs thirty to fifty bytes
 * a vector and says little: this curve says the same in six,
 *
 *		f(x) = (1 / (1 + x^2 / scale^2)) ^ (2^power)
 *
 * the family of Pearson's type VII (Student's distributions): from Cauchy's, power 0,
 * to one that is hardly told from Gauss's, power 5 and above.  The curve is
 * evaluated in integers, so every machine gets the same weights.
 *
 *		first byte		bits 0-2 log - 5, bits 3-5 power, bit 6 phase, bit 7 set
 *		unit			byte: the innermost bins are 2^unit wide
 *		scale			byte, in halves of that, at least 1
 *		left, right		byte each: bins on both sides of 0
 *		reach			byte: offset bits of the outermost bins, if more than theirs
 *
 * Bins are counted from 0 outwards on each side.  Eight are a unit wide, then two
 * are two units wide, two are four, and so on.  The outermost bin of a side takes
 * all that lies beyond it.
 */
#ifndef TSDB_CODEC_ENTROPY_SHAPE_H
#define TSDB_CODEC_ENTROPY_SHAPE_H

#include "codec/codec.h"
#include "codec/wire.h"

#define TSDB_SHAPE_FLAG			0x80
#define TSDB_SHAPE_PHASE		0x40
#define TSDB_SHAPE_POWER_SHIFT	3
#define TSDB_SHAPE_POWER_MAX	7
#define TSDB_SHAPE_LOG_MASK		0x07
#define TSDB_SHAPE_BYTES		6

typedef struct TsdbShape
{
	uint8_t		log;
	uint8_t		power;
	uint8_t		phase;			/* 1: the middle is half a unit to the right of 0 */
	uint8_t		unit;
	uint8_t		scale;
	uint8_t		left;
	uint8_t		right;
	uint8_t		reach;
} TsdbShape;

/*
 * Bins of a shape, from the lowest to the highest: lower ends relative to the
 * centre, modulo 2^64, widths of offsets and weights.  Returns their number, 0
 * if the shape is none.  Arrays have TSDB_ENTROPY_BINS_MAX entries.
 */
extern uint32_t tsdb_shape_bins(const TsdbShape *shape, uint64_t *lower, uint8_t *width,
								uint16_t *weight);

extern void tsdb_shape_write(const TsdbShape *shape, TsdbWriter *out);

/* Read a shape, of which the first byte was read. */
extern TsdbShape tsdb_shape_read(uint8_t first, TsdbReader *in);

/*
 * Fit a shape to count integers, sorted ascending as unsigned ones.  Returns the bits
 * that they take by it, header included, or INFINITY; *centre is what is to be
 * subtracted from each.
 */
extern double tsdb_shape_fit(const uint64_t *sorted, uint32_t count, TsdbShape *shape,
							 uint64_t *centre);

#endif							/* TSDB_CODEC_ENTROPY_SHAPE_H */
