-- Loads into tables whose indexes are all of access method tsdb_key: chunks at once, and no duplicate slips through.

CREATE SCHEMA load_keys;
SET search_path = load_keys, public;
SET statement_timeout = '60s';
SET timezone = 'UTC';
SET max_parallel_workers_per_gather = 0;	-- rows are named by line and order
SET tsdb.direct_load_rows = 100;
SELECT pg_backend_pid() AS pid \gset

-- which way did rows go?
CREATE FUNCTION stores(t regclass, OUT chunk_rows bigint, OUT other_rows bigint) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT count(*) FILTER (WHERE (ctid::text::point)[0] >= 2147483648), count(*) FILTER (WHERE (ctid::text::point)[0] < 2147483648) FROM %s', t)
		INTO chunk_rows, other_rows;
END $$;
-- what a statement raises
CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text; detail text; name text; tab text; context text;
BEGIN
	EXECUTE statement;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, name = CONSTRAINT_NAME,
		tab = TABLE_NAME, context = PG_EXCEPTION_CONTEXT;
	RETURN concat_ws(' | ', SQLSTATE, message, detail, name, tab, (regexp_match(context, 'COPY[^\n]*'))[1]);
END $$;
CREATE FUNCTION at(n int) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
	SELECT timestamptz '2024-01-01' + n * interval '10 s' $$;

CREATE TABLE m (device int, host text, ts timestamptz, v int) USING tsdb;
CREATE UNIQUE INDEX m_key ON m USING tsdb_key (host, ts, device);
CREATE INDEX m_look ON m USING tsdb_key (ts);
CREATE TABLE source (LIKE m);
INSERT INTO source SELECT n % 7, 'host number ' || n % 3, at(n / 21), n FROM generate_series(0, 20999) n;

INSERT INTO m SELECT * FROM source WHERE v < 10000;
SELECT * FROM stores('m');
SELECT try('INSERT INTO m SELECT * FROM source WHERE v BETWEEN 9999 AND 15000');
SELECT try('INSERT INTO m SELECT * FROM source WHERE v BETWEEN 10000 AND 15000');
SELECT * FROM stores('m');
-- the first one that conflicts is named, wherever the other one is
SELECT try('INSERT INTO m SELECT * FROM source WHERE v BETWEEN 15001 AND 20000 OR v IN (14000, 30) ORDER BY v <= 15000, v DESC');
SELECT try('INSERT INTO m SELECT * FROM source WHERE v BETWEEN 15001 AND 20000 UNION ALL (SELECT * FROM source WHERE v BETWEEN 18000 AND 18500 ORDER BY v DESC)');
SELECT try('INSERT INTO m SELECT * FROM source WHERE v BETWEEN 9000 AND 20000 ORDER BY (v * 7919) % 20011');
-- rows of the row store: these few, and those with which a statement begins
INSERT INTO m SELECT * FROM source WHERE v BETWEEN 20001 AND 20020;
SELECT try('INSERT INTO m SELECT * FROM source WHERE v > 15000 ORDER BY v DESC');
SELECT try('INSERT INTO m SELECT * FROM source WHERE v BETWEEN 15001 AND 20000 OR v = 20011 ORDER BY v');
SELECT try('INSERT INTO m SELECT s.* FROM source s, generate_series(1, 2) g WHERE v > 15000 ORDER BY g, v <> 20500, v');
INSERT INTO m SELECT * FROM source WHERE v BETWEEN 15001 AND 20000;
SELECT * FROM stores('m');
SELECT tsdb.compact('m') > 0 AS moved;
SELECT try('INSERT INTO m SELECT * FROM source WHERE v BETWEEN 20019 AND 20999');
INSERT INTO m SELECT * FROM source WHERE v BETWEEN 20021 AND 20999;
SELECT count(*), count(DISTINCT (device, host, ts)), count(DISTINCT v) FROM m;
SELECT * FROM tsdb.verify('m');

