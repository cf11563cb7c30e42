/*
 * chunk_wanted.c
 *		What conditions say of times and series, for a search of the directory.
 */
#include "postgres.h"

#include "exec/chunk_wanted.h"

#include "catalog/pg_type.h"
#include "exec/number.h"
#include "store/table_key.h"
#include "utils/memutils.h"

/* Of more series some will belong into nearly any shard. */
#define HASHES_MAX		256

void
tsdb_scan_wanted_init(TsdbScanWanted *state, Relation rel, const TsdbChunkFilter *filter)
{
	TupleDesc	tupdesc = RelationGetDescr(rel);

	memset(state, 0, sizeof(*state));
	state->filter = filter;
	state->tupdesc = tupdesc;
	tsdb_table_key(rel, &state->key);
	state->time = state->key.time;
	if (state->key.nseries > 0)
		tsdb_key_column_describe(TupleDescAttr(tupdesc, state->key.series[0] - 1), &state->column);
	if (state->key.nseries <= TSDB_SERIES_NAME_MAX && tsdb_series_hash_is_exact(tupdesc, &state->key))
	{
		for (int i = 0; i < state->key.nseries; i++)
			state->series = tsdb_series_name_add(state->series, state->key.series[i]);
	}
	state->values = palloc0(Max(tupdesc->natts, 1) * sizeof(Datum));
	state->nulls = palloc0(Max(tupdesc->natts, 1) * sizeof(bool));
	state->memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb wanted series",
										  ALLOCSET_SMALL_SIZES);
}

static bool
is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

/* Has a value of this type the representation of the column's, or can be given it? */
static bool
is_comparable(const TsdbKeyColumn *column, Oid type)
{
	return type == column->type || (type == TEXTOID && column->type == VARCHAROID) ||
		(is_integer(type) && is_integer(column->type));
}

/* As a value of the column; false if the column can have none that is equal. */
static bool
convert(const TsdbKeyColumn *column, Oid type, Datum *value)
{
	int64		number;

	if (type == column->type || !is_integer(type))
		return true;
	number = tsdb_number_get_integer(type, *value);
	*value = Int64GetDatum(number);
	return tsdb_key_integer(column, *value) == number;
}

static int
compare_ranks(const void *a, const void *b)
{
	uint64		left = *(const uint64 *) a;
	uint64		right = *(const uint64 *) b;

	return left < right ? -1 : left > right;
}

/* A value of a key of one column. */
typedef struct WantedValue
{
	uint64		rank;			/* must be first */
	uint32		hash;
} WantedValue;

/*
 * Ranks and hashes of the values of a key of one column, in order of ranks: a chunk is wanted for one of them, not for
 * the range of one and the shard of another.  False if they are not known.
 */
static bool
find_pairs(TsdbScanWanted *state)
{
	TsdbChunkWanted *wanted = &state->wanted;
	TsdbFilterValues values;
	WantedValue *found;
	uint64	   *ranks;
	uint32	   *hashes;
	int			count = 0;

	if (state->series == 0 || state->key.nseries != 1 || state->column.rank == TSDB_RANK_NONE ||
		!tsdb_chunk_filter_values(state->filter, state->column.attno, &values) ||
		!is_comparable(&state->column, values.type) || values.count > HASHES_MAX)
		return false;
	found = palloc(Max(values.count, 1) * sizeof(WantedValue));
	for (int i = 0; i < values.count; i++)
	{
		Datum		value = values.values[i];

		if (!convert(&state->column, values.type, &value))
			continue;
		state->values[state->column.attno - 1] = value;
		found[count].rank = tsdb_key_rank(&state->column, value);
		found[count++].hash = tsdb_series_hash(state->tupdesc, &state->key, state->values,
											   state->nulls);
	}
	if (count > 1)
		qsort(found, count, sizeof(WantedValue), compare_ranks);
	ranks = palloc(Max(count, 1) * sizeof(uint64));
	hashes = palloc(Max(count, 1) * sizeof(uint32));
	for (int i = 0; i < count; i++)
	{
		ranks[i] = found[i].rank;
		hashes[i] = found[i].hash;
	}
	wanted->column = state->column.attno;
	wanted->ranks = ranks;
	wanted->series = state->series;
	wanted->hashes = hashes;
	wanted->nranks = wanted->nhashes = count;
	wanted->paired = true;
	return true;
}

