/*
 * row_count.c
 *		approximate_row_count: how many rows a table has, without counting.
 *
 * It is what the planner would estimate now: for a tsdb table chunks of the
 * directory and pages of the row store, for a heap pages times the density that
 * VACUUM or ANALYZE have found, for a partitioned table the sum over its partitions, for a foreign table
 * what ANALYZE has found.  As pg_class shows everybody reltuples, no privilege
 * is asked for.
 */
#include "postgres.h"

#include <math.h>

#include "access/relation.h"
#include "am/handler.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "fmgr.h"
#include "optimizer/plancat.h"
#include "storage/bufmgr.h"
#include "store/storage.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(tsdb_approximate_row_count);

static bool
has_chunks(Relation rel)
{
	TsdbStorage *storage = tsdb_is_table(rel) ? tsdb_storage_open(rel, AccessShareLock) : NULL;

	if (storage == NULL)
		return false;
	tsdb_storage_close(storage);
	return true;
}

static double
estimate(Relation rel)
{
	BlockNumber pages;
	double		rows;
	double		visible;

	switch (rel->rd_rel->relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_MATVIEW:
			estimate_rel_size(rel, NULL, &pages, &rows, &visible);

			/* A table that was never analyzed is taken for ten pages at least,
			 * in case that it will be filled. */
			if (!has_chunks(rel) && pages > RelationGetNumberOfBlocks(rel))
				rows = rows * RelationGetNumberOfBlocks(rel) / pages;
			return rows;
		case RELKIND_FOREIGN_TABLE:
			return Max(rel->rd_rel->reltuples, 0);
		case RELKIND_PARTITIONED_TABLE:
			return 0;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("\"%s\" is not a table", RelationGetRelationName(rel)),
					 errdetail_relkind_not_supported(rel->rd_rel->relkind)));
	}
}

Datum
tsdb_approximate_row_count(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Relation	rel = try_relation_open(relid, AccessShareLock);
	double		rows = 0;
	ListCell   *lc;

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	relation_close(rel, NoLock);
	foreach(lc, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		rel = relation_open(lfirst_oid(lc), NoLock);
		rows += estimate(rel);
		relation_close(rel, AccessShareLock);
	}
	PG_RETURN_INT64((int64) rint(rows));
}
