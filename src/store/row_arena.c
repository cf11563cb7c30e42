/*
 * row_arena.c
 *		Memory for the rows of a batch, used again for the next one.
 */
#include "postgres.h"

#include "store/row_arena.h"

#include "access/htup_details.h"
#include "utils/memutils.h"

#define BLOCK_BYTES		(1024 * 1024)

void
tsdb_row_arena_init(TsdbRowArena *arena, MemoryContext memory)
{
	memset(arena, 0, sizeof(*arena));
	arena->memory = memory;
	arena->current = -1;
}

/* Go to the next block that has room for so many bytes. */
static void
next_block(TsdbRowArena *arena, Size bytes)
{
	do
		arena->current++;
	while (arena->current < arena->nblocks && arena->sizes[arena->current] < bytes);
	arena->used = 0;
	if (arena->current < arena->nblocks)
		return;

	if (arena->nblocks == arena->allocated)
	{
		MemoryContext old = MemoryContextSwitchTo(arena->memory);

		arena->allocated = Max(arena->allocated * 2, 64);
		arena->blocks = arena->blocks == NULL ?
			palloc(arena->allocated * sizeof(char *)) :
			repalloc(arena->blocks, arena->allocated * sizeof(char *));
		arena->sizes = arena->sizes == NULL ?
			palloc(arena->allocated * sizeof(Size)) :
			repalloc(arena->sizes, arena->allocated * sizeof(Size));
		MemoryContextSwitchTo(old);
	}
	arena->sizes[arena->nblocks] = Max(bytes, BLOCK_BYTES);
	arena->blocks[arena->nblocks] =
		MemoryContextAllocHuge(arena->memory, arena->sizes[arena->nblocks]);
	arena->nblocks++;
}

/* Room for a tuple that is so long, header and all. */
static HeapTuple
allocate(TsdbRowArena *arena, Size length)
{
	Size		bytes = MAXALIGN(HEAPTUPLESIZE + length);
	HeapTuple	tuple;

	if (arena->current < 0 || arena->sizes[arena->current] - arena->used < bytes)
		next_block(arena, bytes);
	tuple = (HeapTuple) (arena->blocks[arena->current] + arena->used);
	arena->used += bytes;
	return tuple;
}

HeapTuple
tsdb_row_arena_copy(TsdbRowArena *arena, const HeapTupleData *tuple)
{
	HeapTuple	copy = allocate(arena, tuple->t_len);

	*copy = *tuple;
	copy->t_data = (HeapTupleHeader) ((char *) copy + HEAPTUPLESIZE);
	memcpy(copy->t_data, tuple->t_data, tuple->t_len);
	return copy;
}

HeapTuple
tsdb_row_arena_form(TsdbRowArena *arena, TupleDesc tupdesc, Datum *values, bool *nulls)
{
	Size		header = SizeofHeapTupleHeader;
	bool		any_null = false;
	Size		data;
	HeapTuple	tuple;

	for (int i = 0; i < tupdesc->natts && !any_null; i++)
		any_null = nulls[i];
	if (any_null)
		header += BITMAPLEN(tupdesc->natts);
	header = MAXALIGN(header);
	data = heap_compute_data_size(tupdesc, values, nulls);

	tuple = allocate(arena, header + data);
	tuple->t_len = header + data;
	ItemPointerSetInvalid(&tuple->t_self);
	tuple->t_tableOid = InvalidOid;
	tuple->t_data = (HeapTupleHeader) ((char *) tuple + HEAPTUPLESIZE);
	memset(tuple->t_data, 0, header);
	HeapTupleHeaderSetDatumLength(tuple->t_data, tuple->t_len);
	HeapTupleHeaderSetTypeId(tuple->t_data, tupdesc->tdtypeid);
	HeapTupleHeaderSetTypMod(tuple->t_data, tupdesc->tdtypmod);
	ItemPointerSetInvalid(&tuple->t_data->t_ctid);
	HeapTupleHeaderSetNatts(tuple->t_data, tupdesc->natts);
	tuple->t_data->t_hoff = header;
	/* heap_fill_tuple leaves gaps for alignment as they are */
	memset((char *) tuple->t_data + header, 0, data);
	heap_fill_tuple(tupdesc, values, nulls, (char *) tuple->t_data + header, data,
					&tuple->t_data->t_infomask, any_null ? tuple->t_data->t_bits : NULL);
	return tuple;
}

void
tsdb_row_arena_empty(TsdbRowArena *arena)
{
	arena->current = -1;
	arena->used = 0;
}
