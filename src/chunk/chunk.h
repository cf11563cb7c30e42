/*
 * chunk.h
 *		A chunk in memory: gathering rows, serialising, reading columns.
 *
 * A chunk is written once.  The writer gathers up to TSDB_CHUNK_ROWS rows,
 * which the caller adds in their final order (series key, then time), and
 * serialises them to two byte strings:
 *
 *   body    the self-describing head: row count, schema it was written under,
 *           time range, per-column statistics, segments, and where in the
 *           stream each vector lies (see chunk_format.h)
 *   stream  the encoded vectors, back to back
 *
 * The body goes to the directory, the stream to a shard.  A body larger than
 * TSDB_CHUNK_INLINE_BODY keeps the head inline and moves the rest to the end
 * of the stream, so that 1600 columns fit.
 *
 * The reader is opened on a body and decodes columns when first asked for,
 * through a callback that fetches a range of the stream.  Itself and everything
 * that it returns lives in the memory context that it is given.  It keeps neither
 * the body nor the row type that it was opened with.
 *
 * Errors: stored bytes that break the format are reported through the damage
 * callback, which knows table, shard and chunk and raises
 * ERRCODE_DATA_CORRUPTED.  No bytes can make this layer read or write outside
 * its buffers; that they still are the bytes written is for the checksum of
 * the layer that stores them.
 */
#ifndef TSDB_CHUNK_CHUNK_H
#define TSDB_CHUNK_CHUNK_H

#include "access/tupdesc.h"
#include "chunk/row_array.h"
#include "codec/codec.h"
#include "lib/stringinfo.h"

#define TSDB_CHUNK_ROWS			1024
#define TSDB_CHUNK_INLINE_BODY	4000	/* bytes of body kept in the directory tuple */
#define TSDB_CHUNK_RAW_MAX		(8 * 1024 * 1024)	/* raw bytes that close a chunk */

/* The columns that order a table; attribute numbers, 0 for none. */
typedef struct TsdbSortKey
{
	AttrNumber	time;			/* time column, or 0: insertion order */
	int			nseries;
	AttrNumber	series[INDEX_MAX_KEYS];
} TsdbSortKey;

/* ---- writing ---- */

typedef struct TsdbChunkWriter TsdbChunkWriter;

/* A serialised chunk; memory of the writer, valid until its next reset. */
typedef struct TsdbChunkImage
{
	uint32		nrows;
	bool		has_time;		/* min_time and max_time are set */
	bool		cold;			/* encoded at level cold */
	int64		min_time;		/* in the time column's own unit */
	int64		max_time;
	const char *body;
	uint32		body_bytes;		/* at most TSDB_CHUNK_INLINE_BODY */
	const char *stream;
	uint32		stream_bytes;
} TsdbChunkImage;

extern TsdbChunkWriter *tsdb_chunk_writer_create(TupleDesc tupdesc,
												 const TsdbSortKey *key);

/* Add a row.  Varlena values may be toasted, compressed or expanded: the
 * writer copies what it keeps. */
extern void tsdb_chunk_writer_add(TsdbChunkWriter *writer,
								  const Datum *values, const bool *nulls);

/* Make room for so many rows at once. */
extern void tsdb_chunk_writer_reserve(TsdbChunkWriter *writer, uint32 rows);

/* Add rows without nulls, of a table all of whose columns are passed by value;
 * there must be room for them. */
extern void tsdb_chunk_writer_add_datums(TsdbChunkWriter *writer, const Datum *const *rows,
										 uint32 count);

/* The same for rows [from, from + count) of columns, one array each. */
extern void tsdb_chunk_writer_add_arrays(TsdbChunkWriter *writer, const TsdbRowArray *arrays,
										 uint32 from, uint32 count);
extern uint32 tsdb_chunk_writer_rows(const TsdbChunkWriter *writer);

/* True if no further row may be added. */
extern bool tsdb_chunk_writer_full(const TsdbChunkWriter *writer);

/* Is a chunk due for level cold if times before cold_before are?  All chunks
 * are with PG_INT64_MAX, none with PG_INT64_MIN. */
