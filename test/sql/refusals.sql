-- what is refused: with an SQLSTATE, a message, a detail or a hint; and nothing is lost

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS tsdb;
LOAD 'tsdb';
RESET client_min_messages;
CREATE SCHEMA refusals;
SET search_path = refusals, public;
CREATE ROLE regress_tsdb_owner;
CREATE ROLE regress_tsdb_other;
GRANT USAGE, CREATE ON SCHEMA refusals TO regress_tsdb_owner, regress_tsdb_other;

CREATE TABLE m (ts timestamptz, host text, region text, v float8, j json, p point) USING tsdb;
INSERT INTO m SELECT '2024-01-01'::timestamptz + i * '1 s'::interval, 'h' || i % 3, 'r', i, '{}', '(1,1)'
FROM generate_series(1, 2000) i;
SELECT tsdb.compact('m');
INSERT INTO m SELECT '2024-01-02'::timestamptz + i * '1 s'::interval, 'h' || i % 3, 'r', i, '{}', '(1,1)'
FROM generate_series(1, 10) i;
CREATE TABLE heap (ts timestamptz, host text) USING heap;
CREATE TABLE parted (ts timestamptz, host text) PARTITION BY RANGE (ts);
CREATE VIEW v AS SELECT * FROM m;
CREATE INDEX m_ts ON m (ts);
CREATE SEQUENCE s;
CREATE TYPE pair AS (a int, b int);
CREATE TABLE owned (ts timestamptz, host text) USING tsdb;
ALTER TABLE owned OWNER TO regress_tsdb_owner;

