/*
 * dead_letter.h
 *		Rows that were accepted and cannot be written: to tsdb.dead_letters, with the reason.
 */
#ifndef TSDB_WORKER_DEAD_LETTER_H
#define TSDB_WORKER_DEAD_LETTER_H

#include "ingest/row_block.h"
#include "utils/rel.h"

/* Is that an error of the row, which would come again?  (Classes 22, 23, 42 but privileges.) */
extern bool tsdb_dead_letter_is_for(int sqlerrcode);

/* Insert one: a row of a block, by its number.  In a transaction. */
extern void tsdb_dead_letter_add(Relation rel, const TsdbRowBlock *block, uint32 number,
								 Oid sent_by, const ErrorData *error);

#endif							/* TSDB_WORKER_DEAD_LETTER_H */
