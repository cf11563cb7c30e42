/*
 * batch_rows.c
 *		The rows of a batch: gathered as they come, read in order.
 */
#include "postgres.h"

#include "worker/batch_rows.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "store/storage.h"
#include "store/table_key.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* Memory that a row takes beside what it consists of. */
#define ROW_OVERHEAD		(sizeof(TsdbBatchItem) + sizeof(uintptr_t) + sizeof(uint32))

/* Rows that there is room for at first. */
#define FIRST_ROWS			1024

/* Rows that come as columns and are made of them at a time: they stay in the cache for all columns. */
#define SPREAD_ROWS			32

/* Rows that come as columns stay so if a run of one series has so many of them, on average. */
#define RUN_ROWS			4

static void
allocate_rows(TsdbBatchRows *rows, uint32 count)
{
	if (rows->items == NULL)
	{
		rows->items = palloc(count * sizeof(TsdbBatchItem));
		rows->references = palloc(count * sizeof(uintptr_t));
		rows->order = palloc(count * sizeof(uint32));
	}
	else
	{
		rows->items = repalloc_huge(rows->items, count * sizeof(TsdbBatchItem));
		rows->references = repalloc_huge(rows->references, count * sizeof(uintptr_t));
		rows->order = repalloc_huge(rows->order, count * sizeof(uint32));
	}
	tsdb_row_arena_advise(rows->items, count * sizeof(TsdbBatchItem));
	tsdb_row_arena_advise(rows->references, count * sizeof(uintptr_t));
	tsdb_row_arena_advise(rows->order, count * sizeof(uint32));
	rows->allocated = count;
}

/* The setting counts for all rows that there are at a time. */
static void
set_shards(TsdbBatchRows *rows)
{
	rows->nshards = rows->key.nseries == 0 ? 1 : tsdb_shards;
	rows->mixed = false;
}

void
tsdb_batch_rows_init(TsdbBatchRows *rows, Relation rel, bool packed)
{
	TupleDesc	tupdesc = RelationGetDescr(rel);

	memset(rows, 0, sizeof(*rows));
	rows->memory = CurrentMemoryContext;
	rows->in_time = true;
	tsdb_table_key(rel, &rows->key);
	set_shards(rows);
	if (rows->key.time != 0)
		rows->time_type = getBaseType(TupleDescAttr(tupdesc, rows->key.time - 1)->atttypid);
	rows->series = tsdb_batch_series_create(tupdesc, &rows->key);
	allocate_rows(rows, FIRST_ROWS);
	rows->values = palloc(Max(tupdesc->natts, 1) * sizeof(Datum));
	rows->nulls = palloc(Max(tupdesc->natts, 1) * sizeof(bool));
	if (packed)
		rows->layout = tsdb_packed_layout(tupdesc);
	tsdb_row_arena_init(&rows->arena, rows->memory);
	tsdb_row_arena_init(&rows->spare_arena, rows->memory);
}

static void
forget_left(TsdbBatchRows *rows)
{
	if (rows->left != NULL)
		pfree(rows->left);
	rows->left = NULL;
}

static void
forget_order(TsdbBatchRows *rows)
{
	rows->nordered = 0;
	rows->ranks = NULL;
	forget_left(rows);
}

void
tsdb_batch_rows_clear(TsdbBatchRows *rows)
{
	rows->count = 0;
	rows->in_time = true;
	rows->bytes = 0;
	forget_order(rows);
	set_shards(rows);
	tsdb_batch_series_clear(rows->series);
	tsdb_row_arena_empty(&rows->arena);
}

/* ---- reading ---- */

