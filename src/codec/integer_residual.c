/*
 * integer_residual.c
 *		Residuals of predictions, and where a sample says that most lie.
 */
#include "codec/integer_residual.h"

#include <string.h>

#include "codec/dispatch.h"
#include "codec/divisor.h"
#include "codec/wire.h"

#define BLOCK		TSDB_VECTOR_BLOCK_ROWS
#define SAMPLE_ROWS	8
#define SAMPLE_LANES	8
#define SAMPLE_MAX	(SAMPLE_ROWS * SAMPLE_LANES)
#define CLOSE		128			/* values that are sorted by counting */
#define ROUGH_ROWS	32			/* of each block, which differences are looked at of */

static TSDB_CODEC_CLONES void
subtract(const uint64_t *from, uint32_t count, uint64_t reference, uint64_t *to)
{
	for (uint32_t i = 0; i < count; i++)
		to[i] = from[i] - reference;
}

void
tsdb_integer_subtract(uint64_t *numbers, uint32_t count, uint64_t reference)
{
	subtract(numbers, count, reference, numbers);
}

/*
 * Divide signed multiples of a positive number by it: by shifting out its factors of two, and by the
 * inverse of what is left.
 */
static TSDB_CODEC_CLONES void
divide(uint64_t *x, uint32_t count, uint64_t multiplier)
{
	unsigned	shift = (unsigned) __builtin_ctzll(multiplier);
	uint64_t	inverse = tsdb_odd_inverse(multiplier >> shift);

	for (uint32_t i = 0; i < count; i++)
		x[i] = (uint64_t) ((int64_t) x[i] >> shift) * inverse;
}

void
tsdb_integer_relative(const int64_t *values, uint32_t count, uint64_t multiplier, uint64_t *x)
{
	subtract((const uint64_t *) values, count, (uint64_t) values[0], x);
	if (multiplier > INT64_MAX)
		for (uint32_t i = 0; i < count; i++)
			x[i] = (uint64_t) ((int64_t) x[i] / (int64_t) multiplier);
	else if (multiplier != 1)
		divide(x, count, multiplier);
}

static TSDB_CODEC_CLONES void
take_residuals(const uint64_t *restrict x, uint32_t count, unsigned order,
			   uint64_t *restrict out)
{
	uint32_t	nblocks = tsdb_integer_blocks(count);

	for (uint32_t k = 0; k < nblocks; k++)
	{
		uint32_t	slots = tsdb_integer_slots(count, k, order);
		const uint64_t *from = x + k * BLOCK;
		uint64_t   *to = out + k * BLOCK;

		if (order == 0)
			memcpy(to, from, slots * sizeof(uint64_t));
		else if (order == 1)
			for (uint32_t i = 0; i < slots; i++)
				to[i] = from[i + 1] - from[i];
		else
			for (uint32_t i = 0; i < slots; i++)
				to[i] = from[i + 2] - 2 * from[i + 1] + from[i];
	}
}

void
tsdb_integer_residuals(const uint64_t *x, uint32_t count, unsigned order, uint64_t *out)
{
	take_residuals(x, count, order, out);
}

uint64_t
tsdb_integer_all_residuals(const uint64_t *x, uint32_t count, unsigned order,
						   uint64_t *out)
{
	int64_t		low = INT64_MAX;

	for (uint32_t i = order; i < count; i++)
	{
		uint64_t	residual = order == 0 ? x[i] : order == 1 ? x[i] - x[i - 1] :
			x[i] - 2 * x[i - 1] + x[i - 2];

		out[i - order] = residual;
		low = (int64_t) residual < low ? (int64_t) residual : low;
	}
	for (uint32_t i = 0; i < count - order; i++)
		out[i] -= (uint64_t) low;
	return (uint64_t) low;
}

static TSDB_CODEC_CLONES int64_t
least_residual(const uint64_t *residuals, uint32_t count, unsigned order)
{
	uint32_t	nblocks = tsdb_integer_blocks(count);
	int64_t		low = INT64_MAX;

	for (uint32_t k = 0; k < nblocks; k++)
	{
		uint32_t	slots = tsdb_integer_slots(count, k, order);
		const int64_t *block = (const int64_t *) residuals + k * BLOCK;

		for (uint32_t i = 0; i < slots; i++)
			low = block[i] < low ? block[i] : low;
	}
	return low == INT64_MAX ? 0 : low;
}

