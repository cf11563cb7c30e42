/*
 * insert.h
 *		Inserting rows: heap's business, counted for the workers, unless they are many.
 */
#ifndef TSDB_AM_INSERT_H
#define TSDB_AM_INSERT_H

#include "access/tableam.h"

extern void tsdb_tuple_insert(Relation rel, TupleTableSlot *slot, CommandId cid,
							  int options, struct BulkInsertStateData *bistate);
extern void tsdb_multi_insert(Relation rel, TupleTableSlot **slots, int nslots,
							  CommandId cid, int options,
							  struct BulkInsertStateData *bistate);

extern void tsdb_tuple_insert_speculative(Relation rel, TupleTableSlot *slot, CommandId cid,
										  int options,
										  struct BulkInsertStateData *bistate,
										  uint32 token);

/* Count rows that came into a table's row store. */
extern void tsdb_insert_count(Relation rel, int64 rows);

/* At the end of the transaction: tell the workers of the tables that got rows. */
extern void tsdb_insert_at_xact_end(bool committed);

#endif							/* TSDB_AM_INSERT_H */
