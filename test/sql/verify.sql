-- tsdb.verify() on tables without and with faults, and what removes them. Damaged bytes are
-- the business of test/suites/damage; here faults are made with what a superuser can do.
SET timezone = 'UTC';
CREATE TABLE readings (
	ts timestamptz, device text, channel int, value float8, exact numeric, note text,
	tags jsonb, place point, PRIMARY KEY (device, channel, ts)) USING tsdb;
SELECT * FROM tsdb.verify('readings');
INSERT INTO readings
SELECT '2026-01-01'::timestamptz + i * interval '1 min', 'device ' || i % 4, i % 3,
	CASE WHEN i % 7 <> 0 THEN i / 4.0 END, i / 8.0, CASE WHEN i % 5 <> 0 THEN 'note ' || i % 9 END,
	jsonb_build_object('a', i % 3), point(i % 5, 0)
FROM generate_series(1, 6000) i;
SELECT * FROM tsdb.verify('readings');
CREATE INDEX readings_value ON readings (value) WHERE channel = 1;
CREATE INDEX readings_sum ON readings ((value + channel)) INCLUDE (note);
CREATE INDEX readings_note ON readings USING hash (note);
CREATE INDEX readings_tags ON readings USING gin (tags);
CREATE INDEX readings_place ON readings USING gist (place);
CREATE INDEX readings_quad ON readings USING spgist (place);
SELECT tsdb.compact('readings');
SELECT * FROM tsdb.verify('readings');

-- rows in all states: marked, locked, updated to the row store, moved, new
DELETE FROM readings WHERE device = 'device 1' AND channel = 2;
UPDATE readings SET value = -1 WHERE device = 'device 2' AND channel = 0 AND ts < '2026-01-03';
BEGIN;
SELECT count(*) FROM (SELECT FROM readings WHERE device = 'device 3' AND channel = 1 FOR KEY SHARE) r;
SAVEPOINT undone;
DELETE FROM readings WHERE device = 'device 3';
SELECT * FROM tsdb.verify('readings');
ROLLBACK TO undone;
SELECT * FROM tsdb.verify('readings');
COMMIT;
INSERT INTO readings SELECT ts, 'new', channel, value FROM readings WHERE device = 'device 0';
UPDATE readings SET note = 'hot' WHERE device = 'new' AND channel = 1;
SELECT * FROM tsdb.verify('readings');
SELECT tsdb.compact('readings') > 0 AS compacted;
SELECT * FROM tsdb.verify('readings');
VACUUM readings;
SELECT * FROM tsdb.verify('readings');

-- columns that chunks do not have, and that the table has no more
ALTER TABLE readings ADD COLUMN quality int DEFAULT 5;
ALTER TABLE readings DROP COLUMN exact;
ALTER TABLE readings ALTER COLUMN note TYPE varchar;
SELECT * FROM tsdb.verify('readings');
SELECT * FROM tsdb.verify('readings', check_indexes => false);

-- other kinds of tables
CREATE TABLE plain (a int, b text) USING tsdb;
INSERT INTO plain SELECT i, repeat('x', i) FROM generate_series(1, 3000) i;
SELECT tsdb.compact('plain');
SELECT * FROM tsdb.verify('plain');

-- nulls come after infinity in a chunk; a new version's page is gone once compaction has emptied it
CREATE TABLE ends (ts timestamptz, n int) USING tsdb;
INSERT INTO ends VALUES ('infinity', 1), (NULL, 2), ('infinity', 3), (NULL, 4), ('-infinity', 5);
SELECT tsdb.compact('ends');
SELECT * FROM ends;
INSERT INTO ends SELECT '2026-01-01', i FROM generate_series(10, 900) i;
SELECT tsdb.compact('ends');
UPDATE ends SET n = 0 WHERE n = 700;
SELECT tsdb.compact('ends');
BEGIN;
ALTER TABLE ends ADD COLUMN more int;
INSERT INTO ends VALUES (NULL, 6, 7);
ROLLBACK;
SELECT * FROM tsdb.verify('ends');
VACUUM ends;
SELECT pg_relation_size('ends');
SELECT * FROM tsdb.verify('ends');
INSERT INTO ends VALUES (NULL, 8);
BEGIN;
SELECT tsdb.compact('ends');
SELECT * FROM ends WHERE n = 8 FOR UPDATE;
ROLLBACK;
SELECT * FROM tsdb.verify('ends');
DROP TABLE ends;
CREATE TABLE parted (ts timestamptz, device text, value int) PARTITION BY RANGE (ts);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2026-01-02') USING tsdb;
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM ('2026-01-02') TO ('2026-01-03');
INSERT INTO parted SELECT '2026-01-01'::timestamptz + i * interval '1 min', 'a', i FROM generate_series(1, 2000) i;
SELECT tsdb.compact('parted');
UPDATE parted SET ts = ts + interval '1 day' WHERE ts < '2026-01-01 00:10';
SELECT * FROM tsdb.verify('parted');
CREATE TEMP TABLE fleeting (ts timestamptz, v int) USING tsdb;
INSERT INTO fleeting SELECT '2026-01-01'::timestamptz + i * interval '1 s', i FROM generate_series(1, 1000) i;
SELECT tsdb.compact('fleeting');
SELECT * FROM tsdb.verify('fleeting');

