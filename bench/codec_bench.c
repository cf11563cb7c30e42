/*
 * codec_bench.c
 *		What the codec makes of the columns of CSV files.
 *
 *		codec_bench [-c] [-t] [-f] [-s] [-v] [-m] [-p FILE.svg]
 *					[-k COLUMN]... [-x COLUMN]... FILE...
 *
 *		-c			level cold
 *		-t			every candidate written: what the chooser is measured against
 *		-f			code columns of integers as float8 too
 *		-s			one line per file only
 *		-v			leave out series that never change
 *		-m			all series of a column as a matrix over the times they share
 *		-p FILE.svg	draw what is printed
 *		-k COLUMN	part of the series key (text columns always are)
 *		-x COLUMN	not a value: leave out
 *
 * Rows are grouped by series key in order of appearance; each numeric column
 * of each series is cut into vectors of 1024 rows, which never span two
 * series, encoded, decoded and compared bit for bit.  Columns of integers are
 * coded as 8-byte integers, all others as float8, times as microseconds, texts
 * as they come.  Times and texts are printed but are no part of the file's
 * mean.  Beside them stands zstd at level 3 on the raw bytes of the same
 * vectors: 8 a value, or the text.
 *
 * The type of a column is what most of its series look like: constant, counter
 * (never falls, but for resets), gauge; time or label.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec_measure.h"
#include "codec_plot.h"
#include "csv_table.h"
#include "codec/codec.h"

typedef struct Options
{
	TsdbCodecLevel level;
	bool		summary;
	bool		varying;
	bool		floats;
	bool		matrix;
	const char *plot;
	ColumnRoles roles;
} Options;

static double
gigabytes_per_second(size_t bytes, double seconds)
{
	return seconds > 0 ? (double) bytes / seconds * 1e-9 : 0;
}

/* Bits a value by codec, of those that were chosen, "delta:60% runs:40%". */
static void
describe_codecs(const Totals *totals, char *text, size_t bytes)
{
	size_t		at = 0;

	text[0] = '\0';
	for (int i = 0; i < CODECS_MAX && at < bytes; i++)
		if (totals->by_codec[i] > 0)
			at += (size_t) snprintf(text + at, bytes - at, " %s:%.0f%%",
									tsdb_codec_name((uint8_t) i),
									100.0 * (double) totals->by_codec[i] /
									(double) totals->values);
}

static void
print_totals(const char *name, const char *type, const char *found, const Totals *totals)
{
	double		decode = gigabytes_per_second(totals->raw_bytes, totals->decode_seconds);
	double		zstd = gigabytes_per_second(totals->zstd_values * totals->raw_bytes /
											totals->values, totals->zstd_seconds);
	PlotBar		bar = {0};
	char		codecs[256];

	bar.bits = (double) totals->bytes * 8 / (double) totals->values;
	bar.zstd_bits = (double) totals->zstd_bytes * 8 / (double) totals->values;
	bar.encode = gigabytes_per_second(totals->raw_bytes, totals->encode_seconds);
	bar.decode = decode;
	describe_codecs(totals, codecs, sizeof(codecs));
	printf("%-28.28s %-7s %9zu %7.3f %7.3f %7.2f %7.2f %6.1f  %-8s %s\n", name, type,
		   totals->values, bar.bits, bar.zstd_bits, bar.encode, bar.decode,
		   zstd > 0 ? decode / zstd : 0, found, codecs);
	snprintf(bar.name, sizeof(bar.name), "%s", name);
	snprintf(bar.note, sizeof(bar.note), "%s%s", found, codecs);
	plot_add(&bar);
}

static bool
differ(const Cell *a, const Cell *b, bool is_integer)
{
	return is_integer ? a->integer != b->integer : memcmp(&a->real, &b->real, 8) != 0;
}

static bool
is_varying(const Series *series, bool is_integer)
{
	for (size_t i = 1; i < series->count; i++)
		if (differ(&series->cells[i], &series->cells[0], is_integer))
			return true;
	return false;
}

/* A counter rises, and when it falls, then to less than a tenth: a reset. */
static bool
is_counter(const Series *series)
{
	size_t		rises = 0;

	for (size_t i = 1; i < series->count; i++)
	{
		double		before = series->cells[i - 1].real;
		double		here = series->cells[i].real;

		if (series->cells[i].null || series->cells[i - 1].null)
			continue;
		if (before < 0 || (here < before && here * 10 > before))
			return false;
		rises += here > before;
	}
	return rises > 1;
}