static inline bool
tsdb_chunk_is_due(bool has_time, int64 max_time, int64 cold_before)
{
	return cold_before == PG_INT64_MAX || (has_time && max_time < cold_before);
}

/* Serialise what was added (at least one row), at level cold if that is due. */
extern const TsdbChunkImage *tsdb_chunk_writer_finish(TsdbChunkWriter *writer,
													  int64 cold_before);
extern void tsdb_chunk_writer_reset(TsdbChunkWriter *writer);
extern void tsdb_chunk_writer_free(TsdbChunkWriter *writer);

/* ---- reading ---- */

/* Fetch bytes [offset, offset + length) of the stream into dst. */
typedef void (*TsdbStreamFetch) (void *arg, uint32 offset, uint32 length, char *dst);

/* The same bytes where they are, if that is in one piece and for as long as the reader; else NULL. */
typedef const char *(*TsdbStreamPeek) (void *arg, uint32 offset, uint32 length);

/* Raise (ereport ERROR, does not return) that this chunk is damaged. */
typedef void (*TsdbChunkDamage) (void *arg, const char *detail);

typedef struct TsdbChunkReader TsdbChunkReader;

/*
 * tupdesc is the table's present row type: columns added since the chunk was
 * written read as their missing value, dropped ones as null.  peek may be NULL.
 * The body is looked at when something must be decoded; it is damage if it has
 * another number of rows.
 */
extern TsdbChunkReader *tsdb_chunk_reader_open(MemoryContext context, TupleDesc tupdesc,
											   uint32 nrows,
											   const char *body, uint32 body_bytes,
											   TsdbStreamFetch fetch,
											   TsdbStreamPeek peek,
											   TsdbChunkDamage damage,
											   void *arg);
extern uint32 tsdb_chunk_reader_rows(const TsdbChunkReader *reader);

/* A decoded column, one entry per row.  By-reference values point into the
 * reader's memory, or a shelf's, and are complete, aligned varlenas or fixed-size
 * values.  What a reader shows must not be written to. */
typedef struct TsdbColumn
{
	Datum	   *values;
	bool	   *nulls;
	bool		any_null;
	const void *packed;			/* values as a shelf keeps them, while they are NULL */
} TsdbColumn;

/*
 * Columns that were decoded before, by whomever; of columns that the chunk has, never of
 * those that were added later or dropped.
 *
 *	find	fill in the column, whose content then stays where it is at least until the
 *			reader's memory goes; false if it is not there.  Its values may be packed
 *	unpack	give such a column values
 *	wants	would it be kept?  Asked after find, by who would else decode a part of it
 *	keep	the column has been decoded; its by-reference values, if it has such, lie in
 *			these bytes of payload.  Copies what it wants to keep
 */
typedef struct TsdbColumnShelf
{
	bool		(*find) (void *arg, AttrNumber attno, uint32 nrows, TsdbColumn *column);
	void		(*unpack) (void *arg, uint32 nrows, TsdbColumn *column);
	bool		(*wants) (void *arg, AttrNumber attno, uint32 nrows);
	void		(*keep) (void *arg, AttrNumber attno, uint32 nrows, const TsdbColumn *column,
						 const char *payload, Size payload_bytes);
} TsdbColumnShelf;

/* Take columns from there, and give them there. */
extern void tsdb_chunk_reader_use_shelf(TsdbChunkReader *reader, const TsdbColumnShelf *shelf,
										void *arg);

/* The context that it was given. */
extern MemoryContext tsdb_chunk_reader_memory(const TsdbChunkReader *reader);

extern const TsdbColumn *tsdb_chunk_reader_column(TsdbChunkReader *reader,
												  AttrNumber attno);

/* The column as the shelf keeps it, if it is there, packed, and nobody has asked for its values; else NULL. */
extern const TsdbColumn *tsdb_chunk_reader_packed(TsdbChunkReader *reader, AttrNumber attno);

/*
 * One value of a column, without decoding more than the block around it where the codec allows
 * that: for who wants a row or two.  By-reference values live as long as the reader.
 */
extern Datum tsdb_chunk_reader_value(TsdbChunkReader *reader, AttrNumber attno, uint32 row,
									 bool *is_null);

