/*
 * best_row.h
 *		The state of aggregates first(value, time) and last(value, time).
 *
 * The best row so far.  A value by reference is copied to a buffer of the state's
 * memory, which is reused when the next row is better: a last() that meets rows in
 * order of time keeps one row and leaks none.  Toasted values are kept as they came,
 * since most are superseded; only what leaves the process is fetched.
 *
 * Between processes of a parallel query the state travels as the bytes that the
 * values have in memory.  So types without send and receive functions work, too,
 * and no precision can be lost; record types are registered for all workers.
 */
#ifndef TSDB_EXEC_BEST_ROW_H
#define TSDB_EXEC_BEST_ROW_H

#include "lib/stringinfo.h"

/* A value that is kept from row to row. */
typedef struct TsdbKeptDatum
{
	Oid			type;
	int16		typlen;
	bool		typbyval;
	bool		isnull;
	Datum		value;			/* by reference: points to buffer */
	char	   *buffer;
	Size		size;			/* of the buffer */
} TsdbKeptDatum;

typedef struct TsdbBestRow
{
	TsdbKeptDatum value;
	TsdbKeptDatum time;			/* never null */
} TsdbBestRow;

/* A row of no values yet, in memory of the context. */
extern TsdbBestRow *tsdb_best_row_create(MemoryContext context, Oid value_type, Oid time_type);

/* Take the place of the row; values are copied to memory of the context. */
extern void tsdb_best_row_set(TsdbBestRow *row, Datum value, bool isnull, Datum time,
							  MemoryContext context);

/* As bytea, and back: a result that is good for combining, without buffers. */
extern bytea *tsdb_best_row_serialize(const TsdbBestRow *row);
extern TsdbBestRow *tsdb_best_row_deserialize(const bytea *bytes);

#endif							/* TSDB_EXEC_BEST_ROW_H */
