/*
 * repeats.c
 *		Run-length and dictionary coding of numbers.
 *
 * Both turn one sequence into two shorter or narrower ones, which are coded
 * as numeric bodies of their own.  Dictionary entries are sorted as floats or
 * integers sort, so that their body is a short ascending sequence and codes
 * keep the order of the values.
 */
#include "codec/repeats.h"

#include "codec/dispatch.h"
#include "codec/integer.h"
#include "codec/number.h"
#include "codec/number_format.h"

#define BLOCK		TSDB_VECTOR_BLOCK_ROWS
#define HASH_SLOTS	2048		/* at least twice the values, a power of two */

static uint32_t
blocks_of(uint32_t count)
{
	return (count + BLOCK - 1) / BLOCK;
}

/* Write an integer body as a section. */
static TsdbCodecStatus
write_integer_section(const int64_t *values, uint32_t count, TsdbCodecLevel level,
					  TsdbArena arena, TsdbWriter *out)
{
	TsdbIntegerPlan plan;
	TsdbCodecStatus status = tsdb_integer_plan(values, count, level, arena, &plan);

	if (status != TSDB_CODEC_OK)
		return status;
	tsdb_write_varint(out, plan.bytes);
	return tsdb_integer_write(values, &plan, arena, out);
}

TsdbCodecStatus
tsdb_runs_encode(TsdbKind kind, const uint64_t *values, uint32_t count,
				 TsdbCodecLevel level, unsigned depth, TsdbArena arena, TsdbWriter *out)
{
	uint64_t   *heads = tsdb_arena_rows(&arena, sizeof(uint64_t));
	int64_t    *lengths = tsdb_arena_rows(&arena, sizeof(int64_t));
	uint32_t	runs = 0;
	TsdbCodecStatus status;

	if (lengths == NULL)
		return TSDB_CODEC_INVALID;
	for (uint32_t i = 0; i < count; i++)
	{
		if (i > 0 && values[i] == values[i - 1])
			lengths[runs - 1]++;
		else
		{
			heads[runs] = values[i];
			lengths[runs++] = 0;
		}
	}
	tsdb_write_byte(out, TSDB_CODEC_RUNS);
	tsdb_write_varint(out, runs);
	status = write_integer_section(lengths, runs, level, arena, out);
	if (status != TSDB_CODEC_OK)
		return status;
	return tsdb_number_encode(kind, heads, runs, level, depth + 1, arena, out);
}

TsdbCodecStatus
tsdb_runs_open(TsdbReader in, uint32_t count, TsdbRuns *runs)
{
	uint64_t	stated = tsdb_read_varint(&in);

	runs->lengths = tsdb_read_section(&in);
	runs->values = in;
	if (in.broken || stated == 0 || stated > count)
		return TSDB_CODEC_CORRUPT;
	runs->runs = (uint32_t) stated;
	return TSDB_CODEC_OK;
}

TsdbCodecStatus
tsdb_runs_decode(TsdbKind kind, TsdbReader in, uint32_t count, uint32_t first,
				 uint32_t last, unsigned depth, TsdbArena arena, uint64_t *out)
{
	uint64_t   *heads = tsdb_arena_rows(&arena, sizeof(uint64_t));
	int64_t    *lengths = tsdb_arena_rows(&arena, sizeof(int64_t));
	TsdbRuns	runs;
	uint64_t	row = 0;
	uint64_t	from = (uint64_t) first * BLOCK;
	uint64_t	to = (uint64_t) last * BLOCK < count ? (uint64_t) last * BLOCK : count;
	TsdbCodecStatus status = tsdb_runs_open(in, count, &runs);

	if (status == TSDB_CODEC_OK && lengths == NULL)
		status = TSDB_CODEC_INVALID;
	if (status == TSDB_CODEC_OK)
		status = tsdb_number_decode(TSDB_KIND_INT8, runs.lengths, runs.runs, 0,
									blocks_of(runs.runs), depth + 1, arena,
									(uint64_t *) lengths);
	if (status == TSDB_CODEC_OK)
		status = tsdb_number_decode(kind, runs.values, runs.runs, 0, blocks_of(runs.runs),
									depth + 1, arena, heads);
	if (status != TSDB_CODEC_OK)
		return status;

	for (uint32_t r = 0; r < runs.runs && row < to; r++)
	{
		uint64_t	start = row > from ? row : from;
		uint64_t	end;

		if ((uint64_t) lengths[r] >= count - row)
			return TSDB_CODEC_CORRUPT;
		row += (uint64_t) lengths[r] + 1;
		end = row < to ? row : to;
		for (uint64_t i = start; i < end; i++)
			out[i - from] = heads[r];
	}
	return row < to ? TSDB_CODEC_CORRUPT : TSDB_CODEC_OK;
}

