/*
 * cache_plot.h
 *		What cache_bench has printed, as SVG: bars of rates, and how long single lookups took.
 */
#ifndef TSDB_BENCH_CACHE_PLOT_H
#define TSDB_BENCH_CACHE_PLOT_H

#include <stdbool.h>
#include <stdint.h>

/* A bar: million lookups a second of the fastest round and of the median. */
extern void cache_plot_rate(const char *name, const char *mode, double fastest, double median);

/* A curve: how many lookups took so many nanoseconds; copied. */
extern void cache_plot_histogram(const char *name, const uint64_t *histogram, int buckets);

/* Write all; false if the file cannot be written. */
extern bool cache_plot_write(const char *path);

#endif							/* TSDB_BENCH_CACHE_PLOT_H */
