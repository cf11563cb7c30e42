-- histogram(): buckets, ends, nulls, parallel queries, errors

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS tsdb;
RESET client_min_messages;

-- a bucket contains its lower bound and not its upper one; the first and the last count what is outside
SELECT histogram(v, 0, 10, 5) FROM generate_series(-3, 13) v;
SELECT histogram(v, 0, 10, 5) FROM unnest(ARRAY[-0.0, 0, 1.9999999, 2, 9.9999999, 10, 'Infinity', '-Infinity']::float8[]) v;
SELECT histogram(v, -1, 1, 1) FROM (VALUES (0.5), (7)) x (v);
SELECT array_lower(histogram(v, 0, 1, 3), 1), array_upper(histogram(v, 0, 1, 3), 1) FROM (VALUES (0.5)) x (v);
-- nulls do not count, no value gives null
SELECT histogram(v, 0, 10, 2) FROM (VALUES (1), (NULL), (7)) x (v);
SELECT histogram(NULL, 0, 10, 2), histogram(v, 0, 10, 2) FILTER (WHERE v > 100) FROM generate_series(1, 3) v;
-- groups, windows
SELECT v % 3 AS g, histogram(v, 0, 30, 3) FROM generate_series(1, 40) v GROUP BY 1 ORDER BY 1;
SELECT v, histogram(v, 1, 5, 2) OVER (ORDER BY v ROWS 1 PRECEDING) FROM generate_series(1, 5) v;

-- against width_bucket(), also parallel and partitionwise
CREATE TABLE samples (g int, v float8) PARTITION BY LIST (g);
CREATE TABLE samples_0 PARTITION OF samples FOR VALUES IN (0, 1) USING tsdb;
CREATE TABLE samples_1 PARTITION OF samples FOR VALUES IN (2) USING heap;
INSERT INTO samples SELECT i % 3, sin(i) * 100 FROM generate_series(1, 6000) i;
SELECT tsdb.compact('samples');
INSERT INTO samples SELECT i % 3, sin(i) * 100 FROM generate_series(6001, 6100) i;
INSERT INTO samples SELECT i % 3, NULL FROM generate_series(1, 30) i;
ANALYZE samples;
CREATE VIEW wanted AS
SELECT g, array_agg(n ORDER BY b) AS h
FROM (SELECT g, b, count(v) FILTER (WHERE width_bucket(v, -80, 90, 7) = b) AS n
	FROM samples CROSS JOIN generate_series(0, 8) b GROUP BY g, b) s GROUP BY g;
SELECT count(*) FROM wanted JOIN (SELECT g, histogram(v, -80, 90, 7) AS got FROM samples GROUP BY g) s USING (g) WHERE h <> got::bigint[];
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET enable_partitionwise_aggregate = on;
EXPLAIN (COSTS OFF) SELECT histogram(v, -80, 90, 7) FROM samples_0;
SELECT count(*) FROM wanted JOIN (SELECT g, histogram(v, -80, 90, 7) AS got FROM samples GROUP BY g) s USING (g) WHERE h <> got::bigint[];
SELECT histogram(v, -80, 90, 7) FROM samples;
SELECT histogram(v, -80, 90, 7) FROM samples WHERE v > 90;
RESET max_parallel_workers_per_gather;

-- refused
DO $$
DECLARE
	call text;
	detail text;
BEGIN
	FOREACH call IN ARRAY ARRAY['v, 10, 0, 5', 'v, 5, 5, 5', 'v, 0, 10, 0', 'v, 0, 10, -2', 'v, 0, 10, v::int',
		'''NaN'', 0, 10, 5', 'v, ''NaN'', 10, 5', 'v, 0, ''Infinity'', 5', 'v, NULL, 10, 5', 'v, 0, NULL, 5', 'v, 0, 10, NULL',
		'v, 0, 10, 2147483647']
	LOOP
		BEGIN
			EXECUTE 'SELECT histogram(' || call || ') FROM generate_series(1, 3) v';
			RAISE INFO '%: no error', call;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
			RAISE INFO '%: % %', call, SQLSTATE, concat_ws(' | ', SQLERRM, NULLIF(detail, ''));
		END;
	END LOOP;
END $$;
-- the bounds may change from row to row, as the bucket is found for each
SELECT histogram(v, v - 1, v + 1, 2) FROM generate_series(1, 3) v;

DROP VIEW wanted;
DROP TABLE samples;
