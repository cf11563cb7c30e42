/*
 * chunk_format.h
 *		The bytes of a chunk's body, format version 2.
 *
 * The body is what the directory keeps of a chunk: enough to prune it, to
 * answer aggregates from it, and to find its vectors.  A chunk of 1024 rows
 * and a dozen columns takes some 5 kB of stream, so a body of 150 bytes is 3 %
 * of everything; that is why nothing here has a fixed width.  The layer that
 * stores the body adds the checksum.
 *
 * varint	7 bits a byte, low bits first, high bit set on all but the last;
 *			at most 10 bytes for 64 bits, 19 for 128.
 * zigzag	a signed number as varint: 0, -1, 1, -2 are 0, 1, 2, 3.
 *
 *		head		u8      TSDB_BODY_VERSION
 *					u8      TSDB_BODY_HAS_* flags
 *					varint  rows, 1 to 1024
 *					varint  attributes of the row type it was written under
 *					varint  attribute number of the time column, 0 for none
 *					varint  columns of the series key
 *					varint  attribute number, for each of these
 *					u8      version of the series hash, if there is a series key
 *		[TIME]		u8      unit u: what follows counts multiples of 10^u
 *					zigzag  smallest time
 *					varint  largest minus smallest
 *		[SEGMENTS]	varint  number of segments, 2 to rows
 *					place   of the vector of first rows (INT, width 2)
 *		[S. TIMES]	place   of the vector of smallest times (INT, width 8), each less
 *							the chunk's smallest, in units of 10^u
 *					place   of the vector of largest times (INT, width 8), each less
 *							its segment's smallest, in units of 10^u
 *		[TAIL]		varint  offset in the stream, varint  length:
 *							the columns are there, and the body ends here
 *		columns		one after the other, in attribute order
 *
 *		place		varint  length * 2 + (1 if inlined)
 *					bytes   the vector itself, if inlined
 *
 * Vectors that are not inlined lie in the stream back to back in the order in
 * which their places are mentioned, so that no offset is stored.
 *
 *		column		u8      TsdbBodyKind in the low four bits, then
 *							HAS_NULLS, HAS_RANGE, HAS_ENDS, HAS_SUM
 *					        NULL: nothing follows, every row is null
 *					u8      codec in the low seven bits, then ORDER_ALTERNATE;
 *							codec 0: the column is implied, see below
 *		[FIXED]		varint  width
 *		[DECIMAL]	varint  scale * 2 + (1 if rows have scales of their own)
 *		[NULLS]		varint  null rows, 1 to rows - 1
 *					place   of the vector
 *		[own scales] place  of the vector of scales (INT, width 1)
 *		[RANGE]		min, max of the non-null values
 *		[ENDS]		first, last non-null value in row order
 *		[SUM]		varint  sum of (value - min), to 128 bits; floats see below
 *		[own scales] u8     scale of each of min, max, first, last that is there
 *
 * An implied column is one of integers without nulls, with a range, whose values
 * follow from what else is there: it has no vector.  If it is the time column,
 * rows of each segment are a constant step apart, from its smallest time to its
 * largest, so there is one segment, or there are SEGMENT TIMES; its ends are not
 * stored if there is one segment.  Of any other column, all values are the
 * minimum, and neither maximum, ends nor sum are stored.
 *
 * DECIMAL is a numeric column as integers (INT, width 8): value * 10^scale.
 * Rows of different scales are all raised to the largest one.
 *
 * Numbers are coded as integers n[i].  INT8 and DECIMAL are preceded by a unit
 * u, values are n * 10^u (times in whole seconds).  FLOAT4 and FLOAT8 are preceded by a
 * unit u as well, values are n / 10^u (measurements are decimals), provided
 * that this gives back the very bits; if it does not, u is TSDB_BODY_UNIT_RAW
 * and the bit patterns follow, little end first.
 *
 * The sum of floats is a FLOAT8, also of a FLOAT4 column.  Row i is added to
 * part i mod 4 of four, which begin at -0, and the sum is ((0 + 1) + 2) + 3:
 * what four workers would get who share the rows.  A NaN is kept as the
 * positive quiet one.  There is no sum if a finite value is of magnitude
 * TSDB_BODY_SUMMABLE_MAX or more, since then the order of additions decides on
 * an overflow.  If the sum is N / 10^u, to the bit, TSDB_BODY_UNIT_SUM is added
 * to u and the varint is N - values * min, where min counts the unit.  If it
 * is a few units in the last place off, which rounding brings about,
 * TSDB_BODY_UNIT_NEAR is added as well, and a zigzag follows the varint: the sum's
 * bit pattern less that of N / 10^u.  Else eight bytes of its bit pattern follow,
 * little end first.
 *
 *		min		zigzag min				first	varint first - min
 *		max		varint max - min		last	varint max - last
 *
 * Differences are modulo 2^64.  Without a range, first is a zigzag and last a
 * zigzag of last - first.  The time column has the head's range, so its
 * HAS_RANGE stores nothing, its ends are relative to it.
 *
 * A range of BYTES or FIXED is in byte order, of strings of at most
 * TSDB_BODY_STRING_MAX bytes (FIXED without its trailing zeros):
 *
 *		min		varint length, bytes
 *		max		the same, or TSDB_BODY_STRING_SAME for max = min
 *
 * ORDER_ALTERNATE tells the two orders of one kind apart, since a change of a
 * column's type need not rewrite its table (integer to oid, text to bpchar):
 * unsigned instead of signed, trailing blanks ignored instead of compared.
 */
