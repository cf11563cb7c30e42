/*
 * ingest_rows.h
 *		What a call of tsdb.ingest() was given: rows, in columns.
 *
 * Three forms, told by the type of the argument after the table: a row (any composite type), JSON (an
 * object, or an array of objects), arrays (one per column, each an array or its
 * binary format in a bytea).  A column says which of the
 * table's it is; values have the type that they came with.  All live in the context of the call.
 */
#ifndef TSDB_SQL_INGEST_ROWS_H
#define TSDB_SQL_INGEST_ROWS_H

#include "fmgr.h"
#include "ingest/row_block.h"
#include "utils/rel.h"

typedef struct TsdbIngestColumn
{
	AttrNumber	attno;			/* of the table */
	Oid			type;
	int32		typmod;
	int16		length;
	bool		byval;
	TsdbRowColumn data;
} TsdbIngestColumn;

typedef struct TsdbIngestRows
{
	uint32		nrows;
	int			ncolumns;
	TsdbIngestColumn *columns;
} TsdbIngestRows;

/*
 * The rows of a call: a list of TsdbIngestRows, as each object of JSON may have other columns.
 * Raises an error if the arguments do not fit the table.
 */
extern List *tsdb_ingest_rows_of_call(FunctionCallInfo fcinfo, Relation rel);

/* A value of a column. */
extern Datum tsdb_ingest_value(const TsdbIngestColumn *column, uint32 row, bool *isnull);

/* Make a column's data of values, one per row. */
extern void tsdb_ingest_set_values(TsdbIngestColumn *column, const Datum *values,
								   const bool *nulls, uint32 nrows);

#endif							/* TSDB_SQL_INGEST_ROWS_H */
