-- time_bucket_gapfill(), locf(), interpolate(): ranges, groups, values in gaps, plans, errors

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS tsdb;
LOAD 'tsdb';
RESET client_min_messages;
SET TIME ZONE 'UTC';
SET datestyle = 'ISO, YMD';
CREATE SCHEMA gapfill;
SET search_path = gapfill, public;

-- ---- buckets ----

-- a row for each bucket from start to finish; rows outside are passed on, and no gaps between them
SELECT time_bucket_gapfill(10, t, 0, 50) AS b, sum(v) FROM (VALUES (-33, 1), (-5, 2), (10, 3), (11, 4), (29, 5), (66, 6)) x (t, v)
GROUP BY 1 ORDER BY 1;
-- start is moved down to the begin of its bucket, finish is no bucket itself
SELECT time_bucket_gapfill(10, t, 5, 30) AS b, count(*) FROM (VALUES (22)) x (t) GROUP BY 1 ORDER BY 1;
SELECT time_bucket_gapfill(10, t, -15, 31) AS b, count(*) FROM (VALUES (22)) x (t) GROUP BY 1 ORDER BY 1;
-- without rows there are gaps all the same, but for other group keys there is nothing to fill
SELECT time_bucket_gapfill(10, t, 0, 30) AS b, count(*) FROM (VALUES (1)) x (t) WHERE t > 1 GROUP BY 1 ORDER BY 1;
SELECT time_bucket_gapfill(10, t, 0, 30) AS b, k, count(*) FROM (VALUES (1, 1)) x (t, k) WHERE t > 1 GROUP BY 1, 2;
-- a range that is empty or reversed has no gaps
SELECT time_bucket_gapfill(10, t, 20, 20) AS b, count(*) FROM (VALUES (1), (35)) x (t) GROUP BY 1 ORDER BY 1;
SELECT time_bucket_gapfill(10, t, 20, 0) AS b, count(*) FROM (VALUES (1), (35)) x (t) GROUP BY 1 ORDER BY 1;
-- all integers, to the ends of their ranges
SELECT time_bucket_gapfill(10000::smallint, t, 0::smallint, 32767::smallint) AS b, pg_typeof(max(t)) FROM (VALUES (1::smallint)) x (t)
GROUP BY 1 ORDER BY 1;
SELECT time_bucket_gapfill(1::smallint, t) AS b, count(*) FROM (VALUES (32766::smallint), (32766::smallint)) x (t) WHERE t > 32764 AND t < 99999
GROUP BY 1 ORDER BY 1;
SELECT time_bucket_gapfill(1::smallint, t) AS b, count(*) FROM (VALUES ((-32768)::smallint), ((-32768)::smallint)) x (t) WHERE t > -99999 AND t <= -32766
GROUP BY 1 ORDER BY 1;
SELECT time_bucket_gapfill(4611686018427387904, t, 0, 9223372036854775807) AS b, count(*) FROM (VALUES (1::bigint)) x (t)
GROUP BY 1 ORDER BY 1;
SELECT time_bucket_gapfill(1::bigint, t) AS b, count(*) FROM (VALUES (9223372036854775806), (9223372036854775806)) x (t)
WHERE t > 9223372036854775804 AND t < 9223372036854775807 GROUP BY 1 ORDER BY 1;
-- dates, weeks begin on Monday
SELECT time_bucket_gapfill('1 week', t, '2000-01-01', '2000-01-20') AS b, min(t) FROM (VALUES ('2000-01-12'::date)) x (t)
GROUP BY 1 ORDER BY 1;
-- timestamps; months and years
SELECT time_bucket_gapfill('6 hours', t, '2000-01-01', '2000-01-02') AS b, min(t) FROM (VALUES ('2000-01-01 19:00'::timestamp)) x (t)
GROUP BY 1 ORDER BY 1;
SELECT time_bucket_gapfill('5 months', t, '1999-12-31', '2001-02-01') AS b, min(t) FROM (VALUES ('2000-12-31'::timestamp)) x (t)
GROUP BY 1 ORDER BY 1;
SELECT time_bucket_gapfill('1 month', t, '2024-01-31', '2024-04-01') AS b, min(t) FROM (VALUES ('2024-02-29'::date)) x (t)
GROUP BY 1 ORDER BY 1;
SELECT time_bucket_gapfill('1 century', t, '1850-01-01'::timestamptz, '2001-01-01'::timestamptz) AS b, count(*)
FROM (VALUES ('1999-12-31'::timestamptz)) x (t) GROUP BY 1 ORDER BY 1;
-- in UTC, whatever the session's zone
SET TIME ZONE 'America/New_York';
SELECT time_bucket_gapfill('1 day', t, '2024-03-09'::timestamptz, '2024-03-11'::timestamptz) AT TIME ZONE 'UTC' AS b
FROM (VALUES ('2024-03-10 12:00'::timestamptz)) x (t) GROUP BY time_bucket_gapfill('1 day', t, '2024-03-09'::timestamptz, '2024-03-11'::timestamptz)
ORDER BY 1;
-- by the clock of a zone: days of 23 and 25 hours, an hour that there is twice, one that there is not
SET TIME ZONE 'Europe/Berlin';
CREATE VIEW no_time AS SELECT NULL::timestamptz AS t LIMIT 0;
SELECT time_bucket_gapfill('1 day', t, 'Europe/Berlin', '2024-03-30', '2024-04-02') AS b FROM no_time GROUP BY 1;
SELECT time_bucket_gapfill('1 hour', t, 'Europe/Berlin', '2024-03-31 01:00', '2024-03-31 05:00') AS b FROM no_time GROUP BY 1;
SELECT time_bucket_gapfill('1 hour', t, 'Europe/Berlin', '2024-10-27 01:00', '2024-10-27 04:00') AS b FROM no_time GROUP BY 1;
SELECT time_bucket_gapfill('3 hours', t, 'Europe/Berlin', '2024-10-27', '2024-10-27 12:00') AS b FROM no_time GROUP BY 1;
SELECT time_bucket_gapfill('1 month', t, 'Europe/Berlin', '2024-02-10', '2024-05-02') AS b FROM no_time GROUP BY 1;
SELECT time_bucket_gapfill('1 week', t, 'Asia/Kathmandu', '2024-02-10', '2024-02-20') AT TIME ZONE 'Asia/Kathmandu' AS b
FROM no_time GROUP BY time_bucket_gapfill('1 week', t, 'Asia/Kathmandu', '2024-02-10', '2024-02-20');
SET TIME ZONE 'UTC';
-- the buckets are those of time_bucket() for all times of a range, in zones that change their clocks in many ways
CREATE FUNCTION compare_zone(width interval, zone text, start timestamptz, finish timestamptz, step interval,
	OUT buckets bigint, OUT differ bigint)
