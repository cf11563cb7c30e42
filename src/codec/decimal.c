/*
 * decimal.c
 *		Finds the divisor of a vector of floats and writes decimal bodies.
 *
 * A sample says which divisor could serve.  First the powers of ten: the least
 * one under which a value comes back bit for bit is found per sampled value,
 * and the one that costs least over all of them is kept.  Where printed
 * decimals do not explain the data, divisors are ranked under which values come
 * back but for a few units in the last place: powers of ten and two, divisions
 * of time, and denominators found by continued fractions (averages and rates
 * are quotients of integers).
 *
 * The whole vector is then converted and every value checked: what does not
 * come back exactly is an exception, kept as its bit pattern, so that the
 * choice affects size only.
 *
 * ALP (Afroozeh, Kuffo, Boncz, 2023) scales decimals to integers in the same
 * spirit; pcodec ("float mult") keeps corrections in last places.
 */
#include "codec/decimal.h"

#include <math.h>

#include "codec/decimal_format.h"
#include "codec/dispatch.h"
#include "codec/divisor.h"
#include "codec/integer.h"

#define SAMPLE_MAX		64
#define TEN_TRIED_MAX	17
#define CORRECTION_MAX	((int64_t) 1 << 44)

/* A way to write the vector: the divisor and what goes with it. */
typedef struct Scale
{
	double		divisor;
	uint64_t	integer;		/* the divisor, where code is DECIMAL_INTEGER */
	uint8_t		code;
	bool		single;
	bool		corrected;
	double		bits;			/* estimate per value */
} Scale;

/* The vector's patterns in the precision they are coded in. */
typedef struct Sample
{
	double		values[SAMPLE_MAX];
	uint32_t	count;
} Sample;

/* The value of a bit pattern, in double precision. */
static double
value_of(TsdbKind kind, uint64_t bits)
{
	return kind == TSDB_KIND_FLOAT4 ? (double) tsdb_float_of((uint32_t) bits) :
		tsdb_double_of(bits);
}

static bool
is_single(double value)
{
	return fabs(value) <= 0x1.fffffep127 && (double) (float) value == value;
}

/* Nearest integer of a number below 2^51 in size. */
static inline int64_t
round_narrow(double value)
{
	return (int64_t) (tsdb_bits_of(value + TSDB_DECIMAL_MAGIC) - TSDB_DECIMAL_MAGIC_BITS);
}

/* The pattern that integer d stands for: 64 bits, or 32 if single. */
static inline uint64_t
pattern_of(int64_t d, double divisor, bool single)
{
	double		quotient = (double) d / divisor;

	return single ? tsdb_float_bits_of((float) quotient) : tsdb_bits_of(quotient);
}

static inline uint64_t
pattern_of_value(double value, bool single)
{
	return single ? tsdb_float_bits_of((float) value) : tsdb_bits_of(value);
}

static void
take_sample(TsdbKind kind, const uint64_t *bits, uint32_t count, Sample *sample)
{
	uint32_t	step = count <= SAMPLE_MAX ? 1 : count / SAMPLE_MAX;

	sample->count = 0;
	for (uint32_t i = 0; i < count && sample->count < SAMPLE_MAX; i += step)
	{
		double		value = value_of(kind, bits[i]);

		if (isfinite(value) && value != 0)
			sample->values[sample->count++] = value;
	}
}

static inline bool
is_exact_ten(double value, int k, bool single)
{
	double		divisor = tsdb_decimal_divisor((uint8_t) k);

	return pattern_of(round_narrow(value * divisor), divisor, single) ==
		pattern_of_value(value, single);
}

/* From a power that gives a value back exactly to the least one. */
static int
least_exact_ten(double value, bool single, int k)
{
	while (k > 0 && is_exact_ten(value, k - 1, single))
		k--;
	return k;
}

/*
 * The least power of ten that gives a value back exactly, or -1.  A power that
 * does is followed by others that do, so the search starts from a guess, the
 * answer for the value before, and walks.
 */
