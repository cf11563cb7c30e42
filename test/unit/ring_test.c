/*
 * ring_test.c
 *		The ring: alone against a model, and with many threads and many processes.
 *
 * Every item says who sent it and which of his it is, and the rest of it follows
 * from that, so a torn copy is noticed.  Consumers see to it that numbers of one
 * producer only rise for each of them, and by one if there is one consumer.  What arrived
 * is marked in a bitmap per producer, each bit once in each of its rounds: a bit that is not
 * as the round before has left it is an item doubled or lost.
 *
 * The last test has RING_TEST_PROCESSES producers and as many consumers (4), and goes on
 * for RING_TEST_SECONDS (0: for a number of items that takes less than one).
 */
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"
#include "lockfree/ring.h"
#include "workers.h"

#define ITEM_MAX		256
#define BATCH_MAX		100
#define WINDOW			(1 << 16)	/* items of a producer in a round of its bitmap */

enum
{
	TORN, DISORDERED, DOUBLED_OR_LOST, KINDS
};

typedef struct Stress
{
	TsdbRing   *ring;
	uint32_t	item_size;
	int			producers;
	int			consumers;
	uint64_t	each;			/* items that each producer sends */
	double		until;			/* it may stop then; 0: no */
	uint32_t	batch;			/* at most so many at once; 1: the functions for one */

	_Atomic int producing;		/* producers that are not done */
	_Atomic int faults[KINDS];
	alignas(128) struct
	{
		_Atomic uint64_t sent;
		alignas(128) _Atomic uint64_t arrived;
		_Atomic uint64_t seen[WINDOW / 64];
	}			producer[WORKERS_MAX];
} Stress;

static uint64_t
word_of(uint64_t name, uint32_t place)
{
	return (name + place) * UINT64_C(0x9E3779B97F4A7C15);
}

/* An item: its name, then words that follow from it. */
static void
fill_item(unsigned char *item, uint32_t size, uint64_t name)
{
	memcpy(item, &name, sizeof(name));
	for (uint32_t i = sizeof(name); i < size; i += sizeof(uint64_t))
	{
		uint64_t	word = word_of(name, i);

		memcpy(item + i, &word, size - i < sizeof(word) ? size - i : sizeof(word));
	}
}

static uint64_t
draw_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void
produce(Stress *stress, int me)
{
	unsigned char items[BATCH_MAX * ITEM_MAX];
	uint64_t	state = 88172645463325252 + (uint64_t) me;
	uint64_t	sent = 0;
	int			turns = 0;

	while (sent < stress->each && (stress->until == 0 || seconds_now() < stress->until))
	{
		uint32_t	n = 1 + (uint32_t) (draw_next(&state) % stress->batch);
		uint32_t	done = 0;

		if (n > stress->each - sent)
			n = (uint32_t) (stress->each - sent);
		if (n > WINDOW - sent % WINDOW)
			n = WINDOW - sent % WINDOW;
		/* a round of the bitmap begins when all of the one before are marked */
		while (sent % WINDOW == 0 && atomic_load(&stress->producer[me].arrived) < sent)
			let_others(&turns);
		for (uint32_t i = 0; i < n; i++)
			fill_item(items + i * stress->item_size, stress->item_size,
					  (uint64_t) me << 48 | (sent + i));
		while (done < n)
		{
			uint32_t	pushed;

			if (stress->batch == 1 || draw_next(&state) % 8 == 0)
				pushed = tsdb_ring_push(stress->ring, items + done * stress->item_size,
										stress->item_size);
			else
				pushed = tsdb_ring_push_many(stress->ring, items + done * stress->item_size, n - done,
											 stress->item_size);
			if (pushed == 0)
				let_others(&turns);
			done += pushed;
		}
		sent += n;
	}
	atomic_store(&stress->producer[me].sent, sent);
	atomic_fetch_sub(&stress->producing, 1);
}

/* Look at an item that came; next: the number expected next, by producer. */
static void
look_at(Stress *stress, const unsigned char *item, uint64_t *next)
{
	unsigned char expected[ITEM_MAX];
	uint64_t	name;
	uint64_t	number;
	uint64_t	bit;
	uint64_t	before;
	int			producer;

	memcpy(&name, item, sizeof(name));
	producer = (int) (name >> 48);
	number = name & ((UINT64_C(1) << 48) - 1);
	fill_item(expected, stress->item_size, name);
	if (producer >= stress->producers || memcmp(item, expected, stress->item_size) != 0)
	{
		atomic_fetch_add(&stress->faults[TORN], 1);
		return;
	}
	if (stress->consumers == 1 ? number != next[producer] : number < next[producer])
		atomic_fetch_add(&stress->faults[DISORDERED], 1);
	next[producer] = number + 1;
	bit = UINT64_C(1) << (number % 64);
	before = atomic_fetch_xor(&stress->producer[producer].seen[number % WINDOW / 64], bit);
	if (((before & bit) != 0) != (number / WINDOW % 2 != 0))
		atomic_fetch_add(&stress->faults[DOUBLED_OR_LOST], 1);
	atomic_fetch_add(&stress->producer[producer].arrived, 1);
}

