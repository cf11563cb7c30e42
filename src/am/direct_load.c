/*
 * direct_load.c
 *		Many new rows of one statement: to chunks, past the row store.
 */
#include "postgres.h"

#include "am/direct_load.h"

#include "access/detoast.h"
#include "access/heapam.h"
#include "access/table.h"
#include "am/assigned_columns.h"
#include "am/copy_input.h"
#include "am/insert.h"
#include "am/load_keys.h"
#include "am/load_lines.h"
#include "catalog/catalog.h"
#include "catalog/pg_class.h"
#include "executor/tuptable.h"
#include "ingest/row_writer.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "stats/stop_point.h"
#include "store/chunk_tid.h"
#include "store/row_store.h"
#include "store/storage.h"
#include "tcop/utility.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "worker/batch.h"
#include "worker/grow.h"

/* Rows of one INSERT that go straight to the row store before any is gathered. */
#define ROWS_BEFORE		64

/* Tables that one session gathers rows for at a time; others' rows are not gathered. */
#define LOADS_MAX		64

/* From so many rows on, what tsdb.ingest() brings is chunks, though of all series mixed. */
#define ROWS_OF_MIXED	(TSDB_CHUNK_ROWS / 2)

/* Rows given to heap at a time: some pages full. */
#define ROW_STORE_BATCH	256

/* Rows of one command on their way into one table. */
typedef struct Load
{
	struct Load *next;
	uint64		serial;			/* in order of creation */
	Oid			relid;
	CommandId	command;
	int			options;		/* of the callbacks, as heap's */
	SubTransactionId owner;		/* whose rows they are */
	SubTransactionId written;	/* that has written them, and may still be rolled back */
	bool		refused;		/* it is all for the row store */
	bool		indexed;		/* the executor will ask indexes to take the rows */
	bool		by_value;		/* all columns are passed by value */
	bool		ingested;		/* rows that are not to wait for compaction, be they few */
	MemoryContext memory;
	TsdbBatch  *batch;
	TsdbBatchRows *rows;		/* of it */
	TsdbLoadLines *lines;		/* that they come from; NULL: from no COPY, or nobody will ask */
	Size		bytes;			/* that they take */
} Load;

int			tsdb_direct_load_rows = TSDB_DIRECT_LOAD_ROWS_DEFAULT;
int			tsdb_direct_load_memory = TSDB_DIRECT_LOAD_MEMORY_DEFAULT;

static Load *loads = NULL;		/* newest first; in TopTransactionContext */
static int	nloads = 0;
static uint64 last_serial = 0;
static Size gathered = 0;		/* bytes of all loads */
static bool writing = false;	/* what is opened now is opened by us */
static bool copying = false;	/* COPY FROM is running, and has run nothing yet */

static ProcessUtility_hook_type previous_utility = NULL;

/* ---- writing ---- */

/* All rows to the row store. */
static void
write_to_row_store(Load *load, Relation rel, TsdbLoadKeys *keys)
{
	TupleTableSlot *slots[ROW_STORE_BATCH];
	TupleDesc	tupdesc = CreateTupleDescCopy(RelationGetDescr(rel));
	uint32		count = load->rows->count;
	uint32		nslots = Min(count, ROW_STORE_BATCH);
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext,
												 "tsdb direct load tuples",
												 ALLOCSET_DEFAULT_SIZES);
	BulkInsertState bulk = GetBulkInsertState();
	uint32		done = 0;

	/* The copy is not counted: a resource owner would take longer over slots than heap over rows. */
	for (uint32 i = 0; i < nslots; i++)
		slots[i] = MakeSingleTupleTableSlot(tupdesc, &TTSOpsVirtual);
	while (done < count)
	{
		uint32		n = Min(count - done, ROW_STORE_BATCH);
		MemoryContext old = MemoryContextSwitchTo(memory);

		for (uint32 i = 0; i < n; i++)
		{
			tsdb_batch_rows_read(load->rows, tupdesc, done + i, slots[i]->tts_values,
								 slots[i]->tts_isnull);
			ExecStoreVirtualTuple(slots[i]);
		}
		heap_multi_insert(rel, slots, n, load->command, load->options, bulk);
		for (uint32 i = 0; i < n; i++)
		{
			if (load->lines != NULL)
				tsdb_load_lines_name_row(load->lines, done + i);
			tsdb_load_keys_enter(keys, rel, slots[i]);
			ExecClearTuple(slots[i]);
		}
		done += n;
		MemoryContextSwitchTo(old);
		MemoryContextReset(memory);
		CHECK_FOR_INTERRUPTS();
	}
	for (uint32 i = 0; i < nslots; i++)
		ExecDropSingleTupleTableSlot(slots[i]);
	FreeBulkInsertState(bulk);
	MemoryContextDelete(memory);
	tsdb_insert_count(rel, count);
}

