/*
 * scan_access.c
 *		What a scan has asked for, written to the log of accesses.
 */
#include "postgres.h"

#include "exec/scan_access.h"

#include "cache/access_log.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

void
tsdb_scan_access_begin(TsdbRowsScan *scan)
{
	scan->recorded = scan->records < TSDB_SCAN_ACCESSES_MAX && tsdb_access_log_wants(scan->rel);
	if (!scan->recorded)
		return;
	memset(scan->asked, false, RelationGetDescr(scan->rel)->natts * sizeof(bool));
	memcpy(scan->before, scan->counts, sizeof(scan->before));
}

static uint64
count_since(const TsdbRowsScan *scan, TsdbScanCounter counter)
{
	return scan->counts[counter] - scan->before[counter];
}

/* False if there is no room for all the series that are asked for, or none are named and no times either. */
static bool
set_wanted(TsdbAccess *access, const TsdbChunkWanted *wanted)
{
	if (wanted->nranks > TSDB_ACCESS_SERIES_MAX || wanted->nhashes > TSDB_ACCESS_SERIES_MAX)
		return false;
	access->from = TSDB_ACCESS_FIRST;
	access->to = TSDB_ACCESS_LAST;
	if (wanted->times.attno != 0)
	{
		access->time = wanted->times.attno;
		access->from = wanted->times.min;
		access->to = wanted->times.max;
	}
	if (wanted->nranks > 0)
		access->rank = wanted->column;
	if (wanted->nhashes > 0)
		access->key = wanted->series;
	access->nranks = wanted->nranks;
	access->nhashes = wanted->nhashes;
	access->paired = wanted->paired;
	for (int i = 0; i < wanted->nranks; i++)
		access->ranks[i] = wanted->ranks[i];
	for (int i = 0; i < wanted->nhashes; i++)
		access->hashes[i] = wanted->hashes[i];
	return true;
}

void
tsdb_scan_access_end(TsdbRowsScan *scan, const TsdbScanWanted *wanted)
{
	TsdbAccess	access;
	uint64		chunks;

	if (!scan->recorded)
		return;
	scan->recorded = false;
	memset(&access, 0, sizeof(access));
	if (!wanted->any || !set_wanted(&access, &wanted->wanted))
		return;
	access.at = GetCurrentTimestamp();
	access.database = MyDatabaseId;
	access.table = RelationGetRelid(scan->rel);
	access.shape = hash_bytes((const unsigned char *) scan->columns,
							  scan->ncolumns * sizeof(AttrNumber));
	for (int i = 0; i < scan->ncolumns && access.ncolumns < TSDB_ACCESS_COLUMNS_MAX; i++)
	{
		if (scan->asked[scan->columns[i] - 1])
			access.columns[access.ncolumns++] = scan->columns[i];
	}
	chunks = count_since(scan, TSDB_COUNT_CHUNKS);
	access.chunks = Min(chunks - Min(chunks, count_since(scan, TSDB_COUNT_PRUNED)), PG_UINT16_MAX);
	access.decoded = Min(count_since(scan, TSDB_COUNT_DECODED), PG_UINT16_MAX);
	access.misses = Min(count_since(scan, TSDB_COUNT_READ), PG_UINT16_MAX);
	access.prefetched = Min(count_since(scan, TSDB_COUNT_CAME_TRUE), PG_UINT16_MAX);
	scan->records++;
	tsdb_access_log_add(&access);
}
