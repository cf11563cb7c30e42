/*
 * chunk_body_test.c
 *		Bodies come back as they were written, and damaged ones are refused.
 *
 * Random bodies of every kind of column with statistics at the edges of their
 * ranges; each is also cut short at every byte and has bytes changed, where
 * the only promise is that sanitizers stay silent and that what is accepted
 * can be written again.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chunk/chunk_body.h"

#define COLUMNS_MAX 40

static int	passed;
static int	failed;
static uint64_t seed = 88172645463325252;

static void
check(bool good, const char *what)
{
	if (good)
		passed++;
	else
	{
		failed++;
		printf("FAILED: %s\n", what);
	}
}

static uint64_t
draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * UINT64_C(0x2545F4914F6CDD1D);
}

static uint32_t
draw_below(uint32_t bound)
{
	return (uint32_t) (draw() >> 33) % bound;
}

/* An integer of the width's range, edges and round numbers often. */
static int64_t
draw_int(uint32_t width)
{
	uint32_t	bits = width * 8;
	int64_t		value;

	switch (draw_below(5))
	{
		case 0:
			value = (int64_t) (draw() % 200) - 100;
			break;
		case 1:
			value = INT64_MIN >> (64 - bits);
			break;
		case 2:
			value = (int64_t) ((uint64_t) INT64_MAX >> (64 - bits));
			break;
		case 3:
			value = (int64_t) (draw() % 1000000000) * 1000000;
			break;
		default:
			value = (int64_t) draw();
	}
	return (int64_t) ((uint64_t) value << (64 - bits)) >> (64 - bits);
}

static int64_t
draw_float(bool wide)
{
	double		value;
	int64_t		bits = 0;

	switch (draw_below(6))
	{
		case 0:
			return (int64_t) (wide ? draw() : draw() & UINT32_MAX);
		case 1:
			value = (double) ((int64_t) (draw() % 200000) - 100000) / 100;
			break;
		case 2:
			value = -0.0;
			break;
		case 3:
			value = draw_below(2) ? NAN : -INFINITY;
			break;
		case 4:
			value = (double) (draw() % 1000);
			break;
		default:
			value = (double) (draw() % 1000000000) / 1e9;
	}
	if (wide)
		memcpy(&bits, &value, sizeof(value));
	else
	{
		float		value4 = (float) value;
		uint32_t	bits4;

		memcpy(&bits4, &value4, sizeof(bits4));
		bits = (int64_t) bits4;
	}
	return bits;
}

static void
draw_place(TsdbBodyPlace *place, uint32_t *stream)
{
	static const uint8_t bytes[TSDB_BODY_INLINE_MAX] = "inlined bytes of vector";

	memset(place, 0, sizeof(*place));
	if (draw_below(2))
	{
		place->inlined = bytes;
		place->bytes = 1 + draw_below(TSDB_BODY_INLINE_MAX);
	}
	else
	{
		place->offset = *stream;
		place->bytes = 1 + draw_below(draw_below(8) ? 5000 : 100000000);
		*stream += place->bytes;
	}
}

static void
draw_string(TsdbBodyValue *value, uint32_t limit)
{
	static const uint8_t bytes[TSDB_BODY_STRING_MAX] = "host_17.example.com/region/rack";

	value->bytes = bytes + draw_below(2);
	value->length = draw_below(limit);
}

static uint32_t
draw_scale(const TsdbBodyColumn *column)
{
	return column->own_scales ? draw_below(column->scale + 1) : column->scale;
}

