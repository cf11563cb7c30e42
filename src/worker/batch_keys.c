/*
 * batch_keys.c
 *		Are the keys of a batch of new rows free?
 */
#include "postgres.h"

#include "worker/batch_keys.h"

#include "access/genam.h"
#include "access/nbtree.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* Finding a series in a btree takes as long as reading so many of its pages. */
#define SEARCH_PAGES		0.25

/* Rows next to each other whose range of keys is looked for in the chunks. */
#define RANGE_ROWS			TSDB_CHUNK_ROWS

typedef struct Check
{
	Relation	table;
	Relation	index;
	TsdbBatchOrder batch;
	TsdbKeyColumns key;			/* columns of the index */
	int			time;			/* which of them is the time column */
	int		   *series;			/* which column of the batch's series key the others are */
	uint32	   *entries;		/* series by rank */
	Datum	   *values;			/* of a key that is looked up, by column of the table */
	bool	   *nulls;
	TsdbKeyConflict *conflict;
} Check;

/* Is a column's value the same number in whatever way its Datum came about? */
static bool
is_known_by_bytes(const TsdbKeyColumn *column)
{
	return column->kind == TSDB_KEY_STRING || column->kind == TSDB_KEY_FIXED ||
		(column->kind == TSDB_KEY_INTEGER && column->rank == TSDB_RANK_SIGNED);
}

static int
find_series(const TsdbSortKey *sort_key, AttrNumber attno)
{
	for (int i = 0; i < sort_key->nseries; i++)
	{
		if (sort_key->series[i] == attno)
			return i;
	}
	return -1;
}

bool
tsdb_batch_keys_suit(Relation table, Relation index, const TsdbSortKey *sort_key)
{
	bool		seen[INDEX_MAX_KEYS + 1] = {0}; /* the last one: the time column */
	TsdbKeyColumns key;

	if (index->rd_index->indnullsnotdistinct || sort_key->time == 0 ||
		IndexRelationGetNumberOfKeyAttributes(index) != sort_key->nseries + 1)
		return false;
	tsdb_key_columns_init(index, table, &key);
	for (int i = 0; i < key.count; i++)
	{
		const TsdbKeyColumn *column = &key.columns[i];
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(table), column->attno - 1);
		int			place = column->attno == sort_key->time ? INDEX_MAX_KEYS :
			find_series(sort_key, column->attno);

		if (place < 0 || seen[place] || !is_known_by_bytes(column) ||
			column->collation != att->attcollation)
			return false;
		if (place == INDEX_MAX_KEYS && column->kind != TSDB_KEY_INTEGER)
			return false;
		seen[place] = true;
	}
	return true;
}

/* Is it a string that is not there as it is? */
static bool
is_packed(const TsdbKeyColumn *column, Datum value)
{
	return column->kind == TSDB_KEY_STRING &&
		(VARATT_IS_COMPRESSED(DatumGetPointer(value)) ||
		 VARATT_IS_EXTERNAL(DatumGetPointer(value)));
}

bool
tsdb_batch_keys_fit(const TsdbBatch *batch, Relation table, Relation index)
{
	TsdbBatchOrder order;
	TsdbKeyColumns key;
	uint32		nentries;

	/* Since rows were gathered somebody may have stated another key. */
	tsdb_batch_order(batch, &order);
	if (!tsdb_batch_keys_suit(table, index, order.key))
		return false;

	/* The batch knows compressed values by the compressed bytes. */
	tsdb_key_columns_init(index, table, &key);
	(void) tsdb_batch_series_entries(order.series, &nentries);
	for (int i = 0; i < key.count; i++)
	{
		int			column = find_series(order.key, key.columns[i].attno);

		for (uint32 entry = 0; entry < nentries && column >= 0; entry++)
		{
			const bool *nulls;
			const Datum *values = tsdb_batch_series_key(order.series, entry, &nulls);

			if (!nulls[column] && is_packed(&key.columns[i], values[column]))
				return false;
		}
	}
	return true;
}

/* ---- rows of the batch ---- */

static uint32
rank_begin(const Check *check, uint32 rank)
{
	return rank == 0 ? 0 : check->batch.ranks[rank - 1].end;
}

static const TsdbBatchItem *
item_at(const Check *check, uint32 place)
{
	return &check->batch.items[check->batch.order[place]];
}

/* The rows of a rank that have a time end here, as null times come last. */
static uint32
rank_end(const Check *check, uint32 rank)
{
	uint32		end = check->batch.ranks[rank].end;
	uint32		begin = rank_begin(check, rank);

	while (end > begin && item_at(check, end - 1)->time_null)
		end--;
	return end;
}

