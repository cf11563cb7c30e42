/*
 * chunk_map.c
 *		Which chunks may hold a key: a session's map of a directory.
 */
#include "postgres.h"

#include "store/chunk_map.h"

#include "access/nbtree.h"
#include "access/subtrans.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/procarray.h"
#include "store/chunk_tid.h"
#include "store/directory.h"
#include "store/key_note.h"
#include "store/storage.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define MAPS_MAX	16			/* of a session; the least recently used one goes */

/* Of a chunk with more series no filter is kept. */
#define FILTER_SERIES_MAX	256

/* Series of a chunk: two bits for each, of sixteen that there are for each. */
typedef struct SeriesFilter
{
	uint32		mask;			/* of bit numbers */
	uint64		bits[FLEXIBLE_ARRAY_MEMBER];
} SeriesFilter;

struct TsdbChunkMap
{
	MemoryContext memory;
	Oid			index;
	Oid			table;
	RelFileNode index_node;
	RelFileNode table_node;
	bool		stale;			/* to be read again */
	bool		own;			/* our own transaction had changed the directory */
	uint64		used;			/* for choosing the one to forget */
	uint64		version;
	uint64		signature;
	TsdbKeyNote note;			/* as it was before the directory was read */
	int			npending;		/* writers that were at work then */
	int			pending_allocated;
	TransactionId *pending;		/* their top transactions */
	bool		at_work;		/* the note's writer is one of them */
	uint64		own_writes;		/* tsdb_directory_writes then */
	TransactionId horizon;		/* chunks replaced before this one are left out */
	TsdbKeyColumns key;
	int			ndimensions;
	int			dimensions[TSDB_BOX_DIMENSIONS];	/* key columns */
	uint32		count;
	TsdbChunkRef *refs;			/* in order of number */
	TsdbKeyBox *boxes;			/* of each */
	SeriesFilter **filters;		/* of each, NULL where nothing was learned */
	TsdbBoxTree *tree;
};

static TsdbChunkMap *maps[MAPS_MAX];
static uint64 last_version = 0;
static uint64 last_signature = 0;
static uint64 uses = 0;

static void
relcache_changed(Datum arg, Oid relid)
{
	for (int i = 0; i < MAPS_MAX; i++)
	{
		if (maps[i] != NULL &&
			(relid == InvalidOid || relid == maps[i]->table || relid == maps[i]->index))
			maps[i]->stale = true;
	}
}

/* What our transaction wrote may be gone, and the map lists it. */
static void
own_writes_ended(void)
{
	for (int i = 0; i < MAPS_MAX; i++)
	{
		if (maps[i] != NULL && maps[i]->own)
			maps[i]->stale = true;
	}
}

static void
at_xact_end(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_PRE_COMMIT && event != XACT_EVENT_PRE_PREPARE &&
		event != XACT_EVENT_PARALLEL_PRE_COMMIT)
		own_writes_ended();
}

static void
at_subxact_end(SubXactEvent event, SubTransactionId own_id, SubTransactionId parent_id,
			   void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		own_writes_ended();
}

void
tsdb_chunk_map_init(void)
{
	CacheRegisterRelcacheCallback(relcache_changed, (Datum) 0);
	RegisterXactCallback(at_xact_end, NULL);
	RegisterSubXactCallback(at_subxact_end, NULL);
}

uint64
tsdb_chunk_map_version(const TsdbChunkMap *map)
{
	return map->version;
}

uint64
tsdb_chunk_map_signature(const TsdbChunkMap *map)
{
	return map->signature;
}

uint32
tsdb_chunk_map_count(const TsdbChunkMap *map)
{
	return map->count;
}

bool
tsdb_chunk_map_is_empty(const TsdbChunkMap *map)
{
	return map->count == 0;
}

TsdbKeyColumns *
tsdb_chunk_map_columns(TsdbChunkMap *map)
{
	return &map->key;
}

/* ---- boxes ---- */

void
tsdb_key_box_init(TsdbKeyBox *box)
{
	for (int i = 0; i < TSDB_BOX_DIMENSIONS; i++)
	{
		box->low[i] = 0;
		box->high[i] = PG_UINT64_MAX;
	}
}

void
tsdb_key_box_init_empty(TsdbKeyBox *box)
{
	for (int i = 0; i < TSDB_BOX_DIMENSIONS; i++)
	{
		box->low[i] = PG_UINT64_MAX;
		box->high[i] = 0;
	}
}

