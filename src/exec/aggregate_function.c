/*
 * aggregate_function.c
 *		Which aggregate functions are known, and what each computes.
 */
#include "postgres.h"

#include "exec/aggregate_function.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/dependency.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

bool
tsdb_aggregate_is_extreme(const Aggref *call, Oid *support, bool *maximum)
{
	HeapTuple	tuple;
	Form_pg_aggregate form;
	bool		found;
	bool		initial_null;

	if (call->aggfnoid >= FirstGenbkiObjectId || list_length(call->args) != 1)
		return false;
	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(call->aggfnoid));
	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_aggregate) GETSTRUCT(tuple);
	(void) SysCacheGetAttr(AGGFNOID, tuple, Anum_pg_aggregate_agginitval, &initial_null);
	found = form->aggkind == AGGKIND_NORMAL && OidIsValid(form->aggsortop) &&
		form->aggcombinefn == form->aggtransfn && !OidIsValid(form->aggfinalfn) &&
		initial_null && call->aggtranstype == linitial_oid(call->aggargtypes) &&
		func_strict(form->aggtransfn);
	*support = form->aggtransfn;
	if (found)
	{
		char	   *name = get_func_name(call->aggfnoid);

		*maximum = strcmp(name, "max") == 0;
		found = *maximum || strcmp(name, "min") == 0;
	}
	ReleaseSysCache(tuple);
	return found;
}

/* Our own first() and last() are known by the C function that takes their steps. */
static TsdbAggregateFunction
first_or_last(const Aggref *call)
{
	TsdbAggregateFunction found = TSDB_FUNCTION_UNKNOWN;
	HeapTuple	aggregate;
	HeapTuple	step;
	Datum		source;
	bool		isnull;

	if (call->aggfnoid < FirstNormalObjectId || list_length(call->args) != 2 ||
		getExtensionOfObject(ProcedureRelationId, call->aggfnoid) !=
		get_extension_oid("tsdb", true))
		return TSDB_FUNCTION_UNKNOWN;
	aggregate = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(call->aggfnoid));
	if (!HeapTupleIsValid(aggregate))
		return TSDB_FUNCTION_UNKNOWN;
	step = SearchSysCache1(PROCOID, ObjectIdGetDatum(((Form_pg_aggregate) GETSTRUCT(aggregate))->aggtransfn));
	if (HeapTupleIsValid(step))
	{
		source = SysCacheGetAttr(PROCOID, step, Anum_pg_proc_prosrc, &isnull);
		if (!isnull && strcmp(TextDatumGetCString(source), "tsdb_first_step") == 0)
			found = TSDB_FUNCTION_FIRST;
		else if (!isnull && strcmp(TextDatumGetCString(source), "tsdb_last_step") == 0)
			found = TSDB_FUNCTION_LAST;
		ReleaseSysCache(step);
	}
	ReleaseSysCache(aggregate);
	return found;
}

TsdbAggregateFunction
tsdb_aggregate_function_of_number(Oid aggregate)
{
	switch (aggregate)
	{
		case F_COUNT_:
		case F_COUNT_ANY:
			return TSDB_FUNCTION_COUNT;
		case F_SUM_INT2:
		case F_SUM_INT4:
			return TSDB_FUNCTION_SUM;
		case F_SUM_INT8:
		case F_AVG_INT8:
			return TSDB_FUNCTION_SUM_WIDE;
		case F_AVG_INT2:
		case F_AVG_INT4:
			return TSDB_FUNCTION_AVERAGE;
		case F_SUM_FLOAT8:
			return TSDB_FUNCTION_SUM_FLOAT8;
		case F_SUM_FLOAT4:
			return TSDB_FUNCTION_SUM_FLOAT4;
		case F_AVG_FLOAT4:
		case F_AVG_FLOAT8:
			return TSDB_FUNCTION_MEAN;
		case F_STDDEV_FLOAT4:
		case F_STDDEV_FLOAT8:
		case F_STDDEV_POP_FLOAT4:
		case F_STDDEV_POP_FLOAT8:
		case F_STDDEV_SAMP_FLOAT4:
		case F_STDDEV_SAMP_FLOAT8:
		case F_VARIANCE_FLOAT4:
		case F_VARIANCE_FLOAT8:
		case F_VAR_POP_FLOAT4:
		case F_VAR_POP_FLOAT8:
		case F_VAR_SAMP_FLOAT4:
		case F_VAR_SAMP_FLOAT8:
			return TSDB_FUNCTION_MOMENTS;
		case F_MIN_INT2:
		case F_MIN_INT4:
		case F_MIN_INT8:
		case F_MIN_DATE:
		case F_MIN_TIMESTAMP:
		case F_MIN_TIMESTAMPTZ:
		case F_BOOL_AND:
		case F_EVERY:
			return TSDB_FUNCTION_MIN;
		case F_MAX_INT2:
		case F_MAX_INT4:
		case F_MAX_INT8:
		case F_MAX_DATE:
		case F_MAX_TIMESTAMP:
		case F_MAX_TIMESTAMPTZ:
		case F_BOOL_OR:
			return TSDB_FUNCTION_MAX;
		case F_MIN_FLOAT4:
		case F_MIN_FLOAT8:
			return TSDB_FUNCTION_MIN_FLOAT;
		case F_MAX_FLOAT4:
		case F_MAX_FLOAT8:
			return TSDB_FUNCTION_MAX_FLOAT;
		case F_SUM_NUMERIC:
		case F_AVG_NUMERIC:
			return TSDB_FUNCTION_SUM_NUMERIC;
		default:
			return TSDB_FUNCTION_UNKNOWN;
	}
}

TsdbAggregateFunction
tsdb_aggregate_function(const Aggref *call)
{
	TsdbAggregateFunction function = tsdb_aggregate_function_of_number(call->aggfnoid);
	Oid			support;
	bool		maximum;

	if (function != TSDB_FUNCTION_UNKNOWN)
		return function;
	if (tsdb_aggregate_is_extreme(call, &support, &maximum))
		return TSDB_FUNCTION_EXTREME;
	return first_or_last(call);
}
