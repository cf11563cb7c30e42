/*
 * vector_cache_test.c
 *		The working set: alone, and with many threads and many processes.
 *
 * What lies in an entry follows from its key, to the last byte, so who has pinned it
 * and finds anything else has another key's entry, or one that somebody writes to.
 * Contents are looked at when an entry is found, again before it is unpinned, and by who evicts it.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/miss_history.h"
#include "cache/vector_cache.h"
#include "cache/vector_pages.h"
#include "harness.h"
#include "vector_keys.h"
#include "workers.h"

#define KB				1024
#define MB				(1024 * 1024)
#define VECTOR			(8 * KB)
#define HELD_MAX		8
#define KEYS_MAX		100000

/* under the thread sanitizer: long tests of one thread are left out, others are shorter */
#ifdef __SANITIZE_THREAD__
#define SLOW			1
#else
#define SLOW			0
#endif

enum
{
	WRONG, CHANGED, EVICTED_WRONG, KINDS
};

/* A cache with its locks, in memory that workers share. */
typedef struct Bed
{
	TsdbVectorCache cache;
	pthread_mutex_t locks[TSDB_VECTOR_PARTITIONS_MAX];
	_Atomic int faults[KINDS];
	_Atomic uint64_t evicted;

	/* for the stress */
	uint32_t	nkeys;
	uint32_t	page_bytes;
	bool		one_size;
	uint64_t	rounds;
	double		until;			/* it may stop then; 0: no */
	_Atomic uint64_t hits;
	_Atomic uint64_t inserted;
	_Atomic uint64_t looked;
} Bed;

static uint64_t
word_of(const TsdbVectorKey *key, uint32_t i)
{
	return key->generation * 31 + key->storage * 7 + key->column * 3 + i;
}

static uint32_t
tag_of(const TsdbVectorKey *key)
{
	return (uint32_t) key->generation ^ key->column ^ key->storage << 7;
}

static void
fill(void *data, const TsdbVectorKey *key, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes / 8; i++)
		((uint64_t *) data)[i] = word_of(key, i);
	for (uint32_t i = bytes / 8 * 8; i < bytes; i++)
		((unsigned char *) data)[i] = (unsigned char) (key->generation + i);
}

static bool
is_filled(const void *data, const TsdbVectorKey *key, uint32_t bytes)
{
	uint64_t	different = 0;

	for (uint32_t i = 0; i < bytes / 8; i++)
		different |= ((const uint64_t *) data)[i] ^ word_of(key, i);
	for (uint32_t i = bytes / 8 * 8; i < bytes; i++)
		different |= ((const unsigned char *) data)[i] ^ (unsigned char) (key->generation + i);
	return different == 0;
}

/* ---- a cache ---- */

static void
take_lock(void *arg, uint32_t partition)
{
	pthread_mutex_lock(&((Bed *) arg)->locks[partition]);
}

static void
give_lock(void *arg, uint32_t partition)
{
	pthread_mutex_unlock(&((Bed *) arg)->locks[partition]);
}

static void
look_at_evicted(void *arg, const TsdbVectorKey *key, uint32_t tag, const void *data, uint32_t bytes,
				bool used)
{
	Bed		   *bed = arg;

	(void) used;
	if (tag != tag_of(key) || !is_filled(data, key, bytes))
		atomic_fetch_add(&bed->faults[EVICTED_WRONG], 1);
	atomic_fetch_add(&bed->evicted, 1);
}

static Bed *
make_bed(size_t cache_bytes)
{
	Bed		   *bed = shared_memory(sizeof(Bed));
	void	   *memory = shared_memory(tsdb_vector_cache_bytes(cache_bytes));
	TsdbVectorCalls calls = {.arg = bed, .lock = take_lock, .unlock = give_lock, .evicted = look_at_evicted};
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	for (uint32_t i = 0; i < tsdb_vector_cache_partitions(cache_bytes); i++)
		pthread_mutex_init(&bed->locks[i], &attributes);
	if (!tsdb_vector_cache_init(memory, cache_bytes))
		abort();
	tsdb_vector_cache_attach(&bed->cache, memory, &calls);
	return bed;
}

static TsdbVectorCounts
counts_of(Bed *bed)
{
	TsdbVectorCounts counts;

	tsdb_vector_cache_counts(&bed->cache, &counts);
	return counts;
}

/* Insert an entry as a miss does.  A pin, or 0. */
static TsdbVectorPin
insert(Bed *bed, uint64_t n, uint32_t bytes, TsdbVectorOrigin origin)
{
	TsdbVectorKey key = key_number(n);
	TsdbVectorPin pin = tsdb_vector_cache_reserve(&bed->cache, &key, bytes, tag_of(&key), origin);

	if (pin == 0)
		return 0;
	fill(tsdb_vector_cache_data(&bed->cache, pin, NULL, NULL), &key, bytes);
	tsdb_vector_cache_publish(&bed->cache, pin);
	return pin;
}