void
tsdb_key_box_add(const TsdbChunkMap *map, TsdbKeyBox *box, int column, Datum value)
{
	for (int i = 0; i < map->ndimensions; i++)
	{
		uint64		rank;

		if (map->dimensions[i] != column)
			continue;
		rank = tsdb_key_rank(&map->key.columns[column], value);
		box->low[i] = Min(box->low[i], rank);
		box->high[i] = Max(box->high[i], rank);
	}
}

static void
raise_low(uint64 *low, uint64 value)
{
	*low = Max(*low, value);
}

static void
lower_high(uint64 *high, uint64 value)
{
	*high = Min(*high, value);
}

void
tsdb_key_box_narrow(const TsdbChunkMap *map, TsdbKeyBox *box, int column, int strategy,
					Datum value)
{
	const TsdbKeyColumn *described = &map->key.columns[column];

	if (strategy != BTEqualStrategyNumber &&
		(described->rank == TSDB_RANK_BYTES || described->rank == TSDB_RANK_PADDED))
		return;
	for (int i = 0; i < map->ndimensions; i++)
	{
		uint64		rank;

		if (map->dimensions[i] != column)
			continue;
		rank = tsdb_key_rank(described, value);
		if (strategy != BTLessStrategyNumber && strategy != BTLessEqualStrategyNumber)
			raise_low(&box->low[i], rank);
		if (strategy != BTGreaterStrategyNumber && strategy != BTGreaterEqualStrategyNumber)
			lower_high(&box->high[i], rank);
	}
}

void
tsdb_key_box_equal(const TsdbChunkMap *map, TsdbKeyBox *box, int column, Datum value)
{
	tsdb_key_box_narrow(map, box, column, BTEqualStrategyNumber, value);
}

/* ---- reading the directory ---- */

/* Does a map that knows columns like these know the same ranges? */
static bool
same_columns(const TsdbKeyColumns *a, const TsdbKeyColumns *b)
{
	if (a->count != b->count)
		return false;
	for (int i = 0; i < a->count; i++)
	{
		const TsdbKeyColumn *left = &a->columns[i];
		const TsdbKeyColumn *right = &b->columns[i];

		if (left->attno != right->attno || left->length != right->length ||
			left->by_value != right->by_value || left->kind != right->kind ||
			left->rank != right->rank || left->type != right->type ||
			left->collation != right->collation)
			return false;
	}
	return true;
}

static void
choose_dimensions(TsdbChunkMap *map)
{
	map->ndimensions = 0;
	for (int i = 0; i < map->key.count && map->ndimensions < TSDB_BOX_DIMENSIONS; i++)
	{
		if (map->key.columns[i].rank != TSDB_RANK_NONE)
			map->dimensions[map->ndimensions++] = i;
	}
}

/* Remember who is at work: the map is to be read again when he ends. */
static void
add_pending(TsdbChunkMap *map, TransactionId xid)
{
	TransactionId top = SubTransGetTopmostTransaction(xid);

	for (int i = 0; i < map->npending; i++)
	{
		if (TransactionIdEquals(map->pending[i], top))
			return;
	}
	if (map->npending == map->pending_allocated)
	{
		map->pending_allocated = Max(map->pending_allocated * 2, 4);
		map->pending = map->pending == NULL ?
			MemoryContextAlloc(map->memory, map->pending_allocated * sizeof(TransactionId)) :
			repalloc(map->pending, map->pending_allocated * sizeof(TransactionId));
	}
	map->pending[map->npending++] = top;
}

static bool
has_pending_ended(const TsdbChunkMap *map)
{
	for (int i = 0; i < map->npending; i++)
	{
		if (tsdb_key_writer_ended(map->pending[i]))
			return true;
	}
	return false;
}

