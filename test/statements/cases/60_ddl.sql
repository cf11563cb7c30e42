=== ALTER TABLE

--- fixture
CREATE TABLE m (ts timestamptz NOT NULL, host text, v float8, n int);
INSERT INTO m SELECT '2024-01-01'::timestamptz + i * '1 min'::interval, 'h' || i % 3, i / 4.0, i FROM generate_series(1, 24) i;

--- ADD COLUMN, without and with a constant default
ALTER TABLE m ADD a int;
ALTER TABLE m ADD b text DEFAULT 'b', ADD c numeric NOT NULL DEFAULT 1.50;
INSERT INTO m (ts, n) VALUES ('2025-01-01', 100);
ALTER TABLE m ALTER b SET DEFAULT 'other';
INSERT INTO m (ts, n) VALUES ('2025-01-02', 101);
UPDATE m SET a = n WHERE b = 'b' AND n < 5;
SELECT * FROM m ORDER BY n;
ALTER TABLE m ALTER b DROP DEFAULT;
SELECT * FROM m ORDER BY n;

--- ADD COLUMN with a volatile default, generated
ALTER TABLE m ADD g float8 GENERATED ALWAYS AS (v * 2) STORED;
ALTER TABLE m ADD r float8 DEFAULT random();
SELECT count(DISTINCT r) > 20, sum(g) FROM m;
ALTER TABLE m DROP r;
INSERT INTO m (ts, v) VALUES ('2025-01-01', 100) RETURNING g;
ALTER TABLE m ALTER g DROP EXPRESSION;

--- ADD COLUMN, identity and serial, numbers rows as they are read
ALTER TABLE m ADD i int GENERATED ALWAYS AS IDENTITY;
ALTER TABLE m ADD s serial;
SELECT count(DISTINCT i), count(DISTINCT s) FROM m;
INSERT INTO m (ts, v) VALUES ('2025-01-01', 100) RETURNING i, s;
ALTER TABLE m ALTER i DROP IDENTITY;

--- ADD COLUMN IF NOT EXISTS, with CHECK, UNIQUE, REFERENCES
ALTER TABLE m ADD IF NOT EXISTS v int;
ALTER TABLE m ADD a int CHECK (a > 0) DEFAULT 5;
ALTER TABLE m ADD b int UNIQUE;
ALTER TABLE m ADD c int DEFAULT 1 UNIQUE;
ALTER TABLE m ADD d int CHECK (d > 0) DEFAULT 0;
SELECT a, b FROM m WHERE n = 1;

--- DROP COLUMN, then ADD one of the same name
ALTER TABLE m DROP v;
SELECT * FROM m ORDER BY n;
ALTER TABLE m ADD v text DEFAULT 'new';
UPDATE m SET v = 'changed' WHERE n = 3;
SELECT * FROM m ORDER BY n;
ALTER TABLE m DROP v, DROP host CASCADE, DROP IF EXISTS nothing;
SELECT * FROM m ORDER BY n;

--- DROP of the time column
ALTER TABLE m DROP ts;
INSERT INTO m VALUES ('x', 1, 100);
DELETE FROM m WHERE n < 5;
SELECT * FROM m ORDER BY n;

--- DROP of all columns
ALTER TABLE m DROP ts, DROP host, DROP v, DROP n;
SELECT count(*) FROM m;
ALTER TABLE m ADD k int DEFAULT 3;
SELECT sum(k) FROM m;

--- RENAME COLUMN, also of time column and key
ALTER TABLE m RENAME ts TO at;
ALTER TABLE m RENAME COLUMN host TO machine;
INSERT INTO m VALUES ('2025-01-01', 'x', 1, 100);
SELECT at, machine FROM m WHERE at > '2024-01-01 00:20' ORDER BY at;

--- ALTER TYPE without a rewrite
ALTER TABLE m ALTER host TYPE varchar(50);
ALTER TABLE m ALTER host TYPE varchar;
ALTER TABLE m ALTER host TYPE text COLLATE "C";
UPDATE m SET host = host || '!' WHERE n < 3;
SELECT * FROM m ORDER BY host, n;

--- ALTER TYPE with a rewrite, USING
CREATE INDEX a ON m (n);
CREATE INDEX b ON m ((v * 2));
--- *
ALTER TABLE m ALTER v TYPE numeric(10, 1);
ALTER TABLE m ALTER n TYPE text USING 'n' || n;
ALTER TABLE m ALTER host TYPE int USING substr(host, 2)::int;
ALTER TABLE m ALTER ts TYPE date;
SELECT * FROM m ORDER BY length(n), n;
SET enable_seqscan = off;
SELECT v FROM m WHERE n = 'n7';
ALTER TABLE m ALTER n TYPE int USING 1 / (length(n) - 2);

