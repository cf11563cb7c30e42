-- the newest rows of series, asked again and again in one session while the table changes: always as heap

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS tsdb;
LOAD 'tsdb';
RESET client_min_messages;
CREATE SCHEMA latest;
SET search_path = latest, public;
SET TIME ZONE 'UTC';
SET jit = off;
SET max_parallel_workers_per_gather = 0;
SET client_min_messages = warning;

CREATE TABLE tags (id int PRIMARY KEY, name text) USING heap;
INSERT INTO tags SELECT i, 'host' || i FROM generate_series(-1, 31) i;
CREATE TABLE h (ts timestamptz NOT NULL, k int, v float8, n int, day date, word text) USING heap;
CREATE INDEX ON h (k, ts);
CREATE TABLE m (LIKE h) USING tsdb;
SELECT tsdb.set_key('m', 'ts', '{k}');
-- series of all lengths: chunks of one, of a few and of many
CREATE PROCEDURE add_rows(first int, last int) LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO h (ts, k, v, n, day) SELECT '2024-01-01'::timestamptz + i * interval '1 s', k, CASE WHEN (i + k) % 5 > 0 THEN i / 4.0 END, i,
		date '2024-01-01' + i
	FROM generate_series(first, last) i, generate_series(0, 30) k WHERE i % (k * k / 4 + 1) = 0;
	INSERT INTO m SELECT * FROM h WHERE n BETWEEN first AND last ORDER BY n;
	COMMIT;
	PERFORM tsdb.compact('m');
	COMMIT;
END $$;
CALL add_rows(1, 3000);
ANALYZE m;
ANALYZE h;
ANALYZE tags;

-- questions whose answers differ from heap's: each is asked of tsdb twice
CREATE FUNCTION ask(OUT questions int, OUT wrong text[], OUT seeks int) LANGUAGE plpgsql AS $$
DECLARE
	asked text[] := ARRAY[
		'SELECT t.id, l.* FROM tags t CROSS JOIN LATERAL (SELECT * FROM %s c WHERE c.k = t.id ORDER BY ts DESC LIMIT 1) l',
		'SELECT t.id, l.* FROM tags t CROSS JOIN LATERAL (SELECT ts, v FROM %s c WHERE c.k = t.id ORDER BY ts DESC LIMIT 1) l',
		'SELECT t.id, l.* FROM tags t CROSS JOIN LATERAL (SELECT ts, v, n FROM %s c WHERE c.k = t.id ORDER BY ts DESC LIMIT 1) l',
		'SELECT t.id, l.* FROM tags t CROSS JOIN LATERAL (SELECT ts, n FROM %s c WHERE c.k = t.id ORDER BY ts LIMIT 1) l',
		'SELECT t.id, l.* FROM tags t CROSS JOIN LATERAL (SELECT v, n FROM %s c WHERE c.k = t.id ORDER BY ts DESC LIMIT 3) l',
		'SELECT t.id, l.* FROM tags t CROSS JOIN LATERAL (SELECT n, day FROM %s c WHERE c.k = t.id ORDER BY ts OFFSET 2 LIMIT 130) l',
		'SELECT t.id, l.* FROM tags t CROSS JOIN LATERAL (SELECT n, v FROM %s c WHERE c.k = t.id AND v > 100 ORDER BY ts DESC LIMIT 1) l',
		'SELECT t.id, l.* FROM tags t CROSS JOIN LATERAL (SELECT n, v FROM %s c WHERE c.k = t.id AND c.k > 3 ORDER BY ts DESC LIMIT 1) l',
		'SELECT t.id, (SELECT n FROM %s c WHERE c.k = t.id AND ts < ''2024-01-01 00:30'' ORDER BY ts DESC LIMIT 1) FROM tags t',
		'SELECT t.id, l.* FROM tags t CROSS JOIN LATERAL (SELECT n, day FROM %s c WHERE c.k = t.id ORDER BY day DESC LIMIT 1) l',
		'SELECT t.id, l.* FROM tags t LEFT JOIN LATERAL (SELECT ts, word FROM %s c WHERE c.k = t.id::bigint ORDER BY ts DESC LIMIT 1) l ON true',
		'SELECT * FROM (SELECT * FROM %s WHERE k = 7 ORDER BY ts DESC LIMIT 1) x'];
	q text;
	heap text;
	answer text;
	plan json;
BEGIN
	questions := array_length(asked, 1);
	wrong := '{}';
	seeks := 0;
	FOREACH q IN ARRAY asked LOOP
		PERFORM set_config('enable_seqscan', 'off', true);
		EXECUTE format('SELECT string_agg(x::text, '' '' ORDER BY x::text) FROM (%s) x', format(q, 'h')) INTO heap;
		PERFORM set_config('enable_seqscan', 'off', true);
		FOR i IN 1 .. 2 LOOP
			EXECUTE format('SELECT string_agg(x::text, '' '' ORDER BY x::text) FROM (%s) x', format(q, 'm')) INTO answer;
			IF answer IS DISTINCT FROM heap THEN
				wrong := wrong || format('%s: %s', i, q);
			END IF;
		END LOOP;
		EXECUTE 'EXPLAIN (COSTS off, FORMAT json) ' || format(q, 'm') INTO plan;
		PERFORM set_config('enable_seqscan', 'on', true);
		seeks := seeks + (plan::text LIKE '%tsdb seek%')::int;
	END LOOP;