int64_t
tsdb_integer_least(const uint64_t *residuals, uint32_t count, unsigned order)
{
	return least_residual(residuals, count, order);
}

/* The size of a signed number. */
static inline uint64_t
size_of(uint64_t number)
{
	return (int64_t) number < 0 ? 0 - number : number;
}

/* By how much more often second differences are larger than first ones, less the mean of each, than they are smaller. */
static TSDB_CODEC_CLONES int64_t
roughness(const uint64_t *x, uint32_t count, uint64_t first_mean, uint64_t second_mean)
{
	int64_t		rough = 0;

	for (uint32_t i = 2; i < count; i++)
	{
		uint64_t	first = x[i] - x[i - 1];
		uint64_t	second = first - (x[i - 1] - x[i - 2]);
		uint64_t	first_size = size_of(first - first_mean);
		uint64_t	second_size = size_of(second - second_mean);

		rough += (second_size > first_size) - (second_size < first_size);
	}
	return rough;
}

bool
tsdb_integer_is_rough(const uint64_t *x, uint32_t count)
{
	int64_t		rough = 0;
	int64_t		looked_at = 0;
	int64_t		first_mean;
	int64_t		second_mean;

	if (count < ROUGH_ROWS)
		return false;
	first_mean = (int64_t) (x[count - 1] - x[0]) / (count - 1);
	second_mean = (int64_t) (x[count - 1] - x[count - 2] - (x[1] - x[0])) / (count - 2);
	for (uint32_t i = 0; i < count; i += BLOCK)
	{
		uint32_t	rows = count - i < ROUGH_ROWS ? count - i : ROUGH_ROWS;

		rough += roughness(x + i, rows, (uint64_t) first_mean, (uint64_t) second_mean);
		looked_at += rows;
	}
	return rough * 8 > looked_at;
}

/* The lesser of each two values goes to low. */
static inline void
exchange(int64_t *low, int64_t *high)
{
	for (int i = 0; i < SAMPLE_LANES; i++)
	{
		int64_t		a = low[i];
		int64_t		b = high[i];

		low[i] = a < b ? a : b;
		high[i] = a < b ? b : a;
	}
}

/* Merge two sorted runs, from both ends at once, so that neither can run out. */
static void
merge_runs(const int64_t *left, const int64_t *right, uint32_t length, int64_t *out)
{
	const int64_t *left_end = left + length - 1;
	const int64_t *right_end = right + length - 1;
	int64_t    *out_end = out + 2 * length - 1;

	for (uint32_t i = 0; i < length; i++)
	{
		bool		take = *right < *left;
		bool		take_end = *right_end < *left_end;

		*out++ = take ? *right : *left;
		right += take;
		left += !take;
		*out_end-- = take_end ? *left_end : *right_end;
		left_end -= take_end;
		right_end -= !take_end;
	}
}

/*
 * Ascending order of signed values, without a branch that depends on them: eight
 * sorted columns by the network of 19 comparisons (Knuth, volume 3, 5.3.4),
 * side by side, and then merges.
 */
static TSDB_CODEC_CLONES void
sort_sample(int64_t *sample)
{
	static const uint8_t network[][2] = {
		{0, 2}, {1, 3}, {4, 6}, {5, 7}, {0, 4}, {1, 5}, {2, 6}, {3, 7}, {0, 1}, {2, 3},
		{4, 5}, {6, 7}, {2, 4}, {3, 5}, {1, 4}, {3, 6}, {1, 2}, {3, 4}, {5, 6}
	};
	int64_t		columns[SAMPLE_MAX];
	int64_t		merged[SAMPLE_MAX];

	for (uint32_t i = 0; i < sizeof(network) / sizeof(network[0]); i++)
		exchange(sample + network[i][0] * SAMPLE_LANES, sample + network[i][1] * SAMPLE_LANES);
	for (uint32_t i = 0; i < SAMPLE_MAX; i++)
		columns[i] = sample[i % SAMPLE_ROWS * SAMPLE_LANES + i / SAMPLE_ROWS];
	for (uint32_t i = 0; i < SAMPLE_MAX; i += 2 * SAMPLE_ROWS)
		merge_runs(columns + i, columns + i + SAMPLE_ROWS, SAMPLE_ROWS, merged + i);
	for (uint32_t i = 0; i < SAMPLE_MAX; i += 4 * SAMPLE_ROWS)
		merge_runs(merged + i, merged + i + 2 * SAMPLE_ROWS, 2 * SAMPLE_ROWS, columns + i);
	merge_runs(columns, columns + 4 * SAMPLE_ROWS, 4 * SAMPLE_ROWS, sample);
}