/* Does the pin hold that key's entry? */
static bool
is_key(Bed *bed, TsdbVectorPin pin, const TsdbVectorKey *key)
{
	uint32_t	bytes;
	uint32_t	tag;
	const void *data = tsdb_vector_cache_data(&bed->cache, pin, &bytes, &tag);

	return tag == tag_of(key) && is_filled(data, key, bytes);
}

/* Ask for a key as a query does: find it or insert it, and unpin it.  Was it there? */
static bool
ask(Bed *bed, uint64_t n, uint32_t bytes, TsdbVectorOrigin origin)
{
	TsdbVectorKey key = key_number(n);
	TsdbVectorPin pin = tsdb_vector_cache_find(&bed->cache, &key);
	bool		hit = pin != 0;

	if (!hit)
		pin = insert(bed, n, bytes, origin);
	if (pin != 0)
	{
		if (!is_key(bed, pin, &key))
			fail("key %lu has another one's contents", (unsigned long) n);
		tsdb_vector_cache_unpin(&bed->cache, pin);
	}
	return hit;
}

static bool
is_there(Bed *bed, uint64_t n)
{
	TsdbVectorKey key = key_number(n);
	TsdbVectorPin pin = tsdb_vector_cache_peek(&bed->cache, &key);

	if (pin != 0)
		tsdb_vector_cache_unpin(&bed->cache, pin);
	return pin != 0;
}

/* Counters, slots and pages tell the same, and when all is thrown out everything is free. */
static void
check_consistent(Bed *bed)
{
	TsdbVectorCounts counts = counts_of(bed);
	TsdbVectorEntry info;
	uint32_t	cursor = 0;
	uint64_t	entries = 0;
	uint64_t	bytes = 0;

	while (tsdb_vector_cache_next(&bed->cache, &cursor, &info))
	{
		entries++;
		bytes += info.bytes;
		if (info.pins > 0)
			fail("an entry has %u pins that nobody holds", info.pins);
	}
	if (entries != counts.entries || bytes != counts.bytes)
		fail("%lu entries of %lu bytes, counted as %lu of %lu", (unsigned long) entries,
			 (unsigned long) bytes, (unsigned long) counts.entries, (unsigned long) counts.bytes);
	if (tsdb_vector_cache_pins(&bed->cache) != 0)
		fail("pins are left");
	if (bed->evicted != counts.evictions)
		fail("%lu evictions were counted, %lu told of", (unsigned long) counts.evictions,
			 (unsigned long) bed->evicted);
	if (bed->faults[WRONG] + bed->faults[CHANGED] + bed->faults[EVICTED_WRONG] > 0)
		fail("%d wrong, %d changed while pinned, %d evicted wrong", bed->faults[WRONG],
			 bed->faults[CHANGED], bed->faults[EVICTED_WRONG]);
	tsdb_vector_cache_clear(&bed->cache);
	counts = counts_of(bed);
	if (counts.entries != 0 || counts.bytes != 0 || counts.cell_bytes != 0)
		fail("something is left after it was cleared");
}

/* How many entries of so many bytes an empty cache has when many were inserted. */
static uint64_t
room_for(Bed *bed, uint32_t bytes)
{
	uint64_t	most = 0;
	uint64_t	entries = 0;

	for (uint64_t n = 0; n < 100 || n < 3 * entries; n++)
	{
		TsdbVectorPin pin = insert(bed, 1000000 + n, bytes, TSDB_VECTOR_QUERY);

		if (pin != 0)
			tsdb_vector_cache_unpin(&bed->cache, pin);
		entries = counts_of(bed).entries;
		if (entries > most)
			most = entries;
	}
	tsdb_vector_cache_clear(&bed->cache);
	return most;
}

/* ---- parts ---- */

