/*
 * table_key.h
 *		Which columns order a table: its time column and its series key.
 *
 * What somebody stated comes first.  It is kept in security labels (see
 * store/table_label.h).  A partition without labels of its own takes those of
 * its parent, by name of column.  A label that no longer fits (its column
 * changed type) counts as absent.
 *
 * What nobody stated is inferred.  Time column:
 *	 1. a timestamptz column, else timestamp, else date
 *	 2. a bigint column named like a time: time, ts, timestamp, epoch, ...
 * and of several such columns one of the primary key, else of a unique index,
 * else the first.
 *
 * Series key, only for a table with a time column, the first of these that
 * gives a column:
 *	 1. the other columns of the primary key or of a unique index that contains
 *		the time column
 *	 2. the columns before the time column in a btree index
 *	 3. columns of a text, integer, uuid or enum type that are named like the
 *		source of a measurement: device, host, sensor, metric, symbol, ..., or
 *		end in _id or _key
 * never counting columns that tell rows apart rather than series: identity and
 * nextval() columns, random uuids, columns unique alone; nor times and floats.
 * Of several indexes the most specific counts, so that the answer does not
 * depend on the order in which they were made.  Indexes that are partial, not
 * valid or over expressions do not count.
 *
 * A key column's type needs a default btree order.
 */
#ifndef TSDB_STORE_TABLE_KEY_H
#define TSDB_STORE_TABLE_KEY_H

#include "chunk/chunk.h"
#include "nodes/pg_list.h"
#include "utils/rel.h"

/* The columns that order a table.  The caller holds a lock on it. */
extern void tsdb_table_key(Relation table, TsdbSortKey *key);

/* One side of a key that somebody states. */
typedef enum TsdbKeyPart
{
	TSDB_KEY_KEEP,				/* leave it as it is */
	TSDB_KEY_INFER,				/* forget what was stated */
	TSDB_KEY_NONE,				/* no time column, no series key */
	TSDB_KEY_COLUMNS			/* these columns */
} TsdbKeyPart;

typedef struct TsdbKeyStatement
{
	TsdbKeyPart time_part;
	const char *time;			/* for TSDB_KEY_COLUMNS: name of the column */
	TsdbKeyPart series_part;
	List	   *series;			/* for TSDB_KEY_COLUMNS: names (char *), in order */
} TsdbKeyStatement;

/* State a table's key by writing labels; raises an error for a column that is
 * not there or cannot serve.  The caller has checked that the user owns the
 * table.  Takes ShareUpdateExclusiveLock on it. */
extern void tsdb_table_key_set(Oid relid, const TsdbKeyStatement *statement);

/* Remove labels that no longer fit, after column types changed: a dump with
 * them could not be restored.  Says so in a NOTICE. */
extern void tsdb_table_key_recheck(Oid relid);

/* Register the label provider, and remove its labels with the extension;
 * called once, when the library is loaded. */
extern void tsdb_table_key_init(void);

#endif							/* TSDB_STORE_TABLE_KEY_H */
