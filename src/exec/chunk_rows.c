/*
 * chunk_rows.c
 *		The rows of one chunk that a scan is to return.
 */
#include "postgres.h"

#include "exec/chunk_rows.h"

#include "am/fetch.h"
#include "am/scan.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "store/chunk_tid.h"
#include "store/marks.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

/* bytes: pieces and what the reader needs; a column with its nulls; together, at most */
#define KEPT_FIXED		(32 * 1024)
#define KEPT_PER_COLUMN	(10 * 1024)
#define KEPT_MAX		(512 * 1024)

void
tsdb_rows_scan_init(TsdbRowsScan *scan, ScanState *node, List *columns, List *clauses)
{
	Index		relid = ((Scan *) node->ps.plan)->scanrelid;
	ListCell   *lc;

	scan->rel = node->ss_currentRelation;
	scan->columns = palloc(Max(list_length(columns), 1) * sizeof(AttrNumber));
	foreach(lc, columns)
		scan->columns[scan->ncolumns++] = (AttrNumber) lfirst_int(lc);
	scan->filter = tsdb_chunk_filter_create(clauses, relid, &node->ps);
	scan->use.hit = &scan->counts[TSDB_COUNT_HIT];
	scan->use.spilled = &scan->counts[TSDB_COUNT_SPILLED];
	scan->use.read = &scan->counts[TSDB_COUNT_READ];
	scan->use.came_true = &scan->counts[TSDB_COUNT_CAME_TRUE];
	scan->use.asked = scan->asked = palloc0(RelationGetDescr(scan->rel)->natts * sizeof(bool));
}

int
tsdb_rows_scan_place(const TsdbRowsScan *scan, AttrNumber attno)
{
	for (int i = 0; i < scan->ncolumns; i++)
	{
		if (scan->columns[i] == attno)
			return i;
	}
	elog(ERROR, "column %d is not read by the scan", attno);
}

void
tsdb_rows_scan_begin(TsdbRowsScan *scan, ScanState *node, TableScanDesc table)
{
	/* not anew in each rescan: what this transaction does meanwhile, the snapshot does not see */
	if (scan->snapshot != table->rs_snapshot)
	{
		scan->snapshot = table->rs_snapshot;
		scan->storage = tsdb_scan_storage(table);
		scan->all_seen = scan->storage == NULL ||
			tsdb_fetch_hides_none(scan->storage, scan->snapshot);
	}
	tsdb_chunk_filter_begin(scan->filter, node->ps.ps_ExprContext);
}

void
tsdb_chunk_rows_init(TsdbChunkRows *rows, TsdbRowsScan *scan, bool reused)
{
	/* what most chunks take: the first block stays when the context is reset */
	Size		kept = !reused ? ALLOCSET_DEFAULT_INITSIZE :
	Min(KEPT_FIXED + (Size) scan->ncolumns * KEPT_PER_COLUMN, KEPT_MAX);

	rows->scan = scan;
	rows->open = false;
	rows->values = palloc0(Max(scan->ncolumns, 1) * sizeof(TsdbColumn *));
	rows->packed = palloc0(Max(scan->ncolumns, 1) * sizeof(bool));
	rows->expected = palloc0(Max(scan->ncolumns, 1) * sizeof(bool));
	rows->memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb chunk", 0, kept,
										 Max(kept, ALLOCSET_DEFAULT_MAXSIZE));
}

void
tsdb_chunk_rows_close(TsdbChunkRows *rows)
{
	MemoryContextReset(rows->memory);
	memset(rows->values, 0, rows->scan->ncolumns * sizeof(TsdbColumn *));
	memset(rows->packed, false, rows->scan->ncolumns * sizeof(bool));
	rows->reader = NULL;
	rows->summary = NULL;
	rows->open = rows->all_read = false;
}

/* A column is wanted, so others will be soon. */
static void
fetch_expected(TsdbChunkRows *rows)
{
	const TsdbRowsScan *scan = rows->scan;

	for (int i = 0; i < scan->ncolumns; i++)
	{
		if (rows->expected[i])
			tsdb_working_set_fetch(scan->storage, rows->handle.entry->generation,
								   scan->columns[i]);
	}
}

TsdbChunkReader *
tsdb_chunk_rows_reader(TsdbChunkRows *rows)
{
	if (rows->reader == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(rows->memory);

		fetch_expected(rows);
		rows->reader = tsdb_working_set_open_chunk(&rows->handle,
												   RelationGetDescr(rows->scan->rel),
												   &rows->scan->use);
		MemoryContextSwitchTo(old);
		rows->scan->counts[TSDB_COUNT_DECODED]++;
	}
	return rows->reader;
}

