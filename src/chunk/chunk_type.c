/*
 * chunk_type.c
 *		How the columns of a table are represented in vectors.
 *
 *		passed by value, 1, 2, 4, 8 bytes	INT of that width
 *		float4, float8 (and domains)		FLOAT4, FLOAT8
 *		by reference, fixed length			FIXED: interval, uuid, point, name …
 *		varlena								BYTES, the payload without its header
 *		cstring								BYTES without the final zero
 *		numeric								as a varlena, or DECIMAL: the writer sees
 *
 * Domains, enums, arrays, ranges and composites need no rule of their own.
 * Values come back bit for bit: -0, NaN payloads, and the bytes of a varlena,
 * detoasted and with a header of four bytes.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "chunk/chunk_type.h"
#include "utils/lsyscache.h"

StaticAssertDecl(SIZEOF_DATUM == 8, "chunks need Datums of 8 bytes");

static Oid
base_type(Oid type)
{
	/* no domain has an OID assigned by hand, and this saves the look-up */
	return type < FirstGenbkiObjectId ? type : getBaseType(type);
}

static uint8
int_kind(int16 length)
{
	switch (length)
	{
		case 1:
			return TSDB_BODY_INT1;
		case 2:
			return TSDB_BODY_INT2;
		case 4:
			return TSDB_BODY_INT4;
		default:
			Assert(length == 8);
			return TSDB_BODY_INT8;
	}
}

void
tsdb_column_type_init(Form_pg_attribute att, TsdbColumnType *type)
{
	type->length = att->attlen;
	type->by_value = att->attbyval;
	type->align = att->attalign;
	type->order = TSDB_ORDER_NONE;
	type->summable = false;

	if (att->attisdropped)
	{
		type->base = InvalidOid;
		type->kind = TSDB_BODY_NULL;
		return;
	}

	type->base = base_type(att->atttypid);
	if (att->attbyval)
		type->kind = int_kind(att->attlen);
	else if (att->attlen > 0)
		type->kind = TSDB_BODY_FIXED;
	else
		type->kind = TSDB_BODY_BYTES;

	switch (type->base)
	{
		case FLOAT4OID:
			type->kind = TSDB_BODY_FLOAT4;
			type->order = TSDB_ORDER_FLOAT;
			break;
		case FLOAT8OID:
			type->kind = TSDB_BODY_FLOAT8;
			type->order = TSDB_ORDER_FLOAT;
			break;
		case INT2OID:
		case INT4OID:
		case INT8OID:
			type->summable = true;
			type->order = TSDB_ORDER_SIGNED;
			break;
		case BOOLOID:
		case DATEOID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case CASHOID:
			type->order = TSDB_ORDER_SIGNED;
			break;
		case CHAROID:
		case OIDOID:
		case XID8OID:
		case PG_LSNOID:
			type->order = TSDB_ORDER_UNSIGNED;
			break;
		case TEXTOID:
		case VARCHAROID:
		case BYTEAOID:
		case NAMEOID:
		case UUIDOID:
		case MACADDROID:
		case MACADDR8OID:
			type->order = TSDB_ORDER_BYTES;
			break;
		case BPCHAROID:
			type->order = TSDB_ORDER_PADDED;
			break;
		default:
			break;
	}
}

bool
tsdb_column_type_is_time(const TsdbColumnType *type)
{
	switch (type->base)
	{
		case TIMESTAMPTZOID:
		case TIMESTAMPOID:
		case DATEOID:
		case INT8OID:
		case INT4OID:
		case INT2OID:
			return true;
		default:
			return false;
	}
}

void
tsdb_column_kind_vector(uint8 kind, uint32 fixed_width,
						TsdbVectorType *type, uint32 *width)
{
	*width = 0;
	switch (kind)
	{
		case TSDB_BODY_INT1:
		case TSDB_BODY_INT2:
		case TSDB_BODY_INT4:
		case TSDB_BODY_INT8:
			*type = TSDB_VECTOR_INT;
			*width = 1 << (kind - TSDB_BODY_INT1);
			break;
		case TSDB_BODY_FLOAT4:
			*type = TSDB_VECTOR_FLOAT4;
			break;
		case TSDB_BODY_FLOAT8:
			*type = TSDB_VECTOR_FLOAT8;
			break;
		case TSDB_BODY_FIXED:
			*type = TSDB_VECTOR_FIXED;
			*width = fixed_width;
			break;
		case TSDB_BODY_DECIMAL:
			*type = TSDB_VECTOR_INT;
			*width = 8;
			break;
		default:
			*type = TSDB_VECTOR_BYTES;
			break;
	}
}

bool
tsdb_column_reads(bool by_value, int16 length,
				  TsdbVectorType vector_type, uint32 width)
{
	switch (vector_type)
	{
		case TSDB_VECTOR_INT:
			return by_value && length == (int) width;
		case TSDB_VECTOR_FLOAT4:
			return by_value && length == 4;
		case TSDB_VECTOR_FLOAT8:
			return by_value && length == 8;
		case TSDB_VECTOR_FIXED:
			return !by_value && length == (int) width;
		case TSDB_VECTOR_BYTES:
			return length < 0;
	}
	return false;
}

bool
tsdb_column_order_is_alternate(uint8 order)
{
	return order == TSDB_ORDER_UNSIGNED || order == TSDB_ORDER_PADDED;
}
