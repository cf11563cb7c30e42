/*
 * scan_access.h
 *		What a scan has asked for, written to the log of accesses when it ends or begins again.
 *
 * Times and series are those that its conditions say (exec/chunk_wanted.h); columns are those that it has read.
 * Scans that ask for all series and all times are not written down, nor are those of more series than a
 * record has room for.  Of a scan that is run again and again only the first TSDB_SCAN_ACCESSES_MAX are: the inner
 * side of a nested loop is no dashboard.
 */
#ifndef TSDB_EXEC_SCAN_ACCESS_H
#define TSDB_EXEC_SCAN_ACCESS_H

#include "exec/chunk_rows.h"
#include "exec/chunk_wanted.h"

#define TSDB_SCAN_ACCESSES_MAX	16

/* The scan begins, or begins again. */
extern void tsdb_scan_access_begin(TsdbRowsScan *scan);

/* It has ended, if it ever began. */
extern void tsdb_scan_access_end(TsdbRowsScan *scan, const TsdbScanWanted *wanted);

#endif							/* TSDB_EXEC_SCAN_ACCESS_H */
