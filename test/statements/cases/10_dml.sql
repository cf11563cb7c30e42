=== UPDATE, DELETE, MERGE

--- fixture
CREATE TABLE m (ts timestamptz NOT NULL, host text, v float8, n int, note text);
INSERT INTO m SELECT '2024-01-01'::timestamptz + i * '1 min'::interval, 'h' || i % 3, i, i, CASE WHEN i % 4 = 0 THEN 'note ' || i END FROM generate_series(1, 30) i;

--- UPDATE of some rows
UPDATE m SET v = v + 0.5 WHERE host = 'h1';
SELECT * FROM m ORDER BY ts;

--- UPDATE of all rows, twice in one transaction
BEGIN;
UPDATE m SET v = v * 2, note = 'x' || n;
UPDATE m SET v = v + 1, note = NULL WHERE n % 2 = 0;
COMMIT;
SELECT * FROM m ORDER BY ts;

--- UPDATE of time column and series key
UPDATE m SET ts = ts - '1 year'::interval, host = 'moved' WHERE n <= 5;
SELECT * FROM m ORDER BY ts;

--- UPDATE … FROM
CREATE TABLE names (host text, name text);
INSERT INTO names VALUES ('h0', 'zero'), ('h1', 'one');
--- *
UPDATE m SET note = names.name FROM names WHERE names.host = m.host AND n < 20 RETURNING n, m.note, names.name;
SELECT * FROM m ORDER BY ts;

--- UPDATE … FROM itself
UPDATE m SET v = o.v FROM m o WHERE o.n = m.n + 1;
SELECT * FROM m ORDER BY ts;

--- UPDATE … SET (…) = (SELECT …)
UPDATE m SET (v, note) = (SELECT sum(o.v), max(o.note) FROM m o WHERE o.host = m.host) WHERE n % 5 = 0;
SELECT * FROM m ORDER BY ts;

--- UPDATE … RETURNING *
UPDATE m SET n = n + 100 WHERE host = 'h2' RETURNING *, n - 100 AS was;

--- UPDATE to DEFAULT, to NULL, to the same value
ALTER TABLE m ALTER note SET DEFAULT 'none';
--- *
UPDATE m SET note = DEFAULT WHERE n < 5;
UPDATE m SET note = NULL WHERE n > 25;
UPDATE m SET note = note;
SELECT * FROM m ORDER BY ts;

--- UPDATE of one row many times (bottom-up index deletion)
CREATE UNIQUE INDEX m_n ON m (n);
CREATE INDEX m_v ON m (v);
--- *
DO $$ BEGIN FOR i IN 1..300 LOOP UPDATE m SET v = i, note = repeat('x', i) WHERE n = 7; END LOOP; END $$;
SELECT n, v, length(note) FROM m WHERE n = 7;
DO $$ BEGIN FOR i IN 1..300 LOOP UPDATE m SET v = -i WHERE n = 7; COMMIT; END LOOP; END $$;
SELECT n, v FROM m WHERE v < 0;
SELECT count(*) FROM m;

--- DELETE of some rows
DELETE FROM m WHERE n % 3 = 1;
SELECT * FROM m ORDER BY ts;

--- DELETE of all rows, then INSERT
DELETE FROM m;
SELECT count(*) FROM m;
INSERT INTO m VALUES ('2024-06-01', 'h9', 9, 9, 'nine');
SELECT * FROM m;

--- DELETE … USING
CREATE TABLE gone (host text);
INSERT INTO gone VALUES ('h0'), ('h2');
--- *
DELETE FROM m USING gone WHERE gone.host = m.host AND n > 10 RETURNING m.n, gone.host;
SELECT * FROM m ORDER BY ts;

--- DELETE … RETURNING *
DELETE FROM m WHERE note IS NOT NULL RETURNING *;
SELECT count(*) FROM m;

--- DELETE of a row twice in one transaction
BEGIN;
DELETE FROM m WHERE n = 3;
DELETE FROM m WHERE n = 3;
SELECT count(*) FROM m;
ROLLBACK;
SELECT count(*) FROM m;

--- DELETE … WHERE … IN (SELECT … FROM the same table)
DELETE FROM m WHERE v IN (SELECT max(v) FROM m GROUP BY host);
SELECT n FROM m ORDER BY n;