static int
exact_ten(double value, bool single, int guess)
{
	int			most = 0;

	if (!(fabs(value) < TSDB_DECIMAL_NARROW))
		return fabs(value) < 0x1p63 ? 0 : -1;
	if (guess >= 0 && fabs(value) * tsdb_decimal_divisor((uint8_t) guess) < TSDB_DECIMAL_NARROW &&
		is_exact_ten(value, guess, single))
		return least_exact_ten(value, single, guess);
	while (most < TEN_TRIED_MAX &&
		   fabs(value) * tsdb_decimal_divisor((uint8_t) (most + 1)) < TSDB_DECIMAL_NARROW)
		most++;
	if (!is_exact_ten(value, most, single))
		return -1;
	if (guess < 0 || guess > most)
		return least_exact_ten(value, single, most);
	do
		guess++;
	while (!is_exact_ten(value, guess, single));
	return guess;
}

/* The power of ten that costs least over the sample; false if none serves. */
static bool
find_ten(const Sample *sample, bool single, Scale *scale)
{
	uint32_t	needing[TEN_TRIED_MAX + 2] = {0};
	uint32_t	left = sample->count;
	double		best = 1e9;
	double		exception = single ? 44 : 76;
	int			last = 2;

	for (uint32_t i = 0; i < sample->count; i++)
	{
		int			ten = exact_ten(sample->values[i], single, last);

		needing[ten + 1]++;
		last = ten < 0 ? last : ten;
	}
	for (int k = 0; k <= TEN_TRIED_MAX; k++)
	{
		double		bits;

		left -= needing[k + 1];
		bits = 3.33 * k + exception * left / sample->count;
		if (left * 4 <= sample->count && bits < best)
		{
			best = bits;
			scale->code = (uint8_t) k;
			scale->divisor = tsdb_decimal_divisor((uint8_t) k);
			scale->bits = bits;
		}
	}
	scale->single = single;
	scale->corrected = false;
	return best < 1e9;
}

/*
 * What a divisor with corrections costs beside log2 of the values themselves:
 * its own log2 and the mean length of the corrections.  Gives up, with a
 * number above limit, once that is certain.
 */
static double
corrected_bits(const Sample *sample, double divisor, bool single, double limit)
{
	double		own = log2(divisor);
	double		sum = 0;

	for (uint32_t i = 0; i < sample->count; i++)
	{
		if (i % 8 == 0 && own + sum / sample->count > limit)
			break;

		double		value = sample->values[i];
		double		scaled = value * divisor;
		int64_t		correction;

		if (!(fabs(scaled) < TSDB_DECIMAL_NARROW))
		{
			sum += single ? 44 : 76;
			continue;
		}
		correction = (int64_t) (pattern_of_value(value, single) -
								pattern_of(round_narrow(scaled), divisor, single));
		sum += tsdb_bit_length(tsdb_zigzag(correction));
	}
	return own + sum / sample->count;
}

static void
try_divisor(const Sample *sample, double divisor, uint8_t code, uint64_t integer,
			bool single, Scale *best)
{
	double		bits = corrected_bits(sample, divisor, single, best->bits);

	if (bits < best->bits)
		*best = (Scale) {divisor, integer, code, single, true, bits};
}

/*
 * The least denominator of a fraction within tolerance of the value, by its
 * continued fraction; 0 if there is none up to a million.
 */
static uint64_t
denominator_of(double value, double tolerance)
{
	double		rest = fabs(value);
	double		q0 = 0,
				q1 = 1,
				p0 = 1,
				p1 = floor(rest);

	if (!(rest < 0x1p40))
		return 0;
	for (int i = 0; i < 24; i++)
	{
		double		fraction = rest - floor(rest);
		double		whole;
		double		next;

		if (fabs(p1 / q1 - fabs(value)) <= tolerance * fabs(value))
			return (uint64_t) q1;
		if (fraction < 1e-12)
			return 0;
		rest = 1 / fraction;
		whole = floor(rest);
		next = whole * q1 + q0;
		q0 = q1;
		q1 = next;
		next = whole * p1 + p0;
		p0 = p1;
		p1 = next;
		if (q1 > 1e6)
			return 0;
	}
	return 0;
}

