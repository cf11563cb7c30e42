/*
 * verify.h
 *		Looking for damage in what stands behind a table.
 *
 * Everything is read as it lies on disk, and reported with its place; what
 * cannot be read is a fault too, and verification goes on behind it.  Nothing is
 * changed.  Memory is that of one chunk, one page and the sets named below.
 *
 * With "locked", the caller holds ShareUpdateExclusiveLock on the table, taken
 * before the snapshot: no compaction, merge or VACUUM runs, so everything that
 * is there belongs to a chunk that the snapshot sees or to nobody.  Without it
 * (on a standby), only what the snapshot sees is compared.
 */
#ifndef TSDB_STORE_VERIFY_H
#define TSDB_STORE_VERIFY_H

#include "store/storage.h"
#include "utils/snapshot.h"

#define TSDB_NO_CHUNK	((int64) -1)

typedef struct TsdbFault
{
	const char *part;			/* of the storage, as users see it */
	Relation	relation;		/* in which it lies */
	int64		chunk;			/* number, or TSDB_NO_CHUNK */
	AttrNumber	attno;			/* of the table, or 0 */
	int			row;			/* of the chunk, or -1 */
	ItemPointerData place;		/* in the relation; offset 0: the page; or invalid */
	const char *fault;			/* a phrase */
} TsdbFault;

typedef struct TsdbVerify
{
	Relation	table;
	TsdbStorage *storage;		/* NULL: the table has no chunks */
	Snapshot	snapshot;
	bool		locked;
	void		(*report) (struct TsdbVerify *verify, const TsdbFault *fault);
	/* if set, is told of each piece that no chunk refers to, which is then no fault */
	void		(*orphan) (struct TsdbVerify *verify, Relation rel, ItemPointer tid);
	void	   *arg;			/* of these */
} TsdbVerify;

/* A tuple of a page as verification sees it. */
typedef struct TsdbVerifyTuple
{
	OffsetNumber offset;
	const char *fault;			/* of line pointer or header; then tuple is not set */
	HeapTuple	tuple;			/* a copy */
	bool		visible;		/* to the snapshot */
} TsdbVerifyTuple;

/*
 * Copy the tuples of a page; never_updated as of tsdb_internal_header_fault.
 * Returns their number, or -1 after reporting that the page cannot be read.
 */
extern int	tsdb_verify_page(TsdbVerify *verify, const char *part, Relation rel,
							 BlockNumber block, bool never_updated,
							 TsdbVerifyTuple **tuples);

/* Report a fault of a tuple, of a page, or of the relation (place NULL). */
extern void tsdb_verify_report(TsdbVerify *verify, const char *part, Relation rel,
							   int64 chunk, ItemPointer place, const char *fault);

/* Run work(arg), and report damage that it raises. */
extern bool tsdb_verify_try(TsdbVerify *verify, const TsdbFault *fault,
							void (*work) (void *arg), void *arg);

/* Directory and its index, pieces, vectors, statistics.  Sets: a filter over the
 * index's entries, in maintenance_work_mem. */
extern void tsdb_verify_chunks(TsdbVerify *verify);

/* The tuples of the directory only. */
extern void tsdb_verify_directory(TsdbVerify *verify);

/* Pieces that no chunk refers to.  Sets: eight bytes a chunk, in several rounds
 * if that is more than maintenance_work_mem. */
extern void tsdb_verify_pieces(TsdbVerify *verify);

/* Marks and their index; records of moves; moved rows in the row store. */
extern void tsdb_verify_marks(TsdbVerify *verify);
extern void tsdb_verify_moves(TsdbVerify *verify);
extern void tsdb_verify_row_store(TsdbVerify *verify);

#endif							/* TSDB_STORE_VERIFY_H */
