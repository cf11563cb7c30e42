/*
 * grow.c
 *		Making the relations that a load needs.
 */
#include "postgres.h"

#include "worker/grow.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* So many relations one transaction makes itself; each is a lock that it holds. */
#define MADE_MAX		256

/* What the worker is told. */
typedef struct GrowOrder
{
	Oid			relid;
	Oid			filenode;		/* that the table has, or there is nothing to do */
	uint8		shards[TSDB_SHARDS_MAX / 8];
} GrowOrder;

StaticAssertDecl(sizeof(GrowOrder) <= BGW_EXTRALEN, "what a worker can be told");

static int	made = 0;			/* relations, by this transaction */

/* Does every other transaction know this table, with this file? */
static bool
is_known_to_others(Relation table)
{
	return table->rd_rel->relpersistence != RELPERSISTENCE_TEMP &&
		table->rd_createSubid == InvalidSubTransactionId &&
		table->rd_newRelfilenodeSubid == InvalidSubTransactionId &&
		table->rd_firstRelfilenodeSubid == InvalidSubTransactionId;
}

/* Let a worker make what is missing, and wait for it. */
static void
make_elsewhere(Relation table, const bool *shards)
{
	BackgroundWorker worker = {0};
	BackgroundWorkerHandle *handle;
	GrowOrder	order = {.relid = RelationGetRelid(table),.filenode = table->rd_rel->relfilenode};

	for (int shard = 0; shard < TSDB_SHARDS_MAX; shard++)
	{
		if (shards[shard])
			order.shards[shard / 8] |= 1 << (shard % 8);
	}
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(MyDatabaseId);
	worker.bgw_notify_pid = MyProcPid;
	memcpy(worker.bgw_extra, &order, sizeof(order));
	strlcpy(worker.bgw_library_name, "tsdb", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "tsdb_grow_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "tsdb grow", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "tsdb grow", BGW_MAXLEN);
	if (RegisterDynamicBackgroundWorker(&worker, &handle))
	{
		(void) WaitForBackgroundWorkerShutdown(handle);
		AcceptInvalidationMessages();
	}
}

/* May others insert rows while this transaction runs? */
static bool
is_open_to_others(Relation table)
{
	return is_known_to_others(table) && !CheckRelationLockedByMe(table, ShareLock, true);
}

TsdbStorage *
tsdb_grow_open(Relation table, const bool *shards, bool unique)
{
	const bool	own = !unique || !is_open_to_others(table); /* may be what we make? */
	TsdbStorage *storage = tsdb_storage_open_to_add(table, shards, false, &made);

	if (storage == NULL && IsUnderPostmaster && is_known_to_others(table))
	{
		make_elsewhere(table, shards);
		storage = tsdb_storage_open_to_add(table, shards, false, &made);
	}
	if (storage == NULL && own && made < MADE_MAX)
		storage = tsdb_storage_open_to_add(table, shards, true, &made);
	if (storage != NULL && !own && tsdb_storage_is_new(storage))
	{
		tsdb_storage_close(storage);
		return NULL;
	}
	return storage;
}

void
tsdb_grow_at_xact_end(void)
{
	made = 0;
}

/* Make the relations of a table that is locked. */
static void
grow(Relation table, const GrowOrder *order)
{
	TsdbStorage *storage;

	if (table->rd_rel->relfilenode != order->filenode ||
		!tsdb_storage_lock_growth(table, false))
		return;
	PushActiveSnapshot(GetTransactionSnapshot());
	storage = tsdb_storage_open_or_create(table, RowExclusiveLock);
	for (int shard = 0; shard < TSDB_SHARDS_MAX; shard++)
	{
		if ((order->shards[shard / 8] >> (shard % 8) & 1) != 0)
			(void) tsdb_storage_shard(storage, shard, TSDB_SHARD_CREATE);
	}
	tsdb_storage_close(storage);
	PopActiveSnapshot();
}

void
tsdb_grow_main(Datum database)
{
	GrowOrder	order;

	memcpy(&order, MyBgworkerEntry->bgw_extra, sizeof(order));
	BackgroundWorkerUnblockSignals();

	/* Locks of catalogs are as good as never held. */
	SetConfigOption("lock_timeout", "1s", PGC_USERSET, PGC_S_OVERRIDE);
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(database), InvalidOid, 0);

	StartTransactionCommand();
	if (ConditionalLockRelationOid(order.relid, RowExclusiveLock))
	{
		Relation	table = try_relation_open(order.relid, NoLock);

		if (table != NULL)
		{
			grow(table, &order);
			relation_close(table, NoLock);
		}
	}
	CommitTransactionCommand();
	proc_exit(0);
}
