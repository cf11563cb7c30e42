-- many rows of one statement go to chunks at once; everything is as if they had been inserted one by one

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS tsdb;
LOAD 'tsdb';
RESET client_min_messages;
CREATE SCHEMA direct_load;
SET search_path = direct_load, public;
SET TIME ZONE 'UTC';
SET jit = off;
SET tsdb.shards = 2;

-- rows in chunks, and whether the row store has any
CREATE FUNCTION stores(regclass) RETURNS TABLE (rows bigint, in_chunks numeric, row_store boolean)
LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format(
		'SELECT (SELECT count(*) FROM %s), coalesce((SELECT chunk_rows FROM tsdb.tables WHERE "table" = $1), 0)::numeric, pg_relation_size($1) > 0', $1)
		USING $1;
END $$;

CREATE TABLE h (ts timestamptz, device int, v float8, note text);
INSERT INTO h SELECT '2024-01-01'::timestamptz + i * interval '10 s', i % 7, i / 4.0, CASE WHEN i % 5 > 0 THEN 'n' || i % 100 END
	FROM generate_series(1, 20000) i;
\set differences '(SELECT count(*) FROM (TABLE h EXCEPT ALL TABLE m) a), (SELECT count(*) FROM (TABLE m EXCEPT ALL TABLE h) b)'

-- the settings
SHOW tsdb.direct_load_rows;
SHOW tsdb.direct_load_memory;
SET tsdb.direct_load_memory = '1kB';

-- INSERT ... SELECT: few rows and many
CREATE TABLE m (LIKE h) USING tsdb;
INSERT INTO m SELECT * FROM h LIMIT 9999;
SELECT * FROM stores('m');
TRUNCATE m;
INSERT INTO m SELECT * FROM h;
SELECT * FROM stores('m');
SELECT :differences;
SELECT * FROM tsdb.verify('m');
TRUNCATE m;
SET tsdb.direct_load_rows = 0;
INSERT INTO m SELECT * FROM h;
SELECT * FROM stores('m');
TRUNCATE m;
SET tsdb.direct_load_rows = 500;

-- VALUES, and less memory than rows
INSERT INTO m VALUES ('2024-01-01', 1, 2, 'one'), ('2024-01-01', 1, NULL, NULL);
INSERT INTO m SELECT * FROM h LIMIT 400;
SELECT * FROM stores('m');
TRUNCATE m;
SET tsdb.direct_load_memory = '1MB';
INSERT INTO m SELECT * FROM h;
SELECT in_chunks > 19000 AS most, rows FROM stores('m');
SELECT :differences;

-- long rows, of which memory does not hold as many as that
SET tsdb.direct_load_rows = 10000;
CREATE TABLE long (i int, t text) USING tsdb;
ALTER TABLE long ALTER t SET STORAGE EXTERNAL;
SET tsdb.direct_load_memory = '8MB';
INSERT INTO long SELECT i, (SELECT string_agg(md5((i + j)::text), '') FROM generate_series(1, 300) j) FROM generate_series(1, 2000) i;
SELECT in_chunks > 800 AS many FROM stores('long');
SELECT count(*), sum(length(t)), sum(hashtext(t)::bigint) = (SELECT sum(hashtext((SELECT string_agg(md5((i + j)::text), '') FROM generate_series(1, 300) j))::bigint)
	FROM generate_series(1, 2000) i) AS same FROM long;
SET tsdb.direct_load_rows = 500;
RESET tsdb.direct_load_memory;

-- short values for a column that is stored plain, which come from one that is not
CREATE TABLE plain (LIKE h) USING tsdb;
ALTER TABLE plain ALTER note SET STORAGE PLAIN;
INSERT INTO plain SELECT * FROM h;
SELECT rows = in_chunks + 64 AS loaded, rows FROM stores('plain');
SELECT count(*) FROM (TABLE h EXCEPT ALL TABLE plain) a;
INSERT INTO plain SELECT * FROM plain;
SELECT count(*), count(DISTINCT note), sum(length(note)) = (SELECT 2 * sum(length(note)) FROM h) AS same FROM plain;
DROP TABLE plain;

