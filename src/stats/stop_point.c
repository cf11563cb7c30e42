/*
 * stop_point.c
 *		Named places where a test can make a process die.
 */
#include "postgres.h"

#include "stats/stop_point.h"

#include <signal.h>
#include <unistd.h>

char	   *tsdb_stop_point_name = NULL;

void
tsdb_stop_point_reached(const char *name)
{
	if (strcmp(tsdb_stop_point_name, name) == 0)
		kill(getpid(), SIGKILL);
}