END $$;
SELECT * FROM ask();
-- what was found is remembered: no chunk is decoded for it again
CREATE FUNCTION decoded(query text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	SET LOCAL enable_seqscan = off;
	EXECUTE 'EXPLAIN (ANALYZE, FORMAT json) ' || query INTO plan;
	RETURN substring(plan::text FROM '"Chunks Decoded": (\d+)')::int;
END $$;
SELECT decoded(query) > 0 AS once, decoded(query) AS again FROM (VALUES
	('SELECT l.* FROM tags t CROSS JOIN LATERAL (SELECT day, v, k FROM m WHERE k = t.id ORDER BY ts LIMIT 1) l')) q (query);

-- newer rows in the row store, then in chunks, then merged; late ones
INSERT INTO h SELECT '2024-01-01 01:00', k, k, 9000 + k, '2030-01-01', 'new' FROM generate_series(0, 30, 3) k;
INSERT INTO m SELECT * FROM h WHERE n >= 9000;
SELECT * FROM ask();
CALL add_rows(4001, 4300);
SELECT * FROM ask();
INSERT INTO h SELECT '2023-12-31', k, NULL, 8000 + k, '2020-01-01', 'late' FROM generate_series(0, 30, 4) k;
INSERT INTO m SELECT * FROM h WHERE n BETWEEN 8000 AND 8999;
SELECT tsdb.compact('m') > 0;
SELECT * FROM ask();
-- the newest rows are deleted, locked, updated: not in all snapshots
BEGIN;
SELECT * FROM ask();
DELETE FROM h x WHERE ts = (SELECT max(ts) FROM h y WHERE y.k = x.k) AND k % 2 = 0;
DELETE FROM m x WHERE ts = (SELECT max(ts) FROM m y WHERE y.k = x.k) AND k % 2 = 0;
SELECT * FROM ask();
ROLLBACK;
SELECT * FROM ask();
DELETE FROM h x WHERE ts = (SELECT max(ts) FROM h y WHERE y.k = x.k) AND k % 2 = 1;
DELETE FROM m x WHERE ts = (SELECT max(ts) FROM m y WHERE y.k = x.k) AND k % 2 = 1;
SELECT * FROM ask();
UPDATE h x SET v = -5, n = 7000 + k WHERE ts = (SELECT max(ts) FROM h y WHERE y.k = x.k) AND k % 5 = 1;
UPDATE m x SET v = -5, n = 7000 + k WHERE ts = (SELECT max(ts) FROM m y WHERE y.k = x.k) AND k % 5 = 1;
SELECT * FROM ask();
SELECT tsdb.compact('m') IS NOT NULL;
VACUUM m;
SELECT * FROM ask();
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT * FROM ask();
COMMIT;
-- a cursor keeps what it saw
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT t.id, l.n FROM tags t CROSS JOIN LATERAL (SELECT n FROM m WHERE m.k = t.id ORDER BY ts DESC LIMIT 2) l ORDER BY id, n;
DECLARE d CURSOR FOR SELECT n, ts FROM m WHERE k = 3 ORDER BY ts DESC LIMIT 300;
FETCH 3 FROM c;
FETCH 2 FROM d;
DELETE FROM m WHERE k < 4;
FETCH 3 FROM c;
FETCH 2 FROM d;
FETCH ABSOLUTE 1 FROM c;
ROLLBACK;
-- other columns and types than those that were remembered
ALTER TABLE h ADD COLUMN late int DEFAULT 5, DROP COLUMN word, ADD COLUMN word int;
ALTER TABLE m ADD COLUMN late int DEFAULT 5, DROP COLUMN word, ADD COLUMN word int;
SELECT * FROM ask();
ALTER TABLE h ALTER n TYPE oid, ALTER v TYPE float4;
ALTER TABLE m ALTER n TYPE oid, ALTER v TYPE float4;
SELECT * FROM ask();
TRUNCATE h, m;
CALL add_rows(1, 1500);
SELECT * FROM ask();
-- little memory for directories, none
SET tsdb.directory_cache_size = 16;
SELECT * FROM ask();
SET tsdb.directory_cache_size = 0;
SELECT * FROM ask();
RESET tsdb.directory_cache_size;
-- chunks that do not fit into memory all at once
SET work_mem = 64;
SELECT n, k FROM (SELECT * FROM m WHERE k = 5 ORDER BY ts DESC LIMIT 400) x ORDER BY n LIMIT 2;
SELECT * FROM ask();
RESET work_mem;
-- unlogged
ALTER TABLE m SET UNLOGGED;
SELECT tsdb.compact('m') >= 0;
SELECT * FROM ask();

DROP SCHEMA latest CASCADE;
