/*
 * select.c
 *		Finds the values in a range, on the encoded form where that is enough.
 *
 * A condition is a closed range of keys (keys.h).  It is handed down through
 * the bodies of a vector: values of runs and entries of a dictionary are
 * themselves a body, in which the range is looked for; integers of decimals
 * ascend with the values, so that the range becomes one of integers.  What is
 * left, XOR, corrected decimals, raw values and patterns of floats, is decoded
 * and compared.
 */
#include "codec/codec.h"

#include <math.h>

#include "codec/decimal.h"
#include "codec/integer_select.h"
#include "codec/nulls.h"
#include "codec/number.h"
#include "codec/repeats.h"
#include "codec/vector.h"

#define BLOCK		TSDB_VECTOR_BLOCK_ROWS
#define WORDS_MAX	(TSDB_VECTOR_ROWS_MAX / 64)

/* Blocks [first, last) of a body of count values, and what is looked for in them. */
typedef struct Search
{
	TsdbKind	kind;
	uint32_t	count;
	uint32_t	first;
	uint32_t	last;
	TsdbKeys	keys;
} Search;

static TsdbCodecStatus select_body(const Search *search, TsdbReader in, unsigned depth,
								   TsdbArena arena, uint64_t *bits);

static bool
has_bit(const uint64_t *bits, uint64_t i)
{
	return (bits[i / 64] >> i % 64 & 1) != 0;
}

static void
set_bit(uint64_t *bits, uint64_t i)
{
	bits[i / 64] |= (uint64_t) 1 << i % 64;
}

static void
fill_bits(const Search *search, bool match, uint64_t *bits)
{
	memset(bits, match ? 0xff : 0, (search->last - search->first) * BLOCK / 8);
}

/* The search in a body of other values, all of it. */
static Search
search_all(const Search *search, TsdbKind kind, uint32_t count)
{
	return (Search) {kind, count, 0, (count + BLOCK - 1) / BLOCK, search->keys};
}

static TsdbCodecStatus
decode_and_compare(const Search *search, TsdbReader body, unsigned depth, TsdbArena arena,
				   uint64_t *bits)
{
	uint64_t   *values = tsdb_arena_rows(&arena, sizeof(uint64_t));
	TsdbCodecStatus status;

	if (values == NULL)
		return TSDB_CODEC_INVALID;
	status = tsdb_number_decode(search->kind, body, search->count, search->first,
								search->last, depth, arena, values);
	for (uint32_t k = search->first; k < search->last && status == TSDB_CODEC_OK; k++)
		tsdb_compare_block(search->kind, values + (k - search->first) * BLOCK,
						   search->count - k * BLOCK < BLOCK ? search->count - k * BLOCK : BLOCK,
						   &search->keys, bits + (k - search->first) * TSDB_BLOCK_WORDS);
	return status;
}

static TsdbCodecStatus
select_runs(const Search *search, TsdbReader in, unsigned depth, TsdbArena arena,
			uint64_t *bits)
{
	uint64_t   *lengths = tsdb_arena_rows(&arena, sizeof(uint64_t));
	uint64_t	heads[WORDS_MAX];
	uint64_t	from = (uint64_t) search->first * BLOCK;
	uint64_t	to = (uint64_t) search->last * BLOCK < search->count ?
		(uint64_t) search->last * BLOCK : search->count;
	uint64_t	row = 0;
	TsdbRuns	runs;
	Search		inner;
	TsdbCodecStatus status = tsdb_runs_open(in, search->count, &runs);

	if (status == TSDB_CODEC_OK && lengths == NULL)
		status = TSDB_CODEC_INVALID;
	if (status != TSDB_CODEC_OK)
		return status;
	inner = search_all(search, search->kind, runs.runs);
	status = select_body(&inner, runs.values, depth + 1, arena, heads);
	if (status == TSDB_CODEC_OK)
		status = tsdb_number_decode(TSDB_KIND_INT8, runs.lengths, runs.runs, 0, inner.last,
									depth + 1, arena, lengths);
	if (status != TSDB_CODEC_OK)
		return status;

	fill_bits(search, false, bits);
	for (uint32_t r = 0; r < runs.runs && row < to; r++)
	{
		uint64_t	start = row > from ? row : from;

		if (lengths[r] >= search->count - row)
			return TSDB_CODEC_CORRUPT;
		row += lengths[r] + 1;
		for (uint64_t i = start; has_bit(heads, r) && i < row && i < to; i++)
			set_bit(bits, i - from);
	}
	return row < to ? TSDB_CODEC_CORRUPT : TSDB_CODEC_OK;
}

