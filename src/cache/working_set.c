/*
 * working_set.c
 *		Decoded columns of chunks, shared by all sessions.
 *
 * An entry of the cache is either a column as readers want it, with pointers of its own:
 *
 *		values	nrows Datums; by reference, they point into payload
 *		nulls	nrows bools, if there are nulls
 *		payload	by-reference values, aligned as the reader has laid them out
 *
 * or, of numbers that are narrow enough (cache/narrow.h), what they are widened from into the reader's own
 * memory, if somebody wants more than to compare them:
 *
 *		rule	a TsdbNarrow, padded to TSDB_NARROW_HEAD bytes
 *		u		nrows integers of the rule's width
 *		nulls	nrows bools, if there are nulls
 *
 * Shared memory is mapped at one address in all processes, so pointers hold for everybody.
 * The entry's tag says how many rows there are, and which parts.
 */
#include "postgres.h"

#include "cache/working_set.h"

#include "access/xact.h"
#include "cache/cache_trace.h"
#include "cache/narrow.h"
#include "cache/spill_cache.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "stats/shared_memory.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/memdebug.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

int			tsdb_cache_size = TSDB_CACHE_SIZE_DEFAULT;
bool		tsdb_enable_cache = true;
TsdbVectorOrigin tsdb_working_set_origin = TSDB_VECTOR_QUERY;

#define TRANCHE			"tsdb_working_set"
#define TIMED_HITS		64		/* one of so many is timed */
#define TIMED_MISSES	16
#define SHUTDOWN_MS		2000	/* that entries are written at the end of the server */

/* Version of what an entry is, since some outlive the server in the spill cache. */
#define CONTENTS		1

/* An entry's tag. */
#define TAG_ROWS		0xFFFF
#define TAG_NULLS		0x10000
#define TAG_REFERENCES	0x20000
#define TAG_NARROW		0x40000

StaticAssertDecl(sizeof(TsdbNarrow) <= TSDB_NARROW_HEAD, "a rule fits its place");

/* ---- shared state ---- */

static TsdbVectorCache the_cache;
static TsdbVectorCache *cache = NULL;	/* the_cache, if there is one */
static TsdbWorkingSetStats *stats = NULL;
static LWLockPadded *partition_locks = NULL;


/* ---- of this session ---- */

static TsdbColumnCounts session;	/* all of this session */
static TsdbColumnCounts published;	/* of them, what is in stats */
static uint64 came_true;		/* prefetched vectors that it was the first to use */

/* What a reader asks through. */
typedef struct Shelf
{
	TsdbVectorKey key;			/* but for the column */
	const TsdbWorkingSetUse *use;
	TsdbTableCounts *table;
	AttrNumber	timed;			/* column that is being decoded, or 0 */
	AttrNumber	wanted;			/* column that was said to be wanted, or 0 */
	instr_time	since;
	int			npins;
	int			allocated;
	TsdbVectorPin *pins;
	TsdbVectorPin few[8];
	MemoryContext memory;
	MemoryContextCallback callback;
} Shelf;

static bool no_nulls[TSDB_CHUNK_ROWS];	/* never written to */

static Size
cache_bytes(void)
{
	return Max((Size) tsdb_cache_size * 1024, TSDB_VECTOR_CACHE_MIN);
}

/* ---- pins ---- */

static void
release_pins(void *arg)
{
	Shelf	   *shelf = arg;

	while (shelf->npins > 0)
		tsdb_vector_cache_unpin(cache, shelf->pins[--shelf->npins]);
}

/* Make room for a pin before it is taken. */
static void
prepare_pin(Shelf *shelf)
{
	int			allocated = 4 * shelf->allocated;

	if (shelf->npins < shelf->allocated)
		return;
	if (shelf->pins == shelf->few)
	{
		shelf->pins = MemoryContextAlloc(shelf->memory, allocated * sizeof(TsdbVectorPin));
		memcpy(shelf->pins, shelf->few, sizeof(shelf->few));
	}
	else
		shelf->pins = repalloc(shelf->pins, allocated * sizeof(TsdbVectorPin));
	shelf->allocated = allocated;
}

/* ---- counting ---- */

