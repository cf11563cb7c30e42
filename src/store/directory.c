/*
 * directory.c
 *		One heap tuple per chunk: insert, fetch, delete, iterate.
 */
#include "postgres.h"

#include "store/directory.h"

#include "access/generic_xlog.h"
#include "access/htup_details.h"
#include "access/multixact.h"
#include "access/transam.h"
#include "access/xact.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "storage/smgr.h"
#include "store/change_count.h"
#include "store/chunk_tid.h"
#include "store/directory_tuple.h"
#include "store/internal.h"
#include "store/internal_tuple.h"
#include "store/recent_buffer.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"

uint64		tsdb_directory_writes = 0;

/* To be called after each change. */
static void
note_change(Relation directory)
{
	tsdb_directory_writes++;
	tsdb_change_count_add(RelationGetRelid(directory));
}

/*
 * Insert the tuple where its place is a valid chunk number.  A page with more
 * than TSDB_DIRECTORY_SLOTS line pointers (only with many dead ones, before
 * VACUUM came) is left alone and a fresh page is taken.
 */
static uint32
insert_tuple(Relation rel, HeapTuple tuple, const TsdbNewChunk *new_chunk)
{
	CommandId	cid = GetCurrentCommandId(true);
	int			options = HEAP_INSERT_NO_LOGICAL |
	(new_chunk->frozen ? HEAP_INSERT_FROZEN : 0);
	uint32		chunk;

	for (;;)
	{
		BlockNumber block;
		OffsetNumber offset;

		heap_insert(rel, tuple,
					new_chunk->command != InvalidCommandId ? new_chunk->command : cid,
					options, NULL);
		note_change(rel);
		block = ItemPointerGetBlockNumber(&tuple->t_self);
		offset = ItemPointerGetOffsetNumber(&tuple->t_self);
		if (block >= TSDB_DIRECTORY_BLOCKS_MAX)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("table has too many chunks"),
					 errdetail("Directory relation \"%s\" has reached %u pages.",
							   RelationGetRelationName(rel), TSDB_DIRECTORY_BLOCKS_MAX),
					 errhint("VACUUM the table, or partition it.")));
		if (offset <= TSDB_DIRECTORY_SLOTS)
		{
			chunk = tsdb_chunk_number(block, offset);
			break;
		}
		/* a command does not see its own tuples, to delete them */
		CommandCounterIncrement();
		simple_heap_delete(rel, &tuple->t_self);
		cid = GetCurrentCommandId(true);
		options |= HEAP_INSERT_SKIP_FSM;
		RelationSetTargetBlock(rel, InvalidBlockNumber);
	}
	return chunk;
}

HeapTuple
tsdb_directory_prepare(TsdbStorage *storage, const TsdbChunkImage *image,
					   const TsdbNewChunk *new_chunk)
{
	uint64		generation = pg_prng_uint64(&pg_global_prng_state);
	bool		indirect;
	TsdbPieceList list;
	TsdbPieceList meta;
	HeapTuple	tuple;

	tsdb_pieces_write(storage, new_chunk->shard, generation, image->stream,
					  image->stream_bytes, &list);
	indirect = list.count > TSDB_DIRECT_PIECES;
	if (indirect)
		tsdb_pieces_write(storage, new_chunk->shard, ~generation, (char *) list.refs,
						  list.count * sizeof(TsdbPieceRef), &meta);
	tuple = tsdb_directory_form_tuple(storage, image, new_chunk, generation, &list,
									  indirect ? &meta : NULL);
	if (indirect)
		pfree(meta.refs);
	pfree(list.refs);
	return tuple;
}

uint32
tsdb_directory_place(TsdbStorage *storage, HeapTuple tuple, const TsdbNewChunk *new_chunk)
{
	return insert_tuple(storage->directory, tuple, new_chunk);
}

uint32
tsdb_directory_insert(TsdbStorage *storage, const TsdbChunkImage *image,
					  const TsdbNewChunk *new_chunk)
{
	HeapTuple	tuple = tsdb_directory_prepare(storage, image, new_chunk);
	uint32		chunk = tsdb_directory_place(storage, tuple, new_chunk);

	heap_freetuple(tuple);
	return chunk;
}

