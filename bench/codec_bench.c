/*
 * codec_bench.c
 *		What the codec makes of the columns of CSV files.
 *
 *		codec_bench [-c] [-t] [-f] [-s] [-v] [-k COLUMN]... [-x COLUMN]... FILE...
 *
 *		-c			level cold
 *		-t			every candidate written: what the chooser is measured against
 *		-f			code columns of integers as float8 too
 *		-s			one line per file only
 *		-v			leave out series that never change
 *		-k COLUMN	part of the series key (text columns always are)
 *		-x COLUMN	not a value: leave out
 *
 * A file is read through zcat if its name ends in .gz.  Rows are grouped by
 * series key in order of appearance; each numeric column of each series is cut
 * into vectors of 1024 rows, which never span two series, encoded, decoded and
 * compared bit for bit.  Times are the least of a few rounds.  Columns of integers are coded as 8-byte integers, all
 * others as float8, a first column of ISO timestamps as microseconds; it is
 * printed but is no part of the file's mean.  Beside them stands zstd at level
 * 3 on the 8 raw bytes per value of the same vectors.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zstd.h>

#include "codec/codec.h"

#define COLUMNS_MAX		64
#define NAMES_MAX		16
#define LINE_MAX_BYTES	65536
#define CODECS_MAX		32
#define ENCODE_ROUNDS	2
#define DECODE_ROUNDS	5
#define DECODE_REPEATS	8		/* in a round: the clock's own time is not to count */

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
	bool		is_integer;
	Series	   *series;
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

/* Sums over vectors. */
typedef struct Totals
{
	size_t		values;
	size_t		vectors;
	size_t		bytes;
	size_t		zstd_bytes;
	size_t		zstd_values;
	double		encode_seconds;
	double		decode_seconds;
	double		zstd_seconds;
	size_t		by_codec[CODECS_MAX];
} Totals;

typedef struct Options
{
	TsdbCodecLevel level;
	bool		summary;
	bool		varying;
	bool		floats;
	const char *keys[NAMES_MAX];
	int			nkeys;
	const char *left_out[NAMES_MAX];
	int			nleft_out;
} Options;

static void
die(const char *what, const char *of)
{
	fprintf(stderr, "codec_bench: %s: %s\n", what, of);
	exit(1);
}

static void *
must(void *memory)
{
	if (memory == NULL)
		die("out of memory", "");
	return memory;
}

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double) time.tv_sec + (double) time.tv_nsec * 1e-9;
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
classify(Table *table, char **fields, const Options *options)
{
	for (int c = 0; c < table->ncolumns; c++)
	{
		Column	   *column = &table->columns[c];
		int64_t		micros;
		char	   *end;

		column->is_integer = true;
		column->is_time = parse_time(fields[c], &micros);
		column->is_left_out = is_named(column->name, options->left_out, options->nleft_out);
		(void) strtod(fields[c], &end);
		column->is_key = is_named(column->name, options->keys, options->nkeys) ||
			(!column->is_time && !column->is_left_out && *end != '\0');
	}
}

static void
read_table(const char *path, const Options *options, Table *table)
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
			classify(table, fields, options);
		first = false;
		for (int c = 0; c < table->ncolumns; c++)
			if (table->columns[c].is_key)
				at += (size_t) snprintf(key + at, sizeof(key) - at, "%.500s|", fields[c]);
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

static void
free_table(Table *table)
{
	for (int c = 0; c < table->ncolumns; c++)
	{
		for (size_t k = 0; k < table->nkeys; k++)
			free(table->columns[c].series[k].cells);
		free(table->columns[c].series);
		free(table->columns[c].name);
	}
	for (size_t k = 0; k < table->nkeys; k++)
		free(table->keys[k]);
	free(table->keys);
	free(table->slots);
}

