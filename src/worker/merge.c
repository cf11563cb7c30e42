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
#include "store/directory_numbers.h"
#include "store/marks.h"
#include "store/row_arena.h"
#include "store/table_cold.h"
#include "store/table_key.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "worker/batch.h"
#include "worker/shrink.h"

/*
 * When is a chunk rewritten for its marks?  When what goes, marks and dead rows, is
 * a good part of the bytes that are written; and when so many rows have been
 * touched that each has not much of it to pay for.  To rewrite a row costs 0.9 us
 * and 14 bytes of WAL, to delete one 1.3 us (bench/run --parts delete, 2.6 million
 * rows of eleven columns), so with a sixteenth a touched row pays 14 us at most,
 * in the background.  Marks take from 7 bytes a row (many that one command
 * deletes) to 90 (one by one).
 */
#define TOUCHED_SHARE		16
#define WORTH_SHARE			10
#define IN_USE_MAX			8	/* chunks in the way of rewriting a group of them */
#define COLD_CHUNKS_MAX		32	/* encoded anew together: up to 256 MB of rows */

/*
 * No more for marks when there is this share of dead chunks, which VACUUM has not
 * removed yet: their room can be used again then, and the table stays small.
 */
#define DEAD_CHUNKS_SHARE	4
#define DEAD_CHUNKS_MIN		128
#define MERGE_LEVEL_MAX		30
#define LONG_SEGMENT		(TSDB_CHUNK_ROWS / 2)
#define TIER_ROWS			128		/* runs of fewer rows times TSDB_MERGE_RUNS: tier 0 */

/* What choosing needs to know of a chunk. */
typedef struct Candidate
{
	uint32		chunk;
	int			shard;
	int			nshards;		/* that its series were hashed to; 1: not known */
	int			level;
	int			tier;			/* logarithm of the size of its run */
	uint32		run;
	uint32		nrows;
	uint32		nsegments;
	uint32		ndead;			/* rows */
	uint32		ntouched;		/* rows that have a mark */
	Size		mark_bytes;
	Size		bytes;			/* of the chunk itself */
	int			natts;			/* columns of the table when it was written */
	bool		cold;			/* encoded at level cold */
	bool		has_time;
	int64		max_time;
	uint64		generation;
} Candidate;

typedef struct CandidateList
{
	Candidate  *items;
	int			count;
	int			allocated;
	int64		shard_bytes[TSDB_SHARDS_MAX];	/* of pages, that chunks need; -1: changing */
} CandidateList;

