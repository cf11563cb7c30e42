/*
 * spill_store_test.c
 *		The spill cache's file: round trips, restarts, damage, many processes.
 *
 * What lies in an entry follows from its key and its tag, so a wrong answer is noticed, whatever the file has. Files are
 * real ones, without names.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/byte_planes.h"
#include "cache/spill_store.h"
#include "harness.h"
#include "vector_keys.h"
#include "workers.h"

#define KB				1024
#define MB				(1024 * 1024)
#define ENTRY_MAX		(256 * KB)
#define VECTOR			(8 * KB)

/* under the thread sanitizer long tests of one thread are left out */
#ifdef __SANITIZE_THREAD__
#define SLOW			1
#else
#define SLOW			0
#endif

static const TsdbSpillIdentity identity = {UINT64_C(0x123456789ABCDEF0), 3, 1};

/* A store over a file, and what goes wrong with it. */
typedef struct Bed
{
	TsdbSpillStore store;
	void	   *memory;
	uint64_t	file_bytes;
	int			file;
	int64_t		room;			/* bytes that can be written before the disk is full; -1: no end */
	bool		broken;			/* reading fails */
	int			failures;		/* times that the store said so */
} Bed;

static bool
read_file(void *arg, void *buffer, size_t bytes, uint64_t offset)
{
	Bed		   *bed = arg;

	return !bed->broken && pread(bed->file, buffer, bytes, (off_t) offset) == (ssize_t) bytes;
}

static bool
write_file(void *arg, const void *buffer, size_t bytes, uint64_t offset)
{
	Bed		   *bed = arg;
	size_t		most = bytes;

	if (bed->room >= 0 && (int64_t) bytes > bed->room)
		most = (size_t) bed->room;
	if (bed->room >= 0)
		bed->room -= (int64_t) most;
	return pwrite(bed->file, buffer, most, (off_t) offset) == (ssize_t) bytes;
}

static bool
sync_file(void *arg)
{
	(void) arg;
	return true;
}

static void
note_failure(void *arg)
{
	((Bed *) arg)->failures++;
}

static int
new_file(void)
{
	FILE	   *file = tmpfile();

	if (file == NULL)
		abort();
	return dup(fileno(file));
}

/* Attach a process, or a thread, to a bed's store. */
static void
attach(Bed *bed, TsdbSpillStore *store, const TsdbSpillIdentity *whose)
{
	TsdbSpillFile calls = {bed, read_file, write_file, sync_file, note_failure};

	if (!tsdb_spill_store_attach(store, bed->memory,
								 allocate(tsdb_spill_store_scratch_bytes(ENTRY_MAX)), ENTRY_MAX, whose,
								 &calls))
		abort();
}

static void
detach(TsdbSpillStore *store)
{
	free(store->record);
	tsdb_spill_store_detach(store);
}

/* The server starts: shared memory is new, the file is what it is. */
static TsdbSpillLoad
start(Bed *bed, const TsdbSpillIdentity *whose)
{
	if (!tsdb_spill_store_init(bed->memory, bed->file_bytes))
		abort();
	bed->failures = 0;
	attach(bed, &bed->store, whose);
	return tsdb_spill_store_open(&bed->store, whose);
}

static void
stop(Bed *bed, bool clean)
{
	if (clean && !tsdb_spill_store_close(&bed->store, &identity))
		fail("cannot close");
	detach(&bed->store);
}

static Bed *
make_bed(uint64_t file_bytes)
{
	Bed		   *bed = shared_memory(sizeof(Bed));

	bed->memory = shared_memory(tsdb_spill_store_bytes(file_bytes));
	bed->file_bytes = file_bytes;
	bed->file = new_file();
	bed->room = -1;
	return bed;
}

static uint32_t
bytes_of(uint64_t n)
{
	uint64_t	r = mixed(n * 3 + 1);

	return r % 4 == 0 ? VECTOR : 1 + (uint32_t) (r >> 8) % (r % 64 == 1 ? ENTRY_MAX : 3 * VECTOR);
}

