/*
 * chunk_filter.h
 *		Conditions that say of a whole chunk that no row of it can match.
 *
 * A clause is understood if it compares a column with something that the scan
 * knows before it begins (a constant, a parameter, a stable function) by an
 * operator of the column type's default btree family, by = ANY (array) of
 * that kind, or tests the column for null.  It is asked twice: of a chunk's
 * statistics, which may settle it for the whole chunk, and of the decoded column,
 * which may rule rows out.  Both only ever leave out what the clause itself would
 * reject, so that the executor may evaluate all clauses again.  Who does not want
 * to asks which clauses are settled: those are true of all rows that are left.
 */
#ifndef TSDB_EXEC_CHUNK_FILTER_H
#define TSDB_EXEC_CHUNK_FILTER_H

#include "chunk/chunk.h"
#include "nodes/execnodes.h"
#include "store/directory_view.h"

typedef struct TsdbChunkFilter TsdbChunkFilter;

/* Is this a clause on a column of the relation that a filter understands?  Sets the
 * column.  In a join clause, columns of other relations count as known. */
extern bool tsdb_chunk_filter_understands(Expr *clause, Index relid, AttrNumber *attno);

/* Does it say what the column is equal to? */
extern bool tsdb_chunk_filter_is_equality(Expr *clause, Index relid, AttrNumber *attno);

/* Make a filter of clauses that it understands, in the current context. */
extern TsdbChunkFilter *tsdb_chunk_filter_create(List *clauses, Index relid, PlanState *parent);

/*
 * Begin a scan: what columns are compared with is computed as of now.  What could fail
 * is not computed before a row is found that the clauses before it hold for, since the
 * executor would not do so either; such a clause rules out chunks only from then on.
 */
extern void tsdb_chunk_filter_begin(TsdbChunkFilter *filter, ExprContext *context);

/* Is a column compared with null, so that no row can match? */
extern bool tsdb_chunk_filter_is_never(const TsdbChunkFilter *filter);

/* Values of which a column must be equal to one; none is null. */
typedef struct TsdbFilterValues
{
	Oid			type;
	int			count;
	const Datum *values;		/* in no order, perhaps some twice */
} TsdbFilterValues;

/* Find them, if they are known: yet, perhaps. */
extern bool tsdb_chunk_filter_values(const TsdbChunkFilter *filter, AttrNumber attno,
									 TsdbFilterValues *values);

/* Another number whenever more is known of arguments, or something else. */
extern uint64 tsdb_chunk_filter_version(const TsdbChunkFilter *filter);

/* Which rows of a chunk match. */
typedef enum TsdbChunkMatch
{
	TSDB_NO_ROW,
	TSDB_SOME_ROWS,				/* as far as one can tell */
	TSDB_EVERY_ROW
} TsdbChunkMatch;

/* What a chunk's statistics say of it, which then is the chunk at hand. */
extern TsdbChunkMatch tsdb_chunk_filter_judge(TsdbChunkFilter *filter,
											  const TsdbChunkSummary *summary);

/*
 * Which times of a column, one of integers or instants, can rows have for which all clauses hold?
 * False if that is not known: yet, perhaps.
 */
extern bool tsdb_chunk_filter_times(const TsdbChunkFilter *filter, AttrNumber attno,
									TsdbTimeRange *times);

/*
 * Clear pass[row] of rows of the chunk at hand that do not match, as far as what is remembered of its segments tells; false
 * if none is left.
 */
extern bool tsdb_chunk_filter_recalled(TsdbChunkFilter *filter, const TsdbDirectoryView *view,
									   int entry, uint32 nrows, uint8 *pass);

/* Do columns tell more? */
extern bool tsdb_chunk_filter_wants_columns(const TsdbChunkFilter *filter);

/*
 * Clear it by columns; false if none is left.  Only those of clauses that are still open are read.  With a view, which may
 * be NULL, what is found of segments is remembered.
 */
extern bool tsdb_chunk_filter_rows(TsdbChunkFilter *filter, TsdbChunkReader *reader,
								   TsdbDirectoryView *view, int entry, uint32 nrows,
								   uint8 *pass);

/* Do all clauses say what that one column is equal to? */
extern bool tsdb_chunk_filter_asks_only(const TsdbChunkFilter *filter, AttrNumber attno);

/* After these: does the clause at that place of the list hold for all that passed? */
extern bool tsdb_chunk_filter_settles(const TsdbChunkFilter *filter, int clause);

#endif							/* TSDB_EXEC_CHUNK_FILTER_H */