/* Count a look-up: which of the counters is told by its place. */
static void
count(Shelf *shelf, AttrNumber attno, uint64 *of_query, Size counter)
{
	TsdbColumnCounts *of_column = tsdb_column_counts_change(shelf->table, attno);

	(*(uint64 *) ((char *) &session + counter))++;
	if (of_query != NULL)
		(*of_query)++;
	if (of_column != NULL)
		(*(uint64 *) ((char *) of_column + counter))++;
}

static void
add_latency(TsdbLatency *latency, instr_time since)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, since);
	tsdb_latency_add(latency, (uint64) (INSTR_TIME_GET_DOUBLE(now) * 1e9));
}

void
tsdb_working_set_at_xact_end(void)
{
	if (!tsdb_column_counts_publish())
		return;
	pg_atomic_fetch_add_u64(&stats->hits, session.hits - published.hits);
	pg_atomic_fetch_add_u64(&stats->spill_hits, session.spill_hits - published.spill_hits);
	pg_atomic_fetch_add_u64(&stats->misses, session.misses - published.misses);
	published = session;
}

/* ---- a reader's columns ---- */

/* Where by-reference values begin. */
static Size
payload_offset(uint32 nrows, bool any_null)
{
	return MAXALIGN(nrows * sizeof(Datum) + (any_null ? nrows * sizeof(bool) : 0));
}

/* Is there such an entry, made ahead, and not asked for yet? */
static bool
is_first_use(const TsdbVectorKey *key)
{
	TsdbVectorPin pin = tsdb_vector_cache_peek(cache, key);
	bool		first = pin != 0 && tsdb_vector_cache_is_ahead(cache, pin);

	if (pin != 0)
		tsdb_vector_cache_unpin(cache, pin);
	return first;
}

/* A column from an entry's data, which stay where they are. */
static void
read_entry(const char *data, uint32 tag, uint32 nrows, TsdbColumn *column)
{
	const char *nulls;

	Assert((tag & TAG_ROWS) == nrows);
	if (tag & TAG_NARROW)
	{
		column->values = NULL;
		column->packed = data;
		nulls = data + TSDB_NARROW_HEAD + tsdb_narrow_bytes(column->packed, nrows);
	}
	else
	{
		column->values = (Datum *) data;
		column->packed = NULL;
		nulls = data + nrows * sizeof(Datum);
	}
	column->any_null = (tag & TAG_NULLS) != 0;
	column->nulls = column->any_null ? (bool *) nulls : no_nulls;
}

/* Values in memory of the reader's own; the entry is not needed any more then. */
static void
unpack(void *arg, uint32 nrows, TsdbColumn *column)
{
	Shelf	   *shelf = arg;
	const TsdbNarrow *narrow = column->packed;
	int			i = shelf->npins - 1;

	column->values = MemoryContextAlloc(shelf->memory, nrows * sizeof(Datum));
	tsdb_narrow_read(narrow, tsdb_narrow_kept(narrow), nrows, (uint64 *) column->values);
	if (column->any_null)
	{
		const bool *nulls = column->nulls;

		column->nulls = MemoryContextAlloc(shelf->memory, nrows * sizeof(bool));
		memcpy(column->nulls, nulls, nrows * sizeof(bool));
	}
	column->packed = NULL;

	/* what was spilled, and not let in again, is not pinned */
	while (i >= 0 && tsdb_vector_cache_data(cache, shelf->pins[i], NULL, NULL) != (char *) narrow)
		i--;
	if (i >= 0)
	{
		tsdb_vector_cache_unpin(cache, shelf->pins[i]);
		shelf->pins[i] = shelf->pins[--shelf->npins];
	}
}

/* An entry has moved: so have the values that it points to. */
static void
move_pointers(char *data, uint32 nrows, uint32 tag, uint64 from)
{
	Datum	   *values = (Datum *) data;

	if ((tag & TAG_REFERENCES) == 0)
		return;
	for (uint32 i = 0; i < nrows; i++)
		if (values[i] != (Datum) 0)
			values[i] += (Datum) data - (Datum) from;
}

/*
 * For whom a column is decoded.  A query that has decoded as much as a fourth of the cache would hold is
 * not let in as others are: nobody will come back soon for all of that.
 */
static TsdbVectorOrigin
origin(const Shelf *shelf)
{
	const uint64 much = cache_bytes() / (TSDB_CHUNK_ROWS * sizeof(Datum)) / 4;

	if (tsdb_working_set_origin == TSDB_VECTOR_QUERY && shelf->use != NULL &&
		*shelf->use->read > much)
		return TSDB_VECTOR_SCAN;
	return tsdb_working_set_origin;
}

