/*
 * entropy.h
 *		Integers by bins and an entropy coder: what level cold adds.
 *
 * The range of the integers is cut into bins, few and narrow where values are
 * many.  A value is its bin, coded by tANS in close to log2(1 / share) bits,
 * and its offset inside the bin in the bin's own number of bits.
 *
 * tANS after Duda, "Asymmetric numeral systems", arXiv:1311.2540; bins chosen
 * by cost in the manner of pcodec (Loncaric, 2025).
 *
 *		log				byte, 5 to 10: weights sum to T = 2^log
 *		bins			byte, their number less one, 0 to 63
 *		weight width	byte
 *		offset width	byte
 *		weights			packed: weight less one of each bin
 *		offset bits		packed: width of the offsets of each bin, 0 to 64
 *		steps			varints, one less than bins: lower end of a bin less
 *						that of the bin before; the first bin begins at 0
 *
 * or, where bins follow a curve, what entropy_shape.h says in place of all these; then
 *
 *		bits			four states of log bits, then for each value the bits
 *						that lead to the next state, and its offset
 */
#ifndef TSDB_CODEC_ENTROPY_H
#define TSDB_CODEC_ENTROPY_H

#include "codec/codec.h"
#include "codec/entropy_shape.h"
#include "codec/wire.h"

#define TSDB_ENTROPY_BINS_MAX	64
#define TSDB_ENTROPY_LOG_MIN	5
#define TSDB_ENTROPY_LOG_MAX	10
#define TSDB_ENTROPY_STATES		4

/* Scratch that planning and writing take from the arena. */
#define TSDB_ENTROPY_SCRATCH	(48 * 1024)

/* The bins of a sequence, and what coding it by them costs. */
typedef struct TsdbEntropyPlan
{
	uint32_t	count;
	uint32_t	bins;
	uint32_t	log;
	uint64_t	lower[TSDB_ENTROPY_BINS_MAX];
	uint8_t		width[TSDB_ENTROPY_BINS_MAX];
	uint16_t	weight[TSDB_ENTROPY_BINS_MAX];
	double		bits;			/* estimate of the whole, header included */
	uint64_t	base;			/* what is written are the integers less this */
	bool		is_shaped;
	TsdbShape	shape;			/* of the bins, if so */
} TsdbEntropyPlan;

/* A decoder in the middle of its bits. */
typedef struct TsdbEntropyReader
{
	const uint8_t *src;
	const uint8_t *end;
	size_t		bit;
	uint32_t	state[TSDB_ENTROPY_STATES];
	bool		is_narrow;		/* all offsets are short enough for one load */
	uint64_t	lower[TSDB_ENTROPY_BINS_MAX];
	uint8_t		width[TSDB_ENTROPY_BINS_MAX];
	struct
	{
		uint8_t		bin;
		uint8_t		bits;		/* to read for the next state */
		uint16_t	base;		/* which is this plus them */
	}			table[1 << TSDB_ENTROPY_LOG_MAX];
} TsdbEntropyReader;

/*
 * Choose bins for count (1 or more) integers, the least of which is 0.  Lower ends
 * are those of the integers, so that a reader who adds base finds them.
 */
extern TsdbCodecStatus tsdb_entropy_plan(const uint64_t *values, uint32_t count,
										 TsdbArena arena, TsdbEntropyPlan *plan);

/* Write the same integers by the plan. */
extern TsdbCodecStatus tsdb_entropy_write(const uint64_t *values,
										  const TsdbEntropyPlan *plan,
										  TsdbArena arena, TsdbWriter *out);

/* Read the header; the reader then stands before the first value. */
extern TsdbCodecStatus tsdb_entropy_open(TsdbReader in, TsdbEntropyReader *reader);

/*
 * The next count values.  All calls but the last must ask for multiples of
 * TSDB_ENTROPY_STATES.
 */
extern TsdbCodecStatus tsdb_entropy_read(TsdbEntropyReader *reader, uint32_t count,
										 uint64_t *out);

#endif							/* TSDB_CODEC_ENTROPY_H */
