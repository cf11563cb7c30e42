/*
 * task_prefetch.c
 *		The background task that loads columns of chunks into the cache before they are asked for.
 */
#include "postgres.h"

#include "worker/task_prefetch.h"

#include "access/relation.h"
#include "access/xact.h"
#include "cache/working_set.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "portability/instr_time.h"
#include "storage/lmgr.h"
#include "store/directory_view.h"
#include "store/key_columns.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "worker/prefetch.h"
#include "worker/task_compact.h"
#include "worker/worker.h"

/* vectors that a task loads, at most, and of which it may be told that there is no room */
#define LOADED_MAX		1024
#define REFUSED_MAX		8

/*
 * Milliseconds for which the table is locked at a time.  Whoever wants it for himself waits no longer than that, since he
 * is then before us: a lock that somebody waits for is not given to who does not.
 */
#define SLICE			20

#define LOCK_TIMEOUT	"100ms"

typedef struct Prefetch
{
	Relation	rel;
	TsdbStorage *storage;
	TsdbAccess	wanted;
	BlockNumber block;			/* of the directory, that comes next */
	uint32		loaded;
	uint32		refused;
	instr_time	since;			/* when this transaction began */
	MemoryContext memory;		/* of a chunk */
} Prefetch;

/* ---- which chunks ---- */

/* Is it one of the series that are wanted?  values are those of a row. */
static bool
is_wanted(const Prefetch *prefetch, const TsdbSortKey *key, const Datum *values, const bool *nulls)
{
	uint32		hash = tsdb_series_hash(RelationGetDescr(prefetch->rel), key, values, nulls);

	for (int i = 0; i < prefetch->wanted.nhashes; i++)
	{
		if (prefetch->wanted.hashes[i] == hash)
			return true;
	}
	return false;
}

/* Does a chunk's key say what the hashes that are wanted are of? */
static bool
is_same_key(const Prefetch *prefetch, const TsdbSortKey *key)
{
	uint64		name = 0;

	if (key->nseries == 0 || key->nseries > TSDB_SERIES_NAME_MAX)
		return false;
	for (int i = 0; i < key->nseries; i++)
		name = tsdb_series_name_add(name, key->series[i]);
	return name == prefetch->wanted.key &&
		tsdb_series_hash_is_exact(RelationGetDescr(prefetch->rel), key);
}

/* A chunk of one series, by its statistics. */
static bool
has_series_by_statistics(const Prefetch *prefetch, const TsdbChunkSummary *summary)
{
	int			natts = RelationGetDescr(prefetch->rel)->natts;
	Datum	   *values = palloc0(natts * sizeof(Datum));
	bool	   *nulls = palloc0(natts * sizeof(bool));

	for (int i = 0; i < summary->key.nseries; i++)
	{
		AttrNumber	attno = summary->key.series[i];
		const TsdbColumnStats *stats = &summary->columns[attno - 1];

		if (attno > summary->natts || stats->nnulls > 0 || !stats->has_range)
			return true;
		values[attno - 1] = stats->min;
	}
	return is_wanted(prefetch, &summary->key, values, nulls);
}

/* One of several, by the first row of each.  What is decoded for that is not kept. */
static bool
has_series_by_rows(const Prefetch *prefetch, TsdbChunkHandle *handle,
				   const TsdbChunkSummary *summary)
{
	TupleDesc	tupdesc = RelationGetDescr(prefetch->rel);
	TsdbChunkReader *reader = tsdb_directory_open_chunk(handle, tupdesc);
	const TsdbSegments *segments = tsdb_chunk_reader_segments(reader);
	Datum	   *values = palloc0(tupdesc->natts * sizeof(Datum));
	bool	   *nulls = palloc0(tupdesc->natts * sizeof(bool));
	bool		found = false;

	for (uint32 i = 0; !found && i < segments->count; i++)
	{
		for (int j = 0; j < summary->key.nseries; j++)
		{
			AttrNumber	attno = summary->key.series[j];
			const TsdbColumn *column = tsdb_chunk_reader_column(reader, attno);

			values[attno - 1] = column->values[segments->rows[i]];
			nulls[attno - 1] = column->nulls[segments->rows[i]];
		}
		found = is_wanted(prefetch, &summary->key, values, nulls);
	}
	tsdb_chunk_reader_close(reader);
	return found;
}

