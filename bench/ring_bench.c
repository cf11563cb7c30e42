/*
 * ring_bench.c
 *		The ring of src/lockfree against a textbook queue, in the same run.
 *
 *		ring_bench [-n items] [-r rounds] [-c capacity] [-p plot.svg]
 *
 * Items of 8, 64 and 256 bytes go through both queues: within one process, which
 * pushes and pops in turn, from one process to another, and from two to
 * two.  The ring takes them one by one and 32 at a time, the textbook's queue one
 * by one.  Each number is the fastest of many short rounds, in which the queues
 * take turns, since others use the machine, too; medians stand beside.  A ratio
 * above 1 means that the ring is faster.  A first round of each adds up what comes
 * out, and a sum that is wrong ends the run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <sched.h>

#include "lockfree/ring.h"
#include "ring_plot.h"
#include "ring_textbook.h"

#define BATCH			32
#define SOURCE			256
#define RESERVE			1000	/* keeps run->grants positive when all are taken */
#define PROCESS_FACTOR	5		/* times as many items where processes are started for them */
#define ROUNDS_MAX		999
#define USED(array)		__asm__ volatile("" : : "r"(array) : "memory")
#define SPINS			200		/* looks at a full or empty queue before a yield */

TEXTBOOK_QUEUE(Queue8, 8)
TEXTBOOK_QUEUE(Queue64, 64)
TEXTBOOK_QUEUE(Queue256, 256)

/* What producers and consumers of one run share beside the queue. */
typedef struct Run
{
	alignas(128) _Atomic int ready; /* processes that wait for the start */
	alignas(128) _Atomic bool start;
	alignas(128) _Atomic uint64_t ended;	/* when the last was done, nanoseconds */
	alignas(128) _Atomic uint64_t sum;	/* of first words of items popped */
	alignas(128) _Atomic uint64_t grants;	/* of SOURCE items to pop, plus RESERVE */
} Run;

typedef enum Mode
{
	TEXTBOOK,
	RING_SINGLE,
	RING_BATCH,
	MODES
} Mode;

typedef struct Shape
{
	const char *name;
	int			producers;		/* 0: one process does both */
	int			consumers;
} Shape;

static const Shape shapes[] = {{"one process", 0, 0}, {"1 to 1", 1, 1}, {"2 to 2", 2, 2}};
static const int sizes[] = {8, 64, 256};

static uint64_t nitems = 200000;
static int	rounds = 99;
static uint32_t capacity = 1024;

static double
now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (double) at.tv_sec + (double) at.tv_nsec * 1e-9;
}

static void *
share(size_t bytes)
{
	void	   *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
							  MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (memory == MAP_FAILED)
	{
		perror("mmap");
		exit(1);
	}
	return memory;
}

/* Wait a little, for longer the more often in a row. */
static inline void
back_off(int *spins)
{
	if (++*spins < SPINS)
	{
#if defined(__x86_64__)
		__builtin_ia32_pause();
#endif
	}
	else
	{
		sched_yield();
		*spins = 0;
	}
}

/*
 * What one process does: functions for a queue and a size, so that the compiler knows
 * both.  NAME##_one pushes and pops n items; _produce and _consume do one of it.
 * Items come from an array of SOURCE, again and again, and are consumed by so many,
 * so that consumers know when all is done.
 */

#define DRIVER(NAME, QUEUE, SIZE, STEP, PUSH, POP) \
	static uint64_t NAME##_add(const void *items, uint32_t n) \
	{ \
		const unsigned char *item = items; \
		uint64_t	sum = 0; \
\
		for (uint32_t i = 0; i < n; i++, item += SIZE) \
		{ \
			uint64_t	word; \
\
			memcpy(&word, item, sizeof(word)); \
			sum += word; \
		} \
		return sum; \
	} \
