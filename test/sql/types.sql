-- every data type in and out of chunks: values and bits as heap keeps them

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS tsdb;
LOAD 'tsdb';
RESET client_min_messages;
CREATE SCHEMA types;
SET search_path = types, public;
SET TIME ZONE 'UTC';

CREATE TYPE mood AS ENUM ('good', 'fair', 'bad');
CREATE TYPE pair AS (number int, word text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN label AS varchar(40);
CREATE DOMAIN pairs AS pair[];

-- A number that looks random, the same in every run.
CREATE FUNCTION noise(i int) RETURNS bigint LANGUAGE sql IMMUTABLE AS
	$$ SELECT hashint8extended(i, 42) $$;
CREATE FUNCTION words(i int) RETURNS text LANGUAGE sql IMMUTABLE AS
	$$ SELECT md5(i::text) || md5((i + 1)::text) $$;

-- Put values of a type, given by expressions over i, into heap and into tsdb; compact;
-- add rows, compact again, so that chunks are merged; leave some in the row store. Say how
-- many rows are there, whether some are in chunks, and how many differ by text or by bits.
CREATE TABLE results (type text, total bigint, in_chunks boolean, missing bigint, extra bigint, nulls bigint) USING heap;
CREATE PROCEDURE check_type(type text, rows int, VARIADIC patterns text[])
LANGUAGE plpgsql AS $$
DECLARE
	send text;
	part int;
BEGIN
	SELECT typsend::text INTO send FROM pg_type WHERE oid =
		(SELECT coalesce(nullif(t.typbasetype, 0), t.oid) FROM pg_type t WHERE t.oid = type::regtype);
	EXECUTE format('CREATE TABLE h (pattern int, i int, v %s) USING heap', type);
	EXECUTE format('CREATE TABLE t (pattern int, i int, v %s) USING tsdb', type);
	FOR part IN 0..2 LOOP
		FOR n IN 1 .. array_length(patterns, 1) LOOP
			EXECUTE format('INSERT INTO h SELECT %s, i, CASE WHEN %s = 0 OR i %% 7 <> 0 THEN (%s)::%s END
				FROM generate_series(%s, %s) i', n, n % 2, patterns[n], type, part * rows / 2, (part + 1) * rows / 2 - 1);
		END LOOP;
		EXECUTE format('INSERT INTO t SELECT * FROM h WHERE i >= %s', part * rows / 2);
		COMMIT;
		IF part < 2 THEN
			PERFORM tsdb.compact('t');
			COMMIT;
		END IF;
	END LOOP;
	EXECUTE format($q$
		INSERT INTO results SELECT %L, (SELECT count(*) FROM t),
			(SELECT chunk_rows > 0 FROM tsdb.table_info('t')),
			(SELECT count(*) FROM (SELECT pattern, i, v::text, %s(v) FROM h EXCEPT ALL
				SELECT pattern, i, v::text, %2$s(v) FROM t) d),
			(SELECT count(*) FROM (SELECT pattern, i, v::text, %2$s(v) FROM t EXCEPT ALL
				SELECT pattern, i, v::text, %2$s(v) FROM h) d),
			(SELECT count(*) FROM t WHERE v IS NULL)$q$, type, send);
	DROP TABLE h, t;
END $$;

-- numbers: constant, step, counter, noise, extremes, few values
CALL check_type('int2', 2000, '5', 'i % 30000', 'noise(i) % 32768', '(ARRAY[-32768, 32767, 0])[i % 3 + 1]');
CALL check_type('int4', 2000, '-5', 'i * 1000', 'noise(i) % 2147483648',
	'(ARRAY[-2147483648, 2147483647, 0, 1])[i % 4 + 1]', 'i * i', '1000000 - i + noise(i) % 3');
CALL check_type('int8', 2000, '1', 'i * 1000000000000', 'noise(i)',
	'(ARRAY[-9223372036854775808, 9223372036854775807, 0, -1])[i % 4 + 1]', 'i * i * i::bigint');
CALL check_type('float4', 2000, '0.5', 'i / 10.0', 'sin(i)', 'noise(i)::float4',
	'(ARRAY[''NaN'', ''Infinity'', ''-Infinity'', ''-0'', ''0'', ''1e-45'', ''3.4e38''])[i % 7 + 1]::float4');
CALL check_type('float8', 2000, '0.1', '20 + i % 100 / 100.0', 'sin(i)', 'noise(i) / 3e5',
	'(ARRAY[''NaN'', ''Infinity'', ''-Infinity'', ''-0'', ''0'', ''5e-324'', ''1.7e308'', ''0.30000000000000004''])[i % 8 + 1]::float8',
	'i', '1e300 / (i + 1)', 'round((noise(i) % 100000) / 1000.0, 3)');
CALL check_type('numeric', 2000, '1.10', 'i / 100.0', 'noise(i) / 1e6::numeric',
	'(ARRAY[''NaN'', ''Infinity'', ''-Infinity'', ''0.00'', ''1e-200'', ''1e5000''])[i % 6 + 1]::numeric');
CALL check_type('numeric(12,2)', 2000, 'i / 100.0', 'noise(i) % 1000000');
CALL check_type('money', 2000, 'i::money', '(noise(i) % 100000)::int::money');
CALL check_type('bool', 2000, 'true', 'i % 2 = 0', 'noise(i) > 0', 'i < 700');
CALL check_type('oid', 2000, 'i', '(noise(i) & 4294967295)::oid', '4294967295 - i');
CALL check_type('xid8', 1200, 'i::text::xid8', '''18446744073709551615''');
CALL check_type('pg_lsn', 1200, '''0/0''::pg_lsn + i', '''FFFFFFFF/FFFFFFFF''');
CALL check_type('"char"', 1200, '''x''', 'chr(33 + i % 90)::"char"', '''''');

-- times
CALL check_type('timestamptz', 2000, '''2024-01-01''::timestamptz + i * ''10 s''::interval',
	'''2024-01-01''::timestamptz + noise(i) % 100000000 * ''1 us''::interval',
	'(ARRAY[''infinity'', ''-infinity'', ''4714-11-24 00:00 BC'', ''294276-12-31 23:59:59.999999'', ''epoch''])[i % 5 + 1]::timestamptz');
CALL check_type('timestamp', 2000, '''2024-01-01''::timestamp - i * ''1 min''::interval', '''infinity''');
CALL check_type('date', 2000, '''2024-01-01''::date + i', '(ARRAY[''infinity'', ''-infinity'', ''4714-11-24 BC'', ''5874897-12-31''])[i % 4 + 1]::date');
CALL check_type('time', 2000, '''00:00''::time + i * ''7 s''::interval', '(ARRAY[''00:00'', ''24:00'', ''23:59:59.999999''])[i % 3 + 1]::time');
CALL check_type('timetz', 2000, '''12:00+02''::timetz + i * ''7 s''::interval', '(ARRAY[''00:00-15:59'', ''24:00+15:59''])[i % 2 + 1]::timetz');
CALL check_type('interval', 2000, 'i * ''1 s''::interval', '''1 month 1 day 1 us''', 'make_interval(years => i, days => -i, secs => i / 7.0)', '''178000000 years''');

-- text and bytes: short, long, repeated, empty, compressible, not, out of line
CALL check_type('text', 2000, '''host_'' || i % 20', 'words(i)', '''''', 'repeat(''x'', i)', 'chr(200 + i % 3000)', 'NULL');
CALL check_type('text', 60, 'repeat(words(i % 5), 200)', 'repeat(''long '', 5000)',
	'(SELECT string_agg(md5((i * 1000 + j)::text), '''') FROM generate_series(1, 500) j)');
CALL check_type('text', 6, 'repeat(''a'', 1000000 + i)', '(SELECT string_agg(words(i * 10000 + j), '''') FROM generate_series(1, 4000) j)');
CALL check_type('varchar(30)', 2000, 'left(words(i), i % 31)', '''x  ''');
CALL check_type('char(10)', 2000, 'left(words(i), i % 11)', '''x  ''');
CALL check_type('name', 2000, '''column_'' || i', 'words(i)::name');
CALL check_type('bytea', 2000, 'decode(words(i), ''hex'')', '''''', '''\x00''', 'decode(left(words(i), i % 32 * 2), ''hex'')');
CALL check_type('bytea', 30, 'decode((SELECT string_agg(words(i * 1000 + j), '''') FROM generate_series(1, 400) j), ''hex'')');
CALL check_type('uuid', 2000, 'md5(i::text)::uuid', '''00000000-0000-0000-0000-000000000000''', 'md5((i % 9)::text)::uuid');
CALL check_type('bit(17)', 1200, 'noise(i)::bit(17)', 'B''10101010101010101''');
CALL check_type('varbit', 1200, 'left(noise(i)::bit(64)::text, i % 65)::varbit', 'B''''');
CALL check_type('inet', 1200, '''10.0.0.0''::inet + i', '''2001:db8::''::inet + i', '''10.1.2.3/17''');
CALL check_type('cidr', 1200, '(''10.'' || i % 256 || ''.0.0/16'')::cidr', '''::/0''');
CALL check_type('macaddr', 1200, 'left(md5(i::text), 12)::macaddr', '''00:00:00:00:00:00''');
CALL check_type('macaddr8', 1200, 'left(md5(i::text), 16)::macaddr8');

-- documents, arrays, ranges, geometry, search
CALL check_type('json', 1200, '''{"a": 1,  "a": 2}''', 'json_build_object(''i'', i, ''w'', words(i))');
CALL check_type('jsonb', 1200, 'jsonb_build_object(''host'', i % 9, ''v'', i / 7.0)', '''null''', 'to_jsonb(words(i))',
	'(SELECT jsonb_object_agg(words(j), j) FROM generate_series(1, i % 40) j)');
CALL check_type('int4[]', 1200, 'ARRAY[i, NULL, -i]', '''{}''', '''[0:1][-3:-2]={{1,2},{3,4}}''', '(SELECT array_agg(j) FROM generate_series(1, i % 50) j)');
CALL check_type('text[]', 1200, 'ARRAY[words(i), NULL, '''']', 'ARRAY[[''a'', ''b''], [''c'', ''d'']]');
CALL check_type('float8[]', 1200, 'ARRAY[i, ''NaN''::float8, ''-0'']');
CALL check_type('int4range', 1200, 'int4range(i, i + 10)', '''empty''', '''(,)''', 'int4range(NULL, i, ''[]'')');
CALL check_type('tstzrange', 1200, 'tstzrange(''2024-01-01''::timestamptz + i * ''1 s''::interval, ''infinity'')');
CALL check_type('nummultirange', 1200, 'nummultirange(numrange(i, i + 1), numrange(i + 5, NULL))', '''{}''');
CALL check_type('point', 1200, 'point(i, -i)', 'point(''NaN'', ''-0'')');
CALL check_type('line', 1200, 'line(point(0, i), point(1, i * 2 + 1))');
CALL check_type('lseg', 1200, 'lseg(point(0, i), point(1, i))');
CALL check_type('box', 1200, 'box(point(0, i), point(1, i))');
CALL check_type('path', 1200, '(''[(0,0),('' || i || '',1)]'')::path', '''((0,0),(1,1),(2,0))''');
CALL check_type('polygon', 1200, 'polygon(i % 20 + 3, circle(point(i, i), 5))');
CALL check_type('circle', 1200, 'circle(point(i, i), i)');
CALL check_type('tsvector', 1200, 'to_tsvector(''simple'', words(i) || '' '' || i)', '''''');
CALL check_type('tsquery', 1200, 'to_tsquery(''simple'', ''a'' || i || '' & !b'')');
CALL check_type('tid', 1200, '(''('' || i || '','' || i % 100 || '')'')::tid');
CALL check_type('regclass', 1200, '''pg_class''', '(i + 100000000)::oid::regclass');
CALL check_type('txid_snapshot', 300, '(i + 1 || '':'' || i + 20 || '':'' || i + 5)::txid_snapshot');
CALL check_type('pg_snapshot', 300, '(i + 1 || '':'' || i + 20 || '':'' || i + 5)::pg_snapshot');

-- types of users
CALL check_type('mood', 1200, '(enum_range(NULL::mood))[i % 3 + 1]', '''bad''');
CALL check_type('mood[]', 1200, 'ARRAY[(enum_range(NULL::mood))[i % 3 + 1], NULL]');
CALL check_type('pair', 1200, 'ROW(i, words(i))::pair', 'ROW(NULL, NULL)::pair', 'ROW(i, repeat(words(i), 5))::pair');
CALL check_type('pair[]', 1200, 'ARRAY[ROW(i, words(i))::pair, NULL]');
CALL check_type('positive', 1200, 'i + 1');
CALL check_type('label', 1200, 'left(words(i), 40)');
CALL check_type('pairs', 1200, 'ARRAY[ROW(i, words(i))::pair]');

TABLE results;

-- values that were compressed or moved out of line before they came
CREATE TABLE h (id int, v text, w text COMPRESSION pglz, x jsonb) USING heap;
ALTER TABLE h ALTER v SET STORAGE EXTERNAL;
INSERT INTO h SELECT i, repeat(words(i), 50), repeat(words(i), 100), jsonb_build_object('k', repeat(words(i), 80))
FROM generate_series(1, 100) i;
CREATE TABLE t (LIKE h INCLUDING ALL) USING tsdb;
INSERT INTO t SELECT * FROM h;
SELECT tsdb.compact('t');
TABLE h EXCEPT ALL TABLE t;
TABLE t EXCEPT ALL TABLE h;
-- an update of another column keeps them
UPDATE t SET id = -id;
UPDATE h SET id = -id;
SELECT tsdb.compact('t');
SELECT count(*) FROM (TABLE h EXCEPT ALL TABLE t) d;
DROP TABLE h, t;

-- no columns, one column, many columns, all of them null
CREATE TABLE none () USING tsdb;
INSERT INTO none SELECT FROM generate_series(1, 2500);
SELECT tsdb.compact('none'), (SELECT count(*) FROM none);
DELETE FROM none WHERE ctid IN (SELECT ctid FROM none LIMIT 10);
SELECT count(*) FROM none;
\set ECHO errors
SELECT format('CREATE TABLE wide (%s) USING tsdb',
	string_agg(format('c%s %s', i, (ARRAY['int', 'text', 'float8', 'timestamptz', 'text'])[i % 5 + 1]), ', '))
FROM generate_series(1, 1600) i \gexec
\set ECHO all
INSERT INTO wide (c1, c5, c800, c1600) SELECT 'a' || i, i, i, i FROM generate_series(1, 1500) i;
INSERT INTO wide DEFAULT VALUES;
SELECT tsdb.compact('wide');
SELECT count(*), count(c1), sum(c5), sum(c800), sum(c1600), count(c2), count(c1599) FROM wide;
UPDATE wide SET c1599 = 'x' WHERE c5 = 700;
SELECT c1, c5, c1599 FROM wide WHERE c1599 IS NOT NULL;

-- columns that came later, were dropped, or changed type
CREATE TABLE changed (id int, a int, b text) USING tsdb;
INSERT INTO changed SELECT i, i, 'b' || i FROM generate_series(1, 2000) i;
SELECT tsdb.compact('changed');
ALTER TABLE changed ADD c text DEFAULT 'later', ADD d timestamptz, ADD e int NOT NULL DEFAULT 7;
INSERT INTO changed SELECT i, i, 'b', 'c', 'epoch', i FROM generate_series(2001, 2010) i;
ALTER TABLE changed DROP a;
SELECT count(*), count(c), count(d), sum(e), min(c), max(c) FROM changed;
SELECT tsdb.compact('changed');
SELECT * FROM changed WHERE id IN (1, 1500, 2005) ORDER BY id;
ALTER TABLE changed ALTER b TYPE varchar(100), ALTER e TYPE bigint, ALTER id TYPE text;
SELECT * FROM changed WHERE id IN ('1', '1500', '2005') ORDER BY id;
SELECT tsdb.compact('changed');
SELECT count(*), sum(e), count(DISTINCT b) FROM changed;
-- a default that must be evaluated for each row rewrites the table
ALTER TABLE changed ADD f float8 DEFAULT random();
SELECT count(*), count(DISTINCT f) > 1000 FROM changed;

SET client_min_messages = warning;
DROP SCHEMA types CASCADE;