-- COPY, of both formats and with a condition
SELECT pg_backend_pid() AS pid \gset
\set file '/tmp/tsdb_direct_load_' :pid
COPY h TO :'file';
TRUNCATE m;
COPY m FROM :'file';
SELECT * FROM stores('m');
SELECT :differences;
TRUNCATE m;
COPY m FROM :'file' WHERE device < 3;
SELECT in_chunks = rows AS direct, rows, (SELECT count(*) FROM h WHERE device < 3) AS expected FROM stores('m');
COPY h TO :'file' (FORMAT binary);
TRUNCATE m;
COPY m FROM :'file' (FORMAT binary);
SELECT * FROM stores('m');
SELECT :differences;
BEGIN;
TRUNCATE m;
COPY m FROM :'file' (FORMAT binary, FREEZE);
SELECT * FROM stores('m');
COMMIT;
SELECT :differences;
SELECT * FROM tsdb.verify('m');

-- CREATE TABLE AS, SELECT INTO, materialized views
CREATE TABLE made USING tsdb AS TABLE h;
SELECT * FROM stores('made');
CREATE MATERIALIZED VIEW seen USING tsdb AS TABLE h;
SELECT * FROM stores('seen');
REFRESH MATERIALIZED VIEW seen;
SELECT rows FROM stores('seen');
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
CREATE TABLE made_in_parallel USING tsdb AS TABLE h;
SELECT * FROM stores('made_in_parallel');
SELECT count(*) FROM (TABLE h EXCEPT ALL TABLE made_in_parallel) a;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;

-- rows wait in memory as values of all kinds, with and without nulls, and go on to chunks or to the row store
CREATE TABLE kinds (i1 "char", i2 int2, b bool, i4 int, d date, f4 float4, f8 float8, gone int, ts timestamptz, u uuid, iv interval,
	n name, t text, tt text, num numeric, a int[], ov oidvector, iv2 int2vector, by bytea, bp char(5), c text COMPRESSION pglz);
ALTER TABLE kinds DROP gone;
INSERT INTO kinds SELECT chr(65 + i % 26)::"char", i % 300, i % 2 = 0, i, '2024-01-01'::date + i, i / 4.0, CASE WHEN i % 3 > 0 THEN i / 8.0 END,
	'2024-01-01'::timestamptz + i * interval '1 s', md5(i::text)::uuid, i * interval '1 min', 'n' || i, repeat('x', i % 200), repeat('y', i % 400),
	i / 10.0, ARRAY[i, NULL, i], (i || ' 7')::oidvector, (i % 100 || ' 8 9')::int2vector, decode(md5(i::text), 'hex'), 'c' || i % 9,
	CASE WHEN i % 4 > 0 THEN repeat('long ', 1000) END
	FROM generate_series(1, 800) i;
UPDATE kinds SET t = NULL, u = NULL, i1 = NULL WHERE i4 % 5 = 0;
INSERT INTO kinds (i4) SELECT i FROM generate_series(1, 50) i;
CREATE TABLE kinds_loaded (LIKE kinds) USING tsdb;
\set file_of_kinds '/tmp/tsdb_direct_load_kinds_' :pid
COPY kinds TO :'file_of_kinds' (FORMAT binary);
COPY kinds_loaded FROM :'file_of_kinds' (FORMAT binary);
SELECT in_chunks FROM stores('kinds_loaded');
SELECT count(*) FROM (SELECT kinds::text FROM kinds EXCEPT ALL SELECT k::text FROM kinds_loaded k) a;
TRUNCATE kinds_loaded;
INSERT INTO kinds_loaded SELECT * FROM kinds;
SELECT in_chunks FROM stores('kinds_loaded');
SELECT count(*) FROM (SELECT kinds::text FROM kinds EXCEPT ALL SELECT k::text FROM kinds_loaded k) a;
SET tsdb.direct_load_rows = 1000;
TRUNCATE kinds_loaded;
COPY kinds_loaded FROM :'file_of_kinds' (FORMAT binary);
SELECT in_chunks, row_store FROM stores('kinds_loaded');
SELECT count(*) FROM (SELECT kinds::text FROM kinds EXCEPT ALL SELECT k::text FROM kinds_loaded k) a;
SET tsdb.direct_load_rows = 500;

-- more columns than there are bits in a word, a few of them not null
SELECT 'CREATE TABLE wide (' || string_agg(format('c%s int', i), ', ') || ')' FROM generate_series(1, 150) i \gexec
INSERT INTO wide (c1, c64, c65, c128, c150) SELECT i, i % 3, nullif(i % 5, 0), nullif(i % 7, 1), -i FROM generate_series(1, 1500) i;
CREATE TABLE wide_loaded USING tsdb AS TABLE wide;
SELECT in_chunks FROM stores('wide_loaded');
SELECT count(*) FROM (TABLE wide EXCEPT ALL TABLE wide_loaded) a;

