=== COPY

--- fixture
CREATE TABLE m (ts timestamptz NOT NULL, host text, v float8, n int, note text, b bytea, PRIMARY KEY (host, ts));
INSERT INTO m SELECT '2024-01-01'::timestamptz + i * '1 min'::interval, 'h' || i % 3, i / 7.0, i, CASE WHEN i % 4 = 0 THEN E'tab\t, quote " and \\ ' || i END, decode(to_hex(i + 16), 'hex') FROM generate_series(1, 30) i;

--- COPY FROM, text
COPY m (ts, host, v, n, note) FROM STDIN;
2025-01-01	new	1.5	1	\N
2025-01-02	new	NaN	2	a\tb
2025-01-03	new	-Infinity	3	
\.
SELECT * FROM m WHERE host = 'new' ORDER BY ts;
SELECT count(*) FROM m;

--- COPY FROM, csv with header, NULL, quotes, FORCE_NOT_NULL
COPY m (ts, host, v, n, note) FROM STDIN WITH (FORMAT csv, HEADER match, NULL 'none', DELIMITER ';', FORCE_NOT_NULL (note));
ts;host;v;n;note
2025-01-01;"a;b";none;1;none
2025-01-02;"a""b";2;none;"none"
\.
SELECT * FROM m WHERE ts > '2024-12-31' ORDER BY ts;

--- COPY FROM … WHERE
COPY m (ts, host, v, n) FROM STDIN WHERE n > 1;
2025-01-01	new	1.5	1
2025-01-02	new	2.5	2
\.
SELECT count(*) FROM m;

--- COPY FROM that fails in the middle
COPY m (ts, host, v, n) FROM STDIN;
2025-01-01	new	1.5	1
2025-01-02	new	wrong	2
\.
COPY m (ts, host, v, n) FROM STDIN;
2025-01-01	new	1.5	1
2024-01-01 00:03	h0	1.5	1
\.
COPY m (ts, host, v, n) FROM STDIN;
2025-01-01	new	1.5	1
\N	h0	1.5	1
\.
SELECT count(*) FROM m;

--- COPY FROM in a transaction with more statements
BEGIN;
COPY m (ts, host, v, n) FROM STDIN;
2025-01-01	new	1.5	1
\.
UPDATE m SET v = -1 WHERE host = 'new';
SAVEPOINT a;
COPY m (ts, host, v, n) FROM STDIN;
2025-01-02	new	1.5	1
\.
DELETE FROM m WHERE host = 'new';
ROLLBACK TO a;
COMMIT;
SELECT * FROM m WHERE host = 'new';

--- COPY … FREEZE
BEGIN;
TRUNCATE m;
COPY m (ts, host, v, n) FROM STDIN WITH (FREEZE);
2025-01-01	new	1.5	1
2025-01-02	new	2.5	2
\.
COMMIT;
SELECT * FROM m;
COPY m (ts, host, v, n) FROM STDIN WITH (FREEZE);
2025-01-03	new	1.5	1
\.
SELECT count(*) FROM m;

--- COPY TO, text, of a table, of columns, of a query
COPY m TO STDOUT;
COPY m (host, n) TO STDOUT;
COPY (SELECT host, count(*), sum(n) FROM m GROUP BY host ORDER BY host) TO STDOUT;

--- COPY TO, csv with header, FORCE_QUOTE, DELIMITER, NULL
COPY (SELECT * FROM m ORDER BY ts) TO STDOUT WITH (FORMAT csv, HEADER, FORCE_QUOTE (host), NULL 'nothing', DELIMITER '|');

--- COPY TO and FROM, binary
COPY (SELECT * FROM m ORDER BY ts) TO STDOUT WITH (FORMAT binary);
COPY m TO ':dir/binary' WITH (FORMAT binary);
CREATE TABLE copied (LIKE m INCLUDING ALL);
COPY copied FROM ':dir/binary' WITH (FORMAT binary);
SELECT count(*) FROM copied c JOIN m ON c IS NOT DISTINCT FROM m;

--- COPY TO and FROM a file and a program
COPY (SELECT * FROM m ORDER BY ts) TO ':dir/text';
COPY m FROM ':dir/text';
DELETE FROM m;
COPY m FROM ':dir/text';
SELECT count(*), sum(n) FROM m;
COPY m TO PROGRAM 'wc -l > :dir/lines';
COPY (SELECT count(*) FROM m) TO PROGRAM 'cat > :dir/count';
SELECT pg_read_file(':dir/lines'), pg_read_file(':dir/count');

