/*
 * ingest_stat.c
 *		What stands behind the views tsdb.stat_ingest...
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "ingest/ingest_shared.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsdb_stat_ingest);
PG_FUNCTION_INFO_V1(tsdb_stat_ingest_tables);
PG_FUNCTION_INFO_V1(tsdb_stat_ingest_pool);
PG_FUNCTION_INFO_V1(tsdb_stat_ingest_workers);

#define COLUMNS_MAX		20

/* A row of a result, filled from the left. */
typedef struct Line
{
	int			count;
	Datum		values[COLUMNS_MAX];
	bool		nulls[COLUMNS_MAX];
} Line;

static void
put(Line *line, Datum value, bool isnull)
{
	line->values[line->count] = value;
	line->nulls[line->count++] = isnull;
}

static void
put_count(Line *line, pg_atomic_uint64 *count)
{
	put(line, Int64GetDatum(pg_atomic_read_u64(count)), false);
}

static void
put_quantiles(Line *line, const TsdbLatency *latency)
{
	static const double shares[] = {0.5, 0.95, 0.99};

	for (int i = 0; i < (int) lengthof(shares); i++)
	{
		double		value = tsdb_latency_quantile(latency, shares[i]);

		put(line, Int64GetDatum((int64) value), value < 0);
	}
}

static void
add_line(FunctionCallInfo fcinfo, Line *line)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, line->values, line->nulls);
}

Datum
tsdb_stat_ingest(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < tsdb_ingest_sets(); i++)
	{
		TsdbIngestSet *set = tsdb_ingest_set(i);
		Oid			dboid = pg_atomic_read_u32(&set->dboid);

		for (int s = 0; s < TSDB_INGEST_SHARDS && OidIsValid(dboid); s++)
		{
			TsdbIngestShard *shard = &set->shards[s];
			uint64		settled = pg_atomic_read_u64(&shard->rows_settled);
			uint64		pushed = pg_atomic_read_u64(&shard->rows_pushed);
			Line		line = {0};

			put(&line, ObjectIdGetDatum(dboid), false);
			put(&line, Int32GetDatum(s), false);
			put_count(&line, &shard->batches_pushed);
			put(&line, Int64GetDatum(pushed), false);
			put_count(&line, &shard->rows_drained);
			put(&line, Int64GetDatum(pushed > settled ? pushed - settled : 0), false);
			put_count(&line, &shard->full_waits);
			put_count(&line, &shard->handed_back);
			put_quantiles(&line, &shard->batch_rows);
			put_quantiles(&line, &shard->push_us);
			put_quantiles(&line, &shard->ack_us);
			add_line(fcinfo, &line);
		}
	}
	return (Datum) 0;
}

Datum
tsdb_stat_ingest_tables(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; tsdb_ingest_enabled() && i < TSDB_INGEST_TABLES; i++)
	{
		TsdbIngestTable *table = tsdb_ingest_table_number(i);
		uint64		key = pg_atomic_read_u64(&table->key);
		Line		line = {0};

		if (key >> 32 != MyDatabaseId)
			continue;
		put(&line, ObjectIdGetDatum((Oid) key), false);
		put_count(&line, &table->rows_pushed);
		put_count(&line, &table->rows_drained);
		put_count(&line, &table->rows_direct);
		put_count(&line, &table->rows_dead);
		put_count(&line, &table->rows_discarded);
		add_line(fcinfo, &line);
	}
	return (Datum) 0;
}

Datum
tsdb_stat_ingest_pool(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	if (!tsdb_ingest_enabled())
		return (Datum) 0;
	for (int i = 0; i < tsdb_ingest_slab_classes(); i++)
	{
		TsdbRingSlabCounts counts;
		Line		line = {0};

		tsdb_ring_slab_counts(tsdb_ingest_slab(), i, &counts);
		put(&line, CStringGetTextDatum("ring"), false);
		put(&line, Int32GetDatum(counts.bytes), false);
		put(&line, Int32GetDatum(counts.blocks), false);
		put(&line, Int32GetDatum(counts.used), false);
		put(&line, Int64GetDatum(counts.fresh), false);
		put(&line, Int64GetDatum(counts.reused), false);
		put(&line, Int64GetDatum(counts.spilled), false);
		put(&line, Int64GetDatum(counts.refused), false);
		add_line(fcinfo, &line);
	}
	{
		TsdbGatherCounts *counts = tsdb_ingest_gather_counts();
		Line		line = {0};

		put(&line, CStringGetTextDatum("backends"), false);
		for (int i = 0; i < 3; i++)
			put(&line, (Datum) 0, true);
		put_count(&line, &counts->fresh);
		put_count(&line, &counts->reused);
		put(&line, (Datum) 0, true);
		put(&line, (Datum) 0, true);
		add_line(fcinfo, &line);
	}
	return (Datum) 0;
}

Datum
tsdb_stat_ingest_workers(PG_FUNCTION_ARGS)
{
	static const char *const states[] = {
		[TSDB_DRAIN_STOPPED] = "stopped",
		[TSDB_DRAIN_STARTING] = "starting",
		[TSDB_DRAIN_RUNNING] = "running",
		[TSDB_DRAIN_CLOSING] = "closing",
	};
	bool		read_all = has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < tsdb_ingest_sets(); i++)
	{
		TsdbIngestSet *set = tsdb_ingest_set(i);
		char		error[TSDB_INGEST_ERROR_BYTES];
		TimestampTz at;
		int			pid;
		Oid			dboid;
		Line		line = {0};

		LWLockAcquire(tsdb_ingest_lock(), LW_SHARED);
		dboid = pg_atomic_read_u32(&set->dboid);
		pid = set->pid;
		at = set->last_error_at;
		strlcpy(error, set->last_error, sizeof(error));
		LWLockRelease(tsdb_ingest_lock());
		if (!OidIsValid(dboid))
			continue;
		put(&line, ObjectIdGetDatum(dboid), false);
		put(&line, Int32GetDatum(pid), pid == 0);
		put(&line, CStringGetTextDatum(states[pg_atomic_read_u32(&set->drain)]), false);
		put_count(&line, &set->transactions);
		put_count(&line, &set->retries);

		/* in another database's encoding it might be no text here */
		at = read_all && dboid == MyDatabaseId ? at : 0;
		put(&line, at != 0 ? CStringGetTextDatum(error) : (Datum) 0, at == 0);
		put(&line, TimestampTzGetDatum(at), at == 0);
		add_line(fcinfo, &line);
	}
	return (Datum) 0;
}
