/*
 * vector_cache.c
 *		The working set: making it, inserting, evicting.
 */
#include "cache/vector_cache.h"

#include <string.h>

#include "cache/miss_history.h"
#include "cache/vector_pages.h"

/*
 * Columns of small numbers take little more than a kilobyte (cache/narrow.h): then there is about a slot for each, and those that
 * find their window full push others out before memory is full.  With larger ones that does not happen.
 */
#define BYTES_PER_SLOT		1024

/* A page, and a partition, is made larger rather than others added, while it has fewer than so many parts. */
#define PARTS_WANTED		64

/* how many cells a hand looks at for one entry, and how many pages of other sizes */
#define STEPS_CHALLENGE		256
#define STEPS_LEFT_OVER		32
#define PAGES_CHALLENGED	4

/* A page is given up when no more than one cell in so many was used since the hand was there. */
#define CELLS_PER_USED		8

/*
 * Of what large queries ask for again, one in so many takes another's place.  Who reads more than fits, again and again,
 * would else exchange all of it each time, and find nothing (Qureshi and others, ISCA 2007, call it bimodal insertion).
 */
#define SCANS_PER_CHALLENGE	16

/* slots looked at while a lock is held, where all are looked at */
#define SLOTS_AT_ONCE		256

typedef struct TsdbVectorPartition
{
	alignas(TSDB_VECTOR_CACHE_ALIGN) TsdbVectorPages pages;

	/* changed under the lock, but for refused and prefetch_used */
	alignas(TSDB_VECTOR_CACHE_ALIGN) _Atomic uint64_t entries;
	_Atomic uint64_t bytes;
	_Atomic uint64_t cell_bytes;
	_Atomic uint64_t inserts;
	_Atomic uint64_t evictions;
	_Atomic uint64_t refused;
	_Atomic uint64_t pages_moved;
	_Atomic uint64_t prefetched;
	_Atomic uint64_t prefetch_used;
	_Atomic uint64_t prefetch_wasted;
} TsdbVectorPartition;

/* What is where; offsets are from here. */
typedef struct TsdbVectorShared
{
	uint32_t	page_bytes;
	uint32_t	npartitions;
	uint32_t	pages;			/* of a partition */
	uint32_t	groups;
	uint32_t	stride;
	uint32_t	history_lines;
	size_t		partitions;
	size_t		histories;
	size_t		arrays;
	size_t		array_bytes;	/* of a partition */
	size_t		slots;
	size_t		cells;
	size_t		end;
} TsdbVectorShared;

/* What was taken out of its slot; its cell is not free yet. */
typedef struct Victim
{
	TsdbVectorKey key;
	uint32_t	cell;			/* units from the first */
	uint32_t	bytes;
	uint32_t	tag;
	bool		used;
} Victim;

/* An insertion on its way. */
typedef struct Insertion
{
	TsdbVectorCache *cache;
	TsdbVectorPartition *partition;
	uint32_t	number;			/* of the partition */
	int			size;
	bool		challenge;		/* it may take uses from others */
	uint32_t	nvictims;
	uint32_t	nheld;			/* of these, from the first on, have cells that are to be given back */
	uint32_t	moved_page;		/* taken from another size, to be cut, or TSDB_VECTOR_NO_PAGE */
	Victim		victims[TSDB_VECTOR_CELLS_MAX + 1];
} Insertion;

/* ---- layout ---- */

static size_t
aligned(size_t bytes)
{
	return (bytes + TSDB_VECTOR_CACHE_ALIGN - 1) / TSDB_VECTOR_CACHE_ALIGN * TSDB_VECTOR_CACHE_ALIGN;
}