static bool
has_times(const Prefetch *prefetch, const TsdbChunkSummary *summary)
{
	const TsdbAccess *wanted = &prefetch->wanted;

	if (wanted->time == 0 || !summary->has_time || summary->key.time != wanted->time)
		return true;
	if (wanted->edges && summary->min_time >= wanted->from && summary->max_time <= wanted->to)
		return false;
	return summary->min_time <= wanted->to && summary->max_time >= wanted->from;
}

/* ---- loading ---- */

static bool
is_missing(const Prefetch *prefetch, const TsdbChunkEntry *entry, const TsdbChunkSummary *summary,
		   AttrNumber attno)
{
	TupleDesc	tupdesc = RelationGetDescr(prefetch->rel);

	return attno >= 1 && attno <= tupdesc->natts && attno <= summary->natts &&
		!TupleDescAttr(tupdesc, attno - 1)->attisdropped &&
		!tsdb_working_set_has(prefetch->storage, entry->generation, attno);
}

/* Load what is missing of a chunk, if it has what is wanted.  The reader goes with the current context. */
static void
load_chunk(Prefetch *prefetch, TsdbChunkEntry *entry, const TsdbChunkSummary *summary)
{
	const TsdbAccess *wanted = &prefetch->wanted;
	TsdbChunkHandle handle = {.storage = prefetch->storage,.entry = entry};
	TsdbChunkReader *reader;
	bool		any = false;

	for (int i = 0; i < wanted->ncolumns; i++)
		any = any || is_missing(prefetch, entry, summary, wanted->columns[i]);
	if (!any || !has_times(prefetch, summary))
		return;
	if (wanted->nhashes > 0 && is_same_key(prefetch, &summary->key) &&
		!(summary->nsegments == 1 ? has_series_by_statistics(prefetch, summary) :
		  has_series_by_rows(prefetch, &handle, summary)))
		return;
	reader = tsdb_working_set_open_chunk(&handle, RelationGetDescr(prefetch->rel), NULL);
	for (int i = 0; i < wanted->ncolumns && prefetch->refused < REFUSED_MAX; i++)
	{
		AttrNumber	attno = wanted->columns[i];

		if (!is_missing(prefetch, entry, summary, attno))
			continue;
		(void) tsdb_chunk_reader_column(reader, attno);
		if (tsdb_working_set_has(prefetch->storage, entry->generation, attno))
			prefetch->loaded++;
		else
			prefetch->refused++;
	}
}

/* Has this transaction lasted as long as it may?  Somebody may be waiting for our lock. */
static bool
slice_is_over(const Prefetch *prefetch)
{
	instr_time	now;

	CHECK_FOR_INTERRUPTS();
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, prefetch->since);
	return INSTR_TIME_GET_MILLISEC(now) >= SLICE;
}

static bool
is_enough(const Prefetch *prefetch)
{
	return prefetch->loaded >= LOADED_MAX || prefetch->refused >= REFUSED_MAX;
}

