/*
 * tsdb.c
 *		The module: settings, hooks, what happens at the end of a transaction.
 *
 * Hooks are chained: each calls the one that was there before.
 */
#include "postgres.h"

#include "access/xact.h"
#include "am/assigned_columns.h"
#include "am/direct_load.h"
#include "am/handler.h"
#include "am/insert.h"
#include "am/salvage.h"
#include "cache/cache_trace.h"
#include "cache/access_log.h"
#include "cache/chunk_cache.h"
#include "cache/working_set.h"
#include "catalog/dependency.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "exec/result_writer.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "ingest/ingest_shared.h"
#include "ingest/outbox.h"
#include "miscadmin.h"
#include "parser/analyze.h"
#include "plan/aggregate_path.h"
#include "plan/bitmap_guard.h"
#include "plan/distinct_path.h"
#include "plan/gapfill_path.h"
#include "plan/in_list.h"
#include "plan/key_arbiter.h"
#include "plan/publication_guard.h"
#include "plan/salvage_plan.h"
#include "plan/scan_path.h"
#include "plan/seek_path.h"
#include "sql/internal_guard.h"
#include "sql/table_options.h"
#include "stats/progress.h"
#include "stats/stop_point.h"
#include "store/change_count.h"
#include "store/chunk_map.h"
#include "store/directory_view.h"
#include "store/marks.h"
#include "store/moves.h"
#include "store/storage.h"
#include "store/table_key.h"
#include "store/touched.h"
#include "utils/guc.h"
#include "utils/syscache.h"
#include "worker/compact_always.h"
#include "worker/launcher.h"
#include "worker/prefetch.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

static object_access_hook_type previous_object_access = NULL;
static ExecutorStart_hook_type previous_executor_start = NULL;
static ExecutorRun_hook_type previous_executor_run = NULL;
static ExecutorFinish_hook_type previous_executor_finish = NULL;
static post_parse_analyze_hook_type previous_post_parse_analyze = NULL;

static int	executor_depth = 0;

/* ---- the executor ---- */

static void
executor_start(QueryDesc *query, int eflags)
{
	tsdb_internal_guard_check(query);
	tsdb_direct_load_before_query(query);

	if (previous_executor_start)
		previous_executor_start(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
	(void) tsdb_bitmap_guard_start(query);
	tsdb_key_arbiter_start(query);
	if (tsdb_compact_always && executor_depth == 0 && !(eflags & EXEC_FLAG_EXPLAIN_ONLY))
		tsdb_compact_always_run();
}

static void
executor_run(QueryDesc *query, ScanDirection direction, uint64 count, bool execute_once)
{
	bool		guarded = tsdb_bitmap_guard_start(query);
	int			nestlevel = guarded ? tsdb_bitmap_guard_enter() : 0;
	uint64		loads = tsdb_direct_load_begin_statement();
	TsdbRunningQuery running;
	DestReceiver *receiver = tsdb_result_writer_enter(query);

	executor_depth++;
	tsdb_assigned_columns_enter(&running, query);
	PG_TRY();
	{
		if (previous_executor_run)
			previous_executor_run(query, direction, count, execute_once);
		else
			standard_ExecutorRun(query, direction, count, execute_once);
	}
	PG_CATCH();
	{
		executor_depth--;
		tsdb_result_writer_leave(query, receiver);
		tsdb_assigned_columns_leave(&running);
		tsdb_key_arbiter_explain_error();
		PG_RE_THROW();
	}
	PG_END_TRY();
	executor_depth--;
	tsdb_result_writer_leave(query, receiver);
	tsdb_assigned_columns_leave(&running);
	if (guarded)
		tsdb_bitmap_guard_leave(nestlevel);
	tsdb_direct_load_end_statement(loads);
}

/* WITH queries that change rows are run to their end here. */
static void
executor_finish(QueryDesc *query)
{
	TsdbRunningQuery running;

	tsdb_assigned_columns_enter(&running, query);
	PG_TRY();
	{
		if (previous_executor_finish)
			previous_executor_finish(query);
		else
			standard_ExecutorFinish(query);
	}
	PG_FINALLY();
	{
		tsdb_assigned_columns_leave(&running);
	}
	PG_END_TRY();
}

static void
post_parse_analyze(ParseState *pstate, Query *query, JumbleState *jumble)
{
	if (previous_post_parse_analyze)
		previous_post_parse_analyze(pstate, query, jumble);
	if (tsdb_compact_always && executor_depth == 0)
		tsdb_compact_always_run();
}

/* ---- dropped tables ---- */

static void
object_access(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg)
{
	if (previous_object_access)
		previous_object_access(access, class_id, object_id, sub_id, arg);

	if (access == OAT_DROP && class_id == RelationRelationId && sub_id == 0)
	{
		HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(object_id));

		if (HeapTupleIsValid(tuple))
		{
			Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

			if ((form->relkind == RELKIND_RELATION || form->relkind == RELKIND_MATVIEW) &&
				form->relam == get_table_am_oid("tsdb", true))
				tsdb_storage_note_drop(form->relpersistence == RELPERSISTENCE_TEMP ?
									   form->relnamespace : InvalidOid,
									   form->reltablespace, form->relfilenode);
			ReleaseSysCache(tuple);
		}
	}
}

