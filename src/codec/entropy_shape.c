/*
 * entropy_shape.c
 *		Bins that follow from a curve with five parameters.
 *
 * The fit takes the centre and the unit from quartiles, counts values by bin once,
 * and tries for each power a few scales around the one that has these quartiles: a
 * trial costs as many logarithms as there are bins.
 */
#include "codec/entropy_shape.h"

#include <math.h>

#include "codec/entropy.h"

#define SIDE_MAX		31		/* bins of a side that the fit considers */
#define PLAIN_BINS		8		/* of a unit, on each side */
#define FIXED_BITS		16		/* of the curve's values */
#define SUM_BITS		21		/* of the sum that weights are shares of */
#define POWER_FIRST		3
#define LARGE_TABLE_BITS 24		/* that twice the states must save */
#define REACH_MAX		46		/* so that a value is read by one load */

/* Width of the bin at a place of a side, as a power of two of units. */
static inline unsigned
bin_width(uint32_t place)
{
	return place < PLAIN_BINS ? 0 : (place - PLAIN_BINS) / 2 + 1;
}

/* Units between 0 and that bin. */
static inline uint64_t
bin_distance(uint32_t place)
{
	unsigned	width = bin_width(place);

	return width == 0 ? place :
		PLAIN_BINS - 4 + ((uint64_t) 2 << width) +
		((uint64_t) ((place - PLAIN_BINS) % 2) << width);
}

/* The bin that is so many units away from 0. */
static inline uint32_t
bin_at(uint64_t distance)
{
	unsigned	width;

	if (distance < PLAIN_BINS)
		return (uint32_t) distance;
	width = tsdb_bit_length(distance - (PLAIN_BINS - 4)) - 2;
	return PLAIN_BINS + 2 * (width - 1) +
		(uint32_t) ((distance - (PLAIN_BINS - 4) - ((uint64_t) 2 << width)) >> width);
}

/* The curve over a bin, as a fixed-point number. */
static inline uint64_t
curve(const TsdbShape *shape, uint32_t place, bool is_left)
{
	unsigned	width = bin_width(place);
	uint64_t	x = 2 * bin_distance(place) + ((uint64_t) 1 << width);
	uint32_t	square = (uint32_t) shape->scale * shape->scale;
	uint32_t	value = 0;

	x = is_left ? x + shape->phase : x - shape->phase;
	if (x < UINT16_MAX)
		value = (uint32_t) ((((uint64_t) square << FIXED_BITS)) / (square + (uint32_t) (x * x)));
	if (value > (1 << FIXED_BITS) - 1)
		value = (1 << FIXED_BITS) - 1;
	for (unsigned i = 0; i < shape->power; i++)
		value = (uint32_t) ((uint64_t) value * value >> FIXED_BITS);
	return (uint64_t) value << width;
}

/* Weights of all bins: one each, and a share of the rest as the curve has it. */
static bool
shape_weights(const TsdbShape *shape, uint16_t *weight)
{
	uint32_t	bins = (uint32_t) shape->left + shape->right;
	uint32_t	rest = (1u << shape->log) - bins;
	uint64_t	sums[TSDB_ENTROPY_BINS_MAX];
	uint64_t	sum = 0;
	uint32_t	before = 0;
	unsigned	shift;

	for (uint32_t i = 0; i < bins; i++)
	{
		sum += i < shape->left ? curve(shape, shape->left - 1 - i, true) :
			curve(shape, i - shape->left, false);
		sums[i] = sum;
	}
	shift = tsdb_bit_length(sum) > SUM_BITS ? tsdb_bit_length(sum) - SUM_BITS : 0;
	if (sum == 0)
		return false;
	for (uint32_t i = 0; i < bins; i++)
	{
		uint32_t	share = (uint32_t) (sums[i] >> shift) * rest / (uint32_t) (sum >> shift);

		weight[i] = (uint16_t) (share - before + 1);
		before = share;
	}
	return true;
}

uint32_t
tsdb_shape_bins(const TsdbShape *shape, uint64_t *lower, uint8_t *width, uint16_t *weight)
{
	uint32_t	bins = (uint32_t) shape->left + shape->right;
	uint32_t	widest = shape->left > shape->right ? shape->left : shape->right;

	if (shape->log < TSDB_ENTROPY_LOG_MIN || shape->log > TSDB_ENTROPY_LOG_MAX ||
		shape->scale == 0 || shape->phase > 1 || shape->power > TSDB_SHAPE_POWER_MAX ||
		bins == 0 || bins > TSDB_ENTROPY_BINS_MAX || bins > 1u << (shape->log - 1) ||
		shape->reach > 64 || shape->unit + bin_width(widest - 1) > 63 ||
		!shape_weights(shape, weight))
		return 0;
	for (uint32_t i = 0; i < bins; i++)
	{
		bool		is_left = i < shape->left;
		uint32_t	place = is_left ? shape->left - 1u - i : i - shape->left;
		uint64_t	distance = bin_distance(place) << shape->unit;

		width[i] = (uint8_t) (shape->unit + bin_width(place));
		if ((i == 0 || i == bins - 1) && width[i] < shape->reach)
			width[i] = shape->reach;
		lower[i] = distance;
		if (is_left)
			lower[i] = 0 - distance - (width[i] < 64 ? (uint64_t) 1 << width[i] : 0);
	}
	return bins;
}

