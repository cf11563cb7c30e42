/*
 * aggregate.h
 *		What the support functions of aggregates share.
 */
#ifndef TSDB_SQL_AGGREGATE_H
#define TSDB_SQL_AGGREGATE_H

#include "fmgr.h"

/* The memory that lives as long as the transition value; an error if the
 * function was not called for an aggregate, whose internal values it takes. */
extern MemoryContext tsdb_aggregate_context(FunctionCallInfo fcinfo);

#endif							/* TSDB_SQL_AGGREGATE_H */
