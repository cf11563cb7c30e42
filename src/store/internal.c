/*
 * internal.c
 *		Relations of the extension's own: create, find, open, drop.
 */
#include "postgres.h"

#include "store/internal.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/reloptions.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/heap.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* Owner of the extension; internal relations are its own. */
static Oid
extension_owner(Oid extension_oid)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			owner = BOOTSTRAP_SUPERUSERID;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension_oid));
	scan = systable_beginscan(rel, ExtensionOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		owner = ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return owner;
}

Oid
tsdb_internal_namespace(Relation table)
{
	if (table->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		return table->rd_rel->relnamespace;
	return get_namespace_oid(TSDB_INTERNAL_SCHEMA, true);
}

/* Storage parameters: indexes are not built in parallel, since concurrently that
 * would begin before writers can be made to wait. */
static Datum
no_parallel_workers(void)
{
	DefElem    *option = makeDefElem("parallel_workers", (Node *) makeInteger(0), -1);

	return transformRelOptions((Datum) 0, list_make1(option), NULL, NULL, false, false);
}

/*
 * The extension, locked so that DROP EXTENSION comes before us or finds what we
 * make.  It would lock the table next, which we hold, so we do not wait for it.
 */
static Oid
lock_extension(void)
{
	Oid			extension = get_extension_oid(TSDB_EXTENSION, false);

	if (!ConditionalLockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not obtain lock on extension \"%s\"", TSDB_EXTENSION),
				 errdetail("It is being dropped.")));
	return get_extension_oid(TSDB_EXTENSION, false);
}

Oid
tsdb_internal_create(Relation table, const char *name, TupleDesc tupdesc)
{
	Oid			extension = lock_extension();
	Oid			relid;

	relid = heap_create_with_catalog(name,
									 tsdb_internal_namespace(table),
									 table->rd_rel->reltablespace,
									 InvalidOid, InvalidOid, InvalidOid,
									 extension_owner(extension),
									 get_table_am_oid(TSDB_INTERNAL_AM, false),
									 tupdesc, NIL,
									 RELKIND_RELATION,
									 table->rd_rel->relpersistence,
									 false, false, ONCOMMIT_NOOP,
									 no_parallel_workers(), false, true, true,
									 RelationGetRelid(table), NULL);
	if (table->rd_rel->relpersistence != RELPERSISTENCE_TEMP)
	{
		ObjectAddress self;
		ObjectAddress owner;

		ObjectAddressSet(self, RelationRelationId, relid);
		ObjectAddressSet(owner, ExtensionRelationId, extension);
		recordDependencyOn(&self, &owner, DEPENDENCY_EXTENSION);
	}
	CommandCounterIncrement();
	return relid;
}

void
tsdb_internal_restore(Oid relid)
{
	Relation	rel = table_open(RelationRelationId, RowExclusiveLock);
	HeapTuple	tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(relid));

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	((Form_pg_class) GETSTRUCT(tuple))->relrewrite = relid;
	CatalogTupleUpdate(rel, &tuple->t_self, tuple);
	heap_freetuple(tuple);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

static void
create_index(Oid relid, const char *name, AttrNumber attno, List *predicate)
{
	Relation	rel = table_open(relid, AccessExclusiveLock);
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), attno - 1);
	IndexInfo  *info;
	Oid			collation = att->attcollation;
	Oid			opclass = GetDefaultOpClass(att->atttypid, BTREE_AM_OID);
	int16		option = 0;

	info = makeIndexInfo(1, 1, BTREE_AM_OID, NIL, predicate, false, false, true, false);
	info->ii_IndexAttrNumbers[0] = attno;
	index_create(rel, name, InvalidOid, InvalidOid, InvalidOid, InvalidOid, info,
				 list_make1(NameStr(att->attname)), BTREE_AM_OID,
				 rel->rd_rel->reltablespace, &collation, &opclass, &option,
				 (Datum) 0, 0, 0, true, true, NULL);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

void
tsdb_internal_create_index(Oid relid, const char *name, AttrNumber attno)
{
	create_index(relid, name, attno, NIL);
}

void
tsdb_internal_create_empty_index(Oid relid, const char *name)
{
	create_index(relid, name, 1, list_make1(makeBoolConst(false, false)));
}

/*
 * A snapshot of the present.  In parallel mode only the catalog's can be taken;
 * it is needed there too, since under REPEATABLE READ a leader may have changed
 * rows in chunks that are newer than the snapshot that it shares.
 */
static Snapshot
present_snapshot(void)
{
	if (!IsInParallelMode())
		return GetLatestSnapshot();
	InvalidateCatalogSnapshot();
	return GetNonHistoricCatalogSnapshot(RelationRelationId);
}