/*
 * Rows to chunks: all, or those that make good ones if more may come; false if that cannot be now.  Operators of
 * column types run as they do in a compaction: as the table's owner, and can do no more.
 */
static bool
write_to_chunks(Load *load, Relation rel, TsdbLoadKeys *keys, bool mixed, bool more)
{
	TsdbStorage *storage = NULL;
	bool		shards[TSDB_SHARDS_MAX];
	int64		bytes = 0;
	Oid			save_userid;
	int			save_sec_context;
	int			save_nestlevel;

	/* Relations cannot be made then, and we may be a reader's victim in it. */
	if (IsInParallelMode() || !tsdb_load_keys_fit(keys, rel, load->batch))
		return false;

	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(rel->rd_rel->relowner,
						   save_sec_context | SECURITY_RESTRICTED_OPERATION);
	save_nestlevel = NewGUCNestLevel();

	/* Names in the operators' functions must not be looked up where the inserter wants. */
	(void) set_config_option("search_path", "", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);

	tsdb_batch_set_target(load->batch, rel, &storage, load->command,
						  (load->options & HEAP_INSERT_FROZEN) != 0);
	if (mixed)
		tsdb_batch_rows_mix(load->rows);
	if (keys->any_unique)
		tsdb_batch_hold(load->batch);
	if (more)
		tsdb_batch_leave_rest(load->batch);
	tsdb_batch_shards(load->batch, shards);
	storage = tsdb_grow_open(rel, shards, keys->any_unique);
	if (storage != NULL)
	{
		tsdb_stop_point("load_before_write");
		(void) tsdb_batch_write(load->batch, 0, 0, &bytes);
		tsdb_stop_point("load_after_write");
	}

	AtEOXact_GUC(false, save_nestlevel);
	SetUserIdAndSecContext(save_userid, save_sec_context);
	if (storage == NULL)
		return false;
	tsdb_load_keys_place(keys, rel, load->batch, load->lines);
	tsdb_storage_close(storage);
	pgstat_count_heap_insert(rel, load->rows->nordered);
	tsdb_insert_count(rel, load->rows->nordered);
	return true;
}

/* All rows are written, and stay so. */
static void
forget_rows(Load *load)
{
	gathered -= load->bytes;
	load->bytes = 0;
	load->written = InvalidSubTransactionId;
	tsdb_batch_clear(load->batch);
	if (load->lines != NULL)
		tsdb_load_lines_clear(load->lines);
}

/* The same but for rows that were left out, which wait for more of their series. */
static void
forget_written(Load *load, Relation rel)
{
	Size		bytes;

	if (load->lines != NULL && load->rows->left != NULL)
		tsdb_load_lines_keep(load->lines, load->rows->left, load->rows->count);
	else if (load->lines != NULL)
		tsdb_load_lines_clear(load->lines);
	bytes = tsdb_batch_clear_written(load->batch, rel);
	gathered -= load->bytes - bytes;
	load->bytes = bytes;
}

static bool
has_rows(const Load *load)
{
	return load->rows != NULL && load->rows->count > 0 &&
		load->written == InvalidSubTransactionId;
}

/*
 * Are there enough rows for chunks?  A load that is only written since memory is needed
 * is a large one, be its rows few for their length or for the number of tables.
 */
