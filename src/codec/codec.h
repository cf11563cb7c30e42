/*
 * codec.h
 *		One vector: up to 1024 values of one column, encoded and decoded.
 *
 * This library is plain C11: no server headers, no allocation, no global
 * state besides constant tables and the run-time choice of an instruction
 * set.  Every buffer is the caller's.  Every function that can fail returns a
 * TsdbCodecStatus or a negative length; nothing aborts and nothing longjmps.
 *
 * An encoded vector is self-contained: it states its version, type, codec,
 * number of rows and which of them are null.  Decoders are safe on any input
 * bytes: they return TSDB_CODEC_CORRUPT and never read or write outside the
 * buffers they were given.  Checksums belong to the layer that stores bytes.
 */
#ifndef TSDB_CODEC_CODEC_H
#define TSDB_CODEC_CODEC_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

#define TSDB_VECTOR_ROWS_MAX	1024
#define TSDB_VECTOR_BLOCK_ROWS	128		/* rows of a block that decodes alone */
#define TSDB_VECTOR_NULL_BYTES	(TSDB_VECTOR_ROWS_MAX / 8)

typedef enum TsdbCodecStatus
{
	TSDB_CODEC_OK = 0,
	TSDB_CODEC_CORRUPT = -1,	/* stored bytes break the format */
	TSDB_CODEC_NO_SPACE = -2,	/* the caller's buffer is too small */
	TSDB_CODEC_INVALID = -3,	/* the caller's arguments make no sense */
	TSDB_CODEC_FAILED = -4		/* the compression library failed (out of memory) */
} TsdbCodecStatus;

/* How the values of a vector are handed over. */
typedef enum TsdbVectorType
{
	TSDB_VECTOR_INT = 1,		/* int64_t carriers; width 1, 2, 4 or 8 says how
								 * many low bytes count (values are sign-extended) */
	TSDB_VECTOR_FLOAT4 = 2,		/* uint32_t bit patterns */
	TSDB_VECTOR_FLOAT8 = 3,		/* uint64_t bit patterns */
	TSDB_VECTOR_FIXED = 4,		/* width bytes each, back to back */
	TSDB_VECTOR_BYTES = 5		/* variable length, offsets[nrows + 1] into data */
} TsdbVectorType;

typedef enum TsdbCodecLevel
{
	TSDB_LEVEL_FAST = 0,		/* no entropy coder over numbers */
	TSDB_LEVEL_COLD = 1,		/* smallest, decodes slower */
	TSDB_LEVEL_TRIED = 2		/* as fast, but every candidate is written: slow, what
								 * the chooser of fast is measured against */
} TsdbCodecLevel;

/*
 * A vector in memory.  Arrays are positional: entry i belongs to row i, and
 * the entry of a null row exists but its content is ignored by encoders and
 * zeroed by decoders (a null row of BYTES is empty).
 *
 * nulls is a bitmap, bit i % 8 of byte i / 8 set means row i is null; a null
 * pointer means no row is null (input only; decoders always fill it).
 */
typedef struct TsdbVector
{
	TsdbVectorType type;
	uint32_t	width;			/* INT: 1, 2, 4, 8; FIXED: bytes per value */
	uint32_t	nrows;			/* 0 to TSDB_VECTOR_ROWS_MAX */
	uint8_t    *nulls;
	union
	{
		int64_t    *ints;
		uint32_t   *float4s;
		uint64_t   *float8s;
		uint8_t    *data;		/* FIXED and BYTES */
	};
	uint32_t   *offsets;		/* BYTES: nrows + 1 ascending offsets into data */
} TsdbVector;

/* What a reader learns from a vector's header without decoding it. */
typedef struct TsdbVectorInfo
{
	TsdbVectorType type;
	uint32_t	width;
	uint32_t	nrows;
	uint32_t	nnulls;
	uint8_t		codec;			/* TsdbCodecId; name by tsdb_codec_name() */
	size_t		raw_bytes;		/* BYTES, FIXED: size of data when decoded */
} TsdbVectorInfo;

/* Largest encoded size of a vector: what a dst buffer must hold to never see
 * TSDB_CODEC_NO_SPACE.  data_bytes is the size of data for FIXED and BYTES. */
