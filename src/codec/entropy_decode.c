/*
 * entropy_decode.c
 *		Reads integers coded by bins.
 *
 * Four states take turns, so that four table lookups are under way at once.
 * Weights are checked to sum to the table's size and offsets are added modulo
 * 2^64: whatever the bits say, every state is inside of the table, and only
 * the end of the bytes needs to be watched.
 */
#include "codec/entropy.h"

#include "codec/bitpack.h"
#include "codec/dispatch.h"
#include "codec/entropy_format.h"

/* One load holds all bits of a value with offsets up to this width. */
#define NARROW_WIDTH_MAX	(57 - TSDB_ENTROPY_LOG_MAX)

/* Read bins that follow no curve; log has been read. */
static TsdbCodecStatus
read_bins(TsdbReader *in, uint32_t log, TsdbEntropyReader *reader, uint16_t *weight,
		  uint32_t *nbins)
{
	uint32_t	bins = tsdb_read_byte(in) + 1u;
	unsigned	weight_width = tsdb_read_byte(in);
	unsigned	offset_width = tsdb_read_byte(in);
	uint32_t	sum = 0;
	const uint8_t *weights;
	const uint8_t *offsets;

	if (in->broken || log < TSDB_ENTROPY_LOG_MIN || log > TSDB_ENTROPY_LOG_MAX ||
		bins > TSDB_ENTROPY_BINS_MAX || weight_width > TSDB_ENTROPY_LOG_MAX ||
		offset_width > 7)
		return TSDB_CODEC_CORRUPT;
	weights = tsdb_read_bytes(in, tsdb_bitpack_bytes(bins, weight_width));
	offsets = tsdb_read_bytes(in, tsdb_bitpack_bytes(bins, offset_width));
	if (in->broken)
		return TSDB_CODEC_CORRUPT;
	for (uint32_t bin = 0; bin < bins; bin++)
	{
		weight[bin] = (uint16_t) (tsdb_bitpack_get(weights, in->end, bin * weight_width,
												   weight_width) + 1);
		reader->width[bin] = (uint8_t) tsdb_bitpack_get(offsets, in->end, bin * offset_width,
														offset_width);
		reader->lower[bin] = bin == 0 ? 0 : reader->lower[bin - 1] + tsdb_read_varint(in);
		sum += weight[bin];
		if (reader->width[bin] > 64)
			return TSDB_CODEC_CORRUPT;
	}
	*nbins = bins;
	return in->broken || sum != 1u << log ? TSDB_CODEC_CORRUPT : TSDB_CODEC_OK;
}

TsdbCodecStatus
tsdb_entropy_open(TsdbReader in, TsdbEntropyReader *reader)
{
	uint16_t	weight[TSDB_ENTROPY_BINS_MAX];
	uint16_t	next[TSDB_ENTROPY_BINS_MAX];
	uint8_t		bin_of[1 << TSDB_ENTROPY_LOG_MAX];
	uint32_t	log = tsdb_read_byte(&in);
	uint32_t	bins;
	uint32_t	size;

	if (log & TSDB_SHAPE_FLAG)
	{
		TsdbShape	shape = tsdb_shape_read((uint8_t) log, &in);

		bins = in.broken ? 0 : tsdb_shape_bins(&shape, reader->lower, reader->width, weight);
		if (bins == 0)
			return TSDB_CODEC_CORRUPT;
		log = shape.log;
	}
	else if (read_bins(&in, log, reader, weight, &bins) != TSDB_CODEC_OK)
		return TSDB_CODEC_CORRUPT;
	size = 1u << log;

	memcpy(next, weight, bins * sizeof(uint16_t));
	tsdb_entropy_spread(weight, bins, log, bin_of);
	for (uint32_t state = 0; state < size; state++)
	{
		uint32_t	rank = next[bin_of[state]]++;
		uint32_t	bits = log + 1 - tsdb_bit_length(rank);

		reader->table[state].bin = bin_of[state];
		reader->table[state].bits = (uint8_t) bits;
		reader->table[state].base = (uint16_t) ((rank << bits) - size);
	}

	reader->is_narrow = true;
	for (uint32_t bin = 0; bin < bins; bin++)
		if (reader->width[bin] > NARROW_WIDTH_MAX)
			reader->is_narrow = false;
	reader->src = in.at;
	reader->end = in.end;
	reader->bit = 0;
	if (tsdb_reader_left(&in) * 8 < TSDB_ENTROPY_STATES * log)
		return TSDB_CODEC_CORRUPT;
	for (int i = 0; i < TSDB_ENTROPY_STATES; i++, reader->bit += log)
		reader->state[i] = (uint32_t) tsdb_bitpack_get(in.at, in.end, reader->bit, log);
	return TSDB_CODEC_OK;
}

/* One value near the end of the bytes or with a wide offset; false past the end. */
static bool
read_slowly(TsdbEntropyReader *reader, uint32_t turn, uint64_t *out)
{
	uint32_t	state = reader->state[turn];
	unsigned	bin = reader->table[state].bin;
	unsigned	bits = reader->table[state].bits;
	unsigned	width = reader->width[bin];
	size_t		limit = (size_t) (reader->end - reader->src) * 8;

	if (limit - reader->bit < bits + width)
		return false;
	reader->state[turn] = reader->table[state].base +
		(uint32_t) tsdb_bitpack_get(reader->src, reader->end, reader->bit, bits);
	reader->bit += bits;
	*out = reader->lower[bin] +
		tsdb_bitpack_get(reader->src, reader->end, reader->bit, width);
	reader->bit += width;
	return true;
}

/*
 * Values in rounds of one per state, as many as cannot reach the end of the
 * bytes: none takes more than eight.  Returns how many.
 */
static TSDB_CODEC_CLONES uint32_t
read_rounds(TsdbEntropyReader *reader, uint32_t count, uint64_t *out)
{
	size_t		safe = ((size_t) (reader->end - reader->src) - reader->bit / 8) / 8;
	size_t		bit = reader->bit;
	uint32_t	state[TSDB_ENTROPY_STATES];

	if (safe < count)
		count = (uint32_t) safe;
	count -= count % TSDB_ENTROPY_STATES;
	memcpy(state, reader->state, sizeof(state));
	for (uint32_t i = 0; i < count; i += TSDB_ENTROPY_STATES)
		for (uint32_t turn = 0; turn < TSDB_ENTROPY_STATES; turn++)
		{
			uint64_t	word = tsdb_load64(reader->src + bit / 8) >> bit % 8;
			unsigned	bin = reader->table[state[turn]].bin;
			unsigned	bits = reader->table[state[turn]].bits;
			unsigned	width = reader->width[bin];

			state[turn] = reader->table[state[turn]].base +
				(uint32_t) (word & ((1u << bits) - 1));
			out[i + turn] = reader->lower[bin] +
				(word >> bits & (((uint64_t) 1 << width) - 1));
			bit += bits + width;
		}
	memcpy(reader->state, state, sizeof(state));
	reader->bit = bit;
	return count;
}

TsdbCodecStatus
tsdb_entropy_read(TsdbEntropyReader *reader, uint32_t count, uint64_t *out)
{
	uint32_t	done = 0;
	uint32_t	some = reader->is_narrow ? count : 0;

	/* Values take less than was feared, so there are further rounds. */
	for (; some > 0; done += some)
		some = read_rounds(reader, count - done, out + done);
	for (; done < count; done++)
		if (!read_slowly(reader, done % TSDB_ENTROPY_STATES, &out[done]))
			return TSDB_CODEC_CORRUPT;
	return TSDB_CODEC_OK;
}
