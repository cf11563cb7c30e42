-- scans that read the columns that are needed: the same answers with and without, and as heap

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS tsdb;
LOAD 'tsdb';
RESET client_min_messages;
CREATE SCHEMA scan;
SET search_path = scan, public;
SET TIME ZONE 'UTC';
SET datestyle = 'ISO, YMD';
SET jit = off;
SET max_parallel_workers_per_gather = 0;

CREATE DOMAIN label AS text COLLATE "en-x-icu";
CREATE TABLE h (ts timestamptz, device int2, code int4, big int8, usage float8, load float4, day date,
	price numeric(10, 2), host text, tag varchar(8), fixed char(6), raw bytea, id uuid, seen time,
	on_off bool, domained label, gone int);
INSERT INTO h SELECT '2024-01-01 00:00+00'::timestamptz + i * '1 min'::interval, i % 5, i - 4000, i * 1e10,
	CASE WHEN i % 13 = 0 THEN 'NaN' WHEN i % 17 = 0 THEN '-Infinity' WHEN i % 19 = 0 THEN NULL ELSE i / 8.0 END,
	(i % 7) / 2.0, date '2024-01-01' + i / 100, i % 1000 / 7.0, 'host' || i % 11,
	CASE WHEN i > 4000 THEN 'v' || i % 3 END, 'f' || i % 4, decode(lpad(to_hex(i), 6, '0'), 'hex'),
	md5(i::text)::uuid, time '00:00' + i * interval '1 s', i % 2 = 0,
	CASE i % 4 WHEN 0 THEN 'a' WHEN 1 THEN 'B' WHEN 2 THEN 'é' ELSE 'z' END, i
	FROM generate_series(1, 8000) i;
CREATE TABLE m (LIKE h) USING tsdb;
SELECT tsdb.set_key('m', 'ts', '{device}');
INSERT INTO m SELECT * FROM h;
SELECT tsdb.compact('m');
-- columns that chunks do not have, rows in the row store, rows that are gone
ALTER TABLE h DROP COLUMN gone, ADD COLUMN late int DEFAULT 7;
ALTER TABLE m DROP COLUMN gone, ADD COLUMN late int DEFAULT 7;
INSERT INTO m SELECT * FROM h WHERE code BETWEEN 100 AND 140;
INSERT INTO h SELECT * FROM h WHERE code BETWEEN 100 AND 140;
DELETE FROM h WHERE code % 50 = 1;
DELETE FROM m WHERE code % 50 = 1;
UPDATE h SET usage = NULL, late = NULL WHERE code % 70 = 2;
UPDATE m SET usage = NULL, late = NULL WHERE code % 70 = 2;
ANALYZE h;
ANALYZE m;

-- rows that differ between heap and tsdb, with and without these scans; and how many chunks were
-- left out by their statistics, or had no matching row
CREATE FUNCTION ask(condition text, OUT rows int, OUT differ bigint, OUT without bigint,
	OUT chunks int, OUT pruned int, OUT filtered int) LANGUAGE plpgsql AS $$
DECLARE
	query text := 'SELECT ts, device, code, usage, host, domained, late, x::text FROM %s x WHERE ' || replace(condition, '%', '%%');
	plan json;
BEGIN
	SET LOCAL tsdb.enable_scan = on;
	EXECUTE 'EXPLAIN (ANALYZE, FORMAT json) ' || format(query, 'm') INTO plan;
	plan := plan -> 0 -> 'Plan';
	rows := plan ->> 'Actual Rows';
	chunks := plan ->> 'Chunks';
	pruned := plan ->> 'Chunks Pruned';
	filtered := plan ->> 'Chunks Filtered';
	query := format('SELECT count(*) FROM ((%1$s EXCEPT ALL %2$s) UNION ALL (%2$s EXCEPT ALL %1$s)) d',
		format(query, 'm'), format(query, 'h'));
	EXECUTE query INTO differ;
	SET LOCAL tsdb.enable_scan = off;
	EXECUTE query INTO without;
