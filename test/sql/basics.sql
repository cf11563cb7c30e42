-- every way to read a table, over rows in chunks and in the row store at once

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS tsdb;
LOAD 'tsdb';
RESET client_min_messages;
SET tsdb.direct_load_rows = 0;	-- compaction is what is tested
CREATE SCHEMA basics;
SET search_path = basics, public;
SET TIME ZONE 'UTC';
SET datestyle = 'ISO, YMD';
SET jit = off;

-- the same rows in heap (h) and in tsdb (m): 5000 in chunks, some of them deleted, updated
-- and merged, 500 in the row store
CREATE TABLE h (id int, ts timestamptz, host text, v float8, tags text[], area point, note jsonb);
INSERT INTO h SELECT i, '2024-01-01 00:00+00'::timestamptz + i * '10 s'::interval, 'host' || i % 7,
	CASE WHEN i % 11 <> 0 THEN i / 4.0 END, ARRAY['t' || i % 13, 't' || i % 17], point(i % 50, i % 30),
	jsonb_build_object('k', i % 19) FROM generate_series(1, 5500) i;
CREATE TABLE m (LIKE h) USING tsdb;
INSERT INTO m SELECT * FROM h WHERE id <= 3000;
SELECT tsdb.compact('m');
INSERT INTO m SELECT * FROM h WHERE id BETWEEN 3001 AND 5000;
SELECT tsdb.compact('m');
INSERT INTO m SELECT * FROM h WHERE id > 5000;
DELETE FROM m WHERE id % 100 = 3;
DELETE FROM h WHERE id % 100 = 3;
UPDATE m SET v = -1 WHERE id % 100 = 7;
UPDATE h SET v = -1 WHERE id % 100 = 7;
SELECT chunks > 0 AS chunks, chunk_rows FROM tsdb.table_info('m');

