/*
 * column_run.h
 *		Some rows of a column, and the loop over those that count.
 */
#ifndef TSDB_EXEC_COLUMN_RUN_H
#define TSDB_EXEC_COLUMN_RUN_H

#include "chunk/chunk.h"

typedef struct TsdbColumnRun
{
	const TsdbColumn *column;	/* the argument; NULL for count(*) */
	const TsdbColumn *time;		/* second argument of first() and last() */
	const uint8 *pass;			/* false for rows to leave out; NULL: none */
	uint32		from;
	uint32		to;
	bool		small;			/* floats, by statistics neither NaN nor very large */
	MemoryContext memory;		/* of the state */
	MemoryContext scratch;		/* for the moment */
} TsdbColumnRun;

/*
 * Run the statement for each row that counts and is not null.  The row of a column
 * without nulls, none of whose rows are left out, costs nothing but the statement.
 */
#define TSDB_FOR_ROWS(run, statement) \
	do \
	{ \
		const uint8 *pass = (run)->pass; \
		const bool *nulls = (run)->column->any_null ? (run)->column->nulls : NULL; \
		if (pass == NULL && nulls == NULL) \
		{ \
			for (uint32 row = (run)->from; row < (run)->to; row++) \
			{ \
				statement; \
			} \
		} \
		else \
		{ \
			for (uint32 row = (run)->from; row < (run)->to; row++) \
			{ \
				if ((pass == NULL || pass[row]) && (nulls == NULL || !nulls[row])) \
				{ \
					statement; \
				} \
			} \
		} \
	} while (0)

#endif							/* TSDB_EXEC_COLUMN_RUN_H */
