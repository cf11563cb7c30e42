/*
 * group_commit.c
 *		Many clients' rows in one transaction: that of one of them.
 */
#include "postgres.h"

#include "ingest/group_commit.h"

#include "access/relation.h"
#include "access/xact.h"
#include "ingest/park.h"
#include "ingest/row_writer.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "store/attempt.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* A leader takes no more than this, so that his own client does not wait for ever. */
#define GROUP_STATEMENTS	256
#define GROUP_BYTES			(4 * 1024 * 1024)

/* Milliseconds that a cancelled client waits for a leader who has his rows. */
#define CANCEL_GRACE		1000

/*
 * Groups that commit at the same time, at most.  The server flushes those that are ready with one write; so with
 * few clients, everyone had better commit for himself at once: of 2 and 8, with 8 clients 2 took a fifth more
 * of the processor's time.  With many it is this time that is scarce, and large groups save it: once so many statements
 * are with a leader or wait for one, no more than two.  With 64 clients a group has 6 rows then, where it had 3, for a
 * tenth to a fifth less; one at a time, with 12 rows, and leaders that nap to have 16, save no more.  Who has
 * slept and was not unparked does not count on the leaders that there are, and goes by the higher limit.
 */
#define COMMITTING_MAX		8
#define CROWD_STATEMENTS	16
#define CROWD_COMMITTING_MAX 2

/* How long a leader waits for another's transaction. */
#define LOCK_TIMEOUT		"100ms"

typedef enum Phase
{
	NEITHER,
	LEADING,					/* taking and writing rows: one at a time */
	COMMITTING					/* what was written as the leader, or is beside one */
} Phase;

static TsdbIngestSet *set = NULL;	/* that we have pushed to, or lead */
static Phase phase = NEITHER;
static uint64 pushed = 0;		/* our statement, until we know what became of it */
static uint64 taken[GROUP_STATEMENTS];	/* others' statements in this transaction */
static int	ntaken = 0;

static bool
move_state(uint64 statement, uint32 from, uint32 to)
{
	return pg_atomic_compare_exchange_u32(&tsdb_ingest_block(statement)->state, &from, to);
}

/* What a phase adds to the set's busy. */
static int32
weight(Phase of)
{
	return of == LEADING ? TSDB_GROUP_LEADING : of == COMMITTING ? 1 : 0;
}

/* ---- leading ---- */

/* Begin to lead, if nobody else leads and not too many commit; impatient: whatever the crowd. */
static bool
try_lead(bool impatient)
{
	uint32		busy = pg_atomic_read_u32(&set->busy);
	uint32		most = !impatient && pg_atomic_read_u32(&set->commit_reserved) >= CROWD_STATEMENTS ?
		CROWD_COMMITTING_MAX : COMMITTING_MAX;

	while ((busy & TSDB_GROUP_LEADING) == 0 && busy < most)
	{
		if (pg_atomic_compare_exchange_u32(&set->busy, &busy, busy | TSDB_GROUP_LEADING))
			return true;
	}
	return false;
}

/* What we have added to the set's busy is said of us, if the set is still our database's. */
static bool
enter(Phase new_phase)
{
	/* It may have gone to another database since we found it. */
	if (pg_atomic_read_u32(&set->dboid) != MyDatabaseId)
	{
		(void) pg_atomic_fetch_sub_u32(&set->busy, weight(new_phase));
		return false;
	}
	phase = new_phase;
	return true;
}

static bool
try_lead_set(bool impatient)
{
	return try_lead(impatient) && enter(LEADING);
}

/*
 * Commit beside whoever leads, if nobody waits for a leader and not too many commit.  A leader is kept from
 * the processor now and then, and sleeping until he comes back costs more than a row: 7 % of the rows of 8 clients.
 */
