/*
 * ingest_binary.h
 *		A column of rows for tsdb.ingest() in the binary format of arrays, as a bytea.
 *
 * An array that comes as a parameter costs more than all that is done with its values later: the server calls the
 * receive function of the element's type for each.  A bytea comes as it is.  So tsdb.ingest() takes
 * the bytes of an array, what array_send() makes and what clients send for an array in binary, as a bytea too, and
 * reads those of numbers and times without nulls in a loop; others it leaves to array_recv().
 *
 *		dimensions, has nulls, type of elements, length, lower bound | bytes, value | bytes, value | ...
 *
 * all numbers of four bytes, and all in network order.
 */
#ifndef TSDB_SQL_INGEST_BINARY_H
#define TSDB_SQL_INGEST_BINARY_H

#include "sql/ingest_rows.h"
#include "utils/array.h"

/*
 * Read an array of a type that is passed by value.  Its values, one after the other, and their type and number;
 * NULL if it is to be read as an array.
 */
extern char *tsdb_ingest_read_fixed(bytea *bytes, Oid *element, int16 *length, uint32 *count);

/* Read any array.  An error if it is none; argument is the number to name in it. */
extern ArrayType *tsdb_ingest_read_array(bytea *bytes, int argument);

#endif							/* TSDB_SQL_INGEST_BINARY_H */
