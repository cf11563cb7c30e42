=== Constraints

--- fixture
CREATE TABLE m (ts timestamptz NOT NULL, host text, v float8, n int);
INSERT INTO m SELECT '2024-01-01'::timestamptz + i * '1 min'::interval, 'h' || i % 3, i, i FROM generate_series(1, 24) i;

--- PRIMARY KEY added, violated, dropped
ALTER TABLE m ADD PRIMARY KEY (host, ts);
INSERT INTO m VALUES ('2024-01-01 00:03', 'h0');
UPDATE m SET ts = '2024-01-01 00:03' WHERE n = 6;
INSERT INTO m (ts) VALUES ('2024-01-01');
ALTER TABLE m DROP CONSTRAINT m_pkey;
INSERT INTO m VALUES ('2024-01-01 00:03', 'h0', 0, 100);
ALTER TABLE m ADD PRIMARY KEY (host, ts);
SELECT count(*) FROM m;

--- UNIQUE without the time column
ALTER TABLE m ADD UNIQUE (n);
INSERT INTO m VALUES ('2025-01-01', 'x', 0, 5);
INSERT INTO m VALUES ('2025-01-01', 'x', 0, NULL), ('2025-01-01', 'x', 0, NULL);
UPDATE m SET n = n + 1 WHERE n = 24;
UPDATE m SET n = 1 WHERE n = 2;
DELETE FROM m WHERE n = 3;
INSERT INTO m VALUES ('2025-01-01', 'x', 0, 3);
SELECT * FROM m ORDER BY n, ts;

--- UNIQUE NULLS NOT DISTINCT
ALTER TABLE m ADD UNIQUE NULLS NOT DISTINCT (n, v);
INSERT INTO m VALUES ('2025-01-01', 'x', NULL, NULL);
INSERT INTO m VALUES ('2025-01-01', 'x', NULL, NULL);
UPDATE m SET n = NULL, v = NULL WHERE n = 4;
SELECT count(*) FROM m;

--- UNIQUE DEFERRABLE INITIALLY IMMEDIATE
ALTER TABLE m ADD CONSTRAINT u UNIQUE (n) DEFERRABLE;
UPDATE m SET n = n + 1;
INSERT INTO m VALUES ('2025-01-01', 'x', 0, 5);
BEGIN;
SET CONSTRAINTS u DEFERRED;
INSERT INTO m VALUES ('2025-01-01', 'x', 0, 5);
DELETE FROM m WHERE n = 5 AND host <> 'x';
INSERT INTO m VALUES ('2025-01-01', 'x', 0, 6);
SET CONSTRAINTS u IMMEDIATE;
ROLLBACK;
SELECT count(*), sum(n) FROM m;
INSERT INTO m VALUES ('2025-01-01', 'x', 0, 6) ON CONFLICT (n) DO NOTHING;

--- UNIQUE DEFERRABLE INITIALLY DEFERRED
ALTER TABLE m ADD CONSTRAINT u UNIQUE (n) DEFERRABLE INITIALLY DEFERRED;
BEGIN;
UPDATE m SET n = 25 - n;
UPDATE m SET n = 5 WHERE n = 6;
UPDATE m SET n = 6 WHERE n = 5 AND v = 20;
COMMIT;
BEGIN;
INSERT INTO m VALUES ('2025-01-01', 'x', 0, 5);
COMMIT;
BEGIN;
INSERT INTO m VALUES ('2025-01-01', 'x', 0, 5);
DELETE FROM m WHERE n = 5 AND host <> 'x';
COMMIT;
SELECT * FROM m ORDER BY n;

--- PRIMARY KEY DEFERRABLE, rows that swap keys
ALTER TABLE m ADD CONSTRAINT pk PRIMARY KEY (n) DEFERRABLE INITIALLY DEFERRED;
BEGIN;
UPDATE m SET n = CASE n WHEN 1 THEN 2 ELSE 1 END WHERE n IN (1, 2);
UPDATE m SET n = 100 WHERE n = 3;
UPDATE m SET n = 3 WHERE n = 100;
COMMIT;
SELECT v, n FROM m WHERE n < 4 ORDER BY n;

