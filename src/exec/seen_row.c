/*
 * seen_row.c
 *		Rows of chunks that a session remembers, for who asks for the newest of a series again.
 */
#include "postgres.h"

#include "exec/seen_row.h"

#include "executor/tuptable.h"
#include "utils/rel.h"

/* More are seldom asked for. */
#define COLUMNS_MAX		64

typedef struct SeenValue
{
	Datum		value;
	AttrNumber	column;
	bool		is_null;
} SeenValue;

typedef struct SeenRow
{
	struct SeenRow *next;		/* of the same chunk */
	uint16		row;
	uint16		count;
	SeenValue	values[FLEXIBLE_ARRAY_MEMBER];	/* in order of columns */
} SeenRow;

bool
tsdb_seen_row_fits(const TsdbRowsScan *scan)
{
	TupleDesc	tupdesc = RelationGetDescr(scan->rel);

	for (int i = 0; i < scan->ncolumns; i++)
	{
		if (!TupleDescAttr(tupdesc, scan->columns[i] - 1)->attbyval)
			return false;
	}
	return scan->ncolumns > 0 && scan->ncolumns <= COLUMNS_MAX;
}

static SeenRow *
find_row(const TsdbDirectoryView *view, uint32 row)
{
	SeenRow    *seen = tsdb_directory_view_memory(view, 0, TSDB_MEMORY_ROWS);

	while (seen != NULL && seen->row != row)
		seen = seen->next;
	return seen;
}

bool
tsdb_seen_row_recall(const TsdbDirectoryView *view, const TsdbRowsScan *scan, uint32 row,
					 TupleTableSlot *slot)
{
	const SeenRow *seen = find_row(view, row);
	int			next = 0;

	if (seen == NULL)
		return false;
	for (int i = 0; i < scan->ncolumns; i++)
	{
		AttrNumber	column = scan->columns[i];

		while (next < seen->count && seen->values[next].column != column)
			next++;
		if (next == seen->count)
			return false;
		slot->tts_values[column - 1] = seen->values[next].value;
		slot->tts_isnull[column - 1] = seen->values[next].is_null;
	}
	return true;
}

void
tsdb_seen_row_remember(TsdbDirectoryView *view, const TsdbRowsScan *scan, uint32 row,
					   const TupleTableSlot *slot)
{
	SeenRow    *seen = find_row(view, row);
	SeenRow    *old = seen;

	/* fewer columns than there are now: whoever asks for more takes the room */
	if (old == NULL || old->count < scan->ncolumns)
	{
		seen = tsdb_directory_view_alloc(view, offsetof(SeenRow, values) +
										 scan->ncolumns * sizeof(SeenValue));
		if (seen == NULL)
			return;
		seen->row = row;
		seen->next = tsdb_directory_view_memory(view, 0, TSDB_MEMORY_ROWS);
		tsdb_directory_view_remember(view, 0, TSDB_MEMORY_ROWS, seen);
		if (old != NULL)
			old->row = PG_UINT16_MAX;	/* no row */
	}
	seen->count = 0;
	for (int i = 0; i < scan->ncolumns; i++)
	{
		AttrNumber	column = scan->columns[i];

		seen->values[seen->count++] = (SeenValue)
		{
			slot->tts_values[column - 1], column, slot->tts_isnull[column - 1]
		};
	}
}
