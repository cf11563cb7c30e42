/*
 * codec_measure.c
 *		Encodes, decodes, compares and times.
 *
 * Times are the least of a few rounds, so that what else the machine does
 * counts little.  Whatever does not come back bit for bit ends the program.
 */
#define _POSIX_C_SOURCE 200809L

#include "codec_measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zstd.h>

#include "codec/matrix.h"

#define ENCODE_ROUNDS	2
#define DECODE_ROUNDS	5
#define DECODE_REPEATS	8		/* in a round: the clock's own time is not to count */

static void *scratch;
static size_t scratch_bytes;

static void
want_scratch(size_t bytes)
{
	if (bytes <= scratch_bytes)
		return;
	free(scratch);
	scratch_bytes = (bytes + 15) / 16 * 16;
	scratch = must(aligned_alloc(16, scratch_bytes));
}

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double) time.tv_sec + (double) time.tv_nsec * 1e-9;
}

void
add_totals(Totals *to, const Totals *from)
{
	to->values += from->values;
	to->vectors += from->vectors;
	to->bytes += from->bytes;
	to->raw_bytes += from->raw_bytes;
	to->zstd_bytes += from->zstd_bytes;
	to->zstd_values += from->zstd_values;
	to->encode_seconds += from->encode_seconds;
	to->decode_seconds += from->decode_seconds;
	to->zstd_seconds += from->zstd_seconds;
	for (int i = 0; i < CODECS_MAX; i++)
		to->by_codec[i] += from->by_codec[i];
}

/* What zstd at level 3 makes of the same bytes. */
static void
measure_zstd(const void *raw, size_t bytes, size_t values, Totals *totals)
{
	static ZSTD_DCtx *inflater;
	size_t		bound = ZSTD_compressBound(bytes);
	void	   *frame = must(malloc(bound));
	void	   *back = must(malloc(bytes + 1));
	size_t		size = ZSTD_compress(frame, bound, raw, bytes, 3);
	double		least = 1e9;

	if (inflater == NULL)
		inflater = must(ZSTD_createDCtx());
	for (int round = 0; round < DECODE_ROUNDS; round++)
	{
		double		start = now();

		for (int i = 0; i < DECODE_REPEATS; i++)
			(void) ZSTD_decompressDCtx(inflater, back, bytes, frame, size);
		least = fmin(least, now() - start);
	}
	totals->zstd_seconds += least / DECODE_REPEATS;
	totals->zstd_bytes += size;
	totals->zstd_values += values;
	free(frame);
	free(back);
}

/* Encode, decode and compare one vector; returns its encoded size. */
static size_t
measure(const TsdbVector *vector, size_t data_bytes, TsdbCodecLevel level, Totals *totals)
{
	size_t		bound = tsdb_codec_encode_bound(vector, data_bytes);
	uint8_t    *encoded = must(malloc(bound));
	static uint8_t nulls_back[TSDB_VECTOR_NULL_BYTES];
	static uint32_t offsets_back[TSDB_VECTOR_ROWS_MAX + 1];
	TsdbVector	decoded = {0};
	TsdbVectorInfo info;
	ptrdiff_t	bytes = 0;
	size_t		value_bytes = data_bytes > 0 ? data_bytes : vector->nrows * 8;
	double		least = 1e9;

	want_scratch(tsdb_codec_scratch_bytes(vector->type, vector->width, data_bytes));
	for (int round = 0; round < ENCODE_ROUNDS; round++)
	{
		double		start = now();

		bytes = tsdb_codec_encode(vector, level, scratch, scratch_bytes, encoded, bound);
		least = fmin(least, now() - start);
		if (bytes < 0)
			die("encode failed", "");
	}
	totals->encode_seconds += least;

	decoded.nulls = nulls_back;
	decoded.data = must(malloc(value_bytes + TSDB_VECTOR_BLOCK_ROWS * 8));
	decoded.offsets = offsets_back;
	least = 1e9;
	for (int round = 0; round < DECODE_ROUNDS; round++)
	{
		double		start = now();

		for (int i = 0; i < DECODE_REPEATS; i++)
			if (tsdb_codec_decode(encoded, (size_t) bytes, scratch, scratch_bytes,
								  &decoded) != TSDB_CODEC_OK)
				die("decode failed", "");
		least = fmin(least, now() - start);
	}
	totals->decode_seconds += least / DECODE_REPEATS;
	if (decoded.nrows != vector->nrows ||
		memcmp(vector->data, decoded.data, value_bytes) != 0 ||
		memcmp(vector->nulls, nulls_back, sizeof(nulls_back)) != 0 ||
		(vector->type == TSDB_VECTOR_BYTES &&
		 memcmp(vector->offsets, offsets_back, (vector->nrows + 1) * sizeof(uint32_t)) != 0))
		die("decoded values differ", "");
	if (tsdb_codec_inspect(encoded, (size_t) bytes, &info) == TSDB_CODEC_OK &&
		info.codec < CODECS_MAX)
		totals->by_codec[info.codec] += vector->nrows;
	totals->values += vector->nrows;
	totals->vectors++;
	totals->bytes += (size_t) bytes;
	totals->raw_bytes += value_bytes;
	free(decoded.data);
	free(encoded);
	return (size_t) bytes;
}

