/*
 * row_arena.c
 *		Memory for the rows of a batch, used again for the next one.
 */
#include "postgres.h"

#include "store/row_arena.h"

#include <sys/mman.h>

#include "access/htup_details.h"
#include "utils/memutils.h"

/* Each block is four times as large as the one before; pages of 2 MB need large ones. */
#define FIRST_BLOCK_BYTES	((Size) 64 * 1024)
#define BLOCK_BYTES			((Size) 8 * 1024 * 1024)

#define PAGE_BYTES			4096	/* the least that advice can be given for */

void
tsdb_row_arena_init(TsdbRowArena *arena, MemoryContext memory)
{
	memset(arena, 0, sizeof(*arena));
	arena->memory = memory;
	arena->current = -1;
}

void
tsdb_row_arena_advise(void *memory, Size bytes)
{
#ifdef MADV_HUGEPAGE
	if (bytes >= BLOCK_BYTES)
	{
		uintptr_t	first = TYPEALIGN(PAGE_BYTES, memory);
		uintptr_t	end = TYPEALIGN_DOWN(PAGE_BYTES, (uintptr_t) memory + bytes);

		(void) madvise((void *) first, end - first, MADV_HUGEPAGE);
	}
#endif
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
	arena->sizes[arena->nblocks] = Max(bytes, arena->nblocks < 4 ?
									   FIRST_BLOCK_BYTES << (2 * arena->nblocks) :
									   BLOCK_BYTES);
	arena->blocks[arena->nblocks] =
		MemoryContextAllocHuge(arena->memory, arena->sizes[arena->nblocks]);
	tsdb_row_arena_advise(arena->blocks[arena->nblocks], arena->sizes[arena->nblocks]);
	arena->nblocks++;
}

char *
tsdb_row_arena_allocate(TsdbRowArena *arena, Size bytes)
{
	char	   *room;

	bytes = MAXALIGN(bytes);
	if (arena->current < 0 || arena->sizes[arena->current] - arena->used < bytes)
		next_block(arena, bytes);
	room = arena->blocks[arena->current] + arena->used;
	arena->used += bytes;
	return room;
}

HeapTuple
tsdb_row_arena_copy(TsdbRowArena *arena, const HeapTupleData *tuple)
{
	HeapTuple	copy = (HeapTuple) tsdb_row_arena_allocate(arena, HEAPTUPLESIZE + tuple->t_len);

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

void
tsdb_row_arena_replace(TsdbRowArena *arena, TsdbRowArena *other)
{
	if (other->current >= arena->nblocks)
	{
		TsdbRowArena swap = *arena;

		*arena = *other;
		*other = swap;
	}
	else
	{
		for (int i = 0; i <= other->current; i++)
		{
			char	   *block = arena->blocks[i];
			Size		size = arena->sizes[i];

			arena->blocks[i] = other->blocks[i];
			arena->sizes[i] = other->sizes[i];
			other->blocks[i] = block;
			other->sizes[i] = size;
		}
		arena->current = other->current;
		arena->used = other->used;
	}
	tsdb_row_arena_empty(other);
}
