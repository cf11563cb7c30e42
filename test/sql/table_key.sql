-- the columns that order a table: inferred, stated, renamed, dropped, dumped

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS tsdb;
LOAD 'tsdb';
RESET client_min_messages;
CREATE SCHEMA table_key;
SET search_path = table_key, public;
SET default_table_access_method = tsdb;

CREATE FUNCTION key_of(regclass) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(time_column, '-') || ' / ' || array_to_string(series_columns, ', ')
	FROM tsdb.table_info($1) $$;
CREATE FUNCTION labels_of(regclass) RETURNS TABLE (object text, label text) LANGUAGE sql AS $$
	SELECT coalesce(attname, '(table)'), l.label
	FROM pg_seclabel l LEFT JOIN pg_attribute a ON attrelid = objoid AND attnum = objsubid AND objsubid > 0
	WHERE objoid = $1 AND classoid = 'pg_class'::regclass AND provider = 'tsdb' ORDER BY objsubid $$;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE DOMAIN instant AS timestamptz;
CREATE DOMAIN label AS text;

-- what is inferred: table by table, its columns and indexes, and the key
CREATE FUNCTION infer(columns text, VARIADIC indexes text[] DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	index text;
	result text;
BEGIN
	EXECUTE 'CREATE TABLE inferred (' || columns || ')';
	FOREACH index IN ARRAY indexes LOOP
		EXECUTE 'CREATE ' || replace(index, ' ON ', ' ON inferred ');
	END LOOP;
	result := key_of('inferred');
	DROP TABLE inferred;
	RETURN result;
END $$;

-- time column
SELECT columns, infer(columns) FROM unnest(ARRAY[
	'v float8, d date, t timestamp, ts timestamptz, ts2 timestamptz',
	'd date, t timestamp',
	'd date, ts int8',
	'n int8, ts int8, v int',
	'"Timestamp" int8',
	'ts int4, n int8',
	'ts text, n int',
	'i instant, t timestamptz',
	'created timestamptz, host text, ts timestamptz, PRIMARY KEY (host, ts)',
	'created timestamptz, ts timestamptz, host text, later timestamptz, UNIQUE (host, later), PRIMARY KEY (ts)',
	'ts timestamptz, day date, host text, PRIMARY KEY (host, day)',
	'v int']) columns;
-- series: keys and unique indexes that contain the time
SELECT columns, infer(columns) FROM unnest(ARRAY[
	'ts timestamptz, b int, a int, v float8, PRIMARY KEY (b, ts, a)',
	'ts timestamptz, b int, a int, host text, UNIQUE (a, b, ts), UNIQUE (b, ts)',
	'ts timestamptz, host text, v int, PRIMARY KEY (ts)',
	'id bigserial, ts timestamptz, host text, PRIMARY KEY (id, ts)',
	'id bigint GENERATED ALWAYS AS IDENTITY, ts timestamptz, area text, PRIMARY KEY (id, ts, area)',
	'id uuid DEFAULT gen_random_uuid(), ts timestamptz, host text, PRIMARY KEY (id, ts)',
	'ts timestamptz, seen timestamptz, place text, f float8, PRIMARY KEY (place, seen, ts, f)',
	'a int UNIQUE, ts timestamptz, b int, PRIMARY KEY (a, b, ts)']) columns;
-- series: columns before the time in a btree index
SELECT infer('ts timestamptz, a int, b int, c int', 'INDEX ON (c, a, ts DESC)', 'INDEX ON (b, ts)');
SELECT infer('ts timestamptz, a int, b int, c int', 'INDEX ON (c, ts)', 'INDEX ON (b, ts, a)');
SELECT infer('ts timestamptz, a int, b int, host text', 'INDEX ON (a, ts) WHERE b > 0', 'INDEX ON ((a + b), ts)',
	'INDEX ON (ts, a)', 'INDEX ON (b)', 'INDEX ON USING hash (a)');
-- series: names
SELECT columns, infer(columns) FROM unnest(ARRAY[
	'ts timestamptz, v float8, host text, id int, device_id int8, METRIC varchar(20), note text',
	'ts timestamptz, sensor mood, station label, tags jsonb, tag_key uuid, point point',
	'ts timestamptz, sensor_id bigserial, trace_id uuid, symbol char(4), meter float8',
	'host text, v int']) columns;

-- no type without an order is a key, and no dropped column
CREATE TABLE dropped (ts0 timestamptz, host text, ts timestamptz, device text, PRIMARY KEY (device, ts0));
ALTER TABLE dropped DROP COLUMN ts0, DROP COLUMN host;
SELECT key_of('dropped');
-- a generated column may be a key
CREATE TABLE generated (j jsonb, at int8,
	time timestamp GENERATED ALWAYS AS ('2000-01-01'::timestamp + at * '1 s'::interval) STORED,
	device text GENERATED ALWAYS AS (j ->> 'device') STORED);
ALTER TABLE generated SET (tsdb.series = device);
SELECT key_of('generated');

-- stated by WITH
CREATE TABLE m (ts timestamptz, "Where is it" text, host text, region text, v float8)
	WITH (tsdb.time = 'ts', tsdb.series = 'region, host');
SELECT key_of('m');
SELECT * FROM labels_of('m');
SELECT reloptions FROM pg_class WHERE oid = 'm'::regclass;
ALTER TABLE m SET (tsdb.series = '"Where is it", HOST', fillfactor = 90);
SELECT key_of('m'), reloptions FROM pg_class WHERE oid = 'm'::regclass;
SELECT * FROM labels_of('m');
ALTER TABLE m SET (tsdb.series = '');
SELECT key_of('m');
SELECT * FROM labels_of('m');
ALTER TABLE m SET (tsdb.time = ''), RESET (tsdb.series), RESET (fillfactor);
SELECT key_of('m'), reloptions FROM pg_class WHERE oid = 'm'::regclass;
SELECT * FROM labels_of('m');
ALTER TABLE m RESET (tsdb.time);
SELECT key_of('m');
SELECT * FROM labels_of('m');
-- words that are not quoted, types that are words
CREATE TABLE words (time int4, timestamp int2, host int) WITH (tsdb.time = timestamp, tsdb.series = time);
SELECT key_of('words');
ALTER TABLE words SET (tsdb.time = time, tsdb.series = host);
SELECT key_of('words');
-- TimescaleDB's words
CREATE TABLE words2 (time timestamptz, device text, host text)
	WITH (tsdb.hypertable, tsdb.partition_column = 'time', tsdb.segmentby = 'device', tsdb.orderby = 'time DESC');
SELECT key_of('words2');
-- every other way to make a table
CREATE TABLE made WITH (tsdb.time = t1) AS SELECT now() AS t0, now() AS t1, 1 AS host;
CREATE TABLE IF NOT EXISTS made_too (t0, t1, place) WITH (tsdb.time = t1, tsdb.series = place) AS
	SELECT now(), now(), 1;
CREATE MATERIALIZED VIEW viewed WITH (tsdb.series = host) AS SELECT now() AS t0, 1 AS host, 2 AS sensor;
CREATE TEMP TABLE temporary (t0 timestamptz, t1 timestamptz) WITH (tsdb.time = 't1') ON COMMIT DELETE ROWS;
CREATE UNLOGGED TABLE unlogged (t0 timestamptz, t1 timestamptz) WITH (tsdb.time = 't1');
SELECT key_of('made'), key_of('made_too'), key_of('viewed'), key_of('temporary'), key_of('unlogged');
PREPARE p AS SELECT now() AS t0, now() AS t1;
CREATE TABLE executed WITH (tsdb.time = t1) AS EXECUTE p;
EXPLAIN (COSTS off) CREATE TABLE explained WITH (tsdb.time = t1) AS SELECT now() AS t0, now() AS t1;
SELECT to_regclass('explained');
EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off)
	CREATE TABLE explained WITH (tsdb.time = t1) AS SELECT now() AS t0, now() AS t1;