-- COPY's rows are not tuples, but what runs in the middle of it scans and updates as ever
\set file_of_text '/tmp/tsdb_direct_load_text_' :pid
COPY h TO :'file_of_text';
CREATE TABLE busy (LIKE h) USING tsdb;
CREATE FUNCTION touch(int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE direct_load.busy SET note = 'touched' WHERE device = 1 AND v < 10;
	INSERT INTO direct_load.busy SELECT ts, device, -v, note FROM direct_load.busy WHERE device = 2 AND v < 10;
	RETURN true;
END $$;
CREATE FUNCTION told_of_update() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER u AFTER UPDATE ON busy FOR EACH ROW EXECUTE FUNCTION told_of_update();
COPY busy FROM :'file_of_text' WHERE v <> 300 OR touch(device);
SELECT count(*), count(*) FILTER (WHERE note = 'touched') AS touched, count(*) FILTER (WHERE v < 0) AS again FROM busy;
DROP TABLE busy;
CREATE TABLE busy (LIKE h);
CREATE TRIGGER u AFTER UPDATE ON busy FOR EACH ROW EXECUTE FUNCTION told_of_update();
COPY busy FROM :'file_of_text' WHERE v <> 300 OR touch(device);
SELECT count(*), count(*) FILTER (WHERE note = 'touched') AS touched, count(*) FILTER (WHERE v < 0) AS again FROM busy;

-- COPY's own reading of floats and times, as it is gathered, is that of their input functions
CREATE TABLE fields (f float8, z timestamptz, z3 timestamptz(3), l timestamp);
CREATE TABLE fields_loaded (LIKE fields) USING tsdb;
CREATE TABLE field_texts AS
	SELECT f.f, z.z, z.z AS z3, l.l FROM
	(SELECT f, row_number() OVER () AS i FROM (
		SELECT unnest('{0,-0,1,-1,1.,.5,+3,1e5,1E-7,007,0.1,-0.30,123456789012345,1234567890123456,12345678901234567890123,0.000000000000001,0.0000000000000001,
			9007199254740993,99999.9999999999,1.7976931348623157e308,nan,-inf,Infinity,1234.5678901234567, 5 ,0x1p3,4.9e-324,000000000000000000001.5,-.5,3.14159265358979}'::text[])
		UNION ALL SELECT round((random() * 10 ^ (i % 14))::numeric, i % 9)::text FROM generate_series(1, 2000) i
		UNION ALL SELECT (random() * 10 ^ (i % 30 - 15))::text FROM generate_series(1, 1000) i) f(f)) f,
	(SELECT z, row_number() OVER () AS i FROM (
		SELECT unnest('{2024-01-01 00:00:00+00,2024-02-29T23:59:59Z,2024-02-29 23:59:59.5,2023-12-31 23:59:60+01,2024-01-01 24:00:00+00,2024-06-01 12:30:45.123456-03:30,
			2024-06-01 12:30:45.1234567+02,2024-06-01,1899-12-31 00:00:00+00,1900-01-01 00:00:00+00,2200-12-31 23:59:59.999999+14:59,2201-01-01 00:00:00+00,2024-06-01 12:30:45+0530,
			2024-06-01 12:30:45 Europe/Berlin,2024-06-01 12:30:45 PST,infinity,-infinity,epoch,0044-03-15 12:00:00 BC,2024-06-01 12:30,06/07/2024 1:2:3 PM,20240601T123045Z,
			2024-06-01 12:30:45+15:30,2024-06-01 12:30:45-00:30,2024-06-01 12:30:45.+00,2024-06-01t12:30:45z,2024-06-01 12:30:45+5,2024-06-01  12:30:45+00,12024-06-01 12:30:45+00,
			2024-03-31 02:30:00,2024-10-27 02:30:00}'::text[])
		UNION ALL SELECT (timestamptz '1890-01-01' + i * interval '37 days 11:13:17.123457')::text FROM generate_series(1, 2999) i) z(z)) z,
	(SELECT l, row_number() OVER () AS i FROM (
		SELECT unnest('{2024-01-01 00:00:00,2024-02-29T23:59:59.25,2024-06-01 12:30:45+05,2024-06-01 12:30:45Z,infinity}'::text[])) l(l)
		UNION ALL SELECT (timestamp '1890-01-01' + i * interval '37 days 11:13:17.12')::text, i + 5 FROM generate_series(1, 3025) i) l
	WHERE f.i = z.i AND z.i = l.i;
SELECT count(*) FROM field_texts;
CREATE FUNCTION loads_fields() RETURNS TABLE (zone text, rows bigint, other_rows bigint) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY direct_load.field_texts TO %L', '/tmp/tsdb_direct_load_fields_' || pg_backend_pid());
	FOREACH zone IN ARRAY '{UTC,Europe/Berlin,Asia/Kathmandu,<-02>+2}'::text[] LOOP
		PERFORM set_config('TimeZone', zone, false);
		TRUNCATE direct_load.fields, direct_load.fields_loaded;
		EXECUTE format('COPY direct_load.fields FROM %L', '/tmp/tsdb_direct_load_fields_' || pg_backend_pid());
		EXECUTE format('COPY direct_load.fields_loaded FROM %L', '/tmp/tsdb_direct_load_fields_' || pg_backend_pid());
		SELECT count(*) INTO rows FROM direct_load.fields_loaded;
		SELECT count(*) INTO other_rows FROM (SELECT float8send(f), timestamptz_send(z), timestamptz_send(z3), timestamp_send(l) FROM direct_load.fields
			EXCEPT ALL SELECT float8send(f), timestamptz_send(z), timestamptz_send(z3), timestamp_send(l) FROM direct_load.fields_loaded) a;
		RETURN NEXT;
	END LOOP;
	SET TIME ZONE 'UTC';
	EXECUTE format('COPY direct_load.fields TO %L (FORMAT binary)', '/tmp/tsdb_direct_load_fields_' || pg_backend_pid());
	TRUNCATE direct_load.fields_loaded;
	EXECUTE format('COPY direct_load.fields_loaded FROM %L (FORMAT binary)', '/tmp/tsdb_direct_load_fields_' || pg_backend_pid());
	zone := 'binary';
	SELECT count(*) INTO rows FROM direct_load.fields_loaded;
	SELECT count(*) INTO other_rows FROM (SELECT float8send(f), timestamptz_send(z), timestamptz_send(z3), timestamp_send(l) FROM direct_load.fields
		EXCEPT ALL SELECT float8send(f), timestamptz_send(z), timestamptz_send(z3), timestamp_send(l) FROM direct_load.fields_loaded) a;
	RETURN NEXT;
END $$;
SELECT * FROM loads_fields();
COPY fields_loaded (f) FROM stdin;
1.5
1.5.5
\.
COPY fields_loaded (z) FROM stdin;
2024-02-29 00:00:00+00
2023-02-29 00:00:00+00
\.
COPY fields_loaded (z, l) FROM stdin;
2024-02-29 00:00:00+00	2024-02-29 00:00:00
2024-02-29 00:00:00+00x	2024-02-29 00:00:00
\.

-- the same transaction: seen at once, gone with a savepoint, changed
TRUNCATE m;
BEGIN;
INSERT INTO m SELECT * FROM h WHERE device < 2;
SELECT count(*) FROM m;
SAVEPOINT a;
INSERT INTO m SELECT * FROM h WHERE device = 2;
UPDATE m SET v = -1 WHERE device = 2 AND v < 100;
SELECT count(*), count(*) FILTER (WHERE v = -1) FROM m;
ROLLBACK TO a;
SELECT count(*), count(*) FILTER (WHERE v = -1) FROM m;
DECLARE c CURSOR FOR SELECT count(*) OVER () FROM m;
INSERT INTO m SELECT * FROM h WHERE device >= 2;
FETCH 1 FROM c;
DELETE FROM m WHERE device = 6;
SELECT count(*) FROM m;
COMMIT;
SELECT count(*) FROM h WHERE device < 6;
SELECT * FROM stores('m');
SELECT * FROM tsdb.verify('m');
BEGIN;
INSERT INTO m SELECT * FROM h;
ROLLBACK;
SELECT count(*) FROM m;
VACUUM m;
SELECT * FROM tsdb.verify('m');

-- a statement reads its own table: its snapshot does not see what it inserts
INSERT INTO m SELECT m.* FROM m, generate_series(1, 2);
SELECT count(*) = 3 * (SELECT count(*) FROM h WHERE device < 6) AS tripled FROM m;

-- functions of the statement: volatile ones see the rows before theirs, stable ones do not
TRUNCATE m;
CREATE FUNCTION count_now() RETURNS bigint LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN (SELECT count(*) FROM direct_load.m); END';
CREATE FUNCTION count_before() RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT count(*) FROM direct_load.m); END';
INSERT INTO m SELECT ts, device, CASE WHEN i IN (1, 2, 700, 1500) THEN count_now() END, CASE WHEN i IN (1, 700, 1500) THEN count_before()::text END
	FROM (SELECT row_number() OVER (ORDER BY ts) AS i, * FROM h ORDER BY ts LIMIT 1600) h;
