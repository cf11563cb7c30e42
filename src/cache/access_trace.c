/*
 * access_trace.c
 *		Accesses as lines of text.
 */
#include "cache/access_trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/predict_tables.h"

/* ---- writing ---- */

typedef struct Line
{
	char	   *text;
	size_t		length;
} Line;

static void __attribute__((format(printf, 2, 3)))
append(Line *line, const char *format, ...)
{
	size_t		room = TSDB_ACCESS_LINE_MAX - line->length;
	va_list		arguments;
	int			length;

	va_start(arguments, format);
	length = vsnprintf(line->text + line->length, room, format, arguments);
	va_end(arguments);
	if (length > 0)
		line->length += (size_t) length < room ? (size_t) length : room - 1;
}

static void
append_bound(Line *line, int64_t bound, int64_t none)
{
	if (bound == none)
		append(line, " *");
	else
		append(line, " %" PRId64, bound);
}

size_t
tsdb_access_trace_write(const TsdbAccess *access, char *text)
{
	Line		line = {.text = text};

	append(&line, "%" PRId64 " %" PRIu32 " %" PRIu32 " %" PRIx32, access->at, access->database,
		   access->table, access->shape);
	append_bound(&line, access->from, TSDB_ACCESS_FIRST);
	append_bound(&line, access->to, TSDB_ACCESS_LAST);
	if (access->nranks == 0 && access->nhashes == 0)
		append(&line, " *");
	else if (!access->paired)
		append(&line, " %" PRIx64, tsdb_access_series(access));
	for (int i = 0; access->paired && i < access->nranks; i++)
		append(&line, "%c%" PRIx64, i == 0 ? ' ' : ',',
			   tsdb_predict_mix(access->ranks[i], access->hashes[i]));
	if (access->ncolumns == 0)
		append(&line, " *");
	for (int i = 0; i < access->ncolumns; i++)
		append(&line, "%c%d", i == 0 ? ' ' : ',', access->columns[i]);
	append(&line, " %u %u %u %u\n", access->chunks, access->decoded, access->misses,
		   access->prefetched);
	return line.length;
}

/* ---- reading ---- */

typedef struct Field
{
	const char *at;
	bool		good;
} Field;

static bool
is_any(Field *field)
{
	field->at += strspn(field->at, " ");
	if (*field->at != '*')
		return false;
	field->at++;
	return true;
}

static int64_t
read_signed(Field *field)
{
	char	   *end;
	int64_t		value;

	errno = 0;
	value = strtoll(field->at, &end, 10);
	field->good = field->good && end != field->at && errno == 0;
	field->at = end;
	return value;
}

static uint64_t
read_unsigned(Field *field, int base, uint64_t most)
{
	char	   *end;
	uint64_t	value;

	errno = 0;
	value = strtoull(field->at, &end, base);
	field->good = field->good && end != field->at && errno == 0 && value <= most;
	field->at = end;
	return value;
}

static int
compare_numbers(const void *a, const void *b)
{
	uint64_t	left = *(const uint64_t *) a;
	uint64_t	right = *(const uint64_t *) b;

	return left < right ? -1 : left > right;
}

bool
tsdb_access_trace_read(const char *line, TsdbAccess *access)
{
	Field		field = {.at = line,.good = true};

	memset(access, 0, sizeof(*access));
	access->at = read_signed(&field);
	access->database = (uint32_t) read_unsigned(&field, 10, UINT32_MAX);
	access->table = (uint32_t) read_unsigned(&field, 10, UINT32_MAX);
	access->shape = (uint32_t) read_unsigned(&field, 16, UINT32_MAX);
	access->time = 1;
	access->from = is_any(&field) ? TSDB_ACCESS_FIRST : read_signed(&field);
	access->to = is_any(&field) ? TSDB_ACCESS_LAST : read_signed(&field);
	if (!is_any(&field))
	{
		do
		{
			field.at += *field.at == ',';
			if (access->nranks == TSDB_ACCESS_SERIES_MAX)
				return false;
			access->ranks[access->nranks++] = read_unsigned(&field, 16, UINT64_MAX);
		} while (field.good && *field.at == ',');
		qsort(access->ranks, access->nranks, sizeof(uint64_t), compare_numbers);
		access->rank = 1;
	}
	if (!is_any(&field))
	{
		do
		{
			field.at += *field.at == ',';
			if (access->ncolumns == TSDB_ACCESS_COLUMNS_MAX)
				return false;
			access->columns[access->ncolumns++] = (int16_t) read_unsigned(&field, 10, INT16_MAX);
		} while (field.good && *field.at == ',');
	}
	access->chunks = (uint16_t) read_unsigned(&field, 10, UINT16_MAX);
	access->decoded = (uint16_t) read_unsigned(&field, 10, UINT16_MAX);
	access->misses = (uint16_t) read_unsigned(&field, 10, UINT16_MAX);
	access->prefetched = (uint16_t) read_unsigned(&field, 10, UINT16_MAX);
	return field.good && field.at[strspn(field.at, " \r\n")] == '\0';
}
