/*
 * ring_slab.c
 *		Blocks of memory that many processes take and give back without locks.
 */
#include "lockfree/ring_slab.h"

/* top of a stack: the number of a block plus 1, 0 if it is empty, below a tag */
#define TOP_BLOCK(top) ((uint32_t) (top))
#define TOP_TAG (UINT64_C(1) << 32)

typedef struct Class
{
	/* never changes */
	alignas(TSDB_RING_SLAB_ALIGN) uint32_t bytes;
	uint32_t	blocks;
	uint32_t	first;			/* number of its first block in next[] */
	uint64_t	start;			/* offset of its first block */

	alignas(TSDB_RING_SLAB_ALIGN) _Atomic uint64_t top;
	_Atomic uint32_t fresh;		/* blocks from here on were never used */

	_Atomic uint64_t reused;
	_Atomic uint64_t spilled;
	_Atomic uint64_t refused;
	_Atomic uint64_t given;
} Class;

struct TsdbRingSlab
{
	alignas(TSDB_RING_SLAB_ALIGN) int nclasses;
	Class		classes[TSDB_RING_SLAB_CLASSES_MAX];
	alignas(TSDB_RING_SLAB_ALIGN) _Atomic uint32_t next[];	/* by block; as in top */
};

static size_t
aligned(size_t bytes)
{
	return (bytes + TSDB_RING_SLAB_ALIGN - 1) / TSDB_RING_SLAB_ALIGN * TSDB_RING_SLAB_ALIGN;
}

/* Where the first block lies. */
static size_t
blocks_offset(const TsdbRingSlabClass *classes, int nclasses)
{
	size_t		blocks = 0;

	for (int i = 0; i < nclasses; i++)
		blocks += classes[i].blocks;
	return aligned(offsetof(TsdbRingSlab, next) + blocks * sizeof(uint32_t));
}

size_t
tsdb_ring_slab_bytes(const TsdbRingSlabClass *classes, int nclasses)
{
	uint64_t	blocks = 0;
	size_t		bytes = 0;

	if (nclasses < 1 || nclasses > TSDB_RING_SLAB_CLASSES_MAX)
		return 0;
	for (int i = 0; i < nclasses; i++)
	{
		if (classes[i].bytes == 0 || classes[i].bytes % TSDB_RING_SLAB_UNIT != 0 ||
			classes[i].blocks == 0 || (i > 0 && classes[i].bytes <= classes[i - 1].bytes))
			return 0;
		blocks += classes[i].blocks;
		if (blocks >= UINT32_MAX)
			return 0;
		bytes += (size_t) classes[i].bytes * classes[i].blocks;
	}
	return aligned(blocks_offset(classes, nclasses) + bytes);
}

TsdbRingSlab *
tsdb_ring_slab_init(void *memory, const TsdbRingSlabClass *classes, int nclasses)
{
	TsdbRingSlab *slab = memory;
	uint64_t	start;
	uint32_t	first = 0;

	if (memory == NULL || (uintptr_t) memory % TSDB_RING_SLAB_ALIGN != 0 ||
		tsdb_ring_slab_bytes(classes, nclasses) == 0)
		return NULL;
	start = blocks_offset(classes, nclasses);
	slab->nclasses = nclasses;
	for (int i = 0; i < nclasses; i++)
	{
		Class	   *class = &slab->classes[i];

		class->bytes = classes[i].bytes;
		class->blocks = classes[i].blocks;
		class->first = first;
		class->start = start;
		atomic_init(&class->top, 0);
		atomic_init(&class->fresh, 0);
		atomic_init(&class->reused, 0);
		atomic_init(&class->spilled, 0);
		atomic_init(&class->refused, 0);
		atomic_init(&class->given, 0);
		first += class->blocks;
		start += (uint64_t) class->bytes * class->blocks;
	}
	for (uint32_t block = 0; block < first; block++)
		atomic_init(&slab->next[block], 0);
	return slab;
}

static void
count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* The number of a block of a class, plus 1; 0 if it has none left. */
static uint32_t
take_from(TsdbRingSlab *slab, Class *class)
{
	uint64_t	top = atomic_load_explicit(&class->top, memory_order_acquire);
	uint32_t	fresh;

	while (TOP_BLOCK(top) != 0)
	{
		uint32_t	next = atomic_load_explicit(&slab->next[class->first + TOP_BLOCK(top) - 1],
												memory_order_relaxed);

		if (atomic_compare_exchange_weak_explicit(&class->top, &top,
												  ((top / TOP_TAG + 1) * TOP_TAG) | next,
												  memory_order_acquire, memory_order_acquire))
		{
			count(&class->reused);
			return TOP_BLOCK(top);
		}
	}
	fresh = atomic_load_explicit(&class->fresh, memory_order_relaxed);
	while (fresh < class->blocks)
		if (atomic_compare_exchange_weak_explicit(&class->fresh, &fresh, fresh + 1,
												  memory_order_relaxed, memory_order_relaxed))
			return fresh + 1;
	return 0;
}

uint64_t
tsdb_ring_slab_take(TsdbRingSlab *slab, uint32_t bytes)
{
	int			i = 0;

	while (i < slab->nclasses && slab->classes[i].bytes < bytes)
		i++;
	for (; i < slab->nclasses; i++)
	{
		Class	   *class = &slab->classes[i];
		uint32_t	block = take_from(slab, class);

		if (block != 0)
			return class->start + (uint64_t) (block - 1) * class->bytes;
		count(i + 1 < slab->nclasses ? &class->spilled : &class->refused);
	}
	return 0;
}

/* The class that a block belongs to. */
static int
class_of(const TsdbRingSlab *slab, uint64_t block)
{
	int			i = slab->nclasses - 1;

	while (i > 0 && block < slab->classes[i].start)
		i--;
	return i;
}

void
tsdb_ring_slab_give(TsdbRingSlab *slab, uint64_t block)
{
	Class	   *class = &slab->classes[class_of(slab, block)];
	uint32_t	number = (uint32_t) ((block - class->start) / class->bytes);
	uint64_t	top = atomic_load_explicit(&class->top, memory_order_relaxed);

	/* before it can be taken again, so that no more seem to be out than there are */
	count(&class->given);
	do
		atomic_store_explicit(&slab->next[class->first + number], TOP_BLOCK(top),
							  memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&class->top, &top,
												  ((top / TOP_TAG + 1) * TOP_TAG) | (number + 1),
												  memory_order_release, memory_order_relaxed));
}

void *
tsdb_ring_slab_memory(TsdbRingSlab *slab, uint64_t block)
{
	return (char *) slab + block;
}

uint32_t
tsdb_ring_slab_size(const TsdbRingSlab *slab, uint64_t block)
{
	return slab->classes[class_of(slab, block)].bytes;
}

void
tsdb_ring_slab_counts(const TsdbRingSlab *slab, int class, TsdbRingSlabCounts *counts)
{
	const Class *of = &slab->classes[class];
	uint64_t	given = atomic_load_explicit(&of->given, memory_order_relaxed);
	uint64_t	taken;

	counts->bytes = of->bytes;
	counts->blocks = of->blocks;
	counts->fresh = atomic_load_explicit(&of->fresh, memory_order_relaxed);
	counts->reused = atomic_load_explicit(&of->reused, memory_order_relaxed);
	counts->spilled = atomic_load_explicit(&of->spilled, memory_order_relaxed);
	counts->refused = atomic_load_explicit(&of->refused, memory_order_relaxed);
	taken = counts->fresh + counts->reused;
	counts->used = taken <= given ? 0 :
		taken - given < of->blocks ? (uint32_t) (taken - given) : of->blocks;
}
