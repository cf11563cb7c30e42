-- Aggregates of columns as the working set keeps them, in few bytes a row: the same answers as heap's, decoded and
-- from there, for numbers of every type, whole and not, and for those whose bits look like other numbers.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS tsdb;
LOAD 'tsdb';
RESET client_min_messages;
CREATE SCHEMA packed;
SET search_path = packed, public;
SET TIME ZONE 'UTC';
SET jit = off;
SET max_parallel_workers_per_gather = 0;

CREATE TABLE h (ts timestamptz NOT NULL, device int NOT NULL, tiny smallint, n int, big bigint, bits bigint, zero int,
	whole float8, cents float8, wild float8, same float8, negative float8, r real, day date, at timestamp, ok bool, gaps float8);
INSERT INTO h SELECT '2024-01-01'::timestamptz + i / 12 * interval '10 s', i % 12, i % 300 - 150, i * 1000 - 7000000,
	i * 10000000000 - 70000000000000, 4607182418800017408 + (i % 50) * 4503599627370496 * (1 - i % 2 * 2), 0,
	i % 101 - 50, (i % 10007 - 5000) / 100.0::float8, CASE i % 400 WHEN 1 THEN 'Infinity'::float8 WHEN 2 THEN -0.0 ELSE i / 7.0 END,
	1e300, CASE WHEN i < 9000 THEN -0.0 ELSE 0 END, i / 8.0, date '2024-01-01' + i % 500, '2024-01-01'::timestamp + i * interval '1 ms',
	i % 3 = 0, CASE WHEN i % 9 > 0 THEN i % 100 END
	FROM generate_series(1, 30000) i;
CREATE TABLE m (LIKE h) USING tsdb;
SELECT tsdb.set_key('m', 'ts', '{device}');
INSERT INTO m SELECT * FROM h;
SELECT tsdb.compact('m') IS NOT NULL AS compacted;
DELETE FROM h WHERE device = 5 AND whole = 7;
DELETE FROM m WHERE device = 5 AND whole = 7;

-- rows that differ, asked twice and without the cache: statistics do not tell, since groups divide chunks
CREATE FUNCTION differing(query text, OUT rows bigint, OUT first bigint, OUT again bigint, OUT uncached bigint)
LANGUAGE plpgsql AS $$
DECLARE
	compare text := format('SELECT count(*) FROM ((%1$s EXCEPT ALL %2$s) UNION ALL (%2$s EXCEPT ALL %1$s)) d',
		replace(query, '$t', 'm'), replace(query, '$t', 'h'));
BEGIN
	EXECUTE format('SELECT count(*) FROM (%s) x', replace(query, '$t', 'h')) INTO rows;
	EXECUTE compare INTO first;
	EXECUTE compare INTO again;
	SET LOCAL tsdb.enable_cache = off;
	EXECUTE compare INTO uncached;
	SET LOCAL tsdb.enable_cache = on;
END $$;
-- float8send tells 0 from -0; a sum of a million is exact if it is one of whole numbers
SELECT c AS "column", d.* FROM unnest('{tiny,n,big,bits,zero,whole,cents,wild,same,negative,r,day,at}'::text[]) c,
	differing(format('SELECT device, date_trunc(''hour'', ts) AS hour, min(%1$s)::text, max(%1$s)::text, count(%1$s) FROM $t GROUP BY 1, 2', c)) d;
SELECT c AS "column", d.* FROM unnest('{tiny,n,big,bits,zero,whole,gaps}'::text[]) c,
	differing(format('SELECT device, date_trunc(''hour'', ts) AS hour, sum(%1$s), avg(%1$s) FROM $t WHERE device < 9 GROUP BY 1, 2', c)) d;
SELECT d.* FROM differing('SELECT date_trunc(''minute'', ts) AS minute, float8send(max(whole)), float8send(min(negative)), float8send(sum(whole))
	FROM $t WHERE device IN (3, 5, 8) AND ts < ''2024-01-01 03:00'' GROUP BY 1') d;
-- a column that is used as it is kept, then needed with its values; an aggregate of some rows; expressions
SELECT d.* FROM unnest(ARRAY[
	'SELECT device, date_trunc(''hour'', ts) AS hour, max(whole), stddev(whole)::numeric(20, 9), min(whole), round(sum(cents)::numeric, 6) FROM $t GROUP BY 1, 2',
	'SELECT device, max(whole) FILTER (WHERE whole < 20), max(whole), min(n) FILTER (WHERE n % 2 = 0), min(n), max(whole * 2) FROM $t GROUP BY 1',
	'SELECT device, bool_and(ok), bool_or(ok), count(ok), max(gaps), min(gaps) FROM $t GROUP BY 1',
	'SELECT max(n), min(n), sum(n), sum(whole), avg(whole), max(bits), min(bits) FROM $t WHERE n > 0 AND whole < 3']) q, differing(q) d;

-- which series a chunk has is remembered of every column of the key, of strings and nulls too
CREATE TABLE hs (ts timestamptz NOT NULL, host text, port int, v int);
INSERT INTO hs SELECT '2024-01-01'::timestamptz + i / 40 * interval '10 s', nullif('host' || i % 20, 'host7'), nullif(i % 2, 1), i
	FROM generate_series(1, 20000) i;
CREATE TABLE ms (LIKE hs) USING tsdb;
SELECT tsdb.set_key('ms', 'ts', '{host,port}');
INSERT INTO ms SELECT * FROM hs;
SELECT tsdb.compact('ms') IS NOT NULL AS compacted;
SELECT q, d.* FROM unnest(ARRAY['host = ''host3''', 'host IN (''host4'', ''host5'', ''nobody'') AND port = 0', 'port = 0 AND v % 3 = 0', 'port IS NULL',
	'host = ''host3''', 'host IS NULL AND port IS NULL', 'host IN (''host4'', ''host9'') AND ts < ''2024-01-01 00:30''', 'host > ''host3''']) q,
	differing(format('SELECT * FROM $ts WHERE %s', q)) d;
-- of another type then, without a rewrite
ALTER TABLE hs ALTER host TYPE varchar;
ALTER TABLE ms ALTER host TYPE varchar;
SELECT q, d.* FROM unnest(ARRAY['host = ''host3''', 'host IN (''host4'', ''host5'', ''nobody'') AND port = 0']) q,
	differing(format('SELECT * FROM $ts WHERE %s', q)) d;

-- a directory of which hardly anything may be kept
SET tsdb.directory_cache_size = '16kB';
SELECT d.* FROM differing('SELECT device, count(*), max(n) FROM $t WHERE device IN (1, 7) GROUP BY 1') d;
SET tsdb.directory_cache_size = '0';
SELECT d.* FROM differing('SELECT device, count(*), max(n) FROM $t WHERE device IN (1, 7) GROUP BY 1') d;
RESET tsdb.directory_cache_size;
SELECT d.* FROM differing('SELECT device, count(*), max(n) FROM $t WHERE device IN (1, 7) GROUP BY 1') d;

SET client_min_messages = warning;
DROP SCHEMA packed CASCADE;
