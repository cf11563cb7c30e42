/*
 * front.h
 *		Front coding: texts as what they share with the one before, and the rest.
 *
 * Sorted labels and label sets begin like their neighbours.  A text is stored
 * as the length of the prefix that it shares with the text before it, and its
 * suffix; the first text of each block of TSDB_VECTOR_BLOCK_ROWS shares
 * nothing, so that no text needs more than a block to be found again.
 */
#ifndef TSDB_CODEC_FRONT_H
#define TSDB_CODEC_FRONT_H

#include "codec/bytes.h"
#include "codec/codec.h"

/*
 * Split texts: lengths of prefixes and suffixes, and the suffixes back to back
 * in joined, which has room for all texts.  Returns the bytes of the suffixes.
 */
extern size_t tsdb_front_split(const TsdbByteValues *texts, int64_t *prefixes,
							   int64_t *suffixes, uint8_t *joined);

/*
 * Put texts [first, first + count) together again, back to back in data;
 * lengths receives their lengths.  The caller has made sure that joined has as
 * many bytes as the suffixes sum to, and that data and carry, a buffer for one
 * text, have room for the sum of all prefixes and suffixes.
 */
extern TsdbCodecStatus tsdb_front_join(const uint64_t *prefixes, const uint64_t *suffixes,
									   const uint8_t *joined, uint32_t first,
									   uint32_t count, uint8_t *carry,
									   uint32_t *lengths, uint8_t *data);

#endif							/* TSDB_CODEC_FRONT_H */
