-- series keys of every kind of sortable type, with nulls and values that are equal but not the same

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS tsdb;
LOAD 'tsdb';
RESET client_min_messages;
CREATE SCHEMA series_key;
SET search_path = series_key, public;
SET jit = off;

CREATE TYPE mood AS ENUM ('good', 'fair', 'bad');
CREATE TYPE pair AS (number int, word text);
CREATE DOMAIN label AS varchar(40);
CREATE FUNCTION noise(i int) RETURNS bigint LANGUAGE sql IMMUTABLE AS
	$$ SELECT hashint8extended(i, 42) $$;
CREATE FUNCTION words(i int) RETURNS text LANGUAGE sql IMMUTABLE AS
	$$ SELECT md5(i::text) || md5((i + 1)::text) $$;

-- Put rows with keys of a type into heap and tsdb, compact, and say how many rows there are, whether
-- all are in chunks, how many differ, and how many keys find other rows than in heap.
CREATE TABLE results (type text, total bigint, in_chunks boolean, differ bigint, keys_differ bigint, nulls bigint) USING heap;
CREATE PROCEDURE check_key(type text, VARIADIC patterns text[]) LANGUAGE plpgsql AS $$
DECLARE
	part int;
	n bigint;
	d bigint;
	e bigint;
BEGIN
	EXECUTE format('CREATE TABLE h (ts timestamptz, i int, k %s, k2 %1$s) USING heap', type);
	CREATE TABLE t (LIKE h INCLUDING ALL) USING tsdb WITH (tsdb.time = 'ts', tsdb.series = 'k2, k');
	FOR part IN 0..2 LOOP
		FOR p IN 1 .. array_length(patterns, 1) LOOP
			EXECUTE format('INSERT INTO h SELECT ''2024-01-01''::timestamptz + i %% 17 * ''1 s''::interval, i,
				CASE WHEN i %% 5 <> 0 THEN (%1$s)::%2$s END, CASE WHEN i %% 3 = 0 THEN (%1$s)::%2$s END
				FROM generate_series(%3$s, %4$s) i', patterns[p], type, part * 600, part * 600 + 599);
		END LOOP;
		INSERT INTO t SELECT * FROM h WHERE i >= part * 600;
		COMMIT;
		PERFORM tsdb.compact('t');
		COMMIT;
	END LOOP;
	CREATE INDEX ON t (k, ts);
	SELECT count(*) INTO d FROM ((SELECT t::text FROM t EXCEPT ALL SELECT h::text FROM h) UNION ALL
		(SELECT h::text FROM h EXCEPT ALL SELECT t::text FROM t)) q;
	-- every key finds its rows, by index and without
	SET LOCAL enable_seqscan = off;
	SELECT count(*) INTO e FROM (SELECT DISTINCT k FROM h WHERE k IS NOT NULL) x
	WHERE (SELECT count(*) FROM t WHERE t.k = x.k) <> (SELECT count(*) FROM h WHERE h.k = x.k);
	SET LOCAL enable_seqscan = on;
	SET LOCAL enable_indexscan = off;
	SET LOCAL enable_bitmapscan = off;
	SET LOCAL enable_indexonlyscan = off;
	SELECT e + count(*) INTO e FROM (SELECT DISTINCT k FROM h WHERE k IS NOT NULL LIMIT 20) x
	WHERE (SELECT count(*) FROM t WHERE t.k = x.k) <> (SELECT count(*) FROM h WHERE h.k = x.k);
	SELECT sum(rows) INTO n FROM tsdb.chunks WHERE "table" = 't'::regclass;
	INSERT INTO results SELECT type, (SELECT count(*) FROM t), n = (SELECT count(*) FROM t), d, e, (SELECT count(*) FROM t WHERE k IS NULL);
	DROP TABLE h, t;
END $$;
CALL check_key('int4', 'i % 40', '-i');
CALL check_key('int8', 'noise(i % 11)');
CALL check_key('float8', '(ARRAY[''NaN'', ''-0'', ''0'', ''1.5'', ''Infinity''])[i % 5 + 1]', 'i % 7 / 3.0');
CALL check_key('numeric', '(ARRAY[''1'', ''1.0'', ''1.00'', ''NaN'', ''-0.0'', ''0''])[i % 6 + 1]', 'i % 9 / 3.0');
CALL check_key('text', '''host_'' || i % 23', 'left(words(i % 6), i % 3)', 'repeat(words(i % 3), 100)');
CALL check_key('char(6)', '(ARRAY[''a'', ''a '', ''b'', '''', ''abcdef''])[i % 5 + 1]');
CALL check_key('bytea', '(ARRAY[''\x'', ''\x00'', ''\x0000'', ''\xff''])[i % 4 + 1]::bytea');
CALL check_key('uuid', 'md5((i % 13)::text)');
CALL check_key('timestamptz', '''2024-01-01''::timestamptz + i % 5 * ''1 day''::interval', '''infinity''');
CALL check_key('interval', '(ARRAY[''1 day'', ''24 hours'', ''30 days'', ''1 month'', ''0''])[i % 5 + 1]');
CALL check_key('inet', '''10.0.0.0''::inet + i % 9', '''10.0.0.0/8''');
CALL check_key('jsonb', 'jsonb_build_object(''k'', i % 8)', '''{"k": 1.0}''');
CALL check_key('int4[]', 'ARRAY[i % 4, NULL]', '''{}''');
CALL check_key('mood', '(enum_range(NULL::mood))[i % 3 + 1]');
CALL check_key('pair', 'ROW(i % 3, ''x'')', 'ROW(NULL, NULL)');
CALL check_key('label', '''host_'' || i % 23');
CALL check_key('int4range', 'int4range(i % 6, i % 6 + 2)', '''empty''');
CALL check_key('bool', 'i % 2 = 0');
CALL check_key('name', '''n'' || i % 9');
CALL check_key('oid', 'i % 9');
CALL check_key('pg_lsn', '''0/0''::pg_lsn + i % 9');
TABLE results;

SET client_min_messages = warning;
DROP SCHEMA series_key CASCADE;
