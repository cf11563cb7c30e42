/*
 * change_count.h
 *		How often directories were changed, by all sessions.
 *
 * Who has seen a page of a directory, all of whose tuples every snapshot sees (VACUUM says so on the page, or their age does), may go
 * on without looking at the page again as long as nobody has changed the directory since.
 *
 * A change is counted after it was made and before its transaction commits.  A snapshot that sees the change
 * was taken after the commit, so who reads the count after taking his snapshot finds it counted; whom the
 * change is hidden from need not know.  What is changed in place, for all snapshots at once (places of pieces),
 * is counted before anything that was referred to goes away.
 *
 * Counters are in shared memory, each for many directories.  There are none without preload, and on a
 * standby, where changes come with the WAL.
 */
#ifndef TSDB_STORE_CHANGE_COUNT_H
#define TSDB_STORE_CHANGE_COUNT_H

/* The count of a directory; 0: nobody counts. */
extern uint64 tsdb_change_count_get(Oid directory);

extern void tsdb_change_count_add(Oid directory);

/* When the library is loaded. */
extern void tsdb_change_count_init(void);

#endif							/* TSDB_STORE_CHANGE_COUNT_H */
