/*
 * miss_history.c
 *		Which keys were asked for lately and not found, and which of them twice.
 */
#include "cache/miss_history.h"

#define LANE_BITS	16
#define LANES		4
#define LANE		UINT64_C(0xFFFF)
#define AGAIN		UINT64_C(0x8000)

uint32_t
tsdb_miss_history_lines(uint64_t keys)
{
	return (uint32_t) (keys / TSDB_MISS_HISTORY_PLACES) + 1;
}

/* The line of a hash, and what stands for it there. */
static uint32_t
line_of(uint32_t nlines, uint64_t hash, uint64_t *name)
{
	/* the line by other bits than the name */
	*name = hash >> 17 & 0x7FFF;
	if (*name == 0)
		*name = 1;
	return (uint32_t) ((hash >> 32) * nlines >> 32);
}

/* Where a name is in a line: word and shift.  False if it is not. */
static bool
find_name(const TsdbMissHistoryLine *line, uint64_t name, int *word, int *shift, uint64_t *value)
{
	for (int i = 0; i < TSDB_MISS_HISTORY_WORDS; i++)
	{
		*value = atomic_load_explicit(&line->words[i], memory_order_relaxed);
		for (int lane = i == 0; lane < LANES; lane++)
			if ((*value >> lane * LANE_BITS & LANE & ~AGAIN) == name)
			{
				*word = i;
				*shift = lane * LANE_BITS;
				return true;
			}
	}
	return false;
}

void
tsdb_miss_history_add(TsdbMissHistoryLine *lines, uint32_t nlines, uint64_t hash)
{
	uint64_t	name;
	TsdbMissHistoryLine *line = &lines[line_of(nlines, hash, &name)];
	int			word;
	int			shift;
	uint64_t	value;
	uint64_t	first;
	uint64_t	place;

	if (find_name(line, name, &word, &shift, &value))
	{
		if ((value >> shift & AGAIN) == 0)
			atomic_store_explicit(&line->words[word], value | AGAIN << shift, memory_order_relaxed);
		return;
	}
	first = atomic_load_explicit(&line->words[0], memory_order_relaxed);
	place = first & LANE;
	if (place >= TSDB_MISS_HISTORY_PLACES)
		place = 0;
	first = (first & ~LANE) | (place + 1);
	/* the first lane of all is the next place itself */
	place++;
	word = (int) (place / LANES);
	shift = (int) (place % LANES) * LANE_BITS;
	if (word == 0)
		first = (first & ~(LANE << shift)) | name << shift;
	else
	{
		value = atomic_load_explicit(&line->words[word], memory_order_relaxed);
		atomic_store_explicit(&line->words[word], (value & ~(LANE << shift)) | name << shift,
							  memory_order_relaxed);
	}
	atomic_store_explicit(&line->words[0], first, memory_order_relaxed);
}

void
tsdb_miss_history_clear(TsdbMissHistoryLine *lines, uint32_t nlines)
{
	for (uint32_t i = 0; i < nlines; i++)
		for (int j = 0; j < TSDB_MISS_HISTORY_WORDS; j++)
			atomic_store_explicit(&lines[i].words[j], 0, memory_order_relaxed);
}

bool
tsdb_miss_history_again(const TsdbMissHistoryLine *lines, uint32_t nlines, uint64_t hash)
{
	uint64_t	name;
	const TsdbMissHistoryLine *line = &lines[line_of(nlines, hash, &name)];
	int			word;
	int			shift;
	uint64_t	value;

	return find_name(line, name, &word, &shift, &value) && (value >> shift & AGAIN) != 0;
}