/* Take a column from the spill cache, back into shared memory if it is let in there. */
static bool
find_spilled(Shelf *shelf, const TsdbVectorKey *key, uint32 nrows, TsdbColumn *column)
{
	TsdbSpilled spilled;
	TsdbVectorPin pin;
	char	   *data;

	if (!tsdb_spill_cache_find(key, &spilled) || (spilled.tag & TAG_ROWS) != nrows)
		return false;
	pin = tsdb_vector_cache_reserve(cache, key, spilled.bytes, spilled.tag, origin(shelf));
	data = pin != 0 ? tsdb_vector_cache_data(cache, pin, NULL, NULL) :
		MemoryContextAlloc(shelf->memory, spilled.bytes);
	if (!tsdb_spill_cache_copy(data))
	{
		if (pin != 0)
			tsdb_vector_cache_cancel(cache, pin);
		return false;
	}
	move_pointers(data, nrows, spilled.tag, spilled.address);
	if (pin != 0)
	{
		tsdb_vector_cache_publish(cache, pin);
		shelf->pins[shelf->npins++] = pin;
	}
	read_entry(data, spilled.tag, nrows, column);
	return true;
}

/* A column that is not in shared memory. */
static bool
find_elsewhere(Shelf *shelf, const TsdbVectorKey *key, uint32 nrows, TsdbColumn *column)
{
	AttrNumber	attno = (AttrNumber) key->column;
	uint64		asked = session.misses + session.spill_hits;

	shelf->timed = 0;
	if (asked % TIMED_MISSES == 0)
		INSTR_TIME_SET_CURRENT(shelf->since);
	if (find_spilled(shelf, key, nrows, column))
	{
		tsdb_cache_trace_add(key->generation, attno, TSDB_CACHE_SPILLED);
		count(shelf, attno, shelf->use == NULL ? NULL : shelf->use->spilled,
			  offsetof(TsdbColumnCounts, spill_hits));
		if (asked % TIMED_MISSES == 0)
			add_latency(&stats->spill_hit_ns, shelf->since);
		return true;
	}
	tsdb_cache_trace_add(key->generation, attno, TSDB_CACHE_MISS);
	count(shelf, attno, shelf->use == NULL ? NULL : shelf->use->read,
		  offsetof(TsdbColumnCounts, misses));
	if (asked % TIMED_MISSES == 0)
		shelf->timed = attno;
	return false;
}

static bool
find(void *arg, AttrNumber attno, uint32 nrows, TsdbColumn *column)
{
	Shelf	   *shelf = arg;
	TsdbVectorKey key = shelf->key;
	bool		timed = session.hits % TIMED_HITS == 0;
	TsdbCacheOutcome outcome = TSDB_CACHE_HIT;
	const TsdbWorkingSetUse *use = shelf->use;
	uint64		before = came_true;
	TsdbVectorPin pin;
	uint32		bytes;
	uint32		tag;
	char	   *data;

	prepare_pin(shelf);
	key.column = attno;
	/* who loads ahead has looked already, and does not count as one who asks */
	shelf->timed = 0;
	if (tsdb_working_set_origin == TSDB_VECTOR_PREFETCH)
		return find_spilled(shelf, &key, nrows, column);
	if (unlikely(tsdb_trace_cache) && is_first_use(&key))
		outcome = TSDB_CACHE_HIT_PREFETCHED;
	if (timed)
		INSTR_TIME_SET_CURRENT(shelf->since);
	pin = tsdb_vector_cache_find(cache, &key);
	if (use != NULL && use->asked != NULL)
		use->asked[attno - 1] = true;
	if (use != NULL && use->came_true != NULL)
		*use->came_true += came_true - before;
	if (pin == 0)
		return find_elsewhere(shelf, &key, nrows, column);
	tsdb_cache_trace_add(key.generation, attno, outcome);
	shelf->pins[shelf->npins++] = pin;
	data = tsdb_vector_cache_data(cache, pin, &bytes, &tag);
	/* memcheck knows of what this process last wrote there, not of what another has */
	VALGRIND_MAKE_MEM_DEFINED(data, bytes);
	read_entry(data, tag, nrows, column);
	count(shelf, attno, use == NULL ? NULL : use->hit, offsetof(TsdbColumnCounts, hits));
	if (timed)
		add_latency(&stats->hit_ns, shelf->since);
	return true;
}