static void
test_bounds(void)
{
	Bed		   *bed;
	char	   *memory = shared_memory(tsdb_vector_cache_bytes(16 * KB) + 128);

	if (tsdb_vector_cache_bytes(0) != 0 || tsdb_vector_cache_bytes(16 * KB - 1) != 0 ||
		tsdb_vector_cache_bytes(TSDB_VECTOR_CACHE_MAX + 1) != 0 ||
		tsdb_vector_cache_partitions(0) != 0)
		fail("a cache that cannot be has a size");
	if (tsdb_vector_cache_init(NULL, 16 * KB) || tsdb_vector_cache_init(memory + 8, 16 * KB) ||
		tsdb_vector_cache_init(memory, 0) || !tsdb_vector_cache_init(memory, 16 * KB))
		fail("init took what it must not, or refused what it must take");
	for (size_t bytes = 16 * KB; bytes < TSDB_VECTOR_CACHE_MAX; bytes = bytes * 17 / 10)
	{
		size_t		all = tsdb_vector_cache_bytes(bytes);

		/* what is no whole page, or no whole page for each partition, is not used */
		if ((all < bytes * 97 / 100 && bytes > MB) || all > bytes * 110 / 100 + 32 * KB)
			fail("%lu bytes take %lu", (unsigned long) bytes, (unsigned long) all);
	}
	bed = make_bed(16 * KB);
	if (tsdb_vector_cache_entry_max(&bed->cache) != 16 * KB)
		fail("a small cache has other pages");
	finish("bounds of a cache");
}

static void
test_sizes(void)
{
	for (uint32_t page = TSDB_VECTOR_PAGE_MIN; page <= TSDB_VECTOR_PAGE_MAX; page *= 2)
	{
		for (uint32_t bytes = 1; bytes <= page; bytes++)
		{
			int			size = tsdb_vector_pages_size(page, bytes);
			uint32_t	cell = tsdb_vector_pages_cell_bytes(page, size);

			if (size < 0 || size >= TSDB_VECTOR_SIZES || cell < bytes ||
				tsdb_vector_pages_cells(size) * cell > page)
				fail("%u bytes have size %d, %u bytes", bytes, size, cell);
			if (size + 1 < TSDB_VECTOR_SIZES && bytes > 512 &&
				tsdb_vector_pages_cell_bytes(page, size + 1) >= bytes)
				fail("%u bytes have size %d, and a smaller one would do", bytes, size);
			if (bytes > 512 && bytes < page / 8 && cell > bytes * 5 / 4 + TSDB_VECTOR_UNIT)
				fail("%u bytes have a cell of %u", bytes, cell);
		}
		if (tsdb_vector_pages_size(page, 0) >= 0 || tsdb_vector_pages_size(page, page + 1) >= 0)
			fail("what fits no page has a size");
		if (tsdb_vector_pages_cell_bytes(page, tsdb_vector_pages_size(page, VECTOR)) != VECTOR)
			fail("a vector of plain numbers wastes memory");
	}
	finish("sizes of cells");
}

/* Random taking and giving against a list of what is out. */
static void
test_pages(void)
{
	enum
	{
		PAGES = 12, PAGE = 16 * KB, OUT_MAX = PAGES * 32
	};
	TsdbVectorPages *pages = shared_memory(sizeof(TsdbVectorPages) +
										   tsdb_vector_pages_bytes(PAGE, PAGES));
	struct
	{
		uint32_t	page;
		uint32_t	cell;
		int			size;
	}			out[OUT_MAX];
	int			nout = 0;

	tsdb_vector_pages_init(pages, pages + 1, PAGE, PAGES);
	for (int step = 0; step < 200000; step++)
	{
		bool		take = nout == 0 || draw() % 100 < (step / 5000 % 2 ? 60 : 35);

		if (take)
		{
			int			size = tsdb_vector_pages_size(PAGE, 1 + (uint32_t) (draw() % PAGE >> draw() % 6));
			bool		room = tsdb_vector_pages_room(pages, size);

			if (tsdb_vector_pages_take(pages, size, &out[nout].page, &out[nout].cell) != room)
				fail("there is room, or there is none, and taking says otherwise");
			if (!room)
				continue;
			out[nout].size = size;
			if (tsdb_vector_pages_page(pages, out[nout].page)->size != size ||
				out[nout].cell >= tsdb_vector_pages_cells(size))
				fail("a cell of another size");
			for (int i = 0; i < nout; i++)
				if (out[i].page == out[nout].page &&
					(out[i].cell == out[nout].cell || out[i].size != size))
					fail("a cell is out twice, or two sizes have one page");
			*tsdb_vector_pages_map(pages, out[nout].page, out[nout].cell) = 7;
			nout++;
			tsdb_vector_pages_turn(pages, size, true);
		}
		else
		{
			int			i = (int) (draw() % (uint64_t) nout);

			tsdb_vector_pages_give(pages, out[i].page, out[i].cell);
			out[i] = out[--nout];
		}
	}
	while (nout-- > 0)
		tsdb_vector_pages_give(pages, out[nout].page, out[nout].cell);
	if (pages->nunused != PAGES)
		fail("%u of %d pages are unused when nothing is out", pages->nunused, PAGES);
	for (int i = 0; i < TSDB_VECTOR_SIZES; i++)
		if (pages->sizes[i].pages != 0 || pages->sizes[i].free_cells != 0)
			fail("size %d keeps pages", i);
	finish("pages and cells against a list");
}