static void
draw_column(TsdbBodyColumn *column, const TsdbBodyHead *head, bool is_time,
			uint32_t *stream)
{
	memset(column, 0, sizeof(*column));
	column->kind = (uint8_t) (is_time ? TSDB_BODY_INT8 : draw_below(TSDB_BODY_KINDS));
	if (column->kind == TSDB_BODY_NULL)
	{
		column->nnulls = head->nrows;
		return;
	}
	column->codec = (uint8_t) (1 + draw_below(99));
	column->alternate = draw_below(2);
	column->nnulls = draw_below(3) ? 0 : draw_below(head->nrows);
	draw_place(&column->vector, stream);
	if (column->kind == TSDB_BODY_DECIMAL)
	{
		column->scale = (uint8_t) draw_below(TSDB_BODY_SCALE_MAX + 1);
		column->own_scales = draw_below(2);
		if (column->own_scales)
			draw_place(&column->scales, stream);
		column->min.scale = draw_scale(column);
		column->max.scale = draw_scale(column);
		column->first.scale = draw_scale(column);
		column->last.scale = draw_scale(column);
	}
	column->has_range = draw_below(4) != 0;
	if (column->kind == TSDB_BODY_FIXED || column->kind == TSDB_BODY_BYTES)
	{
		uint32_t	limit = TSDB_BODY_STRING_MAX;

		if (column->kind == TSDB_BODY_FIXED)
		{
			column->width = (uint16_t) (1 + draw_below(draw_below(2) ? 40 : 32767));
			if (column->width < limit)
				limit = column->width;
		}
		if (column->has_range)
		{
			draw_string(&column->min, limit);
			draw_string(&column->max, limit);
		}
		return;
	}

	column->has_ends = draw_below(4) != 0;
	if (column->kind == TSDB_BODY_FLOAT4 || column->kind == TSDB_BODY_FLOAT8)
	{
		bool		wide = column->kind == TSDB_BODY_FLOAT8;

		if (column->has_range)
		{
			column->min.number = draw_float(wide);
			column->max.number = draw_float(wide);
			column->has_sum = draw_below(4) != 0;
			column->sum_low = (uint64_t) draw_float(true);
		}
		if (column->has_ends)
		{
			column->first.number = draw_float(wide);
			column->last.number = draw_float(wide);
		}
	}
	else
	{
		uint32_t	width = column->kind == TSDB_BODY_DECIMAL ? 8 :
			1u << (column->kind - TSDB_BODY_INT1);

		if (column->has_range)
		{
			column->min.number = is_time ? head->min_time : draw_int(width);
			column->max.number = is_time ? head->max_time : draw_int(width);
			column->has_sum = draw_below(2);
		}
		if (column->has_ends)
		{
			column->first.number = draw_int(width);
			column->last.number = draw_int(width);
		}
		if (column->has_sum)
		{
			column->sum_low = draw();
			column->sum_high = draw_below(2) ? 0 : draw();
		}
	}
}

/* Make a column one that has no vector, if it can be. */
static void
imply_column(TsdbBodyColumn *column, const TsdbBodyHead *head, bool is_time)
{
	if (column->kind < TSDB_BODY_INT1 || column->kind > TSDB_BODY_INT8 || column->nnulls > 0 ||
		!column->has_range ||
		(is_time && head->nsegments > 1 && !head->has_segment_times))
		return;
	memset(&column->vector, 0, sizeof(column->vector));
	column->codec = is_time ? 2 : 1;
	if (is_time)
	{
		if (head->nsegments == 1)
		{
			column->first = column->min;
			column->last = column->max;
		}
		return;
	}
	column->max = column->first = column->last = column->min;
	if (column->has_sum)
	{
		__extension__ __int128 sum = (__int128) column->min.number * head->nrows;

		column->sum_low = (uint64_t) sum;
		column->sum_high = (uint64_t) (sum >> 64);
	}
}

static bool
same_place(const TsdbBodyPlace *a, const TsdbBodyPlace *b)
{
	return a->bytes == b->bytes && a->offset == b->offset &&
		(a->inlined == NULL) == (b->inlined == NULL) &&
		(a->inlined == NULL || memcmp(a->inlined, b->inlined, a->bytes) == 0);
}

static bool
same_value(const TsdbBodyColumn *column, const TsdbBodyValue *a, const TsdbBodyValue *b)
{
	if (column->kind == TSDB_BODY_FIXED || column->kind == TSDB_BODY_BYTES)
		return a->length == b->length &&
			(a->length == 0 || memcmp(a->bytes, b->bytes, a->length) == 0);
	return a->number == b->number &&
		(column->kind != TSDB_BODY_DECIMAL || a->scale == b->scale);
}

