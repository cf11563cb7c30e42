-- Indexes of access method tsdb_key: unique without an entry per compressed row.

CREATE SCHEMA key_index;
SET search_path = key_index, public;
SET statement_timeout = '60s';
SET timezone = 'UTC';
-- every class is complete
SELECT c.opcname FROM pg_opclass c JOIN pg_am a ON a.oid = c.opcmethod
WHERE a.amname = 'tsdb_key' AND NOT amvalidate(c.oid);

CREATE TABLE m (device int NOT NULL, ts timestamptz NOT NULL, v int, note text) USING tsdb;
CREATE UNIQUE INDEX m_key ON m USING tsdb_key (device, ts);
SELECT time_column, series_columns FROM tsdb.table_info('m');
INSERT INTO m SELECT d, timestamptz '2024-01-01' + i * interval '10 s', i, 'n' || i
FROM generate_series(1, 40) d, generate_series(1, 300) i;
SELECT tsdb.compact('m');
VACUUM m;
-- nothing left in it
SELECT pg_relation_size('m_key') <= 2 * current_setting('block_size')::int AS small;

-- conflicts with compressed rows, with new ones, and none
DO $$
DECLARE
	detail text; name text; tab text; sch text;
BEGIN
	INSERT INTO key_index.m VALUES (7, '2024-01-01 00:00:10', 0);
EXCEPTION WHEN unique_violation THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, name = CONSTRAINT_NAME,
		tab = TABLE_NAME, sch = SCHEMA_NAME;
	RAISE NOTICE '% % % % %', SQLERRM, detail, name, tab, sch;
END $$;
INSERT INTO m VALUES (7, '2024-01-01 00:00:11', 0);
INSERT INTO m VALUES (7, '2024-01-01 00:00:11', 0);
INSERT INTO m VALUES (8, '2024-01-01 00:00:12', 0), (8, '2024-01-01 00:00:12', 0);
INSERT INTO m VALUES (7, '2024-01-01 00:00:10', -1), (7, '2024-01-01 00:00:11', -2), (7, '2024-01-01 00:00:13', -3)
ON CONFLICT (device, ts) DO NOTHING RETURNING device, ts, v;
INSERT INTO m VALUES (7, '2024-01-01 00:00:10', -1), (7, '2024-01-01 00:00:11', -2), (7, '2024-01-01 00:00:14', -3)
ON CONFLICT (device, ts) DO UPDATE SET v = excluded.v, note = m.note || '+' RETURNING device, ts, v, note;
INSERT INTO m VALUES (7, '2024-01-01 00:00:20', -1) ON CONFLICT DO NOTHING RETURNING *;
INSERT INTO m VALUES (7, '2024-01-01 00:00:20', -1) ON CONFLICT (device, ts) DO UPDATE SET device = 70 WHERE m.v = 2
RETURNING *;
INSERT INTO m VALUES (9, '2024-01-01 00:00:20', -1), (9, '2024-01-01 00:00:20', -2)
ON CONFLICT (device, ts) DO UPDATE SET v = excluded.v;
WITH w AS (INSERT INTO m VALUES (9, '2024-01-01 00:00:20', -1) ON CONFLICT (device, ts) DO UPDATE SET v = 900 RETURNING *)
SELECT * FROM w;
PREPARE up AS INSERT INTO m VALUES ($1, $2, $3) ON CONFLICT (device, ts) DO UPDATE SET v = excluded.v RETURNING v;
EXECUTE up (9, '2024-01-01 00:00:20', 901);
EXECUTE up (9, '2024-01-01 00:00:21', 902);
EXPLAIN (COSTS OFF) INSERT INTO m VALUES (9, '2024-01-01 00:00:20', -1) ON CONFLICT (device, ts) DO NOTHING;
MERGE INTO m USING (VALUES (9, timestamptz '2024-01-01 00:00:20'), (9, '2024-01-01 00:00:22')) s (d, t)
ON m.device = s.d AND m.ts = s.t
WHEN MATCHED THEN UPDATE SET v = 903 WHEN NOT MATCHED THEN INSERT VALUES (s.d, s.t, 904);
SELECT * FROM m WHERE device = 9 AND ts BETWEEN '2024-01-01 00:00:20' AND '2024-01-01 00:00:25' ORDER BY ts;