/* Does the map list this tuple?  Sets ref. */
static bool
is_listed(TsdbChunkMap *map, const TsdbChunkTuple *tuple, TsdbChunkRef *ref)
{
	ref->chunk = tuple->chunk;
	ref->generation = tuple->generation;
	ref->xmax = tuple->xmax;
	ref->gone = ref->uncommitted = false;

	if (!tuple->xmin_committed)
	{
		if (TransactionIdIsCurrentTransactionId(tuple->xmin))
			map->own = true;
		else if (TransactionIdIsInProgress(tuple->xmin))
		{
			add_pending(map, tuple->xmin);
			ref->uncommitted = true;
		}
		else if (!TransactionIdDidCommit(tuple->xmin))
			return false;
	}
	if (!TransactionIdIsValid(tuple->xmax))
		return true;
	if (TransactionIdIsCurrentTransactionId(tuple->xmax))
	{
		map->own = true;
		return true;
	}
	if (!tuple->xmax_committed)
	{
		if (TransactionIdIsInProgress(tuple->xmax))
		{
			add_pending(map, tuple->xmax);
			return true;
		}
		if (!TransactionIdDidCommit(tuple->xmax))
		{
			ref->xmax = InvalidTransactionId;
			return true;
		}
	}
	ref->gone = true;
	return !TransactionIdPrecedes(tuple->xmax, map->horizon);
}

/* What the statistics of a chunk say of its keys. */
static bool
read_box(TsdbChunkMap *map, TsdbStorage *storage, const TsdbChunkRef *ref, TsdbKeyBox *box)
{
	TsdbChunkEntry entry;
	TsdbChunkSummary *summary;

	if (!tsdb_directory_fetch(storage, ref->chunk, SnapshotAny, &entry) ||
		entry.generation != ref->generation)
		return false;
	summary = tsdb_directory_summary(storage, &entry);
	tsdb_key_box_init(box);
	for (int i = 0; i < map->ndimensions; i++)
	{
		const TsdbKeyColumn *column = &map->key.columns[map->dimensions[i]];
		const TsdbColumnStats *stats;

		if (column->attno > summary->natts)
			continue;
		stats = &summary->columns[column->attno - 1];
		if (!stats->has_range || stats->nnulls > 0)
			continue;
		box->low[i] = tsdb_key_rank(column, stats->min);
		box->high[i] = tsdb_key_rank(column, stats->max);
	}
	return true;
}

/* ---- filters ---- */

static Size
filter_bytes(uint32 mask)
{
	return offsetof(SeriesFilter, bits) + (mask / 64 + 1) * sizeof(uint64);
}

static uint32
second_bit(uint32 hash)
{
	return hash >> 16;
}

static bool
may_hold(const SeriesFilter *filter, uint32 series)
{
	uint32		a = series & filter->mask;
	uint32		b = second_bit(series) & filter->mask;

	return (filter->bits[a / 64] >> (a % 64) & filter->bits[b / 64] >> (b % 64) & 1) != 0;
}

void
tsdb_chunk_map_learn(TsdbChunkMap *map, const TsdbChunkRef *ref, const uint32 *series,
					 uint32 nrows)
{
	uint32		runs = 1;
	SeriesFilter *filter;
	uint32		mask;

	if (ref->place >= map->count || map->refs[ref->place].generation != ref->generation ||
		map->filters[ref->place] != NULL || map->key.nseries == 0)
		return;
	for (uint32 i = 1; i < nrows; i++)
		runs += series[i] != series[i - 1];
	if (runs > FILTER_SERIES_MAX)
		return;

	mask = Max(pg_nextpower2_32(runs * 16), 64) - 1;
	filter = MemoryContextAllocZero(map->memory, filter_bytes(mask));
	filter->mask = mask;
	for (uint32 i = 0; i < nrows; i++)
	{
		uint32		a = series[i] & mask;
		uint32		b = second_bit(series[i]) & mask;

		if (i > 0 && series[i] == series[i - 1])
			continue;
		filter->bits[a / 64] |= UINT64CONST(1) << (a % 64);
		filter->bits[b / 64] |= UINT64CONST(1) << (b % 64);
	}
	map->filters[ref->place] = filter;
}

static SeriesFilter *
copy_filter(MemoryContext memory, const SeriesFilter *filter)
{
	Size		bytes;
	SeriesFilter *copy;

	if (filter == NULL)
		return NULL;
	bytes = filter_bytes(filter->mask);
	copy = MemoryContextAlloc(memory, bytes);
	memcpy(copy, filter, bytes);
	return copy;
}

/* ---- reading the directory, chunk by chunk ---- */

