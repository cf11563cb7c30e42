/*
 * row_writer.h
 *		Rows of blocks into their table, as an INSERT would put them there.
 *
 * The table may have changed since the rows were gathered: columns that are gone
 * are left out, new ones get what ADD COLUMN gave to the rows that were there, and values of a
 * column whose type has changed are cast as by assignment.  Constraints are checked again if
 * the caller says that they may have changed; generated columns are computed.
 * Row security is not asked: rows of tables that have it do not come here, and if the table got it later,
 * it does not concern rows that were accepted before.  A table that has got triggers, foreign keys, rules or
 * a partition's bounds since the rows came takes an INSERT for each of them.
 */
#ifndef TSDB_INGEST_ROW_WRITER_H
#define TSDB_INGEST_ROW_WRITER_H

#include "ingest/row_block.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"

typedef struct TsdbRowWriter TsdbRowWriter;

/*
 * Begin; the table is open, and locked for writing.  In a transaction with a snapshot.  Blocks must stay until end has been
 * called; stay says that they do until the transaction ends, so that they need not be copied.
 */
extern TsdbRowWriter *tsdb_row_writer_begin(Relation rel, bool stay);

/* Write all rows of a block, or only the one with a number; to be there when end has been called. */
extern void tsdb_row_writer_add(TsdbRowWriter *writer, const TsdbRowBlock *block, bool check);
extern void tsdb_row_writer_add_one(TsdbRowWriter *writer, const TsdbRowBlock *block,
									uint32 number, bool check);

extern void tsdb_row_writer_end(TsdbRowWriter *writer);

/*
 * Set by who can gather many rows for chunks: take all rows of a block, whose columns are the table's, to be inserted
 * by a command; false if they are to come by the callbacks of the access method.  stay is as in begin.
 */
extern bool (*tsdb_row_writer_gather) (Relation rel, const TsdbRowBlock *block, CommandId command,
									   bool stay);

/* How values of one type become values of a column; compiled once. */
typedef struct TsdbColumnCast
{
	ExprState  *state;			/* NULL: they are that already */
	ExprContext *context;
} TsdbColumnCast;

/*
 * Prepare a cast to a column's type, as of INSERT.  Returns false if there is none.  It lives in
 * the current memory context.
 */
extern bool tsdb_column_cast_init(TsdbColumnCast *cast, Oid type, int32 typmod,
								  Form_pg_attribute att, ExprContext *context);

/* Cast a value; the result lives in the context's per-tuple memory. */
extern Datum tsdb_column_cast(TsdbColumnCast *cast, Datum value, bool *isnull);

#endif							/* TSDB_INGEST_ROW_WRITER_H */
