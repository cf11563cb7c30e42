/*
 * codec_format.h
 *		Numbers that are stored in encoded vectors; see docs/codec-format.md.
 *
 *		byte 0   vvv f n kkk	version, full (1024 rows), nulls present, kind
 *		varint   rows			unless full
 *		varint   width			FIXED only
 *		varint   data bytes		BYTES only
 *		nulls					if present, see nulls.h
 *		body					unless no row has a value
 *
 * A body is a codec id and that codec's payload, which ends where the bytes
 * end; bodies nest (run values, dictionary entries).  Bit 7 of the outermost
 * codec id says that the rest is a zstd frame holding the payload.
 */
#ifndef TSDB_CODEC_CODEC_FORMAT_H
#define TSDB_CODEC_CODEC_FORMAT_H

#define TSDB_FORMAT_VERSION			1
#define TSDB_FORMAT_VERSION_SHIFT	5
#define TSDB_FORMAT_FULL			0x10
#define TSDB_FORMAT_NULLS			0x08
#define TSDB_FORMAT_KIND_MASK		0x07
#define TSDB_FORMAT_SQUEEZED		0x80	/* on the outermost codec id */

/* The type and width of the values. */
typedef enum TsdbKind
{
	TSDB_KIND_INT1 = 0,
	TSDB_KIND_INT2 = 1,
	TSDB_KIND_INT4 = 2,
	TSDB_KIND_INT8 = 3,
	TSDB_KIND_FLOAT4 = 4,
	TSDB_KIND_FLOAT8 = 5,
	TSDB_KIND_FIXED = 6,
	TSDB_KIND_BYTES = 7
} TsdbKind;

/* What a body's first byte may be.  Ids are never reused. */
typedef enum TsdbCodecId
{
	TSDB_CODEC_NULL = 0,		/* no value at all; never stored */
	TSDB_CODEC_CONSTANT = 1,	/* all values equal */
	TSDB_CODEC_STEP = 2,		/* all differences equal */
	TSDB_CODEC_FRAME = 3,		/* differences from one value, packed */
	TSDB_CODEC_DELTA = 4,		/* differences, packed */
	TSDB_CODEC_DELTA2 = 5,		/* differences of differences, packed */
	TSDB_CODEC_RUNS = 6,		/* run lengths and run values */
	TSDB_CODEC_DICTIONARY = 7,	/* distinct values and codes */
	TSDB_CODEC_DECIMAL = 8,		/* integers over a divisor */
	TSDB_CODEC_DECIMAL_ULP = 9, /* the same with corrections in last places */
	TSDB_CODEC_GORILLA = 10,	/* XOR with the previous value */
	TSDB_CODEC_RAW = 11,		/* as is */
	TSDB_CODEC_ZSTD = 12,		/* FIXED and BYTES: a zstd frame */
	TSDB_CODEC_FRONT = 13		/* FIXED and BYTES: shared prefixes and suffixes */
} TsdbCodecId;

static inline int
tsdb_kind_is_float(TsdbKind kind)
{
	return kind == TSDB_KIND_FLOAT4 || kind == TSDB_KIND_FLOAT8;
}

/* Bytes of one value of a numeric kind. */
static inline unsigned
tsdb_kind_width(TsdbKind kind)
{
	return kind <= TSDB_KIND_INT8 ? 1u << kind : kind == TSDB_KIND_FLOAT4 ? 4 : 8;
}

#endif							/* TSDB_CODEC_CODEC_FORMAT_H */
