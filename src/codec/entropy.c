/*
 * entropy.c
 *		Chooses bins and writes integers by them.
 *
 * The sorted values are cut into at most GROUPS_MAX groups of about equal
 * count, never between equal values; dynamic programming over the groups then
 * joins them into the bins that cost least, where a bin costs its header and
 * each of its values -log2 of the bin's share and an offset.
 *
 * tANS is last in, first out: values are walked backwards, and the bits of
 * each remembered, so that they can be written in the order of reading.
 */
#include "codec/entropy.h"

#include <math.h>

#include "codec/bitpack.h"
#include "codec/entropy_format.h"

#define GROUPS_MAX		64
#define FEW_BINS		24		/* that a table of 128 states tells apart well */
#define BIN_BITS		11		/* header of a bin, without its lower end */

/* log2 to within a hundredth: the exponent, and a parabola over the mantissa. */
static double
log2_about(uint32_t number)
{
	unsigned	exponent = tsdb_bit_length(number) - 1;
	double		mantissa = (double) number / (double) (1u << exponent) - 1;

	return exponent + mantissa * (1.34 - 0.34 * mantissa);
}

/* Ascending; least significant byte first, bytes that never differ skipped. */
static void
sort_values(uint64_t *values, uint32_t count, uint64_t *spare)
{
	uint64_t   *from = values;
	uint64_t   *to = spare;
	uint64_t	all = 0;

	for (uint32_t i = 0; i < count; i++)
		all |= values[i];
	for (unsigned shift = 0; shift < 64 && all >> shift != 0; shift += 8)
	{
		uint32_t	place[256] = {0};
		uint32_t	sum = 0;
		uint64_t   *swap;

		for (uint32_t i = 0; i < count; i++)
			place[from[i] >> shift & 255]++;
		for (int b = 0; b < 256; b++)
		{
			uint32_t	some = place[b];

			place[b] = sum;
			sum += some;
		}
		for (uint32_t i = 0; i < count; i++)
			to[place[from[i] >> shift & 255]++] = from[i];
		swap = from;
		from = to;
		to = swap;
	}
	if (from != values)
		memcpy(values, from, count * sizeof(uint64_t));
}

/* Ends of groups: ends[g] is the index after group g's last value. */
static uint32_t
cut_groups(const uint64_t *sorted, uint32_t count, uint32_t *ends)
{
	uint32_t	groups = 0;
	uint32_t	least = (count + GROUPS_MAX - 1) / GROUPS_MAX;
	uint32_t	start = 0;

	for (uint32_t i = 1; i <= count; i++)
	{
		/* A value that alone would fill a group also ends the one before. */
		bool		heavy = i + least <= count && sorted[i] == sorted[i + least - 1];

		if (i < count && sorted[i] == sorted[i - 1])
			continue;
		if (i == count || i - start >= least || (heavy && groups + 2 < GROUPS_MAX))
		{
			if (groups == GROUPS_MAX)
				groups--;
			ends[groups++] = i;
			start = i;
		}
	}
	return groups;
}

/* Scale the counts of bins to weights that sum to 2^log, none of them 0. */
static void
set_weights(TsdbEntropyPlan *plan, const uint32_t *counts)
{
	uint32_t	size = 1u << plan->log;
	uint32_t	sum = 0;

	for (uint32_t bin = 0; bin < plan->bins; bin++)
	{
		uint32_t	weight = (counts[bin] * size + plan->count / 2) / plan->count;

		plan->weight[bin] = (uint16_t) (weight == 0 ? 1 : weight);
		sum += plan->weight[bin];
	}
	while (sum != size)
	{
		uint32_t	greatest = 0;

		for (uint32_t bin = 1; bin < plan->bins; bin++)
			if (plan->weight[bin] > plan->weight[greatest])
				greatest = bin;
		if (sum > size)
		{
			plan->weight[greatest]--;
			sum--;
		}
		else
		{
			plan->weight[greatest] += (uint16_t) (size - sum);
			sum = size;
		}
	}
}

/* Bytes of the header of bins that follow no curve. */
static size_t
header_bytes(const TsdbEntropyPlan *plan)
{
	uint32_t	weight_all = 0;
	uint32_t	width_all = 0;
	size_t		bytes = 4;

	for (uint32_t bin = 0; bin < plan->bins; bin++)
	{
		weight_all |= plan->weight[bin] - 1u;
		width_all |= plan->width[bin];
		if (bin > 0)
			bytes += tsdb_varint_bytes(plan->lower[bin] - plan->lower[bin - 1]);
	}
	return bytes + tsdb_bitpack_bytes(plan->bins, tsdb_bit_length(weight_all)) +
		tsdb_bitpack_bytes(plan->bins, tsdb_bit_length(width_all));
}