-- rows that are deleted or updated make room
DELETE FROM m WHERE v BETWEEN 5000 AND 5999;
SELECT try('INSERT INTO m SELECT * FROM source WHERE v BETWEEN 5000 AND 6000');
SELECT try('INSERT INTO m SELECT * FROM source WHERE v BETWEEN 5000 AND 5999');
UPDATE m SET ts = ts + interval '1 s' WHERE v BETWEEN 6000 AND 6999;
SELECT try('INSERT INTO m SELECT device, host, ts, -v FROM source WHERE v BETWEEN 6000 AND 6999');
SELECT try('INSERT INTO m SELECT device, host, ts + interval ''1 s'', -v FROM source WHERE v BETWEEN 6000 AND 6999');

-- several batches of one statement, in order of time and in order of series
TRUNCATE m;
SET tsdb.direct_load_memory = '1MB';
INSERT INTO source SELECT n % 7, 'host number ' || n % 3, at(n / 21), n FROM generate_series(21000, 62999) n;
INSERT INTO m SELECT * FROM source;
SELECT try('INSERT INTO m SELECT * FROM source WHERE v = 33333');
SELECT try('INSERT INTO m SELECT device, host, ts + interval ''5 s'', v FROM source UNION ALL SELECT device, host, ts + interval ''5 s'', v FROM source WHERE v = 33333');
TRUNCATE m;
INSERT INTO m SELECT * FROM source ORDER BY host, device, ts;
SELECT try('INSERT INTO m SELECT device, host, ts + interval ''5 s'', v FROM source ORDER BY host, device, ts');
SELECT try('INSERT INTO m SELECT * FROM source ORDER BY host DESC, device, ts DESC');
SELECT stores.*, (SELECT count(DISTINCT (host, ts, device)) FROM m) FROM stores('m');
RESET tsdb.direct_load_memory;

-- transactions
TRUNCATE m;
BEGIN;
INSERT INTO m SELECT * FROM source WHERE v < 3000;
SAVEPOINT a;
INSERT INTO m SELECT * FROM source WHERE v BETWEEN 2999 AND 6000;
ROLLBACK TO a;
INSERT INTO m SELECT * FROM source WHERE v BETWEEN 3000 AND 6000;
ROLLBACK TO a;
INSERT INTO m SELECT * FROM source WHERE v BETWEEN 3000 AND 6000;
RELEASE a;
SELECT try('INSERT INTO m SELECT * FROM source WHERE v BETWEEN 5000 AND 9000');
INSERT INTO m SELECT * FROM source WHERE v = 7000;
SELECT try('INSERT INTO m SELECT * FROM source WHERE v BETWEEN 6001 AND 9000');
SELECT try('INSERT INTO m SELECT * FROM source WHERE v = 5500');
INSERT INTO m SELECT * FROM source WHERE v IN (5500, 7000, 7001) ON CONFLICT (host, ts, device) DO UPDATE SET v = -1 RETURNING device, v;
SELECT * FROM stores('m');
COMMIT;
SELECT count(*), count(DISTINCT (host, ts, device)) FROM m;

-- what reads in the middle of a statement sees its rows where heap's would, by the index too
CREATE FUNCTION others(d int) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	RETURN (SELECT count(*) FROM load_keys.m WHERE host = 'x' AND ts = '2030-01-01' AND device < d);
END $$;
SET enable_seqscan = off;
INSERT INTO m SELECT n, 'x', '2030-01-01', others(n) FROM generate_series(1, 500) n;
SET enable_indexscan = off;
INSERT INTO m SELECT n, 'x', '2030-01-01', others(n) FROM generate_series(501, 700) n;
RESET enable_indexscan;
SELECT count(*), bool_and(v = device - 1) FROM m WHERE host = 'x';
CREATE FUNCTION upsert(d int) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
DECLARE r int;
BEGIN
	INSERT INTO load_keys.m VALUES (d, 'y', '2030-01-01', -2) ON CONFLICT (host, ts, device) DO UPDATE SET v = -3 RETURNING v INTO r;
	RETURN r;
END $$;
INSERT INTO m SELECT n, 'y', '2030-01-01', upsert(n - 300) FROM generate_series(1, 500) n;
SELECT v, count(*), min(device), max(device) FROM m WHERE host = 'y' GROUP BY v ORDER BY v;
RESET enable_seqscan;

