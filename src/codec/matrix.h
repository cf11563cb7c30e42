/*
 * matrix.h
 *		Many numeric vectors of the same rows, coded in two dimensions.
 *
 * The buckets of a histogram over time and the series of one scrape are
 * columns, here called lanes, that share their timestamps and often their
 * movements.  A lane is coded alone, or as what it differs by from an earlier
 * one: cumulative buckets so lose what is counted below them, a count that
 * equals the last bucket or a gauge that is exported twice costs a byte.  A
 * second lane may be added or subtracted, for totals beside their parts.  The
 * difference, a sequence over time, is then coded as any vector is.
 *
 * Lanes that never change need no body: their values are a vector of their own.
 *
 *		byte 0			version, full and kind, as a vector has them
 *		varint			rows, unless full
 *		varint			lanes
 *		bodies			of the lanes that have one, in order
 *		directory		section: form of each lane (INT8 body)
 *						section: seconds (INT8 body), if a form asks for any
 *						section: values of the constant lanes, if there are any
 *						section: lengths of bodies (INT8 body), if there are any
 *		4 bytes			length of the directory
 *
 * Sizes are bounded as vectors are: at most TSDB_VECTOR_ROWS_MAX rows and
 * TSDB_MATRIX_LANES_MAX lanes.  Everything that codec.h says about memory,
 * errors and hostile bytes holds here, too.
 */
#ifndef TSDB_CODEC_MATRIX_H
#define TSDB_CODEC_MATRIX_H

#include "codec/codec.h"

#define TSDB_MATRIX_LANES_MAX	1024

/* An encoded matrix whose directory has been read.  src must stay where it is. */
typedef struct TsdbMatrix
{
	TsdbVectorType type;		/* INT, FLOAT4 or FLOAT8 */
	uint32_t	width;
	uint32_t	nrows;			/* 1 to TSDB_VECTOR_ROWS_MAX */
	uint32_t	nlanes;			/* 1 to TSDB_MATRIX_LANES_MAX */
	const uint8_t *bodies;
	uint16_t	forms[TSDB_MATRIX_LANES_MAX];
	uint16_t	seconds[TSDB_MATRIX_LANES_MAX];
	uint32_t	ends[TSDB_MATRIX_LANES_MAX];	/* of bodies, from their start */
	uint64_t	constants[TSDB_MATRIX_LANES_MAX];	/* of lanes that are */
} TsdbMatrix;

/* Largest encoded size, and scratch memory that all functions here can need. */
extern size_t tsdb_matrix_bound(uint32_t nlanes);
extern size_t tsdb_matrix_scratch_bytes(uint32_t nlanes);

/*
 * Encode lanes, which must be numeric and alike in type, width and number of
 * rows, of which there is at least one.  Returns bytes written to dst, or a
 * negative TsdbCodecStatus.
 */
extern ptrdiff_t tsdb_matrix_encode(const TsdbVector *lanes, uint32_t nlanes,
									TsdbCodecLevel level, void *scratch,
									size_t scratch_bytes, uint8_t *dst, size_t dst_bytes);

/* Read the directory. */
extern TsdbCodecStatus tsdb_matrix_open(const uint8_t *src, size_t src_bytes,
										void *scratch, size_t scratch_bytes,
										TsdbMatrix *matrix);

/*
 * Decode rows [first, first + count) of a lane, first a multiple of
 * TSDB_VECTOR_BLOCK_ROWS, into out as tsdb_codec_decode_range does.  before
 * holds the same rows of all earlier lanes; without it (NULL), those that this
 * one leans on are decoded on the way.
 */
extern TsdbCodecStatus tsdb_matrix_decode(const TsdbMatrix *matrix, uint32_t lane,
										  uint32_t first, uint32_t count,
										  const TsdbVector *before, void *scratch,
										  size_t scratch_bytes, TsdbVector *out);

#endif							/* TSDB_CODEC_MATRIX_H */
