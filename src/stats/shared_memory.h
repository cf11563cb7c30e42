/*
 * shared_memory.h
 *		The modules' shares of the server's shared memory.
 *
 * There is some only if the library is preloaded; a module without it must do without.
 */
#ifndef TSDB_STATS_SHARED_MEMORY_H
#define TSDB_STATS_SHARED_MEMORY_H

/*
 * From _PG_init: call request when the server asks how much is needed (RequestAddinShmemSpace and the like), and
 * startup when it is there, to make or find it, under AddinShmemInitLock; both in the order of adding.  Does nothing
 * if the library is loaded later.
 */
extern void tsdb_shared_memory_add(void (*request) (void), void (*startup) (void));

#endif							/* TSDB_STATS_SHARED_MEMORY_H */
