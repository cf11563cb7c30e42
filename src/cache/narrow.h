/*
 * narrow.h
 *		64-bit values in the fewest whole bytes from which they come back faster than memory
 *		gives them.
 *
 * A decoded column of numbers takes eight bytes a row, of which most say little: gauges are small whole
 * numbers or decimals, times are multiples of their step.  Reading eight bytes a row from memory takes longer than
 * widening one or two.  So the working set keeps such a column as
 *
 *		unsigned integers u of 1, 2 or 4 bytes, and one rule for all of them:
 *
 *		integers	base + step * u
 *		doubles		(double) (base + u), or (double) (base + u) / 10^scale
 *
 * A rule is taken only if it gives back every value to the bit: no rule fits NaN, infinities, -0 and
 * mantissas that use what they have, and these columns stay as they are.
 *
 * This is no codec: nothing is packed into bits, so that one pass of conversions is all it takes (measured
 * against packing: docs/architecture.md).  What is written never leaves memory, so no input is to be doubted.
 *
 * Plain C11; no server headers.
 */
#ifndef TSDB_CACHE_NARROW_H
#define TSDB_CACHE_NARROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TSDB_NARROW_SCALE_MAX	4

/* Where a rule and its u are kept together, the rule takes so many bytes. */
#define TSDB_NARROW_HEAD		32

typedef enum TsdbNarrowKind
{
	TSDB_NARROW_INTEGERS,
	TSDB_NARROW_DOUBLES
} TsdbNarrowKind;

typedef struct TsdbNarrow
{
	int64_t		base;
	uint64_t	step;			/* of integers */
	uint8_t		kind;
	uint8_t		width;			/* bytes of u */
	uint8_t		scale;			/* of doubles */
} TsdbNarrow;

/* Find a rule for values, and their u by it, for which there is room.  False if there is none. */
extern bool tsdb_narrow_find(const uint64_t *values, uint32_t count, TsdbNarrow *narrow,
							 uint32_t *u);

/* Bytes that so many values take. */
static inline size_t
tsdb_narrow_bytes(const TsdbNarrow *narrow, uint32_t count)
{
	return (size_t) narrow->width * count;
}

/* Write u, each in the rule's width; out is aligned to that. */
extern void tsdb_narrow_write(const TsdbNarrow *narrow, const uint32_t *u, uint32_t count,
							  void *out);

/*
 * What of some u, from the first up to before the last of these places, decides on their values' extremes and sum: a
 * rule never falls as u rises.  There is one u at least, and no more than TSDB_NARROW_ROWS_MAX.
 */
#define TSDB_NARROW_ROWS_MAX	4096

extern uint32_t tsdb_narrow_min(const TsdbNarrow *narrow, const void *in, uint32_t from, uint32_t to);
extern uint32_t tsdb_narrow_max(const TsdbNarrow *narrow, const void *in, uint32_t from, uint32_t to);
extern uint64_t tsdb_narrow_sum(const TsdbNarrow *narrow, const void *in, uint32_t from, uint32_t to);

/* The value of one u. */
extern uint64_t tsdb_narrow_value(const TsdbNarrow *narrow, uint32_t u);

/* The values again. */
extern void tsdb_narrow_read(const TsdbNarrow *narrow, const void *in, uint32_t count,
							 uint64_t *values);

/* The u that are kept together with their rule. */
static inline const void *
tsdb_narrow_kept(const TsdbNarrow *narrow)
{
	return (const char *) narrow + TSDB_NARROW_HEAD;
}

/*
 * Comparing values without widening them: values rise with u, so that those below a bound are those whose
 * u is less than some number.  These return that number, of a rule for integers and of one for doubles: how many u
 * of the rule's width have a value below the bound, or up to it.  The bound is no NaN.
 */
extern uint64_t tsdb_narrow_count_integers(const TsdbNarrow *narrow, int64_t bound, bool up_to);
extern uint64_t tsdb_narrow_count_doubles(const TsdbNarrow *narrow, double bound, bool up_to);

/* Clear pass[i] where u[i] is less than from, or not less than to. */
extern void tsdb_narrow_select(const TsdbNarrow *narrow, const void *in, uint32_t count, uint64_t from,
							   uint64_t to, uint8_t *pass);

#endif							/* TSDB_CACHE_NARROW_H */
