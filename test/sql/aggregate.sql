-- aggregation by columns: the same answers with and without, in workers, and as heap

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS tsdb;
LOAD 'tsdb';
RESET client_min_messages;
CREATE SCHEMA aggregate;
SET search_path = aggregate, public;
SET TIME ZONE 'Europe/Berlin';
SET datestyle = 'ISO, YMD';
SET jit = off;
SET max_parallel_workers_per_gather = 0;

-- four hosts, a row a minute over the day on which Berlin's clocks are set back and into winter;
-- floats are sums of powers of two, so that no order of additions shows
CREATE TABLE h (ts timestamptz, device int2, host text, code int4, big int8, usage float8, load float4,
	day date, local timestamp, ok bool, price numeric(10, 2), fixed char(6), zero float8, tick int8);
INSERT INTO h SELECT '2024-10-26 20:00+00'::timestamptz + (i / 4) * '1 min'::interval, i % 4, 'host' || i % 4,
	CASE WHEN i % 29 <> 0 THEN i - 4000 END,
	CASE WHEN i % 1000 = 0 THEN 9223372036854775807 WHEN i % 1000 = 1 THEN -9223372036854775808 ELSE i * 1e10 END,
	CASE WHEN i BETWEEN 3000 AND 3999 AND i % 13 = 0 THEN 'NaN' WHEN i BETWEEN 4000 AND 4999 AND i % 17 = 0 THEN 'Infinity'
		WHEN i % 19 = 0 THEN NULL ELSE i / 8.0 END,
	(i % 7) / 2.0, date '2024-10-26' + i / 3000, '2024-10-26 20:00'::timestamp + (i / 4) * '1 min'::interval,
	CASE i % 3 WHEN 0 THEN true WHEN 1 THEN i > 4000 END, i % 1000 / 7.0, 'f' || i % 4,
	CASE WHEN i % 2 = 0 THEN '-0' ELSE 0 END::float8, i / 4 * 60
	FROM generate_series(1, 8000) i;
CREATE TABLE m (LIKE h) USING tsdb;
SELECT tsdb.set_key('m', 'ts', '{device}');
INSERT INTO m SELECT * FROM h;
SELECT tsdb.compact('m');
-- rows in the row store, rows that are gone, a column that chunks do not have
ALTER TABLE h ADD COLUMN late int DEFAULT 7;
ALTER TABLE m ADD COLUMN late int DEFAULT 7;
INSERT INTO m SELECT * FROM h WHERE code BETWEEN 100 AND 140;
INSERT INTO h SELECT * FROM h WHERE code BETWEEN 100 AND 140;
INSERT INTO m (device, code) VALUES (9, 1), (9, NULL);
INSERT INTO h (device, code) VALUES (9, 1), (9, NULL);
INSERT INTO m (ts, device, usage) VALUES ('infinity', 1, 1), ('-infinity', 1, 2);
INSERT INTO h (ts, device, usage) VALUES ('infinity', 1, 1), ('-infinity', 1, 2);
DELETE FROM h WHERE code % 50 = 1;
DELETE FROM m WHERE code % 50 = 1;
UPDATE h SET usage = NULL, late = NULL WHERE code % 70 = 2 AND device = 2;
UPDATE m SET usage = NULL, late = NULL WHERE code % 70 = 2 AND device = 2;
ANALYZE h;
ANALYZE m;

-- rows of the answer, whether columns were aggregated, rows that differ from heap's answer: with aggregation by
-- columns, without it, in workers; and how many of the chunks had to be decoded
CREATE FUNCTION ask(query text, OUT answer int, OUT columns bool, OUT differ bigint, OUT without bigint,
	OUT parallel bigint, OUT chunks int, OUT decoded int) LANGUAGE plpgsql AS $$
DECLARE
	compare text;
	plan jsonb;
	scan jsonb;
