/*
 * load_lines.h
 *		Which line of COPY's input a gathered row came from.
 *
 * COPY says in an error which line it is about.  Rows that are gathered for a load (am/direct_load.h) are
 * entered into indexes when COPY has read many others, or its end, so what it would say is wrong then.
 * It says the line of each row when it comes to indexes with it, though: as a rule one after another, so that
 * all of them are one number.
 */
#ifndef TSDB_AM_LOAD_LINES_H
#define TSDB_AM_LOAD_LINES_H

#include "utils/elog.h"

typedef struct TsdbLoadLines TsdbLoadLines;

/* If COPY FROM is running, for the rows of a load, in the current context; else NULL. */
extern TsdbLoadLines *tsdb_load_lines_create(void);
extern void tsdb_load_lines_clear(TsdbLoadLines *lines);

/* Rows are numbered anew: of so many those that are marked stay. */
extern void tsdb_load_lines_keep(TsdbLoadLines *lines, const bool *marked, uint32 rows);

/* COPY is at this row, now that it comes to the indexes. */
extern void tsdb_load_lines_note(TsdbLoadLines *lines, uint32 row);

/* Errors between these two are about the row that was named last, or about none, whatever COPY says. */
extern void tsdb_load_lines_begin_context(TsdbLoadLines *lines);
extern void tsdb_load_lines_name_row(TsdbLoadLines *lines, uint32 row);
extern void tsdb_load_lines_end_context(TsdbLoadLines *lines);

#endif							/* TSDB_AM_LOAD_LINES_H */