--- ALTER TYPE of the time column
ALTER TABLE m ALTER ts TYPE timestamp;
ALTER TABLE m ALTER ts TYPE bigint USING extract(epoch FROM ts);
ALTER TABLE m ALTER ts TYPE text;
INSERT INTO m VALUES ('text now', 'x', 1, 100);
SELECT * FROM m ORDER BY n;

--- ALTER TYPE of an enum, of a domain, of a composite in use
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE pair AS (a int, b int);
CREATE TABLE g (ts timestamptz, e mood, p pair);
INSERT INTO g SELECT '2024-01-01', 'ok', (i, i)::pair FROM generate_series(1, 5) i;
--- *
ALTER TYPE mood ADD VALUE 'happy' AFTER 'ok';
ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';
UPDATE g SET e = 'happy' WHERE (p).a > 3;
SELECT * FROM g ORDER BY p;
ALTER TYPE pair ADD ATTRIBUTE c int;
CREATE TYPE other AS (x pair);
SELECT * FROM g ORDER BY p;

--- SET and DROP DEFAULT, SET STATISTICS, STORAGE, COMPRESSION
ALTER TABLE m ALTER v SET DEFAULT 5, ALTER host SET DEFAULT 'd', ALTER host SET STATISTICS 200, ALTER host SET STORAGE external, ALTER v SET (n_distinct = 5);
ALTER TABLE m ALTER host SET COMPRESSION pglz;
INSERT INTO m (ts) VALUES ('2025-01-01') RETURNING *;
ALTER TABLE m ALTER v DROP DEFAULT, ALTER v RESET (n_distinct);

--- SET (fillfactor, autovacuum_*, toast.*, parallel_workers, user_catalog_table), RESET
ALTER TABLE m SET (fillfactor = 70, autovacuum_enabled = off, autovacuum_vacuum_scale_factor = 0.1, toast_tuple_target = 512, toast.autovacuum_enabled = off, parallel_workers = 3, log_autovacuum_min_duration = 0);
ALTER TABLE m SET (vacuum_truncate = off, autovacuum_freeze_max_age = 1000000);
INSERT INTO m VALUES ('2025-01-01', repeat('x', 3000), 1, 100);
ALTER TABLE m RESET (fillfactor, parallel_workers);
ALTER TABLE m SET (nothing = 1);
SELECT count(*) FROM m;

--- SET TABLESPACE, there and back
CREATE INDEX a ON m (n);
--- *
ALTER TABLE m SET TABLESPACE :tablespace;
SELECT count(*), sum(v) FROM m;
UPDATE m SET v = 0 WHERE n < 5;
BEGIN;
ALTER TABLE m SET TABLESPACE pg_default;
DELETE FROM m WHERE n = 20;
ROLLBACK;
SELECT count(*), sum(v) FROM m;
ALTER TABLE m SET TABLESPACE pg_default;
ALTER TABLE ALL IN TABLESPACE pg_default SET TABLESPACE :tablespace;
SELECT count(*), sum(v) FROM m;

--- SET UNLOGGED, SET LOGGED
CREATE INDEX a ON m (n);
--- *
ALTER TABLE m SET UNLOGGED;
UPDATE m SET v = 0 WHERE n < 5;
SELECT count(*), sum(v) FROM m;
ALTER TABLE m SET LOGGED;
SELECT count(*), sum(v) FROM m;
CREATE TABLE c (n int);
CREATE UNIQUE INDEX u ON m (n);
ALTER TABLE c ADD FOREIGN KEY (n) REFERENCES m (n);
ALTER TABLE m SET UNLOGGED;

--- SET ACCESS METHOD, there and back
CREATE INDEX a ON m (n);
ALTER TABLE m ADD d int DEFAULT 4, ADD CHECK (v >= 0);
--- *
ALTER TABLE m SET ACCESS METHOD :other;
UPDATE m SET v = 0 WHERE n < 5;
SELECT * FROM m ORDER BY n;
ALTER TABLE m SET ACCESS METHOD :am;
DELETE FROM m WHERE n > 20;
SELECT * FROM m ORDER BY n;
BEGIN;
ALTER TABLE m SET ACCESS METHOD :other;
INSERT INTO m VALUES ('2025-01-01', 'x', 1, 100);
ROLLBACK;
SELECT count(*) FROM m;
ALTER TABLE m SET ACCESS METHOD :am;