/* A column of a row. */
static Datum
row_value(const TsdbBatchRows *rows, TupleDesc tupdesc, uint32 number, AttrNumber attno,
		  bool *isnull)
{
	uintptr_t	row = rows->references[number];
	const TsdbBatchSlice *slice = tsdb_batch_slice_of(row);

	if (slice != NULL)
	{
		*isnull = false;
		return tsdb_row_array_value(&slice->columns[attno - 1], number - slice->first);
	}
	if (rows->layout != NULL)
		return tsdb_packed_row_value(row, rows->layout->natts, attno - 1, isnull);
	return heap_getattr((HeapTuple) row, attno, tupdesc, isnull);
}

void
tsdb_batch_rows_read(const TsdbBatchRows *rows, TupleDesc tupdesc, uint32 number, Datum *values,
					 bool *nulls)
{
	uintptr_t	row = rows->references[number];

	if (tsdb_batch_slice_of(row) != NULL)
	{
		for (int i = 0; i < rows->layout->natts; i++)
			values[i] = row_value(rows, tupdesc, number, i + 1, &nulls[i]);
	}
	else if (rows->layout != NULL)
		tsdb_packed_row_read(row, rows->layout->natts, values, nulls);
	else
		heap_deform_tuple((HeapTuple) row, tupdesc, values, nulls);
}

/* The time column as an integer that sorts; null and absent times last. */
static inline int64
row_time(const TsdbBatchRows *rows, const Datum *values, const bool *nulls, bool *isnull)
{
	Datum		value;

	*isnull = false;
	if (rows->key.time == 0)
		return 0;
	*isnull = nulls[rows->key.time - 1];
	if (*isnull)
		return PG_INT64_MAX;
	value = values[rows->key.time - 1];
	switch (rows->time_type)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
		case DATEOID:
			return DatumGetInt32(value);
		default:
			return DatumGetInt64(value);
	}
}

/* ---- adding ---- */

/* What adding needs to know of a row before it is changed in any way. */
typedef struct Arrival
{
	TsdbBatchItem item;			/* series: TSDB_BATCH_SERIES_NEW, or one that is known */
	uint32		hash;
	uint32		shard;			/* of a new one */
} Arrival;

/* Find out about a row, given its key and time.  A type's hash function may do anything. */
static inline void
receive_row(const TsdbBatchRows *rows, TupleDesc tupdesc, const Datum *values, const bool *nulls,
			Arrival *arrival)
{
	arrival->item.series = tsdb_batch_series_find(rows->series, values, nulls, &arrival->hash);
	arrival->item.time = row_time(rows, values, nulls, &arrival->item.time_null);
	arrival->shard = 0;
	if (arrival->item.series == TSDB_BATCH_SERIES_NEW && rows->nshards > 1)
	{
		uint32		hash = tsdb_series_hash(tupdesc, &rows->key, values, nulls);

		/* which may have written and emptied the batch, or filled it */
		arrival->shard = hash % rows->nshards;
		arrival->item.series = tsdb_batch_series_find(rows->series, values, nulls,
													  &arrival->hash);
	}
}

/* Add the series of the row with this number. */
static void
add_series(TsdbBatchRows *rows, TupleDesc tupdesc, uint32 number, Arrival *arrival)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];

	for (int i = 0; i < rows->key.nseries; i++)
		values[i] = row_value(rows, tupdesc, number, rows->key.series[i], &nulls[i]);
	arrival->item.series = tsdb_batch_series_add(rows->series, arrival->hash, arrival->shard,
												 values, nulls);
}

/* Add a row that is where it stays. */
static inline void
add_row(TsdbBatchRows *rows, TupleDesc tupdesc, uintptr_t row, Arrival *arrival)
{
	TsdbBatchItem *item = &arrival->item;
	TsdbBatchSeriesEntry *entry;
	uint32		nseries;

	if (rows->count == rows->allocated)
		allocate_rows(rows, rows->allocated * 2);
	rows->references[rows->count] = row;
	if (item->series == TSDB_BATCH_SERIES_NEW)
		add_series(rows, tupdesc, rows->count, arrival);
	entry = &tsdb_batch_series_entries(rows->series, &nseries)[item->series];
	if (item->time_null || (entry->rows > 0 && item->time < entry->last_time))
		rows->in_time = false;
	entry->last_time = item->time;
	entry->rows++;
	rows->items[rows->count++] = *item;
}

