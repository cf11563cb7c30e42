-- Arrays of tsdb.ingest() by the keys of their series: rows of one series are brought together on their way, and are
-- the same rows as on heap in the end.  Each table takes the same columns, of as many as its key needs.
\set SHOW_CONTEXT never
SET timezone = 'UTC';
LOAD 'tsdb';

-- s: series, few or many a call; the time goes up, down or anywhere, now and then twice or infinite
CREATE FUNCTION ingested(call int, series int, OUT times timestamptz[], OUT ints int[], OUT texts text[], OUT smalls smallint[],
	OUT floats float8[], OUT bools bool[], OUT gauges float8[], OUT reals real[])
LANGUAGE sql STABLE AS $$
	SELECT array_agg(CASE WHEN i % 97 = 0 THEN 'infinity' WHEN i % 89 = 0 THEN '-infinity' ELSE '2026-01-01 00:00+00'::timestamptz +
			CASE call % 3 WHEN 0 THEN call * 1000 + i WHEN 1 THEN -i ELSE i * 7919 % 1000 END / 2 * interval '1 s' END),
		array_agg(s - 3), array_agg('host ' || s), array_agg((s % 300 - 2)::smallint),
		array_agg(CASE s % 4 WHEN 0 THEN -0.0 WHEN 1 THEN 0.0 WHEN 2 THEN 'NaN' ELSE s END::float8), array_agg(s % 2 = 0),
		array_agg(CASE i % 50 WHEN 0 THEN 'NaN' WHEN 1 THEN '-Infinity' WHEN 2 THEN -0.0 ELSE i / 8.0 END::float8), array_agg(i::real)
	FROM (SELECT i, abs(hashint4(i / 2 * call)) % series AS s FROM generate_series(1, 1000) i) r
$$;

CREATE TABLE keys (name text, columns text, series text, given text, few_null text);
INSERT INTO keys VALUES
	('k_int', 'time timestamptz NOT NULL, a int, g float8, r real', 'a', '$1, $2, $7, $8', NULL),
	('k_null', 'time timestamptz NOT NULL, a int, g float8, r real', 'a', '$1, $2, $7, $8', '$2'),
	('k_gauge', 'time timestamptz NOT NULL, a int, g float8, r real', 'a', '$1, $2, $7, $8', '$7'),
	('k_time', 'time timestamptz, a int, g float8', 'a', '$1, $2, $7', '$1'),
	('k_small', 'time timestamptz NOT NULL, a smallint, b bool, g float8', 'a, b', '$1, $4, $6, $7', NULL),
	('k_text', 'time timestamptz NOT NULL, a text, g float8', 'a', '$1, $3, $7', NULL),
	('k_both', 'time timestamptz NOT NULL, a text, b smallint, g float8', 'a, b', '$1, $3, $4, $7', '$3'),
	('k_float', 'time timestamptz NOT NULL, a float8, g float8', 'a', '$1, $5, $7', NULL),
	('k_default', 'time timestamptz NOT NULL, a int DEFAULT 7, g float8, r real', 'a', '$1, NULL::int[], $7, $8', NULL),
	('k_none', 'time timestamptz NOT NULL, g float8, r real', '', '$1, $7, $8', NULL),
	('k_name', 'time timestamptz NOT NULL, a name, g float8', 'a', '$1, $3::name[], $7', NULL),
	('k_cast', 'time timestamptz NOT NULL, a bigint, g numeric(20, 3)', 'a', '$1, $2, array_replace(array_replace($7, ''NaN'', NULL), ''-Infinity'', 1)', NULL);

CREATE PROCEDURE ingest_by_keys(durability text) LANGUAGE plpgsql AS $$
DECLARE
	k record;
	times timestamptz[];
	ints int[];
	texts text[];
	smalls smallint[];
	floats float8[];
	bools bool[];
	gauges float8[];
	reals real[];
BEGIN
	PERFORM set_config('tsdb.ingest_durability', durability, false);
	FOR k IN SELECT * FROM keys ORDER BY name LOOP
		FOR n IN 1 .. 6 LOOP
			SELECT * INTO times, ints, texts, smalls, floats, bools, gauges, reals FROM ingested(n, CASE WHEN n < 4 THEN 9 ELSE 700 END);
			CASE k.few_null
				WHEN '$1' THEN times[n * 11] := NULL;
				WHEN '$2' THEN ints[n * 5] := NULL;
				WHEN '$3' THEN texts[n * 7] := NULL;
				WHEN '$7' THEN gauges[n] := NULL;
				ELSE
			END CASE;
			EXECUTE format('INSERT INTO %I SELECT %s FROM unnest(%s)%s', k.name || '_heap', CASE WHEN k.name = 'k_default' THEN 't, 7, g, r' ELSE '*' END,
				replace(k.given, 'NULL::int[], ', ''), CASE WHEN k.name = 'k_default' THEN ' u(t, g, r)' END)
				USING times, ints, texts, smalls, floats, bools, gauges, reals;
			COMMIT;
			EXECUTE format('SELECT tsdb.ingest(%L, %s)', k.name, k.given)
				USING times, ints, texts, smalls, floats, bools, gauges, reals;
			COMMIT;
		END LOOP;
	END LOOP;
