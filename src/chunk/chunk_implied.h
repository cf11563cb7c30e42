/*
 * chunk_implied.h
 *		Times that follow from those of their segments.
 *
 * A series that is read every ten seconds needs no vector of times: smallest
 * and largest time and the number of rows say it all (chunk_format.h).  Plain C.
 */
#ifndef TSDB_CHUNK_CHUNK_IMPLIED_H
#define TSDB_CHUNK_CHUNK_IMPLIED_H

#include <stdbool.h>
#include <stdint.h>

/* Are these times, in order, a constant step of at least 0 apart? */
extern bool tsdb_times_are_regular(const int64_t *times, uint32_t rows);

/*
 * The times of rows, the first of which is min and the last max; false if there are
 * none.  A single row is at min.
 */
extern bool tsdb_times_fill(int64_t min, int64_t max, uint32_t rows, int64_t *times);

/*
 * Ranges of segments, from what is stored to times and back: smallest times less
 * that of the chunk, and largest times less the segment's smallest, in units.
 */
extern void tsdb_segment_times_restore(int64_t base, uint64_t unit, uint32_t count,
									   int64_t *min, int64_t *max);
extern void tsdb_segment_times_reduce(int64_t base, uint64_t unit, uint32_t count,
									  int64_t *min, int64_t *max);

/* The largest unit, a power of ten, of which all these differences are multiples; base is one as well. */
extern uint64_t tsdb_segment_times_unit(int64_t base, uint32_t count, const int64_t *min,
										const int64_t *max);

#endif							/* TSDB_CHUNK_CHUNK_IMPLIED_H */
