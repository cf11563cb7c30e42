/*
 * verify_chunks.c
 *		Looking for damage in chunks: directory, pieces, vectors, statistics.
 */
#include "postgres.h"

#include "store/verify.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "chunk/chunk_verify.h"
#include "lib/bloomfilter.h"
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

/* ---- the directory's index ---- */

typedef struct IndexEntry
{
	int64		key;
	ItemPointerData tid;
	bool		isnull;
	bool		unused;
} IndexEntry;

typedef struct IndexWork
{
	TsdbVerify *verify;
	Relation	index;
	bloom_filter *entries;
} IndexWork;

static void
fill_entry(IndexEntry *entry, int64 key, bool isnull, const ItemPointerData *tid)
{
	memset(entry, 0, sizeof(*entry));
	entry->key = isnull ? 0 : key;
	entry->isnull = isnull;
	entry->tid = *tid;
}

/* Note every entry of the index; report those that lead nowhere. */
static void
scan_index(void *arg)
{
	IndexWork  *work = arg;
	TsdbVerify *verify = work->verify;
	TsdbStorage *storage = verify->storage;
	BlockNumber nblocks = tsdb_directory_blocks(storage);
	IndexScanDesc scan = index_beginscan(storage->directory, work->index, SnapshotAny, 0, 0);
	ItemPointer tid;

	scan->xs_want_itup = true;
	scan->ignore_killed_tuples = false;
	index_rescan(scan, NULL, 0, NULL, 0);
	while ((tid = index_getnext_tid(scan, ForwardScanDirection)) != NULL)
	{
		IndexEntry	entry;
		bool		isnull;
		Datum		key = index_getattr(scan->xs_itup, 1, RelationGetDescr(work->index),
										&isnull);

		fill_entry(&entry, DatumGetInt64(key), isnull, tid);
		bloom_add_element(work->entries, (unsigned char *) &entry, sizeof(entry));
		if (ItemPointerGetBlockNumber(tid) >= nblocks)
			nblocks = tsdb_directory_blocks(storage);	/* loads go on */
		if (verify->locked && (ItemPointerGetBlockNumber(tid) >= nblocks ||
							   ItemPointerGetOffsetNumber(tid) > TSDB_DIRECTORY_SLOTS))
			tsdb_verify_report(verify, PART_DIRECTORY, work->index, TSDB_NO_CHUNK, tid,
							   "the index has an entry for a place that does not exist");
		CHECK_FOR_INTERRUPTS();
	}
	index_endscan(scan);
}

/* A filter over all entries of the directory's index; NULL if there is none. */
static bloom_filter *
read_time_index(TsdbVerify *verify)
{
	TsdbStorage *storage = verify->storage;
	IndexWork	work = {.verify = verify};
	TsdbFault	fault = {.part = PART_DIRECTORY,.chunk = TSDB_NO_CHUNK,.row = -1};
	bool		read;

	work.index = tsdb_internal_open_index(storage->directory, AccessShareLock);
	if (work.index == NULL)
	{
		tsdb_verify_report(verify, PART_DIRECTORY, storage->directory, TSDB_NO_CHUNK, NULL,
						   "its index is missing");
		return NULL;
	}
	work.entries = bloom_create((int64) tsdb_directory_blocks(storage) * TSDB_DIRECTORY_SLOTS,
								maintenance_work_mem, 0);
	fault.relation = work.index;
	ItemPointerSetInvalid(&fault.place);
	read = tsdb_verify_try(verify, &fault, scan_index, &work);
	tsdb_internal_close(work.index);
	return read ? work.entries : NULL;
}

/* ---- the directory ---- */

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
	bloom_filter *index = read_time_index(verify);

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
				ItemPointerData place;
				IndexEntry	key;

				MemoryContextSwitchTo(chunk_memory);
				tsdb_chunk_place(&place, entry->chunk);
				fill_entry(&key, entry->max_time, !entry->has_time, &place);
				if (index != NULL &&
					bloom_lacks_element(index, (unsigned char *) &key, sizeof(key)))
					tsdb_verify_report(verify, PART_DIRECTORY, directory, entry->chunk, &place,
									   "the directory's index has no entry for it");
				verify_chunk(verify, entry);
				tsdb_progress_add(entry->nrows, 1);
				MemoryContextReset(chunk_memory);
				CHECK_FOR_INTERRUPTS();
			}
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(page_memory);
	}
	if (index != NULL)
		bloom_free(index);
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
