/*
 * chunk_verify.c
 *		A chunk's body against its vectors.
 */
#include "postgres.h"

#include "chunk/chunk_verify.h"

#include "access/htup_details.h"
#include "chunk/chunk_implied.h"
#include "chunk/chunk_load.h"
#include "chunk/chunk_stats.h"
#include "chunk/chunk_type.h"
#include "chunk/series_hash.h"
#include "utils/memutils.h"
#include "utils/sortsupport.h"
#include "utils/typcache.h"

#define SHARDS_MAX	256			/* no setting ever allowed more */

/* A decoded column, as it is stored. */
typedef struct StoredColumn
{
	bool		decoded;
	TsdbVector	vector;
	int64	   *scales;			/* decimal with own scales */
} StoredColumn;

struct TsdbChunkVerify
{
	TsdbChunkSource source;
	TsdbChunkReport report;
	void	   *report_arg;
	uint32		stream_bytes;
	TsdbChunkBody body;
	StoredColumn *columns;		/* body.head.natts entries */
};

TsdbChunkVerify *
tsdb_chunk_verify_open(const char *body, uint32 body_bytes, uint32 stream_bytes,
					   TsdbStreamFetch fetch, TsdbChunkDamage damage, void *fetch_arg,
					   TsdbChunkReport report, void *report_arg)
{
	TsdbChunkVerify *verify = palloc0(sizeof(TsdbChunkVerify));

	verify->source = (TsdbChunkSource) {.fetch = fetch,.damage = damage,.arg = fetch_arg};
	verify->report = report;
	verify->report_arg = report_arg;
	verify->stream_bytes = stream_bytes;
	tsdb_chunk_load(&verify->source, body, body_bytes, &verify->body);
	verify->columns = palloc0(Max(verify->body.head.natts, 1) * sizeof(StoredColumn));
	return verify;
}

int
tsdb_chunk_verify_natts(const TsdbChunkVerify *verify)
{
	return (int) verify->body.head.natts;
}

static void
report(TsdbChunkVerify *verify, AttrNumber attno, int row, const char *fault)
{
	verify->report(verify->report_arg, attno, row, fault);
}

/* ---- the head ---- */

static void
add_end(const TsdbBodyPlace *place, uint32 *end)
{
	if (place->inlined == NULL && place->bytes > 0)
		*end = Max(*end, place->offset + place->bytes);
}

void
tsdb_chunk_verify_head(TsdbChunkVerify *verify, uint32 nrows, bool has_time,
					   int64 min_time, int64 max_time)
{
	const TsdbBodyHead *head = &verify->body.head;
	uint32		end = head->stream_offset;

	if (head->nrows != nrows)
		report(verify, 0, -1, "body and directory state different numbers of rows");
	if (head->has_time != has_time ||
		(has_time && (head->min_time != min_time || head->max_time != max_time)))
		report(verify, 0, -1, "body and directory state different time ranges");

	for (uint32 i = 0; i < head->natts; i++)
	{
		add_end(&verify->body.columns[i].vector, &end);
		add_end(&verify->body.columns[i].scales, &end);
	}
	if (head->has_tail)
	{
		if (head->tail_offset != end)
			report(verify, 0, -1, "the body's tail does not follow the last vector");
		end = head->tail_offset + head->tail_bytes;
	}
	if (end != verify->stream_bytes)
		report(verify, 0, -1, "the vectors do not make up the stream");
}

/* ---- decoding ---- */

static uint32
count_nulls(const TsdbVector *vector)
{
	uint32		nnulls = 0;

	for (uint32 row = 0; row < vector->nrows; row++)
		nnulls += (vector->nulls[row >> 3] >> (row & 7)) & 1;
	return nnulls;
}

