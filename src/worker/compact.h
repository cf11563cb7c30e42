/*
 * compact.h
 *		Compaction of one table: row store to chunks, chunks merged.
 */
#ifndef TSDB_WORKER_COMPACT_H
#define TSDB_WORKER_COMPACT_H

#include "datatype/timestamp.h"
#include "storage/block.h"
#include "utils/rel.h"

typedef struct TsdbCompactOptions
{
	BlockNumber first_block;	/* of the row store, where to start */
	int64		max_rows;		/* stop after about this many rows; 0: no limit */
	bool		merge;			/* also merge small and overlapping chunks */
	bool		nowait;			/* give up rather than wait for the table's lock */
	bool		background;		/* nobody waits for it: be gentle to others */
} TsdbCompactOptions;

typedef struct TsdbCompactResult
{
	bool		done;			/* false: lock not got, or more is to do */
	BlockNumber next_block;		/* of the row store, where this one stopped */
	int64		rows_moved;		/* from the row store to chunks */
	int64		rows_kept;		/* seen and left: locked, too new, too large */
	int64		chunks_written;
	int64		chunks_merged;
	int64		rows_merged;	/* of these chunks */
	int64		bytes_written;
	int64		bytes_moved;	/* of chunks, towards the front of their shard */
	TimestampTz cold_at;		/* when a chunk will be due for level cold, if merging
								 * was done; DT_NOEND: none will be */
} TsdbCompactResult;

/*
 * Compact a table within the current transaction.  Takes
 * ShareUpdateExclusiveLock, then its snapshot; the caller commits.  Safe to
 * cancel and to abort at any point.  The relation may be gone: then done is
 * true and nothing happened.
 */
extern void tsdb_compact_relation(Oid relid, const TsdbCompactOptions *options,
								  TsdbCompactResult *result);

#endif							/* TSDB_WORKER_COMPACT_H */
