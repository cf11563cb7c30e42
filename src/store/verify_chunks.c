/*
 * verify_chunks.c
 *		Looking for damage in chunks: directory, pieces, vectors, statistics.
 */
#include "postgres.h"

#include "store/verify.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "chunk/chunk_verify.h"
#include "miscadmin.h"
#include "stats/progress.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "store/chunk_tid.h"
#include "store/damage.h"
#include "store/directory.h"
#include "store/internal.h"
#include "store/internal_tuple.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#define PART_DIRECTORY	"directory"
#define PART_PIECES		"pieces"
#define PART_VECTORS	"vectors"

/* The share of chunk numbers from which on their end is announced. */
#define NUMBERS_WARN	0.9

/* ---- one chunk ---- */

typedef struct ChunkWork
{
	TsdbVerify *verify;
	TsdbChunkEntry *entry;
	TsdbChunkHandle handle;
	TsdbChunkVerify *chunk;
	AttrNumber	attno;			/* the column that is verified */
} ChunkWork;

static void
fetch_stream(void *arg, uint32 offset, uint32 length, char *dst)
{
	ChunkWork  *work = arg;
	TsdbChunkEntry *entry = work->entry;

	tsdb_pieces_read(work->verify->storage, entry->shard, entry->generation, entry->chunk,
					 &entry->pieces, offset, length, dst);
}

static void
raise_damage(void *arg, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg_internal("%s", detail)));
}

/* The fault of a chunk's content, which lies in its shard. */
static TsdbFault
content_fault(ChunkWork *work, const char *part, AttrNumber attno, int row, const char *text)
{
	TsdbStorage *storage = work->verify->storage;
	TsdbFault	fault = {
		.part = part,.chunk = work->entry->chunk,.attno = attno,.row = row,.fault = text
	};

	fault.relation = tsdb_storage_shard(storage, work->entry->shard, TSDB_SHARD_IF_KNOWN);
	if (fault.relation == NULL)
		fault.relation = storage->directory;
	ItemPointerSetInvalid(&fault.place);
	return fault;
}

static void
report_content(void *arg, AttrNumber attno, int row, const char *text)
{
	ChunkWork  *work = arg;
	TsdbFault	fault = content_fault(work, "statistics", attno, row, text);

	work->verify->report(work->verify, &fault);
}

static void
open_body(void *arg)
{
	ChunkWork  *work = arg;
	TsdbChunkEntry *entry = work->entry;

	work->chunk = tsdb_chunk_verify_open(entry->body, entry->body_bytes,
										 entry->pieces.stream_bytes, fetch_stream,
										 raise_damage, work, report_content, work);
	tsdb_chunk_verify_head(work->chunk, entry->nrows, entry->has_time, entry->min_time,
						   entry->max_time);
}

static void
verify_column(void *arg)
{
	ChunkWork  *work = arg;

	tsdb_chunk_verify_column(work->chunk, work->attno);
}

static void
verify_segments(void *arg)
{
	ChunkWork  *work = arg;

	tsdb_chunk_verify_segments(work->chunk);
}

static void
verify_rows(void *arg)
{
	ChunkWork  *work = arg;
	TsdbChunkReader *reader;

	work->handle.storage = work->verify->storage;
	work->handle.entry = work->entry;
	reader = tsdb_directory_open_chunk(&work->handle, RelationGetDescr(work->verify->table));
	tsdb_chunk_verify_rows(work->chunk, reader, RelationGetDescr(work->verify->table),
						   work->entry->shard, work->entry->nshards);
	tsdb_chunk_reader_close(reader);
}

/* Report the pieces that are not what they should be; false if there are any. */
static bool
verify_pieces(ChunkWork *work)
{
	TsdbVerify *verify = work->verify;
	TsdbChunkEntry *entry = work->entry;
	bool		intact = true;

	for (uint32 i = 0; i < entry->pieces.count; i++)
	{
		const char *text = tsdb_pieces_check(verify->storage, entry->shard,
											 entry->generation, &entry->pieces, i,
											 verify->snapshot);
		TsdbFault	fault;

		if (text == NULL)
			continue;
		fault = content_fault(work, PART_PIECES, 0, -1, text);
		fault.place = entry->pieces.refs[i].tid;
		verify->report(verify, &fault);
		intact = false;
	}
	return intact;
}

static void
verify_pieces_work(void *arg)
{
	(void) verify_pieces(arg);
}