BEGIN
	query := replace(query, '%', '%%');
	EXECUTE 'EXPLAIN (ANALYZE, FORMAT json) ' || format(replace(query, '$t', '%1$s'), 'm') INTO plan;
	answer := plan #>> '{0,Plan,Actual Rows}';
	scan := jsonb_path_query_first(plan, 'strict $.** ? (@."Custom Plan Provider" == "tsdb aggregate").Plans[0]');
	columns := scan IS NOT NULL;
	chunks := scan ->> 'Chunks';
	decoded := scan ->> 'Chunks Decoded';
	compare := format('SELECT count(*) FROM ((%1$s EXCEPT ALL %2$s) UNION ALL (%2$s EXCEPT ALL %1$s)) d',
		format(replace(query, '$t', '%1$s'), 'm'), format(replace(query, '$t', '%1$s'), 'h'));
	EXECUTE compare INTO differ;
	SET LOCAL tsdb.enable_aggregate = off;
	EXECUTE compare INTO without;
	SET LOCAL tsdb.enable_aggregate = on;
	SET LOCAL max_parallel_workers_per_gather = 2;
	SET LOCAL min_parallel_table_scan_size = 0;
	SET LOCAL parallel_setup_cost = 0;
	SET LOCAL parallel_tuple_cost = 0;
	EXECUTE compare INTO parallel;
	SET LOCAL max_parallel_workers_per_gather = 0;
END $$;

-- each function
SELECT query, a.* FROM unnest(ARRAY[
	'SELECT count(*) FROM $t',
	'SELECT count(*), count(ts), count(usage), count(price), count(late), count(host) FROM $t',
	'SELECT sum(device), sum(code), sum(big), sum(load), avg(device), avg(code), avg(big), avg(load) FROM $t',
	'SELECT sum(usage), avg(usage), stddev(usage), max(usage), min(usage) FROM $t',
	'SELECT sum(usage), avg(usage), round(stddev(usage)::numeric, 6), round(variance(usage)::numeric, 4) FROM $t WHERE ts < ''2024-10-27 01:00+00''',
	'SELECT round(stddev_pop(load)::numeric, 6), round(var_samp(load)::numeric, 6), avg(load), sum(load) FROM $t WHERE device < 3',
	'SELECT avg(usage) FROM $t WHERE ts < ''2024-10-27 01:00+00''',
	'SELECT min(device), max(device), min(code), max(code), min(big), max(big), min(load), max(load) FROM $t',
	'SELECT min(ts), max(ts), min(day), max(day), min(local), max(local) FROM $t',
	'SELECT bool_and(ok), bool_or(ok), every(ok) FROM $t',
	'SELECT min(ok::int), sum(code + 1) FROM $t',
	'SELECT sum(zero)::text, min(zero) = 0, avg(zero)::text FROM $t WHERE code % 2 = 0',
	'SELECT count(DISTINCT device), sum(code) FILTER (WHERE device = 1), max(price) FROM $t',
	'SELECT count(*), sum(code), max(usage), avg(big), min(ts), bool_or(ok) FROM $t WHERE device = 77',
	'SELECT count(*), sum(code), max(usage), avg(big), stddev(load) FROM $t WHERE false',
	'SELECT sum(big), avg(big) FROM $t WHERE big < -9000000000000000000',
	'SELECT sum(late), count(late), avg(late) FROM $t',
	'SELECT 1 FROM $t HAVING count(*) > 10',
	'SELECT count(*), sum(code) FROM $t WHERE device = 1 AND device = 2',
	'SELECT device, count(*) FROM $t WHERE current_setting(''work_mem'') = ''none'' GROUP BY device',
	'SELECT count(*) + 1, sum(code)::text || ''x'' FROM $t HAVING max(code) > 3'
]) query, ask(query) a;

