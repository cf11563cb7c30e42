/*
 * seen_row.h
 *		Rows of chunks that a session remembers, for who asks for the newest of a series again.
 *
 * A chunk never changes, so neither does a row of it; whether the chunk is visible is asked of its directory
 * page each time.  Rows lie in the session's image of that page and go with it (store/directory_view.h).
 * Only rows of values that are passed by value are remembered.
 */
#ifndef TSDB_EXEC_SEEN_ROW_H
#define TSDB_EXEC_SEEN_ROW_H

#include "exec/chunk_rows.h"
#include "store/directory_view.h"

/* Are there columns to remember, all of them by value? */
extern bool tsdb_seen_row_fits(const TsdbRowsScan *scan);

/* Put the columns of a row of the chunk that the view shows into the slot, if they are remembered. */
extern bool tsdb_seen_row_recall(const TsdbDirectoryView *view, const TsdbRowsScan *scan,
								 uint32 row, TupleTableSlot *slot);

/* Remember them, from the slot. */
extern void tsdb_seen_row_remember(TsdbDirectoryView *view, const TsdbRowsScan *scan, uint32 row,
								   const TupleTableSlot *slot);

#endif							/* TSDB_EXEC_SEEN_ROW_H */
