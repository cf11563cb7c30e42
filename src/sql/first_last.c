/*
 * first_last.c
 *		Aggregates first(value, time) and last(value, time).
 *
 * The value of the row with the smallest or the largest time.  Rows whose time
 * is null do not count; the value may be null, and is the answer then.  Of rows
 * with equal times the first that arrives counts, as with TimescaleDB.  Times
 * are whatever has a default btree order, compared in the aggregate's collation.
 *
 * The state is the best row so far.  A value by reference is copied to a buffer
 * of the aggregate's memory, which is reused when the next row is better: a last() that
 * meets rows in order of time keeps one row and leaks none.  Toasted values are
 * kept as they came, since most are superseded; only what leaves the process
 * is fetched.
 *
 * Between processes of a parallel query the state travels as the bytes that the
 * values have in memory.  So types without send and receive functions work, too,
 * and no precision can be lost; record types are registered for all workers.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "libpq/pqformat.h"
#include "sql/aggregate.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/expandeddatum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(tsdb_first_step);
PG_FUNCTION_INFO_V1(tsdb_last_step);
PG_FUNCTION_INFO_V1(tsdb_first_combine);
PG_FUNCTION_INFO_V1(tsdb_last_combine);
PG_FUNCTION_INFO_V1(tsdb_first_last_serialize);
PG_FUNCTION_INFO_V1(tsdb_first_last_deserialize);
PG_FUNCTION_INFO_V1(tsdb_first_last_result);

/* A value that is kept from row to row. */
typedef struct KeptDatum
{
	Oid			type;
	int16		typlen;
	bool		typbyval;
	bool		isnull;
	Datum		value;			/* by reference: points to buffer */
	char	   *buffer;
	Size		size;			/* of the buffer */
} KeptDatum;

typedef struct BestRow
{
	KeptDatum	value;
	KeptDatum	time;			/* never null */
} BestRow;

/* How times are compared; fn_extra of the steps. */
typedef struct TimeOrder
{
	Oid			type;
	bool		is_int64;		/* timestamps and bigint, compared in line */
	FmgrInfo	compare;
} TimeOrder;

static void
kept_init(KeptDatum *kept, Oid type)
{
	kept->type = type;
	get_typlenbyval(type, &kept->typlen, &kept->typbyval);
	kept->isnull = true;
	kept->value = (Datum) 0;
	kept->buffer = NULL;
	kept->size = 0;
}

/* Copy a value to memory of the context. */
static void
kept_set(KeptDatum *kept, Datum value, bool isnull, MemoryContext context)
{
	ExpandedObjectHeader *expanded = NULL;
	Size		bytes;

	kept->isnull = isnull;
	if (isnull || kept->typbyval)
	{
		kept->value = isnull ? (Datum) 0 : value;
		return;
	}
	if (kept->typlen == -1 && VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(value)))
	{
		expanded = DatumGetEOHP(value);
		bytes = EOH_get_flat_size(expanded);
	}
	else
		bytes = datumGetSize(value, false, kept->typlen);
	if (bytes > kept->size)
	{
		Size		size = Max(bytes, Min(kept->size * 2, MaxAllocSize));

		if (kept->buffer != NULL)
			pfree(kept->buffer);
		kept->buffer = NULL;
		kept->size = 0;
		kept->buffer = MemoryContextAlloc(context, size);
		kept->size = size;
	}
	if (expanded != NULL)
		EOH_flatten_into(expanded, kept->buffer, bytes);
	else
		memcpy(kept->buffer, DatumGetPointer(value), bytes);
	kept->value = PointerGetDatum(kept->buffer);
}

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
is_better(FunctionCallInfo fcinfo, Datum time, const KeptDatum *best, bool last)
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

static BestRow *
new_row(MemoryContext context, Oid value_type, Oid time_type)
{
	BestRow    *row = MemoryContextAlloc(context, sizeof(BestRow));

	kept_init(&row->value, value_type);
	kept_init(&row->time, time_type);
	return row;
}

