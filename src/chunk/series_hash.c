/*
 * series_hash.c
 *		A stable hash of a series key: decides on the shard of a row.
 *
 * Equal keys must hash alike, today and after an upgrade, so the hash is over
 * canonical bytes with the server's hash_bytes(), which partitioned tables
 * rely on too.  Version 1:
 *
 *		null							a constant
 *		integers, dates, times, …		the sign-extended 64 bits
 *		float4, float8					bits of the double, -0 as 0, one NaN
 *		text, varchar, bytea, uuid, …	the bytes
 *		bpchar							the bytes without trailing blanks
 *		other types						their extended hash function, seed 0
 *		types without one, and strings	a constant: equal values need not have
 *		of nondeterministic collation	equal bytes, or bytes say nothing
 *
 * Columns are combined in key order.  A change of any rule is a new version;
 * a chunk states the version that it was placed by, and one placed by another
 * version must be looked for in every shard.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_type_d.h"
#include "chunk/chunk.h"
#include "chunk/chunk_type.h"
#include "chunk/series_hash.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#define HASH_OF_NULL		((uint32) 0x9E3779B9)
#define HASH_OF_UNKNOWN		((uint32) 0x85EBCA6B)

static uint32
hash_int64(int64 value)
{
	return hash_bytes((const unsigned char *) &value, sizeof(value));
}

static uint32
hash_double(double value)
{
	if (value == 0)
		value = 0;				/* -0 equals 0 */
	else if (isnan(value))
		value = get_float8_nan();
	return hash_bytes((const unsigned char *) &value, sizeof(value));
}

/* Hash the payload of a varlena; padded: trailing blanks do not count. */
static uint32
hash_varlena(Datum datum, bool padded)
{
	struct varlena *value = PG_DETOAST_DATUM_PACKED(datum);
	const char *data = VARDATA_ANY(value);
	int			length = VARSIZE_ANY_EXHDR(value);
	uint32		hash;

	while (padded && length > 0 && data[length - 1] == ' ')
		length--;
	hash = hash_bytes((const unsigned char *) data, length);
	if ((Pointer) value != DatumGetPointer(datum))
		pfree(value);
	return hash;
}

/* By the type's own hash function, if it has one. */
static uint32
hash_by_type(Oid type, Oid collation, Datum value)
{
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_HASH_EXTENDED_PROC_FINFO);

	if (!OidIsValid(entry->hash_extended_proc_finfo.fn_oid))
		return HASH_OF_UNKNOWN;
	return (uint32) DatumGetUInt64(FunctionCall2Coll(&entry->hash_extended_proc_finfo,
													 collation, value,
													 UInt64GetDatum(0)));
}

static bool
is_deterministic(Oid collation)
{
	/* the look-up is saved for nearly everybody */
	return !OidIsValid(collation) || collation == DEFAULT_COLLATION_OID ||
		collation == C_COLLATION_OID || get_collation_isdeterministic(collation);
}

static uint32
hash_value(Form_pg_attribute att, Datum value)
{
	TsdbColumnType type;

	if (!is_deterministic(att->attcollation))
		return HASH_OF_UNKNOWN;

	tsdb_column_type_init(att, &type);
	switch (type.order)
	{
		case TSDB_ORDER_SIGNED:
		case TSDB_ORDER_UNSIGNED:
			if (type.length == 1)
				return hash_int64((int8) DatumGetChar(value));
			if (type.length == 2)
				return hash_int64(DatumGetInt16(value));
			if (type.length == 4)
				return hash_int64(DatumGetInt32(value));
			return hash_int64(DatumGetInt64(value));
		case TSDB_ORDER_FLOAT:
			return hash_double(type.length == 4 ? (double) DatumGetFloat4(value) :
							   DatumGetFloat8(value));
		case TSDB_ORDER_BYTES:
			if (type.length < 0)
				return hash_varlena(value, false);
			return hash_bytes((const unsigned char *) DatumGetPointer(value),
							  type.base == NAMEOID ?
							  (int) strlen(NameStr(*DatumGetName(value))) : type.length);
		case TSDB_ORDER_PADDED:
			return hash_varlena(value, true);
		default:
			return hash_by_type(type.base, att->attcollation, value);
	}
}

/*
 * A type may become another one of the same representation (varchar becomes text, integer oid), which
 * changes nothing here; of bpchar not, of which trailing blanks count no more.  Types with a hash
 * function of their own are left out, and floats, of which different bits may be equal.
 */
bool
tsdb_series_hash_is_exact(TupleDesc tupdesc, const TsdbSortKey *key)
{
	for (int i = 0; i < key->nseries; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, AttrNumberGetAttrOffset(key->series[i]));
		TsdbColumnType type;

		tsdb_column_type_init(att, &type);
		if (type.order != TSDB_ORDER_SIGNED && type.order != TSDB_ORDER_UNSIGNED &&
			type.order != TSDB_ORDER_BYTES)
			return false;
		if (!is_deterministic(att->attcollation))
			return false;
	}
	return true;
}

uint32
tsdb_series_hash(TupleDesc tupdesc, const TsdbSortKey *key,
				 const Datum *values, const bool *nulls)
{
	uint32		hash = 0;

	for (int i = 0; i < key->nseries; i++)
	{
		int			index = AttrNumberGetAttrOffset(key->series[i]);

		hash = hash_combine(hash, nulls[index] ? HASH_OF_NULL :
							hash_value(TupleDescAttr(tupdesc, index), values[index]));
	}
	return hash;
}
