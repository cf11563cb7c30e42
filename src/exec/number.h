/*
 * number.h
 *		Datums of numbers, dates and times as plain numbers.
 *
 * Loops over columns call these with a constant type, so that each has its own code.
 */
#ifndef TSDB_EXEC_NUMBER_H
#define TSDB_EXEC_NUMBER_H

#include "catalog/pg_type_d.h"
#include "utils/date.h"
#include "utils/timestamp.h"

/* Does the type order as the integer that a value of it is? */
static inline bool
tsdb_number_is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID || type == DATEOID ||
		type == TIMESTAMPOID || type == TIMESTAMPTZOID;
}

/* The value of such a type, or of a boolean. */
static pg_attribute_always_inline int64
tsdb_number_get_integer(Oid type, Datum value)
{
	switch (type)
	{
		case BOOLOID:
			return DatumGetBool(value);
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		case DATEOID:
			return DatumGetDateADT(value);
		default:
			return DatumGetInt64(value);
	}
}

/* The value of a real or double precision. */
static pg_attribute_always_inline double
tsdb_number_get_float(Oid type, Datum value)
{
	return type == FLOAT4OID ? DatumGetFloat4(value) : DatumGetFloat8(value);
}

#endif							/* TSDB_EXEC_NUMBER_H */