-- filters: settled by statistics, by columns, row by row; arguments that are expressions; aggregates that keep a value
SELECT query, a.* FROM unnest(ARRAY[
	'SELECT device, sum(code) FILTER (WHERE device = 1), count(*) FILTER (WHERE device <> 2) FROM $t GROUP BY device',
	'SELECT sum(code) FILTER (WHERE device IN (1, 2)), count(*) FILTER (WHERE device = 77), count(*) FROM $t WHERE ts < ''infinity''',
	'SELECT device, avg(code) FILTER (WHERE code > 500 AND usage IS NOT NULL), max(ts) FILTER (WHERE ok) FROM $t GROUP BY device',
	'SELECT count(*) FILTER (WHERE usage > 100), max(usage) FILTER (WHERE usage < ''Infinity'') FROM $t WHERE code % 3 = 1',
	'SELECT count(usage) FILTER (WHERE host = ''host2'' OR code % 7 = 1), min(host) FILTER (WHERE NOT ok) FROM $t',
	'SELECT count(*) FILTER (WHERE code <> 0 AND 1000000 / code > 300) FROM $t',
	'SELECT count(*) FILTER (WHERE NULL), count(*) FILTER (WHERE false), count(*) FILTER (WHERE true) FROM $t',
	'SELECT date_trunc(''day'', ts), count(*) FILTER (WHERE late IS NULL), sum(late) FILTER (WHERE late = 7) FROM $t GROUP BY 1',
	'SELECT sum(code + 1), sum(code * 2) FILTER (WHERE code > 7), avg(usage * 2 + load), max(abs(code)), count(nullif(device, 2)) FROM $t WHERE ts < ''2024-10-27 01:00+00''',
	'SELECT device, sum(CASE WHEN ok THEN code END), sum(1), min(lower(host)), max(ts - local::timestamptz) FROM $t GROUP BY device',
	'SELECT sum(code::numeric), avg(code / 7.0), max(code::text), min(tick::float8), bool_or(code > 3) FROM $t',
	'SELECT sum(price), avg(price), min(price), max(price), count(price) FROM $t',
	'SELECT device, sum(price), avg(price), max(price + 1) FROM $t GROUP BY device',
	'SELECT min(host), max(host), min(fixed), max(fixed), min(host COLLATE "C") FROM $t',
	'SELECT device, min(host COLLATE "C"), max(host COLLATE "C") FROM $t GROUP BY device',
	'SELECT first(code, ts), last(code, ts), last(usage, ts)::text, first(host, ts), last(late, ts) FROM $t WHERE device = 2 AND code > 150',
	'SELECT device, last(tick, ts), first(tick, ts), last(price, ts), first(fixed, tick) FROM $t WHERE ts < ''infinity'' AND ts > ''-infinity'' GROUP BY device',
	'SELECT last(tick, ts), first(local, ts), last(ts, day + interval ''1 day'' * tick) FROM $t',
	'SELECT first(code, host || code) FILTER (WHERE code > 150), last(device, (ts, device)) FROM $t WHERE ts < ''infinity''',
	'SELECT last(code, zero) FROM $t WHERE code = 17',
	'SELECT first(code, ts), last(code, ts), sum(price), min(host) FROM $t WHERE device = 77',
	'SELECT host, device, count(*), sum(code) FILTER (WHERE tableoid IS NOT NULL) FROM $t GROUP BY 1, 2',
	'SELECT sum(code) FILTER (WHERE random() >= 0), count(*) FILTER (WHERE ctid IS NOT NULL) FROM $t',
	'SELECT max(code) FILTER (WHERE device = (SELECT 1)), sum(code + (SELECT 1)) FROM $t',
	'SELECT string_agg(host, '','' ORDER BY host) IS NULL, count(DISTINCT host) FROM $t'
]) query, ask(query) a;

