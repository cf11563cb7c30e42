-- tsdb.tables, tsdb.columns, tsdb.chunks, tsdb.table_size

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS tsdb;
LOAD 'tsdb';
RESET client_min_messages;
CREATE SCHEMA views;
SET search_path = views, public;

CREATE TABLE cpu (ts timestamptz, host text, usage float8, note text) USING tsdb WITH (tsdb.series = 'host');
CREATE TABLE none (v int) USING tsdb;
CREATE TABLE heap (v int) USING heap;
CREATE MATERIALIZED VIEW mv USING tsdb AS SELECT now()::date AS d;
CREATE TEMP TABLE temporary (ts timestamptz) USING tsdb;

-- before the first row
SELECT "table", time_column, series_columns, chunks, chunk_rows, row_store_bytes
FROM tsdb.tables WHERE "table"::text NOT LIKE '%.%' ORDER BY 1;
SELECT count(*) FROM tsdb.columns WHERE "table" = 'cpu'::regclass;

INSERT INTO cpu SELECT '2024-01-01'::timestamptz + i / 4 * '10 s'::interval, 'host' || i % 4, i % 100 / 10.0, NULL
FROM generate_series(0, 9999) i;
SELECT chunks, chunk_rows, row_store_bytes > 0 AS rows, total_bytes > row_store_bytes AS more
FROM tsdb.tables WHERE "table" = 'cpu'::regclass;
SELECT tsdb.table_size('cpu') AS before \gset
SELECT tsdb.compact('cpu');
VACUUM cpu;
SELECT chunks BETWEEN 10 AND 40 AS chunks, chunk_rows, total_bytes > row_store_bytes AS more
FROM tsdb.tables WHERE "table" = 'cpu'::regclass;
SELECT tsdb.table_size('cpu') = total_bytes AS same, tsdb.table_size('cpu') < :before / 2 AS smaller
FROM tsdb.tables WHERE "table" = 'cpu'::regclass;
-- sizes count everything that belongs to the table
SELECT tsdb.table_size('cpu') >= pg_table_size('cpu') AS all_of_it;

-- columns: every value counted once, constants and nulls next to nothing
SELECT "column", sum("values") AS "values", sum(bytes) > 0 AS bytes, max(bits_per_value) < 64 AS small,
	bool_and(codec <> 'unknown') AS known
FROM tsdb.columns WHERE "table" = 'cpu'::regclass GROUP BY 1 ORDER BY 1;
SELECT sum(bytes) < (SELECT total_bytes FROM tsdb.tables WHERE "table" = 'cpu'::regclass) AS within
FROM tsdb.columns WHERE "table" = 'cpu'::regclass;

-- chunks: every row in one, times in order
SELECT sum(rows) AS rows, bool_and(rows BETWEEN 1 AND 1024) AS size, bool_and(min_time <= max_time) AS times,
	count(DISTINCT chunk) = count(*) AS numbers, bool_and(segments >= 1) AS segments, bool_and(shard BETWEEN 0 AND 15) AS shards
FROM tsdb.chunks WHERE "table" = 'cpu'::regclass;
SELECT to_timestamp(min(min_time) / 1e6) + ('2000-01-01 00:00+00'::timestamptz - 'epoch') = min(ts) AS first,
	to_timestamp(max(max_time) / 1e6) + ('2000-01-01 00:00+00'::timestamptz - 'epoch') = max(ts) AS last
FROM tsdb.chunks, (SELECT min(ts) AS ts FROM cpu UNION ALL SELECT max(ts) FROM cpu) c WHERE "table" = 'cpu'::regclass;

-- what changes after it
UPDATE cpu SET usage = 0 WHERE host = 'host1';
DELETE FROM cpu WHERE host = 'host2';
SELECT tsdb.compact('cpu') > 0;
SELECT tsdb.compact('cpu') >= 0;
SELECT chunk_rows >= 7500 AS enough, (SELECT count(*) FROM cpu) AS rows FROM tsdb.tables WHERE "table" = 'cpu'::regclass;
ALTER TABLE cpu RENAME usage TO load;
ALTER TABLE cpu DROP note;
SELECT DISTINCT "column" FROM tsdb.columns WHERE "table" = 'cpu'::regclass ORDER BY 1;
TRUNCATE cpu;
SELECT chunks, chunk_rows, row_store_bytes FROM tsdb.tables WHERE "table" = 'cpu'::regclass;
SELECT count(*) FROM tsdb.chunks WHERE "table" = 'cpu'::regclass;
-- one filled again starts anew
INSERT INTO cpu SELECT '2024-01-01'::timestamptz + i * '10 s'::interval, 'host', i FROM generate_series(1, 1000) i;
SELECT tsdb.compact('cpu');
SELECT count(DISTINCT shard) = 1 AS one_series_one_shard, sum(rows) AS rows FROM tsdb.chunks WHERE "table" = 'cpu'::regclass;

-- privileges: what one may not read is not there
CREATE ROLE regress_tsdb_nobody;
GRANT USAGE ON SCHEMA views TO regress_tsdb_nobody;
SET ROLE regress_tsdb_nobody;
SELECT count(*) FROM tsdb.tables WHERE "table"::text IN ('cpu', 'none', 'mv');
SELECT count(*) FROM tsdb.columns WHERE "table"::text = 'cpu';
SELECT count(*) FROM tsdb.chunks WHERE "table"::text = 'cpu';
RESET ROLE;
GRANT SELECT ON cpu TO regress_tsdb_nobody;
SET ROLE regress_tsdb_nobody;
SELECT "table" FROM tsdb.tables WHERE "table"::text IN ('cpu', 'none', 'mv');
SELECT count(*) > 0 FROM tsdb.chunks WHERE "table"::text = 'cpu';
RESET ROLE;
-- nor what policies hide: times of rows, and codecs, which tell of values; the owner sees both
ALTER TABLE cpu ENABLE ROW LEVEL SECURITY;
SET ROLE regress_tsdb_nobody;
SELECT "table" FROM tsdb.tables WHERE "table"::text = 'cpu';
SELECT count(*) FROM tsdb.columns WHERE "table"::text = 'cpu';
SELECT count(*) FROM tsdb.chunks WHERE "table"::text = 'cpu';
SELECT * FROM tsdb.chunk_info('cpu');
SELECT * FROM tsdb.column_info('cpu');
RESET ROLE;
SELECT count(*) > 0 FROM tsdb.chunks WHERE "table"::text = 'cpu';
-- a column's privilege shows nothing of the others
REVOKE SELECT ON cpu FROM regress_tsdb_nobody;
ALTER TABLE cpu DISABLE ROW LEVEL SECURITY;
GRANT SELECT (host) ON cpu TO regress_tsdb_nobody;
SET ROLE regress_tsdb_nobody;
SELECT count(*) FROM tsdb.chunks WHERE "table"::text = 'cpu';
SELECT * FROM tsdb.column_info('cpu');
SELECT tsdb.table_size('cpu');
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA views CASCADE;
DROP OWNED BY regress_tsdb_nobody;
DROP ROLE regress_tsdb_nobody;
