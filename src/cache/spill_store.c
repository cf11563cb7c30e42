/*
 * spill_store.c
 *		The spill cache's file and its index: vectors that left the working set, compressed.
 */
#include "cache/spill_store.h"

#include <string.h>
#include <zstd.h>

#include "cache/byte_planes.h"
#include "cache/miss_history.h"

#define HEADER_MAGIC	UINT64_C(0x4C4C495053445354)	/* TSDSPILL */
#define RECORD_MAGIC	UINT32_C(0x52534454)
#define LEVEL			(-1)
#define WORTH			8		/* compressed is what loses one byte in so many */

/* an index slot for so many bytes of the log, and a key remembered for each slot */
#define BYTES_PER_SLOT	2048

/* of a place: position in the log in units, then the record's length in units */
#define LENGTH_BITS		16
#define LENGTH_MASK		UINT64_C(0xFFFF)

enum
{
	OFF, ON
};

enum
{
	STATE_OPEN = 1, STATE_CLOSED = 2
};

enum
{
	PLAIN, COMPRESSED
};

typedef struct Slot
{
	_Atomic uint64_t hash;
	_Atomic uint64_t place;		/* 0: none */
} Slot;

typedef struct TsdbSpillShared
{
	/* never changes */
	uint64_t	file_bytes;
	uint64_t	nslots;
	uint64_t	index_bytes;
	uint64_t	log_offset;
	uint64_t	log_units;
	uint32_t	history_lines;
	size_t		history;		/* offsets from here */
	size_t		slots;
	size_t		end;

	alignas(TSDB_VECTOR_CACHE_ALIGN) _Atomic uint64_t head; /* units ever written, and a round before the first */
	_Atomic int state;
	alignas(TSDB_VECTOR_CACHE_ALIGN) _Atomic uint64_t hits;
	_Atomic uint64_t misses;
	_Atomic uint64_t puts;
	_Atomic uint64_t bytes_put;
	_Atomic uint64_t skipped;
	_Atomic uint64_t damaged;
} TsdbSpillShared;

typedef struct FileHeader
{
	uint64_t	sum;			/* of what follows */
	uint64_t	magic;
	uint32_t	version;
	uint32_t	state;
	uint64_t	system;
	uint32_t	timeline;
	uint32_t	contents;
	uint64_t	file_bytes;
	uint64_t	head;
	uint64_t	index_sum;
} FileHeader;

typedef struct Record
{
	uint64_t	sum;			/* of what follows, and of the contents as stored */
	uint64_t	generation;
	uint64_t	relation;
	uint32_t	column;
	uint32_t	method;
	uint32_t	tag;
	uint32_t	bytes;
	uint32_t	stored;			/* bytes of the contents as stored */
	uint32_t	magic;
	uint64_t	address;
	uint64_t	zero;
} Record;

_Static_assert(sizeof(Record) == TSDB_SPILL_UNIT, "a record's head is a unit");

/* ---- sums ---- */

static uint64_t
sum_step(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * UINT64_C(0x9E3779B97F4A7C15);
	return sum << 29 | sum >> 35;
}

static uint64_t
sum_of(uint64_t seed, const void *data, size_t bytes)
{
	const unsigned char *at = data;
	uint64_t	sum = sum_step(seed, bytes);
	uint64_t	word;

	for (; bytes >= 8; bytes -= 8, at += 8)
	{
		memcpy(&word, at, 8);
		sum = sum_step(sum, word);
	}
	if (bytes > 0)
	{
		word = 0;
		memcpy(&word, at, bytes);
		sum = sum_step(sum, word);
	}
	return sum ^ sum >> 32;
}

/* ---- making one ---- */

static size_t
aligned(size_t bytes)
{
	return (bytes + TSDB_VECTOR_CACHE_ALIGN - 1) / TSDB_VECTOR_CACHE_ALIGN * TSDB_VECTOR_CACHE_ALIGN;
}

