/*
 * ring.h
 *		A bounded queue of small items for many producers and many consumers,
 *		without locks, in memory that the caller gives.
 *
 * The algorithm is Dmitry Vyukov's bounded MPMC queue.  The item pushed at
 * position p lies in slot p % capacity.  Each slot has a mark, which says for
 * which position, and for whom, it is ready.  Position p has round p / capacity:
 *
 *		mark of slot p % capacity			the slot
 *		round of p							is free for the producer of position p
 *		round of p + TSDB_RING_FULL			holds the item of position p
 *		round of p + 1						is free for position p + capacity
 *
 *		positions	  head				 tail
 *		  ... freed ... | claimed, full ... | free ... head + capacity
 *
 * A producer that finds the slot at the tail free claims it by advancing the tail
 * with compare-and-swap, copies its item in, and publishes it by the mark.  A
 * consumer does the same at the head.  Items leave in the order of their positions,
 * so those of one producer keep their order.
 *
 * Here a claim may be of several positions: who finds the next n slots ready
 * claims all of them with one compare-and-swap.  That is safe for the same
 * reason as one is: a slot that is ready for position p changes only by the
 * hand of who claims p, and nobody has while the tail has not passed p, which
 * is what the compare-and-swap checks.
 *
 * Marks have 8 bits, where Vyukov's sequences have 64, and lie in an array of their
 * own.  All marks of a claim are the same up to the end of the array, so eight of
 * them are looked at, or written, as one word, and the items of a claim are one or
 * two pieces of memory.  Eight bits suffice since marks are only compared for
 * equality.  A slot that is a multiple of 256 rounds ahead of its observer looks
 * ready (half of that, the other way about), but then head and tail have moved on, and
 * the compare-and-swap, whose positions have 64 bits and do not come back, fails.
 *
 * Memory order.  Two orders are needed, both carried by the slot's mark:
 *	- publish (release) before the consumer's look (acquire): it reads the item
 *	  that was written;
 *	- the consumer's setting free (release) before the next producer's look
 *	  (acquire): what it overwrites has been read.
 * Head and tail order nothing else, so they are read and swapped relaxed.  One
 * conclusion is drawn from them, when a slot is not ready: the ring is full (or
 * empty) only if the tail (head) is after the look what it was before.  Both readings
 * are of one variable that only grows, so it had that value at the look.  And when
 * the look has seen the mark of somebody who was faster, the second reading finds
 * the tail (head) moved on: that came before the release of the mark.
 *
 * A word of marks is read and written with atomic instructions of another width than
 * a single mark.  C11 says nothing of that; processors do: an aligned word is
 * read and written at once, and the orders above hold for each of its bytes (x86-64 and
 * AArch64, whose memory models cover mixed sizes).  The thread sanitizer pairs operations by
 * address, so under it, and with compilers that do not have the builtins, marks are
 * accessed one by one.
 *
 * "Full" includes slots that a consumer has claimed and is still copying from,
 * "empty" those that a producer is still copying to.  Nobody waits in here: the
 * functions try, and waiting is the caller's business.
 *
 * Whoever ends between claim and publish leaves a slot that is never ready: all
 * consumers find the ring empty there, and producers find it full one round later.
 * Nothing in shared memory could tell that case from a process that is slow.  So
 * there must be nothing there that can end it: between claim and publish is
 * only a copy, without allocation, error, or check for interrupts, and what ends
 * a process anywhere (quickdie, kill -9) makes the server throw the shared memory away
 * and start again.
 *
 * Plain C11; no server headers.  Offsets, not pointers, so that processes may map
 * the memory where they like.
 */
#ifndef TSDB_LOCKFREE_RING_H
#define TSDB_LOCKFREE_RING_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TSDB_RING_CAPACITY_MIN 8
#define TSDB_RING_CAPACITY_MAX (UINT32_C(1) << 30)
#define TSDB_RING_ITEM_MAX 4096

/* alignment of the memory; and head and tail lie so far apart, since lines are fetched in pairs */
#define TSDB_RING_ALIGN 128

/* what tells the mark of a full slot from that of a free one */
#define TSDB_RING_FULL 0x80

/* marks in a word, and what makes a word of one mark */
#define TSDB_RING_WORD 8
#define TSDB_RING_EACH UINT64_C(0x0101010101010101)

/* Eight items up to this size are copied by a few instructions, larger ones by a call. */
#define TSDB_RING_SMALL 16

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TSDB_RING_SANITIZED
#endif
#elif defined(__SANITIZE_THREAD__)
#define TSDB_RING_SANITIZED
#endif

#if defined(__GNUC__) && !defined(TSDB_RING_SANITIZED)
#define TSDB_RING_WORDS
typedef uint64_t __attribute__((may_alias)) TsdbRingWord;
#endif

