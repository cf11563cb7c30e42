/*
 * directory.h
 *		One heap tuple per chunk: what the chunk is and where it lies.
 *
 * A directory tuple is inserted by the transaction that writes the chunk and
 * deleted by the one that replaces it, so the visibility of a chunk is that of
 * its directory tuple, by heap's own rules.  It is never updated, but for the
 * places of its pieces, which may be overwritten when these are moved.
 *
 * The tuple's place is the chunk's number (see chunk_tid.h), so its line
 * pointer must not be used again while an index may still point to the chunk's
 * rows: pruning leaves it dead, and only tsdb_directory_recycle, which VACUUM
 * of the table calls after it has cleaned all indexes, sets it free.
 */
#ifndef TSDB_STORE_DIRECTORY_H
#define TSDB_STORE_DIRECTORY_H

#include "access/heapam.h"
#include "access/tupdesc.h"
#include "chunk/chunk.h"
#include "nodes/pg_list.h"
#include "store/pieces.h"
#include "store/storage.h"
#include "utils/snapshot.h"

typedef struct TsdbChunkEntry
{
	uint32		chunk;			/* number */
	TransactionId xmin;			/* raw, of the directory tuple */
	CommandId	cmin;
	int			shard;
	int			nshards;		/* its series have hash % nshards = shard; 1: not known */
	int			level;			/* how often its rows were merged */
	bool		cold;			/* encoded at level cold */
	uint32		nrows;
	uint32		nsegments;
	bool		has_time;
	int64		min_time;
	int64		max_time;
	uint64		generation;		/* never used twice in a storage */
	uint32		run;			/* shared by chunks that were sorted together, by others hardly ever */
	TsdbPieceList pieces;
	TsdbPieceList list_pieces;	/* that hold the list itself, if it is long */
	const char *body;
	uint32		body_bytes;
	void	   *memory;			/* what to pfree; see tsdb_chunk_entry_free */
} TsdbChunkEntry;

extern TupleDesc tsdb_directory_tupdesc(void);

/* What a new chunk's directory tuple says, beside the image. */
typedef struct TsdbNewChunk
{
	int			shard;
	int			nshards;		/* of which it is one, if the hash is exact; else 1 */
	int			level;
	uint32		run;
	uint32		nsegments;
	CommandId	command;		/* that inserts it; InvalidCommandId: the current one */
	bool		frozen;			/* all snapshots see it at once, as after COPY FREEZE */
} TsdbNewChunk;

/* Write a chunk's stream and directory tuple; returns the chunk's number. */
extern uint32 tsdb_directory_insert(TsdbStorage *storage, const TsdbChunkImage *image,
									const TsdbNewChunk *chunk);

/*
 * The same in two steps: the stream, and then the directory tuple, by which the chunk
 * is there for others.  The tuple is palloc'd.
 */
extern HeapTuple tsdb_directory_prepare(TsdbStorage *storage, const TsdbChunkImage *image,
										const TsdbNewChunk *chunk);
extern uint32 tsdb_directory_place(TsdbStorage *storage, HeapTuple tuple,
								   const TsdbNewChunk *chunk);

/* Read the directory tuple of a chunk if it is visible to the snapshot (for
 * SnapshotDirty, xmin and xmax are set as heap does).  entry may be NULL. */
extern bool tsdb_directory_fetch(TsdbStorage *storage, uint32 chunk,
								 Snapshot snapshot, TsdbChunkEntry *entry);

/* What a directory tuple says of itself, none of it checked but that it can be read. */
typedef struct TsdbChunkHead
{
	TransactionId xmin;			/* raw */
	uint64		generation;
} TsdbChunkHead;

/* Like tsdb_directory_fetch, without the content: for who knows that by its
 * generation. */
extern bool tsdb_directory_peek(TsdbStorage *storage, uint32 chunk, Snapshot snapshot,
								TsdbChunkHead *head);

/* State of a directory tuple as one who wants to change a row must see it. */
typedef enum TsdbChunkState
{
	TSDB_CHUNK_LIVE,
	TSDB_CHUNK_ABSENT,			/* no such tuple, or its inserter aborted */
	TSDB_CHUNK_REPLACING,		/* being replaced by a running transaction */
	TSDB_CHUNK_REPLACED			/* replaced by a committed or our transaction */
} TsdbChunkState;

extern TsdbChunkState tsdb_directory_state(TsdbStorage *storage, uint32 chunk,
										   TransactionId *replacer, uint32 *nrows);

/* Delete the tuple without waiting; false if somebody else changes it. */
extern bool tsdb_directory_delete(TsdbStorage *storage, uint32 chunk);

/* Delete the pieces of a chunk; see tsdb_pieces_delete. */
extern uint32 tsdb_directory_delete_pieces(TsdbStorage *storage, const TsdbChunkEntry *entry,
										   bool damaged_too);

