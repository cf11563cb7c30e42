/*
 * csv_table.c
 *		Reads CSV files.
 */
#define _POSIX_C_SOURCE 200809L

#include "csv_table.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINE_MAX_BYTES	65536

void
die(const char *what, const char *of)
{
	fprintf(stderr, "codec_bench: %s: %s\n", what, of);
	exit(1);
}

void *
must(void *memory)
{
	if (memory == NULL)
		die("out of memory", "");
	return memory;
}

/* Split a line into fields in place; quotes are removed, doubled ones kept once. */
static int
split_line(char *line, char **fields)
{
	int			count = 0;
	char	   *from = line;
	char	   *to;
	bool		more = true;

	while (more && count < COLUMNS_MAX)
	{
		bool		quoted = *from == '"';

		fields[count++] = to = from;
		if (quoted)
			from++;
		while (*from != '\0' && *from != '\n' && *from != '\r' && (quoted || *from != ','))
		{
			if (quoted && *from == '"')
			{
				from++;
				if (*from != '"')
				{
					quoted = false;
					continue;
				}
			}
			*to++ = *from++;
		}
		more = *from == ',';
		from++;
		*to = '\0';
	}
	return count;
}

/* Microseconds since 1970 of 2001-02-03T04:05:06.789Z; false if it is none. */
static bool
parse_time(const char *text, int64_t *micros)
{
	struct tm	tm = {0};
	double		seconds;
	int			end = 0;
	int64_t		days;
	int			year;

	if (sscanf(text, "%4d-%2d-%2d%*1[T ]%2d:%2d:%lf%n", &tm.tm_year, &tm.tm_mon,
			   &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &seconds, &end) != 6 || end == 0)
		return false;

	/* Days of the civil calendar, counted from March of year 0. */
	year = tm.tm_year - (tm.tm_mon <= 2);
	days = (int64_t) year * 365 + year / 4 - year / 100 + year / 400 +
		(153 * (tm.tm_mon + (tm.tm_mon > 2 ? -3 : 9)) + 2) / 5 + tm.tm_mday - 1 - 719468;
	*micros = ((days * 24 + tm.tm_hour) * 60 + tm.tm_min) * 60000000 + llround(seconds * 1e6);
	return true;
}

static size_t
hash_text(const char *text)
{
	size_t		hash = 1469598103934665603u;

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char) *text) * 1099511628211u;
	return hash ^ hash >> 29;
}

static size_t
find_key(Table *table, const char *key)
{
	size_t		slot;

	if (table->nkeys * 2 >= table->nslots)
	{
		table->nslots = table->nslots == 0 ? 1024 : table->nslots * 2;
		free(table->slots);
		table->slots = must(calloc(table->nslots, sizeof(size_t)));
		for (size_t k = 0; k < table->nkeys; k++)
		{
			slot = hash_text(table->keys[k]) & (table->nslots - 1);
			while (table->slots[slot] != 0)
				slot = (slot + 1) & (table->nslots - 1);
			table->slots[slot] = k + 1;
		}
	}
	slot = hash_text(key) & (table->nslots - 1);
	for (; table->slots[slot] != 0; slot = (slot + 1) & (table->nslots - 1))
		if (strcmp(table->keys[table->slots[slot] - 1], key) == 0)
			return table->slots[slot] - 1;
	if (table->nkeys == table->keys_room)
	{
		size_t		room = table->keys_room == 0 ? 64 : table->keys_room * 2;

		table->keys = must(realloc(table->keys, room * sizeof(char *)));
		for (int c = 0; c < table->ncolumns; c++)
		{
			Column	   *column = &table->columns[c];

			column->series = must(realloc(column->series, room * sizeof(Series)));
			memset(column->series + table->keys_room, 0,
				   (room - table->keys_room) * sizeof(Series));
		}
		table->keys_room = room;
	}
	table->keys[table->nkeys] = must(strdup(key));
	table->slots[slot] = ++table->nkeys;
	return table->nkeys - 1;
}

static void
add_cell(Series *series, Cell cell)
{
	if (series->count == series->room)
	{
		series->room = series->room == 0 ? 256 : series->room * 2;
		series->cells = must(realloc(series->cells, series->room * sizeof(Cell)));
	}
	series->cells[series->count++] = cell;
}