--- COPY (INSERT, UPDATE, DELETE … RETURNING) TO
COPY (UPDATE m SET v = 0 WHERE n < 4 RETURNING n, v) TO STDOUT;
COPY (DELETE FROM m WHERE n > 27 RETURNING n) TO STDOUT;
COPY (INSERT INTO m VALUES ('2026-01-01', 'i') RETURNING *) TO STDOUT;
SELECT count(*), sum(v) FROM m;

--- COPY of 5000 rows with triggers and defaults
CREATE TABLE g (ts timestamptz DEFAULT '2024-01-01', id serial, k int, double int GENERATED ALWAYS AS (k * 2) STORED);
CREATE FUNCTION twice() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.k % 10 = 0 THEN RETURN NULL; END IF; NEW.k := NEW.k + 1; RETURN NEW; END $$;
CREATE TRIGGER t BEFORE INSERT ON g FOR EACH ROW EXECUTE FUNCTION twice();
COPY (SELECT i FROM generate_series(1, 5000) i) TO ':dir/numbers';
--- *
COPY g (k) FROM ':dir/numbers';
COPY g (k) FROM ':dir/numbers' WHERE k < 100;
SELECT count(*), sum(k), sum(double), max(id) FROM g;

=== Triggers and rules

--- fixture
CREATE TABLE m (ts timestamptz NOT NULL, host text, v float8, n int PRIMARY KEY);
INSERT INTO m SELECT '2024-01-01'::timestamptz + i * '1 min'::interval, 'h' || i % 3, i, i FROM generate_series(1, 12) i;
CREATE TABLE log (id serial, what text);
CREATE TABLE rowlog (what text);

--- BEFORE ROW triggers that change or suppress
CREATE FUNCTION before() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'DELETE' THEN IF OLD.n % 2 = 0 THEN RETURN NULL; END IF; RETURN OLD; END IF; IF NEW.n = 5 THEN RETURN NULL; END IF; NEW.host := NEW.host || '+'; RETURN NEW; END $$;
CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON m FOR EACH ROW EXECUTE FUNCTION before();
--- *
UPDATE m SET v = -v RETURNING n, host;
DELETE FROM m WHERE n > 8 RETURNING n;
INSERT INTO m VALUES ('2025-01-01', 'x', 0, 100), ('2025-01-01', 'x', 0, 5) RETURNING host;
SELECT * FROM m ORDER BY n;

--- AFTER ROW triggers with OLD and NEW, WHEN, UPDATE OF
CREATE FUNCTION after() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO rowlog (what) SELECT TG_NAME || ' ' || TG_OP || ' ' || coalesce(OLD::text, '-') || ' ' || coalesce(NEW::text, '-'); RETURN NULL; END $$;
CREATE TRIGGER a AFTER INSERT OR DELETE ON m FOR EACH ROW EXECUTE FUNCTION after();
CREATE TRIGGER b AFTER UPDATE OF v ON m FOR EACH ROW WHEN (OLD.v IS DISTINCT FROM NEW.v) EXECUTE FUNCTION after();
--- *
UPDATE m SET v = v + n % 2;
UPDATE m SET host = 'other';
DELETE FROM m WHERE n < 4;
INSERT INTO m VALUES ('2025-01-01', 'x', 0, 100);
SELECT what FROM rowlog ORDER BY what;

--- AFTER ROW triggers, deferred to the end of the transaction
CREATE FUNCTION after() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO rowlog (what) SELECT TG_OP || ' ' || coalesce(OLD::text, '-') || ' ' || coalesce(NEW::text, '-') || ' of ' || count(*) FROM m; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER a AFTER INSERT OR UPDATE OR DELETE ON m DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION after();
--- *
BEGIN;
UPDATE m SET v = -1 WHERE n = 1;
UPDATE m SET v = -2 WHERE n = 1;
DELETE FROM m WHERE n = 2;
INSERT INTO m VALUES ('2025-01-01', 'x', 0, 100);
UPDATE m SET n = 101 WHERE n = 100;
SELECT count(*) FROM rowlog;
COMMIT;
SELECT what FROM rowlog ORDER BY what;