/* ---- the end of a transaction ---- */

static void
at_xact_event(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			tsdb_outbox_before_commit();
			tsdb_direct_load_before_commit();
			tsdb_storage_before_commit();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_ABORT:
			tsdb_insert_at_xact_end(event != XACT_EVENT_ABORT);
			if (event == XACT_EVENT_ABORT)
				tsdb_storage_at_abort();
			tsdb_direct_load_at_xact_end();
			tsdb_outbox_at_xact_end(event != XACT_EVENT_ABORT);
			executor_depth = 0;
			/* FALLTHROUGH */
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
			tsdb_chunk_cache_at_xact_end();
			tsdb_directory_view_at_xact_end();
			tsdb_marks_at_xact_end();
			tsdb_moves_at_xact_end();
			tsdb_working_set_at_xact_end();
			break;
		default:
			break;
	}
}

/* ---- settings ---- */

static void
define_settings(void)
{
	DefineCustomIntVariable("tsdb.shards",
							"Number of hash partitions that a table's chunks are spread over.",
							"Each is a relation of its own, made when its first chunk is written. "
							"Counts for chunks written from now on.",
							&tsdb_shards, TSDB_SHARDS_DEFAULT,
							TSDB_SHARDS_MIN, TSDB_SHARDS_MAX,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("tsdb.enable_in_list",
							 "Lets the planner turn IN (SELECT …) of a small table into a list of values.",
							 "Chunks of a tsdb table are then ruled out by the values found.",
							 &tsdb_enable_in_list, true,
							 PGC_USERSET, GUC_EXPLAIN, NULL, NULL, NULL);
	DefineCustomBoolVariable("tsdb.enable_scan",
							 "Enables the planner's use of scans that read the columns they need.",
							 "Such a scan stands for a sequential scan of a tsdb table that has chunks.",
							 &tsdb_enable_scan, true,
							 PGC_USERSET, GUC_EXPLAIN, NULL, NULL, NULL);
	DefineCustomBoolVariable("tsdb.enable_seek",
							 "Enables the planner's use of scans that go to the chunks they need, by order or by series.",
							 "For ORDER BY with LIMIT, DISTINCT ON, nested loops, and subqueries that are run for each row.",
							 &tsdb_enable_seek, true,
							 PGC_USERSET, GUC_EXPLAIN, NULL, NULL, NULL);
	DefineCustomBoolVariable("tsdb.enable_aggregate",
							 "Enables the planner's use of aggregation by columns.",
							 "Groups and aggregates rows of a tsdb table without forming them, from statistics where these tell.",
							 &tsdb_enable_aggregate, true,
							 PGC_USERSET, GUC_EXPLAIN, NULL, NULL, NULL);
	DefineCustomBoolVariable("tsdb.enable_result_writer",
							 "Writes numbers, times and strings of results to the client without calling functions of their types.",
							 "For plans that scan a tsdb table. The client receives the same bytes.",
							 &tsdb_enable_result_writer, true,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("tsdb.compact_always",
							 "Compacts all tables before every statement.",
							 "For tests.",
							 &tsdb_compact_always, false,
							 PGC_SUSET, GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);
	DefineCustomStringVariable("tsdb.stop_point",
							   "Kills the process that reaches the named place.",
							   "For tests of crash recovery.",
							   &tsdb_stop_point_name, "",
							   PGC_SUSET, GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);
}

void
_PG_init(void)
{
	define_settings();
	tsdb_directory_view_init();
	tsdb_cache_trace_init();
	tsdb_salvage_init();
	tsdb_salvage_plan_init();
	tsdb_scan_path_init();
	tsdb_aggregate_path_init();
	tsdb_distinct_path_init();
	tsdb_in_list_init();
	tsdb_progress_init();
	tsdb_working_set_init();
	tsdb_access_log_init();
	tsdb_worker_init();
	tsdb_prefetch_init();
	tsdb_ingest_init();
	tsdb_compact_always_init();
	tsdb_change_count_init();
	tsdb_touched_init();
	tsdb_table_key_init();
	tsdb_table_options_init();
	tsdb_direct_load_init();
	tsdb_internal_guard_init();
	tsdb_publication_guard_init();
	tsdb_gapfill_path_init();	/* after all that add paths of grouping */
	MarkGUCPrefixReserved("tsdb");

	tsdb_storage_init();
	tsdb_chunk_cache_init();
	tsdb_chunk_map_init();
	RegisterXactCallback(at_xact_event, NULL);

	previous_object_access = object_access_hook;
	object_access_hook = object_access;
	previous_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
	previous_executor_run = ExecutorRun_hook;
	ExecutorRun_hook = executor_run;
	previous_executor_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = executor_finish;
	previous_post_parse_analyze = post_parse_analyze_hook;
	post_parse_analyze_hook = post_parse_analyze;

	if (IsTransactionState())
		tsdb_storage_note_late_load();
}
