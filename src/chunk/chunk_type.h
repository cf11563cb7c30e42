/*
 * chunk_type.h
 *		How the columns of a table are represented in vectors.
 *
 * A vector keeps the bits of a value and knows nothing of its type.  Only
 * statistics need to know in which order a type compares; that is decided
 * here, by the base type, and checked again when statistics are read, since
 * ALTER TABLE can change a type without rewriting the table.
 */
#ifndef TSDB_CHUNK_CHUNK_TYPE_H
#define TSDB_CHUNK_CHUNK_TYPE_H

#include "access/tupdesc.h"
#include "chunk/chunk_body.h"
#include "codec/codec.h"

/* The order of a column's min and max. */
typedef enum TsdbOrder
{
	TSDB_ORDER_NONE = 0,		/* no range is kept */
	TSDB_ORDER_SIGNED,			/* integers, dates, times, money, boolean */
	TSDB_ORDER_UNSIGNED,		/* oid, "char", pg_lsn, xid8 */
	TSDB_ORDER_FLOAT,			/* NaN above all, -0 equals 0 */
	TSDB_ORDER_BYTES,			/* memcmp, then length */
	TSDB_ORDER_PADDED			/* the same without trailing blanks: bpchar */
} TsdbOrder;

typedef struct TsdbColumnType
{
	Oid			base;			/* base type, InvalidOid if dropped */
	int16		length;			/* pg_attribute.attlen */
	bool		by_value;
	char		align;
	uint8		kind;			/* TsdbBodyKind; BODY_NULL if dropped */
	uint8		order;			/* TsdbOrder */
	bool		summable;		/* an exact sum is kept */
} TsdbColumnType;

/* Describe an attribute.  May look at catalogs, for types of users only. */
extern void tsdb_column_type_init(Form_pg_attribute att, TsdbColumnType *type);

/* True if type may order a table: its values are integers that count time. */
extern bool tsdb_column_type_is_time(const TsdbColumnType *type);

/* The vector type and width that a kind is encoded as (width of FIXED: given). */
extern void tsdb_column_kind_vector(uint8 kind, uint32 fixed_width,
									TsdbVectorType *type, uint32 *width);

/* True if a vector of that type and width can be read as such an attribute. */
extern bool tsdb_column_reads(bool by_value, int16 length,
							  TsdbVectorType vector_type, uint32 width);

/* The kind's order as the body states it: false the usual one, true the other. */
extern bool tsdb_column_order_is_alternate(uint8 order);

#endif							/* TSDB_CHUNK_CHUNK_TYPE_H */
