/*
 * latency.h
 *		How often something took how long, in shared memory, without locks.
 *
 * A histogram with four buckets for each power of two: a quantile is right to within a
 * quarter.  Units are the caller's: microseconds, rows.
 */
#ifndef TSDB_STATS_LATENCY_H
#define TSDB_STATS_LATENCY_H

#include "port/atomics.h"

#define TSDB_LATENCY_BUCKETS	(4 * 40)

typedef struct TsdbLatency
{
	pg_atomic_uint64 buckets[TSDB_LATENCY_BUCKETS];
} TsdbLatency;

extern void tsdb_latency_init(TsdbLatency *latency);
extern void tsdb_latency_add(TsdbLatency *latency, uint64 value);

/* The value that a share (0 to 1) of all does not exceed, about; -1 if there are none. */
extern double tsdb_latency_quantile(const TsdbLatency *latency, double share);

#endif							/* TSDB_STATS_LATENCY_H */
