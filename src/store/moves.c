/*
 * moves.c
 *		Where the rows went that a compaction moved.
 */
#include "postgres.h"

#include "store/moves.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "catalog/storage.h"
#include "codec/codec.h"
#include "miscadmin.h"
#include "port/pg_crc32c.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/predicate.h"
#include "storage/predicate_internals.h"
#include "storage/procarray.h"
#include "store/chunk_tid.h"
#include "store/directory.h"
#include "store/internal_tuple.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Beyond this size, locks of serializable readers on rows become one on the
 * table, so that moves that only they need can go. */
#define KEPT_FOR_READERS_BLOCKS		1024

enum
{
	Anum_mover = 1,				/* transaction id, as bigint */
	Anum_chunk,
	Anum_checksum,				/* CRC-32C of the other columns */
	Anum_origins,				/* an encoded vector of TIDs as integers */
	Natts_moves = Anum_origins
};

TupleDesc
tsdb_moves_tupdesc(void)
{
	TupleDesc	tupdesc = CreateTemplateTupleDesc(Natts_moves);

	TupleDescInitEntry(tupdesc, Anum_mover, "mover", INT8OID, -1, 0);
	TupleDescInitEntry(tupdesc, Anum_chunk, "chunk", INT8OID, -1, 0);
	TupleDescInitEntry(tupdesc, Anum_checksum, "checksum", INT4OID, -1, 0);
	TupleDescInitEntry(tupdesc, Anum_origins, "origins", BYTEAOID, -1, 0);
	TupleDescAttr(tupdesc, Anum_origins - 1)->attstorage = TYPSTORAGE_PLAIN;
	return tupdesc;
}

/* A TID as one integer, ordered as TIDs are. */
static int64
tid_to_int(const ItemPointerData *tid)
{
	return ((int64) ItemPointerGetBlockNumberNoCheck(tid) << 16) |
		ItemPointerGetOffsetNumberNoCheck(tid);
}

static uint32
record_checksum(int64 mover, int64 chunk, const bytea *origins)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, &mover, sizeof(mover));
	COMP_CRC32C(crc, &chunk, sizeof(chunk));
	COMP_CRC32C(crc, VARDATA_ANY(origins), VARSIZE_ANY_EXHDR(origins));
	FIN_CRC32C(crc);
	return crc;
}

/* The codec wants its scratch memory aligned to 16 bytes; lives as long as the
 * current context. */
static void *
alloc_scratch(Size bytes)
{
	return (void *) TYPEALIGN(16, palloc(bytes + 16));
}

void
tsdb_moves_record(TsdbStorage *storage, uint32 chunk,
				  const ItemPointerData *origins, uint32 nrows)
{
	Relation	rel = tsdb_storage_moves(storage);
	int64		carriers[TSDB_VECTOR_ROWS_MAX];
	TsdbVector	vector = {.type = TSDB_VECTOR_INT, .width = 8, .nrows = nrows};
	Size		scratch_bytes;
	Size		bound;
	void	   *scratch;
	bytea	   *encoded;
	ptrdiff_t	length;
	Datum		values[Natts_moves];
	bool		nulls[Natts_moves] = {0};
	HeapTuple	tuple;

	for (uint32 i = 0; i < nrows; i++)
		carriers[i] = tid_to_int(&origins[i]);
	vector.ints = carriers;
	scratch_bytes = tsdb_codec_scratch_bytes(TSDB_VECTOR_INT, 8, 0);
	bound = tsdb_codec_encode_bound(&vector, 0);
	scratch = alloc_scratch(scratch_bytes);
	encoded = palloc(VARHDRSZ + bound);
	length = tsdb_codec_encode(&vector, TSDB_LEVEL_FAST, scratch, scratch_bytes,
							   (uint8 *) VARDATA(encoded), bound);
	if (length < 0 || length > MaxHeapTupleSize - 64)
		elog(ERROR, "could not encode the origins of %u moved rows", nrows);
	SET_VARSIZE(encoded, VARHDRSZ + length);

	LockRelationOid(RelationGetRelid(rel), RowExclusiveLock);
	values[Anum_mover - 1] = Int64GetDatum((int64) GetCurrentTransactionId());
	values[Anum_chunk - 1] = Int64GetDatum((int64) chunk);
	values[Anum_checksum - 1] = Int32GetDatum((int32)
											  record_checksum(DatumGetInt64(values[Anum_mover - 1]),
															  (int64) chunk, encoded));
	values[Anum_origins - 1] = PointerGetDatum(encoded);
	tuple = heap_form_tuple(RelationGetDescr(rel), values, nulls);
	heap_insert(rel, tuple, GetCurrentCommandId(true), HEAP_INSERT_NO_LOGICAL, NULL);
	heap_freetuple(tuple);
	pfree(encoded);
}