-- a key changes, goes away and comes back, with and without compaction in between
UPDATE m SET ts = '2024-01-01 00:00:10' WHERE device = 1 AND ts = '2024-01-01 00:00:20';
UPDATE m SET ts = '2023-01-01' WHERE device = 1 AND ts = '2024-01-01 00:00:20';
INSERT INTO m VALUES (1, '2024-01-01 00:00:20', 5);
DELETE FROM m WHERE device = 2 AND ts = '2024-01-01 00:00:10';
INSERT INTO m VALUES (2, '2024-01-01 00:00:10', 6);
INSERT INTO m VALUES (2, '2024-01-01 00:00:10', 7);
SELECT tsdb.compact('m');
INSERT INTO m VALUES (1, '2024-01-01 00:00:20', 7);
INSERT INTO m VALUES (2, '2024-01-01 00:00:10', 7);
DELETE FROM m WHERE device = 3;
SELECT tsdb.compact('m');
INSERT INTO m SELECT 3, timestamptz '2024-01-01' + i * interval '10 s', i FROM generate_series(1, 300) i;
INSERT INTO m VALUES (3, '2024-01-01 00:00:10', 7);

-- in one transaction, with savepoints and a compaction of our own
BEGIN;
DELETE FROM m WHERE device = 4 AND ts = '2024-01-01 00:00:10';
SAVEPOINT a;
INSERT INTO m VALUES (4, '2024-01-01 00:00:10', 41);
ROLLBACK TO a;
INSERT INTO m VALUES (4, '2024-01-01 00:00:10', 42) ON CONFLICT (device, ts) DO UPDATE SET v = -1 RETURNING v;
ROLLBACK TO a;
SELECT tsdb.compact('m');
INSERT INTO m VALUES (4, '2024-01-01 00:00:20', 43) ON CONFLICT (device, ts) DO UPDATE SET v = -43 RETURNING v;
SELECT tsdb.compact('m') > 0 AS moved;
INSERT INTO m VALUES (3, '2024-01-01 00:00:10', 44) ON CONFLICT (device, ts) DO UPDATE SET v = -44 RETURNING v;
ROLLBACK TO a;
INSERT INTO m VALUES (3, '2024-01-01 00:00:10', 44) ON CONFLICT (device, ts) DO UPDATE SET v = -45 RETURNING v;
INSERT INTO m VALUES (4, '2024-01-01 00:00:20', 43) ON CONFLICT (device, ts) DO NOTHING RETURNING v;
ROLLBACK;
INSERT INTO m VALUES (4, '2024-01-01 00:00:10', 43) ON CONFLICT (device, ts) DO NOTHING RETURNING v;

-- look-ups give what a scan of the table gives
SET tsdb.enable_scan = off;
CREATE TABLE answers (q text, plan text, n bigint, s bigint);
CREATE FUNCTION ask(condition text) RETURNS TABLE (same bool, uses_key bool) LANGUAGE plpgsql AS $$
DECLARE
	n bigint; s bigint; n2 bigint; s2 bigint; n3 bigint; s3 bigint; plan json;
	q text := format('SELECT count(*), sum(v + extract(epoch from ts)::bigint + device) FROM key_index.m WHERE %s', condition);
BEGIN
	SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off;
	EXECUTE q INTO n, s;
	SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = on;
	EXECUTE q INTO n2, s2;
	EXECUTE 'EXPLAIN (FORMAT json) ' || q INTO plan;
	SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = on;
	EXECUTE q INTO n3, s3;
	RETURN QUERY SELECT n > 0 AND (n, s) IS NOT DISTINCT FROM (n2, s2) AND (n, s) IS NOT DISTINCT FROM (n3, s3),
		plan::text LIKE '%m_key%';
