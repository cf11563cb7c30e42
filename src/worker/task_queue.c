/*
 * task_queue.c
 *		The order in which tasks are done: a priority queue with ageing, in memory
 *		that the caller gives.
 *
 * The memory:
 *
 *		TsdbTaskQueue | slots[capacity] | waiting heap[capacity] | ready heap[capacity] | buckets[nbuckets]
 */
#include "worker/task_queue.h"

#include <string.h>

/* A heap of slots' numbers; heap[(i - 1) / 2] is never after heap[i]. */
typedef struct Heap
{
	int32_t		count;
	bool		by_order;		/* else by due */
	size_t		at;				/* offset in the queue's memory */
} Heap;

struct TsdbTaskQueue
{
	int32_t		capacity;
	int32_t		used;
	int32_t		free;			/* the first free slot */
	uint32_t	nbuckets;		/* a power of two */
	Heap		waiting;
	Heap		ready;
	size_t		buckets_at;
};

static uint32_t
bucket_count(int capacity)
{
	uint32_t	n = 1;

	while (n < (uint32_t) capacity)
		n *= 2;
	return n;
}

static size_t
header_bytes(void)
{
	return (sizeof(TsdbTaskQueue) + 7) & ~(size_t) 7;
}

size_t
tsdb_task_queue_bytes(int capacity)
{
	return header_bytes() + (size_t) capacity * (sizeof(TsdbTaskSlot) + 2 * sizeof(int32_t)) +
		bucket_count(capacity) * sizeof(int32_t);
}

/* ---- access ---- */

static TsdbTaskSlot *
slot_at(const TsdbTaskQueue *queue, int slot)
{
	return (TsdbTaskSlot *) ((char *) queue + header_bytes()) + slot;
}

static int32_t *
heap_of(const TsdbTaskQueue *queue, const Heap *heap)
{
	return (int32_t *) ((char *) queue + heap->at);
}

