/*
 * merge.c
 *		Merging chunks: small ones, overlapping ones, ones with dead rows.
 */
#include "postgres.h"

#include "worker/merge.h"

#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "stats/progress.h"
#include "storage/lmgr.h"
#include "store/chunk_tid.h"
#include "store/damage.h"
#include "store/directory.h"
#include "store/marks.h"
#include "store/row_arena.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "worker/batch.h"

/* A chunk is rewritten when this share of its rows is dead. */
#define DEAD_SHARE			8	/* one eighth */
#define MERGE_LEVEL_MAX		30
#define LONG_SEGMENT		(TSDB_CHUNK_ROWS / 2)
#define TIER_ROWS			128		/* runs of fewer rows times TSDB_MERGE_RUNS: tier 0 */

/* What choosing needs to know of a chunk. */
typedef struct Candidate
{
	uint32		chunk;
	int			shard;
	int			level;
	int			tier;			/* logarithm of the size of its run */
	uint64		run;
	uint32		nrows;
	uint32		nsegments;
	uint32		ndead;
	int			natts;			/* columns of the table when it was written */
	uint64		generation;
} Candidate;

typedef struct CandidateList
{
	Candidate  *items;
	int			count;
	int			allocated;
} CandidateList;

static uint32
count_dead(TsdbStorage *storage, uint32 chunk, uint32 nrows, Snapshot snapshot)
{
	uint8	   *hidden = tsdb_marks_hidden(storage, chunk, snapshot);
	uint32		dead = 0;

	if (hidden == NULL)
		return 0;
	for (uint32 row = 0; row < nrows; row++)
		dead += tsdb_marks_is_hidden(hidden, row);
	pfree(hidden);
	return dead;
}

/*
 * Damage does not stop the maintenance of the rest: a chunk that cannot be read
 * stays as it is, and what was found is said once by each process.
 */
static void
leave_alone(TsdbStorage *storage, uint64 thing, const char *message, const char *detail)
{
	if (!tsdb_damage_remember(storage->identity, thing))
		return;
	ereport(WARNING,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg_internal("%s", message),
			 detail != NULL ? errdetail_internal("%s", detail) : 0,
			 errhint("Compaction leaves it as it is.")));
}

typedef struct ListWork
{
	TsdbStorage *storage;
	Snapshot	snapshot;
	BlockNumber block;
	TsdbChunkEntry *entries;
	int			count;
	List	   *faults;
	bool		all;			/* also their columns; damage is an error */
	Candidate  *candidate;		/* to be filled from entries[0] */
} ListWork;

static void
list_page(void *arg)
{
	ListWork   *work = arg;

	work->count = tsdb_directory_page_with_faults(work->storage, work->block, work->snapshot,
												  &work->entries, &work->faults);
}

static void
fill_candidate(void *arg)
{
	ListWork   *work = arg;
	Candidate  *item = work->candidate;
	TsdbChunkEntry *entry = work->entries;

	item->chunk = entry->chunk;
	item->shard = entry->shard;
	item->level = entry->level;
	item->tier = 0;
	item->run = entry->run;
	item->nrows = entry->nrows;
	item->nsegments = entry->nsegments;
	item->generation = entry->generation;
	item->natts = work->all ? tsdb_directory_summary(work->storage, entry)->natts : 0;
	item->ndead = count_dead(work->storage, item->chunk, item->nrows, work->snapshot);
}