--- UNIQUE index, partial
CREATE UNIQUE INDEX u ON m (n) WHERE host = 'h0';
INSERT INTO m VALUES ('2025-01-01', 'h0', 0, 6);
INSERT INTO m VALUES ('2025-01-01', 'h1', 0, 6);
UPDATE m SET host = 'h0';
UPDATE m SET host = 'h9' WHERE n = 6 AND host = 'h0';
INSERT INTO m VALUES ('2025-01-01', 'h0', 0, 6);
SELECT * FROM m WHERE n = 6 ORDER BY ts, host;

--- UNIQUE index on an expression
CREATE UNIQUE INDEX u ON m (upper(host), (n % 100));
INSERT INTO m VALUES ('2025-01-01', 'H0', 0, 103);
INSERT INTO m VALUES ('2025-01-01', 'H0', 0, 104);
CREATE UNIQUE INDEX u2 ON m (greatest(n, 2));

--- ADD CONSTRAINT … USING INDEX
CREATE UNIQUE INDEX u ON m (n);
ALTER TABLE m ALTER n SET NOT NULL;
ALTER TABLE m ADD CONSTRAINT pk PRIMARY KEY USING INDEX u;
INSERT INTO m VALUES ('2025-01-01', 'x', 0, 5);

--- UNIQUE over rows that are doubled
INSERT INTO m SELECT * FROM m WHERE n = 7;
ALTER TABLE m ADD UNIQUE (n);
DELETE FROM m WHERE n = 7;
ALTER TABLE m ADD UNIQUE (n);

--- EXCLUDE
CREATE TABLE b (ts timestamptz, room int, during int4range, EXCLUDE USING gist (room WITH =, during WITH &&));
INSERT INTO b SELECT '2024-01-01', i % 2, int4range(i * 10, i * 10 + 10) FROM generate_series(1, 20) i;
--- *
INSERT INTO b VALUES ('2024-02-01', 1, '[15,17)');
INSERT INTO b VALUES ('2024-02-01', 0, '[15,17)');
UPDATE b SET during = int4range(lower(during) + 10, upper(during) + 10) WHERE room = 1;
UPDATE b SET room = 0 WHERE during = '[30,40)';
DELETE FROM b WHERE during = '[20,30)' AND room = 0;
INSERT INTO b VALUES ('2024-02-01', 0, '[25,26)') ON CONFLICT DO NOTHING;
INSERT INTO b VALUES ('2024-02-01', 0, '[25,26)') ON CONFLICT DO NOTHING;
SELECT * FROM b ORDER BY room, during;

--- EXCLUDE, deferred, added to rows
CREATE TABLE b (ts timestamptz, during int4range);
INSERT INTO b SELECT '2024-01-01', int4range(i * 10, i * 10 + 10) FROM generate_series(1, 20) i;
--- *
ALTER TABLE b ADD CONSTRAINT x EXCLUDE USING gist (during WITH &&) WHERE (lower(during) < 150) DEFERRABLE INITIALLY DEFERRED;
BEGIN;
UPDATE b SET during = int4range(lower(during) + 5, upper(during) + 5);
INSERT INTO b VALUES ('2024-01-01', '[17,18)');
DELETE FROM b WHERE during = '[15,25)';
COMMIT;
INSERT INTO b VALUES ('2024-01-01', '[26,27)');
INSERT INTO b VALUES ('2024-01-01', '[160,170)');
SELECT * FROM b ORDER BY during;

