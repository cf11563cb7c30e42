/*
 * ring_textbook.h
 *		Dmitry Vyukov's bounded MPMC queue as he published it, to compare with.
 *
 * "Bounded MPMC queue" on 1024cores.net, in C: cells of a 64-bit sequence and the item, head and tail a cache line each,
 * one item at a time.  TEXTBOOK_QUEUE(name, size) defines a queue of items of a
 * constant size, as his template does.
 */
#ifndef TSDB_BENCH_RING_TEXTBOOK_H
#define TSDB_BENCH_RING_TEXTBOOK_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TEXTBOOK_QUEUE(name, size) \
	typedef struct name##_cell \
	{ \
		_Atomic size_t sequence; \
		unsigned char data[size]; \
	} name##_cell; \
	typedef struct name \
	{ \
		alignas(64) size_t mask; \
		alignas(64) _Atomic size_t enqueue_pos; \
		alignas(64) _Atomic size_t dequeue_pos; \
		alignas(64) name##_cell cells[]; \
	} name; \
\
	static inline size_t name##_bytes(size_t capacity) \
	{ \
		return sizeof(name) + capacity * sizeof(name##_cell); \
	} \
\
	static inline void name##_init(name *queue, size_t capacity) \
	{ \
		queue->mask = capacity - 1; \
		for (size_t i = 0; i < capacity; i++) \
			atomic_init(&queue->cells[i].sequence, i); \
		atomic_init(&queue->enqueue_pos, 0); \
		atomic_init(&queue->dequeue_pos, 0); \
	} \
\
	static inline bool name##_push(name *queue, const void *data) \
	{ \
		name##_cell *cell; \
		size_t		pos = atomic_load_explicit(&queue->enqueue_pos, memory_order_relaxed); \
\
		for (;;) \
		{ \
			size_t		seq; \
			intptr_t	dif; \
\
			cell = &queue->cells[pos & queue->mask]; \
			seq = atomic_load_explicit(&cell->sequence, memory_order_acquire); \
			dif = (intptr_t) seq - (intptr_t) pos; \
			if (dif == 0) \
			{ \
				if (atomic_compare_exchange_weak_explicit(&queue->enqueue_pos, &pos, pos + 1, \
														  memory_order_relaxed, \
														  memory_order_relaxed)) \
					break; \
			} \
			else if (dif < 0) \
				return false; \
			else \
				pos = atomic_load_explicit(&queue->enqueue_pos, memory_order_relaxed); \
		} \
		memcpy(cell->data, data, size); \
		atomic_store_explicit(&cell->sequence, pos + 1, memory_order_release); \
		return true; \
	} \
\
	static inline bool name##_pop(name *queue, void *data) \
	{ \
		name##_cell *cell; \
		size_t		pos = atomic_load_explicit(&queue->dequeue_pos, memory_order_relaxed); \
\
		for (;;) \
		{ \
			size_t		seq; \
			intptr_t	dif; \
\
			cell = &queue->cells[pos & queue->mask]; \
			seq = atomic_load_explicit(&cell->sequence, memory_order_acquire); \
			dif = (intptr_t) seq - (intptr_t) (pos + 1); \
			if (dif == 0) \
			{ \
				if (atomic_compare_exchange_weak_explicit(&queue->dequeue_pos, &pos, pos + 1, \
														  memory_order_relaxed, \
														  memory_order_relaxed)) \
					break; \
			} \
			else if (dif < 0) \
				return false; \
			else \
				pos = atomic_load_explicit(&queue->dequeue_pos, memory_order_relaxed); \
		} \
		memcpy(data, cell->data, size); \
		atomic_store_explicit(&cell->sequence, pos + queue->mask + 1, memory_order_release); \
		return true; \
	}

#endif							/* TSDB_BENCH_RING_TEXTBOOK_H */
