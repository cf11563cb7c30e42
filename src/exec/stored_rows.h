/*
 * stored_rows.h
 *		Rows of a scan kept in memory, by columns.
 *
 * A row is what the scan reads of it and its TID.  Rows can be made findable by the rank of a
 * column (store/key_columns.h).
 */
#ifndef TSDB_EXEC_STORED_ROWS_H
#define TSDB_EXEC_STORED_ROWS_H

#include "executor/tuptable.h"
#include "exec/chunk_rows.h"
#include "store/key_columns.h"

typedef struct TsdbStoredRows
{
	MemoryContext memory;
	const TsdbRowsScan *scan;
	uint32		count;
	uint32		allocated;
	ItemPointerData *tids;
	TsdbColumn *columns;		/* as the scan's */
	uint64	   *ranks;			/* of each row that has a value; NULL if they are not ranked */
	uint32	   *by_rank;		/* these rows, in order of rank */
	uint32		nranked;
} TsdbStoredRows;

/* In the current context, with one of its own for what is kept. */
extern TsdbStoredRows *tsdb_stored_rows_create(const TsdbRowsScan *scan);
extern void tsdb_stored_rows_add(TsdbStoredRows *rows, TupleTableSlot *slot);

/* Show a row in the scan's slot, in which columns that are not read are null. */
extern TupleTableSlot *tsdb_stored_rows_show(const TsdbStoredRows *rows, TupleTableSlot *slot,
											 uint32 row);

/* Make them findable; no row is added after that. */
extern void tsdb_stored_rows_rank(TsdbStoredRows *rows, const TsdbKeyColumn *column, int place);

/* Those of a rank: by_rank[first] to by_rank[end - 1]. */
extern void tsdb_stored_rows_find(const TsdbStoredRows *rows, uint64 rank, uint32 *first,
								  uint32 *end);

#endif							/* TSDB_EXEC_STORED_ROWS_H */
