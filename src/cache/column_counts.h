/*
 * column_counts.h
 *		How often columns of tables were looked for in the cache.
 *
 * Sessions count on their own, and add up in shared memory when a transaction ends, but
 * not if somebody else is doing that just then: then later.
 */
#ifndef TSDB_CACHE_COLUMN_COUNTS_H
#define TSDB_CACHE_COLUMN_COUNTS_H

#include "access/attnum.h"
#include "lib/ilist.h"
#include "storage/lwlock.h"

typedef struct TsdbColumnCounts
{
	uint64		hits;
	uint64		spill_hits;
	uint64		misses;
} TsdbColumnCounts;

/* Counters of a table in this session. */
typedef struct TsdbTableCounts
{
	Oid			relid;
	int			natts;			/* columns that have counters */
	bool		changed;
	slist_node	next_changed;
	TsdbColumnCounts *columns;
} TsdbTableCounts;

/* What columns of tables of this database were looked for. */
typedef struct TsdbColumnUse
{
	Oid			relid;
	AttrNumber	attno;
	TsdbColumnCounts counts;
} TsdbColumnUse;

/* The counters of a table, in this session. */
extern TsdbTableCounts *tsdb_column_counts_of(Oid relid, int natts);

/* The counters of a column, one of which will be changed; NULL if it has none. */
extern TsdbColumnCounts *tsdb_column_counts_change(TsdbTableCounts *table, AttrNumber attno);

/* Add up what this session has counted since.  False if there is nothing, or somebody else is at it. */
extern bool tsdb_column_counts_publish(void);

/* palloc'd; returns how many. */
extern int	tsdb_column_counts_list(TsdbColumnUse **columns);

extern void tsdb_column_counts_reset(void);

/* Shared memory, and its making under AddinShmemInitLock, with a lock of its own. */
extern Size tsdb_column_counts_bytes(void);
extern void tsdb_column_counts_start(LWLock *lock);

#endif							/* TSDB_CACHE_COLUMN_COUNTS_H */