bool
tsdb_moves_is_marked(HeapTupleHeader tuple)
{
	return (tuple->t_infomask & (HEAP_XMAX_INVALID | HEAP_XMAX_IS_MULTI)) == 0 &&
		!HEAP_XMAX_IS_LOCKED_ONLY(tuple->t_infomask) &&
		HeapTupleHeaderIndicatesMovedPartitions(tuple);
}

/* ---- look-up ---- */

typedef struct Move
{
	int64		origin;
	ItemPointerData destination;
} Move;

/* The moves of one transaction in one storage, sorted by origin. */
typedef struct Mover
{
	Oid			identity;
	TransactionId xid;
	bool		settled;		/* it had ended when its moves were read */
	uint32		count;
	uint32		allocated;
	Move	   *moves;
} Mover;

/* What this transaction has looked up; forgotten as a whole beyond these bounds. */
#define REMEMBERED_MOVERS	64
#define REMEMBERED_MOVES	(4 * 1024 * 1024)

static struct
{
	MemoryContext memory;
	int			nmovers;
	uint32		nmoves;
	Mover		movers[REMEMBERED_MOVERS];
}			remembered;

static int
compare_moves(const void *a, const void *b)
{
	int64		left = ((const Move *) a)->origin;
	int64		right = ((const Move *) b)->origin;

	return left < right ? -1 : left > right ? 1 : 0;
}

static void pg_attribute_noreturn()
damaged_record(TsdbStorage *storage, ItemPointer tid, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("record of moved rows of table \"%s\" is damaged",
					RelationGetRelationName(storage->table)),
			 errdetail("Tuple (%u,%u) of \"%s\": %s",
					   ItemPointerGetBlockNumberNoCheck(tid),
					   ItemPointerGetOffsetNumberNoCheck(tid),
					   RelationGetRelationName(storage->moves), detail),
			 errhint("Retry the transaction: only old snapshots need it.")));
}

/* Decode a record's origins; NULL, or what is wrong with them. */
static const char *
decode_origins(const bytea *origins, int64 *carriers, uint32 *nrows)
{
	const uint8 *src = (const uint8 *) VARDATA_ANY(origins);
	Size		src_bytes = VARSIZE_ANY_EXHDR(origins);
	uint8		nulls[TSDB_VECTOR_NULL_BYTES];
	TsdbVector	out = {.nulls = nulls};
	TsdbVectorInfo info;
	Size		scratch_bytes = tsdb_codec_scratch_bytes(TSDB_VECTOR_INT, 8, 0);

	out.ints = carriers;
	if (tsdb_codec_inspect(src, src_bytes, &info) != TSDB_CODEC_OK ||
		info.type != TSDB_VECTOR_INT || info.nrows > TSDB_VECTOR_ROWS_MAX ||
		tsdb_codec_decode(src, src_bytes, alloc_scratch(scratch_bytes), scratch_bytes,
						  &out) != TSDB_CODEC_OK)
		return "The origins cannot be decoded.";
	*nrows = out.nrows;
	return NULL;
}

/* What a record says. */
typedef struct MoveRecord
{
	TransactionId mover;
	uint32		chunk;
	bytea	   *origins;
} MoveRecord;

/* Read a record, which points into the tuple; NULL, or what is wrong with it. */
static const char *
parse_record(Relation rel, HeapTuple tuple, MoveRecord *record)
{
	Datum		values[Natts_moves];
	bool		nulls[Natts_moves];
	const char *fault = tsdb_internal_columns_fault(rel, tuple);

	if (fault != NULL)
		return fault;
	heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
	for (int i = 0; i < Natts_moves; i++)
	{
		if (nulls[i])
			return "A column is null.";
	}
	record->mover = (TransactionId) DatumGetInt64(values[Anum_mover - 1]);
	record->chunk = (uint32) DatumGetInt64(values[Anum_chunk - 1]);
	record->origins = (bytea *) DatumGetPointer(values[Anum_origins - 1]);
	if (record_checksum(DatumGetInt64(values[Anum_mover - 1]),
						DatumGetInt64(values[Anum_chunk - 1]), record->origins) !=
		(uint32) DatumGetInt32(values[Anum_checksum - 1]))
		return "The checksum does not match.";
	return NULL;
}

/* A scan of all moves, in memory of its own. */
typedef struct MoveScan
{
	TsdbStorage *storage;
	Relation	rel;
	MemoryContext memory;
	MemoryContext caller;
	TupleTableSlot *slot;
	TableScanDesc scan;
	HeapTuple	tuple;			/* the tuple at hand */
	MoveRecord	record;
} MoveScan;

