-- Shows what the demo's tables take and answer.

\set QUIET on
\set ON_ERROR_STOP on
\pset border 1
\pset footer off
SET timezone = 'UTC';

\echo
\echo '-- Rows and bytes, against the same rows in heap'
WITH pairs (tsdb, heap, rows) AS (
    VALUES ('machine_metrics'::regclass, 'machine_metrics_heap'::regclass,
            (SELECT count(*) FROM machine_metrics)),
           ('weather', 'weather_heap', (SELECT count(*) FROM weather))
)
SELECT tsdb AS "table", rows,
       pg_table_size(heap) AS heap_bytes,
       tsdb.table_size(tsdb) AS tsdb_bytes,
       round(pg_table_size(heap)::numeric / rows, 1) AS heap_bytes_per_row,
       round(tsdb.table_size(tsdb)::numeric / rows, 1) AS tsdb_bytes_per_row,
       round(pg_table_size(heap)::numeric / tsdb.table_size(tsdb), 1) AS times_smaller
FROM pairs;

\echo '-- Rows that differ between the two'
SELECT (SELECT count(*) FROM (TABLE machine_metrics EXCEPT ALL TABLE machine_metrics_heap) d)
     + (SELECT count(*) FROM (TABLE machine_metrics_heap EXCEPT ALL TABLE machine_metrics) d)
         AS machine_metrics,
       (SELECT count(*) FROM (TABLE weather EXCEPT ALL TABLE weather_heap) d)
     + (SELECT count(*) FROM (TABLE weather_heap EXCEPT ALL TABLE weather) d)
         AS weather;

\echo '-- How each column is stored'
SELECT * FROM tsdb.columns
WHERE "table" IN ('machine_metrics'::regclass, 'weather'::regclass);

\set ECHO queries
\echo
\echo '-- CPU of the recorded machine, two-minute averages'
\echo
SELECT to_char(time_bucket('2 minutes', ts), 'HH24:MI') AS minute,
       round(avg(value)::numeric, 1) AS cpu_busy_percent,
       repeat('█', (avg(value) / 2)::int) AS chart
FROM machine_metrics
WHERE metric = 'cpu_busy_percent'
GROUP BY time_bucket('2 minutes', ts)
ORDER BY time_bucket('2 minutes', ts);

\echo
\echo '-- How it was answered'
\echo
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF)
SELECT time_bucket('2 minutes', ts), avg(value)
FROM machine_metrics
WHERE metric = 'cpu_busy_percent'
GROUP BY 1;

\echo '-- Warmest day of each month in Seattle'
\echo
SELECT to_char(date_trunc('month', date), 'YYYY-MM') AS month,
       max(temp_max) AS warmest,
       repeat('█', max(temp_max)::int) AS chart
FROM weather
WHERE location = 'Seattle' AND date >= '2015-01-01'
GROUP BY date_trunc('month', date)
ORDER BY 1;
\set ECHO none