LANGUAGE sql AS $$
	WITH gapfill AS (SELECT time_bucket_gapfill(width, t, zone, start, finish) AS b FROM no_time GROUP BY 1),
		plain AS (SELECT DISTINCT time_bucket(width, t, zone) AS b FROM generate_series(start, finish - step, step) t)
	SELECT (SELECT count(*) FROM plain),
		(SELECT count(*) FROM (SELECT b FROM gapfill EXCEPT ALL SELECT b FROM plain) x) +
		(SELECT count(*) FROM (SELECT b FROM plain EXCEPT ALL SELECT b FROM gapfill) x);
$$;
SELECT zone, count(*) AS widths, sum(buckets) AS buckets, sum(differ) AS differ
FROM (VALUES ('Europe/Berlin', '2024-03-31'::timestamptz), ('Europe/Berlin', '2024-10-27'), ('America/New_York', '2024-11-03'),
	('Australia/Lord_Howe', '2024-04-07'), ('Australia/Lord_Howe', '2024-10-06'), ('Pacific/Apia', '2011-12-30'),
	('America/Sao_Paulo', '2018-11-04'), ('Asia/Kolkata', '2024-01-01')) z (zone, day),
	unnest('{10 min, 30 min, 1 hour, 90 min, 2 hours, 3 hours, 12 hours, 1 day, 36 hours, 1 week}'::interval[]) width,
	compare_zone(width, zone, day - interval '2 days', day + interval '3 days', '10 min')
GROUP BY zone ORDER BY zone;
SELECT zone, width, buckets, differ
FROM unnest('{Europe/Berlin, America/Havana, Asia/Gaza}'::text[]) zone, unnest('{1 month, 5 months, 1 year}'::interval[]) width,
	compare_zone(width, zone, '2023-01-15', '2024-12-15', '1 hour')
ORDER BY zone, width;

-- ---- the range of WHERE ----