static bool
lay_out(uint64_t file_bytes, TsdbSpillShared *s)
{
	if (file_bytes < TSDB_SPILL_BYTES_MIN || file_bytes > TSDB_SPILL_BYTES_MAX)
		return false;
	s->file_bytes = file_bytes;
	s->nslots = file_bytes / BYTES_PER_SLOT / TSDB_SPILL_BUCKET * TSDB_SPILL_BUCKET;
	s->index_bytes = s->nslots * sizeof(Slot);
	s->log_offset = TSDB_SPILL_HEADER +
		(s->index_bytes + TSDB_SPILL_HEADER - 1) / TSDB_SPILL_HEADER * TSDB_SPILL_HEADER;
	s->log_units = (file_bytes - s->log_offset) / TSDB_SPILL_UNIT;
	s->history_lines = tsdb_miss_history_lines(s->nslots);
	s->history = aligned(sizeof(TsdbSpillShared));
	s->slots = s->history + aligned((size_t) s->history_lines * sizeof(TsdbMissHistoryLine));
	s->end = s->slots + aligned((size_t) s->index_bytes);
	return true;
}

static Slot *
slots_of(const TsdbSpillStore *store)
{
	return (Slot *) ((char *) store->shared + store->shared->slots);
}

static TsdbMissHistoryLine *
history_of(const TsdbSpillStore *store)
{
	return (TsdbMissHistoryLine *) ((char *) store->shared + store->shared->history);
}

size_t
tsdb_spill_store_bytes(uint64_t file_bytes)
{
	TsdbSpillShared shared;

	return lay_out(file_bytes, &shared) ? shared.end : 0;
}

bool
tsdb_spill_store_init(void *memory, uint64_t file_bytes)
{
	TsdbSpillShared *shared = memory;

	if (memory == NULL || (uintptr_t) memory % TSDB_VECTOR_CACHE_ALIGN != 0)
		return false;
	memset(shared, 0, sizeof(*shared));
	if (!lay_out(file_bytes, shared))
		return false;
	memset((char *) memory + shared->history, 0, shared->end - shared->history);
	atomic_init(&shared->head, shared->log_units);
	atomic_init(&shared->state, OFF);
	return true;
}

/* Room for a record whose contents do not get smaller. */
static size_t
record_bytes_max(uint32_t entry_max)
{
	return aligned(sizeof(Record) + ZSTD_compressBound(entry_max) + TSDB_SPILL_UNIT);
}

size_t
tsdb_spill_store_scratch_bytes(uint32_t entry_max)
{
	return 2 * record_bytes_max(entry_max) + aligned(entry_max);
}

bool
tsdb_spill_store_attach(TsdbSpillStore *store, void *memory, void *scratch, uint32_t entry_max,
						const TsdbSpillIdentity *identity, const TsdbSpillFile *file)
{
	store->shared = memory;
	store->file = *file;
	store->entry_max = entry_max;
	store->record = scratch;
	store->found = store->record + record_bytes_max(entry_max);
	store->planes = store->found + record_bytes_max(entry_max);
	store->seed = sum_step(sum_step(sum_step(TSDB_SPILL_VERSION, identity->system),
									identity->timeline), identity->contents);
	store->compressor = ZSTD_createCCtx();
	store->decompressor = ZSTD_createDCtx();
	if (store->compressor == NULL || store->decompressor == NULL)
	{
		tsdb_spill_store_detach(store);
		return false;
	}
	return true;
}

void
tsdb_spill_store_detach(TsdbSpillStore *store)
{
	ZSTD_freeCCtx(store->compressor);
	ZSTD_freeDCtx(store->decompressor);
	store->compressor = NULL;
	store->decompressor = NULL;
}

bool
tsdb_spill_store_is_on(const TsdbSpillStore *store)
{
	return atomic_load_explicit(&store->shared->state, memory_order_relaxed) == ON;
}

/* Something is wrong with the file: nobody uses it any more. */
static void
go_off(TsdbSpillStore *store)
{
	int			on = ON;

	if (atomic_compare_exchange_strong(&store->shared->state, &on, OFF) && store->file.failed != NULL)
		store->file.failed(store->file.arg);
}

static void
count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

void
tsdb_spill_store_clear(TsdbSpillStore *store)
{
	Slot	   *slots = slots_of(store);

	for (uint64_t i = 0; i < store->shared->nslots; i++)
		atomic_store_explicit(&slots[i].place, 0, memory_order_relaxed);
	tsdb_miss_history_clear(history_of(store), store->shared->history_lines);
}

/* ---- opening and closing ---- */