--- CHECK: added, NOT VALID, VALIDATE, violated
ALTER TABLE m ADD CONSTRAINT c CHECK (n < 20);
ALTER TABLE m ADD CONSTRAINT c CHECK (n < 20) NOT VALID;
INSERT INTO m VALUES ('2025-01-01', 'x', 0, 21);
UPDATE m SET v = 0 WHERE n = 22;
ALTER TABLE m VALIDATE CONSTRAINT c;
DELETE FROM m WHERE n >= 20;
ALTER TABLE m VALIDATE CONSTRAINT c;
UPDATE m SET n = 30 WHERE n = 3;
ALTER TABLE m ADD CHECK (ts >= '2024-01-01'), ADD CHECK (host <> '' OR v IS NULL);
ALTER TABLE m DROP CONSTRAINT c;
SELECT count(*) FROM m;

--- NOT NULL: set, violated, dropped
INSERT INTO m VALUES ('2025-01-01');
ALTER TABLE m ALTER host SET NOT NULL;
UPDATE m SET host = 'x' WHERE host IS NULL;
ALTER TABLE m ALTER host SET NOT NULL;
INSERT INTO m VALUES ('2025-01-01');
UPDATE m SET host = NULL WHERE n = 4;
ALTER TABLE m ALTER host DROP NOT NULL;
UPDATE m SET host = NULL WHERE n = 4;
ALTER TABLE m ALTER ts DROP NOT NULL;
INSERT INTO m VALUES (NULL, 'no time', 0, 1000);
SELECT * FROM m ORDER BY ts, n;

--- NULL in time column and key
ALTER TABLE m ALTER ts DROP NOT NULL;
INSERT INTO m SELECT NULL, NULL, i, i FROM generate_series(100, 105) i;
--- *
SELECT * FROM m ORDER BY n;
UPDATE m SET ts = '2024-05-05' WHERE ts IS NULL AND n < 103;
UPDATE m SET ts = NULL WHERE n < 4;
SELECT * FROM m ORDER BY n;
SELECT n FROM m WHERE ts IS NULL ORDER BY n;

--- Infinite times, times BC
INSERT INTO m VALUES ('infinity', 'x', 'NaN', 100), ('-infinity', 'x', '-0', 101), ('4000-01-01 BC', 'x', 'Infinity', 102), ('294276-12-31', 'x', 5e-324, 103);
--- *
SELECT * FROM m WHERE host = 'x' ORDER BY ts;
SELECT n FROM m WHERE ts = 'infinity';
SELECT max(ts), min(ts) FROM m;
UPDATE m SET v = -v WHERE host = 'x';
SELECT v, v::text FROM m WHERE host = 'x' ORDER BY ts;

=== Foreign keys

--- fixture
CREATE TABLE parent (ts timestamptz, id int PRIMARY KEY, a int, b text, UNIQUE (a, b));
INSERT INTO parent SELECT '2024-01-01'::timestamptz + i * '1 min'::interval, i, i % 4, 'p' || i FROM generate_series(1, 12) i;
CREATE TABLE child (ts timestamptz, k int, id int, a int DEFAULT 1, b text DEFAULT 'p1');
INSERT INTO child SELECT '2024-01-01'::timestamptz + i * '1 min'::interval, i, i % 12 + 1, (i % 12 + 1) % 4, 'p' || (i % 12 + 1) FROM generate_series(1, 24) i;

--- REFERENCES, NO ACTION: violations from both sides
ALTER TABLE child ADD FOREIGN KEY (id) REFERENCES parent;
INSERT INTO child VALUES ('2025-01-01', 100, 99);
UPDATE child SET id = 99 WHERE k = 1;
DELETE FROM parent WHERE id = 1;
UPDATE parent SET id = 100 WHERE id = 1;
UPDATE parent SET a = 100 WHERE id = 1;
INSERT INTO child VALUES ('2025-01-01', 100, NULL);
DELETE FROM child WHERE id = 1;
DELETE FROM parent WHERE id = 1;
SELECT count(*) FROM parent;

