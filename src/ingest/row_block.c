/*
 * row_block.c
 *		Rows by columns in a block of memory: how they travel through the ring.
 */
#include "postgres.h"

#include "ingest/row_block.h"

#include "access/tupmacs.h"
#include "utils/memutils.h"

/* How a slice has a column. */
enum
{
	KIND_NULL,					/* null in all rows */
	KIND_SAME,					/* the same value in all rows */
	KIND_FULL,					/* no nulls */
	KIND_MIXED					/* a bitmap says which are not null, then as full */
};

typedef struct Slice
{
	uint32		bytes;			/* with this header; a multiple of MAXALIGN */
	uint32		rows;
	uint8		kinds[FLEXIBLE_ARRAY_MEMBER];
} Slice;

static Size
slice_header_bytes(int ncolumns)
{
	return MAXALIGN(offsetof(Slice, kinds) + ncolumns);
}

static Size
bitmap_bytes(uint32 nrows)
{
	return MAXALIGN((nrows + 7) / 8);
}

uint32
tsdb_row_block_header_bytes(TupleDesc tupdesc)
{
	return MAXALIGN(offsetof(TsdbRowBlock, columns) +
					tupdesc->natts * sizeof(TsdbRowBlockColumn));
}

void
tsdb_row_block_init(TsdbRowBlock *block, Oid relid, TupleDesc tupdesc)
{
	block->relid = relid;
	block->rows = 0;
	block->natts = tupdesc->natts;
	block->ncolumns = 0;
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);

		if (att->attisdropped)
			continue;
		block->columns[block->ncolumns++] = (TsdbRowBlockColumn)
		{
			.type = att->atttypid,.typmod = att->atttypmod,.attno = att->attnum,
			.length = att->attlen,.byval = att->attbyval,.align = att->attalign
		};
	}
	block->used = MAXALIGN(offsetof(TsdbRowBlock, columns) +
						   block->ncolumns * sizeof(TsdbRowBlockColumn));
}

static uint8
kind_of(const TsdbRowColumn *column, const uint32 *rows, uint32 nrows)
{
	uint32		present = 0;

	if (column->same)
		return column->nulls != NULL && column->nulls[0] ? KIND_NULL : KIND_SAME;
	if (column->nulls == NULL)
		return KIND_FULL;
	for (uint32 i = 0; i < nrows; i++)
		present += !column->nulls[rows[i]];
	return present == nrows ? KIND_FULL : present > 0 ? KIND_MIXED : KIND_NULL;
}

/* Where a value of a type not passed by value ends that begins at an offset. */
static Size
value_end(const TsdbRowBlockColumn *type, Size offset, Datum value)
{
	offset = att_align_datum(offset, type->align, type->length, value);
	return att_addlength_datum(offset, type->length, value);
}

Size
tsdb_row_block_measure(const TsdbRowBlock *block, const TsdbRowColumn *columns,
					   const uint32 *rows, uint32 nrows)
{
	Size		bytes = slice_header_bytes(block->ncolumns);

	for (int c = 0; c < block->ncolumns; c++)
	{
		const TsdbRowBlockColumn *type = &block->columns[c];
		const TsdbRowColumn *column = &columns[c];
		uint8		kind = kind_of(column, rows, nrows);
		Size		end = 0;

		if (kind == KIND_NULL)
			continue;
		if (kind == KIND_MIXED)
			bytes += bitmap_bytes(nrows);
		if (type->byval)
			end = kind == KIND_SAME ? type->length : (Size) type->length * nrows;
		else if (kind == KIND_SAME)
			end = value_end(type, 0, column->values[0]);
		else
		{
			for (uint32 i = 0; i < nrows; i++)
			{
				if (kind == KIND_FULL || !column->nulls[rows[i]])
					end = value_end(type, end, column->values[rows[i]]);
			}
		}
		bytes += MAXALIGN(end);
	}
	return bytes;
}