END $$;
SELECT c, ask.* FROM unnest(ARRAY[
	'device = 5',
	'device = 5 AND ts = ''2024-01-01 00:00:20''',
	'device = 5 AND ts >= ''2024-01-01 00:10'' AND ts < ''2024-01-01 00:20''',
	'device BETWEEN 5 AND 6 AND ts > ''2024-01-01 00:40''',
	'device IN (5, 7, 9, 1000) AND ts > ''2024-01-01 00:40''',
	'device = 5::bigint AND ts <= date ''2024-01-02''',
	'device > 38',
	'device < 2::smallint AND v > 100',
	'device IS NOT NULL AND ts < ''2024-01-01 00:05''',
	'device = ANY (''{3,4}'') AND v % 7 = 3'
]) c, ask(c);
DROP FUNCTION ask;
DROP TABLE answers;
RESET tsdb.enable_scan;

-- nulls, and types whose order or equality is their own
CREATE TABLE n (a int, b text, ts timestamptz) USING tsdb;
CREATE UNIQUE INDEX n_distinct ON n USING tsdb_key (a, ts);
CREATE UNIQUE INDEX n_same ON n USING tsdb_key (b, ts) NULLS NOT DISTINCT;
INSERT INTO n VALUES (1, 'x', '2024-01-01'), (NULL, 'y', '2024-01-01'), (NULL, NULL, '2024-01-01');
SELECT tsdb.compact('n');
INSERT INTO n VALUES (NULL, 'z', '2024-01-01');
INSERT INTO n VALUES (NULL, NULL, '2024-01-01');
INSERT INTO n VALUES (2, NULL, NULL);
INSERT INTO n VALUES (3, NULL, NULL);
SELECT tsdb.compact('n');
INSERT INTO n VALUES (4, NULL, NULL);
INSERT INTO n VALUES (1, 'w', '2024-01-01');
INSERT INTO n VALUES (4, NULL, NULL) ON CONFLICT (b, ts) DO UPDATE SET a = 40 RETURNING *;
SET enable_seqscan = off;
SELECT * FROM n WHERE b IS NULL ORDER BY a, ts;
SELECT * FROM n WHERE a IS NULL AND ts = '2024-01-01' ORDER BY b;
RESET enable_seqscan;

CREATE TYPE color AS ENUM ('red', 'green', 'blue');
CREATE DOMAIN label AS varchar(20);
CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE t (ts timestamptz, i2 int2, i8 int8, f4 float4, f8 float8, num numeric, b bool, c color,
	vc varchar, bp char(8), l label, u uuid, by bytea, d date, iv interval, ip inet, nm name, o oid,
	ch "char", arr int[], ci text COLLATE nocase, r int4range, mac macaddr) USING tsdb;
DO $$
DECLARE
	col name;
BEGIN
	FOR col IN SELECT attname FROM pg_attribute WHERE attrelid = 'key_index.t'::regclass AND attnum > 1
	LOOP
		EXECUTE format('CREATE UNIQUE INDEX ON key_index.t USING tsdb_key (%I, ts)', col);
	END LOOP;
END $$;
CREATE FUNCTION row_of(i int) RETURNS SETOF t LANGUAGE sql AS $$
	SELECT timestamptz '2024-01-01' + i * interval '1 s', i::int2, i::int8 << 33, i::float4 / 4, i::float8 / 8,
		i::numeric / 3, i % 2 = 0, (ARRAY['red', 'green', 'blue'])[i % 3 + 1]::color,
		'series number ' || i, 'p' || i, 'l' || i, md5(i::text)::uuid, decode(md5(i::text), 'hex'),
		date '2024-01-01' + i, i * interval '1 h', inet '10.0.0.0' + i, 'n' || i, (4294967000 + i % 290)::oid,
		chr(33 + i % 90)::"char", ARRAY[i, i + 1], 'Key' || i, int4range(i, i + 5), ('08:00:2b:01:00:' || lpad(to_hex(i % 256), 2, '0'))::macaddr