static TsdbCodecStatus
select_dictionary(const Search *search, TsdbReader in, unsigned depth, TsdbArena arena,
				  uint64_t *bits)
{
	uint64_t   *codes = tsdb_arena_rows(&arena, sizeof(uint64_t));
	uint64_t	entries[WORDS_MAX];
	uint32_t	rows = (search->last - search->first) * BLOCK;
	uint32_t	matching = 0;
	TsdbDictionary dictionary;
	Search		inner;
	TsdbCodecStatus status = tsdb_dictionary_open(in, &dictionary);

	if (status == TSDB_CODEC_OK && codes == NULL)
		status = TSDB_CODEC_INVALID;
	if (status != TSDB_CODEC_OK)
		return status;
	inner = search_all(search, search->kind, dictionary.entries);
	status = select_body(&inner, dictionary.values, depth + 1, arena, entries);
	if (status != TSDB_CODEC_OK)
		return status;
	for (uint32_t e = 0; e < dictionary.entries; e++)
		matching += has_bit(entries, e);
	fill_bits(search, matching > 0, bits);
	if (matching == 0 || matching == dictionary.entries)
		return TSDB_CODEC_OK;

	status = tsdb_number_decode(TSDB_KIND_INT8, dictionary.codes, search->count,
								search->first, search->last, depth + 1, arena, codes);
	if (status != TSDB_CODEC_OK)
		return status;
	if (search->first * BLOCK + rows > search->count)
		rows = search->count - search->first * BLOCK;
	fill_bits(search, false, bits);
	for (uint32_t i = 0; i < rows; i++)
	{
		if (codes[i] >= dictionary.entries)
			return TSDB_CODEC_CORRUPT;
		bits[i / 64] |= (uint64_t) has_bit(entries, codes[i]) << i % 64;
	}
	return TSDB_CODEC_OK;
}

/* The key of the value that an integer of a decimal body stands for. */
static int64_t
decimal_key(const TsdbDecimalHeader *header, int64_t integer)
{
	double		value = (double) integer / header->divisor;

	return tsdb_key_of_real(header->single ? (double) (float) value : value);
}

/*
 * A few integers around the one whose value has a key, if that is found at
 * once; else all of them.
 */
static TsdbKeys
integers_around(const TsdbDecimalHeader *header, int64_t key)
{
	double		value = tsdb_double_of(tsdb_number_unorder8((uint64_t) key));
	double		guess = value * header->divisor;
	double		slack = 2 + fabs(guess) * (header->single ? 0x1p-22 : 0x1p-50);

	if (fabs(guess) < 0x1p61)
	{
		TsdbKeys	around = {(int64_t) (guess - slack), (int64_t) (guess + slack)};

		if (decimal_key(header, around.low) < key && decimal_key(header, around.high) > key)
			return around;
	}
	return (TsdbKeys) {INT64_MIN, INT64_MAX};
}

/*
 * The least integer whose value has a key of at least this, or of more if
 * beyond is set; *none if there is no such integer.
 */
static int64_t
least_integer(const TsdbDecimalHeader *header, int64_t key, bool beyond, bool *none)
{
	TsdbKeys	within = integers_around(header, key);
	int64_t		most = decimal_key(header, within.high);

	*none = most < key || (beyond && most == key);
	while (within.low < within.high && !*none)
	{
		int64_t		middle = (within.low & within.high) + ((within.low ^ within.high) >> 1);
		int64_t		here = decimal_key(header, middle);

		if (here > key || (here == key && !beyond))
			within.high = middle;
		else
			within.low = middle + 1;
	}
	return within.high;
}

/* Exceptions replace what the integers say. */
static TsdbCodecStatus
compare_exceptions(const Search *search, TsdbDecimalHeader *header, uint64_t *bits)
{
	uint32_t	next = 0;

	for (uint32_t i = 0; i < header->exceptions; i++)
	{
		uint64_t	pattern;
		uint32_t	row;
		TsdbCodecStatus status = tsdb_decimal_next_exception(header,
															 tsdb_kind_width(search->kind),
															 search->count, &next, &pattern);

		if (status != TSDB_CODEC_OK)
			return status;
		row = next - 1;
		if (row < search->first * BLOCK || row >= search->last * BLOCK)
			continue;
		row -= search->first * BLOCK;
		bits[row / 64] &= ~((uint64_t) 1 << row % 64);
		if (tsdb_keys_hold(&search->keys, tsdb_key_of(search->kind, pattern)))
			set_bit(bits, row);
	}
	return TSDB_CODEC_OK;
}

