/*
 * vector_cache.h
 *		The working set: decoded vectors that all processes share.
 *
 * An entry is one piece of memory, filled once by who decoded the vector and never
 * changed, so whoever has it pinned reads it without a lock.  Its key holds the
 * chunk's generation, 64 random bits that no other chunk of the storage has: an
 * entry never becomes wrong, only useless, and nobody has to invalidate it.
 *
 *		partition:	slots (a hash table) | history of misses | pages of cells
 *
 *		slot, one cache line
 *		 0       8            16        24       28     32      36    40
 *		| state | generation | db, st. | column | cell | bytes | tag | ... |
 *
 *		state
 *		 63     32 31  12 11    6       5       4   2 1   0
 *		| version | pins |     | fresh | ahead | usage | phase |
 *
 * Looking up.  A key belongs into a window of TSDB_VECTOR_WINDOW slots, the same slot of as many groups of 16.  Columns of a
 * chunk have slots side by side in their group: what a lookup waits for most is the address of a page that the processor does not
 * remember, and they share one.  (Which slot of its group a column begins with is another one for each chunk, so that
 * tables of few columns fill groups, too.)  A lookup reads a slot's state, then its key, then swaps the state for one with a pin more.  The version in the
 * state is another one in each life of a slot, so the swap succeeds only if the key
 * that was read is the one that is pinned.  The same swap notes the touch.  No lock, no list that a touch
 * must move something in, one cache line; unpinning is one subtraction.  A line
 * that another processor has written is fetched for writing at once (PREFETCHW), since reading it first
 * would fetch it twice; who knows the next keys (a scan does: the columns of a chunk) asks for their
 * lines before it needs them.
 *
 * Memory order.  What a reader of the key must not miss is that the slot was taken from
 * under it.  Whoever takes a slot changes its state first and stores the key after that (release);
 * a reader that loads (acquire) such a key therefore finds the changed state in its swap, which fails.
 * Publishing is a release of the state, which the swap acquires: the contents are there.  Unpinning
 * is a release, which the claim of an evictor acquires: nobody reads any more.
 *
 * Memory.  Cells come from pages, which are cut into cells of one size
 * (cache/vector_pages.h).  There is no other allocation, so nothing fragments but pages among
 * sizes, and they move from one size to another (below).
 *
 * What stays.  The recency of a touch is approximated by a count up to TSDB_VECTOR_USAGE_MAX in the state, and the cells of
 * a size are a clock: the hand takes one from each entry that it passes and evicts the first
 * that has none and is not pinned.  Who may turn the hand is what keeps a scan of cold data from flushing the set:
 *
 *	- A key that was asked for before (the history of misses knows, cache/miss_history.h: it
 *	  remembers about twice as many keys as there are entries) evicts in that way.
 *	- A key asked for the first time takes the place only of what the hand finds
 *	  with no use left, and takes nothing from others.  So entries that were used once are
 *	  exchanged for one another, and the rest stays as it is.  The same goes for what nobody has
 *	  asked for yet (prefetch, prewarming).
 *	- A key asked for the first time by a query that reads very much (TSDB_VECTOR_SCAN) gets free memory only:
 *	  copying what nobody comes back for would cost as much as decoding it. And of what it asks for again, one in
 *	  16 evicts, so that who reads more than fits in a circle finds a part of it each time, rather than nothing.
 *
 * This is S3-FIFO (Yang and others, SOSP 2023) with the small queue living in the clock, rather than a comparison of
 * frequencies as TinyLFU makes: there each hit would have to be counted in memory that all share, and panels
 * that move on with time leave behind entries of high frequency that nobody asks for any more.
 *
 * Sizes.  A hand counts, in bytes admitted into the partition, how long its way round takes.
 * A size whose hand stands still while another's turns is challenged, page by page, as if its hand had
 * passed; a page in which hardly anything was used since goes to the size that needs it.  So
 * all sizes end up with entries of similar age.
 *
 * Locks.  One lock a partition, for inserting and evicting, never for a hit, a miss,
 * a refusal for want of a second ask, publishing or unpinning.  It is held for a walk over some
 * slots; no contents are copied and nobody is called under it.
 *
 * What an evictor takes is offered to calls->evicted() when nobody finds it any more, its memory is
 * still there, and no lock is held.
 *
 * A pin that is not given back keeps its entry for ever.  In the server pins belong to whoever is cleaned up after
 * an error; what ends a process without that makes the server throw the shared memory away and start again.
 * For the same reason nothing that can raise an error may stand between reserve and publish or cancel.
 *
 * Plain C11; no server headers.  Memory is given by the caller, and mapped at one
 * address by all processes only if contents have pointers; here are none.
 */
