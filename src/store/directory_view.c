/*
 * directory_view.c
 *		What a snapshot sees of a directory page, from a session's copy of it.
 */
#include "postgres.h"

#include "store/directory_view.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "storage/bufmgr.h"
#include "store/change_count.h"
#include "store/directory_image.h"
#include "store/directory_tuple.h"
#include "store/key_columns.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

static MemoryContext scratch = NULL;	/* of statistics that nobody wants after all */

/* ---- what is wanted ---- */

/* Set wanted->shards for series that were hashed to one of other_shards + 1. */
static void
know_shards(TsdbChunkWanted *wanted, int other_shards)
{
	if (wanted->other_shards == other_shards)
		return;
	memset(wanted->shards, 0, sizeof(wanted->shards));
	for (int i = 0; i < wanted->nhashes; i++)
	{
		uint32		shard = wanted->hashes[i] % (other_shards + 1);

		wanted->shards[shard / 64] |= UINT64CONST(1) << shard % 64;
	}
	wanted->other_shards = other_shards;
}

/* Is the chunk's shard none of those that the series belong in? */
static bool
is_other_shard(const TsdbChunkGist *gist, TsdbChunkWanted *wanted)
{
	know_shards(wanted, gist->other_shards);
	return (wanted->shards[gist->shard / 64] >> gist->shard % 64 & 1) == 0;
}

/* The first rank that is not smaller. */
static int
first_rank(const TsdbChunkWanted *wanted, uint64 rank)
{
	int			low = 0;
	int			high = wanted->nranks;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (wanted->ranks[middle] < rank)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Is there no rank in the chunk's range, or none of a series of its shard? */
static bool
is_other_rank(const TsdbChunkGist *gist, const TsdbChunkWanted *wanted)
{
	int			i = first_rank(wanted, gist->min_rank);

	if (!wanted->paired || gist->other_shards == 0 || gist->series != wanted->series)
		return i == wanted->nranks || wanted->ranks[i] > gist->max_rank;
	for (; i < wanted->nranks && wanted->ranks[i] <= gist->max_rank; i++)
	{
		if (wanted->hashes[i] % (gist->other_shards + 1) == gist->shard)
			return false;
	}
	return true;
}

bool
tsdb_chunk_gist_rules_out(const TsdbChunkGist *gist, TsdbChunkWanted *wanted)
{
	if (gist->time != 0 && gist->time == wanted->times.attno &&
		(gist->max_time < wanted->times.min || gist->min_time > wanted->times.max))
		return true;
	if (gist->other_shards != 0 && wanted->nhashes > 0 && gist->series == wanted->series &&
		is_other_shard(gist, wanted))
		return true;
	return gist->column != 0 && wanted->nranks > 0 && gist->column == wanted->column &&
		is_other_rank(gist, wanted);
}

/* ---- reading a page ---- */

/* What decides how statistics are read: the types of a table's columns. */
static uint64
hash_types(TupleDesc tupdesc)
{
	uint64		hash = tupdesc->natts;

	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);

		hash = hash_combine64(hash, DatumGetUInt64(hash_uint32_extended(att->atttypid,
																		att->attisdropped)));
	}
	return hash;
}

/* May images of this directory be kept? */
static bool
is_logged(TsdbStorage *storage)
{
	return storage->directory->rd_rel->relpersistence == RELPERSISTENCE_PERMANENT &&
		RelationNeedsWAL(storage->directory);
}

/*
 * Copy all tuples of the page, which is locked.  Damage of a line pointer or header is
 * returned: there is no telling whether the snapshot sees that tuple.
 */
static const char *
copy_page(TsdbDirectoryImage *image, TsdbStorage *storage, Page page, OffsetNumber *damaged)
{
	HeapTupleData tuples[TSDB_DIRECTORY_SLOTS];
	int			count = PageIsNew(page) ? 0 : Min(PageGetMaxOffsetNumber(page),
												  TSDB_DIRECTORY_SLOTS);

	for (OffsetNumber offset = 1; offset <= count; offset++)
	{
		const char *fault = tsdb_directory_find_tuple(storage, page, image->block, offset,
													  &tuples[offset - 1]);

		if (fault != NULL)
		{
			*damaged = offset;
			return fault;
		}
	}
	tsdb_directory_image_fill(image, tuples, count);
	return NULL;
}

