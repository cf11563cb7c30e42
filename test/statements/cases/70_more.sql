=== Reads

--- fixture
CREATE TABLE m (ts timestamptz NOT NULL, host text, v float8, n int PRIMARY KEY, note text);
INSERT INTO m SELECT '2024-01-01'::timestamptz + i * '1 min'::interval, 'h' || i % 5, i / 3.0, i, CASE WHEN i % 4 = 0 THEN 'note ' || i END FROM generate_series(1, 3000) i;

--- WHERE on every kind of operator
SELECT count(*) FROM m WHERE ts BETWEEN '2024-01-01 10:00' AND '2024-01-01 12:00';
SELECT count(*) FROM m WHERE host IN ('h1', 'h3') AND n % 7 = 0;
SELECT count(*) FROM m WHERE host LIKE 'h_' AND note IS NULL;
SELECT count(*) FROM m WHERE note ~ '^note [0-9]*0$';
SELECT count(*) FROM m WHERE v <> 5 AND NOT (host = 'h2' OR n > 500);
SELECT count(*) FROM m WHERE (host, n) > ('h3', 1500);
SELECT count(*) FROM m WHERE n = ANY ('{1, 5, 7000}') OR ts = 'infinity';
SELECT count(*) FROM m WHERE coalesce(note, host) = 'h1';

--- Aggregates, FILTER, ordered-set, DISTINCT, HAVING
SELECT host, count(*), sum(n), min(ts), max(v), count(DISTINCT n % 10), string_agg(n::text, ',' ORDER BY n) FILTER (WHERE n < 20) FROM m GROUP BY host HAVING count(*) > 5 ORDER BY host;
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY v), mode() WITHIN GROUP (ORDER BY host), bool_or(note IS NULL), bit_and(n) FROM m;
SELECT count(*), count(note), avg(n), stddev(n), array_agg(DISTINCT host ORDER BY host) FROM m;
SELECT min(n), max(n), min(ts), max(host) FROM m;

--- ORDER BY, LIMIT, OFFSET, top-N, incremental sort
SELECT n FROM m ORDER BY host, ts DESC LIMIT 5;
SELECT n FROM m ORDER BY v DESC NULLS FIRST OFFSET 2990;
SELECT n FROM m ORDER BY note NULLS FIRST, n LIMIT 3;

--- Joins: hash, merge, nested loop with index, anti, semi, full
SELECT count(*) FROM m a JOIN m b ON a.n = b.n * 2;
SET enable_hashjoin = off;
SELECT count(*) FROM m a JOIN m b ON a.n = b.n * 2;
SET enable_mergejoin = off;
SELECT count(*) FROM m a JOIN m b ON a.n = b.n * 2 WHERE b.n < 100;
SELECT count(*) FROM m a WHERE NOT EXISTS (SELECT 1 FROM m b WHERE b.n = a.n + 100);
RESET ALL;
SELECT count(*), count(a.n), count(b.n) FROM (SELECT * FROM m WHERE n < 100) a FULL JOIN (SELECT * FROM m WHERE n > 50 AND n < 200) b USING (n);

--- UNION, INTERSECT, EXCEPT, sub-selects, LATERAL, VALUES
SELECT host FROM m EXCEPT SELECT 'h1' ORDER BY 1;
SELECT n FROM m WHERE n < 5 INTERSECT SELECT n + 2 FROM m ORDER BY 1;
SELECT (SELECT max(n) FROM m x WHERE x.host = y.host) FROM m y WHERE n <= 5 ORDER BY 1;
SELECT h, l.n FROM (VALUES ('h1'), ('h2')) v(h), LATERAL (SELECT n FROM m WHERE host = h ORDER BY ts DESC LIMIT 2) l ORDER BY 1, 2;

--- Parallel scan, parallel index scan, parallel bitmap scan
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET min_parallel_index_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SELECT count(*), sum(n) FROM m;
SELECT host, sum(n) FROM m GROUP BY host ORDER BY host;
SET enable_seqscan = off;
SELECT count(*), sum(v) FROM m WHERE n BETWEEN 100 AND 2000;
SET enable_indexscan = off;
SET enable_indexonlyscan = off;
SELECT count(*), sum(v) FROM m WHERE n BETWEEN 100 AND 2000;
SELECT count(*) FROM m a JOIN m b USING (n);

