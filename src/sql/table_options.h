/*
 * table_options.h
 *		WITH (tsdb.time = ..., tsdb.series = ..., tsdb.cold_age = ...) on tables.
 *
 * Access methods cannot have storage parameters of their own, so a
 * ProcessUtility hook takes those of namespace "tsdb" out of a statement, lets
 * the statement run, and writes what they say to security labels
 * (see store/table_label.h).  They may stand in
 *
 *	 CREATE TABLE, also IF NOT EXISTS, PARTITION OF, PARTITION BY, TEMP
 *	 CREATE TABLE AS, CREATE MATERIALIZED VIEW
 *	 ALTER TABLE ... SET (...) and RESET (...)
 *
 *	 tsdb.time, tsdb.partition_column	name of the time column, '' for none
 *	 tsdb.series, tsdb.segmentby		names of the series key, '' for none
 *	 tsdb.cold_age						age at which chunks are packed tighter,
 *										'never', '0' for at once
 *	 tsdb.hypertable, tsdb.orderby		TimescaleDB's words: no effect, and a
 *										NOTICE says so
 *
 * Names are written as in SQL: folded to lower case unless double-quoted.
 * A partitioned table keeps what is stated for it, and its partitions follow
 * it unless they state something themselves.
 */
#ifndef TSDB_SQL_TABLE_OPTIONS_H
#define TSDB_SQL_TABLE_OPTIONS_H

/* Install the hook; called once, when the library is loaded. */
extern void tsdb_table_options_init(void);

#endif							/* TSDB_SQL_TABLE_OPTIONS_H */
