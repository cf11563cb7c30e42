/*
 * nulls.c
 *		Null bitmaps, stored as a bitmap or as runs, whichever is shorter.
 */
#include "codec/nulls.h"

#define FORM_ALL	0
#define FORM_BITMAP	1
#define FORM_RUNS	2

/* Set bits of a word: sums over pairs, nibbles and bytes. */
static uint32_t
count_bits(uint64_t word)
{
	word -= word >> 1 & UINT64_C(0x5555555555555555);
	word = (word & UINT64_C(0x3333333333333333)) +
		(word >> 2 & UINT64_C(0x3333333333333333));
	word = (word + (word >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	return (uint32_t) (word * UINT64_C(0x0101010101010101) >> 56);
}

uint32_t
tsdb_nulls_count(const uint8_t *nulls, uint32_t nrows)
{
	uint32_t	count = 0;
	uint32_t	row = 0;

	for (; row + 64 <= nrows; row += 64)
		count += count_bits(tsdb_load64(nulls + row / 8));
	for (; row + 8 <= nrows; row += 8)
		count += count_bits(nulls[row / 8]);
	if (row < nrows)
		count += count_bits(nulls[row / 8] & ((1u << (nrows - row)) - 1));
	return count;
}

/* Set bits [from, to). */
static void
set_range(uint8_t *nulls, uint32_t from, uint32_t to)
{
	for (uint32_t row = from; row < to; row++)
		nulls[row / 8] |= (uint8_t) (1 << row % 8);
}

void
tsdb_nulls_write(const uint8_t *nulls, uint32_t nrows, TsdbWriter *out)
{
	uint32_t	bitmap_bytes = (nrows + 7) / 8;
	uint32_t	runs = 0;
	size_t		bytes = 0;
	uint32_t	start = 0;

	/* Runs end where the sort of row changes; the last needs no entry. */
	for (uint32_t row = 0; row < nrows; row++)
	{
		bool		before = row > 0 && tsdb_is_null(nulls, row - 1);

		if (tsdb_is_null(nulls, row) != before)
		{
			bytes += tsdb_varint_bytes(row - start);
			start = row;
			runs++;
		}
	}
	if (runs == 1 && tsdb_is_null(nulls, 0))
	{
		tsdb_write_byte(out, FORM_ALL);
		return;
	}
	if (bytes + tsdb_varint_bytes(runs) >= bitmap_bytes)
	{
		tsdb_write_byte(out, FORM_BITMAP);
		tsdb_write_bytes(out, nulls, bitmap_bytes - 1);
		tsdb_write_byte(out, nulls[bitmap_bytes - 1] &
						(uint8_t) (nrows % 8 == 0 ? 0xff : (1 << nrows % 8) - 1));
		return;
	}
	tsdb_write_byte(out, FORM_RUNS);
	tsdb_write_varint(out, runs);
	start = 0;
	for (uint32_t row = 0; row < nrows; row++)
	{
		bool		before = row > 0 && tsdb_is_null(nulls, row - 1);

		if (tsdb_is_null(nulls, row) != before)
		{
			tsdb_write_varint(out, row - start);
			start = row;
		}
	}
}

void
tsdb_nulls_read(TsdbReader *in, uint32_t nrows, uint8_t *nulls)
{
	uint32_t	bitmap_bytes = (nrows + 7) / 8;
	const uint8_t *stored;
	uint64_t	runs;
	uint32_t	row = 0;
	bool		null = false;

	switch (tsdb_read_byte(in))
	{
		case FORM_ALL:
			set_range(nulls, 0, nrows);
			break;
		case FORM_BITMAP:
			stored = tsdb_read_bytes(in, bitmap_bytes);
			if (stored != NULL)
				memcpy(nulls, stored, bitmap_bytes);
			if (nrows % 8 != 0 && nulls[nrows / 8] >> nrows % 8 != 0)
				in->broken = true;
			break;
		case FORM_RUNS:
			runs = tsdb_read_varint(in);
			if (runs > nrows)
				in->broken = true;
			for (uint64_t i = 0; i < runs && !in->broken; i++)
			{
				uint64_t	length = tsdb_read_varint(in);

				if (length > nrows - row)
				{
					in->broken = true;
					break;
				}
				if (null)
					set_range(nulls, row, row + (uint32_t) length);
				row += (uint32_t) length;
				null = !null;
			}
			if (null && !in->broken)
				set_range(nulls, row, nrows);
			break;
		default:
			in->broken = true;
	}
}