/* Four kinds: constant, a ramp, noise in the low bytes, noise. */
static void
fill(unsigned char *data, uint64_t n, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i += 8)
	{
		uint64_t	r = mixed(n * 1000003 + i);
		uint64_t	word = n % 4 == 0 ? n : n % 4 == 1 ? n + i * 10 : n % 4 == 2 ? r >> 40 : r;

		memcpy(data + i, &word, bytes - i < 8 ? bytes - i : 8);
	}
}

static unsigned char wanted[ENTRY_MAX];
static unsigned char got[ENTRY_MAX];

static void
put(Bed *bed, uint64_t n)
{
	TsdbVectorKey key = key_number(n);

	fill(wanted, n, bytes_of(n));
	tsdb_spill_store_put(&bed->store, &key, (uint32_t) n, wanted, bytes_of(n), true);
}

/* 1: it is there, 0: it is not, and -1: it is wrong. */
static int
look(TsdbSpillStore *store, uint64_t n, unsigned char *wanted_buffer, unsigned char *got_buffer)
{
	TsdbVectorKey key = key_number(n);
	TsdbSpilled found;

	if (!tsdb_spill_store_find(store, &key, &found))
		return 0;
	if (found.bytes != bytes_of(n) || found.tag != (uint32_t) n ||
		found.address != (uintptr_t) wanted_buffer)
		return -1;
	if (!tsdb_spill_store_copy(store, got_buffer))
		return 0;
	fill(wanted_buffer, n, found.bytes);
	return memcmp(wanted_buffer, got_buffer, found.bytes) == 0 ? 1 : -1;
}

/* How many of a range are there. */
static uint64_t
there(Bed *bed, uint64_t first, uint64_t n)
{
	uint64_t	count = 0;

	for (uint64_t i = first; i < first + n; i++)
	{
		int			answer = look(&bed->store, i, wanted, got);

		if (answer < 0)
			fail("key %lu has a wrong answer", (unsigned long) i);
		count += answer > 0;
	}
	return count;
}

static TsdbSpillCounts
counts_of(Bed *bed)
{
	TsdbSpillCounts counts;

	tsdb_spill_store_counts(&bed->store, &counts);
	return counts;
}

static void
test_byte_planes(void)
{
	unsigned char words[700] = {0};
	unsigned char planes[700];
	unsigned char back[700];

	for (size_t bytes = 0; bytes <= sizeof(words); bytes++)
	{
		for (size_t i = 0; i < bytes; i++)
			words[i] = (unsigned char) (draw() >> 20);
		memset(planes, 0, sizeof(planes));
		tsdb_byte_planes_split(planes, words, bytes);
		for (size_t i = 0; i < bytes / 64 * 64; i++)
			if (planes[i % 8 * (bytes / 64 * 8) + i / 8] != words[i])
				fail("byte %lu of %lu lies elsewhere", (unsigned long) i, (unsigned long) bytes);
		tsdb_byte_planes_join(back, planes, bytes);
		if (memcmp(back, words, bytes) != 0)
			fail("%lu bytes are others", (unsigned long) bytes);
	}
	finish("byte planes");
}

static void
test_bounds(void)
{
	Bed		   *bed = make_bed(MB);

	if (tsdb_spill_store_bytes(0) != 0 || tsdb_spill_store_bytes(MB - 1) != 0 ||
		tsdb_spill_store_bytes(TSDB_SPILL_BYTES_MAX + 1) != 0 ||
		tsdb_spill_store_init((char *) bed->memory + 8, MB) || tsdb_spill_store_init(NULL, MB))
		fail("a store that cannot be");
	for (uint64_t bytes = MB; bytes < TSDB_SPILL_BYTES_MAX; bytes *= 3)
		if (tsdb_spill_store_bytes(bytes) > bytes / 80 + 8 * KB)
			fail("%lu bytes take %lu of memory", (unsigned long) bytes,
				 (unsigned long) tsdb_spill_store_bytes(bytes));
	if (start(bed, &identity) != TSDB_SPILL_NEW)
		fail("an empty file has something");
	stop(bed, true);
	finish("bounds of a store");
}