\
	static uint64_t NAME##_one(QUEUE *queue, const void *source, uint64_t n, bool verify) \
	{ \
		alignas(64) unsigned char out[STEP][SIZE]; \
		const unsigned char *end = (const unsigned char *) source + SOURCE * SIZE; \
		uint64_t	sum = 0; \
\
		for (uint64_t i = 0; i < n; i += SOURCE) \
			for (const unsigned char *item = source; item < end; item += STEP * SIZE) \
			{ \
				if ((PUSH(queue, item, STEP, SIZE)) != STEP || (POP(queue, out, STEP, SIZE)) != STEP) \
					abort(); \
				if (verify) \
					sum += NAME##_add(out, STEP); \
				USED(out); \
			} \
		return sum; \
	} \
\
	static void NAME##_produce(QUEUE *queue, const void *source, uint64_t n) \
	{ \
		const unsigned char *end = (const unsigned char *) source + SOURCE * SIZE; \
		int			spins = 0; \
\
		for (uint64_t i = 0; i < n; i += SOURCE) \
			for (const unsigned char *item = source; item < end;) \
			{ \
				uint32_t	most = (uint32_t) (end - item) / SIZE; \
				uint32_t	done = PUSH(queue, item, (most < STEP ? most : STEP), SIZE); \
\
				if (done == 0) \
					back_off(&spins); \
				item += done * SIZE; \
			} \
	} \
\
	static uint64_t NAME##_consume(QUEUE *queue, Run *run, bool verify) \
	{ \
		alignas(64) unsigned char out[STEP][SIZE]; \
		uint64_t	sum = 0; \
		int			spins = 0; \
\
		while (atomic_fetch_sub(&run->grants, 1) > RESERVE) \
			for (uint32_t got = 0; got < SOURCE;) \
			{ \
				uint32_t	n = POP(queue, out, (SOURCE - got < STEP ? SOURCE - got : STEP), SIZE); \
\
				if (n == 0) \
					back_off(&spins); \
				if (verify) \
					sum += NAME##_add(out, n); \
				USED(out); \
				got += n; \
			} \
		return sum; \
	}

#define TEXTBOOK8_PUSH(queue, items, n, size) ((void) (n), (uint32_t) Queue8_push(queue, items))
#define TEXTBOOK8_POP(queue, items, n, size) ((void) (n), (uint32_t) Queue8_pop(queue, items))
#define TEXTBOOK64_PUSH(queue, items, n, size) ((void) (n), (uint32_t) Queue64_push(queue, items))
#define TEXTBOOK64_POP(queue, items, n, size) ((void) (n), (uint32_t) Queue64_pop(queue, items))
#define TEXTBOOK256_PUSH(queue, items, n, size) ((void) (n), (uint32_t) Queue256_push(queue, items))
#define TEXTBOOK256_POP(queue, items, n, size) ((void) (n), (uint32_t) Queue256_pop(queue, items))
#define SINGLE_PUSH(queue, items, n, size) ((void) (n), (uint32_t) tsdb_ring_push(queue, items, size))
#define SINGLE_POP(queue, items, n, size) ((void) (n), (uint32_t) tsdb_ring_pop(queue, items, size))
#define BATCH_PUSH(queue, items, n, size) tsdb_ring_push_many(queue, items, n, size)
#define BATCH_POP(queue, items, n, size) tsdb_ring_pop_many(queue, items, n, size)

DRIVER(textbook8, Queue8, 8, 1, TEXTBOOK8_PUSH, TEXTBOOK8_POP)
DRIVER(textbook64, Queue64, 64, 1, TEXTBOOK64_PUSH, TEXTBOOK64_POP)
DRIVER(textbook256, Queue256, 256, 1, TEXTBOOK256_PUSH, TEXTBOOK256_POP)
DRIVER(single8, TsdbRing, 8, 1, SINGLE_PUSH, SINGLE_POP)
DRIVER(single64, TsdbRing, 64, 1, SINGLE_PUSH, SINGLE_POP)
DRIVER(single256, TsdbRing, 256, 1, SINGLE_PUSH, SINGLE_POP)
DRIVER(batch8, TsdbRing, 8, BATCH, BATCH_PUSH, BATCH_POP)
DRIVER(batch64, TsdbRing, 64, BATCH, BATCH_PUSH, BATCH_POP)
DRIVER(batch256, TsdbRing, 256, BATCH, BATCH_PUSH, BATCH_POP)

