/*
 * doze.h
 *		Sleep for a moment, until another process says so.
 *
 * A latch can be waited for together with sockets and timers, and wakes by a signal; that is half of what a client
 * with one row costs, where many wait for one commit.  Here a process has a word of shared memory:
 *
 *		empty ──► asleep ──► roused			by who rouses it, who then calls the kernel
 *		  └──────────────────► roused		nobody sleeps: no call, and the next doze returns at once
 *
 * So rousing is never lost: who looks whether there is something to wait for, and then dozes, returns if it was roused
 * after its look.  It may return for nothing, also for a call that was meant for an earlier wait: callers look again.
 * A signal ends it, unless it comes in the few instructions before; then it lasts TSDB_DOZE_MAX.  So callers
 * check for interrupts after each.  On systems without futexes it is the latch after all.
 */
#ifndef TSDB_INGEST_DOZE_H
#define TSDB_INGEST_DOZE_H

/* Milliseconds; no longer in one go. */
#define TSDB_DOZE_MAX	100

/* When the library is preloaded. */
extern void tsdb_doze_init(void);

/* Sleep for at most ms milliseconds; false if nobody has roused us. */
extern bool tsdb_doze(long ms);

/* Wake a process, by its pgprocno, or have it not fall asleep. */
extern void tsdb_rouse(int procno);

#endif							/* TSDB_INGEST_DOZE_H */