static bool
is_large(const Load *load, bool for_memory)
{
	uint32		rows = load->rows->count;

	return rows >= tsdb_direct_load_rows ||
		(for_memory && (rows >= TSDB_CHUNK_ROWS || load->bytes >= TSDB_CHUNK_RAW_MAX));
}

/*
 * Or for one of all series together?  That costs less than the row store, in time, log and disk, and is merged by compaction
 * as small chunks are.
 */
static bool
is_chunk(const Load *load)
{
	return load->ingested && load->rows->count >= ROWS_OF_MIXED;
}

/* Write what was gathered, where it belongs. */
static void
write_load(Load *load, bool for_memory)
{
	MemoryContext memory;
	MemoryContext old;
	const bool	pushed = !ActiveSnapshotSet();
	const bool	own = GetCurrentSubTransactionId() == load->owner;

	if (!has_rows(load))
		return;
	memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb direct load writing",
								   ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(memory);
	if (pushed)
		PushActiveSnapshot(GetTransactionSnapshot());
	writing = true;
	PG_TRY();
	{
		/* The statement that gathered them, or its transaction, has the lock. */
		Relation	rel = table_open(load->relid, NoLock);
		bool		large = is_large(load, for_memory);
		bool		more = for_memory && own && large;
		TsdbLoadKeys keys;

		if (load->lines != NULL)
			tsdb_load_lines_begin_context(load->lines);
		tsdb_load_keys_open(&keys, rel);
		if ((!large && !is_chunk(load)) || !write_to_chunks(load, rel, &keys, !large, more))
			write_to_row_store(load, rel, &keys);
		tsdb_load_keys_close(&keys);
		if (more)
			forget_written(load, rel);
		else if (own)
			forget_rows(load);
		else
			load->written = GetCurrentSubTransactionId();
		table_close(rel, NoLock);
		if (load->lines != NULL)
			tsdb_load_lines_end_context(load->lines);
	}
	PG_FINALLY();
	{
		writing = false;
	}
	PG_END_TRY();
	if (pushed)
		PopActiveSnapshot();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(memory);
}

static void
write_rows(Load *load)
{
	write_load(load, false);
}

/* ---- gathering ---- */

/* Is that an INSERT of the executor's which asks for no TID? */
static bool
asks_no_tids(Relation rel, CommandId command)
{
	TsdbRunningQuery *running = tsdb_running_query();
	PlannedStmt *statement = running != NULL ? running->query->plannedstmt : NULL;
	ModifyTable *modify;

	if (statement == NULL || statement->commandType != CMD_INSERT ||
		statement->hasReturning || statement->hasModifyingCTE ||
		!IsA(statement->planTree, ModifyTable))
		return false;
	modify = (ModifyTable *) statement->planTree;
	return modify->onConflictAction == ONCONFLICT_NONE && modify->returningLists == NIL &&
		modify->withCheckOptionLists == NIL &&
		tsdb_running_query_target(running, rel) != NULL &&
		running->query->estate->es_output_cid == command;
}

/* May rows of this table go to chunks at once?  Sets *indexed if indexes will be asked to take them. */
static bool
is_suitable(Relation rel, CommandId command, TsdbLoadSource source, bool *indexed)
{
	return (rel->rd_rel->relkind == RELKIND_RELATION ||
			rel->rd_rel->relkind == RELKIND_MATVIEW) &&
		!OidIsValid(rel->rd_rel->relrewrite) &&
		!IsolationIsSerializable() &&
		!RelationIsLogicallyLogged(rel) &&
		!RelationIsUsedAsCatalogTable(rel) &&
		(rel->trigdesc == NULL || !rel->trigdesc->trig_insert_after_row) &&
		(source != TSDB_LOAD_ROWS || asks_no_tids(rel, command)) &&
		tsdb_load_keys_suit(rel, indexed) && !(*indexed && source == TSDB_LOAD_RING);
}

static Load *
find_load(Relation rel, CommandId command, int options)
{
	Oid			relid = RelationGetRelid(rel);
	SubTransactionId owner = GetCurrentSubTransactionId();

	for (Load *load = loads; load != NULL; load = load->next)
	{
		if (load->relid == relid && load->command == command && load->owner == owner &&
			load->options == options)
			return load;
	}
	return NULL;
}