-- same rows? The query names the table as %I.
CREATE FUNCTION same(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
	d bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM (' || query || ') q', 'm') INTO n;
	EXECUTE format('SELECT count(*) FROM ((' || query || ') EXCEPT ALL (' || query || ')) q', 'm', 'h') INTO d;
	IF d > 0 THEN RETURN d || ' more than in heap'; END IF;
	EXECUTE format('SELECT count(*) FROM ((' || query || ') EXCEPT ALL (' || query || ')) q', 'h', 'm') INTO d;
	IF d > 0 THEN RETURN d || ' fewer than in heap'; END IF;
	RETURN n || ' same';
END $$;
-- the nodes of a plan, outermost first
CREATE FUNCTION plan(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan json;
	nodes text := '';
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
	plan := plan -> 0 -> 'Plan';
	WHILE plan IS NOT NULL LOOP
		nodes := nodes || CASE nodes WHEN '' THEN '' ELSE ' > ' END || (plan ->> 'Node Type');
		plan := plan -> 'Plans' -> 0;
	END LOOP;
	RETURN nodes;
END $$;

-- sequential scan
SELECT q, same(q) FROM unnest(ARRAY[
	'SELECT id, ts, host, v, tags, area::text, note FROM %I',
	'SELECT count(*), sum(id), min(ts), max(ts), count(v), count(DISTINCT host) FROM %I',
	'SELECT host, count(*), avg(id) FROM %I GROUP BY 1',
	'SELECT time_bucket(''1 hour'', ts), host, max(v), sum(id) FROM %I GROUP BY 1, 2',
	'SELECT id FROM %I WHERE v IS NULL AND host = ''host3''',
	'SELECT id FROM %I WHERE ts BETWEEN ''2024-01-01 02:00+00'' AND ''2024-01-01 02:10+00''',
	'SELECT DISTINCT ON (host) host, id, ts, v FROM %I ORDER BY host, ts DESC',
	'SELECT id, v, lag(v) OVER (PARTITION BY host ORDER BY ts) FROM %I',
	'SELECT * FROM (SELECT id, ts FROM %I ORDER BY ts DESC LIMIT 20 OFFSET 490) s',
	'SELECT a.id, b.id AS b FROM %1$I a JOIN %1$I b ON b.id = a.id + 1 WHERE a.host = ''host1''',
	'SELECT id FROM %1$I a WHERE NOT EXISTS (SELECT 1 FROM %1$I b WHERE b.id = a.id + 1)',
	'SELECT id, xmin IS NOT NULL AND cmin IS NOT NULL AS x, tableoid IS NOT NULL AS t FROM %I']) q;
SELECT tableoid::regclass, count(*), count(DISTINCT ctid) FROM m GROUP BY 1;
-- a row type, whole
SELECT m FROM m WHERE id IN (1, 5400) ORDER BY id;
SELECT (m).id, (m).host FROM m WHERE id = 2;

-- indexes made over both stores, each kind
CREATE UNIQUE INDEX m_id ON m (id);
CREATE INDEX m_host_ts ON m (host, ts DESC) INCLUDE (v);
CREATE INDEX m_v_hash ON m USING hash (v);
CREATE INDEX m_tags ON m USING gin (tags);
CREATE INDEX m_note ON m USING gin (note jsonb_path_ops);
CREATE INDEX m_area ON m USING gist (area);
CREATE INDEX m_area2 ON m USING spgist (area);
CREATE INDEX m_expression ON m ((id % 100), lower(host));
CREATE INDEX m_partial ON m (ts) WHERE v IS NULL;
ANALYZE m;
SELECT reltuples FROM pg_class WHERE oid = 'm'::regclass;
SET enable_seqscan = off;
SELECT plan('SELECT * FROM m WHERE id = 77'), plan('SELECT * FROM m WHERE host = ''host2'' ORDER BY ts DESC LIMIT 3'),
	plan('SELECT * FROM m ORDER BY area <-> ''(3,3)'' LIMIT 5');
CREATE FUNCTION index_queries() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT unnest(ARRAY[
	'SELECT id, ts, host, v FROM %I WHERE id = 77',
	'SELECT id, ts, host, v FROM %I WHERE id IN (1, 2, 3, 1003, 4999, 5001, 5400)',
	'SELECT id FROM %I WHERE id > 4900',
	'SELECT host, ts, v FROM %I WHERE host = ''host2''',
	'SELECT host, ts, v FROM %I WHERE host IN (''host2'', ''host4'') AND ts > ''2024-01-01 10:00+00''',
	'SELECT count(*) FROM %I WHERE host >= ''host5''',
	'SELECT id FROM %I WHERE v = 25',
	'SELECT id FROM %I WHERE v = -1',
	'SELECT id FROM %I WHERE tags @> ARRAY[''t3'', ''t9'']',
	'SELECT id FROM %I WHERE tags && ARRAY[''t3'']',
	'SELECT id FROM %I WHERE note @> ''{"k": 5}''',
	'SELECT id FROM %I WHERE area <@ box ''(3,3),(7,7)''',
	'SELECT * FROM (SELECT area <-> ''(3.2,3.1)'' FROM %I ORDER BY 1 LIMIT 300) s',
	'SELECT id FROM %I WHERE id %% 100 = 5 AND lower(host) = ''host1''',
	'SELECT ts FROM %I WHERE v IS NULL AND ts < ''2024-01-01 05:00+00''',
	'SELECT a.id, b.id AS b FROM h a JOIN %I b ON b.id = a.id * 2 WHERE a.host = ''host1''']) $$;
SELECT q, same(q) FROM index_queries() q;
SET enable_indexscan = off;
SET enable_indexonlyscan = off;
SELECT same(q) FROM index_queries() q;
RESET enable_indexscan;
RESET enable_indexonlyscan;
-- rows that move keep their entries
INSERT INTO m SELECT 10000 + id, ts + '1 day', host, v, tags, area, note FROM h WHERE id <= 1500;
INSERT INTO h SELECT 10000 + id, ts + '1 day', host, v, tags, area, note FROM h WHERE id <= 1500;
SELECT tsdb.compact('m') > 0 AS moved;
SELECT same(q) FROM index_queries() q;
INSERT INTO m SELECT * FROM m WHERE id = 77;
VACUUM m;
SELECT same(q) FROM index_queries() q;
REINDEX TABLE m;
REINDEX TABLE CONCURRENTLY m;
CREATE INDEX CONCURRENTLY m_late ON m (ts);
DROP INDEX m_host_ts;
SELECT same(q) FROM index_queries() q;
SELECT same('SELECT id FROM %I WHERE ts < ''2024-01-01 02:00+00''');
-- every row by every row's key, forth and back
SELECT count(*), count(b.id) FROM h a LEFT JOIN LATERAL (SELECT id FROM m WHERE m.id = a.id AND m.ts = a.ts) b ON true;
RESET enable_seqscan;

-- ends of an index, both ways
SELECT min(id), max(id), min(ts), max(ts) FROM m;
SELECT id FROM m ORDER BY id DESC LIMIT 3;

-- TIDs
SELECT count(*), count(*) FILTER (WHERE r.id = m.id) FROM m, LATERAL (SELECT id FROM m x WHERE x.ctid = m.ctid) r;
SELECT count(*) FROM m WHERE ctid = ANY (ARRAY(SELECT ctid FROM m WHERE id % 10 = 1));
SELECT count(*) FROM m WHERE ctid IN ('(0,0)', '(4294967295,1)', '(2147483648,300)', '(4294967294,1)', '(99999,1)');
SELECT same('SELECT id FROM %I WHERE ctid >= ''(0,0)''');
SELECT count(*) FROM m WHERE ctid > '(4294967294,65535)' OR ctid < '(0,1)';
SELECT a.id FROM m a JOIN m b ON a.ctid = b.ctid WHERE b.id IN (10, 5400) ORDER BY 1;
SELECT currtid2('m', ctid) = ctid AS current FROM m WHERE id IN (20, 5500);

-- samples
SELECT count(*) BETWEEN 1 AND (SELECT count(*) FROM m) FROM m TABLESAMPLE bernoulli (50) REPEATABLE (1);
SELECT (SELECT count(*) FROM m TABLESAMPLE bernoulli (100)) = (SELECT count(*) FROM m),
	(SELECT count(*) FROM m TABLESAMPLE system (100)) = (SELECT count(*) FROM m),
	(SELECT count(*) FROM m TABLESAMPLE bernoulli (0)), (SELECT count(*) FROM m TABLESAMPLE system (0));
SELECT (SELECT array_agg(id) FROM m TABLESAMPLE system (30) REPEATABLE (7)) =
	(SELECT array_agg(id) FROM m TABLESAMPLE system (30) REPEATABLE (7)) AS repeatable;

-- cursors: forth, back, absolute, and what they saw when they were opened
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id FROM m WHERE host = 'host1' AND id < 10000;
MOVE 300 FROM c;
MOVE BACKWARD ALL FROM c;
MOVE FORWARD ALL FROM c;
MOVE BACKWARD 5 FROM c;
CLOSE c;
DECLARE c SCROLL CURSOR FOR SELECT id FROM m WHERE id BETWEEN 4995 AND 5005 ORDER BY id;
FETCH FORWARD 4 FROM c;
FETCH BACKWARD 2 FROM c;
DELETE FROM m WHERE id BETWEEN 4995 AND 5005;
FETCH FORWARD 20 FROM c;
FETCH ABSOLUTE 2 FROM c;
FETCH LAST FROM c;
FETCH PRIOR FROM c;
SELECT count(*) FROM m WHERE id BETWEEN 4995 AND 5005;
ROLLBACK;
CREATE FUNCTION forth_and_back(source regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	c refcursor;
	forth int[] := '{}';
	back int[] := '{}';
	n int;
BEGIN
	OPEN c SCROLL FOR EXECUTE format('SELECT id FROM %s', source);
	LOOP
		FETCH c INTO n;
		EXIT WHEN NOT FOUND;
		forth := forth || n;
	END LOOP;
	LOOP
		FETCH PRIOR FROM c INTO n;
		EXIT WHEN NOT FOUND;
		back := n || back;
	END LOOP;
	RETURN CASE WHEN forth = back THEN array_length(forth, 1) END;
END $$;
SELECT forth_and_back('m');
BEGIN;
DECLARE held CURSOR WITH HOLD FOR SELECT id FROM m WHERE id IN (5, 5500) ORDER BY id;
COMMIT;
UPDATE m SET id = -5 WHERE id = 5;
SELECT tsdb.compact('m') IS NOT NULL;
FETCH ALL FROM held;
CLOSE held;
UPDATE m SET id = 5 WHERE id = -5;

-- parallel plans
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET min_parallel_index_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET enable_indexscan = off;
SELECT plan('SELECT sum(v) FROM m');
SELECT same(q) FROM unnest(ARRAY['SELECT count(*), sum(id), count(v) FROM %I',
	'SELECT host, count(*), sum(id) FROM %I GROUP BY host',
	'SELECT a.id FROM %1$I a JOIN %1$I b ON b.id = a.id + 1']) q;
RESET enable_indexscan;
SET enable_seqscan = off;
SELECT same('SELECT sum(v), count(*) FROM %I WHERE id > 100');
RESET enable_seqscan;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET min_parallel_index_scan_size;
RESET max_parallel_workers_per_gather;

-- COPY out and in
COPY (SELECT id, host FROM m WHERE id IN (1, 5400) ORDER BY id) TO STDOUT;
CREATE TABLE copied (id int, ts timestamptz, note text) USING tsdb;
COPY copied FROM STDIN;
1	2024-01-01 00:00:00+00	one
2	2024-01-01 00:00:10+00	\N
3	infinity	three
\.
SELECT tsdb.compact('copied');
COPY copied TO STDOUT;
COPY copied FROM STDIN (FORMAT csv, FREEZE);
4,2024-01-01 00:00:30+00,"fo,ur"
\.
BEGIN;
TRUNCATE copied;
COPY copied FROM STDIN (FREEZE);
5	2024-01-01 00:00:40+00	five
\.
COMMIT;
TABLE copied;

-- statistics of the planner are those of all rows
ANALYZE m;
ANALYZE h;
SELECT attname, m.n_distinct = h.n_distinct AS distinct, abs(m.null_frac - h.null_frac) < 0.01 AS nulls,
	(m.histogram_bounds::text::text[])[1] = (h.histogram_bounds::text::text[])[1] AS lowest
FROM pg_stats m JOIN pg_stats h USING (schemaname, attname)
WHERE schemaname = 'basics' AND m.tablename = 'm' AND h.tablename = 'h' AND attname IN ('id', 'host', 'v', 'ts')
ORDER BY attname;
SELECT m.reltuples = h.reltuples FROM pg_class m, pg_class h WHERE m.oid = 'm'::regclass AND h.oid = 'h'::regclass;

-- and so are its estimates, also after a compaction and without ANALYZE
CREATE FUNCTION estimate(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
	RETURN plan -> 0 -> 'Plan' ->> 'Plan Rows';
END $$;
SELECT estimate('SELECT * FROM m') BETWEEN n * 0.9 AND n * 1.1 FROM (SELECT count(*) AS n FROM m) s;
SELECT tsdb.compact('m') >= 0;
SELECT estimate('SELECT * FROM m') BETWEEN n * 0.9 AND n * 1.1 FROM (SELECT count(*) AS n FROM m) s;
VACUUM m;
SELECT estimate('SELECT * FROM m') BETWEEN n * 0.9 AND n * 1.1,
	estimate('SELECT * FROM m WHERE host = ''host1''') BETWEEN n * 0.9 / 7 AND n * 1.1 / 7 FROM (SELECT count(*) AS n FROM m) s;
CREATE TABLE fresh (id int, ts timestamptz) USING tsdb;
INSERT INTO fresh SELECT i, now() FROM generate_series(1, 20000) i;
SELECT tsdb.compact('fresh');
SELECT estimate('SELECT * FROM fresh') BETWEEN 19000 AND 21000;

SET client_min_messages = warning;
DROP SCHEMA basics CASCADE;
