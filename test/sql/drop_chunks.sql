-- drop_chunks(): what DELETE with the same condition does, whatever is compacted

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS tsdb;
RESET client_min_messages;
SET TIME ZONE 'UTC';

-- m is ours, h is heap, always with the same rows
CREATE TABLE m (ts timestamptz, device int, v float8, note text) USING tsdb;
CREATE TABLE h (LIKE m) USING heap;
CREATE INDEX ON m (ts);
CREATE INDEX ON m (device, ts);

CREATE FUNCTION load(first int, last int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO m SELECT '2024-01-01'::timestamptz + i * '1 min'::interval, i % 3, i, 'n' || i FROM generate_series(first, last) i;
	INSERT INTO h SELECT '2024-01-01'::timestamptz + i * '1 min'::interval, i % 3, i, 'n' || i FROM generate_series(first, last) i;
END $$;
-- drop rows of m and delete those of h: equal numbers, equal rest, nothing damaged?
CREATE FUNCTION compare(arguments text, condition text)
RETURNS TABLE (whole_chunks boolean, "rows" bigint, same_count boolean, differences bigint, faults bigint) LANGUAGE plpgsql AS $$
DECLARE
	deleted bigint;
BEGIN
	EXECUTE format('SELECT chunks > 0, rows FROM drop_chunks(''m'', %s)', arguments) INTO whole_chunks, "rows";
	EXECUTE format('DELETE FROM h WHERE %s', condition);
	GET DIAGNOSTICS deleted = ROW_COUNT;
	same_count = "rows" = deleted;
	SELECT count(*) INTO differences FROM
		((SELECT * FROM m EXCEPT ALL SELECT * FROM h) UNION ALL (SELECT * FROM h EXCEPT ALL SELECT * FROM m)) d;
	SELECT count(*) INTO faults FROM tsdb.verify('m');
	RETURN NEXT;
END $$;

SELECT load(1, 20000);
SELECT tsdb.compact('m');
SELECT load(5000, 6000), load(19000, 21000);
-- boundaries of every type
SELECT * FROM compare('''2024-01-01 12:34:56+00''', 'ts < ''2024-01-01 12:34:56+00''');
SELECT * FROM compare('older_than => ''2024-01-03 00:00+00''::timestamptz', 'ts < ''2024-01-03 00:00+00''');
SELECT * FROM compare('timestamp ''2024-01-03 12:00''', 'ts < timestamp ''2024-01-03 12:00''');
SELECT * FROM compare('date ''2024-01-04''', 'ts < date ''2024-01-04''');
SELECT * FROM compare('now() - timestamptz ''2024-01-05 03:00+00''', 'ts < now() - (now() - timestamptz ''2024-01-05 03:00+00'')');
SELECT * FROM compare('newer_than => date ''2024-01-14''', 'ts >= date ''2024-01-14''');
SELECT * FROM compare('''2024-01-08 06:00+00'', newer_than => ''2024-01-07 06:00+00''', 'ts < ''2024-01-08 06:00+00'' AND ts >= ''2024-01-07 06:00+00''');
SELECT * FROM compare('newer_than => NULL, older_than => ''2024-01-05 06:00+00''', 'ts < ''2024-01-05 06:00+00''');
SELECT * FROM compare('''2024-01-05 06:00+00''', 'ts < ''2024-01-05 06:00+00''');
SELECT * FROM compare('older_than => interval ''1 minute''', 'ts < now() - interval ''1 minute''');
SELECT count(*) FROM m;

-- marks: deleted, updated and locked rows; rows that an update moved in and out of the range
SELECT load(1, 9000);
SELECT tsdb.compact('m');
DELETE FROM m WHERE v::int % 7 = 0; DELETE FROM h WHERE v::int % 7 = 0;
UPDATE m SET note = 'changed' WHERE v::int % 11 = 0; UPDATE h SET note = 'changed' WHERE v::int % 11 = 0;
UPDATE m SET ts = ts + interval '20 days' WHERE v::int % 13 = 0; UPDATE h SET ts = ts + interval '20 days' WHERE v::int % 13 = 0;
UPDATE m SET ts = ts - interval '20 days' WHERE v::int % 17 = 0; UPDATE h SET ts = ts - interval '20 days' WHERE v::int % 17 = 0;
SELECT count(*) FROM (SELECT FROM m WHERE v < 3000 FOR UPDATE) s;
SELECT * FROM compare('''2024-01-03 12:00''', 'ts < ''2024-01-03 12:00''');
BEGIN;
SELECT count(*) FROM (SELECT FROM m WHERE v < 7000 FOR UPDATE) s;
SELECT * FROM compare('''2024-01-05 12:00''', 'ts < ''2024-01-05 12:00''');
COMMIT;
SELECT tsdb.compact('m') > 0 AS compacted;
SELECT * FROM compare('''2024-01-06''', 'ts < ''2024-01-06''');
-- in the transaction that wrote the rows, in that which deleted some, after a rollback to before
SELECT load(1, 3000);
BEGIN;
SELECT tsdb.compact('m') > 0 AS compacted;
DELETE FROM m WHERE v::int % 2 = 0; DELETE FROM h WHERE v::int % 2 = 0;
SELECT * FROM compare('''2024-01-02''', 'ts < ''2024-01-02''');
SAVEPOINT a;
SELECT * FROM compare('''2024-01-06''', 'ts < ''2024-01-06''');
SELECT count(*) FROM m;
ROLLBACK TO a;
SELECT * FROM compare('''2024-01-03''', 'ts < ''2024-01-03''');
COMMIT;
-- a cursor opened before goes on
SELECT load(10000, 14000);
SELECT tsdb.compact('m') > 0 AS compacted;
BEGIN;
DECLARE before CURSOR FOR SELECT count(*) OVER (), v FROM m ORDER BY v;
FETCH 1 FROM before;
DECLARE slow NO SCROLL CURSOR FOR SELECT v FROM m;
MOVE 10 FROM slow;
SELECT * FROM compare('''2024-01-10 06:00''', 'ts < ''2024-01-10 06:00''');
FETCH 1 FROM before;
DO $$
DECLARE
	slow refcursor = 'slow';
	n int = 0;
	r record;
BEGIN
	LOOP
		FETCH slow INTO r;
		EXIT WHEN NOT FOUND;
		n := n + 1;
	END LOOP;
	RAISE INFO '% more rows', n;
END $$;
COMMIT;
BEGIN;
SELECT rows > 0 AS dropped FROM drop_chunks('m', interval '0 s');
SELECT count(*) FROM m;
ROLLBACK;
SELECT * FROM compare('''2024-01-01''', 'ts < ''2024-01-01''');
SELECT count(*) > 0 AS there FROM m;
VACUUM m;
SELECT * FROM tsdb.verify('m');
-- rows may come again; new chunks use the numbers of old ones
SELECT load(1, 5000);
SELECT tsdb.compact('m') > 0 AS compacted;
SET enable_seqscan = off;
SELECT count(*), min(v), max(v) FROM m WHERE ts < '2024-01-03';
RESET enable_seqscan;
SELECT * FROM compare('''infinity''', 'ts < ''infinity''');
SELECT count(*) FROM m;

-- null and infinite times
INSERT INTO m SELECT CASE WHEN i % 50 = 0 THEN NULL WHEN i % 50 = 1 THEN 'infinity' WHEN i % 50 = 2 THEN '-infinity'
	ELSE '2024-01-01'::timestamptz + i * '1 min'::interval END, i % 3, i FROM generate_series(1, 6000) i;
INSERT INTO m SELECT NULL, 4, i FROM generate_series(1, 1100) i;
INSERT INTO h SELECT * FROM m;
SELECT tsdb.compact('m');
SELECT * FROM compare('''-infinity''', 'ts < ''-infinity''');
SELECT * FROM compare('''2024-01-03''', 'ts < ''2024-01-03''');
SELECT * FROM compare('newer_than => ''infinity''', 'ts >= ''infinity''');
SELECT * FROM compare('''infinity''', 'ts < ''infinity''');
SELECT count(*), count(ts) FROM m;
TRUNCATE m, h;

-- whatever happens in between
CREATE FUNCTION random_changes(rounds int) RETURNS TABLE (differences bigint, faults bigint, dropped boolean) LANGUAGE plpgsql AS $$
DECLARE
	low timestamptz;
	high timestamptz;
	result record;
	change text;
	first int;
	total bigint = 0;
BEGIN
	differences := 0;
	faults := 0;
	FOR round IN 1 .. rounds LOOP
		low = '2024-01-01'::timestamptz + random() * '10 days'::interval;
		high = low + random() * '2 days'::interval;
		CASE (random() * 6)::int
			WHEN 0, 1 THEN
				first := random() * 12000;
				PERFORM load(first, first + 2400);
			WHEN 2 THEN
				PERFORM tsdb.compact('m');
			WHEN 3, 4 THEN
				change = (ARRAY['DELETE FROM %I WHERE ts BETWEEN $1 AND $2 AND device = 1', 'UPDATE %I SET v = -v WHERE ts BETWEEN $1 AND $2',
					'UPDATE %I SET ts = ts + interval ''3 days'' WHERE ts BETWEEN $1 AND $2 AND device = 2'])[1 + (random() * 2)::int];
				EXECUTE format(change, 'm') USING low, high;
				EXECUTE format(change, 'h') USING low, high;
			ELSE
				SELECT * INTO result FROM compare(format('older_than => %L, newer_than => %L', high, low), format('ts < %L AND ts >= %L', high, low));
				total = total + result.rows;
				differences = differences + result.differences + (NOT result.same_count)::int;
				faults = faults + result.faults;
		END CASE;
	END LOOP;
	dropped = total > 1000;
	RETURN NEXT;
END $$;
SELECT setseed(0.5);
SELECT * FROM random_changes(40);
DROP FUNCTION random_changes;
TRUNCATE m, h;

-- other types of time columns: what fits, what does not
CREATE FUNCTION try(call text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	result record;
	detail text;
	hint text;
BEGIN
	EXECUTE 'SELECT rows FROM ' || call INTO result;
	RAISE INFO '%: % rows', call, result.rows;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RAISE INFO '%: % %', call, SQLSTATE, concat_ws(' | ', SQLERRM, NULLIF(detail, ''), NULLIF(hint, ''));
END $$;
CREATE TABLE by_date (d date, v int) USING tsdb;
INSERT INTO by_date SELECT '2024-01-01'::date + i / 100, i FROM generate_series(0, 1999) i;
SELECT tsdb.compact('by_date');
SELECT try('drop_chunks(''by_date'', ''2024-01-02'')'), try('drop_chunks(''by_date'', date ''2024-01-03'')'),
	try('drop_chunks(''by_date'', timestamp ''2024-01-04 12:00'')'), try('drop_chunks(''by_date'', timestamptz ''2024-01-05 00:00'')'),
	try('drop_chunks(''by_date'', newer_than => timestamp ''2024-01-18 12:00'')'), try('drop_chunks(''by_date'', ''infinity''::timestamp, date ''2024-01-17'')'),
	try('drop_chunks(''by_date'', newer_than => ''infinity''::timestamp)'), try('drop_chunks(''by_date'', interval ''1 day'')'),
	try('drop_chunks(''by_date'', 5)');
CREATE TABLE by_timestamp (at timestamp, v int) USING tsdb;
INSERT INTO by_timestamp SELECT '2024-01-01'::timestamp + i * '1 min'::interval, i FROM generate_series(0, 2999) i;
INSERT INTO by_timestamp SELECT localtimestamp - interval '1 day' + i * interval '1 hour', i FROM generate_series(1, 48) i;
SELECT tsdb.compact('by_timestamp');
SET TIME ZONE 'America/New_York';
SELECT try('drop_chunks(''by_timestamp'', ''2024-01-01 01:00'')'), try('drop_chunks(''by_timestamp'', timestamptz ''2024-01-01 07:00+00'')'),
	try('drop_chunks(''by_timestamp'', date ''2024-01-02'')'), try('drop_chunks(''by_timestamp'', interval ''2 days'')'),
	try('drop_chunks(''by_timestamp'', 7.5)');
SELECT count(*) FROM by_timestamp;
SET TIME ZONE 'UTC';
CREATE TABLE by_number (ts bigint, v int) USING tsdb;
INSERT INTO by_number SELECT i * 1000, i FROM generate_series(-1500, 1499) i;
SELECT tsdb.compact('by_number');
SELECT try('drop_chunks(''by_number'', -1400000)'), try('drop_chunks(''by_number'', (-1300000)::bigint)'), try('drop_chunks(''by_number'', ''-1200000'')'),
	try('drop_chunks(''by_number'', 100::smallint)'), try('drop_chunks(''by_number'', newer_than => 1499000)'), try('drop_chunks(''by_number'', interval ''1 day'')'),
	try('drop_chunks(''by_number'', now())'), try('drop_chunks(''by_number'', 1e3)');
SELECT count(*), min(ts), max(ts) FROM by_number;
SELECT try('drop_chunks(''by_number'')'), try('drop_chunks(''by_number'', NULL, NULL)'), try('drop_chunks(''by_number'', 5, 5)'),
	try('drop_chunks(NULL, 5)'), try('drop_chunks(''h'', now())'), try('drop_chunks(''pg_tables'', now())'), try('drop_chunks(4294967295, now())');
CREATE TABLE timeless (v int) USING tsdb;
CREATE MATERIALIZED VIEW seen USING tsdb AS SELECT * FROM by_number;
SELECT try('drop_chunks(''timeless'', now())'), try('drop_chunks(''seen'', 1)');
DROP MATERIALIZED VIEW seen;
DROP TABLE by_date, by_timestamp, by_number, timeless;

-- another time column than the chunks were written with; a column added since
CREATE TABLE two_times (made timestamptz, seen timestamptz) USING tsdb;
INSERT INTO two_times SELECT '2024-01-01'::timestamptz + i * '1 min'::interval, '2024-03-01'::timestamptz - i * '1 min'::interval FROM generate_series(1, 4000) i;
SELECT tsdb.compact('two_times');
SELECT tsdb.set_key('two_times', 'seen');
SELECT chunks > 0 AS whole, rows FROM drop_chunks('two_times', '2024-02-28');
SELECT min(made), max(made), min(seen), max(seen) FROM two_times;
ALTER TABLE two_times ADD added timestamptz DEFAULT '2024-06-01';
INSERT INTO two_times SELECT made, seen, '2024-07-01' FROM two_times ORDER BY seen LIMIT 50;
SELECT tsdb.set_key('two_times', 'added');
SELECT rows FROM drop_chunks('two_times', '2024-06-15');
SELECT count(*) FROM two_times;
DROP TABLE two_times;

-- partitions, of both kinds
CREATE TABLE parts (ts timestamptz, v int) PARTITION BY RANGE (ts);
SELECT try('drop_chunks(''parts'', now())');
CREATE TABLE part_1 PARTITION OF parts FOR VALUES FROM ('2024-01-01') TO ('2024-01-03') USING tsdb;
CREATE TABLE part_2 PARTITION OF parts FOR VALUES FROM ('2024-01-03') TO ('2024-01-05') USING heap;
CREATE TABLE part_3 PARTITION OF parts FOR VALUES FROM ('2024-01-05') TO ('2024-01-07') PARTITION BY RANGE (ts);
CREATE TABLE part_4 PARTITION OF part_3 DEFAULT USING tsdb;
INSERT INTO parts SELECT '2024-01-01'::timestamptz + i * '1 min'::interval, i FROM generate_series(0, 8639) i;
SELECT tsdb.compact('parts');
SELECT chunks > 0 AS whole, rows FROM drop_chunks('parts', '2024-01-02 12:00');
SELECT chunks > 0 AS whole, rows FROM drop_chunks('parts', '2024-01-04 12:00');
SELECT chunks > 0 AS whole, rows FROM drop_chunks('part_3', '2024-01-05 12:00');
SELECT tableoid::regclass, count(*), min(ts), max(ts) FROM parts GROUP BY 1 ORDER BY 1;
SELECT chunks > 0 AS whole, rows FROM drop_chunks('parts', '2024-01-07');
DROP TABLE parts;
CREATE TABLE parent (ts timestamptz) USING tsdb;
CREATE TABLE child (v int) INHERITS (parent) USING tsdb;
INSERT INTO parent SELECT '2024-01-01'::timestamptz + i * '1 min'::interval FROM generate_series(1, 100) i;
INSERT INTO child SELECT ts, 1 FROM parent;
SELECT rows FROM drop_chunks('parent', '2024-01-01 00:50');
SELECT tableoid::regclass, count(*) FROM parent GROUP BY 1 ORDER BY 1;
SELECT tsdb.set_key('child', '');
SELECT try('drop_chunks(''parent'', now())');
DROP TABLE parent CASCADE;

-- what wants to hear of each row: triggers, rules, foreign keys
SELECT load(1, 4000);
SELECT tsdb.compact('m') > 0 AS compacted;
CREATE TABLE log (what text, n bigint);
CREATE FUNCTION log_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_LEVEL = 'STATEMENT' THEN
		INSERT INTO log SELECT TG_NAME, count(*) FROM gone;
		RETURN NULL;
	END IF;
	RETURN CASE WHEN OLD.device = 0 THEN NULL ELSE OLD END;
END $$;
CREATE TRIGGER keep_device_0 BEFORE DELETE ON m FOR EACH ROW EXECUTE FUNCTION log_rows();
SELECT chunks, rows FROM drop_chunks('m', '2024-01-02');
DROP TRIGGER keep_device_0 ON m;
CREATE TRIGGER log_statement AFTER DELETE ON m REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION log_rows();
SELECT chunks, rows FROM drop_chunks('m', '2024-01-02 01:00');
SELECT * FROM log;
DROP TRIGGER log_statement ON m;
CREATE RULE say AS ON DELETE TO m DO ALSO INSERT INTO log VALUES ('rule', OLD.v);
SELECT chunks, rows FROM drop_chunks('m', '2024-01-02 01:02');
SELECT * FROM log WHERE what = 'rule' ORDER BY n;
DROP RULE say ON m;
TRUNCATE m, h, log;
CREATE TABLE referred (ts timestamptz PRIMARY KEY, v int) USING tsdb;
INSERT INTO referred SELECT '2024-01-01'::timestamptz + i * '1 min'::interval, i FROM generate_series(1, 2000) i;
SELECT tsdb.compact('referred');
CREATE TABLE refers (ts timestamptz REFERENCES referred);
INSERT INTO refers VALUES ('2024-01-01 20:00');
SELECT try('drop_chunks(''referred'', ''2024-01-01 12:00'')'), try('drop_chunks(''referred'', ''2024-01-02'')');
SELECT count(*) FROM referred;
DROP TABLE refers, referred;

-- a table that refers to others is like any; so are unique keys, of both kinds
CREATE TABLE devices (id int PRIMARY KEY);
INSERT INTO devices SELECT generate_series(0, 2);
CREATE TABLE keyed (ts timestamptz, device int REFERENCES devices, v int, PRIMARY KEY (device, ts)) USING tsdb;
CREATE UNIQUE INDEX keyed_again ON keyed USING tsdb_key (device, ts);
INSERT INTO keyed SELECT '2024-01-01'::timestamptz + i * '1 min'::interval, i % 3, i FROM generate_series(1, 6000) i;
SELECT tsdb.compact('keyed');
INSERT INTO keyed SELECT ts, device, -1 FROM keyed ON CONFLICT (device, ts) DO NOTHING;
SELECT chunks > 0 AS whole, rows FROM drop_chunks('keyed', '2024-01-04');
INSERT INTO keyed SELECT '2024-01-01'::timestamptz + i * '1 min'::interval, i % 3, -i FROM generate_series(1, 6000) i ON CONFLICT (device, ts) DO NOTHING;
SELECT count(*), count(*) FILTER (WHERE v < 0) AS again FROM keyed;
SELECT tsdb.compact('keyed') > 0 AS compacted;
ALTER TABLE keyed DROP CONSTRAINT keyed_pkey;
SELECT chunks > 0 AS whole, rows FROM drop_chunks('keyed', '2024-01-04');
INSERT INTO keyed SELECT '2024-01-01'::timestamptz + i * '1 min'::interval, i % 3, -i FROM generate_series(1, 6000) i ON CONFLICT (device, ts) DO NOTHING;
SELECT count(*), count(*) FILTER (WHERE v < 0) AS again FROM keyed;
INSERT INTO keyed VALUES ('2024-01-01 00:01', 1, 0);
SELECT * FROM tsdb.verify('keyed');
DROP TABLE keyed, devices;

-- REPEATABLE READ and SERIALIZABLE: what the snapshot sees
SELECT load(1, 4000);
SELECT tsdb.compact('m') > 0 AS compacted;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM compare('''2024-01-02''', 'ts < ''2024-01-02''');
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT * FROM compare('''2024-01-03''', 'ts < ''2024-01-03''');
COMMIT;
BEGIN READ ONLY;
SELECT drop_chunks('m', '2024-01-03');
ROLLBACK;

-- privileges are those of DELETE with a condition
CREATE ROLE drop_chunks_user;
GRANT SELECT ON m TO drop_chunks_user;
SET ROLE drop_chunks_user;
SELECT try('drop_chunks(''m'', ''2024-01-03 01:00'')');
RESET ROLE;
GRANT DELETE ON m TO drop_chunks_user;
REVOKE SELECT ON m FROM drop_chunks_user;
SET ROLE drop_chunks_user;
SELECT try('drop_chunks(''m'', ''2024-01-03 01:00'')');
RESET ROLE;
GRANT SELECT (ts) ON m TO drop_chunks_user;
SET ROLE drop_chunks_user;
SELECT try('drop_chunks(''m'', ''2024-01-03 01:00'')');
RESET ROLE;
ALTER TABLE m ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON m TO drop_chunks_user USING (device = 1);
GRANT SELECT ON m TO drop_chunks_user;
SET ROLE drop_chunks_user;
SELECT try('drop_chunks(''m'', ''2024-01-03 02:00'')');
SET row_security = off;
SELECT try('drop_chunks(''m'', ''2024-01-03 03:00'')');
RESET ROLE;
RESET row_security;
SELECT device, count(*) FROM m WHERE ts < '2024-01-03 02:00' GROUP BY 1 ORDER BY 1;
SELECT try('drop_chunks(''m'', ''2024-01-03 03:00'')');
DROP POLICY own ON m;
ALTER TABLE m DISABLE ROW LEVEL SECURITY;
REVOKE ALL ON m FROM drop_chunks_user;
DROP ROLE drop_chunks_user;

-- temporary and unlogged tables, an empty one, one in another schema
CREATE TEMP TABLE fleeting (ts timestamptz) USING tsdb;
SELECT try('drop_chunks(''fleeting'', now())');
INSERT INTO fleeting SELECT '2024-01-01'::timestamptz + i * '1 min'::interval FROM generate_series(1, 3000) i;
SELECT tsdb.compact('fleeting');
SELECT chunks > 0 AS whole, rows FROM drop_chunks('fleeting', '2024-01-02');
CREATE SCHEMA "Other One";
CREATE UNLOGGED TABLE "Other One"."Un logged" ("Time" timestamptz) USING tsdb;
INSERT INTO "Other One"."Un logged" SELECT '2024-01-01'::timestamptz + i * '1 min'::interval FROM generate_series(1, 3000) i;
SELECT tsdb.compact('"Other One"."Un logged"');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT chunks > 0 AS whole, rows FROM drop_chunks('"Other One"."Un logged"', '2024-01-02');
ROLLBACK;
SELECT chunks > 0 AS whole, rows FROM drop_chunks('"Other One"."Un logged"', '2024-01-02');
DROP SCHEMA "Other One" CASCADE;

-- counted as deletes
SELECT load(1, 3000);
SELECT tsdb.compact('m') > 0 AS compacted;
BEGIN;
SELECT n_tup_del AS before FROM pg_stat_xact_user_tables WHERE relid = 'm'::regclass \gset
SELECT rows AS n FROM drop_chunks('m', '2024-01-02') \gset
SELECT n_tup_del - :before = :n AS counted FROM pg_stat_xact_user_tables WHERE relid = 'm'::regclass;
COMMIT;

DROP TABLE m, h, log;
DROP FUNCTION load, compare, try, log_rows;