--- UPDATE, then DELETE of the same rows, ROLLBACK TO
BEGIN;
SAVEPOINT a;
UPDATE m SET v = -v WHERE n < 10;
SAVEPOINT b;
DELETE FROM m WHERE v < 0;
SELECT count(*) FROM m;
ROLLBACK TO b;
SELECT sum(v) FROM m;
DELETE FROM m WHERE n = 1;
ROLLBACK TO a;
SELECT count(*), sum(v) FROM m;
UPDATE m SET v = 0 WHERE n = 2;
COMMIT;
SELECT * FROM m ORDER BY ts;

--- UPDATE and DELETE that an error rolls back
UPDATE m SET v = 1 / (n - 15);
DELETE FROM m WHERE 1 / (n - 15) > -10;
SELECT * FROM m ORDER BY ts;

--- UPDATE … WHERE CURRENT OF
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM m WHERE host = 'h1' FOR UPDATE;
FETCH 2 FROM c;
UPDATE m SET note = 'current' WHERE CURRENT OF c;
FETCH 1 FROM c;
UPDATE m SET note = 'current', v = -1 WHERE CURRENT OF c RETURNING note, v;
UPDATE m SET note = 'twice' WHERE CURRENT OF c;
COMMIT;
SELECT count(*) FROM m WHERE note = 'current';
SELECT count(*), count(DISTINCT n) FROM m;

--- DELETE … WHERE CURRENT OF, of a plain cursor
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM m WHERE host = 'h1';
FETCH 1 FROM c;
DELETE FROM m WHERE CURRENT OF c;
MOVE 5 IN c;
DELETE FROM m WHERE CURRENT OF c;
DELETE FROM m WHERE CURRENT OF c;
COMMIT;
SELECT count(*) FROM m;

--- WHERE CURRENT OF a cursor on an index
CREATE INDEX m_n ON m (n);
--- *
BEGIN;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;
SET LOCAL enable_sort = off;
DECLARE c CURSOR FOR SELECT n, v FROM m ORDER BY n;
FETCH 3 FROM c;
UPDATE m SET v = 1000 WHERE CURRENT OF c;
FETCH 1 FROM c;
DELETE FROM m WHERE CURRENT OF c;
FETCH 1 FROM c;
FETCH 1 FROM c;
COMMIT;
SELECT * FROM m ORDER BY n;

--- WHERE CURRENT OF after another session compacted the row
BEGIN;
DECLARE d CURSOR FOR SELECT n, note FROM m WHERE host = 'h1' AND n > 3;
FETCH 2 FROM d;
s2: UPDATE m SET v = v WHERE n > 25;
UPDATE m SET note = 'by cursor' WHERE CURRENT OF d;
s2: UPDATE m SET v = v WHERE n > 20;
FETCH 1 FROM d;
DELETE FROM m WHERE CURRENT OF d;
COMMIT;
SELECT count(*), count(*) FILTER (WHERE note = 'by cursor') FROM m;

--- WHERE CURRENT OF a row that was updated or deleted meanwhile
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM m WHERE n = 4;
FETCH 1 FROM c;
UPDATE m SET v = 44 WHERE n = 4;
UPDATE m SET v = 45 WHERE CURRENT OF c;
COMMIT;
SELECT * FROM m WHERE n = 4;

--- MERGE: UPDATE, DELETE, INSERT, DO NOTHING
CREATE TABLE source (n int, host text, v float8);
INSERT INTO source SELECT i, 'h' || i % 3, -i FROM generate_series(20, 40) i;
--- *
MERGE INTO m USING source s ON m.n = s.n
WHEN MATCHED AND s.n % 4 = 0 THEN DELETE
WHEN MATCHED AND s.n % 4 = 1 THEN DO NOTHING
WHEN MATCHED THEN UPDATE SET v = s.v, host = s.host || '!'
WHEN NOT MATCHED AND s.n > 38 THEN DO NOTHING
WHEN NOT MATCHED THEN INSERT VALUES ('2025-01-01', s.host, s.v, s.n, 'merged');
SELECT * FROM m ORDER BY n;

--- MERGE that would change a row twice
CREATE TABLE source (n int);
INSERT INTO source VALUES (3), (3);
--- *
MERGE INTO m USING source s ON m.n = s.n WHEN MATCHED THEN UPDATE SET v = v + 1;
MERGE INTO m USING source s ON m.n = s.n WHEN MATCHED THEN DELETE;
SELECT * FROM m ORDER BY n;

