-- Rows by tsdb.ingest(): all forms, what goes by the ring and what does not, errors.
-- What is by the ring is told by the counters; without preload nothing is.
SELECT current_setting('shared_preload_libraries') LIKE '%tsdb%' AS preloaded \gset

\set SHOW_CONTEXT never
SET timezone = 'UTC';
CREATE TABLE ingest_ring (time timestamptz NOT NULL, host int, gone text, value float8 DEFAULT 1.5,
	note text, tags jsonb) USING tsdb;
ALTER TABLE ingest_ring DROP COLUMN gone;
CREATE TABLE ingest_heap (LIKE ingest_ring INCLUDING DEFAULTS);

CREATE FUNCTION direct_rows(regclass) RETURNS bigint LANGUAGE sql AS $$
	SELECT coalesce(sum(rows_direct), 0)::bigint FROM tsdb.stat_ingest_tables WHERE relid = $1
$$;

-- a row
SELECT tsdb.ingest('ingest_ring', ROW('2026-01-01 00:00+00'::timestamptz, 1, 2.5, 'a', '{"x": 1}'::jsonb));
SELECT tsdb.ingest('ingest_ring', ROW('2026-01-01 00:01+00'::timestamptz, 1));
SELECT tsdb.ingest('ingest_ring', ROW('2026-01-01 00:02+00'::timestamptz, 2::bigint, 3::numeric, 'b'::varchar(3), NULL::jsonb));
INSERT INTO ingest_heap VALUES ('2026-01-01 00:00+00', 1, 2.5, 'a', '{"x": 1}'),
	('2026-01-01 00:01+00', 1, DEFAULT, NULL, NULL), ('2026-01-01 00:02+00', 2, 3, 'b', NULL);

-- JSON
SELECT tsdb.ingest('ingest_ring', '{"time": "2026-01-02 00:00+00", "host": 3, "value": null, "tags": {"k": [1, 2]}}');
SELECT tsdb.ingest('ingest_ring', '[{"time": "2026-01-02 00:01+00", "note": "x"}, {"time": "2026-01-02 00:02+00", "value": "NaN"}]'::json);
SELECT tsdb.ingest('ingest_ring', '[{"time": "2026-01-02 00:03+00", "value": "-Infinity", "host": 4}]'::jsonb);
SELECT tsdb.ingest('ingest_ring', '[]'::jsonb);
INSERT INTO ingest_heap (time, host, value, tags) VALUES ('2026-01-02 00:00+00', 3, NULL, '{"k": [1, 2]}');
INSERT INTO ingest_heap (time, note) VALUES ('2026-01-02 00:01+00', 'x');
INSERT INTO ingest_heap (time, value) VALUES ('2026-01-02 00:02+00', 'NaN');
INSERT INTO ingest_heap (time, value, host) VALUES ('2026-01-02 00:03+00', '-Infinity', 4);

-- arrays: with nulls, of other types, fewer than columns, null for a default, empty
SELECT tsdb.ingest('ingest_ring', ARRAY['2026-01-03 00:00+00', '2026-01-03 00:01+00']::timestamptz[], ARRAY[5, NULL],
	ARRAY[0.0::float8, '-0'], ARRAY['', NULL], ARRAY[NULL, '1']::jsonb[]);
SELECT tsdb.ingest('ingest_ring', ARRAY['2026-01-03 00:02+00']::timestamptz[], ARRAY[6::smallint], ARRAY[7::numeric], ARRAY['y'::name]);
SELECT tsdb.ingest('ingest_ring', ARRAY['2026-01-03 00:03+00', '2026-01-03 00:04+00']::timestamptz[], ARRAY[6, 6], NULL::float8[], ARRAY['p', 'q']);
SELECT tsdb.ingest('ingest_ring', '{}'::timestamptz[]);
INSERT INTO ingest_heap VALUES ('2026-01-03 00:00+00', 5, 0, '', NULL), ('2026-01-03 00:01+00', NULL, '-0', NULL, '1'),
	('2026-01-03 00:02+00', 6, 7, 'y', NULL), ('2026-01-03 00:03+00', 6, DEFAULT, 'p', NULL),
	('2026-01-03 00:04+00', 6, DEFAULT, 'q', NULL);

