/*
 * storage.c
 *		What stands behind one table: directory, marks, moves and shards.
 */
#include "postgres.h"

#include "store/storage.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/tablecmds.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "store/directory.h"
#include "store/internal.h"
#include "store/marks.h"
#include "store/moves.h"
#include "store/pieces.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/relfilenodemap.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#define DIRECTORY_NAME	"tsdb_directory_%u_%u"	/* tablespace, relfilenode */

/* These tell our locks from others on the table's OID, and from each other. */
#define GROWTH_SUBID	1
#define ADDING_SUBID	2
#define KEYS_SUBID		3

#define STORAGE_RELATIONS	5	/* directory, marks, their indexes, moves */

int			tsdb_shards = TSDB_SHARDS_DEFAULT;
void		(*tsdb_storage_before_open) (Relation table) = NULL;

/* Tables dropped by this session whose storage is still there. */
typedef struct DroppedTable
{
	Oid			namespace_oid;	/* of a temporary table, else invalid */
	Oid			tablespace;
	Oid			filenode;
} DroppedTable;

static List *dropped_tables = NIL;	/* of DroppedTable, in TopMemoryContext */
static bool look_for_orphans = false;

static void
directory_name(char *name, Oid tablespace, Oid filenode)
{
	snprintf(name, NAMEDATALEN, DIRECTORY_NAME, tablespace, filenode);
}

/*
 * Storages found lately, and what is known of each.  It is right until the
 * relation cache hears of any change at all.
 */
#define CACHED_STORAGES		64

typedef struct CachedStorage
{
	Oid			relid;
	Oid			tablespace;
	Oid			filenode;
	Oid			identity;
	TsdbStorageFacts facts;
} CachedStorage;

static CachedStorage storage_cache[CACHED_STORAGES];

static void
forget_storages(Datum arg, Oid relid)
{
	memset(storage_cache, 0, sizeof(storage_cache));
}

void
tsdb_storage_init(void)
{
	CacheRegisterRelcacheCallback(forget_storages, (Datum) 0);
}

static CachedStorage *
cached_storage(Relation table)
{
	return &storage_cache[RelationGetRelid(table) % CACHED_STORAGES];
}

/* OID of the directory for a table's present relfilenode. */
static Oid
directory_oid(Relation table)
{
	char		name[NAMEDATALEN];

	directory_name(name, table->rd_rel->reltablespace, table->rd_rel->relfilenode);
	return tsdb_internal_lookup(tsdb_internal_namespace(table), name);
}

/* Open the directory that the cache remembers, if it is still the right one. */
static Relation
open_cached_directory(Relation table, LOCKMODE lockmode)
{
	CachedStorage *cached = cached_storage(table);
	Oid			identity = cached->identity;
	Relation	rel;

	if (cached->relid != RelationGetRelid(table))
		return NULL;
	rel = try_relation_open(identity, lockmode);
	if (rel == NULL)
		return NULL;

	/* Getting the lock may have brought news. */
	if (cached->relid == RelationGetRelid(table) && cached->identity == identity &&
		cached->tablespace == table->rd_rel->reltablespace &&
		cached->filenode == table->rd_rel->relfilenode)
		return rel;
	relation_close(rel, lockmode);
	return NULL;
}

TsdbStorage *
tsdb_storage_open(Relation table, LOCKMODE lockmode)
{
	Relation	directory;
	TsdbStorage *storage;

	if (tsdb_storage_before_open != NULL)
		tsdb_storage_before_open(table);
	directory = open_cached_directory(table, lockmode);
	if (directory == NULL)
	{
		Oid			oid = directory_oid(table);

		if (!OidIsValid(oid))
			return NULL;
		directory = table_open(oid, lockmode);
		*cached_storage(table) = (CachedStorage)
		{
			.relid = RelationGetRelid(table),
			.tablespace = table->rd_rel->reltablespace,
			.filenode = table->rd_rel->relfilenode,
			.identity = oid
		};
	}
	storage = palloc0(sizeof(TsdbStorage));
	storage->table = table;
	storage->identity = RelationGetRelid(directory);
	storage->directory = directory;
	storage->facts = cached_storage(table)->facts;
	storage->lockmode = lockmode == AccessShareLock ? AccessShareLock : RowExclusiveLock;
	return storage;
}

