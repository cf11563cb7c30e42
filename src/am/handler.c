/*
 * handler.c
 *		The access methods tsdb and tsdb_internal.
 *
 * Both start from heap's routine.  tsdb replaces what must see chunks, and lets
 * heap insert new rows into the row store, unless a statement brings many
 * (am/direct_load.h).  tsdb_internal is a
 * heap whose TIDs outlive VACUUM FULL and whose VACUUM does not truncate.
 */
#include "postgres.h"

#include "am/handler.h"

#include "access/heapam.h"
#include "am/build.h"
#include "am/build_concurrently.h"
#include "am/direct_load.h"
#include "am/fetch.h"
#include "am/insert.h"
#include "am/maintain.h"
#include "am/modify.h"
#include "am/sample.h"
#include "am/scan.h"
#include "executor/tuptable.h"
#include "fmgr.h"

PG_FUNCTION_INFO_V1(tsdb_table_handler);
PG_FUNCTION_INFO_V1(tsdb_internal_handler);

static TableAmRoutine table_routine;
static TableAmRoutine internal_routine;

const TableAmRoutine *
tsdb_table_routine(void)
{
	TableAmRoutine *am = &table_routine;

	if (am->type == T_TableAmRoutine)
		return am;

	*am = *GetHeapamTableAmRoutine();

	am->slot_callbacks = tsdb_direct_load_slot_callbacks;
	am->scan_begin = tsdb_scan_begin;
	am->scan_end = tsdb_scan_end;
	am->scan_rescan = tsdb_scan_rescan;
	am->scan_getnextslot = tsdb_scan_getnextslot;
	am->scan_set_tidrange = NULL;
	am->scan_getnextslot_tidrange = NULL;
	am->parallelscan_estimate = tsdb_parallelscan_estimate;
	am->parallelscan_initialize = tsdb_parallelscan_initialize;
	am->parallelscan_reinitialize = tsdb_parallelscan_reinitialize;
	am->scan_bitmap_next_block = tsdb_scan_bitmap_next_block;
	am->scan_bitmap_next_tuple = tsdb_scan_bitmap_next_tuple;
	am->scan_sample_next_block = tsdb_sample_next_block;
	am->scan_sample_next_tuple = tsdb_sample_next_tuple;
	am->scan_analyze_next_block = tsdb_sample_analyze_next_block;
	am->scan_analyze_next_tuple = tsdb_sample_analyze_next_tuple;

	am->index_fetch_begin = tsdb_index_fetch_begin;
	am->index_fetch_reset = tsdb_index_fetch_reset;
	am->index_fetch_end = tsdb_index_fetch_end;
	am->index_fetch_tuple = tsdb_index_fetch_tuple;
	am->index_delete_tuples = tsdb_index_delete_tuples;
	am->index_build_range_scan = tsdb_index_build_range_scan;
	am->index_validate_scan = tsdb_index_validate_scan;

	am->tuple_fetch_row_version = tsdb_tuple_fetch_row_version;
	am->tuple_tid_valid = tsdb_tuple_tid_valid;
	am->tuple_get_latest_tid = tsdb_tuple_get_latest_tid;
	am->tuple_satisfies_snapshot = tsdb_tuple_satisfies_snapshot;
	am->tuple_insert = tsdb_tuple_insert;
	am->tuple_insert_speculative = tsdb_tuple_insert_speculative;
	am->multi_insert = tsdb_multi_insert;
	am->tuple_delete = tsdb_tuple_delete;
	am->tuple_update = tsdb_tuple_update;
	am->tuple_lock = tsdb_tuple_lock;

	am->relation_set_new_filenode = tsdb_relation_set_new_filenode;
	am->relation_nontransactional_truncate = tsdb_relation_nontransactional_truncate;
	am->relation_copy_data = tsdb_relation_copy_data;
	am->relation_copy_for_cluster = tsdb_relation_copy_for_cluster;
	am->relation_vacuum = tsdb_relation_vacuum;
	am->relation_size = tsdb_relation_size;
	am->relation_toast_am = tsdb_relation_toast_am;
	am->relation_estimate_size = tsdb_relation_estimate_size;

	am->type = T_TableAmRoutine;
	return am;
}

Datum
tsdb_table_handler(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(tsdb_table_routine());
}

Datum
tsdb_internal_handler(PG_FUNCTION_ARGS)
{
	TableAmRoutine *am = &internal_routine;

	if (am->type != T_TableAmRoutine)
	{
		*am = *GetHeapamTableAmRoutine();
		am->index_build_range_scan = tsdb_internal_index_build;
		am->index_validate_scan = tsdb_internal_validate_scan;
		am->relation_set_new_filenode = tsdb_internal_set_new_filenode;
		am->relation_vacuum = tsdb_internal_vacuum;
		am->relation_copy_data = tsdb_internal_copy_data;
		am->relation_copy_for_cluster = tsdb_internal_copy_for_cluster;
		am->relation_toast_am = tsdb_relation_toast_am;
	}
	PG_RETURN_POINTER(am);
}