/* Add a chunk's times and shard to what its page's are. */
static void
add_to_outline(TsdbPageOutline *outline, const TsdbChunkGist *gist, bool first)
{
	if (first)
	{
		outline->time = gist->time;
		outline->min_time = gist->min_time;
		outline->max_time = gist->max_time;
		outline->other_shards = gist->other_shards;
		outline->series = gist->series;
	}
	if (gist->time != outline->time)
		outline->time = 0;
	outline->min_time = Min(outline->min_time, gist->min_time);
	outline->max_time = Max(outline->max_time, gist->max_time);
	if (gist->other_shards != outline->other_shards || gist->series != outline->series)
		outline->other_shards = 0;
	outline->shards |= UINT64CONST(1) << gist->shard % 64;
}

/* Look at the tuples of an image that has them now; false if it may not be kept. */
static bool
survey(TsdbDirectoryImage *image, TsdbStorage *storage)
{
	TsdbPageOutline *outline = image->outline;
	bool		ours = false;

	memset(outline, 0, sizeof(*outline));
	outline->image = image;
	for (int i = 0; i < image->count; i++)
	{
		HeapTuple	tuple = &image->tuples[i];

		outline->alive += (tuple->t_data->t_infomask & HEAP_XMAX_INVALID) != 0;
		if (TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)))
			ours = true;
		/* what is damaged is reported when it is wanted */
		tsdb_directory_tuple_gist(storage, tuple, &image->gists[i]);
		add_to_outline(outline, &image->gists[i], i == 0);
	}
	return !ours;
}

/* The image of that LSN; held. */
static TsdbDirectoryImage *
find_image(TsdbDirectoryView *view, BlockNumber block, XLogRecPtr lsn)
{
	TsdbPageOutline *outline = tsdb_directory_image_find(view->storage, view->types, block);

	if (outline == NULL)
		return NULL;
	if (outline->image->lsn != lsn)
	{
		tsdb_directory_image_forget(outline->image);
		return NULL;
	}
	tsdb_directory_image_hold(outline->image);
	return outline->image;
}

/* Are a page's chunks outside of the times asked for, of other shards, or of other ranks, all of them? */
static bool
is_outside(const TsdbPageOutline *outline, TsdbChunkWanted *wanted)
{
	if (wanted == NULL)
		return false;
	if (outline->time != 0 && outline->time == wanted->times.attno &&
		(outline->max_time < wanted->times.min || outline->min_time > wanted->times.max))
		return true;
	if (outline->other_shards != 0 && wanted->nhashes > 0 && outline->series == wanted->series)
	{
		uint64		shards = 0;

		know_shards(wanted, outline->other_shards);
		for (int i = 0; i < TSDB_SHARD_WORDS; i++)
			shards |= wanted->shards[i];
		if ((outline->shards & shards) == 0)
			return true;
	}
	if (outline->column != 0 && wanted->nranks > 0 && outline->column == wanted->column)
	{
		int			first = first_rank(wanted, outline->min_rank);

		return first == wanted->nranks || wanted->ranks[first] > outline->max_rank;
	}
	return false;
}

/* The tuple of an image on its page, which is locked; or what is wrong with it. */
static const char *
find_tuple(const TsdbDirectoryImage *image, int i, TsdbStorage *storage, Page page,
		   HeapTuple tuple)
{
	OffsetNumber offset = ItemPointerGetOffsetNumber(&image->tuples[i].t_self);
	const char *fault = "Its line pointer is gone.";

	tuple->t_data = NULL;
	if (offset <= PageGetMaxOffsetNumber(page))
		fault = tsdb_directory_find_tuple(storage, page, image->block, offset, tuple);
	return fault == NULL && tuple->t_data == NULL ? "Its line pointer is not in use." : fault;
}

/*
 * Does every snapshot, of now and later, see the tuple, unless somebody deletes it?  By its hints alone, which a look
 * by our snapshot has just set.
 */
static bool
is_seen_by_all(HeapTupleHeader tuple, GlobalVisState *horizon)
{
	if ((tuple->t_infomask & HEAP_XMAX_INVALID) == 0)
		return false;
	return HeapTupleHeaderXminFrozen(tuple) ||
		(HeapTupleHeaderXminCommitted(tuple) &&
		 GlobalVisTestIsRemovableXid(horizon, HeapTupleHeaderGetRawXmin(tuple)));
}