static void
test_round_trip(void)
{
	Bed		   *bed = make_bed(16 * MB);
	TsdbVectorKey key = key_number(500000);

	start(bed, &identity);
	for (uint64_t i = 0; i < 400; i++)
		put(bed, i);
	if (there(bed, 0, 400) != 400)
		fail("%lu of 400 are there", (unsigned long) there(bed, 0, 400));
	if (there(bed, 400, 400) != 0)
		fail("what was never put is there");
	if (counts_of(bed).puts != 400 || tsdb_spill_store_entries(&bed->store) != 400 || counts_of(bed).damaged != 0)
		fail("counted wrongly");

	/* once more is not written again; what was not used is written when it comes again */
	put(bed, 5);
	if (counts_of(bed).puts != 400 || counts_of(bed).skipped != 1)
		fail("an entry that is there was written again");
	fill(wanted, 500000, bytes_of(500000));
	for (int i = 0; i < 2; i++)
	{
		if (look(&bed->store, 500000, wanted, got) != 0)
			fail("an entry that was not used is written at once");
		tsdb_spill_store_put(&bed->store, &key, 500000, wanted, bytes_of(500000), false);
	}
	if (look(&bed->store, 500000, wanted, got) != 1)
		fail("an entry that was not used is not written when it comes again");

	tsdb_spill_store_clear(&bed->store);
	if (there(bed, 0, 400) != 0 || tsdb_spill_store_entries(&bed->store) != 0)
		fail("a cleared store has something");
	stop(bed, true);
	finish("round trips");
}

/* Many times the file: what is there is right, and the newest is there. */
static void
test_overwriting(void)
{
	Bed		   *bed = make_bed(4 * MB);
	uint64_t	n = 0;
	uint64_t	recent = 0;

	start(bed, &identity);
	for (int round = 0; round < 40; round++)
	{
		for (int i = 0; i < 150; i++)
			put(bed, n++);
		recent = n < 60 ? n : 60;
		if (there(bed, n - recent, recent) < recent * 98 / 100)
			fail("%lu of the newest %lu are there", (unsigned long) there(bed, n - recent, recent),
				 (unsigned long) recent);
		there(bed, 0, n);
	}
	if (counts_of(bed).damaged != 0)
		fail("%lu were overwritten and seem damaged", (unsigned long) counts_of(bed).damaged);

	/* what is asked for and comes back stays, though everything else is overwritten */
	for (uint64_t i = 0; i < 3000; i++)
	{
		put(bed, n + i);
		if (i % 20 == 0)
			put(bed, 7);
	}
	if (there(bed, 7, 1) != 1)
		fail("an entry that leaves the working set again and again is lost");
	stop(bed, true);
	if (start(bed, &identity) != TSDB_SPILL_LOADED || there(bed, n + 2970, 30) < 29)
		fail("a log that has wrapped is not used after a restart");
	stop(bed, false);
	finish("a log that wraps");
}

static void
test_restart(void)
{
	Bed		   *bed = make_bed(8 * MB);
	TsdbSpillIdentity other = identity;

	start(bed, &identity);
	for (uint64_t i = 0; i < 200; i++)
		put(bed, i);
	stop(bed, true);
	if (start(bed, &identity) != TSDB_SPILL_LOADED || there(bed, 0, 200) != 200)
		fail("not all are there after a restart");
	stop(bed, false);
	if (start(bed, &identity) != TSDB_SPILL_OPEN || there(bed, 0, 200) != 0)
		fail("a store is used that was not closed");
	for (uint64_t i = 0; i < 200; i++)
		put(bed, i);
	stop(bed, true);

	/* another cluster, another timeline, another meaning of contents */
	for (int i = 0; i < 3; i++)
	{
		other = identity;
		other.system += i == 0;
		other.timeline += i == 1;
		other.contents += i == 2;
		if (start(bed, &other) != (i < 2 ? TSDB_SPILL_FOREIGN : TSDB_SPILL_NEW) ||
			there(bed, 0, 200) != 0)
			fail("another one's file is used (%d)", i);
		stop(bed, false);
		if (start(bed, &identity) == TSDB_SPILL_LOADED)
			fail("a file is used that another one had opened (%d)", i);
		for (uint64_t j = 0; j < 200; j++)
			put(bed, j);
		stop(bed, true);
	}

	/* another size */
	bed->file_bytes = 4 * MB;
	if (start(bed, &identity) != TSDB_SPILL_NEW || there(bed, 0, 200) != 0)
		fail("a file of another size is used");
	stop(bed, true);
	finish("restarts");
}

