/*
 * maintain.c
 *		VACUUM, sizes and estimates, and changes of a table's storage.
 *
 * VACUUM of a table is heap's VACUUM of its row store, then of the relations
 * behind it, then the recycling of chunk numbers: the directory's dead line
 * pointers are listed, every index of the table is cleaned of rows of those
 * chunks, and only then are the line pointers set free.
 */
#include "postgres.h"

#include "am/maintain.h"

#include <math.h>

#include "access/amapi.h"
#include "access/genam.h"
#include "access/heapam.h"
#include "access/multixact.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xloginsert.h"
#include "am/heap_shadow.h"
#include "am/key_index.h"
#include "am/page_survey.h"
#include "am/sample.h"
#include "am/truncate.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/storage.h"
#include "commands/tablecmds.h"
#include "commands/tablespace.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "optimizer/plancat.h"
#include "pgstat.h"
#include "postmaster/autovacuum.h"
#include "stats/stop_point.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/smgr.h"
#include "store/directory.h"
#include "store/directory_numbers.h"
#include "store/index_clean.h"
#include "store/internal.h"
#include "store/mark_scan.h"
#include "store/moves.h"
#include "store/storage.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "worker/merge.h"

/* ---- VACUUM ---- */

static bool
is_named(Relation rel, const char *prefix)
{
	return strncmp(RelationGetRelationName(rel), prefix, strlen(prefix)) == 0;
}

/* Is the relation so old that VACUUM must freeze tuples, or does the user want that? */
static bool
is_due_to_freeze(Relation rel, const VacuumParams *params)
{
	int			xids = params->freeze_table_age >= 0 ? params->freeze_table_age :
		vacuum_freeze_table_age;
	int			multixacts = params->multixact_freeze_table_age >= 0 ?
		params->multixact_freeze_table_age : vacuum_multixact_freeze_table_age;

	xids = Min(xids, autovacuum_freeze_max_age / 2);
	multixacts = Min(multixacts, autovacuum_multixact_freeze_max_age / 2);
	return params->is_wraparound || params->freeze_min_age == 0 ||
		(int32) (ReadNextTransactionId() - rel->rd_rel->relfrozenxid) >= xids ||
		(int32) (ReadNextMultiXactId() - rel->rd_rel->relminmxid) >= multixacts;
}

/* Report what VACUUM would have found in an idle shard. */
static void
report_idle(Relation rel, double tuples)
{
	bool		frozen;
	bool		minmulti;

	vac_update_relstats(rel, RelationGetNumberOfBlocks(rel), tuples, 0, false,
						InvalidTransactionId, InvalidMultiXactId, &frozen, &minmulti, false);
	pgstat_report_vacuum(RelationGetRelid(rel), rel->rd_rel->relisshared, tuples, 0);
}

/*
 * Internal relations are read without a lock of their own, so they are never
 * truncated here; and a directory's line pointers are recycled by
 * tsdb_relation_vacuum only.  Dead marks never wait for more of them, lest a few
 * keep the others' room from being given back, and what the user says of index
 * clean-up concerns the table's indexes.
 *
 * A shard in which nothing was ever deleted, as most are, has neither a free space
 * map nor a visibility map until its tuples are to be frozen.  The two take 32 kB,
 * which sixteen shards of a small table multiply, and would tell that its pages are full.
 */
void
tsdb_internal_vacuum(Relation rel, struct VacuumParams *params,
					 BufferAccessStrategy strategy)
{
	VacuumParams mine = *params;
	TsdbPageSurvey survey = tsdb_page_survey(rel, strategy);

	if (survey.damaged != InvalidBlockNumber)
	{
		ereport(WARNING,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("not vacuuming \"%s\": line pointers of page %u are damaged",
						RelationGetRelationName(rel), survey.damaged),
				 errhint("Run tsdb.verify() to see all that is damaged.")));
		return;
	}
	if (is_named(rel, "tsdb_shard_") && survey.idle && !is_due_to_freeze(rel, params))
	{
		report_idle(rel, survey.tuples);
		return;
	}
	mine.truncate = VACOPTVALUE_DISABLED;
	if (is_named(rel, "tsdb_directory_"))
		mine.index_cleanup = VACOPTVALUE_DISABLED;
	else if (is_named(rel, "tsdb_marks_"))
		mine.index_cleanup = VACOPTVALUE_ENABLED;
	heap_vacuum_rel(rel, &mine, strategy);
}

