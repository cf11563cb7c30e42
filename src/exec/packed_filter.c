/*
 * packed_filter.c
 *		Conditions on columns of the working set, compared as they are kept there.
 */
#include "postgres.h"

#include "exec/packed_filter.h"

#include <math.h>

#include "access/stratnum.h"
#include "cache/narrow.h"
#include "exec/number.h"

/* How many u have a value below the bound, or up to it; false if that cannot be told. */
static bool
count_below(const TsdbClause *clause, Datum bound, const TsdbNarrow *narrow, bool up_to, uint64 *count)
{
	if (clause->lane == TSDB_LANE_INTEGER && narrow->kind == TSDB_NARROW_INTEGERS &&
		tsdb_number_is_integer(clause->type))
	{
		*count = tsdb_narrow_count_integers(narrow, tsdb_number_get_integer(clause->argument_type, bound),
											up_to);
		return true;
	}
	if (clause->lane == TSDB_LANE_FLOAT && narrow->kind == TSDB_NARROW_DOUBLES &&
		clause->type == FLOAT8OID)
	{
		double		number = tsdb_number_get_float(clause->argument_type, bound);

		*count = isnan(number) ? 0 : tsdb_narrow_count_doubles(narrow, number, up_to);
		return !isnan(number);
	}
	return false;
}

bool
tsdb_packed_filter(const TsdbClause *clause, Datum bound, const TsdbColumn *column, uint32 nrows,
				   uint8 *pass)
{
	const TsdbNarrow *narrow = column->packed;
	StrategyNumber strategy = clause->strategy;
	bool		from_below = strategy == BTGreaterEqualStrategyNumber || strategy == BTEqualStrategyNumber;
	uint64		from = 0;
	uint64		to = PG_UINT64_MAX;

	Assert(clause->kind == TSDB_CLAUSE_COMPARE);
	if ((from_below || strategy == BTGreaterStrategyNumber) &&
		!count_below(clause, bound, narrow, !from_below, &from))
		return false;
	if (strategy != BTGreaterEqualStrategyNumber && strategy != BTGreaterStrategyNumber &&
		!count_below(clause, bound, narrow, strategy != BTLessStrategyNumber, &to))
		return false;

	tsdb_narrow_select(narrow, tsdb_narrow_kept(narrow), nrows, from, to, pass);
	if (column->any_null)
	{
		for (uint32 row = 0; row < nrows; row++)
			pass[row] &= !column->nulls[row];
	}
	return true;
}