/* Add the chunks of a page of the directory to the list. */
static void
list_candidates_of(ListWork *work, CandidateList *list)
{
	TsdbStorage *storage = work->storage;
	ErrorData  *error = tsdb_damage_catch(list_page, work, false);
	ListCell   *lc;

	if (error != NULL && work->all)
		ReThrowError(error);
	if (error != NULL)
	{
		leave_alone(storage, work->block, error->message, error->detail);
		return;
	}
	foreach(lc, work->faults)
	{
		TsdbChunkFault *fault = lfirst(lc);

		if (work->all)
			tsdb_directory_report(storage, fault->chunk, fault->detail);
		leave_alone(storage, fault->chunk,
					psprintf("chunk %u of table \"%s\" is damaged", fault->chunk,
							 RelationGetRelationName(storage->table)), fault->detail);
	}
	if (list->count + work->count > list->allocated)
	{
		list->allocated = Max(list->allocated * 2, list->count + work->count);
		list->items = repalloc_huge(list->items, list->allocated * sizeof(Candidate));
	}
	for (int i = 0; i < work->count; i++, work->entries++)
	{
		work->candidate = &list->items[list->count];
		if (!work->all && tsdb_damage_is_known(storage->identity, work->entries->generation))
			continue;
		error = tsdb_damage_catch(fill_candidate, work, false);
		if (error == NULL)
			list->count++;
		else if (work->all)
			ReThrowError(error);
		else
			leave_alone(storage, work->entries->generation, error->message, error->detail);
	}
}