/* Set free the numbers of chunks that nobody can see any more. */
static void
recycle_chunk_numbers(Relation rel, TsdbStorage *storage, BufferAccessStrategy strategy)
{
	Bitmapset  *chunks = tsdb_directory_dead(storage);

	if (chunks != NULL)
		chunks = tsdb_mark_scan_without(storage, chunks, strategy);
	if (bms_is_empty(chunks))
		return;
	tsdb_index_clean(rel, chunks, strategy);
	tsdb_stop_point("vacuum_after_index");
	tsdb_directory_recycle(storage, chunks);
	tsdb_stop_point("vacuum_after_directory");
	bms_free(chunks);
}

/* Vacuum one relation behind the table, unless autovacuum is at it. */
static void
vacuum_member(Oid relid, VacuumParams *params, BufferAccessStrategy strategy)
{
	Relation	rel;

	if (!ConditionalLockRelationOid(relid, ShareUpdateExclusiveLock))
		return;
	rel = tsdb_internal_open(relid);
	if (rel != NULL)
	{
		tsdb_internal_vacuum(rel, params, strategy);
		tsdb_internal_close(rel);
	}
}

/* pg_class.reltuples as it is now; the relcache may lag behind. */
static double
stored_reltuples(Oid relid)
{
	Relation	pg_class = table_open(RelationRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	double		reltuples = 0;

	ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(pg_class, ClassOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		reltuples = ((Form_pg_class) GETSTRUCT(tuple))->reltuples;
	systable_endscan(scan);
	table_close(pg_class, AccessShareLock);
	return Max(reltuples, 0);
}

/* Heap has counted the rows of the row store; tell of the chunks' rows too. */
static void
report_counts(Relation rel, double chunk_rows, BlockNumber chunk_pages)
{
	double		total = stored_reltuples(RelationGetRelid(rel)) + chunk_rows;
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *lc;
	bool		frozen;
	bool		minmulti;

	vac_update_relstats(rel, RelationGetNumberOfBlocks(rel) + chunk_pages, total, 0,
						indexes != NIL, InvalidTransactionId, InvalidMultiXactId,
						&frozen, &minmulti, false);
	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), RowExclusiveLock);

		/* heap caps the entries of an index at the rows that it saw */
		if (RelationGetIndexPredicate(index) == NIL)
			vac_update_relstats(index, RelationGetNumberOfBlocks(index), total, 0, false,
								InvalidTransactionId, InvalidMultiXactId, &frozen,
								&minmulti, false);
		index_close(index, RowExclusiveLock);
	}
	list_free(indexes);
	pgstat_report_vacuum(RelationGetRelid(rel), rel->rd_rel->relisshared, total, 0);
}

void
tsdb_relation_vacuum(Relation rel, struct VacuumParams *params,
					 BufferAccessStrategy strategy)
{
	TsdbStorage *storage = tsdb_storage_open(rel, ShareUpdateExclusiveLock);
	double		rows;
	double		chunks;
	BlockNumber pages;
	ListCell   *lc;

	if (storage == NULL)
	{
		heap_vacuum_rel(rel, params, strategy);
		return;
	}

	/* Heap extrapolates to pages that it skips from the density it knows. */
	tsdb_directory_estimate(storage, &rows, &chunks, &pages);
	if (rel->rd_rel->reltuples > 0)
		rel->rd_rel->reltuples = Max(rel->rd_rel->reltuples - rows, 0);
	rel->rd_rel->relpages = Max(rel->rd_rel->relpages -
								(int32) tsdb_storage_shard_blocks(storage), 0);
	heap_vacuum_rel(rel, params, strategy);

	foreach(lc, tsdb_storage_relations(storage))
		vacuum_member(lfirst_oid(lc), params, strategy);
	tsdb_moves_trim(storage);
	if (params->index_cleanup != VACOPTVALUE_DISABLED)
		recycle_chunk_numbers(rel, storage, strategy);
	if (params->truncate != VACOPTVALUE_DISABLED)
		tsdb_truncate_members(storage, strategy);
	report_counts(rel, rows, tsdb_storage_shard_blocks(storage));
	if (params->truncate != VACOPTVALUE_DISABLED)
		tsdb_key_index_shrink(rel);
	tsdb_storage_close(storage);
}

