/*
 * directory_view.c
 *		What a snapshot sees of a directory page, from a session's copy of it.
 *
 * An image is in one of three states: full (memory is set), hollow (only its range
 * of times is left), or, without a place in the table of images, private to who
 * holds it.  Who needs more of a hollow one reads the page anew.
 */
#include "postgres.h"

#include "store/directory_view.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "lib/ilist.h"
#include "storage/bufmgr.h"
#include "store/change_count.h"
#include "store/directory_tuple.h"
#include "store/key_columns.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"

typedef struct ImageKey
{
	RelFileNode node;
	BlockNumber block;
} ImageKey;

/* A tuple of the page. */
typedef struct ImageTuple
{
	HeapTuple	tuple;			/* copy, or NULL: there is none */
	TsdbChunkEntry *entry;		/* NULL until it is wanted */
	TsdbChunkSummary *summary;	/* the same */
	void	   *memory[TSDB_MEMORY_KINDS];	/* what readers remember */
} ImageTuple;

struct TsdbDirectoryImage
{
	ImageKey	key;
	dlist_node	recency;		/* in full or hollow, if kept and not held; else in held */
	bool		kept;			/* in the table of images */
	int			holders;
	uint64		used;			/* by the statement of that number */
	XLogRecPtr	lsn;
	uint64		types;			/* of the table's columns, when summaries were made */
	uint64		settled;		/* every snapshot sees all tuples while this is the count of changes; or 0 */

	bool		bounded;		/* every tuple has times in the range */
	TsdbTimeRange times;
	int			alive;			/* tuples that nobody has deleted */

	MemoryContext memory;		/* of all below; NULL: hollow */
	Size		bytes;
	int			count;
	ImageTuple *tuples;			/* by offset - 1 */
	TsdbChunkGist *gists;		/* the same */
};

typedef struct ImageSlot
{
	ImageKey	key;
	TsdbDirectoryImage *image;
} ImageSlot;

static int	directory_cache_size = TSDB_DIRECTORY_CACHE_DEFAULT;	/* setting, kB */

static MemoryContext view_memory = NULL;
static HTAB *images = NULL;
static dlist_head full = DLIST_STATIC_INIT(full);	/* most recent first */
static dlist_head hollow = DLIST_STATIC_INIT(hollow);
static dlist_head held = DLIST_STATIC_INIT(held);
static Size total_bytes = 0;	/* of images that are kept */
static uint64 statement = 1;	/* a number for the one that runs */
static TimestampTz statement_start = 0;

/* ---- images ---- */

