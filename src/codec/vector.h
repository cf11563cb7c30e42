/*
 * vector.h
 *		What vectors and matrices of them share: kinds, and dense carriers.
 */
#ifndef TSDB_CODEC_VECTOR_H
#define TSDB_CODEC_VECTOR_H

#include "codec/codec.h"
#include "codec/codec_format.h"
#include "codec/wire.h"

/* A vector's header, read. */
typedef struct TsdbVectorHeader
{
	TsdbKind	kind;
	uint32_t	width;			/* FIXED only */
	uint32_t	nrows;
	uint32_t	nnulls;
	size_t		raw_bytes;		/* FIXED and BYTES */
	TsdbReader	body;			/* empty if no row has a value */
	uint8_t		nulls[TSDB_VECTOR_NULL_BYTES];	/* set if nnulls > 0 */
} TsdbVectorHeader;

extern TsdbCodecStatus tsdb_vector_read_header(const uint8_t *src, size_t src_bytes,
											   TsdbVectorHeader *header);

/* If a numeric body is behind zstd, unwrap it into scratch, codec id first. */
extern TsdbCodecStatus tsdb_vector_unsqueeze(TsdbReader *body, TsdbArena *arena);

/*
 * Read the header of a numeric vector for who works on rows [first, first + count)
 * of it, first being the start of a block: [*from, *to) are their places among the
 * values that are not null.  The body is unwrapped if there are any.  INVALID if
 * there are no such rows, or the arena is not aligned.
 */
extern TsdbCodecStatus tsdb_vector_open(const uint8_t *src, size_t src_bytes, uint32_t first,
										uint32_t count, TsdbArena *arena,
										TsdbVectorHeader *header, uint32_t *from,
										uint32_t *to);

/* The kind of a vector's values, or -1 if its type and width make none. */
extern int	tsdb_vector_kind(const TsdbVector *vector);

/* The type of vectors that hold values of a kind. */
extern TsdbVectorType tsdb_vector_type(TsdbKind kind);

/*
 * The values of the rows that are not null, as 64-bit carriers (see number.h);
 * returns how many.  dense has room for nrows of them.
 */
extern uint32_t tsdb_vector_gather(const TsdbVector *vector, TsdbKind kind,
								   uint64_t *dense);

/*
 * The way back: dense values to the rows of out whose bits in out->nulls are
 * not set.
 */
extern void tsdb_vector_spread(const uint64_t *dense, TsdbKind kind, TsdbVector *out);

#endif							/* TSDB_CODEC_VECTOR_H */