--- Statement triggers with transition tables
CREATE FUNCTION tables() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'INSERT' THEN INSERT INTO log (what) SELECT 'new ' || string_agg(x::text, ', ' ORDER BY x.n) FROM new_rows x; ELSIF TG_OP = 'DELETE' THEN INSERT INTO log (what) SELECT 'old ' || string_agg(x::text, ', ' ORDER BY x.n) FROM old_rows x; ELSE INSERT INTO log (what) SELECT 'both ' || count(*) || ' ' || sum(a.v - b.v) FROM old_rows a JOIN new_rows b USING (n); END IF; RETURN NULL; END $$;
CREATE TRIGGER i AFTER INSERT ON m REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tables();
CREATE TRIGGER u AFTER UPDATE ON m REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tables();
CREATE TRIGGER d AFTER DELETE ON m REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tables();
--- *
INSERT INTO m VALUES ('2025-01-01', 'x', 0, 100), ('2025-01-02', 'x', 0, 101);
UPDATE m SET v = v * 3;
DELETE FROM m WHERE n % 3 = 0;
INSERT INTO m VALUES ('2025-01-01', 'x', 5, 100), ('2025-01-02', 'x', 0, 200) ON CONFLICT (n) DO UPDATE SET v = excluded.v;
MERGE INTO m USING (VALUES (1), (300)) s(n) ON m.n = s.n WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES ('2025-01-01', 'y', 1, s.n);
WITH a AS (DELETE FROM m WHERE n = 4 RETURNING *) INSERT INTO m SELECT ts, host, v, n + 1000 FROM a;
UPDATE m SET v = 0 WHERE false;
SELECT what FROM log ORDER BY id;

--- Row triggers with transition tables
CREATE FUNCTION tables() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO rowlog (what) SELECT OLD.n || ' of ' || string_agg(x.n::text, ', ' ORDER BY x.n) FROM old_rows x; RETURN NULL; END $$;
CREATE TRIGGER d AFTER DELETE ON m REFERENCING OLD TABLE AS old_rows FOR EACH ROW EXECUTE FUNCTION tables();
--- *
DELETE FROM m WHERE n % 4 = 0;
SELECT what FROM rowlog ORDER BY what;

--- Triggers that change the row they are called for
CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE m SET v = 1000 WHERE n = OLD.n; RETURN NEW; END $$;
CREATE TRIGGER t BEFORE UPDATE ON m FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION change();
--- *
UPDATE m SET host = 'x' WHERE n = 4;
SELECT * FROM m WHERE n = 4;

--- Triggers that delete other rows of the statement
CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM m WHERE n = OLD.n + 6; RETURN NULL; END $$;
CREATE TRIGGER t AFTER UPDATE ON m FOR EACH ROW EXECUTE FUNCTION change();
--- *
UPDATE m SET host = 'x' WHERE n <= 6;
SELECT * FROM m ORDER BY n;

--- INSTEAD OF triggers on a view
CREATE VIEW w AS SELECT n, v FROM m WHERE n < 10;
CREATE FUNCTION instead() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'INSERT' THEN INSERT INTO m VALUES ('2025-01-01', 'view', NEW.v, NEW.n); RETURN NEW; ELSIF TG_OP = 'UPDATE' THEN UPDATE m SET v = NEW.v WHERE n = OLD.n; RETURN NEW; ELSE DELETE FROM m WHERE n = OLD.n; RETURN OLD; END IF; END $$;
CREATE TRIGGER t INSTEAD OF INSERT OR UPDATE OR DELETE ON w FOR EACH ROW EXECUTE FUNCTION instead();
--- *
INSERT INTO w VALUES (50, 5) RETURNING *;
UPDATE w SET v = v * 10 WHERE n < 4 RETURNING *;
DELETE FROM w WHERE n = 5 RETURNING *;
SELECT * FROM m ORDER BY n;

--- TRUNCATE triggers
CREATE FUNCTION truncated() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log (what) SELECT TG_WHEN || ' ' || count(*) FROM m; RETURN NULL; END $$;
CREATE TRIGGER a BEFORE TRUNCATE ON m EXECUTE FUNCTION truncated();
CREATE TRIGGER b AFTER TRUNCATE ON m EXECUTE FUNCTION truncated();
--- *
TRUNCATE m;
SELECT what FROM log ORDER BY id;

