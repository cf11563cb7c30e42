/*
 * row_slot.c
 *		Put a row of a chunk into a tuple slot.
 */
#include "postgres.h"

#include "am/row_slot.h"

#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "am/salvage.h"
#include "store/chunk_tid.h"
#include "utils/rel.h"

/*
 * Add a column to the layout that all tuples of the chunk share, or find that
 * there is none, since the column's width varies or one of its rows is null.
 */
static void
add_to_layout(TsdbRowSource *source, Form_pg_attribute att, int i, const TsdbColumn *column)
{
	Size		offset;

	if (i == 0)
		source->fixed_bytes = MAXALIGN(SizeofHeapTupleHeader);
	if (!att->attbyval || column->any_null)
	{
		source->fixed_bytes = 0;
		return;
	}
	offset = att_align_nominal(source->fixed_bytes, att->attalign);
	source->offsets[i] = offset;
	source->fixed_bytes = offset + att->attlen;
}

/* What heap_form_tuple does, for a row of by-value columns without nulls. */
static HeapTuple
form_fixed_tuple(const TsdbRowSource *source, TupleDesc tupdesc, const Datum *values)
{
	HeapTuple	tuple = palloc0(HEAPTUPLESIZE + source->fixed_bytes);
	char	   *data;

	tuple->t_len = source->fixed_bytes;
	tuple->t_data = (HeapTupleHeader) ((char *) tuple + HEAPTUPLESIZE);
	HeapTupleHeaderSetDatumLength(tuple->t_data, tuple->t_len);
	HeapTupleHeaderSetTypeId(tuple->t_data, tupdesc->tdtypeid);
	HeapTupleHeaderSetTypMod(tuple->t_data, tupdesc->tdtypmod);
	HeapTupleHeaderSetNatts(tuple->t_data, source->natts);
	tuple->t_data->t_hoff = MAXALIGN(SizeofHeapTupleHeader);
	data = (char *) tuple->t_data;
	for (int i = 0; i < source->natts; i++)
		store_att_byval(data + source->offsets[i], values[i], TupleDescAttr(tupdesc, i)->attlen);
	return tuple;
}

void
tsdb_row_source_open(TsdbRowSource *source, TsdbStorage *storage, TupleDesc tupdesc,
					 const TsdbChunkEntry *entry, TsdbChunkReader *reader, bool salvage)
{
	source->chunk = entry->chunk;
	source->nrows = entry->nrows;
	source->xmin = entry->xmin;
	source->cmin = entry->cmin;
	source->relid = RelationGetRelid(storage->table);
	source->natts = tupdesc->natts;
	source->by_value = true;
	source->values = palloc(Max(tupdesc->natts, 1) * sizeof(Datum *));
	source->nulls = palloc(Max(tupdesc->natts, 1) * sizeof(bool *));
	source->offsets = palloc(Max(tupdesc->natts, 1) * sizeof(uint16));
	source->fixed_bytes = 0;
	for (int i = 0; i < tupdesc->natts; i++)
	{
		const TsdbColumn *column = salvage ?
			tsdb_salvage_column(storage, entry->chunk, reader, i + 1) :
			tsdb_chunk_reader_column(reader, i + 1);

		if (source->fixed_bytes > 0 || i == 0)
			add_to_layout(source, TupleDescAttr(tupdesc, i), i, column);
		source->values[i] = column->values;
		source->nulls[i] = column->nulls;
		if (!TupleDescAttr(tupdesc, i)->attbyval)
			source->by_value = false;
	}
}

void
tsdb_row_slot_store(TupleTableSlot *slot, const TsdbRowSource *source, uint32 row)
{
	BufferHeapTupleTableSlot *buffer_slot = (BufferHeapTupleTableSlot *) slot;
	MemoryContext old;
	HeapTuple	tuple;

	Assert(TTS_IS_BUFFERTUPLE(slot));
	ExecClearTuple(slot);
	for (int i = 0; i < source->natts; i++)
	{
		slot->tts_values[i] = source->values[i][row];
		slot->tts_isnull[i] = source->nulls[i][row];
	}

	old = MemoryContextSwitchTo(slot->tts_mcxt);
	if (source->fixed_bytes > 0)
		tuple = form_fixed_tuple(source, slot->tts_tupleDescriptor, slot->tts_values);
	else
		tuple = heap_form_tuple(slot->tts_tupleDescriptor, slot->tts_values,
								slot->tts_isnull);
	MemoryContextSwitchTo(old);

	HeapTupleHeaderSetXmin(tuple->t_data, source->xmin);
	HeapTupleHeaderSetCmin(tuple->t_data, source->cmin);
	HeapTupleHeaderSetXmax(tuple->t_data, InvalidTransactionId);
	tuple->t_data->t_infomask |= HEAP_XMAX_INVALID;
	tsdb_tid_set(&tuple->t_self, source->chunk, row);
	tuple->t_data->t_ctid = tuple->t_self;
	tuple->t_tableOid = source->relid;

	slot->tts_flags &= ~TTS_FLAG_EMPTY;
	slot->tts_flags |= TTS_FLAG_SHOULDFREE;
	slot->tts_nvalid = source->by_value ? source->natts : 0;
	slot->tts_tid = tuple->t_self;
	slot->tts_tableOid = source->relid;
	buffer_slot->base.tuple = tuple;
	buffer_slot->base.off = 0;
}
