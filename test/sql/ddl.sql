-- tables that are altered, rewritten, emptied, moved, dropped

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS tsdb;
LOAD 'tsdb';
RESET client_min_messages;
CREATE SCHEMA ddl;
SET search_path = ddl, public;
SET TIME ZONE 'UTC';
SET datestyle = 'ISO, YMD';
SET jit = off;

-- internal relations that belong to no table
CREATE FUNCTION internal_relations() RETURNS bigint LANGUAGE sql AS
	$$ SELECT count(*) FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE amname = 'tsdb_internal' $$;
SELECT internal_relations() AS internal_before \gset
CREATE FUNCTION fill(target regclass, first int, last int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('INSERT INTO %s (id, ts, host, v, note)
		SELECT i, ''2024-01-01 00:00+00''::timestamptz + i * ''1 min''::interval, ''host'' || i %% 5, i / 2.0, repeat(''n'', i %% 20)
		FROM generate_series($1, $2) i', target) USING first, last;
END $$;
CREATE TABLE m (id int PRIMARY KEY, ts timestamptz, host text, v float8, note text) USING tsdb;
SELECT fill('m', 1, 3000);
SELECT tsdb.compact('m');
SELECT fill('m', 3001, 3200);
CREATE INDEX m_ts ON m (ts);
-- an empty table has nothing but itself
CREATE TABLE empty (LIKE m INCLUDING ALL) USING tsdb;
SELECT tsdb.compact('empty'), chunks, total_bytes FROM tsdb.table_info('empty');

-- columns
CREATE FUNCTION summary(target regclass) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
	EXECUTE format('SELECT concat_ws('' '', count(*), sum(id), sum(hashtext(x::text)), min(ts), max(ts)) FROM %s x', target) INTO result;
	RETURN result;
END $$;
CREATE TABLE h (LIKE m INCLUDING ALL) USING heap;
INSERT INTO h SELECT * FROM m;
-- Alter both, compare.
CREATE FUNCTION alter_both(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	heap text;
	tsdb text;
BEGIN
	EXECUTE format('ALTER TABLE h %s', command);
	EXECUTE format('ALTER TABLE m %s', command);
	heap := summary('h');
	tsdb := summary('m');
	RETURN CASE WHEN heap = tsdb THEN 'same' ELSE tsdb || ' instead of ' || heap END;
END $$;
SELECT alter_both('ADD a int');
SELECT alter_both('ADD b text DEFAULT ''b'' NOT NULL');
SELECT alter_both('ADD c timestamptz DEFAULT ''2024-01-01 00:00+00'', ADD d int[] DEFAULT ''{1,2}''');
SELECT alter_both('ADD g int GENERATED ALWAYS AS (id * 2) STORED');
-- values that are drawn for each row, in any order
ALTER TABLE m ADD s serial, ADD i bigint GENERATED ALWAYS AS IDENTITY;
SELECT count(DISTINCT s), min(s), max(s), count(DISTINCT i), min(i), max(i) FROM m;
ALTER TABLE m DROP s, DROP i;
SELECT alter_both('DROP note');
SELECT alter_both('ADD note int');
SELECT alter_both('ALTER v TYPE numeric(10,1)');
SELECT alter_both('ALTER host TYPE varchar(20)');
SELECT alter_both('ALTER host TYPE varchar(30), ALTER b SET DEFAULT ''bb'', ALTER b DROP NOT NULL');
SELECT alter_both('DROP g, ALTER id TYPE bigint, ALTER ts TYPE timestamp USING ts AT TIME ZONE ''UTC''');
SELECT alter_both('ALTER a TYPE text USING id || ''x''');
SELECT alter_both('RENAME a TO aa');
SELECT alter_both('ALTER aa SET STORAGE external');
SELECT alter_both('ALTER aa SET COMPRESSION pglz');
SELECT alter_both('ALTER aa SET STATISTICS 10, ALTER aa SET (n_distinct = 5)');
SELECT alter_both('ADD CHECK (id > 0)');
SELECT alter_both('ADD CONSTRAINT c CHECK (v >= 0) NOT VALID');
SELECT alter_both('VALIDATE CONSTRAINT c');
SELECT alter_both('ALTER aa SET NOT NULL');
SELECT alter_both('ADD UNIQUE (ts, host)');
SELECT alter_both('SET (fillfactor = 70, autovacuum_enabled = off)');
SELECT alter_both('RESET (fillfactor)');
SELECT alter_both('REPLICA IDENTITY FULL');
SELECT alter_both('SET WITHOUT CLUSTER');
SELECT alter_both('DISABLE TRIGGER ALL, ENABLE TRIGGER ALL');
SELECT alter_both('SET WITHOUT OIDS');
ALTER TABLE m ADD CHECK (id > 10);
ALTER TABLE m ALTER note SET NOT NULL;
ALTER TABLE m ADD UNIQUE (host);
SELECT tsdb.compact('m') > 0 AS moved;
SELECT alter_both('ADD z text DEFAULT ''z''');
SELECT alter_both('DROP d');
SELECT count(*) FROM m WHERE ts >= '2024-01-02' AND host = 'host1';

-- rewrites: all rows stay, and columns that chunks do not have keep their defaults
VACUUM FULL m;
SELECT count(*), count(z), count(c) FROM m;
SELECT summary('m') = summary('h') AS same;
CLUSTER m USING m_pkey;
SELECT summary('m') = summary('h') AS same;
DELETE FROM m WHERE id % 4 = 0;
DELETE FROM h WHERE id % 4 = 0;
VACUUM m;
VACUUM (FULL, ANALYZE) m;
SELECT summary('m') = summary('h') AS same, reltuples FROM pg_class WHERE oid = 'm'::regclass;
VACUUM (FREEZE, VERBOSE off, INDEX_CLEANUP on, TRUNCATE on, DISABLE_PAGE_SKIPPING) m;
VACUUM (PARALLEL 0, SKIP_LOCKED) m;
SELECT summary('m') = summary('h') AS same;
SELECT age(relfrozenxid) < 1000 AS frozen FROM pg_class WHERE oid = 'm'::regclass;

-- entries of a first compaction that was rolled back are left in the index
CREATE TABLE clustered (ts timestamptz NOT NULL, id int, v float8) USING tsdb;
CREATE INDEX clustered_ts ON clustered (ts);
SET tsdb.direct_load_rows = 0;
INSERT INTO clustered SELECT timestamptz '2024-01-01' + i * interval '1 s', i, i FROM generate_series(1, 20000) i;
RESET tsdb.direct_load_rows;
BEGIN;
SELECT tsdb.compact('clustered') > 0 AS compacted;
ROLLBACK;
ANALYZE clustered;
CLUSTER clustered USING clustered_ts;
SELECT count(*), sum(v) FROM clustered;
DROP TABLE clustered;

-- other tablespace, logged or not, other schema and owner
SET allow_in_place_tablespaces = true;
CREATE TABLESPACE regress_tsdb_space LOCATION '';
SELECT tsdb.compact('m') >= 0;
ALTER TABLE m SET TABLESPACE regress_tsdb_space;
SELECT summary('m') = summary('h') AS same;
-- its chunks are moved with it
SELECT count(*) > 3 AS all_moved FROM pg_class c JOIN pg_tablespace s ON s.oid = reltablespace
WHERE spcname = 'regress_tsdb_space' AND relname LIKE 'tsdb\_%';
SELECT tsdb.compact('m') >= 0;
ALTER TABLE m SET UNLOGGED;
SELECT summary('m') = summary('h') AS same, tsdb.compact('m') >= 0 AS compacted;
ALTER TABLE m SET LOGGED, SET TABLESPACE pg_default;
SELECT summary('m') = summary('h') AS same, tsdb.compact('m') >= 0 AS compacted;
CREATE TABLE moved (i int) USING tsdb TABLESPACE regress_tsdb_space;
INSERT INTO moved SELECT generate_series(1, 2000);
SELECT tsdb.compact('moved');
DELETE FROM moved WHERE i % 10 = 0;
ALTER TABLE moved SET TABLESPACE pg_default;
SELECT count(*), sum(i) FROM moved;
DROP TABLESPACE regress_tsdb_space;
DROP TABLE moved;
CREATE SCHEMA ddl2;
ALTER TABLE m SET SCHEMA ddl2;
ALTER TABLE ddl2.m RENAME TO mm;
ALTER TABLE ddl2.mm SET SCHEMA ddl;
CREATE ROLE regress_tsdb_owner;
GRANT USAGE, CREATE ON SCHEMA ddl TO regress_tsdb_owner;
ALTER TABLE mm OWNER TO regress_tsdb_owner;
SET ROLE regress_tsdb_owner;
INSERT INTO mm (id, ts, host, aa) VALUES (9999, '2025-01-01', 'late', 'x');
SELECT tsdb.compact('mm') > 0;
UPDATE mm SET host = 'later' WHERE id = 9999;
DELETE FROM mm WHERE id = 9999;
VACUUM mm;
RESET ROLE;
ALTER TABLE mm OWNER TO CURRENT_USER;
ALTER TABLE mm RENAME TO m;
SELECT summary('m') = summary('h') AS same;

-- heap and back
ALTER TABLE m SET ACCESS METHOD heap;
SELECT summary('m') = summary('h') AS same, amname FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE c.oid = 'm'::regclass;
SELECT internal_relations() = :internal_before AS nothing_left;
ALTER TABLE m SET ACCESS METHOD tsdb;
SELECT summary('m') = summary('h') AS same, tsdb.compact('m') > 0 AS moved;
ALTER TABLE m SET ACCESS METHOD heap, ADD y int DEFAULT 5;
ALTER TABLE m SET ACCESS METHOD tsdb, ALTER y TYPE text, DROP z;
SELECT count(*), min(y) FROM m;

-- TRUNCATE, with and without a way back
SELECT tsdb.compact('m') > 0;
BEGIN;
TRUNCATE m;
SELECT count(*) FROM m;
INSERT INTO m (id, ts, aa) VALUES (1, '2024-01-01', 'a');
ROLLBACK;
SELECT count(*) FROM m;
ALTER TABLE m ALTER aa DROP NOT NULL;
BEGIN;
SAVEPOINT a;
TRUNCATE m;
INSERT INTO m (id, ts) VALUES (1, '2024-01-01');
SELECT count(*) FROM m;
ROLLBACK TO a;
SELECT count(*) FROM m;
TRUNCATE m;
INSERT INTO m (id, ts, host) SELECT i, '2024-01-01', i FROM generate_series(1, 100) i;
COMMIT;
SELECT count(*) FROM m;
SELECT tsdb.compact('m');
TRUNCATE m RESTART IDENTITY;
SELECT count(*), tsdb.compact('m') FROM m;
SELECT internal_relations() = :internal_before AS nothing_left;

-- made and altered in one transaction, rolled back in part
BEGIN;
CREATE TABLE t (id int, ts timestamptz, host text, v float8, note text) USING tsdb;
SELECT fill('t', 1, 1500);
SELECT tsdb.compact('t') IS NOT NULL;
SAVEPOINT a;
ALTER TABLE t ADD w int DEFAULT 7;
DROP TABLE m;
ROLLBACK TO a;
CREATE INDEX ON t (id);
ALTER TABLE t ADD w text DEFAULT 'w';
COMMIT;
SELECT count(*), count(w) FROM t WHERE id > 0;
SELECT tsdb.compact('t');
BEGIN;
DROP TABLE t;
ROLLBACK;
SELECT count(*) FROM t WHERE id BETWEEN 100 AND 200;

-- temporary tables
CREATE TEMP TABLE tt (id int, ts timestamptz, host text, v float8, note text) USING tsdb;
SELECT fill('tt', 1, 2000);
SELECT tsdb.compact('tt');
CREATE INDEX ON tt (id);
UPDATE tt SET v = 0 WHERE id % 100 = 0;
SELECT count(*), count(*) FILTER (WHERE v = 0) FROM tt;
SELECT v FROM tt WHERE id = 100;
VACUUM tt;
CREATE TEMP TABLE rows_go (id int) USING tsdb ON COMMIT DELETE ROWS;
BEGIN;
INSERT INTO rows_go SELECT generate_series(1, 10);
SELECT count(*), tsdb.compact('rows_go') IS NOT NULL FROM rows_go;
COMMIT;
SELECT count(*) FROM rows_go;
BEGIN;
CREATE TEMP TABLE all_goes (id int) USING tsdb ON COMMIT DROP;
INSERT INTO all_goes SELECT generate_series(1, 10);
COMMIT;
SELECT to_regclass('all_goes');
DROP TABLE tt;
DISCARD TEMP;

-- unlogged tables
CREATE UNLOGGED TABLE u (LIKE t) USING tsdb;
INSERT INTO u SELECT * FROM t;
SELECT tsdb.compact('u');
SELECT count(*), sum(id) FROM u;
DELETE FROM u WHERE id < 100;
SELECT count(*), sum(id) FROM u;
SELECT DISTINCT relpersistence FROM pg_class c JOIN pg_am a ON a.oid = relam
WHERE amname = 'tsdb_internal' AND reltablespace = 0 AND relpersistence = 'u';

-- tables made from queries, materialized views
CREATE TABLE made USING tsdb AS SELECT * FROM t;
SELECT tsdb.compact('made');
SELECT * INTO made2 FROM made;
CREATE MATERIALIZED VIEW mv USING tsdb AS SELECT host, count(*) AS n, max(ts) AS ts FROM t GROUP BY host;
SELECT tsdb.compact('mv');
TABLE mv ORDER BY host;
DELETE FROM t WHERE host = 'host1';
REFRESH MATERIALIZED VIEW mv;
TABLE mv ORDER BY host;
SELECT tsdb.compact('mv');
CREATE UNIQUE INDEX ON mv (host);
UPDATE t SET host = 'host2' WHERE host = 'host3';
REFRESH MATERIALIZED VIEW CONCURRENTLY mv;
TABLE mv ORDER BY host;
SELECT tsdb.compact('mv') >= 0;
REFRESH MATERIALIZED VIEW CONCURRENTLY mv;
TABLE mv ORDER BY host;
REFRESH MATERIALIZED VIEW mv WITH NO DATA;
DROP MATERIALIZED VIEW mv;

-- inheritance and partitions
CREATE TABLE child () INHERITS (t) USING tsdb;
INSERT INTO child SELECT * FROM t LIMIT 50;
SELECT tsdb.compact('child');
SELECT tableoid::regclass, count(*) FROM t GROUP BY 1 ORDER BY 1;
ALTER TABLE t ADD later int DEFAULT 3;
SELECT sum(later) FROM t;
UPDATE t SET later = 4;
SELECT tableoid::regclass, sum(later) FROM t GROUP BY 1 ORDER BY 1;
CREATE TABLE parted (LIKE made) PARTITION BY RANGE (ts);
ALTER TABLE parted ATTACH PARTITION made DEFAULT;
CREATE INDEX ON parted (id);
SELECT count(*) FROM parted WHERE id BETWEEN 5 AND 7;
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2030-01-01') TO ('2030-02-01') USING tsdb;
INSERT INTO parted (id, ts) VALUES (-1, '2030-01-01');
SELECT tsdb.compact('parted');
ALTER TABLE parted DETACH PARTITION made;
ALTER TABLE parted DETACH PARTITION parted_1 CONCURRENTLY;
SELECT count(*) FROM made;
-- a partition's bound that rows in chunks break
CREATE TABLE bad PARTITION OF parted FOR VALUES FROM ('2020-01-01') TO ('2020-02-01') USING tsdb;
ALTER TABLE parted ATTACH PARTITION made FOR VALUES FROM ('2000-01-01') TO ('2000-02-01');

-- a value that no index can take hinders none once its row is deleted; a worker's snapshot may still see it
CREATE TABLE long (ts timestamptz, note text) USING tsdb;
INSERT INTO long SELECT '2024-01-01', string_agg(md5(i::text), '') FROM generate_series(1, 300) i;
INSERT INTO long SELECT '2024-01-01', 'note ' || i FROM generate_series(1, 100) i;
SELECT tsdb.compact('long');
CREATE INDEX ON long (note);
DELETE FROM long WHERE length(note) > 100;
DO $$
DECLARE
	refusals int := 0;
BEGIN
	WHILE refusals < 300 AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = 'long'::regclass) LOOP
		BEGIN
			CREATE INDEX ON long (note);
		EXCEPTION WHEN program_limit_exceeded THEN
			refusals := refusals + 1;
			PERFORM pg_sleep(0.1);
		END;
		COMMIT;
	END LOOP;
END $$;
SELECT indisvalid FROM pg_index WHERE indrelid = 'long'::regclass;
SET enable_seqscan = off;
SELECT count(*) FROM long WHERE note = 'note 7';
RESET enable_seqscan;
DROP TABLE long;

-- what else hangs on a table
CREATE STATISTICS st (dependencies, mcv) ON host, note FROM made;
ANALYZE made;
SELECT stxname FROM pg_statistic_ext JOIN pg_statistic_ext_data ON stxoid = oid WHERE stxrelid = 'made'::regclass;
COMMENT ON TABLE made IS 'made from t';
COMMENT ON COLUMN made.host IS 'a host';
GRANT SELECT (id) ON made TO regress_tsdb_owner;
SET ROLE regress_tsdb_owner;
SELECT count(id) FROM made;
SELECT count(host) FROM made;
RESET ROLE;
CREATE VIEW v AS SELECT * FROM made;
DROP TABLE made;
DROP TABLE made CASCADE;

-- A check of foreign keys in the middle of DETACH: planning it begins no new command,
-- by which the partition would be seen half detached.
CREATE TABLE ranges (a int PRIMARY KEY) PARTITION BY RANGE (a);
CREATE TABLE ranges_1 PARTITION OF ranges FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (a);
CREATE TABLE ranges_1_all PARTITION OF ranges_1 DEFAULT USING tsdb;
CREATE TABLE refers (a int REFERENCES ranges) USING tsdb;
INSERT INTO ranges VALUES (1);
INSERT INTO refers VALUES (1);
SELECT tsdb.compact('ranges_1_all'), tsdb.compact('refers');
ALTER TABLE ranges DETACH PARTITION ranges_1;
DROP TABLE refers, ranges;

-- nothing is left of what was dropped
SET client_min_messages = warning;
DROP SCHEMA ddl2 CASCADE;
DROP OWNED BY regress_tsdb_owner;
DROP ROLE regress_tsdb_owner;
DROP TABLE m, h, t, child, u, empty, parted, parted_1, made2 CASCADE;
SELECT internal_relations() = :internal_before AS nothing_left;
DROP SCHEMA ddl CASCADE;