#ifndef TSDB_CACHE_VECTOR_CACHE_H
#define TSDB_CACHE_VECTOR_CACHE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* the smallest cache is one page; cells are named by 32 bits, in units */
#define TSDB_VECTOR_CACHE_MIN		((size_t) 16 * 1024)
#define TSDB_VECTOR_CACHE_MAX		((size_t) 255 << 30)
#define TSDB_VECTOR_UNIT			64

/* alignment of the memory */
#define TSDB_VECTOR_CACHE_ALIGN		128

#define TSDB_VECTOR_PARTITIONS_MAX	64
#define TSDB_VECTOR_WINDOW			16		/* groups */
#define TSDB_VECTOR_GROUP			16		/* slots */
#define TSDB_VECTOR_GROUPS_A_CHUNK	8
#define TSDB_VECTOR_USAGE_MAX		3
#define TSDB_VECTOR_FETCHED			8	/* lines; then the processor goes on by itself */

/* state of a slot */
#define TSDB_VECTOR_PHASE			UINT64_C(0x3)
#define TSDB_VECTOR_FREE			UINT64_C(0x0)
#define TSDB_VECTOR_FILLING			UINT64_C(0x1)	/* whoever reserved it writes */
#define TSDB_VECTOR_LIVE			UINT64_C(0x2)
#define TSDB_VECTOR_USAGE_ONE		UINT64_C(0x4)
#define TSDB_VECTOR_USAGE			UINT64_C(0x1C)
#define TSDB_VECTOR_AHEAD			UINT64_C(0x20)	/* prefetched, and not asked for yet */
#define TSDB_VECTOR_FRESH			UINT64_C(0x40)	/* not found since it was inserted */
#define TSDB_VECTOR_PIN_ONE			UINT64_C(0x1000)
#define TSDB_VECTOR_PINS			UINT64_C(0xFFFFF000)
#define TSDB_VECTOR_VERSION_ONE		(UINT64_C(1) << 32)

/* what stays the same as long as an entry lives */
#define TSDB_VECTOR_LIFE			(~UINT64_C(0xFFFFFFFF) | TSDB_VECTOR_PHASE)

#ifdef __GNUC__
#define TSDB_VECTOR_INLINE static inline __attribute__((always_inline))
#else
#define TSDB_VECTOR_INLINE static inline
#endif

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2,
			   "processes can only share atomics that need no lock");

typedef struct TsdbVectorKey
{
	uint64_t	generation;		/* of the chunk; random */
	uint32_t	database;
	uint32_t	storage;
	uint32_t	column;
} TsdbVectorKey;

/* Why an entry is made, which decides what it may take the place of. */
typedef enum TsdbVectorOrigin
{
	TSDB_VECTOR_QUERY,			/* a query of modest size asks for it */
	TSDB_VECTOR_SCAN,			/* a query that reads so much that it would fill the cache */
	TSDB_VECTOR_PREFETCH,		/* somebody is expected to ask for it */
	TSDB_VECTOR_PREWARM,		/* somebody wants it to be there, or it was there before a restart */
	TSDB_VECTOR_ORIGINS
} TsdbVectorOrigin;

/* A slot's number, plus one; 0: none. */
typedef uint32_t TsdbVectorPin;

typedef struct TsdbVectorSlot
{
	alignas(64) _Atomic uint64_t state;
	_Atomic uint64_t generation;
	_Atomic uint64_t relation;	/* database, storage */
	_Atomic uint32_t column;

	/* for who has it pinned, fills it, or has the partition's lock */
	uint32_t	cell;			/* units from the first */
	uint32_t	bytes;
	uint32_t	tag;
	uint32_t	origin;
} TsdbVectorSlot;

_Static_assert(sizeof(TsdbVectorSlot) == 64, "a slot is a cache line");