-- nulls are distinct
INSERT INTO m SELECT NULL, 'null', at(n / 2), n FROM generate_series(1, 500) n;
INSERT INTO m SELECT n, 'null', NULL, n FROM generate_series(1, 500) n, generate_series(1, 2);
INSERT INTO m SELECT NULL, NULL, NULL, n FROM generate_series(1, 500) n;
SELECT try('INSERT INTO m SELECT CASE WHEN n > 400 THEN 1 END, ''null'', at(n / 2), n FROM generate_series(1, 500) n');
SELECT count(*), (stores('m')).other_rows < 1000 AS loaded FROM m WHERE host = 'null' OR host IS NULL;

-- COPY tells the line
TRUNCATE m;
\set file '/tmp/tsdb_load_keys_' :pid
COPY (SELECT * FROM source WHERE v < 10000 ORDER BY v) TO :'file';
COPY m FROM :'file';
SELECT * FROM stores('m');
\set VERBOSITY default
TRUNCATE m;
INSERT INTO m SELECT * FROM source WHERE v = 4321;
\set copy 'COPY load_keys.m FROM ' '''' :file ''''
SELECT try(:'copy');
SELECT try(:'copy' || ' WHERE v % 2 = 1');
SET tsdb.direct_load_memory = '1MB';
COPY (SELECT * FROM source UNION ALL SELECT * FROM source WHERE v = 60000) TO :'file';
SELECT try(:'copy');
TRUNCATE m;
SELECT try(:'copy');
COPY (SELECT * FROM source UNION ALL SELECT * FROM source WHERE v = 600) TO :'file' (FORMAT binary);
SELECT try(:'copy' || ' (FORMAT binary)');
RESET tsdb.direct_load_memory;
COPY (SELECT * FROM source WHERE v < 150 UNION ALL SELECT * FROM source WHERE v IN (3, 5)) TO :'file' (HEADER);
SELECT try(:'copy' || ' (HEADER)');
SET tsdb.direct_load_rows = 1000;
SELECT try(:'copy' || ' (HEADER)');
SET tsdb.direct_load_rows = 100;
CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN CASE WHEN NEW.v % 10 < 9 THEN NEW END; END $$;
CREATE TRIGGER a BEFORE INSERT ON m FOR EACH ROW EXECUTE FUNCTION pass();
SELECT try(:'copy' || ' (HEADER)');
DROP TRIGGER a ON m;
COPY (SELECT * FROM source WHERE v < 5000) TO :'file';
BEGIN;
TRUNCATE m;
COPY m FROM :'file' (FREEZE);
COPY m FROM :'file' (FREEZE);
ROLLBACK;
SELECT * FROM stores('m');
BEGIN;
TRUNCATE m;
COPY m FROM :'file' (FREEZE);
COMMIT;
SELECT * FROM stores('m');
COPY m FROM :'file';

-- keys and indexes that are for the row store
CREATE FUNCTION loaded(keys text) RETURNS TABLE (loaded bool, first text, again text) LANGUAGE plpgsql AS $$
DECLARE
	statement text := 'INSERT INTO load_keys.k SELECT n % 5, n % 3, at(n / 15), n, n / 3.0, ''r'' || n % 5 FROM generate_series(0, 999) n';
BEGIN
	CREATE TABLE load_keys.k (a int, b oid, ts timestamptz, v int, f numeric, t text) USING tsdb;
	EXECUTE keys;
	first := try(statement);
	loaded := (stores('load_keys.k')).chunk_rows > 0;
	again := split_part(try(statement), '|', 1);
	DROP TABLE load_keys.k;
	RETURN NEXT;