static Datum
step(FunctionCallInfo fcinfo, bool last)
{
	MemoryContext context = tsdb_aggregate_context(fcinfo);
	BestRow    *best = PG_ARGISNULL(0) ? NULL : (BestRow *) PG_GETARG_POINTER(0);

	if (PG_ARGISNULL(2))
	{
		if (best == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(best);
	}
	if (best == NULL)
	{
		best = new_row(context, get_fn_expr_argtype(fcinfo->flinfo, 1),
					   get_fn_expr_argtype(fcinfo->flinfo, 2));
		(void) time_order(fcinfo, best->time.type);
	}
	else if (!is_better(fcinfo, PG_GETARG_DATUM(2), &best->time, last))
		PG_RETURN_POINTER(best);
	kept_set(&best->value, PG_GETARG_DATUM(1), PG_ARGISNULL(1), context);
	kept_set(&best->time, PG_GETARG_DATUM(2), false, context);
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
	BestRow    *best = PG_ARGISNULL(0) ? NULL : (BestRow *) PG_GETARG_POINTER(0);
	BestRow    *other = PG_ARGISNULL(1) ? NULL : (BestRow *) PG_GETARG_POINTER(1);

	if (other == NULL)
	{
		if (best == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(best);
	}
	if (best == NULL)
		best = new_row(context, other->value.type, other->time.type);
	else if (!is_better(fcinfo, other->time.value, &best->time, last))
		PG_RETURN_POINTER(best);
	kept_set(&best->value, other->value.value, other->value.isnull, context);
	kept_set(&best->time, other->time.value, false, context);
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

/* ---- between processes: type, then the value as datumSerialize() has it ---- */

static void
serialize(StringInfo buffer, const KeptDatum *kept)
{
	Datum		value = kept->value;
	Size		bytes;
	char	   *end;

	if (!kept->isnull && kept->typlen == -1)
		value = PointerGetDatum(PG_DETOAST_DATUM_PACKED(value));
	bytes = datumEstimateSpace(value, kept->isnull, kept->typbyval, kept->typlen);
	appendBinaryStringInfo(buffer, (const char *) &kept->type, sizeof(Oid));
	enlargeStringInfo(buffer, bytes);
	end = buffer->data + buffer->len;
	datumSerialize(value, kept->isnull, kept->typbyval, kept->typlen, &end);
	buffer->len += bytes;
}

static void
deserialize(char **place, KeptDatum *kept)
{
	Oid			type;

	memcpy(&type, *place, sizeof(Oid));
	*place += sizeof(Oid);
	kept_init(kept, type);
	kept->value = datumRestore(place, &kept->isnull);
}

Datum
tsdb_first_last_serialize(PG_FUNCTION_ARGS)
{
	BestRow    *row = (BestRow *) PG_GETARG_POINTER(0);
	StringInfoData buffer;

	(void) tsdb_aggregate_context(fcinfo);
	pq_begintypsend(&buffer);
	serialize(&buffer, &row->value);
	serialize(&buffer, &row->time);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}

/* The result is good for combining: it has no buffers. */
Datum
tsdb_first_last_deserialize(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	char	   *place = VARDATA_ANY(bytes);
	BestRow    *row = palloc(sizeof(BestRow));

	(void) tsdb_aggregate_context(fcinfo);
	deserialize(&place, &row->value);
	deserialize(&place, &row->time);
	PG_RETURN_POINTER(row);
}

/* The state lives on, and may be changed, where the aggregate has a window. */
Datum
tsdb_first_last_result(PG_FUNCTION_ARGS)
{
	BestRow    *best = PG_ARGISNULL(0) ? NULL : (BestRow *) PG_GETARG_POINTER(0);

	(void) tsdb_aggregate_context(fcinfo);
	if (best == NULL || best->value.isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(datumCopy(best->value.value, best->value.typbyval, best->value.typlen));
}
