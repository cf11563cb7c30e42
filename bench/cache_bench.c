/*
 * cache_bench.c
 *		Lookup, pin and unpin of what the working set has.
 *
 *		cache_bench [-k keys] [-b bytes] [-n lookups] [-r rounds] [-a ahead] [-p plot.svg]
 *
 * 64 K entries by default, 12 columns of each chunk, in memory that processes share; each process asks for them in a
 * random order of its own, all equally often, so that nearly every lookup needs a line that is in no cache of this
 * processor or was written by another one.  The order is drawn before the clock starts; keys are computed from it.
 * An entry has 1056 bytes by default: a chunk's column of small numbers (cache/narrow.h).
 *
 * "one by one" does nothing else; "ahead" asks for the line of the lookup that comes a few later
 * (-a, 4), as a scan does, which knows the columns of its chunk; "data" reads ahead, too, and looks at the first
 * word of each entry, which is what costs most then.  Rates are the fastest round's and the median's.
 *
 * Percentiles are of single lookups one by one, each between two readings of the processor's clock; what that takes by
 * itself is measured in the same way and printed.  They are over all rounds of all processes, with what interrupts and others'
 * processes took.
 *
 * A lookup that misses, or finds what is not its key's, ends the run.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cache/vector_cache.h"
#include "cache_plot.h"

#define COLUMNS			12		/* of a chunk */
#define PROCESSES_MAX	16
#define ROUNDS_MAX		999
#define AHEAD_MAX		64
#define BUCKETS			4000	/* of the histogram, a nanosecond each; the last has all above */

typedef enum Mode
{
	ONE_BY_ONE,
	AHEAD,
	DATA,
	TIMED,
	EMPTY,						/* the clock alone */
	MODES
} Mode;

static const char *const mode_names[] = {"one by one", "ahead", "data"};

/* What processes of a round share. */
typedef struct Round
{
	_Atomic int ready;
	_Atomic bool start;
	_Atomic bool failed;
	double		seconds[PROCESSES_MAX];
	_Atomic uint64_t histogram[BUCKETS];
} Round;

static uint32_t nkeys = 64 * 1024;
static uint32_t nlookups = 4 * 1024 * 1024;
static int	rounds = 9;
static int	ahead = 4;

static TsdbVectorCache cache;
static uint32_t entry_bytes = 1056;
static uint32_t *there;			/* numbers of the keys that have entries */
static uint32_t nthere;
static double ns_per_tick;

static double
now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (double) at.tv_sec + (double) at.tv_nsec * 1e-9;
}

static inline uint64_t
ticks(void)
{
#if defined(__x86_64__)
	uint32_t	low;
	uint32_t	high;

	__asm__ volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t) high << 32 | low;
#else
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (uint64_t) at.tv_sec * 1000000000 + (uint64_t) at.tv_nsec;
#endif
}

static void
find_tick(void)
{
	double		begun = now();
	uint64_t	first = ticks();

	while (now() < begun + 0.05)
		;
	ns_per_tick = (now() - begun) * 1e9 / (double) (ticks() - first);
}

