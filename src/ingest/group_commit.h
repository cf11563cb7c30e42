/*
 * group_commit.h
 *		Many clients' rows in one transaction: that of one of them.
 *
 * With durability commit, a client has to wait for a commit anyway.  So the first one that comes
 * leads: it writes its rows in its own transaction, and with them those that others have pushed into
 * a ring meanwhile.  When they are written the next may lead, while the first commits; but no more than a few groups
 * commit at a time, with many clients two, and then the next one gathers.  Who comes while a leader writes and nobody else
 * waits commits for himself, as an INSERT would.  When it has committed, the leader wakes
 * those whose rows it had.  Who comes alone pays for an INSERT and no more, and nobody waits for a worker to be scheduled.
 *
 * A statement that is pushed has a state:
 *
 *		pushed ──► taken ──► done			committed with the leader's transaction
 *		   │         ├────► handed back		it did not work out: write them yourself
 *		   │         └────► abandoned		its client has gone; the leader frees it
 *		   └─────► withdrawn				by its client; who pops it frees it
 *
 * all by compare-and-swap.  Who waits holds his lock on the table, and has checked
 * the rows.  The leader must not wait for what the server's deadlock detector cannot connect with
 * the clients behind it: it takes locks on others' tables only if they are free, and gives up after a tenth of a
 * second if it has to wait for another's transaction (for a unique key).  Then it rolls
 * back to where it began and hands everything back; so does whatever error there is in others' rows.
 */
#ifndef TSDB_INGEST_GROUP_COMMIT_H
#define TSDB_INGEST_GROUP_COMMIT_H

#include "ingest/ingest_shared.h"

typedef enum TsdbGroupResult
{
	TSDB_GROUP_COMMITTED,		/* by another client */
	TSDB_GROUP_LEADS,			/* we are the leader now */
	TSDB_GROUP_ALONE,			/* to be written by the client; our blocks are free */
	TSDB_GROUP_TIMEOUT			/* nobody came to it; the same */
} TsdbGroupResult;

/* Lead, if nobody does; or write beside who leads, if nobody waits for him and our rows need not wait for anybody. */
extern bool tsdb_group_try_lead(TsdbIngestSet *set, bool own_may_wait);

/* Push a statement, in the ring of which a place is reserved, and wait what becomes of it. */
extern TsdbGroupResult tsdb_group_join(TsdbIngestSet *set, uint64 first, TimestampTz begin,
									   int timeout_ms);

/*
 * As the leader: write what others have pushed, and our own rows by the callback, which may be called
 * twice; own_may_wait: for another's transaction.  All are committed, or not, with this transaction.
 */
extern void tsdb_group_write(void (*write_own) (void), bool own_may_wait);

/* When the transaction has ended. */
extern void tsdb_group_at_xact_end(bool committed);

#endif							/* TSDB_INGEST_GROUP_COMMIT_H */