/*
 * Which tuples of the image the snapshot sees, in *seen.  The page may have been read
 * anew since, so its line pointers and headers are not trusted for having been right.
 * Sets *settled if every snapshot sees all of them, as VACUUM finds out for a page on which there is nothing else.
 */
static const char *
see_tuples(const TsdbDirectoryImage *image, TsdbStorage *storage, Buffer buffer,
		   Snapshot snapshot, uint8 *seen, int *count, bool *settled, OffsetNumber *damaged)
{
	Page		page = BufferGetPage(buffer);
	bool		all = PageIsAllVisible(page) && !snapshot->takenDuringRecovery;
	GlobalVisState *horizon = GlobalVisTestFor(storage->directory);

	*settled = all;
	if (all)
	{
		*count = image->count;
		for (int i = 0; i < image->count; i++)
			seen[i] = i;
		return NULL;
	}
	*settled = !snapshot->takenDuringRecovery;
	for (int i = 0; i < image->count; i++)
	{
		HeapTupleData tuple;
		const char *fault = find_tuple(image, i, storage, page, &tuple);

		if (fault != NULL)
		{
			*damaged = ItemPointerGetOffsetNumber(&image->tuples[i].t_self);
			return fault;
		}
		if (HeapTupleSatisfiesVisibility(&tuple, snapshot, buffer))
			seen[(*count)++] = i;
		*settled = *settled && is_seen_by_all(tuple.t_data, horizon);
	}
	return NULL;
}

/* The parsed entry of a tuple, in the current context. */
static TsdbChunkEntry *
parse_entry(const TsdbDirectoryImage *image, TsdbStorage *storage, int i)
{
	HeapTuple	tuple = &image->tuples[i];
	TsdbChunkEntry *entry = palloc0(sizeof(TsdbChunkEntry));
	uint32		chunk = tsdb_chunk_number(image->block,
										  ItemPointerGetOffsetNumber(&tuple->t_self));
	const char *fault = tsdb_directory_parse_tuple(storage, chunk, tuple, entry);

	if (fault != NULL)
		tsdb_directory_report(storage, chunk, fault);
	return entry;
}

static TsdbChunkEntry *
get_entry(TsdbDirectoryImage *image, TsdbStorage *storage, int i)
{
	MemoryContext old = MemoryContextSwitchTo(tsdb_directory_image_enrich(image));

	if (image->chunks[i].entry == NULL)
		image->chunks[i].entry = parse_entry(image, storage, i);
	MemoryContextSwitchTo(old);
	return image->chunks[i].entry;
}

/* ---- ranks ---- */

/* What a chunk's statistics add to its gist: the range of the first column of its series key, and nulls. */
static void
add_ranks(TupleDesc tupdesc, const TsdbChunkSummary *summary, TsdbChunkGist *gist)
{
	AttrNumber	time = summary->key.time;
	AttrNumber	attno = summary->key.series[0];
	TsdbKeyColumn column;
	const TsdbColumnStats *stats;

	gist->surveyed = true;
	if (summary->key.nseries == 0 || attno > tupdesc->natts ||
		TupleDescAttr(tupdesc, attno - 1)->attisdropped)
		return;
	stats = &summary->columns[attno - 1];
	tsdb_key_column_describe(TupleDescAttr(tupdesc, attno - 1), &column);
	if (!stats->has_range || column.rank == TSDB_RANK_NONE)
		return;
	gist->min_rank = tsdb_key_rank(&column, stats->min);
	gist->max_rank = tsdb_key_rank(&column, stats->max);
	gist->column = attno;
	gist->timed = time != 0 && summary->columns[time - 1].nnulls == 0 &&
		summary->columns[time - 1].has_range;
	if (summary->nsegments == 1 && stats->nnulls == 0)
		gist->rows_of_one = summary->nrows;
}