static bool
write_header(TsdbSpillStore *store, const TsdbSpillIdentity *identity, uint32_t state,
			 uint64_t index_sum)
{
	FileHeader	header = {
		.magic = HEADER_MAGIC,
		.version = TSDB_SPILL_VERSION,
		.state = state,
		.system = identity->system,
		.timeline = identity->timeline,
		.contents = identity->contents,
		.file_bytes = store->shared->file_bytes,
		.head = atomic_load(&store->shared->head),
		.index_sum = index_sum
	};

	header.sum = sum_of(HEADER_MAGIC, &header.magic, sizeof(header) - sizeof(header.sum));
	return store->file.write(store->file.arg, &header, sizeof(header), 0) &&
		store->file.sync(store->file.arg);
}

/* What the header says of the file. */
static TsdbSpillLoad
judge(const TsdbSpillStore *store, const TsdbSpillIdentity *identity, const FileHeader *header)
{
	if (header->magic != HEADER_MAGIC || header->version != TSDB_SPILL_VERSION)
		return TSDB_SPILL_NEW;
	if (header->sum != sum_of(HEADER_MAGIC, &header->magic, sizeof(*header) - sizeof(header->sum)))
		return TSDB_SPILL_DAMAGED;
	if (header->system != identity->system || header->timeline != identity->timeline)
		return TSDB_SPILL_FOREIGN;
	if (header->contents != identity->contents || header->file_bytes != store->shared->file_bytes)
		return TSDB_SPILL_NEW;
	if (header->state != STATE_CLOSED)
		return TSDB_SPILL_OPEN;
	return TSDB_SPILL_LOADED;
}

TsdbSpillLoad
tsdb_spill_store_open(TsdbSpillStore *store, const TsdbSpillIdentity *identity)
{
	TsdbSpillShared *shared = store->shared;
	FileHeader	header;
	TsdbSpillLoad found = TSDB_SPILL_NEW;

	if (store->file.read(store->file.arg, &header, sizeof(header), 0))
		found = judge(store, identity, &header);
	if (found == TSDB_SPILL_LOADED)
	{
		Slot	   *slots = slots_of(store);

		if (!store->file.read(store->file.arg, slots, (size_t) shared->index_bytes,
							  TSDB_SPILL_HEADER) ||
			sum_of(store->seed, slots, (size_t) shared->index_bytes) != header.index_sum)
		{
			memset(slots, 0, (size_t) shared->index_bytes);
			found = TSDB_SPILL_DAMAGED;
		}
		else
			atomic_store(&shared->head, header.head);
	}
	if (!write_header(store, identity, STATE_OPEN, 0))
		return TSDB_SPILL_FAILED;
	atomic_store(&shared->state, ON);
	return found;
}

bool
tsdb_spill_store_close(TsdbSpillStore *store, const TsdbSpillIdentity *identity)
{
	TsdbSpillShared *shared = store->shared;
	Slot	   *slots = slots_of(store);

	if (!tsdb_spill_store_is_on(store))
		return false;
	atomic_store(&shared->state, OFF);
	return store->file.write(store->file.arg, slots, (size_t) shared->index_bytes,
							 TSDB_SPILL_HEADER) &&
		store->file.sync(store->file.arg) &&
		write_header(store, identity, STATE_CLOSED,
					 sum_of(store->seed, slots, (size_t) shared->index_bytes));
}

/* ---- the index ---- */

static uint64_t
place_of(uint64_t position, uint64_t length)
{
	return position << LENGTH_BITS | length;
}

/* How many units were written since a record's first; more than a round: it was overwritten. */
static uint64_t
age_of(const TsdbSpillStore *store, uint64_t place)
{
	return atomic_load_explicit(&store->shared->head, memory_order_relaxed) - (place >> LENGTH_BITS);
}

static bool
is_there(const TsdbSpillStore *store, uint64_t place)
{
	return place != 0 && age_of(store, place) <= store->shared->log_units;
}

static Slot *
bucket_of(const TsdbSpillStore *store, uint64_t hash)
{
	uint64_t	nbuckets = store->shared->nslots / TSDB_SPILL_BUCKET;

	return slots_of(store) + ((hash >> 32) * nbuckets >> 32) * TSDB_SPILL_BUCKET;
}

/* The slot of a hash; null if there is none with a record that is still there. */
static Slot *
find_slot(const TsdbSpillStore *store, uint64_t hash, uint64_t *place)
{
	Slot	   *bucket = bucket_of(store, hash);

	for (int i = 0; i < TSDB_SPILL_BUCKET; i++)
		if (atomic_load_explicit(&bucket[i].hash, memory_order_acquire) == hash)
		{
			*place = atomic_load_explicit(&bucket[i].place, memory_order_relaxed);
			if (is_there(store, *place))
				return &bucket[i];
		}
	return NULL;
}

