=== Security

--- fixture
CREATE TABLE m (ts timestamptz NOT NULL, host text, v float8, n int PRIMARY KEY);
INSERT INTO m SELECT '2024-01-01'::timestamptz + i * '1 min'::interval, CASE i % 3 WHEN 0 THEN 'alice' WHEN 1 THEN 'bob' ELSE 'carol' END, i, i FROM generate_series(1, 24) i;

--- GRANT and REVOKE, by table and by column
GRANT SELECT (host, n), UPDATE (v) ON m TO alice;
GRANT SELECT, INSERT, DELETE ON m TO bob;
SET ROLE alice;
SELECT host, n FROM m WHERE n < 4 ORDER BY n;
SELECT * FROM m;
SELECT count(v) FROM m;
UPDATE m SET v = 0 WHERE n = 1;
UPDATE m SET host = 'x' WHERE n = 1;
UPDATE m SET v = v + 1 WHERE n = 1;
DELETE FROM m;
SELECT n FROM m WHERE n = 1 FOR UPDATE;
SET ROLE bob;
INSERT INTO m VALUES ('2025-01-01', 'bob', 1, 100);
DELETE FROM m WHERE n = 100 RETURNING *;
UPDATE m SET v = 1;
TRUNCATE m;
INSERT INTO m VALUES ('2025-01-01', 'bob', 1, 5) ON CONFLICT (n) DO UPDATE SET v = 0;
RESET ROLE;
REVOKE ALL ON m FROM alice, bob;
SET ROLE alice;
SELECT n FROM m;

--- Others alter, index, drop, vacuum, analyze nothing
SET ROLE alice;
ALTER TABLE m ADD x int;
CREATE INDEX ON m (v);
DROP TABLE m;
VACUUM m;
ANALYZE m;
CLUSTER m;
BEGIN; LOCK TABLE m IN EXCLUSIVE MODE;
ROLLBACK;
COPY m TO STDOUT;
REINDEX TABLE m;
COMMENT ON TABLE m IS 'x';

--- Policies for SELECT, INSERT, UPDATE, DELETE
GRANT ALL ON m TO alice, bob;
ALTER TABLE m ENABLE ROW LEVEL SECURITY;
CREATE POLICY r ON m FOR SELECT USING (host = current_user OR n > 20);
CREATE POLICY i ON m FOR INSERT WITH CHECK (host = current_user);
CREATE POLICY u ON m FOR UPDATE USING (host = current_user) WITH CHECK (v < 1000);
CREATE POLICY d ON m FOR DELETE USING (host = current_user AND n < 10);
--- *
SELECT count(*) FROM m;
SET ROLE alice;
SELECT * FROM m ORDER BY n;
UPDATE m SET v = v + 100 RETURNING n;
UPDATE m SET v = 5000 WHERE n = 3;
UPDATE m SET host = 'bob' WHERE n = 3;
DELETE FROM m RETURNING n;
INSERT INTO m VALUES ('2025-01-01', 'alice', 1, 100);
INSERT INTO m VALUES ('2025-01-01', 'bob', 1, 101);
INSERT INTO m VALUES ('2025-01-01', 'alice', 1, 12) ON CONFLICT (n) DO UPDATE SET v = -1 RETURNING v;
INSERT INTO m VALUES ('2025-01-01', 'alice', 1, 4) ON CONFLICT (n) DO UPDATE SET v = -1;
INSERT INTO m VALUES ('2025-01-01', 'alice', 1, 4) ON CONFLICT (n) DO NOTHING;
SELECT n FROM m ORDER BY n FOR UPDATE;
COPY m TO STDOUT;
MERGE INTO m USING (VALUES (12)) s(n) ON m.n = s.n WHEN MATCHED THEN UPDATE SET v = 12;
SET row_security = off;
SELECT * FROM m;
RESET ROLE;
SELECT * FROM m ORDER BY n;

--- Policies: RESTRICTIVE, FOR ALL, of other tables
CREATE TABLE allowed (who text, up_to int);
INSERT INTO allowed VALUES ('alice', 10), ('bob', 20);
GRANT ALL ON m, allowed TO alice, bob;
ALTER TABLE m ENABLE ROW LEVEL SECURITY;
CREATE POLICY a ON m USING (n <= (SELECT up_to FROM allowed WHERE who = current_user));
CREATE POLICY b ON m AS RESTRICTIVE TO alice USING (v > 3);
--- *
SET ROLE alice;
SELECT n FROM m ORDER BY n;
UPDATE m SET v = 1 WHERE n = 5;
DELETE FROM m WHERE n < 7 RETURNING n;
SET ROLE bob;
SELECT n FROM m ORDER BY n;

--- FORCE ROW LEVEL SECURITY binds the owner
ALTER TABLE m OWNER TO alice;
ALTER TABLE m ENABLE ROW LEVEL SECURITY;
CREATE POLICY r ON m USING (n < 5);
SET ROLE alice;
SELECT count(*) FROM m;
RESET ROLE;
ALTER TABLE m FORCE ROW LEVEL SECURITY;
SET ROLE alice;
SELECT count(*) FROM m;
DELETE FROM m;
TRUNCATE m;
RESET ROLE;
SELECT count(*) FROM m;

