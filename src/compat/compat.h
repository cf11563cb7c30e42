/*
 * compat.h
 *		What differs between versions of the server.
 */
#ifndef TSDB_COMPAT_COMPAT_H
#define TSDB_COMPAT_COMPAT_H

#include "pgstat.h"

/* Count so many rows of a table as read by scans, as pgstat_count_heap_getnext() does one. */
#if PG_VERSION_NUM >= 160000
#define tsdb_count_rows_read(rel, n) \
	do \
	{ \
		if (pgstat_should_count_relation(rel)) \
			(rel)->pgstat_info->counts.tuples_returned += (n); \
	} while (0)
#else
#define tsdb_count_rows_read(rel, n) \
	do \
	{ \
		if (pgstat_should_count_relation(rel)) \
			(rel)->pgstat_info->t_counts.t_tuples_returned += (n); \
	} while (0)
#endif

#endif							/* TSDB_COMPAT_COMPAT_H */
