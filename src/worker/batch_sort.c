/*
 * batch_sort.c
 *		Ordering the rows of a batch.
 */
#include "postgres.h"

#include "worker/batch_sort.h"

#include "miscadmin.h"

#define RADIX_BITS		8
#define RADIX_SIZE		(1 << RADIX_BITS)
#define RADIX_PASSES	(64 / RADIX_BITS)

/* Least significant digit first, leaving out digits that all items share. */
static void
radix_sort(TsdbBatchItem *items, TsdbBatchItem *spare, uint32 count)
{
	static uint32 counts[RADIX_PASSES][RADIX_SIZE];
	TsdbBatchItem *from = items;
	TsdbBatchItem *to = spare;

	memset(counts, 0, sizeof(counts));
	for (uint32 i = 0; i < count; i++)
	{
		for (int pass = 0; pass < RADIX_PASSES; pass++)
			counts[pass][(items[i].prefix >> (pass * RADIX_BITS)) % RADIX_SIZE]++;
	}

	for (int pass = 0; pass < RADIX_PASSES; pass++)
	{
		int			shift = pass * RADIX_BITS;
		uint32	   *place = counts[pass];
		uint32		next = 0;
		TsdbBatchItem *swap;

		if (place[(items[0].prefix >> shift) % RADIX_SIZE] == count)
			continue;
		for (int digit = 0; digit < RADIX_SIZE; digit++)
		{
			uint32		here = place[digit];

			place[digit] = next;
			next += here;
		}
		for (uint32 i = 0; i < count; i++)
			to[place[(from[i].prefix >> shift) % RADIX_SIZE]++] = from[i];
		swap = from;
		from = to;
		to = swap;
	}
	if (from != items)
		memcpy(items, from, count * sizeof(TsdbBatchItem));
}

void
tsdb_batch_sort(TsdbBatchItem *items, TsdbBatchItem *spare, uint32 count,
				int (*compare) (const void *, const void *, void *), void *arg)
{
	uint32		first = 0;

	if (count < 2)
		return;
	radix_sort(items, spare, count);

	while (first < count)
	{
		uint32		end = first + 1;
		bool		in_order = true;

		for (; end < count && items[end].prefix == items[first].prefix; end++)
			in_order = in_order && compare(&items[end - 1], &items[end], arg) <= 0;
		if (!in_order)
			qsort_arg(&items[first], end - first, sizeof(TsdbBatchItem), compare, arg);
		first = end;
		CHECK_FOR_INTERRUPTS();
	}
}
