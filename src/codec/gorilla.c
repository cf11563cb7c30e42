/*
 * gorilla.c
 *		XOR coding of floats.
 *
 * The first pattern is stored whole.  Each further one is XORed with the one
 * before, and the difference coded as
 *
 *		0				no difference
 *		1 0 bits		the bits of the window last stated
 *		1 1 L N bits	a new window: L (5 bits) leading zeros, N + 1 (6 bits) bits
 *
 * with the leftmost field in the lowest bit.
 */
#include "codec/gorilla.h"

#include "codec/bitpack.h"

#define BLOCK			TSDB_VECTOR_BLOCK_ROWS
#define LEADING_BITS	5
#define LENGTH_BITS		6

/* The window that meaningful bits are written in. */
typedef struct Window
{
	unsigned	leading;
	unsigned	length;			/* 0: none stated yet */
} Window;

/* Whether a difference fits the window; if not, make the window its own. */
static bool
fits_window(uint64_t difference, unsigned width, Window *window)
{
	unsigned	leading = width - tsdb_bit_length(difference);
	unsigned	trailing = (unsigned) __builtin_ctzll(difference);

	if (window->length > 0 && leading >= window->leading &&
		trailing >= width - window->leading - window->length)
		return true;
	window->leading = leading < 31 ? leading : 31;
	window->length = width - window->leading - trailing;
	return false;
}

size_t
tsdb_gorilla_bytes(TsdbKind kind, const uint64_t *bits, uint32_t count)
{
	unsigned	width = tsdb_kind_width(kind) * 8;
	Window		window = {0, 0};
	size_t		total = width;

	for (uint32_t i = 1; i < count; i++)
	{
		uint64_t	difference = bits[i] ^ bits[i - 1];

		if (difference == 0)
			total += 1;
		else if (fits_window(difference, width, &window))
			total += 2 + window.length;
		else
			total += 2 + LEADING_BITS + LENGTH_BITS + window.length;
	}
	return 1 + (total + 7) / 8;
}

void
tsdb_gorilla_write(TsdbKind kind, const uint64_t *bits, uint32_t count, TsdbWriter *out)
{
	unsigned	width = tsdb_kind_width(kind) * 8;
	size_t		bytes = tsdb_gorilla_bytes(kind, bits, count);
	Window		window = {0, 0};
	uint8_t    *room = tsdb_write_room(out, bytes);
	TsdbBitWriter writer;

	if (room == NULL)
		return;
	*room = TSDB_CODEC_GORILLA;
	writer = (TsdbBitWriter) {room + 1, 0, 0};
	tsdb_bitpack_append(&writer, bits, 1, width);
	for (uint32_t i = 1; i < count; i++)
	{
		uint64_t	difference = bits[i] ^ bits[i - 1];
		uint64_t	control;

		if (difference == 0)
		{
			control = 0;
			tsdb_bitpack_append(&writer, &control, 1, 1);
			continue;
		}
		if (fits_window(difference, width, &window))
		{
			control = 1;
			tsdb_bitpack_append(&writer, &control, 1, 2);
		}
		else
		{
			control = 3 | window.leading << 2 |
				(window.length - 1) << (2 + LEADING_BITS);
			tsdb_bitpack_append(&writer, &control, 1, 2 + LEADING_BITS + LENGTH_BITS);
		}
		difference >>= width - window.leading - window.length;
		tsdb_bitpack_append(&writer, &difference, 1, window.length);
	}
	(void) tsdb_bitpack_finish(&writer);
}

TsdbCodecStatus
tsdb_gorilla_decode(TsdbKind kind, TsdbReader in, uint32_t count, uint32_t first,
					uint32_t last, uint64_t *out)
{
	unsigned	width = tsdb_kind_width(kind) * 8;
	size_t		bits = tsdb_reader_left(&in) * 8;
	size_t		at = width;
	uint32_t	wanted = last * BLOCK < count ? last * BLOCK : count;
	uint32_t	skipped = first * BLOCK;
	Window		window = {0, 0};
	uint64_t	value;

	if (bits < width)
		return TSDB_CODEC_CORRUPT;
	value = tsdb_bitpack_get(in.at, in.end, 0, width);
	for (uint32_t i = 0; i < wanted; i++)
	{
		if (i > 0)
		{
			/* The longest control field; what is past the end reads as zero. */
			uint64_t	control = at < bits ?
				tsdb_bitpack_get(in.at, in.end, at, 2 + LEADING_BITS + LENGTH_BITS) : 0;

			if ((control & 1) == 0)
				at += 1;
			else
			{
				at += 2;
				if (control & 2)
				{
					window.leading = control >> 2 & ((1 << LEADING_BITS) - 1);
					window.length = (unsigned) (control >> (2 + LEADING_BITS)) + 1;
					at += LEADING_BITS + LENGTH_BITS;
				}
				if (window.length == 0 || window.leading + window.length > width ||
					at + window.length > bits)
					return TSDB_CODEC_CORRUPT;
				value ^= tsdb_bitpack_get(in.at, in.end, at, window.length)
					<< (width - window.leading - window.length);
				at += window.length;
			}
			if (at > bits)
				return TSDB_CODEC_CORRUPT;
		}
		if (i >= skipped)
			out[i - skipped] = value;
	}
	return TSDB_CODEC_OK;
}