void
tsdb_directory_report(TsdbStorage *storage, uint32 chunk, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("chunk %u of table \"%s\" is damaged", chunk,
					RelationGetRelationName(storage->table)),
			 errdetail("Directory tuple (%u,%u) of \"%s\": %s",
					   tsdb_chunk_block(chunk), tsdb_chunk_offset(chunk),
					   RelationGetRelationName(storage->directory), detail),
			 errhint("Other chunks stay readable. Run tsdb.verify() to see all that is damaged.")));
}

void
tsdb_chunk_entry_free(TsdbChunkEntry *entry)
{
	if (entry->memory != NULL)
	{
		pfree(entry->pieces.refs);
		if (entry->list_pieces.refs != NULL)
			pfree(entry->list_pieces.refs);
		pfree(entry->memory);
		entry->memory = NULL;
	}
}

/* Pin the page of a chunk's tuple and lock it shared; false if there is none.
 * On success tuple points into the page, and its header can be relied on. */
static bool
locate(TsdbStorage *storage, uint32 chunk, Buffer *buffer, HeapTuple tuple)
{
	BlockNumber block = tsdb_chunk_block(chunk);
	OffsetNumber offset = tsdb_chunk_offset(chunk);
	const char *fault = NULL;
	Page		page;

	if (block >= storage->facts.directory_blocks)
	{
		storage->facts.directory_blocks = RelationGetNumberOfBlocks(storage->directory);
		tsdb_storage_remember(storage);
		if (block >= storage->facts.directory_blocks)
			return false;
	}
	*buffer = tsdb_recent_buffer_read(storage->directory, block);
	LockBuffer(*buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(*buffer);
	if (!PageIsNew(page) && offset <= PageGetMaxOffsetNumber(page))
	{
		fault = tsdb_directory_find_tuple(storage, page, block, offset, tuple);
		if (fault == NULL && tuple->t_data != NULL)
			return true;
	}
	UnlockReleaseBuffer(*buffer);
	if (fault != NULL)
		tsdb_directory_report(storage, chunk, fault);
	return false;
}

bool
tsdb_directory_fetch(TsdbStorage *storage, uint32 chunk, Snapshot snapshot,
					 TsdbChunkEntry *entry)
{
	HeapTupleData tuple;
	HeapTuple	copy = NULL;
	Buffer		buffer;
	bool		visible;

	if (!locate(storage, chunk, &buffer, &tuple))
		return false;
	visible = HeapTupleSatisfiesVisibility(&tuple, snapshot, buffer);
	if (visible && entry != NULL)
		copy = heap_copytuple(&tuple);
	UnlockReleaseBuffer(buffer);
	if (copy != NULL)
	{
		const char *fault = tsdb_directory_parse_tuple(storage, chunk, copy, entry);

		if (fault != NULL)
			tsdb_directory_report(storage, chunk, fault);
	}
	return visible;
}

bool
tsdb_directory_peek(TsdbStorage *storage, uint32 chunk, Snapshot snapshot,
					TsdbChunkHead *head)
{
	const char *fault = NULL;
	HeapTupleData tuple;
	Buffer		buffer;
	bool		visible;

	if (!locate(storage, chunk, &buffer, &tuple))
		return false;
	visible = HeapTupleSatisfiesVisibility(&tuple, snapshot, buffer);
	if (visible)
		fault = tsdb_internal_columns_fault(storage->directory, &tuple);
	if (visible && fault == NULL)
	{
		bool		isnull;

		head->xmin = HeapTupleHeaderGetRawXmin(tuple.t_data);
		head->generation = (uint64)
			DatumGetInt64(heap_getattr(&tuple, Anum_generation,
									   RelationGetDescr(storage->directory), &isnull));
		if (isnull)
			fault = "A column is null.";
	}
	UnlockReleaseBuffer(buffer);
	if (fault != NULL)
		tsdb_directory_report(storage, chunk, fault);
	return visible;
}

TsdbChunkState
tsdb_directory_state(TsdbStorage *storage, uint32 chunk,
					 TransactionId *replacer, uint32 *nrows)
{
	TsdbChunkState state;
	HeapTupleData tuple;
	Buffer		buffer;
	TransactionId xmin;
	TransactionId xmax;
	const char *fault;
	bool		isnull;

	*replacer = InvalidTransactionId;
	if (!locate(storage, chunk, &buffer, &tuple))
		return TSDB_CHUNK_ABSENT;
	fault = tsdb_internal_columns_fault(storage->directory, &tuple);
	if (fault != NULL)
	{
		UnlockReleaseBuffer(buffer);
		tsdb_directory_report(storage, chunk, fault);
	}
	*nrows = DatumGetInt16(heap_getattr(&tuple, Anum_nrows,
										RelationGetDescr(storage->directory), &isnull));
	xmin = HeapTupleHeaderGetXmin(tuple.t_data);
	xmax = HeapTupleHeaderGetRawXmax(tuple.t_data);
	if (!TransactionIdIsCurrentTransactionId(xmin) &&
		(TransactionIdIsInProgress(xmin) || !TransactionIdDidCommit(xmin)))
		state = TSDB_CHUNK_ABSENT;
	else if ((tuple.t_data->t_infomask & HEAP_XMAX_INVALID) ||
			 HEAP_XMAX_IS_LOCKED_ONLY(tuple.t_data->t_infomask))
		state = TSDB_CHUNK_LIVE;
	else if (TransactionIdIsCurrentTransactionId(xmax))
		state = TSDB_CHUNK_REPLACED;
	else if (TransactionIdIsInProgress(xmax))
		state = TSDB_CHUNK_REPLACING;
	else if (TransactionIdDidCommit(xmax))
		state = TSDB_CHUNK_REPLACED;
	else
		state = TSDB_CHUNK_LIVE;
	UnlockReleaseBuffer(buffer);
	if (state == TSDB_CHUNK_REPLACING || state == TSDB_CHUNK_REPLACED)
		*replacer = xmax;
	return state;
}

bool
tsdb_directory_delete(TsdbStorage *storage, uint32 chunk)
{
	ItemPointerData tid;
	TM_FailureData failure;
	bool		deleted;

	tsdb_chunk_place(&tid, chunk);
	deleted = heap_delete(storage->directory, &tid, GetCurrentCommandId(true),
						  InvalidSnapshot, false, &failure, false) == TM_Ok;
	note_change(storage->directory);
	return deleted;
}

bool
tsdb_directory_bury(TsdbStorage *storage, uint32 chunk)
{
	BlockNumber block = tsdb_chunk_block(chunk);
	OffsetNumber offset = tsdb_chunk_offset(chunk);
	Buffer		buffer = ReadBuffer(storage->directory, block);
	const char *fault = NULL;
	HeapTupleData tuple = {.t_data = NULL};
	Page		page;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page = BufferGetPage(buffer);
	if (!PageIsNew(page) && offset <= PageGetMaxOffsetNumber(page))
		fault = tsdb_directory_find_tuple(storage, page, block, offset, &tuple);
	if (fault != NULL)
	{
		GenericXLogState *state = GenericXLogStart(storage->directory);

		page = GenericXLogRegisterBuffer(state, buffer, 0);
		ItemIdSetDead(PageGetItemId(page, offset));
		GenericXLogFinish(state);
		note_change(storage->directory);
	}
	UnlockReleaseBuffer(buffer);
	if (fault != NULL)
		return true;
	return tuple.t_data != NULL && tsdb_directory_delete(storage, chunk);
}

uint32
tsdb_directory_delete_pieces(TsdbStorage *storage, const TsdbChunkEntry *entry,
							 bool damaged_too)
{
	return tsdb_pieces_delete(storage, entry->shard, entry->generation, entry->chunk,
							  &entry->pieces, damaged_too) +
		tsdb_pieces_delete(storage, entry->shard, ~entry->generation, entry->chunk,
						   &entry->list_pieces, damaged_too);
}

bool
tsdb_directory_move_pieces(TsdbStorage *storage, const TsdbChunkEntry *entry)
{
	const TsdbPieceList *list = entry->list_pieces.count > 0 ? &entry->list_pieces : &entry->pieces;
	HeapTupleData tuple;
	HeapTuple	changed;
	Buffer		buffer;

	if (!locate(storage, entry->chunk, &buffer, &tuple))
		return false;
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	/* pruning may have shifted it meanwhile */
	tuple.t_data = (HeapTupleHeader)
		PageGetItem(BufferGetPage(buffer), PageGetItemId(BufferGetPage(buffer),
														 tsdb_chunk_offset(entry->chunk)));
	changed = tsdb_directory_move_tuple(storage, &tuple, entry->generation, list);
	if (changed != NULL)
	{
		GenericXLogState *state = GenericXLogStart(storage->directory);
		Page		page = GenericXLogRegisterBuffer(state, buffer, 0);
		HeapTupleHeader header = (HeapTupleHeader)
			PageGetItem(page, PageGetItemId(page, tsdb_chunk_offset(entry->chunk)));

		memcpy((char *) header + header->t_hoff,
			   (char *) changed->t_data + header->t_hoff, tuple.t_len - header->t_hoff);
		GenericXLogFinish(state);
		note_change(storage->directory);
	}
	UnlockReleaseBuffer(buffer);
	if (changed == NULL)
		return false;
	heap_freetuple(changed);
	return true;
}

/* ---- readers ---- */

/* The end of a piece in its stream. */
static uint32
piece_end(const TsdbPieceList *list, uint32 i)
{
	return i + 1 < list->count ? list->refs[i + 1].offset : list->stream_bytes;
}

/*
 * Vectors of a chunk share pieces, which are verified whole: these are read once, and kept until the
 * reader is closed.
 */
static const char *
keep_piece(TsdbChunkHandle *source, uint32 i)
{
	TsdbChunkEntry *entry = source->entry;
	const TsdbPieceList *list = &entry->pieces;
	uint32		start = list->refs[i].offset;
	uint32		bytes = piece_end(list, i) - start;

	if (source->pieces[i] == NULL)
	{
		char	   *piece = MemoryContextAlloc(source->memory, bytes);

		tsdb_pieces_read(source->storage, entry->shard, entry->generation, entry->chunk, list,
						 start, bytes, piece);
		source->pieces[i] = piece;
	}
	return source->pieces[i];
}

static bool
keeps_pieces(const TsdbChunkHandle *source, uint32 offset, uint32 length)
{
	const TsdbPieceList *list = &source->entry->pieces;

	return source->memory != NULL && list->count <= TSDB_KEPT_PIECES &&
		offset <= list->stream_bytes && length <= list->stream_bytes - offset;
}

static const char *
peek_stream(void *arg, uint32 offset, uint32 length)
{
	TsdbChunkHandle *source = arg;
	const TsdbPieceList *list = &source->entry->pieces;
	uint32		i = 0;

	if (!keeps_pieces(source, offset, length))
		return NULL;
	while (i < list->count && piece_end(list, i) <= offset)
		i++;
	if (i == list->count || length > piece_end(list, i) - offset)
		return NULL;
	return keep_piece(source, i) + (offset - list->refs[i].offset);
}

static void
fetch_stream(void *arg, uint32 offset, uint32 length, char *dst)
{
	TsdbChunkHandle *source = arg;
	TsdbChunkEntry *entry = source->entry;
	const TsdbPieceList *list = &entry->pieces;

	if (!keeps_pieces(source, offset, length))
	{
		tsdb_pieces_read(source->storage, entry->shard, entry->generation, entry->chunk, list,
						 offset, length, dst);
		return;
	}
	for (uint32 i = 0; i < list->count && length > 0; i++)
	{
		uint32		end = piece_end(list, i);
		uint32		bytes;

		if (offset >= end)
			continue;
		bytes = Min(length, end - offset);
		memcpy(dst, keep_piece(source, i) + (offset - list->refs[i].offset), bytes);
		offset += bytes;
		length -= bytes;
		dst += bytes;
	}
}

static void
report_damage(void *arg, const char *detail)
{
	TsdbChunkHandle *source = arg;

	tsdb_directory_report(source->storage, source->entry->chunk, detail);
}

TsdbChunkReader *
tsdb_directory_open_chunk_here(TsdbChunkHandle *source, TupleDesc tupdesc)
{
	source->memory = CurrentMemoryContext;
	memset(source->pieces, 0, sizeof(source->pieces));
	return tsdb_chunk_reader_open(CurrentMemoryContext, tupdesc, source->entry->nrows,
								  source->entry->body, source->entry->body_bytes,
								  fetch_stream, peek_stream, report_damage, source);
}

TsdbChunkReader *
tsdb_directory_open_chunk(TsdbChunkHandle *source, TupleDesc tupdesc)
{
	MemoryContext caller = CurrentMemoryContext;
	TsdbChunkReader *reader;

	MemoryContextSwitchTo(AllocSetContextCreate(caller, "tsdb chunk reader",
												ALLOCSET_DEFAULT_SIZES));
	reader = tsdb_directory_open_chunk_here(source, tupdesc);
	MemoryContextSwitchTo(caller);
	return reader;
}

TsdbChunkSummary *
tsdb_directory_summary(TsdbStorage *storage, TsdbChunkEntry *entry)
{
	TsdbChunkHandle source = {.storage = storage,.entry = entry};

	return tsdb_chunk_summary(RelationGetDescr(storage->table), entry->body,
							  entry->body_bytes, fetch_stream, report_damage, &source);
}

/* ---- iteration ---- */

BlockNumber
tsdb_directory_blocks(TsdbStorage *storage)
{
	return RelationGetNumberOfBlocks(storage->directory);
}

/* Should this tuple be listed; alive is set for builds. */
static bool
wanted(HeapTuple tuple, Buffer buffer, Snapshot snapshot,
	   TransactionId oldest_xmin, bool *alive)
{
	*alive = true;
	if (snapshot != NULL)
		return HeapTupleSatisfiesVisibility(tuple, snapshot, buffer);

	switch (HeapTupleSatisfiesVacuum(tuple, oldest_xmin, buffer))
	{
		case HEAPTUPLE_LIVE:
			return true;
		case HEAPTUPLE_INSERT_IN_PROGRESS:
			return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
		case HEAPTUPLE_RECENTLY_DEAD:
		case HEAPTUPLE_DELETE_IN_PROGRESS:
			*alive = false;
			return true;
		case HEAPTUPLE_DEAD:
			break;
	}
	return false;
}

/*
 * List a page's entries.  What is damaged is listed in *faults if that is
 * given, else raised; entries that are damaged are left out.
 */
static int
list_page(TsdbStorage *storage, BlockNumber block, Snapshot snapshot,
		  TransactionId oldest_xmin, TsdbChunkEntry **entries, bool **alive,
		  List **faults)
{
	Buffer		buffer = ReadBuffer(storage->directory, block);
	HeapTuple	copies[TSDB_DIRECTORY_SLOTS];
	const char *damage[TSDB_DIRECTORY_SLOTS];
	bool		is_alive[TSDB_DIRECTORY_SLOTS];
	int			found = 0;
	int			count = 0;
	Page		page;
	OffsetNumber max;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	max = PageIsNew(page) ? 0 : PageGetMaxOffsetNumber(page);
	for (OffsetNumber offset = 1; offset <= Min(max, TSDB_DIRECTORY_SLOTS); offset++)
	{
		HeapTupleData tuple;

		damage[found] = tsdb_directory_find_tuple(storage, page, block, offset, &tuple);
		if (damage[found] != NULL)
		{
			copies[found] = palloc0(HEAPTUPLESIZE);
			ItemPointerSet(&copies[found]->t_self, block, offset);
			found++;
		}
		else if (tuple.t_data != NULL &&
				 wanted(&tuple, buffer, snapshot, oldest_xmin, &is_alive[found]))
			copies[found++] = heap_copytuple(&tuple);
	}
	UnlockReleaseBuffer(buffer);

	*entries = palloc0(Max(found, 1) * sizeof(TsdbChunkEntry));
	if (alive != NULL)
		*alive = palloc(Max(found, 1) * sizeof(bool));
	for (int i = 0; i < found; i++)
	{
		uint32		chunk = tsdb_chunk_number(block,
											  ItemPointerGetOffsetNumber(&copies[i]->t_self));
		const char *fault = damage[i];

		if (fault == NULL)
			fault = tsdb_directory_parse_tuple(storage, chunk, copies[i], &(*entries)[count]);
		if (fault == NULL)
		{
			if (alive != NULL)
				(*alive)[count] = is_alive[i];
			count++;
		}
		else if (faults == NULL)
			tsdb_directory_report(storage, chunk, fault);
		else
		{
			TsdbChunkFault *item = palloc(sizeof(TsdbChunkFault));

			item->chunk = chunk;
			item->detail = fault;
			*faults = lappend(*faults, item);
		}
	}
	return count;
}

int
tsdb_directory_page(TsdbStorage *storage, BlockNumber block, Snapshot snapshot,
					TsdbChunkEntry **entries)
{
	return list_page(storage, block, snapshot, InvalidTransactionId, entries, NULL, NULL);
}

int
tsdb_directory_page_with_faults(TsdbStorage *storage, BlockNumber block, Snapshot snapshot,
								TsdbChunkEntry **entries, List **faults)
{
	return list_page(storage, block, snapshot, InvalidTransactionId, entries, NULL, faults);
}

int
tsdb_directory_page_for_build(TsdbStorage *storage, BlockNumber block,
							  TransactionId oldest_xmin,
							  TsdbChunkEntry **entries, bool **alive)
{
	return list_page(storage, block, NULL, oldest_xmin, entries, alive, NULL);
}

/* Chunks and their rows on pages of the directory. */
typedef struct ChunkCount
{
	double		rows;
	double		chunks;
	int			pages;
} ChunkCount;

/*
 * Read a page that can be read; InvalidBuffer if its checksum is wrong.  Such a
 * page must not keep the planner from the others, and the planner cannot catch an
 * error: a subtransaction would begin a new command, by which a half-done ALTER
 * TABLE shows.
 */
static Buffer
read_sound_page(Relation rel, BlockNumber block)
{
	Buffer		recent = PrefetchBuffer(rel, MAIN_FORKNUM, block).recent_buffer;
	PGAlignedBlock page;

	if (BufferIsValid(recent) &&
		ReadRecentBuffer(rel->rd_node, MAIN_FORKNUM, block, recent))
		return recent;
	smgrread(RelationGetSmgr(rel), MAIN_FORKNUM, block, page.data);
	return PageIsVerifiedExtended(page.data, block, 0) ? ReadBuffer(rel, block) : InvalidBuffer;
}

static void
count_page(Relation directory, BlockNumber block, ChunkCount *count)
{
	Buffer		buffer = read_sound_page(directory, block);
	Page		page;
	OffsetNumber max;

	if (!BufferIsValid(buffer))
		return;
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	max = PageIsNew(page) ? 0 : PageGetMaxOffsetNumber(page);
	for (OffsetNumber offset = 1; offset <= max; offset++)
	{
		HeapTupleData tuple;
		bool		isnull;

		/* what is damaged is for readers to report */
		if (tsdb_internal_item(directory, page, block, offset, &tuple) != TSDB_ITEM_TUPLE ||
			tsdb_internal_columns_fault(directory, &tuple) != NULL)
			continue;
		if ((tuple.t_data->t_infomask & HEAP_XMAX_INVALID) == 0 ||
			HeapTupleHeaderXminInvalid(tuple.t_data))
			continue;
		count->rows += DatumGetInt16(heap_getattr(&tuple, Anum_nrows,
												  RelationGetDescr(directory), &isnull));
		count->chunks++;
	}
	UnlockReleaseBuffer(buffer);
	count->pages++;
}

int
tsdb_directory_page_tuples(TsdbStorage *storage, BlockNumber block, TsdbChunkTuple *tuples)
{
	TupleDesc	tupdesc = RelationGetDescr(storage->directory);
	Buffer		buffer = ReadBuffer(storage->directory, block);
	int			count = 0;
	Page		page;
	OffsetNumber max;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	max = PageIsNew(page) ? 0 : PageGetMaxOffsetNumber(page);
	for (OffsetNumber offset = 1; offset <= Min(max, TSDB_DIRECTORY_SLOTS); offset++)
	{
		TsdbChunkTuple *found = &tuples[count];
		HeapTupleData tuple;
		const char *fault = tsdb_directory_find_tuple(storage, page, block, offset, &tuple);
		bool		isnull;

		if (fault == NULL && tuple.t_data == NULL)
			continue;
		if (fault == NULL)
			fault = tsdb_internal_columns_fault(storage->directory, &tuple);
		found->chunk = tsdb_chunk_number(block, offset);
		if (fault != NULL)
		{
			UnlockReleaseBuffer(buffer);
			tsdb_directory_report(storage, found->chunk, fault);
		}
		if (HeapTupleHeaderXminInvalid(tuple.t_data))
			continue;
		found->xmin = HeapTupleHeaderGetXmin(tuple.t_data);
		found->xmin_committed = HeapTupleHeaderXminCommitted(tuple.t_data);
		found->xmax = InvalidTransactionId;
		if ((tuple.t_data->t_infomask & HEAP_XMAX_INVALID) == 0)
			found->xmax = HeapTupleHeaderGetRawXmax(tuple.t_data);
		found->xmax_committed = (tuple.t_data->t_infomask & HEAP_XMAX_COMMITTED) != 0;
		found->generation = (uint64) DatumGetInt64(heap_getattr(&tuple, Anum_generation,
																tupdesc, &isnull));
		count++;
	}
	UnlockReleaseBuffer(buffer);
	return count;
}

void
tsdb_directory_estimate(TsdbStorage *storage, double *rows, double *chunks,
						BlockNumber *pages)
{
	BlockNumber nblocks = tsdb_directory_blocks(storage);
	/* a page that is not in the processor's caches takes as long as all else of planning */
	const BlockNumber samples = nblocks > 8 ? 3 : 8;
	ChunkCount	count = {0};

	for (BlockNumber block = 0; block < nblocks; block += Max(nblocks / samples, 1))
		count_page(storage->directory, block, &count);
	*rows = count.pages > 0 ? count.rows / count.pages * nblocks : 0;
	*chunks = count.pages > 0 ? count.chunks / count.pages * nblocks : 0;
	*pages = nblocks;
	for (int shard = 0; shard < tsdb_shards; shard++)
	{
		Relation	rel = tsdb_storage_shard(storage, shard, TSDB_SHARD_IF_KNOWN);

		if (rel != NULL)
			*pages += RelationGetNumberOfBlocks(rel);
	}
}

void
tsdb_directory_slots(TsdbStorage *storage, BlockNumber block, uint16 *slots)
{
	Buffer		buffer = ReadBuffer(storage->directory, block);
	Page		page;
	OffsetNumber max;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	max = PageIsNew(page) ? 0 : PageGetMaxOffsetNumber(page);
	for (OffsetNumber offset = 1; offset <= TSDB_DIRECTORY_SLOTS; offset++)
	{
		uint16	   *slot = &slots[offset - 1];
		HeapTupleData tuple;
		bool		isnull;

		*slot = TSDB_SLOT_FREE;
		if (offset > max || !ItemIdIsUsed(PageGetItemId(page, offset)))
			continue;
		*slot = TSDB_SLOT_UNKNOWN;
		if (tsdb_directory_find_tuple(storage, page, block, offset, &tuple) == NULL && tuple.t_data != NULL &&
			tsdb_internal_columns_fault(storage->directory, &tuple) == NULL)
			*slot = DatumGetInt16(heap_getattr(&tuple, Anum_nrows,
											   RelationGetDescr(storage->directory),
											   &isnull));
	}
	UnlockReleaseBuffer(buffer);
}
