-- Rows of a statement that do not fit into memory: what does not fill a chunk of its series waits for more of the
-- series, unless that is most of what there is; and everything is as if nothing had waited.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS tsdb;
LOAD 'tsdb';
RESET client_min_messages;
CREATE SCHEMA load_series;
SET search_path = load_series, public;
SET TIME ZONE 'UTC';
SET tsdb.shards = 2;
SET tsdb.direct_load_memory = '1MB';
SET tsdb.direct_load_rows = 1000;

-- rows of a time, late rows, nulls, values of any length
CREATE FUNCTION rows_of(series int, count int) RETURNS TABLE (ts timestamptz, device text, v float8, note text)
LANGUAGE sql STABLE AS $$
	SELECT '2026-01-01'::timestamptz + (CASE WHEN i % 50 = 0 THEN i - 300 ELSE i / 2 * 2 END) * interval '1 s', 'device ' || s,
		CASE WHEN i % 11 > 0 THEN i * s / 4.0 END, CASE i % 7 WHEN 0 THEN NULL WHEN 1 THEN repeat('long ', i % 60) ELSE 'n' || i END
	FROM generate_series(1, count) i, generate_series(1, series) s
$$;

CREATE TABLE h (ts timestamptz, device text, v float8, note text);
CREATE TABLE m (LIKE h) USING tsdb;
CREATE FUNCTION differences() RETURNS bigint LANGUAGE sql AS $$
	SELECT (SELECT count(*) FROM (TABLE h EXCEPT ALL TABLE m) a) + (SELECT count(*) FROM (TABLE m EXCEPT ALL TABLE h) b)
$$;

-- nearly all rows are in chunks; how many of these are less than full
CREATE VIEW chunks AS
	SELECT (SELECT count(*) FROM m) - sum(rows) < 1000 AS loaded, count(*) FILTER (WHERE rows < 1024) AS partial, count(*) FILTER (WHERE rows < 768) AS small
	FROM tsdb.chunks WHERE "table" = 'm'::regclass;

-- few series
INSERT INTO h SELECT * FROM rows_of(3, 10000);
INSERT INTO m SELECT * FROM rows_of(3, 10000);
SELECT loaded, partial <= 4 AS full FROM chunks;
SELECT differences();
SELECT * FROM tsdb.verify('m');
SELECT device, count(*), sum(v), min(ts), max(ts) FROM m GROUP BY device ORDER BY device;

-- more series than chunks fit into memory: nothing waits
TRUNCATE h, m;
INSERT INTO h SELECT * FROM rows_of(40, 700);
INSERT INTO m SELECT * FROM rows_of(40, 700);
SELECT loaded, small < 6 AS large FROM chunks;
SELECT differences();

-- series come and go, some with a few rows beside those with many
TRUNCATE h, m;
INSERT INTO h SELECT ts, device || CASE WHEN i % 40 = 0 THEN ' x' || i ELSE i / 8000 || '' END, v, note
	FROM (SELECT *, row_number() OVER () AS i FROM rows_of(2, 15000)) r;
INSERT INTO m SELECT ts, device || CASE WHEN i % 40 = 0 THEN ' x' || i ELSE i / 8000 || '' END, v, note
	FROM (SELECT *, row_number() OVER () AS i FROM rows_of(2, 15000)) r;
SELECT loaded FROM chunks;
SELECT differences();
SELECT * FROM tsdb.verify('m');

-- a few long rows do not stay in memory while many short ones come
TRUNCATE m;
INSERT INTO m SELECT '2026-01-01'::timestamptz + i * interval '1 s', CASE WHEN i <= 860 THEN 'long' ELSE 'short' END, i, CASE WHEN i <= 860 THEN repeat('long ', 200) END
	FROM generate_series(1, 30860) i;
SELECT count(*) = 860 AS all, count(*) FILTER (WHERE (ctid::text::point)[0] >= 2147483648) > 700 AS loaded FROM m WHERE device = 'long';
SELECT loaded FROM chunks;

-- latest first: what waits is the earliest, so that chunks of a series do not overlap
TRUNCATE h, m;
INSERT INTO h SELECT '2026-01-01'::timestamptz - i * interval '1 s', 'device ' || s, i FROM generate_series(1, 20000) i, generate_series(1, 3) s;
INSERT INTO m SELECT '2026-01-01'::timestamptz - i * interval '1 s', 'device ' || s, i FROM generate_series(1, 20000) i, generate_series(1, 3) s;
SELECT loaded, partial <= 4 AS full FROM chunks;
SELECT count(*) AS overlaps FROM (SELECT device, (ctid::text::point)[0]::bigint / 4 AS chunk, min(ts), max(ts) FROM m WHERE (ctid::text::point)[0] >= 2147483648 GROUP BY 1, 2) a
	JOIN (SELECT device, (ctid::text::point)[0]::bigint / 4 AS chunk, min(ts), max(ts) FROM m WHERE (ctid::text::point)[0] >= 2147483648 GROUP BY 1, 2) b
	ON a.device = b.device AND a.chunk < b.chunk AND a.min <= b.max AND b.min <= a.max;
SELECT differences();

-- COPY, and who reads in the same transaction
SELECT pg_backend_pid() AS pid \gset
\set file '/tmp/tsdb_load_series_' :pid
TRUNCATE h;
INSERT INTO h SELECT * FROM rows_of(3, 10000);
COPY h TO :'file';
TRUNCATE m;
BEGIN;
COPY m FROM :'file';
SELECT differences();
COMMIT;
SELECT loaded, partial <= 3 AS full FROM chunks;
SELECT differences();

