/*
 * divisor.h
 *		What divides integers, and dividing by it exactly.
 */
#ifndef TSDB_CODEC_DIVISOR_H
#define TSDB_CODEC_DIVISOR_H

#include <stdint.h>

/* By Euclid's algorithm; of 0 and a number it is the number. */
static inline uint64_t
tsdb_greatest_divisor(uint64_t a, uint64_t b)
{
	while (b != 0)
	{
		uint64_t	rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/*
 * The inverse of an odd number modulo 2^64: a multiple of the number, times that, is the quotient.  Found by
 * Newton's method, from three right bits (Warren, Hacker's Delight, 10-16).
 */
static inline uint64_t
tsdb_odd_inverse(uint64_t odd)
{
	uint64_t	inverse = odd;

	for (int bits = 3; bits < 64; bits *= 2)
		inverse *= 2 - odd * inverse;
	return inverse;
}

#endif							/* TSDB_CODEC_DIVISOR_H */
