/*
 * gorilla.h
 *		Floats as the XOR with the value before, the classic of the field.
 *
 * After Pelkonen et al., "Gorilla: a fast, scalable, in-memory time series
 * database", VLDB 2015.  Bits are packed low bit first, as in bitpack.h.
 */
#ifndef TSDB_CODEC_GORILLA_H
#define TSDB_CODEC_GORILLA_H

#include "codec/codec.h"
#include "codec/codec_format.h"
#include "codec/wire.h"

/* Exact bytes of the body (codec id included) for count patterns. */
extern size_t tsdb_gorilla_bytes(TsdbKind kind, const uint64_t *bits, uint32_t count);

/* Write the body. */
extern void tsdb_gorilla_write(TsdbKind kind, const uint64_t *bits, uint32_t count,
							   TsdbWriter *out);

/*
 * Decode blocks [first, last) of a payload of count patterns; each value
 * needs the one before, so the cost is that of all blocks up to the last.
 */
extern TsdbCodecStatus tsdb_gorilla_decode(TsdbKind kind, TsdbReader in, uint32_t count,
										   uint32_t first, uint32_t last, uint64_t *out);

#endif							/* TSDB_CODEC_GORILLA_H */
