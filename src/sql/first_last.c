/*
 * first_last.c
 *		Aggregates first(value, time) and last(value, time).
 *
 * The value of the row with the smallest or the largest time.  Rows whose time
 * is null do not count; the value may be null, and is the answer then.  Of rows
 * with equal times the first that arrives counts, as with TimescaleDB.  Times
 * are whatever has a default btree order, compared in the aggregate's collation.
 * The state is in exec/best_row.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "exec/best_row.h"
#include "fmgr.h"
#include "sql/aggregate.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(tsdb_first_step);
PG_FUNCTION_INFO_V1(tsdb_last_step);
PG_FUNCTION_INFO_V1(tsdb_first_combine);
PG_FUNCTION_INFO_V1(tsdb_last_combine);
PG_FUNCTION_INFO_V1(tsdb_first_last_serialize);
PG_FUNCTION_INFO_V1(tsdb_first_last_deserialize);
PG_FUNCTION_INFO_V1(tsdb_first_last_result);

/* How times are compared; fn_extra of the steps. */
typedef struct TimeOrder
{
	Oid			type;
	bool		is_int64;		/* timestamps and bigint, compared in line */
	FmgrInfo	compare;
} TimeOrder;

static TimeOrder *
time_order(FunctionCallInfo fcinfo, Oid type)
{
	TimeOrder  *order = fcinfo->flinfo->fn_extra;

	if (order == NULL || order->type != type)
	{
		MemoryContext context = fcinfo->flinfo->fn_mcxt;
		TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_CMP_PROC);

		if (!OidIsValid(entry->cmp_proc))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_FUNCTION),
					 errmsg("could not identify a comparison function for type %s",
							format_type_be(type)),
					 type == UNKNOWNOID ?
					 errhint("Cast the second argument to the type of a time.") : 0));
		if (order == NULL)
			order = MemoryContextAllocZero(context, sizeof(TimeOrder));
		order->type = InvalidOid;
		order->is_int64 = FLOAT8PASSBYVAL &&
			(entry->cmp_proc == F_TIMESTAMP_CMP || entry->cmp_proc == F_TIMESTAMPTZ_CMP ||
			 entry->cmp_proc == F_BTINT8CMP);
		fmgr_info_cxt(entry->cmp_proc, &order->compare, context);
		order->type = type;
		fcinfo->flinfo->fn_extra = order;
	}
	return order;
}

/* Does a row at this time take the place of the best one? */
static bool
is_better(FunctionCallInfo fcinfo, Datum time, const TsdbKeptDatum *best, bool last)
{
	TimeOrder  *order = time_order(fcinfo, best->type);
	int32		sign;

	if (order->is_int64)
		return last ? DatumGetInt64(time) > DatumGetInt64(best->value) :
			DatumGetInt64(time) < DatumGetInt64(best->value);
	sign = DatumGetInt32(FunctionCall2Coll(&order->compare, fcinfo->fncollation,
										   time, best->value));
	return last ? sign > 0 : sign < 0;
}

static Datum
step(FunctionCallInfo fcinfo, bool last)
{
	MemoryContext context = tsdb_aggregate_context(fcinfo);
	TsdbBestRow    *best = PG_ARGISNULL(0) ? NULL : (TsdbBestRow *) PG_GETARG_POINTER(0);

	if (PG_ARGISNULL(2))
	{
		if (best == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(best);
	}
	if (best == NULL)
	{
		best = tsdb_best_row_create(context, get_fn_expr_argtype(fcinfo->flinfo, 1),
					   get_fn_expr_argtype(fcinfo->flinfo, 2));
		(void) time_order(fcinfo, best->time.type);
	}
	else if (!is_better(fcinfo, PG_GETARG_DATUM(2), &best->time, last))
		PG_RETURN_POINTER(best);
	tsdb_best_row_set(best, PG_GETARG_DATUM(1), PG_ARGISNULL(1), PG_GETARG_DATUM(2), context);
	PG_RETURN_POINTER(best);
}

Datum
tsdb_first_step(PG_FUNCTION_ARGS)
{
	return step(fcinfo, false);
}

Datum
tsdb_last_step(PG_FUNCTION_ARGS)
{
	return step(fcinfo, true);
}

static Datum
combine(FunctionCallInfo fcinfo, bool last)
{
	MemoryContext context = tsdb_aggregate_context(fcinfo);
	TsdbBestRow    *best = PG_ARGISNULL(0) ? NULL : (TsdbBestRow *) PG_GETARG_POINTER(0);
	TsdbBestRow    *other = PG_ARGISNULL(1) ? NULL : (TsdbBestRow *) PG_GETARG_POINTER(1);

	if (other == NULL)
	{
		if (best == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(best);
	}
	if (best == NULL)
		best = tsdb_best_row_create(context, other->value.type, other->time.type);
	else if (!is_better(fcinfo, other->time.value, &best->time, last))
		PG_RETURN_POINTER(best);
	tsdb_best_row_set(best, other->value.value, other->value.isnull, other->time.value, context);
	PG_RETURN_POINTER(best);
}

Datum
tsdb_first_combine(PG_FUNCTION_ARGS)
{
	return combine(fcinfo, false);
}

Datum
tsdb_last_combine(PG_FUNCTION_ARGS)
{
	return combine(fcinfo, true);
}

Datum
tsdb_first_last_serialize(PG_FUNCTION_ARGS)
{
	(void) tsdb_aggregate_context(fcinfo);
	PG_RETURN_BYTEA_P(tsdb_best_row_serialize((TsdbBestRow *) PG_GETARG_POINTER(0)));
}

Datum
tsdb_first_last_deserialize(PG_FUNCTION_ARGS)
{
	(void) tsdb_aggregate_context(fcinfo);
	PG_RETURN_POINTER(tsdb_best_row_deserialize(PG_GETARG_BYTEA_PP(0)));
}

/* The state lives on, and may be changed, where the aggregate has a window. */
Datum
tsdb_first_last_result(PG_FUNCTION_ARGS)
{
	TsdbBestRow    *best = PG_ARGISNULL(0) ? NULL : (TsdbBestRow *) PG_GETARG_POINTER(0);

	(void) tsdb_aggregate_context(fcinfo);
	if (best == NULL || best->value.isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(datumCopy(best->value.value, best->value.typbyval, best->value.typlen));
}