/* What the cache calls; the same in all processes in effect, not in address. */
typedef struct TsdbVectorCalls
{
	void	   *arg;
	void		(*lock) (void *arg, uint32_t partition);
	void		(*unlock) (void *arg, uint32_t partition);

	/*
	 * An entry is going.  used: it was found at least once since it came.  May be null; must not raise errors.
	 */
	void		(*evicted) (void *arg, const TsdbVectorKey *key, uint32_t tag,
							const void *data, uint32_t bytes, bool used);

	/* An entry that was prefetched has been found for the first time, by this process.  May be null. */
	void		(*came_true) (void *arg);
} TsdbVectorCalls;

struct TsdbVectorShared;
struct TsdbVectorPartition;

/* A cache as one process has it. */
typedef struct TsdbVectorCache
{
	struct TsdbVectorShared *shared;
	TsdbVectorSlot *slots;
	unsigned char *cells;
	uint64_t	partition_mask;
	uint64_t	groups;			/* of a partition, where windows begin */
	uint64_t	stride;			/* slots of a partition */
	TsdbVectorCalls calls;
} TsdbVectorCache;

typedef struct TsdbVectorCounts
{
	/* now */
	uint64_t	entries;
	uint64_t	bytes;			/* of entries */
	uint64_t	cell_bytes;		/* of their cells */

	/* since the start */
	uint64_t	inserts;
	uint64_t	evictions;
	uint64_t	refused;		/* not admitted, or no room */
	uint64_t	pages_moved;	/* to another size */
	uint64_t	prefetched;
	uint64_t	prefetch_used;
	uint64_t	prefetch_wasted;	/* evicted before anybody asked for them */
} TsdbVectorCounts;

/* What tsdb_vector_cache_next() tells of an entry. */
typedef struct TsdbVectorEntry
{
	TsdbVectorKey key;
	uint32_t	bytes;
	uint32_t	tag;
	uint32_t	pins;
	uint32_t	usage;			/* 0 to TSDB_VECTOR_USAGE_MAX */
	TsdbVectorOrigin origin;
	bool		used;			/* found since it was inserted */
} TsdbVectorEntry;

/*
 * Shared memory that a cache needs for cache_bytes of contents, all included (a tenth more).  0 if
 * cache_bytes is out of its bounds.
 */
extern size_t tsdb_vector_cache_bytes(size_t cache_bytes);

/* Make an empty cache in memory so large, aligned to TSDB_VECTOR_CACHE_ALIGN.  False if that could not be. */
extern bool tsdb_vector_cache_init(void *memory, size_t cache_bytes);

/* How many locks are needed; for the caller to make before it attaches. */
extern uint32_t tsdb_vector_cache_partitions(size_t cache_bytes);

/* To be done in each process. */
extern void tsdb_vector_cache_attach(TsdbVectorCache *cache, void *memory,
									 const TsdbVectorCalls *calls);

/* The largest entry that there can be. */
extern uint32_t tsdb_vector_cache_entry_max(const TsdbVectorCache *cache);

/* Note that a key was asked for and is not there; find does it. */
extern void tsdb_vector_cache_missed(TsdbVectorCache *cache, const TsdbVectorKey *key);

/* Count the first use of a prefetched entry; find does it. */
extern void tsdb_vector_cache_came_true(TsdbVectorCache *cache, const TsdbVectorSlot *slot);

/*
 * Would an entry of that key be made now, as far as can be told without a lock?  For who could do
 * with less than the whole vector, after a find that missed.
 */
extern bool tsdb_vector_cache_wants(TsdbVectorCache *cache, const TsdbVectorKey *key,
									uint32_t bytes, TsdbVectorOrigin origin);

/*
 * Memory for a new entry, aligned to TSDB_VECTOR_UNIT, that the caller fills (tsdb_vector_cache_data says where)
 * and then publishes or cancels, soon and without fail.  0: it is not admitted, there is no room, it is too large,
 * or there is one already.
 */
extern TsdbVectorPin tsdb_vector_cache_reserve(TsdbVectorCache *cache, const TsdbVectorKey *key,
											   uint32_t bytes, uint32_t tag,
											   TsdbVectorOrigin origin);

/* Others find the entry from now on.  It stays pinned by the caller. */
extern void tsdb_vector_cache_publish(TsdbVectorCache *cache, TsdbVectorPin pin);