/* The pattern that a cell is coded as; nulls are zero. */
static uint64_t
pattern_of(const Cell *cell, bool is_integer)
{
	uint64_t	pattern = 0;

	if (!cell->null)
		memcpy(&pattern, is_integer ? (const void *) &cell->integer :
			   (const void *) &cell->real, sizeof(pattern));
	return pattern;
}

void
measure_vector(const Cell *cells, uint32_t count, bool is_integer, TsdbCodecLevel level,
			   Totals *totals)
{
	static uint64_t values[TSDB_VECTOR_ROWS_MAX];
	static uint8_t nulls[TSDB_VECTOR_NULL_BYTES];
	TsdbVector	vector = {0};
	size_t		dense = 0;

	memset(nulls, 0, sizeof(nulls));
	for (uint32_t i = 0; i < count; i++)
	{
		values[i] = pattern_of(&cells[i], is_integer);
		if (cells[i].null)
			nulls[i / 8] |= (uint8_t) (1 << i % 8);
	}
	vector.type = is_integer ? TSDB_VECTOR_INT : TSDB_VECTOR_FLOAT8;
	vector.width = 8;
	vector.nrows = count;
	vector.nulls = nulls;
	vector.float8s = values;
	(void) measure(&vector, 0, level, totals);

	for (uint32_t i = 0; i < count; i++)
		if (!cells[i].null)
			values[dense++] = values[i];
	if (dense > 0)
		measure_zstd(values, dense * 8, dense, totals);
}

void
measure_texts(char *const *texts, uint32_t count, TsdbCodecLevel level, Totals *totals)
{
	static uint8_t nulls[TSDB_VECTOR_NULL_BYTES];
	static uint32_t offsets[TSDB_VECTOR_ROWS_MAX + 1];
	TsdbVector	vector = {0};
	uint8_t    *data;

	for (uint32_t i = 0; i < count; i++)
		offsets[i + 1] = offsets[i] + (uint32_t) strlen(texts[i]);
	data = must(malloc(offsets[count] + 1));
	for (uint32_t i = 0; i < count; i++)
		memcpy(data + offsets[i], texts[i], offsets[i + 1] - offsets[i]);
	vector.type = TSDB_VECTOR_BYTES;
	vector.nrows = count;
	vector.nulls = nulls;
	vector.data = data;
	vector.offsets = offsets;
	(void) measure(&vector, offsets[count], level, totals);
	measure_zstd(data, offsets[count], count, totals);
	free(data);
}

static int
compare_times(const void *a, const void *b)
{
	int64_t		left = *(const int64_t *) a;
	int64_t		right = *(const int64_t *) b;

	return left < right ? -1 : left > right;
}

/* The distinct times of all series, ascending. */
static int64_t *
distinct_times(const Table *table, const Column *times, size_t *count)
{
	size_t		cells = 0;
	size_t		kept = 0;
	int64_t    *all;

	for (size_t k = 0; k < table->nkeys; k++)
		cells += times->series[k].count;
	all = must(malloc((cells + 1) * sizeof(int64_t)));
	cells = 0;
	for (size_t k = 0; k < table->nkeys; k++)
		for (size_t i = 0; i < times->series[k].count; i++)
			all[cells++] = times->series[k].cells[i].integer;
	qsort(all, cells, sizeof(int64_t), compare_times);
	for (size_t i = 0; i < cells; i++)
		if (i == 0 || all[i] != all[i - 1])
			all[kept++] = all[i];
	*count = kept;
	return all;
}

