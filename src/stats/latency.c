/*
 * latency.c
 *		How often something took how long, in shared memory, without locks.
 */
#include "postgres.h"

#include "stats/latency.h"

#include "port/pg_bitutils.h"

void
tsdb_latency_init(TsdbLatency *latency)
{
	for (int i = 0; i < TSDB_LATENCY_BUCKETS; i++)
		pg_atomic_init_u64(&latency->buckets[i], 0);
}

/* Values below 4 have buckets of their own; then the two bits after the first count. */
static int
bucket_of(uint64 value)
{
	int			first;

	if (value < 4)
		return (int) value;
	first = pg_leftmost_one_pos64(value);
	return Min((first - 1) * 4 + (int) (value >> (first - 2) & 3), TSDB_LATENCY_BUCKETS - 1);
}

/* The least value of a bucket. */
static double
bucket_start(int bucket)
{
	if (bucket < 4)
		return bucket;
	return (double) (4 + bucket % 4) * (double) (UINT64CONST(1) << (bucket / 4 - 1));
}

void
tsdb_latency_add(TsdbLatency *latency, uint64 value)
{
	pg_atomic_fetch_add_u64(&latency->buckets[bucket_of(value)], 1);
}

double
tsdb_latency_quantile(const TsdbLatency *latency, double share)
{
	uint64		counts[TSDB_LATENCY_BUCKETS];
	uint64		total = 0;
	uint64		seen = 0;

	for (int i = 0; i < TSDB_LATENCY_BUCKETS; i++)
	{
		counts[i] = pg_atomic_read_u64(unconstify(pg_atomic_uint64 *, &latency->buckets[i]));
		total += counts[i];
	}
	if (total == 0)
		return -1;
	for (int i = 0; i < TSDB_LATENCY_BUCKETS; i++)
	{
		seen += counts[i];
		if (seen >= share * total)
			return bucket_start(i);
	}
	return bucket_start(TSDB_LATENCY_BUCKETS - 1);
}