/* Load what is wanted, from where the transaction before has come to; true if that was all. */
static bool
load_table(Prefetch *prefetch)
{
	const TsdbAccess *access = &prefetch->wanted;
	TsdbChunkWanted wanted = {
		.times = {.attno = access->time,.min = access->from,.max = access->to},
		.column = access->rank,
		.nranks = access->nranks,
		.ranks = access->ranks,
		.series = access->key,
		.nhashes = access->nhashes,
		.hashes = access->hashes,
		.paired = access->paired
	};
	TsdbDirectoryView view = {0};
	BlockNumber nblocks = tsdb_directory_blocks(prefetch->storage);
	bool		over = false;

	for (; prefetch->block < nblocks && !is_enough(prefetch) && !over; prefetch->block++)
	{
		tsdb_directory_view(&view, prefetch->storage, prefetch->block, 0, TSDB_DIRECTORY_SLOTS,
							&wanted, GetActiveSnapshot());
		for (int i = 0; i < view.count && !is_enough(prefetch) && !over; i++)
		{
			const TsdbChunkSummary *summary = tsdb_directory_view_summary(&view, i);
			MemoryContext caller = MemoryContextSwitchTo(prefetch->memory);

			load_chunk(prefetch, view.entries[i], summary);
			MemoryContextSwitchTo(caller);
			MemoryContextReset(prefetch->memory);
			over = slice_is_over(prefetch);
		}
		/* the same page again: what was loaded of it is passed over */
		if (over)
			break;
	}
	tsdb_directory_view_release(&view);
	return !over;
}

/* With an error, too: a damaged chunk is not asked for again and again. */
static bool
load_and_report(Prefetch *prefetch, uint32 promise)
{
	uint32		before = prefetch->loaded;
	bool		done;

	tsdb_working_set_origin = TSDB_VECTOR_PREFETCH;
	PG_TRY();
	{
		done = load_table(prefetch);
	}
	PG_CATCH();
	{
		tsdb_working_set_origin = TSDB_VECTOR_QUERY;
		tsdb_prefetch_loaded(promise, prefetch->loaded - before + LOADED_MAX);
		PG_RE_THROW();
	}
	PG_END_TRY();
	tsdb_working_set_origin = TSDB_VECTOR_QUERY;
	tsdb_prefetch_loaded(promise, prefetch->loaded - before);
	return done;
}

/* Read the table, if nobody else wants it for himself. */
static bool
load_slice(Prefetch *prefetch, Oid relid, uint32 promise)
{
	bool		done = true;
	int			nestlevel;

	INSTR_TIME_SET_CURRENT(prefetch->since);
	if (!ConditionalLockRelationOid(relid, AccessShareLock))
		return true;
	prefetch->rel = try_relation_open(relid, NoLock);
	if (prefetch->rel == NULL)
		return true;
	tsdb_worker_learn_name();
	tsdb_worker_report("prefetch");
	PushActiveSnapshot(GetTransactionSnapshot());

	/* for locks of internal relations, which somebody may be rebuilding; an error gives the setting back, too */
	nestlevel = NewGUCNestLevel();
	(void) set_config_option("lock_timeout", LOCK_TIMEOUT, PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	prefetch->storage = tsdb_storage_open(prefetch->rel, AccessShareLock);
	if (prefetch->storage != NULL)
	{
		done = load_and_report(prefetch, promise);
		tsdb_storage_close(prefetch->storage);
	}
	AtEOXact_GUC(false, nestlevel);
	PopActiveSnapshot();
	relation_close(prefetch->rel, AccessShareLock);
	return done;
}

void
tsdb_task_prefetch(TsdbTask *task)
{
	const TsdbPrefetchOrder *order = (const TsdbPrefetchOrder *) task->payload.bytes;
	Prefetch	prefetch = {0};
	bool		done = false;

	if (tsdb_working_set_cache() == NULL)
		return;
	tsdb_prefetch_order_read(order, &prefetch.wanted);
	prefetch.memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb prefetch of a chunk",
											ALLOCSET_DEFAULT_SIZES);
	while (!done && !tsdb_worker_must_leave())
	{
		StartTransactionCommand();
		if (tsdb_task_compact_can(task->relid))
			done = load_slice(&prefetch, task->relid, order->promise);
		else
		{
			task->outcome = TSDB_TASK_GONE;
			done = true;
		}
		CommitTransactionCommand();
	}
	pgstat_report_stat(false);
}