-- the same arrays in binary format, as bytea
SELECT tsdb.ingest('ingest_ring', array_send(ARRAY['2026-01-04 00:00+00', 'infinity', '2026-01-04 00:01+00']::timestamptz[]), array_send(ARRAY[5, -6, 7]),
	array_send(ARRAY['0.1', '-0', 'NaN']::float8[]), array_send(ARRAY['', 'p', repeat('long', 500)]), array_send(ARRAY[NULL, '1', '{"a": null}']::jsonb[]));
SELECT tsdb.ingest('ingest_ring', array_send(ARRAY['2026-01-04 00:02+00', '2026-01-04 00:03+00']::timestamptz[]), array_send(ARRAY[NULL, 8::smallint]),
	ARRAY[7::numeric, 8], NULL::bytea);
SELECT tsdb.ingest('ingest_ring', array_send(ARRAY['2026-01-04', '-infinity']::date[]), array_send(ARRAY[9::smallint, -1]), array_send(ARRAY[1.5::float4, 'inf']));
SELECT tsdb.ingest('ingest_ring', array_send(ARRAY['2026-01-04 01:00']::timestamp[]), array_send(ARRAY[10::bigint]), array_send(ARRAY[2.25::numeric]));
SELECT tsdb.ingest('ingest_ring', array_send('{}'::timestamptz[]));
INSERT INTO ingest_heap VALUES ('2026-01-04 00:00+00', 5, 0.1, '', NULL), ('infinity', -6, '-0', 'p', '1'),
	('2026-01-04 00:01+00', 7, 'NaN', repeat('long', 500), '{"a": null}'), ('2026-01-04 00:02+00', NULL, 7, NULL, NULL), ('2026-01-04 00:03+00', 8, 8, NULL, NULL),
	('2026-01-04', 9, 1.5, NULL, NULL), ('-infinity', -1, 'inf', NULL, NULL), ('2026-01-04 01:00+00', 10, 2.25, NULL, NULL);

-- many rows of one statement, compressed and long values
SELECT sum(tsdb.ingest('ingest_ring', ROW('2026-02-01 00:00+00'::timestamptz + i * interval '1 s', i % 40, i::float8,
	repeat('z', i % 50), NULL::jsonb))) FROM generate_series(1, 3000) i;
SELECT tsdb.ingest('ingest_ring', array_agg('2026-03-01 00:00+00'::timestamptz + i * interval '1 s'), array_agg(i % 7), array_agg(i / 4.0),
	array_agg(repeat(md5(i::text), i % 30))) FROM generate_series(1, 2000) i;
SELECT tsdb.ingest('ingest_ring', ROW('2026-04-01 00:00+00'::timestamptz, 1, 1::float8, repeat('long', 100000), NULL::jsonb));
INSERT INTO ingest_heap SELECT '2026-02-01 00:00+00'::timestamptz + i * interval '1 s', i % 40, i::float8,
	repeat('z', i % 50) FROM generate_series(1, 3000) i;
INSERT INTO ingest_heap SELECT '2026-03-01 00:00+00'::timestamptz + i * interval '1 s', i % 7, i / 4.0,
	repeat(md5(i::text), i % 30) FROM generate_series(1, 2000) i;
INSERT INTO ingest_heap VALUES ('2026-04-01 00:00+00', 1, 1, repeat('long', 100000));

SELECT tsdb.ingest_flush('ingest_ring');
SELECT count(*) FROM ingest_ring;
SELECT count(*) FROM ((SELECT r::text FROM ingest_ring r EXCEPT ALL SELECT r::text FROM ingest_heap r)
	UNION ALL (SELECT r::text FROM ingest_heap r EXCEPT ALL SELECT r::text FROM ingest_ring r)) d;
SELECT NOT :'preloaded'::bool OR direct_rows('ingest_ring') < 100 AS by_the_ring;

-- rows that fill a chunk become one, of all series together, and are merged later; fewer are rows
CREATE TABLE ingest_chunk (time timestamptz NOT NULL, host int, value float8, note text) USING tsdb;
CREATE TABLE ingest_plain (time timestamptz NOT NULL, host int, value float8) USING tsdb;
CREATE PROCEDURE ingest_many(rows int) LANGUAGE plpgsql AS $$
DECLARE
	c record;