void
tsdb_batch_rows_add(TsdbBatchRows *rows, TupleDesc tupdesc, HeapTuple tuple)
{
	Arrival		arrival;

	for (int i = 0; i < rows->key.nseries + (rows->key.time > 0); i++)
	{
		AttrNumber	attno = i < rows->key.nseries ? rows->key.series[i] : rows->key.time;

		rows->values[attno - 1] = heap_getattr(tuple, attno, tupdesc, &rows->nulls[attno - 1]);
	}
	receive_row(rows, tupdesc, rows->values, rows->nulls, &arrival);
	add_row(rows, tupdesc, (uintptr_t) tuple, &arrival);
	rows->bytes += tuple->t_len + HEAPTUPLESIZE + ROW_OVERHEAD;
}

/* Copy a row to an arena. */
static inline TsdbPackedRow
pack_row(const TsdbPackedLayout *layout, TsdbRowArena *arena, const Datum *values,
		 const bool *nulls, Size *bytes)
{
	Datum	   *datums;

	if (!tsdb_packed_row_is_plain(layout, nulls))
	{
		*bytes = tsdb_packed_row_bytes(layout, values, nulls);
		return tsdb_packed_row_write(layout, values, nulls,
									 tsdb_row_arena_allocate(arena, *bytes));
	}
	*bytes = layout->natts * sizeof(Datum);
	datums = (Datum *) tsdb_row_arena_allocate(arena, *bytes);
	for (int i = 0; i < layout->natts; i++)
		datums[i] = values[i];
	return (TsdbPackedRow) datums;
}

Size
tsdb_batch_rows_pack(TsdbBatchRows *rows, TupleDesc tupdesc, const Datum *values,
					 const bool *nulls)
{
	Size		bytes;
	Arrival		arrival;

	receive_row(rows, tupdesc, values, nulls, &arrival);
	add_row(rows, tupdesc, pack_row(rows->layout, &rows->arena, values, nulls, &bytes), &arrival);
	bytes += ROW_OVERHEAD;
	rows->bytes += bytes;
	return bytes;
}

bool
tsdb_batch_rows_take_columns(const TsdbBatchRows *rows, TupleDesc tupdesc)
{
	return rows->layout->by_value && tsdb_series_hash_is_exact(tupdesc, &rows->key);
}

/* Add rows that came as columns, run by run. */
static Size
add_slice(TsdbBatchRows *rows, TupleDesc tupdesc, const TsdbRowArray *columns, uint32 nrows,
		  const bool *starts, bool stay)
{
	const int	natts = rows->layout->natts;
	const TsdbSortKey *key = &rows->key;
	TsdbBatchSlice *slice = tsdb_batch_slice_create(&rows->arena, columns, natts, nrows,
													rows->count, stay);
	Size		bytes = ROW_OVERHEAD;

	for (uint32 row = 0; row < nrows;)
	{
		Arrival		arrival;

		for (int i = 0; i < key->nseries; i++)
			rows->values[key->series[i] - 1] =
				tsdb_row_array_value(&slice->columns[key->series[i] - 1], row);
		if (key->time > 0)
			rows->values[key->time - 1] =
				tsdb_row_array_value(&slice->columns[key->time - 1], row);
		receive_row(rows, tupdesc, rows->values, rows->nulls, &arrival);
		for (;;)
		{
			add_row(rows, tupdesc, tsdb_batch_slice_reference(slice), &arrival);
			if (++row == nrows || starts[row])
				break;
			if (key->time > 0)
				rows->values[key->time - 1] =
					tsdb_row_array_value(&slice->columns[key->time - 1], row);
			arrival.item.time = row_time(rows, rows->values, rows->nulls,
										 &arrival.item.time_null);
		}
	}
	for (int c = 0; c < natts; c++)
		bytes += columns[c].length;
	return nrows * bytes;
}

