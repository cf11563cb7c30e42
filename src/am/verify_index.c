/*
 * verify_index.c
 *		Comparing the indexes of a table with its rows.
 *
 * First all entries of an index are read, and their TIDs kept as bits, one for
 * each row there can be; then all rows that the snapshot sees are formed, and
 * must have their bit.  Entries of chunk rows also must lead to a chunk that is
 * there: the number of one that is not will be used again.
 *
 * A btree gives back the keys of its entries.  They are kept, with their TIDs,
 * in a Bloom filter, as amcheck does, and the key of each row is looked for in
 * it: a wrong key escapes with the filter's probability of a false positive,
 * a few per cent or less as long as maintenance_work_mem gives it a byte a row.
 * Of hash, GiST, SP-GiST and GIN indexes only VACUUM's scan visits all entries,
 * and it tells TIDs only, so there the keys are not compared.  Indexes of other
 * access methods are left alone: they need not have an entry per row.
 */
#include "postgres.h"

#include "am/verify_index.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "am/scan.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "chunk/chunk.h"
#include "executor/executor.h"
#include "lib/bloomfilter.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "storage/bufmgr.h"
#include "store/chunk_tid.h"
#include "store/damage.h"
#include "store/directory.h"
#include "store/marks.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#define PART_INDEX			"index"
#define CHUNK_BITS_BYTES	(TSDB_CHUNK_ROWS / 8)
#define PAGE_BITS_BYTES		((MaxHeapTuplesPerPage + 7) / 8)

/* One round over one index. */
typedef struct IndexRound
{
	TsdbVerify *verify;
	Relation	index;
	bool		is_btree;
	uint32		first_chunk;	/* chunk numbers of this round, */
	uint32		end_chunk;
	uint16	   *slots;			/* what there is at each, and */
	uint8	   *chunk_bits;		/* which rows have an entry */
	uint32		chunk_numbers;	/* of all rounds */
	BlockNumber first_block;	/* the same for the row store */
	BlockNumber end_block;
	uint8	   *page_bits;
	bloom_filter *keys;			/* btree: keys with TIDs */
	uint8	   *reported;		/* a bit for each: an entry's fault was */
	bool		reported_beyond;	/* ... of a number that there is not */

	/* forming keys of rows */
	IndexInfo  *info;
	EState	   *estate;
	ExprContext *econtext;
	ExprState  *predicate;
	TupleTableSlot *slot;
	MemoryContext key_memory;
	StringInfoData key;
} IndexRound;

/* ---- keys ---- */

/* A key as bytes that do not depend on how its values are toasted. */
static void
flatten_key(IndexRound *round, ItemPointer tid, Datum *values, bool *nulls)
{
	TupleDesc	tupdesc = RelationGetDescr(round->index);

	resetStringInfo(&round->key);
	appendBinaryStringInfo(&round->key, (char *) tid, sizeof(ItemPointerData));
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);

		appendStringInfoChar(&round->key, nulls[i] ? 'n' : 'v');
		if (nulls[i])
			continue;
		if (att->attbyval)
		{
			/* what lies above the type's width is nothing */
			uint64		value = (uint64) values[i];

			if (att->attlen < (int) sizeof(Datum))
				value &= (UINT64CONST(1) << (8 * att->attlen)) - 1;
			appendBinaryStringInfo(&round->key, (char *) &value, sizeof(value));
		}
		else if (att->attlen == -1)
		{
			struct varlena *value = pg_detoast_datum_packed((struct varlena *)
															DatumGetPointer(values[i]));
			uint32		length = VARSIZE_ANY_EXHDR(value);

			appendBinaryStringInfo(&round->key, (char *) &length, sizeof(length));
			appendBinaryStringInfo(&round->key, VARDATA_ANY(value), length);
		}
		else if (att->attlen == -2)
			appendBinaryStringInfo(&round->key, DatumGetCString(values[i]),
								   strlen(DatumGetCString(values[i])) + 1);
		else
			appendBinaryStringInfo(&round->key, DatumGetPointer(values[i]), att->attlen);
	}
}

/* ---- entries ---- */

static bool
set_bit(uint8 *bits, uint64 bit)
{
	bool		was_set = (bits[bit / 8] & (1 << (bit % 8))) != 0;

	bits[bit / 8] |= 1 << (bit % 8);
	return was_set;
}