--- REPLICA IDENTITY, CLUSTER ON, SET WITHOUT CLUSTER
CREATE UNIQUE INDEX a ON m (ts);
--- *
ALTER TABLE m REPLICA IDENTITY FULL;
ALTER TABLE m REPLICA IDENTITY USING INDEX a;
ALTER TABLE m CLUSTER ON a;
ALTER TABLE m SET WITHOUT CLUSTER;
UPDATE m SET v = 0 WHERE n < 5;
ALTER TABLE m REPLICA IDENTITY NOTHING;
DELETE FROM m WHERE n < 5;
SELECT count(*) FROM m;

--- ADD COLUMN, DROP COLUMN and ALTER TYPE in one statement, rolled back, then committed
BEGIN;
ALTER TABLE m ADD a int DEFAULT 3, DROP host, ALTER n TYPE bigint, ALTER v TYPE text, ADD PRIMARY KEY (ts);
UPDATE m SET a = 4 WHERE n = 1;
SELECT * FROM m WHERE n < 3 ORDER BY n;
ROLLBACK;
SELECT * FROM m WHERE n < 3 ORDER BY n;
ALTER TABLE m ADD a int DEFAULT 3, DROP host, ALTER n TYPE bigint, ALTER v TYPE text, ADD PRIMARY KEY (ts);
SELECT * FROM m ORDER BY n;

--- ALTER TABLE … OF, NOT OF
CREATE TYPE kind AS (ts timestamptz, host text, v float8, n int);
--- *
ALTER TABLE m ALTER ts DROP NOT NULL;
ALTER TABLE m OF kind;
ALTER TYPE kind ADD ATTRIBUTE x int CASCADE;
SELECT * FROM m WHERE n = 1;
ALTER TABLE m NOT OF;
CREATE TABLE typed OF kind (PRIMARY KEY (n));
INSERT INTO typed VALUES ('2024-01-01', 'h', 1, 1);
SELECT * FROM typed;

--- RENAME TABLE, SET SCHEMA, OWNER TO
CREATE SCHEMA s2;
CREATE INDEX a ON m (n);
--- *
ALTER TABLE m RENAME TO renamed;
SELECT count(*) FROM renamed;
ALTER TABLE renamed SET SCHEMA s2;
UPDATE s2.renamed SET v = 0 WHERE n < 5;
SELECT count(*), sum(v) FROM s2.renamed;
ALTER TABLE s2.renamed OWNER TO alice;
GRANT USAGE ON SCHEMA s2 TO alice;
SET ROLE alice;
DELETE FROM s2.renamed WHERE n = 7;
VACUUM s2.renamed;
ANALYZE s2.renamed;
DROP TABLE s2.renamed;
SELECT to_regclass('s2.renamed');

=== CREATE and DROP TABLE

--- fixture
CREATE TABLE m (ts timestamptz NOT NULL DEFAULT '2024-06-01', host text, v float8 CHECK (v > -100), n int PRIMARY KEY, g int GENERATED ALWAYS AS (n * 2) STORED);
CREATE INDEX m_v ON m (v) WHERE v > 5;
CREATE STATISTICS m_stat ON host, n FROM m;
COMMENT ON COLUMN m.v IS 'value';
INSERT INTO m SELECT '2024-01-01'::timestamptz + i * '1 min'::interval, 'h' || i % 3, i / 4.0, i FROM generate_series(1, 24) i;

--- CREATE TABLE LIKE, plain and INCLUDING ALL
CREATE TABLE a (LIKE m);
CREATE TABLE b (LIKE m INCLUDING ALL, extra int);
INSERT INTO a SELECT * FROM m;
INSERT INTO b SELECT ts, host, v, n FROM m;
SELECT count(*), sum(g) FROM b;

--- CREATE TABLE AS, WITH NO DATA, IF NOT EXISTS, SELECT INTO
CREATE TABLE a AS SELECT * FROM m;
CREATE TABLE b (x, y) AS SELECT host, sum(v) FROM m GROUP BY host;
CREATE TABLE IF NOT EXISTS b AS SELECT 1;
CREATE TABLE c AS TABLE m WITH NO DATA;
SELECT * INTO d FROM m WHERE n < 5;
SELECT * INTO TEMP e FROM m WHERE n < 5;
CREATE TABLE f USING :other AS SELECT * FROM m;
SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b), (SELECT count(*) FROM c), (SELECT count(*) FROM d), (SELECT count(*) FROM e), (SELECT count(*) FROM f);

