/*
 * packed_filter.h
 *		Conditions on columns of the working set, compared as they are kept there.
 *
 * Numbers that are kept in one, two or four bytes (cache/narrow.h) are compared as such, by a bound
 * that is converted once: an eighth of the bytes, and no values have to be made of rows that do not match.
 */
#ifndef TSDB_EXEC_PACKED_FILTER_H
#define TSDB_EXEC_PACKED_FILTER_H

#include "chunk/chunk.h"
#include "exec/filter_clause.h"

/*
 * Clear pass of rows for which "column <operator> bound" does not hold, the column being packed.  Returns false,
 * with nothing done, if its values must be compared instead.
 */
extern bool tsdb_packed_filter(const TsdbClause *clause, Datum bound, const TsdbColumn *column,
							   uint32 nrows, uint8 *pass);

#endif							/* TSDB_EXEC_PACKED_FILTER_H */
