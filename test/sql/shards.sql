-- chunks of other shards than a series belongs in are left out, and no others

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS tsdb;
LOAD 'tsdb';
RESET client_min_messages;
CREATE SCHEMA shards;
SET search_path = shards, public;
SET TIME ZONE 'UTC';
SET jit = off;
SET max_parallel_workers_per_gather = 0;
SET client_min_messages = warning;

-- chunks of a query on m that were not left out, and whether its rows are those of h, with and without
CREATE FUNCTION ask(condition text, OUT rows bigint, OUT chunks int, OUT left_in int, OUT same bool)
LANGUAGE plpgsql AS $$
DECLARE
	query text := 'SELECT x::text FROM %s x WHERE ' || replace(condition, '%', '%%');
	plan json;
	differ bigint;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, FORMAT json) ' || format(query, 'm') INTO plan;
	plan := plan -> 0 -> 'Plan';
	chunks := plan ->> 'Chunks';
	left_in := chunks - (plan ->> 'Chunks Pruned')::int;
	EXECUTE 'SELECT count(*) FROM m x WHERE ' || condition INTO rows;
	query := format('SELECT count(*) FROM ((%1$s EXCEPT ALL %2$s) UNION ALL (%2$s EXCEPT ALL %1$s)) d',
		format(query, 'm'), format(query, 'h'));
	EXECUTE query INTO differ;
	same := differ = 0;
	SET LOCAL tsdb.enable_scan = off;
	EXECUTE query INTO differ;
	same := same AND differ = 0;
	SET LOCAL tsdb.enable_scan = on;
