/*
 * task_compact.c
 *		The background task that compacts one table.
 *
 * In batches, each in a transaction of its own, with naps in between (worker.h).  Then it
 * vacuums the row store.
 *
 * VACUUM.  Each row that moves leaves a dead tuple and a dead index entry.
 * Waiting for autovacuum means to read a row store that is mostly dead, since
 * it counts a fifth of the whole table, chunks included.  But to clean the
 * indexes is to read them whole.  So: when tsdb.compact_rows were moved, VACUUM
 * without its index pass, which frees the tuples but for their line pointers,
 * of which a page has room for some generations; and when a tenth of the table
 * has moved, or when there is no index, an ordinary one.  Merges leave dead
 * chunks, so their rows count as moved ones do.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "commands/vacuum.h"
#include "nodes/makefuncs.h"
#include "parser/parse_node.h"
#include "pgstat.h"
#include "portability/instr_time.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "stats/progress.h"
#include "worker/compact.h"
#include "worker/pool.h"
#include "worker/task_compact.h"
#include "worker/worker.h"

#define ACCESS_METHOD_NAME "tsdb"

/* how often it looks at a table for chunks that have come of age, at most, milliseconds */
#define COLD_LOOK_MIN 1000

/* rows moved, as a fraction of the table, after which its indexes are cleaned */
#define INDEX_VACUUM_FRACTION 0.1

/* compactions of one table in a row, each followed by VACUUM */
#define ROUNDS_MAX 8

int			tsdb_compact_batch_rows = TSDB_COMPACT_BATCH_ROWS_DEFAULT;

/* What the task remembers from run to run: its payload. */
typedef struct CompactMemory
{
	int64		unvacuumed;		/* rows moved since the row store's VACUUM */
	int64		unindexed;		/* ... since one that also cleaned indexes */
} CompactMemory;

StaticAssertDecl(sizeof(CompactMemory) <= TSDB_TASK_PAYLOAD_MAX, "memory of a compaction");

/*
 * True if the table is one that a worker can compact.  Needs a transaction, and
 * no lock, so the answer may be old when it is used.
 */
bool
tsdb_task_compact_can(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	bool		ours = false;

	if (HeapTupleIsValid(tuple))
	{
		Form_pg_class class = (Form_pg_class) GETSTRUCT(tuple);

		ours = (class->relkind == RELKIND_RELATION ||
				class->relkind == RELKIND_MATVIEW) &&
			class->relpersistence != RELPERSISTENCE_TEMP &&
			class->relam == get_table_am_oid(ACCESS_METHOD_NAME, true);
		ReleaseSysCache(tuple);
	}
	return ours;
}

/*
 * VACUUMs the table if enough rows have left their place, or if it must.  Returns
 * true if it did.
 *
 * Through ExecVacuum, whose parameters are the same in all versions.
 */
static bool
vacuum_if_needed(const TsdbTask *task, CompactMemory *memory, MemoryContext context, bool must)
{
	VacuumStmt *stmt;
	MemoryContext oldcontext;
	HeapTuple	tuple;
	bool		skip_indexes = false;
	double		reltuples = 0;

	if (memory->unvacuumed < tsdb_compact_rows && !must)
		return false;

	StartTransactionCommand();
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(task->relid));
	if (!HeapTupleIsValid(tuple))
	{
		CommitTransactionCommand();
		return false;
	}
	if (((Form_pg_class) GETSTRUCT(tuple))->relhasindex)
	{
		skip_indexes = true;
		reltuples = ((Form_pg_class) GETSTRUCT(tuple))->reltuples;
	}
	ReleaseSysCache(tuple);
	if (memory->unindexed >= reltuples * INDEX_VACUUM_FRACTION)
		skip_indexes = false;

	tsdb_worker_report("vacuum");
	tsdb_pool_set_state(TSDB_WORKER_VACUUMING, task->relid);
	tsdb_progress_phase(TSDB_PROGRESS_VACUUMING);

	/* must outlive the transactions that VACUUM ends */
	oldcontext = MemoryContextSwitchTo(context);
	stmt = makeNode(VacuumStmt);
	stmt->is_vacuumcmd = true;
	stmt->rels = list_make1(makeVacuumRelation(NULL, task->relid, NIL));
	stmt->options = list_make2(makeDefElem("skip_locked", NULL, -1),
							   makeDefElem("parallel", (Node *) makeInteger(0), -1));
	if (skip_indexes)
		stmt->options = lappend(stmt->options,
								makeDefElem("index_cleanup", (Node *) makeString("off"), -1));
	ExecVacuum(make_parsestate(NULL), stmt, true);
	MemoryContextSwitchTo(oldcontext);

	CommitTransactionCommand();
	pgstat_report_stat(false);

	memory->unvacuumed = 0;
	if (!skip_indexes)
		memory->unindexed = 0;
	tsdb_pool_count_vacuum();
	tsdb_pool_set_state(TSDB_WORKER_COMPACTING, task->relid);
	return true;
}

