/*
 * chunk_body.h
 *		Parsing and writing the body of a chunk.
 *
 * The bytes are drawn in chunk_format.h; this module turns them into plain
 * structs and back.  Like the codec it is plain C11 without server headers
 * and without allocation, so that it is fuzzed and tested alone.  Parsers are
 * safe on any bytes: they return the reason why bytes are not a body, as a
 * static string for the error's detail, or NULL if they are.
 */
#ifndef TSDB_CHUNK_CHUNK_BODY_H
#define TSDB_CHUNK_CHUNK_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chunk/chunk_format.h"

/* How the values of a column are represented. */
typedef enum TsdbBodyKind
{
	TSDB_BODY_NULL = 0,			/* every row is null, there is no vector */
	TSDB_BODY_INT1 = 1,
	TSDB_BODY_INT2 = 2,
	TSDB_BODY_INT4 = 3,
	TSDB_BODY_INT8 = 4,
	TSDB_BODY_FLOAT4 = 5,
	TSDB_BODY_FLOAT8 = 6,
	TSDB_BODY_FIXED = 7,
	TSDB_BODY_BYTES = 8,
	TSDB_BODY_DECIMAL = 9,		/* numeric as an integer over 10^scale */
	TSDB_BODY_KINDS
} TsdbBodyKind;

/* Where the bytes of a vector are. */
typedef struct TsdbBodyPlace
{
	const uint8_t *inlined;		/* in the body, or NULL: in the stream */
	uint32_t	offset;			/* in the stream; 0 if inlined */
	uint32_t	bytes;			/* 0: there is none, the column is implied */
} TsdbBodyPlace;

/*
 * A value of the statistics.  Integers are sign-extended carriers, floats are
 * their bit pattern (FLOAT4: the low half); decimals are integers at the scale
 * of the column.  Bytes, of kinds FIXED and BYTES, point into the parsed buffer.
 */
typedef struct TsdbBodyValue
{
	union
	{
		int64_t		number;
		const uint8_t *bytes;
	};
	uint32_t	length;			/* of bytes */
	uint32_t	scale;			/* DECIMAL: the value's own one */
} TsdbBodyValue;

typedef struct TsdbBodyColumn
{
	uint8_t		kind;			/* TsdbBodyKind */
	uint8_t		codec;
	bool		has_range;
	bool		has_ends;
	bool		has_sum;
	bool		alternate;		/* the range is in the kind's other order */
	bool		own_scales;		/* DECIMAL: rows differ in scale */
	uint8_t		scale;			/* DECIMAL: the largest of all rows */
	uint16_t	width;			/* FIXED: bytes of a value */
	uint32_t	nnulls;
	TsdbBodyPlace vector;
	TsdbBodyPlace scales;		/* with own_scales */
	TsdbBodyValue min;
	TsdbBodyValue max;
	TsdbBodyValue first;
	TsdbBodyValue last;
	uint64_t	sum_low;		/* of floats: the bit pattern of a double */
	uint64_t	sum_high;		/* two's complement of 128 bits; of floats 0 */
} TsdbBodyColumn;

typedef struct TsdbBodyHead
{
	uint32_t	nrows;
	uint32_t	natts;
	uint32_t	time;			/* attribute number, 0 for none */
	uint32_t	nseries;
	uint32_t	series[TSDB_BODY_KEYS_MAX];
	uint8_t		hash_version;	/* 0 without a series key */
	bool		has_time;
	int64_t		min_time;
	int64_t		max_time;
	uint64_t	time_unit;		/* of segment times; to be set if there are any */
	uint32_t	nsegments;		/* 1 if segments are not stored */
	bool		has_segment_times;
	TsdbBodyPlace segment_rows;
	TsdbBodyPlace segment_min;
	TsdbBodyPlace segment_max;
	bool		has_tail;
	uint32_t	tail_offset;
	uint32_t	tail_bytes;

	/* filled by the parser, for tsdb_body_parse_columns() */
	uint32_t	head_bytes;		/* where the columns begin, without a tail */
	uint32_t	stream_offset;	/* where the vector of the first column lies */
} TsdbBodyHead;

/* Parse the head of body; places point into body.  Returns NULL or the damage. */
extern const char *tsdb_body_parse_head(const uint8_t *body, size_t bytes,
										TsdbBodyHead *head);

/*
 * Parse the columns, head->natts entries of the caller's array.  src is what
 * follows the head in the body (from head->head_bytes on), or the tail.
 */
extern const char *tsdb_body_parse_columns(const TsdbBodyHead *head,
										   const uint8_t *src, size_t bytes,
										   TsdbBodyColumn *columns);

/*
 * Write a head, or columns, to dst, which must have TSDB_BODY_HEAD_BYTES_MAX,
 * or natts times TSDB_BODY_COLUMN_BYTES_MAX, bytes.  Return the bytes written.
 * What is given is trusted to be within the format's limits.
 */
extern size_t tsdb_body_write_head(const TsdbBodyHead *head, uint8_t *dst);
extern size_t tsdb_body_write_columns(const TsdbBodyHead *head,
									  const TsdbBodyColumn *columns, uint8_t *dst);

#endif							/* TSDB_CHUNK_CHUNK_BODY_H */
