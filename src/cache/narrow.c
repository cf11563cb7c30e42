/*
 * narrow.c
 *		64-bit values in the fewest whole bytes.
 */
#include "cache/narrow.h"

#include <string.h>

#include "codec/dispatch.h"
#include "codec/divisor.h"

/* What a double may be of a whole number: conversions are of 32 bits. */
#define WHOLE_MAX		1000000000.0

/* A double in memory that the callers see as 64 bits. */
typedef double __attribute__((may_alias)) CarriedDouble;

static const double powers[TSDB_NARROW_SCALE_MAX + 1] = {1, 10, 100, 1000, 10000};

/* ---- integers ---- */

/*
 * Exact division by multiplication (codec/divisor.h).  What is no multiple gives a number larger than any
 * quotient.
 */
typedef struct Divisor
{
	uint64_t	inverse;		/* of the divisor's odd part */
	uint64_t	max;			/* quotient by that */
	uint64_t	below;			/* bits that multiples do not have */
	int			shift;
} Divisor;

static void
set_divisor(Divisor *divisor, uint64_t step)
{
	int			shift = __builtin_ctzll(step);
	uint64_t	odd = step >> shift;

	divisor->shift = shift;
	divisor->inverse = tsdb_odd_inverse(odd);
	divisor->max = UINT64_MAX / odd;
	divisor->below = (UINT64_C(1) << shift) - 1;
}

static inline uint64_t
quotient(const Divisor *divisor, uint64_t number)
{
	return (number >> divisor->shift) * divisor->inverse;
}

static inline bool
divides(const Divisor *divisor, uint64_t number)
{
	return (number & divisor->below) == 0 && quotient(divisor, number) <= divisor->max;
}

static bool
find_width(uint64_t range, TsdbNarrow *narrow)
{
	narrow->width = range <= UINT8_MAX ? 1 : range <= UINT16_MAX ? 2 : 4;
	return range <= UINT32_MAX;
}

static bool
find_integers(const uint64_t *values, uint32_t count, TsdbNarrow *narrow, uint32_t *u)
{
	int64_t		min = (int64_t) values[0];
	int64_t		max = min;
	uint64_t	range;
	uint64_t	step = 0;
	Divisor		divisor;

	for (uint32_t i = 0; i < count; i++)
	{
		int64_t		value = (int64_t) values[i];

		min = value < min ? value : min;
		max = value > max ? value : max;
	}
	range = (uint64_t) max - (uint64_t) min;
	narrow->kind = TSDB_NARROW_INTEGERS;
	narrow->base = min;

	/* a step pays if it makes them narrower */
	for (uint32_t i = 0; i < count && step != 1 && range > UINT8_MAX; i++)
	{
		uint64_t	distance = values[i] - (uint64_t) min;

		if (distance == 0 || (step != 0 && divides(&divisor, distance)))
			continue;
		step = tsdb_greatest_divisor(step, distance);
		set_divisor(&divisor, step);
	}
	narrow->step = step == 0 ? 1 : step;
	if (!find_width(range / narrow->step, narrow))
		return false;
	set_divisor(&divisor, narrow->step);
	for (uint32_t i = 0; i < count; i++)
		u[i] = (uint32_t) quotient(&divisor, values[i] - (uint64_t) min);
	return true;
}

/* ---- doubles ---- */

/*
 * The whole numbers of so many values at a scale; false if one of them would not come back to the bit.
 * Adding a large number and taking it away again rounds.
 */
TSDB_CODEC_CLONES static bool
find_wholes(const CarriedDouble *restrict values, uint32_t count, double power,
			int32_t *restrict wholes)
{
	const double rounder = 6755399441055744.0;	/* 1.5 * 2^52 */
	uint64_t	wrong = 0;

	for (uint32_t i = 0; i < count; i++)
	{
		double		scaled = values[i] * power;
		double		whole = scaled + rounder - rounder;

		whole = scaled >= -WHOLE_MAX ? whole : 0;	/* also of NaN */
		whole = scaled <= WHOLE_MAX ? whole : 0;
		wholes[i] = (int32_t) whole;
		wrong |= whole / power == values[i] ? UINT64_C(0) : UINT64_C(1);
	}
	return wrong == 0;
}

/* -0, which equals 0 but is not the same. */
TSDB_CODEC_CLONES static bool
has_negative_zero(const uint64_t *values, uint32_t count)
{
	uint64_t	found = 0;

	for (uint32_t i = 0; i < count; i++)
		found |= values[i] == UINT64_C(1) << 63;
	return found != 0;
}

