/*
 * ring_plot.h
 *		Bars of what ring_bench has printed, as SVG.
 */
#ifndef TSDB_BENCH_RING_PLOT_H
#define TSDB_BENCH_RING_PLOT_H

#include <stdbool.h>

/* A line of the table: nanoseconds an item of the three. */
extern void ring_plot_add(const char *shape, int bytes, double textbook, double single,
						  double batch);

/* Write all bars; false if the file cannot be written. */
extern bool ring_plot_write(const char *path);

#endif							/* TSDB_BENCH_RING_PLOT_H */