END $$;
SELECT condition, a.* FROM unnest(ARRAY[
	'true',
	'device = 3',
	'device = 9',
	'3 = device',
	'device = 3::int8',
	'device < 1 AND ts >= ''2024-01-03''',
	'ts BETWEEN ''2024-01-02'' AND ''2024-01-02 00:20''',
	'ts > date ''2024-01-06''',
	'ts < timestamp ''2024-01-01 00:05''',
	'ts > (SELECT max(ts) - interval ''10 min'' FROM h)',
	'code = ANY (''{1,2,3}'')',
	'code = ANY (''{}'')',
	'code = ANY (NULL::int[])',
	'code = ANY (ARRAY[NULL, 5])',
	'code IN (-3999, 4000, 9999)',
	'code <> 5 AND code > 3990',
	'code = NULL',
	'big >= 79990000000000',
	'usage > 990',
	'usage >= ''NaN''',
	'usage = ''-Infinity''',
	'usage < ''-Infinity''',
	'usage IS NULL',
	'usage IS NOT NULL AND code < -3990',
	'load = 1.5',
	'load = 1.5::float8 AND load > 1.4::float4',
	'day = ''2024-01-09''',
	'price > 142.8',
	'host = ''host3''',
	'host = ''nobody''',
	'host = current_user',
	'host = ''host3''::name',
	'host = ANY (''{host1,host2}'') AND code > 3900',
	'host < ''host1''',
	'host COLLATE "C" = ''zzz''',
	'tag = ''v1''',
	'tag IS NULL',
	'fixed = ''f1''',
	'fixed = ''f1  ''',
	'raw >= ''\x001f3f''',
	'id = md5(''77'')::uuid',
	'seen < ''00:00:09''',
	'on_off AND code > 3990',
	'on_off = false AND code > 3990',
	'domained > ''z''',
	'domained = ''é'' AND code > 3900',
	'late = 7 AND code > 3990',
	'late IS NULL',
	'late = 8',
	'code % 100 = 3 AND ts < ''2024-01-01 10:00''',
	'ts < ''2024-01-01 10:00'' OR code = 4000',
	'row(device, ts) > row(3::int2, ''2024-01-06 12:00''::timestamptz)',
	'code = (random() * 0)::int + 17',
	'host LIKE ''host1%'' AND code > 3950']) condition, ask(condition) a;

-- what EXPLAIN shows
EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) SELECT avg(usage) FROM m WHERE device = 2 AND ts < '2024-01-02';
EXPLAIN (VERBOSE, COSTS off) SELECT count(*) FROM m WHERE now() > ts;
-- system columns of a stored tuple take a sequential scan
EXPLAIN (COSTS off) SELECT xmin, code FROM m;
SELECT count(DISTINCT ctid), count(DISTINCT tableoid) FROM m WHERE code > 3000;

-- parameters, also of an outer row, and rescans
PREPARE since (timestamptz) AS SELECT count(*) FROM m WHERE ts >= $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE since ('2024-01-06 13:00');
EXECUTE since ('2024-01-05 13:00');
EXECUTE since (NULL);
RESET plan_cache_mode;
SELECT d, (SELECT count(*) FROM m WHERE device = d AND ts > '2024-01-06') AS m,
	(SELECT count(*) FROM h WHERE device = d AND ts > '2024-01-06') AS h FROM generate_series(0, 5) d;
SELECT d, l.* FROM generate_series(1, 3) d,
	LATERAL (SELECT code + d AS code FROM m WHERE device = d ORDER BY ts DESC LIMIT 2) l ORDER BY 1, 2;

-- cursors
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT code FROM m WHERE device = 1 AND ts < '2024-01-01 00:30';
FETCH 3 c;
FETCH BACKWARD 2 c;
FETCH LAST c;
CLOSE c;
DECLARE u CURSOR FOR SELECT * FROM m WHERE code = 3999 FOR UPDATE;
FETCH u;
UPDATE m SET late = 70 WHERE CURRENT OF u RETURNING code, late;
CLOSE u;
DECLARE v CURSOR FOR SELECT code FROM m WHERE code = 3998;
FETCH v;
DELETE FROM m WHERE CURRENT OF v RETURNING code;
ROLLBACK;

-- in parallel
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS off) SELECT sum(code), count(*) FROM m WHERE device = 3;
SELECT sum(code), count(*) FROM m WHERE device = 3;
SELECT sum(code), count(*) FROM h WHERE device = 3;
SET max_parallel_workers_per_gather = 0;

-- a condition that is not leakproof is not asked before those that hide rows
CREATE ROLE regress_tsdb_reader;
GRANT USAGE ON SCHEMA scan TO regress_tsdb_reader;
GRANT SELECT ON m TO regress_tsdb_reader;
ALTER TABLE m ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON m TO regress_tsdb_reader USING (code > 3990);
SET ROLE regress_tsdb_reader;
EXPLAIN (COSTS off) SELECT code FROM m WHERE host = 'host1' AND price > 3 AND device = 1;
SELECT count(*) FROM m WHERE host = 'host1' AND price > 3;
RESET ROLE;
DROP SCHEMA scan CASCADE;
DROP ROLE regress_tsdb_reader;
