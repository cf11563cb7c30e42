/*
 * packed_row.h
 *		A row in memory as an array of Datums, for rows that are gathered.
 *
 * Forming a heap tuple of a row that is only kept to become part of columns a
 * moment later, and taking it apart again, costs more than parsing it.  A packed
 * row is
 *
 *		[ 64-bit words with a bit per null column, if there is any null ]
 *		[ a Datum per column that is not null, in order ]
 *		[ what Datums of by-reference types point to ]
 *
 * so that a row without nulls is what an executor's slot holds, and a row of mostly
 * nulls is short.  Its address is a multiple of eight, and the lowest bit of a
 * reference to it says whether it has nulls.
 *
 * Varlenas get a short header as in heap tuples; compressed ones stay compressed.  Out-of-line
 * and expanded ones must be flattened before.
 */
#ifndef TSDB_CHUNK_PACKED_ROW_H
#define TSDB_CHUNK_PACKED_ROW_H

#include "access/tupdesc.h"

/* Where a row lies, plus one if it has nulls. */
typedef uintptr_t TsdbPackedRow;

/* What packing needs to know of a table's columns. */
typedef struct TsdbPackedLayout
{
	int			natts;
	bool		by_value;		/* all columns are */
	int16		lengths[FLEXIBLE_ARRAY_MEMBER]; /* 0: by value; else as attlen */
} TsdbPackedLayout;

extern TsdbPackedLayout *tsdb_packed_layout(TupleDesc tupdesc);

/* Bytes that a row takes when it is packed, a multiple of eight. */
extern Size tsdb_packed_row_bytes(const TsdbPackedLayout *layout, const Datum *values,
								  const bool *nulls);

/* Pack a row into so much memory. */
extern TsdbPackedRow tsdb_packed_row_write(const TsdbPackedLayout *layout, const Datum *values,
										   const bool *nulls, char *memory);

/* All columns, and one, counted from 0.  Datums point into the row. */
extern void tsdb_packed_row_read(TsdbPackedRow row, int natts, Datum *values, bool *nulls);
extern Datum tsdb_packed_row_value(TsdbPackedRow row, int natts, int column, bool *isnull);

/* The Datums of a row without nulls, or NULL. */
static inline const Datum *
tsdb_packed_row_datums(TsdbPackedRow row)
{
	return (row & 1) != 0 ? NULL : (const Datum *) row;
}

/* Whether a row is packed as nothing but its Datums. */
static inline bool
tsdb_packed_row_is_plain(const TsdbPackedLayout *layout, const bool *nulls)
{
	bool		any_null = false;

	for (int i = 0; i < layout->natts; i++)
		any_null |= nulls[i];
	return layout->by_value && !any_null;
}

/* Where it lies. */
static inline const char *
tsdb_packed_row_address(TsdbPackedRow row)
{
	return (const char *) (row & ~(uintptr_t) 1);
}

#endif							/* TSDB_CHUNK_PACKED_ROW_H */