--- Parallel scan after changes in the same transaction
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET force_parallel_mode = on;
BEGIN;
DELETE FROM m WHERE n % 2 = 0;
UPDATE m SET v = 0 WHERE n % 3 = 0;
SELECT count(*), sum(v), count(DISTINCT n) FROM m;
SAVEPOINT a;
DELETE FROM m WHERE n < 1000;
SELECT count(*), sum(v), count(DISTINCT n) FROM m;
ROLLBACK TO a;
SELECT count(*), sum(v), count(DISTINCT n) FROM m;
COMMIT;
SELECT count(*), sum(v), count(DISTINCT n) FROM m;

--- Rescans: nested loops without an index, sub-plans, LIMIT in LATERAL
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_indexscan = off;
SET enable_bitmapscan = off;
SET enable_material = off;
SET enable_memoize = off;
SELECT a.n, count(*) FROM (SELECT n FROM m WHERE n <= 3) a JOIN m b ON b.n % 1000 = a.n GROUP BY 1 ORDER BY 1;
SELECT a.n, (SELECT count(*) FROM m b WHERE b.n < a.n) FROM m a WHERE a.n IN (1, 1500, 3000) ORDER BY 1;

--- Whole-row references, row comparison, ROW types, composite results
SELECT m FROM m WHERE n = 5;
SELECT (x.r).n FROM (SELECT m AS r FROM m WHERE n < 4) x ORDER BY 1;
CREATE FUNCTION next_n(m) RETURNS int LANGUAGE sql AS 'SELECT $1.n + 1';
SELECT m.next_n FROM m WHERE n = 7;
SELECT row_to_json(m) FROM m WHERE n = 4;
SELECT count(*) FROM m WHERE m IS NOT NULL;
SELECT jsonb_agg(to_jsonb(m) - 'ts' ORDER BY n) FROM m WHERE n BETWEEN 7 AND 8;

--- Functions that return rows of the table
CREATE FUNCTION of_host(text) RETURNS SETOF m LANGUAGE sql STABLE AS 'SELECT * FROM m WHERE host = $1 ORDER BY n LIMIT 3';
CREATE FUNCTION plpgsql_of(text) RETURNS SETOF m LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY SELECT * FROM m WHERE host = $1 ORDER BY n LIMIT 3; END $$;
SELECT * FROM of_host('h2');
SELECT n FROM plpgsql_of('h3');
ALTER TABLE m DROP note;
SELECT * FROM of_host('h2');

=== Changes of many rows

--- fixture
CREATE TABLE m (ts timestamptz NOT NULL, host text, v float8, n int PRIMARY KEY, note text);
CREATE INDEX m_host ON m (host, ts);
INSERT INTO m SELECT '2024-01-01'::timestamptz + i * '1 min'::interval, 'h' || i % 5, i / 3.0, i, CASE WHEN i % 4 = 0 THEN 'note ' || i END FROM generate_series(1, 3000) i;

--- UPDATE of all rows, three times
UPDATE m SET v = v + 1;
UPDATE m SET ts = ts + '1 h'::interval;
UPDATE m SET n = n + 10000;
SELECT count(*), sum(n), count(DISTINCT n), min(ts), max(ts) FROM m;

--- DELETE of every other row, VACUUM, INSERT again
DELETE FROM m WHERE n % 2 = 0;
VACUUM m;
INSERT INTO m SELECT '2025-01-01', 'x', 0, i FROM generate_series(2, 3000, 2) i;
SELECT count(*), sum(n), count(DISTINCT n), count(DISTINCT ts) FROM m;

--- Upserts of half old, half new rows
INSERT INTO m SELECT '2025-01-01', 'up', 1, i FROM generate_series(1500, 4500) i ON CONFLICT (n) DO UPDATE SET v = m.v + excluded.v, host = 'both';
SELECT host, count(*), sum(n) FROM m GROUP BY host ORDER BY host;

--- MERGE of half old, half new rows
MERGE INTO m USING generate_series(1500, 4500) g(i) ON m.n = g.i WHEN MATCHED AND i % 3 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET host = 'merged' WHEN NOT MATCHED THEN INSERT VALUES ('2025-01-01', 'new', 0, i);
SELECT host, count(*), sum(n) FROM m GROUP BY host ORDER BY host;

--- A thousand savepoints
DO $$ BEGIN FOR i IN 1..1000 LOOP BEGIN UPDATE m SET v = -1 WHERE n = i; IF i % 2 = 0 THEN RAISE EXCEPTION 'undone'; END IF; EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; END $$;
SELECT count(*) FILTER (WHERE v = -1), count(*), count(DISTINCT n) FROM m;