SELECT v, note FROM m WHERE v IS NOT NULL ORDER BY v;
SELECT count(*) FROM m;

-- a subtransaction within the statement reads, and is rolled back or not: no row is lost or doubled
CREATE FUNCTION count_and_fail(fail boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
	BEGIN
		n := (SELECT count(*) FROM direct_load.m);
		BEGIN
			n := n + 0 * (SELECT count(*) FROM direct_load.m);
			IF fail THEN RAISE division_by_zero; END IF;
		EXCEPTION WHEN unique_violation THEN NULL;
		END;
	EXCEPTION WHEN division_by_zero THEN n := -n;
	END;
	RETURN n;
END $$;
TRUNCATE m;
INSERT INTO m SELECT ts, device, CASE WHEN i IN (600, 700, 1300, 1310, 1500) THEN count_and_fail(i <> 700) END
	FROM (SELECT row_number() OVER (ORDER BY ts) AS i, * FROM h ORDER BY ts LIMIT 1600) h;
SELECT v FROM m WHERE v IS NOT NULL ORDER BY abs(v);
SELECT count(*), count(DISTINCT ts) FROM m;
SELECT * FROM tsdb.verify('m');

-- triggers
CREATE TABLE told (what text, n bigint);
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_LEVEL = 'STATEMENT' THEN
		INSERT INTO direct_load.told SELECT TG_WHEN || ' ' || TG_LEVEL, count(*) FROM direct_load.m;
	ELSIF NEW.device = 0 AND NEW.v > 4990 THEN
		INSERT INTO direct_load.told SELECT TG_WHEN || ' ' || TG_LEVEL, count(*) FROM direct_load.m;
	END IF;
	RETURN NEW;
END $$;
CREATE FUNCTION tell_new() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN INSERT INTO direct_load.told SELECT ''transition table'', count(*) FROM new_rows; RETURN NULL; END';
TRUNCATE m;
CREATE TRIGGER a BEFORE INSERT ON m FOR EACH STATEMENT EXECUTE FUNCTION tell();
CREATE TRIGGER b AFTER INSERT ON m FOR EACH STATEMENT EXECUTE FUNCTION tell();
CREATE TRIGGER c BEFORE INSERT ON m FOR EACH ROW EXECUTE FUNCTION tell();
CREATE TRIGGER d AFTER INSERT ON m REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tell_new();
INSERT INTO m SELECT * FROM h ORDER BY ts;
SELECT * FROM told ORDER BY n, what;
SELECT rows, in_chunks > 19000 AS most FROM stores('m');
TRUNCATE told, m;
COPY m FROM :'file' (FORMAT binary);
SELECT * FROM told ORDER BY n, what;
SELECT rows, in_chunks > 19000 AS most FROM stores('m');
SELECT :differences;
CREATE TRIGGER e AFTER INSERT ON m FOR EACH ROW EXECUTE FUNCTION tell();
TRUNCATE told, m;
INSERT INTO m SELECT * FROM h;
SELECT what, count(*), min(n), max(n) FROM told WHERE what LIKE '%ROW' GROUP BY what ORDER BY what;
SELECT * FROM stores('m');

-- who asks for TIDs gets them: these rows go to the row store
CREATE TABLE k (id int PRIMARY KEY, v int) USING tsdb;
INSERT INTO k SELECT i, i FROM generate_series(1, 2000) i;
SELECT * FROM stores('k');
INSERT INTO k SELECT i, -i FROM generate_series(1, 3000) i ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v;
SELECT sum(v), count(*) FROM k;
INSERT INTO k SELECT i, i FROM generate_series(2999, 3100) i;
CREATE TABLE r (k int REFERENCES k) USING tsdb;
INSERT INTO r SELECT i FROM generate_series(1, 2000) i;
INSERT INTO r SELECT i FROM generate_series(2000, 3001) i;
SELECT * FROM stores('r');
CREATE TABLE p (i int) USING tsdb;
CREATE TABLE q (i int) USING tsdb;
WITH new AS (INSERT INTO p SELECT i FROM generate_series(1, 1000) i RETURNING ctid, i) SELECT count(DISTINCT ctid), sum(i) FROM new;
WITH new AS (INSERT INTO p SELECT i FROM generate_series(1, 1000) i RETURNING i) INSERT INTO q SELECT i FROM new;
SELECT * FROM stores('p');
SELECT * FROM stores('q');
DROP TABLE k, r;

-- an index that came later, and one that went
TRUNCATE m;
DROP TRIGGER e ON m;
INSERT INTO m SELECT * FROM h;
CREATE INDEX i ON m (device, ts);
INSERT INTO m SELECT * FROM h;
SELECT * FROM stores('m');
SET enable_seqscan = off;
SET tsdb.enable_scan = off;
SELECT count(*), sum(v) FROM m WHERE device = 3;
RESET enable_seqscan;
RESET tsdb.enable_scan;
DROP INDEX i;
INSERT INTO m SELECT * FROM h;
SELECT * FROM stores('m');
SELECT tsdb.compact('m') IS NOT NULL AS compacted;
SELECT * FROM stores('m');
SELECT * FROM tsdb.verify('m');

-- columns: dropped, generated, defaults, domains, out of line, over a megabyte
CREATE DOMAIN small AS int CHECK (VALUE < 1000);
CREATE TABLE t (gone int, a int NOT NULL DEFAULT 5, b small, twice int GENERATED ALWAYS AS (a * 2) STORED, t text, CHECK (a > 0)) USING tsdb;
ALTER TABLE t DROP COLUMN gone;
INSERT INTO t (b, t) SELECT i % 1000, CASE WHEN i % 100 = 0 THEN repeat(md5(i::text), 500) WHEN i = 777 THEN repeat(md5(i::text), 40000) ELSE i::text END
	FROM generate_series(1, 2000) i;
SELECT * FROM stores('t');
SELECT sum(a), sum(b), sum(twice), sum(length(t)), sum(hashtext(t)::bigint) FROM t;
CREATE TABLE t2 (LIKE t INCLUDING ALL) USING tsdb;
ALTER TABLE t2 ALTER t SET STORAGE EXTERNAL;
INSERT INTO t2 (a, b, t) SELECT a, b, t FROM t;
DROP TABLE t;
SELECT sum(a), sum(b), sum(twice), sum(length(t)), sum(hashtext(t)::bigint) FROM t2;
INSERT INTO t2 (b) SELECT i FROM generate_series(1, 2000) i;
INSERT INTO t2 (a) SELECT 1000 - i FROM generate_series(1, 2000) i;
SELECT count(*) FROM t2;
SELECT * FROM tsdb.verify('t2');
CREATE TABLE nothing () USING tsdb;
INSERT INTO nothing SELECT FROM generate_series(1, 1500);
SELECT * FROM stores('nothing');

-- a column added with a default to the table that rows come from
CREATE TABLE source (i int) USING heap;
INSERT INTO source SELECT generate_series(1, 1000);
ALTER TABLE source ADD COLUMN d int DEFAULT 5;
CREATE TABLE target (i int, d int) USING tsdb;
INSERT INTO target SELECT * FROM source;
SELECT sum(i), sum(d) FROM target;
ALTER TABLE target ADD COLUMN e int DEFAULT 6;
INSERT INTO target SELECT * FROM target;
SELECT sum(i), sum(d), sum(e), count(*) FROM target;

-- partitions
CREATE TABLE part (ts timestamptz, device int, v float8, note text) PARTITION BY LIST (device);
CREATE TABLE part_0 PARTITION OF part FOR VALUES IN (0) USING tsdb;
CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1, 2) USING tsdb;
CREATE TABLE part_3 PARTITION OF part FOR VALUES IN (3, 4, 5) USING tsdb;
CREATE TABLE part_d PARTITION OF part DEFAULT;
CREATE INDEX ON part_3 (ts);
INSERT INTO part SELECT * FROM h;
SELECT tableoid::regclass::text, count(*) FROM part GROUP BY 1 ORDER BY 1;
SELECT * FROM stores('part_0');
SELECT rows, in_chunks > 5000 AS most FROM stores('part_1');
SELECT * FROM stores('part_3');
TRUNCATE part;
COPY part FROM :'file' (FORMAT binary);
SELECT tableoid::regclass::text, count(*) FROM part GROUP BY 1 ORDER BY 1;
UPDATE part SET device = 1 WHERE device = 0;
SELECT tableoid::regclass::text, count(*) FROM part GROUP BY 1 ORDER BY 1;