-- groups
SELECT query, a.* FROM unnest(ARRAY[
	'SELECT device, count(*), sum(code), max(usage), avg(usage) FROM $t GROUP BY device',
	'SELECT host, count(*), sum(code) FROM $t GROUP BY host',
	'SELECT device FROM $t GROUP BY device',
	'SELECT device, host, min(ts), max(big) FROM $t GROUP BY host, device HAVING count(*) > 100',
	'SELECT ok, fixed, count(*), avg(code) FROM $t GROUP BY ok, fixed',
	'SELECT usage, count(*) FROM $t GROUP BY usage',
	'SELECT zero = 0, count(*) FROM $t GROUP BY zero',
	'SELECT late, count(*) FROM $t GROUP BY late',
	'SELECT price, count(*) FROM $t GROUP BY price',
	'SELECT device, count(*) FROM $t WHERE code > 0 AND ts < ''2024-10-27 20:00+00'' GROUP BY device',
	'SELECT device, count(*), sum(code) FROM $t WHERE host LIKE ''host_'' AND code % 3 = 0 OR ok GROUP BY device',
	'SELECT device, sum(code) FROM $t WHERE device = ANY (''{1,2}'') AND host IN (''host1'', ''host3'') GROUP BY device',
	'SELECT device, sum(code) FROM $t WHERE usage IS NULL GROUP BY device',
	'SELECT device, sum(code) FROM $t WHERE usage IS NOT NULL AND host = ''host2'' GROUP BY device',
	'SELECT device + 1, count(*) FROM $t GROUP BY 1',
	'SELECT device + code, count(*) FROM $t GROUP BY 1',
	'SELECT lower(host), count(*) FROM $t GROUP BY 1',
	'SELECT count(*) FROM (SELECT device, max(ts) FROM $t GROUP BY device) x',
	'SELECT x, y FROM (SELECT device AS x, row_number() OVER (ORDER BY device) AS y, count(*) FROM $t GROUP BY device) z'
]) query, ask(query) a;

-- buckets of time as people write them, across the hour that happens twice
SELECT key, a.* FROM unnest(ARRAY[
	'time_bucket(''1 hour'', ts)',
	'time_bucket(''7 min'', ts)',
	'time_bucket(''1 day'', ts)',
	'time_bucket(''1 month'', ts)',
	'time_bucket(''1 week'', ts, ''2024-01-01''::timestamptz)',
	'time_bucket(''1 hour'', ts, ''10 min''::interval)',
	'time_bucket(''1 day'', ts, ''Europe/Berlin'')',
	'time_bucket(''30 min'', ts, timezone => ''America/New_York'')',
	'time_bucket(''1 hour'', local)',
	'time_bucket(''1 day'', day)',
	'time_bucket(600, tick)',
	'date_trunc(''hour'', ts)',
	'date_trunc(''day'', ts)',
	'date_trunc(''week'', ts)',
	'date_trunc(''minute'', local)',
	'date_trunc(''day'', ts, ''Asia/Kolkata'')',
	'date_bin(''15 min'', ts, ''2001-01-01'')',
	'date_bin(''15 min'', local, ''2001-01-01'')',
	'ts::date',
	'ts::timestamp',
	'local::date',
	'ts AT TIME ZONE ''Europe/Berlin''',
	'floor(extract(epoch from ts) / 300) * 300',
	'(extract(epoch from ts)::bigint / 900) * 900',
	'floor(date_part(''epoch'', ts) / 300) * 300',
	'floor((extract(epoch from ts)) / ''300'') * ''300''',
	'to_timestamp(floor(date_part(''epoch'', ts) / 60) * 60)',
	'to_char(ts, ''HH24'')',
	'extract(hour from ts)',
	'extract(epoch from ts) / -300',
	'tick / 3600 * 3600',
	'tick / 7',
	'tick % 3600',
	'0 - tick'
]) key, ask(format('SELECT %1$s, count(*), sum(code), max(big), min(usage) FROM $t WHERE ts > ''-infinity'' AND ts < ''infinity'' GROUP BY 1', key)) a;
SELECT query, a.* FROM unnest(ARRAY[
	'SELECT time_bucket(''1 hour'', ts), device, count(*), sum(code) FROM $t GROUP BY 1, 2',
	'SELECT host, time_bucket(''1 hour'', ts), max(usage) FROM $t GROUP BY 2, 1',
	'SELECT date_trunc(''day'', ts), sum(code) FROM $t GROUP BY 1',
	'SELECT extract(epoch from ts), sum(code) FROM $t GROUP BY 1',
	'SELECT time_bucket(''1 hour'', ts), time_bucket(''1 day'', ts), count(*) FROM $t GROUP BY 1, 2',
	'SELECT time_bucket(''1 hour'', ts) + interval ''1 s'', count(*) FROM $t GROUP BY time_bucket(''1 hour'', ts)'
]) query, ask(query) a;