/* Copy a file's bytes. */
static void
copy_file(int to, int from, uint64_t bytes)
{
	static unsigned char buffer[64 * KB];
	ssize_t		n;

	if (ftruncate(to, 0) != 0)
		abort();
	for (uint64_t at = 0; at < bytes; at += (uint64_t) n)
	{
		n = pread(from, buffer, sizeof(buffer), (off_t) at);
		if (n <= 0)
			break;
		if (pwrite(to, buffer, (size_t) n, (off_t) at) != n)
			abort();
	}
}

static void
flip(int file, uint64_t at, unsigned char bits)
{
	unsigned char byte;

	if (pread(file, &byte, 1, (off_t) at) != 1)
		return;
	byte ^= bits;
	if (pwrite(file, &byte, 1, (off_t) at) != 1)
		abort();
}

/* Every byte of the header, of the index and of the records, one after the other. */
static void
test_every_byte(void)
{
	enum
	{
		N = 24
	};
	Bed		   *bed = make_bed(MB);
	int			good_file = new_file();
	uint64_t	used;
	uint64_t	log;
	int			lost = 0;

	start(bed, &identity);
	for (uint64_t i = 0; i < N; i++)
	{
		TsdbVectorKey key = key_number(i);

		/* of a size that keeps this test short */
		fill(wanted, i, bytes_of(i));
		if (bytes_of(i) <= VECTOR)
			tsdb_spill_store_put(&bed->store, &key, (uint32_t) i, wanted, bytes_of(i), true);
	}
	used = counts_of(bed).bytes;
	stop(bed, true);
	copy_file(good_file, bed->file, MB);
	if (start(bed, &identity) != TSDB_SPILL_LOADED)
		fail("the file is not good");
	lost = (int) there(bed, 0, N);
	if (lost < 8)
		fail("there is too little to damage");
	stop(bed, true);
	log = TSDB_SPILL_HEADER + (MB / 2048 * 16 + 4095) / 4096 * 4096;
	for (uint64_t at = 0; at < log; at++)
	{
		TsdbSpillLoad found;

		copy_file(bed->file, good_file, log);
		flip(bed->file, at, (unsigned char) (1 + draw() % 255));
		found = start(bed, &identity);
		if (at < 64 && found == TSDB_SPILL_LOADED)
			fail("byte %lu of the header does not matter", (unsigned long) at);
		if (at >= TSDB_SPILL_HEADER && at < TSDB_SPILL_HEADER + MB / 2048 * 16 &&
			found != TSDB_SPILL_DAMAGED)
			fail("byte %lu of the index does not matter", (unsigned long) at - TSDB_SPILL_HEADER);
		if (there(bed, 0, N) != 0 && found != TSDB_SPILL_LOADED)
			fail("a file that was not used has something");
		stop(bed, false);
		if (at == 64)
			at = TSDB_SPILL_HEADER - 8; /* the rest of the header means nothing */
	}
	copy_file(bed->file, good_file, MB);
	for (uint64_t at = log; at < log + used; at++)
	{
		unsigned char bits = (unsigned char) (1 + draw() % 255);
		uint64_t	before = (uint64_t) lost;

		/* all of the index once a record or so; else that of the last start would do, but slots are cleared */
		if (start(bed, &identity) != TSDB_SPILL_LOADED)
			fail("the file is not good any more");
		flip(bed->file, at, bits);
		if (there(bed, 0, N) != before - 1)
			fail("byte %lu of the log: %lu of %lu are there", (unsigned long) (at - log),
				 (unsigned long) there(bed, 0, N), (unsigned long) before);
		if (counts_of(bed).damaged != 1)
			fail("damage was counted %lu times", (unsigned long) counts_of(bed).damaged);
		flip(bed->file, at, bits);
		stop(bed, false);
		copy_file(bed->file, good_file, log);
		if (at > log + 2000)
			at += draw() % 7;
	}
	close(good_file);
	finish("every byte");
}

