/*
 * batch_series.c
 *		The series that the rows of a batch belong to.
 */
#include "postgres.h"

#include "worker/batch_series.h"

#include "common/hashfn.h"
#include "utils/sortsupport.h"
#include "utils/typcache.h"

#define FIRST_SERIES	256
#define EMPTY_SLOT		PG_UINT32_MAX

/* A column of the key. */
typedef struct KeyColumn
{
	int			index;			/* in a row */
	int16		length;			/* attlen, or 0: passed by value */
	SortSupportData sort;
} KeyColumn;

struct TsdbBatchSeries
{
	int			ncolumns;
	KeyColumn  *columns;
	TsdbBatchSeriesEntry *entries;
	Datum	   *values;			/* of entries, ncolumns each */
	bool	   *nulls;
	uint32		count;
	uint32		allocated;
	uint32	   *slots;			/* entries by hash, twice as many as allocated */
	uint32	   *order;			/* of entries, by rank */
};

static void
allocate_entries(TsdbBatchSeries *series, uint32 entries)
{
	Size		keys = (Size) entries * Max(series->ncolumns, 1);

	if (series->entries == NULL)
	{
		series->entries = palloc(entries * sizeof(TsdbBatchSeriesEntry));
		series->values = palloc(keys * sizeof(Datum));
		series->nulls = palloc(keys * sizeof(bool));
		series->slots = palloc(2 * entries * sizeof(uint32));
		series->order = palloc(entries * sizeof(uint32));
	}
	else
	{
		series->entries = repalloc_huge(series->entries,
										entries * sizeof(TsdbBatchSeriesEntry));
		series->values = repalloc_huge(series->values, keys * sizeof(Datum));
		series->nulls = repalloc_huge(series->nulls, keys * sizeof(bool));
		series->slots = repalloc_huge(series->slots, 2 * (Size) entries * sizeof(uint32));
		series->order = repalloc_huge(series->order, entries * sizeof(uint32));
	}
	series->allocated = entries;
}

static void
clear_slots(TsdbBatchSeries *series)
{
	memset(series->slots, 0xff, 2 * (Size) series->allocated * sizeof(uint32));
}

TsdbBatchSeries *
tsdb_batch_series_create(TupleDesc tupdesc, const TsdbSortKey *key)
{
	TsdbBatchSeries *series = palloc0(sizeof(TsdbBatchSeries));

	series->ncolumns = key->nseries;
	series->columns = palloc0(Max(key->nseries, 1) * sizeof(KeyColumn));
	for (int i = 0; i < key->nseries; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, key->series[i] - 1);
		TypeCacheEntry *type = lookup_type_cache(att->atttypid, TYPECACHE_LT_OPR);
		KeyColumn  *column = &series->columns[i];

		column->index = key->series[i] - 1;
		column->length = att->attbyval ? 0 : att->attlen;
		column->sort.ssup_cxt = CurrentMemoryContext;
		column->sort.ssup_collation = att->attcollation;
		column->sort.ssup_attno = key->series[i];
		PrepareSortSupportFromOrderingOp(type->lt_opr, &column->sort);
	}
	allocate_entries(series, FIRST_SERIES);
	clear_slots(series);
	return series;
}

void
tsdb_batch_series_clear(TsdbBatchSeries *series)
{
	series->count = 0;
	clear_slots(series);
}

/* A varlena with its value as it is. */
static inline bool
is_plain(const char *pointer)
{
	return !VARATT_IS_EXTERNAL(pointer) && !VARATT_IS_COMPRESSED(pointer);
}

/* The bytes that a value by reference is known by. */
static const char *
value_bytes(int16 length, Datum value, Size *bytes)
{
	const char *pointer = DatumGetPointer(value);

	if (length == -1 && is_plain(pointer))
	{
		*bytes = VARSIZE_ANY_EXHDR(pointer);
		return VARDATA_ANY(pointer);
	}
	*bytes = length == -1 ? VARSIZE_ANY(pointer) :
		length == -2 ? strlen(pointer) : (Size) length;
	return pointer;
}

static inline uint32
hash_of(const KeyColumn *column, Datum value, bool isnull)
{
	Size		bytes;
	const char *start;

	if (isnull)
		return 0;
	if (column->length == 0)
		return (uint32) ((uint64) value * UINT64CONST(0x9E3779B97F4A7C15) >> 32);
	start = value_bytes(column->length, value, &bytes);
	return hash_bytes((const unsigned char *) start, (int) bytes);
}

