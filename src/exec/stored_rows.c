/*
 * stored_rows.c
 *		Rows of a scan kept in memory, by columns.
 */
#include "postgres.h"

#include "exec/stored_rows.h"

#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"

TsdbStoredRows *
tsdb_stored_rows_create(const TsdbRowsScan *scan)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "tsdb stored rows",
												 ALLOCSET_DEFAULT_SIZES);
	TsdbStoredRows *rows = MemoryContextAllocZero(memory, sizeof(TsdbStoredRows));

	rows->memory = memory;
	rows->scan = scan;
	rows->columns = MemoryContextAllocZero(memory, Max(scan->ncolumns, 1) * sizeof(TsdbColumn));
	return rows;
}

static void *
grow(void *array, Size bytes)
{
	return array == NULL ? palloc_extended(bytes, MCXT_ALLOC_HUGE) : repalloc_huge(array, bytes);
}

void
tsdb_stored_rows_add(TsdbStoredRows *rows, TupleTableSlot *slot)
{
	TupleDesc	tupdesc = slot->tts_tupleDescriptor;
	MemoryContext old = MemoryContextSwitchTo(rows->memory);
	uint32		row = rows->count;

	Assert(rows->by_rank == NULL);
	if (row == rows->allocated)
	{
		uint32		allocated = Max(rows->allocated * 2, 64);

		rows->tids = grow(rows->tids, allocated * sizeof(ItemPointerData));
		for (int i = 0; i < rows->scan->ncolumns; i++)
		{
			TsdbColumn *column = &rows->columns[i];

			column->values = grow(column->values, allocated * sizeof(Datum));
			column->nulls = grow(column->nulls, allocated * sizeof(bool));
		}
		rows->allocated = allocated;
	}
	rows->tids[row] = slot->tts_tid;
	for (int i = 0; i < rows->scan->ncolumns; i++)
	{
		AttrNumber	attno = rows->scan->columns[i];
		Form_pg_attribute att = TupleDescAttr(tupdesc, attno - 1);
		TsdbColumn *column = &rows->columns[i];

		column->values[row] = slot_getattr(slot, attno, &column->nulls[row]);
		if (!column->nulls[row])
			column->values[row] = datumCopy(column->values[row], att->attbyval, att->attlen);
	}
	rows->count++;
	MemoryContextSwitchTo(old);
}

TupleTableSlot *
tsdb_stored_rows_show(const TsdbStoredRows *rows, TupleTableSlot *slot, uint32 row)
{
	ExecClearTuple(slot);
	for (int i = 0; i < rows->scan->ncolumns; i++)
	{
		AttrNumber	attno = rows->scan->columns[i];

		slot->tts_values[attno - 1] = rows->columns[i].values[row];
		slot->tts_isnull[attno - 1] = rows->columns[i].nulls[row];
	}
	ExecStoreVirtualTuple(slot);
	slot->tts_tid = rows->tids[row];
	slot->tts_tableOid = RelationGetRelid(rows->scan->rel);
	return slot;
}

static int
compare_ranks(const void *a, const void *b, void *arg)
{
	const uint64 *ranks = arg;
	uint64		left = ranks[*(const uint32 *) a];
	uint64		right = ranks[*(const uint32 *) b];

	return left < right ? -1 : left > right;
}

void
tsdb_stored_rows_rank(TsdbStoredRows *rows, const TsdbKeyColumn *key, int place)
{
	const TsdbColumn *column = &rows->columns[place];
	MemoryContext old = MemoryContextSwitchTo(rows->memory);

	rows->ranks = palloc_extended(Max(rows->count, 1) * sizeof(uint64), MCXT_ALLOC_HUGE);
	rows->by_rank = palloc_extended(Max(rows->count, 1) * sizeof(uint32), MCXT_ALLOC_HUGE);
	for (uint32 row = 0; row < rows->count; row++)
	{
		if (column->nulls[row])
			continue;
		rows->ranks[row] = tsdb_key_rank(key, column->values[row]);
		rows->by_rank[rows->nranked++] = row;
	}
	qsort_arg(rows->by_rank, rows->nranked, sizeof(uint32), compare_ranks, rows->ranks);
	MemoryContextSwitchTo(old);
}

/* The first of the ranked rows whose rank is not below. */
static uint32
first_ranked(const TsdbStoredRows *rows, uint64 rank)
{
	uint32		low = 0;
	uint32		high = rows->nranked;

	while (low < high)
	{
		uint32		middle = low + (high - low) / 2;

		if (rows->ranks[rows->by_rank[middle]] < rank)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void
tsdb_stored_rows_find(const TsdbStoredRows *rows, uint64 rank, uint32 *first, uint32 *end)
{
	*first = first_ranked(rows, rank);
	*end = *first;
	while (*end < rows->nranked && rows->ranks[rows->by_rank[*end]] == rank)
		(*end)++;
}
