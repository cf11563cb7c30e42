/*
 * key_columns.c
 *		The columns of a key index: hash, equality, and a rough order.
 */
#include "postgres.h"

#include "store/key_columns.h"

#include <math.h>

#include "access/genam.h"
#include "access/nbtree.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_type_d.h"
#include "chunk/chunk_type.h"
#include "common/hashfn.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#define HASH_OF_NULL		UINT64CONST(0x9E3779B97F4A7C15)

static bool
is_deterministic(Oid collation)
{
	return !OidIsValid(collation) || collation == DEFAULT_COLLATION_OID ||
		collation == C_COLLATION_OID || get_collation_isdeterministic(collation);
}

/* Decide how a column of this type is hashed, compared and ranked. */
static void
choose_kind(TsdbKeyColumn *column, Form_pg_attribute att)
{
	TsdbColumnType type;

	tsdb_column_type_init(att, &type);
	column->kind = TSDB_KEY_FUNCTION;
	column->rank = TSDB_RANK_NONE;
	switch (type.order)
	{
		case TSDB_ORDER_SIGNED:
			column->kind = TSDB_KEY_INTEGER;
			column->rank = TSDB_RANK_SIGNED;
			break;
		case TSDB_ORDER_UNSIGNED:
			column->kind = TSDB_KEY_INTEGER;
			column->rank = TSDB_RANK_UNSIGNED;
			break;
		case TSDB_ORDER_FLOAT:
			column->rank = TSDB_RANK_FLOAT;
			break;
		case TSDB_ORDER_BYTES:
			if (!is_deterministic(column->collation))
				break;
			column->rank = TSDB_RANK_BYTES;
			if (type.base != NAMEOID)
				column->kind = type.length < 0 ? TSDB_KEY_STRING : TSDB_KEY_FIXED;
			break;
		case TSDB_ORDER_PADDED:
			if (is_deterministic(column->collation))
				column->rank = TSDB_RANK_PADDED;
			break;
		default:
			if (type.base == NUMERICOID)
				column->rank = TSDB_RANK_NUMERIC;
			else if (get_typtype(type.base) == TYPTYPE_ENUM)
				column->kind = TSDB_KEY_INTEGER;
			break;
	}
}

void
tsdb_key_column_describe(Form_pg_attribute att, TsdbKeyColumn *column)
{
	memset(column, 0, sizeof(*column));
	column->attno = att->attnum;
	column->length = att->attlen;
	column->by_value = att->attbyval;
	column->type = getBaseType(att->atttypid);
	column->collation = att->attcollation;
	choose_kind(column, att);
}

/* Those that are no times, or else all but the last. */
static void
choose_series(TsdbKeyColumns *key)
{
	key->nseries = 0;
	for (int i = 0; i < key->count; i++)
	{
		Oid			type = key->columns[i].type;

		if (type != TIMESTAMPTZOID && type != TIMESTAMPOID && type != DATEOID)
			key->series[key->nseries++] = i;
	}
	if (key->nseries == key->count)
		key->nseries--;
}

void
tsdb_key_columns_init(Relation index, Relation table, TsdbKeyColumns *key)
{
	key->count = IndexRelationGetNumberOfKeyAttributes(index);
	for (int i = 0; i < key->count; i++)
	{
		TsdbKeyColumn *column = &key->columns[i];
		Form_pg_attribute att;
		TypeCacheEntry *type;

		memset(column, 0, sizeof(*column));
		column->attno = index->rd_index->indkey.values[i];
		att = TupleDescAttr(RelationGetDescr(table), column->attno - 1);
		column->length = att->attlen;
		column->by_value = att->attbyval;
		column->type = index->rd_opcintype[i];
		column->collation = index->rd_indcollation[i];
		choose_kind(column, att);
		fmgr_info_copy(&column->compare, index_getprocinfo(index, i + 1, BTORDER_PROC),
					   CurrentMemoryContext);
		type = lookup_type_cache(att->atttypid, TYPECACHE_HASH_PROC);
		if (column->kind == TSDB_KEY_FUNCTION && OidIsValid(type->hash_proc))
			fmgr_info(type->hash_proc, &column->hash);
	}
	choose_series(key);
}

static uint64
mix(uint64 hash, uint64 value)
{
	hash = (hash ^ value) * UINT64CONST(0x9FB21C651E98DF25);
	return hash ^ (hash >> 32);
}

static uint64
hash_string(Datum datum)
{
	struct varlena *value = PG_DETOAST_DATUM_PACKED(datum);
	uint32		hash = hash_bytes((const unsigned char *) VARDATA_ANY(value),
								  VARSIZE_ANY_EXHDR(value));

	if ((Pointer) value != DatumGetPointer(datum))
		pfree(value);
	return hash;
}