static bool
wants(void *arg, AttrNumber attno, uint32 nrows)
{
	Shelf	   *shelf = arg;
	TsdbVectorKey key = shelf->key;

	key.column = attno;
	if (!tsdb_vector_cache_wants(cache, &key, payload_offset(nrows, false), origin(shelf)))
		return false;
	shelf->wanted = attno;
	return true;
}

/* Copy a column into an entry's data. */
static void
copy_column(char *data, uint32 nrows, const TsdbColumn *column, const char *payload,
			Size payload_bytes)
{
	Datum	   *values = (Datum *) data;

	if (column->any_null)
		memcpy(data + nrows * sizeof(Datum), column->nulls, nrows * sizeof(bool));
	if (payload != NULL)
	{
		char	   *copy = data + payload_offset(nrows, column->any_null);

		memcpy(copy, payload, payload_bytes);
		for (uint32 i = 0; i < nrows; i++)
			values[i] = column->nulls[i] ? (Datum) 0 :
				PointerGetDatum(copy + (DatumGetPointer(column->values[i]) - payload));
	}
	else
	{
		/* what nulls have for values may be anything of this process */
		for (uint32 i = 0; i < nrows; i++)
			values[i] = column->nulls[i] ? (Datum) 0 : column->values[i];
	}
}

/* Memory for an entry, or NULL. */
static char *
reserve(Shelf *shelf, AttrNumber attno, uint32 tag, Size bytes, TsdbVectorPin *pin)
{
	TsdbVectorKey key = shelf->key;

	if (bytes > tsdb_vector_cache_entry_max(cache))
		return NULL;
	key.column = attno;
	*pin = tsdb_vector_cache_reserve(cache, &key, (uint32) bytes, tag, origin(shelf));
	return *pin == 0 ? NULL : tsdb_vector_cache_data(cache, *pin, NULL, NULL);
}

/* Between reserve and this there are neither errors nor interrupts. */
static void
publish(TsdbVectorPin pin)
{
	tsdb_vector_cache_publish(cache, pin);
	tsdb_vector_cache_unpin(cache, pin);
}

/* Keep numbers in less than half of their room; false if they do not fit there. */
static bool
keep_narrow(Shelf *shelf, AttrNumber attno, uint32 tag, uint32 nrows, const TsdbColumn *column)
{
	const Datum *values = column->values;
	Datum		filled[TSDB_CHUNK_ROWS];
	uint32		u[TSDB_CHUNK_ROWS];
	uint32		first = 0;
	TsdbNarrow	narrow;
	TsdbVectorPin pin;
	char	   *data;

	if (column->any_null)
	{
		/* what nulls have for values must not be in the way */
		while (first + 1 < nrows && column->nulls[first])
			first++;
		for (uint32 i = 0; i < nrows; i++)
			filled[i] = values[column->nulls[i] ? first : i];
		values = filled;
	}
	if (!tsdb_narrow_find((const uint64 *) values, nrows, &narrow, u))
		return false;
	data = reserve(shelf, attno, tag | TAG_NARROW,
				   TSDB_NARROW_HEAD + tsdb_narrow_bytes(&narrow, nrows) +
				   (column->any_null ? nrows * sizeof(bool) : 0), &pin);
	if (data == NULL)
		return true;
	*(TsdbNarrow *) data = narrow;
	data += TSDB_NARROW_HEAD;
	tsdb_narrow_write(&narrow, u, nrows, data);
	if (column->any_null)
		memcpy(data + tsdb_narrow_bytes(&narrow, nrows), column->nulls, nrows * sizeof(bool));
	publish(pin);
	return true;
}

static void
keep(void *arg, AttrNumber attno, uint32 nrows, const TsdbColumn *column, const char *payload,
	 Size payload_bytes)
{
	Shelf	   *shelf = arg;
	uint32		tag = nrows | (column->any_null ? TAG_NULLS : 0);
	TsdbVectorPin pin;
	char	   *data;

	if (shelf->timed == attno)
		add_latency(&stats->miss_ns, shelf->since);
	if ((shelf->wanted != attno && !wants(shelf, attno, nrows)) ||
		(payload == NULL && keep_narrow(shelf, attno, tag, nrows, column)))
		return;
	data = reserve(shelf, attno, tag | (payload != NULL ? TAG_REFERENCES : 0),
				   payload_offset(nrows, column->any_null) + payload_bytes, &pin);
	if (data == NULL)
		return;
	copy_column(data, nrows, column, payload, payload_bytes);
	publish(pin);
}