/* What most of a column's cells belong to. */
static const char *
find_type(const Table *table, const Column *column, bool is_integer)
{
	size_t		constants = 0;
	size_t		counters = 0;
	size_t		all = 0;

	if (column->is_time)
		return "time";
	for (size_t k = 0; k < table->nkeys; k++)
	{
		const Series *series = &column->series[k];

		all += series->count;
		if (!is_varying(series, is_integer))
			constants += series->count;
		else if (is_counter(series))
			counters += series->count;
	}
	return constants * 2 > all ? "constant" : counters * 2 > all - constants ? "counter" :
		"gauge";
}

static void
measure_column(const Table *table, const Column *column, const Column *times,
			   bool is_integer, const Options *options, Totals *totals)
{
	if (options->matrix && !column->is_time && times != NULL)
	{
		measure_matrix(table, column, times, is_integer, options->level, totals);
		return;
	}
	for (size_t k = 0; k < table->nkeys; k++)
	{
		const Series *series = &column->series[k];

		if (options->varying && !column->is_time && !is_varying(series, is_integer))
			continue;
		for (size_t at = 0; at < series->count; at += TSDB_VECTOR_ROWS_MAX)
		{
			size_t		left = series->count - at;

			measure_vector(series->cells + at,
						   left < TSDB_VECTOR_ROWS_MAX ? (uint32_t) left : TSDB_VECTOR_ROWS_MAX,
						   is_integer, options->level, totals);
		}
	}
}

static void
measure_text_column(const Column *column, const Options *options)
{
	Totals		totals = {0};

	for (size_t at = 0; at < column->ntexts; at += TSDB_VECTOR_ROWS_MAX)
	{
		size_t		left = column->ntexts - at;

		measure_texts(column->texts + at,
					  left < TSDB_VECTOR_ROWS_MAX ? (uint32_t) left : TSDB_VECTOR_ROWS_MAX,
					  options->level, &totals);
	}
	if (totals.values > 0)
		print_totals(column->name, "text", "label", &totals);
}

static void
measure_file(const char *path, const Options *options)
{
	static Table table;
	const char *name = strrchr(path, '/');
	const Column *times = NULL;
	Totals		all = {0};

	read_table(path, &options->roles, &table);
	for (int c = 0; c < table.ncolumns && times == NULL; c++)
		if (table.columns[c].is_time && !table.columns[c].is_left_out)
			times = &table.columns[c];
	for (int c = 0; c < table.ncolumns; c++)
	{
		Column	   *column = &table.columns[c];
		bool		is_integer = (column->is_integer && !options->floats) || column->is_time;
		Totals		totals = {0};

		if (column->is_text && !options->summary)
			measure_text_column(column, options);
		if (column->is_key || column->is_left_out)
			continue;
		measure_column(&table, column, times, is_integer, options, &totals);
		if (totals.values == 0)
			continue;
		if (!options->summary)
			print_totals(column->name,
						 column->is_time ? "time" : is_integer ? "int8" : "float8",
						 find_type(&table, column, is_integer), &totals);
		if (!column->is_time)
			add_totals(&all, &totals);
	}
	if (all.values > 0)
		print_totals(name == NULL ? path : name + 1, "file", "", &all);
	free_table(&table);
}

int
main(int argc, char **argv)
{
	Options		options = {0};
	ColumnRoles *roles = &options.roles;
	int			i = 1;

	for (; i < argc && argv[i][0] == '-'; i++)
	{
		if (strcmp(argv[i], "-c") == 0)
			options.level = TSDB_LEVEL_COLD;
		else if (strcmp(argv[i], "-t") == 0)
			options.level = TSDB_LEVEL_TRIED;
		else if (strcmp(argv[i], "-f") == 0)
			options.floats = true;
		else if (strcmp(argv[i], "-s") == 0)
			options.summary = true;
		else if (strcmp(argv[i], "-v") == 0)
			options.varying = true;
		else if (strcmp(argv[i], "-m") == 0)
			options.matrix = true;
		else if (strcmp(argv[i], "-p") == 0 && i + 1 < argc)
			options.plot = argv[++i];
		else if (strcmp(argv[i], "-k") == 0 && i + 1 < argc && roles->nkeys < NAMES_MAX)
			roles->keys[roles->nkeys++] = argv[++i];
		else if (strcmp(argv[i], "-x") == 0 && i + 1 < argc && roles->nleft_out < NAMES_MAX)
			roles->left_out[roles->nleft_out++] = argv[++i];
		else
			die("unknown option", argv[i]);
	}
	if (i >= argc)
		die("no file given", "");
	printf("%-28s %-7s %9s %7s %7s %7s %7s %6s   %-8s %s\n", "column", "coded as", "values",
		   "bits", "zstd-3", "enc", "dec", "ratio", "looks",
		   "codecs (enc, dec: GB/s; ratio: dec to zstd-3's)");
	for (; i < argc; i++)
		measure_file(argv[i], &options);
	if (options.plot != NULL && !plot_write(options.plot))
		die("cannot write", options.plot);
	return 0;
}