/* An open-addressed table of distinct values. */
typedef struct Distinct
{
	uint64_t	values[TSDB_VECTOR_ROWS_MAX];
	uint16_t	ranks[TSDB_VECTOR_ROWS_MAX];
	uint16_t	slots[HASH_SLOTS];	/* index into values plus one, 0 if free */
	uint32_t	count;
} Distinct;

/* Index of the value in the table; it is added if it is new. */
static uint32_t
distinct_index(Distinct *distinct, uint64_t value)
{
	uint64_t	mixed = (value ^ value >> 32) * UINT64_C(0x9e3779b97f4a7c15);
	uint32_t	slot = (uint32_t) (mixed >> 53) & (HASH_SLOTS - 1);

	while (distinct->slots[slot] != 0)
	{
		uint32_t	index = distinct->slots[slot] - 1u;

		if (distinct->values[index] == value)
			return index;
		slot = (slot + 1) & (HASH_SLOTS - 1);
	}
	distinct->values[distinct->count] = value;
	distinct->slots[slot] = (uint16_t) ++distinct->count;
	return distinct->count - 1;
}

uint32_t
tsdb_dictionary_count(const uint64_t *values, uint32_t count, uint32_t limit,
					  TsdbArena arena)
{
	Distinct   *distinct = tsdb_arena_take(&arena, sizeof(Distinct));

	if (distinct == NULL)
		return limit + 1;
	memset(distinct->slots, 0, sizeof(distinct->slots));
	distinct->count = 0;
	for (uint32_t i = 0; i < count && distinct->count <= limit; i++)
		(void) distinct_index(distinct, values[i]);
	return distinct->count;
}

/* Ascending order of signed values; Shell's method with Ciura's gaps. */
static void
sort_signed(uint64_t *values, uint32_t count)
{
	static const uint32_t gaps[] = {701, 301, 132, 57, 23, 10, 4, 1};

	for (int g = 0; g < 8; g++)
	{
		uint32_t	gap = gaps[g];

		for (uint32_t i = gap; i < count; i++)
		{
			uint64_t	value = values[i];
			uint32_t	j = i;

			for (; j >= gap && (int64_t) values[j - gap] > (int64_t) value; j -= gap)
				values[j] = values[j - gap];
			values[j] = value;
		}
	}
}

/* The pattern as an integer that sorts as the value, and back. */
static uint64_t
ordered(TsdbKind kind, uint64_t value)
{
	return kind == TSDB_KIND_FLOAT8 ? tsdb_number_order8(value) :
		kind == TSDB_KIND_FLOAT4 ? tsdb_number_order4(value) : value;
}

static uint64_t
unordered(TsdbKind kind, uint64_t value)
{
	return kind == TSDB_KIND_FLOAT8 ? tsdb_number_unorder8(value) :
		kind == TSDB_KIND_FLOAT4 ? tsdb_number_unorder4(value) : value;
}