static bool
has_null(const Check *check, uint32 rank)
{
	const bool *nulls;

	(void) tsdb_batch_series_key(check->batch.series, check->entries[rank], &nulls);
	for (int i = 0; i < check->batch.key->nseries; i++)
	{
		if (nulls[i])
			return true;
	}
	return false;
}

/* The time column's value, for comparisons. */
static Datum
time_datum(const Check *check, int64 time)
{
	switch (check->key.columns[check->time].length)
	{
		case 2:
			return Int16GetDatum((int16) time);
		case 4:
			return Int32GetDatum((int32) time);
		default:
			return Int64GetDatum(time);
	}
}

/* The value of a column of the index for a series, but for the time. */
static Datum
series_datum(const Check *check, uint32 rank, int column)
{
	const bool *nulls;

	return tsdb_batch_series_key(check->batch.series, check->entries[rank],
								 &nulls)[check->series[column]];
}

/* Is a conflict of this row worth to be known? */
static bool
comes_first(const Check *check, uint32 row)
{
	return check->conflict->index == NULL || row < check->conflict->row;
}

static void
note_conflict(Check *check, uint32 row, TsdbKeyState state, TransactionId holder, uint32 token)
{
	if (state == TSDB_KEY_FREE)
		return;
	*check->conflict = (TsdbKeyConflict) {
		check->index, row, state, holder, token
	};
}

/* Two rows of one series and time: the later one must not be there. */
static void
check_each_other(Check *check)
{
	for (uint32 rank = 0; rank < check->batch.nranks; rank++)
	{
		uint32		end = rank_end(check, rank);

		for (uint32 i = rank_begin(check, rank) + 1; i < end; i++)
		{
			if (item_at(check, i)->time == item_at(check, i - 1)->time &&
				comes_first(check, check->batch.order[i]) && !has_null(check, rank))
				note_conflict(check, check->batch.order[i], TSDB_KEY_TAKEN,
							  InvalidTransactionId, 0);
		}
		CHECK_FOR_INTERRUPTS();
	}
}

/* Set a value of the key that is looked up. */
static void
set_value(Check *check, int column, Datum value, bool isnull)
{
	const TsdbKeyColumn *described = &check->key.columns[column];

	if (!isnull && described->kind == TSDB_KEY_INTEGER)
	{
		int64		number = tsdb_key_integer(described, value);

		value = described->length == 1 ? CharGetDatum((char) number) :
			described->length == 2 ? Int16GetDatum((int16) number) :
			described->length == 4 ? Int32GetDatum((int32) number) : Int64GetDatum(number);
	}
	else if (!isnull && is_packed(described, value))
		value = PointerGetDatum(PG_DETOAST_DATUM_PACKED(value));
	check->values[described->attno - 1] = value;
	check->nulls[described->attno - 1] = isnull;
}

/* The rank of the series that was set, or PG_UINT32_MAX if the batch has no rows of it. */
static uint32
find_rank(const Check *check)
{
	uint32		hash;
	uint32		nentries;
	uint32		entry = tsdb_batch_series_find(check->batch.series, check->values,
											   check->nulls, &hash);

	return entry == TSDB_BATCH_SERIES_NEW ? PG_UINT32_MAX :
		tsdb_batch_series_entries(check->batch.series, &nentries)[entry].rank;
}

/* The first row of a rank at a time, in order of arrival; PG_UINT32_MAX if there is none. */
static uint32
find_row(const Check *check, uint32 rank, int64 time)
{
	uint32		low = rank_begin(check, rank);
	uint32		end = check->batch.ranks[rank].end;
	uint32		high = end;

	while (low < high)
	{
		uint32		middle = low + (high - low) / 2;

		if (item_at(check, middle)->time < time)
			low = middle + 1;
		else
			high = middle;
	}
	return low < end && item_at(check, low)->time == time && !item_at(check, low)->time_null ?
		check->batch.order[low] : PG_UINT32_MAX;
}

/* ---- the row store ---- */

/* The row that an entry of the btree stands for, of a key that is that of a row of ours. */
static void
judge_entry(Check *check, uint32 row, ItemPointer tid)
{
	ItemPointerData place = *tid;
	SnapshotData dirty;

	InitDirtySnapshot(dirty);
	if (!table_index_fetch_tuple_check(check->table, &place, &dirty, NULL))
		return;
	if (TransactionIdIsValid(dirty.xmin))
		note_conflict(check, row, TSDB_KEY_IN_DOUBT, dirty.xmin, dirty.speculativeToken);
	else if (TransactionIdIsValid(dirty.xmax))
		note_conflict(check, row, TSDB_KEY_IN_DOUBT, dirty.xmax, 0);
	else
		note_conflict(check, row, TSDB_KEY_TAKEN, InvalidTransactionId, 0);
}