static bool
try_beside(void)
{
	uint32		busy = pg_atomic_read_u32(&set->busy);

	while ((busy & TSDB_GROUP_LEADING) != 0 && (busy & ~TSDB_GROUP_LEADING) < COMMITTING_MAX &&
		   pg_atomic_read_u32(&set->commit_reserved) == 0)
	{
		if (pg_atomic_compare_exchange_u32(&set->busy, &busy, busy + weight(COMMITTING)))
			return enter(COMMITTING);
	}
	return false;
}

bool
tsdb_group_try_lead(TsdbIngestSet *own_set, bool own_may_wait)
{
	set = own_set;
	return try_lead_set(false) || (!own_may_wait && try_beside());
}

/*
 * Change what is said of us, from leading to committing or from either to nothing.  If somebody could lead then,
 * the first in the ring is woken, to do so unless another does before he comes: who is running already is quicker.
 */
static void
go_on(Phase next_phase)
{
	TsdbRing   *ring = tsdb_ingest_commit_ring(set);
	int32		change = weight(next_phase) - weight(phase);

	phase = next_phase;

	/* A full barrier: who pushes after our look at the ring sees that nobody leads. */
	(void) pg_atomic_fetch_add_u32(&set->busy, change);
	for (int tries = 1; tsdb_ring_length(ring) > 0 && try_lead(false); tries++)
	{
		uint64		first;
		int			waiter = -1;

		/* Nobody pops now. */
		if (tsdb_ring_peek(ring, &first, sizeof(first)))
			waiter = tsdb_ingest_block(first)->waiter;
		(void) pg_atomic_fetch_sub_u32(&set->busy, TSDB_GROUP_LEADING);
		if (waiter >= 0)
		{
			tsdb_unpark(waiter);
			break;
		}
		if (tries % 100 == 0)
			pg_usleep(10);		/* who has claimed a place has a few instructions to go */
	}
}

/* Tell those whose rows we have taken. */
static void
settle_taken(TsdbStatementState outcome)
{
	for (int i = 0; i < ntaken; i++)
	{
		int			waiter = tsdb_ingest_block(taken[i])->waiter;

		tsdb_ingest_count_settled(set, taken[i], outcome == TSDB_STATEMENT_DONE);
		if (move_state(taken[i], TSDB_STATEMENT_TAKEN, outcome))
			tsdb_unpark(waiter);
		else
			tsdb_ingest_free_statement(set, taken[i]);
	}
	ntaken = 0;
}

/* Take what is in the ring; returns the strictest synchronous_commit of whom it is of. */
static int
take_statements(void)
{
	TsdbRing   *ring = tsdb_ingest_commit_ring(set);
	int			level = synchronous_commit;
	Size		bytes = 0;
	uint64		statement;

	while (ntaken < GROUP_STATEMENTS && bytes < GROUP_BYTES &&
		   tsdb_ring_pop(ring, &statement, sizeof(statement)))
	{
		if (!move_state(statement, TSDB_STATEMENT_PUSHED, TSDB_STATEMENT_TAKEN))
		{
			tsdb_ingest_free_statement(set, statement);
			continue;
		}
		taken[ntaken++] = statement;
		level = Max(level, tsdb_ingest_block(statement)->synchronous_commit);
		for (uint64 block = statement; block != 0; block = tsdb_ingest_block(block)->next)
			bytes += tsdb_ingest_rows(tsdb_ingest_block(block))->used;
	}
	return level;
}

/* The rows that we have taken for one table, from some block of some statement on. */
static void
write_table(Oid relid)
{
	Relation	rel;
	TsdbRowWriter *writer;
	Oid			save_userid;
	int			save_sec_context;

	/* Whoever pushed them has this lock, too; somebody may be waiting in between. */
	if (!ConditionalLockRelationOid(relid, RowExclusiveLock))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not obtain lock on relation with OID %u", relid)));
	rel = relation_open(relid, NoLock);

	/* What the owner has put into indexes and constraints runs as he, not as we. */
	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(rel->rd_rel->relowner,
						   save_sec_context | SECURITY_RESTRICTED_OPERATION);
	writer = tsdb_row_writer_begin(rel, false);
	for (int i = 0; i < ntaken; i++)
	{
		for (uint64 block = taken[i]; block != 0; block = tsdb_ingest_block(block)->next)
		{
			const TsdbRowBlock *rows = tsdb_ingest_rows(tsdb_ingest_block(block));

			if (rows->relid == relid)
				tsdb_row_writer_add(writer, rows, false);
		}
	}
	tsdb_row_writer_end(writer);
	SetUserIdAndSecContext(save_userid, save_sec_context);
	relation_close(rel, NoLock);
}