/* The same row by row. */
static Size
add_spread(TsdbBatchRows *rows, TupleDesc tupdesc, const TsdbRowArray *columns, uint32 nrows)
{
	const int	natts = rows->layout->natts;

	for (uint32 first = 0, n; first < nrows; first += n)
	{
		Datum	   *row;

		n = Min(nrows - first, SPREAD_ROWS);
		row = (Datum *) tsdb_row_arena_allocate(&rows->arena, n * natts * sizeof(Datum));
		for (int c = 0; c < natts; c++)
			tsdb_batch_slice_spread(&columns[c], first, n, row + c, natts);
		for (uint32 i = 0; i < n; i++, row += natts)
		{
			Arrival		arrival;

			receive_row(rows, tupdesc, row, rows->nulls, &arrival);
			add_row(rows, tupdesc, (uintptr_t) row, &arrival);
		}
	}
	return nrows * (natts * sizeof(Datum) + ROW_OVERHEAD);
}

Size
tsdb_batch_rows_pack_columns(TsdbBatchRows *rows, TupleDesc tupdesc, const TsdbRowArray *columns,
							 uint32 nrows, bool stay)
{
	bool	   *starts = palloc(nrows * sizeof(bool));
	uint32		runs = tsdb_batch_slice_runs(columns, &rows->key, nrows, starts);
	Size		bytes;

	memset(rows->nulls, false, rows->layout->natts * sizeof(bool));
	bytes = nrows >= RUN_ROWS * runs ?
		add_slice(rows, tupdesc, columns, nrows, starts, stay) :
		add_spread(rows, tupdesc, columns, nrows);
	rows->bytes += bytes;
	pfree(starts);
	return bytes;
}

/* ---- order ---- */

void
tsdb_batch_rows_mix(TsdbBatchRows *rows)
{
	uint32		count;
	TsdbBatchSeriesEntry *entries = tsdb_batch_series_entries(rows->series, &count);

	for (uint32 i = 0; i < count; i++)
		entries[i].shard = 0;
	rows->nshards = 1;
	rows->mixed = true;
}

void
tsdb_batch_rows_sort(TsdbBatchRows *rows)
{
	forget_order(rows);
	rows->ranks = tsdb_batch_sort(rows->items, rows->count, rows->series, rows->in_time,
								  rows->order, &rows->nranks);
	rows->nordered = rows->count;
}

/* ---- what is left out ---- */

/* How many rows of a rank do not fill a chunk? */
static uint32
rest_of(const TsdbBatchRank *rank, uint32 first)
{
	return (rank->end - first) % TSDB_CHUNK_ROWS;
}

static uint32
count_rest(const TsdbBatchRows *rows)
{
	uint32		count = 0;
	uint32		first = 0;

	for (uint32 rank = 0; rank < rows->nranks; first = rows->ranks[rank++].end)
		count += rest_of(&rows->ranks[rank], first);
	return count;
}

/* Did rows come latest first?  Then the one that came last is near the beginning. */
static bool
came_backwards(const uint32 *order, uint32 count)
{
	uint32		last = 0;

	for (uint32 i = 1; i < count; i++)
	{
		if (order[i] > order[last])
			last = i;
	}
	return last < count / 2;
}

/* Mark the rest of each rank: at the end that more rows are to be expected at. */
static void
mark_rest(TsdbBatchRows *rows)
{
	uint32		first = 0;

	rows->left = MemoryContextAllocZero(rows->memory, rows->count * sizeof(bool));
	for (uint32 rank = 0; rank < rows->nranks; first = rows->ranks[rank++].end)
	{
		const uint32 end = rows->ranks[rank].end;
		const uint32 rest = rest_of(&rows->ranks[rank], first);
		const uint32 from = came_backwards(rows->order + first, end - first) ? first : end - rest;

		for (uint32 i = from; i < from + rest; i++)
			rows->left[rows->order[i]] = true;
	}
}

