/*
 * vector_pages.c
 *		Memory of one partition of the working set: pages cut into cells.
 */
#include "cache/vector_pages.h"

#include "cache/vector_cache.h"

/* Sizes of n cells a page, n = 1 to LINEAR, come one by one; then by quarters of a doubling. */
#define LINEAR			8
#define LINEAR_LOG		3

uint32_t
tsdb_vector_pages_cells(int size)
{
	int			above = size - (LINEAR - 1);

	if (above < 0)
		return (uint32_t) size + 1;
	return (uint32_t) (4 + above % 4) << (above / 4 + LINEAR_LOG - 2);
}

uint32_t
tsdb_vector_pages_cell_bytes(uint32_t page_bytes, int size)
{
	return page_bytes / tsdb_vector_pages_cells(size) / TSDB_VECTOR_UNIT * TSDB_VECTOR_UNIT;
}

/* The most cells that a page is cut into. */
static uint32_t
cells_max(uint32_t page_bytes)
{
	return TSDB_VECTOR_CELLS_MAX / (TSDB_VECTOR_PAGE_MAX / page_bytes);
}

int
tsdb_vector_pages_size(uint32_t page_bytes, uint32_t bytes)
{
	uint32_t	n;
	int			log = LINEAR_LOG;
	int			size;

	if (bytes == 0 || bytes > page_bytes)
		return TSDB_VECTOR_NO_SIZE;
	n = page_bytes / bytes;
	if (n > cells_max(page_bytes))
		n = cells_max(page_bytes);
	if (n < LINEAR)
		size = (int) n - 1;
	else
	{
		while (n >> (log + 1) > 0)
			log++;
		size = LINEAR - 1 + (log - LINEAR_LOG) * 4 + (int) (n >> (log - 2) & 3);
	}
	/* cells are rounded down to units */
	while (tsdb_vector_pages_cell_bytes(page_bytes, size) < bytes)
		size--;
	return size;
}

static size_t
map_offset(uint32_t npages)
{
	return npages * sizeof(TsdbVectorPage);
}

size_t
tsdb_vector_pages_bytes(uint32_t page_bytes, uint32_t npages)
{
	return map_offset(npages) + (size_t) npages * cells_max(page_bytes) * sizeof(uint32_t);
}

/* Put a page where pages without a size are. */
static void
add_unused(TsdbVectorPages *pages, uint32_t number)
{
	TsdbVectorPage *page = tsdb_vector_pages_page(pages, number);

	page->size = TSDB_VECTOR_NO_SIZE;
	page->next = pages->unused;
	pages->unused = number;
	atomic_fetch_add_explicit(&pages->nunused, 1, memory_order_relaxed);
}

void
tsdb_vector_pages_init(TsdbVectorPages *pages, void *arrays, uint32_t page_bytes, uint32_t npages)
{
	pages->page_bytes = page_bytes;
	pages->npages = npages;
	pages->cells_max = cells_max(page_bytes);
	pages->unused = TSDB_VECTOR_NO_PAGE;
	atomic_init(&pages->nunused, 0);
	pages->admitted = 0;
	pages->page_array = (size_t) ((char *) arrays - (char *) pages);
	pages->map = pages->page_array + map_offset(npages);
	for (int i = 0; i < TSDB_VECTOR_SIZES; i++)
	{
		pages->sizes[i].pages = 0;
		pages->sizes[i].with_free = TSDB_VECTOR_NO_PAGE;
		pages->sizes[i].hand_page = TSDB_VECTOR_NO_PAGE;
		pages->sizes[i].hand_cell = 0;
		pages->sizes[i].turns = 0;
		atomic_init(&pages->sizes[i].free_cells, 0);
	}
	/* so that the first is taken first */
	for (uint32_t i = npages; i-- > 0;)
	{
		*tsdb_vector_pages_page(pages, i) = (TsdbVectorPage) {0};
		add_unused(pages, i);
	}
}

/* ---- pages with free cells ---- */

static void
link_free(TsdbVectorPages *pages, TsdbVectorSize *size, uint32_t number)
{
	TsdbVectorPage *page = tsdb_vector_pages_page(pages, number);

	page->previous_free = TSDB_VECTOR_NO_PAGE;
	page->next_free = size->with_free;
	if (size->with_free != TSDB_VECTOR_NO_PAGE)
		tsdb_vector_pages_page(pages, size->with_free)->previous_free = number;
	size->with_free = number;
}

static void
unlink_free(TsdbVectorPages *pages, TsdbVectorSize *size, uint32_t number)
{
	TsdbVectorPage *page = tsdb_vector_pages_page(pages, number);

	if (page->previous_free == TSDB_VECTOR_NO_PAGE)
		size->with_free = page->next_free;
	else
		tsdb_vector_pages_page(pages, page->previous_free)->next_free = page->next_free;
	if (page->next_free != TSDB_VECTOR_NO_PAGE)
		tsdb_vector_pages_page(pages, page->next_free)->previous_free = page->previous_free;
}

/* ---- pages of a size ---- */