typedef uint64_t (*OneFunction) (void *queue, const void *source, uint64_t n, bool verify);
typedef void (*ProduceFunction) (void *queue, const void *source, uint64_t n);
typedef uint64_t (*ConsumeFunction) (void *queue, Run *run, bool verify);

typedef struct Driver
{
	OneFunction one;
	ProduceFunction produce;
	ConsumeFunction consume;
} Driver;

#define DRIVEN_BY(NAME) \
	{(OneFunction) NAME##_one, (ProduceFunction) NAME##_produce, (ConsumeFunction) NAME##_consume}

static const Driver drivers[MODES][3] = {
	{DRIVEN_BY(textbook8), DRIVEN_BY(textbook64), DRIVEN_BY(textbook256)},
	{DRIVEN_BY(single8), DRIVEN_BY(single64), DRIVEN_BY(single256)},
	{DRIVEN_BY(batch8), DRIVEN_BY(batch64), DRIVEN_BY(batch256)},
};

/* An empty queue in shared memory. */
static void *
make_queue(Mode mode, int size, size_t *bytes)
{
	void	   *queue;

	if (mode != TEXTBOOK)
	{
		*bytes = tsdb_ring_bytes(capacity, (uint32_t) size);
		return tsdb_ring_init(share(*bytes), capacity, (uint32_t) size);
	}
	*bytes = size == 8 ? Queue8_bytes(capacity) :
		size == 64 ? Queue64_bytes(capacity) : Queue256_bytes(capacity);
	queue = share(*bytes);
	if (size == 8)
		Queue8_init(queue, capacity);
	else if (size == 64)
		Queue64_init(queue, capacity);
	else
		Queue256_init(queue, capacity);
	return queue;
}

/* Fork a process that waits for the start and produces n items, or without a source consumes. */
static void
spawn(const Driver *driver, void *queue, Run *run, const void *source, uint64_t n,
	  bool verify)
{
	pid_t		pid = fork();
	uint64_t	ended;
	uint64_t	last;

	if (pid < 0)
	{
		perror("fork");
		exit(1);
	}
	if (pid != 0)
		return;
	atomic_fetch_add(&run->ready, 1);
	while (!atomic_load(&run->start))
		sched_yield();
	if (source != NULL)
		driver->produce(queue, source, n);
	else
		atomic_fetch_add(&run->sum, driver->consume(queue, run, verify));
	ended = (uint64_t) (now() * 1e9);
	last = atomic_load(&run->ended);
	while (last < ended && !atomic_compare_exchange_weak(&run->ended, &last, ended))
		;
	_exit(0);
}

/* Seconds that an item takes; verify: look at what comes out, which takes time, too. */
static double
measure(const Shape *shape, Mode mode, int size_index, bool verify)
{
	const Driver *driver = &drivers[mode][size_index];
	uint64_t	n = nitems / (2 * SOURCE) * (2 * SOURCE) * (shape->producers > 0 ? PROCESS_FACTOR : 1);
	int			size = sizes[size_index];
	unsigned char *source = aligned_alloc(64, (size_t) SOURCE * size);
	uint64_t	sum = 0;
	size_t		bytes;
	void	   *queue = make_queue(mode, size, &bytes);
	Run		   *run = share(sizeof(Run));
	int			processes = shape->producers + shape->consumers;
	double		begun;
	double		seconds;

	if (source == NULL)
		exit(1);
	memset(source, 0, (size_t) SOURCE * size);
	for (uint64_t i = 0; i < SOURCE; i++)
	{
		uint64_t	word = (i + 1) * UINT64_C(0x9E3779B97F4A7C15);

		memcpy(source + i * size, &word, sizeof(word));
		sum += word;
	}
	sum *= n / SOURCE;
	if (processes == 0)
	{
		begun = now();
		atomic_store(&run->sum, driver->one(queue, source, n, verify));
		seconds = now() - begun;
	}
	else
	{
		atomic_store(&run->grants, n / SOURCE + RESERVE);
		for (int i = 0; i < shape->producers; i++)
			spawn(driver, queue, run, source, n / shape->producers, verify);
		for (int i = 0; i < shape->consumers; i++)
			spawn(driver, queue, run, NULL, 0, verify);
		while (atomic_load(&run->ready) < processes)
			sched_yield();
		begun = now();
		atomic_store(&run->start, true);
		for (int i = 0; i < processes; i++)
		{
			int			status;

			if (wait(&status) < 0 || status != 0)
			{
				fprintf(stderr, "a process of the benchmark has failed\n");
				exit(1);
			}
		}
		seconds = (double) atomic_load(&run->ended) * 1e-9 - begun;
	}
	if (verify && atomic_load(&run->sum) != sum)
	{
		fprintf(stderr, "%s, %d bytes: what came out is not what went in\n",
				shape->name, size);
		exit(1);
	}
	free(source);
	munmap(queue, bytes);
	munmap(run, sizeof(Run));
	return seconds / (double) n;
}

static int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return x < y ? -1 : x > y;
}