TsdbCodecStatus
tsdb_dictionary_encode(TsdbKind kind, const uint64_t *values, uint32_t count,
					   TsdbCodecLevel level, unsigned depth, TsdbArena arena,
					   TsdbWriter *out)
{
	Distinct   *distinct = tsdb_arena_take(&arena, sizeof(Distinct));
	uint64_t   *entries = tsdb_arena_rows(&arena, sizeof(uint64_t));
	int64_t    *codes = tsdb_arena_rows(&arena, sizeof(int64_t));
	TsdbCodecStatus status;

	if (codes == NULL)
		return TSDB_CODEC_INVALID;
	memset(distinct->slots, 0, sizeof(distinct->slots));
	distinct->count = 0;
	for (uint32_t i = 0; i < count; i++)
		codes[i] = distinct_index(distinct, values[i]);

	for (uint32_t i = 0; i < distinct->count; i++)
		entries[i] = ordered(kind, distinct->values[i]);
	sort_signed(entries, distinct->count);
	for (uint32_t i = 0; i < distinct->count; i++)
	{
		entries[i] = unordered(kind, entries[i]);
		distinct->ranks[distinct_index(distinct, entries[i])] = (uint16_t) i;
	}
	for (uint32_t i = 0; i < count; i++)
		codes[i] = distinct->ranks[codes[i]];

	tsdb_write_byte(out, TSDB_CODEC_DICTIONARY);
	tsdb_write_varint(out, distinct->count);
	status = write_integer_section(codes, count, level, arena, out);
	if (status != TSDB_CODEC_OK)
		return status;
	return tsdb_number_encode(kind, entries, distinct->count, level, depth + 1,
							  arena, out);
}

/*
 * Replace codes by entries; false if a code has no entry.  The entries are an
 * array for TSDB_VECTOR_ROWS_MAX, so that a wrong code stays inside of it.
 */
static TSDB_CODEC_HOT bool
look_up(uint64_t *restrict codes, uint32_t count, const uint64_t *restrict entries,
		uint64_t count_entries)
{
	uint64_t	wrong = 0;

	/* The sign of either is set if the code is negative or too great. */
	for (uint32_t i = 0; i < count; i++)
	{
		uint64_t	code = codes[i];

		wrong |= (count_entries - 1 - code) | code;
		codes[i] = entries[code % TSDB_VECTOR_ROWS_MAX];
	}
	return (int64_t) wrong >= 0;
}

TsdbCodecStatus
tsdb_dictionary_open(TsdbReader in, TsdbDictionary *dictionary)
{
	uint64_t	stated = tsdb_read_varint(&in);

	dictionary->codes = tsdb_read_section(&in);
	dictionary->values = in;
	if (in.broken || stated == 0 || stated > TSDB_VECTOR_ROWS_MAX)
		return TSDB_CODEC_CORRUPT;
	dictionary->entries = (uint32_t) stated;
	return TSDB_CODEC_OK;
}

TsdbCodecStatus
tsdb_dictionary_decode(TsdbKind kind, TsdbReader in, uint32_t count, uint32_t first,
					   uint32_t last, unsigned depth, TsdbArena arena, uint64_t *out)
{
	uint64_t   *entries = tsdb_arena_rows(&arena, sizeof(uint64_t));
	TsdbDictionary dictionary;
	uint32_t	rows = (last - first) * BLOCK;
	TsdbCodecStatus status = tsdb_dictionary_open(in, &dictionary);

	if (status == TSDB_CODEC_OK && entries == NULL)
		status = TSDB_CODEC_INVALID;
	if (status == TSDB_CODEC_OK)
		status = tsdb_number_decode(kind, dictionary.values, dictionary.entries, 0,
									blocks_of(dictionary.entries), depth + 1, arena,
									entries);
	if (status == TSDB_CODEC_OK)
		status = tsdb_number_decode(TSDB_KIND_INT8, dictionary.codes, count, first, last,
									depth + 1, arena, out);
	if (status != TSDB_CODEC_OK)
		return status;

	if (first * BLOCK + rows > count)
		rows = count - first * BLOCK;
	return look_up(out, rows, entries, dictionary.entries) ? TSDB_CODEC_OK :
		TSDB_CODEC_CORRUPT;
}