--- TEMP tables: ON COMMIT PRESERVE ROWS
CREATE TEMP TABLE t (ts timestamptz, n int PRIMARY KEY);
INSERT INTO t SELECT '2024-01-01', i FROM generate_series(1, 50) i;
UPDATE t SET n = n + 100 WHERE n > 40;
DELETE FROM t WHERE n < 10;
INSERT INTO t VALUES ('2024-01-01', 20) ON CONFLICT (n) DO UPDATE SET ts = '2025-01-01';
SELECT count(*), sum(n), max(ts) FROM t;
CREATE INDEX ON t (ts);
VACUUM t;
TRUNCATE t;
SELECT count(*) FROM t;
DROP TABLE t;

--- TEMP tables: ON COMMIT DELETE ROWS, ON COMMIT DROP
CREATE TEMP TABLE t (ts timestamptz, n int) ON COMMIT DELETE ROWS;
INSERT INTO t VALUES ('2024-01-01', 1);
SELECT count(*) FROM t;
BEGIN;
INSERT INTO t SELECT '2024-01-01', i FROM generate_series(1, 50) i;
CREATE TEMP TABLE u (ts timestamptz, n int) ON COMMIT DROP;
INSERT INTO u SELECT * FROM t;
SAVEPOINT a;
DELETE FROM u;
ROLLBACK TO a;
SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM u);
COMMIT;
SELECT count(*) FROM t;
SELECT * FROM u;
DISCARD TEMP;
SELECT * FROM t;

--- TEMP tables: compacted ones are dropped with ON COMMIT
BEGIN;
CREATE TEMP TABLE u (ts timestamptz, n int) ON COMMIT DROP;
INSERT INTO u SELECT '2024-01-01', i FROM generate_series(1, 50) i;
COMMIT;
CREATE TEMP TABLE t (ts timestamptz, n int) ON COMMIT DELETE ROWS;
BEGIN;
INSERT INTO t SELECT '2024-01-01', i FROM generate_series(1, 50) i;
COMMIT;
INSERT INTO t SELECT '2024-01-01', i FROM generate_series(1, 50) i;
SELECT count(*) FROM t;
DISCARD ALL;

--- UNLOGGED tables, with sequences
CREATE UNLOGGED TABLE t (ts timestamptz, id serial PRIMARY KEY, n int);
INSERT INTO t (ts, n) SELECT '2024-01-01', i FROM generate_series(1, 50) i;
UPDATE t SET n = -n WHERE n % 2 = 0;
DELETE FROM t WHERE id > 40;
SELECT count(*), sum(n) FROM t;
ALTER TABLE t SET LOGGED;
SELECT count(*), sum(n) FROM t;

--- Views, materialized views of and USING the access method, REFRESH
CREATE MATERIALIZED VIEW mv AS SELECT host, sum(v) AS total, max(ts) AS ts FROM m GROUP BY host;
CREATE UNIQUE INDEX ON mv (host);
UPDATE m SET v = v + 1;
SELECT * FROM mv ORDER BY host;
REFRESH MATERIALIZED VIEW mv;
SELECT * FROM mv ORDER BY host;
DELETE FROM m WHERE host = 'h2';
INSERT INTO m (host, n) VALUES ('new', 100);
REFRESH MATERIALIZED VIEW CONCURRENTLY mv;
SELECT * FROM mv ORDER BY host;
REFRESH MATERIALIZED VIEW mv WITH NO DATA;
SELECT * FROM mv;
ALTER MATERIALIZED VIEW mv SET ACCESS METHOD :other;
REFRESH MATERIALIZED VIEW mv;
SELECT * FROM mv ORDER BY host;
ALTER MATERIALIZED VIEW mv RENAME TO mw;
DROP MATERIALIZED VIEW mw;

--- TRUNCATE: plain, RESTART IDENTITY, CASCADE, rolled back
CREATE TABLE c (ts timestamptz, id int GENERATED ALWAYS AS IDENTITY, n int REFERENCES m);
INSERT INTO c (ts, n) SELECT ts, n FROM m;
--- *
TRUNCATE m;
BEGIN;
TRUNCATE m CASCADE;
SELECT (SELECT count(*) FROM m), (SELECT count(*) FROM c);
INSERT INTO m (n, v) VALUES (1, 1);
ROLLBACK;
SELECT (SELECT count(*) FROM m), (SELECT count(*) FROM c);
TRUNCATE c RESTART IDENTITY;
INSERT INTO c (n) VALUES (1) RETURNING id;
TRUNCATE m, c CONTINUE IDENTITY;
INSERT INTO m (n, v) VALUES (1, 1);
INSERT INTO c (n) VALUES (1) RETURNING id;
SELECT (SELECT count(*) FROM m), (SELECT count(*) FROM c);

