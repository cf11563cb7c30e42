/*
 * copy_input.h
 *		Reading the fields of COPY FROM faster.
 *
 * Once rows are gathered as values (am/direct_load.h), most of the time that COPY takes goes into
 * the input functions of types: timestamptz_in can read anything that has ever been
 * called a date, and what it mostly gets is 2024-01-01 00:00:00+00.  So COPY gets functions that know
 * the forms in which programs write floats and times, give what the type's own function gives for
 * these, to the bit, and leave all else to it, errors too.
 *
 * COPY's state is its own.  We find it where it tells the line number of an error, in the
 * error context, and change nothing but addresses of functions that are known by their OIDs.
 * If it is not there, COPY reads as ever.
 */
#ifndef TSDB_AM_COPY_INPUT_H
#define TSDB_AM_COPY_INPUT_H

/* If COPY FROM is what runs: let it read with our functions from the next row on. */
extern void tsdb_copy_input_install(void);

/* The line of the row that COPY FROM is at, as it would say in an error; 0 if nobody can tell. */
extern uint64 tsdb_copy_input_line(void);

/* What COPY FROM calls the table; NULL if none runs. */
extern const char *tsdb_copy_input_relation(void);

#endif							/* TSDB_AM_COPY_INPUT_H */
