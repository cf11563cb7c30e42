/*
 * mark_scan.h
 *		Reading and forming the tuples of the marks relation.
 *
 * A mark stands for one row of a chunk, or, as the tombstone of several rows
 * that one command has deleted, for a group of them: of the TSDB_MARK_GROUP_ROWS
 * rows under one block number, those in a bitmap.  A group's bits are set in
 * place, by the command that inserted it, so they are nobody else's business
 * before that transaction commits.
 *
 *	 key of a row     chunk * TSDB_MARK_KEYS + row
 *	 key of a group   chunk * TSDB_MARK_KEYS + TSDB_CHUNK_ROWS + group
 */
#ifndef TSDB_STORE_MARK_SCAN_H
#define TSDB_STORE_MARK_SCAN_H

#include "access/genam.h"
#include "access/skey.h"
#include "access/tupdesc.h"
#include "chunk/chunk.h"
#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "storage/bufmgr.h"
#include "store/chunk_tid.h"
#include "store/marks.h"

#define TSDB_MARK_KEYS			(2 * TSDB_CHUNK_ROWS)
#define TSDB_MARK_GROUP_ROWS	TSDB_TID_ROWS
#define TSDB_MARK_GROUP_BYTES	(TSDB_MARK_GROUP_ROWS / 8)

static inline int64
tsdb_mark_row_key(uint32 chunk, uint32 row)
{
	return (int64) chunk * TSDB_MARK_KEYS + row;
}

static inline int64
tsdb_mark_group_key(uint32 chunk, uint32 row)
{
	return tsdb_mark_row_key(chunk, TSDB_CHUNK_ROWS + row / TSDB_MARK_GROUP_ROWS);
}

/* A version of a mark as a scan returned it. */
typedef struct TsdbMarkVersion
{
	int64		key;
	uint32		row;			/* or the first of the group */
	const uint8 *group;			/* bitmap of TSDB_MARK_GROUP_BYTES, in the scan's slot, or NULL */
	TsdbMarkState state;
	ItemPointerData tid;		/* of the version, in the marks relation */
	ItemPointerData successor;
	TransactionId xmin;
	CommandId	cmin;
	bool		held;			/* set by who asks: locked by us, or by several */
} TsdbMarkVersion;

/*
 * In a serializable transaction the rows read are the table's, and marks are
 * only a part of them: predicate locks on marks, or on pages of their index,
 * would make conflicts of what has nothing to do with each other.  So marks
 * are then read by a snapshot that takes no such locks, each version is judged
 * by the real one, and a conflict with its writer is one on the table.
 */
typedef struct TsdbMarkScan
{
	TsdbStorage *storage;
	Snapshot	judge;			/* or NULL: what the scan returns is visible */
	IndexScanDesc scan;
	TupleTableSlot *slot;
	ScanKeyData keys[2];
	uint32		chunk;
	uint32		row;			/* the only one wanted, or TSDB_CHUNK_ROWS */
	bool		in_groups;		/* marks of groups are in the range, or there are none */
} TsdbMarkScan;

/* Of all rows of a chunk, or of the row at tid. */
extern void tsdb_mark_scan_chunk(TsdbStorage *storage, uint32 chunk, Snapshot snapshot,
								 TsdbMarkScan *scan);
extern void tsdb_mark_scan_row(TsdbStorage *storage, ItemPointer tid, Snapshot snapshot,
							   TsdbMarkScan *scan);
extern bool tsdb_mark_scan_next(TsdbMarkScan *scan, TsdbMarkVersion *version);
extern void tsdb_mark_scan_end(TsdbMarkScan *scan);

/*
 * Take out of a set of dead chunks those of which there are marks that VACUUM has not removed, since
 * somebody had their page pinned.  Who looks for marks of the past would take them for those of
 * the next chunk of that number.  Stubs that nobody has locked mean nothing.
 */
extern Bitmapset *tsdb_mark_scan_without(TsdbStorage *storage, Bitmapset *chunks,
										 BufferAccessStrategy strategy);

/* Most tables have no marks at all, and then nothing needs to be searched. */
extern bool tsdb_mark_scan_useful(TsdbStorage *storage);

/* A new tuple; successor and group may be NULL. */
extern HeapTuple tsdb_mark_form(TsdbStorage *storage, int64 key, TsdbMarkState state,
								ItemPointer successor, const uint8 *group);

/* Add a row to a tuple of a group, which is ours. */
extern void tsdb_mark_group_set(TsdbStorage *storage, HeapTuple tuple, uint32 row);

/* Read a tuple, whatever its visibility; version points into it.  Returns NULL,
 * or what is wrong with it, as a sentence. */
extern const char *tsdb_mark_parse(TsdbStorage *storage, HeapTuple tuple,
								   TsdbMarkVersion *version);

#endif							/* TSDB_STORE_MARK_SCAN_H */