CREATE FUNCTION refused(VARIADIC commands text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	command text;
	detail text;
	hint text;
BEGIN
	FOREACH command IN ARRAY commands LOOP
		RETURN NEXT command;
		BEGIN
			EXECUTE command;
			RETURN NEXT '    NOT REFUSED';
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
			RETURN NEXT format('    %s: %s', SQLSTATE, SQLERRM);
			IF detail <> '' THEN RETURN NEXT '    DETAIL: ' || detail; END IF;
			IF hint <> '' THEN RETURN NEXT '    HINT: ' || hint; END IF;
		END;
	END LOOP;
END $$;
\pset format unaligned
\pset tuples_only on

-- indexes that have no place for rows in chunks
SELECT * FROM refused(
	'CREATE INDEX ON m USING brin (ts)',
	'CREATE INDEX ON m USING brin (v float8_minmax_multi_ops)');
-- not on a partition either; on other tables brin stays what it is
CREATE TABLE part PARTITION OF parted DEFAULT USING tsdb;
SELECT * FROM refused('CREATE INDEX ON parted USING brin (ts)');
DROP TABLE part;
CREATE INDEX parted_brin ON parted USING brin (ts);
SELECT * FROM refused('CREATE TABLE part PARTITION OF parted DEFAULT USING tsdb');
DROP INDEX parted_brin;
CREATE INDEX heap_brin ON heap USING brin (ts);
SELECT * FROM refused('ALTER TABLE heap SET ACCESS METHOD tsdb');
DROP INDEX heap_brin;

-- labels
SELECT * FROM refused(
	'SECURITY LABEL FOR tsdb ON COLUMN m.host IS ''tag''',
	'SECURITY LABEL FOR tsdb ON COLUMN m.host IS ''series 0''',
	'SECURITY LABEL FOR tsdb ON COLUMN m.host IS ''series 1st''',
	'SECURITY LABEL FOR tsdb ON COLUMN m.host IS ''''',
	'SECURITY LABEL FOR tsdb ON COLUMN m.host IS ''time''',
	'SECURITY LABEL FOR tsdb ON COLUMN m.v IS ''time''',
	'SECURITY LABEL FOR tsdb ON COLUMN m.j IS ''series''',
	'SECURITY LABEL FOR tsdb ON COLUMN m.p IS ''series''',
	'SECURITY LABEL FOR tsdb ON COLUMN m.ctid IS ''series''',
	'SECURITY LABEL FOR tsdb ON COLUMN m.nothing IS ''series''',
	'SECURITY LABEL FOR tsdb ON COLUMN v.host IS ''series''',
	'SECURITY LABEL FOR tsdb ON COLUMN pair.a IS ''series''',
	'SECURITY LABEL FOR tsdb ON TABLE m IS ''series''',
	'SECURITY LABEL FOR tsdb ON VIEW v IS ''no series''',
	'SECURITY LABEL FOR tsdb ON SEQUENCE s IS ''no series''',
	'SECURITY LABEL FOR tsdb ON SCHEMA refusals IS ''series''',
	'SECURITY LABEL FOR tsdb ON ROLE regress_tsdb_owner IS ''series''',
	'SECURITY LABEL FOR tsdb ON FUNCTION refused(text[]) IS ''series''');
CREATE TABLE two (t0 timestamptz, t1 timestamptz) USING tsdb WITH (tsdb.time = 't0');
SELECT * FROM refused('SECURITY LABEL FOR tsdb ON COLUMN two.t1 IS ''time''');
DO $$ BEGIN
	EXECUTE (SELECT 'CREATE TABLE many (' || string_agg('c' || i || ' int', ', ') || ') USING tsdb' FROM generate_series(1, 33) i);
	EXECUTE (SELECT string_agg(format('SECURITY LABEL FOR tsdb ON COLUMN many.c%s IS ''series''', i), '; ') FROM generate_series(1, 32) i);
END $$;
SELECT * FROM refused('SECURITY LABEL FOR tsdb ON COLUMN many.c33 IS ''series''');

-- WITH
SELECT * FROM refused(
	'CREATE TABLE x (ts timestamptz) USING tsdb WITH (tsdb.serie = ''host'')',
	'CREATE TABLE x (ts timestamptz) USING tsdb WITH (tsdb.time)',
	'CREATE TABLE x (ts timestamptz) USING tsdb WITH (tsdb.time = ''nothing'')',
	'CREATE TABLE x (ts timestamptz, "Ts" date) USING tsdb WITH (tsdb.time = ''"TS"'')',
	'CREATE TABLE x (ts timestamptz, host text) USING tsdb WITH (tsdb.time = ''ts, host'')',
	'CREATE TABLE x (ts timestamptz, host text) USING tsdb WITH (tsdb.time = ''host'')',
	'CREATE TABLE x (ts timestamptz, host text) USING tsdb WITH (tsdb.series = ''host, nothing'')',
	'CREATE TABLE x (ts timestamptz, host text) USING tsdb WITH (tsdb.series = ''host,'')',
	'CREATE TABLE x (ts timestamptz, host text) USING tsdb WITH (tsdb.series = ''host host'')',
	'CREATE TABLE x (ts timestamptz, host text) USING tsdb WITH (tsdb.series = ''host, host'')',
	'CREATE TABLE x (ts timestamptz, host text) USING tsdb WITH (tsdb.series = ''ts'', tsdb.time = ''ts'')',
	'CREATE TABLE x (ts timestamptz, host text) USING tsdb WITH (tsdb.series = ''host'', tsdb.segmentby = ''host'')',
	'CREATE TABLE x (ts timestamptz, host text) USING tsdb WITH (tsdb.time = ts, tsdb.time = ts)',
	'CREATE TABLE x (ts timestamptz, tags json) USING tsdb WITH (tsdb.series = tags)',
	'CREATE TABLE x (ts timestamptz) USING heap WITH (tsdb.time = ''ts'')',
	'CREATE TABLE x WITH (tsdb.time = ''ts'') AS SELECT now() AS ts',
	'CREATE TABLE x USING tsdb WITH (tsdb.time = ''t'') AS SELECT now() AS ts',
	'CREATE VIEW x WITH (tsdb.time = ''ts'') AS SELECT now() AS ts',
	'CREATE INDEX x ON m (v) WITH (tsdb.time = ''ts'')',
	'ALTER TABLE m SET (tsdb.shard = 4)',
	'ALTER TABLE m SET (tsdb.time = ''nothing''), ADD COLUMN added int',
	'ALTER TABLE m RESET (tsdb.shard)',
	'ALTER TABLE heap SET (tsdb.time = ''ts'')',
	'ALTER TABLE heap RESET (tsdb.time)',
	'ALTER TABLE m SET ACCESS METHOD heap, SET (tsdb.time = ''ts'')',
	'ALTER VIEW v SET (tsdb.time = ''ts'')',
	'ALTER INDEX m_ts SET (tsdb.time = ''ts'')',
	'ALTER TABLE nothing SET (tsdb.time = ''ts'')');
SELECT to_regclass('x') IS NULL;

-- tsdb.set_key
SELECT * FROM refused(
	'SELECT tsdb.set_key(NULL)',
	'SELECT tsdb.set_key(''m'', ''nothing'')',
	'SELECT tsdb.set_key(''m'', ''ctid'')',
	'SELECT tsdb.set_key(''m'', ''v'')',
	'SELECT tsdb.set_key(''m'', ''ts'', ''{ts}'')',
	'SELECT tsdb.set_key(''m'', NULL, ''{host,host}'')',
	'SELECT tsdb.set_key(''m'', NULL, ''{host,NULL}'')',
	'SELECT tsdb.set_key(''m'', NULL, ''{j}'')',
	'SELECT tsdb.set_key(''m'', NULL, (SELECT array_agg(''c'' || i) FROM generate_series(1, 33) i)::name[])',
	'SELECT tsdb.set_key(''heap'', ''ts'')',
	'SELECT tsdb.set_key(''v'', ''ts'')',
	'SELECT tsdb.set_key(''m_ts'', ''ts'')',
	'SELECT tsdb.set_key(''pg_class'')',
	'SELECT tsdb.set_key(4294967295::oid)');
BEGIN READ ONLY;
SELECT * FROM refused('SELECT tsdb.set_key(''m'')');
ROLLBACK;

-- administration
SELECT * FROM refused(
	'SELECT tsdb.compact(''heap'')',
	'SELECT tsdb.compact(''v'')',
	'SELECT tsdb.compact(''m_ts'')',
	'SELECT tsdb.compact(''s'')',
	'SELECT tsdb.compact(''pair'')',
	'SELECT tsdb.compact(''pg_class'')',
	'SELECT tsdb.compact(4294967295::oid)',
	'SELECT tsdb.compact(''nothing'')',
	'SELECT tsdb.table_size(''heap'')',
	'SELECT tsdb.table_size(''v'')',
	'SELECT tsdb.table_size(4294967295::oid)',
	'SELECT * FROM tsdb.table_info(''heap'')',
	'SELECT * FROM tsdb.column_info(''m_ts'')',
	'SELECT * FROM tsdb.chunk_info(''pg_class'')');

-- what belongs to somebody else
SET ROLE regress_tsdb_other;
SELECT * FROM refused(
	'SELECT tsdb.compact(''m'')',
	'SELECT tsdb.compact(''owned'')',
	'SELECT tsdb.set_key(''owned'', ''ts'')',
	'ALTER TABLE owned SET (tsdb.time = ''ts'')',
	'SECURITY LABEL FOR tsdb ON COLUMN owned.ts IS ''time''',
	'SELECT tsdb.table_size(''m'')',
	'SELECT * FROM tsdb.table_info(''m'')',
	'SELECT * FROM tsdb.column_info(''m'')',
	'SELECT * FROM tsdb.chunk_info(''m'')',
	'SET tsdb.stop_point = ''x''',
	'SET tsdb.compact_always = on');
CREATE TABLE IF NOT EXISTS m (x int) USING tsdb WITH (tsdb.time = 'x');
RESET ROLE;

-- internal relations: nobody reads or changes them by hand, or makes tables like them
SELECT * FROM refused(
	'CREATE TABLE x (v int) USING tsdb_internal',
	'CREATE TEMP TABLE x (v int) USING tsdb_internal',
	'CREATE TABLE x USING tsdb_internal AS SELECT 1 AS v',
	'ALTER TABLE m SET ACCESS METHOD tsdb_internal',
	'ALTER TABLE heap SET ACCESS METHOD tsdb_internal');
-- names of directories vary: they are shown as <internal>
SELECT format('%I.%I', nspname, relname) AS directory FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
JOIN pg_am a ON a.oid = relam WHERE amname = 'tsdb_internal' AND relname LIKE 'tsdb\_directory\_%' LIMIT 1 \gset
CREATE FUNCTION refused_internal(directory text, VARIADIC commands text[]) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT regexp_replace(replace(r, directory, '<internal>'), 'tsdb_directory_[0-9_]+', '<internal>', 'g')
	FROM refused(VARIADIC ARRAY(SELECT format(c, directory) FROM unnest(commands) c)) r $$;
\set ECHO errors
SELECT set_config('refusals.directory', :'directory', false) \g /dev/null
\set ECHO all
SET ROLE regress_tsdb_other;
SELECT * FROM refused_internal(current_setting('refusals.directory'), 'SELECT * FROM %s', 'DROP TABLE %s');
RESET ROLE;
SELECT * FROM refused_internal(current_setting('refusals.directory'),
	'INSERT INTO %s SELECT * FROM %1$s',
	'UPDATE %s SET shard = 0',
	'DELETE FROM %s',
	'TRUNCATE %s',
	'COPY %s FROM PROGRAM ''true''',
	'ALTER TABLE %s ADD x int',
	'ALTER TABLE %s RENAME TO x',
	'ALTER TABLE %s SET SCHEMA refusals',
	'ALTER TABLE %s SET ACCESS METHOD heap',
	'CREATE TRIGGER x AFTER DELETE ON %s FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()',
	'CREATE INDEX ON %s (shard)',
	'CREATE RULE x AS ON DELETE TO %s DO INSTEAD NOTHING',
	'CREATE POLICY x ON %s',
	'CREATE TABLE x () INHERITS (%s)',
	'ALTER EXTENSION tsdb DROP TABLE %s',
	'DROP TABLE %s');
SELECT regexp_replace(r, 'tsdb_directory_[0-9_]+', '<internal>', 'g') FROM refused(
	format('DROP INDEX %s', (SELECT indexrelid::regclass FROM pg_index WHERE indrelid = current_setting('refusals.directory')::regclass)),
	'ALTER SCHEMA _tsdb RENAME TO x') r;
-- a temporary table by the name of a directory is none
CREATE TEMP TABLE squatted (ts timestamptz, v int) USING tsdb;
INSERT INTO squatted SELECT '2024-01-01', i FROM generate_series(1, 10) i;
SELECT format('CREATE TEMP TABLE tsdb_directory_0_%s (a text, b text) USING heap', pg_relation_filenode('squatted')) AS squat \gset
\set ECHO errors
:squat;
\set ECHO all
SELECT count(*) FROM squatted;
SELECT regexp_replace(r, 'tsdb_directory_[0-9_]+', '<internal>', 'g') FROM refused('SELECT tsdb.compact(''squatted'')') r;
SELECT count(*) FROM squatted;
DROP TABLE squatted;

-- compaction within a transaction that must not see what others have committed since it began
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT tsdb.compact('m');
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT tsdb.compact('m');
ROLLBACK;
BEGIN;
SELECT tsdb.compact('m') >= 0 AS compacted;
ROLLBACK;

-- settings
SELECT * FROM refused(
	'SET tsdb.shards = 0',
	'SET tsdb.shards = 257',
	'SET tsdb.shard = 4');

-- the extension while tables are there
SELECT split_part(r, ' objects depend', 1) FROM refused('DROP EXTENSION tsdb') r WHERE r LIKE '    2BP01%' OR r LIKE '%HINT%';

-- nothing is lost, and nothing was labelled
SELECT count(*), sum(v), chunks > 0, chunk_rows FROM m, tsdb.table_info('m') GROUP BY 3, 4;
SELECT attname, label FROM pg_seclabel JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid
WHERE objoid IN ('m'::regclass, 'heap'::regclass, 'v'::regclass, 'owned'::regclass);
SELECT count(*) FROM pg_attribute WHERE attrelid = 'm'::regclass AND attname = 'added';

SET client_min_messages = warning;
DROP SCHEMA refusals CASCADE;
DROP ROLE regress_tsdb_owner, regress_tsdb_other;