static TsdbCodecStatus
select_decimal(const Search *search, TsdbReader in, TsdbArena arena, uint64_t *bits)
{
	TsdbDecimalHeader header;
	Search		inner = *search;
	bool		none_low;
	bool		none_high;
	TsdbCodecStatus status = tsdb_decimal_open(search->kind, &in, search->count, &header);

	if (status != TSDB_CODEC_OK)
		return status;
	inner.kind = TSDB_KIND_INT8;
	inner.keys.low = least_integer(&header, search->keys.low, false, &none_low);
	inner.keys.high = least_integer(&header, search->keys.high, true, &none_high);
	if (!none_high && inner.keys.high == INT64_MIN)
		none_low = true;
	else if (!none_high)
		inner.keys.high--;
	if (none_low)
		inner.keys = (TsdbKeys) {1, 0};
	if (tsdb_reader_left(&in) == 0 || *in.at < TSDB_CODEC_CONSTANT ||
		*in.at > TSDB_CODEC_DELTA2)
		return TSDB_CODEC_CORRUPT;
	status = select_body(&inner, in, TSDB_NUMBER_DEPTH_MAX, arena, bits);
	return status == TSDB_CODEC_OK ? compare_exceptions(search, &header, bits) : status;
}

static TsdbCodecStatus
select_body(const Search *search, TsdbReader in, unsigned depth, TsdbArena arena,
			uint64_t *bits)
{
	TsdbReader	payload = in;
	TsdbCodecId codec = (TsdbCodecId) tsdb_read_byte(&payload);
	Search		one = *search;

	if (in.broken || payload.broken)
		return TSDB_CODEC_CORRUPT;
	if (search->keys.low > search->keys.high)
	{
		fill_bits(search, false, bits);
		return TSDB_CODEC_OK;
	}
	switch (codec)
	{
		case TSDB_CODEC_CONSTANT:
			{
				TsdbCodecStatus status;

				one.first = 0;
				one.last = 1;
				status = decode_and_compare(&one, in, depth, arena, bits);
				if (status == TSDB_CODEC_OK)
					fill_bits(search, has_bit(bits, 0), bits);
				return status;
			}
		case TSDB_CODEC_STEP:
		case TSDB_CODEC_FRAME:
		case TSDB_CODEC_DELTA:
		case TSDB_CODEC_DELTA2:
			if (tsdb_kind_is_float(search->kind))
				break;
			return tsdb_integer_select(search->kind, codec, payload, search->count,
									   search->first, search->last, &search->keys, bits);
		case TSDB_CODEC_RUNS:
			if (depth < TSDB_NUMBER_DEPTH_MAX)
				return select_runs(search, payload, depth, arena, bits);
			break;
		case TSDB_CODEC_DICTIONARY:
			if (depth < TSDB_NUMBER_DEPTH_MAX)
				return select_dictionary(search, payload, depth, arena, bits);
			break;
		case TSDB_CODEC_DECIMAL:
			if (tsdb_kind_is_float(search->kind))
				return select_decimal(search, payload, arena, bits);
			break;
		default:
			break;
	}
	return decode_and_compare(search, in, depth, arena, bits);
}

/* The closed range of keys that a range of values is. */
static TsdbKeys
keys_of(TsdbKind kind, const TsdbCodecRange *range)
{
	bool		is_float = tsdb_kind_is_float(kind);
	TsdbKeys	keys = {INT64_MIN, INT64_MAX};
	const TsdbKeys none = {1, 0};

	if (range->low.exists)
	{
		keys.low = is_float ? tsdb_key_of_real(range->low.real) : range->low.integer;
		if (range->low.open && keys.low == INT64_MAX)
			return none;
		keys.low += range->low.open;
	}
	if (range->high.exists)
	{
		keys.high = is_float ? tsdb_key_of_real(range->high.real) : range->high.integer;
		if (range->high.open && keys.high == INT64_MIN)
			return none;
		keys.high -= range->high.open;
	}
	return keys;
}

TsdbCodecStatus
tsdb_codec_select(const uint8_t *src, size_t src_bytes, const TsdbCodecRange *range,
				  uint32_t first, uint32_t count, void *scratch, size_t scratch_bytes,
				  uint8_t *matches)
{
	TsdbArena	arena = {scratch, (uint8_t *) scratch + scratch_bytes};
	TsdbVectorHeader header;
	uint64_t	bits[WORDS_MAX];
	uint32_t	from;
	uint32_t	to;
	Search		search;
	TsdbCodecStatus status = tsdb_vector_open(src, src_bytes, first, count, &arena, &header,
											  &from, &to);

	if (status != TSDB_CODEC_OK)
		return status;
	memset(matches, 0, TSDB_VECTOR_NULL_BYTES);
	if (from == to)
		return TSDB_CODEC_OK;
	search = (Search) {header.kind, header.nrows - header.nnulls, from / BLOCK,
	(to + BLOCK - 1) / BLOCK, keys_of(header.kind, range)};
	status = select_body(&search, header.body, 0, arena, bits);
	if (status != TSDB_CODEC_OK)
		return status;

	/* Bits of dense values go to the rows that are not null. */
	for (uint32_t row = 0, next = from % BLOCK; row < count; row++)
		if (header.nnulls == 0 || !tsdb_is_null(header.nulls, first + row))
			matches[row / 8] |= (uint8_t) (has_bit(bits, next++) << row % 8);
	return TSDB_CODEC_OK;
}
