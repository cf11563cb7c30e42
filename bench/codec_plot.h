/*
 * codec_plot.h
 *		Bars of what codec_bench has printed, as SVG.
 */
#ifndef TSDB_BENCH_CODEC_PLOT_H
#define TSDB_BENCH_CODEC_PLOT_H

#include <stdbool.h>

/* A line of the table. */
typedef struct PlotBar
{
	char		name[64];
	char		note[300];		/* type and codecs */
	double		bits;			/* a value */
	double		zstd_bits;
	double		encode;			/* GB/s of raw values */
	double		decode;
} PlotBar;

extern void plot_add(const PlotBar *bar);

/* Write all bars; false if the file cannot be written. */
extern bool plot_write(const char *path);

#endif							/* TSDB_BENCH_CODEC_PLOT_H */
