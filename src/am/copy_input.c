/*
 * copy_input.c
 *		Reading the fields of COPY FROM faster.
 */
#include "postgres.h"

#include "am/copy_input.h"

#include "commands/copy.h"
#include "commands/copyfrom_internal.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "pgtime.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

/* Years whose dates need no thought: four digits, no two-digit ones, far from both ends. */
#define YEAR_MIN	1900
#define YEAR_MAX	2200

#define FRACTION_DIGITS	6

/* ---- text ---- */

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * Digits with a point among them, at most 15 significant ones: numerator and power of
 * ten are exact doubles then, and so one division rounds as strtod does (Clinger, 1990).
 */
static bool
read_decimal(const char *text, double *result)
{
	static const double tens[] = {
		1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15
	};
	bool		negative = *text == '-';
	int64		number = 0;
	int			digits = 0;
	int			decimals = 0;

	text += negative;
	for (; is_digit(*text) && digits < 16; text++, digits++)
		number = number * 10 + (*text - '0');
	if (digits == 0 || digits > 15)
		return false;
	if (*text == '.')
	{
		text++;
		for (; is_digit(*text) && digits < 16; text++, digits++, decimals++)
			number = number * 10 + (*text - '0');
		if (decimals == 0 || digits > 15)
			return false;
	}
	if (*text != '\0')
		return false;
	*result = (double) number / tens[decimals];
	if (negative)
		*result = -*result;
	return true;
}

static Datum
read_float8(PG_FUNCTION_ARGS)
{
	double		result;

	if (read_decimal(PG_GETARG_CSTRING(0), &result))
		PG_RETURN_FLOAT8(result);
	return float8in(fcinfo);
}

/* Two digits as a number, or -1. */
static inline int
two_digits(const char *text)
{
	return is_digit(text[0]) && is_digit(text[1]) ?
		(text[0] - '0') * 10 + (text[1] - '0') : -1;
}

/* 2024-01-01 as days since 2000; false if it is anything else or no date. */
static bool
read_date(const char *text, int32 *days)
{
	static char last_text[10];	/* dates come again and again */
	static int32 last_days;
	int			century = two_digits(text);
	int			year;
	int			month;
	int			day;

	if (century < 0)
		return false;
	if (memcmp(text, last_text, 2) == 0 && strncmp(text, last_text, sizeof(last_text)) == 0)
	{
		*days = last_days;
		return true;
	}
	year = two_digits(text + 2);
	if (year < 0 || text[4] != '-')
		return false;
	year += century * 100;
	month = two_digits(text + 5);
	if (month < 1 || month > 12 || text[7] != '-')
		return false;
	day = two_digits(text + 8);
	if (year < YEAR_MIN || year > YEAR_MAX || day < 1 ||
		day > day_tab[isleap(year)][month - 1])
		return false;
	*days = date2j(year, month, day) - POSTGRES_EPOCH_JDATE;
	memcpy(last_text, text, sizeof(last_text));
	last_days = *days;
	return true;
}

/* 2024-01-01 00:00:00.000000; *end is what comes then. */
static bool
read_local_time(const char *text, Timestamp *result, const char **end)
{
	int32		days;
	int			hour;
	int			minute;
	int			second;
	int32		fraction = 0;

	if (!read_date(text, &days) || (text[10] != ' ' && text[10] != 'T'))
		return false;
	hour = two_digits(text + 11);
	if (hour < 0 || hour > 23 || text[13] != ':')
		return false;
	minute = two_digits(text + 14);
	if (minute < 0 || minute > 59 || text[16] != ':')
		return false;
	second = two_digits(text + 17);
	if (second < 0 || second > 59)
		return false;
	text += 19;
	if (*text == '.')
	{
		int			digits = 0;

		for (text++; is_digit(*text) && digits < FRACTION_DIGITS; text++, digits++)
			fraction = fraction * 10 + (*text - '0');
		if (digits == 0)
			return false;
		for (; digits < FRACTION_DIGITS; digits++)
			fraction *= 10;
	}
	*result = days * USECS_PER_DAY + hour * USECS_PER_HOUR + minute * USECS_PER_MINUTE +
		second * USECS_PER_SEC + fraction;
	*end = text;
	return true;
}

/* Z, +00, -03:30, or nothing where the session's time zone has one offset only: seconds east. */
static bool
read_zone(const char *text, int32 *east)
{
	bool		negative = *text == '-';
	int			hours;
	int			minutes = 0;

	if (*text == '\0')
	{
		long		offset;

		if (!pg_get_timezone_offset(session_timezone, &offset))
			return false;
		*east = (int32) offset;
		return true;
	}
	*east = 0;
	if (*text == 'Z')
		return text[1] == '\0';
	if (*text != '+' && !negative)
		return false;
	hours = two_digits(text + 1);
	if (hours < 0 || hours >= MAX_TZDISP_HOUR)
		return false;
	text += 3;
	if (*text == ':')
	{
		minutes = two_digits(text + 1);
		if (minutes < 0 || minutes > 59)
			return false;
		text += 3;
	}
	*east = (hours * MINS_PER_HOUR + minutes) * SECS_PER_MINUTE;
	if (negative)
		*east = -*east;
	return *text == '\0';
}