static void
create_table(void)
{
	HASHCTL		control = {0};

	view_memory = AllocSetContextCreate(TopMemoryContext, "tsdb directory images",
										ALLOCSET_DEFAULT_SIZES);
	control.hcxt = view_memory;
	control.keysize = sizeof(ImageKey);
	control.entrysize = sizeof(ImageSlot);
	images = hash_create("tsdb directory images", 256, &control,
						 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
make_hollow(TsdbDirectoryImage *image)
{
	if (image->memory != NULL)
		MemoryContextDelete(image->memory);
	image->memory = NULL;
	image->tuples = NULL;
	image->gists = NULL;
	image->count = 0;
}

/* Take an image out of the table.  Who holds it keeps it. */
static void
forget(TsdbDirectoryImage *image)
{
	if (image->kept)
	{
		hash_search(images, &image->key, HASH_REMOVE, NULL);
		total_bytes -= image->bytes;
		image->kept = false;
	}
	if (image->holders == 0)
	{
		dlist_delete(&image->recency);
		make_hollow(image);
		pfree(image);
	}
}

/* Count what a kept image has come to take since. */
static void
weigh(TsdbDirectoryImage *image)
{
	total_bytes -= image->bytes;
	image->bytes = sizeof(TsdbDirectoryImage) + sizeof(ImageSlot) +
		(image->memory != NULL ? MemoryContextMemAllocated(image->memory, false) : 0);
	total_bytes += image->bytes;
}

/*
 * Let images go as far as needed: the least recently used ones, but for those that
 * this statement or the one before has used.  If there are no others, the directory is larger than
 * what may be kept of it, and keeping a part of it is better than none: then what was used
 * last goes, as who reads in a circle comes back to that last.
 */
static void
keep_to_budget(void)
{
	Size		budget = (Size) directory_cache_size * 1024;

	while (total_bytes > budget && !dlist_is_empty(&full))
	{
		TsdbDirectoryImage *image = dlist_tail_element(TsdbDirectoryImage, recency, &full);

		if (image->used + 1 >= statement)
			image = dlist_head_element(TsdbDirectoryImage, recency, &full);
		make_hollow(image);
		weigh(image);
		dlist_delete(&image->recency);
		dlist_push_head(&hollow, &image->recency);
	}
	while (total_bytes > budget && !dlist_is_empty(&hollow))
		forget(dlist_tail_element(TsdbDirectoryImage, recency, &hollow));
}

static void
hold(TsdbDirectoryImage *image)
{
	image->used = statement;
	if (image->holders++ == 0)
	{
		dlist_delete(&image->recency);
		dlist_push_head(&held, &image->recency);
	}
}

static void
let_go(TsdbDirectoryImage *image)
{
	if (--image->holders > 0)
		return;
	if (!image->kept)
	{
		forget(image);
		return;
	}
	weigh(image);
	dlist_delete(&image->recency);
	dlist_push_head(image->memory != NULL ? &full : &hollow, &image->recency);
	keep_to_budget();
}

/* A new image, held once; not in the table. */
static TsdbDirectoryImage *
new_image(const ImageKey *key)
{
	TsdbDirectoryImage *image = MemoryContextAllocZero(view_memory,
													   sizeof(TsdbDirectoryImage));

	image->key = *key;
	image->used = statement;
	image->holders = 1;
	dlist_push_head(&held, &image->recency);
	return image;
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
	/* it becomes the image's when all is there, since memory may run out before */
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb directory image", 0,
												 8 * 1024, 32 * 1024);
	MemoryContext old = MemoryContextSwitchTo(memory);
	int			count = PageIsNew(page) ? 0 : Min(PageGetMaxOffsetNumber(page),
												  TSDB_DIRECTORY_SLOTS);
	ImageTuple *tuples = palloc0(Max(count, 1) * sizeof(ImageTuple));
	TsdbChunkGist *gists = palloc0(Max(count, 1) * sizeof(TsdbChunkGist));
	const char *fault = NULL;

	for (OffsetNumber offset = 1; offset <= count && fault == NULL; offset++)
	{
		HeapTupleData tuple;

		fault = tsdb_directory_find_tuple(storage, page, image->key.block, offset, &tuple);
		if (fault != NULL)
			*damaged = offset;
		else if (tuple.t_data != NULL)
			tuples[offset - 1].tuple = heap_copytuple(&tuple);
	}
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(memory, view_memory);
	image->memory = memory;
	image->tuples = tuples;
	image->gists = gists;
	image->count = count;
	return fault;
}

/* Look at the tuples of an image that has them now; false if it may not be kept. */
static bool
survey(TsdbDirectoryImage *image, TsdbStorage *storage)
{
	bool		ours = false;

	image->bounded = true;
	image->alive = 0;
	image->times.attno = InvalidAttrNumber;
	image->times.min = PG_INT64_MAX;
	image->times.max = PG_INT64_MIN;
	for (int i = 0; i < image->count; i++)
	{
		HeapTuple	tuple = image->tuples[i].tuple;
		TsdbChunkGist *gist = &image->gists[i];

		if (tuple == NULL)
			continue;
		image->alive += (tuple->t_data->t_infomask & HEAP_XMAX_INVALID) != 0;
		if (TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)))
			ours = true;
		/* what is damaged is reported when it is wanted */
		tsdb_directory_tuple_gist(storage, tuple, gist);
		if (gist->time == 0 ||
			(image->times.attno != InvalidAttrNumber && image->times.attno != gist->time))
		{
			image->bounded = false;
			continue;
		}
		image->times.attno = gist->time;
		image->times.min = Min(image->times.min, gist->min_time);
		image->times.max = Max(image->times.max, gist->max_time);
	}
	return !ours;
}