/* A column for who wants rows [from, to) only: other entries may mean nothing.  Of numbers,
 * blocks without such rows are not decoded, and the reader does not keep the column. */
extern const TsdbColumn *tsdb_chunk_reader_column_part(TsdbChunkReader *reader,
													   AttrNumber attno, uint32 from,
													   uint32 to);

/* The segments of a chunk: runs of rows whose series key is the same to the
 * bit. Row ranges always, time ranges only where segments are long on average. */
typedef struct TsdbSegments
{
	uint32		count;			/* at least 1 */
	uint32	   *rows;			/* count + 1 entries: first rows, then the end */
	int64	   *min_time;		/* count entries, or NULL */
	int64	   *max_time;
	bool	   *no_time;		/* all times of that segment are null */
} TsdbSegments;

/* Lives as long as the reader. */
extern const TsdbSegments *tsdb_chunk_reader_segments(TsdbChunkReader *reader);

/* Was anything of the chunk decoded? */
extern bool tsdb_chunk_reader_has_decoded(const TsdbChunkReader *reader);

/* Delete that context, which must have been made for the reader. */
extern void tsdb_chunk_reader_close(TsdbChunkReader *reader);

/* ---- the body without decoding, for views, planner and pruning ---- */

/* A session keeps many of these: members are in an order without gaps. */
typedef struct TsdbColumnStats
{
	uint8		codec;			/* 0: no vector, every row is null */
	bool		has_range;		/* min and max are set, each a value of the
								 * column to the bit: in the type's default btree
								 * order (numbers, times, numeric, uuid, macaddr),
								 * or in byte order whatever the collation (text,
								 * varchar, name, bytea; bpchar without trailing
								 * blanks), then only if short */
	bool		has_ends;		/* first and last non-null value in row order */
	bool		has_sum;		/* exact integer sum (integer columns) */
	bool		has_scaled_sum; /* the same of a numeric column: sum_high and
								 * sum_low count 10^-sum_scale */
	bool		has_float_sum;	/* the sum of a real or double precision column, as
								 * doubles in some order; no order overflows */
	int16		sum_scale;
	uint32		vector_offset;	/* in the stream */
	uint32		vector_bytes;	/* 0: inlined in the body (constants) */
	uint32		inline_bytes;
	uint32		nnulls;
	Datum		min;
	Datum		max;
	Datum		first;
	Datum		last;
	int64		sum_high;		/* 128 bits: high, low */
	uint64		sum_low;
	double		float_sum;
} TsdbColumnStats;

typedef struct TsdbChunkSummary
{
	uint32		nrows;
	uint32		nsegments;
	bool		has_time;
	int64		min_time;
	int64		max_time;
	int			natts;			/* columns of the schema it was written under */
	TsdbColumnStats *columns;	/* natts entries; a column added later has none */
	TsdbSortKey key;			/* it was written under, not today's */
	uint8		hash_version;	/* of tsdb_series_hash() then; 0: no series key */
} TsdbChunkSummary;

/* Parse body (fetching its tail from the stream where it was too long);
 * palloc'd in the current context. */
extern TsdbChunkSummary *tsdb_chunk_summary(TupleDesc tupdesc,
											const char *body, uint32 body_bytes,
											TsdbStreamFetch fetch,
											TsdbChunkDamage damage, void *arg);

/*
 * Stable hash of a row's series key, versioned, equal for equal keys; decides
 * on the shard. 0 for a table without series key.  Types that cannot be hashed
 * and strings of a nondeterministic collation count as equal to all others.  A
 * collation can be changed without a rewrite: who looks for a key in one shard
 * only must know that no column of it is of a nondeterministic collation.
 */
extern uint32 tsdb_series_hash(TupleDesc tupdesc, const TsdbSortKey *key,
							   const Datum *values, const bool *nulls);

/*
 * Is it the hash of plain bits or bytes, equal exactly if the key is, for every column of the key?  A chunk
 * that was placed by such a hash can be told from those of other shards later on, whatever has
 * become of the types of its key without a rewrite.
 */
extern bool tsdb_series_hash_is_exact(TupleDesc tupdesc, const TsdbSortKey *key);

#endif							/* TSDB_CHUNK_CHUNK_H */