static void
test_history(void)
{
	enum
	{
		KEYS = 10000
	};
	uint32_t	nlines = tsdb_miss_history_lines(KEYS);
	TsdbMissHistoryLine *lines = shared_memory(nlines * sizeof(TsdbMissHistoryLine));
	int			wrong = 0;
	int			forgotten = 0;

	for (uint64_t i = 1; i <= KEYS / 2; i++)
		tsdb_miss_history_add(lines, nlines, mixed(i));
	for (uint64_t i = 1; i <= KEYS / 2; i++)
		wrong += tsdb_miss_history_again(lines, nlines, mixed(i));
	if (wrong > KEYS / 2 / 200)
		fail("%d keys of %d were added once and count as twice", wrong, KEYS / 2);
	for (uint64_t i = 1; i <= KEYS / 2; i += 2)
		tsdb_miss_history_add(lines, nlines, mixed(i));
	for (uint64_t i = 1; i <= KEYS / 2; i++)
	{
		bool		again = tsdb_miss_history_again(lines, nlines, mixed(i));

		forgotten += i % 2 == 1 && !again;
		wrong += i % 2 == 0 && again;
	}
	if (forgotten > KEYS / 2 / 100 || wrong > KEYS / 2 / 100)
		fail("%d keys were forgotten, %d taken for others", forgotten, wrong);
	for (uint64_t i = 1; i <= 2 * KEYS; i++)
		tsdb_miss_history_add(lines, nlines, mixed(1000000 + i));
	wrong = 0;
	for (uint64_t i = 1; i <= KEYS / 2; i += 2)
		wrong += tsdb_miss_history_again(lines, nlines, mixed(i));
	if (wrong > KEYS / 2 / 50)
		fail("%d keys are remembered for too long", wrong);
	tsdb_miss_history_clear(lines, nlines);
	if (tsdb_miss_history_again(lines, nlines, mixed(1000001)))
		fail("a cleared history remembers");
	finish("history of misses");
}

/* ---- one process ---- */

static void
test_one_entry(void)
{
	Bed		   *bed = make_bed(16 * KB);
	TsdbVectorPin pin;

	if (room_for(bed, 16 * KB) != 1 || room_for(bed, 9 * KB) != 1 || room_for(bed, VECTOR) != 2)
		fail("there is room for more or fewer entries than one");
	if (ask(bed, 1, 16 * KB, TSDB_VECTOR_QUERY) || !ask(bed, 1, 16 * KB, TSDB_VECTOR_QUERY))
		fail("the one entry is not kept");

	/* used once since: another key must be asked for twice, and once more for the use */
	for (int i = 0; i < 4 && !is_there(bed, 2); i++)
		ask(bed, 2, 12 * KB, TSDB_VECTOR_QUERY);
	if (!is_there(bed, 2) || is_there(bed, 1))
		fail("the one entry is never exchanged");
	pin = insert(bed, 2, 12 * KB, TSDB_VECTOR_QUERY);
	if (pin != 0)
		fail("a key was inserted twice");
	pin = tsdb_vector_cache_find(&bed->cache, &(TsdbVectorKey) {mixed(1), 5, 0, 1});
	if (pin == 0)
		fail("key 2 is not found");
	for (int i = 0; i < 20; i++)
		ask(bed, 3, 16 * KB, TSDB_VECTOR_QUERY);
	if (is_there(bed, 3) || !is_there(bed, 2))
		fail("a pinned entry was evicted");
	tsdb_vector_cache_unpin(&bed->cache, pin);
	for (int i = 0; i < 5 && !is_there(bed, 3); i++)
		ask(bed, 3, 16 * KB, TSDB_VECTOR_QUERY);
	if (!is_there(bed, 3))
		fail("an entry that was pinned is never evicted");
	check_consistent(bed);
	finish("a cache of one entry");
}