static void
begin_moves(TsdbStorage *storage, MoveScan *scan)
{
	scan->storage = storage;
	scan->rel = tsdb_storage_moves(storage);
	LockRelationOid(RelationGetRelid(scan->rel), AccessShareLock);
	scan->memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb move scan",
										 ALLOCSET_DEFAULT_SIZES);
	scan->slot = table_slot_create(scan->rel, NULL);
	scan->scan = table_beginscan(scan->rel, SnapshotAny, 0, NULL);
	scan->caller = MemoryContextSwitchTo(scan->memory);
}

/* Go to the next record; *fault as of parse_record. */
static bool
next_record(MoveScan *scan, const char **fault)
{
	Page		page;

	CHECK_FOR_INTERRUPTS();
	MemoryContextReset(scan->memory);
	if (!table_scan_getnextslot(scan->scan, ForwardScanDirection, scan->slot))
		return false;
	scan->tuple = ExecFetchSlotHeapTuple(scan->slot, false, NULL);
	page = BufferGetPage(((BufferHeapTupleTableSlot *) scan->slot)->buffer);
	if ((char *) scan->tuple->t_data + scan->tuple->t_len > (char *) page + BLCKSZ)
		*fault = "Its line pointer leaves the page.";
	else
		*fault = parse_record(scan->rel, scan->tuple, &scan->record);
	return true;
}

static bool
next_move(MoveScan *scan)
{
	const char *fault;

	if (!next_record(scan, &fault))
		return false;
	if (fault != NULL)
		damaged_record(scan->storage, &scan->tuple->t_self, fault);
	return true;
}

static uint32
move_origins(MoveScan *scan, int64 *carriers)
{
	uint32		nrows = 0;
	const char *fault = decode_origins(scan->record.origins, carriers, &nrows);

	if (fault != NULL)
		damaged_record(scan->storage, &scan->tuple->t_self, fault);
	return nrows;
}

static void
end_moves(MoveScan *scan)
{
	MemoryContextSwitchTo(scan->caller);
	table_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	UnlockRelationOid(RelationGetRelid(scan->rel), AccessShareLock);
	MemoryContextDelete(scan->memory);
}

/* Add the rows of one recorded chunk. */
static void
remember(MoveScan *scan, Mover *mover)
{
	int64		carriers[TSDB_VECTOR_ROWS_MAX];
	uint32		nrows = move_origins(scan, carriers);

	while (mover->count + nrows > mover->allocated)
	{
		mover->allocated = Max(mover->allocated * 2, 4096);
		mover->moves = mover->moves == NULL ?
			MemoryContextAllocHuge(remembered.memory, mover->allocated * sizeof(Move)) :
			repalloc_huge(mover->moves, mover->allocated * sizeof(Move));
	}
	for (uint32 row = 0; row < nrows; row++)
	{
		Move	   *move = &mover->moves[mover->count++];

		move->origin = carriers[row];
		tsdb_tid_set(&move->destination, scan->record.chunk, row);
	}
}

/*
 * All moves of a transaction.  They are read once and remembered, since a
 * statement that meets one moved row will likely meet more of them; but one
 * that still ran then, our own for instance, may have made more since.
 */
static const Mover *
moves_of(TsdbStorage *storage, TransactionId xid)
{
	Mover	   *mover = NULL;
	MoveScan	scan;

	for (int i = 0; i < remembered.nmovers && mover == NULL; i++)
	{
		if (remembered.movers[i].xid == xid &&
			remembered.movers[i].identity == storage->identity)
			mover = &remembered.movers[i];
	}
	if (mover != NULL && mover->settled)
		return mover;

	if (mover != NULL)
	{
		remembered.nmoves -= mover->count;
		mover->count = 0;
	}
	else
	{
		if (remembered.nmovers == REMEMBERED_MOVERS || remembered.nmoves > REMEMBERED_MOVES)
			tsdb_moves_at_xact_end();
		if (remembered.memory == NULL)
			remembered.memory = AllocSetContextCreate(TopMemoryContext, "tsdb moves",
													  ALLOCSET_DEFAULT_SIZES);
		mover = &remembered.movers[remembered.nmovers];
		*mover = (Mover) {.identity = storage->identity,.xid = xid};
	}

	mover->settled = !TransactionIdIsInProgress(xid);
	begin_moves(storage, &scan);
	while (next_move(&scan))
	{
		if (scan.record.mover == xid)
			remember(&scan, mover);
	}
	end_moves(&scan);
	qsort(mover->moves, mover->count, sizeof(Move), compare_moves);

	/* Known from here on: an error above leaves nothing half read. */
	remembered.nmoves += mover->count;
	if (mover == &remembered.movers[remembered.nmovers])
		remembered.nmovers++;
	return mover;
}

bool
tsdb_moves_find(TsdbStorage *storage, TransactionId mover,
				ItemPointer origin, ItemPointer destination)
{
	const Mover *moves = moves_of(storage, mover);
	Move		key = {.origin = tid_to_int(origin)};
	Move	   *found = NULL;

	if (moves->count > 0)
		found = bsearch(&key, moves->moves, moves->count, sizeof(Move), compare_moves);
	if (found == NULL)
		return false;
	*destination = found->destination;
	return true;
}