static bool
find_doubles(const uint64_t *values, uint32_t count, TsdbNarrow *narrow, uint32_t *u)
{
	const CarriedDouble *doubles = (const CarriedDouble *) values;
	int32_t    *wholes = (int32_t *) u;
	const uint32_t sample = 8;
	int32_t		min;
	int32_t		max;
	int			scale = 0;

	/* most scales that do not fit, do not fit the first values */
	while (scale <= TSDB_NARROW_SCALE_MAX &&
		   !(find_wholes(doubles, sample < count ? sample : count, powers[scale], wholes) &&
			 find_wholes(doubles, count, powers[scale], wholes)))
		scale++;
	if (scale > TSDB_NARROW_SCALE_MAX || has_negative_zero(values, count))
		return false;
	min = max = wholes[0];
	for (uint32_t i = 0; i < count; i++)
	{
		min = wholes[i] < min ? wholes[i] : min;
		max = wholes[i] > max ? wholes[i] : max;
	}
	if (!find_width((uint64_t) ((int64_t) max - min), narrow))
		return false;
	for (uint32_t i = 0; i < count; i++)
		u[i] -= (uint32_t) min;
	narrow->kind = TSDB_NARROW_DOUBLES;
	narrow->base = min;
	narrow->step = 1;
	narrow->scale = (uint8_t) scale;
	return true;
}

bool
tsdb_narrow_find(const uint64_t *values, uint32_t count, TsdbNarrow *narrow, uint32_t *u)
{
	memset(narrow, 0, sizeof(*narrow));
	/* integers that are not zero are no doubles of any size that counts here */
	return count > 0 &&
		(find_doubles(values, count, narrow, u) || find_integers(values, count, narrow, u));
}

/* ---- writing ---- */

#define WRITE_LOOP(name, type) \
	TSDB_CODEC_CLONES static void \
	name(const uint32_t *restrict u, uint32_t count, type *restrict out) \
	{ \
		for (uint32_t i = 0; i < count; i++) \
			out[i] = (type) u[i]; \
	}

WRITE_LOOP(write_bytes, uint8_t)
WRITE_LOOP(write_shorts, uint16_t)

void
tsdb_narrow_write(const TsdbNarrow *narrow, const uint32_t *u, uint32_t count, void *out)
{
	if (narrow->width == 1)
		write_bytes(u, count, out);
	else if (narrow->width == 2)
		write_shorts(u, count, out);
	else
		memcpy(out, u, count * sizeof(uint32_t));
}

/* ---- reading ---- */

/*
 * A loop for each width: type is that of u.  multiply_ divides by fused multiplications, as the codec
 * does (codec/decimal_decode.c), which gives the same bits in a third of the time.
 */
#define READ_LOOPS(name, type) \
	TSDB_CODEC_CLONES static void \
	read_integers_##name(const type *restrict in, uint32_t count, uint64_t base, \
						 uint64_t step, uint64_t *restrict values) \
	{ \
		for (uint32_t i = 0; i < count; i++) \
			values[i] = base + step * in[i]; \
	} \
	TSDB_CODEC_CLONES static void \
	read_wholes_##name(const type *restrict in, uint32_t count, int32_t base, \
					   CarriedDouble *restrict values) \
	{ \
		for (uint32_t i = 0; i < count; i++) \
			values[i] = (double) (int32_t) ((uint32_t) base + in[i]); \
	} \
	TSDB_CODEC_CLONES static void \
	read_decimals_##name(const type *restrict in, uint32_t count, int32_t base, \
						 double power, CarriedDouble *restrict values) \
	{ \
		for (uint32_t i = 0; i < count; i++) \
			values[i] = (double) (int32_t) ((uint32_t) base + in[i]) / power; \
	} \
	TSDB_CODEC_CLONES static void \
	multiply_##name(const type *restrict in, uint32_t count, int32_t base, \
					double power, CarriedDouble *restrict values) \
	{ \
		double		inverse = 1 / power; \
		for (uint32_t i = 0; i < count; i++) \
		{ \
			double		whole = (double) (int32_t) ((uint32_t) base + in[i]); \
			double		quotient = whole * inverse; \
			quotient = __builtin_fma(__builtin_fma(-quotient, power, whole), inverse, quotient); \
			quotient = __builtin_fma(__builtin_fma(-quotient, power, whole), inverse, quotient); \
			values[i] = quotient; \
		} \
	} \
	static void \
	read_##name(const TsdbNarrow *narrow, const type *in, uint32_t count, uint64_t *values) \
	{ \
		if (narrow->kind == TSDB_NARROW_INTEGERS) \
			read_integers_##name(in, count, (uint64_t) narrow->base, narrow->step, values); \
		else if (narrow->scale == 0) \
			read_wholes_##name(in, count, (int32_t) narrow->base, (CarriedDouble *) values); \
		else if (tsdb_codec_is_wide()) \
			multiply_##name(in, count, (int32_t) narrow->base, powers[narrow->scale], \
							(CarriedDouble *) values); \
		else \
			read_decimals_##name(in, count, (int32_t) narrow->base, powers[narrow->scale], \
								 (CarriedDouble *) values); \
	}

READ_LOOPS(bytes, uint8_t)
READ_LOOPS(shorts, uint16_t)
READ_LOOPS(ints, uint32_t)

void
tsdb_narrow_read(const TsdbNarrow *narrow, const void *in, uint32_t count, uint64_t *values)
{
	switch (narrow->width)
	{
		case 1:
			read_bytes(narrow, in, count, values);
			break;
		case 2:
			read_shorts(narrow, in, count, values);
			break;
		default:
			read_ints(narrow, in, count, values);
			break;
	}
}

