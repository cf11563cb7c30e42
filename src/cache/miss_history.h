/*
 * miss_history.h
 *		Which keys were asked for lately and not found, and which of them twice.
 *
 * A key is remembered by 15 bits of its hash, in a line of 31 that the rest of
 * its hash chooses.  A line is a queue: a new key takes the place of the oldest.
 *
 *		word 0:   next place | key | key | key
 *		word 1-7: key | key | key | key				key: 15 bits, asked again 1 bit; 0: none
 *
 * So the memory goes back as far as about so many misses as there are places, a hundredth more or less,
 * however they are spread over time, and nothing has to age.  Another key is taken for one
 * that was asked before once in a thousand times.
 *
 * Without locks: words are loaded and stored whole, and what two processes write to one
 * at the same time is one of both.  A key lost that way counts as asked for once less.
 *
 * Plain C11; no server headers.
 */
#ifndef TSDB_CACHE_MISS_HISTORY_H
#define TSDB_CACHE_MISS_HISTORY_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TSDB_MISS_HISTORY_WORDS		8
#define TSDB_MISS_HISTORY_PLACES	31

typedef struct TsdbMissHistoryLine
{
	alignas(64) _Atomic uint64_t words[TSDB_MISS_HISTORY_WORDS];
} TsdbMissHistoryLine;

/* How many lines remember so many keys. */
extern uint32_t tsdb_miss_history_lines(uint64_t keys);

/* Lines that were zeroed remember nothing.  hash: of a key, with all its bits mixed. */
extern void tsdb_miss_history_add(TsdbMissHistoryLine *lines, uint32_t nlines, uint64_t hash);

extern void tsdb_miss_history_clear(TsdbMissHistoryLine *lines, uint32_t nlines);

/* Was it added more than once? */
extern bool tsdb_miss_history_again(const TsdbMissHistoryLine *lines, uint32_t nlines,
									uint64_t hash);

#endif							/* TSDB_CACHE_MISS_HISTORY_H */
