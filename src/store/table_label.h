/*
 * table_label.h
 *		The words of a table's security labels, and those that it has.
 *
 * What somebody stated about a table is kept in security labels of provider
 * "tsdb", which follow renames, pg_dump and DROP COLUMN:
 *
 *	 on a column	'time'				the time column
 *					'series'			part of the series key, in order of columns
 *					'series 2'			the same with its place in the key stated
 *	 on the table, separated by commas
 *					'no time'			chunks keep the order of insertion
 *					'no series'			all rows are one series
 *					'cold after 60 s'	when chunks are encoded at level cold
 *					'cold never'		(see store/table_cold.h)
 *
 * TimescaleDB's words are aliases: 'partition_column' is 'time', 'segmentby'
 * is 'series', and 'orderby' is accepted and says nothing.
 */
#ifndef TSDB_STORE_TABLE_LABEL_H
#define TSDB_STORE_TABLE_LABEL_H

#include "access/attnum.h"

#define TSDB_LABEL_PROVIDER	"tsdb"

typedef enum TsdbLabelRole
{
	TSDB_LABEL_UNKNOWN,
	TSDB_LABEL_NOTHING,
	TSDB_LABEL_TIME,
	TSDB_LABEL_SERIES
} TsdbLabelRole;

typedef struct TsdbColumnLabel
{
	AttrNumber	attno;
	TsdbLabelRole role;
	int			position;		/* in the series key, 0: not stated */
} TsdbColumnLabel;

/* What a table's own label says. */
typedef struct TsdbTableLabel
{
	bool		no_time;
	bool		no_series;
	bool		cold_stated;
	int			cold_age;		/* seconds, -1: never */
} TsdbTableLabel;

/* All labels of one table, as they stand there. */
typedef struct TsdbTableLabels
{
	bool		has_table_label;
	TsdbTableLabel table;
	int			ncolumns;
	TsdbColumnLabel *columns;	/* by attribute number */
} TsdbTableLabels;

extern TsdbLabelRole tsdb_label_parse_column(const char *text, int *position);

/* False if the text is no label of ours; *label says nothing then. */
extern bool tsdb_label_parse_table(const char *text, TsdbTableLabel *label);

/* The text of a table's label, palloc'd; NULL if it says nothing. */
extern char *tsdb_label_format_table(const TsdbTableLabel *label);

/* Never fails: a label that is not understood says nothing. */
extern void tsdb_label_read(Oid relid, TsdbTableLabels *labels);

/* Write the label of a column, or of the table (attno 0); NULL removes it. */
extern void tsdb_label_write(Oid relid, AttrNumber attno, const char *text);

#endif							/* TSDB_STORE_TABLE_LABEL_H */