END $$;
SELECT k, l.* FROM unnest(ARRAY[
	'CREATE UNIQUE INDEX ON load_keys.k USING tsdb_key (a, b, ts)',
	'CREATE UNIQUE INDEX ON load_keys.k USING tsdb_key (a, t, v, ts)',
	'CREATE UNIQUE INDEX ON load_keys.k USING tsdb_key (ts, v)',
	'CREATE UNIQUE INDEX ON load_keys.k USING tsdb_key (ts, t, v) NULLS NOT DISTINCT',
	'CREATE UNIQUE INDEX ON load_keys.k USING tsdb_key (v)',
	'CREATE UNIQUE INDEX ON load_keys.k USING tsdb_key (v); CREATE UNIQUE INDEX ON load_keys.k USING tsdb_key (v, ts)',
	'CREATE UNIQUE INDEX ON load_keys.k USING tsdb_key (v, ts); CREATE UNIQUE INDEX ON load_keys.k USING tsdb_key (ts, v)',
	'CREATE UNIQUE INDEX ON load_keys.k USING tsdb_key (f, ts)',
	'CREATE UNIQUE INDEX ON load_keys.k USING tsdb_key (v, ts); CREATE INDEX ON load_keys.k (a)',
	'CREATE INDEX ON load_keys.k USING tsdb_key (f); CREATE INDEX ON load_keys.k USING tsdb_key (b, ts)'
]) k, loaded(k) l;

-- names so long that rows, or entries of the btree, have them compressed
CREATE TABLE long_names (host text, ts timestamptz, v int) USING tsdb;
CREATE UNIQUE INDEX ON long_names USING tsdb_key (host, ts);
CREATE TABLE long_source AS SELECT repeat('host ' || n % 2 || ' ', 1000) AS host, at(n) AS ts, n FROM generate_series(1, 400) n;
SELECT pg_column_size(host) < 1000 AS compressed FROM long_source LIMIT 1;
INSERT INTO long_names SELECT host, ts, n FROM long_source WHERE n <= 20;
INSERT INTO long_names SELECT host || '', ts, n FROM long_source WHERE n > 20;
SELECT chunk_rows > 0 AS loaded FROM stores('long_names');
SELECT split_part(try(format('INSERT INTO long_names SELECT %s, ts, n FROM long_source WHERE n BETWEEN %s', e, b)), ' ', 1) AS error
FROM unnest(ARRAY['host', 'host || ''''']) e, unnest(ARRAY['20 AND 20', '21 AND 21', '100 AND 100', '20 AND 400', '50 AND 400']) b;
SELECT split_part(try('INSERT INTO long_names SELECT host, ts, n FROM long_source WHERE n > 20 UNION ALL SELECT host || '''', ts, n FROM long_source WHERE n = 20'), ' ', 1);
TRUNCATE long_names;
SELECT split_part(try('INSERT INTO long_names SELECT host, ts, n FROM long_source UNION ALL SELECT host || '''', ts, n FROM long_source WHERE n > 100'), ' ', 1);

-- who may not see a key is not told of it
CREATE ROLE regress_load_keys;
GRANT USAGE ON SCHEMA load_keys TO regress_load_keys;
GRANT SELECT ON source TO regress_load_keys;
GRANT INSERT ON m TO regress_load_keys;
SET ROLE regress_load_keys;
SELECT load_keys.try('INSERT INTO load_keys.m SELECT * FROM load_keys.source WHERE v < 5000');
RESET ROLE;

-- temporary, unlogged
CREATE TEMP TABLE t (LIKE m) USING tsdb;
CREATE UNIQUE INDEX ON t USING tsdb_key (device, host, ts);
INSERT INTO t SELECT * FROM source WHERE v < 5000;
SELECT try('INSERT INTO pg_temp.t SELECT * FROM load_keys.source WHERE v BETWEEN 4999 AND 9999');
CREATE UNLOGGED TABLE u (LIKE m) USING tsdb;
CREATE UNIQUE INDEX ON u USING tsdb_key (device, host, ts);
INSERT INTO u SELECT * FROM source WHERE v < 5000;
SELECT try('INSERT INTO load_keys.u SELECT * FROM load_keys.source WHERE v BETWEEN 4999 AND 9999');
SELECT * FROM stores('u');

SELECT * FROM tsdb.verify('m');
SET client_min_messages = warning;
\setenv PID :pid
\! rm -f /tmp/tsdb_load_keys_$PID
DROP SCHEMA load_keys CASCADE;
DROP ROLE regress_load_keys;
