/*
 * number.h
 *		Bodies of numeric vectors: the chooser and the way back.
 *
 * Values are handed over as 64-bit carriers: integers sign-extended, float8
 * patterns as they are, float4 patterns zero-extended.  There are no nulls
 * here; vector.c has taken them out.
 */
#ifndef TSDB_CODEC_NUMBER_H
#define TSDB_CODEC_NUMBER_H

#include "codec/codec.h"
#include "codec/codec_format.h"
#include "codec/wire.h"

/* No body is longer than this. */
#define TSDB_NUMBER_BYTES_MAX	(TSDB_VECTOR_ROWS_MAX * 8 + 1024)

/* Scratch that the functions below need at most. */
#define TSDB_NUMBER_SCRATCH		(256 * 1024)

/* Codecs that hold bodies themselves nest once. */
#define TSDB_NUMBER_DEPTH_MAX	1

/* Write the smallest body found for count (1 or more) values. */
extern TsdbCodecStatus tsdb_number_encode(TsdbKind kind, const uint64_t *values,
										  uint32_t count, TsdbCodecLevel level,
										  unsigned depth, TsdbArena arena,
										  TsdbWriter *out);

/* The same as a section: the body behind its length. */
extern TsdbCodecStatus tsdb_number_encode_section(TsdbKind kind, const uint64_t *values,
												  uint32_t count, TsdbCodecLevel level,
												  TsdbArena arena, TsdbWriter *out);

/*
 * Decode blocks [first, last) of a body of count values; out receives whole
 * blocks, of which entries past count are unspecified.
 */
extern TsdbCodecStatus tsdb_number_decode(TsdbKind kind, TsdbReader in,
										  uint32_t count, uint32_t first,
										  uint32_t last, unsigned depth,
										  TsdbArena arena, uint64_t *out);

#endif							/* TSDB_CODEC_NUMBER_H */