END $$;
CREATE PROCEDURE fill(columns text, key text, value text) LANGUAGE plpgsql AS $$
BEGIN
	DROP TABLE IF EXISTS h, m;
	EXECUTE format('CREATE TABLE h (ts timestamptz, i int, %s) USING heap', columns);
	EXECUTE format('INSERT INTO h SELECT ''2024-01-01''::timestamptz + i / 40 * interval ''1 s'', i, %s
		FROM generate_series(1, 4000) i', value);
	CREATE TABLE m (LIKE h) USING tsdb;
	PERFORM tsdb.set_key('m', 'ts', key::text[]);
	INSERT INTO m SELECT * FROM h ORDER BY i;
	COMMIT;
	PERFORM tsdb.compact('m');
	ANALYZE m;
	ANALYZE h;
END $$;

-- integers of all widths; 40 devices are in all of the shards, each chunk has a wide range of them
CALL fill('k int', '{k}', 'i * 7919 % 40');
SELECT condition, a.* FROM unnest(ARRAY['true', 'k = 7', 'k = 7::int8', 'k = 7::int2', '7 = k', 'k = 99', 'k = 5000000000',
	'k = ANY (''{7,8}'')', 'k = ANY (''{7,7,NULL}'')', 'k = ANY (''{5000000000,7}''::int8[])', 'k = ANY (''{}'')',
	'k IN (SELECT 9)', 'k = (SELECT min(k) + 3 FROM h)', 'k = 7 OR k = 8', 'k = 7 AND k = 8', 'k = 7 AND ts > ''2024-01-01 00:01''',
	'k = 7.0', 'k > 38', 'k IS NULL']) condition, ask(condition) a;
-- known only at run time: parameters, the other side of a join, a subquery for each row
SET plan_cache_mode = force_generic_plan;
PREPARE one(int) AS SELECT count(*), sum(i) FROM m WHERE k = $1;
PREPARE more(int[]) AS SELECT count(*), sum(i) FROM m WHERE k = ANY ($1);
EXECUTE one(7);
EXECUTE one(8);
EXECUTE one(NULL);
EXECUTE more('{7,8}');
EXECUTE more('{9}');
RESET plan_cache_mode;
SELECT g, n, l, h.s = n FROM generate_series(-1, 41, 6) g,
	LATERAL (SELECT count(*) n FROM m WHERE k = g) c, LATERAL (SELECT count(*) s FROM h WHERE k = g) h,
	LATERAL (SELECT (SELECT i FROM m WHERE k = g ORDER BY ts DESC, i LIMIT 1) l) d ORDER BY g;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT count(*), sum(m.i) FROM generate_series(3, 40, 9) g JOIN m ON m.k = g;
SELECT count(*), sum(h.i) FROM generate_series(3, 40, 9) g JOIN h ON h.k = g;
RESET enable_hashjoin;
RESET enable_mergejoin;

-- other numbers of shards in one table, one of them none
SET tsdb.shards = 5;
INSERT INTO h SELECT ts + interval '1 h', i + 10000, k FROM h WHERE i < 2000;
INSERT INTO m SELECT * FROM h WHERE i > 10000;
SELECT tsdb.compact('m');
SET tsdb.shards = 1;
INSERT INTO h SELECT ts + interval '2 h', i + 20000, k FROM h WHERE i < 1000;
INSERT INTO m SELECT * FROM h WHERE i > 20000;
SELECT tsdb.compact('m');
SET tsdb.shards = 256;
INSERT INTO h SELECT ts + interval '3 h', i + 30000, k FROM h WHERE i < 1000;
INSERT INTO m SELECT * FROM h WHERE i > 30000;
SELECT tsdb.compact('m');
RESET tsdb.shards;
-- rows that are not compressed, and rows that are gone
INSERT INTO h SELECT ts + interval '4 h', i + 40000, k FROM h WHERE i < 200;
INSERT INTO m SELECT * FROM h WHERE i > 40000;
DELETE FROM h WHERE i % 17 = 3;
DELETE FROM m WHERE i % 17 = 3;
SELECT condition, a.* FROM unnest(ARRAY['k = 7', 'k = ANY (''{7,8}'')', 'k = 11']) condition, ask(condition) a;
SELECT count(*), bool_and(a.same) FROM generate_series(0, 40) k, ask('k = ' || k) a;
SELECT * FROM tsdb.verify('m');
-- merged, all are of one number of shards again
CREATE TABLE n (LIKE m) USING tsdb WITH (tsdb.series = 'k', tsdb.time = 'ts');
INSERT INTO n SELECT * FROM m ORDER BY i;
DROP TABLE m;
ALTER TABLE n RENAME TO m;
SELECT tsdb.compact('m');
SELECT count(*), bool_and(a.same) FROM generate_series(0, 40) k, ask('k = ' || k) a;
-- a change of type that rewrites nothing
ALTER TABLE m ALTER k TYPE oid;
ALTER TABLE h ALTER k TYPE oid;
SELECT condition, a.* FROM unnest(ARRAY['k = 7', 'k = 7::oid', 'k = ANY (''{7,8}''::oid[])']) condition, ask(condition) a;

-- strings
CALL fill('k varchar(20)', '{k}', '''host'' || i * 7919 % 40 || repeat('' '', i % 2)');
SELECT condition, a.* FROM unnest(ARRAY['k = ''host7''', 'k = ''host7 ''', 'k = ''host7''::text', 'k IN (''host7 '', ''host9'')',
	'k = ''host7'' COLLATE "C"', 'k = ''host7''::char(8)', 'k = ''host7''::name', 'k LIKE ''host7%''']) condition, ask(condition) a;
ALTER TABLE m ALTER k TYPE text;
ALTER TABLE h ALTER k TYPE text;
SELECT condition, a.* FROM unnest(ARRAY['k = ''host7''', 'k = ANY (''{host7,host9}'')']) condition, ask(condition) a;
-- trailing blanks that count no more
ALTER TABLE m ALTER k TYPE bpchar;
ALTER TABLE h ALTER k TYPE bpchar;
SELECT condition, rows, same FROM unnest(ARRAY['k = ''host7''', 'k = ''host7 ''', 'k = ANY (''{host7,host9}'')']) condition, ask(condition) a;
CALL fill('k char(12)', '{k}', '''host'' || i * 7919 % 40');
SELECT condition, rows, same FROM unnest(ARRAY['k = ''host7''', 'k = ''host7 ''', 'k = ''host7''::text']) condition, ask(condition) a;

-- a collation of which strings are equal that are not the same, before or after
CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CALL fill('k text', '{k}', 'CASE i % 2 WHEN 0 THEN ''host'' ELSE ''HOST'' END || i * 7919 % 40');
ALTER TABLE m ALTER k TYPE text COLLATE blind;
ALTER TABLE h ALTER k TYPE text COLLATE blind;
SELECT condition, rows, same FROM unnest(ARRAY['k = ''host7''', 'k = ''HOST7''', 'k = ''host7'' COLLATE "C"',
	'k = ANY (''{host7,host8}'')']) condition, ask(condition) a;