--- REFERENCES over rows that violate it; NOT VALID, VALIDATE
INSERT INTO child VALUES ('2025-01-01', 100, 99);
ALTER TABLE child ADD FOREIGN KEY (id) REFERENCES parent;
ALTER TABLE child ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES parent NOT VALID;
ALTER TABLE child VALIDATE CONSTRAINT f;
INSERT INTO child VALUES ('2025-01-01', 101, 98);
DELETE FROM child WHERE id = 99;
ALTER TABLE child VALIDATE CONSTRAINT f;

--- ON DELETE CASCADE, ON UPDATE CASCADE
ALTER TABLE child ADD FOREIGN KEY (id) REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE;
DELETE FROM parent WHERE id IN (2, 3);
UPDATE parent SET id = id + 100 WHERE id > 8;
SELECT * FROM child ORDER BY k;
TRUNCATE parent;
TRUNCATE parent CASCADE;
SELECT count(*) FROM child;

--- ON DELETE SET NULL, ON UPDATE SET NULL
ALTER TABLE child ADD FOREIGN KEY (a, b) REFERENCES parent (a, b) ON DELETE SET NULL ON UPDATE SET NULL;
DELETE FROM parent WHERE id = 2;
UPDATE parent SET b = 'new' WHERE id = 3;
SELECT * FROM child ORDER BY k;

--- ON DELETE SET NULL (one column)
ALTER TABLE child ADD FOREIGN KEY (a, b) REFERENCES parent (a, b) ON DELETE SET NULL (b);
DELETE FROM parent WHERE id IN (2, 5);
SELECT * FROM child ORDER BY k;

--- ON DELETE SET DEFAULT, ON UPDATE SET DEFAULT
ALTER TABLE child ADD FOREIGN KEY (a, b) REFERENCES parent (a, b) ON DELETE SET DEFAULT ON UPDATE SET DEFAULT;
DELETE FROM parent WHERE id = 2;
UPDATE parent SET b = 'new' WHERE id = 3;
DELETE FROM parent WHERE id = 1;
SELECT * FROM child ORDER BY k;

--- ON DELETE RESTRICT
ALTER TABLE child ADD FOREIGN KEY (id) REFERENCES parent ON DELETE RESTRICT ON UPDATE RESTRICT;
DELETE FROM parent WHERE id = 2;
UPDATE parent SET id = 50 WHERE id = 2;
UPDATE parent SET id = id WHERE id = 2;
SELECT count(*) FROM parent;

--- DEFERRABLE INITIALLY DEFERRED
ALTER TABLE child ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES parent DEFERRABLE INITIALLY DEFERRED;
BEGIN;
INSERT INTO child VALUES ('2025-01-01', 100, 50);
INSERT INTO parent VALUES ('2025-01-01', 50);
COMMIT;
BEGIN;
DELETE FROM parent WHERE id = 3;
SELECT count(*) FROM parent;
COMMIT;
BEGIN;
DELETE FROM parent WHERE id = 3;
INSERT INTO parent VALUES ('2025-01-01', 3);
UPDATE child SET id = 51 WHERE k = 100;
SET CONSTRAINTS f IMMEDIATE;
ROLLBACK;
BEGIN;
UPDATE child SET id = 51 WHERE k = 100;
UPDATE child SET id = 4 WHERE k = 100;
COMMIT;
SELECT * FROM child WHERE k = 100;

--- Self-referencing, with CASCADE
CREATE TABLE tree (ts timestamptz, id int PRIMARY KEY, up int REFERENCES tree ON DELETE CASCADE ON UPDATE CASCADE);
INSERT INTO tree SELECT '2024-01-01', i, NULLIF(i / 2, 0) FROM generate_series(1, 15) i;
--- *
UPDATE tree SET id = 100 WHERE id = 2;
DELETE FROM tree WHERE id = 3;
INSERT INTO tree VALUES ('2024-01-01', 50, 77);
INSERT INTO tree VALUES ('2024-01-01', 50, 51), ('2024-01-01', 51, 50);
SELECT id, up FROM tree ORDER BY id;
DELETE FROM tree WHERE id = 1;
SELECT count(*) FROM tree;