extern size_t tsdb_codec_encode_bound(const TsdbVector *vector, size_t data_bytes);

/* Scratch memory that encode and decode need for such a vector, 16-byte
 * aligned; contents need not survive between calls.  Bounded by a small
 * multiple of the raw size. */
extern size_t tsdb_codec_scratch_bytes(TsdbVectorType type, uint32_t width,
									   size_t data_bytes);

/* Encode; the chooser picks the codec.  Returns bytes written to dst, or a
 * negative TsdbCodecStatus. */
extern ptrdiff_t tsdb_codec_encode(const TsdbVector *vector, TsdbCodecLevel level,
								   void *scratch, size_t scratch_bytes,
								   uint8_t *dst, size_t dst_bytes);

/* Read a vector's header. */
extern TsdbCodecStatus tsdb_codec_inspect(const uint8_t *src, size_t src_bytes,
										  TsdbVectorInfo *info);

/* Decode a whole vector.  out's arrays are the caller's, sized by inspect:
 * nrows entries (rounded up to a multiple of TSDB_VECTOR_BLOCK_ROWS) for
 * numbers, raw_bytes of data and nrows + 1 offsets for BYTES, and
 * TSDB_VECTOR_NULL_BYTES of nulls.  type, width and nrows are filled in. */
extern TsdbCodecStatus tsdb_codec_decode(const uint8_t *src, size_t src_bytes,
										 void *scratch, size_t scratch_bytes,
										 TsdbVector *out);

/* The same for rows [first, first + count) only, first a multiple of
 * TSDB_VECTOR_BLOCK_ROWS; costs about the blocks touched where the codec
 * allows it.  out is filled from entry 0. */
extern TsdbCodecStatus tsdb_codec_decode_range(const uint8_t *src, size_t src_bytes,
											   uint32_t first, uint32_t count,
											   void *scratch, size_t scratch_bytes,
											   TsdbVector *out);

/*
 * Values between two bounds, either of which may be missing.  Integers are
 * compared with integer, floats of both widths with real, and as PostgreSQL
 * compares them: NaN equals NaN and is greater than all else, -0 equals 0.
 */
typedef struct TsdbCodecBound
{
	bool		exists;
	bool		open;			/* the bound itself is outside */
	int64_t		integer;
	double		real;
} TsdbCodecBound;

typedef struct TsdbCodecRange
{
	TsdbCodecBound low;
	TsdbCodecBound high;
} TsdbCodecRange;

/*
 * Which of rows [first, first + count) of a numeric vector have values in a
 * range; null rows have none.  Bit i of matches, TSDB_VECTOR_NULL_BYTES of
 * them, stands for row first + i; further bits are zero.  first is a multiple
 * of TSDB_VECTOR_BLOCK_ROWS.
 *
 * Values are not decoded where the encoding tells: constants, runs and
 * dictionary entries are compared once, decimals as integers, and blocks of
 * integers by the least and greatest value that their header allows.
 */
extern TsdbCodecStatus tsdb_codec_select(const uint8_t *src, size_t src_bytes,
										 const TsdbCodecRange *range, uint32_t first,
										 uint32_t count, void *scratch,
										 size_t scratch_bytes, uint8_t *matches);

/* A sum over rows that are not null. */
typedef struct TsdbCodecSum
{
	uint32_t	count;			/* how many there were */
	int64_t		high;			/* integers: two's complement of 128 bits */
	uint64_t	low;
	double		real;			/* floats: added up in the order of rows */
} TsdbCodecSum;

/*
 * Sum over rows [first, first + count) of a numeric vector, or over those of
 * them whose bits in rows, a bitmap like that of tsdb_codec_select, are set.
 * Sums of integers are exact, and constants and runs are not spread out for
 * them.
 */
extern TsdbCodecStatus tsdb_codec_sum(const uint8_t *src, size_t src_bytes,
									  uint32_t first, uint32_t count,
									  const uint8_t *rows, void *scratch,
									  size_t scratch_bytes, TsdbCodecSum *sum);

/* Name of a codec id as shown to users ("constant", "delta", "decimal", …),
 * or NULL if there is no such codec. */
extern const char *tsdb_codec_name(uint8_t codec);

#endif							/* TSDB_CODEC_CODEC_H */