/* Ranks of the values that the first column of the key must have. */
static void
find_ranks(TsdbScanWanted *state)
{
	TsdbChunkWanted *wanted = &state->wanted;
	TsdbFilterValues values;
	uint64	   *ranks;

	if (state->key.nseries == 0 || state->column.rank == TSDB_RANK_NONE ||
		!tsdb_chunk_filter_values(state->filter, state->column.attno, &values) ||
		!is_comparable(&state->column, values.type))
		return;
	ranks = palloc(Max(values.count, 1) * sizeof(uint64));
	for (int i = 0; i < values.count; i++)
	{
		Datum		value = values.values[i];

		if (convert(&state->column, values.type, &value))
			ranks[wanted->nranks++] = tsdb_key_rank(&state->column, value);
	}
	if (wanted->nranks > 1)
		qsort(ranks, wanted->nranks, sizeof(uint64), compare_ranks);
	wanted->ranks = ranks;
	wanted->column = state->column.attno;
}

/* Hashes of the series that rows must be of: of all combinations, if all columns of the key are known. */
static void
find_hashes(TsdbScanWanted *state)
{
	TsdbChunkWanted *wanted = &state->wanted;
	TsdbFilterValues values[TSDB_SERIES_NAME_MAX];
	TsdbKeyColumn columns[TSDB_SERIES_NAME_MAX];
	int			total = 1;
	uint32	   *hashes;

	if (state->series == 0)
		return;
	for (int i = 0; i < state->key.nseries; i++)
	{
		columns[i] = state->column;
		if (i > 0)
			tsdb_key_column_describe(TupleDescAttr(state->tupdesc, state->key.series[i] - 1),
									 &columns[i]);
		if (!tsdb_chunk_filter_values(state->filter, columns[i].attno, &values[i]) ||
			!is_comparable(&columns[i], values[i].type) || values[i].count > HASHES_MAX)
			return;
		total *= values[i].count;
		if (total > HASHES_MAX)
			return;
	}
	hashes = palloc(Max(total, 1) * sizeof(uint32));
	for (int combination = 0; combination < total; combination++)
	{
		int			rest = combination;
		bool		exists = true;

		for (int i = 0; i < state->key.nseries; i++)
		{
			Datum		value = values[i].values[rest % values[i].count];

			rest /= values[i].count;
			exists = exists && convert(&columns[i], values[i].type, &value);
			state->values[columns[i].attno - 1] = value;
		}
		if (exists)
			hashes[wanted->nhashes++] = tsdb_series_hash(state->tupdesc, &state->key,
														 state->values, state->nulls);
	}
	wanted->hashes = hashes;
	wanted->series = state->series;
}

TsdbChunkWanted *
tsdb_scan_wanted_get(TsdbScanWanted *state)
{
	TsdbChunkWanted *wanted = &state->wanted;
	uint64		version = tsdb_chunk_filter_version(state->filter);
	MemoryContext old;

	if (state->version == version)
		return state->any ? wanted : NULL;
	MemoryContextReset(state->memory);
	old = MemoryContextSwitchTo(state->memory);
	wanted->nranks = wanted->nhashes = 0;
	wanted->other_shards = 0;	/* shards[] is of other hashes */
	wanted->column = 0;
	wanted->series = 0;
	wanted->times.attno = 0;
	if (state->time == 0 ||
		!tsdb_chunk_filter_times(state->filter, state->time, &wanted->times))
		wanted->times.attno = 0;
	wanted->paired = false;
	if (!find_pairs(state))
	{
		find_ranks(state);
		find_hashes(state);
	}
	state->any = wanted->times.attno != 0 || wanted->nranks > 0 || wanted->nhashes > 0;
	state->version = version;
	MemoryContextSwitchTo(old);
	return state->any ? wanted : NULL;
}
