/*
 * nulls.h
 *		Which rows of a vector are null.
 *
 *		form byte	0	every row is null
 *					1	a bitmap of the rows follows, bit set for null
 *					2	varint count, then that many varints: lengths of
 *						runs, not null and null in turn, beginning with not
 *						null; rows after the last run are of the other sort
 *
 * Values are stored for the other rows only.
 */
#ifndef TSDB_CODEC_NULLS_H
#define TSDB_CODEC_NULLS_H

#include "codec/codec.h"
#include "codec/wire.h"

/* Number of null rows among the first nrows of a bitmap. */
extern uint32_t tsdb_nulls_count(const uint8_t *nulls, uint32_t nrows);

/* Write the shortest form; at least one row is null. */
extern void tsdb_nulls_write(const uint8_t *nulls, uint32_t nrows, TsdbWriter *out);

/*
 * Read into a bitmap of TSDB_VECTOR_NULL_BYTES that is all zero.  A reader
 * broken afterwards means corrupt bytes.
 */
extern void tsdb_nulls_read(TsdbReader *in, uint32_t nrows, uint8_t *nulls);

static inline bool
tsdb_is_null(const uint8_t *nulls, uint32_t row)
{
	return (nulls[row / 8] >> (row % 8) & 1) != 0;
}

#endif							/* TSDB_CODEC_NULLS_H */
