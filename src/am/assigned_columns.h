/*
 * assigned_columns.h
 *		Which columns the running UPDATE assigns to.
 *
 * Heap knows a value that an update left alone by its TOAST pointer; a chunk
 * row has none.  A value that was assigned may be equal to the old one and
 * still counts as changed to logical decoding, so the executor's queries are
 * asked.  They are noted while they run, innermost first.
 */
#ifndef TSDB_AM_ASSIGNED_COLUMNS_H
#define TSDB_AM_ASSIGNED_COLUMNS_H

#include "executor/execdesc.h"
#include "nodes/bitmapset.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"

typedef struct TsdbRunningQuery
{
	QueryDesc  *query;
	struct TsdbRunningQuery *outer;
	uint64		inserted;		/* rows that went straight to row stores */
} TsdbRunningQuery;

/* The caller's struct is used until it leaves, which it must do on error too. */
extern void tsdb_assigned_columns_enter(TsdbRunningQuery *running, QueryDesc *query);
extern void tsdb_assigned_columns_leave(TsdbRunningQuery *running);

/* The innermost running query, or NULL; and rel among its targets, or NULL. */
extern TsdbRunningQuery *tsdb_running_query(void);
extern ResultRelInfo *tsdb_running_query_target(const TsdbRunningQuery *running, Relation rel);

/*
 * The columns of rel that the innermost query assigns to, offset by
 * FirstLowInvalidHeapAttributeNumber; NULL if it assigns to none, or if the
 * update comes from elsewhere.
 */
extern Bitmapset *tsdb_assigned_columns(Relation rel);

#endif							/* TSDB_AM_ASSIGNED_COLUMNS_H */