void
tsdb_storage_remember(TsdbStorage *storage)
{
	CachedStorage *cached = cached_storage(storage->table);

	if (cached->relid == RelationGetRelid(storage->table) &&
		cached->identity == storage->identity)
		cached->facts = storage->facts;
}

bool
tsdb_storage_lock_growth(Relation table, bool wait)
{
	Oid			relid = RelationGetRelid(table);

	if (!wait)
		return ConditionalLockDatabaseObject(RelationRelationId, relid, GROWTH_SUBID,
											 ExclusiveLock);
	LockDatabaseObject(RelationRelationId, relid, GROWTH_SUBID, ExclusiveLock);
	return true;
}

void
tsdb_storage_lock_keys(Relation table)
{
	LockDatabaseObject(RelationRelationId, RelationGetRelid(table), KEYS_SUBID, ExclusiveLock);
}

void
tsdb_storage_unlock_keys(Relation table)
{
	UnlockDatabaseObject(RelationRelationId, RelationGetRelid(table), KEYS_SUBID, ExclusiveLock);
}

TsdbStorage *
tsdb_storage_open_or_create(Relation table, LOCKMODE lockmode)
{
	TsdbStorage *storage = tsdb_storage_open(table, lockmode);
	char		name[NAMEDATALEN];
	char		index_name[NAMEDATALEN];
	Oid			identity;

	if (storage != NULL)
		return storage;
	(void) tsdb_storage_lock_growth(table, true);
	storage = tsdb_storage_open(table, lockmode);
	if (storage != NULL)
		return storage;

	directory_name(name, table->rd_rel->reltablespace, table->rd_rel->relfilenode);
	identity = tsdb_internal_create(table, name, tsdb_directory_tupdesc());
	snprintf(index_name, NAMEDATALEN, "tsdb_directory_%u_none", identity);
	tsdb_internal_create_empty_index(identity, index_name);

	snprintf(name, NAMEDATALEN, "tsdb_marks_%u", identity);
	snprintf(index_name, NAMEDATALEN, "tsdb_marks_%u_row", identity);
	tsdb_internal_create_index(tsdb_internal_create(table, name, tsdb_marks_tupdesc()),
							   index_name, TSDB_MARKS_KEY);

	snprintf(name, NAMEDATALEN, "tsdb_moves_%u", identity);
	tsdb_internal_create(table, name, tsdb_moves_tupdesc());

	storage = tsdb_storage_open(table, lockmode);
	if (storage == NULL)
		elog(ERROR, "directory of table \"%s\" not found after its creation",
			 RelationGetRelationName(table));
	return storage;
}

void
tsdb_storage_close(TsdbStorage *storage)
{
	if (storage->shards != NULL)
	{
		for (int i = 0; i < TSDB_SHARDS_MAX; i++)
		{
			if (storage->shards[i] != NULL)
				tsdb_internal_close(storage->shards[i]);
		}
		pfree(storage->shards);
	}
	if (storage->moves != NULL)
		tsdb_internal_close(storage->moves);
	if (storage->marks_index != NULL)
		tsdb_internal_close(storage->marks_index);
	if (storage->marks != NULL)
		tsdb_internal_close(storage->marks);
	table_close(storage->directory, NoLock);
	pfree(storage);
}

/* Open the member relation of this name, NULL if there is none.  What the
 * catalog cache has not heard of yet is found if surely is true. */
static Relation
open_if_exists(TsdbStorage *storage, const char *name, bool surely, LOCKMODE lockmode)
{
	Oid			namespace_oid = RelationGetNamespace(storage->directory);
	Oid			oid = get_relname_relid(name, namespace_oid);

	if (!OidIsValid(oid) && surely)
		oid = tsdb_internal_lookup(namespace_oid, name);
	if (!OidIsValid(oid) || !tsdb_internal_is_oid(oid))
		return NULL;
	if (lockmode != NoLock)
		LockRelationOid(oid, lockmode);
	return tsdb_internal_open(oid);
}