void
tsdb_shape_write(const TsdbShape *shape, TsdbWriter *out)
{
	tsdb_write_byte(out, (uint8_t) (TSDB_SHAPE_FLAG | (shape->phase ? TSDB_SHAPE_PHASE : 0) |
									shape->power << TSDB_SHAPE_POWER_SHIFT |
									(shape->log - TSDB_ENTROPY_LOG_MIN)));
	tsdb_write_byte(out, shape->unit);
	tsdb_write_byte(out, shape->scale);
	tsdb_write_byte(out, shape->left);
	tsdb_write_byte(out, shape->right);
	tsdb_write_byte(out, shape->reach);
}

TsdbShape
tsdb_shape_read(uint8_t first, TsdbReader *in)
{
	TsdbShape	shape = {
		.log = (uint8_t) ((first & TSDB_SHAPE_LOG_MASK) + TSDB_ENTROPY_LOG_MIN),
		.power = first >> TSDB_SHAPE_POWER_SHIFT & TSDB_SHAPE_POWER_MAX,
		.phase = (first & TSDB_SHAPE_PHASE) != 0
	};

	shape.unit = tsdb_read_byte(in);
	shape.scale = tsdb_read_byte(in);
	shape.left = tsdb_read_byte(in);
	shape.right = tsdb_read_byte(in);
	shape.reach = tsdb_read_byte(in);
	return shape;
}

/* ---- fitting ---- */

/* Values by bin, of both sides; those further away count for the last one. */
typedef struct Counts
{
	uint32_t	left[SIDE_MAX];
	uint32_t	right[SIDE_MAX];
	uint64_t	left_most;		/* greatest distances from 0, the left one less one */
	uint64_t	right_most;
} Counts;

static void
count_values(const uint64_t *sorted, uint32_t count, uint64_t centre, unsigned unit,
			 Counts *counts)
{
	memset(counts, 0, sizeof(*counts));
	for (uint32_t i = 0; i < count; i++)
	{
		bool		is_left = sorted[i] < centre;
		uint64_t	distance = is_left ? centre - sorted[i] - 1 : sorted[i] - centre;
		uint32_t	place = bin_at(distance >> unit);

		place = place < SIDE_MAX ? place : SIDE_MAX - 1;
		(is_left ? counts->left : counts->right)[place]++;
	}
	counts->left_most = sorted[0] < centre ? centre - sorted[0] - 1 : 0;
	counts->right_most = sorted[count - 1] - centre;
}

/* As many bins of a side as leave at most so many values beyond the last but one. */
static uint8_t
bins_of_side(const uint32_t *counts, uint32_t beyond)
{
	uint32_t	bins = SIDE_MAX;
	uint32_t	sum = 0;

	while (bins > 0 && counts[bins - 1] == 0)
		bins--;
	while (bins > 1 && sum + counts[bins - 1] + counts[bins - 2] <= beyond)
		sum += counts[--bins];
	return (uint8_t) bins;
}

/* Offset bits that the outermost bin of a side needs, 0 if its own are enough. */
static unsigned
needed_reach(uint32_t bins, uint64_t most, unsigned unit)
{
	unsigned	bits;

	if (bins == 0)
		return 0;
	bits = tsdb_bit_length(most - (bin_distance(bins - 1) << unit));
	return bits > unit + bin_width(bins - 1) ? bits : 0;
}

/*
 * Let the shape have as many bins as leave so many values beyond on each side.  If
 * only one side reaches further, the other gets a bin without values to do so, lest
 * those of its last one take more bits.
 */
static void
set_sides(TsdbShape *shape, const Counts *counts, uint32_t beyond)
{
	unsigned	left;
	unsigned	right;

	shape->left = bins_of_side(counts->left, beyond);
	shape->right = bins_of_side(counts->right, beyond);
	left = needed_reach(shape->left, counts->left_most, shape->unit);
	right = needed_reach(shape->right, counts->right_most, shape->unit);
	shape->reach = (uint8_t) (left > right ? left : right);
	if (shape->reach > left && shape->left > 0 && left == 0)
		shape->left++;
	if (shape->reach > right && shape->right > 0 && right == 0)
		shape->right++;
}

