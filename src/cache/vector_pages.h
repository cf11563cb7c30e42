/*
 * vector_pages.h
 *		Memory of one partition of the working set: pages cut into cells.
 *
 *		page:  | cell 0 | cell 1 | ... | cell n - 1 | rest |
 *
 * All cells of a page have one size, a page divided by n.  Sizes are those
 * of n = 1, 2, ... 8, then four to each doubling of n up to TSDB_VECTOR_CELLS_MAX; so an entry that
 * divides a page evenly, as 8 kB of plain numbers do, wastes nothing, and a
 * cell is at most a quarter too large for others of less than an eighth of a page.
 *
 * A page belongs to one size or to none.  The pages of a size are a ring, over which its hand goes,
 * cell by cell (cache/vector_cache.h says what for).  Those of them that have free cells are a
 * list; a page whose last cell is given back belongs to no size again.
 *
 * What lies in a cell is written in a map beside the pages: the number of the slot, or,
 * if it is free, the next free cell of the page.
 *
 * Everything here is for who holds the partition's lock, but for tsdb_vector_pages_room().
 * Plain C11; no server headers.  Pages and cells are named by numbers; what the arrays are found by are offsets.
 */
#ifndef TSDB_CACHE_VECTOR_PAGES_H
#define TSDB_CACHE_VECTOR_PAGES_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TSDB_VECTOR_PAGE_MIN	(16 * 1024)
#define TSDB_VECTOR_PAGE_MAX	(256 * 1024)
#define TSDB_VECTOR_CELLS_MAX	512
#define TSDB_VECTOR_SIZES		32		/* 8 of n = 1 to 8; 10 to 512 in quarter octaves */
#define TSDB_VECTOR_NO_PAGE		UINT32_MAX
#define TSDB_VECTOR_NO_SIZE		(-1)

/* in the map: free, with the number of the next free cell, or none; or neither free nor of a slot */
#define TSDB_VECTOR_CELL_FREE	UINT32_C(0x80000000)
#define TSDB_VECTOR_CELL_LAST	UINT32_C(0x7FFFFFFF)
#define TSDB_VECTOR_CELL_HELD	UINT32_C(0x7FFFFFFF)

typedef struct TsdbVectorPage
{
	int16_t		size;			/* TSDB_VECTOR_NO_SIZE: none */
	uint16_t	nfree;
	uint32_t	free;			/* first free cell */
	uint32_t	next;			/* of the size's ring; of the list of pages without a size */
	uint32_t	previous;
	uint32_t	next_free;		/* of the size's pages with free cells */
	uint32_t	previous_free;
	uint64_t	passed;			/* what admitted was when the hand left it last */
} TsdbVectorPage;

typedef struct TsdbVectorSize
{
	uint32_t	pages;
	uint32_t	with_free;		/* first page with free cells */
	uint32_t	hand_page;
	uint32_t	hand_cell;
	uint32_t	turns;			/* evictions since another size was last looked at */
	_Atomic uint32_t free_cells;
} TsdbVectorSize;

typedef struct TsdbVectorPages
{
	uint32_t	page_bytes;
	uint32_t	npages;
	uint32_t	cells_max;		/* of a page, of the smallest size */
	uint32_t	unused;			/* first page without a size */
	_Atomic uint32_t nunused;
	uint64_t	admitted;		/* bytes that took the place of others, by which age is told */
	size_t		page_array;		/* offsets from here */
	size_t		map;
	TsdbVectorSize sizes[TSDB_VECTOR_SIZES];
} TsdbVectorPages;

/* Bytes of the arrays beside the pages. */
extern size_t tsdb_vector_pages_bytes(uint32_t page_bytes, uint32_t npages);

/* arrays: memory of so many bytes, aligned to a word, in the same mapping as pages. */
extern void tsdb_vector_pages_init(TsdbVectorPages *pages, void *arrays, uint32_t page_bytes,
								   uint32_t npages);

/* The size for so many bytes; TSDB_VECTOR_NO_SIZE if there is none. */
extern int	tsdb_vector_pages_size(uint32_t page_bytes, uint32_t bytes);

/* How many cells a page of a size has, and how large they are. */
extern uint32_t tsdb_vector_pages_cells(int size);
extern uint32_t tsdb_vector_pages_cell_bytes(uint32_t page_bytes, int size);

/* Take a free cell of a size, if need be on a page that had none.  False if there is none. */
extern bool tsdb_vector_pages_take(TsdbVectorPages *pages, int size, uint32_t *page,
								   uint32_t *cell);

extern void tsdb_vector_pages_give(TsdbVectorPages *pages, uint32_t page, uint32_t cell);

/* Take a page out of its size, with all that is in it.  It is the caller's then. */
extern void tsdb_vector_pages_detach(TsdbVectorPages *pages, uint32_t page);

/* Cut a page of the caller's into free cells of a size; its map is overwritten. */
extern void tsdb_vector_pages_cut(TsdbVectorPages *pages, uint32_t page, int size);

/*
 * Move the hand of a size that has pages on by a cell, or to the next page.  pass: the hand has taken a use of what
 * it leaves, which is what age counts from.
 */
extern void tsdb_vector_pages_turn(TsdbVectorPages *pages, int size, bool pass);
extern void tsdb_vector_pages_turn_page(TsdbVectorPages *pages, int size, bool pass);

/* Bytes admitted since the hand has passed the page that it is on; for a size that has pages. */
extern uint64_t tsdb_vector_pages_age(const TsdbVectorPages *pages, int size);

static inline TsdbVectorPage *
tsdb_vector_pages_page(const TsdbVectorPages *pages, uint32_t page)
{
	return (TsdbVectorPage *) ((char *) pages + pages->page_array) + page;
}

/* What lies in a cell. */
static inline uint32_t *
tsdb_vector_pages_map(const TsdbVectorPages *pages, uint32_t page, uint32_t cell)
{
	return (uint32_t *) ((char *) pages + pages->map) + (size_t) page * pages->cells_max + cell;
}

/* Is there memory for an entry of that size without an eviction?  May be asked without the lock. */
static inline bool
tsdb_vector_pages_room(const TsdbVectorPages *pages, int size)
{
	return atomic_load_explicit(&pages->nunused, memory_order_relaxed) > 0 ||
		atomic_load_explicit(&pages->sizes[size].free_cells, memory_order_relaxed) > 0;
}

#endif							/* TSDB_CACHE_VECTOR_PAGES_H */