static int32_t *
bucket_of(const TsdbTaskQueue *queue, const TsdbTaskKey *key)
{
	uint64_t	hash = ((uint64_t) key->database << 32 | key->table) + key->kind;

	/* the multiplier of splitmix64's first step (Steele, Lea, Flood 2014) */
	hash = (hash ^ (hash >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	return (int32_t *) ((char *) queue + queue->buckets_at) + ((hash >> 32) & (queue->nbuckets - 1));
}

static bool
same_key(const TsdbTaskKey *a, const TsdbTaskKey *b)
{
	return a->kind == b->kind && a->database == b->database && a->table == b->table;
}

TsdbTaskQueue *
tsdb_task_queue_init(void *memory, int capacity)
{
	TsdbTaskQueue *queue = memory;

	memset(memory, 0, tsdb_task_queue_bytes(capacity));
	queue->capacity = capacity;
	queue->nbuckets = bucket_count(capacity);
	queue->waiting.at = header_bytes() + (size_t) capacity * sizeof(TsdbTaskSlot);
	queue->ready.at = queue->waiting.at + (size_t) capacity * sizeof(int32_t);
	queue->ready.by_order = true;
	queue->buckets_at = queue->ready.at + (size_t) capacity * sizeof(int32_t);

	for (int i = 0; i < capacity; i++)
		slot_at(queue, i)->next = i + 1 < capacity ? i + 1 : TSDB_TASK_NONE;
	queue->free = capacity > 0 ? 0 : TSDB_TASK_NONE;
	memset((char *) queue + queue->buckets_at, 0xff, queue->nbuckets * sizeof(int32_t));
	return queue;
}

int
tsdb_task_queue_capacity(const TsdbTaskQueue *queue)
{
	return queue->capacity;
}

int
tsdb_task_queue_used(const TsdbTaskQueue *queue)
{
	return queue->used;
}

const TsdbTaskSlot *
tsdb_task_queue_slot(const TsdbTaskQueue *queue, int slot)
{
	return slot_at(queue, slot);
}

/* The first task with a key in a chain of the hash table. */
static int
find_in_chain(const TsdbTaskQueue *queue, int slot, const TsdbTaskKey *key)
{
	while (slot != TSDB_TASK_NONE && !same_key(&slot_at(queue, slot)->key, key))
		slot = slot_at(queue, slot)->next;
	return slot;
}

int
tsdb_task_queue_find(const TsdbTaskQueue *queue, const TsdbTaskKey *key)
{
	return find_in_chain(queue, *bucket_of(queue, key), key);
}

int
tsdb_task_queue_find_next(const TsdbTaskQueue *queue, int slot)
{
	const TsdbTaskSlot *task = slot_at(queue, slot);

	return find_in_chain(queue, task->next, &task->key);
}

/* ---- heaps ---- */

static int64_t
heap_key(const TsdbTaskQueue *queue, const Heap *heap, int slot)
{
	const TsdbTaskSlot *task = slot_at(queue, slot);

	return heap->by_order ? task->order : task->due;
}

static void
put(TsdbTaskQueue *queue, Heap *heap, int place, int slot)
{
	heap_of(queue, heap)[place] = slot;
	slot_at(queue, slot)->place = place;
}

/* Puts a task where it belongs, at a place that is free or above it. */
static void
sift_up(TsdbTaskQueue *queue, Heap *heap, int place, int slot)
{
	const int64_t key = heap_key(queue, heap, slot);

	while (place > 0)
	{
		int			parent = heap_of(queue, heap)[(place - 1) / 2];

		if (heap_key(queue, heap, parent) <= key)
			break;
		put(queue, heap, place, parent);
		place = (place - 1) / 2;
	}
	put(queue, heap, place, slot);
}

/* The same, below it. */
static void
sift_down(TsdbTaskQueue *queue, Heap *heap, int place, int slot)
{
	const int64_t key = heap_key(queue, heap, slot);
	const int32_t *slots = heap_of(queue, heap);

	for (;;)
	{
		int			child = 2 * place + 1;

		if (child >= heap->count)
			break;
		if (child + 1 < heap->count &&
			heap_key(queue, heap, slots[child + 1]) < heap_key(queue, heap, slots[child]))
			child++;
		if (heap_key(queue, heap, slots[child]) >= key)
			break;
		put(queue, heap, place, slots[child]);
		place = child;
	}
	put(queue, heap, place, slot);
}

static void
heap_insert(TsdbTaskQueue *queue, Heap *heap, int slot)
{
	sift_up(queue, heap, heap->count++, slot);
}

static void
heap_delete(TsdbTaskQueue *queue, Heap *heap, int slot)
{
	int			place = slot_at(queue, slot)->place;
	int			last = heap_of(queue, heap)[--heap->count];

	if (place == heap->count)
		return;
	sift_down(queue, heap, place, last);
	sift_up(queue, heap, slot_at(queue, last)->place, last);
}

/* Takes a task out of the heap that it is in, if it is in one. */
static void
leave_heap(TsdbTaskQueue *queue, int slot)
{
	TsdbTaskSlot *task = slot_at(queue, slot);

	if (task->state == TSDB_TASK_WAITING)
		heap_delete(queue, &queue->waiting, slot);
	if (task->state == TSDB_TASK_READY)
		heap_delete(queue, &queue->ready, slot);
}

/* ---- tasks ---- */

int
tsdb_task_queue_add(TsdbTaskQueue *queue, const TsdbTaskKey *key)
{
	int			slot = queue->free;
	int32_t    *bucket = bucket_of(queue, key);
	TsdbTaskSlot *task;

	if (slot == TSDB_TASK_NONE)
		return TSDB_TASK_NONE;
	task = slot_at(queue, slot);
	queue->free = task->next;
	queue->used++;

	task->key = *key;
	task->state = TSDB_TASK_RESTING;
	task->level = TSDB_LEVEL_LOWEST;
	task->due = TSDB_TASK_NEVER;
	task->next = *bucket;
	*bucket = slot;
	return slot;
}

void
tsdb_task_queue_remove(TsdbTaskQueue *queue, int slot)
{
	TsdbTaskSlot *task = slot_at(queue, slot);
	int32_t    *link = bucket_of(queue, &task->key);

	leave_heap(queue, slot);
	while (*link != slot)
		link = &slot_at(queue, *link)->next;
	*link = task->next;

	task->state = TSDB_TASK_FREE;
	task->next = queue->free;
	queue->free = slot;
	queue->used--;
}

void
tsdb_task_queue_schedule(TsdbTaskQueue *queue, int slot, TsdbTaskLevel level, int64_t due)
{
	TsdbTaskSlot *task = slot_at(queue, slot);

	if ((task->state == TSDB_TASK_WAITING || task->state == TSDB_TASK_READY) &&
		task->level == level && task->due == due)
		return;
	leave_heap(queue, slot);
	task->level = level;
	task->due = due;
	task->state = due == TSDB_TASK_NEVER ? TSDB_TASK_RESTING : TSDB_TASK_WAITING;
	if (task->state == TSDB_TASK_WAITING)
		heap_insert(queue, &queue->waiting, slot);
}

/* The tasks of a task's key that are ready or run already. */
static int
tasks_before(const TsdbTaskQueue *queue, int slot)
{
	int			n = 0;

	for (int other = tsdb_task_queue_find(queue, &slot_at(queue, slot)->key); other != TSDB_TASK_NONE;
		 other = tsdb_task_queue_find_next(queue, other))
	{
		if (slot_at(queue, other)->state >= TSDB_TASK_READY)
			n++;
	}
	return n;
}

int64_t
tsdb_task_queue_ripen(TsdbTaskQueue *queue, int64_t now)
{
	while (queue->waiting.count > 0)
	{
		int			slot = heap_of(queue, &queue->waiting)[0];
		TsdbTaskSlot *task = slot_at(queue, slot);

		if (task->due > now)
			return task->due;
		heap_delete(queue, &queue->waiting, slot);
		task->order = task->due + task->level * TSDB_TASK_AGE_STEP +
			tasks_before(queue, slot) * TSDB_TASK_TURN;
		task->state = TSDB_TASK_READY;
		heap_insert(queue, &queue->ready, slot);
	}
	return TSDB_TASK_NEVER;
}

int
tsdb_task_queue_ready(const TsdbTaskQueue *queue)
{
	return queue->ready.count;
}

int
tsdb_task_queue_ready_slot(const TsdbTaskQueue *queue, int i)
{
	return heap_of(queue, &queue->ready)[i];
}

/* The first below a place that may be taken and comes before the best one; else that one.  As deep as the heap is. */
static int
first_below(const TsdbTaskQueue *queue, int place, uint32_t database, uint32_t kinds, int best)
{
	int			slot;
	const TsdbTaskSlot *task;

	if (place >= queue->ready.count)
		return best;
	slot = heap_of(queue, &queue->ready)[place];
	task = slot_at(queue, slot);
	if (best != TSDB_TASK_NONE && task->order >= slot_at(queue, best)->order)
		return best;
	if (task->key.database == database && (kinds & UINT32_C(1) << task->key.kind) != 0)
		return slot;
	best = first_below(queue, 2 * place + 1, database, kinds, best);
	return first_below(queue, 2 * place + 2, database, kinds, best);
}

int
tsdb_task_queue_take(TsdbTaskQueue *queue, uint32_t database, uint32_t kinds)
{
	int			slot = first_below(queue, 0, database, kinds, TSDB_TASK_NONE);

	if (slot != TSDB_TASK_NONE)
	{
		leave_heap(queue, slot);
		slot_at(queue, slot)->state = TSDB_TASK_RUNNING;
	}
	return slot;
}

/* ---- for tests ---- */

static bool
check_heap(const TsdbTaskQueue *queue, const Heap *heap, TsdbTaskState state)
{
	for (int i = 0; i < heap->count; i++)
	{
		int			slot = heap_of(queue, heap)[i];

		if (slot_at(queue, slot)->state != state || slot_at(queue, slot)->place != i)
			return false;
		if (i > 0 && heap_key(queue, heap, heap_of(queue, heap)[(i - 1) / 2]) >
			heap_key(queue, heap, slot))
			return false;
	}
	return true;
}

bool
tsdb_task_queue_check(const TsdbTaskQueue *queue)
{
	int			in_state[TSDB_TASK_RUNNING + 1] = {0};
	int			free = 0;
	int			chained = 0;

	for (int i = 0; i < queue->capacity; i++)
		in_state[slot_at(queue, i)->state]++;
	for (int slot = queue->free; slot != TSDB_TASK_NONE && free <= queue->capacity; slot = slot_at(queue, slot)->next)
		free++;
	for (uint32_t i = 0; i < queue->nbuckets; i++)
	{
		int			slot = ((int32_t *) ((char *) queue + queue->buckets_at))[i];

		for (; slot != TSDB_TASK_NONE && chained <= queue->capacity; slot = slot_at(queue, slot)->next)
			chained++;
	}
	return free == in_state[TSDB_TASK_FREE] &&
		chained == queue->used && free + chained == queue->capacity &&
		queue->waiting.count == in_state[TSDB_TASK_WAITING] &&
		queue->ready.count == in_state[TSDB_TASK_READY] &&
		check_heap(queue, &queue->waiting, TSDB_TASK_WAITING) &&
		check_heap(queue, &queue->ready, TSDB_TASK_READY);
}
