/*
 * cache.c
 *		What users see of the working set: tsdb.stat_cache, tsdb.cache_contents and the like.
 */
#include "postgres.h"

#include "cache/spill_cache.h"
#include "cache/working_set.h"
#include "catalog/pg_authid.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "sql/stat_row.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"

PG_FUNCTION_INFO_V1(tsdb_stat_cache);
PG_FUNCTION_INFO_V1(tsdb_stat_cache_columns);
PG_FUNCTION_INFO_V1(tsdb_stat_cache_session);
PG_FUNCTION_INFO_V1(tsdb_cache_contents);
PG_FUNCTION_INFO_V1(tsdb_cache_reset);

static void
put_int(TsdbStatRow *row, uint64 value)
{
	tsdb_stat_row_put(row, Int64GetDatum((int64) value), false);
}

static void
put_null(TsdbStatRow *row)
{
	tsdb_stat_row_put(row, (Datum) 0, true);
}

/* The row of the spill cache. Pins, evictions and prefetching are none of its business. */
static void
add_spill_cache(FunctionCallInfo fcinfo, TsdbWorkingSetStats *stats)
{
	TsdbSpillCounts counts;
	TsdbStatRow row = {0};

	if (!tsdb_spill_cache_counts(&counts))
		return;
	tsdb_stat_row_put(&row, CStringGetTextDatum("spill"), false);
	put_int(&row, counts.on ? (uint64) tsdb_spill_cache_size * 1024 : 0);
	put_int(&row, counts.on ? counts.bytes : 0);
	put_int(&row, counts.on ? tsdb_spill_cache_entries() : 0);
	put_null(&row);
	tsdb_stat_row_put_count(&row, &stats->spill_hits);
	tsdb_stat_row_put_count(&row, &stats->misses);
	put_int(&row, counts.puts);
	put_int(&row, counts.skipped);
	for (int i = 0; i < 4; i++)
		put_null(&row);
	tsdb_stat_row_put_quantiles(&row, &stats->spill_hit_ns);
	for (int i = 0; i < 3; i++)
		put_null(&row);
	tsdb_stat_row_add(fcinfo, &row);
}

/* One row per level. */
Datum
tsdb_stat_cache(PG_FUNCTION_ARGS)
{
	TsdbVectorCache *cache = tsdb_working_set_cache();
	TsdbWorkingSetStats *stats = tsdb_working_set_stats();
	TsdbVectorCounts counts;
	TsdbStatRow row = {0};

	InitMaterializedSRF(fcinfo, 0);
	if (cache == NULL)
		return (Datum) 0;
	tsdb_vector_cache_counts(cache, &counts);
	tsdb_stat_row_put(&row, CStringGetTextDatum("memory"), false);
	put_int(&row, (uint64) tsdb_cache_size * 1024);
	put_int(&row, counts.bytes);
	put_int(&row, counts.entries);
	put_int(&row, tsdb_vector_cache_pins(cache));
	tsdb_stat_row_put_count(&row, &stats->hits);
	put_int(&row, pg_atomic_read_u64(&stats->misses) + pg_atomic_read_u64(&stats->spill_hits));
	put_int(&row, counts.inserts);
	put_int(&row, counts.refused);
	put_int(&row, counts.evictions);
	put_int(&row, counts.prefetched);
	put_int(&row, counts.prefetch_used);
	put_int(&row, counts.prefetch_wasted);
	tsdb_stat_row_put_quantiles(&row, &stats->hit_ns);
	tsdb_stat_row_put_quantiles(&row, &stats->miss_ns);
	tsdb_stat_row_add(fcinfo, &row);
	add_spill_cache(fcinfo, stats);
	return (Datum) 0;
}

/* One row per column of a table of this database that was asked for. */
Datum
tsdb_stat_cache_columns(PG_FUNCTION_ARGS)
{
	TsdbColumnUse *columns;
	int			count = tsdb_column_counts_list(&columns);

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < count; i++)
	{
		TsdbStatRow row = {0};

		tsdb_stat_row_put(&row, ObjectIdGetDatum(columns[i].relid), false);
		tsdb_stat_row_put(&row, Int16GetDatum(columns[i].attno), false);
		put_int(&row, columns[i].counts.hits);
		put_int(&row, columns[i].counts.spill_hits);
		put_int(&row, columns[i].counts.misses);
		tsdb_stat_row_add(fcinfo, &row);
	}
	return (Datum) 0;
}

Datum
tsdb_stat_cache_session(PG_FUNCTION_ARGS)
{
	const TsdbColumnCounts *session = tsdb_working_set_session();
	TsdbStatRow row = {0};

	InitMaterializedSRF(fcinfo, 0);
	put_int(&row, session->hits);
	put_int(&row, session->spill_hits);
	put_int(&row, session->misses);
	tsdb_stat_row_add(fcinfo, &row);
	return (Datum) 0;
}

/* ---- contents ---- */

typedef struct ContentKey
{
	Oid			storage;
	int32		attno;
} ContentKey;

typedef struct Content
{
	ContentKey	key;
	uint64		vectors;
	uint64		bytes;
	uint64		pins;
	uint64		hot;			/* asked for since the cache last looked for room there */
	uint64		prefetched;		/* and not yet asked for */
} Content;

/* One row per column of a storage of this database; of one that is no more, the table is null. */
Datum
tsdb_cache_contents(PG_FUNCTION_ARGS)
{
	TsdbVectorCache *cache = tsdb_working_set_cache();
	HASHCTL		control = {
		.keysize = sizeof(ContentKey),.entrysize = sizeof(Content),.hcxt = CurrentMemoryContext
	};
	HTAB	   *contents;
	HASH_SEQ_STATUS status;
	TsdbVectorEntry item;
	uint32		cursor = 0;
	Content    *content;

	InitMaterializedSRF(fcinfo, 0);
	if (cache == NULL)
		return (Datum) 0;
	contents = hash_create("tsdb cache contents", 256, &control,
						   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	while (tsdb_vector_cache_next(cache, &cursor, &item))
	{
		ContentKey	key = {item.key.storage, (int32) item.key.column};
		bool		found;

		CHECK_FOR_INTERRUPTS();
		if (item.key.database != MyDatabaseId)
			continue;
		content = hash_search(contents, &key, HASH_ENTER, &found);
		if (!found)
			memset((char *) content + sizeof(ContentKey), 0, sizeof(Content) - sizeof(ContentKey));
		content->vectors++;
		content->bytes += item.bytes;
		content->pins += item.pins;
		content->hot += item.usage > 0;
		content->prefetched += item.origin == TSDB_VECTOR_PREFETCH && !item.used;
	}
	hash_seq_init(&status, contents);
	while ((content = hash_seq_search(&status)) != NULL)
	{
		TsdbStatRow row = {0};
		Oid			relid = tsdb_storage_table_of(content->key.storage);

		tsdb_stat_row_put(&row, ObjectIdGetDatum(relid), !OidIsValid(relid));
		tsdb_stat_row_put(&row, Int16GetDatum(content->key.attno), false);
		put_int(&row, content->vectors);
		put_int(&row, content->bytes);
		put_int(&row, content->pins);
		put_int(&row, content->hot);
		put_int(&row, content->prefetched);
		tsdb_stat_row_add(fcinfo, &row);
	}
	hash_destroy(contents);
	return (Datum) 0;
}

Datum
tsdb_cache_reset(PG_FUNCTION_ARGS)
{
	tsdb_working_set_reset();
	PG_RETURN_VOID();
}
