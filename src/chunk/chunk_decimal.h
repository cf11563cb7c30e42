/*
 * chunk_decimal.h
 *		numeric values as integers over a power of ten.
 *
 * The server keeps a numeric as a varlena of base-10000 digits, which no codec
 * for numbers can read.  Most columns of that type hold few digits of one
 * scale: 12.50 is 1250 at scale 2.  As integers they are encoded like any
 * others, compare without calls, and have an exact sum.
 *
 * Plain C without server headers; values are the payload of the varlena, in
 * the byte order of the machine.
 */
#ifndef TSDB_CHUNK_CHUNK_DECIMAL_H
#define TSDB_CHUNK_CHUNK_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

#include "chunk/chunk_format.h"
#include "codec/codec.h"

#define TSDB_DECIMAL_SCALE_MAX		TSDB_BODY_SCALE_MAX
#define TSDB_DECIMAL_PAYLOAD_MAX	12	/* header and five digits */

/*
 * Convert a vector of BYTES that are numerics.  unscaled gets an integer per
 * row, all at the largest scale of the column, *scale; scales gets each row's
 * own one, and *vary says whether they differ.  Null rows get 0 and *scale.
 * Returns false if a value would not come back to the bit: NaN, infinity, too
 * many digits, or bytes that today's server would not have written.
 */
extern bool tsdb_decimal_convert(const TsdbVector *vector, int64_t *unscaled,
								 int64_t *scales, uint8_t *scale, bool *vary);

/*
 * Write unscaled / 10^scale as a numeric's payload and return its length.
 * Returns 0 if unscaled has more digits than any value converted.
 */
extern uint32_t tsdb_decimal_format(int64_t unscaled, uint32_t scale,
									uint8_t payload[TSDB_DECIMAL_PAYLOAD_MAX]);

/*
 * Read a numeric's payload; false if it is not of the short form or has more than
 * 18 digits.  The result may still not be what tsdb_decimal_format() would turn back.
 */
extern bool tsdb_decimal_parse(const uint8_t *payload, uint32_t length, int64_t *unscaled,
							   uint32_t *scale);

/* Lower the scale of an integer; false if that loses digits or a scale is out
 * of bounds. */
extern bool tsdb_decimal_lower(int64_t *unscaled, uint32_t from, int64_t to);

#endif							/* TSDB_CHUNK_CHUNK_DECIMAL_H */
