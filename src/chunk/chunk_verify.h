/*
 * chunk_verify.h
 *		A chunk's body against its vectors.
 *
 * Everything that the body says is computed again from decoded vectors, in the
 * form in which they are stored: statistics are verified under the type that
 * the chunk was written with, also those of columns dropped since.
 *
 * Each function does one step, so that the caller can go on with the next one
 * when a step has raised an error: what cannot be read is raised, as everywhere
 * in this layer, what is read and contradicts the body is reported.
 */
#ifndef TSDB_CHUNK_CHUNK_VERIFY_H
#define TSDB_CHUNK_CHUNK_VERIFY_H

#include "chunk/chunk.h"

typedef struct TsdbChunkVerify TsdbChunkVerify;

/* Says what is wrong, in a phrase; attno 0: not with a column; row -1: not with a row. */
typedef void (*TsdbChunkReport) (void *arg, AttrNumber attno, int row, const char *fault);

/* Parse a body, which must stay; memory is the current context's. */
extern TsdbChunkVerify *tsdb_chunk_verify_open(const char *body, uint32 body_bytes,
											   uint32 stream_bytes, TsdbStreamFetch fetch,
											   TsdbChunkDamage damage, void *fetch_arg,
											   TsdbChunkReport report, void *report_arg);

/* Columns that the chunk has. */
extern int	tsdb_chunk_verify_natts(const TsdbChunkVerify *verify);

/* What the directory says of the chunk, and where its vectors lie. */
extern void tsdb_chunk_verify_head(TsdbChunkVerify *verify, uint32 nrows, bool has_time,
								   int64 min_time, int64 max_time);

/* Decode a column, and compute its statistics. */
extern void tsdb_chunk_verify_column(TsdbChunkVerify *verify, AttrNumber attno);

/* Segments: that their rows have one key, time ranges, order by time.  Needs
 * the columns of the sort key verified before, or leaves out what they decide. */
extern void tsdb_chunk_verify_segments(TsdbChunkVerify *verify);

/*
 * As the table's columns are today: values of the present types can be formed,
 * series are in order, and their hash fits the shard.
 */
extern void tsdb_chunk_verify_rows(TsdbChunkVerify *verify, TsdbChunkReader *reader,
								   TupleDesc tupdesc, int shard, int nshards);

#endif							/* TSDB_CHUNK_CHUNK_VERIFY_H */