static const TsdbColumnShelf shared_shelf = {.find = find,.unpack = unpack,.wants = wants,.keep = keep};

static TsdbVectorKey
key_of(const TsdbStorage *storage, uint64 generation, AttrNumber attno)
{
	return (TsdbVectorKey) {
		.generation = generation,
		.database = MyDatabaseId,
		.storage = storage->identity,
		.column = attno
	};
}

TsdbChunkReader *
tsdb_working_set_open_chunk(TsdbChunkHandle *source, TupleDesc tupdesc,
							const TsdbWorkingSetUse *use)
{
	TsdbChunkReader *reader = tsdb_directory_open_chunk_here(source, tupdesc);
	Relation	table = source->storage->table;
	Shelf	   *shelf;

	if (cache == NULL || !tsdb_enable_cache || RelationUsesLocalBuffers(table))
		return reader;
	shelf = MemoryContextAlloc(tsdb_chunk_reader_memory(reader), sizeof(Shelf));
	shelf->key = key_of(source->storage, source->entry->generation, 0);
	shelf->use = use;
	shelf->table = tsdb_column_counts_of(RelationGetRelid(table), tupdesc->natts);
	shelf->timed = 0;
	shelf->wanted = 0;
	shelf->npins = 0;
	shelf->allocated = lengthof(shelf->few);
	shelf->pins = shelf->few;
	shelf->memory = tsdb_chunk_reader_memory(reader);
	shelf->callback.func = release_pins;
	shelf->callback.arg = shelf;
	MemoryContextRegisterResetCallback(shelf->memory, &shelf->callback);
	tsdb_chunk_reader_use_shelf(reader, &shared_shelf, shelf);
	return reader;
}

void
tsdb_working_set_expect(const TsdbStorage *storage, uint64 generation, AttrNumber attno)
{
	TsdbVectorKey key = key_of(storage, generation, attno);

	if (cache != NULL && tsdb_enable_cache)
		tsdb_vector_cache_prefetch(cache, &key);
}

void
tsdb_working_set_fetch(const TsdbStorage *storage, uint64 generation, AttrNumber attno)
{
	TsdbVectorKey key = key_of(storage, generation, attno);

	if (cache != NULL && tsdb_enable_cache)
		tsdb_vector_cache_prefetch_data(cache, &key);
}

bool
tsdb_working_set_has(const TsdbStorage *storage, uint64 generation, AttrNumber attno)
{
	TsdbVectorKey key = key_of(storage, generation, attno);
	TsdbVectorPin pin = cache == NULL ? 0 : tsdb_vector_cache_peek(cache, &key);

	if (pin != 0)
		tsdb_vector_cache_unpin(cache, pin);
	return pin != 0;
}

/* ---- views ---- */

TsdbVectorCache *
tsdb_working_set_cache(void)
{
	return cache;
}

TsdbWorkingSetStats *
tsdb_working_set_stats(void)
{
	return stats;
}

const TsdbColumnCounts *
tsdb_working_set_session(void)
{
	return &session;
}

static void
init_stats(void)
{
	pg_atomic_init_u64(&stats->hits, 0);
	pg_atomic_init_u64(&stats->spill_hits, 0);
	pg_atomic_init_u64(&stats->misses, 0);
	tsdb_latency_init(&stats->hit_ns);
	tsdb_latency_init(&stats->spill_hit_ns);
	tsdb_latency_init(&stats->miss_ns);
}

void
tsdb_working_set_reset(void)
{
	if (cache == NULL)
		return;
	tsdb_vector_cache_clear(cache);
	tsdb_spill_cache_reset();
	tsdb_column_counts_reset();
	init_stats();
}

/* ---- start ---- */

static void
count_came_true(void *arg)
{
	came_true++;
}

static void
lock_partition(void *arg, uint32 partition)
{
	LWLockAcquire(&partition_locks[partition].lock, LW_EXCLUSIVE);
}

