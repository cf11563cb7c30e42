/*
 * park.h
 *		Sleep for a moment, until another process says so.
 *
 * A latch can be waited for together with sockets and timers, and wakes by a signal; that is half of what a client
 * with one row costs, where many wait for one commit.  Here a process has a word of shared memory:
 *
 *		empty ──► parked ──► unparked		by who unparks it, who then calls the kernel
 *		  └───────────────────► unparked	nobody sleeps: no call, and the next park returns at once
 *
 * So unparking is never lost: who looks whether there is something to wait for, and then parks, returns if it was unparked
 * after its look.  It may return for nothing, also for a call that was meant for an earlier wait: callers look again.
 * A signal ends it, unless it comes in the few instructions before; then it lasts TSDB_PARK_MAX.  So callers
 * check for interrupts after each.  On systems without futexes it is the latch after all.
 */
#ifndef TSDB_INGEST_PARK_H
#define TSDB_INGEST_PARK_H

/* Milliseconds; no longer in one go. */
#define TSDB_PARK_MAX	100

/* When the library is preloaded. */
extern void tsdb_park_init(void);

/* Sleep for at most ms milliseconds; false if nobody has unparked us. */
extern bool tsdb_park(long ms);

/* Wake a process, by its pgprocno, or have it not fall asleep. */
extern void tsdb_unpark(int procno);

#endif							/* TSDB_INGEST_PARK_H */