static bool
get_bit(const uint8 *bits, uint64 bit)
{
	return (bits[bit / 8] & (1 << (bit % 8))) != 0;
}

/* Report a fault of an entry, the first one of each chunk. */
static void
report_entry(IndexRound *round, ItemPointer tid, uint32 chunk, uint32 row, const char *text)
{
	TsdbFault	fault = {
		.part = PART_INDEX,.relation = round->index,.chunk = chunk,
		.row = row < TSDB_CHUNK_ROWS ? (int) row : -1,.fault = text
	};

	if (chunk >= round->end_chunk)
	{
		if (round->reported_beyond)
			return;
		round->reported_beyond = true;
	}
	else if (set_bit(round->reported, chunk - round->first_chunk))
		return;
	ItemPointerSetInvalid(&fault.place);
	round->verify->report(round->verify, &fault);
}

static void
note_chunk_entry(IndexRound *round, ItemPointer tid)
{
	uint32		chunk = tsdb_tid_chunk(tid);
	uint32		row = tsdb_tid_row(tid);
	uint16		slot;

	/* Without a storage, they are of a compaction that made one and failed; the next
	 * that makes one removes them first. */
	if (chunk >= round->chunk_numbers && round->first_chunk == 0 && round->verify->locked &&
		round->verify->storage != NULL)
		report_entry(round, tid, chunk, row, "an entry leads to a chunk that does not exist");
	if (chunk < round->first_chunk || chunk >= round->end_chunk)
		return;
	slot = round->slots[chunk - round->first_chunk];
	if (row >= TSDB_CHUNK_ROWS || (slot < TSDB_SLOT_UNKNOWN && row >= slot))
	{
		report_entry(round, tid, chunk, row, "an entry leads to a row that the chunk does not have");
		return;
	}
	if (slot == TSDB_SLOT_FREE && round->verify->locked)
		report_entry(round, tid, chunk, row, "an entry leads to a chunk that does not exist");
	if (set_bit(round->chunk_bits,
				(uint64) (chunk - round->first_chunk) * TSDB_CHUNK_ROWS + row) &&
		round->is_btree && slot < TSDB_SLOT_UNKNOWN)
		report_entry(round, tid, chunk, row, "a row has two entries");
}

static void
note_entry(IndexRound *round, ItemPointer tid)
{
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(tid);
	OffsetNumber offset = ItemPointerGetOffsetNumberNoCheck(tid);

	if (tsdb_tid_is_chunk(tid))
		note_chunk_entry(round, tid);
	else if (block >= round->first_block && block < round->end_block &&
			 offset >= 1 && offset <= MaxHeapTuplesPerPage)
		(void) set_bit(round->page_bits,
					   (uint64) (block - round->first_block) * PAGE_BITS_BYTES * 8 +
					   offset - 1);
}

static bool
note_bulk_entry(ItemPointer tid, void *arg)
{
	note_entry(arg, tid);
	return false;
}

/* By VACUUM's scan, which is told that every entry is to stay. */
static void
read_bulk(void *arg)
{
	IndexRound *round = arg;
	IndexVacuumInfo info = {0};

	info.index = round->index;
	info.message_level = DEBUG2;
	info.estimated_count = true;
	info.num_heap_tuples = round->verify->table->rd_rel->reltuples;
	info.strategy = GetAccessStrategy(BAS_BULKREAD);
	(void) index_bulk_delete(&info, NULL, note_bulk_entry, round);
}

static void
read_btree(void *arg)
{
	IndexRound *round = arg;
	TupleDesc	tupdesc = RelationGetDescr(round->index);
	IndexScanDesc scan = index_beginscan(round->verify->table, round->index, SnapshotAny, 0, 0);
	ItemPointer tid;

	scan->xs_want_itup = true;
	scan->ignore_killed_tuples = false;
	index_rescan(scan, NULL, 0, NULL, 0);
	while ((tid = index_getnext_tid(scan, ForwardScanDirection)) != NULL)
	{
		Datum		values[INDEX_MAX_KEYS];
		bool		nulls[INDEX_MAX_KEYS];
		MemoryContext old = MemoryContextSwitchTo(round->key_memory);

		note_entry(round, tid);
		index_deform_tuple(scan->xs_itup, tupdesc, values, nulls);
		flatten_key(round, tid, values, nulls);
		bloom_add_element(round->keys, (unsigned char *) round->key.data, round->key.len);
		MemoryContextSwitchTo(old);
		MemoryContextReset(round->key_memory);
		CHECK_FOR_INTERRUPTS();
	}
	index_endscan(scan);
}