/* Values of a by-value type, those of the rows out of an array of all. */
static void
pick_fixed(char *to, const char *from, const uint32 *rows, uint32 nrows, int length)
{
#define PICK(type) \
	for (uint32 i = 0; i < nrows; i++) \
		((type *) to)[i] = ((const type *) from)[rows[i]]

	switch (length)
	{
		case 1:
			PICK(uint8);
			break;
		case 2:
			PICK(uint16);
			break;
		case 4:
			PICK(uint32);
			break;
		default:
			PICK(uint64);
			break;
	}
#undef PICK
}

/* Put a value behind others of its column; returns where it ends. */
static char *
put_value(const TsdbRowBlockColumn *type, char *start, char *at, Datum value)
{
	Size		offset = att_align_datum(at - start, type->align, type->length, value);
	Size		end = att_addlength_datum(offset, type->length, value);

	memset(at, 0, offset - (at - start));	/* a reader tells padding by it */
	memcpy(start + offset, DatumGetPointer(value), end - offset);
	return start + end;
}

void
tsdb_row_block_append(TsdbRowBlock *block, const TsdbRowColumn *columns,
					  const uint32 *rows, uint32 nrows, Size bytes)
{
	Slice	   *slice = (Slice *) ((char *) block + block->used);
	char	   *at = (char *) slice + slice_header_bytes(block->ncolumns);

	slice->bytes = bytes;
	slice->rows = nrows;
	for (int c = 0; c < block->ncolumns; c++)
	{
		const TsdbRowBlockColumn *type = &block->columns[c];
		const TsdbRowColumn *column = &columns[c];
		uint8		kind = kind_of(column, rows, nrows);
		char	   *start;

		slice->kinds[c] = kind;
		if (kind == KIND_NULL)
			continue;
		if (kind == KIND_MIXED)
		{
			uint8	   *bitmap = (uint8 *) at;

			memset(bitmap, 0, bitmap_bytes(nrows));
			for (uint32 i = 0; i < nrows; i++)
				bitmap[i / 8] |= !column->nulls[rows[i]] << (i % 8);
			at += bitmap_bytes(nrows);
		}
		start = at;
		if (type->byval && kind == KIND_SAME)
		{
			memcpy(at, column->fixed, type->length);
			at += type->length;
		}
		else if (type->byval)
		{
			pick_fixed(at, column->fixed, rows, nrows, type->length);
			at += (Size) type->length * nrows;
		}
		else if (kind == KIND_SAME)
			at = put_value(type, start, at, column->values[0]);
		else
		{
			for (uint32 i = 0; i < nrows; i++)
			{
				if (kind == KIND_FULL || !column->nulls[rows[i]])
					at = put_value(type, start, at, column->values[rows[i]]);
			}
		}
		memset(at, 0, MAXALIGN(at - start) - (at - start));
		at = start + MAXALIGN(at - start);
	}
	Assert(at - (char *) slice == bytes);
	block->used += bytes;
	block->rows += nrows;
}

void
tsdb_row_reader_init(TsdbRowReader *reader, const TsdbRowBlock *block)
{
	reader->block = block;
	reader->offset = MAXALIGN(offsetof(TsdbRowBlock, columns) +
							  block->ncolumns * sizeof(TsdbRowBlockColumn));
	reader->left = 0;
	reader->nulls = palloc(block->ncolumns * sizeof(uint8 *));
	reader->next = palloc(block->ncolumns * sizeof(char *));
}

/* Where values not passed by value end that begin there. */
static const char *
skip_values(const TsdbRowBlockColumn *type, const char *start, uint32 count)
{
	Size		offset = 0;

	while (count-- > 0)
	{
		offset = att_align_pointer(offset, type->align, type->length, start + offset);
		offset = att_addlength_pointer(offset, type->length, start + offset);
	}
	return start + offset;
}