static bool
lay_out(size_t cache_bytes, TsdbVectorShared *s)
{
	size_t		npages;

	if (cache_bytes < TSDB_VECTOR_CACHE_MIN || cache_bytes > TSDB_VECTOR_CACHE_MAX)
		return false;
	s->page_bytes = TSDB_VECTOR_PAGE_MAX;
	while (s->page_bytes > TSDB_VECTOR_PAGE_MIN && cache_bytes / s->page_bytes < PARTS_WANTED)
		s->page_bytes /= 2;
	npages = cache_bytes / s->page_bytes;
	s->npartitions = TSDB_VECTOR_PARTITIONS_MAX;
	while (s->npartitions > 1 && npages / s->npartitions < PARTS_WANTED)
		s->npartitions /= 2;
	s->pages = (uint32_t) (npages / s->npartitions);
	s->groups = (uint32_t) ((size_t) s->pages * s->page_bytes / BYTES_PER_SLOT / TSDB_VECTOR_GROUP);
	s->stride = (s->groups + TSDB_VECTOR_GROUPS_A_CHUNK - 1 + TSDB_VECTOR_WINDOW - 1) *
		TSDB_VECTOR_GROUP;
	s->history_lines = tsdb_miss_history_lines((uint64_t) s->groups * TSDB_VECTOR_GROUP);
	s->array_bytes = aligned(tsdb_vector_pages_bytes(s->page_bytes, s->pages));

	s->partitions = aligned(sizeof(TsdbVectorShared));
	s->histories = s->partitions + s->npartitions * sizeof(TsdbVectorPartition);
	s->arrays = aligned(s->histories + (size_t) s->npartitions * s->history_lines *
						sizeof(TsdbMissHistoryLine));
	s->slots = s->arrays + s->npartitions * s->array_bytes;
	s->cells = aligned(s->slots + (size_t) s->npartitions * s->stride * sizeof(TsdbVectorSlot));
	s->end = s->cells + (size_t) s->npartitions * s->pages * s->page_bytes;
	return true;
}

size_t
tsdb_vector_cache_bytes(size_t cache_bytes)
{
	TsdbVectorShared shared;

	return lay_out(cache_bytes, &shared) ? shared.end : 0;
}

uint32_t
tsdb_vector_cache_partitions(size_t cache_bytes)
{
	TsdbVectorShared shared;

	return lay_out(cache_bytes, &shared) ? shared.npartitions : 0;
}

static TsdbVectorPartition *
partition_at(const TsdbVectorCache *cache, uint64_t number)
{
	return (TsdbVectorPartition *) ((char *) cache->shared + cache->shared->partitions) + number;
}

static TsdbMissHistoryLine *
history_at(const TsdbVectorCache *cache, uint64_t number)
{
	return (TsdbMissHistoryLine *) ((char *) cache->shared + cache->shared->histories) +
		number * cache->shared->history_lines;
}

bool
tsdb_vector_cache_init(void *memory, size_t cache_bytes)
{
	TsdbVectorShared *shared = memory;
	TsdbVectorCache cache;

	if (memory == NULL || (uintptr_t) memory % TSDB_VECTOR_CACHE_ALIGN != 0 ||
		!lay_out(cache_bytes, shared))
		return false;
	memset((char *) memory + shared->partitions, 0, shared->cells - shared->partitions);
	tsdb_vector_cache_attach(&cache, memory, &(TsdbVectorCalls) {0});
	for (uint32_t i = 0; i < shared->npartitions; i++)
		tsdb_vector_pages_init(&partition_at(&cache, i)->pages,
							   (char *) memory + shared->arrays + i * shared->array_bytes,
							   shared->page_bytes, shared->pages);
	return true;
}

void
tsdb_vector_cache_attach(TsdbVectorCache *cache, void *memory, const TsdbVectorCalls *calls)
{
	cache->shared = memory;
	cache->slots = (TsdbVectorSlot *) ((char *) memory + cache->shared->slots);
	cache->cells = (unsigned char *) memory + cache->shared->cells;
	cache->partition_mask = cache->shared->npartitions - 1;
	cache->groups = cache->shared->groups;
	cache->stride = cache->shared->stride;
	cache->calls = *calls;
}

uint32_t
tsdb_vector_cache_entry_max(const TsdbVectorCache *cache)
{
	return cache->shared->page_bytes;
}

/* ---- counting ---- */