/* Take a chunk into the map, from what the old one knows if it can be. */
static void
add_chunk(TsdbChunkMap *map, const TsdbChunkMap *old, uint32 *old_position,
		  TsdbStorage *storage, const TsdbChunkRef *ref, uint32 *allocated,
		  MemoryContext scratch)
{
	if (map->count == *allocated)
	{
		*allocated = Max(*allocated * 2, 256);
		map->refs = map->refs == NULL ?
			MemoryContextAllocHuge(map->memory, *allocated * sizeof(TsdbChunkRef)) :
			repalloc_huge(map->refs, *allocated * sizeof(TsdbChunkRef));
		map->boxes = map->boxes == NULL ?
			MemoryContextAllocHuge(map->memory, *allocated * sizeof(TsdbKeyBox)) :
			repalloc_huge(map->boxes, *allocated * sizeof(TsdbKeyBox));
		map->filters = map->filters == NULL ?
			MemoryContextAllocHuge(map->memory, *allocated * sizeof(SeriesFilter *)) :
			repalloc_huge(map->filters, *allocated * sizeof(SeriesFilter *));
	}
	map->filters[map->count] = NULL;
	while (old != NULL && *old_position < old->count &&
		   old->refs[*old_position].chunk < ref->chunk)
		(*old_position)++;
	if (old != NULL && *old_position < old->count &&
		old->refs[*old_position].chunk == ref->chunk &&
		old->refs[*old_position].generation == ref->generation)
	{
		map->boxes[map->count] = old->boxes[*old_position];
		map->filters[map->count] = copy_filter(map->memory, old->filters[*old_position]);
	}
	else
	{
		MemoryContext caller = MemoryContextSwitchTo(scratch);
		bool		found = read_box(map, storage, ref, &map->boxes[map->count]);

		MemoryContextSwitchTo(caller);
		MemoryContextReset(scratch);
		if (!found)
			return;
	}
	map->refs[map->count] = *ref;
	map->refs[map->count].place = map->count;
	map->count++;
}

static void
read_directory(TsdbChunkMap *map, const TsdbChunkMap *old, TsdbStorage *storage)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "tsdb map reading",
												  ALLOCSET_DEFAULT_SIZES);
	BlockNumber nblocks = tsdb_directory_blocks(storage);
	TsdbChunkTuple tuples[TSDB_DIRECTORY_SLOTS];
	uint32		old_position = 0;
	uint32		allocated = 0;

	for (BlockNumber block = 0; block < nblocks; block++)
	{
		int			count = tsdb_directory_page_tuples(storage, block, tuples);

		for (int i = 0; i < count; i++)
		{
			TsdbChunkRef ref;

			if (is_listed(map, &tuples[i], &ref))
				add_chunk(map, old, &old_position, storage, &ref, &allocated, scratch);
		}
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextDelete(scratch);
}

/* The oldest transaction that a snapshot of ours may see running. */
static TransactionId
snapshot_horizon(Relation table)
{
	return TransactionIdIsNormal(TransactionXmin) ? TransactionXmin :
		GetOldestNonRemovableTransactionId(table);
}

/*
 * Make a map.  The note is read before the directory: what is committed after
 * that makes the note another one, or ends a writer that is remembered.
 */
static TsdbChunkMap *
read_map(Relation index, Relation table, const TsdbChunkMap *old)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb chunk map",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(memory);
	TsdbChunkMap *map = palloc0(sizeof(TsdbChunkMap));
	TsdbStorage *storage;

	map->memory = memory;
	map->index = RelationGetRelid(index);
	map->table = RelationGetRelid(table);
	map->index_node = index->rd_node;
	map->table_node = table->rd_node;
	tsdb_key_columns_init(index, table, &map->key);
	choose_dimensions(map);
	if (old != NULL && !same_columns(&map->key, &old->key))
		old = NULL;

	map->stale = RecoveryInProgress();	/* notes mean nothing yet */
	map->own_writes = tsdb_directory_writes;
	map->horizon = snapshot_horizon(table);
	tsdb_key_note_read(index, &map->note);
	if (TransactionIdIsValid(map->note.writer))
	{
		map->own = TransactionIdIsCurrentTransactionId(map->note.writer);
		map->at_work = !map->own && TransactionIdIsInProgress(map->note.writer);
		if (map->at_work)
			add_pending(map, map->note.writer);
	}

	storage = tsdb_storage_open(table, AccessShareLock);
	if (storage != NULL)
	{
		read_directory(map, old, storage);
		tsdb_storage_close(storage);
	}
	map->tree = tsdb_box_tree_build(map->boxes, map->count, map->ndimensions);
	map->version = ++last_version;
	map->signature = old != NULL ? old->signature : ++last_signature;
	MemoryContextSwitchTo(caller);
	return map;
}