static void
test_refusals(void)
{
	int			wanted = 0;
	Bed		   *bed = make_bed(4 * MB);
	uint64_t	refused = counts_of(bed).refused;
	TsdbVectorKey key = key_number(1);
	TsdbVectorPin pin;
	uint64_t	room;

	if (insert(bed, 1, 0, TSDB_VECTOR_QUERY) != 0 ||
		insert(bed, 1, tsdb_vector_cache_entry_max(&bed->cache) + 1, TSDB_VECTOR_QUERY) != 0 ||
		counts_of(bed).refused != refused + 2)
		fail("an entry that no page has room for");
	pin = tsdb_vector_cache_reserve(&bed->cache, &key, 100, 0, TSDB_VECTOR_QUERY);
	if (pin == 0 || is_there(bed, 1))
		fail("a reserved entry is there already");
	if (insert(bed, 1, 100, TSDB_VECTOR_QUERY) != 0)
		fail("an entry that is being made is made twice");
	tsdb_vector_cache_cancel(&bed->cache, pin);
	if (is_there(bed, 1) || counts_of(bed).entries != 0 || counts_of(bed).bytes != 0)
		fail("what was cancelled is there");
	if (ask(bed, 1, 100, TSDB_VECTOR_QUERY) || !ask(bed, 1, 100, TSDB_VECTOR_QUERY))
		fail("what was cancelled cannot be made any more");
	tsdb_vector_cache_clear(&bed->cache);

	room = room_for(bed, VECTOR);
	if (room != 4 * MB / VECTOR)
		fail("room for %lu vectors only", (unsigned long) room);
	for (uint64_t i = 0; i < 8 * MB / VECTOR; i++)
		ask(bed, i, VECTOR, TSDB_VECTOR_SCAN);
	key = key_number(5000);
	if (tsdb_vector_cache_wants(&bed->cache, &key, VECTOR, TSDB_VECTOR_SCAN) ||
		ask(bed, 5000, VECTOR, TSDB_VECTOR_SCAN) || is_there(bed, 5000))
		fail("a scan evicts at its first ask");
	tsdb_vector_cache_missed(&bed->cache, &key);
	for (int turn = 0; turn < 160; turn++)
		wanted += tsdb_vector_cache_wants(&bed->cache, &key, VECTOR, TSDB_VECTOR_SCAN);
	if (wanted != 10)
		fail("of 160 second asks of scans, %d are let in", wanted);
	if (ask(bed, 5000, VECTOR, TSDB_VECTOR_SCAN) || !is_there(bed, 5000))
		fail("a scan does not evict at its second ask");
	check_consistent(bed);
	finish("what is refused");
}

/* Share of hits in percent, asking for each of a range of keys in random order. */
static int
hit_percent(Bed *bed, uint64_t first, uint64_t n, int rounds)
{
	uint64_t	hits = 0;

	for (uint64_t i = 0; i < n * (uint64_t) rounds; i++)
		hits += ask(bed, first + draw() % n, VECTOR, TSDB_VECTOR_QUERY);
	return (int) (hits * 100 / (n * (uint64_t) rounds));
}

/* A hot set that fills half of the cache outlives scans of twenty times the cache. */
static void
test_scan_resistance(TsdbVectorOrigin origin, int scans)
{
	Bed		   *bed = make_bed(16 * MB);
	uint64_t	entries = 16 * MB / VECTOR;
	uint64_t	hot = entries / 2;
	uint64_t	kept = 0;
	char		name[100];

	hit_percent(bed, 0, hot, 8);
	for (int scan = 0; scan < scans; scan++)
	{
		for (uint64_t i = 0; i < 20 * entries; i++)
			ask(bed, 1000000 + i, VECTOR, origin);
		kept = 0;
		for (uint64_t i = 0; i < hot; i++)
			kept += is_there(bed, i);
		if (kept < hot * 98 / 100)
			fail("%lu of %lu hot entries are left after scan %d", (unsigned long) kept,
				 (unsigned long) hot, scan + 1);
		hit_percent(bed, 0, hot, 2);
	}
	if (hit_percent(bed, 0, hot, 4) < 99)
		fail("the hot set is not hit any more");

	/* another hot set takes the place of the first, which nobody asks for any more */
	hit_percent(bed, 500000, entries * 9 / 10, 12);
	if (hit_percent(bed, 500000, entries * 9 / 10, 4) < 97)
		fail("a new hot set does not get in: %d %% hits",
			 hit_percent(bed, 500000, entries * 9 / 10, 4));
	check_consistent(bed);
	snprintf(name, sizeof(name), "%d scans by %s keep a hot set", scans,
			 origin == TSDB_VECTOR_SCAN ? "large queries" : "small queries");
	finish(name);
}

/* ---- against a list in the order of use ---- */

typedef struct Lru
{
	uint32_t	next[KEYS_MAX + 1]; /* 0 is the list's head; key k is k + 1 */
	uint32_t	previous[KEYS_MAX + 1];
	bool		in[KEYS_MAX + 1];
	uint32_t	entries;
	uint32_t	most;
} Lru;

static void
lru_unlink(Lru *lru, uint32_t i)
{
	lru->next[lru->previous[i]] = lru->next[i];
	lru->previous[lru->next[i]] = lru->previous[i];
}