static void
verify_chunk(TsdbVerify *verify, TsdbChunkEntry *entry)
{
	ChunkWork	work = {.verify = verify,.entry = entry};
	TsdbFault	fault = content_fault(&work, PART_PIECES, 0, -1, NULL);
	bool		intact = true;

	(void) tsdb_verify_try(verify, &fault, verify_pieces_work, &work);

	fault = content_fault(&work, PART_DIRECTORY, 0, -1, NULL);
	fault.relation = verify->storage->directory;
	tsdb_chunk_place(&fault.place, entry->chunk);
	if (!tsdb_verify_try(verify, &fault, open_body, &work))
		return;
	for (int attno = 1; attno <= tsdb_chunk_verify_natts(work.chunk); attno++)
	{
		work.attno = attno;
		fault = content_fault(&work, PART_VECTORS, attno, -1, NULL);
		intact &= tsdb_verify_try(verify, &fault, verify_column, &work);
	}
	fault = content_fault(&work, PART_VECTORS, 0, -1, NULL);
	intact &= tsdb_verify_try(verify, &fault, verify_segments, &work);

	/* damage that was reported would only be met again */
	if (intact)
		(void) tsdb_verify_try(verify, &fault, verify_rows, &work);
}

/* ---- the directory ---- */

/* VACUUM would set numbers of chunks free too early without it. */
static void
verify_index(TsdbVerify *verify)
{
	Relation	index = tsdb_internal_open_index(verify->storage->directory, AccessShareLock);

	if (index == NULL)
		tsdb_verify_report(verify, PART_DIRECTORY, verify->storage->directory, TSDB_NO_CHUNK,
						   NULL, "its index is missing");
	else
		tsdb_internal_close(index);
}

typedef struct ListWork
{
	TsdbVerify *verify;
	BlockNumber block;
	TsdbChunkEntry *entries;
	int			count;
	List	   *faults;
} ListWork;

static void
list_page(void *arg)
{
	ListWork   *work = arg;

	work->faults = NIL;
	work->count = tsdb_directory_page_with_faults(work->verify->storage, work->block,
												  work->verify->snapshot, &work->entries,
												  &work->faults);
}

/* The entries of a page of the directory; with report, faults are reported. */
static bool
read_directory_page(ListWork *work, bool report)
{
	TsdbVerify *verify = work->verify;
	TsdbFault	fault = {
		.part = PART_DIRECTORY,.relation = verify->storage->directory,
		.chunk = TSDB_NO_CHUNK,.row = -1
	};
	ListCell   *lc;

	ItemPointerSet(&fault.place, work->block, 0);
	if (!report)
	{
		ErrorData  *error = tsdb_damage_catch(list_page, work, true);

		return error == NULL;
	}
	if (!tsdb_verify_try(verify, &fault, list_page, work))
		return false;
	foreach(lc, work->faults)
	{
		TsdbChunkFault *damaged = lfirst(lc);

		fault.chunk = damaged->chunk;
		fault.fault = damaged->detail;
		tsdb_chunk_place(&fault.place, damaged->chunk);
		verify->report(verify, &fault);
	}
	return true;
}

void
tsdb_verify_directory(TsdbVerify *verify)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb verify page",
												 ALLOCSET_DEFAULT_SIZES);
	BlockNumber nblocks = tsdb_directory_blocks(verify->storage);

	for (BlockNumber block = 0; block < nblocks; block++)
	{
		MemoryContext old = MemoryContextSwitchTo(memory);
		ListWork	work = {.verify = verify,.block = block};

		(void) read_directory_page(&work, true);
		MemoryContextSwitchTo(old);
		MemoryContextReset(memory);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextDelete(memory);
}

void
tsdb_verify_chunks(TsdbVerify *verify)
{
	TsdbStorage *storage = verify->storage;
	Relation	directory = storage->directory;
	MemoryContext page_memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb verify page",
													  ALLOCSET_DEFAULT_SIZES);
	MemoryContext chunk_memory = AllocSetContextCreate(CurrentMemoryContext,
													   "tsdb verify chunk",
													   ALLOCSET_DEFAULT_SIZES);
	BlockNumber nblocks = tsdb_directory_blocks(storage);

	verify_index(verify);
	if (nblocks > NUMBERS_WARN * TSDB_DIRECTORY_BLOCKS_MAX)
		tsdb_verify_report(verify, PART_DIRECTORY, directory, TSDB_NO_CHUNK, NULL,
						   "chunk numbers will soon be used up: VACUUM the table, or partition it");

	for (BlockNumber block = 0; block < nblocks; block++)
	{
		MemoryContext old = MemoryContextSwitchTo(page_memory);
		ListWork	work = {.verify = verify,.block = block};

		if (read_directory_page(&work, true))
		{
			for (int i = 0; i < work.count; i++)
			{
				TsdbChunkEntry *entry = &work.entries[i];

				MemoryContextSwitchTo(chunk_memory);
				verify_chunk(verify, entry);
				tsdb_progress_add(entry->nrows, 1);
				MemoryContextReset(chunk_memory);
				CHECK_FOR_INTERRUPTS();
			}
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(page_memory);
	}
	MemoryContextDelete(chunk_memory);
	MemoryContextDelete(page_memory);
}

/* ---- pieces without a chunk ---- */