/* The size of an item is to be known where it is copied. */
#ifdef __GNUC__
#define TSDB_RING_INLINE static inline __attribute__((always_inline))
#else
#define TSDB_RING_INLINE static inline
#endif

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_CHAR_LOCK_FREE == 2,
			   "processes can only share atomics that need no lock");

typedef struct TsdbRing
{
	/* never changes */
	alignas(TSDB_RING_ALIGN) uint64_t mask; /* of the slot in a position */
	int			round_shift;	/* the round lies above */
	uint32_t	item_size;
	size_t		items;			/* where the first item lies, from here */

	alignas(TSDB_RING_ALIGN) _Atomic uint64_t tail; /* next position to push */
	alignas(TSDB_RING_ALIGN) _Atomic uint64_t head; /* next position to pop */
	alignas(TSDB_RING_ALIGN) unsigned char marks[]; /* a byte a slot; then the items */
} TsdbRing;

/*
 * Bytes that a ring needs.  0 if there can be no such ring: capacity is no power
 * of two within its bounds, or the size of an item is not within 1 to
 * TSDB_RING_ITEM_MAX.
 */
extern size_t tsdb_ring_bytes(uint32_t capacity, uint32_t item_size);

/*
 * Make an empty ring in memory of tsdb_ring_bytes(), aligned to TSDB_RING_ALIGN.
 * Null if that could not be.  To be done before others know of it.
 */
extern TsdbRing *tsdb_ring_init(void *memory, uint32_t capacity, uint32_t item_size);

/* Items in the ring, claimed ones among them; an estimate while others push and pop. */
extern uint32_t tsdb_ring_length(const TsdbRing *ring);

/* How many items were ever claimed to be pushed, and to be popped. */
TSDB_RING_INLINE uint64_t
tsdb_ring_pushed(const TsdbRing *ring)
{
	return atomic_load_explicit(&ring->tail, memory_order_acquire);
}

TSDB_RING_INLINE uint64_t
tsdb_ring_popped(const TsdbRing *ring)
{
	return atomic_load_explicit(&ring->head, memory_order_acquire);
}

/* ---- slots ---- */

TSDB_RING_INLINE unsigned char *
tsdb_ring_item(TsdbRing *ring, uint64_t position, size_t item_size)
{
	return (unsigned char *) ring + ring->items + (position & ring->mask) * item_size;
}

/* The mark of a slot that is free for a position. */
TSDB_RING_INLINE uint8_t
tsdb_ring_round(const TsdbRing *ring, uint64_t position)
{
	return (uint8_t) (position >> ring->round_shift);
}

TSDB_RING_INLINE uint8_t
tsdb_ring_mark_read(unsigned char *mark)
{
	return atomic_load_explicit((_Atomic uint8_t *) mark, memory_order_acquire);
}

TSDB_RING_INLINE void
tsdb_ring_mark_write(unsigned char *mark, uint8_t value)
{
	atomic_store_explicit((_Atomic uint8_t *) mark, value, memory_order_release);
}

/* Zero if a word of marks, aligned, is eight times the same. */
TSDB_RING_INLINE uint64_t
tsdb_ring_word_differs(unsigned char *marks, uint8_t value)
{
#ifdef TSDB_RING_WORDS
	return __atomic_load_n((TsdbRingWord *) marks, __ATOMIC_ACQUIRE) ^ value * TSDB_RING_EACH;
#else
	uint64_t	different = 0;

	for (int i = 0; i < TSDB_RING_WORD; i++)
		different |= tsdb_ring_mark_read(marks + i) ^ value;
	return different;
#endif
}

TSDB_RING_INLINE void
tsdb_ring_word_write(unsigned char *marks, uint8_t value)
{
#ifdef TSDB_RING_WORDS
	__atomic_store_n((TsdbRingWord *) marks, value * TSDB_RING_EACH, __ATOMIC_RELEASE);
#else
	for (int i = 0; i < TSDB_RING_WORD; i++)
		tsdb_ring_mark_write(marks + i, value);
#endif
}

/* An address is computed here, not after the claim, where nothing overlaps with it. */
#ifdef __GNUC__
#define TSDB_RING_BEFORE_CLAIM(address) __asm__("" : "+r"(address))
#else
#define TSDB_RING_BEFORE_CLAIM(address) ((void) 0)
#endif

/* ---- one item ---- */

/*
 * Push one item.  False if the ring is full.  item_size is that of the ring; as a
 * constant it makes the copy a few instructions.
 */