/*
 * The best window over a sorted sample: for some numbers of values left
 * outside, to be patched, the narrowest window that holds all others.
 */
static TsdbWindow
best_window(const int64_t *sample, uint32_t count)
{
	TsdbWindow	best = {0, 0, 0};
	unsigned	full;

	if (count == 0)
		return best;
	full = tsdb_bit_length((uint64_t) sample[count - 1] - (uint64_t) sample[0]);
	best.low = sample[0];
	best.high = sample[count - 1];
	best.bits = full;
	for (uint32_t outside = 1; outside * 2 <= count; outside += 1 + outside / 4)
	{
		uint32_t	held = count - outside;
		uint64_t	least = UINT64_MAX;
		uint32_t	at = 0;
		unsigned	width;
		double		share = (double) outside / count;
		double		positions = share * 7 < 1 ? share * 7 : 1;
		double		bits;

		if (share * (full + 1) + positions >= best.bits)
			break;				/* not even without a bit for those inside */
		for (uint32_t i = 0; i + held <= count; i++)
		{
			uint64_t	spread = (uint64_t) sample[i + held - 1] - (uint64_t) sample[i];
			bool		less = spread < least;

			least = less ? spread : least;
			at = less ? i : at;
		}
		width = tsdb_bit_length(least);
		bits = width + share * (full - width + 1) + positions;
		if (bits < best.bits)
		{
			uint64_t	reach = width < 64 ? (uint64_t) 1 << width : 0;

			/* Centre the window over what it holds of the sample. */
			best.bits = bits;
			best.low = (int64_t) ((uint64_t) sample[at] - (reach - 1 - least) / 2);
			best.high = (int64_t) ((uint64_t) best.low + (reach - 1));
		}
	}
	return best;
}

/* The same of values that are close together, by counting them; false if they are not. */
static bool
count_sample(int64_t *sample, uint32_t count)
{
	uint8_t		places[CLOSE] = {0};
	int64_t		copy[SAMPLE_MAX];
	int64_t		low = INT64_MAX;
	int64_t		high = INT64_MIN;
	uint8_t		next = 0;

	for (uint32_t i = 0; i < count; i++)
	{
		copy[i] = sample[i];
		low = sample[i] < low ? sample[i] : low;
		high = sample[i] > high ? sample[i] : high;
	}
	if (count == 0 || (uint64_t) high - (uint64_t) low >= CLOSE)
		return false;
	for (uint32_t i = 0; i < count; i++)
		places[copy[i] - low]++;
	for (uint32_t value = 0; value <= (uint64_t) high - (uint64_t) low; value++)
	{
		uint8_t		here = places[value];

		places[value] = next;
		next = (uint8_t) (next + here);
	}
	for (uint32_t i = 0; i < count; i++)
		sample[places[copy[i] - low]++] = copy[i];
	return true;
}

TsdbWindow
tsdb_integer_window(const uint64_t *x, uint32_t count, unsigned order)
{
	int64_t		sample[SAMPLE_MAX];
	uint32_t	taken = 0;
	uint32_t	step = count <= SAMPLE_MAX ? 1 : count / SAMPLE_MAX;

	for (uint32_t i = 0; i < count && taken < SAMPLE_MAX; i += step)
	{
		if (i % BLOCK >= tsdb_integer_slots(count, i / BLOCK, order))
			continue;
		sample[taken++] = (int64_t) (order == 0 ? x[i] : order == 1 ? x[i + 1] - x[i] :
									 x[i + 2] - 2 * x[i + 1] + x[i]);
	}
	if (!count_sample(sample, taken))
	{
		for (uint32_t i = taken; i < SAMPLE_MAX; i++)
			sample[i] = INT64_MAX;
		sort_sample(sample);
	}
	return best_window(sample, taken);
}