/* Finds the columns of the next slice. */
static bool
begin_slice(TsdbRowReader *reader)
{
	const TsdbRowBlock *block = reader->block;
	Slice	   *slice = (Slice *) ((char *) block + reader->offset);
	const char *at = (const char *) slice + slice_header_bytes(block->ncolumns);

	if (reader->offset >= block->used)
		return false;
	reader->offset += slice->bytes;
	reader->left = slice->rows;
	reader->row = 0;
	reader->kinds = slice->kinds;
	for (int c = 0; c < block->ncolumns; c++)
	{
		const TsdbRowBlockColumn *type = &block->columns[c];
		uint32		present = slice->kinds[c] == KIND_SAME ? 1 : slice->rows;
		const char *start;

		if (slice->kinds[c] == KIND_NULL)
			continue;
		if (slice->kinds[c] == KIND_MIXED)
		{
			reader->nulls[c] = (const uint8 *) at;
			if (!type->byval)
			{
				present = 0;
				for (uint32 i = 0; i < slice->rows; i++)
					present += reader->nulls[c][i / 8] >> (i % 8) & 1;
			}
			at += bitmap_bytes(slice->rows);
		}
		start = reader->next[c] = at;
		at = type->byval ? at + (Size) type->length * present : skip_values(type, at, present);
		at = start + MAXALIGN(at - start);
	}
	return true;
}

bool
tsdb_row_reader_next_slice(TsdbRowReader *reader)
{
	return begin_slice(reader);
}

uint32
tsdb_row_reader_take_slice(TsdbRowReader *reader, TsdbRowArray *arrays)
{
	const TsdbRowBlock *block = reader->block;
	uint32		rows = reader->left;

	Assert(reader->row == 0);
	for (int c = 0; c < block->ncolumns; c++)
	{
		uint8		kind = reader->kinds[c];

		if (!block->columns[c].byval || (kind != KIND_FULL && kind != KIND_SAME))
			return 0;
		arrays[c] = (TsdbRowArray)
		{
			.values = reader->next[c],.length = block->columns[c].length,
			.same = kind == KIND_SAME
		};
	}
	reader->left = 0;
	return rows;
}

void
tsdb_row_block_find_nulls(const TsdbRowBlock *block, bool *nulls)
{
	uint32		offset = MAXALIGN(offsetof(TsdbRowBlock, columns) +
								  block->ncolumns * sizeof(TsdbRowBlockColumn));

	memset(nulls, false, block->ncolumns * sizeof(bool));
	while (offset < block->used)
	{
		const Slice *slice = (const Slice *) ((const char *) block + offset);

		for (int c = 0; c < block->ncolumns; c++)
			nulls[c] |= slice->kinds[c] == KIND_NULL || slice->kinds[c] == KIND_MIXED;
		offset += slice->bytes;
	}
}

bool
tsdb_row_reader_next(TsdbRowReader *reader, Datum *values, bool *nulls)
{
	const TsdbRowBlock *block = reader->block;

	while (reader->left == 0)
	{
		if (!begin_slice(reader))
			return false;
	}
	for (int c = 0; c < block->ncolumns; c++)
	{
		const TsdbRowBlockColumn *type = &block->columns[c];
		uint8		kind = reader->kinds[c];

		nulls[c] = kind == KIND_NULL ||
			(kind == KIND_MIXED &&
			 (reader->nulls[c][reader->row / 8] >> (reader->row % 8) & 1) == 0);
		if (nulls[c])
			values[c] = (Datum) 0;
		else if (type->byval)
			values[c] = fetch_att(reader->next[c] + (kind == KIND_SAME ? 0 :
													 (Size) type->length * reader->row),
								  true, type->length);
		else
		{
			/* values are aligned from the start of their column, which is aligned itself */
			const char *at = (const char *) att_align_pointer((uintptr_t) reader->next[c],
															  type->align, type->length,
															  reader->next[c]);

			values[c] = PointerGetDatum(at);
			if (kind != KIND_SAME)
				reader->next[c] = at + (att_addlength_pointer(0, type->length, at));
		}
	}
	reader->row++;
	reader->left--;
	return true;
}
