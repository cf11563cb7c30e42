/*
 * chunk_stats.h
 *		Statistics of a column: computed from its vector, read back as Datums.
 */
#ifndef TSDB_CHUNK_CHUNK_STATS_H
#define TSDB_CHUNK_CHUNK_STATS_H

#include "chunk/chunk.h"
#include "chunk/chunk_body.h"
#include "chunk/chunk_type.h"
#include "codec/codec.h"

/*
 * Fill the statistics of column (range, ends, sum) from a vector with at least
 * one value that is not null.  Strings in the result point into the vector.
 */
extern void tsdb_chunk_stats_compute(const TsdbColumnType *type,
									 const TsdbVector *vector, uint32 nnulls,
									 TsdbBodyColumn *column);

/*
 * The same for a numeric column: vector holds integers at column->scale,
 * scales (NULL if all rows have that one) the scale of each row.
 */
extern void tsdb_chunk_stats_decimal(const TsdbVector *vector, const int64 *scales,
									 uint32 nnulls, TsdbBodyColumn *column);

/*
 * Convert what a body says of a column for a column that is of type now, which
 * may not be the type that it was written under: what then makes no sense is
 * left out.  By-reference Datums are palloc'd in the current context.
 */
extern void tsdb_chunk_stats_read(const TsdbColumnType *type,
								  const TsdbBodyColumn *column,
								  TsdbColumnStats *stats);

#endif							/* TSDB_CHUNK_CHUNK_STATS_H */