/*
 * An INSERT that has nothing to project copies each row to a slot of the table's kind, which
 * forms a tuple of it.  With a slot of the plan's kind we are given the plan's own.
 */
static void
ask_for_values(Relation rel)
{
	TsdbRunningQuery *running = tsdb_running_query();
	ResultRelInfo *target = running != NULL ? tsdb_running_query_target(running, rel) : NULL;

	if (target != NULL && target->ri_projectNewInfoValid && target->ri_projectNew == NULL &&
		target->ri_newTupleSlot != NULL && target->ri_newTupleSlot->tts_ops != &TTSOpsVirtual)
		target->ri_newTupleSlot = ExecAllocTableSlot(&running->query->estate->es_tupleTable,
													 RelationGetDescr(rel), &TTSOpsVirtual);
}

static bool
has_only_values(TupleDesc tupdesc)
{
	for (int i = 0; i < tupdesc->natts; i++)
	{
		if (!TupleDescAttr(tupdesc, i)->attbyval)
			return false;
	}
	return true;
}

static Load *
create_load(Relation rel, CommandId command, int options, TsdbLoadSource source)
{
	Load	   *load = MemoryContextAllocZero(TopTransactionContext, sizeof(Load));

	load->relid = RelationGetRelid(rel);
	load->command = command;
	load->options = options;
	load->owner = GetCurrentSubTransactionId();
	load->written = InvalidSubTransactionId;
	load->refused = !is_suitable(rel, command, source, &load->indexed);
	if (!load->refused)
	{
		MemoryContext old;

		/* In parallel mode it could not be assigned when it is needed. */
		(void) GetCurrentTransactionId();
		load->memory = AllocSetContextCreate(TopTransactionContext, "tsdb direct load",
											 ALLOCSET_DEFAULT_SIZES);
		old = MemoryContextSwitchTo(load->memory);
		load->batch = tsdb_batch_create_packed(rel);
		load->rows = tsdb_batch_rows(load->batch);
		load->by_value = has_only_values(RelationGetDescr(rel));
		if (load->indexed)
			load->lines = tsdb_load_lines_create();
		MemoryContextSwitchTo(old);
	}
	if (!load->refused && source == TSDB_LOAD_ROWS)
		ask_for_values(rel);
	load->serial = ++last_serial;
	load->next = loads;
	loads = load;
	nloads++;
	return load;
}

static void
free_load(Load *load)
{
	gathered -= load->bytes;
	if (load->memory != NULL)
		MemoryContextDelete(load->memory);
	pfree(load);
	nloads--;
}

/* Does the row fit into a chunk? */
static bool
fits(Relation rel, TupleTableSlot *slot)
{
	TupleDesc	tupdesc = RelationGetDescr(rel);
	Size		bytes = 0;

	for (int i = 0; i < tupdesc->natts; i++)
	{
		Pointer		value = DatumGetPointer(slot->tts_values[i]);

		if (TupleDescAttr(tupdesc, i)->attlen != -1 || slot->tts_isnull[i])
			continue;
		if (VARATT_IS_EXTERNAL(value) || !VARATT_IS_SHORT(value))
			bytes += toast_raw_datum_size(slot->tts_values[i]);
	}
	return bytes <= TSDB_ROW_BYTES_MAX;
}

/* Is a column's value not in the row, or an object in memory? */
static inline bool
is_elsewhere(TupleDesc tupdesc, TupleTableSlot *slot, int column)
{
	return TupleDescAttr(tupdesc, column)->attlen == -1 && !slot->tts_isnull[column] &&
		VARATT_IS_EXTERNAL(DatumGetPointer(slot->tts_values[column]));
}

/*
 * Gather a row that has values elsewhere than in it: another table's out-of-line values may be gone
 * when the row is written.
 */