/* Take a curve instead of the bins, if there is one that costs less. */
static void
try_shape(const uint64_t *sorted, const uint32_t *counts, TsdbEntropyPlan *plan)
{
	double		bits = (double) (8 * header_bytes(plan) + TSDB_ENTROPY_STATES * plan->log);
	double		shape_bits;
	TsdbShape	shape;
	uint64_t	centre;

	for (uint32_t bin = 0; bin < plan->bins; bin++)
		bits += counts[bin] * (plan->log - log2(plan->weight[bin]) + plan->width[bin]);
	plan->bits = bits;
	shape_bits = tsdb_shape_fit(sorted, plan->count, &shape, &centre);
	if (shape_bits >= bits)
		return;
	plan->bits = shape_bits;
	plan->is_shaped = true;
	plan->shape = shape;
	plan->base = centre;
	plan->log = shape.log;
	plan->bins = tsdb_shape_bins(&shape, plan->lower, plan->width, plan->weight);
	for (uint32_t bin = 0; bin < plan->bins; bin++)
		plan->lower[bin] += centre;
}

TsdbCodecStatus
tsdb_entropy_plan(const uint64_t *values, uint32_t count, TsdbArena arena,
				  TsdbEntropyPlan *plan)
{
	uint64_t   *sorted = tsdb_arena_rows(&arena, sizeof(uint64_t));
	uint64_t   *spare = tsdb_arena_rows(&arena, sizeof(uint64_t));
	uint32_t	ends[GROUPS_MAX];
	double		least[GROUPS_MAX + 1];
	uint8_t		from[GROUPS_MAX + 1];
	uint32_t	counts[TSDB_ENTROPY_BINS_MAX];
	uint32_t	groups;
	uint32_t	bins = 0;

	if (spare == NULL)
		return TSDB_CODEC_INVALID;
	memcpy(sorted, values, count * sizeof(uint64_t));
	sort_values(sorted, count, spare);
	groups = cut_groups(sorted, count, ends);

	least[0] = 0;
	for (uint32_t g = 1; g <= groups; g++)
	{
		least[g] = INFINITY;
		for (uint32_t f = 0; f < g; f++)
		{
			uint32_t	start = f == 0 ? 0 : ends[f - 1];
			uint32_t	some = ends[g - 1] - start;
			unsigned	width = tsdb_bit_length(sorted[ends[g - 1] - 1] - sorted[start]);
			double		share_bits = log2_about(count) - log2_about(some);
			double		bits = least[f] + BIN_BITS + some * (share_bits + width);

			if (f > 0)
				bits += 8 * tsdb_varint_bytes(sorted[start] - sorted[start - 1]);
			if (bits < least[g])
			{
				least[g] = bits;
				from[g] = (uint8_t) f;
			}
		}
	}

	for (uint32_t g = groups; g > 0; g = from[g])
		bins++;
	plan->count = count;
	plan->bins = bins;
	plan->log = bins > FEW_BINS ? 8 : 7;
	plan->base = 0;
	plan->is_shaped = false;
	for (uint32_t g = groups, bin = bins; g > 0; g = from[g])
	{
		uint32_t	start = from[g] == 0 ? 0 : ends[from[g] - 1];

		bin--;
		counts[bin] = ends[g - 1] - start;
		plan->lower[bin] = sorted[start];
		plan->width[bin] =
			(uint8_t) tsdb_bit_length(sorted[ends[g - 1] - 1] - sorted[start]);
	}
	set_weights(plan, counts);
	try_shape(sorted, counts, plan);
	return TSDB_CODEC_OK;
}