static void
write_taken(void)
{
	int			nestlevel;
	List	   *relids = NIL;
	ListCell   *lc;

	if (ntaken == 0)
		return;
	nestlevel = NewGUCNestLevel();

	/* Names in functions of others must not be looked up where our user wants. */
	(void) set_config_option("search_path", "", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);

	for (int i = 0; i < ntaken; i++)
	{
		for (uint64 block = taken[i]; block != 0; block = tsdb_ingest_block(block)->next)
			relids = list_append_unique_oid(relids,
											tsdb_ingest_rows(tsdb_ingest_block(block))->relid);
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach(lc, relids)
		write_table(lfirst_oid(lc));
	PopActiveSnapshot();
	list_free(relids);
	AtEOXact_GUC(true, nestlevel);
}

/* Is that an end that somebody wants of us, not a failure of the rows? */
static bool
is_for_us(int sqlerrcode)
{
	return sqlerrcode == ERRCODE_QUERY_CANCELED || sqlerrcode == ERRCODE_ADMIN_SHUTDOWN ||
		sqlerrcode == ERRCODE_CRASH_SHUTDOWN;
}

static void
write_all(void *arg)
{
	void		(*write_own) (void) = *(void (**) (void)) arg;
	int			nestlevel = NewGUCNestLevel();

	(void) set_config_option("lock_timeout", LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	write_taken();
	write_own();
	AtEOXact_GUC(true, nestlevel);
}

/* Write all in a subtransaction; false if it has been rolled back. */
static bool
try_all(void (*write_own) (void))
{
	ErrorData  *error = tsdb_attempt(write_all, &write_own);

	if (error == NULL)
		return true;
	if (is_for_us(error->sqlerrcode))
		ReThrowError(error);
	FreeErrorData(error);
	return false;
}

/* Commit as strictly as the strictest of those whose rows we have. */
static void
commit_at_level(int level)
{
	static const char *const names[] = {
		[SYNCHRONOUS_COMMIT_OFF] = "off",
		[SYNCHRONOUS_COMMIT_LOCAL_FLUSH] = "local",
		[SYNCHRONOUS_COMMIT_REMOTE_WRITE] = "remote_write",
		[SYNCHRONOUS_COMMIT_REMOTE_FLUSH] = "on",
		[SYNCHRONOUS_COMMIT_REMOTE_APPLY] = "remote_apply",
	};

	if (level > synchronous_commit)
		(void) set_config_option("synchronous_commit", names[level], PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
}

void
tsdb_group_write(void (*write_own) (void), bool own_may_wait)
{
	int			level;

	if (phase == COMMITTING)
	{
		write_own();
		return;
	}
	Assert(phase == LEADING);
	level = take_statements();
	if (ntaken == 0 && !own_may_wait)
		write_own();
	else if (try_all(write_own))
		commit_at_level(level);
	else
	{
		settle_taken(TSDB_STATEMENT_HANDED_BACK);
		go_on(NEITHER);			/* we may have to wait for somebody */
		write_own();
		return;
	}
	go_on(COMMITTING);
}

/* ---- following ---- */

/* Our blocks are ours again. */
static void
free_pushed(void)
{
	uint64		statement = pushed;

	pushed = 0;
	tsdb_ingest_free_statement(set, statement);
}

TsdbGroupResult
tsdb_group_join(TsdbIngestSet *own_set, uint64 first, TimestampTz begin, int timeout_ms)
{
	TsdbIngestBlock *head = tsdb_ingest_block(first);
	TimestampTz until = timeout_ms < 0 ? DT_NOEND : TimestampTzPlusMilliseconds(begin, timeout_ms);
	TimestampTz cancelled_at = 0;
	bool		unparked = true;	/* rather than slept for nothing */
	uint32		state;

	set = own_set;
	head->waiter = MyProc->pgprocno;
	head->synchronous_commit = synchronous_commit;
	pg_atomic_write_u32(&head->state, TSDB_STATEMENT_PUSHED);
	pushed = first;
	if (!tsdb_ring_push(tsdb_ingest_commit_ring(set), &first, sizeof(first)))
		elog(PANIC, "tsdb ring is full that a place was reserved in");

	/* The leader may have gone before he could see us, or have woken us for that. */
	pg_memory_barrier();
	while ((state = pg_atomic_read_u32(&head->state)) == TSDB_STATEMENT_PUSHED ||
		   state == TSDB_STATEMENT_TAKEN)
	{
		long		left;

		if (state == TSDB_STATEMENT_PUSHED && try_lead_set(!unparked))
		{
			if (move_state(first, TSDB_STATEMENT_PUSHED, TSDB_STATEMENT_WITHDRAWN))
			{
				pushed = 0;		/* we have the rows elsewhere, too */
				return TSDB_GROUP_LEADS;
			}
			go_on(NEITHER);		/* one before us has taken it */
			continue;
		}
		left = state == TSDB_STATEMENT_TAKEN ? CANCEL_GRACE :
			TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);
		if (left <= 0)
		{
			if (!move_state(first, TSDB_STATEMENT_PUSHED, TSDB_STATEMENT_WITHDRAWN))
				continue;
			pushed = 0;
			return TSDB_GROUP_TIMEOUT;
		}
		unparked = tsdb_park(left);

		if (!QueryCancelPending && !ProcDiePending)
			CHECK_FOR_INTERRUPTS();
		else if (move_state(first, TSDB_STATEMENT_PUSHED, TSDB_STATEMENT_WITHDRAWN))
		{
			pushed = 0;
			CHECK_FOR_INTERRUPTS();
			return TSDB_GROUP_ALONE;	/* it was not meant for us */
		}
		else if (ProcDiePending)
			CHECK_FOR_INTERRUPTS();
		else if (cancelled_at == 0)
			cancelled_at = GetCurrentTimestamp();
		else if (TimestampDifferenceExceeds(cancelled_at, GetCurrentTimestamp(), CANCEL_GRACE) &&
				 move_state(first, TSDB_STATEMENT_TAKEN, TSDB_STATEMENT_ABANDONED))
		{
			pushed = 0;
			QueryCancelPending = false;
			ereport(ERROR,
					(errcode(ERRCODE_QUERY_CANCELED),
					 errmsg("canceling statement due to user request"),
					 errdetail("Another session is writing the rows with its own, and may still commit them.")));
		}
	}
	free_pushed();
	return state == TSDB_STATEMENT_DONE ? TSDB_GROUP_COMMITTED : TSDB_GROUP_ALONE;
}

/* ---- the end ---- */

/* An error while we waited: the statement is the leader's, unless he is done with it. */
static void
leave_pushed(void)
{
	if (!move_state(pushed, TSDB_STATEMENT_PUSHED, TSDB_STATEMENT_WITHDRAWN) &&
		!move_state(pushed, TSDB_STATEMENT_TAKEN, TSDB_STATEMENT_ABANDONED))
		free_pushed();
	pushed = 0;
}

void
tsdb_group_at_xact_end(bool committed)
{
	if (pushed != 0)
		leave_pushed();
	if (ntaken > 0)
		settle_taken(committed ? TSDB_STATEMENT_DONE : TSDB_STATEMENT_HANDED_BACK);
	if (phase != NEITHER)
		go_on(NEITHER);
}