static Size
pack_flattened(Load *load, Relation rel, TupleTableSlot *slot)
{
	TupleDesc	tupdesc = RelationGetDescr(rel);
	Datum	   *values = palloc(tupdesc->natts * sizeof(Datum));
	Size		bytes;

	memcpy(values, slot->tts_values, tupdesc->natts * sizeof(Datum));
	for (int i = 0; i < tupdesc->natts; i++)
	{
		if (is_elsewhere(tupdesc, slot, i))
			values[i] = PointerGetDatum(detoast_external_attr((struct varlena *)
															  DatumGetPointer(values[i])));
	}
	bytes = tsdb_batch_rows_pack(load->rows, tupdesc, values, slot->tts_isnull);
	for (int i = 0; i < tupdesc->natts; i++)
	{
		if (is_elsewhere(tupdesc, slot, i))
			pfree(DatumGetPointer(values[i]));
	}
	pfree(values);
	return bytes;
}

/* Gather a row; false if it does not fit into a chunk. */
static bool
gather_row(Load *load, Relation rel, TupleTableSlot *slot)
{
	bool		any_elsewhere = false;
	Size		bytes;

	slot_getallattrs(slot);
	if (!load->by_value)
	{
		TupleDesc	tupdesc = RelationGetDescr(rel);

		if (!fits(rel, slot))
			return false;
		for (int i = 0; i < tupdesc->natts && !any_elsewhere; i++)
			any_elsewhere = is_elsewhere(tupdesc, slot, i);
	}
	if (any_elsewhere)
		bytes = pack_flattened(load, rel, slot);
	else
		bytes = tsdb_batch_rows_pack(load->rows, RelationGetDescr(rel), slot->tts_values,
									 slot->tts_isnull);
	load->bytes += bytes;
	gathered += bytes;
	return true;
}

/* Take memory back: the largest loads are written first. */
static void
limit_memory(void)
{
	while (gathered > (Size) tsdb_direct_load_memory * 1024)
	{
		Load	   *largest = NULL;

		for (Load *load = loads; load != NULL; load = load->next)
		{
			if (has_rows(load) && load->owner == GetCurrentSubTransactionId() &&
				(largest == NULL || load->bytes > largest->bytes))
				largest = load;
		}
		if (largest == NULL)
			return;				/* others' have to wait for their own */
		write_load(largest, true);
	}
}

/* Do so few rows come first that they had better not be gathered? */
static bool
comes_first(int nslots, TsdbLoadSource source)
{
	TsdbRunningQuery *running = tsdb_running_query();
	uint64		rows = Min(ROWS_BEFORE, tsdb_direct_load_rows - 1);

	if (source != TSDB_LOAD_ROWS)
		return nslots > 1 && nslots <= rows;	/* the only ones of a small COPY */
	if (running == NULL)
		return true;
	if (running->inserted >= rows)
		return false;
	running->inserted += nslots;
	return true;
}

bool
tsdb_direct_load_take(Relation rel, TupleTableSlot **slots, int nslots, CommandId command,
					  int options, TsdbLoadSource source)
{
	Load	   *load;

	if (tsdb_direct_load_rows == 0 || writing)
		return false;
	load = loads != NULL ? find_load(rel, command, options) : NULL;
	if (load == NULL)
	{
		if (comes_first(nslots, source) || nloads >= LOADS_MAX)
			return false;
		load = create_load(rel, command, options, source);
	}
	if (load->refused)
		return false;
	if (load->indexed)
		limit_memory();			/* now that the lines of all rows are known */

	for (int i = 0; i < nslots; i++)
	{
		slots[i]->tts_tableOid = RelationGetRelid(rel);
		if (gather_row(load, rel, slots[i]))
		{
			if (load->indexed)
				tsdb_tid_set_gathered(&slots[i]->tts_tid, load->rows->count - 1);
			else
				ItemPointerSetInvalid(&slots[i]->tts_tid);
		}
		else
		{
			GetHeapamTableAmRoutine()->tuple_insert(rel, slots[i], command, options, NULL);
			tsdb_insert_count(rel, 1);
		}
	}
	if (!load->indexed)
		limit_memory();
	return true;
}