static void
consume(Stress *stress, int me)
{
	unsigned char items[BATCH_MAX * ITEM_MAX];
	uint64_t	next[WORKERS_MAX] = {0};
	uint64_t	state = 362436069 + (uint64_t) me;
	int			turns = 0;

	for (;;)
	{
		bool		last = atomic_load(&stress->producing) == 0;
		uint32_t	most = 1 + (uint32_t) (draw_next(&state) % stress->batch);
		uint32_t	n;

		if (stress->batch == 1 || draw_next(&state) % 8 == 0)
			n = tsdb_ring_pop(stress->ring, items, stress->item_size);
		else
			n = tsdb_ring_pop_many(stress->ring, items, most, stress->item_size);
		for (uint32_t i = 0; i < n; i++)
			look_at(stress, items + i * stress->item_size, next);
		if (n == 0 && last)
			return;
		if (n == 0)
			let_others(&turns);
	}
}

static void
stress_worker(int number, void *shared)
{
	Stress	   *stress = shared;

	if (number < stress->producers)
		produce(stress, number);
	else
		consume(stress, number - stress->producers);
}

static TsdbRing *
make_ring(uint32_t capacity, uint32_t item_size)
{
	return tsdb_ring_init(shared_memory(tsdb_ring_bytes(capacity, item_size)), capacity, item_size);
}

/* Begin at a position, as if so many had been pushed and popped. */
static void
begin_at(TsdbRing *ring, uint64_t position)
{
	atomic_store(&ring->head, position);
	atomic_store(&ring->tail, position);
	for (uint64_t p = position; p <= position + ring->mask; p++)
		ring->marks[p & ring->mask] = tsdb_ring_round(ring, p);
}

static void
stress_ring(int producers, int consumers, uint32_t capacity, uint32_t item_size, uint32_t batch,
			bool processes, uint64_t items, double seconds)
{
	Stress	   *stress = shared_memory(sizeof(Stress));
	uint64_t	arrived = 0;
	char		name[200];

	stress->ring = make_ring(capacity, item_size);
	begin_at(stress->ring, (UINT64_C(1) << 40) - 5);
	stress->item_size = item_size;
	stress->producers = producers;
	stress->consumers = consumers;
	stress->each = items / (uint64_t) producers;
	stress->batch = batch;
	stress->producing = producers;
	if (seconds > 0)
	{
		stress->each = UINT64_C(1) << 47;
		stress->until = seconds_now() + seconds;
	}
	if (!run_workers(producers + consumers, processes, stress_worker, stress))
		fail("a worker has ended early");
	if (stress->faults[TORN] + stress->faults[DISORDERED] + stress->faults[DOUBLED_OR_LOST] > 0)
		fail("%d torn, %d out of order, %d doubled or lost", stress->faults[TORN],
			 stress->faults[DISORDERED], stress->faults[DOUBLED_OR_LOST]);
	for (int i = 0; i < producers; i++)
	{
		arrived += stress->producer[i].arrived;
		if (stress->producer[i].sent != stress->producer[i].arrived ||
			(seconds == 0 && stress->producer[i].sent != stress->each))
			fail("producer %d: %lu sent, %lu arrived", i, (unsigned long) stress->producer[i].sent,
				 (unsigned long) stress->producer[i].arrived);
	}
	if (tsdb_ring_length(stress->ring) != 0)
		fail("something is left");
	snprintf(name, sizeof(name), "%d to %d %s, capacity %u, %u bytes, batches to %u: %lu items",
			 producers, consumers, processes ? "processes" : "threads", capacity, item_size, batch,
			 (unsigned long) arrived);
	finish(name);
}

