/*
 * aggregate_input.h
 *		What aggregates take of a batch: columns, and the rows that their filters leave.
 *
 * An argument is a column of the table, or an expression on columns, which is evaluated
 * for the rows of the batch that count, once for all aggregates that have the same.  A
 * FILTER clause is asked of the chunk's statistics and of decoded columns like conditions
 * of the scan (exec/chunk_filter.h), as far as these understand it, and what is left of
 * it is evaluated row by row.  Nothing is evaluated for rows that conditions of the scan,
 * or the aggregate's filter, leave out.
 */
#ifndef TSDB_EXEC_AGGREGATE_INPUT_H
#define TSDB_EXEC_AGGREGATE_INPUT_H

#include "exec/table_scan.h"

typedef struct TsdbAggregateInput TsdbAggregateInput;

/* Can the expression be computed from the relation's columns, batch by batch? */
extern bool tsdb_aggregate_input_understands(Node *expr, Index relid);

/* For the rows of a scan. */
extern TsdbAggregateInput *tsdb_aggregate_input_create(CustomScanState *scan, EState *estate);

/* The place of a filter or, of the rows that it leaves, of an argument: -1 for none. */
extern int	tsdb_aggregate_input_add_filter(TsdbAggregateInput *input, Expr *expr);
extern int	tsdb_aggregate_input_add_column(TsdbAggregateInput *input, Expr *expr, int filter);

/* At the first batch and after each rescan. */
extern void tsdb_aggregate_input_begin_scan(TsdbAggregateInput *input);

/* The next batch; what was asked of the one before is forgotten. */
extern void tsdb_aggregate_input_begin(TsdbAggregateInput *input, const TsdbBatch *batch);

/* Rows of the batch that pass conditions and filter (NULL: all); false if none does. */
extern bool tsdb_aggregate_input_rows(TsdbAggregateInput *input, int filter,
									  const uint8 **pass);

/* The column at that place; values of rows that do not pass mean nothing. */
extern const TsdbColumn *tsdb_aggregate_input_column(TsdbAggregateInput *input, int place);

/* The same as the working set keeps it, packed and without nulls; NULL if it does not. */
extern const TsdbColumn *tsdb_aggregate_input_packed(TsdbAggregateInput *input, int place);

/* Memory that is reset at the next batch. */
extern MemoryContext tsdb_aggregate_input_memory(TsdbAggregateInput *input);

#endif							/* TSDB_EXEC_AGGREGATE_INPUT_H */
