/*
 * histogram.c
 *		Aggregate histogram(value, min, max, nbuckets).
 *
 * How many values lie in each of nbuckets ranges of equal width between min and
 * max, below min and from max on: an array of nbuckets + 2 counts.  The bucket of
 * a value is that of width_bucket(), whose errors are ours, too.  Null values do not
 * count.  The number of buckets must be the same for all rows of a group.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "fmgr.h"
#include "libpq/pqformat.h"
#include "sql/aggregate.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(tsdb_histogram_step);
PG_FUNCTION_INFO_V1(tsdb_histogram_combine);
PG_FUNCTION_INFO_V1(tsdb_histogram_serialize);
PG_FUNCTION_INFO_V1(tsdb_histogram_deserialize);
PG_FUNCTION_INFO_V1(tsdb_histogram_result);

/* So many that the counts still fit an allocation. */
#define HISTOGRAM_BUCKETS_MAX	((int32) (MaxAllocSize / sizeof(Datum)) - 16)

typedef struct Histogram
{
	int32		slots;			/* buckets + 2 */
	int64		counts[FLEXIBLE_ARRAY_MEMBER];
} Histogram;

static Histogram *
new_histogram(MemoryContext context, int32 slots)
{
	Histogram  *histogram = MemoryContextAllocZero(context, offsetof(Histogram, counts) +
												   slots * sizeof(int64));

	histogram->slots = slots;
	return histogram;
}

static void pg_attribute_noreturn()
refuse_change(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("number of buckets must not change between calls")));
}

static void pg_attribute_noreturn()
refuse_count(int64 count)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("integer out of range"),
			 errdetail("A bucket of the histogram holds " INT64_FORMAT " values.", count)));
}

/* (state, value, min, max, nbuckets) */
Datum
tsdb_histogram_step(PG_FUNCTION_ARGS)
{
	MemoryContext context = tsdb_aggregate_context(fcinfo);
	Histogram  *histogram = PG_ARGISNULL(0) ? NULL : (Histogram *) PG_GETARG_POINTER(0);
	int32		nbuckets;
	int32		bucket;

	if (PG_ARGISNULL(1))
	{
		if (histogram == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(histogram);
	}
	if (PG_ARGISNULL(2) || PG_ARGISNULL(3) || PG_ARGISNULL(4))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("bounds and number of buckets of a histogram cannot be null")));
	nbuckets = PG_GETARG_INT32(4);
	if (PG_GETARG_FLOAT8(2) > PG_GETARG_FLOAT8(3))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION),
				 errmsg("lower bound cannot exceed upper bound")));
	if (nbuckets > HISTOGRAM_BUCKETS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("number of buckets cannot exceed %d", HISTOGRAM_BUCKETS_MAX)));
	bucket = DatumGetInt32(DirectFunctionCall4(width_bucket_float8,
											   PG_GETARG_DATUM(1), PG_GETARG_DATUM(2),
											   PG_GETARG_DATUM(3), PG_GETARG_DATUM(4)));
	if (histogram == NULL)
		histogram = new_histogram(context, nbuckets + 2);
	else if (histogram->slots != nbuckets + 2)
		refuse_change();
	histogram->counts[bucket]++;
	PG_RETURN_POINTER(histogram);
}

Datum
tsdb_histogram_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = tsdb_aggregate_context(fcinfo);
	Histogram  *histogram = PG_ARGISNULL(0) ? NULL : (Histogram *) PG_GETARG_POINTER(0);
	Histogram  *other = PG_ARGISNULL(1) ? NULL : (Histogram *) PG_GETARG_POINTER(1);

	if (other == NULL)
	{
		if (histogram == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(histogram);
	}
	if (histogram == NULL)
		histogram = new_histogram(context, other->slots);
	else if (histogram->slots != other->slots)
		refuse_change();
	for (int32 i = 0; i < other->slots; i++)
		histogram->counts[i] += other->counts[i];
	PG_RETURN_POINTER(histogram);
}

Datum
tsdb_histogram_serialize(PG_FUNCTION_ARGS)
{
	Histogram  *histogram = (Histogram *) PG_GETARG_POINTER(0);
	StringInfoData buffer;

	(void) tsdb_aggregate_context(fcinfo);
	pq_begintypsend(&buffer);
	pq_sendint32(&buffer, histogram->slots);
	for (int32 i = 0; i < histogram->slots; i++)
		pq_sendint64(&buffer, histogram->counts[i]);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}

Datum
tsdb_histogram_deserialize(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	StringInfoData buffer;
	Histogram  *histogram;

	(void) tsdb_aggregate_context(fcinfo);
	buffer.data = VARDATA_ANY(bytes);
	buffer.len = buffer.maxlen = VARSIZE_ANY_EXHDR(bytes);
	buffer.cursor = 0;
	histogram = new_histogram(CurrentMemoryContext, pq_getmsgint(&buffer, 4));
	for (int32 i = 0; i < histogram->slots; i++)
		histogram->counts[i] = pq_getmsgint64(&buffer);
	PG_RETURN_POINTER(histogram);
}

Datum
tsdb_histogram_result(PG_FUNCTION_ARGS)
{
	Histogram  *histogram = PG_ARGISNULL(0) ? NULL : (Histogram *) PG_GETARG_POINTER(0);
	Datum	   *counts;

	(void) tsdb_aggregate_context(fcinfo);
	if (histogram == NULL)
		PG_RETURN_NULL();
	counts = palloc(histogram->slots * sizeof(Datum));
	for (int32 i = 0; i < histogram->slots; i++)
	{
		if (histogram->counts[i] > PG_INT32_MAX)
			refuse_count(histogram->counts[i]);
		counts[i] = Int32GetDatum((int32) histogram->counts[i]);
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(counts, histogram->slots, INT4OID, sizeof(int32),
										  true, TYPALIGN_INT));
}