static void
check_entry(Check *check, IndexScanDesc scan)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];
	uint32		rank;
	uint32		row;

	index_deform_tuple(scan->xs_itup, scan->xs_itupdesc, values, nulls);
	for (int i = 0; i < check->key.count; i++)
	{
		if (nulls[i])
			return;
		set_value(check, i, values[i], false);
	}
	rank = find_rank(check);
	if (rank == PG_UINT32_MAX)
		return;
	row = find_row(check, rank,
				   tsdb_key_integer(&check->key.columns[check->time], values[check->time]));
	if (row != PG_UINT32_MAX && comes_first(check, row))
		judge_entry(check, row, &scan->xs_heaptid);
}

static void
set_condition(const Check *check, ScanKey key, int column, int strategy, Datum argument)
{
	Relation	index = check->index;
	Oid			type = index->rd_opcintype[column];
	Oid			operator = get_opfamily_member(index->rd_opfamily[column], type, type, strategy);

	if (!OidIsValid(operator))
		elog(ERROR, "missing operator %d for type %u in opfamily %u", strategy, type,
			 index->rd_opfamily[column]);
	ScanKeyEntryInitialize(key, 0, column + 1, strategy, InvalidOid,
						   index->rd_indcollation[column], get_opcode(operator), argument);
}

static void
scan_entries(Check *check, IndexScanDesc scan, ScanKey conditions)
{
	btrescan(scan, conditions, scan->numberOfKeys, NULL, 0);
	while (btgettuple(scan, ForwardScanDirection))
	{
		check_entry(check, scan);
		CHECK_FOR_INTERRUPTS();
	}
}

/* The range of times of the batch; false if there is none. */
static bool
range_of_times(const Check *check, int64 *first, int64 *last)
{
	*first = PG_INT64_MAX;
	*last = PG_INT64_MIN;
	for (uint32 rank = 0; rank < check->batch.nranks; rank++)
	{
		uint32		begin = rank_begin(check, rank);
		uint32		end = rank_end(check, rank);

		if (begin == end)
			continue;
		*first = Min(*first, item_at(check, begin)->time);
		*last = Max(*last, item_at(check, end - 1)->time);
	}
	return *first <= *last;
}

static void
check_row_store(Check *check)
{
	BlockNumber pages = RelationGetNumberOfBlocks(check->index);
	bool		by_series = check->batch.nranks < SEARCH_PAGES * pages;
	int			nconditions = by_series ? check->key.count + 1 : 2;
	ScanKeyData conditions[INDEX_MAX_KEYS + 1];
	IndexScanDesc scan;
	SnapshotData dirty;
	int64		first;
	int64		last;

	if (pages <= BTREE_METAPAGE + 1 || !range_of_times(check, &first, &last))
		return;
	InitDirtySnapshot(dirty);
	scan = btbeginscan(check->index, nconditions, 0);
	scan->heapRelation = check->table;
	scan->xs_snapshot = &dirty;
	scan->parallel_scan = NULL;
	scan->xs_temp_snap = false;
	scan->xs_want_itup = true;

	/* The comparison's functions are looked up once. */
	for (int i = 0, next = 2; i < check->key.count && by_series; i++)
	{
		if (i != check->time)
			set_condition(check, &conditions[next++], i, BTEqualStrategyNumber, (Datum) 0);
	}
	set_condition(check, &conditions[0], check->time, BTGreaterEqualStrategyNumber,
				  time_datum(check, first));
	set_condition(check, &conditions[1], check->time, BTLessEqualStrategyNumber,
				  time_datum(check, last));
	if (by_series)
	{
		/* btree wants conditions in the order of its columns */
		ScanKeyData sorted[INDEX_MAX_KEYS + 1];

		for (uint32 rank = 0; rank < check->batch.nranks; rank++)
		{
			uint32		begin = rank_begin(check, rank);
			uint32		end = rank_end(check, rank);

			if (begin == end || has_null(check, rank))
				continue;
			for (int i = 0, next = 0, equal = 2; i < check->key.count; i++)
			{
				if (i == check->time)
				{
					sorted[next] = conditions[0];
					sorted[next++].sk_argument = time_datum(check,
															item_at(check, begin)->time);
					sorted[next] = conditions[1];
					sorted[next++].sk_argument = time_datum(check,
															item_at(check, end - 1)->time);
				}
				else
				{
					sorted[next] = conditions[equal++];
					sorted[next++].sk_argument = series_datum(check, rank, i);
				}
			}
			scan_entries(check, scan, sorted);
		}
	}
	else
		scan_entries(check, scan, conditions);
	btendscan(scan);
	IndexScanEnd(scan);
}