-- many partitions: each takes a few locks, however many relations were made for it
CREATE TABLE many (i int, v int) PARTITION BY LIST (i);
SELECT format('CREATE TABLE many_%s PARTITION OF many FOR VALUES IN (%s) USING tsdb', i, i) FROM generate_series(0, 39) i \gexec
SET tsdb.shards = 16;
BEGIN;
INSERT INTO many SELECT i % 40, i FROM generate_series(1, 40000) i;
SELECT count(*) < 40 * 6 AS few FROM pg_locks WHERE pid = pg_backend_pid();
COMMIT;
SET tsdb.shards = 2;
SELECT sum(chunk_rows) FROM tsdb.tables WHERE "table"::text LIKE 'many%';
SELECT count(*), sum(v) FROM many;

-- temporary and unlogged tables
CREATE TEMP TABLE temp (LIKE h) USING tsdb;
INSERT INTO temp SELECT * FROM h;
SELECT rows, in_chunks FROM stores('pg_temp.temp');
DROP TABLE temp;
BEGIN;
CREATE TEMP TABLE temp (LIKE h) USING tsdb ON COMMIT DELETE ROWS;
INSERT INTO temp SELECT * FROM h;
SELECT count(*) FROM temp;
COMMIT;
SELECT count(*) FROM temp;
INSERT INTO temp SELECT * FROM h;
SELECT count(*) FROM temp;
CREATE UNLOGGED TABLE un (LIKE h) USING tsdb;
INSERT INTO un SELECT * FROM h;
SELECT rows, in_chunks = rows AS direct FROM stores('un');

