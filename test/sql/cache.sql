-- The working set: decoded columns in shared memory, for all sessions.
SET max_parallel_workers_per_gather = 0;
SET timezone = 'UTC';

CREATE TABLE cached (ts timestamptz NOT NULL, device int NOT NULL, v float8, small real, n numeric,
	note text, id uuid, ok bool, d date, span interval) USING tsdb;
SELECT tsdb.set_key('cached', 'ts', '{device}');
CREATE TABLE plain (LIKE cached) USING heap;
INSERT INTO plain
SELECT timestamptz '2026-01-01' + i * interval '10 s', i % 3, CASE WHEN i % 7 = 0 THEN NULL ELSE i / 4.0 END,
	i / 8.0, i * 1.10, CASE WHEN i % 5 = 0 THEN NULL ELSE 'note ' || i % 11 END,
	md5(i::text)::uuid, i % 2 = 0, date '2026-01-01' + i, i * interval '1 min'
FROM generate_series(1, 9000) i;
INSERT INTO plain VALUES ('2026-02-01', 1, 'NaN', '-Infinity', 'NaN', '', NULL, NULL, 'infinity', '-1 mon');
INSERT INTO cached SELECT * FROM plain;
SELECT tsdb.compact('cached') IS NOT NULL AS compacted;

-- What was asked for of a table since the counters were reset.
CREATE FUNCTION asked(name regclass, OUT hits bigint, OUT misses bigint) LANGUAGE sql AS $$
	SELECT COALESCE(sum(s.hits), 0), COALESCE(sum(s.misses), 0)
	FROM tsdb.get_stat_cache_columns() s WHERE s.relid = name
$$;

-- The same rows from everywhere: decoded, from the cache, without it, from heap.
CREATE FUNCTION same(what text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	digest text;
	other text;
BEGIN
	EXECUTE format('SELECT md5(string_agg(t::text, E''\n'' ORDER BY t::text)) FROM (%s) t',
		replace(what, 'TABLE_', 'plain')) INTO digest;
	FOR i IN 1 .. 3 LOOP
		PERFORM set_config('tsdb.enable_cache', CASE i WHEN 3 THEN 'off' ELSE 'on' END, true);
		EXECUTE format('SELECT md5(string_agg(t::text, E''\n'' ORDER BY t::text)) FROM (%s) t',
			replace(what, 'TABLE_', 'cached')) INTO other;
		IF other IS DISTINCT FROM digest THEN
			RETURN false;
		END IF;
	END LOOP;
	PERFORM set_config('tsdb.enable_cache', 'on', true);
	RETURN true;
END
$$;

SELECT tsdb.cache_reset();
SELECT same('SELECT * FROM TABLE_');
SELECT hits > 0 AS hits, misses > 0 AS misses FROM asked('cached');
SELECT same('SELECT device, count(v), sum(v), min(note), max(note), sum(n), count(id), bool_and(ok) FROM TABLE_ GROUP BY 1');
SELECT same('SELECT ts, v, note FROM TABLE_ WHERE device = 1 AND ts < ''2026-01-01 03:00'' ORDER BY ts DESC LIMIT 7');
SELECT same('SELECT time_bucket(''5 min'', ts), avg(v), max(small) FROM TABLE_ WHERE ts >= ''2026-01-01 02:03'' AND ts < ''2026-01-01 09:01'' GROUP BY 1');
SELECT same('SELECT DISTINCT ON (device) device, ts, v FROM TABLE_ ORDER BY device, ts DESC');
SELECT same('SELECT * FROM TABLE_ WHERE note LIKE ''note 1%'' AND v > 10 AND id IS NOT NULL');

-- Conditions on columns that are kept as small integers: every operator, bounds that are values and that are none,
-- of other types than the column's, null, and what is no number.
CREATE FUNCTION differing(columns text[], bounds text[], OUT asked int, OUT differing text[]) LANGUAGE plpgsql AS $$
DECLARE
	condition text;
	here record;
	there record;
BEGIN
	asked := 0;
	FOR condition IN
		SELECT format('%s %s %s', c, o, b)
		FROM unnest(columns) c, unnest(ARRAY['<', '<=', '=', '>=', '>']) o, unnest(bounds) b
	LOOP
		EXECUTE format('SELECT count(*), sum(device), min(ts), max(ts), count(v) FROM cached WHERE %s', condition) INTO here;
		EXECUTE format('SELECT count(*), sum(device), min(ts), max(ts), count(v) FROM plain WHERE %s', condition) INTO there;
		asked := asked + 1;
		IF here IS DISTINCT FROM there THEN
			differing := differing || condition;
		END IF;
	END LOOP;
END
$$;
SELECT * FROM differing('{v, small}', '{0, -0.0, 0.25, 0.3, 1000.75, "1000.7500001::float8", 2250, 1e300, "float8 ''-Infinity''",
	"float8 ''Infinity''", "float8 ''NaN''", "real ''0.1''", "real ''700.5''", "NULL"}');
SELECT * FROM differing('{device}', '{-1, 0, 1, 2, 3, 32767::int2, 9223372036854775807, "int8 ''-9223372036854775808''", "NULL"}');
SELECT * FROM differing('{ts}', '{"timestamptz ''2026-01-01 00:00:10''", "timestamptz ''2026-01-01 07:00:05''", "timestamptz ''2026-02-01''",
	"timestamptz ''infinity''", "timestamptz ''-infinity''", "date ''2026-01-02''", "timestamp ''2026-01-01 12:00''"}');
SELECT * FROM differing('{d}', '{"date ''2026-01-01''", "date ''2040-01-01''", "date ''infinity''", "timestamptz ''2030-01-01 12:00''"}');
SELECT same('SELECT * FROM TABLE_ WHERE v > 2000 AND v <= 2100.25 AND ts > ''2026-01-01 06:00'' AND small >= 1000');
-- Each column of each chunk is there once; nothing stays pinned.
SELECT attname, vectors > 0 AS there, pins, bytes > 0 AS bytes
FROM tsdb.cache_contents WHERE relname = 'cached' ORDER BY attname;
SELECT level, pins, vectors > 0 AS vectors, bytes BETWEEN 1 AND size AS bytes, hits > 0 AS hits
FROM tsdb.stat_cache WHERE level = 'memory';
SELECT hits > 0 AS hits, misses > 0 AS misses FROM tsdb.stat_cache_session();

-- A query that finds everything decodes nothing, and EXPLAIN says so.
CREATE FUNCTION vectors(query text, OUT hit int, OUT read int) LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT JSON) ' || query INTO plan;
	hit := substring(plan::text FROM '"Vectors Hit": (\d+)');
	read := substring(plan::text FROM '"Vectors Read": (\d+)');
