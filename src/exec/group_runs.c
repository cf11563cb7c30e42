/*
 * group_runs.c
 *		Divides the rows of a batch into runs that belong to one group each.
 */
#include "postgres.h"

#include "exec/group_runs.h"

#include "catalog/pg_type.h"
#include "exec/number.h"
#include "executor/executor.h"
#include "pgtime.h"
#include "utils/date.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Values of a column from low to high have that key. */
typedef struct KnownBucket
{
	int64		low;
	int64		high;
	Datum		value;
	bool		isnull;
} KnownBucket;

#define KNOWN_BUCKETS	1024

/* The rows of a batch by one key: run i begins at starts[i]. */
typedef struct KeyRuns
{
	TsdbGroupKey key;
	uint32		count;
	uint32		at;				/* the run that tsdb_group_runs_next() is in */
	uint32	   *starts;			/* TSDB_CHUNK_ROWS + 1, the last one is the end */
	Datum	   *values;
	bool	   *nulls;
	uint32		guess;			/* rows of the last bucket */

	/* of a key by value that rises with its column */
	int			nknown;
	int			last_known;		/* that was asked for last */
	KnownBucket *known;			/* KNOWN_BUCKETS, in order; NULL before the first */
} KeyRuns;

struct TsdbGroupRuns
{
	int			nkeys;
	KeyRuns    *keys;
	uint32		begin;			/* rows of the batch at hand */
	uint32		end;
	ExprContext *context;
	TupleTableSlot *slot;
	MemoryContext memory;		/* of values, reset for each batch */
};

TsdbGroupRuns *
tsdb_group_runs_create(int nkeys, const TsdbGroupKey *keys, ExprContext *context,
					   TupleTableSlot *slot)
{
	TsdbGroupRuns *runs = palloc0(sizeof(TsdbGroupRuns));

	runs->nkeys = nkeys;
	runs->keys = palloc0(Max(nkeys, 1) * sizeof(KeyRuns));
	for (int i = 0; i < nkeys; i++)
	{
		KeyRuns    *key = &runs->keys[i];

		key->key = keys[i];
		key->starts = palloc((TSDB_CHUNK_ROWS + 1) * sizeof(uint32));
		key->values = palloc(TSDB_CHUNK_ROWS * sizeof(Datum));
		key->nulls = palloc(TSDB_CHUNK_ROWS * sizeof(bool));
		key->guess = 1;
	}
	runs->context = context;
	runs->slot = slot;
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	ExecStoreVirtualTuple(slot);
	runs->memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb group keys",
										 ALLOCSET_DEFAULT_SIZES);
	return runs;
}

/* ---- values of keys ---- */

static bool
is_same(const TsdbGroupKey *key, Datum a, bool a_null, Datum b, bool b_null)
{
	if (a_null || b_null)
		return a_null && b_null;
	if (key->by_value)
		return a == b;
	return datum_image_eq(a, b, false, key->length);
}

/* Evaluate a key's expression for a value of its column. */
static Datum
evaluate(TsdbGroupRuns *runs, const TsdbGroupKey *key, Datum value, bool isnull,
		 bool *result_null)
{
	TupleTableSlot *slot = runs->slot;
	MemoryContext old;
	Datum		result;

	slot->tts_values[key->attno - 1] = value;
	slot->tts_isnull[key->attno - 1] = isnull;
	runs->context->ecxt_scantuple = slot;
	ResetExprContext(runs->context);
	result = ExecEvalExprSwitchContext(key->state, runs->context, result_null);
	if (!*result_null && !key->by_value)
	{
		old = MemoryContextSwitchTo(runs->memory);
		result = datumCopy(result, false, key->length);
		MemoryContextSwitchTo(old);
	}
	return result;
}

static void
begin_run(KeyRuns *key, uint32 row, Datum value, bool isnull)
{
	key->starts[key->count] = row;
	key->values[key->count] = value;
	key->nulls[key->count] = isnull;
	key->count++;
}

/* Begin a run, unless the one before is of the same value. */
static void
continue_run(KeyRuns *key, uint32 row, Datum value, bool isnull)
{
	uint32		last = key->count - 1;

	if (key->count == 0 ||
		!is_same(&key->key, value, isnull, key->values[last], key->nulls[last]))
		begin_run(key, row, value, isnull);
}