static bool
lru_ask(Lru *lru, uint32_t key)
{
	uint32_t	i = key + 1;
	bool		hit = lru->in[i];

	if (hit)
		lru_unlink(lru, i);
	else if (lru->entries == lru->most)
	{
		uint32_t	oldest = lru->previous[0];

		lru_unlink(lru, oldest);
		lru->in[oldest] = false;
	}
	else
		lru->entries++;
	lru->in[i] = true;
	lru->next[i] = lru->next[0];
	lru->previous[i] = 0;
	lru->previous[lru->next[0]] = i;
	lru->next[0] = i;
	return hit;
}

/*
 * Keys drawn with probability 1 / rank, of which a tenth fits, must be hit more often than by
 * exact LRU; and not much less often when what is popular moves on all the time.
 */
static void
test_zipf(uint64_t drift)
{
	enum
	{
		KEYS = 20000, CAPACITY = 2048, ASKS = 600000
	};
	static double sums[KEYS];
	Lru		   *lru = shared_memory(sizeof(Lru));
	Bed		   *bed = make_bed((size_t) CAPACITY * VECTOR);
	uint64_t	hits = 0;
	uint64_t	lru_hits = 0;
	double		sum = 0;
	char		name[100];

	lru->most = CAPACITY;
	for (int i = 0; i < KEYS; i++)
		sums[i] = sum += 1.0 / (i + 1);
	for (uint64_t i = 0; i < ASKS; i++)
	{
		double		at = (double) (draw() >> 11) * 0x1p-53 * sum;
		uint32_t	low = 0;
		uint32_t	high = KEYS - 1;
		uint32_t	key;

		while (low < high)
		{
			uint32_t	middle = (low + high) / 2;

			if (sums[middle] < at)
				low = middle + 1;
			else
				high = middle;
		}
		key = low;
		if (drift > 0)
			key = (uint32_t) ((low + i / drift) % KEYS_MAX);
		hits += ask(bed, key, VECTOR, TSDB_VECTOR_QUERY);
		lru_hits += lru_ask(lru, key);
	}
	snprintf(name, sizeof(name), "zipf, %s: %.1f %% hits, LRU %.1f %%",
			 drift > 0 ? "drifting" : "standing", (double) hits * 100 / ASKS,
			 (double) lru_hits * 100 / ASKS);
	if (drift > 0 ? hits < lru_hits - ASKS / 20 : hits < lru_hits + ASKS / 100)
		fail("%s", name);
	check_consistent(bed);
	finish(name);
}

/* Memory goes to the sizes that are asked for. */
static void
test_moves(void)
{
	static const uint32_t sizes[] = {VECTOR, 2 * KB, 60 * KB, 700, VECTOR};
	Bed		   *bed = make_bed(16 * MB);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
	{
		uint64_t	n = 16 * MB / sizes[i] * 3 / 4;
		uint64_t	there = 0;

		/* there are slots for entries of some kilobytes */
		if (n > 16 * MB / VECTOR)
			n = 16 * MB / VECTOR;
		for (int round = 0; round < 12; round++)
		{
			there = 0;
			for (uint64_t j = 0; j < n; j++)
				there += ask(bed, 100000 * (i + 1) + j, sizes[i], TSDB_VECTOR_QUERY);
		}
		if (there < n * 90 / 100)
			fail("%lu of %lu entries of %u bytes got in", (unsigned long) there, (unsigned long) n,
				 sizes[i]);
	}
	if (counts_of(bed).pages_moved == 0)
		fail("no page has moved");
	check_consistent(bed);
	if (room_for(bed, VECTOR) != 16 * MB / VECTOR)
		fail("pages were lost");
	finish("pages move to the size that is asked for");
}