/* Decode what lies at place; damage is raised. */
static void
decode(TsdbChunkVerify *verify, const TsdbBodyPlace *place, TsdbVectorType type,
	   uint32 width, TsdbVectorInfo *info, TsdbVector *vector)
{
	const uint8 *src = place->inlined;
	uint32		nrows = verify->body.head.nrows;
	Size		rounded = TYPEALIGN(TSDB_VECTOR_BLOCK_ROWS, nrows);
	Size		scratch_bytes;
	char	   *scratch;

	if (src == NULL)
	{
		char	   *fetched = MemoryContextAllocHuge(CurrentMemoryContext, place->bytes);

		verify->source.fetch(verify->source.arg, place->offset, place->bytes, fetched);
		src = (const uint8 *) fetched;
	}
	if (tsdb_codec_inspect(src, place->bytes, info) != TSDB_CODEC_OK)
		tsdb_chunk_damaged(&verify->source, "A vector's header is damaged.");
	if (info->type != type || info->nrows != nrows ||
		((type == TSDB_VECTOR_INT || type == TSDB_VECTOR_FIXED) && info->width != width))
		tsdb_chunk_damaged(&verify->source,
						   "A vector is of another kind than its chunk states.");
	if (info->raw_bytes > (Size) TSDB_CHUNK_RAW_MAX + MaxAllocSize ||
		(type == TSDB_VECTOR_FIXED && info->raw_bytes != (Size) width * nrows))
		tsdb_chunk_damaged(&verify->source, "A vector states an impossible size.");

	memset(vector, 0, sizeof(*vector));
	vector->nulls = palloc0(TSDB_VECTOR_NULL_BYTES);
	if (type == TSDB_VECTOR_FIXED || type == TSDB_VECTOR_BYTES)
		vector->data = MemoryContextAllocHuge(CurrentMemoryContext, info->raw_bytes + 1);
	else
		vector->ints = palloc0(rounded * sizeof(int64));
	if (type == TSDB_VECTOR_BYTES)
		vector->offsets = palloc0((rounded + 1) * sizeof(uint32));
	scratch_bytes = tsdb_codec_scratch_bytes(info->type, info->width, info->raw_bytes);
	scratch = MemoryContextAllocHuge(CurrentMemoryContext, scratch_bytes + 16);
	if (tsdb_codec_decode(src, place->bytes, (void *) TYPEALIGN(16, scratch), scratch_bytes,
						  vector) != TSDB_CODEC_OK)
		tsdb_chunk_damaged(&verify->source, "A vector cannot be decoded.");
	pfree(scratch);
}

/* First rows of the segments and the end, damage raised. */
static uint32 *
read_segments(TsdbChunkVerify *verify)
{
	const TsdbBodyHead *head = &verify->body.head;
	uint32	   *rows = palloc0((head->nsegments + 1) * sizeof(uint32));

	rows[head->nsegments] = head->nrows;
	if (head->nsegments > 1)
	{
		TsdbChunkVerify part = *verify;
		TsdbVectorInfo info;
		TsdbVector	vector;

		part.body.head.nrows = head->nsegments;
		decode(&part, &head->segment_rows, TSDB_VECTOR_INT, 2, &info, &vector);
		for (uint32 i = 0; i < head->nsegments; i++)
		{
			if (i == 0 ? vector.ints[i] != 0 :
				vector.ints[i] <= vector.ints[i - 1] || vector.ints[i] >= head->nrows)
				tsdb_chunk_damaged(&verify->source, "The chunk's segments overlap.");
			rows[i] = (uint32) vector.ints[i];
		}
	}
	return rows;
}

/* Time ranges of the segments, which must have been stored; damage is raised. */
static void
read_segment_times(TsdbChunkVerify *verify, TsdbVector *min, TsdbVector *max)
{
	const TsdbBodyHead *head = &verify->body.head;
	TsdbChunkVerify part = *verify;
	TsdbVectorInfo info;

	part.body.head.nrows = head->nsegments;
	decode(&part, &head->segment_min, TSDB_VECTOR_INT, 8, &info, min);
	decode(&part, &head->segment_max, TSDB_VECTOR_INT, 8, &info, max);
	tsdb_segment_times_restore(head->min_time, head->time_unit, head->nsegments,
							   min->ints, max->ints);
}

