/*
 * directory_view.h
 *		What a snapshot sees of a directory page, from a session's copy of it.
 *
 * A query asks the statistics of every chunk before it reads any, and dashboards
 * ask again and again.  Reading a directory tuple (copying it, its checksum, its
 * columns, the body's varints) takes microseconds, looking at what was read takes
 * nanoseconds.  So each session keeps what it has read of directory pages: an image
 * of a page is its tuples, and of each its entry and its summary once somebody wanted
 * these.  Most chunks are ruled out by less: a few bytes for each (its gist), so that a
 * search for a series looks at no more than that of the others; and an outline of all gists of the page, by
 * which whole pages are passed over.  (A chunk states the times of what was the time column when it was
 * written.)
 *
 * An image is as good as the page's LSN.  Whatever changes a tuple is WAL-logged,
 * and sets the LSN under the page's exclusive lock; hint bits, which are not, say
 * nothing that an image holds.  So who has the page share-locked and finds the LSN
 * that the image was made at, has the very tuples before him.  That holds on
 * standbys as well.  No page is ever found at an old LSN again: files are never
 * restored under a running server.  Where changes are not logged (unlogged and
 * temporary tables, a table of this transaction under wal_level = minimal), images
 * live only as long as they are held; so do those with a tuple of our own
 * transaction, which may still look different to its next command.
 *
 * Visibility is not cached: heap's rules are asked of the page's own tuples, each
 * time, but for pages of which every snapshot sees all tuples, be it that VACUUM has found them visible to all, or that
 * whoever looked last found them older than every snapshot.  Those are not even looked at while nobody
 * has changed the directory (store/change_count.h): pinning and locking a page takes as long as
 * asking the statistics of all its chunks.  The types of columns are the table's, not the page's: images are
 * kept for the types that their summaries were made for.
 *
 * Images are private to the session, up to tsdb.directory_cache_size; what goes first is in
 * store/directory_image.h.
 */
#ifndef TSDB_STORE_DIRECTORY_VIEW_H
#define TSDB_STORE_DIRECTORY_VIEW_H

#include "store/chunk_tid.h"
#include "store/directory.h"

#define TSDB_DIRECTORY_CACHE_DEFAULT	32768	/* kB */

/* Times of a column that a reader asks for, both included, in the column's own unit. */
typedef struct TsdbTimeRange
{
	AttrNumber	attno;
	int64		min;
	int64		max;
} TsdbTimeRange;

/* The columns of a series key as a number: 16 bits each.  0: none, or more than there is room for. */
#define TSDB_SERIES_NAME_MAX	4

static inline uint64
tsdb_series_name_add(uint64 name, AttrNumber attno)
{
	return name << 16 | (uint16) attno;
}

/* What a chunk is ruled out by, if possible; 0 where nothing is known. */
typedef struct TsdbChunkGist
{
	AttrNumber	time;			/* column of the times */
	AttrNumber	column;			/* column of the ranks */
	uint8		shard;			/* hash of a series % number of shards */
	uint8		other_shards;	/* that number - 1; 0: nothing is known */
	uint16		rows_of_one;	/* rows, if they all are of one series; with ranks only */
	bool		timed;			/* all rows have a time; with ranks only */
	bool		surveyed;		/* ranks were looked for */
	uint64		series;			/* key that the hash is of */
	int64		min_time;
	int64		max_time;
	uint64		min_rank;		/* as tsdb_key_rank() */
	uint64		max_rank;
} TsdbChunkGist;

/* A set of shards takes so many words. */
#define TSDB_SHARD_WORDS	(TSDB_SHARDS_MAX / 64)

/*
 * What a reader asks for; chunks that cannot have it need not be shown to him.  Times may be of column 0, and
 * there may be no ranks and hashes: then any will do.
 */
typedef struct TsdbChunkWanted
{
	TsdbTimeRange times;
	AttrNumber	column;			/* has a value of one of these ranks, which ascend */
	int			nranks;
	const uint64 *ranks;
	uint64		series;			/* of that key, a series of one of these hashes */
	int			nhashes;
	const uint32 *hashes;
	bool		paired;			/* hashes[i] is that of the series of ranks[i] */
	int			other_shards;	/* shards[] is for that many + 1; 0: for none yet */
	uint64		shards[TSDB_SHARD_WORDS];	/* bits of those in which one of the hashes belongs */
} TsdbChunkWanted;

/* Can a chunk have no row that is wanted?  (The reader's shards[] are computed when needed.) */
extern bool tsdb_chunk_gist_rules_out(const TsdbChunkGist *gist, TsdbChunkWanted *wanted);

typedef struct TsdbDirectoryImage TsdbDirectoryImage;

/* What readers remember of a chunk. */
typedef enum TsdbMemoryKind
{
	TSDB_MEMORY_SERIES,			/* which series are in it: exec/chunk_list.h */
	TSDB_MEMORY_ROWS,			/* some of its rows: exec/seen_row.h */
	TSDB_MEMORY_SEGMENTS,		/* which values of its key they have: exec/segment_keys.h */
	TSDB_MEMORY_KINDS
} TsdbMemoryKind;

typedef struct TsdbDirectoryView
{
	TsdbDirectoryImage *image;	/* held; NULL: none */
	TsdbStorage *storage;
	TupleDesc	tupdesc;		/* of the table, ... */
	uint64		types;			/* whose types these are */
	int			passed;			/* chunks that were passed over, as far as one can tell */
	int			count;			/* entries that are visible, in order of number */
	TsdbChunkEntry *entries[TSDB_DIRECTORY_SLOTS];
	uint8		places[TSDB_DIRECTORY_SLOTS];	/* in the image */
} TsdbDirectoryView;

/*
 * View a page's entries, of its numbers first to end - 1, by an MVCC snapshot.  Lets go of
 * what the view showed before.  The entries belong to the image: they stay until it is let
 * go of, and must not be freed.  Damage is raised.
 *
 * wanted may be NULL.  Chunks that cannot have it are passed over.
 */
extern void tsdb_directory_view(TsdbDirectoryView *view, TsdbStorage *storage,
								BlockNumber block, uint32 first, uint32 end,
								TsdbChunkWanted *wanted, Snapshot snapshot);

/* The gist of entries[i]; NULL if there is no image. */
extern const TsdbChunkGist *tsdb_directory_view_gist(const TsdbDirectoryView *view, int i);

/* The summary of entries[i], which belongs to the image as well; palloc'd if who made the
 * view listed the entries himself and there is no image. */
extern const TsdbChunkSummary *tsdb_directory_view_summary(TsdbDirectoryView *view, int i);

/*
 * What who has read entries[i]'s chunk remembers of it, NULL at first, and goes with the image.
 */
extern void *tsdb_directory_view_memory(const TsdbDirectoryView *view, int i,
										TsdbMemoryKind kind);
extern void tsdb_directory_view_remember(TsdbDirectoryView *view, int i, TsdbMemoryKind kind,
										 void *memory);

/* Memory for that; NULL if there is no image. */
extern void *tsdb_directory_view_alloc(TsdbDirectoryView *view, Size bytes);

/* Let go of the image. */
extern void tsdb_directory_view_release(TsdbDirectoryView *view);

/* Views that an error has left behind hold nothing any more. */
extern void tsdb_directory_view_at_xact_end(void);

/* When the library is loaded. */
extern void tsdb_directory_view_init(void);

#endif							/* TSDB_STORE_DIRECTORY_VIEW_H */