/* The common denominator of some sampled values, 0 if there is none small. */
static uint64_t
common_denominator(const Sample *sample, bool single)
{
	uint64_t	common = 1;
	uint32_t	missed = 0;
	uint32_t	step = sample->count < 24 ? 1 : sample->count / 24;

	for (uint32_t i = 0; i < sample->count; i += step)
	{
		uint64_t	q = denominator_of(sample->values[i], single ? 0x1p-23 : 0x1p-50);

		if (q == 0)
		{
			if (++missed > 3)
				return 0;
			continue;
		}
		common = common / tsdb_greatest_divisor(common, q) * q;
		if (common > (uint64_t) 1 << 32)
			return 0;
	}
	return common;
}

/* Divisors that are neither powers of ten nor of two. */
static const uint16_t fractions[] = {3, 7, 9, 12, 24, 60, 300, 600, 3600};

#define FRACTIONS	((int) (sizeof(fractions) / sizeof(fractions[0])))

/* The divisor with corrections that costs least over the sample. */
static void
find_corrected(const Sample *sample, bool single, Scale *best)
{
	uint64_t	common;

	for (int k = 0; k <= 15; k++)
		try_divisor(sample, tsdb_decimal_divisor((uint8_t) k), (uint8_t) k, 0, single,
					best);
	for (int k = 1; k <= 40; k += k < 10 ? 3 : 10)
		try_divisor(sample, tsdb_decimal_divisor((uint8_t) (TSDB_DECIMAL_TWO + k)),
					(uint8_t) (TSDB_DECIMAL_TWO + k), 0, single, best);
	for (int i = 0; i < FRACTIONS; i++)
		try_divisor(sample, fractions[i], TSDB_DECIMAL_INTEGER, fractions[i], single,
					best);
	common = common_denominator(sample, single);
	if (common > 1)
		try_divisor(sample, (double) common, TSDB_DECIMAL_INTEGER, common, single, best);
}

/* log2 of the spacing of floats around the sample: what storing bits costs. */
static double
plain_bits(const Sample *sample, bool single)
{
	double		sum = 0;

	for (uint32_t i = 0; i < sample->count; i++)
		sum += (single ? 23 : 52) - ilogb(sample->values[i]);
	return sum / sample->count;
}

/* The exceptions of a vector. */
typedef struct Exceptions
{
	uint32_t	count;
	uint16_t	rows[TSDB_VECTOR_ROWS_MAX];
} Exceptions;

/* By how much a value misses, where it is out of the reach of any integer. */
#define OUT_OF_REACH	INT64_MIN

/* Nearest integers of float8 patterns over a divisor, and what they miss by; false if they all hit. */
static TSDB_CODEC_CLONES bool
scale_doubles(const uint64_t *restrict bits, uint32_t count, double divisor,
			  int64_t *restrict integers, int64_t *restrict misses)
{
	uint64_t	any = 0;

	for (uint32_t i = 0; i < count; i++)
	{
		double		scaled = tsdb_double_of(bits[i]) * divisor;
		double		magic = scaled + TSDB_DECIMAL_MAGIC;
		double		whole = magic - TSDB_DECIMAL_MAGIC;
		uint64_t	missed = bits[i] - tsdb_bits_of(whole / divisor);

		integers[i] = (int64_t) (tsdb_bits_of(magic) - TSDB_DECIMAL_MAGIC_BITS);
		misses[i] = fabs(scaled) < TSDB_DECIMAL_NARROW ? (int64_t) missed : OUT_OF_REACH;
		any |= (uint64_t) misses[i];
	}
	return any != 0;
}

