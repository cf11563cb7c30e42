/*
 * directory_view.h
 *		What a snapshot sees of a directory page, from a session's copy of it.
 *
 * A query asks the statistics of every chunk before it reads any, and dashboards
 * ask again and again.  Reading a directory tuple (copying it, its checksum, its
 * columns, the body's varints) takes microseconds, looking at what was read takes
 * nanoseconds.  So each session keeps what it has read of directory pages: an image
 * of a page is its tuples, of each its entry and its summary once somebody wanted
 * these, and the range of times of all of them, by which whole pages are passed
 * over.  (A chunk states the times of what was the time column when it was written.)
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
 * time, but for pages that VACUUM has found visible to all.  The types of columns
 * are the table's, not the page's: an image also remembers for which types its
 * summaries were made.
 *
 * Images are private to the session, up to tsdb.directory_cache_size; those that go
 * keep their range of times only.
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

typedef struct TsdbDirectoryImage TsdbDirectoryImage;

typedef struct TsdbDirectoryView
{
	TsdbDirectoryImage *image;	/* held; NULL: none */
	TsdbStorage *storage;
	int			passed;			/* chunks that were passed over, as far as one can tell */
	int			count;			/* entries that are visible, in order of number */
	TsdbChunkEntry *entries[TSDB_DIRECTORY_SLOTS];
} TsdbDirectoryView;

/*
 * View a page's entries, of its numbers first to end - 1, by an MVCC snapshot.  Lets go of
 * what the view showed before.  The entries belong to the image: they stay until it is let
 * go of, and must not be freed.  Damage is raised.
 *
 * times may be NULL.  A page of which every tuple has times outside of it is passed over and
 * shown as empty.
 */
extern void tsdb_directory_view(TsdbDirectoryView *view, TsdbStorage *storage,
								BlockNumber block, uint32 first, uint32 end,
								const TsdbTimeRange *times, Snapshot snapshot);

/* The summary of entries[i], which belongs to the image as well; palloc'd if who made the
 * view listed the entries himself and there is no image. */
extern const TsdbChunkSummary *tsdb_directory_view_summary(TsdbDirectoryView *view, int i);

/*
 * What who has read entries[i]'s chunk wants to remember of it: NULL, or memory that was allocated by
 * tsdb_directory_view_remember().  It goes with the image.
 */
extern void *tsdb_directory_view_memory(const TsdbDirectoryView *view, int i);
extern void *tsdb_directory_view_remember(TsdbDirectoryView *view, int i, Size bytes);

/* Let go of the image. */
extern void tsdb_directory_view_release(TsdbDirectoryView *view);

/* Views that an error has left behind hold nothing any more. */
extern void tsdb_directory_view_at_xact_end(void);

/* When the library is loaded. */
extern void tsdb_directory_view_init(void);

#endif							/* TSDB_STORE_DIRECTORY_VIEW_H */
