/*
 * batch_rows.h
 *		The rows of a batch: gathered as they come, read in order.
 *
 * Rows are heap tuples, which stay where they are, or they are packed: copied to the batch's own memory, in a
 * form that is cheap to make and to turn into columns (chunk/packed_row.h, worker/batch_slice.h).  What packing
 * returns is the memory that it took.  Rows are numbered from 0 in order of arrival.
 */
#ifndef TSDB_WORKER_BATCH_ROWS_H
#define TSDB_WORKER_BATCH_ROWS_H

#include "access/htup.h"
#include "chunk/chunk.h"
#include "chunk/packed_row.h"
#include "store/row_arena.h"
#include "utils/relcache.h"
#include "worker/batch_slice.h"
#include "worker/batch_sort.h"

typedef struct TsdbBatchRows
{
	TsdbSortKey key;
	int			nshards;		/* that rows are spread over */
	bool		mixed;			/* all to one shard, as they are few */
	Oid			time_type;
	TsdbBatchSeries *series;
	TsdbPackedLayout *layout;	/* of packed rows; NULL if rows are heap tuples */
	TsdbRowArena arena;			/* of packed rows */
	TsdbBatchItem *items;		/* in order of arrival */
	uintptr_t  *references;		/* the same: HeapTuple, TsdbPackedRow or the slice it is in */
	uint32		count;
	uint32		allocated;
	bool		in_time;		/* rows of each series came in order of time */
	Size		bytes;			/* of rows, about */
	Datum	   *values;			/* room for a row */
	bool	   *nulls;

	/* once they are sorted */
	uint32	   *order;			/* numbers of those that are to be written */
	uint32		nordered;
	TsdbBatchRank *ranks;		/* of all series, some of which may have no rows in order */
	uint32		nranks;
	bool	   *left;			/* by number: the others; NULL if there are none */

	/* where the others go */
	MemoryContext memory;
	TsdbBatchSeries *spare_series;	/* NULL if there never were any */
	TsdbRowArena spare_arena;
} TsdbBatchRows;

/* In the current memory context, which they need for as long as they live. */
extern void tsdb_batch_rows_init(TsdbBatchRows *rows, Relation rel, bool packed);
extern void tsdb_batch_rows_clear(TsdbBatchRows *rows);

/* Add a tuple, which must stay where it is. */
extern void tsdb_batch_rows_add(TsdbBatchRows *rows, TupleDesc tupdesc, HeapTuple tuple);

/* Pack a row without out-of-line and expanded values. */
extern Size tsdb_batch_rows_pack(TsdbBatchRows *rows, TupleDesc tupdesc, const Datum *values,
								 const bool *nulls);

/*
 * Pack rows that come as columns, one after the other and all of them passed by value, if the table
 * lets it: then nothing is run that the table's owner has written.  stay: the columns do until the rows are cleared.
 */
extern bool tsdb_batch_rows_take_columns(const TsdbBatchRows *rows, TupleDesc tupdesc);
extern Size tsdb_batch_rows_pack_columns(TsdbBatchRows *rows, TupleDesc tupdesc,
										 const TsdbRowArray *columns, uint32 nrows, bool stay);

/* All columns of a row. */
extern void tsdb_batch_rows_read(const TsdbBatchRows *rows, TupleDesc tupdesc, uint32 number,
								 Datum *values, bool *nulls);

/* Send all rows to one shard, as they are too few for chunks of each. */
extern void tsdb_batch_rows_mix(TsdbBatchRows *rows);

/* Put them into order, ranks in the current memory context. */
extern void tsdb_batch_rows_sort(TsdbBatchRows *rows);

/*
 * Of packed rows that are sorted, leave out what does not fill a chunk of its series, unless that is most of them, or of
 * their memory: more rows of the series may follow.  Chunks of one series take less room, and answer more
 * queries by their statistics.
 */
extern void tsdb_batch_rows_leave_rest(TsdbBatchRows *rows, TupleDesc tupdesc);

/* Clear all but those that were left out, which get new numbers; returns the memory that they take. */
extern Size tsdb_batch_rows_clear_ordered(TsdbBatchRows *rows, TupleDesc tupdesc);

#endif							/* TSDB_WORKER_BATCH_ROWS_H */