#ifndef TSDB_CHUNK_CHUNK_FORMAT_H
#define TSDB_CHUNK_CHUNK_FORMAT_H

#define TSDB_BODY_VERSION			2

/* flags of the head */
#define TSDB_BODY_HAS_TIME			0x01
#define TSDB_BODY_HAS_SEGMENTS		0x02
#define TSDB_BODY_HAS_SEGMENT_TIMES 0x04	/* only with HAS_SEGMENTS */
#define TSDB_BODY_HAS_TAIL			0x08
#define TSDB_BODY_FLAGS				0x0F	/* all that version 2 knows */

/* first byte of a column */
#define TSDB_BODY_KIND_MASK			0x0F
#define TSDB_BODY_HAS_NULLS			0x10
#define TSDB_BODY_HAS_RANGE			0x20
#define TSDB_BODY_HAS_ENDS			0x40
#define TSDB_BODY_HAS_SUM			0x80	/* only with HAS_RANGE */

/* second byte of a column */
#define TSDB_BODY_CODEC_MASK		0x7F
#define TSDB_BODY_CODEC_IMPLIED		0
#define TSDB_BODY_ORDER_ALTERNATE	0x80

#define TSDB_BODY_UNIT_MAX			18	/* 10^18 is the last power in 64 bits */
#define TSDB_BODY_UNIT_RAW			0xFF
#define TSDB_BODY_UNIT_SUM			0x40	/* flag: the sum counts the unit, too */
#define TSDB_BODY_UNIT_NEAR			0x20	/* flag: but for units in the last place */

#define TSDB_BODY_SUMMABLE_MAX		1e140

#define TSDB_BODY_STRING_MAX		32
#define TSDB_BODY_STRING_SAME		(TSDB_BODY_STRING_MAX + 1)

#define TSDB_BODY_ROWS_MAX			1024
#define TSDB_BODY_ATTS_MAX			1600
#define TSDB_BODY_KEYS_MAX			32	/* columns of a series key */
#define TSDB_BODY_WIDTH_MAX			32767	/* of a FIXED value */
#define TSDB_BODY_SCALE_MAX			18	/* of a DECIMAL column */
#define TSDB_BODY_INLINE_MAX		24	/* vectors up to this size are inlined */

/* Segment times pay for themselves from this mean length of a segment on;
 * shorter ones are read from the time column. */
#define TSDB_BODY_SEGMENT_TIMES_ROWS 64

/* Upper bounds of what is written, for buffers and for checking a tail. */
#define TSDB_BODY_HEAD_BYTES_MAX	384
#define TSDB_BODY_COLUMN_BYTES_MAX	160

#endif							/* TSDB_CHUNK_CHUNK_FORMAT_H */
