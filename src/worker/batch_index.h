/*
 * batch_index.h
 *		The indexes of a table that have entries of chunk rows, open to get those of new ones.
 */
#ifndef TSDB_WORKER_BATCH_INDEX_H
#define TSDB_WORKER_BATCH_INDEX_H

#include "nodes/execnodes.h"
#include "utils/rel.h"

typedef struct TsdbBatchIndexes
{
	int			count;
	Relation   *relations;
	IndexInfo **infos;
	EState	   *estate;
	TupleTableSlot *slot;		/* for a row; NULL if there is no index */
} TsdbBatchIndexes;

/* Open them in the current memory context; tsdb_key indexes are told of a change instead. */
extern void tsdb_batch_indexes_open(TsdbBatchIndexes *indexes, Relation table);
extern void tsdb_batch_indexes_close(TsdbBatchIndexes *indexes);

/* Enter the row in the slot, which is one that has been moved.  Leaves memory behind. */
extern void tsdb_batch_indexes_insert(TsdbBatchIndexes *indexes, Relation table);

#endif							/* TSDB_WORKER_BATCH_INDEX_H */