/* ---- rows ---- */

/* What is wrong with the row in the slot, whose entry has that TID and bit. */
static const char *
row_fault(IndexRound *round, ItemPointer tid, bool has_entry)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];
	const char *fault = NULL;
	MemoryContext old;

	ResetExprContext(round->econtext);
	if (round->predicate != NULL && !ExecQual(round->predicate, round->econtext))
		return has_entry ? "a row has an entry that the index's predicate excludes" : NULL;
	old = MemoryContextSwitchTo(round->key_memory);
	FormIndexDatum(round->info, round->slot, round->estate, values, nulls);
	if (round->index->rd_rel->relam == HASH_AM_OID && nulls[0])
		fault = NULL;			/* it has no nulls */
	else if (!has_entry)
		fault = "a row has no entry";
	else if (round->is_btree)
	{
		flatten_key(round, tid, values, nulls);
		if (bloom_lacks_element(round->keys, (unsigned char *) round->key.data,
								round->key.len))
			fault = "a row's entry has another key";
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(round->key_memory);
	return fault;
}

typedef struct ChunkRows
{
	IndexRound *round;
	TsdbChunkCursor cursor;
	BlockNumber block;
	TsdbChunkEntry *entry;
	TsdbChunkEntry *entries;
	int			count;
	List	   *faults;			/* reported with the directory */
} ChunkRows;

/* One report for all rows of a chunk that have the same fault. */
static void
verify_chunk_rows(void *arg)
{
	ChunkRows  *rows = arg;
	IndexRound *round = rows->round;
	TsdbVerify *verify = round->verify;
	uint32		chunk = rows->entry->chunk;
	const char *text = NULL;
	TsdbFault	fault = {.part = PART_INDEX,.relation = round->index,.chunk = chunk};
	int			count = 0;

	tsdb_cursor_open(&rows->cursor, verify->storage, RelationGetDescr(verify->table),
					 rows->entry, verify->snapshot);
	for (uint32 row = 0; row < rows->cursor.rows.nrows; row++)
	{
		uint64		bit = (uint64) (chunk - round->first_chunk) * TSDB_CHUNK_ROWS + row;
		const char *this_text;
		ItemPointerData tid;

		if (tsdb_marks_is_hidden(rows->cursor.hidden, row))
			continue;
		tsdb_tid_set(&tid, chunk, row);
		tsdb_row_slot_store(round->slot, &rows->cursor.rows, row);
		this_text = row_fault(round, &tid, get_bit(round->chunk_bits, bit));
		if (this_text == NULL)
			continue;
		if (text == NULL)
		{
			text = this_text;
			fault.row = (int) row;
		}
		count += this_text == text;
	}
	if (text != NULL)
	{
		fault.fault = count == 1 ? text :
			psprintf("%s, and %d more of the chunk", text, count - 1);
		ItemPointerSetInvalid(&fault.place);
		verify->report(verify, &fault);
	}
	tsdb_cursor_close(&rows->cursor);
}

static void
list_chunks(void *arg)
{
	ChunkRows  *rows = arg;

	rows->count = tsdb_directory_page_with_faults(rows->round->verify->storage, rows->block,
												  rows->round->verify->snapshot,
												  &rows->entries, &rows->faults);
}

static void
verify_chunks(IndexRound *round)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb verify page",
												 ALLOCSET_DEFAULT_SIZES);
	ChunkRows	rows = {.round = round};
	MemoryContext old = MemoryContextSwitchTo(memory);

	for (uint32 first = round->first_chunk; first < round->end_chunk;
		 first += TSDB_DIRECTORY_SLOTS)
	{
		rows.block = tsdb_chunk_block(first);
		rows.faults = NIL;
		/* what cannot be read has been reported with directory and vectors */
		if (tsdb_damage_catch(list_chunks, &rows, true) == NULL)
		{
			for (int i = 0; i < rows.count; i++)
			{
				rows.entry = &rows.entries[i];
				(void) tsdb_damage_catch(verify_chunk_rows, &rows, true);
				ExecClearTuple(round->slot);
				CHECK_FOR_INTERRUPTS();
			}
		}
		rows.cursor.memory = NULL;
		MemoryContextReset(memory);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(memory);
}

