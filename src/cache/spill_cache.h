/*
 * spill_cache.h
 *		The spill cache: what leaves the working set goes to a file, and comes back from there, also
 *		after a restart.
 *
 * This is the server's side of cache/spill_store.h, which argues why a file that is damaged, foreign or being written to
 * gives no wrong answer, why there are no locks, and why records are written by who evicts, with calls rather
 * than through a mapping.
 *
 * The file is tsdb.spill_cache_path/pgsql_tmp_tsdb_<system identifier>.spill, or in the data directory; programs that
 * copy a cluster (pg_basebackup, pg_rewind) leave out names that begin so.  The postmaster opens and locks
 * it at start, and its children have it from there; if another server has it (a standby on the same machine), or
 * anything else is wrong, the server does without, and says so in its log.  When it is shut down
 * cleanly, the postmaster lets the working set leave what is hot there, and closes the file.  If the server crashes, or restarts
 * after a crash of a process, the file is begun anew.
 *
 * The timeline that the file belongs to is the control file's.  What a standby wrote before its promotion
 * could still be right after the next restart, but nobody has to argue that.
 *
 * When the disk is full, or the file cannot be read or written, the cache is off until the next start: one message in the
 * log, and the file is cut to nothing, so that others have the space.
 *
 * Nothing here raises an error, but for tsdb_spill_cache_init.
 */
#ifndef TSDB_CACHE_SPILL_CACHE_H
#define TSDB_CACHE_SPILL_CACHE_H

#include "cache/spill_store.h"

/* kB */
#define TSDB_SPILL_SIZE_DEFAULT		0
#define TSDB_SPILL_SIZE_MAX			INT_MAX

extern int	tsdb_spill_cache_size;	/* setting */
extern char *tsdb_spill_cache_path; /* setting */

/*
 * When the library is loaded, after the working set's.  contents: version of what entries are; at_shutdown: puts what is
 * hot, when nobody else is there any more.
 */
extern void tsdb_spill_cache_init(uint32 contents, void (*at_shutdown) (void));

/* Read a vector's record.  False if there is none. */
extern bool tsdb_spill_cache_find(const TsdbVectorKey *key, TsdbSpilled *found);

/* The contents of the record found last go to data.  False if they are damaged. */
extern bool tsdb_spill_cache_copy(void *data);

/* An entry leaves the working set (TsdbVectorCalls.evicted). */
extern void tsdb_spill_cache_put(void *arg, const TsdbVectorKey *key, uint32 tag, const void *data,
								 uint32 bytes, bool used);

/* False if there is no spill cache. */
extern bool tsdb_spill_cache_counts(TsdbSpillCounts *counts);

/* How many vectors are there. */
extern uint64 tsdb_spill_cache_entries(void);

/* Forget all that is there. */
extern void tsdb_spill_cache_reset(void);

#endif							/* TSDB_CACHE_SPILL_CACHE_H */