--- Foreign key cascades over many rows
CREATE TABLE c (ts timestamptz, id int, n int REFERENCES m ON DELETE CASCADE ON UPDATE CASCADE);
INSERT INTO c SELECT ts, i, n FROM m, generate_series(1, 2) i;
CREATE INDEX ON c (n);
--- *
DELETE FROM m WHERE n % 3 = 0;
UPDATE m SET n = n + 100000 WHERE n < 1000;
SELECT count(*), sum(n) FROM c;
SELECT count(*) FROM c WHERE NOT EXISTS (SELECT 1 FROM m WHERE m.n = c.n);

--- A cursor of many rows, rows changed under it by others
BEGIN;
DECLARE c CURSOR FOR SELECT n, v FROM m WHERE host = 'h1';
FETCH 3 FROM c;
s2: UPDATE m SET v = -1 WHERE host = 'h1' AND n > 1000;
s2: DELETE FROM m WHERE host = 'h1' AND n > 2000;
MOVE 300 IN c;
FETCH 3 FROM c;
MOVE 200 IN c;
FETCH 3 FROM c;
COMMIT;
SELECT count(*), count(*) FILTER (WHERE v = -1) FROM m;

--- A snapshot from before deletes, updates, VACUUM
s2: BEGIN ISOLATION LEVEL REPEATABLE READ;
s2: SELECT count(*), sum(v) FROM m;
DELETE FROM m WHERE n < 1500;
UPDATE m SET v = 0, n = -n WHERE n < 2500;
VACUUM m;
s2: SELECT count(*), sum(v) FROM m;
s2: SET LOCAL enable_seqscan = off;
s2: SELECT count(*), sum(v) FROM m WHERE n BETWEEN 1 AND 3000;
s2: SELECT n FROM m WHERE host = 'h2' ORDER BY ts LIMIT 3;
s2: COMMIT;
VACUUM m;
SELECT count(*), round(sum(v)::numeric, 6), sum(n) FROM m;

--- Two sessions change different rows of a chunk
BEGIN;
UPDATE m SET v = -1 WHERE n % 10 = 1;
s2: BEGIN;
s2: UPDATE m SET v = -2 WHERE n % 10 = 2;
s2: DELETE FROM m WHERE n % 10 = 3;
DELETE FROM m WHERE n % 10 = 4;
s2: COMMIT;
SELECT count(*) FILTER (WHERE v = -1), count(*) FILTER (WHERE v = -2), count(*) FROM m;
COMMIT;
SELECT count(*) FILTER (WHERE v = -1), count(*) FILTER (WHERE v = -2), count(*), count(DISTINCT n) FROM m;

--- TRUNCATE while others have read
s2: BEGIN ISOLATION LEVEL REPEATABLE READ;
s2: SELECT 1;
TRUNCATE m;
INSERT INTO m VALUES ('2025-01-01', 'x', 0, 1);
s2: SELECT count(*) FROM m;
s2: COMMIT;
s2: SELECT count(*) FROM m;

--- ALTER TABLE while others have read
s2: BEGIN ISOLATION LEVEL REPEATABLE READ;
s2: SELECT count(*) FROM pg_class WHERE relname = 'nothing';
ALTER TABLE m ADD extra int DEFAULT 5;
ALTER TABLE m ALTER v TYPE numeric(20, 2);
s2: SELECT count(*) FROM m;
s2: COMMIT;
s2: SELECT count(*), sum(extra) FROM m;

--- DROP TABLE waits for a reader
s2: BEGIN;
s2: SELECT count(*) FROM m;
s1&: DROP TABLE m;
s2: SELECT count(*) FROM m WHERE n < 100;
s2: COMMIT;
s1.
SELECT to_regclass('m');

--- VACUUM, ANALYZE and CREATE INDEX beside an open transaction
s2: BEGIN;
s2: DELETE FROM m WHERE n <= 100;
VACUUM (TRUNCATE off) m;
ANALYZE m;
s2: ROLLBACK;
SELECT count(*) FROM m;
s2: BEGIN;
s2: UPDATE m SET v = 0 WHERE n <= 100;
s1&: CREATE INDEX late ON m (v);
s2: COMMIT;
s1.
SET enable_seqscan = off;
SELECT count(*) FROM m WHERE v = 0;

=== Tables of many kinds

