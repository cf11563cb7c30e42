/*
 * ring.c
 *		A bounded queue for many producers and many consumers: making one.
 */
#include "lockfree/ring.h"

static size_t
aligned(size_t bytes)
{
	return (bytes + TSDB_RING_ALIGN - 1) / TSDB_RING_ALIGN * TSDB_RING_ALIGN;
}

/* Where items begin. */
static size_t
items_offset(uint32_t capacity)
{
	return aligned(offsetof(TsdbRing, marks) + capacity);
}

size_t
tsdb_ring_bytes(uint32_t capacity, uint32_t item_size)
{
	if (capacity < TSDB_RING_CAPACITY_MIN || capacity > TSDB_RING_CAPACITY_MAX ||
		(capacity & (capacity - 1)) != 0 || item_size < 1 || item_size > TSDB_RING_ITEM_MAX)
		return 0;
	return aligned(items_offset(capacity) + (size_t) capacity * item_size);
}

TsdbRing *
tsdb_ring_init(void *memory, uint32_t capacity, uint32_t item_size)
{
	TsdbRing   *ring = memory;

	if (memory == NULL || (uintptr_t) memory % TSDB_RING_ALIGN != 0 ||
		tsdb_ring_bytes(capacity, item_size) == 0)
		return NULL;
	ring->mask = capacity - 1;
	ring->item_size = item_size;
	ring->items = items_offset(capacity);
	ring->round_shift = 0;
	while (UINT64_C(1) << ring->round_shift < capacity)
		ring->round_shift++;
	atomic_init(&ring->tail, 0);
	atomic_init(&ring->head, 0);
	memset(ring->marks, 0, capacity);
	return ring;
}

uint32_t
tsdb_ring_length(const TsdbRing *ring)
{
	uint64_t	head = atomic_load_explicit(&ring->head, memory_order_acquire);
	uint64_t	tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
	uint64_t	length = tail > head ? tail - head : 0;

	return length <= ring->mask ? (uint32_t) length : (uint32_t) ring->mask + 1;
}