TSDB_RING_INLINE bool
tsdb_ring_push(TsdbRing *ring, const void *item, size_t item_size)
{
	uint64_t	position = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	for (;;)
	{
		unsigned char *mark = ring->marks + (position & ring->mask);
		unsigned char *slot = tsdb_ring_item(ring, position, item_size);
		uint8_t		wanted = tsdb_ring_round(ring, position);

		TSDB_RING_BEFORE_CLAIM(slot);
		if (tsdb_ring_mark_read(mark) == wanted)
		{
			if (atomic_compare_exchange_weak_explicit(&ring->tail, &position, position + 1,
													  memory_order_relaxed,
													  memory_order_relaxed))
			{
				memcpy(slot, item, item_size);
				tsdb_ring_mark_write(mark, wanted + TSDB_RING_FULL);
				return true;
			}
		}
		else
		{
			uint64_t	now = atomic_load_explicit(&ring->tail, memory_order_relaxed);

			if (now == position)
				return false;
			position = now;
		}
	}
}

/*
 * Copy the oldest item and leave it there.  False if the ring is empty.  Only for who knows that nobody
 * pops meanwhile.
 */
TSDB_RING_INLINE bool
tsdb_ring_peek(TsdbRing *ring, void *item, size_t item_size)
{
	uint64_t	position = atomic_load_explicit(&ring->head, memory_order_relaxed);

	if (tsdb_ring_mark_read(ring->marks + (position & ring->mask)) !=
		(uint8_t) (tsdb_ring_round(ring, position) + TSDB_RING_FULL))
		return false;
	memcpy(item, tsdb_ring_item(ring, position, item_size), item_size);
	return true;
}

/* Pop one item.  False if the ring is empty. */
TSDB_RING_INLINE bool
tsdb_ring_pop(TsdbRing *ring, void *item, size_t item_size)
{
	uint64_t	position = atomic_load_explicit(&ring->head, memory_order_relaxed);

	for (;;)
	{
		unsigned char *mark = ring->marks + (position & ring->mask);
		unsigned char *slot = tsdb_ring_item(ring, position, item_size);
		uint8_t		round = tsdb_ring_round(ring, position);

		if (tsdb_ring_mark_read(mark) == (uint8_t) (round + TSDB_RING_FULL))
		{
			if (atomic_compare_exchange_weak_explicit(&ring->head, &position, position + 1,
													  memory_order_relaxed,
													  memory_order_relaxed))
			{
				memcpy(item, slot, item_size);
				tsdb_ring_mark_write(mark, round + 1);
				return true;
			}
		}
		else
		{
			uint64_t	now = atomic_load_explicit(&ring->head, memory_order_relaxed);

			if (now == position)
				return false;
			position = now;
		}
	}
}

/* ---- many ---- */

/* Slots from a position on, at most count, that lie before the end of the array. */
TSDB_RING_INLINE uint32_t
tsdb_ring_run(const TsdbRing *ring, uint64_t position, uint32_t count)
{
	uint64_t	left = ring->mask + 1 - (position & ring->mask);

	return count < left ? count : (uint32_t) left;
}

/* Marks of a run that come before a whole word: no more than run, usually none. */
TSDB_RING_INLINE uint32_t
tsdb_ring_before_word(const unsigned char *marks, uint32_t run)
{
	uint32_t	n = -(uint32_t) (uintptr_t) marks % TSDB_RING_WORD;

	return n < run ? n : run;
}

/* How many slots of a run are ready: have that mark. */
TSDB_RING_INLINE uint32_t
tsdb_ring_run_ready(unsigned char *marks, uint32_t run, uint8_t wanted)
{
	uint32_t	first = tsdb_ring_before_word(marks, run);
	uint32_t	i = 0;

	while (i < first && tsdb_ring_mark_read(marks + i) == wanted)
		i++;
	if (i < first)
		return i;
	while (i + TSDB_RING_WORD <= run && tsdb_ring_word_differs(marks + i, wanted) == 0)
		i += TSDB_RING_WORD;
	while (i < run && tsdb_ring_mark_read(marks + i) == wanted)
		i++;
	return i;
}

TSDB_RING_INLINE void
tsdb_ring_run_mark(unsigned char *marks, uint32_t run, uint8_t mark)
{
	uint32_t	first = tsdb_ring_before_word(marks, run);
	uint32_t	i = 0;

	while (i < first)
		tsdb_ring_mark_write(marks + i++, mark);
	for (; i + TSDB_RING_WORD <= run; i += TSDB_RING_WORD)
		tsdb_ring_word_write(marks + i, mark);
	while (i < run)
		tsdb_ring_mark_write(marks + i++, mark);
}

