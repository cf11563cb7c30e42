/*
 * table_cold.h
 *		From which age on a table's chunks are encoded at level cold.
 *
 * Level cold packs chunks tighter and is slower to decode, so it is for rows
 * that are seldom read: the old ones.  A chunk is due for it when its newest
 * row has an age, which is stated for a table (WITH (tsdb.cold_age = ...), kept
 * in its label, see table_label.h; a partition follows its parent) or else is
 * the setting tsdb.cold_age; by default there is none.  With age 0 every chunk
 * is due.  Without a time column, and with one of integers, whose unit nobody
 * knows, a chunk is due at age 0 only.
 */
#ifndef TSDB_STORE_TABLE_COLD_H
#define TSDB_STORE_TABLE_COLD_H

#include "chunk/chunk.h"
#include "datatype/timestamp.h"
#include "utils/rel.h"

/* seconds, as setting and label have it */
#define TSDB_COLD_AGE_NEVER		(-1)
#define TSDB_COLD_AGE_DEFAULT	TSDB_COLD_AGE_NEVER
#define TSDB_COLD_AGE_MIN		TSDB_COLD_AGE_NEVER
#define TSDB_COLD_AGE_MAX		999999999

extern int	tsdb_cold_age;		/* setting, the same in all processes (SIGHUP) */

/* Which chunks of a table are due, as of the start of a transaction. */
typedef struct TsdbColdRule
{
	int64		before;			/* times before this are, see tsdb_chunk_is_due() */
	int64		unit;			/* microseconds of the time column's; 0: unknown */
	int64		boundary;		/* before, in microseconds of the time column's clock */
	TimestampTz now;
} TsdbColdRule;

/* A table's age in seconds, or TSDB_COLD_AGE_NEVER.  The caller holds a lock on it. */
extern int	tsdb_table_cold_age(Relation table);
extern void tsdb_table_cold_rule(Relation table, const TsdbSortKey *key, TsdbColdRule *rule);

/* When a chunk that is not due yet will be; DT_NOEND: never. */
extern TimestampTz tsdb_table_cold_at(const TsdbColdRule *rule, bool has_time, int64 max_time);

/* State a table's age, or with stated = false nothing.  The caller has checked
 * that the user owns the table.  Takes ShareUpdateExclusiveLock on it. */
extern void tsdb_table_cold_set(Oid relid, bool stated, int age);

#endif							/* TSDB_STORE_TABLE_COLD_H */
