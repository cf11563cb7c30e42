/*
 * ring_slab_test.c
 *		The slab: alone against what its header says, then under many threads and many
 *		processes, which send blocks to each other through a ring.
 *
 * The last test has RING_TEST_PROCESSES senders and as many receivers (3), and goes on for
 * RING_TEST_SECONDS (0: for a number of batches that takes less than one).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "lockfree/ring.h"
#include "lockfree/ring_slab.h"
#include "workers.h"

#define HELD			40		/* blocks that a worker holds at most */

static const TsdbRingSlabClass classes[] = {{64, 50}, {192, 20}, {1024, 30}};

/* with which workers come in each other's way */
static const TsdbRingSlabClass few[] = {{64, 5}};

#define NCLASSES		3
#define NBLOCKS			100

static TsdbRingSlab *
make_slab(const TsdbRingSlabClass *of, int n)
{
	return tsdb_ring_slab_init(shared_memory(tsdb_ring_slab_bytes(of, n)), of, n);
}

static void
test_bounds(void)
{
	static const TsdbRingSlabClass not_rising[] = {{128, 5}, {128, 5}};
	static const TsdbRingSlabClass not_aligned[] = {{100, 5}};
	static const TsdbRingSlabClass none[] = {{64, 0}};
	char	   *memory = shared_memory(tsdb_ring_slab_bytes(classes, NCLASSES) + 64);

	if (tsdb_ring_slab_bytes(not_rising, 2) != 0 || tsdb_ring_slab_bytes(not_aligned, 1) != 0 ||
		tsdb_ring_slab_bytes(none, 1) != 0 || tsdb_ring_slab_bytes(classes, 0) != 0 ||
		tsdb_ring_slab_bytes(classes, TSDB_RING_SLAB_CLASSES_MAX + 1) != 0)
		fail("a slab that cannot be has a size");
	if (tsdb_ring_slab_init(memory + 64, classes, NCLASSES) != NULL ||
		tsdb_ring_slab_init(memory, not_aligned, 1) != NULL)
		fail("init took what it must not");
	finish("bounds of a slab");
}

/* One thread takes everything, twice. */
static void
test_alone(void)
{
	TsdbRingSlab *slab = make_slab(classes, NCLASSES);
	uint64_t	blocks[NBLOCKS];
	TsdbRingSlabCounts counts;

	for (int round = 0; round < 2; round++)
	{
		for (int i = 0; i < NBLOCKS; i++)
		{
			uint32_t	wanted = i < 50 ? 64 : i < 70 ? 192 : 1024;

			blocks[i] = tsdb_ring_slab_take(slab, 1 + (uint32_t) (draw() % 64));
			if (blocks[i] == 0 || tsdb_ring_slab_size(slab, blocks[i]) != wanted ||
				(uintptr_t) tsdb_ring_slab_memory(slab, blocks[i]) % TSDB_RING_SLAB_UNIT != 0)
				fail("block %d: not of %u bytes", i, wanted);
			memset(tsdb_ring_slab_memory(slab, blocks[i]), i, wanted);
		}
		if (tsdb_ring_slab_take(slab, 1) != 0 || tsdb_ring_slab_take(slab, 1024) != 0)
			fail("more blocks than there are");
		tsdb_ring_slab_counts(slab, 2, &counts);
		if (counts.used != 30 || counts.fresh != 30 || counts.reused != 30 * (uint64_t) round ||
			counts.refused != 2 * (uint64_t) (round + 1))
			fail("largest class: counts are wrong in round %d", round);
		tsdb_ring_slab_counts(slab, 0, &counts);
		if (counts.used != 50 || counts.fresh != 50 || counts.reused != 50 * (uint64_t) round ||
			counts.spilled != 51 * (uint64_t) (round + 1) || counts.refused != 0)
			fail("smallest class: counts are wrong in round %d", round);
		for (int i = 0; i < NBLOCKS; i++)
		{
			const unsigned char *memory = tsdb_ring_slab_memory(slab, blocks[i]);

			for (uint32_t j = 0; j < tsdb_ring_slab_size(slab, blocks[i]); j++)
				if (memory[j] != i)
					fail("block %d overlaps with another", i);
			tsdb_ring_slab_give(slab, blocks[i]);
		}
	}
	if (tsdb_ring_slab_take(slab, 1025) != 0)
		fail("a block for what is larger than any");
	tsdb_ring_slab_counts(slab, 2, &counts);
	if (counts.used != 0)
		fail("blocks are out");
	finish("one thread takes all blocks, and none is left");
}

