/*
 * internal.h
 *		Relations of the extension's own: create, find, open, drop.
 *
 * Internal relations are heaps of the access method tsdb_internal in schema
 * _tsdb (those of temporary tables: in the session's temporary schema).  They
 * belong to the extension's owner, have no privileges, are members of the
 * extension (so pg_dump leaves them out while pg_upgrade carries them) and
 * carry relrewrite, which keeps them out of logical decoding.
 *
 * The lock on the table that they serve keeps them from being dropped, and
 * VACUUM never truncates one.  REINDEX and VACUUM FULL of a whole database
 * come by them all the same, so marks and moves are locked as a table is, and
 * shards are rewritten under an exclusive lock on the directory (see storage.h).
 */
#ifndef TSDB_STORE_INTERNAL_H
#define TSDB_STORE_INTERNAL_H

#include "access/tupdesc.h"
#include "utils/rel.h"

#define TSDB_INTERNAL_SCHEMA	"_tsdb"
#define TSDB_INTERNAL_AM		"tsdb_internal"
#define TSDB_EXTENSION			"tsdb"

/* Create an empty internal relation beside "table", return its OID. */
extern Oid	tsdb_internal_create(Relation table, const char *name, TupleDesc tupdesc);

/* Give back what pg_upgrade does not restore: relrewrite.  Whose rewrite it
 * says this is does not matter, and the table may not be there yet. */
extern void tsdb_internal_restore(Oid relid);

/* Create a btree index over one column of an internal relation. */
extern void tsdb_internal_create_index(Oid relid, const char *name, AttrNumber attno);

/*
 * An index that has no entries, by its predicate.  VACUUM leaves dead line pointers of a relation
 * that has an index for who cleans the index, and sets those of others free.
 */
extern void tsdb_internal_create_empty_index(Oid relid, const char *name);

/* OID of the named internal relation of "table", read with a snapshot of its
 * own and not from a cache; InvalidOid if there is none. */
extern Oid	tsdb_internal_lookup(Oid namespace_oid, const char *name);

/* The schema that holds internal relations of "table"; InvalidOid if the
 * extension is not there. */
extern Oid	tsdb_internal_namespace(Relation table);

/* Open without a lock; close with tsdb_internal_close.  NULL if it is gone. */
extern Relation tsdb_internal_open(Oid relid);
extern void tsdb_internal_close(Relation rel);

/* Drop a set of internal relations with what depends on them. */
extern void tsdb_internal_drop(List *relids);

/*
 * The index of an internal relation that may be searched, or NULL.  While it is
 * rebuilt concurrently there are two; entries must go into both, for which the
 * caller holds RowExclusiveLock on the relation until its transaction ends.  The
 * lock on the index is kept too.
 */
extern Relation tsdb_internal_open_index(Relation rel, LOCKMODE lockmode);

/* Insert the entries of a tuple into "index" and any other that there is. */
extern void tsdb_internal_index_insert(Relation rel, Relation index,
									   HeapTuple tuple);

/* Is this relation one of ours? */
extern bool tsdb_internal_is(Relation rel);
extern bool tsdb_internal_is_oid(Oid relid);

#endif							/* TSDB_STORE_INTERNAL_H */