const TsdbColumn *
tsdb_chunk_rows_packed(TsdbChunkRows *rows, int i)
{
	if (rows->values[i] != NULL)
		return NULL;
	rows->packed[i] = true;
	return tsdb_chunk_reader_packed(tsdb_chunk_rows_reader(rows), rows->scan->columns[i]);
}

const TsdbColumn *
tsdb_chunk_rows_column(TsdbChunkRows *rows, int i)
{
	if (rows->values[i] == NULL)
		rows->values[i] = tsdb_chunk_reader_column(tsdb_chunk_rows_reader(rows), rows->scan->columns[i]);
	return rows->values[i];
}

const TsdbColumn *
tsdb_chunk_rows_column_part(TsdbChunkRows *rows, int i, uint32 from, uint32 to)
{
	if (rows->values[i] == NULL)
		rows->values[i] = tsdb_chunk_reader_column_part(tsdb_chunk_rows_reader(rows),
														rows->scan->columns[i], from, to);
	return rows->values[i];
}

/* Clear pass of the rows that do not match; false if none is left. */
static bool
filter_rows(TsdbChunkRows *rows, TsdbDirectoryView *view, int entry)
{
	TsdbChunkFilter *filter = rows->scan->filter;

	return tsdb_chunk_filter_recalled(filter, view, entry, rows->nrows, rows->pass) &&
		(!tsdb_chunk_filter_wants_columns(filter) ||
		 tsdb_chunk_filter_rows(filter, tsdb_chunk_rows_reader(rows), view, entry, rows->nrows,
								rows->pass));
}

/* Rows that the snapshot sees and no condition rules out; false if there are none. */
static bool
select_rows(TsdbChunkRows *rows, TsdbChunkMatch match, TsdbDirectoryView *view, int entry)
{
	TsdbRowsScan *scan = rows->scan;
	uint8	   *hidden = scan->all_seen ? NULL :
	tsdb_fetch_hidden(rows->handle.storage, rows->handle.entry->chunk, rows->nrows,
					  scan->snapshot);
	uint32		seen = rows->nrows;

	rows->npass = rows->nrows;
	rows->all_pass = match == TSDB_EVERY_ROW && hidden == NULL;
	if (rows->all_pass)
		return true;

	memset(rows->pass, true, rows->nrows);
	if (hidden != NULL)
	{
		seen = 0;
		for (uint32 row = 0; row < rows->nrows; row++)
		{
			rows->pass[row] = !tsdb_marks_is_hidden(hidden, row);
			seen += rows->pass[row];
		}
		if (seen == 0)
			return false;
	}
	if (match != TSDB_EVERY_ROW && !filter_rows(rows, view, entry))
	{
		scan->counts[TSDB_COUNT_FILTERED]++;
		return false;
	}
	rows->npass = 0;
	for (uint32 row = 0; row < rows->nrows; row++)
		rows->npass += rows->pass[row];
	scan->counts[TSDB_COUNT_ROWS_FILTERED] += seen - rows->npass;
	return true;
}

bool
tsdb_chunk_rows_open(TsdbChunkRows *rows, TsdbDirectoryView *view, int i)
{
	TsdbChunkEntry *entry = view->entries[i];
	const TsdbChunkSummary *summary = tsdb_directory_view_summary(view, i);
	TsdbChunkMatch match;
	MemoryContext old;

	tsdb_chunk_rows_close(rows);
	old = MemoryContextSwitchTo(rows->memory);
	match = tsdb_chunk_filter_judge(rows->scan->filter, summary);
	if (match == TSDB_NO_ROW)
		rows->scan->counts[TSDB_COUNT_PRUNED]++;
	else
	{
		rows->handle.storage = rows->scan->storage;
		rows->handle.entry = entry;
		rows->summary = summary;
		rows->nrows = entry->nrows;
		rows->open = select_rows(rows, match, view, i);
	}
	MemoryContextSwitchTo(old);
	return rows->open;
}

void
tsdb_chunk_rows_expect(TsdbChunkRows *rows, const TsdbChunkEntry *next,
					   const TsdbChunkEntry *then)
{
	const TsdbRowsScan *scan = rows->scan;

	for (int i = 0; i < scan->ncolumns; i++)
	{
		rows->expected[i] = rows->values[i] != NULL || rows->packed[i];
		if (!rows->expected[i])
			continue;
		tsdb_working_set_expect(scan->storage, next->generation, scan->columns[i]);
		if (then != NULL)
			tsdb_working_set_expect(scan->storage, then->generation, scan->columns[i]);
	}
}

