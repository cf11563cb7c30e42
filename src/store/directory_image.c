/*
 * directory_image.c
 *		A session's copies of directory pages, and how many of them it keeps.
 */
#include "postgres.h"

#include "store/directory_image.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* Outlines stay where they are, so they are allocated so many at a time. */
#define PAGES_OF_PART	128

/* The images of a directory's file. */
typedef struct TsdbImageFile
{
	RelFileNode node;			/* the key, must be first */
	Oid			identity;		/* of the directory */
	uint64		types;			/* of the table's columns */
	int			kept;
	uint32		nparts;
	TsdbPageOutline **parts;	/* of PAGES_OF_PART blocks, or NULL */
} TsdbImageFile;

int			tsdb_directory_cache_size = TSDB_DIRECTORY_CACHE_DEFAULT;

static MemoryContext memory = NULL;
static HTAB *files = NULL;
static TsdbImageFile *last_file = NULL; /* that was asked for */
static Size total_bytes = 0;	/* of images that are kept */
static uint64 statement = 1;	/* a number for the one that runs */
static TimestampTz statement_start = 0;

/* Images that are kept and not held, by their states, most recent first; and those that are held. */
static dlist_head rich = DLIST_STATIC_INIT(rich);
static dlist_head full = DLIST_STATIC_INIT(full);
static dlist_head hollow = DLIST_STATIC_INIT(hollow);
static dlist_head held = DLIST_STATIC_INIT(held);

