/*
 * build_concurrently.h
 *		What CREATE INDEX CONCURRENTLY and REINDEX CONCURRENTLY do otherwise.
 */
#ifndef TSDB_AM_BUILD_CONCURRENTLY_H
#define TSDB_AM_BUILD_CONCURRENTLY_H

#include "access/tableam.h"

/* Of a table: enter what was inserted since the index was built. */
extern void tsdb_index_validate_scan(Relation rel, Relation index, struct IndexInfo *info,
									 Snapshot snapshot, struct ValidateIndexState *state);

/* Of internal relations: build while nobody writes, and have nothing left to do. */
extern double tsdb_internal_index_build(Relation rel, Relation index,
										struct IndexInfo *info, bool allow_sync,
										bool anyvisible, bool progress,
										BlockNumber start, BlockNumber nblocks,
										IndexBuildCallback callback, void *state,
										TableScanDesc scan);
extern void tsdb_internal_validate_scan(Relation rel, Relation index, struct IndexInfo *info,
										Snapshot snapshot, struct ValidateIndexState *state);

#endif							/* TSDB_AM_BUILD_CONCURRENTLY_H */