--- MERGE with itself as source, in a transaction
BEGIN;
MERGE INTO m USING (SELECT * FROM m WHERE n < 10) s ON m.n = s.n + 5
WHEN MATCHED THEN UPDATE SET v = s.v
WHEN NOT MATCHED THEN INSERT (ts, n) VALUES (s.ts, s.n);
SELECT * FROM m ORDER BY n, ts;
ROLLBACK;
SELECT * FROM m ORDER BY n;

--- WITH … UPDATE, DELETE, INSERT in one statement
CREATE TABLE log (what text, n int);
--- *
WITH u AS (UPDATE m SET v = -v WHERE n <= 3 RETURNING n), d AS (DELETE FROM m WHERE n BETWEEN 4 AND 6 RETURNING n), i AS (INSERT INTO m SELECT ts, host, v, n + 100 FROM m WHERE n = 10 RETURNING n), l AS (INSERT INTO log SELECT 'u', n FROM u UNION ALL SELECT 'd', n FROM d UNION ALL SELECT 'i', n FROM i RETURNING *)
SELECT * FROM l;
SELECT * FROM log ORDER BY 1, 2;
SELECT * FROM m ORDER BY n;

--- WITH … DELETE, moved to another table
CREATE TABLE archive (LIKE m);
--- *
WITH gone AS (DELETE FROM m WHERE n % 2 = 0 RETURNING *) INSERT INTO archive SELECT * FROM gone;
SELECT count(*), sum(n) FROM archive;
SELECT count(*), sum(n) FROM m;

--- UPDATE of a row that the same statement updates by a CTE
WITH a AS (UPDATE m SET v = 1 WHERE n = 1 RETURNING n) UPDATE m SET v = 2 WHERE n = 1;
SELECT v FROM m WHERE n = 1;

--- UPDATE in a function, seeing its own changes
CREATE FUNCTION bump(k int) RETURNS float8 LANGUAGE plpgsql AS $$ DECLARE r float8; BEGIN UPDATE m SET v = v + 1 WHERE n = k RETURNING v INTO r; UPDATE m SET v = v * 10 WHERE n = k RETURNING v INTO r; RETURN r; END $$;
--- *
SELECT bump(n) FROM (VALUES (1), (2), (2), (30)) t(n);
SELECT * FROM m ORDER BY n;

--- UPDATE in a procedure with COMMIT in the loop
CREATE PROCEDURE walk() LANGUAGE plpgsql AS $$ DECLARE r record; BEGIN FOR r IN SELECT n FROM m ORDER BY n LOOP UPDATE m SET note = 'walked' WHERE n = r.n; COMMIT; END LOOP; END $$;
--- *
CALL walk();
SELECT count(*), count(DISTINCT n), min(note), max(note) FROM m;

--- DO with exceptions caught (subtransactions)
DO $$ BEGIN FOR i IN 1..30 LOOP BEGIN UPDATE m SET v = v + 100 / (i % 3) WHERE n = i; EXCEPTION WHEN division_by_zero THEN DELETE FROM m WHERE n = i; END; END LOOP; END $$;
SELECT * FROM m ORDER BY n;

=== INSERT

--- fixture
CREATE TABLE m (ts timestamptz NOT NULL, host text, v float8, n int, note text, PRIMARY KEY (host, ts));
INSERT INTO m SELECT '2024-01-01'::timestamptz + i * '1 min'::interval, 'h' || i % 3, i, i, CASE WHEN i % 4 = 0 THEN 'note ' || i END FROM generate_series(1, 30) i;

--- INSERT … VALUES, DEFAULT VALUES, SELECT
ALTER TABLE m ALTER ts SET DEFAULT '2030-01-01', ALTER host SET DEFAULT 'default';
--- *
INSERT INTO m VALUES ('2024-02-01', 'a', 1, 1), ('2024-02-02', 'b', NULL, 2);
INSERT INTO m DEFAULT VALUES RETURNING *;
INSERT INTO m (ts, host) SELECT ts + '1 day'::interval, host FROM m RETURNING ts, host;
SELECT count(*) FROM m;