$$;
INSERT INTO t SELECT r.* FROM generate_series(1, 2000) i, row_of(i) r;
SELECT tsdb.compact('t');
-- each index by itself finds the duplicate, and none sees one where there is none
DO $$
DECLARE
	col name; hits int; misses int; missed name[]; false_hits name[];
BEGIN
	FOR col IN SELECT attname FROM pg_attribute WHERE attrelid = 'key_index.t'::regclass AND attnum > 1
	LOOP
		EXECUTE format('INSERT INTO key_index.t (ts, %1$I) SELECT r.ts, r.%1$I FROM generate_series(1, 2000, 7) i, key_index.row_of(i) r ON CONFLICT (%1$I, ts) DO NOTHING', col);
		GET DIAGNOSTICS hits = ROW_COUNT;
		IF hits > 0 THEN missed := missed || col; END IF;
		EXECUTE format('INSERT INTO key_index.t (ts, %1$I) SELECT r.ts + interval ''0.5 s'', r.%1$I FROM generate_series(1, 2000, 7) i, key_index.row_of(i) r ON CONFLICT (%1$I, ts) DO NOTHING', col);
		GET DIAGNOSTICS misses = ROW_COUNT;
		IF misses <> 286 THEN false_hits := false_hits || col; END IF;
	END LOOP;
	RAISE NOTICE 'missed %, false %', missed, false_hits;
END $$;
-- equal, not the same
INSERT INTO t (ts, ci) SELECT ts, upper(ci) FROM row_of(5) ON CONFLICT (ci, ts) DO NOTHING RETURNING ci;
INSERT INTO t (ts, num) VALUES ('2025-01-01', 1.5);
INSERT INTO t (ts, f8) VALUES ('2025-01-01', '-0'), ('2025-01-02', 'NaN');
INSERT INTO t (ts, bp) VALUES ('2025-01-01', 'q');
SELECT tsdb.compact('t') > 0 AS moved;
INSERT INTO t (ts, num) VALUES ('2025-01-01', 1.500);
INSERT INTO t (ts, f8) VALUES ('2025-01-01', 0);
INSERT INTO t (ts, f8) VALUES ('2025-01-02', 'NaN');
INSERT INTO t (ts, bp) VALUES ('2025-01-01', 'q       ');
DROP FUNCTION row_of;
DROP TABLE t;

