/*
 * salvage.h
 *		Reading what is left of a damaged table.
 *
 * By default whoever reads a damaged chunk gets an error.  A superuser can ask
 * (tsdb.damaged_chunks) to be warned instead: then the chunk is passed over, or
 * its columns that cannot be read are null.  That is for getting rows out, so it
 * counts for what a statement reads; indexes are built, and chunks merged, of
 * undamaged chunks only.
 *
 * Going on after an error takes a subtransaction, so there is none of this in
 * parallel queries: a table is not read in parallel while the setting is on.
 */
#ifndef TSDB_AM_SALVAGE_H
#define TSDB_AM_SALVAGE_H

#include "chunk/chunk.h"
#include "store/directory.h"

typedef enum TsdbDamagedChunks
{
	TSDB_DAMAGED_ERROR,
	TSDB_DAMAGED_SKIP,			/* a damaged chunk has no rows */
	TSDB_DAMAGED_NULLS			/* a damaged column is null; a chunk whose directory
								 * tuple is damaged has no rows */
} TsdbDamagedChunks;

extern int	tsdb_damaged_chunks;	/* setting */

extern void tsdb_salvage_init(void);

/* tsdb_directory_page, without what is damaged if "skip" or the setting says so. */
extern int	tsdb_salvage_page(TsdbStorage *storage, BlockNumber block, Snapshot snapshot,
							  bool skip, TsdbChunkEntry **entries);

/*
 * Run work(arg), which reads a chunk of nrows rows (0: unknown); false if it is
 * damaged and to be passed over, after a warning.  The work may not leave anything
 * open that it opened.
 */
extern bool tsdb_salvage_chunk(TsdbStorage *storage, uint32 chunk, uint32 nrows, bool skip,
							   void (*work) (void *arg), void *arg);

/* A column of a chunk, or nulls in its place if it is damaged and the setting
 * says so; these are allocated in the current context. */
extern const TsdbColumn *tsdb_salvage_column(TsdbStorage *storage, uint32 chunk,
											 TsdbChunkReader *reader, AttrNumber attno);

#endif							/* TSDB_AM_SALVAGE_H */