/* ---- chunks ---- */

/* Extend a box by the rows of a rank; false if none of them has a whole key. */
static bool
add_to_box(const Check *check, TsdbChunkMap *map, uint32 rank, TsdbKeyBox *box)
{
	uint32		begin = rank_begin(check, rank);
	uint32		end = rank_end(check, rank);

	if (begin == end || has_null(check, rank))
		return false;
	for (int i = 0; i < check->key.count; i++)
	{
		if (i != check->time)
			tsdb_key_box_add(map, box, i, series_datum(check, rank, i));
	}
	tsdb_key_box_add(map, box, check->time, time_datum(check, item_at(check, begin)->time));
	tsdb_key_box_add(map, box, check->time, time_datum(check, item_at(check, end - 1)->time));
	return true;
}

/* Chunks to look into, each once. */
typedef struct Candidates
{
	uint8	   *listed;			/* a bit for each place of the map */
	TsdbChunkRef *refs;
	uint32		count;
	uint32		allocated;
} Candidates;

static void
add_candidate(const Check *check, Candidates *candidates, const TsdbChunkRef *ref)
{
	if ((candidates->listed[ref->place / 8] >> (ref->place % 8) & 1) != 0)
		return;
	candidates->listed[ref->place / 8] |= 1 << (ref->place % 8);

	/* our own ones are no news */
	if (bsearch(&ref->chunk, check->batch.chunks, check->batch.nchunks, sizeof(uint32),
				tsdb_batch_compare_chunks) != NULL)
		return;
	if (candidates->count == candidates->allocated)
	{
		candidates->allocated = Max(candidates->allocated * 2, 64);
		candidates->refs = candidates->refs == NULL ?
			palloc(candidates->allocated * sizeof(TsdbChunkRef)) :
			repalloc_huge(candidates->refs, candidates->allocated * sizeof(TsdbChunkRef));
	}
	candidates->refs[candidates->count++] = *ref;
}