--- MATCH FULL, REFERENCES between heap and tsdb, both ways
CREATE TABLE h (id int PRIMARY KEY, pid int REFERENCES parent) USING :other;
INSERT INTO h SELECT i, i FROM generate_series(1, 12) i;
ALTER TABLE child ADD FOREIGN KEY (id) REFERENCES h ON DELETE CASCADE;
ALTER TABLE child ADD FOREIGN KEY (a, b) REFERENCES parent (a, b) MATCH FULL;
--- *
DELETE FROM parent WHERE id = 5;
DELETE FROM h WHERE id = 5;
DELETE FROM parent WHERE id = 5;
INSERT INTO h VALUES (50, 50);
UPDATE child SET b = NULL WHERE k = 1;
SELECT count(*) FROM child;

--- A key that is referenced is not deleted under its new child
ALTER TABLE child ADD FOREIGN KEY (id) REFERENCES parent;
INSERT INTO parent VALUES ('2025-01-01', 60, 60), ('2025-01-01', 61, 61);
--- *
BEGIN;
INSERT INTO child VALUES ('2025-01-01', 100, 60);
s2&: DELETE FROM parent WHERE id = 60;
UPDATE parent SET a = 600 WHERE id = 60;
COMMIT;
s2.
BEGIN;
DELETE FROM parent WHERE id = 61;
s2&: INSERT INTO child VALUES ('2025-01-01', 101, 61);
COMMIT;
s2.
SELECT * FROM parent WHERE id >= 60;

--- A key may change its other columns while a child is added
ALTER TABLE child ADD FOREIGN KEY (id) REFERENCES parent;
--- *
BEGIN;
INSERT INTO child VALUES ('2025-01-01', 100, 6);
s2: UPDATE parent SET ts = ts + '1 day'::interval WHERE id = 6;
s2: BEGIN;
s2: INSERT INTO child VALUES ('2025-01-01', 101, 6);
COMMIT;
UPDATE parent SET ts = ts + '1 day'::interval WHERE id = 6;
s2: COMMIT;
DELETE FROM parent WHERE id = 6;
SELECT * FROM parent WHERE id = 6;

--- Foreign keys of partitions
CREATE TABLE p (ts timestamptz, id int REFERENCES parent ON DELETE CASCADE, n int) PARTITION BY RANGE (ts);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM ('2024-02-01') TO ('2024-03-01') USING :other;
INSERT INTO p SELECT '2024-01-15'::timestamptz + i * '3 days'::interval, i % 12 + 1, i FROM generate_series(1, 12) i;
--- *
DELETE FROM parent WHERE id < 5;
INSERT INTO p VALUES ('2024-02-20', 1, 1);
UPDATE p SET ts = ts + '10 days'::interval WHERE ts < '2024-02-10';
SELECT tableoid::regclass, n FROM p ORDER BY n;

