/*
 * drop_damaged.c
 *		Removing what cannot be read any more.
 *
 * A chunk goes as a merge lets it go: its directory tuple is deleted under the
 * chunk's tuple lock, marks and pieces in the same transaction, and VACUUM
 * removes its index entries before the number is used again.  Only a directory
 * tuple whose very header is damaged cannot be deleted that way; its line pointer
 * is set dead at once.
 */
#include "postgres.h"

#include "store/drop_damaged.h"

#include "access/heapam.h"
#include "access/xact.h"
#include "storage/lmgr.h"
#include "store/chunk_tid.h"
#include "store/damage.h"
#include "store/directory.h"
#include "store/marks.h"
#include "store/verify.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

typedef struct DropWork
{
	TsdbStorage *storage;
	uint32		chunk;
	Snapshot	snapshot;
	TsdbChunkEntry entry;
	bool		visible;
} DropWork;

static void
fetch_entry(void *arg)
{
	DropWork   *work = arg;

	work->visible = tsdb_directory_fetch(work->storage, work->chunk, work->snapshot,
										 &work->entry);
}

/* Read all that a statement could ask for. */
static void
read_chunk(void *arg)
{
	DropWork   *work = arg;
	TupleDesc	tupdesc = RelationGetDescr(work->storage->table);
	TsdbChunkHandle handle = {.storage = work->storage,.entry = &work->entry};
	TsdbChunkReader *reader = tsdb_directory_open_chunk(&handle, tupdesc);

	for (int i = 0; i < tupdesc->natts; i++)
		(void) tsdb_chunk_reader_column(reader, i + 1);
	(void) tsdb_chunk_reader_segments(reader);
	tsdb_chunk_reader_close(reader);
	(void) tsdb_marks_hidden(work->storage, work->chunk, work->snapshot);

	/* also what only a merge reads: columns that were dropped */
	for (uint32 i = 0; i < work->entry.pieces.count; i++)
	{
		const char *fault = tsdb_pieces_check(work->storage, work->entry.shard,
											  work->entry.generation, &work->entry.pieces,
											  i, work->snapshot);

		if (fault != NULL)
			tsdb_directory_report(work->storage, work->chunk, "A piece is damaged.");
	}
}

static void pg_attribute_noreturn()
no_such_chunk(TsdbStorage *storage, uint32 chunk)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("table \"%s\" has no chunk %u",
					RelationGetRelationName(storage->table), chunk),
			 errhint("tsdb.verify() names the chunks that are damaged.")));
}

int64
tsdb_drop_damaged_chunk(TsdbStorage *storage, uint32 chunk)
{
	DropWork	work = {.storage = storage,.chunk = chunk};
	ItemPointerData guard;
	bool		known;
	bool		deleted;

	if (tsdb_chunk_block(chunk) >= tsdb_directory_blocks(storage))
		no_such_chunk(storage, chunk);
	tsdb_storage_open_members(storage);
	work.snapshot = RegisterSnapshot(GetLatestSnapshot());
	known = tsdb_damage_catch(fetch_entry, &work, false) == NULL;
	if (known && !work.visible)
		no_such_chunk(storage, chunk);
	if (known && tsdb_damage_catch(read_chunk, &work, false) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("chunk %u of table \"%s\" is not damaged", chunk,
						RelationGetRelationName(storage->table)),
				 errhint("Use DELETE to remove rows.")));
	UnregisterSnapshot(work.snapshot);

	tsdb_tid_set(&guard, chunk, 0);
	LockTuple(storage->table, &guard, ExclusiveLock);
	deleted = tsdb_directory_bury(storage, chunk);
	UnlockTuple(storage->table, &guard, ExclusiveLock);
	if (!deleted)
		no_such_chunk(storage, chunk);
	if (!tsdb_marks_drop(storage, chunk))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("could not remove chunk %u of table \"%s\"", chunk,
						RelationGetRelationName(storage->table)),
				 errdetail("Rows of it are locked by a transaction."),
				 errhint("Try again when that transaction has ended.")));
	if (!known)
		return -1;
	(void) tsdb_directory_delete_pieces(storage, &work.entry, true);
	return work.entry.nrows;
}

/* ---- orphans ---- */

typedef struct OrphanWork
{
	bool		directory_damaged;
	int64		removed;
} OrphanWork;

static void
note_fault(TsdbVerify *verify, const TsdbFault *fault)
{
	OrphanWork *work = verify->arg;

	if (fault->relation == verify->storage->directory)
		work->directory_damaged = true;
}

static void
remove_orphan(TsdbVerify *verify, Relation rel, ItemPointer tid)
{
	OrphanWork *work = verify->arg;
	TM_FailureData failure;

	if (heap_delete(rel, tid, GetCurrentCommandId(true), InvalidSnapshot, false, &failure,
					false) == TM_Ok)
		work->removed++;
}

int64
tsdb_drop_orphaned_pieces(TsdbStorage *storage)
{
	OrphanWork	work = {0};
	TsdbVerify	verify = {
		.table = storage->table,.storage = storage,.locked = true,.report = note_fault,
		.arg = &work
	};

	tsdb_storage_open_members(storage);
	verify.snapshot = RegisterSnapshot(GetLatestSnapshot());
	tsdb_verify_directory(&verify);
	if (work.directory_damaged)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("directory of table \"%s\" is damaged",
						RelationGetRelationName(storage->table)),
				 errhint("Remove the damaged chunks with tsdb.drop_damaged_chunk() first.")));
	verify.orphan = remove_orphan;
	tsdb_verify_pieces(&verify);
	UnregisterSnapshot(verify.snapshot);
	return work.removed;
}
