/*
 * csv_table.h
 *		A CSV file in memory, its rows grouped by series.
 *
 * A file is read through zcat if its name ends in .gz.  The first line names
 * the columns.  Text columns and those that the caller names make the series
 * key; a column whose first cell is an ISO timestamp is one of times.
 */
#ifndef TSDB_BENCH_CSV_TABLE_H
#define TSDB_BENCH_CSV_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COLUMNS_MAX		64
#define NAMES_MAX		16

typedef struct Cell
{
	int64_t		integer;
	double		real;
	bool		null;
} Cell;

/* The values of one column of one series. */
typedef struct Series
{
	Cell	   *cells;
	size_t		count;
	size_t		room;
} Series;

typedef struct Column
{
	char	   *name;
	bool		is_key;
	bool		is_time;
	bool		is_left_out;
	bool		is_text;
	bool		is_integer;
	Series	   *series;
	char	  **texts;			/* of a text column: row after row */
	size_t		ntexts;
	size_t		texts_room;
} Column;

typedef struct Table
{
	Column		columns[COLUMNS_MAX];
	int			ncolumns;
	char	  **keys;
	size_t		nkeys;
	size_t		keys_room;
	size_t	   *slots;			/* open-addressed: key number plus one */
	size_t		nslots;
} Table;

/* What the reader cannot see from the file. */
typedef struct ColumnRoles
{
	const char *keys[NAMES_MAX];	/* part of the series key */
	int			nkeys;
	const char *left_out[NAMES_MAX];
	int			nleft_out;
} ColumnRoles;

/* Print what is wrong and exit. */
extern void die(const char *what, const char *of) __attribute__((noreturn));

/* Allocated memory, or exit. */
extern void *must(void *memory);

extern void read_table(const char *path, const ColumnRoles *roles, Table *table);
extern void free_table(Table *table);

#endif							/* TSDB_BENCH_CSV_TABLE_H */
