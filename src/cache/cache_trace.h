/*
 * cache_trace.h
 *		What this session has looked up in the working set, one by one.
 *
 * Counters tell how often look-ups hit; they cannot tell whose they were, nor which of them was the first of its vector.
 * A benchmark that has to know asks its sessions to write each of them down (tsdb.trace_cache), and takes the
 * records from time to time (tsdb.take_cache_trace()).  They are kept in the session's own memory, up to
 * TSDB_CACHE_TRACE_MAX of them (16 MB); what comes then is dropped.  Parallel workers write nothing down.
 */
#ifndef TSDB_CACHE_CACHE_TRACE_H
#define TSDB_CACHE_CACHE_TRACE_H

#define TSDB_CACHE_TRACE_MAX	(1024 * 1024)

/* How a look-up ended; the letters that users see. */
typedef enum TsdbCacheOutcome
{
	TSDB_CACHE_HIT = 'h',
	TSDB_CACHE_HIT_PREFETCHED = 'p',	/* the first use of what was prefetched */
	TSDB_CACHE_SPILLED = 's',	/* found in the spill cache */
	TSDB_CACHE_MISS = 'm'
} TsdbCacheOutcome;

typedef struct TsdbCacheTouch
{
	uint64		generation;		/* of the chunk */
	int16		column;			/* attribute number */
	char		outcome;		/* a TsdbCacheOutcome */
} TsdbCacheTouch;

extern bool tsdb_trace_cache;	/* the setting */

/* Write a look-up down; only while tsdb_trace_cache is on.  Never fails. */
extern void tsdb_cache_trace_write(uint64 generation, int16 column, TsdbCacheOutcome outcome);

static inline void
tsdb_cache_trace_add(uint64 generation, int16 column, TsdbCacheOutcome outcome)
{
	if (unlikely(tsdb_trace_cache))
		tsdb_cache_trace_write(generation, column, outcome);
}

/* The records since the last call of clear, oldest first; valid until the next look-up. */
extern const TsdbCacheTouch *tsdb_cache_trace_get(int *count);
extern void tsdb_cache_trace_clear(void);

/* Define the setting. */
extern void tsdb_cache_trace_init(void);

#endif							/* TSDB_CACHE_CACHE_TRACE_H */