-- building over compressed rows
CREATE TABLE d (a int, ts timestamptz) USING tsdb;
INSERT INTO d VALUES (1, '2024-01-01'), (2, '2024-01-01');
SELECT tsdb.compact('d');
INSERT INTO d VALUES (1, '2024-01-01'), (3, '2024-01-01');
CREATE UNIQUE INDEX d_key ON d USING tsdb_key (a, ts);
CREATE UNIQUE INDEX CONCURRENTLY d_key ON d USING tsdb_key (a, ts);
DROP INDEX IF EXISTS d_key;
SELECT tsdb.compact('d');
CREATE UNIQUE INDEX d_key ON d USING tsdb_key (a, ts);
DELETE FROM d WHERE ctid = (SELECT max(ctid) FROM d WHERE a = 1);
CREATE UNIQUE INDEX d_key ON d USING tsdb_key (a, ts);
INSERT INTO d VALUES (1, '2024-01-01');
REINDEX INDEX d_key;
INSERT INTO d VALUES (1, '2024-01-01');
REINDEX INDEX CONCURRENTLY d_key;
INSERT INTO d VALUES (1, '2024-01-01');
ALTER TABLE d ADD COLUMN k int NOT NULL DEFAULT 5;
CREATE UNIQUE INDEX d_key2 ON d USING tsdb_key (k, a);
INSERT INTO d VALUES (1, '2025-01-01', 5);
INSERT INTO d VALUES (1, '2025-01-01', 6);
VACUUM FULL d;
INSERT INTO d VALUES (1, '2026-01-01', 5);
INSERT INTO d VALUES (1, '2025-01-01', 7);
ALTER TABLE d ALTER COLUMN a TYPE bigint;
INSERT INTO d VALUES (1, '2026-01-01', 5);
TRUNCATE d;
INSERT INTO d VALUES (1, '2026-01-01', 5);
SELECT tsdb.compact('d');
INSERT INTO d VALUES (1, '2026-01-01', 5);
BEGIN;
CREATE TABLE e (a int) USING tsdb;
CREATE UNIQUE INDEX ON e USING tsdb_key (a);
INSERT INTO e VALUES (1), (2);
SELECT tsdb.compact('e');
TRUNCATE e;
INSERT INTO e VALUES (1) ON CONFLICT (a) DO NOTHING RETURNING a;
COMMIT;
SELECT tsdb.compact('e');
INSERT INTO e VALUES (1) ON CONFLICT (a) DO NOTHING RETURNING a;
-- not unique: for look-ups
CREATE INDEX e_look ON e USING tsdb_key (a);
CREATE UNLOGGED TABLE ul (a int, ts timestamptz) USING tsdb;
CREATE UNIQUE INDEX ON ul USING tsdb_key (a, ts);
INSERT INTO ul VALUES (1, '2024-01-01');
SELECT tsdb.compact('ul');
INSERT INTO ul VALUES (1, '2024-01-01');
CREATE TEMP TABLE tt (a int, ts timestamptz) USING tsdb;
CREATE UNIQUE INDEX ON tt USING tsdb_key (a, ts);
INSERT INTO tt VALUES (1, '2024-01-01');
SELECT tsdb.compact('tt');
INSERT INTO tt VALUES (1, '2024-01-01');
INSERT INTO tt VALUES (1, '2024-01-01') ON CONFLICT DO NOTHING;
ALTER TABLE d REPLICA IDENTITY USING INDEX d_key;
ALTER TABLE d ALTER a SET NOT NULL, ALTER ts SET NOT NULL;
ALTER TABLE d REPLICA IDENTITY USING INDEX d_key;
SELECT pg_get_indexdef('d_key'::regclass);

-- what it cannot do
CREATE TABLE h (a int, b text) USING heap;
CREATE UNIQUE INDEX ON h USING tsdb_key (a);
ALTER TABLE m SET ACCESS METHOD heap;
CREATE UNIQUE INDEX ON m USING tsdb_key ((v + 1));
CREATE UNIQUE INDEX ON m USING tsdb_key (device) WHERE device > 3;
CREATE UNIQUE INDEX ON m USING tsdb_key (device) INCLUDE (v);
CREATE UNIQUE INDEX ON m USING tsdb_key (device DESC);
ALTER TABLE m ADD PRIMARY KEY USING INDEX m_key;
CLUSTER m USING m_key;
CREATE TABLE f (device int, ts timestamptz, FOREIGN KEY (device, ts) REFERENCES m (device, ts));
CREATE TABLE f (device int, ts timestamptz) USING heap;
ALTER TABLE f ADD FOREIGN KEY (device, ts) REFERENCES m (device, ts);
CREATE TABLE p (a int, ts timestamptz) PARTITION BY RANGE (ts);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') USING tsdb;
CREATE UNIQUE INDEX ON p USING tsdb_key (a, ts);
CREATE UNIQUE INDEX ON p1 USING tsdb_key (a, ts);
INSERT INTO p VALUES (1, '2024-02-01');
SELECT tsdb.compact('p1');
INSERT INTO p VALUES (1, '2024-02-01');
INSERT INTO p VALUES (1, '2024-02-01') ON CONFLICT DO NOTHING;
INSERT INTO p1 VALUES (1, '2024-02-01') ON CONFLICT (a, ts) DO NOTHING;

SET client_min_messages = warning;
DROP SCHEMA key_index CASCADE;
