/*
 * merge.h
 *		Merging chunks: small ones, overlapping ones, ones with dead rows.
 *
 * Chunks that were sorted together form a run.  Within a shard, runs of about
 * the same size (one tier) are merged when there are TSDB_MERGE_RUNS of them and
 * merging makes longer segments or fuller chunks, so a row is rewritten a
 * logarithmic number of times.  A chunk of which a good part is deleted is
 * rewritten without the dead rows, and one that is due for level cold is
 * encoded anew (see store/table_cold.h).
 */
#ifndef TSDB_WORKER_MERGE_H
#define TSDB_WORKER_MERGE_H

#include "store/storage.h"
#include "worker/compact.h"

#define TSDB_MERGE_RUNS			8
#define TSDB_MERGE_ROWS_MAX		262144	/* of one merge, in one transaction */

/* Do what is due; adds to result.  Each merge is a subtransaction, which is
 * rolled back if somebody holds a lock on one of its rows. */
extern void tsdb_merge_chunks(Relation rel, const TsdbCompactOptions *options,
							  TsdbCompactResult *result);

/*
 * Rewrite all chunks that were written when the table had fewer than natts
 * columns, before the values that their rows are missing are forgotten.  The
 * caller holds AccessExclusiveLock.
 */
extern void tsdb_merge_short_chunks(Relation rel, int natts);

#endif							/* TSDB_WORKER_MERGE_H */