/*
 * A snapshot of its own, since a cached "there is none" may be older than the
 * caller's snapshot: a compaction that created the relation can become
 * visible before its invalidation message has arrived.
 */
Oid
tsdb_internal_lookup(Oid namespace_oid, const char *name)
{
	Relation	rel;
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	Snapshot	snapshot;
	NameData	relname;
	Oid			result = InvalidOid;

	if (!OidIsValid(namespace_oid))
		return InvalidOid;

	namestrcpy(&relname, name);
	rel = table_open(RelationRelationId, AccessShareLock);
	snapshot = RegisterSnapshot(present_snapshot());
	ScanKeyInit(&key[0], Anum_pg_class_relname, BTEqualStrategyNumber, F_NAMEEQ,
				NameGetDatum(&relname));
	ScanKeyInit(&key[1], Anum_pg_class_relnamespace, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(namespace_oid));
	scan = systable_beginscan(rel, ClassNameNspIndexId, true, snapshot, 2, key);
	tuple = systable_getnext(scan);
	/* Anybody may give a temporary table of his own a name like ours. */
	if (HeapTupleIsValid(tuple) &&
		((Form_pg_class) GETSTRUCT(tuple))->relam == get_table_am_oid(TSDB_INTERNAL_AM, true))
		result = ((Form_pg_class) GETSTRUCT(tuple))->oid;
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);

	/* The same is true of the snapshot by which it is going to be opened. */
	if (OidIsValid(result))
		InvalidateCatalogSnapshot();
	return result;
}

Relation
tsdb_internal_open(Oid relid)
{
	Relation	rel = RelationIdGetRelation(relid);

	if (!RelationIsValid(rel))
		return NULL;
	return rel;
}

void
tsdb_internal_close(Relation rel)
{
	RelationClose(rel);
}

Relation
tsdb_internal_open_index(Relation rel, LOCKMODE lockmode)
{
	List	   *oids = RelationGetIndexList(rel);
	Relation	found = NULL;
	ListCell   *lc;

	foreach(lc, oids)
	{
		Relation	index = index_open(lfirst_oid(lc), lockmode);

		if (index->rd_index->indisvalid)
		{
			found = index;
			break;
		}
		index_close(index, NoLock);
	}
	list_free(oids);
	return found;
}

/* Insert an entry of a tuple into one index. */
static void
insert_entry(Relation rel, Relation index, HeapTuple tuple)
{
	IndexInfo  *info = BuildIndexInfo(index);
	Datum		value;
	bool		isnull;

	value = heap_getattr(tuple, info->ii_IndexAttrNumbers[0],
						 RelationGetDescr(rel), &isnull);
	index_insert(index, &value, &isnull, &tuple->t_self, rel,
				 UNIQUE_CHECK_NO, false, info);
	pfree(info);
}

void
tsdb_internal_index_insert(Relation rel, Relation index, HeapTuple tuple)
{
	List	   *oids = RelationGetIndexList(rel);
	ListCell   *lc;

	insert_entry(rel, index, tuple);
	foreach(lc, oids)
	{
		Relation	other;

		if (lfirst_oid(lc) == RelationGetRelid(index))
			continue;
		other = index_open(lfirst_oid(lc), RowExclusiveLock);
		if (other->rd_index->indisready)
			insert_entry(rel, other, tuple);
		index_close(other, NoLock);
	}
	list_free(oids);
}

void
tsdb_internal_drop(List *relids)
{
	ObjectAddresses *objects = new_object_addresses();
	ListCell   *lc;

	foreach(lc, relids)
	{
		ObjectAddress object;

		ObjectAddressSet(object, RelationRelationId, lfirst_oid(lc));
		add_exact_object_address(&object, objects);
	}
	performMultipleDeletions(objects, DROP_CASCADE,
							 PERFORM_DELETION_INTERNAL |
							 PERFORM_DELETION_QUIETLY |
							 PERFORM_DELETION_SKIP_EXTENSIONS);
	free_object_addresses(objects);
}

bool
tsdb_internal_is(Relation rel)
{
	return rel->rd_rel->relkind == RELKIND_RELATION &&
		rel->rd_rel->relam == get_table_am_oid(TSDB_INTERNAL_AM, true);
}

bool
tsdb_internal_is_oid(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	bool		result = false;

	if (HeapTupleIsValid(tuple))
	{
		Oid			am = ((Form_pg_class) GETSTRUCT(tuple))->relam;

		/* heap is the rule, and needs no look-up of our own by name */
		result = OidIsValid(am) && am != HEAP_TABLE_AM_OID &&
			am == get_table_am_oid(TSDB_INTERNAL_AM, true);
		ReleaseSysCache(tuple);
	}
	return result;
}
