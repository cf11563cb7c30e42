/*
 * key_columns.h
 *		The columns of a key index: hash, equality, and a rough order.
 *
 * Equality is that of the index: its comparison function says 0.  The hash
 * agrees with it: equal keys hash alike.  Types without a hash function hash
 * to a constant.
 *
 * The rough order maps a value to 64 bits so that a smaller value never gets a
 * larger number: the first eight bytes of a string, a number itself.  It
 * is the order in which chunks keep minimum and maximum of a column
 * (chunk/chunk_type.h), which need not be that of the type: then it serves
 * equality only.
 */
#ifndef TSDB_STORE_KEY_COLUMNS_H
#define TSDB_STORE_KEY_COLUMNS_H

#include "fmgr.h"
#include "utils/rel.h"

/* How values are hashed, compared and ranked. */
typedef enum TsdbKeyKind
{
	TSDB_KEY_INTEGER,			/* equal if the bits are: integers, times, enums */
	TSDB_KEY_STRING,			/* equal if the bytes are: text, bytea */
	TSDB_KEY_FIXED,				/* equal if the bytes are: uuid, macaddr */
	TSDB_KEY_FUNCTION			/* as the type's functions say */
} TsdbKeyKind;

typedef enum TsdbKeyRank
{
	TSDB_RANK_NONE,				/* chunks say nothing of such a column */
	TSDB_RANK_SIGNED,
	TSDB_RANK_UNSIGNED,
	TSDB_RANK_FLOAT,
	TSDB_RANK_NUMERIC,
	TSDB_RANK_BYTES,			/* serves equality only */
	TSDB_RANK_PADDED			/* the same, trailing blanks do not count */
} TsdbKeyRank;

typedef struct TsdbKeyColumn
{
	AttrNumber	attno;			/* of the table */
	int16		length;
	bool		by_value;
	TsdbKeyKind kind;
	TsdbKeyRank rank;
	Oid			type;			/* that the operator class is for */
	Oid			collation;
	FmgrInfo	compare;
	FmgrInfo	hash;			/* fn_oid is invalid if there is none */
} TsdbKeyColumn;

typedef struct TsdbKeyColumns
{
	int			count;
	int			nseries;		/* columns that likely name a series ... */
	int			series[INDEX_MAX_KEYS]; /* ... which rows of a chunk share */
	TsdbKeyColumn columns[INDEX_MAX_KEYS];
} TsdbKeyColumns;

/* Describe the key columns of an index; what it allocates is in the current
 * context. */
extern void tsdb_key_columns_init(Relation index, Relation table, TsdbKeyColumns *key);

/* Describe a column of a table for ranking its values. */
extern void tsdb_key_column_describe(Form_pg_attribute att, TsdbKeyColumn *column);

/* Is the rank's order that of the type, and not only good for equality? */
static inline bool
tsdb_key_rank_is_order(TsdbKeyRank rank)
{
	return rank == TSDB_RANK_SIGNED || rank == TSDB_RANK_UNSIGNED ||
		rank == TSDB_RANK_FLOAT || rank == TSDB_RANK_NUMERIC;
}

extern uint32 tsdb_key_hash(TsdbKeyColumns *key, const Datum *values, const bool *nulls);

/* The same of the columns that name a series. */
extern uint32 tsdb_key_series_hash(TsdbKeyColumns *key, const Datum *values,
								   const bool *nulls);

/* Neither is null. */
extern bool tsdb_key_equal(TsdbKeyColumn *column, Datum a, Datum b);

/* Neither rank is TSDB_RANK_NONE nor the value null. */
extern uint64 tsdb_key_rank(const TsdbKeyColumn *column, Datum value);

/* By-value integers of any width as one. */
static inline int64
tsdb_key_integer(const TsdbKeyColumn *column, Datum value)
{
	switch (column->length)
	{
		case 1:
			return DatumGetChar(value);
		case 2:
			return DatumGetInt16(value);
		case 4:
			return DatumGetInt32(value);
		default:
			return DatumGetInt64(value);
	}
}

#endif							/* TSDB_STORE_KEY_COLUMNS_H */