BEGIN
	FOR n IN 1 .. 10 LOOP
		SELECT array_agg('2026-01-01 00:00+00'::timestamptz + i * interval '1 s') AS times, array_agg(i % 50) AS hosts,
			array_agg(CASE WHEN i % 9 > 0 THEN i / 4.0 END) AS gauges, array_agg('note ' || i % 3) AS notes
			INTO c FROM generate_series(n * 1000, n * 1000 + rows - 1) i;
		PERFORM tsdb.ingest('ingest_chunk', c.times, c.hosts, c.gauges, c.notes);
		COMMIT;
		PERFORM tsdb.ingest('ingest_plain', array_send(c.times), array_send(c.hosts), c.gauges);
		COMMIT;
	END LOOP;
END $$;
CALL ingest_many(600);
SELECT tsdb.ingest('ingest_chunk', array_agg('2026-01-02 00:00+00'::timestamptz + i * interval '1 s'), array_agg(i), array_agg(i), array_agg('few'::text)) FROM generate_series(1, 100) i;
SELECT tsdb.ingest('ingest_plain', array_agg('2026-01-02 00:00+00'::timestamptz + i * interval '1 s'), array_agg(i % 3), array_agg(i::float8)) FROM generate_series(1, 800) i \gset
SELECT tsdb.ingest('ingest_plain', array_agg(nullif('2026-01-03 00:00+00'::timestamptz + i * interval '1 s', '2026-01-03 00:01+00')), array_agg(i)) FROM generate_series(1, 900) i;
SELECT "table", :'preloaded'::bool = (chunk_rows > 0) AS has_chunks FROM tsdb.tables WHERE "table" IN ('ingest_chunk'::regclass, 'ingest_plain'::regclass) ORDER BY 1;
SELECT row_store_bytes > 0 AS has_rows FROM tsdb.tables WHERE "table" = 'ingest_chunk'::regclass;
SELECT count(*), sum(value), count(DISTINCT (time, host)), min(note), max(note) FROM ingest_chunk;
SELECT count(*), sum(value), count(DISTINCT (time, host)) FROM ingest_plain;
SELECT count(*) FROM ingest_chunk WHERE host = 7 AND time < '2026-01-01 02:00+00';
DELETE FROM ingest_chunk WHERE host = 3;
SELECT * FROM tsdb.verify('ingest_chunk') UNION ALL SELECT * FROM tsdb.verify('ingest_plain');
SELECT tsdb.compact('ingest_chunk') IS NULL AS a, tsdb.compact('ingest_plain') IS NULL AS b \gset
SELECT NOT :'preloaded'::bool OR count(*) = 0 AS merged FROM tsdb.chunks WHERE "table" = 'ingest_plain'::regclass AND level = 0;
SELECT * FROM tsdb.verify('ingest_chunk') UNION ALL SELECT * FROM tsdb.verify('ingest_plain');
SELECT count(*), sum(value), count(DISTINCT (time, host)), min(note), max(note) FROM ingest_chunk;
SELECT count(*), sum(value), count(DISTINCT (time, host)) FROM ingest_plain;
SELECT count(*) FROM ingest_chunk WHERE host = 7 AND time < '2026-01-01 02:00+00';

-- nobody waits for these
SET tsdb.ingest_durability = async;
SELECT tsdb.ingest('ingest_ring', ROW('2026-05-01 00:00+00'::timestamptz, 1));
SELECT tsdb.ingest_flush();
SELECT count(*) FROM ingest_ring WHERE time = '2026-05-01 00:00+00';
RESET tsdb.ingest_durability;

-- in a transaction block, a subtransaction, and beside something that commits
BEGIN;
SELECT tsdb.ingest('ingest_ring', ROW('2026-05-02 00:00+00'::timestamptz, 1));
SELECT count(*) FROM ingest_ring WHERE time = '2026-05-02 00:00+00';
ROLLBACK;
SELECT count(*) FROM ingest_ring WHERE time = '2026-05-02 00:00+00';
DO $$
BEGIN
	PERFORM tsdb.ingest('ingest_ring', ROW('2026-05-03 00:00+00'::timestamptz, 1));
	BEGIN
		PERFORM tsdb.ingest('ingest_ring', ROW('2026-05-03 00:01+00'::timestamptz, 1));
		RAISE division_by_zero;
	EXCEPTION WHEN division_by_zero THEN
	END;