-- values so large that the list of a chunk's pieces is stored in pieces itself
CREATE TABLE large (ts timestamptz, content bytea) USING tsdb;
ALTER TABLE large ALTER content SET STORAGE external;
INSERT INTO large SELECT '2026-01-01'::timestamptz + i * interval '1 s',
	(SELECT string_agg(sha512((i * 10000 + k)::text::bytea), '') FROM generate_series(1, 9000) k)
FROM generate_series(1, 3) i;
SELECT tsdb.compact('large');
SELECT * FROM tsdb.verify('large');
DELETE FROM large WHERE ts = '2026-01-01 00:00:01';
SELECT tsdb.compact('large');
SELECT * FROM tsdb.verify('large');
DROP TABLE large;

-- an index that has missed rows, as one does whose flags were tampered with
CREATE TABLE missed (ts timestamptz, device text, value int) USING tsdb;
CREATE INDEX missed_value ON missed (value);
CREATE INDEX missed_hash ON missed USING hash (value);
UPDATE pg_index SET indisready = false WHERE indexrelid IN ('missed_value'::regclass, 'missed_hash'::regclass);
INSERT INTO missed SELECT '2026-01-01'::timestamptz + i * interval '1 s', 'a', i FROM generate_series(1, 100) i;
SELECT tsdb.compact('missed');
INSERT INTO missed VALUES ('2026-02-01', 'a', 1);
UPDATE pg_index SET indisready = true WHERE indexrelid IN ('missed_value'::regclass, 'missed_hash'::regclass);
INSERT INTO missed VALUES ('2026-02-02', 'a', 2);
SELECT part, relation, chunk IS NOT NULL AS in_chunk, "row", fault FROM tsdb.verify('missed') ORDER BY 2, 3;
SELECT * FROM tsdb.verify('missed', false);
REINDEX TABLE missed;
SELECT * FROM tsdb.verify('missed');

-- functions that are not what they promise
CREATE FUNCTION twice(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 * 2; END';
CREATE FUNCTION odd(int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 % 2 = 1; END';
CREATE INDEX missed_twice ON missed (twice(value));
CREATE INDEX missed_odd ON missed (device) WHERE odd(value);
SELECT * FROM tsdb.verify('missed');
CREATE OR REPLACE FUNCTION twice(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 * 2 + ($1 / 50); END';
CREATE OR REPLACE FUNCTION odd(int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 % 2 = 0 AND $1 < 4; END';
SELECT part, relation, chunk IS NOT NULL AS in_chunk, "row", fault FROM tsdb.verify('missed') ORDER BY 2, 3;
DROP FUNCTION twice, odd CASCADE;

-- what is not damaged cannot be dropped
SELECT tsdb.drop_damaged_chunk('missed', (SELECT min(chunk) FROM tsdb.chunk_info('missed')));
SELECT tsdb.drop_damaged_chunk('missed', 77);
SELECT tsdb.drop_damaged_chunk('missed', -1);
SELECT tsdb.drop_damaged_chunk('missed', 1::bigint << 40);
SELECT tsdb.drop_orphaned_pieces('missed');
CREATE TABLE empty_table (a int) USING tsdb;
SELECT tsdb.drop_damaged_chunk('empty_table', 0);
SELECT tsdb.drop_orphaned_pieces('empty_table');

-- who may, and of what
CREATE TABLE heap_table (a int) USING heap;
CREATE VIEW a_view AS SELECT 1 AS a;
SELECT * FROM tsdb.verify('heap_table');
SELECT * FROM tsdb.verify('a_view');
SELECT * FROM tsdb.verify(0);
SELECT tsdb.drop_orphaned_pieces('heap_table');
CREATE ROLE regress_tsdb_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON missed TO regress_tsdb_reader;
SET ROLE regress_tsdb_reader;
SELECT * FROM tsdb.verify('missed');
SELECT tsdb.drop_damaged_chunk('missed', 0);
SELECT tsdb.drop_orphaned_pieces('missed');
SET tsdb.damaged_chunks = skip;
RESET ROLE;
REVOKE ALL ON missed FROM regress_tsdb_reader;
DROP ROLE regress_tsdb_reader;

-- the setting changes nothing where nothing is damaged
SELECT count(*), sum(value) FROM readings;
SET tsdb.damaged_chunks = skip;
SELECT count(*), sum(value) FROM readings;
SET enable_seqscan = off;
SELECT count(*), sum(value) FROM readings WHERE device = 'device 3';
SET enable_indexscan = off;
SELECT count(*), sum(value) FROM readings WHERE device = 'device 3';
SET tsdb.damaged_chunks = nulls;
SELECT count(*), sum(value) FROM readings WHERE device = 'device 3';
RESET enable_seqscan;
RESET enable_indexscan;
SET tsdb.damaged_chunks = sometimes;
RESET tsdb.damaged_chunks;

DROP TABLE readings, plain, parted, fleeting, missed, empty_table, heap_table;
DROP VIEW a_view;
