/*
 * time_text.c
 *		Instants and local times as text, for results.
 */
#include "postgres.h"

#include "exec/time_text.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

StaticAssertDecl(TSDB_TIME_TEXT_MAX >= MAXDATELEN, "there is room for what the functions print");

#define TIME_DIGITS		8		/* hh:mm:ss */

static inline char *
print_two(char *at, int number)
{
	at[0] = (char) ('0' + number / 10);
	at[1] = (char) ('0' + number % 10);
	return at + 2;
}

/* A fraction of a second, without zeros at its end. */
static char *
print_fraction(char *at, int microseconds)
{
	int			digits = 6;

	while (microseconds % 10 == 0)
	{
		microseconds /= 10;
		digits--;
	}
	*at = '.';
	for (int i = digits; i > 0; i--, microseconds /= 10)
		at[i] = (char) ('0' + microseconds % 10);
	return at + digits + 1;
}

static int
print_of_day(const TsdbTimeText *day, int64 value, char *start)
{
	int64		since = value - day->midnight;
	int			seconds = (int) (since / USECS_PER_SEC);
	int			fraction = (int) (since % USECS_PER_SEC);
	char	   *at = start;

	memcpy(at, day->date, sizeof(day->date));
	at = print_two(at + sizeof(day->date), seconds / SECS_PER_HOUR);
	*at++ = ':';
	at = print_two(at, seconds / SECS_PER_MINUTE % MINS_PER_HOUR);
	*at++ = ':';
	at = print_two(at, seconds % SECS_PER_MINUTE);
	if (fraction != 0)
		at = print_fraction(at, fraction);
	memcpy(at, day->offset, (size_t) day->offset_length);
	return (int) (at - start) + day->offset_length;
}

static int
two_digits(const char *at)
{
	return (at[0] - '0') * 10 + at[1] - '0';
}

/* The first change of the clocks after an instant, as one; a time far off if there is none. */
static int64
next_change(int64 value)
{
	const pg_time_t epochs = (pg_time_t) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
	pg_time_t	from = timestamptz_to_time_t(value);
	pg_time_t	change;
	long		before_offset;
	long		after_offset;
	int			before_dst;
	int			after_dst;
	int			found = pg_next_dst_boundary(&from, &before_offset, &before_dst, &change, &after_offset,
											 &after_dst, session_timezone);

	if (found < 0)
		return value;
	return found == 0 || change - epochs > END_TIMESTAMP / USECS_PER_SEC ? END_TIMESTAMP :
		(change - epochs) * USECS_PER_SEC;
}

/*
 * Remember the day of a value that was printed, "YYYY-MM-DD hh:mm:ss[.ffffff][offset]".  Other text (an infinity, another
 * century's year, one before Christ) is no day to remember.
 */
static void
learn(TsdbTimeText *day, bool zoned, int64 value, const char *text)
{
	const char *clock = text + sizeof(day->date);
	const char *offset;
	int64		fraction = value % USECS_PER_SEC;

	day->from = day->to = 0;
	if (strlen(text) < sizeof(day->date) + TIME_DIGITS || text[4] != '-' || text[10] != ' ' ||
		strchr(clock, ' ') != NULL)
		return;
	offset = clock + TIME_DIGITS;
	if (*offset == '.')
		offset += 1 + strspn(offset + 1, "0123456789");
	if (strlen(offset) >= sizeof(day->offset))
		return;

	memcpy(day->date, text, sizeof(day->date));
	day->offset_length = (int) strlen(offset);
	memcpy(day->offset, offset, (size_t) day->offset_length);
	day->midnight = value - (fraction < 0 ? fraction + USECS_PER_SEC : fraction) -
		(two_digits(clock) * SECS_PER_HOUR + two_digits(clock + 3) * SECS_PER_MINUTE +
		 two_digits(clock + 6)) * USECS_PER_SEC;
	day->zone = zoned ? session_timezone : NULL;
	day->from = day->midnight;
	day->to = day->midnight + USECS_PER_DAY;
	if (zoned)
	{
		/* where the clocks have changed since midnight, that was another distance off */
		int64		change = next_change(day->from);

		if (change <= value)
		{
			day->from = value;
			change = next_change(value);
		}
		day->to = Min(day->to, change);
	}
}

int
tsdb_time_text_print(TsdbTimeText *day, bool zoned, int64 value, char *at)
{
	bool		iso = DateStyle == USE_ISO_DATES;
	char	   *text;
	int			length;

	if (likely(iso && value >= day->from && value < day->to &&
			   (!zoned || day->zone == session_timezone)))
		return print_of_day(day, value, at);
	text = DatumGetCString(DirectFunctionCall1(zoned ? timestamptz_out : timestamp_out,
											   Int64GetDatum(value)));
	length = (int) strlen(text);
	memcpy(at, text, (size_t) length);
	if (iso)
		learn(day, zoned, value, text);
	pfree(text);
	return length;
}