/* There will be no such entry. */
extern void tsdb_vector_cache_cancel(TsdbVectorCache *cache, TsdbVectorPin pin);

/* The next entry from *cursor on (0: the first).  Entries that come and go meanwhile may be told or not. */
extern bool tsdb_vector_cache_next(TsdbVectorCache *cache, uint32_t *cursor, TsdbVectorEntry *info);

/* Throw out all that is not pinned.  Nothing of it is offered to calls->evicted(). */
extern void tsdb_vector_cache_clear(TsdbVectorCache *cache);

extern void tsdb_vector_cache_counts(const TsdbVectorCache *cache, TsdbVectorCounts *counts);

/* How many pins there are now; looks at all slots. */
extern uint64_t tsdb_vector_cache_pins(const TsdbVectorCache *cache);

/* ---- lookup ---- */

/* The generation alone is random, but a database made from a template has those of the template. */
static inline uint64_t
tsdb_vector_relation(const TsdbVectorKey *key)
{
	return (uint64_t) key->database << 32 | key->storage;
}

static inline uint64_t
tsdb_vector_mix(uint64_t h)
{
	h = (h ^ h >> 32) * UINT64_C(0xD6E8FEB86659FD93);
	return h ^ h >> 29;
}

/* The same for all columns of a chunk: where it lies. */
static inline uint64_t
tsdb_vector_chunk_hash(const TsdbVectorKey *key)
{
	return tsdb_vector_mix(key->generation ^ tsdb_vector_relation(key) * UINT64_C(0xC2B2AE3D27D4EB4F));
}

/* Another one for each column. */
static inline uint64_t
tsdb_vector_hash(const TsdbVectorKey *key)
{
	return tsdb_vector_mix(tsdb_vector_chunk_hash(key) ^ key->column * UINT64_C(0x9E3779B97F4A7C15));
}

static inline uint32_t
tsdb_vector_partition(const TsdbVectorCache *cache, const TsdbVectorKey *key)
{
	return (uint32_t) (tsdb_vector_chunk_hash(key) & cache->partition_mask);
}

/* The first slot of a key's window; the others are TSDB_VECTOR_GROUP slots further each. */
static inline TsdbVectorSlot *
tsdb_vector_window(const TsdbVectorCache *cache, const TsdbVectorKey *key)
{
	uint64_t	hash = tsdb_vector_chunk_hash(key);
	uint64_t	group = ((hash >> 32) * cache->groups >> 32) +
		key->column / TSDB_VECTOR_GROUP % TSDB_VECTOR_GROUPS_A_CHUNK;

	return cache->slots + (hash & cache->partition_mask) * cache->stride +
		group * TSDB_VECTOR_GROUP + ((hash >> 16) + key->column) % TSDB_VECTOR_GROUP;
}

/* Fetch the line of a slot for writing. */
static inline void
tsdb_vector_fetch_line(const TsdbVectorSlot *slot)
{
#if defined(__x86_64__) && defined(__GNUC__)
	__asm__ volatile("prefetchw %0" : : "m"(*slot));
#elif defined(__GNUC__)
	__builtin_prefetch(slot, 1);
#else
	(void) slot;
#endif
}

/* Fetch what a lookup of the key will read first. */
static inline void
tsdb_vector_cache_prefetch(const TsdbVectorCache *cache, const TsdbVectorKey *key)
{
	tsdb_vector_fetch_line(tsdb_vector_window(cache, key));
}

/* Is it the slot's key?  To be asked after its state was loaded. */
static inline bool
tsdb_vector_slot_is(const TsdbVectorSlot *slot, const TsdbVectorKey *key)
{
	return atomic_load_explicit(&slot->generation, memory_order_acquire) == key->generation &&
		atomic_load_explicit(&slot->relation, memory_order_acquire) == tsdb_vector_relation(key) &&
		atomic_load_explicit(&slot->column, memory_order_acquire) == key->column;
}

/*
 * Fetch what the contents of an entry begin with, where the slot's line is at hand (tsdb_vector_cache_prefetch).
 * What is read of the slot may be another's by then: nothing but a wrong line at hand comes of it.
 */