/* Does the key never fall between these values of its column? */
static bool
rises_between(const TsdbGroupKey *key, Datum low, Datum high)
{
	long		before_offset;
	long		after_offset;
	int			before_dst;
	int			after_dst;
	pg_time_t	from;
	pg_time_t	change;
	int			found;

	if (key->rule == TSDB_BUCKET_RISING)
		return true;
	if (key->rule != TSDB_BUCKET_RISING_IN_ZONE)
		return false;

	/* a date or local time becomes an instant, or the other way round */
	if (key->column_type != TIMESTAMPTZOID ||
		TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(low)) ||
		TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(high)))
		return false;
	from = timestamptz_to_time_t(DatumGetTimestampTz(low)) - 1;
	found = pg_next_dst_boundary(&from, &before_offset, &before_dst, &change, &after_offset,
								 &after_dst, session_timezone);
	return found == 0 ||
		(found > 0 && change > timestamptz_to_time_t(DatumGetTimestampTz(high)));
}

/* A column's value of that number. */
static Datum
put_integer(const TsdbGroupKey *key, int64 x)
{
	switch (key->column_type)
	{
		case INT2OID:
			return Int16GetDatum((int16) x);
		case INT4OID:
			return Int32GetDatum((int32) x);
		case DATEOID:
			return DateADTGetDatum((DateADT) x);
		default:
			return Int64GetDatum(x);
	}
}

/* ---- dividing by one key ---- */

/* By a column. */
static void
divide_column(KeyRuns *key, const TsdbColumn *column, uint32 begin, uint32 end)
{
	const Datum *values = column->values;
	uint32		start = begin;

	begin_run(key, begin, values[begin], column->nulls[begin]);
	if (key->key.by_value && !column->any_null)
	{
		for (uint32 row = begin + 1; row < end; row++)
		{
			if (values[row] != values[start])
			{
				start = row;
				begin_run(key, row, values[row], false);
			}
		}
		return;
	}
	for (uint32 row = begin + 1; row < end; row++)
		continue_run(key, row, values[row], column->nulls[row]);
}

/* Row by row, as little as possible.  Rows that do not pass must not be evaluated, for
 * what that may raise or tell; they stay in the run before. */
static void
divide_any(TsdbGroupRuns *runs, KeyRuns *key, const TsdbColumn *column, const uint8 *pass,
		   uint32 begin, uint32 end)
{
	const TsdbGroupKey *what = &key->key;
	bool		comparable = tsdb_number_is_integer(what->column_type);
	uint32		last = end;		/* the row evaluated last */

	for (uint32 row = begin; row < end; row++)
	{
		Datum		value;
		bool		isnull;

		if (pass != NULL && !pass[row])
			continue;
		if (last < end && comparable && column->nulls[row] == column->nulls[last] &&
			(column->nulls[row] || column->values[row] == column->values[last]))
			continue;
		value = evaluate(runs, what, column->values[row], column->nulls[row], &isnull);
		continue_run(key, row, value, isnull);
		last = row;
	}
}

/* A key's value. */
typedef struct Bucket
{
	Datum		value;
	bool		isnull;
} Bucket;