--- Policies and functions that leak
GRANT ALL ON m TO alice;
ALTER TABLE m ENABLE ROW LEVEL SECURITY;
CREATE POLICY r ON m USING (host = current_user);
CREATE FUNCTION leak(text, int) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'sees % %', $1, $2; RETURN true; END $$;
--- *
SET ROLE alice;
SELECT n FROM m WHERE leak(host, n) ORDER BY n;
UPDATE m SET v = 0 WHERE leak(host, n);
DELETE FROM m WHERE leak(host, n) AND n < 10;
SET enable_seqscan = off;
SELECT n FROM m WHERE n BETWEEN 10 AND 20 AND leak(host, n) ORDER BY n;

--- Security barrier views, CHECK OPTION, security_invoker
CREATE VIEW safe WITH (security_barrier) AS SELECT * FROM m WHERE host = current_user;
CREATE VIEW invoker WITH (security_invoker) AS SELECT * FROM m;
CREATE FUNCTION leak(text, int) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'sees % %', $1, $2; RETURN true; END $$;
GRANT ALL ON safe, invoker TO alice;
--- *
SET ROLE alice;
SELECT n FROM safe WHERE leak(host, n) ORDER BY n;
UPDATE safe SET v = 0 WHERE leak(host, n) AND n < 10;
DELETE FROM safe WHERE n = 12;
SELECT * FROM invoker;
SELECT * FROM m;

--- Foreign keys under policies
CREATE TABLE child (ts timestamptz, n int REFERENCES m ON DELETE CASCADE);
INSERT INTO child SELECT ts, n FROM m;
GRANT ALL ON m, child TO alice;
ALTER TABLE m ENABLE ROW LEVEL SECURITY;
ALTER TABLE child ENABLE ROW LEVEL SECURITY;
CREATE POLICY r ON m USING (host = current_user);
CREATE POLICY c ON child FOR INSERT WITH CHECK (true);
--- *
SET ROLE alice;
INSERT INTO child VALUES ('2025-01-01', 1);
INSERT INTO child VALUES ('2025-01-01', 1000);
DELETE FROM m WHERE n = 3;
RESET ROLE;
SELECT n FROM child ORDER BY n;

--- SECURITY DEFINER functions, default privileges, ownership
CREATE FUNCTION total() RETURNS float8 LANGUAGE sql SECURITY DEFINER AS 'SELECT sum(v) FROM s.m';
ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO bob;
CREATE TABLE fresh (ts timestamptz, n int);
INSERT INTO fresh VALUES ('2024-01-01', 1);
ALTER TABLE fresh OWNER TO alice;
--- *
SET ROLE alice;
SELECT total();
SELECT n FROM fresh;
SET ROLE bob;
SELECT n FROM fresh;
SELECT n FROM m;
RESET ROLE;
ALTER DEFAULT PRIVILEGES IN SCHEMA s REVOKE SELECT ON TABLES FROM bob;

--- Statistics hide what a role may not read
ANALYZE m;
GRANT SELECT (n) ON m TO alice;
GRANT SELECT ON m TO bob;
--- *
SET ROLE alice;
SELECT attname FROM pg_stats WHERE tablename = 'm' ORDER BY attname;
SET ROLE bob;
SELECT count(*) FROM pg_stats WHERE tablename = 'm';
RESET ROLE;
ALTER TABLE m ENABLE ROW LEVEL SECURITY;
SET ROLE bob;
SELECT count(*) FROM pg_stats WHERE tablename = 'm';

--- COMMENT ON
COMMENT ON TABLE m IS 'a table';
COMMENT ON COLUMN m.v IS 'a value';
SELECT obj_description('m'::regclass), col_description('m'::regclass, 3);

--- pg_relation_size & co. answer, for who may not read too
SET ROLE alice;
SELECT pg_relation_size('m') > 0, pg_table_size('m') > 0, pg_total_relation_size('m') > 0, pg_indexes_size('m') > 0;

=== What the internal relations are to others

--- fixture
CREATE TABLE m (ts timestamptz NOT NULL, host text, v float8, n int PRIMARY KEY);
INSERT INTO m SELECT '2024-01-01'::timestamptz + i * '1 min'::interval, 'h' || i % 3, i, i FROM generate_series(1, 24) i;

--- Catalog views of users list the table once
SELECT tablename FROM pg_tables WHERE schemaname = 's' ORDER BY 1;
SELECT relname, n_tup_ins > 0 FROM pg_stat_user_tables WHERE schemaname = 's' ORDER BY 1;
SELECT table_name, table_type, is_insertable_into FROM information_schema.tables WHERE table_schema = 's' ORDER BY 1;
SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 's' ORDER BY ordinal_position;

--- A publication FOR ALL TABLES has the table only
CREATE PUBLICATION everything FOR ALL TABLES;
SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = 'everything' ORDER BY 2;
DROP PUBLICATION everything;

--- GRANT ON ALL TABLES IN SCHEMA, and to the schema's next
GRANT SELECT ON ALL TABLES IN SCHEMA s TO alice;
SET ROLE alice;
SELECT count(*) FROM m;
