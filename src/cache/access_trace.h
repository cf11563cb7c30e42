/*
 * access_trace.h
 *		Accesses as lines of text: what the server writes down and bench/predict replays.
 *
 * A line has these fields, separated by blanks, times in the units of cache/access.h, "*" for what is
 * not bounded or not known:
 *
 *		at database table shape from to series columns chunks decoded misses prefetched
 *
 * series is a list of numbers in hexadecimal with commas between them, one for each series (or one for all
 * of them, if they are not known one by one); columns is a list of column numbers.  A line that begins
 * with # is a comment.  The numbers of series are neither ranks nor hashes but mixed from both: equal series have
 * equal numbers, and that is all that a trace tells of them.
 *
 * Plain C11; no server headers.
 */
#ifndef TSDB_CACHE_ACCESS_TRACE_H
#define TSDB_CACHE_ACCESS_TRACE_H

#include <stddef.h>

#include "cache/access.h"

/* A line fits into this, with its end of line and a zero. */
#define TSDB_ACCESS_LINE_MAX	512

/* Returns the length of the line; line has room for TSDB_ACCESS_LINE_MAX. */
extern size_t tsdb_access_trace_write(const TsdbAccess *access, char *line);

/* False if that is no such line.  Numbers of series are given back as ranks. */
extern bool tsdb_access_trace_read(const char *line, TsdbAccess *access);

#endif							/* TSDB_CACHE_ACCESS_TRACE_H */