--- INSERT that violates the key
INSERT INTO m SELECT ts, host, 0, 0 FROM m WHERE n = 12;
INSERT INTO m (ts) VALUES (NULL);
INSERT INTO m (ts, host) VALUES ('2024-01-01', 'x'), ('2024-01-01', 'x');
SELECT count(*) FROM m;

--- INSERT … ON CONFLICT DO NOTHING
INSERT INTO m SELECT ts, host, -1, n FROM m WHERE n < 10 UNION ALL SELECT '2025-01-01', 'new', 0, 99 ON CONFLICT DO NOTHING RETURNING *;
INSERT INTO m VALUES ('2024-01-01 00:03', 'h0', 0) ON CONFLICT (host, ts) DO NOTHING;
INSERT INTO m VALUES ('2026-01-01', 'h0', 0), ('2026-01-01', 'h0', 1) ON CONFLICT (ts, host) DO NOTHING;
SELECT * FROM m ORDER BY ts, host;

--- INSERT … ON CONFLICT DO UPDATE
INSERT INTO m SELECT ts, host, -1, n FROM m WHERE n < 10 UNION ALL SELECT '2025-01-01', 'new', 0, 99 ON CONFLICT (host, ts) DO UPDATE SET v = excluded.v + m.v, note = 'upserted' RETURNING *;
INSERT INTO m VALUES ('2025-01-01', 'new', 5, 5) ON CONFLICT ON CONSTRAINT m_pkey DO UPDATE SET n = excluded.n;
SELECT * FROM m ORDER BY ts, host;

--- INSERT … ON CONFLICT DO UPDATE … RETURNING (xmax = 0) AS inserted
INSERT INTO m SELECT ts, host, -1, n FROM m WHERE n < 4 UNION ALL SELECT '2025-01-01', 'new', 0, 99 ON CONFLICT (host, ts) DO UPDATE SET v = excluded.v RETURNING n, xmax = 0 AS inserted;
UPDATE m SET v = 0 WHERE n = 10 RETURNING xmax = 0;
DELETE FROM m WHERE n = 11 RETURNING n;

--- INSERT … ON CONFLICT DO UPDATE … WHERE
INSERT INTO m SELECT ts, host, -1, n FROM m ON CONFLICT (host, ts) DO UPDATE SET v = excluded.v WHERE m.n % 2 = 0 RETURNING n;
SELECT * FROM m ORDER BY ts, host;

--- INSERT … ON CONFLICT DO UPDATE of key columns
INSERT INTO m SELECT ts, host, -1, n FROM m WHERE n < 5 ON CONFLICT (host, ts) DO UPDATE SET ts = m.ts + '10 years'::interval, host = 'moved';
INSERT INTO m VALUES ('2024-01-01 00:10', 'h1', 0) ON CONFLICT (host, ts) DO UPDATE SET ts = '2024-01-01 00:13';
SELECT * FROM m ORDER BY ts, host;

--- INSERT … ON CONFLICT DO UPDATE of a row twice
INSERT INTO m VALUES ('2024-01-01 00:10', 'h1', 1), ('2024-01-01 00:10', 'h1', 2) ON CONFLICT (host, ts) DO UPDATE SET v = excluded.v;
SELECT v FROM m WHERE n = 10;

--- INSERT … ON CONFLICT on partial and expression indexes
CREATE UNIQUE INDEX part ON m (n) WHERE n > 10;
CREATE UNIQUE INDEX expr ON m ((n * 2), lower(host));
--- *
INSERT INTO m VALUES ('2025-01-01', 'x', 0, 20) ON CONFLICT (n) WHERE n > 10 DO UPDATE SET note = 'partial';
INSERT INTO m VALUES ('2025-01-01', 'x', 0, 5) ON CONFLICT (n) WHERE n > 10 DO NOTHING;
INSERT INTO m VALUES ('2025-01-02', 'H0', 0, 6) ON CONFLICT ((n * 2), lower(host)) DO UPDATE SET note = 'expression';
SELECT * FROM m ORDER BY ts, host;

