-- Scans that go to the chunks they need, by order and by series: the same rows as heap, in the same order
\set ECHO errors
CREATE SCHEMA seek;
SET search_path = seek, public;
SET timezone = 'UTC';
SET max_parallel_workers_per_gather = 0;
CREATE TABLE h (ts timestamptz, device int NOT NULL, label text, v float8, n bigint);
CREATE TABLE t (LIKE h) USING tsdb;
SELECT tsdb.set_key('t', 'ts', '{device,label}');
CREATE TABLE devices (id int, name text);
INSERT INTO devices SELECT i, 'device ' || i FROM generate_series(1, 8) i;
INSERT INTO devices VALUES (NULL, 'none'), (99, 'unknown');
\set ECHO all

-- rows of chunks, late ones, and rows of the row store
CREATE FUNCTION fill(first int, last int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO seek.h SELECT '2024-01-01'::timestamptz + i / 7 * '10 s'::interval, i % 7 + 1, 'l' || i % 7 % 3,
		CASE i % 11 WHEN 0 THEN NULL WHEN 1 THEN 'NaN' ELSE (i * 7919 % 1000) / 8.0 END, i
	FROM generate_series(first, last) i;
	INSERT INTO seek.t SELECT * FROM seek.h WHERE n BETWEEN first AND last;
$$;
SELECT fill(1, 30000);
SELECT tsdb.compact('t') > 0 AS compacted;
SELECT fill(30001, 32000);
SELECT tsdb.compact('t') > 0 AS compacted;
INSERT INTO h VALUES (NULL, 3, 'none', 1, -1), ('-infinity', 4, 'x', 2, -2), ('infinity', 5, 'y', 3, -3);
INSERT INTO t VALUES (NULL, 3, 'none', 1, -1), ('-infinity', 4, 'x', 2, -2), ('infinity', 5, 'y', 3, -3);
SELECT tsdb.compact('t') > 0 AS compacted;
SELECT fill(32001, 32100);
DELETE FROM h WHERE n % 13 = 5;
DELETE FROM t WHERE n % 13 = 5;
UPDATE h SET v = -1 WHERE n % 1000 = 7;
UPDATE t SET v = -1 WHERE n % 1000 = 7;
ANALYZE h, t, devices;

-- What a plan is, without figures that vary.
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		RETURN NEXT line;
	END LOOP;
END $$;
-- Runs a query on both tables, with and without the scan; true if all answers are the same.
CREATE FUNCTION same(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	answers text[];
	answer text;
BEGIN
	FOR i IN 0..2 LOOP
		PERFORM set_config('tsdb.enable_seek', CASE i WHEN 2 THEN 'off' ELSE 'on' END, true);
		PERFORM set_config('enable_sort', CASE i WHEN 1 THEN 'off' ELSE 'on' END, true);
		EXECUTE format('SELECT string_agg(q::text, E''\n'') FROM (%s) q',
					   replace(query, '%t', CASE i WHEN 0 THEN 'seek.h' ELSE 'seek.t' END)) INTO answer;
		answers[i] := coalesce(answer, 'none');
	END LOOP;
	PERFORM set_config('tsdb.enable_seek', 'on', true);
	PERFORM set_config('enable_sort', 'on', true);
	RETURN answers[0] = answers[1] AND answers[0] = answers[2];
END $$;

-- in order
SELECT plan('SELECT * FROM t ORDER BY ts DESC LIMIT 3');
SELECT plan('SELECT * FROM t WHERE device = 3 ORDER BY ts NULLS FIRST, n DESC LIMIT 3');
SELECT plan('SELECT max(ts) FROM t');
-- where more chunks overlap than fit into memory, rows are sorted
SET work_mem = '64kB';
SELECT plan('SELECT v, n FROM t ORDER BY v DESC, n LIMIT 3');
SELECT plan('SELECT v FROM t WHERE n % 7 = 1 ORDER BY v DESC LIMIT 3');
SELECT plan('SELECT v FROM t ORDER BY v DESC LIMIT 3');
RESET work_mem;
SELECT query, same(query) FROM (VALUES
	('SELECT * FROM %t ORDER BY ts DESC, n LIMIT 40'),
	('SELECT * FROM %t ORDER BY ts DESC NULLS LAST, n LIMIT 40'),
	('SELECT * FROM %t ORDER BY ts, n LIMIT 40'),
	('SELECT * FROM %t ORDER BY ts NULLS FIRST, n LIMIT 40'),
	('SELECT * FROM %t ORDER BY ts NULLS FIRST, n DESC LIMIT 10 OFFSET 5000'),
	('SELECT * FROM %t ORDER BY v, n LIMIT 10'),
	('SELECT * FROM %t ORDER BY v DESC, n LIMIT 3000'),
	('SELECT * FROM %t ORDER BY v DESC NULLS LAST, ts DESC, n LIMIT 3000'),
	('SELECT * FROM %t ORDER BY n DESC LIMIT 10'),
	('SELECT ts FROM %t ORDER BY ts DESC LIMIT 400'),
	('SELECT v FROM %t ORDER BY v DESC LIMIT 4000'),
	('SELECT * FROM %t ORDER BY device, ts DESC, n LIMIT 5000'),
	('SELECT * FROM %t WHERE device = 3 ORDER BY ts DESC, n LIMIT 5'),
	('SELECT * FROM %t WHERE device = 3::bigint ORDER BY ts DESC, n LIMIT 5'),
	('SELECT * FROM %t WHERE device = 3000000000 ORDER BY ts DESC, n LIMIT 5'),
	('SELECT * FROM %t WHERE device = 3 AND ts < ''2024-01-01 03:00'' ORDER BY ts DESC, n LIMIT 5'),
	('SELECT * FROM %t WHERE device = 3 AND label = ''l2'' AND v > 100 ORDER BY ts DESC, n LIMIT 5'),
	('SELECT * FROM %t WHERE device = 77 ORDER BY ts DESC, n LIMIT 5'),
	('SELECT * FROM %t WHERE n % 5 = 2 AND v IS NULL ORDER BY ts DESC, n LIMIT 5'),
	('SELECT device, v FROM %t WHERE ts > ''2024-01-01 05:00'' ORDER BY n DESC LIMIT 5'),
	('SELECT min(ts), max(ts), min(n), max(n), max(v) FROM %t'),
	('SELECT max(n) FROM %t WHERE device = 2 AND ts < ''2024-01-01 05:00'''))
	AS queries(query);

-- the first row of each series
SELECT plan('SELECT DISTINCT ON (device) * FROM t ORDER BY device, ts DESC');
SELECT query, same(query) FROM (VALUES
	('select distinct on (device) * from %t order by device, ts desc nulls last, n'),
	('select distinct on (device) device, ts from %t order by device, ts desc'),
	('select distinct on (device) device, ts from %t order by device, ts'),
	('select distinct on (device) device, ts from %t order by device desc, ts'),
	('select distinct on (device) device, v from %t order by device desc, v desc'),
	('select distinct on (device) device, v from %t order by device desc, v'),
	('select distinct on (device) device, v, n from %t order by device desc, v nulls first, n'),
	('select distinct on (device) device, v, n from %t order by device desc, v desc nulls last, n'),
	('select distinct on (device, label) device, label, v, n from %t order by device, label, ts desc, n'),
	('select distinct on (label) device, label, v, n from %t order by label, ts desc, n'),
	('select distinct on (device) * from %t where v > 50 order by device, ts desc nulls last, n'),
	('select distinct on (device) * from %t where v > 50 and n % 3 = 1 order by device, ts desc nulls last, n'),
	('select distinct on (device) * from %t where ts < ''2024-01-01 05:00'' order by device, ts desc nulls last, n'),
	('select distinct on (device) * from %t where ts > ''2024-01-01 05:00'' order by device, ts, n'),
	('select distinct on (device) * from %t where device = 3 order by device, ts, n'),
	('select distinct on (device) device + 1, ts from %t order by device, ts desc, n limit 3'),
	('select d.id, x.* from devices d, lateral (select distinct on (device) * from %t where n > d.id * 1000 order by device, ts desc, n) x order by d.id, device'))
	AS queries(query);

-- by series, for each row of something else
SELECT plan('SELECT * FROM devices d, LATERAL (SELECT * FROM t WHERE device = d.id ORDER BY ts DESC LIMIT 1) l');
SELECT plan('SELECT * FROM devices d, LATERAL (SELECT count(*) FROM t WHERE device = d.id AND n % 2 = 0) l');
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT plan('SELECT * FROM devices d JOIN t ON t.device = d.id WHERE d.name = ''device 3''');
SELECT query, same(query) FROM (VALUES
	('SELECT * FROM devices d, LATERAL (SELECT * FROM %t WHERE device = d.id ORDER BY ts DESC, n LIMIT 2) l ORDER BY d.id, n'),
	('SELECT * FROM devices d LEFT JOIN LATERAL (SELECT * FROM %t WHERE device = d.id AND v > 50 ORDER BY ts, n LIMIT 2) l ON true ORDER BY d.id, n'),
	('SELECT d.*, (SELECT count(*) FROM %t WHERE device = d.id AND n % 2 = 0) FROM devices d ORDER BY id'),
	('SELECT d.*, (SELECT max(ts) FROM %t WHERE device = d.id) FROM devices d ORDER BY id'),
	('SELECT * FROM devices d JOIN %t x ON x.device = d.id WHERE d.name IN (''device 3'', ''none'') ORDER BY n'),
	('SELECT * FROM devices d LEFT JOIN %t x ON x.device = d.id AND x.v < d.id WHERE d.id > 2 OR d.id IS NULL ORDER BY d.id, n'),
	('SELECT o.at, l.* FROM (SELECT ''2024-01-01''::timestamptz + i * ''41 min''::interval AS at, i % 8 AS id FROM generate_series(-2, 30) i) o
		LEFT JOIN LATERAL (SELECT * FROM %t WHERE device = o.id AND ts <= o.at ORDER BY ts DESC, n LIMIT 1) l ON true ORDER BY at'),
	('SELECT * FROM devices d WHERE EXISTS (SELECT FROM %t WHERE device = d.id AND v = 99) ORDER BY id'))
	AS queries(query);
RESET enable_hashjoin;
RESET enable_mergejoin;

-- what else a scan must do: row locks, places of rows, cursors, prepared statements
BEGIN;
SELECT n FROM t WHERE device = 3 ORDER BY ts DESC, n LIMIT 2 FOR UPDATE;
SELECT count(*) FROM t WHERE ctid = (SELECT ctid FROM t WHERE device = 5 AND ts < 'infinity' ORDER BY ts DESC LIMIT 1);
SELECT tableoid::regclass, n FROM t WHERE device = 5 ORDER BY ts DESC, n LIMIT 2;
DELETE FROM t WHERE ctid = (SELECT ctid FROM t WHERE device = 5 AND ts < 'infinity' ORDER BY ts DESC LIMIT 1);
SELECT n FROM t WHERE device = 5 ORDER BY ts DESC, n LIMIT 2;
INSERT INTO t VALUES ('2025-01-01', 5, 'new', 0, 100000);
DECLARE c SCROLL CURSOR FOR SELECT n FROM t WHERE device = 5 ORDER BY ts DESC, n LIMIT 3;
FETCH 2 FROM c;
DELETE FROM t WHERE device = 5;
FETCH ALL FROM c;
FETCH BACKWARD ALL FROM c;
SELECT n FROM t WHERE device = 5 ORDER BY ts DESC LIMIT 2;
ROLLBACK;
PREPARE latest(int, int) AS SELECT n FROM t WHERE device = $1 ORDER BY ts DESC, n LIMIT $2;
SET plan_cache_mode = force_generic_plan;
EXECUTE latest(3, 2);
EXECUTE latest(NULL, 2);
EXECUTE latest(4, 1);
RESET plan_cache_mode;

-- chunks that do not fit into memory together are put aside; series that do not are all returned
SET enable_sort = off;
PREPARE by_value AS SELECT n FROM t ORDER BY v, n LIMIT 300;
PREPARE by_name AS SELECT n FROM t WHERE n % 10 = 3 ORDER BY v DESC NULLS LAST, label, ts, n LIMIT 300 OFFSET 100;
EXPLAIN (COSTS OFF) EXECUTE by_value;
EXPLAIN (COSTS OFF) EXECUTE by_name;
CREATE TABLE many (LIKE t);
CREATE TABLE many_t (LIKE t) USING tsdb;
SELECT tsdb.set_key('many_t', 'ts', '{device}');
INSERT INTO many SELECT '2024-01-01'::timestamptz + i / 2000 * '1 s'::interval, i % 2000, NULL, i % 3, i FROM generate_series(1, 10000) i;
INSERT INTO many_t SELECT * FROM many;
SELECT tsdb.compact('many_t') > 0 AS compacted;
INSERT INTO many_t SELECT ts, device, 'late', v, -n FROM many WHERE n <= 3000;
INSERT INTO many SELECT ts, device, 'late', v, -n FROM many WHERE n <= 3000;
ANALYZE many, many_t;
PREPARE firsts AS SELECT DISTINCT ON (device) * FROM many_t ORDER BY device, ts DESC, n;
EXPLAIN (COSTS OFF) EXECUTE firsts;
SET work_mem = '64kB';
SET hash_mem_multiplier = 1;
CREATE TEMP TABLE answers AS EXECUTE by_value;
SELECT (SELECT array_agg(n) FROM answers) = (SELECT array_agg(n) FROM (SELECT n FROM h ORDER BY v, n LIMIT 300) q) AS same;
DROP TABLE answers;
CREATE TEMP TABLE answers AS EXECUTE by_name;
SELECT (SELECT array_agg(n) FROM answers) = (SELECT array_agg(n) FROM
	(SELECT n FROM h WHERE n % 10 = 3 ORDER BY v DESC NULLS LAST, label, ts, n LIMIT 300 OFFSET 100) q) AS same;
DROP TABLE answers;
CREATE TEMP TABLE answers AS EXECUTE firsts;
SELECT count(*), (SELECT array_agg(a) FROM answers a) = (SELECT array_agg(q::text::answers) FROM
	(SELECT DISTINCT ON (device) * FROM many ORDER BY device, ts DESC, n) q) AS same FROM answers;
RESET work_mem;
RESET hash_mem_multiplier;
BEGIN;
DECLARE c CURSOR FOR SELECT n FROM t ORDER BY v, n LIMIT 300;
SET LOCAL work_mem = '64kB';
FETCH 2 FROM c;
SELECT sum(total_bytes) < 1000000 AS little FROM pg_backend_memory_contexts WHERE name LIKE 'tsdb chunk%';
COMMIT;
DROP TABLE answers, many, many_t;
DEALLOCATE ALL;
RESET enable_sort;

-- partitions, of which some are heap tables
CREATE TABLE parts (LIKE h) PARTITION BY RANGE (n);
CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (10000) USING tsdb;
CREATE TABLE parts_mid PARTITION OF parts FOR VALUES FROM (10000) TO (20000);
CREATE TABLE parts_high PARTITION OF parts FOR VALUES FROM (20000) TO (MAXVALUE) USING tsdb;
INSERT INTO parts SELECT * FROM h;
SELECT tsdb.compact('parts_low') + tsdb.compact('parts_high') > 0 AS compacted;
CREATE INDEX ON parts_mid (ts);
ANALYZE parts;
SELECT plan('SELECT * FROM parts ORDER BY ts LIMIT 3');
SELECT (SELECT array_agg(q.n) FROM (SELECT n FROM parts ORDER BY ts, n LIMIT 500) q) = (SELECT array_agg(q.n) FROM (SELECT n FROM h ORDER BY ts, n LIMIT 500) q) AS same,
	(SELECT array_agg(q.n) FROM (SELECT n FROM parts WHERE device = 4 ORDER BY ts DESC, n LIMIT 500) q) = (SELECT array_agg(q.n) FROM (SELECT n FROM h WHERE device = 4 ORDER BY ts DESC, n LIMIT 500) q) AS same_of_one;
DROP TABLE parts;

-- chunks that may be damaged are read as a table scan reads them
PREPARE newest AS SELECT n FROM t ORDER BY ts DESC NULLS LAST, n LIMIT 2;
EXECUTE newest;
SET tsdb.damaged_chunks = 'skip';
EXECUTE newest;
RESET tsdb.damaged_chunks;

-- row-level security and functions that tell
CREATE ROLE seek_user;
GRANT USAGE ON SCHEMA seek TO seek_user;
GRANT SELECT ON t TO seek_user;
CREATE POLICY own ON t USING (device = 2);
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE FUNCTION tell(bigint) RETURNS boolean COST 0.0001 LANGUAGE plpgsql AS $$ BEGIN IF $1 < 40 THEN RAISE NOTICE 'saw %', $1; END IF; RETURN true; END $$;
SET ROLE seek_user;
SELECT n FROM t WHERE tell(n) ORDER BY ts, n LIMIT 3;
SELECT n FROM t WHERE device = 3 ORDER BY ts LIMIT 3;
RESET ROLE;
DROP SCHEMA seek CASCADE;
DROP ROLE seek_user;
