/*
 * filter_clause.h
 *		A clause of a chunk filter, taken apart.
 *
 * A clause is understood if it compares a column with something that the scan
 * knows before it begins (a constant, a parameter, a stable function) by an
 * operator of the column type's default btree family, by = ANY (array) of
 * that kind, or tests the column for null.
 */
#ifndef TSDB_EXEC_FILTER_CLAUSE_H
#define TSDB_EXEC_FILTER_CLAUSE_H

#include "nodes/primnodes.h"

typedef enum TsdbClauseKind
{
	TSDB_CLAUSE_COMPARE,
	TSDB_CLAUSE_ANY,					/* equal to an element of an array */
	TSDB_CLAUSE_IS_NULL,
	TSDB_CLAUSE_IS_NOT_NULL
} TsdbClauseKind;

/* How decoded values are compared, row by row. */
typedef enum TsdbLane
{
	TSDB_LANE_NONE,					/* they are not */
	TSDB_LANE_INTEGER,
	TSDB_LANE_FLOAT,
	TSDB_LANE_BYTES					/* equality only */
} TsdbLane;

/* A clause taken apart. */
typedef struct TsdbClause
{
	TsdbClauseKind kind;
	AttrNumber	attno;
	Oid			type;			/* of the column, below domains */
	int			strategy;		/* btree's, with the column on the left */
	Oid			argument_type;	/* of an element, for an array */
	Oid			compare;		/* support function: column, argument */
	Oid			collation;
	bool		bytes;			/* statistics are in order of bytes */
	TsdbLane	lane;
	Expr	   *argument;
} TsdbClause;

/* Take a clause on a column of the relation apart, if it is understood.  In a join
 * clause, columns of other relations count as known. */
extern bool tsdb_clause_understand(Expr *expr, Index relid, TsdbClause *clause);

#endif							/* TSDB_EXEC_FILTER_CLAUSE_H */
