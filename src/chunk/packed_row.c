/*
 * packed_row.c
 *		A row in memory as an array of Datums, for rows that are gathered.
 */
#include "postgres.h"

#include "chunk/packed_row.h"

#include "catalog/pg_type_d.h"
#include "port/pg_bitutils.h"

#define WORD_BITS	64

/* In place of attlen: a varlena whose readers count on a header of four bytes. */
#define LENGTH_WHOLE	(-3)

TsdbPackedLayout *
tsdb_packed_layout(TupleDesc tupdesc)
{
	TsdbPackedLayout *layout = palloc(offsetof(TsdbPackedLayout, lengths) +
									  Max(tupdesc->natts, 1) * sizeof(int16));

	layout->natts = tupdesc->natts;
	layout->by_value = true;
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);

		layout->lengths[i] = att->attbyval ? 0 : att->attlen;
		if (att->attlen == -1 && att->attstorage == TYPSTORAGE_PLAIN)
			layout->lengths[i] = LENGTH_WHOLE;
		layout->by_value &= att->attbyval;
	}
	return layout;
}

static Size
null_words(int natts)
{
	return (natts + WORD_BITS - 1) / WORD_BITS;
}

/*
 * Whether a value is a varlena that is kept with a short header, which needs no alignment.  One that has such a header
 * comes from another table, whatever this one says of its storage.
 */
static inline bool
is_short(int16 length, Pointer value)
{
	return (length == -1 && (VARATT_IS_SHORT(value) || VARATT_CAN_MAKE_SHORT(value))) ||
		(length == LENGTH_WHOLE && VARATT_IS_SHORT(value));
}

/* Bytes behind the Datums after a value of this column that begins at offset. */
static Size
end_of_value(int16 length, Datum value, Size offset)
{
	Pointer		pointer = DatumGetPointer(value);

	if (is_short(length, pointer))
		return offset + (VARATT_IS_SHORT(pointer) ? VARSIZE_SHORT(pointer) :
						 VARATT_CONVERTED_SHORT_SIZE(pointer));
	if (length == -2)
		return offset + strlen(pointer) + 1;
	return MAXALIGN(offset) + (length < 0 ? VARSIZE(pointer) : length);
}

Size
tsdb_packed_row_bytes(const TsdbPackedLayout *layout, const Datum *values, const bool *nulls)
{
	int			natts = layout->natts;
	int			nnulls = 0;
	Size		data = 0;

	for (int i = 0; i < natts; i++)
		nnulls += nulls[i];
	for (int i = 0; i < natts && !layout->by_value; i++)
	{
		if (layout->lengths[i] != 0 && !nulls[i])
			data = end_of_value(layout->lengths[i], values[i], data);
	}
	return (natts - nnulls) * sizeof(Datum) + MAXALIGN(data) +
		(nnulls > 0 ? null_words(natts) * sizeof(uint64) : 0);
}

/* Copy what a Datum points to behind what is there; returns the new end. */
static char *
copy_value(int16 length, Datum *value, char *end)
{
	Pointer		from = DatumGetPointer(*value);
	char	   *to = end;

	if (is_short(length, from) && VARATT_IS_SHORT(from))
	{
		memcpy(to, from, VARSIZE_SHORT(from));
		end += VARSIZE_SHORT(from);
	}
	else if (is_short(length, from))
	{
		Size		bytes = VARATT_CONVERTED_SHORT_SIZE(from);

		SET_VARSIZE_SHORT(to, bytes);
		memcpy(to + 1, VARDATA(from), bytes - 1);
		end += bytes;
	}
	else
	{
		Size		bytes = length == -2 ? strlen(from) + 1 :
			length < 0 ? VARSIZE(from) : (Size) length;

		if (length != -2)
			to = (char *) MAXALIGN(to);
		memcpy(to, from, bytes);
		end = to + bytes;
	}
	*value = PointerGetDatum(to);
	return end;
}

TsdbPackedRow
tsdb_packed_row_write(const TsdbPackedLayout *layout, const Datum *values, const bool *nulls,
					  char *memory)
{
	int			natts = layout->natts;
	uint64	   *words = (uint64 *) memory;
	Datum	   *datums = (Datum *) memory;
	int			count = 0;
	bool		any_null = false;
	char	   *end;

	Assert(memory == (char *) MAXALIGN(memory));
	for (int i = 0; i < natts; i++)
		any_null |= nulls[i];
	if (any_null)
	{
		memset(words, 0, null_words(natts) * sizeof(uint64));
		datums += null_words(natts);
		for (int i = 0; i < natts; i++)
		{
			if (nulls[i])
				words[i / WORD_BITS] |= UINT64CONST(1) << (i % WORD_BITS);
			else
				datums[count++] = values[i];
		}
	}
	else
	{
		memcpy(datums, values, natts * sizeof(Datum));
		count = natts;
	}

	end = (char *) (datums + count);
	count = 0;
	for (int i = 0; i < natts && !layout->by_value; i++)
	{
		if (nulls[i])
			continue;
		if (layout->lengths[i] != 0)
			end = copy_value(layout->lengths[i], &datums[count], end);
		count++;
	}
	return (TsdbPackedRow) memory | any_null;
}

void
tsdb_packed_row_read(TsdbPackedRow row, int natts, Datum *values, bool *nulls)
{
	const Datum *datums = tsdb_packed_row_datums(row);
	const uint64 *words = (const uint64 *) tsdb_packed_row_address(row);

	if (datums != NULL)
	{
		memcpy(values, datums, natts * sizeof(Datum));
		memset(nulls, false, natts * sizeof(bool));
		return;
	}
	datums = (const Datum *) (words + null_words(natts));
	for (int i = 0; i < natts; i++)
	{
		nulls[i] = (words[i / WORD_BITS] >> (i % WORD_BITS) & 1) != 0;
		values[i] = nulls[i] ? (Datum) 0 : *datums++;
	}
}

Datum
tsdb_packed_row_value(TsdbPackedRow row, int natts, int column, bool *isnull)
{
	const Datum *datums = tsdb_packed_row_datums(row);
	const uint64 *words = (const uint64 *) tsdb_packed_row_address(row);
	int			before = 0;

	*isnull = false;
	if (datums != NULL)
		return datums[column];

	*isnull = (words[column / WORD_BITS] >> (column % WORD_BITS) & 1) != 0;
	if (*isnull)
		return (Datum) 0;
	for (int i = 0; i < column / WORD_BITS; i++)
		before += pg_popcount64(words[i]);
	before += pg_popcount64(words[column / WORD_BITS] &
							((UINT64CONST(1) << (column % WORD_BITS)) - 1));
	datums = (const Datum *) (words + null_words(natts));
	return datums[column - before];
}
