/*
 * build.h
 *		Building indexes over both stores.
 */
#ifndef TSDB_AM_BUILD_H
#define TSDB_AM_BUILD_H

#include "access/tableam.h"

extern double tsdb_index_build_range_scan(Relation rel, Relation index,
										  struct IndexInfo *info, bool allow_sync,
										  bool anyvisible, bool progress,
										  BlockNumber start, BlockNumber nblocks,
										  IndexBuildCallback callback, void *state,
										  TableScanDesc scan);

/* The same for internal relations, which are heaps and nothing else. */
/* Every row of both stores, also for an index that has entries of the row
 * store only. */
extern double tsdb_index_build_scan_all(Relation rel, Relation index,
										struct IndexInfo *info,
										IndexBuildCallback callback, void *state);

extern double tsdb_internal_build_range_scan(Relation rel, Relation index,
											 struct IndexInfo *info, bool allow_sync,
											 bool anyvisible, bool progress,
											 BlockNumber start, BlockNumber nblocks,
											 IndexBuildCallback callback, void *state,
											 TableScanDesc scan);

#endif							/* TSDB_AM_BUILD_H */