-- serializable transactions, statistics
TRUNCATE q;
BEGIN ISOLATION LEVEL SERIALIZABLE;
INSERT INTO q SELECT generate_series(1, 1000);
SELECT * FROM stores('q');
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO q SELECT generate_series(1, 1000);
SELECT n_tup_ins >= 1000 AS counted FROM pg_stat_xact_user_tables WHERE relid = 'q'::regclass;
SELECT * FROM stores('q');
COMMIT;

-- who may not insert may not load; an error of a row undoes all
CREATE ROLE regress_direct_load;
GRANT USAGE ON SCHEMA direct_load TO regress_direct_load;
GRANT SELECT ON h TO regress_direct_load;
SET ROLE regress_direct_load;
INSERT INTO m SELECT * FROM h;
RESET ROLE;
GRANT INSERT ON m TO regress_direct_load;
DROP TRIGGER a ON m;
DROP TRIGGER b ON m;
DROP TRIGGER c ON m;
DROP TRIGGER d ON m;
TRUNCATE m;
SET ROLE regress_direct_load;
INSERT INTO m SELECT * FROM h;
RESET ROLE;
SELECT rows FROM stores('m');
INSERT INTO m SELECT ts, device, 1 / (device - 6 + (v < 4000)::int), note FROM h ORDER BY v;
SELECT count(*) FROM m;
DO $$
BEGIN
	INSERT INTO direct_load.m SELECT ts, device, 1 / (device - 6 + (v < 4000)::int), note FROM direct_load.h ORDER BY v;
EXCEPTION WHEN division_by_zero THEN
	INSERT INTO direct_load.m SELECT * FROM direct_load.h WHERE device = 1;
END $$;
SELECT count(*) FROM m;
SELECT * FROM tsdb.verify('m');

SET client_min_messages = warning;
\setenv PID :pid
\! rm -f /tmp/tsdb_direct_load_$PID /tmp/tsdb_direct_load_*_$PID
DROP SCHEMA direct_load CASCADE;
DROP ROLE regress_direct_load;