--- suppress_redundant_updates_trigger
CREATE TRIGGER z BEFORE UPDATE ON m FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
--- *
UPDATE m SET v = v;
UPDATE m SET v = CASE WHEN n < 3 THEN 0 ELSE v END;

--- DISABLE and ENABLE TRIGGER, session_replication_role
CREATE FUNCTION after() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log (what) VALUES (TG_NAME); RETURN NULL; END $$;
CREATE TRIGGER a AFTER UPDATE ON m FOR EACH ROW EXECUTE FUNCTION after();
--- *
ALTER TABLE m DISABLE TRIGGER a;
UPDATE m SET v = 0 WHERE n = 1;
ALTER TABLE m ENABLE ALWAYS TRIGGER a;
SET session_replication_role = replica;
UPDATE m SET v = 1 WHERE n = 1;
RESET session_replication_role;
ALTER TABLE m DISABLE TRIGGER ALL;
UPDATE m SET v = 2 WHERE n = 1;
SELECT what FROM log;

--- Rules: DO ALSO, DO INSTEAD, of a view
CREATE RULE a AS ON UPDATE TO m DO ALSO INSERT INTO rowlog (what) VALUES ('update of ' || OLD.n || ' to ' || NEW.v);
CREATE RULE b AS ON DELETE TO m WHERE OLD.n < 3 DO INSTEAD UPDATE m SET v = -1 WHERE n = OLD.n;
CREATE VIEW w AS SELECT * FROM m;
CREATE RULE c AS ON INSERT TO w DO INSTEAD INSERT INTO m VALUES (NEW.*) RETURNING *;
--- *
UPDATE m SET v = 10 WHERE n = 5;
DELETE FROM m WHERE n < 5;
INSERT INTO w VALUES ('2025-01-01', 'rule', 1, 50) RETURNING n;
SELECT what FROM rowlog ORDER BY what;
SELECT * FROM m ORDER BY n;

--- Event triggers
CREATE FUNCTION noted() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_EVENT = 'ddl_command_end' THEN INSERT INTO s.log (what) SELECT command_tag || ' ' || object_identity FROM pg_event_trigger_ddl_commands(); ELSIF TG_EVENT = 'sql_drop' THEN INSERT INTO s.log (what) SELECT 'dropped ' || object_identity FROM pg_event_trigger_dropped_objects() WHERE object_identity NOT LIKE '%\_tsdb%' AND object_identity NOT LIKE '%toast%'; ELSE INSERT INTO s.log (what) VALUES (TG_EVENT || ' ' || TG_TAG); END IF; END $$;
--- *
CREATE EVENT TRIGGER e1 ON ddl_command_end EXECUTE FUNCTION noted();
CREATE EVENT TRIGGER e2 ON sql_drop EXECUTE FUNCTION noted();
CREATE EVENT TRIGGER e3 ON table_rewrite EXECUTE FUNCTION noted();
CREATE TABLE fresh (ts timestamptz, v int);
INSERT INTO fresh VALUES ('2024-01-01', 1);
SELECT v FROM fresh;
ALTER TABLE fresh ADD w int;
ALTER TABLE m ALTER n TYPE bigint;
CREATE INDEX ON fresh (v);
TRUNCATE fresh;
DROP TABLE fresh;
ALTER TABLE m DROP COLUMN v;
DROP EVENT TRIGGER e1;
DROP EVENT TRIGGER e2;
DROP EVENT TRIGGER e3;
SELECT what FROM log ORDER BY id;

=== Partitions and inheritance

--- fixture
CREATE TABLE p (ts timestamptz NOT NULL, host text, v float8, n int) PARTITION BY RANGE (ts);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
CREATE TABLE p3 PARTITION OF p FOR VALUES FROM ('2024-03-01') TO ('2024-04-01') USING :other;
INSERT INTO p SELECT '2024-01-01'::timestamptz + i * '3 days'::interval, 'h' || i % 3, i, i FROM generate_series(0, 29) i;