SELECT key_of('executed'), key_of('explained');
CREATE SCHEMA other CREATE TABLE inner_table (t0 date, t1 date) WITH (tsdb.time = t1);
SELECT key_of('other.inner_table');
DROP SCHEMA other CASCADE;
-- a table that is there keeps its key
CREATE TABLE IF NOT EXISTS words2 (a int) WITH (tsdb.time = 'nothing', tsdb.series = '"of this"');
CREATE TABLE IF NOT EXISTS made WITH (tsdb.time = t0) AS SELECT 1;
SELECT key_of('words2'), key_of('made');
-- the same statement many times, from a cached plan
DO $$ BEGIN
	FOR i IN 1..3 LOOP
		CREATE TABLE again (t0 timestamptz, t1 timestamptz) WITH (tsdb.time = 't1', fillfactor = 80);
		ALTER TABLE again SET (tsdb.series = t0);
		ASSERT key_of('again') = 't1 / t0';
		DROP TABLE again;
	END LOOP;
END $$;
-- rolled back
BEGIN;
ALTER TABLE words2 SET (tsdb.series = 'host');
SELECT key_of('words2');
ROLLBACK;
SELECT key_of('words2');
ALTER TABLE IF EXISTS nowhere SET (tsdb.time = 'x');

-- stated by function
SELECT tsdb.set_key('m', 'ts', '{region}');
SELECT key_of('m');
SELECT tsdb.set_key('m', series => '{host,region}');
SELECT key_of('m');
SELECT tsdb.set_key('m', '', '{}');
SELECT key_of('m');
SELECT tsdb.set_key('m');
SELECT key_of('m');
SELECT count(*) FROM labels_of('m');

