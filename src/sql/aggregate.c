/*
 * aggregate.c
 *		What the support functions of aggregates share.
 */
#include "postgres.h"

#include "sql/aggregate.h"

MemoryContext
tsdb_aggregate_context(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "support function of an aggregate called outside of one");
	return context;
}
