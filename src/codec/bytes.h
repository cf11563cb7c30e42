/*
 * bytes.h
 *		Bodies of FIXED and BYTES vectors: text, json, uuid, anything else.
 *
 *		CONSTANT	the bytes of the value
 *		RAW			lengths, then the bytes of all values
 *		ZSTD		lengths, then a zstd frame of the bytes of all values
 *		FRONT		byte form, prefixes, lengths of suffixes, their bytes
 *		DICTIONARY	varint entries, section: body of codes (INT8), byte form,
 *					prefixes if the form has them, lengths of entries or of
 *					their suffixes, bytes of either in order of first use
 *
 * Forms: bit 0, the bytes are a zstd frame; bit 1, the values are front coded
 * (see front.h), lengths being those of suffixes and prefixes a section like
 * them.  FRONT has bit 1 always.
 *
 * Lengths are a section with an INT8 body, and absent for FIXED.  Values of
 * null rows are not among the values.
 */
#ifndef TSDB_CODEC_BYTES_H
#define TSDB_CODEC_BYTES_H

#include "codec/codec.h"
#include "codec/codec_format.h"
#include "codec/wire.h"

#define TSDB_BYTES_SQUEEZED		0x01
#define TSDB_BYTES_FRONT		0x02

/*
 * The values that are not null: where each starts and how long it is.  Starts
 * need not be adjacent.
 */
typedef struct TsdbByteValues
{
	const uint8_t *data;
	const uint32_t *starts;
	const uint32_t *lengths;
	uint32_t	count;
	size_t		bytes;			/* sum of lengths */
} TsdbByteValues;

/* Scratch for a vector of so many bytes. */
extern size_t tsdb_bytes_scratch(size_t data_bytes);

/* Write the smallest body found for values; fixed if lengths are all equal
 * and known to the decoder. */
extern TsdbCodecStatus tsdb_bytes_encode(const TsdbByteValues *values, bool fixed,
										 TsdbCodecLevel level, TsdbArena arena,
										 TsdbWriter *out);

/*
 * Decode values [first, first + count) of total.  width is the length of each
 * if fixed, else 0.  lengths receives count entries; the values are written
 * back to back to data, which has room for room bytes, of which raw_bytes is
 * the size of all values together.
 */
extern TsdbCodecStatus tsdb_bytes_decode(TsdbReader in, uint32_t width, uint32_t total,
										 size_t raw_bytes, uint32_t first,
										 uint32_t count, TsdbArena arena,
										 uint32_t *lengths, uint8_t *data);

#endif							/* TSDB_CODEC_BYTES_H */