/* Note where a key's record is; in the place of one before, or of the oldest. */
static void
set_slot(TsdbSpillStore *store, uint64_t hash, uint64_t place)
{
	Slot	   *bucket = bucket_of(store, hash);
	Slot	   *slot = NULL;
	uint64_t	oldest = 0;

	for (int i = 0; i < TSDB_SPILL_BUCKET; i++)
	{
		uint64_t	other = atomic_load_explicit(&bucket[i].place, memory_order_relaxed);
		uint64_t	age = other == 0 ? UINT64_MAX : age_of(store, other);

		if (atomic_load_explicit(&bucket[i].hash, memory_order_relaxed) == hash)
		{
			slot = &bucket[i];
			break;
		}
		if (slot == NULL || age > oldest)
		{
			slot = &bucket[i];
			oldest = age;
		}
	}
	atomic_store_explicit(&slot->place, place, memory_order_relaxed);
	atomic_store_explicit(&slot->hash, hash, memory_order_release);
}

/* ---- records ---- */

/* Claim room in the log.  The position, in units. */
static uint64_t
claim(TsdbSpillStore *store, uint64_t units)
{
	uint64_t	log_units = store->shared->log_units;
	uint64_t	head = atomic_load_explicit(&store->shared->head, memory_order_relaxed);
	uint64_t	position;

	do
	{
		position = head;
		/* what does not fit before the end begins the next round */
		if (position % log_units + units > log_units)
			position += log_units - position % log_units;
	}
	while (!atomic_compare_exchange_weak_explicit(&store->shared->head, &head, position + units,
												  memory_order_relaxed, memory_order_relaxed));
	return position;
}

static uint64_t
file_offset(const TsdbSpillStore *store, uint64_t position)
{
	return store->shared->log_offset + position % store->shared->log_units * TSDB_SPILL_UNIT;
}

/* Make a record in the scratch memory; its length in units. */
static uint64_t
make_record(TsdbSpillStore *store, const TsdbVectorKey *key, uint32_t tag, const void *data,
			uint32_t bytes)
{
	Record	   *record = (Record *) store->record;
	unsigned char *contents = store->record + sizeof(Record);
	size_t		stored;
	uint64_t	units;

	tsdb_byte_planes_split(store->planes, data, bytes);
	stored = ZSTD_compressCCtx(store->compressor, contents, ZSTD_compressBound(bytes), store->planes,
							   bytes, LEVEL);
	*record = (Record) {
		.generation = key->generation,
		.relation = tsdb_vector_relation(key),
		.column = key->column,
		.method = COMPRESSED,
		.tag = tag,
		.bytes = bytes,
		.magic = RECORD_MAGIC,
		.address = (uintptr_t) data
	};
	/* what hardly gets smaller is sooner read as it is */
	if (ZSTD_isError(stored) || stored > bytes - bytes / WORTH)
	{
		record->method = PLAIN;
		memcpy(contents, data, bytes);
		stored = bytes;
	}
	record->stored = (uint32_t) stored;
	units = (sizeof(Record) + stored + TSDB_SPILL_UNIT - 1) / TSDB_SPILL_UNIT;
	memset(contents + stored, 0, units * TSDB_SPILL_UNIT - sizeof(Record) - stored);
	record->sum = sum_of(store->seed, &record->generation,
						 units * TSDB_SPILL_UNIT - sizeof(record->sum));
	return units;
}

void
tsdb_spill_store_put(TsdbSpillStore *store, const TsdbVectorKey *key, uint32_t tag,
					 const void *data, uint32_t bytes, bool used)
{
	uint64_t	hash = tsdb_vector_hash(key);
	uint64_t	units;
	uint64_t	position;
	uint64_t	place;

	if (!tsdb_spill_store_is_on(store) || bytes == 0 || bytes > store->entry_max)
		return;
	if (!used)
		tsdb_miss_history_add(history_of(store), store->shared->history_lines, hash);
	if ((!used && !tsdb_miss_history_again(history_of(store), store->shared->history_lines, hash)) ||
		(find_slot(store, hash, &place) != NULL &&
		 age_of(store, place) <= store->shared->log_units / 2))
	{
		count(&store->shared->skipped, 1);
		return;
	}
	units = make_record(store, key, tag, data, bytes);
	if (units > LENGTH_MASK || units > store->shared->log_units / 2)
		return;
	position = claim(store, units);
	if (!store->file.write(store->file.arg, store->record, units * TSDB_SPILL_UNIT,
						   file_offset(store, position)))
	{
		go_off(store);
		return;
	}
	set_slot(store, hash, place_of(position, units));
	count(&store->shared->puts, 1);
	count(&store->shared->bytes_put, units * TSDB_SPILL_UNIT);
}