/* ---- sizes ---- */

/*
 * Heap's code relies on this being the length of the main fork.  Only ANALYZE,
 * which samples as many blocks as it is told, gets to hear of the chunks.
 */
uint64
tsdb_relation_size(Relation rel, ForkNumber fork)
{
	uint64		bytes = table_block_relation_size(rel, fork);

	if (fork == MAIN_FORKNUM && tsdb_sample_in_analyze() && IsTransactionState())
	{
		TsdbStorage *storage = tsdb_storage_open(rel, AccessShareLock);

		if (storage != NULL)
		{
			bytes += (uint64) tsdb_storage_shard_blocks(storage) * BLCKSZ;
			tsdb_storage_close(storage);
		}
	}
	return bytes;
}

void
tsdb_relation_estimate_size(Relation rel, int32 *attr_widths, BlockNumber *pages,
							double *tuples, double *allvisfrac)
{
	TsdbStorage *storage = tsdb_storage_open(rel, AccessShareLock);
	double		rows;
	double		chunks;
	BlockNumber chunk_pages;
	BlockNumber heap_pages;

	if (storage == NULL)
	{
		GetHeapamTableAmRoutine()->relation_estimate_size(rel, attr_widths, pages,
														  tuples, allvisfrac);
		return;
	}

	/*
	 * relpages and reltuples were stored for both stores: less the chunks they
	 * give the density of the row store's pages.
	 */
	tsdb_directory_estimate(storage, &rows, &chunks, &chunk_pages);
	heap_pages = smgrnblocks(RelationGetSmgr(rel), MAIN_FORKNUM);
	*pages = heap_pages + chunk_pages;
	*tuples = rows;
	if (heap_pages > 0)
	{
		double		stored_pages = (double) rel->rd_rel->relpages -
		tsdb_storage_shard_blocks(storage);
		double		density;

		if (rel->rd_rel->reltuples >= 0 && stored_pages > 0)
			density = Max(rel->rd_rel->reltuples - rows, 0) / stored_pages;
		else
			density = (double) (BLCKSZ - SizeOfPageHeaderData) /
				(get_rel_data_width(rel, attr_widths) +
				 MAXALIGN(SizeofHeapTupleHeader) + sizeof(ItemIdData));
		*tuples += rint(density * heap_pages);
	}
	*allvisfrac = 0;
	tsdb_storage_close(storage);
}

/* Bytes of all forks that there are. */
static int64
relation_bytes(Relation rel)
{
	int64		blocks = 0;

	for (ForkNumber fork = 0; fork <= MAX_FORKNUM; fork++)
	{
		if (smgrexists(RelationGetSmgr(rel), fork))
			blocks += smgrnblocks(RelationGetSmgr(rel), fork);
	}
	return blocks * BLCKSZ;
}

int64
tsdb_table_bytes(Relation rel)
{
	int64		bytes = relation_bytes(rel);
	TsdbStorage *storage;
	ListCell   *lc;

	if (OidIsValid(rel->rd_rel->reltoastrelid))
	{
		Relation	toast = table_open(rel->rd_rel->reltoastrelid, AccessShareLock);
		List	   *indexes = RelationGetIndexList(toast);

		bytes += relation_bytes(toast);
		foreach(lc, indexes)
		{
			Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

			bytes += relation_bytes(index);
			index_close(index, AccessShareLock);
		}
		table_close(toast, AccessShareLock);
	}

	storage = tsdb_storage_open(rel, AccessShareLock);
	if (storage == NULL)
		return bytes;
	foreach(lc, tsdb_storage_relations(storage))
	{
		Relation	member = tsdb_internal_open(lfirst_oid(lc));
		Relation	index;

		if (member == NULL)
			continue;
		bytes += relation_bytes(member);
		index = tsdb_internal_open_index(member, AccessShareLock);
		if (index != NULL)
		{
			bytes += relation_bytes(index);
			tsdb_internal_close(index);
		}
		tsdb_internal_close(member);
	}
	tsdb_storage_close(storage);
	return bytes;
}

/* ---- changes of storage ---- */

/* TRUNCATE gives the table a new file; the chunks belong to the old one. */
void
tsdb_relation_set_new_filenode(Relation rel, const RelFileNode *node, char persistence,
							   TransactionId *freeze_xid, MultiXactId *min_multi)
{
	if (rel->rd_rel->relkind != RELKIND_TOASTVALUE &&
		RelFileNodeEquals(rel->rd_node, *node) == false)
		tsdb_storage_drop(rel);
	GetHeapamTableAmRoutine()->relation_set_new_filenode(rel, node, persistence,
														 freeze_xid, min_multi);
}

