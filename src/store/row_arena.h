/*
 * row_arena.h
 *		Memory for the rows of a batch, used again for the next one.
 *
 * Rows are copied back to back into large blocks that stay allocated when the
 * arena is emptied: a memory context would give them back to the kernel and
 * get zeroed pages for every batch, an eighth of compaction's time.
 */
#ifndef TSDB_STORE_ROW_ARENA_H
#define TSDB_STORE_ROW_ARENA_H

#include "access/htup.h"
#include "access/tupdesc.h"

typedef struct TsdbRowArena
{
	MemoryContext memory;
	char	  **blocks;
	Size	   *sizes;
	int			nblocks;
	int			allocated;
	int			current;		/* block that is being filled */
	Size		used;			/* of the current block */
} TsdbRowArena;

extern void tsdb_row_arena_init(TsdbRowArena *arena, MemoryContext memory);

/* Copy a tuple; valid until the arena is emptied. */
extern HeapTuple tsdb_row_arena_copy(TsdbRowArena *arena, const HeapTupleData *tuple);

/* Form a tuple; the same. */
extern HeapTuple tsdb_row_arena_form(TsdbRowArena *arena, TupleDesc tupdesc, Datum *values,
									 bool *nulls);
extern void tsdb_row_arena_empty(TsdbRowArena *arena);

#endif							/* TSDB_STORE_ROW_ARENA_H */