/* Is what a map says still so? */
static bool
is_current(const TsdbChunkMap *map, Relation index, Relation table)
{
	TsdbKeyNote note;

	if (map->stale || RecoveryInProgress() || map->table != RelationGetRelid(table) ||
		!RelFileNodeEquals(map->index_node, index->rd_node) ||
		!RelFileNodeEquals(map->table_node, table->rd_node) ||
		TransactionIdPrecedes(snapshot_horizon(table), map->horizon))
		return false;

	tsdb_key_note_read(index, &note);
	if (note.loads != map->note.loads || has_pending_ended(map))
		return false;
	if (TransactionIdIsValid(note.writer) && TransactionIdIsCurrentTransactionId(note.writer))
		return note.changes == map->note.changes && map->own_writes == tsdb_directory_writes;
	return tsdb_key_note_is_quiet(&map->note, map->at_work, &note);
}

/*
 * Was no row on its way while the directory was read, from chunks that had been replaced when
 * they were looked at to ones that had not been there yet?
 */
static bool
was_quiet(const TsdbChunkMap *map, Relation index)
{
	TsdbKeyNote note;

	if (RecoveryInProgress())
		return true;
	tsdb_key_note_read(index, &note);
	return tsdb_key_note_is_quiet(&map->note, map->at_work, &note);
}

TsdbChunkMap *
tsdb_chunk_map_get(Relation index, Relation table)
{
	int			place = 0;
	TsdbChunkMap *known;
	TsdbChunkMap *map;

	/* Rows that we have in hand ourselves are written first. */
	if (tsdb_storage_before_open != NULL)
		tsdb_storage_before_open(table);
	for (int i = 0; i < MAPS_MAX; i++)
	{
		if (maps[i] != NULL && maps[i]->index == RelationGetRelid(index))
		{
			maps[i]->used = ++uses;
			if (is_current(maps[i], index, table))
				return maps[i];
			place = i;
			break;
		}
		if (maps[i] == NULL ? maps[place] != NULL :
			maps[place] != NULL && maps[i]->used < maps[place]->used)
			place = i;
	}

	known = maps[place] != NULL && maps[place]->index == RelationGetRelid(index) ?
		maps[place] : NULL;
	for (;;)
	{
		map = read_map(index, table, known);
		MemoryContextSetParent(map->memory, TopMemoryContext);
		map->used = ++uses;
		if (maps[place] != NULL)
			MemoryContextDelete(maps[place]->memory);
		maps[place] = known = map;
		if (was_quiet(map, index))
			return map;
		CHECK_FOR_INTERRUPTS();
	}
}

/* ---- look-up ---- */

static void
add_found(TsdbChunkRefs *found, const TsdbChunkRef *ref)
{
	if (found->count == found->allocated)
	{
		TsdbChunkRef *more = palloc(found->allocated * 2 * sizeof(TsdbChunkRef));

		memcpy(more, found->refs, found->count * sizeof(TsdbChunkRef));
		if (found->refs != found->few)
			pfree(found->refs);
		found->refs = more;
		found->allocated *= 2;
	}
	found->refs[found->count++] = *ref;
}

void
tsdb_chunk_map_find(const TsdbChunkMap *map, const TsdbKeyBox *box, const uint32 *series,
					Snapshot snapshot, TsdbChunkRefs *found)
{
	TsdbBoxSearch search;
	uint32		item;

	found->count = 0;
	found->refs = found->few;
	found->allocated = lengthof(found->few);
	if (map->count == 0)
		return;
	tsdb_box_search_begin(map->tree, box, &search);
	while (tsdb_box_search_next(&search, &item))
	{
		const TsdbChunkRef *ref = &map->refs[item];

		if (series != NULL && map->filters[item] != NULL &&
			!may_hold(map->filters[item], *series))
			continue;

		/* Had it been committed before the snapshot was taken, the map would be another one. */
		if (ref->uncommitted && snapshot != NULL && IsMVCCSnapshot(snapshot))
			continue;
		if (!ref->gone ||
			(snapshot != NULL && IsMVCCSnapshot(snapshot) &&
			 XidInMVCCSnapshot(ref->xmax, snapshot)))
			add_found(found, ref);
	}
}