static uint64
hash_value(TsdbKeyColumn *column, Datum value)
{
	switch (column->kind)
	{
		case TSDB_KEY_INTEGER:
			return (uint64) tsdb_key_integer(column, value);
		case TSDB_KEY_STRING:
			return hash_string(value);
		case TSDB_KEY_FIXED:
			return hash_bytes((const unsigned char *) DatumGetPointer(value), column->length);
		case TSDB_KEY_FUNCTION:
			break;
	}
	if (!OidIsValid(column->hash.fn_oid))
		return 0;
	return DatumGetUInt32(FunctionCall1Coll(&column->hash, column->collation, value));
}

uint32
tsdb_key_hash(TsdbKeyColumns *key, const Datum *values, const bool *nulls)
{
	uint64		hash = 0;

	for (int i = 0; i < key->count; i++)
		hash = mix(hash, nulls[i] ? HASH_OF_NULL : hash_value(&key->columns[i], values[i]));
	return (uint32) hash;
}

uint32
tsdb_key_series_hash(TsdbKeyColumns *key, const Datum *values, const bool *nulls)
{
	uint64		hash = 0;

	for (int i = 0; i < key->nseries; i++)
	{
		int			column = key->series[i];

		hash = mix(hash, nulls[column] ? HASH_OF_NULL :
				   hash_value(&key->columns[column], values[column]));
	}
	return (uint32) hash;
}

static bool
equal_strings(Datum left, Datum right)
{
	struct varlena *a = PG_DETOAST_DATUM_PACKED(left);
	struct varlena *b = PG_DETOAST_DATUM_PACKED(right);
	bool		equal = VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;

	if ((Pointer) a != DatumGetPointer(left))
		pfree(a);
	if ((Pointer) b != DatumGetPointer(right))
		pfree(b);
	return equal;
}

bool
tsdb_key_equal(TsdbKeyColumn *column, Datum a, Datum b)
{
	switch (column->kind)
	{
		case TSDB_KEY_INTEGER:
			return tsdb_key_integer(column, a) == tsdb_key_integer(column, b);
		case TSDB_KEY_STRING:
			return equal_strings(a, b);
		case TSDB_KEY_FIXED:
			return memcmp(DatumGetPointer(a), DatumGetPointer(b), column->length) == 0;
		case TSDB_KEY_FUNCTION:
			break;
	}
	return DatumGetInt32(FunctionCall2Coll(&column->compare, column->collation, a, b)) == 0;
}

/* ---- rank ---- */

static uint64
rank_signed(int64 value)
{
	return (uint64) value ^ (UINT64CONST(1) << 63);
}

static uint64
rank_double(double value)
{
	uint64		bits;

	if (isnan(value))
		return PG_UINT64_MAX;	/* above infinity, as PostgreSQL has it */
	if (value == 0)
		value = 0;				/* -0 equals 0 */
	memcpy(&bits, &value, sizeof(bits));
	return (bits >> 63) != 0 ? ~bits : bits | (UINT64CONST(1) << 63);
}

/* The first eight bytes, the first one highest. */
static uint64
rank_bytes(const char *data, int length, bool padded)
{
	uint64		rank = 0;

	while (padded && length > 0 && data[length - 1] == ' ')
		length--;
	memcpy(&rank, data, Min(length, (int) sizeof(rank)));
	return pg_ntoh64(rank);
}

static uint64
rank_string(const TsdbKeyColumn *column, Datum datum, bool padded)
{
	struct varlena *value;
	uint64		rank;

	if (column->length > 0)
	{
		const char *data = DatumGetPointer(datum);

		return rank_bytes(data, column->length == NAMEDATALEN ?
						  (int) strnlen(data, NAMEDATALEN) : column->length, false);
	}
	value = PG_DETOAST_DATUM_PACKED(datum);
	rank = rank_bytes(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), padded);
	if ((Pointer) value != DatumGetPointer(datum))
		pfree(value);
	return rank;
}

uint64
tsdb_key_rank(const TsdbKeyColumn *column, Datum value)
{
	switch (column->rank)
	{
		case TSDB_RANK_SIGNED:
			return rank_signed(tsdb_key_integer(column, value));
		case TSDB_RANK_UNSIGNED:
			switch (column->length)
			{
				case 1:
					return (uint8) DatumGetChar(value);
				case 4:
					return DatumGetUInt32(value);
				default:
					return DatumGetUInt64(value);
			}
		case TSDB_RANK_FLOAT:
			return rank_double(column->length == 4 ? (double) DatumGetFloat4(value) :
							   DatumGetFloat8(value));
		case TSDB_RANK_NUMERIC:
			return rank_double(DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
																  value)));
		case TSDB_RANK_BYTES:
			return rank_string(column, value, false);
		case TSDB_RANK_PADDED:
			return rank_string(column, value, true);
		case TSDB_RANK_NONE:
			break;
	}
	return 0;
}
