/*
 * ingest_binary.c
 *		A column of rows for tsdb.ingest() in the binary format of arrays, as a bytea.
 */
#include "postgres.h"

#include "sql/ingest_binary.h"

#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "port/pg_bswap.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

/* What comes before the elements of an array of one dimension, and the part that all arrays have. */
#define HEADER_BYTES		20
#define HEADER_BYTES_ANY	12

static uint32
read_uint32(const char *from)
{
	uint32		value;

	memcpy(&value, from, sizeof(value));
	return pg_ntoh32(value);
}

/* Bytes of a value of a type that is read here, 0 of others. */
static int16
element_bytes(Oid element)
{
	switch (element)
	{
		case INT2OID:
			return 2;
		case INT4OID:
		case FLOAT4OID:
		case DATEOID:
			return 4;
		case INT8OID:
		case FLOAT8OID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return 8;
		default:
			return 0;
	}
}

/* Turn round the bytes of elements, each behind its number of bytes; false if one has another number. */
static bool
read_elements(const char *from, int16 length, uint32 count, char *to)
{
	uint32		wrong = 0;

#define READ(type, turn) \
	for (uint32 i = 0; i < count; i++, from += sizeof(uint32) + sizeof(type)) \
	{ \
		type		value; \
		\
		wrong |= read_uint32(from) ^ sizeof(type); \
		memcpy(&value, from + sizeof(uint32), sizeof(type)); \
		((type *) to)[i] = turn(value); \
	}

	switch (length)
	{
		case 2:
			READ(uint16, pg_ntoh16);
			break;
		case 4:
			READ(uint32, pg_ntoh32);
			break;
		default:
			READ(uint64, pg_ntoh64);
			break;
	}
#undef READ
	return wrong == 0;
}

/* Would the type's receive function take them all? */
static bool
are_valid(Oid element, const char *values, uint32 count)
{
	bool		valid = true;

	if (element == TIMESTAMPOID || element == TIMESTAMPTZOID)
	{
		for (uint32 i = 0; i < count; i++)
		{
			Timestamp	value = ((const Timestamp *) values)[i];

			valid &= IS_VALID_TIMESTAMP(value) || TIMESTAMP_NOT_FINITE(value);
		}
	}
	else if (element == DATEOID)
	{
		for (uint32 i = 0; i < count; i++)
		{
			DateADT		value = ((const DateADT *) values)[i];

			valid &= IS_VALID_DATE(value) || DATE_NOT_FINITE(value);
		}
	}
	return valid;
}

char *
tsdb_ingest_read_fixed(bytea *bytes, Oid *element, int16 *length, uint32 *count)
{
	const char *from = VARDATA_ANY(bytes);
	Size		size = VARSIZE_ANY_EXHDR(bytes);
	char	   *values;

	if (size < HEADER_BYTES || read_uint32(from) != 1 || read_uint32(from + 4) != 0)
		return NULL;
	*element = read_uint32(from + 8);
	*count = read_uint32(from + 12);
	*length = element_bytes(*element);
	if (*length == 0 || *count == 0 ||
		size - HEADER_BYTES != (Size) *count * (sizeof(uint32) + *length))
		return NULL;
	values = palloc((Size) *count * *length);
	if (read_elements(from + HEADER_BYTES, *length, *count, values) &&
		are_valid(*element, values, *count))
		return values;
	pfree(values);
	return NULL;
}

static void pg_attribute_noreturn()
not_an_array(int argument)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("argument %d of tsdb.ingest() is no array in binary format", argument),
			 errhint("As bytea, give what array_send() makes of an array.")));
}

static void
name_argument(void *argument)
{
	errcontext("binary format of argument %d of tsdb.ingest()", *(const int *) argument);
}

ArrayType *
tsdb_ingest_read_array(bytea *bytes, int argument)
{
	Size		size = VARSIZE_ANY_EXHDR(bytes);
	Oid			element;
	StringInfoData buffer;
	ErrorContextCallback context = {
		.previous = error_context_stack,.callback = name_argument,.arg = &argument
	};
	Datum		array;

	if (size < HEADER_BYTES_ANY)
		not_an_array(argument);
	element = read_uint32(VARDATA_ANY(bytes) + 8);
	if (!OidIsValid(get_array_type(element)))
		not_an_array(argument);

	/* a copy, as it is written to */
	initStringInfo(&buffer);
	appendBinaryStringInfo(&buffer, VARDATA_ANY(bytes), size);
	error_context_stack = &context;
	array = OidReceiveFunctionCall(F_ARRAY_RECV, &buffer, element, -1);
	error_context_stack = context.previous;
	if (buffer.cursor != buffer.len)
		not_an_array(argument);
	return DatumGetArrayTypeP(array);
}
