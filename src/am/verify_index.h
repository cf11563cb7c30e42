/*
 * verify_index.h
 *		Comparing the indexes of a table with its rows.
 */
#ifndef TSDB_AM_VERIFY_INDEX_H
#define TSDB_AM_VERIFY_INDEX_H

#include "store/verify.h"

/*
 * Verify every valid index.  Entries are read first and rows afterwards, in as
 * many rounds as it takes to hold a bit for every row of a round in half of
 * maintenance_work_mem; with the lock that VACUUM takes, so that no entry of a
 * visible row can go.
 */
extern void tsdb_verify_indexes(TsdbVerify *verify);

#endif							/* TSDB_AM_VERIFY_INDEX_H */
