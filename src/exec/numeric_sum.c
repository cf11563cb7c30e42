/*
 * numeric_sum.c
 *		Sums of numeric values: what sum(numeric) and avg(numeric) keep.
 */
#include "postgres.h"

#include "exec/numeric_sum.h"

#include "chunk/chunk_decimal.h"
#include "chunk/chunk_unit.h"
#include "fmgr.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#define DIGITS_MAX	40			/* of 128 bits, and a sign */
#define SCALED_MAX	((int128) (~(uint128) 0 >> 1))

struct TsdbNumericSum
{
	int64		count;			/* of finite values */
	int64		nans;
	int64		infinities;		/* positive ones */
	int64		negative_infinities;
	int128		scaled;			/* sum of most values, times 10^scale */
	int			scale;
	Numeric		rest;			/* sum of the others, or NULL */
};

TsdbNumericSum *
tsdb_numeric_sum_create(MemoryContext context)
{
	return MemoryContextAllocZero(context, sizeof(TsdbNumericSum));
}

/* An integer over 10^scale as numeric, in the current context. */
static Numeric
make_numeric(int128 scaled, int scale)
{
	char		text[DIGITS_MAX + TSDB_DECIMAL_SCALE_MAX + 3];
	char	   *place = text + sizeof(text);
	bool		negative = scaled < 0;
	int			digits = 0;

	*--place = '\0';
	while (scaled != 0 || digits <= scale)
	{
		int			digit = (int) (scaled % 10);

		if (digits == scale && scale > 0)
			*--place = '.';
		*--place = (char) ('0' + (negative ? -digit : digit));
		scaled /= 10;
		digits++;
	}
	if (negative)
		*--place = '-';
	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(place),
											   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

static Numeric
add(Numeric a, Numeric b)
{
	return DatumGetNumeric(DirectFunctionCall2(numeric_add, NumericGetDatum(a),
											   NumericGetDatum(b)));
}

/* Add to the rest, of which the context keeps a copy. */
static void
add_rest(TsdbNumericSum *sum, Numeric value, MemoryContext memory)
{
	Numeric		total = sum->rest == NULL ? value : add(sum->rest, value);
	Numeric		kept = MemoryContextAlloc(memory, VARSIZE(total));

	memcpy(kept, total, VARSIZE(total));
	if (sum->rest != NULL)
		pfree(sum->rest);
	sum->rest = kept;
}

/* Multiply by a power of ten, at most 10^18; false on an overflow. */
static bool
raise_scale(int128 *scaled, int by)
{
	int128		factor = tsdb_body_units[by];

	if (*scaled != (int64) *scaled &&
		(*scaled > SCALED_MAX / factor || *scaled < -SCALED_MAX / factor))
		return false;
	*scaled *= factor;
	return true;
}

/* Add at the larger of two scales; false, and nothing done, on an overflow. */
static bool
add_scaled(TsdbNumericSum *sum, int128 scaled, int scale)
{
	int128		total = sum->scaled;

	if (scale > sum->scale)
	{
		if (!raise_scale(&total, scale - sum->scale))
			return false;
	}
	else if (scale < sum->scale && !raise_scale(&scaled, sum->scale - scale))
		return false;
	if (scaled > 0 ? total > SCALED_MAX - scaled : total < -SCALED_MAX - scaled)
		return false;
	sum->scaled = total + scaled;
	sum->scale = Max(sum->scale, scale);
	return true;
}

void
tsdb_numeric_sum_add_scaled(TsdbNumericSum *sum, int128 scaled, int scale, int64 count,
							MemoryContext memory)
{
	if (!add_scaled(sum, scaled, scale))
		add_rest(sum, make_numeric(scaled, scale), memory);
	sum->count += count;
}

/* NaN, infinity, or a value of many digits. */
static void
add_other(TsdbNumericSum *sum, Datum value, MemoryContext memory)
{
	Numeric		number = DatumGetNumeric(value);

	if (numeric_is_nan(number))
		sum->nans++;
	else if (numeric_is_inf(number))
	{
		Datum		zero = DirectFunctionCall1(int4_numeric, Int32GetDatum(0));

		if (DatumGetBool(DirectFunctionCall2(numeric_gt, NumericGetDatum(number), zero)))
			sum->infinities++;
		else
			sum->negative_infinities++;
	}
	else
	{
		add_rest(sum, number, memory);
		sum->count++;
	}
}

int64
tsdb_numeric_sum_add(TsdbNumericSum *sum, const TsdbColumnRun *run)
{
	const Datum *values = run->column->values;
	MemoryContext old = MemoryContextSwitchTo(run->scratch);
	int64		count = 0;

	TSDB_FOR_ROWS(run,
				  {
					  struct varlena *bytes = PG_DETOAST_DATUM_PACKED(values[row]);
					  int64		unscaled;
					  uint32	scale;

					  if (tsdb_decimal_parse((const uint8 *) VARDATA_ANY(bytes),
											 VARSIZE_ANY_EXHDR(bytes), &unscaled, &scale) &&
						  add_scaled(sum, unscaled, (int) scale))
						  sum->count++;
					  else
						  add_other(sum, values[row], run->memory);
					  count++;
				  });
	MemoryContextSwitchTo(old);
	return count;
}

bytea *
tsdb_numeric_sum_serialize(const TsdbNumericSum *sum)
{
	Numeric		total = make_numeric(sum->scaled, sum->scale);
	StringInfoData sent;
	StringInfoData buf;
	bytea	   *bytes;
	int			ndigits;
	int			weight;
	int			sign;
	int			scale;

	if (sum->rest != NULL)
		total = add(total, sum->rest);
	bytes = DatumGetByteaPP(DirectFunctionCall1(numeric_send, NumericGetDatum(total)));
	initStringInfo(&sent);
	appendBinaryStringInfo(&sent, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	ndigits = (int16) pq_getmsgint(&sent, sizeof(int16));
	weight = (int16) pq_getmsgint(&sent, sizeof(int16));
	sign = (int) pq_getmsgint(&sent, sizeof(int16));
	scale = (int) pq_getmsgint(&sent, sizeof(int16));

	pq_begintypsend(&buf);
	pq_sendint64(&buf, sum->count);
	pq_sendint32(&buf, ndigits);
	pq_sendint32(&buf, weight);
	pq_sendint32(&buf, sign);
	pq_sendint32(&buf, scale);
	for (int i = 0; i < ndigits; i++)
		pq_sendint16(&buf, (uint16) pq_getmsgint(&sent, sizeof(int16)));
	/* largest scale, and how many values have it: only moving aggregates ask for that */
	pq_sendint32(&buf, scale);
	pq_sendint64(&buf, sum->count);
	pq_sendint64(&buf, sum->nans);
	pq_sendint64(&buf, sum->infinities);
	pq_sendint64(&buf, sum->negative_infinities);
	return pq_endtypsend(&buf);
}