/* The values of a column that has no vector; damage is raised. */
static void
imply(TsdbChunkVerify *verify, AttrNumber attno, uint32 width, TsdbVector *vector)
{
	const TsdbBodyHead *head = &verify->body.head;
	int64		value = verify->body.columns[attno - 1].min.number;
	int64	   *values = palloc(TYPEALIGN(TSDB_VECTOR_BLOCK_ROWS, head->nrows) * sizeof(int64));

	*vector = (TsdbVector) {
		.type = TSDB_VECTOR_INT,.width = width,.nrows = head->nrows,.ints = values,
		.nulls = palloc0(TSDB_VECTOR_NULL_BYTES)
	};
	for (uint32 row = 0; row < head->nrows; row++)
		values[row] = value;
	if (head->has_time && (uint32) attno == head->time)
	{
		uint32	   *rows = read_segments(verify);
		TsdbVector	min = {.ints = unconstify(int64 *, &head->min_time)};
		TsdbVector	max = {.ints = unconstify(int64 *, &head->max_time)};

		if (head->nsegments > 1)
			read_segment_times(verify, &min, &max);
		for (uint32 i = 0; i < head->nsegments; i++)
		{
			if (!tsdb_times_fill(min.ints[i], max.ints[i], rows[i + 1] - rows[i],
								 values + rows[i]))
				tsdb_chunk_damaged(&verify->source, "The times of a segment are no steps.");
		}
	}
}

/* ---- statistics ---- */

/* The type that statistics of a stored column were made under. */
static TsdbColumnType
stored_type(const TsdbBodyColumn *column)
{
	TsdbColumnType type = {.kind = column->kind,.order = TSDB_ORDER_NONE};

	type.summable = column->has_sum;
	if (column->has_range)
	{
		switch (column->kind)
		{
			case TSDB_BODY_FLOAT4:
			case TSDB_BODY_FLOAT8:
				type.order = TSDB_ORDER_FLOAT;
				break;
			case TSDB_BODY_FIXED:
			case TSDB_BODY_BYTES:
				type.order = column->alternate ? TSDB_ORDER_PADDED : TSDB_ORDER_BYTES;
				break;
			default:
				type.order = column->alternate ? TSDB_ORDER_UNSIGNED : TSDB_ORDER_SIGNED;
				break;
		}
	}
	return type;
}

static bool
same_stat(const TsdbBodyColumn *column, const TsdbBodyValue *a, const TsdbBodyValue *b)
{
	switch (column->kind)
	{
		case TSDB_BODY_FIXED:
		case TSDB_BODY_BYTES:
			return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
		case TSDB_BODY_FLOAT4:
			return (uint32) a->number == (uint32) b->number;
		case TSDB_BODY_DECIMAL:
			return a->number == b->number && a->scale == b->scale;
		default:
			return a->number == b->number;
	}
}

/* Compare what is stored with what was computed from the vector. */
static void
compare_stats(TsdbChunkVerify *verify, AttrNumber attno, const TsdbBodyColumn *stored,
			  const TsdbBodyColumn *computed)
{
	if (stored->has_range)
	{
		if (!computed->has_range || !same_stat(stored, &stored->min, &computed->min))
			report(verify, attno, -1, "the minimum is not that of the values");
		if (!computed->has_range || !same_stat(stored, &stored->max, &computed->max))
			report(verify, attno, -1, "the maximum is not that of the values");
	}
	if (stored->has_ends)
	{
		if (!same_stat(stored, &stored->first, &computed->first))
			report(verify, attno, -1, "the first value is not that of the values");
		if (!same_stat(stored, &stored->last, &computed->last))
			report(verify, attno, -1, "the last value is not that of the values");
	}
	if (stored->has_sum && (!computed->has_sum ||
							stored->sum_low != computed->sum_low ||
							stored->sum_high != computed->sum_high))
		report(verify, attno, -1, "the sum is not that of the values");
}