-- stated by label
SECURITY LABEL FOR tsdb ON COLUMN m.region IS 'series';
SELECT key_of('m');
SECURITY LABEL FOR tsdb ON COLUMN m.host IS 'series';
SELECT key_of('m');
SECURITY LABEL FOR tsdb ON COLUMN m.region IS 'segmentby 1';
SELECT key_of('m');
SECURITY LABEL FOR tsdb ON COLUMN m.region IS 'orderby';
SECURITY LABEL FOR tsdb ON COLUMN m.host IS NULL;
SELECT key_of('m');
SECURITY LABEL FOR tsdb ON TABLE m IS 'no time, no series';
SELECT key_of('m');
SECURITY LABEL FOR tsdb ON TABLE m IS NULL;
SELECT key_of('m');

-- rename, drop, change of type
CREATE TABLE n (t0 timestamptz, t1 timestamptz, a int, b int, host text)
	WITH (tsdb.time = t1, tsdb.series = 'b, a');
ALTER TABLE n RENAME t1 TO "When";
ALTER TABLE n RENAME b TO bb;
ALTER TABLE n RENAME TO nn;
SELECT key_of('nn');
ALTER TABLE nn DROP COLUMN bb;
SELECT key_of('nn');
ALTER TABLE nn ALTER a TYPE json USING to_json(a), ALTER "When" TYPE text;
SELECT key_of('nn');
SELECT * FROM labels_of('nn');
-- a rewrite and another access method keep it
SELECT tsdb.set_key('m', 'ts', '{region}');
VACUUM FULL m;
TRUNCATE m;
ALTER TABLE m SET ACCESS METHOD heap;
SELECT * FROM labels_of('m');
ALTER TABLE m SET ACCESS METHOD tsdb, SET (tsdb.series = 'host');
SELECT key_of('m');

-- partitions follow their parent until they state something
CREATE TABLE parent (t0 timestamptz, t1 timestamptz, a int, b int, host text) PARTITION BY RANGE (t0)
	WITH (tsdb.time = 't1', tsdb.series = 'a');
CREATE TABLE part1 PARTITION OF parent FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE part2 (b int, gone int, host text, a int, t1 timestamptz, t0 timestamptz) WITH (tsdb.series = 'host');
ALTER TABLE part2 DROP COLUMN gone;
ALTER TABLE parent ATTACH PARTITION part2 FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
CREATE TABLE part3 PARTITION OF parent DEFAULT PARTITION BY LIST (a);
CREATE TABLE part4 PARTITION OF part3 DEFAULT WITH (tsdb.time = 't0');
SELECT key_of('part1'), key_of('part2'), key_of('part4');
ALTER TABLE parent SET (tsdb.series = 'b');
ALTER TABLE part2 RESET (tsdb.series);
SELECT key_of('part1'), key_of('part2'), key_of('part4');
ALTER TABLE parent DETACH PARTITION part1;
SELECT key_of('part1');

-- labels are dropped with the table
SELECT 'm'::regclass::oid AS m_oid \gset
DROP TABLE m;
SELECT count(*) FROM pg_seclabel WHERE objoid = :m_oid;

-- dumps state what was stated, in a way that can be restored
CREATE TABLE dumped (t0 timestamptz, t1 timestamptz, b text, a int)
	WITH (tsdb.time = 't1', tsdb.series = 'a, b');
SELECT format('SECURITY LABEL FOR %I ON COLUMN %s IS %L', provider, objname, label) AS command
FROM pg_seclabels WHERE objoid = 'dumped'::regclass AND objsubid > 0 ORDER BY objsubid;
CREATE TABLE restored (LIKE dumped);
SELECT format('SECURITY LABEL FOR %I ON COLUMN %s IS %L', provider, replace(objname, 'dumped', 'restored'), label)
FROM pg_seclabels WHERE objoid = 'dumped'::regclass AND objsubid > 0 ORDER BY objsubid DESC \gexec
SELECT key_of('restored');

SET client_min_messages = warning;
DROP SCHEMA table_key CASCADE;

-- with the extension go all labels, also those of tables that went back to heap
SELECT current_database() AS here \gset
CREATE DATABASE regress_tsdb_leave;
\c regress_tsdb_leave
SET client_min_messages = warning;
CREATE EXTENSION tsdb;
CREATE TABLE back (ts timestamptz, host text) USING tsdb WITH (tsdb.series = 'host');
CREATE TABLE gone (ts timestamptz, host text) USING tsdb WITH (tsdb.series = 'host');
ALTER TABLE back SET ACCESS METHOD heap;
SELECT objname, label FROM pg_seclabels ORDER BY objname COLLATE "C";
BEGIN;
DROP EXTENSION tsdb CASCADE;
SELECT count(*) FROM pg_seclabels;
ROLLBACK;
SELECT count(*) FROM pg_seclabels;
DROP TABLE gone;
DROP EXTENSION tsdb;
SELECT count(*) FROM pg_seclabels;
\c :here
DROP DATABASE regress_tsdb_leave;