/* Has this transaction moved what it says it has, as others see it or as we do? */
static bool
has_moved(TransactionId mover)
{
	return TransactionIdIsCurrentTransactionId(mover) ||
		(!TransactionIdIsInProgress(mover) && TransactionIdDidCommit(mover));
}

bool
tsdb_moves_origin(TsdbStorage *storage, ItemPointer tid, ItemPointer origin,
				  TransactionId *mover)
{
	uint32		chunk = tsdb_tid_chunk(tid);
	uint32		row = tsdb_tid_row(tid);
	int64		carriers[TSDB_VECTOR_ROWS_MAX];
	TransactionId before = *mover;
	TransactionId writer = InvalidTransactionId;
	TsdbChunkHead head;
	bool		found = false;
	MoveScan	scan;

	/*
	 * The chunk's number may have been another chunk's earlier, or be another
	 * one's now: the last move before the one that came next is the right one.
	 * Rows of a chunk that was loaded come from nowhere, though.
	 */
	if (tsdb_directory_peek(storage, chunk, SnapshotAny, &head) &&
		(!TransactionIdIsValid(before) || TransactionIdPrecedes(head.xmin, before)))
		writer = head.xmin;
	begin_moves(storage, &scan);
	while (next_move(&scan))
	{
		TransactionId candidate = scan.record.mover;

		if (scan.record.chunk != chunk ||
			(TransactionIdIsValid(before) && !TransactionIdPrecedes(candidate, before)) ||
			(TransactionIdIsValid(writer) && candidate != writer) ||
			(found && TransactionIdPrecedes(candidate, *mover)) ||
			!has_moved(candidate))
			continue;
		if (row < move_origins(&scan, carriers))
		{
			ItemPointerSet(origin, (BlockNumber) (carriers[row] >> 16),
						   (OffsetNumber) (carriers[row] & 0xFFFF));
			*mover = candidate;
			found = true;
		}
	}
	end_moves(&scan);
	return found;
}

void
tsdb_moves_at_xact_end(void)
{
	if (remembered.memory != NULL)
		MemoryContextDelete(remembered.memory);
	memset(&remembered, 0, sizeof(remembered));
}

/* Is a row of the table, or a page of them, locked by a serializable reader? */
static bool
has_predicate_locks(Relation table)
{
	PredicateLockData *locks = GetPredicateLockStatusData();
	bool		found = false;

	for (int i = 0; i < locks->nelements && !found; i++)
	{
		PREDICATELOCKTARGETTAG *tag = &locks->locktags[i];

		found = GET_PREDICATELOCKTARGETTAG_DB(*tag) == MyDatabaseId &&
			GET_PREDICATELOCKTARGETTAG_RELATION(*tag) == RelationGetRelid(table) &&
			GET_PREDICATELOCKTARGETTAG_TYPE(*tag) != PREDLOCKTAG_RELATION;
	}
	pfree(locks->locktags);
	pfree(locks->xacts);
	pfree(locks);
	return found;
}

void
tsdb_moves_trim(TsdbStorage *storage)
{
	Relation	rel = tsdb_storage_moves(storage);
	TransactionId oldest = GetOldestNonRemovableTransactionId(storage->table);
	MoveScan	scan;
	bool		needed = false;
	const char *fault;

	if (RelationGetNumberOfBlocks(rel) == 0)
		return;
	if (!ConditionalLockRelationOid(RelationGetRelid(rel), AccessExclusiveLock))
		return;

	begin_moves(storage, &scan);
	/* a damaged record is of no use to anybody */
	while (!needed && next_record(&scan, &fault))
		needed = fault == NULL && !TransactionIdPrecedes(scan.record.mover, oldest);
	end_moves(&scan);

	/* Writers find readers of a row's former places through its moves. */
	if (!needed && has_predicate_locks(storage->table))
	{
		if (RelationGetNumberOfBlocks(rel) < KEPT_FOR_READERS_BLOCKS)
			needed = true;
		else
			TransferPredicateLocksToHeapRelation(storage->table);
	}
	if (!needed)
		RelationTruncate(rel, 0);
	UnlockRelationOid(RelationGetRelid(rel), AccessExclusiveLock);
}

const char *
tsdb_moves_read(TsdbStorage *storage, HeapTuple tuple, uint32 *chunk, uint32 *nrows)
{
	int64		carriers[TSDB_VECTOR_ROWS_MAX];
	MoveRecord	record;
	const char *fault = parse_record(tsdb_storage_moves(storage), tuple, &record);

	if (fault != NULL)
		return fault;
	*chunk = record.chunk;
	return decode_origins(record.origins, carriers, nrows);
}