/* Rows of the row store; an entry leads to the root of their HOT chain. */
static void
verify_heap_page(IndexRound *round, BlockNumber block)
{
	TsdbVerify *verify = round->verify;
	TsdbVerifyTuple *tuples;
	OffsetNumber roots[MaxHeapTuplesPerPage];
	Buffer		buffer;
	int			count = tsdb_verify_page(verify, PART_INDEX, verify->table, block, false, &tuples);

	if (count <= 0)
		return;
	buffer = ReadBuffer(verify->table, block);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	heap_get_root_tuples(BufferGetPage(buffer), roots);
	UnlockReleaseBuffer(buffer);

	for (int i = 0; i < count; i++)
	{
		OffsetNumber root = roots[tuples[i].offset - 1];
		const char *text;
		TsdbFault	fault = {
			.part = PART_INDEX,.relation = round->index,.chunk = TSDB_NO_CHUNK,.row = -1
		};
		ItemPointerData tid;

		if (tuples[i].fault != NULL || !tuples[i].visible || !OffsetNumberIsValid(root))
			continue;
		ItemPointerSet(&tid, block, root);
		ExecForceStoreHeapTuple(tuples[i].tuple, round->slot, false);
		text = row_fault(round, &tid,
						 get_bit(round->page_bits, (uint64) (block - round->first_block) *
								 PAGE_BITS_BYTES * 8 + root - 1));
		if (text == NULL)
			continue;
		fault.place = tuples[i].tuple->t_self;
		fault.relation = round->index;
		fault.fault = psprintf("%s (the place is in the table)", text);
		verify->report(verify, &fault);
	}
	ExecClearTuple(round->slot);
}

typedef struct HeapPage
{
	IndexRound *round;
	BlockNumber block;
} HeapPage;

static void
verify_heap_page_work(void *arg)
{
	HeapPage   *page = arg;

	verify_heap_page(page->round, page->block);
}

static void
verify_row_store(IndexRound *round)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb verify page",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(memory);

	for (BlockNumber block = round->first_block; block < round->end_block; block++)
	{
		HeapPage	page = {round, block};

		(void) tsdb_damage_catch(verify_heap_page_work, &page, true);
		ExecClearTuple(round->slot);
		MemoryContextReset(memory);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(memory);
}

/* ---- rounds ---- */

/* What there is at each chunk number of the round; a page that cannot be read
 * leaves its numbers unknown. */
static void
read_slots(void *arg)
{
	ChunkRows  *rows = arg;
	IndexRound *round = rows->round;

	tsdb_directory_slots(round->verify->storage, rows->block,
						 &round->slots[rows->block * TSDB_DIRECTORY_SLOTS -
									   round->first_chunk]);
}

