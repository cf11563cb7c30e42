-- time_bucket: every form, around origins, zones, ends of ranges

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS tsdb;
RESET client_min_messages;
SET TIME ZONE 'UTC';
SET datestyle = 'ISO, YMD';

-- integers: buckets are counted from 0, or from an offset, in both directions
SELECT v, time_bucket(10, v) AS by_10, time_bucket(10, v, 2) AS from_2,
	time_bucket(10, v, -2) AS from_minus_2, time_bucket(10, v, 22) AS from_22
FROM unnest(ARRAY[-21, -20, -11, -10, -9, -8, -1, 0, 1, 2, 9, 10, 11, 12]) v;
SELECT pg_typeof(time_bucket(5::smallint, 7::smallint)), time_bucket(5::smallint, 7::smallint),
	pg_typeof(time_bucket(5, 7)), pg_typeof(time_bucket(5::bigint, 7::bigint)),
	time_bucket(5::bigint, 7::bigint), time_bucket(5::smallint, 7::smallint, 1::smallint);
SELECT time_bucket(32767::smallint, 32767::smallint), time_bucket(32767::smallint, (-32767)::smallint),
	time_bucket(2147483647, -2147483647), time_bucket(9223372036854775807, -9223372036854775807);
SELECT time_bucket(9223372036854775807, 9223372036854775806, 9223372036854775806) AS at_end,
	time_bucket(9223372036854775807, 0, (-9223372036854775808)) AS far_origin;
SELECT time_bucket(10::bigint, 9223372036854775807, -1::bigint),
	time_bucket(1::bigint, (-9223372036854775808)::bigint);

-- days and time are counted from Monday 2000-01-03
SELECT ts, time_bucket('5 min', ts) AS min_5, time_bucket('1 hour', ts) AS hour_1,
	time_bucket('1 day', ts) AS day_1, time_bucket('1 week', ts) AS week_1
FROM unnest(ARRAY['1969-12-31 23:59:59.999999', '1970-01-01', '1999-12-31 23:59:59.999999',
	'2000-01-01', '2000-01-02 23:59:59.999999', '2000-01-03', '2024-02-29 12:34:56.789'
	]::timestamp[]) ts;
SELECT time_bucket('1 week', d)::text, to_char(time_bucket('1 week', d), 'Dy') AS day
FROM unnest(ARRAY['2024-03-03', '2024-03-04', '1999-12-29']::timestamp[]) d;
-- fractions, widths that mix signs, and what Grafana writes
SELECT time_bucket('0.000007', '2024-01-01 00:00:00.000020'::timestamp) AS us_7,
	time_bucket('1 day -1 hour', '2000-01-05'::timestamp) AS h_23,
	time_bucket('300.000s', '2024-01-01 00:07:00+00'::timestamptz) AS s_300,
	time_bucket('36 hours', '2000-01-04 13:00'::timestamp) AS h_36;
-- the same as date_trunc and date_bin, over many values
SELECT count(*) FROM generate_series('1999-12-25'::timestamp, '2000-01-12', '7 min 3 s') ts
WHERE time_bucket('1 hour', ts) <> date_trunc('hour', ts)
	OR time_bucket('1 day', ts) <> date_trunc('day', ts)
	OR time_bucket('1 week', ts) <> date_trunc('week', ts)
	OR time_bucket('1 month', ts) <> date_trunc('month', ts)
	OR time_bucket('3 months', ts) <> date_trunc('quarter', ts)
	OR time_bucket('1 year', ts) <> date_trunc('year', ts)
	OR time_bucket('11 min', ts) <> date_bin('11 min', ts, '2000-01-03')
	OR time_bucket('11 min', ts, '2000-01-07 00:01'::timestamp) <> date_bin('11 min', ts, '2000-01-07 00:01')
	OR time_bucket('11 min', ts, '2 min'::interval) <> date_bin('11 min', ts, '2000-01-03 00:02');