static bool
same_column(const TsdbBodyColumn *a, const TsdbBodyColumn *b)
{
	return a->kind == b->kind && a->codec == b->codec && a->has_range == b->has_range &&
		a->has_ends == b->has_ends && a->has_sum == b->has_sum &&
		a->alternate == b->alternate && a->width == b->width && a->nnulls == b->nnulls &&
		a->own_scales == b->own_scales && a->scale == b->scale &&
		same_place(&a->vector, &b->vector) && same_place(&a->scales, &b->scales) &&
		(!a->has_range || (same_value(a, &a->min, &b->min) &&
						   same_value(a, &a->max, &b->max))) &&
		(!a->has_ends || (same_value(a, &a->first, &b->first) &&
						  same_value(a, &a->last, &b->last))) &&
		(!a->has_sum || (a->sum_low == b->sum_low && a->sum_high == b->sum_high));
}

static bool
same_head(const TsdbBodyHead *a, const TsdbBodyHead *b)
{
	return a->nrows == b->nrows && a->natts == b->natts && a->time == b->time &&
		a->nseries == b->nseries &&
		memcmp(a->series, b->series, a->nseries * sizeof(a->series[0])) == 0 &&
		a->hash_version == b->hash_version && a->has_time == b->has_time &&
		a->min_time == b->min_time && a->max_time == b->max_time &&
		a->nsegments == b->nsegments && a->has_segment_times == b->has_segment_times &&
		same_place(&a->segment_rows, &b->segment_rows) &&
		same_place(&a->segment_min, &b->segment_min) &&
		same_place(&a->segment_max, &b->segment_max) && a->has_tail == b->has_tail &&
		a->tail_offset == b->tail_offset && a->tail_bytes == b->tail_bytes;
}

/* Parse bytes in a buffer of exactly their size; what is accepted must
 * survive being written and parsed once more. */
static bool
parse_hostile(const uint8_t *bytes, size_t nbytes)
{
	uint8_t    *copy = malloc(nbytes + 1);
	uint8_t    *exact = copy + 1;
	TsdbBodyHead head;
	TsdbBodyColumn *columns;
	bool		accepted = false;

	memcpy(exact, bytes, nbytes);
	if (tsdb_body_parse_head(exact, nbytes, &head) == NULL && !head.has_tail)
	{
		columns = malloc((head.natts + 1) * sizeof(TsdbBodyColumn));
		if (tsdb_body_parse_columns(&head, exact + head.head_bytes,
									nbytes - head.head_bytes, columns) == NULL)
		{
			size_t		room = TSDB_BODY_HEAD_BYTES_MAX +
				(size_t) head.natts * TSDB_BODY_COLUMN_BYTES_MAX;
			uint8_t    *again = malloc(room);
			size_t		used = tsdb_body_write_head(&head, again);
			TsdbBodyHead head2;

			used += tsdb_body_write_columns(&head, columns, again + used);
			accepted = used <= room &&
				tsdb_body_parse_head(again, used, &head2) == NULL &&
				same_head(&head, &head2);
			if (!accepted)
				check(false, "accepted bytes can be written again");
			free(again);
		}
		free(columns);
	}
	free(copy);
	return accepted;
}

