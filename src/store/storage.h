/*
 * storage.h
 *		What stands behind one table: directory, marks, moves and shards.
 *
 * The storage of a table is found by the table's relfilenode: the directory
 * relation is named after it.  A new relfilenode (TRUNCATE, rewrite) thus has
 * no chunks; a table that changes its relfilenode but keeps its rows (SET
 * TABLESPACE, VACUUM FULL) takes its directory along by renaming it.  All
 * other relations are named after the directory's OID, which is the storage
 * identity that pieces carry.
 *
 * Locks.  The caller holds a lock on the table; that protects everything
 * here.  Opening the storage locks the directory relation too, in the same
 * mode, until the end of the transaction; opening the marks locks them, to
 * read or to write.  Shards are opened as needed and not locked, so that a
 * statement holds the same few locks however many shards there are: what
 * rewrites one takes AccessExclusiveLock on the directory.
 */
#ifndef TSDB_STORE_STORAGE_H
#define TSDB_STORE_STORAGE_H

#include "storage/itemptr.h"
#include "storage/lockdefs.h"
#include "utils/rel.h"

#define TSDB_SHARDS_DEFAULT		16
#define TSDB_SHARDS_MIN			1
#define TSDB_SHARDS_MAX			256

/* What a session has learnt of a storage and keeps until the next change of
 * any relation: zeros where it knows nothing. */
typedef struct TsdbStorageFacts
{
	Oid			marks;
	Oid			moves;
	BlockNumber directory_blocks;	/* at least */
	bool		has_marks;
} TsdbStorageFacts;

typedef struct TsdbStorage
{
	Relation	table;			/* the caller's */
	Oid			identity;		/* OID of the directory */
	Relation	directory;
	LOCKMODE	lockmode;		/* of marks and their index */
	Relation	marks;			/* opened at first use, see accessors */
	Relation	marks_index;
	Relation	moves;
	Relation   *shards;			/* TSDB_SHARDS_MAX, or NULL: none is open */
	TsdbStorageFacts facts;
	bool		all_open;		/* see tsdb_storage_open_members */
} TsdbStorage;

extern int	tsdb_shards;		/* setting: shards of a table */

/* Called before a storage is opened, if set: the table may have rows on their way. */
extern void (*tsdb_storage_before_open) (Relation table);

/* When the library is loaded. */
extern void tsdb_storage_init(void);

/* Open a table's storage; NULL if it has no chunks yet.  lockmode is
 * AccessShareLock, RowExclusiveLock or ShareUpdateExclusiveLock. */
extern TsdbStorage *tsdb_storage_open(Relation table, LOCKMODE lockmode);

/* The same, made if absent. */
extern TsdbStorage *tsdb_storage_open_or_create(Relation table, LOCKMODE lockmode);

/*
 * Lock out all others who would make internal relations of this table, until the
 * end of the transaction: others do not see what we make before that, and
 * would make the same.  False if somebody has the lock and wait is not set.
 */
extern bool tsdb_storage_lock_growth(Relation table, bool wait);

/*
 * Let others who load rows into a table whose keys are unique wait until we have looked for our rows'
 * keys and added our chunks.  Nobody waits for a transaction while he holds this.
 */
extern void tsdb_storage_lock_keys(Relation table);
extern void tsdb_storage_unlock_keys(Relation table);

/* Is there a relation for each shard that chunks may go to today? */
extern bool tsdb_storage_is_complete(TsdbStorage *storage);

/* Did this transaction make the directory or a shard that is open? */
extern bool tsdb_storage_is_new(const TsdbStorage *storage);

/*
 * Open a table's storage for adding chunks of these shards (an array of
 * TSDB_SHARDS_MAX) beside other writers, and keep VACUUM from cutting the ends of
 * shards meanwhile.  NULL if something is missing and make is not set, or somebody
 * else is making relations of this table.  Takes the same few locks for however
 * many shards, but for those that it makes, whose number is added to *made.
 */
extern TsdbStorage *tsdb_storage_open_to_add(Relation table, const bool *shards, bool make,
											 int *made);

/* Keep those who add chunks away until the end of the transaction, if there are none. */
extern bool tsdb_storage_lock_additions(Relation table);

extern void tsdb_storage_close(TsdbStorage *storage);

/* Keep what was added to storage->facts for who opens it next. */
extern void tsdb_storage_remember(TsdbStorage *storage);

extern Relation tsdb_storage_marks(TsdbStorage *storage);
extern Relation tsdb_storage_marks_index(TsdbStorage *storage);
extern Relation tsdb_storage_moves(TsdbStorage *storage);

/* How to look for a shard's relation. */
typedef enum TsdbShardLookup
{
	TSDB_SHARD_IF_KNOWN,		/* as far as the catalog cache knows */
	TSDB_SHARD_IF_EXISTS,		/* surely: a directory tuple refers to it */
	TSDB_SHARD_CREATE			/* make it if it does not exist */
} TsdbShardLookup;

/* A shard's relation, or NULL if there is none. */
extern Relation tsdb_storage_shard(TsdbStorage *storage, int shard, TsdbShardLookup lookup);

/* Open everything now: what a subtransaction opens goes with it if it is rolled
 * back. */
extern void tsdb_storage_open_members(TsdbStorage *storage);

/* Blocks of all shards, at least 1 if there is a chunk. */
extern BlockNumber tsdb_storage_shard_blocks(TsdbStorage *storage);

/* Keep everybody out of the storage that a shard belongs to.  False if this is
 * no shard. */
extern bool tsdb_storage_lock_shard(Relation shard);

/* The table that a storage belongs to, for who has no lock on either; invalid if there is none. */
extern Oid	tsdb_storage_table_of(Oid identity);

/* OIDs of every relation of this storage, the directory first. */
extern List *tsdb_storage_relations(TsdbStorage *storage);

/* The table keeps its rows under another relfilenode. */
extern void tsdb_storage_rename(Relation table, Oid new_tablespace, Oid new_filenode);

/* Drop the chunks that belong to the table's present relfilenode. */
extern void tsdb_storage_drop(Relation table);

/* A table of ours was dropped (from the object access hook): its storage goes
 * before commit, if the drop is not rolled back.  namespace_oid is the schema
 * of a temporary table, else invalid. */
extern void tsdb_storage_note_drop(Oid namespace_oid, Oid tablespace, Oid filenode);

/* The library was loaded in the middle of a transaction, which may have
 * dropped tables unseen: look for storages without a table before commit. */
extern void tsdb_storage_note_late_load(void);

/* Before commit: drop the storages of dropped tables.  What is dropped after
 * that (ON COMMIT DROP) goes with the session's next commit. */
extern void tsdb_storage_before_commit(void);
extern void tsdb_storage_at_abort(void);

#endif							/* TSDB_STORE_STORAGE_H */