static uint64_t
draw(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void *
share(size_t bytes)
{
	void	   *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
	{
		perror("mmap");
		exit(1);
	}
	return memory;
}

/* The key of that number: splitmix64 (Steele and others, 2014) of its chunk's. */
static inline TsdbVectorKey
key_of(uint32_t number)
{
	uint64_t	h = (uint64_t) (number / COLUMNS + 1) * UINT64_C(0x9E3779B97F4A7C15);

	h = (h ^ h >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	h = (h ^ h >> 27) * UINT64_C(0x94D049BB133111EB);
	return (TsdbVectorKey) {h ^ h >> 31, 5, 16384, 1 + number % COLUMNS};
}

/* One process fills the cache, so nobody else inserts. */
static void
no_lock(void *arg, uint32_t partition)
{
	(void) arg;
	(void) partition;
}

static void
fill_cache(void)
{
	size_t		bytes = (size_t) nkeys * entry_bytes * 5 / 4;
	void	   *memory = share(tsdb_vector_cache_bytes(bytes));
	TsdbVectorCalls calls = {.lock = no_lock, .unlock = no_lock};

	if (!tsdb_vector_cache_init(memory, bytes))
		exit(1);
	tsdb_vector_cache_attach(&cache, memory, &calls);
	there = malloc(nkeys * sizeof(uint32_t));
	if (there == NULL)
		exit(1);
	for (uint32_t i = 0; i < nkeys; i++)
	{
		TsdbVectorKey key = key_of(i);
		TsdbVectorPin pin = tsdb_vector_cache_reserve(&cache, &key, entry_bytes, i, TSDB_VECTOR_SCAN);

		if (pin == 0)
			continue;
		memcpy(tsdb_vector_cache_data(&cache, pin, NULL, NULL), &key.generation, 8);
		tsdb_vector_cache_publish(&cache, pin);
		tsdb_vector_cache_unpin(&cache, pin);
	}
	/* a window of slots that is full makes one give way to another */
	for (uint32_t i = 0; i < nkeys; i++)
	{
		TsdbVectorKey key = key_of(i);
		TsdbVectorPin pin = tsdb_vector_cache_peek(&cache, &key);

		if (pin == 0)
			continue;
		tsdb_vector_cache_unpin(&cache, pin);
		there[nthere++] = i;
	}
}

static void
look_up_timed(Round *round, const uint32_t *order, bool empty)
{
	static uint32_t histogram[BUCKETS];

	memset(histogram, 0, sizeof(histogram));
	for (uint32_t i = 0; i < nlookups; i++)
	{
		TsdbVectorKey key = key_of(order[i]);
		uint64_t	begun = ticks();
		uint64_t	taken;
		double		ns;

		if (!empty)
		{
			TsdbVectorPin pin = tsdb_vector_cache_find(&cache, &key);

			if (pin == 0)
				exit(1);
			tsdb_vector_cache_unpin(&cache, pin);
		}
		taken = ticks() - begun;
		ns = (double) taken * ns_per_tick;
		histogram[ns < BUCKETS - 1 ? (int) ns : BUCKETS - 1]++;
	}
	for (int i = 0; i < BUCKETS; i++)
		atomic_fetch_add(&round->histogram[i], histogram[i]);
}

/* Look up as many as there are in order; true if each was there. */
static bool
look_up(const uint32_t *order, Mode mode)
{
	uint64_t	sum = 0;

	for (uint32_t i = 0; i < nlookups; i++)
	{
		TsdbVectorKey key = key_of(order[i]);
		TsdbVectorPin pin;

		if (mode != ONE_BY_ONE)
		{
			TsdbVectorKey later = key_of(order[i + (uint32_t) ahead]);

			tsdb_vector_cache_prefetch(&cache, &later);
		}
		pin = tsdb_vector_cache_find(&cache, &key);
		if (pin == 0)
			return false;
		if (mode == DATA)
		{
			uint64_t	word;
			uint32_t	bytes;

			memcpy(&word, tsdb_vector_cache_data(&cache, pin, &bytes, NULL), 8);
			sum += (word != key.generation) + (bytes != entry_bytes);
		}
		tsdb_vector_cache_unpin(&cache, pin);
	}
	return sum == 0;
}

static void
run_process(Round *round, int number, uint32_t seed, Mode mode)
{
	uint32_t   *order = malloc(((size_t) nlookups + AHEAD_MAX) * sizeof(uint32_t));
	uint64_t	state = UINT64_C(0x9E3779B97F4A7C15) * (seed + 1);
	double		begun;
	bool		right = true;

	if (order == NULL)
		exit(1);
	for (uint32_t i = 0; i < nlookups + AHEAD_MAX; i++)
		order[i] = there[(uint32_t) (draw(&state) >> 20) % nthere];
	atomic_fetch_add(&round->ready, 1);
	while (!atomic_load(&round->start))
		sched_yield();
	begun = now();
	if (mode == TIMED || mode == EMPTY)
		look_up_timed(round, order, mode == EMPTY);
	else
		right = look_up(order, mode);
	round->seconds[number] = now() - begun;
	_exit(right ? 0 : 1);
}

/* Lookups a second of all processes; adds to the histogram. */
static double
run_round(int processes, uint32_t seed, Mode mode, uint64_t *histogram)
{
	Round	   *round = share(sizeof(Round));
	double		rate = 0;

	for (int i = 0; i < processes; i++)
	{
		pid_t		pid = fork();

		if (pid < 0)
		{
			perror("fork");
			exit(1);
		}
		if (pid == 0)
			run_process(round, i, seed * PROCESSES_MAX + (uint32_t) i, mode);
	}
	while (atomic_load(&round->ready) < processes)
		sched_yield();
	atomic_store(&round->start, true);
	for (int i = 0; i < processes; i++)
	{
		int			status;

		if (wait(&status) < 0 || status != 0)
		{
			fprintf(stderr, "a lookup has missed, or found another key's entry\n");
			exit(1);
		}
	}
	for (int i = 0; i < processes; i++)
		rate += nlookups / round->seconds[i];
	for (int i = 0; i < BUCKETS && histogram != NULL; i++)
		histogram[i] += round->histogram[i];
	munmap(round, sizeof(Round));
	return rate;
}

static int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return x < y ? -1 : x > y;
}

/* Nanoseconds that a share of all stays below. */
static int
percentile(const uint64_t *histogram, double share_of)
{
	uint64_t	all = 0;
	uint64_t	below = 0;
	int			i;

	for (i = 0; i < BUCKETS; i++)
		all += histogram[i];
	for (i = 0; i < BUCKETS - 1; i++)
	{
		below += histogram[i];
		if ((double) below >= share_of * (double) all)
			break;
	}
	return i;
}

static void
measure(int processes, const char *name)
{
	static uint64_t histograms[2][BUCKETS];
	double		rates[ROUNDS_MAX];
	int			ns[2][4];
	static const double shares[] = {0.5, 0.9, 0.99, 0.999};

	for (Mode mode = ONE_BY_ONE; mode <= DATA; mode++)
	{
		for (int i = 0; i < rounds; i++)
			rates[i] = run_round(processes, (uint32_t) i, mode, NULL);
		qsort(rates, (size_t) rounds, sizeof(double), compare_doubles);
		printf("%-14s %-12s %12.1f %12.1f\n", name, mode_names[mode], rates[rounds - 1] * 1e-6,
			   rates[rounds / 2] * 1e-6);
		fflush(stdout);
		cache_plot_rate(name, mode_names[mode], rates[rounds - 1] * 1e-6, rates[rounds / 2] * 1e-6);
	}
	memset(histograms, 0, sizeof(histograms));
	for (int i = 0; i < rounds; i++)
	{
		run_round(processes, (uint32_t) i, TIMED, histograms[0]);
		run_round(processes, (uint32_t) i, EMPTY, histograms[1]);
	}
	for (int i = 0; i < 2; i++)
	{
		for (int j = 0; j < 4; j++)
			ns[i][j] = percentile(histograms[i], shares[j]);
		printf("%-14s %-12s p50 %d ns, p90 %d ns, p99 %d ns, p99.9 %d ns\n", name,
			   i == 0 ? "one lookup" : "the clock", ns[i][0], ns[i][1], ns[i][2], ns[i][3]);
	}
	cache_plot_histogram(name, histograms[0], BUCKETS);
}

int
main(int argc, char **argv)
{
	const char *plot = NULL;
	int			option;

	while ((option = getopt(argc, argv, "b:k:n:r:a:p:")) != -1)
		switch (option)
		{
			case 'b': entry_bytes = (uint32_t) strtoul(optarg, NULL, 10); break;
			case 'k': nkeys = (uint32_t) strtoul(optarg, NULL, 10); break;
			case 'n': nlookups = (uint32_t) strtoul(optarg, NULL, 10); break;
			case 'r': rounds = atoi(optarg); break;
			case 'a': ahead = atoi(optarg); break;
			case 'p': plot = optarg; break;
			default: return 2;
		}
	if (nkeys < 2 || entry_bytes < 8 || nlookups < 1000 || rounds < 1 || rounds > ROUNDS_MAX || ahead < 1 ||
		ahead > AHEAD_MAX)
	{
		fprintf(stderr, "usage: cache_bench [-k keys] [-b bytes] [-n lookups] [-r rounds, at most %d] [-a ahead, at most %d] [-p plot.svg]\n",
				ROUNDS_MAX, AHEAD_MAX);
		return 2;
	}
	find_tick();
	fill_cache();
	printf("%u entries of %u bytes, %u lookups a round\n", nthere, entry_bytes, nlookups);
	printf("%-14s %-12s %12s %12s\n", "", "M lookups/s", "fastest", "median");
	measure(1, "one process");
	measure(2, "two processes");
	if (plot != NULL && !cache_plot_write(plot))
	{
		perror(plot);
		return 1;
	}
	return 0;
}
