/*
 * table_key_infer.h
 *		What orders a table when nobody said so; the rules are in table_key.h.
 */
#ifndef TSDB_STORE_TABLE_KEY_INFER_H
#define TSDB_STORE_TABLE_KEY_INFER_H

#include "chunk/chunk.h"
#include "utils/rel.h"

/* May values of this column be sorted? */
extern bool tsdb_key_sortable(Form_pg_attribute att);

/* May this column be a time column? */
extern bool tsdb_key_countable(Form_pg_attribute att);

/* Set key->time, which is 0 and is to be inferred; columns of key->series are
 * not taken. */
extern void tsdb_key_infer_time(Relation table, TsdbSortKey *key);

/* Set key->series, which is empty and is to be inferred, by key->time. */
extern void tsdb_key_infer_series(Relation table, TsdbSortKey *key);

#endif							/* TSDB_STORE_TABLE_KEY_INFER_H */
