/*
 * index_clean.h
 *		Removing the index entries of chunks that are no more.
 */
#ifndef TSDB_STORE_INDEX_CLEAN_H
#define TSDB_STORE_INDEX_CLEAN_H

#include "nodes/bitmapset.h"
#include "storage/buf.h"
#include "utils/relcache.h"

/*
 * Remove the entries of rows of these chunks from all indexes of the table, as
 * VACUUM does; with NULL, of all chunk rows.  The caller holds
 * ShareUpdateExclusiveLock on the table, and nobody can see those chunks.
 */
extern void tsdb_index_clean(Relation table, const Bitmapset *chunks,
							 BufferAccessStrategy strategy);

#endif							/* TSDB_STORE_INDEX_CLEAN_H */