/* ---- comparing ---- */

static inline uint64_t
count_all(const TsdbNarrow *narrow)
{
	return UINT64_C(1) << 8 * narrow->width;
}

uint64_t
tsdb_narrow_count_integers(const TsdbNarrow *narrow, int64_t bound, bool up_to)
{
	uint64_t	distance = (uint64_t) bound - (uint64_t) narrow->base;
	uint64_t	count = distance / narrow->step;

	if (bound < narrow->base)
		return 0;
	if (count >= count_all(narrow))
		return count_all(narrow);
	return count + (up_to || distance % narrow->step != 0 ? 1 : 0);
}

static bool
is_counted(const TsdbNarrow *narrow, uint64_t u, double bound, bool up_to)
{
	double		value = (double) (narrow->base + (int64_t) u) / powers[narrow->scale];

	return up_to ? value <= bound : value < bound;
}

/* A guess by arithmetic is right but for what rounding does. */
uint64_t
tsdb_narrow_count_doubles(const TsdbNarrow *narrow, double bound, bool up_to)
{
	const uint64_t all = count_all(narrow);
	double		guess = bound * powers[narrow->scale] - (double) narrow->base;
	uint64_t	count = 0;

	if (guess > 0)
		count = guess < (double) all ? (uint64_t) guess : all;
	while (count > 0 && !is_counted(narrow, count - 1, bound, up_to))
		count--;
	while (count < all && is_counted(narrow, count, bound, up_to))
		count++;
	return count;
}

/* Less than from is, after the subtraction, as large as can be. */
#define SELECT_LOOP(name, type) \
	TSDB_CODEC_CLONES static void \
	name(const type *restrict in, uint32_t count, type from, type width, uint8_t *restrict pass) \
	{ \
		for (uint32_t i = 0; i < count; i++) \
			pass[i] &= (type) (in[i] - from) <= width; \
	}

SELECT_LOOP(select_bytes, uint8_t)
SELECT_LOOP(select_shorts, uint16_t)
SELECT_LOOP(select_ints, uint32_t)

void
tsdb_narrow_select(const TsdbNarrow *narrow, const void *in, uint32_t count, uint64_t from,
				   uint64_t to, uint8_t *pass)
{
	uint64_t	end = to < count_all(narrow) ? to : count_all(narrow);
	uint64_t	width = end - 1 - from;

	if (from >= end)
		memset(pass, 0, count);
	else if (narrow->width == 1)
		select_bytes(in, count, (uint8_t) from, (uint8_t) width, pass);
	else if (narrow->width == 2)
		select_shorts(in, count, (uint16_t) from, (uint16_t) width, pass);
	else
		select_ints(in, count, (uint32_t) from, (uint32_t) width, pass);
}

/* ---- of many at once ---- */

/* sum_: of as many as there may be, a sum of u of less than 32 bits has no more than that. */
#define FOLD_LOOPS(name, type, sum_type) \
	TSDB_CODEC_CLONES static type \
	min_##name(const type *in, uint32_t count) \
	{ \
		type		min = in[0]; \
		for (uint32_t i = 0; i < count; i++) \
			min = in[i] < min ? in[i] : min; \
		return min; \
	} \
	TSDB_CODEC_CLONES static type \
	max_##name(const type *in, uint32_t count) \
	{ \
		type		max = in[0]; \
		for (uint32_t i = 0; i < count; i++) \
			max = in[i] > max ? in[i] : max; \
		return max; \
	} \
	TSDB_CODEC_CLONES static sum_type \
	sum_##name(const type *in, uint32_t count) \
	{ \
		sum_type	sum = 0; \
		for (uint32_t i = 0; i < count; i++) \
			sum += in[i]; \
		return sum; \
	}

FOLD_LOOPS(bytes, uint8_t, uint32_t)
FOLD_LOOPS(shorts, uint16_t, uint32_t)
FOLD_LOOPS(ints, uint32_t, uint64_t)

#define FOLD(fold) \
	switch (narrow->width) \
	{ \
		case 1: \
			return fold##_bytes((const uint8_t *) in + from, to - from); \
		case 2: \
			return fold##_shorts((const uint16_t *) in + from, to - from); \
		default: \
			return fold##_ints((const uint32_t *) in + from, to - from); \
	}

uint32_t
tsdb_narrow_min(const TsdbNarrow *narrow, const void *in, uint32_t from, uint32_t to)
{
	FOLD(min)
}

uint32_t
tsdb_narrow_max(const TsdbNarrow *narrow, const void *in, uint32_t from, uint32_t to)
{
	FOLD(max)
}

uint64_t
tsdb_narrow_sum(const TsdbNarrow *narrow, const void *in, uint32_t from, uint32_t to)
{
	FOLD(sum)
}

uint64_t
tsdb_narrow_value(const TsdbNarrow *narrow, uint32_t u)
{
	TsdbNarrow	one = *narrow;
	uint64_t	value;

	one.width = sizeof(u);
	tsdb_narrow_read(&one, &u, 1, &value);
	return value;
}
