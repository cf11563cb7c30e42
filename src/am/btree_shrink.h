/*
 * btree_shrink.h
 *		Giving back the pages of a btree that has become empty.
 *
 * btree never makes its file shorter: what a large load has left behind in an
 * index whose entries VACUUM has all removed since would stay.  An empty index is
 * turned into a fresh one: its first page is the root, all others are deleted
 * pages, and those are cut off.
 *
 * The pages are changed in one WAL record of full images, after which the index
 * is a valid btree whether or not the cut follows; so only an index with few pages
 * that are not deleted yet is dealt with, which after VACUUM are those at its
 * right edge.
 */
#ifndef TSDB_AM_BTREE_SHRINK_H
#define TSDB_AM_BTREE_SHRINK_H

#include "utils/rel.h"

/* Is the index empty, and long enough to be worth it?  Somebody may insert meanwhile. */
extern bool tsdb_btree_may_shrink(Relation index);

/* Cut it off, if it is still empty.  The caller keeps all others away from the index
 * until the end of the transaction, when they hear that its root is another. */
extern void tsdb_btree_shrink(Relation index);

#endif							/* TSDB_AM_BTREE_SHRINK_H */