static inline void
tsdb_vector_cache_prefetch_data(const TsdbVectorCache *cache, const TsdbVectorKey *key)
{
#if defined(__GNUC__) && !defined(__SANITIZE_THREAD__)
	const TsdbVectorSlot *slot = tsdb_vector_window(cache, key);

	for (int i = 0; i < TSDB_VECTOR_WINDOW; i++, slot += TSDB_VECTOR_GROUP)
	{
		const unsigned char *data = cache->cells + (size_t) slot->cell * TSDB_VECTOR_UNIT;

		if (!tsdb_vector_slot_is(slot, key))
			continue;
		for (int line = 0; line < TSDB_VECTOR_FETCHED; line++)
			__builtin_prefetch(data + 64 * line);
		return;
	}
#endif
}

/* Pin an entry; 0 if it is not there.  touch: it was asked for. */
TSDB_VECTOR_INLINE TsdbVectorPin
tsdb_vector_pin(TsdbVectorCache *cache, const TsdbVectorKey *key, bool touch)
{
	TsdbVectorSlot *slot = tsdb_vector_window(cache, key);

	tsdb_vector_fetch_line(slot);
	for (int i = 0; i < TSDB_VECTOR_WINDOW; i++, slot += TSDB_VECTOR_GROUP)
	{
		uint64_t	state = atomic_load_explicit(&slot->state, memory_order_acquire);
		uint64_t	seen = state;

		if ((state & TSDB_VECTOR_PHASE) != TSDB_VECTOR_LIVE || !tsdb_vector_slot_is(slot, key))
			continue;
		while (((state ^ seen) & TSDB_VECTOR_LIFE) == 0 &&
			   (state & TSDB_VECTOR_PINS) != TSDB_VECTOR_PINS)
		{
			uint64_t	wanted = state + TSDB_VECTOR_PIN_ONE;

			if (touch)
			{
				wanted &= ~(TSDB_VECTOR_AHEAD | TSDB_VECTOR_FRESH);
				if ((state & TSDB_VECTOR_USAGE) < TSDB_VECTOR_USAGE_MAX * TSDB_VECTOR_USAGE_ONE)
					wanted += TSDB_VECTOR_USAGE_ONE;
			}
			if (atomic_compare_exchange_weak_explicit(&slot->state, &state, wanted,
													  memory_order_acquire, memory_order_relaxed))
			{
				if (touch && (state & TSDB_VECTOR_AHEAD))
					tsdb_vector_cache_came_true(cache, slot);
				return (TsdbVectorPin) (slot - cache->slots) + 1;
			}
		}
	}
	return 0;
}

/* Find, pin and touch; 0 if it is not there, which is noted as a miss. */
static inline TsdbVectorPin
tsdb_vector_cache_find(TsdbVectorCache *cache, const TsdbVectorKey *key)
{
	TsdbVectorPin pin = tsdb_vector_pin(cache, key, true);

	if (pin == 0)
		tsdb_vector_cache_missed(cache, key);
	return pin;
}

/* Was the entry, which is pinned, made ahead, and not found since? */
static inline bool
tsdb_vector_cache_is_ahead(const TsdbVectorCache *cache, TsdbVectorPin pin)
{
	return (atomic_load_explicit(&cache->slots[pin - 1].state, memory_order_relaxed) &
			TSDB_VECTOR_AHEAD) != 0;
}

/* As find, but neither a touch nor a miss. */
static inline TsdbVectorPin
tsdb_vector_cache_peek(TsdbVectorCache *cache, const TsdbVectorKey *key)
{
	return tsdb_vector_pin(cache, key, false);
}

static inline void
tsdb_vector_cache_unpin(TsdbVectorCache *cache, TsdbVectorPin pin)
{
	atomic_fetch_sub_explicit(&cache->slots[pin - 1].state, TSDB_VECTOR_PIN_ONE,
							  memory_order_release);
}

/* Contents of an entry that the caller has pinned or reserved; bytes and tag may be null. */
static inline void *
tsdb_vector_cache_data(const TsdbVectorCache *cache, TsdbVectorPin pin, uint32_t *bytes,
					   uint32_t *tag)
{
	const TsdbVectorSlot *slot = &cache->slots[pin - 1];

	if (bytes != NULL)
		*bytes = slot->bytes;
	if (tag != NULL)
		*tag = slot->tag;
	return cache->cells + (size_t) slot->cell * TSDB_VECTOR_UNIT;
}

#endif							/* TSDB_CACHE_VECTOR_CACHE_H */