int
main(int argc, char **argv)
{
	const char *plot = NULL;
	int			option;

	while ((option = getopt(argc, argv, "n:r:c:p:")) != -1)
		switch (option)
		{
			case 'n': nitems = strtoull(optarg, NULL, 10); break;
			case 'r': rounds = atoi(optarg); break;
			case 'c': capacity = (uint32_t) strtoul(optarg, NULL, 10); break;
			case 'p': plot = optarg; break;
			default: return 2;
		}
	if (nitems < 2 * SOURCE || rounds < 1 || rounds > ROUNDS_MAX || capacity < BATCH ||
		tsdb_ring_bytes(capacity, 8) == 0)
	{
		fprintf(stderr, "usage: ring_bench [-n items] [-r rounds, at most %d] [-c capacity, a power of two] [-p plot.svg]\n",
				ROUNDS_MAX);
		return 2;
	}
	printf("%-12s %5s %30s %30s %17s %17s\n", "", "", "ns an item, fastest round", "ns an item, median",
		   "ratio, fastest", "ratio, median");
	printf("%-12s %5s", "", "bytes");
	for (int i = 0; i < 2; i++)
		printf(" %10s %8s %10s", "textbook", "single", "batch 32");
	for (int i = 0; i < 2; i++)
		printf(" %8s %8s", "single", "batch 32");
	printf("\n");
	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
		for (size_t b = 0; b < sizeof(sizes) / sizeof(sizes[0]); b++)
		{
			double		seconds[MODES][ROUNDS_MAX];
			double		ns[2][MODES];

			for (int mode = 0; mode < MODES; mode++)
				measure(&shapes[s], (Mode) mode, (int) b, true);
			for (int round = 0; round < rounds; round++)
				for (int mode = 0; mode < MODES; mode++)
					seconds[mode][round] = measure(&shapes[s], (Mode) mode, (int) b, false);
			for (int mode = 0; mode < MODES; mode++)
			{
				qsort(seconds[mode], (size_t) rounds, sizeof(double), compare_doubles);
				ns[0][mode] = seconds[mode][0] * 1e9;
				ns[1][mode] = seconds[mode][rounds / 2] * 1e9;
			}
			printf("%-12s %5d", shapes[s].name, sizes[b]);
			for (int i = 0; i < 2; i++)
				printf(" %10.2f %8.2f %10.2f", ns[i][TEXTBOOK], ns[i][RING_SINGLE], ns[i][RING_BATCH]);
			for (int i = 0; i < 2; i++)
				printf(" %8.2f %8.2f", ns[i][TEXTBOOK] / ns[i][RING_SINGLE],
					   ns[i][TEXTBOOK] / ns[i][RING_BATCH]);
			printf("\n");
			fflush(stdout);
			ring_plot_add(shapes[s].name, sizes[b], ns[0][TEXTBOOK], ns[0][RING_SINGLE],
						  ns[0][RING_BATCH]);
		}
	if (plot != NULL && !ring_plot_write(plot))
	{
		perror(plot);
		return 1;
	}
	return 0;
}