/*
 * Delete a damaged tuple, which need not be readable; if not even its header is,
 * then at once and for good.  False if there is none, or somebody changes it.
 */
extern bool tsdb_directory_bury(TsdbStorage *storage, uint32 chunk);

/*
 * Store the places of entry->pieces (of entry->list_pieces, if there are any) in the
 * chunk's directory tuple, which the caller has read under
 * ShareUpdateExclusiveLock; nothing else may have changed.  Done in place: it
 * stays whatever becomes of this transaction, and every snapshot sees it.
 */
extern bool tsdb_directory_move_pieces(TsdbStorage *storage, const TsdbChunkEntry *entry);

extern void tsdb_chunk_entry_free(TsdbChunkEntry *entry);

/* A chunk of a page or two has this many pieces at most. */
#define TSDB_KEPT_PIECES	4

/* What a reader reads from: must outlive it.  storage may be changed to
 * another opening of the same storage. */
typedef struct TsdbChunkHandle
{
	TsdbStorage *storage;
	TsdbChunkEntry *entry;
	MemoryContext memory;		/* of pieces that were read; set when a reader is opened */
	char	   *pieces[TSDB_KEPT_PIECES];	/* verified, so that each is only once; or NULL */
} TsdbChunkHandle;

/* Open a reader on a source; tupdesc is the table's present row type.  Its context is a child
 * of the current one. */
extern TsdbChunkReader *tsdb_directory_open_chunk(TsdbChunkHandle *source,
												  TupleDesc tupdesc);

/* The same in the current context itself, for who resets that: the reader is not to be closed. */
extern TsdbChunkReader *tsdb_directory_open_chunk_here(TsdbChunkHandle *source,
													   TupleDesc tupdesc);
extern TsdbChunkSummary *tsdb_directory_summary(TsdbStorage *storage,
												TsdbChunkEntry *entry);

/* Entries of one directory page that are visible to the snapshot, in order of
 * number; returns how many, palloc'd array in *entries. */
extern int	tsdb_directory_page(TsdbStorage *storage, BlockNumber block,
								Snapshot snapshot, TsdbChunkEntry **entries);

/* A damaged directory tuple. */
typedef struct TsdbChunkFault
{
	uint32		chunk;
	const char *detail;			/* a sentence */
} TsdbChunkFault;

/* Raise the error that a chunk is damaged; detail is a sentence. */
extern void tsdb_directory_report(TsdbStorage *storage, uint32 chunk,
								  const char *detail) pg_attribute_noreturn();

/* The same without an error for damaged tuples: these are left out and added to
 * *faults, a list of TsdbChunkFault. */
extern int	tsdb_directory_page_with_faults(TsdbStorage *storage, BlockNumber block,
											Snapshot snapshot, TsdbChunkEntry **entries,
											List **faults);

/* The same for building indexes: every chunk that some snapshot may still see,
 * and whether it is live. */
extern int	tsdb_directory_page_for_build(TsdbStorage *storage, BlockNumber block,
										  TransactionId oldest_xmin,
										  TsdbChunkEntry **entries, bool **alive);

extern BlockNumber tsdb_directory_blocks(TsdbStorage *storage);

/* A directory tuple without what it says: who wrote and who replaced it. */
typedef struct TsdbChunkTuple
{
	uint32		chunk;
	TransactionId xmin;			/* not known to have aborted; frozen or not */
	TransactionId xmax;			/* invalid if nobody replaced it, or aborted */
	bool		xmin_committed; /* as far as hint bits say */
	bool		xmax_committed;
	uint64		generation;
} TsdbChunkTuple;

/* All tuples of one directory page, in order of number, whoever sees them;
 * there is room for TSDB_DIRECTORY_SLOTS. */
extern int	tsdb_directory_page_tuples(TsdbStorage *storage, BlockNumber block,
									   TsdbChunkTuple *tuples);

/* How often this session has changed any directory. */
extern uint64 tsdb_directory_writes;

/* Rough number of chunk rows for the planner, from a few pages; and pages of
 * all shards. */
extern void tsdb_directory_estimate(TsdbStorage *storage, double *rows,
									double *chunks, BlockNumber *pages);

/* What is at a chunk number, besides a number of rows. */
#define TSDB_SLOT_FREE		0xFFFF	/* nothing: no index may have an entry for it */
#define TSDB_SLOT_UNKNOWN	0xFFFE	/* a chunk that is dead, or damaged */

/* For each of the TSDB_DIRECTORY_SLOTS numbers of a page: rows, or one of these. */
extern void tsdb_directory_slots(TsdbStorage *storage, BlockNumber block, uint16 *slots);

#endif							/* TSDB_STORE_DIRECTORY_H */
