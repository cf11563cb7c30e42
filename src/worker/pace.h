/*
 * pace.h
 *		Being gentle to others while working in the background.
 *
 * A commit that finds megabytes of a compaction's WAL to flush before its own
 * record waits for all of them, and one that finds it flushing all the time
 * waits for that.  So the background flushes its WAL as it goes, and naps for
 * a moment after each flush.  It does so in the middle of a transaction, holding
 * the table's ShareUpdateExclusiveLock, as a cost-delayed VACUUM does.
 */
#ifndef TSDB_WORKER_PACE_H
#define TSDB_WORKER_PACE_H

/* From now on work is, or is not, in the background. */
extern void tsdb_pace_begin(bool background);

/* To be called between small pieces of work, with no buffer locked. */
extern void tsdb_pace(void);

#endif							/* TSDB_WORKER_PACE_H */