static void
test_bounds(void)
{
	static char memory[4096] __attribute__((aligned(TSDB_RING_ALIGN)));

	if (tsdb_ring_bytes(0, 8) != 0 || tsdb_ring_bytes(4, 8) != 0 || tsdb_ring_bytes(24, 8) != 0 ||
		tsdb_ring_bytes(UINT32_C(1) << 31, 8) != 0 || tsdb_ring_bytes(8, 0) != 0 ||
		tsdb_ring_bytes(8, TSDB_RING_ITEM_MAX + 1) != 0)
		fail("a ring that cannot be has a size");
	if (tsdb_ring_bytes(8, 8) == 0 || tsdb_ring_bytes(8, 8) > sizeof(memory))
		fail("the smallest ring has no size, or a large one");
	if (tsdb_ring_init(memory + 8, 8, 8) != NULL || tsdb_ring_init(NULL, 8, 8) != NULL ||
		tsdb_ring_init(memory, 9, 8) != NULL || tsdb_ring_init(memory, 8, 8) == NULL)
		fail("init took what it must not, or refused what it must take");
	finish("bounds of a ring");
}

/* One thread: random pushes and pops do what an array does. */
static void
test_model(uint32_t capacity, uint32_t item_size, uint64_t start)
{
	TsdbRing   *ring = make_ring(capacity, item_size);
	unsigned char items[BATCH_MAX * ITEM_MAX];
	unsigned char expected[ITEM_MAX];
	uint64_t	pushed = 0;
	uint64_t	popped = 0;
	bool		was_full = false;
	bool		was_empty = false;
	char		name[100];

	begin_at(ring, start);
	for (int i = 0; i < 100000 && good; i++)
	{
		uint32_t	n = (uint32_t) (draw() % BATCH_MAX);
		uint32_t	room = capacity - (uint32_t) (pushed - popped);
		uint32_t	there = capacity - room;
		bool		single = draw() % 4 == 0;
		bool		push = draw() % 64 < 32 + ((i / 64) % 2 ? 8 : -8);
		uint32_t	wanted;
		uint32_t	done;

		if (single)
			n = 1;
		if (push)
		{
			for (uint32_t j = 0; j < n; j++)
				fill_item(items + j * item_size, item_size, pushed + j);
			done = single ? tsdb_ring_push(ring, items, item_size) :
				tsdb_ring_push_many(ring, items, n, item_size);
			wanted = n < room ? n : room;
			pushed += done;
			was_full |= done < n;
		}
		else
		{
			done = single ? tsdb_ring_pop(ring, items, item_size) :
				tsdb_ring_pop_many(ring, items, n, item_size);
			wanted = n < there ? n : there;
			for (uint32_t j = 0; j < done; j++)
			{
				fill_item(expected, item_size, popped + j);
				if (memcmp(items + j * item_size, expected, item_size) != 0)
					fail("item %lu is another one", (unsigned long) (popped + j));
			}
			popped += done;
			was_empty |= done < n;
		}
		if (done != wanted)
			fail("step %d: %u of %u %s, expected %u", i, done, n, push ? "pushed" : "popped", wanted);
		if (tsdb_ring_length(ring) != pushed - popped)
			fail("length is wrong");
	}
	if (!was_full || !was_empty)
		fail("the ring was never full, or never empty");
	snprintf(name, sizeof(name), "model: capacity %u, %u bytes, from position %lu", capacity,
			 item_size, (unsigned long) start);
	finish(name);
}

int
main(void)
{
	static const uint32_t sizes[] = {8, 12, 16, 64, 100, 256};
	const char *n = getenv("RING_TEST_PROCESSES");
	const char *seconds = getenv("RING_TEST_SECONDS");
	int			many = n != NULL ? atoi(n) : 4;

	if (many < 1 || 2 * many > WORKERS_MAX)
		many = 4;
	test_bounds();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
	{
		test_model(8, sizes[i], 0);
		test_model(64, sizes[i], (UINT64_C(1) << 32) - 100);
		test_model(128, sizes[i], UINT64_C(0xFFFFFFFFFFFF0003) >> 1);
	}
	for (int processes = 0; processes < 2; processes++)
	{
		stress_ring(1, 1, 8, 8, 1, processes, 100000, 0);
		stress_ring(1, 1, 1024, 8, BATCH_MAX, processes, 400000, 0);
		stress_ring(2, 2, 8, 64, BATCH_MAX, processes, 100000, 0);
		stress_ring(4, 1, 64, 16, 32, processes, 200000, 0);
		stress_ring(1, 4, 64, 16, 32, processes, 200000, 0);
		stress_ring(3, 3, 1024, 256, BATCH_MAX, processes, 100000, 0);
		stress_ring(3, 3, 256, 8, 1, processes, 100000, 0);
	}
	stress_ring(many, many, 128, 16, 40, true, 200000, seconds != NULL ? atof(seconds) : 0);
	return summary();
}
