/*
 * row_block.h
 *		Rows by columns in a block of memory: how they travel through the ring.
 *
 *		header | columns | slice | slice | ...
 *
 * A slice is what one call brought for one shard, from one row to thousands:
 *
 *		bytes, rows | a kind per column | per column: bitmap of nulls, values
 *
 * Values of a type that is passed by value lie in an array, one per row, null or not.
 * Others follow one another, aligned as in a tuple, nulls left out; none is compressed or
 * out of line.  A value that all rows share is there once.
 *
 * A block says of each column its number and type, so that it can be read after the
 * table has changed.  It holds no pointers: it may be copied, and read by any process.
 * It is written and read by the same server, never stored.
 */
#ifndef TSDB_INGEST_ROW_BLOCK_H
#define TSDB_INGEST_ROW_BLOCK_H

#include "access/attnum.h"
#include "access/tupdesc.h"
#include "chunk/row_array.h"

typedef struct TsdbRowBlockColumn
{
	Oid			type;
	int32		typmod;
	AttrNumber	attno;
	int16		length;
	bool		byval;
	char		align;
} TsdbRowBlockColumn;

typedef struct TsdbRowBlock
{
	uint32		used;			/* bytes, of this header too; a multiple of MAXALIGN */
	uint32		rows;
	Oid			relid;
	int16		natts;			/* the table's columns, dropped ones too */
	int16		ncolumns;		/* of the block */
	TsdbRowBlockColumn columns[FLEXIBLE_ARRAY_MEMBER];
} TsdbRowBlock;

/* What one column is filled with. */
typedef struct TsdbRowColumn
{
	bool		same;			/* one value, values[0] or fixed[0], for all rows */
	const bool *nulls;			/* NULL: none is null */
	const char *fixed;			/* values of a by-value type, one after the other */
	const Datum *values;		/* of other types; neither toasted nor compressed */
} TsdbRowColumn;

/* Bytes of a block of a table that has no rows yet. */
extern uint32 tsdb_row_block_header_bytes(TupleDesc tupdesc);

/* Make a block for a table's rows: all its columns but dropped ones, in their order. */
extern void tsdb_row_block_init(TsdbRowBlock *block, Oid relid, TupleDesc tupdesc);

/* Bytes by which a block grows with these rows: rows[0] to rows[nrows - 1] of the columns. */
extern Size tsdb_row_block_measure(const TsdbRowBlock *block, const TsdbRowColumn *columns,
								   const uint32 *rows, uint32 nrows);

/* Append them: as many bytes as were measured, and there must be room for them. */
extern void tsdb_row_block_append(TsdbRowBlock *block, const TsdbRowColumn *columns,
								  const uint32 *rows, uint32 nrows, Size bytes);

/* A row after the other. */
typedef struct TsdbRowReader
{
	const TsdbRowBlock *block;
	uint32		offset;			/* of the next slice */
	uint32		left;			/* rows of this slice */
	uint32		row;			/* next one in it */
	uint8	   *kinds;			/* per column */
	const uint8 **nulls;
	const char **next;
} TsdbRowReader;

extern void tsdb_row_reader_init(TsdbRowReader *reader, const TsdbRowBlock *block);

/*
 * The next row's values, one per column of the block; pointers lead into the block.
 * False after the last.
 */
extern bool tsdb_row_reader_next(TsdbRowReader *reader, Datum *values, bool *nulls);

/*
 * Go to the next slice; false after the last.  Its rows come next, or come all at once, if
 * they do not need looking at: arrays, one per column of the block, are set and the number of rows returned.  0 if they do.
 */
extern bool tsdb_row_reader_next_slice(TsdbRowReader *reader);
extern uint32 tsdb_row_reader_take_slice(TsdbRowReader *reader, TsdbRowArray *arrays);

/* Set nulls[c] for each column of the block that has a null. */
extern void tsdb_row_block_find_nulls(const TsdbRowBlock *block, bool *nulls);

#endif							/* TSDB_INGEST_ROW_BLOCK_H */
