/*
 * bitpack.h
 *		Unsigned integers of a fixed bit width, packed without gaps.
 *
 * Value i takes bits [i * width, (i + 1) * width) of the bytes, bit 0 being
 * the lowest of byte 0:
 *
 *		width 3:  byte 0  b b a a a ... : 22111000  bits of values 2 1 0
 *				  byte 1  ...            54443332
 *
 * Eight values take exactly width bytes, which is what unpacking is built on.
 */
#ifndef TSDB_CODEC_BITPACK_H
#define TSDB_CODEC_BITPACK_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that count values of width bits take. */
static inline size_t
tsdb_bitpack_bytes(size_t count, unsigned width)
{
	return (count * width + 7) / 8;
}

/* Appends bits to bytes; the caller has made sure of the room. */
typedef struct TsdbBitWriter
{
	uint8_t    *at;
	uint64_t	pending;		/* bits not yet stored, low bits first */
	unsigned	fill;			/* how many, 0 to 7 between calls */
} TsdbBitWriter;

/* Append the low width (0 to 64) bits of each value. */
extern void tsdb_bitpack_append(TsdbBitWriter *out, const uint64_t *values,
								size_t count, unsigned width);

/* Store the last bits, padded with zeros; returns the end of the bytes. */
extern uint8_t *tsdb_bitpack_finish(TsdbBitWriter *out);

/*
 * Unpack count (at most 128) values of width (0 to 64) bits that start at
 * src; the packed bytes must lie before end.  Writes out in whole groups of
 * eight: out has room for count rounded up to a multiple of eight.
 */
extern void tsdb_bitpack_unpack(const uint8_t *src, const uint8_t *end,
								size_t count, unsigned width, uint64_t *out);

/* One value of width (0 to 64) bits at a bit position, reading before end only. */
extern uint64_t tsdb_bitpack_get(const uint8_t *src, const uint8_t *end,
								 size_t bit, unsigned width);

#endif							/* TSDB_CODEC_BITPACK_H */