--- A table without a time column
CREATE TABLE t (a int, b text);
INSERT INTO t SELECT i, 'b' || i FROM generate_series(1, 50) i;
--- *
UPDATE t SET b = 'x' WHERE a < 5;
DELETE FROM t WHERE a > 45;
SELECT * FROM t ORDER BY a;

--- Keys of date, bigint, timestamp, numeric, uuid
CREATE TABLE d (day date, k int, PRIMARY KEY (k, day));
CREATE TABLE b (ts bigint, k int, PRIMARY KEY (ts, k));
CREATE TABLE t (at timestamp, u uuid, PRIMARY KEY (u, at));
CREATE TABLE x (id numeric PRIMARY KEY, ts timestamptz);
INSERT INTO d SELECT '2024-01-01'::date + i, i % 3 FROM generate_series(1, 30) i;
INSERT INTO b SELECT i * 1000000000::bigint, i % 3 FROM generate_series(1, 30) i;
INSERT INTO t SELECT '2024-01-01'::timestamp + i * '1 h'::interval, md5((i % 3)::text)::uuid FROM generate_series(1, 30) i;
INSERT INTO x SELECT i / 7.0, '2024-01-01' FROM generate_series(1, 30) i;
--- *
INSERT INTO d SELECT day, k FROM d ON CONFLICT (k, day) DO UPDATE SET day = excluded.day + 100;
UPDATE b SET ts = -ts WHERE k = 1;
DELETE FROM t WHERE at > '2024-01-02';
UPDATE x SET id = id * 100 WHERE id > 2;
SELECT * FROM d ORDER BY 1, 2;
SELECT * FROM b ORDER BY 1, 2;
SELECT * FROM t ORDER BY 1, 2;
SELECT * FROM x ORDER BY 1;

--- Every built-in type, NULLs and extremes
CREATE TYPE any_enum AS ENUM ('a', 'b');
CREATE TABLE t (ts timestamptz, a bool, b "char", c char(5), d varchar(9), e name, f smallint, g bigint, h real, i money, j bit varying, k inet, l cidr, m macaddr, n macaddr8, o time, p timetz, q interval, r point, s line, t lseg, u box, v path, w polygon, x circle, y pg_lsn, z xid8, aa oid, ab regclass, ac tid, ad jsonpath, ae tsquery, af numrange, ag tsmultirange, ah oidvector, ai int2vector, aj text[][], al any_enum);
INSERT INTO t VALUES ('2024-01-01', true, 'x', 'ab', 'cd', 'ef', -32768, 9223372036854775807, 'NaN', '12.34', B'1011', '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', '24:00', '23:59:59+14', '-178000000 years', '(1,-0)', '{1,2,3}', '[(0,0),(1,1)]', '(1,1),(0,0)', '[(0,0),(1,1)]', '((0,0),(1,1),(1,0))', '<(0,0),5>', '16/B374D848', '4294967297', 4294967295, 'pg_class', '(1,1)', '$.a[*]', 'a & !b', '(1.5,)', '{}', '1 2 3', '1 2', '{{a,NULL},{"c d",e}}', 'b');
INSERT INTO t (ts) VALUES (NULL), ('-infinity');
INSERT INTO t SELECT old.* FROM t old, generate_series(1, 5) WHERE old.a;
--- *
SELECT * FROM t ORDER BY ts;
UPDATE t SET ts = ts + '1 day'::interval, h = '-0', aj[1][1] = 'changed' WHERE a;
DELETE FROM t WHERE ts IS NULL;
SELECT * FROM t ORDER BY ts;
SELECT count(*) FROM t one JOIN t two ON one::text = two::text;

--- Domains over composites, arrays of composites, nested
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN good AS pair CHECK ((VALUE).a > 0);
CREATE TYPE nest AS (p pair, ps pair[], r int4range);
CREATE TABLE t (ts timestamptz, g good, n nest, gs good[]);
INSERT INTO t SELECT '2024-01-01'::timestamptz + i * '1 s'::interval, (i, 'b' || i)::pair, ((i, 'x')::pair, ARRAY[(i, NULL)::pair], int4range(0, i))::nest, ARRAY[(i, 'y')::pair::good] FROM generate_series(1, 10) i;
--- *
SELECT * FROM t ORDER BY ts;
UPDATE t SET g.a = -1 WHERE (g).a = 3;
UPDATE t SET n.p.b = 'deep', n.ps[2] = (5, 'z')::pair WHERE (g).a > 5;
ALTER TYPE pair RENAME ATTRIBUTE b TO c;
SELECT (g).c, ((n).p).c, (n).ps[2].a FROM t ORDER BY ts;
SELECT * FROM t ORDER BY ts;

