/*
 * access_log.h
 *		Accesses on their way from scans to who learns from them, in shared memory.
 *
 * A ring without locks (lockfree/ring.h).  Scans write when they end; the launcher reads.  A writer never waits:
 * if the ring is full, the access is lost, which the predictor takes as it comes.  A reader that finds nothing
 * for a while says that it rests; the next writer then wakes it, and only that one.
 *
 * Nothing is written without preload, while tsdb.enable_prefetch is off, on a standby, of temporary tables, by a session that
 * does not use the cache, and by processes that are no clients' backends.
 *
 * Records say what clients read, so they are for nobody to see (cache/access.h): no view shows them.
 */
#ifndef TSDB_CACHE_ACCESS_LOG_H
#define TSDB_CACHE_ACCESS_LOG_H

#include "cache/access.h"
#include "utils/rel.h"

/* accesses that wait; more are lost */
#define TSDB_ACCESS_LOG_CAPACITY	1024

extern bool tsdb_enable_prefetch;	/* setting */

/* Wakes who reads, if set: who knows how is a layer above. */
extern void (*tsdb_access_log_wake) (void);

/* Is what this process reads of a table to be written? */
extern bool tsdb_access_log_wants(Relation rel);

extern void tsdb_access_log_add(const TsdbAccess *access);

/* For the one who reads: up to max of them, oldest first. */
extern uint32 tsdb_access_log_take(TsdbAccess *accesses, uint32 max);

/* He will only come back if he is woken.  False: something has come just now. */
extern bool tsdb_access_log_rest(void);

/* When the library is loaded. */
extern void tsdb_access_log_init(void);

#endif							/* TSDB_CACHE_ACCESS_LOG_H */