/* The same for values that are single. */
static void
scale_singles(TsdbKind kind, const uint64_t *bits, uint32_t count, double divisor,
			  int64_t *integers, int64_t *misses)
{
	for (uint32_t i = 0; i < count; i++)
	{
		double		value = value_of(kind, bits[i]);
		double		scaled = value * divisor;

		integers[i] = round_narrow(scaled);
		misses[i] = OUT_OF_REACH;
		if (fabs(scaled) < TSDB_DECIMAL_NARROW &&
			(kind == TSDB_KIND_FLOAT4 || is_single(value)))
			misses[i] = (int64_t) (pattern_of_value(value, true) -
								   pattern_of(integers[i], divisor, true));
	}
}

/*
 * Convert all values: misses become corrections, or zero if the scale has
 * none.  A value that does not come back is an exception and takes the integer
 * of the one before.  Returns whether there are corrections.
 */
static bool
convert(TsdbKind kind, const uint64_t *bits, uint32_t count, const Scale *scale,
		int64_t *integers, int64_t *misses, Exceptions *exceptions, bool *wide)
{
	int64_t		reach = scale->corrected ? CORRECTION_MAX : 0;
	int64_t		any = 0;

	*wide = false;
	exceptions->count = 0;
	if (scale->single)
		scale_singles(kind, bits, count, scale->divisor, integers, misses);
	else if (!scale_doubles(bits, count, scale->divisor, integers, misses))
		return false;
	for (uint32_t i = 0; i < count; i++)
	{
		if (misses[i] <= reach && misses[i] >= -reach)
			continue;
		if (scale->code == 0 && !scale->corrected && !scale->single)
		{
			double		value = tsdb_double_of(bits[i]);

			/* Integers of 2^51 and above need no rounding. */
			if (fabs(value) < 0x1p63 &&
				tsdb_bits_of((double) (int64_t) value) == bits[i])
			{
				integers[i] = (int64_t) value;
				misses[i] = 0;
				*wide = true;
				continue;
			}
		}
		exceptions->rows[exceptions->count++] = (uint16_t) i;
		integers[i] = i > 0 ? integers[i - 1] : 0;
		misses[i] = i > 0 ? misses[i - 1] : 0;
	}
	for (uint32_t i = 0; i < count; i++)
		any |= misses[i];
	return any != 0;
}

static void
write_exceptions(TsdbKind kind, const uint64_t *bits, const Exceptions *exceptions,
				 TsdbWriter *out)
{
	uint32_t	next = 0;

	tsdb_write_varint(out, exceptions->count);
	for (uint32_t i = 0; i < exceptions->count; i++)
	{
		tsdb_write_varint(out, exceptions->rows[i] - next);
		next = exceptions->rows[i] + 1u;
	}
	for (uint32_t i = 0; i < exceptions->count; i++)
	{
		uint8_t		pattern[8];

		tsdb_store64(pattern, bits[exceptions->rows[i]]);
		tsdb_write_bytes(out, pattern, tsdb_kind_width(kind));
	}
}

