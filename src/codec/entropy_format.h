/*
 * entropy_format.h
 *		The order of states that writer and reader of tANS bits share.
 */
#ifndef TSDB_CODEC_ENTROPY_FORMAT_H
#define TSDB_CODEC_ENTROPY_FORMAT_H

#include <stdint.h>

/*
 * Fill bin_of[0 .. 2^log) so that each bin has as many states as its weight,
 * spread evenly: bins in order take the states 0, step, 2 step, ... modulo
 * 2^log, where step is odd and so reaches all of them.
 */
static inline void
tsdb_entropy_spread(const uint16_t *weight, uint32_t bins, uint32_t log, uint8_t *bin_of)
{
	uint32_t	size = 1u << log;
	uint32_t	step = size / 2 + size / 8 + 3;
	uint32_t	state = 0;

	for (uint32_t bin = 0; bin < bins; bin++)
		for (uint32_t i = 0; i < weight[bin]; i++)
		{
			bin_of[state] = (uint8_t) bin;
			state = (state + step) & (size - 1);
		}
}

#endif							/* TSDB_CODEC_ENTROPY_FORMAT_H */