static int64
footprint(const TsdbPieceList *list)
{
	int64		bytes = 0;

	for (uint32 i = 0; i < list->count; i++)
		bytes += tsdb_piece_footprint(list, i);
	return bytes;
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
	item->nshards = entry->nshards;
	item->level = entry->level;
	item->tier = 0;
	item->run = entry->run;
	item->nrows = entry->nrows;
	item->nsegments = entry->nsegments;
	item->generation = entry->generation;
	item->cold = entry->cold;
	item->has_time = entry->has_time;
	item->max_time = entry->max_time;
	item->natts = work->all ? tsdb_directory_summary(work->storage, entry)->natts : 0;
	item->bytes = entry->pieces.stream_bytes + entry->body_bytes;
	item->mark_bytes = tsdb_marks_weigh(work->storage, item->chunk, work->snapshot,
										&item->ndead, &item->ntouched);
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
		int			shard = work->entries->shard;

		if (shard >= 0 && shard < TSDB_SHARDS_MAX)
			list->shard_bytes[shard] += footprint(&work->entries->pieces) +
				footprint(&work->entries->list_pieces);
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
	memset(list->shard_bytes, 0, sizeof(list->shard_bytes));
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
	TsdbChunkHandle handle = {.storage = storage,.entry = entry};
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
 * Rewrite a set of chunks of one shard, in a subtransaction of its own, to chunks of
 * a run (0: a new one).  Returns
 * count if that was done, or the place in items of the first chunk that is in use,
 * or that is damaged, which *error says then.
 */
static int
try_rewrite(Relation rel, const Candidate *items, int count, int level, uint32 run,
			TsdbCompactResult *result, ErrorData **error)
{
	ResourceOwner owner = CurrentResourceOwner;
	MemoryContext old = CurrentMemoryContext;
	MemoryContext memory = AllocSetContextCreate(old, "tsdb merge rows",
												 ALLOCSET_DEFAULT_SIZES);
	volatile int ntaken = 0;

	*error = NULL;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(memory);
	PG_TRY();
	{
		TsdbStorage *storage = tsdb_storage_open(rel, ShareUpdateExclusiveLock);
		TsdbBatch  *batch = tsdb_batch_create(rel, &storage);
		TsdbRowArena arena;
		int64		chunks = 0;
		int64		rows = 0;

		tsdb_row_arena_init(&arena, memory);
		while (ntaken < count &&
			   take_chunk(rel, storage, items[ntaken].chunk, batch, &arena))
			rows += items[ntaken++].nrows;
		if (ntaken == count && tsdb_batch_rows(batch)->count > 0)
			chunks = tsdb_batch_write(batch, level, run, &result->bytes_written);
		tsdb_batch_free(batch);
		tsdb_storage_close(storage);
		if (ntaken == count)
		{
			ReleaseCurrentSubTransaction();
			result->chunks_merged += count;
			result->rows_merged += rows;
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
	if (*error != NULL && (ntaken == count || !tsdb_damage_is((*error)->sqlerrcode)))
		ReThrowError(*error);
	CommandCounterIncrement();
	return ntaken;
}

/* The same, leaving out what is damaged, and a few that are in use. */
static void
rewrite(Relation rel, TsdbStorage *storage, Candidate *items, int count, int level,
		uint32 run, TsdbCompactResult *result)
{
	int			in_use = 0;

	while (count > 0 && in_use <= IN_USE_MAX)
	{
		ErrorData  *error;
		int			taken = try_rewrite(rel, items, count, level, run, result, &error);

		if (taken == count)
			return;
		if (error != NULL)
		{
			leave_alone(storage, items[taken].generation, error->message, error->detail);
			FreeErrorData(error);
		}
		else
			in_use++;
		memmove(&items[taken], &items[taken + 1], (count - taken - 1) * sizeof(Candidate));
		count--;
	}
}

/* Is a chunk worth rewriting for the marks that its rows have? */
static bool
wants_rewrite(const Candidate *item)
{
	double		dead = (double) item->ndead / Max(item->nrows, 1);
	double		saved = item->mark_bytes + dead * item->bytes;
	double		written = (1 - dead) * item->bytes;

	return item->ntouched > 0 && item->ntouched * TOUCHED_SHARE >= item->nrows &&
		saved * WORTH_SHARE >= written;
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

/* One look at all chunks of a table, and what is done about them. */
typedef struct MergeRound
{
	Relation	rel;
	TsdbStorage *storage;
	const TsdbCompactOptions *options;
	TsdbCompactResult *result;
	TsdbColdRule cold;
	bool		hash_exact;		/* a chunk says how many shards its series were hashed to */
	CandidateList list;
	int64		rewritten;		/* rows */
	int64		allowed;		/* chunks that may be rewritten, until VACUUM has come */
} MergeRound;

static bool
round_is_over(const MergeRound *round)
{
	return round->options->max_rows > 0 && round->rewritten >= round->options->max_rows;
}

/* Rewrite chunks of one shard to a run of a level, and count them. */
static void
rewrite_in_round(MergeRound *round, Candidate *items, int count, int level, uint32 run)
{
	bool		spread = false;

	for (int i = 0; i < count; i++)
	{
		round->rewritten += items[i].nrows;
		spread = spread || (round->hash_exact && items[i].nshards != tsdb_shards);
	}
	round->list.shard_bytes[items[0].shard] = -1;

	/* Their rows go to any shard: those of a chunk of all series, or of another number of shards. */
	for (int shard = 0; spread && shard < TSDB_SHARDS_MAX; shard++)
		round->list.shard_bytes[shard] = -1;
	rewrite(round->rel, round->storage, items, count, level, run, round->result);
}

/*
 * Encode chunks of one shard and tier anew, run by run, that are due for level
 * cold.  They stay in their run, and so their run in its tier.  Moves the others to
 * the front of items and returns how many these are.
 */
static int
encode_cold(MergeRound *round, Candidate *items, int count)
{
	Candidate  *due = palloc(count * sizeof(Candidate));
	int			ndue = 0;
	int			kept = 0;

	for (int i = 0; i < count; i++)
	{
		Candidate  *item = &items[i];
		bool		wanted = !item->cold &&
		tsdb_chunk_is_due(item->has_time, item->max_time, round->cold.before);

		if (wanted && round_is_over(round))
		{
			round->result->done = false;
			wanted = false;
		}

		/* Who waits for this wants it done; the background can wait for VACUUM. */
		if (wanted && round->options->background && round->allowed-- <= 0)
			wanted = false;
		if (wanted)
			due[ndue++] = *item;
		else
			items[kept++] = *item;
		if (ndue > 0 &&
			(i == count - 1 || items[i + 1].run != due[0].run || ndue == COLD_CHUNKS_MAX))
		{
			rewrite_in_round(round, due, ndue, due[0].level, due[0].run);
			ndue = 0;
		}
	}
	pfree(due);
	return kept;
}

/* Rewrite chunks of one shard and tier that have many marks; those taken move to the
 * front of items. */
static void
rewrite_touched(MergeRound *round, Candidate *items, int count)
{
	int			taken = 0;

	for (int i = 0; i < count; i++)
	{
		if (round->allowed > 0 && wants_rewrite(&items[i]))
		{
			round->allowed--;
			items[taken++] = items[i];
		}
		if (taken > 0 && (i == count - 1 || taken * TSDB_CHUNK_ROWS >= TSDB_BATCH_ROWS))
		{
			rewrite_in_round(round, items, taken, items[0].level, 0);
			taken = 0;
			if (round_is_over(round) && i < count - 1)
			{
				round->result->done = false;
				break;
			}
		}
	}
}

/* Do what is due for the chunks of one shard and tier. */
static void
maintain_group(MergeRound *round, Candidate *items, int count)
{
	if (wants_merge(items, count))
	{
		uint32		rows = 0;
		int			taken = 0;

		/* as many chunks as fit, run by run */
		while (taken < count && rows + items[taken].nrows <= TSDB_MERGE_ROWS_MAX)
			rows += items[taken++].nrows;
		rewrite_in_round(round, items, taken, next_level(items, taken), 0);
		return;
	}
	count = encode_cold(round, items, count);
	rewrite_touched(round, items, count);
}

/* When will a chunk be due for level cold?  At once, if one is: it may be in use, or
 * have to wait for VACUUM. */
static TimestampTz
next_cold(const MergeRound *round)
{
	TimestampTz at = DT_NOEND;

	for (int i = 0; i < round->list.count; i++)
	{
		const Candidate *item = &round->list.items[i];

		if (item->cold)
			continue;
		if (tsdb_chunk_is_due(item->has_time, item->max_time, round->cold.before))
			return GetCurrentTransactionStartTimestamp();
		at = Min(at, tsdb_table_cold_at(&round->cold, item->has_time, item->max_time));
	}
	return at;
}

void
tsdb_merge_chunks(Relation rel, const TsdbCompactOptions *options,
				  TsdbCompactResult *result)
{
	MergeRound	round = {.rel = rel,.options = options,.result = result};
	CandidateList *list = &round.list;
	TsdbSortKey key;
	int			start = 0;

	round.storage = tsdb_storage_open(rel, ShareUpdateExclusiveLock);
	if (round.storage == NULL)
		return;
	tsdb_table_key(rel, &key);
	tsdb_table_cold_rule(rel, &key, &round.cold);
	round.hash_exact = key.nseries > 0 && tsdb_series_hash_is_exact(RelationGetDescr(rel), &key);
	list_candidates(round.storage, false, list);
	round.allowed = list->count + Max(list->count / DEAD_CHUNKS_SHARE, DEAD_CHUNKS_MIN) -
		(int64) tsdb_directory_used(round.storage);
	result->cold_at = next_cold(&round);
	group_by_tier(list);

	while (start < list->count)
	{
		Candidate  *items = &list->items[start];
		int			count = 1;

		while (start + count < list->count && items[count].shard == items[0].shard &&
			   items[count].tier == items[0].tier)
			count++;
		start += count;

		if (round_is_over(&round))
		{
			result->done = false;
			break;
		}
		maintain_group(&round, items, count);
	}
	tsdb_shrink_shards(rel, list->shard_bytes, options, result);
	pfree(list->items);
	tsdb_storage_close(round.storage);
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
		int			taken;
		ErrorData  *error;

		while (start + count < kept && items[count].shard == items[0].shard &&
			   items[count].level == items[0].level &&
			   (count + 1) * TSDB_CHUNK_ROWS <= TSDB_BATCH_ROWS)
			count++;
		taken = try_rewrite(rel, items, count, items[0].level, 0, &result, &error);
		if (error != NULL)
			ReThrowError(error);
		if (taken < count)
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