END $$;
SELECT time FROM ingest_ring WHERE time BETWEEN '2026-05-03' AND '2026-05-04' ORDER BY time;
SELECT tsdb.ingest('ingest_ring', ROW('2026-05-04 00:00+00'::timestamptz, 1)), pg_notify('ingest', 'x');
SELECT count(*) FROM ingest_ring WHERE time = '2026-05-04 00:00+00';
BEGIN;
SELECT tsdb.ingest_flush();
ROLLBACK;
CREATE PROCEDURE ingest_twice() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM tsdb.ingest('ingest_ring', ROW('2026-05-05 00:00+00'::timestamptz, 1));
	COMMIT;
	PERFORM tsdb.ingest('ingest_ring', ROW('2026-05-05 00:01+00'::timestamptz, 1));
	ROLLBACK;
	PERFORM tsdb.ingest('ingest_ring', ROW('2026-05-05 00:02+00'::timestamptz, 1));
END $$;
CALL ingest_twice();
SELECT time FROM ingest_ring WHERE time BETWEEN '2026-05-05' AND '2026-05-06' ORDER BY time;

-- tables that take an INSERT
CREATE TABLE ingest_identity (id bigint GENERATED ALWAYS AS IDENTITY, time timestamptz) USING tsdb;
SELECT tsdb.ingest('ingest_identity', '{"time": "2026-01-01 00:00+00"}');
SELECT tsdb.ingest('ingest_identity', '{"id": 5, "time": "2026-01-01 00:00+00"}');
CREATE TABLE ingest_serial (time timestamptz, id serial, twice int GENERATED ALWAYS AS (id * 2) STORED) USING tsdb;
SELECT tsdb.ingest('ingest_serial', ROW('2026-01-01 00:00+00'::timestamptz));
SELECT * FROM ingest_identity, ingest_serial;
CREATE FUNCTION ingest_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.note := 'by trigger';
	RETURN NEW;
END $$;
CREATE TABLE ingest_triggered (LIKE ingest_ring) USING tsdb;
CREATE TRIGGER t BEFORE INSERT ON ingest_triggered FOR EACH ROW EXECUTE FUNCTION ingest_trigger();
SELECT tsdb.ingest('ingest_triggered', ROW('2026-01-01 00:00+00'::timestamptz));
SELECT note FROM ingest_triggered;
CREATE TABLE ingest_parent (time timestamptz, host int) PARTITION BY LIST (host);
CREATE TABLE ingest_part PARTITION OF ingest_parent FOR VALUES IN (1) USING tsdb;
SELECT tsdb.ingest('ingest_part', ROW('2026-01-01 00:00+00'::timestamptz, 1));
SELECT tsdb.ingest('ingest_part', ROW('2026-01-01 00:00+00'::timestamptz, 2));
SELECT * FROM ingest_parent;

-- constraints, keys, domains
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE ingest_checked (time timestamptz NOT NULL, host positive, value float8 CHECK (value < 10), name varchar(3),
	UNIQUE (time, host)) USING tsdb;
SELECT tsdb.ingest('ingest_checked', ROW('2026-01-01 00:00+00'::timestamptz, 1, 2, 'abc'));
SELECT tsdb.ingest('ingest_checked', ROW('2026-01-01 00:00+00'::timestamptz, 1, 3, 'abc'));
SELECT tsdb.ingest('ingest_checked', ROW('2026-01-01 00:01+00'::timestamptz, 0, 2, 'abc'));
SELECT tsdb.ingest('ingest_checked', ARRAY['2026-01-01 00:02+00', '2026-01-01 00:03+00']::timestamptz[], ARRAY[1, 2], ARRAY[1, 11]);
SELECT tsdb.ingest('ingest_checked', '{"host": 1}');
SELECT tsdb.ingest('ingest_checked', ROW('2026-01-01 00:04+00'::timestamptz, 1, 2, 'abcd'));
SELECT tsdb.ingest('ingest_checked', ROW('2026-01-01 00:04+00'::timestamptz, 1, 2, 'abc   '));
SELECT * FROM ingest_checked ORDER BY time;