--- SELECT, INSERT, UPDATE, DELETE through the parent
SELECT tableoid::regclass, count(*), sum(v) FROM p GROUP BY 1 ORDER BY 1;
INSERT INTO p VALUES ('2024-02-15', 'x', 0, 100) RETURNING tableoid::regclass;
INSERT INTO p VALUES ('2025-02-15', 'x', 0, 100);
UPDATE p SET v = -v WHERE host = 'h1';
DELETE FROM p WHERE n % 5 = 0 RETURNING tableoid::regclass, n;
SELECT * FROM p ORDER BY ts, n;

--- UPDATE that moves rows between partitions, tsdb and heap
UPDATE p SET ts = ts + '1 month'::interval WHERE ts < '2024-03-01';
SELECT tableoid::regclass, * FROM p ORDER BY ts, n;
UPDATE p SET ts = '2024-01-15' WHERE ts >= '2024-03-01' RETURNING tableoid::regclass, n;
SELECT tableoid::regclass, * FROM p ORDER BY ts, n;
UPDATE p SET ts = '2026-01-01' WHERE n = 3;
UPDATE p1 SET ts = '2024-02-02' WHERE n = 3;

--- UPDATE that moves rows, with triggers and transition tables
CREATE TABLE rowlog (what text);
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO rowlog (what) VALUES (TG_TABLE_NAME || ' ' || TG_WHEN || ' ' || TG_OP || ' ' || coalesce(OLD.n, NEW.n)); RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END; END $$;
CREATE FUNCTION joined() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO rowlog (what) SELECT 'both ' || count(*) || ' ' || sum(extract(day FROM b.ts - a.ts)) FROM o a JOIN nn b USING (n); RETURN NULL; END $$;
CREATE TRIGGER a AFTER INSERT OR UPDATE OR DELETE ON p FOR EACH ROW EXECUTE FUNCTION noted();
CREATE TRIGGER b BEFORE INSERT OR UPDATE OR DELETE ON p FOR EACH ROW EXECUTE FUNCTION noted();
CREATE TRIGGER c AFTER UPDATE ON p REFERENCING OLD TABLE AS o NEW TABLE AS nn FOR EACH STATEMENT EXECUTE FUNCTION joined();
--- *
UPDATE p SET ts = ts + '20 days'::interval WHERE n < 20;
SELECT what FROM rowlog ORDER BY what;

--- MERGE and ON CONFLICT through the parent
CREATE UNIQUE INDEX ON p (ts, host);
--- *
MERGE INTO p USING (VALUES ('2024-01-04'::timestamptz, 1), ('2024-03-30', 2)) s(ts, n) ON p.ts = s.ts WHEN MATCHED THEN UPDATE SET ts = p.ts + '2 months'::interval WHEN NOT MATCHED THEN INSERT VALUES (s.ts, 'merged', 0, s.n);
INSERT INTO p VALUES ('2024-02-06', 'h0', 0, 0) ON CONFLICT (ts, host) DO UPDATE SET v = 1000;
INSERT INTO p VALUES ('2024-02-06', 'h0', 0, 0) ON CONFLICT (ts, host) DO UPDATE SET ts = '2024-03-07';
SELECT tableoid::regclass, * FROM p ORDER BY ts, n;

--- ATTACH PARTITION of a compacted table, DETACH PARTITION
CREATE TABLE p4 (ts timestamptz NOT NULL, host text, v float8, n int);
INSERT INTO p4 SELECT '2024-04-01'::timestamptz + i * '1 day'::interval, 'h', i, i FROM generate_series(0, 9) i;
CREATE TABLE p5 (LIKE p4);
INSERT INTO p5 VALUES ('2024-06-01', 'h', 0, 0);
--- *
ALTER TABLE p ATTACH PARTITION p4 FOR VALUES FROM ('2024-04-01') TO ('2024-05-01');
ALTER TABLE p ATTACH PARTITION p5 FOR VALUES FROM ('2024-05-01') TO ('2024-06-01');
SELECT count(*) FROM p;
ALTER TABLE p DETACH PARTITION p2;
SELECT count(*) FROM p;
SELECT count(*) FROM p2;
ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY;
SELECT count(*) FROM p1;
ALTER TABLE p ATTACH PARTITION p5 DEFAULT;
INSERT INTO p VALUES ('2024-01-15', 'default', 0, 0);
ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
DROP TABLE p4;
SELECT tableoid::regclass, count(*) FROM p GROUP BY 1 ORDER BY 1;