static void
test_prefetch(void)
{
	Bed		   *bed = make_bed(16 * MB);
	uint64_t	entries = 16 * MB / VECTOR;
	TsdbVectorCounts counts;
	uint64_t	kept = 0;
	TsdbVectorPin pin;

	/* 100 are fetched ahead, 60 of them asked for, some of them often */
	for (uint64_t i = 0; i < 100; i++)
	{
		pin = insert(bed, i, VECTOR, TSDB_VECTOR_PREFETCH);
		if (pin != 0)
			tsdb_vector_cache_unpin(&bed->cache, pin);
	}
	for (uint64_t i = 0; i < 300; i++)
		if (!ask(bed, i % 60, VECTOR, TSDB_VECTOR_QUERY))
			fail("what was fetched ahead is not there");
	counts = counts_of(bed);
	if (counts.prefetched != 100 || counts.prefetch_used != 60 || counts.prefetch_wasted != 0)
		fail("%lu prefetched, %lu used, %lu wasted", (unsigned long) counts.prefetched,
			 (unsigned long) counts.prefetch_used, (unsigned long) counts.prefetch_wasted);

	/* the rest goes when the cache is full of what is used */
	for (int round = 0; round < 10; round++)
		for (uint64_t i = 0; i < entries; i++)
			ask(bed, 1000 + i, VECTOR, TSDB_VECTOR_QUERY);
	counts = counts_of(bed);
	if (counts.prefetch_wasted < 35 || counts.prefetch_used + counts.prefetch_wasted > 100)
		fail("%lu wasted", (unsigned long) counts.prefetch_wasted);

	/* prefetching without end takes nothing from what is used */
	tsdb_vector_cache_clear(&bed->cache);
	hit_percent(bed, 0, entries / 2, 8);
	for (uint64_t i = 0; i < 20 * entries; i++)
	{
		pin = insert(bed, 1000000 + i, VECTOR, i % 2 ? TSDB_VECTOR_PREFETCH : TSDB_VECTOR_PREWARM);
		if (pin != 0)
			tsdb_vector_cache_unpin(&bed->cache, pin);
	}
	for (uint64_t i = 0; i < entries / 2; i++)
		kept += is_there(bed, i);
	if (kept < entries / 2 * 98 / 100)
		fail("%lu of %lu used entries are left after prefetching", (unsigned long) kept,
			 (unsigned long) entries / 2);
	check_consistent(bed);
	finish("prefetched entries");
}

static void
test_clear_and_iterate(void)
{
	Bed		   *bed = make_bed(4 * MB);
	TsdbVectorEntry info;
	uint32_t	cursor = 0;
	bool		seen[200] = {false};
	TsdbVectorPin pins[10];

	for (uint64_t i = 0; i < 200; i++)
		ask(bed, i, 100 + (uint32_t) i * 50, TSDB_VECTOR_QUERY);
	for (uint64_t i = 0; i < 10; i++)
	{
		TsdbVectorKey key = key_number(i);

		pins[i] = tsdb_vector_cache_find(&bed->cache, &key);
		if (pins[i] == 0)
			abort();
	}
	while (tsdb_vector_cache_next(&bed->cache, &cursor, &info))
		for (uint64_t i = 0; i < 200; i++)
		{
			TsdbVectorKey key = key_number(i);

			if (memcmp(&key.generation, &info.key.generation, 8) != 0 || key.storage != info.key.storage ||
				key.column != info.key.column)
				continue;
			if (seen[i] || info.key.database != 5 || info.bytes != 100 + i * 50 ||
				info.tag != tag_of(&key) || info.pins != (i < 10) || info.used != (i < 10) ||
				info.usage != (i < 10) || info.origin != TSDB_VECTOR_QUERY)
				fail("entry %lu is told wrongly", (unsigned long) i);
			seen[i] = true;
		}
	for (int i = 0; i < 200; i++)
		if (!seen[i])
			fail("entry %d is not told", i);
	if (tsdb_vector_cache_pins(&bed->cache) != 10)
		fail("pins are counted wrongly");
	tsdb_vector_cache_clear(&bed->cache);
	for (uint64_t i = 0; i < 200; i++)
		if (is_there(bed, i) != (i < 10))
			fail("entry %lu is there, or not", (unsigned long) i);
	for (uint64_t i = 0; i < 10; i++)
	{
		TsdbVectorKey key = key_number(i);

		if (!is_key(bed, pins[i], &key))
			fail("a pinned entry was changed");
		tsdb_vector_cache_unpin(&bed->cache, pins[i]);
	}
	check_consistent(bed);
	finish("clearing with pins, and a list of all");
}

/* ---- many ---- */

static uint32_t
stress_bytes(const Bed *bed, uint64_t n)
{
	if (bed->one_size)
		return VECTOR;
	return 1 + (uint32_t) (mixed(n + 99) % bed->page_bytes >> mixed(n + 7) % 6);
}

/* Unpin what a worker holds at a place, if it still is what it was. */
static void
let_go_of(Bed *bed, TsdbVectorPin *pin, uint64_t n)
{
	TsdbVectorKey key = key_number(n);

	if (*pin == 0)
		return;
	if (!is_key(bed, *pin, &key))
		atomic_fetch_add(&bed->faults[CHANGED], 1);
	tsdb_vector_cache_unpin(&bed->cache, *pin);
	*pin = 0;
}