void
tsdb_relation_nontransactional_truncate(Relation rel)
{
	const bool	pushed = !ActiveSnapshotSet();

	/* ON COMMIT DELETE ROWS comes without a snapshot, which dropping needs. */
	if (pushed)
		PushActiveSnapshot(GetTransactionSnapshot());
	tsdb_storage_drop(rel);
	if (pushed)
		PopActiveSnapshot();
	GetHeapamTableAmRoutine()->relation_nontransactional_truncate(rel);
}

static void
set_tablespace(Oid relid, Oid tablespace)
{
	AlterTableCmd *command = makeNode(AlterTableCmd);

	command->subtype = AT_SetTableSpace;
	command->name = get_tablespace_name(tablespace);
	AlterTableInternal(relid, list_make1(command), false);
}

/* SET TABLESPACE: what stands behind the table moves along, and is found under
 * the table's new file from now on. */
void
tsdb_relation_copy_data(Relation rel, const RelFileNode *node)
{
	Oid			tablespace = node->spcNode == MyDatabaseTableSpace ? InvalidOid : node->spcNode;
	TsdbStorage *storage = tsdb_storage_open(rel, AccessExclusiveLock);
	List	   *members = NIL;
	ListCell   *lc;

	if (storage != NULL)
	{
		members = tsdb_storage_relations(storage);
		tsdb_storage_close(storage);
		tsdb_storage_rename(rel, tablespace, node->relNode);
	}
	foreach(lc, members)
	{
		Relation	member = table_open(lfirst_oid(lc), AccessExclusiveLock);
		List	   *indexes = RelationGetIndexList(member);
		ListCell   *index;

		table_close(member, NoLock);
		set_tablespace(lfirst_oid(lc), node->spcNode);
		foreach(index, indexes)
			set_tablespace(lfirst_oid(index), node->spcNode);
	}
	GetHeapamTableAmRoutine()->relation_copy_data(rel, node);
}

/* Let heap rewrite the row store; arguments as of relation_copy_for_cluster. */
static void
rewrite_row_store(Relation old_table, Relation new_table, Relation old_index,
				  bool use_sort, TransactionId oldest_xmin,
				  TransactionId *xid_cutoff, MultiXactId *multi_cutoff,
				  double *num_tuples, double *tups_vacuumed, double *tups_recently_dead)
{
	Relation	old_shadow = tsdb_heap_shadow_open(old_table);
	Relation	new_shadow = tsdb_heap_shadow_open(new_table);

	PG_TRY();
	{
		GetHeapamTableAmRoutine()->relation_copy_for_cluster(old_shadow, new_shadow,
															 old_index, use_sort,
															 oldest_xmin, xid_cutoff,
															 multi_cutoff, num_tuples,
															 tups_vacuumed,
															 tups_recently_dead);
	}
	PG_FINALLY();
	{
		tsdb_heap_shadow_close(old_shadow);
		tsdb_heap_shadow_close(new_shadow);
	}
	PG_END_TRY();
}

/* Number of the last column that has a value for rows without it, or 0. */
static int
last_missing_attribute(TupleDesc tupdesc)
{
	for (int natts = tupdesc->natts; natts > 0; natts--)
	{
		if (TupleDescAttr(tupdesc, natts - 1)->atthasmissing)
			return natts;
	}
	return 0;
}

/*
 * VACUUM FULL and CLUSTER rewrite the row store; the chunks, which are in
 * order and full already, go over to the new file as they are.
 */