/* The block that was given back last is taken first. */
static void
test_last_first(void)
{
	TsdbRingSlab *slab = make_slab(classes, NCLASSES);
	uint64_t	a = tsdb_ring_slab_take(slab, 64);
	uint64_t	b = tsdb_ring_slab_take(slab, 64);

	tsdb_ring_slab_give(slab, a);
	tsdb_ring_slab_give(slab, b);
	if (tsdb_ring_slab_take(slab, 64) != b || tsdb_ring_slab_take(slab, 64) != a)
		fail("blocks come in another order");
	finish("the warmest block comes first");
}

typedef struct Work
{
	TsdbRingSlab *slab;
	TsdbRing   *ring;
	int			workers;
	uint32_t	bytes_max;		/* of a block */
	uint64_t	steps;
	double		until;
	_Atomic int faults;
	_Atomic int sending;
	_Atomic uint64_t sent;
	_Atomic uint64_t received;
	_Atomic uint64_t sent_sum;
	_Atomic uint64_t received_sum;
} Work;

static uint64_t
next_number(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static bool
holds(TsdbRingSlab *slab, uint64_t block, unsigned char value)
{
	const unsigned char *memory = tsdb_ring_slab_memory(slab, block);

	for (uint32_t i = 0; i < tsdb_ring_slab_size(slab, block); i++)
		if (memory[i] != value)
			return false;
	return true;
}

/* Takes, fills, looks and gives in random order: nobody else may touch what it holds. */
static void
juggle(int number, void *shared)
{
	Work	   *work = shared;
	uint64_t	blocks[HELD];
	unsigned char values[HELD];
	int			held = 0;
	uint64_t	state = 88172645463325252 + (uint64_t) number * 77;

	for (uint64_t step = 0; step < work->steps &&
		 (work->until == 0 || step % 256 != 0 || seconds_now() < work->until); step++)
		if (held < HELD && next_number(&state) % 2 == 0)
		{
			uint64_t	block = tsdb_ring_slab_take(work->slab, 1 + next_number(&state) % work->bytes_max);

			if (block == 0)
				continue;
			blocks[held] = block;
			values[held] = (unsigned char) next_number(&state);
			memset(tsdb_ring_slab_memory(work->slab, block), values[held],
				   tsdb_ring_slab_size(work->slab, block));
			held++;
		}
		else if (held > 0)
		{
			int			i = (int) (next_number(&state) % (uint64_t) held);

			if (!holds(work->slab, blocks[i], values[i]))
				atomic_fetch_add(&work->faults, 1);
			tsdb_ring_slab_give(work->slab, blocks[i]);
			held--;
			blocks[i] = blocks[held];
			values[i] = values[held];
		}
	while (held > 0)
	{
		held--;
		if (!holds(work->slab, blocks[held], values[held]))
			atomic_fetch_add(&work->faults, 1);
		tsdb_ring_slab_give(work->slab, blocks[held]);
	}
}

/*
 * Takes two blocks and gives them back in the same order, again and again: who reads
 * the top of the stack and its next meanwhile finds the same top again, and
 * another next.
 */
static void
swap_blocks(int number, void *shared)
{
	Work	   *work = shared;

	for (uint64_t step = 0; step < work->steps; step++)
	{
		uint64_t	blocks[2];

		for (int i = 0; i < 2; i++)
			if ((blocks[i] = tsdb_ring_slab_take(work->slab, 1)) != 0)
				*(volatile int *) tsdb_ring_slab_memory(work->slab, blocks[i]) = number;
		for (int i = 0; i < 2; i++)
			if (blocks[i] != 0)
			{
				if (*(volatile int *) tsdb_ring_slab_memory(work->slab, blocks[i]) != number)
					atomic_fetch_add(&work->faults, 1);
				tsdb_ring_slab_give(work->slab, blocks[i]);
			}
	}
}

/* What a slot of the ring carries: a batch of bytes in a block. */
typedef struct Message
{
	uint64_t	block;
	uint32_t	bytes;
	uint32_t	sum;
} Message;

/* The first half of the workers sends batches through the ring, the others receive. */
static void
exchange(int number, void *shared)
{
	Work	   *work = shared;
	uint64_t	state = 362436069 + (uint64_t) number * 77;
	int			turns = 0;

	if (number < work->workers / 2)
	{
		for (uint64_t step = 0; step < work->steps &&
			 (work->until == 0 || step % 256 != 0 || seconds_now() < work->until); step++)
		{
			Message		message = {.bytes = 1 + (uint32_t) (next_number(&state) % 1024)};
			unsigned char *memory;

			while ((message.block = tsdb_ring_slab_take(work->slab, message.bytes)) == 0)
				let_others(&turns);
			memory = tsdb_ring_slab_memory(work->slab, message.block);
			for (uint32_t i = 0; i < message.bytes; i++)
				message.sum += memory[i] = (unsigned char) next_number(&state);
			while (!tsdb_ring_push(work->ring, &message, sizeof(message)))
				let_others(&turns);
			atomic_fetch_add(&work->sent, 1);
			atomic_fetch_add(&work->sent_sum, message.sum);
		}
		atomic_fetch_sub(&work->sending, 1);
		return;
	}
	for (;;)
	{
		bool		last = atomic_load(&work->sending) == 0;
		Message		messages[8];
		uint32_t	n = tsdb_ring_pop_many(work->ring, messages, 8, sizeof(Message));

		for (uint32_t m = 0; m < n; m++)
		{
			const unsigned char *memory = tsdb_ring_slab_memory(work->slab, messages[m].block);
			uint32_t	sum = 0;

			for (uint32_t i = 0; i < messages[m].bytes; i++)
				sum += memory[i];
			if (sum != messages[m].sum)
				atomic_fetch_add(&work->faults, 1);
			tsdb_ring_slab_give(work->slab, messages[m].block);
			atomic_fetch_add(&work->received, 1);
			atomic_fetch_add(&work->received_sum, sum);
		}
		if (n == 0 && last)
			return;
		if (n == 0)
			let_others(&turns);
	}
}

static void
test_many(const char *what, WorkerFunction function, const TsdbRingSlabClass *of, int n,
		  int workers, bool processes, uint64_t steps, double seconds)
{
	Work	   *work = shared_memory(sizeof(Work));
	uint64_t	reused = 0;
	char		name[200];

	work->slab = make_slab(of, n);
	work->ring = tsdb_ring_init(shared_memory(tsdb_ring_bytes(64, sizeof(Message))), 64,
								sizeof(Message));
	work->workers = workers;
	work->bytes_max = of[n - 1].bytes;
	work->sending = workers / 2;
	work->steps = steps;
	if (seconds > 0)
	{
		work->steps = UINT64_MAX;
		work->until = seconds_now() + seconds;
	}
	if (!run_workers(workers, processes, function, work))
		fail("a worker has ended early");
	if (work->faults > 0)
		fail("%d blocks were touched by others", work->faults);
	if (work->sent != work->received || work->sent_sum != work->received_sum)
		fail("%lu batches sent, %lu received", (unsigned long) work->sent,
			 (unsigned long) work->received);
	for (int i = 0; i < n; i++)
	{
		TsdbRingSlabCounts counts;

		tsdb_ring_slab_counts(work->slab, i, &counts);
		reused += counts.reused;
		if (counts.used != 0 || counts.fresh > of[i].blocks)
			fail("class %d: %u blocks are out", i, counts.used);
		for (uint32_t block = 0; block < of[i].blocks; block++)
			if (tsdb_ring_slab_take(work->slab, of[i].bytes) == 0)
				fail("class %d: only %u blocks are left", i, block);
	}
	if (tsdb_ring_slab_take(work->slab, 1) != 0)
		fail("there are more blocks than before");
	snprintf(name, sizeof(name), "%d %s %s: %lu blocks reused", workers,
			 processes ? "processes" : "threads", what, (unsigned long) reused);
	finish(name);
}

int
main(void)
{
	const char *n = getenv("RING_TEST_PROCESSES");
	const char *seconds = getenv("RING_TEST_SECONDS");
	int			many = n != NULL && atoi(n) > 0 && 2 * atoi(n) <= WORKERS_MAX ? 2 * atoi(n) : 6;

	test_bounds();
	test_alone();
	test_last_first();
	test_many("juggle blocks", juggle, classes, NCLASSES, 4, false, 50000, 0);
	test_many("send batches", exchange, classes, NCLASSES, 4, false, 20000, 0);
	test_many("juggle blocks", juggle, classes, NCLASSES, 6, true, 50000, 0);
	test_many("swap few blocks", swap_blocks, few, 1, 4, true, 1000000, 0);
	test_many("send batches", exchange, classes, NCLASSES, many, true, 20000, seconds != NULL ? atof(seconds) : 0);
	return summary();
}