void
tsdb_chunk_verify_column(TsdbChunkVerify *verify, AttrNumber attno)
{
	const TsdbBodyColumn *stored = &verify->body.columns[attno - 1];
	StoredColumn *column = &verify->columns[attno - 1];
	TsdbBodyColumn computed = {0};
	TsdbVectorType type;
	TsdbVectorInfo info;
	uint32		width;

	if (stored->kind == TSDB_BODY_NULL)
	{
		column->decoded = true;
		return;
	}
	tsdb_column_kind_vector(stored->kind, stored->width, &type, &width);
	if (stored->vector.bytes == 0)
		imply(verify, attno, width, &column->vector);
	else
	{
		decode(verify, &stored->vector, type, width, &info, &column->vector);
		if ((info.codec & TSDB_BODY_CODEC_MASK) != stored->codec)
			report(verify, attno, -1, "the vector has another codec than the body states");
	}
	if (stored->own_scales)
	{
		TsdbVector	scales;

		decode(verify, &stored->scales, TSDB_VECTOR_INT, 1, &info, &scales);
		column->scales = scales.ints;
	}
	column->decoded = true;

	if (count_nulls(&column->vector) != stored->nnulls)
	{
		report(verify, attno, -1, "the number of nulls is not that of the values");
		return;
	}
	computed.kind = stored->kind;
	computed.scale = stored->scale;
	computed.min.scale = computed.max.scale = stored->scale;
	computed.first.scale = computed.last.scale = stored->scale;
	if (stored->kind == TSDB_BODY_DECIMAL)
		tsdb_chunk_stats_decimal(&column->vector, column->scales, stored->nnulls, &computed);
	else
	{
		TsdbColumnType stats_type = stored_type(stored);

		tsdb_chunk_stats_compute(&stats_type, &column->vector, stored->nnulls, &computed);
	}
	compare_stats(verify, attno, stored, &computed);
}

/* ---- segments ---- */

static bool
is_null(const TsdbVector *vector, uint32 row)
{
	return (vector->nulls[row >> 3] & (1 << (row & 7))) != 0;
}

/* Have two rows the same bits in a column? */
static bool
same_value(const TsdbBodyColumn *stored, const StoredColumn *column, uint32 a, uint32 b)
{
	const TsdbVector *vector = &column->vector;

	if (stored->kind == TSDB_BODY_NULL)
		return true;
	if (is_null(vector, a) || is_null(vector, b))
		return is_null(vector, a) && is_null(vector, b);
	switch (vector->type)
	{
		case TSDB_VECTOR_INT:
			return vector->ints[a] == vector->ints[b] &&
				(column->scales == NULL || column->scales[a] == column->scales[b]);
		case TSDB_VECTOR_FLOAT4:
			return vector->float4s[a] == vector->float4s[b];
		case TSDB_VECTOR_FLOAT8:
			return vector->float8s[a] == vector->float8s[b];
		case TSDB_VECTOR_FIXED:
			return memcmp(vector->data + (Size) a * vector->width,
						  vector->data + (Size) b * vector->width, vector->width) == 0;
		case TSDB_VECTOR_BYTES:
			{
				uint32		length = vector->offsets[a + 1] - vector->offsets[a];

				return length == vector->offsets[b + 1] - vector->offsets[b] &&
					memcmp(vector->data + vector->offsets[a],
						   vector->data + vector->offsets[b], length) == 0;
			}
	}
	return false;
}

/* Rows of a segment have one series key, and the next one has another. */
static void
verify_segment_keys(TsdbChunkVerify *verify, const uint32 *rows)
{
	const TsdbBodyHead *head = &verify->body.head;

	for (uint32 segment = 0; segment < head->nsegments; segment++)
	{
		for (uint32 row = rows[segment] + 1; row <= rows[segment + 1] && row < head->nrows; row++)
		{
			bool		same = true;

			for (uint32 i = 0; i < head->nseries && same; i++)
			{
				uint32		index = head->series[i] - 1;

				same = same_value(&verify->body.columns[index], &verify->columns[index],
								  row - 1, row);
			}
			if (same != (row < rows[segment + 1]))
			{
				report(verify, 0, (int) row, same ? "a segment ends within a series" :
					   "a segment has rows of several series");
				return;
			}
		}
	}
}

