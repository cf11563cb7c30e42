/*
 * chunk_summary.c
 *		The body of a chunk without decoding: what pruning and views read.
 */
#include "postgres.h"

#include "chunk/chunk.h"
#include "chunk/chunk_load.h"
#include "chunk/chunk_stats.h"
#include "chunk/chunk_type.h"

TsdbChunkSummary *
tsdb_chunk_summary(TupleDesc tupdesc, const char *body, uint32 body_bytes,
				   TsdbStreamFetch fetch, TsdbChunkDamage damage, void *arg)
{
	TsdbChunkSource source = {.fetch = fetch,.damage = damage,.arg = arg};
	TsdbChunkSummary *summary = palloc0(sizeof(TsdbChunkSummary));
	TsdbChunkBody parsed;
	const TsdbBodyHead *head = &parsed.head;

	tsdb_chunk_load(&source, body, body_bytes, &parsed);

	summary->nrows = head->nrows;
	summary->nsegments = head->nsegments;
	summary->has_time = head->has_time;
	summary->min_time = head->min_time;
	summary->max_time = head->max_time;
	summary->natts = (int) head->natts;
	summary->key.time = (AttrNumber) head->time;
	summary->key.nseries = (int) head->nseries;
	for (uint32 i = 0; i < head->nseries; i++)
		summary->key.series[i] = (AttrNumber) head->series[i];
	summary->hash_version = head->hash_version;
	summary->columns = palloc(Max(head->natts, 1) * sizeof(TsdbColumnStats));
	for (uint32 i = 0; i < head->natts; i++)
	{
		/* a row type only grows, but then it is not ours to crash here */
		TsdbColumnType type = {.kind = TSDB_BODY_NULL};

		if (i < (uint32) tupdesc->natts)
			tsdb_column_type_init(TupleDescAttr(tupdesc, i), &type);
		tsdb_chunk_stats_read(&type, &parsed.columns[i], &summary->columns[i]);
	}
	pfree(parsed.columns);
	return summary;
}