--- Foreign keys to a partitioned table
CREATE TABLE pp (ts timestamptz, id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE pp1 PARTITION OF pp FOR VALUES FROM (0) TO (100);
CREATE TABLE pp2 PARTITION OF pp FOR VALUES FROM (100) TO (200) USING :other;
INSERT INTO pp SELECT '2024-01-01', i FROM generate_series(1, 12) i;
ALTER TABLE child ADD FOREIGN KEY (id) REFERENCES pp ON UPDATE CASCADE;
--- *
DELETE FROM pp WHERE id = 4;
UPDATE pp SET id = id + 20 WHERE id = 4;
UPDATE pp SET id = id + 120 WHERE id = 5;
SELECT DISTINCT id FROM child ORDER BY id;
DELETE FROM child WHERE id <> 6;
ALTER TABLE pp DETACH PARTITION pp1;

=== Indexes

--- fixture
CREATE TABLE m (ts timestamptz NOT NULL, host text, v float8, n int, i int[], j jsonb, p point, r int4range, t tsvector);
INSERT INTO m SELECT '2024-01-01'::timestamptz + i * '1 min'::interval, 'h' || i % 7, i % 50, i, ARRAY[i % 5, i % 11], jsonb_build_object('k', i % 13, 'l', ARRAY[i % 3]), point(i % 20, i / 20), int4range(i, i + 5), to_tsvector('simple', 'w' || i % 9 || ' x' || i % 4) FROM generate_series(1, 400) i;
SET enable_seqscan = off;

--- btree: equality, range, IN, ORDER BY, backward
CREATE INDEX ON m (n);
CREATE INDEX ON m (host, ts DESC NULLS LAST);
SELECT n FROM m WHERE n = 77;
SELECT n FROM m WHERE n BETWEEN 100 AND 105 ORDER BY n DESC;
SELECT n FROM m WHERE n IN (5, 50, 500) ORDER BY n;
SELECT host, n FROM m WHERE host = 'h3' ORDER BY ts DESC LIMIT 3;
UPDATE m SET n = n + 1000 WHERE n % 10 = 0;
DELETE FROM m WHERE host = 'h5';
SELECT n FROM m WHERE n BETWEEN 1000 AND 1050 ORDER BY n;
SELECT n FROM m WHERE host = 'h3' ORDER BY ts DESC LIMIT 3;

--- btree: INCLUDE, index-only scans
CREATE INDEX ON m (n) INCLUDE (v);
VACUUM m;
SELECT n, v FROM m WHERE n < 6 ORDER BY n;
UPDATE m SET v = -1 WHERE n < 4;
SELECT n, v FROM m WHERE n < 6 ORDER BY n;
DELETE FROM m WHERE n = 2;
SELECT n, v FROM m WHERE n < 6 ORDER BY n;
VACUUM m;
SELECT n, v FROM m WHERE n < 6 ORDER BY n;
BEGIN;
UPDATE m SET v = -2 WHERE n = 1;
SELECT n, v FROM m WHERE n < 6 ORDER BY n;
ROLLBACK;
SELECT n, v FROM m WHERE n < 6 ORDER BY n;

--- btree: expression and partial indexes
CREATE INDEX ON m ((n % 100), lower(host));
CREATE INDEX ON m (ts) WHERE v > 45;
SELECT n FROM m WHERE n % 100 = 7 AND lower(host) = 'h0' ORDER BY n;
SELECT n FROM m WHERE v > 45 AND ts > '2024-01-01 06:00' ORDER BY ts;
UPDATE m SET v = 49 WHERE n < 4;
SELECT n FROM m WHERE v > 45 AND ts < '2024-01-01 00:50' ORDER BY ts;

--- hash
CREATE INDEX ON m USING hash (host);
SELECT count(*) FROM m WHERE host = 'h3';
UPDATE m SET host = 'h3' WHERE host = 'h4';
DELETE FROM m WHERE n < 100;
SELECT count(*) FROM m WHERE host = 'h3';

--- gin: arrays, jsonb, tsvector, with pending list
CREATE INDEX ON m USING gin (i);
CREATE INDEX ON m USING gin (j jsonb_path_ops);
CREATE INDEX ON m USING gin (t) WITH (fastupdate = on);
SELECT count(*) FROM m WHERE i @> '{3,7}';
SELECT count(*) FROM m WHERE j @> '{"k": 4}';
SELECT count(*) FROM m WHERE t @@ 'w3 & x1'::tsquery;
UPDATE m SET i = i || 99, t = t || 'new:1'::tsvector WHERE n <= 20;
SELECT count(*) FROM m WHERE i @> '{99}';
SELECT count(*) FROM m WHERE t @@ 'new & x1'::tsquery;
DELETE FROM m WHERE n <= 10;
VACUUM m;
SELECT count(*) FROM m WHERE t @@ 'new'::tsquery;

--- gist: points, ranges, nearest neighbours
CREATE INDEX ON m USING gist (p);
CREATE INDEX ON m USING gist (r);
SELECT n FROM m ORDER BY p <-> '(3.1,4.2)' LIMIT 3;
SELECT count(*) FROM m WHERE p <@ box '((0,0),(5,5))';
SELECT n FROM m WHERE r @> 200 ORDER BY n;
UPDATE m SET p = p + point(0.5, 0.5), r = int4range(1000, 1001) WHERE n BETWEEN 195 AND 199;
SELECT n FROM m WHERE r @> 200 ORDER BY n;
SELECT count(*) FROM m WHERE r @> 1000;

--- spgist: points and text
CREATE INDEX ON m USING spgist (p);
CREATE INDEX ON m USING spgist (host);
SELECT count(*) FROM m WHERE p <@ box '((0,0),(5,5))';
SELECT count(*) FROM m WHERE host = 'h2';
DELETE FROM m WHERE n % 2 = 0;
SELECT count(*) FROM m WHERE p <@ box '((0,0),(5,5))';
VACUUM m;
SELECT count(*) FROM m WHERE p <@ box '((0,0),(5,5))';

--- bloom and trigrams
CREATE INDEX ON m USING bloom (n, host);
CREATE INDEX ON m USING gin (host gin_trgm_ops);
SELECT n FROM m WHERE n = 33 AND host = 'h5';
SELECT count(*) FROM m WHERE host LIKE '%h3%';
UPDATE m SET host = 'abc h3 xyz' WHERE n < 5;
SELECT count(*) FROM m WHERE host LIKE '%c h3 x%';

--- brin
CREATE INDEX ON m USING brin (ts);
SELECT n FROM m WHERE ts = '2024-01-01 00:07' ORDER BY n;

--- Bitmap scans: AND, OR, lossy
CREATE INDEX ON m (v);
CREATE INDEX ON m (host);
SET enable_indexscan = off;
SELECT n FROM m WHERE v = 7 AND host = 'h0' ORDER BY n;
SELECT count(*) FROM m WHERE v = 7 OR host = 'h0';
SET work_mem = '64kB';
SELECT count(*), sum(n) FROM m WHERE v < 40;
UPDATE m SET v = 100 WHERE v = 7;
SELECT count(*) FROM m WHERE v = 7 OR host = 'h0';

--- CREATE INDEX CONCURRENTLY, also UNIQUE and failing
CREATE INDEX CONCURRENTLY a ON m (n);
CREATE UNIQUE INDEX CONCURRENTLY b ON m (n);
CREATE UNIQUE INDEX CONCURRENTLY c ON m (greatest(n, 2));
SELECT n FROM m WHERE n = 77;
DROP INDEX CONCURRENTLY c;
INSERT INTO m (ts, n) VALUES ('2025-01-01', 77);

--- CREATE INDEX CONCURRENTLY while others write
s2: BEGIN;
s2: UPDATE m SET v = -1 WHERE n = 10;
s1&: CREATE INDEX CONCURRENTLY a ON m (v);
s3: UPDATE m SET v = -1 WHERE n = 20;
s3: DELETE FROM m WHERE n = 30;
s3: INSERT INTO m (ts, v, n) VALUES ('2025-01-01', -1, 1000);
s2: COMMIT;
s1.
SELECT n FROM m WHERE v = -1 ORDER BY n;

--- REINDEX INDEX, TABLE, SCHEMA, CONCURRENTLY
CREATE INDEX a ON m (n);
CREATE INDEX b ON m USING hash (host);
CREATE UNIQUE INDEX c ON m (ts);
--- *
UPDATE m SET n = n + 1 WHERE n > 300;
REINDEX INDEX a;
REINDEX TABLE m;
REINDEX INDEX CONCURRENTLY a;
REINDEX TABLE CONCURRENTLY m;
REINDEX SCHEMA s;
SELECT n FROM m WHERE n > 395 ORDER BY n;
SELECT count(*) FROM m WHERE host = 'h3';
INSERT INTO m SELECT * FROM m WHERE n = 5;

--- REINDEX CONCURRENTLY while others write
CREATE INDEX a ON m (v);
CREATE UNIQUE INDEX b ON m (n);
--- *
s2: BEGIN;
s2: UPDATE m SET v = -1, n = -n WHERE n = 10;
s1&: REINDEX TABLE CONCURRENTLY m;
s3: UPDATE m SET v = -1 WHERE n = 20;
s3: DELETE FROM m WHERE n = 30;
s2: COMMIT;
s1.
SELECT n FROM m WHERE v = -1 ORDER BY n;
SELECT count(*) FROM m WHERE n > 0;

--- DROP INDEX, DROP INDEX CONCURRENTLY
CREATE INDEX a ON m (n);
CREATE INDEX b ON m (v);
--- *
DROP INDEX a;
DROP INDEX CONCURRENTLY b;
SELECT n FROM m WHERE n = 77;

--- CREATE INDEX rolled back, in a changed transaction
BEGIN;
UPDATE m SET n = -n WHERE n > 390;
CREATE INDEX a ON m (n);
SELECT n FROM m WHERE n < -395 ORDER BY n;
SAVEPOINT b;
CREATE INDEX b ON m (v);
ROLLBACK TO b;
DELETE FROM m WHERE n < -395;
SELECT n FROM m WHERE n < -393 ORDER BY n;
COMMIT;
SELECT n FROM m WHERE n < -393 ORDER BY n;

--- CREATE INDEX sees what older snapshots see
s2: BEGIN ISOLATION LEVEL REPEATABLE READ;
s2: SELECT count(*) FROM m WHERE n < 5;
UPDATE m SET n = n + 1000 WHERE n < 5;
CREATE INDEX a ON m (n);
s2: SET enable_seqscan = off;
s2: SELECT n FROM m WHERE n < 5 ORDER BY n;
s2: COMMIT;
s2: SELECT n FROM m WHERE n > 1000 ORDER BY n;

--- ALTER INDEX: RENAME, SET, ATTACH, SET STATISTICS, tablespace
CREATE INDEX a ON m (n, (v * 2));
--- *
ALTER INDEX a RENAME TO b;
ALTER INDEX b SET (fillfactor = 70, deduplicate_items = off);
ALTER INDEX b ALTER COLUMN 2 SET STATISTICS 500;
ALTER INDEX b SET TABLESPACE :tablespace;
REINDEX (TABLESPACE pg_default) INDEX b;
SELECT n FROM m WHERE n = 77;

--- Parallel index build
SET max_parallel_maintenance_workers = 2;
SET min_parallel_table_scan_size = 0;
ALTER TABLE m SET (parallel_workers = 2);
CREATE INDEX a ON m (n);
CREATE UNIQUE INDEX b ON m (ts);
SELECT n FROM m WHERE n = 77;

--- Rows deleted and inserted again, index kept
CREATE UNIQUE INDEX a ON m (n);
--- *
DELETE FROM m WHERE n > 200;
VACUUM m;
INSERT INTO m (ts, n) SELECT '2025-01-01', i FROM generate_series(201, 400) i;
DELETE FROM m WHERE n > 300;
VACUUM (INDEX_CLEANUP off) m;
INSERT INTO m (ts, n) SELECT '2026-01-01', i FROM generate_series(301, 400) i;
VACUUM m;
SELECT count(*), min(ts), max(ts) FROM m WHERE n > 190;