/* Damage of all kinds, at random: no crash, no wrong answer. */
static void
test_damage(void)
{
	enum
	{
		N = 300
	};
	Bed		   *bed = make_bed(8 * MB);
	int			good_file = new_file();
	int			other_file = new_file();
	TsdbSpillIdentity other = {1, 1, 1};
	static unsigned char noise[64 * KB];
	uint64_t	answers = 0;
	const char *runs = getenv("TEST_LONG");
	int			rounds = runs != NULL && strcmp(runs, "0") != 0 ? 20000 : 400;

	start(bed, &other);
	for (uint64_t i = 0; i < N; i++)
		put(bed, i);
	tsdb_spill_store_close(&bed->store, &other);
	detach(&bed->store);
	copy_file(other_file, bed->file, 8 * MB);
	start(bed, &identity);
	for (uint64_t i = 0; i < N; i++)
		put(bed, i + 1000);
	stop(bed, true);
	copy_file(good_file, bed->file, 8 * MB);
	for (int round = 0; round < rounds; round++)
	{
		bool		running = draw() % 2 == 0;

		copy_file(bed->file, good_file, 8 * MB);
		if (running)
			start(bed, &identity);
		switch (draw() % 5)
		{
			case 0:
				for (uint64_t i = draw() % 100; i-- > 0;)
					flip(bed->file, draw() % (2 * MB), (unsigned char) draw());
				break;
			case 1:
				if (ftruncate(bed->file, (off_t) (draw() % (2 * MB) >> draw() % 20)) != 0)
					abort();
				break;
			case 2:
				copy_file(bed->file, other_file, 8 * MB);
				break;
			case 3:
				for (size_t i = 0; i < sizeof(noise); i++)
					noise[i] = draw() % 3 == 0 ? 0 : (unsigned char) draw();
				if (pwrite(bed->file, noise, draw() % sizeof(noise), (off_t) (draw() % (2 * MB) >> draw() % 20)) < 0)
					abort();
				break;
			case 4:
				/* pieces of it in other places */
				for (uint64_t i = draw() % 50; i-- > 0;)
				{
					size_t		n = draw() % sizeof(noise) / 64 * 64;

					if (pread(good_file, noise, n, (off_t) (draw() % (2 * MB) / 64 * 64)) > 0 &&
						pwrite(bed->file, noise, n, (off_t) (draw() % (2 * MB) / 64 * 64)) < 0)
						abort();
				}
				break;
		}
		if (!running)
			start(bed, &identity);
		answers += there(bed, 0, N);
		answers += there(bed, 1000, N);
		for (uint64_t i = 0; i < 20; i++)
			put(bed, 5000 + i);
		answers += there(bed, 5000, 20);
		stop(bed, false);
	}
	if (answers == 0)
		fail("nothing was ever found");
	close(good_file);
	close(other_file);
	finish("damage of all kinds");
}

