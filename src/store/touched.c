/*
 * touched.c
 *		What this session knows of the rows of chunks that were never touched.
 */
#include "postgres.h"

#include "store/touched.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "stats/shared_counters.h"
#include "store/mark_scan.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define COUNTERS		8192
#define CHUNKS_MAX		4096	/* known to a session; then it begins anew */

/*
 * Reading the marks of a chunk must pay.  It begins with the second question, and
 * gives up after so many marks per question that was asked in vain.
 */
#define FIRST_READ		2
#define MARKS_A_QUESTION	16

typedef struct KnownChunk
{
	struct KnownChunk *next;	/* that shares the counter */
	Oid			identity;
	uint32		chunk;
	uint32		questions;		/* since the marks were read last */
	uint32		needed;			/* as many of them make another reading pay */
	bool		known;			/* what follows is set */
	bool		groups;			/* some mark stands for several rows */
	uint64		count;			/* of the counter, when that was right */
	uint8		touched[TSDB_CHUNK_ROWS / 8];
} KnownChunk;

static TsdbSharedCounters mark_counts = {.name = "tsdb mark counters",.count = COUNTERS};

/* Of a stub that is being inserted, or NULL. */
static pg_atomic_uint64 *uncounted = NULL;

static MemoryContext memory = NULL;
static KnownChunk **chunks;		/* a list per counter */
static uint32 nchunks;

static void
count_uncounted(void)
{
	if (uncounted != NULL)
		pg_atomic_fetch_add_u64(uncounted, 1);
	uncounted = NULL;
}

/* Locks are still held: who waits for the chunk finds the stub counted. */
static void
at_xact_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT)
		count_uncounted();
}

static void
at_subxact_end(SubXactEvent event, SubTransactionId own_id, SubTransactionId parent_id,
			   void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		count_uncounted();
}

void
tsdb_touched_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	RegisterXactCallback(at_xact_end, NULL);
	RegisterSubXactCallback(at_subxact_end, NULL);
	tsdb_shared_counters_init(&mark_counts);
}

static uint32
counter_of(Oid identity, uint32 chunk)
{
	return murmurhash32(identity ^ murmurhash32(chunk)) % COUNTERS;
}

static KnownChunk *
find_chunk(Oid identity, uint32 chunk, uint32 counter)
{
	KnownChunk *known = memory != NULL ? chunks[counter] : NULL;

	while (known != NULL && (known->chunk != chunk || known->identity != identity))
		known = known->next;
	return known;
}

static KnownChunk *
add_chunk(Oid identity, uint32 chunk, uint32 counter)
{
	KnownChunk *known;

	if (nchunks == CHUNKS_MAX)
	{
		MemoryContextDelete(memory);
		memory = NULL;
	}
	if (memory == NULL)
	{
		MemoryContext new = AllocSetContextCreate(TopMemoryContext, "tsdb touched rows",
												  ALLOCSET_DEFAULT_SIZES);

		chunks = MemoryContextAllocZero(new, COUNTERS * sizeof(KnownChunk *));
		memory = new;
		nchunks = 0;
	}
	known = MemoryContextAllocZero(memory, sizeof(KnownChunk));
	known->identity = identity;
	known->chunk = chunk;
	known->needed = FIRST_READ;
	known->next = chunks[counter];
	chunks[counter] = known;
	nchunks++;
	return known;
}

/* Read which rows of the chunk have a mark, of whatever state; false if there
 * are more marks than it is worth. */
static bool
read_marks(TsdbStorage *storage, KnownChunk *known, uint32 counter)
{
	uint32		worth = known->needed * MARKS_A_QUESTION;
	uint32		marks = 0;
	TsdbMarkVersion version;
	TsdbMarkScan scan;

	known->known = known->groups = false;
	known->count = pg_atomic_read_u64(&mark_counts.counters[counter]);
	pg_read_barrier();
	memset(known->touched, 0, sizeof(known->touched));
	if (tsdb_mark_scan_useful(storage))
	{
		tsdb_mark_scan_chunk(storage, known->chunk, SnapshotAny, &scan);
		while (marks <= worth && tsdb_mark_scan_next(&scan, &version))
		{
			marks++;
			if (version.group == NULL)
				known->touched[version.row / 8] |= 1 << (version.row % 8);
			else
				known->groups = true;
			for (int i = 0; version.group != NULL && i < TSDB_MARK_GROUP_BYTES; i++)
				known->touched[version.row / 8 + i] |= version.group[i];
		}
		tsdb_mark_scan_end(&scan);
	}
	known->questions = 0;
	known->needed = marks > worth ? known->needed * 2 :
		Max(FIRST_READ, marks / MARKS_A_QUESTION);
	known->known = marks <= worth;
	return known->known;
}

/* The chunk, if what we know of it is right now; NULL if not. */
static KnownChunk *
up_to_date(TsdbStorage *storage, uint32 chunk)
{
	uint32		counter = counter_of(storage->identity, chunk);
	KnownChunk *known;

	if (mark_counts.counters == NULL || RecoveryInProgress())
		return NULL;
	known = find_chunk(storage->identity, chunk, counter);
	if (known == NULL)
		known = add_chunk(storage->identity, chunk, counter);
	if (known->known && known->count == pg_atomic_read_u64(&mark_counts.counters[counter]))
		return known;
	if (++known->questions < known->needed || !read_marks(storage, known, counter))
		return NULL;
	return known;
}

bool
tsdb_touched_never(TsdbStorage *storage, ItemPointer tid)
{
	KnownChunk *known = up_to_date(storage, tsdb_tid_chunk(tid));
	uint32		row = tsdb_tid_row(tid);

	return known != NULL && (known->touched[row / 8] & (1 << (row % 8))) == 0;
}

bool
tsdb_touched_no_groups(TsdbStorage *storage, uint32 chunk)
{
	KnownChunk *known = up_to_date(storage, chunk);

	return known != NULL && !known->groups;
}

void
tsdb_touched_begin(TsdbStorage *storage, ItemPointer tid)
{
	if (mark_counts.counters != NULL)
		uncounted = &mark_counts.counters[counter_of(storage->identity, tsdb_tid_chunk(tid))];
}

void
tsdb_touched_note(TsdbStorage *storage, ItemPointer tid, bool in_group)
{
	uint32		chunk = tsdb_tid_chunk(tid);
	uint32		row = tsdb_tid_row(tid);
	uint32		counter = counter_of(storage->identity, chunk);
	uint64		before;

	if (mark_counts.counters == NULL)
		return;
	before = pg_atomic_fetch_add_u64(&mark_counts.counters[counter], 1);
	uncounted = NULL;
	for (KnownChunk *known = memory != NULL ? chunks[counter] : NULL; known != NULL;
		 known = known->next)
	{
		if (!known->known || known->count != before)
			continue;
		known->count = before + 1;
		if (known->identity == storage->identity && known->chunk == chunk)
		{
			known->touched[row / 8] |= 1 << (row % 8);
			known->groups = known->groups || in_group;
		}
	}
}
