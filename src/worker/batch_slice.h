/*
 * batch_slice.h
 *		Rows of a batch that came as columns, and stay so until they are columns of chunks.
 *
 * What tsdb.ingest() brings in arrays has rows of one series next to each other.  Such a run goes to its chunk column by
 * column, and its series is looked up once: rows are neither formed nor looked at one by one, which takes longer
 * than all else that happens to a value but for its encoding.  Where a series has only a row or two
 * in each slice, rows are cheaper: then a column's values are far from each other, and a row's are not.
 *
 * A slice stands in a batch's list of rows for each of its rows, which have consecutive numbers.
 */
#ifndef TSDB_WORKER_BATCH_SLICE_H
#define TSDB_WORKER_BATCH_SLICE_H

#include "chunk/chunk.h"
#include "chunk/row_array.h"
#include "store/row_arena.h"

#define TSDB_CACHE_LINE		64

#if defined(__GNUC__)
#define tsdb_prefetch_line(address)	__builtin_prefetch(address)
#else
#define tsdb_prefetch_line(address)	((void) 0)
#endif

typedef struct TsdbBatchSlice
{
	uint32		first;			/* its first row's number in the batch */
	TsdbRowArray columns[FLEXIBLE_ARRAY_MEMBER];
} TsdbBatchSlice;

/* Set starts[row] where a row's key is not that of the row before it; returns how many those are. */
extern uint32 tsdb_batch_slice_runs(const TsdbRowArray *columns, const TsdbSortKey *key,
									uint32 nrows, bool *starts);

/* A slice in the arena, and in there a copy of the columns unless they stay where they are. */
extern TsdbBatchSlice *tsdb_batch_slice_create(TsdbRowArena *arena, const TsdbRowArray *columns,
											   int natts, uint32 nrows, uint32 first, bool stay);

/* Ask for a row's memory, and what follows in each column. */
extern void tsdb_batch_slice_prefetch(const TsdbBatchSlice *slice, int natts, uint32 row);

/* Rows [first, first + nrows) of a column as Datums, each stride behind the one before. */
extern void tsdb_batch_slice_spread(const TsdbRowArray *column, uint32 first, uint32 nrows,
									Datum *to, int stride);

/* A slice in the place of one of its rows: packed rows and tuples do not have that bit. */
static inline uintptr_t
tsdb_batch_slice_reference(const TsdbBatchSlice *slice)
{
	return (uintptr_t) slice | 2;
}

/* The slice that a reference is to, or NULL. */
static inline const TsdbBatchSlice *
tsdb_batch_slice_of(uintptr_t row)
{
	return (row & 2) != 0 ? (const TsdbBatchSlice *) (row - 2) : NULL;
}

#endif							/* TSDB_WORKER_BATCH_SLICE_H */