END
$$;
SELECT hit > 0 AS hit, read FROM vectors('SELECT sum(v * 2) FROM cached');
SELECT tsdb.cache_reset();
SELECT hit, read > 0 AS read FROM vectors('SELECT sum(v * 2) FROM cached');
SELECT hit > 0 AS hit, read FROM vectors('SELECT sum(v * 2) FROM cached');
SET tsdb.enable_cache = off;
SELECT hit, read FROM vectors('SELECT sum(v * 2) FROM cached');
RESET tsdb.enable_cache;

-- DDL: columns added later are not cached, those that went are not found, a new file is another storage.
ALTER TABLE cached ADD COLUMN extra int DEFAULT 7;
ALTER TABLE plain ADD COLUMN extra int DEFAULT 7;
SELECT same('SELECT sum(extra), count(*) FROM TABLE_ WHERE extra + 0 = 7');
SELECT count(*) FROM tsdb.cache_contents WHERE relname = 'cached' AND attname = 'extra';
ALTER TABLE cached DROP COLUMN small;
ALTER TABLE plain DROP COLUMN small;
ALTER TABLE cached ALTER v TYPE numeric;
ALTER TABLE plain ALTER v TYPE numeric;
SELECT tsdb.compact('cached') IS NOT NULL AS compacted;
SELECT same('SELECT * FROM TABLE_');
BEGIN;
UPDATE cached SET v = v + 1 WHERE device = 2;
UPDATE plain SET v = v + 1 WHERE device = 2;
SELECT same('SELECT device, sum(v), count(*) FROM TABLE_ GROUP BY 1');
SAVEPOINT before;
TRUNCATE cached;
TRUNCATE plain;
SELECT same('SELECT * FROM TABLE_');
ROLLBACK TO before;
SELECT same('SELECT device, sum(v), count(*) FROM TABLE_ GROUP BY 1');
ROLLBACK;
SELECT same('SELECT device, sum(v), count(*) FROM TABLE_ GROUP BY 1');

-- A cursor that is held open keeps what it reads, whatever happens to the table.
BEGIN;
DECLARE c CURSOR FOR SELECT note FROM cached WHERE ts < '2026-01-01 04:00' ORDER BY ts;
FETCH 3 FROM c;
SELECT pins > 0 AS pinned FROM tsdb.stat_cache WHERE level = 'memory';
SELECT tsdb.cache_reset();
FETCH 3 FROM c;
COMMIT;
SELECT pins FROM tsdb.stat_cache WHERE level = 'memory';

-- Temporary tables are nobody else's business.
CREATE TEMP TABLE own (ts timestamptz, v int) USING tsdb;
INSERT INTO own SELECT timestamptz '2026-01-01' + i * interval '1 s', i FROM generate_series(1, 3000) i;
SELECT tsdb.compact('own') IS NOT NULL AS compacted;
SELECT sum(v + 0) FROM own;
SELECT * FROM asked('own');

-- Prewarming: as many vectors as there are chunks and columns.
SELECT tsdb.cache_reset();
SELECT tsdb.prewarm('cached', '{v, note}') = 2 * chunks AS all_there FROM tsdb.tables WHERE "table" = 'cached'::regclass;
SELECT hit > 0 AS hit, read FROM vectors('SELECT count(v), min(note COLLATE "C") FROM cached WHERE v + 1 > 0');
SELECT tsdb.cache_reset();
SELECT tsdb.prewarm('cached', '{v}', newer_than => timestamptz '2026-01-01 20:00') BETWEEN 1 AND 6 AS some_there;
SELECT tsdb.prewarm('cached', '{v}', older_than => timestamptz '2025-01-01');
SELECT tsdb.prewarm('cached', '{nothing}');
SELECT tsdb.prewarm('plain');
SELECT tsdb.prewarm(NULL);
SELECT tsdb.prewarm('cached', '{v, v, v, v, v, v, v, v, v, v, v, v, v}');
CREATE ROLE cache_reader;
GRANT SELECT (v) ON cached TO cache_reader;
SET ROLE cache_reader;
SELECT tsdb.prewarm('cached', '{v}') > 0 AS there;
SELECT tsdb.prewarm('cached', '{note}');
SELECT tsdb.cache_reset();
RESET ROLE;
REVOKE ALL ON cached FROM cache_reader;
DROP ROLE cache_reader;

DROP TABLE cached, plain, own;
DROP FUNCTION asked, same, vectors;