/* Open the relation of this kind, which every storage has. */
static Relation
open_member(TsdbStorage *storage, const char *kind, Oid *known, LOCKMODE lockmode)
{
	char		name[NAMEDATALEN];
	Relation	rel;

	if (OidIsValid(*known))
	{
		if (lockmode != NoLock)
			LockRelationOid(*known, lockmode);
		rel = tsdb_internal_open(*known);
		if (rel != NULL)
			return rel;
	}
	snprintf(name, NAMEDATALEN, "tsdb_%s_%u", kind, storage->identity);
	rel = open_if_exists(storage, name, true, lockmode);
	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("internal relation \"%s\" of table \"%s\" is missing",
						name, RelationGetRelationName(storage->table)),
				 errhint("Restore the table from a backup.")));
	*known = RelationGetRelid(rel);
	tsdb_storage_remember(storage);
	return rel;
}

/*
 * A statement that scans before it changes or locks what it found must not ask
 * for more than it has then: REINDEX of the marks would wait for the former
 * lock while we wait for it.
 */
static LOCKMODE
marks_lockmode(TsdbStorage *storage)
{
	return CheckRelationLockedByMe(storage->table, RowShareLock, true) ?
		RowExclusiveLock : AccessShareLock;
}

Relation
tsdb_storage_marks(TsdbStorage *storage)
{
	if (storage->marks == NULL)
	{
		if (storage->lockmode == AccessShareLock)
			storage->lockmode = marks_lockmode(storage);
		storage->marks = open_member(storage, "marks", &storage->facts.marks,
									 storage->lockmode);
	}
	return storage->marks;
}

Relation
tsdb_storage_marks_index(TsdbStorage *storage)
{
	if (storage->marks_index == NULL)
		storage->marks_index = tsdb_internal_open_index(tsdb_storage_marks(storage),
														storage->lockmode);
	if (storage->marks_index == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("index of internal relation \"%s\" is missing",
						RelationGetRelationName(storage->marks))));
	return storage->marks_index;
}

Relation
tsdb_storage_moves(TsdbStorage *storage)
{
	if (storage->moves == NULL)
		storage->moves = open_member(storage, "moves", &storage->facts.moves, NoLock);
	return storage->moves;
}

Relation
tsdb_storage_shard(TsdbStorage *storage, int shard, TsdbShardLookup lookup)
{
	char		name[NAMEDATALEN];

	if (shard < 0 || shard >= TSDB_SHARDS_MAX)
		return NULL;
	if (storage->shards == NULL)
		storage->shards = MemoryContextAllocZero(GetMemoryChunkContext(storage),
												 TSDB_SHARDS_MAX * sizeof(Relation));
	if (storage->shards[shard] != NULL)
		return storage->shards[shard];

	snprintf(name, NAMEDATALEN, "tsdb_shard_%u_%d", storage->identity, shard);
	storage->shards[shard] = open_if_exists(storage, name, lookup != TSDB_SHARD_IF_KNOWN,
											NoLock);
	if (storage->shards[shard] == NULL && lookup == TSDB_SHARD_CREATE)
	{
		(void) tsdb_storage_lock_growth(storage->table, true);
		storage->shards[shard] = open_if_exists(storage, name, true, NoLock);
		if (storage->shards[shard] != NULL)
			return storage->shards[shard];
		tsdb_internal_create(storage->table, name, tsdb_pieces_tupdesc());
		storage->shards[shard] = open_if_exists(storage, name, true, NoLock);
		if (storage->shards[shard] == NULL)
			elog(ERROR, "relation \"%s\" not found after its creation", name);
	}
	return storage->shards[shard];
}

bool
tsdb_storage_is_complete(TsdbStorage *storage)
{
	for (int shard = 0; shard < tsdb_shards; shard++)
	{
		if (tsdb_storage_shard(storage, shard, TSDB_SHARD_IF_EXISTS) == NULL)
			return false;
	}
	return true;
}

static bool
is_new(Relation rel)
{
	return rel != NULL && rel->rd_createSubid != InvalidSubTransactionId;
}

bool
tsdb_storage_is_new(const TsdbStorage *storage)
{
	for (int shard = 0; shard < TSDB_SHARDS_MAX && storage->shards != NULL; shard++)
	{
		if (is_new(storage->shards[shard]))
			return true;
	}
	return is_new(storage->directory);
}

bool
tsdb_storage_lock_additions(Relation table)
{
	return ConditionalLockDatabaseObject(RelationRelationId, RelationGetRelid(table),
										 ADDING_SUBID, AccessExclusiveLock);
}

