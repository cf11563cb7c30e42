/*
 * row_array.h
 *		A column of some rows as an array.
 */
#ifndef TSDB_CHUNK_ROW_ARRAY_H
#define TSDB_CHUNK_ROW_ARRAY_H

#include "access/tupmacs.h"

/* Of a type that is passed by value; no row is null. */
typedef struct TsdbRowArray
{
	const char *values;			/* one after the other */
	int16		length;			/* of each */
	bool		same;			/* one value for all rows */
} TsdbRowArray;

static inline Datum
tsdb_row_array_value(const TsdbRowArray *array, uint32 row)
{
	return fetch_att(array->values + (array->same ? 0 : (Size) row * array->length), true,
					 array->length);
}

#endif							/* TSDB_CHUNK_ROW_ARRAY_H */