/* Convert by a scale and write the body. */
static TsdbCodecStatus
write_scaled(TsdbKind kind, const uint64_t *bits, uint32_t count, const Scale *scale,
			 TsdbCodecLevel level, TsdbArena arena, TsdbWriter *out)
{
	int64_t    *integers = tsdb_arena_rows(&arena, sizeof(int64_t));
	int64_t    *corrections = tsdb_arena_rows(&arena, sizeof(int64_t));
	Exceptions *exceptions = tsdb_arena_take(&arena, sizeof(Exceptions));
	TsdbIntegerPlan plan;
	TsdbCodecStatus status;
	uint8_t		flags = 0;
	bool		wide;
	bool		corrected;

	if (exceptions == NULL)
		return TSDB_CODEC_INVALID;
	corrected = convert(kind, bits, count, scale, integers, corrections, exceptions, &wide);

	tsdb_write_byte(out, corrected ? TSDB_CODEC_DECIMAL_ULP : TSDB_CODEC_DECIMAL);
	if (scale->single)
		flags |= TSDB_DECIMAL_SINGLE;
	if (wide)
		flags |= TSDB_DECIMAL_WIDE;
	if (exceptions->count > 0)
		flags |= TSDB_DECIMAL_EXCEPTIONS;
	tsdb_write_byte(out, flags);
	tsdb_write_byte(out, scale->code);
	if (scale->code == TSDB_DECIMAL_INTEGER)
		tsdb_write_varint(out, scale->integer);
	if (exceptions->count > 0)
		write_exceptions(kind, bits, exceptions, out);
	if (corrected)
	{
		status = tsdb_integer_plan(corrections, count, level, arena, &plan);
		if (status != TSDB_CODEC_OK)
			return status;
		tsdb_write_varint(out, plan.bytes);
		status = tsdb_integer_write(corrections, &plan, arena, out);
		if (status != TSDB_CODEC_OK)
			return status;
	}
	status = tsdb_integer_plan(integers, count, level, arena, &plan);
	if (status != TSDB_CODEC_OK)
		return status;
	return tsdb_integer_write(integers, &plan, arena, out);
}

TsdbCodecStatus
tsdb_decimal_encode(TsdbKind kind, const uint64_t *bits, uint32_t count,
					TsdbCodecLevel level, TsdbArena arena, TsdbWriter *out, bool *written)
{
	Sample		sample;
	Scale		best = {0};
	Scale		corrected;
	bool		single = kind == TSDB_KIND_FLOAT4;

	*written = false;
	take_sample(kind, bits, count, &sample);
	if (sample.count == 0)
		return TSDB_CODEC_OK;
	if (!find_ten(&sample, single, &best))
		best.bits = 1e9;

	if (best.bits > 3.33 * 4)
	{
		/* Doubles that were float32 once are decimals in that precision. */
		if (kind == TSDB_KIND_FLOAT8)
		{
			uint32_t	singles = 0;
			Scale		narrow;

			for (uint32_t i = 0; i < sample.count; i++)
				singles += is_single(sample.values[i]);
			if (singles == sample.count)
			{
				single = true;
				if (find_ten(&sample, true, &narrow) && narrow.bits < best.bits)
					best = narrow;
			}
		}
		corrected = best;
		find_corrected(&sample, single, &corrected);
		if (corrected.corrected && corrected.bits < best.bits - 1)
			best = corrected;
	}

	/* Integers always pay; what needs a divisor must promise to. */
	if (best.bits > 0 && best.bits > plain_bits(&sample, single) - 2)
		return TSDB_CODEC_OK;
	*written = true;
	return write_scaled(kind, bits, count, &best, level, arena, out);
}

TsdbCodecStatus
tsdb_decimal_encode_by(TsdbKind kind, const uint64_t *bits, uint32_t count, int n,
					   TsdbCodecLevel level, TsdbArena arena, TsdbWriter *out)
{
	Scale		scale = {0};
	int			divisor = n / 4;

	scale.single = n % 2 == 1 || kind == TSDB_KIND_FLOAT4;
	scale.corrected = n / 2 % 2 == 1;
	if (divisor <= TEN_TRIED_MAX)
		scale.code = (uint8_t) divisor;
	else if (divisor <= TEN_TRIED_MAX + FRACTIONS)
	{
		scale.code = TSDB_DECIMAL_INTEGER;
		scale.integer = fractions[divisor - TEN_TRIED_MAX - 1];
	}
	else
		scale.code = (uint8_t) (TSDB_DECIMAL_TWO + divisor - TEN_TRIED_MAX - FRACTIONS);
	scale.divisor = scale.code == TSDB_DECIMAL_INTEGER ? (double) scale.integer :
		tsdb_decimal_divisor(scale.code);
	return write_scaled(kind, bits, count, &scale, level, arena, out);
}