static void
stress_worker(int number, void *shared)
{
	Bed		   *bed = shared;
	uint64_t	state = 88172645463325252 + (uint64_t) number * 977;
	TsdbVectorPin held[HELD_MAX] = {0};
	uint64_t	held_key[HELD_MAX] = {0};
	uint64_t	hits = 0;
	uint64_t	inserted = 0;
	uint64_t	i;

	for (i = 0; i < bed->rounds && (bed->until == 0 || seconds_now() < bed->until); i++)
	{
		uint64_t	r = mixed(state++);
		uint64_t	n = r % bed->nkeys * (r >> 32 & 0xFFFF) >> 16;
		int			place = (int) (r >> 48) % HELD_MAX;
		TsdbVectorKey key = key_number(n);
		TsdbVectorPin pin;

		let_go_of(bed, &held[place], held_key[place]);
		pin = tsdb_vector_cache_find(&bed->cache, &key);
		if (pin != 0)
		{
			hits++;
			if (!is_key(bed, pin, &key))
				atomic_fetch_add(&bed->faults[WRONG], 1);
		}
		else
		{
			uint32_t	bytes = stress_bytes(bed, n);

			pin = tsdb_vector_cache_reserve(&bed->cache, &key, bytes, tag_of(&key),
											(TsdbVectorOrigin) (r >> 52 & 3));
			if (pin == 0)
				continue;
			fill(tsdb_vector_cache_data(&bed->cache, pin, NULL, NULL), &key, bytes);
			if ((r >> 55 & 15) == 0)
			{
				tsdb_vector_cache_cancel(&bed->cache, pin);
				continue;
			}
			tsdb_vector_cache_publish(&bed->cache, pin);
			inserted++;
		}
		if ((r >> 60 & 1) != 0)
			tsdb_vector_cache_unpin(&bed->cache, pin);
		else
		{
			held[place] = pin;
			held_key[place] = n;
		}
		if ((r & 0xFFFFF) == 0)
			tsdb_vector_cache_clear(&bed->cache);
	}
	for (int j = 0; j < HELD_MAX; j++)
		let_go_of(bed, &held[j], held_key[j]);
	atomic_fetch_add(&bed->hits, hits);
	atomic_fetch_add(&bed->inserted, inserted);
	atomic_fetch_add(&bed->looked, i);
}

static void
stress(int workers, bool processes, size_t cache_bytes, uint32_t nkeys, bool one_size,
	   uint64_t rounds, double seconds)
{
	Bed		   *bed = make_bed(cache_bytes);
	uint64_t	room = room_for(bed, VECTOR);
	char		name[200];

	bed->nkeys = nkeys;
	bed->page_bytes = tsdb_vector_cache_entry_max(&bed->cache);
	bed->one_size = one_size;
	bed->rounds = seconds > 0 ? UINT64_C(1) << 60 : SLOW ? rounds / 4 : rounds;
	bed->until = seconds > 0 ? seconds_now() + seconds : 0;
	if (!run_workers(workers, processes, stress_worker, bed))
		fail("a worker has ended early");
	snprintf(name, sizeof(name),
			 "%d %s, %lu kB, %u keys%s: %lu lookups, %lu hits, %lu inserted, %lu evicted", workers,
			 processes ? "processes" : "threads", (unsigned long) cache_bytes / KB, nkeys,
			 one_size ? " of 8 kB" : "", (unsigned long) bed->looked, (unsigned long) bed->hits,
			 (unsigned long) bed->inserted, (unsigned long) bed->evicted);
	if (bed->hits == 0 || bed->evicted == 0)
		fail("nothing was hit, or nothing evicted: %s", name);
	check_consistent(bed);
	if (room_for(bed, VECTOR) != room)
		fail("room for %lu vectors is room for %lu now", (unsigned long) room,
			 (unsigned long) room_for(bed, VECTOR));
	finish(name);
}

int
main(void)
{
	const char *seconds = getenv("CACHE_TEST_SECONDS");

	test_bounds();
	test_sizes();
	test_pages();
	test_history();
	test_one_entry();
	test_refusals();
	if (!SLOW)
	{
		test_scan_resistance(TSDB_VECTOR_SCAN, 3);
		test_scan_resistance(TSDB_VECTOR_QUERY, 3);
		test_zipf(0);
		test_zipf(20);
		test_moves();
	}
	test_prefetch();
	test_clear_and_iterate();
	for (int processes = 0; processes < 2; processes++)
	{
		stress(4, processes, 16 * KB, 4, true, 100000, 0);
		stress(4, processes, 16 * KB, 12, false, 100000, 0);
		stress(4, processes, 256 * KB, 300, false, 100000, 0);
		stress(4, processes, 4 * MB, 3000, false, 50000, 0);
		stress(8, processes, 1 * MB, 200, true, 50000, 0);
	}
	stress(4, true, 512 * KB, 400, false, 50000, seconds != NULL ? atof(seconds) : 0);
	return summary();
}