void
tsdb_relation_copy_for_cluster(Relation old_table, Relation new_table, Relation old_index,
							   bool use_sort, TransactionId oldest_xmin,
							   TransactionId *xid_cutoff, MultiXactId *multi_cutoff,
							   double *num_tuples, double *tups_vacuumed,
							   double *tups_recently_dead)
{
	TsdbStorage *storage;
	int			natts = last_missing_attribute(RelationGetDescr(old_table));

	/* After a rewrite no row may be without columns: missing values are dropped. */
	if (natts > 0)
		tsdb_merge_short_chunks(old_table, natts);
	storage = tsdb_storage_open(old_table, AccessExclusiveLock);

	/*
	 * An index scan would find chunk rows too: sort, if that can be done. Entries of chunk rows may also be
	 * left of a first compaction that was rolled back, storage and all.
	 */
	if (old_index != NULL)
	{
		if (old_index->rd_rel->relam == BTREE_AM_OID)
			use_sort = true;
		else if (storage != NULL)
			old_index = NULL;
	}
	rewrite_row_store(old_table, new_table, old_index, use_sort, oldest_xmin, xid_cutoff,
					  multi_cutoff, num_tuples, tups_vacuumed, tups_recently_dead);

	if (storage != NULL)
	{
		double		rows;
		double		chunks;
		BlockNumber pages;

		tsdb_directory_estimate(storage, &rows, &chunks, &pages);
		*num_tuples += rows;
		tsdb_storage_close(storage);
		tsdb_storage_rename(old_table, new_table->rd_rel->reltablespace,
							new_table->rd_rel->relfilenode);
	}
}

/*
 * VACUUM FULL of a whole database comes by internal relations too.  References
 * by TID point into them, so they are copied page by page, as they are.
 */
void
tsdb_internal_copy_for_cluster(Relation old_table, Relation new_table, Relation old_index,
							   bool use_sort, TransactionId oldest_xmin,
							   TransactionId *xid_cutoff, MultiXactId *multi_cutoff,
							   double *num_tuples, double *tups_vacuumed,
							   double *tups_recently_dead)
{
	BlockNumber nblocks;
	SMgrRelation target;
	PGAlignedBlock copy;

	(void) tsdb_storage_lock_shard(old_table);
	nblocks = RelationGetNumberOfBlocks(old_table);
	target = RelationGetSmgr(new_table);
	for (BlockNumber block = 0; block < nblocks; block++)
	{
		Buffer		buffer = ReadBuffer(old_table, block);

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		memcpy(copy.data, BufferGetPage(buffer), BLCKSZ);
		UnlockReleaseBuffer(buffer);
		if (!PageIsNew((Page) copy.data))
		{
			PageClearAllVisible((Page) copy.data);
			if (RelationNeedsWAL(new_table))
				log_newpage(&new_table->rd_node, MAIN_FORKNUM, block, copy.data, true);
		}
		PageSetChecksumInplace((Page) copy.data, block);
		smgrextend(target, MAIN_FORKNUM, block, copy.data, true);
		CHECK_FOR_INTERRUPTS();
	}
	if (RelationNeedsWAL(new_table))
		smgrimmedsync(target, MAIN_FORKNUM);

	*xid_cutoff = old_table->rd_rel->relfrozenxid;
	*multi_cutoff = old_table->rd_rel->relminmxid;
	*num_tuples = Max(old_table->rd_rel->reltuples, 0);
	*tups_vacuumed = *tups_recently_dead = 0;
}

/* Shards are read without a lock of their own, so their files are not exchanged
 * while somebody may be reading. */
void
tsdb_internal_copy_data(Relation rel, const RelFileNode *node)
{
	(void) tsdb_storage_lock_shard(rel);
	GetHeapamTableAmRoutine()->relation_copy_data(rel, node);
}

/* Internal relations are made by the extension and by copies of its own. */
void
tsdb_internal_set_new_filenode(Relation rel, const RelFileNode *node, char persistence,
							   TransactionId *freeze_xid, MultiXactId *min_multi)
{
	Oid			namespace_oid = RelationGetNamespace(rel);

	if (!allowSystemTableMods && !IsBinaryUpgrade)
	{
		if (!isTempNamespace(namespace_oid) &&
			namespace_oid != get_namespace_oid(TSDB_INTERNAL_SCHEMA, true))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("access method \"%s\" is not for tables of users", TSDB_INTERNAL_AM),
					 errhint("Use access method tsdb.")));
		if (!RelFileNodeEquals(rel->rd_node, *node))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied: \"%s\" is an internal relation of tsdb",
							RelationGetRelationName(rel)),
					 errhint("TRUNCATE the table that it belongs to.")));
	}
	GetHeapamTableAmRoutine()->relation_set_new_filenode(rel, node, persistence, freeze_xid,
														 min_multi);
}

Oid
tsdb_relation_toast_am(Relation rel)
{
	return HEAP_TABLE_AM_OID;
}