--- TRUNCATE in the transaction that filled the table, with savepoints
BEGIN;
INSERT INTO m (n) VALUES (100);
SAVEPOINT a;
TRUNCATE m;
INSERT INTO m (n) VALUES (101);
SAVEPOINT b;
TRUNCATE m;
ROLLBACK TO b;
SELECT n FROM m;
ROLLBACK TO a;
SELECT count(*) FROM m;
DELETE FROM m WHERE n > 20;
TRUNCATE m;
INSERT INTO m (n) VALUES (102);
COMMIT;
SELECT n FROM m;

--- DROP TABLE: CASCADE, rolled back, IF EXISTS, of several
CREATE VIEW w AS SELECT * FROM m;
CREATE TABLE c (n int REFERENCES m);
--- *
DROP TABLE m;
BEGIN;
DROP TABLE m CASCADE;
SELECT to_regclass('m'), to_regclass('w');
ROLLBACK;
SELECT count(*) FROM w;
DROP TABLE IF EXISTS nothing, m CASCADE;
SELECT to_regclass('m'), to_regclass('w');
CREATE TABLE m (ts timestamptz, n int);
INSERT INTO m VALUES ('2024-01-01', 1);
SELECT * FROM m;

--- DROP SCHEMA CASCADE, rolled back and done
CREATE SCHEMA s2;
CREATE TABLE s2.t (ts timestamptz, n int);
INSERT INTO s2.t SELECT '2024-01-01', i FROM generate_series(1, 10) i;
--- *
DROP SCHEMA s2;
BEGIN;
DROP SCHEMA s2 CASCADE;
ROLLBACK;
SELECT count(*) FROM s2.t;
DROP SCHEMA s2 CASCADE;
SELECT to_regclass('s2.t');

--- DROP OWNED, REASSIGN OWNED
CREATE TABLE t (ts timestamptz, n int);
INSERT INTO t SELECT '2024-01-01', i FROM generate_series(1, 10) i;
ALTER TABLE t OWNER TO carol;
GRANT SELECT ON m TO carol;
--- *
REASSIGN OWNED BY carol TO alice;
SET ROLE alice;
DELETE FROM t WHERE n > 5;
SELECT count(*) FROM t;
RESET ROLE;
REASSIGN OWNED BY alice TO carol;
DROP OWNED BY carol;
SELECT to_regclass('t');
GRANT ALL ON SCHEMA s TO carol;

--- DROP EXTENSION of the access method, with CASCADE
BEGIN;
DROP EXTENSION tsdb CASCADE;
SELECT to_regclass('m') IS NULL AS dropped;
ROLLBACK;
SELECT count(*), sum(v) FROM m;

--- DROP TYPE, FUNCTION, COLLATION in use, CASCADE
CREATE TYPE mood AS ENUM ('sad', 'ok');
ALTER TABLE m ADD e mood DEFAULT 'ok';
--- *
DROP TYPE mood;
DROP TYPE mood CASCADE;
SELECT * FROM m WHERE n < 3 ORDER BY n;

--- Sequences OWNED BY, setval, nextval as default
CREATE SEQUENCE q OWNED BY m.n;
ALTER TABLE m ALTER n SET DEFAULT nextval('q');
SELECT setval('q', (SELECT max(n) FROM m));
INSERT INTO m (host) VALUES ('q') RETURNING n;
DROP TABLE m CASCADE;
SELECT to_regclass('q');

--- Extended statistics: created, analyzed, used
CREATE STATISTICS st (ndistinct, dependencies, mcv) ON host, v, (n % 3) FROM m;
ANALYZE m;
SELECT stxname, stxdndistinct IS NOT NULL, stxdmcv IS NOT NULL FROM pg_statistic_ext JOIN pg_statistic_ext_data ON oid = stxoid WHERE stxname = 'st';
ALTER TABLE m ALTER host TYPE varchar(20);
SELECT count(*) FROM m WHERE host = 'h1' AND n % 3 = 1;
DROP STATISTICS st;