-- months are counted from January 2000, from an origin's month, or shifted
SELECT ts::date, time_bucket('1 month', ts)::date AS m1, time_bucket('5 months', ts)::date AS m5,
	time_bucket('1 year', ts)::date AS y1, time_bucket('10 years', ts)::date AS y10,
	time_bucket('5 months', ts, '2000-03-31'::timestamp)::date AS m5_from_march,
	time_bucket('1 month', ts, '10 days'::interval)::date AS m1_shifted
FROM unnest(ARRAY['1999-12-31', '2000-01-01', '2000-02-29', '2000-03-10', '2000-03-11', '2000-06-01',
	'2024-07-31']::timestamp[]) ts;
SELECT time_bucket('7 months', '0001-01-01 BC'::timestamp), time_bucket('1 year', '0044-03-15 BC'::timestamp),
	time_bucket('1 month', '4713-01-15 BC'::timestamp), time_bucket('1 year', '294276-12-31'::timestamp);

-- timestamptz: in UTC, whatever the session's zone
SET TIME ZONE 'America/New_York';
SELECT time_bucket('1 day', '2024-03-10 12:00:00-04'::timestamptz) AT TIME ZONE 'UTC' AS day,
	time_bucket('1 month', '2024-02-29 22:00:00-05'::timestamptz) AT TIME ZONE 'UTC' AS month,
	time_bucket('1 day', '2024-03-10 12:00:00-04'::timestamptz, '2000-01-01 06:00+00'::timestamptz)
		AT TIME ZONE 'UTC' AS origin,
	time_bucket('1 day', '2024-03-10 12:00:00-04'::timestamptz, '6 hours'::interval)
		AT TIME ZONE 'UTC' AS "offset",
	time_bucket('1 day', '2024-03-11 12:00:00-04'::timestamptz, '1 day 6 hours'::interval)
		AT TIME ZONE 'UTC' AS offset_over_dst;
SET TIME ZONE 'UTC';

-- by the clock of a zone: days of 23 and 25 hours
SELECT day, count(*), min(ts) AS first FROM (
	SELECT time_bucket('1 day', ts, 'Europe/Berlin') AS day, ts
	FROM generate_series('2024-03-29 23:00+00'::timestamptz, '2024-04-01 21:59+00', '1 hour') ts) s
GROUP BY 1 ORDER BY 1;
SELECT day, count(*), min(ts) AS first FROM (
	SELECT time_bucket('1 day', ts, 'Europe/Berlin') AS day, ts
	FROM generate_series('2024-10-25 22:00+00'::timestamptz, '2024-10-28 22:59+00', '1 hour') ts) s
GROUP BY 1 ORDER BY 1;
-- an hour that happens twice has two buckets, and none is behind its rows
SELECT time_bucket('30 min', ts, 'Europe/Berlin') AS bucket, count(*), min(ts), max(ts)
FROM generate_series('2024-10-26 23:30+00'::timestamptz, '2024-10-27 02:29+00', '10 min') ts
GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM generate_series('2024-01-01'::timestamptz, '2024-12-31', '17 min') ts,
	unnest(ARRAY['Europe/Berlin', 'America/Havana', 'Australia/Lord_Howe', 'Asia/Kathmandu']) zone
WHERE time_bucket('1 hour', ts, zone) > ts
	OR time_bucket('1 day', ts, zone) <> date_trunc('day', ts, zone)
	OR time_bucket('1 month', ts, zone) <> date_trunc('month', ts, zone);
-- named arguments, origin, offset, nulls that are defaults
SELECT time_bucket('1 week', '2024-05-15 12:00+00'::timestamptz, 'Asia/Tokyo') AS plain,
	time_bucket('1 week', '2024-05-15 12:00+00', 'Asia/Tokyo', origin => '2000-01-02 00:00+09') AS sunday,
	time_bucket('1 week', '2024-05-15 12:00+00', 'Asia/Tokyo', "offset" => '-1 day') AS shifted,
	time_bucket(bucket_width => '1 week', ts => '2024-05-15 12:00+00', timezone => 'Asia/Tokyo',
		origin => NULL, "offset" => NULL) AS nulls;
SELECT time_bucket('2 months', '2024-05-15 12:00+00'::timestamptz, 'Asia/Tokyo', '2000-01-31 16:00+00') AS m2;