/* Find the chunks whose range of keys overlaps that of rows next to each other. */
static void
find_candidates(const Check *check, TsdbChunkMap *map, Candidates *candidates)
{
	uint32		rank = 0;

	candidates->listed = palloc0(tsdb_chunk_map_count(map) / 8 + 1);
	while (rank < check->batch.nranks)
	{
		uint32		first = rank_begin(check, rank);
		uint32		shard = check->batch.ranks[rank].shard;
		bool		any = false;
		TsdbChunkRefs found;
		TsdbKeyBox	box;

		tsdb_key_box_init_empty(&box);
		do
		{
			any |= add_to_box(check, map, rank, &box);
			rank++;
		} while (rank < check->batch.nranks && check->batch.ranks[rank].shard == shard &&
				 check->batch.ranks[rank].end - first <= RANGE_ROWS);
		if (!any)
			continue;
		tsdb_chunk_map_find(map, &box, NULL, NULL, &found);
		for (int i = 0; i < found.count; i++)
			add_candidate(check, candidates, &found.refs[i]);
		if (found.refs != found.few)
			pfree(found.refs);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Do two rows of a chunk have the same series, as far as that is cheap to tell? */
static bool
is_same_series(const Check *check, const TsdbChunkKeys *keys, uint32 row)
{
	for (int i = 0; i < check->key.count; i++)
	{
		if (i != check->time && keys->values[i][row] != keys->values[i][row - 1])
			return false;
	}
	return true;
}

static bool
has_null_key(const Check *check, const TsdbChunkKeys *keys, uint32 row)
{
	for (int i = 0; i < check->key.count; i++)
	{
		if (tsdb_chunk_keys_is_null(keys, i, row))
			return true;
	}
	return false;
}

static void
check_chunk(Check *check, TsdbChunkMap *map, const TsdbChunkRef *ref)
{
	const TsdbKeyColumn *time_column = &check->key.columns[check->time];
	uint32		rank = PG_UINT32_MAX;
	bool		known = false;	/* rank is that of the row before */
	int64		first = 0;
	int64		last = -1;
	TsdbChunkKeys keys;

	if (!tsdb_key_cache_read(map, check->table, ref, &keys))
		return;
	for (uint32 row = 0; row < keys.nrows; row++)
	{
		TsdbKeyMatch match = {ref->chunk, row, ref->generation};
		TransactionId holder = InvalidTransactionId;
		uint32		place;
		int64		time;

		if (has_null_key(check, &keys, row))
		{
			known = false;
			continue;
		}
		if (!known || !is_same_series(check, &keys, row))
		{
			for (int i = 0; i < check->key.count; i++)
				set_value(check, i, keys.values[i][row], false);
			rank = find_rank(check);
			known = true;
			first = 0;
			last = -1;
			if (rank != PG_UINT32_MAX && rank_begin(check, rank) < rank_end(check, rank))
			{
				first = item_at(check, rank_begin(check, rank))->time;
				last = item_at(check, rank_end(check, rank) - 1)->time;
			}
		}
		time = tsdb_key_integer(time_column, keys.values[check->time][row]);
		if (time < first || time > last)
			continue;
		place = find_row(check, rank, time);
		if (place != PG_UINT32_MAX && comes_first(check, place))
		{
			TsdbKeyState state = tsdb_key_judge(check->table, &match, &holder);

			note_conflict(check, place, state, holder, 0);
		}
	}
}

static void
check_chunks(Check *check)
{
	TsdbChunkMap *map = tsdb_chunk_map_get(check->index, check->table);
	MemoryContext memory;
	MemoryContext old;
	Candidates	candidates = {0};

	if (tsdb_chunk_map_is_empty(map))
		return;
	find_candidates(check, map, &candidates);
	memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb keys of chunk",
								   ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(memory);
	for (uint32 i = 0; i < candidates.count; i++)
	{
		check_chunk(check, map, &candidates.refs[i]);
		MemoryContextReset(memory);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(memory);
}

/* ---- all together ---- */

static void
begin_check(Check *check, TsdbBatch *batch, Relation table, Relation index)
{
	const TsdbBatchSeriesEntry *entries;
	uint32		nentries;
	int			natts = RelationGetDescr(table)->natts;

	check->table = table;
	check->index = index;
	tsdb_batch_order(batch, &check->batch);
	tsdb_key_columns_init(index, table, &check->key);
	check->series = palloc0(check->key.count * sizeof(int));
	for (int i = 0; i < check->key.count; i++)
	{
		if (check->key.columns[i].attno == check->batch.key->time)
			check->time = i;
		else
			check->series[i] = find_series(check->batch.key, check->key.columns[i].attno);
	}
	entries = tsdb_batch_series_entries(check->batch.series, &nentries);
	check->entries = palloc0(Max(check->batch.nranks, 1) * sizeof(uint32));
	for (uint32 i = 0; i < nentries; i++)
		check->entries[entries[i].rank] = i;
	check->values = palloc0(Max(natts, 1) * sizeof(Datum));
	check->nulls = palloc0(Max(natts, 1) * sizeof(bool));
}

static void
take_moment(Relation index, TsdbKeyMoment *moment)
{
	tsdb_key_note_read(index, &moment->note);
	moment->at_work = TransactionIdIsValid(moment->note.writer) &&
		!tsdb_key_writer_ended(moment->note.writer);
}

/* Has so many times a load added chunks since, and has no row moved? */
static bool
is_quiet(Relation index, const TsdbKeyMoment *moment, uint64 *loads)
{
	TsdbKeyNote note;

	tsdb_key_note_read(index, &note);
	*loads = note.loads - moment->note.loads;
	return tsdb_key_note_is_quiet(&moment->note, moment->at_work, &note);
}

/* Look into the chunks until no row moves while we do. */
static void
check_chunks_quietly(Check *check, TsdbKeyMoment *moment)
{
	uint64		loads;

	do
	{
		take_moment(check->index, moment);
		check_chunks(check);
		CHECK_FOR_INTERRUPTS();
	} while (!is_quiet(check->index, moment, &loads));
}

void
tsdb_batch_keys_check(TsdbBatch *batch, Relation table, Relation index, bool placed,
					  TsdbKeyMoment *moment, TsdbKeyConflict *conflict)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb keys of batch",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(memory);
	Check		check = {.conflict = conflict};
	uint64		loads;

	begin_check(&check, batch, table, index);
	if (!placed)
		check_each_other(&check);
	check_row_store(&check);
	if (!placed)
		check_chunks_quietly(&check, moment);
	else if (!is_quiet(index, moment, &loads) || loads != 1)
	{
		TsdbKeyMoment now;

		check_chunks_quietly(&check, &now);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(memory);
}
