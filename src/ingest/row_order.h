/*
 * row_order.h
 *		The rows of one call by shard, and in each shard by series.
 *
 * Rows come in order of time, all series mixed.  What reads them later hashes, looks up and copies per series: so those of one
 * series are put next to each other here, where all rows of the call are at hand.
 */
#ifndef TSDB_INGEST_ROW_ORDER_H
#define TSDB_INGEST_ROW_ORDER_H

#include "chunk/chunk.h"
#include "ingest/ingest_shared.h"
#include "ingest/row_block.h"

typedef struct TsdbRowOrder
{
	uint32	   *rows;			/* all, by shard, series and arrival; palloc'd */
	uint32		starts[TSDB_INGEST_SHARDS + 1]; /* where each shard's begin in it */
} TsdbRowOrder;

/* Order the rows of a table; columns are all but dropped ones. */
extern void tsdb_row_order(TupleDesc tupdesc, const TsdbSortKey *key,
						   const TsdbRowColumn *columns, uint32 nrows, TsdbRowOrder *order);

#endif							/* TSDB_INGEST_ROW_ORDER_H */
