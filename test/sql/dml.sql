-- INSERT, UPDATE, DELETE, MERGE, locks, triggers and constraints on rows in chunks

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS tsdb;
LOAD 'tsdb';
RESET client_min_messages;
SET tsdb.direct_load_rows = 0;	-- compaction is what is tested
CREATE SCHEMA dml;
SET search_path = dml, public;
SET TIME ZONE 'UTC';
SET datestyle = 'ISO, YMD';
SET jit = off;

-- Everything is done to a heap table (h) and to a tsdb table (m) that start with the same rows:
-- 3000 in chunks, 200 in the row store.
CREATE TABLE h (id int PRIMARY KEY, ts timestamptz, host text, v int, note text DEFAULT 'none');
CREATE TABLE m (LIKE h INCLUDING ALL) USING tsdb;
CREATE PROCEDURE start() LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE h, m;
	INSERT INTO h SELECT i, '2024-01-01 00:00+00'::timestamptz + i * '1 min'::interval, 'host' || i % 5, i, repeat('n', i % 50)
	FROM generate_series(1, 3200) i;
	INSERT INTO m SELECT * FROM h WHERE id <= 3000;
	COMMIT;
	PERFORM tsdb.compact('m');
	COMMIT;
	INSERT INTO m SELECT * FROM h WHERE id > 3000;