TsdbStorage *
tsdb_storage_open_to_add(Relation table, const bool *shards, bool make, int *made)
{
	TsdbStorage *storage;

	LockDatabaseObject(RelationRelationId, RelationGetRelid(table), ADDING_SUBID,
					   RowExclusiveLock);
	storage = tsdb_storage_open(table, RowExclusiveLock);
	if (storage == NULL)
	{
		if (!make || !tsdb_storage_lock_growth(table, false))
			return NULL;
		storage = tsdb_storage_open_or_create(table, RowExclusiveLock);
		*made += STORAGE_RELATIONS;
	}
	for (int shard = 0; shard < TSDB_SHARDS_MAX; shard++)
	{
		if (!shards[shard] || tsdb_storage_shard(storage, shard, TSDB_SHARD_IF_EXISTS) != NULL)
			continue;
		if (!make || !tsdb_storage_lock_growth(table, false))
		{
			tsdb_storage_close(storage);
			return NULL;
		}
		(void) tsdb_storage_shard(storage, shard, TSDB_SHARD_CREATE);
		*made += 1;
	}
	return storage;
}

void
tsdb_storage_open_members(TsdbStorage *storage)
{
	if (storage->all_open)
		return;
	for (int shard = 0; shard < TSDB_SHARDS_MAX; shard++)
		(void) tsdb_storage_shard(storage, shard, TSDB_SHARD_IF_EXISTS);
	(void) tsdb_storage_marks_index(storage);
	(void) tsdb_storage_moves(storage);
	storage->all_open = true;
}

BlockNumber
tsdb_storage_shard_blocks(TsdbStorage *storage)
{
	BlockNumber blocks = 0;

	for (int shard = 0; shard < TSDB_SHARDS_MAX; shard++)
	{
		Relation	rel = tsdb_storage_shard(storage, shard, TSDB_SHARD_IF_KNOWN);

		if (rel != NULL)
			blocks += RelationGetNumberOfBlocks(rel);
	}
	return blocks == 0 && RelationGetNumberOfBlocks(storage->directory) > 0 ? 1 : blocks;
}

bool
tsdb_storage_lock_shard(Relation shard)
{
	Oid			identity;
	int			number;

	if (sscanf(RelationGetRelationName(shard), "tsdb_shard_%u_%d", &identity, &number) != 2)
		return false;
	LockRelationOid(identity, AccessExclusiveLock);
	return true;
}

/* OIDs of all relations of a storage by the names they were given. */
static List *
relations_of(Oid namespace_oid, Oid identity)
{
	List	   *oids = list_make1_oid(identity);
	char		name[NAMEDATALEN];
	Oid			oid;

	snprintf(name, NAMEDATALEN, "tsdb_marks_%u", identity);
	if (OidIsValid(oid = tsdb_internal_lookup(namespace_oid, name)))
		oids = lappend_oid(oids, oid);
	snprintf(name, NAMEDATALEN, "tsdb_moves_%u", identity);
	if (OidIsValid(oid = tsdb_internal_lookup(namespace_oid, name)))
		oids = lappend_oid(oids, oid);
	for (int shard = 0; shard < TSDB_SHARDS_MAX; shard++)
	{
		snprintf(name, NAMEDATALEN, "tsdb_shard_%u_%d", identity, shard);
		if (OidIsValid(oid = tsdb_internal_lookup(namespace_oid, name)))
			oids = lappend_oid(oids, oid);
	}
	return oids;
}

List *
tsdb_storage_relations(TsdbStorage *storage)
{
	return relations_of(RelationGetNamespace(storage->directory), storage->identity);
}

void
tsdb_storage_rename(Relation table, Oid new_tablespace, Oid new_filenode)
{
	Oid			oid = directory_oid(table);
	char		name[NAMEDATALEN];

	if (!OidIsValid(oid))
		return;
	LockRelationOid(oid, AccessExclusiveLock);
	directory_name(name, new_tablespace, new_filenode);
	RenameRelationInternal(oid, name, true, false);
	CommandCounterIncrement();
}

void
tsdb_storage_drop(Relation table)
{
	Oid			oid = directory_oid(table);

	if (!OidIsValid(oid))
		return;
	LockRelationOid(oid, AccessExclusiveLock);
	tsdb_internal_drop(relations_of(tsdb_internal_namespace(table), oid));
	CommandCounterIncrement();
}