/* Encode, decode and compare one vector; add what it cost. */
static void
measure_vector(const Cell *cells, uint32_t count, bool is_integer, const Options *options,
			   Totals *totals)
{
	static uint64_t values[TSDB_VECTOR_ROWS_MAX];
	static uint64_t back[TSDB_VECTOR_ROWS_MAX];
	static uint8_t nulls[TSDB_VECTOR_NULL_BYTES];
	static uint8_t nulls_back[TSDB_VECTOR_NULL_BYTES];
	static uint8_t encoded[32768];
	static uint8_t frame[32768];
	static void *scratch = NULL;
	static size_t scratch_bytes;
	static ZSTD_DCtx *inflater;
	TsdbVector	vector = {0};
	TsdbVector	decoded = {0};
	TsdbVectorInfo info;
	ptrdiff_t	bytes = 0;
	size_t		raw;
	size_t		dense = 0;
	double		start;
	double		least;

	if (scratch == NULL)
	{
		scratch_bytes = (tsdb_codec_scratch_bytes(TSDB_VECTOR_FLOAT8, 8, 0) + 15) / 16 * 16;
		inflater = must(ZSTD_createDCtx());
		scratch = must(aligned_alloc(16, scratch_bytes));
	}
	memset(nulls, 0, sizeof(nulls));
	for (uint32_t i = 0; i < count; i++)
	{
		memcpy(&values[i], is_integer ? (const void *) &cells[i].integer :
			   (const void *) &cells[i].real, 8);
		if (cells[i].null)
			nulls[i / 8] |= (uint8_t) (1 << i % 8), values[i] = 0;
	}
	vector.type = is_integer ? TSDB_VECTOR_INT : TSDB_VECTOR_FLOAT8;
	vector.width = 8;
	vector.nrows = count;
	vector.nulls = nulls;
	vector.float8s = values;
	least = 1e9;
	for (int round = 0; round < ENCODE_ROUNDS; round++)
	{
		start = now();
		bytes = tsdb_codec_encode(&vector, options->level, scratch, scratch_bytes, encoded,
								  sizeof(encoded));
		least = fmin(least, now() - start);
		if (bytes < 0)
			die("encode failed", "");
	}
	totals->encode_seconds += least;

	decoded.nulls = nulls_back;
	decoded.float8s = back;
	least = 1e9;
	for (int round = 0; round < DECODE_ROUNDS; round++)
	{
		start = now();
		for (int i = 0; i < DECODE_REPEATS; i++)
			if (tsdb_codec_decode(encoded, (size_t) bytes, scratch, scratch_bytes,
								  &decoded) != TSDB_CODEC_OK)
				die("decode failed", "");
		least = fmin(least, now() - start);
	}
	totals->decode_seconds += least / DECODE_REPEATS;
	if (decoded.nrows != count || memcmp(values, back, count * 8) != 0 ||
		memcmp(nulls, nulls_back, sizeof(nulls)) != 0)
		die("decoded values differ", "");
	if (tsdb_codec_inspect(encoded, (size_t) bytes, &info) == TSDB_CODEC_OK &&
		info.codec < CODECS_MAX)
		totals->by_codec[info.codec] += count;

	for (uint32_t i = 0; i < count; i++)
		if (!cells[i].null)
			values[dense++] = values[i];
	raw = dense * 8;
	if (raw > 0)
	{
		size_t		size = ZSTD_compress(frame, sizeof(frame), values, raw, 3);

		least = 1e9;
		for (int round = 0; round < DECODE_ROUNDS; round++)
		{
			start = now();
			for (int i = 0; i < DECODE_REPEATS; i++)
				(void) ZSTD_decompressDCtx(inflater, back, sizeof(back), frame, size);
			least = fmin(least, now() - start);
		}
		totals->zstd_seconds += least / DECODE_REPEATS;
		totals->zstd_bytes += size;
		totals->zstd_values += dense;
	}
	totals->values += count;
	totals->vectors++;
	totals->bytes += (size_t) bytes;
}

static void
add_totals(Totals *to, const Totals *from)
{
	to->values += from->values;
	to->vectors += from->vectors;
	to->bytes += from->bytes;
	to->zstd_bytes += from->zstd_bytes;
	to->zstd_values += from->zstd_values;
	to->encode_seconds += from->encode_seconds;
	to->decode_seconds += from->decode_seconds;
	to->zstd_seconds += from->zstd_seconds;
	for (int i = 0; i < CODECS_MAX; i++)
		to->by_codec[i] += from->by_codec[i];
}

