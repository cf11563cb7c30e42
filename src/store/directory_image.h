/*
 * directory_image.h
 *		A session's copies of directory pages, and how many of them it keeps.
 *
 * An image is in one of three states:
 *
 *		rich	some of its tuples were parsed: entries, summaries and what readers remember
 *		full	it has the tuples of the page, and a gist of each
 *		hollow	only its outline is left
 *
 * Parsed statistics take ten times the room of the tuple that they come from, and most chunks are ruled
 * out by their gist.  So of what was not used for longest first that goes, then the tuples, then the image.
 *
 * Images belong to the file that they are of, and to a directory: a file's number may be used again when the
 * directory that had it is gone, and then images of its pages are worth nothing.  Those that are not in the
 * table of their file are private to who holds them.  Pages without an image have no outline either.
 *
 * Which images are true, and to whom, is for the reader to know (store/directory_view.h).
 */
#ifndef TSDB_STORE_DIRECTORY_IMAGE_H
#define TSDB_STORE_DIRECTORY_IMAGE_H

#include "access/htup.h"
#include "lib/ilist.h"
#include "store/directory_view.h"

/* What was parsed of a tuple. */
typedef struct TsdbImageChunk
{
	TsdbChunkEntry *entry;		/* NULL until it is wanted */
	TsdbChunkSummary *summary;	/* the same */
	void	   *memory[TSDB_MEMORY_KINDS];	/* what readers remember */
} TsdbImageChunk;

/*
 * What is looked at of every page by every search: what its gists say together, side by side with those of the next
 * pages in memory.
 */
typedef struct TsdbPageOutline
{
	TsdbDirectoryImage *image;	/* NULL: there is none */
	uint64		settled;		/* every snapshot sees all tuples while this is the count of changes; or 0 */
	int64		min_time;		/* every chunk has times of that column in this range ... */
	int64		max_time;
	uint64		min_rank;		/* ... and ranks of that column in this one ... */
	uint64		max_rank;
	uint64		series;			/* ... and is of a shard % 64 of these bits, of so many others, by that key */
	uint64		shards;
	AttrNumber	time;			/* 0: that is not known */
	AttrNumber	column;			/* the same */
	uint8		other_shards;	/* the same */
	uint8		alive;			/* tuples that nobody has deleted */
} TsdbPageOutline;

struct TsdbDirectoryImage
{
	struct TsdbImageFile *file; /* in whose table it is; NULL: private */
	BlockNumber block;
	dlist_node	recency;		/* among those of its state, or those that are held */
	int			holders;
	uint64		used;			/* by the statement of that number */
	XLogRecPtr	lsn;
	TsdbPageOutline *outline;	/* own, or that of the table */
	TsdbPageOutline own;
	Size		bytes;			/* as it was weighed last */

	/* full */
	char	   *stored;			/* one allocation that has all of this; NULL: hollow */
	int			count;			/* tuples */
	HeapTupleData *tuples;		/* t_self says where each is */
	TsdbChunkGist *gists;		/* the same */

	/* rich */
	MemoryContext parsed;		/* or NULL */
	TsdbImageChunk *chunks;		/* as tuples */
};

extern int	tsdb_directory_cache_size;	/* setting, kB */

/*
 * What is kept of a page, or NULL: not of another directory, and not for other types of the table's columns, which
 * is what statistics were read by.
 */
extern TsdbPageOutline *tsdb_directory_image_find(TsdbStorage *storage, uint64 types,
												  BlockNumber block);

/* A new one, private, empty and held once. */
extern TsdbDirectoryImage *tsdb_directory_image_create(BlockNumber block);

/* Put it into the table, which has none of that page. */
extern void tsdb_directory_image_keep(TsdbDirectoryImage *image, TsdbStorage *storage,
									  uint64 types);

/* Take it out of the table.  Who holds it keeps it. */
extern void tsdb_directory_image_forget(TsdbDirectoryImage *image);

/* Hold it, so that it stays as it is; let go of it, which may make others go. */
extern void tsdb_directory_image_hold(TsdbDirectoryImage *image);
extern void tsdb_directory_image_let_go(TsdbDirectoryImage *image);

/* Copy the tuples; t_data is NULL where there is none. */
extern void tsdb_directory_image_fill(TsdbDirectoryImage *image, const HeapTupleData *tuples,
									  int count);

/* Room for what is parsed of its chunks. */
extern MemoryContext tsdb_directory_image_enrich(TsdbDirectoryImage *image);

/* Where a chunk's tuple is in the image: its place, or -1. */
extern int	tsdb_directory_image_place(const TsdbDirectoryImage *image, OffsetNumber offset);

/* Views that an error has left behind hold nothing any more. */
extern void tsdb_directory_image_release_all(void);

#endif							/* TSDB_STORE_DIRECTORY_IMAGE_H */