static void
create_table(void)
{
	HASHCTL		control = {0};

	memory = AllocSetContextCreate(TopMemoryContext, "tsdb directory images",
								   ALLOCSET_DEFAULT_SIZES);
	control.hcxt = memory;
	control.keysize = sizeof(RelFileNode);
	control.entrysize = sizeof(TsdbImageFile);
	files = hash_create("tsdb directory files", 16, &control,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* ---- states ---- */

static void
make_full(TsdbDirectoryImage *image)
{
	if (image->parsed != NULL)
		MemoryContextDelete(image->parsed);
	image->parsed = NULL;
	image->chunks = NULL;
}

static void
make_hollow(TsdbDirectoryImage *image)
{
	make_full(image);
	if (image->stored != NULL)
		pfree(image->stored);
	image->stored = NULL;
	image->tuples = NULL;
	image->gists = NULL;
	image->count = 0;
}

static dlist_head *
list_of(const TsdbDirectoryImage *image)
{
	return image->parsed != NULL ? &rich : image->stored != NULL ? &full : &hollow;
}

void
tsdb_directory_image_fill(TsdbDirectoryImage *image, const HeapTupleData *tuples, int count)
{
	Size		bytes = 0;
	int			found = 0;
	char	   *next;

	for (int i = 0; i < count; i++)
	{
		if (tuples[i].t_data == NULL)
			continue;
		found++;
		bytes += MAXALIGN(tuples[i].t_len);
	}
	make_hollow(image);
	image->stored = MemoryContextAlloc(memory, bytes + Max(found, 1) *
									   (sizeof(HeapTupleData) + sizeof(TsdbChunkGist)));
	image->tuples = (HeapTupleData *) image->stored;
	image->gists = (TsdbChunkGist *) &image->tuples[found];
	next = (char *) &image->gists[found];
	memset(image->gists, 0, found * sizeof(TsdbChunkGist));
	for (int i = 0; i < count; i++)
	{
		HeapTuple	copy = &image->tuples[image->count];

		if (tuples[i].t_data == NULL)
			continue;
		*copy = tuples[i];
		copy->t_data = (HeapTupleHeader) next;
		memcpy(next, tuples[i].t_data, tuples[i].t_len);
		next += MAXALIGN(tuples[i].t_len);
		image->count++;
	}
}

MemoryContext
tsdb_directory_image_enrich(TsdbDirectoryImage *image)
{
	MemoryContext parsed;

	if (image->parsed != NULL)
		return image->parsed;
	parsed = AllocSetContextCreate(memory, "tsdb directory image", 0, 4 * 1024, 32 * 1024);
	image->chunks = MemoryContextAllocZero(parsed, Max(image->count, 1) * sizeof(TsdbImageChunk));
	image->parsed = parsed;
	return parsed;
}

int
tsdb_directory_image_place(const TsdbDirectoryImage *image, OffsetNumber offset)
{
	int			low = 0;
	int			high = image->count;

	/* there are hardly any gaps, and only before it */
	if (offset <= image->count &&
		ItemPointerGetOffsetNumber(&image->tuples[offset - 1].t_self) == offset)
		return offset - 1;
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (ItemPointerGetOffsetNumber(&image->tuples[middle].t_self) < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < image->count &&
		ItemPointerGetOffsetNumber(&image->tuples[low].t_self) == offset ? low : -1;
}

/* ---- the table ---- */

static void
forget_file(TsdbImageFile *file)
{
	for (uint32 i = 0; i < file->nparts; i++)
	{
		if (file->parts[i] != NULL)
			pfree(file->parts[i]);
	}
	if (file->parts != NULL)
		pfree(file->parts);
	if (last_file == file)
		last_file = NULL;
	hash_search(files, &file->node, HASH_REMOVE, NULL);
}

void
tsdb_directory_image_forget(TsdbDirectoryImage *image)
{
	TsdbImageFile *file = image->file;

	if (file != NULL)
	{
		image->own = *image->outline;
		memset(image->outline, 0, sizeof(*image->outline));
		image->outline = &image->own;
		total_bytes -= image->bytes;
		image->file = NULL;
		if (--file->kept == 0)
			forget_file(file);
	}
	if (image->holders == 0)
	{
		dlist_delete(&image->recency);
		make_hollow(image);
		pfree(image);
	}
}

/* The file's images, if there are any; those of another directory that had a file of that number, or of other types, go. */
static TsdbImageFile *
find_file(TsdbStorage *storage, uint64 types)
{
	const RelFileNode *node = &storage->directory->rd_node;
	TsdbImageFile *file = last_file;

	if (file == NULL || !RelFileNodeEquals(file->node, *node))
		file = hash_search(files, node, HASH_FIND, NULL);
	last_file = file;
	if (file == NULL || (file->identity == storage->identity && file->types == types))
		return file;
	for (BlockNumber block = 0;; block++)
	{
		TsdbPageOutline *part = file->parts[block / PAGES_OF_PART];
		TsdbDirectoryImage *image = part == NULL ? NULL : part[block % PAGES_OF_PART].image;
		bool		last = file->kept == 1;

		if (image == NULL)
			continue;
		tsdb_directory_image_forget(image);
		if (last)
			return NULL;		/* and the file is gone */
	}
}

TsdbPageOutline *
tsdb_directory_image_find(TsdbStorage *storage, uint64 types, BlockNumber block)
{
	TsdbImageFile *file;
	TsdbPageOutline *outline = NULL;

	if (memory == NULL)
		create_table();
	if (statement_start != GetCurrentStatementStartTimestamp())
	{
		statement_start = GetCurrentStatementStartTimestamp();
		statement++;
	}
	file = find_file(storage, types);
	if (file != NULL && block / PAGES_OF_PART < file->nparts &&
		file->parts[block / PAGES_OF_PART] != NULL)
		outline = &file->parts[block / PAGES_OF_PART][block % PAGES_OF_PART];
	return outline != NULL && outline->image != NULL ? outline : NULL;
}

/* Count what a kept image has come to take since. */
static void
weigh(TsdbDirectoryImage *image)
{
	total_bytes -= image->bytes;
	image->bytes = sizeof(TsdbDirectoryImage) + sizeof(TsdbPageOutline);
	if (image->stored != NULL)
		image->bytes += GetMemoryChunkSpace(image->stored);
	if (image->parsed != NULL)
		image->bytes += MemoryContextMemAllocated(image->parsed, false);
	total_bytes += image->bytes;
}

TsdbDirectoryImage *
tsdb_directory_image_create(BlockNumber block)
{
	TsdbDirectoryImage *image = MemoryContextAllocZero(memory, sizeof(TsdbDirectoryImage));

	image->block = block;
	image->outline = &image->own;
	image->own.image = image;
	image->used = statement;
	image->holders = 1;
	dlist_push_head(&held, &image->recency);
	return image;
}

void
tsdb_directory_image_keep(TsdbDirectoryImage *image, TsdbStorage *storage, uint64 types)
{
	uint32		number = image->block / PAGES_OF_PART;
	TsdbImageFile *file = find_file(storage, types);
	bool		found;

	if (file == NULL)
	{
		file = hash_search(files, &storage->directory->rd_node, HASH_ENTER, &found);
		file->identity = storage->identity;
		file->types = types;
		file->kept = 0;
		file->nparts = 0;
		file->parts = NULL;
	}
	if (number >= file->nparts)
	{
		uint32		nparts = Max(2 * file->nparts, number + 1);

		file->parts = file->parts == NULL ? MemoryContextAlloc(memory, nparts * sizeof(*file->parts)) :
			repalloc(file->parts, nparts * sizeof(*file->parts));
		memset(&file->parts[file->nparts], 0, (nparts - file->nparts) * sizeof(*file->parts));
		file->nparts = nparts;
	}
	if (file->parts[number] == NULL)
		file->parts[number] = MemoryContextAllocZero(memory, PAGES_OF_PART * sizeof(TsdbPageOutline));
	image->outline = &file->parts[number][image->block % PAGES_OF_PART];
	Assert(image->outline->image == NULL);
	*image->outline = image->own;
	file->kept++;
	image->file = file;
	weigh(image);
}

/* ---- the budget ---- */

/*
 * The image to take something from: the one that was used least recently, unless this statement or the one before
 * has used it.  Then the directory is larger than what may be kept of it, and keeping a part of it is better than
 * none: what was used last goes, as who reads in a circle comes back to that last.
 */
static TsdbDirectoryImage *
choose(dlist_head *list)
{
	TsdbDirectoryImage *image = dlist_tail_element(TsdbDirectoryImage, recency, list);

	return image->used + 1 >= statement ?
		dlist_head_element(TsdbDirectoryImage, recency, list) : image;
}

/* Take from images of one state, the least recent first, what the next state does without. */
static void
impoverish(dlist_head *from, dlist_head *to, void (*make) (TsdbDirectoryImage *image), Size budget)
{
	while (total_bytes > budget && !dlist_is_empty(from))
	{
		TsdbDirectoryImage *image = choose(from);

		make(image);
		weigh(image);
		dlist_delete(&image->recency);
		dlist_push_head(to, &image->recency);
	}
}

static void
keep_to_budget(void)
{
	Size		budget = (Size) tsdb_directory_cache_size * 1024;

	impoverish(&rich, &full, make_full, budget);
	impoverish(&full, &hollow, make_hollow, budget);
	while (total_bytes > budget && !dlist_is_empty(&hollow))
		tsdb_directory_image_forget(dlist_tail_element(TsdbDirectoryImage, recency, &hollow));
}

void
tsdb_directory_image_hold(TsdbDirectoryImage *image)
{
	image->used = statement;
	if (image->holders++ == 0)
	{
		dlist_delete(&image->recency);
		dlist_push_head(&held, &image->recency);
	}
}

void
tsdb_directory_image_let_go(TsdbDirectoryImage *image)
{
	if (--image->holders > 0)
		return;
	if (image->file == NULL)
	{
		tsdb_directory_image_forget(image);
		return;
	}
	weigh(image);
	dlist_delete(&image->recency);
	dlist_push_head(list_of(image), &image->recency);
	keep_to_budget();
}

void
tsdb_directory_image_release_all(void)
{
	while (!dlist_is_empty(&held))
	{
		TsdbDirectoryImage *image = dlist_head_element(TsdbDirectoryImage, recency, &held);

		image->holders = 1;
		tsdb_directory_image_let_go(image);
	}
}
