/*
 * table_cold.c
 *		From which age on a table's chunks are encoded at level cold.
 */
#include "postgres.h"

#include "store/table_cold.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/partition.h"
#include "catalog/pg_type_d.h"
#include "common/int.h"
#include "store/table_label.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

int			tsdb_cold_age = TSDB_COLD_AGE_DEFAULT;

int
tsdb_table_cold_age(Relation table)
{
	List	   *relids = list_make1_oid(RelationGetRelid(table));
	ListCell   *lc;

	if (table->rd_rel->relispartition)
		relids = list_concat(relids, get_partition_ancestors(RelationGetRelid(table)));
	foreach(lc, relids)
	{
		TsdbTableLabels labels;

		tsdb_label_read(lfirst_oid(lc), &labels);
		if (labels.table.cold_stated)
			return labels.table.cold_age;
	}
	return tsdb_cold_age;
}

void
tsdb_table_cold_rule(Relation table, const TsdbSortKey *key, TsdbColdRule *rule)
{
	int			age = tsdb_table_cold_age(table);
	Oid			type = InvalidOid;

	memset(rule, 0, sizeof(*rule));
	rule->before = age == 0 ? PG_INT64_MAX : PG_INT64_MIN;
	if (age <= 0)
		return;
	if (key->time != 0)
		type = getBaseType(TupleDescAttr(RelationGetDescr(table), key->time - 1)->atttypid);
	if (type != TIMESTAMPTZOID && type != TIMESTAMPOID && type != DATEOID)
		return;

	rule->unit = type == DATEOID ? USECS_PER_DAY : 1;
	rule->now = GetCurrentTransactionStartTimestamp();
	rule->boundary = rule->now;
	if (type != TIMESTAMPTZOID)
		rule->boundary = DatumGetTimestamp(DirectFunctionCall1(timestamptz_timestamp,
															   TimestampTzGetDatum(rule->now)));
	rule->boundary -= age * USECS_PER_SEC;
	rule->before = rule->boundary / rule->unit;
	if (rule->before * rule->unit > rule->boundary)
		rule->before--;			/* a day before 2000 */
}

TimestampTz
tsdb_table_cold_at(const TsdbColdRule *rule, bool has_time, int64 max_time)
{
	int64		end;
	int64		wait;
	TimestampTz at;

	/* (max_time + 1) * unit - boundary from now on; infinity is never reached */
	if (!has_time || rule->unit == 0 ||
		pg_add_s64_overflow(max_time, 1, &end) ||
		pg_mul_s64_overflow(end, rule->unit, &end) ||
		pg_sub_s64_overflow(end, rule->boundary, &wait) ||
		pg_add_s64_overflow(rule->now, Max(wait, 0), &at))
		return DT_NOEND;
	return at;
}

void
tsdb_table_cold_set(Oid relid, bool stated, int age)
{
	Relation	table = relation_open(relid, ShareUpdateExclusiveLock);
	TsdbTableLabels labels;
	char	   *text;

	tsdb_label_read(relid, &labels);
	labels.table.cold_stated = stated;
	labels.table.cold_age = age;
	text = tsdb_label_format_table(&labels.table);
	if (text != NULL || labels.has_table_label)
		tsdb_label_write(relid, 0, text);
	CacheInvalidateRelcache(table);
	CommandCounterIncrement();
	relation_close(table, NoLock);
}