/* The row of a load that a TID stands for, which was gathered lately. */
static uint32
gathered_row(const Load *load, ItemPointer tid)
{
	uint32		last = load->rows->count - 1;
	uint32		number = ItemPointerGetOffsetNumberNoCheck(tid) - 1;

	return last - (last - number) % TSDB_TID_GATHERED_ROWS;
}

void
tsdb_direct_load_note_line(Relation rel, ItemPointer tid)
{
	for (Load *load = loads; load != NULL; load = load->next)
	{
		if (load->relid != RelationGetRelid(rel) || load->lines == NULL)
			continue;
		if (has_rows(load))
			tsdb_load_lines_note(load->lines, gathered_row(load, tid));
		return;
	}
}

/* The rows of a block that are taken one by one. */
static void
gather_slice(Load *load, Relation rel, TsdbRowReader *reader, Datum *values, bool *nulls)
{
	while (reader->left > 0 && tsdb_row_reader_next(reader, values, nulls))
	{
		Size		bytes = tsdb_batch_rows_pack(load->rows, RelationGetDescr(rel), values,
												 nulls);

		load->bytes += bytes;
		gathered += bytes;
	}
}

/* Gather what tsdb.ingest() has brought, without copying columns that stay until the transaction ends. */
static bool
take_block(Relation rel, const TsdbRowBlock *block, CommandId command, bool stay)
{
	int			natts = RelationGetDescr(rel)->natts;
	Load	   *load;
	TsdbRowReader reader;
	TsdbRowArray *arrays;
	Datum	   *values;
	bool	   *nulls;
	bool		columns;

	if (tsdb_direct_load_rows == 0 || writing || block->used > TSDB_ROW_BYTES_MAX)
		return false;
	load = find_load(rel, command, 0);
	if (load == NULL && nloads >= LOADS_MAX)
		return false;
	if (load == NULL)
		load = create_load(rel, command, 0, TSDB_LOAD_RING);
	if (load->refused)
		return false;

	load->ingested = true;
	arrays = palloc(natts * sizeof(TsdbRowArray));
	values = palloc(natts * sizeof(Datum));
	nulls = palloc(natts * sizeof(bool));
	columns = tsdb_batch_rows_take_columns(load->rows, RelationGetDescr(rel));
	tsdb_row_reader_init(&reader, block);
	while (tsdb_row_reader_next_slice(&reader))
	{
		uint32		rows = columns ? tsdb_row_reader_take_slice(&reader, arrays) : 0;
		Size		bytes;

		if (rows == 0)
		{
			gather_slice(load, rel, &reader, values, nulls);
			continue;
		}
		bytes = tsdb_batch_rows_pack_columns(load->rows, RelationGetDescr(rel), arrays, rows,
											 stay);
		load->bytes += bytes;
		gathered += bytes;
	}
	pfree(nulls);
	pfree(values);
	pfree(arrays);
	limit_memory();
	return true;
}

/* ---- ends ---- */

uint64
tsdb_direct_load_begin_statement(void)
{
	return last_serial;
}

void
tsdb_direct_load_end_statement(uint64 mark)
{
	while (loads != NULL && loads->serial > mark)
	{
		Load	   *load = loads;

		write_rows(load);
		if (loads != load)
			continue;			/* writing has run something that loads */
		loads = load->next;
		free_load(load);
	}
}

/* Might rows be seen by who reads with the active snapshot? */
static bool
may_be_seen(const Load *load)
{
	Snapshot	snapshot = ActiveSnapshotSet() ? GetActiveSnapshot() : NULL;

	return snapshot == NULL || !IsMVCCSnapshot(snapshot) ||
		snapshot->curcid > load->command;
}

static void
before_open(Relation table)
{
	if (loads == NULL || writing)
		return;
	for (Load *load = loads; load != NULL; load = load->next)
	{
		if (load->relid == RelationGetRelid(table) && has_rows(load) && may_be_seen(load))
			write_rows(load);
	}
}

