/*
 * row_arena.h
 *		Memory for the rows of a batch, used again for the next one.
 *
 * Rows are copied back to back into large blocks that stay allocated when the
 * arena is emptied: a memory context would give them back to the kernel and
 * get zeroed pages for every batch, an eighth of compaction's time.  Of large blocks the kernel is asked
 * to make pages of two megabytes, where it has them: else the first touch of each page of four
 * kilobytes costs more than the row that is put there.
 */
#ifndef TSDB_STORE_ROW_ARENA_H
#define TSDB_STORE_ROW_ARENA_H

#include "access/htup.h"

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

/* Ask for large pages for memory that is about to be filled. */
extern void tsdb_row_arena_advise(void *memory, Size bytes);

extern void tsdb_row_arena_init(TsdbRowArena *arena, MemoryContext memory);

/* Copy a tuple; valid until the arena is emptied. */
extern HeapTuple tsdb_row_arena_copy(TsdbRowArena *arena, const HeapTupleData *tuple);

/* Room for so many bytes, aligned for all types; the same. */
extern char *tsdb_row_arena_allocate(TsdbRowArena *arena, Size bytes);
extern void tsdb_row_arena_empty(TsdbRowArena *arena);

/* Put what is in the other arena in the place of what is in this one, and empty the other; neither gets more memory. */
extern void tsdb_row_arena_replace(TsdbRowArena *arena, TsdbRowArena *other);

#endif							/* TSDB_STORE_ROW_ARENA_H */
