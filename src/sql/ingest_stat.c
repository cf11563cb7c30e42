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
#include "sql/stat_row.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsdb_stat_ingest);
PG_FUNCTION_INFO_V1(tsdb_stat_ingest_tables);
PG_FUNCTION_INFO_V1(tsdb_stat_ingest_pool);
PG_FUNCTION_INFO_V1(tsdb_stat_ingest_workers);

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
			TsdbStatRow line = {0};

			tsdb_stat_row_put(&line, ObjectIdGetDatum(dboid), false);
			tsdb_stat_row_put(&line, Int32GetDatum(s), false);
			tsdb_stat_row_put_count(&line, &shard->batches_pushed);
			tsdb_stat_row_put(&line, Int64GetDatum(pushed), false);
			tsdb_stat_row_put_count(&line, &shard->rows_drained);
			tsdb_stat_row_put(&line, Int64GetDatum(pushed > settled ? pushed - settled : 0), false);
			tsdb_stat_row_put_count(&line, &shard->full_waits);
			tsdb_stat_row_put_count(&line, &shard->handed_back);
			tsdb_stat_row_put_quantiles(&line, &shard->batch_rows);
			tsdb_stat_row_put_quantiles(&line, &shard->push_us);
			tsdb_stat_row_put_quantiles(&line, &shard->ack_us);
			tsdb_stat_row_add(fcinfo, &line);
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
		TsdbStatRow line = {0};

		if (key >> 32 != MyDatabaseId)
			continue;
		tsdb_stat_row_put(&line, ObjectIdGetDatum((Oid) key), false);
		tsdb_stat_row_put_count(&line, &table->rows_pushed);
		tsdb_stat_row_put_count(&line, &table->rows_drained);
		tsdb_stat_row_put_count(&line, &table->rows_direct);
		tsdb_stat_row_put_count(&line, &table->rows_dead);
		tsdb_stat_row_put_count(&line, &table->rows_discarded);
		tsdb_stat_row_add(fcinfo, &line);
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
		TsdbStatRow line = {0};

		tsdb_ring_slab_counts(tsdb_ingest_slab(), i, &counts);
		tsdb_stat_row_put(&line, CStringGetTextDatum("ring"), false);
		tsdb_stat_row_put(&line, Int32GetDatum(counts.bytes), false);
		tsdb_stat_row_put(&line, Int32GetDatum(counts.blocks), false);
		tsdb_stat_row_put(&line, Int32GetDatum(counts.used), false);
		tsdb_stat_row_put(&line, Int64GetDatum(counts.fresh), false);
		tsdb_stat_row_put(&line, Int64GetDatum(counts.reused), false);
		tsdb_stat_row_put(&line, Int64GetDatum(counts.spilled), false);
		tsdb_stat_row_put(&line, Int64GetDatum(counts.refused), false);
		tsdb_stat_row_add(fcinfo, &line);
	}
	{
		TsdbGatherCounts *counts = tsdb_ingest_gather_counts();
		TsdbStatRow line = {0};

		tsdb_stat_row_put(&line, CStringGetTextDatum("backends"), false);
		for (int i = 0; i < 3; i++)
			tsdb_stat_row_put(&line, (Datum) 0, true);
		tsdb_stat_row_put_count(&line, &counts->fresh);
		tsdb_stat_row_put_count(&line, &counts->reused);
		tsdb_stat_row_put(&line, (Datum) 0, true);
		tsdb_stat_row_put(&line, (Datum) 0, true);
		tsdb_stat_row_add(fcinfo, &line);
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
		TsdbStatRow line = {0};

		LWLockAcquire(tsdb_ingest_lock(), LW_SHARED);
		dboid = pg_atomic_read_u32(&set->dboid);
		pid = set->pid;
		at = set->last_error_at;
		strlcpy(error, set->last_error, sizeof(error));
		LWLockRelease(tsdb_ingest_lock());
		if (!OidIsValid(dboid))
			continue;
		tsdb_stat_row_put(&line, ObjectIdGetDatum(dboid), false);
		tsdb_stat_row_put(&line, Int32GetDatum(pid), pid == 0);
		tsdb_stat_row_put(&line, CStringGetTextDatum(states[pg_atomic_read_u32(&set->drain)]), false);
		tsdb_stat_row_put_count(&line, &set->transactions);
		tsdb_stat_row_put_count(&line, &set->retries);

		/* in another database's encoding it might be no text here */
		at = read_all && dboid == MyDatabaseId ? at : 0;
		tsdb_stat_row_put(&line, at != 0 ? CStringGetTextDatum(error) : (Datum) 0, at == 0);
		tsdb_stat_row_put(&line, TimestampTzGetDatum(at), at == 0);
		tsdb_stat_row_add(fcinfo, &line);
	}
	return (Datum) 0;
}