/* Within a segment rows are in order of time, nulls last, and its range is right. */
static void
verify_segment_times(TsdbChunkVerify *verify, const uint32 *rows)
{
	const TsdbBodyHead *head = &verify->body.head;
	const TsdbVector *time = &verify->columns[head->time - 1].vector;
	TsdbVector	min = {0};
	TsdbVector	max = {0};

	if (head->has_segment_times)
		read_segment_times(verify, &min, &max);
	for (uint32 segment = 0; segment < head->nsegments; segment++)
	{
		uint32		first = rows[segment];
		uint32		end = rows[segment + 1];
		uint32		last = end;

		for (uint32 row = first + 1; row < end; row++)
		{
			if (is_null(time, row) ? false :
				is_null(time, row - 1) || time->ints[row] < time->ints[row - 1])
			{
				report(verify, (AttrNumber) head->time, (int) row,
					   "the row is not in order of time");
				return;
			}
		}
		if (!head->has_segment_times)
			continue;
		while (last > first && is_null(time, last - 1))
			last--;
		if (is_null(&min, segment) != (last == first) ||
			is_null(&max, segment) != (last == first) ||
			(last > first && (min.ints[segment] != time->ints[first] ||
							  max.ints[segment] != time->ints[last - 1])))
			report(verify, (AttrNumber) head->time, (int) first,
				   "the segment's time range is not that of its rows");
	}
}

void
tsdb_chunk_verify_segments(TsdbChunkVerify *verify)
{
	const TsdbBodyHead *head = &verify->body.head;
	uint32	   *rows = read_segments(verify);
	bool		have_keys = head->nseries > 0;

	for (uint32 i = 0; i < head->nseries; i++)
		have_keys = have_keys && verify->columns[head->series[i] - 1].decoded;
	if (have_keys)
		verify_segment_keys(verify, rows);

	if (head->has_time && verify->columns[head->time - 1].decoded &&
		verify->columns[head->time - 1].vector.type == TSDB_VECTOR_INT)
		verify_segment_times(verify, rows);
	else if (head->has_segment_times)
		tsdb_chunk_damaged(&verify->source, "The chunk's segments have times of no column.");
}

/* ---- rows as they are today ---- */

/* Was the column written in the order that its type has now? */
static bool
keeps_order(const TsdbChunkVerify *verify, TupleDesc tupdesc, uint32 attno)
{
	const TsdbBodyColumn *stored = &verify->body.columns[attno - 1];
	Form_pg_attribute att = TupleDescAttr(tupdesc, attno - 1);
	TsdbColumnType type;

	/* a collation can be changed, and changes, without the chunk */
	if (att->attisdropped || OidIsValid(att->attcollation))
		return false;
	if (stored->kind == TSDB_BODY_NULL || stored->kind == TSDB_BODY_DECIMAL)
		return true;
	tsdb_column_type_init(att, &type);
	return type.kind == stored->kind &&
		(!stored->has_range ||
		 tsdb_column_order_is_alternate(type.order) == stored->alternate);
}

/* Series of successive segments ascend. */
static void
verify_series_order(TsdbChunkVerify *verify, TsdbChunkReader *reader, TupleDesc tupdesc,
					const TsdbSegments *segments)
{
	const TsdbBodyHead *head = &verify->body.head;
	SortSupportData *sort = palloc0(head->nseries * sizeof(SortSupportData));
	const TsdbColumn **columns = palloc(head->nseries * sizeof(TsdbColumn *));
	uint32		ncolumns = 0;

	/* a column that cannot be compared hides the order of those after it */
	while (ncolumns < head->nseries &&
		   keeps_order(verify, tupdesc, head->series[ncolumns]))
	{
		AttrNumber	attno = (AttrNumber) head->series[ncolumns];
		Form_pg_attribute att = TupleDescAttr(tupdesc, attno - 1);
		TypeCacheEntry *type = lookup_type_cache(att->atttypid, TYPECACHE_LT_OPR);

		if (!OidIsValid(type->lt_opr))
			break;
		sort[ncolumns].ssup_cxt = CurrentMemoryContext;
		sort[ncolumns].ssup_collation = InvalidOid;
		sort[ncolumns].ssup_attno = attno;
		PrepareSortSupportFromOrderingOp(type->lt_opr, &sort[ncolumns]);
		columns[ncolumns] = tsdb_chunk_reader_column(reader, attno);
		ncolumns++;
	}
	for (uint32 segment = 1; segment < segments->count; segment++)
	{
		uint32		row = segments->rows[segment];
		int			order = 0;

		for (uint32 i = 0; i < ncolumns && order == 0; i++)
			order = ApplySortComparator(columns[i]->values[row - 1], columns[i]->nulls[row - 1],
										columns[i]->values[row], columns[i]->nulls[row],
										&sort[i]);
		if (order > 0)
		{
			report(verify, 0, (int) row, "the row is not in order of the series key");
			return;
		}
	}
}

