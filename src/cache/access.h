/*
 * access.h
 *		One read of a table: what a scan asked for, and what it took to answer.
 *
 * Values of the table are not in here but as what a search of the directory goes by: of each series, the
 * rank of the first column of the key (store/key_columns.h) and the hash of the whole key (chunk/series_hash.c).  A
 * rank may be the first eight bytes of a label, so records stay in shared memory, where no view shows them; a
 * trace (cache/access_trace.h) has neither ranks nor hashes.
 *
 * Plain C11; no server headers.
 */
#ifndef TSDB_CACHE_ACCESS_H
#define TSDB_CACHE_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

/* Reads of more series are not recorded; of more columns, the first so many. */
#define TSDB_ACCESS_SERIES_MAX	8
#define TSDB_ACCESS_COLUMNS_MAX 16

/* no bound */
#define TSDB_ACCESS_FIRST		INT64_MIN
#define TSDB_ACCESS_LAST		INT64_MAX

typedef struct TsdbAccess
{
	int64_t		at;				/* when the scan ended, microseconds of any clock */

	/* what was asked for */
	uint32_t	database;
	uint32_t	table;
	uint32_t	shape;			/* hash of the columns that the query names */
	int16_t		time;			/* column of the times; 0: none is known */
	int16_t		rank;			/* column of the ranks; 0: there are none */
	int64_t		from;			/* times, both included, in the column's own unit */
	int64_t		to;
	uint64_t	key;			/* columns of the hashes, as TsdbChunkWanted.series; 0: there are none */
	uint64_t	ranks[TSDB_ACCESS_SERIES_MAX];
	uint32_t	hashes[TSDB_ACCESS_SERIES_MAX];
	uint8_t		nranks;			/* in order; 0: any */
	uint8_t		nhashes;		/* 0: any */
	bool		paired;			/* hashes[i] is that of the series of ranks[i] */
	bool		edges;			/* expected: chunks that lie whole in the range are answered from statistics */

	/* what it took */
	uint8_t		ncolumns;		/* that were read of some chunk; of others statistics were enough */
	int16_t		columns[TSDB_ACCESS_COLUMNS_MAX];
	uint16_t	chunks;			/* that may have what was asked for */
	uint16_t	decoded;		/* of these, those of which a column was read */
	uint16_t	misses;			/* vectors that were not in the working set */
	uint16_t	prefetched;		/* that were because of a prediction, and that nobody had used before */
} TsdbAccess;

#endif							/* TSDB_CACHE_ACCESS_H */