static inline bool
is_same(const KeyColumn *column, Datum a, bool a_null, Datum b, bool b_null)
{
	Size		a_bytes;
	Size		b_bytes;
	const char *a_start;
	const char *b_start;

	if (a_null || b_null)
		return a_null && b_null;
	if (column->length == 0)
		return a == b;
	if (column->length == -1 &&
		is_plain(DatumGetPointer(a)) != is_plain(DatumGetPointer(b)))
		return false;
	a_start = value_bytes(column->length, a, &a_bytes);
	b_start = value_bytes(column->length, b, &b_bytes);
	return a_bytes == b_bytes && memcmp(a_start, b_start, a_bytes) == 0;
}

static inline bool
is_key_of(const TsdbBatchSeries *series, uint32 entry, const Datum *values, const bool *nulls)
{
	Size		first = (Size) entry * series->ncolumns;

	for (int i = 0; i < series->ncolumns; i++)
	{
		const KeyColumn *column = &series->columns[i];

		if (!is_same(column, values[column->index], nulls[column->index],
					 series->values[first + i], series->nulls[first + i]))
			return false;
	}
	return true;
}

uint32
tsdb_batch_series_find(const TsdbBatchSeries *series, const Datum *values, const bool *nulls,
					   uint32 *hash)
{
	uint32		mask = 2 * series->allocated - 1;
	uint32		key = 0;

	for (int i = 0; i < series->ncolumns; i++)
	{
		const KeyColumn *column = &series->columns[i];

		key = hash_combine(key, hash_of(column, values[column->index],
										nulls[column->index]));
	}
	*hash = key;
	for (uint32 slot = key & mask;; slot = (slot + 1) & mask)
	{
		uint32		entry = series->slots[slot];

		if (entry == EMPTY_SLOT)
			return TSDB_BATCH_SERIES_NEW;
		if (series->entries[entry].hash == key && is_key_of(series, entry, values, nulls))
			return entry;
	}
}

static void
enter_slot(TsdbBatchSeries *series, uint32 entry)
{
	uint32		mask = 2 * series->allocated - 1;
	uint32		slot = series->entries[entry].hash & mask;

	while (series->slots[slot] != EMPTY_SLOT)
		slot = (slot + 1) & mask;
	series->slots[slot] = entry;
}

uint32
tsdb_batch_series_add(TsdbBatchSeries *series, uint32 hash, uint32 shard, const Datum *values,
					  const bool *nulls)
{
	uint32		entry = series->count;

	if (series->count == series->allocated)
	{
		allocate_entries(series, series->allocated * 2);
		clear_slots(series);
		for (uint32 i = 0; i < series->count; i++)
			enter_slot(series, i);
	}
	series->entries[entry] = (TsdbBatchSeriesEntry) {
		.hash = hash,.shard = shard
	};
	memcpy(series->values + (Size) entry * series->ncolumns, values,
		   series->ncolumns * sizeof(Datum));
	memcpy(series->nulls + (Size) entry * series->ncolumns, nulls,
		   series->ncolumns * sizeof(bool));
	enter_slot(series, entry);
	series->count++;
	return entry;
}

TsdbBatchSeriesEntry *
tsdb_batch_series_entries(const TsdbBatchSeries *series, uint32 *count)
{
	*count = series->count;
	return series->entries;
}

const Datum *
tsdb_batch_series_key(const TsdbBatchSeries *series, uint32 entry, const bool **nulls)
{
	*nulls = series->nulls + (Size) entry * series->ncolumns;
	return series->values + (Size) entry * series->ncolumns;
}

/* Order of two series by shard and key. */
static int
compare_series(const void *left, const void *right, void *arg)
{
	TsdbBatchSeries *series = arg;
	uint32		a = *(const uint32 *) left;
	uint32		b = *(const uint32 *) right;
	int			order = 0;

	if (series->entries[a].shard != series->entries[b].shard)
		return series->entries[a].shard < series->entries[b].shard ? -1 : 1;
	for (int i = 0; order == 0 && i < series->ncolumns; i++)
	{
		Size		of_a = (Size) a * series->ncolumns + i;
		Size		of_b = (Size) b * series->ncolumns + i;

		order = ApplySortComparator(series->values[of_a], series->nulls[of_a],
									series->values[of_b], series->nulls[of_b],
									&series->columns[i].sort);
	}
	return order;
}

uint32
tsdb_batch_series_rank(TsdbBatchSeries *series)
{
	uint32		rank = 0;

	for (uint32 i = 0; i < series->count; i++)
		series->order[i] = i;
	qsort_arg(series->order, series->count, sizeof(uint32), compare_series, series);
	for (uint32 i = 0; i < series->count; i++)
	{
		if (i > 0 && compare_series(&series->order[i - 1], &series->order[i], series) != 0)
			rank++;
		series->entries[series->order[i]].rank = rank;
	}
	return series->count == 0 ? 0 : rank + 1;
}
