/*
 * ring_slab.h
 *		Blocks of memory that many processes take and give back without locks,
 *		for what the slots of a ring refer to.
 *
 * A slab has classes of blocks, each with a size and a number of blocks that are
 * fixed when it is made:
 *
 *		header | next, a word a block | blocks of class 0 | blocks of class 1 | ...
 *
 * Fixed numbers are what keeps it bounded and free of fragmentation: no class can eat
 * up the memory of another, and nothing is ever cut or joined.  A request takes a
 * block of the smallest class that it fits into; if that has none left, of the
 * next larger one.  Who gets none waits, or does without; what is larger than the
 * largest block must be divided by who sends it.
 *
 * The free blocks of a class are a stack, linked by next[], so the block that was
 * given back last, whose memory is in the cache, is taken first.  Blocks that were never used
 * are not on the stack but behind class->fresh: taking one of these is what an
 * allocation would be, taking one from the stack is reuse, and both are counted.
 *
 * The stack's top is one 64-bit word of a block's number and a tag, which every
 * change increments.  Who takes a block reads top, then next[top], which somebody else may be changing
 * meanwhile; then top has changed, too, and the compare-and-swap fails.  The tag is what
 * tells that from a top that was taken and has come back.  It is wrong only if a
 * multiple of 2^32 changes happen between the read and the swap.
 *
 * Memory order: giving back is a release and taking an acquire on top, so who takes a
 * block writes to it after its former owner's last access.
 *
 * A process that ends while it owns a block leaks it.  In the server that is a crash, and
 * the shared memory is made anew; what ends by an error gives its blocks back.
 *
 * Plain C11; no server headers.  Blocks are named by offsets from the slab, which fit
 * into a ring's item and mean the same in all processes; 0 is none.
 */
#ifndef TSDB_LOCKFREE_RING_SLAB_H
#define TSDB_LOCKFREE_RING_SLAB_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TSDB_RING_SLAB_CLASSES_MAX 8
#define TSDB_RING_SLAB_ALIGN 128

/* bytes of a block are a multiple of this, and it is a block's alignment */
#define TSDB_RING_SLAB_UNIT 64

/* What is asked for: classes by rising size. */
typedef struct TsdbRingSlabClass
{
	uint32_t	bytes;
	uint32_t	blocks;
} TsdbRingSlabClass;

/* What a class has done since it was made. */
typedef struct TsdbRingSlabCounts
{
	uint32_t	bytes;			/* of a block */
	uint32_t	blocks;
	uint64_t	reused;			/* blocks taken that had been used before */
	uint64_t	fresh;			/* taken for the first time */
	uint64_t	spilled;		/* requests that went on to a larger class */
	uint64_t	refused;		/* that ended here without a block */
	uint32_t	used;			/* blocks out now; an estimate while others work */
} TsdbRingSlabCounts;

typedef struct TsdbRingSlab TsdbRingSlab;

/* Bytes that a slab needs; 0 if its classes are not as they must be. */
extern size_t tsdb_ring_slab_bytes(const TsdbRingSlabClass *classes, int nclasses);

/*
 * Make a slab, all free, in memory of tsdb_ring_slab_bytes(), aligned to
 * TSDB_RING_SLAB_ALIGN.  Null if that could not be.
 */
extern TsdbRingSlab *tsdb_ring_slab_init(void *memory, const TsdbRingSlabClass *classes,
										 int nclasses);

/* A block of at least so many bytes, or 0. */
extern uint64_t tsdb_ring_slab_take(TsdbRingSlab *slab, uint32_t bytes);

/* Give a block back.  It must be out, and nobody may use it any more. */
extern void tsdb_ring_slab_give(TsdbRingSlab *slab, uint64_t block);

/* The memory of a block, and how much that is. */
extern void *tsdb_ring_slab_memory(TsdbRingSlab *slab, uint64_t block);
extern uint32_t tsdb_ring_slab_size(const TsdbRingSlab *slab, uint64_t block);

extern void tsdb_ring_slab_counts(const TsdbRingSlab *slab, int class,
								  TsdbRingSlabCounts *counts);

#endif							/* TSDB_LOCKFREE_RING_SLAB_H */
