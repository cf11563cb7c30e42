/*
 * segment_keys.c
 *		Which series a chunk has, without the chunk.
 */
#include "postgres.h"

#include "exec/segment_keys.h"

#include "utils/datum.h"
#include "utils/rel.h"

#define SEGMENTS_MAX	64
#define BYTES_MAX		2048	/* of values by reference */

const TsdbSegmentKeys *
tsdb_segment_keys_recall(const TsdbDirectoryView *view, int i, AttrNumber attno)
{
	const TsdbSegmentKeys *keys = tsdb_directory_view_memory(view, i, TSDB_MEMORY_SEGMENTS);

	while (keys != NULL && keys->attno != attno)
		keys = keys->next;
	return keys;
}

/* Bytes of the values that are not in their Datums. */
static Size
payload_bytes(Form_pg_attribute att, const TsdbColumn *column, uint32 count)
{
	Size		bytes = 0;

	for (uint32 i = 0; !att->attbyval && i < count; i++)
	{
		if (!column->nulls[i])
			bytes += MAXALIGN(datumGetSize(column->values[i], false, att->attlen));
	}
	return bytes;
}

void
tsdb_segment_keys_remember(TsdbDirectoryView *view, int i, AttrNumber attno,
						   const TsdbSegments *segments, const TsdbColumn *firsts)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(view->storage->table), attno - 1);
	uint32		count = segments->count;
	TsdbSegmentKeys *keys;
	Size		payload;
	char	   *next;

	if (count > SEGMENTS_MAX)
		return;
	payload = payload_bytes(att, firsts, count);
	if (payload > BYTES_MAX)
		return;
	next = tsdb_directory_view_alloc(view, MAXALIGN(sizeof(TsdbSegmentKeys)) + payload +
									 count * (sizeof(Datum) + sizeof(uint32) + sizeof(bool)) +
									 sizeof(uint32));
	if (next == NULL)
		return;
	keys = (TsdbSegmentKeys *) next;
	next += MAXALIGN(sizeof(TsdbSegmentKeys));
	keys->next = tsdb_directory_view_memory(view, i, TSDB_MEMORY_SEGMENTS);
	keys->attno = attno;
	keys->count = count;
	keys->column.any_null = firsts->any_null;
	keys->column.values = (Datum *) next;
	next += count * sizeof(Datum);
	for (uint32 j = 0; j < count; j++)
	{
		Size		bytes = att->attbyval || firsts->nulls[j] ? 0 :
			datumGetSize(firsts->values[j], false, att->attlen);

		keys->column.values[j] = firsts->nulls[j] ? (Datum) 0 : firsts->values[j];
		if (bytes == 0)
			continue;
		memcpy(next, DatumGetPointer(firsts->values[j]), bytes);
		keys->column.values[j] = PointerGetDatum(next);
		next += MAXALIGN(bytes);
	}
	keys->rows = (uint32 *) next;
	memcpy(keys->rows, segments->rows, (count + 1) * sizeof(uint32));
	keys->column.nulls = (bool *) &keys->rows[count + 1];
	memcpy(keys->column.nulls, firsts->nulls, count * sizeof(bool));
	tsdb_directory_view_remember(view, i, TSDB_MEMORY_SEGMENTS, keys);
}