END $$;

DO $$
DECLARE
	k record;
BEGIN
	FOR k IN SELECT * FROM keys ORDER BY name LOOP
		EXECUTE format('CREATE TABLE %I (%s) USING tsdb WITH (tsdb.time = ''time'', tsdb.series = %L)', k.name, k.columns, k.series);
		EXECUTE format('CREATE TABLE %I (%s)', k.name || '_heap', k.columns);
	END LOOP;
END $$;

-- all rows, bit for bit, and none in a wrong place
CREATE FUNCTION compare_by_keys() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	k record;
	n bigint;
	wrong bigint;
BEGIN
	FOR k IN SELECT * FROM keys ORDER BY name LOOP
		EXECUTE format('SELECT count(*), (SELECT count(*) FROM ((SELECT record_send(x) FROM %1$I x EXCEPT ALL SELECT record_send(x) FROM %2$I x)
				UNION ALL (SELECT record_send(x) FROM %2$I x EXCEPT ALL SELECT record_send(x) FROM %1$I x)) d) FROM %1$I', k.name, k.name || '_heap')
			INTO n, wrong;
		RETURN NEXT k.name || ': ' || n || ' rows, ' || wrong || ' wrong';
		RETURN QUERY EXECUTE format('SELECT v::text FROM tsdb.verify(%L) v', k.name);
	END LOOP;
END $$;

CALL ingest_by_keys('commit');
SELECT compare_by_keys();
CALL ingest_by_keys('async');
SELECT tsdb.ingest_flush();
SELECT compare_by_keys();
SELECT count(*) FROM keys, LATERAL (SELECT tsdb.compact(name::regclass)) c;
SELECT compare_by_keys();

-- one series is found by its key in both stores
SELECT count(*), sum(r) FROM k_int WHERE a = 2;
SELECT count(*), sum(r) FROM k_int_heap WHERE a = 2;
SELECT count(*), count(DISTINCT time) FROM k_both WHERE a = 'host 4' AND b = 2;
SELECT count(*), count(DISTINCT time) FROM k_both_heap WHERE a = 'host 4' AND b = 2;

-- with a unique index: all of a call or nothing, whichever row it is that is named
\set VERBOSITY terse
CREATE TABLE k_unique (time timestamptz NOT NULL, a int NOT NULL, g float8) USING tsdb;
CREATE UNIQUE INDEX ON k_unique USING tsdb_key (a, time);
SET tsdb.ingest_durability = commit;
SELECT tsdb.ingest('k_unique', array_agg('2026-01-01 00:00+00'::timestamptz + i / 10 * interval '1 s'), array_agg(i % 10), array_agg(i::float8))
	FROM generate_series(1, 1000) i;
SELECT tsdb.ingest('k_unique', array_agg('2026-01-01 01:00+00'::timestamptz + i / 10 * interval '1 s'), array_agg(i % 10), array_agg(i::float8))
	FROM generate_series(1, 1000) i;
SELECT tsdb.ingest('k_unique', array_agg('2026-01-01 02:00+00'::timestamptz + (i % 990) / 10 * interval '1 s'), array_agg(i % 10), array_agg(i::float8))
	FROM generate_series(1, 991) i;
SELECT tsdb.ingest('k_unique', array_agg('2026-01-01 01:01+00'::timestamptz + i / 10 * interval '1 s'), array_agg(i % 10), array_agg(i::float8))
	FROM generate_series(1, 1000) i;
SELECT count(*), count(DISTINCT (a, time)), sum(g) FROM k_unique;

-- rolled back
BEGIN;
SELECT tsdb.ingest('k_int', c.times, c.ints, c.gauges, c.reals) FROM ingested(9, 5) c;
ROLLBACK;
SELECT count(*) FROM k_int;

DO $$
DECLARE
	k record;
BEGIN
	FOR k IN SELECT * FROM keys ORDER BY name LOOP
		EXECUTE format('DROP TABLE %I, %I', k.name, k.name || '_heap');
	END LOOP;
END $$;
DROP TABLE keys, k_unique;
DROP FUNCTION ingested, compare_by_keys;
DROP PROCEDURE ingest_by_keys;