/* Encode, decode and compare a matrix. */
static void
measure_lanes(const TsdbVector *lanes, uint32_t nlanes, TsdbCodecLevel level, Totals *totals)
{
	static TsdbMatrix matrix;
	size_t		bound = tsdb_matrix_bound(nlanes);
	uint8_t    *encoded = must(malloc(bound));
	TsdbVector *back = must(calloc(nlanes, sizeof(TsdbVector)));
	ptrdiff_t	bytes = 0;
	double		least = 1e9;

	want_scratch(tsdb_matrix_scratch_bytes(nlanes));
	for (uint32_t lane = 0; lane < nlanes; lane++)
	{
		back[lane].nulls = must(malloc(TSDB_VECTOR_NULL_BYTES));
		back[lane].float8s = must(malloc(TSDB_VECTOR_ROWS_MAX * 8));
	}
	for (int round = 0; round < ENCODE_ROUNDS; round++)
	{
		double		start = now();

		bytes = tsdb_matrix_encode(lanes, nlanes, level, scratch, scratch_bytes, encoded, bound);
		least = fmin(least, now() - start);
		if (bytes < 0)
			die("encode failed", "");
	}
	totals->encode_seconds += least;
	least = 1e9;
	for (int round = 0; round < DECODE_ROUNDS; round++)
	{
		double		start = now();

		if (tsdb_matrix_open(encoded, (size_t) bytes, scratch, scratch_bytes, &matrix) !=
			TSDB_CODEC_OK)
			die("open failed", "");
		for (uint32_t lane = 0; lane < nlanes; lane++)
			if (tsdb_matrix_decode(&matrix, lane, 0, matrix.nrows, back, scratch,
								   scratch_bytes, &back[lane]) != TSDB_CODEC_OK)
				die("decode failed", "");
		least = fmin(least, now() - start);
	}
	totals->decode_seconds += least;
	for (uint32_t lane = 0; lane < nlanes; lane++)
	{
		if (memcmp(lanes[lane].nulls, back[lane].nulls, TSDB_VECTOR_NULL_BYTES) != 0 ||
			memcmp(lanes[lane].float8s, back[lane].float8s, lanes[lane].nrows * 8) != 0)
			die("decoded values differ", "");
		measure_zstd(lanes[lane].float8s, lanes[lane].nrows * 8, lanes[lane].nrows, totals);
		free(back[lane].nulls);
		free(back[lane].float8s);
	}
	totals->values += (size_t) nlanes * lanes[0].nrows;
	totals->raw_bytes += (size_t) nlanes * lanes[0].nrows * 8;
	totals->vectors += nlanes;
	totals->bytes += (size_t) bytes;
	free(back);
	free(encoded);
}

void
measure_matrix(const Table *table, const Column *column, const Column *times,
			   bool is_integer, TsdbCodecLevel level, Totals *totals)
{
	size_t		ntimes;
	int64_t    *all = distinct_times(table, times, &ntimes);
	size_t	   *at = must(calloc(table->nkeys, sizeof(size_t)));

	for (size_t from = 0; from < ntimes; from += TSDB_VECTOR_ROWS_MAX)
	{
		uint32_t	nrows = ntimes - from < TSDB_VECTOR_ROWS_MAX ? (uint32_t) (ntimes - from) :
			TSDB_VECTOR_ROWS_MAX;

		for (size_t first = 0; first < table->nkeys; first += TSDB_MATRIX_LANES_MAX)
		{
			uint32_t	nlanes = table->nkeys - first < TSDB_MATRIX_LANES_MAX ?
				(uint32_t) (table->nkeys - first) : TSDB_MATRIX_LANES_MAX;
			TsdbVector *lanes = must(calloc(nlanes, sizeof(TsdbVector)));

			for (uint32_t lane = 0; lane < nlanes; lane++)
			{
				size_t		k = first + lane;
				const Series *values = &column->series[k];
				TsdbVector *vector = &lanes[lane];

				vector->type = is_integer ? TSDB_VECTOR_INT : TSDB_VECTOR_FLOAT8;
				vector->width = 8;
				vector->nrows = nrows;
				vector->nulls = must(calloc(1, TSDB_VECTOR_NULL_BYTES));
				vector->float8s = must(calloc(nrows, 8));
				for (uint32_t row = 0; row < nrows; row++)
				{
					bool		null = true;

					if (at[k] < values->count &&
						times->series[k].cells[at[k]].integer == all[from + row])
					{
						vector->float8s[row] = pattern_of(&values->cells[at[k]], is_integer);
						null = values->cells[at[k]++].null;
					}
					if (null)
						vector->nulls[row / 8] |= (uint8_t) (1 << row % 8);
				}
			}
			measure_lanes(lanes, nlanes, level, totals);
			for (uint32_t lane = 0; lane < nlanes; lane++)
			{
				free(lanes[lane].nulls);
				free(lanes[lane].float8s);
			}
			free(lanes);
		}
	}
	free(at);
	free(all);
}
