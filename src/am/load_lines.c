/*
 * load_lines.c
 *		Which line of COPY's input a gathered row came from.
 */
#include "postgres.h"

#include "am/load_lines.h"

#include "am/copy_input.h"
#include "utils/memutils.h"

#define NO_ROW		PG_UINT32_MAX

/* Rows from one on, of lines from one on. */
typedef struct Stretch
{
	uint32		row;
	uint64		line;			/* 0: not known */
} Stretch;

struct TsdbLoadLines
{
	char	   *relation;		/* as COPY calls it */
	Stretch    *stretches;
	uint32		count;
	uint32		allocated;
	uint32		next;			/* row behind those that were noted */
	uint32		named;			/* row that an error is about, or NO_ROW */
	ErrorContextCallback context;
	ErrorContextCallback *outer;	/* the stack without our context */
};

TsdbLoadLines *
tsdb_load_lines_create(void)
{
	const char *relation = tsdb_copy_input_relation();
	TsdbLoadLines *lines;

	if (relation == NULL)
		return NULL;
	lines = palloc0(sizeof(TsdbLoadLines));
	lines->relation = pstrdup(relation);
	lines->allocated = 16;
	lines->stretches = palloc(lines->allocated * sizeof(Stretch));
	return lines;
}

void
tsdb_load_lines_clear(TsdbLoadLines *lines)
{
	lines->count = 0;
	lines->next = 0;
}

static void
add_stretch(TsdbLoadLines *lines, uint32 row, uint64 line)
{
	if (lines->count == lines->allocated)
	{
		lines->allocated *= 2;
		lines->stretches = repalloc_huge(lines->stretches,
										 lines->allocated * sizeof(Stretch));
	}
	lines->stretches[lines->count++] = (Stretch) {
		row, line
	};
}

/* The line of a row; 0 if it is not known. */
static uint64
find_line(const TsdbLoadLines *lines, uint32 row)
{
	uint32		low = 0;
	uint32		high = lines->count;

	if (row >= lines->next)
		return 0;
	while (high - low > 1)
	{
		uint32		middle = low + (high - low) / 2;

		if (lines->stretches[middle].row <= row)
			low = middle;
		else
			high = middle;
	}
	return lines->stretches[low].line == 0 ? 0 :
		lines->stretches[low].line + (row - lines->stretches[low].row);
}

/* A row, behind all that were noted, is of this line. */
static void
note_line(TsdbLoadLines *lines, uint32 row, uint64 line)
{
	const Stretch *last = lines->count > 0 ? &lines->stretches[lines->count - 1] : NULL;

	if (row > lines->next)
		add_stretch(lines, lines->next, 0);
	if (row > lines->next || last == NULL || last->line == 0 ||
		line != last->line + (row - last->row))
		add_stretch(lines, row, line);
	lines->next = row + 1;
}

void
tsdb_load_lines_note(TsdbLoadLines *lines, uint32 row)
{
	if (row >= lines->next)		/* else it was for another index */
		note_line(lines, row, tsdb_copy_input_line());
}

void
tsdb_load_lines_keep(TsdbLoadLines *lines, const bool *marked, uint32 rows)
{
	TsdbLoadLines before = *lines;
	uint32		kept = 0;

	lines->stretches = MemoryContextAllocHuge(GetMemoryChunkContext(lines),
											  lines->allocated * sizeof(Stretch));
	tsdb_load_lines_clear(lines);
	for (uint32 row = 0; row < rows; row++)
	{
		uint64		line = marked[row] ? find_line(&before, row) : 0;

		if (line != 0)
			note_line(lines, kept, line);
		kept += marked[row];
	}
	pfree(before.stretches);
}

static void
say_line(void *arg)
{
	const TsdbLoadLines *lines = arg;
	uint64		line = lines->named == NO_ROW ? 0 : find_line(lines, lines->named);

	if (line != 0)
		errcontext("COPY %s, line %llu", lines->relation, (unsigned long long) line);
	else
		errcontext("COPY %s", lines->relation);
}

void
tsdb_load_lines_begin_context(TsdbLoadLines *lines)
{
	lines->named = NO_ROW;
	lines->outer = error_context_stack;
	lines->context.callback = say_line;
	lines->context.arg = lines;
	lines->context.previous = tsdb_copy_input_relation() != NULL ?
		error_context_stack->previous : error_context_stack;
	error_context_stack = &lines->context;
}

void
tsdb_load_lines_name_row(TsdbLoadLines *lines, uint32 row)
{
	lines->named = row;
}

void
tsdb_load_lines_end_context(TsdbLoadLines *lines)
{
	error_context_stack = lines->outer;
}
