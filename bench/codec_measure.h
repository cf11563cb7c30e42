/*
 * codec_measure.h
 *		Encodes, decodes, compares and times vectors and matrices.
 */
#ifndef TSDB_BENCH_CODEC_MEASURE_H
#define TSDB_BENCH_CODEC_MEASURE_H

#include "csv_table.h"
#include "codec/codec.h"

#define CODECS_MAX		32

/* Sums over vectors. */
typedef struct Totals
{
	size_t		values;
	size_t		vectors;
	size_t		bytes;
	size_t		raw_bytes;
	size_t		zstd_bytes;
	size_t		zstd_values;
	double		encode_seconds;
	double		decode_seconds;
	double		zstd_seconds;
	size_t		by_codec[CODECS_MAX];
} Totals;

extern void add_totals(Totals *to, const Totals *from);

/* Code count cells as one vector; add what it cost. */
extern void measure_vector(const Cell *cells, uint32_t count, bool is_integer,
						   TsdbCodecLevel level, Totals *totals);

/* The same with texts. */
extern void measure_texts(char *const *texts, uint32_t count, TsdbCodecLevel level,
						  Totals *totals);

/*
 * Code a column of all series as matrices: a lane for each series, a row for
 * each distinct time, null where a series has no cell.
 */
extern void measure_matrix(const Table *table, const Column *column, const Column *times,
						   bool is_integer, TsdbCodecLevel level, Totals *totals);

#endif							/* TSDB_BENCH_CODEC_MEASURE_H */