-- dates
SELECT d, time_bucket('1 day', d) AS d1, time_bucket('1 week', d) AS w1, time_bucket('1 month', d) AS m1,
	time_bucket('10 days', d, '2000-01-01'::date) AS d10, time_bucket('1 week', d, '-1 day'::interval) AS sunday
FROM unnest(ARRAY['1999-12-31', '2000-01-02', '2000-01-03', '2024-02-29']::date[]) d;
SELECT pg_typeof(time_bucket('1 day', '2024-01-01'::date)),
	pg_typeof(time_bucket('1 day', '2024-01-01'::date, '1 day'::interval)),
	time_bucket('48 hours', '2000-01-06'::date), time_bucket('1 month', '5874897-12-31'::date);

-- infinite times are their own bucket
SELECT time_bucket('1 day', 'infinity'::timestamp), time_bucket('1 month', '-infinity'::timestamptz),
	time_bucket('1 day', 'infinity'::date), time_bucket('1 day', '-infinity'::date, '1 day'::interval),
	time_bucket('1 day', 'infinity'::timestamptz, 'Europe/Berlin'),
	time_bucket('1 day', '-infinity'::timestamp, '1 hour'::interval);

-- null in, null out
SELECT time_bucket(NULL, 5) IS NULL AS a, time_bucket('1 day', NULL::timestamptz) IS NULL AS b,
	time_bucket(NULL::interval, now()) IS NULL AS c,
	time_bucket('1 day', '2024-01-01'::timestamp, NULL::timestamp) IS NULL AS d,
	time_bucket('1 day', '2024-01-01'::timestamptz, NULL::text) IS NULL AS e,
	time_bucket('1 day', NULL::timestamptz, 'UTC') IS NULL AS f;

-- ends of ranges
SELECT time_bucket('1 microsecond', '4714-11-24 00:00:00 BC'::timestamp),
	time_bucket('1 day', '294276-12-31 23:59:59.999999'::timestamp);
SELECT time_bucket('106751991 days', '2024-01-01'::timestamp, '2024-01-01'::timestamp);

-- refused
DO $$
DECLARE
	call text;
	detail text;
	hint text;
BEGIN
	FOREACH call IN ARRAY ARRAY[
		'0, 5', '-1::bigint, 5::bigint', '0::smallint, 5::smallint, 1::smallint',
		'10::smallint, (-32768)::smallint', '10, -2147483648', '10::bigint, (-9223372036854775808)::bigint',
		'''0'', now()', '''-5 min'', now()', '''1 day -25 hours'', now()', '''-1 month'', now()',
		'''1 month 1 day'', now()', '''1 year 1 hour'', ''2024-01-01''::date',
		'''1 hour'', ''2024-01-01''::date', '''36 hours'', ''2024-01-01''::date, ''1 day''::interval',
		'''2147483647 days'', now()', '''1 day'', now(), ''infinity''::timestamptz',
		'''1 day'', ''2024-01-01''::date, ''-infinity''::date',
		'''10 days'', ''4714-11-24 BC''::timestamp', '''100 years'', ''4713-01-15 BC''::timestamp',
		'''10 days'', ''4714-11-24 BC''::date', '''2147483647 months'', ''2024-01-01''::date, ''2025-01-01''::date',
		'''1 day'', now(), ''Nowhere/Nothing''', '''1 day'', ''294276-12-31''::timestamp, ''-1 year''::interval']
	LOOP
		BEGIN
			EXECUTE 'SELECT time_bucket(' || call || ')';
			RAISE INFO '%: no error', call;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
			RAISE INFO '%: % %', call, SQLSTATE, concat_ws(' | ', SQLERRM, NULLIF(detail, ''), NULLIF(hint, ''));
		END;
	END LOOP;
END $$;

-- what the planner may rely on
SELECT DISTINCT provolatile, proparallel, proisstrict, pronargs
FROM pg_proc WHERE proname = 'time_bucket' ORDER BY 4;
CREATE TEMP TABLE t (ts timestamptz);
CREATE INDEX ON t (time_bucket('1 day', ts));
CREATE INDEX ON t (time_bucket('1 day', ts, 'Europe/Berlin'));
DROP TABLE t;