void
tsdb_storage_note_drop(Oid namespace_oid, Oid tablespace, Oid filenode)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	DroppedTable *dropped = palloc(sizeof(DroppedTable));

	dropped->namespace_oid = namespace_oid;
	dropped->tablespace = tablespace;
	dropped->filenode = filenode;
	dropped_tables = lappend(dropped_tables, dropped);
	MemoryContextSwitchTo(old);
}

void
tsdb_storage_at_abort(void)
{
	list_free_deep(dropped_tables);
	dropped_tables = NIL;
	look_for_orphans = false;
}

void
tsdb_storage_note_late_load(void)
{
	look_for_orphans = true;
}

/* Is this the name of a directory whose relfilenode belongs to no table? */
static bool
is_orphan_name(const char *name)
{
	Oid			tablespace;
	Oid			filenode;
	char		expected[NAMEDATALEN];

	if (sscanf(name, DIRECTORY_NAME, &tablespace, &filenode) != 2)
		return false;
	directory_name(expected, tablespace, filenode);
	return strcmp(expected, name) == 0 &&
		!OidIsValid(RelidByRelfilenode(tablespace, filenode));
}

Oid
tsdb_storage_table_of(Oid identity)
{
	char	   *name = get_rel_name(identity);
	Oid			tablespace;
	Oid			filenode;

	if (name == NULL || sscanf(name, DIRECTORY_NAME, &tablespace, &filenode) != 2)
		return InvalidOid;
	return RelidByRelfilenode(tablespace, filenode);
}

/*
 * Directories of schema _tsdb that belong to no table, locked.  Whoever gives a
 * table and its directory a new relfilenode holds the directory's lock until
 * it commits, so what counts is the name under which it is known once we have
 * that lock.
 */
static List *
orphaned_directories(Oid namespace_oid)
{
	Relation	rel = table_open(RelationRelationId, AccessShareLock);
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *candidates = NIL;
	List	   *orphans = NIL;
	ListCell   *lc;

	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		if (form->relnamespace == namespace_oid && tsdb_internal_is_oid(form->oid) &&
			is_orphan_name(NameStr(form->relname)))
			candidates = lappend_oid(candidates, form->oid);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);

	foreach(lc, candidates)
	{
		char	   *name;

		if (!ConditionalLockRelationOid(lfirst_oid(lc), AccessExclusiveLock))
			continue;			/* somebody is at work on it: it has a table */
		name = get_rel_name(lfirst_oid(lc));
		if (name != NULL && is_orphan_name(name))
			orphans = lappend_oid(orphans, lfirst_oid(lc));
		else
			UnlockRelationOid(lfirst_oid(lc), AccessExclusiveLock);
	}
	list_free(candidates);
	return orphans;
}

void
tsdb_storage_before_commit(void)
{
	List	   *drops = NIL;
	ListCell   *lc;

	if (dropped_tables == NIL && !look_for_orphans)
		return;

	foreach(lc, dropped_tables)
	{
		DroppedTable *dropped = lfirst(lc);
		char		name[NAMEDATALEN];
		Oid			namespace_oid;
		Oid			oid;

		/* Was the drop rolled back, or the swap that gave it this file? */
		if (OidIsValid(RelidByRelfilenode(dropped->tablespace, dropped->filenode)))
			continue;
		namespace_oid = OidIsValid(dropped->namespace_oid) ? dropped->namespace_oid :
			get_namespace_oid(TSDB_INTERNAL_SCHEMA, true);
		directory_name(name, dropped->tablespace, dropped->filenode);
		oid = tsdb_internal_lookup(namespace_oid, name);
		if (OidIsValid(oid))
			drops = list_concat_unique_oid(drops, relations_of(namespace_oid, oid));
	}
	list_free_deep(dropped_tables);
	dropped_tables = NIL;

	if (look_for_orphans && TransactionIdIsValid(GetTopTransactionIdIfAny()))
	{
		Oid			namespace_oid = get_namespace_oid(TSDB_INTERNAL_SCHEMA, true);

		if (OidIsValid(namespace_oid))
		{
			foreach(lc, orphaned_directories(namespace_oid))
				drops = list_concat_unique_oid(drops,
											   relations_of(namespace_oid, lfirst_oid(lc)));
		}
	}
	look_for_orphans = false;

	if (drops != NIL)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		tsdb_internal_drop(drops);
		PopActiveSnapshot();
	}
}