static void
round_trip(void)
{
	static uint8_t body[TSDB_BODY_HEAD_BYTES_MAX +
						COLUMNS_MAX * TSDB_BODY_COLUMN_BYTES_MAX];
	TsdbBodyHead head = {0};
	TsdbBodyHead head2;
	TsdbBodyColumn columns[COLUMNS_MAX];
	TsdbBodyColumn columns2[COLUMNS_MAX];
	uint32_t	stream = 0;
	size_t		head_bytes;
	size_t		column_bytes;
	const char *problem;

	head.nrows = 1 + draw_below(TSDB_BODY_ROWS_MAX);
	head.natts = 1 + draw_below(COLUMNS_MAX);
	head.time = draw_below(head.natts + 1);
	head.nseries = draw_below(4);
	for (uint32_t i = 0; i < head.nseries; i++)
		head.series[i] = 1 + draw_below(head.natts);
	head.hash_version = head.nseries > 0;
	head.nsegments = 1;
	if (head.time != 0 && draw_below(4))
	{
		head.has_time = true;
		head.min_time = draw_int(8);
		head.max_time = draw_int(8);
		if (head.max_time < head.min_time)
			head.max_time = head.min_time;
	}
	if (head.nseries > 0 && head.nrows > 1 && draw_below(2))
	{
		head.nsegments = 2 + draw_below(head.nrows - 1);
		draw_place(&head.segment_rows, &stream);
		if (head.has_time && draw_below(2))
		{
			head.has_segment_times = true;
			head.time_unit = draw_below(2) ? 1 : 1000000;
			draw_place(&head.segment_min, &stream);
			draw_place(&head.segment_max, &stream);
		}
	}
	for (uint32_t i = 0; i < head.natts; i++)
	{
		bool		is_time = i + 1 == head.time && head.has_time;
		uint32_t	before = stream;

		draw_column(&columns[i], &head, is_time, &stream);
		if (columns[i].vector.inlined != NULL || before == stream)
			if (draw_below(3) == 0)
				imply_column(&columns[i], &head, is_time);
	}
	if (draw_below(4) == 0)
	{
		head.has_tail = true;
		head.tail_offset = stream;
		head.tail_bytes = 1 + draw_below(10000);
	}

	head_bytes = tsdb_body_write_head(&head, body);
	column_bytes = tsdb_body_write_columns(&head, columns, body + head_bytes);
	check(head_bytes <= TSDB_BODY_HEAD_BYTES_MAX &&
		  column_bytes <= (size_t) head.natts * TSDB_BODY_COLUMN_BYTES_MAX,
		  "a body keeps its bounds");

	problem = tsdb_body_parse_head(body, head_bytes + (head.has_tail ? 0 : column_bytes),
								   &head2);
	check(problem == NULL && same_head(&head, &head2) && head2.head_bytes == head_bytes,
		  problem != NULL ? problem : "a head comes back");
	problem = tsdb_body_parse_columns(&head2, body + head_bytes, column_bytes, columns2);
	check(problem == NULL, problem != NULL ? problem : "columns are parsed");
	if (problem == NULL)
	{
		bool		same = true;

		for (uint32_t i = 0; i < head.natts; i++)
			same &= same_column(&columns[i], &columns2[i]);
		check(same, "columns come back");
	}
	if (head.has_tail)
		return;

	check(parse_hostile(body, head_bytes + column_bytes), "a body is accepted as it is");
	for (size_t cut = 0; cut < head_bytes + column_bytes; cut++)
	{
		if (parse_hostile(body, cut))
			check(false, "a body cut short is refused");
	}
	for (int i = 0; i < 50; i++)
	{
		size_t		at = draw() % (head_bytes + column_bytes);
		uint8_t		kept = body[at];

		body[at] = (uint8_t) draw();
		parse_hostile(body, head_bytes + column_bytes);
		if (draw_below(2))
			body[at] = kept;
	}
}