static double
gigabytes_per_second(size_t values, double seconds)
{
	return seconds > 0 ? (double) values * 8 / seconds * 1e-9 : 0;
}

static void
print_totals(const char *name, const char *type, const Totals *totals)
{
	double		decode = gigabytes_per_second(totals->values, totals->decode_seconds);
	double		zstd = gigabytes_per_second(totals->zstd_values, totals->zstd_seconds);

	printf("%-28.28s %-7s %9zu %7.3f %7.3f %7.2f %7.2f %6.1f  ", name, type, totals->values,
		   (double) totals->bytes * 8 / (double) totals->values,
		   (double) totals->zstd_bytes * 8 / (double) totals->values,
		   gigabytes_per_second(totals->values, totals->encode_seconds),
		   decode, zstd > 0 ? decode / zstd : 0);
	for (int i = 0; i < CODECS_MAX; i++)
		if (totals->by_codec[i] > 0)
			printf(" %s:%.0f%%", tsdb_codec_name((uint8_t) i),
				   100.0 * (double) totals->by_codec[i] / (double) totals->values);
	printf("\n");
}

static bool
is_varying(const Series *series, bool is_integer)
{
	for (size_t i = 1; i < series->count; i++)
		if (is_integer ? series->cells[i].integer != series->cells[0].integer :
			memcmp(&series->cells[i].real, &series->cells[0].real, 8) != 0)
			return true;
	return false;
}

static void
measure_file(const char *path, const Options *options)
{
	static Table table;
	const char *name = strrchr(path, '/');
	Totals		all = {0};

	read_table(path, options, &table);
	for (int c = 0; c < table.ncolumns; c++)
	{
		Column	   *column = &table.columns[c];
		bool		is_integer = (column->is_integer && !options->floats) || column->is_time;
		Totals		totals = {0};

		if (column->is_key || column->is_left_out)
			continue;
		for (size_t k = 0; k < table.nkeys; k++)
		{
			const Series *series = &column->series[k];

			if (options->varying && !column->is_time && !is_varying(series, is_integer))
				continue;
			for (size_t at = 0; at < series->count; at += TSDB_VECTOR_ROWS_MAX)
			{
				size_t		left = series->count - at;

				measure_vector(series->cells + at,
							   left < TSDB_VECTOR_ROWS_MAX ? (uint32_t) left : TSDB_VECTOR_ROWS_MAX,
							   is_integer, options, &totals);
			}
		}
		if (totals.values == 0)
			continue;
		if (!options->summary)
			print_totals(column->name, column->is_time ? "time" : is_integer ? "int8" : "float8",
						 &totals);
		if (!column->is_time)
			add_totals(&all, &totals);
	}
	if (all.values > 0)
		print_totals(name == NULL ? path : name + 1, "file", &all);
	free_table(&table);
}

int
main(int argc, char **argv)
{
	Options		options = {0};
	int			i = 1;

	for (; i < argc && argv[i][0] == '-'; i++)
	{
		if (strcmp(argv[i], "-t") == 0)
			options.level = TSDB_LEVEL_TRIED;
		else if (strcmp(argv[i], "-c") == 0)
			options.level = TSDB_LEVEL_COLD;
		else if (strcmp(argv[i], "-f") == 0)
			options.floats = true;
		else if (strcmp(argv[i], "-s") == 0)
			options.summary = true;
		else if (strcmp(argv[i], "-v") == 0)
			options.varying = true;
		else if (strcmp(argv[i], "-k") == 0 && i + 1 < argc && options.nkeys < NAMES_MAX)
			options.keys[options.nkeys++] = argv[++i];
		else if (strcmp(argv[i], "-x") == 0 && i + 1 < argc && options.nleft_out < NAMES_MAX)
			options.left_out[options.nleft_out++] = argv[++i];
		else
			die("unknown option", argv[i]);
	}
	if (i >= argc)
		die("no file given", "");
	printf("%-28s %-7s %9s %7s %7s %7s %7s %6s   %s\n", "column", "type", "values", "bits",
		   "zstd-3", "enc", "dec", "ratio", "codecs (enc, dec: GB/s; ratio: dec to zstd-3's)");
	for (; i < argc; i++)
		measure_file(argv[i], &options);
	return 0;
}