void
tsdb_vector_pages_detach(TsdbVectorPages *pages, uint32_t number)
{
	TsdbVectorPage *page = tsdb_vector_pages_page(pages, number);
	TsdbVectorSize *size = &pages->sizes[page->size];

	if (page->nfree > 0)
	{
		unlink_free(pages, size, number);
		atomic_fetch_sub_explicit(&size->free_cells, page->nfree, memory_order_relaxed);
	}
	if (size->hand_page == number)
	{
		size->hand_page = page->next;
		size->hand_cell = 0;
	}
	if (--size->pages == 0)
		size->hand_page = TSDB_VECTOR_NO_PAGE;
	else
	{
		tsdb_vector_pages_page(pages, page->previous)->next = page->next;
		tsdb_vector_pages_page(pages, page->next)->previous = page->previous;
	}
	page->size = TSDB_VECTOR_NO_SIZE;
}

void
tsdb_vector_pages_cut(TsdbVectorPages *pages, uint32_t number, int size_number)
{
	TsdbVectorPage *page = tsdb_vector_pages_page(pages, number);
	TsdbVectorSize *size = &pages->sizes[size_number];
	uint32_t	cells = tsdb_vector_pages_cells(size_number);

	page->size = (int16_t) size_number;
	page->nfree = (uint16_t) cells;
	page->free = 0;
	page->passed = pages->admitted;
	for (uint32_t i = 0; i < cells; i++)
		*tsdb_vector_pages_map(pages, number, i) =
			TSDB_VECTOR_CELL_FREE | (i + 1 < cells ? i + 1 : TSDB_VECTOR_CELL_LAST);

	/* behind the hand, so that it comes there last */
	if (size->pages++ == 0)
	{
		page->next = page->previous = number;
		size->hand_page = number;
		size->hand_cell = 0;
	}
	else
	{
		TsdbVectorPage *hand = tsdb_vector_pages_page(pages, size->hand_page);

		page->next = size->hand_page;
		page->previous = hand->previous;
		tsdb_vector_pages_page(pages, hand->previous)->next = number;
		hand->previous = number;
	}
	link_free(pages, size, number);
	atomic_fetch_add_explicit(&size->free_cells, cells, memory_order_relaxed);
}

bool
tsdb_vector_pages_take(TsdbVectorPages *pages, int size_number, uint32_t *number, uint32_t *cell)
{
	TsdbVectorSize *size = &pages->sizes[size_number];
	TsdbVectorPage *page;

	if (size->with_free == TSDB_VECTOR_NO_PAGE)
	{
		uint32_t	unused = pages->unused;

		if (unused == TSDB_VECTOR_NO_PAGE)
			return false;
		pages->unused = tsdb_vector_pages_page(pages, unused)->next;
		atomic_fetch_sub_explicit(&pages->nunused, 1, memory_order_relaxed);
		tsdb_vector_pages_cut(pages, unused, size_number);
	}
	*number = size->with_free;
	page = tsdb_vector_pages_page(pages, *number);
	*cell = page->free;
	page->free = *tsdb_vector_pages_map(pages, *number, *cell) & ~TSDB_VECTOR_CELL_FREE;
	if (--page->nfree == 0)
		unlink_free(pages, size, *number);
	atomic_fetch_sub_explicit(&size->free_cells, 1, memory_order_relaxed);
	return true;
}

void
tsdb_vector_pages_give(TsdbVectorPages *pages, uint32_t number, uint32_t cell)
{
	TsdbVectorPage *page = tsdb_vector_pages_page(pages, number);
	TsdbVectorSize *size = &pages->sizes[page->size];
	uint32_t	cells = tsdb_vector_pages_cells(page->size);

	*tsdb_vector_pages_map(pages, number, cell) =
		TSDB_VECTOR_CELL_FREE | (page->nfree > 0 ? page->free : TSDB_VECTOR_CELL_LAST);
	page->free = cell;
	if (page->nfree++ == 0)
		link_free(pages, size, number);
	atomic_fetch_add_explicit(&size->free_cells, 1, memory_order_relaxed);
	if (page->nfree == cells)
	{
		tsdb_vector_pages_detach(pages, number);
		add_unused(pages, number);
	}
}

/* ---- the hand ---- */

void
tsdb_vector_pages_turn_page(TsdbVectorPages *pages, int size_number, bool pass)
{
	TsdbVectorSize *size = &pages->sizes[size_number];
	TsdbVectorPage *page = tsdb_vector_pages_page(pages, size->hand_page);

	if (pass)
		page->passed = pages->admitted;
	size->hand_page = page->next;
	size->hand_cell = 0;
}

void
tsdb_vector_pages_turn(TsdbVectorPages *pages, int size_number, bool pass)
{
	if (++pages->sizes[size_number].hand_cell == tsdb_vector_pages_cells(size_number))
		tsdb_vector_pages_turn_page(pages, size_number, pass);
}

uint64_t
tsdb_vector_pages_age(const TsdbVectorPages *pages, int size_number)
{
	return pages->admitted -
		tsdb_vector_pages_page(pages, pages->sizes[size_number].hand_page)->passed;
}
