/*
 * row_order.c
 *		The rows of one call by shard, and in each shard by series.
 *
 * Each row gets a word made of its key, and is looked up by it in a table of the series that came before; only new ones are hashed
 * to shards, which takes longer.  The word of a key of one number is the number in other bits: it need not be
 * compared any further.
 */
#include "postgres.h"

#include "ingest/row_order.h"

#include "access/tupmacs.h"
#include "chunk/series_hash.h"
#include "common/hashfn.h"

#define MIX			UINT64CONST(0x9E3779B97F4A7C15)
#define WORD_OF_NULL UINT64CONST(0x5BF03635)
#define EMPTY_SLOT	PG_UINT32_MAX

/* A column of the key. */
typedef struct KeyColumn
{
	const TsdbRowColumn *data;
	Form_pg_attribute att;
} KeyColumn;

typedef struct Series
{
	uint64		word;
	uint32		first;			/* row */
	uint32		rows;			/* how many; later, where the next of them goes */
	uint32		shard;
} Series;

typedef struct Ordering
{
	TupleDesc	tupdesc;
	const TsdbSortKey *key;
	KeyColumn  *columns;
	bool		exact;			/* equal words are equal keys */
	Datum	   *values;			/* of a table's row */
	bool	   *nulls;
	Series	   *series;
	uint32		nseries;
	uint32	   *slots;			/* numbers of series */
	uint32		mask;
} Ordering;

static inline bool
is_null(const KeyColumn *column, uint32 row)
{
	return column->data->nulls != NULL && column->data->nulls[column->data->same ? 0 : row];
}

static inline Datum
value_of(const KeyColumn *column, uint32 row)
{
	int			length = column->att->attlen;

	row = column->data->same ? 0 : row;
	return column->att->attbyval ?
		fetch_att(column->data->fixed + (Size) row * length, true, length) :
		column->data->values[row];
}

/* The bytes of a value that is not passed by value; it is neither compressed nor elsewhere. */
static const char *
bytes_of(const KeyColumn *column, uint32 row, Size *bytes)
{
	const char *pointer = DatumGetPointer(value_of(column, row));
	int			length = column->att->attlen;

	if (length == -1)
	{
		*bytes = VARSIZE_ANY_EXHDR(pointer);
		return VARDATA_ANY(pointer);
	}
	*bytes = length == -2 ? strlen(pointer) : (Size) length;
	return pointer;
}

static void
find_columns(Ordering *ordering, const TsdbRowColumn *columns)
{
	const TsdbSortKey *key = ordering->key;

	ordering->columns = palloc(Max(key->nseries, 1) * sizeof(KeyColumn));
	for (int i = 0; i < key->nseries; i++)
	{
		int			c = 0;

		for (int a = 0; a < key->series[i] - 1; a++)
			c += !TupleDescAttr(ordering->tupdesc, a)->attisdropped;
		ordering->columns[i] = (KeyColumn)
		{
			.data = &columns[c],.att = TupleDescAttr(ordering->tupdesc, key->series[i] - 1)
		};
	}
	ordering->exact = key->nseries == 0 ||
		(key->nseries == 1 && ordering->columns[0].att->attbyval &&
		 ordering->columns[0].data->nulls == NULL);
}

/* Mix a column into the words of all rows. */
static void
add_to_words(const KeyColumn *column, uint32 nrows, uint64 *words)
{
	for (uint32 row = 0; row < nrows; row++)
	{
		uint64		value;

		if (is_null(column, row))
			value = WORD_OF_NULL;
		else if (column->att->attbyval)
			value = (uint64) value_of(column, row);
		else
		{
			Size		bytes;
			const char *start = bytes_of(column, row, &bytes);

			value = hash_bytes((const unsigned char *) start, (int) bytes);
		}
		words[row] = (((words[row] << 32) | (words[row] >> 32)) ^ value) * MIX;
	}
}

static bool
is_same_key(const Ordering *ordering, uint32 a, uint32 b)
{
	for (int i = 0; i < ordering->key->nseries; i++)
	{
		const KeyColumn *column = &ordering->columns[i];
		Size		a_bytes;
		Size		b_bytes;
		const char *a_start;
		const char *b_start;

		if (column->data->same)
			continue;
		if (is_null(column, a) || is_null(column, b))
		{
			if (is_null(column, a) != is_null(column, b))
				return false;
			continue;
		}
		if (column->att->attbyval)
		{
			if (value_of(column, a) != value_of(column, b))
				return false;
			continue;
		}
		a_start = bytes_of(column, a, &a_bytes);
		b_start = bytes_of(column, b, &b_bytes);
		if (a_bytes != b_bytes || memcmp(a_start, b_start, a_bytes) != 0)
			return false;
	}
	return true;
}