/* The number of known buckets that begin at the value or before it. */
static inline int
count_known(const KeyRuns *key, int64 x)
{
	int			low = 0;
	int			high = key->nknown;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (key->known[middle].low <= x)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The place of the known bucket that a value of the column lies in, or -1. */
static inline int
find_known(const KeyRuns *key, int64 x)
{
	int			place = key->last_known;

	/* mostly the one asked for last, or the next one */
	for (int i = place; i < key->nknown && i <= place + 1; i++)
	{
		if (key->known[i].low <= x && x <= key->known[i].high)
			return i;
	}
	place = count_known(key, x) - 1;
	return place >= 0 && x <= key->known[place].high ? place : -1;
}

/*
 * Remember what a key was evaluated to: between two values of one bucket, all are of it.
 * Buckets are in order, since the key rises; a value is of one of its neighbours, or of a new one.
 */
static void
learn(TsdbGroupRuns *runs, KeyRuns *key, Datum value, int64 x, const Bucket *bucket)
{
	const TsdbGroupKey *what = &key->key;
	int			place = count_known(key, x);

	for (int i = Max(place - 1, 0); i < key->nknown && i <= place; i++)
	{
		KnownBucket *known = &key->known[i];

		if (!is_same(what, known->value, known->isnull, bucket->value, bucket->isnull))
			continue;
		if (x < known->low && rises_between(what, value, put_integer(what, known->high)))
			known->low = x;
		else if (x > known->high && rises_between(what, put_integer(what, known->low), value))
			known->high = x;
		return;
	}
	if (key->known == NULL)
		key->known = MemoryContextAlloc(GetMemoryChunkContext(runs),
										KNOWN_BUCKETS * sizeof(KnownBucket));
	if (key->nknown == KNOWN_BUCKETS)
		key->nknown = place = 0;
	memmove(&key->known[place + 1], &key->known[place],
			(key->nknown - place) * sizeof(KnownBucket));
	key->nknown++;
	key->last_known = place;
	key->known[place] = (KnownBucket)
	{
		.low = x,.high = x,.value = bucket->value,.isnull = bucket->isnull
	};
}

/* The bucket of a value of a column of integers, by which the key rises. */
static Bucket
bucket_of(TsdbGroupRuns *runs, KeyRuns *key, Datum value)
{
	int64		x = tsdb_number_get_integer(key->key.column_type, value);
	int			place = key->key.by_value ? find_known(key, x) : -1;
	Bucket		bucket;

	if (place >= 0)
	{
		key->last_known = place;
		bucket.value = key->known[place].value;
		bucket.isnull = key->known[place].isnull;
		return bucket;
	}
	bucket.value = evaluate(runs, &key->key, value, false, &bucket.isnull);
	if (key->key.by_value)
		learn(runs, key, value, x, &bucket);
	return bucket;
}

/* Is the bucket of this value of the column another one?  Then sets it. */
static bool
is_other_bucket(TsdbGroupRuns *runs, KeyRuns *key, Datum value, const Bucket *bucket,
				Bucket *other)
{
	Bucket		found = bucket_of(runs, key, value);

	if (is_same(&key->key, found.value, found.isnull, bucket->value, bucket->isnull))
		return false;
	*other = found;
	return true;
}

/*
 * Rows without nulls, sorted by the column, between which the key never falls; the
 * first and the last one pass, so that no value beyond those of the result is
 * evaluated.
 * Most buckets have as many rows as the one before: look there for the end first,
 * then in steps twice as long, then half as long.
 */
static void
divide_rising(TsdbGroupRuns *runs, KeyRuns *key, const TsdbColumn *column, uint32 begin,
			  uint32 end)
{
	const TsdbGroupKey *what = &key->key;
	const Datum *values = column->values;
	Bucket		bucket;
	Bucket		last;

	bucket = bucket_of(runs, key, values[begin]);
	last = bucket;
	is_other_bucket(runs, key, values[end - 1], &bucket, &last);
	for (uint32 row = begin;;)
	{
		uint32		low = row;	/* the last row that is known to be in the bucket */
		uint32		high = end - 1; /* the first that is known not to be */
		Bucket		next = last;

		continue_run(key, row, bucket.value, bucket.isnull);
		if (is_same(what, bucket.value, bucket.isnull, last.value, last.isnull))
			return;
		for (uint32 step = key->guess; row + step < high; step *= 2)
		{
			if (is_other_bucket(runs, key, values[row + step], &bucket, &next))
				high = row + step;
			else
				low = row + step;
		}
		for (uint32 probe = high - 1; probe > low; probe = low + (high - low) / 2)
		{
			if (is_other_bucket(runs, key, values[probe], &bucket, &next))
				high = probe;
			else
				low = probe;
		}
		key->guess = high - row;
		row = high;
		bucket = next;
	}
}

/* The first row that is smaller than the one before it, or the end. */
static pg_attribute_always_inline uint32
find_descent(Oid type, const Datum *values, uint32 begin, uint32 end)
{
	uint32		row = begin + 1;

	while (row < end && tsdb_number_get_integer(type, values[row]) >= tsdb_number_get_integer(type, values[row - 1]))
		row++;
	return row;
}

/* By an expression: each sorted part of the rows on its own. */
static void
divide_expression(TsdbGroupRuns *runs, KeyRuns *key, const TsdbColumn *column,
				  const uint8 *pass, uint32 begin, uint32 end)
{
	Oid			type = key->key.column_type;
	const Datum *values = column->values;

	if (key->key.rule == TSDB_BUCKET_ANY || !tsdb_number_is_integer(type) || column->any_null)
	{
		divide_any(runs, key, column, pass, begin, end);
		return;
	}
	while (begin < end)
	{
		uint32		stop = type == INT8OID || type == TIMESTAMPTZOID || type == TIMESTAMPOID ?
			find_descent(INT8OID, values, begin, end) :
			find_descent(type, values, begin, end);
		uint32		first = begin;
		uint32		after = stop;

		while (pass != NULL && first < after && !pass[first])
			first++;
		while (pass != NULL && first < after && !pass[after - 1])
			after--;
		if (first < after && rises_between(&key->key, values[first], values[after - 1]))
			divide_rising(runs, key, column, first, after);
		else
			divide_any(runs, key, column, pass, first, after);
		begin = stop;
	}
}

/* Do statistics say that all rows of the chunk have the same key? */
static bool
divide_by_statistics(TsdbGroupRuns *runs, KeyRuns *key, const TsdbBatch *batch)
{
	const TsdbGroupKey *what = &key->key;
	const TsdbColumnStats *stats;
	Bucket		min;
	Bucket		max;

	if (batch->summary == NULL || what->attno > batch->summary->natts)
		return false;
	stats = &batch->summary->columns[what->attno - 1];
	if (stats->nnulls > 0 || !stats->has_range)
		return false;
	if (what->rule == TSDB_BUCKET_COLUMN)
	{
		if (!is_same(what, stats->min, false, stats->max, false))
			return false;
		begin_run(key, runs->begin, stats->min, false);
		return true;
	}
	/* if rows are left out, theirs may be the least and the greatest values */
	if (batch->pass != NULL || !tsdb_number_is_integer(what->column_type) ||
		!rises_between(what, stats->min, stats->max))
		return false;
	min = bucket_of(runs, key, stats->min);
	max = bucket_of(runs, key, stats->max);
	if (!is_same(what, min.value, min.isnull, max.value, max.isnull))
		return false;
	begin_run(key, runs->begin, min.value, min.isnull);
	return true;
}

/* ---- dividing by all ---- */

void
tsdb_group_runs_divide(TsdbGroupRuns *runs, CustomScanState *scan, const TsdbBatch *batch)
{
	runs->begin = 0;
	runs->end = batch->nrows;
	while (batch->pass != NULL && !batch->pass[runs->begin])
		runs->begin++;
	while (batch->pass != NULL && !batch->pass[runs->end - 1])
		runs->end--;

	MemoryContextReset(runs->memory);
	for (int i = 0; i < runs->nkeys; i++)
	{
		KeyRuns    *key = &runs->keys[i];

		key->count = 0;
		key->at = 0;
		if (!divide_by_statistics(runs, key, batch))
		{
			const TsdbColumn *column = tsdb_table_scan_column(scan, key->key.attno);

			if (key->key.rule == TSDB_BUCKET_COLUMN)
				divide_column(key, column, runs->begin, runs->end);
			else
				divide_expression(runs, key, column, batch->pass, runs->begin, runs->end);
		}
		key->starts[key->count] = runs->end;
	}
}

bool
tsdb_group_runs_next(TsdbGroupRuns *runs, uint32 *from, uint32 *to, Datum *values, bool *nulls)
{
	if (runs->begin == runs->end)
		return false;
	*from = runs->begin;
	*to = runs->end;
	for (int i = 0; i < runs->nkeys; i++)
	{
		KeyRuns    *key = &runs->keys[i];

		while (key->starts[key->at + 1] <= *from)
			key->at++;
		*to = Min(*to, key->starts[key->at + 1]);
		values[i] = key->values[key->at];
		nulls[i] = key->nulls[key->at];
	}
	runs->begin = *to;
	return true;
}
