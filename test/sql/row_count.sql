-- approximate_row_count(): tsdb, heap, partitions, what has no rows

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS tsdb;
RESET client_min_messages;
SET tsdb.direct_load_rows = 0;	-- compaction is what is tested

-- never analyzed: from the length of the row store, and from the directory
CREATE TABLE counted (ts timestamptz, device int, v float8) USING tsdb;
SELECT approximate_row_count('counted');
INSERT INTO counted SELECT '2024-01-01'::timestamptz + i * '1 s'::interval, i % 5, i FROM generate_series(1, 20000) i;
SELECT approximate_row_count('counted') BETWEEN 15000 AND 25000 AS near;
SELECT tsdb.compact('counted');
VACUUM counted;
SELECT approximate_row_count('counted');
INSERT INTO counted SELECT '2024-02-01'::timestamptz + i * '1 s'::interval, i % 5, i FROM generate_series(1, 1000) i;
ANALYZE counted;
SELECT approximate_row_count('counted') BETWEEN 20500 AND 21500 AS near;
TRUNCATE counted;
SELECT approximate_row_count('counted');

-- heap and partitions: the sum
CREATE TABLE plain (a int);
SELECT approximate_row_count('plain');
INSERT INTO plain SELECT generate_series(1, 5000);
ANALYZE plain;
SELECT approximate_row_count('plain');
CREATE TABLE parent (ts timestamptz, v int) PARTITION BY RANGE (ts);
SELECT approximate_row_count('parent');
CREATE TABLE child_1 PARTITION OF parent FOR VALUES FROM ('2024-01-01') TO ('2024-01-02') USING tsdb;
CREATE TABLE child_2 PARTITION OF parent FOR VALUES FROM ('2024-01-02') TO ('2024-01-03') USING heap;
CREATE TABLE child_3 PARTITION OF parent DEFAULT PARTITION BY RANGE (ts);
CREATE TABLE child_4 PARTITION OF child_3 DEFAULT USING tsdb;
INSERT INTO parent SELECT '2024-01-01'::timestamptz + i * '1 min'::interval, i FROM generate_series(0, 3999) i;
SELECT tsdb.compact('parent');
VACUUM ANALYZE parent;
SELECT approximate_row_count('parent'), approximate_row_count('child_1'), approximate_row_count('child_2'), approximate_row_count('child_3');
CREATE MATERIALIZED VIEW copied USING tsdb AS SELECT * FROM parent;
VACUUM ANALYZE copied;
SELECT approximate_row_count('copied');

SELECT approximate_row_count(NULL) IS NULL AS null;
CREATE VIEW looked_at AS SELECT * FROM parent;
SELECT approximate_row_count('looked_at');
SELECT approximate_row_count(4294967295);

DROP TABLE counted, plain;
DROP VIEW looked_at;
DROP MATERIALIZED VIEW copied;
DROP TABLE parent;