-- subtransactions: what waits is of the one that loads
TRUNCATE m;
BEGIN;
COPY m FROM :'file' WHERE device = 'device 1';
SAVEPOINT a;
COPY m FROM :'file' WHERE device = 'device 2';
ROLLBACK TO a;
COPY m FROM :'file' WHERE device = 'device 2';
RELEASE a;
SAVEPOINT b;
COPY m FROM :'file' WHERE v / (CASE WHEN v = 5000 THEN 0 ELSE 1 END) > -1;
ROLLBACK TO b;
COPY m FROM :'file' WHERE device = 'device 3';
COMMIT;
SELECT differences();
SELECT loaded FROM chunks;

-- a failure after some was written
COPY m FROM :'file' WHERE v / (CASE WHEN v = 5000 THEN 0 ELSE 1 END) > -1;
SELECT differences();

-- two tables share the memory
CREATE TABLE p (LIKE h) PARTITION BY LIST (device);
CREATE TABLE p1 PARTITION OF p FOR VALUES IN ('device 1', 'device 2') USING tsdb;
CREATE TABLE p2 PARTITION OF p DEFAULT USING tsdb;
COPY p FROM :'file';
SELECT count(*) FROM (TABLE h EXCEPT ALL TABLE p) a;
SELECT "table", sum(rows) > 9000 AS loaded, count(*) FILTER (WHERE rows < 1024) <= 2 AS full FROM tsdb.chunks
	WHERE "table" IN ('p1'::regclass, 'p2') GROUP BY 1 ORDER BY 1;

-- unique keys: the first row that has a conflict is named, also if it waits while another is found; and rows that have waited
-- know their lines
CREATE TABLE source (n int, ts timestamptz, device int, v float8);
INSERT INTO source SELECT n, '2026-01-01'::timestamptz + n / 3 * interval '1 s', n % 3, n FROM generate_series(0, 44999) n;
CREATE TABLE hk (ts timestamptz, device int, v float8, PRIMARY KEY (device, ts));
CREATE TABLE mk (ts timestamptz, device int, v float8) USING tsdb;
CREATE UNIQUE INDEX mk_key ON mk USING tsdb_key (device, ts);

-- what a load of the rows raises, with second ones of some of them at some places
CREATE FUNCTION try(relation text, again int[], at int[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	file text := '/tmp/tsdb_load_series_again_' || pg_backend_pid();
	message text; detail text; context text;
BEGIN
	EXECUTE format('COPY (SELECT ts, device, v FROM (SELECT n::float8 AS place, * FROM source UNION ALL '
		'SELECT a.at + 0.5, s.* FROM unnest(%L::int[], %L::int[]) a (again, at) JOIN source s ON n = again) r ORDER BY place) TO %L', again, at, file);
	EXECUTE format('COPY %s FROM %L', relation, file);
	RETURN 'ok';
EXCEPTION WHEN unique_violation THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, context = PG_EXCEPTION_CONTEXT;
	RETURN concat_ws(' | ', detail, (regexp_match(context, 'line \d+'))[1]);
END $$;
CREATE FUNCTION try_both(again int[], at int[]) RETURNS TABLE (heap text, is_same boolean) LANGUAGE sql AS $$
	SELECT h, h = try('mk', again, at) FROM try('hk', again, at) h
$$;
SELECT * FROM try_both('{10}', '{11}');
SELECT * FROM try_both('{12000}', '{12010}');
SELECT * FROM try_both('{12000}', '{12400}');
SELECT * FROM try_both('{10}', '{44900}');
SELECT * FROM try_both('{44990, 12}', '{44995, 44999}');
SELECT count(*) AS differences FROM generate_series(18000, 24000, 250) n, try_both(ARRAY[n, n / 2], ARRAY[n + 10, n + 200]) t WHERE NOT is_same;
SELECT * FROM try_both('{}', '{}');
SELECT count(*) FROM (TABLE hk EXCEPT ALL TABLE mk) a;
SELECT count(*) FROM mk;
SELECT count(*) FILTER (WHERE rows < 1024) <= 3 AS full FROM tsdb.chunks WHERE "table" = 'mk'::regclass;
SELECT * FROM try_both('{}', '{}');
DELETE FROM hk WHERE v < 40000;
DELETE FROM mk WHERE v < 40000;
SELECT * FROM try_both('{}', '{}');
SELECT * FROM tsdb.verify('mk');

-- arrays, of which columns stay columns until they are chunks
TRUNCATE h, m;
SET tsdb.direct_load_rows = 500;
CREATE TABLE n (ts timestamptz, device int, v float8) USING tsdb;
CREATE TABLE g (LIKE n);
SELECT tsdb.ingest('n', array_agg('2026-01-01'::timestamptz + i * interval '1 s' ORDER BY s, i), array_agg(s ORDER BY s, i),
	array_agg(i / 8.0::float8 ORDER BY s, i)) FROM generate_series(1, 20000) i, generate_series(1, 3) s;
INSERT INTO g SELECT '2026-01-01'::timestamptz + i * interval '1 s', s, i / 8.0 FROM generate_series(1, 20000) i, generate_series(1, 3) s;
SELECT count(*) FROM (TABLE g EXCEPT ALL TABLE n) a;
SELECT sum(rows) > 50000 AS loaded, count(*) FILTER (WHERE rows < 1024) <= 3 AS full FROM tsdb.chunks WHERE "table" = 'n'::regclass;

\setenv PID :pid
\! rm -f /tmp/tsdb_load_series_$PID /tmp/tsdb_load_series_again_$PID
SET client_min_messages = warning;
DROP SCHEMA load_series CASCADE;