-- no arrays in binary format
SELECT tsdb.ingest('ingest_ring', ''::bytea);
SELECT tsdb.ingest('ingest_ring', '\x000000010000000000000017'::bytea);
SELECT tsdb.ingest('ingest_ring', '\x00000001000000000000004a0000000100000001'::bytea);
SELECT tsdb.ingest('ingest_ring', '\xffffffff00000000000004a00000000100000001'::bytea);
SELECT tsdb.ingest('ingest_ring', array_send(ARRAY[now()]) || '\x00');
SELECT tsdb.ingest('ingest_ring', substr(array_send(ARRAY[now(), now()]), 1, 40));
SELECT tsdb.ingest('ingest_ring', overlay(array_send(ARRAY[now(), now()]) PLACING '\x00000007'::bytea FROM 21 FOR 4));
SELECT tsdb.ingest('ingest_ring', overlay(array_send(ARRAY[now(), now()]) PLACING '\x7ffffffffffffffe'::bytea FROM 25 FOR 8));
SELECT tsdb.ingest('ingest_ring', array_send(ARRAY[ARRAY[now()], ARRAY[now()]]));
SELECT tsdb.ingest('ingest_ring', array_send(ARRAY[now()]), array_send(ARRAY[1, 2]));
\set VERBOSITY sqlstate
SELECT tsdb.ingest('ingest_ring', array_send(ARRAY[point(1, 2)]));
\set VERBOSITY default

-- errors
SELECT tsdb.ingest('ingest_ring', '{"nope": 1}');
SELECT tsdb.ingest('ingest_ring', '3');
SELECT tsdb.ingest('ingest_ring', '[[1]]'::jsonb);
SELECT tsdb.ingest('ingest_ring', 'not json');
SELECT tsdb.ingest('ingest_ring', NULL::jsonb);
SELECT tsdb.ingest(NULL, '{}'::jsonb);
SELECT tsdb.ingest('ingest_ring', 7);
SELECT tsdb.ingest('ingest_ring', ARRAY[now()], ARRAY[1, 2]);
SELECT tsdb.ingest('ingest_ring', ARRAY[ARRAY[now()]]);
\set VERBOSITY sqlstate
SELECT tsdb.ingest('ingest_ring', ARRAY[now()], ARRAY['x']);
\set VERBOSITY default
SELECT tsdb.ingest('ingest_ring', ROW(now(), 1, 2, 'x', NULL::jsonb, 6));
SELECT tsdb.ingest('ingest_ring', VARIADIC ARRAY[now()]);
SELECT tsdb.ingest('ingest_heap', '{}'::jsonb);
SELECT tsdb.ingest('ingest_parent', '{}'::jsonb);
SELECT tsdb.ingest(1::regclass, '{}'::jsonb);
SELECT tsdb.ingest('ingest_ring', ROW(now())), 1 / 0;
SET default_transaction_read_only = on;
SELECT tsdb.ingest('ingest_ring', ROW(now()));
RESET default_transaction_read_only;
CREATE ROLE regress_ingest;
SET ROLE regress_ingest;
SELECT tsdb.ingest('ingest_ring', ROW(now()));
SELECT count(*) FROM tsdb.dead_letters;
RESET ROLE;
GRANT INSERT (time) ON ingest_ring TO regress_ingest;
SET ROLE regress_ingest;
SELECT tsdb.ingest('ingest_ring', '{"time": "2026-06-01 00:00+00"}');
SELECT tsdb.ingest('ingest_ring', '{"time": "2026-06-01 00:00+00", "host": 1}');
RESET ROLE;

-- row security
CREATE TABLE ingest_secured (time timestamptz, host int) USING tsdb;
ALTER TABLE ingest_secured ENABLE ROW LEVEL SECURITY;
CREATE POLICY one ON ingest_secured USING (host = 1);
GRANT ALL ON ingest_secured TO regress_ingest;
SET ROLE regress_ingest;
SELECT tsdb.ingest('ingest_secured', ROW(now(), 1));
SELECT tsdb.ingest('ingest_secured', ROW(now(), 2));
RESET ROLE;
SELECT host FROM ingest_secured;

-- nothing stays behind
SELECT coalesce(sum(used), 0) AS used FROM tsdb.stat_ingest_pool;
SELECT coalesce(sum(rows_waiting), 0) AS waiting FROM tsdb.stat_ingest WHERE datname = current_database();

DROP TABLE ingest_chunk, ingest_plain, ingest_ring, ingest_heap, ingest_identity, ingest_serial, ingest_triggered, ingest_parent, ingest_checked, ingest_secured;
DROP FUNCTION direct_rows, ingest_trigger;
DROP PROCEDURE ingest_twice, ingest_many;
DROP DOMAIN positive;
DROP ROLE regress_ingest;
