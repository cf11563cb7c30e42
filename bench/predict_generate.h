/*
 * predict_generate.h
 *		A day at the dashboards, made up from a seed: accesses for predict_replay.
 */
#ifndef TSDB_BENCH_PREDICT_GENERATE_H
#define TSDB_BENCH_PREDICT_GENERATE_H

#include "cache/access.h"

typedef struct TsdbMadeDay
{
	uint64_t	seed;
	double		hours;
	int			users;			/* who open dashboards, turn pages and zoom */
	int			walls;			/* dashboards that refresh themselves */
	double		noise;			/* queries a second that follow no pattern */
} TsdbMadeDay;

/* Calls take() with each access, in order of time. */
extern void tsdb_predict_generate(const TsdbMadeDay *day,
								  void (*take) (const TsdbAccess *access, void *arg), void *arg);

#endif							/* TSDB_BENCH_PREDICT_GENERATE_H */