/* Memory that those that are marked will take. */
static Size
marked_bytes(const TsdbBatchRows *rows, TupleDesc tupdesc)
{
	const TsdbPackedLayout *layout = rows->layout;
	Size		bytes = 0;

	for (uint32 i = 0; i < rows->count; i++)
	{
		if (!rows->left[i])
			continue;
		bytes += ROW_OVERHEAD;
		if (layout->by_value && (rows->references[i] & 1) == 0)
			bytes += layout->natts * sizeof(Datum);
		else
		{
			tsdb_batch_rows_read(rows, tupdesc, i, rows->values, rows->nulls);
			bytes += tsdb_packed_row_bytes(layout, rows->values, rows->nulls);
		}
	}
	return bytes;
}

/* Take what is marked out of the order. */
static void
take_out(TsdbBatchRows *rows)
{
	uint32		nordered = 0;
	uint32		i = 0;

	for (uint32 rank = 0; rank < rows->nranks; rank++)
	{
		for (; i < rows->ranks[rank].end; i++)
		{
			if (!rows->left[rows->order[i]])
				rows->order[nordered++] = rows->order[i];
		}
		rows->ranks[rank].end = nordered;
	}
	rows->nordered = nordered;
}

void
tsdb_batch_rows_leave_rest(TsdbBatchRows *rows, TupleDesc tupdesc)
{
	const uint32 rest = count_rest(rows);

	if (rest == 0 || rest > rows->count / 2)
		return;
	mark_rest(rows);
	if (marked_bytes(rows, tupdesc) <= rows->bytes / 2)
		take_out(rows);
	else
		forget_left(rows);
}

Size
tsdb_batch_rows_clear_ordered(TsdbBatchRows *rows, TupleDesc tupdesc)
{
	TsdbBatchSeries *series = rows->series;
	const uint32 count = rows->count;
	bool	   *left = rows->left;
	uint32		nentries;
	const TsdbBatchSeriesEntry *entries = tsdb_batch_series_entries(series, &nentries);
	uint32	   *numbers;		/* of series: the new ones */

	if (left == NULL)
	{
		tsdb_batch_rows_clear(rows);
		return 0;
	}
	if (rows->spare_series == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(rows->memory);

		rows->spare_series = tsdb_batch_series_create(tupdesc, &rows->key);
		MemoryContextSwitchTo(old);
	}
	numbers = palloc(nentries * sizeof(uint32));
	for (uint32 i = 0; i < nentries; i++)
		numbers[i] = TSDB_BATCH_SERIES_NEW;
	rows->series = rows->spare_series;
	rows->count = 0;
	rows->bytes = 0;
	rows->in_time = true;

	/* A row's new number is no greater than its old one. */
	for (uint32 i = 0; i < count; i++)
	{
		const uint32 number = rows->items[i].series;
		Arrival		arrival = {.item = rows->items[i]};
		Size		bytes;

		if (!left[i])
			continue;
		tsdb_batch_rows_read(rows, tupdesc, i, rows->values, rows->nulls);
		arrival.hash = entries[number].hash;
		arrival.shard = entries[number].shard;
		arrival.item.series = numbers[number];
		add_row(rows, tupdesc,
				pack_row(rows->layout, &rows->spare_arena, rows->values, rows->nulls, &bytes),
				&arrival);
		numbers[number] = arrival.item.series;
		rows->bytes += bytes + ROW_OVERHEAD;
	}
	pfree(numbers);
	forget_order(rows);
	rows->spare_series = series;
	tsdb_batch_series_clear(rows->spare_series);
	tsdb_row_arena_replace(&rows->arena, &rows->spare_arena);
	return rows->bytes;
}