--- INSERT … ON CONFLICT twice in a transaction, then ROLLBACK TO
BEGIN;
INSERT INTO m VALUES ('2024-01-01 00:10', 'h1', 1) ON CONFLICT (host, ts) DO UPDATE SET v = 100;
SAVEPOINT a;
INSERT INTO m VALUES ('2024-01-01 00:10', 'h1', 1) ON CONFLICT (host, ts) DO UPDATE SET v = m.v + 100;
SELECT v FROM m WHERE n = 10;
ROLLBACK TO a;
INSERT INTO m VALUES ('2024-01-01 00:10', 'h1', 1) ON CONFLICT (host, ts) DO UPDATE SET v = m.v + 1;
COMMIT;
SELECT * FROM m WHERE n = 10;

--- INSERT of a key that the transaction has deleted
BEGIN;
DELETE FROM m WHERE n = 10;
INSERT INTO m VALUES ('2024-01-01 00:10', 'h1', -10, 10);
COMMIT;
SELECT * FROM m WHERE n = 10;

--- UPDATE that violates the key, and one that swaps keys
UPDATE m SET ts = '2024-01-01 00:10' WHERE n = 13;
UPDATE m SET ts = ts + '3 min'::interval WHERE host = 'h1';
SELECT * FROM m ORDER BY ts, host;

--- INSERT into a view, with and without CHECK OPTION
CREATE VIEW small AS SELECT * FROM m WHERE n < 10 WITH CHECK OPTION;
CREATE VIEW all_of_it AS SELECT ts, host, n AS number FROM m;
--- *
INSERT INTO small VALUES ('2025-01-01', 'view', 1, 5) RETURNING n;
INSERT INTO small VALUES ('2025-01-01', 'view', 1, 15);
UPDATE small SET n = 50 WHERE n = 3;
UPDATE all_of_it SET number = number + 1 WHERE number > 20;
DELETE FROM small WHERE n % 2 = 0;
INSERT INTO all_of_it VALUES ('2024-01-01 00:10', 'h1', 0) ON CONFLICT (host, ts) DO UPDATE SET number = 1000;
SELECT * FROM m ORDER BY ts, host;

--- Generated columns
CREATE TABLE g (ts timestamptz, a int, b int GENERATED ALWAYS AS (a * 2) STORED, c text GENERATED ALWAYS AS ('c' || a) STORED);
INSERT INTO g (ts, a) SELECT '2024-01-01'::timestamptz + i * '1 s'::interval, i FROM generate_series(1, 10) i;
--- *
UPDATE g SET a = a + 100 WHERE a > 5;
INSERT INTO g VALUES (now(), 1, 7);
INSERT INTO g VALUES ('2025-01-01', 7, DEFAULT) RETURNING b, c;
UPDATE g SET b = 1;
SELECT * FROM g ORDER BY ts;

--- Identity and serial columns
CREATE TABLE g (id int GENERATED ALWAYS AS IDENTITY, by_default int GENERATED BY DEFAULT AS IDENTITY (START 100), s serial, ts timestamptz);
INSERT INTO g (ts) SELECT '2024-01-01'::timestamptz + i * '1 s'::interval FROM generate_series(1, 5) i;
--- *
INSERT INTO g (ts) VALUES ('2025-01-01') RETURNING id, by_default, s;
INSERT INTO g (id, ts) VALUES (1, '2025-01-01');
INSERT INTO g (id, by_default, ts) OVERRIDING SYSTEM VALUE VALUES (1, 1, '2025-01-01');
INSERT INTO g (by_default, ts) OVERRIDING USER VALUE VALUES (1, '2025-01-01');
UPDATE g SET id = 5 WHERE s = 2;
UPDATE g SET id = DEFAULT WHERE s = 2;
ALTER TABLE g ALTER id RESTART WITH 1000, ALTER by_default DROP IDENTITY;
INSERT INTO g (by_default, ts) VALUES (0, '2025-01-02') RETURNING *;
SELECT * FROM g ORDER BY ts, s;