--- ANALYZE: statistics of columns and rows
ANALYZE m;
SELECT reltuples FROM pg_class WHERE oid = 'm'::regclass;
SELECT attname, null_frac, n_distinct, array_length(most_common_vals::text::text[], 1) FROM pg_stats WHERE schemaname = 's' AND tablename = 'm' ORDER BY attname;
SELECT attname, histogram_bounds FROM pg_stats WHERE schemaname = 's' AND tablename = 'm' AND attname IN ('ts', 'n', 'v') ORDER BY attname;
ANALYZE m (v);
ANALYZE (VERBOSE off, SKIP_LOCKED) m;
DELETE FROM m WHERE n > 10;
VACUUM ANALYZE m;
SELECT reltuples FROM pg_class WHERE oid = 'm'::regclass;

--- VACUUM with every option
DELETE FROM m WHERE n % 2 = 0;
VACUUM m;
VACUUM (FREEZE) m;
VACUUM (FULL) m;
UPDATE m SET v = v + 1;
VACUUM (INDEX_CLEANUP off, TRUNCATE off) m;
VACUUM (INDEX_CLEANUP on, PROCESS_TOAST off, DISABLE_PAGE_SKIPPING) m;
VACUUM (PARALLEL 2, SKIP_LOCKED) m;
VACUUM (FULL, ANALYZE, FREEZE) m;
VACUUM (ANALYZE) m (n, v);
SELECT count(*), sum(v) FROM m;
BEGIN;
VACUUM m;
ROLLBACK;

--- VACUUM FULL and CLUSTER with changes before and after
CREATE INDEX m_host ON m (host, ts DESC);
--- *
DELETE FROM m WHERE n < 5;
UPDATE m SET v = 50 WHERE n = 7;
CLUSTER m USING m_host;
UPDATE m SET v = 60 WHERE n = 8;
SELECT count(*), sum(v) FROM m;
CLUSTER m;
CLUSTER;
ALTER TABLE m DROP host;
CLUSTER m USING m_pkey;
VACUUM FULL m;
SELECT * FROM m ORDER BY n;
BEGIN;
UPDATE m SET v = 0 WHERE n = 9;
CLUSTER m USING m_pkey;
DELETE FROM m WHERE n = 10;
ROLLBACK;
SELECT * FROM m ORDER BY n;

--- CLUSTER gives the rows an order
CLUSTER m USING m_pkey;
SELECT array_agg(n) FROM m;

--- Toast of large values, SET STORAGE, VACUUM FULL
CREATE TABLE t (ts timestamptz, x text);
INSERT INTO t SELECT '2024-01-01'::timestamptz + i * '1 s'::interval, (SELECT string_agg(md5((i * 1000 + k)::text), '') FROM generate_series(1, 200) k) FROM generate_series(1, 10) i;
--- *
ALTER TABLE t ALTER x SET STORAGE external;
UPDATE t SET x = x || 'more' WHERE ts < '2024-01-01 00:00:05';
DELETE FROM t WHERE ts > '2024-01-01 00:00:08';
VACUUM FULL t;
SELECT ts, length(x), md5(x) FROM t ORDER BY ts;
VACUUM t;
CREATE INDEX ON t (substr(x, 1, 20));
SELECT ts, length(x), substr(x, 5, 3) FROM t ORDER BY ts;

--- Size functions
SELECT pg_relation_size('m') > 0, pg_table_size('m') > 0, pg_total_relation_size('m') > pg_table_size('m'), pg_indexes_size('m') > 0, pg_relation_size('m_pkey') > 0;
SELECT pg_relation_filenode('m') > 0, pg_relation_filepath('m') LIKE 'base/%', pg_filenode_relation(0, pg_relation_filenode('m'));

--- Sizes grow with the rows
CREATE TABLE t (ts timestamptz, x text);
INSERT INTO t SELECT '2024-01-01', md5(i::text) FROM generate_series(1, 20000) i;
--- *
VACUUM t;
SELECT pg_table_size('t') > 500000 AS counted;

--- pgstattuple, pageinspect
SELECT tuple_count FROM pgstattuple('m');
SELECT count(*) > 0 FROM heap_page_items(get_raw_page('m', 0));

--- LISTEN, NOTIFY from triggers, GENERATED names, long names
CREATE TABLE "A table with a name of more than sixty three bytes, so it is cut off" ("Time Of It" timestamptz, "группа" text, "select" int);
INSERT INTO "A table with a name of more than sixty three bytes, so it is cut off" VALUES ('2024-01-01', 'г', 1);
SELECT "Time Of It", "группа", "select" FROM "A table with a name of more than sixty three bytes, so it is cut off";
NOTIFY something;