static void
write_header(const TsdbEntropyPlan *plan, TsdbWriter *out)
{
	uint64_t	weights[TSDB_ENTROPY_BINS_MAX];
	uint64_t	widths[TSDB_ENTROPY_BINS_MAX];
	uint64_t	weight_all = 0;
	uint64_t	width_all = 0;
	unsigned	weight_width;
	unsigned	offset_width;
	uint8_t    *room;

	if (plan->is_shaped)
	{
		tsdb_shape_write(&plan->shape, out);
		return;
	}
	for (uint32_t bin = 0; bin < plan->bins; bin++)
	{
		weights[bin] = plan->weight[bin] - 1u;
		widths[bin] = plan->width[bin];
		weight_all |= weights[bin];
		width_all |= widths[bin];
	}
	tsdb_write_byte(out, (uint8_t) plan->log);
	tsdb_write_byte(out, (uint8_t) (plan->bins - 1));
	weight_width = tsdb_bit_length(weight_all);
	offset_width = tsdb_bit_length(width_all);
	tsdb_write_byte(out, (uint8_t) weight_width);
	tsdb_write_byte(out, (uint8_t) offset_width);
	room = tsdb_write_room(out, tsdb_bitpack_bytes(plan->bins, weight_width) +
						   tsdb_bitpack_bytes(plan->bins, offset_width));
	if (room != NULL)
	{
		TsdbBitWriter bits = {room, 0, 0};

		tsdb_bitpack_append(&bits, weights, plan->bins, weight_width);
		(void) tsdb_bitpack_finish(&bits);
		tsdb_bitpack_append(&bits, widths, plan->bins, offset_width);
		(void) tsdb_bitpack_finish(&bits);
	}
	for (uint32_t bin = 1; bin < plan->bins; bin++)
		tsdb_write_varint(out, plan->lower[bin] - plan->lower[bin - 1]);
}

/* The bits that take a state to the next one. */
typedef struct Step
{
	uint16_t	bits;
	uint8_t		width;
	uint8_t		bin;
} Step;

TsdbCodecStatus
tsdb_entropy_write(const uint64_t *values, const TsdbEntropyPlan *plan,
				   TsdbArena arena, TsdbWriter *out)
{
	Step	   *steps = tsdb_arena_rows(&arena, sizeof(Step));
	uint8_t		bin_of[1 << TSDB_ENTROPY_LOG_MAX];
	uint16_t	state_of[1 << TSDB_ENTROPY_LOG_MAX];	/* of the ranks, bin by bin */
	uint16_t	first[TSDB_ENTROPY_BINS_MAX];
	uint32_t	filled[TSDB_ENTROPY_BINS_MAX] = {0};
	uint32_t	size = 1u << plan->log;
	uint32_t	states[TSDB_ENTROPY_STATES];
	size_t		total = TSDB_ENTROPY_STATES * plan->log;
	uint8_t    *room;
	TsdbBitWriter bits;

	if (steps == NULL)
		return TSDB_CODEC_INVALID;
	first[0] = 0;
	for (uint32_t bin = 1; bin < plan->bins; bin++)
		first[bin] = (uint16_t) (first[bin - 1] + plan->weight[bin - 1]);
	tsdb_entropy_spread(plan->weight, plan->bins, plan->log, bin_of);
	for (uint32_t state = 0; state < size; state++)
		state_of[first[bin_of[state]] + filled[bin_of[state]]++] = (uint16_t) state;

	for (int i = 0; i < TSDB_ENTROPY_STATES; i++)
		states[i] = size;
	for (uint32_t i = plan->count; i-- > 0;)
	{
		uint32_t	low = 0;
		uint32_t	high = plan->bins;
		uint32_t	state = states[i % TSDB_ENTROPY_STATES];
		unsigned	width = 0;

		/* The last bin that begins at or below the value; the first may begin below 0. */
		while (high - low > 1)
		{
			uint32_t	middle = (low + high) / 2;

			if (plan->is_shaped ? (int64_t) plan->lower[middle] <= (int64_t) values[i] :
				plan->lower[middle] <= values[i])
				low = middle;
			else
				high = middle;
		}
		while (state >> width >= 2u * plan->weight[low])
			width++;
		steps[i] = (Step) {(uint16_t) (state & ((1u << width) - 1)), (uint8_t) width,
		(uint8_t) low};
		total += width + plan->width[low];
		states[i % TSDB_ENTROPY_STATES] = size +
			state_of[first[low] + (state >> width) - plan->weight[low]];
	}

	write_header(plan, out);
	room = tsdb_write_room(out, (total + 7) / 8);
	if (room == NULL)
		return TSDB_CODEC_OK;
	bits = (TsdbBitWriter) {room, 0, 0};
	for (int i = 0; i < TSDB_ENTROPY_STATES; i++)
	{
		uint64_t	state = states[i] - size;

		tsdb_bitpack_append(&bits, &state, 1, plan->log);
	}
	for (uint32_t i = 0; i < plan->count; i++)
	{
		uint64_t	step = steps[i].bits;
		uint64_t	offset = values[i] - plan->lower[steps[i].bin];

		tsdb_bitpack_append(&bits, &step, 1, steps[i].width);
		tsdb_bitpack_append(&bits, &offset, 1, plan->width[steps[i].bin]);
	}
	(void) tsdb_bitpack_finish(&bits);
	return TSDB_CODEC_OK;
}