/* Learn them for a search, without keeping the statistics: most chunks are ruled out then. */
static void
learn_ranks(TsdbDirectoryImage *image, TsdbStorage *storage, int i)
{
	MemoryContext old;
	TsdbChunkEntry *entry;

	if (scratch == NULL)
		scratch = AllocSetContextCreate(TopMemoryContext, "tsdb chunk ranks",
										ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(scratch);
	old = MemoryContextSwitchTo(scratch);
	entry = parse_entry(image, storage, i);
	add_ranks(RelationGetDescr(storage->table), tsdb_directory_summary(storage, entry),
			  &image->gists[i]);
	MemoryContextSwitchTo(old);
}

/* If ranks are known of all chunks, those of the page are. */
static void
add_ranks_to_outline(TsdbDirectoryImage *image)
{
	TsdbPageOutline *outline = image->outline;
	uint64		min = PG_UINT64_MAX;
	uint64		max = 0;

	if (outline->column != 0 || image->count == 0)
		return;
	for (int i = 0; i < image->count; i++)
	{
		const TsdbChunkGist *gist = &image->gists[i];

		if (gist->column == 0 || gist->column != image->gists[0].column)
			return;
		min = Min(min, gist->min_rank);
		max = Max(max, gist->max_rank);
	}
	outline->column = image->gists[0].column;
	outline->min_rank = min;
	outline->max_rank = max;
}

/* ---- views ---- */

/*
 * Take the image of a page, looking at the page, and which of its tuples the snapshot sees; false if nobody needs
 * to know that.
 */
static bool
look_at_page(TsdbDirectoryView *view, BlockNumber block, uint64 changes,
			 TsdbChunkWanted *wanted, Snapshot snapshot, uint8 *seen, int *nseen)
{
	TsdbStorage *storage = view->storage;
	Buffer		buffer = ReadBuffer(storage->directory, block);
	TsdbDirectoryImage *image;
	const char *fault = NULL;
	OffsetNumber damaged = InvalidOffsetNumber;
	XLogRecPtr	lsn;
	bool		is_new;
	bool		is_read;
	bool		looked;
	bool		settled = false;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	lsn = BufferGetLSNAtomic(buffer);
	image = find_image(view, block, lsn);
	is_new = image == NULL;
	if (is_new)
	{
		image = tsdb_directory_image_create(block);
		image->lsn = lsn;
	}
	view->image = image;
	is_read = is_new || (image->stored == NULL && !is_outside(image->outline, wanted));
	if (is_read)
		fault = copy_page(image, storage, BufferGetPage(buffer), &damaged);
	looked = image->stored != NULL && (is_read || changes != 0 || !is_outside(image->outline, wanted));
	if (fault == NULL && looked)
		fault = see_tuples(image, storage, buffer, snapshot, seen, nseen, &settled, &damaged);
	UnlockReleaseBuffer(buffer);
	if (fault != NULL)
	{
		tsdb_directory_image_forget(image);
		tsdb_directory_report(storage, tsdb_chunk_number(block, damaged), fault);
	}

	if (is_read && survey(image, storage) && is_new && is_logged(storage) &&
		!XLogRecPtrIsInvalid(lsn))
		tsdb_directory_image_keep(image, storage, view->types);
	/* the count was read before the page was locked: what is counted since may not be here */
	if (settled)
	{
		image->outline->settled = changes;
		image->outline->alive = image->count;
	}
	return looked;
}

/* Can the chunk not have what is wanted? */
static bool
is_ruled_out(TsdbDirectoryView *view, int i, TsdbChunkWanted *wanted)
{
	TsdbDirectoryImage *image = view->image;

	if (wanted == NULL)
		return false;
	if (tsdb_chunk_gist_rules_out(&image->gists[i], wanted))
		return true;
	if (wanted->nranks == 0 || image->gists[i].surveyed)
		return false;
	learn_ranks(image, view->storage, i);
	return tsdb_chunk_gist_rules_out(&image->gists[i], wanted);
}

/* The place of a tuple on the page. */
static inline uint32
slot_of(const TsdbDirectoryImage *image, int i)
{
	return ItemPointerGetOffsetNumber(&image->tuples[i].t_self) - 1;
}

void
tsdb_directory_view(TsdbDirectoryView *view, TsdbStorage *storage, BlockNumber block,
					uint32 first, uint32 end, TsdbChunkWanted *wanted, Snapshot snapshot)
{
	uint64		changes = tsdb_change_count_get(storage->identity);
	TsdbDirectoryImage *image;
	uint8		seen[TSDB_DIRECTORY_SLOTS];
	int			nseen = 0;
	bool		looked = false;
	bool		all = false;
	bool		whole = first == 0 && end >= TSDB_DIRECTORY_SLOTS;

	tsdb_directory_view_release(view);
	view->storage = storage;
	if (view->tupdesc != RelationGetDescr(storage->table))
	{
		view->tupdesc = RelationGetDescr(storage->table);
		view->types = hash_types(view->tupdesc);
	}

	if (changes != 0 && !snapshot->takenDuringRecovery)
	{
		const TsdbPageOutline *outline = tsdb_directory_image_find(storage, view->types, block);

		/* every snapshot sees all of it: the page need not be looked at, nor the image if it has nothing for us */
		if (outline != NULL && outline->settled == changes)
		{
			if (outline->alive == 0 || is_outside(outline, wanted))
			{
				view->passed = first == 0 ? outline->alive : 0;
				return;
			}
			if (outline->image->stored != NULL)
			{
				view->image = outline->image;
				tsdb_directory_image_hold(view->image);
				nseen = view->image->count;
				all = true;
			}
		}
	}
	if (view->image == NULL)
		looked = look_at_page(view, block, changes, wanted, snapshot, seen, &nseen);
	image = view->image;
	if (is_outside(image->outline, wanted))
	{
		/* each once, if read in slices */
		if (first == 0)
			view->passed = looked ? nseen : image->outline->alive;
		return;
	}
	for (int i = 0; i < nseen; i++)
	{
		int			place = all ? i : seen[i];

		/* of a whole page, what is not wanted should not even be fetched from memory */
		if (!whole && (slot_of(image, place) < first || slot_of(image, place) >= end))
			continue;
		if (is_ruled_out(view, place, wanted))
			view->passed++;
		else
		{
			view->places[view->count] = place;
			view->entries[view->count++] = get_entry(image, storage, place);
		}
	}
	if (wanted != NULL && wanted->nranks > 0)
		add_ranks_to_outline(image);
}

const TsdbChunkGist *
tsdb_directory_view_gist(const TsdbDirectoryView *view, int i)
{
	return view->image == NULL ? NULL : &view->image->gists[view->places[i]];
}

const TsdbChunkSummary *
tsdb_directory_view_summary(TsdbDirectoryView *view, int i)
{
	TsdbDirectoryImage *image = view->image;
	TsdbImageChunk *chunk;

	if (image == NULL)
		return tsdb_directory_summary(view->storage, view->entries[i]);
	chunk = &image->chunks[view->places[i]];
	if (chunk->summary == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(image->parsed);

		chunk->summary = tsdb_directory_summary(view->storage, view->entries[i]);
		MemoryContextSwitchTo(old);
		add_ranks(RelationGetDescr(view->storage->table), chunk->summary,
				  &image->gists[view->places[i]]);
	}
	return chunk->summary;
}

void *
tsdb_directory_view_memory(const TsdbDirectoryView *view, int i, TsdbMemoryKind kind)
{
	return view->image == NULL ? NULL : view->image->chunks[view->places[i]].memory[kind];
}

void
tsdb_directory_view_remember(TsdbDirectoryView *view, int i, TsdbMemoryKind kind, void *memory)
{
	view->image->chunks[view->places[i]].memory[kind] = memory;
}

void *
tsdb_directory_view_alloc(TsdbDirectoryView *view, Size bytes)
{
	return view->image == NULL ? NULL : MemoryContextAlloc(view->image->parsed, bytes);
}

void
tsdb_directory_view_release(TsdbDirectoryView *view)
{
	if (view->image != NULL)
		tsdb_directory_image_let_go(view->image);
	view->image = NULL;
	view->count = view->passed = 0;
}

void
tsdb_directory_view_at_xact_end(void)
{
	tsdb_directory_image_release_all();
}

void
tsdb_directory_view_init(void)
{
	DefineCustomIntVariable("tsdb.directory_cache_size",
							"Sets the memory in which a session keeps what it has read of directories.",
							"Statistics of chunks that are kept need not be read again by the next query.",
							&tsdb_directory_cache_size, TSDB_DIRECTORY_CACHE_DEFAULT,
							0, MAX_KILOBYTES, PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);
}
