/*
 * drain_round.h
 *		One round of a drain worker: what is in the rings, to the tables.
 *
 * A round pops all blocks, puts statements together, and writes those that are whole in one
 * transaction.  If that fails it is done again by halves, down to a single statement, so that what is wrong
 * with one does not harm the others.  Rows that can never be written go to tsdb.dead_letters, one by one;
 * what may pass (a lock, a full disk) is kept for later rounds.
 */
#ifndef TSDB_WORKER_DRAIN_ROUND_H
#define TSDB_WORKER_DRAIN_ROUND_H

#include "ingest/ingest_shared.h"

/* When the worker begins. */
extern void tsdb_drain_init(TsdbIngestSet *set);

/*
 * A round.  Returns when to have the next one for statements that were kept, or could not be taken yet;
 * DT_NOEND: there are none.
 */
extern TimestampTz tsdb_drain_round(void);

/* Is there anything left, in the rings or in hand? */
extern bool tsdb_drain_is_empty(void);

/* Put what is in hand back into the rings, for the next worker. */
extern void tsdb_drain_put_back(void);

/* Throw away all there is; returns how many rows. */
extern uint64 tsdb_drain_discard(void);

#endif							/* TSDB_WORKER_DRAIN_ROUND_H */
