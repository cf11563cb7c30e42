/*
 * stop_point.h
 *		Named places where a test can make a process die.
 *
 * With tsdb.stop_point set to a name, the process that reaches that point
 * ends at once, as if killed, so that tests see recovery from exactly there.
 */
#ifndef TSDB_STATS_STOP_POINT_H
#define TSDB_STATS_STOP_POINT_H

extern char *tsdb_stop_point_name;	/* setting */

extern void tsdb_stop_point_reached(const char *name);

static inline void
tsdb_stop_point(const char *name)
{
	if (tsdb_stop_point_name != NULL && tsdb_stop_point_name[0] != '\0')
		tsdb_stop_point_reached(name);
}

#endif							/* TSDB_STATS_STOP_POINT_H */