--- Domains, composites, arrays, ranges, enums, JSON
CREATE DOMAIN percent AS int CHECK (VALUE BETWEEN 0 AND 100);
CREATE TYPE pair AS (a int, b text);
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE g (ts timestamptz, d percent, p pair, ps pair[], i int[], r int4range, mr int4multirange, e mood, j json, jb jsonb, h bit(3), b bytea, u uuid, n numeric, iv interval, ip inet);
INSERT INTO g SELECT '2024-01-01'::timestamptz + i * '1 s'::interval, i, (i, 'b' || i)::pair, ARRAY[(i, 'x')::pair], ARRAY[i, NULL, i * 2], int4range(i, i + 5), int4multirange(int4range(i, i + 1)), CASE i % 3 WHEN 0 THEN 'sad' WHEN 1 THEN 'ok' ELSE 'happy' END::mood, json_build_object('i', i), jsonb_build_object('i', i), i::bit(3), decode(lpad(to_hex(i), 4, '0'), 'hex'), md5(i::text)::uuid, i / 3.0, i * '1 hour'::interval, '10.0.0.1'::inet + i FROM generate_series(1, 12) i;
--- *
SELECT * FROM g ORDER BY ts;
UPDATE g SET d = d * 10, p.a = 7, i[2] = 5, jb = jb || '{"new": [1, 2]}', e = 'happy' WHERE d < 11 RETURNING d, p, i, jb;
UPDATE g SET jb['i'] = '"sub"', ps[3].b = 'deep' WHERE d = 12;
SELECT (p).a, (ps[1]).b, i[1:2], r * int4range(0, 50), e, jb->>'i', jb @? '$.new' FROM g WHERE p <> ROW(12, '') ORDER BY ts;
SELECT * FROM g ORDER BY e, ts;

--- Domain constraints and NOT NULL on change
CREATE DOMAIN percent AS int CHECK (VALUE BETWEEN 0 AND 100);
CREATE TABLE g (ts timestamptz, d percent, nn int NOT NULL DEFAULT 1);
INSERT INTO g VALUES ('2024-01-01', 10), ('2024-01-02', 90);
--- *
UPDATE g SET d = d * 2;
UPDATE g SET nn = NULL;
ALTER DOMAIN percent ADD CHECK (VALUE <> 90);
ALTER DOMAIN percent ADD CHECK (VALUE <> 90) NOT VALID;
UPDATE g SET d = d + 0;
SELECT * FROM g ORDER BY ts;

--- Values of 8 kB to 2 MB, compressible and not
CREATE TABLE g (ts timestamptz, t text, b bytea);
INSERT INTO g SELECT '2024-01-01'::timestamptz + i * '1 s'::interval, repeat('compressible ', i * 1000), (SELECT decode(string_agg(md5((i * 1000 + k)::text), ''), 'hex') FROM generate_series(1, i * 300) k) FROM generate_series(1, 12) i;
INSERT INTO g SELECT '2024-01-02', repeat('x', 2000000), (SELECT decode(string_agg(md5(k::text), ''), 'hex') FROM generate_series(1, 20000) k);
--- *
SELECT ts, length(t), md5(t), length(b), md5(b) FROM g ORDER BY ts;
UPDATE g SET ts = ts + '1 hour'::interval WHERE length(t) > 50000;
UPDATE g SET t = t || 'more' WHERE length(b) < 20000;
DELETE FROM g WHERE length(b) BETWEEN 20000 AND 30000;
SELECT ts, length(t), md5(t), length(b), md5(b) FROM g ORDER BY ts;

--- Tables without columns
CREATE TABLE g ();
INSERT INTO g DEFAULT VALUES;
INSERT INTO g DEFAULT VALUES;
--- *
INSERT INTO g DEFAULT VALUES;
SELECT count(*) FROM g;
SELECT * FROM g;
ALTER TABLE g ADD a int DEFAULT 5;
SELECT * FROM g;
ALTER TABLE g DROP a;
DELETE FROM g;
SELECT count(*) FROM g;

--- Tables of 1600 columns
DO $$ BEGIN EXECUTE (SELECT 'CREATE TABLE g (' || string_agg('c' || i || ' int', ', ') || ')' FROM generate_series(1, 1600) i); EXECUTE (SELECT 'INSERT INTO g SELECT ' || string_agg('k + ' || i, ', ') || ' FROM generate_series(1, 5) k' FROM generate_series(1, 1600) i); END $$;
--- *
SELECT c1, c800, c1600 FROM g ORDER BY c1;
UPDATE g SET c1600 = NULL, c2 = -1 WHERE c1 < 4;
DELETE FROM g WHERE c1 = 4;
ALTER TABLE g ADD one_more int;
ALTER TABLE g DROP c3;
SELECT c1, c2, c4, c1600 FROM g ORDER BY c1;
SELECT md5(string_agg(g::text, '' ORDER BY c1)) FROM g;
