/*
 * handler.h
 *		The access methods tsdb and tsdb_internal.
 */
#ifndef TSDB_AM_HANDLER_H
#define TSDB_AM_HANDLER_H

#include "access/tableam.h"

/* The routine of tsdb: what tells a table of ours. */
extern const TableAmRoutine *tsdb_table_routine(void);

static inline bool
tsdb_is_table(Relation rel)
{
	return rel->rd_tableam == tsdb_table_routine();
}

#endif							/* TSDB_AM_HANDLER_H */