/* Comes back to the task's table at a time, DT_NOEND for none, but not too soon. */
static void
look_again_at(TsdbTask *task, TimestampTz at)
{
	task->again_at = Max(at, TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
														 Max(tsdb_compact_age, COLD_LOOK_MIN)));
	task->again_level = TSDB_LEVEL_LOWEST;
}

/*
 * Compacts the task's table until nothing is left, or somebody else's turn is.
 * Sets *rows_merged and *bytes_moved.
 */
static TsdbTaskOutcome
compact_until_done(TsdbTask *task, CompactMemory *memory, int64 *rows_merged, int64 *bytes_moved)
{
	TsdbCompactOptions options = {
		.max_rows = tsdb_compact_batch_rows,
		.merge = true,
		.nowait = true,
		.background = true,
	};

	for (;;)
	{
		TsdbCompactResult result = {0};
		instr_time	start,
					duration;
		bool		stay;

		INSTR_TIME_SET_CURRENT(start);
		SetCurrentStatementStartTimestamp();	/* from it comes the age of chunks */
		StartTransactionCommand();
		if (!tsdb_task_compact_can(task->relid))
		{
			CommitTransactionCommand();
			return TSDB_TASK_GONE;
		}
		tsdb_worker_learn_name();
		tsdb_worker_report("compact");
		tsdb_compact_relation(task->relid, &options, &result);
		CommitTransactionCommand();
		options.first_block = result.next_block;
		pgstat_report_stat(false);

		task->rows_moved += result.rows_moved;
		task->rows_left = result.rows_kept;
		memory->unvacuumed += result.rows_moved + result.rows_merged;
		memory->unindexed += result.rows_moved + result.rows_merged;
		*rows_merged += result.rows_merged;
		*bytes_moved += result.bytes_moved;
		tsdb_pool_count_batch(result.rows_moved);

		INSTR_TIME_SET_CURRENT(duration);
		INSTR_TIME_SUBTRACT(duration, start);

		if (!result.done && result.rows_moved == 0 && result.chunks_written == 0 &&
			result.chunks_merged == 0 && result.bytes_moved == 0)
			return TSDB_TASK_BUSY;

		stay = tsdb_worker_nap_after(INSTR_TIME_GET_MILLISEC(duration));
		if (result.done)
		{
			look_again_at(task, result.cold_at);
			return TSDB_TASK_DONE;
		}
		if (!stay || tsdb_worker_turn_is_over())
			return TSDB_TASK_YIELDED;
	}
}

/*
 * Compacts and vacuums the task's table.  When VACUUM has freed what merges left,
 * there is room for more of them, and for chunks from the ends of shards, which
 * the next VACUUM can give back then.  If rounds do not come to an end, somebody's
 * snapshot keeps VACUUM from freeing anything: the next rows bring us back.
 */
void
tsdb_task_compact(TsdbTask *task)
{
	MemoryContext context = CurrentMemoryContext;
	CompactMemory *memory = (CompactMemory *) task->payload.bytes;

	task->payload_bytes = sizeof(CompactMemory);
	tsdb_progress_begin(task->relid);
	tsdb_progress_total(task->rows);
	for (int round = 1;; round++)
	{
		int64		rows_merged = 0;
		int64		bytes_moved = 0;

		task->outcome = compact_until_done(task, memory, &rows_merged, &bytes_moved);
		if (task->outcome != TSDB_TASK_DONE || tsdb_worker_must_leave() ||
			!vacuum_if_needed(task, memory, context, bytes_moved > 0) || rows_merged == 0 ||
			round == ROUNDS_MAX)
			break;
	}
	tsdb_progress_end();
	if (task->outcome == TSDB_TASK_DONE)
		tsdb_pool_count_table();
}