static void
add_text(Column *column, const char *text)
{
	if (column->ntexts == column->texts_room)
	{
		column->texts_room = column->texts_room == 0 ? 256 : column->texts_room * 2;
		column->texts = must(realloc(column->texts, column->texts_room * sizeof(char *)));
	}
	column->texts[column->ntexts++] = must(strdup(text));
}

static Cell
parse_cell(Column *column, const char *text)
{
	Cell		cell = {0, 0, *text == '\0'};
	char	   *end;

	if (cell.null)
		return cell;
	if (column->is_time)
	{
		if (!parse_time(text, &cell.integer))
			cell.null = true;
		return cell;
	}
	errno = 0;
	cell.integer = strtoll(text, &end, 10);
	if (*end != '\0' || errno != 0 || (text[0] == '-' && cell.integer == 0))
		column->is_integer = false;
	cell.real = strtod(text, NULL);
	return cell;
}

static bool
is_named(const char *name, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* What the header line and the first row say about the columns. */
static void
classify(Table *table, char **fields, const ColumnRoles *roles)
{
	for (int c = 0; c < table->ncolumns; c++)
	{
		Column	   *column = &table->columns[c];
		int64_t		micros;
		char	   *end;

		column->is_integer = true;
		column->is_time = parse_time(fields[c], &micros);
		column->is_left_out = is_named(column->name, roles->left_out, roles->nleft_out);
		(void) strtod(fields[c], &end);
		column->is_text = !column->is_time && !column->is_left_out && *end != '\0';
		column->is_key = is_named(column->name, roles->keys, roles->nkeys) ||
			column->is_text;
	}
}

void
read_table(const char *path, const ColumnRoles *roles, Table *table)
{
	static char line[LINE_MAX_BYTES];
	char		command[4096];
	char	   *fields[COLUMNS_MAX];
	size_t		length = strlen(path);
	bool		packed = length > 3 && strcmp(path + length - 3, ".gz") == 0;
	bool		first = true;
	FILE	   *file;

	snprintf(command, sizeof(command), "zcat '%s'", path);
	file = packed ? popen(command, "r") : fopen(path, "r");
	if (file == NULL || fgets(line, sizeof(line), file) == NULL)
		die("cannot read", path);
	memset(table, 0, sizeof(*table));
	table->ncolumns = split_line(line, fields);
	for (int c = 0; c < table->ncolumns; c++)
		table->columns[c].name = must(strdup(fields[c]));
	while (fgets(line, sizeof(line), file) != NULL)
	{
		char		key[4096] = "";
		size_t		at = 0;
		size_t		series;

		if (split_line(line, fields) != table->ncolumns)
			continue;
		if (first)
			classify(table, fields, roles);
		first = false;
		for (int c = 0; c < table->ncolumns; c++)
			if (table->columns[c].is_key)
				at += (size_t) snprintf(key + at, sizeof(key) - at, "%.500s|", fields[c]);
		for (int c = 0; c < table->ncolumns; c++)
			if (table->columns[c].is_text)
				add_text(&table->columns[c], fields[c]);
		series = find_key(table, key);
		for (int c = 0; c < table->ncolumns; c++)
			if (!table->columns[c].is_key && !table->columns[c].is_left_out)
				add_cell(&table->columns[c].series[series],
						 parse_cell(&table->columns[c], fields[c]));
	}
	if (packed)
		pclose(file);
	else
		fclose(file);
}

void
free_table(Table *table)
{
	for (int c = 0; c < table->ncolumns; c++)
	{
		for (size_t k = 0; k < table->nkeys; k++)
			free(table->columns[c].series[k].cells);
		for (size_t i = 0; i < table->columns[c].ntexts; i++)
			free(table->columns[c].texts[i]);
		free(table->columns[c].texts);
		free(table->columns[c].series);
		free(table->columns[c].name);
	}
	for (size_t k = 0; k < table->nkeys; k++)
		free(table->keys[k]);
	free(table->keys);
	free(table->slots);
}