-- sums of floats out of statistics: negative zeros, NaN, infinities, nulls; only values that are too large, of
-- device 5, are decoded
CREATE SCHEMA sums;
SET search_path = sums, aggregate, public;
CREATE TABLE h (ts timestamptz, device int, v float8, r float4);
INSERT INTO h SELECT '2024-01-01'::timestamptz + i * '1 s'::interval, d, x, CASE d WHEN 5 THEN 2 ELSE x END
	FROM generate_series(1, 1000) i, generate_series(1, 8) d,
	LATERAL (SELECT CASE d WHEN 1 THEN '-0' WHEN 2 THEN CASE WHEN i % 300 = 0 THEN 'NaN' ELSE i::float8 END
		WHEN 3 THEN CASE WHEN i % 300 = 0 THEN 'Infinity' WHEN i % 301 = 0 THEN '-Infinity' ELSE i::float8 END
		WHEN 4 THEN CASE WHEN i > 900 THEN '-Infinity' ELSE i::float8 END WHEN 5 THEN power(2, 600)
		WHEN 6 THEN CASE WHEN i % 3 = 0 THEN i / 8.0 END WHEN 7 THEN -i / 16.0 END::float8) x(x);
CREATE TABLE m (LIKE h) USING tsdb;
SELECT tsdb.set_key('m', 'ts', '{device}');
INSERT INTO m SELECT * FROM h;
SELECT tsdb.compact('m');
ANALYZE h;
ANALYZE m;
SELECT query, a.* FROM unnest(ARRAY[
	'SELECT device, sum(v)::text, avg(v)::text, count(v), avg(r)::text FROM $t GROUP BY device',
	'SELECT device, sum(r)::text, round(stddev(r)::numeric, 6) FROM $t GROUP BY device',
	'SELECT sum(v), avg(v), avg(r) FROM $t WHERE device IN (1, 6, 7)',
	'SELECT sum(v), avg(v), avg(r) FROM $t WHERE device <> 5',
	'SELECT sum(v), avg(r) FROM $t WHERE device IN (3, 4)',
	'SELECT sum(v)::text, avg(v)::text FROM $t WHERE device = 1',
	'SELECT sum(v) FROM $t WHERE device IN (5, 6)'
]) query, ask(query) a;
SELECT count(*) FROM tsdb.verify('m', true);
-- rows that are gone are not in the sum
DELETE FROM h WHERE ts = '2024-01-01 00:00:30' AND device = 7;
DELETE FROM m WHERE ts = '2024-01-01 00:00:30' AND device = 7;
SELECT * FROM ask('SELECT sum(v), avg(v), avg(r) FROM $t WHERE device > 5');
SET search_path = aggregate, public;

-- more groups than memory has room for come in parts
SET work_mem = '64kB';
SET hash_mem_multiplier = 1;
SELECT * FROM ask('SELECT price, count(*), sum(usage), avg(big) FROM $t WHERE ts < ''2024-10-27'' GROUP BY 1');
DO $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, FORMAT json) SELECT price, count(*), sum(usage) FROM m GROUP BY 1' INTO plan;
	RAISE NOTICE 'groups: %, more of them in parts: %', plan #> '{0,Plan,Actual Rows}',
		(jsonb_path_query_first(plan, 'strict $.** ? (@."Custom Plan Provider" == "tsdb aggregate")."Actual Rows"')::int > 1001);