/* Is what lies in the scratch memory the record of a key, whole? */
static bool
is_record(const TsdbSpillStore *store, const TsdbVectorKey *key, uint64_t units)
{
	const Record *record = (const Record *) store->found;

	return record->magic == RECORD_MAGIC && record->generation == key->generation &&
		record->relation == tsdb_vector_relation(key) && record->column == key->column &&
		record->bytes > 0 && record->bytes <= store->entry_max &&
		record->stored <= units * TSDB_SPILL_UNIT - sizeof(Record) &&
		(record->method == COMPRESSED || (record->method == PLAIN && record->stored == record->bytes)) &&
		record->sum == sum_of(store->seed, &record->generation,
							  units * TSDB_SPILL_UNIT - sizeof(record->sum));
}

bool
tsdb_spill_store_find(TsdbSpillStore *store, const TsdbVectorKey *key, TsdbSpilled *found)
{
	const Record *record = (const Record *) store->found;
	uint64_t	hash = tsdb_vector_hash(key);
	uint64_t	place;
	uint64_t	units;
	uint64_t	position;
	Slot	   *slot;

	if (!tsdb_spill_store_is_on(store))
		return false;
	slot = find_slot(store, hash, &place);
	if (slot == NULL)
	{
		count(&store->shared->misses, 1);
		return false;
	}
	units = place & LENGTH_MASK;
	position = place >> LENGTH_BITS;
	if (units == 0 || units * TSDB_SPILL_UNIT > record_bytes_max(store->entry_max) ||
		position % store->shared->log_units + units > store->shared->log_units)
		goto damaged;
	if (!store->file.read(store->file.arg, store->found, units * TSDB_SPILL_UNIT,
						  file_offset(store, position)))
	{
		go_off(store);
		return false;
	}
	if (!is_record(store, key, units))
		goto damaged;
	found->bytes = record->bytes;
	found->tag = record->tag;
	found->address = record->address;
	count(&store->shared->hits, 1);
	return true;

damaged:
	/* or overwritten in this moment, or two have written the slot at once */
	if (is_there(store, place))
		count(&store->shared->damaged, 1);
	atomic_compare_exchange_strong(&slot->place, &place, 0);
	count(&store->shared->misses, 1);
	return false;
}

bool
tsdb_spill_store_copy(TsdbSpillStore *store, void *data)
{
	const Record *record = (const Record *) store->found;
	const unsigned char *contents = store->found + sizeof(Record);

	if (record->method == PLAIN)
		memcpy(data, contents, record->bytes);
	else
	{
		size_t		bytes = ZSTD_decompressDCtx(store->decompressor, store->planes, record->bytes,
												contents, record->stored);

		if (ZSTD_isError(bytes) || bytes != record->bytes)
		{
			count(&store->shared->damaged, 1);
			return false;
		}
		tsdb_byte_planes_join(data, store->planes, record->bytes);
	}
	return true;
}

void
tsdb_spill_store_counts(const TsdbSpillStore *store, TsdbSpillCounts *counts)
{
	const TsdbSpillShared *shared = store->shared;
	uint64_t	written = atomic_load(&shared->head) - shared->log_units;

	memset(counts, 0, sizeof(*counts));
	counts->on = tsdb_spill_store_is_on(store);
	counts->bytes = (written < shared->log_units ? written : shared->log_units) * TSDB_SPILL_UNIT;
	counts->hits = atomic_load(&shared->hits);
	counts->misses = atomic_load(&shared->misses);
	counts->puts = atomic_load(&shared->puts);
	counts->bytes_put = atomic_load(&shared->bytes_put);
	counts->skipped = atomic_load(&shared->skipped);
	counts->damaged = atomic_load(&shared->damaged);
}

uint64_t
tsdb_spill_store_entries(const TsdbSpillStore *store)
{
	const Slot *slots = slots_of(store);
	uint64_t	entries = 0;

	for (uint64_t i = 0; i < store->shared->nslots; i++)
		entries += is_there(store, atomic_load_explicit(&slots[i].place, memory_order_relaxed));
	return entries;
}