CALL fill('k text COLLATE blind', '{k}', 'CASE i % 2 WHEN 0 THEN ''host'' ELSE ''HOST'' END || i * 7919 % 40');
SELECT condition, rows, same FROM unnest(ARRAY['k = ''host7''', 'k = ''HOST7'' COLLATE "C"']) condition, ask(condition) a;
ALTER TABLE m ALTER k TYPE text COLLATE "C";
ALTER TABLE h ALTER k TYPE text COLLATE "C";
SELECT condition, rows, same FROM unnest(ARRAY['k = ''host7''', 'k = ''HOST7''', 'k = ANY (''{host8,HOST7}'')']) condition, ask(condition) a;

-- other types: some are hashed by what they are, some are not told apart
CALL fill('k uuid', '{k}', 'md5((i * 7919 % 40)::text)::uuid');
SELECT a.* FROM ask('k = md5(''7'')::uuid') a;
CALL fill('k bytea', '{k}', 'decode(md5((i * 7919 % 40)::text), ''hex'')');
SELECT a.* FROM ask('k = decode(md5(''7''), ''hex'')') a;
CALL fill('k date', '{k}', 'date ''2024-01-01'' + i * 7919 % 40');
SELECT condition, a.* FROM unnest(ARRAY['k = ''2024-01-08''', 'k = timestamp ''2024-01-08 00:00''', 'k = ''2024-01-08 00:00Z''::timestamptz']) condition,
	ask(condition) a;
CALL fill('k float8', '{k}', 'CASE i * 7919 % 40 WHEN 3 THEN ''-0'' WHEN 4 THEN 0 WHEN 5 THEN ''NaN''::float8 ELSE i * 7919 % 40 END');
SELECT condition, rows, same FROM unnest(ARRAY['k = 0', 'k = ''-0''', 'k = ''NaN''', 'k = 7', 'k = 7::float4']) condition, ask(condition) a;
CALL fill('k numeric', '{k}', 'CASE i % 2 WHEN 0 THEN i * 7919 % 40 ELSE (i * 7919 % 40)::numeric(9, 3) END');
SELECT condition, rows, same FROM unnest(ARRAY['k = 7', 'k = 7.000', 'k = 7::int']) condition, ask(condition) a;
CREATE DOMAIN label AS text;
CALL fill('k label', '{k}', '''host'' || i * 7919 % 40');
SELECT a.* FROM ask('k = ''host7''') a;

-- a key of two columns: both have to be given
CALL fill('k int, k2 text', '{k,k2}', 'i * 7919 % 8, ''host'' || i % 5');
SELECT condition, a.* FROM unnest(ARRAY['k = 7 AND k2 = ''host3''', 'k = 7', 'k2 = ''host3''', 'k IN (6, 7) AND k2 IN (''host3'', ''host4'')',
	'k = 7 AND k2 = ''nobody''', 'k = 5000000000 AND k2 = ''host3''']) condition, ask(condition) a;
SELECT count(*), bool_and(a.same) FROM generate_series(0, 8) k, generate_series(0, 5) k2, ask(format('k = %s AND k2 = %L', k, 'host' || k2)) a;
-- another key since: chunks are of the old one, and of the new one
SELECT tsdb.set_key('m', 'ts', '{k2}');
INSERT INTO h SELECT ts + interval '1 h', i + 10000, k, k2 FROM h;
INSERT INTO m SELECT * FROM h WHERE i > 10000;
SELECT tsdb.compact('m');
SELECT condition, rows, same FROM unnest(ARRAY['k = 7 AND k2 = ''host3''', 'k = 7', 'k2 = ''host3''', 'k2 IN (''host3'', ''host4'')']) condition,
	ask(condition) a;
SELECT tsdb.set_key('m', 'ts', '{}');
SELECT condition, rows, same FROM unnest(ARRAY['k = 7 AND k2 = ''host3''', 'k2 = ''host3''']) condition, ask(condition) a;
SELECT * FROM tsdb.verify('m');

SET client_min_messages = warning;
DROP SCHEMA shards CASCADE;
