/*
 * wire.h
 *		Bounded reading and writing of bytes, and the scratch arena.
 *
 * Every stored byte passes through a TsdbReader, which never steps past its
 * end, or a TsdbWriter, which drops what does not fit and remembers that it
 * did.  Callers so check once, at the end of a run of fields.
 *
 * All multi-byte quantities are little-endian whatever the machine is.  A
 * varint is base 128, low group first, at most ten bytes; a signed varint is
 * the varint of its zigzag form (0, -1, 1, -2, ... become 0, 1, 2, 3, ...).
 *
 * The arena hands out pieces of the caller's scratch memory and is rewound by
 * restoring a copy of it.
 */
#ifndef TSDB_CODEC_WIRE_H
#define TSDB_CODEC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "codec/codec.h"

typedef struct TsdbReader
{
	const uint8_t *at;
	const uint8_t *end;
	bool		broken;			/* something was read that is not there */
} TsdbReader;

typedef struct TsdbWriter
{
	uint8_t    *at;
	uint8_t    *end;
	bool		full;			/* something did not fit */
} TsdbWriter;

typedef struct TsdbArena
{
	uint8_t    *at;
	uint8_t    *end;
} TsdbArena;

static inline uint64_t
tsdb_zigzag(int64_t value)
{
	return ((uint64_t) value << 1) ^ (uint64_t) (value >> 63);
}

static inline int64_t
tsdb_unzigzag(uint64_t code)
{
	return (int64_t) ((code >> 1) ^ (~(code & 1) + 1));
}

/* Number of bits that hold the value, 0 for 0. */
static inline unsigned
tsdb_bit_length(uint64_t value)
{
	return value == 0 ? 0 : 64 - (unsigned) __builtin_clzll(value);
}

static inline uint64_t
tsdb_load64(const uint8_t *src)
{
	uint64_t	value;

	memcpy(&value, src, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap64(value);
#endif
	return value;
}

static inline void
tsdb_store64(uint8_t *dst, uint64_t value)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap64(value);
#endif
	memcpy(dst, &value, 8);
}

/* The low count bytes, little-endian; count 0 to 8. */
static inline uint64_t
tsdb_load_bytes(const uint8_t *src, unsigned count)
{
	uint64_t	value = 0;

	for (unsigned i = 0; i < count; i++)
		value |= (uint64_t) src[i] << (8 * i);
	return value;
}

static inline TsdbReader
tsdb_reader(const uint8_t *src, size_t bytes)
{
	return (TsdbReader) {src, src + bytes, false};
}

static inline size_t
tsdb_reader_left(const TsdbReader *in)
{
	return (size_t) (in->end - in->at);
}

/* The next bytes, or NULL (and broken) if there are fewer. */
static inline const uint8_t *
tsdb_read_bytes(TsdbReader *in, size_t bytes)
{
	const uint8_t *start = in->at;

	if (in->broken || tsdb_reader_left(in) < bytes)
	{
		in->broken = true;
		return NULL;
	}
	in->at += bytes;
	return start;
}

static inline uint8_t
tsdb_read_byte(TsdbReader *in)
{
	const uint8_t *byte = tsdb_read_bytes(in, 1);

	return byte == NULL ? 0 : *byte;
}

static inline uint64_t
tsdb_read_varint(TsdbReader *in)
{
	uint64_t	value = 0;

	for (unsigned shift = 0; shift < 70; shift += 7)
	{
		uint8_t		byte = tsdb_read_byte(in);

		if (in->broken)
			return 0;
		if (shift == 63 && byte > 1)
			break;
		value |= (uint64_t) (byte & 0x7f) << shift;
		if (byte < 0x80)
			return value;
	}
	in->broken = true;
	return 0;
}

static inline int64_t
tsdb_read_signed(TsdbReader *in)
{
	return tsdb_unzigzag(tsdb_read_varint(in));
}

/* A varint length followed by that many bytes, as a reader of its own. */
static inline TsdbReader
tsdb_read_section(TsdbReader *in)
{
	uint64_t	bytes = tsdb_read_varint(in);
	const uint8_t *start;

	if (in->broken || bytes > tsdb_reader_left(in))
	{
		in->broken = true;
		return (TsdbReader) {in->end, in->end, true};
	}
	start = tsdb_read_bytes(in, (size_t) bytes);
	return tsdb_reader(start, (size_t) bytes);
}

static inline TsdbWriter
tsdb_writer(uint8_t *dst, size_t bytes)
{
	return (TsdbWriter) {dst, dst + bytes, false};
}

/* Room for the next bytes, or NULL (and full) if they do not fit. */
static inline uint8_t *
tsdb_write_room(TsdbWriter *out, size_t bytes)
{
	uint8_t    *start = out->at;

	if (out->full || (size_t) (out->end - out->at) < bytes)
	{
		out->full = true;
		return NULL;
	}
	out->at += bytes;
	return start;
}

static inline void
tsdb_write_bytes(TsdbWriter *out, const void *src, size_t bytes)
{
	uint8_t    *room = tsdb_write_room(out, bytes);

	if (room != NULL && bytes > 0)
		memcpy(room, src, bytes);
}

static inline void
tsdb_write_byte(TsdbWriter *out, uint8_t byte)
{
	tsdb_write_bytes(out, &byte, 1);
}

static inline void
tsdb_write_varint(TsdbWriter *out, uint64_t value)
{
	uint8_t		bytes[10];
	unsigned	count = 0;

	while (value >= 0x80)
	{
		bytes[count++] = (uint8_t) (value | 0x80);
		value >>= 7;
	}
	bytes[count++] = (uint8_t) value;
	tsdb_write_bytes(out, bytes, count);
}

static inline void
tsdb_write_signed(TsdbWriter *out, int64_t value)
{
	tsdb_write_varint(out, tsdb_zigzag(value));
}

static inline unsigned
tsdb_varint_bytes(uint64_t value)
{
	unsigned	bits = tsdb_bit_length(value | 1);

	return (bits + 6) / 7;
}

/*
 * A piece of scratch, 16-byte aligned, or NULL if the arena is used up.  It
 * then stays so: of several pieces taken in a row, the last one tells.
 */
static inline void *
tsdb_arena_take(TsdbArena *arena, size_t bytes)
{
	uint8_t    *start = arena->at;

	if ((size_t) (arena->end - arena->at) < bytes ||
		(size_t) (arena->end - arena->at) - bytes < 15)
	{
		arena->at = arena->end;
		return NULL;
	}
	arena->at += (bytes + 15) & ~(size_t) 15;
	return start;
}

/* An array with an entry for each row of the longest vector. */
static inline void *
tsdb_arena_rows(TsdbArena *arena, size_t entry_bytes)
{
	return tsdb_arena_take(arena, TSDB_VECTOR_ROWS_MAX * entry_bytes);
}

#endif							/* TSDB_CODEC_WIRE_H */