/*
 * The pieces of a chunk's stream carry its generation, those of its list of
 * pieces the complement: one number for both.
 */
static uint64
family(uint64 generation)
{
	return Min(generation, ~generation);
}

/* The families of the chunks of one round, sorted. */
typedef struct Generations
{
	uint64	   *values;
	Size		count;
	Size		allocated;
} Generations;

static int
compare_generations(const void *left, const void *right)
{
	uint64		a = *(const uint64 *) left;
	uint64		b = *(const uint64 *) right;

	return a < b ? -1 : a > b;
}

static void
collect_generations(TsdbVerify *verify, uint64 round, uint64 rounds, Generations *list)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb verify page",
												 ALLOCSET_DEFAULT_SIZES);
	BlockNumber nblocks = tsdb_directory_blocks(verify->storage);

	list->count = 0;
	for (BlockNumber block = 0; block < nblocks; block++)
	{
		MemoryContext old = MemoryContextSwitchTo(memory);
		ListWork	work = {.verify = verify,.block = block};

		if (read_directory_page(&work, false))
		{
			for (int i = 0; i < work.count; i++)
			{
				uint64		generation = family(work.entries[i].generation);

				if (generation % rounds != round)
					continue;
				if (list->count == list->allocated)
				{
					list->allocated *= 2;
					list->values = repalloc_huge(list->values,
												 list->allocated * sizeof(uint64));
				}
				list->values[list->count++] = generation;
			}
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(memory);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextDelete(memory);
	qsort(list->values, list->count, sizeof(uint64), compare_generations);
	for (Size i = 1; i < list->count; i++)
	{
		if (list->values[i] == list->values[i - 1])
			tsdb_verify_report(verify, PART_DIRECTORY, verify->storage->directory,
							   TSDB_NO_CHUNK, NULL, "two chunks are of the same generation");
	}
}

static void
verify_shard(TsdbVerify *verify, Relation rel, int shard, uint64 round, uint64 rounds,
			 const Generations *list)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb verify page",
												 ALLOCSET_DEFAULT_SIZES);
	BlockNumber nblocks = RelationGetNumberOfBlocks(rel);
	uint64		last_orphan = 0;

	for (BlockNumber block = 0; block < nblocks; block++)
	{
		MemoryContext old = MemoryContextSwitchTo(memory);
		TsdbVerifyTuple *tuples;
		int			count = tsdb_verify_page(verify, PART_PIECES, rel, block, true, &tuples);

		for (int i = 0; i < count; i++)
		{
			ItemPointerData place;
			uint64		generation;
			bool		intact;

			ItemPointerSet(&place, block, tuples[i].offset);
			if (tuples[i].fault != NULL)
			{
				if (round == 0)
					tsdb_verify_report(verify, PART_PIECES, rel, TSDB_NO_CHUNK, &place,
									   tuples[i].fault);
				continue;
			}
			if (!tuples[i].visible)
				continue;
			intact = tsdb_pieces_identify(verify->storage, shard, tuples[i].tuple,
										  &generation);
			generation = family(generation);
			if (generation % rounds != round ||
				bsearch(&generation, list->values, list->count, sizeof(uint64),
						compare_generations) != NULL)
				continue;		/* of a chunk, with which it was verified */
			if (!intact)
			{
				tsdb_verify_report(verify, PART_PIECES, rel, TSDB_NO_CHUNK, &place,
								   "this is no intact piece of the table");
				continue;
			}
			if (verify->orphan != NULL)
			{
				verify->orphan(verify, rel, &place);
				continue;
			}
			if (generation == last_orphan)
				continue;		/* one report for a chunk's pieces in a row */
			last_orphan = generation;
			tsdb_verify_report(verify, PART_PIECES, rel, TSDB_NO_CHUNK, &place,
							   "it belongs to a chunk that the directory does not have");
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(memory);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextDelete(memory);
}

void
tsdb_verify_pieces(TsdbVerify *verify)
{
	TsdbStorage *storage = verify->storage;
	Generations list = {.allocated = 1024};
	double		rows;
	double		chunks;
	BlockNumber pages;
	uint64		rounds;

	tsdb_directory_estimate(storage, &rows, &chunks, &pages);
	rounds = 1 + (uint64) (chunks * sizeof(uint64) / 1024 / maintenance_work_mem);
	list.values = palloc(list.allocated * sizeof(uint64));
	for (uint64 round = 0; round < rounds; round++)
	{
		collect_generations(verify, round, rounds, &list);
		for (int shard = 0; shard < TSDB_SHARDS_MAX; shard++)
		{
			Relation	rel = tsdb_storage_shard(storage, shard, TSDB_SHARD_IF_KNOWN);

			if (rel == NULL)
				continue;
			LockRelation(rel, AccessShareLock); /* VACUUM may cut its end */
			verify_shard(verify, rel, shard, round, rounds, &list);
		}
	}
	pfree(list.values);
}