void
tsdb_chunk_rows_open_known(TsdbChunkRows *rows, TsdbChunkEntry *entry,
						   const TsdbChunkSummary *summary)
{
	tsdb_chunk_rows_close(rows);
	rows->handle.storage = rows->scan->storage;
	rows->handle.entry = entry;
	rows->summary = summary;
	rows->nrows = rows->npass = entry->nrows;
	rows->all_pass = rows->open = true;
}

void
tsdb_chunk_rows_clear_slot(const TsdbRowsScan *scan, TupleTableSlot *slot)
{
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, RelationGetDescr(scan->rel)->natts * sizeof(bool));
}

TupleTableSlot *
tsdb_chunk_rows_store(const TsdbChunkRows *rows, TupleTableSlot *slot, uint32 chunk,
					  uint32 row)
{
	ExecStoreVirtualTuple(slot);
	tsdb_tid_set(&slot->tts_tid, chunk, row);
	slot->tts_tableOid = RelationGetRelid(rows->scan->rel);
	return slot;
}

/* Show a row column by column, without decoding those that are not. */
static void
show_values(TsdbChunkRows *rows, TupleTableSlot *slot, uint32 row)
{
	for (int i = 0; i < rows->scan->ncolumns; i++)
	{
		AttrNumber	attno = rows->scan->columns[i];

		if (rows->values[i] != NULL)
			tsdb_chunk_rows_show_column(rows, slot, i, row);
		else
			slot->tts_values[attno - 1] =
				tsdb_chunk_reader_value(tsdb_chunk_rows_reader(rows), attno, row,
										&slot->tts_isnull[attno - 1]);
	}
}

TupleTableSlot *
tsdb_chunk_rows_show(TsdbChunkRows *rows, TupleTableSlot *slot, uint32 row, bool few)
{
	ExecClearTuple(slot);
	if (few && !rows->all_read)
		show_values(rows, slot, row);
	else
	{
		for (int i = 0; !rows->all_read && i < rows->scan->ncolumns; i++)
			tsdb_chunk_rows_column(rows, i);
		rows->all_read = true;
		for (int i = 0; i < rows->scan->ncolumns; i++)
			tsdb_chunk_rows_show_column(rows, slot, i, row);
	}
	return tsdb_chunk_rows_store(rows, slot, rows->handle.entry->chunk, row);
}

char *
tsdb_rows_scan_column_text(const TsdbRowsScan *scan, AttrNumber attno)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(scan->rel), attno - 1);

	return pstrdup(quote_identifier(NameStr(att->attname)));
}

char *
tsdb_rows_scan_order_text(const TsdbRowsScan *scan, AttrNumber attno, bool descending,
						  bool nulls_first)
{
	return psprintf("%s%s%s", tsdb_rows_scan_column_text(scan, attno),
					descending ? " DESC" : "",
					nulls_first == descending ? "" : nulls_first ? " NULLS FIRST" : " NULLS LAST");
}

void
tsdb_rows_scan_explain(const TsdbRowsScan *scan, ScanState *node, List *clauses,
					   List *ancestors, ExplainState *es)
{
	static const char *const names[TSDB_SCAN_COUNTERS_SHOWN] = {
		[TSDB_COUNT_CHUNKS] = "Chunks",
		[TSDB_COUNT_PRUNED] = "Chunks Pruned",
		[TSDB_COUNT_DECODED] = "Chunks Decoded",
		[TSDB_COUNT_FILTERED] = "Chunks Filtered",
		[TSDB_COUNT_ROWS_FILTERED] = "Rows Removed in Chunks",
		[TSDB_COUNT_ROW_STORE] = "Row Store Rows",
		[TSDB_COUNT_HIT] = "Vectors Hit",
		[TSDB_COUNT_SPILLED] = "Vectors Spilled",
		[TSDB_COUNT_READ] = "Vectors Read"
	};
	/* where columns come from depends on what others did before, as buffers do */
	int			shown = es->buffers && tsdb_working_set_cache() != NULL ? TSDB_SCAN_COUNTERS_SHOWN : TSDB_COUNT_HIT;

	if (clauses != NIL)
	{
		List	   *context = set_deparse_context_plan(es->deparse_cxt, node->ps.plan, ancestors);
		Node	   *all = (Node *) make_ands_explicit(clauses);

		ExplainPropertyText("Chunk Filter",
							deparse_expression(all, context, es->verbose, false), es);
	}
	for (int i = 0; es->analyze && i < shown; i++)
		ExplainPropertyUInteger(names[i], NULL, scan->counts[i], es);
}