END $$;
RESET work_mem;
RESET hash_mem_multiplier;

-- errors are the server's: an overflow that no order hides, a bucket that is none
CREATE TABLE large (ts timestamptz, v float8) USING tsdb;
INSERT INTO large SELECT '2024-01-01'::timestamptz + i * '1 s'::interval, 1.5e308 FROM generate_series(1, 10) i;
SELECT tsdb.compact('large');
SELECT sum(v) FROM large;
SELECT avg(v) FROM large;
SELECT stddev(v) FROM large;
SELECT time_bucket('0 s', ts), count(*) FROM large GROUP BY 1;
UPDATE large SET v = -v WHERE extract(second from ts)::int % 2 = 0;
SELECT sum(v) FROM large;

-- prepared statements, parameters of outer rows, cursors, conditions behind a security barrier
PREPARE by_bucket(interval, int) AS SELECT time_bucket($1, ts) b, count(*) FROM m WHERE device = $2 AND ts < 'infinity' GROUP BY 1 ORDER BY 1 LIMIT 3;
SET plan_cache_mode = force_generic_plan;
EXECUTE by_bucket('1 hour', 1);
EXECUTE by_bucket('1 day', 2);
RESET plan_cache_mode;
SELECT d, c.* FROM generate_series(0, 4) d, LATERAL (SELECT count(*), max(code) FROM m WHERE device = d) c;
SELECT w, c.* FROM (VALUES ('1 hour'::interval), ('1 day')) v(w),
	LATERAL (SELECT count(*) FROM (SELECT time_bucket(w, ts), count(*) FROM m WHERE ts < 'infinity' GROUP BY 1) x) c;
-- filters and arguments that depend on outer rows, also by way of a subquery
SELECT d, (SELECT sum(code + d) FROM m) = (SELECT sum(code + d) FROM h) AS argument,
	(SELECT count(*) FILTER (WHERE code > d * 1000) FROM m) AS filtered,
	(SELECT count(*) FILTER (WHERE code > (SELECT max(i) FROM generate_series(1, d * 1000) i)) FROM m) AS subquery,
	(SELECT md5(string_agg(x::text, ',' ORDER BY x)) FROM (SELECT date_trunc('day', ts), max(code) FILTER (WHERE device < d),
		last(code * d, code) FROM m WHERE ts < 'infinity' GROUP BY 1) x) =
	(SELECT md5(string_agg(x::text, ',' ORDER BY x)) FROM (SELECT date_trunc('day', ts), max(code) FILTER (WHERE device < d),
		last(code * d, code) FROM h WHERE ts < 'infinity' GROUP BY 1) x) AS grouped
	FROM generate_series(0, 3) d;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT device, count(*) FROM m GROUP BY device ORDER BY device;
FETCH 2 FROM c;
FETCH BACKWARD 1 FROM c;
FETCH 3 FROM c;
COMMIT;
CREATE FUNCTION tell(int) RETURNS bool LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$;
CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM m WHERE code = 17;
SELECT device, count(*) FROM barrier WHERE tell(code) GROUP BY device;

-- what EXPLAIN shows: chunks of one group are not decoded
EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off)
	SELECT device, count(*), max(ts), sum(tick) FROM m WHERE ts < '2024-10-28' GROUP BY device;
EXPLAIN (VERBOSE, COSTS off) SELECT date_trunc('hour', ts) AS hour, avg(usage) FROM m WHERE device = 1 GROUP BY hour ORDER BY hour;
SET tsdb.enable_aggregate = off;
EXPLAIN (COSTS off) SELECT device, count(*) FROM m GROUP BY device;
RESET tsdb.enable_aggregate;

SET client_min_messages = warning;
DROP SCHEMA sums, aggregate CASCADE;