/* Copy the items of a run of claimed slots, and give these their next mark. */
TSDB_RING_INLINE void
tsdb_ring_run_move(unsigned char *to, const unsigned char *from, uint32_t run, size_t item_size,
				   unsigned char *marks, uint8_t mark)
{
	if (item_size > TSDB_RING_SMALL || ((uintptr_t) marks | run) % TSDB_RING_WORD != 0)
	{
		memcpy(to, from, run * item_size);
		tsdb_ring_run_mark(marks, run, mark);
		return;
	}
	for (uint32_t i = 0; i < run; i += TSDB_RING_WORD)
	{
		memcpy(to, from, TSDB_RING_WORD * item_size);
		tsdb_ring_word_write(marks + i, mark);
		to += TSDB_RING_WORD * item_size;
		from += TSDB_RING_WORD * item_size;
	}
}

/*
 * Claim the next slots at the tail or head, at most count, from *position on.
 * Returns how many; 0 if the first of them is not ready.  Their marks are that of the
 * round, plus full.
 */
TSDB_RING_INLINE uint32_t
tsdb_ring_claim(TsdbRing *ring, _Atomic uint64_t *end, uint8_t full, uint32_t count,
				uint64_t *position)
{
	uint64_t	at = atomic_load_explicit(end, memory_order_relaxed);

	*position = at;

	/* the common case, without branches in the loop: whole words, no wrap */
	if ((at | count) % TSDB_RING_WORD == 0 && tsdb_ring_run(ring, at, count) == count)
	{
		unsigned char *marks = ring->marks + (at & ring->mask);
		uint8_t		wanted = tsdb_ring_round(ring, at) + full;
		uint64_t	different = 0;

		for (uint32_t i = 0; i < count; i += TSDB_RING_WORD)
			different |= tsdb_ring_word_differs(marks + i, wanted);
		if (different == 0 && count > 0 &&
			atomic_compare_exchange_strong_explicit(end, &at, at + count, memory_order_relaxed,
													memory_order_relaxed))
		{
			*position = at;
			return count;
		}
	}
	while (count > 0)
	{
		uint32_t	run = tsdb_ring_run(ring, at, count);
		uint8_t		wanted = tsdb_ring_round(ring, at) + full;
		uint32_t	ready = tsdb_ring_run_ready(ring->marks + (at & ring->mask), run, wanted);

		if (ready == run && run < count)
			ready += tsdb_ring_run_ready(ring->marks, tsdb_ring_run(ring, at + run, count - run),
										 wanted + 1);
		if (ready > 0)
		{
			if (atomic_compare_exchange_weak_explicit(end, &at, at + ready,
													  memory_order_relaxed,
													  memory_order_relaxed))
			{
				*position = at;
				return ready;
			}
		}
		else
		{
			uint64_t	now = atomic_load_explicit(end, memory_order_relaxed);

			if (now == at)
				break;
			at = now;
		}
	}
	return 0;
}

/*
 * Push the first of count items, as many as there are free slots for, one after the
 * other.  Returns how many.
 */
TSDB_RING_INLINE uint32_t
tsdb_ring_push_many(TsdbRing *ring, const void *items, uint32_t count, size_t item_size)
{
	const unsigned char *item = items;
	uint64_t	position;
	uint32_t	claimed = tsdb_ring_claim(ring, &ring->tail, 0, count, &position);
	uint32_t	run = tsdb_ring_run(ring, position, claimed);
	uint8_t		mark = tsdb_ring_round(ring, position) + TSDB_RING_FULL;

	tsdb_ring_run_move(tsdb_ring_item(ring, position, item_size), item, run, item_size,
					   ring->marks + (position & ring->mask), mark);
	if (run < claimed)
		tsdb_ring_run_move(tsdb_ring_item(ring, 0, item_size), item + run * item_size,
						   claimed - run, item_size, ring->marks, mark + 1);
	return claimed;
}

/* Pop up to count items, oldest first.  Returns how many. */
TSDB_RING_INLINE uint32_t
tsdb_ring_pop_many(TsdbRing *ring, void *items, uint32_t count, size_t item_size)
{
	unsigned char *item = items;
	uint64_t	position;
	uint32_t	claimed = tsdb_ring_claim(ring, &ring->head, TSDB_RING_FULL, count, &position);
	uint32_t	run = tsdb_ring_run(ring, position, claimed);
	uint8_t		mark = tsdb_ring_round(ring, position) + 1;

	tsdb_ring_run_move(item, tsdb_ring_item(ring, position, item_size), run, item_size,
					   ring->marks + (position & ring->mask), mark);
	if (run < claimed)
		tsdb_ring_run_move(item + run * item_size, tsdb_ring_item(ring, 0, item_size),
						   claimed - run, item_size, ring->marks, mark + 1);
	return claimed;
}

#endif							/* TSDB_LOCKFREE_RING_H */
