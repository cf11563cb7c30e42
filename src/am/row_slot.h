/*
 * row_slot.h
 *		Put a row of a chunk into a tuple slot.
 *
 * Slots of tsdb tables are heap's buffer slots, so that heap's own code can
 * fill them from the row store.  A chunk row is formed as a heap tuple without
 * a buffer; its header carries the chunk's xmin, so that system columns are
 * answered.
 */
#ifndef TSDB_AM_ROW_SLOT_H
#define TSDB_AM_ROW_SLOT_H

#include "executor/tuptable.h"
#include "store/directory.h"

/* A chunk opened for reading whole rows. */
typedef struct TsdbRowSource
{
	uint32		chunk;
	uint32		nrows;
	TransactionId xmin;
	CommandId	cmin;
	Oid			relid;
	int			natts;
	bool		by_value;		/* all columns are: no need to deform again */
	Size		fixed_bytes;	/* if also none is null: all tuples are so long, else 0 */
	uint16	   *offsets;		/* ... and have their columns here */
	Datum	  **values;			/* per column, per row */
	bool	  **nulls;
} TsdbRowSource;

/*
 * Decode all columns of tupdesc, which is that of the slots to be filled: while
 * ALTER TABLE rewrites a table, its rows are read by the row type that it had
 * before.  Arrays are allocated in the current context.  salvage: damaged columns
 * may be read as null, see salvage.h.
 */
extern void tsdb_row_source_open(TsdbRowSource *source, TsdbStorage *storage,
								 TupleDesc tupdesc, const TsdbChunkEntry *entry,
								 TsdbChunkReader *reader, bool salvage);

extern void tsdb_row_slot_store(TupleTableSlot *slot, const TsdbRowSource *source,
								uint32 row);

#endif							/* TSDB_AM_ROW_SLOT_H */