static void
list_candidates(TsdbStorage *storage, bool all, CandidateList *list)
{
	ListWork	work = {.storage = storage,.all = all};
	MemoryContext pages = AllocSetContextCreate(CurrentMemoryContext, "tsdb merge",
												ALLOCSET_DEFAULT_SIZES);
	BlockNumber nblocks = tsdb_directory_blocks(storage);

	tsdb_storage_open_members(storage);
	work.snapshot = RegisterSnapshot(GetLatestSnapshot());
	list->count = 0;
	list->allocated = 1024;
	list->items = palloc(list->allocated * sizeof(Candidate));
	for (work.block = 0; work.block < nblocks; work.block++)
	{
		MemoryContext old = MemoryContextSwitchTo(pages);

		work.faults = NIL;
		list_candidates_of(&work, list);
		MemoryContextSwitchTo(old);
		MemoryContextReset(pages);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextDelete(pages);
	UnregisterSnapshot(work.snapshot);
}

/* By shard, tier and run, so that groups are neighbours. */
static int
compare_candidates(const void *left, const void *right)
{
	const Candidate *a = left;
	const Candidate *b = right;

	if (a->shard != b->shard)
		return a->shard < b->shard ? -1 : 1;
	if (a->tier != b->tier)
		return a->tier < b->tier ? -1 : 1;
	if (a->run != b->run)
		return a->run < b->run ? -1 : 1;
	return a->chunk < b->chunk ? -1 : 1;
}

/* Sort the list into groups of one shard and tier, runs together. */
static void
group_by_tier(CandidateList *list)
{
	int			start = 0;

	qsort(list->items, list->count, sizeof(Candidate), compare_candidates);
	while (start < list->count)
	{
		Candidate  *items = &list->items[start];
		double		rows = 0;
		int			count = 0;
		int			tier = 0;

		for (; start + count < list->count && items[count].run == items[0].run &&
			 items[count].shard == items[0].shard; count++)
			rows += items[count].nrows;
		for (; rows >= TSDB_MERGE_RUNS * TIER_ROWS; rows /= TSDB_MERGE_RUNS)
			tier++;
		for (int i = 0; i < count; i++)
			items[i].tier = tier;
		start += count;
	}
	qsort(list->items, list->count, sizeof(Candidate), compare_candidates);
}

/* The level of chunks that these are merged to. */
static int
next_level(const Candidate *items, int count)
{
	int			level = 0;

	for (int i = 0; i < count; i++)
		level = Max(level, items[i].level);
	return Min(level + 1, MERGE_LEVEL_MAX);
}

/* Add the live rows of a chunk that this transaction has deleted to a batch. */
static void
add_rows(Relation rel, TsdbStorage *storage, TsdbChunkEntry *entry, const uint8 *hidden,
		 TsdbBatch *batch, TsdbRowArena *arena)
{
	TupleDesc	tupdesc = RelationGetDescr(rel);
	TsdbChunkHandle handle = {storage, entry};
	TsdbChunkReader *reader = tsdb_directory_open_chunk(&handle, tupdesc);
	Datum	   *values = palloc(Max(tupdesc->natts, 1) * sizeof(Datum));
	bool	   *nulls = palloc(Max(tupdesc->natts, 1) * sizeof(bool));

	for (uint32 row = 0; row < entry->nrows; row++)
	{
		HeapTuple	tuple;

		if (tsdb_marks_is_hidden(hidden, row))
			continue;
		for (int i = 0; i < tupdesc->natts; i++)
		{
			const TsdbColumn *column = tsdb_chunk_reader_column(reader, i + 1);

			values[i] = column->values[row];
			nulls[i] = column->nulls[row];
		}
		tuple = heap_form_tuple(tupdesc, values, nulls);
		tsdb_tid_set(&tuple->t_self, entry->chunk, row);
		tsdb_batch_add(batch, tsdb_row_arena_copy(arena, tuple));
		heap_freetuple(tuple);
	}
	tsdb_chunk_reader_close(reader);
}

/*
 * Take one chunk out: delete its directory tuple under the chunk's tuple lock,
 * so that no new mark can appear, then its marks and pieces, and gather its
 * live rows.  False if somebody is in the way.
 */
static bool
take_chunk(Relation rel, TsdbStorage *storage, uint32 chunk, TsdbBatch *batch,
		   TsdbRowArena *arena)
{
	uint8		hidden[TSDB_CHUNK_ROWS / 8];
	ItemPointerData guard;
	TsdbChunkEntry entry;
	bool		deleted;

	if (!tsdb_directory_fetch(storage, chunk, SnapshotSelf, &entry))
		return false;
	tsdb_tid_set(&guard, chunk, 0);
	if (!ConditionalLockTuple(rel, &guard, ExclusiveLock))
		return false;
	deleted = tsdb_directory_delete(storage, chunk);
	UnlockTuple(rel, &guard, ExclusiveLock);
	if (!deleted || !tsdb_marks_take(storage, chunk, hidden))
		return false;
	add_rows(rel, storage, &entry, hidden, batch, arena);
	tsdb_directory_delete_pieces(storage, &entry, false);
	return true;
}

/*
 * Rewrite a set of chunks of one shard, in a subtransaction of its own.  Returns
 * -1, also if somebody was in the way and nothing was done; or the place in items
 * of a chunk that is damaged, and *error.
 */
static int
try_rewrite(Relation rel, const Candidate *items, int count, int level,
			TsdbCompactResult *result, ErrorData **error)
{
	ResourceOwner owner = CurrentResourceOwner;
	MemoryContext old = CurrentMemoryContext;
	MemoryContext memory = AllocSetContextCreate(old, "tsdb merge rows",
												 ALLOCSET_DEFAULT_SIZES);
	volatile bool taken = true;
	volatile int at = 0;

	*error = NULL;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(memory);
	PG_TRY();
	{
		TsdbStorage *storage = tsdb_storage_open(rel, ShareUpdateExclusiveLock);
		TsdbBatch  *batch = tsdb_batch_create(rel, &storage);
		TsdbRowArena arena;
		int64		chunks = 0;

		tsdb_row_arena_init(&arena, memory);
		for (at = 0; at < count && taken; at++)
			taken = take_chunk(rel, storage, items[at].chunk, batch, &arena);
		if (taken && tsdb_batch_rows(batch) > 0)
			chunks = tsdb_batch_write(batch, level, &result->bytes_written);
		tsdb_batch_free(batch);
		tsdb_storage_close(storage);
		if (taken)
		{
			ReleaseCurrentSubTransaction();
			result->chunks_merged += count;
			result->chunks_written += chunks;
		}
		else
			RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		*error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	CurrentResourceOwner = owner;
	MemoryContextDelete(memory);

	/* behind the last chunk it was not a chunk's fault */
	if (*error != NULL && (at == count || !tsdb_damage_is((*error)->sqlerrcode)))
		ReThrowError(*error);
	CommandCounterIncrement();
	return *error != NULL ? at : -1;
}

/* The same, leaving out of items, and so of *count, what is damaged. */
static void
rewrite(Relation rel, TsdbStorage *storage, Candidate *items, int *count, int level,
		TsdbCompactResult *result)
{
	ErrorData  *error;
	int			damaged;

	while (*count > 0 &&
		   (damaged = try_rewrite(rel, items, *count, level, result, &error)) >= 0)
	{
		leave_alone(storage, items[damaged].generation, error->message, error->detail);
		FreeErrorData(error);
		memmove(&items[damaged], &items[damaged + 1],
				(*count - damaged - 1) * sizeof(Candidate));
		(*count)--;
	}
}

/* Do the runs of one shard and tier, items[0 .. count), want merging? */
static bool
wants_merge(const Candidate *items, int count)
{
	double		rows = 0;
	double		segments = 0;
	int			runs = 0;

	for (int i = 0; i < count; i++)
	{
		if (i == 0 || items[i].run != items[i - 1].run)
			runs++;
		rows += items[i].nrows;
		segments += Max(items[i].nsegments, 1);
	}
	if (runs < TSDB_MERGE_RUNS)
		return false;
	return rows / count < LONG_SEGMENT || rows / segments < LONG_SEGMENT;
}

void
tsdb_merge_chunks(Relation rel, const TsdbCompactOptions *options,
				  TsdbCompactResult *result)
{
	TsdbStorage *storage = tsdb_storage_open(rel, ShareUpdateExclusiveLock);
	CandidateList list;
	int			start = 0;
	int64		rewritten = 0;

	if (storage == NULL)
		return;
	list_candidates(storage, false, &list);
	group_by_tier(&list);

	while (start < list.count)
	{
		Candidate  *items = &list.items[start];
		int			count = 1;
		int			taken = 0;

		while (start + count < list.count && items[count].shard == items[0].shard &&
			   items[count].tier == items[0].tier)
			count++;
		start += count;

		if (options->max_rows > 0 && rewritten >= options->max_rows)
		{
			result->done = false;
			break;
		}
		if (wants_merge(items, count))
		{
			uint32		rows = 0;

			/* as many chunks as fit, run by run */
			while (taken < count && rows + items[taken].nrows <= TSDB_MERGE_ROWS_MAX)
				rows += items[taken++].nrows;
			rewrite(rel, storage, items, &taken, next_level(items, taken), result);
			rewritten += rows;
			continue;
		}

		/* chunks with many dead rows */
		for (int i = 0; i < count; i++)
		{
			if (items[i].ndead * DEAD_SHARE >= items[i].nrows && items[i].ndead > 0)
			{
				rewritten += items[i].nrows;
				items[taken++] = items[i];
			}
			if (taken > 0 && (i == count - 1 || taken * TSDB_CHUNK_ROWS >= TSDB_BATCH_ROWS))
			{
				rewrite(rel, storage, items, &taken, items[0].level, result);
				taken = 0;
			}
		}
	}
	pfree(list.items);
	tsdb_storage_close(storage);
}

void
tsdb_merge_short_chunks(Relation rel, int natts)
{
	TsdbStorage *storage = tsdb_storage_open(rel, ShareUpdateExclusiveLock);
	TsdbCompactResult result = {0};
	CandidateList list;
	int			kept = 0;
	int			start = 0;

	if (storage == NULL)
		return;
	list_candidates(storage, true, &list);
	tsdb_storage_close(storage);
	for (int i = 0; i < list.count; i++)
	{
		if (list.items[i].natts < natts)
			list.items[kept++] = list.items[i];
	}
	qsort(list.items, kept, sizeof(Candidate), compare_candidates);

	while (start < kept)
	{
		Candidate  *items = &list.items[start];
		int			count = 1;
		int64		merged = result.chunks_merged;
		ErrorData  *error;

		while (start + count < kept && items[count].shard == items[0].shard &&
			   items[count].level == items[0].level &&
			   (count + 1) * TSDB_CHUNK_ROWS <= TSDB_BATCH_ROWS)
			count++;
		if (try_rewrite(rel, items, count, items[0].level, &result, &error) >= 0)
			ReThrowError(error);
		if (result.chunks_merged == merged)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("could not rewrite chunks of table \"%s\"",
							RelationGetRelationName(rel)),
					 errdetail("Rows of them are locked by a transaction."),
					 errhint("Try again when that transaction has ended.")));
		start += count;
	}
	pfree(list.items);
}
