/*
 * chunk_implied.c
 *		Times that follow from those of their segments.
 */
#include "chunk/chunk_implied.h"

#include "chunk/chunk_unit.h"

bool
tsdb_times_are_regular(const int64_t *times, uint32_t rows)
{
	uint64_t	step = rows > 1 ? (uint64_t) times[1] - (uint64_t) times[0] : 0;

	if (rows > 1 && times[1] < times[0])
		return false;
	for (uint32_t i = 2; i < rows; i++)
	{
		if (times[i] < times[i - 1] ||
			(uint64_t) times[i] - (uint64_t) times[i - 1] != step)
			return false;
	}
	return true;
}

bool
tsdb_times_fill(int64_t min, int64_t max, uint32_t rows, int64_t *times)
{
	uint64_t	span = (uint64_t) max - (uint64_t) min;
	uint64_t	step;

	if (max < min || rows == 0 || (rows == 1 && span != 0))
		return false;
	step = rows == 1 ? 0 : span / (rows - 1);
	if (rows > 1 && span % (rows - 1) != 0)
		return false;
	for (uint32_t i = 0; i < rows; i++)
		times[i] = (int64_t) ((uint64_t) min + i * step);
	return true;
}

void
tsdb_segment_times_restore(int64_t base, uint64_t unit, uint32_t count,
						   int64_t *min, int64_t *max)
{
	for (uint32_t i = 0; i < count; i++)
	{
		min[i] = (int64_t) ((uint64_t) base + (uint64_t) min[i] * unit);
		max[i] = (int64_t) ((uint64_t) min[i] + (uint64_t) max[i] * unit);
	}
}

void
tsdb_segment_times_reduce(int64_t base, uint64_t unit, uint32_t count,
						  int64_t *min, int64_t *max)
{
	for (uint32_t i = 0; i < count; i++)
	{
		max[i] = (int64_t) (((uint64_t) max[i] - (uint64_t) min[i]) / unit);
		min[i] = (int64_t) (((uint64_t) min[i] - (uint64_t) base) / unit);
	}
}

uint64_t
tsdb_segment_times_unit(int64_t base, uint32_t count, const int64_t *min, const int64_t *max)
{
	uint64_t	unit = tsdb_body_units[TSDB_BODY_UNIT_MAX];

	while (unit > 1 && base % (int64_t) unit != 0)
		unit /= 10;
	for (uint32_t i = 0; i < count; i++)
	{
		while (unit > 1 && (((uint64_t) min[i] - (uint64_t) base) % unit != 0 ||
							((uint64_t) max[i] - (uint64_t) min[i]) % unit != 0))
			unit /= 10;
	}
	return unit;
}