static uint32
shard_of(Ordering *ordering, uint32 row)
{
	for (int i = 0; i < ordering->key->nseries; i++)
	{
		int			a = ordering->key->series[i] - 1;

		ordering->nulls[a] = is_null(&ordering->columns[i], row);
		ordering->values[a] = ordering->nulls[a] ? (Datum) 0 :
			value_of(&ordering->columns[i], row);
	}
	return tsdb_series_hash(ordering->tupdesc, ordering->key, ordering->values,
							ordering->nulls) % TSDB_INGEST_SHARDS;
}

/* The number of a row's series. */
static uint32
find_series(Ordering *ordering, uint32 row, uint64 word)
{
	uint32		slot = (uint32) (word >> 32) & ordering->mask;
	uint32		number;

	for (; (number = ordering->slots[slot]) != EMPTY_SLOT; slot = (slot + 1) & ordering->mask)
	{
		Series	   *series = &ordering->series[number];

		if (series->word == word &&
			(ordering->exact || is_same_key(ordering, series->first, row)))
			return number;
	}
	number = ordering->nseries++;
	ordering->slots[slot] = number;
	ordering->series[number] = (Series)
	{
		.word = word,.first = row,.shard = shard_of(ordering, row)
	};
	return number;
}

/* Deal out rows, given the series of each. */
static void
deal_out(Ordering *ordering, const uint32 *series_of, uint32 nrows, TsdbRowOrder *order)
{
	uint32		next[TSDB_INGEST_SHARDS];

	memset(order->starts, 0, sizeof(order->starts));
	for (uint32 s = 0; s < ordering->nseries; s++)
		order->starts[ordering->series[s].shard + 1] += ordering->series[s].rows;
	for (int shard = 0; shard < TSDB_INGEST_SHARDS; shard++)
	{
		next[shard] = order->starts[shard];
		order->starts[shard + 1] += order->starts[shard];
	}
	for (uint32 s = 0; s < ordering->nseries; s++)
	{
		Series	   *series = &ordering->series[s];
		uint32		rows = series->rows;

		series->rows = next[series->shard];
		next[series->shard] += rows;
	}
	order->rows = palloc(nrows * sizeof(uint32));
	for (uint32 row = 0; row < nrows; row++)
		order->rows[ordering->series[series_of[row]].rows++] = row;
}

void
tsdb_row_order(TupleDesc tupdesc, const TsdbSortKey *key, const TsdbRowColumn *columns,
			   uint32 nrows, TsdbRowOrder *order)
{
	Ordering	ordering = {.tupdesc = tupdesc,.key = key,.mask = 1};
	uint64	   *words = palloc0(nrows * sizeof(uint64));
	uint32	   *series_of = palloc(nrows * sizeof(uint32));

	while (ordering.mask < 2 * nrows)
		ordering.mask *= 2;
	ordering.slots = palloc(ordering.mask * sizeof(uint32));
	memset(ordering.slots, 0xff, ordering.mask * sizeof(uint32));
	ordering.mask--;
	ordering.series = palloc(nrows * sizeof(Series));
	ordering.values = palloc(tupdesc->natts * sizeof(Datum));
	ordering.nulls = palloc(tupdesc->natts * sizeof(bool));
	find_columns(&ordering, columns);

	for (int i = 0; i < key->nseries; i++)
		add_to_words(&ordering.columns[i], nrows, words);
	for (uint32 row = 0; row < nrows; row++)
	{
		series_of[row] = row > 0 && words[row] == words[row - 1] && ordering.exact ?
			series_of[row - 1] : find_series(&ordering, row, words[row]);
		ordering.series[series_of[row]].rows++;
	}
	deal_out(&ordering, series_of, nrows, order);

	pfree(ordering.nulls);
	pfree(ordering.values);
	pfree(ordering.series);
	pfree(ordering.slots);
	pfree(ordering.columns);
	pfree(series_of);
	pfree(words);
}
