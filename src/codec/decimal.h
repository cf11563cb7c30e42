/*
 * decimal.h
 *		Floats as integers over a common divisor, bit for bit reversible.
 *
 * What people record in floats are mostly printed decimals, float32 values
 * widened, or quotients of integers.  Each such value is d / M for an integer d
 * and a divisor M that the vector shares; d is what gets coded.
 */
#ifndef TSDB_CODEC_DECIMAL_H
#define TSDB_CODEC_DECIMAL_H

#include "codec/codec.h"
#include "codec/codec_format.h"
#include "codec/wire.h"

/*
 * Write a DECIMAL or DECIMAL_ULP body for count bit patterns of a float kind,
 * if a divisor is found under which that can pay.  *written says whether
 * something was written.
 */
extern TsdbCodecStatus tsdb_decimal_encode(TsdbKind kind, const uint64_t *bits,
										   uint32_t count, TsdbCodecLevel level,
										   TsdbArena arena, TsdbWriter *out,
										   bool *written);

/* Decode blocks [first, last) of a payload into whole blocks of bit patterns. */
extern TsdbCodecStatus tsdb_decimal_decode(TsdbKind kind, TsdbCodecId codec,
										   TsdbReader in, uint32_t count,
										   uint32_t first, uint32_t last,
										   TsdbArena arena, uint64_t *out);

/* A payload up to its integer bodies. */
typedef struct TsdbDecimalHeader
{
	double		divisor;
	bool		single;
	bool		wide;
	uint32_t	exceptions;
	TsdbReader	gaps;
	TsdbReader	patterns;
} TsdbDecimalHeader;

/* Read the header; in is left at the corrections or integers. */
extern TsdbCodecStatus tsdb_decimal_open(TsdbKind kind, TsdbReader *in, uint32_t count,
										 TsdbDecimalHeader *header);

/*
 * The next exception: its position plus one in *next, which begins at 0, and
 * its pattern of width bytes.  To be called as often as there are exceptions.
 */
extern TsdbCodecStatus tsdb_decimal_next_exception(TsdbDecimalHeader *header,
												   unsigned width, uint32_t count,
												   uint32_t *next, uint64_t *pattern);

/* Scales that the chooser knows without looking at the data. */
#define TSDB_DECIMAL_SCALES		144

/*
 * Write a body by scale n of them, whether or not it serves the vector: what
 * the choice is measured against.
 */
extern TsdbCodecStatus tsdb_decimal_encode_by(TsdbKind kind, const uint64_t *bits,
											  uint32_t count, int n,
											  TsdbCodecLevel level, TsdbArena arena,
											  TsdbWriter *out);

#endif							/* TSDB_CODEC_DECIMAL_H */
