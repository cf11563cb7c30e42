/*
 * column_counts.c
 *		How often columns of tables were looked for in the cache.
 */
#include "postgres.h"

#include "cache/column_counts.h"

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#define COLUMNS_MAX		8192	/* with counters; what is more is counted in the sums only */

typedef struct ColumnKey
{
	Oid			dboid;
	Oid			relid;
	int32		attno;
} ColumnKey;

typedef struct SharedColumn
{
	ColumnKey	key;
	TsdbColumnCounts counts;
} SharedColumn;

static HTAB *shared_columns = NULL; /* under shared_lock */
static LWLock *shared_lock = NULL;

static HTAB *tables = NULL;		/* of this session */
static slist_head changed_tables = SLIST_STATIC_INIT(changed_tables);

/* ---- in this session ---- */

TsdbTableCounts *
tsdb_column_counts_of(Oid relid, int natts)
{
	TsdbTableCounts *table;
	bool		found;

	if (tables == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(Oid),.entrysize = sizeof(TsdbTableCounts)};

		tables = hash_create("tsdb working set of tables", 16, &control, HASH_ELEM | HASH_BLOBS);
	}
	table = hash_search(tables, &relid, HASH_ENTER, &found);
	if (!found)
	{
		table->natts = 0;
		table->changed = false;
		table->columns = NULL;
	}
	if (table->natts < natts)
	{
		TsdbColumnCounts *columns = MemoryContextAllocExtended(TopMemoryContext,
															   natts * sizeof(TsdbColumnCounts),
															   MCXT_ALLOC_ZERO | MCXT_ALLOC_NO_OOM);

		/* without memory, columns are counted in the sums only */
		if (columns != NULL)
		{
			if (table->columns != NULL)
			{
				memcpy(columns, table->columns, table->natts * sizeof(TsdbColumnCounts));
				pfree(table->columns);
			}
			table->columns = columns;
			table->natts = natts;
		}
	}
	return table;
}

TsdbColumnCounts *
tsdb_column_counts_change(TsdbTableCounts *table, AttrNumber attno)
{
	if (attno > table->natts)
		return NULL;
	if (!table->changed)
	{
		table->changed = true;
		slist_push_head(&changed_tables, &table->next_changed);
	}
	return &table->columns[attno - 1];
}

/* ---- in shared memory ---- */

static void
publish_table(TsdbTableCounts *table)
{
	for (int i = 0; i < table->natts; i++)
	{
		TsdbColumnCounts *counts = &table->columns[i];
		ColumnKey	key = {MyDatabaseId, table->relid, i + 1};
		SharedColumn *column;
		bool		found;

		if (counts->hits + counts->spill_hits + counts->misses == 0)
			continue;
		column = hash_search(shared_columns, &key,
							 hash_get_num_entries(shared_columns) < COLUMNS_MAX ?
							 HASH_ENTER_NULL : HASH_FIND, &found);
		if (column != NULL)
		{
			if (!found)
				memset(&column->counts, 0, sizeof(column->counts));
			column->counts.hits += counts->hits;
			column->counts.spill_hits += counts->spill_hits;
			column->counts.misses += counts->misses;
		}
		memset(counts, 0, sizeof(TsdbColumnCounts));
	}
	table->changed = false;
}

bool
tsdb_column_counts_publish(void)
{
	if (slist_is_empty(&changed_tables) || !LWLockConditionalAcquire(shared_lock, LW_EXCLUSIVE))
		return false;
	while (!slist_is_empty(&changed_tables))
		publish_table(slist_container(TsdbTableCounts, next_changed,
									  slist_pop_head_node(&changed_tables)));
	LWLockRelease(shared_lock);
	return true;
}

int
tsdb_column_counts_list(TsdbColumnUse **columns)
{
	HASH_SEQ_STATUS status;
	SharedColumn *column;
	int			count = 0;

	*columns = NULL;
	if (shared_columns == NULL)
		return 0;
	/* before the lock is taken: what can fail */
	*columns = palloc(COLUMNS_MAX * sizeof(TsdbColumnUse));
	LWLockAcquire(shared_lock, LW_SHARED);
	hash_seq_init(&status, shared_columns);
	while ((column = hash_seq_search(&status)) != NULL)
	{
		if (column->key.dboid == MyDatabaseId)
			(*columns)[count++] = (TsdbColumnUse) {
				.relid = column->key.relid,
				.attno = column->key.attno,
				.counts = column->counts
			};
	}
	LWLockRelease(shared_lock);
	return count;
}

void
tsdb_column_counts_reset(void)
{
	HASH_SEQ_STATUS status;
	SharedColumn *column;

	LWLockAcquire(shared_lock, LW_EXCLUSIVE);
	hash_seq_init(&status, shared_columns);
	while ((column = hash_seq_search(&status)) != NULL)
		hash_search(shared_columns, &column->key, HASH_REMOVE, NULL);
	LWLockRelease(shared_lock);
}

Size
tsdb_column_counts_bytes(void)
{
	return hash_estimate_size(COLUMNS_MAX, sizeof(SharedColumn));
}

void
tsdb_column_counts_start(LWLock *lock)
{
	HASHCTL		control = {.keysize = sizeof(ColumnKey),.entrysize = sizeof(SharedColumn)};

	shared_columns = ShmemInitHash("tsdb working set of columns", COLUMNS_MAX, COLUMNS_MAX,
								   &control, HASH_ELEM | HASH_BLOBS);
	shared_lock = lock;
}
