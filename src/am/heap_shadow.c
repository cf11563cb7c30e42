/*
 * heap_shadow.c
 *		Let heapam work on a relation of another access method.
 */
#include "postgres.h"

#include "am/heap_shadow.h"

#include "access/tableam.h"
#include "storage/smgr.h"
#include "utils/memutils.h"

Relation
tsdb_heap_shadow_open(Relation rel)
{
	/* After an error, resource owners still refer to it until the abort. */
	Relation	shadow = MemoryContextAlloc(TopTransactionContext, sizeof(RelationData));

	memcpy(shadow, rel, sizeof(RelationData));
	shadow->rd_tableam = GetHeapamTableAmRoutine();
	shadow->rd_smgr = NULL;
	shadow->rd_indexvalid = false;
	shadow->rd_indexlist = NIL;
	shadow->rd_statvalid = false;
	shadow->rd_statlist = NIL;
	shadow->rd_fkeyvalid = false;
	shadow->rd_fkeylist = NIL;
	shadow->rd_indexattr = NULL;
	shadow->rd_keyattr = NULL;
	shadow->rd_pkattr = NULL;
	shadow->rd_idattr = NULL;
	shadow->rd_amcache = NULL;
	shadow->pgstat_enabled = false;	/* counters know one owner, too */
	shadow->pgstat_info = NULL;
	return shadow;
}

void
tsdb_heap_shadow_adopt_scan(Relation shadow, TableScanDesc scan)
{
	RelationDecrementReferenceCount(scan->rs_rd);
	scan->rs_rd = shadow;
	RelationIncrementReferenceCount(shadow);
}

void
tsdb_heap_shadow_close(Relation shadow)
{
	if (shadow->rd_smgr != NULL)
		smgrclearowner(&shadow->rd_smgr, shadow->rd_smgr);
}
