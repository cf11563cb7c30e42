/*
 * chunk_map.h
 *		Which chunks may hold a key: a session's map of a directory.
 *
 * An index of access method tsdb_key finds chunk rows through this map: per
 * chunk, the range of each of the index's first columns in rough order
 * (key_columns.h), in a tree of boxes, so that a look-up touches a few dozen
 * boxes however many chunks there are.  It is read from the directory when a
 * session first needs it, and again when the note of the index (key_note.h) says
 * that something was committed; what was known of a chunk is kept then, since
 * a chunk never changes.  A map is some 80 bytes a chunk.
 *
 * A chunk of several series has a wide box.  Who has decoded its keys leaves a
 * filter of its series here (tsdb_chunk_map_learn), some bytes, so that it need not
 * be looked into again for others.
 *
 * What it lists: chunks that are live, or were replaced by a transaction that some
 * snapshot of ours may still see as running; and those of transactions that are
 * running, since theirs may be new rows with a key that we want.  That makes it serve two kinds of readers:
 *
 *	 A snapshot S that is older than the call finds every chunk that S sees,
 *	 and others that it does not: whoever fetches the row by TID asks S.
 *
 *	 Who wants to know the present finds all chunks live at some moment
 *	 during the call.  If he goes on to look at the rows' marks, which takes time,
 *	 he compares tsdb_chunk_map_version() of two calls: the same number means
 *	 that no chunk came or went for anybody in between, so that no row was on
 *	 its way from one chunk to another and in neither.
 *
 * On a standby, where there are no notes, each call reads the directory.
 */
#ifndef TSDB_STORE_CHUNK_MAP_H
#define TSDB_STORE_CHUNK_MAP_H

#include "storage/itemptr.h"
#include "store/box_tree.h"
#include "store/key_columns.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

typedef struct TsdbChunkMap TsdbChunkMap;

typedef struct TsdbChunkRef
{
	uint32		chunk;
	TransactionId xmax;			/* of who replaced it, or invalid */
	bool		gone;			/* that was committed when the map was read */
	bool		uncommitted;	/* who wrote it was running then, and is not we */
	uint64		generation;
	uint32		place;			/* in the map */
} TsdbChunkRef;

/* Chunks found; refs points to few, or is palloc'd. */
typedef struct TsdbChunkRefs
{
	int			count;
	int			allocated;
	TsdbChunkRef *refs;
	TsdbChunkRef few[8];
} TsdbChunkRefs;

/* The map of an index of this table as it is now.  Valid until the next call
 * for whatever table. */
extern TsdbChunkMap *tsdb_chunk_map_get(Relation index, Relation table);

/* A number for the state of the map, never used twice in a session. */
extern uint64 tsdb_chunk_map_version(const TsdbChunkMap *map);

/* A number for the index and the types of its columns, for caches. */
extern uint64 tsdb_chunk_map_signature(const TsdbChunkMap *map);

extern uint32 tsdb_chunk_map_count(const TsdbChunkMap *map);	/* each ref's place is lower */
extern bool tsdb_chunk_map_is_empty(const TsdbChunkMap *map);
extern TsdbKeyColumns *tsdb_chunk_map_columns(TsdbChunkMap *map);

/* Begin with a box of everything, then narrow it column by column. */
extern void tsdb_key_box_init(TsdbKeyBox *box);
extern void tsdb_key_box_equal(const TsdbChunkMap *map, TsdbKeyBox *box, int column,
							   Datum value);

/* strategy is a btree one. */
extern void tsdb_key_box_narrow(const TsdbChunkMap *map, TsdbKeyBox *box, int column,
								int strategy, Datum value);

/* Or with a box of nothing, then have it hold this value, too, not null. */
extern void tsdb_key_box_init_empty(TsdbKeyBox *box);
extern void tsdb_key_box_add(const TsdbChunkMap *map, TsdbKeyBox *box, int column, Datum value);

/*
 * Chunks that may hold this series (NULL: any) and whose box overlaps this one, live ones and those that were replaced
 * by a transaction that the snapshot sees running; only live ones if it is no
 * MVCC snapshot or NULL.
 */
extern void tsdb_chunk_map_find(const TsdbChunkMap *map, const TsdbKeyBox *box,
								const uint32 *series, Snapshot snapshot,
								TsdbChunkRefs *found);

/* Remember which series a chunk has that was just found: the hash of each row's,
 * those of one series next to each other. */
extern void tsdb_chunk_map_learn(TsdbChunkMap *map, const TsdbChunkRef *ref,
								 const uint32 *series, uint32 nrows);

/* Register for invalidations; once per backend. */
extern void tsdb_chunk_map_init(void);

#endif							/* TSDB_STORE_CHUNK_MAP_H */