static void
test_full_disk(void)
{
	Bed		   *bed = make_bed(8 * MB);
	TsdbSpillCounts counts;

	for (int64_t room = 0; room < 3 * MB; room = room * 3 / 2 + 1000)
	{
		bed->room = room;
		if ((start(bed, &identity) == TSDB_SPILL_FAILED) != (room == 0))
			fail("a file of %ld bytes can be opened, or not", (long) room);
		for (uint64_t i = 0; i < 2000 && (i == 0 || bed->failures == 0); i++)
			put(bed, i);
		if (room > 0 && bed->failures != 1)
			fail("the failure was told %d times", bed->failures);
		if (tsdb_spill_store_is_on(&bed->store) || there(bed, 0, 2000) != 0)
			fail("a store whose disk is full is still used");
		counts = counts_of(bed);
		put(bed, 3);
		if (counts_of(bed).puts != counts.puts || bed->failures > 1 ||
			tsdb_spill_store_close(&bed->store, &identity))
			fail("a store that is off is written to");
		detach(&bed->store);
	}
	bed->room = -1;
	start(bed, &identity);
	for (uint64_t i = 0; i < 50; i++)
		put(bed, i);
	bed->broken = true;
	if (there(bed, 0, 50) != 0 || bed->failures != 1 || tsdb_spill_store_is_on(&bed->store))
		fail("a disk that cannot be read is still used");
	detach(&bed->store);
	bed->broken = false;
	finish("a full and a failing disk");
}

/* ---- many ---- */

typedef struct Stress
{
	Bed		   *bed;
	uint64_t	nkeys;
	uint64_t	rounds;
	_Atomic int wrong;
	_Atomic uint64_t hits;
} Stress;

static void
stress_worker(int number, void *shared)
{
	Stress	   *stress = shared;
	TsdbSpillStore store;
	unsigned char *mine = allocate(ENTRY_MAX);
	unsigned char *read = allocate(ENTRY_MAX);

	attach(stress->bed, &store, &identity);
	for (uint64_t i = 0; i < stress->rounds; i++)
	{
		uint64_t	r = mixed((uint64_t) number << 32 | i);
		uint64_t	n = r % stress->nkeys * (r >> 32 & 0xFFFF) >> 16;
		TsdbVectorKey key = key_number(n);
		TsdbSpilled found;

		if (tsdb_spill_store_find(&store, &key, &found))
		{
			if (found.bytes != bytes_of(n) || found.tag != (uint32_t) n ||
				!tsdb_spill_store_copy(&store, read))
				atomic_fetch_add(&stress->wrong, 1);
			else
			{
				fill(mine, n, found.bytes);
				if (memcmp(mine, read, found.bytes) != 0)
					atomic_fetch_add(&stress->wrong, 1);
			}
			atomic_fetch_add(&stress->hits, 1);
		}
		else
		{
			fill(mine, n, bytes_of(n));
			tsdb_spill_store_put(&store, &key, (uint32_t) n, mine, bytes_of(n), r >> 63);
		}
	}
	detach(&store);
	free(mine);
	free(read);
}

static void
stress(int workers, bool processes, uint64_t file_bytes, uint64_t nkeys, uint64_t rounds)
{
	Stress	   *stress = shared_memory(sizeof(Stress));
	TsdbSpillCounts counts;
	char		name[200];

	stress->bed = make_bed(file_bytes);
	stress->nkeys = nkeys;
	stress->rounds = rounds;
	start(stress->bed, &identity);
	if (!run_workers(workers, processes, stress_worker, stress))
		fail("a worker has ended early");
	counts = counts_of(stress->bed);
	snprintf(name, sizeof(name), "%d %s, %lu kB, %lu keys: %lu hits, %lu put, %lu MB", workers,
			 processes ? "processes" : "threads", (unsigned long) file_bytes / KB,
			 (unsigned long) nkeys, (unsigned long) stress->hits, (unsigned long) counts.puts,
			 (unsigned long) counts.bytes_put / MB);
	if (stress->wrong > 0)
		fail("%d wrong answers: %s", stress->wrong, name);
	if (stress->hits == 0 || counts.bytes_put < 2 * file_bytes)
		fail("too little has happened: %s", name);
	stop(stress->bed, true);
	finish(name);
}

int
main(void)
{
	test_byte_planes();
	test_bounds();
	test_round_trip();
	test_overwriting();
	test_restart();
	if (!SLOW)
	{
		test_every_byte();
		test_damage();
	}
	test_full_disk();
	for (int processes = 0; processes < 2; processes++)
	{
		stress(4, processes, MB, 400, 2000);
		stress(4, processes, 4 * MB, 1500, 2000);
	}
	return summary();
}