END $$;
-- Do a statement to both (it names the table as %I), and say how many rows it changed; compare.
CREATE FUNCTION twice(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	in_heap bigint;
	in_tsdb bigint;
	d bigint;
	heap_error text;
BEGIN
	BEGIN
		EXECUTE format(command, 'h');
		GET DIAGNOSTICS in_heap = ROW_COUNT;
	EXCEPTION WHEN OTHERS THEN
		heap_error := SQLSTATE || ' ' || replace(SQLERRM, '"h', '"m');
	END;
	BEGIN
		EXECUTE format(command, 'm');
		GET DIAGNOSTICS in_tsdb = ROW_COUNT;
	EXCEPTION WHEN OTHERS THEN
		IF heap_error IS DISTINCT FROM SQLSTATE || ' ' || SQLERRM THEN
			RETURN coalesce(heap_error, 'nothing') || ' expected, but ' || SQLSTATE || ' ' || SQLERRM;
		END IF;
	END;
	IF in_heap IS DISTINCT FROM in_tsdb THEN
		RETURN format('heap changed %s rows, tsdb %s', in_heap, in_tsdb);
	END IF;
	SELECT count(*) INTO d FROM ((TABLE m EXCEPT ALL TABLE h) UNION ALL (TABLE h EXCEPT ALL TABLE m)) q;
	RETURN coalesce(heap_error, in_heap || ' rows') || CASE WHEN d = 0 THEN ', same' ELSE ', ' || d || ' differ' END;
END $$;

CALL start();
SELECT chunk_rows FROM tsdb.table_info('m');

-- one statement after another, in one transaction each
SELECT twice('UPDATE %I SET v = v + 1 WHERE id = 10');
SELECT twice('UPDATE %I SET v = v + 1 WHERE id = 10');
SELECT twice('UPDATE %I SET v = v + 1 WHERE id %% 10 = 0');
SELECT twice('UPDATE %I SET v = v * 2, note = repeat(note, 3)');
SELECT twice('UPDATE %I SET id = -id WHERE id BETWEEN 2500 AND 3100');
SELECT twice('UPDATE %I SET ts = ts + ''1 day'' WHERE host = ''host3''');
SELECT twice('DELETE FROM %I WHERE id = 20');
SELECT twice('DELETE FROM %I WHERE id = 20');
SELECT twice('DELETE FROM %I WHERE v %% 7 = 0');
SELECT twice('INSERT INTO %I (id, host) SELECT i, ''new'' FROM generate_series(4000, 4100) i');
SELECT tsdb.compact('m') > 0 AS moved;
SELECT twice('UPDATE %1$I SET note = s.host FROM (SELECT host, min(id) AS id FROM %1$I GROUP BY 1) s WHERE s.id = %1$I.id');
SELECT twice('DELETE FROM %1$I USING %1$I o WHERE o.id = %1$I.id + 1 AND o.v %% 3 = 0');
SELECT twice('INSERT INTO %1$I SELECT id + 10000, ts, host, v, note FROM %1$I');
SELECT twice('DELETE FROM %I WHERE ctid IS NOT NULL AND id > 12000');
SELECT twice('WITH d AS (DELETE FROM %1$I WHERE id %% 50 = 1 RETURNING *) INSERT INTO %1$I SELECT -id - 100000, ts, host, v, note FROM d');
SELECT twice('WITH u AS (UPDATE %1$I SET v = 0 WHERE id %% 49 = 1 RETURNING id), x AS (SELECT max(id) FROM u) DELETE FROM %1$I WHERE id %% 49 = 2');
SELECT twice('DELETE FROM %I');
SELECT twice('INSERT INTO %I (id) VALUES (1)');
SELECT tsdb.compact('m') >= 0;

-- RETURNING
CALL start();
UPDATE m SET v = -v WHERE id IN (5, 3100) RETURNING id, v, host, ctid IS NOT NULL AS has_tid, tableoid::regclass;
DELETE FROM m WHERE id IN (6, 7, 3101) RETURNING *;
UPDATE m SET v = 1 FROM (VALUES (8, 'x'), (3102, 'y')) AS s (id, name) WHERE m.id = s.id RETURNING m.id, s.name, m.v;
DELETE FROM m WHERE id < 10;
SELECT id, v FROM m ORDER BY id LIMIT 3;

-- ON CONFLICT, with rows in both stores
CALL start();
SELECT twice('INSERT INTO %I AS t VALUES (1, ''epoch'', ''c'', 1, ''c''), (3100, ''epoch'', ''c'', 2, ''c''), (9999, ''epoch'', ''c'', 3, ''c'')
	ON CONFLICT (id) DO UPDATE SET v = t.v + excluded.v, note = excluded.note');
SELECT twice('INSERT INTO %I VALUES (2, ''epoch''), (3101, ''epoch''), (10000, ''epoch'') ON CONFLICT DO NOTHING');
SELECT twice('INSERT INTO %I AS t VALUES (1, ''epoch'') ON CONFLICT (id) DO UPDATE SET v = 77 WHERE t.v > 1000000');
SELECT twice('INSERT INTO %I VALUES (3, NULL), (3, NULL) ON CONFLICT (id) DO UPDATE SET v = 1');
SELECT twice('INSERT INTO %I VALUES (4, NULL)');
SELECT twice('INSERT INTO %I SELECT i, ''epoch'' FROM generate_series(1, 4000) i ON CONFLICT (id) DO UPDATE SET ts = excluded.ts');
SELECT twice('UPDATE %I SET id = 100 WHERE id = 200');
SELECT twice('UPDATE %I SET id = id + 1');
SELECT twice('UPDATE %I SET id = id + 100000');

-- MERGE
CALL start();
SELECT twice('MERGE INTO %I t USING (SELECT i FROM generate_series(2990, 3300) i) s ON t.id = s.i
	WHEN MATCHED AND t.id %% 3 = 0 THEN DELETE WHEN MATCHED AND t.id %% 3 = 1 THEN UPDATE SET v = -1
	WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT (id, host) VALUES (s.i, ''merged'')');
SELECT twice('MERGE INTO %I t USING (VALUES (1), (1)) s (i) ON t.id = s.i WHEN MATCHED THEN DELETE');
SELECT twice('MERGE INTO %I t USING (VALUES (2), (2)) s (i) ON t.id = s.i WHEN MATCHED THEN UPDATE SET v = 1');

-- savepoints and rollback
CALL start();
BEGIN;
UPDATE m SET v = 1 WHERE id = 1;
SAVEPOINT a;
UPDATE m SET v = 2 WHERE id = 1;
DELETE FROM m WHERE id = 2;
SAVEPOINT b;
DELETE FROM m WHERE id IN (1, 3);
SELECT id, v FROM m WHERE id <= 4 ORDER BY id;
ROLLBACK TO b;
SELECT id, v FROM m WHERE id <= 4 ORDER BY id;
UPDATE m SET v = 3 WHERE id = 3;
RELEASE b;
SELECT id, v FROM m WHERE id <= 4 ORDER BY id;
ROLLBACK TO a;
SELECT id, v FROM m WHERE id <= 4 ORDER BY id;
DELETE FROM m WHERE id = 2;
INSERT INTO m (id, v) VALUES (2, 22);
COMMIT;
SELECT id, v FROM m WHERE id <= 4 ORDER BY id;
BEGIN;
DELETE FROM m;
SELECT count(*) FROM m;
INSERT INTO m (id) SELECT generate_series(1, 100);
SELECT count(*) FROM m;
ROLLBACK;
SELECT count(*), sum(v) FROM m;
-- many subtransactions, some of which fail
DO $$ BEGIN
	FOR i IN 1..60 LOOP
		BEGIN
			UPDATE m SET v = -i WHERE id BETWEEN i AND i + 10;
			DELETE FROM m WHERE id = 1000 + i;
			IF i % 3 = 0 THEN RAISE 'no'; END IF;
		EXCEPTION WHEN raise_exception THEN NULL;
		END;
	END LOOP;
END $$;
SELECT count(*) FILTER (WHERE v < 0), sum(v) FILTER (WHERE v < 0), count(*) FROM m;
SELECT tsdb.compact('m') >= 0;
SELECT count(*) FILTER (WHERE v < 0), sum(v) FILTER (WHERE v < 0), count(*) FROM m;

-- what a statement sees of its own transaction
BEGIN;
DECLARE before CURSOR FOR SELECT count(*), sum(id) FROM m WHERE id BETWEEN 2000 AND 2010;
DECLARE each CURSOR FOR SELECT id FROM m WHERE id BETWEEN 2000 AND 2003 ORDER BY id;
FETCH 1 FROM each;
DELETE FROM m WHERE id BETWEEN 2000 AND 2005;
UPDATE m SET id = -id WHERE id = 2006;
INSERT INTO m (id) VALUES (2000);
FETCH ALL FROM before;
FETCH ALL FROM each;
SELECT count(*), sum(id) FROM m WHERE abs(id) BETWEEN 2000 AND 2010;
COMMIT;
-- a query does not see what it changes itself
CREATE FUNCTION remove(int) RETURNS bigint LANGUAGE sql VOLATILE AS 'DELETE FROM dml.m WHERE id = $1; SELECT count(*) FROM dml.m WHERE id = $1';
SELECT id, remove(id + 1) FROM m WHERE id BETWEEN 2100 AND 2102 ORDER BY id;
SELECT id FROM m WHERE id BETWEEN 2100 AND 2104 ORDER BY id;

-- WHERE CURRENT OF
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM m WHERE id IN (50, 3150) ORDER BY id FOR UPDATE;
FETCH c;
UPDATE m SET note = 'current' WHERE CURRENT OF c;
FETCH c;
DELETE FROM m WHERE CURRENT OF c;
COMMIT;
SELECT id, note FROM m WHERE note = 'current' OR id = 3150;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM m WHERE id = 51;
FETCH c;
UPDATE m SET note = 'current 2' WHERE CURRENT OF c;
UPDATE m SET note = 'current 3' WHERE CURRENT OF c;
COMMIT;
SELECT id, note FROM m WHERE note LIKE 'current%' ORDER BY id;

-- row locks of one session
BEGIN;
SELECT count(*) FROM (SELECT 1 FROM m WHERE id < 100 FOR KEY SHARE) s;
SELECT count(*) FROM (SELECT 1 FROM m WHERE id < 100 FOR SHARE) s;
SELECT count(*) FROM (SELECT 1 FROM m WHERE id < 100 FOR NO KEY UPDATE) s;
SELECT count(*) FROM (SELECT 1 FROM m WHERE id < 100 FOR UPDATE NOWAIT) s;
SELECT count(*) FROM (SELECT 1 FROM m WHERE id < 100 FOR UPDATE SKIP LOCKED) s;
SAVEPOINT a;
SELECT id FROM m WHERE id = 300 FOR UPDATE;
ROLLBACK TO a;
UPDATE m SET v = 9 WHERE id IN (99, 300);
COMMIT;
SELECT id, v FROM m WHERE id IN (99, 300) ORDER BY id;

-- triggers: row and statement, before and after, with transition tables
CALL start();
CREATE TABLE log (n serial, what text);
CREATE FUNCTION note_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO log (what) SELECT concat_ws(' ', TG_WHEN, TG_OP, CASE WHEN TG_OP <> 'INSERT' THEN OLD.id || ':' || OLD.v END,
		CASE WHEN TG_OP <> 'DELETE' THEN NEW.id || ':' || NEW.v END);
	IF TG_WHEN = 'BEFORE' AND TG_OP = 'UPDATE' THEN NEW.note := 'by trigger'; END IF;
	RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE FUNCTION note_statement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'UPDATE' THEN
		INSERT INTO log (what) SELECT format('%s old %s new %s', TG_OP, (SELECT sum(v) FROM o), (SELECT sum(v) FROM n));
	ELSE
		INSERT INTO log (what) SELECT format('%s old %s', TG_OP, (SELECT sum(v) FROM o));
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER a BEFORE INSERT OR UPDATE OR DELETE ON m FOR EACH ROW EXECUTE FUNCTION note_row();
CREATE TRIGGER b AFTER INSERT OR UPDATE OR DELETE ON m FOR EACH ROW EXECUTE FUNCTION note_row();
CREATE TRIGGER c AFTER UPDATE ON m REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION note_statement();
CREATE TRIGGER d AFTER DELETE ON m REFERENCING OLD TABLE AS o FOR EACH STATEMENT EXECUTE FUNCTION note_statement();
UPDATE m SET v = v + 1000 WHERE id IN (1, 3100);
DELETE FROM m WHERE id IN (2, 3101);
INSERT INTO m (id, v) VALUES (3, 1), (5000, 5) ON CONFLICT (id) DO UPDATE SET v = excluded.v;
SELECT what FROM log ORDER BY n;
SELECT id, v, note FROM m WHERE note = 'by trigger' ORDER BY id;
DROP TRIGGER a ON m;
DROP TRIGGER b ON m;
DROP TRIGGER c ON m;
DROP TRIGGER d ON m;
-- deferred to commit, when compaction cannot have run in between
CREATE FUNCTION look_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO log (what) SELECT format('deferred %s: %s', NEW.id, (SELECT v FROM m WHERE id = NEW.id));
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER later AFTER INSERT OR UPDATE ON m DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION look_up();
TRUNCATE log;
BEGIN;
UPDATE m SET v = 5 WHERE id = 10;
UPDATE m SET v = 6 WHERE id = 10;
INSERT INTO m (id, v) VALUES (6000, 1);
SELECT count(*) FROM log;
COMMIT;
SELECT what FROM log ORDER BY n;
DROP TRIGGER later ON m;

-- foreign keys: tsdb refers to heap, heap to tsdb, tsdb to itself
CREATE TABLE hosts (host text PRIMARY KEY, area int) USING tsdb;
INSERT INTO hosts SELECT 'host' || i, i FROM generate_series(0, 4) i;
SELECT tsdb.compact('hosts');
ALTER TABLE m ADD FOREIGN KEY (host) REFERENCES hosts ON UPDATE CASCADE ON DELETE SET NULL;
INSERT INTO m (id, host) VALUES (7000, 'host9');
INSERT INTO m (id, host) VALUES (7000, 'host1');
UPDATE hosts SET host = 'hostX' WHERE host = 'host1';
SELECT host, count(*) FROM m GROUP BY 1 ORDER BY 1;
DELETE FROM hosts WHERE host = 'host2';
SELECT host, count(*) FROM m GROUP BY 1 ORDER BY 1;
CREATE TABLE child (m_id int REFERENCES m ON DELETE CASCADE, m_id2 int REFERENCES m DEFERRABLE INITIALLY DEFERRED) USING tsdb;
INSERT INTO child SELECT i, i + 1 FROM generate_series(100, 120) i;
SELECT tsdb.compact('child');
INSERT INTO child VALUES (-1, 100);
DELETE FROM m WHERE id = 110;
DELETE FROM m WHERE id = 121;
UPDATE m SET id = 99999 WHERE id = 121;
BEGIN;
DELETE FROM m WHERE id = 100;
INSERT INTO child VALUES (200, -7);
COMMIT;
DELETE FROM child WHERE m_id2 IN (110, 111);
DELETE FROM m WHERE id = 110;
SELECT count(*) FROM child;
DROP TABLE child;

-- constraints: unique ones of several kinds, checks, exclusion, generated and identity columns
CREATE TABLE k (id int GENERATED BY DEFAULT AS IDENTITY, a int UNIQUE DEFERRABLE INITIALLY DEFERRED,
	b int CHECK (b <> 13), r int4range, g int GENERATED ALWAYS AS (b * 2) STORED, u text NOT NULL DEFAULT 'u',
	EXCLUDE USING gist (r WITH &&), UNIQUE NULLS NOT DISTINCT (u, b)) USING tsdb;
INSERT INTO k (a, b, r) SELECT i, i + 100, int4range(i * 10, i * 10 + 10) FROM generate_series(1, 500) i;
SELECT tsdb.compact('k');
INSERT INTO k (a, b, r) VALUES (1000, 13, NULL);
INSERT INTO k (a, b, r) VALUES (1000, 101, NULL);
INSERT INTO k (a, b, r) VALUES (1000, 1, '[55,56)');
UPDATE k SET u = NULL WHERE a = 1;
UPDATE k SET b = 13 WHERE a = 1;
UPDATE k SET r = '[55,56)' WHERE a = 1;
BEGIN;
UPDATE k SET a = a + 1;
UPDATE k SET b = b + 1000 WHERE a = 7;
SELECT id, a, b, g FROM k WHERE a = 7;
COMMIT;
BEGIN;
UPDATE k SET a = 5 WHERE a = 6;
COMMIT;
INSERT INTO k (a, r) VALUES (2000, '[100000,100001)'), (2001, '[100001,100002)');
SELECT count(*), count(DISTINCT a), min(id), max(id), sum(g) FROM k;

-- partitions: rows that move between tsdb partitions, and to heap and back
CREATE TABLE p (id int, ts date, v int) PARTITION BY RANGE (ts);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2024-01-01') TO ('2024-02-01') USING tsdb;
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM ('2024-02-01') TO ('2024-03-01') USING tsdb;
CREATE TABLE p3 PARTITION OF p DEFAULT USING heap;
CREATE UNIQUE INDEX ON p (id, ts);
INSERT INTO p SELECT i, '2024-01-01'::date + i % 100, i FROM generate_series(1, 2000) i;
SELECT tsdb.compact('p');
SELECT tableoid::regclass, count(*) FROM p GROUP BY 1 ORDER BY 1;
UPDATE p SET ts = ts + 31 WHERE id % 10 = 0;
UPDATE p SET ts = '2024-01-05' WHERE id % 10 = 1;
SELECT tableoid::regclass, count(*), sum(v) FROM p GROUP BY 1 ORDER BY 1;
INSERT INTO p VALUES (1, '2024-01-05', 0) ON CONFLICT (id, ts) DO UPDATE SET v = -1;
SELECT * FROM p WHERE id = 1;
SELECT count(*), count(DISTINCT id) FROM p;

-- views, rules, row security
CREATE VIEW mv AS SELECT id, host, v FROM m WHERE v > 0 WITH CHECK OPTION;
UPDATE mv SET v = v + 1 WHERE id = 40;
UPDATE mv SET v = -1 WHERE id = 40;
DELETE FROM mv WHERE id = 41;
INSERT INTO mv VALUES (8000, 'host0', 5);
SELECT id, v FROM m WHERE id IN (40, 41, 8000) ORDER BY id;
CREATE RULE keep AS ON DELETE TO m DO INSTEAD UPDATE m SET note = 'deleted' WHERE id = OLD.id;
DELETE FROM m WHERE id IN (42, 3142);
SELECT id, note FROM m WHERE note = 'deleted' ORDER BY id;
DROP RULE keep ON m;
CREATE ROLE regress_tsdb_reader;
GRANT USAGE ON SCHEMA dml TO regress_tsdb_reader;
GRANT SELECT, UPDATE ON m TO regress_tsdb_reader;
ALTER TABLE m ENABLE ROW LEVEL SECURITY;
CREATE POLICY only0 ON m USING (host = 'host0');
SET ROLE regress_tsdb_reader;
SELECT host, count(*) FROM m GROUP BY 1;
UPDATE m SET v = 0;
UPDATE m SET host = 'host3' WHERE id = 5;
DELETE FROM m;
RESET ROLE;
SELECT count(*) FROM m WHERE v = 0;
ALTER TABLE m DISABLE ROW LEVEL SECURITY;

-- isolation levels: a snapshot that is older than a compaction of this session
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) > 0 FROM m;
UPDATE m SET note = 'rr' WHERE id IN (60, 3160);
SELECT count(*) FROM m WHERE note = 'rr';
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT sum(v) > 0 FROM m;
UPDATE m SET note = 'ser' WHERE id IN (61, 3161);
COMMIT;
SELECT id, note FROM m WHERE note IN ('rr', 'ser') ORDER BY id;

-- a row that is changed again and again, compacted in between
CREATE PROCEDURE churn() LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..20 LOOP
		UPDATE m SET v = i WHERE id = 70;
		DELETE FROM m WHERE id = 71;
		INSERT INTO m (id, v) VALUES (71, i);
		COMMIT;
		PERFORM tsdb.compact('m');
		COMMIT;
	END LOOP;
END $$;
CALL churn();
SELECT id, v FROM m WHERE id IN (70, 71) ORDER BY id;
VACUUM m;
CALL churn();
SELECT id, v FROM m WHERE id IN (70, 71) ORDER BY id;
-- what was decoded for an index scan stays within its budget of 32 MB
CREATE TABLE wide (id int) USING tsdb;
DO $$ BEGIN
	EXECUTE (SELECT 'ALTER TABLE wide ' || string_agg('ADD COLUMN v' || i || ' float8', ', ')
			 FROM generate_series(1, 100) i);
END $$;
INSERT INTO wide SELECT generate_series(1, 60000);
SELECT tsdb.compact('wide') AS moved;
CREATE INDEX ON wide (id);
ANALYZE wide;
BEGIN;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;
SET LOCAL max_parallel_workers_per_gather = 0;
SELECT sum(id), sum(v100) FROM wide WHERE id > 0;
SELECT sum(total_bytes) BETWEEN 30e6 AND 36e6 AS within FROM pg_backend_memory_contexts
WHERE name IN ('tsdb cached chunk', 'tsdb chunk reader');
COMMIT;

-- the counters that autovacuum and others read
SELECT pg_stat_force_next_flush();
SELECT n_tup_ins > 0 AS ins, n_tup_upd > 0 AS upd, n_tup_del > 0 AS del, n_live_tup > 0 AS live
FROM pg_stat_user_tables WHERE relid = 'm'::regclass;

SET client_min_messages = warning;
-- more dead chunks on a page of the directory than chunk numbers that it has: VACUUM keeps the numbers
CREATE TABLE many (ts timestamptz, v int) USING tsdb;
SET tsdb.shards = 1;
\o /dev/null
\set ECHO none
SELECT statement FROM generate_series(1, 260) i, LATERAL (VALUES
	(1, format('INSERT INTO many VALUES (timestamptz ''2024-01-01'' + %s * interval ''1 min'', %1$s)', i)),
	(2, 'SELECT tsdb.compact(''many'')'),
	(3, 'VACUUM (INDEX_CLEANUP off) many')) s (place, statement) ORDER BY i, place \gexec
\set ECHO all
\o
RESET tsdb.shards;
SELECT count(*), sum(v) FROM many;
SELECT max(chunk) > 128 AS on_another_page FROM tsdb.chunk_info('many');
VACUUM many;
SELECT count(*), sum(v) FROM many;

DROP SCHEMA dml CASCADE;
DROP ROLE regress_tsdb_reader;
