/*
 * best_row.c
 *		The state of aggregates first(value, time) and last(value, time).
 */
#include "postgres.h"

#include "exec/best_row.h"

#include "fmgr.h"
#include "libpq/pqformat.h"
#include "utils/datum.h"
#include "utils/expandeddatum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

static void
init(TsdbKeptDatum *kept, Oid type)
{
	kept->type = type;
	get_typlenbyval(type, &kept->typlen, &kept->typbyval);
	kept->isnull = true;
	kept->value = (Datum) 0;
	kept->buffer = NULL;
	kept->size = 0;
}

TsdbBestRow *
tsdb_best_row_create(MemoryContext context, Oid value_type, Oid time_type)
{
	TsdbBestRow *row = MemoryContextAlloc(context, sizeof(TsdbBestRow));

	init(&row->value, value_type);
	init(&row->time, time_type);
	return row;
}

/* Copy a value to memory of the context. */
static void
keep(TsdbKeptDatum *kept, Datum value, bool isnull, MemoryContext context)
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

void
tsdb_best_row_set(TsdbBestRow *row, Datum value, bool isnull, Datum time,
				  MemoryContext context)
{
	keep(&row->value, value, isnull, context);
	keep(&row->time, time, false, context);
}

/* ---- between processes: type, then the value as datumSerialize() has it ---- */

static void
serialize(StringInfo buffer, const TsdbKeptDatum *kept)
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

bytea *
tsdb_best_row_serialize(const TsdbBestRow *row)
{
	StringInfoData buffer;

	pq_begintypsend(&buffer);
	serialize(&buffer, &row->value);
	serialize(&buffer, &row->time);
	return pq_endtypsend(&buffer);
}

static void
deserialize(char **place, TsdbKeptDatum *kept)
{
	Oid			type;

	memcpy(&type, *place, sizeof(Oid));
	*place += sizeof(Oid);
	init(kept, type);
	kept->value = datumRestore(place, &kept->isnull);
}

TsdbBestRow *
tsdb_best_row_deserialize(const bytea *bytes)
{
	char	   *place = VARDATA_ANY(bytes);
	TsdbBestRow *row = palloc(sizeof(TsdbBestRow));

	deserialize(&place, &row->value);
	deserialize(&place, &row->time);
	return row;
}