static void
unlock_partition(void *arg, uint32 partition)
{
	LWLockRelease(&partition_locks[partition].lock);
}

static void
request(void)
{
	if (tsdb_cache_size == 0)
		return;
	RequestAddinShmemSpace(add_size(tsdb_vector_cache_bytes(cache_bytes()),
									TSDB_VECTOR_CACHE_ALIGN));
	RequestAddinShmemSpace(MAXALIGN(sizeof(TsdbWorkingSetStats)));
	RequestAddinShmemSpace(tsdb_column_counts_bytes());
	RequestNamedLWLockTranche(TRANCHE, 1 + tsdb_vector_cache_partitions(cache_bytes()));
}

static void
startup(void)
{
	static const TsdbVectorCalls calls = {
		.lock = lock_partition,.unlock = unlock_partition,.evicted = tsdb_spill_cache_put,
		.came_true = count_came_true
	};
	LWLockPadded *tranche;
	void	   *memory;
	bool		found;

	if (tsdb_cache_size == 0)
		return;
	tranche = GetNamedLWLockTranche(TRANCHE);
	tsdb_column_counts_start(&tranche[0].lock);
	partition_locks = &tranche[1];
	stats = ShmemInitStruct("tsdb working set counters", sizeof(TsdbWorkingSetStats), &found);
	if (!found)
		init_stats();
	memory = ShmemInitStruct("tsdb working set",
							 tsdb_vector_cache_bytes(cache_bytes()) + TSDB_VECTOR_CACHE_ALIGN, &found);
	memory = (void *) TYPEALIGN(TSDB_VECTOR_CACHE_ALIGN, memory);
	if (!found && !tsdb_vector_cache_init(memory, cache_bytes()))
		elog(ERROR, "could not make a cache of %d kB", tsdb_cache_size);
	tsdb_vector_cache_attach(&the_cache, memory, &calls);
	cache = &the_cache;
}

/*
 * The server is shut down: leave what is hot in the spill cache, the hottest first, as long as a shutdown may be kept
 * waiting, and no more than half of the file.
 */
static void
leave_hot_entries(void)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), SHUTDOWN_MS);
	TsdbSpillCounts begun;
	TsdbSpillCounts now;
	TsdbVectorEntry entry;

	if (cache == NULL || !tsdb_spill_cache_counts(&begun))
		return;
	for (int usage = TSDB_VECTOR_USAGE_MAX; usage >= 0; usage--)
	{
		uint32		cursor = 0;
		uint32		seen = 0;

		while (tsdb_vector_cache_next(cache, &cursor, &entry))
		{
			TsdbVectorPin pin;

			if (entry.usage != usage || (pin = tsdb_vector_cache_peek(cache, &entry.key)) == 0)
				continue;
			tsdb_spill_cache_put(NULL, &entry.key, entry.tag,
								 tsdb_vector_cache_data(cache, pin, NULL, NULL), entry.bytes, true);
			tsdb_vector_cache_unpin(cache, pin);
			if (++seen % 64 != 0)
				continue;
			tsdb_spill_cache_counts(&now);
			if (!now.on || GetCurrentTimestamp() > until ||
				now.bytes_put - begun.bytes_put > (uint64) tsdb_spill_cache_size * 512)
				return;
		}
	}
}

void
tsdb_working_set_init(void)
{
	DefineCustomBoolVariable("tsdb.enable_cache",
							 "Lets queries take decoded columns from shared memory, and leave them there.",
							 "The shared memory is that of tsdb.cache_size.",
							 &tsdb_enable_cache, true,
							 PGC_USERSET, GUC_EXPLAIN, NULL, NULL, NULL);
	if (!process_shared_preload_libraries_in_progress)
		return;
	DefineCustomIntVariable("tsdb.cache_size",
							"Sets the shared memory for decoded columns of chunks.",
							"What queries decode stays there for others. Zero disables it.",
							&tsdb_cache_size, TSDB_CACHE_SIZE_DEFAULT, TSDB_CACHE_SIZE_MIN,
							TSDB_CACHE_SIZE_MAX,
							PGC_POSTMASTER, GUC_UNIT_KB, NULL, NULL, NULL);
	tsdb_shared_memory_add(request, startup);
	tsdb_spill_cache_init(CONTENTS, leave_hot_entries);
}
