/*
 * task_stat.c
 *		The view tsdb.stat_tasks: what background workers have to do and are doing.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "worker/schedule.h"
#include "worker/task_kinds.h"
#include "worker/task_stat.h"

static const char *const level_names[TSDB_TASK_LEVELS] = {
	[TSDB_LEVEL_URGENT] = "urgent",
	[TSDB_LEVEL_HIGH] = "high",
	[TSDB_LEVEL_NORMAL] = "normal",
	[TSDB_LEVEL_LOW] = "low",
	[TSDB_LEVEL_LOWEST] = "lowest",
};

PG_FUNCTION_INFO_V1(tsdb_stat_tasks);

Datum
tsdb_task_stat_message(char *message, int encoding)
{
	if (encoding != GetDatabaseEncoding())
	{
		for (char *p = message; *p != '\0'; p++)
		{
			if (IS_HIGHBIT_SET(*p))
				*p = '?';
		}
	}
	return CStringGetTextDatum(message);
}

/*
 * tsdb_stat_tasks() returns setof (kind text, priority text, state text, pid int, datid oid, relid oid,
 * since timestamptz, due timestamptz, tries int, rows bigint, last_error text, last_error_at timestamptz)
 *
 * An error's message may quote data, so it is shown to those only who may read all statistics.
 */
Datum
tsdb_stat_tasks(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		read_all = has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
	TimestampTz now = GetCurrentTimestamp();

	InitMaterializedSRF(fcinfo, 0);

	for (int i = 0; i < TSDB_TASKS_MAX; i++)
	{
		TsdbTaskView task;
		Datum		values[12] = {0};
		bool		nulls[12] = {false};

		if (!tsdb_schedule_view(i, &task))
			continue;

		values[0] = CStringGetTextDatum(tsdb_task_kinds[task.slot.key.kind].name);
		values[1] = CStringGetTextDatum(level_names[task.slot.level]);
		values[2] = CStringGetTextDatum(task.slot.state == TSDB_TASK_RUNNING ? "running" :
										task.slot.state == TSDB_TASK_RESTING ? "resting" :
										task.slot.due <= now ? "due" : "waiting");
		values[3] = Int32GetDatum(task.pid);
		nulls[3] = task.pid == 0;
		values[4] = ObjectIdGetDatum(task.slot.key.database);
		values[5] = ObjectIdGetDatum(task.slot.key.table);
		nulls[5] = !OidIsValid(task.slot.key.table);
		values[6] = TimestampTzGetDatum(task.since);
		nulls[6] = task.since == 0;
		values[7] = TimestampTzGetDatum(task.slot.due);
		nulls[7] = task.slot.due == TSDB_TASK_NEVER;
		values[8] = Int32GetDatum(task.tries);
		values[9] = Int64GetDatum(task.rows);
		nulls[9] = task.slot.key.kind != TSDB_TASK_COMPACT;
		nulls[10] = task.last_error_at == 0 || !read_all;
		if (!nulls[10])
			values[10] = tsdb_task_stat_message(task.last_error, task.last_error_encoding);
		values[11] = TimestampTzGetDatum(task.last_error_at);
		nulls[11] = task.last_error_at == 0;

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}

	return (Datum) 0;
}
