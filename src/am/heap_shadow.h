/*
 * heap_shadow.h
 *		Let heapam work on a relation of another access method.
 *
 * heap_getnext, and so heap's index build, index validation and CLUSTER
 * copy, refuse a relation whose routine is not heap's.  A shadow is a copy of
 * the relcache entry that has heap's routine.  It owns its smgr reference
 * itself while it lives: smgr knows one owner per file, so an invalidation
 * reaches the shadow and cannot leave it dangling; and it has none of the
 * cached lists that a rebuild of the real entry would free.
 *
 * A shadow must be closed, also on error: use it inside PG_TRY/PG_FINALLY.
 */
#ifndef TSDB_AM_HEAP_SHADOW_H
#define TSDB_AM_HEAP_SHADOW_H

#include "access/relscan.h"
#include "utils/rel.h"

extern Relation tsdb_heap_shadow_open(Relation rel);

/* Hand a scan that heap_beginscan began on the real relation to the shadow. */
extern void tsdb_heap_shadow_adopt_scan(Relation shadow, TableScanDesc scan);

extern void tsdb_heap_shadow_close(Relation shadow);

#endif							/* TSDB_AM_HEAP_SHADOW_H */