/* Bits that the values take by a shape, without its header. */
static double
shape_bits(const TsdbShape *shape, const Counts *counts)
{
	uint64_t	lower[TSDB_ENTROPY_BINS_MAX];
	uint8_t		width[TSDB_ENTROPY_BINS_MAX];
	uint16_t	weight[TSDB_ENTROPY_BINS_MAX];
	uint32_t	bins;
	double		bits = TSDB_ENTROPY_STATES * shape->log;

	if (shape->reach > REACH_MAX)
		return INFINITY;
	bins = tsdb_shape_bins(shape, lower, width, weight);
	if (bins == 0)
		return INFINITY;
	for (uint32_t i = 0; i < bins; i++)
	{
		const uint32_t *side = i < shape->left ? counts->left : counts->right;
		uint32_t	place = i < shape->left ? shape->left - 1u - i : i - shape->left;
		uint32_t	last = i < shape->left ? shape->left - 1u : shape->right - 1u;
		uint32_t	some = side[place];

		for (uint32_t beyond = place + 1; place == last && beyond < SIDE_MAX; beyond++)
			some += side[beyond];
		if (some > 0)
			bits += some * (shape->log - log2(weight[i]) + width[i]);
	}
	return bits;
}

/* Keep in *best the better shape; its bits. */
static double
keep_better(const TsdbShape *shape, const Counts *counts, double least, TsdbShape *best)
{
	double		bits = shape_bits(shape, counts);

	if (bits >= least)
		return least;
	*best = *shape;
	return bits;
}

/* Try a shape with such a power and scale; true if it is better than what was best. */
static bool
try_curve(TsdbShape shape, int power, double scale, const Counts *counts, double *least,
		  TsdbShape *best)
{
	double		before = *least;

	if (scale < 0.5 || scale >= 255.5)
		return false;
	shape.power = (uint8_t) power;
	shape.scale = (uint8_t) (scale + 0.5);
	*least = keep_better(&shape, counts, *least, best);
	return *least < before;
}

double
tsdb_shape_fit(const uint64_t *sorted, uint32_t count, TsdbShape *shape, uint64_t *centre)
{
	/* scale of a curve by power, if half of it is within one of its middle */
	static const double scales[TSDB_SHAPE_POWER_MAX + 1] = {
		1.00, 2.26, 3.72, 5.61, 8.16, 11.71, 16.67, 23.66
	};
	uint64_t	spread = sorted[count - 1 - count / 4] - sorted[count / 4];
	TsdbShape	trial = {.log = 8};
	double		least = INFINITY;
	double		units;
	Counts		counts;

	*centre = sorted[count / 2];
	if (spread == 0 || sorted[count - 1] >> 62 != 0)
		return INFINITY;
	trial.unit = (uint8_t) (spread < 8 ? 0 : tsdb_bit_length(spread) - 3);
	trial.phase = trial.unit == 0;
	units = (double) spread / (double) ((uint64_t) 1 << trial.unit);
	count_values(sorted, count, *centre, trial.unit, &counts);
	set_sides(&trial, &counts, count / 256);

	/* from the middle of the powers to where it gets worse */
	(void) try_curve(trial, POWER_FIRST, units * scales[POWER_FIRST], &counts, &least, shape);
	for (int power = POWER_FIRST + 1; power <= TSDB_SHAPE_POWER_MAX; power++)
		if (!try_curve(trial, power, units * scales[power], &counts, &least, shape))
			break;
	for (int power = POWER_FIRST - 1; power >= 0; power--)
		if (!try_curve(trial, power, units * scales[power], &counts, &least, shape))
			break;
	if (isinf(least))
		return least;

	trial = *shape;
	for (int step = 1; step <= 3; step++)
	{
		(void) try_curve(trial, trial.power, trial.scale * (1 + 0.06 * step), &counts, &least, shape);
		(void) try_curve(trial, trial.power, trial.scale * (1 - 0.06 * step), &counts, &least, shape);
	}
	for (uint32_t beyond = 0; beyond <= count / 64; beyond = beyond * 2 + 1)
	{
		trial = *shape;
		set_sides(&trial, &counts, beyond);
		least = keep_better(&trial, &counts, least, shape);
	}

	/* a larger table takes longer to make for who decodes it: it must pay */
	trial = *shape;
	trial.log++;
	least = keep_better(&trial, &counts, least - LARGE_TABLE_BITS, shape);
	if (shape->log < trial.log)
		least += LARGE_TABLE_BITS;
	return least + 8 * TSDB_SHAPE_BYTES;
}