CREATE FUNCTION buckets(condition text, args text DEFAULT '', source text DEFAULT '(VALUES (2), (4)) x (t)') RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('SELECT string_agg(b || CASE WHEN n IS NULL THEN '''' ELSE ''*'' END, '' '' ORDER BY b)
		FROM (SELECT time_bucket_gapfill(%s) AS b, count(*) AS n FROM %s WHERE %s GROUP BY 1) s',
		CASE WHEN args = '' THEN '1, t' ELSE args END, source, condition) INTO result;
	RETURN result;
END $$;
-- all comparisons, from both sides; a star marks buckets with rows
SELECT c AS condition, buckets(c) FROM unnest(ARRAY['t >= 1 AND t < 6', 't > 1 AND t <= 6', '1 <= t AND 6 > t', '1 < t AND 6 >= t',
	't BETWEEN 1 AND 5', 't BETWEEN SYMMETRIC 5 AND 1 AND t > 0 AND t < 7', 't >= 0 AND t > 1 AND t < 9 AND t <= 5',
	'(t > 0 AND t < 6) AND t <> 4', 't > 0 AND t < 6 AND (t > 2 OR t < 4)', 't >= 1::bigint AND t < 6::smallint',
	't > -99999999999 AND t >= 1 AND t <= 5 AND t < 99999999999', 't > 0 AND t < (SELECT 6)', 't > 0 AND t < 5 AND false',
	't > 0 AND t < 5 AND NULL', 't > 5 AND t < 1']) c;
-- an argument stands in place of conditions on that side
SELECT a AS arguments, buckets('t >= 1 AND t < 6', a) FROM unnest(ARRAY['1, t, 3', '1, t, NULL, 4', '1, t, finish => 8', '1, t, start => -2, finish => 4']) a;
-- the time may be an expression, if conditions are on that
SELECT buckets('t * 2 > 1 AND t * 2 <= 9', '2, t * 2');
-- other types: a date begins its day, a time of day rounds
CREATE TABLE days AS SELECT '2024-01-02'::date AS d, '2024-01-02 12:00'::timestamp AS ts, '2024-01-02 12:00+00'::timestamptz AS tz;
SELECT buckets('d > ''2024-01-01 12:00''::timestamp AND d < ''2024-01-04 00:00:01''::timestamptz', '''1 day'', d', 'days') AS date;
SELECT buckets('d >= ''2024-01-01''::timestamp AND d <= ''2024-01-03 23:00''::timestamp', '''1 day'', d', 'days') AS date_2;
SELECT buckets('ts >= ''2024-01-01''::date AND ts < ''2024-01-03 00:00:00.000001''::timestamptz', '''1 day'', ts', 'days') AS timestamp;
SELECT buckets('tz > ''2024-01-01''::date AND tz <= ''2024-01-03''::timestamp', '''1 day'', tz', 'days') AS timestamptz;
-- inner joins and subqueries
SELECT buckets('true', '1, x.t', '(VALUES (2), (4)) x (t) JOIN (VALUES (2), (3)) y (t) ON x.t = y.t AND x.t > 0 AND x.t < 4');
SELECT buckets('x.t < 4 AND y.t > 0', '1, y.t', '(VALUES (2), (4)) x (t) LEFT JOIN (VALUES (2), (3)) y (t) ON x.t = y.t AND y.t < 3');
SELECT buckets('x.t < 4 AND x.t > 0 AND t IN (SELECT 2)', '1, x.t');
SELECT buckets('t < 4', '1, t', '(SELECT u + 1 AS t FROM (VALUES (1), (3)) y (u) WHERE u + 1 > 0) x');
-- known at run time only: now(), parameters, outer rows
SELECT count(*), count(n) FROM (SELECT time_bucket_gapfill('1 day', t) AS b, count(*) AS n FROM (VALUES (now())) x (t)
	WHERE t > now() - interval '10 days' AND t <= now() GROUP BY 1) s;
SET plan_cache_mode = force_generic_plan;
PREPARE filled(int, int, int) AS SELECT time_bucket_gapfill($1, t) AS b, sum(t) FROM (VALUES (2), (4)) x (t)
WHERE t >= $2 AND t < $3 GROUP BY 1 ORDER BY 1;
EXECUTE filled(1, 1, 6);
EXECUTE filled(5, -3, 6);
EXECUTE filled(1, NULL, 6);
EXECUTE filled(0, 1, 6);
RESET plan_cache_mode;
SELECT w, s.* FROM (VALUES (1, 3), (2, 5), (3, 0)) o (w, until)
LEFT JOIN LATERAL (SELECT time_bucket_gapfill(o.w, t) AS b, sum(t) FROM (VALUES (2), (4)) x (t)
	WHERE t > 0 AND t < o.until GROUP BY 1) s ON true ORDER BY 1, 2;

-- ---- groups ----

CREATE TABLE m (t int, a int, b text, v int) USING tsdb;
INSERT INTO m VALUES (1, 1, 'x', 10), (3, 1, 'x', 30), (2, 1, 'y', 20), (2, 2, 'x', 2), (0, NULL, 'x', 0), (3, NULL, 'x', 3),
	(1, NULL, NULL, 1), (9, 2, 'x', 9);
SELECT tsdb.compact('m') > 0 AS compacted;
INSERT INTO m VALUES (1, 1, 'x', 11), (0, 2, 'x', 3);
-- each is filled on its own, also nulls; keys and what is computed of them are there in gaps, aggregates are null
SELECT time_bucket_gapfill(1, t, 0, 4) AS bucket, a, b, upper(b) || a AS of_keys, sum(v), count(*), coalesce(max(v), -1) AS or_1,
	CASE WHEN count(*) IS NULL THEN 'gap' ELSE 'row' END AS what, 'constant' AS c
FROM m GROUP BY 1, 2, 3 ORDER BY a, b, bucket;
-- in every order, with limits
SELECT time_bucket_gapfill(1, t, 0, 3) AS bucket, a, sum(v) FROM m WHERE t < 3 GROUP BY 1, 2 ORDER BY 1 DESC, 2;
SELECT time_bucket_gapfill(1, t, 0, 3) AS bucket, a, sum(v) FROM m WHERE t < 3 GROUP BY 1, 2 ORDER BY 3 DESC NULLS LAST, 1, 2 LIMIT 4;
SELECT time_bucket_gapfill(1, t, 0, 4) AS bucket, sum(v) FROM m GROUP BY 1 ORDER BY 1 DESC LIMIT 3 OFFSET 1;
-- keys that are not selected, expressions as keys, a key that depends on another
SELECT time_bucket_gapfill(1, t, 0, 2) AS bucket, sum(v) FROM m WHERE t < 2 GROUP BY 1, a ORDER BY a, 1;
SELECT time_bucket_gapfill(1, t, 0, 2) AS bucket, a % 2 AS odd, a % 2 + sum(v) AS mixed FROM m WHERE t < 2 AND a > 0 GROUP BY 1, a % 2 ORDER BY 2, 1;
CREATE TABLE names (a int PRIMARY KEY, name text);
INSERT INTO names VALUES (1, 'one'), (2, 'two');
SELECT time_bucket_gapfill(1, t, 0, 3) AS bucket, names.a, name, length(name) + sum(v) AS mixed FROM m JOIN names USING (a)
WHERE t < 3 GROUP BY 1, names.a ORDER BY 2, 1;
-- HAVING chooses rows before gaps are filled
SELECT time_bucket_gapfill(1, t, 0, 4) AS bucket, sum(v) FROM m WHERE t < 4 GROUP BY 1 HAVING sum(v) > 24 ORDER BY 1;
SELECT time_bucket_gapfill(1, t, 0, 3) AS bucket, a, sum(v) FROM m GROUP BY 1, 2 HAVING a = 2 ORDER BY 1;
-- DISTINCT, windows, set-returning functions, INSERT
SELECT DISTINCT ON (a) a, time_bucket_gapfill(1, t, 0, 4) AS bucket, sum(v) FROM m GROUP BY 1, 2 ORDER BY 1, 2;
SELECT DISTINCT count(*) FROM m GROUP BY time_bucket_gapfill(1, t, 0, 9) ORDER BY 1;
SELECT time_bucket_gapfill(1, t, 0, 4) AS bucket, a, sum(v), row_number() OVER (PARTITION BY a ORDER BY time_bucket_gapfill(1, t, 0, 4)),
	lag(sum(v)) OVER (PARTITION BY a ORDER BY time_bucket_gapfill(1, t, 0, 4)), sum(locf(sum(v))) OVER (PARTITION BY a ORDER BY time_bucket_gapfill(1, t, 0, 4)),
	locf(sum(v)) FROM m WHERE a > 0 AND t < 4 GROUP BY 1, 2 ORDER BY a, bucket;
SELECT time_bucket_gapfill(1, t, 0, 3) AS bucket, generate_series(1, coalesce(count(*), 1)) + 10 AS n FROM m WHERE a = 1 AND b = 'x' GROUP BY 1 ORDER BY 1, 2;
CREATE TABLE filled USING tsdb AS SELECT time_bucket_gapfill(1, t, 0, 4) AS bucket, a, avg(v) AS v FROM m GROUP BY 1, 2;
INSERT INTO filled SELECT time_bucket_gapfill(1, bucket, 0, 6), 7, locf(max(v)) FROM filled GROUP BY 1;
SELECT a, count(*), count(v) FROM filled GROUP BY 1 ORDER BY 1;
-- the same call again is the same bucket
SELECT time_bucket_gapfill(1, t, 0, 2) AS bucket, time_bucket_gapfill(1, t, 0, 2) + 100 AS again FROM m WHERE t < 2 GROUP BY 1 ORDER BY 1;
-- null and infinite times
SELECT time_bucket_gapfill(1, t, 0, 3) AS bucket, count(*), locf(max(v)), interpolate(max(v))
FROM (VALUES (NULL, 7), (1, 1)) x (t, v) GROUP BY 1 ORDER BY 1;
SELECT time_bucket_gapfill('1 day', t, '2024-01-01', '2024-01-05') AS bucket, locf(max(v)), interpolate(max(v))
FROM (VALUES ('-infinity'::timestamp, 1), ('2024-01-02', 2), ('2024-01-04', 4), ('infinity', 8)) x (t, v) GROUP BY 1 ORDER BY 1;
-- where nothing is grouped, they are time_bucket() and their first argument
SELECT time_bucket_gapfill(10, t, 0, 50) AS b, locf(t), interpolate(t), locf(NULL::text, 'x') IS NULL AS is_null FROM (VALUES (-5), (22)) x (t);
SELECT time_bucket_gapfill('1 hour', '2024-10-27 02:30+01'::timestamptz, 'Europe/Berlin') AS zone,
	time_bucket_gapfill('1 day', NULL::date) IS NULL AS no_time, time_bucket_gapfill('1 day', now(), NULL::text) IS NULL AS no_zone;

-- ---- locf ----

-- the last row's value, also of a row before the range; before the first row prev, asked for when needed only
SELECT time_bucket_gapfill(10, t, 0, 60) AS b, locf(min(v)), locf(min(v), -1) AS or_prev, locf(min(v), (SELECT -2)) AS or_select,
	locf(sum(v)) + 100 AS plus, coalesce(locf(min(v)), 0) AS or_0
FROM (VALUES (20, 2), (40, 4)) x (t, v) GROUP BY 1 ORDER BY 1;
SELECT time_bucket_gapfill(10, t, 0, 30) AS b, locf(min(v), 99) FROM (VALUES (-77, 2), (10, NULL)) x (t, v) GROUP BY 1 ORDER BY 1;
-- a null is a value, unless it is missing; rows out of range are not filled
SELECT time_bucket_gapfill(10, t, 10, 60) AS b, min(v), locf(min(v), 99) AS nulls, locf(min(v), 99, true) AS missing,
	locf(min(v), treat_null_as_missing => true) AS no_prev, locf(min(v), 99, NULL) AS neither
FROM (VALUES (0, NULL), (10, NULL), (30, 3), (40, NULL), (70, NULL)) x (t, v) GROUP BY 1 ORDER BY 1;
-- each group its own, and its own prev
SELECT time_bucket_gapfill(1, t, 0, 3) AS bucket, a, b, locf(sum(v), (SELECT max(v)::bigint FROM m o WHERE o.a = m.a AND o.t >= 3)) FROM m
WHERE t < 3 AND a > 0 GROUP BY 1, 2, 3 ORDER BY 2, 3, 1;
SELECT time_bucket_gapfill(1, t, 0, 3) AS bucket, locf(count(*), (SELECT 1::bigint / (SELECT 0) FROM m o WHERE o.a = m.a LIMIT 1)) FROM m
WHERE t < 3 AND a = 2 GROUP BY 1, a ORDER BY 1;
SELECT time_bucket_gapfill(1, t, 0, 3) AS bucket, locf(count(*), (SELECT 1::bigint / (SELECT 0) FROM m o WHERE o.a = m.a LIMIT 1)) FROM m
WHERE t IN (1, 2) AND a = 2 GROUP BY 1, a ORDER BY 1;
-- an expensive look-up is computed after a sort with LIMIT, but filled before
SELECT time_bucket_gapfill(1, t, 0, 3) AS bucket, a, locf(sum(v), (SELECT max(v)::bigint FROM m o WHERE o.a = m.a AND o.t >= 3)) FROM m
WHERE t < 3 AND a > 0 GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 3;
-- and so is what is volatile, or an argument of a window function, also if other columns contain it
SELECT time_bucket_gapfill(1, t, 0, 3) AS bucket, locf(sum(v)) AS carried, locf(sum(v)) + 1 AS one_more, locf(sum(v)) + random() * 0 AS volatile FROM m
WHERE a = 2 AND t < 3 GROUP BY 1 ORDER BY 3, 1;
SELECT time_bucket_gapfill(1, t, 0, 3) AS bucket, locf(sum(v)) + 1 AS one_more, sum(locf(sum(v))) OVER (ORDER BY locf(sum(v)) + 1 ROWS UNBOUNDED PRECEDING) AS running,
	random() * 0 + locf(sum(v)) AS volatile FROM m
WHERE a = 2 AND t < 3 GROUP BY 1 ORDER BY 2, 1;
-- types of all kinds and sizes
SELECT time_bucket_gapfill(1, t, 0, 5) AS b, md5(locf(last(x, t))) = md5(repeat('a', 9000)) AS a9000, locf(max(n)) AS n, locf(last(r, t)) AS r,
	locf(array_agg(t)) AS a, locf(last(j, t)) AS j
FROM (VALUES (1, repeat('a', 9000), 1.50::numeric, ROW(1, 'x'), '{"a": 1}'::jsonb), (3, repeat('b', 9000), 2.5, ROW(2, NULL), NULL)) x (t, x, n, r, j)
GROUP BY 1 ORDER BY 1;

-- ---- interpolate ----

SELECT time_bucket_gapfill(10, t, 0, 70) AS b, interpolate(min(v)) AS line, interpolate(min(v), (-30, 5), (90, 30)) AS to_points,
	interpolate(min(v), prev => (SELECT (0, 0))) AS from_prev, interpolate(min(v)) * 2 AS twice
FROM (VALUES (20, 10), (50, -20)) x (t, v) GROUP BY 1 ORDER BY 1;
-- every type; integers are rounded, half away from zero
SELECT time_bucket_gapfill(1, t, 0, 5) AS b, interpolate(min(v)::smallint) AS i2, interpolate(min(v)) AS i4, interpolate(min(-v)::bigint) AS i8,
	interpolate(min(v)::real) AS f4, interpolate(min(v)::float8) AS f8, interpolate(avg(v)) AS n, pg_typeof(interpolate(avg(v))) AS n_is
FROM (VALUES (0, -3), (4, 3)) x (t, v) GROUP BY 1 ORDER BY 1;
-- to the ends of their ranges
SELECT time_bucket_gapfill(1, t, 0, 1) AS b, interpolate(min(i2)) AS i2, interpolate(min(i4)) AS i4, interpolate(min(i8)) AS i8, interpolate(min(f)) AS f
FROM (VALUES ((-9223372036854775808), (-32768)::smallint, (-2147483648), (-9223372036854775808), -1e308),
	(9223372036854775807, 32767, 2147483647, 9223372036854775807, 1e308)) x (t, i2, i4, i8, f) GROUP BY 1 ORDER BY 1;
-- a null is a row that there is no line to; points may be null, and may lie anywhere
SELECT time_bucket_gapfill(1, t, 0, 7) AS b, min(v), interpolate(min(v)), interpolate(min(v), (-1, NULL::int), (6, NULL::int)) AS null_points,
	interpolate(min(v), NULL, (SELECT (9, 9) WHERE false)) AS no_points
FROM (VALUES (1, 10), (3, NULL), (5, 50), (6, 60)) x (t, v) GROUP BY 1 ORDER BY 1;
SELECT time_bucket_gapfill(1, t, 0, 6) AS b, interpolate(min(v), (9, 90), (1, 10)) AS beyond, interpolate(min(v), (2, 5), (2, 7)) AS same_time
FROM (VALUES (3, 0)) x (t, v) WHERE t > 3 GROUP BY 1 ORDER BY 1;
-- each group its own, with look-ups
SELECT time_bucket_gapfill(1, t, 1, 5) AS bucket, a, interpolate(avg(v), (SELECT (t, v::float8) FROM m o WHERE o.a = m.a AND o.t < 1 ORDER BY t DESC LIMIT 1),
	(SELECT (t, v::float8) FROM m o WHERE o.a = m.a AND o.t >= 5 ORDER BY t LIMIT 1))
FROM m WHERE t >= 1 AND t < 5 AND a > 0 GROUP BY 1, 2 ORDER BY 2, 1;
-- times of all types: by days, also where buckets are months
SELECT time_bucket_gapfill('1 month', t, '2024-01-01', '2024-06-01') AS b, interpolate(min(v)) FROM (VALUES ('2024-01-15'::date, 0), ('2024-05-31', 121)) x (t, v)
GROUP BY 1 ORDER BY 1;
SELECT time_bucket_gapfill('1 min', t) AS b, interpolate(min(v), ('2024-01-01 00:00'::timestamptz, 0::float8), ('2024-01-01 00:10+00'::timestamptz, 10::float8))
FROM (VALUES ('2024-01-01 00:05'::timestamptz, 6::float8), ('2024-01-01 00:05', 7)) x (t, v) WHERE t >= '2024-01-01 00:03' AND t < '2024-01-01 00:08' GROUP BY 1 ORDER BY 1;

-- ---- plans ----

-- conditions on filled rows stay outside, those on keys go inside
CREATE TABLE plain USING heap AS TABLE m;
CREATE VIEW filled_view AS SELECT time_bucket_gapfill(1, t, 0, 4) AS bucket, a, sum(v) AS total, 4 AS four FROM plain GROUP BY 1, 2;
SELECT * FROM filled_view WHERE total IS NULL AND a = 2 ORDER BY bucket;
SELECT * FROM filled_view WHERE bucket > 2 AND a IS NOT NULL ORDER BY a, bucket;
SELECT count(*) FROM filled_view WHERE four = 5;
SELECT count(*) FROM (SELECT time_bucket_gapfill(1, t, 0, 4), 4 AS four FROM plain GROUP BY 1) s WHERE four = 5;
EXPLAIN (costs off) SELECT * FROM filled_view WHERE total IS NULL AND bucket > 1 AND a = 2;
SELECT * FROM (SELECT * FROM filled_view UNION ALL SELECT * FROM filled_view) s WHERE total IS NULL AND a = 2 ORDER BY bucket;
SELECT * FROM ((SELECT * FROM filled_view UNION SELECT time_bucket_gapfill(2, t, 0, 9), a, sum(v), 2 FROM plain GROUP BY 1, 2) EXCEPT
	SELECT time_bucket_gapfill(4, t, 0, 9), a, max(v), 2 FROM plain GROUP BY 1, 2) s WHERE total IS NULL AND a = 2 ORDER BY bucket, four;
WITH f AS (SELECT * FROM filled_view) SELECT f.a, g.bucket FROM f JOIN filled_view g USING (a, bucket) WHERE f.total IS NULL AND g.total IS NULL ORDER BY 1, 2;
SELECT x, EXISTS (SELECT FROM filled_view WHERE total IS NULL AND bucket = x) AS has_gap FROM generate_series(0, 4) x;
SELECT EXISTS (SELECT time_bucket_gapfill(1, t, 0, 4) FROM plain WHERE t < 0 GROUP BY 1) AS has_gaps;
-- a time that is a key as well: a condition on it would change the range
SELECT count(*) FROM (SELECT time_bucket_gapfill(1, t) AS bucket, t, count(*) FROM m WHERE t >= 0 AND t < 4 GROUP BY 1, 2) s WHERE t > 1;
-- functions with an SQL body
CREATE FUNCTION filled_function(start int, finish int) RETURNS TABLE (bucket int, a int, total bigint) STABLE LANGUAGE sql AS $$
	SELECT time_bucket_gapfill(1, t), m.a, sum(v) FROM m WHERE t >= start AND t < finish GROUP BY 1, 2
$$;
SELECT * FROM filled_function(0, 4) WHERE total IS NULL AND a = 2 ORDER BY bucket;
CREATE FUNCTION filled_atomic(start int, finish int) RETURNS TABLE (bucket int, a int, total bigint) STABLE LANGUAGE sql BEGIN ATOMIC
	SELECT time_bucket_gapfill(1, t), m.a, sum(v) FROM m WHERE t >= start AND t < finish GROUP BY 1, 2;
END;
SELECT count(*) FROM filled_atomic(0, 4);
SELECT * FROM filled_atomic(0, 4) WHERE total IS NULL AND a = 2 ORDER BY bucket;
CREATE OR REPLACE FUNCTION filled_atomic(start int, finish int) RETURNS TABLE (bucket int, a int, total bigint) STABLE LANGUAGE sql BEGIN ATOMIC
	SELECT time_bucket_gapfill(1, t), m.a, sum(v) FROM m WHERE t >= start AND t < finish GROUP BY 1, 2 LIMIT ALL;
END;
SELECT * FROM filled_atomic(0, 4) WHERE total IS NULL AND a = 2 ORDER BY bucket;
-- others' functions of the same name
CREATE FUNCTION locf(v int) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'mine: ' || v $$;
SELECT time_bucket_gapfill(1, t, 0, 2) AS b, gapfill.locf(max(v)) FROM m WHERE t = 0 AND a = 2 GROUP BY 1 ORDER BY 1;
DROP FUNCTION locf(int);
-- rescans, and cursors that go back
SELECT o.k, s.* FROM generate_series(1, 2) o (k), LATERAL (SELECT time_bucket_gapfill(1, t, 0, 3) AS bucket, locf(sum(v), o.k::bigint) FROM m
	WHERE a = o.k AND t < 3 GROUP BY 1) s ORDER BY 1, 2;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT time_bucket_gapfill(1, t, 0, 4) AS bucket, sum(v) FROM m WHERE a = 2 GROUP BY 1;
FETCH 3 FROM c;
FETCH BACKWARD 2 FROM c;
FETCH LAST FROM c;
COMMIT;
-- partitions and workers
CREATE FUNCTION explained(options text, query text, pattern text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || options || ' ' || query LOOP
		IF line ~ pattern THEN
			RETURN NEXT line;
		END IF;
	END LOOP;
END $$;
CREATE TABLE parted (t int, a int, v int) PARTITION BY LIST (a);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1) USING tsdb;
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2) USING heap;
INSERT INTO parted SELECT i, 1 + i % 2, i FROM generate_series(0, 20000) i WHERE i % 100 < 30;
SELECT tsdb.compact('parted_1') > 0 AS compacted;
ANALYZE parted;
CREATE TABLE serial AS SELECT time_bucket_gapfill(10, t, 0, 20000) AS bucket, a, sum(v) + 1 AS total, locf(max(v)) AS last FROM parted GROUP BY 1, 2;
SET enable_partitionwise_aggregate = on;
SELECT count(*), count(total) FROM serial;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
CREATE TEMP TABLE parallel AS SELECT time_bucket_gapfill(10, t, 0, 20000) AS bucket, a, sum(v) + 1 AS total, locf(max(v)) AS last FROM parted GROUP BY 1, 2;
RESET enable_partitionwise_aggregate;
INSERT INTO parallel SELECT time_bucket_gapfill(10, t, 0, 20000) AS bucket, a, sum(v) + 1 AS total, locf(max(v)) AS last FROM parted GROUP BY 1, 2;
SELECT count(*) FROM ((TABLE parallel EXCEPT ALL (TABLE serial UNION ALL TABLE serial)) UNION ALL
	((TABLE serial UNION ALL TABLE serial) EXCEPT ALL TABLE parallel)) d;
SELECT count(*) > 0 AS is_parallel FROM explained('(costs off)', 'SELECT time_bucket_gapfill(10, t, 0, 20000) AS bucket, sum(v) FROM parted GROUP BY 1', 'Gather');
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
-- what the node did
SELECT explained('(analyze, costs off, timing off, summary off)', 'SELECT time_bucket_gapfill(2, t) AS bucket, a, interpolate(avg(v)) + 1
	FROM plain WHERE a > 0 AND t > 0 AND t <= (SELECT 9) GROUP BY 1, 2 ORDER BY 1', 'gapfill\)|^ *(Bucket|Range|Rows Added)');
EXPLAIN (format json, costs off) SELECT time_bucket_gapfill(1, t, 0, 4) FROM names CROSS JOIN (VALUES (1)) x (t) GROUP BY 1;

-- ---- errors ----

CREATE FUNCTION refused(VARIADIC queries text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	query text;
	detail text;
	hint text;
BEGIN
	FOREACH query IN ARRAY queries LOOP
		BEGIN
			EXECUTE query;
			RAISE INFO '%: no error', query;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
			RAISE INFO '%: % %', query, SQLSTATE, concat_ws(' | ', SQLERRM, NULLIF(detail, ''), NULLIF(hint, ''));
		END;
	END LOOP;
END $$;
-- where calls may be
SELECT refused('SELECT time_bucket_gapfill(1, t, 0, 4) + 1 FROM m GROUP BY 1',
	'SELECT time_bucket_gapfill(1, t, 0, 4) FROM m GROUP BY t',
	'SELECT count(DISTINCT time_bucket_gapfill(1, t, 0, 4)) FROM m',
	'SELECT time_bucket_gapfill(1, t, 0, 4), time_bucket_gapfill(2, t, 0, 4) FROM m GROUP BY 1, 2',
	'SELECT time_bucket_gapfill(1, t, 0, 4), max(time_bucket_gapfill(2, t, 0, 4)) FROM m GROUP BY 1',
	'SELECT time_bucket_gapfill(1, time_bucket_gapfill(2, t), 0, 4) FROM m GROUP BY 1',
	'SELECT time_bucket_gapfill(1, t, 0, 4) FROM m GROUP BY ROLLUP (1)',
	'SELECT time_bucket(1, t), locf(max(v)) FROM m GROUP BY 1',
	'SELECT interpolate(max(v)) FROM m',
	'SELECT time_bucket_gapfill(1, t, 0, 4), locf(locf(max(v))) FROM m GROUP BY 1',
	'SELECT time_bucket_gapfill(1, t, 0, 4), locf(interpolate(max(v))) FROM m GROUP BY 1',
	'SELECT time_bucket_gapfill(1, t, 0, 4), max(locf(v)) FROM m GROUP BY 1',
	'SELECT time_bucket_gapfill(1, t, 0, 4), locf(max(max(v)) OVER ()) FROM m GROUP BY 1',
	'SELECT time_bucket_gapfill(1, t, 0, 4) FROM m GROUP BY 1 HAVING locf(max(v)) > 1',
	'SELECT time_bucket_gapfill(1, t, 0, 4), locf(a) + 1 FROM m GROUP BY 1, locf(a)',
	'SELECT time_bucket_gapfill(1, t, 0, 4), locf(max(v)) + generate_series(1, 2) FROM m GROUP BY 1');
-- width and zone
SELECT refused('SELECT time_bucket_gapfill(0, t, 0, 4) FROM m GROUP BY 1',
	'SELECT time_bucket_gapfill(-1, t, 4, 0) FROM m WHERE false GROUP BY 1',
	'SELECT time_bucket_gapfill(NULL, t, 0, 4) FROM m GROUP BY 1',
	'SELECT time_bucket_gapfill(a, t, 0, 4) FROM m GROUP BY 1, a',
	'SELECT time_bucket_gapfill((SELECT m.a), t, 0, 4) FROM m GROUP BY 1',
	'SELECT time_bucket_gapfill((random() * 10)::int, t, 0, 4) FROM m GROUP BY 1',
	'SELECT time_bucket_gapfill(1, NULL, 0, 4) FROM m GROUP BY 1',
	'SELECT time_bucket_gapfill(''1 month 1 day'', d, ''2024-01-01'', ''2024-02-01'') FROM days GROUP BY 1',
	'SELECT time_bucket_gapfill(''1 hour'', d, ''2024-01-01'', ''2024-02-01'') FROM days GROUP BY 1',
	'SELECT time_bucket_gapfill(''-1 month'', ts, ''2024-01-01'', ''2024-02-01'') FROM days GROUP BY 1',
	'SELECT time_bucket_gapfill(''1 day'', tz, NULL::text, ''2024-01-01'', ''2024-02-01'') FROM days GROUP BY 1',
	'SELECT time_bucket_gapfill(''1 day'', tz, ''nowhere'', ''2024-01-01'', ''2024-02-01'') FROM days GROUP BY 1',
	'SELECT time_bucket_gapfill(''1 day'', tz, d::text, ''2024-01-01'', ''2024-02-01'') FROM days GROUP BY 1');
-- start and finish
SELECT refused('SELECT time_bucket_gapfill(1, t) FROM m GROUP BY 1',
	'SELECT time_bucket_gapfill(1, t) FROM m WHERE t > 0 GROUP BY 1',
	'SELECT time_bucket_gapfill(1, t) FROM m WHERE t < 4 GROUP BY 1',
	'SELECT time_bucket_gapfill(1, t, 0) FROM m GROUP BY 1',
	'SELECT time_bucket_gapfill(1, t, NULL, NULL) FROM m GROUP BY 1',
	'SELECT time_bucket_gapfill(1, t) FROM m WHERE t > 0 OR t < 4 GROUP BY 1',
	'SELECT time_bucket_gapfill(1, t) FROM m WHERE t > a AND t < 4 GROUP BY 1',
	'SELECT time_bucket_gapfill(1, t) FROM m WHERE t > (SELECT max(o.a) FROM m o WHERE o.b = m.b) AND t < 4 GROUP BY 1',
	'SELECT time_bucket_gapfill(1, t) FROM m WHERE v > 0 AND v < 4 GROUP BY 1',
	'SELECT time_bucket_gapfill(1, m.t) FROM m LEFT JOIN m o ON m.t > 0 AND m.t < 4 GROUP BY 1',
	'SELECT time_bucket_gapfill(1, t::bigint) FROM m WHERE t > 0 AND t < 4 GROUP BY 1',
	'SELECT time_bucket_gapfill(1, t, t, 4) FROM m GROUP BY 1',
	'SELECT time_bucket_gapfill(1, t, 0, (random() * 10)::int) FROM m GROUP BY 1',
	'SELECT time_bucket_gapfill(1, t, (SELECT max(t) FROM m WHERE false), 4) FROM m GROUP BY 1',
	'SELECT time_bucket_gapfill(1, t) FROM m WHERE t > 0 AND t <= (SELECT max(t) FROM m WHERE false) GROUP BY 1',
	'SELECT time_bucket_gapfill(''1 day'', d, ''-infinity'', ''2024-02-01'') FROM days GROUP BY 1',
	'SELECT time_bucket_gapfill(''1 day'', ts) FROM days WHERE ts > ''2024-01-01'' AND ts < ''infinity'' GROUP BY 1',
	'SELECT time_bucket_gapfill(''1 day'', tz) FROM days WHERE tz > ''2024-01-01'' AND tz < ''infinity''::date GROUP BY 1');
-- values
SELECT refused('SELECT time_bucket_gapfill(1, t, 0, 4), locf(max(v), 1.5) FROM m GROUP BY 1',
	'SELECT time_bucket_gapfill(1, t, 0, 4), locf(max(v), treat_null_as_missing => random() > 0) FROM m GROUP BY 1',
	'SELECT time_bucket_gapfill(1, t, 0, 4), interpolate(max(b)) FROM m GROUP BY 1',
	'SELECT time_bucket_gapfill(1, t, -2, 4), interpolate(max(v), ROW(1)) FROM m GROUP BY 1',
	'SELECT time_bucket_gapfill(1, t, -2, 4), interpolate(max(v), (SELECT (1, 2, 3))) FROM m GROUP BY 1',
	'SELECT time_bucket_gapfill(1, t, -2, 4), interpolate(max(v), (1.5, 2)) FROM m GROUP BY 1',
	'SELECT time_bucket_gapfill(1, t, 0, 20), interpolate(max(v), next => (1, 2::bigint)) FROM m GROUP BY 1');
-- an error in the middle leaves nothing behind
BEGIN;
DECLARE c CURSOR FOR SELECT time_bucket_gapfill(1, t, 0, 20) AS bucket, locf(max(v)), 1 / (7 - time_bucket_gapfill(1, t, 0, 20)) AS seventh FROM m GROUP BY 1;
FETCH 2 FROM c;
SAVEPOINT s;
FETCH 10 FROM c;
ROLLBACK TO s;
SELECT time_bucket_gapfill(1, t, 0, 3) AS bucket, locf(max(v)) FROM m GROUP BY 1 LIMIT 2;
COMMIT;


-- ---- the same as plain SQL, of random data ----

-- random() is seeded in each session: every run is the same
SELECT setseed(0.42);
CREATE TABLE random_heap (t int, k int, x text, v int) USING heap;
CREATE TABLE random_tsdb (t int, k int, x text, v int) USING tsdb;
-- Rows of GROUP BY, then all buckets of each group, then values for them by look-ups, as users write it without gapfill.
CREATE FUNCTION plain_sql(source regclass, width int, low int, high int, points bool) RETURNS TABLE (b int, k int, x text, n bigint, first_v int,
	carried int, missing int, line bigint, line_8 numeric) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('
	WITH found AS (SELECT time_bucket($1, t) AS b, k, x, count(*) AS n, min(v) AS v FROM %s
			WHERE t >= $2 - 50 AND t < $3 + 50 GROUP BY 1, 2, 3),
		buckets AS (SELECT b FROM generate_series(time_bucket($1, $2), $3 - 1, $1) b WHERE $2 < $3),
		filled AS (SELECT coalesce(f.b, g.b) AS b, coalesce(f.k, g.k) AS k, coalesce(f.x, g.x) AS x, n, v, f.b IS NOT NULL AS is_row
			FROM (SELECT * FROM buckets, (SELECT DISTINCT k, x FROM found) y) g
			FULL JOIN found f ON f.b = g.b AND (f.k, f.x) IS NOT DISTINCT FROM (g.k, g.x))
	SELECT o.b, o.k, o.x, o.n, o.v,
		CASE WHEN is_row THEN o.v WHEN before.b IS NULL THEN 99 ELSE before.v END,
		CASE WHEN o.v IS NOT NULL OR o.b < time_bucket($1, $2) OR o.b >= $3 THEN o.v ELSE coalesce(value.v, 99) END,
		CASE WHEN is_row THEN o.v ELSE round(y0 + (y1 - y0) * (o.b - x0)::numeric / (x1 - x0)) END::bigint,
		CASE WHEN is_row THEN o.v ELSE y0 + (y1 - y0) * (o.b - x0)::numeric / (x1 - x0) END
	FROM filled o
		LEFT JOIN LATERAL (SELECT * FROM found f WHERE (f.k, f.x) IS NOT DISTINCT FROM (o.k, o.x) AND f.b < o.b
			ORDER BY b DESC LIMIT 1) before ON true
		LEFT JOIN LATERAL (SELECT * FROM found f WHERE (f.k, f.x) IS NOT DISTINCT FROM (o.k, o.x) AND f.b > o.b
			ORDER BY b LIMIT 1) after ON true
		LEFT JOIN LATERAL (SELECT * FROM found f WHERE (f.k, f.x) IS NOT DISTINCT FROM (o.k, o.x) AND f.b < o.b AND f.v IS NOT NULL
			ORDER BY b DESC LIMIT 1) value ON true,
		LATERAL (SELECT CASE WHEN before.b IS NOT NULL THEN before.b ELSE -500 END AS x0,
			CASE WHEN before.b IS NOT NULL THEN before.v WHEN $4 THEN 7 + o.k END::numeric AS y0,
			CASE WHEN after.b IS NOT NULL THEN after.b ELSE 500 END AS x1,
			CASE WHEN after.b IS NOT NULL THEN after.v WHEN $4 THEN -33 END::numeric AS y1) p', source)
	USING width, low, high, points;
END $$;
CREATE FUNCTION gapfill_sql(source regclass, width int, low int, high int, points bool) RETURNS TABLE (b int, k int, x text, n bigint, first_v int,
	carried int, missing int, line bigint, line_8 numeric) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('
	SELECT time_bucket_gapfill($1, t, $2, $3), k, x, count(*), min(v), locf(min(v), 99), locf(min(v), 99, true),
		interpolate(min(v)::bigint, (-500, CASE WHEN $4 THEN 7 + k END::bigint), (500, CASE WHEN $4 THEN -33::bigint END)),
		interpolate(min(v)::float8, (-500, CASE WHEN $4 THEN 7 + k END::float8), (500, CASE WHEN $4 THEN -33::float8 END))::numeric
	FROM %s WHERE t >= $2 - 50 AND t < $3 + 50 GROUP BY 1, 2, 3', source) USING width, low, high, points;
END $$;
CREATE FUNCTION compare(rounds int, OUT queries int, OUT filled bigint, OUT differ bigint) LANGUAGE plpgsql AS $$
DECLARE
	width int;
	low int;
	high int;
	points bool;
	source regclass;
	added bigint;
	different bigint;
BEGIN
	queries = 0;
	filled = 0;
	differ = 0;
	FOR i IN 1..rounds LOOP
		width = 1 + floor(random() ^ 2 * 30);
		low = floor(random() * 300) - 150;
		high = low + floor(random() * 120) - 5;
		points = random() < 0.5;
		PERFORM set_config('enable_hashagg', (random() < 0.5)::text, true);
		FOREACH source IN ARRAY '{random_heap, random_tsdb}'::regclass[] LOOP
			SELECT count(*) FILTER (WHERE n IS NULL) INTO added FROM gapfill_sql(source, width, low, high, points);
			SELECT count(*) INTO different FROM (
				(SELECT b, k, x, n, first_v, carried, missing, line, round(line_8, 6) FROM gapfill_sql(source, width, low, high, points)
				EXCEPT ALL SELECT b, k, x, n, first_v, carried, missing, line, round(line_8, 6) FROM plain_sql('random_heap', width, low, high, points))
				UNION ALL
				(SELECT b, k, x, n, first_v, carried, missing, line, round(line_8, 6) FROM plain_sql('random_heap', width, low, high, points)
				EXCEPT ALL SELECT b, k, x, n, first_v, carried, missing, line, round(line_8, 6) FROM gapfill_sql(source, width, low, high, points))) d;
			IF different > 0 THEN
				RAISE INFO '%: width %, from % to %, points %: % rows differ', source, width, low, high, points, different;
			END IF;
			queries = queries + 1;
			filled = filled + added;
			differ = differ + different;
		END LOOP;
	END LOOP;
END $$;
CREATE FUNCTION grow(amount int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO random_heap SELECT floor(random() * 300) - 150, CASE WHEN random() < 0.9 THEN floor(random() * 3) END,
		CASE WHEN random() < 0.5 THEN 'x' WHEN random() < 0.8 THEN 'y' END, CASE WHEN random() < 0.8 THEN floor(random() * 1000) - 500 END
	FROM generate_series(1, amount);
	TRUNCATE random_tsdb;
$$;
SELECT grow(12);
INSERT INTO random_tsdb TABLE random_heap;
SELECT queries, filled > 500 AS filled, differ FROM compare(15);
SELECT grow(60);
INSERT INTO random_tsdb SELECT * FROM random_heap WHERE ctid < '(0,40)';
SELECT tsdb.compact('random_tsdb') > 0 AS compacted;
INSERT INTO random_tsdb SELECT * FROM random_heap WHERE ctid >= '(0,40)';
SELECT queries, filled > 500 AS filled, differ FROM compare(15);
DELETE FROM random_tsdb WHERE k = 1 AND t > 0;
DELETE FROM random_heap WHERE k = 1 AND t > 0;
UPDATE random_tsdb SET t = t + 1 WHERE k = 2;
UPDATE random_heap SET t = t + 1 WHERE k = 2;
SELECT queries, filled > 500 AS filled, differ FROM compare(15);

SET client_min_messages = warning;
DROP SCHEMA gapfill CASCADE;
