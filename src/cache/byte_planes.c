/*
 * byte_planes.c
 *		Words of 8 bytes written plane by plane.
 */
#include "cache/byte_planes.h"

#include <stdint.h>
#include <string.h>

#define GROUP		64			/* bytes of eight words */

/* Exchange the bits that mask has in a[j], shifted, with those in a[i]. */
static inline void
exchange(uint64_t *a, int i, int j, int shift, uint64_t mask)
{
	uint64_t	different = (a[i] >> shift ^ a[j]) & mask;

	a[j] ^= different;
	a[i] ^= different << shift;
}

/* Halves, then quarters, then bytes: as for the bits of a matrix in Warren's Hacker's Delight, 7-3. */
static inline void
transpose(uint64_t *a)
{
	for (int i = 0; i < 4; i++)
		exchange(a, i, i + 4, 32, UINT64_C(0x00000000FFFFFFFF));
	for (int i = 0; i < 8; i += 4)
	{
		exchange(a, i, i + 2, 16, UINT64_C(0x0000FFFF0000FFFF));
		exchange(a, i + 1, i + 3, 16, UINT64_C(0x0000FFFF0000FFFF));
	}
	for (int i = 0; i < 8; i += 2)
		exchange(a, i, i + 1, 8, UINT64_C(0x00FF00FF00FF00FF));
}

void
tsdb_byte_planes_split(void *planes, const void *words, size_t bytes)
{
	unsigned char *to = planes;
	const unsigned char *from = words;
	size_t		groups = bytes / GROUP;

	for (size_t i = 0; i < groups; i++)
	{
		uint64_t	a[8];

		memcpy(a, from + i * GROUP, GROUP);
		transpose(a);
		for (size_t plane = 0; plane < 8; plane++)
			memcpy(to + (plane * groups + i) * 8, &a[plane], 8);
	}
	memcpy(to + groups * GROUP, from + groups * GROUP, bytes - groups * GROUP);
}

void
tsdb_byte_planes_join(void *words, const void *planes, size_t bytes)
{
	unsigned char *to = words;
	const unsigned char *from = planes;
	size_t		groups = bytes / GROUP;

	for (size_t i = 0; i < groups; i++)
	{
		uint64_t	a[8];

		for (size_t plane = 0; plane < 8; plane++)
			memcpy(&a[plane], from + (plane * groups + i) * 8, 8);
		transpose(a);
		memcpy(to + i * GROUP, a, GROUP);
	}
	memcpy(to + groups * GROUP, from + groups * GROUP, bytes - groups * GROUP);
}