/* The image of the table, if there is one of that LSN; held. */
static TsdbDirectoryImage *
find_image(const ImageKey *key, XLogRecPtr lsn, uint64 types)
{
	ImageSlot  *slot = hash_search(images, key, HASH_FIND, NULL);

	if (slot == NULL)
		return NULL;
	if (slot->image->lsn != lsn || slot->image->types != types)
	{
		forget(slot->image);
		return NULL;
	}
	hold(slot->image);
	return slot->image;
}

/* An image that may be used without a look at the page. */
static TsdbDirectoryImage *
find_settled(const ImageKey *key, uint64 types, uint64 changes)
{
	ImageSlot  *slot = hash_search(images, key, HASH_FIND, NULL);

	if (slot == NULL || slot->image->settled != changes || slot->image->types != types)
		return NULL;
	hold(slot->image);
	return slot->image;
}

static void
keep_image(TsdbDirectoryImage *image)
{
	bool		found;
	ImageSlot  *slot = hash_search(images, &image->key, HASH_ENTER, &found);

	Assert(!found);
	slot->image = image;
	image->kept = true;
	weigh(image);
}

/* Is it outside of the times asked for, whole? */
static bool
is_outside(const TsdbDirectoryImage *image, const TsdbChunkWanted *wanted)
{
	return wanted != NULL && image->bounded && image->times.attno == wanted->times.attno &&
		(image->times.max < wanted->times.min || image->times.min > wanted->times.max);
}

/* Is the chunk's shard none of those that the series belong in? */
static bool
is_other_shard(const TsdbChunkGist *gist, TsdbChunkWanted *wanted)
{
	if (wanted->other_shards != gist->other_shards)
	{
		memset(wanted->shards, false, sizeof(wanted->shards));
		for (int i = 0; i < wanted->nhashes; i++)
			wanted->shards[wanted->hashes[i] % (gist->other_shards + 1)] = true;
		wanted->other_shards = gist->other_shards;
	}
	return !wanted->shards[gist->shard];
}