/*
 * The number of shards is a setting that may have been another one when the
 * chunk was written.  If that is not known (nshards is 1), some number must put all series of
 * the chunk here.
 */
static void
verify_shard(TsdbChunkVerify *verify, TsdbChunkReader *reader, TupleDesc tupdesc,
			 const TsdbSegments *segments, int shard, int nshards)
{
	const TsdbBodyHead *head = &verify->body.head;
	TsdbSortKey key = {.nseries = (int) head->nseries};
	Datum	   *values = palloc0(Max(tupdesc->natts, 1) * sizeof(Datum));
	bool	   *nulls = palloc0(Max(tupdesc->natts, 1) * sizeof(bool));
	bool		possible[SHARDS_MAX + 1];
	bool		any = false;

	for (uint32 i = 0; i < head->nseries; i++)
	{
		uint32		index = head->series[i] - 1;
		TsdbColumnType type;

		key.series[i] = (AttrNumber) head->series[i];
		if (TupleDescAttr(tupdesc, index)->attisdropped)
			return;
		tsdb_column_type_init(TupleDescAttr(tupdesc, index), &type);
		if (verify->body.columns[index].kind != TSDB_BODY_NULL &&
			verify->body.columns[index].kind != TSDB_BODY_DECIMAL &&
			type.kind != verify->body.columns[index].kind)
			return;
	}
	if (!tsdb_series_hash_is_exact(tupdesc, &key))
		nshards = 1;			/* nobody relies on it */
	memset(possible, true, sizeof(possible));
	for (uint32 segment = 0; segment < segments->count; segment++)
	{
		uint32		row = segments->rows[segment];
		uint32		hash;

		for (uint32 i = 0; i < head->nseries; i++)
		{
			const TsdbColumn *column = tsdb_chunk_reader_column(reader, key.series[i]);

			values[key.series[i] - 1] = column->values[row];
			nulls[key.series[i] - 1] = column->nulls[row];
		}
		hash = tsdb_series_hash(tupdesc, &key, values, nulls);
		for (uint32 n = 1; n <= SHARDS_MAX; n++)
			possible[n] = possible[n] && hash % n == (uint32) shard &&
				(nshards == 1 || n == (uint32) nshards);
	}
	for (int n = 1; n <= SHARDS_MAX; n++)
		any = any || possible[n];
	if (!any)
		report(verify, 0, -1, "the chunk's series do not belong to its shard");
}

void
tsdb_chunk_verify_rows(TsdbChunkVerify *verify, TsdbChunkReader *reader, TupleDesc tupdesc,
					   int shard, int nshards)
{
	const TsdbBodyHead *head = &verify->body.head;

	for (int i = 0; i < tupdesc->natts; i++)
		(void) tsdb_chunk_reader_column(reader, i + 1);
	if (head->nseries > 0)
	{
		const TsdbSegments *segments = tsdb_chunk_reader_segments(reader);

		verify_series_order(verify, reader, tupdesc, segments);
		if (head->hash_version == TSDB_SERIES_HASH_VERSION)
			verify_shard(verify, reader, tupdesc, segments, shard, nshards);
	}
}