static void
count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t
counted(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void
tsdb_vector_cache_missed(TsdbVectorCache *cache, const TsdbVectorKey *key)
{
	tsdb_miss_history_add(history_at(cache, tsdb_vector_partition(cache, key)),
						  cache->shared->history_lines, tsdb_vector_hash(key));
}

static bool
asked_again(const TsdbVectorCache *cache, const TsdbVectorKey *key)
{
	return tsdb_miss_history_again(history_at(cache, tsdb_vector_partition(cache, key)),
								   cache->shared->history_lines, tsdb_vector_hash(key));
}

void
tsdb_vector_cache_came_true(TsdbVectorCache *cache, const TsdbVectorSlot *slot)
{
	count(&partition_at(cache, (uint64_t) (slot - cache->slots) / cache->stride)->prefetch_used, 1);
	if (cache->calls.came_true != NULL)
		cache->calls.came_true(cache->calls.arg);
}

/* ---- cells ---- */

/* Units from the first cell of the cache to one of a partition. */
static uint32_t
cell_units(const Insertion *in, uint32_t page, uint32_t cell, int size)
{
	uint32_t	page_bytes = in->cache->shared->page_bytes;

	return (uint32_t) (((size_t) in->number * in->cache->shared->pages + page) *
					   (page_bytes / TSDB_VECTOR_UNIT)) +
		cell * (tsdb_vector_pages_cell_bytes(page_bytes, size) / TSDB_VECTOR_UNIT);
}

/* The other way round. */
static void
cell_place(const TsdbVectorCache *cache, const TsdbVectorPartition *partition, uint32_t units,
		   uint32_t *page, uint32_t *cell)
{
	uint32_t	page_bytes = cache->shared->page_bytes;
	uint32_t	page_units = page_bytes / TSDB_VECTOR_UNIT;
	int			size;

	*page = units / page_units % cache->shared->pages;
	size = tsdb_vector_pages_page(&partition->pages, *page)->size;
	*cell = units % page_units /
		(tsdb_vector_pages_cell_bytes(page_bytes, size) / TSDB_VECTOR_UNIT);
}

static void
give_cell(const TsdbVectorCache *cache, TsdbVectorPartition *partition, uint32_t units)
{
	uint32_t	page;
	uint32_t	cell;

	cell_place(cache, partition, units, &page, &cell);
	tsdb_vector_pages_give(&partition->pages, page, cell);
}

/* Bytes of the cell for so many. */
static uint32_t
cell_bytes(const TsdbVectorCache *cache, uint32_t bytes)
{
	uint32_t	page_bytes = cache->shared->page_bytes;

	return tsdb_vector_pages_cell_bytes(page_bytes, tsdb_vector_pages_size(page_bytes, bytes));
}

/* ---- eviction; under the partition's lock ---- */

static bool
is_live(uint64_t state)
{
	return (state & TSDB_VECTOR_PHASE) == TSDB_VECTOR_LIVE;
}

static uint32_t
usage_of(uint64_t state)
{
	return (uint32_t) ((state & TSDB_VECTOR_USAGE) / TSDB_VECTOR_USAGE_ONE);
}

/* The state of a slot in its next life. */
static uint64_t
next_life(uint64_t state, uint64_t phase)
{
	return (state & ~UINT64_C(0xFFFFFFFF)) + TSDB_VECTOR_VERSION_ONE + phase;
}

/* Take an entry out of its slot, if it is still as it was.  Its cell stays. */
static bool
take_entry(TsdbVectorPartition *partition, const TsdbVectorCache *cache, TsdbVectorSlot *slot,
		   uint64_t state, Victim *victim)
{
	uint64_t	relation;

	if (!atomic_compare_exchange_strong_explicit(&slot->state, &state,
												 next_life(state, TSDB_VECTOR_FREE),
												 memory_order_acquire, memory_order_relaxed))
		return false;
	relation = atomic_load_explicit(&slot->relation, memory_order_relaxed);
	victim->key.generation = atomic_load_explicit(&slot->generation, memory_order_relaxed);
	victim->key.database = (uint32_t) (relation >> 32);
	victim->key.storage = (uint32_t) relation;
	victim->key.column = atomic_load_explicit(&slot->column, memory_order_relaxed);
	victim->cell = slot->cell;
	victim->bytes = slot->bytes;
	victim->tag = slot->tag;
	victim->used = (state & TSDB_VECTOR_FRESH) == 0;
	count(&partition->entries, -UINT64_C(1));
	count(&partition->bytes, -(uint64_t) slot->bytes);
	count(&partition->cell_bytes, -(uint64_t) cell_bytes(cache, slot->bytes));
	return true;
}

static bool
evict(Insertion *in, TsdbVectorSlot *slot, uint64_t state)
{
	if (!take_entry(in->partition, in->cache, slot, state, &in->victims[in->nvictims]))
		return false;
	in->nvictims++;
	count(&in->partition->evictions, 1);
	if (state & TSDB_VECTOR_AHEAD)
		count(&in->partition->prefetch_wasted, 1);
	return true;
}

/* Take a use from an entry.  Whoever touches it at the same moment keeps it as it is. */
static void
take_use(TsdbVectorSlot *slot, uint64_t state)
{
	atomic_compare_exchange_strong_explicit(&slot->state, &state, state - TSDB_VECTOR_USAGE_ONE,
											memory_order_relaxed, memory_order_relaxed);
}

/* What lies in a cell that the map tells of; null if that is no entry that could be evicted. */
static TsdbVectorSlot *
entry_in(const Insertion *in, uint32_t mapped, uint64_t *state)
{
	TsdbVectorSlot *slot;

	if (mapped >= TSDB_VECTOR_CELL_HELD)
		return NULL;
	slot = &in->cache->slots[mapped];
	*state = atomic_load_explicit(&slot->state, memory_order_relaxed);
	if (!is_live(*state) || (*state & TSDB_VECTOR_PINS) != 0)
		return NULL;
	return slot;
}

/* Turn the hand of our size until it has found a cell for us. */
static bool
turn_hand(Insertion *in, uint32_t *page, uint32_t *cell)
{
	TsdbVectorPages *pages = &in->partition->pages;
	TsdbVectorSize *size = &pages->sizes[in->size];
	int			steps = in->challenge ? STEPS_CHALLENGE : STEPS_LEFT_OVER;

	for (int i = 0; i < steps && size->pages > 0; i++)
	{
		TsdbVectorSlot *slot;
		uint64_t	state;

		*page = size->hand_page;
		*cell = size->hand_cell;
		slot = entry_in(in, *tsdb_vector_pages_map(pages, *page, *cell), &state);
		tsdb_vector_pages_turn(pages, in->size, in->challenge);
		if (slot == NULL)
			continue;
		if (usage_of(state) > 0)
		{
			if (in->challenge)
				take_use(slot, state);
		}
		else if (evict(in, slot, state))
			return true;
	}
	return false;
}

/* The size, other than ours, whose hand was challenged longest ago. */
static int
oldest_size(const Insertion *in)
{
	const TsdbVectorPages *pages = &in->partition->pages;
	int			oldest = TSDB_VECTOR_NO_SIZE;
	uint64_t	age = 0;

	for (int i = 0; i < TSDB_VECTOR_SIZES; i++)
		if (i != in->size && pages->sizes[i].pages > 0 &&
			(oldest == TSDB_VECTOR_NO_SIZE || tsdb_vector_pages_age(pages, i) > age))
		{
			oldest = i;
			age = tsdb_vector_pages_age(pages, i);
		}
	return oldest;
}

/*
 * Let the hand of another size pass a page, and take the page if hardly anything
 * on it is used.  If somebody pins an entry of it in that moment, those evicted before leave cells of the
 * other size behind.
 */
static bool
take_page(Insertion *in, int other)
{
	TsdbVectorPages *pages = &in->partition->pages;
	uint32_t	page = pages->sizes[other].hand_page;
	uint32_t	cells = tsdb_vector_pages_cells(other);
	uint32_t	used = 0;
	uint32_t	first = in->nvictims;
	bool		possible = true;

	/* there is memory for the victims of one page */
	if (first > 1)
		return false;
	for (uint32_t i = 0; i < cells; i++)
	{
		uint32_t	mapped = *tsdb_vector_pages_map(pages, page, i);
		uint64_t	state;
		TsdbVectorSlot *slot = entry_in(in, mapped, &state);

		if (slot == NULL)
			possible &= (mapped & TSDB_VECTOR_CELL_FREE) != 0;
		else if (usage_of(state) > 0)
		{
			used++;
			if (in->challenge)
				take_use(slot, state);
		}
	}
	tsdb_vector_pages_turn_page(pages, other, in->challenge);
	if (!possible || used > (in->challenge ? cells / CELLS_PER_USED : 0))
		return false;
	for (uint32_t i = 0; i < cells && possible; i++)
	{
		uint32_t   *mapped = tsdb_vector_pages_map(pages, page, i);
		uint64_t	state;
		TsdbVectorSlot *slot = entry_in(in, *mapped, &state);

		if (slot != NULL && evict(in, slot, state))
			*mapped = TSDB_VECTOR_CELL_HELD;
		else
			possible = (*mapped & TSDB_VECTOR_CELL_FREE) != 0;
	}
	if (!possible)
	{
		in->nheld += in->nvictims - first;
		return false;
	}
	tsdb_vector_pages_detach(pages, page);
	in->moved_page = page;
	count(&in->partition->pages_moved, 1);
	return true;
}

/* Is another size's turn to give something up?  Asked when ours is to evict. */
static bool
is_unbalanced(const Insertion *in, int other)
{
	TsdbVectorPages *pages = &in->partition->pages;
	TsdbVectorSize *size = &pages->sizes[in->size];

	if (size->pages == 0)
		return true;
	if (++size->turns * 4 < tsdb_vector_pages_cells(in->size))
		return false;
	size->turns = 0;
	return tsdb_vector_pages_age(pages, other) >
		2 * tsdb_vector_pages_age(pages, in->size) + pages->page_bytes;
}

/*
 * Find a cell, free or evicted, or a page.  False if there is none for us.
 */
static bool
find_cell(Insertion *in, uint32_t *page, uint32_t *cell)
{
	TsdbVectorPages *pages = &in->partition->pages;
	int			other;

	if (tsdb_vector_pages_take(pages, in->size, page, cell))
		return true;
	if (in->challenge)
		pages->admitted += tsdb_vector_pages_cell_bytes(pages->page_bytes, in->size);
	other = oldest_size(in);
	if (other != TSDB_VECTOR_NO_SIZE && (in->challenge || pages->sizes[in->size].pages == 0) &&
		is_unbalanced(in, other) && take_page(in, other))
		return true;
	if (turn_hand(in, page, cell))
		return true;
	for (int i = 0; in->challenge && i < PAGES_CHALLENGED; i++)
	{
		other = oldest_size(in);
		if (other == TSDB_VECTOR_NO_SIZE)
			break;
		if (take_page(in, other))
			return true;
	}
	return false;
}

/*
 * A slot for a key.  Null if there is one with that key, or none that could be taken.
 */
static TsdbVectorSlot *
find_slot(Insertion *in, const TsdbVectorKey *key)
{
	TsdbVectorSlot *window = tsdb_vector_window(in->cache, key);
	TsdbVectorSlot *slot = NULL;

	for (int i = 0; i < TSDB_VECTOR_WINDOW; i++)
	{
		uint64_t	state = atomic_load_explicit(&window[i * TSDB_VECTOR_GROUP].state, memory_order_acquire);

		if ((state & TSDB_VECTOR_PHASE) == TSDB_VECTOR_FREE)
		{
			if (slot == NULL)
				slot = &window[i * TSDB_VECTOR_GROUP];
		}
		else if (tsdb_vector_slot_is(&window[i * TSDB_VECTOR_GROUP], key))
			return NULL;
	}
	for (int i = 0; i < TSDB_VECTOR_WINDOW && slot == NULL; i++)
	{
		uint64_t	state = atomic_load_explicit(&window[i * TSDB_VECTOR_GROUP].state, memory_order_relaxed);

		if (!is_live(state) || (state & TSDB_VECTOR_PINS) != 0)
			continue;
		if (usage_of(state) > 0)
		{
			if (in->challenge)
				take_use(&window[i * TSDB_VECTOR_GROUP], state);
		}
		else if (evict(in, &window[i * TSDB_VECTOR_GROUP], state))
		{
			uint32_t	page;
			uint32_t	cell;

			slot = &window[i * TSDB_VECTOR_GROUP];
			cell_place(in->cache, in->partition, slot->cell, &page, &cell);
			*tsdb_vector_pages_map(&in->partition->pages, page, cell) = TSDB_VECTOR_CELL_HELD;
			in->nheld++;
		}
	}
	return slot;
}

/* ---- insertion ---- */

static void
lock(TsdbVectorCache *cache, uint32_t partition)
{
	cache->calls.lock(cache->calls.arg, partition);
}

static void
unlock(TsdbVectorCache *cache, uint32_t partition)
{
	cache->calls.unlock(cache->calls.arg, partition);
}

/* A key that was asked for before may take uses from others. */
static bool
may_challenge(const TsdbVectorCache *cache, const TsdbVectorKey *key, TsdbVectorOrigin origin)
{
	return (origin == TSDB_VECTOR_QUERY || origin == TSDB_VECTOR_SCAN) && asked_again(cache, key);
}

bool
tsdb_vector_cache_wants(TsdbVectorCache *cache, const TsdbVectorKey *key, uint32_t bytes,
						TsdbVectorOrigin origin)
{
	int			size = tsdb_vector_pages_size(cache->shared->page_bytes, bytes);

	static uint32_t turn = 0;		/* of this process */

	if (size == TSDB_VECTOR_NO_SIZE)
		return false;
	if (origin != TSDB_VECTOR_SCAN ||
		tsdb_vector_pages_room(&partition_at(cache, tsdb_vector_partition(cache, key))->pages, size))
		return true;
	return ++turn % SCANS_PER_CHALLENGE == 0 && may_challenge(cache, key, origin);
}

/* Offer what was evicted; after that its memory is free, or the new entry's, which has slot. */
static void
let_go(Insertion *in, const TsdbVectorSlot *slot, uint32_t *page, uint32_t *cell)
{
	TsdbVectorCache *cache = in->cache;

	if (cache->calls.evicted != NULL)
		for (uint32_t i = 0; i < in->nvictims; i++)
			cache->calls.evicted(cache->calls.arg, &in->victims[i].key, in->victims[i].tag,
								 cache->cells + (size_t) in->victims[i].cell * TSDB_VECTOR_UNIT,
								 in->victims[i].bytes, in->victims[i].used);
	if (in->nheld == 0 && in->moved_page == TSDB_VECTOR_NO_PAGE)
		return;
	lock(cache, in->number);
	if (in->moved_page != TSDB_VECTOR_NO_PAGE)
	{
		tsdb_vector_pages_cut(&in->partition->pages, in->moved_page, in->size);
		tsdb_vector_pages_take(&in->partition->pages, in->size, page, cell);
		*tsdb_vector_pages_map(&in->partition->pages, *page, *cell) = (uint32_t) (slot - cache->slots);
	}
	for (uint32_t i = 0; i < in->nheld; i++)
		give_cell(cache, in->partition, in->victims[i].cell);
	unlock(cache, in->number);
}

TsdbVectorPin
tsdb_vector_cache_reserve(TsdbVectorCache *cache, const TsdbVectorKey *key, uint32_t bytes,
						  uint32_t tag, TsdbVectorOrigin origin)
{
	Insertion	in;
	TsdbVectorSlot *slot;
	uint64_t	state;
	uint32_t	page;
	uint32_t	cell;
	bool		found = false;

	in.cache = cache;
	in.number = tsdb_vector_partition(cache, key);
	in.partition = partition_at(cache, in.number);
	in.size = tsdb_vector_pages_size(cache->shared->page_bytes, bytes);
	in.challenge = may_challenge(cache, key, origin);
	in.nvictims = 0;
	in.nheld = 0;
	in.moved_page = TSDB_VECTOR_NO_PAGE;
	if (in.size == TSDB_VECTOR_NO_SIZE ||
		(origin == TSDB_VECTOR_SCAN && !in.challenge &&
		 !tsdb_vector_pages_room(&in.partition->pages, in.size)))
	{
		count(&in.partition->refused, 1);
		return 0;
	}

	lock(cache, in.number);
	slot = find_slot(&in, key);
	if (slot != NULL)
		found = find_cell(&in, &page, &cell);
	if (!found)
	{
		unlock(cache, in.number);
		let_go(&in, slot, &page, &cell);
		count(&in.partition->refused, 1);
		return 0;
	}
	state = atomic_load_explicit(&slot->state, memory_order_relaxed);
	atomic_store_explicit(&slot->state, next_life(state, TSDB_VECTOR_FILLING), memory_order_relaxed);
	atomic_store_explicit(&slot->generation, key->generation, memory_order_release);
	atomic_store_explicit(&slot->relation, tsdb_vector_relation(key), memory_order_release);
	atomic_store_explicit(&slot->column, key->column, memory_order_release);
	slot->bytes = bytes;
	slot->tag = tag;
	slot->origin = origin;
	if (in.moved_page == TSDB_VECTOR_NO_PAGE)
		*tsdb_vector_pages_map(&in.partition->pages, page, cell) = (uint32_t) (slot - cache->slots);
	count(&in.partition->entries, 1);
	count(&in.partition->bytes, bytes);
	count(&in.partition->cell_bytes, cell_bytes(cache, bytes));
	unlock(cache, in.number);

	let_go(&in, slot, &page, &cell);
	slot->cell = cell_units(&in, page, cell, in.size);
	return (TsdbVectorPin) (slot - cache->slots) + 1;
}

void
tsdb_vector_cache_publish(TsdbVectorCache *cache, TsdbVectorPin pin)
{
	TsdbVectorSlot *slot = &cache->slots[pin - 1];
	TsdbVectorPartition *partition = partition_at(cache, (pin - 1) / cache->stride);
	uint64_t	state = atomic_load_explicit(&slot->state, memory_order_relaxed);

	state += TSDB_VECTOR_LIVE - TSDB_VECTOR_FILLING + TSDB_VECTOR_FRESH + TSDB_VECTOR_PIN_ONE;
	count(&partition->inserts, 1);

	/* what nobody has asked for yet gets a while until somebody does */
	if (slot->origin == TSDB_VECTOR_PREFETCH || slot->origin == TSDB_VECTOR_PREWARM)
		state += TSDB_VECTOR_USAGE_ONE;
	if (slot->origin == TSDB_VECTOR_PREFETCH)
	{
		state += TSDB_VECTOR_AHEAD;
		count(&partition->prefetched, 1);
	}
	atomic_store_explicit(&slot->state, state, memory_order_release);
}

void
tsdb_vector_cache_cancel(TsdbVectorCache *cache, TsdbVectorPin pin)
{
	TsdbVectorSlot *slot = &cache->slots[pin - 1];
	uint32_t	number = (uint32_t) ((pin - 1) / cache->stride);
	TsdbVectorPartition *partition = partition_at(cache, number);
	uint64_t	state;

	lock(cache, number);
	state = atomic_load_explicit(&slot->state, memory_order_relaxed);
	count(&partition->entries, -UINT64_C(1));
	count(&partition->bytes, -(uint64_t) slot->bytes);
	count(&partition->cell_bytes, -(uint64_t) cell_bytes(cache, slot->bytes));
	give_cell(cache, partition, slot->cell);
	atomic_store_explicit(&slot->state, next_life(state, TSDB_VECTOR_FREE), memory_order_release);
	unlock(cache, number);
}

/* ---- all entries ---- */

bool
tsdb_vector_cache_next(TsdbVectorCache *cache, uint32_t *cursor, TsdbVectorEntry *info)
{
	uint64_t	nslots = cache->stride * cache->shared->npartitions;

	while (*cursor < nslots)
	{
		TsdbVectorSlot *slot = &cache->slots[(*cursor)++];
		uint64_t	state = atomic_load_explicit(&slot->state, memory_order_relaxed);
		uint64_t	relation;

		/* pinned while it is looked at */
		while (is_live(state) && (state & TSDB_VECTOR_PINS) != TSDB_VECTOR_PINS &&
			   !atomic_compare_exchange_weak_explicit(&slot->state, &state,
													  state + TSDB_VECTOR_PIN_ONE,
													  memory_order_acquire, memory_order_relaxed))
			;
		if (!is_live(state) || (state & TSDB_VECTOR_PINS) == TSDB_VECTOR_PINS)
			continue;
		relation = atomic_load_explicit(&slot->relation, memory_order_relaxed);
		info->key.generation = atomic_load_explicit(&slot->generation, memory_order_relaxed);
		info->key.database = (uint32_t) (relation >> 32);
		info->key.storage = (uint32_t) relation;
		info->key.column = atomic_load_explicit(&slot->column, memory_order_relaxed);
		info->bytes = slot->bytes;
		info->tag = slot->tag;
		info->pins = (uint32_t) ((state & TSDB_VECTOR_PINS) / TSDB_VECTOR_PIN_ONE);
		info->usage = usage_of(state);
		info->origin = (TsdbVectorOrigin) slot->origin;
		info->used = (state & TSDB_VECTOR_FRESH) == 0;
		tsdb_vector_cache_unpin(cache, *cursor);
		return true;
	}
	return false;
}

void
tsdb_vector_cache_clear(TsdbVectorCache *cache)
{
	for (uint32_t i = 0; i < cache->shared->npartitions; i++)
	{
		TsdbVectorPartition *partition = partition_at(cache, i);
		TsdbMissHistoryLine *history = history_at(cache, i);
		uint64_t	done = 0;

		while (done < cache->stride)
		{
			lock(cache, i);
			for (int j = 0; j < SLOTS_AT_ONCE && done < cache->stride; j++)
			{
				TsdbVectorSlot *slot = &cache->slots[i * cache->stride + done++];
				uint64_t	state = atomic_load_explicit(&slot->state, memory_order_relaxed);
				Victim		victim;

				if (is_live(state) && (state & TSDB_VECTOR_PINS) == 0 &&
					take_entry(partition, cache, slot, state, &victim))
					give_cell(cache, partition, victim.cell);
			}
			unlock(cache, i);
		}
		tsdb_miss_history_clear(history, cache->shared->history_lines);
	}
}

void
tsdb_vector_cache_counts(const TsdbVectorCache *cache, TsdbVectorCounts *counts)
{
	memset(counts, 0, sizeof(*counts));
	for (uint32_t i = 0; i < cache->shared->npartitions; i++)
	{
		const TsdbVectorPartition *partition = partition_at(cache, i);

		counts->entries += counted(&partition->entries);
		counts->bytes += counted(&partition->bytes);
		counts->cell_bytes += counted(&partition->cell_bytes);
		counts->inserts += counted(&partition->inserts);
		counts->evictions += counted(&partition->evictions);
		counts->refused += counted(&partition->refused);
		counts->pages_moved += counted(&partition->pages_moved);
		counts->prefetched += counted(&partition->prefetched);
		counts->prefetch_used += counted(&partition->prefetch_used);
		counts->prefetch_wasted += counted(&partition->prefetch_wasted);
	}
}

uint64_t
tsdb_vector_cache_pins(const TsdbVectorCache *cache)
{
	uint64_t	nslots = cache->stride * cache->shared->npartitions;
	uint64_t	pins = 0;

	for (uint64_t i = 0; i < nslots; i++)
		pins += (atomic_load_explicit(&cache->slots[i].state, memory_order_relaxed) &
				 TSDB_VECTOR_PINS) / TSDB_VECTOR_PIN_ONE;
	return pins;
}