/* Is there no rank in the chunk's range, or none of a series of its shard? */
static bool
is_other_rank(const TsdbChunkGist *gist, const TsdbChunkWanted *wanted)
{
	int			low = 0;
	int			high = wanted->nranks;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (wanted->ranks[middle] < gist->min_rank)
			low = middle + 1;
		else
			high = middle;
	}
	if (!wanted->paired || gist->other_shards == 0 || gist->series != wanted->series)
		return low == wanted->nranks || wanted->ranks[low] > gist->max_rank;
	for (; low < wanted->nranks && wanted->ranks[low] <= gist->max_rank; low++)
	{
		if (wanted->hashes[low] % (gist->other_shards + 1) == gist->shard)
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

/*
 * Which tuples of the image the snapshot sees, in *seen.  The page may have been read
 * anew since, so its line pointers and headers are not trusted for having been right.
 */
static const char *
see_tuples(const TsdbDirectoryImage *image, TsdbStorage *storage, Buffer buffer, uint32 first,
		   uint32 end, Snapshot snapshot, uint8 *seen, int *count, OffsetNumber *damaged)
{
	Page		page = BufferGetPage(buffer);
	bool		all = PageIsAllVisible(page) && !snapshot->takenDuringRecovery;

	for (uint32 i = first; i < Min(end, image->count); i++)
	{
		HeapTupleData tuple;

		if (image->tuples[i].tuple == NULL)
			continue;
		if (!all)
		{
			const char *fault = "Its line pointer is gone.";

			tuple.t_data = NULL;
			if (i < PageGetMaxOffsetNumber(page))
				fault = tsdb_directory_find_tuple(storage, page, image->key.block, i + 1,
												  &tuple);
			if (fault != NULL || tuple.t_data == NULL)
			{
				*damaged = i + 1;
				return fault != NULL ? fault : "Its line pointer is not in use.";
			}
			if (!HeapTupleSatisfiesVisibility(&tuple, snapshot, buffer))
				continue;
		}
		seen[(*count)++] = i;
	}
	return NULL;
}

/* The parsed entry of a tuple. */
static TsdbChunkEntry *
get_entry(TsdbDirectoryImage *image, TsdbStorage *storage, int i)
{
	ImageTuple *item = &image->tuples[i];

	if (item->entry == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(image->memory);
		TsdbChunkEntry *entry = palloc0(sizeof(TsdbChunkEntry));
		uint32		chunk = tsdb_chunk_number(image->key.block, i + 1);
		const char *fault = tsdb_directory_parse_tuple(storage, chunk, item->tuple, entry);

		MemoryContextSwitchTo(old);
		if (fault != NULL)
			tsdb_directory_report(storage, chunk, fault);
		item->entry = entry;
	}
	return item->entry;
}

/* Take the image of a page, looking at the page, and which of its tuples the snapshot sees. */
static void
look_at_page(TsdbDirectoryView *view, const ImageKey *key, uint64 types, uint64 changes,
			 uint32 first, uint32 end, TsdbChunkWanted *wanted, Snapshot snapshot,
			 uint8 *seen, int *nseen)
{
	TsdbStorage *storage = view->storage;
	Buffer		buffer = ReadBuffer(storage->directory, key->block);
	TsdbDirectoryImage *image;
	const char *fault = NULL;
	OffsetNumber damaged = InvalidOffsetNumber;
	XLogRecPtr	lsn;
	bool		is_new;
	bool		is_read;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	lsn = BufferGetLSNAtomic(buffer);
	image = find_image(key, lsn, types);
	is_new = image == NULL;
	if (is_new)
	{
		image = new_image(key);
		image->lsn = lsn;
		image->types = types;
	}
	view->image = image;
	is_read = is_new || (image->memory == NULL && !is_outside(image, wanted));
	if (is_read)
		fault = copy_page(image, storage, BufferGetPage(buffer), &damaged);
	if (fault == NULL && (is_new || !is_outside(image, wanted)))
		fault = see_tuples(image, storage, buffer, first, end, snapshot, seen, nseen, &damaged);
	/* the count was read before the page was locked: what is counted since may not be here */
	image->settled = PageIsAllVisible(BufferGetPage(buffer)) ? changes : 0;
	UnlockReleaseBuffer(buffer);
	if (fault != NULL)
	{
		forget(image);
		tsdb_directory_report(storage, tsdb_chunk_number(key->block, damaged), fault);
	}

	if (is_read && survey(image, storage) && is_new && is_logged(storage) &&
		!XLogRecPtrIsInvalid(lsn))
		keep_image(image);
}

void
tsdb_directory_view(TsdbDirectoryView *view, TsdbStorage *storage, BlockNumber block,
					uint32 first, uint32 end, TsdbChunkWanted *wanted, Snapshot snapshot)
{
	ImageKey	key;
	uint64		types = hash_types(RelationGetDescr(storage->table));
	uint64		changes = tsdb_change_count_get(storage->identity);
	TsdbDirectoryImage *image = NULL;
	uint8		seen[TSDB_DIRECTORY_SLOTS];
	int			nseen = 0;

	tsdb_directory_view_release(view);
	if (images == NULL)
		create_table();
	if (statement_start != GetCurrentStatementStartTimestamp())
	{
		statement_start = GetCurrentStatementStartTimestamp();
		statement++;
	}
	memset(&key, 0, sizeof(key));
	key.node = storage->directory->rd_node;
	key.block = block;

	if (changes != 0 && !snapshot->takenDuringRecovery)
		image = find_settled(&key, types, changes);
	if (image != NULL && image->memory == NULL && !is_outside(image, wanted))
	{
		let_go(image);
		image = NULL;
	}
	view->storage = storage;
	if (image == NULL)
		look_at_page(view, &key, types, changes, first, end, wanted, snapshot, seen, &nseen);
	else
	{
		view->image = image;
		for (uint32 i = first; i < Min(end, image->count); i++)
		{
			if (image->tuples[i].tuple != NULL)
				seen[nseen++] = i;
		}
	}
	image = view->image;
	if (is_outside(image, wanted))
	{
		nseen = 0;
		view->passed = first == 0 ? image->alive : 0;	/* once, if read in slices */
	}
	for (int i = 0; i < nseen; i++)
	{
		if (wanted != NULL && tsdb_chunk_gist_rules_out(&image->gists[seen[i]], wanted))
			view->passed++;
		else
			view->entries[view->count++] = get_entry(image, storage, seen[i]);
	}
}

static ImageTuple *
viewed_tuple(const TsdbDirectoryView *view, int i)
{
	return &view->image->tuples[tsdb_chunk_offset(view->entries[i]->chunk) - 1];
}

const TsdbChunkGist *
tsdb_directory_view_gist(const TsdbDirectoryView *view, int i)
{
	return view->image == NULL ? NULL :
		&view->image->gists[tsdb_chunk_offset(view->entries[i]->chunk) - 1];
}

/* What a chunk's statistics add to its gist: the range of the first column of its series key, and nulls. */
static void
add_ranks(TupleDesc tupdesc, const TsdbChunkSummary *summary, TsdbChunkGist *gist)
{
	AttrNumber	time = summary->key.time;
	AttrNumber	attno = summary->key.series[0];
	TsdbKeyColumn column;
	const TsdbColumnStats *stats;

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

const TsdbChunkSummary *
tsdb_directory_view_summary(TsdbDirectoryView *view, int i)
{
	TsdbDirectoryImage *image = view->image;
	TsdbChunkEntry *entry = view->entries[i];
	ImageTuple *item;

	if (image == NULL)
		return tsdb_directory_summary(view->storage, entry);
	item = viewed_tuple(view, i);
	if (item->summary == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(image->memory);

		item->summary = tsdb_directory_summary(view->storage, entry);
		MemoryContextSwitchTo(old);
		add_ranks(RelationGetDescr(view->storage->table), item->summary,
				  &image->gists[tsdb_chunk_offset(entry->chunk) - 1]);
	}
	return item->summary;
}

void *
tsdb_directory_view_memory(const TsdbDirectoryView *view, int i, TsdbMemoryKind kind)
{
	return view->image == NULL ? NULL : viewed_tuple(view, i)->memory[kind];
}

void
tsdb_directory_view_remember(TsdbDirectoryView *view, int i, TsdbMemoryKind kind, void *memory)
{
	viewed_tuple(view, i)->memory[kind] = memory;
}

void *
tsdb_directory_view_alloc(TsdbDirectoryView *view, Size bytes)
{
	return view->image == NULL ? NULL : MemoryContextAlloc(view->image->memory, bytes);
}

void
tsdb_directory_view_release(TsdbDirectoryView *view)
{
	if (view->image != NULL)
		let_go(view->image);
	view->image = NULL;
	view->count = view->passed = 0;
}

void
tsdb_directory_view_at_xact_end(void)
{
	while (!dlist_is_empty(&held))
	{
		TsdbDirectoryImage *image = dlist_head_element(TsdbDirectoryImage, recency, &held);

		image->holders = 1;
		let_go(image);
	}
}

void
tsdb_directory_view_init(void)
{
	DefineCustomIntVariable("tsdb.directory_cache_size",
							"Sets the memory in which a session keeps what it has read of directories.",
							"Statistics of chunks that are kept need not be read again by the next query.",
							&directory_cache_size, TSDB_DIRECTORY_CACHE_DEFAULT,
							0, MAX_KILOBYTES, PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);
}