/* What the format is for: a dozen columns of a thousand rows in 150 bytes. */
static void
size_of_typical(void)
{
	uint8_t		body[TSDB_BODY_HEAD_BYTES_MAX + 12 * TSDB_BODY_COLUMN_BYTES_MAX];
	static const uint8_t inlined[12] = {0};
	TsdbBodyHead head = {.nrows = 1024,.natts = 12,.time = 1,.nseries = 1,
		.series = {2},.hash_version = 1,.has_time = true,.nsegments = 1,
		.min_time = INT64_C(715000000) * 1000000,
	.max_time = INT64_C(715010230) * 1000000};
	TsdbBodyColumn columns[12] = {0};
	size_t		bytes;

	columns[0] = (TsdbBodyColumn) {.kind = TSDB_BODY_INT8,.codec = 2,.has_range = true,
		.has_ends = true,.vector = {.inlined = inlined,.bytes = 12},
		.min = {.number = head.min_time},.max = {.number = head.max_time},
		.first = {.number = head.min_time},.last = {.number = head.max_time}};
	columns[1] = (TsdbBodyColumn) {.kind = TSDB_BODY_BYTES,.codec = 1,.has_range = true,
		.vector = {.inlined = inlined,.bytes = 12},
		.min = {.bytes = inlined,.length = 7},.max = {.bytes = inlined,.length = 7}};
	for (int i = 2; i < 12; i++)
	{
		double		values[4] = {0.25, 99.5, 17.75, 64.0};
		double		sum = 51743.25;
		int64_t		bits[4];
		uint64_t	sum_bits;

		memcpy(bits, values, sizeof(bits));
		memcpy(&sum_bits, &sum, sizeof(sum));
		columns[i] = (TsdbBodyColumn) {.kind = TSDB_BODY_FLOAT8,.codec = 8,
			.has_range = true,.has_ends = true,.vector = {.bytes = 900,.offset = 900 * (i - 2)},
			.min = {.number = bits[0]},.max = {.number = bits[1]},
			.first = {.number = bits[2]},.last = {.number = bits[3]},
			.has_sum = true,.sum_low = sum_bits};
	}
	bytes = tsdb_body_write_head(&head, body);
	bytes += tsdb_body_write_columns(&head, columns, body + bytes);
	printf("a typical body takes %zu bytes\n", bytes);
	check(bytes <= 220, "a typical body is small");
}

/* A column of floats, and how many bytes it takes. */
static size_t
bytes_of_floats(uint32_t nrows, uint8_t kind, double min, double max, bool has_sum, double sum)
{
	uint8_t		body[TSDB_BODY_COLUMN_BYTES_MAX];
	TsdbBodyHead head = {.nrows = nrows,.natts = 1,.nsegments = 1};
	TsdbBodyColumn column = {.kind = kind,.codec = 8,.has_range = true,
	.has_sum = has_sum,.vector = {.bytes = 900}};
	TsdbBodyColumn back;
	size_t		bytes;

	if (kind == TSDB_BODY_FLOAT8)
	{
		memcpy(&column.min.number, &min, sizeof(min));
		memcpy(&column.max.number, &max, sizeof(max));
	}
	else
	{
		float		min4 = (float) min;
		float		max4 = (float) max;
		uint32_t	bits;

		memcpy(&bits, &min4, sizeof(bits));
		column.min.number = bits;
		memcpy(&bits, &max4, sizeof(bits));
		column.max.number = bits;
	}
	if (has_sum)
		memcpy(&column.sum_low, &sum, sizeof(sum));
	bytes = tsdb_body_write_columns(&head, &column, body);
	check(tsdb_body_parse_columns(&head, body, bytes, &back) == NULL &&
		  same_column(&column, &back), "a sum of floats comes back");
	return bytes;
}

/* Sums that count the unit of the range take few bytes, all others eight; none changes a bit. */
static void
sums_of_floats(void)
{
	static const uint8_t kinds[] = {TSDB_BODY_FLOAT4, TSDB_BODY_FLOAT8};
	double		sums[] = {51200, -51200, 0, -0.0, 0.5, 1e300, 51200.000001, NAN, INFINITY,
	-INFINITY, 9007199254740992.0, 1e-300};

	for (int k = 0; k < 2; k++)
	{
		size_t		without = bytes_of_floats(1024, kinds[k], 0, 100, false, 0);

		check(bytes_of_floats(1024, kinds[k], 0, 100, true, 51200) == without + 3,
			  "a sum of integers is short");
		check(bytes_of_floats(1024, kinds[k], 50, 100, true, 51200) == without + 1,
			  "a sum is relative to the minimum");
		check(bytes_of_floats(1024, kinds[k], 0, 100, true, 0.1) == without + 8,
			  "a sum in another unit is raw");
		for (int i = 0; i < (int) (sizeof(sums) / sizeof(sums[0])); i++)
		{
			for (int j = 0; j < (int) (sizeof(sums) / sizeof(sums[0])); j++)
				(void) bytes_of_floats(7, kinds[k], sums[j], sums[j], true, sums[i]);
		}
	}
}

int
main(void)
{
	for (int i = 0; i < 2000; i++)
		round_trip();
	size_of_typical();
	sums_of_floats();
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0;
}
