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

HeapTuple
tsdb_row_arena_copy(TsdbRowArena *arena, const HeapTupleData *tuple)
{
	Size		bytes = MAXALIGN(HEAPTUPLESIZE + tuple->t_len);
	HeapTuple	copy;

	if (arena->current < 0 || arena->sizes[arena->current] - arena->used < bytes)
		next_block(arena, bytes);
	copy = (HeapTuple) (arena->blocks[arena->current] + arena->used);
	arena->used += bytes;
	*copy = *tuple;
	copy->t_data = (HeapTupleHeader) ((char *) copy + HEAPTUPLESIZE);
	memcpy(copy->t_data, tuple->t_data, tuple->t_len);
	return copy;
}

void
tsdb_row_arena_empty(TsdbRowArena *arena)
{
	arena->current = -1;
	arena->used = 0;
}