static void
run_round(IndexRound *round)
{
	TsdbVerify *verify = round->verify;
	uint32		chunks = round->end_chunk - round->first_chunk;
	BlockNumber blocks = round->end_block - round->first_block;
	ChunkRows	rows = {.round = round};
	TsdbFault	fault = {
		.part = PART_INDEX,.relation = round->index,.chunk = TSDB_NO_CHUNK,.row = -1
	};
	double		nrows = Max(verify->table->rd_rel->reltuples, 0);

	round->slots = MemoryContextAllocHuge(CurrentMemoryContext,
										  Max(chunks, 1) * sizeof(uint16));
	round->chunk_bits = MemoryContextAllocHuge(CurrentMemoryContext,
											   Max(chunks, 1) * CHUNK_BITS_BYTES);
	round->page_bits = MemoryContextAllocHuge(CurrentMemoryContext,
											  Max(blocks, 1) * PAGE_BITS_BYTES);
	memset(round->chunk_bits, 0, (Size) chunks * CHUNK_BITS_BYTES);
	memset(round->page_bits, 0, (Size) blocks * PAGE_BITS_BYTES);
	for (uint32 i = 0; i < chunks; i++)
		round->slots[i] = TSDB_SLOT_UNKNOWN;
	for (uint32 chunk = round->first_chunk; chunk < round->end_chunk;
		 chunk += TSDB_DIRECTORY_SLOTS)
	{
		rows.block = tsdb_chunk_block(chunk);
		(void) tsdb_damage_catch(read_slots, &rows, true);
	}
	round->reported = palloc0(chunks / 8 + 1);
	round->reported_beyond = false;
	if (round->is_btree)
		round->keys = bloom_create((int64) Max(nrows, 1024.0 * chunks), maintenance_work_mem, 0);

	ItemPointerSetInvalid(&fault.place);
	if (tsdb_verify_try(verify, &fault, round->is_btree ? read_btree : read_bulk, round))
	{
		if (verify->storage != NULL)
			verify_chunks(round);
		verify_row_store(round);
	}

	if (round->is_btree)
		bloom_free(round->keys);
	pfree(round->slots);
	pfree(round->reported);
	pfree(round->chunk_bits);
	pfree(round->page_bits);
}

static void
verify_index(TsdbVerify *verify, Relation index)
{
	IndexRound	round = {
		.verify = verify,.index = index,.is_btree = index->rd_rel->relam == BTREE_AM_OID
	};
	uint64		chunks = verify->storage == NULL ? 0 :
		(uint64) tsdb_directory_blocks(verify->storage) * TSDB_DIRECTORY_SLOTS;
	BlockNumber blocks = RelationGetNumberOfBlocks(verify->table);
	Size		room = (Size) maintenance_work_mem * 1024 / 2;
	uint64		chunk_step = Max(room / (CHUNK_BITS_BYTES + sizeof(uint16)) /
								 TSDB_DIRECTORY_SLOTS, 1) * TSDB_DIRECTORY_SLOTS;
	uint64		block_step = Max(room / PAGE_BITS_BYTES, 1);
	uint64		rounds = Max(Max((chunks + chunk_step - 1) / chunk_step,
								 ((uint64) blocks + block_step - 1) / block_step), 1);

	round.chunk_numbers = (uint32) chunks;
	round.info = BuildIndexInfo(index);
	round.estate = CreateExecutorState();
	round.econtext = GetPerTupleExprContext(round.estate);
	round.slot = table_slot_create(verify->table, NULL);
	round.econtext->ecxt_scantuple = round.slot;
	round.predicate = ExecPrepareQual(round.info->ii_Predicate, round.estate);
	round.key_memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb verify key",
											 ALLOCSET_DEFAULT_SIZES);
	initStringInfo(&round.key);

	for (uint64 i = 0; i < rounds; i++)
	{
		round.first_chunk = (uint32) Min(i * chunk_step, chunks);
		round.end_chunk = (uint32) Min((i + 1) * chunk_step, chunks);
		round.first_block = (BlockNumber) Min(i * block_step, blocks);
		round.end_block = (BlockNumber) Min((i + 1) * block_step, blocks);
		run_round(&round);
	}
	pfree(round.key.data);
	MemoryContextDelete(round.key_memory);
	ExecDropSingleTupleTableSlot(round.slot);
	FreeExecutorState(round.estate);
}

void
tsdb_verify_indexes(TsdbVerify *verify)
{
	List	   *oids = RelationGetIndexList(verify->table);
	ListCell   *lc;

	foreach(lc, oids)
	{
		LOCKMODE	lockmode = verify->locked ? RowExclusiveLock : AccessShareLock;
		Relation	index = index_open(lfirst_oid(lc), lockmode);

		if (index->rd_index->indisvalid && index->rd_index->indisready)
		{
			switch (index->rd_rel->relam)
			{
				case BTREE_AM_OID:
					verify_index(verify, index);
					break;
				case HASH_AM_OID:
				case GIST_AM_OID:
				case GIN_AM_OID:
				case SPGIST_AM_OID:
					if (verify->locked)
						verify_index(verify, index);
					break;
				default:
					break;
			}
		}
		index_close(index, lockmode);
	}
	list_free(oids);
}
