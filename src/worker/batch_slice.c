/*
 * batch_slice.c
 *		Rows of a batch that came as columns, and stay so until they are columns of chunks.
 */
#include "postgres.h"

#include "worker/batch_slice.h"

/* DO(type) for values of a length; their Datums are these numbers. */
#define BY_LENGTH(length, DO) \
	switch (length) \
	{ \
		case 1: \
			DO(char); \
			break; \
		case 2: \
			DO(int16); \
			break; \
		case 4: \
			DO(int32); \
			break; \
		default: \
			DO(int64); \
			break; \
	}

uint32
tsdb_batch_slice_runs(const TsdbRowArray *columns, const TsdbSortKey *key, uint32 nrows,
					  bool *starts)
{
	uint32		runs = 0;

#define COMPARE(type) \
	for (uint32 row = 1; row < nrows; row++) \
		starts[row] |= ((const type *) values)[row] != ((const type *) values)[row - 1]

	memset(starts, false, nrows * sizeof(bool));
	starts[0] = true;
	for (int i = 0; i < key->nseries; i++)
	{
		const TsdbRowArray *column = &columns[key->series[i] - 1];
		const char *values = column->values;

		if (!column->same)
			BY_LENGTH(column->length, COMPARE);
	}
#undef COMPARE
	for (uint32 row = 0; row < nrows; row++)
		runs += starts[row];
	return runs;
}

TsdbBatchSlice *
tsdb_batch_slice_create(TsdbRowArena *arena, const TsdbRowArray *columns, int natts, uint32 nrows,
						uint32 first, bool stay)
{
	TsdbBatchSlice *slice = (TsdbBatchSlice *)
		tsdb_row_arena_allocate(arena, offsetof(TsdbBatchSlice, columns) +
								natts * sizeof(TsdbRowArray));

	slice->first = first;
	memcpy(slice->columns, columns, natts * sizeof(TsdbRowArray));
	for (int c = 0; c < natts && !stay; c++)
	{
		Size		bytes = (Size) columns[c].length * (columns[c].same ? 1 : nrows);
		char	   *values = tsdb_row_arena_allocate(arena, bytes);

		memcpy(values, columns[c].values, bytes);
		slice->columns[c].values = values;
	}
	return slice;
}

void
tsdb_batch_slice_prefetch(const TsdbBatchSlice *slice, int natts, uint32 row)
{
	for (int c = 0; c < natts; c++)
	{
		const TsdbRowArray *column = &slice->columns[c];

		tsdb_prefetch_line(column->values + (Size) row * column->length);
		tsdb_prefetch_line(column->values + (Size) row * column->length + TSDB_CACHE_LINE);
	}
}

void
tsdb_batch_slice_spread(const TsdbRowArray *column, uint32 first, uint32 nrows, Datum *to,
						int stride)
{
#define SPREAD(type) \
	for (uint32 row = 0; row < nrows; row++) \
		to[(Size) row * stride] = (Datum) ((const type *) column->values)[first + row]

	if (column->same)
	{
		Datum		value = tsdb_row_array_value(column, 0);

		for (uint32 row = 0; row < nrows; row++)
			to[(Size) row * stride] = value;
		return;
	}
	BY_LENGTH(column->length, SPREAD);
#undef SPREAD
}