/* A precision that keeps all digits. */
static inline bool
is_precise(int32 typmod)
{
	return typmod < 0 || typmod >= MAX_TIMESTAMP_PRECISION;
}

static Datum
read_timestamptz(PG_FUNCTION_ARGS)
{
	Timestamp	local;
	const char *rest;
	int32		east;

	if (is_precise(PG_GETARG_INT32(2)) &&
		read_local_time(PG_GETARG_CSTRING(0), &local, &rest) && read_zone(rest, &east))
		PG_RETURN_TIMESTAMPTZ(local - east * USECS_PER_SEC);
	return timestamptz_in(fcinfo);
}

static Datum
read_timestamp(PG_FUNCTION_ARGS)
{
	Timestamp	local;
	const char *rest;

	if (is_precise(PG_GETARG_INT32(2)) &&
		read_local_time(PG_GETARG_CSTRING(0), &local, &rest) && *rest == '\0')
		PG_RETURN_TIMESTAMP(local);
	return timestamp_in(fcinfo);
}

/* ---- binary ---- */

/* The next bytes of the message; NULL if there are not so many. */
static inline const char *
take_bytes(PG_FUNCTION_ARGS, int bytes)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	const char *start = message->data + message->cursor;

	if (message->len - message->cursor < bytes)
		return NULL;
	message->cursor += bytes;
	return start;
}

static inline bool
take_int64(PG_FUNCTION_ARGS, int64 *result)
{
	const char *bytes = take_bytes(fcinfo, sizeof(uint64));
	uint64		number;

	if (bytes == NULL)
		return false;
	memcpy(&number, bytes, sizeof(number));
	*result = (int64) pg_ntoh64(number);
	return true;
}

static Datum
receive_float8(PG_FUNCTION_ARGS)
{
	int64		bits;
	double		value;

	if (!take_int64(fcinfo, &bits))
		return float8recv(fcinfo);
	memcpy(&value, &bits, sizeof(value));
	PG_RETURN_FLOAT8(value);
}

static Datum
receive_int8(PG_FUNCTION_ARGS)
{
	int64		value;

	if (!take_int64(fcinfo, &value))
		return int8recv(fcinfo);
	PG_RETURN_INT64(value);
}

static Datum
receive_int4(PG_FUNCTION_ARGS)
{
	const char *bytes = take_bytes(fcinfo, sizeof(uint32));
	uint32		number;

	if (bytes == NULL)
		return int4recv(fcinfo);
	memcpy(&number, bytes, sizeof(number));
	PG_RETURN_INT32((int32) pg_ntoh32(number));
}

/* Take a time with a precision that keeps it, and within what has a date; or leave it. */
static bool
take_time(PG_FUNCTION_ARGS, Timestamp *result)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	int			cursor = message->cursor;

	if (is_precise(PG_GETARG_INT32(2)) && take_int64(fcinfo, result) &&
		IS_VALID_TIMESTAMP(*result))
		return true;
	message->cursor = cursor;
	return false;
}

static Datum
receive_timestamptz(PG_FUNCTION_ARGS)
{
	Timestamp	result;

	if (take_time(fcinfo, &result))
		PG_RETURN_TIMESTAMPTZ(result);
	return timestamptz_recv(fcinfo);
}

static Datum
receive_timestamp(PG_FUNCTION_ARGS)
{
	Timestamp	result;

	if (take_time(fcinfo, &result))
		PG_RETURN_TIMESTAMP(result);
	return timestamp_recv(fcinfo);
}

/* ---- COPY ---- */

static const struct
{
	Oid			oid;
	PGFunction	original;
	PGFunction	function;
}			functions[] =
{
	{F_FLOAT8IN, float8in, read_float8},
	{F_TIMESTAMPTZ_IN, timestamptz_in, read_timestamptz},
	{F_TIMESTAMP_IN, timestamp_in, read_timestamp},
	{F_FLOAT8RECV, float8recv, receive_float8},
	{F_INT8RECV, int8recv, receive_int8},
	{F_INT4RECV, int4recv, receive_int4},
	{F_TIMESTAMPTZ_RECV, timestamptz_recv, receive_timestamptz},
	{F_TIMESTAMP_RECV, timestamp_recv, receive_timestamp},
};

static void
replace_function(FmgrInfo *function)
{
	for (int i = 0; i < (int) lengthof(functions); i++)
	{
		if (function->fn_oid == functions[i].oid && function->fn_addr == functions[i].original)
			function->fn_addr = functions[i].function;
	}
}

/* What COPY knows of itself, if it is what runs. */
static CopyFromState
running_copy(void)
{
	if (error_context_stack == NULL || error_context_stack->callback != CopyFromErrorCallback)
		return NULL;
	return (CopyFromState) error_context_stack->arg;
}

void
tsdb_copy_input_install(void)
{
	CopyFromState state = running_copy();
	ListCell   *lc;

	if (state == NULL)
		return;
	foreach(lc, state->attnumlist)
		replace_function(&state->in_functions[lfirst_int(lc) - 1]);
}

uint64
tsdb_copy_input_line(void)
{
	CopyFromState state = running_copy();

	return state == NULL ? 0 : state->cur_lineno;
}

const char *
tsdb_copy_input_relation(void)
{
	CopyFromState state = running_copy();

	return state == NULL ? NULL : state->cur_relname;
}