--- Indexes and constraints of a partitioned table
ALTER TABLE p ADD PRIMARY KEY (ts, n);
CREATE INDEX ON p (host);
CREATE INDEX ON ONLY p (v);
CREATE INDEX p1_v ON p1 (v);
ALTER INDEX p_v_idx ATTACH PARTITION p1_v;
ALTER TABLE p ADD CHECK (v < 1000), ADD CHECK (n >= 0) NOT VALID;
INSERT INTO p VALUES ('2024-01-04', 'h', 0, 1);
INSERT INTO p VALUES ('2024-01-04', 'h', 1000, 2);
ALTER TABLE p ALTER host SET NOT NULL;
INSERT INTO p VALUES ('2024-01-04', NULL, 1, 3);
SELECT * FROM p WHERE host = 'h1' AND ts > '2024-02-01' ORDER BY ts;

--- Partitions by LIST and HASH, DEFAULT, sub-partitions
CREATE TABLE l (ts timestamptz, host text, n int) PARTITION BY LIST (host);
CREATE TABLE l1 PARTITION OF l FOR VALUES IN ('a', 'b');
CREATE TABLE l2 PARTITION OF l DEFAULT PARTITION BY HASH (n);
CREATE TABLE l20 PARTITION OF l2 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE l21 PARTITION OF l2 FOR VALUES WITH (MODULUS 2, REMAINDER 1) USING :other;
INSERT INTO l SELECT '2024-01-01', chr(97 + i % 5), i FROM generate_series(1, 25) i;
--- *
UPDATE l SET host = chr(98 + (n + 3) % 5), n = n + 1;
SELECT tableoid::regclass, * FROM l ORDER BY n;
CREATE TABLE l3 PARTITION OF l FOR VALUES IN ('z');
CREATE TABLE l4 PARTITION OF l FOR VALUES IN ('d');
DELETE FROM l WHERE host = 'd';
CREATE TABLE l4 PARTITION OF l FOR VALUES IN ('d');
SELECT tableoid::regclass, count(*) FROM l GROUP BY 1 ORDER BY 1;

--- TRUNCATE, DROP and ALTER of a partitioned table
ALTER TABLE p ADD extra int DEFAULT 7;
ALTER TABLE p ALTER n TYPE bigint, DROP COLUMN v;
UPDATE p SET extra = 8 WHERE n < 10;
SELECT * FROM p ORDER BY ts;
TRUNCATE p1;
SELECT count(*) FROM p;
TRUNCATE p;
SELECT count(*) FROM p;
DROP TABLE p;

--- Partition-wise plans, pruning, Append and MergeAppend
SET enable_partitionwise_aggregate = on;
SET enable_partitionwise_join = on;
CREATE INDEX ON p (ts);
--- *
SELECT ts, n FROM p WHERE ts >= '2024-02-10' AND ts < '2024-03-10' ORDER BY ts DESC LIMIT 5;
SELECT tableoid::regclass, host, avg(v) FROM p GROUP BY 1, 2 ORDER BY 1, 2;
SELECT a.n, b.n FROM p a JOIN p b USING (ts) WHERE a.ts < '2024-01-20' ORDER BY 1;

--- INHERITS, INHERIT, NO INHERIT, ONLY
CREATE TABLE parent (ts timestamptz, n int CHECK (n > 0));
CREATE TABLE child (extra text) INHERITS (parent);
CREATE TABLE other (ts timestamptz, n int CHECK (n > 0), extra text);
INSERT INTO parent VALUES ('2024-01-01', 1);
INSERT INTO child VALUES ('2024-01-02', 2, 'c');
INSERT INTO other VALUES ('2024-01-03', 3, 'o');
--- *
SELECT tableoid::regclass, * FROM parent ORDER BY ts;
UPDATE parent SET n = n + 10;
DELETE FROM ONLY parent;
ALTER TABLE other ADD CONSTRAINT parent_n_check CHECK (n > 0);
ALTER TABLE other INHERIT parent;
ALTER TABLE parent ADD added int DEFAULT 5;
SELECT * FROM parent ORDER BY ts;
SELECT * FROM child;
ALTER TABLE child NO INHERIT parent;
SELECT tableoid::regclass, * FROM parent ORDER BY ts;
TRUNCATE ONLY parent;
SELECT tableoid::regclass, * FROM parent ORDER BY ts;
DROP TABLE parent;
DROP TABLE parent CASCADE;