const TupleTableSlotOps *
tsdb_direct_load_slot_callbacks(Relation rel)
{
	bool		indexed;

	if (copying && !writing && tsdb_direct_load_rows > 0 &&
		is_suitable(rel, InvalidCommandId, TSDB_LOAD_BULK, &indexed))
	{
		tsdb_copy_input_install();
		return &TTSOpsVirtual;
	}
	return GetHeapamTableAmRoutine()->slot_callbacks(rel);
}

void
tsdb_direct_load_want_tuples(void)
{
	copying = false;
}

void
tsdb_direct_load_before_query(const QueryDesc *query)
{
	copying = false;
	if (loads == NULL || writing || !query->plannedstmt->parallelModeNeeded ||
		IsInParallelMode())
		return;
	for (Load *load = loads; load != NULL; load = load->next)
		write_rows(load);
}

void
tsdb_direct_load_before_commit(void)
{
	for (Load *load = loads; load != NULL; load = load->next)
		write_rows(load);
}

void
tsdb_direct_load_at_xact_end(void)
{
	loads = NULL;
	nloads = 0;
	gathered = 0;
	writing = false;
	tsdb_grow_at_xact_end();
}

static void
at_subxact_event(SubXactEvent event, SubTransactionId own_id, SubTransactionId parent_id,
				 void *arg)
{
	Load	  **place = &loads;

	if (loads == NULL)
		return;
	if (event == SUBXACT_EVENT_PRE_COMMIT_SUB)
	{
		for (Load *load = loads; load != NULL; load = load->next)
		{
			if (load->owner == own_id)
				write_rows(load);
		}
		return;
	}
	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	while (*place != NULL)
	{
		Load	   *load = *place;

		if (load->owner == own_id && event == SUBXACT_EVENT_ABORT_SUB)
		{
			*place = load->next;
			free_load(load);
			continue;
		}
		if (load->owner == own_id)
			load->owner = parent_id;
		if (load->written == own_id)
		{
			if (event == SUBXACT_EVENT_ABORT_SUB)
				load->written = InvalidSubTransactionId;
			else if (load->owner == parent_id)
				forget_rows(load);
			else
				load->written = parent_id;
		}
		place = &load->next;
	}
}

/* COPY ends here; what it calls is ended by itself. */
static void
process_utility(PlannedStmt *statement, const char *query_string, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *query_env, DestReceiver *dest, QueryCompletion *qc)
{
	bool		loads_rows = IsA(statement->utilityStmt, CopyStmt) &&
		((CopyStmt *) statement->utilityStmt)->is_from;
	uint64		mark = tsdb_direct_load_begin_statement();

	copying = loads_rows;
	PG_TRY();
	{
		if (previous_utility)
			previous_utility(statement, query_string, read_only_tree, context, params,
							 query_env, dest, qc);
		else
			standard_ProcessUtility(statement, query_string, read_only_tree, context, params,
									query_env, dest, qc);
	}
	PG_FINALLY();
	{
		copying = false;
	}
	PG_END_TRY();
	if (loads_rows)
		tsdb_direct_load_end_statement(mark);
}

void
tsdb_direct_load_init(void)
{
	DefineCustomIntVariable("tsdb.direct_load_rows",
							"Rows of one statement from which on they are written as chunks at once.",
							"Fewer rows go to the row store, for compaction to come. 0 turns it off.",
							&tsdb_direct_load_rows, TSDB_DIRECT_LOAD_ROWS_DEFAULT,
							TSDB_DIRECT_LOAD_ROWS_MIN, TSDB_DIRECT_LOAD_ROWS_MAX,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("tsdb.direct_load_memory",
							"Memory for rows that a statement gathers before it writes chunks.",
							"Less memory makes chunks of more series, which compaction merges later.",
							&tsdb_direct_load_memory, TSDB_DIRECT_LOAD_MEMORY_DEFAULT,
							TSDB_DIRECT_LOAD_MEMORY_MIN, TSDB_DIRECT_LOAD_MEMORY_MAX,
							PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);
	RegisterSubXactCallback(at_subxact_event, NULL);
	tsdb_storage_before_open = before_open;
	tsdb_row_writer_gather = take_block;
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