--- Collations, ICU, case-insensitive
CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE t (ts timestamptz, a text COLLATE "C", b text COLLATE ci);
INSERT INTO t SELECT '2024-01-01', chr(65 + i % 26) || i % 3, CASE i % 3 WHEN 0 THEN 'Abc' WHEN 1 THEN 'aBC' ELSE 'xyz' END FROM generate_series(1, 30) i;
--- *
SELECT count(*) FROM t WHERE b = 'ABC';
SELECT count(DISTINCT b) FROM t;
CREATE UNIQUE INDEX u ON t (a, ts);
CREATE INDEX ON t (b);
SET enable_seqscan = off;
SELECT count(*) FROM t WHERE b = 'abc';
DELETE FROM t WHERE b = 'XYZ';
SELECT count(*) FROM t;

--- Wide rows: 8 kB of many columns, updated
DO $$ BEGIN EXECUTE (SELECT 'CREATE TABLE t (ts timestamptz, ' || string_agg('c' || i || ' text', ', ') || ')' FROM generate_series(1, 200) i); EXECUTE (SELECT 'INSERT INTO t SELECT ''2024-01-01''::timestamptz + k * ''1 s''::interval, ' || string_agg('repeat(chr(65 + (k + ' || i || ') % 26), 30 + k)', ', ') || ' FROM generate_series(1, 8) k' FROM generate_series(1, 200) i); END $$;
--- *
UPDATE t SET c1 = repeat('long ', 2000), c200 = NULL WHERE ts > '2024-01-01 00:00:05';
SELECT ts, length(c1), length(c2), c200 IS NULL, md5(t::text) FROM t ORDER BY ts;
DELETE FROM t WHERE c200 IS NULL;
SELECT count(*) FROM t;

--- Oversized rows: over 1 MB in one value, beside small ones
CREATE TABLE t (ts timestamptz, n int PRIMARY KEY, x text);
INSERT INTO t SELECT '2024-01-01', i, CASE WHEN i % 10 = 0 THEN repeat(i::text, 600000) ELSE 'small' END FROM generate_series(1, 20) i;
--- *
UPDATE t SET x = x || '!' WHERE n IN (10, 11);
DELETE FROM t WHERE n = 20;
SELECT n, length(x), md5(x) FROM t WHERE n % 10 < 2 ORDER BY n;

--- UNLOGGED and TEMP partitions, mixed parents
CREATE TABLE p (ts timestamptz, n int) PARTITION BY RANGE (n);
CREATE UNLOGGED TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (50);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (50) TO (100);
INSERT INTO p SELECT '2024-01-01', i FROM generate_series(1, 99) i;
--- *
UPDATE p SET n = 99 - n WHERE n % 2 = 0;
SELECT tableoid::regclass, count(*), sum(n) FROM p GROUP BY 1 ORDER BY 1;
CREATE TEMP TABLE tp (ts timestamptz, n int) PARTITION BY RANGE (n);
CREATE TEMP TABLE tp1 PARTITION OF tp DEFAULT;
INSERT INTO tp SELECT * FROM p;
SELECT count(*) FROM tp1;
ALTER TABLE p ATTACH PARTITION tp1 FOR VALUES FROM (100) TO (200);

--- A user's catalog table
CREATE TABLE t (ts timestamptz, n int) WITH (user_catalog_table = true);
INSERT INTO t SELECT '2024-01-01', i FROM generate_series(1, 20) i;
--- *
UPDATE ONLY t SET n = n + 1 WHERE n > 15;
DELETE FROM ONLY t WHERE n < 5;
SELECT count(*) FROM ONLY t;

--- Tables of the same name in two schemas, search_path
CREATE SCHEMA s2;
CREATE TABLE s2.t (ts timestamptz, n int);
CREATE TABLE t (ts timestamptz, n int);
INSERT INTO t SELECT '2024-01-01', i FROM generate_series(1, 20) i;
INSERT INTO s2.t SELECT '2024-01-01', -i FROM generate_series(1, 10) i;
--- *
UPDATE s2.t SET n = n - 1;
SET search_path = s2, s;
SELECT sum(n) FROM t;
ALTER TABLE t SET SCHEMA s;
DROP TABLE s.t;
ALTER TABLE t SET SCHEMA s;
SELECT sum(n) FROM s.t;
