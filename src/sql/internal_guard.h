/*
 * internal_guard.h
 *		Internal relations are not altered by hand.
 *
 * Catalogs refuse DDL without allow_system_table_mods, and so do the relations
 * behind tsdb tables: renaming or altering one would take the rows of a table
 * away without a word.  A ProcessUtility hook refuses statements that name one:
 * ALTER TABLE and INDEX in all forms, CREATE INDEX, TRIGGER, RULE and POLICY,
 * COPY FROM; and CREATE TABLE ... USING tsdb_internal.  What walks over all
 * relations of a database (VACUUM, REINDEX, CLUSTER, ALTER TABLE ALL IN
 * TABLESPACE) is welcome; VACUUM FULL passes over them, since it could not make
 * them smaller.
 *
 * Inserts, updates and deletes are refused when their plan starts, and DROP by
 * the dependency on the extension.
 */
#ifndef TSDB_SQL_INTERNAL_GUARD_H
#define TSDB_SQL_INTERNAL_GUARD_H

#include "executor/execdesc.h"

/* Install the hook; called once, when the library is loaded. */
extern void tsdb_internal_guard_init(void);

/* Refuse a plan that writes to an internal relation. */
extern void tsdb_internal_guard_check(QueryDesc *query);

#endif							/* TSDB_SQL_INTERNAL_GUARD_H */
